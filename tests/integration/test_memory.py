"""hopgate_memory_limit: clients who hold much cannot take the hop from the others; it says what it does, and recovers."""
import collections
import select
import socket
import ssl
import threading

import pytest

from lab import behaviours
from lab.behaviours import chunk_line
from lab.exposition import scrape
from lab.lab import service_to
from lab.wait import DEADLINE_S, wait_until
from lab.wire import Ended
from test_connection_limits import answered, outcome
from test_control import ask, verb
from test_passthrough import leading, origin_of, passing
from test_reload import reload, rewrite

# One worker with few receive buffers, so that little is needed to fill the rest. Of 8 MiB soft begins at 6, hard at 6.8.
LIMIT = 8 << 20
SMALL = {"nginx_worker_processes": "1", "hopgate_receive_buffers": "64", "hopgate_receive_buffers_bulk": "8",
         "status_listen": "127.0.0.1:0"}
LIMITED = {**SMALL, "hopgate_memory_limit": "8m", "nginx_http_client_body_buffer_size": "2m",
           "nginx_http_client_body_timeout": "600s", "upstream_keepalive_pool_size": "0"}
PATIENT = {**LIMITED, "hopgate_memory_patience": "1h"}
PIECE = 200 * 1024
CHUNK = 65536  # in which the hop takes memory
NORMAL, SOFT, HARD = "normal", "soft", "hard"
GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
LIVING = ("buffers", "arenas", "stored", "tls", "connections")


def limited_hop(lab, *targets, conf=PATIENT, **options):
    """Persona kong: it stores request content before it asks a target."""
    return lab.hop(service_to(*targets or [lab.origin(content=b"x")]), persona="kong", conf=conf, **options)


def memory(hop):
    """By the control socket, which takes no connection of the workers."""
    return ask(hop, "show", "memory")


def owned(hop, *owners):
    """Bytes of these owners."""
    return sum(entry["bytes"] for entry in memory(hop)["owners"] if entry["owner"] in owners)


