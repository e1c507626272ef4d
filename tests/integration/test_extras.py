"""hopgate_extras_file: the hopgate: object of a hop whose entities are in a store, where they come and go."""
import json
import signal

import pytest

from lab.admin import Admin, admin_hop
from lab.client import run
from lab.lab import service_to
from lab.wait import wait_until
from test_admin_listener import mutual
from test_admin_publish import Writer, content_of, restart, route_everything
from test_reload import reload, rewrite

FIELDS = """\
hopgate:
  fields:
  - {service: s, request: [{set: X-Extra, value: "VALUE"}]}
"""


class Extras:
    """The file, and a hop that reads it."""

    def __init__(self, lab, text, conf=None):
        self.lab = lab
        self.path = lab.directory / "extras.yaml"
        self.path.write_text(text)
        self.hop = admin_hop(lab, {"hopgate_extras_file": self.path, **(conf or {})})

    def start(self):
        self.hop.start()
        return self

    @property
    def admin(self):
        return Admin(self.lab, self.hop)

    def write(self, text):
        self.path.write_text(text)
        reload(self.hop)

    def check(self):
        return run(*self.hop.command("check"), env=self.hop.env)


def sent_field(lab, hop, origin, name="X-Extra"):
    lab.client(hop).get("/")
    return origin.requests[-1].fields.get(name)


# ---- entities come and go ------------------------------------------------------------------------

def test_an_entry_waits_for_its_service_and_outlives_it(lab):
    origin = lab.origin(content=b"one")
    extras = Extras(lab, FIELDS).start()
    assert f"{extras.path}:3:15: warning: hopgate.fields[0].service: the store has no service 's' (yet)" \
        in extras.hop.stderr()
    admin = extras.admin
    route_everything(admin, origin)
    assert sent_field(lab, extras.hop, origin) == "VALUE"
    admin.must("PATCH", "/services/s", {"retries": 1})
    assert sent_field(lab, extras.hop, origin) == "VALUE"
    admin.must("DELETE", "/routes/s")
    admin.must("DELETE", "/services/s")
    extras.hop.error_log.wait_for("extras.yaml:3:15", "no service 's'")
    route_everything(admin, origin, name="other")
    assert sent_field(lab, extras.hop, origin) is None
    route_everything(admin, origin, path="/longer")
    lab.client(extras.hop).get("/longer")
    assert origin.requests[-1].fields.get("X-Extra") == "VALUE"
    assert extras.hop.stop() == 0
    restart(extras.hop)
    lab.client(extras.hop).get("/longer")
    assert origin.requests[-1].fields.get("X-Extra") == "VALUE"


def test_a_service_may_be_named_by_its_id(lab):
    origin = lab.origin(content=b"one")
    identity = "0c61b1c1-1111-4000-8000-000000000001"
    extras = Extras(lab, FIELDS.replace("service: s", f"service: {identity}")).start()
    extras.admin.must("PUT", f"/services/{identity}", {"host": "127.0.0.1", "port": origin.port})
    extras.admin.must("POST", "/routes", {"paths": ["/"], "service": {"id": identity}})
    assert sent_field(lab, extras.hop, origin) == "VALUE"


def test_two_entries_for_one_service_are_told_and_stop_nothing(lab):
    """By name and by id: only the store knows that they are the same."""
    origin = lab.origin(content=b"one")
    identity = "0c61b1c1-1111-4000-8000-000000000001"
    text = FIELDS + f'  - {{service: {identity}, request: [{{set: X-Extra, value: "other"}}]}}\n' \
        f"  limits:\n  - {{service: s, max_requests: 5}}\n  - {{service: {identity}, max_requests: 6}}\n"
    extras = Extras(lab, text).start()
    extras.admin.must("PUT", f"/services/{identity}", {"name": "s", "host": "127.0.0.1", "port": origin.port})
    extras.admin.must("POST", "/routes", {"paths": ["/"], "service": {"id": identity}})
    assert sent_field(lab, extras.hop, origin) == "VALUE"
    extras.hop.error_log.wait_for("extras.yaml:4:5", "has an entry already")
    extras.hop.error_log.wait_for("extras.yaml:7:5", "has limits already")


