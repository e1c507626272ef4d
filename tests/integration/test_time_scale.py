"""hopgate_time_scale: what a product would wait passes faster, and is told as stated. In real time each of these waits
takes half a minute or more, and the clients here have 20 s."""
import json
import os
import re
import socket

import pytest

from lab import behaviours
from lab.client import RawClient, run
from lab.lab import service_to
from lab.wait import wait_until
from test_control import OK, verb

FAST = {"hopgate_lab": "on", "hopgate_time_scale": 100, "nginx_worker_processes": "1"}
MINUTE_MS = 60000
A_MINUTE_MS = MINUTE_MS - 100  # told: a timer of 600 real ms may end within the millisecond before


def silent(lab):
    return lab.origin().otherwise(behaviours.hang())


def fast(lab, declarative, persona="kong", conf=None, **options):
    return lab.hop(declarative, persona=persona, conf={**FAST, **(conf or {})}, **options)


def wait_line(hop):
    wait_until(lambda: hop.access_log.text().endswith("\n"), "a line of the access log")
    return hop.access_log.text().splitlines()[-1]


# ---- timers that only a persona says -----------------------------------------------------------


def test_pause_of_haproxy_before_the_same_server_passes_faster(lab):
    """A second before each of 60 further tries."""
    hop = fast(lab, service_to(lab.refusing_port(), retries=60), persona="haproxy",
               conf={"hopgate_access_log_format": "haproxy"})
    assert lab.client(hop).get("/").status == 503
    line = wait_line(hop)
    timers, retries = re.search(r" (\S+/\d+) 503 .* \d+/\d+/\d+/\d+/\+?(\d+) \d+/\d+ ", line).groups()
    # each pause of 10 real ms may end within the millisecond before
    assert int(retries) == 60 and int(timers.split("/")[-1]) >= 0.9 * MINUTE_MS, line


def test_tls_handshake_that_never_comes_is_given_up(lab):
    """Kong waits for it as long as for a head: 60 s."""
    kong = fast(lab, service_to(lab.origin()), tls=True)
    client = RawClient(*kong.https)
    lab.clients.append(client)
    assert client.wait_for_end() in ("fin", "reset")


def test_tls_handshake_of_a_target_that_never_answers_is_given_up(lab):
    """An F5 waits 10 s; here of a service whose connect_timeout says a minute for both."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        kong = fast(lab, service_to(mute.getsockname(), protocol="https", retries=0))
        assert lab.client(kong).get("/").status == 504
    assert kong.access_log.last().tries == ["UPSTREAM_TLS_TIMEOUT"]


def test_half_a_head_and_an_idle_connection_are_given_up(lab):
    kong = fast(lab, service_to(lab.origin(content=b"x")))
    begun, idle = lab.client(kong), lab.client(kong)
    begun.send(b"GET / HTTP/1.1\r\nHost: ")
    assert idle.get("/").status == 200
    assert idle.wait_for_end() == "fin"  # 75 s
    assert begun.wait_for_end() in ("fin", "reset")  # 60 s


def test_idle_connection_to_a_target_is_let_go(lab):
    origin = lab.origin(content=b"x")
    kong = fast(lab, service_to(origin))
    assert lab.client(kong).get("/").status == 200
    wait_until(lambda: origin.connections[0].done, "Kong's idle connection to end after its minute")


def test_active_check_looks_as_often_as_it_says_in_that_time(lab):
    origin = lab.origin(content=b"x")
    checks = {"active": {"type": "http", "healthy": {"interval": 60, "successes": 1}}}
    fast(lab, {"services": [{"name": "s", "host": "u", "routes": [{"name": "r", "paths": ["/"]}]}],
               "upstreams": [{"name": "u", "healthchecks": checks, "targets": [{"target": f"127.0.0.1:{origin.port}"}]}]})
    origin.wait_for_requests(5)


# ---- what is told ------------------------------------------------------------------------------


def test_why_and_debug_field_tell_stated_times(lab):
    kong = fast(lab, service_to(silent(lab), retries=0), conf={"allow_debug_header": "on"})
    answer = lab.client(kong).get("/")
    assert answer.status == 504 and int(answer.fields.get("X-Kong-Upstream-Latency")) >= A_MINUTE_MS
    kong.access_log.wait(1)
    done = verb(kong, "why", "--last")
    assert done.code == OK and "60000 ms" in done.out, done.out
    assert max(float(at) for at in re.findall(r"^ +(\d+\.\d{3})  ", done.out, re.M)) >= A_MINUTE_MS, done.out
    facts = json.loads(verb(kong, "why", "--last", "--json").out)["facts"]
    assert facts["limits"]["read_timeout_ms"] == MINUTE_MS


@pytest.mark.parametrize("spec, pattern", [
    ("$request_time $upstream_response_time $upstream_connect_time", r"^(\d+\.\d{3}) \d+\.\d{3} \d+\.\d{3}$"),
    ("haproxy", r" \d+/\d+/\d+/-1/(\d+) 504 "),
    ("kong-serialize", r'"latencies":{[^}]*"request":(\d+)'),
])
def test_lines_of_products_tell_stated_times(lab, spec, pattern):
    kong = fast(lab, service_to(silent(lab), retries=0), conf={"hopgate_access_log_format": spec})
    assert lab.client(kong).get("/").status == 504
    line = wait_line(kong)
    found = re.search(pattern, line)
    assert found and float(found[1]) >= (A_MINUTE_MS / 1000 if "." in found[1] else A_MINUTE_MS), line
    assert spec != "kong-serialize" or '"read_timeout":60000' in line


def test_own_line_keeps_real_times_and_trace_multiplies_them(lab, binary):
    kong = fast(lab, service_to(silent(lab), retries=0))
    assert lab.client(kong).get("/").status == 504
    entry = kong.access_log.last()
    assert entry["time_scale"] == 100
    assert 599 <= entry["phases_ms"]["end"] < MINUTE_MS
    done = run(str(binary), "trace", "--json", str(kong.access_log.path), env=dict(os.environ))
    (story,) = [json.loads(line) for line in done.out.splitlines()]
    assert "sent no whole response head within 60 s (read_timeout of the service)" in story["verdict"]
    assert "time passed 100 times as fast" in run(str(binary), "trace", str(kong.access_log.path)).out


# ---- guard -------------------------------------------------------------------------------------


def test_only_a_lab_may_shorten_time(hopgate, tmp_path):
    conf = tmp_path / "kong.conf"
    conf.write_text("hopgate_time_scale = 2\n")
    done = hopgate("check", "-c", conf)
    assert done.code == 78
    assert "hopgate_time_scale: makes timeouts shorter than they say: only with hopgate_lab = on" in done.err
