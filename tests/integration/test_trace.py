"""`hopgate trace`: the logs of all hops become one story per request."""
import datetime
import json
import os
import pathlib
import re
import types

import pytest

from lab import behaviours
from lab.client import run
from lab.lab import merge, service_to

DATA = pathlib.Path(__file__).parents[1] / "data" / "trace"
COLUMNS = 100


@pytest.fixture
def trace(binary):
    def call(*words, **options):
        return run(str(binary), "trace", *map(str, words), env={**os.environ, "TZ": "UTC"}, **options)

    return call


def stories(done):
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def access_logs(hops):
    return [hop.access_log.path for hop in hops] + [hop.error_log.path for hop in hops]


@pytest.fixture
def chain(lab):
    """edge -> gateway (kong) -> inner (f5) -> origin; /slow: the gateway waits 2.5 s, the inner hop a minute."""
    origin = lab.origin(content=b"hello")
    dead = lab.refusing_port()
    inner = lab.hop(merge(service_to(origin, name="alive"), service_to(dead, name="dead", paths=["/dead"])),
                    persona="f5", name="inner", listen="127.0.1.3")
    slow = service_to(inner, name="slow", paths=["/slow"], read_timeout=2500)
    gateway = lab.hop(merge(service_to(inner), slow), persona="kong", name="gateway", listen="127.0.1.2")
    edge = lab.hop(service_to(gateway), persona="edge", name="edge", listen="127.0.1.1")
    return types.SimpleNamespace(origin=origin, inner=inner, gateway=gateway, edge=edge, hops=[edge, gateway, inner])


# ---- our own chain ----


def test_a_dead_server_is_blamed_on_the_innermost_hop(lab, chain, trace):
    assert lab.client(chain.edge).get("/dead").status == 502
    for hop in chain.hops:
        hop.access_log.wait(1)
    (story,) = stories(trace("--json", *access_logs(chain.hops)))
    assert (story["culprit"], story["reason"], story["failed"]) == ("inner", "CONNECT_REFUSED", True)
    assert story["verdict"].startswith('502: it began at hop "inner": ')
    assert 'and hop "gateway" made a 502 of that' in story["verdict"]
    edge = story["request"]
    gateway = edge["tries"][0]["hop"]
    inner = gateway["tries"][0]["hop"]
    assert [hop["hop"] for hop in (edge, gateway, inner)] == ["edge", "gateway", "inner"]
    assert {edge["tries"][0]["joined_by"], gateway["tries"][0]["joined_by"]} == {"connection"}


def test_who_gave_up_and_who_was_still_waiting(lab, chain, trace):
    chain.origin.on("/slow", behaviours.hang())
    assert lab.client(chain.edge).get("/slow").status == 504
    for hop in chain.hops:
        hop.access_log.wait(1)
    (story,) = stories(trace("--json", *access_logs(chain.hops)))
    assert (story["culprit"], story["gave_up_first"], story["still_waiting"]) == ("gateway", "gateway", "inner")
    assert 'hop "inner" sent no whole response head within' in story["verdict"]
    assert f'was still waiting for {chain.origin.host}:{chain.origin.port}' in story["verdict"]
    assert 'raise read_timeout of the service at hop "gateway"' in story["fix"]


def test_requests_that_went_well_are_told_on_demand(lab, chain, trace):
    client = lab.client(chain.edge)
    for number in range(3):
        assert client.get(f"/{number}").status == 200
    for hop in chain.hops:
        hop.access_log.wait(3)
    logs = access_logs(chain.hops)
    quiet = trace(*logs)
    assert quiet.code == 0 and "0 of 3 requests told (none failed; --all tells those that went well)" in quiet.out
    told = stories(trace("--json", "--all", *logs))
    assert [story["request"]["uri"] for story in told] == ["/0", "/1", "/2"]
    for story in told:
        inner = story["request"]["tries"][0]["hop"]["tries"][0]["hop"]
        assert inner["uri"] == story["request"]["uri"], "the n-th request of a connection is the n-th at the next hop"
    assert len(stories(trace("--json", "--all", "--limit", 2, *logs))) == 2
    (one,) = stories(trace("--json", "--id", told[1]["request"]["request_id"], *logs))
    assert one["request"]["uri"] == "/1"
    absent = trace("--id", "f" * 32, *logs)
    assert absent.code == 1


