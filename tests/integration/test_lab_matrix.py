"""`hopgate lab matrix` and `hopgate lab run`: what breaks a chain, who broke it, and how often the request arrived."""
import html.parser
import json
import os
import re
import subprocess
import xml.etree.ElementTree

import pytest

from lab.hop import SANITIZERS, to_yaml

pytestmark = pytest.mark.timeout(240)

# what idles (30 s) must do so for longer than a wire (10 s) and shorter than Kong (60 s), while lab and hop stall for 2 s
SLOW_ENOUGH = ("--time-scale", "5")
# a hop that stalls for 2 s must not take it for Kong's 60 s
PATIENT = ("--time-scale", "20")


@pytest.fixture
def lab_verb(binary):
    """Runs `hopgate lab WORDS`; the exit code must be that."""

    def run(*words, code=0):
        done = subprocess.run([str(binary), "lab", *map(str, words)], capture_output=True, text=True, timeout=200,
                              stdin=subprocess.DEVNULL, check=False, env={**os.environ, **SANITIZERS})
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def matrix(lab_verb):
    def run(chain, *options, code=0):
        return json.loads(lab_verb("matrix", chain, "--json", *options, code=code).stdout)

    return run


def case_of(document, fault, method="GET", place=None):
    found = [case for case in document["cases"]
             if (case["fault"], case["method"]) == (fault, method) and place in (None, case["place"])]
    assert len(found) == 1, found
    return found[0]


# ---- stories: one gateway ----------------------------------------------------------------------


def test_gateway_alone_tells_who_broke_what(matrix):
    document = matrix("kong-alone", "--faults", "ok,refused,no_answer,rst_after_request,close_mid_body_cl", *PATIENT)
    good = case_of(document, "ok")
    assert (good["status"], good["end"], good["culprit"], good["hits"]) == (200, "complete", None, {"server": 1})

    refused = case_of(document, "refused", "POST")
    assert (refused["status"], refused["culprit"], refused["reason"]) == (502, "gateway", "CONNECT_REFUSED")
    assert refused["verdict"].startswith('502: it began at hop "gateway": origin "server" refused the connection')
    assert refused["hits_total"] == 0 and "Connection refused" in refused["hops"][0]["log"]

    # Kong's 60 s, stated; a request that is not repeated waits once
    hangs = case_of(document, "no_answer", "POST")
    assert (hangs["status"], hangs["reason"], hangs["hits"]) == (504, "UPSTREAM_HEAD_TIMEOUT", {"server": 1})
    assert "sent no whole response head within 60 s (read_timeout of the service)" in hangs["verdict"]
    assert hangs["elapsed_ms"] >= 59000
    assert "read_timeout of the service" in hangs["fix"]

    cut = case_of(document, "close_mid_body_cl")
    assert cut["status"] == 200 and cut["end"] != "complete" and cut["culprit"] == "gateway"
    assert case_of(document, "rst_after_request", "POST")["duplicates"] == 0
    assert case_of(document, "rst_after_request", "GET")["duplicates"] > 0


def test_stale_connection_costs_a_post_but_not_a_get(matrix):
    """The server closes an idle connection just when it is used again: what may be repeated is."""
    document = matrix("kong-alone", "--faults", "stale_close_on_request", *SLOW_ENOUGH)
    lost = case_of(document, "stale_close_on_request", "POST")
    assert (lost["status"], lost["culprit"], lost["hits_total"]) == (502, "gateway", 1)
    assert "closed an idle connection just when it was used again" in lost["verdict"]
    kept = case_of(document, "stale_close_on_request", "GET")
    assert (kept["status"], kept["hits_total"], kept["duplicates"]) == (200, 2, 1)


def test_put_that_a_hop_repeats_is_seen_twice_at_the_origin(matrix):
    document = matrix("kong-alone", "--faults", "close_after_request", "--methods", "PUT,POST", *PATIENT)
    put, post = (case_of(document, "close_after_request", method) for method in ("PUT", "POST"))
    assert put["status"] == post["status"] == 502
    assert put["duplicates"] == put["hits"]["server"] - 1 > 0
    assert post["duplicates"] == 0


def test_post_sent_twice_is_marked(lab_verb, tmp_path):
    chain = tmp_path / "chain.yaml"
    chain.write_text(to_yaml({"name": "repeats", "path": [
        {"hop": "gateway", "settings": {"nginx_proxy_proxy_next_upstream": "error timeout non_idempotent"}},
        {"origin": "server"}]}))
    out = lab_verb("matrix", chain, "--faults", "close_after_request", "--methods", "POST", *PATIENT).stdout
    assert "DOUBLED  a POST came to the origins more than once in 1 cases" in out
    assert re.search(r"^502 .* POST .*[2-9]!$", out, re.M), out


