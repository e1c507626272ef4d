"""The stage: one hop with its targets, its configuration and what is read from it."""
import json
import pathlib
import socket
import ssl
import subprocess
import time

import testlab
import peers
from faults import NAME, TargetProcess
from lab.client import RawClient
from lab.dns_server import A, DnsServer
from lab.exposition import Exposition
from lab.hop import Hop
from lab.ports import free_port
from traffic import UPGRADE, HANG_S

SETTLE_S = 30.0
STILL_BYTES, STILL_S = 256 * 1024, 0.5  # the scrapes themselves take and give back memory
WHY_LINES = 4
CONF = {
    "proxy_listen": "127.0.0.1:0, 127.0.0.1:0 ssl", "status_listen": "127.0.0.1:0", "admin_listen": "off",
    "hopgate_persona": "edge", "hopgate_access_log_format": "json", "log_level": "notice",
    "nginx_worker_processes": "2", "dns_order": "A", "hopgate_dns_min_ttl": "500ms",
    "upstream_keepalive_idle_timeout": "2"}  # so that a pause of all clients shows a hop at rest


def service(name, host, port, path, **more):
    route = {"name": name, "paths": [path], "strip_path": False, **more.pop("route", {})}
    return {"name": name, "host": host, "port": port, "protocol": "http", "retries": 2, "routes": [route], **more}


class Scene:
    def __init__(self, binary, work):
        self.binary, self.work, self.generation = pathlib.Path(binary).resolve(), work, 0
        self.pki, self.nginx, self.targets, self.hop, self.dns = work / "pki", None, [], None, None
        subprocess.run([testlab.ROOT / "tools" / "certs.sh", self.pki, "edge=edge.test,127.0.0.1",
                        "renewed=edge.test,127.0.0.1"],
                       check=True, stdin=subprocess.DEVNULL)
        self.tls = ssl.create_default_context(cafile=str(self.pki / "root.pem"))

    def start(self):
        self.nginx = peers.start_origin(self.work, [1024])
        for host in ("0.0.0.0", "127.0.0.1", "127.0.0.1"):
            self.targets.append(TargetProcess(host, free_port(host)))
        self.dns = DnsServer().say(NAME, (A, "127.0.0.1"))
        self.hop = Hop(self.binary, self.work / "hop", "soak", self.conf(), self.declarative())
        self.hop.start()
        return self

    @property
    def steady(self):
        return self.targets[0]

    @property
    def tormented(self):
        return self.targets[1:]

    def conf(self):
        certificate = ("edge", "renewed")[self.generation % 2]
        return {"prefix": self.work / "hop" / "prefix", **CONF, "dns_resolver": self.dns.address,
                "ssl_cert": self.pki / f"{certificate}.pem", "ssl_cert_key": self.pki / f"{certificate}.key"}

    def declarative(self):
        """A little different each time."""
        steady = "127.0.0.1", self.steady.port
        weights = (100, 50 + 50 * (self.generation % 3))
        targets = [{"target": f"127.0.0.1:{target.port}", "weight": weight}
                   for target, weight in zip(self.tormented, weights)]
        services = [
            service("calm", "127.0.0.1", self.nginx.plain, "/calm", route={"strip_path": True}),
            service("steady", *steady, "/steady"), service("tunnel", *steady, "/tunnel"),
            service("upload", *steady, "/upload", route={"request_buffering": False}),
            service("stored", *steady, "/stored", route={"request_buffering": True}),
            service("named", NAME, self.steady.port, "/named"),
            service("tormented", "tormented.upstream", 80, "/tormented", connect_timeout=1000, read_timeout=1000)]
        if self.generation % 2:
            services.append(service(f"extra-{self.generation}", *steady, f"/extra/{self.generation}"))
        algorithm = ("round-robin", "least-connections")[self.generation // 2 % 2]
        return {"_format_version": "3.0", "services": services,
                "upstreams": [{"name": "tormented.upstream", "algorithm": algorithm, "targets": targets}]}

    def verb(self, *words):
        return subprocess.run([self.binary, *words, "--prefix", self.hop.prefix], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=HANG_S, check=False)

    def why(self, port):
        try:
            done = self.verb("why", f"127.0.0.1:{port}")
        except subprocess.TimeoutExpired:
            return "hopgate why did not answer"
        return "\n    ".join((done.stdout or done.stderr).strip().splitlines()[:WHY_LINES])

    def forgotten_exchanges(self, tunnel_port):
        """What runs for longer than any client here waits, but for the old tunnel: lines about each."""
        shown = json.loads(self.verb("show", "exchanges", "--json").stdout or "{}").get("exchanges", [])
        return [json.dumps(exchange) for exchange in shown
                if exchange["age_ms"] > 1000 * HANG_S and not exchange["client"].endswith(f":{tunnel_port}")]

    def recent(self, reason):
        """What the hop's recorder has of exchanges that ended so."""
        shown = self.verb("show", "recent", "--failed").stdout.splitlines()
        return "\n    ".join([line for line in shown if reason.upper() in line][:5])

    def scrape(self):
        client = RawClient(*self.hop.status_listeners["http"], deadline_s=HANG_S)
        try:
            return Exposition(client.get("/metrics", [("Connection", "close")]).content)
        finally:
            client.close()

    def wait_until_at_rest(self, connections):
        """(metrics, whether it is at rest): no connection of a client but those that stay and none to a target, and
        then memory that has stopped changing, which is waited for and not asked for."""
        end, last, calm_since = time.monotonic() + SETTLE_S, None, time.monotonic()
        while True:
            metrics = self.scrape()
            at_rest = (metrics.value("hopgate_worker_connections") <= connections + 1  # one is the scrape's own
                       and metrics.value("hopgate_worker_idle_upstream_connections") == 0)
            now = self.hop.memory_bytes("RssAnon")
            if not at_rest or last is None or abs(now - last) > STILL_BYTES:
                last, calm_since = now, time.monotonic()
            elif time.monotonic() - calm_since > STILL_S:
                return metrics, True
            if time.monotonic() > end:
                return metrics, at_rest
            time.sleep(0.05)

    def trim_logs(self):
        """As logrotate's copytruncate; what they said is looked at first."""
        serious = [line for line in self.hop.error_log.text().splitlines()
                   if any(f"[{level}]" in line for level in ("crit", "alert", "emerg"))]
        for log in (self.hop.access_log, self.hop.error_log):
            if log.path.exists():
                with open(log.path, "r+b") as file:
                    file.truncate(0)
        return serious

    def stop(self):
        for process in self.targets:
            process.kill()
        if self.nginx:
            self.nginx.stop()
        if self.dns:
            self.dns.stop()
        if self.hop:
            self.hop.kill()


class OldTunnel:
    """A tunnel that is older than every reload and is used now and then."""

    def __init__(self, scene):
        self.client = RawClient(*scene.hop.http, deadline_s=HANG_S)
        self.port = self.client.local_port
        self.client.send(self.client.request_bytes("GET", "/tunnel", UPGRADE))
        assert self.client.read_head().status == 101

    def ping(self):
        """What is wrong with it, or None."""
        try:
            self.client.send(b"ping")
            answer = self.client.read_exact(4)
            return None if answer == b"ping" else f"it said {answer!r}"
        except Exception as problem:
            return repr(problem)

    def close(self):
        try:
            self.client.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.client.close()
