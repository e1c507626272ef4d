"""HUP: the configuration is read again; a good one serves what begins from now on, a bad one changes nothing."""
import signal
import ssl
import threading
import time

import pytest

from lab import behaviours
from lab.client import Truncated
from lab.hop import SANITIZERS, to_conf, to_yaml
from lab.lab import service_to
from lab.ports import free_port
from lab.wait import wait_until
from lab.wire import Ended, Malformed
from test_tunnel import UPGRADE, echo

CLOSE = (("Connection", "close"),)
PIECE = bytes(range(256)) * 64
HELD_MAX = 14  # the newest, one for each client of the load, and room for those that are being let go


def rewrite(hop, declarative=None, **settings):
    """New files; a setting that is None is left out."""
    if declarative is not None:
        text = declarative if isinstance(declarative, str) else to_yaml({"_format_version": "3.0", **declarative})
        hop.config_path.write_text(text)
    if settings:
        before = dict(line.split(" = ", 1) for line in hop.conf_path.read_text().splitlines())
        hop.conf_path.write_text(to_conf({**before, **settings}))


def results(hop):
    """A change by the Admin API is in force too, but says so more quietly than a reload."""
    in_force = [line for line in hop.error_log.lines("is in force") if "[info]" not in line]
    return len(hop.error_log.lines("reload failed")) + len(in_force)


def reload(hop):
    """HUP, and waits for its result."""
    said = results(hop)
    hop.signal(signal.SIGHUP)
    wait_until(lambda: results(hop) > said, lambda: f"the result of a reload of {hop.name}:\n{hop.describe()}")


def serial(client):
    return client.sock.getpeercert()["serialNumber"]


def test_new_requests_go_where_the_new_file_says(lab):
    old, new = lab.origin(content=b"old"), lab.origin(content=b"new")
    edge = lab.edge(old)
    client = lab.client(edge)
    assert client.get("/").content == b"old"
    rewrite(edge, service_to(new))
    reload(edge)
    assert client.get("/").content == b"new"  # the same client connection
    assert lab.client(edge).get("/").content == b"new"


def test_running_exchange_keeps_its_configuration(lab):
    gate = threading.Event()
    old, new = lab.origin(), lab.origin(content=b"new")
    old.on("/slow", behaviours.after(gate, behaviours.answer(b"from the old one")))
    edge = lab.edge(old)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/slow"))
    old.wait_for_requests(1)
    rewrite(edge, service_to(new))
    reload(edge)
    reload(edge)
    gate.set()
    assert client.read_response().content == b"from the old one"
    assert client.get("/").content == b"new"
    edge.error_log.wait_for("configuration 1 is not in use any more")
    edge.error_log.wait_for("configuration 2 is not in use any more")


@pytest.mark.parametrize("bad, said", [
    ("_format_version: '3.0'\nservices: [{name: a, hots: b}]\n", "hots"),
    ("{", "kong.yaml"),
    ("_format_version: '3.0'\nservices: [{name: a, host: b, port: 99999}]\n", "port"),
])
def test_bad_file_changes_nothing_and_says_why_and_where(lab, bad, said):
    edge = lab.edge(lab.origin(content=b"still here"))
    client = lab.client(edge)
    assert client.get("/").content == b"still here"
    rewrite(edge, bad)
    reload(edge)
    edge.error_log.wait_for("reload: ", "kong.yaml:", said)
    edge.error_log.wait_for("reload failed: ", "configuration 1 stays in force")
    assert "kong.yaml:" in edge.stderr()
    assert client.get("/").content == b"still here"


def test_missing_file_changes_nothing(lab):
    edge = lab.edge(lab.origin(content=b"still here"))
    edge.config_path.unlink()
    reload(edge)
    edge.error_log.wait_for("reload failed: ")
    assert lab.client(edge).get("/").content == b"still here"


