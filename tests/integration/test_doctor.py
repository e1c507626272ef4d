"""`hopgate doctor`: every contradiction that it tells can be seen: the command that it prints is run, and shows it."""
import copy
import json
import os
import re
import shlex
import subprocess

import pytest

from lab.hop import SANITIZERS, to_yaml

pytestmark = pytest.mark.timeout(300)

READY_MADE = {
    "kong-alone": [],
    "f5-kong-f5": [("timeout-order", "gateway"), ("retry-patience", "outer"), ("stale-keepalive", "outer"),
                   ("request-head-limit", "outer"), ("request-head-limit", "gateway"),
                   ("response-head-limit", "gateway"), ("forwarded-proto", "outer")],
    "alb-kong-nlb": [("timeout-order", "edge"), ("request-head-limit", "edge"), ("request-head-limit", "edge"),
                     ("forwarded-proto", "gateway")],
    "firewall-between": [("retry-patience", "edge"), ("stale-keepalive", "edge"), ("firewall-idle", "gateway"),
                         ("request-head-limit", "edge"), ("response-head-limit", "edge")],
    "mtls-end-to-end": [("retry-patience", "edge"), ("stale-keepalive", "edge"), ("request-head-limit", "edge"),
                        ("response-head-limit", "edge")],
    "nginx-kong-haproxy": [("timeout-order", "edge"), ("timeout-order", "gateway"), ("stale-keepalive", "gateway"),
                           ("request-head-limit", "gateway"), ("response-head-limit", "gateway"),
                           ("forwarded-proto", "edge")],
}


@pytest.fixture
def run(binary, tmp_path):
    """Runs `hopgate WORDS`; the exit code must be that, or one of those."""

    def run_words(*words, code=0, timeout=250):
        done = subprocess.run([str(binary), *map(str, words)], capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, check=False, cwd=tmp_path, env={**os.environ, **SANITIZERS})
        assert done.returncode in (code if isinstance(code, tuple) else (code,)), done.stdout + done.stderr
        return done

    return run_words


@pytest.fixture
def examine(run, tmp_path):
    """What the doctor finds in a chain: the name of a ready-made one, or a mapping."""

    def examine_chain(chain, *options):
        name = chain
        if isinstance(chain, dict):
            name = "chain.yaml"
            (tmp_path / name).write_text(to_yaml(chain))
        done = run("doctor", *options, name, "--json", code=(0, 1))
        findings = json.loads(done.stdout)["findings"]
        assert done.returncode == any(finding["severity"] == "will break" for finding in findings)
        return findings

    return examine_chain


# ---- chains that are well but for one thing ----------------------------------------------------


def service(**more):
    route = {"name": "r", "paths": ["/"], "strip_path": False, "preserve_host": True, **more.pop("route", {})}
    return {"name": "s", "host": "next", "read_timeout": 10000, "retries": 0, "routes": [route], **more}


def hop(name, persona="nginx", upstream=None, settings=None, serves=None, **more):
    entities = {"services": [service(**(serves or {}))]}
    if upstream is not None:
        entities["upstreams"] = [{"name": "next", **upstream}]
    return {"hop": name, "persona": persona, "settings": {"upstream_keepalive_idle_timeout": "30", **(settings or {})},
            "entities": entities, **more}


def chain(*path, **more):
    return {"name": "broken", **more, "path": [*path]}


def front(**more):
    return hop("front", **{**more, "serves": {"read_timeout": 30000, **more.get("serves", {})}})


def back(**more):
    return hop("back", **more)


ORIGIN = {"origin": "server"}
TLS_ORIGIN = {"origin": "server", "tls": True}
PASSIVE = {"healthchecks": {"passive": {"unhealthy": {"http_statuses": [500], "http_failures": 3}}}}
PROBES = {"healthchecks": {"active": {"type": "https", "healthy": {"interval": 0.5}, "unhealthy": {
    "interval": 0.5, "tcp_failures": 2, "http_failures": 2}}}}

