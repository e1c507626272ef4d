"""The status listener: Kong's answers, whatever the client, until the hop has ended."""
import json
import re
import signal
import ssl
import threading

import pytest

from lab import behaviours
from lab.lab import service_to
from lab.ports import free_port
from lab.shelf import Shelf
from lab.wait import wait_until
from lab.wire import Ended
from test_control import ask
from test_reload import reload, rewrite

JSON = "application/json; charset=utf-8"
STATUS = {"status_listen": "127.0.0.1:0"}


def status_hop(lab, *targets, conf=None, **options):
    return lab.edge(*targets, conf={**STATUS, **(conf or {})}, **options)


def status_client(lab, hop, scheme="http", **options):
    tls = lab.pki.client_context(verify=False) if scheme == "https" else None
    return lab.client(hop.status_listeners[scheme], tls=tls, **options)


def get(client, path):
    answer = client.get(path)
    return answer.status, json.loads(answer.content)


def test_status_has_kongs_shape(lab):
    edge = status_hop(lab, lab.origin())
    lab.client(edge).get("/")
    edge.access_log.wait()  # its exchange is over
    client = status_client(lab, edge)
    answer = client.get("/status")
    assert (answer.status, answer.fields.get("Content-Type")) == (200, JSON)
    assert answer.fields.get("Server") == "kong/3.9.3" and answer.fields.get("X-Kong-Admin-Latency").isdigit()
    status = json.loads(answer.content)
    assert set(status) == {"memory", "server", "configuration_hash"}
    assert set(status["memory"]) == {"lua_shared_dicts", "workers_lua_vms"}
    assert status["memory"]["workers_lua_vms"][0]["pid"] == edge.process.pid
    assert re.fullmatch("[0-9a-f]{32}", status["configuration_hash"]) and set(status["configuration_hash"]) != {"0"}
    server = status["server"]
    assert (server["connections_accepted"], server["connections_handled"], server["total_requests"]) == (2, 2, 2)
    assert (server["connections_active"], server["connections_reading"]) == (2, 0)
    assert (server["connections_writing"], server["connections_waiting"]) == (1, 1)


def test_states_of_connections_are_told_apart(lab):
    gate = threading.Event()
    origin = lab.origin().on("/slow", behaviours.after(gate, behaviours.answer(b"x")))
    edge = status_hop(lab, origin)
    idle, reading, writing = (lab.client(edge) for _ in range(3))
    idle.get("/")
    reading.send(b"GET / HTTP/1.1\r\nHost:")
    writing.send(writing.request_bytes("GET", "/slow"))
    origin.wait_for_requests(2)
    client = status_client(lab, edge)

    def counts():
        server = get(client, "/status")[1]["server"]
        return [server["connections_" + state] for state in ("active", "reading", "writing", "waiting")]

    wait_until(lambda: counts() == [4, 1, 2, 1], lambda: f"4 active, 1 reading, 2 writing, 1 waiting; now {counts()}")
    gate.set()
    writing.read_response()
    wait_until(lambda: counts() == [4, 1, 1, 2], lambda: f"the slow one to wait: {counts()}")


def test_hash_changes_with_the_configuration_only(lab):
    edge = status_hop(lab, lab.origin())
    client = status_client(lab, edge)
    first = get(client, "/status")[1]["configuration_hash"]
    reload(edge)
    assert get(client, "/status")[1]["configuration_hash"] == first
    rewrite(edge, service_to(lab.origin()))
    reload(edge)
    assert get(client, "/status")[1]["configuration_hash"] != first


def test_unknown_paths_and_wrong_methods(lab):
    client = status_client(lab, status_hop(lab, lab.origin()))
    for path in ("/", "/nope", "/status/", "/metrics?x=1", "/STATUS", "/status%2fready"):
        answer = client.get(path)
        known = path in ("/status/", "/metrics?x=1")
        assert answer.status == (200 if known else 404), path
        if not known:
            assert (answer.content, answer.fields.get("Content-Type")) == (b'{"message":"Not found"}', JSON)
    for method in ("POST", "PUT", "DELETE", "PATCH", "BREW"):
        answer = client.request(method, "/status", content=b"1234")
        assert (answer.status, answer.content) == (405, b'{"message":"Method not allowed"}'), method
        assert answer.fields.get("Allow") == "GET, HEAD, OPTIONS"
    answer = client.request("OPTIONS", "/metrics")
    assert (answer.status, answer.fields.get("Content-Length")) == (204, None)
    assert client.get("/status/ready").status == 200  # it was one connection all the way


