"""Client and origin in the test's own thread: what each end has received is exact at every moment.

Nothing happens behind the test's back: sockets are read and written only inside Pump.run_until().
"""
import collections
import selectors
import socket
import struct
import time

from .strict import Broken, read_requests
from .wait import DEADLINE_S


class End:
    """One end of a connection. Pieces are sent each by its own send call, with TCP_NODELAY."""

    def __init__(self, pump, sock, on_data=None):
        self.pump, self.sock, self.on_data = pump, sock, on_data
        self.received = bytearray()
        self.mark = self.answered = 0  # of the origin: where the current case begins, requests answered since
        self.ended = None  # how the peer ended it: fin, reset
        self.outbox, self.then = collections.deque(), None
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pump.selector.register(sock, selectors.EVENT_READ, self.on_event)

    def send(self, pieces, then=None):
        """Sends the pieces; then: fin, reset (right after), or None to go on."""
        self.outbox.extend(pieces)
        self.then = then
        self.flush()

    def flush(self):
        try:
            while self.outbox:
                sent = self.sock.send(self.outbox[0])
                if sent < len(self.outbox[0]):
                    self.outbox[0] = self.outbox[0][sent:]
                else:
                    self.outbox.popleft()
        except BlockingIOError:
            self.pump.selector.modify(self.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, self.on_event)
            return
        except (BrokenPipeError, ConnectionResetError):
            self.outbox.clear()  # the peer takes no more; what it said is still to be read
        if self.is_open():
            self.pump.selector.modify(self.sock, selectors.EVENT_READ, self.on_event)
            self.finish()

    def finish(self):
        then, self.then = self.then, None
        if then == "fin":
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the peer was first
        elif then == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    def on_event(self, mask):
        if mask & selectors.EVENT_WRITE:
            self.flush()
        if mask & selectors.EVENT_READ and self.is_open():
            self.read()

    def read(self):
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return
        except (ConnectionResetError, BrokenPipeError):
            data, self.ended = b"", "reset"
        if data:
            self.received += data
            if self.on_data:
                self.on_data(self)
            return
        self.ended = self.ended or "fin"
        self.close()

    def is_open(self):
        return self.sock.fileno() >= 0

    def close(self):
        if self.is_open():
            self.pump.selector.unregister(self.sock)
            self.sock.close()


class Pump:
    """The loop, and the origin on it: answer(end, request) is called for each complete request.

    `upstream` holds the connections that the current case could use; begin_case() forgets what came before.
    """

    def __init__(self, answer, host="127.0.0.1"):
        self.selector = selectors.DefaultSelector()
        self.answer, self.upstream = answer, []
        self.listener = socket.create_server((host, 0), backlog=256)
        self.listener.setblocking(False)
        self.host, self.port = self.listener.getsockname()
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)

    def accept(self, mask):
        sock, _ = self.listener.accept()
        self.upstream.append(End(self, sock, self.on_data))

    def on_data(self, end):
        try:
            requests, _ = read_requests(end.received[end.mark:])
        except Broken:
            end.close()  # the judge reads the bytes again and says why
            return
        for request in requests[end.answered:]:
            end.answered += 1
            self.answer(end, request)

    def begin_case(self):
        self.upstream = [end for end in self.upstream if end.is_open()]
        for end in self.upstream:
            end.mark, end.answered = len(end.received), 0

    def received(self):
        """(end, bytes of this case) for each connection that got any."""
        return [(end, bytes(end.received[end.mark:])) for end in self.upstream if len(end.received) > end.mark]

    def connect(self, address):
        return End(self, socket.create_connection(address, timeout=DEADLINE_S))

    def step(self, timeout_s):
        events = self.selector.select(timeout_s)
        for key, mask in events:
            if key.fileobj.fileno() >= 0:  # not closed by an earlier event of this round
                key.data(mask)
        return bool(events)

    def run_until(self, predicate, what, deadline_s=DEADLINE_S):
        if not self.run_for(predicate, deadline_s):
            raise AssertionError(f"not within {deadline_s:.0f} s: {what() if callable(what) else what}")

    def run_for(self, predicate, seconds):
        """Whether the predicate came true within this time."""
        end = time.monotonic() + seconds
        while not predicate():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.step(left)
        return True

    def stop(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()
