"""Probes: targets that stop working are found without a request, and come back by themselves."""
import signal
import threading

import pytest

from lab import behaviours
from lab.dns_server import A
from lab.exposition import scrape
from lab.lab import merge, service_to
from lab.wait import wait_until
from test_control import OK, ask, verb
from test_dns import NAME, hop_to, two_origins
from test_health_passive import STATUS, judged, name_of, states, why
from test_reload import reload, rewrite
from test_upstream_tls import CA_ID, context

BAD = behaviours.answer(status=500, reason="Oops")


def probed(*targets, interval=0.1, timeout=10, active=None, **more):
    """Kong's active checks: one failure takes a target out, two successes bring it back."""
    checks = {"timeout": timeout, "http_path": "/ping",
              "healthy": {"interval": interval, "successes": 2},
              "unhealthy": {"interval": interval, "http_failures": 1, "tcp_failures": 1, "timeouts": 1}}
    return judged(*targets, active={**checks, **(active or {})}, **more)


def monitored(*targets, persona_entry=None, **monitor):
    """An F5's monitor."""
    declarative = judged(*targets)
    declarative["hopgate"] = {"health": [{"upstream": "main.upstream",
                                          "monitor": {"interval": 0.1, "timeout": 0.5, **monitor},
                                          **(persona_entry or {})}]}
    return declarative


def wait_for_state(hop, target, state):
    name = target if isinstance(target, str) else name_of(target)
    wait_until(lambda: states(hop)[name] == state, lambda: f"{name} to be {state}, it is {states(hop)[name]}")


def ping_count(origin):
    return sum(request.target == "/ping" for request in origin.requests)


def wait_for_pings(origin, more=2):
    """More probes than there were: at least one has begun and ended since."""
    count = ping_count(origin) + more
    wait_until(lambda: ping_count(origin) >= count, lambda: f"{count} probes, there were {ping_count(origin)}")


def stop(hop, *origins):
    """Probes under way are cut at the end, which an origin with TLS may take for a truncation."""
    assert hop.stop() == 0
    for origin in origins:
        wait_until(lambda: all(connection.done or connection.ended_by for connection in origin.connections),
                   "the origin's connections to be over")
        origin.problems.clear()


def test_target_that_answers_500_is_left_out_and_comes_back(lab):
    first, second = lab.origin(content=b"first"), lab.origin(content=b"second")
    kong = lab.hop(probed(first, second), conf=STATUS)
    client = lab.client(kong)
    assert {client.get("/").text for _ in range(4)} == {"first", "second"}
    first.on("/ping", BAD)
    wait_for_state(kong, first, "unhealthy")
    assert why(kong, first) == \
        "1 probes answered with a status that counts as a failure (limit 1), the last with status 500"
    assert {client.get("/").text for _ in range(6)} == {"second"}
    wait_for_pings(second)
    metrics = scrape(lab, kong)
    assert metrics.value("kong_upstream_target_health", target=name_of(first), state="unhealthy") == 1
    assert metrics.value("hopgate_target_probes_total", target=name_of(first), result="http_failure") >= 1
    assert metrics.value("hopgate_target_probes_total", target=name_of(second), result="success") >= 1
    first.on("/ping", behaviours.answer(b"ok"))
    wait_for_state(kong, first, "healthy")
    assert why(kong, first) == "2 good probes (limit 2), the last with status 200"
    assert {client.get("/").text for _ in range(6)} == {"first", "second"}
    kong.error_log.wait_for("healthy SUCCESS increment (2/2)")
    kong.error_log.wait_for(f"target {name_of(first)} ({name_of(first)}) of upstream main.upstream is healthy now")


def test_probe_is_kongs_byte_for_byte(lab):
    origin = lab.origin()
    declarative = probed(origin, active={"headers": {"X-One": ["a", "b"], "X-Two": ["c"]}})
    lab.hop(declarative)
    assert origin.wait_for_requests(1)[0].raw_head == \
        b"GET /ping HTTP/1.0\r\nX-One: a\r\nX-One: b\r\nX-Two: c\r\nHost: 127.0.0.1\r\n\r\n"


def test_host_of_the_probe_is_the_upstreams(lab):
    origin = lab.origin()
    declarative = probed(origin)
    declarative["upstreams"][0]["host_header"] = "shop.example.com"
    lab.hop(declarative)
    assert origin.wait_for_requests(1)[0].raw_head == b"GET /ping HTTP/1.0\r\nHost: shop.example.com\r\n\r\n"


