"""decK works unmodified: its calls in its order (lab/deck.py), and decK itself where it is installed."""
import json
import re
import shutil

import pytest

from lab.admin import Admin, admin_hop
from lab.client import run
from lab.deck import LISTS, TOLERATED, Deck, DeckFailed, new_state, same

A = "00000000-0000-4000-8000-00000000000"
TOKEN = "0123456789abcdef0123"


@pytest.fixture(name="hop")
def started_hop(lab):
    return admin_hop(lab).start()


@pytest.fixture(name="deck")
def deck_of(hop):
    return Deck(hop.admin_listeners["http"])


def shop(lab, port=9):
    """A file as a shop has it: some of everything that a hop keeps."""
    pki = lab.pki
    return new_state(
        certificates=[{"id": A + "1", "cert": pki.chain("edge").read_text(), "key": pki.key("edge").read_text()}],
        snis=[{"name": "shop.example", "certificate": {"id": A + "1"}}],
        upstreams=[{"id": A + "2", "name": "shop", "healthchecks": {"passive": {"unhealthy": {"http_failures": 3}}}},
                   {"name": "hashed", "hash_on": "header", "hash_on_header": "x-user", "algorithm": "consistent-hashing"}],
        targets=[{"target": f"127.0.0.1:{port}", "upstream": {"id": A + "2"}},
                 {"target": "127.0.0.2:9", "weight": 0, "upstream": {"id": A + "2"}}],
        services=[{"id": A + "3", "name": "shop", "host": "shop", "tags": ["b", "a"]},
                  {"id": A + "4", "name": "far", "host": "far.example", "protocol": "https", "port": 443, "path": "/base",
                   "tls_verify": False}],
        routes=[{"id": A + "5", "name": "shop", "paths": ["/shop", "~/shop/\\d+$"], "service": {"id": A + "3"}},
                {"name": "hosts", "hosts": ["b.example", "a.example"], "methods": ["POST", "GET"], "service": {"id": A + "4"},
                 "headers": {"x-version": ["2", "1"]}, "strip_path": False},
                {"name": "alone", "paths": ["/alone"]}],
        consumers=[{"id": A + "6", "username": "luka", "custom_id": "1"}],
        key_auths=[{"key": "secret-of-luka", "consumer": {"id": A + "6"}}],
        acls=[{"group": "buyers", "consumer": {"id": A + "6"}}],
        plugins=[{"name": "rate-limiting", "config": {"minute": 5, "policy": "local"}, "service": {"id": A + "3"}, "enabled": False},
                 {"name": "key-auth", "config": {"key_names": ["b", "a"]}, "route": {"id": A + "5"}, "enabled": False},
                 {"name": "cors", "enabled": False, "config": {"origins": ["http://x.example"], "max_age": 60}}],
    )


def test_ping(deck):
    assert deck.ping() >= (3, 4)


def test_sync_and_then_diff_is_empty(lab, hop, deck):
    origin = lab.origin(content=b"the shop")
    state = shop(lab, origin.port)
    count = sum(len(rows) for rows in state.values())
    assert len(deck.diff(state)) == count
    assert deck.sync(state) == count
    assert deck.diff(state) == []
    client = lab.client(hop)
    assert client.get("/shop").content == b"the shop"  # and the traffic follows the file


def test_a_change_of_the_file_is_all_that_is_written(lab, deck):
    state = shop(lab)
    deck.sync(state)
    route = state["routes"][A + "5"]
    state["routes"][A + "5"] = {**route, "paths": ["/other"]}
    gone = next(key for key, row in state["routes"].items() if row["name"] == "alone")
    del state["routes"][gone]
    target = next(row for row in state["targets"].values() if row.get("weight") == 0)
    target["weight"] = 7
    steps = [(what, entity, key) for what, entity, key, _ in deck.diff(state)]
    assert sorted(steps) == sorted([("delete", "routes", gone), ("update", "routes", A + "5"),
                                    ("update", "targets", target["id"])])
    assert deck.sync(state) == 3
    assert deck.diff(state) == []


def test_dump_is_a_file_that_sync_has_nothing_to_do_for(lab, deck):
    deck.sync(shop(lab))
    dumped = deck.dump()
    assert deck.diff(dumped) == []
    assert {"services", "routes", "plugins", "targets", "key-auths", "acls"} <= {name for name, rows in dumped.items() if rows}


