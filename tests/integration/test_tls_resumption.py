"""Sessions: what resumes them, and that none is a way into a name that needs a client certificate."""
import itertools
import os
import re

import pytest

from lab.client import run
from lab.lab import merge, service_to
from lab.wait import wait_until

CA_ID = "5f0c2f5e-7f52-4f38-9d6c-0f8d9a3f1b21"
VERSIONS = ["-tls1_2", "-tls1_3"]
KINDS = ["ticket", "id"]


def identity(clients, name):
    return ["-cert", clients.pem(name), "-cert_chain", clients.pem("ca"), "-key", clients.key(name)]


def s_client(hop, name, version, *arguments, client=None, host=None):
    """One request over openssl s_client; .out has the session's state and the answer."""
    address, port = hop.https
    certificate = identity(client, "good") if client else []
    return run("openssl", "s_client", "-connect", f"{address}:{port}", "-servername", name, version, "-ign_eof",
               *certificate, *arguments,
               text_in=f"GET / HTTP/1.1\r\nHost: {host or name}\r\nConnection: close\r\n\r\n")


def kind_arguments(kind):
    return ["-no_ticket"] if kind == "id" else []


def is_resumed(done):
    return "Reused, TLSv" in done.out


def status(done):
    found = re.search(r"HTTP/1\.1 (\d+) ", done.out)  # openssl writes its own words around it
    return int(found.group(1)) if found else None


@pytest.fixture
def start(lab):
    """open.test and edge.test ask for nothing, secure.test needs a certificate, soft.test takes one."""
    def started(refusal="page", **conf):
        clients = lab.pki.clients
        mtls = [{"snis": ["secure.test"], "verify_client": "required", "ca_certificates": [CA_ID]},
                {"snis": ["soft.test"], "verify_client": "optional", "ca_certificates": [CA_ID]}]
        declarative = merge(service_to(lab.origin(content=b"served")),
                            {"ca_certificates": [{"id": CA_ID, "cert": clients.text("root.pem")}],
                             "hopgate": {"mtls": mtls}})
        return lab.hop(declarative, tls=True, name=f"hop{len(lab.hops)}",
                       conf={"hopgate_client_verify_refusal": refusal, **conf})

    return started


@pytest.mark.parametrize("version, kind", [("-tls1_2", "ticket"), ("-tls1_2", "id"), ("-tls1_3", "ticket")])
def test_session_resumes_whichever_worker_it_meets(lab, start, version, kind, tmp_path):
    hop = start()
    session = tmp_path / "session"
    first = s_client(hop, "edge.test", version, *kind_arguments(kind), "-sess_out", session)
    assert not is_resumed(first) and status(first) == 200
    for _ in range(8):  # the kernel spreads connections over both workers
        again = s_client(hop, "edge.test", version, *kind_arguments(kind), "-sess_in", session)
        assert is_resumed(again) and status(again) == 200
    assert hop.access_log.wait(9)[-1]["request"]["tls"]["resumed"] is True


@pytest.mark.parametrize("version, kind", [("-tls1_2", "ticket"), ("-tls1_2", "id"), ("-tls1_3", "ticket")])
def test_client_certificate_is_remembered_by_the_session(lab, start, version, kind, tmp_path):
    hop = start()
    session = tmp_path / "session"
    arguments = [*kind_arguments(kind)]
    assert status(s_client(hop, "secure.test", version, *arguments, "-sess_out", session, client=lab.pki.clients)) == 200
    again = s_client(hop, "secure.test", version, *arguments, "-sess_in", session)
    assert is_resumed(again) and status(again) == 200
    assert hop.access_log.wait(2)[-1]["request"]["tls"]["client_verify"] == "SUCCESS"


@pytest.mark.parametrize("version, kind", [("-tls1_2", "ticket"), ("-tls1_2", "id"), ("-tls1_3", "ticket")])
def test_resumed_session_tells_the_origin_the_same_of_its_client(lab, start, version, kind, tmp_path):
    """The hop behind verifies what it is told: without the chain it would refuse who resumes."""
    hop = start(hopgate_client_cert_fields="rfc9440")
    session = tmp_path / "session"
    arguments = kind_arguments(kind)
    s_client(hop, "secure.test", version, *arguments, "-sess_out", session, client=lab.pki.clients)
    for _ in range(2):  # the second offers what the first resumption renewed
        again = s_client(hop, "secure.test", version, *arguments, "-sess_in", session, "-sess_out", session)
        assert is_resumed(again) and status(again) == 200
    first, *others = ([(name, value) for name, value in request.fields if name.startswith("Client-Cert")]
                      for request in lab.origins[0].requests)
    assert [name for name, _ in first] == ["Client-Cert", "Client-Cert-Chain"]
    assert others == [first, first]


# the ways in: how the session is kept, version, whether a certificate came with the first, the name it was made for
WAYS = list(itertools.product(KINDS, VERSIONS, [False, True], ["open.test", "soft.test"]))


