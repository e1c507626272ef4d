"""Responses of fast targets to slow clients: nginx's proxy_buffering (persona kong)."""
import pathlib
import select
import signal
import socket
import subprocess
import threading
import time
import zlib

import pytest

from lab import behaviours
from lab.exposition import scrape
from lab.lab import service_to
from lab.origin import wait_until_received
from lab.upgrade import upgrade, verb
from lab.wait import pace, wait_until
from lab.wire import Ended, head

ONE_WORKER = {"nginx_worker_processes": "1"}
MB = 1 << 20
SMALL_SOCKET_BYTES = 32768
TINY_DISK = pathlib.Path(__file__).parent / "lab" / "tiny_disk.py"
# freed memory that AddressSanitizer holds back would look like growth
NO_QUARANTINE = {"ASAN_OPTIONS": "detect_leaks=1:exitcode=97:quarantine_size_mb=1:thread_local_quarantine_size_kb=64"}
LARGE = 40 * MB  # more than the kernel's buffers of both connections hold


def spool_files(hop):
    return [line for line in hop.fds() if "/spool/" in line]


def wait_spool_empty(hop):
    wait_until(lambda: not spool_files(hop), lambda: f"the spool to be empty: {spool_files(hop)}")
    assert list((hop.prefix / "spool").iterdir()) == []


def slow_client(lab, hop, target="/", tls=False, version="1.1"):
    """Has asked, has the head, and reads no more."""
    client = lab.client(hop, tls=tls, deadline_s=60)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_SOCKET_BYTES)
    client.send(client.request_bytes("GET", target).replace(b"HTTP/1.1", f"HTTP/{version}".encode()))
    return client, client.read_head()


def read_rest(client, answer, size):
    count, crc = 0, 0
    for piece in client.content_pieces(answer):
        count, crc = count + len(piece), zlib.crc32(piece, crc)
    assert (count, crc) == (size, behaviours.pattern_sum(size))


def passing(lab, hop, origin):
    """Another client's request goes over the target's first connection, so that is free: every other one is closed."""
    origin.on("/other", behaviours.answer(b"other", framing="close"))

    def is_free():
        assert lab.client(hop).get("/other").content == b"other"
        return origin.requests[-1].connection is origin.connections[0]

    return is_free


def fields_of(entry):
    return entry["response"]["content_size"], entry.reason


# ---- a target does not wait for a client


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_target_is_free_while_its_client_still_reads(lab, framing, tls):
    origin = lab.origin(tls=lab.pki.server_context() if tls else None).on("/", behaviours.stream(LARGE, framing))
    kong = lab.hop(service_to(origin, protocol="https" if tls else "http"), tls=tls, conf=ONE_WORKER)
    descriptors = kong.fd_count()
    client, answer = slow_client(lab, kong, tls=tls)
    wait_until(passing(lab, kong, origin), "the target's connection to serve another client")
    assert spool_files(kong)
    (line,) = kong.error_log.wait_for("[warn]", "an upstream response is buffered to a temporary file")
    assert f" {kong.prefix}/proxy_temp/1/00/0000000001 while reading upstream, client: 127.0.0.1, server: kong" in line
    assert f'upstream: "{"https" if tls else "http"}://127.0.0.1:{origin.port}/"' in line
    read_rest(client, answer, LARGE)
    wait_spool_empty(kong)
    assert client.get("/other").status == 200, "the client's connection goes on"
    assert fields_of(wait_entry(kong, "/")) == (LARGE, "OK")
    assert len(kong.error_log.lines("buffered to a temporary file")) == 1
    for each in lab.clients:
        each.close()
    for connection in origin.connections:
        connection.drop()
    kong.wait_fd_count(descriptors)


@pytest.mark.parametrize("how", ["route", "process", "target"])
def test_target_waits_where_buffering_is_off(lab, how):
    """P14 without a store: the target's connection is held up, and nothing is on the disk."""
    fields = [("X-Accel-Buffering", "NO")] if how == "target" else []

    def behave(connection, request):
        connection.send(head("HTTP/1.1 200 OK", [("Content-Length", str(LARGE)), *fields]))
        for block in behaviours.pattern(LARGE):
            connection.send(block, counted=len(block))

    origin = lab.origin(deadline_s=120).on("/", behave)
    conf = ONE_WORKER | ({"nginx_proxy_proxy_buffering": "off"} if how == "process" else {})
    route = {"response_buffering": False} if how == "route" else {}
    kong = lab.hop(service_to(origin, route=route), conf=conf)
    client, answer = slow_client(lab, kong)
    assert answer.fields.get("X-Accel-Buffering") is None
    is_free = passing(lab, kong, origin)
    for _ in range(30):
        assert not is_free()
    assert spool_files(kong) == []
    read_rest(client, answer, LARGE)
    assert kong.error_log.lines("temporary file") == []


