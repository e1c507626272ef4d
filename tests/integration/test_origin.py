"""`hopgate origin`: what it answers, what it notes, how it is told to fail, and that nobody hurts it."""
import base64
import http.client
import json
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest

from lab.client import RawClient, Truncated
from lab.hop import SANITIZERS
from lab.origin_process import OriginProcess
from lab.wait import DEADLINE_S, wait_until
from lab.wire import Ended


@pytest.fixture
def start(binary, tmp_path):
    started = []

    def start_one(*arguments, **options):
        started.append(OriginProcess(binary, tmp_path / f"origin{len(started)}", *arguments, **options))
        return started[-1]

    yield start_one
    problems = [problem for origin in started if (problem := origin.stop())]
    assert not problems, problems


@pytest.fixture(scope="module")
def origin_of_module(binary, tmp_path_factory):
    origin = OriginProcess(binary, tmp_path_factory.mktemp("origin"))
    yield origin
    assert origin.stop() == ""


def client(origin, name=None, **options):
    return RawClient(*(origin.addresses[name] if name else origin.address), **options)


def statuses(origin, count, target="/"):
    """Of so many requests, each on a connection of its own."""
    seen = []
    for _ in range(count):
        one = client(origin)
        seen.append(one.get(target).status)
        one.close()
    return seen


# ---- the good answer ---------------------------------------------------------------------------


def test_a_good_answer_is_the_listeners_name(start):
    origin = start("--listen", "127.0.1.5:0,name=shop")
    answer = client(origin).get("/x?y=1")
    assert (answer.status, answer.content, origin.address[0]) == (200, b"shop", "127.0.1.5")


def test_the_good_answer_is_as_the_command_line_says(start):
    origin = start("--status", 418, "--field", "X-A: 1", "--field", "X-A: 2", "--content", "tea", "--delay", 30)
    started = time.monotonic()
    answer = client(origin).get("/")
    assert (answer.status, answer.content, answer.fields.all("X-A")) == (418, b"tea", ["1", "2"])
    assert time.monotonic() - started >= 0.03


def test_a_size_is_a_pattern_that_tells_its_offsets(start):
    answer = client(start("--size", 1_000_000)).get("/")
    assert answer.content == b"".join(b"%015x\n" % at for at in range(0, 1_000_000, 16))


def test_connections_are_kept_pipelined_and_closed_as_asked(start):
    one = client(start())
    one.send(b"".join(one.request_bytes("GET", f"/{i}") for i in range(3)) +
             one.request_bytes("POST", "/", [("Transfer-Encoding", "chunked")]) + b"3\r\nabc\r\n0\r\n\r\n" +
             one.request_bytes("HEAD", "/") + one.request_bytes("GET", "/", [("Connection", "close")]))
    assert [one.read_response().status for _ in range(4)] == [200] * 4
    assert one.read_response("HEAD").fields.get("Content-Length") == "6"
    assert one.read_response().fields.get("Connection") == "close"
    assert one.wait_for_end() == "fin"


def test_who_expects_100_gets_it(start):
    one = client(start())
    one.send(one.request_bytes("POST", "/", [("Expect", "100-continue"), ("Content-Length", "5")]))
    assert one.read_head().status == 100
    one.send(b"hello")
    assert one.read_response().status == 200


# ---- what it shows and notes -------------------------------------------------------------------

ODD = (b"GET /echo?a=%00 HTTP/1.1\r\nHost: a\r\nx-Twice: 1\r\nX-TWICE:2\r\nX-Bytes: \xff\xfe\r\nX-Utf: \xc3\xa9\r\n"
       b"X-Empty:\r\nno colon here\r\nX-Hopgate-Case: case-1\r\nX-Request-Id: id-1\r\n\r\n")


def test_echo_returns_the_head_byte_for_byte(start):
    one = client(start())
    one.send(ODD)
    assert one.read_response().content == ODD


def test_the_ledger_tells_request_and_connection(start):
    origin = start()
    one = client(origin)
    one.get("/first")
    one.send(ODD.replace(b"/echo", b"/ledger"))
    facts = json.loads(one.read_response().content)
    assert facts["fields"] == [
        {"name": "Host", "value": "a"}, {"name": "x-Twice", "value": "1"}, {"name": "X-TWICE", "value": "2"},
        {"name": "X-Bytes", "value_base64": base64.b64encode(b"\xff\xfe").decode()}, {"name": "X-Utf", "value": "é"},
        {"name": "X-Empty", "value": ""}, {"name": "no colon here", "value": ""},
        {"name": "X-Hopgate-Case", "value": "case-1"}, {"name": "X-Request-Id", "value": "id-1"}]
    assert (facts["method"], facts["target"], facts["version"]) == ("GET", "/ledger?a=%00", "HTTP/1.1")
    assert (facts["case"], facts["request_id"], facts["number"]) == ("case-1", "id-1", 2)
    assert facts["peer"] == f"127.0.0.1:{one.local_port}" and facts["local"] == "{}:{}".format(*origin.address)


