"""More commands of Kong's guides and plugin pages, as users copy them: credentials, groups, certificates, tags, PUT by
name, health checks, hashing, plugins by forms and by JSON. Plugins are sent with enabled=false: none is run yet."""
import hashlib

import pytest

from test_admin_guides import Guide, with_service


PUBLIC_KEY = """\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtySRu1Lb51hh1/B+X3ZO
2k3bJMuxDx4Gc6XKHVdQTS5LTuE3p01K0SO6if0Z7XPFYcpQpjO4R8aRCIRlP1HX
qDNRoQrSMMR0cBqh6l3JyWCR8Hxcd8VBhS4V89pKrYDPaMB/eP9PohCsE5hcBMEl
3ufak9W9CIINXlCdV54uEddGVaFvWsCr1TqUnZDd/BdJZrm3XJWF2zaCXhwZYUv5
wUoE6anMYA38T3isA3FB2VzH5k67Iy6okFz9hFrD16jV6fVyIIa/USk/2yoY1FuV
bHXJVQ94MGKUMntSKrTsXg0O2dNWGoDiRX2w1nw1zBLbk4/3WpxU++HPfSao4rJU
uQIDAQAB
-----END PUBLIC KEY-----
"""


@pytest.fixture(name="guide")
def started_guide(lab):
    return Guide(lab)


def with_consumer(guide):
    status, consumer = guide.curl("""curl -i -X POST http://localhost:8001/consumers/ \\
      --data username=alex""")
    assert status == 201
    return consumer


# ---- consumers and their credentials ---------------------------------------------------------------

def test_a_consumer_is_put_and_changed(guide):
    status, consumer = guide.curl("curl -X PUT http://localhost:8001/consumers/alex --data custom_id=example-custom-id")
    assert status == 200 and (consumer["username"], consumer["custom_id"]) == ("alex", "example-custom-id")
    status, again = guide.curl("""curl -X PUT http://localhost:8001/consumers/alex \\
      --header 'accept: application/json' --header 'Content-Type: application/json' \\
      --data '{"username":"alex","tags":["silver-tier"]}'""")
    assert status == 200 and again["id"] == consumer["id"] and again["custom_id"] is None and again["tags"] == ["silver-tier"]
    status, changed = guide.curl("curl -X PATCH http://localhost:8001/consumers/alex -d 'custom_id=5' -d 'tags='")
    assert status == 200 and changed["custom_id"] == "5" and changed["tags"] is None
    assert guide.curl("curl 'http://localhost:8001/consumers?custom_id=5'")[1]["data"] == [changed]
    assert guide.curl("curl -i -X DELETE http://localhost:8001/consumers/alex") == (204, "")
    assert guide.curl("curl -i http://localhost:8001/consumers/alex") == (404, {"message": "Not found"})


def test_basic_auth(guide):
    consumer = with_consumer(guide)
    status, credential = guide.curl("""curl -X POST http://localhost:8001/consumers/alex/basic-auth \\
      --data "username=Aladdin" \\
      --data "password=OpenSesame" """)
    assert status == 201 and credential["username"] == "Aladdin"
    assert credential["password"] == hashlib.sha1(f"OpenSesame{consumer['id']}".encode()).hexdigest()
    assert guide.curl("curl -X GET http://localhost:8001/basic-auths")[1]["data"] == [credential]
    assert guide.curl("curl http://localhost:8001/basic-auths/Aladdin/consumer") == (200, consumer)
    assert guide.curl("curl -X DELETE http://localhost:8001/consumers/alex/basic-auth/Aladdin") == (204, "")


def test_jwt(guide):
    with_consumer(guide)
    status, credential = guide.curl("""curl -X POST http://localhost:8001/consumers/alex/jwt \\
      -H "Content-Type: application/x-www-form-urlencoded\"""")
    assert status == 201 and credential["algorithm"] == "HS256" and len(credential["key"]) == len(credential["secret"]) == 32
    pem = guide.lab.directory / "pubkey.pem"
    pem.write_text(PUBLIC_KEY)
    status, credential = guide.curl(f"""curl -i -X POST http://localhost:8001/consumers/alex/jwt \\
      -F "rsa_public_key=@{pem}" \\
      -F "algorithm=RS256" \\
      -F "key=a36c3049b36249a3c9f8891cb127243c" """)
    assert status == 201 and credential["rsa_public_key"] == PUBLIC_KEY and credential["key"] == "a36c3049b36249a3c9f8891cb127243c"
    status, refusal = guide.curl("curl -X POST http://localhost:8001/consumers/alex/jwt -d algorithm=RS256")
    assert status == 400 and refusal["fields"]["rsa_public_key"] == "required field missing"
    assert len(guide.curl("curl -X GET http://localhost:8001/consumers/alex/jwt")[1]["data"]) == 2


