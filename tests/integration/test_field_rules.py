"""hopgate.fields: forwarded policies and operations on fields, per hop, service and route, both ways."""
import json

import pytest

from lab import behaviours
from lab.lab import merge, service_to
from test_reload import reload, rewrite

TRUSTED = {"trusted_ips": "127.0.0.0/8"}
CLAIMS = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-Proto", "gopher")]


@pytest.fixture
def origin(lab):
    return lab.origin(content=b"x")


def with_fields(declarative, *entries):
    return {**declarative, "hopgate": {"fields": list(entries)}}


def hop_with(lab, origin, *entries, persona="edge", conf=None, **options):
    return lab.hop(with_fields(service_to(origin), *entries), persona=persona, conf=conf, **options)


def seen(lab, hop, origin, fields=(), target="/"):
    """The fields that the origin gets."""
    lab.client(hop).get(target, fields)
    return origin.requests[-1].fields


def pairs(fields, *names):
    wanted = {name.lower() for name in names}
    return [(name, value) for name, value in fields if name.lower() in wanted]


# ---- forwarded policies

POLICIES = [  # persona, conf, policy, what the target gets of CLAIMS' X-Forwarded-For lines
    ("edge", TRUSTED, "append", ["203.0.113.9, 198.51.100.1, 127.0.0.1"]),
    ("edge", TRUSTED, "preserve", ["203.0.113.9", "198.51.100.1"]),
    ("edge", TRUSTED, "replace", ["127.0.0.1"]),
    ("edge", TRUSTED, "remove", []),
    ("edge", {}, "append", ["127.0.0.1"]),
    ("edge", {}, "preserve", ["127.0.0.1"]),
    ("edge", {}, "remove", []),
    ("edge", {}, {"policy": "preserve", "untrusted": "preserve"}, ["203.0.113.9", "198.51.100.1"]),
    ("edge", {}, {"policy": "preserve", "untrusted": "append"}, ["203.0.113.9, 198.51.100.1, 127.0.0.1"]),
    ("edge", {}, {"policy": "append", "trusted": ["127.0.0.1"]}, ["203.0.113.9, 198.51.100.1, 127.0.0.1"]),
    ("edge", TRUSTED, {"policy": "append", "trusted": ["10.0.0.0/8"]}, ["127.0.0.1"]),
    ("edge", TRUSTED, {"policy": "append", "trusted": ["10.0.0.0/8"], "untrusted": "remove"}, []),
    ("kong", {}, "append", ["127.0.0.1"]),
    ("kong", TRUSTED, "append", ["203.0.113.9, 198.51.100.1, 127.0.0.1"]),
    ("kong", TRUSTED, "preserve", ["203.0.113.9", "198.51.100.1"]),
    ("f5", TRUSTED, "append", ["203.0.113.9, 198.51.100.1, 127.0.0.1"]),
    ("f5", {}, {"policy": "remove"}, []),
]


@pytest.mark.parametrize("persona, conf, policy, want", POLICIES)
def test_policy_of_x_forwarded_for(lab, origin, persona, conf, policy, want):
    hop = hop_with(lab, origin, {"forwarded": {"X-Forwarded-For": policy}}, persona=persona, conf=conf)
    assert seen(lab, hop, origin, CLAIMS).all("X-Forwarded-For") == want


def test_what_has_no_policy_is_as_the_persona_has_it(lab, origin):
    hop = hop_with(lab, origin, {"forwarded": {"X-Forwarded-For": "remove"}})
    fields = seen(lab, hop, origin, CLAIMS)
    assert fields.all("X-Forwarded-Proto") == ["http"]
    assert fields.all("X-Real-IP") == ["127.0.0.1"]


def test_preserve_adds_nothing_where_nothing_was(lab, origin):
    names = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-IP", "Via",
             "Forwarded"]
    hop = hop_with(lab, origin, {"forwarded": {name: "preserve" for name in names}}, conf=TRUSTED)
    assert pairs(seen(lab, hop, origin), *names) == []


