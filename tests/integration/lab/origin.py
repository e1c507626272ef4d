"""A scriptable origin server: records every request byte for byte and misbehaves on demand."""
import dataclasses
import pathlib
import socket
import ssl
import threading

from . import behaviours
from .wait import DEADLINE_S, wait_until
from .wire import Ended, Fields, Malformed, Wire, parse_head


@dataclasses.dataclass
class Request:
    raw_head: bytes
    method: str
    target: str
    version: str
    fields: Fields
    connection: "Connection"
    number: int  # n-th request on its connection, from 1
    content: bytes = b""
    trailers: list = dataclasses.field(default_factory=list)
    content_read: bool = False

    def read_content(self):
        """Reads and keeps the whole content, once."""
        if not self.content_read:
            self.content = b"".join(self.content_pieces())
            self.content_read = True
        return self.content

    def content_pieces(self):
        """Yields the content as it comes from the wire."""
        if self.fields.get("Transfer-Encoding", "").lower() == "chunked":
            yield from self.connection.read_chunks(self.trailers)
        else:
            yield from self.connection.read_pieces(int(self.fields.get("Content-Length", "0")))


class Connection(Wire):
    """One accepted connection, served by its own thread."""

    def __init__(self, origin, sock, number):
        super().__init__(sock, origin.deadline_s)
        self.origin, self.number = origin, number
        self.sent = 0  # content bytes that the kernel took
        self.received_all = bytearray()
        self.ended_by = None  # how the peer ended it, once known
        self.done = False  # nothing more is read or sent

    def send(self, data, counted=0):
        try:
            super().send(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Ended("reset") from None
        self.sent += counted

    def receive(self, size=65536, deadline_s=None):
        data = super().receive(size, deadline_s)
        if len(self.received_all) < self.origin.record_max_bytes:
            self.received_all += data
        return data

    def end_cleanly(self):
        """FIN after what was sent; unread bytes are drained first, so that no RST overtakes it."""
        try:
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock = self.sock.unwrap()
            self.half_close()
        except (OSError, ValueError):
            pass

    def wait_for_end(self):
        """Reads and drops until the peer ends the connection."""
        while True:
            try:
                self.receive()
            except Ended as end:
                self.ended_by = end.how
                return

    def drop(self):
        """Ends the connection from the test's thread. Closing would not: the serving thread waits on the socket, and
        the kernel keeps it open for that."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def serve(self):
        number, waits = 0, False  # for a further request
        try:
            if self.origin.on_connect:
                self.origin.on_connect(self, None)
            while True:
                waits = number > 0
                raw = self.read_until(b"\r\n\r\n")
                number, waits = number + 1, False
                request = self.parse(raw, number)
                self.origin.record(request)
                self.origin.behaviour_for(request)(self, request)
                request.read_content()
        except Ended as end:
            self.ended_by = self.ended_by or end.how
        except Malformed as problem:
            self.origin.problems.append(str(problem))
        except (OSError, ValueError) as problem:
            is_idle = waits and isinstance(problem, TimeoutError) and not self.buffer  # nobody has promised to use it again
            if not self.origin.stopping and not is_idle:
                self.origin.problems.append(repr(problem))
        finally:
            self.close()
            self.done = True

    def parse(self, raw, number):
        line, fields = parse_head(raw)
        method, target, version = line.split(" ")
        return Request(raw, method, target, version, fields, self, number)


class Origin:
    """Listens on 127.0.0.1 by default; `on(path, behaviour)` scripts it; `requests` is what it saw."""

    def __init__(self, host="127.0.0.1", port=0, tls=None, on_connect=None, content=b"", deadline_s=DEADLINE_S,
                 receive_buffer_bytes=None):
        self.tls, self.on_connect, self.deadline_s = tls, on_connect, deadline_s
        self.record_max_bytes = 1 << 20
        self.default = behaviours.answer(content)
        self.scripts, self.requests, self.connections, self.problems = {}, [], [], []
        self.stopping = False
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer_bytes:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.listener.bind((host, port))
        self.listener.listen(512)
        self.host, self.port = self.listener.getsockname()
        self.thread = threading.Thread(target=self.accept_all, daemon=True)
        self.thread.start()

    def on(self, path, behaviour):
        self.scripts[path] = behaviour
        return self

    def otherwise(self, behaviour):
        """What happens to requests for paths without a behaviour of their own."""
        self.default = behaviour
        return self

    def behaviour_for(self, request):
        return self.scripts.get(request.target.split("?")[0], self.default)

    def record(self, request):
        with self.lock:
            self.requests.append(request)

    def targets(self):
        return [request.target for request in self.requests]

    def wait_for_requests(self, count):
        wait_until(lambda: len(self.requests) >= count,
                   lambda: f"{count} requests at the origin (it saw {len(self.requests)})", self.deadline_s)
        return self.requests

    def wait_for_connections(self, count):
        wait_until(lambda: len(self.connections) >= count,
                   lambda: f"{count} connections at the origin (it saw {len(self.connections)})", self.deadline_s)
        return self.connections

    def wait_for(self, gate):
        """Blocks a behaviour until the test opens the gate or the origin stops."""
        wait_until(lambda: gate.is_set() or self.stopping, "the gate of a behaviour to open", 4 * self.deadline_s)

    def accept_all(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                connection = Connection(self, sock, len(self.connections) + 1)
                self.connections.append(connection)
            threading.Thread(target=self.begin, args=(connection,), daemon=True).start()

    def begin(self, connection):
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            connection.sock.settimeout(self.deadline_s)
            try:
                connection.sock = self.tls.wrap_socket(connection.sock, server_side=True, suppress_ragged_eofs=False)
            except OSError as problem:
                connection.ended_by = f"handshake: {problem}"
                connection.close()
                return
        connection.serve()

    def close_listener(self):
        """From now on connects are refused; open connections live on."""
        # shutdown wakes the thread that sits in accept; close alone would leave the socket listening
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.thread.join(self.deadline_s)

    def stop(self):
        self.stopping = True
        self.close_listener()
        for connection in list(self.connections):
            connection.drop()

    def describe(self):
        lines = [f"{request.method} {request.target} (connection {request.connection.number}, "
                 f"request {request.number})" for request in self.requests]
        return "\n".join(lines + [f"problem: {problem}" for problem in self.problems]) or "no request"


def wait_until_received(connection):
    """The hop has taken all bytes from its kernel: what comes next cannot overtake them."""
    try:
        here, there = (f"{address[1]:04X}" for address in (connection.sock.getsockname(), connection.sock.getpeername()))
    except OSError:
        return  # it has ended the connection already

    def is_empty():
        queues = {}
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, state, counts = line.split()[:5]
            queues[local[-4:], remote[-4:]] = (state, *counts.split(":"))
        ours, theirs = queues.get((here, there)), queues.get((there, here))
        if not ours or not theirs or ours[0] != "01":
            return True  # likewise
        return int(ours[1], 16) == 0 and int(theirs[2], 16) == 0

    wait_until(is_empty, "the hop to take what was sent")
