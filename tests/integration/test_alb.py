"""Persona alb, what an AWS Application Load Balancer does: tests/data/alb-behaviour.json, with its sources."""
import json
import pathlib
import re
import socket

import pytest

from lab import behaviours
from lab.lab import merge, service_to
from lab.wait import wait_until

DATA = json.loads((pathlib.Path(__file__).parents[1] / "data" / "alb-behaviour.json").read_text())
SLOW_MS = 200
PATIENT_MS = 60000
TRACE = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"


def broken_targets(lab):
    """A service for each way not to get an answer."""
    silent = lab.origin().otherwise(behaviours.hang())
    faults = {
        "reset": behaviours.reset(), "closed": behaviours.close(), "garbage": behaviours.raw(b"what?\r\n\r\n", then="close"),
        "bad-field": behaviours.raw(b"HTTP/1.1 200 OK\r\nBad Name: 1\r\nContent-Length: 0\r\n\r\n"),
        "large-head": behaviours.raw(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 33000 + b"\r\nContent-Length: 0\r\n\r\n")}
    parts = [service_to(lab.origin().otherwise(fault), name=name, paths=[f"/{name}"], read_timeout=PATIENT_MS)
             for name, fault in faults.items()]
    return merge(
        service_to(lab.origin(), name="up", paths=["/up"]),
        service_to(lab.refusing_port(), name="refused", paths=["/refused"]),
        service_to(lab.origin().otherwise(behaviours.swallow()), name="sink", paths=["/sink"]),
        service_to(lab.origin(), name="no-tls", paths=["/no-tls"], protocol="https"),
        service_to(lab.black_hole(), name="black-hole", paths=["/black-hole"], connect_timeout=SLOW_MS),
        service_to(silent, name="silent", paths=["/silent"], read_timeout=SLOW_MS),
        service_to(lab.origin(on_connect=lambda connection, _: connection.wait_for_end()), name="silent-tls",
                   paths=["/silent-tls"], protocol="https", connect_timeout=SLOW_MS),
        {"services": [{"name": "empty", "host": "empty", "routes": [{"name": "empty", "paths": ["/empty"]}]}],
         "upstreams": [{"name": "empty"}]}, *parts)


@pytest.fixture(scope="module")
def shared_hop(module_lab):
    return module_lab.hop(broken_targets(module_lab), persona="alb")


@pytest.fixture(scope="module")
def impatient_hop(module_lab):
    """For the rows in which a client is too slow, and no others: a busy machine is slow too."""
    return module_lab.hop(broken_targets(module_lab), persona="alb", name="impatient", conf={
        "nginx_http_client_header_timeout": f"{SLOW_MS}ms", "nginx_http_client_body_timeout": f"{SLOW_MS}ms"})


@pytest.fixture
def hop(request, shared_hop, module_lab):
    request.node.lab = module_lab
    return shared_hop


def bytes_of(row):
    """{n} stands for n bytes, {list n} for n addresses."""
    text = row.get("send") or f"GET {row['path']} HTTP/1.1\r\nHost: a\r\n\r\n"
    text = re.sub(r"\{list (\d+)\}", lambda match: ", ".join(["192.0.2.1"] * int(match[1])), text)
    return re.sub(r"\{(\d+)\}", lambda match: "x" * int(match[1]), text).encode()


def page(title):
    return DATA["page"].replace("%T", title).encode()


def title_of(row, answer):
    return row.get("title") or f"{row['status']} {answer.reason}"


@pytest.mark.parametrize("title, length", DATA["lengths"].items())
def test_pages_have_the_lengths_that_were_seen(title, length):
    assert len(page(title)) == length


def proves(row):
    return pytest.mark.rules(*([f'alb error_page.answers[{row["rule"]}]'] if "rule" in row else []))


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"], marks=proves(row)) for row in DATA["answers"]])
def test_answer(request, lab, hop, row):
    hop = request.getfixturevalue("impatient_hop") if row.get("slow") else hop
    client = lab.client(hop)
    client.send(bytes_of(row))
    answer = client.read_response()
    title, connection = title_of(row, answer), row.get("connection", "keep-alive")
    assert f"{answer.status} {answer.reason}" == title
    assert answer.content == page(title)
    names = [line.split(b":")[0].decode() for line in answer.raw_head.split(b"\r\n")[1:] if line]
    assert names == ["Server", "Date", "Content-Type", "Content-Length", "Connection"]
    assert [answer.fields.get(name) for name in names if name != "Date"] == [
        "awselb/2.0", "text/html", str(len(page(title))), connection]
    if connection == "close":
        assert client.read_to_end()[0] == b""
    else:
        client.send(client.request_bytes("GET", "/up"))
        assert client.read_response().status == 200