@pytest.mark.parametrize("persona", ["edge", "kong", "f5"])
def test_forwarded_of_rfc_7239(lab, origin, persona):
    entry = {"forwarded": {"Forwarded": {"policy": "append", "by": "_edge1"}}}
    hop = hop_with(lab, origin, entry, persona=persona, conf=TRUSTED)
    fields = seen(lab, hop, origin, [("Host", "Shop.example:81"), ("Forwarded", 'for="[2001:db8::1]";proto=https')])
    assert fields.all("Forwarded") == [
        'for="[2001:db8::1]";proto=https, for=127.0.0.1;by=_edge1;host="Shop.example:81";proto=http']


def test_forwarded_can_hide_the_client(lab, origin):
    policy = {"policy": "replace", "for": "unknown", "by": "_x", "host": False, "proto": False}
    hop = hop_with(lab, origin, {"forwarded": {"Forwarded": policy}})
    assert seen(lab, hop, origin, [("Forwarded", "for=1.2.3.4")]).all("Forwarded") == ["for=unknown;by=_x"]


def test_route_goes_before_service_before_hop_before_kong_conf(lab, origin):
    both = merge(service_to(origin, name="a", paths=("/a",)), service_to(origin, name="b", paths=("/b",)))
    both["services"][1]["routes"].append({"name": "b-special", "paths": ["/b/special"], "strip_path": False})
    hop = lab.hop(with_fields(both, {"forwarded": {"X-Forwarded-Host": "preserve", "X-Forwarded-Port": "remove"}},
                              {"service": "b", "forwarded": {"X-Forwarded-Host": "remove"}},
                              {"route": "b-special", "forwarded": {"X-Forwarded-Host": "append"}}),
                  persona="edge",
                  conf={**TRUSTED, "hopgate_forwarded_host": "replace", "hopgate_forwarded_proto": "remove"})
    claim = [("Host", "h"), ("X-Forwarded-Host", "c")]
    for target, want in (("/a", ["c"]), ("/b", []), ("/b/special", ["c, h"])):
        fields = seen(lab, hop, origin, claim, target)
        assert fields.all("X-Forwarded-Host") == want, target
        assert pairs(fields, "X-Forwarded-Port", "X-Forwarded-Proto") == []


def test_kong_conf_alone(lab, origin):
    conf = {**TRUSTED, "hopgate_forwarded_for": "preserve", "hopgate_forwarded_real_ip": "remove",
            "hopgate_forwarded_rfc7239": "replace"}
    fields = seen(lab, lab.edge(origin, conf=conf), origin, [*CLAIMS, ("Host", "h")])
    assert fields.all("X-Forwarded-For") == ["203.0.113.9", "198.51.100.1"]
    assert fields.all("X-Real-IP") == []
    assert fields.all("Forwarded") == ["for=127.0.0.1;host=h;proto=http"]


def test_kong_conf_says_what_becomes_of_untrusted_claims(lab, origin):
    conf = {"hopgate_forwarded_for": "append", "hopgate_forwarded_proto": "preserve",
            "hopgate_forwarded_untrusted": "remove"}
    fields = seen(lab, lab.edge(origin, conf=conf), origin, CLAIMS)
    assert pairs(fields, "X-Forwarded-For", "X-Forwarded-Proto") == []


@pytest.mark.parametrize("persona, preserve_host, policy, want", [
    ("kong", False, "preserve", "c.test:9"), ("kong", True, "replace", None), ("edge", False, "replace", None),
    ("edge", False, "preserve", "c.test:9"),
    ("kong", True, {"policy": "replace", "untrusted": "preserve"}, "c.test:9")])
