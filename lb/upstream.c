#include "lb/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "lb/hash_ring.h"
#include "lb/target_health.h"
#include "lb/target_index.h"
#include "lb/weighted_draw.h"

/* Picks whose last place another worker was quicker to take. */
enum { TAKES_MAX = 8 };

struct upstream {
    struct upstream_targets *targets; /* borrowed */
    struct balancer *balancer;
    uint64_t seen_changes; /* of the board, when the next two were looked at */
    bool is_known, is_down;
};

static char *name_of(const struct upstream_target_options *options)
{
    const char *form = strchr(options->host, ':') ? "[%s]:%u" : "%s:%u"; /* an IPv6 literal */
    char *name = NULL;

    return asprintf(&name, form, options->host, options->port) < 0 ? NULL : name;
}

static int add_addresses(struct upstream_targets *targets,
                         const struct upstream_target_options *options)
{
    char *name = name_of(options);
    int r = name ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < options->addresses_count; i++) {
        struct upstream_target *item = &targets->items[targets->count];
        struct sockaddr_storage address = options->addresses[i];
        const struct target_key key = { targets->name, name, &address };

        addr_set_port(&address, options->port);
        item->weight = options->weight;
        item->priority_group = options->priority_group;
        item->max_requests = options->max_requests;
        item->target = target_registry_take(targets->registry, &key);
        if (!item->target) {
            r = -ENOMEM;
            break;
        }
        if (targets->line)
            atomic_store_explicit(&item->target->line, targets->line, memory_order_release);
        targets->count++;
    }
    free(name);
    return r;
}

/* What the policy needs to know of all targets at once; false: no memory, or nobody knows the policy. */
static bool prepare_policy(struct upstream_targets *targets, const struct upstream_options *options)
{
    targets->policy = balancer_find(options->algorithm ? options->algorithm : "round-robin");
    targets->slow_start_us = options->slow_start_ms * 1000;
    targets->threshold_thousandths = options->threshold_thousandths;
    targets->panic_percent = options->panic_percent;
    targets->fails_open = options->fails_open;
    if (!targets->policy)
        return false;
    if (targets->policy->needs_ring) {
        targets->ring = hash_ring_create(targets->items, targets->count, options->slots);
        return targets->ring != NULL;
    }
    if (targets->count > BALANCER_SCAN_MAX) {
        targets->draw = weighted_draw_create(targets->items, targets->count);
        return targets->draw != NULL;
    }
    return true;
}

struct upstream_targets *upstream_targets_create(const struct upstream_options *options,
                                                 struct target_registry *registry)
{
    struct upstream_targets *targets = calloc(1, sizeof(*targets));
    size_t count = 0;

    if (!targets)
        return NULL;
    for (size_t i = 0; i < options->targets_count; i++)
        count += options->targets[i].addresses_count;
    targets->registry = registry;
    targets->line = options->line;
    targets->sessions = options->sessions;
    targets->name = strdup(options->name);
    targets->items = calloc(count > 0 ? count : 1, sizeof(*targets->items));
    if (!targets->name || !targets->items)
        goto fail;
    for (size_t i = 0; i < options->targets_count; i++) {
        if (add_addresses(targets, &options->targets[i]) < 0)
            goto fail;
    }
    if (!prepare_policy(targets, options) ||
        priority_groups_init(&targets->groups, targets->items, targets->count,
                             options->min_active_members) < 0 ||
        !(targets->index = target_index_create(targets->items, targets->count)))
        goto fail;
    return targets;
fail:
    upstream_targets_free(targets);
    return NULL;
}

void upstream_targets_mark(struct upstream_targets *targets, uint64_t generation)
{
    for (size_t i = 0; i < targets->count; i++)
        atomic_store_explicit(&targets->items[i].target->generation, generation,
                              memory_order_relaxed);
}

void upstream_targets_free(struct upstream_targets *targets)
{
    if (!targets)
        return;
    for (size_t i = 0; i < targets->count; i++)
        target_registry_release(targets->registry, targets->items[i].target);
    hash_ring_free(targets->ring);
    weighted_draw_free(targets->draw);
    priority_groups_done(&targets->groups);
    target_index_free(targets->index);
    free(targets->items);
    free(targets->name);
    free(targets);
}

struct upstream_health upstream_targets_health(const struct upstream_targets *targets)
{
    struct upstream_health health = { 0 };

