#include "proxy/report/metrics_targets.h"

#include <string.h>

#include "core/addr.h"
#include "lb/monitor_probe.h"
#include "proxy/report/metrics_text.h"
#include "proxy/snapshot/service_plan.h"
#include "proxy/snapshot/snapshot.h"

/* A page must stay one that a scraper takes. */
enum { TARGETS_MAX = 5000 };

/* An address of a target; item NULL: the target has none. */
struct place {
    const struct config_upstream *upstream;
    const struct config_target *target;
    const struct service_plan *plan;
    const struct upstream_target *item;
    char address[ADDR_TEXT_MAX];
};

typedef void put_place(struct metrics_text *text, const struct place *place);

/* A service that leads to it has looked up its targets. NULL: nobody uses the upstream. */
static const struct service_plan *plan_of(const struct snapshot *snapshot,
                                          const struct config_upstream *upstream)
{
    for (size_t i = 0; i < snapshot->config->services_count; i++)
        if (snapshot->config->services[i].upstream == upstream)
            return &snapshot->services[i];
    return NULL;
}

/* Returns how many places there are, at least one. */
static size_t put_addresses(struct metrics_text *text, struct place *place, put_place *put)
{
    const struct upstream_targets *targets = place->plan->set->targets;
    size_t found = 0;

    for (size_t i = 0; i < targets->count; i++) {
        if (strcmp(targets->items[i].target->name, place->target->target) != 0)
            continue;
        place->item = &targets->items[i];
        addr_format(&place->item->target->address, place->address, sizeof(place->address));
        put(text, place);
        found++;
    }
    if (found > 0)
        return found;
    place->item = NULL;
    place->address[0] = '\0';
    put(text, place);
    return 1;
}

static void each_place(struct metrics_text *text, const struct snapshot *snapshot, put_place *put)
{
    size_t count = 0;

    for (size_t i = 0; i < snapshot->config->upstreams_count; i++) {
        struct place place = { .upstream = &snapshot->config->upstreams[i] };

        place.plan = plan_of(snapshot, place.upstream);
        for (size_t k = 0; place.plan && k < place.upstream->targets_count && count < TARGETS_MAX;
             k++) {
            place.target = &place.upstream->targets[k];
            count += put_addresses(text, &place, put);
        }
    }
}

static const char *state_of(const struct place *place)
{
    if (!place->item)
        return "dns_error";
    if (!target_is_usable(place->item->target))
        return "unhealthy";
    return place->plan->health.is_checked && place->item->weight > 0 ? "healthy"
                                                                     : "healthchecks_off";
}

static void put_state(struct metrics_text *text, const struct place *place)
{
    static const char *const states[] = { "healthchecks_off", "healthy", "unhealthy", "dns_error" };
    const char *state = state_of(place);

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        metrics_text_sample(text,
                            METRICS_LABELS({ "upstream", place->upstream->name },
                                           { "target", place->target->target },
                                           { "address", place->address }, { "state", states[i] },
                                           { "subsystem", "http" }),
                            strcmp(state, states[i]) == 0);
}

static void put_count(struct metrics_text *text, const struct place *place,
                      const struct metrics_label *label, uint64_t count)
{
    metrics_text_sample(text,
                        METRICS_LABELS({ "upstream", place->upstream->name },
                                       { "target", place->target->target },
                                       { "address", place->address }, *label),
                        count);
}

static void put_changes(struct metrics_text *text, const struct place *place)
{
    if (!place->item)
        return;
    put_count(text, place, &(struct metrics_label){ "to", "usable" },
              atomic_load_explicit(&place->item->target->times_up, memory_order_relaxed));
    put_count(text, place, &(struct metrics_label){ "to", "unusable" },
              atomic_load_explicit(&place->item->target->times_down, memory_order_relaxed));
}

static void put_probes(struct metrics_text *text, const struct place *place)
{
    if (!place->item || !place->plan->health.is_monitored)
        return;
    for (size_t i = 0; i < MONITOR_RESULTS; i++)
        put_count(text, place,
                  &(struct metrics_label){ "result", monitor_result_text((enum monitor_result)i) },
                  atomic_load_explicit(&place->item->target->probes[i], memory_order_relaxed));
}

void metrics_targets_put(struct metrics_text *text, const struct snapshot *snapshot)
{
    metrics_text_family(text, "kong_upstream_target_health", METRICS_TYPE_GAUGE,
                        "Health status of targets of upstream. States = "
                        "healthchecks_off|healthy|unhealthy|dns_error, value is 1 when state is "
                        "populated.");
    each_place(text, snapshot, put_state);
    metrics_text_family(text, "hopgate_target_health_transitions_total", METRICS_TYPE_COUNTER,
                        "How often the target became usable or unusable");
    each_place(text, snapshot, put_changes);
    metrics_text_family(text, "hopgate_target_probes_total", METRICS_TYPE_COUNTER,
                        "Probes of the target by result");
    each_place(text, snapshot, put_probes);
}
