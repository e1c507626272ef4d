"""`hopgate lab headers`: what each hop does to every field, as a ledger, as expectations, and of real products."""
import json
import os
import pathlib
import re
import signal
import subprocess
import xml.etree.ElementTree

import pytest

from lab.hop import REPORTS, SANITIZERS, to_yaml
from lab.lab import service_to
from lab.peers import PEERS
from lab.ports import free_port
from lab.wait import DEADLINE_S, wait_until

DATA = json.loads((pathlib.Path(__file__).parents[1] / "data" / "header-ledger.json").read_text())
RUN_S = 200  # several processes under sanitizers, and certificates

pytestmark = pytest.mark.timeout(240)


class Finished:
    def __init__(self, done):
        self.code, self.raw = done.returncode, done.stdout
        self.out, self.err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert not any(word in self.err for word in REPORTS), self.err


def call(binary, directory, *arguments):
    done = subprocess.run([str(binary), "lab", "headers", *map(str, arguments)], cwd=directory, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=RUN_S, check=False,
                          env={**os.environ, **SANITIZERS})
    return Finished(done)


@pytest.fixture
def headers(binary, tmp_path):
    return lambda *arguments: call(binary, tmp_path, *arguments)


def ledger_of(place, direction):
    return {entry["field"].lower(): entry for entry in place[direction]["ledger"]}


def told(entry):
    """"changed re-cased", as the rows have it."""
    return entry["change"] + (" re-cased" if entry["recased"] else "")


def differences(rows, ledger):
    """What is not as the rows say."""
    for field, row in rows.items():
        change, *values = row if isinstance(row, list) else [row]
        entry = ledger.get(field.lower())
        if entry is None or told(entry) != change:
            yield f"{field}: {entry and told(entry)}, not {change}: {entry}"
        elif values and [entry.get("before"), entry.get("after")] != values:
            yield f"{field}: {entry}, not {values}"


# ---- hops of ours ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chain_report(binary, tmp_path_factory):
    reports = {}

    def report(name):
        if name not in reports:
            done = call(binary, tmp_path_factory.mktemp("headers"), name, "--json")
            assert done.code == 0, done.err
            reports[name] = json.loads(done.out)
        return reports[name]

    return report


HOPS = [(chain, hop, direction) for chain, hops in DATA["chains"].items() for hop in hops
        for direction in hops[hop]]


@pytest.mark.parametrize("chain,hop,direction", HOPS)
def test_hop_does_to_each_field_what_its_product_does(chain_report, chain, hop, direction):
    places = {place["name"]: place for place in chain_report(chain)["hops"]}
    rows = DATA["chains"][chain][hop][direction]
    assert list(differences(rows, ledger_of(places[hop], direction))) == []


def test_hops_are_joined_and_end_to_end_is_what_they_do_together(chain_report):
    report = chain_report("f5-kong-f5")
    assert [hop["name"] for hop in report["hops"]] == ["outer", "gateway", "inner"]
    assert [hop["persona"] for hop in report["hops"]] == ["f5", "kong", "f5"]
    whole = [report["end_to_end"]]
    for direction, hops in (("request", report["hops"]), ("response", report["hops"][::-1])):
        for before, after in zip(hops, hops[1:]):
            assert before[direction]["sent"] == after[direction]["received"]
        assert whole[0][direction]["received"]["fields"] == hops[0][direction]["received"]["fields"]
        assert whole[0][direction]["sent"]["fields"] == hops[-1][direction]["sent"]["fields"]
    assert re.fullmatch(r"outer: .*; gateway: \d+ added, \d+ dropped, \d+ changed.*; inner: .*", report["summary"])


def test_text_says_only_what_changed_within_a_hundred_columns(headers):
    done = headers("firewall-between")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("edge: ") and "gateway: " in " ".join(lines[:2])
    assert max(map(len, lines)) <= 100
    assert "gateway, request" in lines and "edge, response" in lines
    assert re.search(r"^  Proxy +dropped +http://forged.test$", done.out, re.M)
    assert "X-Double" not in done.out
    more = headers("kong-alone", "--all", "--at", "gateway")
    assert more.code == 0, more.err
    assert re.search(r"^  X-Double +kept +one \| two$", more.out, re.M)
    assert max(map(len, more.out.splitlines())) <= 100


