"""`hopgate origin` as a process of a test."""
import json
import re
import socket

from .verb_process import VerbProcess
from .wait import DEADLINE_S, wait_until

ADDRESS = re.compile(r" ([\w.-]+)=(?:https?)://([\d.]+):(\d+)")


class OriginProcess(VerbProcess):
    """`addresses` of its listeners by name; `address` is the first one's."""

    verb = "origin"

    def __init__(self, binary, directory, *arguments, control="127.0.0.1:0"):
        listen = [] if "--listen" in arguments else ["--listen", "127.0.0.1:0"]
        super().__init__(binary, directory, [*arguments, "--control", control, *listen])
        found = {name: (host, int(port)) for name, host, port in ADDRESS.findall(self.ready)}
        self.control = found.pop("control", None)
        self.addresses = found
        self.address = next(iter(found.values()))
        self.host, self.port = self.address

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
