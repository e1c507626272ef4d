"""`hopgate wire`: which connections a fault hits, what changes while it runs, what is refused, what is logged."""
import socket
import time

import pytest

from lab.ports import free_port
from lab.wait import wait_until
from lab.wire_ends import EARLY_S, Server, assert_silent, connect, connect_and_read, exchange, read_all, read_exactly


# ---- which connections -------------------------------------------------------------------------


def test_fault_of_one_connection_leaves_the_others_alone(make_wire, server):
    wire = make_wire(server, faults=["reset:connection=2"])
    exchange(wire, server)
    assert connect_and_read(wire.address) == (b"", "reset")
    upstream = server.accept()[0]
    assert read_all(upstream)[1] == "reset"
    exchange(wire, server)


def test_chance_hits_the_same_connections_for_the_same_seed(make_wire, server):
    def hit(seed):
        wire = make_wire(server, "--seed", seed, faults=["accept-reset:chance=0.5"])
        ends = []
        for _ in range(20):
            try:
                client = connect(wire.address)
            except ConnectionResetError:
                client = None
            wire.wait_event("open", len(ends) + 1)
            ends.append(wire.events("open")[-1]["server"] is None)
            if client:
                client.close()
        return ends

    one, same = hit(3), hit(3)
    assert one == same
    assert 0 < sum(one) < 20


def test_wires_of_one_process_have_faults_of_their_own(make_wire, server):
    other = Server()
    wire = make_wire(None, "--listen", "127.0.0.1:0", "--name", "good", "--to", "{}:{}".format(*server.address),
                     "--listen", "127.0.0.1:0", "--fault", "reset", "--name", "bad", "--to",
                     "{}:{}".format(*other.address))
    exchange(wire, server)
    assert connect_and_read(wire.addresses[1]) == (b"", "reset")
    assert [row["name"] for row in wire.told("GET", "/")["wires"]] == ["good", "bad"]
    assert wire.told("GET", "/faults")["faults"][0]["wire"] == "bad"


def test_connections_to_the_server_come_from_the_address_that_was_asked_for(make_wire, server):
    wire = make_wire(server, "--bind", "127.0.0.77")
    connect(wire.address)
    _, peer = server.accept()
    assert peer[0] == "127.0.0.77"


# ---- while it runs -----------------------------------------------------------------------------


def test_faults_come_and_go_while_connections_run(make_wire, server):
    wire = make_wire(server)
    client, upstream = exchange(wire, server)
    assert wire.told("POST", "/faults", {"kind": "latency", "ms": 300})["faults"] == [
        {"kind": "latency", "direction": "both", "id": "f1", "ms": 300}]
    began = time.monotonic()
    client.sendall(b"x")
    assert upstream.recv(1) == b"x"
    assert time.monotonic() - began + EARLY_S >= 0.3
    wire.told("POST", "/faults", {"kind": "slice", "bytes": 1, "id": "crumbs"})
    assert wire.told("DELETE", "/faults/f1")["faults"][0]["id"] == "crumbs"
    assert wire.ask("DELETE", "/faults/f1")[0] == 404
    client.sendall(b"xyz")
    assert read_exactly(upstream, 3) == b"xyz"
    wire.told("DELETE", "/faults")
    assert wire.told("GET", "/faults") == {"faults": []}


def test_faults_that_are_wrong_change_nothing_and_say_what(make_wire, server):
    wire = make_wire(server, faults=["latency:ms=1"])
    for content, says in (([{"kind": "latancy", "ms": 1}], "did you mean 'latency'?"),
                          ([{"kind": "latency"}], "needs 'ms'"),
                          ([{"kind": "latency", "ms": -1}], "between 0"),
                          ([{"kind": "latency", "ms": 1, "bytes": 3}], "does not have this field"),
                          ([{"kind": "latency", "mss": 1}], "did you mean 'ms'"),
                          ([{"kind": "corrupt"}], "either 'offset' or 'one_in'"),
                          ([{"kind": "idle", "ms": 5, "then": "wait"}], "drop, reset"),
                          ([{"kind": "drop", "wire": "w9"}], 'no wire "w9"'),
                          ({"kind": 7}, "expected a string"), ([7], "expected a record")):
        status, answer = wire.ask("PUT", "/faults", content)
        assert status == 400 and says in answer["error"], answer
    assert wire.told("GET", "/faults")["faults"][0]["kind"] == "latency"


def test_more_faults_than_a_wire_takes_are_refused_before_they_are_looked_at(make_wire, server):
    wire = make_wire(server, faults=["latency:ms=1"])
    for count in (4000, 256):
        status, answer = wire.ask("POST", "/faults", [{"kind": "latency", "ms": 1} for _ in range(count)])
        assert (status, "more than 256 faults" in answer["error"]) == (400, True), answer
    assert len(wire.told("GET", "/faults")["faults"]) == 1
    told = wire.told("POST", "/faults", [{"kind": "latency", "ms": 1} for _ in range(255)])
    assert [fault["id"] for fault in told["faults"]] == [f"f{number}" for number in range(1, 257)]


