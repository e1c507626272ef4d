"""TLS towards targets: each way it fails is told apart (status, error log, JSON log, Proxy-Status), and nothing that
was agreed on under one setting is used under another."""
import signal
import ssl

import pytest

from lab import behaviours
from lab.client import run
from lab.lab import merge, service_to

CA_ID = "5f0c2f5e-7f52-4f38-9d6c-0f8d9a3f1b11"
CERTIFICATE_IDS = ["7d1f3c52-1d3e-4f0a-9d5c-0a3b8f5e1c01", "7d1f3c52-1d3e-4f0a-9d5c-0a3b8f5e1c02"]
V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def trusting(lab, declarative):
    return merge(declarative, {"ca_certificates": [{"id": CA_ID, "cert": lab.pki.root.read_text()}]})


def verified(lab, origin, persona="edge", conf=None, **service):
    """A hop that verifies the origin against the lab's root."""
    settings = {"tls_verify": True, "ca_certificates": [CA_ID], **service}
    declarative = trusting(lab, service_to(origin, protocol="https", **settings))
    return lab.hop(declarative, persona=persona, conf={"hopgate_proxy_status": "on", **(conf or {})})


def ask(lab, hop, host="127.0.0.1"):
    """One request; a target's certificate stands for 127.0.0.1 or for origin.test."""
    return lab.client(hop).get("/", fields=[("Host", host)])


def failure_of(lab, hop, status=502, **options):
    """(the answer, its access log entry)"""
    answer = ask(lab, hop, **options)
    assert answer.status == status, answer.text
    return answer, hop.access_log.last()


def context(lab, name="origin", version=None, chain=True, ciphers=None, client_certificate=False):
    made = lab.pki.server_context(name, chain)
    if version:
        made.minimum_version = made.maximum_version = version
    if ciphers:
        made.set_ciphers(ciphers)
    if client_certificate:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(lab.pki.root)
    return made


def make_pair(lab, tmp_path, *options):
    """A certificate that is its own issuer."""
    key, cert = tmp_path / "made.key", tmp_path / "made.pem"
    done = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
               "-out", cert, "-subj", "/CN=made here", "-days", "2", *options)
    assert done.code == 0, done.err
    return cert, key


def self_signed(lab, tmp_path):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*make_pair(lab, tmp_path, "-addext", "subjectAltName=IP:127.0.0.1"))
    return made


# what is wrong with the certificate: context of the origin, reason, phrase, words of the explanation
CERTIFICATES = {
    "expired": (lambda lab, tmp: context(lab, "expired"), "UPSTREAM_CERT_EXPIRED",
                "upstream SSL certificate verify error: (10:certificate has expired)", ["expired on", "origin.test"]),
    "not yet valid": (lambda lab, tmp: context(lab, "future"), "UPSTREAM_CERT_NOT_YET_VALID",
                      "upstream SSL certificate verify error: (9:certificate is not yet valid)",
                      ["is not valid before", "clock"]),
    "missing intermediate": (lambda lab, tmp: context(lab, chain=False), "UPSTREAM_CERT_UNKNOWN_ISSUER",
                             "upstream SSL certificate verify error: (20:unable to get local issuer certificate)",
                             ['the issuer "CN=hopgate throw-away intermediate"', "intermediates may be missing"]),
    "self-signed": (self_signed, "UPSTREAM_CERT_SELF_SIGNED",
                    "upstream SSL certificate verify error: (18:self-signed certificate)",
                    ['"CN=made here" is self-signed']),
    "wrong name": (lambda lab, tmp: context(lab, "wild"), "UPSTREAM_TLS_NAME",
                   'upstream SSL certificate does not match "127.0.0.1"', ['not for "127.0.0.1"', "*.wild.test"]),
}


@pytest.mark.parametrize("what", CERTIFICATES)
def test_a_certificate_that_fails_says_why(lab, tmp_path, what):
    make, reason, phrase, words = CERTIFICATES[what]
    hop = verified(lab, lab.origin(tls=make(lab, tmp_path)))
    answer, entry = failure_of(lab, hop)
    (line,) = hop.error_log.wait_for(f"{phrase} while SSL handshaking to upstream, client: 127.0.0.1")
    assert (entry["reason"], entry["tries"][0]["reason"], entry["fault"]) == (reason, reason, "upstream")
    assert entry["tries"][0]["tls_verify"] == "on"
    status = answer.fields.get("Proxy-Status")
    assert "; error=tls_certificate_error; details=" in status
    for word in [*words, "presented: subject", "trusted: ca_certificates of services[0]"]:
        assert word in entry["explanation"], entry["explanation"]
        assert word.replace('"', '\\"') in status, status
    assert 'explanation: "' in line


