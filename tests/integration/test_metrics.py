"""/metrics: every count is what was done, in a text that a strict reader takes."""
import shutil
import signal
import threading

import pytest

from lab import behaviours
from lab.client import run
from lab.exposition import Exposition, logged, scrape
from lab.lab import merge, service_to
from lab.shelf import Shelf
from lab.wait import wait_until
from test_connection_limits import is_refused
from test_reload import reload, rewrite
from test_status import status_client, status_hop

MAIN = {"service": "main", "route": "main-route"}
# the plugin of Kong 3.9 (documented), in ms
KONG_BOUNDS = [1, 2, 5, 7, 10, 15, 20, 30, 50, 75, 100, 200, 500, 750, 1000, 3000, 6000]
LATENCY_BOUNDS = [25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000]


def bounds_of(metrics, name, **labels):
    return sorted(float(dict(labels)["le"]) for labels in metrics.select(name + "_bucket", **labels))


def test_requests_are_counted_by_route_status_and_source(lab):
    origin = lab.origin(content=b"x").on("/missing", behaviours.answer(status=404, reason="Not Found"))
    dead = service_to(lab.refusing_port(), name="dead", paths=["/dead"])
    edge = lab.hop(merge(service_to(origin), dead), persona="edge", conf={"status_listen": "127.0.0.1:0"})
    client = lab.client(edge)
    for path in ["/"] * 7 + ["/missing"] * 2 + ["/dead/x"] * 3:
        client.get(path)
    edge.access_log.wait(12)
    metrics = scrape(lab, edge)
    common = {"workspace": "default", "consumer": ""}
    assert metrics.select("kong_http_requests_total") == {
        tuple(sorted({**common, **labels}.items())): count for labels, count in [
            ({**MAIN, "code": "200", "source": "service"}, 7),
            ({**MAIN, "code": "404", "source": "service"}, 2),
            ({"service": "dead", "route": "dead-route", "code": "502", "source": "kong"}, 3)]}
    assert metrics.value("hopgate_exchanges_total") == 12
    assert metrics.value("hopgate_exchanges_total", reason="ok") == 9
    assert metrics.value("hopgate_exchanges_total", reason="connect_refused", error="connection_refused") == 3
    assert metrics.value("hopgate_tries_total", reason="ok") == 9


def test_request_without_a_route_is_counted_by_its_reason_only(lab):
    """As Kong: it has no service and no route to be counted for."""
    edge = status_hop(lab, lab.origin(), paths=["/only"])
    lab.client(edge).get("/other")
    edge.access_log.wait()
    metrics = scrape(lab, edge)
    assert not metrics.select("kong_http_requests_total")
    assert metrics.value("hopgate_exchanges_total", reason="no_route", error="destination_not_found") == 1


def test_retries_and_connections_to_targets_are_counted(lab):
    alive = lab.origin(content=b"x")
    edge = status_hop(lab, lab.refusing_port(), alive, retries=3, conf={"nginx_worker_processes": "1"})
    client = lab.client(edge)
    answers = [client.get("/").status for _ in range(6)]
    tries = [attempt for entry in edge.access_log.wait(6) for attempt in entry.tries]
    metrics = scrape(lab, edge)
    assert answers == [200] * 6 and "CONNECT_REFUSED" in tries
    assert metrics.value("hopgate_retries_total") == len(tries) - 6
    assert metrics.value("hopgate_tries_total", reason="connect_refused") == tries.count("CONNECT_REFUSED")
    assert metrics.value("hopgate_tries_total", reason="ok") == 6
    assert metrics.value("hopgate_pool_hits_total") == 5  # the first one opened it
    assert metrics.value("hopgate_pool_misses_total") == len(tries) - 5


def test_stale_connection_is_counted(lab):
    origin = lab.origin(content=b"fresh")
    served = threading.Event()

    def close_when_asked_again(connection, request):
        if request.number == 1:
            behaviours.answer(b"first")(connection, request)
        else:
            served.set()
            behaviours.close()(connection, request)

    origin.on("/stale", close_when_asked_again)
    edge = status_hop(lab, origin, retries=2, conf={"nginx_worker_processes": "1"})
    client = lab.client(edge)
    client.get("/stale")
    assert client.get("/stale").status in (200, 502)
    assert served.is_set()
    edge.access_log.wait(2)
    assert scrape(lab, edge).value("hopgate_stale_connections_total") == 1


def test_bytes_are_those_of_the_wire(lab):
    origin = lab.origin().on("/big", behaviours.stream(300000))
    edge = status_hop(lab, origin)
    client = lab.client(edge)
    client.post("/big", b"p" * 5000)
    client.get("/big")
    entries = edge.access_log.wait(2)
    metrics = scrape(lab, edge)
    received = sum(entry["request"]["size"] for entry in entries)
    sent = sum(entry["response"]["size"] for entry in entries)
    assert sent > 600000 and received > 5000
    assert metrics.value("kong_bandwidth_bytes", **MAIN, direction="ingress") == received
    assert metrics.value("kong_bandwidth_bytes", **MAIN, direction="egress") == sent


