"""Rows of persona kong for the fault matrix: what Kong 3.9 does with the faults that nginx was measured with.

Nothing here was measured on Kong. Kong's proxy is nginx (OpenResty), so a row begins as what nginx 1.22 did
("from"), and the rules below change it where the sources of Kong, of its nginx or its configuration say so; each
row names the rules that made it. Written to tests/data/fault-matrix-kong.json by

    /usr/bin/python3 -m lab.fault_kong          (in tests/integration)
"""
import json
import re

from . import fault_rows

VERSION = "3.9.3"
TRIES = 6  # retries 5
NOT_REPLAYED = ("POST", "LOCK", "PATCH")
PREFIX_BYTES = 100
REQUEST_ID = re.compile(r"(?<=request_id: )[0-9a-f]+|(?<=\"request_id\":\")[0-9a-f]+")
NGINX = "nginx src/http/"
RULES = {
    "measured": "as nginx 1.22 did: Kong sets nothing that changes it (Kong kong/templates/nginx_kong.lua)",
    "page": "the handler of error_page writes the body, as text/plain without Accept and Content-Type (Kong kong/error_handlers.lua)",
    "exit": "Lua answers, as JSON without Accept (Kong kong/pdk/response.lua, kong/runloop/balancer/init.lua)",
    "builtin": "nginx's own page, as error_page does not list the status; Kong's patch takes the line of the version out "
               "(Kong kong/templates/nginx_kong.lua, build/openresty/patches)",
    "retries": "retries 5: an error or a timeout is tried six times, of POST, LOCK and PATCH only while nothing was sent "
               "(Kong kong/init.lua balancer, " + NGINX + "ngx_http_upstream.c ngx_http_upstream_next)",
    "stale": "a reused connection that failed is a try like any other (openresty patches/nginx-1.27.1-balancer_pool_max_retry.patch)",
    "framing": "nginx refuses since 1.23 what it took before: two lengths, lengths that are none, length and coding, "
               "codings but chunked (" + NGINX + "ngx_http_upstream.c ngx_http_upstream_process_content_length, "
               "_process_transfer_encoding)",
    "tls13": "TLS 1.3, where the demand for a certificate comes after the handshake: an error of reading the answer "
             "(" + NGINX + "modules/ngx_http_proxy_module.c proxy_ssl_protocols)",
    "unlimited": "client_max_body_size is 0 in Kong (Kong kong/templates/kong_defaults.lua)",
    "request": "not in the measured rows: read in nginx's source (" + NGINX + "ngx_http_request.c, ngx_http_parse.c, "
               "ngx_http_request_body.c)",
    "one target": "measured with a second server: with one target its answer stays what it was",
}
MESSAGES = {400: "Bad request", 405: "Method not allowed", 414: "URI too long", 500: "An unexpected error occurred",
            502: "An invalid response was received from the upstream server",
            503: "The upstream server is currently unavailable", 504: "The upstream server is timing out"}
TOO_LARGE = "Request header or cookie too large"
PROXIED = ["via", "x-kong-proxy-latency", "x-kong-upstream-latency"]
HERE = ["x-kong-response-latency"]
TELLING_FIELDS = sorted(PROXIED + HERE)

IN_HEAD = " while reading client request headers"
READING = " while reading response header from upstream"
RESET = {"[error] recv() failed (104: Connection reset by peer)" + READING,
         "[error] connect() failed (104: Connection reset by peer) while connecting to upstream",
         "[error] writev() failed (104: Connection reset by peer) while sending request to upstream",
         "[error] upstream prematurely closed connection" + READING}
WRITE_ERRORS = {"[error] writev() failed (104: Connection reset by peer) while sending request to upstream",
                "[error] writev() failed (32: Broken pipe) while sending request to upstream",
                "[error] recv() failed (104: Connection reset by peer)" + READING}
TO_FILE = "[warn] a client request body is buffered to a temporary file <tempfile>"
MTLS_13 = "[crit] SSL_read() failed (SSL: error:0A00045C:SSL routines::tlsv13 alert certificate required:SSL alert number 116)"
TLS_ALERT = ("[error] SSL_do_handshake() failed (SSL: error:0A000410:SSL routines::sslv3 alert handshake failure:SSL alert "
             "number 40) while SSL handshaking to upstream")
# where a reset is seen: any of these lines, once or more (and none of them says more than "it was reset")
RACES = {"accept_rst": RESET, "accept_close": RESET, "accept_delay_rst": RESET, "tls_server_on_http": RESET,
         "close_mid_request": WRITE_ERRORS, "rst_mid_request": WRITE_ERRORS}

SENT = {"cl_list_equal": "8, 8", "cl_list_diff": "8, 4", "cl_negative": "-1", "cl_text": "abc", "cl_plus": "+8", "cl_empty": "",
        "cl_overflow": "99999999999999999999"}
