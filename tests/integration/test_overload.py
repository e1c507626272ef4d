"""What runs out, or breaks, ends what needs it and nothing else; a hop is never half alive."""
import contextlib
import ctypes
import os
import resource
import signal
import socket
import threading

import pytest

from lab import behaviours
from lab.exposition import scrape
from lab.lab import merge, service_to
from lab.wait import DEADLINE_S, wait_until
from lab.wire import Stopwatch
from test_control import ask

ONE_WORKER = {"nginx_worker_processes": "1"}
BUSY = 12  # connections to the first target that are idle later


def fill_descriptors(hop):
    """Silent clients until the hop cannot accept one more; few wait beyond that."""
    silent = []
    while not hop.error_log.lines("accept4() failed (24: Too many open files)"):
        silent.append(socket.create_connection(hop.http, timeout=DEADLINE_S))
        wait_until(lambda: hop.fd_count() >= 80 or hop.error_log.lines("Too many open files") or
                   hop.fd_count() > len(silent), "the hop to accept")
        assert len(silent) < 200
    return silent


def test_without_descriptors_idle_connections_to_targets_give_way(lab):
    """The request that finds none is told so; the next ones are served, and clients are accepted again."""
    gate = threading.Event()
    first, second = lab.origin(), lab.origin(content=b"second")
    first.on("/first", behaviours.after(gate, behaviours.answer(b"first")))
    hop = lab.make_hop(merge(service_to(first), service_to(second, name="second", paths=["/second"])), persona="edge",
                       conf={**ONE_WORKER, "hopgate_max_connections": "200"}, wrapper=["prlimit", "--nofile=80:80"])
    hop.start()
    clients = [lab.client(hop) for _ in range(BUSY)]
    for client in clients:
        client.send(client.request_bytes("GET", "/first"))
    first.wait_for_requests(BUSY)
    gate.set()
    assert [client.read_response().content for client in clients] == [b"first"] * BUSY
    silent = fill_descriptors(hop)
    refused = clients[0].get("/second")
    assert refused.status == 500
    assert hop.error_log.wait_for("[crit]", "socket() failed (24: Too many open files)")
    wait_until(lambda: [entry for entry in hop.access_log.wait(BUSY + 1) if entry.status == 500], "its line")
    statuses = []

    def is_served():
        statuses.append(clients[len(statuses) + 1].get("/second").status)
        return statuses[-1] == 200

    wait_until(is_served, lambda: f"an idle connection to give way: {statuses}")
    assert set(statuses) <= {500, 200}
    for sock in silent:
        sock.close()
    assert lab.client(hop).get("/second").content == b"second"


def test_without_descriptors_stored_content_is_refused_by_name_until_idle_ones_give_way(lab):
    """The file that large content goes to needs one too."""
    origin = lab.origin(content=b"stored")
    gate = threading.Event()
    origin.on("/first", behaviours.after(gate, behaviours.answer(b"first")))
    hop = lab.make_hop(service_to(origin), persona="kong", conf={**ONE_WORKER, "hopgate_max_connections": "200"},
                       wrapper=["prlimit", "--nofile=80:80"])
    hop.start()
    clients = [lab.client(hop) for _ in range(BUSY)]
    for client in clients:
        client.send(client.request_bytes("GET", "/first"))
    origin.wait_for_requests(BUSY)
    gate.set()
    assert [client.read_response().content for client in clients] == [b"first"] * BUSY
    silent = fill_descriptors(hop)
    statuses = []

    def is_served():
        statuses.append(clients[len(statuses)].post("/large", b"x" * 100_000).status)
        return statuses[-1] == 200

    wait_until(is_served, lambda: f"an idle connection to give way: {statuses}")
    assert statuses[0] == 500 and set(statuses) == {500, 200}
    lines = hop.error_log.wait_for("[crit]", "open() ", "spool", "failed (24: Too many open files)")
    assert len(lines) == len(statuses) - 1
    for sock in silent:
        sock.close()
    assert lab.client(hop).get("/").content == b"stored"


