"""Routes as a person who knows Kong expects them: regexes, fields, server names, redirects, what check says."""
import pytest

from lab.client import run

TRUSTING = {"trusted_ips": "127.0.0.1"}


def service(origin, *routes, **fields):
    return {"services": [{"name": "main", "host": origin.host, "port": origin.port, **fields, "routes": list(routes)}]}


def status(client, target, **fields):
    return client.get(target, [(name.replace("_", "-"), value) for name, value in fields.items()]).status


def test_regex_path_is_stripped_and_hashed_by_its_capture(lab):
    """hash_on uri_capture: the same user always comes to the same target, whatever the rest of the path."""
    origins = [lab.origin(content=str(number).encode()) for number in range(3)]
    hop = lab.hop({
        "upstreams": [{"name": "u", "algorithm": "consistent-hashing", "hash_on": "uri_capture",
                       "hash_on_uri_capture": "user",
                       "targets": [{"target": f"{origin.host}:{origin.port}"} for origin in origins]}],
        "services": [{"name": "main", "host": "u", "routes": [{"paths": ["~/users/(?<user>[a-z0-9]+)"]}]}]})
    client = lab.client(hop)
    seen = {user: {client.get(f"/users/{user}/{rest}").content for rest in range(4)}
            for user in (f"u{number}" for number in range(40))}
    assert all(len(answers) == 1 for answers in seen.values())
    assert len({answer for answers in seen.values() for answer in answers}) > 1
    assert {target.split("/")[1] for origin in origins for target in origin.targets()} == {"0", "1", "2", "3"}


def test_fields_and_methods_choose_the_route(lab):
    one, two = lab.origin(content=b"one"), lab.origin(content=b"two")
    hop = lab.hop({"services": [
        {"name": "one", "host": one.host, "port": one.port, "routes": [{"paths": ["/"]}]},
        {"name": "two", "host": two.host, "port": two.port, "routes": [
            {"paths": ["/"], "headers": {"X-Version": ["v2", "~*^canary-\\d+$"]}}]}]})
    client = lab.client(hop)
    assert client.get("/").content == b"one"
    assert client.get("/", [("x-version", "V2")]).content == b"two"
    assert client.get("/", [("X-Version", "v1"), ("X-Version", "Canary-7")]).content == b"two"
    assert client.get("/", [("X-Version", "canary-")]).content == b"one"


def test_server_name_chooses_the_route(lab):
    origin = lab.origin()
    hop = lab.hop(service(origin, {"name": "by-sni", "snis": ["*.sni.test"], "protocols": ["https"]}), tls=True)
    context = lab.pki.client_context(verify=False)
    assert lab.client(hop, tls=context, server_name="a.sni.test").get("/").status == 200
    assert lab.client(hop, tls=context, server_name="other.test").get("/").status == 404
    assert lab.client(hop).get("/").status == 426  # a plain request matches, and is told to come by https


@pytest.mark.parametrize("code", (301, 302, 307, 308))
def test_redirect_to_https_names_the_place(lab, code):
    origin = lab.origin()
    hop = lab.hop(service(origin, {"paths": ["/a"], "protocols": ["https"], "https_redirect_status_code": code}))
    response = lab.client(hop).get("/a/%62?c=%20d&e", [("Host", "Shop.Example:8000")])
    assert (response.status, response.content) == (code, b"")
    assert response.fields.get("Location") == "https://shop.example/a/%62?c=%20d&e"
    assert response.fields.get("Content-Length") == "0"
    assert origin.requests == []


def test_trusted_peer_says_how_the_client_came(lab):
    origin = lab.origin()
    route = {"paths": ["/"], "protocols": ["https"], "https_redirect_status_code": 301}
    trusting, other = lab.hop(service(origin, route), conf=TRUSTING), lab.hop(service(origin, route))
    assert status(lab.client(trusting), "/", X_Forwarded_Proto="https") == 200
    response = lab.client(trusting).get("/x", [("X-Forwarded-Proto", "http"), ("X-Forwarded-Host", "front.test")])
    assert (response.status, response.fields.get("Location")) == (301, "https://front.test/x")
    response = lab.client(other).get("/x", [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.test"),
                                            ("Host", "real.test")])
    assert (response.status, response.fields.get("Location")) == (301, "https://real.test/x")


def test_grpc_route_says_what_it_wants(lab):
    hop = lab.hop(service(lab.origin(), {"paths": ["/grpc"], "protocols": ["grpc"]}))
    client = lab.client(hop)
    response = client.get("/grpc")
    assert response.status == 415
    assert b'"message":"Non-gRPC request matched gRPC route"' in response.content
    response = client.get("/grpc", [("Content-Type", "application/grpc+proto")])
    assert response.status == 426
    assert (response.fields.get("Upgrade"), response.fields.get("Connection")) == ("HTTP/2", "Upgrade")
    assert b'"message":"Please use HTTP2 protocol"' in response.content


