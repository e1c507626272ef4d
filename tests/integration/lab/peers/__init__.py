"""Real servers behind a hop: nginx, HAProxy, Python's http.server and Node, each on a Unix socket.

Each answers with `X-Seen: COUNT LENGTH SHA1`: a number of its own per answer, then the length of the content
that it saw, and the hash of "METHOD TARGET LF CONTENT". nginx and HAProxy cannot say that by themselves: they ask an
origin of the lab, which then sees what they made of their bytes.
"""
import hashlib
import itertools
import pathlib
import shutil
import socket
import subprocess
import sys

from ..behaviours import answer
from ..wait import DEADLINE_S, wait_until

HERE = pathlib.Path(__file__).parent

NGINX = """
daemon off; master_process off; worker_processes 1; pid {directory}/pid; error_log {directory}/log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  keepalive_requests 1000000; keepalive_timeout 600s; client_max_body_size 0;
  client_header_buffer_size 64k; large_client_header_buffers 8 128k;
  server {{
    listen unix:{socket};
    location / {{
      proxy_pass http://{host}:{port}; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host;
    }}
  }}
}}
"""

HAPROXY = """
global
  tune.bufsize 131072
  tune.http.maxhdr 512
defaults
  mode http
  timeout connect 20s
  timeout client 600s
  timeout server 600s
frontend front
  bind unix@{socket}
  default_backend back
backend back
  http-reuse never
  server origin {host}:{port}
"""


def seen(method, target, content):
    """What a server that saw this request says after its count."""
    digest = hashlib.sha1(method + b" " + target + b"\n" + content).hexdigest()
    return b"%d %s" % (len(content), digest.encode())


def echo():
    """The behaviour of the origin behind nginx and HAProxy."""
    counter = itertools.count(1)

    def behave(connection, request):
        content = request.read_content()
        text = b"%d %s" % (next(counter), seen(request.method.encode("latin-1"), request.target.encode("latin-1"),
                                               content))
        answer(text, fields=[("X-Seen", text.decode())])(connection, request)

    return behave


class Peer:
    def __init__(self, name, program, package, command, needs_origin=False):
        self.name, self.program, self.package = name, program, package
        self.command, self.needs_origin = command, needs_origin

    def missing(self):
        """What a test says that cannot run for want of this server; empty when it is there."""
        if shutil.which(self.program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            return ""
        return f"did not run: {self.name} is missing (Debian package {self.package})"

    def start(self, directory, lab):
        return Running(self, directory, lab)


class Running:
    """`socket_path` is where it listens."""

    def __init__(self, peer, directory, lab):
        self.peer, self.directory = peer, directory
        self.socket_path = str(directory / "socket")
        origin = lab.origin().otherwise(echo()) if peer.needs_origin else None
        self.log_path = directory / "stderr"
        names = {"socket": self.socket_path, "directory": directory}
        if origin:
            names |= {"host": origin.host, "port": origin.port}
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(peer.command(names), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.listens, lambda: f"{peer.name} to listen; it says:\n{self.log_path.read_text()}")

    def listens(self):
        assert self.process.poll() is None, f"{self.peer.name} ended:\n{self.log_path.read_text()}"
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(self.socket_path)
            except OSError:
                return False
        return True

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def configured(template, command):
    """A command whose configuration file is made from the template."""
    def make(names):
        path = pathlib.Path(names["directory"]) / "conf"
        path.write_text(template.format(**names))
        return [*command, str(path)]

    return make


PEERS = {peer.name: peer for peer in (
    Peer("python", sys.executable, "python3", lambda names: [sys.executable, str(HERE / "echo_server.py"),
                                                             names["socket"]]),
    Peer("node", "node", "nodejs", lambda names: ["node", str(HERE / "echo_server.js"), names["socket"]]),
    Peer("nginx", "nginx", "nginx-light", configured(NGINX, ["/usr/sbin/nginx", "-c"]), needs_origin=True),
    Peer("haproxy", "haproxy", "haproxy", configured(HAPROXY, ["/usr/sbin/haproxy", "-db", "-f"]), needs_origin=True),
)}