BROKEN = {
    "front gives up first": (
        [("timeout-order", "front", "back")],
        chain(front(), back(serves={"read_timeout": 90000}), ORIGIN)),
    "client gives up first": (
        [("timeout-order", "client", "front")],
        chain(front(), back(serves={"read_timeout": 5000}), ORIGIN, client={"timeout": 9000})),
    "tries beyond the patience in front": (
        [("retry-patience", "front", "back")],
        chain(front(serves={"read_timeout": 50000}), back(serves={"read_timeout": 20000, "retries": 4}), ORIGIN)),
    "tries beyond the client's patience": (
        [("retry-patience", "client", "front")],
        chain(front(serves={"retries": 3, "read_timeout": 20000}), ORIGIN, client={"timeout": 50000})),
    "two hops try again": (
        [("retry-amplification", "front", None)],
        chain(front(serves={"retries": 2}, settings={"nginx_proxy_proxy_next_upstream": "error timeout http_502"}),
              back(serves={"retries": 2, "read_timeout": 5000}), ORIGIN)),
    "post again": (
        [("repeated-post", "front", None)],
        chain(front(serves={"retries": 1},
                    settings={"nginx_proxy_proxy_next_upstream": "error timeout non_idempotent"}), ORIGIN)),
    "idle connections end behind": (
        [("stale-keepalive", "front", "back")],
        chain(front(settings={"upstream_keepalive_idle_timeout": "60"}),
              back(settings={"nginx_http_keepalive_timeout": "20s"}), ORIGIN)),
    "idle connections end together": (
        [("stale-keepalive", "front", "back")],
        chain(front(), back(settings={"nginx_http_keepalive_timeout": "30s"}), ORIGIN)),
    "firewall forgets": (
        [("firewall-idle", "front", "wall")],
        chain(front(), {"wire": "wall", "faults": [{"kind": "idle", "ms": 10000}]}, ORIGIN)),
    "firewall answers with a reset": (
        [("firewall-idle", "front", "wall")],
        chain(front(), {"wire": "wall", "faults": {"kind": "idle", "ms": 10000, "then": "reset"}}, ORIGIN)),
    "layer 4 forgets": (
        [("firewall-idle", "front", "balancer")],
        chain(front(), hop("balancer", "nlb", serves={"read_timeout": 10000}), ORIGIN)),
    "a long field": (
        [("request-head-limit", "front", "back")],
        chain(front(), back(settings={"nginx_http_large_client_header_buffers": "16 2k"}), ORIGIN)),
    "many fields": (
        [("request-head-limit", "front", "back")],
        chain(front(), back(settings={"hopgate_client_max_fields": 30}), ORIGIN)),
    "a large content": (
        [("request-body-limit", "front", "back")],
        chain(front(), back(settings={"nginx_http_client_max_body_size": "10k"}), ORIGIN)),
    "a large answer head": (
        [("response-head-limit", "front", "back")],
        chain(front(), back(settings={"nginx_proxy_proxy_buffer_size": "32k", "nginx_proxy_proxy_buffers": "8 32k"}), ORIGIN)),
    "untrusted proto": (
        [("forwarded-proto", "back", None)],
        chain(front(persona="alb", tls=True, settings={"hopgate_client_max_fields": 100}, serves={
            "read_timeout": 30000}), hop("back", "kong", settings={"nginx_http_large_client_header_buffers": "8 16k"}),
              ORIGIN)),
    "nobody tells the proto": ([("forwarded-proto", "front", None)], chain(front(tls=True), ORIGIN)),
    "https route behind the end of TLS": (
        [("scheme-mismatch", "front", "back")],
        chain(front(tls=True), back(serves={"route": {"protocols": ["https"]}}), ORIGIN)),
    "a circle of redirects": (
        [("scheme-mismatch", "front", "back")],
        chain(front(tls=True), back(serves={"route": {"protocols": ["https"], "https_redirect_status_code": 301}}),
              ORIGIN)),
    "plain through layer 4 to TLS": (
        [("scheme-mismatch", "front", "server")],
        chain(front(), {"hop": "balancer", "persona": "nlb"}, TLS_ORIGIN)),
    "plain through layer 4 to a TLS hop": (
        [("scheme-mismatch", "front", "back")],
        chain(front(), {"hop": "balancer", "persona": "nlb"}, back(tls=True), ORIGIN)),
    "plain HTTP to a hop with TLS": (
        [("scheme-mismatch", "front", "back")], chain(front(protocol="http"), back(tls=True), ORIGIN)),
    "TLS to a hop without": (
        [("scheme-mismatch", "front", "back")], chain(front(protocol="https"), back(), ORIGIN)),
    "plain HTTP to an origin with TLS": (
        [("scheme-mismatch", "front", "server")], chain(front(persona="f5", protocol="http"), TLS_ORIGIN)),
    "TLS to an origin without": (
        [("scheme-mismatch", "front", "server")], chain(front(persona="haproxy", protocol="https"), ORIGIN)),
    "host changes": (
        [("no-route", "front", "back")],
        chain(front(tls=True, serves={"route": {"preserve_host": False}}),
              back(serves={"route": {"hosts": ["shop.test"]}}), ORIGIN)),
    "a route that leads nowhere": (
        [("no-route", "front", "back")],
        chain(front(), {"hop": "back", "entities": {"routes": [{"name": "r", "paths": ["/"]}]}}, ORIGIN)),
    "certificate of another name": (
        [("tls-name", "front", "back")],
        chain(front(verify_upstream=True, serves={"route": {"preserve_host": False}}), back(tls=True), ORIGIN)),
    "name that is refused": (
        [("tls-name", "front", "back")],
        chain(front(tls=True, upstream={"host_header": "inner.test"}, serves={"route": {"preserve_host": False}}),
              back(persona="edge", tls=True, settings={
                  "nginx_http_large_client_header_buffers": "4 8k", "hopgate_client_max_fields": 1000,
                  "hopgate_upstream_max_head": "4k", "hopgate_upstream_max_fields": 1000}), ORIGIN)),
    "client asks for another name": (
        [("tls-name", "client", "front")],
        chain(front(persona="kong", tls=True), ORIGIN, client={"host": "www.test"})),
    "intermediate missing for clients": (
        [("incomplete-chain", "client", "front")],
        chain(front(persona="kong", tls=True, certificate="missing-intermediate"), ORIGIN)),
    "intermediate missing for a hop": (
        [("incomplete-chain", "front", "back")],
        chain(front(persona="kong", tls=True, verify_upstream=True),
              hop("back", "kong", tls=True, certificate="missing-intermediate"), ORIGIN)),
    "expired for a hop": (
        [("bad-certificate", "front", "server")],
        chain(front(persona="kong", tls=True, verify_upstream=True), {**TLS_ORIGIN, "certificate": "expired"})),
    "no certificate for a hop": (
        [("client-certificate", "front", "back")],
        chain(front(persona="kong", tls=True, verify_client="on"), hop("back", "kong", tls=True, verify_client="on"),
              ORIGIN, client={"certificate": "client-good"})),
    "no certificate for the origin": (
        [("client-certificate", "front", "server")],
        chain(front(persona="kong", tls=True), {**TLS_ORIGIN, "verify_client": "on"})),
    "no certificate of the client": (
        [("client-certificate", "client", "front")],
        chain(front(persona="kong", tls=True, verify_client="on"), ORIGIN)),
    "an expired certificate of the client": (
        [("client-certificate", "client", "front")],
        chain(front(persona="kong", tls=True, verify_client="on"), ORIGIN, client={"certificate": "client-expired"})),
    "checks speak TLS to a plain port": (
        [("health-scheme", "front", "back")], chain(front(upstream=PROBES), back(), ORIGIN)),
    "checks speak plain HTTP to TLS": (
        [("health-scheme", "front", "server")],
        chain(front(upstream={"healthchecks": {"active": {**PROBES["healthchecks"]["active"], "type": "http"}}}),
              TLS_ORIGIN)),
    "checks never bring back": ([("health-stuck", "front", None)], chain(front(upstream=PASSIVE), ORIGIN)),
    "checks count nothing": (
        [("health-blind", "front", None)],
        chain(front(upstream={"healthchecks": {"passive": {"unhealthy": {"http_statuses": [500]}}}}), ORIGIN)),
    "checks without an interval": (
        [("health-blind", "front", None)],
        chain(front(upstream={"healthchecks": {"active": {"unhealthy": {"http_failures": 3}}}}), ORIGIN)),
}


