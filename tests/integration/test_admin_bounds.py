"""What the Admin API costs is bounded: content that comes slowly, large answers, mistakes without number, odd numbers."""
import json
import socket

import pytest

from lab.admin import Admin, admin_hop
from lab.client import RawClient, Truncated
from lab.wait import wait_until
from lab.wire import Ended
from test_control import ask

JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
MEBIBYTE = 1024 * 1024
PATIENCE_S = 120  # of who sends or gets much while others do


@pytest.fixture(name="hop")
def started_hop(lab):
    return admin_hop(lab).start()


def raw(admin, method, path, content=b"", fields=()):
    client = admin.connect()
    answer = client.request(method, path, fields=fields, content=content)
    client.close()
    return answer


def held(hop):
    """What requests to the Admin API hold."""
    return ask(hop, "show", "memory")["admin"]


def nothing_is_held(hop):
    wait_until(lambda: held(hop) == {"requests": 0, "content": 0, "answers": 0}, lambda: f"all to be given back: {held(hop)}",
               deadline_s=PATIENCE_S)


# ---- content -------------------------------------------------------------------------------------

def begun(admin, content):
    """A POST of so many bytes, of which none was sent yet."""
    client = RawClient(*admin.hop.admin_listeners["http"], deadline_s=PATIENCE_S)
    admin.lab.clients.append(client)
    client.send(client.request_bytes("POST", "/services", [JSON, ("Content-Length", str(len(content)))]))
    return client


def status_of(client):
    """None: the connection is gone, because it was refused while it went on sending."""
    try:
        return client.read_response().status
    except (ConnectionError, Ended, Truncated):
        return None


@pytest.mark.slow
@pytest.mark.timeout(600)  # 400 MiB through a sanitized process
def test_fifty_clients_that_send_much_and_slowly_do_not_add_up(lab, hop):
    """As much as fits is taken, the others are told to come again; small requests are served meanwhile."""
    admin = Admin(lab, hop)
    content = json.dumps({"name": "x", "host": "h", "tags": ["x" * (8 * MEBIBYTE - 100)]}).encode()
    half = len(content) // 2
    clients = [begun(admin, content) for _ in range(50)]
    for client in clients:
        client.send_what_is_taken(content[:half])
    wait_until(lambda: held(hop)["content"] >= 64 * MEBIBYTE, "much to be held", deadline_s=PATIENCE_S)
    assert held(hop)["content"] <= 128 * MEBIBYTE
    admin.must("POST", "/services", {"name": "small", "host": "h"})
    for client in clients:
        client.send_what_is_taken(content[half:])
    statuses = [status_of(client) for client in clients]
    assert set(statuses) <= {201, 409, 503, None}, statuses
    assert 503 in statuses and 201 in statuses, statuses
    for client in clients:
        client.close()
    nothing_is_held(hop)
    admin.must("POST", "/services", {"name": "after", "host": "h"})


def test_clients_that_leave_in_the_middle_leave_nothing_behind(lab, hop):
    admin = Admin(lab, hop)
    content = b'{"host": "' + b"h" * MEBIBYTE
    clients = [begun(admin, content + b"xx") for _ in range(20)]
    for client in clients:
        client.send(content)
    wait_until(lambda: held(hop)["content"] >= 20 * MEBIBYTE, "all to be held")
    for client in clients:
        client.close()
    nothing_is_held(hop)


# ---- answers -------------------------------------------------------------------------------------

def put_large_rows(admin, count, size):
    for i in range(count):
        admin.must("PUT", f"/vaults/large-{i}", {"name": "env", "description": "x" * size})


