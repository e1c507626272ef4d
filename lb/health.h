/*
 * health: what is held of one target's health, packed in one word, and how it changes.
 *
 * Role    Kong's healthchecker (lua-resty-healthcheck 3) as pure functions: a word and a report give
 *         the next word; forced states, ejection and a monitor's "disabled" stand beside it
 * Owns    nothing
 * Thread  any: lb/target_health puts words in force by compare-and-swap
 *
 *   HEALTHY <--> MOSTLY_HEALTHY --> UNHEALTHY <--> MOSTLY_UNHEALTHY --> HEALTHY
 *
 * Four counters, which reports of active and passive checks share: successes, and three kinds of
 * failure, each against a limit of its own. A counted success clears the failures, a counted failure
 * clears the successes. A limit of 0 counts nothing, so with passive successes at 0 (Kong's default)
 * failures add up for ever. A success of a HEALTHY target and a failure of an UNHEALTHY one are not
 * counted. The first failure below its limit makes MOSTLY_HEALTHY, the limit makes UNHEALTHY. Only
 * whether a target gets requests matters outside.
 *
 * A word of 0 is a healthy target that nobody forces.
 */
#ifndef LB_HEALTH_H
#define LB_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

enum health_state {
    HEALTH_HEALTHY,
    HEALTH_MOSTLY_HEALTHY,
    HEALTH_MOSTLY_UNHEALTHY,
    HEALTH_UNHEALTHY,
};

/* In Kong's words: its log says SUCCESS, HTTP, TCP, TIMEOUT. */
enum health_counter {
    HEALTH_SUCCESS,
    HEALTH_HTTP, /* an answer with a status that counts as a failure */
    HEALTH_TCP,
    HEALTH_TIMEOUT,
    HEALTH_COUNTERS
};

/* What an operator says; it holds until he says AUTO. */
enum health_forced {
    HEALTH_AUTO,
    HEALTH_FORCED_HEALTHY,
    HEALTH_FORCED_UNHEALTHY,
    HEALTH_FORCED_DRAIN,   /* what runs may end, idle connections stay; nothing new */
    HEALTH_FORCED_DISABLE, /* nothing new, idle connections are closed */
    HEALTH_FORCED_COUNT
};

/*
 * Bits 0-1 enum health_state, 2 ejected, 3 disabled by its monitor, 4-6 enum health_forced, 8-39 the
 * counters with eight bits each, 40-63 how often it became usable or unusable.
 */
#define HEALTH_STATE_MASK    UINT64_C(0x3)
#define HEALTH_BAD_STATE     UINT64_C(0x2) /* set in both unhealthy states */
#define HEALTH_EJECTED       UINT64_C(0x4)
#define HEALTH_DISABLED      UINT64_C(0x8)
#define HEALTH_FORCED_SHIFT  4
#define HEALTH_FORCED_MASK   (UINT64_C(0x7) << HEALTH_FORCED_SHIFT)
#define HEALTH_COUNTER_SHIFT 8
#define HEALTH_COUNTERS_MASK (UINT64_C(0xffffffff) << HEALTH_COUNTER_SHIFT)
#define HEALTH_CHANGES_SHIFT 40

enum { HEALTH_LIMIT_MAX = 255, HEALTH_STATUS_MAX = 999 };

static inline enum health_state health_word_state(uint64_t word)
{
    return (enum health_state)(word & HEALTH_STATE_MASK);
}

static inline enum health_forced health_word_forced(uint64_t word)
{
    return (enum health_forced)((word & HEALTH_FORCED_MASK) >> HEALTH_FORCED_SHIFT);
}

static inline unsigned health_word_counter(uint64_t word, enum health_counter counter)
{
    return (unsigned)(word >> (HEALTH_COUNTER_SHIFT + 8 * (unsigned)counter)) & 0xff;
}

/* Grows by one with each change of health_word_is_usable; wraps at 2^24. */
static inline uint32_t health_word_changes(uint64_t word)
{
    return (uint32_t)(word >> HEALTH_CHANGES_SHIFT);
}

/* May it get a request? On every pick, so one test for almost all. */
static inline bool health_word_is_usable(uint64_t word)
{
    return (word & (HEALTH_BAD_STATE | HEALTH_EJECTED | HEALTH_DISABLED | HEALTH_FORCED_MASK)) ==
               0 ||
           health_word_forced(word) == HEALTH_FORCED_HEALTHY;
}

/* An operator or its monitor took it out on purpose: no panic brings it back. */
static inline bool health_word_is_withdrawn(uint64_t word)
{
    return (word & HEALTH_DISABLED && health_word_forced(word) == HEALTH_AUTO) ||
           health_word_forced(word) >= HEALTH_FORCED_UNHEALTHY;
}

/* ---- rules --------------------------------------------------------------------------------- */

struct health_statuses {
    uint64_t bits[HEALTH_STATUS_MAX / 64 + 1];
};

static inline void health_statuses_add(struct health_statuses *statuses, unsigned status)
{
    statuses->bits[status / 64] |= UINT64_C(1) << status % 64;
}

static inline bool health_statuses_have(const struct health_statuses *statuses, unsigned status)
{
    return status <= HEALTH_STATUS_MAX && (statuses->bits[status / 64] >> status % 64 & 1);
}

/* Of active or of passive checks. */
struct health_rules {
    uint8_t limits[HEALTH_COUNTERS]; /* 0: such reports do not count */
    struct health_statuses healthy, unhealthy;
};

/* What an answer's status counts as; 0 is an answer without one. False: as nothing. */
bool health_rules_judge(const struct health_rules *rules, unsigned status,
                        enum health_counter *ret_counter);

/* Can a report of failure change anything? */
bool health_rules_can_fail(const struct health_rules *rules);

/* ---- changes ------------------------------------------------------------------------------- */

/* A report against its limit. Changes nothing when it does not count. */
uint64_t health_word_count(uint64_t word, enum health_counter counter, uint8_t limit);

/* True when health_word_count would count it. */
bool health_word_counts(uint64_t word, enum health_counter counter, uint8_t limit);

/* As Kong's PUT .../healthy and .../unhealthy: counters are cleared; later reports may change it. */
uint64_t health_word_set(uint64_t word, bool is_healthy);

uint64_t health_word_force(uint64_t word, enum health_forced forced);
uint64_t health_word_eject(uint64_t word, bool is_ejected);
uint64_t health_word_disable(uint64_t word, bool is_disabled);

/* "healthy", "unhealthy", "ejected", "disabled", "drain"; the forced ones: "healthy (forced)" ... */
const char *health_word_text(uint64_t word);

/* "auto", "healthy", "unhealthy", "drain", "disable"; false: none of them. */
bool health_forced_parse(const char *text, enum health_forced *ret_forced);

const char *health_counter_text(enum health_counter counter); /* "TCP" */

#endif
