"""How a hop ends: running exchanges finish, nobody waits for ever, and what is no stop signal stops nothing."""
import signal
import threading

import pytest

from lab import behaviours
from lab.wait import wait_until
from lab.wire import Ended


def test_signals_of_nginx_and_kong_do_not_end_the_hop(lab):
    edge = lab.edge(lab.origin(content=b"alive"))
    edge.signal(signal.SIGUSR2)
    edge.error_log.wait_for(f"signal {signal.SIGUSR2:d} ", "ignored")
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
