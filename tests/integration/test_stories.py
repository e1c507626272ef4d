"""What operators tell each other at night, as chains: each ends with the line that would have spared them the night.

The chains are in tests/data/stories. Time passes faster where a timer is what the story is about; timers that race with
each other have seconds of real time between them.
"""
import json
import os
import pathlib
import subprocess

import pytest

from lab.chain_process import ChainProcess
from lab.client import run
from lab.hop import SANITIZERS
from lab.wait import wait_until

STORIES = pathlib.Path(__file__).parents[1] / "data" / "stories"

pytestmark = pytest.mark.timeout(240)


def chain_file(name):
    return STORIES / f"{name}.yaml"


@pytest.fixture
def lab_run(binary):
    """`hopgate lab run` of a story as people see it."""

    def call(chain, *words, scale=1, json_wanted=False):
        path = chain if isinstance(chain, pathlib.Path) else chain_file(chain)
        options = ["--json"] if json_wanted else []
        done = subprocess.run([str(binary), "lab", "run", "--time-scale", str(scale), *options, str(path),
                               *map(str, words)],
                              capture_output=True, text=True, timeout=200, stdin=subprocess.DEVNULL, check=False,
                              env={**os.environ, **SANITIZERS})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


@pytest.fixture
def story(lab_run):
    """The same as its case."""

    def call(chain, *words, **options):
        return Case(json.loads(lab_run(chain, *words, json_wanted=True, **options)))

    return call


class Case:
    def __init__(self, document):
        self.seconds = document["seconds"]
        self.__dict__.update(document["cases"][0])

    def log(self, hop):
        return next(one["log"] for one in self.hops if one["hop"] == hop)


POST = ("--", "-d", "an order", "/pay")
IDLE = ("--before", 1, "--pause", 500)  # ms, stated; connections that the first request used are there for the other
QUIET = ("--before", 1, "--pause", 60000)


# ---- 1: the race for an idle connection ----------------------------------------------------------


def test_intermittent_502_is_a_race_for_an_idle_connection(story):
    case = story("keepalive-race", *IDLE, *POST)
    assert (case.status, case.culprit, case.hits) == (502, "gateway", {"server": 1})
    assert case.verdict == ('502: it began at hop "gateway": origin "server" closed an idle connection just when it was '
                            'used again')
    assert case.fix == ('give up idle connections before that server does: upstream_keepalive_idle_timeout at hop '
                        '"gateway" below its keep-alive timeout')
    assert "upstream prematurely closed connection while reading response header from upstream" in case.log("gateway")


def test_a_get_survives_the_same_race_by_another_try(story):
    case = story("keepalive-race", *IDLE)
    assert (case.status, case.failed, case.hits["server"]) == (200, False, 2)
    assert "asked 2 times for one request" in case.evidence


# ---- 2: a firewall forgets -----------------------------------------------------------------------


FORGOTTEN = ('give up idle connections before the network forgets them: upstream_keepalive_idle_timeout at hop "gateway" '
             'below its idle time')


def test_504_after_a_quiet_minute_is_a_firewall_that_forgot(story):
    case = story("firewall-forgets", *QUIET, *POST, scale=10)
    assert (case.status, case.culprit, case.hits) == (504, "gateway", {})
    assert case.verdict == ('504: it began at hop "gateway": wire "firewall" sent no whole response head within 60 s '
                            '(read_timeout of the service); on the way, wire "firewall": idle')
    assert case.fix == FORGOTTEN
    assert "upstream timed out (110: Connection timed out) while reading response header" in case.log("gateway")


def test_502_after_a_quiet_minute_is_a_firewall_that_resets(story):
    case = story("firewall-resets", *QUIET, *POST, scale=10)
    assert (case.status, case.culprit, case.hits) == (502, "gateway", {})
    assert case.verdict.endswith('; on the way, wire "firewall": idle') and case.fix == FORGOTTEN
    assert "recv() failed (104: Connection reset by peer) while reading response header" in case.log("gateway")


# ---- 3: "we raised it to 120" --------------------------------------------------------------------


