"""Client -> edge (TLS) -> Kong -> inner load balancer (F5) -> origin: what the client sees, and who is to blame.

    client --TLS--> edge 127.0.1.1 --> gateway 127.0.1.2 --> inner 127.0.1.3 --> origin
"""
import types

import pytest

from lab import behaviours
from lab.client import curl
from lab.lab import merge, service_to
from lab.wire import Stopwatch

GATEWAY_READ_TIMEOUT_MS = 2500  # long enough for a request to reach the origin on a machine that stalls


@pytest.fixture
def chain(lab):
    origin = lab.origin(content=b"hello")
    dead = lab.refusing_port()
    inner = lab.hop(merge(service_to(origin, name="alive"), service_to(dead, name="dead", paths=["/dead"])),
                    persona="f5", name="inner", listen="127.0.1.3")
    slow = service_to(inner, name="slow", paths=["/slow"], read_timeout=GATEWAY_READ_TIMEOUT_MS)
    gateway = lab.hop(merge(service_to(inner), slow), persona="kong", name="gateway", listen="127.0.1.2")
    edge = lab.hop(service_to(gateway), persona="edge", name="edge", listen="127.0.1.1", tls=True)
    return types.SimpleNamespace(origin=origin, inner=inner, gateway=gateway, edge=edge, hops=[edge, gateway, inner])


def test_request_passes_every_hop_and_comes_back(lab, chain):
    answer = lab.client(chain.edge, tls=True).get("/path?q=1", [("X-Mine", "kept")])
    assert (answer.status, answer.content) == (200, b"hello")
    (request,) = chain.origin.requests
    assert (request.method, request.target, request.fields.get("X-Mine")) == ("GET", "/path?q=1", "kept")
    assert [hop.access_log.last().status for hop in chain.hops] == [200, 200, 200]


def test_curl_verifies_the_chain_and_gets_the_content(lab, chain):
    host, port = chain.edge.https
    done = curl(f"https://edge.test:{port}/", "--cacert", lab.pki.root, "--resolve", f"edge.test:{port}:{host}",
                "--write-out", " %{http_code} %{ssl_verify_result}")
    assert (done.code, done.out) == (0, "hello 200 0"), done.err


def test_dead_server_gives_502_and_the_inner_log_names_it(lab, chain):
    """An F5 resets; the Kong in front of it makes the 502; the edge only relays that."""
    answer = lab.client(chain.edge, tls=True).get("/dead")
    assert answer.status == 502
    assert b"An invalid response was received from the upstream server" in answer.content
    assert chain.origin.requests == []
    chain.inner.error_log.wait_for("RST sent from", "TCP RST from remote system")
    assert chain.inner.access_log.last().tries == ["CONNECT_REFUSED"]
    chain.gateway.error_log.wait_for("while reading response header from upstream", "/dead")
    assert chain.gateway.access_log.last().status == 502
    assert chain.edge.access_log.last().status == 502
    assert chain.edge.error_log.lines("/dead") == []


def test_slow_server_gives_504_and_the_gateway_log_names_it(lab, chain):
    chain.origin.on("/slow", behaviours.hang())
    watch = Stopwatch()
    answer = lab.client(chain.edge, tls=True).get("/slow")
    assert answer.status == 504
    assert b"The upstream server is timing out" in answer.content
    assert GATEWAY_READ_TIMEOUT_MS / 1000 <= watch.seconds < 10 * GATEWAY_READ_TIMEOUT_MS / 1000
    assert len(chain.origin.requests) == 1
    chain.gateway.error_log.wait_for(
        "upstream timed out (110: Connection timed out) while reading response header from upstream", "/slow")
    assert [hop.access_log.last().status for hop in (chain.edge, chain.gateway)] == [504, 504]
    assert chain.edge.error_log.lines("/slow") == []
    inner = chain.inner.access_log.last()
    assert (inner.reason, inner["fault"]) == ("CLIENT_ABORTED", "client"), "its client, the gateway, went away"


def test_logs_of_the_hops_join_by_their_connections(lab, chain):
    """Hop A's upstream connection is hop B's client connection: no id has to travel."""
    client = lab.client(chain.edge, tls=True)
    for number in range(3):
        client.get(f"/{number}")
    for outer, inner in ((chain.edge, chain.gateway), (chain.gateway, chain.inner)):
        outer_side = [entry.upstream_connection for entry in outer.access_log.wait(3)]
        assert outer_side == [entry.client_connection for entry in inner.access_log.wait(3)]
    assert chain.edge.access_log.last().client_connection == (client.local_port, 3)


def test_a_chain_survives_its_failures(lab, chain):
    chain.origin.on("/slow", behaviours.hang())
    client = lab.client(chain.edge, tls=True)
    statuses = [client.get(path).status for path in ("/", "/dead", "/", "/slow", "/", "/dead", "/slow", "/")]
    assert statuses == [200, 502, 200, 504, 200, 502, 504, 200]


@pytest.mark.parametrize("size", [0, 1, 16384, 100_000, 3_000_000])
def test_content_of_any_size_passes_both_ways_unchanged(lab, chain, size):
    chain.origin.on("/up", behaviours.swallow()).on("/down", behaviours.stream(size))
    client = lab.client(chain.edge, tls=True)
    content = b"".join(behaviours.pattern(size))
    assert client.post("/up", content).text == f"{size} {behaviours.pattern_sum(size)}"
    assert client.get("/down").content == content
