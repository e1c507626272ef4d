"""The store of the Admin API when it is locked, slow, full, damaged, gone: what is read from memory and traffic
never notice, what is written is told the truth."""
import errno
import json
import os
import select
import signal
import subprocess
import sys

import pytest

from lab.admin import Admin, admin_hop
from lab.client import run
from lab.sync_fault import SyncFault
from lab.upgrade import upgrade
from lab.wait import wait_until
from test_admin_publish import content_of, restart, route_everything
from test_reload import reload, rewrite

SERVICE = {"name": "new", "host": "127.0.0.1", "port": 9}
STATUS = {"status_listen": "127.0.0.1:0"}


class LockedBy:
    """The store within a transaction of another process."""

    SCRIPT = """\
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute(sys.argv[2])
store.execute("SELECT count(*) FROM entities").fetchall()
print("locked", flush=True)
sys.stdin.readline()
store.execute("ROLLBACK")
"""

    def __init__(self, hop, begin="BEGIN EXCLUSIVE"):
        self.command = [sys.executable, "-c", self.SCRIPT, str(hop.prefix / "hopgate.db"), begin]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "locked\n"
        return self

    def __exit__(self, *_):
        self.process.communicate("\n")
        assert self.process.returncode == 0


def send(admin, method="POST", path="/services", content=None):
    """Not waited for: see read_response."""
    client = admin.connect()
    body = json.dumps(SERVICE if content is None else content).encode()
    client.send(client.request_bytes(method, path, [("Content-Type", "application/json")], body))
    return client


def is_answered(client):
    return bool(select.select([client.sock], [], [], 0)[0])


def names(admin):
    return [entity["name"] for entity in admin.must("GET", "/services")["data"]]


def hop_status(hop):
    return json.loads(run(hop.binary, "status", "--json", "--prefix", hop.prefix, env=hop.env).out)


def metric(lab, hop, name):
    text = lab.client(hop.status_listeners["http"]).get("/metrics").content.decode()
    return next(line.split()[-1] for line in text.splitlines() if line.startswith(name))


def faulty_hop(lab, conf=None):
    fault = SyncFault(lab.binary, lab.directory / "disk")
    hop = admin_hop(lab, {**STATUS, **(conf or {})}, env=fault.env)
    hop.binary = fault.binary
    return fault, hop.start()


# ---- locked --------------------------------------------------------------------------------------

def test_who_reads_does_not_wait_for_a_lock(lab):
    origin = lab.origin(content=b"one")
    hop = admin_hop(lab, STATUS).start()
    admin = Admin(lab, hop)
    route_everything(admin, origin)
    with LockedBy(hop):
        writer = send(admin)
        assert names(admin) == ["s"] and not is_answered(writer)
        assert admin.must("GET", "/status")["database"]["reachable"] is True
        assert lab.client(hop.status_listeners["http"]).get("/status").status == 200
        assert hop_status(hop)["store"]["problem"] is None
        assert content_of(lab, hop) == (200, b"one")
    assert writer.read_response().status == 201
    assert sorted(names(admin)) == ["new", "s"]


def test_who_writes_waits_bounded_and_is_told_what_is_in_the_way(lab):
    hop = admin_hop(lab).start()
    admin = Admin(lab, hop)
    with LockedBy(hop):
        answer = send(admin).read_response()
        assert answer.status == 503
        message = json.loads(answer.content)["message"]
        assert message.startswith("nothing was changed: ") and str(hop.prefix / "hopgate.db") in message
        assert "another process" in message and "try again" in message
        assert hop.error_log.wait_for("1 request was refused", "hopgate.db")
        assert names(admin) == []
    assert send(admin).read_response().status == 201


def test_a_hop_starts_reloads_upgrades_and_ends_beside_a_lock(lab, hopgate):
    origin = lab.origin(content=b"one")
    hop = admin_hop(lab).start()
    route_everything(Admin(lab, hop), origin)
    with LockedBy(hop):
        rewrite(hop, headers="off")
        reload(hop)
        upgrade(hop)
        assert content_of(lab, hop) == (200, b"one")
        assert hop.stop() == 0
        restart(hop)
        assert content_of(lab, hop) == (200, b"one")
        assert "name: s" in hopgate("config", "dump", "-c", str(hop.conf_path)).out
        waiting = send(Admin(lab, hop))
        wait_until(lambda: hop_status(hop)["exchanges"] > 0, "the request to have come")
        hop.signal(signal.SIGTERM)
        assert waiting.read_response().status == 503
        assert hop.wait_exit() == 0
    restart(hop)
    assert names(Admin(lab, hop)) == ["s"]


# ---- slow ----------------------------------------------------------------------------------------

