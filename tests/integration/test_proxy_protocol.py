"""PROXY protocol: who sends the header says who the client is, so it is taken from those who may, and demanded of them."""
import socket
import struct

import pytest

from lab.lab import service_to
from test_client_identity import about, verifying, with_certificate

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 203.0.113.9 10.0.0.1 51234 443\r\n"


def v2(tlvs=b"", command=1, source="203.0.113.9", destination="10.0.0.1", ports=(51234, 443)):
    addresses = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!HH", *ports)
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, 0x11, len(addresses) + len(tlvs)) + addresses + tlvs


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


TLVS = tlv(1, b"http/1.1") + tlv(2, b"shop.test") + tlv(0x20, b"\x07\0\0\0\0" + tlv(0x21, b"TLSv1.3") + tlv(0x22, b"alice"))


def listening(lab, tls=False, conf=None, trusted="127.0.0.0/8", persona="kong"):
    """A hop whose listeners want the header. Their order: plain, then TLS."""
    listen = "127.0.0.1:0 proxy_protocol" + (", 127.0.0.1:0 ssl proxy_protocol" if tls else "")
    return lab.hop(service_to(lab.origin(content=b"hello")), persona=persona, tls=tls,
                   conf={"proxy_listen": listen, "trusted_ips": trusted, "real_ip_header": "proxy_protocol",
                         **(conf or {})})


def get(lab, hop, header, pieces=None):
    """One request behind the header; pieces: how many bytes at a time."""
    client = lab.client(hop)
    data = header + client.request_bytes("GET", "/")
    size = pieces or len(data)
    for at in range(0, len(data), size):
        client.send(data[at:at + size])
    return client.read_response()


@pytest.mark.parametrize("header, version", [(V1, 1), (v2(), 2), (v2(TLVS), 2)], ids=["v1", "v2", "v2 with TLVs"])
@pytest.mark.parametrize("pieces", [None, 1])
def test_the_client_is_who_the_header_says(lab, header, version, pieces):
    hop = listening(lab)
    assert get(lab, hop, header, pieces).content == b"hello"
    (request,) = lab.origins[0].requests
    assert request.fields.get("X-Real-IP") == "203.0.113.9"
    assert request.fields.get("X-Forwarded-For") == "203.0.113.9"
    entry = hop.access_log.last()
    assert entry["client_ip"] == "203.0.113.9"
    assert entry["client"]["peer_ip"] == "127.0.0.1", "the TCP peer is not forgotten"
    said = entry["client"]["proxy_protocol"]
    assert (said["version"], said["source_port"], said["destination_ip"]) == (version, 51234, "10.0.0.1")


def test_tlvs_are_logged(lab):
    hop = listening(lab)
    get(lab, hop, v2(TLVS))
    said = hop.access_log.last()["client"]["proxy_protocol"]
    assert (said["authority"], said["alpn"], said["tls_version"], said["common_name"], said["client_verified"]) == (
        "shop.test", "http/1.1", "TLSv1.3", "alice", True)


def test_the_header_of_the_connection_counts_for_each_of_its_requests(lab):
    hop = listening(lab)
    client = lab.client(hop)
    client.send(V1)
    for _ in range(2):
        assert client.get("/").content == b"hello"
    assert [request.fields.get("X-Real-IP") for request in lab.origins[0].requests] == ["203.0.113.9"] * 2


def test_another_real_ip_header_leaves_the_address_alone(lab):
    hop = listening(lab, conf={"real_ip_header": "X-Real-IP"})
    get(lab, hop, V1)
    assert lab.origins[0].requests[0].fields.get("X-Real-IP") == "127.0.0.1"


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\0\0\0"], ids=["UNKNOWN", "LOCAL"])
def test_a_sender_that_speaks_for_itself_is_the_client(lab, header):
    hop = listening(lab)
    assert get(lab, hop, header).content == b"hello"
    assert lab.origins[0].requests[0].fields.get("X-Real-IP") == "127.0.0.1"


