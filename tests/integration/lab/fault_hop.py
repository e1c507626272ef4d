"""A hop that stands for nginx or HAProxy as they were set up for one row of tests/data/fault-matrix.json."""
import contextlib
import re
import ssl
import subprocess

from . import fault_client, fault_kong, fault_rows
from .dns_server import NXDOMAIN, SERVFAIL
from .fault_origin import FaultOrigin
from .lab import address_of
from .wait import wait_until

GOOD = {"listen": "tcp", "origin": [[["serve", "server-b"]] * 8 + [["hold"]]]}
DEAD = {"listen": "refused", "origin": [[["close"]]]}
LINE = re.compile(r"\[(\w+)\] \d+#\d+: (?:\*\d+ )?(.*?), client: (?!.*/(?:second|warm|occupy))")
HTTPLOG = re.compile(r" (?P<log_status>-?\d+) \d+ - - (?P<termination>\S{4}) \d+/\d+/\d+/\d+/(?P<retries>\+?\d+) "
                     r"\d+/\d+ \"(?P<request>.*)\"$")
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
    "kong/one": {},
    "kong/nobuf": {},
    "kong/https": {},
}


KONG_PATIENCE_S = 25  # six tries that take their second each
MARKS_DOWN = {"healthchecks": {"passive": {"unhealthy": {"tcp_failures": 1}}}}  # max_fails=1
NAME_THAT_FAILS = "nosuch.test"
DNS = {"nxdomain": {"rcode": NXDOMAIN}, "servfail": {"rcode": SERVFAIL}, "timeout": {"silent": True}}


def self_signed(directory):
    """Certificate and key in one file."""
    path = directory / "selfsigned.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=origin.test", "-addext", "subjectAltName=DNS:origin.test", "-keyout", path, "-out",
                    directory / "selfsigned.cert"], check=True, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    path.write_text(path.read_text() + (directory / "selfsigned.cert").read_text())
    return path


def origin_context(lab, row, fault):
    """TLS of the faulty origin, or None."""
    is_plain = "scheme" not in fault and row["upstream"] != "https"
    if is_plain or (fault["listen"] == "tcp" and "scheme" in fault):
        return None
    kind = fault.get("cert", "good")
    if kind == "selfsigned":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self_signed(lab.directory))
        return context
    context = lab.pki.server_context({"expired": "expired", "wrongname": "other"}.get(kind, "origin"))
    if kind.startswith("mtls"):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(lab.pki.root)
    if kind == "mtls12":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def declarative(row, targets):
    fault = fault_rows.matrix()["faults"][row["fault"]]
    timeout = 3000 if row["group"] == "client" and row["persona"] == "haproxy" else 1000
    service = {"name": "up", "host": "up", "port": 80, "protocol": row["upstream"], "connect_timeout": 1000,
               "read_timeout": timeout, "write_timeout": timeout,
               "retries": 3 if row["persona"] == "haproxy" else len(targets) - 1,
               "routes": [{"name": "all", "paths": ["/"], "strip_path": False, "preserve_host": False}]}
    if row["persona"] == "kong":  # its own number of tries
        del service["retries"]
    if row["variant"] == "nobuf" and row["persona"] == "kong":
        service["routes"][0] |= {"request_buffering": False, "response_buffering": False}
    if fault.get("verify"):
        service["tls_verify"] = True
    if "dns" in fault:
        return {"services": [{**service, "host": NAME_THAT_FAILS}]}
    names = ["{}:{}".format(*address_of(target)) for target in targets]
    members = [{"target": name, "priority_group": 2 - number if row["persona"] == "nginx" else 0,
                **({"max_requests": 1} if fault.get("limit") and number == 0 else {})}
               for number, name in enumerate(names)]
    weights = [256, 1] if row["persona"] == "haproxy" else [100, 100]
    return {"services": [service],
            "upstreams": [{"name": "up", "targets": [{"target": name, "weight": 0 if fault.get("disabled") else weight}
                                                     for name, weight in zip(names, weights)],
                           **({"host_header": "origin.test"} if row["upstream"] == "https" else {}),
                           **(MARKS_DOWN if fault.get("markdown") else {})}],
            "hopgate": {"balancing": [{"upstream": "up", "members": members}]}}


