"""Writers of the Admin API for tools/bench --admin, each in a process of its own: a busy writer must not slow the
measurement of another."""
import concurrent.futures
import http.client
import json
import math
import time
import uuid

CLIENTS = 10
KINDS = ("upstreams", "targets", "services", "routes", "consumers")  # in the order in which they need each other
SPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
TRAFFIC = "bench"  # the service that the measured requests take


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def entity_id(kind, number):
    return str(uuid.uuid5(SPACE, f"{kind} {number}"))


def traffic_entities(port):
    """As of entities(): what the measured requests take."""
    service = entity_id("services", TRAFFIC)
    return [("PUT", f"/services/{service}", {"name": TRAFFIC, "host": "127.0.0.1", "port": port}),
            ("PUT", f"/routes/{entity_id('routes', TRAFFIC)}",
             {"name": TRAFFIC, "paths": ["/"], "strip_path": False, "service": {"id": service}})]


def content_of(kind, i):
    if kind == "services":  # every other one goes to an upstream
        host = f"upstream-{i}" if i % 2 else "127.0.0.1"
        return {"name": f"service-{i}", "host": host, "port": 9}
    if kind == "routes":
        return {"name": f"route-{i}", "hosts": [f"host-{i}.test"], "paths": [f"/path-{i}"],
                "service": {"id": entity_id("services", i)}}
    if kind == "upstreams":
        return {"name": f"upstream-{i}"}
    if kind == "targets":
        return {"id": entity_id(kind, i), "target": f"127.0.0.1:{10000 + i}"}
    return {"username": f"consumer-{i}"}


def write_of(kind, i):
    if kind == "targets":
        return "POST", f"/upstreams/{entity_id('upstreams', i)}/targets", content_of(kind, i)
    return "PUT", f"/{kind}/{entity_id(kind, i)}", content_of(kind, i)


def entities(count):
    """Lists of (method, path, content): one list of each kind."""
    return [[write_of(kind, i) for i in range(count // len(KINDS))] for kind in KINDS]


class Writer:
    """One connection, kept."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def write(self, method, path, content):
        """Seconds from sent to answered."""
        began = time.monotonic()
        self.connection.request(method, path, json.dumps(content), {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
        return time.monotonic() - began


def write_share(port, writes):
    writer = Writer(port)
    return [writer.write(*write) for write in writes]


def load_all(port, count):
    """As decK does: kind after kind, PUT by id (targets have no PUT that makes one), ten at once."""
    took, began = [], time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
        for writes in entities(count):
            for share in clients.map(write_share, [port] * CLIENTS, [writes[i::CLIENTS] for i in range(CLIENTS)]):
                took += share
    return summary_of(took, time.monotonic() - began)


def patch_share(port, began, times):
    """One PATCH at each of these times (seconds after `began`), or as soon as the one before is answered; what it
    waited for that counts as its own."""
    writer, took = Writer(port), []
    for at in times:
        time.sleep(max(0, began + at - time.monotonic()))
        # another value than any other's: a write that changes nothing costs next to nothing
        writer.write("PATCH", "/services/service-0", {"retries": round(at * 10000) % 32768})
        took.append(time.monotonic() - began - at)
    return took


def patch_all(port, rate, seconds):
    began, count = time.monotonic() + 0.1, int(rate * seconds)
    shares = [[i / rate for i in range(first, count, CLIENTS)] for first in range(CLIENTS)]
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
        took = [x for share in clients.map(patch_share, [port] * CLIENTS, [began] * CLIENTS, shares) for x in share]
    return summary_of(took, time.monotonic() - began)


def summary_of(took, seconds):
    return {"count": len(took), "seconds": seconds, "p50_ms": percentile(took, 50) * 1000,
            "p99_ms": percentile(took, 99) * 1000}


class Background:
    """A writer at work in another process."""

    def __init__(self, work, *arguments):
        self.pool = concurrent.futures.ProcessPoolExecutor(1)
        self.future = self.pool.submit(work, *arguments)

    def join(self, seconds):
        """Has it ended within that time?"""
        done, _ = concurrent.futures.wait([self.future], seconds)
        return bool(done)

    def result(self):
        self.pool.shutdown()
        return self.future.result()
