/*
 * target: one address of an upstream, and what all workers know about it.
 *
 * Role    where connections go; counts requests in flight and carries the verdict on health
 * Owns    its name
 * Thread  created on the configuration thread (target_registry), then shared: name and address never
 *         change, in_flight, health and latency may be read and changed by any thread
 *
 * A target outlives the configuration that named it first: the next one that names it gets the same
 * record. What a configuration says of it, its weight, is in upstream_target.
 */
#ifndef LB_TARGET_H
#define LB_TARGET_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lb/health.h"

enum { TARGET_ALIGN = 64 }; /* bytes of a cache line: workers that count do not slow readers */

enum target_state { TARGET_HEALTHY, TARGET_UNHEALTHY };

enum { TARGET_PROBE_RESULTS = 5 }; /* see enum monitor_result */

struct health_board;
struct waiting_line;

struct target {
    alignas(TARGET_ALIGN) struct sockaddr_storage address; /* with port */
    char *name;           /* "host:port" as configured; the same for all addresses of a host */
    const char *upstream; /* whose target it is; NULL in tests */
    struct health_board *board; /* told when its health changes; NULL: nobody is */
    /* Of the newest configuration that names it, see target_is_current; 0: none does, its name
     * leads elsewhere now. Written by the configuration thread. */
    _Atomic uint64_t generation;

    alignas(TARGET_ALIGN) _Atomic uint32_t in_flight; /* exchanges of all workers, see target_use */
    struct waiting_line *_Atomic line; /* who waits for a place; NULL: nobody ever did */
    _Atomic uint64_t health;           /* see health; changed by target_health only */
    _Atomic uint64_t latency;          /* see target_latency */
    _Atomic uint64_t up_since_us;      /* monotonic: first known, or usable again */

    /* of those who judge; no pick looks at them */
    alignas(TARGET_ALIGN) _Atomic uint64_t health_since_us; /* the last change; 0: none yet */
    _Atomic uint64_t evidence;                              /* why; see target_health_why */
    _Atomic uint32_t times_up, times_down;                  /* changes to usable, to unusable */
    _Atomic uint32_t probes[TARGET_PROBE_RESULTS];
    _Atomic uint32_t requests, failures; /* since outliers were last looked for */
    /* outlier's own: what it looked at last, and ejections that the target has not lived down */
    uint32_t looked_requests, looked_failures;
    uint64_t looked_latency_us;
    _Atomic uint32_t ejections;
    _Atomic uint64_t ejected_until_ms;
    _Atomic uint64_t stale_connections_count; /* kept ones that it closed as they were used again */
};

static inline uint64_t target_health_word(const struct target *target)
{
    return atomic_load_explicit(&target->health, memory_order_relaxed);
}

/* May it get a request, as far as its health goes? */
static inline bool target_is_usable(const struct target *target)
{
    return health_word_is_usable(target_health_word(target));
}

/* A configuration of this generation or a newer one names it. */
static inline bool target_is_current(const struct target *target, uint64_t generation)
{
    return atomic_load_explicit(&target->generation, memory_order_relaxed) >= generation;
}

static inline uint32_t target_in_flight(const struct target *target)
{
    return atomic_load_explicit(&target->in_flight, memory_order_relaxed);
}

static inline uint64_t target_up_since_us(const struct target *target)
{
    return atomic_load_explicit(&target->up_since_us, memory_order_relaxed);
}

static inline void target_note_stale_connection(struct target *target)
{
    atomic_fetch_add_explicit(&target->stale_connections_count, 1, memory_order_relaxed);
}

static inline uint64_t target_stale_connections(const struct target *target)
{
    return atomic_load_explicit(&target->stale_connections_count, memory_order_relaxed);
}

/* It is up from now on. */
void target_note_up(struct target *target);

/* Sets the state and clears the counters without a word to anybody (target_health_set tells it). True:
 * it became usable or unusable. */
bool target_set_state(struct target *target, enum target_state state);

/*
 * One exchange's hold on a target: taken at the pick, given back once however often the end is
 * reached. Zeroed: holds nothing.
 */
struct target_use {
    struct target *target; /* NULL: none */
};

/* Ends a former use first. */
void target_use_begin(struct target_use *use, struct target *target);

/* The same, but never more than `max` uses at a time (0: no limit), however many workers come at once.
 * False: there are so many, and nothing is held. */
bool target_use_try(struct target_use *use, struct target *target, uint32_t max);

/* Would target_use_try say no? */
static inline bool target_is_full(const struct target *target, uint32_t max)
{
    /* in order with waiting_line: who joined it looks once more */
    return max > 0 && atomic_load(&target->in_flight) >= max;
}

void target_use_end(struct target_use *use);

#endif
