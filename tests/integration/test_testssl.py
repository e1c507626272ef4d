"""A scanner's view of the TLS listener: testssl.sh finds nothing graver than LOW, but for what is explained here."""
import json
import shutil

import pytest

from lab.client import run
from lab.lab import service_to

SECTIONS = ("-p", "-s", "-f", "-P", "-U")  # protocols, ciphers, forward secrecy, preferences, vulnerabilities
FINE = ("OK", "INFO", "LOW")
EXPLAINED = {
    "cipher_order": "Mozilla's intermediate profile leaves the choice to the client, who knows its hardware: all "
                    "suites on offer are good",
}


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("suite", ["intermediate", "modern"])
def test_scanner_finds_nothing_above_low(lab, tmp_path, suite):
    if not shutil.which("testssl"):
        pytest.skip("did not run: testssl is missing (Debian package testssl.sh)")
    edge = lab.hop(service_to(lab.origin(content=b"hello", deadline_s=600)), persona="edge", tls=True,
                   conf={"ssl_cipher_suite": suite})
    report = tmp_path / "report.json"
    done = run("testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns=none", *SECTIONS,
               "--add-ca=" + str(lab.pki.root), "--jsonfile", report, "{}:{}".format(*edge.https), deadline_s=500)
    findings = json.loads(report.read_text())
    assert len(findings) > 40, done.out + done.err
    grave = [f"{entry['severity']} {entry['id']}: {entry['finding']}" for entry in findings
             if entry["severity"] not in FINE and entry["id"] not in EXPLAINED]
    assert grave == []
    assert lab.client(edge, tls=True).get("/").status == 200
