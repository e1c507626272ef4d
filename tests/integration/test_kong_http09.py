"""What is no HTTP answer at all: a 502 of persona kong, and in the lab what nginx makes of it (HTTP/0.9)."""
import pytest

from lab import behaviours
from lab.lab import service_to
from lab.wire import Ended

NO_HEADER = "upstream sent no valid HTTP/1.0 header while reading response header from upstream"
CLOSE = [("Connection", "close")]
KONG_LINE = {"hopgate_access_log_format": "kong"}
ANSWERS = {
    "one line": b"hello\n", "lines": b"hello\r\n\r\nworld\r\n" * 10, "a banner": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "binary": bytes(range(256)), "much": b"".join(behaviours.pattern(3_000_000)), "almost HTTP": b"HTTX/1.1 200 OK\r\n\r\n",
    "HTTP with a bad status": b"HTTP/1.1 abc\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.fixture(params=["off", "on"])
def lab_mode(request):
    return request.param


def hop_in(lab, origin, lab_mode, conf=None, **service):
    return lab.hop(service_to(origin, retries=2, **service), persona="kong", conf={"hopgate_lab": lab_mode, **(conf or {})})


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("pieces", [None, 1])
def test_what_is_no_http_answer_is_relayed_raw_in_the_lab(lab, lab_mode, name, pieces):
    data = ANSWERS[name]
    if pieces and len(data) > 1000:
        pytest.skip("in crumbs it would take long")

    def answer(connection, request):
        for at in range(0, len(data), pieces or len(data)):
            connection.send(data[at:at + (pieces or len(data))])
        behaviours.finish(connection, "close")

    origin = lab.origin().otherwise(answer)
    kong = hop_in(lab, origin, lab_mode)
    client = lab.client(kong)
    client.send(client.request_bytes("GET", "/", CLOSE))
    if lab_mode == "off":
        assert client.read_response().status == 502
    else:
        assert client.read_to_end() == (data, "fin"), "bytes as they are, and the end of the connection"
    entry = kong.access_log.last()
    assert entry.status == (502 if lab_mode == "off" else 9)
    assert entry["upstream_status"] == ("502" if lab_mode == "off" else "200")
    assert entry["response"]["content_size"] == (len(data) if lab_mode == "on" else entry["response"]["content_size"])
    assert len(kong.error_log.wait_for(NO_HEADER)) == 1
    assert len(origin.requests) == 1


def test_the_client_s_connection_stays_as_nginx_leaves_it(lab):
    """Measured: nothing says where the bytes end, and yet the connection is there for the next request."""
    kong = hop_in(lab, lab.origin().otherwise(behaviours.raw(b"hello", then="close")), "on")
    client = lab.client(kong)
    for _ in range(2):
        client.send(client.request_bytes("GET", "/"))
        assert client.read_exact(5) == b"hello"
    assert [entry.client_connection[1] for entry in kong.access_log.wait(2)] == [1, 2]


def test_kong_s_access_log_says_009(lab):
    origin = lab.origin().otherwise(behaviours.raw(b"hello", then="close"))
    kong = hop_in(lab, origin, "on", conf=KONG_LINE)
    client = lab.client(kong)
    client.send(client.request_bytes("GET", "/path", CLOSE))
    assert client.read_to_end() == (b"hello", "fin")
    kong.stop()
    assert '"GET /path HTTP/1.1" 009 5 ' in kong.access_log.text()


def test_head_gets_nothing_at_all(lab):
    kong = hop_in(lab, lab.origin().otherwise(behaviours.raw(b"hello", then="close")), "on")
    client = lab.client(kong)
    client.send(client.request_bytes("HEAD", "/", CLOSE))
    assert client.read_to_end() == (b"", "fin")
    assert kong.access_log.last().status == 9


def test_raw_bytes_after_a_head_that_was_good_stay_an_answer(lab):
    """The leniency is about the first line only; the next request has a connection of its own."""
    kong = hop_in(lab, lab.origin(content=b"fine").on("/raw", behaviours.raw(b"hello", then="close")), "on")
    client = lab.client(kong)
    assert client.get("/").content == b"fine"
    client.send(client.request_bytes("GET", "/raw", CLOSE))
    assert client.read_to_end() == (b"hello", "fin")
    assert lab.client(kong).get("/").content == b"fine"


@pytest.mark.parametrize("end", ["reset", "hang"])
def test_raw_bytes_that_break_off_are_cut(lab, end):
    settings = {"read_timeout": 3000} if end == "hang" else {}  # longer than the origin may stand still
    kong = hop_in(lab, lab.origin().otherwise(behaviours.raw(b"hello", then=end)), "on", **settings)
    client = lab.client(kong)
    client.send(client.request_bytes("GET", "/", CLOSE))
    data, _ = client.read_to_end()
    assert b"hello".startswith(data)
    entry = kong.access_log.last()
    assert entry.status in (9, 502)  # a reset may overtake the bytes


def test_client_that_leaves_during_raw_bytes(lab):
    origin = lab.origin().otherwise(behaviours.raw(b"hello", then="hang"))
    kong = hop_in(lab, origin, "on")
    fds = kong.fd_count()
    client = lab.client(kong)
    client.send(client.request_bytes("GET", "/", CLOSE))
    kong.error_log.wait_for(NO_HEADER)
    client.close()
    kong.access_log.last()
    kong.wait_fd_count(fds)


def test_upload_is_answered_raw_too(lab):
    def early(connection, request):
        request.content_read = True
        connection.send(b"enough\n")
        connection.end_cleanly()
        raise Ended("fin")

    kong = hop_in(lab, lab.origin().otherwise(early), "on", route={"request_buffering": False})
    client = lab.client(kong)
    client.send(client.request_bytes("POST", "/", [("Content-Length", "100")]) + b"part of it")
    assert client.read_to_end()[0] == b"enough\n"


@pytest.mark.parametrize("persona", ["edge", "f5"])
def test_personas_without_the_rule_do_not_relay_even_in_the_lab(lab, persona):
    origin = lab.origin().otherwise(behaviours.raw(b"hello", then="close"))
    hop = lab.hop(service_to(origin), persona=persona, conf={"hopgate_lab": "on"})
    client = lab.client(hop)
    client.send(client.request_bytes("GET", "/", [("Connection", "close")]))
    assert hop.access_log.last().reason == "UPSTREAM_STATUS_INVALID"
    assert b"hello" not in client.read_to_end()[0]
