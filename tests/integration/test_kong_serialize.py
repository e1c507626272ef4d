"""hopgate_access_log_format = kong-serialize: Kong's kong.log.serialize, field by field and nothing else."""
import re

import pytest

from lab import behaviours
from lab.lab import merge, service_to

SERIALIZE = {"hopgate_access_log_format": "kong-serialize"}
WORKSPACE = "0dc6f45b-8f8d-40d2-a504-473544ee190b"
KEYS = {"request", "upstream_uri", "upstream_status", "response", "latencies", "tries", "route", "service", "client_ip",
        "started_at", "source", "workspace", "workspace_name"}
TRY = {"balancer_start", "balancer_start_ns", "balancer_latency", "balancer_latency_ns", "ip", "port"}


def entry_of(hop):
    """The last line; what all of them have in common is checked."""
    entry = dict(hop.access_log.last())
    assert set(entry) <= KEYS
    assert re.fullmatch("[0-9a-f]{32}", entry["request"]["id"])
    assert entry["client_ip"] == "127.0.0.1"
    assert (entry["workspace"], entry["workspace_name"]) == (WORKSPACE, "default")
    assert set(entry["latencies"]) == {"kong", "proxy", "request", "receive"}
    assert all(isinstance(value, int) for value in entry["latencies"].values())
    for attempt in entry.get("tries", []):
        assert set(attempt) in (TRY, TRY | {"state", "code"})
        assert attempt["balancer_start"] == attempt["balancer_start_ns"] // 1000000 >= entry["started_at"]
    return entry


def test_a_proxied_request_has_every_field(lab):
    origin = lab.origin().on("/a b", behaviours.answer()).otherwise(
        behaviours.answer(b"hello", fields=[("X-Two", "1"), ("X-Two", "2")]))
    hop = lab.kong(origin, conf=SERIALIZE, path="/base", route={"strip_path": True, "paths": ["/p"]})
    answer = lab.client(hop).get("/p/x?a=1&b&a=%41+c&e=&=no", fields=[
        ("Host", "Shop.test"), ("Authorization", "Bearer t"), ("proxy-authorization", "Basic u"), ("X-Many", "1"),
        ("x-many", "2"), ("Cookie", "c=1")])
    entry = entry_of(hop)
    assert set(entry) == KEYS  # no consumer, no authenticated_entity: nil is left out
    request = entry["request"]
    assert set(request) == {"id", "uri", "url", "querystring", "method", "headers", "size"}
    assert request["uri"] == "/p/x?a=1&b&a=%41+c&e=&=no"
    assert request["url"] == f"http://shop.test:{hop.port}/p/x?a=1&b&a=%41+c&e=&=no"
    assert request["querystring"] == {"a": ["1", "A c"], "b": True, "e": ""}
    assert request["method"] == "GET"
    assert request["headers"] == {"host": "Shop.test", "authorization": "REDACTED", "proxy-authorization": "REDACTED",
                                  "x-many": ["1", "2"], "cookie": "c=1"}
    assert request["size"] == len(lab.clients[0].request_bytes("GET", request["uri"], [
        ("Host", "Shop.test"), ("Authorization", "Bearer t"), ("proxy-authorization", "Basic u"), ("X-Many", "1"),
        ("x-many", "2"), ("Cookie", "c=1")]))
    assert entry["upstream_uri"] == "/base/x?a=1&b&a=%41+c&e=&=no"
    assert entry["upstream_status"] == "200"
    response = entry["response"]
    assert set(response) == {"status", "headers", "size"}
    assert (response["status"], response["headers"]["x-two"]) == (200, ["1", "2"])
    assert response["headers"]["x-kong-request-id"] == request["id"]
    assert response["size"] > len(answer.content)
    assert entry["source"] == "upstream"
    assert entry["latencies"]["proxy"] >= 0 and entry["latencies"]["request"] >= entry["latencies"]["proxy"]
    assert [(attempt["ip"], attempt["port"]) for attempt in entry["tries"]] == [(origin.host, origin.port)]
    assert set(entry["tries"][0]) == TRY
    route, service = entry["route"], entry["service"]
    assert (route["name"], route["paths"], route["protocols"]) == ("main-route", ["/p"], ["http", "https"])
    assert (route["strip_path"], route["preserve_host"], route["regex_priority"]) == (True, False, 0)
    assert (route["request_buffering"], route["response_buffering"], route["https_redirect_status_code"]) == (True, True, 426)
    assert route["service"] == {"id": service["id"]} and route["ws_id"] == service["ws_id"] == WORKSPACE
    assert service == {"id": service["id"], "name": "main", "protocol": "http", "host": origin.host, "port": origin.port,
                       "path": "/base", "retries": 0, "connect_timeout": 60000, "write_timeout": 60000,
                       "read_timeout": 60000, "enabled": True, "ws_id": WORKSPACE}


def test_a_tls_client_has_its_version_cipher_and_verdict(lab):
    hop = lab.hop(service_to(lab.origin(content=b"x")), tls=True, conf=SERIALIZE)
    client = lab.client(hop, tls=True)
    assert client.get("/").status == 200
    entry = entry_of(hop)
    assert entry["request"]["tls"] == {"version": "TLSv1.3", "cipher": client.sock.cipher()[0], "client_verify": "NONE"}
    assert entry["request"]["url"] == f"https://edge.test:{hop.https[1]}/"