def test_firewall_that_forgets_costs_the_read_timeout(matrix):
    document = matrix("kong-alone", "--faults", "wire-idle", "--methods", "POST", *SLOW_ENOUGH)
    (case,) = document["cases"]
    assert (case["place"], case["status"], case["hits_total"]) == ("gateway-server", 504, 0)
    assert 'wire "gateway-server" sent no whole response head' in case["verdict"]
    assert "upstream_keepalive_idle_timeout" in case["fix"]


def test_firewall_that_forgets_later_than_kong_costs_nothing(matrix, tmp_path):
    """Kong's own idle timeout is a time that passes faster too."""
    chain = tmp_path / "chain.yaml"
    chain.write_text(to_yaml({"name": "careful", "path": [
        {"hop": "gateway", "settings": {"upstream_keepalive_idle_timeout": "1s"}}, {"origin": "server"}]}))
    (case,) = matrix(chain, "--faults", "wire-idle", "--methods", "POST", *PATIENT)["cases"]
    assert (case["status"], case["hits_total"], case["failed"]) == (200, 1, False)


def test_answer_that_is_none_is_no_success(matrix):
    """Kong passes on what is no HTTP, as nginx does: no hop failed, and yet nobody can use it."""
    (case,) = matrix("kong-alone", "--faults", "garbage_text_close", "--methods", "GET", *PATIENT)["cases"]
    assert (case["status"], case["failed"], case["culprit"]) == (0, True, None)
    assert case["verdict"].startswith("no hop failed, but what came to the client is no whole answer")


# ---- stories: a chain --------------------------------------------------------------------------


def test_chain_names_the_hop_where_it_began(matrix):
    document = matrix("f5-kong-f5", "--faults", "ok,refused,no_answer,wire-refuse,wire-cut", "--methods", "POST",
                      "--places", "origins,outer-gateway,gateway-inner", *PATIENT)
    assert sum(case_of(document, "ok", "POST")["hits"].values()) == 1
    assert [hop["hop"] for hop in case_of(document, "ok", "POST")["hops"]] == ["outer", "gateway", "inner"]

    # an F5 writes no page: it resets, and the gateway makes a 502 of that
    refused = case_of(document, "refused", "POST")
    assert (refused["status"], refused["culprit"], refused["made_by"]) == (502, "inner", "gateway")
    assert "it wrote no answer, and hop \"gateway\" made a 502 of that" in refused["verdict"]

    # and on what that rests
    assert refused["basis"] == "documented" and case_of(document, "ok", "POST")["basis"] is None
    assert [hop.get("basis") for hop in refused["hops"]] == [None, "documented", "documented"]
    assert [line.split(": of what its persona says ")[0] for line in document["basis"]] == [
        "outer is f5", "gateway is kong", "inner is f5"]

    hangs = case_of(document, "no_answer", "POST")
    assert (hangs["status"], hangs["culprit"]) == (504, "gateway")
    assert 'hop "inner" was still waiting for origin "server-' in hangs["verdict"]

    front = case_of(document, "wire-refuse", "POST", "outer-gateway")
    assert (front["status"], front["end"], front["culprit"]) == (0, "reset", "outer")
    behind = case_of(document, "wire-refuse", "POST", "gateway-inner")
    assert (behind["status"], behind["culprit"], behind["made_by"]) == (502, "gateway", "gateway")

    # hops are joined across the wire that was put between them
    cut = case_of(document, "wire-cut", "POST", "gateway-inner")
    assert [hop["hop"] for hop in cut["hops"]] == ["outer", "gateway", "inner"] and cut["status"] == 502
    assert 'on the way, wire "gateway-inner": cut (FIN after 20 bytes of the answer)' in cut["verdict"]
    assert cut["fix"] == "find what ends connections between these two"


