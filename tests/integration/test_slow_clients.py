"""Clients that are slow on purpose, alone and by the hundred; and what the others notice of them.

Every timer is short here (a second or so) so that an attack is over within seconds; the long tier runs the
default timers of persona edge.
"""
import contextlib
import resource
import selectors
import socket
import statistics
import threading
import time

import pytest

from lab import behaviours
from lab.wait import DEADLINE_S, pace, wait_until
from lab.wire import Stopwatch

MARGIN_S = 3  # a busy machine, sanitizers
ONE_SECOND = {
    "nginx_http_client_header_timeout": "1s", "nginx_http_client_body_timeout": "1s", "nginx_http_send_timeout": "1s",
    "nginx_http_keepalive_timeout": "1s", "hopgate_tls_handshake_timeout": "1s"}
STALL_S = 3  # for what must not time out although the machine stops for a second or two
THREE_SECONDS = {key: f"{STALL_S}s" for key in ONE_SECOND}


def took(watch, seconds):
    return seconds * 0.95 <= watch.seconds < seconds + MARGIN_S


class Trickle(threading.Thread):
    """Sends a byte every `gap_s` until told to stop or the peer takes no more."""

    def __init__(self, client, data, gap_s):
        super().__init__(daemon=True)
        self.client, self.data, self.gap_s, self.stopped = client, data, gap_s, threading.Event()
        self.start()

    def run(self):
        for at in range(len(self.data)):
            if self.stopped.wait(self.gap_s):
                return
            try:
                self.client.sock.send(self.data[at:at + 1])
            except OSError:
                return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()


# ---- one slow client ----------------------------------------------------------------------------


