"""Who the client is by its certificate: told from hop to hop, in every family of fields, and by nobody else."""
import base64
import hashlib
import ssl
import urllib.parse

import pytest

from lab.client import run
from lab.lab import merge, service_to

CA_ID = "5f0c2f5e-7f52-4f38-9d6c-0f8d9a3f1b21"
SPOOFED = ["Client-Cert", "client_cert", "Client-Cert-Chain", "X-SSL-Client-Verify", "x_ssl_client_cert", "X-SSL-Client-S-DN",
           "X-Forwarded-Client-Cert", "X_Forwarded-Client-Cert", "X-Amzn-Mtls-Clientcert", "X-Amzn-Mtls-Clientcert-Subject"]
TRUST = {"trusted_ips": "127.0.0.0/8"}


def der(lab, name):
    return ssl.PEM_cert_to_DER_cert(lab.pki.clients.text(f"{name}.pem"))


def sequence(lab, name):
    """RFC 9440's spelling."""
    return f":{base64.b64encode(der(lab, name)).decode()}:"


def escaped(lab, *names, safe=""):
    return urllib.parse.quote(lab.pki.clients.text(*(f"{name}.pem" for name in names)), safe=safe)


def about(lab, name, *what):
    return run("openssl", "x509", "-in", lab.pki.clients.pem(name), "-noout", *what).out.strip().split("=", 1)[1]


def verifying(lab, mode="on", **more):
    return {"nginx_proxy_ssl_verify_client": mode, "nginx_proxy_ssl_client_certificate": lab.pki.clients.pem("root"), **more}


def with_certificate(lab, hop, name="good", above=("ca.pem",), server_name="edge.test"):
    """A connection whose client shows that certificate."""
    context = lab.pki.client_context(verify=False)
    context.load_cert_chain(lab.pki.clients.joined(f"{name}.pem", *above), lab.pki.clients.key(name))
    return lab.client(hop, tls=context, server_name=server_name)


@pytest.fixture
def origin(lab):
    return lab.origin(content=b"x")


def told(request):
    """All that the request says of a client certificate."""
    prefixes = ("client-cert", "client_cert", "x-ssl", "x_ssl", "x-forwarded-client", "x_forwarded-client", "x-amzn-mtls")
    return [(name, value) for name, value in request.fields if name.lower().startswith(prefixes)]


def rfc9440(lab, name="good", chain=("ca",)):
    return [("Client-Cert", sequence(lab, name)), ("Client-Cert-Chain", ", ".join(sequence(lab, each) for each in chain))]


def x_ssl_client(lab):
    return [("X-SSL-Client-Verify", "SUCCESS"), ("X-SSL-Client-Cert", escaped(lab, "good")),
            ("X-SSL-Client-S-DN", about(lab, "good", "-subject", "-nameopt", "RFC2253")),
            ("X-SSL-Client-I-DN", about(lab, "good", "-issuer", "-nameopt", "RFC2253")),
            ("X-SSL-Client-Serial", about(lab, "good", "-serial")),
            ("X-SSL-Client-Fingerprint", hashlib.sha1(der(lab, "good")).hexdigest()),
            ("X-SSL-Client-NotBefore", about(lab, "good", "-startdate")),
            ("X-SSL-Client-NotAfter", about(lab, "good", "-enddate"))]


def xfcc(lab):
    digest = hashlib.sha256(der(lab, "good")).hexdigest()
    return [("X-Forwarded-Client-Cert", f'Hash={digest};Cert="{escaped(lab, "good")}";Chain="{escaped(lab, "good", "ca")}";'
             f'Subject="{about(lab, "good", "-subject", "-nameopt", "RFC2253")}";URI=spiffe://client.test/good;DNS=good.client.test')]


