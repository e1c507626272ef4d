"""One connection that sends in crumbs does not take the receive buffers of all others (P5)."""
import threading

import pytest

from lab.wait import DEADLINE_S
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
