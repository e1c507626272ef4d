"""
What Kong's Admin API does with entities, in Python and independent of our own: create, read, replace, change, delete,
uniqueness, references and cascades. Only a few fields of each entity, whose values are always good ones: what is
wrong with a single value is proven elsewhere.

A write is judged in Kong's order: references that are said by a name (13), the schema (2), the id and what is unique
(3, 5), references (4). Where two of the same rank are wrong at once, each is an answer.
"""
import copy

KINDS = {
    "services": {"url": "services", "key": "name", "unique": ["name"], "refs": {}, "values": {"retries": 5}},
    "routes": {"url": "routes", "key": "name", "unique": ["name"], "refs": {"service": ("services", "restrict", False)},
               "values": {"regex_priority": 0}, "nested": {"services": ("service", "routes")}},
    "consumers": {"url": "consumers", "key": "username", "unique": ["username", "custom_id"], "refs": {}, "values": {}},
    "upstreams": {"url": "upstreams", "key": "name", "unique": ["name"], "required": ["name"], "refs": {}, "values": {"slots": 10000}},
    "keyauth_credentials": {"url": "key-auths", "key": "key", "unique": ["key"], "auto": ["key"], "values": {},
                            "refs": {"consumer": ("consumers", "cascade", True)}, "nested": {"consumers": ("consumer", "key-auth")}},
    "acls": {"url": "acls", "key": None, "unique": [], "required": ["group"], "composite": ["consumer", "group"], "values": {},
             "refs": {"consumer": ("consumers", "cascade", True)}, "nested": {"consumers": ("consumer", "acls")}, "plain": ["group"]},
    "plugins": {"url": "plugins", "key": "instance_name", "unique": ["instance_name"], "composite": ["name", "route", "service", "consumer"],
                "required": ["name"], "plain": ["name"], "values": {},
                "refs": {"service": ("services", "cascade", False), "route": ("routes", "cascade", False), "consumer": ("consumers", "cascade", False)},
                "nested": {"services": ("service", "plugins"), "routes": ("route", "plugins"), "consumers": ("consumer", "plugins")}},
    "targets": {"url": None, "key": "target", "unique": [], "required": ["target"], "composite": ["upstream", "target"], "plain": ["target"],
                "values": {"weight": 100}, "refs": {"upstream": ("upstreams", "cascade", True)}, "nested": {"upstreams": ("upstream", "targets")}},
    "certificates": {"url": "certificates", "key": None, "unique": [], "refs": {}, "values": {}},  # and `snis`, see Certificates
    "snis": {"url": "snis", "key": "name", "unique": ["name"], "required": ["name"], "values": {},
             "refs": {"certificate": ("certificates", "cascade", True)}, "nested": {"certificates": ("certificate", "snis")}},
    "key_sets": {"url": "key-sets", "key": "name", "unique": ["name"], "refs": {}, "values": {}},
    "keys": {"url": "keys", "key": "name", "unique": ["name"], "composite": ["kid", "set"], "required": ["kid"], "plain": ["kid"], "values": {},
             "refs": {"set": ("key_sets", "cascade", False)}, "nested": {"key-sets": ("set", "keys")}},
}


class Refused(Exception):
    """answers: {(status, code or None)}"""

    def __init__(self, *answers):
        super().__init__(answers)
        self.answers = set(answers)


def is_id(text):
    return len(text) == 36 and text.count("-") == 4


class Certificates:
    """What differs there: `snis` of the content are rows of their own, and any of them stands for the certificate."""

    def certificate_of(self, name):
        identity = self.by_unique("snis", "name", name)
        return identity and self.rows["snis"][identity]["certificate"]["id"]

    def check_names(self, names, own):
        if names and (len(set(names)) < len(names) or any(self.certificate_of(name) not in (None, own) for name in names)):
            raise Refused((400, 2))

    def set_names(self, identity, names):
        """None: they stay."""
        if names is None:
            return
        for each, row in list(self.rows["snis"].items()):
            if row["certificate"] == {"id": identity} and row["name"] not in names:
                del self.rows["snis"][each]
        for name in names:
            if self.certificate_of(name) is None:
                self.rows["snis"][self.id_of_sni(name)] = {"tags": None, "name": name, "certificate": {"id": identity}}

    def names_of(self, identity):
        return sorted(row["name"] for row in self.rows["snis"].values() if row["certificate"] == {"id": identity})

    def put_certificate(self, key, content, learn):
        own = key if is_id(key) else self.certificate_of(key)
        names = content.get("snis") or []
        if own is None:
            return self.insert("certificates", {**content, "snis": names if key in names else [*names, key]}, learn)
        return self.upsert("certificates", own, {**content, "snis": names}, learn)