def test_the_picture_fits_a_terminal_and_shows_every_hop(lab, chain, trace):
    assert lab.client(chain.edge).get("/dead").status == 502
    for hop in chain.hops:
        hop.access_log.wait(1)
    chain.gateway.error_log.wait_for("while reading response header from upstream")
    text = trace(*access_logs(chain.hops)).out
    lines = text.splitlines()
    assert lines[0].startswith('502: it began at hop "inner": ') and lines[1].startswith("fix: ")
    begin = next(number for number, line in enumerate(lines) if line.startswith("ms "))
    assert lines[begin].split()[:5] == ["ms", "client", "edge", "gateway", "inner"]
    picture = [line for line in lines[begin:] if line and not line.startswith("  hop ") and "[error]" not in line
               and "RST sent" not in line]
    assert all(len(line) <= COLUMNS for line in picture)
    assert sum("refused" in line for line in picture) == 1 and sum("reset" in line for line in picture) == 1
    assert any("recv() failed (104: Connection reset by peer)" in line for line in lines), "the gateway's own log line"


def test_six_tries_are_one_story_with_six_arrows(lab, trace):
    dead = lab.refusing_port()
    hop = lab.kong(dead, retries=5)
    assert lab.client(hop).get("/").status == 502
    hop.access_log.wait(1)
    (story,) = stories(trace("--json", hop.access_log.path))
    assert "the last of 6 tries" in story["verdict"]
    assert story["request"]["tries_count"] == 6 and "asked 6 times for one request" in story["evidence"]


def test_a_client_that_left_is_the_one_who_gave_up(lab, chain, trace):
    chain.origin.on("/", behaviours.hang())
    client = lab.client(chain.edge)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    chain.origin.wait_for_requests(1)
    client.close()
    for hop in chain.hops:
        hop.access_log.wait(1)
    (story,) = stories(trace("--json", *access_logs(chain.hops)))
    assert story["verdict"].startswith("the client gave up after ")
    assert f'hop "inner" was waiting for {chain.origin.host}:{chain.origin.port}' in story["verdict"]


# ---- a lab's wires and servers ----

FLOW = {"connection": 1, "wire": "firewall", "time_ms": 0, "event": "open"}


def with_wire(hop, tmp_path, fault):
    """The logs of a hop, of a wire behind it and of the server, as they would stand if the wire had been there."""
    entry = json.loads(hop.access_log.path.read_text().splitlines()[0])
    attempt = entry["tries"][0]
    flow = {**FLOW, "client": f'{attempt["local_ip"]}:{attempt["local_port"]}',
            "listen": f'{attempt["ip"]}:{attempt["port"]}', "local": "127.0.9.1:40000", "server": "127.0.9.2:8080",
            "time_ms": entry["started_at"]}
    wire, origin = tmp_path / "wire.log", tmp_path / "origin.log"
    lines = [flow] + ([{**FLOW, "event": "fault", "fault": fault, "after_ms": 5}] if fault else [])
    wire.write_text("".join(json.dumps(line) + "\n" for line in lines))
    at = datetime.datetime.fromtimestamp(entry["started_at"] / 1000, datetime.timezone.utc)
    origin.write_text(json.dumps({
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "listener": "server", "connection": 1,
        "number": 1, "peer": "127.0.9.1:40000", "local": "127.0.9.2:8080", "method": "GET", "target": "/x",
        "status": 200, "fault": None, "duration_ms": 1}) + "\n")
    return [hop.access_log.path, wire, origin]


def test_a_wire_joins_what_it_stands_between(lab, trace, tmp_path):
    hop = lab.kong(lab.origin(content=b"x"))
    assert lab.client(hop).get("/x").status == 200
    hop.access_log.wait(1)
    (story,) = stories(trace("--json", "--all", *with_wire(hop, tmp_path, None)))
    inner = story["request"]["tries"][0]
    assert inner["joined_by"] == "connection" and inner["hop"]["hop"] == "server"
    assert story["verdict"] == '200: origin "server" answered it; the hop passed it on'


def test_a_wire_that_forgot_the_connection_is_named_with_its_mending(lab, trace, tmp_path):
    origin = lab.origin()
    origin.on("/x", behaviours.hang())
    hop = lab.kong(origin, read_timeout=300)
    assert lab.client(hop).get("/x").status == 504
    hop.access_log.wait(1)
    (story,) = stories(trace("--json", *with_wire(hop, tmp_path, "idle")[:2]))
    assert '; on the way, wire "firewall": idle' in story["verdict"]
    assert story["fix"].startswith("give up idle connections before the network forgets them: "
                                   "upstream_keepalive_idle_timeout at hop")


# ---- logs of others ----