def test_reset_leaves_nothing(lab, deck):
    deck.sync(shop(lab))
    assert deck.reset() > 0
    assert all(not rows for rows in deck.dump().values())
    state = shop(lab)
    deck.sync(state)
    assert deck.diff(state) == []


def test_a_thousand_rows_come_in_pages(lab, deck):
    routes = [{"name": f"r{i}", "paths": [f"/{i}"]} for i in range(30)]
    state = new_state(routes=routes, consumers=[{"username": f"u{i}"} for i in range(1100)])
    deck.sync(state)
    deck.log.clear()
    assert len(deck.dump()["consumers"]) == 1100
    pages = [path for _, path in deck.log if path.startswith("/consumers?")]
    assert pages[0] == "/consumers?size=1000" and re.fullmatch(r"/consumers\?offset=[^&]+&size=1000", pages[1]) and len(pages) == 2
    assert deck.diff(state) == []


def test_every_list_is_there_or_is_tolerated(deck):
    deck.dump()
    asked = {path for _, path in deck.log}
    assert {f"/{name}?size=1000" for name in [*LISTS, *TOLERATED]} <= asked


def test_null_and_an_empty_list_are_told_apart(lab, hop, deck):
    admin = Admin(lab, hop)
    made = admin.must("POST", "/routes", {"name": "r", "paths": ["/"], "hosts": []})
    assert made["hosts"] == [] and made["methods"] is None and made["snis"] is None and made["headers"] is None
    assert not same("routes", made, {**made, "hosts": None})


def test_a_target_is_put_and_then_posted(lab, deck):
    state = new_state(upstreams=[{"id": A + "1", "name": "u"}], targets=[{"id": A + "2", "target": "h:1", "upstream": {"id": A + "1"}}])
    deck.sync(state)
    writes = [entry for entry in deck.log if entry[0] in ("PUT", "POST")]
    assert writes == [("PUT", f"/upstreams/{A}1"), ("PUT", f"/upstreams/{A}1/targets/{A}2"), ("POST", f"/upstreams/{A}1/targets")]


def test_every_plugin_converges(deck, lab, hop):
    """Its answer is what its schema says it would be."""
    admin = Admin(lab, hop)
    limit = {"second": None, "minute": 5, "hour": None, "day": None, "month": None, "year": None}  # decK opens no maps
    needed = {"rate-limiting": {"minute": 5}, "response-ratelimiting": {"limits": {"x": limit}},
              "http-log": {"http_endpoint": "http://h.example/"}, "file-log": {"path": "/dev/null"},
              "tcp-log": {"host": "h", "port": 1}, "udp-log": {"host": "h", "port": 1}, "acl": {"allow": ["g"]},
              "ip-restriction": {"allow": ["10.0.0.0/8"]}, "redirect": {"location": "http://h.example/"},
              "proxy-cache": {"strategy": "memory"}, "oauth2": {"scopes": ["x"], "enable_client_credentials": True, "provision_key": "p"},
              "session": {"secret": "s"},
              "standard-webhooks": {"secret_v1": "c2VjcmV0"}}
    names = admin.must("GET", "/plugins/enabled")["enabled_plugins"]
    assert len(names) > 15
    state = new_state(plugins=[{"name": name, "enabled": False, "config": needed.get(name, {})} for name in names])
    for key, row in state["plugins"].items():
        schema = deck.must("GET", f"/schemas/plugins/{row['name']}")
        assert any("config" in field for field in schema["fields"])
        deck.do(("create", "plugins", key, row))
    have = deck.dump()["plugins"]
    differences = [(row["name"], name, have[key]["config"].get(name), row["config"].get(name))
                   for _, _, key, row in deck.diff(state) for name in {**row["config"], **have[key]["config"]}
                   if have[key]["config"].get(name) != row["config"].get(name)]
    assert differences == []


def test_validate(lab, deck):
    state = shop(lab)
    assert deck.validate(state) == []
    bad = new_state(services=[{"name": "x"}])
    assert deck.validate(bad) == [("services", "schema violation (host: required field missing)")]


