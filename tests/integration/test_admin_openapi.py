"""/openapi.json: a good document, and true: what a tour over all paths is answered fits what it says."""
import re

import pytest

from lab.admin import Admin, admin_hop

jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed")

METHODS = {"get", "put", "post", "delete", "patch"}
ABSENT = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(name="admin")
def started_admin(lab):
    return Admin(lab, admin_hop(lab).start())


def references(value):
    """Every $ref below a value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from [item] if key == "$ref" else references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_document_is_of_openapi_3_1(admin):
    document = admin.must("GET", "/openapi.json")
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"] and document["info"]["version"] and document["info"]["license"]["name"]
    assert set(document) <= {"openapi", "info", "paths", "components", "servers", "tags"}
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]
    for name, schema in document["components"]["schemas"].items():
        assert re.fullmatch(r"[a-zA-Z0-9._-]+", name)
        jsonschema.Draft202012Validator.check_schema(schema)
    for path, item in document["paths"].items():
        check_path(path, item)


def check_path(path, item):
    assert path.startswith("/")
    assert set(item) <= METHODS | {"parameters"}, path
    names = re.findall(r"\{([^}]*)\}", path)
    assert [(each["name"], each["in"], each["required"]) for each in item.get("parameters", [])] == \
        [(name, "path", True) for name in names], path
    assert METHODS & set(item), path
    for method in METHODS & set(item):
        operation = item[method]
        assert set(operation) <= {"responses", "parameters", "requestBody", "tags"}, (path, method)
        assert all(re.fullmatch(r"[1-5]\d\d|default", status) and answer["description"]
                   for status, answer in operation["responses"].items()), (path, method)
        assert all(each["in"] == "query" and each["schema"] for each in operation.get("parameters", []))


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

    def ask(self, method, path, content=None):
        if path in ("/metrics", "/robots.txt"):  # no JSON
            status, answer = self.admin.connect().get(path).status, None
        else:
            status, answer = self.admin.ask(method, path, content)
        template = self.template_of(path)
        operation = self.document["paths"][template].get(method.lower())
        assert operation, (method, path, "is not in the document", status)
        self.seen.add((template, method))
        described = operation["responses"].get(str(status), operation["responses"]["default"])
        schema = described.get("content", {}).get("application/json", {}).get("schema")
        if schema and answer is not None:
            jsonschema.Draft202012Validator(schema, resolver=self.resolver).validate(answer)
        return status, answer

    def make(self, path, content):
        status, entity = self.ask("POST", path, content)
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
