"""Which target a request goes to: the algorithms of an upstream, with real origins."""
import collections
import signal
import threading

from lab import behaviours
from lab.exposition import scrape
from lab.lab import address_of, service_to
from lab.wait import wait_until
from test_control import OK, ask, verb
from test_reload import reload

import pytest

MANY = 40


def upstream_of(*targets, **fields):
    """A service whose upstream has these targets and fields."""
    declarative = service_to(*targets)
    declarative["upstreams"][0].update(fields)
    return declarative


def letters(lab, names="abc"):
    return [lab.origin(content=name.encode()) for name in names]


def hashing(lab, origins, **fields):
    return lab.hop(upstream_of(*origins, algorithm="consistent-hashing", **fields))


def test_header_hash_sticks_for_every_connection_and_worker(lab):
    kong = hashing(lab, letters(lab), hash_on="header", hash_on_header="X-User")
    answers = collections.defaultdict(set)
    for _ in range(3):
        client = lab.client(kong)
        for user in range(MANY):
            answers[user].add(client.get("/", [("X-User", f"user-{user}")]).text)
    assert all(len(origins) == 1 for origins in answers.values()), answers
    assert {origin for origins in answers.values() for origin in origins} == {"a", "b", "c"}


def test_two_hops_with_the_same_targets_choose_alike(lab):
    origins = letters(lab)
    first = hashing(lab, origins, hash_on="path")
    second = hashing(lab, list(reversed(origins)), hash_on="path")
    paths = [f"/item/{number}" for number in range(MANY)]
    chosen = [[client.get(path).text for path in paths] for client in (lab.client(first), lab.client(second))]
    assert chosen[0] == chosen[1]
    assert set(chosen[0]) == {"a", "b", "c"}


def test_cookie_is_set_when_missing_and_honoured_from_then_on(lab):
    kong = hashing(lab, letters(lab), hash_on="cookie", hash_on_cookie="route", hash_on_cookie_path="/shop")
    seen = set()
    for _ in range(MANY):
        answer = lab.client(kong).get("/")
        cookie = answer.fields.get("Set-Cookie")
        pair, *attributes = cookie.split("; ")
        assert pair.startswith("route=") and attributes == ["Path=/shop", "Same-Site=Lax", "HttpOnly"]
        seen.add(answer.text)
        for other in ("", "other=1; "):
            again = lab.client(kong).get("/", [("Cookie", other + pair)])
            assert again.text == answer.text
            assert again.fields.get("Set-Cookie") is None
    assert seen == {"a", "b", "c"}


def test_missing_header_falls_back_to_the_query_argument(lab):
    kong = hashing(lab, letters(lab), hash_on="header", hash_on_header="X-User",
                   hash_fallback="query_arg", hash_fallback_query_arg="user")
    client = lab.client(kong)
    for user in range(MANY):
        by_header = client.get("/", [("X-User", f"user {user}")]).text
        assert client.get(f"/?x=1&user=user+{user}").text == by_header
        assert client.get(f"/?user=user%20{user}").text == by_header
    nothing = {client.get(f"/{number}").text for number in range(MANY)}
    assert len(nothing) == 1, "without any input all requests have the same hash"


def test_next_on_the_ring_is_asked_when_a_target_refuses(lab):
    origins = letters(lab, "ab")
    declarative = upstream_of(*origins, lab.refusing_port(), hash_on="path")  # hash_on alone says how
    declarative["services"][0]["retries"] = 1
    edge = lab.hop(declarative, persona="edge")
    client = lab.client(edge)
    for number in range(MANY):
        assert client.get(f"/{number}").status == 200
    tries = [entry["tries"] for entry in edge.access_log.wait(MANY)]
    assert {attempt["algorithm"] for attempts in tries for attempt in attempts} == {"consistent-hashing"}
    assert {len(attempts) for attempts in tries} == {1, 2}


def wait_for_total(origins, count):
    wait_until(lambda: sum(len(origin.requests) for origin in origins) >= count, f"{count} requests at the origins")


