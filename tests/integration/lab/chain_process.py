"""`hopgate lab up` as a process of a test: in the foreground, its picture, its state, its end."""
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess

from .hop import REPORTS, SANITIZERS
from .wait import DEADLINE_S, wait_until

START_S = 90  # several processes under sanitizers, and certificates


class ChainProcess:
    def __init__(self, binary, directory, chain, env=None, expect_failure=False):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.out_path, self.err_path = self.directory / "lab.out", self.directory / "lab.err"
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen([str(binary), "lab", "up", str(chain)], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=err, env={**os.environ, **SANITIZERS, **(env or {})})
        wait_until(lambda: "\nstop " in self.out() or self.process.poll() is not None, "the chain to be up", START_S)
        self.state = None
        if not expect_failure:
            assert self.process.poll() is None, self.err()
            self.folder = pathlib.Path(re.search(r"^files +(\S+)$", self.out(), re.M)[1])
            self.state = json.loads((self.folder / "state.json").read_text())

    def out(self):
        return self.out_path.read_text(errors="replace")

    def err(self):
        return self.err_path.read_text(errors="replace")

    def command(self):
        """The curl command line that it proposes."""
        return shlex.split(re.search(r"^try +(curl .+)$", self.out(), re.M)[1])

    def curl(self, *options):
        """(exit code, what curl wrote, what it complained of)"""
        words = self.command()
        done = subprocess.run([*words[:-1], "-sS", "--noproxy", "*", "--max-time", "60", *options, words[-1]],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def status_of(self, *options):
        code, out, err = self.curl("-o", os.devnull, "-w", "%{http_code}", *options)
        assert code == 0, err
        return int(out)

    def element(self, name):
        return next(element for element in self.state["elements"] if element["name"] == name)

    def log(self, name, file):
        path = self.folder / name / file
        return path.read_text(errors="replace") if path.exists() else ""

    def pids(self):
        return [self.process.pid] + [element["pid"] for element in self.state["elements"] if element["pid"]]

    def left_over(self):
        """What is still there of it. The folder may be another lab's by now, which took the same block."""
        alive = [pid for pid in self.pids()[1:] if is_running(pid)]
        try:
            owner = json.loads((self.folder / "state.json").read_text())["pid"]
        except (FileNotFoundError, ValueError):
            owner = None
        is_ours = self.folder.exists() and owner in (None, self.process.pid)
        return alive + ([str(self.folder)] if is_ours else [])

    def wait_nothing_left(self):
        wait_until(lambda: not self.left_over(), lambda: f"all to go, there is {self.left_over()}", START_S)

    def end(self, number=signal.SIGINT):
        """Returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(2 * DEADLINE_S)

    def stop(self):
        """What is wrong with how it ended."""
        if self.process.poll() is None:
            self.end()
        if self.state:
            self.wait_nothing_left()
        return self.err() if any(mark in self.err() for mark in REPORTS) else ""


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
