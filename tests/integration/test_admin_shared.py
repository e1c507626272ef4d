"""What a change by the Admin API does not concern is left as it is: no new configuration, or the same targets."""
import json

from lab.admin import Admin, admin_hop
from lab.dns_server import A
from lab.wait import wait_until
from test_control import ask
from test_dns import two_origins
from test_extras import Extras

DNS = {"dns_order": "A", "hopgate_dns_min_ttl": "100ms", "hopgate_dns_timeout": "300ms", "hopgate_dns_tries": "2"}


def configuration(hop):
    return ask(hop, "status")["configuration"]


def content_of(lab, hop, path="/"):
    client = lab.client(hop)
    answer = client.get(path)
    client.close()
    return answer.status, answer.content


def route_to(admin, name, host, port, **service):
    made = admin.must("POST", "/services", {"name": name, "host": host, "port": port, **service})
    admin.must("POST", "/routes", {"name": name, "paths": [f"/{name}"], "strip_path": False,
                                   "service": {"id": made["id"]}})
    return made


def test_what_touches_no_traffic_makes_no_configuration(lab):
    hop = admin_hop(lab).start()
    admin = Admin(lab, hop)
    service = route_to(admin, "shop", "127.0.0.1", 9)
    before = configuration(hop)
    consumer = admin.must("POST", "/consumers", {"username": "bob"})
    key = admin.must("POST", "/consumers/bob/key-auth", {"key": "secret"})
    admin.must("PATCH", "/services/shop", {"tags": ["gold"]})
    admin.must("PUT", f"/services/{service['id']}", {"name": "shop", "host": "127.0.0.1", "port": 9})
    admin.must("PATCH", "/routes/shop", {"tags": ["silver"]})
    admin.must("POST", "/key-sets", {"name": "set"})
    assert configuration(hop) == before
    assert admin.must("GET", "/consumers/bob")["id"] == consumer["id"]
    assert admin.must("GET", "/routes/shop")["tags"] == ["silver"]
    admin.must("PATCH", "/services/shop", {"retries": 1})
    assert configuration(hop) > before
    hop.kill()
    lab.expect_bad_end.add(hop)
    hop.process = hop.http = None
    hop.admin_listeners = {}
    hop.start()
    assert Admin(lab, hop).must("GET", "/consumers/bob/key-auth")["data"][0]["id"] == key["id"]
    assert Admin(lab, hop).must("GET", "/services/shop")["retries"] == 1


def test_what_touches_no_traffic_is_there_after_a_reload(lab):
    hop = admin_hop(lab).start()
    admin = Admin(lab, hop)
    origin = lab.origin(content=b"one")
    route_to(admin, "shop", "127.0.0.1", origin.port)
    admin.must("POST", "/consumers", {"username": "bob"})
    admin.must("PATCH", "/services/shop", {"tags": ["gold"]})
    assert ask(hop, "reload")["ok"]
    admin.must("PATCH", "/services/shop", {"tags": ["blue"]})
    assert content_of(lab, hop, "/shop") == (200, b"one")
    admin.must("DELETE", "/routes/shop")
    assert content_of(lab, hop, "/shop")[0] == 404


def test_one_guilty_of_each_few_is_refused_and_no_other(lab):
    hop = admin_hop(lab, {"nginx_worker_processes": "2"}).start()
    admin = Admin(lab, hop)
    guilty = {0, 3, 4, 11, 12, 13, 22, 29}
    clients = []
    for i in range(30):
        content = json.dumps({"name": f"s{i}", "host": "127.0.0.1", "port": 9,
                              "protocol": "grpc" if i in guilty else "http"}).encode()
        client = admin.connect()
        clients.append(client)
        client.send(client.request_bytes("POST", "/services", [("Content-Type", "application/json")], content))
    statuses = [client.read_response().status for client in clients]
    assert statuses == [400 if i in guilty else 201 for i in range(30)]
    names = {entity["name"] for entity in admin.must("GET", "/services?size=1000")["data"]}
    assert names == {f"s{i}" for i in range(30) if i not in guilty}


