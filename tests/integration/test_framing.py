"""How messages are delimited: kept, re-framed or refused, but never left ambiguous."""
import pytest

from lab import behaviours
from lab.client import curl
from lab.wire import chunked

CHUNKED = ("Transfer-Encoding", "chunked")


@pytest.fixture
def origin(lab):
    return lab.origin(content=b"x")


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("tls", [False, True])
def test_response_framing_is_kept_and_the_connection_goes_on(lab, origin, framing, tls):
    origin.on("/", behaviours.answer(b"some content", framing=framing))
    client = lab.client(lab.edge(origin, tls=tls), tls=tls)
    for _ in range(2):
        answer = client.get("/")
        assert (answer.content, answer.framing) == (b"some content", framing)


def test_streaming_hop_sends_a_chunked_request_chunked(lab, origin):
    client = lab.client(lab.edge(origin))
    client.request("POST", "/", [CHUNKED], chunked(b"abc", b"defgh"))
    (request,) = origin.requests
    assert (request.content, request.fields.get("Transfer-Encoding")) == (b"abcdefgh", "chunked")
    assert request.fields.get("Content-Length") is None


def test_chunk_extensions_are_not_forwarded(lab, origin):
    client = lab.client(lab.edge(origin))
    client.request("POST", "/", [CHUNKED], b"3;name=value\r\nabc\r\n0\r\n\r\n")
    (request,) = origin.requests
    assert request.content == b"abc"
    assert b"name=value" not in bytes(request.connection.received_all)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_head_has_no_content_and_does_not_shift_the_next_answer(lab, origin, framing):
    origin.on("/", behaviours.answer(b"some content", framing=framing))
    client = lab.client(lab.edge(origin))
    for _ in range(2):
        answer = client.request("HEAD", "/")
        assert (answer.status, answer.content) == (200, b"")
        if framing == "length":
            assert answer.fields.get("Content-Length") == "12"
        assert client.get("/").content == b"some content"


@pytest.mark.parametrize("head", [
    b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
])
def test_status_without_content_does_not_shift_the_next_answer(lab, origin, head):
    origin.on("/none", behaviours.raw(head)).on("/", behaviours.answer(b"next"))
    client = lab.client(lab.edge(origin))
    for _ in range(2):
        answer = client.get("/none")
        assert (answer.status, answer.content) == (int(head.split()[1]), b"")
        assert client.get("/").content == b"next"