@pytest.mark.parametrize("path", ["/status", "/status/ready", "/metrics", "/nope"])
def test_head_is_get_without_the_content(lab, path):
    client = status_client(lab, status_hop(lab, lab.origin()))
    got, head = client.get(path), client.request("HEAD", path)
    assert (head.status, head.content) == (got.status, b"")
    assert head.fields.get("Content-Type") == got.fields.get("Content-Type")
    assert int(head.fields.get("Content-Length")) > 0
    assert client.get("/status/ready").status == 200


def test_answers_come_in_order_to_who_pipelines(lab):
    client = status_client(lab, status_hop(lab, lab.origin()))
    paths = ["/metrics", "/status/ready", "/status", "/nope", "/metrics"]
    client.send(b"".join(client.request_bytes("GET", path) for path in paths))
    assert [client.read_response().status for _ in paths] == [200, 200, 200, 404, 200]


def test_client_that_leaves_before_the_answer_harms_nobody(lab):
    edge = status_hop(lab, lab.origin())
    for _ in range(50):
        client = status_client(lab, edge)
        client.send(client.request_bytes("GET", "/metrics"))
        client.close()
    client = status_client(lab, edge)
    wait_until(lambda: get(client, "/status")[1]["server"]["connections_active"] == 1, "the others to be gone")


def test_request_with_content_is_answered_without_reading_it(lab):
    client = status_client(lab, status_hop(lab, lab.origin()))
    client.send(client.request_bytes("GET", "/status", [("Content-Length", "1000000")]) + b"some")
    answer = client.read_response()
    assert (answer.status, answer.fields.get("Connection")) == (200, "close")


def test_status_over_tls(lab):
    edge = status_hop(lab, lab.origin(), conf={"status_listen": "127.0.0.1:0 ssl"})
    assert get(status_client(lab, edge, "https"), "/status/ready") == (200, {"message": "ready"})
    plain = lab.client(edge.status_listeners["https"])
    answer = plain.get("/status")
    assert (answer.status, json.loads(answer.content)["message"]) == \
        (400, "The plain HTTP request was sent to HTTPS port")


def test_status_over_tls_asks_for_no_name_and_no_certificate(lab):
    """Whatever is asked of clients: a scraper comes by address."""
    ca = lab.pki.root
    edge = status_hop(lab, lab.origin(), tls=True, conf={
        "status_listen": "127.0.0.1:0 ssl", "nginx_proxy_ssl_verify_client": "on",
        "nginx_proxy_ssl_client_certificate": ca})
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        lab.client(edge, tls=True).get("/")
    assert get(status_client(lab, edge, "https"), "/status/ready")[0] == 200


def test_traffic_listener_knows_nothing_of_it(lab):
    origin = lab.origin(content=b"the origin's own")
    edge = status_hop(lab, origin)
    assert lab.client(edge).get("/metrics").content == b"the origin's own"


def test_persona_of_the_hop_does_not_matter(lab):
    f5 = lab.f5(lab.origin(), conf=STATUS)
    answer = status_client(lab, f5).get("/nope")
    assert (answer.status, answer.content) == (404, b'{"message":"Not found"}')


def test_off_by_default_and_not_in_the_access_log_unless_asked_for(lab):
    quiet = status_hop(lab, lab.origin())
    assert not lab.edge(lab.origin()).status_listeners
    get(status_client(lab, quiet), "/status")
    lab.client(quiet).get("/seen")
    assert len(quiet.access_log.wait(1)) == 1 and "/status" not in quiet.access_log.text()
    told = status_hop(lab, lab.origin(), conf={"status_access_log": "logs/access.log"})
    get(status_client(lab, told), "/status")
    assert told.access_log.wait_for("/status").status == 200


