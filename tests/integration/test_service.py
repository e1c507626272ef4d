"""Life as a service: logs that are rotated, and a watchdog that knows a stuck worker."""
import ctypes
import os
import re
import signal
import socket
import time

import pytest

from lab.lab import service_to
from lab.wait import DEADLINE_S, wait_until

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000  # threads too
WATCHDOG_S = 0.4


class Supervisor:
    """What systemd is to Type=notify."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(DEADLINE_S)

    def next(self):
        return self.socket.recv(200).decode()

    def wait_for(self, text):
        while self.next() != text:
            pass

    def drain(self):
        """All that has come so far."""
        self.socket.setblocking(False)
        said = []
        try:
            while True:
                said.append(self.next())
        except BlockingIOError:
            self.socket.settimeout(DEADLINE_S)
            return said

    def listen(self, seconds):
        """All that comes until then, what has come already included."""
        end, said = time.monotonic() + seconds, []
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                said.append(self.next())
            except TimeoutError:
                pass
        self.socket.settimeout(DEADLINE_S)
        return said

    def stop(self):
        self.socket.close()


@pytest.fixture
def supervisor(lab, tmp_path):
    supervisor = Supervisor(tmp_path / "notify")
    lab.others.append(supervisor)
    return supervisor


class StoppedThreads:
    """Stops single threads of a child, as a debugger does; the others go on."""

    def __init__(self, threads):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.libc.ptrace.restype = ctypes.c_long
        self.threads = threads

    def call(self, request, thread):
        if self.libc.ptrace(request, thread, None, None) < 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")

    def __enter__(self):
        for thread in self.threads:
            self.call(PTRACE_SEIZE, thread)
            self.call(PTRACE_INTERRUPT, thread)
            os.waitpid(thread, WALL)  # until it has stopped
        return self

    def __exit__(self, *_):
        for thread in self.threads:
            self.call(PTRACE_DETACH, thread)


def worker_threads(hop):
    names = {}
    for task in os.listdir(f"/proc/{hop.process.pid}/task"):
        with open(f"/proc/{hop.process.pid}/task/{task}/comm", encoding="ascii") as name:
            names[name.read().strip()] = int(task)
    return [thread for name, thread in sorted(names.items()) if name.startswith("worker ")]


# ---- logs --------------------------------------------------------------------------------------


def test_usr1_opens_the_logs_again_and_loses_no_line(lab):
    edge = lab.edge(lab.origin())
    client = lab.client(edge)
    client.get("/before")
    edge.access_log.wait(1)
    logs = edge.prefix / "logs"
    for name in ("access.log", "error.log"):
        (logs / name).rename(logs / f"{name}.1")
    client.get("/between")  # still goes to the file that was renamed
    wait_until(lambda: "/between" in (logs / "access.log.1").read_text(), "the line in the renamed file")
    edge.signal(signal.SIGUSR1)
    edge.error_log.wait_for("logs are open again")
    client.get("/after")
    edge.access_log.wait(1)
    assert "/after" in (logs / "access.log").read_text()
    assert "/after" not in (logs / "access.log.1").read_text()


def test_usr1_without_the_logs_directory_goes_on_and_says_so(lab):
    edge = lab.edge(lab.origin())
    logs = edge.prefix / "logs"
    logs.rename(edge.prefix / "gone")
    edge.signal(signal.SIGUSR1)
    said = edge.prefix / "gone" / "error.log"
    wait_until(lambda: re.search(r"cannot open log \S+ again: No such file", said.read_text()), "the complaint")
    lab.client(edge).get("/still")
    wait_until(lambda: "/still" in (edge.prefix / "gone" / "access.log").read_text(), "the line in the former file")


# ---- systemd -----------------------------------------------------------------------------------


def test_reload_is_told_with_its_time(lab, supervisor):
    """Type=notify-reload wants the time of the clock that systemd uses."""
    hop = lab.make_hop(service_to(lab.origin()), env={"NOTIFY_SOCKET": supervisor.path}).start()
    supervisor.wait_for("READY=1")
    hop.signal(signal.SIGHUP)
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", supervisor.next())
    assert supervisor.next() == "READY=1"


def watched_hop(lab, supervisor, **environment):
    usec = str(round(WATCHDOG_S * 1e6))
    return lab.make_hop(service_to(lab.origin(content=b"alive")),
                        env={"NOTIFY_SOCKET": supervisor.path, "WATCHDOG_USEC": usec, **environment}).start()


def test_watchdog_is_fed_while_every_worker_answers(lab, supervisor):
    hop = watched_hop(lab, supervisor)
    for _ in range(5):
        supervisor.wait_for("WATCHDOG=1")
    assert lab.client(hop).get("/").content == b"alive"


def silences(hop):
    """0 or 1; a busy machine may have caused some that are over."""
    text = hop.error_log.text()
    return text.count("worker 1 does not answer") - text.count("worker 1 answers again")


def test_stuck_worker_stops_the_watchdog_until_it_goes_on(lab, supervisor):
    hop = watched_hop(lab, supervisor)
    supervisor.wait_for("WATCHDOG=1")
    workers = worker_threads(hop)
    assert len(workers) == 2
    with StoppedThreads(workers[1:]):
        supervisor.drain()
        wait_until(lambda: silences(hop) == 1, "the hop to notice that worker 1 is silent")
        # one more at most: of the letter that was answered before the thread was stopped
        assert supervisor.listen(WATCHDOG_S).count("WATCHDOG=1") <= 1
    hop.error_log.wait_for("worker 1 answers again")
    supervisor.wait_for("WATCHDOG=1")


def test_watchdog_of_another_process_is_not_ours(lab, supervisor):
    hop = watched_hop(lab, supervisor, WATCHDOG_PID="1")
    supervisor.wait_for("READY=1")
    hop.signal(signal.SIGHUP)
    assert supervisor.next().startswith("RELOADING=1")


def test_threads_have_names(lab):
    """`top -H` tells workers from the log's thread."""
    hop = lab.edge(lab.origin())
    names = {open(f"/proc/{hop.process.pid}/task/{task}/comm", encoding="ascii").read().strip()
             for task in os.listdir(f"/proc/{hop.process.pid}/task")}
    assert {"worker 0", "worker 1", "log"} <= names
