#!/usr/bin/python3
"""Prints what the hops logged about one request, and one sentence that names the hop and the cause.

explain.py DIRECTORY STATUS HOP:ACCESS_LINES:ERROR_LINES...   hops in path order; the counts are the lines
that each log had before the request
"""
import json
import pathlib
import sys

CAUSES = {  # by reason: what the target did to the hop
    "CONNECT_REFUSED": "{target} refused the connection",
    "CONNECT_TIMEOUT": "{target} accepted no connection",
    "UPSTREAM_HEAD_TIMEOUT": "{target} sent no response head",
    "UPSTREAM_HEAD_CLOSED": "{target} closed the connection instead of answering",
    "UPSTREAM_HEAD_RESET": "{target} reset the connection instead of answering",
}


def new_lines(path, before):
    return path.read_text().splitlines()[before:] if path.exists() else []


def with_detail(text, attempt):
    return f'{text} ({attempt["detail"]})' if attempt.get("detail") else text


def abridged(entry):
    """The telling part of an access log entry: the whole one holds every field of both messages."""
    tries = [f'{attempt["target"]} ' + (str(attempt.get("status", "no answer")) if attempt["reason"] == "OK"
                                        else with_detail(attempt["reason"], attempt)) for attempt in entry["tries"]]
    request, status = entry["request"], entry["response"]["status"]
    return (f'{request["method"]} {request["uri"]} {status or "reset"}, reason {entry["reason"]}, '
            f'{entry["phases_ms"]["end"]:.1f} ms, tried: {"; ".join(tries)}')


def failed_here(entry):
    """False when the hop only passed on what it got, or its client went away."""
    return entry["reason"] != "OK" and entry.get("fault") != "client"


def cause_of(entry, inner):
    """What went wrong, in words; inner: the entry of the hop behind, if the request came so far."""
    attempt = entry["tries"][-1]
    target = f'hop "{inner["hop"]}" ({attempt["target"]})' if inner else attempt["target"]
    words = CAUSES.get(attempt["reason"], attempt["reason"] + " at {target}")
    return with_detail(words.format(target=target), attempt)


def sentence(status, entries):
    """The innermost hop with a cause of its own is where it began."""
    blamed = next((number for number in reversed(range(len(entries))) if failed_here(entries[number])), None)
    if blamed is None:
        return f'{status}: all {len(entries)} hops passed it on; {entries[-1]["tries"][-1]["target"]} answered.'
    entry, inner = entries[blamed], next(iter(entries[blamed + 1:]), None)
    waited = f' within {entry["phases_ms"]["end"]:.0f} ms' if entry["reason"].endswith("TIMEOUT") else ""
    text = f'{status}: it began at hop "{entry["hop"]}": {cause_of(entry, inner)}{waited}'
    if entry["response"]["status"] == 0:
        writer = next(other["hop"] for other in reversed(entries[:blamed]) if other["response"]["status"] != 0)
        text += f'; "{entry["hop"]}" reset its connection, and "{writer}" made a {status} of that'
    if inner and inner.get("fault") == "client":
        text += f'; "{inner["hop"]}" was still waiting for {inner["tries"][-1]["target"]}'
    return text + "."


def main(directory, status, *hops):
    entries = []
    for hop in hops:
        name, access_before, error_before = hop.split(":")
        logs = pathlib.Path(directory, name, "prefix", "logs")
        entry = json.loads(new_lines(logs / "access.log", int(access_before))[0])
        entries.append(entry)
        print(f"  {name:8} {abridged(entry)}")
        for line in new_lines(logs / "error.log", int(error_before)):
            print(f"  {'':8} {line}")
    print(f"  => {sentence(status, entries)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