def test_same_address_for_traffic_and_status_is_refused(lab):
    address = f"127.0.0.1:{free_port()}"
    edge = status_hop(lab, lab.origin(), conf={"proxy_listen": address})
    rewrite(edge, status_listen=address)
    reload(edge)
    assert edge.error_log.lines("status_listen", "another setting has this address too")
    assert get(status_client(lab, edge), "/status/ready")[0] == 200


# ---- readiness -----------------------------------------------------------------------------------

def test_hop_without_a_configuration_is_not_ready(lab):
    """Kong's words: it would answer 404 to everybody."""
    hop = lab.make_hop({}, conf={**STATUS, "database": "off"})
    hop.command = lambda verb="run": [str(hop.binary), verb, "-c", str(hop.conf_path)]
    client = status_client(lab, hop.start())
    assert get(client, "/status/ready") == \
        (503, {"message": "no configuration available (empty configuration present)"})
    assert get(client, "/status")[1]["configuration_hash"] == "0" * 32


def test_readiness_turns_at_once_and_is_told_until_the_end(lab):
    gate = threading.Event()
    origin = lab.origin().on("/slow", behaviours.after(gate, behaviours.answer(b"whole")))
    edge = status_hop(lab, origin, conf={"nginx_worker_processes": "1"})
    busy, waiting = lab.client(edge), status_client(lab, edge)
    assert get(waiting, "/status/ready") == (200, {"message": "ready"})
    busy.send(busy.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    edge.signal(signal.SIGTERM)
    edge.error_log.wait_for("draining")
    assert get(waiting, "/status/ready") == (503, {"message": "shutting down"})
    for path, status in (("/status/ready", 503), ("/status", 200), ("/metrics", 200), ("/status/ready", 503)):
        assert status_client(lab, edge).get(path).status == status, path  # a new connection each
    with pytest.raises(OSError):
        lab.client(edge)
    gate.set()
    assert busy.read_response().content == b"whole"
    assert edge.wait_exit() == 0


def test_silent_status_connection_does_not_delay_the_end(lab):
    edge = status_hop(lab, lab.origin())
    idle = status_client(lab, edge)
    get(idle, "/status")
    edge.signal(signal.SIGTERM)
    assert idle.wait_for_end() == "fin"
    assert edge.wait_exit(5) == 0


def test_status_listener_comes_moves_and_goes_by_reload(lab):
    edge = lab.edge(lab.origin(content=b"x"))
    busy = lab.client(edge)
    busy.get("/")
    rewrite(edge, status_listen="127.0.0.1:0")
    reload(edge)
    listener, = [entry for entry in ask(edge, "status")["listeners"] if entry["serves"] == "status"]
    host, port = listener["address"].rsplit(":", 1)
    client = lab.client((host, int(port)))
    assert get(client, "/status/ready")[0] == 200
    reload(edge)
    assert get(client, "/status/ready")[0] == 200  # kept, with the port that the system chose
    rewrite(edge, status_listen="off")
    reload(edge)
    with pytest.raises((Ended, OSError)):
        get(client, "/status/ready")
    assert busy.get("/").content == b"x"


# ---- certificates --------------------------------------------------------------------------------

def test_certificates_are_part_of_status_and_warned_of_once(lab, tmp_path):
    shelf = Shelf(lab.binary, tmp_path / "shelf", "--days", "13")
    later = Shelf(lab.binary, tmp_path / "later", "--days", "60")
    good = {"ssl_cert": shelf.path("good", "chain"), "ssl_cert_key": shelf.path("good", "key")}
    edge = status_hop(lab, lab.origin(), tls=True, conf=good)
    certificate, = ask(edge, "status")["certificates"]
    assert (certificate["certificate"], certificate["name"]) == ("ssl_cert", "shelf.test")
    assert certificate["days_left"] in (12, 13)
    said, = edge.error_log.wait_for("ssl_cert: certificate ", "shelf.test", "expires in 1", "renew it")
    assert "[warn]" in said
    reload(edge)
    assert len(edge.error_log.lines("ssl_cert: certificate ", "expires in 1", "and reload")) == 1
    rewrite(edge, ssl_cert=later.path("good", "chain"), ssl_cert_key=later.path("good", "key"))
    reload(edge)
    certificate, = ask(edge, "status")["certificates"]
    assert certificate["days_left"] in (59, 60)
    assert len(edge.error_log.lines("and reload")) == 1
