"""database = off: the declarative file through the Admin API, and a whole configuration at once by POST /config."""
import hashlib
import json
import pathlib
import signal
import uuid

import pytest

from lab.admin import ADMIN, Admin, admin_hop
from lab.wait import wait_until
from test_reload import rewrite

FILE = """
_format_version: "3.0"
services:
- name: my-service
  url: http://127.0.0.1:PORT
  routes:
  - {name: my-route, paths: [/a]}
  plugins:
  - {name: key-auth, enabled: false}
consumers:
- username: my-user
  tags: [a, "yes", "1.5"]
  keyauth_credentials: [{key: k1, ttl: 100000}]
  basicauth_credentials: [{username: u, password: p}]
  hmacauth_credentials: [{username: h, secret: s}]
  jwt_secrets: [{key: j, secret: s}]
  oauth2_credentials: [{name: o, client_id: c, client_secret: s, redirect_uris: ["http://a.test"]}]
  acls: [{group: g}]
upstreams:
- name: up
  targets: [{target: "127.0.0.1:80"}, {target: "[::1]:81", weight: 1}]
plugins:
- {name: rate-limiting, enabled: false, service: my-service, config: {minute: 5}}
- {name: cors, enabled: false}
vaults: [{name: env, prefix: my-env, config: {prefix: X_}}]
key_sets: [{name: ks, keys: [{name: k, kid: "1", jwk: '{"kid": "1", "kty": "oct", "k": "c2VjcmV0"}'}]}]
hopgate: {slow_start: [{upstream: up, seconds: 10}]}
"""
ENTITIES = ["services", "routes", "plugins", "consumers", "key-auths", "basic-auths", "hmac-auths", "jwts", "oauth2",
            "acls", "upstreams", "vaults", "keys", "key-sets", "certificates", "snis", "ca_certificates"]


def hop_of(lab, text, conf=None):
    """A hop with that declarative file."""
    return lab.make_hop(text, conf={**ADMIN, "database": "off", **(conf or {})})


def shop(lab, origin, content=FILE):
    return hop_of(lab, content.replace("PORT", str(origin.port)))


def content_of(lab, hop, path):
    client = lab.client(hop)
    answer = client.get(path)
    client.close()
    return answer.status, answer.content


def all_of(admin):
    return {kind: admin.must("GET", f"/{kind}?size=1000")["data"] for kind in ENTITIES}


def config_of(admin):
    return admin.must("GET", "/config")["config"]


def test_the_files_entities_are_shown_and_cannot_be_changed(lab):
    origin = lab.origin(content=b"one")
    hop = shop(lab, origin).start()
    admin = Admin(lab, hop)
    shown = all_of(admin)
    assert {kind: len(rows) for kind, rows in shown.items() if rows} == {
        "services": 1, "routes": 1, "plugins": 3, "consumers": 1, "key-auths": 1, "basic-auths": 1, "hmac-auths": 1,
        "jwts": 1, "oauth2": 1, "acls": 1, "upstreams": 1, "vaults": 1, "keys": 1, "key-sets": 1}
    assert shown["services"][0]["id"] == "0855b320-0dd2-547d-891d-601e9b38647f"
    assert shown["routes"][0]["id"] == "481a9539-f49c-51b6-b2e2-fe99ee68866c"
    assert shown["consumers"][0]["id"] == "4b1b701d-de2b-5588-9aa2-3b97061d9f52"
    assert len(admin.must("GET", "/upstreams/up/targets")["data"]) == 2
    for method, path, said in [
            ("POST", "/services", "cannot create 'services' entities when not using a database"),
            ("PUT", "/routes/" + shown["routes"][0]["id"],
             "cannot create or update 'routes' entities when not using a database"),
            ("PATCH", "/routes/my-route", "cannot update 'routes' entities by 'name' when not using a database"),
            ("DELETE", "/consumers/" + shown["consumers"][0]["id"],
             "cannot remove 'consumers' entities when not using a database")]:
        status, answer = admin.ask(method, path, {"name": "x"})
        assert (status, answer["code"], answer["message"]) == (405, 12, said)