def test_target_can_ask_for_buffering(lab):
    def behave(connection, request):
        connection.send(head("HTTP/1.1 200 OK", [("Content-Length", str(LARGE)), ("x-accel-buffering", "yes")]))
        for block in behaviours.pattern(LARGE):
            connection.send(block)

    origin = lab.origin().on("/", behave)
    kong = lab.hop(service_to(origin, route={"response_buffering": False}), conf=ONE_WORKER)
    client, answer = slow_client(lab, kong)
    wait_until(passing(lab, kong, origin), "the target's connection to serve another client")
    read_rest(client, answer, LARGE)


@pytest.mark.parametrize("persona, conf", [("edge", {}), ("f5", {}), ("edge", {"nginx_http_proxy_buffering": "on"})])
@pytest.mark.rules("f5 content.response")
def test_other_personas_store_when_they_are_told_to(lab, persona, conf):
    def behave(connection, request):
        connection.send(head("HTTP/1.1 200 OK", [("Content-Length", str(LARGE)), ("X-Accel-Buffering", "yes")]))
        for block in behaviours.pattern(LARGE):
            connection.send(block)

    origin = lab.origin(deadline_s=120).on("/", behave)
    hop = lab.hop(service_to(origin), persona=persona, conf=ONE_WORKER | conf)
    client, answer = slow_client(lab, hop)
    assert answer.fields.get("X-Accel-Buffering") == "yes", "only who obeys it takes it out"
    if conf:
        hop.error_log.wait_for("an upstream response is buffered to a temporary file")
    read_rest(client, answer, LARGE)
    assert bool(hop.error_log.lines("temporary file")) == bool(conf)


def test_response_that_memory_holds_touches_no_disk(lab):
    origin = lab.origin().on("/", behaviours.stream(LARGE))
    kong = lab.kong(origin, conf=ONE_WORKER | {"nginx_http_proxy_buffers": "50 1m", "nginx_http_proxy_busy_buffers_size": "1m"})
    client, answer = slow_client(lab, kong)
    wait_until(passing(lab, kong, origin), "the target's connection to serve another client")
    assert spool_files(kong) == []
    read_rest(client, answer, LARGE)
    assert kong.error_log.lines("temporary file") == []


@pytest.mark.parametrize("limit", ["0", "4m"])
def test_file_has_its_limit_and_then_the_target_waits(lab, limit):
    origin = lab.origin(deadline_s=120).on("/", behaviours.stream(LARGE))
    kong = lab.kong(origin, conf=ONE_WORKER | {"nginx_http_proxy_max_temp_file_size": limit})
    client, answer = slow_client(lab, kong)
    if limit != "0":
        kong.error_log.wait_for("an upstream response is buffered to a temporary file")
    is_free = passing(lab, kong, origin)
    for _ in range(30):
        assert not is_free()
    assert bool(spool_files(kong)) == (limit != "0")
    read_rest(client, answer, LARGE)
    wait_spool_empty(kong)
    assert wait_entry(kong, "/").reason == "OK"


def wait_entry(hop, uri):
    found = []
    wait_until(lambda: found.extend(entry for entry in hop.access_log.entries() if entry["request"]["uri"] == uri) or found,
               f"an access log line of {uri}")
    return found[0]


# ---- the disk


def test_limit_of_all_files_makes_the_target_wait(lab):
    origin = lab.origin(deadline_s=120).on("/", behaviours.stream(LARGE))
    kong = lab.kong(origin, conf=ONE_WORKER | {"hopgate_spool_max_size": "2m"})
    client, answer = slow_client(lab, kong)
    (line,) = kong.error_log.wait_for("[error]", "hopgate_spool_max_size of 2097152 bytes is reached; the client is waited for instead")
    assert " while reading upstream, client: 127.0.0.1" in line
    read_rest(client, answer, LARGE)
    wait_spool_empty(kong)
    assert wait_entry(kong, "/").reason == "OK"
    assert len(kong.error_log.lines("is waited for instead")) == 1


