"""Which target a request goes to: the algorithms of an upstream, with real origins."""
import collections
import threading

from lab import behaviours
from lab.lab import address_of, service_to
from lab.wait import wait_until
from test_control import OK, ask, verb

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
        assert pair.startswith("route=") and attributes == ["Path=/shop", "SameSite=Lax", "HttpOnly"]
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
    kong = lab.hop(declarative)
    client = lab.client(kong)
    for number in range(MANY):
        assert client.get(f"/{number}").status == 200
    tries = [entry["tries"] for entry in kong.access_log.wait(MANY)]
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
                           members=[{"priority_group": 10}, {"priority_group": 10}, {}]))
    client = lab.client(hop)
    assert {client.get("/").text for _ in range(8)} == {"a", "b"}
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
