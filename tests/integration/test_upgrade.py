"""Binary upgrade: another process takes the hop's place, and no client notices."""
import json
import os
import re
import signal
import stat
import subprocess
import threading

import pytest

from lab import behaviours
from lab.client import run
from lab.crowd import Crowd, Regulars
from lab.hop import SANITIZERS
from lab.lab import NOBODY, service_to
from lab.ports import free_port
from lab.upgrade import adopt_orphans, replace_process, upgrade, upgrade_by_signal, verb
from lab.wait import wait_until
from test_reload import rewrite
from test_tls_resumption import is_resumed, s_client, status
from test_tunnel import echo, switched

OK, FAILED, USAGE, BAD_CONFIG = 0, 1, 64, 78
UPGRADES = {"fast": 2, "default": 4, "full": 60}


def pid_file(hop):
    return int((hop.prefix / "pids" / "hopgate.pid").read_text())


def ask(hop, *words):
    done = verb(hop, *words, "--json")
    assert done.code == OK, done.err
    return json.loads(done.out)


def script(lab, text):
    """Something that can be started in a binary's place."""
    path = lab.directory / "binary"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def end_of_former(hop):
    return hop.formers[-1].wait()


# ---- nobody notices ----

@pytest.mark.serial
def test_clients_that_come_a_thousand_times_a_second_are_all_served(lab, tier, record_property):
    """Zero refused, zero reset, over several upgrades in a row."""
    edge = lab.hop({}, persona="edge", conf={"proxy_access_log": "off"})
    with Crowd(edge.http, rate_per_s=1000) as crowd:
        for _ in range(UPGRADES[tier]):
            before = crowd.count()
            wait_until(lambda: crowd.count() > before + 100, "clients to come and go")  # noqa: B023
            upgrade(edge)
            assert end_of_former(edge) == 0
    record_property("connections", crowd.count())
    record_property("per second", crowd.count() / crowd.seconds)
    assert crowd.failures() == {}, f"{crowd.failures()} of {crowd.count()}"
    assert crowd.count() > 100 * UPGRADES[tier]


@pytest.mark.serial
def test_clients_that_keep_their_connections_busy_lose_no_request(lab, tier):
    """They are told to close by an answer, never by a connection that ends under their next request."""
    edge = lab.hop({}, persona="edge", conf={"proxy_access_log": "off"})
    with Regulars(edge.http, rate_per_s=1000) as regulars:
        for _ in range(UPGRADES[tier]):
            before = regulars.count()
            wait_until(lambda: regulars.count() > before + 100, "requests to be answered")  # noqa: B023
            upgrade(edge)
            assert end_of_former(edge) == 0
    assert regulars.failures() == {}, f"{regulars.failures()} of {regulars.count()}"
    assert regulars.reconnects >= UPGRADES[tier]


def test_new_process_serves_on_the_same_sockets_with_its_own_name_in_the_prefix(lab):
    edge = lab.edge(lab.origin(content=b"hello"))
    former = upgrade(edge)
    assert former.wait() == 0
    assert lab.client(edge).get("/").content == b"hello"
    assert pid_file(edge) == edge.process.pid != former.pid
    told = ask(edge, "status")
    assert (told["pid"], told["state"], told["former"]) == (edge.process.pid, "running", None)
    assert stat.S_IMODE((edge.prefix / "control.sock").lstat().st_mode) == 0o600
    assert sorted(path.name for path in edge.prefix.glob("control*")) == ["control.sock"]
    assert edge.stderr().count("hopgate: ready") == 2


def check_no_rival(edge):
    rival = run(*edge.command(), env={**os.environ, **SANITIZERS})
    assert rival.code == FAILED
    assert f"in use by another hop (pid {edge.process.pid})" in rival.err
    assert pid_file(edge) == edge.process.pid


def test_prefix_stays_locked(lab):
    """By the new process, when the former one is gone as well as before."""
    origin = lab.origin().on("/", behaviours.hang())
    edge = lab.edge(origin, conf={"hopgate_shutdown_timeout": "3s"})
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/"))
    origin.wait_for_requests(1)
    upgrade(edge)
    check_no_rival(edge)
    end_of_former(edge)
    check_no_rival(edge)


