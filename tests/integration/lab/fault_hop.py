"""A hop that stands for nginx or HAProxy as they were set up for one row of tests/data/fault-matrix.json."""
import re

from . import fault_client, fault_rows
from .fault_origin import FaultOrigin
from .lab import address_of

GOOD = {"listen": "tcp", "origin": [[["serve", "server-b"]] * 8 + [["hold"]]]}
DEAD = {"listen": "refused", "origin": [[["close"]]]}
LINE = re.compile(r"\[(\w+)\] \d+#\d+: (?:\*\d+ )?(.*?), client: (?!.*/second)")
HTTPLOG = re.compile(r" (?P<log_status>-?\d+) \d+ - - (?P<termination>\S{4}) \d+/\d+/\d+/\d+/(?P<retries>\+?\d+) \d+/\d+ \"(?P<request>.*)\"$")
SPOOL = re.compile(r" /\S+/\d{10}")
MORE_RETRY = "error timeout invalid_header http_500 http_502 http_503 http_504 http_429 non_idempotent"
CONF = {
    "nginx/keepalive": {},
    "nginx/plain": {"persona": "nginx-plain"},
    "nginx/nobuf": {"nginx_proxy_proxy_buffering": "off", "nginx_proxy_proxy_request_buffering": "off"},
    "nginx/two": {},
    "nginx/two-all": {"nginx_proxy_proxy_next_upstream": MORE_RETRY},
    "nginx/https": {},
    "haproxy/one": {},
    "haproxy/two": {},
    "haproxy/two-redispatch": {"hopgate_redispatch": "on"},
    "haproxy/two-all": {"hopgate_redispatch": "on", "hopgate_retry_on": "all-retryable-errors"},
    "haproxy/https": {},
}


def declarative(row, targets):
    fault = fault_rows.matrix()["faults"][row["fault"]]
    timeout = 3000 if row["group"] == "client" and row["persona"] == "haproxy" else 1000
    service = {"name": "up", "host": "up", "port": 80, "protocol": row["upstream"], "connect_timeout": 1000,
               "read_timeout": timeout, "write_timeout": timeout,
               "retries": 3 if row["persona"] == "haproxy" else len(targets) - 1,
               "routes": [{"name": "all", "paths": ["/"], "strip_path": False, "preserve_host": False}]}
    if fault.get("verify"):
        service["tls_verify"] = True
    names = ["{}:{}".format(*address_of(target)) for target in targets]
    members = [{"target": name, "priority_group": 2 - number if row["persona"] == "nginx" else 0,
                **({"max_requests": 1} if fault.get("limit") and number == 0 else {})}
               for number, name in enumerate(names)]
    weights = [256, 1] if row["persona"] == "haproxy" else [100, 100]
    return {"services": [service],
            "upstreams": [{"name": "up", "targets": [{"target": name, "weight": weight}
                                                     for name, weight in zip(names, weights)]}],
            "hopgate": {"balancing": [{"upstream": "up", "members": members}]}}


def settings(row):
    conf = dict(CONF[f'{row["persona"]}/{row["variant"]}'])
    conf.pop("persona", None)
    if row["group"] == "client":
        conf |= {"nginx_http_client_header_timeout": "1s", "nginx_http_client_body_timeout": "1s"}
    if row["persona"] == "haproxy":
        conf["hopgate_access_log_format"] = "haproxy"
    return {**conf, "hopgate_lab": "on", "log_level": "info", "nginx_worker_processes": "1",
            "upstream_keepalive_pool_size": 8}


def observe_hop(lab, row, persona):
    """What a client sees of a hop with that persona in this row, and what the hop logs."""
    fault = fault_rows.matrix()["faults"][row["fault"]]
    origin, other = FaultOrigin(fault), FaultOrigin(DEAD if fault.get("b") == "refused" else GOOD)
    lab.others += [origin, other]
    hop = lab.hop(declarative(row, [origin, other][:row["servers"]]), persona=persona, name=row["persona"], conf=settings(row))
    asked_other = []
    seen = fault_client.observe(hop.http, row["method"], fault,
                                lambda: asked_other.append(other.connections_count > 0))
    hop.stop()
    told = httplog_of if row["persona"] == "haproxy" else nginx_logs_of
    return {**seen, **told(hop, row), "next_server_tried": asked_other[0]}


def nginx_logs_of(hop, _row):
    lines = LINE.findall(hop.error_log.text())
    seen = {"log_phrase": [f"[{level}] {SPOOL.sub(' <tempfile>', text)}" for level, text in lines]}
    entries = [entry for entry in hop.access_log.entries() if "/fault" in str(entry["request"])]
    if entries:
        seen |= {"access_status": f'{entries[0].status:03d}', "upstream_status": entries[0]["upstream_status"] or "-"}
    return seen


def httplog_of(hop, row):
    """Of the line that tells of the case: not of the requests before and after it on the connection."""
    found = [match for match in map(HTTPLOG.search, hop.access_log.text().splitlines())
             if match and "/second" not in match["request"] and "/warm" not in match["request"]]
    if not found:
        return {"no_log_line": True}
    line = found[0].groupdict()
    return {"termination": line["termination"], "log_status": int(line["log_status"]), "retries": line["retries"]}
