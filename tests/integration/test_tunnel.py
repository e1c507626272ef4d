"""Upgrade: after a 101 that was asked for, bytes pass in both directions until both have ended."""
import socket
import threading
import time

import pytest

from lab import behaviours
from lab.lab import service_to
from lab.wait import pace
from lab.wire import Ended, head

UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
SWITCH = head("HTTP/1.1 101 Switching Protocols", [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                                                    ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")])
BLOCK = bytes(range(256)) * 256  # 64 KiB


def echo(connection, request):
    """Switches, then sends back what comes, and at the end of it a last word."""
    connection.send(SWITCH)
    try:
        while True:
            connection.send(connection.receive())
    except Ended:
        connection.send(b"last word")
        connection.end_cleanly()
        raise


@pytest.fixture(params=["edge", "kong"])
def persona(request):
    return request.param


def switched(lab, hop, tls=False, more=b""):
    client = lab.client(hop, tls=tls)
    client.send(client.request_bytes("GET", "/chat", UPGRADE) + more)
    return client, client.read_head()


@pytest.mark.parametrize("tls", [False, True])
def test_bytes_pass_in_both_directions_and_the_ends_one_by_one(lab, tls):
    origin = lab.origin().on("/chat", echo)
    hop = lab.edge(origin, tls=tls)
    client, answer = switched(lab, hop, tls, more=b"early ")
    assert answer.status == 101
    assert (answer.fields.get("Upgrade"), answer.fields.get("Connection")) == ("websocket", "upgrade")
    assert answer.fields.get("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    client.send(b"bird")
    assert client.read_exact(10) == b"early bird"
    for _ in range(20):
        client.send(BLOCK)
        assert client.read_exact(len(BLOCK)) == BLOCK
    if not tls:  # Python's ssl cannot end one direction only
        client.half_close()
        assert client.read_exact(9) == b"last word"
        client.read_to_end()
        entry = hop.access_log.last()
        assert (entry.status, entry["reason"]) == (101, "OK")
        assert entry["response"]["content_size"] == 20 * len(BLOCK) + 10 + 9


def test_target_sees_the_request_to_switch(lab, persona):
    origin = lab.origin().on("/chat", echo)
    switched(lab, getattr(lab, persona)(origin))
    (request,) = origin.requests
    assert request.fields.get("Upgrade") == "websocket"
    assert request.fields.get("Connection") == {"edge": "Upgrade", "kong": "keep-alive, Upgrade"}[persona]
    assert request.fields.get("Sec-WebSocket-Key") == "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.mark.parametrize("protocol", ["h2c", "websocket, h2c", "TLS/1.2"])
def test_other_protocols_are_not_passed_on(lab, persona, protocol):
    origin = lab.origin(content=b"plain")
    client = lab.client(getattr(lab, persona)(origin))
    answer = client.get("/", [("Connection", "Upgrade"), ("Upgrade", protocol)])
    assert answer.content == b"plain"
    assert origin.requests[0].fields.get("Upgrade") is None


def test_switch_to_something_else_is_a_fault_of_the_target(lab):
    origin = lab.origin().on("/chat", behaviours.raw(SWITCH.replace(b"websocket", b"h2c"), then="hang"))
    hop = lab.edge(origin)
    _, answer = switched(lab, hop)
    assert answer.status == 502
    assert hop.access_log.last()["reason"] == "UPSTREAM_HEAD_INVALID"


def test_target_may_decline_to_switch(lab):
    hop = lab.edge(lab.origin(content=b"no"))
    client = lab.client(hop)
    assert client.request("GET", "/", UPGRADE).content == b"no"
    assert client.get("/again").content == b"no"  # the connection is an ordinary one


def test_silent_tunnel_ends_at_the_read_timeout(lab):
    origin = lab.origin().on("/chat", behaviours.raw(SWITCH, then="hang"))
    hop = lab.kong(origin, read_timeout=2500)  # the origin has as long to switch
    client, answer = switched(lab, hop)
    assert answer.status == 101
    client.read_to_end()
    hop.error_log.wait_for("upstream timed out (110: Connection timed out) while proxying upgraded connection")
    assert hop.access_log.last()["reason"] == "TUNNEL_TIMEOUT"


SLOW_BYTES = 560_000  # the kernel's buffers and ours are full, and what is left has reached us as well
IDLE_MS = 1500


def sip(client, idle_ms=IDLE_MS):
    """Reads all of SLOW_BYTES, at first so slowly that the target, which has sent it all, is silent for longer than it
    may: how much came. None: this process was not run in time, so that it may have looked idle itself."""
    received = len(client.take(len(client.buffer)))
    begin = time.monotonic()
    reads = [begin]
    worst_s = 0
    try:
        while received < SLOW_BYTES:
            received += len(client.receive(8192))
            reads.append(time.monotonic())
            worst_s = max(worst_s, reads[-1] - reads[-9:][0])  # for 64 KiB, after which the kernel takes more
            if reads[-1] - begin < 1.4 * idle_ms / 1000:
                pace(0.09)
    except Ended:
        worst_s = max(worst_s, time.monotonic() - reads[-9:][0])
    return None if worst_s > 0.7 * idle_ms / 1000 else received


def takes_a_slow_reader(attempt):
    """A machine that is too busy stalls this process (None) or the hop (too few bytes): it is asked again. A hop that
    takes a slow reader for an idle one fails each time."""
    results = []
    for _ in range(8):
        results.append(attempt())
        if results[-1] == SLOW_BYTES:
            return True
    if not any(results):
        pytest.skip("this machine is too busy to read slowly")
    return False


def test_client_that_reads_slowly_is_not_idle(lab):
    """The target has said all that it has to say; the client still takes it."""
    origin = lab.origin().on("/chat", behaviours.raw(SWITCH + bytes(SLOW_BYTES), then="hang"))
    hop = lab.edge(origin, read_timeout=IDLE_MS)

    def attempt():
        client = lab.client(hop)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(client.request_bytes("GET", "/chat", UPGRADE))
        client.read_head()
        return sip(client)

    assert takes_a_slow_reader(attempt)


@pytest.mark.parametrize("who", ["client", "target"])
def test_reset_of_one_side_ends_the_other(lab, who):
    origin = lab.origin().on("/chat", behaviours.raw(SWITCH, then="hang"))
    if who == "target":
        origin.on("/chat", behaviours.raw(SWITCH + b"x", then="reset"))
    hop = lab.edge(origin)
    count = hop.fd_count()
    client, answer = switched(lab, hop)
    if who == "client":
        assert answer.status == 101
        client.reset()
    else:
        with pytest.raises((Ended, OSError)):
            while True:
                client.receive()
        client.close()
    hop.wait_fd_count(count)  # both of the hop's connections are gone
    assert hop.access_log.last()["fault"] == {"client": "client", "target": "upstream"}[who]


def test_client_that_has_ended_its_side_before_the_switch_hears_the_target(lab):
    """A persona that serves half-closed clients: the end is passed on, and what the target says comes back."""
    gate = threading.Event()
    origin = lab.origin().on("/chat", behaviours.after(gate, echo))
    hop = lab.hop(service_to(origin), persona="f5", conf={"nginx_worker_processes": "1"})
    client = lab.client(hop)
    client.send(client.request_bytes("GET", "/chat", UPGRADE))
    origin.wait_for_requests(1)
    client.half_close()
    lab.client(hop).get("/")  # the one worker has seen the end of the first connection, too
    gate.set()
    assert client.read_head().status == 101
    assert client.read_to_end() == (b"last word", "fin")
    assert hop.access_log.last(2)["reason"] == "OK"


def refuse_to_read(connection, request):
    """Switches, and takes nothing of what comes then."""
    connection.send(SWITCH)
    connection.origin.wait_for(threading.Event())  # until the test's end


def test_target_that_takes_nothing_ends_the_tunnel_at_the_write_timeout(lab):
    """Kong's second gap: the read timeout is far away."""
    origin = lab.origin(receive_buffer_bytes=4096).on("/chat", refuse_to_read)
    hop = lab.kong(origin, write_timeout=1000, read_timeout=120_000)
    client, answer = switched(lab, hop)
    assert answer.status == 101
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    while not hop.access_log.entries():
        client.send_what_is_taken(BLOCK)
    assert hop.access_log.last()["reason"] == "TUNNEL_TIMEOUT"
    hop.error_log.wait_for("upstream timed out (110: Connection timed out) while proxying upgraded connection")


@pytest.mark.parametrize("request_lines", [
    "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
    "POST /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nContent-Length: 2\r\n\r\nab",
    "GET /chat HTTP/1.0\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
], ids=["without-connection", "post", "http-1.0"])
def test_kong_lets_the_upgrade_field_alone_ask(lab, request_lines):
    """kong/runloop/handler.lua looks at Upgrade; nginx switches on the target's 101."""
    def switch(connection, request):
        request.read_content()
        echo(connection, request)

    client = lab.client(lab.kong(lab.origin().on("/chat", switch)))
    client.send(request_lines.encode())
    assert client.read_head().status == 101
    client.send(b"hello")
    assert client.read_exact(5) == b"hello"


@pytest.mark.parametrize("request_lines", [
    "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
    "POST /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nab",
], ids=["without-connection", "post"])
def test_edge_wants_the_whole_handshake(lab, request_lines):
    """RFC 6455 4.1: GET, and Connection lists Upgrade."""
    origin = lab.origin(content=b"plain")
    client = lab.client(lab.edge(origin))
    client.send(request_lines.encode())
    assert client.read_response().content == b"plain"
    assert origin.requests[0].fields.get("Upgrade") is None


def test_switch_before_the_request_is_whole_is_a_fault_of_the_target(lab):
    """What follows would be content and tunnel at once."""
    origin = lab.origin().on("/chat", behaviours.raw(SWITCH, then="hang"))
    hop = lab.kong(origin, route={"request_buffering": False})
    client = lab.client(hop)
    client.send(b"POST /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nContent-Length: 100\r\n\r\nabc")
    assert client.read_response().status == 502
    assert hop.access_log.last()["reason"] == "UPSTREAM_HEAD_INVALID"


def test_client_that_takes_nothing_ends_the_tunnel_at_the_send_timeout(lab):
    def pour(connection, request):
        connection.send(SWITCH)
        while True:
            connection.send(BLOCK)

    hop = lab.kong(lab.origin().on("/chat", pour), read_timeout=120_000, conf={"nginx_http_send_timeout": "1s"})
    client, answer = switched(lab, hop)
    assert answer.status == 101
    assert hop.access_log.last()["reason"] == "CLIENT_SEND_TIMEOUT"