def test_tls_comes_behind_the_header(lab):
    hop = listening(lab, tls=True)
    for pieces in (V1, v2(TLVS)):
        client = lab.client(hop.https)
        client.send(pieces)
        client.sock = lab.pki.client_context().wrap_socket(client.sock, server_hostname="edge.test")
        assert client.get("/").content == b"hello"
    assert lab.origins[0].requests[1].fields.get("X-Real-IP") == "203.0.113.9"
    assert hop.access_log.last(2)["request"]["tls"]["version"] == "TLSv1.3"


@pytest.mark.parametrize("bytes_in, shown, problem", [
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 'broken header: "GET / HTTP/1.1"', "it does not begin like one"),
    (b"PROXY TCP4 203.0.113.9\r\n", 'broken header: "PROXY TCP4 203.0.113.9"', "the line is not PROXY TCP4|TCP6"),
    (SIGNATURE + b"\x31\x11\0\x0c", 'broken header: ""', "the version is not 2"),
])
def test_what_is_no_header_ends_the_connection_with_nginx_s_line(lab, bytes_in, shown, problem):
    hop = listening(lab)
    client = lab.client(hop)
    client.send(bytes_in)
    client.wait_for_end()
    (line,) = hop.error_log.wait_for(f"[error] ", f"{shown} while reading PROXY protocol, client: 127.0.0.1, server: ")
    assert problem in line
    assert lab.origins[0].requests == []


def test_an_address_that_is_not_trusted_is_refused(lab):
    hop = listening(lab, trusted="192.0.2.0/24")
    try:
        client = lab.client(hop)
        client.send_what_is_taken(V1 + client.request_bytes("GET", "/"))
        client.wait_for_end()
    except ConnectionResetError:
        pass  # the reset came before the client was done with its connect
    hop.error_log.wait_for("the address is not in trusted_ips while reading PROXY protocol, client: 127.0.0.1")
    assert lab.origins[0].requests == []


def test_a_header_that_does_not_come_times_out(lab):
    hop = listening(lab, conf={"nginx_http_client_header_timeout": "300ms"})
    client = lab.client(hop)
    client.send(V1[:20])
    client.wait_for_end()
    hop.error_log.wait_for("client timed out (110: Connection timed out) while reading PROXY protocol, client: 127.0.0.1")


def test_a_health_check_that_only_connects_leaves_no_line(lab):
    hop = listening(lab)
    lab.client(hop).close()
    assert get(lab, hop, V1).content == b"hello"
    assert "PROXY" not in hop.error_log.text()


@pytest.mark.parametrize("header", [V1, v2()], ids=["v1", "v2"])
def test_without_the_flag_the_header_is_a_bad_request(lab, header):
    hop = lab.edge(lab.origin(), conf={"trusted_ips": "127.0.0.0/8"})
    client = lab.client(hop)
    client.send_what_is_taken(header + client.request_bytes("GET", "/"))
    assert client.read_response().status == 400
    assert lab.origins[0].requests == []


def test_the_flag_without_trusted_ips_is_refused_at_start(hopgate, tmp_path):
    (tmp_path / "kong.conf").write_text("proxy_listen = 127.0.0.1:0 proxy_protocol\n")
    (tmp_path / "kong.yaml").write_text('_format_version: "3.0"\n')
    done = hopgate("check", "-c", "kong.conf", "kong.yaml")
    assert done.code == 78
    assert "kong.conf:1" in done.out + done.err and "proxy_protocol needs trusted_ips" in done.out + done.err


# towards targets


def sending(lab, origin, rule, persona="kong", tls=False, conf=None, **service):
    declarative = {**service_to(origin, **service), "hopgate": {"proxy_protocol": [{"service": "main", **rule}]}}
    return lab.hop(declarative, persona=persona, tls=tls, conf=conf)


