#!/usr/bin/python3
"""The calm client: one request after the other on one connection, at rest between. calm.py HOST PORT PATH

Runs until SIGTERM, then prints a line of JSON: the seconds that each request took, and what failed. A process of its
own, so that what it measures is the hop and not the threads of the other clients.
"""
import json
import signal
import sys
import threading
import time

import testlab  # noqa: F401
from lab.client import RawClient, Truncated
from lab.wire import Ended, Malformed

GAP_S = 0.01


def main():
    host, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    client, seconds, failures = None, [], []
    while not stopping.is_set():
        begun = time.monotonic()
        try:
            client = client or RawClient(host, port)
            answer = client.get(path)
            if answer.status != 200 or len(answer.content) != int(path.rpartition("/")[2]):
                failures.append(f"{answer.status} with {len(answer.content)} bytes")
            if answer.fields.get("Connection") == "close":
                client.close()
                client = None
        except (OSError, Ended, Truncated, Malformed) as problem:
            failures.append(repr(problem))
            client = None
        seconds.append(round(time.monotonic() - begun, 6))
        stopping.wait(GAP_S)
    print(json.dumps({"seconds": seconds, "failures": failures}))


if __name__ == "__main__":
    main()
