"""Persona kong, the response that a client gets: one story per row of kong-response-fields.json, line by line."""
import json
import pathlib
import re

import pytest

from lab import behaviours
from lab.lab import service_to

DATA = json.loads((pathlib.Path(__file__).parents[1] / "data" / "kong-response-fields.json").read_text())
WORDS = {r"\{ms\}": r"\\d+", r"\{length\}": r"\\d+", r"\{id\}": r"[0-9a-f]{32}",
         r"\{date\}": r"[A-Z][a-z]{2}, \\d\\d [A-Z][a-z]{2} \\d{4} \\d\\d:\\d\\d:\\d\\d GMT"}
ASK = ["GET / HTTP/1.1", "Host: a"]


class Scene:
    """A hop with these settings; what its target does is said per row."""

    def __init__(self, lab, conf, number):
        self.origin = lab.origin(deadline_s=600)  # idle connections stay for all rows
        refusing, nowhere = lab.refusing_port(), {"host": "nowhere.upstream", "retries": 0}
        services = ("good", "refuse", "hang", "no_target")
        entities = {"services": [], "upstreams": [{"name": "nowhere.upstream", "targets": []}]}
        for name in services:
            made = service_to(refusing if name == "refuse" else self.origin, name=name, paths=[f"/{name}"])["services"][0]
            made.update(nowhere if name == "no_target" else {"read_timeout": 300} if name == "hang" else {})
            entities["services"].append(made)
        self.origin.on("/hang", behaviours.hang())
        self.hop = lab.hop(entities, name=f"kong{number}", conf={"nginx_worker_processes": "1", **conf})


@pytest.fixture(scope="module")
def scenes(module_lab):
    made = {}

    def scene(conf):
        key = json.dumps(conf, sort_keys=True)
        if key not in made:
            made[key] = Scene(module_lab, conf, len(made))
        return made[key]

    return scene


def request_bytes(row):
    lines = list(row.get("request", ASK))
    lines[0] = lines[0].replace(" / ", f" /{row.get('then', 'good')} ")
    text = "\r\n".join(lines) + "\r\n\r\n"
    return re.sub(r"\{(\d+) a\}", lambda found: "a" * int(found.group(1)), text).encode()


def matches(line, wanted):
    pattern = re.escape(wanted)
    for word, expression in WORDS.items():
        pattern = re.sub(re.escape(word), expression, pattern)
    return re.fullmatch(pattern, line) is not None


@pytest.mark.parametrize("row", DATA["rows"], ids=[row["row"] for row in DATA["rows"]])
def test_client_gets(scenes, module_lab, row):
    scene = scenes(row.get("conf", {}))
    if "origin" in row:
        answer = "\r\n".join(row["origin"]) + "\r\n\r\n" + row.get("content", "x")
        scene.origin.otherwise(behaviours.raw(answer.encode()))
    client = module_lab.client(scene.hop)
    request = request_bytes(row)
    client.send(request)
    answer = client.read_head() if row.get("stays", True) is None else client.read_response(request.split()[0].decode())
    lines = answer.raw_head.decode().split("\r\n")[:-2]
    assert len(lines) == len(row["want"]) and all(map(matches, lines, row["want"])), "\n".join(lines)
    if row.get("stays", True):
        client.send(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().status == 404
    elif row["stays"] is False:
        assert client.wait_for_end() == "fin"


def test_time_lost_in_failed_tries_is_kong_s_latency(lab):
    """The balancer takes the time anew at each pick, so that the last try alone is the target's."""
    hang, seen = behaviours.hang(), []

    def first_hangs(connection, request):
        seen.append(request)
        (hang if len(seen) == 1 else behaviours.answer(b"x"))(connection, request)

    conf = {"headers": "latency_tokens, X-Kong-Upstream-Status"}
    kong = lab.kong(lab.origin().otherwise(first_hangs), retries=5, read_timeout=700, conf=conf)
    answer = lab.client(kong).get("/")
    assert (answer.status, answer.fields.get("X-Kong-Upstream-Status")) == (200, "200")
    assert int(answer.fields.get("X-Kong-Proxy-Latency")) >= 700
    tries = kong.access_log.last()["tries"]
    assert int(answer.fields.get("X-Kong-Proxy-Latency")) >= 700 * (len(tries) - 1)


def test_503_of_a_later_pick_carries_the_fields_of_a_proxied_answer(lab):
    """Family B2: the first target's failure takes it out, and the next pick finds none."""
    passive = {"unhealthy": {"tcp_failures": 1}}
    entities = service_to(lab.refusing_port(), retries=1)
    port = entities["services"][0]["port"]
    entities["services"][0]["host"] = "the.upstream"
    entities["upstreams"] = [{"name": "the.upstream", "targets": [{"target": f"127.0.0.1:{port}"}],
                              "healthchecks": {"passive": passive}}]
    answer = lab.client(lab.hop(entities, conf={"headers": "server_tokens, latency_tokens"})).get("/")
    assert answer.status == 503
    assert answer.fields.names()[-4:] == ["X-Kong-Upstream-Latency", "X-Kong-Proxy-Latency", "Via", "Server"]
    assert answer.text == "The upstream server is currently unavailable\nrequest_id: " + answer.text.split()[-1] + "\n"


def test_plain_http_on_a_tls_port_is_refused_and_the_connection_ends(lab):
    """nginx's 497, which Kong leaves to nginx: the status is 400."""
    hop = lab.make_hop(service_to(lab.origin()), tls=True).start()
    client = lab.client(hop.https)
    answer = client.get("/")
    assert (answer.status, answer.fields.get("Connection"), answer.fields.get("Via")) == (400, "close", None)
    assert "The plain HTTP request was sent to HTTPS port" in answer.text
    assert client.wait_for_end() == "fin"