def test_entries_of_every_kind_wait(lab):
    """What they say is in force once the upstream, its target and the service are there."""
    origin, away = lab.origin(content=b"one"), lab.refusing_port().port
    extras = Extras(lab, f"""\
hopgate:
  proxy_protocol: [{{service: p, version: v1}}]
  slow_start: [{{upstream: up, seconds: 2}}]
  limits: [{{service: s, max_requests: 7}}]
  health: [{{upstream: up, monitor: {{type: tcp, interval: 5, timeout: 16}}}}]
  balancing:
  - {{upstream: up, algorithm: least-connections,
     members: [{{target: "127.0.0.1:{origin.port}", priority_group: 2}}, {{target: "127.0.0.1:{away}"}}]}}
""").start()
    for name in ("service 'p'", "upstream 'up'", "service 's'"):
        assert f"the store has no {name} (yet)" in extras.hop.stderr()
    admin = extras.admin
    admin.must("POST", "/upstreams", {"name": "up"})
    admin.must("POST", "/upstreams/up/targets", {"target": f"127.0.0.1:{origin.port}"})
    extras.hop.error_log.wait_for("extras.yaml:8:", f"the upstream 'up' has no target '127.0.0.1:{away}'")
    admin.must("POST", "/upstreams/up/targets", {"target": f"127.0.0.1:{away}"})
    admin.must("POST", "/services", {"name": "s", "host": "up"})
    admin.must("POST", "/services/s/routes", {"paths": ["/"]})
    for _ in range(6):  # of the higher group alone, whatever the algorithm
        assert content_of(lab, extras.hop) == (200, b"one")
    admin.must("DELETE", "/routes/" + admin.must("GET", "/routes")["data"][0]["id"])
    admin.must("DELETE", "/services/s")
    admin.must("DELETE", "/upstreams/up")
    assert admin.ask("GET", "/upstreams/up")[0] == 404


def test_clients_are_verified_by_nobody_until_their_authority_is_there(lab):
    """Neither before it is there nor after it has gone does anybody come in without a certificate."""
    authority = lab.pki.clients.path("root.pem").read_text()
    identity = "0c61b1c1-1111-4000-8000-0000000000ca"
    origin = lab.origin(content=b"one")
    extras = Extras(lab, f"""\
hopgate:
  mtls: [{{snis: [edge.test], verify_client: required, verify_depth: 2, ca_certificates: [{identity}]}}]
""", {"proxy_listen": "127.0.0.1:0 ssl", "ssl_cert": lab.pki.chain("edge"), "ssl_cert_key": lab.pki.key("edge")}).start()
    assert "has no CA certificate" in extras.hop.stderr()
    admin = extras.admin
    route_everything(admin, origin)
    assert refusal(lab, extras.hop, None) and refusal(lab, extras.hop, "good")
    admin.must("PUT", f"/ca_certificates/{identity}", {"cert": authority})
    assert refusal(lab, extras.hop, None) and not refusal(lab, extras.hop, "good")
    admin.must("DELETE", f"/ca_certificates/{identity}")
    assert refusal(lab, extras.hop, None) and refusal(lab, extras.hop, "good")


def refusal(lab, hop, certificate):
    client = lab.client(hop, tls=mutual(lab, certificate), server_name="edge.test")
    answer = client.get("/")
    client.close()
    assert answer.status in (200, 400), answer
    return answer.status == 400


# ---- reload --------------------------------------------------------------------------------------

def test_a_reload_reads_it_again(lab):
    origin = lab.origin(content=b"one")
    extras = Extras(lab, FIELDS).start()
    route_everything(extras.admin, origin)
    extras.write(FIELDS.replace("VALUE", "second"))
    assert sent_field(lab, extras.hop, origin) == "second"
    extras.admin.must("PATCH", "/services/s", {"retries": 1})
    assert sent_field(lab, extras.hop, origin) == "second"
    extras.write("hopgate: {}\n")
    assert sent_field(lab, extras.hop, origin) is None


def test_a_bad_one_changes_nothing(lab):
    origin = lab.origin(content=b"one")
    extras = Extras(lab, FIELDS).start()
    route_everything(extras.admin, origin)
    extras.path.write_text(FIELDS.replace("VALUE", "${nonsense}").replace("set:", "put:"))
    extras.hop.signal(signal.SIGHUP)
    extras.hop.error_log.wait_for("reload: ", "extras.yaml:3:")
    extras.hop.error_log.wait_for("reload failed")
    extras.admin.must("PATCH", "/services/s", {"retries": 1})
    assert sent_field(lab, extras.hop, origin) == "VALUE"


def test_the_setting_itself_can_come_and_go(lab):
    origin = lab.origin(content=b"one")
    hop = admin_hop(lab).start()
    route_everything(Admin(lab, hop), origin)
    extras = lab.directory / "later.yaml"
    extras.write_text(FIELDS)
    rewrite(hop, hopgate_extras_file=extras)
    reload(hop)
    assert sent_field(lab, hop, origin) == "VALUE"
    rewrite(hop, hopgate_extras_file=None)
    reload(hop)
    Admin(lab, hop).must("PATCH", "/services/s", {"retries": 1})
    assert sent_field(lab, hop, origin) is None


def test_no_write_brings_a_former_one_back(lab):
    """Reloads and changes meet at any point."""
    origin = lab.origin(content=b"one")
    extras = Extras(lab, FIELDS).start()
    route_everything(extras.admin, origin)
    with Writer(lab, extras.hop) as writer:
        for i in range(8):
            extras.write(FIELDS.replace("VALUE", f"turn {i}"))
            done = len(writer.done)
            assert sent_field(lab, extras.hop, origin) == f"turn {i}"
            wait_until(lambda: len(writer.done) > done + 1 or writer.bad, "more changes to be in force")
            assert sent_field(lab, extras.hop, origin) == f"turn {i}"
    assert not writer.bad


