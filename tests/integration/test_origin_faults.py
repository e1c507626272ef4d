"""Each fault of the library puts on the wire what the measurement's script says: bytes, ends, silence."""
import random
import socket
import ssl

import pytest

from lab import fault_script
from lab.fault_script import Player
from lab.origin_process import OriginProcess
from lab.wait import wait_until
from lab.wire import Ended

FAULTS = fault_script.load()
NO_LISTENER = ("refused", "unreachable", "none")
CONNECTING = [name for name, fault in FAULTS.items() if fault["listen"] == "tcp"]
TLS = [name for name, fault in FAULTS.items() if fault["listen"] == "tls"]
CLIENTS = [name for name in CONNECTING if isinstance(FAULTS[name].get("client"), list)]
SERVER_NAME = "shelf.test"
SCALE = 10


@pytest.fixture(scope="module")
def pki(binary, tmp_path_factory):
    from lab.client import run
    folder = tmp_path_factory.mktemp("pki") / "lab"
    assert run(binary, "lab", "pki", folder).code == 0
    return folder


@pytest.fixture(scope="module")
def origin(binary, pki, tmp_path_factory):
    """One process with a listener for each fault, and one that is good."""
    listens = [word for name in FAULTS for word in ("--listen", f"127.0.0.1:0,name={name},fault={name}")]
    process = OriginProcess(binary, tmp_path_factory.mktemp("origin"), "--listen", "127.0.0.1:0,name=good", *listens,
                            "--time-scale", SCALE, "--pki", pki)
    yield process
    assert not process.stop()


class Reset:
    """A socket whose reset has come before connect could return."""

    def recv(self, _):
        raise ConnectionResetError

    def settimeout(self, _):
        pass

    def close(self):
        pass


def connect(origin, name):
    try:
        return connect_well(origin, name)
    except ConnectionResetError:
        return Reset()


def connect_well(origin, name):
    sock = origin.connect(name)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    return sock


@pytest.mark.parametrize("name", CONNECTING)
def test_a_connection_sees_the_steps_of_its_fault(origin, name):
    hits = origin.hits()["faults"].get(name, 0)
    for number, steps in enumerate(FAULTS[name]["origin"], 1):
        player = Player(connect(origin, name))
        player.play(steps)
        player.close()
        wait_until(lambda: origin.hits()["faults"].get(name, 0) == hits + number, "the hit to be counted")


@pytest.mark.parametrize("name", CONNECTING)
def test_a_request_chooses_the_same_fault_by_its_path(origin, name):
    if name.startswith("stale_"):
        origin.told("POST", "/reset")  # which of its connections is next is counted
    path = f"/fault/{name}"
    for steps in FAULTS[name]["origin"]:
        player = Player(connect(origin, "good"), path, f"GET {path} HTTP/1.1\r\nHost: edge.test\r\n\r\n".encode())
        player.play(steps)
        player.close()


@pytest.mark.parametrize("name", CLIENTS)
def test_the_client_of_the_measurement_is_answered(origin, name):
    """Whatever a hop lets through: a head is a head when an empty line ends it."""
    words = FAULTS[name]["client"]
    received, how = fault_script.play_client(connect(origin, name), words)
    text = "".join(word for word in words if word not in ("FIN", "CLOSE", "RST") and not word.startswith("SLEEP"))
    has_head = "\r\n\r\n" in text.lstrip("\r\n") or "\n\n" in text
    is_whole = has_head and name not in ("c_stall_body", "c_fin_mid_body")
    if how is not None:
        assert received.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\norigin-a") == is_whole, received
    assert how in (None, "fin")


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault["listen"] in NO_LISTENER])
def test_nobody_listens(origin, name):
    with pytest.raises(ConnectionRefusedError):
        origin.connect(name)


def test_a_black_hole_answers_no_syn(origin):
    with pytest.raises(TimeoutError):
        origin.connect("connect_blackhole", deadline_s=0.5)


# ---- TLS ---------------------------------------------------------------------------------------

CERTIFICATE_PROBLEMS = {"selfsigned": "self-signed", "expired": "expired", "wrongname": "mismatch"}


def client_context(pki, verify=True, certificate=None):
    context = ssl.create_default_context(cafile=pki / "ca.pem")
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end without close_notify is to be seen
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(pki / certificate / "chain.pem", pki / certificate / "key.pem")
    return context


def secure(origin, name, context):
    return context.wrap_socket(connect(origin, name), server_hostname=SERVER_NAME, suppress_ragged_eofs=False)


@pytest.mark.parametrize("name", TLS)
def test_a_tls_connection_sees_the_steps_of_its_fault(origin, pki, name):
    certificate = "client-good" if FAULTS[name]["cert"].startswith("mtls") else None
    for steps in FAULTS[name]["origin"]:
        player = Player(secure(origin, name, client_context(pki, verify=False, certificate=certificate)))
        player.play(steps)
        player.close()


@pytest.mark.parametrize("name", TLS)
def test_the_certificate_is_as_bad_as_the_fault_says(origin, pki, name):
    kind = FAULTS[name]["cert"]
    certificate = "client-good" if kind.startswith("mtls") else None
    if kind not in CERTIFICATE_PROBLEMS:
        version = secure(origin, name, client_context(pki, certificate=certificate)).version()
        assert version == ("TLSv1.2" if kind == "mtls12" else "TLSv1.3")
        return
    with pytest.raises(ssl.SSLCertVerificationError, match=CERTIFICATE_PROBLEMS[kind]):
        secure(origin, name, client_context(pki))