def test_hops_side_by_side_are_one_place_and_two_culprits(matrix, tmp_path):
    chain = tmp_path / "chain.yaml"
    chain.write_text(to_yaml({"name": "twins", "path": [
        {"hop": "outer", "persona": "f5"}, {"hop": "gateway", "count": 2}, {"origin": "server"}]}))
    document = matrix(chain, "--faults", "ok,refused,wire-cut", "--methods", "POST", *PATIENT)
    places = {case["place"] for case in document["cases"]}
    assert places == {"server", "outer-gateway", "gateway-server"}
    assert case_of(document, "ok", "POST")["hits_total"] == 1
    refused = case_of(document, "refused", "POST")
    assert refused["status"] == 502 and refused["culprit"] in ("gateway-1", "gateway-2")
    assert [hop["hop"] for hop in refused["hops"]] == ["outer", refused["culprit"]]
    assert case_of(document, "wire-cut", "POST", "outer-gateway")["culprit"] == "outer"
    assert case_of(document, "wire-cut", "POST", "gateway-server")["culprit"] in ("gateway-1", "gateway-2")


# who begins what, by fault and place; a hop of layer 4 passes on what comes from behind it, and is told of as the others are
AT_ORIGIN = ("refused", "close_mid_body_cl", "rst_after_request")
ON_THE_WAY = ("wire-refuse", "wire-cut")
READY_MADE = {
    "alb-kong-nlb": {"server": "inner", "edge-gateway": "edge", "gateway-inner": "gateway", "inner-server": "inner"},
    "f5-kong-f5": {"origins": "inner", "outer-gateway": "outer", "gateway-inner": "gateway", "inner-origins": "inner"},
    "firewall-between": {"server": "gateway", "edge-gateway": "edge", "firewall": "gateway"},
    "kong-alone": {"server": "gateway", "gateway-server": "gateway"},
    "mtls-end-to-end": {"server": "gateway", "edge-gateway": "edge", "gateway-server": "gateway"},
    "nginx-kong-haproxy": {"server": "inner", "edge-gateway": "edge", "gateway-inner": "gateway", "inner-server": "inner"},
}


def expect_culprits(matrix, chain, expected):
    """expected: {(fault, place): culprit} of POSTs, in real time: none of these faults waits for a timer, and no stall ends one."""
    faults = ",".join(dict.fromkeys(fault for fault, _ in expected))
    cases = matrix(chain, "--faults", faults, "--methods", "POST", "--time-scale", "1")["cases"]
    assert {(case["fault"], case["place"]) for case in cases} == set(expected)
    for case in cases:
        told = json.dumps(case, indent=1)
        assert case["culprit"] == expected[case["fault"], case["place"]], told
        assert case["verdict"] and case["failed"] == (case["fault"] != "ok") and case["tie"] is None, told
        assert case["hits_total"] <= 1 and "127.0." not in case["verdict"], told


@pytest.mark.parametrize("chain", READY_MADE)
def test_every_ready_made_chain_tells_who_broke_what(matrix, chain):
    origins, *ways = READY_MADE[chain].items()
    expect_culprits(matrix, chain, {
        ("ok", origins[0]): None, **{(fault, origins[0]): origins[1] for fault in AT_ORIGIN},
        **{(fault, place): hop for fault in ON_THE_WAY for place, hop in ways}})


def test_hops_of_layer_4_in_a_row_and_side_by_side(matrix, tmp_path):
    """A case has a port of its own at each of them; a wire with one way only is passed by, which is told."""
    chain = tmp_path / "chain.yaml"
    chain.write_text(to_yaml({"name": "deep", "path": [
        {"hop": "outer"}, {"wire": "link", "faults": []}, {"hop": "first", "persona": "nlb"},
        {"hop": "second", "persona": "nlb", "count": 2}, {"hop": "gateway"}, {"origin": "a"}, {"origin": "b"}]}))
    document = matrix(chain, "--faults", "ok,refused,wire-refuse", "--methods", "POST", "--time-scale", "1")
    assert any("without the wire link" in note for note in document["notes"])
    ok = case_of(document, "ok", "POST")
    assert [hop["hop"].rstrip("12-") for hop in ok["hops"]] == ["outer", "first", "second", "gateway"]
    assert (ok["culprit"], ok["hits_total"]) == (None, 1)
    assert case_of(document, "refused", "POST", "origins")["culprit"] == "gateway"
    begins = {case["place"]: case["culprit"] for case in document["cases"] if case["fault"] == "wire-refuse"}
    assert begins.pop("second-gateway") in ("second-1", "second-2")
    assert begins == {"link": "outer", "first-second": "first", "gateway-origins": "gateway"}


