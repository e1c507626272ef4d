"""`hopgate origin` as a process of a test: start, ready, control API, log, end."""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess

from .hop import REPORTS, SANITIZERS
from .wait import DEADLINE_S, wait_until

READY = re.compile(r"^hopgate: ready(.*)\n", re.M)
ADDRESS = re.compile(r" ([\w.-]+)=(?:https?)://([\d.]+):(\d+)")


class OriginProcess:
    """`addresses` of its listeners by name; `address` is the first one's."""

    def __init__(self, binary, directory, *arguments, control="127.0.0.1:0"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_path, self.stderr_path = self.directory / "origin.log", self.directory / "origin.stderr"
        self.command = [str(binary), "origin", *(str(word) for word in arguments), "--control", control, "--log",
                        str(self.log_path)]
        if "--listen" not in arguments:
            self.command += ["--listen", "127.0.0.1:0"]
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                                            env={**os.environ, **SANITIZERS}, cwd=self.directory)
        wait_until(lambda: READY.search(self.stderr()) or self.process.poll() is not None, "the origin to be ready")
        ready = READY.search(self.stderr())
        assert ready, self.stderr()
        found = {name: (host, int(port)) for name, host, port in ADDRESS.findall(ready[1])}
        self.control = found.pop("control", None)
        self.addresses = found
        self.address = next(iter(found.values()))
        self.host, self.port = self.address

    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    def connect_control(self):
        return http.client.HTTPConnection(*self.control, timeout=DEADLINE_S)

    def ask(self, method, path, content=None):
        """(status, JSON); content: text, or what becomes JSON"""
        connection = self.connect_control()
        try:
            text = content if content is None or isinstance(content, str) else json.dumps(content)
            connection.request(method, path, body=text)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def told(self, method, path, content=None):
        status, answer = self.ask(method, path, content)
        assert status == 200, answer
        return answer

    def hits(self):
        return self.told("GET", "/hits")

    def requests(self, query=""):
        return self.told("GET", f"/requests?{query}")["requests"]

    def log(self):
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]

    def wait_log(self, count):
        return wait_until(lambda: len(self.log()) >= count and self.log(), lambda: f"{count} lines, not {self.log()}")

    def connect(self, name=None, deadline_s=DEADLINE_S):
        connection = socket.create_connection(self.addresses[name] if name else self.address, timeout=deadline_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def stop(self):
        """Returns what is wrong with how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return f"the origin does not end: {self.stderr()}"
        if code != 0 or any(mark in self.stderr() for mark in REPORTS):
            return f"the origin ended with {code}: {self.stderr()}"
        return ""
