#!/usr/bin/python3
"""Proxied requests while the Admin API writes; run it through tools/bench --admin.

Each round has a hop of its own with an empty store, and four phases at the same fixed rate of proxied requests:
quiet, while the entities are loaded (PUT by id, ten clients), quiet with them, while one service is patched. Only
the ratios of neighbouring phases of the same round count. The hop has one core for all of its threads, the worst
case: what the configuration costs is taken from the worker.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import admin_load
import peers
from admin_load import percentile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONNECTIONS, WARM_SECONDS, SIZE = 50, 1, 1024
PHASES = ("quiet", "loading", "quiet with entities", "patching")
BASELINE = {"loading": "quiet", "quiet with entities": "quiet", "patching": "quiet with entities"}


class Failed(Exception):
    """A proxied request or a write that was not answered as it should be."""


class Traffic:
    """h2load at a fixed rate, in windows of a few seconds, as long as it is wanted."""

    def __init__(self, server, options, work):
        self.server, self.options, self.work = server, options, work

    def window(self, seconds):
        """Starts one: (process, log file)."""
        log = tempfile.NamedTemporaryFile(dir=self.work, prefix="requests-", delete=False).name
        command = ["taskset", "-c", peers.LOAD_CORE, "h2load", "--h1", "-t1", f"-c{CONNECTIONS}", f"-D{seconds}",
                   f"--rps={self.options.rate / CONNECTIONS}", f"--log-file={log}",
                   f"http://127.0.0.1:{self.server.plain}/{SIZE}"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), pathlib.Path(log)

    def during(self, seconds, work=None):
        """Microseconds of each request; with `work`, of windows until that is done."""
        durations = []
        while True:
            process, log = self.window(seconds)
            try:
                done = work is None or work.join(seconds)
            finally:
                process.wait()
            rows = [line.split("\t") for line in log.read_text().splitlines()]
            log.unlink()
            if not rows or any(row[1] != "200" for row in rows):
                raise Failed(f"proxied requests: {len(rows)}, answered other than 200: "
                             f"{sum(row[1] != '200' for row in rows)}")
            durations += [int(row[2]) for row in rows]
            if done:
                return durations


def figures(durations, cpu, seconds):
    return {"p50": percentile(durations, 50), "p99": percentile(durations, 99), "longest": max(durations),
            "requests_per_s": len(durations) / seconds, "cpu": cpu}


def measure(server, traffic, seconds, work=None):
    """One phase: the figures of its requests and the CPU of the hop by thread, in percent of a core."""
    before, began = server.thread_cpu(), time.monotonic()
    durations = traffic.during(seconds, work)
    passed = time.monotonic() - began
    after = server.thread_cpu()
    cpu = {kind: (after[kind] - before.get(kind, 0)) / passed * 100 for kind in after}
    return figures(durations, cpu, passed)


def run_round(number, origin, options, work):
    """{phase: figures} and {what the writers saw}."""
    server = peers.start_admin_hop(f"hop{number}", work, options.hopgate.resolve())
    try:
        traffic = Traffic(server, options, work)
        admin_load.write_share(server.admin, admin_load.traffic_entities(origin.plain))
        traffic.during(WARM_SECONDS)
        phases, writes = {}, {}
        phases["quiet"] = measure(server, traffic, options.seconds)
        loading = admin_load.Background(admin_load.load_all, server.admin, options.entities)
        phases["loading"] = measure(server, traffic, options.seconds, loading)
        writes["loading"] = loading.result()
        phases["quiet with entities"] = measure(server, traffic, options.seconds)
        patching = admin_load.Background(admin_load.patch_all, server.admin, options.patches, options.seconds)
        phases["patching"] = measure(server, traffic, options.seconds, patching)
        writes["patching"] = patching.result()
        return phases, writes
    finally:
        server.stop()


def text_of(values, digits=0):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}..{max(values):.{digits}f})"


def report(rounds, options):
    print(f"\n{options.rate} proxied requests a second asked for, {CONNECTIONS} connections, {options.entities} "
          f"entities, median (range) of {len(rounds)} rounds; load of the machine {os.getloadavg()[0]:.1f}")
    print(f"  {'':20} {'req/s':>18} {'p50 µs':>20} {'p99 µs':>22} {'longest µs':>26}   p99 with / without")
    summary = {}
    for phase in PHASES:
        of = [phases[phase] for phases, _ in rounds]
        line = (f"  {phase:20} {text_of([x['requests_per_s'] for x in of]):>18} {text_of([x['p50'] for x in of]):>20} "
                f"{text_of([x['p99'] for x in of]):>22} {text_of([x['longest'] for x in of]):>26}")
        summary[phase] = {key: round(statistics.median(x[key] for x in of)) for key in
                          ("requests_per_s", "p50", "p99", "longest")}
        if phase in BASELINE:
            ratios = [phases[phase]["p99"] / phases[BASELINE[phase]]["p99"] for phases, _ in rounds]
            line += f"   {text_of(ratios, 2)}"
            summary[phase]["p99_ratio"] = round(statistics.median(ratios), 2)
        print(line)
        kinds = sorted(of[0]["cpu"])
        print(f"  {'':20} CPU %: " + ", ".join(f"{kind} {text_of([x['cpu'].get(kind, 0) for x in of])}"
                                              for kind in kinds))
    for kind in ("loading", "patching"):
        of = [writes[kind] for _, writes in rounds]
        print(f"  {kind}: {text_of([x['count'] for x in of])} writes in {text_of([x['seconds'] for x in of], 1)} s, "
              f"{text_of([x['count'] / x['seconds'] for x in of])} a second; sent to answered: "
              f"p50 {text_of([x['p50_ms'] for x in of])} ms, p99 {text_of([x['p99_ms'] for x in of])} ms")
        summary[kind]["writes"] = {key: round(statistics.median(x[key] for x in of), 1) for key in of[0]}
    return summary


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/bench --admin", description=__doc__.splitlines()[0])
    parser.add_argument("--hopgate", default=ROOT / "build" / "release" / "hopgate", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="of each phase but loading, which takes what it takes")
    parser.add_argument("--entities", type=int, default=10000)
    parser.add_argument("--rate", type=int, default=2000, help="proxied requests a second")
    parser.add_argument("--patches", type=int, default=100, help="a second")
    return parser.parse_args()


def main():
    options = parse_arguments()
    work = pathlib.Path(tempfile.mkdtemp(prefix="hopgate-bench-"))
    origin = None
    try:
        origin = peers.start_origin(work, {SIZE})
        rounds = []
        for number in range(options.rounds):
            rounds.append(run_round(number, origin, options, work))
            print(f"  round {number + 1}/{options.rounds}: {json.dumps(rounds[-1])}", flush=True)
        print("\nbench-admin " + json.dumps(report(rounds, options), sort_keys=True))
    except (Failed, RuntimeError) as problem:
        print(f"tools/bench: {problem}", file=sys.stderr)
        return 1
    finally:
        if origin:
            origin.stop()
        shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