@pytest.mark.timeout(300)
def test_a_page_of_large_rows_ends_early_and_goes_on(lab, hop):
    admin = Admin(lab, hop)
    put_large_rows(admin, 20, MEBIBYTE)
    names, path, pages = [], "/vaults?size=1000", 0
    while path:
        page = admin.must("GET", path)
        assert len(json.dumps(page)) < 17 * MEBIBYTE
        names += [row["prefix"] for row in page["data"]]
        assert ("offset" in page) == (page["next"] is not None)
        path, pages = page["next"], pages + 1
    assert sorted(names) == sorted(f"large-{i}" for i in range(20))
    assert pages == 2
    nothing_is_held(hop)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_large_answers_that_nobody_reads_are_not_made_without_end(lab, hop):
    admin = Admin(lab, hop)
    put_large_rows(admin, 15, MEBIBYTE)
    clients = [RawClient(*hop.admin_listeners["http"], deadline_s=PATIENCE_S) for _ in range(16)]
    lab.clients.extend(clients)
    for client in clients:  # 240 MiB, of which nobody reads more than the beginning
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(client.request_bytes("GET", "/vaults?size=1000", []))
    statuses = [client.read_head().status for client in clients]
    assert set(statuses) == {200, 503}, statuses
    assert 64 * MEBIBYTE <= held(hop)["answers"] <= 128 * MEBIBYTE
    status, refused = admin.ask("GET", "/vaults?size=1000")
    assert status == 503 and "try again" in refused["message"]
    assert admin.ask("GET", "/services")[0] == 200  # a small one
    for client in clients:
        client.close()
    nothing_is_held(hop)
    assert admin.ask("GET", "/vaults?size=1000")[0] == 200


# ---- mistakes ------------------------------------------------------------------------------------

def test_mistakes_without_number_are_told_up_to_a_hundred(lab, hop):
    admin = Admin(lab, hop)
    status, answer = admin.ask("POST", "/services", {"host": "h", **{f"k{i:05}": i for i in range(50_000)}})
    assert (status, answer["code"]) == (400, 2)
    assert answer["message"].startswith("100 schema violations (k"), answer["message"][:100]
    assert answer["message"].endswith("), and 49900 more"), answer["message"][-100:]
    assert answer["fields"].pop("@entity") == ["and 49900 more violations"]
    assert list(answer["fields"].values()) == ["unknown field"] * 100
    status, answer = admin.ask("POST", "/services", {"host": "h", **{f"k{i}": i for i in range(100)}})
    assert (status, len(answer["fields"]), "@entity" in answer["fields"]) == (400, 100, False)


# ---- odd content ---------------------------------------------------------------------------------

