"""Changes by the Admin API: in force on every worker before they are answered, durable, whole or not at all."""
import json
import pathlib
import select
import signal
import sqlite3
import threading

import pytest

from lab.admin import ADMIN, Admin, admin_hop
from lab.client import run
from lab.hop import SANITIZERS
from lab.lab import service_to
from lab.upgrade import upgrade
from lab.wait import wait_until
from lab.wire import Ended
from test_reload import reload, rewrite

TINY_DISK = pathlib.Path(__file__).parent / "lab" / "tiny_disk.py"
QUESTIONS_MAX = 256  # proxy/worker/admin_question.h
NO_LEAKS = {"ASAN_OPTIONS": SANITIZERS["ASAN_OPTIONS"] + ":detect_leaks=0"}  # a sandboxed process traces no other
WORKERS = {"nginx_worker_processes": "3"}
NOBODY = "00000000-0000-4000-8000-000000000000"


def route_everything(admin, origin, name="s", path="/"):
    """A service and its route."""
    service = admin.must("POST", "/services", {"name": name, "host": "127.0.0.1", "port": origin.port})
    admin.must("POST", "/routes", {"name": name, "paths": [path], "service": {"id": service["id"]}})


def content_of(lab, hop, path="/"):
    """On a connection of its own, and so on any worker."""
    client = lab.client(hop)
    answer = client.get(path)
    client.close()
    return answer.status, answer.content


# ---- in force before it is answered --------------------------------------------------------------

def test_the_next_request_sees_the_change_whichever_worker_it_meets(lab):
    origins = [lab.origin(content=b"one"), lab.origin(content=b"two")]
    hop = admin_hop(lab, WORKERS).start()
    admin = Admin(lab, hop)
    route_everything(admin, origins[0])
    assert content_of(lab, hop) == (200, b"one")
    kept = lab.client(hop)
    for i in range(200):
        origin = origins[(i + 1) % 2]
        admin.must("PATCH", "/services/s", {"port": origin.port})
        wanted = (200, [b"one", b"two"][(i + 1) % 2])
        assert content_of(lab, hop) == wanted, i
        answer = kept.get("/")  # and on a connection that was there before
        assert (answer.status, answer.content) == wanted, i


def test_writers_at_the_same_time_all_get_what_they_asked_for(lab):
    hop = admin_hop(lab, WORKERS).start()
    problems = []

    def write(writer):
        admin = Admin(lab, hop)
        for i in range(10):
            name = f"s{writer}-{i}"
            made = admin.ask("POST", "/services", {"name": name, "host": "127.0.0.1", "port": 9})
            read = admin.ask("GET", f"/services/{name}")
            if made[0] != 201 or read[0] != 200 or read[1]["id"] != made[1]["id"]:
                problems.append((name, made, read))

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    names = {entity["name"] for entity in Admin(lab, hop).must("GET", "/services?size=1000")["data"]}
    assert names == {f"s{writer}-{i}" for writer in range(8) for i in range(10)}


def test_of_several_at_once_only_the_guilty_one_is_refused(lab):
    """What an entity refers to beyond its foreign keys is looked for when the configuration is made."""
    hop = admin_hop(lab, WORKERS).start()
    admin = Admin(lab, hop)
    clients = []
    for i in range(12):
        content = json.dumps({"name": f"s{i}", "host": "127.0.0.1", "port": 9, "protocol": "https",
                              "ca_certificates": [NOBODY] if i == 5 else None}).encode()
        client = admin.connect()
        clients.append(client)
        client.send(client.request_bytes("POST", "/services", [("Content-Type", "application/json")], content))
    answers = [client.read_response() for client in clients]
    assert [answer.status for answer in answers] == [201] * 5 + [400] + [201] * 6
    refusal = json.loads(answers[5].content)
    assert refusal["code"] == 2 and refusal["name"] == "schema violation"
    assert NOBODY in refusal["message"] and refusal["fields"]["@entity"]
    names = {entity["name"] for entity in admin.must("GET", "/services")["data"]}
    assert names == {f"s{i}" for i in range(12) if i != 5}


def test_a_change_that_is_refused_leaves_traffic_alone(lab):
    origin = lab.origin(content=b"one")
    hop = admin_hop(lab, WORKERS).start()
    admin = Admin(lab, hop)
    route_everything(admin, origin)
    for change, said in [({"protocol": "grpc"}, "protocol: 'grpc' is not supported by this version of hopgate"),
                         ({"protocol": "https", "ca_certificates": [NOBODY]}, "invalid reference 'ca_certificates: " + NOBODY)]:
        status, refusal = admin.ask("PATCH", "/services/s", change)
        assert status == 400 and said in refusal["message"]
    assert content_of(lab, hop) == (200, b"one")
    assert admin.must("GET", "/services/s").get("protocol", "http") == "http"
    admin.must("PATCH", "/services/s", {"retries": 1})
    assert content_of(lab, hop) == (200, b"one")


# ---- durable -------------------------------------------------------------------------------------