def test_full_disk_makes_the_target_wait(lab, tmp_path):
    if subprocess.run([TINY_DISK, tmp_path, "1m"], capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here, even in a namespace")
    origin = lab.origin(deadline_s=120).on("/", behaviours.stream(LARGE))
    kong = lab.make_hop(service_to(origin), name="small", conf=ONE_WORKER)
    spool = kong.prefix / "spool"
    spool.mkdir(parents=True)
    kong.wrapper = [TINY_DISK, spool, "1m"]
    kong.start()
    for _ in range(2):
        client, answer = slow_client(lab, kong)
        number = len(lab.clients)
        kong.error_log.wait_for("[crit]", f'pwrite() "{kong.prefix}/spool/{number:010}" failed (28: No space left on device); '
                                "the client is waited for instead while reading upstream")
        read_rest(client, answer, LARGE)
        wait_until(lambda: not spool_files(kong), "the disk to be free again")
    assert {entry.reason for entry in kong.access_log.wait(2)} == {"OK"}


def test_directory_that_is_gone_makes_the_target_wait(lab):
    origin = lab.origin(deadline_s=120).on("/", behaviours.stream(LARGE))
    kong = lab.kong(origin, conf=ONE_WORKER)
    (kong.prefix / "spool").rmdir()
    client, answer = slow_client(lab, kong)
    kong.error_log.wait_for("[crit]", "open() ", "failed (2: No such file or directory); the client is waited for instead")
    read_rest(client, answer, LARGE)
    (kong.prefix / "spool").mkdir()
    assert wait_entry(kong, "/").reason == "OK"


# ---- ends


@pytest.mark.parametrize("target_is_done", [False, True])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_that_leaves_in_the_middle_frees_file_and_connections(lab, how, target_is_done):
    gate = threading.Event()

    def behave(connection, request):
        connection.send(head("HTTP/1.1 200 OK", [("Content-Length", str(LARGE))]))
        for block in behaviours.pattern(LARGE - 1):
            connection.send(block)
        if not target_is_done:
            connection.origin.wait_for(gate)
        connection.send(b"x")

    origin = lab.origin().on("/", behave)
    kong = lab.kong(origin, conf=ONE_WORKER)
    descriptors = kong.fd_count()
    client, _ = slow_client(lab, kong)
    kong.error_log.wait_for("an upstream response is buffered to a temporary file")
    if target_is_done:
        wait_until(passing(lab, kong, origin), "the target's connection to serve another client")
    if how == "reset":
        client.reset()
    else:
        client.close()
    assert wait_entry(kong, "/").reason in ("CLIENT_ABORTED", "CLIENT_SEND_TIMEOUT")
    wait_spool_empty(kong)
    gate.set()
    for each in lab.clients:
        each.close()
    for connection in origin.connections:
        connection.drop()
    kong.wait_fd_count(descriptors)


@pytest.mark.parametrize("end", ["close", "reset", "hang"])
def test_target_that_fails_after_much_was_stored(lab, end):
    """All that nginx has in whole buffers reaches the client, however late it reads; then the cut."""
    sent = LARGE - LARGE % 4096 + 100  # so that the last buffer is not full

    def behave(connection, request):
        connection.send(head("HTTP/1.1 200 OK", [("Content-Length", str(LARGE * 2))]))
        for block in behaviours.pattern(sent):
            connection.send(block)
        wait_until_received(connection)
        behaviours.finish(connection, end)

    origin = lab.origin().on("/", behave)
    kong = lab.kong(origin, conf=ONE_WORKER, read_timeout=3000)
    client, answer = slow_client(lab, kong)
    kong.error_log.wait_for("[error]", " while reading upstream")
    assert kong.access_log.entries() == [], "its client still reads"
    content = bytearray()  # bytes would be copied whole for each piece
    with pytest.raises(Ended) as ended:
        for piece in client.content_pieces(answer):
            content += piece
    content += client.take(len(client.buffer))
    whole = b"".join(behaviours.pattern(sent))
    assert whole.startswith(content) and ended.value.how == "fin"
    assert 0 <= sent - len(content) < 4096
    assert (len(content) == sent) == (end == "close")
    entry = kong.access_log.wait(1)[0]
    assert (entry.status, entry["response"]["content_size"], entry["truncated"]) == (200, len(content), True)
    assert len(kong.error_log.lines("[error]", " while reading upstream")) == 1
    wait_spool_empty(kong)


def test_end_of_a_target_that_had_to_wait_loses_nothing(lab):
    """There is no file: the client holds the target up, which then ends too early."""
    sent = LARGE + 100

    def behave(connection, request):
        connection.send(head("HTTP/1.1 200 OK", [("Content-Length", str(LARGE * 2))]))
        for block in behaviours.pattern(sent):
            connection.send(block)
        connection.end_cleanly()
        raise Ended("fin")

    kong = lab.kong(lab.origin(deadline_s=120).on("/", behave), conf=ONE_WORKER | {"nginx_http_proxy_max_temp_file_size": "0"})
    client, answer = slow_client(lab, kong)
    started = time.monotonic()
    wait_until(lambda: time.monotonic() - started > 0.5, "longer than a client may take to be slow")
    count = 0
    with pytest.raises(Ended) as ended:
        for piece in client.content_pieces(answer):
            count += len(piece)
    assert (count + len(client.buffer), ended.value.how) == (sent, "fin")


def test_metrics_and_story_tell_of_it(lab):
    kong = lab.kong(lab.origin().on("/", behaviours.stream(LARGE)), conf=ONE_WORKER | {"status_listen": "127.0.0.1:0"})
    client, answer = slow_client(lab, kong)
    kong.error_log.wait_for("an upstream response is buffered to a temporary file")
    read_rest(client, answer, LARGE)
    wait_entry(kong, "/")
    metrics = scrape(lab, kong)
    assert metrics.value("hopgate_responses_spooled_total") == 1
    assert 0 < metrics.value("hopgate_response_spooled_bytes_total") <= LARGE
    story = verb(kong, "why", "--last").out
    assert "the client takes it more slowly than the target sends: " in story and " bytes wait in a file" in story
    assert "the target has sent all, its connection is free" in story


def test_client_that_takes_nothing_at_all_is_given_up(lab):
    origin = lab.origin().on("/", behaviours.stream(LARGE))
    kong = lab.kong(origin, conf=ONE_WORKER | {"nginx_http_send_timeout": "3s"})
    slow_client(lab, kong)
    assert wait_entry(kong, "/").reason == "CLIENT_SEND_TIMEOUT"
    wait_spool_empty(kong)


def test_time_that_a_client_takes_is_not_its_target_s(lab):
    """The read timeout counts what the target is waited for; a file that waits for its client is no such wait."""
    origin = lab.origin().on("/", behaviours.stream(LARGE))
    kong = lab.kong(origin, conf=ONE_WORKER, read_timeout=3000)
    client, answer = slow_client(lab, kong)
    wait_until(passing(lab, kong, origin), "the target's connection to serve another client")
    started = time.monotonic()
    wait_until(lambda: time.monotonic() - started > 3.5, "longer than the read timeout")
    read_rest(client, answer, LARGE)
    assert wait_entry(kong, "/").reason == "OK"


def test_head_that_waits_for_content_is_not_a_client_that_takes_nothing(lab):
    gate = threading.Event()

    def behave(connection, request):
        connection.send(head("HTTP/1.1 200 OK", [("Content-Length", "2")]))
        connection.origin.wait_for(gate)
        connection.send(b"ok")

    kong = lab.kong(lab.origin().on("/", behave), conf=ONE_WORKER | {"nginx_http_send_timeout": "100ms"})
    client = lab.client(kong)
    client.send(client.request_bytes("GET", "/"))
    started = time.monotonic()
    wait_until(lambda: time.monotonic() - started > 1, "much longer than the send timeout")
    gate.set()
    assert client.read_response().content == b"ok"


# ---- messages


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_responses_without_content(lab, method, status):
    origin = lab.origin().on("/", behaviours.raw(f"HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n".encode() if status != 204
                                                 else b"HTTP/1.1 204 X\r\n\r\n"))
    client = lab.client(lab.kong(origin))
    for _ in range(2):
        client.send(client.request_bytes(method, "/"))
        answer = client.read_response(method)
        assert (answer.status, answer.content) == (status, b"")
    assert len(origin.connections) == 1


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_old_client_gets_all_and_then_the_end(lab, framing):
    origin = lab.origin().on("/", behaviours.stream(LARGE, framing))
    kong = lab.kong(origin, conf=ONE_WORKER)
    client, answer = slow_client(lab, kong, version="1.0")
    kong.error_log.wait_for("an upstream response is buffered to a temporary file")
    assert answer.fields.get("Transfer-Encoding") is None
    read_rest(client, answer, LARGE)


def stays_silent(client):
    """No byte comes in a while: a hop that is wrong is found out, one that is right never."""
    return client.buffer in (b"", b"\r\n") and not select.select([client.sock], [], [], 0.3)[0]


def test_part_filled_buffer_waits_and_a_full_one_goes_on(lab):
    """The client sees what fills a buffer of 4096 bytes, the head included; and all when all is there."""
    gate = threading.Event()
    opening = head("HTTP/1.1 200 OK", [("Content-Length", "10000")])

    def behave(connection, request):
        connection.send(opening + b"a" * (4096 - len(opening) + 10))
        connection.origin.wait_for(gate)
        connection.send(b"b" * (10000 - 4096 + len(opening) - 10))

    client = lab.client(lab.kong(lab.origin().on("/", behave)))
    client.send(client.request_bytes("GET", "/"))
    client.read_head()
    assert set(client.read_exact(4096 - len(opening))) == {ord("a")}
    assert stays_silent(client)
    gate.set()
    assert client.read_exact(10000 - 4096 + len(opening))[:11] == b"a" * 10 + b"b"


def test_complete_chunk_goes_on_at_once_and_a_part_of_one_waits(lab):
    gate, last = threading.Event(), threading.Event()

    def behave(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        connection.origin.wait_for(gate)
        connection.send(b"5\r\nworld\r\n")
        connection.origin.wait_for(last)
        connection.send(b"64\r\n" + b"x" * 10)
        wait_until_received(connection)
        connection.send(b"y" * 10)
        wait_until_received(connection)
        connection.wait_for_end()
        raise Ended("done")

    client = lab.client(lab.kong(lab.origin().on("/", behave)))
    client.send(client.request_bytes("GET", "/"))
    pieces = client.content_pieces(client.read_head())
    assert next(pieces) == b"hello"
    gate.set()
    assert next(pieces) == b"world"
    last.set()
    assert next(pieces) == b"x" * 10, "the beginning of a chunk needs three bytes"
    assert stays_silent(client)
    client.close()


# ---- many, and meanwhile


@pytest.mark.serial
def test_memory_of_many_slow_readers_is_bounded(lab):
    """Two hundred who take nothing of a megabyte each."""
    count, size = 200, MB
    origin = lab.origin(deadline_s=120).on("/", behaviours.stream(size))
    kong = lab.hop(service_to(origin), conf=ONE_WORKER, env=NO_QUARANTINE)
    assert lab.client(kong).get("/").status == 200
    before = kong.memory_bytes("VmHWM")
    readers = [slow_client(lab, kong) for _ in range(count)]
    wait_until(lambda: sum(connection.sent for connection in origin.connections) >= (count + 1) * size,
               "the hop to take all responses", deadline_s=60)
    per_client = (kong.memory_bytes("VmHWM") - before) / count
    assert per_client < 400_000, f"{per_client:.0f} bytes for each"
    for client, answer in readers:
        read_rest(client, answer, size)
        client.close()
    wait_spool_empty(kong)


@pytest.mark.parametrize("what", ["reload", "drain", "upgrade"])
def test_download_goes_on_through(lab, what):
    origin = lab.origin().on("/", behaviours.stream(LARGE))
    kong = lab.kong(origin, conf=ONE_WORKER | {"hopgate_shutdown_timeout": "60s"})
    client, answer = slow_client(lab, kong)
    kong.error_log.wait_for("an upstream response is buffered to a temporary file")
    if what == "upgrade":
        upgrade(kong)
        assert lab.client(kong).get("/other").status == 200
    else:
        kong.signal(signal.SIGHUP if what == "reload" else signal.SIGQUIT)
    read_rest(client, answer, LARGE)
    if what == "drain":
        assert kong.wait_exit() == 0


def test_tunnel_is_no_response(lab):
    """What follows a 101 is neither held nor stored."""
    def behave(connection, request):
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello")
        assert connection.read_exact(3) == b"bye"
        connection.end_cleanly()
        raise Ended("fin")

    client = lab.client(lab.kong(lab.origin().on("/", behave)))
    client.send(client.request_bytes("GET", "/", [("Connection", "Upgrade"), ("Upgrade", "websocket")]))
    assert client.read_head().status == 101
    assert client.read_exact(5) == b"hello"
    client.send(b"bye")
    assert client.read_to_end() == (b"", "fin")


def test_whole_answer_outlives_the_body_that_nobody_waits_for_any_more(lab):
    """The target answers before the request is complete; what the store holds is the client's, however slow."""
    size = 3_000_000
    origin = lab.origin().on("/", lambda connection, _: connection.send(
        head("HTTP/1.1 200 OK", [("Content-Length", str(size))]) + bytes(size)))
    kong = lab.kong(origin, route={"request_buffering": False},
                    conf=ONE_WORKER | {"nginx_http_client_body_timeout": "1s"})
    client = lab.client(kong)
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc")
    pace(2.5)  # longer than the timeout; the slowness of the client is what is tested
    assert len(client.read_response().content) == size