def test_kong_error_lines_become_the_tries_of_a_request(trace):
    (story,) = stories(trace("--json", f"kong={DATA / 'kong-access.log'}", f"kong={DATA / 'kong-error.log'}"))
    assert story["verdict"] == ('504: it began at hop "kong": 10.0.0.7:8080 sent no whole response head, '
                                "the last of 3 tries")
    assert "proxy_read_timeout" in story["fix"] or "read_timeout" in story["fix"]
    assert [attempt["target"] for attempt in story["request"]["tries"]] == ["10.0.0.7:8080", "10.0.0.8:8080",
                                                                           "10.0.0.7:8080"]


def test_an_error_log_alone_tells_enough(trace):
    (story,) = stories(trace("--json", f"kong={DATA / 'kong-error.log'}"))
    assert story["culprit"] == "kong" and story["reason"] == "UPSTREAM_HEAD_TIMEOUT"


def test_haproxy_lines(trace):
    slow, refused, fine = stories(trace("--json", "--all", f"lb={DATA / 'haproxy.log'}"))
    assert slow["verdict"] == '504: it began at hop "lb": back/web1 sent no whole response head within 1001 ms'
    assert "timeout server at hop \"lb\"" in slow["fix"]
    assert slow["request"]["termination"] == "sH--" and slow["request"]["peer"] == "192.0.2.10:53012"
    assert refused["verdict"].startswith('503: it began at hop "lb": back/web2 refused the connection')
    assert "the last of 4 tries" in refused["verdict"] and refused["request"]["method"] == "POST"
    assert not fine["failed"] and fine["request"]["tries"][0]["status"] == 200


def test_alb_lines(trace):
    slow, dead = stories(trace("--json", DATA / "alb.log"))
    assert slow["culprit"] == "app/shop/50dc6c495c0c9188" and slow["reason"] == "UPSTREAM_HEAD_TIMEOUT"
    assert "the idle timeout" in slow["fix"]
    assert dead["reason"] == "CONNECT_REFUSED" and dead["request"]["tries"][0]["target"] == "10.0.0.1:80"


def haproxy_line(peer, at, target, status=200):
    stamp = at.strftime("%d/%b/%Y:%H:%M:%S.") + f"{at.microsecond // 1000:03d}"
    return f'{peer} [{stamp}] front back/web1 0/0/0/5/5 {status} 90 - - ---- 1/1/0/0/0 0/0 "GET {target} HTTP/1.1"\n'


def test_a_haproxy_in_front_is_joined_by_connection(lab, trace, tmp_path):
    """HAProxy logs no address of its own: the hop behind is found by what it logs of its peer, or by time."""
    hop = lab.kong(lab.origin(content=b"x"))
    assert lab.client(hop).get("/only").status == 200
    entry = hop.access_log.wait(1)[0]
    at = datetime.datetime.fromtimestamp(entry["started_at"] / 1000, datetime.timezone.utc)
    front = tmp_path / "haproxy.log"
    front.write_text(haproxy_line("192.0.2.1:1000", at, "/only"))
    (story,) = stories(trace("--json", "--all", f"lb={front}", hop.access_log.path))
    inner = story["request"]["tries"][0]
    assert inner["joined_by"] == "time" and inner["hop"]["uri"] == "/only"
    assert "was found by time and path alone" in story["evidence"]


def test_two_that_fit_equally_are_not_joined(lab, trace, tmp_path):
    hop = lab.kong(lab.origin(content=b"x"))
    client = lab.client(hop)
    assert [client.get("/twin").status for _ in range(2)] == [200, 200]
    entry, twin = hop.access_log.wait(2)
    for clock in ("started_at", "started_at_us"):  # as a fast machine would have it
        twin[clock] = entry[clock]
    log = tmp_path / "twins.log"
    log.write_text("".join(json.dumps(each) + "\n" for each in (entry, twin)))
    at = datetime.datetime.fromtimestamp(entry["started_at"] / 1000, datetime.timezone.utc)
    front = tmp_path / "haproxy.log"
    front.write_text(haproxy_line("192.0.2.1:1000", at, "/twin"))
    told = stories(trace("--json", "--all", f"lb={front}", log))
    assert len(told) == 3 and "hop" not in told[0]["request"]["tries"][0]


def test_clocks_that_differ_are_named_and_moved(lab, chain, trace, tmp_path):
    assert lab.client(chain.edge).get("/").status == 200
    logs = []
    for hop in chain.hops:
        hop.access_log.wait(1)
        entry = json.loads(hop.access_log.path.read_text().splitlines()[0])
        if hop is chain.gateway:
            entry["started_at_us"] += 7_200_000_000
        copy = tmp_path / f"{hop.name}.log"
        copy.write_text(json.dumps(entry) + "\n")
        logs.append(copy)
    (story,) = stories(trace("--json", "--all", *logs))
    told = re.search(r'the clock of hop "gateway" differs by about (\d+) ms', story["evidence"])
    # the way from hop to hop counts as a difference, and it took no longer than the whole request
    assert 7_199_999 <= int(told[1]) <= 7_200_001 + chain.edge.access_log.last()["latencies"]["request"]
    gateway = story["request"]["tries"][0]["hop"]
    assert 0 <= gateway["begin_ms"] < 5000


