"""Persona nlb: bytes of TCP, whatever they are, to a target per connection, as an AWS Network Load Balancer does.

Sources: awsdocs/elb-network-load-balancers-user-guide doc_source/network-load-balancers.md (idle time-out: "TCP RST
packet to indicate that the connection is no longer valid" to who sends after it), target-group-health-checks.md.
"""
import json
import os
import re
import socket
import ssl
import threading

import pytest

from lab import behaviours
from lab.lab import merge, service_to
from lab.wait import wait_until

IDLE_MS = 300


class Talker:
    """A server of no protocol: says hello first, then gives back what comes."""

    def __init__(self, hello=b""):
        self.hello, self.connections = hello, []
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self.sock.getsockname()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, peer = self.sock.accept()
            except OSError:
                return
            self.connections.append((connection, peer))
            connection.sendall(self.hello)
            threading.Thread(target=self.echo, args=(connection,), daemon=True).start()

    def echo(self, connection):
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def stop(self):
        self.sock.close()
        for connection, _ in self.connections:
            connection.close()


@pytest.fixture
def talker(lab):
    def make(hello=b""):
        lab.others.append(Talker(hello))
        return lab.others[-1]
    return make


def nlb(lab, declarative, **conf):
    """(hop, its address)"""
    hop = lab.hop(declarative, persona="nlb", conf={"nginx_worker_processes": "1", **conf})
    return hop, address_of(hop)


def address_of(hop):
    host, port = re.search(r"tcp://([\d.]+):(\d+)", hop.stderr()).groups()
    return host, int(port)


def echoes(connection, data):
    connection.sendall(data)
    got = b""
    while len(got) < len(data):
        piece = connection.recv(65536)
        assert piece, f"ended after {got!r}"
        got += piece
    return got == data


def connect(address):
    connection = socket.create_connection(address)
    connection.settimeout(20)
    return connection


@pytest.mark.rules("nlb client.layer")
def test_a_server_that_speaks_first_is_heard_and_any_bytes_pass(lab, talker):
    server = talker(b"220 hello\r\n")
    hop, address = nlb(lab, service_to(server))
    with connect(address) as client:
        assert client.recv(100) == b"220 hello\r\n"
        assert echoes(client, bytes(range(256)) * 1000)
        here = client.getsockname()
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b"", "the end of one direction goes through, and so does the other's"
    (entry,) = hop.access_log.wait(1)
    assert (entry["protocol"], entry["reason"], entry["service"], entry["bytes_received"], entry["bytes_sent"]) == (
        "tcp", "OK", "main", 256000, 256011)
    assert (entry["client"]["peer_ip"], entry["client"]["peer_port"], entry["client"]["local_port"]) == (*here, address[1])
    there = server.connections[0][1]
    assert (entry["upstream"]["local_ip"], entry["upstream"]["local_port"], entry["upstream"]["port"]) == (*there, server.port)


@pytest.mark.rules("nlb parse.request", "nlb parse.response")
def test_http_and_tls_pass_untouched(lab):
    plain, secure = lab.origin(content=b"plain"), lab.origin(tls=lab.pki.server_context("edge"), content=b"secure")
    _, address = nlb(lab, service_to(plain))
    answer = lab.client(address).get("/", [("X-Forwarded-For", "192.0.2.1")])
    assert (answer.content, plain.requests[0].fields.all("X-Forwarded-For")) == (b"plain", ["192.0.2.1"])
    _, address = nlb(lab, service_to(secure, protocol="https"))
    assert lab.client(address, tls=lab.pki.client_context(), server_name="edge.test").get("/").content == b"secure"


@pytest.mark.rules("nlb upstream.pin")
def test_each_connection_is_balanced(lab, talker):
    servers = [talker(name) for name in (b"a", b"b")]
    _, address = nlb(lab, service_to(*servers))
    said = []
    for _ in range(4):
        with connect(address) as client:
            said.append(client.recv(1))
    assert sorted(said) == [b"a", b"a", b"b", b"b"]


