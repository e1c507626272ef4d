"""Client certificates, in both styles of refusal: what the client sees, what our log says, what status it has."""
import re
import signal

import pytest

from lab.client import curl, run
from lab.lab import merge, service_to
from lab.wait import wait_until

CA_ID = "5f0c2f5e-7f52-4f38-9d6c-0f8d9a3f1b21"
PAGE = ("<html>\n<head><title>400 {0}</title></head>\n<body>\n<center><h1>400 Bad Request</h1></center>\n"
        "<center>{0}</center>\n</body>\n</html>\n")  # \r\n on the wire; see the test of the bytes
MISSING, WRONG = PAGE.format("No required SSL certificate was sent"), PAGE.format("The SSL certificate error")
NO_CERTIFICATE = "client sent no required SSL certificate"


def refused_for(error):
    return f"client SSL certificate verify error: ({error})"


# name of the certificate, what is sent with it, what verification says, alert in TLS 1.2 and 1.3
WRONG_CERTIFICATES = {
    "wrong CA": ("stranger", [], "21:unable to verify the first certificate", "unknown ca"),
    "expired": ("expired", ["ca.pem"], "10:certificate has expired", "certificate expired"),
    "not yet valid": ("future", ["ca.pem"], "9:certificate is not yet valid", "bad certificate"),
    "revoked": ("revoked", ["ca.pem"], "23:certificate revoked", "certificate revoked"),
    "for servers only": ("server_only", ["ca.pem"], "26:unsuitable certificate purpose", "unsupported certificate"),
    "intermediate missing": ("good", [], "21:unable to verify the first certificate", "unknown ca"),
    "chain too deep": ("deep", ["deep_ca.pem", "ca.pem"], "22:certificate chain too long", "unknown ca"),
    "self-signed": ("self_signed", [], "18:self-signed certificate", "unknown ca"),
}
# a page names the last error as nginx does, the handshake ends at the first
LAST_ERROR = {"chain too deep": "20:unable to get local issuer certificate"}
FIRST_ERROR = {"wrong CA": "20:unable to get local issuer certificate",
               "intermediate missing": "20:unable to get local issuer certificate"}


def conf_of(lab, mode, refusal, crl=True, **more):
    clients = lab.pki.clients
    return {"nginx_proxy_ssl_verify_client": mode, "nginx_proxy_ssl_client_certificate": clients.pem("root"),
            "nginx_proxy_ssl_crl": clients.crls() if crl else None, "hopgate_client_verify_refusal": refusal, **more}


@pytest.fixture
def start(lab):
    def started(mode, refusal, persona="kong", declarative=None, **more):
        origin = lab.origin(content=b"served")
        return lab.hop(merge(service_to(origin), declarative or {}), persona=persona, tls=True,
                       conf=conf_of(lab, mode, refusal, **more))

    return started


def certificate_arguments(lab, name, above=()):
    if name is None:
        return []
    clients = lab.pki.clients
    return ["--cert", clients.joined(f"{name}.pem", *above), "--key", clients.key(name)]


def get(lab, hop, name=None, above=("ca.pem",), host="edge.test", extra=()):
    """curl's exit code, status and content."""
    address, port = hop.https
    return curl(f"https://{host}:{port}/", "--cacert", lab.pki.root, "--resolve", f"{host}:{port}:{address}",
                *certificate_arguments(lab, name, above), "--write-out", "\n%{http_code}", *extra)


def status_and_content(done):
    content, _, status = done.out.rpartition("\n")
    return int(status), content


def alert_of(lab, hop, name, above, version):
    """What openssl says; TLS 1.3 tells of a refusal with the first read after the handshake. It sends nothing: that
    might meet the end of the connection before the alert is read."""
    host, port = hop.https
    clients = lab.pki.clients
    own = ["-cert", clients.pem(name), "-key", clients.key(name)] if name else []
    return run("openssl", "s_client", "-connect", f"{host}:{port}", "-servername", "edge.test", version, *own,
               *(["-cert_chain", clients.joined(*above)] if above else []), "-quiet", "-ign_eof").err


VERSIONS = {"1.2": ["--tls-max", "1.2"], "1.3": ["--tlsv1.3"]}
CUT = (35, 55, 56)  # curl: in the handshake, while it sends or while it receives, as it happens with TLS 1.3