ODD = {
    "huge exponent": b'{"host": "h", "port": 1e999}',
    "huge exponent, negative": b'{"host": "h", "port": -1e999}',
    "2^63": b'{"host": "h", "port": 9223372036854775808}',
    "2^63 - 1": b'{"host": "h", "port": 9223372036854775807}',
    "-2^63": b'{"host": "h", "port": -9223372036854775808}',
    "many digits": b'{"host": "h", "port": ' + b"9" * 100_000 + b"}",
    "many digits behind the point": b'{"host": "h", "port": 0.' + b"3" * 100_000 + b"}",
    "not a number": b'{"host": "h", "port": NaN}',
    "infinity": b'{"host": "h", "port": Infinity}',
    "invalid UTF-8": b'{"host": "h", "name": "\xff\xfe"}',
    "overlong UTF-8": b'{"host": "h", "name": "\xc0\xaf"}',
    "surrogate": b'{"host": "h", "name": "\\ud800"}',
    "NUL": b'{"host": "h\\u0000x"}',
    "bare NUL": b'{"host": "h\x00x"}',
    "NUL in a key": b'{"host": "h", "a\\u0000b": 1}',
    "nothing": b"",
    "blanks": b" " * 100_000,
    "open objects": b'{"a":' * 100_000,
    "open arrays": b"[" * 1_000_000,
    "deep array": b'{"host": "h", "tags": ' + b"[" * 99 + b"]" * 99 + b"}",
    "too deep array": b'{"host": "h", "tags": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "text after": b'{"host": "h"} x',
    "byte order mark": b'\xef\xbb\xbf{"host": "h"}',
    "a huge key": b'{"host": "h", "' + b"k" * 1_000_000 + b'": 1}',
    "many huge keys": b'{"host": "h"' + b"".join(b', "%d%s": 1' % (i, b"k" * 10_000) for i in range(200)) + b"}",
    "a huge value": b'{"host": "' + b"h" * 1_000_000 + b'"}',
    "a name that is a path": b'{"host": "h", "name": "../../etc/passwd"}',
    "control bytes": b'{"host": "h", "tags": ["\\u0001\\u001b[2J"]}',
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_odd_content_is_the_clients_mistake(lab, hop, content):
    admin = Admin(lab, hop)
    answer = raw(admin, "POST", "/services", content, [JSON])
    assert answer.status == 400, answer.content[:200]
    assert json.loads(answer.content)["message"]
    assert admin.must("GET", "/services")["data"] == []
    nothing_is_held(hop)


def test_minus_zero_is_zero(lab, hop):
    admin = Admin(lab, hop)
    answer = raw(admin, "POST", "/services", b'{"host": "h", "port": -0}', [JSON])
    assert (answer.status, json.loads(answer.content)["port"]) == (201, 0)


def test_of_a_key_that_comes_twice_the_last_counts(lab, hop):
    """As in cjson, and in everything else that reads JSON."""
    answer = raw(Admin(lab, hop), "POST", "/services", b'{"host": "first", "host": "last"}', [JSON])
    assert (answer.status, json.loads(answer.content)["host"]) == (201, "last")


ODD_FORMS = {
    "deep": b"host=h&a" + b"[b]" * 100 + b"=1",
    "deep by dots": b"host=h&" + b"a." * 100 + b"b=1",
    "many": b"&".join(b"k%d=1" % i for i in range(1001)),
    "a huge key": b"host=h&" + b"k" * 1_000_000 + b"=1",
    "a huge index": b"host=h&paths[999999999999]=/",
    "a far index": b"host=h&tags[999999]=/",
    "a negative index": b"host=h&tags[-1]=x",
    "invalid UTF-8": b"host=h&name=%ff%fe",
    "NUL": b"host=h%00x",
    "NUL in a key": b"host=h&a%00b=1",
    "cut escape": b"host=h&name=%f",
    "a list and a map": b"host=h&tags[]=a&tags[x]=b",
    "a record that is a text": b"host=h&client_certificate=x&client_certificate.id=y",
    "huge exponent": b"host=h&port=1e999",
    "2^64": b"host=h&port=18446744073709551616",
    "not a number": b"host=h&port=nan",
    "infinity": b"host=h&port=inf",
}


@pytest.mark.parametrize("content", ODD_FORMS.values(), ids=ODD_FORMS)
def test_odd_forms_are_the_clients_mistake(lab, hop, content):
    admin = Admin(lab, hop)
    answer = raw(admin, "POST", "/services", content, [FORM])
    assert answer.status == 400, answer.content[:200]
    assert json.loads(answer.content)["message"]
    assert admin.must("GET", "/services")["data"] == []


@pytest.mark.parametrize("query", [
    "size=1e999", "size=-0", "size=9223372036854775808", "size=nan", "size=%00", "offset=" + "A" * 3000, "offset=%ff",
    "tags=" + ",".join("abcdef"), "tags=%ff", "tags=%00", "&".join(f"a{i}=1" for i in range(1001)), "a" + "[x]" * 100 + "=1",
], ids=lambda query: query[:20])
def test_odd_queries_are_the_clients_mistake(lab, hop, query):
    answer = raw(Admin(lab, hop), "GET", f"/services?{query}")
    assert answer.status == 400, answer.content[:200]
    assert json.loads(answer.content)["message"]


def test_a_query_that_is_too_long_is_refused_as_any_line_is(lab, hop):
    assert raw(Admin(lab, hop), "GET", "/services?x=" + "a" * 100_000).status == 414
