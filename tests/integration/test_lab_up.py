"""`hopgate lab up`: a chain from one file; each part a process, nothing left behind, every mistake with its place."""
import fcntl
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

from lab.chain_process import START_S, ChainProcess, is_running
from lab.client import RawClient
from lab.hop import to_yaml
from lab.wait import wait_until

CHAINS = sorted(path.stem for path in (pathlib.Path(__file__).parents[2] / "tools" / "lab" / "chains").glob("*.yaml"))
RUN_TODAY = {"f5-kong-f5", "kong-alone", "mtls-end-to-end", "firewall-between"}

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def up(binary, tmp_path):
    chains = []

    def start(chain, **options):
        if isinstance(chain, dict):
            path = tmp_path / f"chain{len(chains)}.yaml"
            path.write_text(to_yaml(chain))
            chain = path
        chains.append(ChainProcess(binary, tmp_path / f"lab{len(chains)}", chain, **options))
        return chains[-1]

    yield start
    problems = [chain.stop() for chain in chains]
    assert not any(problems), "\n".join(problems)


def path_of(*parts, **more):
    return {"name": "of-a-test", "path": list(parts), **more}


def to_origin(origin, name="server"):
    return {"origin": name, "address": f"127.0.0.1:{origin.port}"}


# ---- ready-made chains -------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHAINS)
def test_ready_made_chain_passes_a_request_or_says_what_is_missing(hopgate, up, name):
    checked = hopgate("lab", "up", "--check", name)
    if name not in RUN_TODAY and checked.code != 0:
        assert checked.code == 78 and "there is no built-in persona" in checked.err
        return
    assert (checked.code, checked.err) == (0, "")
    chain = up(name)
    assert chain.status_of() == 200
    assert max(map(len, chain.out().split("\ntry ")[0].splitlines())) <= 100
    assert chain.end() == 0
    chain.wait_nothing_left()


def test_every_ready_made_chain_is_drawn_at_its_top():
    assert RUN_TODAY < set(CHAINS)
    for name in CHAINS:
        text = (pathlib.Path(__file__).parents[2] / "tools" / "lab" / "chains" / f"{name}.yaml").read_text()
        assert re.match(r"#   client .*> \[ .* \] .*> < .* >\n", text), name


def test_every_leg_of_the_mtls_chain_wants_a_certificate(up):
    chain = up("mtls-end-to-end")
    words = [word for word in chain.command() if word not in ("--cert", "--key") and "client-good" not in word]
    chain.command = lambda: words
    code, _, _ = chain.curl()
    if code == 0:
        assert chain.status_of() == 400
    for hop, log in (("edge", "client"), ("gateway", "client")):
        conf = chain.log(hop, "kong.conf")
        assert "nginx_proxy_ssl_verify_client = on" in conf, (hop, log)


# ---- hops where they stand ---------------------------------------------------------------------


def test_hops_connect_from_their_own_addresses(up, lab):
    origin = lab.origin(content=b"hello")
    chain = up(path_of({"hop": "edge", "persona": "f5"}, {"wire": "between"}, {"hop": "gateway", "persona": "kong"},
                       to_origin(origin)))
    assert chain.curl()[1] == "hello"
    (request,) = origin.requests
    places = [element["address"].split(":")[0] for element in chain.state["elements"]]
    block = places[0].rsplit(".", 1)[0]
    assert places[:3] == [f"{block}.{number}" for number in (10, 20, 30)]
    # the gateway sees the wire's address, which stands for the network between
    assert request.fields.get("X-Forwarded-For").endswith(f"{block}.20")
    wait_until(lambda: re.search(rf'"event":"open".*"client":"{block}\.10:', chain.log("between", "wire.log")),
               "the wire to log its connection")