@pytest.mark.parametrize("refusal", ["page", "alert"])
@pytest.mark.parametrize("mode", ["on", "optional", "optional_no_ca"])
def test_good_certificate_is_served(lab, start, mode, refusal):
    hop = start(mode, refusal)
    for name in ("good", "no_eku"):
        assert status_and_content(get(lab, hop, name)) == (200, "served")


@pytest.mark.parametrize("refusal", ["page", "alert"])
@pytest.mark.parametrize("mode", ["optional", "optional_no_ca", "off"])
def test_without_a_certificate_is_served_when_none_is_required(lab, start, mode, refusal):
    assert status_and_content(get(lab, start(mode, refusal))) == (200, "served")


@pytest.mark.parametrize("version", VERSIONS)
def test_missing_certificate_page(lab, start, version):
    hop = start("on", "page")
    assert status_and_content(get(lab, hop, extra=VERSIONS[version])) == (400, MISSING)
    hop.error_log.wait_for("[info]", f"{NO_CERTIFICATE} while reading client request headers, client: 127.0.0.1")
    entry = hop.access_log.last()
    assert (entry.status, entry.reason) == (400, "CLIENT_CERT_MISSING")


@pytest.mark.parametrize("version, said", [("-tls1_2", "handshake failure"), ("-tls1_3", "certificate required")])
def test_missing_certificate_alert(lab, start, version, said):
    hop = start("on", "alert")
    assert f"alert {said}:" in alert_of(lab, hop, None, (), version)
    hop.error_log.wait_for("[info]", f"{NO_CERTIFICATE} while SSL handshaking, client: 127.0.0.1")


@pytest.mark.parametrize("mode", ["on", "optional"])
@pytest.mark.parametrize("case", WRONG_CERTIFICATES)
def test_wrong_certificate_page(lab, start, case, mode):
    """Optional means that none is fine, not that any is. As in nginx the last error of a chain is named."""
    name, above, error, _ = WRONG_CERTIFICATES[case]
    hop = start(mode, "page", crl=case == "revoked")
    for version in VERSIONS:
        assert status_and_content(get(lab, hop, name, above, extra=VERSIONS[version])) == (400, WRONG), version
    lines = hop.error_log.wait_for("[info]", refused_for(LAST_ERROR.get(case, error)) + " while reading client request headers", count=2)
    assert 'server: kong, request: "GET / HTTP/1.1", host: "edge.test:' in lines[0]
    entry = hop.access_log.wait(2)[-1]
    assert (entry.status, entry.reason) == (400, "CLIENT_CERT_INVALID")
    assert lab.origins[0].requests == []


@pytest.mark.parametrize("mode", ["on", "optional"])
@pytest.mark.parametrize("case", WRONG_CERTIFICATES)
def test_wrong_certificate_alert(lab, start, case, mode):
    name, above, error, alert = WRONG_CERTIFICATES[case]
    hop = start(mode, "alert", crl=case == "revoked")
    for version in ("-tls1_2", "-tls1_3"):
        assert f"alert {alert}:" in alert_of(lab, hop, name, above, version)
    assert get(lab, hop, name, above).code in (*CUT, 60)  # 60: what curl makes of certificate_expired
    hop.error_log.wait_for("[info]", refused_for(FIRST_ERROR.get(case, error)) + " while SSL handshaking", count=3)
    assert lab.origins[0].requests == []


@pytest.mark.parametrize("refusal", ["page", "alert"])
def test_optional_no_ca_overlooks_the_issuer_and_nothing_else(lab, start, refusal):
    hop = start("optional_no_ca", refusal, crl=False)
    for name in ("stranger", "self_signed"):
        assert status_and_content(get(lab, hop, name, [])) == (200, "served")
    for name, above in (("expired", ["ca.pem"]), ("server_only", [])):
        done = get(lab, hop, name, above)
        if refusal == "alert":
            assert done.code != 0, name
        else:
            assert status_and_content(done)[0] == 400, name
    hop.error_log.wait_for(refused_for("10:certificate has expired"))
    hop.error_log.wait_for(refused_for("26:unsuitable certificate purpose"))


def test_revoked_without_a_crl_is_served(lab, start):
    hop = start("on", "page", crl=False)
    assert status_and_content(get(lab, hop, "revoked"))[0] == 200


