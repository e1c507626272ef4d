"""`hopgate trace` tells of hops that lead bytes on (persona nlb): a line per connection, a place in the chain per request."""
import json
import os
import socket

import pytest

from lab import behaviours
from lab.client import run
from lab.lab import service_to
from test_nlb import address_of

SILENCE_MS = 1500


@pytest.fixture
def trace(binary):
    """Ends the hops, so that every connection has its line, and tells of all that they logged."""

    def call(hops, *words):
        for hop in hops:
            assert hop.stop() == 0
        logs = [str(log.path) for hop in hops for log in (hop.access_log, hop.error_log) if log.path.exists()]
        done = run(str(binary), "trace", "--json", *words, *logs, env={**os.environ, "TZ": "UTC"})
        assert done.code == 0, done.err
        return [json.loads(line) for line in done.out.splitlines()]

    return call


def relay(lab, *targets, name="relay", **service):
    hop = lab.hop(service_to(*targets, **service), persona="nlb", name=name, conf={"nginx_worker_processes": "1"})
    return hop, address_of(hop)


def hops_of(story):
    """Names, from the first hop to the last, by the last try of each."""
    names, at = [], story["request"]
    while at:
        names.append(at["hop"])
        at = at["tries"][-1].get("hop") if at["tries"] else None
    return names


def test_each_request_of_a_connection_goes_through_the_relay(lab, trace):
    origin = lab.origin(content=b"x")
    inner = lab.hop(service_to(origin), persona="f5", name="inner")
    between, address = relay(lab, inner)
    gateway = lab.kong(address, conf={"nginx_worker_processes": "1"})
    client = lab.client(gateway)
    for number in range(3):
        assert client.get(f"/{number}").status == 200
    client.close()
    told = trace([gateway, between, inner], "--all")
    assert [(story["request"]["uri"], hops_of(story), story["failed"]) for story in told] == [
        (f"/{number}", [gateway.name, "relay", "inner"], False) for number in range(3)]
    passed = told[2]["request"]["tries"][0]["hop"]
    assert (passed["uri"], passed["tries"][0]["hop"]["uri"], passed["tries"][0]["joined_by"]) == ("/2", "/2", "connection")


def test_target_that_refuses_the_relay_is_the_cause(lab, trace):
    between, address = relay(lab, lab.refusing_port())
    gateway = lab.kong(address, retries=0)
    assert lab.client(gateway).get("/").status == 502
    (story,) = trace([gateway, between])
    assert (story["culprit"], story["reason"], hops_of(story)) == ("relay", "CONNECT_REFUSED", [gateway.name, "relay"])
    assert 'hop "relay"' in story["verdict"] and "refused the connection" in story["verdict"]


@pytest.mark.parametrize("fault, reason", [(behaviours.close(), "UPSTREAM_HEAD_CLOSED"), (behaviours.reset(), "UPSTREAM_HEAD_RESET")])
def test_end_that_the_relay_passes_on_began_behind_it(lab, trace, fault, reason):
    origin = lab.origin().otherwise(fault)
    between, address = relay(lab, origin)
    gateway = lab.kong(address, retries=0)
    assert lab.client(gateway).get("/").status == 502
    (story,) = trace([gateway, between])
    assert (story["culprit"], story["reason"]) == ("relay", reason)
    assert f"{origin.host}:{origin.port}" in story["verdict"]


def test_silence_through_a_relay_is_that_of_who_is_behind_it(lab, trace):
    origin = lab.origin().otherwise(behaviours.hang())
    between, address = relay(lab, origin)
    gateway = lab.kong(address, retries=0, read_timeout=SILENCE_MS)
    assert lab.client(gateway).get("/").status == 504
    (story,) = trace([gateway, between])
    assert (story["culprit"], story["reason"], story["still_waiting"]) == (gateway.name, "UPSTREAM_HEAD_TIMEOUT", "relay")
    assert f"was still waiting for {origin.host}:{origin.port}" in story["verdict"]


def test_relay_in_front_of_all_is_found_from_behind(lab, trace):
    origin = lab.origin(content=b"x")
    gateway = lab.kong(origin, conf={"nginx_worker_processes": "1"})
    front, address = relay(lab, gateway)
    client = lab.client(address)
    assert [client.get(f"/{number}").status for number in range(2)] == [200, 200]
    client.close()
    told = trace([front, gateway], "--all")
    assert sorted((story["request"]["uri"], *hops_of(story)) for story in told) == [
        ("/0", "relay", gateway.name), ("/1", "relay", gateway.name)]


def test_connection_that_led_nowhere_is_told_without_a_request(lab, trace):
    front, address = relay(lab, lab.refusing_port())
    try:
        with socket.create_connection(address, timeout=20) as client:
            assert client.recv(1) == b""
    except ConnectionResetError:
        pass  # as an NLB does; it may come before connect has returned
    (story,) = trace([front])
    assert (story["culprit"], story["reason"], story["request"]["method"]) == ("relay", "CONNECT_REFUSED", "connection")


def test_log_that_leads_in_a_circle_ends(binary, tmp_path):
    """A line may hold anything: here a connection whose two ends are the same."""
    end = {"ip": "127.0.0.1", "port": 1000}
    line = {"started_at": 1, "hop": "circle", "protocol": "tcp", "reason": "OK", "session_ms": 5, "tries_count": 1,
            "client": {"peer_ip": end["ip"], "peer_port": 1000, "local_ip": end["ip"], "local_port": 2000},
            "upstream": {"ip": end["ip"], "port": 2000, "local_ip": end["ip"], "local_port": 1000}}
    asks = {"started_at": 1, "started_at_us": 1000, "hop": "front", "reason": "OK", "tries_count": 1, "client": {},
            "request": {"method": "GET", "uri": "/"}, "response": {"status": 200}, "phases_ms": {"end": 3},
            "tries": [{"begin_ms": 1, "end_ms": 2, "local_ip": end["ip"], "local_port": 1000, "ip": end["ip"], "port": 2000,
                       "reason": "OK", "status": 200}]}
    log = tmp_path / "circle.log"
    log.write_text("".join(json.dumps(one) + "\n" for one in (asks, line, {**line, "hop": "other"})))
    done = run(str(binary), "trace", "--all", str(log), deadline_s=20)
    assert done.code == 0 and "1 of 1 requests told" in done.out