def test_traffic_and_status_do_not_wait_for_a_slow_disk(lab):
    origin = lab.origin(content=b"one")
    fault, hop = faulty_hop(lab)
    admin = Admin(lab, hop)
    route_everything(admin, origin)
    with fault.held() as wait_for_commit:
        writer = send(admin)
        wait_for_commit()
        assert content_of(lab, hop) == (200, b"one")
        assert lab.client(hop.status_listeners["http"]).get("/status").status == 200
        assert hop_status(hop)["pid"] == hop.process.pid
        assert not is_answered(writer)
    assert writer.read_response().status == 201


def test_a_signal_in_the_midst_of_a_commit_loses_nothing(lab):
    fault, hop = faulty_hop(lab)
    with fault.held() as wait_for_commit:
        writer = send(Admin(lab, hop))
        wait_for_commit()
        rewrite(hop, headers="off")
        reload(hop)
    assert writer.read_response().status == 201
    with fault.held() as wait_for_commit:
        writer = send(Admin(lab, hop), content={**SERVICE, "name": "last"})
        wait_for_commit()
        hop.signal(signal.SIGTERM)
        hop.error_log.wait_for("drain")
    assert writer.read_response().status == 201
    assert hop.wait_exit() == 0
    restart(hop)
    assert sorted(names(Admin(lab, hop))) == ["last", "new"]


def test_an_upgrade_in_the_midst_of_a_commit_loses_nothing(lab):
    fault, hop = faulty_hop(lab)
    with fault.held() as wait_for_commit:
        writer = send(Admin(lab, hop))
        wait_for_commit()
        upgrade(hop)
    assert writer.read_response().status == 201
    wait_until(lambda: names(Admin(lab, hop)) == ["new"], "the new process to follow what the former one wrote")


# ---- stored, and not in force --------------------------------------------------------------------

def not_installable(lab):
    """A change that is stored when the hop's own files have become bad: (hop, writer, mend)."""
    fault, hop = faulty_hop(lab, {"proxy_listen": "127.0.0.1:0, 127.0.0.1:0 ssl",
                                  "ssl_cert": lab.directory / "cert.pem", "ssl_cert_key": lab.directory / "key.pem"})
    return fault, hop


def spoil(lab, hop):
    """A reload, after which the certificate is damaged: nothing that is compiled from now on can be installed."""
    reload(hop)
    (lab.directory / "cert.pem").write_text("damaged")


def mend(lab):
    (lab.directory / "cert.pem").write_bytes(lab.pki.chain("edge").read_bytes())
    (lab.directory / "key.pem").write_bytes(lab.pki.key("edge").read_bytes())


def test_what_is_stored_and_cannot_be_in_force_is_told_so_and_comes_later(lab):
    origin = lab.origin(content=b"one")
    mend(lab)
    fault, hop = not_installable(lab)
    admin = Admin(lab, hop)
    route_everything(admin, origin)
    with fault.held() as wait_for_commit:
        writer = send(admin, "POST", "/services/s/routes", {"name": "late", "paths": ["/late"], "strip_path": False})
        wait_for_commit()
        spoil(lab, hop)
    answer = writer.read_response()
    assert answer.status == 202 and json.loads(answer.content)["name"] == "late"
    assert "stored, not in force yet: " in answer.fields.get("X-Hopgate-Change")
    hop.error_log.wait_for("[crit]", "a change is stored and cannot be put in force", "tried again")
    assert admin.must("GET", "/routes/late")["paths"] == ["/late"]  # as the store has it
    assert hop_status(hop)["store"]["in_force"] is False
    wait_until(lambda: "not_in_force_since" in admin.must("GET", "/status")["database"], "the status to tell")
    assert metric(lab, hop, "hopgate_config_store_in_force") == "0"
    assert content_of(lab, hop) == (200, b"one")
    assert not any("late" in line for line in hop.access_log.text().splitlines() if '"name":"late"' in line)
    status, refusal = admin.ask("DELETE", "/routes/late")
    assert status == 500 and "cannot be put in force any more" in refusal["message"]
    mend(lab)
    wait_until(lambda: hop_status(hop)["store"]["in_force"], "the change to be in force")
    hop.error_log.wait_for("[notice]", "is in force")
    assert "not_in_force_since" not in admin.must("GET", "/status")["database"]
    assert metric(lab, hop, "hopgate_config_store_in_force") == "1"
    assert lab.client(hop).get("/late").status == 200
    wait_until(lambda: '"name":"late"' in hop.access_log.text(), "the late route to have served")


def test_a_deletion_that_is_not_in_force_says_so(lab):
    origin = lab.origin(content=b"one")
    mend(lab)
    fault, hop = not_installable(lab)
    admin = Admin(lab, hop)
    route_everything(admin, origin)
    with fault.held() as wait_for_commit:
        writer = send(admin, "DELETE", "/routes/s", {})
        wait_for_commit()
        spoil(lab, hop)
    answer = writer.read_response()
    assert answer.status == 202
    assert json.loads(answer.content)["message"].startswith("the change is stored, and not in force yet: ")
    assert content_of(lab, hop) == (200, b"one")
    mend(lab)
    wait_until(lambda: content_of(lab, hop)[0] == 404, "the deletion to be in force")