def test_what_is_read_can_be_posted_and_is_the_same(lab):
    origin = lab.origin(content=b"one")
    hop = shop(lab, origin).start()
    admin = Admin(lab, hop)
    before, entities = config_of(admin), all_of(admin)
    assert before.startswith("_format_version: '3.0'\n_transform: false\n")
    flat = admin.must("POST", "/config", {"config": before})
    assert flat["services"]["0855b320-0dd2-547d-891d-601e9b38647f"]["port"] == origin.port
    assert set(flat["targets"]) == {target["id"] for target in admin.must("GET", "/upstreams/up/targets")["data"]}
    after = config_of(admin)
    differ = [(a, b) for a, b in zip(before.splitlines(), after.splitlines()) if a != b]
    assert all(a.strip().startswith("ttl:") for a, _ in differ), differ  # time goes on
    for rows in (entities, again := all_of(admin)):
        rows["key-auths"][0].pop("ttl")
    assert again == entities
    assert content_of(lab, hop, "/a") == (200, b"one")


def test_a_posted_configuration_is_in_force_before_it_is_answered(lab):
    origins = [lab.origin(content=b"one"), lab.origin(content=b"two")]
    hop = shop(lab, origins[0]).start()
    admin = Admin(lab, hop)
    first_hash = admin.must("GET", "/status")["configuration_hash"]
    for i in range(20):
        port = origins[(i + 1) % 2].port
        admin.must("POST", "/config", {"_format_version": "3.0", "services": [
            {"name": "other", "host": "127.0.0.1", "port": port, "routes": [{"paths": ["/b"]}]}]})
        assert content_of(lab, hop, "/b") == (200, [b"one", b"two"][(i + 1) % 2])
    assert content_of(lab, hop, "/a")[0] == 404
    assert [service["name"] for service in admin.must("GET", "/services")["data"]] == ["other"]
    assert admin.must("GET", "/consumers")["data"] == []
    status = admin.must("GET", "/status")
    assert "database" not in status and status["configuration_hash"] not in (first_hash, "0" * 32)


def test_after_a_reload_the_file_counts_again(lab):
    origin = lab.origin(content=b"one")
    hop = shop(lab, origin).start()
    admin = Admin(lab, hop)
    before = admin.must("GET", "/status")["configuration_hash"]
    admin.must("POST", "/config", {"_format_version": "3.0"})
    assert content_of(lab, hop, "/a")[0] == 404
    hop.process.send_signal(signal.SIGHUP)
    wait_until(lambda: content_of(lab, hop, "/a") == (200, b"one"), "the file's route")
    wait_until(lambda: len(admin.must("GET", "/consumers")["data"]) == 1, "the file's consumer")
    assert admin.must("GET", "/status")["configuration_hash"] == before


def test_the_same_text_again_changes_nothing(lab):
    hop = hop_of(lab, '_format_version: "3.0"\n').start()
    admin = Admin(lab, hop)
    text = '_format_version: "3.0"\nservices: [{name: s, host: h}]\n'
    assert admin.ask("POST", "/config?check_hash=1", {"config": text})[0] == 201
    assert admin.ask("POST", "/config?check_hash=1", {"config": text}) == (304, None)
    assert admin.ask("POST", "/config", {"config": text})[0] == 201
    assert admin.ask("POST", "/config?check_hash=1", {"config": text + "\n"})[0] == 201


ONE = b'_format_version: "3.0"\nservices: [{name: s, host: h}]\n'
IN_A_FORM = b"config=_format_version%3A+%223.0%22%0Aservices%3A+%5B%7Bname%3A+s%2C+host%3A+h%7D%5D"


