"""When, where and how often another try is made, as kong.conf and the persona say."""
import collections
import json
import socket
import threading
import time

import pytest

from lab import behaviours
from lab.wait import wait_until
from test_control import ask, verb

ONE_WORKER = {"nginx_worker_processes": "1"}


def status_origin(lab, status):
    return lab.origin().on("/", behaviours.answer(b"no", status=status))


# ---- when


@pytest.mark.parametrize("setting", [{"nginx_proxy_proxy_next_upstream": "error http_503"}, {"hopgate_retry_on": "503"},
                                     {"hopgate_retry_on": "all-retryable-errors"}])
def test_listed_status_is_passed_over_for_another_target(lab, setting):
    bad, good = status_origin(lab, 503), lab.origin(content=b"good")
    kong = lab.kong(bad, good, retries=1, conf={**ONE_WORKER, **setting})
    client = lab.client(kong)
    assert {client.get("/").content for _ in range(4)} == {b"good"}
    over = len(bad.requests)  # a retry takes the next slot of the wheel: who began with the bad one does so again
    assert over >= 3
    entries = kong.access_log.wait(4)
    assert sorted(map(str, (entry.tries for entry in entries))) == ["['UPSTREAM_STATUS', 200]"] * over + ["[200]"] * (4 - over)
    assert "503, 200" in {entry["upstream_status"] for entry in entries} <= {"200", "503, 200"}
    assert "upstream answered" not in kong.error_log.text(), "nginx has no line for it"


def test_last_status_is_the_answer_when_tries_are_used_up(lab):
    origin = status_origin(lab, 503)
    kong = lab.kong(origin, retries=2, conf={"hopgate_retry_on": "503"})
    answer = lab.client(kong).get("/")
    assert (answer.status, answer.content, len(origin.requests)) == (503, b"no", 3)


def test_status_of_a_post_is_final_without_non_idempotent(lab):
    origin = status_origin(lab, 503)
    kong = lab.kong(origin, retries=2, conf={"nginx_http_proxy_next_upstream": "http_503"})
    assert lab.client(kong).request("POST", "/", content=b"abc").status == 503
    assert len(origin.requests) == 1
    kong = lab.kong(origin, retries=2, conf={"nginx_http_proxy_next_upstream": "http_503 non_idempotent"})
    assert lab.client(kong).request("POST", "/", content=b"abc").status == 503
    assert len(origin.requests) == 4


def test_off_means_one_try(lab):
    for setting in ({"nginx_proxy_proxy_next_upstream": "off"}, {"hopgate_retry_on": "off"}):
        kong = lab.kong(lab.refusing_port(), retries=5, conf=setting)
        assert lab.client(kong).get("/").status == 502
        assert kong.access_log.last().tries == ["CONNECT_REFUSED"]


