"""How a hop ends: running exchanges finish, nobody waits for ever, and what is no stop signal stops nothing."""
import signal
import socket
import threading
import time

import pytest

from lab import behaviours
from lab.wait import DEADLINE_S, wait_until
from lab.wire import Ended


def test_signal_that_nginx_reopens_logs_by_does_not_end_the_hop(lab):
    edge = lab.edge(lab.origin(content=b"alive"))
    edge.signal(signal.SIGUSR1)
    edge.error_log.wait_for(f"signal {signal.SIGUSR1:d} ", "reopening logs")
    assert lab.client(edge).get("/").content == b"alive"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
@pytest.mark.parametrize("tls", [False, True])
def test_running_exchange_finishes_and_its_connection_ends(lab, number, tls):
    gate = threading.Event()
    origin = lab.origin().on("/slow", behaviours.after(gate, behaviours.answer(b"late but whole")))
    edge = lab.edge(origin, tls=tls)
    client = lab.client(edge, tls=tls)
    client.send(client.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    edge.signal(number)
    edge.error_log.wait_for("draining")
    gate.set()
    answer = client.read_response()
    assert (answer.content, answer.fields.get("Connection")) == (b"late but whole", "close")
    assert client.wait_for_end() == ("close_notify" if tls else "fin")
    assert edge.wait_exit() == 0


def test_idle_client_is_closed_and_does_not_delay_the_end(lab):
    edge = lab.edge(lab.origin())
    client = lab.client(edge)
    client.get("/")
    edge.signal(signal.SIGTERM)
    assert client.wait_for_end() == "fin"
    assert edge.wait_exit() == 0


@pytest.mark.parametrize("tls", [False, True])
def test_client_that_has_just_connected_is_still_served(lab, tls):
    """Its request is on its way when the hop is told to end."""
    edge = lab.edge(lab.origin(content=b"in time"), tls=tls, conf={"nginx_worker_processes": "1"})
    client = lab.client(edge, tls=tls)
    witness = lab.client(edge, tls=tls)  # the same listener has accepted it later, so the client was accepted too
    witness.get("/")
    edge.signal(signal.SIGTERM)
    edge.error_log.wait_for("draining")
    answer = client.get("/")
    assert (answer.content, answer.fields.get("Connection")) == (b"in time", "close")
    assert edge.wait_exit() == 0


def test_client_that_connects_and_says_nothing_does_not_hold_the_hop(lab):
    edge = lab.edge(lab.origin())
    start = edge.fd_count()
    client = lab.client(edge)
    wait_until(lambda: edge.fd_count() > start, "the connection to be accepted")
    edge.signal(signal.SIGTERM)
    assert client.wait_for_end() == "fin"
    assert edge.wait_exit() == 0


def test_second_signal_ends_what_still_runs(lab):
    origin = lab.origin().on("/", behaviours.hang())
    edge = lab.edge(origin)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/"))
    origin.wait_for_requests(1)
    edge.signal(signal.SIGTERM)
    edge.error_log.wait_for("draining")
    edge.signal(signal.SIGTERM)
    with pytest.raises(Ended):
        client.read_response()
    assert edge.wait_exit() == 0
    assert len(edge.access_log.entries()) == 1
    assert edge.access_log.last().reason == "SHUTTING_DOWN"


def test_drain_deadline_ends_what_still_runs(lab):
    origin = lab.origin().on("/", behaviours.hang())
    edge = lab.edge(origin, conf={"hopgate_shutdown_timeout": "300ms"})
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/"))
    origin.wait_for_requests(1)
    edge.signal(signal.SIGTERM)
    with pytest.raises(Ended):
        client.read_response()
    assert edge.wait_exit() == 0


PROMPT_S = 0.8  # who has connected and is silent for a second may be let go when the hop ends


def probe(address):
    """One request on a connection of its own: its status, or how it failed."""
    try:
        connection = socket.create_connection(address, timeout=DEADLINE_S)
    except ConnectionRefusedError:
        return "refused"
    begin = time.monotonic()
    with connection:
        try:
            connection.sendall(b"GET /status/ready HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        except (ConnectionResetError, BrokenPipeError) as error:
            answer = repr(error).encode()
        return int(answer[9:12]) if answer[:9] == b"HTTP/1.1 " else late(begin) or repr(answer)


def late(begin):
    """This process was not run in time: nothing can be said."""
    return "late" if time.monotonic() - begin > PROMPT_S else None


class Probes:
    """Threads that ask an address, over and over, until it refuses."""

    def __init__(self, address, count=4):
        self.address, self.outcomes, self.lock = address, [], threading.Lock()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self):
        outcome = None
        while outcome != "refused":
            try:
                outcome = probe(self.address)
            except OSError as error:
                outcome = repr(error)
            with self.lock:
                self.outcomes.append(outcome)

    def count(self, outcome):
        with self.lock:
            return self.outcomes.count(outcome)

    def join(self):
        for thread in self.threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
        return set(self.outcomes)


@pytest.mark.parametrize("workers", [1, 4])
def test_status_is_answered_by_every_worker_until_no_worker_has_traffic(lab, workers):
    """The kernel spreads connections over the workers: those without traffic must not leave before the last."""
    gate = threading.Event()
    origin = lab.origin().on("/slow", behaviours.after(gate, behaviours.answer(b"late but whole")))
    edge = lab.edge(origin, conf={"nginx_worker_processes": str(workers), "status_listen": "127.0.0.1:0"})
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    probes = Probes(edge.status_listeners["http"])
    wait_until(lambda: probes.count(200) > 20, "the hop to be ready")
    edge.signal(signal.SIGTERM)
    edge.error_log.wait_for("draining")
    wait_until(lambda: probes.count(503) > 200, lambda: f"the hop to answer: {probes.outcomes[-20:]}")
    assert probes.count("refused") == 0
    gate.set()
    assert client.read_response().content == b"late but whole"
    assert edge.wait_exit() == 0
    assert probes.join() - {"late"} == {200, 503, "refused"}


def test_silent_status_client_does_not_hold_the_hop(lab):
    edge = lab.edge(lab.origin(), conf={"status_listen": "127.0.0.1:0"})
    start = edge.fd_count()
    client = lab.client(edge.status_listeners["http"])
    wait_until(lambda: edge.fd_count() > start, "the connection to be accepted")
    edge.signal(signal.SIGTERM)
    assert client.wait_for_end() == "fin"
    assert edge.wait_exit() == 0


def test_idle_status_client_is_closed_and_does_not_hold_the_hop(lab):
    edge = lab.edge(lab.origin(), conf={"nginx_worker_processes": "4", "status_listen": "127.0.0.1:0"})
    client = lab.client(edge.status_listeners["http"])
    client.get("/status/ready")
    edge.signal(signal.SIGTERM)
    assert client.wait_for_end() == "fin"
    assert edge.wait_exit() == 0
