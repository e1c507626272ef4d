"""What is done to the hop and its targets while it works: kills, pauses, resets, reloads, changes of DNS."""
import pathlib
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import testlab  # noqa: F401
from lab.dns_server import A
from lab.hop import to_conf, to_yaml

HERE = pathlib.Path(__file__).parent
READY_S = 20.0
FAULT_S, BETWEEN_S, RELOAD_S, DNS_S = (0.5, 2.5), (0.5, 2.0), (1.0, 4.0), 3.0
BAD_CONFIG = 78
NAME = "named.soak.test"


def wait_until_accepts(address):
    end = time.monotonic() + READY_S
    while True:
        try:
            socket.create_connection(address, timeout=READY_S).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


class TargetProcess:
    """A target that can be killed and come back on the same port."""

    def __init__(self, host, port):
        self.host, self.port, self.process = host, port, None
        self.start()

    def start(self):
        self.process = subprocess.Popen([sys.executable, HERE / "target.py", self.host, str(self.port)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_until_accepts((self.host if self.host != "0.0.0.0" else "127.0.0.1", self.port))

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()


class Tormentor:
    """Threads that run through a phase; whatever they break is whole again when they end."""

    def __init__(self, scene, ledger, seed):
        self.scene, self.ledger, self.rng = scene, ledger, random.Random(f"faults {seed}")
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.guarded, args=(step,), daemon=True)
                        for step in (self.torment, self.reload, self.move_name)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def guarded(self, step):
        try:
            while not self.stopping.is_set():
                step()
        except Exception as problem:  # the tool's own mistake must not look like a calm run
            self.ledger.fail(f"{step.__name__} broke off: {problem!r}")

    # -- one target at a time

    def torment(self):
        target = self.rng.choice(self.scene.tormented)
        what = self.rng.choice(["killed", "paused", "reset"])
        with self.ledger.fault(what):
            getattr(self, what)(target, self.rng.uniform(*FAULT_S))
        self.stopping.wait(self.rng.uniform(*BETWEEN_S))

    def killed(self, target, seconds):
        target.kill()
        self.stopping.wait(seconds)
        target.start()

    def paused(self, target, seconds):
        target.signal(signal.SIGSTOP)
        self.stopping.wait(seconds)
        target.signal(signal.SIGCONT)

    def reset(self, target, seconds):
        target.signal(signal.SIGUSR1)
        self.stopping.wait(seconds)
        target.signal(signal.SIGUSR1)

    # -- configuration

    def reload(self):
        self.stopping.wait(self.rng.uniform(*RELOAD_S))
        scene = self.scene
        if self.rng.random() < 0.2:
            scene.hop.config_path.write_text("_format_version: \"3.0\"\nservices: [{name: nowhere, hots: typo}]\n")
            expected = BAD_CONFIG
        else:
            scene.generation += 1
            scene.hop.config_path.write_text(to_yaml(scene.declarative()))
            scene.hop.conf_path.write_text(to_conf(scene.conf()))
            expected = 0
        done = scene.verb("reload")
        outcome = "ok" if done.returncode == expected else f"exit code {done.returncode}"
        self.ledger.note("reload", outcome, time.monotonic(), detail=(done.stdout + done.stderr)[-400:])

    # -- names

    def move_name(self):
        for address in ("127.0.0.2", "127.0.0.1"):
            self.scene.dns.say(NAME, (A, address))
            self.scene.dns.questions.clear()
            if self.stopping.wait(DNS_S):
                return