def test_least_connections_sees_what_all_workers_have_in_flight(lab):
    gate = threading.Event()
    origins = [lab.origin().on("/wait", behaviours.after(gate, behaviours.answer(b"waited"))) for _ in range(2)]
    edge = lab.edge(*origins, algorithm="least-connections", conf={"nginx_worker_processes": "2"})
    waiting = [lab.client(edge) for _ in range(8)]
    for number, client in enumerate(waiting):  # one after the other, so that each counts the former
        client.send(client.request_bytes("GET", "/wait"))
        wait_for_total(origins, number + 1)
    assert [len(origin.requests) for origin in origins] == [4, 4]
    gate.set()
    for client in waiting:
        assert client.read_response().text == "waited"


def test_least_connections_sends_nothing_more_to_the_one_that_hangs(lab):
    gate = threading.Event()
    origins = [lab.origin(), lab.origin()]
    for origin in origins:
        origin.on("/wait", behaviours.after(gate, behaviours.answer(b"waited")))
    edge = lab.edge(*origins, algorithm="least-connections")
    waiting = lab.client(edge)
    waiting.send(waiting.request_bytes("GET", "/wait"))
    wait_for_total(origins, 1)
    hanging, free = origins if origins[0].requests else reversed(origins)
    for _ in range(10):
        assert lab.client(edge).get("/").status == 200
    assert (len(hanging.requests), len(free.requests)) == (1, 10)
    gate.set()
    assert waiting.read_response().text == "waited"


def test_latency_avoids_a_slow_origin_and_shows_why(lab):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    slow, quick = lab.origin().otherwise(behaviours.trickle(answer, gap_s=0.01, size=4)), lab.origin()
    edge = lab.edge(slow, quick, algorithm="latency")
    client = lab.client(edge)
    for _ in range(60):
        assert client.get("/").status == 200
    assert len(quick.requests) >= 50 and len(slow.requests) >= 1
    latencies = {entry["address"]: entry["latency_ms"] for entry in ask(edge, "show", "targets")["targets"]}
    assert latencies["{}:{}".format(*address_of(slow))] > 50
    assert latencies["{}:{}".format(*address_of(quick))] is not None
    assert {entry["tries"][0]["algorithm"] for entry in edge.access_log.wait(60)} == {"latency"}


def test_a_target_that_refuses_at_once_does_not_look_quick(lab):
    refusing, alive = lab.refusing_port(), lab.origin()
    edge = lab.edge(refusing, alive, algorithm="latency", retries=1)
    client = lab.client(edge)
    for _ in range(30):
        assert client.get("/").status == 200
    tries = [entry.tries for entry in edge.access_log.wait(30)]
    assert tries.count(["CONNECT_REFUSED", 200]) <= 2, tries
    latencies = {entry["address"]: entry["latency_ms"] for entry in ask(edge, "show", "targets")["targets"]}
    assert latencies["{}:{}".format(*address_of(refusing))] in (1000, None)


def test_a_target_in_its_slow_start_gets_requests_when_there_is_no_other(lab):
    origins = letters(lab, "ab")
    declarative = upstream_of(*origins)
    declarative["hopgate"] = {"slow_start": [{"upstream": declarative["upstreams"][0]["name"], "seconds": 900}]}
    client = lab.client(lab.hop(declarative))
    assert {client.get("/").text for _ in range(10)} == {"a", "b"}, "both are as new as the other"


def balanced(*targets, members=None, **balancing):
    """A service whose upstream has an entry in hopgate.balancing; members: fields of each target."""
    declarative = service_to(*targets, retries=balancing.pop("retries", 0))
    entry = {"upstream": declarative["upstreams"][0]["name"], **balancing}
    if members:
        entry["members"] = [{"target": target["target"], **fields}
                            for target, fields in zip(declarative["upstreams"][0]["targets"], members)]
    declarative["hopgate"] = {"balancing": [entry]}
    return declarative


def force(hop, origin, state):
    assert verb(hop, "target", "set", "main.upstream", "{}:{}".format(*address_of(origin)), state).code == OK


def test_an_entry_in_balancing_goes_before_kongs_algorithm(lab):
    declarative = balanced(*letters(lab), algorithm="ratio-least-connections-member")
    declarative["upstreams"][0]["algorithm"] = "latency"
    hop = lab.hop(declarative)
    assert lab.client(hop).get("/").status == 200
    assert hop.access_log.wait(1)[0]["tries"][0]["algorithm"] == "least-connections"