@pytest.mark.parametrize("how, end", [("reset", "reset"), ("fin", "fin")])
def test_kill_ends_one_connection(make_wire, server, how, end):
    wire = make_wire(server)
    first, second = exchange(wire, server), exchange(wire, server)
    assert wire.told("POST", "/kill", {"connection": 1, "how": how}) == {"killed": 1}
    assert read_all(first[0]) == (b"", end)
    assert read_all(first[1]) == (b"", end)
    assert wire.wait_event("close")["end"] == "killed"
    second[0].sendall(b"alive")
    assert read_exactly(second[1], 5) == b"alive"
    assert wire.told("POST", "/kill") == {"killed": 1}
    assert read_all(second[0])[1] == "reset"


def test_kill_of_one_side_leaves_the_other_in_the_dark(make_wire, server):
    wire = make_wire(server)
    client, upstream = exchange(wire, server)
    wire.told("POST", "/kill", {"side": "client"})
    assert read_all(client) == (b"", "reset")
    assert_silent(upstream)
    for content in ({"side": "left"}, {"how": "softly"}, {"connektion": 1}, {"connection": -1}):
        assert wire.ask("POST", "/kill", content)[0] == 400


def test_script_changes_faults_by_the_clock(make_wire, server, tmp_path):
    script = tmp_path / "script.yaml"
    script.write_text("steps:\n- {at_ms: 0, faults: [{kind: refuse}]}\n- {at_ms: 30000, faults: []}\n"
                      "- {at_ms: 60000, kill: reset}\n")
    wire = make_wire(server, "--time-scale", 100, "--script", script)
    with pytest.raises(ConnectionRefusedError):
        while True:  # the first step may be over before we come
            connect(wire.address).close()
            if len(wire.events("faults")) > 1:
                raise ConnectionRefusedError
    wait_until(lambda: len(wire.events("faults")) == 2, "the second step")
    assert [len(event["faults"]) for event in wire.events("faults")] == [1, 0]


@pytest.mark.parametrize("text, says", [
    ("steps:\n- {at_ms: 5, faults: [{kind: latency, ms: x}]}\n",
     ":2:43: error: steps[0].faults[0].ms: expected an integer"),
    ("steps:\n- {at_ms: 5, fault: []}\n", ":2:14: error: steps[0].fault: unknown field; did you mean 'faults'?"),
    ("steps:\n- {at_ms: 5, kill: fin}\n- {at_ms: 1, kill: fin}\n", "sort the steps by time"),
    ("stepps: []\n", "did you mean 'steps'?"),
])
def test_script_with_a_mistake_says_where(hopgate, tmp_path, text, says):
    (tmp_path / "script.yaml").write_text(text)
    done = hopgate("wire", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--script", "script.yaml")
    assert done.code == 78 and says in done.err, done


@pytest.mark.parametrize("arguments, says", [
    ((), "--listen and --to must say"),
    (("--to", "127.0.0.1:1"), "--listen must come before"),
    (("--listen", "127.0.0.1:0"), "--to is missing"),
    (("--listen", "localhost", "--to", "127.0.0.1:1"), "ADDRESS:PORT"),
    (("--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--time-scale", "0"), "begins at 1"),
    (("--frobnicate", "1"), "not understood"),
])
def test_command_lines_that_are_refused(hopgate, arguments, says):
    done = hopgate("wire", *arguments)
    assert done.code == 64 and says in done.err, done


def test_fault_of_the_command_line_with_a_mistake_is_refused(hopgate):
    done = hopgate("wire", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--fault", "latancy:ms=1")
    assert done.code == 78 and "did you mean 'latency'?" in done.err


def test_address_that_is_taken_is_named(hopgate, server):
    taken = "{}:{}".format(*server.address)
    done = hopgate("wire", "--listen", taken, "--to", f"127.0.0.1:{free_port()}")
    assert done.code == 1 and f"cannot listen on {taken}: Address already in use" in done.err


# ---- the log -----------------------------------------------------------------------------------


def test_log_names_both_connections_so_that_hops_can_be_joined(make_wire, server):
    wire = make_wire(server, faults=["reset:after_bytes=4,direction=to-client,id=the-reset"])
    client = connect(wire.address)
    upstream, peer = server.accept()
    opened = wire.wait_event("open")
    assert opened["client"] == "{}:{}".format(*client.getsockname())
    assert opened["listen"] == "{}:{}".format(*wire.address)
    assert opened["local"] == "{}:{}".format(*peer)
    assert opened["server"] == "{}:{}".format(*server.address)
    upstream.sendall(b"12345")
    assert read_all(client) == (b"1234", "reset")
    acted, closed = wire.wait_event("fault"), wire.wait_event("close")
    assert (acted["id"], acted["bytes"], acted["direction"]) == ("the-reset", 4, "to-client")
    assert closed["faults"][0]["id"] == "the-reset" and closed["to_client"]["passed"] == 4
    assert closed["connection"] == opened["connection"] == acted["connection"]
