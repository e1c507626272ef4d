"""Many clients and an origin that misbehave at random (seeded): the hop outlives all of them.

Nothing is asserted of a single dialogue; what must hold is what holds afterwards: the hop works, holds no
descriptor more than before, has logged every request once, and ends without a sanitizer report.
"""
import random
import socket
import struct
import threading

import pytest

from lab import behaviours
from lab.wire import Ended, head

DIALOGUES = 400
THREADS = 6
CONTENT = b"0123456789abcdef" * 2048  # 32 KiB
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 32768\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def misbehave(rng):
    """What the origin does with one request."""
    cut = rng.randrange(len(HEAD) + 2000)
    return rng.choice([
        behaviours.answer(CONTENT), behaviours.answer(CONTENT, framing="chunked"),
        behaviours.answer(CONTENT, framing="close"), behaviours.answer(b"", status=204, framing="none"),
        behaviours.raw((HEAD + CONTENT)[:cut], then=rng.choice(["close", "reset"])),
        behaviours.raw(CHUNKED + b"8\r\n12345678\r\nzz\r\n", then="close"),
        behaviours.raw(HEAD + CONTENT + b"surplus"), behaviours.raw(b"garbage\r\n\r\n", then="close"),
        behaviours.close(), behaviours.reset(),
    ])


def requests(rng):
    """Bytes of one or more requests, some of them broken."""
    content = CONTENT[:rng.randrange(len(CONTENT))]
    whole = rng.choice([
        head(f"GET /{rng.random()} HTTP/1.1", [("Host", "a")]),
        head("POST /p HTTP/1.1", [("Host", "a"), ("Content-Length", str(len(content)))]) + content,
        head("PUT /c HTTP/1.1", [("Host", "a"), ("Transfer-Encoding", "chunked")])
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(content) or 1, content or b"x"),
        head("HEAD / HTTP/1.1", [("Host", "a")]), b"GET / HTTP/1.1\r\nBroken\r\n\r\n",
        bytes(rng.randrange(256) for _ in range(60)),
    ])
    pipelined = whole * rng.choice([1, 1, 2, 5])
    return pipelined[:rng.randrange(1, len(pipelined) + 1)] if rng.random() < 0.3 else pipelined


def dialogue(rng, address, tls):
    """Sends, perhaps reads a little, and goes away in some way."""
    with socket.create_connection(address, timeout=0.3) as raw:
        sock = tls.wrap_socket(raw, server_hostname="edge.test") if tls else raw
        data = requests(rng)
        while data:
            size = rng.choice([1, 7, 300, len(data)])
            sock.sendall(data[:size])
            data = data[size:] if size > 7 else data[size:][:200]
        for _ in range(rng.randrange(4)):
            if not sock.recv(rng.choice([1, 1000, 100000])):
                return
        if rng.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


@pytest.mark.slow
@pytest.mark.parametrize("persona", ["edge", "kong", "f5"])
def test_hop_outlives_random_clients_and_origins(lab, persona):
    seed = 20261120
    origin = lab.origin(content=b"fine")
    origin_rng = random.Random(seed)
    origin.on("/fine", behaviours.answer(b"fine"))
    origin.otherwise(lambda connection, request: misbehave(origin_rng)(connection, request))
    hop = getattr(lab, persona)(origin, read_timeout=2000, retries=1)
    start = hop.fd_count()
    address = hop.http

    def clients(number):
        rng = random.Random(seed + number)
        for _ in range(DIALOGUES // THREADS):
            try:
                dialogue(rng, address, None)
            except (OSError, Ended):
                pass  # the hop may refuse, reset or time out a client like this

    threads = [threading.Thread(target=clients, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lab.client(hop).get("/fine").content == b"fine"
    for client in lab.clients:
        client.close()
    for connection in origin.connections:
        connection.drop()
    hop.wait_fd_count(start)
    entries = [entry["exchange"] for entry in hop.access_log.entries()]
    assert len(entries) == len(set(entries))