# ---- bad input ----


@pytest.mark.parametrize("words, code, message", [
    ((), 64, "a log is missing"),
    (("--nonsense", "x"), 64, "not understood: --nonsense"),
    (("--limit", "none", "x"), 64, "a number from 1 must follow --limit"),
    (("--id",), 64, "a value must follow"),
    (("/nonexistent/access.log",), 1, "/nonexistent/access.log: No such file or directory"),
])
def test_wrong_words_say_what_is_wrong(trace, words, code, message):
    done = trace(*words)
    assert done.code == code and message in done.err


def test_a_log_of_no_known_format_is_refused_with_a_list_of_those(trace, tmp_path):
    log = tmp_path / "other.log"
    log.write_bytes(b"\x00\xff{]\n" + b"x" * 100_000 + b"\n{\"hop\": 1}\n[broken\n")
    done = trace(log)
    assert done.code == 1 and "HAProxy's httplog" in done.err


def test_bytes_of_strangers_do_not_reach_the_terminal(trace, tmp_path):
    log = tmp_path / "haproxy.log"
    log.write_bytes(b'192.0.2.1:1 [20/Nov/2026:21:15:06.120] f b/s 0/0/1/-1/9 504 1 - - sH-- 1/1/0/0/0 0/0 '
                    b'"GET /\x1b[31m\x07 HTTP/1.1"\n')
    done = trace(log)
    assert done.code == 0 and "\x1b" not in done.out and "\x07" not in done.out
    assert "\\x1B[31m\\x07" in done.out


def test_a_cut_line_of_every_length_does_no_harm(trace, tmp_path):
    """A log that is being written ends anywhere."""
    log = tmp_path / "cut.log"
    whole = [line for name in ("haproxy.log", "alb.log", "kong-access.log", "kong-error.log")
             for line in (DATA / name).read_text().splitlines()[:1]]
    log.write_text("".join(line[:length] + "\n" for line in whole for length in range(0, len(line), 3)))
    assert trace("--all", "--limit", 100000, log).code == 0


def test_a_name_in_a_log_does_not_reach_the_terminal_raw(trace, tmp_path):
    log = tmp_path / "alb.log"
    log.write_text((DATA / "alb.log").read_text().replace("app/shop/", "app/\x1b]0;owned\x07/"))
    done = trace(log)
    assert done.code == 0 and "\x1b" not in done.out and "\x07" not in done.out


@pytest.mark.parametrize("key", ["started_at", "started_at_us"])
def test_numbers_that_no_clock_says_do_no_harm(trace, tmp_path, key):
    log = tmp_path / "access.log"
    entry = {"hop": "a", "request": {"method": "GET", "uri": "/"}, "started_at": 1, key: 9223372036854775000,
             "tries": [{"balancer_start": 9223372036854775000, "end_ms": 1e300}]}
    log.write_text(json.dumps(entry) + "\n")
    assert trace("--all", log).code == 0


@pytest.mark.slow
def test_a_long_log_of_one_connection_is_joined_in_time(trace, tmp_path):
    """Twenty thousand requests over one connection between two hops: no walk over all for each of them."""
    front, back, count = tmp_path / "front.log", tmp_path / "back.log", 20000
    with open(front, "w") as one, open(back, "w") as other:
        for number in range(1, count + 1):
            begin = 1_800_000_000_000_000 + number * 1000
            request = {"id": f"{number:032x}", "method": "GET", "uri": f"/{number}"}
            base = {"started_at": begin // 1000, "started_at_us": begin, "reason": "OK", "response": {"status": 200}}
            attempt = {"ip": "127.0.1.2", "port": 80, "local_ip": "127.0.1.1", "local_port": 40000, "reason": "OK",
                       "request_number": number, "begin_ms": 0.1, "end_ms": 0.5, "status": 200}
            one.write(json.dumps({**base, "hop": "front", "request": request, "tries": [attempt]}) + "\n")
            client = {"peer_ip": "127.0.1.1", "peer_port": 40000, "local_ip": "127.0.1.2", "local_port": 80,
                      "request_number": number}
            other.write(json.dumps({**base, "hop": "back", "request": request, "client": client, "tries": []}) + "\n")
    (last,) = stories(trace("--json", "--id", f"{count:032x}", front, back))
    assert last["request"]["tries"][0]["hop"]["uri"] == f"/{count}"
