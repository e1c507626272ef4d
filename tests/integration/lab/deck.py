"""
What decK does (go-database-reconciler, go-kong), to the letter as far as the Admin API sees it.

Replayed: Go's HTTP client (connections that are kept, its fields, sorted queries), the version of the root, the
parallel set of lists with size=1000, tags and offsets (pkg/dump/dump.go, kong/list.go), the strict types of go-kong's
structs, defaults out of /schemas (pkg/utils/defaulter.go), comparison with null and [] told apart, and what
pkg/diff/diff.go writes: duplicates of a name go first, then levels of PUT by id, ten at a time, then deletes from the
last level on; before a row is made, somebody else's of that id is looked for (pkg/types/*.go). A state is
{entity: {id: {field: value}}}; what a field of a file leaves out is not in it.
"""
import concurrent.futures
import http.client
import json
import re
import threading
import urllib.parse
import uuid

LISTS = ["services", "routes", "plugins", "certificates", "snis", "upstreams", "consumers"]  # 404 is fatal
TOLERATED = {  # statuses that say: this gateway has none of them
    "ca_certificates": (404,), "vaults": (404, 403), "keys": (404, 403), "key-sets": (404, 403), "partials": (404, 403),
    "key-auths": (404,), "hmac-auths": (404,), "jwts": (404,), "basic-auths": (404,), "oauth2": (404,), "acls": (404,),
    "mtls-auths": (404, 403), "consumer_groups": (404, 403), "filter-chains": (404, 400)}
CREDENTIALS = {"key-auths": "key-auth", "basic-auths": "basic-auth", "hmac-auths": "hmac-auth", "jwts": "jwt", "acls": "acls",
               "oauth2": "oauth2"}
LEVELS = [["certificates", "ca_certificates", "consumers", "vaults", "key-sets"],
          ["snis", "services", "upstreams", "keys", *CREDENTIALS], ["routes", "targets"], ["plugins"]]
FILLED = {"services": "services", "routes": "routes", "upstreams": "upstreams", "targets": "targets"}
PARALLEL = 10
TIMEOUT_S = 60  # decK's own is 10
FIELDS = {"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip"}
LOOKED_FOR = ("plugins", "key-auths", "basic-auths", "acls", "upstreams")  # by id, before they are made
NAMES = {"services": "name", "routes": "name", "consumers": "username"}  # of duplicates

# go-kong's types.go: what is an int there fails to decode from 1.0, a struct from a text.
TYPES = {
    "services": {"id": str, "name": str, "host": str, "port": int, "protocol": str, "path": str, "retries": int,
                 "connect_timeout": int, "read_timeout": int, "write_timeout": int, "created_at": int, "updated_at": int,
                 "tls_verify": bool, "tls_verify_depth": int, "enabled": bool, "client_certificate": "fk", "tags": [str],
                 "ca_certificates": [str]},
    "routes": {"id": str, "name": str, "hosts": [str], "paths": [str], "methods": [str], "protocols": [str], "snis": [str],
               "headers": {str: [str]}, "regex_priority": int, "strip_path": bool, "preserve_host": bool, "service": "fk",
               "https_redirect_status_code": int, "path_handling": str, "request_buffering": bool, "tags": [str],
               "response_buffering": bool, "created_at": int, "updated_at": int,
               "sources": [{"ip": str, "port": int}], "destinations": [{"ip": str, "port": int}]},
    "upstreams": {"id": str, "name": str, "algorithm": str, "slots": int, "hash_on": str, "hash_fallback": str, "tags": [str],
                  "hash_on_cookie_path": str, "use_srv_name": bool, "host_header": str, "created_at": int,
                  "client_certificate": "fk",
                  "healthchecks": {"threshold": float, "active": {"type": str, "timeout": int, "concurrency": int,
                                   "http_path": str, "https_verify_certificate": bool,
                                   "healthy": {"interval": int, "http_statuses": [int], "successes": int},
                                   "unhealthy": {"interval": int, "http_statuses": [int], "tcp_failures": int, "timeouts": int,
                                                 "http_failures": int}},
                                   "passive": {"type": str, "healthy": {"http_statuses": [int], "successes": int},
                                               "unhealthy": {"http_statuses": [int], "tcp_failures": int, "timeouts": int,
                                                             "http_failures": int}}}},
    "targets": {"id": str, "target": str, "weight": int, "upstream": "fk", "tags": [str], "created_at": float},
    "consumers": {"id": str, "username": str, "custom_id": str, "created_at": int, "tags": [str]},
    "plugins": {"id": str, "name": str, "instance_name": str, "enabled": bool, "config": dict, "protocols": [str],
                "service": "fk", "route": "fk", "consumer": "fk", "created_at": int, "tags": [str]},
    "certificates": {"id": str, "cert": str, "key": str, "created_at": int, "tags": [str], "snis": [str]},
    "snis": {"id": str, "name": str, "certificate": "fk", "created_at": int, "tags": [str]},
    "ca_certificates": {"id": str, "cert": str, "cert_digest": str, "created_at": int, "tags": [str]},
    "key-auths": {"id": str, "key": str, "consumer": "fk", "created_at": int, "ttl": int, "tags": [str]},
    "basic-auths": {"id": str, "username": str, "password": str, "consumer": "fk", "created_at": int, "tags": [str]},
    "acls": {"id": str, "group": str, "consumer": "fk", "created_at": int, "tags": [str]},
}
SORTED = ("tags", "ca_certificates", "protocols")
NOT_COMPARED = ("created_at", "updated_at", "cert_digest")


