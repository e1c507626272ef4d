"""A response that was cut never looks complete: the upstream is cut at every byte (P12, P36)."""
import threading

import pytest

from lab import behaviours
from lab.client import Truncated
from lab.wait import wait_until
from lab.wire import Ended, chunked

CONTENT = b"0123456789" * 3
WHOLE = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n" + CONTENT,
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(CONTENT[:11], CONTENT[11:]),
}


def cut(connection, request):
    """/FRAMING/END/AT: sends the first AT bytes, then ends the connection."""
    _, framing, end, at = request.target.split("/")
    connection.send(WHOLE[framing][:int(at)])
    behaviours.finish(connection, end)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("framing", WHOLE)
def test_upstream_cut_at_every_byte_is_an_error_for_the_client(lab, framing, end, tls):
    origin = lab.origin()
    origin.default = cut
    edge = lab.edge(origin, tls=tls)
    whole = WHOLE[framing]
    head_size = whole.index(b"\r\n\r\n") + 4
    for at in range(len(whole)):
        client = lab.client(edge, tls=tls)
        client.send(client.request_bytes("GET", f"/{framing}/{end}/{at}"))
        how = outcome(client)
        if at < head_size:
            assert how == 502, f"cut at byte {at} of the head"
        else:
            # it may overtake the head that was already received; then it is a 502 as well
            assert how in cut_ends(tls) or (how == 502 and end == "reset"), f"cut at byte {at} looks like {how}"
        client.close()
    assert edge.is_alive()


def cut_ends(tls):
    """Never the end that a whole response has: RST, or over TLS at least no close_notify."""
    return ("reset", "truncated") if tls else ("reset",)


def outcome(client):
    try:
        answer = client.read_response()
    except Truncated as cut_off:
        return cut_off.how
    except Ended as end:
        return end.how
    return answer.status


@pytest.mark.parametrize("framing", WHOLE)
def test_uncut_response_is_whole(lab, framing):
    origin = lab.origin()
    origin.default = cut
    client = lab.client(lab.edge(origin))
    for end in ("close", "keep"):
        assert client.get(f"/{framing}/{end}/{len(WHOLE[framing])}").content == CONTENT


@pytest.mark.parametrize("framing", [*WHOLE, "close"])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("tls", [False, True])
def test_reset_in_the_content_never_ends_cleanly(lab, framing, version, tls):
    """An HTTP/1.0 client gets content up to the end of its connection: only how that ends tells it of a cut."""
    def reset_once_relayed(connection, request):
        head_only = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" if framing == "close" else WHOLE[framing]
        connection.send(head_only[:head_only.index(b"\r\n\r\n") + 4] + (b"5\r\npart" if framing == "chunked" else b"part"))
        connection.origin.wait_for(relayed)
        behaviours.finish(connection, "reset")

    relayed = threading.Event()
    edge = lab.edge(lab.origin().on("/", reset_once_relayed), tls=tls)
    client = lab.client(edge, tls=tls)
    client.send(f"GET / {version}\r\nHost: a\r\n\r\n".encode())
    answer = client.read_head()
    received = client.read_until(b"part")
    relayed.set()
    rest, how = client.read_to_end()
    assert answer.status == 200 and received.endswith(b"part")
    assert b"\r\n0\r\n" not in received + rest, "a last chunk"
    assert how in cut_ends(tls)
    assert edge.access_log.last().reason == "UPSTREAM_BODY_RESET"


def test_tls_upstream_cut_without_close_notify_is_an_error(lab):
    """Only close_notify says that a response delimited by the end of the connection is whole."""
    def cut_below_tls(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\npart")
        connection.half_close()
        raise Ended("fin")

    origin = lab.origin(tls=lab.pki.server_context())
    origin.on("/cut", cut_below_tls).on("/whole", behaviours.answer(b"whole", framing="close"))
    edge = lab.edge(origin, protocol="https")
    with pytest.raises((Truncated, Ended)):
        lab.client(edge).get("/cut")
    assert lab.client(edge).get("/whole").content == b"whole"


def test_cut_upload_never_reaches_the_origin_as_whole(lab):
    origin = lab.origin()
    edge = lab.edge(origin)
    request = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"abc", b"def")
    head_size = request.index(b"\r\n\r\n") + 4
    for at in range(head_size, len(request)):
        client = lab.client(edge)
        client.send(request[:at])
        client.close()
    edge.access_log.wait(len(request) - head_size)
    lab.hops[0].stop()  # its connections to the origin have ended then, and so has all reading from them
    wait_until(lambda: all(connection.done for connection in origin.connections), "the origin to read to the end")
    assert [whole.target for whole in origin.requests if whole.content_read] == []
