"""Every line of Kong's error.log that tests/data/kong-log-phrases.json lists, provoked and compared byte for byte."""
import json
import pathlib
import re
import socket
import ssl
import threading

import pytest

from lab import behaviours
from lab.client import Truncated, run
from lab.dns_server import NXDOMAIN, SERVFAIL
from lab.lab import merge, service_to
from lab.wait import wait_until
from lab.wire import Ended, Malformed

DATA = json.loads((pathlib.Path(__file__).parents[1] / "data" / "kong-log-phrases.json").read_text())
ROWS = {row["id"]: row for row in DATA["rows"]}
CA_ID = "5f0c2f5e-7f52-4f38-9d6c-0f8d9a3f1b11"
HOST, REFERRER = "Shop.test:81", "http://r/"
SHORT_MS = 300
HEAD_MS = 3000  # longer than a machine may stand still before the head is there
PLACES = {"target": None, "path": r"\S+", "n": r"\d+", "as": "a+"}


def expected(row, target=""):
    """The whole line as a regular expression."""
    def words(text):
        parts = re.split(r"\{(\w+)\}", text)
        return "".join(re.escape(part) if at % 2 == 0 else PLACES[part] or re.escape(target)
                       for at, part in enumerate(parts))

    whole = row.get("head", True)
    request = row.get("request", f"{row.get('method', 'GET')} /a?b=1 HTTP/1.1")
    line = rf"\d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d \[{row['level']}\] \d+#\d+: \*\d+ {words(row['phrase'])}"
    line += (" " + re.escape(row["action"]) if row["action"] else "") + ", client: 127\\.0\\.0\\.1, server: kong"
    if "request_prefix" in row:
        line += f', request: "{re.escape(row["request_prefix"])}[^"]*"'
    elif request is not None:
        line += f', request: "{re.escape(request)}"'
    if row.get("upstream", True):
        line += f', upstream: "{row.get("scheme", "http")}://{re.escape(target)}/base/a\\?b=1"'
    if whole:
        line += f', host: "{re.escape(HOST)}", referrer: "{re.escape(REFERRER)}"'
    if whole and not row.get("early"):
        line += ', request_id: "[0-9a-f]{32}"'
    return line


def hop_to(lab, *targets, conf=None, declarative=None, **service):
    entities = merge(service_to(*targets, **{"path": "/base", **service}), declarative or {})
    return lab.hop(entities, conf=conf)


def name_of(target):
    return f"{target.host}:{target.port}"


def ask(lab, hop, method="GET", content=None, **options):
    """One request, whatever comes of it."""
    client = lab.client(hop, **options)
    fields = [("Host", HOST), ("Referer", REFERRER)]
    client.send_what_is_taken(client.request_bytes(method, "/a?b=1", fields, content))
    try:
        client.read_response(method)
    except (Ended, Malformed, Truncated, ConnectionResetError):
        pass


def asked(behaviour, method="GET", content=None, origin=None, **service):
    """A scenario: an origin that behaves like this, and one request."""
    def scenario(lab, tmp_path):
        server = lab.origin(**(origin(lab, tmp_path) if origin else {})).otherwise(behaviour)
        hop = hop_to(lab, server, **(service_options(lab, service)))
        ask(lab, hop, method, content)
        return hop, name_of(server)

    return scenario


def service_options(lab, service):
    """What needs the test's PKI is made when it is there."""
    options = dict(service)
    if options.pop("verified", False):
        options |= {"tls_verify": True, "ca_certificates": [CA_ID],
                    "declarative": {"ca_certificates": [{"id": CA_ID, "cert": lab.pki.root.read_text()}]}}
    return options


def at_connect(act):
    """An origin that acts on a new connection and never talks HTTP."""
    def on_connect(connection, _):
        act(connection)
        raise Ended("on purpose")

    return lambda lab, tmp_path: {"on_connect": on_connect}


def reset_after_hello(connection):
    connection.receive()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.sock.close()


def alert(number):
    return at_connect(lambda connection: (connection.receive(), connection.send(bytes([0x15, 3, 3, 0, 2, 2, number])),
                                          connection.end_cleanly()))