def test_504_after_60_s_while_the_120_stand_at_the_hop_behind(story):
    case = story("raised-elsewhere", scale=10)
    assert (case.status, case.culprit, case.hits) == (504, "edge", {"server": 1})
    assert case.elapsed_ms >= 59000
    assert case.verdict == ('504: it began at hop "edge": hop "gateway" sent no whole response head within 60 s '
                            '(read_timeout of the service); the 120 s stand at hop "gateway" (read_timeout); hop "gateway" '
                            'was still waiting for origin "server"')
    assert case.fix == ('make it answer sooner, or raise read_timeout of the service at hop "edge"; every hop in front '
                        'must then wait longer still')
    assert "upstream timed out (110: Connection timed out) while reading response header" in case.log("edge")
    assert [hop["status"] for hop in case.hops] == [504, 499]


def test_504_after_60_s_while_the_120_stand_at_the_hop_in_front(story):
    case = story("raised-in-front", scale=10)
    assert (case.status, case.culprit, case.hits) == (504, "gateway", {"server": 1})
    assert case.verdict == ('504: it began at hop "gateway": origin "server" sent no whole response head within 60 s '
                            '(read_timeout of the service); the 120 s stand at hop "edge" (read_timeout)')
    assert 'raise read_timeout of the service at hop "gateway"' in case.fix


def test_504_after_60_s_while_the_120_are_another_timer(story):
    case = story("raised-the-other-timer", scale=20)
    assert (case.status, case.culprit, case.hits) == (504, "gateway", {"server": 1})
    assert case.verdict == ('504: it began at hop "gateway": origin "server" sent no whole response head within 60 s '
                            '(read_timeout of the service); the 120 s are its write_timeout, which counts while the '
                            'request is sent')
    assert 'raise read_timeout of the service at hop "gateway"' in case.fix
    assert "upstream timed out (110: Connection timed out) while reading response header" in case.log("gateway")


# ---- 4: six tries --------------------------------------------------------------------------------


def test_504_after_a_minute_is_six_tries_of_10_s(story):
    case = story("six-tries", scale=4)
    assert (case.status, case.culprit, case.hits) == (504, "gateway", {"server": 6})
    assert case.elapsed_ms >= 59000
    assert case.verdict == ('504: it began at hop "gateway": origin "server" sent no whole response head within 10 s '
                            '(read_timeout of the service), the last of 6 tries of 10 s each')
    assert case.fix == ('lower retries of the service at hop "gateway": 6 tries of 10 s may take 60 s; and find out why '
                        'nobody answers in time')
    assert "upstream timed out (110: Connection timed out) while reading response header" in case.log("gateway")


def test_504_of_the_edge_while_the_gateway_still_tries(story):
    case = story("tries-outlast-the-edge", scale=10)
    assert (case.status, case.culprit, case.hits) == (504, "edge", {"server": 2})
    assert case.verdict == ('504: it began at hop "edge": hop "gateway" sent no whole response head within 75 s '
                            '(read_timeout of the service); hop "gateway" was still waiting for origin "server", at try '
                            '2 of 6')
    assert case.fix == ('lower retries of the service at hop "gateway": 6 tries of 50 s may take 300 s, longer than hop '
                        '"edge" waits; or raise read_timeout of the service there')


# ---- 5, 6: a field is lost -----------------------------------------------------------------------


def test_401_is_the_hop_that_removed_authorization(story):
    case = story("authorization-stripped", "--", "-H", "Authorization: Bearer of-good-news")
    assert (case.status, case.culprit, case.lost, case.hits) == (401, "edge", "Authorization", {"server": 1})
    assert case.verdict == '401: it began at hop "edge": it removed Authorization; origin "server" answered 401'
    assert case.fix == ('let hop "edge" pass Authorization on: take out the rule that removes it, or (in hopgate.fields) '
                        'forwarded: {Authorization: preserve}')


def test_401_of_who_sent_no_token_is_nobody_elses_fault(story):
    case = story("authorization-stripped")
    assert (case.status, case.culprit, case.lost, case.failed) == (401, None, None, False)
    assert case.verdict == '401: origin "server" answered it; every hop passed it on'


LOOP = "answered 301, which leads the client to where it is already (https://shop.test/): a redirect loop"


