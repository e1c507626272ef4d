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

enum { TARGET_ALIGN = 64 }; /* bytes of a cache line: workers that count do not slow readers */

enum target_state {
    TARGET_HEALTHY,
    TARGET_UNHEALTHY, /* by a monitor, by real traffic, or by an operator */
};

/*
 * The health word: bits 0-7 enum target_state; bits 8-63 are the counters of whoever judges. It
 * changes as a whole by compare-and-swap, so that a verdict and its counters never disagree.
 */
enum { TARGET_STATE_MASK = 0xff };

struct target {
    alignas(TARGET_ALIGN) struct sockaddr_storage address; /* with port */
    char *name; /* "host:port" as configured; the same for all addresses of a host */
    /* Of the newest configuration that names it, see target_is_current; 0: none does, its name
     * leads elsewhere now. Written by the configuration thread. */
    _Atomic uint64_t generation;

    alignas(TARGET_ALIGN) _Atomic uint32_t in_flight; /* exchanges of all workers, see target_use */
    _Atomic uint64_t health;
    _Atomic uint64_t latency;                 /* see target_latency */
    _Atomic uint64_t up_since_us;             /* monotonic: first known, or healthy again */
    _Atomic uint64_t stale_connections_count; /* kept ones that it closed as they were used again */
};

static inline enum target_state target_state(const struct target *target)
{
    return (enum target_state)(atomic_load_explicit(&target->health, memory_order_relaxed) &
                               TARGET_STATE_MASK);
}

static inline bool target_is_healthy(const struct target *target)
{
    return target_state(target) == TARGET_HEALTHY;
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

/* Changes the state and clears the counters. True: it was another state before. */
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
void target_use_end(struct target_use *use);

#endif
