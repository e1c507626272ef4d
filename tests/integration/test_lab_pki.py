"""`hopgate lab pki`: each file has exactly the flaw that its index claims, says openssl."""
import re
import stat

import pytest

from lab.client import run
from lab.shelf import Shelf

SERVER, CLIENT = "server", "client"
# The promise of the product, written down a second time: a situation that goes missing fails here.
PROMISED = {
    SERVER: {"good", "good-rsa", "no-eku", "expired", "expired-intermediate", "expiring", "not-yet-valid", "wrong-name",
             "no-san", "wrong-ca", "wrong-ca-with-root", "self-signed", "missing-intermediate", "missing-upper",
             "renewed-intermediate", "shuffled", "leaf-last", "duplicate", "unrelated", "root-sent", "cross-signed",
             "cross-signed-both", "cross-signed-twice", "wrong-key-usage", "client-eku", "issuer-not-ca", "revoked",
             "crl-expired", "crl-missing", "ocsp-expired", "must-staple", "weak-key", "sha1", "path-length", "deep",
             "name-constraint", "huge", "key-encrypted", "key-mismatch"},
    CLIENT: {"client-good", "client-no-eku", "client-expired", "client-not-yet-valid", "client-wrong-ca",
             "client-self-signed", "client-missing-intermediate", "client-revoked", "client-crl-expired",
             "client-server-eku", "client-deep"},
}


@pytest.fixture(scope="module")
def shelf(binary, tmp_path_factory):
    return Shelf(binary, tmp_path_factory.mktemp("shelf"))


def openssl(*arguments):
    return run("openssl", *arguments)


def verify(shelf, name, trust=None, options=None):
    """The number of OpenSSL's first objection, 0 for none."""
    row = shelf.situations[name]
    chain = shelf.path(name, "chain")
    words = (row["verify_options"] if options is None else options).split()
    words = [str(shelf.path(name, "crl")) if word == "crl.pem" else word for word in words]
    done = openssl("verify", "-CAfile", trust or shelf.root, "-untrusted", chain, *words, chain)
    match = re.search(r"error (\d+) at", done.err)
    assert (done.code == 0) == (match is None), done
    return int(match[1]) if match else 0


def text_of(shelf, name, number=0, form="-text"):
    return run("openssl", "x509", "-noout", form, text_in=shelf.certificates(name)[number]).out


@pytest.mark.parametrize("role", [SERVER, CLIENT])
def test_every_promised_situation_is_there(shelf, role):
    assert {name for name, row in shelf.situations.items() if row["role"] == role} == PROMISED[role]


@pytest.mark.parametrize("name", sorted(PROMISED[SERVER] | PROMISED[CLIENT]))
def test_openssl_says_of_the_file_what_the_index_says(shelf, name):
    row = shelf.situations[name]
    assert verify(shelf, name) == row["verify_code"]
    if row["verify_code"]:
        done = openssl("verify", "-CAfile", shelf.root, "-untrusted", shelf.path(name, "chain"),
                       *[str(shelf.path(name, "crl")) if word == "crl.pem" else word
                         for word in row["verify_options"].split()], shelf.path(name, "chain"))
        assert row["verifier_says"] in done.err


@pytest.mark.parametrize("name", ["weak-key", "sha1", "deep", "client-deep", "revoked", "crl-expired", "crl-missing",
                                  "client-revoked", "client-crl-expired", "wrong-key-usage", "client-eku",
                                  "client-server-eku", "wrong-name"])
def test_the_flaw_is_the_only_one(shelf, name):
    """Without the option that shows it, everything else about the chain is right."""
    assert verify(shelf, name, options="") == 0


@pytest.mark.parametrize("name, trust, code", [
    ("wrong-ca", "stranger-ca.pem", 0), ("cross-signed", "old-ca.pem", 0), ("cross-signed-both", "old-ca.pem", 0),
    ("cross-signed-twice", "old-ca.pem", 20), ("client-wrong-ca", "stranger-ca.pem", 0),
])
def test_what_another_root_makes_of_it(shelf, name, trust, code):
    assert verify(shelf, name, trust=shelf.directory / trust) == code


@pytest.mark.parametrize("name, count", [("good", 2), ("missing-intermediate", 1), ("shuffled", 3), ("duplicate", 3),
                                         ("root-sent", 3), ("deep", 7), ("huge", 99)])
def test_chains_have_their_length(shelf, name, count):
    assert len(shelf.certificates(name)) == count


def test_the_huge_chain_is_over_100_kib_as_it_is_sent(shelf):
    der = sum(len(run("openssl", "x509", "-outform", "DER", "-out", "/dev/stdout", text_in=pem).out)
              for pem in shelf.certificates("huge")[:3]) / 3  # one is like the other
    assert der * 99 > 100 * 1024


@pytest.mark.parametrize("name, form, wanted", [
    ("good", "-text", "ASN1 OID: prime256v1"), ("good-rsa", "-text", "Public-Key: (2048 bit)"),
    ("weak-key", "-text", "Public-Key: (1024 bit)"), ("sha1", "-text", "ecdsa-with-SHA1"),
    ("must-staple", "-text", "status_request"), ("wrong-name", "-text", "DNS:wrong.invalid"),
    ("client-eku", "-text", "TLS Web Client Authentication"), ("wrong-key-usage", "-text", "Certificate Sign"),
    ("good", "-text", "DNS:shelf.test, IP Address:127.0.0.1"), ("good", "-ext=authorityInfoAccess", "CA Issuers"),
])
def test_certificates_look_as_described(shelf, name, form, wanted):
    if form.startswith("-ext="):
        text = run("openssl", "x509", "-noout", "-ext", form[5:], text_in=shelf.certificates(name)[0]).out
    else:
        text = text_of(shelf, name, form=form)
    assert wanted in text