def test_two_labs_at_a_time_have_different_addresses(up, lab):
    origin = lab.origin(content=b"hello")
    parts = ({"hop": "gateway", "persona": "kong"}, to_origin(origin))
    first, second = up(path_of(*parts)), up(path_of(*parts))
    assert first.state["elements"][0]["address"].split(":")[0] != second.state["elements"][0]["address"].split(":")[0]
    assert first.curl()[1] == second.curl()[1] == "hello"
    assert first.end() == 0
    assert second.curl()[1] == "hello"


def test_environment_of_the_user_does_not_reach_the_hops(up, lab):
    origin = lab.origin(content=b"hello")
    chain = up(path_of({"hop": "gateway", "persona": "kong"}, to_origin(origin)),
               env={"KONG_PROXY_LISTEN": "127.0.0.1:1", "HOPGATE_PERSONA": "no-such"})
    assert chain.curl()[1] == "hello"


def test_kong_file_of_the_user_goes_in_and_what_is_not_simulated_is_said(up, lab, tmp_path):
    origin = lab.origin(content=b"hello")
    (tmp_path / "kong.yaml").write_text("""
_format_version: "3.0"
services:
- name: shop
  url: https://shop.internal:9443/base
  plugins: [{name: rate-limiting, config: {minute: 5}}]
  routes: [{name: shop, paths: [/shop], plugins: [{name: cors}]}]
- name: pool
  host: pool.internal
  routes: [{name: pool, paths: [/pool]}]
upstreams:
- name: pool.internal
  targets: [{target: "10.1.2.3:80"}, {target: "10.1.2.4:80"}]
consumers: [{username: alice}]
""")
    chain = up(path_of({"hop": "gateway", "persona": "kong", "config": "kong.yaml"}, to_origin(origin)))
    for path in ("/shop/x", "/pool/x"):
        address = chain.state["elements"][0]["address"]
        chain.command = lambda address=address, path=path: ["curl", f"http://{address}{path}"]
        assert chain.curl()[1] == "hello"
    assert {request.target for request in origin.requests} <= {"/base/x", "/x"}
    assert "not simulated: 1 of services.plugins" in chain.out() or "not simulated: 1 of plugins" in chain.out()
    assert "not simulated: 1 of consumers" in chain.out()


def test_several_origins_share_the_load(up, lab):
    first, second = lab.origin(content=b"first"), lab.origin(content=b"second")
    chain = up(path_of({"hop": "gateway", "persona": "kong"}, to_origin(first, "a"), to_origin(second, "b")))
    assert {chain.curl()[1] for _ in range(6)} == {"first", "second"}


def test_hops_side_by_side_share_the_load_and_one_may_die(up, lab):
    chain = up(path_of({"hop": "outer", "persona": "f5"}, {"hop": "gateway", "persona": "kong", "count": 2},
                       to_origin(lab.origin(content=b"hello"))))
    assert [element["name"] for element in chain.state["elements"]] == ["outer", "gateway-1", "gateway-2", "server"]
    assert [chain.curl()[1] for _ in range(4)] == ["hello"] * 4
    for name in ("gateway-1", "gateway-2"):
        wait_until(lambda: chain.log(name, "prefix/logs/access.log").count("\n") == 2, lambda: f"two requests at {name}")


# ---- time --------------------------------------------------------------------------------------


def test_time_scale_makes_a_firewall_of_a_minute_one_of_seconds(up, lab):
    """The firewall forgets Kong's idle connection; the next request on it waits for read_timeout: a 504."""
    origin = lab.origin(content=b"hello")
    service = {"name": "s", "url": "http://placeholder", "retries": 0, "routes": [{"name": "r", "paths": ["/"]}]}
    chain = up(path_of({"hop": "gateway", "persona": "kong", "entities": {"services": [service]},
                        "settings": {"upstream_keepalive_idle_timeout": "600s"}},
                       {"wire": "firewall", "faults": [{"kind": "idle", "ms": 60000}]}, to_origin(origin), time_scale=10))
    assert chain.status_of() == 200
    wait_until(lambda: '"fault":"idle"' in chain.log("firewall", "wire.log"), "the firewall to forget")
    assert chain.status_of() == 504
    assert len(origin.requests) == 1


