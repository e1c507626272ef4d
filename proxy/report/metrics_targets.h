/*
 * metrics_targets: what the metrics page says of targets.
 *
 * Role    Kong's kong_upstream_target_health, and our counts of changes and probes
 * Owns    nothing
 * Thread  the main thread; no I/O
 */
#ifndef PROXY_METRICS_TARGETS_H
#define PROXY_METRICS_TARGETS_H

struct metrics_text;
struct snapshot;

void metrics_targets_put(struct metrics_text *text, const struct snapshot *snapshot);

#endif
