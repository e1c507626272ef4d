"""Every entity of Kong's, row by row (tests/data/kong-admin-entities.json): members, defaults, limits, what is unique,
what goes with what, and which path and method gives which status."""
import http.client
import itertools
import json
import pathlib
import re
import urllib.parse

import pytest

from lab.admin import admin_hop

DATA = pathlib.Path(__file__).parents[1] / "data"
TABLE = json.loads((DATA / "kong-admin-entities.json").read_text())["entities"]
PLUGINS = json.loads((DATA / "kong-plugin-defaults.json").read_text())["plugins"]
ABSENT = "00000000-0000-4000-8000-0000000000ff"
PARENTS = {"service": ("services", {"host": "h"}), "route": ("routes", {"paths": ["/"]}), "consumer": ("consumers", {"username": "parent-{}"}),
           "upstream": ("upstreams", {"name": "parent-{}"}), "certificate": ("certificates", {"cert": "$cert_pem", "key": "$key_pem"}),
           "key_set": ("key-sets", {}), "oauth2_credential": ("oauth2", {"name": "n", "consumer": {"id": "$consumer"}})}
KINDS = {"@uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "@text32": r"[0-9a-zA-Z]{32}", "@sha256": r"[0-9a-f]{64}", "@sha1": r"[0-9a-f]{40}"}


class Api:
    """The Admin API on one connection, and the parents that entities need, made when they are asked for."""

    numbers = itertools.count()

    def __init__(self, hop, pki):
        self.connection = http.client.HTTPConnection(*hop.admin_listeners["http"], timeout=60)
        self.texts = {"cert_pem": pki.leaf("edge").read_text(), "key_pem": pki.key("edge").read_text(),
                      "ca_pem": pki.root.read_text(), "other_ca_pem": pki.intermediate.read_text(),
                      "two_pems": pki.root.read_text() + pki.intermediate.read_text()}

    def ask(self, method, path, content=None):
        body = None if content is None else json.dumps(content).encode()
        self.connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = self.connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None

    def must(self, method, path, content=None):
        status, value = self.ask(method, path, content)
        assert status in (200, 201, 204), (method, path, content, status, value)
        return value

    def parent(self, name):
        """A new one: its row."""
        url, body = PARENTS[name]
        number = next(self.numbers)
        body = {key: value.format(number) if isinstance(value, str) and "{}" in value else value for key, value in body.items()}
        return self.must("POST", f"/{url}", self.filled(body))

    def filled(self, value):
        """With what "$x" stands for."""
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if not isinstance(value, str) or not value.startswith("$"):
            return value
        name = value[1:]
        if name not in self.texts:
            self.texts[name] = self.parent(name)["id"]
        return self.texts[name]


class Kind:
    """One entity of the table as requests see it."""

    def __init__(self, api, name):
        self.api, self.name, self.row = api, name, TABLE[name]
        self.body = api.filled(self.row["body"])
        self.parent = api.filled({key: {"id": value} for key, value in self.row.get("parent", {}).items()})

    @property
    def url(self):
        """Of the list; targets have one below their upstream only."""
        return f"/{self.row['url']}" if self.row["url"] else f"/upstreams/{self.api.filled('$upstream')}/targets"

    def wanted(self, **more):
        return {**self.body, **self.parent, **more}

    def make(self, **more):
        return self.api.must("POST", self.url, self.wanted(**more))

    def path(self, key):
        return f"{self.url}/{urllib.parse.quote(str(key), safe='')}"

    def remove(self, row):
        assert self.api.ask("DELETE", self.path(row["id"])) == (204, None)


@pytest.fixture(scope="module", name="api")
def started_api(module_lab):
    hop = admin_hop(module_lab, {"hopgate_duplicate_routes": "allow"}).start()  # all routes of the table have the same path
    return Api(hop, module_lab.pki)


@pytest.fixture(params=sorted(TABLE), name="kind")
def each_kind(api, request):
    return Kind(api, request.param)


def is_as_said(value, said):
    if said == "@time":
        return isinstance(value, (int, float)) and value > 1_700_000_000
    if isinstance(said, str) and said in KINDS:
        return isinstance(value, str) and re.fullmatch(KINDS[said], value) is not None
    return value == said and isinstance(value, bool) == isinstance(said, bool)


def like(value, number):
    """A value that nobody else has."""
    return f"{value}{number}"


# ---- members -------------------------------------------------------------------------------------

def test_an_answer_has_these_members_with_these_defaults(api, kind):
    row = kind.make()
    said = api.filled(kind.row["fields"])
    kind.remove(row)
    assert set(row) == set(said)
    assert {name: row[name] for name, value in said.items() if not is_as_said(row[name], value)} == {}


def said_of(answer, field):
    fields = answer.get("fields", {})
    return fields.get(field)


def test_what_is_wrong_is_said_of_the_field(api, kind):
    differences = []
    for field, value, said, *more in kind.row["wrong"]:
        content = {**kind.wanted(), **api.filled(more[0] if more else {}), field: api.filled(value)}
        content.pop("@entity", None)  # what is wrong with several fields is said there
        status, answer = api.ask("POST", kind.url, content)
        if status != 400 or answer["code"] != 2 or said_of(answer, field) != said:
            differences.append((field, value, said, status, answer))
        if isinstance(said, str) and status == 400 and f"{field}: {said}" not in answer["message"]:
            differences.append((field, value, "not in the message", answer["message"]))
    assert differences == []


def test_what_is_right_is_kept_as_sent(api, kind):
    differences = []
    for field, value, *more in kind.row["right"]:
        status, row = api.ask("POST", kind.url, {**kind.wanted(), **api.filled(more[0] if more else {}), field: value})
        if status != 201 or row[field] != value:
            differences.append((field, value, status, row))
            continue
        read = api.ask("GET", kind.path(row["id"]))
        if read[0] != 200 or {**read[1], "ttl": None} != {**row, "ttl": None}:
            differences.append((field, "read again", read, row))
        kind.remove(row)
    assert differences == []


# ---- what is unique ------------------------------------------------------------------------------

def test_unique_fields(api, kind):
    for field, value in kind.row["unique"].items():
        more = {field: value} if value else {}
        row = kind.make(**more)
        value = row[field]
        others = {name: like(other, 2) for name, other in {**kind.body, **kind.row["unique"]}.items()
                  if name in kind.row["unique"] and name != field and other}
        status, answer = api.ask("POST", kind.url, kind.wanted(**{**others, **more}))
        assert (status, answer) == (409, {"code": 5, "name": "unique constraint violation", "fields": {field: value},
                                          "message": f"UNIQUE violation detected on '{{{field}=\"{value}\"}}'"}), kind.name
        if value == kind.row["unique"][field] and "composite" not in kind.row:
            other = kind.make(**others, **{field: like(value, 3)})
            status, answer = api.ask("PATCH", kind.path(other["id"]), {field: value})
            assert (status, answer["code"]) == (409, 5)
            kind.remove(other)
        kind.remove(row)


@pytest.mark.parametrize("name", sorted(name for name, row in TABLE.items() if "composite" in row))
def test_unique_combinations(api, name):
    kind = Kind(api, name)
    names, more = kind.row["composite"]
    row = kind.make(**more)
    status, answer = api.ask("POST", kind.url, kind.wanted(**more))
    assert (status, answer["code"], answer["fields"]) == (409, 5, {name: row[name] for name in names})
    said = re.fullmatch(r"UNIQUE violation detected on '\{(.*)\}'", answer["message"])
    assert [part.partition("=")[0] for part in re.split(r",(?=\w+=)", said[1])] == sorted(names)
    kind.remove(row)


# ---- what goes with what ---------------------------------------------------------------------------

def singular(entity):
    return next(name for name, (url, _) in PARENTS.items() if url == {"key_sets": "key-sets", "oauth2_credentials": "oauth2"}.get(entity, entity))


def test_references(api, kind):
    for field, (entity, becomes) in kind.row["references"].items():
        extra = kind.row.get("with_reference", {})
        status, answer = api.ask("POST", kind.url if kind.row["url"] else f"/upstreams/{ABSENT}/targets",
                                 {**kind.wanted(**extra), field: {"id": ABSENT}})
        if kind.row["url"]:
            assert (status, answer) == (400, {
                "code": 4, "name": "foreign key violation", "fields": {field: {"id": ABSENT}},
                "message": f"the foreign key '{{id=\"{ABSENT}\"}}' does not reference an existing '{entity}' entity."}), field
        else:
            assert status == 404
        parent = api.parent(singular(entity))
        url = PARENTS[singular(entity)][0]
        own = kind.url if kind.row["url"] else f"/upstreams/{parent['id']}/targets"
        row = api.must("POST", own, {**kind.wanted(**extra), field: {"id": parent["id"]}})
        assert row[field] == {"id": parent["id"]}
        status, answer = api.ask("DELETE", f"/{url}/{parent['id']}")
        if becomes == "restrict":
            assert (status, answer) == (400, {"code": 4, "name": "foreign key violation", "fields": {"@referenced_by": kind.name},
                                              "message": f"an existing '{kind.name}' entity references this '{entity}' entity"})
            kind.remove(row)
            assert api.ask("DELETE", f"/{url}/{parent['id']}") == (204, None)
        else:
            assert status == 204
            assert api.ask("GET", f"{own}/{row['id']}")[0] == 404


def test_references_by_name(api, kind):
    for field, (entity, _) in kind.row["references"].items():
        above = TABLE[entity]
        for unique in above["unique"] if kind.row["url"] else ():
            content = {**kind.wanted(**kind.row.get("with_reference", {})), field: {unique: "nobody"}}
            status, answer = api.ask("POST", kind.url, content)
            message = f"foreign key unresolved ({field}.{unique}: the foreign key cannot be resolved with " \
                      f"'{{{unique}=\"nobody\"}}' for an existing '{entity}' entity)"
            assert (status, answer["code"], answer["name"], answer["message"]) == (400, 13, "foreign keys unresolved", message)
            parent = Kind(api, entity)
            there = parent.make(**{unique: f"by-name-{next(api.numbers)}"})
            row = api.must("POST", kind.url, {**content, field: {unique: there[unique]}})
            assert row[field] == {"id": there["id"]}
            kind.remove(row)
            parent.remove(there)


# ---- paths ---------------------------------------------------------------------------------------

def statuses(api, path, content):
    return {method: api.ask(method, path, content if method in ("POST", "PUT", "PATCH") else None)[0]
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE")}


def test_methods_of_its_own_paths(api, kind):
    if not kind.row["url"]:
        assert statuses(api, "/targets", {}) == dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), 404)
        return
    status, row = api.ask("POST", kind.url, kind.wanted())
    assert status == 201
    assert [api.ask(method, kind.url, {})[0] for method in ("PUT", "PATCH")] == [405, 405]
    assert api.ask("DELETE", kind.url) == (405, {"message": "Method not allowed"})
    assert api.ask("GET", f"{kind.url}/")[0] == 200
    for path in (kind.path(row["id"]), kind.path(row["id"].upper())):
        assert api.ask("GET", path)[0] == 200
        assert api.ask("POST", path, {})[0] == 405
        assert api.ask("PATCH", path, {"tags": ["x"]} if "tags" in row else {})[0] == 200
        status, put = api.ask("PUT", path, kind.wanted())
        assert (status, put["id"], put.get("tags")) == (200, row["id"], None)
    kind.remove(row)
    kind.remove(row)  # what is not there is gone as well
    assert api.ask("GET", kind.path(row["id"]))[0] == 404
    status, answer = api.ask("PATCH", kind.path(row["id"]), {})
    if kind.name == "plugins":
        assert (status, answer) == (404, {"message": "Not found"})
    else:
        message = f"could not find the entity with primary key '{{id=\"{row['id']}\"}}'"
        assert (status, answer) == (404, {"code": 6, "name": "not found", "message": message, "fields": {"id": row["id"]}})
    status, put = api.ask("PUT", kind.path(row["id"]), kind.wanted())  # never 201
    assert (status, put["id"]) == (200, row["id"])
    kind.remove(put)


