"""Answers that persona kong makes itself, byte for byte: tests/data/kong-error-pages.json.

Family A ("exit") is what Kong's Lua answers, family B ("handler") what its error handler makes of nginx's errors; they
choose the page's type differently.
"""
import json
import pathlib
import re

import pytest

from lab import behaviours
from lab.lab import merge, service_to
from lab.wire import Ended

ROOT = pathlib.Path(__file__).parents[2]
DATA = json.loads((ROOT / "tests" / "data" / "kong-error-pages.json").read_text())
PAGES, CHOICES, STATUSES = DATA["pages"], DATA["choices"], DATA["statuses"]
NO_ROUTE = "no Route matched with those values"
BAD_GATEWAY = "An invalid response was received from the upstream server"
FAMILIES = {"exit": ("/", 404, NO_ROUTE), "handler": ("/dead", 502, BAD_GATEWAY)}
SLOW_MS = 200
CLIENT_SLOW_MS = 3000  # longer than this process may stand still between its connect and its bytes


def declarative(lab):
    """Nothing at "/", and a service for each way not to get an answer."""
    silent = lab.origin().otherwise(behaviours.hang())
    return merge(
        service_to(lab.refusing_port(), name="dead", paths=["/dead"]),
        service_to(lab.origin(), name="up", paths=["/up"]),
        service_to(lab.origin(), name="secure", paths=["/secure"], route={"protocols": ["https"]}),
        service_to(silent, name="silent", paths=["/silent"], read_timeout=SLOW_MS),
        {"services": [{"name": name, "host": name, "routes": [{"name": name, "paths": [f"/{name}"]}]}
                      for name in ("empty", "weightless")],
         "routes": [{"name": "lonely", "paths": ["/lonely"]}],
         "upstreams": [{"name": "empty"},
                       {"name": "weightless", "targets": [{"target": "127.0.0.1:1", "weight": 0}]}]})


@pytest.fixture(scope="module")
def shared_hop(module_lab):
    return module_lab.hop(declarative(module_lab), persona="kong", tls=True,
                          conf={"nginx_http_client_max_body_size": "200000"})


@pytest.fixture(scope="module")
def impatient_hop(module_lab):
    """For the rows in which a client is too slow, and no others: a busy machine is slow too."""
    return module_lab.hop(declarative(module_lab), persona="kong", name="impatient", conf={
        "nginx_http_client_header_timeout": f"{CLIENT_SLOW_MS}ms",
        "nginx_http_client_body_timeout": f"{CLIENT_SLOW_MS}ms"})


@pytest.fixture
def hop(request, shared_hop, module_lab):
    request.node.lab = module_lab
    return shared_hop


def read_raw(client, method="GET"):
    """(head, its fields, content): read by Content-Length, and that alone."""
    head = client.read_head()
    lengths = head.fields.all("Content-Length")
    assert len(lengths) == 1, f"one Content-Length in {head.raw_head!r}"
    return head, b"" if method == "HEAD" else client.read_exact(int(lengths[0]))


def page(name, message, answer):
    """(Content-Type, body) of a page with this answer's request id."""
    request_id = answer.fields.get("X-Kong-Request-Id")
    assert re.fullmatch("[0-9a-f]{32}", request_id)
    body = PAGES[name]["body"].replace("%m", message).replace("%r", request_id)
    return PAGES[name]["content_type"], body


def check_page(answer, content, name, message, method="GET"):
    content_type, body = page(name, message, answer)
    assert answer.fields.get("Content-Type") == content_type
    assert answer.fields.get("Content-Length") == str(len(body))
    assert content.decode() == ("" if method == "HEAD" else body)


# ---- which page: every row in both families


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("row", CHOICES, ids=[row["why"] for row in CHOICES])
def test_type_of_the_page(lab, hop, row, family):
    target, status, message = FAMILIES[family]
    client = lab.client(hop)
    client.send(client.request_bytes("GET", target, [tuple(field) for field in row["fields"]]))
    answer, content = read_raw(client)
    assert answer.status == status
    check_page(answer, content, row[family], message)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name, accept", [("json", "*/*"), ("plain", "text/*"), ("html", "text/html"),
                                          ("xml", "application/xml"), ("empty", "a/b;x, */*;q=0.1, application/grpc")])
def test_head_gets_the_page_s_length_and_not_the_page(lab, hop, family, name, accept):
    target, status, message = FAMILIES[family]
    client = lab.client(hop)
    client.send(client.request_bytes("HEAD", target, [("Accept", accept)]))
    answer, content = read_raw(client, "HEAD")
    assert answer.status == status
    check_page(answer, content, name, message, "HEAD")
    assert lab.client(hop).get("/up").status == 200
    client.send(client.request_bytes("GET", "/up"))  # nothing but the head was sent
    assert client.read_response().status == 200


# ---- which status, text and fate of the connection


def bytes_of(text):
    """{n} stands for n bytes."""
    return re.sub(r"\{(\d+)\}", lambda match: "x" * int(match[1]), text).encode("latin-1")