def test_redirect_loop_is_the_hop_that_took_tls_and_told_nobody(story):
    case = story("proto-not-told")
    assert (case.status, case.culprit, case.lost, case.failed) == (301, "edge", "X-Forwarded-Proto", True)
    assert case.verdict == ('301: it began at hop "edge": it takes TLS and did not tell hop "gateway" so '
                            '(X-Forwarded-Proto: https); origin "server" ' + LOOP)
    assert case.fix == ('let hop "edge" set X-Forwarded-Proto (forwarded: {X-Forwarded-Proto: replace} in '
                        'hopgate.fields), and every hop behind believe it (trusted_ips)')


def test_redirect_loop_is_the_gateway_that_overwrote_the_scheme(story):
    case = story("proto-overwritten")
    assert (case.status, case.culprit, case.hits) == (301, "gateway", {"server": 1})
    assert case.verdict == ('301: it began at hop "gateway": it changed X-Forwarded-Proto from "https" to "http"; origin '
                            '"server" ' + LOOP)
    assert case.fix.startswith('add hop "edge" (127.0.') and 'to trusted_ips at hop "gateway"' in case.fix


def test_redirect_loop_is_the_gateway_that_does_not_believe_the_edge(story):
    case = story("proto-not-believed")
    assert (case.status, case.culprit, case.made_by, case.hits) == (301, "gateway", "gateway", {})
    assert case.verdict == ('301: it began at hop "gateway": it does not believe X-Forwarded-Proto: https of hop "edge", '
                            'and ' + LOOP)
    assert 'to trusted_ips at hop "gateway"' in case.fix


def test_the_fix_of_a_redirect_loop_ends_it(story, tmp_path):
    """trusted_ips, as the verdict says."""
    text = chain_file("proto-not-believed").read_text()
    mended = tmp_path / "mended.yaml"
    mended.write_text(text.replace("  persona: kong\n", "  persona: kong\n  settings: {trusted_ips: 127.0.0.0/8}\n"))
    case = story(mended)
    assert (case.status, case.failed, case.hits) == (200, False, {"server": 1})


def test_404_is_the_hop_that_did_not_pass_host_on(story):
    case = story("host-not-passed-on")
    assert (case.status, case.culprit, case.reason, case.lost) == (404, "gateway", "NO_ROUTE", "Host")
    assert case.verdict.startswith('404: it began at hop "gateway": it has no route for this request; on the way hop '
                                   '"edge" changed Host from "shop.test')
    assert case.fix == "compare host, path and method with the routes of that hop"


# ---- 7, 8, 9: TLS --------------------------------------------------------------------------------


def test_502_is_an_intermediate_that_the_server_does_not_send(story):
    case = story("intermediate-missing")
    assert (case.status, case.culprit, case.hits) == (502, "gateway", {})
    assert case.verdict == ('502: it began at hop "gateway": origin "server" showed a certificate that cannot be verified '
                            '(20:unable to get local issuer certificate): the issuer "CN=Shelf Intermediate" of '
                            'certificate "CN=shop.test" was not sent and is not trusted here (the target sent its own '
                            'certificate only: its intermediates may be missing)')
    assert case.fix.startswith("install the intermediate certificate on that server")
    assert ("upstream SSL certificate verify error: (20:unable to get local issuer certificate) while SSL handshaking "
            "to upstream") in case.log("gateway")


def test_502_is_https_spoken_to_a_plain_port(story):
    case = story("https-to-a-plain-port")
    assert (case.status, case.culprit, case.hits) == (502, "gateway", {})
    assert case.verdict.startswith('502: it began at hop "gateway": origin "server" answered the TLS handshake in plain '
                                   'text')
    assert 'its first bytes are "HTTP/1.1 400 Bad Request"' in case.verdict
    assert case.fix == "make the service http, or give the port of the server that speaks TLS"
    assert "wrong version number) while SSL handshaking to upstream" in case.log("gateway")


def test_502_is_plain_text_spoken_to_a_tls_port(story):
    case = story("plain-to-a-tls-port")
    assert (case.status, case.culprit, case.hits) == (502, "gateway", {})
    assert case.verdict == ('502: it began at hop "gateway": origin "server" speaks TLS on that port, and was spoken to '
                            'in plain text')
    assert case.fix == "make the service https, or give the port on which plain HTTP is spoken"
    assert "upstream prematurely closed connection while reading response header" in case.log("gateway")


