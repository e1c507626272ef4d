"""What nobody sends by mistake to the Admin API: nothing crashes, hangs, leaks a secret or is left behind."""
import json
import sqlite3

import pytest

from lab.admin import Admin, admin_hop
from lab.wait import wait_until
from test_admin_publish import Locked, restart

FORM = ("Content-Type", "application/x-www-form-urlencoded")
SECRET = "do-not-tell-anybody"


@pytest.fixture(name="hop")
def started_hop(lab):
    return admin_hop(lab).start()


def raw(admin, method, path, content=b"", fields=()):
    client = admin.connect()
    answer = client.request(method, path, fields=fields, content=content)
    client.close()
    return answer


# ---- bytes that are no text ----------------------------------------------------------------------

@pytest.mark.parametrize("method, path", [
    ("GET", "/services/%ff"), ("GET", "/schemas/%ff"), ("GET", "/plugins/schema/%ff"), ("GET", "/schemas/plugins/%ff"),
    ("GET", "/tags/%ff"), ("GET", "/services/%00"), ("GET", "/services/x%00y"), ("GET", "/services?tags=%ff"),
    ("PUT", "/services/%ff"), ("PUT", "/certificates/%ff"), ("DELETE", "/certificates/%ff"),
    ("PUT", "/debug/node/log-level/%ff"), ("PUT", "/upstreams/%ff/targets/%ff/healthy"),
    ("GET", "/consumers/%ff/acls/%ff"), ("GET", "/key-auths/%c3%28"),
])
def test_a_name_that_is_no_text_is_the_clients_mistake(lab, hop, method, path):
    content = b'{"cert": "x", "key": "y", "host": "h"}' if method == "PUT" else b""
    answer = raw(Admin(lab, hop), method, path, content, [("Content-Type", "application/json")])
    assert answer.status in (400, 404), answer.content
    assert json.loads(answer.content)["message"]


# ---- what takes long -----------------------------------------------------------------------------

@pytest.mark.parametrize("name", [b"a" + b"[" * 4_000_000, b"a" + b"." * 4_000_000, b"a" + b"[]" * 2_000_000],
                         ids=["open", "dots", "empty"])
def test_a_name_of_a_form_is_read_in_one_go(lab, hop, name):
    """Looking for the end of each bracket would take minutes."""
    admin = Admin(lab, hop)
    assert raw(admin, "POST", "/services", b"host=h&" + name + b"=1", [FORM]).status == 400
    assert admin.must("GET", "/services")["data"] == []


def test_more_values_than_any_entity_has_are_not_validated_one_by_one(lab, hop):
    """Two million mistakes would take minutes, and each has a message."""
    admin = Admin(lab, hop)
    fields = [("Content-Type", "application/json")]
    answer = raw(admin, "POST", "/services", b'{"host": "h", "tags": [' + b"0," * 2_000_000 + b"0]}", fields)
    assert (answer.status, json.loads(answer.content)) == (400, {"message": "Cannot parse JSON body"})
    assert raw(admin, "POST", "/services", b'{"host": "h", "tags": [' + b"0," * 999 + b"0]}", fields).status == 400
    assert admin.must("GET", "/services")["data"] == []


def test_content_that_has_come_is_not_waited_for_any_more(lab):
    """It came in pieces, and then the store takes longer than a client may."""
    hop = admin_hop(lab, {"nginx_http_client_body_timeout": "2s"}).start()
    client = Admin(lab, hop).connect()
    content = json.dumps({"name": "s", "host": "h"}).encode()
    client.send(client.request_bytes("POST", "/services", [("Content-Type", "application/json"),
                                                           ("Expect", "100-continue"),
                                                           ("Content-Length", str(len(content)))]))
    with Locked(hop):
        assert client.read_head().status == 100
        client.send(content)
        assert client.read_response().status == 503  # after five seconds; see STORE_BUSY_MS
    assert Admin(lab, hop).must("GET", "/services")["data"] == []


# ---- secrets -------------------------------------------------------------------------------------

def audit_text(hop, count):
    path = hop.prefix / "logs" / "admin_audit.log"
    wait_until(lambda: path.exists() and path.read_text().count("\n") >= count, f"{count} lines of audit")
    return path.read_text()