def test_hops_divide_times_themselves(up, lab):
    """75 s between two requests of a client, as the chain file says it."""
    chain = up(path_of({"hop": "gateway", "persona": "kong",
                        "settings": {"nginx_http_keepalive_timeout": "75s", "nginx_http_keepalive_requests": 7}},
                       to_origin(lab.origin()), time_scale=100))
    conf = chain.log("gateway", "kong.conf")
    assert "nginx_http_keepalive_timeout = 75s\n" in conf and "hopgate_time_scale = 100\n" in conf
    address, port = re.search(r"^proxy_listen = (\S+):(\d+)$", conf, re.M).groups()
    client = RawClient(address, int(port))
    try:
        assert client.get("/").status == 200
        assert client.wait_for_end() == "fin"
    finally:
        client.close()


# ---- ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_after_a_signal(up, number):
    chain = up("kong-alone")
    assert chain.left_over() != []
    assert chain.end(number) == 0
    chain.wait_nothing_left()


def test_nothing_is_left_after_a_kill(up):
    chain = up("firewall-between")
    chain.process.kill()
    chain.process.wait()
    chain.wait_nothing_left()


def test_part_that_cannot_start_is_named_with_its_last_words_and_nothing_is_left(up, tmp_path):
    (tmp_path / "bad.yaml").write_text("no: script\n")
    chain = up(path_of({"hop": "gateway", "persona": "kong"}, {"origin": "server", "script": "bad.yaml"}),
               expect_failure=True)
    assert chain.process.wait(START_S) == 1
    assert "hopgate: server has ended with exit code 78" in chain.err()
    assert re.search(r"^  server \| .*bad.yaml:1:", chain.err(), re.M)


def test_part_that_dies_is_told_and_the_others_go_on(up):
    chain = up("f5-kong-f5")
    os.kill(chain.element("server-a")["pid"], signal.SIGKILL)
    wait_until(lambda: "hopgate: server-a was ended by signal 9" in chain.err(), "the lab to tell")
    assert all(is_running(chain.element(name)["pid"]) for name in ("outer", "gateway", "inner", "server-b"))
    assert chain.end() == 0


def test_detached_lab_is_shown_and_ended_by_its_number(hopgate):
    done = hopgate("lab", "up", "--detach", "kong-alone", deadline_s=START_S)
    assert done.code == 0, done
    folder = pathlib.Path(re.search(r"^files +(\S+)$", done.out, re.M)[1])
    try:
        labs = json.loads(hopgate("lab", "status", "--json").out)
        (mine,) = [lab for lab in labs if lab["folder"] == str(folder)]
        assert f"(block {mine['block']}, process {mine['pid']})" in hopgate("lab", "status").out
    finally:
        done = hopgate("lab", "down", folder.name.removeprefix("lab-"), deadline_s=START_S)
    assert (done.code, done.out) == (0, "kong-alone is down\n")
    assert not is_running(mine["pid"])
    assert not any(is_running(element["pid"]) for element in mine["elements"] if element["pid"])


def test_detached_lab_that_fails_says_so(hopgate, tmp_path):
    (tmp_path / "bad.yaml").write_text("no: script\n")
    (tmp_path / "chain.yaml").write_text(to_yaml(path_of({"hop": "gateway"}, {"origin": "server", "script": "bad.yaml"})))
    done = hopgate("lab", "up", "--detach", "chain.yaml", deadline_s=START_S)
    assert done.code == 1 and "server has ended with exit code 78" in done.err