def test_answer_of_a_hop_is_told_apart_from_the_origins(headers, tmp_path):
    request = tmp_path / "request"
    request.write_text("GET / HTTP/1.1\nX-No-Host: here\n\n")
    chain = tmp_path / "chain.yaml"
    chain.write_text("name: two\npath:\n- {hop: front}\n- {hop: inner}\n- {origin: server}\n")
    done = headers(chain, "--request", request)
    assert done.code == 0, done.err
    assert "inner: not reached" in re.sub(r"\s+", " ", done.out)
    assert "made by this hop" in done.out and "HTTP/1.1 400 Bad Request" in done.out
    assert "was not sent on" in done.out


def test_hop_that_resets_is_told_and_what_it_got_is_shown(headers, tmp_path):
    request = tmp_path / "request"
    request.write_text("GET / HTTP/1.1\nX-No-Host: here\n\n")
    done = headers("f5-kong-f5", "--request", request)
    assert done.code == 0, done.err
    assert "the client got no answer" in done.err
    assert "gateway: not reached" in done.out and "outer, response: none" in done.out


def test_nothing_is_left_of_a_run_that_is_interrupted(binary, tmp_path):
    chain = tmp_path / "chain.yaml"
    chain.write_text("name: silent\npath:\n- {hop: gw}\n- {wire: hole, faults: [{kind: drop}]}\n- {origin: server}\n")
    process = subprocess.Popen([str(binary), "lab", "headers", str(chain)], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **SANITIZERS})
    folders = []

    def hop_runs():
        folders.extend(folders_of_hop(process.pid))
        return any((folder / "gw" / "prefix" / "control.sock").exists() for folder in folders) or process.poll() is not None

    wait_until(hop_runs, "the hop", RUN_S)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(RUN_S) != 0
    wait_until(lambda: not folders[0].exists(), "the lab to be gone", RUN_S)


def test_a_run_that_is_interrupted_does_not_wait_for_its_answer(binary, tmp_path):
    chain = tmp_path / "chain.yaml"
    chain.write_text("name: silent\nclient: {timeout: 600000}\npath:\n- {hop: gw, entities: {_format_version: '3.0', services: ["
                     "{name: s, host: x, read_timeout: 500000, routes: [{paths: [/]}]}]}}\n"
                     "- {wire: hole, faults: [{kind: drop}]}\n- {origin: server}\n")
    process = subprocess.Popen([str(binary), "lab", "run", "--time-scale", "1", str(chain)], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **SANITIZERS})
    folders = []

    def request_is_on_its_way():
        folders.extend(folders_of_hop(process.pid))
        logs = [folder / "hole" / "wire.log" for folder in folders]
        return any(log.exists() and log.stat().st_size > 0 for log in logs) or process.poll() is not None

    wait_until(request_is_on_its_way, "the request", RUN_S)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(RUN_S) == 1  # far less than the ten minutes that all parts would wait
    wait_until(lambda: not folders[0].exists(), "the lab to be gone", RUN_S)