def test_groups(guide):
    consumer = with_consumer(guide)
    status, group = guide.curl("curl -X POST http://localhost:8001/consumers/alex/acls --data \"group=group1\"")
    assert status == 201 and group["consumer"] == {"id": consumer["id"]}
    assert guide.curl("curl -X POST http://localhost:8001/consumers/alex/acls --data 'group=group2'")[0] == 201
    assert guide.curl("curl -X POST http://localhost:8001/consumers/alex/acls --data group=group1")[0] == 409
    assert guide.curl("curl -X GET http://localhost:8001/consumers/alex/acls/group1") == (200, group)
    assert len(guide.curl("curl -X GET http://localhost:8001/acls")[1]["data"]) == 2
    assert guide.curl("curl -X GET http://localhost:8001/acls/" + group["id"] + "/consumer") == (200, consumer)
    assert guide.curl("curl -X DELETE http://localhost:8001/consumers/alex") == (204, "")
    assert guide.curl("curl -X GET http://localhost:8001/acls")[1]["data"] == []


def test_hmac_oauth2_and_a_key_that_ends(guide):
    with_consumer(guide)
    status, credential = guide.curl("curl -X POST http://localhost:8001/consumers/alex/hmac-auth -d username=bob -d secret=secret456")
    assert status == 201 and credential["secret"] == "secret456"
    status, application = guide.curl("""curl -X POST http://localhost:8001/consumers/alex/oauth2 \\
      --data "name=Test%20Application" \\
      --data "client_id=SOME-CLIENT-ID" \\
      --data "client_secret=SOME-CLIENT-SECRET" \\
      --data "redirect_uris=http://some-domain/endpoint/" \\
      --data "hash_secret=false" """)
    assert status == 201 and application["name"] == "Test Application" and application["redirect_uris"] == ["http://some-domain/endpoint/"]
    status, key = guide.curl("curl -X POST http://localhost:8001/consumers/alex/key-auth --data key=k --data ttl=86400")
    assert status == 201 and key["ttl"] == 86400
    status, key = guide.curl("curl -X GET http://localhost:8001/key-auths/k")
    assert status == 200 and 0 < key["ttl"] <= 86400


# ---- certificates ----------------------------------------------------------------------------------

def test_certificates_and_their_names(guide):
    pki = guide.lab.pki
    status, certificate = guide.curl(f"""curl -X POST http://localhost:8001/certificates \\
      -F "cert=@{pki.chain('edge')}" \\
      -F "key=@{pki.key('edge')}" \\
      -F "tags[]=user-level" """)
    assert status == 201 and certificate["snis"] == [] and certificate["tags"] == ["user-level"]
    status, sni = guide.curl(f"""curl -i -X POST http://localhost:8001/certificates/{certificate['id']}/snis \\
      --data name=example.test""")
    assert status == 201 and sni["certificate"] == {"id": certificate["id"]}
    status, other = guide.curl(f"""curl -i -X POST http://localhost:8001/snis \\
      --data "name=*.example.test" --data "certificate.id={certificate['id']}" """)
    assert status == 201 and other["name"] == "*.example.test"
    status, read = guide.curl("curl http://localhost:8001/certificates/example.test")
    assert status == 200 and read["snis"] == ["*.example.test", "example.test"]
    assert guide.curl("curl http://localhost:8001/snis/example.test") == (200, sni)
    pem = pki.chain("rsa").read_text().replace("\n", "\\n"), pki.key("rsa").read_text().replace("\n", "\\n")
    status, changed = guide.curl(f"""curl -X PATCH http://localhost:8001/certificates/example.test \\
      -H 'Content-Type: application/json' -d '{{"cert": "{pem[0]}", "key": "{pem[1]}"}}'""")
    assert status == 200 and changed["cert"] == pki.chain("rsa").read_text() and len(changed["snis"]) == 2
    status, refusal = guide.curl(f"curl -X POST http://localhost:8001/certificates -F cert=@{pki.chain('edge')} -F key=@{pki.key('rsa')}")
    assert status == 400 and refusal["fields"] == {"@entity": ["certificate does not match key"]}
    assert guide.curl("curl -X DELETE http://localhost:8001/certificates/example.test") == (204, "")
    assert guide.curl("curl http://localhost:8001/snis")[1]["data"] == []


