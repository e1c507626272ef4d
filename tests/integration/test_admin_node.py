"""What the Admin API tells of the running node, and sets of it: the log's level, health by hand, names, browsers."""

import pytest

from lab.admin import Admin, admin_hop
from lab.client import run
from lab.dns_server import A, NXDOMAIN
from lab.lab import service_to
from lab.shelf import Shelf
from lab.wait import wait_until
from test_admin_publish import content_of
from test_reload import reload, rewrite
from test_store_stress import LockedBy, hop_status

LEVEL = "/debug/node/log-level"


@pytest.fixture(name="hop")
def started_hop(lab):
    return admin_hop(lab, {"log_level": "notice"}).start()


# ---- the level of the log ------------------------------------------------------------------------

def level(admin):
    return admin.must("GET", LEVEL)["message"]


def test_the_log_level_is_changed_for_a_while(lab, hop):
    admin = Admin(lab, hop)
    assert level(admin) == "log level: notice"
    assert admin.must("PUT", f"{LEVEL}/debug?timeout=3600") == {"message": "log level changed"}
    assert level(admin) == "log level: debug"
    assert admin.must("PUT", f"{LEVEL}/debug") == {"message": "log level is already debug"}
    admin.must("POST", "/services", {"name": "s", "host": "127.0.0.1"})
    hop.error_log.wait_for("[info]", "entities have changed")
    admin.must("PUT", f"{LEVEL}/info", {"timeout": 1})  # instead of the hour
    hop.error_log.wait_for("log_level is that of the settings again")
    assert level(admin) == "log level: notice"


def test_a_reload_takes_the_level_of_the_settings(lab, hop):
    admin = Admin(lab, hop)
    admin.must("PUT", "/debug/cluster/log-level/debug?timeout=3600")
    rewrite(hop, log_level="warn")
    hop.signal(1)
    wait_until(lambda: level(admin) == "log level: warn", "the level of the new settings")


def test_a_level_that_is_none_and_a_time_that_is_none(lab, hop):
    admin = Admin(lab, hop)
    assert admin.ask("PUT", f"{LEVEL}/loud") == (400, {"message": "unknown log level: loud"})
    assert admin.ask("PUT", f"{LEVEL}/debug?timeout=-2") == \
        (400, {"message": "timeout must be greater than or equal to 0"})
    assert admin.ask("PUT", f"{LEVEL}/debug?timeout=0") == (200, {"message": "log level changed"})
    assert level(admin) == "log level: notice"


def test_without_a_database_the_level_stays(lab):
    hop = lab.hop(service_to(lab.origin()), conf={"admin_listen": "127.0.0.1:0"})
    assert Admin(lab, hop).ask("PUT", f"{LEVEL}/debug") == \
        (405, {"message": "cannot change log level when not using a database"})


def test_the_node_is_set_while_the_store_is_locked(lab, hop):
    """Neither is an entity."""
    admin = Admin(lab, hop)
    origin = lab.origin(content=b"one")
    checked_upstream(admin, f"127.0.0.1:{origin.port}")
    with LockedBy(hop):
        assert admin.ask("PUT", f"{LEVEL}/info")[0] == 200
        assert admin.ask("PUT", f"/upstreams/up/targets/127.0.0.1:{origin.port}/unhealthy")[0] == 204
        assert admin.ask("POST", "/schemas/services/validate", {"host": "h"})[0] == 200
        assert healths(admin) == ["UNHEALTHY"]


# ---- health by hand ------------------------------------------------------------------------------

def checked_upstream(admin, *targets):
    passive = {"unhealthy": {"http_failures": 10}, "healthy": {"successes": 10}}
    admin.must("POST", "/upstreams", {"name": "up", "healthchecks": {"passive": passive}})
    for target in targets:
        admin.must("POST", "/upstreams/up/targets", {"target": target})
    admin.must("POST", "/services", {"name": "s", "host": "up"})
    admin.must("POST", "/services/s/routes", {"paths": ["/"]})


def healths(admin, upstream="up"):
    return sorted(entry["health"] for entry in admin.must("GET", f"/upstreams/{upstream}/health")["data"])


