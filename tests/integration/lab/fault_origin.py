"""An origin that follows the script of one fault of tests/data/fault-matrix.json, step by step.

The steps are those of the matrix ("steps" in its meta): it was measured with them, so tests of personas use the
same ones. The n-th connection follows the n-th script; further connections the last.
"""
import contextlib
import socket
import ssl
import struct
import threading

from .wait import pace

PATIENCE_S = 30  # of a step that waits for its peer; longer than any case
LINGER_RST = struct.pack("ii", 1, 0)


class Ended(Exception):
    """The connection is over, by us or by the peer."""


def answer(name):
    return (f"HTTP/1.1 200 OK\r\nContent-Length: {len(name)}\r\nX-Server: {name}\r\n\r\n{name}").encode()


def whole_head(text):
    """The matrix shortens long heads: "...(20055 bytes)" says how long they were."""
    if not isinstance(text, str) or not text.endswith(" bytes)"):
        return text
    begin, _, size = text.rpartition("...(")
    end = "\r\nContent-Length: 8\r\n\r\norigin-a"
    return begin + "a" * (int(size.split()[0]) - len(begin) - len(end)) + end


class Connection:
    def __init__(self, sock):
        self.sock, self.received = sock, b""
        self.requests = 0

    def more(self):
        try:
            data = self.sock.recv(65536)
        except (OSError, ssl.SSLError) as error:
            raise Ended from error
        if not data:
            raise Ended
        self.received += data

    def read_head(self):
        while b"\r\n\r\n" not in self.received:
            self.more()
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        return head

    def read_request(self):
        head = self.read_head().lower()
        fields = dict(line.split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
        if b"chunked" in fields.get(b"transfer-encoding", b""):
            while not self.received.endswith(b"0\r\n\r\n"):
                self.more()
            self.received = b""
        else:
            length = int(fields.get(b"content-length", b"0").split(b",")[0])
            while len(self.received) < length:
                self.more()
            self.received = self.received[length:]
        self.requests += 1

    def read_some(self, count):
        while len(self.received) < count:
            self.more()
        self.received = b""

    def send(self, text):
        text = whole_head(text)
        try:
            self.sock.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))
        except (OSError, ssl.SSLError) as error:
            raise Ended from error

    def trickle(self, text, gap):
        for char in text:
            self.send(char)
            pace(gap)

    def serve(self, name):
        self.read_request()
        self.send(answer(name))

    def hold(self):
        while True:
            self.more()
            self.received = b""

    def drain(self):
        with contextlib.suppress(Ended):
            self.hold()

    def fin(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        with contextlib.suppress(OSError, ssl.SSLError, ValueError):  # ValueError: the peer was reset before its handshake
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.setblocking(False)
                self.sock.unwrap()
        self.close_dirty()

    def close_dirty(self):
        self.sock.close()
        raise Ended

    def rst(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RST)
        self.close_dirty()


class FaultOrigin:
    """`host` and `port` are where a hop finds it; `fault` is an entry of the matrix."""

    def __init__(self, fault, tls=None):
        self.scripts, self.tls = fault["origin"], tls
        self.host = "127.0.0.1"
        self.stopping = threading.Event()
        self.connections_count = 0
        self.requests_count = 0
        self.threads, self.open, self.others = [], [], []
        self.listener = socket.create_server((self.host, 0), backlog=16)
        if "rcvbuf" in fault:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, fault["rcvbuf"])
        self.port = self.listener.getsockname()[1]
        if fault["listen"] == "refused":
            self.listener.close()
        elif fault["listen"] == "blackhole":
            self.fill_backlog()
        elif fault["listen"] == "unreachable":
            self.host, self.port = "240.0.0.1", 80
        else:
            self.start(self.accept_all)

    def start(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def fill_backlog(self):
        """Nobody accepts: once the queue is full, SYNs are dropped."""
        self.listener.listen(0)
        for _ in range(8):
            sock = socket.socket()
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect((self.host, self.port))
            self.others.append(sock)
        pace(0.05)  # the last SYNs shall have been dropped before a hop connects

    def accept_all(self):
        while not self.stopping.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections_count += 1
            script = self.scripts[min(self.connections_count, len(self.scripts)) - 1]
            self.start(self.follow, sock, script)

    def follow(self, sock, script):
        sock.settimeout(PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open.append(sock)
        connection = Connection(sock)
        try:
            if self.tls:
                connection.sock = sock = self.tls.wrap_socket(sock, server_side=True, suppress_ragged_eofs=True)
                self.open.append(sock)
            for step, *arguments in script:
                self.step(connection, step, arguments)
        except (Ended, OSError, ssl.SSLError):
            pass
        finally:
            self.requests_count += connection.requests
            with contextlib.suppress(OSError):
                sock.close()

    def step(self, connection, step, arguments):
        if step == "sleep":
            self.stopping.wait(arguments[0])
        elif step == "noread":
            self.stopping.wait(PATIENCE_S)
        elif step == "repeat":
            connection.send(arguments[0] * arguments[1])
        else:
            getattr(connection, step)(*arguments)

    def stop(self):
        self.stopping.set()
        for sock in [self.listener, *self.open, *self.others]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                sock.close()
        for thread in self.threads:
            thread.join(5)