def test_an_upstream_is_verified_with_an_authority_of_ones_own(guide):
    pki = guide.lab.pki
    status, authority = guide.curl(f"curl -i -X POST http://localhost:8001/ca_certificates -F cert=@{pki.root}")
    assert status == 201 and len(authority["cert_digest"]) == 64
    status, mine = guide.curl(f"curl -X POST http://localhost:8001/certificates -F cert=@{pki.chain('client')} -F key=@{pki.key('client')}")
    assert status == 201
    status, service = guide.curl(f"""curl -X POST http://localhost:8001/services \\
      -d name=secure -d url=https://origin.test:8443 \\
      -d 'ca_certificates[]={authority['id']}' \\
      -d tls_verify=true -d tls_verify_depth=2 \\
      -d client_certificate.id={mine['id']}""")
    assert status == 201 and service["client_certificate"] == {"id": mine["id"]} and service["ca_certificates"] == [authority["id"]]
    status, refusal = guide.curl(f"curl -X DELETE http://localhost:8001/certificates/{mine['id']}")
    assert (status, refusal["message"]) == (400, "an existing 'services' entity references this 'certificates' entity")
    status, refusal = guide.curl(f"curl -X DELETE http://localhost:8001/ca_certificates/{authority['id']}")
    assert (status, refusal["message"]) == (
        400, f"ca certificate {authority['id']} is still referenced by services (id = {service['id']})")
    assert guide.curl(f"curl http://localhost:8001/certificates/{mine['id']}/services")[1]["data"] == [service]
    assert guide.curl("curl http://localhost:8001/services/secure/client_certificate")[1]["id"] == mine["id"]


# ---- tags, PUT by name -----------------------------------------------------------------------------

def test_tags(guide):
    status, service = guide.curl("""curl -i -X POST http://localhost:8001/services \\
      --data name=example-service --data host=example.test \\
      --data "tags=example" --data "tags=admin" """)
    assert status == 201 and service["tags"] == ["example", "admin"]
    guide.curl("curl -X POST http://localhost:8001/routes -d name=tagged -d 'paths[]=/x' -d 'tags[]=example'")
    entries = guide.curl("curl http://localhost:8001/tags")[1]["data"]
    assert sorted((entry["tag"], entry["entity_name"]) for entry in entries) == \
        [("admin", "services"), ("example", "routes"), ("example", "services")]
    assert guide.curl("curl http://localhost:8001/tags/admin")[1]["data"] == \
        [{"tag": "admin", "entity_name": "services", "entity_id": service["id"]}]
    for query in ("example,admin", "example/nobody"):
        assert [row["name"] for row in guide.curl(f"curl 'http://localhost:8001/services?tags={query}'")[1]["data"]] == ["example-service"]
    status, refusal = guide.curl("curl 'http://localhost:8001/services?tags=a,b/c'")
    assert (status, refusal["message"]) == (400, "invalid option (tags: invalid filter syntax)")


def test_put_by_name(guide):
    status, service = guide.curl("curl -i -X PUT http://localhost:8001/services/example-service --data url=http://httpbin.konghq.com")
    assert status == 200 and service["name"] == "example-service"
    status, route = guide.curl("""curl -X PUT http://localhost:8001/routes/example-route \\
      --data 'paths[]=/mock' --data 'service.name=example-service'""")
    assert status == 200 and route["service"] == {"id": service["id"]}
    assert guide.curl("curl http://localhost:8000/mock") == (200, "the origin")
    status, nested = guide.curl("curl -X PUT http://localhost:8001/services/example-service/routes/example-route -d 'paths[]=/other'")
    assert status == 200 and nested["id"] == route["id"] and nested["paths"] == ["/other"]
    assert guide.curl("curl http://localhost:8000/other") == (200, "the origin")
    status, other = guide.curl("curl -X PUT http://localhost:8001/routes/example-route/service -d url=http://httpbin.konghq.com/anything")
    assert status == 200 and other["id"] == service["id"] and other["path"] == "/anything"