def test_what_is_refused_is_said_in_words(deck):
    with pytest.raises(DeckFailed, match="host: required field missing"):
        deck.sync(new_state(services=[{"name": "x"}]))


# ---- what a file may ask for more ------------------------------------------------------------------

def others(consumer):
    """What decK knows besides what a shop has."""
    key_set = A + "a"
    return dict(
        hmac_auths=[{"username": "h", "secret": "s", "consumer": {"id": consumer}}],
        jwts=[{"key": "j", "secret": "s", "algorithm": "HS256", "consumer": {"id": consumer}}],
        oauth2=[{"name": "o", "client_id": "i", "client_secret": "s", "redirect_uris": ["http://a.example/"], "hash_secret": False,
                 "client_type": "confidential", "consumer": {"id": consumer}}],
        key_sets=[{"id": key_set, "name": "set"}],
        keys=[{"name": "key", "kid": "k", "jwk": '{"kid":"k","kty":"oct"}', "set": {"id": key_set}}],
        vaults=[{"prefix": "my-env", "name": "env", "config": {"prefix": "MY_"}}])


def test_everything_that_deck_knows_converges(lab, deck):
    authority = lab.pki.root.read_text()
    state = new_state(consumers=[{"id": A + "6", "username": "luka"}], ca_certificates=[{"cert": authority}], **others(A + "6"))
    assert deck.sync(state) == sum(len(rows) for rows in state.values())
    assert deck.diff(state) == []
    assert deck.validate(state) == []
    assert deck.reset() > 0


def test_a_password_is_the_one_difference_that_stays(deck):
    """Kong shows its hash; decK warns of it."""
    state = new_state(consumers=[{"id": A + "6", "username": "luka"}],
                      basic_auths=[{"id": A + "7", "username": "luka", "password": "p", "consumer": {"id": A + "6"}}])
    deck.sync(state)
    assert [step[:3] for step in deck.diff(state)] == [("update", "basic-auths", A + "7")]
    before = deck.dump()["basic-auths"][A + "7"]["password"]
    deck.must("PUT", f"/consumers/{A}6/basic-auth/{A}7?skip_hash=true", state["basic-auths"][A + "7"])  # an open-source Kong does not know it
    assert deck.dump()["basic-auths"][A + "7"]["password"] == before


def test_select_tags_touch_nothing_else(hop, deck):
    deck.sync(new_state(services=[{"id": A + "1", "name": "other", "host": "h", "tags": ["team-b"]}]))
    mine = Deck(hop.admin_listeners["http"], tags=["team-a", "prod"])
    tags = ["team-a", "prod"]
    state = new_state(services=[{"id": A + "2", "name": "mine", "host": "h", "tags": tags}], upstreams=[{"id": A + "3", "name": "u", "tags": tags}],
                      targets=[{"target": "h:1", "upstream": {"id": A + "3"}, "tags": tags}])
    assert mine.sync(state) == 3
    assert mine.diff(state) == []
    asked = {path for _, path in mine.log}
    assert "/services?size=1000&tags=team-a%2Cprod" in asked and f"/upstreams/{A}3/targets?size=1000&tags=team-a%2Cprod" in asked
    assert "/mtls-auths?size=1000" in asked
    assert mine.reset() == 3
    assert set(deck.dump()["services"]) == {A + "1"}


def test_a_row_that_the_tags_hide_is_not_overwritten(hop, deck):
    deck.sync(new_state(plugins=[{"id": A + "1", "name": "cors", "enabled": False, "tags": ["team-b"]}]))
    mine = Deck(hop.admin_listeners["http"], tags=["team-a"])
    with pytest.raises(DeckFailed, match="already exists"):
        mine.sync(new_state(plugins=[{"id": A + "1", "name": "prometheus", "enabled": False, "tags": ["team-a"]}]))


def test_a_name_that_has_another_id_is_made_anew(deck):
    """The old one goes first, and before it the routes that keep it."""
    route = {"name": "r", "paths": ["/"]}
    deck.sync(new_state(services=[{"id": A + "1", "name": "s", "host": "h"}], routes=[{"id": A + "2", **route, "service": {"id": A + "1"}}],
                        consumers=[{"id": A + "3", "username": "c"}],
                        plugins=[{"id": A + "4", "name": "cors", "enabled": False, "service": {"id": A + "1"}}]))
    state = new_state(services=[{"id": A + "5", "name": "s", "host": "h"}], routes=[{"id": A + "6", **route, "service": {"id": A + "5"}}],
                      consumers=[{"id": A + "7", "username": "c"}],
                      plugins=[{"id": A + "8", "name": "cors", "enabled": False, "service": {"id": A + "5"}}])
    deck.sync(state)
    assert deck.diff(state) == []


