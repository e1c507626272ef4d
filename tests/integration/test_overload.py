"""What runs out, or breaks, ends what needs it and nothing else; a hop is never half alive."""
import ctypes
import os
import signal
import socket
import threading

import pytest

from lab import behaviours
from lab.lab import merge, service_to
from lab.wait import DEADLINE_S, wait_until

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