def test_listeners_come_and_go(lab):
    edge = lab.edge(lab.origin(content=b"hello"))
    staying = lab.client(edge)
    assert staying.get("/").content == b"hello"
    port = free_port()
    rewrite(edge, proxy_listen=f"127.0.0.1:0, 127.0.0.1:{port}")
    reload(edge)
    added = lab.client((edge.host, port))
    assert added.get("/").content == b"hello"
    assert staying.get("/").content == b"hello"
    rewrite(edge, proxy_listen="127.0.0.1:0")
    reload(edge)
    assert added.wait_for_end() == "fin"  # it was idle
    with pytest.raises(ConnectionRefusedError):
        lab.client((edge.host, port))
    assert staying.get("/").content == b"hello"


def test_request_on_a_listener_that_goes_is_finished_and_says_close(lab):
    gate = threading.Event()
    origin = lab.origin().on("/slow", behaviours.after(gate, behaviours.answer(b"whole")))
    edge = lab.edge(origin)
    port = free_port()
    rewrite(edge, proxy_listen=f"127.0.0.1:0, 127.0.0.1:{port}")
    reload(edge)
    client = lab.client((edge.host, port))
    client.send(client.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    rewrite(edge, proxy_listen="127.0.0.1:0")
    reload(edge)
    gate.set()
    answer = client.read_response()
    assert (answer.content, answer.fields.get("Connection")) == (b"whole", "close")
    assert client.wait_for_end() == "fin"


def test_address_in_use_changes_nothing(lab):
    edge, other = lab.edge(lab.origin(content=b"mine")), lab.edge(lab.origin(content=b"other"))
    rewrite(edge, proxy_listen=f"127.0.0.1:0, 127.0.0.1:{other.port}")
    reload(edge)
    edge.error_log.wait_for("reload: ", f"cannot listen on 127.0.0.1:{other.port}", "another process")
    edge.error_log.wait_for("reload failed")
    assert lab.client(edge).get("/").content == b"mine"
    assert all(lab.client(other).get("/").content == b"other" for _ in range(20))


def test_idle_connections_to_targets_that_stay_are_kept_and_others_closed(lab):
    stays, goes, new = lab.origin(content=b"stays"), lab.origin(content=b"goes"), lab.origin(content=b"new")
    hop = lab.edge(stays, goes, conf={"nginx_worker_processes": "1"})
    client = lab.client(hop)
    assert {client.get("/").content for _ in range(2)} == {b"stays", b"goes"}
    rewrite(hop, service_to(stays, new))
    reload(hop)
    wait_until(lambda: all(connection.ended_by for connection in goes.connections), "connections to end that nobody needs")
    assert {client.get("/").content for _ in range(2)} == {b"stays", b"new"}
    assert len(stays.connections) == 1


def test_tunnel_outlives_reloads(lab):
    edge = lab.edge(lab.origin().on("/chat", echo))
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/chat", UPGRADE))
    assert client.read_head().status == 101
    for turn in range(3):
        reload(edge)
        client.send(b"ping %d" % turn)
        assert client.read_exact(6) == b"ping %d" % turn


def test_certificate_that_was_made_up_stays(lab):
    edge = lab.edge(lab.origin(content=b"hello"), tls=True, conf={"ssl_cert": None, "ssl_cert_key": None})

    def shown():
        return ssl.get_server_certificate(edge.https)

    first = shown()
    for _ in range(3):
        reload(edge)
        assert shown() == first


def test_ticket_keys_of_a_status_listener_alone_are_rotated(lab):
    edge = lab.edge(lab.origin(), conf={"status_listen": "127.0.0.1:0 ssl", "hopgate_ticket_key_lifetime": "2s"})
    edge.error_log.wait_for("session ticket keys were rotated")


def test_new_certificate_is_shown_to_new_connections_only(lab):
    edge = lab.edge(lab.origin(content=b"hello"), tls=True)
    staying = lab.client(edge, tls=True)
    assert staying.get("/").content == b"hello"
    first = serial(staying)
    rewrite(edge, ssl_cert=lab.pki.chain("renewed"), ssl_cert_key=lab.pki.key("renewed"))
    reload(edge)
    renewed = lab.client(edge, tls=True)
    assert renewed.get("/").content == b"hello"
    assert serial(renewed) != first
    assert staying.get("/").content == b"hello"


def test_bad_certificate_pair_changes_nothing_and_says_why(lab):
    edge = lab.edge(lab.origin(content=b"hello"), tls=True)
    rewrite(edge, ssl_cert_key=lab.pki.key("renewed"))
    reload(edge)
    edge.error_log.wait_for("reload: ", "ssl_cert", "key")
    edge.error_log.wait_for("reload failed")
    assert lab.client(edge, tls=True).get("/").content == b"hello"


def test_ticket_keys_are_rotated_however_often_the_configuration_is_read(lab):
    edge = lab.edge(lab.origin(), tls=True, conf={"hopgate_ticket_key_lifetime": "2s"})

    def is_rotated():
        reload(edge)  # much more often than once a second, when the keys are due
        return edge.error_log.lines("session ticket keys were rotated")

    wait_until(is_rotated, "the keys to be rotated")


def test_settings_that_need_a_restart_are_named(lab):
    edge = lab.edge(lab.origin())
    rewrite(edge, nginx_worker_processes="1")
    reload(edge)
    edge.error_log.wait_for("reload: ", "nginx_worker_processes", "next start")


def test_reload_while_draining_is_ignored(lab):
    gate = threading.Event()
    origin = lab.origin().on("/slow", behaviours.after(gate, behaviours.answer(b"late")))
    edge = lab.edge(origin)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    edge.signal(signal.SIGTERM)
    edge.error_log.wait_for("draining")
    edge.signal(signal.SIGHUP)
    edge.error_log.wait_for("ignored while draining")
    gate.set()
    assert client.read_response().content == b"late"
    assert edge.wait_exit() == 0


class Load:
    """Requests without a break, uploads and tunnels that outlive reloads; whatever goes wrong is remembered."""

    def __init__(self, lab, hop, tls):
        self.lab, self.hop, self.tls = lab, hop, tls
        self.stopping = threading.Event()
        self.reloads = 0
        self.failures, self.seconds = [], []
        kinds = [*[(self.ask, True)] * 3, *[(self.ask, False)] * 3, *[(self.upload,)] * 2, *[(self.talk,)] * 2]
        self.done = [0] * len(kinds)
        self.threads = [threading.Thread(target=self.run, args=(i, *kind), daemon=True) for i, kind in enumerate(kinds)]
        for thread in self.threads:
            thread.start()

    def run(self, index, kind, *arguments):
        client = None
        while not self.stopping.is_set():
            try:
                client = kind(index, client or self.lab.client(self.hop, tls=self.tls), *arguments)
            except (OSError, Ended, Truncated, Malformed, AssertionError) as error:
                self.failures.append(f"client {index}, {kind.__name__}: {error!r}")
                client = None
            self.done[index] += 1

    def leave(self, client):
        client.close()
        self.lab.clients.remove(client)

    def check(self, index, answer):
        if (answer.status, answer.content) not in ((200, b"a"), (200, b"b"), (200, b"c")):
            self.failures.append(f"client {index}: {answer.status} {answer.content[:80]!r}")

    def ask(self, index, client, keeps):
        """Every other client makes a connection per request."""
        began_at = time.monotonic()
        answer = client.request("POST", "/", content=b"x" * (index * 3000), fields=() if keeps else CLOSE)
        self.seconds.append(time.monotonic() - began_at)
        self.check(index, answer)
        if keeps and answer.fields.get("Connection") != "close":
            return client
        self.leave(client)
        return None

    def wait_for_reload(self):
        before = self.reloads
        wait_until(lambda: self.reloads > before or self.stopping.is_set(), "the next reload")

    def upload(self, index, client):
        """Begins under one configuration and ends under another."""
        client.send(client.request_bytes("POST", "/", [("Transfer-Encoding", "chunked")]))
        for _ in range(2):
            client.send(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
            self.wait_for_reload()
        client.send(b"0\r\n\r\n")
        answer = client.read_response()
        self.check(index, answer)
        return client

    def talk(self, index, client):
        """A tunnel over five reloads."""
        client.send(client.request_bytes("GET", "/chat", UPGRADE))
        status = client.read_head().status
        assert status == 101, status
        for turn in range(5):
            said = b"client %d, turn %d" % (index, turn)
            client.send(said)
            assert client.read_exact(len(said)) == said
            self.wait_for_reload()
        self.leave(client)
        return None

    def wait_for_progress(self):
        """Each asks again, and who waits for a reload may go on."""
        self.reloads += 1
        before = list(self.done)
        wait_until(lambda: all(now > then for now, then in zip(self.done[:6], before)) or self.failures,
                   lambda: f"each client to get an answer; {self.done}")

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
        return self.failures


def configurations_held(hop):
    return 1 + len(hop.error_log.lines("is in force")) - len(hop.error_log.lines("is not in use any more"))


@pytest.mark.parametrize("tls", [False, True])
def test_reloads_under_load_lose_no_request_and_no_memory(lab, tls, tier):
    """Targets, listeners and certificates change under constant load."""
    reloads = 100 if tier == "full" else 20
    origins = [lab.origin(content=content).on("/chat", echo) for content in (b"a", b"b", b"c")]
    # what is freed must be given back at once, or the sanitizer's quarantine looks like a leak
    env = {"ASAN_OPTIONS": SANITIZERS["ASAN_OPTIONS"] + ":quarantine_size_mb=1"}
    edge = lab.hop(service_to(*origins[:2]), persona="edge", tls=tls, env=env)
    extra = free_port()
    memory_at_start = edge.memory_bytes()
    load = Load(lab, edge, tls)
    memory, held = [], []
    for turn in range(reloads):
        names = ("edge", "renewed")[turn % 2]
        changes = {"ssl_cert": lab.pki.chain(names), "ssl_cert_key": lab.pki.key(names)} if tls else {}
        secured = ", 127.0.0.1:0 ssl" if tls else ""
        rewrite(edge, service_to(*origins[turn % 2:turn % 2 + 2]),
                proxy_listen=f"127.0.0.1:0{secured}" + (f", 127.0.0.1:{extra}" if turn % 3 == 0 else ""), **changes)
        reload(edge)
        load.wait_for_progress()
        memory.append(edge.memory_bytes())
        held.append(configurations_held(edge))
    assert load.stop() == []
    tell_figures(load, memory_at_start, memory, held)
    assert memory[-1] - memory[reloads // 2] < 24 << 20, "memory grows with each reload"
    assert max(held) <= HELD_MAX, f"configurations are kept: {held}"
    assert "reload failed" not in edge.error_log.text()
    wait_until(lambda: len(edge.error_log.lines("is not in use any more")) == reloads,
               "every former configuration to be let go")


def tell_figures(load, memory_at_start, memory, held):
    """For who runs this with -s."""
    seconds = sorted(load.seconds)
    print(f"{load.reloads} reloads, {len(seconds)} requests, {sum(load.done[6:8])} uploads and {sum(load.done[8:])} tunnels "
          f"over several of them, {len(load.failures)} failures; ms: median {seconds[len(seconds) // 2] * 1e3:.1f}, "
          f"p99 {seconds[len(seconds) * 99 // 100] * 1e3:.1f}, most {seconds[-1] * 1e3:.1f}; "
          f"MB resident: {memory_at_start >> 20} before, {memory[0] >> 20} after the first reload, "
          f"{memory[len(memory) // 2] >> 20} in the middle, {memory[-1] >> 20} at the end; "
          f"configurations held at a time: at most {max(held)}")


def test_reloads_do_not_begin_the_time_of_a_silent_client_anew(lab):
    """On a listener that is gone: it has as long for its first request as before, not as long again with each reload."""
    edge = lab.edge(lab.origin(), conf={"nginx_http_client_header_timeout": "2s", "nginx_worker_processes": "1"})
    port = free_port()
    rewrite(edge, proxy_listen=f"127.0.0.1:0, 127.0.0.1:{port}")
    reload(edge)
    before = edge.fd_count()
    silent = lab.client((edge.host, port))
    wait_until(lambda: edge.fd_count() > before, "the connection to be accepted")
    rewrite(edge, proxy_listen="127.0.0.1:0")
    ended = []
    waiting = threading.Thread(target=lambda: ended.append(silent.wait_for_end()), daemon=True)
    waiting.start()
    wait_until(lambda: reload(edge) or ended, "it to be closed while the hop reloads")
    assert ended == ["fin"]