def folders_of_hop(parent):
    """Where the lab of that process has the files of its hop gw."""
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_text().split("\0")
            parent_of = (path / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue  # it has ended meanwhile
        if parent_of == str(parent):
            yield from (pathlib.Path(word).parents[1] for word in words if word.endswith("/gw/kong.conf"))


# ---- secrets and hostile bytes -----------------------------------------------------------------

HOSTILE = (b"GET /?token=s3cret HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic s3cret\r\nCookie: a=s3cret; b=1\r\n"
           b"X-Api-Key: s3cret\r\nX-Evil: <script>alert('1')</script>&\"\xff\xc2\x9b\r\n\r\n")
ESCAPES = HOSTILE.replace(b"<script>", b"\x1b[31m\x7f<script>")  # a hop of ours refuses them, nginx does not


def chain_with_fields(tmp_path, *operations):
    """A chain of one kong whose route does these things to requests."""
    entities = {"_format_version": "3.0", **service_to(("10.0.0.1", 80)), "hopgate": {"fields": [
        {"request": list(operations)}]}}
    path = tmp_path / "chain.yaml"
    path.write_text(to_yaml({"name": "of-a-test", "path": [{"hop": "gw", "persona": "kong", "entities": entities},
                                                           {"origin": "server"}]}))
    return path


def test_secrets_are_masked_everywhere_and_their_changes_show(headers, tmp_path):
    chain = chain_with_fields(tmp_path, {"set": "Authorization", "value": "Basic oth3r"})
    request, page, junit = tmp_path / "request", tmp_path / "page.html", tmp_path / "junit.xml"
    request.write_bytes(HOSTILE)
    expect = tmp_path / "expect.yaml"
    expect.write_text("request: {end_to_end: {fields: [{field: Authorization, is: kept, value: Basic s3cret}]}}\n")
    options = ("--request", request, "--html", page, "--expect", expect, "--junit", junit)
    text, as_json = headers(chain, "--all", *options), headers(chain, "--json", *options)
    assert (text.code, as_json.code) == (1, 1)
    for shown in (text.out, text.err, as_json.out, as_json.err, page.read_text(), junit.read_text()):
        assert "s3cret" not in shown and "oth3r" not in shown
    entry = ledger_of(json.loads(as_json.out)["hops"][0], "request")["authorization"]
    assert entry["change"] == "changed" and entry["before"] != entry["after"]
    assert re.fullmatch("masked:[0-9a-f]{8}", entry["before"])
    assert re.search(r"Authorization +changed +masked:\w{8} -> masked:\w{8}$", text.out, re.M)
    cookie = ledger_of(json.loads(as_json.out)["hops"][0], "request")["cookie"]
    assert cookie["change"] == "kept" and cookie["before"] == cookie["after"]
    assert "Basic s3cret -> Basic oth3r" in headers(chain, "--show-secrets", "--request", request).out


def test_hostile_bytes_reach_neither_terminal_nor_page(headers, product, tmp_path):
    request, page = tmp_path / "request", tmp_path / "page.html"
    request.write_bytes(HOSTILE)
    text = headers("kong-alone", "--all", "--request", request, "--html", page)
    shows_nothing_raw(text, page, r"""<script>alert('1')</script>&"\xff\xc2\x9b""")
    as_json = headers("kong-alone", "--json", "--request", request)
    assert re.fullmatch(rb"[ -~\n]*", as_json.raw)
    evil = ledger_of(json.loads(as_json.out)["hops"][0], "request")["x-evil"]
    assert evil["change"] == "kept" and evil["after_base64"]
    listen, origin = product("nginx")
    request.write_bytes(ESCAPES)
    text = headers("--url", f"http://{listen}/", "--origin", origin, "--all", "--request", request, "--html", page)
    shows_nothing_raw(text, page, r"""\x1b[31m\x7f<script>alert('1')</script>""")


def shows_nothing_raw(text, page, shown):
    assert text.code == 0, text.err
    assert re.fullmatch(rb"[ -~\n]*", text.raw)
    assert shown in text.out
    assert re.fullmatch(rb"[ -~\n]*", page.read_bytes())
    assert "<script" not in page.read_text() and "&#60;script&#62;alert(&#39;1&#39;)" in page.read_text()


# ---- expectations ------------------------------------------------------------------------------

AS_IT_IS = """
request:
  end_to_end:
    fields:
    - {field: authorization, is: kept}
    - {field: X-Forwarded-For, value: "203.0.113.7, 127.0.0.1"}
    - {field: Proxy, absent: true}
  hops:
    gateway:
      fields: [{field: Via, is: [kept, extended]}, {field: X-Double, value: [one, two]}]
response:
  end_to_end: {fields: [{field: Server, is: kept, value: origin/1}]}
"""

AS_IT_IS_NOT = """request:
  end_to_end:
    fields:
    - {field: Authorization, is: kept}
    - {field: X-Listed, is: kept}
  hops:
    inner:
      fields: []
      nothing_else: true
"""


def test_expectations_that_are_met(headers, tmp_path):
    (tmp_path / "expect.yaml").write_text(AS_IT_IS)
    done = headers("kong-alone", "--expect", "expect.yaml", "--junit", "junit.xml")
    assert done.code == 0, done.out + done.err
    assert "expectations: 6 met, 0 not" in done.out
    suite = xml.etree.ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), len(suite)) == ("6", "0", 6)


