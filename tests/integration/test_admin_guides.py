"""The commands of Kong's guides, as users copy them, with the real curl; and what the proxy does after each."""
import json
import shlex

import pytest

from lab.admin import admin_hop
from lab.client import run
from lab.wait import wait_until


class Guide:
    """A hop, and curl that finds it where the guides say it is."""

    def __init__(self, lab, conf=None):
        self.lab = lab
        self.hop = admin_hop(lab, conf).start()
        self.origin = lab.origin(content=b"the origin")
        host, port = self.hop.admin_listeners["http"]
        self.places = {"localhost:8001": f"{host}:{port}", "localhost:8000": f"{self.hop.host}:{self.hop.port}",
                       "httpbin.konghq.com": f"127.0.0.1:{self.origin.port}"}

    def curl(self, command):
        """(status, what stands in the answer) of a command, as it stands in the guide."""
        for place, real in self.places.items():
            command = command.replace(place, real)
        words = shlex.split(command.replace("\\\n", " "))
        assert words[0] == "curl"
        done = run(*words, "--silent", "--show-error", "--noproxy", "*", "--max-time", "60", "--write-out", "\n%{http_code}")
        assert done.code == 0, done
        content, status = done.out.rsplit("\n", 1)
        if content.startswith("HTTP/"):  # -i
            content = content.partition("\n\n")[2]
        return int(status), json.loads(content) if content.startswith("{") else content


@pytest.fixture(name="guide")
def started_guide(lab):
    return Guide(lab)


def with_service(guide):
    """The guides' first two steps."""
    status, service = guide.curl("""curl -i -s -X POST http://localhost:8001/services \\
      --data name=example_service \\
      --data url='http://httpbin.konghq.com'""")
    assert status == 201
    status, route = guide.curl("""curl -i -X POST http://localhost:8001/services/example_service/routes \\
      --data 'paths[]=/mock' \\
      --data name=example_route""")
    assert status == 201
    return service, route


# ---- get started: services and routes --------------------------------------------------------------

def test_get_started(guide):
    service, route = with_service(guide)
    assert (service["name"], service["protocol"], service["host"]) == ("example_service", "http", "127.0.0.1")
    assert service["port"] == guide.origin.port and service["path"] is None and service["retries"] == 5
    assert route["paths"] == ["/mock"] and route["service"] == {"id": service["id"]}
    assert route["protocols"] == ["http", "https"] and route["strip_path"] is True
    assert guide.curl("curl -X GET http://localhost:8000/mock/anything") == (200, "the origin")
    assert guide.origin.requests[-1].target == "/anything"

    assert guide.curl("curl -X GET http://localhost:8001/services/example_service") == (200, service)
    status, changed = guide.curl("curl --request PATCH --url localhost:8001/services/example_service --data retries=6")
    assert status == 200 and changed["retries"] == 6
    assert guide.curl("curl -X GET http://localhost:8001/services")[1]["data"] == [changed]

    assert guide.curl("curl -X GET http://localhost:8001/services/example_service/routes/example_route") == (200, route)
    status, tagged = guide.curl("""curl --request PATCH \\
      --url localhost:8001/services/example_service/routes/example_route \\
      --data tags="tutorial\"""")
    assert status == 200 and tagged["tags"] == ["tutorial"]
    assert guide.curl("curl http://localhost:8001/routes")[1]["data"] == [tagged]


def test_the_old_guide_with_its_two_hosts(guide):
    status, _ = guide.curl("""curl -i -X POST \\
      --url http://localhost:8001/services/ \\
      --data 'name=example-service' \\
      --data 'url=http://httpbin.konghq.com'""")
    assert status == 201
    status, route = guide.curl("""curl -i -X POST \\
      --url http://localhost:8001/services/example-service/routes \\
      --data 'hosts[]=example.com' \\
      --data 'hosts[]=foo.test'""")
    assert status == 201 and route["hosts"] == ["example.com", "foo.test"]
    for host in ("example.com", "foo.test"):
        command = f"curl -i -X GET --url http://localhost:8000/ --header 'Host: {host}'"
        assert guide.curl(command) == (200, "the origin")
    status, refusal = guide.curl("curl -i -X GET --url http://localhost:8000/ --header 'Host: other.example'")
    assert status == 404 and refusal["message"] == "no Route matched with those values"


