/*
 * memory_relief: gives memory back while the hop's budget is short of it.
 *
 * Role    frees what nobody uses: spare chunks, idle connections, the oldest first; ends what makes
 *         the least of its memory when that is not enough
 * Owns    nothing; part of a worker
 * Thread  the worker's; memory_relief_on_level: any
 *
 * A pass runs every 20 ms from the moment a level above NORMAL is seen until it is gone. Exchanges are
 * ended at CUT at once, and at the levels below when hopgate_memory_patience has not mended it: nobody
 * is accepted meanwhile, and whoever reads slowly on purpose would not end by himself. When memory is
 * short again within ten seconds, there is no new patience. First goes who would, at his pace
 * so far, keep much for long; who holds next to nothing (a long poll, an idle WebSocket) goes last.
 */
#ifndef PROXY_MEMORY_RELIEF_H
#define PROXY_MEMORY_RELIEF_H

#include "core/log_rate.h"
#include "core/loop.h"
#include "core/memory_budget.h"

struct worker;

struct memory_relief {
    struct memory_account *account; /* NULL: the worker has none */
    struct task task;
    struct timer timer;
    uint64_t short_since_ms;   /* when the present or last shortage began; 0: there was none */
    uint64_t last_short_at_ms; /* it was seen last */
    uint32_t cut_count;        /* since that was told last */
    struct log_rate cut_told;
};

/* The worker has its loop. */
void memory_relief_init(struct worker *worker, struct memory_account *account);
void memory_relief_end(struct worker *worker);

/* A pass in this turn; further ones follow as long as memory is short. */
void memory_relief_begin(struct worker *worker);

/* memory_budget_on_level, for a struct hop: one line with figures, and the main thread is woken. */
void memory_relief_on_level(void *hop, enum memory_level from, enum memory_level to);

/*
 * What ending it is worth: these bytes times the ms that they would still be kept, when `moved` of their
 * like went through until now; nobody is expected to stay longer than he has been here.
 */
double memory_relief_worth(uint64_t held_bytes, uint64_t moved_bytes, uint64_t age_ms);

#endif
