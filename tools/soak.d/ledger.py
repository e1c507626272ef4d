"""What was done to the targets and what became of every request: which failures were to be expected.

A request to the targets that are tormented may fail in the way of a fault that was in force while it ran, and in no
other; a request to any other target may not fail at all.
"""
import collections
import contextlib
import threading
import time

SLACK_S = 0.3  # a fault is over when its target accepts; what was on its way to it may still fail
KEPT_MAX = 200
# how a request may end while its target is ...
EXCUSES = {
    "killed": {"502", "cut"},
    "reset": {"502", "cut"},
    "paused": {"504", "cut"},
}


class Ledger:
    def __init__(self, why):
        """why(client port): the hop's own words on what became of that client's last request."""
        self.why, self.lock = why, threading.Lock()
        self.faults = []  # [what, begun, ended or None]
        self.counts = collections.Counter()  # (kind, outcome)
        self.excused = collections.Counter()  # (kind, outcome, fault)
        self.failures = []  # text

    @contextlib.contextmanager
    def fault(self, what):
        entry = [what, time.monotonic(), None]
        with self.lock:
            self.faults.append(entry)
        try:
            yield
        finally:
            entry[2] = time.monotonic()

    def excuse(self, outcome, begun):
        """The fault that was in force since then and explains this outcome."""
        with self.lock:
            for what, _, ended in reversed(self.faults):
                if ended is not None and ended + SLACK_S < begun:
                    return None
                if outcome in EXCUSES[what]:
                    return what
        return None

    def note(self, kind, outcome, begun, tormented=False, port=None, detail=""):
        """One request: outcome is ok, a status, cut, hang, wrong, or how the connection failed."""
        with self.lock:
            self.counts[kind, outcome] += 1
        if outcome == "ok":
            return
        fault = self.excuse(outcome, begun) if tormented else None
        if fault:
            with self.lock:
                self.excused[kind, outcome, fault] += 1
        else:
            took = time.monotonic() - begun
            cause = self.why(port) if port else ""
            self.fail(f"{kind}: {outcome} after {took:.2f} s {detail}".rstrip() + (f"\n    {cause}" if cause else ""))

    def fail(self, text):
        with self.lock:
            self.counts["failures", "all"] += 1
            if len(self.failures) < KEPT_MAX:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {text}")

    def total(self):
        with self.lock:
            return sum(count for (kind, _), count in self.counts.items() if kind not in ("failures", "reload"))

    def failures_count(self):
        return self.counts["failures", "all"]

    def excused_count(self):
        with self.lock:
            return sum(self.excused.values())
