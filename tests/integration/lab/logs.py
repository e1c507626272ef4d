"""What a hop wrote: access log entries (JSON lines) and the error log."""
import json
import pathlib

from .wait import wait_until


class Entry(dict):
    """One access log entry; the names of its keys are used here and nowhere else."""

    @property
    def status(self):
        """Sent to the client, or what stands for its going away (499); 0: nothing was sent."""
        return self["response"]["status"]

    @property
    def reason(self):
        return self["reason"]

    @property
    def tries(self):
        """What each try came to, oldest first: a status, or the reason it failed."""
        return [attempt["status"] if attempt["reason"] == "OK" else attempt["reason"] for attempt in self["tries"]]

    @property
    def client_connection(self):
        """(client's port, n-th request on the connection)."""
        return self["client"]["peer_port"], self["client"]["request_number"]

    @property
    def upstream_connection(self):
        """(our port, n-th request on the connection) of the last try."""
        return self["tries"][-1]["local_port"], self["tries"][-1]["request_number"]


class AccessLog:
    def __init__(self, path):
        self.path = pathlib.Path(path)

    def text(self):
        return self.path.read_text(errors="replace") if self.path.exists() else ""

    def entries(self):
        """Complete lines only: the last one may be half written."""
        return [Entry(json.loads(line)) for line in self.text().split("\n")[:-1] if line]

    def wait(self, count=1):
        """At least `count` entries: an exchange is logged after its last byte was sent."""
        wait_until(lambda: len(self.entries()) >= count,
                   lambda: f"{count} access log entries, there are {len(self.entries())}:\n{self.text()}")
        return self.entries()

    def wait_for(self, text):
        """The newest entry whose line holds the text."""
        def found():
            return next((line for line in reversed(self.text().split("\n")[:-1]) if text in line), None)

        wait_until(found, lambda: f"an access log line with {text}, the log is:\n{self.text()}")
        return Entry(json.loads(found()))

    def last(self, count=1):
        """The count-th entry, awaited."""
        return self.wait(count)[-1]


class ErrorLog:
    def __init__(self, path):
        self.path = pathlib.Path(path)

    def text(self):
        return self.path.read_text(errors="replace") if self.path.exists() else ""

    def lines(self, *parts):
        return [line for line in self.text().splitlines() if all(part in line for part in parts)]

    def wait_for(self, *parts, count=1):
        """Lines that hold all parts."""
        wait_until(lambda: len(self.lines(*parts)) >= count,
                   lambda: f"{count} error log lines with {parts}, the log is:\n{self.text()}")
        return self.lines(*parts)
