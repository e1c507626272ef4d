"""A verb that serves, as a process of a test: start, ready, control API, end."""
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess

from .hop import REPORTS, SANITIZERS
from .wait import DEADLINE_S, wait_until

READY = re.compile(r"^hopgate: ready(.*)\n", re.M)


class VerbProcess:
    """`hopgate VERB ARGUMENTS`; `control` is the (host, port) of its API, once a subclass has read it off `ready`."""

    verb = control = None

    def __init__(self, binary, directory, arguments):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_path, self.stderr_path = self.directory / f"{self.verb}.log", self.directory / f"{self.verb}.stderr"
        self.command = [str(binary), self.verb, *(str(word) for word in arguments), "--log", str(self.log_path)]
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                                            env={**os.environ, **SANITIZERS}, cwd=self.directory)
        wait_until(lambda: READY.search(self.stderr()) or self.process.poll() is not None, f"{self.verb} to be ready")
        ready = READY.search(self.stderr())
        assert ready, self.stderr()
        self.ready = ready[1]

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

    def stop(self):
        """Returns what is wrong with how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return f"{self.verb} does not end: {self.stderr()}"
        if code != 0 or any(mark in self.stderr() for mark in REPORTS):
            return f"{self.verb} ended with {code}: {self.stderr()}"
        return ""
