"""TLS that is led on by its server name and never opened: the client and the origin see each other's TLS, not ours."""
import contextlib
import re
import signal
import socket
import ssl

import pytest

from lab import behaviours
from lab.alloc_fault import WORKERS, AllocFault
from lab.exposition import scrape
from lab.lab import merge
from lab.wait import wait_until
from lab.wire import Ended
from test_tunnel import IDLE_MS, SLOW_BYTES, sip, takes_a_slow_reader


def leading(name, snis, target, **service):
    host, port = target if isinstance(target, tuple) else (target.host, target.port)
    route = {"name": f"{name}-route", "protocols": ["tls_passthrough"], "snis": snis}
    return {"services": [{"name": name, "protocol": "tcp", "host": host, "port": port, "retries": 0, **service,
                          "routes": [route]}]}


def passing(lab, *services, conf=None, persona="kong"):
    """A hop with one stream listener; (hop, its address)."""
    hop = lab.hop(merge(*services), persona=persona,
                  conf={"stream_listen": "127.0.0.1:0 ssl", "nginx_worker_processes": "1", **(conf or {})})
    host, port = re.search(r"tls://([\d.]+):(\d+)", hop.stderr()).groups()
    return hop, (host, int(port))


def origin_of(lab, certificate, content):
    return lab.origin(tls=lab.pki.server_context(certificate), content=content)


def ask(lab, address, name):
    """One request over TLS that the origin ends."""
    return lab.client(address, tls=lab.pki.client_context(), server_name=name).get("/")


def test_the_server_name_leads_and_the_origin_s_certificate_is_seen(lab):
    edge, wild, other = (origin_of(lab, name, name.encode()) for name in ("edge", "wild", "other"))
    hop, address = passing(lab, leading("edge", ["edge.test"], edge), leading("wild", ["*.wild.test"], wild),
                           leading("other", ["other.*"], other))
    for name, content in [("edge.test", b"edge"), ("EDGE.test", b"edge"), ("a.wild.test", b"wild"), ("other.test", b"other")]:
        assert ask(lab, address, name).content == content, "verified against the origin's own certificate"
    for client in lab.clients:
        client.close()
    entry = next(entry for entry in hop.access_log.wait(4) if entry["sni"] == "edge.test")
    assert (entry["protocol"], entry["sni"], entry["route"], entry["service"], entry["reason"], entry["tries_count"]) == (
        "tls_passthrough", "edge.test", "edge-route", "edge", "OK", 1)
    assert entry["bytes_received"] > 300 and entry["bytes_sent"] > 300


def test_without_a_route_the_connection_is_closed_unanswered(lab):
    hop, address = passing(lab, leading("edge", ["edge.test"], origin_of(lab, "edge", b"x")))
    for name in ("unknown.test", None):
        context = lab.pki.client_context(verify=False)
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            context.wrap_socket(socket.create_connection(address), server_hostname=name)
    lines = hop.error_log.wait_for("no Route found with those values", count=2)
    assert 'sni: "unknown.test"' in lines[0] and 'sni: ""' in lines[1]
    assert [entry["reason"] for entry in hop.access_log.wait(2)] == ["NO_STREAM_ROUTE"] * 2
    assert lab.origins[0].connections == []


def test_a_hello_one_byte_at_a_time(lab):
    _, address = passing(lab, leading("edge", ["edge.test"], origin_of(lab, "edge", b"slow")))
    wire = lab.client(address)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = lab.pki.client_context().wrap_bio(incoming, outgoing, server_hostname="edge.test")

    def run(step, *arguments):
        while True:
            try:
                return step(*arguments)
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    wire.send(bytes([byte]))
                incoming.write(wire.receive())

    run(tls.do_handshake)
    tls.write(b"GET / HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n")
    assert run(tls.read, 65536).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("bytes_in", [b"GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n", b"\x16\x03\x01\x00\x00"])
def test_what_is_no_client_hello_is_closed(lab, bytes_in):
    hop, address = passing(lab, leading("edge", ["edge.test"], origin_of(lab, "edge", b"x")))
    client = lab.client(address)
    client.send(bytes_in)
    client.wait_for_end()
    hop.error_log.wait_for("(no ClientHello) while SSL handshaking, client: 127.0.0.1")
    assert lab.origins[0].connections == []


def test_large_content_passes_both_ways(lab):
    size = 5_000_000
    origin = origin_of(lab, "edge", b"")
    origin.on("/up", behaviours.swallow()).on("/down", behaviours.stream(size))
    _, address = passing(lab, leading("edge", ["edge.test"], origin))
    client = lab.client(address, tls=lab.pki.client_context(), server_name="edge.test")
    content = b"".join(behaviours.pattern(size))
    assert client.post("/up", content).text == f"{size} {behaviours.pattern_sum(size)}"
    assert client.get("/down").content == content