@pytest.mark.parametrize("refusal", ["page", "alert"])
@pytest.mark.parametrize("kind, version, certificate, first_name", WAYS)
def test_no_session_of_another_name_opens_one_that_needs_a_certificate(lab, start, tmp_path, kind, version, certificate,
                                                                      first_name, refusal):
    """CVE-2025-23419 and its relatives: the session of a name without the demand is no way around it."""
    hop = start(refusal)
    session = tmp_path / "session"
    arguments = kind_arguments(kind)
    client = lab.pki.clients if certificate else None
    assert status(s_client(hop, first_name, version, *arguments, "-sess_out", session, client=client)) == 200
    entered = s_client(hop, "secure.test", version, *arguments, "-sess_in", session)
    assert not is_resumed(entered)
    assert status(entered) == (400 if refusal == "page" else None), entered.out
    assert len(lab.origins[0].requests) == 1


@pytest.mark.parametrize("kind, version, name", list(itertools.product(KINDS, VERSIONS, ["open.test", "soft.test"])))
def test_no_session_carries_a_certificate_to_a_name_of_another_policy(lab, start, tmp_path, kind, version, name):
    """The way back: what was judged for one name says nothing about the client of another."""
    hop = start()
    session = tmp_path / "session"
    arguments = kind_arguments(kind)
    assert status(s_client(hop, "secure.test", version, *arguments, "-sess_out", session, client=lab.pki.clients)) == 200
    entered = s_client(hop, name, version, *arguments, "-sess_in", session)
    assert not is_resumed(entered) and status(entered) == 200
    assert hop.access_log.wait(2)[-1]["request"]["tls"]["client_verify"] == "NONE"


@pytest.mark.parametrize("kind, version", list(itertools.product(KINDS, VERSIONS)))
def test_misdirected_request_on_a_resumed_session(lab, start, tmp_path, kind, version):
    hop = start()
    session = tmp_path / "session"
    arguments = kind_arguments(kind)
    s_client(hop, "open.test", version, *arguments, "-sess_out", session)
    again = s_client(hop, "open.test", version, *arguments, "-sess_in", session, host="secure.test")
    assert is_resumed(again) and status(again) == 421


@pytest.mark.parametrize("version", VERSIONS)
def test_session_of_a_refused_certificate_is_not_resumed(lab, start, tmp_path, version):
    """The client has mended its certificate: the old session must not stand in its way."""
    hop = start()
    session = tmp_path / "session"
    clients = lab.pki.clients
    expired = identity(clients, "expired")
    assert status(s_client(hop, "secure.test", version, *expired, "-sess_out", session)) == 400
    again = s_client(hop, "secure.test", version, "-sess_in", session, client=clients)
    assert not is_resumed(again) and status(again) == 200


def test_without_tickets_and_cache_nothing_resumes(lab, start, tmp_path):
    hop = start(ssl_session_tickets="off", ssl_session_cache_size="0")
    for version in VERSIONS:
        session = tmp_path / f"session{version}"
        s_client(hop, "edge.test", version, "-sess_out", session)
        if session.exists() and session.stat().st_size:
            assert not is_resumed(s_client(hop, "edge.test", version, "-sess_in", session))


def write_key(path, size, mode=0o600):
    path.write_bytes(os.urandom(size))
    path.chmod(mode)
    return path


@pytest.mark.parametrize("size", [48, 80])
@pytest.mark.parametrize("version", VERSIONS)
def test_ticket_keys_of_files_resume_on_another_node(lab, start, tmp_path, size, version):
    old, new, alien = (write_key(tmp_path / name, size) for name in ("old.key", "new.key", "alien.key"))
    session = tmp_path / "session"
    first = start(nginx_http_ssl_session_ticket_key=old)
    s_client(first, "edge.test", version, "-sess_out", session)
    rotated = start(nginx_http_ssl_session_ticket_key=f"{new}, {old}")
    assert is_resumed(s_client(rotated, "edge.test", version, "-sess_in", session))
    stranger = start(nginx_http_ssl_session_ticket_key=alien)
    again = s_client(stranger, "edge.test", version, "-sess_in", session)
    assert not is_resumed(again) and status(again) == 200


def test_ticket_key_of_a_wrong_size_is_an_error_and_an_open_one_a_warning(lab, hopgate, tmp_path):
    short, open_key = write_key(tmp_path / "short.key", 47), write_key(tmp_path / "open.key", 80, 0o644)
    for path, code, said in ((short, 78, "has 47 bytes; a ticket key has 48 or 80"), (open_key, 0, "chmod 600")):
        hop = lab.make_hop(service_to(lab.refusing_port()), tls=True, name=path.stem,
                           conf={"nginx_http_ssl_session_ticket_key": path})
        done = hopgate("check", "-c", hop.conf_path, hop.config_path)
        assert done.code == code and said in done.err


@pytest.mark.parametrize("version", VERSIONS)
def test_ticket_keys_rotate_and_old_tickets_die(lab, start, tmp_path, version):
    """A key seals for half of its life and opens for all of it."""
    hop = start(hopgate_ticket_key_lifetime="2s")
    session = tmp_path / "session"

    def fresh_ticket_is_taken():
        s_client(hop, "edge.test", version, "-sess_out", session)
        return is_resumed(s_client(hop, "edge.test", version, "-sess_in", session))

    wait_until(fresh_ticket_is_taken, "a ticket of now to resume")
    hop.error_log.wait_for("session ticket keys were rotated", count=2)
    wait_until(lambda: not is_resumed(s_client(hop, "edge.test", version, "-sess_in", session)),
               lambda: "the old ticket to be refused")
