"""Real load generators, under the sanitizers: nothing is lost, nothing is counted twice."""
import re

import pytest

from lab.client import run
from lab.exposition import logged
from lab.lab import service_to

SECONDS = {"fast": 2, "default": 5, "full": 30}

pytestmark = pytest.mark.serial


@pytest.fixture
def chain(lab):
    """Two hops, because the first one is then the fastest client the second can have."""
    inner = lab.kong(lab.origin(content=b"x" * 1000))
    return lab.hop(service_to(inner), persona="edge", tls=True, conf={"status_listen": "127.0.0.1:0"})


@pytest.mark.parametrize("tls", [False, True])
def test_wrk(lab, chain, tls, tier):
    scheme, (host, port) = ("https", chain.https) if tls else ("http", chain.http)
    done = run("wrk", "-t1", "-c32", f"-d{SECONDS[tier]}s", f"{scheme}://{host}:{port}/load", deadline_s=120)
    assert done.code == 0, done.err
    assert "Socket errors" not in done.out and "Non-2xx" not in done.out, done.out
    completed = int(re.search(r"(\d+) requests in", done.out).group(1))
    assert completed > 100
    entries = logged(lab, chain, completed)
    # wrk leaves when its time is up, in the middle of at most one exchange per connection
    assert len(entries) <= completed + 32
    assert {entry.status for entry in entries if entry.reason != "CLIENT_ABORTED"} == {200}
    assert len([entry for entry in entries if entry.status != 200]) <= 32
    assert completed <= len(lab.origins[0].requests) <= completed + 32


@pytest.mark.parametrize("tls", [False, True])
def test_h2load_over_http_1(lab, chain, tls):
    scheme, (host, port) = ("https", chain.https) if tls else ("http", chain.http)
    done = run("h2load", "--h1", "-n", "2000", "-c", "20", f"{scheme}://{host}:{port}/load", deadline_s=120)
    assert done.code == 0, done.err
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in done.out, done.out
    assert len(lab.origins[0].requests) == 2000
    assert len(logged(lab, chain, 2000)) <= 2000


def test_short_connections(lab, chain):
    """Each request on its own TLS connection: accept, handshake and close in a loop."""
    start = chain.fd_count()
    host, port = chain.https
    done = run("wrk", "-t1", "-c16", "-d3s", "-H", "Connection: close", f"https://{host}:{port}/", deadline_s=60)
    assert done.code == 0, done.err
    assert "Socket errors" not in done.out and "Non-2xx" not in done.out, done.out
    completed = int(re.search(r"(\d+) requests in", done.out).group(1))
    assert completed > 50
    assert {entry["client"]["request_number"] for entry in logged(lab, chain, completed)} == {1}
    lab.origins[0].stop()
    lab.hops[0].stop()
    chain.wait_fd_count(start)