def test_lower_priority_groups_rest_until_too_few_are_up(lab):
    first, second, spare = letters(lab)
    hop = lab.hop(balanced(first, second, spare, min_active_members=2,
                           members=[{"priority_group": 10}, {"priority_group": 10}, {"max_requests": 3}]))
    client = lab.client(hop)
    assert {client.get("/").text for _ in range(8)} == {"a", "b"}
    shown = {entry["target"]: entry for entry in ask(hop, "show", "targets")["targets"]}
    assert shown["{}:{}".format(*address_of(first))]["priority_group"] == 10
    assert shown["{}:{}".format(*address_of(spare))]["max_requests"] == 3
    force(hop, first, "drain")
    assert {client.get("/").text for _ in range(8)} == {"b", "c"}
    force(hop, first, "auto")
    assert {client.get("/").text for _ in range(8)} == {"a", "b"}


def test_f5_words_choose_policies_of_our_own(lab):
    for written, means in (("random", "random"), ("fastest-app-response", "fastest"),
                           ("observed-member", "observed"), ("predictive-member", "predictive")):
        hop = lab.hop(balanced(*letters(lab), algorithm=written))
        client = lab.client(hop)
        assert {client.get("/").text for _ in range(MANY)} == {"a", "b", "c"}
        assert {entry["tries"][0]["algorithm"] for entry in hop.access_log.wait(MANY)} == {means}


# ---- how many requests a target may have, and who waits -------------------------------------------


def limited(lab, gate, count=1, places=1, persona="kong", conf=None, **balancing):
    """A hop before origins that answer /wait when the gate opens and take `places` requests each."""
    origins = [lab.origin().on("/wait", behaviours.after(gate, behaviours.answer(b"waited")))
               for _ in range(max(count, 2))]
    declarative = balanced(*origins, members=[{"max_requests": places}] * len(origins), **balancing)
    if count == 1:
        declarative["upstreams"][0]["targets"].pop()
        declarative["hopgate"]["balancing"][0]["members"].pop()
        origins.pop()
    return lab.hop(declarative, persona=persona, conf={"status_listen": "127.0.0.1:0", **(conf or {})}), origins


def send(lab, hop, path="/wait", **options):
    client = lab.client(hop, **options)
    client.send(client.request_bytes("GET", path))
    return client


def wait_for_queue(lab, hop, length):
    wait_until(lambda: scrape(lab, hop).value("hopgate_queued") == length, f"{length} requests in the queue")


def test_a_full_target_gets_no_more_and_without_a_queue_the_client_is_told_at_once(lab):
    gate = threading.Event()
    hop, origins = limited(lab, gate, count=2, places=2, conf={"nginx_worker_processes": "2"})
    waiting = []
    for number in range(4):
        waiting.append(send(lab, hop))
        wait_for_total(origins, number + 1)
    assert [lab.client(hop).get("/").status for _ in range(5)] == [503] * 5
    assert [len(origin.requests) for origin in origins] == [2, 2]
    refused = hop.access_log.wait(5)[0]
    assert refused["reason"] == "LIMIT_REACHED"
    assert "max_requests of every usable target of upstream main.upstream" in refused["detail"]
    gate.set()
    assert [client.read_response().text for client in waiting] == ["waited"] * 4
    assert lab.client(hop).get("/").status == 200


@pytest.mark.rules("f5 error_page.answers[LIMIT_REACHED]", "f5 error_page.answers[*]")
def test_f5_resets_a_connection_above_the_limit(lab):
    gate = threading.Event()
    hop, origins = limited(lab, gate, persona="f5")
    waiting = send(lab, hop)
    wait_for_total(origins, 1)
    assert send(lab, hop, "/").wait_for_end() == "reset"
    hop.error_log.wait_for("Connection limit exceeded")
    gate.set()
    assert waiting.read_response().text == "waited"


