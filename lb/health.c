#include "lb/health.h"

#include <stddef.h>
#include <string.h>

static const char *const forced_words[HEALTH_FORCED_COUNT] = {
    [HEALTH_AUTO] = "auto",
    [HEALTH_FORCED_HEALTHY] = "healthy",
    [HEALTH_FORCED_UNHEALTHY] = "unhealthy",
    [HEALTH_FORCED_DRAIN] = "drain",
    [HEALTH_FORCED_DISABLE] = "disable",
};

/* ---- rules --------------------------------------------------------------------------------- */

bool health_rules_judge(const struct health_rules *rules, unsigned status,
                        enum health_counter *ret_counter)
{
    if (health_statuses_have(&rules->healthy, status)) {
        *ret_counter = HEALTH_SUCCESS;
        return true;
    }
    if (status == 0 || health_statuses_have(&rules->unhealthy, status)) {
        *ret_counter = HEALTH_HTTP;
        return true;
    }
    return false;
}

bool health_rules_can_fail(const struct health_rules *rules)
{
    return rules->limits[HEALTH_HTTP] > 0 || rules->limits[HEALTH_TCP] > 0 ||
           rules->limits[HEALTH_TIMEOUT] > 0;
}

/* ---- changes ------------------------------------------------------------------------------- */

/* Every new word passes here, so that no change of usability goes uncounted. */
static uint64_t finish(uint64_t before, uint64_t word)
{
    if (health_word_is_usable(before) != health_word_is_usable(word))
        word += UINT64_C(1) << HEALTH_CHANGES_SHIFT; /* what leaves at the top is gone */
    return word;
}

static uint64_t with_state(uint64_t word, enum health_state state)
{
    return (word & ~HEALTH_STATE_MASK) | (uint64_t)state;
}

static uint64_t counter_mask(enum health_counter counter)
{
    return UINT64_C(0xff) << (HEALTH_COUNTER_SHIFT + 8 * (unsigned)counter);
}

bool health_word_counts(uint64_t word, enum health_counter counter, uint8_t limit)
{
    enum health_state state = health_word_state(word);

    return limit > 0 && state != (counter == HEALTH_SUCCESS ? HEALTH_HEALTHY : HEALTH_UNHEALTHY);
}

uint64_t health_word_count(uint64_t word, enum health_counter counter, uint8_t limit)
{
    enum health_state state = health_word_state(word);
    uint64_t before = word, success = counter_mask(HEALTH_SUCCESS);
    unsigned count = health_word_counter(word, counter);

    if (!health_word_counts(word, counter, limit))
        return word;
    count += count < HEALTH_LIMIT_MAX;
    word = (word & ~counter_mask(counter)) | (uint64_t)count
                                                 << (HEALTH_COUNTER_SHIFT + 8 * (unsigned)counter);
    if (counter == HEALTH_SUCCESS)
        word &= ~(HEALTH_COUNTERS_MASK & ~success);
    else
        word &= ~success;
    if (count >= limit)
        word = with_state(word, counter == HEALTH_SUCCESS ? HEALTH_HEALTHY : HEALTH_UNHEALTHY);
    else if (state == HEALTH_HEALTHY)
        word = with_state(word, HEALTH_MOSTLY_HEALTHY);
    else if (state == HEALTH_UNHEALTHY)
        word = with_state(word, HEALTH_MOSTLY_UNHEALTHY);
    return finish(before, word);
}

uint64_t health_word_set(uint64_t word, bool is_healthy)
{
    uint64_t cleared = word & ~(HEALTH_COUNTERS_MASK | HEALTH_DISABLED | HEALTH_EJECTED);

    return finish(word, with_state(cleared, is_healthy ? HEALTH_HEALTHY : HEALTH_UNHEALTHY));
}

uint64_t health_word_force(uint64_t word, enum health_forced forced)
{
    return finish(word, (word & ~HEALTH_FORCED_MASK) | (uint64_t)forced << HEALTH_FORCED_SHIFT);
}

uint64_t health_word_eject(uint64_t word, bool is_ejected)
{
    return finish(word, is_ejected ? word | HEALTH_EJECTED : word & ~HEALTH_EJECTED);
}

uint64_t health_word_disable(uint64_t word, bool is_disabled)
{
    return finish(word, is_disabled ? word | HEALTH_DISABLED : word & ~HEALTH_DISABLED);
}

/* ---- texts --------------------------------------------------------------------------------- */

const char *health_word_text(uint64_t word)
{
    switch (health_word_forced(word)) {
    case HEALTH_FORCED_HEALTHY:
        return "healthy (forced)";
    case HEALTH_FORCED_UNHEALTHY:
        return "unhealthy (forced)";
    case HEALTH_FORCED_DRAIN:
        return "drain (forced)";
    case HEALTH_FORCED_DISABLE:
        return "disabled (forced)";
    case HEALTH_AUTO:
    case HEALTH_FORCED_COUNT:
        break;
    }
    if (word & HEALTH_BAD_STATE)
        return "unhealthy";
    if (word & HEALTH_DISABLED)
        return "disabled";
    return word & HEALTH_EJECTED ? "ejected" : "healthy";
}

bool health_forced_parse(const char *text, enum health_forced *ret_forced)
{
    for (size_t i = 0; i < HEALTH_FORCED_COUNT; i++) {
        if (strcmp(forced_words[i], text) == 0) {
            *ret_forced = (enum health_forced)i;
            return true;
        }
    }
    return false;
}

const char *health_counter_text(enum health_counter counter)
{
    static const char *const texts[HEALTH_COUNTERS] = {
        [HEALTH_SUCCESS] = "SUCCESS",
        [HEALTH_HTTP] = "HTTP",
        [HEALTH_TCP] = "TCP",
        [HEALTH_TIMEOUT] = "TIMEOUT",
    };

    return texts[counter];
}