def test_json_says_the_same(guide):
    status, service = guide.curl("""curl -X POST http://localhost:8001/services \\
      --header 'Content-Type: application/json' \\
      --data '{"name": "json", "url": "http://httpbin.konghq.com/base"}'""")
    assert status == 201 and service["path"] == "/base"
    status, _ = guide.curl("""curl -i -X POST http://localhost:8001/routes/ \\
      -H 'Content-Type: application/json' \\
      -d '{"hosts": ["example.com"], "paths": ["/foo"], "service": {"name": "json"}}'""")
    assert status == 201
    assert guide.curl("curl http://localhost:8000/foo/x -H 'Host: example.com'") == (200, "the origin")
    assert guide.origin.requests[-1].target == "/base/x"


def test_timeouts(guide):
    with_service(guide)
    status, service = guide.curl("""curl -X PATCH http://localhost:8001/services/example_service \\
      -d connect_timeout=1000 -d read_timeout=2000 -d write_timeout=3000""")
    assert status == 200
    assert [service[f"{name}_timeout"] for name in ("connect", "read", "write")] == [1000, 2000, 3000]
    assert guide.curl("curl http://localhost:8000/mock") == (200, "the origin")


def test_deleting_what_is_used_is_refused_until_it_is_not(guide):
    with_service(guide)
    status, refusal = guide.curl("curl -i -X DELETE http://localhost:8001/services/example_service")
    assert status == 400 and refusal["message"] == "an existing 'routes' entity references this 'services' entity"
    assert guide.curl("curl -i -X DELETE http://localhost:8001/routes/example_route") == (204, "")
    assert guide.curl("curl http://localhost:8000/mock")[0] == 404
    assert guide.curl("curl -i -X DELETE http://localhost:8001/services/example_service") == (204, "")


# ---- load balancing --------------------------------------------------------------------------------

def test_load_balancing(guide):
    with_service(guide)
    other = guide.lab.origin(content=b"the other")
    guide.places["httpbun.com:80"] = f"127.0.0.1:{other.port}"
    guide.places["httpbin.konghq.com:80"] = guide.places.pop("httpbin.konghq.com")
    status, upstream = guide.curl("""curl -X POST http://localhost:8001/upstreams \\
      --data name=example_upstream""")
    assert status == 201 and upstream["algorithm"] == "round-robin" and upstream["slots"] == 10000
    status, target = guide.curl("""curl -X POST http://localhost:8001/upstreams/example_upstream/targets \\
      --data target='httpbun.com:80'""")
    assert status == 201 and target["weight"] == 100 and target["upstream"] == {"id": upstream["id"]}
    assert guide.curl("""curl -X POST http://localhost:8001/upstreams/example_upstream/targets \\
      --data target='httpbin.konghq.com:80'""")[0] == 201

    # nobody uses it yet: Kong has a balancer for it all the same
    status, health = guide.curl("curl -X GET http://localhost:8001/upstreams/example_upstream/health")
    assert status == 200 and [entry["health"] for entry in health["data"]] == ["HEALTHCHECKS_OFF"] * 2
    assert health["data"][1]["data"]["addresses"][0]["ip"] == "127.0.0.1"

    status, service = guide.curl("""curl -X PATCH http://localhost:8001/services/example_service \\
      --data host='example_upstream'""")
    assert status == 200 and service["host"] == "example_upstream"
    seen = {guide.curl("curl http://localhost:8000/mock")[1] for _ in range(8)}
    assert seen == {"the origin", "the other"}

    status, health = guide.curl("curl -X GET http://localhost:8001/upstreams/example_upstream/health")
    assert status == 200 and [entry["health"] for entry in health["data"]] == ["HEALTHCHECKS_OFF"] * 2
    command = f"curl -X PUT http://localhost:8001/upstreams/example_upstream/targets/{target['target']}/unhealthy"
    assert guide.curl(command) == (400, {"message": "no healthchecker found for example_upstream"})

    status, _ = guide.curl("""curl -X PATCH http://localhost:8001/upstreams/example_upstream \\
      -d healthchecks.passive.unhealthy.http_failures=10 -d healthchecks.passive.healthy.successes=10""")
    assert status == 200
    health = guide.curl("curl http://localhost:8001/upstreams/example_upstream/health")[1]
    assert [entry["health"] for entry in health["data"]] == ["HEALTHY"] * 2
    assert guide.curl(command) == (204, "")
    wait_until(lambda: {guide.curl("curl http://localhost:8000/mock")[1] for _ in range(4)} == {"the origin"},
               "requests that no longer go to the target that was taken out")
    health = guide.curl("curl http://localhost:8001/upstreams/example_upstream/health")[1]
    assert sorted(entry["health"] for entry in health["data"]) == ["HEALTHY", "UNHEALTHY"]
    status, whole = guide.curl("curl 'http://localhost:8001/upstreams/example_upstream/health?balancer_health=1'")
    assert status == 200 and whole["data"]["health"] == "HEALTHY"

    status, deleted = guide.curl(
        f"curl -i -X DELETE http://localhost:8001/upstreams/example_upstream/targets/{target['id']}")
    assert (status, deleted) == (204, "")
    assert len(guide.curl("curl http://localhost:8001/upstreams/example_upstream/targets")[1]["data"]) == 1