class DeckFailed(Exception):
    """decK's own last words."""


def decode(value, kind, where):
    """As encoding/json reads a value into one of go-kong's types."""
    if value is None:
        return
    if kind == "fk":
        if not isinstance(value, dict) or not isinstance(value.get("id"), str):
            raise DeckFailed(f"json: cannot unmarshal {value!r} into {where}: not a struct with id")
    elif isinstance(kind, list):
        if not isinstance(value, list):
            raise DeckFailed(f"json: cannot unmarshal {value!r} into {where}: not a list")
        for item in value:
            decode(item, kind[0], f"{where}[]")
    elif isinstance(kind, dict):
        if not isinstance(value, dict):
            raise DeckFailed(f"json: cannot unmarshal {value!r} into {where}: not an object")
        for key, item in value.items():
            decode(item, kind.get(str) or kind.get(key, object), f"{where}.{key}")
    elif kind is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise DeckFailed(f"json: cannot unmarshal {value!r} into {where}: not a number")
    elif not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise DeckFailed(f"json: cannot unmarshal {value!r} into {where}: not {kind.__name__}")


def same(entity, have, want):
    """cmp.Equal of two structs; a null and an absent field are both nil, [] is another."""
    def normal(value):
        fields = {key: item if key == "config" else without_nulls(item) for key, item in value.items()
                  if item is not None and key not in NOT_COMPARED}
        fields = {key: sorted(item) if key in SORTED else item for key, item in fields.items()}
        fields = {key: item for key, item in fields.items() if key != "tags" or item}
        if entity == "certificates":
            fields.pop("snis", None)  # they are entities of their own
        if entity == "plugins":
            fields["config"] = sorted_lists(fields.get("config"))
        return fields
    return normal(have) == normal(want)


def without_nulls(value):
    """Of a struct within a struct; a plugin's config is a map and keeps its nulls."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def sorted_lists(value):
    if isinstance(value, dict):
        return {key: sorted_lists(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((sorted_lists(item) for item in value), key=repr)
    return value


# ---- defaults (go-kong's utils.go) ------------------------------------------------------------------

def defaults_of(schema):
    """Of entities: every default that a field has, records opened."""
    filled = {}
    for field in schema["fields"]:
        (name, definition), = field.items()
        if definition["type"] == "record" and "fields" in definition:
            inner = defaults_of(definition)
            if inner:
                filled[name] = inner
        elif definition.get("default") is not None:
            filled[name] = definition["default"]
    return filled


def merged(defaults, value):
    """mergo.Merge: what is there stays."""
    result = dict(defaults)
    for key, item in value.items():
        both = isinstance(item, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], item) if both else item
    return result


def fill_config(schema, config):
    """fillConfigRecord: every field of the record, with its default or an explicit null."""
    filled = dict(config)
    of_record = schema.get("default") if isinstance(schema.get("default"), dict) else {}
    for field in schema["fields"]:
        (name, definition), = field.items()
        if isinstance(filled.get(name), dict) and definition["type"] == "record":
            filled[name] = fill_config(definition, filled[name])
        elif name in filled:
            continue
        elif definition["type"] == "record" and definition.get("required"):
            filled[name] = fill_config(definition, {})
        else:
            filled[name] = of_record.get(name, definition.get("default"))
    return filled


def old_names(schema):
    """Names that a plugin's answer repeats for old clients; decK drops them."""
    names = set()
    for field in schema.get("shorthand_fields", []):
        (name, definition), = field.items()
        if definition.get("deprecation", {}).get("replaced_with"):
            names.add(name)
    return names


# ---- the tool ---------------------------------------------------------------------------------------

