"""What a hop gives up once it runs: root, files, system calls."""
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import ssl
import sys

import pytest

from lab import restrict
from lab.client import run
from lab.hop import SANITIZERS
from lab.lab import NOBODY, service_to

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
# the leak check of the sanitizer is a debugger: it needs a process that may be traced
NO_LEAK_CHECK = {"ASAN_OPTIONS": "detect_leaks=0:exitcode=97"}
CAP_NET_BIND_SERVICE = 10


def status_of(hop):
    text = pathlib.Path(f"/proc/{hop.process.pid}/status").read_text(encoding="utf-8")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def confined(lab, conf, declarative=None, **options):
    return lab.make_hop(declarative or service_to(lab.origin(content=b"fine")), conf=conf, env=NO_LEAK_CHECK,
                        **options)


@pytest.fixture
def open_lab(lab):
    """Where an unprivileged user can reach everything; the configuration stays root's."""
    lab.directory = lab.user_directory()
    os.chmod(lab.directory, 0o755)
    lab.copy_binary(lab.directory)
    return lab


def copy_pair(lab, directory):
    """A certificate and its key there, and the settings that name them."""
    for name, source in (("chain.pem", lab.pki.chain("edge")), ("key.pem", lab.pki.key("edge"))):
        shutil.copy(source, directory / name)
        (directory / name).chmod(0o644)
    return {"ssl_cert": directory / "chain.pem", "ssl_cert_key": directory / "key.pem"}


def to_tls_origin(lab):
    """To an origin that answers nobody without a certificate, and whose own is verified."""
    context = lab.pki.server_context("origin")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(lab.pki.root)
    return service_to(lab.origin(content=b"fine", tls=context), protocol="https", tls_verify=True)


def copy_client_files(lab, directory, trust="lua_ssl_trusted_certificate"):
    """What TLS towards targets reads, each file in a directory of its own, and the settings that name them."""
    files = {"client_ssl_cert": lab.pki.chain("other"), "client_ssl_cert_key": lab.pki.key("other"), trust: lab.pki.root}
    settings = {"client_ssl": "on"}
    for key, source in files.items():
        (directory / key).mkdir()
        settings[key] = str(shutil.copy(source, directory / key / "file.pem"))
        os.chmod(settings[key], 0o644)
    return settings


def reload(hop):
    return run(hop.binary, "reload", "--prefix", hop.prefix, env={**os.environ, **SANITIZERS})


def rewrite(hop, settings):
    """Other values for keys of kong.conf."""
    text = hop.conf_path.read_text()
    for key, value in settings.items():
        text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.M)
    hop.conf_path.write_text(text)


# ---- the user ----------------------------------------------------------------------------------


