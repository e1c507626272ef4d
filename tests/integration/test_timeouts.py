"""Each timer alone: when it runs, what ends it, what the client gets and what the log says."""
import threading

import pytest

from lab import behaviours
from lab.client import Truncated
from lab.wait import wait_until
from lab.wire import Ended, Stopwatch

SHORT_MS = 300
STALL_MS = 3000  # for what must not time out although the machine stops for a second or two
TIMED_OUT = "upstream timed out (110: Connection timed out)"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


def within(watch, milliseconds):
    """The timer fired, and no other: those that nobody set take a minute (a busy machine may add seconds)."""
    return milliseconds / 1000 * 0.95 <= watch.seconds < milliseconds / 1000 + 20


def test_connect_timeout_gives_504(lab):
    kong = lab.kong(lab.black_hole(), connect_timeout=SHORT_MS)
    watch = Stopwatch()
    assert lab.client(kong).get("/").status == 504
    assert within(watch, SHORT_MS)
    kong.error_log.wait_for(f"{TIMED_OUT} while connecting to upstream")


def test_read_timeout_before_the_head_gives_504(lab):
    origin = lab.origin().on("/", behaviours.hang())
    kong = lab.kong(origin, read_timeout=SHORT_MS)
    watch = Stopwatch()
    assert lab.client(kong).get("/").status == 504
    assert within(watch, SHORT_MS)
    kong.error_log.wait_for(f"{TIMED_OUT} while reading response header from upstream")
    assert kong.access_log.last().status == 504


def test_head_that_trickles_does_not_extend_the_read_timeout(lab):
    """One deadline from the request sent to the head complete, as nginx and Kong have it."""
    long_head = HEAD[:-2] + b"X-Long: " + b"x" * 200 + b"\r\n\r\n"  # for 25 s: no stall of the hop lets it come whole
    origin = lab.origin().on("/", behaviours.trickle(long_head, gap_s=0.1))
    kong = lab.kong(origin, read_timeout=SHORT_MS)
    watch = Stopwatch()
    assert lab.client(kong).get("/").status == 504
    assert within(watch, SHORT_MS)


@pytest.mark.rules("f5 upstream.head_timer")
def test_head_that_trickles_extends_it_where_the_persona_says_so(lab):
    """Each gap counts for itself: `head_timer` of persona f5."""
    origin = lab.origin().on("/", lambda connection, request: (
        behaviours.trickle(HEAD, gap_s=0.5, size=5)(connection, request), connection.send(b"0123456789")))
    watch = Stopwatch()
    assert lab.client(lab.f5(origin, read_timeout=3000)).get("/").content == b"0123456789"
    assert watch.seconds > 3


def test_content_that_trickles_faster_than_the_timeout_passes(lab):
    origin = lab.origin().on("/slow", lambda connection, request: (connection.send(HEAD), behaviours.trickle(
        b"0123456789", gap_s=0.35)(connection, request)))
    kong = lab.kong(origin, read_timeout=STALL_MS)  # each gap may be a second and more longer than it should
    watch = Stopwatch()
    assert lab.client(kong).get("/slow").content == b"0123456789"
    assert watch.seconds > STALL_MS / 1000


def test_content_that_stalls_is_cut_and_logged(lab):
    origin = lab.origin().on("/", behaviours.raw(HEAD + b"01234", then="hang"))
    kong = lab.kong(origin, read_timeout=STALL_MS)  # the head must come within it
    watch = Stopwatch()
    with pytest.raises((Truncated, Ended)):
        lab.client(kong).get("/")
    assert within(watch, STALL_MS)
    kong.error_log.wait_for(f"{TIMED_OUT} while reading upstream")


def test_write_timeout_when_the_origin_does_not_read(lab):
    origin = lab.origin(receive_buffer_bytes=4096, on_connect=lambda connection, _: connection.origin.wait_for(NEVER))
    kong = lab.kong(origin, write_timeout=SHORT_MS)
    content = bytes(16 * 1024 * 1024)
    client = lab.client(kong)
    client.send_what_is_taken(client.request_bytes("POST", "/", content=content))
    assert client.read_response().status == 504
    kong.error_log.wait_for(f"{TIMED_OUT} while sending request to upstream")


def test_client_that_leaves_while_a_target_does_not_answer_the_connect(lab):
    kong = lab.kong(lab.black_hole(), connect_timeout=60_000)
    before = kong.fd_count()
    client = lab.client(kong)
    client.send(client.request_bytes("GET", "/"))
    wait_until(lambda: kong.fd_count() >= before + 2, "the connect to begin")
    client.close()
    entry = kong.access_log.last()
    assert (entry.status, entry.reason) == (499, "CLIENT_ABORTED")
    kong.wait_fd_count(before)


def test_slow_second_try_is_not_the_fault_of_an_uploading_client(lab):
    """While no target takes content, the client's timer for its content does not run."""
    first = lab.origin().on("/", behaviours.close())
    edge = lab.edge(first, lab.black_hole(), retries=1, connect_timeout=STALL_MS + 1000,
                    conf={"nginx_http_client_body_timeout": f"{STALL_MS}ms", "nginx_worker_processes": "1"})
    clients = [lab.client(edge), lab.client(edge)]
    for client in clients:  # round robin: one of the two begins with the origin
        client.send(client.request_bytes("PUT", "/", [("Content-Length", "10")]) + b"12345")
    for client in clients:
        assert client.read_response().status in (502, 504)
    outcomes = [entry.tries for entry in edge.access_log.wait(2)]
    assert ["UPSTREAM_HEAD_CLOSED", "CONNECT_TIMEOUT"] in outcomes


