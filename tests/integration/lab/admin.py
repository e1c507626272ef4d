"""The Admin API of a hop as a test speaks to it: one request, one connection."""
import json

from .client import RawClient

ADMIN = {"admin_listen": "127.0.0.1:0"}


class Admin:
    """hop: started with an admin_listen. tls: an ssl context for its TLS listener."""

    def __init__(self, lab, hop, tls=None, fields=()):
        self.lab, self.hop, self.tls, self.fields = lab, hop, tls, tuple(fields)

    def connect(self):
        address = self.hop.admin_listeners["https" if self.tls else "http"]
        client = RawClient(*address, tls=self.tls, deadline_s=60)  # a change waits for disks and workers
        self.lab.clients.append(client)
        return client

    def ask(self, method, path, content=None, fields=()):
        """(status, JSON or None)"""
        client = self.connect()
        body = b"" if content is None else json.dumps(content).encode()
        kind = [("Content-Type", "application/json")] if content is not None else []
        answer = client.request(method, path, fields=[*kind, *self.fields, *fields], content=body)
        client.close()
        return answer.status, json.loads(answer.content) if answer.content else None

    def must(self, method, path, content=None):
        status, entity = self.ask(method, path, content)
        assert status in (200, 201, 204), (method, path, status, entity)
        return entity


def admin_hop(lab, conf=None, **options):
    """A hop with a store of its own and no entities."""
    hop = lab.make_hop({}, conf={**ADMIN, **(conf or {})}, **options)
    hop.command = lambda verb="run": [*hop.wrapper, str(hop.binary), verb, "-c", str(hop.conf_path)]
    return hop
