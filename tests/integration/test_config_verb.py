"""hopgate config parse and import: declarative files as `kong config` takes them, into a store that a hop may use."""
import json
import os
import pathlib
import pwd
import random
import re
import sqlite3
import uuid

import pytest

from lab.admin import Admin, admin_hop
from lab.wait import wait_until

DATA = pathlib.Path(__file__).parents[1] / "data"
KONG_NAMESPACE = uuid.UUID("fd02801f-0957-4a15-a55a-c8d9606f30b5")
PEM = json.loads((DATA / "kong-dao-certificates.json").read_text())


@pytest.fixture
def config(hopgate):
    """hopgate config WORD ..., with the store of a prefix."""
    def call(*words, prefix=None):
        return hopgate("config", *map(str, words), *(["--prefix", str(prefix)] if prefix else []))
    return call


@pytest.fixture
def store(tmp_path):
    """Another empty prefix each time."""
    count = 0

    def make():
        nonlocal count
        count += 1
        prefix = tmp_path / f"prefix{count}"
        prefix.mkdir()
        return prefix
    return make


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def without_times(text):
    """A time to live goes on."""
    return [line for line in text.splitlines() if not line.strip().startswith("ttl:")]


# ---- parse ---------------------------------------------------------------------------------------

def test_a_good_file_parses(config, tmp_path):
    """Also what hopgate itself could not run, and older formats."""
    for name, text in (("k.yaml", '_format_version: "3.0"\n'), ("k.yml", '_format_version: "1.1"\nservices: [{host: h}]\n'),
                       ("k.json", '{"_format_version": "2.1", "routes": [{"paths": ["/a\\\\d"]}]}')):
        done = config("parse", written(tmp_path / name, text))
        assert (done.code, done.out, done.err) == (0, "parse successful\n", "")


def test_mistakes_are_printed_as_kong_prints_them(config, tmp_path):
    """kong/db/declarative/init.lua: pretty_print_error."""
    path = written(tmp_path / "k.yaml", {
        "_format_version": "3.0", "services": [{"name": "s", "host": "h"}, {"port": 70000, "routes": [
            {"paths": ["/"]}, {"name": "r", "paths": ["x"], "tags": ["a,b"]}]}], "nonsense": 1})
    done = config("parse", path)
    assert (done.code, done.out) == (1, "")
    text, hint = done.err.rsplit("\n\n", 1)
    assert hint == f"  `hopgate check {path}` says where each of them is\n"
    lines = text.splitlines()
    assert lines[0] == "Error: Failed parsing:"
    assert lines[1:] and set(lines[1:]) == {  # the order of siblings is anybody's
        "in 'nonsense': unknown field", "in 'services':", "  - in entry 2 of 'services':",
        "    in 'host': required field missing", "    in 'port': value should be between 0 and 65535",
        "    in 'routes':", "      - in entry 2 of 'routes':", "        in 'paths':",
        "          - in entry 1 of 'paths': should start with: / (fixed path) or ~/ (regex path)",
        "        in 'tags':",
        "          - in entry 1 of 'tags': invalid tag 'a,b': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"}


@pytest.mark.parametrize("name, text, said", [
    ("k.yaml", "hello", "failed parsing declarative configuration: expected an object"),
    ("k.yaml", "a: [", "failed parsing declarative configuration: 2:1: not valid YAML: "),
    ("k.json", "{", "failed parsing declarative configuration: "),
    ("k.txt", '_format_version: "3.0"', "unknown file type: FILE. (Accepted types: json, yaml)\n"),
    ("none.yaml", None, "FILE: cannot be read: No such file or directory\n"),
])
def test_what_cannot_be_read_is_said(config, tmp_path, name, text, said):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    done = config("parse", path)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: Failed parsing:\n" + said.replace("FILE", str(path))), done.err


def test_words_that_are_wrong(config):
    for words in (["parse"], ["import"], ["load"]):
        done = config(*words)
        assert (done.code, done.err.splitlines()[0]) == (64, "hopgate config: expected a declarative configuration file")
    for words in (["dump", "x.yaml"], ["parse", "a", "b"], ["nonsense"], [], ["import", "-x"]):
        assert config(*words).code == 64, words


# ---- import --------------------------------------------------------------------------------------

SHOP = {"_format_version": "3.0", "services": [{"name": "s", "host": "127.0.0.1", "routes": [{"name": "r", "paths": ["/a"]}]}]}


