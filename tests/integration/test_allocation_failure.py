"""The Nth allocation fails, for every N of a request: it ends one exchange, never the process.

The hop is hopgate_alloc_fault: the same sources, with an allocator that fails once where a test says, OpenSSL's
allocations included. After each failure the hop lives and serves the next connection; at the end it holds no
descriptor more than before, leaks nothing and exits with 0. All N of a request are in the full tier, else a seeded sample.
"""
import random
import ssl

import pytest

from lab import behaviours
from lab.alloc_fault import MAIN_THREAD, WORKERS, AllocFault
from lab.client import Truncated
from lab.dns_server import A
from lab.lab import merge, service_to
from lab.wire import Ended, Malformed, chunked, head
from test_dns import NAME, hop_to, two_origins, wait_for_content
from test_reload import reload
from test_tunnel import UPGRADE, echo

SAMPLE = {"fast": 12, "default": 40}
ADDRESS_CHANGES = {"fast": 4, "default": 10}  # each takes about a second
RELOADS_MAX = 1000  # one makes some 30,000 allocations: a sample in the full tier too
CUT = (Ended, Truncated, ConnectionResetError, BrokenPipeError, ssl.SSLError)
CONTENT = b"c" * 100_000
HANG_S = 10.0
FIELD_RULES = {  # of the whole hop
    "forwarded": {"X-Forwarded-For": {"policy": "append", "trusted": ["127.0.0.0/8"]}, "Forwarded": "replace"},
    "request": [{"set": "X-Rule", "value": "$client_ip $http_host"}, {"add": "X-More", "value": "1"},
                {"case": "canonical"}],
    "response": [{"append": "X-Rule", "value": "$status $upstream_http_date", "always": True}],
}


def one_at_a_time(origin):
    """A service whose one target takes one request at a time, while others wait; and its clients get a cookie."""
    declarative = service_to(origin, ("127.0.0.1", 1), name="queue", paths=["/queue"])
    targets = declarative["upstreams"][0]["targets"] = declarative["upstreams"][0]["targets"][:1]
    declarative["hopgate"] = {"balancing": [{
        "upstream": "queue.upstream", "members": [{**targets[0], "max_requests": 1}],
        "queue": {"max": 10, "timeout_ms": 5000}, "persistence": {"method": "cookie"}}], "fields": [FIELD_RULES]}
    return declarative


class Scene:
    """A hop whose allocations can fail, in front of origins of every kind."""

    def __init__(self, lab):
        self.lab = lab
        self.fault = AllocFault(lab.binary, lab.directory / "plan")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(lab.pki.chain("origin"), lab.pki.key("origin"))
        self.origin, self.tls_origin = lab.origin(content=CONTENT), lab.origin(content=CONTENT, tls=tls)
        self.origin.on("/ws", echo).on("/chunked", behaviours.answer(CONTENT, framing="chunked"))
        # closed after each answer, so that each request begins with a handshake
        self.tls_origin.on("/tls", behaviours.answer(CONTENT, framing="close"))
        services = merge(
            service_to(self.origin),
            service_to(self.origin, name="stored", paths=["/stored"], route={"request_buffering": True}),
            service_to(self.tls_origin, name="tls", paths=["/tls"], protocol="https"),
            service_to(lab.refusing_port(), lab.refusing_port(), name="dead", paths=["/dead"], retries=1),
            one_at_a_time(self.origin))
        # judged, compared and (by intervals that never end here) probed
        dead = services["upstreams"][0]
        dead["healthchecks"] = {
            "active": {"type": "https", "headers": {"X-Probe": ["yes"]}, "healthy": {"interval": 3600},
                       "unhealthy": {"interval": 3600, "tcp_failures": 1}},
            "passive": {"unhealthy": {"tcp_failures": 2}}}
        services["hopgate"]["health"] = [{"upstream": dead["name"], "outliers": {"failure_percent": 50}}]
        self.hop = lab.make_hop(services, persona="edge", tls=True, env=self.fault.env,
                                conf={"nginx_worker_processes": "1", "hopgate_proxy_status": "on"})
        self.hop.binary = self.fault.binary
        self.hop.start()

    def get(self, path, tls=False):
        return self.closing(lambda client: client.get(path), tls)

    def closing(self, story, tls=False):
        client = self.lab.client(self.hop, tls=tls, deadline_s=HANG_S)
        try:
            return story(client)
        finally:
            client.close()
            self.lab.clients.remove(client)


def get_plain(scene):
    return scene.get("/")


def get_chunked_twice(scene):
    def story(client):
        client.get("/chunked")
        return client.get("/chunked")
    return scene.closing(story)


def post_chunked(scene):
    return scene.closing(lambda client: client.request("POST", "/stored", [("Transfer-Encoding", "chunked")],
                                                       chunked(b"a" * 70_000, b"b" * 70_000)))


def get_over_tls(scene):
    return scene.get("/", tls=True)


def get_from_tls_target(scene):
    return scene.get("/tls")


def error_page(scene):
    return scene.get("/dead")


def bad_request(scene):
    def story(client):
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        return client.read_response()
    return scene.closing(story)


def tunnel(scene):
    def story(client):
        client.send(head("GET /ws HTTP/1.1", [("Host", "a.test"), *UPGRADE]))
        answer = client.read_response()
        if answer.status == 101:
            client.send(b"ping")
            assert client.read_exact(4) == b"ping"
        return answer
    return scene.closing(story)