def test_hop_of_layer_4_in_front_of_all(matrix, tmp_path):
    chain = tmp_path / "chain.yaml"
    chain.write_text(to_yaml({"name": "front", "path": [
        {"hop": "front", "persona": "nlb"}, {"hop": "gateway"}, {"origin": "server"}]}))
    expect_culprits(matrix, chain, {
        ("ok", "server"): None, ("refused", "server"): "gateway", ("rst_after_request", "server"): "gateway",
        ("wire-refuse", "front-gateway"): "front", ("wire-refuse", "gateway-server"): "gateway"})


def test_tls_that_is_led_on_in_the_middle(matrix, tmp_path):
    chain = tmp_path / "chain.yaml"
    leading = {"name": "all", "host": "next", "protocol": "tcp", "routes": [
        {"name": "all", "protocols": ["tls_passthrough"], "snis": ["shop.test"]}]}
    chain.write_text(to_yaml({"name": "leading", "path": [
        {"hop": "outer", "tls": True}, {"hop": "middle", "tls": True, "entities": {"services": [leading]}},
        {"hop": "gateway", "tls": True}, {"origin": "server"}]}))
    document = matrix(chain, "--faults", "ok,refused,close_mid_body_cl,wire-refuse", "--methods", "POST", "--time-scale", "1")
    ok = case_of(document, "ok", "POST")
    assert [hop["hop"] for hop in ok["hops"]] == ["outer", "middle", "gateway"] and ok["hits_total"] == 1
    for fault in ("refused", "close_mid_body_cl"):
        assert case_of(document, fault, "POST")["culprit"] == "gateway"
    assert case_of(document, "wire-refuse", "POST", "outer-middle")["culprit"] == "outer"
    assert case_of(document, "wire-refuse", "POST", "gateway-server")["culprit"] == "gateway"


def test_timers_that_end_together_are_a_tie(matrix, tmp_path):
    """Both hops wait 300 s: which one gives up first is a matter of chance."""
    service = {"name": "s", "host": "next", "read_timeout": 300000, "retries": 0,
               "routes": [{"name": "r", "paths": ["/"]}]}
    chain = tmp_path / "chain.yaml"
    chain.write_text(to_yaml({"name": "equal-timers", "path": [
        {"hop": name, "entities": {"services": [service]}} for name in ("front", "back")] + [{"origin": "server"}]}))
    (case,) = matrix(chain, "--faults", "no_answer", "--methods", "POST")["cases"]
    assert case["status"] in (502, 504)
    if case["tie"] is None:  # a busy machine may tell them apart: then they were
        assert case["hops"][1]["reason"] in ("CLIENT_ABORTED", "UPSTREAM_HEAD_TIMEOUT")
    else:
        assert 'hop "front"' in case["tie"] and 'hop "back"' in case["tie"] and "a tie" in case["tie"]


def test_kong_file_of_the_user_decides_in_every_case(matrix, tmp_path):
    chain = tmp_path / "chain.yaml"
    chain.write_text(to_yaml({"name": "users-file", "time_scale": 20, "path": [
        {"hop": "gateway", "entities": {
            "services": [{"name": "shop", "host": "pool", "read_timeout": 90000, "retries": 1, "routes": [
                {"name": "shop", "hosts": ["shop.example.com"], "paths": ["/shop"]}]}],
            "upstreams": [{"name": "pool", "algorithm": "least-connections", "targets": [{"target": "10.0.0.1:80"}]}]}},
        {"origin": "a"}, {"origin": "b"}]}))
    document = matrix(chain, "--faults", "no_answer,rst_after_request", "--methods", "GET,POST")
    hangs = case_of(document, "no_answer", "POST")
    assert hangs["status"] == 504 and hangs["elapsed_ms"] >= 90000
    assert case_of(document, "rst_after_request")["hits_total"] == 2
    assert document["time_scale"] == 20


# ---- reports -----------------------------------------------------------------------------------


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]

    def handle_data(self, data):
        self.text += data


def test_reports_are_whole_and_need_nothing_else(lab_verb, tmp_path):
    chain = tmp_path / "chain.yaml"
    chain.write_text(to_yaml({"name": "of-a-test", "description": "<script>alert('x')</script> & more",
                              "path": [{"hop": "gateway"}, {"origin": "server"}]}))
    page_path, junit_path = tmp_path / "report.html", tmp_path / "junit.xml"
    out = lab_verb("matrix", chain, "--faults", "ok,http09,refused,wire-cut", "--html", page_path, "--junit", junit_path,
                   *PATIENT).stdout
    assert max(map(len, out.splitlines())) <= 100
    assert re.search(r"^502 +gateway connect refused +refused +server +POST ", out, re.M), out

    page = Page()
    page.feed(page_path.read_text())
    assert page.links == [] and not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "url(" not in page_path.read_text() and "@import" not in page_path.read_text()
    assert "<script>alert('x')</script> & more" in page.text
    assert page.text.count("Verdict:") == 8 and "hop \"gateway\"" in page.text

    suite = xml.etree.ElementTree.parse(junit_path).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("8", "0")
    assert {(case.get("classname"), case.get("name")) for case in suite} >= {
        ("of-a-test.server", "refused POST"), ("of-a-test.gateway-server", "wire-cut GET")}


