"""A fast side never fills our memory for a slow one (P14): both directions, plain and TLS."""
import threading
import zlib

import pytest

from lab import behaviours
from lab.lab import service_to
from lab.wait import wait_until

SIZES = {"fast": 50_000_000, "default": 200_000_000, "full": 10_000_000_000}
# the kernel's own buffers on two connections (tcp_rmem and tcp_wmem maxima) and ours; far below any size above
IN_FLIGHT_MAX_BYTES = 90_000_000
GROWTH_MAX_BYTES = 24_000_000
SMALL_SOCKET_BYTES = 65536
# freed memory that AddressSanitizer holds back would look like growth
NO_QUARANTINE = {"ASAN_OPTIONS": "detect_leaks=1:exitcode=97:quarantine_size_mb=1:thread_local_quarantine_size_kb=64"}


@pytest.fixture
def size(tier):
    return SIZES[tier]


def start(lab, origin, tls):
    # an upstream over TLS as well, so that both directions pass both layers
    options = {"protocol": "https"} if tls else {}
    conf = {"nginx_worker_processes": "1"}
    return lab.hop(service_to(origin, read_timeout=600_000, write_timeout=600_000, **options), persona="edge", tls=tls,
                   conf=conf, env=NO_QUARANTINE)


def make_origin(lab, tls):
    return lab.origin(tls=lab.pki.server_context() if tls else None, deadline_s=300, receive_buffer_bytes=SMALL_SOCKET_BYTES)


def warm_up(lab, hop, tls):
    """Pools and pages that any traffic needs are not growth."""
    client = lab.client(hop, tls=tls)
    lab.origins[0].on("/warm-up", behaviours.swallow()).on("/warm-down", behaviours.stream(20_000_000))
    client.post("/warm-up", bytes(20_000_000))
    client.get("/warm-down")
    return hop.memory_bytes()


def stops_moving(read_count):
    """Waits until a counter stood still for a while: the flow is blocked."""
    state = {"last": -1, "same": 0}

    def check():
        now = read_count()
        state["same"] = state["same"] + 1 if now == state["last"] else 0
        state["last"] = now
        return state["same"] >= 60

    wait_until(check, "the flow to stop", deadline_s=60)
    return read_count()


@pytest.mark.serial
@pytest.mark.parametrize("tls", [False, True])
def test_download_waits_for_a_client_that_does_not_read(lab, size, tls):
    origin = make_origin(lab, tls).on("/", behaviours.stream(size))
    hop = start(lab, origin, tls)
    before = warm_up(lab, hop, tls)
    client = lab.client(hop, tls=tls, deadline_s=300)
    client.send(client.request_bytes("GET", "/"))
    answer = client.read_head()

    stuck_at = stops_moving(lambda: sum(connection.sent for connection in origin.connections))
    assert stuck_at - 20_000_000 < min(IN_FLIGHT_MAX_BYTES, size), "the hop took everything from the origin"
    assert hop.memory_bytes() - before < GROWTH_MAX_BYTES

    crc, count = 0, 0
    for piece in client.content_pieces(answer):
        crc, count = zlib.crc32(piece, crc), count + len(piece)
    assert count == size
    assert crc == behaviours.pattern_sum(size)
    assert hop.memory_bytes("VmHWM") - before < GROWTH_MAX_BYTES


@pytest.mark.serial
@pytest.mark.parametrize("tls", [False, True])
def test_upload_waits_for_an_origin_that_does_not_read(lab, size, tls):
    gate = threading.Event()
    origin = make_origin(lab, tls).on("/", behaviours.swallow(gate))
    hop = start(lab, origin, tls)
    before = warm_up(lab, hop, tls)
    client = lab.client(hop, tls=tls, deadline_s=300)
    progress = {"sent": 0}

    def upload():
        client.send(client.request_bytes("POST", "/", [("Content-Length", str(size))]))
        for block in behaviours.pattern(size):
            client.send(block)
            progress["sent"] += len(block)

    sender = threading.Thread(target=upload, daemon=True)
    sender.start()
    origin.wait_for_requests(3)
    stuck_at = stops_moving(lambda: progress["sent"])
    assert stuck_at < min(IN_FLIGHT_MAX_BYTES, size), "the hop took everything from the client"
    assert hop.memory_bytes() - before < GROWTH_MAX_BYTES

    gate.set()
    sender.join(1200)
    assert client.read_response().text == f"{size} {behaviours.pattern_sum(size)}"
    assert hop.memory_bytes("VmHWM") - before < GROWTH_MAX_BYTES


@pytest.mark.serial
@pytest.mark.slow
def test_many_clients_that_do_not_read_at_once(lab):
    """A hundred stuck downloads: each may hold its named buffers, not more; then all finish (P5)."""
    size, count = 12_000_000, 100
    origin = make_origin(lab, False).on("/", behaviours.stream(size))
    hop = start(lab, origin, False)
    before = warm_up(lab, hop, False)
    clients = [lab.client(hop, deadline_s=120) for _ in range(count)]
    for client in clients:
        client.send(client.request_bytes("GET", "/"))
    stops_moving(lambda: sum(connection.sent for connection in origin.connections))
    per_client = (hop.memory_bytes() - before) / count
    assert per_client < 1_000_000, f"{per_client:.0f} bytes for each stuck client"
    assert lab.client(hop).post("/warm-up", b"still served").status == 200
    expected = behaviours.pattern_sum(size)
    for client in clients:
        answer = client.read_head()
        crc = 0
        for piece in client.content_pieces(answer):
            crc = zlib.crc32(piece, crc)
        assert crc == expected
        client.close()


@pytest.mark.serial
@pytest.mark.parametrize("tls", [False, True])
def test_client_that_reads_in_small_sips_gets_everything(lab, tls):
    size = 3_000_000
    origin = make_origin(lab, tls).on("/", behaviours.stream(size, "chunked"))
    client = lab.client(start(lab, origin, tls), tls=tls)
    client.send(client.request_bytes("GET", "/"))
    client.receive_default, client.receive = client.receive, lambda *_: client.receive_default(1024)
    answer = client.read_response()
    assert (len(answer.content), zlib.crc32(answer.content)) == (size, behaviours.pattern_sum(size))
