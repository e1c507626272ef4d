"""What a TLS listener offers and refuses, seen with openssl s_client and curl."""
import re
import socket
import ssl

import pytest

from lab import behaviours
from lab.client import run
from lab.lab import merge, service_to


@pytest.fixture
def start(lab):
    def started(persona="kong", declarative=None, **conf):
        return lab.hop(merge(service_to(lab.origin(content=b"served")), declarative or {}), persona=persona, tls=True,
                       conf=conf)

    return started


def s_client(lab, hop, *arguments, text_in="", name="edge.test"):
    host, port = hop.https
    sni = ["-servername", name] if name else ["-noservername"]
    return run("openssl", "s_client", "-connect", f"{host}:{port}", "-CAfile", lab.pki.root, *sni, *arguments,
               text_in=text_in)


def is_connected(done):
    return "Cipher is (NONE)" not in done.out


# names


@pytest.mark.parametrize("persona, name, alert", [
    ("edge", "unknown.test", True), ("edge", "edge.test", False), ("edge", None, False), ("edge", "other.test", False),
    ("edge", "127.0.0.1", False), ("edge", "127.0.0.2", True), ("edge", "edge.test.", True), ("edge", "*.test", True),
    ("kong", "unknown.test", False), ("f5", "unknown.test", False), ("kong", None, False),
])
@pytest.mark.rules("f5 client.unknown_sni")
def test_unknown_name_is_refused_by_edge_and_served_by_kong(lab, start, persona, name, alert):
    """Names of the default certificate are known without being listed."""
    hop = start(persona, {"certificates": [lab.pki.certificate("other", "other.test")]})
    done = s_client(lab, hop, name=name)
    assert ("unrecognized name" in done.err) == alert
    assert is_connected(done) != alert


def test_missing_name_is_refused_when_asked(lab, start):
    hop = start(hopgate_missing_sni="refuse")
    assert "unrecognized name" in s_client(lab, hop, name=None).err
    assert is_connected(s_client(lab, hop, name="unknown.test"))


# certificates


def test_every_key_type_has_its_certificate(lab, start):
    pki = lab.pki
    ed_key, ed_pem = pki.directory / "ed.key", pki.directory / "ed.pem"
    run("openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=ed.test", "-days", "9", "-keyout",
        ed_key, "-out", ed_pem)
    hop = start(ssl_cert=f"{pki.chain('edge')}, {pki.chain('rsa')}, {ed_pem}",
                ssl_cert_key=f"{pki.key('edge')}, {pki.key('rsa')}, {ed_key}")
    for algorithm, subject in (("ECDSA+SHA256", "edge.test"), ("RSA-PSS+SHA256", "rsa.test"), ("ed25519", "ed.test")):
        done = s_client(lab, hop, "-sigalgs", algorithm)
        assert f"subject=CN = {subject}" in done.out, (algorithm, done.err)


def test_two_certificates_of_one_key_type_are_refused(lab):
    pki = lab.pki
    hop = lab.make_hop(service_to(lab.refusing_port()), tls=True,
                       conf={"ssl_cert": f"{pki.chain('edge')}, {pki.chain('other')}",
                             "ssl_cert_key": f"{pki.key('edge')}, {pki.key('other')}"}).spawn()
    assert hop.wait_exit() == 78
    assert "another certificate with this type of key" in hop.stderr()
    lab.expect_bad_end.add(hop)


def test_shuffled_file_is_sent_in_order_without_root_and_with_a_warning(lab, start):
    pki = lab.pki
    shuffled = lab.directory / "shuffled.pem"
    shuffled.write_text(pki.root.read_text() + pki.intermediate.read_text() + pki.leaf("edge").read_text())
    hop = start(ssl_cert=shuffled, ssl_cert_key=pki.key("edge"))
    done = s_client(lab, hop, "-showcerts", "-verify_return_error")
    assert re.findall(r"^ *\d s:CN = (.*)$", done.out, re.M) == ["edge.test", "hopgate throw-away intermediate"]
    assert "is in the wrong order; it is sent in the right one" in hop.stderr()


# versions, ciphers, curves


