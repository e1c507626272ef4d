"""`hopgate check` reads certificates before they are served: each flaw of the shelf by name, place and fix."""
import json
import os

import pytest

from lab.shelf import Shelf

OK, BAD_CONFIG = 0, 78


@pytest.fixture(scope="module")
def shelf(binary, tmp_path_factory):
    return Shelf(binary, tmp_path_factory.mktemp("shelf"))


@pytest.fixture
def check(hopgate, shelf, tmp_path):
    """check(situation): the pair as ssl_cert and ssl_cert_key."""
    def call(name):
        conf = tmp_path / "kong.conf"
        conf.write_text(f"proxy_listen = 127.0.0.1:0 ssl\nadmin_listen = off\nssl_cert = {shelf.path(name, 'chain')}\n"
                        f"ssl_cert_key = {shelf.path(name, 'key')}\n")
        return hopgate("check", "-c", conf)

    return call


@pytest.mark.parametrize("name", ["good", "good-rsa", "no-eku"])
def test_good_pairs_are_quiet(check, name):
    done = check(name)
    assert (done.code, done.err) == (OK, "")


@pytest.mark.parametrize("name, words", [
    ("expired", 'certificate "CN=shelf.test" expired on 2'),
    ("expiring", "renew it now"),
    ("not-yet-valid", "check the clock or wait"),
    ("missing-intermediate", "append it to the file, it is offered at http://ca.shelf.invalid/intermediate.cer"),
    ("shuffled", "in the wrong order"),
    ("root-sent", 'the root "CN=Shelf Root" is in the file, and is not sent'),
    ("no-san", "has no subjectAltName"),
    ("client-eku", "no serverAuth"),
    ("path-length", "path length"),
    ("name-constraint", "name constraints"),
    ("cross-signed-twice", 'a second certificate of "CN=Shelf Intermediate", by "CN=Shelf Old Root"'),
])
def test_what_can_be_served_is_a_warning_at_its_place(check, name, words):
    done = check(name)
    assert done.code == OK
    [line] = done.err.splitlines()
    assert "kong.conf:3:" in line and ": warning: ssl_cert: " in line and words in line


@pytest.mark.parametrize("name, words, reason", [
    ("weak-key", "RSA 1024", "ee key too small"),
    ("sha1", "is signed with sha1", "md too weak"),
])
def test_what_openssl_refuses_to_serve_is_an_error_and_explained(check, name, words, reason):
    done = check(name)
    assert done.code == BAD_CONFIG
    assert any(": warning: ssl_cert: " in line and words in line for line in done.err.splitlines())
    assert any(": error: ssl_cert: " in line and reason in line for line in done.err.splitlines())


@pytest.mark.parametrize("name, words", [
    ("key-mismatch", "give the key that the certificate was requested with"),
    ("key-encrypted", "the private key is encrypted; store it without a pass phrase"),
])
def test_what_cannot_be_served_is_an_error(check, name, words):
    done = check(name)
    assert done.code == BAD_CONFIG
    assert ": error: ssl_cert: " in done.err and words in done.err


def test_a_key_that_everybody_can_read_is_a_warning_with_the_command(check, shelf):
    key = shelf.path("duplicate", "key")
    os.chmod(key, 0o644)
    done = check("duplicate")
    os.chmod(key, 0o640)
    assert f"everybody on this machine can read the private key in {key}; chmod o= {key}" in done.err
    assert "everybody on this machine" not in check("duplicate").err


def test_an_authority_that_is_none_is_refused_at_the_entity(hopgate, shelf, tmp_path):
    """As Kong does, and in its words."""
    path = tmp_path / "kong.json"
    authorities = [{"id": f"00000000-0000-4000-8000-00000000000{number}", "cert": pem}
                   for number, pem in enumerate([shelf.root.read_text(), shelf.certificates("good")[0]])]
    path.write_text(json.dumps({"_format_version": "3.0", "ca_certificates": authorities}))
    done = hopgate("check", path)
    assert done.code == BAD_CONFIG and ": error: ca_certificates[1]: certificate does not appear to be a CA" in done.err, done
    assert "ca_certificates[0]" not in done.err