def alb(lab):
    return [("X-Amzn-Mtls-Clientcert-Serial-Number", about(lab, "good", "-serial")),
            ("X-Amzn-Mtls-Clientcert-Issuer", about(lab, "good", "-issuer", "-nameopt", "RFC2253")),
            ("X-Amzn-Mtls-Clientcert-Subject", about(lab, "good", "-subject", "-nameopt", "RFC2253")),
            ("X-Amzn-Mtls-Clientcert-Validity", "NotBefore=2024-01-01T00:00:00Z;NotAfter=2089-12-31T00:00:00Z"),
            ("X-Amzn-Mtls-Clientcert-Leaf", escaped(lab, "good", safe="+/="))]


def nothing(lab):
    return []


# told onwards


@pytest.mark.parametrize("persona, family, wanted", [
    ("edge", None, rfc9440), ("f5", None, x_ssl_client), ("kong", None, nothing),
    ("kong", "rfc9440", rfc9440), ("edge", "x-ssl-client", x_ssl_client), ("edge", "xfcc", xfcc), ("f5", "alb", alb),
    ("edge", "none", nothing),
])
@pytest.mark.rules("f5 request.client_cert_fields")
def test_certificate_is_told_in_the_family_of_the_persona_or_the_setting(lab, origin, persona, family, wanted):
    hop = lab.hop(service_to(origin), persona=persona, tls=True, conf=verifying(lab, hopgate_client_cert_fields=family))
    client = with_certificate(lab, hop)
    for _ in range(2):
        assert client.get("/").status == 200
    assert [told(request) for request in origin.requests] == [wanted(lab)] * 2


def test_alb_passthrough_hands_on_the_chain_unverified(lab, origin):
    hop = lab.hop(service_to(origin), persona="edge", tls=True,
                  conf={"nginx_proxy_ssl_verify_client": "optional_no_ca", "hopgate_client_cert_fields": "alb"})
    with_certificate(lab, hop).get("/")
    assert told(origin.requests[0]) == [("X-Amzn-Mtls-Clientcert", escaped(lab, "good", "ca", safe="+/="))]


def test_anonymous_client_is_told_of_by_silence(lab, origin):
    edge = lab.hop(service_to(origin), persona="edge", tls=True,
                   conf=verifying(lab, "optional", hopgate_client_cert_fields="x-ssl-client"))
    assert lab.client(edge, tls=True).get("/").status == 200
    assert told(origin.requests[0]) == []
    assert "certificate" not in edge.access_log.last()["client"]


def test_certificate_passes_a_kong_between_edge_and_origin(lab, origin):
    """client --mTLS--> edge --> kong --> origin: Kong hands on what edge wrote, and the client's own copies died at the edge."""
    kong = lab.kong(origin)
    edge = lab.hop(service_to(kong), persona="edge", tls=True, conf=verifying(lab))
    with_certificate(lab, edge).get("/", [(name, "forged") for name in SPOOFED])
    assert told(origin.requests[0]) == rfc9440(lab)
    assert "forged" not in str(list(origin.requests[0].fields))


@pytest.mark.parametrize("family", [None, "none", "rfc9440", "xfcc"])
@pytest.mark.parametrize("persona", ["edge", "f5"])
@pytest.mark.rules("f5 request.remove_identity")
def test_forged_identity_never_passes_edge_and_f5(lab, origin, persona, family):
    hop = lab.hop(service_to(origin), persona=persona, conf={"hopgate_client_cert_fields": family, **TRUST})
    forged = [(name, "forged") for name in SPOOFED for _ in range(2)]
    client = lab.client(hop)
    assert client.get("/", [*forged, ("X-Mine", "kept")]).status == 200
    trailers = "".join(f"{name}: forged\r\n" for name in [*SPOOFED]) + "X-Sum: 1\r\n"
    client.send(client.request_bytes("POST", "/", [("Transfer-Encoding", "chunked")], b"") + f"1\r\nx\r\n0\r\n{trailers}\r\n".encode())
    assert client.read_response("POST").status == 200
    assert "forged" not in str([list(request.fields) + list(request.trailers) for request in origin.requests])
    assert origin.requests[0].fields.get("X-Mine") == "kept"
    assert ("X-Sum", "1") in origin.requests[1].trailers