def raw_origin(lab, behave):
    """An origin that does not care for TLS: it sees the bytes as they are."""
    return lab.origin(on_connect=lambda connection, request: behave(connection))


def hello_bytes(lab, name):
    outgoing = ssl.MemoryBIO()
    tls = lab.pki.client_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_the_hello_arrives_byte_for_byte_and_one_end_leaves_the_other_open(lab):
    """The client half-closes; the origin sees the end, and its answer still comes back."""
    received = bytearray()

    def echo_at_end(connection):
        connection.wait_for_end()
        received.extend(connection.received_all)
        connection.sock.sendall(b"the rest")
        connection.sock.shutdown(socket.SHUT_WR)

    _, address = passing(lab, leading("raw", ["raw.test"], raw_origin(lab, echo_at_end)))
    hello = hello_bytes(lab, "raw.test")
    client = lab.client(address)
    client.send(hello + b"and more")
    client.half_close()
    assert client.receive() == b"the rest"
    client.wait_for_end()
    assert bytes(received) == hello + b"and more"


def test_a_dead_target_is_tried_elsewhere_and_then_logged(lab):
    edge = origin_of(lab, "edge", b"alive")
    dead = lab.refusing_port()
    declarative = leading("edge", ["edge.test"], ("edge.upstream", 80), retries=1)
    declarative["upstreams"] = [{"name": "edge.upstream", "targets": [
        {"target": f"{target.host}:{target.port}"} for target in (dead, edge)]}]
    hop, address = passing(lab, declarative, leading("gone", ["gone.test"], dead))
    for _ in range(2):
        assert ask(lab, address, "edge.test").content == b"alive"
    client = lab.client(address)
    client.send(hello_bytes(lab, "gone.test"))
    client.wait_for_end()
    hop.error_log.wait_for("connect() failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1",
                           'sni: "gone.test"')
    hop.access_log.wait_for('"reason":"CONNECT_REFUSED"')


def test_silence_ends_the_tunnel_after_the_read_timeout(lab):
    gone = []
    origin = raw_origin(lab, lambda connection: (connection.wait_for_end(), gone.append(connection.ended_by)))
    hop, address = passing(lab, leading("raw", ["raw.test"], origin, read_timeout=300))
    client = lab.client(address)
    client.send(hello_bytes(lab, "raw.test"))
    client.wait_for_end()
    wait_until(lambda: gone, "the origin to see the end")
    assert hop.access_log.last()["reason"] == "TUNNEL_TIMEOUT"


def test_a_client_that_reads_slowly_is_not_silent(lab):
    def say_all(connection):
        connection.receive()
        connection.send(bytes(SLOW_BYTES))
        connection.wait_for_end()

    _, address = passing(lab, leading("raw", ["raw.test"], raw_origin(lab, say_all), read_timeout=IDLE_MS))

    def attempt():
        client = lab.client(address)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(hello_bytes(lab, "raw.test"))
        client.fill()
        return sip(client)

    assert takes_a_slow_reader(attempt)


@pytest.mark.parametrize("persona, setting", [("kong", "nginx_http_client_header_timeout"),
                                              ("edge", "hopgate_tls_handshake_timeout")])
def test_a_client_that_says_nothing_times_out(lab, persona, setting):
    """As one whose TLS ends here."""
    hop, address = passing(lab, leading("edge", ["edge.test"], origin_of(lab, "edge", b"x")), persona=persona,
                           conf={"nginx_http_client_header_timeout": "60s", setting: "300ms"})
    client = lab.client(address)
    client.send(b"\x16\x03\x01")
    client.wait_for_end()
    hop.error_log.wait_for("client timed out (110: Connection timed out) while SSL handshaking, client: 127.0.0.1")


def test_a_reset_target_is_a_reset_for_the_client(lab):
    """What was cut must not look whole."""
    origin = raw_origin(lab, lambda connection: (connection.receive(), behaviours.finish(connection, "reset")))
    hop, address = passing(lab, leading("raw", ["raw.test"], origin))
    client = lab.client(address)
    client.send(hello_bytes(lab, "raw.test"))
    assert client.wait_for_end() == "reset"
    assert hop.access_log.last()["reason"] == "UPSTREAM_BODY_RESET"


def test_a_tunnel_ends_with_the_drain_deadline(lab):
    origin = raw_origin(lab, lambda connection: connection.wait_for_end())
    hop, address = passing(lab, leading("raw", ["raw.test"], origin), conf={"hopgate_shutdown_timeout": "300ms"})
    client = lab.client(address)
    client.send(hello_bytes(lab, "raw.test"))
    origin.wait_for_connections(1)
    hop.signal(signal.SIGTERM)
    client.wait_for_end()
    hop.access_log.wait_for('"reason":"SHUTTING_DOWN"')


