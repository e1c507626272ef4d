#!/usr/bin/python3
"""Memory per client connection of hopgate in each state; run it through tools/bench --memory.

Each state has a process of its own: resident anonymous memory before and after N connections of that state, after a
warm-up that has touched all receive buffers. What the kernel holds for sockets is not in it.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import selectors
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import peers

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETTLE_SECONDS, DEADLINE_SECONDS = 30, 60
BIG = 1 << 20
END_OF_HEAD = b"\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Origin(threading.Thread):
    """Answers /, sends a MiB for /big, switches protocols when asked to, reads content and stays silent for /upload."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.plain = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.content_bytes = 0
        self.start()

    def run(self):
        while True:
            for key, _ in self.selector.select():
                key.data(key.fileobj)

    def accept(self, listener):
        sock, _ = listener.accept()
        sock.setblocking(False)
        self.selector.register(sock, selectors.EVENT_READ, self.read_head)

    def drop(self, sock):
        self.selector.unregister(sock)
        sock.close()

    def receive(self, sock):
        try:
            data = sock.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            self.drop(sock)
        return data

    def read_head(self, sock):
        data = self.receive(sock)
        head, _, rest = data.partition(END_OF_HEAD)  # the hop sends a head in one piece
        if b" /big " in head:
            self.send_all(sock, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG + bytes(BIG))
        elif b" /upload " in head:
            self.content_bytes += len(rest)
            self.selector.modify(sock, selectors.EVENT_READ, self.read_content)
        elif b"pgrade: websocket" in head:
            sock.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        elif head:
            sock.send(ANSWER)

    def read_content(self, sock):
        self.content_bytes += len(self.receive(sock))

    def send_all(self, sock, data):
        left = memoryview(data)

        def go_on(_):
            nonlocal left
            try:
                left = left[sock.send(left):]
            except BlockingIOError:
                pass
            except OSError:
                self.drop(sock)
                return
            if not left:
                self.selector.modify(sock, selectors.EVENT_READ, self.read_head)

        self.selector.modify(sock, selectors.EVENT_WRITE, go_on)


def request(method, path, *fields):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: bench.test", *fields, "", ""]).encode()


def read_until(sock, mark):
    data = b""
    while mark not in data:
        piece = sock.recv(65536)
        if not piece:
            raise RuntimeError(f"the hop closed after {data[:200]!r}")
        data += piece
    return data


class Driver:
    """Brings connections into each state."""

    def __init__(self, server, origin, tls):
        self.server, self.origin, self.tls_context = server, origin, tls

    def connect(self, port):
        sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def send(self, data):
        sock = self.connect(self.server.plain)
        sock.sendall(data)
        return sock

    def silent(self):
        return self.connect(self.server.plain)

    def idle_plain(self):
        sock = self.send(request("GET", "/"))
        read_until(sock, b"ok")
        return sock

    def tls_not_begun(self):
        return self.connect(self.server.tls)

    def half_hello(self):
        sock = self.connect(self.server.tls)
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100))
        return sock

    def idle_tls(self):
        sock = self.tls_context.wrap_socket(self.connect(self.server.tls), server_hostname="bench.test")
        sock.sendall(request("GET", "/"))
        read_until(sock, b"ok")
        return sock

    def half_head(self):
        return self.send(request("GET", "/", "X-Half: " + "x" * 500)[:-4])

    def half_body(self):
        return self.send(request("POST", "/upload", f"Content-Length: {BIG}") + bytes(1000))

    def half_response(self):
        sock = self.send(request("GET", "/big"))
        sock.recv(1000)
        return sock

    def half_response_tls(self):
        sock = self.tls_context.wrap_socket(self.connect(self.server.tls), server_hostname="bench.test")
        sock.sendall(request("GET", "/big"))
        sock.recv(1000)
        return sock

    def tunnel(self):
        sock = self.send(request("GET", "/", "Upgrade: websocket", "Connection: Upgrade"))
        read_until(sock, b"101")
        return sock

    def warm_up(self):
        """Touches every receive buffer, small and large, and what is made with the first request of a kind."""
        for sock in (self.idle_plain(), self.idle_tls()):
            for _ in range(1500):
                sock.sendall(request("GET", "/"))
                read_until(sock, b"ok")
            sock.close()
        for make in (self.half_body, self.half_response, self.tunnel):
            make().close()
        sock = self.connect(self.server.plain)
        for _ in range(20):
            sock.sendall(request("GET", "/big"))
            left = BIG
            while left > 0:
                left -= len(sock.recv(1 << 18))
        sock.close()


STATES = {
    "connected, nothing sent": "silent",
    "idle after a request, plain": "idle_plain",
    "TLS handshake not begun": "tls_not_begun",
    "half a ClientHello sent": "half_hello",
    "idle after a request, TLS": "idle_tls",
    "half a head sent": "half_head",
    "half a body sent (stream), target connected": "half_body",
    "1 MiB response half read, plain": "half_response",
    "1 MiB response half read, TLS": "half_response_tls",
    "tunnel open": "tunnel",
}


def resident_bytes(server):
    """Of the process itself, once it has stopped changing."""
    pid, last, since = server.pids()[-1], None, time.monotonic()
    end = since + SETTLE_SECONDS
    while time.monotonic() < end:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        now = int(re.search(r"^RssAnon:\s+(\d+) kB", status, re.M).group(1)) * 1024
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 0.5:
            break
        time.sleep(0.05)
    return last


def measure(method, count, work, hopgate):
    work.mkdir()
    origin = Origin()
    server = peers.start_peer("hopgate", work, work.parent / "pki", origin, hopgate)
    socks = []
    try:
        driver = Driver(server, origin, ssl.create_default_context(cafile=str(work.parent / "pki" / "root.pem")))
        driver.warm_up()
        before = resident_bytes(server)
        socks = [getattr(driver, method)() for _ in range(count)]
        return (resident_bytes(server) - before) / count
    finally:
        for sock in socks:
            sock.close()
        server.stop()


def main():
    parser = argparse.ArgumentParser(prog="tools/bench --memory", description=__doc__.splitlines()[0])
    parser.add_argument("--hopgate", default=ROOT / "build" / "release" / "hopgate", type=pathlib.Path)
    parser.add_argument("--connections", type=int, default=1000)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    work = pathlib.Path(tempfile.mkdtemp(prefix="hopgate-memory-"))
    results = {}
    try:
        subprocess.run([ROOT / "tools" / "certs.sh", work / "pki", "edge=bench.test,127.0.0.1"], check=True)
        for state, method in STATES.items():
            results[state] = measure(method, options.connections, work / method, options.hopgate.resolve())
            print(f"{state:46} {results[state] / 1000:8.1f} KB per connection ({options.connections})", flush=True)
        print("memory " + json.dumps({state: round(value) for state, value in results.items()}))
    except (OSError, RuntimeError) as problem:
        print(f"tools/bench: {problem}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
