#!/usr/bin/python3
"""The release build under everything at once: does anything fail, and does anything grow? Run it through tools/soak.

Clients of every kind (plain and TLS, kept and short connections, uploads streamed and stored, tunnels, slow readers,
clients that leave at any point, wrk and h2load) work while targets are killed, paused and made to reset, a name moves
in DNS and the configuration is read again every few seconds. Time is cut into phases; after each, all clients leave
and the hop is measured at rest. The first phase is the warm-up.
"""
import argparse
import json
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import testlab  # noqa: F401
import verdict
from faults import Tormentor
from ledger import Ledger
from scene import OldTunnel, Scene
from traffic import Ground

HERE = pathlib.Path(__file__).parent
PHASES_MIN, PHASE_S = 5, 60.0
CALM_PATH = "/calm/1024"
SAMPLE_S, LOOK_S = 0.2, 5.0
EXIT_S = 20.0
STAYING = 1  # clients that stay while the hop is measured: the old tunnel


class Sampler(threading.Thread):
    """The highest figures while the clients are at work."""

    def __init__(self, hop):
        super().__init__(daemon=True)
        self.hop, self.stopping = hop, threading.Event()
        self.rss_busy = self.fds_busy = 0

    def run(self):
        while not self.stopping.wait(SAMPLE_S) and self.hop.is_alive():
            try:
                self.rss_busy = max(self.rss_busy, self.hop.memory_bytes())
                self.fds_busy = max(self.fds_busy, self.hop.fd_count())
            except (OSError, AttributeError):
                return  # it has just ended, which is told elsewhere


