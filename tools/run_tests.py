#!/usr/bin/python3
"""Builds and runs everything of a tier, step by step, and counts. Called by tools/test and `check`.

Every step gives (passed, failed, skipped); a step that could not run is one failure, never silence.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"
FUZZ_SECONDS = 30
# tests/unit/config/test_store_kill.c, test_dao_memory.c
FULL_UNIT = {"HOPGATE_STORE_KILLS": "2000", "HOPGATE_ALLOCATION_STRIDE": "3"}
PYTEST_FOUND_NOTHING = 5  # its exit code; not wrong by itself: a part of a tier may be empty
PROGRESS_EVERY_SECONDS = 10
CMOCKA_COUNT = re.compile(r"^\[  (PASSED|FAILED)  \] (\d+) test", re.M)
CMOCKA_NOISE = re.compile(r"^\[( RUN   |       OK) .*\n", re.M)
CMOCKA_SKIPPED = re.compile(r"^\[  SKIPPED \] (\d+) test", re.M)


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []  # what failed, by a name that `tools/test NAME` takes where it is a test

    def add(self, passed=0, skipped=0):
        self.passed += passed
        self.skipped += skipped

    def fail(self, name, count=1):
        self.failed += count
        self.failures.append(name)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


class Runner:
    def __init__(self, options):
        self.options = options
        self.counts = Counts()
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="hopgate-tests-"))
        self.preset = "tsan" if options.tsan else "dev"
        self.build_dir = pathlib.Path(options.built) if options.built else ROOT / "build" / self.preset

    def say(self, text):
        print(text, flush=True)

    def command(self, title, arguments, env=None, show_output=False, show_failure=True, fine=(0,)):
        """Runs one command with progress; its output is shown on failure only, unless asked for."""
        started = time.monotonic()
        log_path = self.scratch / "output"
        with open(log_path, "wb") as log:
            process = subprocess.Popen(
                [str(argument) for argument in arguments], cwd=ROOT, stdin=subprocess.DEVNULL,
                stdout=None if show_output else log, stderr=subprocess.STDOUT if not show_output else None,
                env={**os.environ, **(env or {})})
            while True:
                try:
                    code = process.wait(PROGRESS_EVERY_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    if not show_output:
                        self.say(f"    ... {title}: {time.monotonic() - started:.0f} s")
                except KeyboardInterrupt:
                    process.terminate()
                    process.wait()
                    raise
        seconds = time.monotonic() - started
        self.say(f"{'ok  ' if code in fine else 'FAIL'} {title} ({seconds:.1f} s)")
        if not show_output and (code not in fine and show_failure or self.options.verbose):
            sys.stdout.write(log_path.read_text(errors="replace"))
            sys.stdout.flush()
        return code

    def check(self, title, arguments):
        """A command that is one test by itself."""
        if self.command(title, arguments) == 0:
            self.counts.add(passed=1)
        else:
            self.counts.fail(title)

    def build(self, preset, targets=()):
        """Configures and builds a preset; a failure counts as one failed test. Returns success."""
        jobs = str(os.cpu_count() or 1)
        build = ["cmake", "--build", "--preset", preset, "-j", jobs]
        for target in targets:
            build += ["--target", target]
        if self.command(f"configure {preset}", ["cmake", "--preset", preset]) != 0 or \
                self.command(f"build {preset}", build) != 0:
            self.counts.fail(f"build {preset}")
            return False
        return True

    def unit(self, build_dir, label, names=None, env=None):
        """ctest in build_dir; counts the cases inside each cmocka program."""
        junit = self.scratch / "ctest.xml"
        junit.unlink(missing_ok=True)
        arguments = ["ctest", "--test-dir", build_dir, "-j", os.cpu_count() or 1, "--output-on-failure",
                     "--no-tests=error", "--output-junit", junit, "--test-output-size-passed", "10000000"]
        if names:
            arguments += ["-R", names]
        code = self.command(label, arguments, env=env, show_failure=False)
        if not junit.exists():
            self.say(f"     no tests were found in {build_dir}")
            self.counts.fail(label)
            return
        before = self.counts.failed
        for case in xml.parse(junit).getroot().iter("testcase"):
            self.count_unit_case(case)
        if code != 0 and self.counts.failed == before:
            self.counts.fail(label)

    def count_unit_case(self, case):
        """One cmocka program; the output of a failed one is shown."""
        output = case.findtext("system-out") or ""
        counts = {"PASSED": 0, "FAILED": 0}
        for word, number in CMOCKA_COUNT.findall(output):
            counts[word] += int(number)
        skipped = sum(int(number) for number in CMOCKA_SKIPPED.findall(output))
        if case.get("status") == "run":
            self.counts.add(passed=max(1, counts["PASSED"]) if not skipped else counts["PASSED"], skipped=skipped)
        else:  # "fail", or "notrun": a program that could not be started
            self.counts.add(passed=counts["PASSED"], skipped=skipped)
            self.counts.fail(case.get("name"), max(1, counts["FAILED"]))
            self.say(f"---- {case.get('name')} failed:\n{CMOCKA_NOISE.sub('', output)}")

    def integration(self, binary, label, arguments, env=None):
        """One pytest call; shows its output as it comes, because it takes long."""
        junit = self.scratch / "pytest.xml"
        junit.unlink(missing_ok=True)
        self.say(f"---- {label}")
        code = self.command(label, [
            PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short", "-q", "-rs",
            f"--basetemp={self.scratch / 'pytest'}", f"--junitxml={junit}", f"--hopgate={binary}", *arguments], env=env, show_output=True,
            fine=(0, PYTEST_FOUND_NOTHING))
        if code == PYTEST_FOUND_NOTHING:
            return 0
        if not junit.exists():
            self.counts.fail(label)
            return 1
        before = self.counts.failed
        cases = list(xml.parse(junit).getroot().iter("testcase"))
        for case in cases:
            self.count_integration_case(case)
        if code != 0 and self.counts.failed == before:
            self.counts.fail(label)
        return len(cases)

    def count_integration_case(self, case):
        if case.find("failure") is not None or case.find("error") is not None:
            self.counts.fail(case.get("name"))
        elif case.find("skipped") is not None:
            self.counts.add(skipped=1)
        else:
            self.counts.add(passed=1)

    def integration_all(self, binary, label, tier, extra=(), env=None):
        """In parallel what may run beside others, then one by one what measures or loads the machine."""
        tests = ROOT / "tests" / "integration"
        # twice the CPUs: half of the stories wait for a timer
        parallel = ["-n", str(min(8, 2 * (os.cpu_count() or 1)))] if has_module("xdist") else []
        if not parallel:
            self.say("note: python3-pytest-xdist is missing, so the integration tests run one by one")
        common = [tests, f"--tier={tier}", *extra]
        self.integration(binary, label, [*parallel, "-m", "not serial", *common], env)
        self.integration(binary, f"{label}, one by one", ["-m", "serial", *common], env)


def has_module(name):
    return subprocess.run([PYTHON, "-c", f"import {name}"], stderr=subprocess.DEVNULL).returncode == 0


def run_static_checks(run):
    run.check("layers", [PYTHON, "tools/check_layers.py"])
    run.check("style", [PYTHON, "tools/check_style.py"])
    run.check("format", ["tools/format"])


def run_named(run, names):
    """Tests by name: ctest names, names of test functions or parts of them, pytest files."""
    if not run.options.built and not run.build(run.preset):
        return
    binary = run.build_dir / "hopgate"
    found = 0
    for name in names:
        listed = subprocess.run(["ctest", "--test-dir", run.build_dir, "-N", "-R", re.escape(name)],
                                capture_output=True, text=True, cwd=ROOT).stdout
        if "Total Tests: 0" not in listed:
            run.unit(run.build_dir, f"unit {name}", names=re.escape(name))
            found += 1
        arguments = [name] if ".py" in name else [ROOT / "tests" / "integration", f"--named={name}"]
        found += run.integration(binary, f"integration {name}", [*arguments, "--tier=full"])
    if not found:
        run.say(f"no test is called {' or '.join(names)}; see `ctest --test-dir build/dev -N` "
                "and the functions in tests/integration")
        run.counts.fail("the search for tests")


def run_fuzzers(run):
    if not run.build("fuzz"):
        return
    for fuzzer in sorted((ROOT / "build" / "fuzz").glob("fuzz_*")):
        if not os.access(fuzzer, os.X_OK) or not fuzzer.is_file():
            continue
        corpus = ROOT / "tests" / "fuzz" / "corpus" / fuzzer.name.removeprefix("fuzz_")
        found = run.scratch / fuzzer.name
        found.mkdir()
        run.check(f"{fuzzer.name} for {FUZZ_SECONDS} s", [
            fuzzer, f"-max_total_time={FUZZ_SECONDS}", f"-artifact_prefix={ROOT}/build/fuzz/", "-timeout=10",
            *fuzzer_dictionary(fuzzer.name), found, corpus])


def fuzzer_dictionary(name):
    """The words of its language: http1.dict serves every fuzz_http1_*."""
    language = name.removeprefix("fuzz_").split("_")[0]
    path = ROOT / "tests" / "fuzz" / f"{language}.dict"
    return [f"-dict={path}"] if path.exists() else []


def run_release(run):
    """The release build warns about nothing (some warnings come with optimisation only) and installs."""
    if not run.build("release"):
        return
    prefix = run.scratch / "installed"
    run.check("install", ["cmake", "--install", "build/release", "--prefix", prefix])
    run.check("installed hopgate --version", [prefix / "bin" / "hopgate", "--version"])


def run_full_extras(run):
    if run.build("clang"):
        run.unit(ROOT / "build" / "clang", "unit, clang")
    run_tsan(run, "fast")
    run_fuzzers(run)


def run_tsan(run, tier):
    """Every unit test and the tier's integration tests; lab/hop.py sets the options of the hops that they start."""
    given = run.options.tsan and run.options.built
    if given or run.build("tsan"):
        directory = run.build_dir if given else ROOT / "build" / "tsan"
        run.unit(directory, "unit, TSan", env={"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"})
        run.integration_all(directory / "hopgate", "integration, TSan", tier)