def test_entities_are_there_after_a_restart(lab):
    origin = lab.origin(content=b"one")
    hop = admin_hop(lab).start()
    route_everything(Admin(lab, hop), origin)
    assert hop.stop() == 0
    restart(hop)
    assert content_of(lab, hop) == (200, b"one")
    assert Admin(lab, hop).must("GET", "/services")["data"][0]["name"] == "s"


def restart(hop):
    hop.process = hop.http = None
    hop.admin_listeners = {}
    hop.start()


@pytest.mark.parametrize("attempt", range(5))
def test_what_was_answered_survives_a_kill(lab, attempt):
    hop = admin_hop(lab).start()
    lab.expect_bad_end.add(hop)
    admin = Admin(lab, hop)
    for i in range(attempt + 1):
        admin.must("POST", "/services", {"name": f"s{i}", "host": "127.0.0.1", "port": 9})
    hop.kill()
    restart(hop)
    names = {entity["name"] for entity in Admin(lab, hop).must("GET", "/services")["data"]}
    assert names == {f"s{i}" for i in range(attempt + 1)}


def test_a_full_disk_refuses_changes_and_nothing_else(lab, tmp_path):
    origin = lab.origin(content=b"one")
    disk = tmp_path / "disk"
    disk.mkdir()
    hop = admin_hop(lab, {"hopgate_sqlite_path": disk / "hopgate.db"},
                    wrapper=["/usr/bin/python3", str(TINY_DISK), str(disk), "512k"])
    hop.start()
    admin = Admin(lab, hop)
    route_everything(admin, origin)
    for i in range(100):
        status, answer = admin.ask("POST", "/services", {"name": f"big{i}", "host": "127.0.0.1", "port": 9,
                                                         "tags": [f"{k:03}" + "x" * 200 for k in range(100)]})
        if status != 201:
            break
    assert status == 500 and answer["message"].startswith("nothing was changed: ")
    assert "hopgate.db" in answer["message"] and "make room on its file system" in answer["message"]
    assert hop.error_log.wait_for("nothing was changed", "hopgate.db", "make room")
    assert content_of(lab, hop) == (200, b"one")
    assert admin.ask("GET", f"/services/big{i}")[0] == 404
    assert admin.must("GET", "/services/s")["name"] == "s"


class Locked:
    """Another program that writes to the store and does not end."""

    def __init__(self, hop):
        self.connection = sqlite3.connect(hop.prefix / "hopgate.db", isolation_level=None, check_same_thread=False)

    def __enter__(self):
        self.connection.execute("BEGIN IMMEDIATE")
        return self

    def __exit__(self, *_):
        self.connection.execute("ROLLBACK")
        self.connection.close()


def test_requests_that_wait_are_bounded_and_the_others_are_told(lab):
    """Behind a store that somebody else has locked."""
    origin = lab.origin(content=b"one")
    hop = admin_hop(lab, WORKERS).start()
    admin = Admin(lab, hop)
    route_everything(admin, origin)
    content = json.dumps({"host": "127.0.0.1", "port": 9}).encode()
    waiting, answers = [], []

    def one_more_is_refused():
        if len(waiting) < 2 * QUESTIONS_MAX:  # the hop may not have read all of them yet
            client = admin.connect()
            client.send(client.request_bytes("POST", "/services", [("Content-Type", "application/json")], content))
            waiting.append(client)
        answers.extend(read_answers(waiting))
        return any(answer.status == 503 and "try again" in json.loads(answer.content)["message"] for answer in answers)

    with Locked(hop):
        wait_until(one_more_is_refused, "one to be refused because too many wait")
        assert content_of(lab, hop) == (200, b"one")  # traffic does not wait for any of it
    answers += [client.read_response() for client in waiting]
    assert {answer.status for answer in answers} <= {201, 503}  # 503: too many, or locked for too long
    assert len(admin.must("GET", "/services?size=1000")["data"]) == \
        1 + sum(answer.status == 201 for answer in answers)


def read_answers(waiting):
    """Of those that have one; they are not waited for any more."""
    ready = select.select([client.sock for client in waiting], [], [], 0)[0]
    answered = [client for client in waiting if client.sock in ready]
    for client in answered:
        waiting.remove(client)
    return [client.read_response() for client in answered]


def test_a_sandboxed_hop_keeps_its_store(lab, tmp_path):
    origin = lab.origin(content=b"one")
    away = tmp_path / "away"
    away.mkdir()
    for path in (None, away / "hopgate.db"):
        hop = admin_hop(lab, {"hopgate_sandbox": "auto", "hopgate_sqlite_path": path}, env=NO_LEAKS).start()
        route_everything(Admin(lab, hop), origin)
        assert content_of(lab, hop) == (200, b"one")
        assert hop.stop() == 0
        restart(hop)
        assert content_of(lab, hop) == (200, b"one")


# ---- beside what else happens --------------------------------------------------------------------

