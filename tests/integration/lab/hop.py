"""The real binary as one hop: configuration, start, ready, logs, measures, stop."""
import json
import os
import pathlib
import re
import signal
import subprocess

from .logs import AccessLog, ErrorLog
from .wait import DEADLINE_S, wait_until

READY = re.compile(r"^hopgate: ready(.*)$", re.M)
ADDRESS = re.compile(r"(status=|admin=)?(https?)://([^\s/:]+|\[[^\]]+\]):(\d+)")
START_DEADLINE_S = STOP_DEADLINE_S = 3 * DEADLINE_S  # disks too: a store is made, and closed
REPORTS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:", "Assertion")
TESTS = pathlib.Path(__file__).parents[2]
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:exitcode=97:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=97",
    "TSAN_OPTIONS": f"exitcode=97:second_deadlock_stack=1:suppressions={TESTS / 'tsan.supp'}",
}


def to_yaml(value, indent=0):
    """Block style for mappings and lists; scalars as JSON, which YAML reads the same."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "".join(f"{pad}{key}:{nested(item, indent)}" for key, item in value.items())
    if isinstance(value, list) and value:
        return "".join(f"{pad}-{nested(item, indent)}" for item in value)
    return f"{pad}{json.dumps(value)}\n"


def nested(item, indent):
    if isinstance(item, (dict, list)) and item:
        return "\n" + to_yaml(item, indent + 1)
    return f" {json.dumps(item)}\n"


def to_conf(settings):
    return "".join(f"{key} = {value}\n" for key, value in settings.items() if value is not None)


class Hop:
    """One process. `http` and `https` are (host, port) once it is ready."""

    def __init__(self, binary, directory, name, conf, declarative, env=None, wrapper=(), user=None):
        self.binary, self.name, self.wrapper, self.user = binary, name, list(wrapper), user
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.prefix = self.directory / "prefix"
        self.conf_path = self.directory / "kong.conf"
        self.config_path = self.directory / "kong.yaml"
        self.stderr_path = self.directory / "stderr"
        self.conf_path.write_text(to_conf({"prefix": self.prefix, **conf}))
        text = declarative if isinstance(declarative, str) else to_yaml({"_format_version": "3.0", **declarative})
        self.config_path.write_text(text)
        self.env = {**os.environ, **SANITIZERS, **(env or {})}
        self.access_log = AccessLog(self.prefix / "logs" / "access.log")
        self.error_log = ErrorLog(self.prefix / "logs" / "error.log")
        self.process = None
        self.formers = []  # processes that an upgrade has replaced
        self.http = self.https = None
        self.status_listeners = {}  # scheme -> (host, port)
        self.admin_listeners = {}  # the same
        if user:
            self.hand_over(user)

    def hand_over(self, user):
        """The files belong to the user who runs the hop."""
        for path in (self.directory, self.conf_path, self.config_path):
            os.chown(path, user, user)

    @property
    def host(self):
        return (self.http or self.https)[0]

    @property
    def port(self):
        return (self.http or self.https)[1]

    def command(self, verb="run"):
        return [*self.wrapper, str(self.binary), verb, "-c", str(self.conf_path), str(self.config_path)]

    def start(self):
        self.spawn()
        wait_until(lambda: READY.search(self.stderr()) or self.process.poll() is not None,
                   lambda: f"{self.name} to be ready; it says:\n{self.stderr()}", START_DEADLINE_S)
        ready = READY.search(self.stderr())
        assert ready, f"{self.name} ended with {self.process.returncode} before it was ready:\n{self.stderr()}"
        for kind, scheme, host, port in ADDRESS.findall(ready.group(1)):
            if kind:
                listeners = self.admin_listeners if kind == "admin=" else self.status_listeners
                listeners[scheme] = (host.strip("[]"), int(port))
            elif getattr(self, scheme) is None:
                setattr(self, scheme, (host.strip("[]"), int(port)))
        return self

    def spawn(self):
        """Starts the process and does not wait for anything."""
        as_user = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(self.command(), env=self.env, stdin=subprocess.DEVNULL, stdout=stderr,
                                            stderr=stderr, cwd=self.directory, **as_user)
        return self

    def wait_exit(self, deadline_s=DEADLINE_S):
        return self.process.wait(deadline_s)

    def stderr(self):
        return self.stderr_path.read_text(errors="replace") if self.stderr_path.exists() else ""

    def sanitizer_report(self):
        text = self.stderr()
        return text if any(mark in text for mark in REPORTS) else ""

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def pid_of_binary(self):
        """Wrappers here exec the binary, so the process is the hop itself."""
        return self.process.pid

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.pid_of_binary()}/fd"))

    def wait_fd_count(self, count):
        wait_until(lambda: self.fd_count() <= count, lambda: f"{self.name} to be back at {count} descriptors, it has "
                   f"{self.fd_count()}: {self.fds()}")

    def fds(self):
        links = []
        for fd in pathlib.Path(f"/proc/{self.pid_of_binary()}/fd").iterdir():
            try:
                links.append(f"{fd.name} {os.readlink(fd)}")
            except FileNotFoundError:
                pass  # closed while we looked
        return sorted(links)

    def memory_bytes(self, which="VmRSS"):
        status = pathlib.Path(f"/proc/{self.pid_of_binary()}/status").read_text()
        return int(re.search(rf"^{which}:\s+(\d+) kB", status, re.M).group(1)) * 1024

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, deadline_s=STOP_DEADLINE_S):
        """TERM, then its exit code; at the deadline it is killed and the code is -9."""
        if self.process is None:
            return 0
        code = self.stop_process(deadline_s)
        return next((former.returncode for former in self.formers if former.wait(deadline_s) != 0), code)

    def stop_process(self, deadline_s):
        if self.is_alive():
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(deadline_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def kill(self):
        if self.is_alive():
            self.process.kill()
            self.process.wait()

    def describe(self):
        conf = self.conf_path.read_text() if self.conf_path.exists() else "(gone)"
        return "\n".join([f"-- kong.conf\n{conf}", f"-- stderr\n{tail(self.stderr())}",
                          f"-- error.log\n{tail(self.error_log.text())}",
                          f"-- access.log\n{tail(self.access_log.text())}"])


def tail(text, lines_max=60):
    return "\n".join(text.splitlines()[-lines_max:])