def run_tier(run, tier):
    if run.options.tsan:
        run_tsan(run, tier)
        return
    run_static_checks(run)
    if run.options.built or run.build("dev"):
        run.unit(run.build_dir, "unit and corpus replay", env=FULL_UNIT if tier == "full" else None)
        run.integration_all(run.build_dir / "hopgate", "integration", tier)
    if tier != "fast" and not run.options.built:
        run_release(run)
    if tier == "full":
        run_full_extras(run)


def human_time(seconds):
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def main():
    parser = argparse.ArgumentParser(prog="tools/test", description=__doc__.splitlines()[0])
    tier = parser.add_mutually_exclusive_group()
    tier.add_argument("--fast", dest="tier", action="store_const", const="fast", default="default")
    tier.add_argument("--full", dest="tier", action="store_const", const="full")
    parser.add_argument("--tsan", action="store_true", help="with ThreadSanitizer instead of ASan and UBSan")
    parser.add_argument("--built", metavar="DIR", help="test this build directory, build nothing")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the output of every step")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these tests")
    options = parser.parse_args()

    started = time.monotonic()
    run = Runner(options)
    try:
        if options.names:
            run_named(run, options.names)
        else:
            run_tier(run, options.tier)
    except KeyboardInterrupt:
        run.counts.fail("interrupted")
    finally:
        shutil.rmtree(run.scratch, ignore_errors=True)
    what = "named tests" if options.names else f"{options.tier} tier"
    what += ", ThreadSanitizer" if options.tsan else ""
    nothing_ran = run.counts.passed + run.counts.failed == 0
    for name in run.counts.failures:
        print(f"failed: {name}")
    print(run.counts)
    print(f"hopgate tests: {run.counts} in {human_time(time.monotonic() - started)} ({what})")
    return 1 if run.counts.failed or nothing_ran else 0


if __name__ == "__main__":
    sys.exit(main())