# ---- failing -------------------------------------------------------------------------------------

@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails_is_told_and_used_again(lab, number):
    origin = lab.origin(content=b"one")
    fault, hop = faulty_hop(lab)
    admin = Admin(lab, hop)
    route_everything(admin, origin)
    with fault.failing(number):
        status, answer = admin.ask("POST", "/services", SERVICE)
        assert status == 500 and answer["message"].startswith("nothing was changed: "), answer
        assert "hopgate.db" in answer["message"] and "kernel's log, and for room" in answer["message"]
        assert names(admin) == ["s"] and content_of(lab, hop) == (200, b"one")
        assert admin.ask("POST", "/services", SERVICE)[0] == 500
    assert admin.ask("POST", "/services", SERVICE)[0] == 201
    hop.kill()
    lab.expect_bad_end.add(hop)
    restart(hop)
    assert sorted(names(Admin(lab, hop))) == ["new", "s"]


# ---- gone ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("end", ["", "-wal"])
def test_a_file_that_is_taken_away_is_not_written_to(lab, end):
    """Else the hop would say that it has stored what nobody will find again."""
    origin = lab.origin(content=b"one")
    hop = admin_hop(lab, STATUS).start()
    admin = Admin(lab, hop)
    route_everything(admin, origin)
    path, away = hop.prefix / f"hopgate.db{end}", hop.prefix / "away"
    os.rename(path, away)
    status, answer = admin.ask("POST", "/services", SERVICE)
    assert status == 500 and "was deleted or replaced" in answer["message"] and "put the former one back" in answer["message"]
    assert names(admin) == ["s"] and content_of(lab, hop) == (200, b"one")
    hop.error_log.wait_for("of no use at present", "hopgate.db")
    assert admin.must("GET", "/status")["database"]["reachable"] is False
    assert hop_status(hop)["store"]["problem"] and metric(lab, hop, "kong_datastore_reachable") == "0"
    path.write_bytes(away.read_bytes())  # another file, even with the same content
    assert admin.ask("POST", "/services", SERVICE)[0] == 500
    os.rename(away, path)
    assert admin.ask("POST", "/services", SERVICE)[0] == 201
    wait_until(lambda: admin.must("GET", "/status")["database"] == {"reachable": True}, "the status to tell")
    assert metric(lab, hop, "kong_datastore_reachable") == "1"


# ---- damaged -------------------------------------------------------------------------------------

def damage(hop):
    """Every page but the first, and another process that has changed something, so that they are read."""
    script = ("import os, sqlite3, sys\n"
              "store = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
              "store.execute('PRAGMA wal_checkpoint(TRUNCATE)')\n"
              "size = os.path.getsize(sys.argv[1])\n"
              "with open(sys.argv[1], 'r+b') as file:\n"
              "    file.seek(4096)\n"
              "    file.write(b'\\xa5' * (size - 4096))\n"
              "version = store.execute('PRAGMA user_version').fetchone()[0]\n"
              "store.execute(f'PRAGMA user_version = {version}')\n"
              "os._exit(0)\n")
    subprocess.run([sys.executable, "-c", script, hop.prefix / "hopgate.db"], check=True, timeout=60)


def test_a_damaged_store_is_told_and_what_is_in_force_stays(lab):
    origin = lab.origin(content=b"one")
    hop = admin_hop(lab).start()
    admin = Admin(lab, hop)
    route_everything(admin, origin)
    damage(hop)
    hop.error_log.wait_for("what another process has written cannot be read", "malformed", "damaged")
    status, answer = admin.ask("POST", "/services", SERVICE)
    assert status == 500 and "it is damaged: put a backup in its place" in answer["message"]
    assert names(admin) == ["s"] and content_of(lab, hop) == (200, b"one")
    rewrite(hop, headers="off")
    reload(hop)  # from memory
    assert content_of(lab, hop) == (200, b"one")
    assert hop.stop() == 0
    lab.expect_bad_end.add(hop)
    assert hop.spawn().wait_exit() != 0
    assert "hopgate.db" in hop.stderr() and "damaged" in hop.stderr()


# ---- grown ---------------------------------------------------------------------------------------

def test_a_log_that_grows_is_warned_of(lab):
    hop = admin_hop(lab).start()
    with LockedBy(hop, "BEGIN"):  # reads, and keeps the log from being moved into the store
        os.truncate(hop.prefix / "hopgate.db-wal", 100 << 20)  # what SQLite does not look at yet
        hop.error_log.wait_for("hopgate.db-wal has 100 MiB", "another process reads the store without an end")
        Admin(lab, hop).must("POST", "/services", SERVICE)
    hop.kill()
    lab.expect_bad_end.add(hop)
    restart(hop)
    assert names(Admin(lab, hop)) == ["new"]
