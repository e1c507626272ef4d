"""The control socket: a running hop is asked and told things by the verbs of the command."""
import json
import os
import pathlib
import re
import resource
import signal
import socket
import stat
import subprocess
import threading

import pytest

from lab import behaviours
from lab.client import run
from lab.hop import SANITIZERS
from lab.lab import service_to
from lab.wait import wait_until
from test_reload import rewrite

OK, FAILED, USAGE, BAD_CONFIG = 0, 1, 64, 78


def verb(hop, *words):
    return run(hop.binary, *words, "--prefix", hop.prefix, env={**os.environ, **SANITIZERS})


def ask(hop, *words):
    done = verb(hop, *words, "--json")
    assert done.code == OK, done.err
    return json.loads(done.out)


def raw(hop):
    """A bare connection to the socket, whatever the length of its path."""
    directory = os.open(hop.prefix, os.O_PATH | os.O_DIRECTORY)
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(f"/proc/self/fd/{directory}/control.sock")
    os.close(directory)
    return sock


def test_status_tells_what_the_hop_is(lab):
    edge = lab.edge(lab.origin(content=b"x"), tls=True)
    client = lab.client(edge)
    client.get("/")
    status = ask(edge, "status")
    assert (status["name"], status["persona"], status["state"], status["pid"]) == \
        ("edge", "edge", "running", edge.process.pid)
    assert (status["configuration"], status["workers"], status["exchanges_total"]) == (1, 2, 1)
    assert {(entry["address"], entry["tls"]) for entry in status["listeners"]} == \
        {("{}:{}".format(*edge.http), False), ("{}:{}".format(*edge.https), True)}
    wait_until(lambda: ask(edge, "status")["exchanges"] == 0, "the exchange to be over")
    assert ask(edge, "status")["connections"] == 1
    assert "running" in verb(edge, "status").out


def test_status_tells_where_clients_are_verified_and_whether_a_crl_is_loaded(lab):
    clients = lab.pki.clients
    ca_id = "5f0c2f5e-7f52-4f38-9d6c-0f8d9a3f1b21"
    declarative = {**service_to(lab.origin()), "ca_certificates": [{"id": ca_id, "cert": clients.text("root.pem")}],
                   "hopgate": {"mtls": [{"snis": ["edge.test"], "verify_client": "required", "ca_certificates": [ca_id]}]}}
    edge = lab.hop(declarative, persona="edge", tls=True, conf={
        "nginx_proxy_ssl_verify_client": "optional", "nginx_proxy_ssl_client_certificate": clients.pem("root"),
        "nginx_proxy_ssl_crl": clients.crls()})
    assert ask(edge, "status")["client_verification"] == [
        {"names": "all others", "verify_client": "optional", "crl": True},
        {"names": "edge.test", "verify_client": "required", "crl": False}]


def test_socket_is_for_the_owner_only_and_goes_with_the_hop(lab):
    edge = lab.edge(lab.origin())
    path = edge.prefix / "control.sock"
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    assert edge.stop() == 0
    assert not path.exists()


def test_socket_of_a_killed_hop_is_replaced(lab):
    edge = lab.edge(lab.origin())
    edge.kill()
    assert verb(edge, "status").code == FAILED
    lab.expect_bad_end.add(edge)
    edge.start()
    assert ask(edge, "status")["state"] == "running"
    assert edge.stop() == 0


def test_no_hop_is_said_with_the_place_and_a_hint(lab):
    edge = lab.make_hop(service_to(lab.origin()))
    done = verb(edge, "status")
    assert done.code == FAILED
    assert str(edge.prefix) in done.err and "--prefix" in done.err


@pytest.mark.parametrize("words", [["show"], ["show", "connections", "more"], ["set", "log_level"], ["status", "--nope"],
                                   ["reload", "--prefix"]])
def test_wrong_usage_is_64(lab, words):
    done = run(lab.binary, *words)
    assert done.code == USAGE
    assert "usage: hopgate" in done.err


def test_prefix_is_found_by_the_configuration(lab):
    edge = lab.edge(lab.origin())
    done = run(edge.binary, "status", "-c", edge.conf_path, "--json")
    assert done.code == OK and json.loads(done.out)["pid"] == edge.process.pid


