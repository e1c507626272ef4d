"""Kill, reset and stall at every step of an exchange, on both sides.

After each: the hop lives, a plain request works, the descriptors are back where they were. That nothing
leaks and no sanitizer complains is checked when the lab ends the hop.
"""
import ssl

import pytest

from lab import behaviours
from lab.client import Truncated
from lab.lab import merge, service_to
from lab.wire import Ended, chunked, head

READ_TIMEOUT_MS = 300
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

# what the origin sent before it misbehaves
ORIGIN_STEPS = {
    "request read": b"",
    "part of the status line": b"HTTP/1.",
    "part of the head": HEAD[:30],
    "interim head": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    "whole head": HEAD,
    "part of the content": HEAD + b"x" * 50,
    "chunked head": CHUNKED_HEAD,
    "chunk line": CHUNKED_HEAD + b"1",
    "part of a chunk": CHUNKED_HEAD + b"10\r\nabc",
    "chunk without its end": CHUNKED_HEAD + b"3\r\nabc",
    "last chunk without trailers": CHUNKED_HEAD + b"3\r\nabc\r\n0\r\n",
}
ENDS = ["close", "reset", "hang"]


@pytest.fixture
def hop(lab):
    """An edge with TLS in front of an origin that can do anything on request; it waits shortly on /hang only."""
    origin = lab.origin(content=b"fine")
    hop = lab.hop(merge(service_to(origin), service_to(origin, name="hang", paths=["/hang"], read_timeout=READ_TIMEOUT_MS)),
                  persona="edge", tls=True)
    hop.fd_count_at_start = hop.fd_count()
    return hop


def path_of(end):
    """A busy machine must not time out an origin that will close or reset."""
    return "/hang" if end == "hang" else "/bad"


def is_unharmed(lab, hop):
    """Alive, works, and holds no descriptor more once the other sides are gone."""
    client = lab.client(hop)
    assert client.get("/fine").content == b"fine"
    for each in lab.clients:
        each.close()
    for connection in lab.origins[0].connections:
        connection.drop()
    hop.wait_fd_count(hop.fd_count_at_start)
    assert hop.is_alive()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("step", ORIGIN_STEPS)
def test_origin_fails_after(lab, hop, step, end, tls):
    lab.origins[0].on(path_of(end), behaviours.raw(ORIGIN_STEPS[step], then=end))
    client = lab.client(hop, tls=tls)
    client.send(client.request_bytes("GET", path_of(end)))
    try:
        answer = client.read_response()
        assert answer.status == (504 if end == "hang" else 502)
    except (Truncated, Ended) as broken:
        assert ORIGIN_STEPS[step].startswith((HEAD, CHUNKED_HEAD)), f"the client saw {broken!r}, no error page"
        assert broken.how != "close_notify"
    is_unharmed(lab, hop)


@pytest.mark.parametrize("end", ENDS)
def test_origin_fails_before_it_read_anything(lab, hop, end):
    def fail(connection, request):
        if connection.number == 1:
            behaviours.finish(connection, end)

    lab.origins[0].on_connect = fail
    answer = lab.client(hop).get(path_of(end))
    assert answer.status == (504 if end == "hang" else 502)
    is_unharmed(lab, hop)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("answered", [False, True])
def test_origin_fails_in_the_middle_of_an_upload(lab, hop, end, answered):
    """An answer that came before the upload was done must reach the client, even so."""
    def fail(connection, request):
        connection.read_exact(10_000)
        if answered:
            connection.send(head("HTTP/1.1 413 Too Large", [("Content-Length", "3"), ("Connection", "close")]) + b"big")
        behaviours.finish(connection, end)

    lab.origins[0].on(path_of(end), fail)
    client = lab.client(hop)
    client.send(client.request_bytes("POST", path_of(end), [("Content-Length", str(10_000_000))]) + bytes(50_000))
    if answered and end != "reset":
        answer = client.read_response()
        assert (answer.status, answer.content) == (413, b"big")
    elif end != "hang":  # an origin and a client that both wait are nobody's fault yet; the client leaves below
        try:
            assert client.read_response().status in (502, 504, 413)
        except (Truncated, Ended):
            pass
    is_unharmed(lab, hop)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_client_goes_away_at_every_byte_of_its_request(lab, hop, method, end, tls):
    lab.origins[0].on("/", behaviours.answer(b"late"))
    first = lab.client(hop)
    request = first.request_bytes(method, "/", [("X-Field", "value")], b"content" if method == "POST" else None)
    for at in range(len(request) + 1):
        client = lab.client(hop, tls=tls)
        client.send(request[:at])
        end_client(client, end)
    is_unharmed(lab, hop)


def end_client(client, end):
    if end == "reset":
        client.reset()
    else:
        client.close()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("taken", [0, 1, 100, 100_000, 1_000_000])
