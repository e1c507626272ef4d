"""The command itself: what it says, where it says it, and with which exit code."""
import os
import socket
import signal

import pytest

from lab.lab import service_to
from lab.ports import free_port

OK, FAILURE, USAGE, BAD_CONFIG = 0, 1, 64, 78
GOOD = """\
_format_version: "3.0"
services:
  - name: a
    host: 127.0.0.1
    port: 9
    routes:
      - paths: ["/"]
"""


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_help_and_version(hopgate):
    done = hopgate("--help")
    assert done.code == OK
    for verb in ("run", "check"):
        assert verb in done.out
    version = hopgate("--version")
    assert version.code == OK and version.out.startswith("hopgate 0.")
    assert hopgate("run", "--help").code == OK
    assert hopgate("check", "--help").code == OK


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["run", "--no-such-option"], ["check", "a", "b", "c"]])
def test_wrong_usage_is_64_and_says_what_is_right(hopgate, arguments):
    done = hopgate(*arguments)
    assert done.code == USAGE
    assert "hopgate" in done.err
    assert "Sanitizer" not in done.err


def test_check_of_a_good_file_is_quiet_and_0(hopgate, tmp_path):
    done = hopgate("check", write(tmp_path, "kong.yaml", GOOD))
    assert (done.code, done.err) == (OK, ""), done


@pytest.mark.parametrize("extension", ["yaml", "json"])
def test_check_names_place_path_and_reason_of_every_mistake(hopgate, tmp_path, extension):
    texts = {
        "yaml": '_format_version: "3.0"\nservices:\n  - name: a\n    host: 127.0.0.1\n    port: 99999\n    retrys: 3\n',
        "json": '{"_format_version": "3.0",\n"services": [\n{"name": "a",\n"host": "127.0.0.1",\n  "port": 99999,\n'
                '  "retrys": 3}]}\n',
    }
    path = write(tmp_path, f"kong.{extension}", texts[extension])
    done = hopgate("check", path)
    assert done.code == BAD_CONFIG
    lines = done.err.splitlines() + done.out.splitlines()
    port = [line for line in lines if "services[0].port" in line]
    unknown = [line for line in lines if "retrys" in line]
    assert port and unknown, done
    assert f"{path}:5:" in port[0]
    assert f"{path}:6:" in unknown[0] and "retries" in unknown[0], "the nearest key is suggested"


def test_broken_yaml_is_placed(hopgate, tmp_path):
    path = write(tmp_path, "kong.yaml", '_format_version: "3.0"\nservices: [\n')
    done = hopgate("check", path)
    assert done.code == BAD_CONFIG
    assert f"{path}:" in done.err + done.out


def test_unknown_key_of_kong_conf_is_an_error_with_a_suggestion(hopgate, tmp_path):
    conf = write(tmp_path, "kong.conf", "proxy_listen = 127.0.0.1:0\nproxy_lissten = 127.0.0.1:0\n")
    done = hopgate("check", "-c", conf, write(tmp_path, "kong.yaml", GOOD))
    assert done.code == BAD_CONFIG
    (line,) = [line for line in (done.err + done.out).splitlines() if "proxy_lissten" in line]
    assert f"{conf}:2" in line and "proxy_listen" in line.replace("proxy_lissten", "")


def test_unknown_key_in_the_environment_is_an_error_with_a_suggestion(hopgate, tmp_path):
    path = write(tmp_path, "kong.yaml", GOOD)
    done = hopgate("check", path, env={**os.environ, "HOPGATE_PERSONNA": "edge"})
    assert done.code == BAD_CONFIG
    (line,) = [line for line in done.err.splitlines() if "HOPGATE_PERSONNA" in line]
    assert "error" in line and "hopgate_persona" in line


def test_unknown_kong_variable_is_at_most_a_warning(hopgate, tmp_path):
    """Images set KONG_VERSION and its like; a slip in a key is worth a word."""
    path = write(tmp_path, "kong.yaml", GOOD)
    done = hopgate("check", path, env={**os.environ, "KONG_VERSION": "3.9.3", "KONG_PREFX": "/x"})
    assert done.code == OK
    assert "KONG_VERSION" not in done.err
    (line,) = [line for line in done.err.splitlines() if "KONG_PREFX" in line]
    assert "warning" in line and "prefix" in line


def test_environment_overrides_the_file(lab):
    hop = lab.make_hop(service_to(lab.origin()), conf={"proxy_listen": "127.0.0.1:1"},
                       env={"KONG_PROXY_LISTEN": "127.0.0.1:0"}).start()
    assert lab.client(hop).get("/").status == 200