# ---- plugins and consumers -------------------------------------------------------------------------

def test_plugins_are_kept_with_the_configuration_of_the_form(guide):
    with_service(guide)
    status, plugin = guide.curl("""curl -i -X POST http://localhost:8001/plugins \\
      --data name=rate-limiting \\
      --data enabled=false \\
      --data config.minute=5 \\
      --data config.policy=local""")
    assert status == 201 and plugin["enabled"] is False
    assert (plugin["config"]["minute"], plugin["config"]["second"], plugin["config"]["policy"]) == (5, None, "local")
    status, plugin = guide.curl("""curl -X POST http://localhost:8001/services/example_service/plugins \\
      --data "name=cors" -d enabled=false \\
      --data "config.origins=http://mockbin.com" \\
      --data "config.methods=GET" --data "config.methods=POST" \\
      --data "config.headers[]=Accept" --data "config.headers[]=Date" \\
      --data "config.credentials=true" \\
      --data "config.max_age=3600" """)
    assert status == 201, plugin
    assert plugin["config"]["methods"] == ["GET", "POST"] and plugin["config"]["headers"] == ["Accept", "Date"]
    assert plugin["config"]["credentials"] is True and plugin["config"]["max_age"] == 3600
    status, refusal = guide.curl("curl -X POST http://localhost:8001/plugins -d name=rate-limiting -d config.minute=x")
    assert (status, refusal["message"]) == (400, "schema violation (config.minute: expected a number)")
    assert guide.curl("curl http://localhost:8000/mock") == (200, "the origin")


def test_a_plugin_that_would_be_needed_is_refused_where_that_is_asked_for(lab):
    guide = Guide(lab, {"hopgate_stored_plugins": "refuse"})
    with_service(guide)
    status, refusal = guide.curl("curl -X POST http://localhost:8001/plugins --data name=key-auth")
    assert status == 400 and "'key-auth' is not run by this version" in refusal["message"]
    assert guide.curl("curl http://localhost:8001/plugins")[1]["data"] == []
    assert guide.curl("curl -X POST http://localhost:8001/plugins -d name=key-auth -d enabled=false")[0] == 201


def test_key_auth_consumer(guide):
    status, consumer = guide.curl("""curl -i -X POST http://localhost:8001/consumers/ \\
      --data username=luka""")
    assert status == 201 and consumer["username"] == "luka" and consumer["custom_id"] is None
    status, credential = guide.curl("""curl -i -X POST http://localhost:8001/consumers/luka/key-auth \\
      --data key=top-secret-key""")
    assert status == 201 and credential["key"] == "top-secret-key"
    assert credential["consumer"] == {"id": consumer["id"]} and credential["ttl"] is None
    assert guide.curl("curl -X GET http://localhost:8001/consumers/luka/key-auth")[1]["data"] == [credential]
    assert guide.curl("curl -X GET http://localhost:8001/key-auths/top-secret-key/consumer") == (200, consumer)
    assert len(guide.curl("curl -i -X POST http://localhost:8001/consumers/luka/key-auth")[1]["key"]) == 32


def test_a_group_that_is_not_there_is_told_in_the_proxys_words(guide):
    guide.curl("curl -X POST http://localhost:8001/consumers -d username=luka")
    assert guide.curl("curl -X POST http://localhost:8001/consumers/luka/acls -d group=group1")[0] == 201
    status, refusal = guide.curl("curl http://localhost:8001/consumers/luka/acls/group2")
    assert status == 404 and refusal["message"] == "Not found"
    assert len(refusal["request_id"]) == 32 and int(refusal["request_id"], 16) > 0


# ---- certificates ----------------------------------------------------------------------------------

def test_a_certificate_from_files(guide):
    pki = guide.lab.pki
    status, certificate = guide.curl(f"""curl -i -X POST http://localhost:8001/certificates \\
      -F "cert=@{pki.chain('edge')}" \\
      -F "key=@{pki.key('edge')}" \\
      -F "snis[]=one.example" -F "snis[]=two.example" """)
    assert status == 201, certificate
    assert certificate["snis"] == ["one.example", "two.example"]
    assert certificate["cert"] == pki.chain("edge").read_text()
    status, snis = guide.curl("curl http://localhost:8001/certificates/one.example/snis")
    assert status == 200 and {sni["name"] for sni in snis["data"]} == {"one.example", "two.example"}