def test_host_policy_goes_before_preserve_host_and_persona(lab, origin, persona, preserve_host, policy, want):
    declarative = service_to(origin, route={"preserve_host": preserve_host})
    hop = lab.hop(with_fields(declarative, {"forwarded": {"Host": policy}}), persona=persona)
    assert seen(lab, hop, origin, [("Host", "c.test:9")]).all("Host") == [want or f"127.0.0.1:{origin.port}"]


def test_authorization_is_kept_from_one_service_only(lab, origin):
    both = merge(service_to(origin, name="a", paths=("/a",)), service_to(origin, name="b", paths=("/b",)))
    hop = lab.hop(with_fields(both, {"service": "b", "forwarded": {"Authorization": "remove"}}), persona="kong")
    sent = [("Authorization", "Basic eDp5")]
    assert seen(lab, hop, origin, sent, "/a").all("Authorization") == ["Basic eDp5"]
    assert seen(lab, hop, origin, sent, "/b").all("Authorization") == []


IDENTITY = [("Client-Cert", ":AAAA:"), ("client_cert", ":BBBB:"), ("Client-Cert-Chain", ":AAAA:"),
            ("X-SSL-Client-Verify", "SUCCESS")]
PAIR = [IDENTITY[0], IDENTITY[2]]


@pytest.mark.parametrize("conf, policy, want", [
    (TRUSTED, "preserve", PAIR), ({}, "preserve", []), (TRUSTED, "replace", []), (TRUSTED, "remove", []),
    ({}, {"policy": "preserve", "trusted": ["127.0.0.1/32"]}, PAIR)])
def test_identity_passes_from_trusted_peers_and_by_its_own_name_only(lab, origin, conf, policy, want):
    hop = hop_with(lab, origin, {"forwarded": {"Client-Cert": policy}}, conf=conf)
    assert pairs(seen(lab, hop, origin, IDENTITY), *[name for name, _ in IDENTITY]) == want


def test_reload_changes_the_rules(lab, origin):
    hop = hop_with(lab, origin, {"request": [{"set": "X-Rule", "value": "first"}], "forwarded": {"Via": "remove"}})
    assert seen(lab, hop, origin).all("X-Rule") == ["first"]
    rewrite(hop, with_fields(service_to(origin), {"request": [{"set": "X-Rule", "value": "second"}]}))
    reload(hop)
    fields = seen(lab, hop, origin)
    assert fields.all("X-Rule") == ["second"]
    assert fields.all("Via") == ["1.1 edge"]


# ---- operations

SENT = [("X-One", "1"), ("x-two", "a"), ("X-Two", "b"), ("X-Debug-A", "1"), ("X-DEBUG-b", "2"), ("Accept", "*/*"),
        ("Cookie", "a=1")]
OPERATIONS = [  # operation, what changes in SENT, in order: the whole list of those names afterwards
    ({"set": "X-Two", "value": "z"}, [("X-One", "1"), ("X-Two", "z")]),
    ({"set": "X-New", "value": "z"}, [("X-One", "1"), ("x-two", "a"), ("X-Two", "b"), ("X-New", "z")]),
    ({"set": "X-Two", "value": "z", "if_absent": True}, [("X-One", "1"), ("x-two", "a"), ("X-Two", "b")]),
    ({"set": "X-Two", "value": "$http_nothing"}, [("X-One", "1")]),
    ({"add": "X-One", "value": "2"}, [("X-One", "1"), ("x-two", "a"), ("X-Two", "b"), ("X-One", "2")]),
    ({"add": "X-One", "value": "2", "if_absent": True}, [("X-One", "1"), ("x-two", "a"), ("X-Two", "b")]),
    ({"append": "X-TWO", "value": "z"}, [("X-One", "1"), ("x-two", "a"), ("X-Two", "b, z")]),
    ({"append": "X-New", "value": "z"}, [("X-One", "1"), ("x-two", "a"), ("X-Two", "b"), ("X-New", "z")]),
    ({"append": "X-One", "value": "$http_nothing"}, [("X-One", "1"), ("x-two", "a"), ("X-Two", "b")]),
    ({"rename": "x-TWO", "to": "X-New"}, [("X-One", "1"), ("X-New", "a"), ("X-New", "b")]),
    ({"remove": "X-Two"}, [("X-One", "1")]),
    ({"remove": "x-t*"}, [("X-One", "1")]),
    ({"case": "X-TWO"}, [("X-One", "1"), ("X-TWO", "a"), ("X-TWO", "b")]),
    ({"case": "lower"}, [("x-one", "1"), ("x-two", "a"), ("x-two", "b")]),
    ({"case": "canonical"}, [("X-One", "1"), ("X-Two", "a"), ("X-Two", "b")]),
]
OPERATION_NAMES = ("X-One", "X-Two", "X-New")


