"""Request content that is stored before a target is asked."""
import hashlib
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import threading

import pytest

from lab import behaviours
from lab.lab import service_to
from lab.wait import DEADLINE_S, wait_until
from lab.wire import Ended, chunked

ONE_WORKER = {"nginx_worker_processes": "1"}
TINY_DISK = pathlib.Path(__file__).parent / "lab" / "tiny_disk.py"
MB = 1 << 20


def upload(client, size, framing="length", method="PUT", fields=()):
    """Sends `size` bytes of the pattern."""
    fields = [*fields, ("Content-Length", str(size)) if framing == "length" else ("Transfer-Encoding", "chunked")]
    client.send(client.request_bytes(method, "/", fields))
    for block in behaviours.pattern(size):
        client.send(block if framing == "length" else behaviours.chunk_line(block))
    if framing == "chunked":
        client.send(b"0\r\n\r\n")


def sum_of(size):
    return f"{size} {behaviours.pattern_sum(size)}"


def spool_files(hop):
    """Open spool files: they have no name, so the descriptors are what shows them."""
    return [line for line in hop.fds() if "/spool/" in line]


def wait_spool_empty(hop):
    wait_until(lambda: not spool_files(hop), lambda: f"the spool to be empty: {spool_files(hop)}")
    assert list((hop.prefix / "spool").iterdir()) == []


def next_request_is_fine(lab, hop):
    assert lab.client(hop).post("/next", b"abc").status == 200
    assert hop.is_alive()


def after_all_content(connection, request):
    request.read_content()
    behaviours.finish(connection, "close")


# ---- what goes upstream


