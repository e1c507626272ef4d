"""HTTP/1.1 as bytes: what client and origin share. Strict where a test would want to know."""
import socket
import ssl
import struct
import time

from .wait import DEADLINE_S


class Ended(Exception):
    """The peer ended the connection. how: fin, reset, close_notify, or truncated (TLS without close_notify)."""

    def __init__(self, how, buffered=b""):
        super().__init__(f"connection ended by {how} after {buffered[-80:]!r}")
        self.how, self.buffered = how, buffered


class Malformed(Exception):
    """Bytes that are no HTTP/1.1."""


class Fields(list):
    """(name, value) pairs as they stood on the wire."""

    def get(self, name, default=None):
        return next((value for key, value in self if key.lower() == name.lower()), default)

    def all(self, name):
        return [value for key, value in self if key.lower() == name.lower()]

    def names(self):
        return [name for name, _ in self]


class Wire:
    """A socket with a deadline for every step and a buffer for what came too early."""

    def __init__(self, sock, deadline_s=DEADLINE_S):
        self.sock, self.deadline_s = sock, deadline_s
        self.buffer = bytearray()

    def send(self, data):
        self.sock.settimeout(self.deadline_s)
        self.sock.sendall(data)

    def receive(self, size=65536, deadline_s=None):
        """At least one byte from the socket, or Ended; TimeoutError at the deadline."""
        self.sock.settimeout(self.deadline_s if deadline_s is None else deadline_s)
        try:
            data = self.sock.recv(size)
        except ConnectionResetError:
            raise Ended("reset", bytes(self.buffer)) from None
        except ssl.SSLError as problem:
            if not isinstance(problem, ssl.SSLEOFError) and "EOF" not in (problem.reason or ""):
                raise
            raise Ended("truncated", bytes(self.buffer)) from None
        if not data:
            raise Ended("close_notify" if isinstance(self.sock, ssl.SSLSocket) else "fin", bytes(self.buffer))
        return data

    def fill(self):
        self.buffer += self.receive()

    def take(self, size):
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    def read_until(self, mark):
        while (at := self.buffer.find(mark)) < 0:
            self.fill()
        return self.take(at + len(mark))

    def read_exact(self, size):
        while len(self.buffer) < size:
            self.fill()
        return self.take(size)

    def read_to_end(self):
        """Everything up to the end of the connection: (bytes, how it ended)."""
        while True:
            try:
                self.fill()
            except Ended as end:
                return self.take(len(self.buffer)), end.how

    def read_pieces(self, size):
        """Yields `size` bytes in pieces, for contents too large to keep."""
        while size > 0:
            if not self.buffer:
                self.fill()
            piece = self.take(min(size, len(self.buffer)))
            size -= len(piece)
            yield piece

    def read_chunks(self, trailers):
        """Yields the data of a chunked body; trailer fields are appended to `trailers`."""
        while True:
            line = self.read_until(b"\r\n")[:-2].split(b";")[0]
            if not line or any(c not in b"0123456789abcdefABCDEF" for c in line):
                raise Malformed(f"chunk size {line!r}")
            size = int(line, 16)
            if size == 0:
                break
            yield from self.read_pieces(size)
            if self.read_exact(2) != b"\r\n":
                raise Malformed("no CRLF after a chunk")
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            trailers.append(parse_field(line[:-2]))

    def reset(self):
        """Ends the connection with a RST."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        close_quietly(self.sock)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        close_quietly(self.sock)


def close_quietly(sock):
    try:
        sock.close()
    except OSError:
        pass


def parse_field(line):
    name, colon, value = line.decode("latin-1").partition(":")
    if not colon or not name or name != name.strip():
        raise Malformed(f"field line {line!r}")
    return name, value.strip(" \t")


def parse_head(raw):
    """(start line, Fields) of a head that ends with an empty line."""
    lines = raw[:-4].split(b"\r\n")
    if b"\n" in raw.replace(b"\r\n", b""):
        raise Malformed("bare LF")
    return lines[0].decode("latin-1"), Fields(parse_field(line) for line in lines[1:])


def chunked(*pieces, trailers=()):
    """A chunked body with the pieces given."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    lines = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in trailers)
    return body + b"0\r\n" + lines + b"\r\n"


def head(start_line, fields):
    lines = [start_line, *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Stopwatch:
    def __init__(self):
        self.started = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self.started