def names(findings):
    return [(finding["rule"], finding["hop"], finding["to"]) for finding in findings]


def show(run, finding):
    """Runs the command of a finding: the case that it tells of."""
    words = shlex.split(finding["command"])
    assert words[:3] == ["hopgate", "lab", "run"]
    return json.loads(run("lab", "run", "--json", *words[3:]).stdout)["cases"][0]


def check_shown(case, shows):
    """What the finding has promised."""
    told = {entry["hop"]: entry for entry in case["hops"]}
    seen = json.dumps(case, indent=1)
    assert shows, "nothing was promised"
    if "status" in shows:
        assert case["status"] == shows["status"], seen
    for promised in shows.get("hops", []):
        assert told[promised["hop"]]["reason"] in promised["reasons"], seen
    if "log" in shows:
        assert shows["log"]["phrase"] in told[shows["log"]["hop"]]["log"], seen
    if "content" in shows:
        assert shows["content"].lower() in case["content"].lower(), seen
    if "no_content" in shows:
        assert case["content"] and shows["no_content"].lower() not in case["content"].lower(), seen
    if shows.get("never_arrives"):
        assert case["hops"] == [], seen
    assert case["hits_total"] >= shows.get("hits_min", 0), seen


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_told_is_seen(examine, run, name):
    expected, broken = BROKEN[name]
    findings = examine(broken)
    assert names(findings) == expected
    for finding in findings:
        if finding["rule"] != "timeout-order" or finding["shows"]:
            check_shown(show(run, finding), finding["shows"])


