"""Circuit breaking: how much of a service may be under way, over all workers (hopgate.limits)."""
import json
import threading

from lab import behaviours
from lab.lab import service_to
from lab.wait import wait_until
from test_control import ask


def limited(lab, *targets, conf=None, persona="edge", limits, **service):
    return lab.make_hop({**service_to(*targets, **service), "hopgate": {"limits": [{"service": "main", **limits}]}},
                        persona=persona, conf=conf)


def begin(lab, hop, path="/slow"):
    client = lab.client(hop)
    client.send(client.request_bytes("GET", path))
    return client


def test_requests_above_the_limit_are_refused_at_once_and_room_is_given_back(lab):
    gate = threading.Event()
    origin = lab.origin(content=b"x").on("/slow", behaviours.after(gate, behaviours.answer(b"slow")))
    hop = limited(lab, origin, limits={"max_requests": 3}).start()
    running = [begin(lab, hop) for _ in range(3)]
    origin.wait_for_requests(3)
    refused = lab.client(hop).get("/")
    assert refused.status == 503
    assert 'error=connection_limit_reached' in refused.fields.get("Proxy-Status", "")
    assert "max_requests 3 of service main" in json.dumps(hop.access_log.last())
    gate.set()
    assert [client.read_response().content for client in running] == [b"slow"] * 3
    assert lab.client(hop).get("/").status == 200
    assert len(origin.requests) == 4


def test_client_that_leaves_gives_its_place_back(lab):
    gate = threading.Event()
    origin = lab.origin(content=b"x").on("/slow", behaviours.after(gate, behaviours.answer(b"slow")))
    hop = limited(lab, origin, limits={"max_requests": 1}).start()
    for number in range(5):
        client = begin(lab, hop)
        origin.wait_for_requests(number + 1)
        client.reset()
        hop.access_log.wait(number + 1)
    assert lab.client(hop).get("/").status == 200
    gate.set()


def test_requests_without_a_connection_are_limited_apart(lab):
    hop = limited(lab, lab.black_hole(), limits={"max_pending": 2}, connect_timeout=20000, read_timeout=20000).start()
    waiting = [begin(lab, hop) for _ in range(2)]
    wait_until(lambda: [entry["phase"] for entry in ask(hop, "show", "exchanges")["exchanges"]] == ["connecting to target"] * 2,
               "two to wait for their connections")
    assert lab.client(hop).get("/").status == 503
    hop.error_log.wait_for("max_pending 2 of service main")
    for client in waiting:
        client.reset()
    hop.access_log.wait(3)
    assert hop.stop() == 0


def test_kept_connection_needs_no_place_among_the_pending(lab):
    black_hole_free = lab.origin(content=b"x")
    hop = limited(lab, black_hole_free, limits={"max_pending": 1}).start()
    client = lab.client(hop)
    assert {client.get("/").status for _ in range(20)} == {200}


def test_limits_hold_over_a_reload(lab):
    gate = threading.Event()
    origin = lab.origin(content=b"x").on("/slow", behaviours.after(gate, behaviours.answer(b"slow")))
    hop = limited(lab, origin, limits={"max_requests": 1}).start()
    running = begin(lab, hop)
    origin.wait_for_requests(1)
    hop.signal(1)
    hop.error_log.wait_for("configuration", "in force", count=1)
    assert lab.client(hop).get("/").status == 503, "what runs since before the reload is not counted"
    gate.set()
    assert running.read_response().status == 200
    assert lab.client(hop).get("/").status == 200


def test_rule_for_a_service_that_is_not_there_is_named(lab):
    declarative = {**service_to(lab.origin()), "hopgate": {"limits": [{"service": "none", "max_requests": 1}]}}
    hop = lab.make_hop(declarative)
    lab.expect_bad_end.add(hop)
    assert hop.spawn().wait_exit() == 78
    assert "none" in hop.stderr() and "limits" in hop.stderr()