def test_malformed_answer_is_tried_again_when_it_is_listed(lab):
    bad = lab.origin().on("/", behaviours.raw(b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n", then="close"))
    kong = lab.kong(bad, retries=2, conf={"nginx_proxy_proxy_next_upstream": "invalid_header"})
    assert lab.client(kong).get("/").status == 502
    assert len(bad.requests) == 3


def test_unknown_word_is_named(lab):
    hop = lab.make_hop({}, conf={"hopgate_retry_on": "always"})
    lab.expect_bad_end.add(hop)
    assert hop.spawn().wait_exit() == 78
    assert "hopgate_retry_on" in hop.stderr() and "all-retryable-errors" in hop.stderr()


# ---- how often and how long


def test_next_upstream_tries_counts_the_first(lab):
    kong = lab.kong(lab.refusing_port(), retries=5, conf={"nginx_proxy_proxy_next_upstream_tries": "2"})
    assert lab.client(kong).get("/").status == 502
    assert kong.access_log.last().tries == ["CONNECT_REFUSED"] * 2


def test_next_upstream_timeout_lets_no_try_begin_after_it(lab):
    origin = lab.origin().on("/", behaviours.hang())
    kong = lab.kong(origin, retries=5, read_timeout=300, conf={"nginx_proxy_proxy_next_upstream_timeout": "200ms"})
    assert lab.client(kong).get("/").status == 504
    entry = kong.access_log.last()
    assert entry.tries == ["UPSTREAM_HEAD_TIMEOUT"]
    assert "no further try: nginx_http_proxy_next_upstream_timeout of 200 ms is over" in json.dumps(entry["tries"])


def test_request_timeout_ends_all_tries_together(lab):
    origin = lab.origin().on("/", behaviours.hang())
    kong = lab.kong(origin, retries=20000, read_timeout=100, conf={"hopgate_request_timeout": "3s"})
    began = time.monotonic()
    assert lab.client(kong).get("/").status == 504
    assert time.monotonic() - began >= 2.99
    entry = kong.access_log.last()
    assert entry["reason"] == "REQUEST_TIMEOUT" and entry["tries_count"] > 1
    kong.error_log.wait_for("no answer within hopgate_request_timeout of 3000 ms")


def test_request_timeout_does_not_cut_an_answer_that_began(lab):
    gate = threading.Event()

    def slow_content(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        gate.wait(30)
        connection.send(b"def")
        return True

    origin = lab.origin().on("/", slow_content).on("/hang", behaviours.hang())
    edge = lab.edge(origin, read_timeout=30000, conf={"hopgate_request_timeout": "3s"})
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/"))
    client.read_until(b"abc")
    # the same clock, begun later, has run out by the time that this is answered
    assert lab.client(edge).get("/hang").status == 504
    gate.set()
    assert client.read_exact(3) == b"def"


def test_target_that_used_the_whole_time_up_is_judged_by_it(lab):
    origin = lab.origin().on("/", behaviours.hang())
    checks = {"passive": {"unhealthy": {"timeouts": 1}}}
    hop = lab.make_hop({
        "services": [{"name": "s", "host": "pool", "routes": [{"name": "r", "paths": ["/"]}]}],
        "upstreams": [{"name": "pool", "healthchecks": checks, "targets": [{"target": f"127.0.0.1:{origin.port}"}]}]},
        persona="edge", conf={**ONE_WORKER, "hopgate_request_timeout": "300ms"}).start()
    assert lab.client(hop).get("/").status == 504
    hop.access_log.wait(1)
    target, = ask(hop, "show", "targets")["targets"]
    assert target["state"] == "unhealthy"


# ---- where


def same_persona(lab, policy, pause_ms):
    path = lab.directory / "persona.json"
    path.write_text(json.dumps({"extends": "edge", "name": policy, "retry": {
        "policy": policy, "retries_count": 3, "pause_ms": pause_ms, "conditions": ["conn-failure"]}}))
    return path


def pool_of(*targets, retries):
    return {"services": [{"name": "s", "host": "pool", "retries": retries, "routes": [{"name": "r", "paths": ["/"]}]}],
            "upstreams": [{"name": "pool", "targets": [{"target": f"127.0.0.1:{target.port}"} for target in targets]}]}


def test_same_server_is_asked_again_after_a_pause(lab):
    """HAProxy without redispatch."""
    dead, alive = lab.refusing_port(), lab.origin(content=b"alive")
    hop = lab.make_hop(pool_of(dead, alive, retries=2), name="hop", persona=same_persona(lab, "same", 150), conf=ONE_WORKER).start()
    seconds = {}
    for _ in range(2):
        began = time.monotonic()
        status = lab.client(hop).get("/").status
        seconds[status] = time.monotonic() - began
    assert set(seconds) == {200, 502} and seconds[502] >= 0.3
    assert ["CONNECT_REFUSED"] * 3 in [entry.tries for entry in hop.access_log.wait(2)]


def test_same_server_again_is_asked_a_second_later(lab):
    kong = lab.kong(lab.refusing_port(), retries=1, conf={"hopgate_redispatch": "off"})
    began = time.monotonic()
    assert lab.client(kong).get("/").status == 502
    assert time.monotonic() - began >= 0.99
    assert kong.access_log.last().tries == ["CONNECT_REFUSED"] * 2


def test_redispatch_asks_another_server_without_a_pause(lab):
    dead, alive = lab.refusing_port(), lab.origin(content=b"alive")
    hop = lab.make_hop(pool_of(dead, alive, retries=2), name="hop", persona=same_persona(lab, "redispatch", 60000), conf=ONE_WORKER).start()
    assert [lab.client(hop).get("/").status for _ in range(2)] == [200, 200]


def test_server_that_comes_up_during_the_pause_answers(lab):
    dead = lab.refusing_port()
    hop = lab.make_hop(pool_of(dead, retries=500), name="hop", persona=same_persona(lab, "redispatch", 100), conf=ONE_WORKER).start()
    client = lab.client(hop)
    client.send(client.request_bytes("GET", "/"))
    hop.error_log.wait_for("connect() failed")
    dead.stop()
    lab.origin(port=dead.port, content=b"up")
    assert client.read_response().content == b"up"


def test_server_that_is_taken_out_during_the_pause_is_not_asked(lab):
    dead = lab.refusing_port()
    hop = lab.make_hop(pool_of(dead, retries=2), name="hop", persona=same_persona(lab, "same", 5000), conf=ONE_WORKER).start()
    client = lab.client(hop)
    client.send(client.request_bytes("GET", "/"))
    hop.error_log.wait_for("connect() failed")
    done = verb(hop, "target", "set", "pool", f"127.0.0.1:{dead.port}", "disable")
    assert done.code == 0, done.err
    assert client.read_response().status == 503
    assert hop.access_log.last().tries == ["CONNECT_REFUSED"]


def test_client_that_leaves_during_the_pause_ends_it(lab):
    dead = lab.refusing_port()
    hop = lab.make_hop(pool_of(dead, retries=2), name="hop", persona=same_persona(lab, "same", 60000), conf=ONE_WORKER).start()
    client = lab.client(hop)
    client.send(client.request_bytes("GET", "/"))
    hop.error_log.wait_for("connect() failed")
    client.close()
    assert hop.access_log.last().status == 499
    assert hop.stop() == 0


# ---- nothing twice


class CuttingServer:
    """Takes so many bytes of a request, or all and then answers with so many, and resets."""

    host = "127.0.0.1"

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        self.seen = collections.Counter()
        self.request_bytes = self.answer_bytes = None
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.serve(connection)

    def serve(self, connection):
        data = b""
        with connection:
            connection.settimeout(10)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            while not data.endswith(b"content") and (self.request_bytes is None or len(data) < self.request_bytes):
                more = connection.recv(1 if self.request_bytes is not None else 4096)
                if not more:
                    return
                data += more
            line = data.split(b"\r\n")[0]
            if line:
                self.seen[line] += 1
            if self.request_bytes is None:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"[:self.answer_bytes])


@pytest.mark.parametrize("persona", ["kong", "edge"])
def test_post_is_never_sent_twice_wherever_the_connection_breaks(lab, persona):
    server = CuttingServer()
    hop = getattr(lab, persona)(server, retries=3, conf=ONE_WORKER)
    cuts = [("request", n) for n in range(1, 120, 7)] + [("answer", n) for n in range(0, 40)]
    for number, (side, size) in enumerate(cuts):
        server.request_bytes, server.answer_bytes = (size, 0) if side == "request" else (None, size)
        client = lab.client(hop)
        client.send(f"POST /{number} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 7\r\n\r\ncontent".encode())
        client.read_head() if side == "request" or size < 36 else None
        hop.access_log.wait(number + 1)
        client.close()
    whole = {line: count for line, count in server.seen.items() if line.endswith(b"HTTP/1.1")}
    assert len(whole) >= 40, "the server saw too little for this to mean anything"
    assert set(server.seen.values()) == {1}, {line: n for line, n in server.seen.items() if n > 1}
    server.socket.close()


# ---- budget


def test_budget_keeps_retries_from_multiplying_the_load(lab):
    """Of 40 requests that fail at a time 10 (the floor) may ask once more; the others are told why not."""
    first, second = threading.Event(), threading.Event()
    origin = lab.origin()

    def fail_later(connection, request):
        origin.wait_for(first if len(origin.requests) <= 40 else second)
        return behaviours.finish(connection, "close")

    origin.on("/", fail_later)
    edge = lab.edge(origin, retries=1, read_timeout=60000, conf={"hopgate_retry_budget": "1", "hopgate_retry_budget_min": "10"})
    clients = [lab.client(edge) for _ in range(40)]
    for client in clients:
        client.send(client.request_bytes("GET", "/"))
    origin.wait_for_requests(40)
    first.set()
    refused = edge.access_log.wait(30)
    origin.wait_for_requests(50)
    assert len(refused) == 30 and {entry["tries_count"] for entry in refused} == {1}
    assert all("10 retries under way already, as many as its budget allows" in json.dumps(entry["tries"]) for entry in refused)
    second.set()
    assert [client.read_response().status for client in clients] == [502] * 40
    assert len(origin.requests) == 50
    edge.error_log.wait_for("no further try")


def test_without_a_budget_each_request_is_tried_again(lab):
    origin = lab.origin().on("/", behaviours.close())
    edge = lab.edge(origin, retries=1, conf={"hopgate_retry_budget": "0"})
    clients = [lab.client(edge) for _ in range(40)]
    for client in clients:
        client.send(client.request_bytes("GET", "/"))
    assert [client.read_response().status for client in clients] == [502] * 40
    wait_until(lambda: len(origin.requests) == 80, "each request to arrive twice")
