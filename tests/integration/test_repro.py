"""`hopgate repro`: a line of a real product's log -> the causes that give such a line, each tried in the lab."""
import json
import os
import pathlib
import subprocess

import pytest

from lab.hop import SANITIZERS

pytestmark = pytest.mark.timeout(240)

DATA = json.loads((pathlib.Path(__file__).parents[1] / "data" / "repro-lines.json").read_text())
ROWS = {row["id"]: row for row in DATA["rows"]}
# every line in the full tier, where the whole takes some minutes; those that differ most in all others
LINES = [pytest.param(name, marks=() if row.get("seed") else pytest.mark.long) for name, row in ROWS.items()]
READ_TIMEOUT, HTTPLOG, ALB = (ROWS[name]["lines"][0] for name in ("kong-read-timeout-post", "haproxy-sH", "alb-503"))


@pytest.fixture
def repro(binary):
    """Runs `hopgate repro WORDS`; the exit code must be that."""

    def run(*words, code=0, stdin=b""):
        done = subprocess.run([str(binary), "repro", *words], capture_output=True, input=stdin, timeout=200, check=False,
                              env={**os.environ, **SANITIZERS})
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    return run


# ---- real lines --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LINES)
def test_line_is_given_by_the_cause_that_is_named(repro, name):
    row = ROWS[name]
    done = repro("--json", *row["lines"], code=0 if row["result"] == "same line" else 1)
    told = json.loads(done.stdout)
    best = next(cause for cause in told["causes"] if cause["cause"] == told["cause"])
    assert (told["cause"], best.get("result")) == (row["cause"], row["result"]), done.stdout
    assert best["fix"] and told["fix"] == best["fix"] and "{" not in told["verdict"] + best["fix"] + best["tell"]
    if row["result"] == "same line":
        assert len(best["lines"]) == len(row["lines"]) and all(best["lines"]), best
    elif row["result"] is None:
        assert best["untried"] and not best["tried"] and best["command"] is None


def test_every_line_has_its_cause_without_a_run(repro):
    for row in ROWS.values():
        told = json.loads(repro("--json", "--no-run", *row["lines"]).stdout)
        assert row["cause"] in [cause["cause"] for cause in told["causes"]], row["id"]
        assert not any(cause["tried"] for cause in told["causes"]) and told["seconds"] == 0


# ---- what is told ------------------------------------------------------------------------------