def operation_hop(lab, origin, persona, scope):
    """Each operation has a service of its own."""
    services, entries = [], []
    for i, (operation, _) in enumerate(OPERATIONS):
        services.append(service_to(origin, name=f"s{i}", paths=(f"/{i}/",)))
        entries.append({scope: f"s{i}" + ("-route" if scope == "route" else ""),
                        "request": [operation], "response": [operation]})
    return lab.hop(with_fields(merge(*services), *entries), persona=persona)


@pytest.mark.parametrize("scope", ["service", "route"])
@pytest.mark.parametrize("persona", ["edge", "kong"])
def test_each_operation_both_ways(lab, origin, persona, scope):
    origin.otherwise(behaviours.answer(b"x", fields=SENT))
    client = lab.client(operation_hop(lab, origin, persona, scope))
    for i, (operation, want) in enumerate(OPERATIONS):
        answer = client.get(f"/{i}/", SENT)
        assert pairs(origin.requests[-1].fields, *OPERATION_NAMES) == want, f"request: {operation}"
        assert pairs(answer.fields, *OPERATION_NAMES) == want, f"response: {operation}"
        others = [(name.lower(), value) for name, value in SENT if name not in ("X-One", "x-two", "X-Two")]
        for fields in (origin.requests[-1].fields, answer.fields):
            names = [name for name, _ in others]
            assert [(name.lower(), value) for name, value in pairs(fields, *names)] == others, operation


def test_operations_run_as_written_hop_then_service_then_route(lab, origin):
    hop = hop_with(lab, origin,
                   {"route": "main-route", "request": [{"append": "X-Order", "value": "route"},
                                                       {"rename": "X-Order", "to": "X-End"}]},
                   {"request": [{"remove": "X-Order"}, {"set": "X-Order", "value": "hop"}]},
                   {"service": "main", "request": [{"append": "X-Order", "value": "service"}, {"case": "x-order"}]})
    fields = seen(lab, hop, origin, [("X-Order", "client")])
    assert pairs(fields, "X-Order", "X-End") == [("X-End", "hop, service, route")]


def test_a_pattern_never_removes_host_connection_or_framing(lab, origin):
    hop = hop_with(lab, origin, {"request": [{"remove": "C*"}, {"remove": "h*"}, {"remove": "T*"}],
                                 "response": [{"remove": "C*"}]})
    client = lab.client(hop)
    answer = client.post("/", b"12345", [("Content-Type", "a/b"), ("Connection", "keep-alive"), ("Cookie", "a=1")])
    assert answer.content == b"x"
    fields = origin.requests[0].fields
    assert (origin.requests[0].content, fields.all("Content-Length")) == (b"12345", ["5"])
    assert len(fields.all("Host")) == 1
    assert pairs(fields, "Content-Type", "Cookie") == []
    assert client.get("/").content == b"x"


