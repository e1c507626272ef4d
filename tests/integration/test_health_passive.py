"""Real traffic judges targets, by Kong's rules; what an operator says goes before."""
import re

import pytest

from lab import behaviours
from lab.exposition import scrape
from lab.lab import address_of, service_to
from lab.wait import wait_until
from test_control import OK, FAILED, USAGE, ask, verb
from test_passthrough import ask as passed, leading, origin_of, passing
from test_reload import reload, rewrite

STATUS = {"status_listen": "127.0.0.1:0"}


def name_of(target):
    return "{}:{}".format(*address_of(target))


def judged(*targets, retries=0, passive=None, **checks):
    """A service whose upstream judges its targets by traffic."""
    declarative = service_to(*targets, (("127.0.0.1", 1)), retries=retries)
    upstream = declarative["upstreams"][0]
    upstream["targets"] = upstream["targets"][:-1]  # one target is enough for an upstream
    upstream["healthchecks"] = {"passive": passive or {}, **checks}
    return declarative


def states(hop):
    return {entry["target"]: entry["state"] for entry in ask(hop, "show", "targets")["targets"]}


def why(hop, target):
    return next(entry["why"] for entry in ask(hop, "show", "targets")["targets"] if entry["target"] == name_of(target))


def kong_state(hop_metrics, target):
    return next(dict(labels)["state"] for labels, value in
                hop_metrics.select("kong_upstream_target_health", target=name_of(target)).items() if value == 1)


def get_until(lab, hop, status, count=20):
    """Requests one after the other until one has that status; returns how many it took."""
    client = lab.client(hop)
    for number in range(1, count + 1):
        if client.get("/").status == status:
            return number
    raise AssertionError(f"no {status} within {count} requests")


def test_answers_that_count_as_failures_take_a_target_out(lab):
    bad, good = lab.origin(), lab.origin(content=b"good")
    bad.otherwise(behaviours.answer(status=500, reason="Oops"))
    kong = lab.hop(judged(bad, good, passive={"unhealthy": {"http_failures": 3}}), conf=STATUS)
    client = lab.client(kong)
    for _ in range(12):
        client.get("/")
    kong.access_log.wait(12)
    assert len(bad.requests) == 3
    assert states(kong) == {name_of(bad): "unhealthy", name_of(good): "healthy"}
    hostname_and_address = re.escape(f"127.0.0.1({name_of(bad)})")
    increments = [re.search(rf"\[warn\].*\[healthcheck\] \(default:main\.upstream\) unhealthy HTTP increment "
                            rf"\((\d)/3\) for '{hostname_and_address}'", line) for line in
                  kong.error_log.lines("increment")]
    assert [match and match[1] for match in increments] == ["1", "2", "3"]
    line, = kong.error_log.lines("of upstream main.upstream is unhealthy now")
    assert name_of(bad) in line and "(limit 3), the last with status 500" in line
    assert "(limit 3), the last with status 500" in why(kong, bad)
    metrics = scrape(lab, kong)
    assert (kong_state(metrics, bad), kong_state(metrics, good)) == ("unhealthy", "healthy")
    assert metrics.value("hopgate_target_health_transitions_total", target=name_of(bad), to="unusable") == 1
    assert metrics.value("hopgate_target_health_transitions_total", target=name_of(good)) == 0


def test_kongs_failures_add_up_however_many_good_answers_lie_between(lab):
    """successes = 0, Kong's default, never clears a failure."""
    origin = lab.origin().on("/bad", behaviours.answer(status=503, reason="Busy"))
    kong = lab.hop(judged(origin, passive={"unhealthy": {"http_failures": 2}}))
    client = lab.client(kong)
    assert [client.get(path).status for path in ["/bad"] + ["/"] * 10 + ["/bad"]] == [503] + [200] * 10 + [503]
    kong.error_log.wait_for("reported health status changed to UNHEALTHY")
    answer = client.get("/")
    assert answer.status == 503
    assert b"failure to get a peer from the ring-balancer" in answer.content
    assert len(origin.requests) == 12


def test_counted_success_clears_failures(lab):
    origin = lab.origin().on("/bad", behaviours.answer(status=503, reason="Busy"))
    kong = lab.hop(judged(origin, passive={"healthy": {"successes": 1}, "unhealthy": {"http_failures": 2}}))
    client = lab.client(kong)
    for path in ["/bad", "/"] * 5:
        client.get(path)
    kong.access_log.wait(10)
    assert states(kong) == {name_of(origin): "healthy"}
    assert len(origin.requests) == 10


def test_passive_checks_alone_never_bring_a_target_back(lab):
    origin = lab.origin().on("/bad", behaviours.answer(status=500, reason="Oops"))
    kong = lab.hop(judged(origin, passive={"healthy": {"successes": 1}, "unhealthy": {"http_failures": 1}}))
    client = lab.client(kong)
    assert client.get("/bad").status == 500
    assert {client.get("/").status for _ in range(20)} == {503}
    assert len(origin.requests) == 1