FIX = re.compile(r'^(\S+): set (\w+)(?: of the service)? to (?:"([^"]+)"|([\w.-]+))')
OF_SERVICE = {"read_timeout", "retries"}
OF_HOP = {"protocol", "certificate", "client_certificate"}


def apply(fix, broken):
    """The chain with what a fix says; None where it needs a person."""
    match = FIX.match(fix)
    if not match or match[3] is None and match[4] in ("the", "replace", "preserve"):
        return None
    mended = copy.deepcopy(broken)
    (part,) = [part for part in mended["path"] if match[1] in part.values()]
    value = match[3] or match[4]
    if match[2] in OF_SERVICE:
        part["entities"]["services"][0][match[2]] = int(value)
    elif match[2] in OF_HOP:
        part[match[2]] = value
    elif match[2].startswith(("nginx_", "hopgate_", "upstream_")):
        part.setdefault("settings", {})[match[2]] = value
    else:
        return None
    return mended


def test_one_setting_mends_it(examine):
    """What a fix says in one setting is put into the chain: the finding is gone, and no other has come."""
    mended = set()
    for name, (expected, broken) in BROKEN.items():
        findings = examine(broken)
        chain_after = apply(findings[0]["fix"], broken)
        if chain_after is None:
            continue
        assert names(examine(chain_after)) == expected[1:], (name, findings[0]["fix"])
        mended.add(findings[0]["rule"])
    assert {"timeout-order", "retry-patience", "retry-amplification", "stale-keepalive", "firewall-idle",
            "request-head-limit", "request-body-limit", "response-head-limit", "scheme-mismatch", "tls-name",
            "client-certificate"} - mended in (set(), {"tls-name"})


def test_identity_that_ends_with_tls_is_missed_behind(examine, run):
    """What wants the certificate in a field is in front of an F5's kind of telling: nobody writes that field."""
    run("lab", "pki", "shelf")
    wants = {"hopgate_trusted_client_cert_field": "client-cert", "trusted_ips": "127.0.0.0/8",
             "nginx_proxy_ssl_verify_client": "on", "nginx_proxy_ssl_client_certificate": "shelf/ca.pem"}
    broken = chain(front(persona="kong", tls=True, verify_client="on"), hop("back", "kong", settings=wants),
                   ORIGIN, client={"certificate": "client-good"})
    told = [finding for finding in examine(broken) if finding["rule"] == "client-identity"]
    assert names(told) == [("client-identity", "front", "back")] and "Client-Cert" in told[0]["title"]
    check_shown(show(run, told[0]), told[0]["shows"])

    broken["path"][0]["settings"]["hopgate_client_cert_fields"] = "rfc9440"
    assert examine(broken, "--rule", "client-identity") == []


# ---- ready-made chains -------------------------------------------------------------------------


