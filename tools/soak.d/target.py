#!/usr/bin/python3
"""One target of the soak, a process of its own so that it can be killed and paused: target.py HOST PORT

SIGUSR1: resets every connection, open or new, until the next SIGUSR1.
"""
import os
import signal
import sys
import threading

import testlab  # noqa: F401
from lab import behaviours
from lab.origin import Origin
from lab.wire import Ended, head

NEVER_S = 36_000.0
SWITCH = head("HTTP/1.1 101 Switching Protocols", [("Upgrade", "websocket"), ("Connection", "Upgrade")])


def tunnel(connection, request):
    """Echoes until the client ends its direction, then ends the other."""
    connection.send(SWITCH)
    try:
        while True:
            connection.send(connection.receive())
    except Ended as end:
        if end.how == "fin":
            connection.end_cleanly()
        raise


class Target(Origin):
    """/upload and /stored answer "<bytes> <crc32>", /tunnel echoes; any other path ends in the number of bytes wanted."""

    def __init__(self, host, port):
        self.resets = threading.Event()
        super().__init__(host, port, on_connect=self.reset_if_told, deadline_s=NEVER_S)
        self.record_max_bytes = 0

    def behaviour_for(self, request):
        """Not by on(): requests come as soon as the listener is there."""
        own = {"/upload": behaviours.swallow(), "/stored": behaviours.swallow(), "/tunnel": tunnel}
        return own.get(request.target, self.send_bytes)

    def send_bytes(self, connection, request):
        self.reset_if_told(connection, request)
        size = int(request.target.rpartition("/")[2])
        behaviours.stream(size, framing="chunked" if size % 2 else "length")(connection, request)

    def reset_if_told(self, connection, _):
        if self.resets.is_set():
            connection.reset()
            raise Ended("reset")

    def record(self, request):
        """Keeps nothing: this runs for long."""
        with self.lock:
            self.connections[:] = [connection for connection in self.connections if not connection.done]
        self.problems.clear()

    def toggle(self, *_):
        if self.resets.is_set():
            self.resets.clear()
            return
        self.resets.set()
        for connection in list(self.connections):
            connection.drop()  # wakes its thread, which ends with a reset


def main():
    target = Target(sys.argv[1], int(sys.argv[2]))
    signal.signal(signal.SIGUSR1, target.toggle)
    print("ready", flush=True)
    parent = os.getppid()
    while os.getppid() == parent:  # whoever started it may have been killed
        signal.sigtimedwait([signal.SIGRTMAX], 1)


if __name__ == "__main__":
    main()