@pytest.mark.parametrize("row", STATUSES, ids=[row["name"] for row in STATUSES])
def test_answer(request, lab, hop, row):
    if row.get("slow"):
        hop = request.getfixturevalue("impatient_hop")
    client = lab.client(hop.https if row.get("tls_port") else hop)
    client.send(bytes_of(row["send"]))
    if row["status"] is None:
        assert client.read_to_end() == (b"", row["connection"]), "closed, and not a word"
        assert hop.access_log.wait_for(row["send"].split()[0] if "content" in row["name"] else "408").status == 408
        return
    answer, content = read_raw(client, "HEAD" if row.get("head") else "GET")
    assert (answer.status, answer.reason) == (row["status"], row["reason"])
    if "message" in row:
        check_page(answer, content, row.get("page", page_of(row)), row["message"], "HEAD" if row.get("head") else "GET")
    else:
        assert answer.fields.get("Content-Type") == "text/html; charset=UTF-8"
        assert content.decode() == row["body"]
    for name, value in row.get("fields", {}).items():
        assert answer.fields.all(name) == [value]
    check_fate(client, answer, row)


def page_of(row):
    """Without a head that was understood, and in answers of the error handler, Accept counts if it came."""
    return "plain"


def check_fate(client, answer, row):
    if row["connection"] == "close":
        assert answer.fields.get("Connection") == "close"
        assert client.read_to_end()[0] == b""
        return
    assert answer.fields.get("Connection") in ("keep-alive", row.get("fields", {}).get("Connection"))
    client.send(client.request_bytes("GET", "/up"))
    assert client.read_response().status == 200


# ---- kong.conf


@pytest.mark.parametrize("kind, name", [("text/html", "html"), ("application/json", "json"), ("application/xml", "xml"),
                                        ("text/plain", "plain")])
def test_error_default_type_is_for_who_says_nothing(lab, kind, name):
    kong = lab.hop(service_to(lab.refusing_port(), name="dead", paths=["/dead"]), persona="kong",
                   conf={"error_default_type": kind})
    for family, expected, fields in [("handler", name, []), ("exit", "json", []), ("handler", "json", [("Accept", "*/*")])]:
        target, _, message = FAMILIES[family]
        client = lab.client(kong)
        client.send(client.request_bytes("GET", target, fields))
        answer, content = read_raw(client)
        check_page(answer, content, expected, message)


TEMPLATES = {
    "html": ("text/html", "<p>%s</p>\n<i>%s</i> 100%% $request_id\n"), "json": ("application/json", '{"error":"%s","id":"%s"}'),
    "xml": ("application/xml", "<e><m>%s</m><r>%s</r></e>"), "plain": ("text/plain", "%s!"),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_templates_of_the_user_take_the_place_of_kong_s(lab, tmp_path, family):
    conf = {}
    for name, (_, text) in TEMPLATES.items():
        (tmp_path / name).write_text(text)
        conf[f"error_template_{name}"] = tmp_path / name
    kong = lab.hop(service_to(lab.refusing_port(), name="dead", paths=["/dead"]), persona="kong", conf=conf)
    target, status, message = FAMILIES[family]
    for name, (media, text) in TEMPLATES.items():
        client = lab.client(kong)
        client.send(client.request_bytes("GET", target, [("Accept", media)]))
        answer, content = read_raw(client)
        facts = (message, answer.fields.get("X-Kong-Request-Id"))[:text.count("%s")]
        assert (answer.status, content.decode()) == (status, text % facts)
        assert answer.fields.get("Content-Type") == PAGES[name]["content_type"]


def test_a_template_is_read_again_by_a_reload(lab, tmp_path):
    template = tmp_path / "plain"
    template.write_text("first %s")
    kong = lab.hop({}, persona="kong", conf={"error_template_plain": template})
    fields = [("Accept", "text/plain")]
    assert lab.client(kong).get("/", fields).text == f"first {NO_ROUTE}"
    template.write_text("second %s")
    done = lab_reload(kong)
    assert done.code == 0, done
    assert lab.client(kong).get("/", fields).text == f"second {NO_ROUTE}"
    template.write_text("%s %s %s")
    done = lab_reload(kong)
    assert done.code == 78 and "error_template_plain" in done.err + done.out
    assert lab.client(kong).get("/", fields).text == f"second {NO_ROUTE}"


def lab_reload(hop):
    from lab.client import run
    return run(hop.binary, "reload", "--prefix", hop.prefix)


@pytest.mark.parametrize("text, says", [
    (None, "failed reading the custom json error template"),
    ("%s %s %s", "more than two %s"), ("%d", "begins neither %s nor %%"), ("100%", "begins neither %s nor %%")])
def test_a_template_that_cannot_be_used_is_named(hopgate, tmp_path, text, says):
    """Kong would say it to the error log when the first page is due; here `check` does."""
    template = tmp_path / "page.json"
    if text is not None:
        template.write_text(text)
    conf = tmp_path / "kong.conf"
    conf.write_text(f"prefix = {tmp_path}\nadmin_listen = off\nerror_template_json = {template}\n")
    (tmp_path / "kong.yaml").write_text('_format_version: "3.0"\n')
    done = hopgate("check", "-c", conf, tmp_path / "kong.yaml")
    assert done.code == 78, done
    assert says in done.out + done.err and f"{conf}:3:" in done.out + done.err


def test_rows_elsewhere_name_tests_that_exist():
    for row in DATA["elsewhere"]:
        assert row["why"]
        file, _, name = row.get("test", "").partition("::")
        if file.endswith(".py"):
            assert f"def {name}(" in (ROOT / "tests" / "integration" / file).read_text(), row
