"""Many entities and many writers: every write is in force when it is answered, and traffic knows nothing of it."""
import json
import threading

import pytest

from lab.admin import Admin, admin_hop

PAIRS, WRITERS, PATCHERS, PATCHES_EACH = 1000, 40, 5, 10
WORKERS = {"nginx_worker_processes": "3", "nginx_http_keepalive_requests": "1000000"}
DEADLINE_SECONDS = 80


def together(work, count):
    """work(0), work(1) ... at once; what one of them raises is raised."""
    problems = []

    def guarded(number):
        try:
            work(number)
        except Exception as problem:  # told below, of whatever kind
            problems.append(problem)

    threads = [threading.Thread(target=guarded, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_SECONDS)
    assert not any(thread.is_alive() for thread in threads), "no answer"
    if problems:
        raise problems[0]


class Writer:
    """One connection to the Admin API, kept."""

    def __init__(self, lab, hop):
        self.client = Admin(lab, hop).connect()

    def write(self, method, path, content):
        answer = self.client.request(method, path, fields=[("Content-Type", "application/json")],
                                     content=json.dumps(content).encode())
        assert answer.status in (200, 201), (method, path, answer.status, answer.content)


class Reader:
    """Asks for one path again and again, on one connection, until it is told to end."""

    def __init__(self, lab, hop, path, content):
        self.client, self.path, self.wanted = lab.client(hop), path, (200, content)
        self.answers, self.problem = 0, None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while not self.stop.is_set() and not self.problem:
                answer = self.client.get(self.path)
                self.answers += 1
                if (answer.status, answer.content) != self.wanted:
                    self.problem = answer
        except Exception as problem:  # told by end()
            self.problem = problem

    def end(self):
        self.stop.set()
        self.thread.join(DEADLINE_SECONDS)
        assert not self.problem and self.answers > 0, (self.path, self.problem, self.answers)


def load(lab, hop, origin):
    """PAIRS services with a route each, all to that origin."""

    def write_share(first):
        writer = Writer(lab, hop)
        for i in range(first, PAIRS, WRITERS):
            writer.write("POST", "/services", {"name": f"s{i}", "host": "127.0.0.1", "port": origin.port})
            writer.write("POST", f"/services/s{i}/routes", {"name": f"r{i}", "paths": [f"/at-{i}/"]})

    together(write_share, WRITERS)


@pytest.mark.timeout(180)
def test_writers_among_thousands_of_entities_are_all_in_force_and_traffic_has_no_failure(lab):
    origins = [lab.origin(content=b"one"), lab.origin(content=b"two")]
    contents = [b"one", b"two"]
    hop = admin_hop(lab, WORKERS).start()
    load(lab, hop, origins[0])
    readers = [Reader(lab, hop, f"/at-{PAIRS - 1 - i}/", b"one") for i in range(4)]

    def patch(number):
        """Each has a service of its own: what it was answered nobody else changes."""
        writer = Writer(lab, hop)
        for i in range(PATCHES_EACH):
            turn = (i + 1) % 2
            writer.write("PATCH", f"/services/s{number}", {"port": origins[turn].port})
            client = lab.client(hop)  # on a connection of its own, and so on any worker
            answer = client.get(f"/at-{number}/")
            client.close()
            assert (answer.status, answer.content) == (200, contents[turn]), (number, i)

    together(patch, PATCHERS)
    for reader in readers:
        reader.end()
    assert Admin(lab, hop).must("GET", f"/services/s{PATCHERS}")["port"] == origins[0].port


# ---- the error log -------------------------------------------------------------------------------

def test_remarks_are_told_again_only_when_they_differ(lab):
    hop = admin_hop(lab).start()
    admin = Admin(lab, hop)
    told = "certificates of 1 https service are not verified: plain"
    admin.must("POST", "/services", {"name": "plain", "protocol": "https", "host": "127.0.0.1"})
    hop.error_log.wait_for(told)
    for i in range(5):
        admin.must("PATCH", "/services/plain", {"retries": i})
    admin.must("POST", "/services", {"name": "other", "protocol": "https", "host": "127.0.0.1"})
    hop.error_log.wait_for("2 https services are not verified: ")
    assert len(hop.error_log.lines(told)) == 1