# ---- mistakes ------------------------------------------------------------------------------------

MISTAKES = {
    "a service twice": (
        "hopgate:\n  limits:\n  - {service: s, max_requests: 1}\n  - {service: s, max_requests: 2}\n",
        ":4:15: error: hopgate.limits[1].service: the service 's' has an entry already"),
    "an unknown key": ("hopgate:\n  limit: []\n", ":2:3: error: hopgate.limit: unknown field; did you mean 'limits'?"),
    "an entity": ("services:\n- {name: s, host: h}\n", ":1:1: error: services: only hopgate: stands in this file"),
    "no mapping": ("- x\n", ":1:1: error: expected an object"),
    "a version of long ago": ("_format_version: '0.1'\nhopgate: {}\n", ":1:18: error: _format_version: "),
    "tlvs of v1": ("hopgate:\n  proxy_protocol: [{service: nobody, version: v1, tlvs: [alpn]}]\n",
                   ":2:20: error: hopgate.proxy_protocol[0]: version v1 has no room for tlvs"),
    "an unknown variable": (FIELDS.replace("VALUE", "$nonsense"), "unknown variable '$nonsense'"),
    "a queue for nobody": ("hopgate:\n  balancing: [{upstream: up, queue: {max: 5}}]\n", "no target has a limit to wait for"),
    "a monitor that does not fit itself": (
        "hopgate:\n  health: [{upstream: up, monitor: {type: tls, send: x}}]\n", "type tls ends with the handshake"),
    "a CRL that is not there": (
        "hopgate:\n  mtls: [{snis: [a.test], verify_client: optional_no_ca, crl: /nowhere.pem}]\n", "/nowhere.pem"),
    "the hop twice": ("hopgate:\n  fields: [{request: [{remove: X-A}]}, {request: [{remove: X-B}]}]\n",
                      "the hop (without 'service' or 'route') has an entry already"),
    "no text": ("hopgate: [", "extras.yaml:"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_check_and_run_tell_mistakes_at_their_place(lab, name):
    """Of entities that the store does not have as well: later would be too late."""
    text, message = MISTAKES[name]
    extras = Extras(lab, text, {"proxy_listen": "127.0.0.1:0 ssl"})
    done = extras.check()
    assert done.code == 78 and message in done.err and str(extras.path) in done.err, done.err
    hop = extras.hop.spawn()
    lab.expect_bad_end.add(hop)
    assert hop.wait_exit() == 78
    assert message in hop.stderr()


def test_check_does_not_complain_of_what_only_the_store_can_tell(lab):
    extras = Extras(lab, FIELDS)
    done = extras.check()
    assert (done.code, done.err) == (0, "")


def test_it_goes_with_a_store_only(lab, hopgate, tmp_path):
    conf = tmp_path / "kong.conf"
    conf.write_text(f"prefix = {tmp_path}\nhopgate_extras_file = {tmp_path}/extras.yaml\n")
    done = hopgate("check", "-c", str(conf))
    assert done.code == 78 and "extras.yaml" in done.err and "cannot be read" in done.err
    file = tmp_path / "kong.yaml"
    file.write_text(json.dumps({"_format_version": "3.0"}))
    done = hopgate("check", "-c", str(conf), str(file))
    assert done.code == 78 and "kong.conf:2:23: error: hopgate_extras_file: is for entities in the store" in done.err


# ---- dump ----------------------------------------------------------------------------------------

def test_a_dump_has_it(lab, hopgate):
    origin = lab.origin(content=b"one")
    extras = Extras(lab, FIELDS + "  limits: [{service: gone, max_requests: 1}]\n").start()
    route_everything(extras.admin, origin)
    dump = hopgate("config", "dump", "-c", str(extras.hop.conf_path))
    assert dump.code == 0 and "the store has no service 'gone'" in dump.err
    extras.write(FIELDS)
    dump = hopgate("config", "dump", "-c", str(extras.hop.conf_path))
    assert (dump.code, dump.err) == (0, "")
    path = lab.directory / "dump.yaml"
    path.write_text(dump.out)
    done = hopgate("check", str(path))
    assert done.code == 0, done.err
    assert "X-Extra" in dump.out


# ---- without a store -----------------------------------------------------------------------------

def test_what_is_posted_to_a_hop_without_a_store_has_its_own(lab):
    origin = lab.origin(content=b"one")
    document = {"_format_version": "3.0", **service_to(origin)}
    hop = lab.hop(document, conf={"admin_listen": "127.0.0.1:0"})
    assert sent_field(lab, hop, origin) is None
    document["hopgate"] = {"fields": [{"service": "main", "request": [{"set": "X-Extra", "value": "posted"}]}]}
    Admin(lab, hop).must("POST", "/config", document)
    assert sent_field(lab, hop, origin) == "posted"
