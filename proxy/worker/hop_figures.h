/*
 * hop_figures: how the hop is doing at one instant, as plain data.
 *
 * Role    what /status and /metrics say; whoever gathers it knows workers and gateway, whoever
 *         writes it down does not
 * Owns    nothing: all pointers are good while the main thread gathers and answers
 * Thread  the main thread
 */
#ifndef PROXY_HOP_FIGURES_H
#define PROXY_HOP_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/log.h"
#include "core/memory_budget.h"
#include "core/ring.h"

struct metrics;
struct snapshot;

struct worker_figures {
    bool runs;                                   /* else all is 0 */
    uint64_t connections_count, exchanges_count; /* of clients, at this moment */
    uint64_t reading_count;                      /* exchanges whose request head comes in */
    uint64_t idle_upstream_count;                /* connections in the pool */
    uint64_t buffer_bytes;                       /* in use */
    uint64_t receive_buffers_held[RING_RECV_SIZES];
    struct ring_stats ring;
};

/* Of the budget, see core/memory_budget.h. */
struct memory_figures {
    uint64_t limit_bytes; /* 0: none */
    uint64_t used_bytes[MEMORY_OWNERS];
    enum memory_level level;
};

struct process_figures {
    int pid;
    uint64_t resident_bytes, virtual_bytes, heap_bytes;
    uint64_t files_count, files_max;
    uint64_t cpu_us; /* user and system */
    uint64_t started_at_unix_s;
};

struct reload_figures {
    bool was_tried, succeeded; /* the last one */
    uint64_t at_unix_s;
    uint64_t succeeded_count, failed_count;
};

struct hop_figures {
    const char *node_id;      /* a UUID, the hop's for this run */
    const char *kong_version; /* whose metrics these are: "3.9.3" */
    const struct metrics *metrics;
    const struct snapshot *snapshot; /* in force */
    const struct worker_figures *workers;
    unsigned workers_count;
    struct process_figures process;
    struct reload_figures reload;
    struct log_counters log;
    uint64_t spool_bytes;
    struct memory_figures memory;
    uint32_t queued_count; /* requests that wait for a place at a target */
    bool draining;
    bool store_fails; /* the store of the Admin API is of no use at present */
    bool store_lags;  /* what it has is not in force */
};

/* Of all workers; `offset` names the counter: offsetof(struct worker_figures, ..._count). */
static inline uint64_t hop_figures_sum(const struct hop_figures *figures, size_t offset)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < figures->workers_count; i++)
        sum += *(const uint64_t *)((const char *)&figures->workers[i] + offset);
    return sum;
}

#endif
