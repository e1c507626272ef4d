"""Fields as nginx forwards them, line by line: tests/data/nginx-header-behaviour.json."""
import json
import pathlib
import re

import pytest

from lab.fault_origin import FaultOrigin
from lab.lab import address_of

ROWS = json.loads((pathlib.Path(__file__).parents[1] / "data" / "nginx-header-behaviour.json").read_text())
REQUESTS = [pytest.param(persona, row, id=f'{persona}-{row["name"]}')
            for row in ROWS["requests"] for persona in ("nginx", "nginx-plain") if persona in row]
DATE = re.compile(r"^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")


def hop_to(lab, origin, persona):
    """`proxy_pass http://up;`"""
    target = "{}:{}".format(*address_of(origin))
    return lab.hop({"services": [{"name": "up", "host": "up", "port": 80, "protocol": "http",
                                  "routes": [{"name": "all", "paths": ["/"], "strip_path": False}]}],
                    "upstreams": [{"name": "up", "targets": [{"target": target}]}]}, persona=persona)


def raw(lines, content=""):
    return "".join(f"{line}\r\n" for line in [*lines, ""]) + content


def lines_of(head):
    return head.decode("latin-1").split("\r\n")[:-2]


@pytest.mark.parametrize("persona, row", REQUESTS)
def test_a_request_goes_on_as_nginx_sends_it(lab, persona, row):
    origin = lab.origin(content=b"x")
    client = lab.client(hop_to(lab, origin, persona))
    client.send(raw(row["send"], row.get("content", "")).encode())
    client.read_response()
    (request,) = origin.requests
    assert lines_of(request.raw_head) == row[persona]


@pytest.mark.parametrize("row", ROWS["responses"], ids=lambda row: row["name"])
def test_a_response_goes_on_as_nginx_sends_it(lab, row):
    origin = FaultOrigin({"listen": "tcp", "origin": [[["read_request"], ["send", raw(row["answer"], row["content"])], ["hold"]]]})
    lab.others.append(origin)
    client = lab.client(hop_to(lab, origin, "nginx"))
    client.send(b"GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n")
    response = client.read_response()
    assert [DATE.sub("Date: NOW", line) for line in lines_of(response.raw_head)] == row["client"]


def test_check_names_the_leniencies_that_are_off(hopgate, tmp_path):
    """Outside the lab the persona works, strictly."""
    path = tmp_path / "kong.yaml"
    path.write_text('_format_version: "3.0"\n')
    (tmp_path / "kong.conf").write_text("hopgate_persona = nginx\n")
    done = hopgate("check", "-c", tmp_path / "kong.conf", path)
    assert done.code == 0, done
    assert "the lab leniency parse.response[0]=bare_lf is off: it needs hopgate_lab = on" in done.err
    assert "response.interim=final is off" in done.err


@pytest.mark.parametrize("lab_mode, status", [("off", 502), ("on", 200)])
def test_leniencies_act_in_the_lab_only(lab, lab_mode, status):
    answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    origin = FaultOrigin({"listen": "tcp", "origin": [[["read_request"], ["send", answer], ["hold"]]]})
    lab.others.append(origin)
    declarative = {"services": [{"name": "up", "host": origin.host, "port": origin.port, "protocol": "http",
                                 "routes": [{"name": "all", "paths": ["/"]}]}]}
    hop = lab.hop(declarative, persona="nginx", conf={"hopgate_lab": lab_mode})
    assert lab.client(hop).get("/").status == status
