/*
 * target: one address of an upstream, and what all workers know about it.
 *
 * Role    where connections go; counts requests in flight and carries the verdict on health
 * Owns    its name
 * Thread  created on the configuration thread, then shared: name, address and weight never change,
 *         the two atomics may be read and changed by any thread
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
    char *name;      /* "host:port" as configured; the same for all addresses of a host */
    uint32_t weight; /* 0..65535; 0 is never picked */

    alignas(TARGET_ALIGN) _Atomic uint32_t in_flight; /* exchanges of all workers, see target_use */
    _Atomic uint64_t health;
};

static inline enum target_state target_state(const struct target *target)
{
    return (enum target_state)(atomic_load_explicit(&target->health, memory_order_relaxed) &
                               TARGET_STATE_MASK);
}

/* May it get a request at all? */
static inline bool target_is_usable(const struct target *target)
{
    return target->weight > 0 && target_state(target) == TARGET_HEALTHY;
}

static inline uint32_t target_in_flight(const struct target *target)
{
    return atomic_load_explicit(&target->in_flight, memory_order_relaxed);
}

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
