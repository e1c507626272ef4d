"""The clients: each kind does one thing again and again, in a thread of its own, and tells the ledger how it went."""
import random
import re
import socket
import struct
import subprocess
import threading
import time
import zlib

import testlab  # noqa: F401
from lab import behaviours
from lab.client import RawClient, Truncated
from lab.wire import Ended, Malformed, chunked, head

SERVER_NAME = "edge.test"
HANG_S = 20.0  # longer than any timer of the hop may make a request take
UPLOAD_MAX, SLOW_BYTES = 1 << 20, 3 << 20
UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
CUT = (Ended, Truncated, ConnectionResetError, BrokenPipeError)
SUMS = {}  # size -> checksum of the content that a target sends


class Wrong(Exception):
    """An answer that is not the one asked for."""


def outcome_of(problem):
    """In the ledger's words."""
    if isinstance(problem, Wrong):
        return problem.args[0]
    if isinstance(problem, CUT):
        return "cut"
    return "hang" if isinstance(problem, TimeoutError) else type(problem).__name__


def expect_pattern(answer, size):
    if answer.status != 200:
        raise Wrong(str(answer.status))
    if size not in SUMS:
        SUMS[size] = behaviours.pattern_sum(size)
    if len(answer.content) != size or zlib.crc32(answer.content) != SUMS[size]:
        raise Wrong("wrong content", f"{len(answer.content)} bytes instead of {size}", answer.raw_head,
                    answer.content[:60])


class Kind:
    """One kind of client. once() is one request; what it raises is how that failed."""

    name, gap_s, tormented = "", 0.05, False

    def __init__(self, ground, seed):
        self.ground, self.rng = ground, random.Random(f"{self.name} {seed}")
        self.client = None  # kept between requests, if the kind does so
        self.kept_tls = self.rng.random() < 0.5
        self.port = None

    def connect(self, tls, **options):
        hop = self.ground.hop
        client = RawClient(*(hop.https if tls else hop.http), tls=self.ground.tls if tls else None,
                           server_name=SERVER_NAME, deadline_s=HANG_S, **options)
        self.port = client.local_port
        return client

    def kept(self):
        self.client = self.client or self.connect(self.kept_tls)
        return self.client

    def leave(self):
        if self.client:
            self.client.close()
        self.client = None

    def run(self):
        ledger, stopping = self.ground.ledger, self.ground.stopping
        while not stopping.is_set():
            begun, self.port = time.monotonic(), self.client and self.client.local_port
            try:
                self.once()
                ledger.note(self.name, "ok", begun)
            except (OSError, Ended, Truncated, Malformed, Wrong) as problem:
                self.leave()
                ledger.note(self.name, outcome_of(problem), begun, self.tormented, self.port, repr(problem)[:600])
            stopping.wait(self.gap_s * self.rng.uniform(0.5, 1.5))
        self.leave()


class KeptAlive(Kind):
    """Many requests on one connection, plain or TLS, now and then pipelined."""
    name, gap_s = "kept alive", 0.02

    def once(self):
        sizes = [self.rng.choice([0, 1, 1000, 20_001, 300_000]) for _ in range(self.rng.choice([1, 1, 1, 3]))]
        client = self.kept()
        client.send(b"".join(client.request_bytes("GET", f"/steady/{size}") for size in sizes))
        for size in sizes:
            expect_pattern(client.read_response(), size)
        if self.rng.random() < 0.01:
            self.leave()
            self.kept_tls = not self.kept_tls


class Short(Kind):
    """A connection for each request, every other one over TLS."""
    name, gap_s = "short", 0.02

    def once(self):
        client = self.connect(self.rng.random() < 0.5)
        try:
            expect_pattern(client.get("/steady/1000", [("Connection", "close")]), 1000)
        finally:
            client.close()


class Upload(Kind):
    """Content of any size, whole or in chunks; the target says what came."""
    name, gap_s, path = "upload, streamed", 0.1, "/upload"

    def once(self):
        content = self.rng.randbytes(self.rng.choice([0, 1, 5_000, 100_000, self.rng.randrange(UPLOAD_MAX)]))
        if self.rng.random() < 0.5:
            cut = self.rng.randrange(len(content) + 1)
            answer = self.kept().request("POST", self.path, [("Transfer-Encoding", "chunked")],
                                         chunked(content[:cut], content[cut:]))
        else:
            answer = self.kept().post(self.path, content)
        if answer.status != 200:
            raise Wrong(str(answer.status))
        if answer.text != f"{len(content)} {zlib.crc32(content)}":
            raise Wrong("wrong content", answer.text)


class StoredUpload(Upload):
    name, path = "upload, stored", "/stored"


class Tunnel(Kind):
    """Up to a few seconds of echo, through whatever reloads there are."""
    name, gap_s = "tunnel", 0.1

    def once(self):
        client = self.connect(self.rng.random() < 0.5)
        try:
            client.send(head("GET /tunnel HTTP/1.1", [("Host", SERVER_NAME), *UPGRADE]))
            answer = client.read_head()
            if answer.status != 101:
                raise Wrong(str(answer.status))
            for _ in range(self.rng.randrange(1, 60)):
                block = self.rng.randbytes(self.rng.choice([1, 100, 10_000, 60_000]))
                client.send(block)
                if client.read_exact(len(block)) != block:
                    raise Wrong("wrong content")
                if self.ground.stopping.wait(0.05):
                    break
        finally:
            client.close()