# ---- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text, says", [
    ("name: a\npath: []\n", "chain.yaml:2:7: error: path: the path ends with an origin"),
    ("name: a\npaht: []\n", "chain.yaml:2:1: error: paht: unknown field; did you mean 'path'?"),
    ("name: A b\npath: [{hop: a}, {origin: b}]\n", "chain.yaml:1:7: error: name: a name has lower case"),
    ("name: a\npath: [{hopp: a}, {origin: b}]\n", "path[0]: a part of the path has one of 'hop', 'wire' and 'origin'"),
    ("name: a\npath: [{hop: a, persona: f6}, {origin: b}]\n", 'there is no built-in persona "f6"'),
    ("name: a\npath: [{hop: a}, {hop: a}, {origin: b}]\n", "path[1]: 'a' is the name of another part"),
    ("name: a\npath: [{origin: b}, {hop: a}]\n", "path[1]: behind an origin only other origins follow"),
    ("name: a\npath: [{hop: a, tls: yes please}, {origin: b}]\n", "path[0].tls: expected a boolean"),
    ("name: a\npath: [{hop: a, certificate: expird}, {origin: b}]\n", "did you mean 'expired'?"),
    ("name: a\npath: [{hop: a, settings: {nginx_http_keepalive_timeuot: 1s}}, {origin: b}]\n",
     "did you mean 'nginx_http_keepalive_timeout'?"),
    ("name: a\npath: [{hop: a, settings: {proxy_listen: x}}, {origin: b}]\n", "the lab sets this one itself"),
    ("name: a\npath: [{hop: a, settings: {hopgate_time_scale: 5}}, {origin: b}]\n", "the lab sets this one itself"),
    ("name: a\npath: [{hop: a, count: 2}, {origin: b}]\n", "put a hop in front that shares the load"),
    ("name: a\npath: [{hop: a}, {wire: w}, {hop: b, count: 2}, {origin: c}]\n", "a wire leads to one hop only"),
    ("name: a\npath: [{hop: a}, {hop: b, count: 2}, {hop: b-2}, {origin: c}]\n", "'b-2' is the name of two parts"),
    ("name: a\npath: [{hop: a}, {hop: b, count: 8}, {hop: c, count: 8}, {hop: d, count: 8}, {origin: e}]\n",
     "more than 20 parts, those of every count together"),
    ("name: a\npath: [{hop: a}, {wire: w, faults: [{kind: latency, mss: 5}]}, {origin: b}]\n",
     "path[1].faults[0].mss: unknown field; did you mean 'ms'?"),
    ("name: a\npath: [{hop: a}, {wire: w}, {origin: b}, {origin: c}]\n", "a wire leads to one origin only"),
    ("name: a\npath: [{hop: a, config: x.yaml, entities: {}}, {origin: b}]\n", "either 'config' or 'entities'"),
    ("name: a\ntime_scale: 0\npath: [{hop: a}, {origin: b}]\n", "time_scale: value should be between 1 and 100000"),
    ("name: [\n", "chain.yaml:2:1: error: "),
])
def test_mistake_in_a_chain_file_has_its_place_and_its_fix(hopgate, tmp_path, text, says):
    (tmp_path / "chain.yaml").write_text(text)
    done = hopgate("lab", "up", "chain.yaml")
    assert done.code == 78 and says in done.err, done.err


def test_chain_that_is_neither_file_nor_ready_made_is_named(hopgate):
    done = hopgate("lab", "up", "f5-kong-f6")
    assert done.code == 78
    assert "f5-kong-f6: error: there is no such file, and no ready-made chain of that name: " in done.err
    assert "f5-kong-f5" in done.err
    done = hopgate("lab", "up", "missing.yaml")
    assert done.code == 78 and "missing.yaml: error: cannot be read: No such file or directory" in done.err


@pytest.mark.parametrize("arguments", [("up",), ("up", "--frob", "x"), ("down", "--frob"), ("status", "x"), ("schema", "x")])
def test_command_lines_that_are_refused(hopgate, arguments):
    assert hopgate("lab", *arguments).code == 64


def test_lab_that_is_not_up_cannot_be_ended(hopgate):
    assert hopgate("lab", "down", "no-such-lab").code == 1


