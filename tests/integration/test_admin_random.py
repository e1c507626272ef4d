"""Random requests, and what a model of Kong's Admin API (lab/admin_model.py) says of each: the same answers, the same
entities, also after kill -9 and on a second hop that shares the store."""
import http.client
import json
import random
import urllib.parse
import uuid

import pytest

from lab.admin import admin_hop
from lab.admin_model import KINDS, AdminModel, Refused, is_id
from lab.wait import wait_until
from test_admin_publish import restart

NAMES = [f"n{i}" for i in range(5)]
TAGS = ["red", "green", "blue"]
PARENT_KINDS = {about["url"]: kind for kind, about in KINDS.items()}
CONF = {"hopgate_duplicate_routes": "allow"}  # what routes match is not what is tried here


class Connection:
    """Requests to one hop; remembers the last ones for whoever reads a failure."""

    def __init__(self, hop):
        self.hop, self.log = hop, []
        self.open()

    def open(self):
        self.http = http.client.HTTPConnection(*self.hop.admin_listeners["http"], timeout=60)

    def ask(self, method, path, content=None):
        body = None if content is None else json.dumps(content).encode()
        self.http.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = self.http.getresponse()
        text = answer.read()
        value = json.loads(text) if text else None
        self.log = [*self.log[-15:], (method, path, content, answer.status, value)]
        return answer.status, value

    def all(self, kind, parent=None, size=1000):
        url = KINDS[kind]["url"] or f"upstreams/{parent}/targets"
        rows, offset = [], None
        while True:
            query = f"?size={size}" + (f"&offset={urllib.parse.quote(offset)}" if offset else "")
            status, page = self.ask("GET", f"/{url}{query}")
            assert status == 200 and len(page["data"]) <= size, page
            rows += page["data"]
            offset = page.get("offset")
            assert (offset is None) == (page["next"] is None)
            if offset is None:
                return rows


