"""Random nonsense to every path of the Admin API: any method, content of any shape and type, queries and names of any
bytes. Each is answered, never with a 5xx, and nothing that was refused is there afterwards."""
import http.client
import json
import random

import pytest

from lab.admin import admin_hop

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
TEXTS = ["", "a", "n1", "*", "/", "//", "~/(", "http", "https", "key-auth", "rate-limiting", "x" * 300, "\x00", "\u20ac", "\ud83d\ude00", "{vault://env/x}",
         "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "127.0.0.1", "[::1]:80", "%s%n", "null", "00000000-0000-4000-8000-000000000001",
         "1e999", "a.b.c", "a[b][c]", "^(a+)+$", "\r\nX: y"]
NUMBERS = [0, -1, 1, 80, 65536, 2**31, 2**53, -2**63, 1.5, 1e300, True, False, None]
NAMES = ["id", "name", "host", "port", "url", "paths", "hosts", "headers", "protocols", "service", "route", "consumer", "config", "tags", "snis", "cert", "key",
         "target", "weight", "upstream", "username", "custom_id", "group", "ttl", "healthchecks", "active", "healthy", "interval", "http_statuses", "enabled",
         "created_at", "updated_at", "jwk", "pem", "kid", "set", "prefix", "ca_certificates", "password", "algorithm", "methods", "hash_on", "sources", "@entity",
         "_format_version", "redis", "minute", "limits", "x" * 600, "a.b", "", "1"]
QUERIES = ["", "size=1", "size=-1", "size=x", "offset=x", "offset=WyJhIl0", "tags=a", "tags=a/b,c", "tags", "size=1&size=2", "tags=%ff", "a&b&c", "%", "custom_id=",
           "balancer_health=1", "unit=q", "check_hash=1", "flatten_errors=1", "offset=" + "A" * 2000]


class Nonsense:
    def __init__(self, seed, endpoints):
        self.random, self.endpoints = random.Random(seed), endpoints

    def value(self, depth=0):
        kind = self.random.random()
        if kind < 0.35 or depth > 5:
            return self.random.choice(TEXTS)
        if kind < 0.6:
            return self.random.choice(NUMBERS)
        if kind < 0.75:
            return [self.value(depth + 1) for _ in range(self.random.randrange(4))]
        return {self.random.choice(NAMES): self.value(depth + 1) for _ in range(self.random.randrange(5))}

    def entity(self):
        """Something that is partly right, so that more than the first check is met."""
        right = [{"name": "n1", "host": "h"}, {"name": "n1", "paths": ["/"]}, {"username": "u"}, {"name": "up"}, {"target": "h:1"}, {"name": "cors", "enabled": False},
                 {"key": "k"}, {"group": "g"}, {"kid": "k", "jwk": '{"kid":"k"}'}, {"prefix": "my-env", "name": "env"}, {}]
        return {**self.random.choice(right), **{self.random.choice(NAMES): self.value() for _ in range(self.random.randrange(4))}}

    def form(self):
        def name():
            parts = [self.random.choice(NAMES) for _ in range(self.random.randrange(1, 4))]
            return self.random.choice([".".join(parts), parts[0] + "".join(f"[{part}]" for part in parts[1:]), parts[0] + "[]", parts[0] + "[1]", parts[0] + "[2].x"])
        return [(name(), str(self.random.choice(TEXTS + NUMBERS))) for _ in range(self.random.randrange(6))]

    @staticmethod
    def encoded(text):
        return "".join(chr(byte) if byte < 128 and chr(byte).isalnum() else f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))

    def content(self):
        """(type, bytes)"""
        kind = self.random.randrange(6)
        if kind < 2:
            text = json.dumps(self.entity() if kind else self.value()).encode()
            if self.random.random() < 0.15:
                at = self.random.randrange(len(text) + 1)
                text = text[:at] + self.random.choice([b"", b"\xff", b"\x00", b"{", b"]", b'"']) + text[at + 1:]
            return "application/json", text
        if kind == 2:
            return "application/x-www-form-urlencoded", "&".join(f"{name}={self.encoded(value)}" for name, value in self.form()).encode()
        if kind == 3:
            parts = b"".join(b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value.encode("utf-8", "surrogatepass"))
                             for name, value in self.form())
            return "multipart/form-data; boundary=b", (parts + b"--b--\r\n")[:self.random.choice([10 ** 6, 40])]
        return self.random.choice([("text/yaml", b"a: [b"), ("", b""), ("application/json", b""), ("text/plain", b"x"), ("multipart/form-data", b"--x")])

    def path(self):
        segments = [self.segment(part) for part in self.random.choice(self.endpoints).split("/")]
        query = self.random.choice(QUERIES)
        return "/".join(segments) + ("?" + query if query else "")

    def segment(self, part):
        if not part.startswith("{") and self.random.random() < 0.97:
            return part
        return self.random.choice(["n1", "u", "up", "k", "g", "h:1", "00000000-0000-4000-8000-000000000001", self.encoded(self.random.choice(TEXTS)) or "x", "%ff", "%00"])


def ask(connection, method, path, kind="", content=b""):
    connection.request(method, path, content or None, {"Content-Type": kind} if kind else {})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def run(lab, seed, count):
    hop = admin_hop(lab).start()
    connection = http.client.HTTPConnection(*hop.admin_listeners["http"], timeout=60)
    endpoints = json.loads(ask(connection, "GET", "/endpoints")[2])["data"]
    nonsense = Nonsense(seed, endpoints)
    for i in range(count):
        method, path, (kind, content) = nonsense.random.choice(METHODS), nonsense.path(), nonsense.content()
        said = (i, method, path, kind, content)
        status, fields, text = ask(connection, method, path, kind, content)
        assert status < 500 or path.startswith("/status/dns"), (said, status, text)
        if text and fields["Content-Type"].startswith("application/json"):
            value = json.loads(text)
            assert status < 400 or isinstance(value["message"], str), (said, text)
            assert status >= 400 or "code" not in value, (said, text)
    lists = [path for path in endpoints if path.count("/") == 1 and path not in ("/cache", "/config", "/metrics", "/robots.txt")]
    before = {path: ask(connection, "GET", path)[::2] for path in lists if path not in ("/", "/status")}
    assert all(status == 200 for status, _ in before.values()), before
    connection.close()
    assert hop.stop() == 0  # what is there can be read again
    hop.process = None
    hop.admin_listeners = {}
    hop.start()
    connection = http.client.HTTPConnection(*hop.admin_listeners["http"], timeout=60)
    assert {path: ask(connection, "GET", path)[::2] for path in before} == before


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_nonsense_is_answered(lab, seed):
    run(lab, seed, 3000)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(10, 14))
def test_nonsense_for_long(lab, seed):
    run(lab, seed, 30_000)