class SlowReader(Kind):
    """Takes seconds for an answer that a target would send in no time."""
    name, gap_s = "slow reader", 0.2

    def once(self):
        client = self.connect(self.rng.random() < 0.5)
        try:
            client.send(client.request_bytes("GET", f"/steady/{SLOW_BYTES}"))
            answer, pieces, crc, count = client.read_head(), None, 0, 0
            if answer.status != 200:
                raise Wrong(str(answer.status))
            pieces = client.content_pieces(answer)
            for number, piece in enumerate(pieces):
                crc, count = zlib.crc32(piece, crc), count + len(piece)
                if number % 4 == 0 and not self.ground.stopping.is_set():
                    time.sleep(0.02)
            SUMS.setdefault(SLOW_BYTES, behaviours.pattern_sum(SLOW_BYTES))
            if (count, crc) != (SLOW_BYTES, SUMS[SLOW_BYTES]):
                raise Wrong("wrong content")
        finally:
            client.close()


class Tormented(Kind):
    """Requests to the targets that are killed, paused and made to reset."""
    name, gap_s, tormented = "tormented target", 0.05, True

    def once(self):
        size = self.rng.choice([10, 1000, 50_001, 1_000_000])
        expect_pattern(self.kept().get(f"/tormented/{size}"), size)


class Named(Kind):
    """Requests to a target whose address in DNS changes."""
    name, gap_s = "DNS name", 0.05

    def once(self):
        expect_pattern(self.kept().get("/named/2000"), 2000)


class Aborter(Kind):
    """Leaves at any point of a handshake, a head, a content or an answer, politely or with a reset."""
    name, gap_s = "aborted on purpose", 0.02

    def data(self):
        path = self.rng.choice(["/steady/300000", "/tormented/1000", "/upload", "/stored", "/tunnel", "/calm/1024"])
        if path == "/tunnel":
            return head("GET /tunnel HTTP/1.1", [("Host", SERVER_NAME), *UPGRADE]) + b"more"
        if path in ("/upload", "/stored"):
            return head(f"POST {path} HTTP/1.1", [("Host", SERVER_NAME), ("Content-Length", "200000")]) + bytes(200_000)
        return head(f"GET {path} HTTP/1.1", [("Host", SERVER_NAME)]) * self.rng.choice([1, 3])

    def once(self):
        hop, how = self.ground.hop, self.rng.choice(["plain", "TLS", "half a handshake"])
        address = hop.http if how == "plain" else hop.https
        with socket.create_connection(address, timeout=HANG_S) as raw:
            sock = self.ground.tls.wrap_socket(raw, server_hostname=SERVER_NAME) if how == "TLS" else raw
            data = self.data() if how != "half a handshake" else b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)
            try:
                if self.rng.random() < 0.6:
                    data = data[:self.rng.randrange(len(data))]
                    sock.sendall(data)
                else:
                    sock.sendall(data)
                    for _ in range(self.rng.randrange(3) if how != "half a handshake" else 0):
                        sock.recv(self.rng.choice([1, 1000, 100_000]))
            except OSError:
                return  # the hop need not hear a client out whom it has answered already
            if self.rng.random() < 0.5:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()


class Generators(Kind):
    """wrk and h2load in bursts: as many requests as the machine can make, and none may fail."""
    name, gap_s = "load generators", 2.0

    def once(self):
        hop, number = self.ground.hop, self.rng.randrange(3)
        plain = "http://{}:{}/calm/1024".format(*hop.http)
        tls = "https://{}:{}/calm/1024".format(*hop.https)
        if number == 2:
            command = ["h2load", "--h1", "-n", "4000", "-c", "20", tls]
        else:
            command = ["wrk", "-t1", "-c32", "-d2s", plain if number else tls]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if number == 2:
            if "4000 succeeded, 0 failed, 0 errored, 0 timeout" not in done.stdout:
                raise Wrong("h2load", done.stdout[-600:], done.stderr[-200:], *command)
            self.ground.ledger.counts[self.name + ", requests", "ok"] += 4000
            return
        found = re.search(r"(\d+) requests in", done.stdout)
        if not found or "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
            raise Wrong("wrk", done.stdout[-600:], done.stderr[-200:], *command)
        self.ground.ledger.counts[self.name + ", requests", "ok"] += int(found.group(1))


CROWD = [KeptAlive, KeptAlive, Short, Short, Upload, StoredUpload, Tunnel, Tunnel, SlowReader, SlowReader, Tormented,
         Tormented, Tormented, Named, Aborter, Aborter, Aborter, Generators]


class Ground:
    """What all clients of a phase share."""

    def __init__(self, hop, tls, ledger, seed):
        self.hop, self.tls, self.ledger, self.stopping = hop, tls, ledger, threading.Event()
        kinds = [kind(self, f"{seed} {number}") for number, kind in enumerate(CROWD)]
        self.threads = [threading.Thread(target=kind.run, name=kind.name, daemon=True) for kind in kinds]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        """Each ends what it is doing."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(2 * HANG_S + 60)
            if thread.is_alive():
                self.ledger.fail(f"{thread.name}: its client does not come to an end")