@needs_root
def test_root_becomes_the_user_with_one_capability(open_lab):
    hop = confined(open_lab, {"nginx_user": "nobody nogroup"}, tls=True).start()
    status = status_of(hop)
    assert status["Uid"].split() == [str(NOBODY)] * 4
    assert status["Gid"].split() == [str(NOBODY)] * 4
    assert status["NoNewPrivs"] == "1"
    only = f"{1 << CAP_NET_BIND_SERVICE:016x}"
    assert {status[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {only}
    for task in os.listdir(f"/proc/{hop.process.pid}/task"):
        text = pathlib.Path(f"/proc/{hop.process.pid}/task/{task}/status").read_text(encoding="utf-8")
        assert re.search(rf"^Uid:\t{NOBODY}\t", text, re.M) and re.search(rf"^CapEff:\t{only}$", text, re.M)
    hop.error_log.wait_for("runs as user nobody")
    assert open_lab.client(hop).get("/").content == b"fine"
    assert os.stat(hop.prefix).st_uid == os.stat(hop.prefix / "logs" / "access.log").st_uid == NOBODY


@needs_root
def test_reload_after_the_change_binds_a_port_of_root(open_lab):
    hop = confined(open_lab, {"nginx_user": "nobody"}).start()
    port = privileged_port()
    rewrite(hop, {"proxy_listen": f"127.0.0.1:{port}"})
    done = reload(hop)
    assert done.code == 0, done
    assert open_lab.client(("127.0.0.1", port)).get("/").content == b"fine"


def privileged_port():
    for port in range(1023, 600, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    pytest.fail("every port below 1024 is taken")


@needs_root
def test_key_that_only_root_reads_is_served_and_warned_of(open_lab):
    keys = open_lab.directory / "keys"
    keys.mkdir()
    files = copy_pair(open_lab, keys)
    (keys / "key.pem").chmod(0o600)
    hop = confined(open_lab, {"nginx_user": "nobody", **files}, tls=True).start()
    assert open_lab.client(hop, tls=True).get("/").content == b"fine"
    hop.error_log.wait_for("[warn]", "a reload will fail", str(keys / "key.pem"), "chgrp")
    hop.signal(signal.SIGHUP)
    hop.error_log.wait_for(str(keys / "key.pem"), "Permission denied", "runs as user nobody")
    hop.error_log.wait_for("configuration 1 stays in force")
    assert open_lab.client(hop, tls=True).get("/").content == b"fine"


@needs_root
def test_client_key_that_only_root_reads_is_shown_and_warned_of(open_lab):
    files = copy_client_files(open_lab, open_lab.directory)
    os.chmod(files["client_ssl_cert_key"], 0o600)
    hop = confined(open_lab, {"nginx_user": "nobody", **files}, to_tls_origin(open_lab)).start()
    assert open_lab.client(hop).get("/").content == b"fine"
    hop.error_log.wait_for("[warn]", "a reload will fail", files["client_ssl_cert_key"], "chgrp")
    hop.signal(signal.SIGHUP)
    hop.error_log.wait_for(files["client_ssl_cert_key"], "Permission denied", "runs as user nobody")
    hop.error_log.wait_for("configuration 1 stays in force")
    assert open_lab.client(hop).get("/").content == b"fine"
    os.chmod(files["client_ssl_cert_key"], 0o644)
    done = reload(hop)
    assert done.code == 0, done
    assert open_lab.client(hop).get("/").content == b"fine"


@needs_root
def test_unknown_user_is_named(lab):
    hop = confined(lab, {"nginx_user": "no-such-user"})
    lab.expect_bad_end.add(hop)
    assert hop.spawn().wait_exit() == 78
    assert "kong.conf" in hop.stderr() and 'no user "no-such-user"' in hop.stderr()


@needs_root
def test_kong_s_default_user_need_not_exist(lab):
    """A kong.conf that spells the default out starts where Kong was never installed."""
    if any(name in (entry.pw_name for entry in pwd.getpwall()) for name in ("kong", "hopgate")):
        pytest.skip("not run: this machine has a user kong or hopgate")
    hop = confined(lab, {"nginx_user": "kong kong"}).start()
    assert 'no user "kong"' in hop.stderr() and "as Kong does" in hop.stderr()
    assert lab.client(hop).get("/").content == b"fine"


@needs_root
def test_directory_of_somebody_else_is_not_given_away(open_lab):
    """`prefix = /var` must not make /var the user's."""
    place = open_lab.directory / "roots-own"
    place.mkdir()
    os.chown(place, 0, 0)
    hop = confined(open_lab, {"nginx_user": "nobody", "prefix": place})
    open_lab.expect_bad_end.add(hop)
    assert hop.spawn().wait_exit() == 1
    assert str(place) in hop.stderr() and "Permission denied" in hop.stderr()
    assert os.stat(place).st_uid == 0


def test_user_has_no_effect_when_root_did_not_start_the_hop(lab):
    lab.directory = lab.user_directory()
    lab.copy_binary(lab.directory)
    hop = lab.make_hop(service_to(lab.origin()), conf={"nginx_user": "daemon"},
                       user=NOBODY if os.getuid() == 0 else None).start()
    assert "nginx_user" in hop.stderr() and "not started by root" in hop.stderr()


# ---- the sandbox -------------------------------------------------------------------------------


def expect_whole_sandbox(hop):
    said = hop.error_log.wait_for("sandbox: ")[0]
    if "Landlock" not in said or "seccomp" not in said:
        pytest.skip(f"not run: this kernel lacks a part: {said}")


@pytest.fixture
def sandboxed(lab):
    """A hop in a sandbox."""
    hop = confined(lab, {"hopgate_sandbox": "auto"}, tls=True).start()
    expect_whole_sandbox(hop)
    return hop


def test_every_thread_is_in_the_sandbox(lab, sandboxed):
    for task in os.listdir(f"/proc/{sandboxed.process.pid}/task"):
        text = pathlib.Path(f"/proc/{sandboxed.process.pid}/task/{task}/status").read_text(encoding="utf-8")
        assert re.search(r"^Seccomp:\t2$", text, re.M), text
        assert re.search(r"^NoNewPrivs:\t1$", text, re.M), text
    assert lab.client(sandboxed).get("/").content == b"fine"


def test_reload_that_names_a_path_outside_says_which_and_why(lab, sandboxed, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    before = sandboxed.conf_path.read_text()
    rewrite(sandboxed, copy_pair(lab, outside))
    done = reload(sandboxed)
    assert done.code == 78
    assert f"{outside}/chain.pem" in done.err and "hopgate_sandbox_paths" in done.err
    sandboxed.conf_path.write_text(before)
    assert reload(sandboxed).code == 0
    assert lab.client(sandboxed, tls=True).get("/").content == b"fine"


def test_paths_that_are_named_may_be_read_at_a_reload(lab, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    hop = confined(lab, {"hopgate_sandbox": "auto", "hopgate_sandbox_paths": outside}, tls=True).start()
    rewrite(hop, copy_pair(lab, outside))
    done = reload(hop)
    assert done.code == 0, done


@pytest.mark.parametrize("trust", ["lua_ssl_trusted_certificate", "nginx_proxy_proxy_ssl_trusted_certificate"])
def test_files_of_tls_towards_targets_may_be_anywhere_at_the_start(lab, tmp_path_factory, trust):
    """They are read before the sandbox is closed, so a reload may read them and what replaces them."""
    files = copy_client_files(lab, tmp_path_factory.mktemp("outside"), trust)
    hop = confined(lab, {"hopgate_sandbox": "auto", **files}, to_tls_origin(lab)).start()
    expect_whole_sandbox(hop)
    assert lab.client(hop).get("/").content == b"fine"
    for key in (trust, "client_ssl_cert", "client_ssl_cert_key"):
        shutil.copy(files[key], f"{files[key]}.new")
        os.replace(f"{files[key]}.new", files[key])
    done = reload(hop)
    assert done.code == 0, done
    assert lab.client(hop).get("/").content == b"fine"


def test_logs_are_reopened_and_content_is_stored_inside_the_sandbox(lab):
    """What a hop writes while it runs, it still may: logs, spool, control socket."""
    origin = lab.origin(content=b"stored")
    hop = confined(lab, {"hopgate_sandbox": "auto", "nginx_http_client_body_buffer_size": "1k"},
                   service_to(origin)).start()
    client = lab.client(hop)
    client.send(client.request_bytes("POST", "/", content=b"x" * 200_000))
    assert client.read_response().content == b"stored"
    logs = hop.prefix / "logs"
    (logs / "error.log").rename(logs / "error.log.1")
    hop.signal(signal.SIGUSR1)
    hop.error_log.wait_for("logs are open again")
    assert run(hop.binary, "status", "--prefix", hop.prefix, env={**os.environ, **SANITIZERS}).code == 0


@needs_root
def test_user_and_sandbox_together(open_lab):
    files = copy_pair(open_lab, open_lab.directory)
    hop = confined(open_lab, {"nginx_user": "nobody", "hopgate_sandbox": "auto", **files}, tls=True).start()
    assert open_lab.client(hop, tls=True).get("/").content == b"fine"
    assert status_of(hop)["Uid"].split()[0] == str(NOBODY)
    done = reload(hop)
    assert done.code == 0, done


@needs_root
def test_key_in_a_directory_that_only_root_enters_is_served_in_the_sandbox(open_lab):
    """The user cannot even name the directory to the kernel, so there is nothing to permit."""
    keys = open_lab.directory / "roots-own" / "keys"
    keys.mkdir(parents=True)
    files = copy_pair(open_lab, keys)
    keys.parent.chmod(0o700)
    hop = confined(open_lab, {"nginx_user": "nobody", "hopgate_sandbox": "auto", **files}, tls=True).start()
    expect_whole_sandbox(hop)
    assert open_lab.client(hop, tls=True).get("/").content == b"fine"
    hop.error_log.wait_for("[warn]", "a reload will fail", str(keys / "key.pem"))
    done = reload(hop)
    assert done.code == 78
    assert str(keys / "chain.pem") in done.err and "runs as user nobody" in done.err
    assert open_lab.client(hop, tls=True).get("/").content == b"fine"


NO_LANDLOCK = [sys.executable, str(pathlib.Path(restrict.__file__)), "ENOSYS@landlock_create_ruleset"]


def test_kernel_without_landlock_is_refused_where_the_sandbox_is_demanded(lab):
    hop = confined(lab, {"hopgate_sandbox": "on"}, wrapper=NO_LANDLOCK)
    lab.expect_bad_end.add(hop)
    assert hop.spawn().wait_exit() == 1
    assert "hopgate_sandbox" in hop.stderr() and "Landlock" in hop.stderr() and "auto" in hop.stderr()


def test_kernel_without_landlock_is_warned_of_otherwise(lab):
    hop = confined(lab, {"hopgate_sandbox": "auto"}, wrapper=NO_LANDLOCK).start()
    hop.error_log.wait_for("[warn]", "no Landlock")
    hop.error_log.wait_for("[notice]", "sandbox: system calls (seccomp)")
    assert lab.client(hop).get("/").content == b"fine"


def test_without_the_setting_nothing_is_restricted(lab):
    """A hop that is started by hand runs under debuggers and reads files anywhere."""
    status = status_of(lab.edge(lab.origin()))
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("0", "0")
