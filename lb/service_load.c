#include "lb/service_load.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

/* ---- counting ------------------------------------------------------------------------------ */

uint32_t service_load_retries_max(const struct service_load *load,
                                  const struct service_retry_budget *budget)
{
    uint32_t max = budget->max_count > 0 ? budget->max_count : UINT32_MAX;
    uint64_t share;

    if (budget->percent == 0)
        return max;
    share = (uint64_t)service_load_count(load, SERVICE_LOAD_REQUESTS) * budget->percent / 100;
    if (share < budget->min_count)
        share = budget->min_count;
    return share < max ? (uint32_t)share : max;
}

/* Never more than `max`, however many workers come at once. */
static bool add_below(_Atomic uint32_t *count, uint32_t max)
{
    uint32_t now = atomic_load_explicit(count, memory_order_relaxed);

    do {
        if (now >= max)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(count, &now, now + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

bool service_load_enter(struct service_load_use *use, enum service_load_kind kind, uint32_t max)
{
    if (use->held & 1u << kind)
        return true;
    if (max == 0)
        atomic_fetch_add_explicit(&use->load->counts[kind], 1, memory_order_relaxed);
    else if (!add_below(&use->load->counts[kind], max))
        return false;
    use->held |= 1u << kind;
    return true;
}

void service_load_leave(struct service_load_use *use, enum service_load_kind kind)
{
    if (!(use->held & 1u << kind))
        return;
    use->held &= ~(1u << kind);
    atomic_fetch_sub_explicit(&use->load->counts[kind], 1, memory_order_relaxed);
}

void service_load_leave_all(struct service_load_use *use)
{
    for (unsigned kind = 0; use->held != 0 && kind < SERVICE_LOAD_KINDS; kind++)
        service_load_leave(use, kind);
}

/* ---- the registry -------------------------------------------------------------------------- */

struct service_load_registry {
    void *records; /* tree of struct service_load, by service, see tsearch(3) */
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct service_load *)a)->service,
                  ((const struct service_load *)b)->service);
}

struct service_load_registry *service_load_registry_create(void)
{
    return calloc(1, sizeof(struct service_load_registry));
}

void service_load_registry_free(struct service_load_registry *registry)
{
    assert((!registry || !registry->records) && "a configuration still holds records");
    free(registry);
}

static void record_free(struct service_load *load)
{
    free(load->service);
    free(load);
}

static struct service_load *record_create(const char *service_id)
{
    struct service_load *load = aligned_alloc(alignof(struct service_load), sizeof(*load));

    if (!load)
        return NULL;
    memset(load, 0, sizeof(*load));
    load->service = strdup(service_id);
    if (load->service)
        return load;
    record_free(load);
    return NULL;
}

struct service_load *service_load_take(struct service_load_registry *registry,
                                       const char *service_id)
{
    struct service_load *made = record_create(service_id), *load;
    struct service_load **node = made ? tsearch(made, &registry->records, compare) : NULL;

    load = node ? *node : NULL;
    if (made && load != made)
        record_free(made);
    if (load)
        load->holders++;
    return load;
}

struct service_load *service_load_hold(struct service_load *load)
{
    load->holders++;
    return load;
}

void service_load_release(struct service_load_registry *registry, struct service_load *load)
{
    if (--load->holders > 0)
        return;
    assert(service_load_count(load, SERVICE_LOAD_REQUESTS) == 0);
    tdelete(load, &registry->records, compare);
    record_free(load);
}