@contextlib.contextmanager
def many_files():
    """The test's own process holds as many sockets as the hop."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


STORM = 2000


@pytest.mark.serial
def test_storm_of_connects_holds_up_nobody_who_is_in(lab):
    """All stand before the door at once; who is inside goes on being served, and then all get in."""
    edge = lab.edge(lab.origin(content=b"x"), conf={
        **ONE_WORKER, "proxy_listen": "127.0.0.1:0 backlog=4096", "nginx_http_client_header_timeout": "600s",
        "nginx_http_keepalive_requests": "0"})
    inside = lab.client(edge)
    assert inside.get("/").status == 200
    with many_files(), contextlib.ExitStack() as stack:
        edge.signal(signal.SIGSTOP)
        stack.callback(edge.signal, signal.SIGCONT)
        storm = [stack.enter_context(socket.socket()) for _ in range(STORM)]
        for sock in storm:
            sock.setblocking(False)
            sock.connect_ex(edge.http)
        inside.send(inside.request_bytes("GET", "/"))
        edge.signal(signal.SIGCONT)
        slowest = 0
        while True:
            watch = Stopwatch()
            assert inside.read_response().status == 200
            slowest = max(slowest, watch.seconds)
            if edge.fd_count() > STORM:
                break
            inside.send(inside.request_bytes("GET", "/"))
        assert slowest < 5
        assert lab.client(edge).get("/").status == 200
    assert edge.error_log.lines("[crit]") == []


# Both sizes of receive buffers are gone with the first few who send or get something.
FEW_BUFFERS = {**ONE_WORKER, "hopgate_receive_buffers": "4", "hopgate_receive_buffers_bulk": "4",
               "status_listen": "127.0.0.1:0"}
CROWD = 60


@pytest.mark.parametrize("tls", [False, True])
def test_with_a_handful_of_receive_buffers_nothing_stalls_and_nothing_is_lost(lab, tls):
    """Downloads, uploads and small requests of many at once share four buffers of each size (P5)."""
    size = 1_000_000
    origin = lab.origin(content=b"small").on("/down", behaviours.stream(size)).on("/up", behaviours.swallow())
    hop = lab.hop(service_to(origin), persona="edge", tls=tls, conf=FEW_BUFFERS)
    clients = [lab.client(hop, tls=tls) for _ in range(CROWD)]
    content = b"".join(behaviours.pattern(size))
    results = [None] * CROWD

    def talk(number):
        client, kind = clients[number], number % 3
        if kind == 0:
            answer = client.get("/down").content == content
        elif kind == 1:
            answer = client.post("/up", content).text == f"{size} {behaviours.pattern_sum(size)}"
        else:
            answer = all(client.get("/").content == b"small" for _ in range(20))
        results[number] = answer and client.get("/").content == b"small"

    threads = [threading.Thread(target=talk, args=(number,), daemon=True) for number in range(CROWD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [True] * CROWD
    metrics = scrape(lab, hop)
    assert metrics.value("hopgate_worker_ring_no_buffer_total") > 0
    wait_until(lambda: [worker["receive_buffers_held_small"] + worker["receive_buffers_held_bulk"]
                        for worker in ask(hop, "show", "memory")["workers"]] == [0], "all buffers to be back")


def is_refused(address):
    try:
        socket.create_connection(address, timeout=DEADLINE_S).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # the listener went between the two
    return False


def other_thread(pid):
    """The youngest: a worker. A sanitizer's own thread is older."""
    return max(int(tid) for tid in os.listdir(f"/proc/{pid}/task"))


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS], ids=lambda number: number.name)
def test_fault_of_one_thread_ends_the_whole_hop(lab, number):
    """Nothing listens any more, and whoever supervises the process sees how it ended."""
    hop = lab.make_hop(service_to(lab.origin(content=b"x")), persona="edge", env={
        "ASAN_OPTIONS": "handle_segv=0:handle_abort=0:handle_sigbus=0", "TSAN_OPTIONS": "handle_segv=0:handle_sigbus=0"})
    hop.start()
    lab.expect_bad_end.add(hop)
    assert lab.client(hop).get("/").status == 200
    pid = hop.pid_of_binary()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.tgkill(pid, other_thread(pid), int(number)) == 0
    assert hop.wait_exit() == -number
    wait_until(lambda: is_refused(hop.http), "the kernel to take the dead ring's listeners down")
