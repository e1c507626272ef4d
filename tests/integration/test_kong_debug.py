"""Persona kong: Kong-Debug (allow_debug_header) and X-Kong-Request-Debug (request_debug)."""
import json
import re

import pytest

from lab import behaviours
from lab.lab import service_to
from lab.wait import wait_until

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
DEBUG = ("X-Kong-Request-Debug", "*")
ALL_DEBUG = [DEBUG, ("x-kong-request-debug-token", "x"), ("X-Kong-Request-Debug-Log", "true")]
FROM_AFAR = ("X-Real-IP", "203.0.113.9")  # believed with trusted_ips


@pytest.fixture
def origin(lab):
    return lab.origin(content=b"x")


def token_of(hop):
    """Of the file; it is there when the hop is ready, or a moment later."""
    path = hop.prefix / ".request_debug_token"
    wait_until(lambda: path.exists() and path.read_text(), "the token's file")
    return path.read_text()


def output(answer):
    text = answer.fields.get("X-Kong-Request-Debug-Output")
    return json.loads(text) if text else None


def names(answer):
    return [(name, value) for name, value in answer.fields if name.startswith(("Kong-Route", "Kong-Service"))]


@pytest.mark.parametrize("value", ["1", "off", ""])
def test_kong_debug_names_route_and_service_before_the_target_s_fields(lab, origin, value):
    origin.otherwise(behaviours.answer(b"x", fields=[("X-A", "1")]))
    kong = lab.kong(origin, conf={"allow_debug_header": "on"})
    answer = lab.client(kong).get("/", [("Kong-Debug", value)])
    found = dict(names(answer))
    assert list(found) == ["Kong-Route-Id", "Kong-Route-Name", "Kong-Service-Id", "Kong-Service-Name"]
    assert (found["Kong-Route-Name"], found["Kong-Service-Name"]) == ("main-route", "main")
    assert all(len(found[name]) == 36 for name in ("Kong-Route-Id", "Kong-Service-Id"))
    assert answer.fields.names().index("Kong-Route-Id") < answer.fields.names().index("X-A")
    assert origin.requests[0].fields.get("Kong-Debug") == value


@pytest.mark.parametrize("conf, fields", [({}, [("Kong-Debug", "1")]), ({"allow_debug_header": "on"}, [])])
def test_kong_debug_needs_the_setting_and_the_field(lab, origin, conf, fields):
    assert names(lab.client(lab.kong(origin, conf=conf)).get("/", fields)) == []


def test_kong_debug_says_nothing_of_a_gateway_error(lab):
    kong = lab.kong(lab.refusing_port(), conf={"allow_debug_header": "on"})
    answer = lab.client(kong).get("/", [("Kong-Debug", "1")])
    assert (answer.status, names(answer)) == (502, [])


def test_request_debug_shows_the_times_to_the_loopback(lab, origin):
    kong = lab.kong(origin)
    answer = lab.client(kong).get("/", ALL_DEBUG)
    found = output(answer)
    assert found["request_id"] == answer.fields.get("X-Kong-Request-Id")
    assert sorted(found["child"]) == ["access", "balancer", "rewrite", "upstream"]
    assert sorted(found["child"]["access"]["child"]) == ["router"]
    upstream = found["child"]["upstream"]
    assert upstream["total_time"] == upstream["child"]["time_to_first_byte"]["total_time"]
    assert str(upstream["total_time"]) == answer.fields.get("X-Kong-Upstream-Latency")
    assert answer.fields.names()[-1] == "X-Kong-Request-Debug-Output"
    assert not [name for name in origin.requests[0].fields.names() if name.lower().startswith("x-kong-request-debug")]


def test_request_debug_of_a_slow_target_is_its_time(lab, origin):
    origin.otherwise(behaviours.trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 0.02, size=1))
    upstream = output(lab.client(lab.kong(origin)).get("/", [DEBUG]))["child"]["upstream"]
    assert upstream["child"]["time_to_first_byte"]["total_time"] >= 500