def test_show_tells_connections_and_exchanges_with_both_peers(lab):
    gate = threading.Event()
    origin = lab.origin().on("/slow", behaviours.after(gate, behaviours.answer(b"done")))
    edge = lab.edge(origin)
    idle, busy = lab.client(edge), lab.client(edge)
    idle.get("/")
    busy.send(busy.request_bytes("GET", "/slow"))
    origin.wait_for_requests(2)
    connections = {entry["client"]: entry for entry in ask(edge, "show", "connections")["connections"]}
    assert connections[f"127.0.0.1:{idle.local_port}"]["state"] == "idle"
    assert connections[f"127.0.0.1:{busy.local_port}"]["state"] == "exchange"
    entry, = ask(edge, "show", "exchanges")["exchanges"]
    assert (entry["method"], entry["path"], entry["service"], entry["route"]) == ("GET", "/slow", "main", "main-route")
    assert entry["phase"] == "waiting for response head"
    assert entry["upstream"] == f"127.0.0.1:{origin.port}"
    assert entry["client"] == f"127.0.0.1:{busy.local_port}"
    table = verb(edge, "show", "exchanges").out
    assert "/slow" in table and "waiting for response head" in table
    gate.set()
    assert busy.read_response().content == b"done"
    assert "(none)" in verb(edge, "show", "exchanges").out


def test_show_targets_and_memory(lab):
    origins = [lab.origin(), lab.origin()]
    edge = lab.edge(*origins)
    targets = ask(edge, "show", "targets")["targets"]
    assert {(entry["address"], entry["weight"], entry["state"], entry["in_flight"]) for entry in targets} == \
        {(f"127.0.0.1:{origin.port}", 100, "healthy", 0) for origin in origins}
    memory = ask(edge, "show", "memory")
    assert [entry["worker"] for entry in memory["workers"]] == [0, 1]
    assert verb(edge, "show", "everything").code == FAILED


def test_reload_says_what_is_in_force_or_every_mistake(lab):
    edge = lab.edge(lab.origin(content=b"old"))
    rewrite(edge, service_to(lab.origin(content=b"new")))
    assert ask(edge, "reload")["configuration"] == 2
    assert lab.client(edge).get("/").content == b"new"
    rewrite(edge, "_format_version: '3.0'\nservices: [{name: a, hots: b, port: 99999}]\n")
    done = verb(edge, "reload")
    assert done.code == BAD_CONFIG
    assert "kong.yaml:2:" in done.err and "hots" in done.err and "port" in done.err
    assert "configuration 2 stays in force" in done.err
    status = ask(edge, "status")
    assert (status["configuration"], status["reload"]["ok"]) == (2, False)


def test_set_log_level_works_at_once_until_the_next_reload(lab):
    edge = lab.edge(lab.origin())
    assert verb(edge, "set", "log_level", "loud").code == FAILED
    assert verb(edge, "set", "prefix", "/").code == FAILED
    assert verb(edge, "set", "log_level", "error").code == OK
    before = len(edge.error_log.lines("notice"))
    edge.signal(signal.SIGUSR1)
    assert verb(edge, "set", "log_level", "info").code == OK
    edge.error_log.wait_for("log_level set to info")
    assert len(edge.error_log.lines("notice")) == before + 1


def test_verb_that_was_stopped_and_continued_still_gets_its_answer(lab):
    """As ^Z and fg: a read with a time limit is interrupted by them."""
    edge = lab.edge(lab.origin())
    edge.signal(signal.SIGSTOP)
    asking = subprocess.Popen([edge.binary, "status", "--json", "--prefix", edge.prefix], stdout=subprocess.PIPE,
                              env={**os.environ, **SANITIZERS})
    process = pathlib.Path(f"/proc/{asking.pid}")

    def is_in(state):
        return f"State:\t{state}" in (process / "status").read_text()

    def has_socket():
        try:
            return any(os.readlink(fd).startswith("socket:") for fd in (process / "fd").iterdir())
        except FileNotFoundError:  # closed while we looked
            return False

    wait_until(lambda: is_in("S") and has_socket(), "the verb to wait for its answer")
    asking.send_signal(signal.SIGSTOP)
    wait_until(lambda: is_in("T"), "the verb to be stopped")
    asking.send_signal(signal.SIGCONT)
    edge.signal(signal.SIGCONT)
    answer, _ = asking.communicate(timeout=60)
    assert asking.returncode == 0 and json.loads(answer)["state"] == "running"