def test_a_stranger_s_root_in_the_chain_is_named(lab, tmp_path):
    cert, key = make_pair(lab, tmp_path, "-addext", "subjectAltName=IP:127.0.0.1")
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain = tmp_path / "chain.pem"
    chain.write_text(lab.pki.chain("origin").read_text() + lab.pki.root.read_text())
    stranger.load_cert_chain(chain, lab.pki.key("origin"))
    origin = lab.origin(tls=stranger)
    declarative = merge(service_to(origin, protocol="https", tls_verify=True, ca_certificates=[CA_ID]),
                        {"ca_certificates": [{"id": CA_ID, "cert": cert.read_text()}]})
    hop = lab.hop(declarative, persona="edge")
    _, entry = failure_of(lab, hop)
    assert entry["reason"] == "UPSTREAM_CERT_UNKNOWN_ISSUER"
    assert 'the chain ends at "CN=hopgate throw-away root"' in entry["explanation"]


def test_kong_s_error_line_is_nginx_s_and_no_more(lab):
    hop = verified(lab, lab.origin(tls=context(lab, "expired")), persona="kong")
    failure_of(lab, hop)
    (line,) = hop.error_log.wait_for("verify error: (10:certificate has expired) while SSL handshaking to upstream")
    assert "explanation" not in line and line.rstrip('"').split('request_id: "')[1].isalnum()


# the handshake itself