def test_kong_lets_pass_what_it_does_not_write(lab, origin):
    kong = lab.kong(origin, conf={"hopgate_client_cert_fields": "rfc9440"})
    lab.client(kong).get("/", [(name, "forged") for name in SPOOFED])
    assert [name for name, _ in told(origin.requests[0])] == SPOOFED[3:]


def test_chain_that_fits_no_line_is_left_out_and_logged_once(lab, origin):
    edge = lab.hop(service_to(origin), persona="edge", tls=True, conf=verifying(lab))
    client = with_certificate(lab, edge, above=["ca.pem"] * 20)
    for _ in range(3):
        assert client.get("/").status == 200
    assert [told(request) for request in origin.requests] == [[("Client-Cert", sequence(lab, "good"))]] * 3
    edge.error_log.wait_for("[warn]", 'does not fit a line of 8000 bytes: "Client-Cert-Chain" is sent without')
    edge.access_log.wait(3)
    assert len(edge.error_log.lines("does not fit a line")) == 1


@pytest.mark.parametrize("name, above, verify", [("good", ["ca.pem"], "SUCCESS"), ("stranger", [], "FAILED:unable to verify the first certificate")])
def test_access_log_names_the_certificate(lab, origin, name, above, verify):
    edge = lab.hop(service_to(origin), persona="edge", tls=True, conf=verifying(lab, "optional_no_ca"))
    with_certificate(lab, edge, name, above).get("/")
    assert edge.access_log.last()["client"]["certificate"] == {
        "subject": about(lab, name, "-subject", "-nameopt", "RFC2253"), "issuer": about(lab, name, "-issuer", "-nameopt", "RFC2253"),
        "serial": about(lab, name, "-serial"), "fingerprint_sha256": hashlib.sha256(der(lab, name)).hexdigest(),
        "verify": verify, "from": "handshake"}


# taken from a trusted hop


def inner_conf(lab, mode="on", field="client-cert", **more):
    return verifying(lab, mode, hopgate_trusted_client_cert_field=field, **{**TRUST, **more})


@pytest.fixture
def inner(lab, origin):
    """The hop behind: plain, trusts its peers' field."""
    def started(mode="on", field="client-cert", persona="edge", **more):
        return lab.hop(service_to(origin), persona=persona, name="inner", conf=inner_conf(lab, mode, field, **more))

    return started


@pytest.mark.parametrize("family, field, chain", [
    ("rfc9440", "client-cert", True), ("xfcc", "xfcc", True),
    ("x-ssl-client", "x-ssl-client-cert", False), ("alb", "x-amzn-mtls-clientcert-leaf", False),
])
def test_certificate_crosses_two_hops_and_is_verified_twice(lab, origin, inner, family, field, chain):
    """client --mTLS--> front (writes the family) --> inner (reads the field, verifies, writes RFC 9440) --> origin."""
    clients = lab.pki.clients
    trusted = clients.pem("root") if chain else clients.joined("root.pem", "ca.pem")  # without the chain inner needs the CA
    behind = inner(field=field, nginx_proxy_ssl_client_certificate=trusted)
    front = lab.hop(service_to(behind), persona="edge", name="front", tls=True, conf=verifying(lab, hopgate_client_cert_fields=family))
    client = with_certificate(lab, front)
    for _ in range(3):
        assert client.get("/", [("Client-Cert", "forged")]).status == 200
    wanted = rfc9440(lab) if chain else rfc9440(lab)[:1]
    assert [told(request) for request in origin.requests] == [wanted] * 3
    certificate = behind.access_log.wait(3)[-1]["client"]["certificate"]
    assert (certificate["verify"], certificate["from"]) == ("SUCCESS", "field")
    assert certificate["subject"] == about(lab, "good", "-subject", "-nameopt", "RFC2253")