def test_a_target_is_taken_out_and_put_back_by_hand(lab, hop):
    one, two = lab.origin(content=b"one"), lab.origin(content=b"two")
    admin = Admin(lab, hop)
    checked_upstream(admin, f"127.0.0.1:{one.port}", f"127.0.0.1:{two.port}")
    path = f"/upstreams/up/targets/127.0.0.1:{one.port}"
    assert admin.ask("PUT", f"{path}/unhealthy") == (204, None)
    assert healths(admin) == ["HEALTHY", "UNHEALTHY"]
    assert {content_of(lab, hop) for _ in range(4)} == {(200, b"two")}
    assert admin.ask("PUT", f"{path}/healthy") == (204, None)
    assert healths(admin) == ["HEALTHY", "HEALTHY"]
    wait_until(lambda: content_of(lab, hop) == (200, b"one"), "requests to the target that is back")
    identity = admin.must("GET", path)["id"]
    assert admin.ask("PUT", f"/upstreams/up/targets/{identity}/unhealthy")[0] == 204
    assert healths(admin) == ["HEALTHY", "UNHEALTHY"]


def test_one_address_of_a_target_is_taken_out(lab):
    dns = lab.dns_server().say("many.test", (A, "127.0.0.1"), (A, "127.0.0.2"), ttl=3600)
    hop = admin_hop(lab, {"dns_resolver": dns.address, "dns_order": "A"}).start()
    admin = Admin(lab, hop)
    origin = lab.origin(content=b"one", host="0.0.0.0")
    checked_upstream(admin, f"many.test:{origin.port}")
    path = f"/upstreams/up/targets/many.test:{origin.port}"
    assert admin.ask("PUT", f"{path}/127.0.0.2:{origin.port}/unhealthy") == (204, None)
    entry, = admin.must("GET", "/upstreams/up/health")["data"]
    assert {each["ip"]: each["health"] for each in entry["data"]["addresses"]} == \
        {"127.0.0.1": "HEALTHY", "127.0.0.2": "UNHEALTHY"}
    assert entry["health"] == "HEALTHY"
    assert admin.ask("PUT", f"{path}/127.0.0.9:{origin.port}/unhealthy")[0] == 404
    assert admin.ask("PUT", f"{path}/127.0.0.2:{origin.port}/healthy") == (204, None)
    entry, = admin.must("GET", "/upstreams/up/health")["data"]
    assert {each["health"] for each in entry["data"]["addresses"]} == {"HEALTHY"}


def test_what_cannot_be_set_by_hand(lab, hop):
    admin = Admin(lab, hop)
    admin.must("POST", "/upstreams", {"name": "plain"})
    admin.must("POST", "/upstreams/plain/targets", {"target": "127.0.0.1:9"})
    assert admin.ask("PUT", "/upstreams/plain/targets/127.0.0.1:9/unhealthy") == \
        (400, {"message": "no healthchecker found for plain"})
    assert admin.ask("PUT", "/upstreams/plain/targets/127.0.0.1:8/unhealthy")[0] == 404
    assert admin.ask("PUT", "/upstreams/nobody/targets/127.0.0.1:9/unhealthy")[0] == 404
    assert admin.ask("POST", "/upstreams/plain/targets/127.0.0.1:9/unhealthy")[0] == 405


# ---- names that nobody else uses -----------------------------------------------------------------

def test_an_upstream_that_no_service_uses_shows_its_addresses(lab):
    dns = lab.dns_server().say("lonely.test", (A, "127.0.0.7"), (A, "127.0.0.8"), ttl=3600)
    dns.say("missing.test", rcode=NXDOMAIN)
    hop = admin_hop(lab, {"dns_resolver": dns.address, "dns_order": "A"}).start()
    admin = Admin(lab, hop)
    admin.must("POST", "/upstreams", {"name": "up"})
    admin.must("POST", "/upstreams/up/targets", {"target": "lonely.test:8080", "weight": 7})
    admin.must("POST", "/upstreams/up/targets", {"target": "missing.test:8080"})

    def shown():
        data = admin.must("GET", "/upstreams/up/health")["data"]
        return {entry["data"]["host"]: entry for entry in data}
    wait_until(lambda: shown()["lonely.test"]["data"]["addresses"], "the addresses")
    wait_until(lambda: shown()["missing.test"]["health"] == "DNS_ERROR", "what is wrong with the other name")
    lonely = shown()["lonely.test"]
    assert lonely["health"] == "HEALTHCHECKS_OFF" and lonely["data"]["dns"] == "A"
    assert sorted((each["ip"], each["port"], each["weight"]) for each in lonely["data"]["addresses"]) == \
        [("127.0.0.7", 8080, 7), ("127.0.0.8", 8080, 7)]