def test_names_are_followed_while_other_services_change(lab):
    """The targets of a service that has not changed are those of the configuration before."""
    one, two = two_origins(lab)
    dns = lab.dns_server().say("app.test", (A, "127.0.0.1"))
    hop = admin_hop(lab, {**DNS, "dns_resolver": dns.address, "nginx_worker_processes": "2"}).start()
    admin = Admin(lab, hop)
    route_to(admin, "named", "app.test", one.port)
    route_to(admin, "other", "127.0.0.1", one.port)
    for i in range(5):
        admin.must("PATCH", "/services/other", {"retries": i + 1})
        assert content_of(lab, hop, "/named") == (200, b"one")
    dns.say("app.test", (A, "127.0.0.2"))
    retries = 10
    while content_of(lab, hop, "/named") != (200, b"two"):
        admin.must("PATCH", "/services/other", {"retries": retries})
        retries += 1
    for i in range(5):
        admin.must("PATCH", "/services/other", {"retries": i})
        assert content_of(lab, hop, "/named") == (200, b"two")
    dns.say("app.test", (A, "127.0.0.1"))
    wait_until(lambda: content_of(lab, hop, "/named") == (200, b"one"), lambda: "the first address again")


def test_what_an_upstream_knows_of_its_targets_outlives_other_changes(lab):
    """A target that was taken out by hand stays out; one that is added is used, whoever else changes."""
    one, two = lab.origin(content=b"one"), lab.origin(content=b"two")
    hop = admin_hop(lab, {"nginx_worker_processes": "2"}).start()
    admin = Admin(lab, hop)
    passive = {"unhealthy": {"tcp_failures": 1}, "healthy": {"successes": 0}}
    admin.must("POST", "/upstreams", {"name": "pool", "healthchecks": {"passive": passive}})
    for origin in (one, two):
        admin.must("POST", "/upstreams/pool/targets", {"target": f"127.0.0.1:{origin.port}"})
    route_to(admin, "pooled", "pool", 80)
    route_to(admin, "other", "127.0.0.1", one.port)
    admin.must("PUT", f"/upstreams/pool/targets/127.0.0.1:{one.port}/unhealthy")
    for i in range(10):
        admin.must("PATCH", "/services/other", {"retries": i})
        assert content_of(lab, hop, "/pooled") == (200, b"two")
    admin.must("DELETE", f"/upstreams/pool/targets/127.0.0.1:{two.port}")
    three = lab.origin(content=b"three")
    admin.must("POST", "/upstreams/pool/targets", {"target": f"127.0.0.1:{three.port}"})
    for i in range(6):
        admin.must("PATCH", "/services/other", {"retries": i + 1})
        assert content_of(lab, hop, "/pooled") == (200, b"three")
    admin.must("PATCH", "/upstreams/pool", {"slots": 50})
    assert content_of(lab, hop, "/pooled") == (200, b"three")


def test_a_service_that_finds_its_upstream_later_uses_it(lab):
    """The service itself is not written again: the upstream of its host's name comes and goes."""
    origin = lab.origin(content=b"one")
    hop = admin_hop(lab, {"dns_order": "A"}).start()
    admin = Admin(lab, hop)
    route_to(admin, "shop", "localhost", origin.port)
    admin.must("POST", "/upstreams", {"name": "localhost"})
    assert content_of(lab, hop, "/shop")[0] == 503  # an upstream without targets
    admin.must("POST", "/upstreams/localhost/targets", {"target": f"127.0.0.1:{origin.port}"})
    assert content_of(lab, hop, "/shop") == (200, b"one")
    admin.must("DELETE", "/upstreams/localhost")
    assert content_of(lab, hop, "/shop") == (200, b"one")


MONITOR = """\
hopgate:
  health:
  - {upstream: pool, monitor: {type: http, send: "GET /alive HTTP/1.0\\r\\n\\r\\n", receive: "one", interval: 1, timeout: 4}}
"""


def test_probes_go_on_while_other_services_change(lab):
    """What a monitor asks is of the configuration in force, and not of one that is gone."""
    origin = lab.origin(content=b"one")
    hop = Extras(lab, MONITOR).start().hop
    admin = Admin(lab, hop)
    admin.must("POST", "/upstreams", {"name": "pool"})
    admin.must("POST", "/upstreams/pool/targets", {"target": f"127.0.0.1:{origin.port}"})
    route_to(admin, "pooled", "pool", 80)
    route_to(admin, "other", "127.0.0.1", origin.port)

    def probes():
        return sum(request.target == "/alive" for request in origin.requests)

    wait_until(lambda: probes() > 0, lambda: "a probe")
    for i in range(6):
        admin.must("PATCH", "/services/other", {"retries": i})
    seen = probes()
    wait_until(lambda: probes() > seen + 1, lambda: "probes after the changes")
    assert content_of(lab, hop, "/pooled") == (200, b"one")
