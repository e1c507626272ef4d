"""The faults as they were measured (tests/data/fault-matrix.json), played from the other side.

What an origin must put on the wire is worked out here from the steps of the measurement, not from the program's own data.
"""
import json
import pathlib
import re
import select
import socket
import ssl
import time

from .wait import DEADLINE_S
from .wire import Ended, Wire

DATA = pathlib.Path(__file__).parents[2] / "data" / "fault-matrix.json"
MOMENT_S = 0.02  # a look at what must not come
HOST = "Host: edge.test\r\n"
OK_HEAD = "HTTP/1.1 200 OK\r\n"
# texts that the measurement's file cuts short: "...(20055 bytes)"
WHOLE = {
    "hdr_20k": OK_HEAD + "X-Big: " + "a" * 20000 + "\r\nContent-Length: 8\r\n\r\norigin-a",
    "hdr_70k": OK_HEAD + "".join(f"X-Big-{i}: {'a' * 1000}\r\n" for i in range(70)) + "Content-Length: 8\r\n\r\norigin-a",
    "c_uri_9k": f"GET /fault?{'a' * 9000} HTTP/1.1\r\n{HOST}\r\n",
    "c_uri_20k": f"GET /fault?{'a' * 20000} HTTP/1.1\r\n{HOST}\r\n",
    "c_hdr_9k": f"GET /fault HTTP/1.1\r\n{HOST}X-Big: {'a' * 9000}\r\n\r\n",
    "c_hdr_20k": f"GET /fault HTTP/1.1\r\n{HOST}X-Big: {'a' * 20000}\r\n\r\n",
    "c_hdr_40k": f"GET /fault HTTP/1.1\r\n{HOST}" + "".join(f"X-B{i}: {'a' * 4000}\r\n" for i in range(10)) + "\r\n",
}
CUT = re.compile(r"\.\.\.\((\d+) bytes\)$")


def whole(name, text):
    cut = CUT.search(text)
    if not cut:
        return text
    assert len(WHOLE[name]) == int(cut[1]), (name, len(WHOLE[name]), cut[1])
    assert WHOLE[name].startswith(text[:cut.start()])
    return WHOLE[name]


def load():
    """name -> fault, its texts whole"""
    faults = json.loads(DATA.read_text())["faults"]
    for name, fault in faults.items():
        for steps in fault["origin"]:
            for step in steps:
                step[1:] = [whole(name, word) if isinstance(word, str) else word for word in step[1:]]
        if isinstance(fault.get("client"), list):
            fault["client"] = [whole(name, text) for text in fault["client"]]
    return faults


class Player(Wire):
    """The client of one connection: sends what the next step waits for, and checks what the steps before have sent."""

    def __init__(self, sock, path="/fault", first=b""):
        super().__init__(sock)
        self.path, self.unread = path, len(first)  # bytes that were sent and that no step has read yet
        if first:
            self.send(first)

    def request(self):
        return f"GET {self.path} HTTP/1.1\r\n{HOST}\r\n".encode()

    def offer_request(self):
        if not self.unread:
            self.send(self.request())
        self.unread = 0

    def offer_bytes(self, count):
        more = count - self.unread
        if more > 0:
            head = f"POST {self.path} HTTP/1.1\r\n{HOST}Content-Length: 8000000\r\n\r\n".encode()
            self.send(((b"" if self.unread else head) + b"x" * more)[:more])
        self.unread = 0

    def expect(self, text):
        wanted = text.encode("latin-1")
        got = self.read_exact(len(wanted))
        assert got == wanted, f"{got[:200]!r} instead of {wanted[:200]!r}"

    def expect_open(self):
        """Nothing more comes, and no end."""
        assert not self.buffer, bytes(self.buffer[:200])
        readable, _, _ = select.select([self.sock], [], [], MOMENT_S)
        assert not readable, "more bytes, or an end, that the script does not have"

    def expect_end(self, *hows):
        rest, how = self.read_to_end()
        assert (rest, how in hows) == (b"", True), (rest[:200], how)

    def expect_no_reader(self):
        """The other side takes what its kernel does, and no more."""
        self.sock.setblocking(False)
        sent, until = 0, time.monotonic() + 0.1
        while time.monotonic() < until:
            try:
                sent += self.sock.send(b"x" * 65536)
            except BlockingIOError:
                select.select([], [self.sock], [], MOMENT_S)
        assert sent < 64_000_000, sent
        self.sock.settimeout(DEADLINE_S)

    def play(self, steps):
        for step, *words in steps:
            getattr(self, f"play_{step}")(*words)

    def play_read_request(self):
        self.offer_request()

    def play_read_some(self, count):
        self.offer_bytes(count)

    def play_serve(self, content):
        self.offer_request()
        self.expect(f"{OK_HEAD}Content-Length: {len(content)}\r\n\r\n{content}")

    def play_send(self, text):
        self.expect(text)

    def play_repeat(self, text, count):
        self.expect(text * count)

    def play_trickle(self, text, _):
        self.expect(text)

    def play_sleep(self, _):
        pass

    def play_fin(self):
        self.expect_end("fin")

    def play_drain(self):
        self.half_close()

    def play_hold(self):
        self.expect_open()
        self.half_close() if not isinstance(self.sock, ssl.SSLSocket) else self.sock.unwrap()

    def play_noread(self):
        self.expect_open()
        self.expect_no_reader()

    def play_close(self):
        self.expect_end("close_notify" if isinstance(self.sock, ssl.SSLSocket) else "fin")

    def play_close_dirty(self):
        self.expect_end("truncated")

    def play_rst(self):
        self.expect_end("reset")


def play_client(sock, words):
    """What the measurement's client did; returns (all bytes that came, how it ended) or (bytes, None) after it left."""
    wire = Wire(sock)
    for word in words:
        if word == "FIN":
            wire.half_close()
        elif word == "CLOSE":
            wire.close()
            return b"", None
        elif word == "RST":
            wire.reset()
            return b"", None
        elif word.startswith("SLEEP"):
            continue
        else:
            wire.send(word.encode("latin-1"))
    if "FIN" not in words:
        wire.half_close()
    return wire.read_to_end()


__all__ = ["Ended", "Player", "load", "play_client"]
