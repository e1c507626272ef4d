"""`hopgate probe`: the verdict about any server, with real servers of all kinds on the other end."""
import contextlib
import hashlib
import json
import re
import socket
import ssl
import threading

import pytest

from lab.lab import merge, service_to
from lab.ports import BlackHole, RefusingPort
from lab.shelf import Shelf, openssl_server

FINE, BROKEN, USAGE = 0, 1, 64
NAME = "shelf.test"


@pytest.fixture(scope="module")
def shelf(binary, tmp_path_factory):
    return Shelf(binary, tmp_path_factory.mktemp("shelf"))


@pytest.fixture
def probe(hopgate, shelf):
    """probe(port, *options) -> (exit code, JSON); https://shelf.test/ at 127.0.0.1:port, trusting the shelf's root."""
    def call(port, *options, url=f"https://{NAME}/"):
        done = hopgate("probe", "--json", "--cacert", shelf.root, "--connect", f"127.0.0.1:{port}", *options, url)
        assert "Sanitizer" not in done.err, done.err
        report = json.loads(done.out)
        assert (done.code == FINE) == report["pass"]
        return done.code, report

    return call


@contextlib.contextmanager
def raw_server(answer):
    """Accepts; `answer(sock)` runs for each connection in a thread. Yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one(sock):
        with sock, contextlib.suppress(OSError):
            sock.settimeout(30)
            answer(sock)

    def serve():
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def until_head_ends(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            break
        data += more
    return data


def http_answer(data):
    """A server that reads a request and answers these bytes."""
    def answer(sock):
        until_head_ends(sock)
        sock.sendall(data)

    return answer


def kinds(report):
    return [problem["kind"] for problem in report["tls"]["problems"]]


# situation -> (verdict's kind, every problem, OpenSSL's number, text of the verdict)
EXPECTED = {
    "good": ("ok", [], 0, "status 200 over TLSv1.3; the certificate is trusted and valid for "),
    "good-rsa": ("ok", [], 0, "status 200"),
    "no-eku": ("ok", [], 0, "status 200"),
    "expired": ("expired", ["expired"], 10, 'certificate "CN=shelf.test" expired on 2'),
    "expired-intermediate": ("expired", ["expired"], 10, 'certificate "CN=Shelf Expired Intermediate" expired on 2'),
    "expiring": ("ok", ["expires-soon"], 0, "but see problems"),
    "not-yet-valid": ("not-yet-valid", ["not-yet-valid"], 9, "is not valid before 2"),
    "wrong-name": ("wrong-name", ["wrong-name"], 62, 'does not cover "shelf.test", only DNS:wrong.invalid'),
    "no-san": ("no-san", ["no-san"], 62, "has no subjectAltName"),
    "wrong-ca": ("unknown-issuer", ["unknown-issuer"], 20, 'its issuer "CN=Stranger Root" is neither in the chain'),
    "wrong-ca-with-root": ("untrusted-root", ["root-included", "untrusted-root"], 19, '"CN=Stranger Root" is not trusted'),
    "self-signed": ("self-signed", ["self-signed"], 18, "is self-signed"),
    "missing-intermediate": ("missing-intermediate", ["missing-intermediate"], 20,
                             '"CN=Shelf Intermediate" is missing from the chain; clients without it cannot verify; append '
                             "it to the file, it is offered at http://ca.shelf.invalid/intermediate.cer"),
    "missing-upper": ("unknown-issuer", ["unknown-issuer"], 20, 'its issuer "CN=Shelf Upper" is neither'),
    "renewed-intermediate": ("missing-intermediate", ["unrelated", "missing-intermediate"], 20,
                             "the certificate of that name in the chain has another key: replace it"),
    "shuffled": ("ok", ["wrong-order"], 0, "status 200"),
    "duplicate": ("ok", ["duplicate"], 0, "status 200"),
    "unrelated": ("ok", ["unrelated"], 0, "status 200"),
    "root-sent": ("ok", ["root-included"], 0, "status 200"),
    "cross-signed": ("unknown-issuer", ["unknown-issuer"], 20, 'its issuer "CN=Shelf Old Root" is neither'),
    "cross-signed-both": ("ok", [], 0, "status 200"),
    "cross-signed-twice": ("ok", [], 0, "status 200"),
    "wrong-key-usage": ("wrong-purpose", ["wrong-purpose"], 26, "its key usage has no digitalSignature"),
    "client-eku": ("wrong-purpose", ["wrong-purpose"], 26, "its extended key usage has no serverAuth"),
    "issuer-not-ca": ("issuer-not-ca", ["issuer-not-ca"], 79, "has issued another one but is no authority"),
    "revoked": ("revoked", ["revoked"], 0, "is revoked, says the stapled OCSP answer"),
    "ocsp-expired": ("ok", ["bad-staple"], 0, "status 200"),
    "must-staple": ("ok", [], 0, "status 200"),
    "weak-key": ("weak-key", ["weak-key"], 0, "has a weak key, RSA 1024"),
    "sha1": ("weak-signature", ["weak-signature"], 0, "is signed with sha1"),
    "path-length": ("path-length", ["path-length"], 25, '"CN=Shelf Short" has more authorities below it'),
    "deep": ("ok", [], 0, "status 200"),
    "name-constraint": ("name-constraint", ["name-constraint"], 47, "name constraints"),
    "huge": ("too-long", ["too-long"], 0, "the chain of 99 certificates has "),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_situation_has_its_verdict(shelf, probe, tmp_path, name):
    kind, problems, code, text = EXPECTED[name]
    staple = ["-status_file", shelf.path(name, "ocsp")] if shelf.situations[name].get("ocsp") else []
    with openssl_server(shelf, name, tmp_path, *staple) as port:
        exit_code, report = probe(port)
    assert text in report["verdict"]
    assert (exit_code, report["kind"], kinds(report)) == (FINE if kind == "ok" else BROKEN, kind, problems)
    assert report["tls"]["verify"]["code"] == code
    assert len(report["tls"]["chain"]) == len(shelf.certificates(name)), "the chain as sent, nothing left out"
    assert report["request_sent"] == (kind == "ok"), "nothing is sent to a server that is not trusted"


def test_every_server_situation_of_the_shelf_is_tried(shelf):
    files_only = {"leaf-last", "key-encrypted", "key-mismatch", "crl-expired", "crl-missing"}
    served = {name for name, row in shelf.situations.items() if row["role"] == "server"} - files_only
    assert served == set(EXPECTED)


def test_must_staple_without_a_staple_fails(shelf, probe, tmp_path):
    with openssl_server(shelf, "must-staple", tmp_path) as port:
        code, report = probe(port)
    assert (code, report["kind"]) == (BROKEN, "not-stapled")
    assert report["tls"]["staple"]["status"] == "none"


def test_staple_is_shown_with_its_dates(shelf, probe, tmp_path):
    with openssl_server(shelf, "good", tmp_path, "-status_file", shelf.path("good", "ocsp")) as port:
        _, report = probe(port)
    staple = report["tls"]["staple"]
    assert (staple["status"], staple["signed"]) == ("good", True)
    assert staple["this_update"] < staple["next_update"]


def test_staple_of_another_certificate_is_told(shelf, probe, tmp_path):
    with openssl_server(shelf, "good", tmp_path, "-status_file", shelf.path("revoked", "ocsp")) as port:
        _, report = probe(port)
    assert kinds(report) == ["bad-staple"]
    assert "is about another certificate" in report["tls"]["problems"][0]["text"]


def test_facts_of_a_handshake(shelf, probe, tmp_path):
    with openssl_server(shelf, "good", tmp_path, "-groups", "P-256", "-ciphersuites", "TLS_AES_128_GCM_SHA256",
                        "-alpn", "http/1.1") as port:
        _, report = probe(port)
    tls = report["tls"]
    assert (tls["version"], tls["cipher"]) == ("TLSv1.3", "TLS_AES_128_GCM_SHA256")
    assert tls["group"] in ("secp256r1", "prime256v1", "P-256") and tls["alpn"] == "http/1.1"
    assert tls["path"] == ["CN=shelf.test", "CN=Shelf Intermediate", "CN=Shelf Root"]
    leaf = tls["chain"][0]
    assert (leaf["subject"], leaf["issuer"]) == ("CN=shelf.test", "CN=Shelf Intermediate")
    assert (leaf["key"], leaf["signature"]) == ("EC P-256", "ecdsa-with-SHA256")
    assert leaf["names"] == "DNS:shelf.test, IP:127.0.0.1, IP:::1"
    der = ssl.PEM_cert_to_DER_cert(shelf.certificates("good")[0])
    assert leaf["sha256"] == hashlib.sha256(der).hexdigest()
    assert report["address"] == f"127.0.0.1:{port}"
    times = report["times_ms"]
    assert set(times) == {"dns", "connect", "tls", "request", "first_byte", "total"}
    assert all(value >= 0 for value in times.values())
    assert times["total"] >= times["tls"] + times["connect"]


def test_the_name_is_checked_as_an_address_when_it_is_one(shelf, probe, tmp_path):
    with openssl_server(shelf, "good", tmp_path) as port:
        assert probe(port, url="https://127.0.0.1/")[0] == FINE
        code, report = probe(port, url="https://127.0.0.2/")
    assert (code, report["kind"]) == (BROKEN, "wrong-name")


def test_a_chain_without_end_is_not_looked_at(shelf, probe, tmp_path):
    with openssl_server(shelf, "huge", tmp_path, times=3) as port:
        code, report = probe(port)
    assert (code, kinds(report), report["tls"]["chain"]) == (BROKEN, ["too-long"], [])
    assert "the server sends 295 certificates" in report["verdict"]


def test_insecure_sends_the_request_and_still_fails(shelf, probe, tmp_path):
    with openssl_server(shelf, "self-signed", tmp_path) as port:
        code, report = probe(port, "--insecure")
    assert (code, report["kind"], report["request_sent"], report["answer"]["status"]) == (BROKEN, "self-signed", True, 200)


# ---- resumption ----------------------------------------------------------------------------------


@pytest.mark.parametrize("options, tls13, tls12", [
    ([], "resumed by ticket", "resumed by ticket"),
    (["-no_ticket"], "resumed by ticket", "resumed by session id"),  # 1.3: a stateful ticket
    (["-no_ticket", "-no_cache", "-num_tickets", "0"], "no session given", "no session given"),
    (["-tls1_2"], "not tested", "resumed by ticket"),
    (["-tls1_3"], "resumed by ticket", "version not offered"),
])
def test_resumption_is_told_for_each_version(shelf, probe, tmp_path, options, tls13, tls12):
    with openssl_server(shelf, "good", tmp_path, *options) as port:
        code, report = probe(port)
    assert code == FINE, report["verdict"]
    assert report["tls"]["resumption"] == {"tls13": tls13, "tls12": tls12}


def test_tls12_is_used_when_asked_for(shelf, probe, tmp_path):
    with openssl_server(shelf, "good", tmp_path) as port:
        _, report = probe(port, "--tls1.2")
    assert report["tls"]["version"] == "TLSv1.2"
    assert report["tls"]["resumption"] == {"tls13": "not tested", "tls12": "resumed by ticket"}


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_an_obsolete_version_fails_and_is_named(shelf, probe, tmp_path, version):
    with openssl_server(shelf, "good-rsa", tmp_path, version, "-cipher", "ALL:@SECLEVEL=0") as port:
        code, report = probe(port)
    assert (code, report["kind"]) == (BROKEN, "obsolete-version")


# ---- client certificates -------------------------------------------------------------------------


def mutual(shelf, tmp_path, *options):
    return openssl_server(shelf, "good", tmp_path, "-CAfile", shelf.root, *options)


def test_a_request_for_a_client_certificate_is_shown_with_its_issuers(shelf, probe, tmp_path):
    with mutual(shelf, tmp_path, "-verify", "3") as port:
        code, report = probe(port)
    assert code == FINE
    assert report["tls"]["client_certificate"] == {"requested": True, "authorities": ["CN=Shelf Root"]}


@pytest.mark.parametrize("version, alert", [("-tls1_3", "certificate_required"), ("-tls1_2", "handshake_failure")])
def test_a_required_client_certificate_that_is_missing(shelf, probe, tmp_path, version, alert):
    with mutual(shelf, tmp_path, "-Verify", "3", "-verify_return_error", version) as port:
        code, report = probe(port)
    assert (code, report["kind"]) == (BROKEN, "alert")
    assert alert in report["verdict"] and "give --cert and --key" in report["verdict"]


@pytest.mark.parametrize("name, words", [
    ("client-good", "status 200"), ("client-no-eku", "status 200"),
    ("client-expired", "alert certificate_expired"), ("client-wrong-ca", "alert unknown_ca"),
    ("client-self-signed", "alert unknown_ca"), ("client-missing-intermediate", "alert unknown_ca"),
    ("client-server-eku", "alert unsupported_certificate"), ("client-not-yet-valid", "alert bad_certificate"),
])
def test_what_the_server_thinks_of_our_certificate(shelf, probe, tmp_path, name, words):
    with mutual(shelf, tmp_path, "-Verify", "3", "-verify_return_error") as port:
        code, report = probe(port, "--cert", shelf.path(name, "chain"), "--key", shelf.path(name, "key"))
    assert words in report["verdict"]
    assert code == (FINE if words == "status 200" else BROKEN)


def test_a_key_that_does_not_fit_or_has_a_pass_phrase_is_a_usage_error(hopgate, shelf):
    for name, words in (("key-mismatch", "do not belong together"), ("key-encrypted", "the private key is encrypted")):
        done = hopgate("probe", "--cert", shelf.path(name, "chain"), "--key", shelf.path(name, "key"),
                       "https://127.0.0.1:1/")
        assert done.code == USAGE and words in done.err


# ---- no TLS at all -------------------------------------------------------------------------------


@pytest.mark.parametrize("greeting, words", [
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", r'its first bytes are "HTTP/1.1 400 Bad Request\x0d\x0a\x0d\x0a", which looks '
                                          "like plain HTTP: use http://"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "looks like SSH"),
    (b"220 mail.test ESMTP\r\n", "looks like SMTP or FTP"),
    (b"+OK ready\r\n", "looks like POP3"),
    (b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", "HTTP/2 in the clear"),
    (b"\x1b[31mgarbage\x07\n", r"\x1b[31mgarbage\x07\x0a"),
])
def test_a_server_without_tls_is_known_by_its_first_bytes(probe, greeting, words):
    with raw_server(lambda sock: (sock.recv(65536), sock.sendall(greeting), sock.recv(65536))) as port:
        code, report = probe(port)
    assert (code, report["kind"], report["tls"]) == (BROKEN, "not-tls", None)
    assert words in report["verdict"]


def test_a_hop_without_tls_is_plain_http(lab, probe):
    hop = lab.edge(lab.origin(content=b"x"))
    _, report = probe(hop.http[1])
    assert report["kind"] == "not-tls" and "plain HTTP" in report["verdict"]


def test_a_server_that_closes_at_once(probe):
    with raw_server(lambda sock: sock.recv(65536)) as port:
        code, report = probe(port)
    assert (code, report["kind"]) == (BROKEN, "closed")
    assert "closed the connection during the handshake, without an alert" in report["verdict"]


def test_a_server_that_resets(probe):
    def reset(sock):
        sock.recv(65536)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    with raw_server(reset) as port:
        code, report = probe(port)
    assert (code, report["kind"]) == (BROKEN, "reset")


def test_a_server_that_never_answers_the_client_hello(probe):
    with raw_server(lambda sock: sock.recv(1 << 20) and sock.recv(1 << 20)) as port:
        code, report = probe(port, "--timeout", "0.3")
    assert (code, report["kind"]) == (BROKEN, "timeout")
    assert "says nothing to our ClientHello" in report["verdict"]
    assert report["times_ms"]["tls"] >= 290


def test_a_refused_connection(probe):
    port = RefusingPort()
    code, report = probe(port.port)
    port.stop()
    assert (code, report["kind"]) == (BROKEN, "refused")
    assert f"127.0.0.1:{port.port} refuses the connection" in report["verdict"]


def test_a_black_hole(probe):
    hole = BlackHole()
    code, report = probe(hole.port, "--timeout", "0.4")
    hole.stop()
    assert (code, report["kind"]) == (BROKEN, "connect-timeout")
    assert "does not answer within 0.4 s" in report["verdict"]


def test_a_name_that_does_not_exist(hopgate):
    done = hopgate("probe", "https://no-such-host.invalid/")
    assert done.code == BROKEN
    assert done.out.startswith("FAIL https://no-such-host.invalid/: the name \"no-such-host.invalid\" cannot be resolved")


def test_an_unknown_server_name_is_told_by_its_alert(shelf, probe, tmp_path):
    with openssl_server(shelf, "good", tmp_path, "-servername", "other.test", "-servername_fatal", "-cert2",
                        shelf.path("good", "chain"), "-key2", shelf.path("good", "key")) as port:
        code, report = probe(port)
        assert (code, report["kind"]) == (BROKEN, "alert")
        assert "unrecognized_name" in report["verdict"]


# ---- the answer ----------------------------------------------------------------------------------


def plain(probe, answer, *options, path="/"):
    with raw_server(http_answer(answer)) as port:
        return probe(port, *options, url=f"http://{NAME}{path}")


def test_every_line_of_the_answer_as_it_was_received(probe):
    code, report = plain(probe, b"HTTP/1.1 200 OK\r\nsErVeR:  a\tb \r\nX-Odd: \xe4\\\r\nX-Odd: 2\r\nContent-Length: 3\r\n\r\nabc")
    assert code == FINE and report["verdict"] == "status 200, without TLS"
    assert report["answer"]["lines"] == ["HTTP/1.1 200 OK", r"sErVeR:  a\x09b ", r"X-Odd: \xe4\\", "X-Odd: 2",
                                         "Content-Length: 3", ""]
    assert (report["answer"]["content_bytes"], report["answer"]["complete"]) == (3, True)
    assert report["tls"] is None and "tls" not in report["times_ms"]


def test_interim_answers_are_shown_too(probe):
    code, report = plain(probe, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
    assert (code, report["answer"]["status"]) == (FINE, 204)
    assert report["answer"]["lines"][0] == "HTTP/1.1 103 Early Hints" and "HTTP/1.1 204 No Content" in report["answer"]["lines"]


def test_chunked_content_is_counted(probe):
    _, report = plain(probe, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert (report["answer"]["content_bytes"], report["answer"]["complete"]) == (5, True)


@pytest.mark.parametrize("answer, kind, words", [
    (b"HTTP/1.1 200 OK\nX: 1\n\n", "bad-answer", "the answer is no valid HTTP/1.1"),
    (b"HTTP/1.1 200 OK\r\nX: \x1b[2J\r\n\r\n", "bad-answer", r"\x1b[2J"),
    (b"\x15\x03\x03\x00\x02\x02\x46", "bad-answer", "the answer is no valid HTTP/1.1"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "bad-answer", "broken after 3 bytes"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "bad-answer", "broken after 0 bytes"),
    (b"HTTP/1.1 200 OK\r\nX: 1\r\n", "closed", "in the middle of its answer"),
    (b"", "closed", "the server closed the connection without an answer"),
    (b"HTTP/1.1 502 Bad Gateway\r\nProxy-Status: inner; error=connection_refused\r\nContent-Length: 0\r\n\r\n", "status",
     "the server answers 502; Proxy-Status says who made it and why: inner; error=connection_refused"),
])
def test_what_is_wrong_with_an_answer(probe, answer, kind, words):
    code, report = plain(probe, answer)
    assert (code, report["kind"]) == (BROKEN, kind), report["verdict"]
    assert words in report["verdict"]


def test_an_answer_that_does_not_come_in_time(probe):
    with raw_server(lambda sock: until_head_ends(sock) and sock.recv(1)) as port:
        code, report = probe(port, "--timeout", "0.3", url=f"http://{NAME}/")
    assert (code, report["kind"], report["request_sent"]) == (BROKEN, "timeout", True)


def test_the_request_is_what_was_asked_for(lab, hopgate):
    seen = []

    def answer(sock):
        seen.append(until_head_ends(sock))
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with raw_server(answer) as port:
        done = hopgate("probe", "--connect", f"127.0.0.1:{port}", "--method", "PURGE", "--header", "X-A: 1", "--header",
                       "accept: text/plain", f"http://{NAME}:8080/a?b=%20")
    assert done.code == FINE, done
    lines = seen[0].split(b"\r\n")
    assert lines[0] == b"PURGE /a?b=%20 HTTP/1.1"
    assert b"Host: shelf.test:8080" in lines and b"X-A: 1" in lines and b"accept: text/plain" in lines
    assert not any(line.startswith(b"Accept:") for line in lines)


# ---- hopgate on the other end, text and usage ----------------------------------------------------


def test_a_hop_is_fine_and_resumes(lab, shelf, probe):
    certificate = {"cert": shelf.path("good", "chain").read_text(), "key": shelf.path("good", "key").read_text(),
                   "snis": [{"name": NAME}]}
    hop = lab.hop(merge(service_to(lab.origin(content=b"hello")), {"certificates": [certificate]}), persona="edge",
                  tls=True)
    code, report = probe(hop.https[1])
    assert code == FINE, report["verdict"]
    assert (report["tls"]["alpn"], report["answer"]["content_bytes"]) == ("http/1.1", 5)
    assert report["tls"]["resumption"] == {"tls13": "resumed by ticket", "tls12": "resumed by ticket"}


def test_text_has_the_verdict_first_and_no_control_bytes(hopgate, shelf, tmp_path):
    with openssl_server(shelf, "missing-intermediate", tmp_path) as port:
        done = hopgate("probe", "--cacert", shelf.root, "--connect", f"127.0.0.1:{port}", f"https://{NAME}/")
    assert done.code == BROKEN
    lines = done.out.splitlines()
    assert lines[0].startswith(f'FAIL https://{NAME}/: certificate "CN=shelf.test": the issuing certificate "CN=Shelf '
                               'Intermediate" is missing')
    assert "  0  CN=shelf.test" in lines
    assert "verified: no, unable to get local issuer certificate (OpenSSL error 20 at depth 0)" in lines
    assert "request: not sent, the server is not trusted (--insecure sends it)" in lines
    assert re.search(r"^times: dns [\d.]+ ms connect [\d.]+ ms tls [\d.]+ ms total [\d.]+ ms$", done.out, re.M)
    with raw_server(http_answer(b"HTTP/1.1 200 OK\r\nX: \xff\r\nContent-Length: 0\r\n\r\n")) as port:
        done = hopgate("probe", f"http://127.0.0.1:{port}/")
    assert done.out.startswith("PASS ") and r"  X: \xff" in done.out.splitlines()
    assert not re.search(r"[^\n\x20-\x7e]", done.out)


@pytest.mark.parametrize("arguments", [
    [], ["example.com"], ["ftp://a/"], ["http://user@a/"], ["http://a b/"], ["http://a/\x01"], ["http://a/#x"],
    ["http://a:99999/"], ["http://a/", "http://b/"], ["--timeout", "x", "http://a/"], ["--timeout", "0", "http://a/"],
    ["--header", "nocolon", "http://a/"], ["--header", "A: b\r\nEvil: c", "http://a/"], ["--connect", "a", "http://a/"],
    ["--cacert", "/nonexistent", "https://a/"], ["--key", "/dev/null", "https://a/"], ["--frob", "http://a/"],
    ["--cacert", "/dev/null", "https://a/"], ["--method", "A B", "http://a/"],
])
def test_wrong_usage_is_64(hopgate, arguments):
    done = hopgate("probe", *arguments)
    assert (done.code, done.out) == (USAGE, "")
    assert done.err.startswith("hopgate probe: ") and "Sanitizer" not in done.err