def test_400_is_plain_text_spoken_to_a_tls_port_of_a_hop(story):
    case = story("plain-to-a-tls-hop")
    assert (case.status, case.culprit, case.made_by, case.hits) == (400, "edge", "gateway", {})
    assert case.verdict == ('400: it began at hop "edge": hop "gateway" speaks TLS on that port, and was spoken to in '
                            'plain text')
    assert case.fix == "make the service https, or give the port on which plain HTTP is spoken"


# ---- 10, 11: too large, not found ----------------------------------------------------------------


def test_502_for_some_users_is_a_cookie_that_has_grown(story):
    case = story("head-too-large")
    assert (case.status, case.culprit, case.hits) == (502, "gateway", {"server": 1})
    assert case.verdict.startswith('502: it began at hop "gateway": origin "server" sent a response head that is too '
                                   'large (Set-Cookie: basket=0123')
    assert case.verdict.endswith("...)"), "a verdict quotes no more than its reader can bear"
    assert case.fix == ('make the head smaller (cookies, usually), or raise nginx_proxy_proxy_buffer_size at hop '
                        '"gateway"')
    assert "upstream sent too big header while reading response header from upstream" in case.log("gateway")


def test_503_is_a_slip_of_the_pen_in_a_name(lab, story, tmp_path):
    server = lab.dns_server()
    chain = tmp_path / "name-not-found.yaml"
    chain.write_text(chain_file("name-not-found").read_text().replace("127.0.0.1:53", f"127.0.0.1:{server.port}"))
    case = story(chain)
    assert (case.status, case.culprit, case.hits) == (503, "gateway", {})
    assert case.verdict.startswith('503: it began at hop "gateway": service "shop" has no address in DNS')
    assert case.fix == "correct the host name of the service or target, or its record in DNS"
    assert "shpo.example.com" in case.log("gateway")


# ---- 12: all are down ----------------------------------------------------------------------------


def test_503_of_kong_is_an_upstream_without_healthy_targets(story):
    case = story("targets-down-at-kong", "--before", 1)
    assert (case.status, case.culprit, case.made_by, case.hits) == (503, "gateway", "gateway", {})
    assert case.verdict == ('503: it began at hop "gateway": service "shop" has no target that may be used '
                            '(shop-servers)')
    assert case.fix == ("look at the health of its targets (`hopgate show targets`), and at what made them unhealthy")
    assert "failure to get a peer from the ring-balancer while connecting to upstream" in case.log("gateway")


@pytest.fixture
def up(binary, tmp_path):
    chains = []

    def start(name):
        chains.append(ChainProcess(binary, tmp_path / f"lab{len(chains)}", chain_file(name)))
        return chains[-1]

    yield start
    problems = [chain.stop() for chain in chains]
    assert not any(problems), "\n".join(problems)


def test_an_f5_without_members_resets_and_kong_makes_a_502_of_it(binary, hopgate, up):
    chain = up("pool-down-at-f5")
    inner = chain.folder / "inner" / "prefix"

    def health():
        targets = json.loads(hopgate("show", "targets", "--json", "--prefix", inner).out)["targets"]
        return {target["state"] for target in targets}

    wait_until(lambda: health() == {"unhealthy"}, "both members to be down")
    assert chain.status_of() == 502
    logs = [f"{hop}={chain.folder / hop}/prefix/logs/{log}.log" for hop in ("outer", "gateway", "inner")
            for log in ("access", "error")]
    wait_until(lambda: "RST sent" in (inner / "logs" / "error.log").read_text(), "the inner hop's line")
    done = run(str(binary), "trace", *logs)
    lines = done.out.splitlines()
    assert lines[0] == ('502: it began at hop "inner": service "shop" has no target that may be used (pool); it wrote no '
                        'answer, and hop "gateway" made a 502 of that.')
    assert lines[1] == ("fix: look at the health of its targets (`hopgate show targets`), and at what made them "
                        "unhealthy.")
    assert "[0x0:0] No pool member available" in done.out
    assert "recv() failed (104: Connection reset by peer) while reading response header from upstream" in done.out
    why = hopgate("why", "--prefix", inner, json.loads((inner / "logs" / "access.log").read_text())["exchange"])
    assert why.code == 0 and "no " in why.out.splitlines()[0] and "pool" in why.out


