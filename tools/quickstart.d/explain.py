#!/usr/bin/python3
"""Prints what the hops logged about one request, and one sentence that names the hop and the cause.

explain.py DIRECTORY STATUS HOP:ACCESS_LINES:ERROR_LINES...   hops in path order; the counts are the lines
that each log had before the request
"""
import json
import pathlib
import sys

KEYS = ("hop", "reason", "fault", "detail", "source", "phases_ms")
TRY_KEYS = ("target", "reason", "detail", "status", "connect_ms", "head_ms")


def new_lines(path, before):
    return path.read_text().splitlines()[before:] if path.exists() else []


def abridged(entry):
    """The telling part of an access log entry: the whole one holds every field of both messages."""
    short = {key: entry[key] for key in KEYS if key in entry}
    short["request"] = f'{entry["request"].get("method")} {entry["request"].get("uri")}'
    short["status"] = entry["response"]["status"]
    short["tries"] = [{key: attempt[key] for key in TRY_KEYS if key in attempt} for attempt in entry["tries"]]
    return json.dumps(short)


def cause_of(entry):
    """What went wrong at this hop itself, in words; None when it only passed on what it got."""
    if entry["reason"] == "OK" or entry.get("fault") == "client":
        return None
    attempt = entry["tries"][-1] if entry["tries"] else entry
    words = attempt["reason"].lower().replace("_", " ")
    detail = f' ({attempt["detail"]})' if attempt.get("detail") else ""
    target = f' at {attempt["target"]}' if attempt.get("target") else ""
    return f'{words}{detail}{target} after {entry["phases_ms"]["end"]:.0f} ms'


def sentence(status, entries):
    """The innermost hop with a cause of its own is where it began."""
    for entry in reversed(entries):
        cause = cause_of(entry)
        if not cause:
            continue
        text = f'{status}: it began at hop "{entry["hop"]}": {cause}'
        writers = [other["hop"] for other in entries if other["source"] != "upstream" and
                   str(other["response"]["status"]) == status]
        if writers and writers[-1] != entry["hop"]:
            text += f'; hop "{entry["hop"]}" reset the connection and hop "{writers[-1]}" made the {status} of that'
        return text + "."
    return f"{status}: every hop passed it on; nothing went wrong."


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
