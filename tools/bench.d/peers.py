"""The proxies under comparison, configured to do equal work, and the origin behind them.

Equal: one worker on core 0, TLS 1.3 with TLS_AES_128_GCM_SHA256 and X25519 (the client offers nothing else),
the same certificate chain, upstream keep-alive, X-Forwarded-For added, Host kept, no access log.
"""
import os
import pathlib
import re
import socket
import subprocess
import time

PROXY_CORE, LOAD_CORE = "0", "1"
READY_SECONDS = 15
NGINX, HAPROXY = "/usr/sbin/nginx", "/usr/sbin/haproxy"

NGINX_COMMON = """\
daemon off;
worker_processes 1;
error_log {dir}/error.log;
pid {dir}/pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    keepalive_requests 100000000;
    default_type application/octet-stream;
"""

ORIGIN = NGINX_COMMON + """\
    sendfile on; tcp_nopush on;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {dir}/files;
        location = /check {{ return 200 "$http_x_forwarded_for $connection_requests $request_method $http_host"; }}
    }}
}}
"""

NGINX_PROXY = NGINX_COMMON + """\
    upstream origin {{ server 127.0.0.1:{origin}; keepalive 128; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{plain} backlog=4096;
        listen 127.0.0.1:{tls} ssl backlog=4096;
        ssl_certificate {pki}/edge.pem;
        ssl_certificate_key {pki}/edge.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_max_temp_file_size 0; # no peer may be charged for writing to disk
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""

HAPROXY_PROXY = """\
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 60s
    timeout client 60s
    timeout server 60s
    http-reuse always
    option forwardfor
frontend all
    bind 127.0.0.1:{plain}
    bind 127.0.0.1:{tls} ssl crt {dir}/edge.both
    default_backend origin
backend origin
    server origin 127.0.0.1:{origin}
"""

HOPGATE_CONF = """\
prefix = {dir}/prefix
proxy_listen = 127.0.0.1:{plain}, 127.0.0.1:{tls} ssl
admin_listen = off
proxy_access_log = off
hopgate_persona = edge
ssl_cert = {pki}/edge.pem
ssl_cert_key = {pki}/edge.key
nginx_worker_processes = 1
nginx_http_keepalive_requests = 100000000
upstream_keepalive_max_requests = 0
"""

# entities come by the Admin API; the same engine settings as above
HOPGATE_ADMIN_CONF = """\
prefix = {dir}/prefix
database = sqlite
proxy_listen = 127.0.0.1:{plain}
admin_listen = 127.0.0.1:{admin}
proxy_access_log = off
admin_access_log = off
hopgate_persona = edge
nginx_worker_processes = 1
nginx_http_keepalive_requests = 100000000
upstream_keepalive_max_requests = 0
"""

HOPGATE_YAML = """\
_format_version: "3.0"
services:
  - name: origin
    url: http://127.0.0.1:{origin}
    routes:
      - name: everything
        paths: ["/"]
        strip_path: false
        preserve_host: true
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process, log):
    """Returns once the port accepts; a server that ends first shows its own words."""
    end = time.monotonic() + READY_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{' '.join(process.args)} does not listen:\n{log.read_text()}") from None
            time.sleep(0.02)


class Server:
    """A process (and its children) on one core; `cpu_seconds` is what all of them used so far."""

    def __init__(self, name, work):
        self.name, self.dir = name, work / name
        self.dir.mkdir()
        self.plain, self.tls = free_port(), free_port()
        self.process = None

    def write(self, name, template, **values):
        path = self.dir / name
        path.write_text(template.format(dir=self.dir, plain=self.plain, tls=self.tls, **values))
        return path

    def start(self, arguments, core, port):
        log = self.dir / "output"
        with open(log, "wb") as output:
            self.process = subprocess.Popen(["taskset", "-c", core, *map(str, arguments)], stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=output)
        wait_for_port(port, self.process, log)

    def pids(self):
        """The process and everything below it."""
        found = [self.process.pid]
        for pid in found:
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in task.read_text().split()]
        return found

    def cpu_seconds(self):
        """User and system time of every process; a process's own figure holds all its threads, io_uring's workers
        and threads that have ended included, which a sum over /proc/PID/task would lose."""
        ticks = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def thread_cpu(self):
        """The same by kind of thread, of the process itself and as far as its threads live."""
        ticks = {}
        for path in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/stat"):
            head, _, rest = path.read_text().rpartition(")")
            kind = re.sub(r"[^a-z].*", "", head.partition("(")[2].removeprefix("hopgate-")) or "main"
            fields = rest.split()
            ticks[kind] = ticks.get(kind, 0) + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return ticks

    def thread_names(self):
        return [name.read_text().strip() for pid in self.pids()
                for name in pathlib.Path(f"/proc/{pid}/task").glob("*/comm")]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start_origin(work, sizes):
    origin = Server("origin", work)
    files = origin.dir / "files"
    files.mkdir()
    for size in sizes:
        (files / str(size)).write_bytes(bytes(range(256)) * (size // 256))
    config = origin.write("nginx.conf", ORIGIN, port=origin.plain)
    origin.start([NGINX, "-p", origin.dir, "-c", config, *as_self()], LOAD_CORE, origin.plain)
    return origin


def as_self():
    """Workers keep the user who runs the bench: the files are his."""
    return ["-g", "user root;"] if os.getuid() == 0 else []


def start_peer(name, work, pki, origin, hopgate):
    server = Server(name, work)
    try:
        if name == "nginx":
            config = server.write("nginx.conf", NGINX_PROXY, origin=origin.plain, pki=pki)
            server.start([NGINX, "-p", server.dir, "-c", config, *as_self()], PROXY_CORE, server.plain)
        elif name == "haproxy":
            (server.dir / "edge.both").write_text((pki / "edge.pem").read_text() + (pki / "edge.key").read_text())
            config = server.write("haproxy.cfg", HAPROXY_PROXY, origin=origin.plain)
            server.start([HAPROXY, "-q", "-db", "-f", config], PROXY_CORE, server.plain)
        elif name == "hopgate":
            conf = server.write("kong.conf", HOPGATE_CONF, pki=pki)
            entities = server.write("kong.yaml", HOPGATE_YAML, origin=origin.plain)
            server.start([hopgate, "run", "-c", conf, entities], PROXY_CORE, server.plain)
        else:
            raise ValueError(name)
    except BaseException:
        server.stop()
        raise
    return server


def start_admin_hop(name, work, hopgate):
    """A hop without entities, on all of whose threads one core is spent."""
    server = Server(name, work)
    server.admin = free_port()
    try:
        conf = server.write("kong.conf", HOPGATE_ADMIN_CONF, admin=server.admin)
        server.start([hopgate, "run", "-c", conf], PROXY_CORE, server.admin)
    except BaseException:
        server.stop()
        raise
    return server


def version(name, hopgate):
    command = {"nginx": [NGINX, "-v"], "haproxy": [HAPROXY, "-v"], "hopgate": [hopgate, "--version"]}[name]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return found.group(0) if found else "?"
