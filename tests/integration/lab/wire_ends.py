"""The two ends of a flow as raw sockets, and what they see."""
import socket
import struct

import pytest

from .wait import DEADLINE_S

FOR_LONG = 600_000  # ms: what must not happen during a test
EARLY_S = 0.01  # its clock has whole milliseconds
MOMENT_S = 0.3  # a look at what must not come; that it did not come proves nothing, that it did fails


class Server:
    """A listening socket; connections are accepted when a test asks for one."""

    def __init__(self, host="127.0.0.1"):
        self.socket = socket.create_server((host, 0), backlog=1024)
        self.socket.settimeout(DEADLINE_S)
        self.address = self.socket.getsockname()

    def accept(self):
        connection, peer = self.socket.accept()
        connection.settimeout(DEADLINE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, peer


def connect(address):
    client = socket.create_connection(address, timeout=DEADLINE_S)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def pair(wire, server):
    """(client's socket, server's socket) of one flow."""
    client = connect(wire.address)
    return client, server.accept()[0]


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_all(connection):
    """(bytes, how it ended)"""
    received = bytearray()
    while True:
        try:
            some = connection.recv(65536)
        except ConnectionResetError:
            return bytes(received), "reset"
        if not some:
            return bytes(received), "fin"
        received += some


def connect_and_read(address):
    """As read_all; a reset may come before connect has returned."""
    try:
        return read_all(connect(address))
    except ConnectionResetError:
        return b"", "reset"


def read_exactly(connection, count):
    received = bytearray()
    while len(received) < count:
        some = connection.recv(count - len(received))
        assert some, f"ended after {len(received)} of {count} bytes"
        received += some
    return bytes(received)


def assert_silent(connection):
    """Neither a byte nor an end, for a moment."""
    connection.settimeout(MOMENT_S)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    connection.settimeout(DEADLINE_S)


def exchange(wire, server, request=b"ping", answer=b"pong"):
    client, upstream = pair(wire, server)
    client.sendall(request)
    assert read_exactly(upstream, len(request)) == request
    upstream.sendall(answer)
    assert read_exactly(client, len(answer)) == answer
    return client, upstream