# ---- whose lab it is ---------------------------------------------------------------------------


@pytest.fixture
def stranger():
    """A process that is no lab."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def planted(tmp_path, stranger):
    """planted(**state): a folder of labs with one in it that seems to run; its process is the stranger's."""
    held = []

    def plant(**more):
        root = tmp_path / f"hopgate-lab-{os.getuid()}"
        (root / "lab-30").mkdir(parents=True)
        root.chmod(0o700)
        state = {"name": "planted", "pid": stranger.pid, "url": "http://127.0.30.10", "folder": str(root / "lab-30"),
                 "elements": [], **more}
        (root / "lab-30" / "state.json").write_text(json.dumps(state))
        held.append(open(root / "block-30.lock", "w", encoding="ascii"))
        fcntl.flock(held[-1], fcntl.LOCK_EX)
        return root

    yield plant
    for lock in held:
        lock.close()


@pytest.fixture
def look(hopgate, tmp_path):
    return lambda *words: hopgate("lab", *words, env={**os.environ, "TMPDIR": str(tmp_path)})


def others_can_write(root):
    root.chmod(0o777)


def is_somebody_elses(root):
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(root, 65534, 65534)


def is_a_link(root):
    root.rename(root.with_name("elsewhere"))
    root.symlink_to(root.with_name("elsewhere"))


@pytest.mark.parametrize("spoil", [others_can_write, is_somebody_elses, is_a_link])
def test_folder_of_labs_that_is_not_ours_alone_is_not_believed(look, planted, stranger, spoil):
    root = planted()
    spoil(root)
    for words in (("status",), ("status", "--json"), ("down",), ("down", "30"), ("down", "--all")):
        done = look(*words)
        assert (done.code, done.out) == (1, ""), done
        assert f"hopgate: {root} must be a folder of this user alone (mode 0700)" in done.err
    assert stranger.poll() is None


def test_process_that_did_not_begin_the_lab_is_not_ended(look, planted, stranger):
    planted(began_at_ticks=1)
    done = look("down", "--all")
    assert done.code == 1
    assert f"hopgate: process {stranger.pid} is not the one that began planted; nothing was ended" in done.err
    assert stranger.poll() is None


def test_nothing_of_a_state_acts_on_the_terminal(look, planted):
    planted(name="a\x1b[31mb\x9b31m\n", url="http://\x1b]0;x\x07", folder="/\x7f", pid=2**32 + 1)
    done = look("status")
    assert done.code == 0 and done.out.startswith("a?[31mb??31m?  (block 30, process 4294967297)\nhttp://?]0;x?\n/?\n")
    assert look("down", "--all").err.startswith("hopgate: a?[31mb??31m? does not end")
    assert json.loads(look("status", "--json").out)[0]["url"] == "http://\x1b]0;x\x07"


def test_without_any_lab_there_is_no_folder_and_no_complaint(look):
    done = look("status")
    assert (done.code, done.out, done.err) == (0, "no lab is up\n", "")


def test_folder_whose_lock_cannot_be_had_is_not_touched(hopgate, tmp_path):
    root = tmp_path / f"hopgate-lab-{os.getuid()}"
    kept = root / "lab-20" / "kept"
    kept.parent.mkdir(parents=True)
    root.chmod(0o700)
    kept.write_text("of a lab that runs")
    (root / "block-20.lock").symlink_to(tmp_path / "elsewhere")
    done = hopgate("lab", "up", "kong-alone", env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.code == 1 and f"the lock of block 20 in {root}: " in done.err, done
    assert kept.exists() and not (tmp_path / "elsewhere").exists()


def test_schema_tells_every_field(hopgate):
    done = hopgate("lab", "schema")
    assert done.code == 0
    for field in ("time_scale", "persona", "redirect", "verify_client", "faults", "script", "address", "settings"):
        assert re.search(rf"^  {field} ", done.out, re.M), field