def shop(port, **more):
    return {**SHOP, "services": [{**SHOP["services"][0], "port": port, **more}]}


@pytest.mark.parametrize("word", ["import", "load", "db_import"])
def test_a_file_goes_into_a_new_store_and_a_hop_serves_it(lab, config, word):
    origin = lab.origin(content=b"one")
    hop = admin_hop(lab)
    hop.prefix.mkdir(parents=True, exist_ok=True)
    path = written(hop.prefix / "k.json", shop(origin.port))
    done = config(word, path, prefix=hop.prefix)
    assert (done.code, done.out, done.err) == (0, "parse successful, beginning import\nimport successful\n", "")
    hop.start()
    assert lab.client(hop).get("/a").content == b"one"
    assert Admin(lab, hop).must("GET", "/services/s")["id"] == str(uuid.uuid5(uuid.uuid5(KONG_NAMESPACE, "services"), "s"))


def test_a_running_hop_follows(lab, config):
    contents = [b"one", b"two"]
    origins = [lab.origin(content=content) for content in contents]
    hop = admin_hop(lab).start()
    admin = Admin(lab, hop)
    admin.must("POST", "/consumers", {"username": "kept"})
    for origin, content in list(zip(origins, contents)) * 2:
        assert config("import", written(hop.prefix / "k.json", shop(origin.port)), prefix=hop.prefix).code == 0
        wait_until(lambda: lab.client(hop).get("/a").content == content, "the hop to follow")
    assert [consumer["username"] for consumer in admin.must("GET", "/consumers")["data"]] == ["kept"]
    assert len(admin.must("GET", "/services")["data"]) == 1


def dump(config, prefix):
    done = config("dump", "--json", prefix=prefix)
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_entities_take_the_place_of_those_with_their_ids(config, store, tmp_path):
    prefix = store()
    config("import", written(tmp_path / "a.json", shop(80, retries=7, tags=["t"])), prefix=prefix)
    first = dump(config, prefix)
    more = shop(81)
    more["services"][0]["routes"] = [{"name": "q", "paths": ["/q"]}]
    assert config("import", written(tmp_path / "b.json", more), prefix=prefix).code == 0
    second = dump(config, prefix)
    service, = second["services"]
    assert (service["id"], service["port"], service["retries"], service["tags"]) == (first["services"][0]["id"], 81, 5, None)
    assert sorted(route["name"] for route in second["routes"]) == ["q", "r"]  # nothing is deleted
    assert [route for route in second["routes"] if route["name"] == "r"] == first["routes"]


@pytest.mark.parametrize("document, said", [
    ({"_format_version": "3.0", "services": [{"name": "new", "host": "h"}, {
        "name": "s", "host": "h", "id": "11111111-2222-4333-8444-555555555555"}]},
     "UNIQUE violation detected on '{name=\"s\"}'"),
    ({"_format_version": "3.0", "services": [{"name": "new", "host": "h"}], "upstreams": [{"name": "u", "targets": [
        {"target": "h.test:80", "id": "11111111-2222-4333-8444-555555555555"}]}]}, "UNIQUE violation detected on '{target="),
])
def test_what_conflicts_changes_nothing(config, store, tmp_path, document, said):
    prefix = store()
    config("import", written(tmp_path / "a.json", {**SHOP, "upstreams": [{"name": "u", "targets": [{"target": "h.test:80"}]}]}),
           prefix=prefix)
    before = dump(config, prefix)
    done = config("import", written(tmp_path / "b.json", document), prefix=prefix)
    assert (done.code, done.out) == (1, "parse successful, beginning import\n")
    assert done.err.startswith(f"Error: Failed importing:\n{said}"), done.err
    assert dump(config, prefix) == before


def test_what_no_hop_could_run_is_not_imported(lab, config, tmp_path):
    hop = admin_hop(lab).start()
    path = written(tmp_path / "k.json", {"_format_version": "3.0", "services": [
        {"name": "a", "host": "h"}, {"name": "b", "host": "h", "protocol": "grpc"}]})
    done = config("import", path, prefix=hop.prefix)
    assert done.code == 1 and "grpc" in done.err, done
    assert Admin(lab, hop).must("GET", "/services")["data"] == []