@pytest.mark.parametrize("persona", ["edge", "kong"])
@pytest.mark.parametrize("twins", [[], [("X-Real-IP", "6.6.6.6")]])
def test_underscore_spelling_comes_past_no_rule(lab, origin, persona, twins):
    """A WSGI or CGI application cannot tell X_User from X-User."""
    hop = hop_with(lab, origin, {"request": [{"set": "X-User", "value": "ours"}, {"remove": "X-Debug"}],
                                 "forwarded": {"X-Real-IP": {"policy": "replace", "untrusted": "replace"},
                                               "X-Forwarded-Host": {"policy": "remove", "untrusted": "remove"}}},
                   persona=persona)
    claims = [("X_User", "root"), ("X_Debug", "1"), ("X_Real_IP", "127.0.0.1"), ("X-Real_IP", "6.6.6.6"),
              ("X_Forwarded_Host", "evil.test"), ("X_Fine", "1")]
    fields = seen(lab, hop, origin, claims + twins)
    folded = [(name.lower().replace("_", "-"), name, value) for name, value in fields]
    got = [(name, value) for key, name, value in folded
           if key in ("x-user", "x-debug", "x-real-ip", "x-forwarded-host")]
    assert sorted(got) == [("X-Real-IP", "127.0.0.1"), ("X-User", "ours")]


def test_variables(lab, origin):
    names = ["client_ip", "peer_ip", "scheme", "host", "request_id", "route", "service", "method", "request_uri", "query",
             "listener_port", "hop", "http_x_b3_traceid", "http_user_agent"]
    rules = [{"set": f"V-{name}".replace("_", "-"), "value": "<${%s}>" % name} for name in names]
    hop = hop_with(lab, origin, {"request": rules})
    sent = [("Host", "H.example:1"), ("X-B3-TraceId", "t1"), ("X-B3-TraceId", "t2"), ("User-Agent", "u/1")]
    fields = seen(lab, hop, origin, sent, "/p?q=1")
    got = {name: fields.get(f"V-{name}".replace("_", "-")) for name in names}
    assert len(got.pop("request_id")) == 34
    assert got == {"client_ip": "<127.0.0.1>", "peer_ip": "<127.0.0.1>", "scheme": "<http>", "host": "<h.example>",
                   "route": "<main-route>", "service": "<main>", "method": "<GET>", "request_uri": "</p?q=1>",
                   "query": "<q=1>", "listener_port": f"<{hop.port}>", "hop": "<edge>",
                   "http_x_b3_traceid": "<t1, t2>", "http_user_agent": "<u/1>"}


def test_tls_facts(lab, origin):
    rule = {"set": "X-TLS", "value": "$tls_version $tls_server_name $client_verify"}
    hop = hop_with(lab, origin, {"request": [rule]}, tls=True)
    lab.client(hop, tls=True).get("/")
    assert origin.requests[-1].fields.get("X-TLS") == "TLSv1.3 edge.test NONE"
    assert seen(lab, hop, origin).get("X-TLS") is None  # every fact is empty, and so is the value


def test_statuses_are_nginxs(lab, origin):
    hop = hop_with(lab, origin, {"response": [
        {"set": "X-Plain", "value": "$status"}, {"set": "X-Always", "value": "$upstream_status", "always": True},
        {"add": "X-Some", "value": "1", "when_status": [404, 418]}, {"remove": "X-Secret"}]})
    for status, want in ((200, ["X-Plain", "X-Always"]), (404, ["X-Always", "X-Some"]), (418, ["X-Always", "X-Some"]),
                         (500, ["X-Always"]), (308, ["X-Plain", "X-Always"])):
        origin.on(f"/{status}", behaviours.answer(b"x", status=status, fields=[("X-Secret", "1")]))
        fields = lab.client(hop).get(f"/{status}").fields
        assert [name for name, _ in pairs(fields, "X-Plain", "X-Always", "X-Some", "X-Secret")] == want, status
        assert fields.get("X-Always") == str(status)