@pytest.mark.parametrize("crl, error", [
    (("root.crl",), "3:unable to get certificate CRL"),
    (("root.crl", "ca.expired.crl"), "12:CRL has expired"),
])
@pytest.mark.parametrize("refusal", ["page", "alert"])
def test_crl_that_is_missing_or_expired_fails_closed(lab, start, crl, error, refusal):
    hop = start("on", refusal, nginx_proxy_ssl_crl=lab.pki.clients.joined(*crl))
    done = get(lab, hop, "good")
    assert done.code in CUT if refusal == "alert" else status_and_content(done)[0] == 400
    hop.error_log.wait_for(refused_for(error))
    assert ("the CRL of \"O=Lab,CN=ca\" expired on" in hop.stderr()) == (error[0:2] == "12")


def test_depth_counts_the_intermediates(lab, start):
    deep = ["deep_ca.pem", "ca.pem"]
    crl = lab.pki.clients.joined("root.crl", "ca.crl", "deep_ca.crl")
    hop = start("on", "page", nginx_proxy_ssl_verify_depth=2, nginx_proxy_ssl_crl=crl)
    assert status_and_content(get(lab, hop, "deep", deep))[0] == 200


@pytest.mark.parametrize("refusal", ["page", "alert"])
def test_huge_chain_is_refused_in_the_handshake(lab, start, refusal):
    hop = start("on", refusal)
    done = get(lab, hop, "good", ["ca.pem"] * 100)
    assert done.code in CUT, done
    hop.error_log.wait_for("excessive message size", "while SSL handshaking")


@pytest.mark.rules("f5 client.verify_refusal")
def test_edge_and_f5_refuse_by_alert_and_kong_by_page(lab, start):
    for persona in ("edge", "f5"):
        hop = start("on", None, persona=persona)
        assert "certificate required" in alert_of(lab, hop, None, (), "-tls1_3")
    assert status_and_content(get(lab, start("on", None)))[0] == 400


def test_edge_page_says_what_is_wrong_and_blames_the_client(lab, start):
    hop = start("on", "page", persona="edge", hopgate_proxy_status="on")
    done = get(lab, hop, "expired", extra=["--include"])
    assert "HTTP/1.1 400 " in done.out
    assert re.search(r"Proxy-Status: edge; error=tls_certificate_error; details=\".*10:certificate has expired", done.out)


def test_page_has_the_bytes_of_nginx_and_the_connection_is_closed(lab, start):
    hop = start("on", "page")
    client = lab.client(hop, tls=True)
    answer = client.get("/")
    assert (answer.status, answer.fields.get("Connection")) == (400, "close")
    assert answer.content == MISSING.replace("\n", "\r\n").encode()
    assert client.wait_for_end() == "close_notify"


def test_acceptable_issuers_are_named_to_the_client(lab, start):
    host, port = start("on", "alert").https
    done = run("openssl", "s_client", "-connect", f"{host}:{port}", "-servername", "edge.test", text_in="")
    assert "Acceptable client certificate CA names\nCN = root, O = Lab" in done.out


# by server name


def by_name(lab, **entry):
    """secure.edge.test and *.secure.edge.test need a certificate, the rest needs none."""
    clients = lab.pki.clients
    own = {"snis": ["secure.test", "*.secure.test"], "verify_client": "required", "ca_certificates": [CA_ID], **entry}
    return {"ca_certificates": [{"id": CA_ID, "cert": clients.text("root.pem")}], "hopgate": {"mtls": [own]}}


@pytest.fixture
def named(lab):
    def started(refusal="page", mode="off", **entry):
        origin = lab.origin(content=b"served")
        conf = conf_of(lab, mode, refusal, hopgate_unknown_sni="default") if mode != "off" else {
            "hopgate_client_verify_refusal": refusal, "hopgate_unknown_sni": "default"}
        return lab.hop(merge(service_to(origin), by_name(lab, **entry)), tls=True, conf=conf)

    return started


@pytest.mark.parametrize("host, needed", [("secure.test", True), ("a.secure.test", True), ("SECURE.test", True),
                                          ("edge.test", False), ("a.b.secure.test", True)])
@pytest.mark.parametrize("refusal", ["page", "alert"])
def test_server_name_chooses_the_policy(lab, named, host, needed, refusal):
    hop = named(refusal)
    anonymous = get(lab, hop, host=host, extra=["--insecure"])
    if needed and refusal == "alert":
        assert "certificate required" in anonymous.err
    else:
        assert status_and_content(anonymous)[0] == (400 if needed else 200)
    assert status_and_content(get(lab, hop, "good", host=host, extra=["--insecure"]))[0] == 200