def noting_origin(lab, headers, tls=None):
    """Takes a header off each connection before anything else, as a server behind a load balancer does."""
    def take(connection, request):
        while len(connection.buffer) < 16:
            connection.fill()
        if connection.buffer.startswith(SIGNATURE):
            size = 16 + struct.unpack("!H", connection.buffer[14:16])[0]
            while len(connection.buffer) < size:
                connection.fill()
            headers.append(connection.take(size))
        else:
            headers.append(connection.read_until(b"\r\n"))

    return lab.origin(on_connect=take, content=b"hello")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_each_connection_to_the_target_begins_with_the_client_s_addresses(lab, version):
    """And is used for one client only: another would be taken for the first."""
    headers = []
    origin = noting_origin(lab, headers)
    hop = sending(lab, origin, {"version": version})
    clients = [lab.client(hop) for _ in range(2)]
    for client in clients + clients:
        assert client.get("/").content == b"hello"
    local = [(client.local_port, hop.http[1]) for client in clients]
    want = [f"PROXY TCP4 127.0.0.1 127.0.0.1 {ours} {theirs}\r\n".encode() if version == "v1"
            else v2(source="127.0.0.1", destination="127.0.0.1", ports=(ours, theirs)) for ours, theirs in local]
    assert headers == want + want, "a connection for each request"


def test_tlvs_tell_what_the_client_s_tls_agreed_on(lab):
    headers = []
    hop = sending(lab, noting_origin(lab, headers), {"version": "v2", "tlvs": ["authority", "ssl"]}, tls=True)
    client = lab.client(hop, tls=lab.pki.client_context(), server_name="edge.test")
    assert client.get("/").content == b"hello"
    (header,) = headers
    assert tlv(2, b"edge.test") in header and tlv(0x21, b"TLSv1.3") in header and tlv(0x22, b"") not in header


@pytest.mark.parametrize("name, mode, verified", [("good", "on", True), ("stranger", "optional_no_ca", False)])
def test_tlvs_tell_who_the_client_is_by_its_certificate(lab, name, mode, verified):
    headers = []
    hop = sending(lab, noting_origin(lab, headers), {"version": "v2", "tlvs": ["ssl", "alpn"]}, tls=True,
                  conf=verifying(lab, mode))
    assert with_certificate(lab, hop, name).get("/").content == b"hello"
    (header,) = headers
    common_name = about(lab, name, "-subject", "-nameopt", "multiline").split("commonName")[1].split("=")[1].split("\n")[0].strip()
    assert tlv(0x22, common_name.encode()) in header
    at = header.index(b"\x20", 28)  # PP2_TYPE_SSL: length, client flags, verify
    flags, verify = struct.unpack("!BI", header[at + 3:at + 8])
    assert flags == 7 and (verify == 0) == verified


def test_a_header_that_came_in_goes_out_again(lab):
    headers = []
    hop = sending(lab, noting_origin(lab, headers), {"version": "v1"}, conf={
        "proxy_listen": "127.0.0.1:0 proxy_protocol", "trusted_ips": "127.0.0.0/8", "real_ip_header": "proxy_protocol"})
    assert get(lab, hop, V1).content == b"hello"
    assert headers[0].startswith(b"PROXY TCP4 203.0.113.9 127.0.0.1 51234 ")


@pytest.mark.parametrize("rule, says", [
    ("{service: nobody}", "3:28: error: hopgate.proxy_protocol[0]: invalid reference 'service: nobody'"),
    ("{service: s, version: v3}", "hopgate.proxy_protocol[0].version: expected one of: v1, v2"),
    ("{service: s, version: v1, tlvs: [alpn]}", "version v1 has no room for tlvs"),
    ("{version: v1}", "hopgate.proxy_protocol[0].service: required field missing"),
    ("{service: s}, {service: s}", "hopgate.proxy_protocol[1]: the service 's' has a rule already"),
])
def test_a_rule_that_cannot_be_is_refused_with_its_place(hopgate, tmp_path, rule, says):
    (tmp_path / "kong.yaml").write_text('_format_version: "3.0"\nservices: [{name: s, host: 127.0.0.1}]\n'
                                        f"hopgate: {{proxy_protocol: [{rule}]}}\n")
    done = hopgate("check", "kong.yaml")
    assert done.code == 78 and says in done.out + done.err, done.out + done.err
