"""What an origin does with a request: each is a function(connection, request); tests may write their own.

Returning keeps the connection; raising Ended (or closing it) ends it.
"""
import zlib

from .wait import pace
from .wire import Ended, chunked, head

BLOCK = bytes(range(256)) * 1024  # 256 KiB


def answer(content=b"", status=200, fields=(), framing="length", reason="OK", trailers=()):
    """Reads the request content, then answers. framing: length, chunked, close, none."""
    content = content.encode() if isinstance(content, str) else content

    def behave(connection, request):
        request.read_content()
        lines = list(fields)
        body = b"" if request.method == "HEAD" else content
        if framing == "length":
            lines.append(("Content-Length", str(len(content))))
        elif framing == "chunked":
            lines.append(("Transfer-Encoding", "chunked"))
            middle = len(content) // 2
            body = body and chunked(content[:middle], content[middle:], trailers=trailers)
        elif framing == "close":
            lines.append(("Connection", "close"))
        connection.send(head(f"HTTP/1.1 {status} {reason}", lines) + body)
        if framing == "close":
            connection.end_cleanly()
            raise Ended("fin")

    return behave


def raw(data, then="keep"):
    """Sends these bytes. then: keep, close (FIN), reset (RST), hang (silence until the peer goes)."""
    def behave(connection, request):
        if then == "keep":
            request.read_content()
        connection.send(data)
        finish(connection, then)

    return behave


def finish(connection, then):
    if then == "keep":
        return
    if then == "hang":
        connection.wait_for_end()
    elif then == "reset":
        connection.reset()
    elif then == "close":
        connection.end_cleanly()
    else:
        raise ValueError(then)
    raise Ended(then)


def close():
    return raw(b"", then="close")


def reset():
    return raw(b"", then="reset")


def hang():
    return raw(b"", then="hang")


def after(gate, behaviour):
    """Behaves once the test opens the gate (a threading.Event) or the origin stops."""
    def behave(connection, request):
        connection.origin.wait_for(gate)
        behaviour(connection, request)

    return behave


def trickle(data, gap_s, size=1):
    """Sends `size` bytes at a time with a gap between."""
    def behave(connection, request):
        request.read_content()
        for at in range(0, len(data), size):
            connection.send(data[at:at + size])
            pace(gap_s)

    return behave


def stream(size, framing="length"):
    """Answers with `size` bytes of a pattern; connection.sent counts how far it came."""
    def behave(connection, request):
        request.read_content()
        field = ("Content-Length", str(size)) if framing == "length" else ("Transfer-Encoding", "chunked")
        connection.send(head("HTTP/1.1 200 OK", [field]))
        for block in pattern(size):
            connection.send(block if framing == "length" else chunk_line(block), counted=len(block))
        if framing == "chunked":
            connection.send(b"0\r\n\r\n")

    return behave


def swallow(gate=None):
    """Reads the request content as it comes (after the gate, if any), and answers "<bytes> <crc32>"."""
    def behave(connection, request):
        if gate:
            connection.origin.wait_for(gate)
        count, crc = 0, 0
        for piece in request.content_pieces():
            count, crc = count + len(piece), zlib.crc32(piece, crc)
        request.content_read = True
        text = f"{count} {crc}".encode()
        connection.send(head("HTTP/1.1 200 OK", [("Content-Length", str(len(text)))]) + text)

    return behave


def chunk_line(block):
    return b"%x\r\n%s\r\n" % (len(block), block)


def pattern(size):
    """Yields `size` bytes in blocks that differ from their neighbours."""
    offset = 0
    while offset < size:
        mark = offset.to_bytes(8, "big")
        block = (mark + BLOCK[8:])[:size - offset]
        yield block
        offset += len(block)


def pattern_sum(size):
    crc = 0
    for block in pattern(size):
        crc = zlib.crc32(block, crc)
    return crc
