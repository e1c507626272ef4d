"""The files of `hopgate lab pki`, and real servers that serve them."""
import contextlib
import json
import pathlib
import re
import socket
import subprocess

from .client import run
from .wait import wait_until

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.S)


class Shelf:
    """`situations`: name -> row of index.json."""

    def __init__(self, binary, directory, *options):
        self.directory = pathlib.Path(directory)
        done = run(binary, "lab", "pki", *options, self.directory)
        assert done.code == 0, done
        self.said = done.out
        self.index = json.loads((self.directory / "index.json").read_text())
        self.situations = {row["name"]: row for row in self.index["situations"]}
        self.root = self.directory / self.index["trust"]

    def path(self, name, what):
        """what: "chain", "key", "crl", "ocsp"."""
        return self.directory / self.situations[name][what]

    def certificates(self, name):
        return CERTIFICATE.findall(self.path(name, "chain").read_text())


def is_listening(port):
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def openssl_server(shelf, name, directory, *options, times=1):
    """`openssl s_server` with the chain as the file has it, what follows the leaf `times` times. Yields its port."""
    leaf, *rest = shelf.certificates(name)
    rest *= times
    (directory / "leaf.pem").write_text(leaf)
    (directory / "rest.pem").write_text("".join(rest))
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-cert", directory / "leaf.pem", "-key",
               shelf.path(name, "key"), "-cipher", "DEFAULT@SECLEVEL=0", *options]
    if rest:
        command += ["-cert_chain", directory / "rest.pem"]
    server = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    try:
        said = ""
        while not (match := re.search(r"ACCEPT 127\.0\.0\.1:(\d+)", said)):  # blocks: it says so, or it has ended
            line = server.stdout.readline()
            assert line, f"s_server ended: {said}"
            said += line
        port = int(match[1])
        wait_until(lambda: is_listening(port), "s_server accepts")
        yield port
    finally:
        server.kill()
        server.communicate()