class AdminModel(Certificates):
    def __init__(self):
        self.id_of_sni = None  # asks the gateway for what it has made up
        self.rows = {kind: {} for kind in KINDS}  # kind -> id -> {field: value}

    # -- reading

    @staticmethod
    def fields(kind):
        about = KINDS[kind]
        return ["tags", *about["unique"], *about.get("plain", []), *about["values"], *about["refs"]]

    def find(self, kind, key):
        """The id of what a path names, or None."""
        if is_id(key):
            return key if key in self.rows[kind] else None
        if kind == "certificates":
            return self.certificate_of(key)
        if KINDS[kind]["key"] is None:
            raise Refused((400, 1))
        return self.by_unique(kind, KINDS[kind]["key"], key)

    def by_unique(self, kind, field, value):
        return next((identity for identity, row in self.rows[kind].items() if row[field] == value), None)

    def find_below(self, kind, field, parent, key):
        """Targets and groups have names that are unique below their parent only."""
        if not is_id(key) and kind in ("targets", "acls"):
            name = "target" if kind == "targets" else "group"
            return next((identity for identity, row in self.rows[kind].items()
                         if row[name] == key and row[field] == {"id": parent}), None)
        identity = self.find(kind, key)
        return identity if identity and self.rows[kind][identity][field] == {"id": parent} else None

    def page(self, kind, tags=None):
        """Ids in Kong's order."""
        def is_wanted(row):
            have = row["tags"] or []
            if tags is None:
                return True
            return any(tag in have for tag in tags.split("/")) if "/" in tags else all(tag in have for tag in tags.split(","))
        return sorted(identity for identity, row in self.rows[kind].items() if is_wanted(row))

    # -- writing; `learn`: what the answer says is taken for what the gateway makes up

    def resolved(self, kind, content):
        content = dict(content)
        for field, (above, _, _) in KINDS[kind]["refs"].items():
            value = content.get(field)
            if value and "id" not in value:
                (name, said), = value.items()
                identity = self.by_unique(above, name, said)
                if identity is None:
                    raise Refused((400, 13))
                content[field] = {"id": identity}
        return content

    def check(self, kind, row, own, wanted_id):
        about = KINDS[kind]
        missing = [field for field in about.get("required", []) if row[field] is None]
        missing += [field for field, (_, _, required) in about["refs"].items() if required and row[field] is None]
        if missing or (kind == "consumers" and not row["username"] and not row["custom_id"]):
            raise Refused((400, 2))
        others = {identity: other for identity, other in self.rows[kind].items() if identity != own}
        taken = {(400, 3)} if wanted_id in others else set()
        if any(row[field] is not None and row[field] == other[field] for field in about["unique"] for other in others.values()):
            taken.add((409, 5))
        if about.get("composite") and any(all(row[field] == other[field] for field in about["composite"]) for other in others.values()):
            taken.add((409, 5))
        if taken:
            raise Refused(*taken)
        for field, (above, _, _) in about["refs"].items():
            if row[field] and row[field]["id"] not in self.rows[above]:
                raise Refused((400, 4))

    def new_row(self, kind, content, auto):
        about = KINDS[kind]
        row = {field: content.get(field) for field in self.fields(kind)}
        row.update({field: content.get(field, value) for field, value in about["values"].items()})
        for field in about.get("auto", []):
            row[field] = content.get(field) or auto(field)
        return row

    def insert(self, kind, content, learn):
        content = self.resolved(kind, content)
        row = self.new_row(kind, content, lambda field: ("made", field))
        self.check_names(content.get("snis"), None)
        self.check(kind, row, None, content.get("id"))
        answer = learn()
        for field in KINDS[kind].get("auto", []):
            row[field] = content.get(field) or answer[field]
        identity = content.get("id") or answer["id"]
        self.rows[kind][identity] = row
        self.set_names(identity, content.get("snis"))
        return identity

    def upsert(self, kind, key, content, learn):
        about = KINDS[kind]
        content = dict(content)
        if is_id(key):
            own = key
            content["id"] = key
        else:
            if about["key"] is None:
                raise Refused((400, 1))
            own = self.by_unique(kind, about["key"], key)
            content[about["key"]] = key
            if own:
                content["id"] = own
        content = self.resolved(kind, content)
        row = self.new_row(kind, content, lambda field: ("made", field))
        self.check_names(content.get("snis"), own)
        self.check(kind, row, own if own in self.rows[kind] else None, content.get("id"))
        answer = learn()
        for field in about.get("auto", []):
            row[field] = content.get(field) or answer[field]
        identity = content.get("id") or answer["id"]
        self.rows[kind][identity] = row
        self.set_names(identity, content.get("snis"))
        return identity

    def update(self, kind, identity, content, learn):
        content = self.resolved(kind, content)
        self.check_names(content.get("snis"), identity)
        row = copy.deepcopy(self.rows[kind][identity])
        row.update({field: value for field, value in content.items() if field in row})
        self.check(kind, row, identity, None)
        learn()
        self.rows[kind][identity] = row
        self.set_names(identity, content.get("snis", []) or [] if "snis" in content else None)
        return identity

    def referring(self, kind, identity):
        for other, about in KINDS.items():
            for field, (above, becomes, _) in about["refs"].items():
                for each, row in self.rows[other].items():
                    if above == kind and row[field] == {"id": identity}:
                        yield other, each, becomes

    def delete(self, kind, identity):
        below = list(self.referring(kind, identity))
        if any(becomes == "restrict" for _, _, becomes in below):
            raise Refused((400, 4))
        for other, each, _ in below:
            if each in self.rows[other]:
                self.delete(other, each)
        del self.rows[kind][identity]