@pytest.mark.parametrize("path", ["/refused", "/empty"])
@pytest.mark.parametrize("agent, is_padded", [(CHROME, True), ("Mozilla/4.0 (compatible; MSIE 6.0)", True), ("curl/8.0", False)])
@pytest.mark.rules("alb error_page.padding")
def test_short_pages_are_padded_for_browsers_that_would_hide_them(lab, hop, path, agent, is_padded):
    answer = lab.client(hop).get(path, [("User-Agent", agent)])
    padding = DATA["padding"].encode() * 6 if is_padded else b""
    assert answer.content == page(f"{answer.status} {answer.reason}") + padding


def test_head_gets_the_page_s_length_only(lab, hop):
    client = lab.client(hop)
    answer = client.request("HEAD", "/refused")
    assert (answer.status, answer.fields.get("Content-Length"), answer.content) == (502, "122", b"")


@pytest.mark.rules("alb client.forwarded_for_max_count")
def test_thirty_addresses_are_not_too_many(lab, hop):
    assert lab.client(hop).get("/up", [("X-Forwarded-For", ", ".join(["192.0.2.1"] * 30))]).status == 200


# ---- what the target gets


def seen_by_target(lab, fields=(), conf=None, route=None, host=None):
    """(hop, the request that the origin got)"""
    origin = lab.origin()
    alb = lab.hop(service_to(origin, route=route), persona="alb", conf=conf)
    client = lab.client(alb)
    fields = list(fields)
    client.send("GET / HTTP/1.1\r\nHost: {}\r\n{}\r\n".format(
        host or "shop.test", "".join(f"{name}: {value}\r\n" for name, value in fields)).encode())
    assert client.read_response().status == 200
    return alb, origin.requests[0]


@pytest.mark.rules("alb request.lead", "alb request.fields[X-Forwarded-Proto]", "alb request.fields[X-Forwarded-Port]")
def test_fields_are_added_in_front_of_the_client_s(lab):
    alb, request = seen_by_target(lab, [("User-Agent", "curl/8.0"), ("X_Under", "1"), ("Accept", "*/*")])
    names = [line.split(b":")[0].decode() for line in request.raw_head.split(b"\r\n")[1:] if line]
    assert names == ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Port", "Host", "X-Amzn-Trace-Id", "User-Agent",
                     "X_Under", "Accept"]
    assert request.fields.get("X-Forwarded-For") == "127.0.0.1"
    assert request.fields.get("X-Forwarded-Proto") == "http"
    assert request.fields.get("X-Forwarded-Port") == str(alb.port)


@pytest.mark.rules("alb request.fields[X-Forwarded-For]")
def test_the_client_s_address_is_appended_and_its_claims_are_replaced(lab):
    alb, request = seen_by_target(lab, [("X-Forwarded-For", "192.0.2.7, 192.0.2.8"), ("X-Forwarded-Proto", "https"),
                                        ("X-Forwarded-Port", "443"), ("X-Amzn-Mtls-Clientcert-Subject", "CN=me")])
    assert request.fields.all("X-Forwarded-For") == ["192.0.2.7, 192.0.2.8, 127.0.0.1"]
    assert request.fields.all("X-Forwarded-Proto") == ["http"]
    assert request.fields.all("X-Forwarded-Port") == [str(alb.port)]
    assert request.fields.all("X-Amzn-Mtls-Clientcert-Subject") == []


def port_maps(row):
    """kong.conf that lets a listener of any port pass for the row's."""
    return {"port_maps": f"{row['port']}:%p"} if "port" in row else {}


@pytest.mark.parametrize("row", DATA["hosts"], ids=lambda row: f"{row['sent']} at {row.get('port', 'another')}")
@pytest.mark.rules("alb request.host", "alb request.fields[Host]")
def test_host_follows_the_listener_s_port(lab, row):
    with socket.socket() as probe:  # port_maps names the listener's port, so it is chosen before
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    conf = {"proxy_listen": f"127.0.0.1:{port}", **{key: value.replace("%p", str(port)) for key, value in port_maps(row).items()}}
    _, request = seen_by_target(lab, host=row["sent"], conf=conf, route={"preserve_host": row.get("preserved", False)})
    assert request.fields.all("Host") == [row["want"].replace("%p", str(port))]


