"""Waiting with a deadline: the only place where a test's own process pauses."""
import time

DEADLINE_S = 20.0  # generous: the machine may be busy and the hop runs under sanitizers
POLL_S = 0.005


def wait_until(predicate, what, deadline_s=DEADLINE_S):
    """Returns predicate()'s first truthy value; fails with `what` (text or function) at the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            text = what() if callable(what) else what
            raise AssertionError(f"not within {deadline_s:.0f} s: {text}")
        time.sleep(POLL_S)  # pace: nothing to block on (a file, /proc) can wake us


def pace(seconds):
    """Slow sending or reading, when slowness itself is the behaviour under test."""
    time.sleep(seconds)  # pace: see above
