"""`hopgate wire` as a process of a test: start, ready, control API, log, end."""
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess

from .hop import REPORTS, SANITIZERS
from .wait import DEADLINE_S, wait_until

READY = re.compile(r"^hopgate: ready(.*)$", re.M)


class WireProcess:
    """One process with one wire to `server` (host, port), or with what `arguments` say instead."""

    def __init__(self, binary, directory, server, *arguments, faults=(), listen="127.0.0.1:0"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_path, self.stderr_path = self.directory / "wire.log", self.directory / "wire.stderr"
        to = ["--listen", listen, "--to", "{}:{}".format(*server)] if server else []
        self.command = [str(binary), "wire", *to, *(word for fault in faults for word in ("--fault", fault)),
                        *(str(word) for word in arguments), "--control", "127.0.0.1:0", "--log", str(self.log_path)]
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                                            env={**os.environ, **SANITIZERS})
        wait_until(lambda: READY.search(self.stderr()) or self.process.poll() is not None, "the wire to be ready")
        ready = READY.search(self.stderr())
        assert ready, self.stderr()
        self.addresses = [(host, int(port)) for host, port in re.findall(r"tcp://([\d.]+):(\d+)", ready[1])]
        self.address = self.addresses[0]
        self.control = re.search(r"control=http://([\d.]+):(\d+)", ready[1]).groups()

    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    def ask(self, method, path, content=None):
        """(status, JSON)"""
        connection = http.client.HTTPConnection(self.control[0], int(self.control[1]), timeout=DEADLINE_S)
        try:
            connection.request(method, path, body=None if content is None else json.dumps(content))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def told(self, method, path, content=None):
        status, answer = self.ask(method, path, content)
        assert status == 200, answer
        return answer

    def set_faults(self, *faults):
        return self.told("PUT", "/faults", list(faults))

    def connections(self):
        return self.told("GET", "/connections")["connections"]

    def events(self, kind=None):
        lines = self.log_path.read_text().splitlines() if self.log_path.exists() else []
        return [event for event in map(json.loads, lines) if kind in (None, event["event"])]

    def wait_event(self, kind, count=1, **members):
        """The last of that kind with those members, once there are so many."""
        def found():
            these = [event for event in self.events(kind) if members.items() <= event.items()]
            return these[-1] if len(these) >= count else None

        return wait_until(found, lambda: f"{count} {kind} {members}, the log has {self.events()}")

    def wait_connections(self, count):
        return wait_until(lambda: len(self.connections()) == count or None,
                          lambda: f"{count} connections, there are {self.connections()}")

    def stop(self):
        """Returns what is wrong with how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return f"the wire does not end: {self.stderr()}"
        if code != 0 or any(mark in self.stderr() for mark in REPORTS):
            return f"the wire ended with {code}: {self.stderr()}"
        return ""
