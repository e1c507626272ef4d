"""Persona f5: what is documented of a BIG-IP LTM with an HTTP profile and without OneConnect."""
import contextlib

import pytest

from lab import behaviours
from lab.lab import service_to
from lab.upgrade import verb
from lab.wire import Ended

CLIENT = "127.0.0.1"


def outcome(client):
    """How the connection ends; an F5 makes no pages."""
    data, end = client.read_to_end()
    assert data == b""
    return end


@pytest.mark.rules("f5 request.fields[X-Forwarded-For]")
def test_the_client_s_address_is_a_line_of_its_own(lab):
    """insert-xforwarded-for: lines of the client stay as they are."""
    origin = lab.origin()
    lab.client(lab.f5(origin)).get("/", [("X-Forwarded-For", "192.0.2.1")])
    assert origin.requests[0].fields.all("X-Forwarded-For") == ["192.0.2.1", CLIENT]


@pytest.mark.rules("f5 request.version", "f5 request.host")
def test_the_server_gets_the_client_s_version_and_host(lab):
    origin = lab.origin()
    client = lab.client(lab.f5(origin))
    client.send(b"GET / HTTP/1.0\r\nHost: shop.test:81\r\n\r\n")
    client.read_response()
    request = origin.requests[0]
    assert (request.version, request.fields.get("Host")) == ("HTTP/1.0", "shop.test:81")


FAILURES = {
    "CONNECT_REFUSED": (lambda lab: lab.refusing_port(), {}),
    "UPSTREAM_HEAD_RESET": (lambda lab: lab.origin().otherwise(behaviours.reset()), {}),
    "UPSTREAM_HEAD_CLOSED": (lambda lab: lab.origin().otherwise(behaviours.close()), {}),
    "UPSTREAM_HEAD_TIMEOUT": (lambda lab: lab.origin().otherwise(behaviours.hang()), {"read_timeout": 200}),
    "CONNECT_TIMEOUT": (lambda lab: lab.black_hole(), {"connect_timeout": 200}),
}
CAUSES = {"CONNECT_REFUSED": "{peer} TCP RST from remote system", "UPSTREAM_HEAD_RESET": "{peer} TCP RST from remote system",
          "UPSTREAM_HEAD_CLOSED": "{peer} Closing", "UPSTREAM_HEAD_TIMEOUT": "Flow expired (sweeper)",
          "CONNECT_TIMEOUT": "TCP retransmit timeout"}


@pytest.mark.parametrize("reason", [pytest.param(reason, marks=pytest.mark.rules(f"f5 error_page.answers[{reason}]",
                                                                                 "f5 error_page.answers[*]")) for reason in FAILURES])
def test_a_server_that_fails_makes_a_reset_with_its_cause(lab, reason):
    """LTM writes no 502, 503 or 504 (unless an iRule or a fallback host does)."""
    make, settings = FAILURES[reason]
    f5 = lab.f5(make(lab), **settings)
    client = lab.client(f5)
    client.send(client.request_bytes("GET", "/"))
    assert outcome(client) == "reset"
    assert f5.access_log.last().reason == reason
    f5.error_log.wait_for(CAUSES[reason])


@pytest.mark.rules("f5 client.fields_max_count")
@pytest.mark.parametrize("count, end", [(64, None), (65, "reset")])
def test_more_fields_than_maxheadercount_are_reset(lab, count, end):
    client = lab.client(lab.f5(lab.origin()))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(count - 1)) + b"\r\n")
    if end:
        assert outcome(client) == end
    else:
        assert client.read_response().status == 200


@pytest.mark.rules("f5 client.head_max_bytes")
def test_a_head_above_maxheadersize_is_reset(lab):
    client = lab.client(lab.f5(lab.origin()))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 33000 + b"\r\n\r\n")
    assert outcome(client) == "reset"


@pytest.mark.rules("f5 retry.policy", "f5 retry.retries_count")
@pytest.mark.parametrize("retries", [0, 5])
def test_nothing_is_tried_on_another_member(lab, retries):
    """reselectTries 0, whatever a service of Kong's file says of retries."""
    origin = lab.origin()
    f5 = lab.hop(service_to(lab.refusing_port(), origin, retries=retries), persona="f5",
                 conf={"nginx_worker_processes": "1"})
    for _ in range(2):  # one to each member
        client = lab.client(f5)
        client.send(client.request_bytes("GET", "/"))
        with contextlib.suppress(Ended):
            client.read_response()
    assert sorted(map(str, sum((entry.tries for entry in f5.access_log.wait(2)), []))) == ["200", "CONNECT_REFUSED"]