def test_its_endpoint_key_stands_for_its_id(api, kind):
    key = kind.row["key"]
    if key is None and kind.name != "certificates":
        status, answer = api.ask("GET", kind.path("no-uuid"))
        assert (status, answer) == (400, {"code": 1, "name": "invalid primary key", "fields": {"id": "expected a valid UUID"},
                                          "message": "invalid primary key: '{id=\"expected a valid UUID\"}'"})
        return
    if key is None or not kind.row["url"]:
        return  # stories of their own: kong-admin-cases.json
    name = kind.row["unique"][key]
    body = {field: value for field, value in kind.wanted().items() if field != key}
    status, row = api.ask("PUT", kind.path(name), body)
    assert (status, row[key]) == (200, name)
    status, again = api.ask("PUT", kind.path(name), {**body, key: f"other-{name}"})
    assert (status, again["id"], again[key]) == (200, row["id"], name)
    assert api.ask("GET", kind.path(name))[1]["id"] == row["id"]
    status, changed = api.ask("PATCH", kind.path(name), {})
    assert (status, changed["id"]) == (200, row["id"])
    assert api.ask("DELETE", kind.path(name)) == (204, None)
    assert api.ask("DELETE", kind.path(name)) == (204, None)
    assert api.ask("GET", kind.path(name)) == (404, {"message": "Not found"})