@pytest.mark.parametrize("persona, seen_by_the_last", [("kong", 0), ("edge", 1)])
def test_last_refused_connection_is_a_502_for_kong_and_a_failure_for_edge(lab, persona, seen_by_the_last):
    """Kong reports only tries that another one follows as TCP failures (documented)."""
    declarative = judged(lab.refusing_port(), retries=0, passive={"unhealthy": {"tcp_failures": 9}})
    hop = lab.hop(declarative, persona=persona)
    assert lab.client(hop).get("/").status == 502
    hop.access_log.wait(1)
    assert len(hop.error_log.lines("unhealthy TCP increment")) == seen_by_the_last


def test_refused_tries_that_are_followed_by_another_count(lab):
    dead, good = lab.refusing_port(), lab.origin(content=b"good")
    kong = lab.hop(judged(dead, good, retries=3, passive={"unhealthy": {"tcp_failures": 2}}))
    client = lab.client(kong)
    for _ in range(10):
        assert client.get("/").text == "good"
    tries = [entry.tries for entry in kong.access_log.wait(10)]
    assert sum(attempt == "CONNECT_REFUSED" for attempts in tries for attempt in attempts) == 2
    assert states(kong)[name_of(dead)] == "unhealthy"
    assert "the last: CONNECT_REFUSED" in why(kong, dead)


@pytest.mark.parametrize("persona, counted", [("kong", 1), ("edge", 0)])
def test_idle_connection_that_was_dead_counts_for_kong_only(lab, persona, counted):
    """Kong cannot tell a stale connection from a failure (documented)."""
    origin = lab.origin()

    def drop_second(connection, request):
        if request.number == 2:
            connection.drop()
        behaviours.answer(b"x")(connection, request)

    origin.otherwise(drop_second)
    hop = lab.hop(judged(origin, retries=2, passive={"unhealthy": {"tcp_failures": 9}}), persona=persona)
    client = lab.client(hop)
    assert [client.get("/").status for _ in range(2)] == [200, 200]
    assert len(hop.access_log.wait(2)[1].tries) == 2
    assert len(hop.error_log.lines("unhealthy TCP increment")) == counted


def test_silent_target_is_taken_out_by_timeouts(lab):
    silent, good = lab.origin().otherwise(behaviours.hang()), lab.origin(content=b"good")
    declarative = judged(silent, good, retries=1, passive={"unhealthy": {"timeouts": 1}})
    declarative["services"][0]["read_timeout"] = 2000
    kong = lab.hop(declarative)
    client = lab.client(kong)
    for _ in range(6):
        assert client.get("/").text == "good"
    assert len(silent.requests) == 1
    assert states(kong)[name_of(silent)] == "unhealthy"


def test_threshold_of_weight_closes_the_upstream(lab):
    dead, good = lab.refusing_port(), lab.origin(content=b"good")
    kong = lab.hop(judged(dead, good, retries=1, threshold=50, passive={"unhealthy": {"tcp_failures": 1}}))
    taken = get_until(lab, kong, 503)  # half of the weight is not more than 50 percent
    assert taken <= 3
    kong.error_log.wait_for("[healthchecks] balancer default:main.upstream reported health status changed to UNHEALTHY")
    assert verb(kong, "target", "set", "main.upstream", name_of(dead), "healthy").code == OK
    kong.error_log.wait_for("reported health status changed to HEALTHY")
    assert lab.client(kong).get("/").status == 200


@pytest.mark.parametrize("algorithm", ["round-robin", "least-connections", "latency", "consistent-hashing"])
def test_every_algorithm_passes_over_targets_that_are_out(lab, algorithm):
    origins = [lab.origin() for _ in range(3)]
    declarative = judged(*origins)
    declarative["upstreams"][0].update(algorithm=algorithm, hash_on="path" if algorithm == "consistent-hashing" else "none")
    kong = lab.hop(declarative)
    client = lab.client(kong)
    for state in ("drain", "disable", "unhealthy"):
        assert verb(kong, "target", "set", "main.upstream", name_of(origins[1]), state).code == OK
        for number in range(8):
            assert client.get(f"/{state}/{number}").status == 200
    assert not origins[1].requests and origins[0].requests and origins[2].requests
    assert verb(kong, "target", "set", "main.upstream", name_of(origins[1]), "auto").code == OK
    for number in range(40):
        assert client.get(f"/again/{number}").status == 200
    assert origins[1].requests