def test_a_client_that_says_nothing_does_not_hold_the_hop(lab):
    hop, address = passing(lab, leading("edge", ["edge.test"], origin_of(lab, "edge", b"x")),
                           conf={"nginx_http_client_header_timeout": "60s"})
    before = hop.fd_count()
    client = lab.client(address)
    wait_until(lambda: hop.fd_count() > before, "the connection to be accepted")
    hop.signal(signal.SIGTERM)
    assert client.wait_for_end() == "fin", "not the drain deadline, which resets"
    assert hop.wait_exit() == 0


def test_a_connection_without_memory_is_counted_as_refused(lab):
    fault = AllocFault(lab.binary, lab.directory / "plan")
    hop = lab.make_hop(merge(leading("edge", ["edge.test"], origin_of(lab, "edge", b"x"))), env=fault.env,
                       conf={"stream_listen": "127.0.0.1:0 ssl", "status_listen": "127.0.0.1:0",
                             "nginx_worker_processes": "1"})
    hop.binary = fault.binary
    hop.start()
    host, port = re.search(r"tls://([\d.]+):(\d+)", hop.stderr()).groups()
    ask(lab, (host, int(port)), "edge.test")  # what is made once is made now
    refused = 0
    for number in range(1, 5):
        fault.arm(number, WORKERS)
        with contextlib.suppress(OSError, Ended):  # the reset may meet any of its calls
            client = lab.client((host, int(port)))
            client.send(hello_bytes(lab, "edge.test"))
            client.receive()
        lab.clients[-1].close()
        refused += fault.disarm()[1] and "passthrough_start" in fault.where()
    assert refused == 1
    assert scrape(lab, hop).value("hopgate_connections_refused_total") == 1


def test_kong_s_basic_line_in_kong_s_log(lab):
    hop, address = passing(lab, leading("edge", ["edge.test"], origin_of(lab, "edge", b"x")),
                           conf={"hopgate_access_log_format": "kong"})
    ask(lab, address, "edge.test")
    lab.clients[-1].close()
    wait_until(lambda: re.search(r"^127\.0\.0\.1 \[\d\d/\w{3}/\d{4}:[\d:]{8} [+-]\d{4}\] TCP 200 \d+ \d+ \d+\.\d{3}$",
                                 hop.access_log.text(), re.M), lambda: f"the line in {hop.access_log.text()}")


@pytest.mark.parametrize("route, service, says", [
    ({"protocols": ["tls_passthrough"], "snis": ["a.test"]}, {"protocol": "http"}, "needs a service with protocol tcp"),
    ({"protocols": ["http"], "paths": ["/"]}, {"protocol": "tcp"}, "needs routes with protocols [tls_passthrough]"),
    ({"protocols": ["tls_passthrough"]}, {"protocol": "tcp"}, "must set snis when 'protocols' is 'tls_passthrough'"),
    ({"protocols": ["tls_passthrough"], "snis": ["a.test"], "paths": ["/"]}, {"protocol": "tcp"},
     "cannot set 'paths' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'"),
    ({"protocols": ["tls_passthrough", "https"], "snis": ["a.test"]}, {"protocol": "tcp"}, "mutually exclusive"),
])
def test_a_route_that_cannot_pass_is_refused(lab, hopgate, tmp_path, route, service, says):
    from lab.hop import to_yaml
    declarative = {"_format_version": "3.0", "services": [{"name": "s", "host": "127.0.0.1", **service, "routes": [route]}]}
    (tmp_path / "kong.yaml").write_text(to_yaml(declarative))
    done = hopgate("check", "kong.yaml")
    assert done.code == 78 and says in done.out + done.err, done.out + done.err


def balancing_of(**entry):
    return {"hopgate": {"balancing": [{"upstream": "edge.upstream", **entry}]}}


def led_to(*origins, **entry):
    names = ["{}:{}".format(origin.host, origin.port) for origin in origins]
    return merge(leading("edge", ["edge.test"], ("edge.upstream", 80)),
                 {"upstreams": [{"name": "edge.upstream", "targets": [{"target": name} for name in names]}]},
                 balancing_of(**entry))


def test_connections_of_one_address_share_a_target(lab):
    origins = [origin_of(lab, "edge", content) for content in (b"a", b"b", b"c")]
    _, address = passing(lab, led_to(*origins, persistence={"method": "source_address"}))
    assert len({ask(lab, address, "edge.test").content for _ in range(6)}) == 1


def test_a_connection_above_the_limit_is_refused(lab):
    origin = origin_of(lab, "edge", b"x")
    member = {"target": f"{origin.host}:{origin.port}", "max_requests": 1}
    hop, address = passing(lab, led_to(origin, members=[member]))
    ask(lab, address, "edge.test")  # and the connection stays
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        lab.client(address, tls=lab.pki.client_context(), server_name="edge.test")
    assert hop.access_log.wait(1)[0]["reason"] == "LIMIT_REACHED"
