"""Python's http.server as a back server: says which request it saw. Usage: echo_server.py SOCKET"""
import hashlib
import http.server
import itertools
import socketserver
import sys

COUNTER = itertools.count(1)


class Cut(Exception):
    """The content ended before it was complete."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name):
        if name.startswith("do_"):  # every method
            return self.echo
        raise AttributeError(name)

    def echo(self):
        try:
            content = self.chunks() if "chunked" in self.headers.get("Transfer-Encoding", "").lower() else \
                self.exact(int(self.headers.get("Content-Length", "0")))
        except Cut:
            self.close_connection = True
            return
        target = self.requestline.split(" ")[1].encode("latin-1")
        text = self.command.encode("latin-1") + b" " + target + b"\n" + content
        seen = f"{next(COUNTER)} {len(content)} {hashlib.sha1(text).hexdigest()}"
        self.send_response(200)
        self.send_header("X-Seen", seen)
        self.send_header("Content-Length", str(len(seen)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(seen.encode())

    def exact(self, size):
        data = self.rfile.read(size)
        if len(data) < size:
            raise Cut
        return data

    def chunks(self):
        """http.server leaves this to its user; this is what users write."""
        content = b""
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            content += self.exact(size)
            self.exact(2)
        while (line := self.rfile.readline()) != b"\r\n":
            if not line:
                raise Cut
        return content

    def log_message(self, *arguments):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


Server(sys.argv[1], Handler).serve_forever()
