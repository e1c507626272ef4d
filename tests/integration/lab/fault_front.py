"""A real nginx or HAProxy set up as it was for one row of tests/data/fault-matrix.json."""
import pathlib
import shutil
import socket
import subprocess
import tempfile

from . import fault_client, fault_rows
from .fault_origin import FaultOrigin
from .wait import wait_until

GOOD = {"listen": "tcp", "origin": [[["serve", "server-b"]] * 8 + [["hold"]]]}
NEEDS_MORE = {"b", "tlsfront", "default_body_limit", "dns", "markdown", "disabled", "limit", "scheme"}  # set-ups


def can_be_set_up(row):
    fault = fault_rows.matrix()["faults"][row["fault"]]
    return not NEEDS_MORE & set(fault) and row["upstream"] == "http"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def configuration(row, origin, other, port, log_port, directory):
    text = fault_rows.matrix()["variants"][f'{row["persona"]}/{row["variant"]}']["config"]
    text = text.replace("127.0.0.1:A_PORT", f"{origin.host}:{origin.port}").replace("B_PORT", str(other.port))
    text = text.replace("FRONT_PORT", str(port)).replace("LOG_PORT", str(log_port)).replace("$DIR", str(directory))
    if row["group"] == "client":  # "timeouts" in the matrix's meta
        text = text.replace(" server { listen", " client_header_timeout 1s; client_body_timeout 1s; server { listen")
        text = text.replace("http-request 10s", "http-request 1s").replace("timeout client 10s", "timeout client 1s")
        text = text.replace("timeout server 1s", "timeout server 3s")
    return text


def accepts(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def observe_real(row):
    """What a client sees of the real product in this row."""
    fault = fault_rows.matrix()["faults"][row["fault"]]
    directory = pathlib.Path(tempfile.mkdtemp(prefix="hopgate-front-"))
    origin, other = FaultOrigin(fault), FaultOrigin(GOOD)
    log = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    log.bind(("127.0.0.1", 0))
    port, asked_other = free_port(), []
    path = directory / "conf"
    path.write_text(configuration(row, origin, other, port, log.getsockname()[1], directory))
    words = ["nginx", "-c", str(path)] if row["persona"] == "nginx" else ["haproxy", "-f", str(path)]
    front = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: accepts(port), f"{words[0]} to listen")
        seen = fault_client.observe(("127.0.0.1", port), row["method"], fault,
                                    lambda: asked_other.append(other.connections_count > 0))
        return {**seen, "next_server_tried": asked_other[0]}
    finally:
        front.kill()
        front.wait()
        origin.stop()
        other.stop()
        log.close()
        shutil.rmtree(directory, ignore_errors=True)