class Deck:
    """tags: of --select-tag. tls: an ssl context. fields: of --headers."""

    def __init__(self, address, tags=(), tls=None, fields=None, workspace=""):
        self.address, self.tags, self.tls, self.workspace = address, list(tags), tls, workspace
        self.fields = {**FIELDS, **(fields or {})}
        self.log = []  # (method, path)
        self.kept = threading.local()

    # -- go-kong's client

    def connection(self):
        if not hasattr(self.kept, "connection"):
            self.kept.connection = http.client.HTTPSConnection(*self.address, timeout=TIMEOUT_S, context=self.tls) if self.tls \
                else http.client.HTTPConnection(*self.address, timeout=TIMEOUT_S)
        return self.kept.connection

    def ask(self, method, path, content=None):
        body = None if content is None else json.dumps(content).encode()
        fields = {**self.fields, **({"Content-Type": "application/json"} if body is not None else {})}
        connection = self.connection()
        connection.request(method, path, body, fields)
        answer = connection.getresponse()
        text = answer.read()
        self.log.append((method, path))
        value = json.loads(text) if text else None
        if answer.status >= 400 and not isinstance((value or {}).get("message"), str):
            raise DeckFailed(f"HTTP status {answer.status} without a message: {text!r}")
        if path == "/" and not answer.headers["Server"].startswith("kong/"):  # told from an AI gateway by it
            raise DeckFailed(f"Server: {answer.headers['Server']}")
        return answer.status, value

    def must(self, method, path, content=None):
        status, value = self.ask(method, path, content)
        if status >= 400:
            raise DeckFailed(f"{method} {path}: HTTP status {status} (message: {value['message']!r})")
        return value

    def ping(self):
        root = self.must("GET", "/")
        match = re.match(r"(\d+)\.(\d+)", root["version"])
        if not match:
            raise DeckFailed(f"unknown Kong version {root['version']!r}")
        configuration = root.get("configuration", {})
        decode(configuration, {"database": str, "portal": bool, "rbac": str}, "configuration")
        if configuration["database"] == "off":
            raise DeckFailed("Cannot operate on a DB-less Kong")
        return int(match.group(1)), int(match.group(2))

    def list(self, path, tolerated=(), tags=None):
        """Every row; Values.Encode sorts the parameters."""
        rows, query = [], {"size": 1000, **({"tags": ",".join(tags)} if tags else {})}
        while True:
            following = f"{path}?{urllib.parse.urlencode(sorted(query.items()))}"
            status, page = self.ask("GET", following)
            if status in tolerated:
                return []
            if status >= 400:
                raise DeckFailed(f"GET {following}: HTTP status {status} (message: {page['message']!r})")
            rows += page["data"]
            if page.get("offset") is None:
                return rows
            query["offset"] = page["offset"]

    # -- commands

    def dump(self):
        """The state of the gateway."""
        self.ping()
        if self.workspace:
            status, _ = self.ask("GET", f"/{self.workspace}/workspaces/{self.workspace}")
            if status == 404:
                raise DeckFailed(f"workspace '{self.workspace}' does not exist in Kong")
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            fatal = {name: pool.submit(self.list, f"/{name}", (), self.tags) for name in LISTS}
            others = {name: pool.submit(self.list, f"/{name}", codes, None if name == "mtls-auths" else self.tags)
                      for name, codes in TOLERATED.items()}
            again = pool.submit(self.ping)
            rows = {name: future.result() for name, future in {**fatal, **others}.items()}
            again.result()
            targets = [pool.submit(self.list, f"/upstreams/{row['id']}/targets", (), self.tags) for row in rows["upstreams"]]
            rows["targets"] = [row for future in targets for row in future.result()]
        for entity, kinds in TYPES.items():
            for row in rows[entity]:
                for key, value in row.items():
                    decode(value, kinds.get(key, object), f"{entity}.{key}")
        return {entity: {row["id"]: row for row in some} for entity, some in rows.items()}

    def filled(self, state):
        """The file's state with what the gateway would fill in."""
        schemas = {entity: defaults_of(self.must("GET", f"/schemas/{name}")) for entity, name in FILLED.items()}
        self.ask("GET", "/schemas/consumer_group_plugins")  # whatever it says
        plugins = {name: self.must("GET", f"/schemas/plugins/{name}")
                   for name in {row["name"] for row in state.get("plugins", {}).values()}}
        return {entity: {key: self.fill(entity, row, schemas, plugins) for key, row in rows.items()}
                for entity, rows in state.items()}

    @staticmethod
    def fill(entity, row, schemas, plugins):
        if entity in schemas:
            filled = merged(schemas[entity], row)
            for key, value in filled.items():
                decode(value, TYPES[entity].get(key, object), f"default of {entity}.{key}")
            return filled
        if entity != "plugins":
            return row
        fields = {name: definition for field in plugins[row["name"]]["fields"] for name, definition in field.items()}
        protocols = fields.get("protocols", {}).get("default") or ["grpc", "grpcs", "http", "https"]
        return {"enabled": True, "protocols": protocols, **row, "config": fill_config(fields["config"], row.get("config", {}))}

    def without_old_names(self, row):
        schema = self.must("GET", f"/schemas/plugins/{row['name']}")
        config = next(field["config"] for field in schema["fields"] if "config" in field)
        return {**row, "config": {key: value for key, value in row["config"].items() if key not in old_names(config)}}

    def steps(self, state):
        """[[(what, entity, id, row)]] in the order of sync; those of one list go at once."""
        have, want = self.dump(), self.filled(state)
        duplicates = self.duplicates(have, want)
        for _, entity, key, _ in [step for level in duplicates for step in level]:
            del have[entity][key]
            have["plugins"] = {each: row for each, row in have["plugins"].items()  # they go with it (postProcess.go)
                               if (row[entity[:-1]] or {}).get("id") != key}
        writes = [[step for entity in level for key, row in want.get(entity, {}).items()
                   for step in self.write(entity, key, row, have.get(entity, {}))] for level in LEVELS]
        deletes = [[("delete", entity, key, row) for entity in level for key, row in have.get(entity, {}).items()
                    if key not in want.get(entity, {})] for level in reversed(LEVELS)]
        return duplicates + writes + deletes

    def write(self, entity, key, row, have):
        there = have.get(key)
        if there and entity == "plugins":
            there, wanted = self.without_old_names(there), self.without_old_names(row)
            return [] if same(entity, there, wanted) else [("update", entity, key, row)]
        if there:
            return [] if same(entity, there, row) else [("update", entity, key, row)]
        if entity in LOOKED_FOR:  # a row that --select-tag hides
            status, _ = self.ask("GET", f"/{entity}/{key}")
            if status < 400:
                raise DeckFailed(f"{entity} with ID {key} already exists")
            if status != 404:
                raise DeckFailed(f"GET /{entity}/{key}: HTTP status {status}")
        return [("create", entity, key, row)]

    @staticmethod
    def duplicates(have, want):
        """Rows whose name another id has now; with a service its routes."""
        events = {}
        for entity, name in NAMES.items():
            ids = {row.get(name): key for key, row in want.get(entity, {}).items() if row.get(name)}
            for key, row in have.get(entity, {}).items():
                if ids.get(row.get(name), key) == key:
                    continue
                events[entity, key] = row
                events.update({("routes", each): route for each, route in have["routes"].items()
                               if entity == "services" and (route["service"] or {}).get("id") == key})
        return [[("delete", entity, key, row) for (entity, key), row in events.items() if entity in level]
                for level in reversed(LEVELS)]

    def diff(self, state):
        """[(what, entity, id, row)]"""
        return [step for level in self.steps(state) for step in level]

    def sync(self, state):
        levels = self.steps(state)
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            for level in levels:
                list(pool.map(self.do, level))
        return sum(len(level) for level in levels)

    def path_of(self, entity, key, row):
        if entity == "targets":
            return f"/upstreams/{row['upstream']['id']}/targets/{key}"
        if entity in CREDENTIALS:
            return f"/consumers/{row['consumer']['id']}/{CREDENTIALS[entity]}/{key}"
        return f"/{entity}/{key}"

    def do(self, step):
        what, entity, key, row = step
        path = self.path_of(entity, key, row)
        if what == "delete" or (what, entity) == ("update", "targets"):  # "Targets in Kong cannot be updated"
            self.must("DELETE", path)
        if what == "delete":
            return
        content = {name: value for name, value in row.items() if value is not None}  # omitempty
        status, answer = self.ask("PUT", path, content)
        if entity == "targets" and status == 404:
            answer = self.must("POST", path.rpartition("/")[0], content)
        elif status >= 400:
            raise DeckFailed(f"PUT {path}: HTTP status {status} (message: {answer['message']!r})")
        for name, value in answer.items():
            decode(value, TYPES.get(entity, {}).get(name, object), f"{entity}.{name}")

    def reset(self):
        return self.sync({})

    def validate(self, state):
        """gateway validate: the problems."""
        problems = []
        for entity, rows in state.items():
            schema = {"key-auths": "keyauth_credentials", "basic-auths": "basicauth_credentials",
                      "key-sets": "key_sets", "hmac-auths": "hmacauth_credentials", "jwts": "jwt_secrets",
                      "oauth2": "oauth2_credentials"}.get(entity, entity)
            for row in rows.values():
                status, answer = self.ask("POST", f"/schemas/{schema}/validate", row)
                if status != 200:
                    problems.append((entity, answer["message"]))
        return problems


def new_state(**entities):
    """{entity: {id: row}} of rows; ids that are missing are made here, as decK does."""
    state = {}
    for entity, rows in entities.items():
        name = entity.replace("_", "-") if entity.endswith(("_auths", "_sets")) else entity
        state[name] = {}
        for row in rows:
            row = {"id": str(uuid.uuid4()), **row}
            state[name][row["id"]] = row
    return state
