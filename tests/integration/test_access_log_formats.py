"""What a line of the access log looks like, and who decides that."""
import re
import socket

import pytest

from lab import behaviours
from lab.client import run
from lab.lab import merge, service_to
from lab.wait import wait_until

ID = "[0-9a-f]{32}"
TIME = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
KONG = {"hopgate_access_log_format": "kong"}


def last_line(hop, path="access.log"):
    log = hop.prefix / "logs" / path
    wait_until(lambda: log.exists() and log.read_text(errors="replace").endswith("\n"), f"a line in {log}")
    return log.read_text(errors="replace").splitlines()[-1]


def kong_line(request, status, body_bytes, referer="-", agent="-", user="-"):
    return re.compile(rf'127\.0\.0\.1 - {user} {TIME} "{re.escape(request)}" {status} {body_bytes} "{re.escape(referer)}" '
                      rf'"{re.escape(agent)}" kong_request_id: "{ID}"')


def test_kong_s_line_is_kong_s(lab):
    hop = lab.kong(lab.origin(content=b"hello"), conf=KONG)
    lab.client(hop).get("/a?b=%22", fields=[("Referer", "http://r/"), ("User-Agent", 'a"b'),
                                            ("Authorization", "Basic YWxpY2U6cw==")])
    assert kong_line("GET /a?b=%22 HTTP/1.1", 200, 5, "http://r/", r"a\x22b", "alice").fullmatch(last_line(hop))


def test_body_bytes_are_all_that_is_sent_but_the_head(lab):
    """nginx counts the framing of chunked content (3 + 2 bytes), and not the head."""
    hop = lab.kong(lab.origin().on("/", behaviours.answer(b"hello", framing="chunked")), conf=KONG)
    answer = lab.client(hop).get("/")
    assert answer.content == b"hello"
    body_bytes = int(re.search(r'" 200 (\d+) "', last_line(hop)).group(1))
    assert 10 < body_bytes <= len(b"1\r\nh\r\n") * 5 + len(b"0\r\n\r\n")


@pytest.mark.parametrize("sent, request_line", [
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/1.1"), (b"GARBAGE\r\n\r\n", "GARBAGE"),
    (b"\x16\x03\x01\x00\x01\x01\r\n\r\n", r"\x16\x03\x01\x00\x01\x01")])
def test_a_bad_request_is_logged_as_far_as_it_was_understood(lab, sent, request_line):
    hop = lab.kong(lab.origin(), conf=KONG)
    client = lab.client(hop)
    client.send(sent)
    client.read_response()
    line = last_line(hop)
    assert re.fullmatch(rf'127\.0\.0\.1 - - {TIME} "{re.escape(request_line)}" 400 \d+ "-" "-" kong_request_id: "{ID}"', line)


def test_a_client_that_left_is_499_and_one_that_was_too_slow_408(lab):
    origin = lab.origin().on("/", behaviours.hang())
    # longer than this process may stand still between its connect and its first byte
    hop = lab.kong(origin, conf={**KONG, "nginx_http_client_header_timeout": "3s"})
    client = lab.client(hop)
    client.send(client.request_bytes("GET", "/"))
    origin.wait_for_requests(1)
    client.close()
    assert kong_line("GET / HTTP/1.1", 499, 0).fullmatch(last_line(hop))
    slow = lab.client(hop)
    slow.send(b"GET /slow HTTP/1.1\r\nHost:")
    slow.wait_for_end()
    wait_until(lambda: " 408 " in hop.access_log.text(), "the line of the slow client")
    assert re.fullmatch(rf'127\.0\.0\.1 - - {TIME} "GET /slow HTTP/1\.1" 408 0 "-" "-" kong_request_id: "{ID}"', last_line(hop))


def test_off_writes_no_file(lab):
    hop = lab.kong(lab.origin(content=b"x"), conf={"proxy_access_log": "off"})
    assert lab.client(hop).get("/").status == 200
    assert hop.stop() == 0
    assert not hop.access_log.path.exists()