@pytest.mark.parametrize("persona", ["edge", "kong"])
def test_answers_made_here_get_what_is_meant_always(lab, persona):
    rules = [{"set": "X-Plain", "value": "1"}, {"set": "X-Always", "value": "$status", "always": True},
             {"set": "X-502", "value": "1", "when_status": [502]}, {"remove": "Content-Type"}]
    hop = hop_with(lab, lab.refusing_port(), {"response": rules}, persona=persona)
    answer = lab.client(hop).get("/")
    assert answer.status == 502
    assert pairs(answer.fields, "X-Plain", "X-Always", "X-502") == [("X-Always", "502"), ("X-502", "1")]
    assert answer.fields.get("Content-Type")


def test_no_route_and_bad_requests_get_the_hops_rules(lab, origin):
    hop = lab.hop(with_fields(service_to(origin, paths=("/only",)),
                              {"response": [{"set": "X-Hop", "value": "1", "always": True}]},
                              {"service": "main", "response": [{"set": "X-Service", "value": "1", "always": True}]}),
                  persona="edge")
    assert pairs(lab.client(hop).get("/other").fields, "X-Hop", "X-Service") == [("X-Hop", "1")]
    client = lab.client(hop)
    client.send(b"GET / HTTP/1.1\r\nBad Name: 1\r\n\r\n")
    answer = client.read_response()
    assert (answer.status, answer.fields.get("X-Hop")) == (400, "1")


def test_status_listener_has_no_rules(lab, origin):
    hop = hop_with(lab, origin, {"response": [{"set": "X-Hop", "value": "1", "always": True}]},
                   conf={"status_listen": "127.0.0.1:0"})
    assert lab.client(hop.status_listeners["http"]).get("/status").fields.get("X-Hop") is None


HOSTILE = [b"a\tb", b"\x80\xff", b"%0d%0aX-Evil: 1", b"\\r\\n", b"a,b;c=\"d\"", b"\xe2\x80\xa8",
           b"=?utf-8?q?=0D=0A?=", b"$client_ip ${x} $$"]


@pytest.mark.parametrize("persona", ["edge", "kong", "f5"])
def test_hostile_bytes_cannot_break_out_of_a_value(lab, origin, persona):
    """What a client sends stands where a variable is, byte for byte, and makes no line of its own."""
    rules = [{"set": "X-Copy", "value": "<$http_x_hostile>"}, {"add": "X-Path", "value": "$request_uri|$authority"}]
    back = [{"set": "X-Copy", "value": "<$upstream_http_x_hostile>"}]
    hop = hop_with(lab, origin, {"request": rules, "response": back}, persona=persona)
    for value in HOSTILE:
        text = value.decode("latin-1")
        origin.on("/h", behaviours.answer(b"x", fields=[("X-Hostile", text)]))
        client = lab.client(hop)
        answer = client.get("/h?%0d%0aX-Evil:1", [("X-Hostile", text)])
        fields = origin.requests[-1].fields
        assert fields.all("X-Copy") == [f"<{text}>"]
        assert fields.all("X-Path") == [f"/h?%0d%0aX-Evil:1|{client.host_field}"]
        assert answer.fields.all("X-Copy") == [f"<{text}>"]
        assert pairs(fields, "X-Evil") == pairs(answer.fields, "X-Evil") == []


def test_trailers_do_not_say_what_an_operation_removes(lab, origin):
    origin.on("/", behaviours.answer(b"x", framing="chunked", trailers=[("X-Secret", "1"), ("X-Fine", "2")]))
    hop = hop_with(lab, origin, {"response": [{"remove": "X-Secret"}]})
    answer = lab.client(hop).get("/", [("TE", "trailers"), ("Connection", "TE")])
    assert pairs(answer.trailers, "X-Secret", "X-Fine") == [("X-Fine", "2")]


def test_json_says_the_same(lab, origin):
    rules = {"request": [{"set": "X-J", "value": "1"}]}
    text = json.dumps({"_format_version": "3.0", **with_fields(service_to(origin), rules)})
    assert seen(lab, lab.hop(text, persona="edge"), origin).get("X-J") == "1"