def wait_in_queue(scene):
    """The first request has the only place until all its content is there."""
    def story(second):
        def hold(first):
            first.send(first.request_bytes("POST", "/queue", [("Content-Length", "2")]) + b"a")
            second.send(second.request_bytes("GET", "/queue"))
            try:
                first.send(b"b")
                first.read_response()
            except CUT:
                pass  # it is the second one's answer that counts
        scene.closing(hold)
        return second.read_response()
    return scene.closing(story)


# what is told, the status without a failure, the statuses with one
STORIES = {
    "GET": (get_plain, 200),
    "kept-alive, chunked": (get_chunked_twice, 200),
    "POST that is stored": (post_chunked, 200),
    "TLS handshake": (get_over_tls, 200),
    "TLS target": (get_from_tls_target, 200),
    "error page": (error_page, 502),
    "bad request": (bad_request, 400),
    "tunnel": (tunnel, 101),
    "queue": (wait_in_queue, 200),
}


def numbers(tier, count, seed, samples=SAMPLE):
    """Which allocations fail: all in the full tier, and some beyond, as no two runs are quite alike."""
    every = range(1, count + 3)
    sample = min(samples.get(tier, len(every)), len(every))
    return sorted(random.Random(seed).sample(every, sample))


def tell(scene, story):
    """The story's answer; None when the connection was cut."""
    try:
        return story(scene)
    except CUT:
        return None


def check_answer(answer, good, where):
    """good: the answer when all memory was there."""
    if answer is None:
        return
    assert answer.status in (good.status, 500, 502, 503), f"{answer.status} when memory is refused at {where()}"
    if answer.status == 200:
        assert answer.content == good.content, where()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", STORIES)
def test_any_allocation_of_a_request_may_fail(lab, tier, name):
    story, good_status = STORIES[name]
    scene = Scene(lab)
    fault, hop = scene.fault, scene.hop
    assert story(scene).status == good_status  # what is made once is made now
    fault.arm(0, WORKERS)
    good = story(scene)
    assert good.status == good_status
    count, _ = fault.disarm()
    fds = hop.fd_count()
    failures = 0
    for number in numbers(tier, count, name):
        fault.arm(number, WORKERS)
        try:
            answer = tell(scene, story)
        except TimeoutError:
            pytest.fail(f"{name}: no end of the exchange when allocation {number} fails: {fault.where()}")
        failures += fault.disarm()[1]
        assert hop.is_alive(), f"{name}: allocation {number}: {fault.where()}\n{hop.stderr()[-8000:]}"
        check_answer(answer, good, lambda: f"{number}: {fault.where()}")
        assert scene.get("/").status == 200, f"{name}: after allocation {number}: {fault.where()}"
    assert failures > 0
    for connection in scene.origin.connections + scene.tls_origin.connections:
        connection.drop()
    hop.wait_fd_count(fds)
    for origin in lab.origins:
        origin.problems.clear()  # they saw requests that broke off


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("threads", [MAIN_THREAD, WORKERS], ids=["main thread", "worker"])
def test_any_allocation_of_a_reload_may_fail(lab, tier, threads):
    """It is then refused, with a line that says why, and the configuration before stays in force."""
    scene = Scene(lab)
    fault, hop = scene.fault, scene.hop
    reload(hop)
    fault.arm(0, threads)
    reload(hop)
    count, _ = fault.disarm()
    for number in numbers(tier, count, "reload", {**SAMPLE, "full": RELOADS_MAX}):
        fault.arm(number, threads)
        try:
            reload(hop)
        except (AssertionError, ProcessLookupError):
            pytest.fail(f"no result of a reload when allocation {number} fails: {fault.where()}\n{hop.stderr()[-8000:]}")
        fault.disarm()
        assert hop.is_alive(), f"allocation {number}: {fault.where()}\n{hop.stderr()[-8000:]}"
        assert scene.get("/").status == 200, f"after allocation {number}: {fault.where()}"
    reload(hop)
    assert hop.error_log.lines("is in force")


@pytest.mark.timeout(1800)
def test_any_allocation_of_an_address_change_may_fail(lab, tier):
    """The change comes a little later then, not with the next one."""
    fault = AllocFault(lab.binary, lab.directory / "plan")
    origins = dict(zip(("127.0.0.1", "127.0.0.2"), two_origins(lab)))
    dns = lab.dns_server().say(NAME, (A, "127.0.0.1"))
    hop = hop_to(lab, dns, origins["127.0.0.1"].port, env=fault.env, binary=fault.binary)
    client = lab.client(hop)

    def change(turn):
        address, content = [("127.0.0.1", b"one"), ("127.0.0.2", b"two")][turn % 2]
        dns.say(NAME, (A, address))
        wait_for_content(client, content)

    change(0)
    fault.arm(0, MAIN_THREAD)
    change(1)
    count, _ = fault.disarm()
    failures = 0
    for turn, number in enumerate(numbers(tier, count, "change", ADDRESS_CHANGES)):
        fault.arm(number, MAIN_THREAD)
        try:
            change(turn)
        except AssertionError:
            pytest.fail(f"the address did not change when allocation {number} fails: {fault.where()}")
        failures += fault.disarm()[1]
    assert failures > 0
    assert hop.is_alive()