@pytest.mark.parametrize("suite, accepted, refused", [
    ("modern", ["-tls1_3"], ["-tls1_2"]),
    ("intermediate", ["-tls1_3", "-tls1_2"], ["-tls1_1", "-tls1"]),
    ("old", ["-tls1_3", "-tls1_2"], ["-tls1_1", "-tls1"]),
    ("fips", ["-tls1_3", "-tls1_2"], ["-tls1_1"]),
])
def test_cipher_suite_decides_the_versions(lab, start, suite, accepted, refused):
    hop = start(ssl_cipher_suite=suite)
    for flag in accepted:
        assert is_connected(s_client(lab, hop, flag)), flag
    for flag in refused:
        done = s_client(lab, hop, flag, "-cipher", "ALL:@SECLEVEL=0")
        assert not is_connected(done) and "alert protocol version" in done.err, (flag, done.err)


@pytest.mark.parametrize("suite, cipher, accepted", [
    ("intermediate", "ECDHE-ECDSA-CHACHA20-POLY1305", True), ("intermediate", "ECDHE-ECDSA-AES128-SHA", False),
    ("old", "ECDHE-ECDSA-AES128-SHA", True), ("fips", "ECDHE-ECDSA-AES256-GCM-SHA384", True),
    ("fips", "ECDHE-ECDSA-CHACHA20-POLY1305", False),
])
def test_cipher_suite_decides_the_ciphers(lab, start, suite, cipher, accepted):
    done = s_client(lab, start(ssl_cipher_suite=suite), "-tls1_2", "-cipher", cipher)
    assert is_connected(done) == accepted
    assert accepted or "handshake failure" in done.err