@pytest.mark.parametrize("form, content", [("head", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"), ("json", None)])
def test_echo_can_be_the_answer_to_everything(start, form, content):
    one = client(start("--echo", form))
    one.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    answer = one.read_response()
    assert answer.content == content or json.loads(answer.content)["target"] == "/"


def test_hits_and_duplicates_are_counted(start):
    origin = start()
    one = client(origin)
    for case in ("a", "b", "a", "a"):
        one.post("/", b"x", [("X-Hopgate-Case", case), ("X-Request-Id", f"id-{case}")])
    one.get("/fault/status_503")
    hits = origin.hits()
    assert hits["methods"] == {"POST": 4, "GET": 1} and hits["cases"] == {"a": 3, "b": 1}
    assert hits["duplicates"] == {"cases": {"a": 3}, "request_ids": {"id-a": 3}}
    assert hits["faults"] == {"status_503": 1} and (hits["requests"], hits["connections"]) == (5, 1)
    assert [request["case"] for request in origin.requests("case=b")] == ["b"]
    assert [request["id"] for request in origin.requests("since=2&limit=2")] == [3, 4]
    assert origin.requests("since=18446744073709551615") == []
    for query in ("since=18446744073709551616", "since=-1", "limit=x", "limit=5&since=%31"):
        assert origin.ask("GET", f"/requests?{query}")[0] == 400, query
    origin.told("POST", "/reset")
    assert origin.hits()["requests"] == 0 and origin.requests() == []


def test_the_log_has_a_line_per_request(start):
    origin = start()
    one = client(origin)
    one.post("/", b"hello", [("X-Hopgate-Case", "c")])
    one.send(one.request_bytes("GET", "/fault/close_mid_body_cl"))
    with pytest.raises(Truncated):
        one.read_response()
    first, second = origin.wait_log(2)
    assert first["end"] == "kept" and first["status"] == 200 and first["content_bytes"] == 5 and first["case"] == "c"
    assert second["end"] == "fin" and second["fault"] == "close_mid_body_cl" and second["bytes_sent"] == 50
    assert [line["number"] for line in (first, second)] == [1, 2] and first["connection"] == second["connection"]
    assert first["peer"] == f"127.0.0.1:{one.local_port}" and "fields" not in first


def test_a_connection_without_a_request_has_a_line_too(start):
    origin = start("--fault", "accept_close")
    one = client(origin)
    assert one.wait_for_end() == "fin"
    line, = origin.wait_log(1)
    assert (line["number"], line["fault"], line["end"]) == (0, "accept_close", "fin")
    assert line["peer"] == f"127.0.0.1:{one.local_port}"


def test_a_head_of_thousands_of_fields_is_noted_in_part(start):
    origin = start("--echo", "head")
    one = client(origin)
    head = b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 6000 + b"\r\n"
    one.send(head)
    assert one.read_response().content == head
    request, = origin.requests()
    assert len(request["fields"]) == 5000 and request["fields_omitted"] == 1000


# ---- faults ------------------------------------------------------------------------------------


def test_a_fault_is_chosen_by_path_query_or_field(start):
    one = client(start())
    assert one.get("/fault/status_404").status == 404
    assert one.get("/any?x=1&fault=status_503").status == 503
    assert one.get("/any", [("X-Origin-Fault", "status_429")]).status == 429
    assert one.get("/any").status == 200


def test_a_wrong_name_is_told(start):
    one = client(start())
    answer = one.get("/fault/status_503x")
    assert (answer.status, answer.text) == (404, 'there is no such fault; did you mean "status_503"?\n')
    answer = one.get("/fault/refused")
    assert answer.status == 501 and "about connecting" in answer.text
    assert one.get("/fault/tls_ok_noverify").status == 501


def test_listeners_have_scripts_of_their_own(start, tmp_path):
    (tmp_path / "b.yaml").write_text("answer: {status: 202}\n")
    origin = start("--listen", "127.0.0.1:0,name=a", "--listen", f"127.0.0.1:0,name=b,script={tmp_path}/b.yaml",
                   "--listen", "127.0.0.1:0,name=c,fault=status_403")
    assert [client(origin, name).get("/").status for name in "abc"] == [200, 202, 403]
    assert origin.hits()["listeners"] == {"a": 1, "b": 1, "c": 1}


SCRIPT = """
rules:
- {match: {method: POST, path_prefix: /pay}, nth: [2, 3], answer: {status: 503}}
- {match: {field: x-kind, value: bad}, fault: half}
- {match: {path: /every}, every: 3, answer: {status: 500, fields: {Retry-After: "1"}, content: wait}}
- {match: {path: /twice}, times: 2, steps: [read_request, [send, "HTTP/1.1 204 No Content\\r\\n\\r\\n"]]}
faults:
  half: {steps: [[read_request], [send, "HTTP/1.1 2"], [close]]}
"""


def test_rules_choose_by_number_match_and_times(start, tmp_path):
    (tmp_path / "script.yaml").write_text(SCRIPT)
    origin = start("--script", tmp_path / "script.yaml")
    one = client(origin)
    assert [one.post("/pay/1", b"x").status for _ in range(5)] == [200, 503, 503, 200, 200]
    assert [one.get("/pay").status for _ in range(3)] == [200] * 3
    assert [one.get("/every").status for _ in range(7)] == [200, 200, 500, 200, 200, 500, 200]
    assert [one.get("/twice").status for _ in range(3)] == [204, 204, 200]
    one.send(one.request_bytes("GET", "/", [("X-Kind", "bad")]))
    assert one.read_to_end() == (b"HTTP/1.1 2", "fin")
    rules = origin.told("GET", "/faults")["listeners"][0]["rules"]
    assert [(rule["seen"], rule["held"]) for rule in rules] == [(5, 2), (1, 1), (7, 2), (3, 2)]


def test_connections_fail_before_a_request_is_read(start):
    origin = start()
    origin.told("PUT", "/faults", {"rules": [{"on": "connection", "every": 2, "steps": [["send", "no\r\n"], ["close"]]}]})
    assert client(origin).get("/").status == 200
    assert client(origin).read_to_end() == (b"no\r\n", "fin")
    assert client(origin).get("/").status == 200


def draw(start, seed):
    origin = start("--seed", seed)
    origin.told("PUT", "/faults", {"rules": [{"probability": 0.5, "answer": {"status": 500}}]})
    one = client(origin)
    first = [one.get("/").status for _ in range(64)]
    origin.told("PUT", "/faults", {"rules": [{"probability": 0.5, "answer": {"status": 500}}]})
    assert [one.get("/").status for _ in range(64)] == first  # a script begins with its first number
    return first


def test_chance_repeats_with_its_seed(start):
    first = draw(start, 7)
    assert {200, 500} == set(first)
    assert draw(start, 7) == first != draw(start, 8)


def test_time_is_scaled(start):
    """An hour of the script is 36 ms; that it is over is what is waited for."""
    origin = start("--time-scale", 100_000)
    script = {"rules": [{"until_ms": 3_600_000_000, "answer": {"status": 503, "delay_ms": 60_000}},
                        {"after_ms": 360_000_000, "answer": {"status": 201}}]}
    origin.told("PUT", "/faults", script)
    assert client(origin).get("/").status == 503
    origin.told("PUT", "/faults", {"rules": [{"after_ms": 3_600_000, "answer": {"status": 201}}]})
    wait_until(lambda: client(origin).get("/").status == 201, "the rule to hold")


# ---- the control API ---------------------------------------------------------------------------


def test_a_listener_is_taken_away_and_comes_back(start):
    origin = start()
    for _ in range(3):
        assert client(origin).get("/").status == 200
        origin.told("PUT", "/faults", {"fault": "refused"})
        with pytest.raises(ConnectionRefusedError):  # with the very next SYN
            origin.connect()
        origin.told("PUT", "/faults", {"fault": "connect_blackhole"})
        with pytest.raises(TimeoutError):
            origin.connect(deadline_s=0.3)
        origin.told("DELETE", "/faults")
    assert client(origin).get("/").status == 200


def test_only_the_listener_that_is_meant_changes(start):
    origin = start("--listen", "127.0.0.1:0,name=a", "--listen", "127.0.0.1:0,name=b")
    origin.told("PUT", "/faults?listener=b", "answer: {status: 500}\n")
    assert [client(origin, name).get("/").status for name in "ab"] == [200, 500]
    assert origin.ask("PUT", "/faults?listener=c", "{}")[0] == 404


def test_a_fault_that_is_replaced_lets_go_of_its_connections(start):
    origin = start("--fault", "no_answer")
    one = client(origin)
    one.send(one.request_bytes("GET", "/"))
    wait_until(lambda: origin.hits()["requests"] == 1, "the request")
    origin.told("PUT", "/faults", "{}")
    assert one.read_to_end() == (b"", "reset")
    assert client(origin).get("/").status == 200


def test_a_bad_script_changes_nothing_and_is_told_with_places(start):
    origin = start()
    status, answer = origin.ask("PUT", "/faults", "answer: {status: 1}\nrules:\n- {nht: 3, fault: okk}\n- {}\n")
    places = [(error["line"], error["column"], error["path"]) for error in answer["errors"]]
    assert status == 400
    assert places == [(1, 18, "answer.status"), (3, 4, "rules[0].nht"), (3, 19, "rules[0].fault"), (4, 3, "rules[1]")]
    assert "did you mean 'nth'?" in answer["errors"][1]["message"]
    assert client(origin).get("/").status == 200


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/", 200), ("GET", "/library", 200), ("GET", "/ca", 200), ("GET", "/nothing", 404), ("PUT", "/hits", 405)])
def test_the_control_api_explains_itself(start, method, path, status):
    assert start().ask(method, path)[0] == status


def test_the_control_api_is_not_for_web_pages_or_half_requests(start):
    origin = start()
    connection = origin.connect_control()
    connection.request("POST", "/reset", headers={"Origin": "http://evil.test"})
    assert connection.getresponse().status == 403
    raw = socket.create_connection(origin.control, timeout=DEADLINE_S)
    raw.sendall(b"PUT /faults HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 5_000_000)
    assert raw.recv(65536).startswith(b"HTTP/1.1 413 ")
    raw.close()
    assert origin.hits()["requests"] == 0


@pytest.mark.parametrize("host, fields, status", [
    ("127.0.0.1:{port}", {}, 200), ("127.9.9.9", {}, 200), ("LocalHost:{port}", {}, 200), ("[::1]:{port}", {}, 200),
    ("evil.test:{port}", {}, 403), ("localhost.evil.test", {}, 403), ("127.0.0.1.evil.test", {}, 403),
    ("192.0.2.1", {}, 403), ("0.0.0.0:{port}", {}, 403), ("[::]:{port}", {}, 403), ("", {}, 400),
    ("localhost", {"Sec-Fetch-Site": "none"}, 200), ("localhost", {"Sec-Fetch-Site": "same-origin"}, 200),
    ("localhost", {"Sec-Fetch-Site": "cross-site"}, 403), ("localhost", {"Sec-Fetch-Site": "same-site"}, 403),
    ("localhost", {"Origin": "null"}, 403)])
def test_the_control_api_is_not_for_pages_whose_name_leads_here(origin_of_module, host, fields, status):
    connection = origin_of_module.connect_control()
    connection.putrequest("GET", "/hits", skip_host=True)
    for name, value in {"Host": host.format(port=origin_of_module.control[1]), **fields}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == status


def test_the_control_api_on_a_unix_socket(start, tmp_path):
    path = tmp_path / "control.sock"
    start(control=f"unix:{path}")
    assert path.stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(DEADLINE_S)
        raw.connect(str(path))
        raw.sendall(b"GET /hits HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = http.client.HTTPResponse(raw)
        answer.begin()
        assert json.loads(answer.read())["requests"] == 0


def test_a_control_socket_is_not_taken_from_who_listens_there(start, hopgate, tmp_path):
    path = tmp_path / "control.sock"

    def answers():
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(DEADLINE_S)
            raw.connect(str(path))
            raw.sendall(b"GET /hits HTTP/1.1\r\nHost: a\r\n\r\n")
            return raw.recv(65536).startswith(b"HTTP/1.1 200 ")

    first = start(control=f"unix:{path}")
    done = hopgate("origin", "--listen", "127.0.0.1:0", "--control", f"unix:{path}")
    assert done.code == 1 and f"cannot listen on unix:{path}: it is in use" in done.err, done
    assert answers()
    path.unlink()
    second = start(control=f"unix:{path}")
    assert first.stop() == ""
    assert answers(), "the first one has removed what is not its own"
    second.process.kill()
    second.process.wait()
    second.stop = lambda: ""
    assert path.exists()
    third = start(control=f"unix:{path}")
    assert answers()
    assert third.stop() == "" and not path.exists()


# ---- TLS ---------------------------------------------------------------------------------------


def trusting(folder, certificate=None):
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if certificate:
        context.load_cert_chain(folder / certificate / "chain.pem", folder / certificate / "key.pem")
    context.set_alpn_protocols(["http/1.1"])
    return context


@pytest.fixture
def pki(hopgate, tmp_path):
    assert hopgate("lab", "pki", tmp_path / "pki").code == 0
    return tmp_path / "pki"


def test_tls_facts_are_in_the_ledger(start, pki):
    origin = start("--tls", "--cert", pki / "good/chain.pem", "--key", pki / "good/key.pem", "--client-ca",
                   pki / "ca.pem", "--client-optional")
    known = client(origin, tls=trusting(pki, "client-good"), server_name="shelf.test")
    tls = json.loads(known.get("/ledger").content)["tls"]
    assert (tls["server_name"], tls["alpn"], tls["version"]) == ("shelf.test", "http/1.1", "TLSv1.3")
    assert tls["client_verify"] == "SUCCESS" and tls["client_subject"] and not tls["resumed"]
    context = trusting(pki)
    session = None
    for resumed in (False, True):
        raw = context.wrap_socket(origin.connect(), server_hostname="shelf.test", session=session)
        raw.sendall(b"GET /ledger HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda raw=raw: raw.recv(65536), b""))
        session = raw.session
        tls = json.loads(text.split(b"\r\n\r\n", 1)[1])["tls"]
        assert (tls["client_verify"], tls["client_subject"], tls["resumed"]) == ("NONE", None, resumed)


def test_a_certificate_is_made_when_none_is_given(start):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert client(start("--tls"), tls=context).get("/").status == 200


def test_tls_faults_show_certificates_whose_authority_is_told(start, tmp_path):
    origin = start("--fault", "tls_ok_verify", "--tls-name", "made.test")
    (tmp_path / "ca.pem").write_text(origin.told("GET", "/ca")["ca"])
    assert client(origin, tls=trusting(tmp_path), server_name="made.test").get("/").content == b"tls-a"


def test_a_handshake_may_begin_late(start):
    origin = start("--fault", "tls_slow_handshake", "--time-scale", 100)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert client(origin, tls=context).get("/").content == b"tls-a"


# ---- the command line --------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, code, said", [
    (["--listen", "nowhere"], 64, '--listen nowhere: "nowhere" is no ADDRESS:PORT'),
    (["--listen", "127.0.0.1:0,nmae=a"], 64, '"nmae=a" is none of'),
    (["--listen", "127.0.0.1:0,name=a", "--listen", "127.0.0.1:0,name=a"], 64, 'two listeners are named "a"'),
    (["--listen", "127.0.0.1:0,name=a b"], 64, "a name has letters, digits"),
    (["--time-scale", "0"], 64, "--time-scale is a whole number from 1"),
    (["--echo", "all"], 64, "--echo is head or json"),
    (["--field", "x"], 64, "--field is 'NAME: VALUE'"),
    (["--key", "x"], 64, "--key needs --cert"),
    (["--fault", "okk"], 78, 'there is no fault "okk"; did you mean "ok"?'),
    (["--script", "missing.yaml"], 78, "missing.yaml"),
    (["--control", "192.0.2.1:1"], 1, "loopback addresses only"),
    (["--listen", "127.0.0.1:0", "--tls", "--cert", "missing.pem"], 1, "missing.pem"),
    (["--log", "/nowhere/log"], 1, "cannot write /nowhere/log"),
])
def test_what_cannot_be_is_told(hopgate, arguments, code, said):
    listen = [] if "--listen" in arguments else ["--listen", "127.0.0.1:0"]
    done = hopgate("origin", *listen, *arguments)
    assert done.code == code and said in done.err, done


def test_a_bad_script_is_told_with_file_line_and_column(hopgate, tmp_path):
    (tmp_path / "script.yaml").write_text(
        "rules:\n- {fault: ok, answer: {}}\n- steps: [[sned, x], [sleep]]\n- steps: [[loop]]\n"
        "faults: {a b: {steps: []}}\n")
    done = hopgate("origin", "--script", "script.yaml")
    assert done.code == 78
    for place in ("2:3", "3:11", "3:22", "4:10", "5:15", "5:23"):
        assert re.search(rf"^script.yaml:{place}: error: ", done.err, re.M), (place, done.err)


def test_the_script_in_the_readme_is_a_good_one(start, tmp_path):
    text = (pathlib.Path(__file__).parents[2] / "README.md").read_text().split("## A bad server on purpose")[1]
    (tmp_path / "script.yaml").write_text(re.search(r"```yaml\n(.*?)```", text, re.S)[1])
    rules = start("--script", tmp_path / "script.yaml").told("GET", "/faults")["listeners"][0]["rules"]
    assert [rule["does"] for rule in rules] == ["half", "answer", "accept_rst"]


def test_an_address_that_is_taken_is_told(start, hopgate):
    origin = start()
    done = hopgate("origin", "--listen", "{}:{}".format(*origin.address))
    assert done.code == 1 and f"cannot listen on 127.0.0.1:{origin.port}: Address already in use" in done.err


def test_it_lists_faults_and_steps(hopgate):
    faults, steps = hopgate("origin", "--faults"), hopgate("origin", "--steps")
    assert (faults.code, steps.code) == (0, 0)
    assert re.search(r"^  close_mid_status +FIN in the status line$", faults.out, re.M)
    assert re.search(r"^  read_some N +read until N bytes came", steps.out, re.M)


def test_term_ends_it_whatever_it_does(start, binary, tmp_path):
    origin = start("--fault", "no_read")
    held = [origin.connect() for _ in range(20)]
    wait_until(lambda: origin.hits()["connections"] == 20, "20 connections")
    origin.process.send_signal(signal.SIGTERM)
    assert origin.process.wait(DEADLINE_S) == 0
    for connection in held:
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


# ---- who would hurt it -------------------------------------------------------------------------


def memory_kb(origin):
    status = (f"/proc/{origin.process.pid}/status")
    with open(status) as lines:
        return int(re.search(r"^VmRSS:\s+(\d+) kB", lines.read(), re.M)[1])


def test_a_thousand_half_heads_do_not_hurt(start):
    origin = start()
    held = [origin.connect() for _ in range(1000)]
    for connection in held:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 4000)
    assert client(origin).get("/").status == 200
    for connection in held[::2]:
        connection.close()
    for connection in held[1::2]:
        connection.sendall(b"\r\n\r\n")
    for connection in held[1::2]:
        connection.settimeout(DEADLINE_S)
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.close()
    assert client(origin).get("/").status == 200


def test_a_head_without_end_is_refused_and_takes_no_memory(start):
    origin = start()
    for _ in range(10):
        one = client(origin)
        one.send_what_is_taken(b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 3_000_000)
        try:
            assert one.read_head().status == 431
        except Ended as end:
            assert end.how == "reset"  # it had not read all that we sent
        one.close()
    assert client(origin).get("/").status == 200


def test_who_does_not_read_gets_no_more_than_buffers(start):
    origin = start("--size", 1_000_000_000)
    before = memory_kb(origin)
    held = [origin.connect() for _ in range(20)]
    for connection in held:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    wait_until(lambda: origin.hits()["requests"] == 20, "20 requests")
    assert client(origin).get("/fault/ok").status == 200
    assert memory_kb(origin) - before < 100_000
    for connection in held:
        connection.close()


@pytest.mark.parametrize("garbage", [b"\x00" * 5000 + b"\r\n\r\n", b"\r\n" * 1000, b"\n\n\n", b"POST / HTTP/1.1\r\n"
                                     b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", b"\x16\x03\x01\x02\x00"
                                     b"\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999"
                                     b"\r\n\r\nx", b": \r\n\r\n", b" \r\n\r\n"])
def test_garbage_does_not_hurt(start, garbage):
    origin = start()
    one = client(origin)
    one.send(garbage)
    one.half_close()
    one.read_to_end()
    assert client(origin).get("/").status == 200


def test_it_serves_more_clients_than_it_may_have_by_turns(start):
    origin = start("--max-connections", 4)
    held = [origin.connect() for _ in range(10)]
    for connection in held:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        connection.settimeout(DEADLINE_S)
    for connection in held:
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.close()


def test_a_full_disk_or_closed_log_does_not_stop_it(binary, tmp_path):
    done = subprocess.Popen([str(binary), "origin", "--listen", "127.0.0.1:0", "--log", "/dev/full"], cwd=tmp_path,
                            stderr=subprocess.PIPE, text=True, env=SANITIZERS)
    port = int(re.search(r":(\d+)$", done.stderr.readline())[1])
    assert RawClient("127.0.0.1", port).get("/").status == 200
    done.terminate()
    assert done.wait(DEADLINE_S) == 0
    done.stderr.close()