def test_a_regex_needs_urlencoding(guide):
    """With -d a plus is a space; --data-urlencode sends what was typed."""
    with_service(guide)
    status, route = guide.curl("""curl -X POST http://localhost:8001/services/example_service/routes \\
      --data-urlencode 'paths[]=~/item/\\d+$'""")
    assert status == 201 and route["paths"] == ["~/item/\\d+$"]
    assert guide.curl("curl http://localhost:8000/item/12") == (200, "the origin")
    assert guide.curl("curl http://localhost:8000/item/x")[0] == 404
    status, route = guide.curl("curl -X POST http://localhost:8001/routes -d 'paths[]=~/thing/\\d+$'")
    assert status == 201 and route["paths"] == ["~/thing/\\d $"]


# ---- upstreams -------------------------------------------------------------------------------------

def test_health_checks_hashing_and_weights(guide):
    status, upstream = guide.curl("""curl -X POST http://localhost:8001/upstreams \\
      -H 'Content-Type: application/json' \\
      -d '{"name": "example_upstream", "healthchecks": {"active": {"http_path": "/status", "timeout": 5,
           "healthy": {"interval": 60, "successes": 1}, "unhealthy": {"interval": 60, "http_failures": 2}}}}'""")
    assert status == 201 and upstream["healthchecks"]["active"]["unhealthy"]["http_failures"] == 2
    status, upstream = guide.curl("""curl -X PATCH http://localhost:8001/upstreams/example_upstream \\
      --data healthchecks.passive.unhealthy.http_failures=5 \\
      --data 'healthchecks.active.headers.X-Check=yes' \\
      --data 'healthchecks.active.unhealthy.http_statuses=500' --data 'healthchecks.active.unhealthy.http_statuses=503'""")
    active = upstream["healthchecks"]["active"]
    assert status == 200 and active["headers"] == {"X-Check": ["yes"]} and active["healthy"]["interval"] == 60
    assert active["unhealthy"]["http_statuses"] == [500, 503] and upstream["healthchecks"]["passive"]["unhealthy"]["http_failures"] == 5
    status, upstream = guide.curl("""curl -X PATCH http://localhost:8001/upstreams/example_upstream \\
      --data hash_on=header --data hash_on_header=x-user --data hash_fallback=ip""")
    assert status == 200 and upstream["algorithm"] == "consistent-hashing"
    status, target = guide.curl("curl -X POST http://localhost:8001/upstreams/example_upstream/targets -d target=127.0.0.1:8080 -d weight=1000")
    assert status == 201 and target["weight"] == 1000
    status, target = guide.curl("curl -X PATCH http://localhost:8001/upstreams/example_upstream/targets/127.0.0.1:8080 -d weight=0")
    assert status == 200 and target["weight"] == 0
    assert guide.curl("curl http://localhost:8001/upstreams/example_upstream/targets/all")[1]["data"] == [target]
    assert guide.curl("curl -X DELETE http://localhost:8001/upstreams/example_upstream/targets/127.0.0.1:8080") == (204, "")
    assert guide.curl("curl -X DELETE http://localhost:8001/upstreams/example_upstream/targets/127.0.0.1:8080")[0] == 404


# ---- plugins ---------------------------------------------------------------------------------------

PLUGIN_PAGES = [
    ('--data "name=response-ratelimiting" --data "config.limits.sms.minute=10" --data "config.policy=local"',
     {"limits": {"sms": {"second": None, "minute": 10, "hour": None, "day": None, "month": None, "year": None}}}),
    ('--data "name=acl" --data "config.allow=group1" --data "config.allow=group2" --data "config.hide_groups_header=true"',
     {"allow": ["group1", "group2"], "deny": None, "hide_groups_header": True}),
    ('--data "name=ip-restriction" --data "config.allow=54.13.21.1" --data "config.allow=143.1.0.0/24"', {"allow": ["54.13.21.1", "143.1.0.0/24"]}),
    ('--data "name=request-transformer" --data "config.remove.headers=x-toremove" --data "config.remove.headers=x-another-one" '
     '--data "config.add.querystring=new-param:some_value" --data "config.rename.headers=header-old-name:header-new-name"',
     {"remove": {"headers": ["x-toremove", "x-another-one"], "querystring": [], "body": []}}),
    ('--data "name=http-log" --data "config.http_endpoint=http://example.com/logs" --data "config.method=POST" '
     '--data "config.headers.Authorization=Bearer xxx" --data "config.custom_fields_by_lua.debug=return kong.log.serialize()"',
     {"headers": {"Authorization": "Bearer xxx"}, "custom_fields_by_lua": {"debug": "return kong.log.serialize()"}, "timeout": 10000}),
    ('--data "name=request-termination" --data "config.status_code=403" --data "config.message=So long and thanks for all the fish!"',
     {"status_code": 403, "message": "So long and thanks for all the fish!"}),
    ('--data "name=correlation-id" --data "config.header_name=Kong-Request-ID" --data "config.generator=uuid#counter" --data "config.echo_downstream=false"',
     {"generator": "uuid#counter"}),
    ('--data "name=proxy-cache" --data "config.response_code=200" --data "config.request_method=GET" --data "config.request_method=HEAD" '
     '--data "config.content_type=text/plain" --data "config.content_type=application/json; charset=utf-8" --data "config.cache_ttl=30" --data "config.strategy=memory"',
     {"response_code": [200], "request_method": ["GET", "HEAD"], "content_type": ["text/plain", "application/json; charset=utf-8"], "cache_ttl": 30}),
    ('-H "Content-Type: application/json" --data \'{"name": "rate-limiting", "enabled": false, "config": {"second": 5, "hour": 10000, "policy": "local"}}\'',
     {"second": 5, "minute": None, "hour": 10000}),
]


