"""Ports that misbehave by themselves: refusing, and silent to a SYN."""
import socket


class RefusingPort:
    """A port that nobody listens on, and that nobody else can take while we hold it."""

    def __init__(self, host="127.0.0.1"):
        self.socket = socket.socket()
        self.socket.bind((host, 0))
        self.host, self.port = self.socket.getsockname()

    def stop(self):
        self.socket.close()


class BlackHole:
    """A listener with a full accept queue: the kernel drops further SYNs, so connects time out."""

    def __init__(self, host="127.0.0.1"):
        self.socket = socket.socket()
        self.socket.bind((host, 0))
        self.socket.listen(0)
        self.host, self.port = self.socket.getsockname()
        self.fillers = []
        while True:
            filler = socket.socket()
            filler.settimeout(0.3)
            self.fillers.append(filler)
            try:
                filler.connect((self.host, self.port))
            except TimeoutError:
                return

    def stop(self):
        for filler in self.fillers:
            filler.close()
        self.socket.close()


def free_port(host="127.0.0.1"):
    """A port that was free a moment ago; for tests that need two processes to meet on one."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]