@pytest.mark.parametrize("name", ["tls_mtls_required", "tls_mtls_required_12"])
def test_a_client_without_certificate_gets_an_alert(origin, pki, name):
    with pytest.raises(ssl.SSLError, match="(?i)certificate.required|handshake.failure"):
        sock = secure(origin, name, client_context(pki))
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        sock.recv(1)


def test_plain_http_on_a_tls_port_gets_an_end(origin):
    player = Player(connect(origin, "tls_server_on_http"))
    player.send(player.request())
    with pytest.raises(Ended):
        while True:
            player.fill()


# ---- beyond the measurement --------------------------------------------------------------------


def test_the_library_has_every_fault_that_was_measured_in_its_order(origin):
    names = [fault["name"] for fault in origin.told("GET", "/library")["faults"]]
    assert names[:len(FAULTS)] == list(FAULTS) and len(FAULTS) == 231


def play_on_good(origin, name, steps):
    player = Player(connect(origin, "good"), f"/fault/{name}", b"")
    player.send(player.request())
    player.unread = 1
    player.play(steps)
    player.close()


@pytest.mark.parametrize("name, beginning", [
    ("head_endless", b"HTTP/1.1 200 OK\r\nX-More: a\r\nX-More: a\r\n"),
    ("content_endless", b"HTTP/1.1 200 OK\r\n\r\n000000000000000\n000000000000010\n"),
    ("chunk_endless", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8;aaa"),
    ("trailer_endless", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\norigin-a\r\n0\r\nX-More: a\r\nX-More"),
    ("i100_endless", b"HTTP/1.1 100 Continue\r\n\r\n" * 3),
])
def test_what_has_no_end_goes_on_until_the_client_leaves(origin, name, beginning):
    player = Player(connect(origin, "good"), f"/fault/{name}")
    player.send(player.request())
    assert player.read_exact(len(beginning)) == beginning
    for _ in player.read_pieces(3_000_000):
        pass
    player.reset()


def test_a_big_answer_is_whole_and_the_connection_goes_on(origin):
    player = Player(connect(origin, "good"), "/fault/content_100m")
    for _ in range(2):
        player.send(player.request())
        assert player.read_until(b"\r\n\r\n") == b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
        read = sum(len(piece) for piece in player.read_pieces(100_000_000 - 16))
        assert read == 100_000_000 - 16
        assert player.read_exact(16) == b"%015x\n" % (100_000_000 - 16)
    player.close()


def test_an_idle_connection_is_closed_at_the_first_byte_of_the_next_request(origin):
    origin.told("POST", "/reset")
    play_on_good(origin, "stale_close_first_byte", [["serve", "warm"], ["read_some", 1], ["close"]])
    play_on_good(origin, "stale_close_first_byte", [["serve", "fresh"]] * 5)


# ---- a real hop in between ---------------------------------------------------------------------

BEHIND_A_HOP = {  # fault -> what the client of a hop sees: its status, or how the answer breaks off
    "ok": 200, "ok_chunked": 200, "ok_close_delimited": 200, "ok_conn_close": 200, "status_403": 403, "status_503": 503,
    "close_after_request": 502, "rst_after_request": 502, "close_mid_status": 502, "close_mid_headers": 502,
    "rst_mid_headers": 502, "garbage_text": 502, "ssh_banner": 502, "dup_cl_diff": 502, "cl_text": 502,
    "chunk_trailer": 200, "i103_once": 200, "no_answer": 504, "stall_mid_headers": 504, "slow_first_byte": 200,
    "hdr_nul_in_value": 502, "close_mid_body_cl": "cut", "rst_mid_body_cl": "cut", "close_mid_chunk": "cut",
}


def seen_by_client(lab, hop, name):
    from lab.client import Truncated
    try:
        return lab.client(hop).get(f"/fault/{name}", [("X-Hopgate-Case", name)]).status
    except (Truncated, Ended):
        return "cut"


def test_a_hop_in_front_makes_of_a_fault_what_it_should(lab, origin):
    """A sample, the same each time; timeouts that must fire are short, and nothing else can happen first."""
    slow = {name for name, outcome in BEHIND_A_HOP.items() if outcome == 504}
    quick = lab.edge(origin.addresses["good"], retries=0)
    impatient = lab.edge(origin.addresses["good"], retries=0, read_timeout=200)
    names = random.Random(4).sample(sorted(set(BEHIND_A_HOP) - slow), 14) + sorted(slow)
    for name in names:
        hits = origin.hits()["faults"].get(name, 0)
        assert seen_by_client(lab, impatient if name in slow else quick, name) == BEHIND_A_HOP[name], name
        # who waits for an answer may be answered before the origin has read the request
        wait_until(lambda name=name, hits=hits: origin.hits()["faults"].get(name, 0) > hits, "the hit to be counted")
        after = origin.hits()
        tries = after["faults"][name] - hits  # a kept connection that fails costs the hop a second try
        assert tries in (1, 2) and after["cases"][name] == tries, (name, after)