def test_requests_wait_for_a_place_whichever_worker_they_are_on(lab):
    gate = threading.Event()
    hop, origins = limited(lab, gate, queue={"max": 20, "timeout_ms": 60000}, conf={"nginx_worker_processes": "2"})
    clients = [send(lab, hop)]
    wait_for_total(origins, 1)
    clients += [send(lab, hop) for _ in range(12)]
    wait_for_queue(lab, hop, 12)
    assert len(origins[0].requests) == 1
    gate.set()
    assert [client.read_response().text for client in clients] == ["waited"] * 13
    waited = [entry["tries"][0].get("queue_ms") for entry in hop.access_log.wait(13)]
    assert waited.count(None) == 1 and all(ms is None or ms >= 0 for ms in waited)
    metrics = scrape(lab, hop)
    assert metrics.value("hopgate_queued") == 0
    assert metrics.value("hopgate_queued_total") == 12
    assert metrics.value("hopgate_queue_refused_total") == 0


def test_a_full_queue_and_one_that_lasts_too_long_are_named(lab):
    gate = threading.Event()
    hop, origins = limited(lab, gate, queue={"max": 1, "timeout_ms": 1500})
    first = send(lab, hop)
    wait_for_total(origins, 1)
    second = send(lab, hop)
    wait_for_queue(lab, hop, 1)
    assert lab.client(hop).get("/").status == 503
    assert second.read_response().status == 503
    details = [entry["detail"] for entry in hop.access_log.wait(2)]
    assert "queue.max 1 of upstream main.upstream" in details[0]
    assert "queue.timeout_ms 1500 of upstream main.upstream" in details[1]
    assert scrape(lab, hop).value("hopgate_queue_refused_total") == 2
    gate.set()
    assert first.read_response().text == "waited"


def test_a_client_that_leaves_is_not_waited_for(lab):
    gate = threading.Event()
    hop, origins = limited(lab, gate, queue={"max": 5, "timeout_ms": 60000})
    first = send(lab, hop)
    wait_for_total(origins, 1)
    leaver, stayer = send(lab, hop, "/left"), None
    wait_for_queue(lab, hop, 1)
    stayer = send(lab, hop, "/stayed")
    wait_for_queue(lab, hop, 2)
    leaver.reset()
    wait_for_queue(lab, hop, 1)
    gate.set()
    assert first.read_response().text == "waited"
    assert stayer.read_response().status == 200
    assert "/left" not in [request.target for request in origins[0].requests]


def test_a_reload_and_a_drain_leave_those_that_wait_their_place(lab):
    gate = threading.Event()
    hop, origins = limited(lab, gate, queue={"max": 5, "timeout_ms": 60000})
    clients = [send(lab, hop)]
    wait_for_total(origins, 1)
    clients.append(send(lab, hop))
    wait_for_queue(lab, hop, 1)
    reload(hop)
    clients.append(send(lab, hop))
    wait_for_queue(lab, hop, 2)
    hop.signal(signal.SIGTERM)
    hop.error_log.wait_for("draining")
    gate.set()
    assert [client.read_response().text for client in clients] == ["waited"] * 3
    assert hop.wait_exit() == 0


def test_who_waits_is_called_when_a_target_comes_up_and_when_all_are_down(lab):
    gate = threading.Event()
    hop, origins = limited(lab, gate, count=2, queue={"max": 5, "timeout_ms": 60000})
    force(hop, origins[0], "drain")
    first = send(lab, hop)
    wait_for_total(origins, 1)
    second = send(lab, hop, "/")
    wait_for_queue(lab, hop, 1)
    force(hop, origins[0], "auto")
    assert second.read_response().status == 200
    assert len(origins[1].requests) == 1, "the other one has not given its place back"
    force(hop, origins[0], "drain")
    third = send(lab, hop, "/")
    wait_for_queue(lab, hop, 1)
    force(hop, origins[1], "drain")
    assert third.read_response().status == 503
    assert hop.access_log.wait(2)[1]["reason"] == "NO_TARGET"
    gate.set()
    assert first.read_response().text == "waited"


def test_the_log_says_when_a_client_connection_is_bound_to_its_target(lab):
    hop = lab.hop(balanced(*letters(lab)), persona="f5", conf={"hopgate_access_log_format": "json"})
    client = lab.client(hop)
    assert len({client.get("/").text for _ in range(3)}) == 1
    assert [entry["tries"][0].get("pinned") for entry in hop.access_log.wait(3)] == [None, True, True]
