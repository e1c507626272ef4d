"""`hopgate doctor`: every contradiction that it tells can be seen: the command that it prints is run, and shows it."""
import json
import os
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
    """Runs `hopgate WORDS`; the exit code must be that."""

    def run_words(*words, code=0, timeout=250):
        done = subprocess.run([str(binary), *map(str, words)], capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, check=False, cwd=tmp_path, env={**os.environ, **SANITIZERS})
        assert done.returncode == code, done.stdout + done.stderr
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
        words = ["doctor", *options, name]
        breaks = "will break" in run_any(words)
        document = json.loads(run(*words, "--json", code=1 if breaks else 0).stdout)
        return document["findings"]

    def run_any(words):
        try:
            return run(*words).stdout.split("\n")[0]
        except AssertionError:
            return run(*words, code=1).stdout.split("\n")[0]

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
        chain(front(), back(), ORIGIN, client={"timeout": 9000})),
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
    "host changes": (
        [("no-route", "front", "back")],
        chain(front(tls=True, serves={"route": {"preserve_host": False}}),
              back(serves={"route": {"hosts": ["shop.test"]}}), ORIGIN)),
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
        [("tls-name", "client", "front"), ("forwarded-proto", "front", None)],
        chain(front(tls=True), ORIGIN, client={"host": "www.test"})),
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
