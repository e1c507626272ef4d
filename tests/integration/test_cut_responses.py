"""What nginx's clients still get of a response that its target does not complete (persona kong)."""
import json
import pathlib
import threading

import pytest

from lab import behaviours
from lab.lab import merge, service_to
from lab.origin import wait_until_received
from lab.wire import Ended

DATA = pathlib.Path(__file__).parent.parent / "data" / "nginx-cut-responses.json"
ROWS = {row["id"]: row for row in json.loads(DATA.read_text())["rows"]}
READ_TIMEOUT_MS = 5000  # of targets that stall; longer than a machine may stand still before their heads are there
WAYS = {"buffered": True, "unbuffered": False}


def expand(text):
    return (text[0] * text[1] if isinstance(text, list) else text).encode()


class Case:
    """One row, both ways: an origin that plays it and the client that asks for it."""

    def __init__(self, row):
        self.row, self.gate = row, threading.Event()

    def behave(self, connection, request):
        for part in self.row["sends"]:
            if part is not self.row["sends"][0]:
                connection.origin.wait_for(self.gate)
            connection.send(part.encode())
        if "repeat" in self.row:
            connection.send(expand(self.row["repeat"]))
        wait_until_received(connection)
        behaviours.finish(connection, self.row["then"])

    def ask(self, lab, hop, path):
        """What the client gets: None for nothing, else (status, content, how it ended)."""
        client = lab.client(hop)
        client.send(client.request_bytes("GET", path))
        try:
            answer = client.read_head()
            content = b""
            try:
                for piece in client.content_pieces(answer):
                    content += piece
                    if len(self.row["sends"]) > 1 and content:
                        self.gate.set()
            except Ended as end:
                return answer.status, content + client.take(len(client.buffer)), end.how
        except Ended as end:
            return end.how
        return answer.status, content, "whole"


def start(lab, cases, way):
    origin = lab.origin()
    for name, case in cases.items():
        origin.on(f"/{name}", case.behave)
    route = {"response_buffering": WAYS[way]}
    stalling = [f"/{name}" for name, case in cases.items() if case.row["then"] == "hang"]
    services = merge(service_to(origin, name="ends", route=route),
                     service_to(origin, name="stalls", paths=stalling, route=route, read_timeout=READ_TIMEOUT_MS))
    return lab.hop(services, persona="kong")


@pytest.mark.parametrize("way", WAYS)
def test_target_that_does_not_complete_its_response(lab, way):
    """All rows at once: those that stall take the read timeout each."""
    cases = {name: Case(row) for name, row in ROWS.items() if way in row}
    kong = start(lab, cases, way)
    got = {}
    threads = [threading.Thread(target=lambda n=name, c=case: got.update({n: c.ask(lab, kong, f"/{n}")}), daemon=True)
               for name, case in cases.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    want = {name: "fin" if case.row[way] is None else (200, expand(case.row[way]), "fin") for name, case in cases.items()}
    assert got == want
    for entry in kong.access_log.wait(len(cases)):
        assert entry.status == 200
    for name, case in cases.items():
        (line,) = kong.error_log.wait_for("[error]", case.row["log"], f'"GET /{name} ')
        # without buffering nginx looks at what came with the head while it reads that
        with_head = way == "unbuffered" and "invalid chunked" in case.row["log"]
        phases = {"reading response header from upstream" if with_head else "reading upstream"}
        if with_head and len(case.row["sends"]) > 1:  # what was sent later may come with the head all the same
            phases.add("reading upstream")
        assert any(f" while {phase}, client: 127.0.0.1" in line for phase in phases)


def test_reset_over_tls_is_an_end_to_nginx(lab):
    """ngx_ssl_handle_recv: SSL_read says nothing of the reset; measured with the same version."""
    case = Case(ROWS["rst_mid_body_cl"])
    origin = lab.origin(tls=lab.pki.server_context()).on("/", case.behave)
    kong = lab.hop(service_to(origin, protocol="https"), persona="kong")
    assert case.ask(lab, kong, "/") == (200, b"0123456789", "fin")


@pytest.mark.parametrize("persona", ["edge", "f5"])
@pytest.mark.rules("f5 response.stalled")
def test_other_personas_give_what_has_come(lab, persona):
    case = Case(ROWS["stall_mid_body_cl"])
    origin = lab.origin().on("/", case.behave)
    hop = lab.hop(service_to(origin, read_timeout=READ_TIMEOUT_MS), persona=persona)
    assert case.ask(lab, hop, "/") == (200, b"0123456789", "reset")