@pytest.mark.parametrize("pieces", [(), (b"x",), (b"hello", b"world"), (b"a" * 8192,), (b"a" * 8193,), (b"b" * 7,) * 9000])
def test_kong_sends_chunked_content_on_with_its_length(lab, pieces):
    origin = lab.origin()
    client = lab.client(lab.kong(origin))
    fields = [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")]
    client.send(client.request_bytes("POST", "/", fields) + chunked(*pieces, trailers=[("X-Sum", "1")]))
    assert client.read_response().status == 200
    (request,) = origin.requests
    assert request.content == b"".join(pieces)
    assert request.fields.all("Content-Length") == [str(len(request.content))]
    assert request.fields.get("Transfer-Encoding") is None and request.trailers == []


def test_request_without_content_stays_without(lab):
    origin = lab.origin()
    kong = lab.kong(origin)
    assert lab.client(kong).get("/").status == 200
    assert lab.client(kong).post("/", b"").status == 200
    get, post = origin.requests
    assert get.fields.get("Content-Length") is None
    assert post.fields.all("Content-Length") == ["0"]


@pytest.mark.parametrize("persona, route", [("edge", {}), ("f5", {}), ("kong", {"request_buffering": False}),
                                            ("edge", {"request_buffering": True})])
@pytest.mark.rules("f5 content.request")
def test_streamed_content_reaches_the_origin_while_it_is_sent(lab, persona, route):
    origin = lab.origin().on("/", behaviours.swallow())
    hop = getattr(lab, persona)(origin, route=route)
    client = lab.client(hop)
    client.send(client.request_bytes("POST", "/", [("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\n")
    request = origin.wait_for_requests(1)[0]
    wait_until(lambda: b"hello" in request.connection.received_all, "the first chunk at the origin")
    assert request.fields.get("Transfer-Encoding") == "chunked"
    client.send(b"0\r\n\r\n")
    assert client.read_response().status == 200
    assert spool_files(hop) == []


@pytest.mark.parametrize("size", [100, 100_000])
def test_kong_asks_no_target_before_the_content_is_complete(lab, size):
    """The same connection's earlier bytes are known to be processed, because the hop has counted them."""
    origin = lab.origin().on("/", behaviours.swallow())
    kong = lab.kong(origin, conf=ONE_WORKER)
    client = lab.client(kong)
    client.send(client.request_bytes("PUT", "/", [("Content-Length", str(size)), ("Expect", "100-continue")]))
    assert client.read_head().status == 100, "the content is wanted before the target is asked"
    content = b"".join(behaviours.pattern(size))
    client.send(content[:-1])
    for _ in range(20):  # turns of the hop's only worker, after that content
        assert lab.client(kong).get("/elsewhere").status == 200
    assert "/" not in origin.targets()
    client.send(content[-1:])
    assert client.read_response().text == sum_of(size)


@pytest.mark.parametrize("body", [b"5\r\nhelloX\r\n0\r\n\r\n", b"zz\r\n", b"5\r\nhello\r\n-1\r\n"])
def test_malformed_chunked_content_never_reaches_the_origin(lab, body):
    origin = lab.origin()
    client = lab.client(lab.kong(origin))
    client.send(client.request_bytes("POST", "/", [("Transfer-Encoding", "chunked")]) + b"3\r\nabc\r\n" + body)
    assert client.read_response().status == 400
    assert origin.connections == []


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_content_over_the_limit_is_413_and_reaches_nobody(lab, framing):
    origin = lab.origin()
    kong = lab.kong(origin, conf={"nginx_http_client_max_body_size": "64k"})
    client = lab.client(kong)
    threading.Thread(target=lambda: swallow_errors(lambda: upload(client, MB, framing)), daemon=True).start()
    assert client.read_response().status == 413
    assert origin.connections == []
    wait_spool_empty(kong)
    size = f"large body: {MB} bytes" if framing == "length" else "large chunked body: 0+262144 bytes"
    kong.error_log.wait_for("[error]", f"client intended to send too {size}")


def swallow_errors(function):
    try:
        function()
    except OSError:
        pass  # the hop has stopped reading, as it should


# ---- the file


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_large_upload_goes_through_a_file_and_not_through_memory(lab, framing):
    size = 50 * MB
    digest = hashlib.md5()

    def sum_up(connection, request):
        for piece in request.content_pieces():
            digest.update(piece)
        request.content_read = True
        behaviours.answer(b"ok")(connection, request)

    want = hashlib.md5()
    for block in behaviours.pattern(size):
        want.update(block)
    origin = lab.origin().on("/", sum_up)
    kong = lab.kong(origin, conf=ONE_WORKER)
    client = lab.client(kong)
    assert client.post("/", b"warm").status == 200
    digest = hashlib.md5()
    before = kong.memory_bytes("VmHWM")
    descriptors = kong.fd_count()
    upload(client, size, framing)
    assert client.read_response().content == b"ok"
    assert digest.hexdigest() == want.hexdigest()
    assert kong.memory_bytes("VmHWM") - before < 16 * MB
    (line,) = kong.error_log.wait_for("[warn]", "a client request body is buffered to a temporary file")
    assert f"{kong.prefix}/client_body_temp/0000000001, client: 127.0.0.1" in line and "upstream" not in line
    wait_spool_empty(kong)
    kong.wait_fd_count(descriptors)


def test_content_within_the_buffer_never_touches_the_disk(lab):
    origin = lab.origin()
    kong = lab.kong(origin, conf={"nginx_http_client_body_buffer_size": "1m"})
    client = lab.client(kong)
    for size in (0, 1, 8193, 100_000, MB):
        upload(client, size)
        assert client.read_response().status == 200
    assert kong.error_log.lines("temporary file") == []
    upload(client, MB + 1)
    assert client.read_response().status == 200
    kong.error_log.wait_for("temporary file")


def test_slow_target_holds_nothing_in_memory(lab):
    """The file is not read while the target's queue is high."""
    gate, size = threading.Event(), 40 * MB
    origin = lab.origin(receive_buffer_bytes=4096).on("/", behaviours.swallow(gate))
    kong = lab.kong(origin, conf=ONE_WORKER)
    client = lab.client(kong)
    before = kong.memory_bytes("VmHWM")
    upload(client, size)
    origin.wait_for_requests(1)
    gate.set()
    assert client.read_response().text == sum_of(size)
    assert kong.memory_bytes("VmHWM") - before < 16 * MB
    wait_spool_empty(kong)


def test_file_left_by_a_killed_process_is_removed_at_start(lab):
    kong = lab.make_hop(service_to(lab.origin()))
    spool = kong.prefix / "spool"
    spool.mkdir(parents=True)
    (spool / "0000000007").write_bytes(b"x" * 1000)
    (spool / "notes.txt").write_text("mine")
    kong.start()
    assert [entry.name for entry in spool.iterdir()] == ["notes.txt"]
    assert spool.stat().st_mode & 0o777 == 0o755, "what was there keeps its mode"


def test_killed_hop_leaves_no_file(lab):
    gate = threading.Event()
    origin = lab.origin().on("/", behaviours.after(gate, behaviours.swallow()))
    kong = lab.make_hop(service_to(origin)).start()
    lab.expect_bad_end.add(kong)
    client = lab.client(kong)
    upload(client, MB)
    origin.wait_for_requests(1)
    assert spool_files(kong)
    kong.kill()
    gate.set()
    again = lab.make_hop(service_to(lab.origin()), name="again", conf={"prefix": str(kong.prefix)}).start()
    assert list((kong.prefix / "spool").iterdir()) == []
    assert (kong.prefix / "spool").stat().st_mode & 0o777 == 0o700
    assert lab.client(again).post("/", b"x" * 100_000).status == 200


# ---- tries


def test_retry_replays_all_stored_content(lab):
    """The first target dies after all of it; the second gets all of it again."""
    size = 3 * MB
    bad, good = lab.origin().on("/", after_all_content), lab.origin().on("/", behaviours.swallow())
    kong = lab.kong(bad, good, retries=1, conf=ONE_WORKER)
    client = lab.client(kong)
    for _ in range(2):  # one of them at least begins with the bad one
        upload(client, size)
        assert client.read_response().text == sum_of(size)
    assert bad.requests and {len(request.content) for request in bad.requests} == {size}
    wait_spool_empty(kong)


def test_retry_replays_after_a_target_died_in_the_middle(lab):
    size = 3 * MB

    def die_early(connection, request):
        connection.read_exact(1000)
        connection.reset()
        raise Ended("reset")

    bad, good = lab.origin().on("/", die_early), lab.origin().on("/", behaviours.swallow())
    kong = lab.kong(bad, good, retries=1, conf=ONE_WORKER)
    client = lab.client(kong)
    for _ in range(2):
        upload(client, size, "chunked")
        assert client.read_response().text == sum_of(size)
    assert bad.requests
    assert 2 in [len(entry.tries) for entry in kong.access_log.wait(2)]


def test_streamed_content_that_is_gone_is_not_tried_again(lab):
    bad = lab.origin().on("/", after_all_content)
    edge = lab.edge(bad, retries=3)
    client = lab.client(edge)
    upload(client, 200_000)
    assert client.read_response().status == 502
    assert len(bad.requests) == 1


def test_stored_post_is_sent_once_all_the_same(lab):
    bad = lab.origin().on("/", after_all_content)
    kong = lab.kong(bad, retries=3)
    client = lab.client(kong)
    upload(client, 200_000, method="POST")
    assert client.read_response().status == 502
    assert len(bad.requests) == 1


def test_early_answer_while_the_file_is_sent_reaches_the_client(lab):
    """The target answers and stops reading; the client has sent everything and may go on."""
    def refuse(connection, request):
        connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        connection.end_cleanly()
        connection.wait_for_end()
        raise Ended("fin")

    origin = lab.origin().on("/", refuse)
    kong = lab.kong(origin)
    client = lab.client(kong)
    upload(client, 20 * MB)
    response = client.read_response()
    assert (response.status, response.content) == (403, b"no")
    assert client.get("/next").status == 200
    wait_spool_empty(kong)


def test_file_is_gone_once_an_answer_has_begun(lab):
    """Nothing will be sent again: a long download must not hold the disk."""
    gate = threading.Event()

    def answer_slowly(connection, request):
        request.read_content()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        connection.origin.wait_for(gate)
        connection.send(b"k")

    origin = lab.origin().on("/", answer_slowly)
    kong = lab.kong(origin, route={"response_buffering": False})  # its head goes out at once
    client = lab.client(kong)
    upload(client, MB)
    assert client.read_head().status == 200
    wait_spool_empty(kong)
    gate.set()
    assert client.read_exact(2) == b"ok"


# ---- ends


@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_that_leaves_while_its_content_is_stored(lab, how):
    origin = lab.origin()
    kong = lab.kong(origin)
    descriptors = kong.fd_count()
    client = lab.client(kong)
    client.send(client.request_bytes("PUT", "/", [("Content-Length", str(10 * MB))]) + b"x" * MB)
    kong.error_log.wait_for("temporary file")
    client.reset() if how == "reset" else client.close()
    entry = kong.access_log.last()
    assert (entry.status, entry.reason, entry.tries) == (400, "CLIENT_ABORTED", [])  # nginx: NGX_HTTP_BAD_REQUEST
    kong.wait_fd_count(descriptors)
    wait_spool_empty(kong)
    next_request_is_fine(lab, kong)


def test_slow_client_is_timed_out_while_its_content_is_stored(lab):
    origin = lab.origin()
    kong = lab.kong(origin, conf={"nginx_http_client_body_timeout": "300ms"})
    client = lab.client(kong)
    client.send_what_is_taken(client.request_bytes("PUT", "/", [("Content-Length", str(10 * MB))]) + b"x" * MB)
    assert client.wait_for_end() in ("fin", "reset")
    assert kong.access_log.last().reason == "CLIENT_BODY_TIMEOUT"
    assert origin.connections == []
    wait_spool_empty(kong)


def test_drain_lets_a_stored_upload_end(lab):
    origin = lab.origin().on("/", behaviours.swallow())
    kong = lab.kong(origin)
    client = lab.client(kong)
    size = 2 * MB
    content = b"".join(behaviours.pattern(size))
    client.send(client.request_bytes("PUT", "/", [("Content-Length", str(size))]) + content[:MB])
    kong.error_log.wait_for("temporary file")
    kong.signal(signal.SIGTERM)
    kong.error_log.wait_for("draining")
    client.send(content[MB:])
    assert client.read_response().text == sum_of(size)
    assert kong.wait_exit() == 0


def test_drain_deadline_ends_a_stored_upload(lab):
    kong = lab.kong(lab.origin(), conf={"hopgate_shutdown_timeout": "300ms"})
    client = lab.client(kong)
    client.send(client.request_bytes("PUT", "/", [("Content-Length", str(10 * MB))]) + b"x" * MB)
    kong.error_log.wait_for("temporary file")
    kong.signal(signal.SIGTERM)
    assert kong.wait_exit() == 0
    assert list((kong.prefix / "spool").iterdir()) == []


# ---- the disk


def try_large_upload(lab, hop, size):
    client = lab.client(hop)
    sender = threading.Thread(target=lambda: swallow_errors(lambda: upload(client, size)), daemon=True)
    sender.start()
    answer = client.read_response()
    client.sock.shutdown(socket.SHUT_RDWR)  # else the hop lingers for the rest
    sender.join()
    return answer


def storing_edge(lab):
    """A persona like edge that stores."""
    path = lab.directory / "storing.json"
    path.write_text(json.dumps({"extends": "edge", "name": "storing",
                                "content": {"request": "store", "request_framing": "length", "buffer_bytes": 8192}}))
    return path


def tiny_disk_hop(lab, persona, tmp_path, origin):
    if subprocess.run([TINY_DISK, tmp_path, "1m"], capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here, even in a namespace")
    hop = lab.make_hop(service_to(origin), persona=persona, name="small")
    spool = hop.prefix / "spool"
    spool.mkdir(parents=True)
    hop.wrapper = [TINY_DISK, spool, "1m"]
    return hop.start()


@pytest.mark.parametrize("persona, status, says", [("kong", 500, b"An unexpected error occurred"),
                                                   ("storing", 503, b"this hop cannot store the request content")])
def test_full_disk_is_told_and_leaves_nothing_behind(lab, tmp_path, persona, status, says):
    origin = lab.origin()
    hop = tiny_disk_hop(lab, storing_edge(lab) if persona == "storing" else persona, tmp_path, origin)
    descriptors = hop.fd_count()
    for _ in range(3):
        answer = try_large_upload(lab, hop, 5 * MB)
        assert answer.status == status
        assert says in answer.content
    hop.error_log.wait_for("[crit]", f'pwrite() "{hop.prefix}/spool/0000000001" failed (28: No space left on device) '
                           "while reading client request body, client: 127.0.0.1")
    assert hop.access_log.last(3).reason == "SPOOL_FAILED"
    hop.wait_fd_count(descriptors)
    assert origin.connections == []
    assert lab.client(hop).post("/", b"y" * 700_000).status == 200, "the disk is free again"
    next_request_is_fine(lab, hop)


def test_file_size_limit_is_an_error_of_the_request_only(lab):
    """EFBIG: the limit's signal must not end the hop."""
    kong = lab.kong(lab.origin())
    resource.prlimit(kong.process.pid, resource.RLIMIT_FSIZE, (MB, MB))
    descriptors = kong.fd_count()
    assert try_large_upload(lab, kong, 5 * MB).status == 500
    kong.error_log.wait_for("[crit]", "pwrite()", "failed (27: File too large)")
    kong.wait_fd_count(descriptors)
    next_request_is_fine(lab, kong)


def test_spool_limit_is_503_and_is_for_all_workers_together(lab):
    gate = threading.Event()
    origin = lab.origin().on("/", behaviours.after(gate, behaviours.swallow()))
    kong = lab.kong(origin, conf={"hopgate_spool_max_size": "3m"})
    first = lab.client(kong)
    upload(first, 2 * MB)
    origin.wait_for_requests(1)
    for _ in range(4):  # whichever worker takes it
        answer = try_large_upload(lab, kong, 2 * MB)
        assert (answer.status, b"no room" in answer.content) == (503, True)
    kong.error_log.wait_for("hopgate_spool_max_size of 3145728 bytes is reached")
    gate.set()
    assert first.read_response().text == sum_of(2 * MB)
    wait_spool_empty(kong)
    last = lab.client(kong)
    upload(last, 3 * MB)  # every byte of the budget came back
    assert last.read_response().text == sum_of(3 * MB)


def test_spool_limit_follows_a_reload(lab):
    kong = lab.kong(lab.origin().on("/", behaviours.swallow()), conf={"hopgate_spool_max_size": "1m"})
    assert try_large_upload(lab, kong, 2 * MB).status == 503
    kong.conf_path.write_text(kong.conf_path.read_text().replace("spool_max_size = 1m", "spool_max_size = 4m"))
    kong.signal(signal.SIGHUP)
    kong.error_log.wait_for("configuration 2 is in force")
    assert try_large_upload(lab, kong, 2 * MB).text == sum_of(2 * MB)


def cut_spool_file(hop):
    """Somebody empties the file behind the hop's back: its reads fail from now on."""
    (line,) = spool_files(hop)
    os.truncate(f"/proc/{hop.pid_of_binary()}/fd/{line.split()[0]}", 0)


def test_file_that_cannot_be_read_is_500_and_not_a_short_upload(lab):
    gate, size = threading.Event(), 40 * MB
    origin = lab.origin(receive_buffer_bytes=4096).on("/", behaviours.swallow(gate))
    kong = lab.kong(origin)
    client = lab.client(kong)
    upload(client, size)
    (request,) = origin.wait_for_requests(1)
    cut_spool_file(kong)
    gate.set()
    assert client.read_response().status == 500
    kong.error_log.wait_for("[crit]", f'pread() "{kong.prefix}/spool/0000000001" failed (5: Input/output error) '
                            "while sending request to upstream")
    wait_until(lambda: request.connection.ended_by == "reset", "the target's connection to be reset")
    wait_spool_empty(kong)


def test_file_that_cannot_be_read_does_not_spoil_an_answer_that_has_begun(lab):
    gate, begun = threading.Event(), threading.Event()

    def answer_early(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        begun.set()
        connection.origin.wait_for(gate)
        while len(connection.buffer) < 100_000:  # the file is asked for more meanwhile
            connection.fill()
        connection.send(b"world")
        request.content_read = True
        connection.wait_for_end()
        raise Ended("done")

    origin = lab.origin(receive_buffer_bytes=4096).on("/", answer_early)
    kong = lab.kong(origin, route={"response_buffering": False})  # the head goes out at once
    client = lab.client(kong)
    upload(client, 40 * MB)
    head = client.read_head()
    assert begun.wait(DEADLINE_S) and client.read_exact(5) == b"hello"
    cut_spool_file(kong)
    gate.set()
    assert (head.status, client.read_exact(5)) == (200, b"world")
    wait_spool_empty(kong)
    assert kong.access_log.last().reason == "OK"


def test_spool_directory_that_is_gone_is_told(lab):
    kong = lab.kong(lab.origin())
    (kong.prefix / "spool").rmdir()
    assert try_large_upload(lab, kong, MB).status == 500
    kong.error_log.wait_for("[crit]", f'open() "{kong.prefix}/spool/0000000001" failed (2: No such file or directory)')
    (kong.prefix / "spool").mkdir()
    assert lab.client(kong).post("/", b"z" * MB).status == 200


def test_spool_that_cannot_be_made_is_told_at_start(lab):
    kong = lab.make_hop(service_to(lab.origin()))
    kong.prefix.mkdir(parents=True)
    (kong.prefix / "spool").write_text("a file")
    kong.spawn()
    lab.expect_bad_end.add(kong)
    assert kong.wait_exit() == 1
    assert f"cannot use {kong.prefix}/spool for the content of requests: Not a directory" in kong.stderr()