def test_expectation_that_fails_names_its_line_the_field_and_the_hop(headers, tmp_path):
    (tmp_path / "expect.yaml").write_text(AS_IT_IS_NOT)
    done = headers("f5-kong-f5", "--expect", "expect.yaml", "--junit", "junit.xml")
    said = re.sub(r"\s+", " ", done.out)
    assert done.code == 1 and "expectations: 1 met, 2 not" in said
    assert ('expect.yaml:5:7: request, end to end: X-Listed is dropped "1", expected kept; '
            'by hop outer: dropped "1"') in said
    assert "expect.yaml:9:21: request, hop inner: nothing else was to change, but " in said
    assert "X-Forwarded-For is lines-added" in said
    suite = xml.etree.ElementTree.parse(tmp_path / "junit.xml").getroot()
    failures = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failures == ["request, end to end: X-Listed (line 5)", "request, hop inner: nothing else (line 9)"]
    as_json = json.loads(headers("f5-kong-f5", "--json", "--expect", "expect.yaml").out)["expectations"]
    assert as_json["met"] == 1
    assert [(one["hop"], one["field"], one["line"]) for one in as_json["unmet"]] == [(None, "X-Listed", 5),
                                                                                     ("inner", None, 9)]


def test_mistakes_are_told_before_anything_starts(headers, tmp_path):
    expect = tmp_path / "expect.yaml"
    expect.write_text("request: {end_to_end: {fields: [{field: A, is: keept}]}}\n")
    done = headers("kong-alone", "--expect", "expect.yaml")
    assert done.code == 78 and "expect.yaml:1:48" in done.err and "did you mean 'kept'?" in done.err
    expect.write_text("request: {hops: {gatway: {nothing_else: true}}}\n")
    done = headers("kong-alone", "--expect", "expect.yaml")
    assert done.code == 78 and 'expect.yaml:1:41: error: there is no hop "gatway" in kong-alone' in done.err
    chain = tmp_path / "chain.yaml"
    chain.write_text("name: a\npath:\n- {hop: gw}\n- {origin: server, address: \"127.0.0.1:1\"}\n")
    done = headers(chain)
    assert done.code == 1 and "use --url: server" in done.err


@pytest.mark.parametrize("arguments,words", [
    ((), "CHAIN is missing"), (("kong-alone", "--at", "nobody"), "no hop of the chain: nobody"),
    (("--url", "http://a.test/"), "--url needs --origin"), (("kong-alone", "--origin", "127.0.0.1:1"), "go with --url"),
    (("kong-alone", "--junit", "a"), "needs --expect"), (("kong-alone", "--wrong"), "not understood: --wrong"),
    (("kong-alone", "--html"), "a value must follow --html"),
    (("kong-alone", "--url", "http://a.test/"), "either CHAIN or --url"),
    (("kong-alone", "--request", "missing"), "missing"),
])
def test_usage(headers, arguments, words):
    done = headers(*arguments)
    assert done.code == 64 and words in done.err


# ---- products that are not ours ----------------------------------------------------------------

NGINX = """
daemon off; master_process off; worker_processes 1; pid {directory}/pid; error_log {directory}/log;
events {{ worker_connections 64; }}
http {{
  access_log off; upstream up {{ server {origin}; }}
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  server {{ listen {listen}; location / {{ proxy_pass http://up; {more} }} }}
}}
"""

HAPROXY = """
defaults
  mode http
  timeout connect 60s
  timeout client 60s
  timeout server 60s
frontend front
  bind {listen}
  default_backend back
backend back
  server origin {origin}
"""

