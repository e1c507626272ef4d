"""Kong's own routing cases (tests/data/router-vectors.json) through the real binary, over sockets.

The unit test of the same name runs all of them through the router. Here each topic stands, per flavour, with
the routes read from a file, Host and path as raw bytes, and what a target and the client really got. Cases with
the same routes share a configuration; the next one comes by a reload.
"""
import collections
import json
import pathlib
import signal

import pytest

from lab.client import RawClient
from lab.hop import to_yaml
from lab.wait import wait_until

DATA = pathlib.Path(__file__).parents[1] / "data"
CASES = json.loads((DATA / "router-vectors.json").read_text())
PATHS = json.loads((DATA / "path-handling.json").read_text())["rows"]
CONFIGURATIONS = {"traditional_compatible": 40, "traditional": 32}
CASES_MIN = 60  # in each flavour; together more than 120
FIELDS = ("id", "name", "protocols", "methods", "hosts", "paths", "headers", "snis", "strip_path", "preserve_host",
          "path_handling", "regex_priority", "https_redirect_status_code", "created_at")


def refused_by_schema(route, flavor):
    """Some cases were made by giving Kong's router what its schema (and ours) refuses."""
    return (any(not method.isupper() for method in route.get("methods") or ()) or
            any("%58" in path for path in route.get("paths") or ()) or
            (flavor == "traditional" and any("*" in name for name in route.get("snis") or ())))


def needs_port(case):
    """The listener's port is not 80 or 443 here."""
    host = case["request"]["host"] or ""
    listed = [name for route in case["routes"] for name in route.get("hosts") or ()]
    return ":" not in host and any(":" in name for name in listed)


def refused_by_parser(case):
    """An address without brackets is no Host (RFC 9110 7.2): it is answered with 400 before any route."""
    return (case["request"]["host"] or "").startswith(":")


def can_run(case, flavor):
    return (flavor in case["flavors"] and case["request"]["scheme"] in ("http", "https") and
            not refused_by_parser(case) and
            not (needs_port(case) and flavor == "traditional_compatible") and
            len({route["id"] for route in case["routes"]}) == len(case["routes"]) and
            not any(refused_by_schema(route, flavor) for route in case["routes"]))


def chosen(flavor):
    """Groups of cases with the same routes: topics in turn, those of this flavour alone first."""
    topics = collections.defaultdict(dict)
    for case in sorted((case for case in CASES if can_run(case, flavor)), key=lambda case: len(case["flavors"])):
        groups = topics[case["topic"]]
        groups.setdefault(json.dumps(case["routes"], sort_keys=True), []).append(case)
    queues = [list(groups.values()) for groups in topics.values()]
    picked = []
    while queues and len(picked) < CONFIGURATIONS[flavor]:
        picked += [queue.pop(0) for queue in queues]
        queues = [queue for queue in queues if queue]
    return picked


def declarative(routes, origin):
    services, alone = [], []
    for number, route in enumerate(routes):
        entity = {key: route[key] for key in FIELDS if route.get(key) is not None}
        if not route.get("service"):
            alone.append(entity)
            continue
        service = {key: value for key, value in route["service"].items() if value is not None}
        services.append({**service, "name": f"service-{number}", "protocol": "http", "port": origin.port,
                         "routes": [entity]})
    return {"services": services, "routes": alone}


def reload(hop, config, count):
    hop.config_path.write_text(to_yaml({"_format_version": "3.0", **config}))
    hop.signal(signal.SIGHUP)
    wait_until(lambda: len(hop.error_log.lines("is in force")) >= count or hop.error_log.lines("reload failed"),
               lambda: f"configuration {count}: {hop.describe()}")
    assert not hop.error_log.lines("reload failed"), hop.describe()


def request_bytes(request):
    fields = [] if request["host"] is None else [("Host", request["host"])]
    for name, values in request["headers"].items():
        fields += [(name, value) for value in (values if isinstance(values, list) else [values])]
    version = "1.0" if request["host"] is None else "1.1"
    head = f"{request['method']} {request['path']} HTTP/{version}\r\n"
    return (head + "".join(f"{name}: {value}\r\n" for name, value in fields) +
            "Connection: close\r\n\r\n").encode()


def ask(lab, hop, case):
    request = case["request"]
    address = hop.https if request["scheme"] == "https" else hop.http
    context = lab.pki.client_context(verify=False) if request["scheme"] == "https" else None
    client = RawClient(*address, tls=context, server_name=request["sni"])
    client.send(request_bytes(request))
    try:
        return client.read_response(request["method"])
    finally:
        client.close()


def check(lab, hop, origin, case):
    expect, name = case["expect"], case["id"]
    seen, logged = len(origin.requests), len(hop.access_log.entries())
    response = ask(lab, hop, case)
    entry = hop.access_log.wait(logged + 1)[logged]
    assert entry.get("route", {}).get("name") == expect["route"], name
    assert response.status == (expect["status"] or 200), name
    assert response.fields.get("Location") == expect.get("location"), name
    if expect["status"]:
        assert len(origin.requests) == seen, name
        return
    sent = origin.requests[seen]
    assert sent.target == expect["upstream_uri"], name
    preserved = next(route for route in case["routes"] if route["name"] == expect["route"])["preserve_host"]
    if preserved and case["request"]["host"]:
        assert sent.fields.get("Host") == expect["host_header"], name
    else:  # the origin's port is another one
        assert sent.fields.get("Host") == f"{expect['host_header'].split(':')[0]}:{origin.port}", name


@pytest.mark.parametrize("flavor", CONFIGURATIONS)
def test_kongs_own_cases_over_sockets(lab, tmp_path, flavor):
    origin = lab.origin()
    names = sorted({route["service"]["host"] for case in CASES for route in case["routes"] if route.get("service")})
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in names))
    groups = chosen(flavor)
    hop = lab.hop(declarative(groups[0][0]["routes"], origin), tls=True,
                  conf={"router_flavor": flavor, "dns_hostsfile": str(hosts), "nginx_worker_processes": "1"})
    for number, group in enumerate(groups):
        if number > 0:
            reload(hop, declarative(group[0]["routes"], origin), number)
        for case in group:
            check(lab, hop, origin, case)
    assert sum(len(group) for group in groups) >= CASES_MIN


@pytest.mark.parametrize("flavor", CONFIGURATIONS)
def test_paths_go_upstream_as_kongs_table_says(lab, flavor):
    """Each row with each version is a route by a host of its own; the default flavour knows v0 only."""
    origin = lab.origin()
    rows = [(row, version) for row in PATHS for version in ("v0", "v1")]
    services = [{"name": f"s{number}", "host": origin.host, "port": origin.port, "path": row["service_path"], "routes": [
        {"hosts": [f"h{number}.test"], "strip_path": row["strip_path"], "path_handling": version,
         **({"paths": [row["route_path"]]} if row["route_path"] else {})}]}
        for number, (row, version) in enumerate(rows)]
    hop = lab.hop({"services": services}, conf={"router_flavor": flavor})
    client = lab.client(hop)
    for number, (row, version) in enumerate(rows):
        assert client.get(row["request"], [("Host", f"h{number}.test")]).status == 200, (row, version)
    wanted = [row[version if flavor == "traditional" else "v0"] for row, version in rows]
    assert origin.targets() == wanted
