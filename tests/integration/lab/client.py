"""A client that controls every byte, and the real ones (curl, openssl)."""
import dataclasses
import socket
import subprocess

from .wait import DEADLINE_S
from .wire import Ended, Fields, Malformed, Wire, head, parse_head


@dataclasses.dataclass
class Response:
    status: int
    reason: str
    version: str
    fields: Fields
    raw_head: bytes
    content: bytes = b""
    framing: str = "none"  # none, length, chunked, close
    trailers: list = dataclasses.field(default_factory=list)

    @property
    def text(self):
        return self.content.decode()


class Truncated(Exception):
    """A response that broke off after its head: what came, and how the connection ended."""

    def __init__(self, response, how):
        super().__init__(f"{response.status} with {len(response.content)} bytes, then {how}")
        self.response, self.how = response, how


class RawClient(Wire):
    """One connection to a hop or an origin."""

    def __init__(self, host, port, tls=None, server_name=None, deadline_s=DEADLINE_S, source=None):
        sock = socket.create_connection((host, port), timeout=deadline_s, source_address=(source, 0) if source else None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            sock = tls.wrap_socket(sock, server_hostname=server_name, suppress_ragged_eofs=False)
        super().__init__(sock, deadline_s)
        self.local_port = sock.getsockname()[1]
        self.host_field = server_name or f"{host}:{port}"

    def request_bytes(self, method, target, fields=(), content=None):
        fields = list(fields)
        names = [name.lower() for name, _ in fields]
        if "host" not in names:
            fields.insert(0, ("Host", self.host_field))
        if content is not None and "content-length" not in names and "transfer-encoding" not in names:
            fields.append(("Content-Length", str(len(content))))
        return head(f"{method} {target} HTTP/1.1", fields) + (content or b"")

    def request(self, method, target, fields=(), content=None):
        """Sends one request and reads its response."""
        self.send(self.request_bytes(method, target, fields, content))
        return self.read_response(method)

    def send_what_is_taken(self, data):
        """Sends until the peer takes no more; what it answered meanwhile is still to be read."""
        try:
            self.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def get(self, target, fields=()):
        return self.request("GET", target, fields)

    def post(self, target, content, fields=()):
        return self.request("POST", target, fields, content)

    def read_head(self):
        """The next head, interim ones too, without its content."""
        raw = self.read_until(b"\r\n\r\n")
        line, fields = parse_head(raw)
        version, _, rest = line.partition(" ")
        status, _, reason = rest.partition(" ")
        if version not in ("HTTP/1.1", "HTTP/1.0") or len(status) != 3:
            raise Malformed(f"status line {line!r}")
        return Response(int(status), reason, version, fields, raw)

    def read_response(self, method="GET"):
        """The next final response. Ended when there is none, Truncated when it breaks off."""
        response = self.read_head()
        while 100 <= response.status < 200 and response.status != 101:
            response = self.read_head()
        pieces = []
        try:
            for piece in self.content_pieces(response, method):
                pieces.append(piece)
        except Ended as end:
            response.content = b"".join(pieces) + self.take(len(self.buffer))
            raise Truncated(response, end.how) from None
        response.content = b"".join(pieces)
        return response

    def content_pieces(self, response, method="GET"):
        """Yields the content as it comes (RFC 9112 6.3); sets response.framing."""
        coding = response.fields.get("Transfer-Encoding")
        length = response.fields.all("Content-Length")
        if coding and length:
            raise Malformed("Transfer-Encoding and Content-Length together")
        if method == "HEAD" or response.status in (204, 304) or response.status < 200:
            response.framing = "none"
        elif coding:
            if coding.lower() != "chunked":
                raise Malformed(f"Transfer-Encoding: {coding}")
            response.framing = "chunked"
            yield from self.read_chunks(response.trailers)
        elif length:
            if len(length) != 1 or not length[0].isdigit():
                raise Malformed(f"Content-Length: {length}")
            response.framing = "length"
            yield from self.read_pieces(int(length[0]))
        else:
            response.framing = "close"
            content, how = self.read_to_end()
            yield content
            if how in ("reset", "truncated"):
                raise Ended(how)

    def wait_for_end(self):
        """How the peer ends the connection when nothing more is due: fin, reset, close_notify, truncated."""
        data, how = self.read_to_end()
        assert data == b"", f"unexpected bytes before the end: {data[:200]!r}"
        return how


@dataclasses.dataclass
class Finished:
    code: int
    out: str
    err: str


def run(*arguments, text_in="", deadline_s=60, **options):
    """Runs a real client to its end."""
    done = subprocess.run([str(argument) for argument in arguments], input=text_in, capture_output=True, text=True,
                          errors="replace", timeout=deadline_s, **options)
    return Finished(done.returncode, done.stdout, done.stderr)


def curl(url, *arguments, **options):
    return run("curl", "--silent", "--show-error", "--max-time", "30", "--noproxy", "*", *arguments, url, **options)