@pytest.mark.parametrize("value", ["1", "**", "* ,", "upstream"])
def test_request_debug_knows_the_star_only(lab, origin, value):
    answer = lab.client(lab.kong(origin)).get("/", [("X-Kong-Request-Debug", value)])
    assert output(answer) is None
    assert origin.requests[0].fields.get("X-Kong-Request-Debug") is None


def test_request_debug_switched_off_is_no_business_of_ours(lab, origin):
    kong = lab.kong(origin, conf={"request_debug": "off"})
    answer = lab.client(kong).get("/", ALL_DEBUG)
    assert output(answer) is None
    assert [field for field in origin.requests[0].fields if field in ALL_DEBUG] == ALL_DEBUG
    assert not (kong.prefix / ".request_debug_token").exists()


def test_request_debug_from_afar_needs_the_token(lab, origin):
    kong = lab.kong(origin, conf={"trusted_ips": "127.0.0.1"})
    token = token_of(kong)
    assert UUID.fullmatch(token)
    kong.error_log.wait_for(f"[request-debug] token for request debugging: {token}")
    client = lab.client(kong)
    for given in (None, "", token[:-1], token + "x", token.upper() + "x"):
        more = [("X-Kong-Request-Debug-Token", given)] if given is not None else []
        assert output(client.get("/", [DEBUG, FROM_AFAR, *more])) is None, given
    assert output(client.get("/", [DEBUG, FROM_AFAR, ("X-Kong-Request-Debug-Token", token)]))
    assert (kong.prefix / ".request_debug_token").stat().st_mode & 0o077 == 0


def test_request_debug_token_may_be_configured(lab, origin):
    kong = lab.kong(origin, conf={"trusted_ips": "127.0.0.1", "request_debug_token": "sesame"})
    assert token_of(kong) == "sesame"
    fields = [DEBUG, FROM_AFAR, ("X-Kong-Request-Debug-Token", "sesame")]
    assert output(lab.client(kong).get("/", fields))


def test_request_debug_token_is_another_one_after_a_reload(lab, origin):
    kong = lab.kong(origin)
    former = token_of(kong)
    kong.signal(1)
    wait_until(lambda: token_of(kong) != former, "another token")
    kong.error_log.wait_for(f"token for request debugging: {token_of(kong)}")


def test_request_debug_is_logged_on_request(lab, origin):
    kong = lab.kong(origin)
    answer = lab.client(kong).get("/", [DEBUG, ("X-Kong-Request-Debug-Log", "true")])
    request_id = answer.fields.get("X-Kong-Request-Id")
    kong.error_log.wait_for("[request-debug] output: ")
    (line,) = [line for line in kong.error_log.text().splitlines() if "[request-debug] output: " in line]
    assert " [notice] " in line and line.endswith(f'request_id: "{request_id}"')
    assert ' while logging request, client: 127.0.0.1, server: kong, request: "GET / HTTP/1.1", host: "' in line
    found = json.loads(line.split("[request-debug] output: ")[1].split(" while logging request")[0])
    assert sorted(found["child"]["upstream"]["child"]) == ["streaming", "time_to_first_byte"]
    assert found["request_id"] == request_id


def test_request_debug_without_a_route_has_no_upstream(lab, origin):
    kong = lab.hop(service_to(origin, paths=["/here"]))
    answer = lab.client(kong).get("/there", [DEBUG])
    assert (answer.status, sorted(output(answer)["child"])) == (404, ["access", "rewrite"])


def test_request_debug_of_a_gateway_error_has_the_last_try(lab):
    answer = lab.client(lab.kong(lab.refusing_port())).get("/", [DEBUG])
    assert (answer.status, sorted(output(answer)["child"])) == (502, ["access", "balancer", "rewrite", "upstream"])


@pytest.mark.parametrize("persona", ["edge", "f5"])
def test_other_personas_know_nothing_of_it(lab, origin, persona):
    hop = getattr(lab, persona)(origin)
    answer = lab.client(hop).get("/", [DEBUG])
    assert output(answer) is None
    assert origin.requests[0].fields.get("X-Kong-Request-Debug") == "*"
    assert not (hop.prefix / ".request_debug_token").exists()