def test_a_credential_moves_to_another_consumer(deck):
    consumers = [{"id": A + "1", "username": "a"}, {"id": A + "2", "username": "b"}]
    key = {"id": A + "3", "key": "k"}
    deck.sync(new_state(consumers=consumers, key_auths=[{**key, "consumer": {"id": A + "1"}}]))
    state = new_state(consumers=consumers, key_auths=[{**key, "consumer": {"id": A + "2", "username": "b"}}])
    deck.sync(state)
    assert deck.dump()["key-auths"][A + "3"]["consumer"] == {"id": A + "2"}


def test_ids_may_be_swapped_between_scopes(deck):
    """A plugin that is moved from a service to everywhere, by its id."""
    services = [{"id": A + "1", "name": "s", "host": "h"}]
    deck.sync(new_state(services=services, plugins=[{"id": A + "2", "name": "cors", "enabled": False, "service": {"id": A + "1"}}]))
    state = new_state(services=services, plugins=[{"id": A + "2", "name": "cors", "enabled": False}])
    deck.sync(state)
    assert deck.diff(state) == [] and deck.dump()["plugins"][A + "2"]["service"] is None


def test_a_workspace_is_not_there(hop):
    with pytest.raises(DeckFailed, match="does not exist"):
        Deck(hop.admin_listeners["http"], workspace="team").dump()


def test_over_tls_with_a_token(lab):
    """Go offers HTTP/2 first; --headers brings the token."""
    pki = lab.pki
    hop = admin_hop(lab, {"admin_listen": "127.0.0.1:0 ssl", "hopgate_admin_token": TOKEN, "admin_ssl_cert": pki.chain("edge"),
                          "admin_ssl_cert_key": pki.key("edge")}).start()
    tls = pki.client_context()
    tls.set_alpn_protocols(["h2", "http/1.1"])
    with pytest.raises(DeckFailed, match="401"):
        Deck(hop.admin_listeners["https"], tls=tls).ping()
    deck = Deck(hop.admin_listeners["https"], tls=tls, fields={"Kong-Admin-Token": TOKEN})
    state = new_state(services=[{"name": "s", "host": "h"}])
    deck.sync(state)
    assert deck.diff(state) == []


# ---- the tool itself -------------------------------------------------------------------------------

def test_the_real_deck(lab, hop, tmp_path):
    if not shutil.which("deck"):
        pytest.skip("decK is not installed: only its calls were replayed")
    address = "http://{}:{}".format(*hop.admin_listeners["http"])
    origin = lab.origin(content=b"the shop")
    (tmp_path / "kong.yaml").write_text(json.dumps({
        "_format_version": "3.0",
        "upstreams": [{"name": "shop", "targets": [{"target": f"127.0.0.1:{origin.port}"}]}],
        "services": [{"name": "shop", "host": "shop", "routes": [{"name": "shop", "paths": ["/shop"]}],
                      "plugins": [{"name": "cors", "enabled": False, "config": {"max_age": 60}}]}],
        "consumers": [{"username": "luka", "keyauth_credentials": [{"key": "secret"}]}]}))

    def deck(*words, file=True):
        done = run("deck", "gateway", *words, *([tmp_path / "kong.yaml"] if file else []), "--kong-addr", address,
                   "--analytics=false")
        assert done.code == 0, done
        return done.out

    assert re.search(r"version: +3\.9", deck("ping", file=False))
    deck("sync")
    assert lab.client(hop).get("/shop").content == b"the shop"
    assert re.search(r"Created: 0\s+Updated: 0\s+Deleted: 0", deck("diff"))
    deck("dump", "-o", tmp_path / "dumped.yaml", file=False)
    assert "name: shop" in (tmp_path / "dumped.yaml").read_text()
    deck("reset", "--force", file=False)
    assert Admin(lab, hop).must("GET", "/services")["data"] == []
