"""An HTTP/1.1 reader that forgives nothing: what a hop wrote must pass it, whatever the hop was sent.

It shares no code with wire.py, which reads as peers do, so that the two do not agree on the same mistake.
"""
import dataclasses
import re

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/1\.[01]")
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9][0-9]) [\t\x20-\x7e\x80-\xff]*")
FIELD_LINE = re.compile(rb"(" + TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
DIGITS = re.compile(rb"[0-9]{1,18}")
NEVER_IN_TRAILERS = {b"content-length", b"transfer-encoding", b"host", b"authorization", b"cookie", b"set-cookie"}


class Incomplete(Exception):
    """The bytes end before the message does; `message`: its head, if that was whole."""
    message = None


class Broken(Exception):
    """Bytes that no hop may send."""


@dataclasses.dataclass
class Message:
    start_line: bytes
    fields: list  # (name, value), both bytes, as on the wire but for blanks around the value
    framing: str = "none"  # none, length, chunked, close
    content: bytes = b""
    trailers: list = dataclasses.field(default_factory=list)
    complete: bool = False

    @property
    def method(self):
        return self.start_line.split(b" ")[0]

    @property
    def target(self):
        return self.start_line.split(b" ")[1]

    @property
    def status(self):
        return int(STATUS_LINE.fullmatch(self.start_line)[1])

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]


class Reader:
    """Takes messages off the front of `data`; `ended`: no more bytes will come."""

    def __init__(self, data, ended=False):
        self.data, self.at, self.ended = bytes(data), 0, ended

    def at_end(self):
        return self.at == len(self.data)

    def line(self):
        end = self.data.find(b"\r\n", self.at)
        line = self.data[self.at:end if end >= 0 else len(self.data)]
        # a last CR may be the first half of CRLF that has not come yet
        if re.search(rb"[\x00\n]|\r(?!\Z)" if end < 0 else rb"[\x00\r\n]", line):
            raise Broken(f"NUL, bare CR or bare LF in {line[:120]!r}")
        if end < 0:
            raise Incomplete
        self.at = end + 2
        return line

    def exact(self, size):
        if len(self.data) - self.at < size:
            raise Incomplete
        self.at += size
        return self.data[self.at - size:self.at]

    def field_lines(self):
        fields = []
        while line := self.line():
            match = FIELD_LINE.fullmatch(line)
            if not match:
                raise Broken(f"field line {line[:120]!r}")
            fields.append((match[1], match[2].rstrip(b" \t")))
        return fields

    def head(self, start_line):
        line = self.line()
        if not start_line.fullmatch(line):
            raise Broken(f"start line {line[:120]!r}")
        message = Message(line, self.field_lines())
        lengths, codings = message.all(b"Content-Length"), message.all(b"Transfer-Encoding")
        if len(lengths) + len(codings) > 1:
            raise Broken(f"more than one framing: {lengths} {codings}")
        if lengths and not DIGITS.fullmatch(lengths[0]):
            raise Broken(f"Content-Length {lengths[0]!r}")
        if codings and codings[0] != b"chunked":
            raise Broken(f"Transfer-Encoding {codings[0]!r}")
        message.framing = "length" if lengths else "chunked" if codings else "none"
        return message

    def content(self, message):
        if message.framing == "length":
            message.content = self.exact(int(message.all(b"Content-Length")[0]))
        elif message.framing == "chunked":
            self.chunks(message)
        elif message.framing == "close":
            message.content = self.exact(len(self.data) - self.at)
            if not self.ended:
                raise Incomplete
        message.complete = True

    def chunks(self, message):
        while True:
            line = self.line()
            if not CHUNK_SIZE.fullmatch(line):
                raise Broken(f"chunk line {line[:120]!r}")
            size = int(line, 16)
            if size == 0:
                break
            message.content += self.exact(size)
            if self.exact(2) != b"\r\n":
                raise Broken("no CRLF after chunk data")
        message.trailers = self.field_lines()
        forbidden = [name for name, _ in message.trailers if name.lower() in NEVER_IN_TRAILERS]
        if forbidden:
            raise Broken(f"trailer fields {forbidden}")

    def request(self):
        message = self.head(REQUEST_LINE)
        if len(message.all(b"Host")) != 1:
            raise Broken(f"Host lines: {message.all(b'Host')}")
        self.content(message)
        return message

    def response(self, method):
        message = self.head(STATUS_LINE)
        if message.status < 200 or message.status in (204, 304) or method == b"HEAD":
            if (message.status < 200 or message.status == 204) and message.framing != "none":
                raise Broken(f"{message.status} with {message.framing}")
            message.framing = "none"
        elif message.framing == "none":
            message.framing = "close"
        try:
            self.content(message)
        except Incomplete as cut:
            cut.message = message
            raise
        return message


def read_requests(data):
    """(complete requests, whether a part of a further one follows); Broken when the bytes are none."""
    reader, requests = Reader(data), []
    while not reader.at_end():
        try:
            requests.append(reader.request())
        except Incomplete:
            return requests, True
    return requests, False


def read_responses(data, methods, ended):
    """(responses, whether a part of a head follows). Interim ones count; the last may be incomplete.

    There is a method for each final response; after the last one it is GET.
    """
    reader, responses, methods = Reader(data, ended), [], list(methods)
    while not reader.at_end():
        try:
            responses.append(reader.response(methods[0] if methods else b"GET"))
        except Incomplete as cut:
            if cut.message is None:
                return responses, True
            return responses + [cut.message], False
        if responses[-1].status >= 200 and methods:
            methods.pop(0)
    return responses, False