class Uploads:
    """Requests whose content is stored in memory and has no end yet."""

    def __init__(self, lab, hop, count=10):
        self.hop, self.clients = hop, [lab.client(hop) for _ in range(count)]
        for client in self.clients:  # all are exchanges before the first one takes much
            client.send(client.request_bytes("PUT", "/", [("Transfer-Encoding", "chunked")]) + chunk_line(b"x"))
        wait_until(lambda: len(ask(hop, "show", "exchanges")["exchanges"]) >= count, "the uploads to begin")
        self.sent = 0

    def add(self, count):
        """Four pieces each, one after the other."""
        for number in range(self.sent, self.sent + count):
            self.clients[number // 4].send(chunk_line(b"x" * PIECE))
        self.sent += count

    def fill(self, level):
        """Until the hop is at that level. A piece is a fourth of what is between two levels."""
        self.add(18)
        while memory(self.hop)["level"] != level:
            stored = owned(self.hop, "stored")
            self.add(1)
            wait_until(lambda: owned(self.hop, "stored") >= stored + PIECE - CHUNK, "the content to be stored")
        return self

    def finish(self):
        """The statuses that they get."""
        for client in self.clients:
            if not select.select([client.sock], [], [], 0)[0]:  # it has no answer yet
                client.send_what_is_taken(b"0\r\n\r\n")
        return [client.read_response().status for client in self.clients]

    def close(self):
        for client in self.clients:
            client.close()


def wait_level(hop, wanted):
    wait_until(lambda: memory(hop)["level"] == wanted, lambda: f"level {wanted}: {memory(hop)}")


def test_what_traffic_took_is_given_back_to_the_byte(lab):
    """Whatever a request takes is counted while it is there and not a moment longer."""
    gate = threading.Event()
    origin = lab.origin(content=b"x" * 300_000).on("/slow", behaviours.after(gate, behaviours.answer(b"slow")))
    hop = limited_hop(lab, origin, tls=True)
    clients = [lab.client(hop, tls=tls) for tls in (False, True) for _ in range(10)]
    for client in clients:
        client.send(client.request_bytes("PUT", "/slow", [("Content-Length", "5000")]) + b"x" * 5000)
    origin.wait_for_requests(20)
    busy = {owner: owned(hop, owner) for owner in LIVING}
    assert busy["stored"] >= 20 * 5000 and busy["arenas"] >= 20 * 4096, busy
    assert 10 * 15_000 <= busy["tls"] <= 10 * 20_000 and busy["connections"] > 40 * 500, busy
    gate.set()
    assert {client.read_response().content for client in clients} == {b"slow"}
    for client in clients:
        assert len(client.get("/").content) == 300_000
    silent = [lab.client(hop, tls=tls) for tls in (False, True)]
    half = lab.client(hop)
    half.send(b"GET /half HTTP/1.1\r\nHost:")
    for client in [*clients, *silent, half]:
        client.close()
    wait_until(lambda: owned(hop, *LIVING) == 0, lambda: f"all to be given back: {memory(hop)}")
    metrics = scrape(lab, hop)
    assert metrics.value("hopgate_memory_budget_bytes", owner="receive_buffers") == 64 * 4096 + 8 * 65536
    assert 0 < metrics.value("hopgate_memory_budget_bytes", owner="connections") < 20_000  # that of the question


def test_soft_keeps_newcomers_waiting_and_no_connection_alive(lab):
    gate = threading.Event()
    origin = lab.origin(content=b"x").on("/slow", behaviours.after(gate, behaviours.answer(b"slow")))
    hop = limited_hop(lab, origin)
    running, idle = lab.client(hop), lab.client(hop)
    running.send(running.request_bytes("GET", "/slow"))
    assert idle.get("/").fields.get("Connection") == "keep-alive"
    uploads = Uploads(lab, hop).fill(SOFT)
    hop.error_log.wait_for("memory: level soft (was normal): no keep-alive, no new connections", "stored ")
    assert idle.read_to_end()[1] == "fin"  # closed for being idle
    late = socket.create_connection(hop.http, timeout=DEADLINE_S)
    late.sendall(GET)
    gate.set()
    origin.wait_for_requests(2)
    response = running.read_response()
    assert (response.content, response.fields.get("Connection")) == (b"slow", "close")
    assert answered([late]) == []
    uploads.close()
    assert outcome(late) == "served"
    hop.error_log.wait_for("[notice]", "memory: level normal (was soft)")
    assert scrape(lab, hop).value("hopgate_memory_idle_closed_total") >= 1
    assert lab.client(hop).get("/").fields.get("Connection") == "keep-alive"
    assert len(hop.error_log.lines("memory: level")) == 2  # each change once


def test_hard_refuses_new_requests_with_503_and_its_reason(lab):
    """Who is at work goes on; the status listener answers as ever."""
    hop = limited_hop(lab)
    begun = lab.client(hop)
    begun.send(GET[:-2])  # not idle, and no request yet
    uploads = Uploads(lab, hop).fill(HARD)
    begun.send(b"\r\n")
    response = begun.read_response()
    assert (response.status, response.fields.get("Connection")) == (503, "close")
    assert "no memory for further requests" in response.text
    entry = wait_until(lambda: [e for e in hop.access_log.wait(1) if e.reason == "OVERLOADED"], "its line")[0]
    assert entry.status == 503
    hop.error_log.wait_for("hopgate_memory_limit is nearly reached: no new requests are taken")
    metrics = scrape(lab, hop)
    assert metrics.value("hopgate_exchanges_total", reason="overloaded") == 1
    assert (metrics.value("hopgate_memory_limit_bytes"), metrics.value("hopgate_memory_level")) == (LIMIT, 2)
    assert "hopgate_memory_limit" in verb(hop, "why", response.fields.get("X-Kong-Request-Id")).out
    assert "hard" in verb(hop, "show", "memory").out
    assert (status := ask(hop, "status")["memory"])["level"] == HARD and status["limit"] == LIMIT <= status["used"] * 1.2
    assert set(uploads.finish()) == {200}
    wait_level(hop, NORMAL)
    assert lab.client(hop).get("/").status == 200


def test_without_patience_left_the_worst_are_ended_and_clients_accepted_again(lab):
    """Nobody has to wait for the timers of those who hold the memory."""
    hop = limited_hop(lab, conf={**LIMITED, "hopgate_memory_patience": "1ms"})
    uploads = Uploads(lab, hop)
    uploads.add(40)
    hop.error_log.wait_for("memory: level soft")
    wait_level(hop, NORMAL)
    assert lab.client(hop).get("/").status == 200
    statuses = collections.Counter(uploads.finish())
    assert set(statuses) == {200, 503} and statuses[503] < 8, statuses  # not more than necessary
    ended = [entry for entry in hop.access_log.wait(11) if entry.status == 503]
    assert len(ended) == statuses[503] and {entry.reason for entry in ended} <= {"MEMORY_CUT", "MEMORY_FULL"}
    cut = [entry for entry in ended if entry.reason == "MEMORY_CUT"]
    assert cut and scrape(lab, hop).value("hopgate_memory_cut_total") == len(cut)
    hop.error_log.wait_for("ended to free memory, it held about", "KiB after")


class SlowReaders:
    """Ask for much and read nothing."""

    def __init__(self, hop, count, path):
        self.socks = []
        for _ in range(count):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(DEADLINE_S)
            sock.connect(hop.http)
            sock.sendall(GET.replace(b"/ ", path + b" ", 1))
            self.socks.append(sock)

    def close(self):
        for sock in self.socks:
            sock.close()


def tries_of_a_normal_client(hop, count):
    """What each of some clients got, one after the other: a status, or how the connection ended."""
    seen = collections.Counter()
    for _ in range(count):
        with socket.create_connection(hop.http, timeout=DEADLINE_S) as sock:
            data = b""
            try:
                sock.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                while piece := sock.recv(65536):
                    data += piece
            except ConnectionResetError:
                data = data or b"HTTP/1.1 RST"
        seen[data[9:12].decode()] += 1
    return seen


def test_many_slow_readers_do_not_take_the_hop_from_the_others(lab):
    """They would hold three times the limit. Whoever comes beside them is served; afterwards all is as before."""
    gate = threading.Event()
    origin = lab.origin(content=b"x").on("/big", behaviours.answer(b"x" * (4 << 20)))
    origin.on("/poll", behaviours.after(gate, behaviours.answer(b"news")))
    edge = lab.edge(origin, conf={**SMALL, "hopgate_memory_limit": "8m", "hopgate_memory_patience": "100ms"})
    before, most, seen = edge.memory_bytes(), 0, collections.Counter()
    poll = lab.client(edge)  # has been here the longest, and holds next to nothing
    poll.send(poll.request_bytes("GET", "/poll"))
    origin.wait_for_requests(1)
    readers = SlowReaders(edge, 100, b"/big")
    for _ in range(10):
        seen += tries_of_a_normal_client(edge, 3)
        most = max(most, owned(edge, *LIVING, "receive_buffers", "spare", "exchanges"))
    wait_until(lambda: scrape(lab, edge).value("hopgate_memory_cut_total") > 0, "the worst to be ended")
    assert set(seen) <= {"200", "503", "RST"} and seen["200"] > 0, seen
    assert most < LIMIT * 1.2
    assert edge.memory_bytes("VmHWM") - before < 8 * LIMIT  # of which sanitizers take most, for what was freed
    gate.set()
    assert poll.read_response().content == b"news"
    readers.close()
    wait_level(edge, NORMAL)
    assert tries_of_a_normal_client(edge, 20) == {"200": 20}


def test_passed_through_connections_that_read_nothing_are_ended_too(lab):
    """Their bytes are as heavy as those of others, and whoever reads gets all of them."""
    size = 6 << 20

    def answer(connection, request):
        try:
            behaviours.stream(size)(connection, request)
        except ssl.SSLError:
            raise Ended("cut") from None

    origin = origin_of(lab, "edge", b"x").on("/big", answer)
    hop, address = passing(lab, leading("edge", ["edge.test"], origin), conf={
        **LIMITED, "hopgate_memory_limit": "3m", "hopgate_memory_patience": "1ms"})
    stuck = [lab.client(address, tls=lab.pki.client_context(), server_name="edge.test") for _ in range(16)]
    for client in stuck:
        client.send(client.request_bytes("GET", "/big"))
    wait_until(lambda: [entry for entry in hop.access_log.entries() if entry.reason == "MEMORY_CUT"], "some to be ended")
    hop.error_log.wait_for("ended to free memory, it held about")
    wait_level(hop, NORMAL)
    reader = lab.client(address, tls=lab.pki.client_context(), server_name="edge.test")
    assert len(reader.get("/big").content) == size
    for client in stuck:
        client.close()


def test_limit_changes_with_a_reload(lab):
    hop = limited_hop(lab)
    uploads = Uploads(lab, hop).fill(SOFT)
    rewrite(hop, hopgate_memory_limit="64m")
    reload(hop)
    wait_level(hop, NORMAL)
    assert lab.client(hop).get("/").status == 200
    uploads.close()


@pytest.mark.parametrize("conf, words", [
    ({"hopgate_memory_limit": "1m"}, "hopgate_memory_limit: 1024k is too little: 1 workers need at least"),
    ({"hopgate_receive_buffers": "100"}, "100 is not a power of two"),
    ({"hopgate_memory_limit": "much"}, "'much' is not a size"),
])
def test_wrong_settings_are_named(lab, conf, words):
    hop = lab.make_hop(service_to(lab.origin()), conf={**SMALL, **conf})
    lab.expect_bad_end.add(hop)
    assert hop.spawn().wait_exit() == 78
    assert words in hop.stderr()