def test_files_that_cannot_be_read_are_named(hopgate, tmp_path):
    done = hopgate("check", tmp_path / "nowhere.yaml")
    assert done.code == BAD_CONFIG
    assert "nowhere.yaml" in done.err
    done = hopgate("run", "-c", tmp_path / "nowhere.conf")
    assert done.code == BAD_CONFIG
    assert "nowhere.conf" in done.err


def test_run_refuses_what_check_refuses(lab):
    hop = lab.make_hop({"services": [{"name": "a", "host": "x", "port": 0x10000}]})
    lab.expect_bad_end.add(hop)
    assert hop.spawn().wait_exit() == BAD_CONFIG
    assert "services[0].port" in hop.stderr()
    assert "hopgate: ready" not in hop.stderr()


def test_second_hop_on_the_same_address_says_so(lab):
    """Not half of the traffic: the address is refused, with its name."""
    address = f"127.0.0.1:{free_port()}"
    first = lab.make_hop(service_to(lab.origin()), name="first", conf={"proxy_listen": address}).start()
    second = lab.make_hop(service_to(lab.origin()), name="second", conf={"proxy_listen": address})
    lab.expect_bad_end.add(second)
    assert second.spawn().wait_exit() == FAILURE
    assert address in second.stderr()
    assert "in use" in second.stderr()
    assert lab.client(first).get("/").status == 200


def test_second_hop_on_the_same_prefix_says_so(lab):
    first = lab.make_hop(service_to(lab.origin()), name="first").start()
    second = lab.make_hop(service_to(lab.origin()), name="second", conf={"prefix": first.prefix})
    lab.expect_bad_end.add(second)
    assert second.spawn().wait_exit() == FAILURE
    assert str(first.prefix) in second.stderr()
    assert first.is_alive()


def test_prefix_is_free_again_after_the_end(lab):
    first = lab.make_hop(service_to(lab.origin()), name="first").start()
    assert first.stop() == OK
    second = lab.make_hop(service_to(lab.origin()), name="second", conf={"prefix": first.prefix}).start()
    assert lab.client(second).get("/").status == 200


def test_prefix_of_a_killed_hop_is_free_again(lab):
    first = lab.make_hop(service_to(lab.origin()), name="first").start()
    lab.expect_bad_end.add(first)
    first.kill()
    second = lab.make_hop(service_to(lab.origin()), name="second", conf={"prefix": first.prefix}).start()
    assert lab.client(second).get("/").status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_hop_ends_on_a_signal_within_a_second_when_idle(lab, number):
    hop = lab.edge(lab.origin(), tls=True)
    lab.client(hop, tls=True).get("/")
    hop.signal(number)
    assert hop.wait_exit(3) == OK  # a second, and two for the leak check of the sanitizer


def test_stopped_hop_refuses_connections(lab):
    """P8: no listener goes on accepting after its end."""
    hop = lab.edge(lab.origin())
    hop.stop()
    with pytest.raises(ConnectionRefusedError):
        lab.client(hop)


def test_empty_declarative_file_answers_404(lab):
    hop = lab.hop({})
    answer = lab.client(hop).get("/")
    assert answer.status == 404
    assert b"no Route matched with those values" in answer.content


def test_logs_are_where_kong_puts_them(lab):
    hop = lab.kong(lab.origin())
    lab.client(hop).get("/")
    hop.access_log.wait(1)
    assert (hop.prefix / "logs" / "access.log").is_file()
    assert (hop.prefix / "logs" / "error.log").is_file()


def test_systemd_is_told_when_the_hop_is_ready_and_when_it_stops(lab, tmp_path):
    """Type=notify: one datagram per state on the socket that NOTIFY_SOCKET names."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(path))
        supervisor.settimeout(10)
        hop = lab.make_hop(service_to(lab.origin()), env={"NOTIFY_SOCKET": str(path)}).start()
        assert supervisor.recv(100) == b"READY=1"
        hop.stop()
        assert supervisor.recv(100) == b"STOPPING=1"


def test_no_listener_opens_that_was_not_asked_for(lab):
    edge = lab.edge(lab.origin(), conf={"nginx_worker_processes": "1"})  # with admin_listen = off
    sockets = {fd.rsplit("[", 1)[1].rstrip("]") for fd in edge.fds() if "socket:[" in fd}
    listening = []
    for table in ("tcp", "tcp6"):
        for line in open(f"/proc/{edge.process.pid}/net/{table}", encoding="ascii").readlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and columns[9] in sockets:
                listening.append(int(columns[1].rsplit(":", 1)[1], 16))
    assert listening == [edge.port]