def test_proxy_access_log_names_a_format_of_nginx_http_log_format(lab):
    conf = {"proxy_access_log": "logs/other.log brief", "hopgate_access_log_format": None,
            "nginx_http_log_format": """brief '$request_method $uri ' '$status "$http_x_a"'; log_format unused escape=json '$host'"""}
    origin = lab.origin(content=b"x")
    hop = lab.kong(origin, conf=conf)
    lab.client(hop).get("/a%20b?c=1", fields=[("X-A", "\u00e9\"")])
    assert last_line(hop, "other.log") == 'GET /a b 200 "\\xE9\\x22"'


@pytest.mark.parametrize("name", ["combined", "kong_log_format"])
def test_nginx_s_and_kong_s_own_names_are_known(lab, name):
    hop = lab.kong(lab.origin(content=b"x"), conf={"proxy_access_log": f"logs/access.log {name}",
                                                   "hopgate_access_log_format": None})
    lab.client(hop).get("/")
    line = last_line(hop)
    assert re.match(rf'127\.0\.0\.1 - - {TIME} "GET / HTTP/1\.1" 200 1 "-" "-"', line)
    assert ("kong_request_id" in line) == (name == "kong_log_format")


def test_a_format_may_stand_in_the_setting_itself(lab):
    origin = lab.origin(content=b"hello")
    text = 'escape=json {"a":"$upstream_addr","s":"$upstream_status","q":"$args","u":"$http_user_agent","p":"$pipe"}'
    hop = lab.kong(origin, conf={"hopgate_access_log_format": text})
    client = lab.client(hop)
    request = client.request_bytes("GET", "/?x=1", [("User-Agent", "ü\"\t")])
    client.send(request + request)
    assert [client.read_response().status for _ in range(2)] == [200, 200]
    entries = [dict(entry) for entry in hop.access_log.wait(2)]
    want = {"a": f"{origin.host}:{origin.port}", "s": "200", "q": "x=1"}
    assert [{key: entry[key] for key in want} for entry in entries] == [want, want]
    assert [entry["p"] for entry in entries] == [".", "p"]


def test_bytes_and_times_of_tries(lab):
    """Two requests over two targets, one of which refuses: at least one of them is tried twice."""
    origin = lab.origin(content=b"hello")
    text = "$upstream_bytes_sent|$upstream_bytes_received|$bytes_sent|$body_bytes_sent|$request_length|$upstream_response_time"
    hop = lab.hop(merge(service_to(lab.refusing_port(), origin, retries=1), service_to(origin, name="one", paths=("/one",))),
                  conf={"hopgate_access_log_format": text, "nginx_worker_processes": "1"})
    client = lab.client(hop)
    request = client.request_bytes("GET", "/one")
    for data in (request, client.request_bytes("GET", "/"), client.request_bytes("GET", "/")):
        client.send(data)
        assert client.read_response().content == b"hello"
    wait_until(lambda: hop.access_log.text().count("\n") == 3, "three lines")
    lines = [line.split("|") for line in hop.access_log.text().splitlines()]
    once, retried = lines[0], next(line for line in lines if "," in line[0])
    assert re.fullmatch(r"0, [1-9]\d+", retried[0]) and re.fullmatch(r"0, [1-9]\d+", retried[1])
    assert int(once[0]) > len(request) - 1 and int(once[1]) > 5
    assert (once[3], once[4]) == ("5", str(len(request))) and int(once[2]) > 5
    assert re.fullmatch(r"\d+\.\d{3}, \d+\.\d{3}", retried[5]) and re.fullmatch(r"\d+\.\d{3}", once[5])


def test_haproxy_s_line(lab):
    origin = lab.origin(content=b"hello")
    hop = lab.kong(origin, conf={"hopgate_access_log_format": "haproxy"})
    lab.client(hop).get("/x")
    assert re.fullmatch(r"[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d kong haproxy\[\d+\]: 127\.0\.0\.1:\d+ "
                        r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3}\] kong "
                        rf"main/{origin.host}:{origin.port} \d+/0/\d+/\d+/\d+ 200 \d+ - - ---- 1/1/0/0/0 0/0 "
                        r'"GET /x HTTP/1\.1"', last_line(hop))


