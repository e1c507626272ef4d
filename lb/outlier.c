#include "lb/outlier.h"

#include <stdbool.h>

#include "lb/target_health.h"
#include "lb/target_latency.h"

/* Sums over those who had enough requests to be compared. */
struct sums {
    uint64_t latency_us;
    size_t latency_count;
    size_t ejected_count;
};

/* Workers go on counting: all that is judged is read once. */
static void take_figures(struct target *target, uint64_t now_ms)
{
    target->looked_requests = atomic_load_explicit(&target->requests, memory_order_relaxed);
    target->looked_failures = atomic_load_explicit(&target->failures, memory_order_relaxed);
    target->looked_latency_us = target_latency_us(target, now_ms * 1000);
}

static bool is_ejected(const struct target *target)
{
    return target_health_word(target) & HEALTH_EJECTED;
}

static size_t room(const struct outlier_options *options, size_t count)
{
    size_t allowed = count * options->ejected_max_percent / 100;

    if (count < 2)
        return 0;
    return allowed > 0 ? allowed : 1;
}

static void let_in(struct target *target, uint64_t now_ms)
{
    if (now_ms >= atomic_load_explicit(&target->ejected_until_ms, memory_order_relaxed))
        target_health_eject(target, &(struct health_ejection){ .is_ejected = false });
}

/* Who behaves between two looks lives an ejection down. */
static void live_down(struct target *target)
{
    uint32_t ejections = atomic_load_explicit(&target->ejections, memory_order_relaxed);

    if (ejections > 0)
        atomic_store_explicit(&target->ejections, ejections - 1, memory_order_relaxed);
}

static struct sums sum_up(const struct outlier_options *options,
                          const struct outlier_targets *targets, uint64_t now_ms)
{
    struct sums sums = { 0 };

    for (size_t i = 0; i < targets->count; i++) {
        struct target *target = targets->at(targets->owner, i);

        take_figures(target, now_ms);
        if (is_ejected(target))
            let_in(target, now_ms);
        sums.ejected_count += is_ejected(target);
        if (target->looked_latency_us == 0 || target->looked_requests < options->requests_min)
            continue;
        sums.latency_us += target->looked_latency_us;
        sums.latency_count++;
    }
    return sums;
}

/* False: it does as well as the others. */
static bool judge(const struct outlier_options *options, const struct target *target,
                  const struct sums *sums, struct health_ejection *ret)
{
    uint32_t requests = target->looked_requests, failures = target->looked_failures;
    uint64_t latency_us = target->looked_latency_us, others;

    *ret = (struct health_ejection){ .is_ejected = true };
    if (requests == 0 || requests < options->requests_min)
        return false;
    if (options->failure_percent > 0 &&
        (uint64_t)failures * 100 >= (uint64_t)requests * options->failure_percent) {
        ret->percent = (uint32_t)((uint64_t)failures * 100 / requests);
        return true;
    }
    if (options->latency_factor <= 0 || latency_us == 0 || sums->latency_count < 2 ||
        latency_us < options->latency_min_ms * 1000)
        return false;
    others = (sums->latency_us - latency_us) / (sums->latency_count - 1);
    ret->latency_ms = (uint32_t)(latency_us / 1000);
    return (double)latency_us > options->latency_factor * (double)others;
}

static void eject(const struct outlier_options *options, struct target *target,
                  const struct health_ejection *ejection, uint64_t now_ms)
{
    uint32_t times = atomic_load_explicit(&target->ejections, memory_order_relaxed);

    if (times < OUTLIER_TIMES_MAX)
        times++;
    atomic_store_explicit(&target->ejections, times, memory_order_relaxed);
    atomic_store_explicit(&target->ejected_until_ms, now_ms + options->ejection_ms * times,
                          memory_order_relaxed);
    target_health_eject(target, ejection);
}

static void forget(struct target *target)
{
    atomic_fetch_sub_explicit(&target->requests, target->looked_requests, memory_order_relaxed);
    atomic_fetch_sub_explicit(&target->failures, target->looked_failures, memory_order_relaxed);
}

void outlier_look(const struct outlier_options *options, const struct outlier_targets *targets,
                  uint64_t now_ms)
{
    struct sums sums = sum_up(options, targets, now_ms);
    size_t allowed = room(options, targets->count);

    for (size_t i = 0; i < targets->count; i++) {
        struct target *target = targets->at(targets->owner, i);
        struct health_ejection ejection;

        if (is_ejected(target))
            continue;
        if (!target_is_usable(target) || !judge(options, target, &sums, &ejection)) {
            live_down(target);
        } else if (sums.ejected_count < allowed) {
            eject(options, target, &ejection, now_ms);
            sums.ejected_count++;
        }
    }
    for (size_t i = 0; i < targets->count; i++)
        forget(targets->at(targets->owner, i));
}
