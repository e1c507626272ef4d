"""TLS termination, with real clients: versions, chain, server names, resumption, and bytes one at a time."""
import pathlib
import signal
import socket
import ssl

import pytest

from lab import behaviours
from lab.client import curl, run
from lab.lab import merge, service_to
from lab.wait import DEADLINE_S, wait_until

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture
def hop(lab):
    """Default certificate: edge.test; by name: other.test, *.wild.test, rsa.test."""
    certificates = [lab.pki.certificate("other", "other.test"), lab.pki.certificate("wild", "*.wild.test"),
                    lab.pki.certificate("rsa", "rsa.test")]
    return lab.hop(merge(service_to(lab.origin(content=b"secret")), {"certificates": certificates}), persona="edge",
                   tls=True, conf={"hopgate_unknown_sni": "default"})


def s_client(lab, hop, *arguments, text_in="Q\n"):
    host, port = hop.https
    return run("openssl", "s_client", "-connect", f"{host}:{port}", "-CAfile", lab.pki.root, *arguments, text_in=text_in)


@pytest.mark.parametrize("flag, version", [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_openssl_verifies_the_full_chain(lab, hop, flag, version):
    done = s_client(lab, hop, flag, "-servername", "edge.test", "-verify_hostname", "edge.test", "-verify_return_error")
    assert done.code == 0, done.err
    assert "Verify return code: 0 (ok)" in done.out
    assert version in done.out
    assert done.out.count(" s:CN = ") == 2, "leaf and intermediate, not the root"


@pytest.mark.parametrize("flag", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(lab, hop, flag):
    done = s_client(lab, hop, flag, "-cipher", "ALL:@SECLEVEL=0")
    assert done.code != 0
    assert "Cipher is (NONE)" in done.out and "alert protocol version" in done.err


@pytest.mark.parametrize("name, certificate", [
    ("edge.test", "edge.test"), ("other.test", "other.test"), ("a.wild.test", "*.wild.test"), ("rsa.test", "rsa.test"),
    ("OTHER.test", "other.test"), ("a.b.wild.test", "edge.test"), ("unknown.test", "edge.test"), (None, "edge.test"),
])
@pytest.mark.parametrize("flag", ["-tls1_2", "-tls1_3"])
def test_server_name_chooses_the_certificate(lab, hop, name, certificate, flag):
    sni = ["-servername", name] if name else ["-noservername"]
    done = s_client(lab, hop, flag, *sni)
    assert f"subject=CN = {certificate}" in done.out


@pytest.mark.parametrize("version", VERSIONS)
def test_second_connection_resumes_the_session(lab, hop, version):
    context = lab.pki.client_context(VERSIONS[version])
    first = lab.client(hop, tls=context)
    assert first.get("/").content == b"secret"  # TLS 1.3 tickets come with the first data
    session = first.sock.session
    assert not first.sock.session_reused
    sock = context.wrap_socket(socket.create_connection(hop.https), server_hostname="edge.test", session=session)
    with sock:
        assert sock.session_reused


@pytest.mark.parametrize("version", VERSIONS)
def test_openssl_reconnects_with_resumption(lab, hop, version, tmp_path):
    flag = "-tls" + version.replace(".", "_")
    session = tmp_path / "session"
    request = "GET / HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n"
    first = s_client(lab, hop, flag, "-sess_out", session, "-ign_eof", "-quiet", text_in=request)
    assert "secret" in first.out
    second = s_client(lab, hop, flag, "-sess_in", session)
    assert "Reused, TLSv" in second.out


@pytest.mark.parametrize("flag", ["--tlsv1.2", "--tlsv1.3"])
def test_curl_gets_content_over(lab, hop, flag):
    host, port = hop.https
    done = curl(f"https://edge.test:{port}/", flag, "--tls-max", flag[-3:], "--cacert", lab.pki.root, "--resolve",
                f"edge.test:{port}:{host}")
    assert (done.code, done.out) == (0, "secret"), done.err


class SlowTls:
    """A TLS client over memory buffers that sends its bytes one at a time."""

    def __init__(self, lab, hop, version):
        self.wire = lab.client(hop.https)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = lab.pki.client_context(version).wrap_bio(self.incoming, self.outgoing, server_hostname="edge.test")

    def run(self, step, *arguments):
        while True:
            try:
                result = step(*arguments)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                self.incoming.write(self.wire.receive(deadline_s=DEADLINE_S))

    def flush(self):
        for byte in self.outgoing.read():
            self.wire.send(bytes([byte]))


@pytest.mark.parametrize("version", VERSIONS)
def test_handshake_and_request_one_byte_at_a_time(lab, hop, version):
    client = SlowTls(lab, hop, VERSIONS[version])
    client.run(client.tls.do_handshake)
    client.run(client.tls.write, b"GET / HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n")
    answer = b""
    while piece := client.run(client.tls.read, 65536):
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"secret")


class HastyTls(SlowTls):
    """Sends its last handshake message together with what follows it."""

    def shake_hands(self):
        """Up to that last message, which stays here."""
        while True:
            try:
                self.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                self.wire.send(self.outgoing.read())
                self.incoming.write(self.wire.receive(deadline_s=DEADLINE_S))

    def send_and_reset(self, hop, pieces):
        """The hop sleeps meanwhile: it finds the reset when it sends its session tickets."""
        hop.signal(signal.SIGSTOP)
        wait_until(lambda: "(stopped)" in pathlib.Path(f"/proc/{hop.pid_of_binary()}/status").read_text(), "the stop")
        for piece in pieces:
            self.tls.write(piece)
        self.wire.send(self.outgoing.read())
        self.wire.reset()
        hop.signal(signal.SIGCONT)


@pytest.mark.parametrize("pieces", [1, 2])
def test_client_that_resets_before_its_session_tickets_is_gone_at_once(lab, pieces):
    """What it has sent is still read, in the turn in which the send fails: no request may begin that cannot end."""
    edge = lab.edge(lab.origin(content=b"x" * 6000), tls=True, conf={"nginx_worker_processes": "1"})
    start = edge.fd_count()
    head = b"GET / HTTP/1.1\r\nHost: edge.test\r\nCookie: " + b"c" * 6000 + b"\r\n\r\n"  # more than one receive
    more = b"GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n"  # waits here, and so nothing is read meanwhile
    for _ in range(5):
        client = HastyTls(lab, edge, VERSIONS["1.3"])
        client.shake_hands()
        client.send_and_reset(edge, [head + more] if pieces == 1 else [head[:30], head[30:] + more])
    assert lab.client(edge, tls=True).get("/").status == 200
    lab.clients[-1].close()
    for connection in lab.origins[0].connections:
        connection.drop()
    edge.wait_fd_count(start)


@pytest.mark.parametrize("version", VERSIONS)
def test_two_requests_in_one_record_get_two_answers(lab, hop, version):
    """P34: the second request is already decrypted when the first is answered; no packet announces it."""
    client = lab.client(hop, tls=lab.pki.client_context(VERSIONS[version]))
    client.send(client.request_bytes("GET", "/1") + client.request_bytes("GET", "/2"))
    assert [client.read_response().content for _ in range(2)] == [b"secret"] * 2


@pytest.mark.parametrize("version", VERSIONS)
def test_large_content_both_ways(lab, hop, version):
    size = 5_000_000
    lab.origins[0].on("/up", behaviours.swallow()).on("/down", behaviours.stream(size))
    client = lab.client(hop, tls=lab.pki.client_context(VERSIONS[version]))
    content = b"".join(behaviours.pattern(size))
    assert client.post("/up", content).text == f"{size} {behaviours.pattern_sum(size)}"
    assert client.get("/down").content == content


def test_plain_http_on_the_tls_port_is_told_so(lab, hop):
    client = lab.client(hop.https)
    client.send(b"GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n")
    assert client.read_response().status == 400
    client.read_to_end()


def test_failed_handshake_is_logged_with_both_addresses(lab, hop):
    client = lab.client(hop.https)
    client.send(b"\x16\x03\x01\x00\x05hello")
    client.read_to_end()
    (line,) = hop.error_log.wait_for("while SSL handshaking, client: 127.0.0.1")
    assert line.endswith("server: {}:{}".format(*hop.https)), line


def test_missing_intermediate_is_a_warning_that_names_the_issuer(lab):
    declarative = merge(service_to(lab.origin(content=b"x")),
                        {"certificates": [lab.pki.certificate("other", "other.test", chain=False)]})
    hop = lab.hop(declarative, persona="edge", tls=True)
    said = hop.stderr() + hop.error_log.text()
    warnings = [line for line in said.splitlines() if "hopgate throw-away intermediate" in line]
    assert warnings and "warn" in warnings[0].lower(), said
    assert "other.test" in warnings[0] or "certificates[0]" in warnings[0]
    done = s_client(lab, hop, "-servername", "other.test")
    assert "unable to verify the first certificate" in done.out + done.err


def test_certificate_that_does_not_cover_its_sni_is_a_warning(lab):
    certificate = {**lab.pki.certificate("other", "other.test"), "snis": [{"name": "shop.test"}]}
    hop = lab.hop(merge(service_to(lab.origin()), {"certificates": [certificate]}), persona="edge", tls=True)
    (warning,) = [line for line in hop.stderr().splitlines() if "shop.test" in line]
    assert "warning" in warning and "certificates[0]" in warning


def test_complete_chains_give_no_warning(lab, hop):
    said = hop.stderr() + hop.error_log.text()
    assert "intermediate" not in said


# upstream side


@pytest.fixture
def https_origin(lab):
    return lab.origin(tls=lab.pki.server_context("origin"), content=b"from tls")


def test_https_upstream_without_verification(lab, https_origin):
    assert lab.client(lab.edge(https_origin, protocol="https")).get("/").content == b"from tls"


@pytest.mark.parametrize("trusted", [True, False])
def test_https_upstream_is_verified_when_asked(lab, https_origin, trusted):
    """The name checked is the one the service has; 127.0.0.1 stands in the certificate."""
    ca_id = "5f0c2f5e-7f52-4f38-9d6c-0f8d9a3f1b11"
    ca = lab.pki.root.read_text() if trusted else other_root(lab)
    declarative = service_to(https_origin, protocol="https", tls_verify=True, ca_certificates=[ca_id])
    hop = lab.hop(merge(declarative, {"ca_certificates": [{"id": ca_id, "cert": ca}]}), persona="kong")
    answer = lab.client(hop).get("/")
    if trusted:
        assert answer.content == b"from tls"
    else:
        assert answer.status == 502
        hop.error_log.wait_for("upstream SSL certificate verify error: (")


def other_root(lab):
    made = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
               "/dev/null", "-subj", "/CN=another root", "-days", "2")
    return made.out


def test_plain_origin_behind_an_https_service_is_502(lab):
    origin = lab.origin()
    hop = lab.kong(origin, protocol="https", connect_timeout=2000)
    assert lab.client(hop).get("/").status in (502, 504)
    hop.error_log.wait_for("while SSL handshaking to upstream")