def settings(lab, row, fault):
    conf = dict(CONF[f'{row["persona"]}/{row["variant"]}'])
    conf.pop("persona", None)
    if row["group"] == "client":
        conf |= {"nginx_http_client_header_timeout": "1s", "nginx_http_client_body_timeout": "1s"}
    if row["upstream"] == "https" and (row["persona"] == "nginx" or f'{row["persona"]}/{row["variant"]}' == "kong/https"):
        conf |= {"nginx_proxy_proxy_ssl_protocols": "TLSv1.2"}  # proxy_ssl_protocols of nginx 1.22 ends there
    if fault.get("verify"):
        conf |= {"nginx_proxy_proxy_ssl_trusted_certificate": lab.pki.root}
    if not fault.get("default_body_limit"):
        conf |= {"nginx_http_client_max_body_size": "0"}
    if "dns" in fault:
        zone = lab.dns_server().say(NAME_THAT_FAILS, **DNS[fault["dns"]])
        conf |= {"dns_resolver": zone.address, "dns_order": "A", "hopgate_dns_timeout": "500ms", "hopgate_dns_tries": "2"}
    if row["variant"] != "plain":
        conf |= {"upstream_keepalive_pool_size": 8}
    if row["persona"] == "haproxy":
        conf |= {"hopgate_access_log_format": "haproxy"}
    return {**conf, "hopgate_lab": "on", "log_level": "info", "nginx_worker_processes": "1"}


@contextlib.contextmanager
def occupied(lab, hop, origin):
    """Another request has the only place of the first target."""
    client = lab.client(hop)
    client.send(b"GET /occupy HTTP/1.1\r\nHost: edge.test\r\n\r\n")
    wait_until(lambda: origin.connections_count > 0, "the request that occupies the target")
    yield
    client.close()


def prepare(lab, hop, fault, origin):
    """What comes before the case; a context."""
    if fault.get("markdown"):
        lab.client(hop).get("/warm")
    return occupied(lab, hop, origin) if fault.get("occupy") else contextlib.nullcontext()


def hop_log(hop):
    """Columns of the matrix that the hop's logs tell."""
    lines = LINE.findall(hop.error_log.text())
    entries = [entry for entry in hop.access_log.entries() if "/fault" in str(entry["request"])]
    seen = {"log_phrase": list(dict.fromkeys(f"[{level}] {SPOOL.sub(' <tempfile>', text)}" for level, text in lines))}
    if entries:
        seen |= {"access_status": f'{entries[0].status:03d}', "upstream_status": entries[0]["upstream_status"] or "-"}
    return seen


def httplog(hop):
    """The same from HAProxy's log, of the case alone: not of what was asked before and after it."""
    found = [match for match in map(HTTPLOG.search, hop.access_log.text().splitlines())
             if match and not any(path in match["request"] for path in ("/second", "/warm", "/occupy"))]
    if not found:
        return {"no_log_line": True}
    line = found[0].groupdict()
    return {"termination": line["termination"], "log_status": int(line["log_status"]), "retries": line["retries"]}


def kong_s_columns(seen, hop):
    told = hop_log(hop)
    return {**told, "client_body_prefix": fault_kong.without_request_id(seen["client_body_prefix"]),
            "client_fields": [name for name in seen.get("client_fields", []) if name in fault_kong.TELLING_FIELDS],
            "log_phrase_of": told["log_phrase"], "upstream_status_of": told.get("upstream_status")}


def observe_hop(lab, row, persona):
    """What a client sees of a hop with that persona in this row, and what the hop logs."""
    fault = fault_rows.matrix()["faults"][row["fault"]]
    persona = CONF[f'{row["persona"]}/{row["variant"]}'].get("persona", persona)
    context = origin_context(lab, row, fault)
    origin = FaultOrigin(fault, context)
    other = FaultOrigin(DEAD if fault.get("b") == "refused" else GOOD,
                        lab.pki.server_context("origin") if row["upstream"] == "https" else None)
    lab.others += [origin, other]
    hop = lab.hop(declarative(row, [origin, other][:row["servers"]]), persona=persona, name=f'{row["persona"]}{len(lab.hops)}',
                  tls=bool(fault.get("tlsfront")), conf=settings(lab, row, fault))
    asked_other = []
    with prepare(lab, hop, fault, origin):
        seen = fault_client.observe(hop.https if fault.get("tlsfront") else hop.http, row["method"], fault,
                                    lambda: asked_other.append(other.connections_count > 0),
                                    KONG_PATIENCE_S if "," in row.get("upstream_status", "") else fault_client.PATIENCE_S)
    hop.stop()
    if row["persona"] == "kong":
        return {**seen, **kong_s_columns(seen, hop)}
    if row["persona"] == "haproxy":
        told = httplog(hop)
        tried = "+" in told["retries"] if fault.get("b") == "refused" and "retries" in told else asked_other[0]
        return {**seen, "next_server_tried": tried, **told}
    seen |= {"next_server_tried": asked_other[0], **hop_log(hop)}
    if fault.get("b") == "refused":
        seen["next_server_tried"] = "," in seen["upstream_status"] and not fault.get("markdown")
    return seen
