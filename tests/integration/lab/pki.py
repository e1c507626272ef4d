"""A throw-away PKI per test run: root -> intermediate -> leaves, good and broken ones."""
import functools
import pathlib
import ssl
import subprocess

from .client_pki import ClientPki

CERTS = pathlib.Path(__file__).parents[3] / "tools" / "certs.sh"
LEAVES = ["edge=edge.test,127.0.0.1", "renewed=edge.test,127.0.0.1", "other=other.test", "wild=*.wild.test",
          "origin=origin.test,127.0.0.1", "--rsa", "rsa=rsa.test", "client=client.test", "--expired",
          "expired=origin.test,127.0.0.1"]
FUTURE = ["--future", "future=origin.test,127.0.0.1"]


class Pki:
    """Files of tools/certs.sh; `chain(name)`: leaf and intermediate, `leaf(name)`: the leaf alone."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        for leaves in (LEAVES, FUTURE):
            subprocess.run([CERTS, self.directory, *leaves], check=True, stdin=subprocess.DEVNULL)
        self.root = self.directory / "root.pem"
        self.intermediate = self.directory / "intermediate.pem"

    @functools.cached_property
    def clients(self):
        """Certificates of clients, and their CAs."""
        return ClientPki(self.directory / "clients")

    def key(self, name):
        return self.directory / f"{name}.key"

    def chain(self, name):
        return self.directory / f"{name}.pem"

    def leaf(self, name):
        return self.directory / f"{name}.leaf.pem"

    def certificate(self, name, *snis, chain=True):
        """A Kong certificate entity."""
        pem = self.chain(name) if chain else self.leaf(name)
        return {"cert": pem.read_text(), "key": self.key(name).read_text(),
                "snis": [{"name": sni} for sni in snis]}

    def client_context(self, version=None, verify=True):
        """What a client uses; version: ssl.TLSVersion to insist on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # a missing close_notify must be seen
        if version:
            context.minimum_version = context.maximum_version = version
        if verify:
            context.load_verify_locations(self.root)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def server_context(self, name="origin", chain=True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain(name) if chain else self.leaf(name), self.key(name))
        return context