class Soak:
    def __init__(self, scene, options):
        self.scene, self.options = scene, options
        self.ledger = Ledger(scene.why)
        self.rows, self.metrics, self.tunnel = [], None, None
        self.started = self.look_again_at = time.monotonic()

    def say(self, text):
        print(text, file=sys.stderr if self.options.json else sys.stdout, flush=True)

    def phase(self, number, seconds):
        """All clients for so long; returns what the calm one measured and the highest figures."""
        hop = self.scene.hop
        calm = subprocess.Popen([sys.executable, HERE / "calm.py", hop.http[0], str(hop.http[1]), CALM_PATH],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        seed = f"{self.options.seed} {number}"
        sampler, ground = Sampler(hop), Ground(hop, self.scene.tls, self.ledger, seed)
        tormentor = Tormentor(self.scene, self.ledger, seed)
        for actor in (sampler, ground, tormentor):
            actor.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and hop.is_alive():
            time.sleep(min(1.0, max(0.0, end - time.monotonic())))
            self.look_for_forgotten()
            problem = self.tunnel.ping()
            if problem:
                self.ledger.fail(f"old tunnel: {problem}\n    {self.scene.why(self.tunnel.port)}")
                self.tunnel = OldTunnel(self.scene)
        connections = self.scene.scrape().value("hopgate_worker_connections") if hop.is_alive() else 0
        calm.terminate()
        told = json.loads(calm.communicate(timeout=60)[0])
        tormentor.stop()
        ground.stop()
        sampler.stopping.set()
        for failure in told["failures"]:
            self.ledger.note("calm", "failed", time.monotonic(), detail=failure)
        self.ledger.counts["calm", "ok"] += len(told["seconds"]) - len(told["failures"])
        return told["seconds"] or [0.0], connections, sampler

    def look_for_forgotten(self):
        """Once in a while: an exchange whose client has gone, or waits in vain."""
        if time.monotonic() < self.look_again_at or not self.scene.hop.is_alive():
            return
        self.look_again_at = time.monotonic() + LOOK_S
        for line in self.scene.forgotten_exchanges(self.tunnel.port):
            self.ledger.fail(f"an exchange does not end: {line}")

    def measure(self, seconds=(0.0,), connections=0, sampler=None):
        """The hop at rest, as the next row."""
        metrics, at_rest = self.scene.wait_until_at_rest(STAYING)
        if not at_rest:
            self.ledger.fail(f"the hop does not come to rest: {self.scene.verb('show', 'connections').stdout}\n"
                             f"{self.scene.verb('show', 'exchanges').stdout}")
        self.metrics, hop = metrics, self.scene.hop
        for line in self.scene.trim_logs():
            self.ledger.fail(f"error log: {line}")
        self.rows.append({
            "minute": (time.monotonic() - self.started) / 60, "requests": self.ledger.total(),
            "p50_ms": statistics.median(seconds) * 1000, "p99_ms": sorted(seconds)[len(seconds) * 99 // 100] * 1000,
            "failed": self.ledger.failures_count(), "excused": self.ledger.excused_count(),
            "connections": int(connections), "rss": hop.memory_bytes(),
            "rss_busy": sampler.rss_busy if sampler else hop.memory_bytes(),
            "heap": metrics.value("hopgate_heap_bytes"), "fds": hop.fd_count(),
            "fds_busy": sampler.fds_busy if sampler else hop.fd_count()})
        table = verdict.table(self.rows)
        self.say("\n".join(table if len(self.rows) == 1 else table[-1:]))

    def run(self):
        seconds = self.options.minutes * 60
        count = max(PHASES_MIN, round(seconds / PHASE_S))
        self.tunnel = OldTunnel(self.scene)
        self.measure()
        for number in range(count):
            self.measure(*self.phase(number, seconds / count))
            if not self.scene.hop.is_alive():
                break
        self.tunnel.close()

    def end_hop(self):
        """It must end by itself and without a word."""
        code = self.scene.hop.stop(EXIT_S)
        if code != 0:
            self.ledger.fail(f"the hop ended with {code}:\n{self.scene.hop.stderr()[-2000:]}")
        if self.scene.hop.sanitizer_report():
            self.ledger.fail(self.scene.hop.sanitizer_report()[-4000:])


def counts_by_name(counts):
    return {" / ".join(map(str, key)): count for key, count in sorted(counts.items(), key=str)}


def reasons(metrics, name):
    return {dict(labels).get("reason"): int(count) for labels, count in metrics.select(name).items() if count}


def report(soak, flat):
    """Prints what was found; returns whether all is well."""
    ledger, metrics = soak.ledger, soak.metrics
    fine = not ledger.failures and all(ok for _, ok in flat)
    result = {
        "verdict": "flat" if fine else "not flat" if not ledger.failures else "failures", "rows": soak.rows,
        "checks": [{"text": text, "ok": ok} for text, ok in flat], "outcomes": counts_by_name(ledger.counts),
        "excused": counts_by_name(ledger.excused), "failures": ledger.failures, "seed": soak.options.seed,
        "log_lines_lost": int(metrics.value("hopgate_log_lines_lost_total", cause="ring_full")),
        "exchanges": reasons(metrics, "hopgate_exchanges_total"), "tries": reasons(metrics, "hopgate_tries_total")}
    if soak.options.json:
        print(json.dumps(result, indent=1))
        return fine
    for title in ("outcomes", "excused", "exchanges", "tries"):
        print(f"{title}: " + ", ".join(f"{name}: {count}" for name, count in result[title].items()))
    print(f"log lines lost because a worker does not wait for the disk: {result['log_lines_lost']}")
    for text, ok in flat:
        print(f"{'ok  ' if ok else 'FAIL'} {text}")
    for failure in ledger.failures:
        print(f"FAIL {failure}")
    print(f"soak: {result['verdict']}: {ledger.total()} requests in {soak.rows[-1]['minute']:.1f} minutes, "
          f"{ledger.failures_count()} unexpected failures, {ledger.excused_count()} by faults that were injected")
    return fine


def main():
    parser = argparse.ArgumentParser(prog="tools/soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--seed", default="1", help="of everything that is random")
    parser.add_argument("--json", action="store_true", help="the result as JSON on stdout, progress on stderr")
    parser.add_argument("--hopgate", default=testlab.ROOT / "build" / "release" / "hopgate", type=pathlib.Path)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    work = pathlib.Path(tempfile.mkdtemp(prefix="hopgate-soak-"))
    scene = Scene(options.hopgate, work)
    try:
        soak = Soak(scene.start(), options)
        soak.run()
        for problem in verdict.check_metrics(soak.metrics, scene.recent):
            soak.ledger.fail(problem)
        soak.end_hop()
        return 0 if report(soak, verdict.checks(soak.rows)) else 1
    finally:
        scene.stop()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