CODINGS = {"te_gzip_chunked": "gzip, chunked", "te_chunked_gzip": "chunked, gzip", "te_unknown": None, "te_identity": None}
DUPLICATES = {"dup_cl_equal": ("Content-Length: 8", "Content-Length: 8"), "dup_cl_diff": ("Content-Length: 4", "Content-Length: 8"),
              "dup_te": ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")}
TOGETHER = '[error] upstream sent "Content-Length" and "Transfer-Encoding" headers at the same time'

# fault -> (status, line of the error log, does the client's connection stay)
REQUESTS = {
    "c_absolute_form": (200, None), "c_expect_other": (200, None), "c_hdr_150_lines": (200, None), "c_leading_crlf": (200, None),
    "c_lf_only": (200, None), "c_post_no_length": (200, None), "c_unknown_method": (200, None),
    "c_chunk_bad": (400, "[error] client sent invalid chunked body"),
    "c_cl_text": (400, '[info] client sent invalid "Content-Length" header' + IN_HEAD),
    "c_dup_cl_diff": (400, '[info] client sent duplicate header line: "Content-Length: 6", previous value: "Content-Length: 5"' + IN_HEAD),
    "c_garbage": (400, "[info] client sent invalid method while reading client request line"),
    "c_hdr_nul": (400, '[info] client sent invalid header line: "X-A: a\\x00..."' + IN_HEAD),
    "c_http2_preface": (400, "[info] client sent invalid request while reading client request line"),
    "c_lower_method": (400, "[info] client sent invalid method while reading client request line"),
    "c_te_http10": (400, '[info] client sent HTTP/1.0 request with "Transfer-Encoding" header' + IN_HEAD),
    "c_trace": (405, "[info] client sent TRACE method" + IN_HEAD),
    "c_uri_20k": (414, "[info] client sent too long URI while reading client request line"),
    "c_uri_space": (400, "[info] client sent invalid request while reading client request line"),
}
METHODS = {"c_chunk_bad": "POST", "c_cl_text": "POST", "c_dup_cl_diff": "POST", "c_expect_other": "POST", "c_post_no_length": "POST",
           "c_te_http10": "POST", "c_trace": "TRACE", "c_unknown_method": "BREW", "c_garbage": "-", "c_http2_preface": "PRI",
           "c_lower_method": "get"}
LEFT_OUT = {"queue_full": "a target of Kong has no limit of connections"}
INITIAL = "failed the initial dns/balancer resolve for 'nosuch.test' with: "
NO_PEER = "failure to get a peer from the ring-balancer"
EXITS = {  # fault -> (status, message or None where no source says it)
    "name_nxdomain": (503, "name resolution failed"), "name_servfail": (500, INITIAL + "dns server error: 2 server failure"),
    "name_dns_timeout": (500, None), "all_disabled": (503, NO_PEER), "all_marked_down": (503, NO_PEER),
}


def without_request_id(text):
    return REQUEST_ID.sub("<id>", text[:PREFIX_BYTES])


def plain(message):
    return without_request_id(f"{message}\nrequest_id: {'0' * 32}\n")


def json_page(message):
    return without_request_id('{\n  "message":"%s",\n  "request_id":"%s"\n}' % (message, "0" * 32))


def builtin(status_line):
    return (f"<html>\r\n<head><title>{status_line}</title></head>\r\n<body>\r\n<center><h1>{status_line}</h1></center>\r\n"
            "</body>\r\n</html>\r\n")[:PREFIX_BYTES]


def ended_by_nginx(row):
    return row["client_body_prefix"].startswith("<html>\r\n<head><title>")


def put_page(row):
    title = row["client_body_prefix"].partition("<title>")[2].partition("</title>")[0]
    status = int(title[:3])
    row["client_fields"] = PROXIED if row.get("upstream_status") != "-" else HERE
    if status in (501, 505) or "plain HTTP" in title:
        row["rules"].append("builtin")
        row["client_body_prefix"] = row["client_body_prefix"] if "plain HTTP" in title else builtin(title)
        del row["client_fields"]
        return
    row["rules"].append("page")
    row["client_body_prefix"] = plain(TOO_LARGE if "Too Large" in title and status == 400 else MESSAGES[status])


def fail(row, status, line, rule):
    """One try, and an error of the target that is not tried again."""
    row |= {"client_status": status, "client_connection": "kept", "access_status": str(status), "upstream_status": str(status),
            "log_phrase": [line], "client_fields": PROXIED, "client_body_prefix": plain(MESSAGES[status])}
    row["rules"] += [rule, "page"]


def put_framing(row):
    fault = row["fault"]
    origin = json.dumps(fault_rows.matrix()["faults"][fault]["origin"])
    coding = re.search(r"Transfer-Encoding: ([^\\]*)", origin)
    if fault in SENT:
        line = f'[error] upstream sent invalid "Content-Length" header: "Content-Length: {SENT[fault]}"'
    elif fault in CODINGS:
        line = f'[error] upstream sent unknown "Transfer-Encoding": "{CODINGS[fault] or coding[1]}"'
    elif fault in DUPLICATES:
        line = '[error] upstream sent duplicate header line: "{}", previous value: "{}"'.format(*DUPLICATES[fault])
    elif fault in ("cl_and_te", "te_and_cl"):
        line = TOGETHER
    else:
        return False
    fail(row, 502, line + READING, "framing")
    return True


def is_tried_again(row):
    """None: only while nothing was sent of a method that is not replayed."""
    lines = " ".join(row["log_phrase"])
    if "while connecting to upstream" in lines or "SSL handshaking to upstream" in lines:
        return True
    if any(word in lines for word in ("timed out", "recv() failed", "prematurely closed", "SSL_read() failed", "SSL_write() failed",
                                      "writev() failed")):
        return row["method"] not in NOT_REPLAYED
    return False


def put_tries(row):
    """More tries of what nginx, with its one server, did not try again."""
    fault = fault_rows.matrix()["faults"][row["fault"]]
    status = row.get("upstream_status", "")
    if fault.get("warm"):
        if len(fault["origin"]) > 1 and status == "504" and is_tried_again(row):
            row |= {"client_status": 200, "client_body_prefix": "fresh", "upstream_status": "504, 200", "access_status": "200",
                    "client_fields": PROXIED}
            row["rules"].append("retries")
        elif "," in status:
            row["rules"].append("stale")
    elif row["client_status"] in (502, 504) and status == str(row["client_status"]) and row["log_phrase"] and is_tried_again(row):
        row["upstream_status"] = ", ".join([status] * TRIES)
        row["rules"].append("retries")
    if row["fault"] in RACES and row["client_status"] == 502 and (row["upstream"] == "http" or row["fault"] == "accept_rst"):
        row["log_phrase_of"] = sorted(RACES[row["fault"]] | ({TO_FILE} if TO_FILE in row["log_phrase"] else set()))
        del row["log_phrase"]
        if row["fault"].startswith("accept") and row["method"] in NOT_REPLAYED:
            row["upstream_status_of"] = [", ".join(["502"] * count) for count in range(1, TRIES + 1)]
            row.pop("upstream_status", None)


def blank(fault_name, variant, method, **columns):
    fault = fault_rows.matrix()["faults"][fault_name]
    return {"persona": "kong", "version": VERSION, "variant": variant, "fault": fault_name, "method": method, "basis": "source",
            "from": None, "rules": [], "client_status": None, "client_body_prefix": "", "client_connection": "kept",
            "next_server_tried": None, "access_status": None, "upstream_status": "-", "group": fault["group"],
            "upstream": fault.get("scheme", "http"), "servers": 1, **columns}


COPIED = ("client_status", "client_body_prefix", "client_connection", "log_phrase", "access_status", "upstream_status")


def from_nginx(measured, variant):
    row = blank(measured["fault"], variant, measured["method"], upstream=measured["upstream"])
    row |= {name: measured[name] for name in COPIED if name in measured}
    for name in ("access_status", "upstream_status"):
        if name not in measured:  # its log line came after the measurement
            del row[name]
    row["from"], row["rules"] = fault_rows.row_id(measured), ["measured"]
    others = [{name: other[name] for name in COPIED if name in other} for other in measured.get("also_seen", [])]
    if others and not any("client_status" in other for other in others) and row["fault"] not in RACES:
        row["also_seen"] = others
    if measured["servers"] > 1:
        row["rules"].append("one target")
    if variant != "https" and (put_framing(row) or put_special(row)):
        return row
    put_tries(row)
    if ended_by_nginx(row):
        put_page(row)
    elif (row["client_status"] or 0) >= 200 and row.get("upstream_status", "").endswith(str(row["client_status"])):
        row["client_fields"] = PROXIED
    return row


def put_special(row):
    """Faults of which a measured row with a second server, or an older nginx, says too little."""
    fault, method = row["fault"], row["method"]
    tries = 1 if method in NOT_REPLAYED else TRIES
    if fault == "tls_mtls_required":
        fail(row, 502, MTLS_13 + READING, "tls13")
        row["upstream_status"] = ", ".join(["502"] * tries)
    elif fault == "tls_alert_handshake":
        fail(row, 502, TLS_ALERT, "retries")
        row["upstream_status"] = ", ".join(["502"] * TRIES)
    elif fault.startswith("status_5") and row["client_status"] == 200:
        code = fault[-3:]
        row |= {"client_status": int(code), "client_body_prefix": f"origin-{code}", "access_status": code, "upstream_status": code,
                "client_fields": PROXIED}
    elif fault == "c_body_2m":
        row |= {"client_status": 200, "client_body_prefix": "origin-a", "client_connection": "kept", "log_phrase": [TO_FILE],
                "access_status": "200", "upstream_status": "200", "client_fields": PROXIED}
        row["rules"].append("unlimited")
    elif fault == "stale_rst_on_request":
        stale = "[error] recv() failed (104: Connection reset by peer)" + READING
        if method in NOT_REPLAYED:
            fail(row, 502, stale, "stale")
        else:
            row |= {"client_status": 200, "client_body_prefix": "fresh", "access_status": "200", "upstream_status": "502, 200",
                    "log_phrase": [stale], "client_fields": PROXIED}
            row["rules"].append("stale")
    elif fault == "all_refused":
        fail(row, 502, row["log_phrase"][0], "retries")
        row |= {"servers": 2, "next_server_tried": True, "upstream_status": ", ".join(["502"] * TRIES)}
    elif fault == "c_fin_mid_body" and row["variant"] == "one":  # while the content is stored nothing is done upstream
        row["log_phrase"] = ["[info] client prematurely closed connection"]
        row["rules"].append("request")
    elif fault in EXITS:
        put_exit(row)
    else:
        return False
    return True


def put_exit(row):
    status, message = EXITS[row["fault"]]
    row |= {"client_status": status, "access_status": str(status), "upstream_status": "-", "client_fields": HERE,
            "servers": 2 if row["fault"].startswith("all_") else 1}
    row["rules"].append("exit")
    del row["log_phrase"]  # a line of Lua with a stack of its own
    if message:
        row["client_body_prefix"] = json_page(message)
    else:
        del row["client_body_prefix"]


def of_request(fault):
    status, line = REQUESTS[fault]
    row = blank(fault, "one", METHODS.get(fault, "GET"), client_status=status, access_status=str(status), rules=["request"],
                log_phrase=[line] if line else [])
    if status == 200:
        return row | {"client_body_prefix": "origin-a", "upstream_status": "200", "client_fields": PROXIED}
    row["rules"].append("page")
    return row | {"client_body_prefix": plain(MESSAGES[status]), "client_connection": "closed", "client_fields": HERE}


def large_head(method):
    row = blank("hdr_20k", "one", method, rules=["request"])
    fail(row, 502, "[error] upstream sent too big header" + READING, "measured")
    return row


def best_measured():
    """{(fault, method): the nginx row that a hop with one target and kept connections would be like}"""
    best, order = {}, ["keepalive", "plain", "two", "two-all", "nobuf"]
    for row in fault_rows.rows("nginx"):
        if row["variant"] not in order or row["variant"] == "plain" and row["group"] == "stale":
            continue
        key = row["fault"], row["method"]
        if key not in best or order.index(row["variant"]) < order.index(best[key]["variant"]):
            best[key] = row
    return best


def client_that_left(half_closed):
    """c_abort_waiting: FIN of a client that closed, as of one that only closed its side."""
    return {**half_closed, "fault": "c_abort_waiting", "client_connection": "n/a", "rules": ["request"]}


def generate():
    rows = [from_nginx(row, "one") for row in best_measured().values() if row["fault"] not in LEFT_OUT]
    rows += [from_nginx(row, variant) for variant in ("nobuf", "https") for row in fault_rows.rows("nginx", variant)
             if row["fault"] != "c_body_2m"]
    rows += [client_that_left(row) for row in rows if row["fault"] == "c_halfclose_waiting"]
    rows += [of_request(fault) for fault in REQUESTS] + [large_head(method) for method in ("GET", "POST")]
    return sorted(rows, key=fault_rows.row_id)


def text():
    what = "What Kong does with the faults of fault-matrix.json, by its sources; made by tests/integration/lab/fault_kong.py."
    columns = {"basis": "source: read, not measured", "from": "the measured row of nginx that it begins with, or null",
               "rules": "what made it, see rules", "client_fields": f"which of {', '.join(TELLING_FIELDS)} the answer has",
               "log_phrase_of": "each line of the case is one of these", "upstream_status_of": "one of these: the fault is a race",
               "": "the others as in fault-matrix.json; a request id is written <id>; a column that is not there is not known"}
    meta = {"what": what, "version": VERSION, "columns": columns, "rules": RULES, "left_out": LEFT_OUT}
    lines = ",\n".join(json.dumps(row) for row in generate())
    return '{\n"meta": ' + json.dumps(meta, indent=1) + ',\n"rows": [\n' + lines + "\n]}\n"


def main():
    fault_rows.KONG_FILE.write_text(text())


if __name__ == "__main__":
    main()