@pytest.mark.parametrize("name", READY_MADE)
def test_ready_made_chains_have_what_is_true_of_them(examine, name):
    findings = examine(name)
    assert sorted((finding["rule"], finding["hop"]) for finding in findings) == sorted(READY_MADE[name])
    assert all(finding["severity"] != "will break" for finding in findings)


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("name", READY_MADE)
def test_ready_made_chains_show_all_of_it(examine, run, name):
    for finding in examine(name):
        if finding["shows"]:
            check_shown(show(run, finding), finding["shows"])


# ---- the verb ----------------------------------------------------------------------------------


def test_verdict_comes_first_and_lines_are_short(run):
    lines = run("doctor", "f5-kong-f5").stdout.split("\n")
    assert lines[0] == "f5-kong-f5: 7 can break"
    assert all(len(line) <= 100 for line in lines if not line.startswith("  see it "))
    assert "\033" not in "".join(lines)  # nobody reads it on a terminal
    assert run("doctor", "kong-alone").stdout == "kong-alone: no contradiction found\n"


def test_names_of_files_do_nothing_to_a_terminal(run, tmp_path):
    (tmp_path / "a\033[31m'b.yaml").write_text(to_yaml(chain(front(), back(serves={"read_timeout": 90000}), ORIGIN)))
    said = run("doctor", "a\033[31m'b.yaml").stdout
    assert "see it" in said and "\033" not in said


def test_fixes_are_values_that_are_taken(run, tmp_path):
    """Of a service 0 ms are none, of idle connections they are for ever."""
    for wanted in (1, 2, 1000, 1001, 1050):
        (tmp_path / "x.yaml").write_text(to_yaml(chain(
            front(serves={"read_timeout": wanted}), back(), {"wire": "w", "faults": [{"kind": "idle", "ms": 1}]}, ORIGIN)))
        said = " ".join(run("doctor", "x.yaml").stdout.split())
        below = int(re.search(r"set read_timeout of the service to (\d+)", said)[1])
        assert 1 <= below and (below < wanted or wanted == 1)
        assert "set upstream_keepalive_idle_timeout to 1ms" in said


def test_exit_code_says_whether_something_will_break(run, tmp_path):
    (tmp_path / "broken.yaml").write_text(to_yaml(BROKEN["host changes"][1]))
    (tmp_path / "fine.yaml").write_text(to_yaml(chain(front(), back(), ORIGIN)))
    assert run("doctor", "broken.yaml", code=1).stdout.startswith("broken: 1 will break\n")
    assert run("doctor", "broken.yaml", "--rule", "timeout-order").stdout == "broken: no contradiction found\n"
    assert run("doctor", "fine.yaml").stdout == "broken: no contradiction found\n"
    assert run("doctor", "f5-kong-f5", "--rule", "timeout-order").stdout.startswith("f5-kong-f5: 1 can break\n")


def test_rules_are_listed(run):
    rows = [line.split(None, 1) for line in run("doctor", "--list").stdout.splitlines()]
    ids = [row[0] for row in rows]
    assert {rule for findings, _ in BROKEN.values() for rule, _, _ in findings} | {"client-identity"} == set(ids)
    assert all(row[1].startswith(("will break", "can break", "worth knowing")) for row in rows)


@pytest.mark.parametrize("words, said", [
    ([], "CHAIN is missing"),
    (["--rule", "timeout-oder", "kong-alone"], "did you mean timeout-order?"),
    (["--rule"], "a value must follow --rule"),
    (["kong-alone", "f5-kong-f5"], "not understood: f5-kong-f5"),
    (["--loud", "kong-alone"], "not understood: --loud"),
])
def test_usage_is_explained(run, words, said):
    assert said in run("doctor", *words, code=64).stderr