def test_entry_overrides_the_listener_for_its_names(lab, named):
    hop = named(mode="on", verify_client="off", ca_certificates=[])
    assert status_and_content(get(lab, hop, host="secure.test", extra=["--insecure"]))[0] == 200
    assert status_and_content(get(lab, hop))[0] == 400


def test_entry_has_a_crl_and_a_depth_of_its_own(lab, named):
    hop = named(crl=str(lab.pki.clients.crls()), verify_depth=1)
    for name, above, status in (("good", ["ca.pem"], 200), ("revoked", ["ca.pem"], 400),
                                ("deep", ["deep_ca.pem", "ca.pem"], 400)):
        done = get(lab, hop, name, above, host="secure.test", extra=["--insecure"])
        assert status_and_content(done)[0] == status, name


@pytest.mark.parametrize("partial, status", [(True, 200), (False, 400)])
def test_partial_chain_trusts_an_intermediate_when_allowed(lab, partial, status):
    clients = lab.pki.clients
    declarative = by_name(lab, allow_partial_chain=partial)
    declarative["ca_certificates"][0]["cert"] = clients.text("ca.pem")
    hop = lab.hop(merge(service_to(lab.origin()), declarative), tls=True, conf={"hopgate_client_verify_refusal": "page"})
    done = get(lab, hop, "good", [], host="secure.test", extra=["--insecure"])
    assert status_and_content(done)[0] == status


MISDIRECTED = "client attempted to request the server name different from the one that was negotiated"


@pytest.mark.parametrize("persona", ["kong", "edge"])
@pytest.mark.parametrize("sni, host, status", [
    ("edge.test", "secure.test", 421), ("edge.test", "a.secure.test:443", 421), ("edge.test", "Secure.Test.", 421),
    ("secure.test", "edge.test", 421), ("edge.test", "other.test", 200), ("edge.test", "127.0.0.1", 200),
    (None, "secure.test", 421), (None, "edge.test", 200), (None, "secure.test:", 421), (None, "a.b.secure.test", 421),
    (None, "x%61.secure.test", 421), (None, "[::1]:443", 200), ("edge.test", "a!b.test", 421),
])
def test_request_for_a_name_of_another_policy_is_misdirected(lab, persona, sni, host, status):
    origin = lab.origin(content=b"served")
    hop = lab.hop(merge(service_to(origin), by_name(lab)), persona=persona, tls=True,
                  conf={"hopgate_client_verify_refusal": "page", "hopgate_unknown_sni": "default"})
    context = lab.pki.client_context(verify=False)
    client = lab.client(hop.https, tls=context, server_name=sni)
    answer = client.get("/", [("Host", host)])
    assert answer.status == status
    if status == 421:
        hop.error_log.wait_for(MISDIRECTED)
        assert origin.requests == []
        assert hop.access_log.last().reason == "CLIENT_MISDIRECTED"


# what check finds


@pytest.mark.parametrize("conf, said", [
    ({"nginx_proxy_ssl_client_certificate": None}, "there is no CA to verify them with"),
    ({"nginx_proxy_ssl_client_certificate": "/does/not/exist"}, "'/does/not/exist': No such file or directory"),
    ({"nginx_proxy_ssl_client_certificate": "good.pem"}, 'certificate "O=Lab,CN=good" is not a CA'),
    ({"nginx_proxy_ssl_client_certificate": "good.key"}, "there is no certificate in the CA bundle"),
    ({"nginx_proxy_ssl_crl": "root.pem"}, "there is no CRL in the text"),
    ({"nginx_proxy_ssl_verify_client": "sometimes"}, "off, on, optional, optional_no_ca"),
])
def test_check_refuses(lab, hopgate, conf, said):
    clients = lab.pki.clients
    files = {key: clients.path(value) if value and "." in value and "/" not in value else value
             for key, value in conf.items()}
    hop = lab.make_hop(service_to(lab.refusing_port()), tls=True, conf={**conf_of(lab, "on", "page"), **files})
    done = hopgate("check", "-c", hop.conf_path, hop.config_path)
    assert done.code == 78
    (line,) = [line for line in done.err.splitlines() if said in line]
    assert f"{hop.conf_path}:" in line and ": error: nginx_" in line


