"""What a hop adds, replaces, removes and keeps in the fields it forwards."""
import pytest

from lab import behaviours

PLAIN = [("X-One", "1"), ("x-ONE", "2"), ("Accept", "a;q=0.1,  b"), ("X-Empty", ""), ("Cookie", "a=1; b=2")]


@pytest.fixture
def origin(lab):
    return lab.origin(content=b"x")


def only(request, names):
    wanted = {name.lower() for name in names}
    return [(name, value) for name, value in request.fields if name.lower() in wanted]


@pytest.mark.parametrize("persona", ["kong", "edge", "f5"])
@pytest.mark.rules("f5 request.name_case")
def test_order_case_and_duplicates_of_plain_fields_are_kept(lab, origin, persona):
    getattr(lab, persona)(origin)
    lab.client(lab.hops[0]).get("/", PLAIN)
    assert only(origin.requests[0], [name for name, _ in PLAIN]) == PLAIN


def test_kong_appends_to_x_forwarded_for_and_sets_the_rest(lab, origin):
    kong = lab.kong(origin)
    lab.client(kong).get("/a/b?c=d", [("Host", "API.example:8000"), ("X-Forwarded-For", "203.0.113.9"),
                                      ("X-Forwarded-Proto", "https"), ("X-Real-IP", "203.0.113.9")])
    fields = origin.requests[0].fields
    assert fields.all("X-Forwarded-For") == ["203.0.113.9, 127.0.0.1"]
    assert fields.all("X-Real-IP") == ["127.0.0.1"]
    assert fields.all("X-Forwarded-Proto") == ["http"]
    assert fields.all("X-Forwarded-Host") == ["api.example"]
    assert fields.all("X-Forwarded-Port") == [str(kong.port)]
    assert fields.all("X-Forwarded-Path") == ["/a/b"]
    assert fields.all("Host") == [f"127.0.0.1:{origin.port}"]


def test_kong_keeps_the_host_when_told_so(lab, origin):
    kong = lab.kong(origin, route={"preserve_host": True})
    lab.client(kong).get("/", [("Host", "API.example:8000")])
    assert origin.requests[0].fields.all("Host") == ["API.example:8000"]


def test_kong_strips_the_matched_path_and_says_so(lab, origin):
    kong = lab.kong(origin, paths=["/api"], route={"strip_path": True})
    lab.client(kong).get("/api/users?x=1")
    (request,) = origin.requests
    assert (request.target, request.fields.get("X-Forwarded-Prefix")) == ("/users?x=1", "/api")


def test_trusted_client_is_believed(lab, origin):
    kong = lab.kong(origin, conf={"trusted_ips": "127.0.0.0/8", "real_ip_header": "X-Forwarded-For"})
    lab.client(kong).get("/", [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"),
                               ("X-Forwarded-Host", "x"), ("X-Forwarded-Port", "443")])
    fields = origin.requests[0].fields
    assert fields.get("X-Real-IP") == "203.0.113.9"
    assert fields.get("X-Forwarded-For") == "203.0.113.9, 127.0.0.1"
    assert [fields.get(f"X-Forwarded-{what}") for what in ("Proto", "Host", "Port")] == ["https", "x", "443"]


def test_tls_listener_says_https(lab, origin):
    edge = lab.edge(origin, tls=True)
    lab.client(edge, tls=True).get("/")
    fields = origin.requests[0].fields
    assert (fields.get("X-Forwarded-Proto"), fields.get("X-Forwarded-Port")) == ("https", str(edge.https[1]))