def test_killed_target_is_found_and_a_new_one_on_its_port_too(lab):
    first, second = lab.origin(content=b"first"), lab.origin(content=b"second")
    kong = lab.hop(probed(first, second))
    first.stop()
    wait_for_state(kong, first, "unhealthy")
    assert why(kong, first) == "1 probes failed with TCP or TLS (limit 1), the last: CONNECT_REFUSED"
    client = lab.client(kong)
    assert {client.get("/").text for _ in range(4)} == {"second"}
    again = lab.origin(port=first.port, content=b"again")
    wait_for_state(kong, again, "healthy")
    assert {client.get("/").text for _ in range(4)} == {"again", "second"}


def test_paused_target_times_out_and_comes_back_when_it_goes_on(lab):
    target, other = lab.hop(service_to(lab.origin()), name="target"), lab.origin()
    address = target.http
    kong = lab.hop(probed(address, other, timeout=0.3, active={"http_path": "/"}))
    name = "{}:{}".format(*address)
    target.signal(signal.SIGSTOP)
    wait_for_state(kong, name, "unhealthy")
    assert why(kong, address) == "1 probes timed out (limit 1), the last: UPSTREAM_HEAD_TIMEOUT"
    target.signal(signal.SIGCONT)
    wait_for_state(kong, name, "healthy")


def test_black_hole_times_out_while_connecting(lab):
    hole, other = lab.black_hole(), lab.origin()
    kong = lab.hop(probed(hole, other, timeout=0.2))
    wait_for_state(kong, hole, "unhealthy")
    assert why(kong, hole) == "1 probes timed out (limit 1), the last: CONNECT_TIMEOUT"
    wait_for_state(kong, other, "healthy")


def test_active_checks_bring_back_what_traffic_took_out(lab):
    """Only unhealthy targets are probed: an interval of 0 is off."""
    origin = lab.origin().on("/bad", BAD)
    kong = lab.hop(probed(origin, active={"healthy": {"interval": 0, "successes": 1}},
                          passive={"unhealthy": {"http_failures": 1}}))
    client = lab.client(kong)
    assert client.get("/bad").status == 500
    wait_for_state(kong, origin, "healthy")
    kong.error_log.wait_for("unhealthy HTTP increment (1/1)")
    kong.error_log.wait_for("healthy SUCCESS increment (1/1)")
    assert client.get("/").status == 200
    count = ping_count(origin)
    assert client.get("/bad").status == 500  # what is healthy is not probed in between
    wait_until(lambda: ping_count(origin) > count, "a probe of the target that is out")
    assert count == 1


def test_tls_targets_are_verified_unless_told_otherwise(lab):
    good, strange = lab.origin(tls=context(lab)), lab.origin(tls=context(lab, "wild"))
    trust = {"lua_ssl_trusted_certificate": lab.pki.root}
    kong = lab.hop(probed(good, strange, active={"type": "https", "http_path": "/ping"}), conf=trust)
    wait_for_state(kong, strange, "unhealthy")
    assert "the last: UPSTREAM_TLS_NAME" in why(kong, strange)
    wait_for_pings(good)
    wait_for_state(kong, good, "healthy")
    stop(kong, good, strange)


def test_tls_targets_are_not_verified_when_told_so(lab):
    strange = lab.origin(tls=context(lab, "wild"))
    kong = lab.hop(probed(strange, active={"type": "https", "https_verify_certificate": False}))
    wait_for_pings(strange)
    wait_for_state(kong, strange, "healthy")
    stop(kong, strange)


def test_https_sni_is_what_is_asked_for_and_verified(lab):
    names = []
    tls = context(lab)
    tls.sni_callback = lambda sock, name, ctx: names.append(name)
    origin = lab.origin(tls=tls)
    kong = lab.hop(probed(origin, active={"type": "https", "https_sni": "origin.test"}),
                   conf={"lua_ssl_trusted_certificate": lab.pki.root})
    wait_for_pings(origin)
    wait_for_state(kong, origin, "healthy")
    assert set(names) == {"origin.test"}
    stop(kong, origin)


def test_tcp_checks_only_connect(lab):
    origin, dead = lab.origin(), lab.refusing_port()
    kong = lab.hop(probed(origin, dead, active={"type": "tcp"}))
    wait_for_state(kong, dead, "unhealthy")
    origin.wait_for_connections(2)
    wait_for_state(kong, origin, "healthy")
    assert not origin.requests


def test_target_of_weight_0_is_not_probed(lab):
    origin, off = lab.origin(), lab.refusing_port()
    declarative = probed(origin, off)
    declarative["upstreams"][0]["targets"][1]["weight"] = 0
    kong = lab.hop(declarative, conf=STATUS)
    wait_for_pings(origin, 5)
    assert states(kong)[name_of(off)] == "healthy"
    metrics = scrape(lab, kong)
    assert metrics.value("kong_upstream_target_health", target=name_of(off), state="healthchecks_off") == 1
    assert metrics.value("kong_upstream_target_health", target=name_of(origin), state="healthy") == 1


