#include "lb/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"

struct upstream {
    struct upstream_targets *targets; /* borrowed */
    struct balancer *balancer;
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
    for (size_t i = 0; i < options->addresses_count; i++) {
        struct target *target = &targets->items[targets->count];

        target->address = options->addresses[i];
        addr_set_port(&target->address, options->port);
        target->weight = options->weight;
        target->name = name_of(options);
        if (!target->name)
            return -ENOMEM;
        targets->count++;
    }
    return 0;
}

struct upstream_targets *upstream_targets_create(const struct upstream_options *options)
{
    struct upstream_targets *targets = calloc(1, sizeof(*targets));
    size_t count = 0;

    if (!targets)
        return NULL;
    for (size_t i = 0; i < options->targets_count; i++)
        count += options->targets[i].addresses_count;
    targets->name = strdup(options->name);
    targets->items = aligned_alloc(TARGET_ALIGN, (count > 0 ? count : 1) * sizeof(struct target));
    if (!targets->name || !targets->items)
        goto fail;
    memset(targets->items, 0, count * sizeof(struct target)); /* healthy, nothing in flight */
    for (size_t i = 0; i < options->targets_count; i++) {
        if (add_addresses(targets, &options->targets[i]) < 0)
            goto fail;
    }
    return targets;
fail:
    upstream_targets_free(targets);
    return NULL;
}

void upstream_targets_free(struct upstream_targets *targets)
{
    if (!targets)
        return;
    for (size_t i = 0; i < targets->count; i++)
        free(targets->items[i].name);
    free(targets->items);
    free(targets->name);
    free(targets);
}

struct upstream *upstream_create(struct upstream_targets *targets, uint64_t seed)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));

    if (!upstream)
        return NULL;
    upstream->targets = targets;
    upstream->balancer = balancer_create_round_robin(targets->items, targets->count, seed);
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

const struct upstream_targets *upstream_targets_of(const struct upstream *upstream)
{
    return upstream->targets;
}

int upstream_pick(struct upstream *upstream, const struct balancer_request *request,
                  struct target_use *use)
{
    struct upstream_targets *targets = upstream->targets;
    int index = balancer_pick(upstream->balancer, targets->items, targets->count, request);

    if (index < 0)
        return index;
    target_use_begin(use, &targets->items[index]);
    return 0;
}
