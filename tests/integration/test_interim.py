"""Interim responses (1xx) pass by without touching what is being sent meanwhile (RFC 9110 15.2)."""
import pytest

from lab import behaviours
from lab.wire import chunked

EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


def hint_then(behaviour):
    def behave(connection, request):
        connection.send(EARLY_HINTS)
        behaviour(connection, request)

    return behave


def test_interim_response_in_the_middle_of_a_chunked_upload(lab):
    """The content that follows the hint is still framed in chunks."""
    origin = lab.origin().on("/", hint_then(behaviours.answer(b"ok")))
    client = lab.client(lab.edge(origin))
    client.send(client.request_bytes("POST", "/", [("Transfer-Encoding", "chunked")]))
    assert client.read_head().status == 103
    client.send(chunked(b"hello", b"world"))
    assert client.read_response().content == b"ok"
    assert origin.requests[0].content == b"helloworld"


@pytest.mark.parametrize("method, asked", [("POST", 1), ("PUT", 4)])
def test_interim_response_does_not_make_a_request_unsent(lab, method, asked):
    """A target that hinted and then failed may have acted: no POST is sent twice."""
    def fail(connection, request):
        request.read_content()
        behaviours.finish(connection, "close")

    origin = lab.origin().on("/", hint_then(fail))
    edge = lab.edge(origin, retries=3)
    assert lab.client(edge).request(method, "/", content=b"abc").status == 502
    assert len(origin.requests) == asked


def test_interim_responses_without_end_are_a_fault_of_the_target(lab):
    origin = lab.origin().on("/", behaviours.raw(EARLY_HINTS * 1000, then="hang"))
    edge = lab.edge(origin)
    assert lab.client(edge).get("/").status == 502
    edge.error_log.wait_for("too many interim responses")


def test_switching_protocols_that_nobody_asked_for_is_a_fault(lab):
    origin = lab.origin().on("/", behaviours.raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", then="hang"))
    assert lab.client(lab.edge(origin)).get("/").status == 502