class Writer:
    """Adds services one after the other, until it is told to stop. done: those that were answered with 201."""

    def __init__(self, lab, hop):
        self.admin, self.done, self.bad, self.surprise = Admin(lab, hop), [], [], None
        self.stops = threading.Event()
        self.thread = threading.Thread(target=self.write)

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: len(self.done) > 3, "the writer to have begun")
        return self

    def __exit__(self, *_):
        self.stops.set()
        self.thread.join()
        assert self.surprise is None, repr(self.surprise)

    def write(self):
        try:
            self.write_on()
        except Exception as surprise:  # pylint: disable=broad-except  # the test tells it
            self.surprise = surprise

    def write_on(self):
        number = 0
        while not self.stops.is_set():
            name = f"s{number}"
            number += 1
            try:
                answer = self.admin.ask("POST", "/services", {"name": name, "host": "127.0.0.1", "port": 9})
            except (OSError, Ended) as problem:  # the hop ends: nothing was promised
                self.bad.append((name, repr(problem)))
                continue
            if answer[0] == 201:
                self.done.append(name)
            else:
                self.bad.append((name, answer))


def names_of(lab, hop):
    return {entity["name"] for entity in Admin(lab, hop).must("GET", "/services?size=1000")["data"]}


def test_a_reload_takes_the_entities_from_the_store(lab):
    origin = lab.origin(content=b"one")
    hop = admin_hop(lab, WORKERS).start()
    route_everything(Admin(lab, hop), origin)
    with Writer(lab, hop) as writer:
        for i in range(5):
            rewrite(hop, headers="off" if i % 2 == 0 else "X-Kong-Request-Id")
            reload(hop)
            answer = lab.client(hop).get("/")
            assert answer.content == b"one"
            assert ("X-Kong-Request-Id" in answer.fields.names()) is (i % 2 == 1)
    assert not writer.bad
    assert set(writer.done) <= names_of(lab, hop)
    assert not hop.error_log.lines("reload failed")


def test_a_bad_reload_changes_neither_settings_nor_entities(lab):
    origin = lab.origin(content=b"one")
    hop = admin_hop(lab, WORKERS).start()
    admin = Admin(lab, hop)
    route_everything(admin, origin)
    rewrite(hop, log_level="loud")
    hop.signal(signal.SIGHUP)
    hop.error_log.wait_for("reload failed")
    assert content_of(lab, hop) == (200, b"one")
    admin.must("PATCH", "/services/s", {"port": lab.origin(content=b"two").port})
    assert content_of(lab, hop) == (200, b"two")


def test_the_kind_of_database_cannot_change_while_the_hop_runs(lab):
    hop = admin_hop(lab).start()
    rewrite(hop, database="off")
    hop.signal(signal.SIGHUP)
    hop.error_log.wait_for("cannot change from sqlite to off while the hop runs")
    hop.error_log.wait_for("reload failed")


def test_the_listener_can_be_opened_by_a_reload(lab):
    origin = lab.origin(content=b"one")
    hop = lab.hop(service_to(origin))
    rewrite(hop, admin_listen="127.0.0.1:0")
    reload(hop)
    out = json.loads(run(hop.binary, "status", "--json", "--prefix", hop.prefix, env=hop.env).out)
    address = next(entry["address"] for entry in out["listeners"] if entry["serves"] == "admin")
    host, port = address.rsplit(":", 1)
    hop.admin_listeners["http"] = (host, int(port))
    assert Admin(lab, hop).ask("GET", "/")[0] == 200


def test_an_upgrade_loses_no_write(lab):
    origin = lab.origin(content=b"one")
    hop = admin_hop(lab, WORKERS).start()
    route_everything(Admin(lab, hop), origin)
    with Writer(lab, hop) as writer:
        upgrade(hop)
        before = len(writer.done)
        wait_until(lambda: len(writer.done) > before + 3 or writer.surprise,
                   lambda: f"writes to the new process; {len(writer.done)} were done, not {writer.bad[-3:]}")
    wait_until(lambda: set(writer.done) <= names_of(lab, hop), "every write that was answered with 201 to be there")
    assert content_of(lab, hop) == (200, b"one")


def test_a_drain_in_the_midst_of_writes_loses_none_that_was_answered(lab):
    hop = admin_hop(lab, WORKERS).start()
    with Writer(lab, hop) as writer:
        hop.signal(signal.SIGTERM)
        assert hop.wait_exit() == 0
    restart(hop)
    assert set(writer.done) <= names_of(lab, hop)


def test_what_another_process_writes_comes_into_force(lab, tmp_path):
    origins = [lab.origin(content=b"one"), lab.origin(content=b"two")]
    conf = {"hopgate_sqlite_path": tmp_path / "shared.db"}
    first, second = admin_hop(lab, conf).start(), admin_hop(lab, conf).start()
    route_everything(Admin(lab, first), origins[0])
    wait_until(lambda: content_of(lab, second) == (200, b"one"), "the other hop to follow")
    Admin(lab, second).must("PATCH", "/services/s", {"port": origins[1].port})
    wait_until(lambda: content_of(lab, first) == (200, b"two"), "and the first one to follow that")


def test_a_declarative_file_beside_the_admin_api_is_reloaded(lab):
    hop = lab.hop(service_to(lab.origin(content=b"old")), conf=ADMIN)
    rewrite(hop, service_to(lab.origin(content=b"new")))
    reload(hop)
    assert content_of(lab, hop) == (200, b"new")