# ---- 13: twice -----------------------------------------------------------------------------------


TWICE = ('try again only what may be made twice (nginx_proxy_proxy_next_upstream or hopgate_retry_on at hop "lb"), or let '
         'the application know a second one by an id')


def test_a_customer_paid_twice_because_the_lb_tried_again(story):
    case = story("post-sent-twice", *POST)
    assert (case.status, case.end, case.failed, case.culprit) == (200, "complete", True, "lb")
    assert (case.hits, case.duplicates) == ({"server": 2}, 1)
    assert case.verdict == ('200, but the POST was sent 2 times: it began at hop "lb": origin "server" reset the '
                            'connection without an answer, and the hop asked origin "server" again')
    assert case.fix == TWICE


def test_an_order_that_failed_came_twice(story):
    case = story("post-sent-twice-by-nginx", *POST)
    assert (case.status, case.culprit, case.hits) == (502, "lb", {"server-a": 1, "server-b": 1})
    assert case.verdict.startswith('502: it began at hop "lb": origin "server-')
    assert case.verdict.endswith(', the last of 2 tries; hop "lb" sent the POST 2 times')
    assert "recv() failed (104: Connection reset by peer) while reading response header" in case.log("lb")


# ---- 14: a 200 that is none ----------------------------------------------------------------------


def test_a_200_that_breaks_off_is_the_servers_bad_chunk(story):
    case = story("chunks-broken-by-the-server")
    assert (case.status, case.end, case.failed, case.culprit) == (200, "broken", True, "gateway")
    assert case.verdict == ('200: it began at hop "gateway": origin "server" sent malformed chunks (upstream sent invalid '
                            'chunked response)')
    assert case.fix == "correct the answer of that server"
    assert "upstream sent invalid chunked response while reading upstream" in case.log("gateway")
    assert case.log("edge") == "termination state SD--", "HAProxy: the server's side ended it, in the data phase"


def test_a_200_that_breaks_off_is_the_line(story):
    case = story("chunks-cut-on-the-way")
    assert (case.status, case.end, case.culprit, case.hits) == (200, "broken", "gateway", {"server": 1})
    assert case.verdict == ('200: it began at hop "gateway": origin "server" closed the connection in the middle of the '
                            'content; on the way, wire "line": cut')
    assert case.fix == "find what ends connections between these two"
    assert "upstream prematurely closed connection while reading upstream" in case.log("gateway")
    assert case.log("edge") == "termination state SD--"


# ---- what people see -----------------------------------------------------------------------------


def test_the_first_two_lines_are_the_verdict_and_the_fix(lab_run):
    lines = lab_run("raised-the-other-timer", scale=20).splitlines()
    assert lines[0].startswith('504: it began at hop "gateway": ') and "the 120 s are its write_timeout" in lines[0]
    assert lines[1].startswith("fix: make it answer sooner, or raise read_timeout of the service at hop")
    assert "HTTP/1.1 504 Gateway Time-out" in lines


# ---- time ----------------------------------------------------------------------------------------


def test_a_minute_passes_in_less_and_is_told_as_a_minute(story):
    fast, slower = story("raised-the-other-timer", scale=100), story("raised-the-other-timer", scale=20)
    assert (fast.verdict, fast.fix) == (slower.verdict, slower.fix)
    assert fast.elapsed_ms >= 59000 and slower.elapsed_ms >= 59000
    assert fast.seconds < 30, "0.6 s, and what the processes need to start"


def test_times_of_wire_origin_and_hop_are_all_divided(story, tmp_path):
    (tmp_path / "server.yaml").write_text("answer: {delay_ms: 20000, content: late}\n")
    chain = tmp_path / "late.yaml"
    chain.write_text("""
name: late
path:
- hop: gateway
  entities:
    services: [{name: shop, host: server, retries: 0, read_timeout: 3600000, routes: [{name: all, paths: [/]}]}]
- {wire: line, faults: [{kind: latency, ms: 15000}]}
- {origin: server, script: server.yaml}
""")
    case = story(chain, "--before", 1, "--pause", 30000, scale=20)
    assert (case.status, case.hits) == (200, {"server": 1})
    assert case.elapsed_ms >= 35000
    assert case.seconds < 80, "twice 35 s and 30 s between them, twenty times as fast"
