"""Who sends in crumbs does not take the receive buffers of all others (P5), nor a burst of handshakes their turn."""
import pathlib
import signal
import ssl
import threading

import pytest

from lab.exposition import scrape
from lab.lab import service_to
from lab.wait import DEADLINE_S, wait_until
from lab.wire import head

CRUMBS = 600  # more than a worker has receive buffers
ONE_WORKER = {"nginx_worker_processes": "1"}


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_upload_in_crumbs_does_not_starve_others(lab, method):
    """Content is kept for a further try until the target answers; that must not keep the buffers."""
    arrived = threading.Semaphore(0)

    def take_crumbs(connection, request):
        for _ in range(CRUMBS):
            connection.read_exact(1)
            arrived.release()
        request.content_read = True
        connection.send(head("HTTP/1.1 200 OK", [("Content-Length", "4")]) + b"done")

    origin = lab.origin(content=b"served").on("/up", take_crumbs)
    edge = lab.edge(origin, conf=ONE_WORKER, retries=1)
    client = lab.client(edge)
    client.send(client.request_bytes(method, "/up", [("Content-Length", str(CRUMBS))]))
    for number in range(CRUMBS):  # one by one, so that each is a receive of its own
        client.send(b"x")
        assert arrived.acquire(timeout=DEADLINE_S), f"crumb {number} did not arrive"
        if number == CRUMBS - 2:
            assert lab.client(edge).get("/").content == b"served"
    assert client.read_response().content == b"done"


BURST = 200  # handshakes


def first_flight(context):
    """A client hello, and behind it what no handshake has: the step that it costs ends with a line in the log."""
    hello = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="edge.test").do_handshake()
    return hello.read() + b"no record"


def stop_and_wait(hop):
    """Whatever is sent from now on is there at once when the hop goes on."""
    hop.signal(signal.SIGSTOP)
    stat = pathlib.Path(f"/proc/{hop.process.pid}/stat")
    wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "the hop to stand still")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_established_connection_is_served_amid_a_burst_of_handshakes(lab, version):
    """By the order of the log, not by the clock: the last to ask does not wait for all who began before."""
    hop = lab.hop(service_to(lab.origin()), persona="edge", tls=True,
                  conf={**ONE_WORKER, "status_listen": "127.0.0.1:0", "hopgate_tls_handshake_timeout": "60s"})
    context = lab.pki.client_context(version)
    established = lab.client(hop, tls=context)
    assert established.get("/").status == 200
    burst = [lab.client(hop.https) for _ in range(BURST)]
    assert lab.client(hop, tls=context).get("/").status == 200  # accepted after them, so they are, too
    stop_and_wait(hop)
    for client in burst:
        client.send(first_flight(context))
    established.send(b"what is this?\r\n\r\n")
    hop.signal(signal.SIGCONT)
    assert established.read_response().status == 400
    hop.error_log.wait_for("while SSL handshaking", count=BURST)
    order = hop.error_log.lines("while ")
    served = next(i for i, line in enumerate(order) if "while reading client request" in line)
    assert len(order) == BURST + 1 and served < BURST * 3 / 4, f"after {served} of {BURST} handshakes"
    assert scrape(lab, hop).value("hopgate_tls_handshake_steps_deferred_total") > BURST / 2