def test_below_its_parents(api, kind):
    for parent_url, nested in kind.row.get("nested", {}).items():
        name = next(each for each, (url, _) in PARENTS.items() if url == parent_url)
        field = next(each for each, (entity, _) in kind.row["references"].items() if singular(entity) == name)
        here, elsewhere = api.parent(name)["id"], api.parent(name)["id"]
        path = f"/{parent_url}/{here}/{nested}"
        content = {key: value for key, value in kind.wanted(**kind.row.get("with_reference", {})).items() if key != field}
        assert api.ask("GET", path) == (200, {"data": [], "next": None})
        assert api.ask("GET", f"/{parent_url}/{ABSENT}/{nested}") == (404, {"message": "Not found"})
        assert api.ask("POST", f"/{parent_url}/{ABSENT}/{nested}", content)[0] == 404
        status, row = api.ask("POST", path, {**content, field: {"id": elsewhere}})
        assert (status, row[field]) == (201, {"id": here}), (path, row)
        assert [api.ask(method, path, {})[0] for method in ("PUT", "PATCH", "DELETE")] == [405, 405, 405]
        assert [each["id"] for each in api.ask("GET", path)[1]["data"]] == [row["id"]]
        one, other = f"{path}/{row['id']}", f"/{parent_url}/{elsewhere}/{nested}/{row['id']}"
        assert api.ask("GET", one)[0] == 200 and api.ask("POST", one, {})[0] == 405
        assert api.ask("PATCH", one, {})[0] == 200
        for method in ("GET", "PATCH", "DELETE"):  # it is another's
            assert api.ask(method, other, {} if method == "PATCH" else None) == (404, {"message": "Not found"}), method
        status, put = api.ask("PUT", one, {**content, field: {"id": elsewhere}})
        assert (status, put["id"], put[field]) == (200, row["id"], {"id": here})
        if kind.row["url"] and not kind.row.get("no_view"):
            view = f"{kind.path(row['id'])}/{field}"
            assert api.ask("GET", view)[1]["id"] == here
            assert api.ask("POST", view, {})[0] == 405
            assert api.ask("DELETE", view) == (405, {"message": "Method not allowed"})
        assert api.ask("DELETE", one) == (204, None)
        assert api.ask("DELETE", one) == (404, {"message": "Not found"})


