"""Limits on what a client may send, and what it is told beyond them."""
import pytest

from lab.wire import chunked

TEN_BYTES = {"nginx_http_client_max_body_size": "10"}


@pytest.mark.parametrize("persona", ["kong", "edge"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_content_beyond_the_limit_is_413(lab, persona, framing):
    """A length is refused before a target is asked; content without one, as soon as it is too much."""
    origin = lab.origin()
    hop = getattr(lab, persona)(origin, conf=TEN_BYTES)
    client = lab.client(hop)
    if framing == "length":
        request = client.request_bytes("POST", "/", content=b"x" * 21)
    else:
        request = client.request_bytes("POST", "/", [("Transfer-Encoding", "chunked")]) + chunked(b"x" * 21)
    client.send_what_is_taken(request)
    assert client.read_response().status == 413
    size, reason = ("body: 21", "CLIENT_BODY_TOO_BIG") if framing == "length" else ("chunked body: 0+21", "CLIENT_CHUNKED_TOO_BIG")
    hop.error_log.wait_for(f"client intended to send too large {size} bytes")
    assert hop.access_log.last().reason == reason
    assert not any(request.content_read for request in origin.requests)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_content_of_exactly_the_limit_passes(lab, framing):
    origin = lab.origin(content=b"thanks")
    client = lab.client(lab.edge(origin, conf=TEN_BYTES))
    fields = [("Transfer-Encoding", "chunked")] if framing == "chunked" else []
    content = b"x" * 10
    assert client.post("/", chunked(content) if fields else content, fields).content == b"thanks"
    assert origin.requests[0].content == content


@pytest.mark.parametrize("persona, uri, line, head", [("edge", 414, 431, 431), ("kong", 414, 400, 400)])
def test_statuses_of_heads_that_are_too_long(lab, persona, uri, line, head):
    hop = getattr(lab, persona)(lab.origin())
    assert lab.client(hop).get("/" + "a" * 9000).status == uri
    assert lab.client(hop).get("/", [("A", "b" * 20000)]).status == line
    assert lab.client(hop).get("/", [(f"A{number}", "b" * 5000) for number in range(9)]).status == head


def test_head_limits_can_be_raised(lab):
    kong = lab.kong(lab.origin(content=b"long"), conf={"nginx_http_large_client_header_buffers": "8 128k"})
    assert lab.client(kong).get("/", [("A", "b" * 100_000)]).content == b"long"


def test_longest_timeouts_that_kong_allows_do_not_overflow(lab):
    longest = 2_147_483_646
    kong = lab.kong(lab.origin(content=b"x"), connect_timeout=longest, write_timeout=longest, read_timeout=longest)
    assert lab.client(kong).post("/", b"abc").content == b"x"


@pytest.mark.parametrize("count, status", [(100, 200), (101, 400)])
def test_connection_lists_a_hundred_options_at_most(lab, count, status):
    """Each would be looked for among all fields."""
    hop = lab.kong(lab.origin(content=b"x"))
    options = ", ".join(f"x-{number}" for number in range(count))
    assert lab.client(hop).get("/", [("Connection", options)]).status == status


def test_a_thousand_fields_are_logged_once_each(lab):
    hop = lab.kong(lab.origin(content=b"x"))
    fields = [(f"X-{number % 300}", str(number)) for number in range(900)]
    assert lab.client(hop).get("/", fields).status == 200
    logged = hop.access_log.wait(1)[0]["request"]["headers"]
    assert logged["x-0"] == ["0", "300", "600"] and logged["x-299"] == ["299", "599", "899"]
    assert [name for name in logged if name.startswith("x-")] == [f"x-{number}" for number in range(300)]