def test_tls_between_the_hops_asks_the_hop_for_nothing(lab, origin):
    """inner requires certificates of clients and refuses by alert; front has none of its own."""
    behind = lab.hop(service_to(origin), persona="edge", name="inner", tls=True,
                     conf=inner_conf(lab, hopgate_client_verify_refusal="alert", hopgate_unknown_sni="default"))
    front = lab.hop(service_to(behind.https, protocol="https"), persona="edge", name="front", tls=True, conf=verifying(lab, "optional"))
    assert with_certificate(lab, front).get("/").status == 200
    assert told(origin.requests[0]) == rfc9440(lab)
    assert lab.client(front, tls=True).get("/").status == 400
    behind.error_log.wait_for("client sent no required SSL certificate while reading client request headers")
    assert len(origin.requests) == 1


def test_what_the_hop_shows_itself_does_not_count(lab, origin):
    behind = lab.hop(service_to(origin), persona="edge", name="inner", tls=True, conf=inner_conf(lab))
    client = with_certificate(lab, behind)
    assert client.get("/", [("Client-Cert", sequence(lab, "no_eku")), ("Client-Cert-Chain", sequence(lab, "ca"))]).status == 200
    assert told(origin.requests[0]) == rfc9440(lab, "no_eku")
    assert client.get("/").status == 400
    assert behind.access_log.last(2).reason == "CLIENT_CERT_MISSING"


WRONG = {"expired": ("expired", "ca", "10:certificate has expired"), "not yet valid": ("future", "ca", "9:certificate is not yet valid"),
         "wrong CA": ("stranger", "other_root", "19:self-signed certificate in certificate chain"),
         "intermediate missing": ("good", "other_root", "21:unable to verify the first certificate"),
         "for servers only": ("server_only", "ca", "26:unsuitable certificate purpose"),
         "revoked": ("revoked", "ca", "23:certificate revoked")}
PAGE = "<center>{}</center>"


@pytest.mark.parametrize("mode", ["on", "optional"])
@pytest.mark.parametrize("case", WRONG)
def test_wrong_certificate_in_the_field_gets_the_page_of_a_handshake(lab, origin, inner, case, mode):
    name, above, error = WRONG[case]
    behind = inner(mode, persona="kong", nginx_proxy_ssl_crl=lab.pki.clients.crls() if case == "revoked" else None)
    answer = lab.client(behind).get("/", [("Client-Cert", sequence(lab, name)), ("Client-Cert-Chain", sequence(lab, above))])
    assert (answer.status, PAGE.format("The SSL certificate error") in answer.text) == (400, True)
    behind.error_log.wait_for("[info]", f"client SSL certificate verify error: ({error}) while reading client request headers")
    entry = behind.access_log.last()
    assert (entry.reason, entry["client"]["certificate"]["verify"]) == ("CLIENT_CERT_INVALID", "FAILED:" + error.split(":", 1)[1])
    assert origin.requests == []


@pytest.mark.parametrize("mode, status", [("on", 400), ("optional", 200)])
def test_absent_field_is_an_absent_certificate(lab, origin, inner, mode, status):
    behind = inner(mode, persona="kong")
    answer = lab.client(behind).get("/", [("X-SSL-Client-Cert", escaped(lab, "good"))])
    assert answer.status == status
    if status == 400:
        assert PAGE.format("No required SSL certificate was sent") in answer.text
        assert behind.access_log.last().reason == "CLIENT_CERT_MISSING"


@pytest.mark.parametrize("fields, said", [
    ([("Client-Cert", "garbage")], '"Client-Cert" field that is no byte sequence'),
    ([("Client-Cert", ":Z2FyYmFnZQ==:")], '"Client-Cert" field whose certificate 1 is damaged'),
    ([("Client-Cert", "GOOD"), ("Client-Cert", "GOOD")], '"Client-Cert" field that is given twice'),
    ([("Client-Cert", "GOOD"), ("Client-Cert-Chain", ":AAAA:")], '"Client-Cert" field whose certificate 2 is damaged'),
    ([("Client-Cert-Chain", "GOOD")], '"Client-Cert-Chain" field that comes without the certificate'),
])
def test_damaged_field_of_a_trusted_hop_is_a_bad_request(lab, origin, inner, fields, said):
    behind = inner("optional")
    answer = lab.client(behind).get("/", [(name, value.replace("GOOD", sequence(lab, "good"))) for name, value in fields])
    assert answer.status == 400
    behind.error_log.wait_for("[info]", f"trusted peer sent a {said}")
    assert behind.access_log.last().reason == "CLIENT_HEAD_INVALID"
    assert origin.requests == []