@pytest.mark.parametrize("fault, state", [
    (behaviours.close(), "SH--"), (behaviours.raw(b"garbage\r\n\r\n", then="close"), "PH--"),
    (behaviours.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", then="close"), "SD--")])
def test_haproxy_s_line_says_how_it_ended(lab, fault, state):
    hop = lab.edge(lab.origin().on("/", fault), conf={"hopgate_access_log_format": "haproxy"})
    client = lab.client(hop)
    client.send(client.request_bytes("GET", "/"))
    wait_until(lambda: hop.access_log.text().endswith("\n"), "the line")
    assert f" - - {state} " in last_line(hop)


def test_a_load_balancer_s_entry(lab):
    origin = lab.origin(content=b"hello")
    hop = lab.kong(origin, conf={"hopgate_access_log_format": "alb"})
    client = lab.client(hop)
    client.get("/x?y=1", fields=[("Host", "shop.test"), ("User-Agent", "curl/8")])
    when = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
    target = f"{re.escape(origin.host)}:{origin.port}"
    assert re.fullmatch(rf"http {when} kong 127\.0\.0\.1:{client.local_port} {target} \d+\.\d{{3}} \d+\.\d{{3}} \d+\.\d{{3}} "
                        rf'200 200 \d+ \d+ "GET http://shop\.test:{hop.port}/x\?y=1 HTTP/1\.1" "curl/8" - - - "-" "-" "-" 0 '
                        rf'{when} "forward" "-" "-" "{target}" "200" "-" "-" TID_[0-9a-f]{{32}}', last_line(hop))


def test_a_format_changes_with_a_reload(lab):
    hop = lab.kong(lab.origin(content=b"x"), conf={"hopgate_access_log_format": "'one $status'"})
    lab.client(hop).get("/")
    assert last_line(hop) == "one 200"
    hop.conf_path.write_text(hop.conf_path.read_text().replace("'one $status'", "'two $status'"))
    done = run(hop.binary, "reload", "--prefix", hop.prefix)
    assert done.code == 0, done.err
    client = lab.client(hop)
    client.get("/")
    wait_until(lambda: last_line(hop) == "two 200", lambda: f"the new format, the log is:\n{hop.access_log.text()}")


WRONG = [
    ({"hopgate_access_log_format": "jsn"}, 'unknown log format "jsn"; did you mean "json"?'),
    ({"hopgate_access_log_format": "'$remote_adr'"}, 'unknown variable "$remote_adr"; did you mean "$remote_addr"?'),
    ({"hopgate_access_log_format": None, "proxy_access_log": "logs/a.log brif", "nginx_http_log_format": "brief '$status'"},
     'unknown log format "brif"; did you mean "brief"?'),
    ({"nginx_http_log_format": "brief '$status"}, 'log format "brief": the closing quote of a log format is missing'),
    ({"nginx_http_log_format": "brief '$statu'"}, 'log format "brief": unknown variable "$statu"; did you mean "$status"?'),
    ({"proxy_access_log": "syslog:server=127.0.0.1"}, '"syslog:server=127.0.0.1" is not supported'),
    ({"proxy_access_log": "logs/a.log json if=$x"}, '"if=$x" is not supported'),
]


@pytest.mark.parametrize("conf, message", WRONG)
def test_a_wrong_format_is_refused_with_its_place(lab, conf, message):
    hop = lab.make_hop(service_to(lab.origin()), conf=conf)
    for verb in ("check", "run"):
        done = run(*hop.command(verb))
        assert done.code == 78
        assert message in done.err and "kong.conf:" in done.err


def test_two_formats_for_one_log_are_a_warning(lab):
    hop = lab.make_hop(service_to(lab.origin()), conf={"proxy_access_log": "logs/a.log combined buffer=32k flush=5s"})
    done = run(*hop.command("check"))
    assert done.code == 0, done.err
    assert "the latter is used; remove one of them" in done.err and "buffer= and flush= have no effect" in done.err


def test_the_name_of_this_machine(lab):
    hop = lab.kong(lab.origin(content=b"x"), conf={"hopgate_access_log_format": "'$hostname $pid $hopgate_name'"})
    lab.client(hop).get("/")
    assert last_line(hop) == f"{socket.gethostname()} {hop.process.pid} kong"