    for (size_t i = 0; i < targets->count; i++) {
        const struct upstream_target *item = &targets->items[i];
        bool is_usable = upstream_target_is_usable(item);

        health.weight_total += item->weight;
        health.weight_available += is_usable ? item->weight : 0;
        health.count += item->weight > 0;
        health.usable_count += is_usable;
    }
    health.is_healthy =
        health.weight_total > 0 &&
        health.weight_available * 100 * 1000 > health.weight_total * targets->threshold_thousandths;
    health.panics = health.usable_count * 100 < health.count * targets->panic_percent ||
                    (targets->fails_open && health.usable_count == 0 && health.count > 0);
    return health;
}

struct upstream *upstream_create(struct upstream_targets *targets, uint64_t seed)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));
    const struct balancer_options options = { .targets = targets->items,
                                              .count = targets->count,
                                              .draw = targets->draw,
                                              .ring = targets->ring,
                                              .index = targets->index,
                                              .sessions = targets->sessions,
                                              .slow_start_us = targets->slow_start_us,
                                              .seed = seed };

    if (!upstream)
        return NULL;
    upstream->targets = targets;
    upstream->balancer = targets->policy->create(&options);
    if (!upstream->balancer)
        goto fail;
    return upstream;
fail:
    upstream_free(upstream);
    return NULL;
}

void upstream_free(struct upstream *upstream)
{
    if (!upstream)
        return;
    balancer_free(upstream->balancer);
    free(upstream);
}

const char *upstream_algorithm(const struct upstream *upstream)
{
    return upstream->targets->policy->name;
}

uint64_t upstream_looked_at_count(const struct upstream *upstream)
{
    return upstream->balancer->looked_at_count;
}

const struct upstream_targets *upstream_targets_of(const struct upstream *upstream)
{
    return upstream->targets;
}

/* In a panic all groups are asked. */
static void follow_groups(struct upstream *upstream, bool panics)
{
    const struct upstream_targets *targets = upstream->targets;
    struct balancer *balancer = upstream->balancer;
    const struct weighted_draw *draw;

    balancer->lowest_group = panics ? 0 : priority_groups_lowest(&targets->groups, targets->items);
    draw = priority_groups_draw(&targets->groups, balancer->lowest_group);
    balancer->draw = draw ? draw : targets->draw;
}

/* All targets are looked at only after one of them (of any upstream) has changed. */
static void follow_health(struct upstream *upstream)
{
    const struct upstream_targets *targets = upstream->targets;
    const struct health_board *board = target_registry_board(targets->registry);
    uint64_t changes = atomic_load_explicit(&board->changes, memory_order_acquire);
    struct upstream_health health;

    if (upstream->is_known && upstream->seen_changes == changes)
        return;
    health = upstream_targets_health(targets);
    upstream->is_known = true;
    upstream->seen_changes = changes;
    upstream->is_down = !health.is_healthy && !health.panics;
    upstream->balancer->ignores_health = health.panics;
    follow_groups(upstream, health.panics);
}

int upstream_pick(struct upstream *upstream, const struct balancer_request *request,
                  struct target_use *use)
{
    struct upstream_targets *targets = upstream->targets;
    int index;

    if (targets->threshold_thousandths > 0 || targets->panic_percent > 0 || targets->fails_open ||
        targets->groups.count > 0) {
        follow_health(upstream);
        if (upstream->is_down)
            return -ENOENT;
    }
    for (unsigned i = 0; i < TAKES_MAX; i++) {
        upstream->balancer->full_count = 0;
        index = balancer_pick(upstream->balancer, targets->items, targets->count, request);
        if (index < 0)
            return upstream->balancer->full_count > 0 ? -EBUSY : index;
        if (target_use_try(use, targets->items[index].target, targets->items[index].max_requests))
            return 0;
    }
    return -EBUSY;
}

int upstream_take(struct upstream *upstream, const struct target *target, struct target_use *use)
{
    const struct upstream_targets *targets = upstream->targets;
    int index = target_index_of(targets->index, target);

    if (index < 0)
        return index;
    return target_use_try(use, targets->items[index].target, targets->items[index].max_requests)
               ? 0
               : -EBUSY;
}

struct target *upstream_usable_at(const struct upstream_targets *targets,
                                  const struct sockaddr_storage *address)
{
    int index = target_index_at(targets->index, address);

    return index >= 0 && upstream_target_is_usable(&targets->items[index])
               ? targets->items[index].target
               : NULL;
}

struct target *upstream_usable(const struct upstream_targets *targets, const struct target *target)
{
    int index = target ? target_index_of(targets->index, target) : -ENOENT;

    return index >= 0 && upstream_target_is_usable(&targets->items[index])
               ? targets->items[index].target
               : NULL;
}
