"""Prometheus' text format, read as strictly as it is specified (version 0.0.4)."""
import re

from .wait import wait_until

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
HELP = re.compile(rf"# HELP ({NAME}) (.*)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram)")
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\d+(?:\.\d+)?)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def unescape(text):
    return re.sub(r"\\.", lambda match: ESCAPES[match[0]], text)


def parse_labels(text):
    labels, at = [], 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"no label at {text[at:at + 60]!r}"
        assert bool(match[3]) == (match.end() < len(text)), f"a comma too many: {text!r}"
        labels.append((match[1], unescape(match[2])))
        at = match.end()
    assert len(dict(labels)) == len(labels), f"a label twice: {text!r}"
    return dict(labels)


class Exposition:
    """`families`: name -> type. Samples are asked for by name and some of their labels."""

    def __init__(self, content):
        text = content.decode("utf-8")
        assert text.endswith("\n"), "the last line has no end"
        self.families, self.samples, self.family = {}, {}, None
        helped = None
        for line in text[:-1].split("\n"):
            if match := HELP.fullmatch(line):
                assert match[1] not in self.families, f"{match[1]} stands at two places"
                helped = match[1]
            elif match := TYPE.fullmatch(line):
                assert match[1] == helped, f"TYPE without HELP before it: {line}"
                self.family, self.families[match[1]] = match[1], match[2]
            else:
                self.add(line)
        for name, kind in self.families.items():
            if kind == "histogram":
                self.check_histogram(name)

    def add(self, line):
        match = SAMPLE.fullmatch(line)
        assert match, f"no sample: {line!r}"
        name, labels = match[1], parse_labels(match[2] or "")
        kind = self.families.get(self.family)
        suffixes = ("_bucket", "_count", "_sum") if kind == "histogram" else ("",)
        assert name in [self.family + suffix for suffix in suffixes], f"{name} stands in the family {self.family}"
        key = name, tuple(sorted(labels.items()))
        assert key not in self.samples, f"a series twice: {line}"
        self.samples[key] = float(match[3])

    def check_histogram(self, name):
        groups = {}
        for (sample, labels), value in self.samples.items():
            if sample.startswith(name + "_"):
                rest = tuple(label for label in labels if label[0] != "le")
                groups.setdefault(rest, {})[sample, dict(labels).get("le")] = value
        for group in groups.values():
            buckets = [(float(bound), value) for (sample, bound), value in group.items() if sample == name + "_bucket"]
            assert buckets == sorted(buckets) and buckets[-1][0] == float("inf"), f"buckets of {name}: {buckets}"
            assert [value for _, value in buckets] == sorted(value for _, value in buckets), f"{name} falls"
            assert buckets[-1][1] == group[name + "_count", None] and (name + "_sum", None) in group

    def select(self, name, **labels):
        """{labels: value} of all series that have these labels."""
        return {key[1]: value for key, value in self.samples.items()
                if key[0] == name and labels.items() <= dict(key[1]).items()}

    def value(self, name, **labels):
        """The sum over all series that have these labels; 0 when there is none."""
        return sum(self.select(name, **labels).values())


def scrape(lab, hop, scheme="http"):
    tls = lab.pki.client_context(verify=False) if scheme == "https" else None
    client = lab.client(hop.status_listeners[scheme], tls=tls)
    answer = client.get("/metrics", [("Connection", "close")])
    assert (answer.status, answer.fields.get("Content-Type")) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return Exposition(answer.content)


def logged(lab, hop, count):
    """The entries, once all of `count` are accounted for: a worker never waits for its log, so when the disk or the
    machine stalls lines may be lost, but not without being counted."""
    wait_until(lambda: len(hop.access_log.entries()) + scrape(lab, hop).value("hopgate_log_lines_lost_total") >= count,
               lambda: f"{count} access log entries, there are {len(hop.access_log.entries())}")
    return hop.access_log.entries()