def test_protocols_come_before_a_missing_service(lab):
    hop = lab.hop({"routes": [{"name": "none", "paths": ["/"]}, {"paths": ["/s"], "protocols": ["https"]}]})
    client = lab.client(hop)
    assert client.get("/s").status == 426
    response = client.get("/x")
    assert response.status == 503
    assert b"no Service found with those values" in response.content


def test_catastrophic_regex_costs_one_match_and_is_told_once(lab):
    """Who makes it give up gets no route: what it guards is not to be reached by the next one."""
    origin = lab.origin()
    hop = lab.hop(service(origin, {"paths": ["~/(a+)+$"]}, {"paths": ["/aaa"], "strip_path": False}))
    client = lab.client(hop)
    for _ in range(20):
        assert client.get("/" + "a" * 6000 + "!").status == 404
    assert origin.requests == []
    hop.error_log.wait_for('the regex "^/(a+)+$" was given up after 34008 steps on 6002 bytes')
    assert len(hop.error_log.lines("was given up")) == 1
    assert client.get("/aaaa").status == 200


FLAVORS = ("traditional_compatible", "traditional")


def guarded_hop(lab, flavor, guard, *others):
    """Two services: what the guard's regex matches, and all else."""
    closed, opened = lab.origin(content=b"closed"), lab.origin(content=b"open")
    hop = lab.hop({"services": [
        {"name": "guarded", "host": closed.host, "port": closed.port, "routes": [{"paths": [guard]}]},
        {"name": "open", "host": opened.host, "port": opened.port, "routes": [
            {"paths": ["/"]}, *({"paths": [path], "regex_priority": 1} for path in others)]}]},
        conf={"router_flavor": flavor})
    return lab.client(hop), opened


@pytest.mark.parametrize("flavor", FLAVORS)
@pytest.mark.parametrize("segments", (1, 100, 300, 3500))
def test_long_path_opens_nothing_that_a_regex_guards(lab, flavor, segments):
    client, opened = guarded_hop(lab, flavor, "~/(?:[^/]+/)*admin$")
    response = client.get("/" + "a/" * segments + "admin")
    assert (response.status, response.content) == (200, b"closed")
    assert opened.requests == []


@pytest.mark.parametrize("flavor", FLAVORS)
def test_other_regexes_open_nothing_that_a_regex_guards(lab, flavor):
    client, opened = guarded_hop(lab, flavor, "~/admin/[a-z0-9]+$", "~/admin/(a+)+$", "~/admin/(a+)+b$",
                                 "~/admin/(a*)*c$", "~/admin/(aa?)+d$")
    assert client.get("/admin/a9").content == b"closed"
    assert client.get("/admin/" + "a" * 6000 + "9").status == 404
    assert opened.requests == []
    assert client.get("/public").content == b"open"


def test_check_tells_what_the_flavour_makes_of_the_routes(lab, tmp_path):
    hop = lab.make_hop(service(
        lab.origin(), {"name": "look", "paths": ["~/a(?=b)"]}, {"name": "old", "paths": ["/old"], "path_handling": "v1"},
        {"name": "host", "hosts": ["a.test"]}, {"name": "more", "paths": ["/x"], "methods": ["GET"]}))
    told = run(str(hop.binary), "check", "-c", str(hop.conf_path), str(hop.config_path))
    text = told.out + told.err
    assert told.code == 78
    assert "Router Expression failed validation: regex '/a(?=b)': look-around" in text
    assert "'v1' has no effect" in text
    assert "route 'host' goes before route 'more'" in text
    hop.conf_path.write_text(hop.conf_path.read_text() + "router_flavor = traditional\n")
    told = run(str(hop.binary), "check", "-c", str(hop.conf_path), str(hop.config_path))
    assert told.code == 0, told.out + told.err
    assert "goes before" not in told.out + told.err


def test_expressions_are_refused_by_name(lab):
    hop = lab.make_hop(service(lab.origin(), {"paths": ["/"]}), conf={"router_flavor": "expressions"})
    told = run(str(hop.binary), "check", "-c", str(hop.conf_path), str(hop.config_path))
    assert told.code == 78
    assert "'expressions' is not supported by this version of hopgate" in told.out + told.err


def test_why_names_the_field_and_the_regex_that_were_missing(lab):
    hop = lab.hop(service(lab.origin(), {"name": "by-field", "paths": ["/a"], "headers": {"x-v": ["2"]}},
                          {"name": "by-regex", "paths": ["~/a/\\d+$"]}))
    assert lab.client(hop).get("/a/b").status == 404
    request_id = hop.access_log.last()["request"]["id"]
    told = run(str(hop.binary), "why", "--prefix", str(hop.prefix), request_id)
    assert 'route "by-field"; it needs the field x-v with one of: 2' in told.out, told.out + told.err
    assert 'route "by-regex"; path "/a/b" is none of: ~/a/\\d+$' in told.out
