"""admin_listen: who may speak to the Admin API, how, and what becomes of those who may not."""
import json
import ssl

import pytest

from lab.admin import ADMIN, Admin, admin_hop
from lab.client import run
from lab.hop import to_conf
from lab.lab import service_to
from lab.ports import free_port
from lab.wait import wait_until

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(name="hop")
def started_hop(lab):
    return admin_hop(lab).start()


def service(name="s", **more):
    return {"name": name, "host": "127.0.0.1", "port": 9, **more}


def audit(hop):
    path = hop.prefix / "logs" / "admin_audit.log"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def audit_line(hop, **wanted):
    def found():
        return next((line for line in audit(hop) if all(line[key] == value for key, value in wanted.items())), None)
    wait_until(found, lambda: f"a line of the audit log with {wanted}; it has {audit(hop)}")
    return found()


# ---- the way there -------------------------------------------------------------------------------

def test_a_hop_without_a_file_keeps_its_entities_and_serves_the_admin_api(lab, hop):
    answer = Admin(lab, hop).connect().get("/")
    assert answer.status == 200
    assert answer.fields.get("Content-Type") == "application/json; charset=utf-8"
    assert answer.fields.get("Server") == "kong/3.9.3"
    assert answer.fields.get("X-Kong-Admin-Latency").isdigit()
    root = json.loads(answer.content)
    assert root["version"] == "3.9.3" and root["pids"]["master"] == hop.process.pid
    assert root["configuration"]["database"] == "sqlite"
    assert (hop.prefix / "hopgate.db").exists()
    answer = lab.client(hop).get("/")  # an empty store is a hop without routes
    assert answer.status == 404 and json.loads(answer.content)["message"] == "no Route matched with those values"


def test_a_declarative_file_is_served_and_the_admin_api_beside_it(lab):
    hop = lab.hop(service_to(lab.origin(content=b"from the file")), conf=ADMIN)
    assert lab.client(hop).get("/").content == b"from the file"
    status, root = Admin(lab, hop).ask("GET", "/")
    assert status == 200 and root["configuration"]["database"] == "off"


def test_a_file_beside_sqlite_is_a_mistake(lab):
    hop = lab.make_hop(service_to(lab.origin()), conf={**ADMIN, "database": "sqlite"}).spawn()
    lab.expect_bad_end.add(hop)
    assert hop.wait_exit() == 78
    assert "with sqlite the entities are in the store" in hop.stderr()


def test_requests_on_one_connection_are_answered_in_order(lab, hop):
    client = Admin(lab, hop).connect()
    client.send(client.request_bytes("GET", "/") + client.request_bytes("HEAD", "/") +
                client.request_bytes("GET", "/services") + client.request_bytes("GET", "/nowhere"))
    assert client.read_response().status == 200
    head = client.read_response("HEAD")
    assert head.status == 200 and int(head.fields.get("Content-Length")) > 0 and not head.content
    assert json.loads(client.read_response().content)["data"] == []
    assert client.read_response().status == 404


def test_content_may_be_chunked_and_wait_for_continue(lab, hop):
    client = Admin(lab, hop).connect()
    content = json.dumps(service()).encode()
    kind = ("Content-Type", "application/json")
    client.send(client.request_bytes("POST", "/services", [kind, ("Transfer-Encoding", "chunked")]))
    for byte in content:
        client.send(b"1\r\n" + bytes([byte]) + b"\r\n")
    client.send(b"0\r\n\r\n")
    assert client.read_response().status == 201
    content = json.dumps(service("other")).encode()
    client.send(client.request_bytes("POST", "/services", [kind, ("Expect", "100-continue"),
                                                           ("Content-Length", str(len(content)))]))
    assert client.read_head().status == 100
    client.send(content)
    assert client.read_response().status == 201


def test_too_much_content_is_refused_announced_or_not(lab):
    hop = admin_hop(lab, {"nginx_admin_client_max_body_size": "1k"}).start()
    admin = Admin(lab, hop)
    assert admin.must("POST", "/services", service(path="/" + "x" * 500))["name"] == "s"
    assert admin.ask("POST", "/services", service("big", path="/" + "x" * 1100)) == \
        (413, {"message": "Payload too large"})
    client = admin.connect()
    client.send_what_is_taken(client.request_bytes("POST", "/services", [("Transfer-Encoding", "chunked")]) +
                              b"400\r\n" + b"x" * 1024 + b"\r\n" + b"10\r\n" + b"x" * 16 + b"\r\n")
    assert client.read_response().status == 413
    assert [entity["name"] for entity in admin.must("GET", "/services")["data"]] == ["s"]


