"""/openapi.json: a good document, and true: what a tour over all paths is answered fits what it says."""
import json
import pathlib
import re

import pytest

from lab.admin import Admin, admin_hop

jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed")

METHODS = {"get", "put", "post", "delete", "patch"}
ABSENT = "00000000-0000-4000-8000-000000000000"
OFFICIAL = pathlib.Path(__file__).parents[1] / "data" / "openapi-3.1-schema.json"  # its $id says whose it is


@pytest.fixture(name="admin")
def started_admin(lab):
    return Admin(lab, admin_hop(lab).start())


@pytest.fixture(name="document")
def asked_document(admin):
    return admin.must("GET", "/openapi.json")


def references(value):
    """Every $ref below a value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from [item] if key == "$ref" and isinstance(item, str) else references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def at_pointer(document, reference):
    for word in reference.removeprefix("#/").split("/"):
        document = document[word.replace("~1", "/").replace("~0", "~")]
    return document


# ---- the document itself -------------------------------------------------------------------------

def test_the_document_is_of_openapi_3_1(document):
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    jsonschema.Draft202012Validator(json.loads(OFFICIAL.read_text())).validate(document)
    for reference in references(document):
        assert at_pointer(document, reference)
    for name, schema in document["components"]["schemas"].items():
        assert re.fullmatch(r"[a-zA-Z0-9._-]+", name)
        jsonschema.Draft202012Validator.check_schema(schema)
    for path, item in document["paths"].items():
        check_path(path, item)
    names = [operation["operationId"] for item in document["paths"].values() for operation in operations_of(item).values()]
    assert len(names) == len(set(names))
    told = {tag["name"] for tag in document["tags"]}
    assert all(set(operation["tags"]) <= told for item in document["paths"].values()
               for method, operation in operations_of(item).items() if method != "options")


def test_another_validator_finds_nothing(document):
    """No Debian package has it; it runs where somebody has installed it."""
    validator = pytest.importorskip("openapi_spec_validator", reason="did not run: openapi-spec-validator is not installed")
    assert not list(validator.OpenAPIV31SpecValidator(document).iter_errors())


def operations_of(item):
    return {method: operation for method, operation in item.items() if method != "parameters"}


def check_path(path, item):
    assert path.startswith("/")
    names = re.findall(r"\{([^}]*)\}", path)
    assert [(each["name"], each["in"], each["required"]) for each in item.get("parameters", [])] == \
        [(name, "path", True) for name in names], path
    operations = operations_of(item)
    assert METHODS & set(operations) and "options" in operations, path
    assert ("get" in operations) == ("head" in operations), path
    for method in METHODS & set(operations):
        operation = operations[method]
        assert operation["summary"], (path, method)
        assert {"401", "403", "500", "503"} <= set(operation["responses"]), (path, method)
        assert ("413" in operation["responses"]) == (method in ("put", "post", "patch")), (path, method)
        assert "default" not in operation["responses"], (path, method)


def test_every_plugin_is_described_with_its_own_fields(admin, document):
    """`config` is chosen by `name`; its fields are those of /schemas, old names beside them."""
    schemas = document["components"]["schemas"]
    names = admin.must("GET", "/plugins/enabled")["enabled_plugins"]
    for form in ("", ".input"):
        chosen = schemas[f"plugins{form}"]
        assert set(chosen["discriminator"]["mapping"]) == set(names)
        assert len(chosen["oneOf"]) == len(names)
    for name in names:
        told = next(field["config"] for field in admin.must("GET", f"/schemas/plugins/{name}")["fields"] if "config" in field)
        config = schemas[f"plugins.{name}.input"]["properties"]["config"]
        fields = {key for entry in [*told["fields"], *told.get("shorthand_fields", [])] for key in entry}
        assert set(config["properties"]) == fields, name
        assert schemas[f"plugins.{name}"]["properties"]["name"] == {"const": name}


def test_it_has_the_paths_that_the_node_tells_of(admin):
    document = admin.must("GET", "/openapi.json")
    listed = admin.must("GET", "/endpoints")["data"]
    assert set(listed) == set(document["paths"])
    assert listed == sorted(listed, key=lambda path: path.split("/"))  # by segments, as Kong's


class Tour:
    """Asks, and holds every answer against the document."""

    def __init__(self, admin):
        self.admin = admin
        self.document = admin.must("GET", "/openapi.json")
        self.seen = set()  # (template, method)
        self.resolver = jsonschema.RefResolver.from_schema(self.document)

    def template_of(self, path):
        """Of the document; the one with the fewest parameters."""
        bare = path.partition("?")[0]
        for template in sorted(self.document["paths"], key=lambda each: each.count("{")):
            if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", template.replace(".", r"\.")), bare):
                return template
        raise AssertionError(f"{path} is not in the document")

    def resolve(self, value):
        return at_pointer(self.document, value["$ref"]) if "$ref" in value else value

    def operation(self, method, path):
        template = self.template_of(path)
        operation = self.document["paths"][template].get(method.lower())
        assert operation, (method, path, "is not in the document")
        self.seen.add((template, method))
        return operation

    def check(self, operation, status, answer, about):
        """An answer, None where there is no content, against what the operation says of that status."""
        described = operation["responses"].get(str(status))
        assert described, (about, status, answer, "is not in the document")
        content = self.resolve(described).get("content", {})
        assert (answer is None) == (not content), (about, status, answer)
        if "application/json" in content:
            self.validator(content["application/json"]["schema"]).validate(answer)

    def validator(self, schema):
        return jsonschema.Draft202012Validator(schema, resolver=self.resolver)

    def ask(self, method, path, content=None):
        if path in ("/metrics", "/robots.txt"):  # no JSON
            answer = self.admin.connect().get(path)
            status, answer = answer.status, answer.content.decode()
        else:
            status, answer = self.admin.ask(method, path, content)
        self.check(self.operation(method, path), status, answer, (method, path, content))
        return status, answer

    def fits(self, method, path, content):
        """Whether the document says that this may be sent."""
        schema = self.operation(method, path)["requestBody"]["content"]["application/json"]["schema"]
        return self.validator(schema).is_valid(content)

    def make(self, path, content):
        status, entity = self.ask("POST", path, content)
        assert self.fits("POST", path, content), (path, content)
        assert status == 201, (path, status, entity)
        return entity


def some_of_everything(lab, tour):
    """{schema name: id}"""
    pki = lab.pki
    made = {}
    pem = {"cert": pki.chain("edge").read_text(), "key": pki.key("edge").read_text()}
    made["certificates"] = tour.make("/certificates", {**pem, "snis": ["a.example"], "tags": ["t"]})["id"]
    made["snis"] = tour.make("/snis", {"name": "b.example", "certificate": {"id": made["certificates"]}})["id"]
    made["ca_certificates"] = tour.make("/ca_certificates", {"cert": pki.root.read_text()})["id"]
    made["upstreams"] = tour.make("/upstreams", {"name": "u", "client_certificate": {"id": made["certificates"]}})["id"]
    made["targets"] = tour.make(f"/upstreams/{made['upstreams']}/targets", {"target": "127.0.0.1:9"})["id"]
    made["services"] = tour.make("/services", {"name": "s", "url": "https://127.0.0.1:9/x", "tags": ["t"],
                                               "client_certificate": {"id": made["certificates"]}})["id"]
    made["routes"] = tour.make("/routes", {"name": "r", "paths": ["/"], "headers": {"x-a": ["b"]},
                                           "service": {"id": made["services"]}})["id"]
    made["consumers"] = tour.make("/consumers", {"username": "c", "custom_id": "1"})["id"]
    below = f"/consumers/{made['consumers']}"
    made["plugins"] = tour.make("/plugins", {"name": "rate-limiting", "enabled": False, "config": {"minute": 5},
                                             "service": {"id": made["services"]}, "route": {"id": made["routes"]},
                                             "consumer": {"id": made["consumers"]}, "instance_name": "p"})["id"]
    made["keyauth_credentials"] = tour.make(f"{below}/key-auth", {"key": "k", "ttl": 5000})["id"]
    made["basicauth_credentials"] = tour.make(f"{below}/basic-auth", {"username": "b", "password": "p"})["id"]
    made["hmacauth_credentials"] = tour.make(f"{below}/hmac-auth", {"username": "h"})["id"]
    made["jwt_secrets"] = tour.make(f"{below}/jwt", {})["id"]
    made["acls"] = tour.make(f"{below}/acls", {"group": "g"})["id"]
    made["oauth2_credentials"] = tour.make(f"{below}/oauth2", {"name": "o", "redirect_uris": ["http://x.example/"]})["id"]
    made["oauth2_tokens"] = tour.make("/oauth2_tokens", {"credential": {"id": made["oauth2_credentials"]}, "expires_in": 5,
                                                         "service": {"id": made["services"]}})["id"]
    made["key_sets"] = tour.make("/key-sets", {"name": "ks"})["id"]
    made["keys"] = tour.make("/keys", {"name": "k", "kid": "1", "set": {"id": made["key_sets"]},
                                       "jwk": '{"kty": "oct", "kid": "1", "k": "YQ"}'})["id"]
    made["vaults"] = tour.make("/vaults", {"name": "env", "prefix": "my-env", "config": {"prefix": "a_"}})["id"]
    return made


WORDS = {"name": "services", "db_entity_name": "services", "tags": "t", "key": "x", "log_level": "notice", "address": "127.0.0.1:9"}


def real_path(template, made):
    words = {**WORDS, **made}
    if template in ("/plugins/schema/{name}", "/schemas/plugins/{name}"):
        words["name"] = "cors"
    if template == "/schemas/vaults/{name}":
        words["name"] = "env"
    return re.sub(r"\{([^}]*)\}", lambda match: words[match[1]], template)


@pytest.mark.timeout(600)  # some 500 requests, most of them changes
def test_real_answers_fit(lab, admin):
    tour = Tour(admin)
    made = some_of_everything(lab, tour)
    for template, item in tour.document["paths"].items():
        path = real_path(template, made)
        if "get" in item:
            status, answer = tour.ask("GET", path)
            assert status in (200, 400, 501) or path.startswith("/cache"), (path, status, answer)
            assert admin.connect().request("HEAD", path).status == status
        if "patch" in item and template != "/tags":
            status, answer = tour.ask("PATCH", path, {})
            assert status == 200, (path, status, answer)
            put_back(tour, path, answer)
        for method in sorted({"post", "put", "patch"} & set(item)):
            tour.ask(method.upper(), path, {"unknown": 1})  # a refusal fits, too
    for template, item in tour.document["paths"].items():
        if "delete" in item and template.endswith("}") and template.count("{") == 1:
            tour.ask("DELETE", re.sub(r"\{[^}]*\}", ABSENT, template))
    missing = {(template, method.upper()) for template, item in tour.document["paths"].items() for method in item
               if method in METHODS - {"delete"}} - tour.seen
    assert not missing


def put_back(tour, path, entity):
    """What was given may be put again (Kong's too)."""
    status, answer = tour.ask("PUT", path, {key: value for key, value in entity.items() if key != "ttl"})
    assert status == 200, (path, status, answer)
    assert answer["id"] == entity["id"], path


# ---- plugins of every kind -----------------------------------------------------------------------

NEEDED = {  # what their configs do not do without
    "acl": {"allow": ["g"]}, "file-log": {"path": "/tmp/x"}, "http-log": {"http_endpoint": "http://127.0.0.1:9/"},
    "ip-restriction": {"allow": ["10.0.0.0/8"]}, "oauth2": {"enable_client_credentials": True},
    "proxy-cache": {"strategy": "memory"}, "rate-limiting": {"minute": 5}, "redirect": {"location": "http://x.example/"},
    "response-ratelimiting": {"limits": {"video": {"minute": 5}}}, "standard-webhooks": {"secret_v1": "YWJj"},
    "tcp-log": {"host": "127.0.0.1", "port": 9}, "udp-log": {"host": "127.0.0.1", "port": 9},
}


@pytest.mark.timeout(600)
def test_plugins_of_every_kind_fit(admin):
    tour = Tour(admin)
    names = admin.must("GET", "/plugins/enabled")["enabled_plugins"]
    assert set(NEEDED) <= set(names)
    for name in names:
        content = {"name": name, "enabled": False, "config": NEEDED.get(name, {})}
        plugin = tour.make("/plugins", content)
        assert tour.ask("POST", "/schemas/plugins/validate", content)[0] == 200
        assert tour.ask("GET", f"/plugins/{plugin['id']}") == (200, plugin)
        for wrong in ({**content, "config": {"no-such": 1}}, {**content, "config": 5}, {**content, "surplus": 1}):
            assert not tour.fits("POST", "/plugins", wrong), wrong
            assert tour.ask("POST", "/plugins", wrong)[0] == 400, wrong
    assert not tour.fits("POST", "/plugins", {"name": "no-such"})
    status, page = tour.ask("GET", "/plugins?size=1000")
    assert (status, len(page["data"])) == (200, len(names))


# ---- what is refused -----------------------------------------------------------------------------

def raw_answer(admin, method, path, content, fields):
    client = admin.connect()
    client.send_what_is_taken(client.request_bytes(method, path, fields, content))
    answer = client.read_response(method)
    client.close()
    return answer.status, json.loads(answer.content) if answer.content else None


REFUSED = [
    (400, "POST", "/services", {"name": "x"}),  # 2: schema violation
    (400, "POST", "/services", {"id": "{services}", "host": "h"}),  # 3: primary key
    (400, "DELETE", "/services/s", None),  # 4: routes refer to it
    (409, "POST", "/services", {"name": "s", "host": "h"}),  # 5: unique
    (404, "PATCH", f"/services/{ABSENT}", {"host": "h"}),  # 6: not found
    (400, "GET", "/services?offset=x", None),  # 7
    (400, "GET", "/services?size=0", None),  # 9
    (400, "GET", "/services/a%20b", None),  # 10: invalid unique
    (400, "GET", "/services?tags=", None),  # 11: options
    (400, "POST", "/routes", {"paths": ["/"], "service": {"name": "no-such"}}),  # 13: unresolved
    (400, "GET", "/ca_certificates/x", None),  # 1: primary key
    (400, "POST", "/routes", {"paths": ["/x"], "service": {"id": ABSENT}}),  # 4: no such service
    (404, "GET", f"/routes/{ABSENT}", None),
    (404, "GET", "/consumers/c/acls/no-such", None),  # with a request_id
    (404, "DELETE", f"/consumers/c/acls/{ABSENT}", None),
    (404, "GET", "/schemas/no-such", None),
    (404, "POST", "/schemas/no-such/validate", {}),
    (400, "GET", "/status?unit=x", None),
    (405, "DELETE", "/routes/r/service", None),
    (400, "POST", "/tags", {}),
    (400, "GET", "/consumers?custom_id=", None),
    (400, "POST", "/config", {"_format_version": "3.0"}),  # only without a database
]


@pytest.mark.timeout(600)
def test_refusals_fit(lab, admin):
    tour = Tour(admin)
    made = some_of_everything(lab, tour)
    codes = set()
    for expected, method, path, content in REFUSED:
        content = json.loads(json.dumps(content).replace("{services}", made["services"]))
        status, answer = tour.ask(method, path, content)
        assert status == expected, (method, path, answer)
        codes.add(answer.get("code"))
    assert codes >= {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 13}
    operation = tour.operation("POST", "/services")
    for status, content, fields in [
            (415, b"x", [("Content-Type", "text/csv")]), (415, b"x", []), (400, b"{", [("Content-Type", "application/json")]),
            (400, b"x", [("Content-Type", "multipart/form-data")]),
            (403, b"{}", [("Content-Type", "application/json"), ("Origin", "https://elsewhere.example")]),
            (413, b"x" * 10_500_000, [("Content-Type", "application/json")])]:
        told = raw_answer(admin, "POST", "/services", content, fields)
        assert told[0] == status
        tour.check(operation, *told, (status, content[:10], fields))


def test_a_missing_token_fits(lab):
    token = "0123456789abcdef"
    admin = Admin(lab, admin_hop(lab, {"hopgate_admin_token": token}).start(), fields=[("Kong-Admin-Token", token)])
    tour = Tour(admin)
    assert tour.document["components"]["securitySchemes"]["token"]["name"] == "Kong-Admin-Token"
    told = raw_answer(admin, "GET", "/services", b"", [])
    assert told[0] == 401
    tour.check(tour.operation("GET", "/services"), *told, "no token")


def test_every_content_type_that_is_listed_is_taken(admin):
    tour = Tour(admin)
    kinds = tour.operation("POST", "/services")["requestBody"]["content"]
    sent = {
        "application/json": (b'{"name": "json", "host": "h"}', ""),
        "application/x-www-form-urlencoded": (b"name=form&host=h&client_certificate=", ""),
        "multipart/form-data": (b'--b\r\nContent-Disposition: form-data; name="host"\r\n\r\nh\r\n--b--\r\n', "; boundary=b"),
    }
    assert set(kinds) == set(sent)
    for kind, (content, parameter) in sent.items():
        told = raw_answer(admin, "POST", "/services", content, [("Content-Type", kind + parameter)])
        assert told[0] == 201, told
        tour.check(tour.operation("POST", "/services"), *told, kind)
    told = raw_answer(admin, "POST", "/schemas/plugins/validate", b"name=cors&config[max_age]=5&config[origins]=*",
                      [("Content-Type", "application/x-www-form-urlencoded")])
    assert told[0] == 200, told  # as the encoding of objects in forms says


# ---- without a database --------------------------------------------------------------------------

FILE = """
_format_version: "3.0"
services: [{name: s, host: h, tags: [t], routes: [{name: r, paths: [/]}]}]
"""


def test_answers_without_a_database_fit(lab):
    hop = lab.make_hop({"services": []}, conf={"admin_listen": "127.0.0.1:0"}).start()
    admin = Admin(lab, hop)
    tour = Tour(admin)
    kinds = tour.operation("POST", "/config")["requestBody"]["content"]
    document = {"_format_version": "3.0", "services": [{"name": "s", "host": "h"}]}
    broken = {"_format_version": "3.0", "services": [{"name": "s", "port": "x", "tags": ["t"]}], "no_such": 1}
    assert tour.fits("POST", "/config", document) and tour.fits("POST", "/config", {"config": "x"})
    assert not tour.fits("POST", "/config", {"services": []})
    assert tour.ask("POST", "/config", document)[0] == 201
    assert tour.ask("POST", "/config", {"config": FILE})[0] == 201
    assert tour.ask("POST", "/config?check_hash=1", {"config": FILE})[0] == 304
    assert tour.ask("POST", "/config", {})[0] == 400
    assert tour.ask("POST", "/config", broken)[0] == 400
    status, answer = tour.ask("POST", "/config?flatten_errors=1", broken)
    assert status == 400 and answer["flattened_errors"]
    for kind in ("application/yaml", "text/yaml"):
        assert kind in kinds
        told = raw_answer(admin, "POST", "/config", FILE.encode(), [("Content-Type", kind)])
        assert told[0] == 201, told
        tour.check(tour.operation("POST", "/config"), *told, kind)
    assert tour.ask("GET", "/config")[0] == 200
    for method, path, content in [("POST", "/services", {"host": "h"}), ("PUT", "/services/s", {"host": "h"}),
                                  ("PATCH", "/services/s", {"host": "h"}), ("DELETE", "/services/s", None)]:
        assert tour.ask(method, path, content)[0] == 405
