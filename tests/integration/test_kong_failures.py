"""Each way in which a target fails, and what persona kong makes of it: tests/data/kong-upstream-failures.json.

The status, how often each method is tried, what the origin saw of that, and the words of the error log.
"""
import json
import pathlib
import re
import ssl

import pytest

from lab import behaviours
from lab.lab import merge, service_to

DATA = json.loads((pathlib.Path(__file__).parents[2] / "tests" / "data" / "kong-upstream-failures.json").read_text())
ROWS, METHODS = DATA["rows"], DATA["methods"]
TRIES = 3
SHORT_MS = 150  # of timers that fire; nothing else can happen in their services
CA_ID = "5f0c2f5e-7f52-4f38-9d6c-0f8d9a3f1b11"
ALERT = b"\x15\x03\x03\x00\x02\x02\x28"
PART = b"HTTP/1.1 200 OK\r\nContent-Le"
HTTPS = {"protocol": "https"}
VERIFIED = {**HTTPS, "tls_verify": True, "ca_certificates": [CA_ID]}



def reads_little(connection, _):
    connection.read_exact(1000)
    behaviours.finish(connection, "reset")


def demanding(lab, version):
    context = lab.pki.server_context("origin")
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(lab.pki.root)
    return context


def stalled_origin(lab):
    return lab.origin(receive_buffer_bytes=4096, on_connect=lambda connection, _: connection.origin.wait_for(NEVER))


class Never:
    def is_set(self):
        return False


NEVER = Never()

# name of the row -> how to make its target, and settings of its service
TARGETS = {
    "connect refused": (lambda lab: lab.refusing_port(), {}),
    "connect timeout": (lambda lab: lab.black_hole(), {"connect_timeout": SHORT_MS}),
    "TLS alert": (lambda lab: lab.origin(on_connect=lambda connection, _: (
        connection.receive(), behaviours.raw(ALERT, then="close")(connection, None))), HTTPS),
    "TLS end": (lambda lab: lab.origin(on_connect=behaviours.close()), HTTPS),
    "TLS reset": (lambda lab: lab.origin(on_connect=behaviours.reset()), HTTPS),
    "TLS stall": (lambda lab: lab.origin(on_connect=behaviours.hang()), {**HTTPS, "connect_timeout": 1000}),
    "certificate not verified": (lambda lab: lab.origin(tls=lab.pki.server_context("expired")), VERIFIED),
    "certificate for another name": (lambda lab: lab.origin(tls=lab.pki.server_context("wild")), VERIFIED),
    "client certificate demanded, TLS 1.2": (lambda lab: lab.origin(tls=demanding(lab, ssl.TLSVersion.TLSv1_2)), HTTPS),
    "client certificate demanded, TLS 1.3": (lambda lab: lab.origin(tls=demanding(lab, ssl.TLSVersion.TLSv1_3)), HTTPS),
    "write stall": (stalled_origin, {"write_timeout": 300}),
    "write error": (lambda lab: lab.origin().otherwise(reads_little), {}),
    "end without a byte": (lambda lab: lab.origin().otherwise(behaviours.close()), {}),
    "end within the head": (lambda lab: lab.origin().otherwise(behaviours.raw(PART, then="close")), {}),
    "reset without a byte": (lambda lab: lab.origin().otherwise(behaviours.reset()), {}),
    "reset within the head": (lambda lab: lab.origin().otherwise(behaviours.raw(PART, then="reset")), {}),
    "no head in time": (lambda lab: lab.origin().otherwise(behaviours.hang()), {"read_timeout": SHORT_MS}),
    "head incomplete in time": (lambda lab: lab.origin().otherwise(behaviours.raw(PART, then="hang")),
                                {"read_timeout": SHORT_MS}),
}


def bytes_of(text):
    return re.sub(r"\{(\d+)\}", lambda match: "x" * int(match[1]), text).encode("latin-1")


def target_of(lab, row):
    if "answer" in row:
        return lab.origin().otherwise(behaviours.raw(bytes_of(row["answer"]), then="close")), {}
    make, settings = TARGETS[row["name"]]
    return make(lab), settings


def path_of(row):
    return f"/{ROWS.index(row)}"


class Stage:
    """One hop, with a service for each row."""

    def __init__(self, lab):
        self.targets, services = {}, []
        for row in ROWS:
            target, settings = target_of(lab, row)
            self.targets[row["name"]] = target
            services.append(service_to(target, name=f"row{ROWS.index(row)}", paths=[path_of(row) + "/"],
                                       retries=TRIES - 1, **settings))
        authority = {"ca_certificates": [{"id": CA_ID, "cert": lab.pki.root.read_text()}]}
        self.hop = lab.hop(merge(*services, authority), persona="kong")


@pytest.fixture(scope="module")
def shared_stage(module_lab):
    return Stage(module_lab)


@pytest.fixture
def stage(request, shared_stage, module_lab):
    request.node.lab = module_lab
    return shared_stage


def hits(target, row):
    return len(getattr(target, row["hits"])) if row["hits"] else 0


def cases():
    for row in ROWS:
        for kind, methods in METHODS.items():
            for method in methods:
                if method in row.get("methods", methods):
                    yield pytest.param(row, kind, method, id=f"{row['name']}-{method}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("row, kind, method", cases())
def test_failure(lab, stage, row, kind, method):
    hop, target, path = stage.hop, stage.targets[row["name"]], f"{path_of(row)}/{method}"
    before, tries = hits(target, row), TRIES if row[f"{kind}_is_retried"] else 1
    content = bytes(row["content_bytes"]) if "content_bytes" in row else b"abc" if method in ("PUT", "POST") else None
    client = lab.client(hop)
    client.send_what_is_taken(client.request_bytes(method, path, content=content))
    assert client.read_response(method).status == row["status"]
    entry = hop.access_log.wait_for(f'"{path}"')
    assert entry.status == row["status"] and entry["source"] == "kong"
    assert len(entry.tries) == tries and set(entry.tries) <= set(row["reasons"]), entry.tries
    assert hits(target, row) - before == (tries if row["hits"] else 0)
    lines = hop.error_log.wait_for(row["phrase"], f'request: "{method} {path} HTTP/1.1"', count=tries)
    assert len(lines) == tries, "one line for each failed try"


def test_every_row_has_its_target():
    assert {row["name"] for row in ROWS} == set(TARGETS) | {row["name"] for row in ROWS if "answer" in row}


def test_rows_covered_elsewhere_name_tests_that_exist():
    for row in DATA["covered"]:
        assert row["test"] or row["why"]
        if row["test"]:
            file, name = row["test"].split("::")
            assert f"def {name}(" in (pathlib.Path(__file__).parent / file).read_text(), row