def test_a_client_that_does_not_wait_has_its_change_made(lab, hop):
    admin = Admin(lab, hop)
    client = admin.connect()
    client.send(client.request_bytes("POST", "/services", [("Content-Type", "application/json")],
                                     json.dumps(service("left")).encode()))
    client.close()
    wait_until(lambda: admin.must("GET", "/services")["data"], "the service to be there")


def test_its_requests_have_a_log_of_their_own(lab, hop):
    Admin(lab, hop).must("GET", "/services")
    log = hop.prefix / "logs" / "admin_access.log"
    wait_until(lambda: log.exists() and "/services" in log.read_text(), "a line of admin_access.log")
    assert "/services" not in hop.access_log.text()


def test_two_hops_with_one_address_are_told_apart(lab):
    port = free_port()
    conf = {"admin_listen": f"127.0.0.1:{port}"}
    admin_hop(lab, conf).start()
    second = admin_hop(lab, conf).spawn()
    lab.expect_bad_end.add(second)
    assert second.wait_exit() != 0
    assert f"cannot listen on 127.0.0.1:{port}" in second.stderr() and "admin_listen = off" in second.stderr()


# ---- who may -------------------------------------------------------------------------------------

@pytest.mark.parametrize("conf", [
    {"admin_listen": "0.0.0.0:0"}, {"admin_listen": "0.0.0.0:0 ssl"},
    {"admin_listen": "0.0.0.0:0", "hopgate_admin_token": TOKEN},
], ids=["plain", "tls without proof", "a token in clear"])
def test_nobody_opens_it_to_others_by_mistake(lab, conf):
    hop = admin_hop(lab, conf).spawn()
    lab.expect_bad_end.add(hop)
    assert hop.wait_exit() == 78
    assert "is reachable from other machines" in hop.stderr() and "hopgate_admin_public" in hop.stderr()


def test_who_says_so_may(lab):
    hop = admin_hop(lab, {"admin_listen": "0.0.0.0:0", "hopgate_admin_public": "on"}).start()
    hop.admin_listeners["http"] = ("127.0.0.1", hop.admin_listeners["http"][1])
    assert Admin(lab, hop).ask("GET", "/")[0] == 200


def test_tls_shows_a_certificate_of_its_own(lab):
    hop = admin_hop(lab, {"admin_listen": "127.0.0.1:0 ssl", "admin_ssl_cert": lab.pki.chain("edge"),
                          "admin_ssl_cert_key": lab.pki.key("edge")}).start()
    client = lab.client(hop.admin_listeners["https"], tls=True, server_name="edge.test")
    assert client.get("/", [("Host", "localhost")]).status == 200
    assert client.sock.version() == "TLSv1.3"


def test_without_a_certificate_one_is_made(lab):
    hop = admin_hop(lab, {"admin_listen": "127.0.0.1:0 ssl"}).start()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert Admin(lab, hop, tls=context).ask("GET", "/")[0] == 200


def test_a_wrong_certificate_is_named_by_the_keys_of_the_admin_api(lab):
    hop = admin_hop(lab, {"admin_listen": "127.0.0.1:0 ssl", "admin_ssl_cert": "/nowhere.pem",
                          "admin_ssl_cert_key": "/nowhere.key"})
    done = run(*hop.command("check"), env=hop.env)
    assert done.code == 78 and "admin_ssl_cert: " in done.err and "/nowhere.pem" in done.err


