"""How many connections there may be: in total (the others wait), of one address (the others are refused)."""
import ipaddress
import select
import socket

import pytest

from lab.lab import service_to
from lab.ports import free_port
from lab.wait import DEADLINE_S, wait_until
from lab.wire import Ended, Stopwatch
from test_reload import reload, rewrite

ONE_WORKER = {"nginx_worker_processes": "1"}
STATUS = {"status_listen": "127.0.0.1:0"}
LOOKS_S, LOOKS_COUNT = 0.3, 30  # a full listener asks for room every 50 ms


def from_address(hop, address, request=b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"):
    """A connection from one loopback address that has sent a request."""
    sock = socket.create_connection(hop.http, timeout=DEADLINE_S, source_address=(address, 0))
    sock.sendall(request)
    return sock


def outcome(sock):
    """served or refused, whichever comes."""
    try:
        data = sock.recv(4096)
    except ConnectionResetError:
        return "refused"
    return "served" if data.startswith(b"HTTP/1.1 200") else f"answered {data!r}"


def is_refused(hop, address="127.0.0.1"):
    """The reset may meet the client in any of its calls."""
    try:
        sock = socket.create_connection(hop.http, timeout=DEADLINE_S, source_address=(address, 0))
        return outcome(sock) == "refused"
    except ConnectionResetError:
        return True


def answered(socks):
    """Those that have something to read."""
    return select.select(socks, [], [], 0)[0]


def keep_turning(*clients, path="/"):
    """Has the workers of these clients turn their loops while they could serve others, were there room."""
    watch, count = Stopwatch(), 0
    while watch.seconds < LOOKS_S or count < LOOKS_COUNT:
        for client in clients:
            assert client.get(path).status == 200
        count += 1


def keep_turning_by_status(lab, hop, count=1):
    """The same by those who get in when the hop is full."""
    clients = [lab.client(hop.status_listeners["http"]) for _ in range(count)]
    keep_turning(*clients, path="/status/ready")
    for client in clients:
        client.close()


def serve_all(socks):
    """Each leaves when it was served, and makes room for another."""
    left = list(socks)
    while left:
        ready = select.select(left, [], [], DEADLINE_S)[0]
        assert ready, f"{len(left)} of {len(socks)} were never served"
        for sock in ready:
            assert outcome(sock) == "served"
            sock.close()
            left.remove(sock)


@pytest.mark.parametrize("tls", [False, True])
def test_beyond_the_total_clients_wait_until_others_leave(lab, tls):
    """Nobody is accepted to be turned away: the next ones wait in the kernel's queue and are then served."""
    edge = lab.edge(lab.origin(content=b"hello"), tls=True, conf={**ONE_WORKER, "hopgate_max_connections": "5"})
    served = [lab.client(edge, tls=tls) for _ in range(5)]
    assert {client.get("/").status for client in served} == {200}
    descriptors = edge.fd_count()
    late = [from_address(edge, "127.0.0.1") for _ in range(5)]
    assert edge.error_log.wait_for("5 client connections are open, as many as hopgate_max_connections allows")
    keep_turning(served[0])  # who is in is served as ever
    assert answered(late) == []
    assert edge.fd_count() <= descriptors + 2, "at most one for each listener was accepted before it saw that it is full"
    for client in served:
        client.close()
    serve_all(late)
    assert lab.client(edge).get("/").status == 200


def test_two_workers_share_the_total(lab):
    edge = lab.edge(lab.origin(content=b"x"), conf={**STATUS, "hopgate_max_connections": "8"})
    socks = [from_address(edge, "127.0.0.1") for _ in range(40)]
    wait_until(lambda: len(answered(socks)) >= 8, "as many as may be to be served")
    keep_turning_by_status(lab, edge, count=6)  # several, so that hardly a worker has none of them
    assert len(answered(socks)) <= 9  # each of two workers may look while the other accepts
    serve_all(socks)


@pytest.mark.parametrize("workers", [1, 4])
def test_status_is_answered_when_there_is_no_room(lab, workers):
    """Its listener has a reserve: who looks after a full hop must see that it lives."""
    edge = lab.edge(lab.origin(content=b"x"), conf={**STATUS, "hopgate_max_connections": "3",
                                                    "nginx_worker_processes": str(workers)})
    socks = [from_address(edge, "127.0.0.1") for _ in range(20)]
    edge.error_log.wait_for("3 client connections are open, as many as hopgate_max_connections allows")
    for _ in range(20):
        client = lab.client(edge.status_listeners["http"])
        assert client.get("/status/ready", [("Connection", "close")]).status == 200
        assert client.wait_for_end() == "fin"
    assert len(answered(socks)) < 20, "the hop was full all the time"
    serve_all(socks)


def test_an_address_has_its_share_and_others_are_served(lab):
    edge = lab.edge(lab.origin(content=b"x"), conf={"hopgate_max_connections_per_address": "3"})
    watch = Stopwatch()
    first = [from_address(edge, "127.0.0.1") for _ in range(3)]
    assert [outcome(sock) for sock in first] == ["served"] * 3
    assert all([is_refused(edge) for _ in range(20)])
    other = from_address(edge, "127.0.0.2")
    assert outcome(other) == "served"
    lines = edge.error_log.wait_for("hopgate_max_connections_per_address", "client: 127.0.0.1")
    assert len(lines) <= 2 * (1 + int(watch.seconds))  # one a second and worker, however many were refused
    before = edge.fd_count()
    first[0].close()
    wait_until(lambda: edge.fd_count() < before, "the hop to see that one has left")
    assert outcome(from_address(edge, "127.0.0.1")) == "served"


def test_trusted_proxies_stand_for_many_clients(lab):
    edge = lab.edge(lab.origin(content=b"x"), conf={"hopgate_max_connections_per_address": "1",
                                                    "trusted_ips": "127.0.0.0/8"})
    socks = [from_address(edge, "127.0.0.1") for _ in range(5)]
    assert [outcome(sock) for sock in socks] == ["served"] * 5


def test_ipv6_is_counted_by_its_64(lab):
    """All of ::1's /64 is one client; IPv4 beside it is another."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    hop = lab.hop(service_to(lab.origin(content=b"x")), persona="edge", listen="[::1]",
                  conf={"hopgate_max_connections_per_address": "1"})
    assert ipaddress.ip_address(hop.http[0]).version == 6
    first = from_address(hop, "::1")
    assert outcome(first) == "served"
    assert is_refused(hop, "::1")


def test_limit_comes_from_the_open_files_and_running_out_is_survived(lab):
    """With few files the default leaves enough of them for the targets; a configured one that does not is told."""
    hop = lab.make_hop(service_to(lab.origin(content=b"x")), persona="edge",
                       conf={**ONE_WORKER, "hopgate_max_connections": "5000"}, wrapper=["prlimit", "--nofile=80:80"])
    hop.start()
    assert "hopgate_max_connections: may need" in hop.stderr() and "the limit is 80: raise it" in hop.stderr()
    descriptors = hop.fd_count()
    socks = [from_address(hop, "127.0.0.1", b"") for _ in range(120)]  # more than there are files
    hop.error_log.wait_for("[crit]", "accept4() failed (24: Too many open files)")
    for sock in socks:
        sock.close()
    assert lab.client(hop).get("/").content == b"x"
    lab.clients[-1].close()
    hop.wait_fd_count(descriptors + 1)  # and the connection to the target that is kept


def test_default_limit_keeps_files_for_the_targets(lab):
    """As many clients as are let in can each have a connection to a target, with 400 files in all."""
    hop = lab.make_hop(service_to(lab.origin(content=b"x")), persona="edge", conf=ONE_WORKER,
                       wrapper=["prlimit", "--nofile=400:400"])
    hop.start()
    socks = [from_address(hop, "127.0.0.1") for _ in range(150)]
    hop.error_log.wait_for("as many as hopgate_max_connections allows")
    serve_all(socks)
    assert hop.error_log.lines("Too many open files") == []
    assert {entry.status for entry in hop.access_log.wait(150)} == {200}


def test_a_client_that_lingers_still_counts(lab):
    """A connection counts until its descriptor is given back, not only until its last answer."""
    edge = lab.edge(lab.origin(content=b"x"), conf={**ONE_WORKER, **STATUS, "hopgate_max_connections": "1"})
    rude = lab.client(edge)
    rude.send(b"bad request\r\n\r\n" + b"x" * 1000)
    assert rude.read_response().status == 400
    sock = from_address(edge, "127.0.0.1")
    edge.error_log.wait_for("1 client connections are open, as many as hopgate_max_connections allows")
    keep_turning_by_status(lab, edge)
    assert answered([sock]) == []  # the hop reads on for a while, so that its answer is not lost
    rude.close()
    assert outcome(sock) == "served"


def test_reload_changes_the_limits_for_those_who_come(lab):
    edge = lab.edge(lab.origin(content=b"x"), conf={**ONE_WORKER, "hopgate_max_connections": "2"})
    socks = [from_address(edge, "127.0.0.1") for _ in range(4)]
    wait_until(lambda: len(answered(socks)) == 2, "as many as may be to be served")
    rewrite(edge, hopgate_max_connections="100", hopgate_max_connections_per_address="2")
    reload(edge)
    wait_until(lambda: len(answered(socks)) == 4, "the others")
    assert is_refused(edge)
    assert {outcome(sock) for sock in socks} == {"served"}


def test_client_that_has_not_said_hello_survives_the_end_of_tls(lab):
    """It connected to a TLS listener: that is what it gets, although a reload has made the address a plain one."""
    port = free_port()
    hop = lab.make_hop(service_to(lab.origin(content=b"x")), persona="edge", tls=True,
                       conf={**ONE_WORKER, "proxy_listen": f"127.0.0.1:{port} ssl"}).start()
    silent = socket.create_connection(hop.https, timeout=DEADLINE_S)
    lab.client(hop, tls=True).get("/")  # came later: the silent one is accepted as well
    rewrite(hop, proxy_listen=f"127.0.0.1:{port}")
    reload(hop)
    tls = lab.pki.client_context().wrap_socket(silent, server_hostname="edge.test")
    tls.sendall(b"GET / HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n")
    assert tls.recv(15) == b"HTTP/1.1 200 OK"
    assert lab.client(hop.https).get("/").content == b"x"  # plain now


def test_requests_per_connection_are_counted(lab):
    edge = lab.edge(lab.origin(content=b"x"), conf={"nginx_http_keepalive_requests": "3"})
    client = lab.client(edge)
    answers = [client.get("/") for _ in range(3)]
    assert [answer.fields.get("Connection") for answer in answers] == [None, None, "close"]
    with pytest.raises(Ended):
        client.get("/")
