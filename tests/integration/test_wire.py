"""`hopgate wire`: what goes in comes out, and each fault is what its name says. Raw sockets on both sides."""
import hashlib
import os
import random
import socket
import threading
import time

import pytest

from lab.ports import RefusingPort
from lab.wait import DEADLINE_S, wait_until
from lab.wire_ends import (EARLY_S, FOR_LONG, MOMENT_S, Server, assert_silent, connect, connect_and_read, exchange,
                           pair, read_all, read_exactly, reset)


# ---- without a fault ---------------------------------------------------------------------------


def test_bytes_are_the_same_in_both_directions(make_wire, server):
    wire = make_wire(server)
    up, down = random.Random(1).randbytes(3_000_000), random.Random(2).randbytes(4_000_000)
    client, upstream = pair(wire, server)
    results = {}

    def send(connection, data):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)

    threads = [threading.Thread(target=send, args=pair_) for pair_ in ((client, up), (upstream, down))]
    threads.append(threading.Thread(target=lambda: results.update(up=read_all(upstream))))
    for thread in threads:
        thread.start()
    results["down"] = read_all(client)
    for thread in threads:
        thread.join()
    assert results == {"up": (up, "fin"), "down": (down, "fin")}
    closed = wire.wait_event("close")
    assert (closed["client_end"], closed["server_end"], closed["end"]) == ("fin", "fin", "ended")
    assert (closed["to_server"]["passed"], closed["to_client"]["passed"]) == (len(up), len(down))


def test_half_close_is_passed_on_and_the_other_direction_goes_on(make_wire, server):
    client, upstream = exchange(make_wire(server), server)
    client.sendall(b"last")
    client.shutdown(socket.SHUT_WR)
    assert read_all(upstream) == (b"last", "fin")
    for word in (b"one", b"two"):
        upstream.sendall(word)
        assert read_exactly(client, 3) == word
    upstream.close()
    assert read_all(client) == (b"", "fin")


@pytest.mark.parametrize("who", ["client", "server"])
def test_reset_is_passed_on_as_reset(make_wire, server, who):
    wire = make_wire(server)
    client, upstream = exchange(wire, server)
    dying, other = (client, upstream) if who == "client" else (upstream, client)
    reset(dying)
    assert read_all(other) == (b"", "reset")
    closed = wire.wait_event("close")
    assert closed[f"{who}_end"] == "reset"


def test_reset_comes_behind_the_bytes_before_it(make_wire, server):
    client, upstream = pair(make_wire(server), server)
    upstream.sendall(b"x" * 10_000)
    assert client.recv(1, socket.MSG_PEEK) == b"x"
    wait_until(lambda: len(client.recv(20_000, socket.MSG_PEEK)) == 10_000, "all bytes to have passed")
    reset(upstream)
    assert read_all(client) == (b"x" * 10_000, "reset")


def test_reset_after_a_half_close_is_a_reset(make_wire, server):
    client, upstream = exchange(make_wire(server), server)
    upstream.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    upstream.close()  # from here on its kernel answers with resets

    def is_reset():
        try:
            client.sendall(b"more")
        except (ConnectionResetError, BrokenPipeError):
            return True
        return False

    wait_until(is_reset, "the client to be reset")


def test_refused_server_shows_as_a_reset(make_wire):
    refusing = RefusingPort()
    wire = make_wire((refusing.host, refusing.port))
    assert connect_and_read(wire.address) == (b"", "reset")
    closed = wire.wait_event("close")
    assert (closed["server_end"], closed["end"]) == ("refused", "Connection refused")
    refusing.stop()


def sent_until_blocked(connection):
    """A sender that nobody reads fills what is between, and stops."""
    connection.setblocking(False)
    sent, quiet_since = 0, time.monotonic()
    while time.monotonic() - quiet_since < 1.5:
        try:
            sent += connection.send(b"b" * 65536)
            quiet_since = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)  # pace: nothing tells that no more will be taken
    connection.settimeout(DEADLINE_S)
    return sent