def test_what_is_left_out_is_not_there(shelf):
    assert "Extended Key Usage" not in text_of(shelf, "no-eku")
    assert "Subject Alternative Name" not in text_of(shelf, "no-san")


def test_every_key_but_two_fits_its_certificate(shelf):
    for name, row in shelf.situations.items():
        if name in ("key-encrypted", "key-mismatch", "leaf-last"):
            continue
        public = openssl("pkey", "-in", shelf.directory / row["key"], "-pubout").out
        assert public == text_of(shelf, name, form="-pubkey"), name
    public = openssl("pkey", "-in", shelf.path("key-mismatch", "key"), "-pubout").out
    assert public and public != text_of(shelf, "key-mismatch", form="-pubkey")
    public = openssl("pkey", "-in", shelf.path("leaf-last", "key"), "-pubout").out
    assert public == text_of(shelf, "leaf-last", number=1, form="-pubkey")


def test_the_encrypted_key_opens_with_the_pass_phrase_of_the_index(shelf):
    key = shelf.path("key-encrypted", "key")
    public = openssl("pkey", "-in", key, "-passin", f"pass:{shelf.index['pass_phrase']}", "-pubout").out
    assert public == text_of(shelf, "key-encrypted", form="-pubkey")
    assert openssl("pkey", "-in", key, "-passin", "pass:wrong", "-pubout").code != 0


def test_keys_are_for_the_owner_only(shelf):
    for row in shelf.situations.values():
        assert stat.S_IMODE((shelf.directory / row["key"]).stat().st_mode) == 0o600


@pytest.mark.parametrize("name, revoked", [("revoked", True), ("good", False), ("crl-expired", False)])
def test_crls_name_the_revoked(shelf, name, revoked):
    text = run("openssl", "crl", "-noout", "-text", "-in", shelf.path(name, "crl")).out
    serial = re.search(r"serial=(\w+)", text_of(shelf, name, form="-serial"))[1]
    assert (f"Serial Number: {serial}" in text) == revoked
    check = run("openssl", "crl", "-noout", "-in", shelf.path(name, "crl"), "-CAfile", shelf.directory / "intermediate.pem")
    assert "verify OK" in check.err + check.out


@pytest.mark.parametrize("name, status, current", [("good", "good", True), ("revoked", "revoked", True),
                                                   ("ocsp-expired", "good", False), ("must-staple", "good", True)])
def test_ocsp_answers_are_signed_and_say_it(shelf, tmp_path, name, status, current):
    leaf = tmp_path / "leaf.pem"
    leaf.write_text(shelf.certificates(name)[0])
    done = openssl("ocsp", "-respin", shelf.path(name, "ocsp"), "-issuer", shelf.directory / "intermediate.pem", "-cert",
                   leaf, "-CAfile", shelf.root, "-partial_chain", "-no_nonce")
    assert "Response verify OK" in done.err, done
    assert re.search(rf"^(.*: )?{status}$", done.out, re.M), done.out
    assert ("Status times invalid" in done.out + done.err) == (not current)


def test_name_and_days_decide_the_certificates(binary, tmp_path):
    shelf = Shelf(binary, tmp_path / "new" , "--name", "www.example.org", "--days", "2")
    good = shelf.certificates("good")[0]
    assert "DNS:www.example.org" in run("openssl", "x509", "-noout", "-text", text_in=good).out
    assert run("openssl", "x509", "-noout", "-checkend", str(1 * 86400), text_in=good).code == 0
    assert run("openssl", "x509", "-noout", "-checkend", str(3 * 86400), text_in=good).code == 1
    assert "-verify_hostname www.example.org" in shelf.situations["wrong-name"]["verify_options"]


def test_a_second_run_replaces_the_files(binary, tmp_path):
    first = Shelf(binary, tmp_path).certificates("good")
    again = Shelf(binary, tmp_path)
    assert again.certificates("good") != first
    assert verify(again, "good") == 0


def test_readme_tells_of_each_situation(shelf):
    text = (shelf.directory / "README").read_text()
    for name, row in shelf.situations.items():
        assert f"\n{name}\n  what      {row['what']}\n" in text


DAYS = "--days is a number from 1 to 3650"


@pytest.mark.parametrize("arguments, said", [
    ([], "DIR is missing"), (["a", "b"], "not understood: b"), (["--days", "0", "a"], f"{DAYS}, not 0"),
    (["--days", "4294967297", "a"], f"{DAYS}, not 4294967297"), (["--days", "x", "a"], f"{DAYS}, not x"),
    (["--frob", "a"], "not understood: --frob"), (["a", "--name"], "a value must follow --name"),
])
def test_wrong_usage_is_64(hopgate, arguments, said):
    done = hopgate("lab", "pki", *arguments)
    assert (done.code, done.err.splitlines()[0]) == (64, f"hopgate lab pki: {said}")


def test_a_verb_that_lab_does_not_have_is_named(hopgate):
    done = hopgate("lab", "party")
    assert done.code == 64 and 'unknown verb "lab party"' in done.err
    assert hopgate("lab", "--help").code == 0


def test_a_folder_that_cannot_be_written_is_named(hopgate, tmp_path):
    (tmp_path / "file").write_text("")
    done = hopgate("lab", "pki", tmp_path / "file")
    assert done.code == 1
    assert str(tmp_path / "file") in done.err


def test_a_name_with_a_comma_is_refused(hopgate, tmp_path):
    done = hopgate("lab", "pki", "--name", "a,DNS:b", tmp_path)
    assert done.code == 1 and "is no DNS name" in done.err