def test_verdict_and_fix_come_first_and_the_command_plays_it_again(repro, binary, tmp_path):
    text = repro(READ_TIMEOUT, "--limit", "1").stdout
    verdict, fix, *rest = text.splitlines()
    assert verdict == ("Kong, error log: most likely at the server: it took the request and sent no answer within "
                       "read_timeout of the service. The lab gives the same line, by this cause alone.")
    assert fix.startswith("fix: make it answer sooner, or raise read_timeout of the service")
    assert any(line.startswith("  1  no-answer: same line, at the server: ") for line in rest)
    assert any("upstream timed out (110: Connection timed out) while reading response header" in line for line in rest)
    assert any(line.strip().startswith("beside it: ") and '" 504 ' in line for line in rest), text
    command = text.split("to see it happen:\n")[1]
    done = subprocess.run(["sh", "-ec", command], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
                          env={**os.environ, **SANITIZERS, "PATH": f"{binary.parent}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("504: ") and "no whole response head" in done.stdout


def test_what_is_no_log_line_is_as_wide_as_a_terminal(repro):
    verdict, fix, *rest = repro("--no-run", HTTPLOG).stdout.split("\nto see it happen:")[0].splitlines()
    assert verdict.startswith("HAProxy") and fix.startswith("fix: ") and len(rest) > 6
    assert all(len(line) <= 100 for line in rest), rest


def test_two_lines_of_a_request_tell_more_than_one(repro):
    """Kong repeats a GET on another connection: only a cause that fails every time ends in a 502."""
    error, access = ROWS["kong-closed-post-502"]["lines"]
    told = json.loads(repro("--json", "\n".join([error, "", access]).replace("POST", "GET")).stdout)
    results = {cause["cause"]: cause["result"] for cause in told["causes"]}
    assert results["closed-after-request"] == "same line" and results["stale-close"] == "other"
    assert [line["kind"] for line in told["lines"]] == ["error", "access"]


def test_a_line_in_which_nothing_failed(repro):
    line = ROWS["kong-502"]["lines"][0].replace(" 502 ", " 200 ")
    assert "nothing failed in this line" in repro(line, code=1).stdout
    assert json.loads(repro("--json", line, code=1).stdout)["causes"] == []


def test_standard_input_and_what_stands_in_front(repro):
    text = f"kong_1  | {READ_TIMEOUT}\r\n\n".encode()
    told = json.loads(repro("--no-run", "--json", "--limit", "2", "-", stdin=text).stdout)
    assert (told["product"], len(told["lines"]), len(told["causes"])) == ("kong", 1, 2)


def test_product_of_a_combined_line_can_be_said(repro):
    line = ROWS["nginx-502"]["lines"][0]
    assert json.loads(repro("--no-run", "--json", line).stdout)["product"] == "nginx"
    assert json.loads(repro("--no-run", "--json", "--product", "kong", line).stdout)["product"] == "kong"
    assert "is one of nginx" in repro("--product", "alb", line, code=64).stderr


# ---- what cannot be read -----------------------------------------------------------------------


@pytest.mark.parametrize("line, said", [
    ("hello world", "no date of a known log stands at its beginning"),
    ('{"status": 502}', "this is JSON"),
    ("Nov 20 21:15:06 lb haproxy[8]: 192.0.2.10:53012 [20/Nov/2026:21:15:06.120] front back/web1 0/0/5007 212 SD 1/1/0/0/0 0/0",
     "`option tcplog` has three timers"),
    ("\x01\x1b[31m", "no date of a known log"),
    ("", "the line is empty"),
])
def test_a_line_of_no_known_format_is_told_what_is_known(repro, line, said):
    done = repro(line, code=78)
    assert said in done.stderr and "known are nginx's and Kong's error log" in done.stderr
    assert "\x1b" not in done.stderr and done.stdout == ""


def test_hostile_input_does_no_harm(repro):
    assert "is not read" in repro("-", stdin=b"a" * (1 << 20), code=78).stderr
    assert "is not read" in repro("-", stdin=b"\xff\xfe\x00\x80 " * 1000, code=78).stderr
    assert "more than 4 MiB" in repro("-", stdin=b"a" * (5 << 20), code=1).stderr
    long = READ_TIMEOUT.replace("/orders", "/" + "a" * (1 << 20)).encode().replace(b"Connection", b"\xc3\x28\x00\x1b")
    told = json.loads(repro("--no-run", "--json", "-", stdin=long).stdout)
    assert told["cause"] == "no-answer" and "\x1b" not in json.dumps(told)
    many = repro("--no-run", "-", stdin=(READ_TIMEOUT + "\n").encode() * 1000)
    assert "of many lines the first 8 are taken" in many.stderr


def test_lines_that_do_not_belong_together(repro):
    assert "paste those of one hop" in repro(READ_TIMEOUT, HTTPLOG, code=64).stderr
    other = READ_TIMEOUT.replace("4a1f0c7b", "ffffffff")
    assert "of several requests" in repro("--no-run", READ_TIMEOUT, other).stderr


def test_usage(repro):
    assert "a line of a log is missing" in repro(code=64).stderr
    assert "--limit is a number from 1 to 32" in repro("--limit", "0", ALB, code=64).stderr
    assert "not understood: --nothing" in repro("--nothing", code=64).stderr
    assert "--product is kong, nginx, haproxy or alb" in repro("--product", "f5", ALB, code=64).stderr
    assert repro("--help").stdout.startswith("usage: hopgate repro ")