def test_no_more_probes_at_a_time_than_concurrency_allows(lab):
    gate = threading.Event()
    origins = [lab.origin().on("/ping", behaviours.after(gate, behaviours.answer(b"ok"))) for _ in range(5)]
    kong = lab.hop(probed(*origins, interval=0.05, timeout=60, active={"concurrency": 2}))
    wait_until(lambda: sum(map(ping_count, origins)) == 2, "two probes")
    assert lab.client(kong).get("/").status == 200  # time passes, and traffic does
    assert sum(map(ping_count, origins)) == 2
    gate.set()
    for origin in origins:
        wait_for_pings(origin)


def test_reload_keeps_state_and_follows_what_is_new(lab):
    bad, good, new = lab.origin(), lab.origin(), lab.origin()
    bad.on("/ping", BAD)
    kong = lab.hop(probed(bad, good))
    wait_for_state(kong, bad, "unhealthy")
    rewrite(kong, probed(bad, good, new))
    reload(kong)
    assert states(kong)[name_of(bad)] == "unhealthy"
    for origin in (bad, good, new):
        wait_for_pings(origin)
    assert len(kong.error_log.lines("unhealthy HTTP increment")) == 1
    rewrite(kong, probed(good, new))
    reload(kong)
    count = ping_count(bad)
    wait_for_pings(new, 5)
    assert ping_count(bad) <= count + 1  # at most the one that was under way
    rewrite(kong, judged(good, new))
    reload(kong)
    connections = len(new.connections)
    client = lab.client(kong)
    for _ in range(50):
        assert client.get("/").status == 200
    assert len(new.connections) <= connections + 3  # traffic's


def test_reload_does_not_put_a_slow_probe_off(lab):
    """Reloads come more often than the probe takes; it goes on nevertheless and its result counts."""
    gate = threading.Event()
    origin = lab.origin().on("/ping", behaviours.after(gate, BAD))
    kong = lab.hop(probed(origin, timeout=60))
    origin.wait_for_requests(1)
    for _ in range(3):
        rewrite(kong, merge(probed(origin, timeout=60), {"routes": []}))
        reload(kong)
    assert len(origin.connections) == 1
    gate.set()
    wait_for_state(kong, origin, "unhealthy")


def test_monitors_follow_names(lab):
    one, two = two_origins(lab)
    dns = lab.dns_server().say(NAME, (A, "127.0.0.1"))
    declarative = probed((NAME, one.port))
    kong = hop_to(lab, dns, one.port, declarative=declarative)
    wait_for_pings(one)
    assert one.requests[0].fields.get("Host") == NAME
    two.on("/ping", BAD)
    dns.say(NAME, (A, "127.0.0.2"))
    wait_for_pings(two)
    wait_until(lambda: [entry["state"] for entry in ask(kong, "show", "targets")["targets"]] == ["unhealthy"],
               "the new address to be judged")
    count = ping_count(one)
    wait_for_pings(two, 5)
    assert ping_count(one) <= count + 1


def test_forced_target_is_judged_on_and_auto_gives_it_back(lab):
    origin, other = lab.origin(), lab.origin()
    kong = lab.hop(probed(origin, other))
    assert verb(kong, "target", "set", "main.upstream", name_of(origin), "healthy").code == OK
    origin.on("/ping", BAD)
    kong.error_log.wait_for("unhealthy HTTP increment (1/1)")
    assert states(kong)[name_of(origin)] == "healthy (forced)"
    assert verb(kong, "target", "set", "main.upstream", name_of(origin), "auto").code == OK
    assert states(kong)[name_of(origin)] == "unhealthy"


# ---- F5 --------------------------------------------------------------------------------------


def test_receive_string_must_come(lab):
    good = lab.origin().otherwise(behaviours.answer(b"", fields=[("X-State", "READY 7")]))
    other = lab.origin().otherwise(behaviours.answer(b"", fields=[("X-State", "starting")]))
    f5 = lab.hop(monitored(good, other, type="http", receive="READY [0-9]+"), persona="f5")
    wait_for_state(f5, other, "unhealthy")
    assert why(f5, other) == "no probe was answered as it should be for the monitor's timeout"
    assert good.requests[0].raw_head == b"HEAD / HTTP/1.0\r\n\r\n"
    wait_for_state(f5, good, "healthy")
    other.otherwise(behaviours.answer(b"", fields=[("X-State", "READY 0")]))
    wait_for_state(f5, other, "healthy")


