/* Host names: what the resolver learns becomes target sets of the newest configuration. */
#include <stdlib.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "lb/resolver.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/snapshot/name_settings.h"
#include "proxy/snapshot/service_plan.h"
#include "proxy/worker/worker.h"

/* At most 20 changes a second reach the workers: names change in groups. What there was no memory for
 * is tried again a little later. */
enum { PUBLISH_INTERVAL_MS = 50, PUBLISH_AGAIN_MS = 500 };

/* What one worker gets. What it does not take is let go by the sender. */
struct delivery {
    const struct snapshot *snapshot;
    const size_t *services; /* indexes */
    struct worker_upstream **upstreams;
    size_t count;
};

bool gateway_configure_names(struct gateway *gateway, const struct snapshot *snapshot)
{
    struct resolver_options options;

    return name_settings_read(snapshot->settings, &options, &gateway->errors) == 0 &&
           resolver_configure(gateway->hop.resolver, &options) == 0;
}

static void take_delivery(struct worker *worker, void *argument)
{
    struct delivery *delivery = argument;

    if (worker->draining || worker->newest->snapshot != delivery->snapshot)
        return;
    for (size_t i = 0; i < delivery->count; i++) {
        struct destination *destination = &worker->newest->destinations[delivery->services[i]];
        struct worker_upstream *former = destination->present;

        destination->present = TAKE(delivery->upstreams[i]);
        former->is_replaced = true;
        worker_upstream_release(former, worker);
    }
}

static void deliver(struct gateway *gateway, const struct delivery *all)
{
    for (unsigned i = 0; i < gateway->workers_started; i++) {
        struct delivery delivery = *all;

        delivery.upstreams += all->count * i;
        /* a worker that has ended needs none */
        (void)worker_call(&gateway->workers[i], take_delivery, &delivery);
    }
}

static size_t collect_outdated(const struct snapshot *snapshot, size_t *services)
{
    size_t count = 0;

    for (size_t i = 0; i < snapshot->config->services_count; i++)
        if (service_plan_is_outdated(&snapshot->services[i]))
            services[count++] = i;
    return count;
}

/* For service number `index` of the delivery: a set, and a worker_upstream on it for each worker. */
static struct target_set *prepare(struct gateway *gateway, const struct delivery *delivery,
                                  size_t index)
{
    const struct service_plan *plan = &delivery->snapshot->services[delivery->services[index]];
    struct target_set *set = service_plan_make_set(plan, gateway->hop.targets);
    struct timespec now;
    bool done = set != NULL;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    for (unsigned i = 0; done && i < gateway->workers_started; i++) {
        struct worker_upstream **upstream = &delivery->upstreams[delivery->count * i + index];

        *upstream = worker_upstream_create(set, (uint64_t)now.tv_nsec * 31 + i);
        done = *upstream != NULL;
    }
    return set; /* what misses an upstream shows in the delivery */
}

static bool is_complete(const struct gateway *gateway, const struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->count * gateway->workers_started; i++)
        if (!delivery->upstreams[i])
            return false;
    return true;
}

/* All or nothing. False: nothing, for want of memory. */
static bool publish(struct gateway *gateway, struct delivery *delivery)
{
    struct target_set **sets = calloc(delivery->count + 1, sizeof(struct target_set *));
    struct service_plan *plans = delivery->snapshot->services;
    bool done = sets != NULL;

    for (size_t i = 0; done && i < delivery->count; i++) {
        sets[i] = prepare(gateway, delivery, i);
        done = sets[i] != NULL;
    }
    done = done && is_complete(gateway, delivery);
    for (size_t i = 0; done && i < delivery->count; i++)
        done = target_set_mark_vanished(plans[delivery->services[i]].set, sets[i]);
    for (size_t i = 0; done && i < delivery->count; i++)
        service_plan_take_set(&plans[delivery->services[i]], &sets[i]);
    /* one may have vanished from one service only; and what was marked in vain is in force still */
    gateway_mark_targets(delivery->snapshot);
    if (done) {
        deliver(gateway, delivery);
        gateway_switch_monitors(gateway);
    }
    if (!done)
        log_error(LOG_LEVEL_CRIT,
                  "no memory for the new addresses of %zu services: the former "
                  "ones stay in use",
                  delivery->count);
    for (size_t i = 0; i < delivery->count * gateway->workers_started; i++)
        worker_upstream_release(delivery->upstreams[i], NULL);
    for (size_t i = 0; sets && i < delivery->count; i++)
        target_set_free(sets[i]);
    free(sets);
    return done;
}

/* False: no memory, to be tried again. */
static bool publish_changes(struct gateway *gateway)
{
    struct snapshot *snapshot = gateway_newest(gateway);
    size_t *services = calloc(snapshot->config->services_count + 1, sizeof(*services));
    struct delivery delivery = { .snapshot = snapshot, .services = services };
    bool done;

    if (!services)
        return false;
    delivery.count = collect_outdated(snapshot, services);
    delivery.upstreams =
        calloc(delivery.count * gateway->workers_started + 1, sizeof(struct worker_upstream *));
    done = delivery.upstreams && (delivery.count == 0 || publish(gateway, &delivery));
    free(delivery.upstreams);
    free(services);
    return done;
}

/* Sets that no exchange uses any more. */
void gateway_free_old_target_sets(struct gateway *gateway)
{
    struct snapshot *snapshot = gateway_newest(gateway);

    for (size_t i = 0; i < snapshot->config->services_count; i++)
        target_set_free_older(snapshot->services[i].set);
}

void gateway_follow_names(struct gateway *gateway)
{
    struct resolver *resolver = gateway->hop.resolver;
    uint64_t now_ms = clock_now_ms();

    resolver_process(resolver);
    if (resolver_version(resolver) == gateway->names_version || now_ms < gateway->publish_at_ms ||
        gateway->draining)
        return;
    if (publish_changes(gateway)) {
        gateway->names_version = resolver_version(resolver);
        gateway->publish_at_ms = now_ms + PUBLISH_INTERVAL_MS;
    } else {
        gateway->publish_at_ms = now_ms + PUBLISH_AGAIN_MS;
    }
    gateway_free_old_target_sets(gateway);
}

int gateway_names_timeout_ms(const struct gateway *gateway)
{
    int wait_ms = resolver_timeout_ms(gateway->hop.resolver), left_ms;
    uint64_t now_ms = clock_now_ms();

    if (resolver_version(gateway->hop.resolver) == gateway->names_version || gateway->draining)
        return wait_ms;
    left_ms = gateway->publish_at_ms > now_ms ? (int)(gateway->publish_at_ms - now_ms) : 0;
    return wait_ms < 0 || wait_ms > left_ms ? left_ms : wait_ms;
}