def test_forced_state_is_told_and_survives_a_reload_until_auto(lab):
    first, second = lab.origin(content=b"first"), lab.origin(content=b"second")
    kong = lab.hop(judged(first, second, passive={"unhealthy": {"http_failures": 1}}))
    assert verb(kong, "target", "set", "main.upstream", name_of(first), "unhealthy").code == OK
    kong.error_log.wait_for("unhealthy forced for 127.0.0.1 " + name_of(first))
    assert states(kong)[name_of(first)] == "unhealthy (forced)"
    rewrite(kong, judged(first, second, passive={"unhealthy": {"http_failures": 2}}))
    reload(kong)
    assert states(kong)[name_of(first)] == "unhealthy (forced)"
    client = lab.client(kong)
    assert {client.get("/").text for _ in range(6)} == {"second"}
    assert verb(kong, "target", "set", "main.upstream", name_of(first), "auto").code == OK
    assert {client.get("/").text for _ in range(6)} == {"first", "second"}


def test_reload_keeps_what_traffic_has_said(lab):
    bad, good = lab.origin(), lab.origin(content=b"good")
    bad.otherwise(behaviours.answer(status=500, reason="Oops"))
    declarative = judged(bad, good, passive={"unhealthy": {"http_failures": 1}})
    kong = lab.hop(declarative)
    get_until(lab, kong, 500)
    wait_until(lambda: states(kong)[name_of(bad)] == "unhealthy", "the target to be out")
    rewrite(kong, {**declarative, "routes": []})
    reload(kong)
    assert states(kong)[name_of(bad)] == "unhealthy"
    assert {lab.client(kong).get("/").status for _ in range(6)} == {200}


def test_idle_connections_to_a_target_that_goes_down_are_closed(lab):
    first, second = lab.origin(), lab.origin()
    kong = lab.hop(judged(first, second))
    client = lab.client(kong)
    for _ in range(4):
        client.get("/")
    kong.access_log.wait(4)
    assert verb(kong, "target", "set", "main.upstream", name_of(first), "drain").code == OK
    assert verb(kong, "target", "set", "main.upstream", name_of(second), "disable").code == OK
    wait_until(lambda: all(connection.ended_by for connection in second.connections), "its connections to be closed")
    assert all(connection.ended_by is None for connection in first.connections)


def test_panic_asks_all_when_too_few_are_left(lab):
    origins = [lab.origin(content=letter.encode()) for letter in "abc"]
    declarative = judged(*origins, passive={"unhealthy": {"http_failures": 1}})
    declarative["hopgate"] = {"health": [{"upstream": "main.upstream", "panic_threshold": 50}]}
    for origin in origins:
        origin.on("/bad", behaviours.answer(status=500, reason="Oops"))
    edge = lab.hop(declarative, persona="edge")
    client = lab.client(edge)
    client.get("/bad")
    edge.access_log.wait(1)
    wait_until(lambda: "unhealthy" in states(edge).values(), "one to be out")
    assert len({client.get("/").text for _ in range(12)}) == 2  # two of three are enough
    client.get("/bad")
    edge.error_log.wait_for("1 of 3 targets are usable, below its panic_threshold")
    assert len({client.get("/").text for _ in range(12)}) == 3
    assert verb(edge, "target", "set", "main.upstream", name_of(origins[0]), "disable").code == OK
    assert {client.get("/").text for _ in range(12)} == {"b", "c"}  # taken out on purpose


def test_connections_that_pass_unopened_judge_their_targets_too(lab):
    origin, dead = origin_of(lab, "edge", b"passed"), lab.refusing_port()
    service = leading("edge", ["edge.test"], ("members", 1), retries=1)
    service["upstreams"] = [{"name": "members", "targets": [{"target": name_of(dead)}, {"target": name_of(origin)}],
                             "healthchecks": {"passive": {"unhealthy": {"tcp_failures": 1}}}}]
    hop, address = passing(lab, service)
    for _ in range(4):
        assert passed(lab, address, "edge.test").content == b"passed"
    assert states(hop)[name_of(dead)] == "unhealthy"
    assert len(hop.error_log.lines("Connection refused")) == 1


def test_unknown_target_and_state_are_told(lab):
    origin = lab.origin()
    kong = lab.hop(judged(origin))
    for words, said in [(("main.upstream", "10.9.9.9:1", "drain"), 'the upstream has no target "10.9.9.9:1"'),
                        (("nobody", name_of(origin), "drain"), 'no service leads to an upstream "nobody"'),
                        (("main.upstream", name_of(origin), "dead"), '"dead" is none of healthy, unhealthy')]:
        done = verb(kong, "target", "set", *words)
        assert done.code == FAILED and said in done.err
    assert verb(kong, "target", "set", "main.upstream").code == USAGE


@pytest.mark.rules("f5 error_page.answers[NO_TARGET]", "f5 upstream.all_unhealthy")
def test_f5_resets_when_all_members_are_down(lab):
    origin = lab.origin()
    f5 = lab.hop(judged(origin), persona="f5")
    assert verb(f5, "target", "set", "main.upstream", name_of(origin), "unhealthy").code == OK
    client = lab.client(f5)
    client.send(client.request_bytes("GET", "/"))
    assert client.wait_for_end() == "reset"
    f5.error_log.wait_for("No pool member available")