def reselecting(lab, tries, *targets, persona="f5"):
    declarative = service_to(*targets, retries=0)
    declarative["hopgate"] = {"balancing": [{"upstream": "main.upstream", "reselect_tries": tries}]}
    return lab.hop(declarative, persona=persona, conf={"nginx_worker_processes": "1"})


@pytest.mark.rules("f5 retry.policy", "f5 retry.conditions", "f5 retry.pick")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_member_that_refuses_is_passed_over_as_often_as_reselecttries_says(lab, method):
    origin = lab.origin(content=b"alive")
    f5 = reselecting(lab, 2, lab.refusing_port(), lab.refusing_port(), origin)
    for _ in range(3):
        answer = lab.client(f5).request(method, "/", content=b"abc" if method == "POST" else None)
        assert answer.content == b"alive"
    tries = [entry.tries for entry in f5.access_log.wait(3)]
    assert all(each[-1] == 200 and set(each[:-1]) <= {"CONNECT_REFUSED"} for each in tries) and max(map(len, tries)) > 1


def test_when_reselecttries_are_used_up_the_client_is_reset(lab):
    f5 = reselecting(lab, 1, *[lab.refusing_port() for _ in range(3)])
    client = lab.client(f5)
    client.send(client.request_bytes("GET", "/"))
    assert outcome(client) == "reset"
    assert f5.access_log.last().tries == ["CONNECT_REFUSED"] * 2


def test_what_fails_after_the_connection_is_not_reselected(lab):
    """LTM chose the member when the connection was made; what comes later is the client's business."""
    closing = lab.origin().otherwise(behaviours.close())
    other = lab.origin().otherwise(behaviours.close())
    f5 = reselecting(lab, 5, closing, other)
    client = lab.client(f5)
    client.send(client.request_bytes("GET", "/"))
    assert outcome(client) == "reset"
    assert f5.access_log.last().tries == ["UPSTREAM_HEAD_CLOSED"]


def test_check_says_where_reselect_tries_does_nothing(lab, hopgate, tmp_path):
    (tmp_path / "file.yaml").write_text("""_format_version: "3.0"
upstreams:
- {name: pool, targets: [{target: "127.0.0.1:1"}]}
hopgate: {balancing: [{upstream: pool, reselect_tries: 1, service_down_action: none}]}
""")
    for persona, told in (("kong", True), ("f5", False)):
        (tmp_path / "kong.conf").write_text(f"prefix = {tmp_path}\nadmin_listen = off\nhopgate_persona = {persona}\n")
        done = hopgate("check", "-c", tmp_path / "kong.conf", tmp_path / "file.yaml")
        for key in ("reselect_tries", "service_down_action"):
            line = f"file.yaml:3:3: warning: upstreams[0]: {key} of upstream pool does nothing"
            assert (line in done.err + done.out) == told, done


@pytest.mark.rules("f5 upstream.pin")
@pytest.mark.parametrize("action", ["none", "reselect", None])
def test_a_client_whose_member_goes_down_stays_or_goes_as_servicedownaction_says(lab, action):
    """Open connections outlive the monitor's verdict, unless the pool says otherwise; new ones never go there."""
    names = {b"a": lab.origin(content=b"a"), b"b": lab.origin(content=b"b")}
    declarative = service_to(*names.values())
    entry = {"upstream": "main.upstream", **({"service_down_action": action} if action else {})}
    f5 = lab.hop({**declarative, "hopgate": {"balancing": [entry]}}, persona="f5", conf={"nginx_worker_processes": "1"})
    client = lab.client(f5)
    home = client.get("/").content
    address = f"{names[home].host}:{names[home].port}"
    assert verb(f5, "target", "set", "main.upstream", address, "unhealthy").code == 0
    assert (client.get("/").content == home) == (action != "reselect")
    assert all(lab.client(f5).get("/").content != home for _ in range(3))
