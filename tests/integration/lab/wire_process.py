"""`hopgate wire` as a process of a test."""
import json
import re

from .verb_process import VerbProcess
from .wait import wait_until


class WireProcess(VerbProcess):
    """One process with one wire to `server` (host, port), or with what `arguments` say instead."""

    verb = "wire"

    def __init__(self, binary, directory, server, *arguments, faults=(), listen="127.0.0.1:0"):
        to = ["--listen", listen, "--to", "{}:{}".format(*server)] if server else []
        faulty = [word for fault in faults for word in ("--fault", fault)]
        super().__init__(binary, directory, [*to, *faulty, *arguments, "--control", "127.0.0.1:0"])
        self.addresses = [(host, int(port)) for host, port in re.findall(r"tcp://([\d.]+):(\d+)", self.ready)]
        self.address = self.addresses[0]
        host, port = re.search(r"control=http://([\d.]+):(\d+)", self.ready).groups()
        self.control = (host, int(port))

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