def test_only_the_tries_before_a_success_have_a_state(lab):
    refusing, origin = lab.refusing_port(), lab.origin(content=b"x")
    hop = lab.kong(refusing, origin, retries=1, conf={**SERIALIZE, "nginx_worker_processes": "1"})
    client = lab.client(hop)
    assert [client.get("/").status for _ in range(2)] == [200, 200]
    entries = hop.access_log.wait(2)
    retried = next(entry for entry in entries if len(entry["tries"]) == 2)
    failed, served = retried["tries"]
    assert (failed["ip"], failed["port"], failed["state"], failed["code"]) == (refusing.host, refusing.port, "failed", 502)
    assert set(served) == TRY and served["port"] == origin.port
    assert (retried["upstream_status"], retried["response"]["status"], retried["source"]) == ("502, 200", 200, "upstream")


def test_a_post_that_failed_once_has_no_state(lab):
    hop = lab.kong(lab.origin().on("/", behaviours.close()), retries=5, conf=SERIALIZE)
    assert lab.client(hop).post("/", b"abc").status == 502
    entry = entry_of(hop)
    assert len(entry["tries"]) == 1 and set(entry["tries"][0]) == TRY
    assert (entry["upstream_status"], entry["response"]["status"], entry["source"]) == ("502", 502, "kong")
    assert entry["latencies"]["proxy"] >= 0


def test_the_last_try_of_all_has_its_state_too(lab):
    port = lab.refusing_port()
    hop = lab.kong(port, retries=2, conf=SERIALIZE)
    assert lab.client(hop).get("/").status == 502
    entry = entry_of(hop)
    assert [(attempt["state"], attempt["code"]) for attempt in entry["tries"]] == [("failed", 502)] * 3
    assert (entry["upstream_status"], entry["source"]) == ("502, 502, 502", "kong")


def test_an_invalid_head_leaves_no_state_while_tries_are_left(lab):
    hop = lab.kong(lab.origin().on("/", behaviours.raw(b"HTTP/1.1 200 OK\r\nBad name: 1\r\n\r\n", then="close")), retries=5,
                   conf=SERIALIZE)
    assert lab.client(hop).get("/").status == 502
    entry = entry_of(hop)
    assert [set(attempt) for attempt in entry["tries"]] == [TRY]


def test_a_request_that_no_route_took(lab):
    hop = lab.kong(lab.origin(), paths=("/only",), conf=SERIALIZE)
    assert lab.client(hop).get("/other?x=1").status == 404
    entry = entry_of(hop)
    # kong/pdk/log.lua: tries = ctx.balancer_data and ctx.balancer_data.tries; nothing was balanced here
    assert set(entry) == KEYS - {"route", "service", "tries"}
    assert (entry["upstream_uri"], entry["upstream_status"], entry["source"]) == ("", "", "kong")
    assert (entry["latencies"]["proxy"], entry["latencies"]["receive"]) == (-1, 0)
    assert (entry["request"]["querystring"], entry["response"]["status"]) == ({"x": "1"}, 404)


def test_a_service_without_a_target_has_an_empty_list_of_tries(lab):
    declarative = merge({"services": [{"name": "s", "host": "nobody.upstream", "routes": [{"name": "r", "paths": ["/"]}]}]},
                        {"upstreams": [{"name": "nobody.upstream", "targets": []}]})
    hop = lab.hop(declarative, conf=SERIALIZE)
    assert lab.client(hop).get("/").status == 503
    entry = entry_of(hop)
    assert (entry["tries"], entry["upstream_status"], entry["source"]) == ([], "", "kong")
    assert entry["latencies"]["proxy"] == -1


def test_a_client_that_left(lab):
    origin = lab.origin().on("/", behaviours.hang())
    hop = lab.kong(origin, conf=SERIALIZE)
    client = lab.client(hop)
    client.send(client.request_bytes("GET", "/"))
    origin.wait_for_requests(1)
    client.close()
    entry = entry_of(hop)
    assert (entry["response"]["status"], entry["response"]["headers"], entry["response"]["size"]) == (499, {}, 0)
    assert (entry["latencies"]["proxy"], entry["latencies"]["receive"]) == (-1, 0)
    assert [set(attempt) for attempt in entry["tries"]] == [TRY]
    assert entry["upstream_status"] == "-"
    # kong.response.get_source: proxied, and no error handler ran
    assert entry["source"] == "upstream"


def test_what_was_no_request_is_logged_without_one(lab):
    hop = lab.kong(lab.origin(), conf=SERIALIZE)
    client = lab.client(hop)
    client.send(b"GARBAGE\r\n\r\n")
    assert client.read_response().status == 400
    entry = entry_of(hop)
    assert set(entry["request"]) == {"id", "uri", "url", "querystring", "headers", "size"}
    assert (entry["request"]["uri"], entry["request"]["querystring"], entry["request"]["headers"]) == ("", {}, {})
    assert (entry["response"]["status"], entry["source"]) == (400, "kong")


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_of_a_service_is_its_own_whatever_its_status(lab, status):
    hop = lab.kong(lab.origin().on("/", behaviours.answer(b"x", status=status)), conf=SERIALIZE)
    assert lab.client(hop).get("/").status == status
    entry = entry_of(hop)
    assert (entry["source"], entry["upstream_status"]) == ("upstream", str(status))
    assert set(entry["tries"][0]) == TRY
