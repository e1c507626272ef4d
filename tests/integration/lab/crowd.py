"""Many short connections at a given rate: what became of each."""
import collections
import socket
import threading
import time

from .wait import DEADLINE_S, pace

THREADS = 8


class Crowd:
    """Each connection asks once and reads to the end; anything but a whole answer is counted by its name."""

    def __init__(self, address, rate_per_s, head=b"GET / HTTP/1.1\r\nHost: crowd\r\nConnection: close\r\n\r\n",
                 whole=b"HTTP/1.1 "):
        self.address, self.head, self.whole = address, head, whole
        self.gap_s = THREADS / rate_per_s
        self.outcomes = collections.Counter()
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(index,), daemon=True) for index in range(THREADS)]

    def __enter__(self):
        self.began_at = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if not self.ending.is_set():
            self.ending.set()
            for thread in self.threads:
                thread.join(DEADLINE_S)
            self.seconds = time.monotonic() - self.began_at

    def run(self, index):
        counted = collections.Counter()
        due = time.monotonic() + self.gap_s * index / THREADS
        while not self.ending.is_set():
            pace(max(0.0, due - time.monotonic()))
            due = max(due + self.gap_s, time.monotonic() - 0.5)  # after a stall no more than half a second is made up for
            counted[self.once()] += 1
            if counted.total() % 16 == 0:
                with self.lock:
                    self.outcomes += counted
                counted.clear()
        with self.lock:
            self.outcomes += counted

    def once(self):
        try:
            with socket.create_connection(self.address, timeout=DEADLINE_S) as sock:
                sock.sendall(self.head)
                answer = b""
                while piece := sock.recv(65536):
                    answer += piece
            return "whole" if answer.startswith(self.whole) and b"\r\n\r\n" in answer else f"cut: {answer[:80]!r}"
        except OSError as error:
            return type(error).__name__

    def count(self):
        with self.lock:
            return self.outcomes.total()

    def failures(self):
        return {outcome: count for outcome, count in self.outcomes.items() if outcome != "whole"}
