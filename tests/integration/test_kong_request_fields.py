"""Persona kong, the request that a target gets: one story per row of kong-request-fields.json, byte for byte."""
import json
import os
import pathlib
import re
import socket

import pytest

from lab.client import RawClient
from lab.lab import service_to

DATA = json.loads((pathlib.Path(__file__).parents[1] / "data" / "kong-request-fields.json").read_text())
SETUP_KEYS = ("conf", "service", "route", "upstream", "paths", "listen", "port_maps")
ID = re.compile(r"\A[0-9a-f]{32}\Z")


def free_address():
    """A port of a loopback address that no other process here uses."""
    with socket.socket() as probe:
        probe.bind((f"127.9.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}", 0))
        return probe.getsockname()


class Scene:
    """A hop of the row's settings and the target behind it."""

    def __init__(self, lab, setup, number):
        self.origin = lab.origin(content=b"x", deadline_s=600)  # idle connections stay for all rows
        conf = {"nginx_worker_processes": "1", **setup.get("conf", {})}
        address = "127.0.0.1:0"
        if "app.test" in json.dumps(setup):
            conf["dns_hostsfile"] = lab.directory / "hosts"
            conf["dns_hostsfile"].write_text("127.0.0.1 app.test\n")
        if "port_maps" in setup:  # the port must be known before
            address, port = free_address()
            conf["port_maps"] = f"{setup['port_maps']}:{port}"
            address = f"{address}:{port}"
        conf["proxy_listen"] = f"{address} {setup.get('listen', '')}"
        self.hop = lab.hop(self.entities(setup), name=f"kong{number}", conf=conf)

    def entities(self, setup):
        entities = service_to(self.origin, paths=setup.get("paths", ["/"]), route=setup.get("route"))
        service = entities["services"][0]
        service.update(setup.get("service", {}))
        upstream = setup.get("upstream")
        if upstream is not None:
            host = upstream.get("target_host", self.origin.host)
            more = {key: value for key, value in upstream.items() if key != "target_host"}
            service["host"] = "the.upstream"
            entities["upstreams"] = [{"name": "the.upstream", **more,
                                      "targets": [{"target": f"{host}:{self.origin.port}"}]}]
        return entities

    def ask(self, row):
        """Sends the row's bytes from the row's address; returns the head that the target got."""
        seen = len(self.origin.requests)
        client = RawClient(*self.hop.http, source=row.get("peer"))
        try:
            head = "\r\n".join(row["request"]) + "\r\n\r\n"
            client.send((row.get("before", "") + head + row.get("content", "")).encode())
            assert client.read_response().status == 200
        finally:
            client.close()
        (request,) = self.origin.requests[seen:]
        return request.raw_head.decode()


@pytest.fixture(scope="module")
def scenes(module_lab):
    made = {}

    def scene(row):
        setup = {key: row[key] for key in SETUP_KEYS if key in row}
        key = json.dumps(setup, sort_keys=True)
        if key not in made:
            made[key] = Scene(module_lab, setup, len(made))
        return made[key]

    return scene


def wanted_head(row, scene, request_id):
    own = {**DATA["own"], **row.get("own", {})}
    words = {"origin": f"{scene.origin.host}:{scene.origin.port}", "origin_port": str(scene.origin.port),
             "port": str(scene.hop.port), "id": request_id}
    lines = [f"{row.get('method') or row['request'][0].split()[0]} {row.get('target', '/')} HTTP/1.1"]
    for name in DATA["order"]:
        value = own.get(name)
        if value is not None:
            for word, text in words.items():
                value = value.replace("{" + word + "}", text)
            lines.append(f"{name}: {value}")
    return "\r\n".join(lines + row.get("rest", [])) + "\r\n\r\n"


@pytest.mark.parametrize("row", DATA["rows"], ids=[row["row"] for row in DATA["rows"]])
def test_target_gets(scenes, row):
    scene = scenes(row)
    head = scene.ask(row)
    found = re.search(r"^X-Kong-Request-Id: (.*)\r$", head, re.M)
    request_id = found.group(1) if found and ID.match(found.group(1)) else "not an id"
    assert head == wanted_head(row, scene, request_id)
    assert request_id not in "".join(row["request"])
