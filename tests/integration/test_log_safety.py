"""Whatever clients and origins send, a log holds printable text: nothing that a terminal would obey."""
import re

import pytest

from lab import behaviours
from lab.client import Truncated
from lab.wait import wait_until
from lab.wire import Ended, Malformed

# every byte but LF, CR and NUL in one go; an escape sequence; UTF-8 with a C1 control (CSI) and with none
HOSTILE = [bytes(set(range(1, 256)) - {0x0A, 0x0D}), b"\x1b[2J\x1b]0;owned\x07", "\u009b31m".encode(), "grüße".encode(),
           b"a\x00b", b"a\rb", b"\"\\", b"%0d%0a%1b[31m"]
EVERYTHING = ("$request|$request_uri|$uri|$args|$http_user_agent|$http_referer|$http_x_other|$remote_user|$remote_addr|$host|"
              "$sent_http_x_other|$arg_a|$cookie_a|$upstream_uri|$upstream_host")
FORMATS = ["kong", "json", "kong-serialize", "haproxy", "alb"] + [f"escape={how} '{EVERYTHING}'" for how in ("default", "json", "none")]
LOGS = [(persona, log_format) for persona in ("kong", "edge", "f5") for log_format in ("kong", "json")] + [
    ("kong", log_format) for log_format in FORMATS[2:]]


def is_safe(text):
    """Lines of printable characters (JSON may hold what UTF-8 has beyond ASCII, C1 controls excepted)."""
    return not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


def send_and_forget(lab, hop, data):
    client = lab.client(hop)
    client.send_what_is_taken(data)
    try:
        client.read_response()
    except (Ended, Malformed, Truncated, ConnectionResetError):
        pass
    client.close()


def requests_with(text):
    """The bytes at each place of a request that a log may show."""
    end = b" HTTP/1.1\r\nHost: a.test\r\n"
    yield b"GET /" + text + end + b"\r\n"
    yield b"G" + text + b" /" + end + b"\r\n"
    yield b"GET / HTTP/1.1\r\nHost: " + text + b"\r\n\r\n"
    for name in (b"Referer", b"User-Agent", b"X-Forwarded-For", b"X-Other", b"Transfer-Encoding", b"Content-Length"):
        yield b"GET /ok" + end + name + b": " + text + b"\r\n\r\n"
    yield b"GET /" + end + text + b": x\r\n\r\n"
    yield b"GET /" + end + b"X-Bad " + text + b"\r\n\r\n"
    yield b"POST /" + end + b"Transfer-Encoding: chunked\r\n\r\n" + text + b"\r\n"
    yield b"GET / HTTP/" + text + b"\r\nHost: a.test\r\n\r\n"


@pytest.mark.parametrize("persona, log_format", LOGS)
def test_no_byte_of_a_client_controls_a_log(lab, persona, log_format):
    hop = getattr(lab, persona)(lab.origin(content=b"x"), conf={
        "hopgate_access_log_format": log_format, "trusted_ips": "127.0.0.1", "real_ip_header": "X-Forwarded-For"})
    for text in HOSTILE:
        for data in requests_with(text):
            send_and_forget(lab, hop, data)
    send_and_forget(lab, hop, b"GET /last HTTP/1.1\r\nHost: a.test\r\nUser-Agent: " + HOSTILE[3] + b"\r\n\r\n")
    wait_until(lambda: "/last" in hop.access_log.text(), "the last request to be logged")
    assert is_safe(hop.access_log.path.read_text(errors="strict"))
    assert is_safe(hop.error_log.text())
    if persona != "f5":  # its log names connections only
        assert hop.error_log.lines("client sent invalid header line: \"", "\\x")


@pytest.mark.parametrize("persona, log_format", LOGS)
def test_no_byte_of_an_origin_controls_a_log(lab, persona, log_format):
    origin, heads = lab.origin(), []
    for text in HOSTILE:
        heads += [b"HTTP/1.1 200 " + text + b"\r\nContent-Length: 0\r\n\r\n", text + b" 200 OK\r\n\r\n",
                  b"HTTP/1.1 200 OK\r\n" + text + b": x\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Bad " + text + b": x\r\n\r\n",
                  b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Other: " + text + b"\r\n\r\n",
                  b"HTTP/1.1 200 OK\r\nContent-Length: " + text + b"\r\n\r\n",
                  b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + text + b"\r\n"]
    for number, head in enumerate(heads):
        origin.on(f"/{number}", behaviours.raw(head, then="close"))
    hop = getattr(lab, persona)(origin, conf={"hopgate_access_log_format": log_format})
    for number in range(len(heads)):
        send_and_forget(lab, hop, f"GET /{number} HTTP/1.1\r\nHost: a.test\r\n\r\n".encode())
    wait_until(lambda: hop.access_log.text().count("\n") >= len(heads), "all requests to be logged")
    assert is_safe(hop.access_log.path.read_text(errors="strict"))
    assert is_safe(hop.error_log.text())
    if persona != "f5":
        assert hop.error_log.lines("upstream sent invalid header: \"X-Bad\\x20...\"")


@pytest.mark.parametrize("log_format", FORMATS)
def test_credentials_are_in_no_log_that_was_not_asked_for_them(lab, log_format):
    """$remote_user is the name alone; Kong's serializer shows cookies, as Kong does."""
    hop = lab.kong(lab.origin(content=b"x"), conf={"hopgate_access_log_format": log_format})
    lab.client(hop).get("/last", fields=[("Authorization", "Basic YWxpY2U6c2VjcmV0"), ("Proxy-Authorization", "Basic Ym9iOnNlY3JldA==")])
    wait_until(lambda: "/last" in hop.access_log.text(), "the request to be logged")
    log = hop.access_log.text() + hop.error_log.text()
    assert "secret" not in log and "c2VjcmV0" not in log and "Ym9iOnNl" not in log


@pytest.mark.parametrize("log_format", ["kong", "json", "kong-serialize"])
def test_no_request_can_make_its_lines_vanish(lab, log_format):
    """Bytes that are escaped to six each, in every field and in what the error log quotes."""
    dead = lab.refusing_port()
    hop = lab.kong(dead, retries=0, conf={"hopgate_access_log_format": log_format})
    fields = [(f"X-{number}", "\xff" * 7000) for number in range(3)] + [("Referer", "\xff" * 8000)]
    assert lab.client(hop).get("/hidden", fields).status == 502
    wait_until(lambda: "/hidden" in hop.access_log.text(), "the line of the request")
    line, = hop.error_log.wait_for("connect() failed", "/hidden")
    assert 'request: "GET /hidden HTTP/1.1"' in line
