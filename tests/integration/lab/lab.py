"""The lab of one test: makes origins, hops and clients, and sees to it that they all end well."""
import os
import pathlib
import shutil
import tempfile

from .client import RawClient
from .dns_server import DnsServer
from .hop import Hop
from .origin import Origin
from .ports import BlackHole, RefusingPort

NOBODY = 65534


def stay_root(user):
    """A machine may have a user `hopgate`, whom a hop of root would become; tests' directories are root's."""
    return {"nginx_user": "root"} if os.getuid() == 0 and not user else {}


def address_of(target):
    """(host, port) of an origin, hop, port object or pair."""
    return target if isinstance(target, tuple) else (target.host, target.port)


def service_to(*targets, name="main", paths=("/",), protocol="http", route=None, algorithm=None, **service):
    """Entities for one service and its route: direct to one target, else through an upstream."""
    entity = {"name": name, "protocol": protocol, "retries": 0, **service}
    entity["routes"] = [{"name": f"{name}-route", "paths": list(paths), "strip_path": False, **(route or {})}]
    upstreams = []
    if len(targets) == 1:
        entity["host"], entity["port"] = address_of(targets[0])
    else:
        entity["host"] = f"{name}.upstream"
        entity["port"] = 80
        upstream = {"name": f"{name}.upstream",
                    "targets": [{"target": "{}:{}".format(*address_of(target))} for target in targets]}
        upstreams.append({**upstream, **({"algorithm": algorithm} if algorithm else {})})
    return {"services": [entity], **({"upstreams": upstreams} if upstreams else {})}


def merge(*declaratives):
    """One declarative file out of several: lists are joined."""
    merged = {}
    for declarative in declaratives:
        for key, items in declarative.items():
            merged[key] = merged.get(key, []) + items if isinstance(items, list) else items
    return merged


class Lab:
    def __init__(self, binary, directory, pki):
        """binary, pki: functions, so that a test without a hop or without TLS needs neither."""
        self._binary, self.directory, self._pki = binary, pathlib.Path(directory), pki
        self.hops, self.origins, self.clients, self.others = [], [], [], []
        self.expect_bad_end = set()

    @property
    def binary(self):
        return self._binary()

    @property
    def pki(self):
        return self._pki()

    def origin(self, **options):
        self.origins.append(Origin(**options))
        return self.origins[-1]

    def refusing_port(self):
        self.others.append(RefusingPort())
        return self.others[-1]

    def dns_server(self):
        self.others.append(DnsServer())
        return self.others[-1]

    def black_hole(self):
        self.others.append(BlackHole())
        return self.others[-1]

    def client(self, hop, tls=False, server_name=None, **options):
        """A connection to a hop (its TLS listener with tls=True or an ssl context) or to an origin."""
        address = (hop.https if tls else hop.http) if isinstance(hop, Hop) else address_of(hop)
        context = self.pki.client_context() if tls is True else tls or None
        client = RawClient(*address, tls=context, server_name=server_name or ("edge.test" if tls else None), **options)
        self.clients.append(client)
        return client

    def make_hop(self, declarative, persona="kong", name=None, listen="127.0.0.1", tls=False, conf=None, **options):
        """A hop that is not started yet."""
        name = name or f"{persona}{len(self.hops) or ''}"
        listeners = [f"{listen}:0"] + ([f"{listen}:0 ssl"] if tls else [])
        settings = {
            "proxy_listen": ", ".join(listeners), "admin_listen": "off", "hopgate_persona": persona,
            "hopgate_name": name, "hopgate_access_log_format": "json", "log_level": "info",
            "nginx_worker_processes": "2", **stay_root(options.get("user")), **(conf or {})}
        if tls and "ssl_cert" not in settings:
            settings |= {"ssl_cert": self.pki.chain("edge"), "ssl_cert_key": self.pki.key("edge")}
        hop = Hop(self.binary, self.directory / name, name, settings, declarative, **options)
        self.hops.append(hop)
        return hop

    def hop(self, declarative, **options):
        return self.make_hop(declarative, **options).start()

    def edge(self, *targets, tls=False, conf=None, **service):
        return self.hop(service_to(*targets, **service), persona="edge", tls=tls, conf=conf)

    def kong(self, *targets, conf=None, **service):
        return self.hop(service_to(*targets, **service), persona="kong", conf=conf)

    def f5(self, *targets, conf=None, **service):
        return self.hop(service_to(*targets, **service), persona="f5", conf=conf)

    def user_directory(self):
        """A directory that an unprivileged user can reach: pytest's own is closed to others."""
        directory = pathlib.Path(tempfile.mkdtemp(prefix="hopgate-lab-"))
        if os.getuid() == 0:
            os.chown(directory, NOBODY, NOBODY)
        self.others.append(Removable(directory))
        return directory

    def copy_binary(self, directory):
        """The binary where an unprivileged user can run it: the source tree may be closed to others."""
        copy = directory / "hopgate"
        shutil.copy(self.binary, copy)
        copy.chmod(0o755)
        self._binary = lambda: copy

    def close(self):
        """Ends everything; returns what went wrong, as text."""
        for client in self.clients:
            client.close()
        problems = []
        for hop in self.hops:
            code = hop.stop()
            if hop.sanitizer_report():
                problems.append(f"{hop.name}: sanitizer report or failed assertion:\n{hop.sanitizer_report()}")
            elif code != 0 and hop not in self.expect_bad_end:
                problems.append(f"{hop.name}: exit code {code} on TERM")
        for origin in self.origins + self.others:
            origin.stop()
        for origin in self.origins:
            problems += [f"origin {origin.port}: {problem}" for problem in origin.problems]
        return problems

    def describe(self):
        parts = [(f"hop {hop.name}", hop.describe()) for hop in self.hops]
        return parts + [(f"origin {origin.port}", origin.describe()) for origin in self.origins]


class Removable:
    def __init__(self, directory):
        self.directory = directory

    def stop(self):
        shutil.rmtree(self.directory, ignore_errors=True)
