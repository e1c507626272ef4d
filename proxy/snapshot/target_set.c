#include "proxy/snapshot/target_set.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/worker/worker.h"

struct target_set *target_set_create(struct upstream_targets **targets, enum end_reason failure)
{
    struct target_set *set = calloc(1, sizeof(*set));

    if (!set)
        return NULL;
    set->targets = TAKE(*targets);
    set->failure = failure;
    return set;
}

struct target_set *target_set_share(struct target_set *set)
{
    if (set->older)
        return NULL;
    set->sharers++;
    return set;
}

/* True: another plan has it, too. */
static bool let_go(struct target_set *set)
{
    if (set->sharers == 0)
        return false;
    set->sharers--;
    return true;
}

static void free_one(struct target_set *set)
{
    assert(atomic_load(&set->holders) == 0);
    upstream_targets_free(set->targets);
    free(set);
}

void target_set_free(struct target_set *set)
{
    while (set) {
        struct target_set *older = set->older;

        if (let_go(set)) {
            assert(!older);
            return;
        }
        free_one(set);
        set = older;
    }
}

void target_set_free_older(struct target_set *set)
{
    struct target_set **link = &set->older;

    while (*link) {
        struct target_set *older = *link;

        if (atomic_load_explicit(&older->holders, memory_order_acquire) > 0) {
            link = &older->older;
            continue;
        }
        *link = older->older;
        if (!let_go(older))
            free_one(older);
    }
}

static int compare_pointers(const void *a, const void *b)
{
    const struct target *one = *(struct target *const *)a, *other = *(struct target *const *)b;

    return (one > other) - (one < other);
}

bool target_set_mark_vanished(const struct target_set *former, const struct target_set *next)
{
    size_t count = next->targets->count;
    struct target **known = calloc(count + 1, sizeof(*known));

    if (!known)
        return false;
    for (size_t i = 0; i < count; i++)
        known[i] = next->targets->items[i].target;
    qsort(known, count, sizeof(*known), compare_pointers);
    for (size_t i = 0; i < former->targets->count; i++) {
        struct target *target = former->targets->items[i].target;

        if (!bsearch(&target, known, count, sizeof(*known), compare_pointers))
            atomic_store_explicit(&target->generation, 0, memory_order_relaxed);
    }
    free(known);
    return true;
}

struct worker_upstream *worker_upstream_create(struct target_set *set, uint64_t seed)
{
    struct worker_upstream *upstream = calloc(1, sizeof(*upstream));

    if (!upstream)
        return NULL;
    upstream->upstream = upstream_create(set->targets, seed);
    if (!upstream->upstream) {
        free(upstream);
        return NULL;
    }
    upstream->holders = 1;
    upstream->set = set;
    atomic_fetch_add_explicit(&set->holders, 1, memory_order_relaxed);
    return upstream;
}

/*
 * A target that nothing newer names will be freed with this set. No exchange can add an idle
 * connection to it any more, or the one that could holds a set with it.
 */
static void close_connections_to_vanished_targets(const struct target_set *set,
                                                  struct worker *worker)
{
    uint64_t generation = worker->newest ? worker->newest->snapshot->generation : UINT64_MAX;

    for (size_t i = 0; i < set->targets->count; i++)
        if (!target_is_current(set->targets->items[i].target, generation))
            conn_pool_close_target(worker->pool, set->targets->items[i].target);
}

void worker_upstream_release(struct worker_upstream *upstream, struct worker *worker)
{
    struct target_set *set;
    bool is_awaited; /* else the set ends with its snapshot, and that rings */

    if (!upstream)
        return;
    assert(upstream->holders > 0);
    if (--upstream->holders > 0)
        return;
    set = upstream->set;
    is_awaited = upstream->is_replaced && worker;
    if (worker && worker->pool)
        close_connections_to_vanished_targets(set, worker);
    upstream_free(upstream->upstream);
    free(upstream);
    if (atomic_fetch_sub_explicit(&set->holders, 1, memory_order_acq_rel) == 1 && is_awaited)
        hop_ring_doorbell(worker->hop);
}
