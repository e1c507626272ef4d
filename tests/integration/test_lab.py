"""The lab's own words, without a hop: a test is worth what its instruments are."""
import os
import subprocess
import sys

import pytest

from lab import behaviours
from lab.client import Truncated
from lab.hop import to_yaml
from lab.wire import Ended, Malformed

HERE = os.path.dirname(__file__)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_client_reads_what_the_origin_sends(lab, framing):
    origin = lab.origin().on("/", behaviours.answer(b"some content", framing=framing))
    answer = lab.client(origin).get("/")
    assert (answer.status, answer.content, answer.framing) == (200, b"some content", framing)


def test_origin_records_requests_and_connections(lab):
    origin = lab.origin()
    client = lab.client(origin)
    client.post("/a", b"12345", [("X-One", "1"), ("x-one", "2")])
    client.request("PUT", "/b", [("Transfer-Encoding", "chunked")], b"3\r\nabc\r\n0\r\nX-T: t\r\n\r\n")
    first, second = origin.requests
    assert (first.content, first.fields.all("X-ONE"), first.number) == (b"12345", ["1", "2"], 1)
    assert (second.content, second.trailers, second.number) == (b"abc", [("X-T", "t")], 2)
    assert first.connection is second.connection


@pytest.mark.parametrize("then, how", [("close", "fin"), ("reset", "reset")])
def test_client_tells_a_cut_response_from_a_whole_one(lab, then, how):
    origin = lab.origin().on("/", behaviours.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", then=then))
    with pytest.raises((Truncated, Ended)) as caught:
        lab.client(origin).get("/")
    assert caught.value.how == how


def test_client_tells_close_notify_from_a_cut_tls_stream(lab):
    origin = lab.origin(tls=lab.pki.server_context())
    origin.on("/clean", behaviours.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nx", then="close"))
    origin.on("/cut", cut_tcp_under_tls)
    clean = lab.client(origin, tls=True, server_name="origin.test").get("/clean")
    assert clean.content == b"x"
    with pytest.raises(Truncated) as caught:
        lab.client(origin, tls=True, server_name="origin.test").get("/cut")
    assert caught.value.how == "truncated"


def cut_tcp_under_tls(connection, request):
    connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nx")
    connection.half_close()
    raise Ended("fin")


def test_client_refuses_malformed_framing(lab):
    origin = lab.origin().on("/", behaviours.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"))
    with pytest.raises(Malformed):
        lab.client(origin).get("/")


def test_refusing_port_refuses_and_black_hole_swallows(lab):
    with pytest.raises(ConnectionRefusedError):
        lab.client(lab.refusing_port())
    with pytest.raises(TimeoutError):
        lab.client(lab.black_hole(), deadline_s=0.3)


def test_pattern_is_counted_and_summed(lab):
    origin = lab.origin().on("/up", behaviours.swallow()).on("/down", behaviours.stream(1 << 20, "chunked"))
    content = b"".join(behaviours.pattern(700_000))
    assert lab.client(origin).post("/up", content).text == f"700000 {behaviours.pattern_sum(700_000)}"
    assert lab.client(origin).get("/down").content == b"".join(behaviours.pattern(1 << 20))


def test_yaml_writer_keeps_values(lab):
    text = to_yaml({"a": [{"b": "x: y\n", "c": [1, True]}, {"d": []}], "e": {}})
    assert text == 'a:\n  -\n    b: "x: y\\n"\n    c:\n      - 1\n      - true\n  -\n    d: []\ne: {}\n'


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_restrict_denies_io_uring_only(error):
    code = "import ctypes, os\n" \
           "lib = ctypes.CDLL(None, use_errno=True)\n" \
           "result = lib.syscall(425, 8, ctypes.create_string_buffer(120))\n" \
           "print(result, ctypes.get_errno(), os.getpid() > 0)"
    done = subprocess.run([f"{HERE}/lab/restrict.py", error, sys.executable, "-c", code],
                          capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["-1", {"ENOSYS": "38", "EPERM": "1"}[error], "True"]