@pytest.mark.parametrize("row", DATA["traces"], ids=lambda row: row["want"][:40])
@pytest.mark.rules("alb request.fields[X-Amzn-Trace-Id]")
def test_trace_id_is_made_or_put_in_front_and_logged(lab, row):
    fields = [("X-Amzn-Trace-Id", row["sent"])] if row["sent"] else []
    alb, request = seen_by_target(lab, fields + ([("X-A", "a" * 7000), ("X-B", "b" * 200)] if row.get("large_head") else []),
                                  conf={"hopgate_access_log_format": None})
    (told,) = request.fields.all("X-Amzn-Trace-Id")
    ours = TRACE.search(told)[0]
    assert told == row["want"].replace("%", ours)
    wait_until(lambda: f'"{told}"' in alb.access_log.text(), lambda: f"{told} in the log:\n{alb.access_log.text()}")


# ---- targets


@pytest.mark.rules("alb retry.policy", "alb retry.retries_count")
def test_nothing_is_tried_again(lab):
    origin = lab.origin()
    alb = lab.hop(service_to(lab.refusing_port(), origin, retries=5), persona="alb", conf={"nginx_worker_processes": "1"})
    statuses = sorted(lab.client(alb).get("/").status for _ in range(4))
    assert statuses == [200, 200, 502, 502], "round robin, and each failure is the client's"


@pytest.mark.rules("alb upstream.all_unhealthy")
def test_all_are_asked_when_all_are_unhealthy(lab):
    """Fail-open (target-group-health-checks.md); with one healthy target the others get nothing."""
    bad, other = (lab.origin().on("/", behaviours.answer(b"ill", status=500)) for _ in range(2))
    declarative = service_to(bad, other)
    declarative["upstreams"][0]["healthchecks"] = {"passive": {"unhealthy": {"http_failures": 1, "http_statuses": [500]}}}
    alb = lab.hop(declarative, persona="alb", conf={"nginx_worker_processes": "1"})
    client = lab.client(alb)
    assert {client.get("/").content for _ in range(6)} == {b"ill"}
    assert len(bad.requests) + len(other.requests) == 6 and bad.requests and other.requests
    edge = lab.hop(declarative, persona="edge", name="closed", conf={"nginx_worker_processes": "1"})
    client = lab.client(edge)
    wait_until(lambda: client.get("/").status == 503, lambda: "the other personas to fail with 503")


@pytest.mark.rules("alb upstream.keepalive_pool_count", "alb upstream.pin")
def test_connections_to_targets_are_kept(lab):
    origin = lab.origin()
    alb = lab.hop(service_to(origin), persona="alb", conf={"nginx_worker_processes": "1"})
    for _ in range(3):
        assert lab.client(alb).get("/").status == 200
    assert len(origin.connections) == 1


# ---- clients that leave


def alb_log(lab, send, content=()):
    """The log line of a client that leaves while its request is open."""
    gate_origin = lab.origin().otherwise(behaviours.hang())
    alb = lab.hop(service_to(gate_origin, read_timeout=PATIENT_MS), persona="alb", conf={"hopgate_access_log_format": None})
    client = lab.client(alb)
    client.send(send)
    gate_origin.wait_for_requests(1)
    client.close()
    wait_until(lambda: alb.access_log.text(), lambda: "the line")
    return alb.access_log.text().split(" ")


@pytest.mark.rules("alb error_page.answers[CLIENT_ABORTED]", "alb client.half_close", "alb log.access_format")
def test_a_client_that_leaves_is_a_460_in_the_log(lab):
    words = alb_log(lab, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (words[0], words[8], words[9]) == ("http", "460", "-")


def test_a_client_that_leaves_inside_its_content_is_a_400_in_the_log(lab):
    words = alb_log(lab, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    assert (words[8], words[9]) == ("400", "-")


@pytest.mark.rules("alb client.keepalive_age_ms")
def test_a_client_connection_that_is_old_ends_with_the_next_answer(lab, tmp_path):
    """client_keep_alive.seconds: 3600 unless a persona file says less."""
    persona = tmp_path / "short.json"
    persona.write_text('{"extends": "alb", "name": "short", "client": {"keepalive_age_ms": 1}}')
    hop = lab.hop(service_to(lab.origin()), persona=str(persona), name="short")
    client = lab.client(hop)
    answers = [client.get("/")]
    if answers[0].fields.get("Connection") == "keep-alive":  # it was younger than a millisecond
        answers.append(client.get("/"))
    assert answers[-1].fields.get("Connection") == "close"
    assert client.read_to_end()[0] == b""


def test_check_takes_the_persona(hopgate, tmp_path):
    (tmp_path / "kong.conf").write_text(f"prefix = {tmp_path}\nadmin_listen = off\nhopgate_persona = alb\n")
    (tmp_path / "kong.yaml").write_text('_format_version: "3.0"\nservices: [{name: a, host: 127.0.0.1}]\n')
    done = hopgate("check", "-c", tmp_path / "kong.conf", tmp_path / "kong.yaml")
    assert done.code == 0, done
