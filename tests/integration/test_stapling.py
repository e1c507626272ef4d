"""OCSP responses stapled to our certificate: from a file and by fetching, and never a wrong one."""
import http.server
import re
import socket
import threading

import pytest

from lab.client import run
from lab.client_pki import LEAF, SERVER
from lab.lab import service_to
from lab.wait import DEADLINE_S
from test_reload import reload, rewrite


class Responder:
    """An OCSP responder that answers everything with the same bytes."""

    def __init__(self):
        responder = self
        self.answer, self.asked = b"", 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                self.rfile.read(int(self.headers["Content-Length"]))
                responder.asked += 1
                self.send_response(200)
                self.send_header("Content-Type", "application/ocsp-response")
                self.send_header("Content-Length", str(len(responder.answer)))
                self.end_headers()
                self.wfile.write(responder.answer)

            def log_message(self, *arguments):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/ocsp"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def responder(lab):
    lab.others.append(Responder())
    return lab.others[-1]


def issue(lab, name, *extensions):
    """A server certificate of the clients' ca; returns (chain, key)."""
    pki = lab.pki.clients
    pki.issue(name, "ca", "\n".join([LEAF.format(name=name) + SERVER, *extensions]))
    return pki.joined(f"{name}.pem", "ca.pem"), pki.key(name)


def ocsp_response(lab, name, path, *more, signer="ca", signed_by="ca"):
    pki = lab.pki.clients
    request = path.with_suffix(".req")
    pki.openssl("ocsp", "-issuer", pki.pem(signer), "-cert", pki.pem(name), "-no_nonce", "-reqout", request)
    pki.openssl("ocsp", "-index", pki.path(f"{signer}.index"), "-CA", pki.pem(signer), "-rsigner", pki.pem(signed_by),
                "-rkey", pki.key(signed_by), "-reqin", request, "-respout", path, "-ndays", "7", *more)
    return path


def start(lab, chain, key, **conf):
    return lab.hop(service_to(lab.origin(content=b"served")), tls=True,
                   conf={"ssl_cert": chain, "ssl_cert_key": key, **conf})


def stapled(hop):
    """What openssl says about the staple, or "" when there is none."""
    host, port = hop.https
    done = run("openssl", "s_client", "-connect", f"{host}:{port}", "-servername", "edge.test", "-status", text_in="")
    found = re.search(r"OCSP Response Status: (\w+).*?Cert Status: (\w+)", done.out, re.S)
    return f"{found.group(1)} {found.group(2)}" if found else ""


def test_staple_of_a_file_is_sent(lab, tmp_path):
    chain, key = issue(lab, "stapled")
    response = ocsp_response(lab, "stapled", tmp_path / "response")
    hop = start(lab, chain, key, nginx_http_ssl_stapling_file=response)
    assert stapled(hop) == "successful good"


def test_without_the_setting_nothing_is_stapled(lab):
    chain, key = issue(lab, "bare")
    assert stapled(start(lab, chain, key)) == ""


@pytest.mark.parametrize("case, said", [
    ("another certificate", "it is about another certificate"), ("wrong signer", "not signed by the certificate's issuer"),
    ("revoked", "it says that the certificate is revoked"), ("garbage", "it is no OCSP response in DER"),
])
def test_wrong_staple_is_a_warning_and_not_sent(lab, tmp_path, case, said):
    pki = lab.pki.clients
    name = "case_" + case.replace(" ", "_")
    chain, key = issue(lab, name)
    path = tmp_path / "response"
    if case == "another certificate":
        ocsp_response(lab, "good", path)
    elif case == "wrong signer":
        ocsp_response(lab, name, path, signed_by="other_root")
    elif case == "revoked":
        pki.openssl("ca", "-config", pki.path("ca.cnf"), "-revoke", pki.pem(name))
        ocsp_response(lab, name, path)
    else:
        path.write_bytes(b"garbage")
    hop = start(lab, chain, key, nginx_http_ssl_stapling_file=path)
    assert stapled(hop) == ""
    (line,) = [line for line in hop.stderr().splitlines() if said in line]
    assert ": warning: nginx_http_ssl_stapling_file: " in line