def test_usr2_upgrades(lab):
    edge = lab.edge(lab.origin(content=b"hello"))
    former = upgrade_by_signal(edge)
    assert former.wait() == 0
    assert lab.client(edge).get("/").content == b"hello"
    assert ask(edge, "status")["pid"] == edge.process.pid


def test_both_processes_write_the_same_logs(lab):
    gate = threading.Event()
    origin = lab.origin(content=b"fast").on("/slow", behaviours.after(gate, behaviours.answer(b"slow")))
    edge = lab.edge(origin)
    slow = lab.client(edge)
    slow.send(slow.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    upgrade(edge)
    lab.client(edge).get("/fast")
    gate.set()
    assert slow.read_response().content == b"slow"
    assert {entry["request"]["uri"] for entry in edge.access_log.wait(2)} == {"/slow", "/fast"}


def test_new_configuration_comes_with_the_new_process(lab):
    old, new = lab.origin(content=b"old"), lab.origin(content=b"new")
    edge = lab.edge(old)
    rewrite(edge, service_to(new))
    upgrade(edge)
    assert lab.client(edge).get("/").content == b"new"


# ---- what was begun ends where it was begun ----

@pytest.mark.parametrize("tls", [False, True])
def test_running_exchange_ends_in_the_former_process_which_says_close(lab, tls):
    gate = threading.Event()
    origin = lab.origin(content=b"new").on("/slow", behaviours.after(gate, behaviours.answer(b"late but whole")))
    edge = lab.edge(origin, tls=tls)
    client = lab.client(edge, tls=tls)
    client.send(client.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    former = upgrade(edge)
    assert ask(edge, "status")["former"] == {"pid": former.pid}
    assert lab.client(edge, tls=tls).get("/").content == b"new"
    gate.set()
    answer = client.read_response()
    assert (answer.content, answer.fields.get("Connection")) == (b"late but whole", "close")
    assert client.wait_for_end() == ("close_notify" if tls else "fin")
    assert former.wait() == 0
    edge.error_log.wait_for(f"the former process, {former.pid}, has ended")
    assert ask(edge, "status")["former"] is None


def test_idle_keep_alive_client_is_closed_and_comes_back(lab):
    edge = lab.edge(lab.origin(content=b"hello"))
    client = lab.client(edge)
    client.get("/")
    busy = lab.client(edge)
    busy.get("/")
    upgrade(edge)
    assert busy.get("/").fields.get("Connection") == "close"
    assert client.wait_for_end() == "fin"
    assert lab.client(edge).get("/").content == b"hello"


def test_upload_and_tunnel_in_flight_end_normally(lab):
    origin = lab.origin(content=b"taken").on("/chat", echo)
    edge = lab.edge(origin)
    tunnel, _ = switched(lab, edge)
    upload = lab.client(edge)
    upload.send(upload.request_bytes("POST", "/upload", [("Content-Length", "200000")]) + b"a" * 100000)
    wait_until(lambda: ask(edge, "status")["exchanges"] == 2, "both to run")
    former = upgrade(edge)
    assert former.poll() is None
    tunnel.send(b"still there")
    assert tunnel.read_exact(11) == b"still there"
    upload.send(b"b" * 100000)
    assert upload.read_response().content == b"taken"
    assert origin.requests[-1].content == b"a" * 100000 + b"b" * 100000
    tunnel.half_close()
    assert tunnel.read_exact(9) == b"last word"
    assert tunnel.wait_for_end() == "fin"
    assert former.wait() == 0


def test_drain_deadline_holds_for_the_former_process(lab):
    origin = lab.origin().on("/", behaviours.hang())
    edge = lab.edge(origin, conf={"hopgate_shutdown_timeout": "300ms"})
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/"))
    origin.wait_for_requests(1)
    assert upgrade(edge).wait() == 0


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_tls_sessions_resume_across_upgrades(lab, version, tmp_path):
    """Tickets of the process before: its keys were handed over."""
    edge = lab.edge(lab.origin(content=b"hello"), tls=True)
    session = tmp_path / "session"
    assert not is_resumed(s_client(edge, "edge.test", version, "-sess_out", session))
    for _ in range(2):
        upgrade(edge)
        assert end_of_former(edge) == 0
        again = s_client(edge, "edge.test", version, "-sess_in", session)
        assert is_resumed(again) and status(again) == 200


def test_readiness_is_the_new_process_s(lab):
    """A scraper with an open connection must not read that the hop is going down."""
    gate = threading.Event()
    origin = lab.origin().on("/slow", behaviours.after(gate, behaviours.answer(b"done")))
    edge = lab.hop(service_to(origin), persona="edge", conf={"status_listen": "127.0.0.1:0"})
    scraper = lab.client(edge.status_listeners["http"])
    assert scraper.get("/status/ready").status == 200
    slow = lab.client(edge)
    slow.send(slow.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    former = upgrade(edge)
    answer = scraper.get("/status/ready")
    assert (answer.status, answer.fields.get("Connection")) == (200, "close")
    for _ in range(8):
        assert lab.client(edge.status_listeners["http"]).get("/status/ready").status == 200
    metrics = lab.client(edge.status_listeners["http"]).get("/metrics").text
    assert former.poll() is None
    gate.set()
    slow.read_response()
    assert former.wait() == 0
    assert "hopgate" in metrics


# ---- other sockets than before ----

@pytest.mark.serial
@pytest.mark.parametrize("counts", [(1, 3), (3, 1), (4, 2, 3)])
def test_other_numbers_of_workers_lose_no_connection(lab, counts):
    edge = lab.hop({}, persona="edge", conf={"nginx_worker_processes": str(counts[0]), "proxy_access_log": "off"})
    with Crowd(edge.http, rate_per_s=300) as crowd:
        for count in counts[1:]:
            rewrite(edge, nginx_worker_processes=str(count))
            upgrade(edge)
            assert end_of_former(edge) == 0
            before = crowd.count()
            wait_until(lambda: crowd.count() > before + 100, "clients to meet every socket")  # noqa: B023
            assert ask(edge, "status")["workers"] == count
            rewrite(edge, service_to(lab.refusing_port()))
            assert verb(edge, "reload").code == OK  # every socket is inherited by the next snapshot, too
    assert crowd.failures() == {}, f"{crowd.failures()} of {crowd.count()}"


def test_addresses_come_and_go(lab):
    edge = lab.edge(lab.origin(content=b"hello"))
    kept, gone, added = edge.port, free_port(), free_port()
    rewrite(edge, proxy_listen=f"127.0.0.1:0, 127.0.0.1:{gone}")
    assert verb(edge, "reload").code == OK
    lab.client((edge.host, gone)).get("/")
    rewrite(edge, proxy_listen=f"127.0.0.1:0, 127.0.0.1:{added}")
    upgrade(edge)
    assert end_of_former(edge) == 0
    assert lab.client((edge.host, added)).get("/").content == b"hello"
    assert lab.client((edge.host, kept)).get("/").content == b"hello"
    with pytest.raises(ConnectionRefusedError):
        lab.client((edge.host, gone))


def test_more_sockets_than_a_packet_takes(lab):
    edge = lab.edge(lab.origin(content=b"hello"), conf={"proxy_listen": ", ".join(["127.0.0.1:0"] * 130)})
    addresses = [entry["address"] for entry in ask(edge, "status")["listeners"]]
    assert len(set(addresses)) == 130
    upgrade(edge)
    assert end_of_former(edge) == 0
    assert [entry["address"] for entry in ask(edge, "status")["listeners"]] == addresses
    host, port = addresses[-1].split(":")
    assert lab.client((host, int(port))).get("/").content == b"hello"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_hop_of_an_unprivileged_user_upgrades(lab):
    directory = lab.user_directory()
    lab.copy_binary(directory)
    lab.directory = directory
    edge = lab.make_hop(service_to(lab.origin(content=b"hello")), user=NOBODY).start()
    upgrade(edge)
    assert end_of_former(edge) == 0
    assert lab.client(edge).get("/").content == b"hello"
    assert os.stat(f"/proc/{edge.process.pid}").st_uid == NOBODY


def test_reload_and_drain_work_as_ever_afterwards(lab):
    old, new = lab.origin(content=b"old"), lab.origin(content=b"new")
    edge = lab.edge(old)
    upgrade(edge)
    assert end_of_former(edge) == 0
    rewrite(edge, service_to(new), proxy_listen="127.0.0.1:0, 127.0.0.1:0 ssl", ssl_cert=lab.pki.chain("edge"),
            ssl_cert_key=lab.pki.key("edge"))
    assert verb(edge, "reload").code == OK
    assert lab.client(edge).get("/").content == b"new"
    assert verb(edge, "drain").code == OK
    assert edge.wait_exit() == 0
    assert not (edge.prefix / "control.sock").exists() and not (edge.prefix / "pids" / "hopgate.pid").exists()


# ---- what goes wrong changes nothing ----

def check_nothing_changed(lab, edge, pid):
    assert edge.process.pid == pid == pid_file(edge) == ask(edge, "status")["pid"]
    assert lab.client(edge).get("/").content == b"still here"
    upgrade(edge)  # and the next one succeeds
    assert end_of_former(edge) == 0
    assert lab.client(edge).get("/").content == b"still here"


def test_broken_configuration_is_told_with_its_place(lab):
    edge = lab.edge(lab.origin(content=b"still here"))
    idle = lab.client(edge)
    idle.get("/")
    pid, text = edge.process.pid, edge.config_path.read_text()
    edge.config_path.write_text("_format_version: '3.0'\nservices: [{name: a, hots: b}]\n")
    refused = verb(edge, "upgrade")
    assert refused.code == BAD_CONFIG
    assert re.search(r"kong\.yaml:2:\d+: .*hots", refused.err) and "goes on as before" in refused.err
    edge.error_log.wait_for("upgrade: ", "kong.yaml:2:", "hots")
    edge.error_log.wait_for("upgrade failed: ", "exit code 78")
    assert idle.get("/").content == b"still here"  # its connection is untouched
    edge.config_path.write_text(text)
    check_nothing_changed(lab, edge, pid)


# A new process that plays its part until a point: what follows is what it does then.
PLAY = """#!/usr/bin/python3
import array, json, os, socket, sys
former = socket.socket(fileno=3)
def say(what, **more):
    former.send(json.dumps({"say": what, **more}).encode())
def take():
    data, control, _, _ = former.recvmsg(1 << 17, 4096)
    return data, array.array("i", b"".join(piece[2][:len(piece[2]) // 4 * 4] for piece in control))
"""
PREPARE = """
say("hello", formats=[1])
taken, (lock, stderr) = take()
keys, _ = take()
_, sockets = take()
say("prepared")
assert json.loads(former.recv(1000)) == {"say": "go"}
"""


def play(lab, text):
    path = lab.directory / "binary"
    path.write_text(PLAY + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_new_process_that_ends_when_it_was_told_to_go_gives_everything_back(lab):
    edge = lab.edge(lab.origin(content=b"still here"))
    refused = verb(edge, "upgrade", "--binary", play(lab, PREPARE + f"""
os.pwrite(lock, b"1\\n", 0)
os.unlink({str(edge.prefix / "control.sock")!r})
sys.exit(3)
"""))
    assert refused.code == FAILED and "exit code 3" in refused.err
    check_no_rival(edge)
    check_nothing_changed(lab, edge, edge.process.pid)


def test_new_process_that_says_nothing_after_go_is_ended(lab):
    edge = lab.edge(lab.origin(content=b"still here"))
    refused = verb(edge, "upgrade", "--timeout", "2", "--binary", play(lab, PREPARE + "former.recv(1)"))
    assert refused.code == FAILED and "did not serve within 2 s" in refused.err
    check_nothing_changed(lab, edge, edge.process.pid)


@pytest.mark.parametrize("text, said", [
    ("say('hello', formats=[99]); former.recv(1)", "takes nothing over from this version"),
    ("say('serving', taken=[True]); former.recv(1)", "did not serve within 2 s"),
    ("former.send(b'{{{'); former.close(); sys.stdin.close(); os.write(2, b'\\x1b[31mred'); sys.exit(5)", "?[31mred"),
])
def test_new_process_that_talks_nonsense_is_ended(lab, text, said):
    edge = lab.edge(lab.origin(content=b"still here"))
    refused = verb(edge, "upgrade", "--timeout", "2", "--binary", play(lab, text))
    assert refused.code == FAILED and said in refused.err
    check_nothing_changed(lab, edge, edge.process.pid)


@pytest.mark.parametrize("text, said", [
    ("echo no such library >&2; exit 127", "no such library"),
    ("kill -9 $$", "signal 9"),
    ("exec sleep 60 <&3", "did not serve within 1 s"),
    ("exit 0", "exit code 0"),
])
def test_binary_that_cannot_serve_is_told(lab, text, said):
    edge = lab.edge(lab.origin(content=b"still here"))
    pid = edge.process.pid
    refused = verb(edge, "upgrade", "--binary", script(lab, text), "--timeout", "1" if "sleep" in text else "20")
    assert refused.code == FAILED
    assert said in refused.err and "this process goes on as before" in refused.err.replace("one goes", "process goes")
    check_nothing_changed(lab, edge, pid)


def test_missing_binary_is_told(lab):
    edge = lab.edge(lab.origin(content=b"still here"))
    refused = verb(edge, "upgrade", "--binary", "/nonexistent/hopgate")
    assert refused.code == FAILED
    assert "cannot start /nonexistent/hopgate: No such file or directory" in refused.err
    check_nothing_changed(lab, edge, edge.process.pid)


def test_other_binary_is_started_with_the_same_arguments(lab):
    edge = lab.edge(lab.origin(content=b"hello"))
    binary = script(lab, f'echo "$@" > {lab.directory}/arguments; exec {edge.binary} "$@"')
    upgrade(edge, "--binary", binary)
    assert (lab.directory / "arguments").read_text().split() == [str(word) for word in edge.command()[1:]]
    assert lab.client(edge).get("/").content == b"hello"


def held_upgrade(lab, edge):
    """An upgrade whose new process waits for a line in a FIFO; returns the verb's process and the FIFO."""
    fifo = lab.directory / "fifo"
    os.mkfifo(fifo)
    binary = script(lab, f'echo $$ > {lab.directory}/pid.new; mv {lab.directory}/pid.new {lab.directory}/pid; read line < {fifo}; exec {edge.binary} "$@"')
    adopt_orphans()
    asked = subprocess.Popen([edge.binary, "upgrade", "--binary", binary, "--prefix", edge.prefix], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **SANITIZERS})
    wait_until((lab.directory / "pid").exists, "the new process to be started")
    return asked, fifo, int((lab.directory / "pid").read_text())


def test_killed_new_process_changes_nothing(lab):
    edge = lab.edge(lab.origin(content=b"still here"))
    asked, _, pid = held_upgrade(lab, edge)
    os.kill(pid, signal.SIGKILL)
    _, said = asked.communicate(timeout=20)
    assert asked.returncode == FAILED and "signal 9" in said
    check_nothing_changed(lab, edge, edge.process.pid)


def test_hop_answers_while_the_new_process_starts_and_takes_no_second_upgrade_and_no_reload(lab):
    edge = lab.edge(lab.origin(content=b"still here"))
    asked, fifo, _ = held_upgrade(lab, edge)
    assert ask(edge, "status")["state"] == "running"
    second, reloaded = verb(edge, "upgrade"), verb(edge, "reload")
    assert second.code == FAILED and "another upgrade is under way" in second.err
    assert reloaded.code == FAILED and "an upgrade is under way" in reloaded.err
    assert lab.client(edge).get("/").content == b"still here"
    fifo.write_text("go\n")
    out, said = asked.communicate(timeout=60)
    assert asked.returncode == OK, said
    replace_process(edge, int(re.search(r"process (\d+) serves", out).group(1)))
    assert lab.client(edge).get("/").content == b"still here"


def test_hop_that_is_told_to_end_ends_and_the_new_process_with_it(lab):
    edge = lab.edge(lab.origin())
    asked, _, pid = held_upgrade(lab, edge)
    edge.signal(signal.SIGTERM)
    _, said = asked.communicate(timeout=20)
    assert asked.returncode == FAILED
    assert edge.wait_exit() == 0
    wait_until(lambda: is_zombie(pid), "the new process to end")
    assert not (edge.prefix / "pids" / "hopgate.pid").exists()


def is_zombie(pid):
    """Or gone."""
    try:
        return " Z " in open(f"/proc/{pid}/stat").read()
    except FileNotFoundError:
        return True


def test_new_process_does_not_outlive_a_hop_that_was_killed_before_it_served(lab):
    edge = lab.edge(lab.origin())
    asked, fifo, pid = held_upgrade(lab, edge)
    edge.kill()
    lab.expect_bad_end.add(edge)
    fifo.write_text("go\n")
    asked.communicate(timeout=20)
    wait_until(lambda: is_zombie(pid), "the new process to end")
    edge.start()  # nobody has its prefix
    assert ask(edge, "status")["state"] == "running"
    assert edge.stop() == 0


def test_second_upgrade_waits_for_the_end_of_the_first_drain(lab):
    gate = threading.Event()
    origin = lab.origin(content=b"fast").on("/slow", behaviours.after(gate, behaviours.answer(b"slow")))
    edge = lab.edge(origin)
    slow = lab.client(edge)
    slow.send(slow.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    former = upgrade(edge)
    refused = verb(edge, "upgrade")
    assert refused.code == FAILED
    assert f"the process before this one, {former.pid}," in refused.err
    gate.set()
    assert slow.read_response().content == b"slow"
    assert former.wait() == 0
    edge.error_log.wait_for(f"the former process, {former.pid}, has ended")
    upgrade(edge)


def test_changed_prefix_is_refused(lab):
    edge = lab.edge(lab.origin(content=b"still here"))
    text = edge.conf_path.read_text()
    edge.conf_path.write_text(text.replace(str(edge.prefix), str(lab.directory / "elsewhere")))
    refused = verb(edge, "upgrade")
    assert refused.code == FAILED and "an upgrade keeps it" in refused.err
    edge.conf_path.write_text(text)
    check_nothing_changed(lab, edge, edge.process.pid)


def test_process_1_refuses(lab):
    """Whatever watches it, a container's runtime for one, would see it end."""
    wrapper = ["unshare", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no PID namespaces here")
    edge = lab.make_hop({}, persona="edge", wrapper=wrapper).start()
    lab.expect_bad_end.add(edge)
    refused = verb(edge, "upgrade")
    assert refused.code == FAILED and "this hop is process 1" in refused.err
    edge.kill()


def test_stop_ends_the_former_process_as_well(lab):
    origin = lab.origin().on("/", behaviours.hang())
    edge = lab.edge(origin)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/"))
    origin.wait_for_requests(1)
    former = upgrade(edge)
    assert former.poll() is None
    assert verb(edge, "stop").code == OK
    assert former.wait() == 0 and edge.wait_exit() == 0


def test_term_to_both_lets_both_drain(lab):
    """What systemd does: the former process has been told once by the upgrade already."""
    gate = threading.Event()
    origin = lab.origin().on("/slow", behaviours.after(gate, behaviours.answer(b"whole")))
    edge = lab.edge(origin)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    former = upgrade(edge)
    former.send_signal(signal.SIGTERM)
    edge.signal(signal.SIGTERM)
    edge.error_log.wait_for(f"{former.pid}#", "draining")
    gate.set()
    assert client.read_response().content == b"whole"
    assert former.wait() == 0 and edge.wait_exit() == 0


def test_systemd_is_told_the_new_main_process(lab, tmp_path):
    import socket
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(20)
        edge = lab.hop({}, persona="edge", env={"NOTIFY_SOCKET": str(path)})
        former = upgrade(edge)
        said = []
        while not any("MAINPID" in text for text in said):
            said.append(notify.recv(4096).decode())
        assert f"MAINPID={edge.process.pid}" in said
        assert former.wait() == 0
        assert not any("STOPPING" in text for text in said)