def test_edge_replaces_what_an_untrusted_client_claims(lab, origin):
    claims = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "198.51.100.1"), ("X-Real-IP", "203.0.113.9"),
              ("X-Forwarded-Proto", "gopher"), ("Client-Cert", ":AAAA:"), ("X-SSL-Client-Verify", "SUCCESS"),
              ("X-Forwarded-Client-Cert", "Hash=1"), ("X-Consumer-Username", "root")]
    lab.client(lab.edge(origin)).get("/", claims)
    fields = origin.requests[0].fields
    assert fields.all("X-Forwarded-For") == ["127.0.0.1"]
    assert fields.all("X-Forwarded-Proto") == ["http"]
    assert "203.0.113.9" not in str(list(fields))
    for name in ("Client-Cert", "X-SSL-Client-Verify", "X-Forwarded-Client-Cert", "X-Consumer-Username"):
        assert fields.all(name) == [], name


@pytest.mark.parametrize("persona", ["kong", "edge"])
@pytest.mark.rules("f5 request.connection_fields")
def test_fields_of_one_connection_stay_on_it(lab, origin, persona):
    getattr(lab, persona)(origin)
    lab.client(lab.hops[0]).get("/", [("Connection", "X-Mine, keep-alive"), ("X-Mine", "1"), ("Keep-Alive", "timeout=5"),
                                      ("Proxy-Connection", "keep-alive"), ("TE", "gzip"), ("X-Other", "2")])
    fields = origin.requests[0].fields
    assert [fields.get(name) for name in ("X-Mine", "Keep-Alive", "Proxy-Connection", "TE")] == [None] * 4
    assert fields.get("X-Other") == "2"


@pytest.mark.parametrize("persona", ["kong", "edge"])
def test_client_cannot_remove_our_own_fields_by_naming_them(lab, origin, persona):
    getattr(lab, persona)(origin)
    lab.client(lab.hops[0]).get("/", [("Connection", "X-Forwarded-For, X-Real-IP, Host")])
    fields = origin.requests[0].fields
    assert fields.get("X-Forwarded-For") == "127.0.0.1"
    assert len(fields.all("Host")) == 1


def test_response_fields_pass_except_those_of_the_connection(lab, origin):
    sent = [("Server", "origin/1"), ("X-a", "1"), ("X-A", "2"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"),
            ("Keep-Alive", "timeout=5"), ("Connection", "X-Hop"), ("X-Hop", "1")]
    origin.on("/", behaviours.answer(b"x", fields=sent))
    fields = lab.client(lab.edge(origin)).get("/").fields
    assert fields.get("Server") == "origin/1"
    assert [(name, value) for name, value in fields if name.lower() == "x-a"] == [("X-a", "1"), ("X-A", "2")]
    assert fields.all("Set-Cookie") == ["a=1", "b=2"]
    assert [fields.get(name) for name in ("Keep-Alive", "X-Hop")] == [None, None]


def test_kong_adds_its_response_fields(lab, origin):
    fields = lab.client(lab.kong(origin)).get("/").fields
    assert fields.get("Via", "").startswith("1.1 kong/")
    assert fields.get("X-Kong-Upstream-Latency", "").isdigit()
    assert fields.get("X-Kong-Proxy-Latency", "").isdigit()
    assert len(fields.get("X-Kong-Request-Id", "")) == 32
    assert origin.requests[0].fields.get("X-Kong-Request-Id") == fields.get("X-Kong-Request-Id")


def test_each_hop_of_a_chain_adds_its_own_address(lab, origin):
    inner = lab.kong(origin)
    edge = lab.edge(inner)
    lab.client(edge).get("/")
    assert origin.requests[0].fields.get("X-Forwarded-For") == "127.0.0.1, 127.0.0.1"


@pytest.mark.parametrize("persona", ["edge", "f5", "kong"])
@pytest.mark.rules("f5 request.fields[Host]")
def test_target_gets_a_host_also_from_a_client_that_sends_none(lab, persona):
    """HTTP/1.0 does without; our HTTP/1.1 request must not (RFC 9112 3.2)."""
    origin = lab.origin(content=b"x")
    client = lab.client(getattr(lab, persona)(origin))
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert client.read_response().content == b"x"
    assert origin.requests[0].fields.all("Host") == [f"{origin.host}:{origin.port}"]