KEEP_ALIVE = 'proxy_http_version 1.1; proxy_set_header Connection "";'
PRODUCTS = {
    "nginx": ("nginx", NGINX, ["/usr/sbin/nginx", "-c"], ""),
    "nginx-ka": ("nginx", NGINX, ["/usr/sbin/nginx", "-c"], KEEP_ALIVE),
    "haproxy": ("haproxy", HAPROXY, ["/usr/sbin/haproxy", "-db", "-f"], ""),
}


@pytest.fixture
def product(tmp_path):
    """Starts one of PRODUCTS; gives its address and that of the origin behind it, which nobody has taken yet."""
    started = []

    def start(name):
        peer, template, command, more = PRODUCTS[name]
        if PEERS[peer].missing():
            pytest.skip(PEERS[peer].missing())
        listen, origin = (f"{host}:{free_port(host)}" for host in ("127.0.0.1", "127.0.77.1"))
        conf = tmp_path / "product.conf"
        conf.write_text(template.format(directory=tmp_path, listen=listen, origin=origin, more=more))
        with open(tmp_path / "product.log", "wb") as log:
            process = subprocess.Popen([*command, str(conf)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        started.append(process)
        wait_until(lambda: listens(listen) or process.poll() is not None, f"{name} to listen")
        assert process.poll() is None, (tmp_path / "product.log").read_text()
        return listen, origin

    yield start
    for process in started:
        process.kill()
        process.wait(DEADLINE_S)


def listens(address):
    host, port = address.split(":")
    wanted = "".join(f"{int(part):02X}" for part in reversed(host.split("."))) + f":{int(port):04X}"
    sockets = (line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(words[1] == wanted and words[3] == "0A" for words in sockets)


@pytest.mark.parametrize("name", PRODUCTS)
def test_real_product_does_what_was_measured(headers, product, name):
    listen, origin = product(name)
    done = headers("--url", f"http://{listen}/", "--origin", origin, "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["hops"] == []
    for direction in ("request", "response"):
        ledger = ledger_of(report["end_to_end"], direction)
        assert list(differences(DATA["products"][name][direction], ledger)) == []


def test_origin_of_a_product_that_cannot_listen_is_told(headers):
    done = headers("--url", "http://127.0.0.1:1/", "--origin", "192.0.2.1:80")
    assert done.code == 1 and "the origin does not start at 192.0.2.1:80" in done.err
    done = headers("--url", "http://127.0.0.1:1/", "--origin", f"127.0.77.2:{free_port('127.0.77.2')}")
    assert done.code == 1 and "the client got no answer: 127.0.0.1:1 refuses the connection" in done.err


# ---- the capture itself ------------------------------------------------------------------------


def test_capture_is_refused_outside_the_lab(hopgate, tmp_path):
    conf = tmp_path / "kong.conf"
    conf.write_text(f"prefix = {tmp_path}/prefix\nhopgate_capture_log = heads\n")
    done = hopgate("check", "-c", conf)
    assert done.code == 78
    assert "kong.conf:2" in done.err and "only with hopgate_lab = on" in done.err


def captures(hop):
    path = hop.directory / "prefix" / "heads"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_hop_writes_down_what_it_answers_itself_and_masks_credentials(lab):
    hop = lab.kong(lab.refusing_port(), conf={"hopgate_lab": "on", "hopgate_capture_log": "heads"})
    client = lab.client(hop)
    assert client.get("/?token=s3cret", fields=[("Authorization", "s3cret")]).status == 502
    wait_until(lambda: captures(hop), "the capture")
    line = captures(hop)[0]
    assert line["source"] == "self" and line["response_sent"]["line"] == "HTTP/1.1 502 Bad Gateway"
    assert "response_received" not in line and "request_sent" not in line
    assert line["request_received"]["line"] == "GET /?token=****** HTTP/1.1"
    assert "s3cret" not in json.dumps(line)
    assert line["client"]["local_port"] == hop.port