def mutual(lab, certificate=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        clients = lab.pki.clients
        bundle = lab.directory / f"{certificate}-bundle.pem"
        bundle.write_text(clients.pem(certificate).read_text() + clients.path("ca.pem").read_text())
        context.load_cert_chain(bundle, clients.key(certificate))
    return context


def test_who_must_show_a_certificate_is_known_by_it(lab):
    hop = admin_hop(lab, {"admin_listen": "0.0.0.0:0 ssl", "nginx_admin_ssl_verify_client": "on",
                          "nginx_admin_ssl_client_certificate": lab.pki.clients.path("root.pem"),
                          "nginx_admin_ssl_verify_depth": "2"}).start()
    hop.admin_listeners["https"] = ("127.0.0.1", hop.admin_listeners["https"][1])
    assert Admin(lab, hop, tls=mutual(lab)).ask("POST", "/services", service())[0] == 400
    assert Admin(lab, hop, tls=mutual(lab, "expired")).ask("POST", "/services", service())[0] == 400
    assert Admin(lab, hop, tls=mutual(lab, "good")).ask("POST", "/services", service())[0] == 201
    assert "CN=" in audit_line(hop, method="POST")["tls_subject"]


def test_a_token_is_asked_for(lab):
    hop = admin_hop(lab, {"hopgate_admin_token": TOKEN}).start()
    refused = (401, {"message": "Unauthorized"})
    assert Admin(lab, hop).ask("GET", "/services") == refused
    for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN[:-1] + "0"):
        assert Admin(lab, hop, fields=[("Kong-Admin-Token", wrong)]).ask("POST", "/services", service()) == refused
    assert Admin(lab, hop, fields=[("Kong-Admin-Token", TOKEN), ("kong-admin-token", "x")]).ask("GET", "/") == refused
    assert Admin(lab, hop, fields=[("kong-admin-token", TOKEN)]).ask("POST", "/services", service())[0] == 201
    assert audit_line(hop, method="POST")["token"] is True
    root = Admin(lab, hop, fields=[("Kong-Admin-Token", TOKEN)]).must("GET", "/")
    assert root["configuration"]["hopgate_admin_token"] == "******" and TOKEN not in json.dumps(root)


FORM = ("Content-Type", "application/x-www-form-urlencoded")
BROWSERS = {
    "curl": ([], True),
    "localhost": ([("Host", "localhost:8001")], True),
    "another port of the loopback": ([("Origin", "http://localhost:8002")], True),
    "a form of a page elsewhere": ([("Origin", "https://evil.example"), FORM], False),
    "a page in a sandbox": ([("Origin", "null"), FORM], False),
    "an image of a page elsewhere": ([("Sec-Fetch-Site", "cross-site")], False),
    "a name that leads here by DNS": ([("Host", "evil.example:8001")], False),
    "the same, with its origin": ([("Host", "evil.example:8001"), ("Origin", "http://evil.example:8001")], False),
    "a name like the loopback": ([("Host", "127.0.0.1.evil.example")], False),
    "an origin like the loopback": ([("Origin", "http://localhost.evil.example")], False),
    "a name that was listed": ([("Host", "kong.example:8001"), ("Origin", "https://kong.example")], True),
}


@pytest.mark.parametrize("name", BROWSERS)
def test_no_page_elsewhere_uses_a_browser_against_it(lab, name):
    fields, may = BROWSERS[name]
    hop = admin_hop(lab, {"hopgate_admin_hosts": "kong.example"}).start()
    for method in ("GET", "DELETE"):
        status, answer = Admin(lab, hop).ask(method, "/services", fields=fields)
        assert (status != 403) is may, (method, status, answer)
    if not may:
        assert answer["message"]


# ---- what is written down ------------------------------------------------------------------------

def test_each_change_is_written_down_with_what_was_before(lab, hop):
    admin = Admin(lab, hop)
    made = admin.must("POST", "/services", service())
    admin.must("PATCH", "/services/s", {"port": 10})
    admin.must("DELETE", "/services/s")
    assert admin.ask("PATCH", "/services/nobody", {"port": 10})[0] == 404
    made_line, changed = audit_line(hop, method="POST"), audit_line(hop, method="PATCH")
    gone = audit_line(hop, method="DELETE")
    assert (made_line["before"], made_line["after"]["id"], made_line["status"]) == (None, made["id"], 201)
    assert (changed["before"]["port"], changed["after"]["port"]) == (9, 10)
    assert (changed["entity"], changed["id"], changed["path"]) == ("services", made["id"], "/services/s")
    assert gone["before"]["port"] == 10 and gone["after"] is None
    assert made_line["client"].startswith("127.0.0.1:") and made_line["tls_subject"] is None
    assert len(audit(hop)) == 3


def test_status_names_the_listener(lab, hop):
    out = json.loads(run(hop.binary, "status", "--json", "--prefix", hop.prefix, env=hop.env).out)
    host, port = hop.admin_listeners["http"]
    assert {"address": f"{host}:{port}", "tls": False, "serves": "admin"} in out["listeners"]


def test_check_reads_the_keys_of_the_admin_api(lab, tmp_path):
    conf = tmp_path / "k.conf"
    conf.write_text(to_conf({"prefix": tmp_path / "prefix", "admin_listen": "0.0.0.0:8001"}))
    done = run(lab.binary, "check", "-c", conf)
    assert done.code == 78 and "k.conf:2:16: error: admin_listen: 0.0.0.0:8001" in done.err