def test_expectation_that_fails_is_told_and_fails_the_run(lab_verb, tmp_path):
    rules, junit = tmp_path / "rules.yaml", tmp_path / "junit.xml"
    rules.write_text("- {fault: refused, status: 503}\n- {fault: ok, status: 200, duplicates: 0}\n- {place: nowhere}\n")
    out = lab_verb("matrix", "kong-alone", "--faults", "ok,refused", "--methods", "GET", "--expect", rules, "--junit", junit,
                   *PATIENT, code=1).stdout
    assert "UNMET  GET refused at server: status is 502, not 503" in out
    assert "no case is meant by the rule" in out
    suite = xml.etree.ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed[0] == "refused GET" and len(failed) == 2


def test_result_of_a_run_is_the_expectation_of_the_next(lab_verb, tmp_path):
    words = ("matrix", "kong-alone", "--faults", "ok,refused,garbage_text_close", *PATIENT)
    before = tmp_path / "before.json"
    before.write_text(lab_verb(*words, "--json").stdout)
    assert "UNMET" not in lab_verb(*words, "--expect", before).stdout
    changed = json.loads(before.read_text())
    changed["cases"][0]["culprit"] = "somebody-else"
    before.write_text(json.dumps(changed))
    assert "UNMET" in lab_verb(*words, "--expect", before, code=1).stdout


# ---- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("words, code, text", [
    (("kong-alone", "--faults", "refusd"), 64, "did you mean refused?"),
    (("kong-alone", "--faults", "latenc:ms=3"), 64, "did you mean 'latency'?"),
    (("kong-alone", "--faults", "tls_expired_verify"), 64, "the origin of this chain cannot fail so"),
    (("kong-alone", "--places", "gateway-servr"), 64, "did you mean gateway-server?"),
    (("kong-alone", "--methods", "get"), 64, "methods are like GET,POST"),
    (("kong-alone", "--time-scale", "0"), 64, "--time-scale is a number"),
    (("kong-alone", "--faults"), 64, "a value must follow --faults"),
    (("kong-alone", "--expect", "/nowhere.yaml"), 78, "/nowhere.yaml"),
    (("no-such-chain",), 78, "no-such-chain"),
    ((), 64, "CHAIN is missing"),
])
def test_mistake_is_told_before_anything_starts(lab_verb, words, code, text):
    assert text in lab_verb("matrix", *words, code=code).stderr


def test_mistake_in_a_rule_has_its_place(lab_verb, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("- {fault: refused, staus: 502}\n")
    done = lab_verb("matrix", "kong-alone", "--expect", rules, code=78)
    assert f"{rules}:1:" in done.stderr and "did you mean 'status'?" in done.stderr


# ---- one request -------------------------------------------------------------------------------


def test_one_request_through_a_chain(lab_verb):
    out = lab_verb("run", "kong-alone", "--", "-X", "PUT", "-d", "some text", "-H", "X-Kind: b", "/echo").stdout
    assert out.startswith('200: origin "server" answered it')
    assert "HTTP/1.1 200 OK" in out and "PUT /echo HTTP/1.1" in out
    assert "X-Kind: b" in out and "Content-Length: 9" in out
    assert re.search(r"client +gateway +", out) and "--PUT--" in out


def test_one_request_that_fails(lab_verb):
    out = lab_verb("run", "f5-kong-f5", "--fault", "refused", "--place", "origins", "--", "-d", "x").stdout
    assert out.startswith('502: it began at hop "inner": origin "server-')
    assert "\nfix: start that server" in out and "HTTP/1.1 502 Bad Gateway" in out


def test_one_request_wants_one_fault_at_one_place(lab_verb):
    assert "--place says which" in lab_verb("run", "f5-kong-f5", "--fault", "wire-cut", code=64).stderr
    assert "behind -- follow" in lab_verb("run", "kong-alone", "--", "-k", code=64).stderr