def test_reversed_monitor_takes_down_who_sends_the_string(lab):
    good, bad = lab.origin(), lab.origin().otherwise(behaviours.answer(b"", fields=[("X-State", "ERROR")]))
    send = r"GET /state HTTP/1.0\r\n\r\n"
    f5 = lab.hop(monitored(good, bad, type="http", send=send, receive="ERROR", reverse=True, timeout=60), persona="f5")
    wait_for_state(f5, bad, "unhealthy")
    assert why(f5, bad) == "its probe's answer has what the reversed monitor looks for"
    assert good.wait_for_requests(2)[0].target == "/state"
    wait_for_state(f5, good, "healthy")


def test_receive_disable_takes_no_new_requests(lab):
    origin, other = lab.origin(), lab.origin()
    f5 = lab.hop(monitored(origin, other, type="http", send=r"GET /state HTTP/1.0\r\n\r\n", receive="X-State: up",
                           receive_disable="X-State: leaving", timeout=60), persona="f5")
    for target in (origin, other):
        target.on("/state", behaviours.answer(b"", fields=[("X-State", "up")]))
    origin.on("/state", behaviours.answer(b"", fields=[("X-State", "leaving")]))
    wait_for_state(f5, origin, "disabled")
    origin.on("/state", behaviours.answer(b"", fields=[("X-State", "up")]))
    wait_for_state(f5, origin, "healthy")


def test_reset_takes_a_member_down_without_waiting(lab):
    good, dead = lab.origin(), lab.refusing_port()
    f5 = lab.hop(monitored(good, dead, type="tcp", timeout=60), persona="f5")
    wait_for_state(f5, dead, "unhealthy")
    assert why(f5, dead) == "its probe was refused"
    wait_for_state(f5, good, "healthy")


def test_member_comes_up_only_after_time_until_up(lab):
    origin = lab.origin()
    f5 = lab.hop(monitored(origin, type="http", time_until_up=0.5), persona="f5")
    origin.otherwise(behaviours.answer(b"", status=200, reason="OK"))
    origin.stop()
    wait_for_state(f5, origin, "unhealthy")
    again = lab.origin(port=origin.port)
    again.wait_for_requests(3)
    wait_for_state(f5, again, "healthy")
    assert len(again.requests) >= 4


def test_tls_monitor_ends_with_the_handshake(lab):
    good, plain = lab.origin(tls=context(lab)), lab.origin(on_connect=behaviours.raw(b"no TLS here\r\n", then="close"))
    f5 = lab.hop(monitored(good, plain, type="tls"), persona="f5")
    wait_for_state(f5, plain, "unhealthy")
    good.wait_for_connections(3)
    wait_for_state(f5, good, "healthy")
    assert not good.requests
    stop(f5, good, plain)


# ---- together with traffic -------------------------------------------------------------------


def test_hundred_targets_probed_often_do_not_disturb_traffic(lab):
    origin = lab.origin(content=b"x")
    declarative = probed(origin, interval=0.2, timeout=30)
    # one listener is all of them: 127.0.0.0/8 is loopback
    listeners = [lab.origin(host=f"127.0.3.{number}", port=origin.port) for number in range(1, 100)]
    declarative["upstreams"][0]["targets"] += [{"target": f"{target.host}:{target.port}"} for target in listeners]
    kong = lab.hop(declarative)
    wait_until(lambda: all(ping_count(target) >= 1 for target in listeners), "each target to be probed")
    client = lab.client(kong)
    for _ in range(200):
        assert client.get("/").status == 200
    wait_until(lambda: all(ping_count(target) >= 3 for target in listeners), "each target to be probed again")
    assert set(states(kong).values()) == {"healthy"}


def test_drain_ends_the_probes_at_once(lab):
    gate = threading.Event()
    origin = lab.origin().on("/slow", behaviours.after(gate, behaviours.answer(b"done")))
    kong = lab.hop(probed(origin, interval=0.05))
    client = lab.client(kong)
    client.send(client.request_bytes("GET", "/slow"))
    wait_until(lambda: "/slow" in origin.targets() and ping_count(origin), "the request, and a probe")
    kong.signal(signal.SIGTERM)
    kong.error_log.wait_for("received, draining")
    assert ask(kong, "status")["state"] == "draining"
    count = ping_count(origin)
    for _ in range(20):
        ask(kong, "status")
    assert ping_count(origin) <= count + 1
    gate.set()
    assert client.read_response().text == "done"
    assert kong.wait_exit() == 0