HOSTILE = {
    "no such file": (None, "No such file"),
    "no chain": ("[1, 2]", "expected a record"),
    "no path": ("{name: x}", "path"),
    "no hop": ("{name: x, path: [{origin: o}]}", "there is no hop in the path"),
    "no origin": ("{name: x, path: [{hop: h}]}", "the path ends with an origin"),
    "unknown persona": ("{name: x, path: [{hop: h, persona: netscaler}, {origin: o}]}", "netscaler"),
    "unknown key": ("{name: x, path: [{hop: h, settings: {read_timeout: 5}}, {origin: o}]}", "unknown key of kong.conf"),
    "bad value": ("{name: x, path: [{hop: h, settings: {upstream_keepalive_idle_timeout: soon}}, {origin: o}]}",
                  "hop h: "),
    "bad entity": ("{name: x, path: [{hop: h, entities: {services: [{name: s, host: a, retries: -1}]}}, {origin: o}]}",
                   "hop h: "),
    "bad patience": ("{name: x, client: {timeout: 0}, path: [{hop: h}, {origin: o}]}", "timeout"),
    "no config file": ("{name: x, path: [{hop: h, config: nowhere.yaml}, {origin: o}]}", "nowhere.yaml"),
    "binary": ("\0\1\2", "x.yaml"),
    "deep": ("[" * 5000, "x.yaml"),
    "a bomb": ("a: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b]\n"
               "d: &d [*c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e]\n",
               "x.yaml"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_files_that_are_no_chain_are_refused(run, tmp_path, name):
    text, said = HOSTILE[name]
    if text is not None:
        (tmp_path / "x.yaml").write_text(text)
    done = run("doctor", "x.yaml", code=78)
    assert said in done.stderr and done.stdout == ""


@pytest.mark.parametrize("text, said", [("[]", "k.yaml: error: hop h: expected a record"), ("7", "k.yaml: error: hop h: expected a record"),
                                        ("services: 5", "k.yaml: error: services: hop h: expected an array"),
                                        ("a: [", "k.yaml:2:1: error: hop h: not valid YAML")])
def test_files_that_hops_are_given_are_named(run, tmp_path, text, said):
    (tmp_path / "k.yaml").write_text(text + "\n")
    (tmp_path / "x.yaml").write_text(to_yaml({"name": "x", "path": [{"hop": "h", "config": "k.yaml"}, ORIGIN]}))
    assert said in run("doctor", "x.yaml", code=78).stderr
    assert "expected a" in run("lab", "run", "x.yaml", code=(1, 78)).stderr or text == "a: ["


def test_retries_that_multiply_are_counted_at_once(run, tmp_path):
    """Fifteen hops with 32,768 tries each: nobody plays them one by one."""
    hops = [hop(f"h{i}", serves={"retries": 32767, "read_timeout": 60000 - i * 3000},
                settings={"nginx_proxy_proxy_next_upstream": "error timeout http_502 http_504"}) for i in range(15)]
    (tmp_path / "x.yaml").write_text(to_yaml(chain(*hops, ORIGIN)))
    said = " ".join(run("doctor", "x.yaml", timeout=60).stdout.split())
    assert "one GET comes to the origins 1000000 times, because 15 hops try again" in said
    assert "h0: set retries of the service to 0" in said


def test_service_without_a_route_and_hop_without_a_service(run, tmp_path):
    """Odd, and no reason to fall over."""
    for entities in ({}, {"services": [{"name": "s", "host": "a"}]}, {"routes": [{"name": "r", "paths": ["/"]}]},
                     {"upstreams": [{"name": "u"}]}):
        (tmp_path / "x.yaml").write_text(to_yaml({"name": "x", "path": [
            {"hop": "a"}, {"hop": "b", "entities": entities}, {"wire": "w"}, ORIGIN]}))
        done = run("doctor", "x.yaml", code=1)
        assert "no-route" in done.stdout, entities


def test_places_are_those_of_the_file_that_says_it(examine, tmp_path):
    (tmp_path / "kong.yaml").write_text(
        "_format_version: '3.0'\nservices:\n- name: s\n  host: next\n  read_timeout: 90000\n  routes:\n"
        "  - name: r\n    paths: [/]\n")
    (told,) = examine(chain(front(), {"hop": "back", "persona": "nginx", "config": "kong.yaml"}, ORIGIN))
    assert told["where"] == ["front: read_timeout 30000 (chain.yaml:" + told["where"][0].split("chain.yaml:")[1],
                             "back: read_timeout 90000 (kong.yaml:5:3)"]


def test_numbers_of_a_run_are_checked(run):
    for words in (["--before", "x"], ["--pause", "-1"], ["--fill", "9"], ["--fill", "1x99999999"],
                  ["--content-bytes", "99999999999"], ["--patience", "1s"], ["--fault-times", "2"]):
        done = run("lab", "run", *words, "kong-alone", code=64)
        assert words[0] in done.stderr, words
