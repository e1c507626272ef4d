"""Expect: 100-continue under a persona that leaves the answer to the target."""
import json
import threading

import pytest

from lab import behaviours
from lab.lab import service_to
from lab.wait import wait_until
from lab.wire import Ended

ONE_WORKER = {"nginx_worker_processes": "1"}


def forwarding_edge(lab, *targets, expect_timeout_ms=20_000, **service):
    path = lab.directory / "forwarding.json"
    path.write_text(json.dumps({"extends": "edge", "name": "forwarding",
                                "request": {"expect": "forward", "expect_timeout_ms": expect_timeout_ms,
                                            "remove": ["Keep-Alive", "Proxy-Connection"]}}))
    return lab.hop(service_to(*targets, **service), persona=path, name="forwarding", conf=ONE_WORKER)


def ask(client, size=5):
    client.send(client.request_bytes("PUT", "/", [("Content-Length", str(size)), ("Expect", "100-continue")]))


def test_expect_is_answered_by_the_target(lab):
    gate = threading.Event()

    def invite(connection, request):
        connection.origin.wait_for(gate)
        connection.send(b"HTTP/1.1 100 Continue\r\nX-From: origin\r\n\r\n")
        behaviours.answer(b"ok")(connection, request)

    origin = lab.origin().on("/", invite)
    client = lab.client(forwarding_edge(lab, origin))
    ask(client)
    request = origin.wait_for_requests(1)[0]
    assert request.fields.get("Expect") == "100-continue"
    client.send(b"hello")  # a client need not wait
    gate.set()
    head = client.read_head()
    assert (head.status, head.fields.get("X-From")) == (100, "origin")
    assert client.read_response().content == b"ok"
    assert request.content == b"hello"


def test_content_is_held_until_the_target_wants_it(lab):
    seen = []

    def look_before_inviting(connection, request):
        with pytest.raises(TimeoutError):
            connection.receive(deadline_s=0.3)
        seen.append(len(connection.buffer))
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        behaviours.answer(b"ok")(connection, request)

    origin = lab.origin().on("/", look_before_inviting)
    client = lab.client(forwarding_edge(lab, origin))
    ask(client)
    client.send(b"hello")
    assert client.read_head().status == 100
    assert client.read_response().content == b"ok"
    assert seen == [0] and origin.requests[0].content == b"hello"


def test_final_status_first_means_the_content_is_never_asked_for(lab):
    def refuse(connection, request):
        connection.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")
        request.content_read = True
        connection.wait_for_end()
        raise Ended("closed")

    origin = lab.origin().on("/", refuse)
    edge = forwarding_edge(lab, origin)
    client = lab.client(edge)
    ask(client)
    response = client.read_head()
    assert (response.status, response.fields.get("Connection")) == (417, "close"), "no 100 came before it"
    assert client.read_exact(2) == b"no"
    client.send(b"hello")
    assert client.wait_for_end() == "fin"
    wait_until(lambda: origin.connections[0].ended_by, "the target's connection to be closed: it waits for content")
    assert b"hello" not in origin.connections[0].received_all
    assert edge.access_log.last().tries == [417]


def test_silent_target_gets_the_content_after_a_while(lab):
    """The target ignores Expect: after the timer the client is asked, and the content goes."""
    origin = lab.origin().on("/", behaviours.swallow())
    client = lab.client(forwarding_edge(lab, origin, expect_timeout_ms=100))
    ask(client)
    assert client.read_head().status == 100
    client.send(b"hello")
    assert client.read_response().text.startswith("5 ")


def test_late_100_is_not_told_twice(lab):
    def invite_late(connection, request):
        request.read_content()
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        behaviours.answer(b"ok")(connection, request)

    origin = lab.origin().on("/", invite_late)
    client = lab.client(forwarding_edge(lab, origin, expect_timeout_ms=50))
    ask(client)
    assert client.read_head().status == 100
    client.send(b"hello")
    assert client.read_head().status == 200


def test_100_from_the_target_is_passed_once(lab):
    def invite_twice(connection, request):
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 2)
        behaviours.answer(b"ok")(connection, request)

    client = lab.client(forwarding_edge(lab, lab.origin().on("/", invite_twice)))
    ask(client)
    assert client.read_head().status == 100
    client.send(b"hello")
    assert client.read_head().status == 200


def test_target_that_dies_while_the_content_is_held(lab):
    """Nothing of the content is gone: the next target has the word."""
    bad = lab.origin().on("/", behaviours.close())

    def invite(connection, request):
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        behaviours.answer(b"ok")(connection, request)

    good = lab.origin().on("/", invite)
    edge = forwarding_edge(lab, bad, good, retries=1)
    for _ in range(2):
        client = lab.client(edge)
        ask(client)
        assert client.read_head().status == 100
        client.send(b"hello")
        assert client.read_response().content == b"ok"
    assert len(bad.requests) == 1 and [request.content for request in good.requests] == [b"hello"] * 2


def test_target_that_hangs_while_the_content_is_held_is_timed_out(lab):
    origin = lab.origin().on("/", behaviours.hang())
    client = lab.client(forwarding_edge(lab, origin, expect_timeout_ms=50, read_timeout=300))
    ask(client)
    assert client.read_head().status == 100
    client.send(b"hello")
    assert client.read_response().status == 504


def test_client_without_a_question_is_not_told_to_continue(lab):
    def invite(connection, request):
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        behaviours.answer(b"ok")(connection, request)

    client = lab.client(forwarding_edge(lab, lab.origin().on("/", invite)))
    client.send(client.request_bytes("PUT", "/", content=b"hello"))
    assert client.read_head().status == 200


