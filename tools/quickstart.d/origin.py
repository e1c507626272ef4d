#!/usr/bin/python3
"""A small origin server for tools/quickstart: origin.py ADDRESS NAME; prints the port it got.

/slow answers after two seconds, everything else at once.
"""
import http.server
import sys
import time

SLOW_SECONDS = 2


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/slow":
            time.sleep(SLOW_SECONDS)
        content = f"hello from origin {sys.argv[2]}\n".encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True  # the hop gave up on us

    def log_message(self, *_):
        """The hops' logs are what the demonstration shows."""


server = http.server.ThreadingHTTPServer((sys.argv[1], 0), Origin)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