def test_what_has_tags_is_found_by_them(api, kind):
    if "tags" not in kind.row["fields"]:
        return
    row = kind.make(tags=["of-" + kind.name.replace("_", "-"), "common"])
    tag = row["tags"][0]
    assert api.ask("GET", f"/tags/{tag}") == (200, {"data": [{"tag": tag, "entity_name": kind.name, "entity_id": row["id"]}], "next": None})
    if kind.row["url"]:
        for tags, ids in ((tag, [row["id"]]), (f"{tag},common", [row["id"]]), (f"{tag}/nobody", [row["id"]]), (f"{tag},nobody", [])):
            status, page = api.ask("GET", f"{kind.url}?tags={tags}")
            assert (status, [each["id"] for each in page["data"]]) == (200, ids), tags
    kind.remove(row)
    assert api.ask("GET", f"/tags/{tag}")[1]["data"] == []


# ---- plugins -------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_configuration_of_a_plugin(api, name):
    said = PLUGINS[name]
    config = said["least"]
    root = api.must("GET", "/")
    assert root["plugins"]["available_on_server"][name]["priority"] == said["priority"]
    row = api.must("POST", "/plugins", {"name": name, "enabled": False, "config": config})
    assert {key: row["config"].get(key, "not there") for key in said["gives"]} == said["gives"]
    assert row["protocols"] == said.get("protocols", ["grpc", "grpcs", "http", "https"])
    for field in said["R"]:
        status, answer = api.ask("PATCH", f"/plugins/{row['id']}", {"config": {field: None}})
        assert (status, answer["fields"]) == (400, {"config": {field: "required field missing"}}), field
    status, answer = api.ask("PATCH", f"/plugins/{row['id']}", {"consumer": {"id": api.parent("consumer")["id"]}})
    if said.get("no_consumer"):
        assert (status, answer["fields"]) == (400, {"consumer": "value must be null"})
    schema = api.must("GET", f"/schemas/plugins/{name}")
    assert any("config" in field and field["config"]["type"] == "record" and field["config"]["required"] for field in schema["fields"])
    assert api.ask("DELETE", f"/plugins/{row['id']}") == (204, None)


def test_those_are_all_plugins(api):
    assert set(api.must("GET", "/plugins/enabled")["enabled_plugins"]) == set(PLUGINS)
