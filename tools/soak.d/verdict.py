"""Is it flat? The figures of every phase, the table, and what they mean.

The first third of the phases is the warm-up: rings of log lines, the recorder and the allocator's own stores fill up.
"""
import statistics

MIB = 1 << 20
# what the level of a hop at rest may rise by from the end of the warm-up to the end, of its level then, and at least
RSS_TOLERANCE, RSS_TOLERANCE_MIN = 0.05, 2 * MIB
HEAP_TOLERANCE, HEAP_TOLERANCE_MIN = 0.05, 512 * 1024  # what threads keep of freed memory counts as in use
FDS_TOLERANCE = 2
WORKER_REASONS = {  # how exchanges and tries may end here: with success, by a fault injected, by a client that leaves
    "ok", "client_aborted", "client_tls_closed", "client_tls_failed", "connect_refused", "connect_failed",
    "connect_timeout", "upstream_head_closed", "upstream_head_reset", "upstream_head_timeout", "upstream_body_closed",
    "upstream_body_reset", "upstream_body_timeout", "upstream_send_failed", "upstream_send_timeout", "shutting_down"}


def after_warm_up(rows):
    """The levels that have to stay: the first row is the hop before any client."""
    return rows[1 + (len(rows) - 1) // 3:]


def slope(values):
    """Per step: the median of the slopes between all pairs, which one odd value does not move."""
    pairs = [(late - early) / (at - since) for since, early in enumerate(values)
             for at, late in enumerate(values) if at > since]
    return statistics.median(pairs) if pairs else 0.0


def growth(rows, key):
    """What was fitted to the levels after the warm-up, over all of that time."""
    values = [row[key] for row in after_warm_up(rows)]
    return slope(values) * (len(values) - 1)


def check_flat(rows, key, share, least, unit):
    """(text, whether it is flat)"""
    level = after_warm_up(rows)[0][key]
    grown, allowed = growth(rows, key), max(share * level, least)
    return (f"{key}: {level / unit[0]:.1f} {unit[1]} after the warm-up, {rows[-1][key] / unit[0]:.1f} at the end; fitted growth "
            f"{grown / unit[0]:+.2f} {unit[1]}, at most {allowed / unit[0]:.2f} allowed"), grown <= allowed


def check_fds(rows):
    level, last = after_warm_up(rows)[0]["fds"], rows[-1]["fds"]
    return f"fds: {level} after the warm-up, {last} at the end, at most {FDS_TOLERANCE} more allowed", \
        last <= level + FDS_TOLERANCE


def checks(rows):
    """[(text, fine)]"""
    return [check_flat(rows, "rss", RSS_TOLERANCE, RSS_TOLERANCE_MIN, (MIB, "MiB")),
            check_flat(rows, "heap", HEAP_TOLERANCE, HEAP_TOLERANCE_MIN, (MIB, "MiB")), check_fds(rows)]


def check_metrics(metrics, recent):
    """What the hop itself says went wrong. recent(reason): what it remembers of such exchanges."""
    problems = []
    for name in ("hopgate_exchanges_total", "hopgate_tries_total"):
        for labels, count in metrics.select(name).items():
            reason = dict(labels).get("reason")
            if count and reason not in WORKER_REASONS:
                problems.append(f"{name} has {count:.0f} of reason {reason}\n    {recent(reason)}")
    for name, labels in (("hopgate_log_lines_lost_total", {"cause": "write_failed"}), ("hopgate_spool_bytes", {}),
                         ("hopgate_connections_refused_total", {})):
        if metrics.value(name, **labels):
            problems.append(f"{name} is {metrics.value(name, **labels):.0f}")
    return problems


HEADINGS = ("minute", "requests", "p50 ms", "p99 ms", "failed", "excused", "conns", "RSS busy", "RSS rest", "heap rest",
            "fds busy", "fds rest")


def table(rows):
    """One line per phase; sizes in MiB. rest: with no client but one old tunnel."""
    lines = [" ".join(f"{heading:>9}" for heading in HEADINGS)]
    for row in rows:
        cells = (f"{row['minute']:.1f}", row["requests"], f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}", row["failed"],
                 row["excused"], row["connections"], f"{row['rss_busy'] / MIB:.1f}", f"{row['rss'] / MIB:.1f}",
                 f"{row['heap'] / MIB:.2f}", row["fds_busy"], row["fds"])
        lines.append(" ".join(f"{cell:>9}" for cell in cells))
    return lines