def test_latencies_fall_into_kongs_buckets(lab):
    gate = threading.Event()
    origin = lab.origin(content=b"x").on("/slow", behaviours.after(gate, behaviours.answer(b"x")))
    edge = status_hop(lab, origin)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    timer = threading.Timer(0.3, gate.set)  # the origin's answer takes that long
    timer.start()
    client.read_response()
    client.get("/")
    lab.client(edge).get("/")
    edge.access_log.wait(3)
    metrics = scrape(lab, edge)
    for name, bounds in (("kong_kong_latency_ms", KONG_BOUNDS), ("kong_upstream_latency_ms", LATENCY_BOUNDS),
                         ("kong_request_latency_ms", LATENCY_BOUNDS)):
        assert bounds_of(metrics, name, **MAIN) == [*bounds, float("inf")], name
        assert metrics.value(name + "_count", **MAIN) == 3
        assert {tuple(dict(labels)) for labels in metrics.select(name + "_count")} == {("route", "service", "workspace")}
    assert metrics.value("kong_upstream_latency_ms_sum") >= 300
    assert metrics.value("kong_upstream_latency_ms_bucket", le="250") == 2
    assert metrics.value("kong_request_latency_ms_sum") >= metrics.value("kong_upstream_latency_ms_sum")


def test_counters_survive_a_reload_and_vanish_with_their_route(lab):
    origin = lab.origin(content=b"x")
    other = service_to(origin, name="other", paths=["/other"])
    edge = lab.hop(merge(service_to(origin), other), persona="edge", conf={"status_listen": "127.0.0.1:0"})
    client = lab.client(edge)
    client.get("/")
    client.get("/other")
    edge.access_log.wait(2)
    rewrite(edge, service_to(origin))
    reload(edge)
    client.get("/")
    edge.access_log.wait(3)
    metrics = scrape(lab, edge)
    assert metrics.value("kong_http_requests_total", **MAIN) == 2
    assert metrics.value("hopgate_exchanges_total") == 3
    assert (metrics.value("hopgate_config_generation"), metrics.value("hopgate_config_reloads_total", result="ok")) == (2, 1)
    wait_until(lambda: not scrape(lab, edge).select("kong_http_requests_total", service="other"), "its counters to go")


def test_failed_reload_is_told(lab):
    edge = status_hop(lab, lab.origin())
    assert scrape(lab, edge).value("hopgate_config_last_reload_successful") == 1
    rewrite(edge, "services: 5\n")
    reload(edge)
    metrics = scrape(lab, edge)
    assert metrics.value("hopgate_config_last_reload_successful") == 0
    assert metrics.value("hopgate_config_reloads_total", result="failed") == 1
    assert metrics.value("hopgate_config_generation") == 1
    assert metrics.value("hopgate_config_last_reload_timestamp_seconds") >= metrics.value("process_start_time_seconds")


def test_handshakes_are_counted_by_result(lab):
    edge = status_hop(lab, lab.origin(), tls=True)
    lab.client(edge, tls=True).get("/")
    broken = lab.client(edge.https)
    broken.send(b"\x16\x03\x01\x00\x02hi")
    broken.read_to_end()
    edge.error_log.wait_for("while SSL handshaking")
    metrics = scrape(lab, edge)
    assert metrics.value("hopgate_tls_handshakes_total", side="client", result="ok") == 1
    assert metrics.value("hopgate_tls_handshakes_total", side="client", result="failed") == 1
    assert metrics.value("hopgate_tls_resumed_total") == 0


def test_refused_connections_are_counted(lab):
    edge = status_hop(lab, lab.origin(), conf={"hopgate_max_connections_per_address": "2"})
    held = [lab.client(edge), status_client(lab, edge)]
    assert held[0].get("/").status == 200
    assert held[1].get("/status").status == 200
    assert is_refused(edge)
    metrics = Exposition(held[1].get("/metrics").content)
    assert metrics.value("hopgate_connections_refused_total") == 1
    assert metrics.value("kong_nginx_connections_total", state="accepted") == 3
    assert metrics.value("kong_nginx_connections_total", state="handled") == 2