# ---- browsers ------------------------------------------------------------------------------------

PAGES = "https://manager.example:8445/manager, http://other.example"


@pytest.mark.parametrize("origin, status, allowed", [
    ("https://manager.example:8445", 200, "https://manager.example:8445"),
    ("http://other.example", 200, "http://other.example"),
    ("http://localhost:8002", 200, "https://manager.example:8445"),
    (None, 200, "https://manager.example:8445"),
    ("https://evil.example", 403, None),
    ("https://manager.example", 403, None),  # another port is another origin
])
def test_pages_of_the_manager_may_read_answers(lab, origin, status, allowed):
    hop = admin_hop(lab, {"admin_gui_url": PAGES}).start()
    client = Admin(lab, hop).connect()
    answer = client.get("/services", [("Origin", origin)] if origin else [])
    assert answer.status == status
    if allowed:
        assert answer.fields.get("Access-Control-Allow-Origin") == allowed
        assert answer.fields.get("Access-Control-Allow-Credentials") == "true"


def test_a_preflight_from_the_manager(lab):
    hop = admin_hop(lab, {"admin_gui_url": PAGES}).start()
    client = Admin(lab, hop).connect()
    client.send(client.request_bytes("OPTIONS", "/services", [
        ("Origin", "http://other.example"), ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type")]))
    answer = client.read_response()
    assert answer.status == 204 and answer.fields.get("Access-Control-Allow-Origin") == "http://other.example"
    assert answer.fields.get("Access-Control-Allow-Methods") == "GET, HEAD, OPTIONS, POST"
    assert answer.fields.get("Access-Control-Allow-Headers") == "content-type"


def test_an_address_that_is_none_is_a_mistake(lab):
    hop = admin_hop(lab, {"admin_gui_url": "manager.example"})
    done = run(*hop.command("check"), env=hop.env)
    assert done.code == 78 and "admin_gui_url: 'manager.example' is no address of a page" in done.err


# ---- certificates --------------------------------------------------------------------------------

def test_a_ca_certificate_that_is_in_use_stays(lab, hop):
    admin = Admin(lab, hop)
    authority = admin.must("POST", "/ca_certificates", {"cert": lab.pki.clients.path("root.pem").read_text()})
    admin.must("POST", "/services", {"name": "s", "host": "127.0.0.1", "protocol": "https",
                                     "ca_certificates": [authority["id"]]})
    service = admin.must("GET", "/services/s")
    assert admin.ask("DELETE", f"/ca_certificates/{authority['id']}") == (400, {
        "code": 19, "name": "referenced by others",
        "message": f"ca certificate {authority['id']} is still referenced by services (id = {service['id']})"})
    admin.must("PATCH", "/services/s", {"ca_certificates": None})
    assert admin.ask("DELETE", f"/ca_certificates/{authority['id']}") == (204, None)


def test_the_certificate_of_the_admin_api_is_watched_as_others_are(lab, tmp_path):
    shelf = Shelf(lab.binary, tmp_path / "shelf", "--days", "13")
    hop = admin_hop(lab, {"admin_listen": "127.0.0.1:0 ssl", "admin_ssl_cert": shelf.path("good", "chain"),
                          "admin_ssl_cert_key": shelf.path("good", "key")}).start()
    certificate, = hop_status(hop)["certificates"]
    assert (certificate["certificate"], certificate["name"]) == ("admin_ssl_cert", "shelf.test")
    said, = hop.error_log.wait_for("admin_ssl_cert: certificate ", "shelf.test", "expires in 1", "renew it")
    assert "[warn]" in said
    reload(hop)
    assert len(hop.error_log.lines("admin_ssl_cert: certificate ", "expires in 1", "and reload")) == 1