@pytest.mark.rules("nlb error_page.answers[*]", "nlb retry.policy")
def test_a_client_of_a_target_that_refuses_is_reset(lab):
    hop, address = nlb(lab, service_to(lab.refusing_port(), retries=5))
    with connect(address) as client, pytest.raises(ConnectionResetError):
        client.recv(1)
    (entry,) = hop.access_log.wait(1)
    assert (entry["reason"], entry["tries_count"]) == ("CONNECT_REFUSED", 1)


@pytest.mark.rules("nlb upstream.read_timeout_ms")
def test_an_idle_flow_is_forgotten_and_who_sends_is_reset(lab, talker):
    """Nobody is told: the client learns of it when it sends, and the target when that does."""
    server = talker(b"x")
    hop, address = nlb(lab, service_to(server, read_timeout=30000))
    _, quick = nlb(lab, service_to(server, read_timeout=IDLE_MS))
    quick_hop = lab.hops[-1]
    with connect(address) as patient, connect(quick) as client:
        assert client.recv(1) == b"x" and patient.recv(1) == b"x"
        entry = quick_hop.access_log.last()
        assert entry["reason"] == "TUNNEL_TIMEOUT"
        assert echoes(patient, b"still there")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for _ in range(100):  # the first bytes are sent before the reset is known
                client.sendall(b"late")
                client.recv(4)
    assert "TUNNEL_TIMEOUT" not in hop.access_log.text()


def test_a_forgotten_flow_does_not_hold_up_the_end(lab, talker):
    hop, address = nlb(lab, service_to(talker(b"x"), read_timeout=IDLE_MS), hopgate_shutdown_timeout="60s")
    with connect(address) as client:
        assert client.recv(1) == b"x"
        hop.access_log.wait(1)
        assert hop.stop() == 0


def test_flows_of_a_target_that_becomes_unhealthy_are_reset(lab, talker):
    server = talker(b"x")
    declarative = service_to(server, talker(b"y"))
    hop, address = nlb(lab, declarative)
    with connect(address) as one, connect(address) as other:
        flows = {flow.recv(1): flow for flow in (one, other)}
        done = lab_verb(hop, "target", "set", "main.upstream", f"127.0.0.1:{server.port}", "unhealthy")
        assert done.code == 0, done
        with pytest.raises(ConnectionResetError):
            flows[b"x"].recv(1)
        assert echoes(flows[b"y"], b"not this one")


def lab_verb(hop, *words):
    from lab.client import run
    return run(hop.binary, *words, "--prefix", hop.prefix)


@pytest.mark.rules("nlb upstream.all_unhealthy")
def test_all_unhealthy_means_all_are_asked(lab, talker):
    server, other = talker(b"x"), talker(b"y")
    declarative = service_to(server, other)
    checks = {"type": "tcp", "interval": 0.1, "timeout": 0.2}
    dead = lab.refusing_port()
    declarative["upstreams"][0]["targets"] = [{"target": f"127.0.0.1:{dead.port}"}]
    declarative["hopgate"] = {"health": [{"upstream": "main.upstream", "monitor": checks}]}
    hop, address = nlb(lab, declarative)
    hop.error_log.wait_for("all are asked")
    with connect(address) as client, pytest.raises(ConnectionResetError):
        client.recv(1)
    assert hop.access_log.wait(1)[0]["reason"] == "CONNECT_REFUSED", "not NO_TARGET: it was asked"


def test_the_proxy_protocol_tells_of_the_client(lab, talker):
    server = talker()
    declarative = {**service_to(server), "hopgate": {"proxy_protocol": [{"service": "main", "version": "v2"}]}}
    _, address = nlb(lab, declarative)
    with connect(address) as client:
        port = client.getsockname()[1]
        client.sendall(b"after it")
        got = b""
        while len(got) < 36:
            got += client.recv(100)
    assert got[:16] == b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
    assert got[16:28] == b"\x7f\0\0\1\x7f\0\0\1" + port.to_bytes(2, "big") + address[1].to_bytes(2, "big")
    assert got[28:] == b"after it"


@pytest.mark.parametrize("conf, services, says", [
    ("proxy_listen = 127.0.0.1:0 ssl\n", "[{name: a, host: 127.0.0.1, routes: [{name: a, paths: [/]}]}]", "ends neither TLS"),
    ("", "[{name: a, host: a.test, routes: [{name: a, paths: [/a]}]}, {name: b, host: b.test, routes: [{name: b, paths: [/b]}]}]",
     "one service only")])