def test_staple_is_fetched_from_the_responder_of_the_certificate(lab, responder, tmp_path):
    chain, key = issue(lab, "fetched", f"authorityInfoAccess=OCSP;URI:{responder.url}")
    responder.answer = ocsp_response(lab, "fetched", tmp_path / "response").read_bytes()
    hop = start(lab, chain, key, nginx_http_ssl_stapling="on")
    hop.error_log.wait_for('OCSP response for certificate "O=Lab,CN=fetched" was fetched')
    assert stapled(hop) == "successful good"
    assert responder.asked == 1


def test_responder_that_lies_or_is_away_leaves_no_staple(lab, responder, tmp_path):
    chain, key = issue(lab, "liar", f"authorityInfoAccess=OCSP;URI:{responder.url}")
    responder.answer = ocsp_response(lab, "good", tmp_path / "response").read_bytes()
    hop = start(lab, chain, key, nginx_http_ssl_stapling="on")
    hop.error_log.wait_for("[warn]", 'no OCSP response for certificate "O=Lab,CN=liar"', "it is about another certificate")
    assert stapled(hop) == ""


def test_responder_that_refuses_is_named_in_the_log(lab):
    port = lab.refusing_port().port
    chain, key = issue(lab, "away", f"authorityInfoAccess=OCSP;URI:http://127.0.0.1:{port}/")
    hop = start(lab, chain, key, nginx_http_ssl_stapling="on")
    hop.error_log.wait_for("[warn]", f"OCSP responder 127.0.0.1:{port} did not answer")


@pytest.mark.parametrize("conf, warned", [({}, True), ({"nginx_http_ssl_stapling": "on"}, False)])
def test_check_says_that_must_staple_needs_stapling(lab, hopgate, conf, warned):
    chain, key = issue(lab, "must" + str(warned).lower(), "tlsfeature=status_request")
    hop = lab.make_hop(service_to(lab.refusing_port()), tls=True, conf={"ssl_cert": chain, "ssl_cert_key": key, **conf})
    done = hopgate("check", "-c", hop.conf_path, hop.config_path)
    assert done.code == 0
    assert ("demands a stapled OCSP response" in done.err) == warned


@pytest.mark.parametrize("end", ["reload", "stop"])
def test_responder_that_is_silent_holds_up_nothing(lab, end):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(DEADLINE_S)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        chain, key = issue(lab, f"silent_{end}", f"authorityInfoAccess=OCSP;URI:{url}")
        hop = start(lab, chain, key, nginx_http_ssl_stapling="on")
        asked, _ = silent.accept()
        with asked:
            assert asked.recv(4096).startswith(b"POST / HTTP/1.")
            if end == "reload":
                reload(hop)
            else:
                assert hop.stop() == 0
            assert hop.error_log.lines("no OCSP response") == []  # nobody waited for its deadline
            while asked.recv(4096):
                pass  # the rest of the question; then the hop has closed


def test_staple_outlives_a_reload_and_a_new_certificate_gets_its_own(lab, responder, tmp_path):
    chain, key = issue(lab, "before", f"authorityInfoAccess=OCSP;URI:{responder.url}")
    responder.answer = ocsp_response(lab, "before", tmp_path / "response").read_bytes()
    hop = start(lab, chain, key, nginx_http_ssl_stapling="on")
    hop.error_log.wait_for('OCSP response for certificate "O=Lab,CN=before" was fetched')
    for _ in range(3):
        reload(hop)
        assert stapled(hop) == "successful good"
    assert responder.asked == 1
    chain, key = issue(lab, "after", f"authorityInfoAccess=OCSP;URI:{responder.url}")
    responder.answer = ocsp_response(lab, "after", tmp_path / "response").read_bytes()
    rewrite(hop, ssl_cert=chain, ssl_cert_key=key)
    reload(hop)
    hop.error_log.wait_for('OCSP response for certificate "O=Lab,CN=after" was fetched')
    assert stapled(hop) == "successful good"