def test_client_goes_away_in_the_middle_of_its_response(lab, hop, taken, end, tls):
    origin = lab.origins[0].on("/big", behaviours.stream(50_000_000, "chunked"))
    client = lab.client(hop, tls=tls)
    client.send(client.request_bytes("GET", "/big"))
    if taken:
        client.read_exact(taken)
    else:
        origin.wait_for_requests(1)  # a reset that overtakes the request makes it none
    end_client(client, end)
    assert hop.access_log.last().status in (200, 499)
    is_unharmed(lab, hop)
    assert all(connection.sent < 50_000_000 for connection in origin.connections)


@pytest.mark.parametrize("end", ["close", "reset"])
def test_client_goes_away_while_the_origin_thinks(lab, hop, end):
    origin = lab.origins[0].on("/slow", behaviours.hang())
    client = lab.client(hop)
    client.send(client.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    end_client(client, end)
    assert hop.access_log.last().status == 499
    is_unharmed(lab, hop)


@pytest.mark.parametrize("end", ["close", "reset"])
def test_client_goes_away_in_the_middle_of_its_upload(lab, hop, end):
    """The target is not to blame, and the log says how far it came."""
    client = lab.client(hop)
    client.send(client.request_bytes("POST", "/", [("Content-Length", "10")]) + b"12345")
    lab.origins[0].wait_for_requests(1)
    end_client(client, end)
    entry = hop.access_log.last()
    assert (entry.status, entry.reason, entry.tries) == (400, "CLIENT_ABORTED", ["CLIENT_ABORTED"])
    is_unharmed(lab, hop)


@pytest.mark.parametrize("end", ["close", "reset"])
def test_client_goes_away_at_steps_of_its_tls_handshake(lab, hop, end):
    """A whole ClientHello is some 500 bytes; each piece of it may be the last thing we hear."""
    hello = client_hello(lab)
    for at in [*range(0, 12), *range(12, len(hello), 37), len(hello)]:
        client = lab.client(hop.https)
        client.send(hello[:at])
        end_client(client, end)
    is_unharmed(lab, hop)


def client_hello(lab):
    """The first flight of a real client, taken from memory."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = lab.pki.client_context().wrap_bio(incoming, outgoing, server_hostname="edge.test")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("garbage", [b"\x00" * 600, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(100),
                                     bytes(range(256)) * 4])
def test_garbage_on_the_tls_listener(lab, hop, garbage):
    client = lab.client(hop.https)
    client.send(garbage)
    client.half_close()
    client.read_to_end()
    is_unharmed(lab, hop)


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01\x00", b"\x00" * 600, b"\r\n" * 300, b"GET /\r\n\r\n",
                                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000])
def test_garbage_on_the_plain_listener(lab, hop, garbage):
    client = lab.client(hop)
    try:
        client.send(garbage)
        client.half_close()
    except OSError:
        pass  # it may have refused us already
    client.read_to_end()
    is_unharmed(lab, hop)


def test_everything_goes_away_at_once(lab, hop):
    """Many exchanges in every state, then both sides vanish together."""
    origin = lab.origins[0]
    origin.on("/hang", behaviours.hang()).on("/big", behaviours.stream(50_000_000))
    for number in range(40):
        client = lab.client(hop, tls=number % 2 == 1)
        if number % 4 == 0:
            client.send(client.request_bytes("GET", "/hang"))
        elif number % 4 == 1:
            client.send(client.request_bytes("GET", "/big"))
        elif number % 4 == 2:
            client.send(client.request_bytes("POST", "/up", [("Transfer-Encoding", "chunked")]) + chunked(b"abc")[:5])
    origin.wait_for_connections(20)
    for client in lab.clients:
        client.reset()
    for connection in list(origin.connections):
        connection.drop()
    is_unharmed(lab, hop)


@pytest.mark.parametrize("busy", [False, True])
def test_term_ends_the_hop_with_code_0(lab, hop, busy):
    if busy:
        lab.origins[0].on("/hang", behaviours.hang())
        for number in range(10):
            client = lab.client(hop, tls=number % 2 == 1)
            client.send(client.request_bytes("GET", "/hang"))
        lab.origins[0].wait_for_requests(10)
    assert hop.stop() == 0


@pytest.mark.slow
def test_a_storm_of_aborted_requests_leaves_nothing_behind(lab, hop):
    """P4: a receive buffer lost per aborted request would soon leave none."""
    lab.origins[0].on("/hang", behaviours.hang())
    for round_number in range(60):
        clients = [lab.client(hop) for _ in range(20)]
        for number, client in enumerate(clients):
            request = client.request_bytes("POST", "/hang", [("Content-Length", "1000")]) + bytes(500)
            client.send(request[:len(request) * number // 20])
            end_client(client, "reset" if (number + round_number) % 2 else "close")
        lab.clients.clear()
    is_unharmed(lab, hop)