class Walk:
    """Random steps on any of some hops that share a store. pem: of each certificate."""

    def __init__(self, lab, hops, seed):
        self.pem = {"cert": lab.pki.leaf("edge").read_text(), "key": lab.pki.key("edge").read_text()}
        self.random = random.Random(seed)
        self.connections = [Connection(hop) for hop in hops]
        self.model = AdminModel()
        self.reads = ["GET"] if len(hops) == 1 else []  # another hop's change is read a moment later: check_all waits
        self.ids = {kind: [str(uuid.UUID(int=self.random.getrandbits(128), version=4)) for _ in range(7)] for kind in KINDS}

    # -- what is said

    def an_id(self, kind):
        there = list(self.model.rows[kind])
        return self.random.choice([*self.ids[kind], *there])

    def a_key(self, kind):
        has_names = KINDS[kind]["key"] or kind == "certificates"
        return self.random.choice([self.an_id(kind), self.random.choice(NAMES)]) if has_names else self.an_id(kind)

    def a_value(self, kind, field):
        choose = self.random.choice
        if field == "tags":
            return choose([None, [], self.random.sample(TAGS, 2), [choose(TAGS)]])
        if field in KINDS[kind]["values"]:
            return self.random.randrange(10, 1000)
        if field in KINDS[kind]["refs"]:
            above = KINDS[kind]["refs"][field][0]
            unique = KINDS[above]["unique"]
            by_name = [{choose(unique): choose(NAMES)}] if unique else []
            return choose([None, {"id": self.an_id(above)}, {"id": self.an_id(above)}, *by_name])
        if (kind, field) == ("plugins", "name"):
            return choose(["request-termination", "correlation-id", "prometheus"])
        if (kind, field) == ("targets", "target"):
            return choose(NAMES) + ":80"
        return choose([None, *NAMES]) if field in KINDS[kind]["unique"] and field not in KINDS[kind].get("auto", []) else choose(NAMES)

    def content(self, kind):
        said = {field: self.a_value(kind, field) for field in self.model.fields(kind) if self.random.random() < 0.7}
        for field in KINDS[kind].get("required", []):
            if self.random.random() < 0.9:
                said.setdefault(field, self.a_value(kind, field))
        if kind == "keys":
            said["jwk"] = json.dumps({"kty": "oct", "kid": said.get("kid")})
        if kind == "routes":
            said["paths"] = ["/"]
        if kind == "services":
            said["host"] = "h"
        if kind == "plugins":
            said["enabled"] = False
        if kind == "certificates":
            said.update(self.pem)
            names = [self.random.choice(NAMES) for _ in range(2)]
            said.update(self.random.choice([{}, {"snis": None}, {"snis": []}, {"snis": names[:1]}, {"snis": names}]))
        return said

    def change(self, kind):
        """Content of a PATCH: without what only goes with other fields."""
        fixed = {"keys": ("kid", "jwk"), "plugins": ("name",)}.get(kind, ())
        return {field: value for field, value in self.content(kind).items() if field not in fixed}

    # -- a step

    def step(self):
        connection = self.random.choice(self.connections)
        self.model.id_of_sni = lambda name: connection.ask("GET", f"/snis/{name}")[1]["id"]
        kind = self.random.choice(list(KINDS))
        if KINDS[kind].get("nested") and (KINDS[kind]["url"] is None or self.random.random() < 0.4):
            self.step_below(connection, kind)
        else:
            self.step_own(connection, kind)

    def judge(self, connection, ask, expect):
        """expect(learn) gives the id of the row that the answer must be, or None where there is no content."""
        answered = []

        def learn():
            answered.append(ask())
            status, value = answered[0]
            assert status in (200, 201), f"refused, and should not be: {connection.log[-1]}"
            return value

        try:
            kind, identity, wanted = expect(learn)
        except Refused as refused:
            status, value = answered[0] if answered else ask()
            assert (status, (value or {}).get("code")) in refused.answers, (refused.answers, connection.log[-1])
            return
        status, value = answered[0] if answered else ask()
        assert status == wanted, (wanted, connection.log[-1])
        if identity:
            self.compare(kind, identity, value)

    def compare(self, kind, identity, value):
        row = self.model.rows[kind][identity]
        assert value["id"] == identity
        assert kind != "certificates" or value["snis"] == self.model.names_of(identity)
        assert {field: value[field] for field in row} == row, (kind, identity, value)

    def step_own(self, connection, kind):
        model, url = self.model, f"/{KINDS[kind]['url']}"
        method = self.random.choice(["POST", "POST", "PUT", "PUT", "PATCH", "DELETE", *self.reads])
        if method == "POST":
            content = self.content(kind)
            if self.random.random() < 0.5:
                content["id"] = self.an_id(kind)
            self.judge(connection, lambda: connection.ask("POST", url, content),
                       lambda learn: (kind, model.insert(kind, content, learn), 201))
            return
        key = self.a_key(kind)
        content = self.change(kind) if method == "PATCH" else self.content(kind) if method == "PUT" else None

        def expect(learn):
            if method == "PUT" and kind == "certificates":
                return kind, model.put_certificate(key, content, learn), 200
            if method == "PUT":
                return kind, model.upsert(kind, key, content, learn), 200
            identity = model.find(kind, key)
            if identity is None and kind == "certificates" and not is_id(key):
                raise Refused((404, None))
            if method == "DELETE":
                if identity:
                    model.delete(kind, identity)
                return kind, None, 204
            if identity is None:
                raise Refused((404, 6 if method == "PATCH" and kind != "plugins" or kind == "certificates" else None))
            return kind, model.update(kind, identity, content, learn) if method == "PATCH" else identity, 200

        self.judge(connection, lambda: connection.ask(method, f"{url}/{key}", content), expect)

    def step_below(self, connection, kind):
        model = self.model
        parent_url, (field, name) = self.random.choice(list(KINDS[kind]["nested"].items()))
        parent_kind = PARENT_KINDS[parent_url]
        parent_key = self.a_key(parent_kind)
        url = f"/{parent_url}/{parent_key}/{name}"
        method = self.random.choice(["POST", "POST", "PUT", "PATCH", "DELETE", *self.reads])
        if method == "PUT" and kind in ("targets", "acls"):
            method = "POST"  # stories of their own
        content = self.change(kind) if method == "PATCH" else self.content(kind) if method in ("POST", "PUT") else None
        key = self.random.choice([*NAMES, *([f"{each}:80" for each in NAMES] if kind == "targets" else [])]) \
            if self.random.random() < 0.4 else self.an_id(kind)
        path = url if method == "POST" else f"{url}/{key}"

        def expect(learn):
            parent = model.find(parent_kind, parent_key)
            if parent is None:
                raise Refused((404, None))
            below = {**(content or {}), field: {"id": parent}}
            if method == "POST":
                return kind, model.insert(kind, below, learn), 201
            if method == "PUT":
                return kind, model.upsert(kind, key, below, learn), 200
            identity = model.find_below(kind, field, parent, key)
            if identity is None:
                raise Refused((404, None))
            if method == "GET":
                return kind, identity, 200
            if method == "DELETE":
                model.delete(kind, identity)
                return kind, None, 204
            return kind, model.update(kind, identity, content if field in content and kind != "targets" else below, learn), 200

        self.judge(connection, lambda: connection.ask(method, path, content), expect)

    # -- everything

    def difference(self, connection):
        """"" when the hop has what the model has."""
        for kind, about in KINDS.items():
            parents = [None] if about["url"] else list(self.model.rows["upstreams"])
            have = [row for parent in parents for row in connection.all(kind, parent, self.random.choice([1, 3, 1000]))]
            if about["url"] and [row["id"] for row in have] != self.model.page(kind):
                return f"{kind}: {[row['id'] for row in have]}, not {self.model.page(kind)}"
            rows = {row["id"]: {field: row[field] for field in self.model.fields(kind)} for row in have}
            if rows != self.model.rows[kind]:
                return f"{kind}: {rows}, not {self.model.rows[kind]}"
        return ""

    def check_all(self):
        for connection in self.connections:
            wait_until(lambda hop=connection: not self.difference(hop), lambda hop=connection: self.difference(hop))

    def check_tags(self):
        connection = self.connections[0]
        for kind, about in KINDS.items():
            if about["url"]:
                tags = self.random.choice(["red", "red,green", "green/blue", "red/green/blue", "red,green,blue"])
                page = connection.ask("GET", f"/{about['url']}?size=1000&tags={tags}")[1]
                assert [row["id"] for row in page["data"]] == self.model.page(kind, tags), (kind, tags)
        listed = {(entry["tag"], entry["entity_name"], entry["entity_id"]) for entry in connection.ask("GET", "/tags")[1]["data"]}
        assert listed == {(tag, kind, identity) for kind, rows in self.model.rows.items() for identity, row in rows.items()
                          for tag in row["tags"] or []}

    def run(self, steps, checks):
        for i in range(1, steps + 1):
            try:
                self.step()
            except AssertionError as error:
                raise AssertionError(f"step {i}: {error}\nbefore it: {[connection.log for connection in self.connections]}") from error
            if i % (steps // checks) == 0:
                self.check_all()
                self.check_tags()


def kill(walk, number):
    connection = walk.connections[number]
    connection.hop.kill()
    restart(connection.hop)
    connection.open()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_does_as_the_model(lab, seed):
    walk = Walk(lab, [admin_hop(lab, CONF).start()], seed)
    walk.run(steps=400, checks=4)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_has_everything_after_a_kill(lab):
    hop = admin_hop(lab, CONF).start()
    lab.expect_bad_end.add(hop)
    walk = Walk(lab, [hop], 4)
    for _ in range(4):
        walk.run(steps=60, checks=1)
        kill(walk, 0)
        walk.check_all()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_hops_on_one_store_are_one(lab, tmp_path):
    conf = {**CONF, "hopgate_sqlite_path": tmp_path / "shared.db"}
    hops = [admin_hop(lab, conf, name=name).start() for name in ("one", "two")]
    lab.expect_bad_end.update(hops)
    walk = Walk(lab, hops, 5)
    for number in range(2):
        walk.run(steps=100, checks=4)
        kill(walk, number)
        walk.check_all()


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 104))
def test_it_does_as_the_model_for_long(lab, seed):
    hop = admin_hop(lab, CONF).start()
    lab.expect_bad_end.add(hop)
    walk = Walk(lab, [hop], seed)
    for _ in range(4):
        walk.run(steps=1500, checks=10)
        kill(walk, 0)
        walk.check_all()