def test_targets_say_their_state(lab):
    origin = lab.origin()
    declarative = merge(service_to(origin, lab.refusing_port()))
    declarative["upstreams"][0]["targets"].append({"target": "nowhere.invalid:80"})
    edge = lab.hop(declarative, persona="edge", conf={"status_listen": "127.0.0.1:0"})
    metrics = scrape(lab, edge)
    target = f"127.0.0.1:{origin.port}"
    states = {dict(labels)["state"]: value
              for labels, value in metrics.select("kong_upstream_target_health", target=target, address=target).items()}
    assert states == {"healthchecks_off": 1, "healthy": 0, "unhealthy": 0, "dns_error": 0}
    assert metrics.value("kong_upstream_target_health", target="nowhere.invalid:80", address="", state="dns_error") == 1
    assert metrics.value("kong_upstream_target_health") == 3


def test_names_from_the_configuration_cannot_break_the_page(lab):
    """What Kong allows in a name, among it quotes in none and letters of every script."""
    origin = lab.origin(content=b"x")
    name = "größe.店~_-1"
    edge = lab.hop(service_to(origin, name=name), persona="edge", conf={"status_listen": "127.0.0.1:0"})
    lab.client(edge).get("/")
    edge.access_log.wait()
    assert scrape(lab, edge).value("kong_http_requests_total", service=name, route=name + "-route") == 1
    for bad in ('a"b', "a\nb", "a\\b"):
        rewrite(edge, service_to(origin, name=bad))
        reload(edge)
    assert scrape(lab, edge).value("hopgate_config_reloads_total", result="failed") == 3


def test_certificate_tells_its_end(lab, tmp_path):
    shelf = Shelf(lab.binary, tmp_path / "shelf", "--days", "40")
    edge = status_hop(lab, lab.origin(), tls=True, conf={
        "ssl_cert": shelf.path("good", "chain"), "ssl_cert_key": shelf.path("good", "key"),
        "status_listen": "127.0.0.1:0 ssl"})
    metrics = scrape(lab, edge, "https")
    (labels, ends_at), = metrics.select("hopgate_certificate_expiry_seconds").items()
    assert (dict(labels)["certificate"], dict(labels)["name"]) == ("ssl_cert", "shelf.test")
    assert 39 * 86400 < ends_at - metrics.value("process_start_time_seconds") < 41 * 86400


def test_figures_of_the_process_are_those_of_the_kernel(lab):
    edge = status_hop(lab, lab.origin())
    lab.client(edge).get("/")
    metrics = scrape(lab, edge)
    assert 0.5 < metrics.value("process_resident_memory_bytes") / edge.memory_bytes() < 2
    assert abs(metrics.value("process_open_fds") - edge.fd_count()) <= 3  # the scrape's own connection
    assert metrics.value("hopgate_build_info") == 1 and metrics.value("kong_node_info", version="3.9.3") == 1
    assert metrics.value("process_cpu_seconds_total") > 0
    assert set(dict(labels)["worker"] for labels in metrics.select("hopgate_worker_ring_enters_total")) == {"0", "1"}
    assert metrics.value("hopgate_worker_connections") == metrics.value("kong_nginx_connections_total", state="active")


def test_draining_hop_says_so(lab):
    gate = threading.Event()
    origin = lab.origin().on("/slow", behaviours.after(gate, behaviours.answer(b"x")))
    edge = status_hop(lab, origin)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    edge.signal(signal.SIGTERM)
    edge.error_log.wait_for("draining")
    wait_until(lambda: scrape(lab, edge).value("hopgate_draining") == 1, "the scrape to say that it drains")
    gate.set()
    client.read_response()
    assert edge.wait_exit() == 0


def test_scrapes_while_traffic_and_reloads_run(lab):
    origin = lab.origin(content=b"x")
    edge = status_hop(lab, origin)
    over = threading.Event()
    counts = []

    def traffic():
        client, count = lab.client(edge), 0
        while not over.is_set():
            assert client.get("/").status == 200
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=traffic) for _ in range(3)]
    for thread in threads:
        thread.start()
    before = 0
    for _ in range(8):
        reload(edge)
        seen = scrape(lab, edge).value("kong_http_requests_total", code="200")
        assert seen >= before, "a counter fell"
        before = seen
    over.set()
    for thread in threads:
        thread.join()
    entries = logged(lab, edge, sum(counts))
    metrics = scrape(lab, edge)
    assert metrics.value("kong_http_requests_total") == sum(counts)
    # error log lines of the reloads are among the lost ones too
    assert len(entries) <= sum(counts) <= len(entries) + metrics.value("hopgate_log_lines_lost_total")


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus); not checked by it")
def test_promtool_takes_the_page(lab, tmp_path):
    edge = status_hop(lab, lab.origin(content=b"x"), tls=True)
    lab.client(edge).get("/")
    edge.access_log.wait()
    page = status_client(lab, edge).get("/metrics").text
    done = run("promtool", "check", "metrics", text_in=page)
    # its other remarks are about names, and those are Kong's
    assert "error while linting" not in done.err and "text format parsing" not in done.err, done.err