def certificate(name):
    return lambda lab, tmp_path: {"tls": lab.pki.server_context(name)}


def self_signed(lab, tmp_path):
    key, cert = tmp_path / "made.key", tmp_path / "made.pem"
    done = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
               "-out", cert, "-subj", "/CN=made here", "-days", "2", "-addext", "subjectAltName=DNS:shop.test")
    assert done.code == 0, done.err
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return {"tls": context}


def without_issuer(lab, tmp_path):
    """A leaf alone: its intermediate is missing."""
    return {"tls": lab.pki.server_context("origin", chain=False)}


def wants_certificate(lab, tmp_path):
    context = lab.pki.server_context("origin")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(lab.pki.root)
    return {"tls": context}


def refused(lab, tmp_path):
    port = lab.refusing_port()
    hop = hop_to(lab, port)
    ask(lab, hop)
    return hop, name_of(port)


def connect_timeout(lab, tmp_path):
    hole = lab.black_hole()
    hop = hop_to(lab, hole, connect_timeout=SHORT_MS)
    ask(lab, hop)
    return hop, name_of(hole)


def connect_unreachable(lab, tmp_path):
    """A documentation address of IPv6 (RFC 3849), where this machine has no route to it."""
    probe = socket.socket(socket.AF_INET6)
    try:
        probe.settimeout(0.1)
        error = probe.connect_ex(("2001:db8::1", 80))
    finally:
        probe.close()
    if error != 101:
        pytest.skip(f"this machine says {error} for an address that it should have no route to")
    hop = hop_to(lab, ("[2001:db8::1]", 80))
    ask(lab, hop)
    return hop, "[2001:db8::1]:80"


def connect_impossible(lab, tmp_path):
    """From a loopback address there is no way to another machine: EINVAL at once."""
    hop = hop_to(lab, ("192.0.2.1", 80), conf={"hopgate_upstream_bind": "127.0.0.1"})
    ask(lab, hop)
    return hop, "192.0.2.1:80"


def send_timeout(lab, tmp_path):
    gate = threading.Event()
    origin = lab.origin(receive_buffer_bytes=4096).otherwise(behaviours.swallow(gate))
    hop = hop_to(lab, origin, write_timeout=SHORT_MS)
    ask(lab, hop, "POST", b"x" * 8_000_000)
    gate.set()
    return hop, name_of(origin)


def send_reset(lab, tmp_path):
    """The target resets while much is still to be sent; whether the writer or the reader is told is the kernel's choice."""
    origin = lab.origin(receive_buffer_bytes=4096).otherwise(behaviours.reset())
    hop = hop_to(lab, origin)
    ask(lab, hop, "POST", b"x" * 8_000_000)
    return hop, name_of(origin)


def leaving(how):
    def scenario(lab, tmp_path):
        origin = lab.origin().otherwise(behaviours.hang())
        hop = hop_to(lab, origin)
        client = lab.client(hop)
        client.send(client.request_bytes("GET", "/a?b=1", [("Host", HOST), ("Referer", REFERRER)]))
        origin.wait_for_requests(1)
        if how == "reset":
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
        return hop, name_of(origin)

    return scenario


def sent(data, conf=None, leave=False):
    """A scenario: the client sends these bytes."""
    def scenario(lab, tmp_path):
        hop = hop_to(lab, lab.origin(), conf=conf)
        client = lab.client(hop)
        client.send_what_is_taken(data)
        if leave:
            client.close()
        return hop, ""

    return scenario


