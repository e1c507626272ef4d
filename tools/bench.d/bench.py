#!/usr/bin/python3
"""CPU per request of hopgate, nginx and haproxy; run it through tools/bench.

Only ratios inside the same rounds count: a shared machine drifts more than the proxies differ.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

import peers

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONNECTIONS = 64
# name: (scheme, content bytes)
SCENARIOS = {"tls-1k": ("https", 1024), "plain-1k": ("http", 1024), "tls-1m": ("https", 1 << 20)}
# the client's side of TLS decides the suite and the group for all peers alike
CLIENT_TLS = """\
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = client
[client]
MinProtocol = TLSv1.3
MaxProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
"""


class Unequal(Exception):
    """A peer that does not do the same work as the others."""


def url(server, scheme, path):
    return f"{scheme}://127.0.0.1:{server.tls if scheme == 'https' else server.plain}{path}"


def curl(work, *arguments):
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", "--cacert", work / "pki" / "root.pem", "--max-time", "20",
                           *arguments], capture_output=True, env=client_env(work))
    if done.returncode != 0:
        raise Unequal(done.stderr.decode())
    return done.stdout


def client_env(work):
    return {**os.environ, "OPENSSL_CONF": str(work / "client.cnf")}


def check_equal_work(server, work):
    """Same bytes, X-Forwarded-For added, upstream connection kept, and the suite that was asked for."""
    for scheme, size in SCENARIOS.values():
        content = curl(work, url(server, scheme, f"/{size}"))
        if content != bytes(range(256)) * (size // 256):
            raise Unequal(f"{server.name} {scheme} /{size}: {len(content)} other bytes")
    seen = [curl(work, "-H", "Host: bench.test", url(server, "https", "/check")).decode().split() for _ in range(3)]
    for forwarded_for, _, method, host in seen:
        if (forwarded_for, method, host) != ("127.0.0.1", "GET", "bench.test"):
            raise Unequal(f"{server.name}: the origin saw {seen}")
    if max(int(requests) for _, requests, _, _ in seen) < 2:
        raise Unequal(f"{server.name} opens a new upstream connection for each request: {seen}")
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.tls}"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, env=client_env(work))
    for part in ("TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256", "X25519"):
        if part not in done.stdout:
            raise Unequal(f"{server.name}: no {part}")


def measure(server, scenario, seconds, work):
    """One run of the generator: (CPU µs per request, requests per second)."""
    scheme, size = SCENARIOS[scenario]
    before = server.cpu_seconds()
    done = subprocess.run(["taskset", "-c", peers.LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s",
                           url(server, scheme, f"/{size}")], capture_output=True, text=True, env=client_env(work))
    cpu = server.cpu_seconds() - before
    found = re.search(r"(\d+) requests in ([\d.]+)(\w+), ([\d.]+)(\w+) read", done.stdout)
    if not found or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise Unequal(f"{server.name} {scenario}:\n{done.stdout}{done.stderr}")
    requests = int(found.group(1))
    unit = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}[found.group(5)]
    per_request = float(found.group(4)) * unit / max(1, requests)
    if not size <= per_request < size * 1.25 + 600:
        raise Unequal(f"{server.name} {scenario}: {per_request:.0f} bytes per response instead of {size} and a head")
    return cpu / requests * 1e6, requests / seconds


def spread(values):
    return f"{statistics.median(values):.1f} ({min(values):.1f}..{max(values):.1f})"


def report(scenario, names, cpu, rates):
    """Medians, ranges and, for each other peer, the ratio of hopgate inside the same rounds."""
    print(f"\n{scenario}: CPU µs per request, median (range) of {len(cpu[names[0]])} rounds")
    summary = {}
    for name in names:
        line = f"  {name:8} {spread(cpu[name]):28} {statistics.median(rates[name]):9.0f} req/s"
        summary[name] = {"cpu_us": round(statistics.median(cpu[name]), 2),
                         "requests_per_s": round(statistics.median(rates[name]))}
        if name != "hopgate" and "hopgate" in names:
            ratios = [ours / theirs for ours, theirs in zip(cpu["hopgate"], cpu[name])]
            line += f"   hopgate / {name}: {statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})"
            summary[name]["ratio"] = round(statistics.median(ratios), 3)
        print(line)
    return summary


def run_rounds(servers, options, work):
    results = {}
    for scenario in options.scenario or SCENARIOS:
        cpu = {name: [] for name in servers}
        rates = {name: [] for name in servers}
        for server in servers.values():
            measure(server, scenario, 1, work)  # warm: pools, caches, file pages
        for number in range(options.rounds):
            for name, server in servers.items():
                used, rate = measure(server, scenario, options.seconds, work)
                cpu[name].append(used)
                rates[name].append(rate)
                print(f"  {scenario} round {number + 1}/{options.rounds}: {name} {used:.1f} µs, {rate:.0f} req/s", flush=True)
        results[scenario] = report(scenario, list(servers), cpu, rates)
    return results


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__.splitlines()[0])
    parser.add_argument("--hopgate", default=ROOT / "build" / "release" / "hopgate", type=pathlib.Path,
                        help="the binary to measure")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--quick", action="store_true", help="two rounds of two seconds: does it work, not how fast")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--peer", action="append", choices=("hopgate", "nginx", "haproxy"), help="default: all three")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 2, 2
    return options


def main():
    options = parse_arguments()
    if os.cpu_count() < 2:
        print("tools/bench: needs two cores: one for the proxy, one for the load", file=sys.stderr)
        return 1
    names = options.peer or ["hopgate", "nginx", "haproxy"]
    work = pathlib.Path(tempfile.mkdtemp(prefix="hopgate-bench-"))
    (work / "client.cnf").write_text(CLIENT_TLS)
    subprocess.run([ROOT / "tools" / "certs.sh", work / "pki", "edge=bench.test,127.0.0.1"], check=True)
    running = []
    try:
        origin = peers.start_origin(work, {size for _, size in SCENARIOS.values()})
        running.append(origin)
        servers = {}
        for name in names:
            servers[name] = peers.start_peer(name, work, work / "pki", origin, options.hopgate.resolve())
            running.append(servers[name])
            check_equal_work(servers[name], work)
            print(f"{name} {peers.version(name, options.hopgate.resolve())}: equal work checked", flush=True)
        results = run_rounds(servers, options, work)
        print("\nbench " + json.dumps(results, sort_keys=True))
    except (Unequal, RuntimeError) as problem:
        print(f"tools/bench: {problem}", file=sys.stderr)
        return 1
    finally:
        for server in running:
            server.stop()
        shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