def test_a_file_with_mistakes_reaches_no_store(config, store, tmp_path):
    prefix = store()
    done = config("import", written(tmp_path / "k.json", {"_format_version": "3.0", "services": [{}]}), prefix=prefix)
    assert (done.code, done.out) == (1, "") and done.err.startswith("Error: Failed parsing:\nin 'services':\n")
    assert os.listdir(prefix) == []


def test_there_must_be_a_store(config, tmp_path):
    path = written(tmp_path / "k.json", SHOP)
    done = config("import", path, "-c", written(tmp_path / "kong.conf", "database = off\n"))
    assert (done.code, done.out) == (1, "")
    assert done.err == ("Error: 'hopgate config import' only works with a database.\nWhen using database=off, reload your "
                        "declarative configuration\nusing the /config endpoint.\n")
    done = config("import", path, prefix=tmp_path / "nowhere")
    assert done.code == 1 and str(tmp_path / "nowhere") in done.err


def test_a_store_that_somebody_writes_is_waited_for_and_then_told(config, store, tmp_path):
    prefix, path = store(), written(tmp_path / "k.json", SHOP)
    assert config("import", path, prefix=prefix).code == 0
    before = dump(config, prefix)
    other = sqlite3.connect(prefix / "hopgate.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    done = config("import", written(tmp_path / "b.json", shop(81)), prefix=prefix)
    assert done.code == 1 and done.err.startswith("Error: Failed importing:\n") and "lock" in done.err, done
    other.execute("ROLLBACK")
    other.close()
    assert dump(config, prefix) == before


def test_what_is_no_store_is_left_alone(config, store, tmp_path):
    prefix = store()
    written(prefix / "hopgate.db", "no database at all, but somebody's" * 100)
    done = config("import", written(tmp_path / "k.json", SHOP), prefix=prefix)
    assert done.code == 1 and "hopgate.db" in done.err, done
    assert (prefix / "hopgate.db").read_text().startswith("no database")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_a_store_that_root_makes_is_the_hops(config, store, tmp_path):
    prefix, user = store(), pwd.getpwnam("nobody")
    os.chown(prefix, user.pw_uid, user.pw_gid)
    assert config("import", written(tmp_path / "k.json", SHOP), prefix=prefix).code == 0
    assert {path.name: (path.stat().st_uid, path.stat().st_mode & 0o777) for path in prefix.iterdir()} \
        ["hopgate.db"] == (user.pw_uid, 0o600)
    assert {path.stat().st_uid for path in prefix.iterdir()} == {user.pw_uid}


def test_what_is_no_entity_is_left_out_with_a_warning(config, store, tmp_path):
    path = written(tmp_path / "k.json", {**SHOP, "hopgate": {"slow_start": []}})
    done = config("import", path, prefix=store())
    assert done.code == 0 and "warning: hopgate: is left out" in done.err, done


# ---- round trips ---------------------------------------------------------------------------------

def check_round_trip(config, store, path):
    """The store of a file, its dump, the store of that and its dump."""
    first, second = store(), store()
    done = config("import", path, prefix=first)
    assert done.code == 0, done.err
    text = config("dump", prefix=first).out
    again = written(first / "dump.yaml", text)
    done = config("import", again, prefix=second)
    assert done.code == 0, done.err
    assert without_times(config("dump", prefix=second).out) == without_times(text)
    assert config("import", again, prefix=second).code == 0  # over itself: the same
    assert without_times(config("dump", prefix=second).out) == without_times(text)
    return text


@pytest.mark.parametrize("name", ["microservices.yaml", "deck-dump.yaml", "minimal.yaml"])
def test_a_dump_of_an_example_gives_the_same_dump(config, store, name):
    check_round_trip(config, store, DATA / "config" / name)


KINDS = ["services", "routes", "upstreams", "targets", "consumers", "plugins", "certificates", "snis", "keyauth_credentials",
         "basicauth_credentials", "hmacauth_credentials", "jwt_secrets", "oauth2_credentials", "acls", "vaults", "key_sets", "keys"]


class Maker:
    """A document with some of everything."""

    def __init__(self, seed):
        self.random, self.count = random.Random(seed), 0

    def name(self, what="n"):
        self.count += 1
        return f"{what}{self.count}" + self.random.choice(["", "-x", ".y", "_z", "~1"])

    def some(self, make, most=3):
        return [make() for _ in range(self.random.randint(0, most))]

    def maybe(self, **fields):
        return {key: value for key, value in fields.items() if self.random.random() < 0.5}

    def tags(self):
        return self.some(lambda: self.random.choice(["a", "b c", "yes", "1.5", "null", "ü", "#x", "- y", "0x1f", "'q'", "~"]))

    def plugin(self):
        name, settings = self.random.choice([("cors", {}), ("rate-limiting", {"minute": 5}), ("key-auth", {"key_names": ["k", "x-y"]}),
                                             ("acl", {"allow": ["g"]}), ("request-transformer", {"add": {"headers": ["a:b", "c: d"]}})])
        return {"name": name, "enabled": False, "config": settings, "instance_name": self.name("i"), **self.maybe(tags=self.tags())}

    def plugins(self):
        """Of each parent one of a name."""
        return list({plugin["name"]: plugin for plugin in self.some(self.plugin)}.values())

    def route(self):
        return {"name": self.name("r"), "paths": [self.random.choice(["/", "/x", "~/r\\d+$", "/é"]) for _ in range(2)], "plugins": self.plugins(),
                **self.maybe(hosts=["a.test", "*.b.test:8080"], methods=["GET", "PUT"], headers={"x-a": ["1", "yes"]}, strip_path=False,
                             tags=self.tags(), regex_priority=self.random.randint(-5, 5), https_redirect_status_code=301)}

    def service(self):
        return {"name": self.name("s"), "host": self.random.choice(["h.test", "127.0.0.1", "::1"]), "port": self.random.randint(0, 65535),
                "routes": self.some(self.route), "plugins": self.plugins(),
                **self.maybe(path="/base", retries=0, tags=self.tags(), connect_timeout=1, enabled=True)}

    def upstream(self):
        return {"name": re.sub("[~_]", "", self.name("u")),
                "targets": [{"target": f"t{i}.test:{i + 1}", **self.maybe(weight=0, tags=self.tags())} for i in range(self.random.randint(0, 4))],
                **self.maybe(slots=10, healthchecks={"active": {"healthy": {"interval": 0.5, "successes": 2}}}, host_header="h.test:81",
                             tags=self.tags())}

    def consumer(self):
        return {"username": self.name("c"), **self.maybe(custom_id=self.name("id é"), tags=self.tags()),
                "keyauth_credentials": self.some(lambda: self.maybe(key=self.name("k"), ttl=100000)),
                "basicauth_credentials": self.some(lambda: {"username": self.name("b"), "password": self.random.choice(["p", "yes", "1"])}),
                "hmacauth_credentials": self.some(lambda: {"username": self.name("h"), **self.maybe(secret="on")}),
                "jwt_secrets": self.some(lambda: self.maybe(key=self.name("j"), secret="1e3")),
                "oauth2_credentials": self.some(lambda: {"name": self.name("o"), "redirect_uris": ["http://a.test"]}, 1),
                "acls": [{"group": f"g{i}"} for i in range(self.random.randint(0, 3))]}

    def document(self):
        document = {"_format_version": "3.0", "services": self.some(self.service, 6), "upstreams": self.some(self.upstream),
                    "consumers": self.some(self.consumer, 4), "routes": self.some(self.route),
                    "vaults": self.some(lambda: {"name": "env", "prefix": f"v{self.name()[1:]}".translate({ord(c): None for c in "-._~"}),
                                                 "config": {"prefix": "X_"}}, 2),
                    "key_sets": self.some(lambda: {"name": self.name("ks"), "keys": [
                        {"kid": "1", "name": self.name("key"), "jwk": '{"kid": "1", "kty": "oct", "k": "c2VjcmV0"}'}]}, 2)}
        if self.random.random() < 0.5:
            document["certificates"] = [{**PEM, "snis": [{"name": "a.test"}, {"name": "*.b.test"}], **self.maybe(tags=self.tags())}]
        return document


@pytest.mark.parametrize("seed", range(12))
def test_a_dump_of_any_store_gives_the_same_dump(config, store, tmp_path, seed):
    document = Maker(seed).document()
    text = check_round_trip(config, store, written(tmp_path / "k.json", document))
    counted = {kind: text.count(f"\n{kind}:\n") for kind in KINDS}
    assert all(counted[kind] for kind in ("services", "upstreams", "consumers") if document[kind]), counted
