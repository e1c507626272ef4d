"""What a client sees of one case of tests/data/fault-matrix.json, in the words of its columns."""
import contextlib
import select
import socket
import ssl
import struct
import threading
import time

from .wait import pace

PATIENCE_S = 9     # "hung: neither end nor a usable answer within 9 s"
QUIET_S = 0.35     # after a whole answer, before the second request
SECOND = b"GET /second HTTP/1.1\r\nHost: edge.test\r\n\r\n"
BODY = b"hello=world"


def request_bytes(method, fault):
    client = fault.get("client")
    if client in ("bigpost", "bigpost2m"):
        size = 8_000_000 if client == "bigpost" else 2 << 20
        return [f"POST /fault HTTP/1.1\r\nHost: edge.test\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size]
    if client:
        return [part if part in ("FIN", "CLOSE", "RST") or part.startswith("SLEEP") else part.encode("latin-1")
                for part in (whole(part) for part in client)]
    if method == "POST":
        return [b"POST /fault HTTP/1.1\r\nHost: edge.test\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY]
    return [b"%s /fault HTTP/1.1\r\nHost: edge.test\r\n\r\n" % method.encode()]


def whole(part):
    """The matrix shortens long requests: "...(9041 bytes)" says how long they were."""
    if not part.endswith(" bytes)") or "...(" not in part:
        return part
    begin, _, rest = part.rpartition("...(")
    size = int(rest.split()[0])
    if "X-B0:" in part:
        return "GET /fault HTTP/1.1\r\nHost: edge.test\r\n" + "".join(
            f"X-B{number}: {'a' * 4000}\r\n" for number in range(10)) + "\r\n"
    tail = "\r\n\r\n" if "X-Big:" in part else " HTTP/1.1\r\nHost: edge.test\r\n\r\n"
    if "X-0: a" in part:
        return "GET /fault HTTP/1.1\r\nHost: edge.test\r\n" + "".join(f"X-{n}: a\r\n" for n in range(150)) + "\r\n"
    return begin + "a" * (size - len(begin) - len(tail)) + tail


class Reader:
    """Reads answers from a socket; `end` is None, "fin" or "rst"."""

    def __init__(self, sock, deadline):
        self.sock, self.deadline, self.data, self.end = sock, deadline, b"", None

    def fill(self, until=None):
        """One read; False: no byte came."""
        wait = min(self.deadline, until or self.deadline) - time.monotonic()
        if self.end or wait <= 0 or not (self.pending() or select.select([self.sock], [], [], wait)[0]):
            return False
        try:
            data = self.sock.recv(65536)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            self.end = "rst"
            return False
        if not data:
            self.end = "fin"
            return False
        self.data += data
        return True

    def pending(self):
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def line_end(self, begin):
        while (end := self.data.find(b"\r\n", begin)) < 0:
            if not self.fill():
                return -1
        return end

    def head(self):
        """(status, fields), or None."""
        while b"\r\n\r\n" not in self.data:
            if not self.data.startswith(b"HTTP/"[:len(self.data)]) or not self.fill():
                return None
        head, _, rest = self.data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/"):
            return None
        self.data = rest
        lines = head.split(b"\r\n")
        words = lines[0].split(b" ")
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            fields.setdefault(name.lower(), value.strip())
        return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0, fields

    def sized(self, length):
        while len(self.data) < length and self.fill():
            pass
        body, self.data = self.data[:length], self.data[length:]
        return body, len(body) == length

    def chunked(self):
        body = b""
        while True:
            end = self.line_end(0)
            if end < 0:
                return body + self.data, False
            with contextlib.suppress(ValueError):
                size = int(self.data[:end].split(b";")[0], 16)
                self.data = self.data[end + 2:]
                chunk, is_whole = self.sized(size)
                body += chunk
                if not is_whole or self.line_end(0) < 0:
                    return body, False
                if size == 0:
                    while self.data[:2] != b"\r\n":  # trailers
                        end = self.line_end(0)
                        if end < 0:
                            return body, False
                        self.data = self.data[end + 2:]
                    self.data = self.data[2:]
                    return body, True
                self.data = self.data[2:]
                continue
            return body, False

    def body(self, method, status, fields):
        if method == "HEAD" or status in (204, 304):
            return b"", True
        if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
            return self.chunked()
        if b"content-length" in fields:
            return self.sized(int(fields[b"content-length"]))
        while self.fill():
            pass
        body, self.data = self.data, b""
        return body, self.end == "fin"


def send_parts(sock, parts):
    for part in parts:
        with contextlib.suppress(OSError):
            if part == "FIN":
                sock.shutdown(socket.SHUT_WR)
            elif part == "CLOSE":
                pace(0.2)
                sock.close()
            elif part == "RST":
                pace(0.2)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
            elif isinstance(part, str):
                pace(float(part[5:]))
            else:
                sock.sendall(part)


def warm_up(reader, fault):
    """Earlier requests on the same connection, so that the hop has a connection to reuse."""
    for _ in range(fault.get("warm", 0)):
        reader.sock.sendall(b"GET /warm HTTP/1.1\r\nHost: edge.test\r\n\r\n")
        head = reader.head()
        assert head, "the request before the case got no answer"
        reader.body("GET", *head)
    pace(fault.get("gap", 0))


def observe(address, method, fault, on_answer=lambda: None, patience_s=PATIENCE_S):
    """One case; the keys are columns of the matrix. on_answer runs before a second request is sent."""
    parts = request_bytes(method, fault)
    sock = socket.create_connection(address, 10)
    reader = Reader(sock, time.monotonic() + patience_s + fault.get("gap", 0))
    warm_up(reader, fault)
    sender = threading.Thread(target=send_parts, args=(sock, parts), daemon=True)
    sender.start()
    if parts[-1] in ("CLOSE", "RST"):
        sender.join()
        on_answer()
        return {"client_status": None, "client_connection": "n/a", "client_body_prefix": "", "body_complete": False}
    try:
        return watch(reader, method, parts[-1] != "FIN", on_answer)
    finally:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()
        sender.join(5)


def final_answer(reader, method):
    """(status, fields, body, whole) of the first answer that is no interim one; (None, {}, what came, False) without one."""
    while (head := reader.head()) is not None:
        if head[0] < 100 or head[0] >= 200 or head[0] == 101:
            return (*head, *reader.body(method, *head))
    while reader.fill():
        pass
    return None, {}, reader.data, False


def watch(reader, method, can_ask_again, on_answer):
    status, fields, body, complete = final_answer(reader, method)
    closes = complete and ended_quietly(reader)
    on_answer()
    seen = {"client_status": status, "client_body_prefix": body[:100].decode("latin-1"), "body_complete": complete,
            "client_body_bytes": len(body), "client_connection": "kept",
            "client_fields": sorted(name.decode("latin-1") for name in fields)}
    if complete and not closes and can_ask_again:
        with contextlib.suppress(OSError):
            reader.sock.sendall(SECOND)
        reader.data = b""
        if reader.head() is None:
            seen["client_connection"] = fate(reader, complete, status)
    elif not complete or closes:
        seen["client_connection"] = fate(reader, complete, status)
    return seen


def ended_quietly(reader):
    until = time.monotonic() + QUIET_S
    while reader.fill(until):
        pass
    return reader.end is not None


def fate(reader, complete, status):
    if reader.end == "rst":
        return "reset"
    if reader.end is None:
        return "hung"
    return "closed" if complete or status is None else "truncated"