@pytest.mark.parametrize("where", ["plugins", "services/example_service/plugins", "routes/example_route/plugins"])
def test_plugin_pages(guide, where):
    with_service(guide)
    for words, wanted in PLUGIN_PAGES:
        status, plugin = guide.curl(f"curl -X POST http://localhost:8001/{where} {words}" + (" --data enabled=false" if "json\"" not in words else ""))
        assert status == 201, plugin
        assert {key: plugin["config"][key] for key in wanted} == wanted
    assert len(guide.curl(f"curl http://localhost:8001/{where}")[1]["data"]) == len(PLUGIN_PAGES)


def test_a_plugin_for_one_consumer_of_one_service(guide):
    service, _ = with_service(guide)
    consumer = with_consumer(guide)
    status, plugin = guide.curl("""curl -X POST http://localhost:8001/plugins --data enabled=false \\
      --data "name=rate-limiting" --data config.second=5 --data instance_name=limits \\
      --data service.name=example_service --data consumer.username=alex""")
    assert status == 201 and plugin["service"] == {"id": service["id"]} and plugin["consumer"] == {"id": consumer["id"]}
    status, changed = guide.curl("curl -X PATCH http://localhost:8001/plugins/limits --data config.second= --data config.minute=7")
    assert status == 200 and (changed["config"]["second"], changed["config"]["minute"]) == (None, 7)
    assert guide.curl("curl http://localhost:8001/consumers/alex/plugins")[1]["data"] == [changed]
    assert guide.curl("curl -X DELETE http://localhost:8001/consumers/alex/plugins/limits") == (204, "")


def test_what_was_said_wrongly_is_said_back(guide):
    with_service(guide)
    for command, message in {
        "curl -X POST http://localhost:8001/services -d name=x": "schema violation (host: required field missing)",
        "curl -X POST http://localhost:8001/services -d name=x -d url=example.com":
            "2 schema violations (host: required field missing; path: should start with: /)",
        "curl -X POST http://localhost:8001/services/example_service/routes -d 'paths[]=mock'":
            "schema violation (paths.1: should start with: / (fixed path) or ~/ (regex path))",
        "curl -X POST http://localhost:8001/services/example_service/routes -d methods=get": "schema violation (methods.1: invalid value: get)",
        "curl -X POST http://localhost:8001/services/nobody/routes -d 'paths[]=/'": "Not found",
        "curl -X POST http://localhost:8001/routes -d 'paths[]=/' -d service.name=nobody":
            "foreign key unresolved (service.name: the foreign key cannot be resolved with '{name=\"nobody\"}' for an existing 'services' entity)",
        "curl -X POST http://localhost:8001/plugins -d name=oauth3": "schema violation (name: plugin 'oauth3' not enabled; add it to the 'plugins' "
                                                                   "configuration property)",
    }.items():
        assert guide.curl(command)[1]["message"] == message
    assert guide.curl("curl -X POST http://localhost:8001/services -H 'Content-Type: text/plain' -d name=x") == (415, "")
    assert guide.curl("curl -X POST http://localhost:8001/services -H 'Content-Type: application/json' -d '{'") == \
        (400, {"message": "Cannot parse JSON body"})