def test_no_secret_is_written_down(lab, hop):
    admin = Admin(lab, hop)
    admin.must("POST", "/consumers", {"username": "bob"})
    admin.must("POST", "/consumers/bob/key-auth", {"key": SECRET})
    admin.must("POST", "/plugins", {"name": "http-log", "enabled": False, "config": {
        "http_endpoint": "http://127.0.0.1:9/", "headers": {"Authorization": SECRET, "x-kind": "told"}}})
    admin.must("PATCH", f"/consumers/bob/key-auth/{SECRET}", {"tags": ["told too"]})
    admin.must("DELETE", f"/key-auths/{SECRET}")
    text = audit_text(hop, 5)
    assert SECRET not in text
    assert '"told"' in text and '"told too"' in text
    assert '"path":"/consumers/bob/key-auth/******"' in text and '"path":"/key-auths/******"' in text


# ---- plugins that nobody runs --------------------------------------------------------------------

def enable_by_hand(hop):
    with sqlite3.connect(hop.prefix / "hopgate.db") as store:
        store.execute("UPDATE entities SET json = replace(json, '\"enabled\":false', '\"enabled\":true')")
    store.close()


def test_a_plugin_that_nobody_runs_is_never_ignored_in_silence(lab):
    hop = admin_hop(lab, {"hopgate_stored_plugins": "refuse"}).start()
    admin = Admin(lab, hop)
    plugin = {"name": "cors", "config": {}}
    assert admin.ask("POST", "/plugins", plugin)[0] == 400
    admin.must("POST", "/plugins", {**plugin, "enabled": False})
    enable_by_hand(hop)
    assert hop.error_log.wait_for("cannot be put in force", "plugins[cors]", "hopgate_stored_plugins = allow")
    status, answer = admin.ask("POST", "/services", {"name": "s", "host": "h"})
    assert status == 400 and "plugins[cors]" in answer["message"], answer
    identity = admin.must("GET", "/plugins")["data"][0]["id"]
    admin.must("PATCH", f"/plugins/{identity}", {"enabled": False})
    admin.must("POST", "/services", {"name": "s", "host": "h"})


def test_refusing_them_is_the_rule(lab):
    hop = admin_hop(lab).start()
    Admin(lab, hop).must("POST", "/plugins", {"name": "cors", "config": {}, "enabled": False})
    assert hop.stop() == 0
    enable_by_hand(hop)
    assert hop.spawn().wait_exit() != 0
    assert "plugins[cors]" in hop.stderr() and "this version of hopgate runs no plugins" in hop.stderr()
    with hop.conf_path.open("a") as conf:
        conf.write("hopgate_stored_plugins = allow\n")
    restart(hop)
    assert Admin(lab, hop).must("GET", "/plugins")["data"][0]["enabled"]


# ---- a store that somebody has written to by hand --------------------------------------------------

@pytest.mark.parametrize("was, now, said", [
    ('"tags":null', '"tags":[1]', "its 'tags' cannot be read (expected a text)"),
    ('"port":80', '"port":"80"', "its 'port' cannot be read (expected a number)"),
])
def test_a_row_that_makes_no_sense_is_named_and_traffic_goes_on(lab, was, now, said):
    origin = lab.origin(content=b"the origin")
    hop = admin_hop(lab).start()
    admin = Admin(lab, hop)
    service = admin.must("POST", "/services", {"name": "s", "host": "127.0.0.1", "port": origin.port})
    admin.must("POST", "/routes", {"paths": ["/"], "service": {"id": service["id"]}})
    admin.must("POST", "/services", {"name": "other", "host": "h"})
    with sqlite3.connect(hop.prefix / "hopgate.db") as store:
        store.execute("UPDATE entities SET json = replace(json, ?, ?) WHERE json LIKE '%\"other\"%'", (was, now))
    store.close()
    assert hop.error_log.wait_for("what another process has written cannot be read: services[", said)
    assert lab.client(hop).get("/").content == b"the origin"
    assert admin.ask("POST", "/services", {"name": "new", "host": "h"})[0] == 500
    assert admin.must("GET", "/services/s")["id"] == service["id"]
    with sqlite3.connect(hop.prefix / "hopgate.db") as store:
        store.execute("UPDATE entities SET json = replace(json, ?, ?)", (now, was))
    store.close()
    admin.must("POST", "/services", {"name": "new", "host": "h"})
    assert lab.client(hop).get("/").content == b"the origin"