def early(*steps):
    """Answers at once, whatever of the request is still to come, and reads none of it."""
    def behave(connection, request):
        request.content_read = True
        for step in steps:
            step(connection, request)
    return behave


def uploading(lab, origin, **service):
    """A client that has got its answer's head, and uploads more than the target takes."""
    edge = lab.edge(origin, **service)
    client = lab.client(edge)
    client.send(client.request_bytes("POST", "/", [("Content-Length", str(64 * 1024 * 1024))]))
    answer = client.read_head()

    def upload():
        try:
            client.sock.sendall(bytes(64 * 1024 * 1024))
        except OSError:
            pass  # nobody took all of it

    threading.Thread(target=upload, daemon=True).start()
    return edge, client, answer


def test_target_that_neither_reads_nor_sends_its_content_does_not_take_the_request(lab):
    origin = lab.origin(receive_buffer_bytes=4096).on("/", early(
        lambda connection, _: connection.send(HEAD + b"01234"),
        lambda connection, _: connection.origin.wait_for(NEVER)))
    edge, client, answer = uploading(lab, origin, write_timeout=SHORT_MS, read_timeout=60_000)
    assert answer.status == 200
    client.read_to_end()
    edge.error_log.wait_for(f"{TIMED_OUT} while sending request to upstream")
    assert edge.access_log.last().reason == "UPSTREAM_SEND_TIMEOUT"


def test_target_that_answers_and_reads_nothing_more_may_go_on_answering(lab):
    origin = lab.origin(receive_buffer_bytes=4096)
    origin.on("/", early(lambda connection, _: connection.send(HEAD),
                         behaviours.trickle(b"0123456789", gap_s=SHORT_MS / 1000)))
    edge, client, _ = uploading(lab, origin, write_timeout=9 * SHORT_MS)
    assert client.read_exact(10) == b"0123456789"
    assert edge.error_log.lines("timed out") == []


def test_target_that_does_not_read_while_its_client_does_not_is_not_timed_out(lab):
    """It waits for us to take its answer, and we for the client: that is back-pressure."""
    size = 64 * 1024 * 1024
    origin = lab.origin(receive_buffer_bytes=4096)
    origin.on("/", early(lambda connection, request: behaviours.stream(size)(connection, Unread(request))))
    edge, client, answer = uploading(lab, origin, write_timeout=2000)
    behaviours.pace(2.5)  # the client does not read for longer than that
    assert sum(len(piece) for piece in client.content_pieces(answer)) == size
    assert edge.error_log.lines("timed out") == []


class Unread:
    """A request whose content the behaviour is not to read."""

    def __init__(self, request):
        self.request = request

    def read_content(self):
        pass

    def __getattr__(self, name):
        return getattr(self.request, name)


class NEVER:
    """A gate that only the end of the origin opens."""

    @staticmethod
    def is_set():
        return False


@pytest.mark.parametrize("persona", ["kong", "edge"])
def test_client_that_sends_no_whole_head_in_time(lab, persona):
    """Kong closes without a word (nginx does), the edge says 408; both log 408."""
    hop = getattr(lab, persona)(lab.origin(), conf={"nginx_http_client_header_timeout": f"{STALL_MS}ms"})
    client = lab.client(hop)
    client.send(b"GET / HTTP/1.1\r\nHo")
    if persona == "edge":
        assert client.read_response().status == 408
    assert client.wait_for_end() in ("fin", "reset")
    assert hop.access_log.last().status == 408


def test_client_that_sends_nothing_is_closed_without_an_answer(lab):
    edge = lab.edge(lab.origin(), conf={"nginx_http_client_header_timeout": "1s"})
    assert lab.client(edge).wait_for_end() == "fin"
    assert edge.access_log.text() == ""


def test_client_that_stops_sending_its_content(lab):
    origin = lab.origin()
    edge = lab.edge(origin, conf={"nginx_http_client_body_timeout": "1s"})
    client = lab.client(edge)
    client.send(client.request_bytes("POST", "/", [("Content-Length", "10")]) + b"12345")
    assert client.read_response().status == 408
    client.read_to_end()
    assert edge.access_log.last().status == 408
    assert edge.access_log.last()["reason"] == "CLIENT_BODY_TIMEOUT"
    assert not any(request.content_read for request in origin.requests)


def test_slow_reading_client_is_no_timeout_of_the_origin(lab):
    """A timer runs only while its operation is armed: pausing for the client is not the origin's fault."""
    size = 32 * 1024 * 1024
    origin = lab.origin().on("/", behaviours.stream(size))
    kong = lab.kong(origin, read_timeout=STALL_MS)
    client = lab.client(kong)
    client.send(client.request_bytes("GET", "/"))
    client.read_head()
    behaviours.pace(1.2 * STALL_MS / 1000)  # the client does not read for longer than a read timeout
    received = len(client.buffer)
    client.buffer.clear()
    while received < size:
        received += len(client.receive())
    assert received == size
    assert kong.error_log.lines("timed out") == []


def test_origin_that_takes_long_but_not_too_long(lab):
    origin = lab.origin().on("/", lambda connection, request: (
        behaviours.pace(SHORT_MS / 1000), behaviours.answer(b"late")(connection, request)))
    kong = lab.kong(origin, read_timeout=STALL_MS)
    assert lab.client(kong).get("/").content == b"late"
    assert kong.access_log.last().status == 200
    assert kong.error_log.lines("timed out") == []