def test_what_a_layer_4_hop_cannot_do_is_said_by_check(hopgate, tmp_path, conf, services, says):
    (tmp_path / "kong.conf").write_text(f"prefix = {tmp_path}\nadmin_listen = off\nhopgate_persona = nlb\n{conf}")
    (tmp_path / "kong.yaml").write_text(f'_format_version: "3.0"\nservices: {services}\n')
    done = hopgate("check", "-c", tmp_path / "kong.conf", tmp_path / "kong.yaml")
    assert done.code == 78 and says in done.out + done.err, done


def test_of_several_services_the_one_that_takes_everything_is_meant(lab, talker):
    server = talker(b"x")
    _, address = nlb(lab, merge(service_to(lab.refusing_port(), name="other", paths=["/other"]), service_to(server)))
    with connect(address) as client:
        assert client.recv(1) == b"x"


def test_the_port_leads_where_a_route_asks_for_it(lab, talker):
    """As Kong's stream routes: each listener of the balancer has its own target group."""
    one, other, rest = talker(b"one\r\n"), talker(b"other\r\n"), talker(b"rest\r\n")
    own = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"  # of this process alone, so that its ports are free
    ports = [7001, 7002, 7003]

    def group(name, server, port):
        return {"name": name, "protocol": "tcp", "host": server.host, "port": server.port,
                "routes": [{"name": f"{name}-route", "protocols": ["tcp"], "destinations": [{"port": port}]}]}

    declarative = service_to(rest)
    declarative["services"] += [group("one", one, ports[0]), group("other", other, ports[1])]
    hop, _ = nlb(lab, declarative, proxy_listen=", ".join(f"{own}:{port}" for port in ports))
    for port, says in zip(ports, (b"one\r\n", b"other\r\n", b"rest\r\n")):
        with connect((own, port)) as client:
            assert client.recv(100) == says
    assert sorted((entry["service"], entry["client"]["local_port"]) for entry in hop.access_log.wait(3)) == sorted(
        zip(("one", "other", "main"), ports))


@pytest.mark.parametrize("persona, route, says", [
    ("kong", {"protocols": ["tcp"], "destinations": [{"port": 443}]}, "persona kong takes requests, so it leads no connection on"),
    ("nlb", {"protocols": ["tcp"]}, "must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp'"),
    ("nlb", {"protocols": ["tcp"], "destinations": [{"port": 443}], "paths": ["/"]}, "cannot set 'paths' when 'protocols' is"),
    ("nlb", {"protocols": ["tcp"], "destinations": [{"port": 70000}]}, "value should be between 0 and 65535"),
    ("nlb", {"protocols": ["tcp"], "destinations": [{"port": 0}]}, "value should be between 1 and 65535"),
    ("nlb", {"protocols": ["tcp"], "destinations": [{"ip": "10.0.0.1", "port": 443}]}, "'ip' is not supported by this version"),
    ("nlb", {"protocols": ["tcp"], "destinations": [443]}, "expected a record; write it as {port: 443}"),
    ("nlb", {"protocols": ["tcp"], "destinations": 443}, "expected a set; write it as a list"),
    ("nlb", {"protocols": ["http"], "paths": ["/"], "destinations": [{"port": 443}]}, "cannot set 'destinations' when 'protocols' is"),
])
def test_a_route_by_port_that_cannot_be_is_refused(hopgate, tmp_path, persona, route, says):
    protocol = "tcp" if route["protocols"] == ["tcp"] else "http"
    declarative = {"_format_version": "3.0", "services": [
        {"name": "a", "protocol": protocol, "host": "127.0.0.1", "port": 1, "routes": [{"name": "r", **route}]}]}
    (tmp_path / "kong.json").write_text(json.dumps(declarative))
    (tmp_path / "kong.conf").write_text(f"prefix = {tmp_path}\nhopgate_persona = {persona}\nproxy_listen = 127.0.0.1:0\nadmin_listen = off\n")
    done = hopgate("check", "-c", tmp_path / "kong.conf", tmp_path / "kong.json")
    assert done.code == 78 and says in done.out + done.err, done
