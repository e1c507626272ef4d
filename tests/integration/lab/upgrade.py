"""Binary upgrades: the verb, and a hop whose process is not our child."""
import ctypes
import os
import re
import select
import signal
import subprocess

from .client import run
from .hop import SANITIZERS
from .wait import DEADLINE_S, wait_until

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """When a hop's former process ends, the new one becomes our child, so that we learn its exit code."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Successor:
    """As much of subprocess.Popen as the lab uses."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None
        self.pidfd = os.pidfd_open(pid)

    def __del__(self):
        os.close(self.pidfd)

    def has_ended(self, timeout_s=0.0):
        return bool(select.select([self.pidfd], [], [], timeout_s)[0])

    def reap(self):
        """True once its exit code is known: it may still be the former process's child."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid:
            self.returncode = os.waitstatus_to_exitcode(status)
        return pid != 0

    def poll(self):
        if self.returncode is None and self.has_ended():
            wait_until(self.reap, f"process {self.pid} to be ours, so that its exit code is known")
        return self.returncode

    def wait(self, timeout=DEADLINE_S):
        if self.returncode is None and not self.has_ended(timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return self.poll()

    def send_signal(self, number):
        signal.pidfd_send_signal(self.pidfd, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def verb(hop, *words):
    return run(hop.binary, *words, "--prefix", hop.prefix, env={**os.environ, **SANITIZERS}, deadline_s=110)


def replace_process(hop, pid):
    hop.formers.append(hop.process)
    hop.process = Successor(pid)
    return hop.formers[-1]


def upgrade(hop, *words):
    """Returns the former process, which may still drain."""
    adopt_orphans()
    done = verb(hop, "upgrade", *words)
    assert done.code == 0, f"{done.err}\n{hop.describe()}"
    found = re.search(r"process (\d+) serves; (\d+)", done.out)
    assert int(found.group(2)) == hop.process.pid, done.out
    return replace_process(hop, int(found.group(1)))


def upgrade_by_signal(hop):
    adopt_orphans()
    hop.signal(signal.SIGUSR2)
    line = hop.error_log.wait_for("upgrade: process ", "serves, this one drains", f"{hop.process.pid}#")
    return replace_process(hop, int(re.search(r"process (\d+) serves", str(line)).group(1)))


def wait_gone(process, deadline_s=DEADLINE_S):
    """Its exit code."""
    return process.wait(deadline_s)