def memory_bytes(process):
    with open(f"/proc/{process.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_back_pressure_is_passed_on_and_memory_is_bounded(make_wire, server):
    wire = make_wire(server)
    client, upstream = pair(wire, server)
    sent = sent_until_blocked(upstream)
    row = wire.connections()[0]["to_client"]
    assert row["held"] <= 256 * 1024
    assert row["received"] - row["passed"] <= 256 * 1024
    received = len(read_exactly(client, sent))
    assert received == sent
    upstream.close()
    assert read_all(client) == (b"", "fin")


def test_500_flows_at_a_time(make_wire, server):
    count, size = 500, 20_000
    wire = make_wire(server)
    answers = []

    def echo():
        ends = [server.accept()[0] for _ in range(count)]
        for end in ends:
            data, how = read_all(end)
            assert how == "fin"
            end.sendall(hashlib.sha256(data).digest())
            end.close()

    def echo_and_tell():
        try:
            echo()
        except OSError as error:
            answers.append(error)

    thread = threading.Thread(target=echo_and_tell)
    thread.start()
    clients = [connect(wire.address) for _ in range(count)]
    wait_until(lambda: len(wire.connections()) == count, "all flows to be there")
    for number, client in enumerate(clients):
        client.sendall(bytes([number % 256]) * size)
        client.shutdown(socket.SHUT_WR)
    for number, client in enumerate(clients):
        data, how = read_all(client)
        assert (data, how) == (hashlib.sha256(bytes([number % 256]) * size).digest(), "fin")
    thread.join()
    assert not answers
    wire.wait_connections(0)


# ---- time --------------------------------------------------------------------------------------


def test_latency_delays_bytes_and_ends(make_wire, server):
    client, upstream = pair(make_wire(server, faults=["latency:ms=400,direction=to-server"]), server)
    began = time.monotonic()
    client.sendall(b"late")
    client.shutdown(socket.SHUT_WR)
    assert read_all(upstream) == (b"late", "fin")
    assert time.monotonic() - began + EARLY_S >= 0.4
    upstream.sendall(b"at once")
    assert read_exactly(client, 7) == b"at once"


def test_jitter_never_changes_the_order(make_wire, server):
    client, upstream = pair(make_wire(server, "--seed", 7, faults=["latency:ms=20,jitter_ms=20"]), server)
    sent = b""
    for number in range(200):
        word = number.to_bytes(4, "big")
        client.sendall(word)
        sent += word
    client.close()
    assert read_all(upstream)[0] == sent


def test_time_scale_divides_delays(make_wire, server):
    wire = make_wire(server, "--time-scale", 1000, faults=["latency:ms=60000"])
    client, upstream = pair(wire, server)
    began = time.monotonic()
    client.sendall(b"x")
    assert upstream.recv(1) == b"x"
    assert time.monotonic() - began + EARLY_S >= 0.06


def test_bandwidth_limits(make_wire, server):
    client, upstream = pair(make_wire(server, faults=["bandwidth:bytes_per_second=200000,burst_bytes=10000"]), server)
    began = time.monotonic()
    client.sendall(b"b" * 110_000)
    assert read_exactly(upstream, 110_000) == b"b" * 110_000
    assert time.monotonic() - began + EARLY_S >= 0.5  # 100,000 bytes beyond the burst


def test_latency_holds_a_bounded_amount(make_wire, server):
    wire = make_wire(server, faults=[f"latency:ms={FOR_LONG},direction=to-client"])
    client, upstream = pair(wire, server)
    before = memory_bytes(wire.process)
    sent_until_blocked(upstream)
    assert wire.connections()[0]["to_client"]["held"] <= 1024 * 1024
    assert memory_bytes(wire.process) - before < 64 * 1024 * 1024
    client.close()


def test_slices_are_written_one_by_one(make_wire, server):
    client, upstream = pair(make_wire(server, faults=["slice:bytes=5,pause_ms=100"]), server)
    began = time.monotonic()
    client.sendall(b"aaaaabbbbbccccc")
    assert read_exactly(upstream, 15) == b"aaaaabbbbbccccc"
    assert time.monotonic() - began + EARLY_S >= 0.2
    client.close()


def test_connect_delay_calls_the_server_later(make_wire, server):
    wire = make_wire(server, faults=["connect-delay:ms=300"])
    began = time.monotonic()
    client, upstream = pair(wire, server)
    assert time.monotonic() - began + EARLY_S >= 0.3
    client.sendall(b"x")
    assert upstream.recv(1) == b"x"


# ---- what passes is not what was sent ----------------------------------------------------------


def test_corruption_flips_the_byte_at_its_place(make_wire, server):
    wire = make_wire(server, faults=[f"corrupt:offset={offset},mask=255,direction=to-client" for offset in (5, 7)])
    client, upstream = pair(wire, server)
    for piece in (b"0123", b"456789"):
        upstream.sendall(piece)
    assert read_exactly(client, 10) == b"01234" + bytes([0x35 ^ 255]) + b"6" + bytes([0x37 ^ 255]) + b"89"
    client.sendall(b"0123456789")
    assert read_exactly(upstream, 10) == b"0123456789"


def test_corruption_by_chance_is_the_same_for_the_same_seed(make_wire, server):
    def received(seed):
        client, upstream = pair(make_wire(server, "--seed", seed, faults=["corrupt:one_in=100"]), server)
        client.sendall(bytes(10_000))
        client.shutdown(socket.SHUT_WR)
        return read_all(upstream)[0]

    one, same, other = received(1), received(1), received(2)
    assert one == same != other
    assert 30 < sum(byte != 0 for byte in one) < 300


# ---- ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["to-server", "to-client"])
def test_cut_after_so_many_bytes_is_a_fin_for_both(make_wire, server, direction):
    wire = make_wire(server, faults=[f"cut:after_bytes=1000,direction={direction}"])
    client, upstream = pair(wire, server)
    sender, receiver = (client, upstream) if direction == "to-server" else (upstream, client)
    sender.sendall(b"c" * 5000)
    assert read_all(receiver) == (b"c" * 1000, "fin")
    assert read_all(sender) == (b"", "fin")
    assert wire.wait_event("fault")["bytes"] == 1000


@pytest.mark.parametrize("to, ends", [("client", ("reset", None)), ("server", (None, "reset")),
                                      ("both", ("reset", "reset"))])
def test_reset_after_so_many_bytes_at_whom_it_says(make_wire, server, to, ends):
    client, upstream = pair(make_wire(server, faults=[f"reset:after_bytes=500,direction=to-client,to={to}"]), server)
    upstream.sendall(b"r" * 2000)
    if ends[0]:
        assert read_all(client) == (b"r" * 500, ends[0])
    else:
        assert read_exactly(client, 500) == b"r" * 500
        assert_silent(client)
    if ends[1]:
        assert read_all(upstream) == (b"", ends[1])
    else:
        assert_silent(upstream)


def test_reset_after_a_time(make_wire, server):
    wire = make_wire(server, faults=["reset:after_ms=300"])
    began = time.monotonic()
    assert connect_and_read(wire.address) == (b"", "reset")
    assert time.monotonic() - began + EARLY_S >= 0.3
    assert read_all(server.accept()[0]) == (b"", "reset")


def test_reset_at_once(make_wire, server):
    wire = make_wire(server, faults=["reset"])
    assert connect_and_read(wire.address) == (b"", "reset")


def test_half_close_fault_ends_one_direction_only(make_wire, server):
    wire = make_wire(server, faults=["half-close:after_bytes=4,direction=to-server"])
    client, upstream = pair(wire, server)
    client.sendall(b"request")
    assert read_all(upstream) == (b"requ", "fin")
    upstream.sendall(b"answer")
    assert read_exactly(client, 6) == b"answer"
    upstream.close()
    assert read_all(client) == (b"", "fin")


# ---- firewalls ---------------------------------------------------------------------------------


def test_drop_from_a_byte_on_leaves_both_ends_open(make_wire, server):
    wire = make_wire(server, faults=["drop:after_bytes=3,direction=to-client"])
    client, upstream = pair(wire, server)
    upstream.sendall(b"abcdef")
    assert read_exactly(client, 3) == b"abc"
    assert_silent(client)
    client.sendall(b"and back")
    assert read_exactly(upstream, 8) == b"and back"
    upstream.close()
    assert_silent(client)
    assert wire.connections()[0]["to_client"]["vanished"] == 3


def test_drop_now_swallows_bytes_and_ends(make_wire, server):
    wire = make_wire(server)
    client, upstream = exchange(wire, server)
    wire.set_faults({"kind": "drop"})
    client.sendall(b"lost")
    wait_until(lambda: wire.connections()[0]["to_server"]["vanished"] == 4, "the bytes to vanish")
    assert_silent(upstream)
    client.close()
    assert_silent(upstream)
    assert wire.connections()[0]["forgotten"]


def test_a_reset_vanishes_too(make_wire, server):
    wire = make_wire(server)
    client, upstream = exchange(wire, server)
    wire.set_faults({"kind": "drop"})
    reset(client)
    wait_until(lambda: wire.connections()[0]["client_end"] == "reset", "the wire to see the reset")
    assert_silent(upstream)


def test_idle_flow_is_forgotten_and_both_ends_stay_open(make_wire, server):
    wire = make_wire(server, faults=["idle:ms=200"])
    client, upstream = pair(wire, server)
    wire.wait_event("fault", fault="idle")
    for end in (client, upstream):
        end.sendall(b"anybody there?")
    wait_until(lambda: wire.connections()[0]["to_server"]["vanished"] == 14, "the bytes to vanish")
    for end in (client, upstream):
        assert_silent(end)


def test_idle_does_not_come_while_bytes_pass(make_wire, server):
    wire = make_wire(server, faults=[f"idle:ms={FOR_LONG}"])
    ends = exchange(wire, server)
    assert not wire.connections()[0]["forgotten"]
    assert_silent(ends[0])


def test_idle_with_reset_answers_the_next_packet_and_tells_nobody_else(make_wire, server):
    wire = make_wire(server, faults=["idle:ms=200,then=reset"])
    client, upstream = pair(wire, server)
    wire.wait_event("fault", fault="idle")
    assert_silent(client)
    client.sendall(b"anybody there?")
    assert read_all(client) == (b"", "reset")
    assert_silent(upstream)
    upstream.sendall(b"and you?")
    assert read_all(upstream) == (b"", "reset")
    wire.wait_connections(0)


def test_stall_ends_without_loss_when_it_is_removed(make_wire, server):
    wire = make_wire(server)
    client, upstream = exchange(wire, server)
    wire.set_faults({"kind": "stall"})
    client.sendall(b"wait")
    client.shutdown(socket.SHUT_WR)
    assert_silent(upstream)
    wire.told("DELETE", "/faults")
    assert read_all(upstream) == (b"wait", "fin")


def test_stall_blocks_the_sender(make_wire, server):
    wire = make_wire(server, faults=["stall"])
    _, upstream = pair(wire, server)
    sent_until_blocked(upstream)
    assert wire.connections()[0]["to_client"]["held"] <= 256 * 1024


def test_black_hole_hangs_connects_until_it_is_removed(make_wire, server):
    wire = make_wire(server)
    client, upstream = exchange(wire, server)
    wire.set_faults({"kind": "black-hole"})
    waiting = socket.socket()
    waiting.settimeout(MOMENT_S)
    with pytest.raises(TimeoutError):
        waiting.connect(wire.address)
    waiting.close()
    client.sendall(b"goes on")  # what is connected stays connected
    assert read_exactly(upstream, 7) == b"goes on"
    wire.set_faults()
    exchange(wire, server)


def test_refuse_refuses_until_it_is_removed(make_wire, server):
    wire = make_wire(server)
    client, upstream = exchange(wire, server)
    for _ in range(2):
        wire.set_faults({"kind": "refuse"})
        with pytest.raises(ConnectionRefusedError):
            connect(wire.address)
        wire.set_faults()
        exchange(wire, server)
    client.sendall(b"goes on")
    assert read_exactly(upstream, 7) == b"goes on"


def test_refuse_and_black_hole_from_the_start(make_wire, server):
    with pytest.raises(ConnectionRefusedError):
        connect(make_wire(server, faults=["refuse"]).address)
    client = socket.socket()
    client.settimeout(MOMENT_S)
    with pytest.raises(TimeoutError):
        client.connect(make_wire(server, faults=["black-hole"]).address)


def test_accept_reset_never_calls_the_server(make_wire, server):
    wire = make_wire(server, faults=["accept-reset"])
    assert connect_and_read(wire.address) == (b"", "reset")
    server.socket.settimeout(MOMENT_S)
    with pytest.raises(TimeoutError):
        server.accept()


def test_one_connection_too_many_is_reset(make_wire, server):
    wire = make_wire(server, faults=["max-connections:count=2"])
    first, second = exchange(wire, server), exchange(wire, server)
    assert connect_and_read(wire.address) == (b"", "reset")
    wire.wait_event("turned-away")
    for end in first:
        end.close()
    wire.wait_connections(1)
    exchange(wire, server)
    second[0].close()


def test_one_connection_too_many_waits_for_its_turn(make_wire, server):
    wire = make_wire(server, faults=["max-connections:count=1,then=wait"])
    first = exchange(wire, server)
    waiting = connect(wire.address)
    waiting.sendall(b"ping")
    assert_silent(waiting)
    for end in first:
        end.close()
    upstream = server.accept()[0]
    assert read_exactly(upstream, 4) == b"ping"