def part(name, content, more=""):
    return (f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n--x--\r\n")


@pytest.mark.parametrize("kind, content", [
    ("application/yaml", ONE),
    ("text/yaml", ONE),
    ("text/yaml; charset=utf-8", json.dumps({"_format_version": "3.0", "services": [{"name": "s", "host": "h"}]}).encode()),
    ("application/x-www-form-urlencoded", IN_A_FORM),
    ("multipart/form-data; boundary=x", part("config", ONE)),
    ("multipart/form-data; boundary=x", part("config", ONE, '; filename="kong.yml"\r\nContent-Type: text/plain')),
    ("application/json", b'{"_format_version": "3.0", "services": [{"name": "s", "host": "h"}]}'),
    ("application/json", b'{"_format_version": "3.0", "services": [{"name": "s", "host": "h"}], "flatten_errors": true, "check_hash": "1"}'),
    ("application/json", json.dumps({"config": '{"_format_version": "3.0", "services": [{"name": "s", "host": "h"}]}'})
     .encode()),
])
def test_all_the_ways_to_send_it(lab, kind, content):
    hop = hop_of(lab, '_format_version: "3.0"\n').start()
    admin = Admin(lab, hop)
    client = admin.connect()
    answer = client.request("POST", "/config", fields=[("Content-Type", kind)], content=content)
    assert answer.status == 201 and list(json.loads(answer.content)) == ["services"]
    assert [service["name"] for service in admin.must("GET", "/services")["data"]] == ["s"]


def test_the_hash_is_that_of_the_text(lab):
    """As Kong's: MD5, and only zeros while there is no entity."""
    hop = hop_of(lab, '_format_version: "3.0"\n').start()
    admin = Admin(lab, hop)

    def shown():
        return admin.must("GET", "/status")["configuration_hash"]
    assert shown() == "0" * 32
    text = ONE.decode()
    admin.must("POST", "/config", {"config": text})
    assert shown() == hashlib.md5(ONE).hexdigest()
    assert admin.ask("POST", "/config", {"config": text, "check_hash": 1}) == (304, None)
    assert admin.ask("POST", "/config?check_hash=true", {"config": text})[0] == 201
    assert admin.ask("POST", "/config?check_hash=1", {"config": text + "x"})[0] == 400
    document = {"_format_version": "3.0", "services": [{"name": "s", "host": "h"}]}
    assert [admin.ask("POST", "/config?check_hash=1", document)[0] for _ in range(2)] == [201, 201]
    admin.must("POST", "/config", {"config": '_format_version: "3.0"\nservices: []\nconsumers: {}\n'})
    assert shown() == "0" * 32


def test_the_hash_of_the_file_is_that_of_its_text(lab):
    text = ONE.decode()
    admin = Admin(lab, hop_of(lab, text).start())
    assert admin.must("GET", "/status")["configuration_hash"] == hashlib.md5(ONE).hexdigest()
    assert admin.ask("POST", "/config?check_hash=1", {"config": text}) == (304, None)


def test_older_formats_are_taken(lab):
    """Regexes get their ~, in a file and by POST /config; what is shown is of format 3.0."""
    origin = lab.origin(content=b"one")
    text = FILE.split("upstreams:")[0].replace("PORT", str(origin.port)).replace("/a]", '"/a\\\\d+$"]')
    hop = hop_of(lab, text.replace('"3.0"', '"2.1"')).start()
    admin = Admin(lab, hop)
    assert admin.must("GET", "/routes/my-route")["paths"] == ["~/a\\d+$"]
    assert [content_of(lab, hop, path)[0] for path in ("/a12", "/ax")] == [200, 404]
    assert config_of(admin).startswith("_format_version: '3.0'\n")
    admin.must("POST", "/config", {"config": text.replace('"3.0"', '"1.1"').replace("/a", "/b")})
    assert [content_of(lab, hop, path)[0] for path in ("/b12", "/a12")] == [200, 404]


def test_what_does_not_fit_is_413(lab):
    hop = hop_of(lab, ONE.decode(), conf={"lmdb_map_size": "20k"}).start()
    admin = Admin(lab, hop)
    many = {"_format_version": "3.0", "services": [{"name": f"s{i}", "host": "h"} for i in range(100)]}
    assert admin.ask("POST", "/config", many) == (413, {
        "message": 'Configuration does not fit in LMDB database, consider raising the "lmdb_map_size" config for Kong'})
    assert [service["name"] for service in admin.must("GET", "/services")["data"]] == ["s"]
    admin.must("POST", "/config", {**many, "services": many["services"][:10]})


def test_while_the_hop_ends_nothing_is_taken(lab):
    """Nobody is told that a configuration is in force that never will be."""
    hop = hop_of(lab, ONE.decode(), conf={"nginx_worker_processes": "1"}).start()
    admin = Admin(lab, hop)
    client = admin.connect()
    admin.must("GET", "/")  # the same listener has accepted it later, so the client was accepted too
    hop.signal(signal.SIGTERM)
    hop.error_log.wait_for("draining")
    answer = client.request("POST", "/config", fields=[("Content-Type", "application/yaml")], content=ONE)
    assert (answer.status, json.loads(answer.content)) == (503, {"message": "Kong currently exiting"})
    assert hop.wait_exit() == 0


def test_with_a_database_there_is_no_such_endpoint(lab):
    admin = Admin(lab, admin_hop(lab).start())
    said = {"message": "this endpoint is only available when Kong is configured to not use a database"}
    assert admin.ask("GET", "/config") == (400, said)
    assert admin.ask("POST", "/config", {"_format_version": "3.0"}) == (400, said)


# ---- mistakes ------------------------------------------------------------------------------------

DATA = pathlib.Path(__file__).parents[1] / "data"
PEM = json.loads((DATA / "kong-dao-certificates.json").read_text())


def with_pem(value):
    """Rows have "@cert" and "@key"."""
    if isinstance(value, dict):
        return {key: with_pem(item) for key, item in value.items()}
    return [with_pem(item) for item in value] if isinstance(value, list) else \
        PEM[value[1:]] if value in ("@cert", "@key") else value


CASES = [{**row, "document": with_pem(row["document"])}
         for row in json.loads((DATA / "kong-declarative-flat.json").read_text())]
ERRORS = json.loads((DATA / "kong-declarative-errors.json").read_text())
MISTAKES = [*ERRORS, *(row for row in CASES if "fields" in row and "@" not in json.dumps(row["fields"]))]
RIGHT = [row for row in CASES if "flat" in row]


@pytest.fixture
def admin_without_entities(lab):
    return Admin(lab, hop_of(lab, '_format_version: "3.0"\nservices: [{name: kept, host: h}]\n').start())


def test_what_is_wrong_is_said_as_kong_says_it_and_nothing_changes(admin_without_entities):
    admin = admin_without_entities
    for row in MISTAKES:
        status, answer = admin.ask("POST", "/config", row["document"])
        assert (status, answer["code"], answer["name"]) == (400, 14, "invalid declarative configuration"), row
        assert answer["fields"] == row["fields"], row
        assert answer["message"].startswith("declarative config is invalid: {"), row
    assert [service["name"] for service in admin.must("GET", "/services")["data"]] == ["kept"]


def leaves(tree):
    if isinstance(tree, str):
        return [tree]
    values = tree.values() if isinstance(tree, dict) else tree or []
    return [leaf for value in values if value is not None for leaf in leaves(value)]


# Kong asks first whether something has that primary key; a file's reader learns which reference it is.
TOLD_OTHERWISE = {"refers to nothing, and something else is wrong"}


@pytest.mark.parametrize("row", [row for row in MISTAKES if row["name"] not in TOLD_OTHERWISE], ids=lambda row: row["name"])
def test_check_says_the_same_at_the_place(hopgate, tmp_path, row):
    path = tmp_path / "k.json"
    path.write_text(json.dumps(row["document"], indent=1))
    done = hopgate("check", str(path))
    assert done.code == 78, done
    for text in leaves(row["fields"]):
        lines = [line for line in done.err.splitlines() if text in line]
        assert lines and lines[0].startswith(f"{path}:"), (text, done.err)


def test_what_kong_takes_is_taken(lab):
    """What comes out is for tests/unit/config/test_flatten.c to say."""
    admin = Admin(lab, hop_of(lab, '_format_version: "3.0"\n').start())
    for row in RIGHT:
        flat = admin.must("POST", "/config", row["document"])
        assert {kind: len(rows) for kind, rows in row["flat"].items() if rows != "@absent"}.items() <= \
            {kind: len(rows) for kind, rows in flat.items()}.items(), row["name"]


def flawed_certificates(pki):
    """An entity with each flaw, as {list: entity} and what is said of it."""
    edge, other = pki.certificate("edge"), pki.certificate("origin")
    pair = {"cert": edge["cert"], "key": edge["key"]}
    return [
        ("certificates", {**pair, "cert": "/etc/ssl/edge.pem"}, "invalid certificate: no PEM text"),
        ("certificates", {**pair, "key": other["key"]}, "certificate does not match key"),
        ("certificates", {**pair, "cert_alt": edge["cert"]}, "all or none of these fields must be set: 'cert_alt', 'key_alt'"),
        ("certificates", {**pair, "key": "{vault://env/key}"}, "a vault reference is not supported by this version"),
        ("ca_certificates", {"cert": pki.leaf("edge").read_text()}, "certificate does not appear to be a CA"),
        ("ca_certificates", {"cert": pki.root.read_text() * 2}, "please submit only one certificate at a time"),
    ]


def test_flaws_of_certificates_have_the_same_words_everywhere(lab, hopgate, tmp_path):
    """check, POST /config, the Admin API with a store; and no hop starts or reloads with them."""
    hop = hop_of(lab, '_format_version: "3.0"\nservices: [{name: kept, host: h}]\n').start()
    admin, stored = Admin(lab, hop), Admin(lab, admin_hop(lab).start())
    for kind, entity, said in flawed_certificates(lab.pki):
        document = {"_format_version": "3.0", kind: [entity]}
        path = tmp_path / "k.json"
        path.write_text(json.dumps(document))
        done = hopgate("check", path)
        assert done.code == 78 and f": error: {kind}[0]" in done.err and said in done.err, done
        started = hopgate("run", path)
        assert started.code == 78 and said in started.err, started
        status, answer = admin.ask("POST", "/config", document)
        assert status == 400 and any(said in leaf for leaf in leaves(answer["fields"])), answer
        status, answer = stored.ask("POST", f"/{kind}", entity)
        assert status == 400 and any(said in leaf for leaf in leaves(answer["fields"])), answer
        reload_with(hop, document, said)
    assert [service["name"] for service in admin.must("GET", "/services")["data"]] == ["kept"]


def reload_with(hop, document, said):
    """It is refused, and the log says why."""
    before = len(hop.error_log.lines("reload failed"))
    rewrite(hop, json.dumps(document))
    hop.signal(signal.SIGHUP)
    wait_until(lambda: len(hop.error_log.lines("reload failed")) > before, lambda: f"a refusal:\n{hop.describe()}")
    assert said in hop.error_log.text()


def test_errors_of_each_entity_in_a_list(admin_without_entities):
    admin = admin_without_entities
    status, answer = admin.ask("POST", "/config?flatten_errors=1", {
        "_format_version": "3.0", "nonsense": 1,
        "services": [{"name": "good", "host": "h", "routes": [{"name": "r", "paths": ["x"], "tags": ["t"]}]},
                     {"name": "bad name", "host": "h", "tags": ["t2"], "port": 70000}]})
    assert (status, answer["code"], answer["fields"]) == (400, 14, {"nonsense": "unknown field"})
    by_type = {entry["entity_type"]: entry for entry in answer["flattened_errors"]}
    assert set(by_type) == {"route", "service"}
    route, service = by_type["route"], by_type["service"]
    assert (route["entity_name"], route["entity_tags"]) == ("r", ["t"]) and "entity_id" not in route
    assert len(route["entity"]["service"]["id"]) == 36
    assert {error["field"] for error in route["errors"]} == {"paths.1"}
    assert "entity_name" not in service and service["entity_tags"] == ["t2"]
    assert {(error["type"], error["field"]) for error in service["errors"]} == {("field", "name"), ("field", "port")}


@pytest.mark.parametrize("kind, content, said", [
    (None, b"", {"message": "expected a declarative configuration"}),
    ("application/json", b'{"config": 5}', {"message": "expected a declarative configuration"}),
    ("application/yaml", b"", {"message": "expected a declarative configuration"}),
    ("application/json", b"", {"message": "Cannot parse JSON body"}),
    ("application/json", b"{", {"message": "Cannot parse JSON body"}),
    ("application/json", b"{}", {"_format_version": "required field missing"}),
    ("application/json", b'{"services": []}', {"_format_version": "required field missing"}),
    ("application/json", b"[]", {"error": "failed parsing declarative configuration: expected an object"}),
    ("application/x-www-form-urlencoded", b"a=b",
     {"error": "failed parsing declarative configuration: expected an object"}),
    ("application/yaml", b"- 1", {"error": "failed parsing declarative configuration: expected an object"}),
])
def test_what_is_no_configuration(lab, admin_without_entities, kind, content, said):
    client = admin_without_entities.connect()
    answer = client.request("POST", "/config", fields=[("Content-Type", kind)] if kind else [], content=content)
    told = json.loads(answer.content)
    assert answer.status == 400 and (told if "message" in said else told["fields"]) == said, told
    assert "message" in said or told["code"] == 14


def test_other_kinds_of_content_and_methods(admin_without_entities):
    client = admin_without_entities.connect()
    answer = client.request("POST", "/config", fields=[("Content-Type", "text/plain")], content=ONE)
    assert (answer.status, answer.content) == (415, b"")
    for method in ("PUT", "PATCH", "DELETE"):
        assert admin_without_entities.ask(method, "/config", {})[0] == 405


@pytest.mark.parametrize("text", ["[]", "hello", "a: [", "{", ""])
def test_what_cannot_be_parsed(admin_without_entities, text):
    status, answer = admin_without_entities.ask("POST", "/config", {"config": text})
    assert (status, answer["code"]) == (400, 14)
    assert answer["fields"]["error"].startswith("failed parsing declarative configuration: ")


def test_what_this_hop_cannot_run_is_refused(admin_without_entities):
    status, answer = admin_without_entities.ask("POST", "/config", {
        "_format_version": "3.0", "services": [{"name": "s", "host": "h", "protocol": "grpc"}]})
    assert (status, answer["code"]) == (400, 14) and "grpc" in answer["message"]
    assert len(admin_without_entities.must("GET", "/services")["data"]) == 1


# ---- ids -----------------------------------------------------------------------------------------

KONG_NAMESPACE = uuid.UUID("fd02801f-0957-4a15-a55a-c8d9606f30b5")


def test_generated_ids_are_kongs(lab):
    admin = Admin(lab, hop_of(lab, '_format_version: "3.0"\n').start())
    for row in json.loads((DATA / "kong-declarative-ids.json").read_text()):
        flat = admin.must("POST", "/config", {"_format_version": "3.0", **row["document"]})
        ids = {entity: list(rows)[0] for entity, rows in flat.items()}
        wanted = row.get("id") or str(uuid.uuid5(uuid.uuid5(KONG_NAMESPACE, row["entity"]), row["key"].format(**ids)))
        assert ids[row["entity"]] == wanted, row


def test_what_has_no_key_has_an_id_of_its_own_each_time(lab):
    admin = Admin(lab, hop_of(lab, '_format_version: "3.0"\n').start())
    document = {"_format_version": "3.0", "services": [{"host": "a"}, {"host": "a"}]}
    ids = [key for _ in range(2) for key in admin.must("POST", "/config", document)["services"]]
    assert len(set(ids)) == 4


# ---- dumps ---------------------------------------------------------------------------------------

KINDS = [("consumers", "consumers"), ("services", "services"), ("routes", "routes"), ("upstreams", "upstreams"),
         ("certificates", "certificates"), ("snis", "snis"), ("ca_certificates", "ca_certificates"),
         ("plugins", "plugins"), ("vaults", "vaults"), ("key_sets", "key-sets"), ("keys", "keys"),
         ("keyauth_credentials", "key-auths"), ("hmacauth_credentials", "hmac-auths"), ("jwt_secrets", "jwts"),
         ("oauth2_credentials", "oauth2"), ("acls", "acls")]


def with_certificates(text, pki):
    """The file with certificates, in YAML's JSON."""
    mine = {"certificates": [{**pki.certificate("edge", "edge.test"), "tags": ["t"]}],
            "ca_certificates": [{"cert": pki.root.read_text()}]}
    return text + "".join(f"{kind}: {json.dumps(rows)}\n" for kind, rows in mine.items())


def stored_hop(lab, flat):
    """A hop whose store has these entities."""
    hop = admin_hop(lab).start()
    admin = Admin(lab, hop)
    for kind, path in KINDS:
        for key, row in flat.get(kind, {}).items():
            admin.must("PUT", f"/{path}/{key}", row)
    for row in flat["targets"].values():
        admin.must("POST", f"/upstreams/{row['upstream']['id']}/targets", row)
    return hop


def without_times(text):
    """A time to live goes on."""
    return [line for line in text.splitlines() if not line.strip().startswith("ttl:")]


def test_a_dump_is_a_file_that_gives_the_same_dump(lab, hopgate):
    """Of a store with every kind of entity, while the hop runs and when it does not."""
    origin = lab.origin(content=b"one")
    text = with_certificates(FILE.split("hopgate:")[0].replace("PORT", str(origin.port)), lab.pki)
    admin = Admin(lab, hop_of(lab, text).start())
    flat = admin.must("POST", "/config", {"config": text})
    assert len(flat) == 18
    hop = stored_hop(lab, flat)
    dump = hopgate("config", "dump", "--prefix", str(hop.prefix))
    assert (dump.code, dump.err) == (0, ""), dump
    assert hop.stop() == 0
    assert without_times(hopgate("config", "dump", "-c", str(hop.conf_path)).out) == without_times(dump.out)
    again = Admin(lab, hop_of(lab, dump.out).start())
    assert without_times(config_of(again)) == without_times(dump.out)
    again.must("POST", "/config", {"config": dump.out})
    assert without_times(config_of(again)) == without_times(dump.out)


def test_a_dump_in_json_is_the_same(lab, hopgate):
    hop = admin_hop(lab).start()
    Admin(lab, hop).must("POST", "/services", {"name": "s", "host": "127.0.0.1"})
    dump = json.loads(hopgate("config", "dump", "--json", "--prefix", str(hop.prefix)).out)
    assert dump["_format_version"] == "3.0" and dump["_transform"] is False
    assert [service["name"] for service in dump["services"]] == ["s"]
    again = Admin(lab, hop_of(lab, json.dumps(dump)).start())
    assert again.must("GET", "/services")["data"] == dump["services"]


def test_a_dump_of_what_is_not_there(hopgate, tmp_path):
    done = hopgate("config", "dump", "--prefix", str(tmp_path))
    assert done.code == 1 and "is this the hop's prefix" in done.err and list(tmp_path.glob("*.db")) == []
    assert hopgate("config").code == 64 and hopgate("config", "nonsense").code == 64
    conf = tmp_path / "kong.conf"
    conf.write_text("database = off\n")
    done = hopgate("config", "dump", "-c", str(conf))
    assert done.code == 78 and "there is no store with database = off" in done.err


# ---- run -----------------------------------------------------------------------------------------

def test_a_plugin_that_is_on_and_not_run_keeps_the_hop_from_starting(lab, hopgate):
    hop = hop_of(lab, '_format_version: "3.0"\nplugins: [{name: cors}]\n')
    done = hopgate("run", "-c", str(hop.conf_path), str(hop.config_path))
    assert done.code == 78
    assert "plugins[0].enabled: plugin 'cors' is not run by this version of hopgate; set enabled to false" in done.err