@pytest.mark.parametrize("persona", ["kong", "edge"])
def test_suites_without_forward_secrecy_or_aead_are_refused(lab, start, persona):
    """RFC 9325 4.1 and 4.2; asked for as a client would that knows nothing better."""
    hop = start(persona)
    for cipher in ("AES128-GCM-SHA256", "AES256-SHA", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-CCM", "aNULL", "eNULL"):
        done = s_client(lab, hop, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
        assert not is_connected(done) and "alert handshake failure" in done.err, (cipher, done.err)
    done = s_client(lab, hop, "-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256")
    assert not is_connected(done) and "alert handshake failure" in done.err


def test_client_chooses_among_the_three_suites_of_tls_1_3(lab, start):
    """And among those of TLS 1.2: who has no AES in hardware wants ChaCha20."""
    hop = start("edge")
    suites = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
    for first in suites:
        order = ":".join([first, *(suite for suite in suites if suite != first)])
        assert f"Cipher is {first}" in s_client(lab, hop, "-tls1_3", "-ciphersuites", order).out
    order = "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256"
    assert "Cipher is ECDHE-ECDSA-CHACHA20-POLY1305" in s_client(lab, hop, "-tls1_2", "-cipher", order).out


def test_fips_has_no_chacha_in_tls_1_3(lab, start):
    done = s_client(lab, start(ssl_cipher_suite="fips"), "-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256")
    assert not is_connected(done)


TWO = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"


@pytest.mark.parametrize("prefer, used", [("on", "ECDHE-ECDSA-AES256-GCM-SHA384"),
                                          ("off", "ECDHE-ECDSA-AES128-GCM-SHA256")])
def test_custom_suite_with_or_without_our_preference(lab, start, prefer, used):
    hop = start(ssl_cipher_suite="custom", ssl_ciphers=TWO, ssl_protocols="TLSv1.2", ssl_prefer_server_ciphers=prefer)
    done = s_client(lab, hop, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
    assert f"Cipher is {used}" in done.out
    assert not is_connected(s_client(lab, hop, "-tls1_3"))


@pytest.mark.parametrize("curves, accepted, refused", [(None, "X25519", "secp521r1"), ("secp384r1", "secp384r1", "X25519")])
def test_curves(lab, start, curves, accepted, refused):
    hop = start(nginx_http_ssl_ecdh_curve=curves)
    assert is_connected(s_client(lab, hop, "-curves", accepted))
    assert not is_connected(s_client(lab, hop, "-curves", refused))


def test_curve_that_openssl_does_not_know_is_an_error(lab):
    hop = lab.make_hop(service_to(lab.refusing_port()), tls=True, conf={"nginx_http_ssl_ecdh_curve": "nonsense"}).spawn()
    assert hop.wait_exit() == 78
    assert 'OpenSSL knows no such curves: "nonsense"' in hop.stderr()
    lab.expect_bad_end.add(hop)


# what is refused always


@pytest.mark.parametrize("offered, chosen", [("h2,http/1.1", "http/1.1"), ("http/1.0", "http/1.0"), ("h2", None),
                                             ("ftp", None), ("imap", None)])
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_alpn_without_overlap_is_refused(lab, start, offered, chosen, version):
    hop = start()
    done = s_client(lab, hop, version, "-alpn", offered)
    if chosen:
        assert f"ALPN protocol: {chosen}" in done.out
    else:
        assert "no application protocol" in done.err and not is_connected(done)
        hop.error_log.wait_for("while SSL handshaking")


def test_renegotiation_is_refused_and_said_to_be_secure(lab, start):
    host, port = start().https
    done = run("openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_2", "-servername", "edge.test",
               text_in="R\n")
    assert "Secure Renegotiation IS supported" in done.out
    assert "no renegotiation" in done.err, done.err


def test_no_compression_and_no_early_data(lab, start):
    hop = start()
    assert "Compression: NONE" in s_client(lab, hop, "-tls1_2", "-comp").out
    done = s_client(lab, hop, "-tls1_3", "-ign_eof", text_in="GET / HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n")
    assert "Max Early Data: 0" in done.out


def test_early_data_is_refused_and_the_request_is_not_run_twice(lab, start, tmp_path):
    """A client that tries 0-RTT is answered after the handshake, once."""
    hop = start()
    session, early = tmp_path / "session", tmp_path / "early"
    request = "GET /early HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n"
    early.write_text(request)
    s_client(lab, hop, "-tls1_3", "-ign_eof", "-sess_out", session, text_in=request.replace("/early", "/first"))
    done = s_client(lab, hop, "-tls1_3", "-ign_eof", "-sess_in", session, "-early_data", early, text_in=request)
    assert "Early data was accepted" not in done.out
    assert [request.target for request in lab.origins[0].requests].count("/early") <= 1


def test_fallback_scsv_is_honoured(lab, start):
    done = s_client(lab, start(), "-tls1_2", "-fallback_scsv")
    assert "inappropriate fallback" in done.err


# records


def record_lengths(hop, lab, path, size):
    """Payload lengths of application records as they come over the wire, of one response."""
    context = lab.pki.client_context(ssl.TLSVersion.TLSv1_3)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="edge.test")
    wire, got = b"", b""
    with socket.create_connection(hop.https, timeout=20) as sock:
        def pump(step, *arguments):
            nonlocal wire
            while True:
                try:
                    return step(*arguments)
                except ssl.SSLWantReadError:
                    pass
                finally:
                    sock.sendall(outgoing.read())
                data = sock.recv(65536)
                assert data
                incoming.write(data)
                wire += data
        pump(tls.do_handshake)
        start_at = len(wire)
        pump(tls.write, f"GET {path} HTTP/1.1\r\nHost: edge.test\r\n\r\n".encode())
        while len(got.partition(b"\r\n\r\n")[2]) < size:
            got += pump(tls.read, 65536)
    return split_records(wire[start_at:])


def split_records(data):
    lengths = []
    while len(data) >= 5:
        length = int.from_bytes(data[3:5], "big")
        if data[0] == 23:
            lengths.append(length)
        data = data[5 + length:]
    return lengths


def test_records_are_small_first_and_large_in_bulk(lab, start):
    """The first 64 KiB can be read before much has come; what follows costs few records."""
    hop = start()
    size = 2_000_000
    lab.origins[0].on("/big", behaviours.stream(size))
    lengths = record_lengths(hop, lab, "/big", size)
    first = [length for length, before in zip(lengths, running(lengths)) if before < 48 * 1024]
    later = [length for length, before in zip(lengths, running(lengths)) if before > 128 * 1024][:-1]
    assert max(first[1:]) <= 4096 + 64, first
    assert sum(later) / len(later) > 12_000


def running(lengths):
    total = 0
    for length in lengths:
        yield total
        total += length