@pytest.mark.parametrize("crl, said", [
    (("root.crl", "ca.expired.crl"), 'the CRL of "O=Lab,CN=ca" expired on 2021-01-01 00:00:00 UTC'),
    (("ca.crl",), 'there is no CRL of CA "O=Lab,CN=root"'),
])
def test_check_warns(lab, hopgate, crl, said):
    conf = conf_of(lab, "on", "page", nginx_proxy_ssl_crl=lab.pki.clients.joined(*crl))
    hop = lab.make_hop(service_to(lab.refusing_port()), tls=True, conf=conf)
    done = hopgate("check", "-c", hop.conf_path, hop.config_path)
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if said in line]
    assert ": warning: " in line


@pytest.mark.parametrize("entry, said", [
    ({"ca_certificates": []}, "hopgate.mtls[0]: verify_client is 'required' but there is no CA"),
    ({"snis": []}, "hopgate.mtls[0].snis: length must be at least 1"),
    ({"verify_client": "on"}, "expected one of: off, optional, optional_no_ca, required"),
    ({"ca_certificates": ["5f0c2f5e-7f52-4f38-9d6c-0f8d9a3f1b99"]}, "no such entry in 'ca_certificates'"),
    ({"crl": "/does/not/exist"}, "hopgate.mtls[0]: crl '/does/not/exist': No such file or directory"),
    ({"verify_dept": 1}, "unknown field; did you mean 'verify_depth'?"),
    ({"snis": ["a.test", "a.test"]}, "hopgate.mtls[0].snis[1]: uniqueness violation"),
])
def test_check_of_the_declarative_file(lab, hopgate, entry, said):
    hop = lab.make_hop(merge(service_to(lab.refusing_port()), by_name(lab, **entry)), tls=True)
    done = hopgate("check", "-c", hop.conf_path, hop.config_path)
    assert done.code == 78
    (line,) = [line for line in done.err.splitlines() if said in line]
    assert re.match(rf"{hop.config_path}:\d+:\d+: error: ", line)


def test_certificate_revoked_by_a_reloaded_crl_is_refused_even_with_a_session(lab, start, tmp_path):
    clients = lab.pki.clients
    crl = tmp_path / "crl.pem"
    crl.write_text(clients.text("root.crl", "ca.before.crl"))
    hop = start("on", "page", nginx_proxy_ssl_crl=crl)
    session = tmp_path / "session"
    arguments = ["-cert", clients.pem("revoked"), "-cert_chain", clients.pem("ca"), "-key", clients.key("revoked"),
                 "-servername", "edge.test", "-ign_eof"]
    request = "GET / HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n"
    host, port = hop.https
    first = run("openssl", "s_client", "-connect", f"{host}:{port}", *arguments, "-sess_out", session, text_in=request)
    assert "HTTP/1.1 200" in first.out
    crl.write_text(clients.text("root.crl", "ca.crl"))
    hop.signal(signal.SIGHUP)
    hop.error_log.wait_for("configuration 1 is not in use any more")
    again = run("openssl", "s_client", "-connect", f"{host}:{port}", *arguments, "-sess_in", session, text_in=request)
    assert "Reused" not in again.out and "HTTP/1.1 400" in again.out
    hop.error_log.wait_for(refused_for("23:certificate revoked"))


@pytest.mark.long
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_session_does_not_outlive_the_crl(lab, start, tmp_path, version):
    """Without a reload: the list that vouched for the certificate has ended, and fails closed for sessions, too."""
    clients = lab.pki.clients
    clients.make_crl("ca", "short.crl", "-crlsec", "15")
    hop = start("on", "page", nginx_proxy_ssl_crl=clients.crls("ca.short.crl"))
    session = tmp_path / "session"
    host, port = hop.https
    arguments = ["openssl", "s_client", "-connect", f"{host}:{port}", version, "-servername", "edge.test", "-ign_eof"]
    certificate = ["-cert", clients.pem("good"), "-cert_chain", clients.pem("ca"), "-key", clients.key("good")]
    request = "GET / HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n"
    assert "HTTP/1.1 200" in run(*arguments, *certificate, "-sess_out", session, text_in=request).out

    def resumes():
        again = run(*arguments, *certificate, "-sess_in", session, text_in=request).out
        assert ("Reused, TLSv" in again) == ("HTTP/1.1 200" in again), again
        return "Reused, TLSv" in again

    assert resumes()
    wait_until(lambda: not resumes(), "the session to end with the CRL", 40)
    hop.error_log.wait_for(refused_for("12:CRL has expired"))
