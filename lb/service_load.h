/*
 * service_load: how much is under way to each service, over all workers, and how much may be.
 *
 * Role    circuit breaking: more requests, pending ones or retries than a limit are turned away at
 *         once, so that a service that is slow or down gets no more than it can take
 * Owns    service_load_registry: a record for each service that some configuration in force names
 * Thread  the registry is the configuration thread's; a record is shared by all workers
 *
 * A record outlives the configuration that named its service first, as targets do: what runs when a
 * reload comes is still counted after it.
 */
#ifndef LB_SERVICE_LOAD_H
#define LB_SERVICE_LOAD_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/cleanup.h"

enum service_load_kind {
    SERVICE_LOAD_REQUESTS, /* until the service has answered, or will not any more */
    SERVICE_LOAD_PENDING,  /* of them: no connection to a target yet */
    SERVICE_LOAD_RETRIES,  /* of them: beyond the first try */
    SERVICE_LOAD_KINDS,
};

struct service_load {
    alignas(64) _Atomic uint32_t counts[SERVICE_LOAD_KINDS];
    char *service; /* its id */
    uint32_t holders;
};

/* How many retries there may be beside so many requests; UINT32_MAX: any number. */
struct service_retry_budget {
    uint32_t percent;   /* of running requests; 0: no budget */
    uint32_t min_count; /* and never fewer */
    uint32_t max_count; /* whatever the share; 0: no limit */
};

static inline uint32_t service_load_count(const struct service_load *load,
                                          enum service_load_kind kind)
{
    return atomic_load_explicit(&load->counts[kind], memory_order_relaxed);
}

uint32_t service_load_retries_max(const struct service_load *load,
                                  const struct service_retry_budget *budget);

/* What one exchange holds of a service's load; each kind once, given back once. Zeroed: nothing. */
struct service_load_use {
    struct service_load *load; /* the kinds held are of this one */
    unsigned held;             /* mask of 1 << kind */
};

/*
 * True: it is counted (and was perhaps before). False: there are `max` of them already (0: no
 * limit). Before the first call use->load is set.
 */
bool service_load_enter(struct service_load_use *use, enum service_load_kind kind, uint32_t max);
void service_load_leave(struct service_load_use *use, enum service_load_kind kind);
void service_load_leave_all(struct service_load_use *use);

struct service_load_registry;

/* NULL: no memory. */
struct service_load_registry *service_load_registry_create(void);

/* Nobody may hold a record any more. Accepts NULL. */
void service_load_registry_free(struct service_load_registry *registry);
DEFINE_SCOPED(service_load_registry);

/* Found or made; release it once. NULL: no memory. */
struct service_load *service_load_take(struct service_load_registry *registry,
                                       const char *service_id);
/* Another hold on one that is held; release it once more. */
struct service_load *service_load_hold(struct service_load *load);
void service_load_release(struct service_load_registry *registry, struct service_load *load);

#endif