@pytest.mark.parametrize("persona", ["edge", "kong"])
@pytest.mark.parametrize("mode, status", [("on", 200), ("optional", 200)])
def test_stranger_is_not_believed_and_its_field_is_dropped(lab, origin, inner, persona, mode, status):
    """A plain listener asks nobody else for a certificate: who is no trusted hop is anonymous."""
    behind = inner(mode, persona=persona, trusted_ips="192.0.2.1")
    client = lab.client(behind)
    assert client.get("/", [("Client-Cert", sequence(lab, "good")), ("client_cert", "x"), ("Client-Cert-Chain", "x")]).status == status
    assert told(origin.requests[0]) == []
    assert "certificate" not in behind.access_log.last()["client"]


def test_trusted_hop_cannot_tell_another_certificate_by_an_underscore(lab, origin, inner):
    """Behind CGI client_cert and Client-Cert are one variable, and this hop read only one of them."""
    behind = inner("on", persona="kong")
    fields = [("Client-Cert", sequence(lab, "good")), ("Client-Cert-Chain", sequence(lab, "ca")), ("client_cert", "x"),
              ("Client_Cert_Chain", "x")]
    assert lab.client(behind).get("/", fields).status == 200
    assert [name for name, _ in told(origin.requests[0])] == ["Client-Cert", "Client-Cert-Chain"]


def test_host_chooses_what_the_certificate_must_be(lab, origin):
    clients = lab.pki.clients
    mtls = {"ca_certificates": [{"id": CA_ID, "cert": clients.text("other_root.pem")}],
            "hopgate": {"mtls": [{"snis": ["partner.test"], "verify_client": "required", "ca_certificates": [CA_ID]}]}}
    behind = lab.hop(merge(service_to(origin), mtls), persona="kong", conf=inner_conf(lab))
    client = lab.client(behind)
    for host, name, chain, status in [("edge.test", "good", "ca", 200), ("partner.test", "stranger", "other_root", 200)]:
        fields = [("Host", f"{host}:80"), ("Client-Cert", sequence(lab, name)), ("Client-Cert-Chain", sequence(lab, chain))]
        assert client.get("/", fields).status == status, host
    for host, name in [("edge.test", "stranger"), ("partner.test", "good")]:
        fields = [("Host", host), ("Client-Cert", sequence(lab, name)), ("Client-Cert-Chain", sequence(lab, "ca"))]
        assert lab.client(behind).get("/", fields).status == 400, host


def test_last_element_of_xfcc_is_that_of_the_hop_before_us(lab, origin, inner):
    behind = inner(field="xfcc")
    forged = 'Hash=0;Cert="AAAA";Subject="CN=admin,O=\\"x\\""'
    own = f'Hash=1;Cert="{escaped(lab, "good")}";Chain="{escaped(lab, "good", "ca")}"'
    for value, status in ((f"{forged},{own}", 200), (f"{own},{forged}", 400)):
        assert lab.client(behind).get("/", [("X-Forwarded-Client-Cert", value)]).status == status
    assert told(origin.requests[0]) == rfc9440(lab)


@pytest.mark.parametrize("conf, said", [
    ({"hopgate_trusted_client_cert_field": "client-cert", **TRUST}, "because none is asked for"),
    ({"hopgate_trusted_client_cert_field": "client-cert", "nginx_proxy_ssl_verify_client": "optional_no_ca"}, "because trusted_ips is empty"),
])
def test_check_warns_of_a_field_that_is_never_believed(lab, hopgate, conf, said):
    hop = lab.make_hop(service_to(lab.refusing_port()), conf=conf)
    done = hopgate("check", "-c", hop.conf_path, hop.config_path)
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if said in line]
    assert ": warning: hopgate_trusted_client_cert_field" in line