def plain_to_tls(lab, tmp_path):
    hop = lab.hop(service_to(lab.origin()), tls=True)
    with socket.create_connection(hop.https) as client:
        client.sendall(b"GET /a?b=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv(4096)
    return hop, ""


def too_large_body(lab, tmp_path):
    hop = hop_to(lab, lab.origin(), conf={"nginx_http_client_max_body_size": "10"})
    ask(lab, hop, "POST", b"12345678901")
    return hop, ""


def spooled(lab, tmp_path):
    hop = hop_to(lab, lab.origin())
    ask(lab, hop, "POST", b"x" * 100_000)
    return hop, ""


def balancer_retry(lab, tmp_path):
    """The only target is marked down by the failure of the first try."""
    port = lab.refusing_port()
    checks = {"passive": {"unhealthy": {"tcp_failures": 1}}}
    entities = {"services": [{"name": "main", "host": "main.upstream", "path": "/base", "retries": 5,
                              "routes": [{"name": "r", "paths": ["/"], "strip_path": False}]}],
                "upstreams": [{"name": "main.upstream", "healthchecks": checks, "targets": [{"target": name_of(port)}]}]}
    hop = lab.hop(entities)
    ask(lab, hop)
    return hop, name_of(port)


def unresolved(answer):
    def scenario(lab, tmp_path):
        dns = lab.dns_server().say("nosuch.test", rcode=answer)
        hop = hop_to(lab, ("nosuch.test", 80), conf={"dns_resolver": dns.address, "dns_order": "A",
                                                     "hopgate_dns_timeout": "5s", "hopgate_dns_tries": "2"})
        ask(lab, hop)
        return hop, ""

    return scenario


def head_of(*lines):
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


TLS = {"protocol": "https"}
SCENARIOS = {
    "refused": refused,
    "connect-unreachable": connect_unreachable,
    "connect-impossible": connect_impossible,
    "connect-timeout": connect_timeout,
    "tls-stall": asked(behaviours.hang(), origin=at_connect(lambda c: c.wait_for_end()), connect_timeout=SHORT_MS, **TLS),
    "tls-alert": asked(behaviours.hang(), origin=alert(40), **TLS),
    "tls-version": asked(behaviours.hang(), origin=alert(70), **TLS),
    "tls-closed": asked(behaviours.hang(), origin=at_connect(lambda c: (c.receive(), c.end_cleanly())), **TLS),
    "tls-reset": asked(behaviours.hang(), origin=at_connect(reset_after_hello), **TLS),
    "tls-not-tls": asked(behaviours.hang(), origin=at_connect(lambda c: (c.receive(), c.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
                                                                         c.wait_for_end())), **TLS),
    "tls-self-signed": asked(behaviours.answer(), origin=self_signed, verified=True, **TLS),
    "tls-unknown-issuer": asked(behaviours.answer(), origin=without_issuer, verified=True, **TLS),
    "tls-expired": asked(behaviours.answer(), origin=certificate("expired"), verified=True, **TLS),
    "tls-name": asked(behaviours.answer(), origin=certificate("edge"), verified=True, **TLS, route={"preserve_host": True}),
    "tls-client-certificate": asked(behaviours.answer(), origin=wants_certificate, **TLS),
    "send-timeout": send_timeout,
    "send-reset": send_reset,
    "head-timeout": asked(behaviours.hang(), read_timeout=SHORT_MS),
    "head-closed": asked(behaviours.raw(b"HTTP/1.1 200 OK\r\nX-A:", then="close")),
    "head-reset": asked(behaviours.reset()),
    "head-too-big": asked(behaviours.raw(head_of("X-Big: " + "a" * 8000), then="hang")),
    "head-invalid": asked(behaviours.raw(head_of("Bad name: 1"), then="hang")),
    "status-invalid": asked(behaviours.raw(b"garbage\r\n\r\n", then="close")),
    "length-and-coding": asked(behaviours.raw(head_of("Content-Length: 3", "Transfer-Encoding: chunked"), then="hang")),
    "duplicate-length": asked(behaviours.raw(head_of("Content-Length: 3", "Content-Length: 3"), then="hang")),
    "body-closed": asked(behaviours.raw(head_of("Content-Length: 9") + b"x", then="close")),
    "body-reset": asked(behaviours.raw(head_of("Content-Length: 9") + b"x", then="reset")),
    "body-timeout": asked(behaviours.raw(head_of("Content-Length: 9") + b"x", then="hang"), read_timeout=HEAD_MS),
    "body-bad-chunk": asked(behaviours.raw(head_of("Transfer-Encoding: chunked") + b"3\r\nabc\r\nzz\r\n", then="hang")),
    "body-surplus": asked(behaviours.raw(head_of("Content-Length: 3") + b"abcdef")),
    "client-left": leaving("close"),
    "client-reset": leaving("reset"),
    "client-left-in-head": sent(b"GET / HTTP/1.1\r\nHost: a\r\n", leave=True),
    "client-head-timeout": sent(b"GET / HTTP/1.1\r\nHost: a\r\n", conf={"nginx_http_client_header_timeout": f"{HEAD_MS}ms"}),
    "client-no-host": sent(b"GET / HTTP/1.1\r\n\r\n"),
    "client-bad-field": sent(b"GET / HTTP/1.1\r\nHost: a\r\nBad name: 1\r\n\r\n"),
    "client-trace": sent(f"TRACE / HTTP/1.1\r\nHost: {HOST}\r\nReferer: {REFERRER}\r\n\r\n".encode()),
    "client-uri-too-long": sent(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    "client-line-too-long": sent(b"GET / HTTP/1.1\r\nHost: a\r\nX-Big: " + b"a" * 20_000 + b"\r\n\r\n"),
    "client-length-and-coding": sent(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "client-garbage": sent(b"\x16\x03\r\n\r\n"),
    "client-plain-http": plain_to_tls,
    "client-too-large-body": too_large_body,
    "request-spooled": spooled,
    "balancer-retry": balancer_retry,
    "dns-name-error": unresolved(NXDOMAIN),
    "dns-server-failure": unresolved(SERVFAIL),
}


def test_every_row_has_its_scenario():
    assert set(SCENARIOS) == {name for name, row in ROWS.items() if "unprovoked" not in row}
    assert all(row["mark"] in ("measured", "source", "unverified") for row in ROWS.values())


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_line_is_kong_s_byte_for_byte(lab, tmp_path, name):
    row = ROWS[name]
    hop, target = SCENARIOS[name](lab, tmp_path)
    wanted = [expected(row, target)] + [expected({**row, **other}, target) for other in row.get("or", [])]

    def found():
        return any(re.fullmatch(line, written) for written in hop.error_log.text().splitlines() for line in wanted)

    wait_until(found, lambda: f"a line\n{wanted[0]}\nbut the log is\n{hop.error_log.text()}")


def test_each_failed_try_has_its_line(lab):
    port = lab.refusing_port()
    hop = hop_to(lab, port, retries=2)
    ask(lab, hop)
    lines = hop.error_log.wait_for("connect() failed", count=3)
    assert len(lines) == 3 and all(re.fullmatch(expected(ROWS["refused"], name_of(port)), line) for line in lines)


@pytest.mark.parametrize("name, shown", [("client-no-host", False), ("client-left", False), ("refused", True),
                                         ("request-spooled", True)])
def test_the_default_level_hides_what_is_only_information(lab, tmp_path, name, shown, monkeypatch):
    """log_level notice: what a client did wrong is not shown."""
    make = lab.hop
    monkeypatch.setattr(lab, "hop", lambda entities, **options: make(
        entities, **{**options, "conf": {**(options.get("conf") or {}), "log_level": None}}))
    hop, _ = SCENARIOS[name](lab, tmp_path)
    hop.access_log.wait(1)
    client = lab.client(hop)  # its warning comes after everything before it
    client.send(client.request_bytes("POST", "/", content=b"x" * 100_000))
    hop.error_log.wait_for("is buffered to a temporary file")
    phrase = re.split(r"\{|\(", ROWS[name]["phrase"])[0]
    assert bool(hop.error_log.lines(phrase)) == shown


def test_the_client_is_who_trusted_ips_let_it_be(lab):
    port = lab.refusing_port()
    hop = hop_to(lab, port, conf={"trusted_ips": "127.0.0.1", "real_ip_header": "X-Forwarded-For"})
    client = lab.client(hop)
    client.get("/", fields=[("X-Forwarded-For", "203.0.113.7")])
    (line,) = hop.error_log.wait_for("connect() failed")
    assert ", client: 203.0.113.7, server: kong, request: \"GET / HTTP/1.1\"" in line
