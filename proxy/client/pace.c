#include "proxy/client/pace.h"

/* Time left until a span that has lasted for `lasted` is `max` long. */
static uint64_t left(uint64_t max_ms, uint64_t lasted_ms)
{
    return max_ms > lasted_ms ? max_ms - lasted_ms : 0;
}

static uint64_t idle_left(const struct pace *pace, const struct pace_rule *rule)
{
    return left(rule->idle_max_ms, pace->idle_ms);
}

static uint64_t rate_left(const struct pace *pace, const struct pace_rule *rule)
{
    uint64_t rate = rule->min_bytes_per_s, paid_ms;

    if (rate == 0)
        return UINT64_MAX;
    /* the time that these bytes may take; bytes * 1000 could overflow */
    paid_ms = pace->bytes / rate * 1000 + pace->bytes % rate * 1000 / rate;
    return left(paid_ms > rule->grace_ms ? paid_ms : rule->grace_ms, pace->waited_ms);
}

void pace_look(struct pace *pace, bool waiting, uint64_t bytes, uint64_t now_ms)
{
    if (pace->waiting) {
        pace->waited_ms += now_ms - pace->looked_at_ms;
        pace->idle_ms += now_ms - pace->looked_at_ms;
    }
    if (bytes != pace->bytes)
        pace->idle_ms = 0;
    pace->bytes = bytes;
    pace->waiting = waiting;
    pace->looked_at_ms = now_ms;
}

uint64_t pace_deadline(const struct pace *pace, const struct pace_rule *rule)
{
    uint64_t idle_ms = idle_left(pace, rule), rate_ms = rate_left(pace, rule);

    if (!pace->waiting)
        return 0;
    return pace->looked_at_ms + (rate_ms < idle_ms ? rate_ms : idle_ms);
}

bool pace_is_too_slow(const struct pace *pace, const struct pace_rule *rule)
{
    return rate_left(pace, rule) < idle_left(pace, rule);
}