HANDSHAKES = {
    "no cipher in common": (lambda lab: context(lab, "rsa", V1_2, ciphers="AES256-SHA:@SECLEVEL=0"), "UPSTREAM_TLS_MISMATCH",
                            "SSL_do_handshake() failed (SSL: error:0A000410:SSL routines::sslv3 alert handshake failure:"
                            "SSL alert number 40)", "handshake_failure", "no cipher suite or group in common"),
    "old version only": (lambda lab: context(lab, "rsa", ssl.TLSVersion.TLSv1_1, ciphers="ALL:@SECLEVEL=0"),
                         "UPSTREAM_TLS_MISMATCH",
                         "SSL_do_handshake() failed (SSL: error:0A00042E:SSL routines::tlsv1 alert protocol version:"
                         "SSL alert number 70)", "protocol_version", "none of the TLS versions offered"),
    "client certificate wanted, TLS 1.2": (lambda lab: context(lab, version=V1_2, client_certificate=True),
                                           "UPSTREAM_TLS_CLIENT_CERT",
                                           "SSL_do_handshake() failed (SSL: error:0A000410:SSL routines::sslv3 alert "
                                           "handshake failure:SSL alert number 40)", "handshake_failure",
                                           "upstream requested a client certificate and none is configured"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("what", HANDSHAKES)
def test_an_alert_in_the_handshake_is_named_and_explained(lab, what):
    make, reason, phrase, alert, words = HANDSHAKES[what]
    hop = verified(lab, lab.origin(tls=make(lab)))
    answer, entry = failure_of(lab, hop)
    hop.error_log.wait_for(f"{phrase} while SSL handshaking to upstream")
    assert (entry["reason"], entry["tries"][0]["tls_alert"]) == (reason, alert)
    assert words in entry["explanation"]
    assert words in answer.fields.get("Proxy-Status")


def test_a_missing_client_certificate_in_tls_1_3_is_seen_with_the_first_read(lab):
    """Our handshake is complete when the target refuses; that must not look like a connection that was just closed."""
    hop = verified(lab, lab.origin(tls=context(lab, version=V1_3, client_certificate=True)))
    answer, entry = failure_of(lab, hop)
    hop.error_log.wait_for("SSL_read() failed (SSL: error:0A00045C:SSL routines::tlsv13 alert certificate required:"
                           "SSL alert number 116) while reading response header from upstream")
    assert (entry["reason"], entry["tries"][0]["tls_alert"]) == ("UPSTREAM_HEAD_CLIENT_CERT", "certificate_required")
    assert "upstream requested a client certificate and none is configured" in entry["explanation"]
    assert "; error=tls_alert_received; alert-id=116; alert-message=certificate_required;" in answer.fields.get("Proxy-Status")


@pytest.mark.parametrize("version", [V1_2, V1_3])
def test_a_refused_client_certificate_is_shown_with_the_alert(lab, tmp_path, version):
    cert, key = make_pair(lab, tmp_path)
    certificate = {"id": CERTIFICATE_IDS[0], "cert": cert.read_text(), "key": key.read_text()}
    origin = lab.origin(tls=context(lab, version=version, client_certificate=True))
    hop = lab.hop(merge(service_to(origin, protocol="https", client_certificate={"id": CERTIFICATE_IDS[0]}),
                        {"certificates": [certificate]}), persona="kong")
    _, entry = failure_of(lab, hop)
    assert entry["tries"][0]["tls_alert"] == "unknown_ca"
    assert entry["reason"] == ("UPSTREAM_TLS_ALERT" if version == V1_2 else "UPSTREAM_HEAD_TLS_ALERT")
    assert 'we showed "CN=made here"' in entry["explanation"]


# no TLS at all

@pytest.mark.parametrize("greeting, says", [
    (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "the target speaks plain HTTP"),
    (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "the target is an SSH server"),
    (b"220 mail.test ESMTP\r\n", "SMTP or FTP"),
    (b"\0\0\6\4\0\0\0\0\0\0\0\3\x7f\xff\xff\xff", "HTTP/2 without TLS"),
    (b"hello, world\r\n", "does not speak TLS on this port: its first bytes are \"hello, world\""),
])
def test_what_is_not_tls_is_recognised_by_its_first_bytes(lab, greeting, says):
    hop = verified(lab, lab.origin(on_connect=behaviours.raw(greeting, then="close")))
    answer, entry = failure_of(lab, hop)
    hop.error_log.wait_for("SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number) while SSL "
                           "handshaking to upstream")
    assert entry["reason"] == "UPSTREAM_TLS_NOT_TLS"
    assert says in entry["explanation"]
    assert "error=tls_protocol_error" in answer.fields.get("Proxy-Status")


@pytest.mark.parametrize("behaviour, phrase", [
    (behaviours.close, "peer closed connection in SSL handshake while SSL handshaking to upstream"),
    (behaviours.reset, "peer closed connection in SSL handshake (104: Connection reset by peer) while SSL handshaking to "
     "upstream"),
])
def test_a_target_that_leaves_during_the_handshake(lab, behaviour, phrase):
    hop = verified(lab, lab.origin(on_connect=behaviour()))
    _, entry = failure_of(lab, hop)
    hop.error_log.wait_for(phrase)
    assert entry["reason"] == "UPSTREAM_TLS_CLOSED"
    assert "without a byte" in entry["explanation"]


def test_a_target_that_is_silent_is_504(lab):
    hop = verified(lab, lab.origin(on_connect=behaviours.hang()), connect_timeout=300)
    answer, entry = failure_of(lab, hop, status=504)
    hop.error_log.wait_for("upstream timed out (110: Connection timed out) while SSL handshaking to upstream")
    assert entry["reason"] == "UPSTREAM_TLS_TIMEOUT"
    assert "sent nothing in the handshake" in entry["explanation"]
    assert "error=connection_timeout" in answer.fields.get("Proxy-Status")


def test_a_refused_connection_is_no_matter_of_tls(lab):
    hop = verified(lab, lab.refusing_port())
    _, entry = failure_of(lab, hop)
    assert entry["reason"] == "CONNECT_REFUSED" and "explanation" not in entry


# what is verified, and what is sent

def sni_origin(lab, seen, **options):
    """Notes the server name of each handshake (None: none was sent)."""
    made = context(lab, **options)
    made.sni_callback = lambda sock, name, ctx: seen.append(name)
    return lab.origin(tls=made, content=b"from tls")


def test_kong_sends_the_host_without_its_port_as_server_name(lab):
    seen = []
    origin = sni_origin(lab, seen)
    hop = lab.kong(origin, protocol="https", route={"preserve_host": True})
    for host in ("shop.test:8443", "other.test", "127.0.0.1"):
        assert ask(lab, hop, host).content == b"from tls"
    assert seen == ["shop.test", "other.test", None], "an address is no server name"


@pytest.mark.parametrize("how, wanted", [("host_header", "up.test"), ("target name", "app.test"),
                                         ("target address", None), ("service.host", "app.test")])
def test_kong_s_server_name_follows_the_host_that_it_sends(lab, how, wanted):
    """proxy_ssl_name is the Host value without its port; an address is no server name."""
    seen = []
    origin = sni_origin(lab, seen)
    hosts = lab.directory / "hosts"
    hosts.write_text("127.0.0.1 app.test\n")
    entities = service_to(origin, protocol="https")
    if how == "service.host":
        entities["services"][0]["host"] = "app.test"
    else:
        target = ("app.test" if how == "target name" else origin.host, origin.port)
        entities["services"][0]["host"] = "the.upstream"
        entities["upstreams"] = [{"name": "the.upstream", "targets": [{"target": "{}:{}".format(*target)}],
                                  **({"host_header": "up.test"} if how == "host_header" else {})}]
    hop = lab.hop(entities, conf={"dns_hostsfile": hosts})
    assert lab.client(hop).get("/").content == b"from tls"
    assert seen == [wanted]
    assert origin.requests[0].fields.get("Host") == f"{wanted or origin.host}:{origin.port}"


def test_edge_verifies_names_but_not_addresses_and_says_so(lab):
    hop = lab.edge(lab.origin(tls=context(lab), content=b"from tls"), protocol="https", name="plain-ip")
    assert ask(lab, hop).status == 200
    assert hop.access_log.last()["tries"][0]["tls_verify"] == "off"
    hop.error_log.wait_for("certificates of 1 https service are not verified: plain-ip;")


def test_edge_does_not_trust_what_it_cannot_verify(lab):
    """The name that is verified is the configured one: no client can choose it with Host."""
    origin = lab.origin(tls=context(lab), content=b"from tls")
    hop = lab.edge(("localhost", origin.port), protocol="https")
    _, entry = failure_of(lab, hop, host="origin.test")
    assert entry["reason"] == "UPSTREAM_CERT_UNKNOWN_ISSUER"
    assert "trusted: the system's certificates" in entry["explanation"]
    trusting_hop = lab.edge(("localhost", origin.port), protocol="https",
                            conf={"lua_ssl_trusted_certificate": lab.pki.root})
    _, entry = failure_of(lab, trusting_hop, host="origin.test")
    assert entry["reason"] == "UPSTREAM_TLS_NAME"
    assert 'not for "localhost", it is for origin.test, 127.0.0.1' in entry["explanation"]


def test_verification_can_be_switched_by_kong_conf_and_the_service_goes_first(lab):
    origin = lab.origin(tls=context(lab), content=b"from tls")
    conf = {"nginx_proxy_proxy_ssl_verify": "on", "nginx_proxy_proxy_ssl_trusted_certificate": lab.pki.root}
    strict = lab.kong(origin, protocol="https", conf=conf)
    assert ask(lab, strict).content == b"from tls"
    assert strict.access_log.last()["tries"][0]["tls_verify"] == "on"
    shallow = lab.kong(origin, protocol="https", conf={**conf, "nginx_proxy_proxy_ssl_verify_depth": 0})
    _, entry = failure_of(lab, shallow)
    assert entry["detail"] == "22:certificate chain too long"
    off = lab.kong(origin, protocol="https", tls_verify=False, conf={**conf, "nginx_proxy_proxy_ssl_verify_depth": 0})
    assert ask(lab, off).content == b"from tls"


@pytest.mark.parametrize("protocols, agreed", [("TLSv1.2", "TLSv1.2"), ("TLSv1.2 TLSv1.3", "TLSv1.3")])
def test_versions_towards_targets_can_be_limited(lab, protocols, agreed):
    origin = lab.origin(tls=context(lab), content=b"from tls")
    versions = []
    origin.otherwise(lambda connection, request: (versions.append(connection.sock.version()),
                                                  behaviours.answer(b"ok")(connection, request)))
    hop = lab.kong(origin, protocol="https", conf={"nginx_proxy_proxy_ssl_protocols": protocols})
    assert ask(lab, hop).status == 200
    assert versions == [agreed]


# client certificates

def peer_name(connection):
    subject = (connection.sock.getpeercert() or {}).get("subject", ())
    return dict(pair for pairs in subject for pair in pairs).get("commonName", "nobody")


def naming_origin(lab, version=None):
    """Answers with the name in the client's certificate; asks for one, takes none as well."""
    made = context(lab, version=version)
    made.verify_mode = ssl.CERT_OPTIONAL
    made.load_verify_locations(lab.pki.root)
    origin = lab.origin(tls=made)
    return origin.otherwise(lambda connection, request: behaviours.answer(peer_name(connection).encode())(connection, request))


def entity(lab, index, name):
    return {"id": CERTIFICATE_IDS[index], **lab.pki.certificate(name)}


@pytest.mark.parametrize("version", [V1_2, V1_3])
def test_services_with_the_same_target_never_share_a_client_certificate(lab, version):
    """Neither a kept connection nor a session made with one certificate serves a service with another, or with none."""
    origin = naming_origin(lab, version)
    services = [service_to(origin, name=name, paths=[f"/{name}"], protocol="https", **options) for name, options in [
        ("client", {"client_certificate": {"id": CERTIFICATE_IDS[0]}}),
        ("other", {"client_certificate": {"id": CERTIFICATE_IDS[1]}}),
        ("nobody", {})]]
    hop = lab.hop(merge(*services, {"certificates": [entity(lab, 0, "client"), entity(lab, 1, "other")]}), persona="kong",
                  conf={"nginx_worker_processes": "1"})
    client = lab.client(hop)
    names = ["client", "other", "nobody"]
    said = [client.get(f"/{name}").text for name in 2 * names]
    assert said == 2 * ["client.test", "other.test", "nobody"]
    assert len(origin.connections) == 3, "each kept its own connection"
    for connection in origin.connections:
        connection.drop()
    said = [client.get(f"/{name}").text for name in names]
    assert said == ["client.test", "other.test", "nobody"], "and its own session"


def test_certificate_of_the_upstream_and_of_kong_conf_stand_in_for_the_service_s(lab):
    origin = naming_origin(lab)
    other = lab.refusing_port()
    declarative = service_to(origin, other, protocol="https", retries=2)
    declarative["upstreams"][0]["client_certificate"] = {"id": CERTIFICATE_IDS[0]}
    conf = {"client_ssl": "on", "client_ssl_cert": lab.pki.chain("other"), "client_ssl_cert_key": lab.pki.key("other")}
    of_upstream = lab.hop(merge(declarative, {"certificates": [entity(lab, 0, "client")]}), persona="kong", conf=conf)
    assert ask(lab, of_upstream).text == "client.test"
    assert ask(lab, lab.kong(origin, protocol="https", conf=conf)).text == "other.test"


def test_client_ssl_without_a_certificate_is_refused_at_start(lab, hopgate, tmp_path):
    (tmp_path / "kong.conf").write_text("client_ssl = on\nproxy_listen = 127.0.0.1:0\n")
    (tmp_path / "kong.yaml").write_text('_format_version: "3.0"\n')
    done = hopgate("check", "-c", "kong.conf", "kong.yaml")
    assert done.code == 78
    assert "kong.conf:1" in done.err + done.out and "client_ssl_cert is not set" in done.err + done.out


# sessions

def resuming_origin(lab, version):
    """Answers whether the handshake resumed a session; one request per connection."""
    origin = lab.origin(tls=context(lab, version=version))
    return origin.otherwise(lambda connection, request: behaviours.answer(
        b"resumed" if connection.sock.session_reused else b"full", fields=[("Connection", "close")])(connection, request))


@pytest.mark.parametrize("version", [V1_2, V1_3])
def test_the_second_connection_resumes(lab, version):
    origin = resuming_origin(lab, version)
    hop = verified(lab, origin, conf={"nginx_worker_processes": "1"})
    assert [ask(lab, hop).text for _ in range(3)] == ["full", "resumed", "resumed"]
    assert len(origin.connections) == 3


@pytest.mark.parametrize("version", [V1_2, V1_3])
def test_a_session_is_not_used_under_another_setting(lab, version):
    origin = resuming_origin(lab, version)
    services = [service_to(origin, name=name, paths=[f"/{name}"], protocol="https", **options) for name, options in [
        ("unverified", {}), ("verified", {"tls_verify": True, "ca_certificates": [CA_ID]})]]
    hop = lab.hop(trusting(lab, merge(*services)), persona="kong",
                  conf={"nginx_worker_processes": "1", "lua_ssl_trusted_certificate": lab.pki.root})
    client = lab.client(hop)
    said = [client.get(path, fields=[("Host", "127.0.0.1")]).text for path in 2 * ["/unverified", "/verified"]]
    assert said == ["full", "full", "resumed", "resumed"]


def test_session_reuse_can_be_switched_off(lab):
    origin = resuming_origin(lab, V1_3)
    hop = verified(lab, origin, conf={"nginx_worker_processes": "1", "nginx_proxy_proxy_ssl_session_reuse": "off"})
    assert [ask(lab, hop).text for _ in range(2)] == ["full", "full"]


def test_connections_and_sessions_outlive_a_reload(lab):
    origin = lab.origin(tls=context(lab), content=b"from tls")
    hop = verified(lab, origin, conf={"nginx_worker_processes": "1"})
    assert ask(lab, hop).content == b"from tls"
    hop.signal(signal.SIGHUP)
    hop.error_log.wait_for("configuration 2 is in force")
    assert ask(lab, hop).content == b"from tls"
    assert len(origin.connections) == 1
