"""Fields as HAProxy forwards them, line by line: tests/data/haproxy-header-behaviour.json."""
import json
import pathlib

import pytest

from lab.fault_origin import FaultOrigin
from lab.lab import address_of

ROWS = json.loads((pathlib.Path(__file__).parents[1] / "data" / "haproxy-header-behaviour.json").read_text())


def hop_to(lab, origin):
    target = "{}:{}".format(*address_of(origin))
    return lab.hop({"services": [{"name": "up", "host": "up", "port": 80, "protocol": "http",
                                  "routes": [{"name": "all", "paths": ["/"], "strip_path": False}]}],
                    "upstreams": [{"name": "up", "targets": [{"target": target}]}]}, persona="haproxy")


def raw(lines, content=""):
    return "".join(f"{line}\r\n" for line in [*lines, ""]) + content


def lines_of(head):
    return head.decode("latin-1").split("\r\n")[:-2]


def name_of(row):
    return row["name"]


@pytest.mark.parametrize("row", ROWS["requests"], ids=name_of)
def test_a_request_goes_on_as_haproxy_sends_it(lab, row):
    origin = lab.origin(content=b"x")
    client = lab.client(hop_to(lab, origin))
    client.send(raw(row["send"], row.get("content", "")).encode())
    client.read_response()
    (request,) = origin.requests
    assert lines_of(request.raw_head) == row["origin"]


@pytest.mark.parametrize("row", ROWS["responses"], ids=name_of)
def test_a_response_goes_on_as_haproxy_sends_it(lab, row):
    origin = FaultOrigin({"listen": "tcp", "origin": [[["read_request"], ["send", raw(row["answer"], row["content"])], ["hold"]]]})
    lab.others.append(origin)
    client = lab.client(hop_to(lab, origin))
    client.send(b"GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n")
    response = client.read_response()
    assert lines_of(response.raw_head) == row["client"]


@pytest.mark.parametrize("lab_mode, status", [("off", 400), ("on", 200)])
def test_leniencies_act_in_the_lab_only(lab, lab_mode, status):
    """HAProxy forwards an HTTP/1.1 request without Host."""
    origin = lab.origin(content=b"x")
    hop = lab.hop({"services": [{"name": "up", "host": origin.host, "port": origin.port, "protocol": "http",
                                 "routes": [{"name": "all", "paths": ["/"]}]}]}, persona="haproxy", conf={"hopgate_lab": lab_mode})
    client = lab.client(hop)
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert client.read_response().status == status