def test_http_1_0_client_gets_a_chunked_response_as_plain_bytes(lab, origin):
    origin.on("/", behaviours.answer(b"some content", framing="chunked"))
    client = lab.client(lab.edge(origin))
    client.send(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
    answer = client.read_response()
    assert (answer.content, answer.framing) == (b"some content", "close")


def test_expect_100_is_answered_before_the_content_is_sent(lab, origin):
    client = lab.client(lab.edge(origin))
    client.send(client.request_bytes("POST", "/", [("Expect", "100-continue"), ("Content-Length", "5")]))
    assert client.read_head().status == 100
    client.send(b"12345")
    assert client.read_response().status == 200
    assert origin.requests[0].content == b"12345"


def test_curl_uploads_and_downloads(lab, origin, tmp_path):
    size = 2_000_000
    content = tmp_path / "content"
    content.write_bytes(b"".join(behaviours.pattern(size)))
    origin.on("/up", behaviours.swallow()).on("/down", behaviours.stream(size, "chunked"))
    edge = lab.edge(origin)
    base = f"http://{edge.host}:{edge.port}"
    for way in (["-T", content], ["-T", content, "-H", "Transfer-Encoding: chunked"], ["--data-binary", f"@{content}"]):
        done = curl(f"{base}/up", *way)
        assert done.out == f"{size} {behaviours.pattern_sum(size)}", done.err
    received = tmp_path / "received"
    assert curl(f"{base}/down", "-o", received).code == 0
    assert received.read_bytes() == content.read_bytes()


AMBIGUOUS = {
    "length and chunked": (b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "list of lengths": (b"Content-Length: 3, 4\r\n\r\nabcd", 400),
    "signed length": (b"Content-Length: +3\r\n\r\nabc", 400),
    "huge length": (b"Content-Length: 99999999999999999999\r\n\r\nabc", 400),
    "space before colon": (b"Content-Length : 3\r\n\r\nabc", 400),
    "folded line": (b"X-A: a\r\n b\r\n\r\n", 400),
    "bare line feed": (b"X-A: a\n\r\n", 400),
    "unknown coding": (b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "chunked twice": (b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "control byte in a value": (b"X-A: a\x01b\r\n\r\n", 400),
    "second host": (b"Host: b\r\n\r\n", 400),
}


@pytest.mark.parametrize("fault", AMBIGUOUS)
def test_ambiguous_request_is_refused_and_never_reaches_the_origin(lab, origin, fault):
    rest, status = AMBIGUOUS[fault]
    edge = lab.edge(origin)
    client = lab.client(edge)
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + rest)
    assert client.read_response().status == status
    assert client.read_to_end()[0] == b""
    assert origin.requests == []
    assert edge.access_log.last().status == status


@pytest.mark.parametrize("body", [b"zz\r\nabc\r\n", b"3\r\nabcd\r\n", b"-3\r\nabc\r\n", b"0x3\r\nabc\r\n",
                                  b"3\nabc\r\n", b"11111111111111111\r\nabc\r\n"])
def test_malformed_chunks_are_refused_and_no_whole_request_reaches_the_origin(lab, origin, body):
    client = lab.client(lab.kong(origin))
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    assert client.read_response().status == 400
    assert origin.requests == []


def test_surplus_bytes_from_the_origin_never_reach_the_next_client(lab, origin):
    surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstolen"
    origin.on("/surplus", behaviours.raw(surplus)).on("/", behaviours.answer(b"mine"))
    client = lab.client(lab.edge(origin, conf={"nginx_worker_processes": "1"}))
    assert client.get("/surplus").content == b"abc"
    assert client.get("/").content == b"mine"
    assert [request.number for request in origin.requests] == [1, 1]


TRAILERS = [("X-Sum", "1"), ("X-Forwarded-For", "6.6.6.6"), ("Client-Cert", ":Zm9yZ2Vk:"), ("X_Sum", "2")]


def test_edge_passes_the_trailers_of_a_response_on_to_who_asked(lab):
    origin = lab.origin().on("/", behaviours.answer(b"content", framing="chunked", trailers=[("X-Sum", "1")]))
    client = lab.client(lab.edge(origin))
    asked = client.get("/", [("TE", "trailers"), ("Connection", "TE")])
    assert (asked.content, asked.trailers) == (b"content", [("X-Sum", "1")])
    assert client.get("/").trailers == []
    assert client.get("/", [("TE", "trailers;q=0, gzip")]).trailers == []


def test_kong_drops_trailers(lab):
    """nginx does (measured)."""
    origin = lab.origin().on("/", behaviours.answer(b"content", framing="chunked", trailers=[("X-Sum", "1")]))
    client = lab.client(lab.kong(origin))
    assert client.get("/", [("TE", "trailers")]).trailers == []
    client.request("POST", "/", [CHUNKED], chunked(b"abc", trailers=TRAILERS))
    assert origin.requests[-1].trailers == []


def test_edge_passes_only_the_harmless_trailers_of_a_request(lab):
    """What says who the client is, or has an underscore, is no more true at the end than at the head."""
    origin = lab.origin()
    client = lab.client(lab.edge(origin))
    client.request("POST", "/", [CHUNKED], chunked(b"abc", trailers=TRAILERS))
    assert (origin.requests[0].content, origin.requests[0].trailers) == (b"abc", [("X-Sum", "1")])


def test_target_with_forbidden_trailers_is_not_used_again(lab):
    trailers = [("Content-Length", "99")]
    origin = lab.origin().on("/", behaviours.answer(b"content", framing="chunked", trailers=trailers))
    client = lab.client(lab.edge(origin))
    for _ in range(2):
        answer = client.get("/", [("TE", "trailers")])
        assert (answer.content, answer.trailers) == (b"content", [])
    assert len(origin.connections) == 2