@pytest.mark.parametrize("persona", ["kong", "edge"])
def test_head_byte_by_byte_ends_at_the_total_time(lab, persona):
    """Bytes do not extend the time for a head: 408 from the edge, nothing from Kong, both within it."""
    hop = getattr(lab, persona)(lab.origin(), conf=ONE_SECOND)
    client = lab.client(hop)
    watch = Stopwatch()
    with Trickle(client, b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: " + b"x" * 1000, gap_s=0.02):
        if persona == "edge":
            assert client.read_response().status == 408
        assert client.wait_for_end() in ("fin", "reset")
    assert took(watch, 1)
    assert hop.access_log.last().reason == "CLIENT_HEAD_TIMEOUT"
    hop.error_log.wait_for("client timed out (110: Connection timed out) while reading client request headers")
    assert lab.origins[0].requests == []


def test_handshake_byte_by_byte_ends_at_the_total_time(lab):
    """The hop closes without a word and tells it at level info."""
    hop = lab.edge(lab.origin(), tls=True, conf={**ONE_SECOND, "nginx_http_client_header_timeout": "60s"})
    client = lab.client(hop.https)
    watch = Stopwatch()
    with Trickle(client, b"\x16\x03\x01\x40\x00\x01" + bytes(1000), gap_s=0.02):
        assert client.wait_for_end() in ("fin", "reset")
    assert took(watch, 1)
    assert "[info]" in hop.error_log.wait_for("client timed out", "while SSL handshaking")[0]


def test_without_a_time_of_its_own_the_handshake_has_that_of_the_head(lab):
    """As in nginx; persona kong."""
    hop = lab.hop({}, persona="kong", tls=True, conf={"nginx_http_client_header_timeout": "1s"})
    watch = Stopwatch()
    assert lab.client(hop.https).wait_for_end() == "fin"
    assert took(watch, 1)


def test_content_below_the_minimum_rate_is_408(lab):
    """Bytes come often enough for the idle time and are too few on average."""
    conf = {**ONE_SECOND, "hopgate_client_body_min_rate": "100", "hopgate_client_body_min_rate_grace": "1s"}
    edge = lab.edge(lab.origin(), conf=conf)
    client = lab.client(edge)
    client.send(client.request_bytes("POST", "/", [("Content-Length", "1000")]))
    watch = Stopwatch()
    with Trickle(client, b"x" * 1000, gap_s=0.1):
        assert client.read_response().status == 408
        client.read_to_end()
    assert took(watch, 1)
    assert edge.access_log.last().reason == "CLIENT_BODY_SLOW"
    edge.error_log.wait_for("client sent its content too slowly: ", "at least 100 per second")


def test_slow_content_within_the_rules_arrives(lab):
    conf = {**THREE_SECONDS, "hopgate_client_body_min_rate": "1", "hopgate_client_body_min_rate_grace": "2500ms"}
    origin = lab.origin(content=b"thanks")
    client = lab.client(lab.edge(origin, conf=conf))
    client.send(client.request_bytes("POST", "/", [("Content-Length", "30")]))
    with Trickle(client, b"y" * 30, gap_s=0.12):  # longer than the grace, and than any timer
        assert client.read_response().content == b"thanks"
    assert origin.requests[0].content == b"y" * 30


def test_target_that_does_not_read_is_not_the_fault_of_the_client(lab):
    """Back-pressure for longer than the grace, then a slow rest: only waiting for the client counts."""
    size = 16 * 1024 * 1024
    conf = {**THREE_SECONDS, "hopgate_client_body_min_rate": "50k", "hopgate_client_body_min_rate_grace": "2500ms"}
    gate = threading.Event()

    def read_late(connection, request):
        gate.wait(DEADLINE_S)
        connection.read_exact(size)
        request.content_read = True
        behaviours.answer(b"got it")(connection, request)

    origin = lab.origin(receive_buffer_bytes=4096).on("/", read_late)
    edge = lab.edge(origin, conf=conf, write_timeout=60_000)
    client = lab.client(edge)
    sender = threading.Thread(target=client.send, args=(client.request_bytes("PUT", "/", content=bytes(size)),))
    sender.start()
    pace(STALL_S + 1)  # longer than every timer of the client's side
    assert edge.access_log.text() == ""
    gate.set()
    sender.join()
    assert client.read_response().content == b"got it"


def test_reader_that_stops_is_cut_at_the_send_timeout(lab):
    size = 64 * 1024 * 1024
    edge = lab.edge(lab.origin().on("/", behaviours.stream(size)), conf=ONE_SECOND)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/"))
    client.read_head()
    entry = edge.access_log.last()  # written although nobody reads
    assert entry.reason == "CLIENT_SEND_TIMEOUT"
    assert entry["truncated"]
    edge.error_log.wait_for("client timed out (110: Connection timed out) while sending to client")


def test_slow_reader_that_makes_progress_is_served(lab):
    """Each pause is shorter than the timeout, all of them together are longer."""
    size = 12 * 1024 * 1024
    edge = lab.edge(lab.origin().on("/", behaviours.stream(size)), conf=THREE_SECONDS)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/"))
    client.read_head()
    watch, received, pauses = Stopwatch(), len(client.buffer), 0
    client.buffer.clear()
    while received < size:
        if received > pauses * size // 12:
            pauses += 1
            pace(0.35)
        received += len(client.receive())
    assert received == size and watch.seconds > STALL_S
    assert edge.access_log.last().reason == "OK"


# ---- a crowd, and a normal client beside it -----------------------------------------------------


class Crowd:
    """Many connections that do nothing but send a first piece and note when they were closed."""

    def __init__(self, address, first=b""):
        self.address, self.first = address, first
        self.selector, self.count, self.closed_after = selectors.DefaultSelector(), 0, []

    def grow(self, count):
        for _ in range(count):
            sock = socket.create_connection(self.address, timeout=DEADLINE_S)
            sock.setblocking(False)
            if self.first:
                sock.send(self.first)
            self.selector.register(sock, selectors.EVENT_READ, time.monotonic())
        self.count += count

    def step(self, timeout_s=0.0):
        """Reads what came; what ended is closed."""
        for key, _ in self.selector.select(timeout_s):
            try:
                ended = key.fileobj.recv(65536) == b""
            except ConnectionResetError:
                ended = True
            if ended:
                self.closed_after.append(time.monotonic() - key.data)
                self.selector.unregister(key.fileobj)
                key.fileobj.close()

    @property
    def open_count(self):
        return self.count - len(self.closed_after)

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


@contextlib.contextmanager
def many_files():
    """The test's own process holds as many sockets as the hop."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def latencies(client, count):
    """Seconds of `count` requests on one connection, one after the other."""
    measured = []
    for _ in range(count):
        watch = Stopwatch()
        assert client.get("/normal").status == 200
        measured.append(watch.seconds)
    return measured


def p99(values):
    return statistics.quantiles(values, n=100)[98]


def in_ms(values):
    return f"median {statistics.median(values) * 1000:.2f} ms, p99 {p99(values) * 1000:.2f} ms"


FIRST_REQUEST = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
# what each of them has sent before it falls silent, and through which listener
ATTACKS = {
    "idle": (FIRST_REQUEST, "http"),
    "silent": (b"", "http"),
    "half_head": (b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Half: ", "http"),
    "half_body": (b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nhalf", "http"),
    "no_handshake": (b"", "https"),
    "half_handshake": (b"\x16\x03\x01\x02\x00\x01\x00", "https"),
}


def attack(lab, name, count, conf, timeout_s):
    """All of the crowd are closed in time, and a normal client is served as before meanwhile."""
    first, listener = ATTACKS[name]
    edge = lab.edge(lab.origin(content=b"served"), tls=True, conf={"nginx_worker_processes": "1", **conf})
    client = lab.client(edge)
    idle = latencies(client, 200)
    with many_files():
        crowd, busy, watch = Crowd(getattr(edge, listener), first), [], Stopwatch()
        try:
            while crowd.count < count or (crowd.open_count > 0 and watch.seconds < timeout_s + DEADLINE_S):
                crowd.grow(min(50, count - crowd.count))
                crowd.step()
                busy += latencies(client, 10)
            left = crowd.open_count
        finally:
            crowd.close()
    print(f"{name}: idle {in_ms(idle)}; during the attack {in_ms(busy)}; {len(busy)} requests; "
          f"closed after {min(crowd.closed_after):.1f} to {max(crowd.closed_after):.1f} s")
    assert left == 0, f"{left} of {count} were still open"
    assert max(crowd.closed_after) < timeout_s + MARGIN_S
    assert len(busy) >= 40
    assert statistics.median(busy) < max(5 * statistics.median(idle), 0.05)
    assert p99(busy) < max(5 * p99(idle), 0.25)
    wait_until(lambda: edge.fd_count() < count, "the hop to give back the descriptors")


QUICK = {**ONE_SECOND, "hopgate_client_body_min_rate": "0", "nginx_http_keepalive_requests": "0"}


@pytest.mark.serial
@pytest.mark.parametrize("name", ["idle", "no_handshake"])
def test_a_thousand_are_closed_in_time_and_disturb_nobody(lab, name):
    attack(lab, name, count=1000, conf=QUICK, timeout_s=1)


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in ("idle", "no_handshake")])
def test_a_crowd_is_closed_in_time_and_disturbs_nobody(lab, name):
    attack(lab, name, count=300, conf=QUICK, timeout_s=1)


@pytest.mark.long
@pytest.mark.serial
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [name for name in ATTACKS if name != "idle"])
def test_a_crowd_against_the_default_timers(lab, name):
    """Persona edge as it is: every one of these ends within 10 s (an idle connection within 75 s)."""
    attack(lab, name, count=1000, conf={"nginx_http_keepalive_requests": "0"}, timeout_s=10)