def test_drain_returns_when_what_ran_has_ended(lab):
    gate = threading.Event()
    origin = lab.origin().on("/slow", behaviours.after(gate, behaviours.answer(b"whole")))
    edge = lab.edge(origin)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    ends = []
    thread = threading.Thread(target=lambda: ends.append(verb(edge, "drain")))
    thread.start()
    edge.error_log.wait_for("drain asked for")
    assert ask(edge, "status")["state"] == "draining"
    assert verb(edge, "reload").code == FAILED
    assert thread.is_alive()
    gate.set()
    assert client.read_response().content == b"whole"
    thread.join(20)
    assert ends[0].code == OK
    assert edge.wait_exit() == 0


def test_stop_aborts_what_runs(lab):
    origin = lab.origin().on("/slow", behaviours.hang())
    edge = lab.edge(origin)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    assert verb(edge, "stop").code == OK
    assert edge.wait_exit() == 0
    assert client.wait_for_end() == "reset"


def test_garbage_on_the_socket_is_refused_and_harms_nobody(lab):
    edge = lab.edge(lab.origin(content=b"fine"))
    for request in (b"\n", b"[]\n", b"{\n", b'{"verb": 5}\n', b'{"verb": "show", "what": []}\n', b"\xff\xfe\n",
                    b'{"verb": "set", "key": "log_level", "value": 3}\n', b'{"a": 1, "a": 2}\n'):
        sock = raw(edge)
        sock.sendall(request)
        answer = json.loads(b"".join(iter(lambda: sock.recv(65536), b"")))
        assert answer["ok"] is False and answer["error"]
    sock = raw(edge)
    try:
        sock.sendall(b"x" * (1 << 20))  # no line ever ends
        assert sock.recv(1) == b""
    except (ConnectionResetError, BrokenPipeError):
        pass
    assert lab.client(edge).get("/").content == b"fine"
    assert ask(edge, "status")["state"] == "running"


def test_who_does_not_read_or_speak_holds_up_nobody(lab):
    """All places on the socket are taken by silent peers; they are dropped in time, traffic is not touched."""
    edge = lab.edge(lab.origin(content=b"fine"))
    silent = [raw(edge) for _ in range(8)]
    silent[0].sendall(b'{"verb": "status"}\n')  # and does not read
    for _ in range(20):
        assert lab.client(edge).get("/").content == b"fine"
    assert ask(edge, "status")["state"] == "running"  # waits for a place: the one that was answered
    for sock in silent[1:]:
        sock.close()


def limit_files(hop, count):
    _, hard = resource.prlimit(hop.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(hop.process.pid, resource.RLIMIT_NOFILE, (count or hard, hard))


def failures_a_second(hop, line):
    """How many of them the log line that says so stands for, besides itself."""
    hop.error_log.wait_for(line, count=2)
    return int(re.search(r", (\d+) more since the last such line", hop.error_log.lines(line)[1]).group(1))


def test_who_cannot_be_let_in_for_want_of_descriptors_waits_and_the_hop_does_not_spin(lab):
    edge = lab.edge(lab.origin(content=b"x"))
    limit_files(edge, 8)  # less than it has, and enough for poll
    with raw(edge) as sock:
        sock.sendall(b'{"verb": "status"}\n')
        assert failures_a_second(edge, "nobody is let in at control.sock: Too many open files") < 100
        limit_files(edge, None)
        assert json.loads(sock.makefile().read())["ok"]


def test_poll_that_fails_does_not_spin_and_signals_are_obeyed(lab):
    edge = lab.edge(lab.origin(content=b"x"))
    limit_files(edge, 2)  # less than poll is given
    edge.signal(signal.SIGUSR1)  # it comes back from the present one
    assert failures_a_second(edge, "poll: Invalid argument") < 100
    edge.signal(signal.SIGUSR1)
    edge.error_log.wait_for("signal 10", count=2)
    limit_files(edge, None)
