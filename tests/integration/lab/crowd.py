"""Many short connections at a given rate: what became of each."""
import collections
import re
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
        """Its name: whole, or what went wrong."""
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


class Regulars(Crowd):
    """Each thread keeps its connection, request after request, until an answer says close."""

    def __init__(self, address, rate_per_s):
        super().__init__(address, rate_per_s, head=b"GET / HTTP/1.1\r\nHost: regulars\r\n\r\n")
        self.kept = threading.local()
        self.reconnects = 0

    def once(self):
        sock = getattr(self.kept, "sock", None)
        try:
            if sock is None:
                sock = self.kept.sock = socket.create_connection(self.address, timeout=DEADLINE_S)
            sock.sendall(self.head)
            if self.read_answer(sock):
                sock.close()
                self.kept.sock = None
                with self.lock:
                    self.reconnects += 1
            return "whole"
        except (OSError, ValueError) as error:
            self.kept.sock = None
            return f"{type(error).__name__}: {error}"

    def read_answer(self, sock):
        """True: it says close."""
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.more(sock)
        head, _, content = answer.lower().partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head).group(1))
        while len(content) < length:
            content += self.more(sock)
        return b"connection: close" in head

    @staticmethod
    def more(sock):
        piece = sock.recv(65536)
        if not piece:
            raise ValueError("closed without an answer")
        return piece
