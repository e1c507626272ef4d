#include "lb/target_health.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/addr.h"
#include "core/log.h"

/* Kong names a healthchecker by workspace and upstream; there is one workspace. */
#define WORKSPACE "default"

static uint64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- evidence ------------------------------------------------------------------------------ */

enum verdict_kind { VERDICT_COUNTED, VERDICT_SET, VERDICT_FORCED, VERDICT_EJECTED };

/*
 * Everything that the sentence needs in one word, so that it can be read while it changes. Texts are
 * numbered: a verdict's reason is one of these.
 */
static const char *const reasons[] = {
    "",
    "set on the control socket",
    "its probe is answered as it should be",
    "no probe was answered as it should be for the monitor's timeout",
    "its probe was refused",
    "its probe's answer has what the reversed monitor looks for",
    "its probe's answer has the receive_disable string",
    "it is not checked any more",
};

struct evidence {
    unsigned source, kind, counter, count, limit, status, reason;
};

static uint64_t pack(const struct evidence *evidence)
{
    return (uint64_t)evidence->source | (uint64_t)evidence->kind << 4 |
           (uint64_t)evidence->counter << 8 | (uint64_t)evidence->count << 12 |
           (uint64_t)evidence->limit << 20 | (uint64_t)evidence->reason << 28 |
           (uint64_t)evidence->status << 44;
}

static struct evidence unpack(uint64_t word)
{
    return (struct evidence){ .source = word & 0xf,
                              .kind = word >> 4 & 0xf,
                              .counter = word >> 8 & 0xf,
                              .count = word >> 12 & 0xff,
                              .limit = word >> 20 & 0xff,
                              .reason = word >> 28 & 0xffff,
                              .status = word >> 44 & 0xfffff };
}

static unsigned reason_number(const char *text)
{
    for (unsigned i = 1; text && i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (strcmp(reasons[i], text) == 0)
            return i;
    return 0;
}

static void why_counted(const struct evidence *evidence, char *into, size_t size)
{
    static const char *const kinds[2][HEALTH_COUNTERS] = {
        { "good answers to requests", "answers to requests with a status that counts as a failure",
          "requests failed with TCP or TLS", "requests timed out" },
        { "good probes", "probes answered with a status that counts as a failure",
          "probes failed with TCP or TLS", "probes timed out" },
    };
    bool is_probe = evidence->source == HEALTH_BY_MONITOR;
    size_t length = (size_t)snprintf(into, size, "%u %s (limit %u)", evidence->count,
                                     kinds[is_probe][evidence->counter], evidence->limit);

    if (length >= size)
        return;
    if (evidence->status > 0) {
        (void)snprintf(into + length, size - length, ", the last with status %u", evidence->status);
    } else if (evidence->reason != END_OK && evidence->reason < END_REASON_COUNT) {
        (void)snprintf(into + length, size - length, ", the last: %s",
                       end_reason_info((enum end_reason)evidence->reason)->name);
    }
}

static void why_ejected(const struct evidence *evidence, char *into, size_t size)
{
    if (evidence->count > 0)
        (void)snprintf(into, size, "ejected: %u%% of its requests failed", evidence->count);
    else if (evidence->status > 0)
        (void)snprintf(into, size, "ejected: it answers after %u ms, much later than the others",
                       evidence->status);
    else
        (void)snprintf(into, size, "its ejection is over");
}

enum health_source target_health_source(const struct target *target)
{
    return (enum health_source)unpack(atomic_load_explicit(&target->evidence, memory_order_relaxed))
        .source;
}

char *target_health_why(const struct target *target, char *into, size_t size)
{
    struct evidence evidence =
        unpack(atomic_load_explicit(&target->evidence, memory_order_relaxed));

    switch (evidence.source == HEALTH_BY_NOBODY ? VERDICT_SET : (enum verdict_kind)evidence.kind) {
    case VERDICT_COUNTED:
        why_counted(&evidence, into, size);
        break;
    case VERDICT_SET:
        (void)snprintf(into, size, "%s", reasons[evidence.reason]);
        break;
    case VERDICT_FORCED:
        (void)snprintf(into, size, "%s on the control socket",
                       evidence.count == HEALTH_AUTO ? "no longer forced" : "forced");
        break;
    case VERDICT_EJECTED:
        why_ejected(&evidence, into, size);
        break;
    }
    return into;
}

/* ---- telling ------------------------------------------------------------------------------- */

/* "hostname(ip:port)", as Kong has it. */
static const char *kong_name(const struct target *target, char *into, size_t size)
{
    char address[ADDR_TEXT_MAX];
    struct slice host = slice_of(target->name), port;

    (void)addr_split_host_port(slice_of(target->name), &host, &port); /* else as it is */
    (void)snprintf(into, size, "%.*s(%s)", SLICE_ARG(host),
                   addr_format(&target->address, address, sizeof(address)));
    return into;
}

static const char *upstream_of(const struct target *target)
{
    return target->upstream ? target->upstream : "";
}

static void log_increment(const struct target *target, const struct health_report *report,
                          unsigned count)
{
    char name[384];

    if (!log_level_is_on(LOG_LEVEL_WARN))
        return;
    log_error(LOG_LEVEL_WARN, "[healthcheck] (" WORKSPACE ":%s) %s %s increment (%u/%u) for '%s'",
              upstream_of(target), report->counter == HEALTH_SUCCESS ? "healthy" : "unhealthy",
              health_counter_text(report->counter), count, report->rules->limits[report->counter],
              kong_name(target, name, sizeof(name)));
}

static void log_change(const struct target *target, uint64_t word)
{
    char address[ADDR_TEXT_MAX], why[256];
    bool is_usable = health_word_is_usable(word);

    log_error(is_usable ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARN,
              "target %s (%s) of upstream %s is %s now: %s", target->name ? target->name : "",
              addr_format(&target->address, address, sizeof(address)), upstream_of(target),
              health_word_text(word), target_health_why(target, why, sizeof(why)));
}

/* By the one whose word made the difference. */
static void note_change(struct target *target, uint64_t word, const struct evidence *evidence)
{
    bool is_usable = health_word_is_usable(word);

    atomic_store_explicit(&target->evidence, pack(evidence), memory_order_relaxed);
    atomic_store_explicit(&target->health_since_us, now_us(), memory_order_relaxed);
    atomic_fetch_add_explicit(is_usable ? &target->times_up : &target->times_down, 1,
                              memory_order_relaxed);
    if (is_usable)
        target_note_up(target);
    log_change(target, word);
    if (!target->board)
        return;
    atomic_fetch_add_explicit(&target->board->changes, 1, memory_order_release);
    if (target->board->on_change)
        target->board->on_change(target->board->owner);
}

/* ---- changing ------------------------------------------------------------------------------ */

struct change {
    enum verdict_kind kind;
    const struct health_report *report;
    const struct health_verdict *verdict;
    enum health_forced forced;
    bool is_ejected;
};

static uint64_t next_word(const struct change *change, uint64_t word)
{
    switch (change->kind) {
    case VERDICT_COUNTED:
        return health_word_count(word, change->report->counter,
                                 change->report->rules->limits[change->report->counter]);
    case VERDICT_SET:
        return health_word_disable(health_word_set(word, change->verdict->is_healthy),
                                   change->verdict->is_disabled);
    case VERDICT_FORCED:
        return health_word_force(word, change->forced);
    case VERDICT_EJECTED:
        return health_word_eject(word, change->is_ejected);
    }
    return word;
}

/* Returns the word before; *ret_after the one in force. */
static uint64_t put_in_force(struct target *target, const struct change *change,
                             uint64_t *ret_after)
{
    uint64_t before = target_health_word(target);

    do {
        *ret_after = next_word(change, before);
        if (*ret_after == before)
            return before;
    } while (!atomic_compare_exchange_weak_explicit(&target->health, &before, *ret_after,
                                                    memory_order_relaxed, memory_order_relaxed));
    return before;
}

static bool is_change(uint64_t before, uint64_t after)
{
    return health_word_is_usable(before) != health_word_is_usable(after);
}

void target_health_report(struct target *target, const struct health_report *report)
{
    const struct change change = { .kind = VERDICT_COUNTED, .report = report };
    uint8_t limit = report->rules->limits[report->counter];
    uint64_t before, after;
    unsigned count;

    if (!health_word_counts(target_health_word(target), report->counter, limit))
        return; /* what nearly all reports come to */
    before = put_in_force(target, &change, &after);
    if (!health_word_counts(before, report->counter, limit))
        return; /* somebody else was faster */
    count = health_word_counter(after, report->counter);
    log_increment(target, report, count);
    if (is_change(before, after))
        note_change(target, after,
                    &(struct evidence){ .source = report->source,
                                        .kind = VERDICT_COUNTED,
                                        .counter = report->counter,
                                        .count = count,
                                        .limit = limit,
                                        .status = report->status,
                                        .reason = report->reason });
}

void target_health_set(struct target *target, const struct health_verdict *verdict)
{
    const struct change change = { .kind = VERDICT_SET, .verdict = verdict };
    uint64_t after, before = put_in_force(target, &change, &after);

    if (is_change(before, after))
        note_change(target, after,
                    &(struct evidence){ .source = verdict->source,
                                        .kind = VERDICT_SET,
                                        .reason = reason_number(verdict->because) });
}

void target_health_force(struct target *target, enum health_forced forced)
{
    const struct change change = { .kind = VERDICT_FORCED, .forced = forced };
    uint64_t after, before = put_in_force(target, &change, &after);
    char address[ADDR_TEXT_MAX];
    struct slice host = slice_of(target->name), port;

    if (before == after)
        return;
    (void)addr_split_host_port(slice_of(target->name), &host, &port); /* else as it is */
    log_error(LOG_LEVEL_WARN, "[healthcheck] (" WORKSPACE ":%s) %s for %.*s %s",
              upstream_of(target),
              forced == HEALTH_AUTO               ? "no state is forced any more"
              : forced == HEALTH_FORCED_HEALTHY   ? "healthy forced"
              : forced == HEALTH_FORCED_UNHEALTHY ? "unhealthy forced"
              : forced == HEALTH_FORCED_DRAIN     ? "drain forced"
                                                  : "disable forced",
              SLICE_ARG(host), addr_format(&target->address, address, sizeof(address)));
    if (is_change(before, after))
        note_change(target, after,
                    &(struct evidence){
                        .source = HEALTH_BY_HAND, .kind = VERDICT_FORCED, .count = forced });
}

void target_health_eject(struct target *target, const struct health_ejection *ejection)
{
    const struct change change = { .kind = VERDICT_EJECTED, .is_ejected = ejection->is_ejected };
    uint64_t after, before = put_in_force(target, &change, &after);

    if (is_change(before, after))
        note_change(target, after,
                    &(struct evidence){ .source = HEALTH_BY_OUTLIER,
                                        .kind = VERDICT_EJECTED,
                                        .count = ejection->percent,
                                        .status = ejection->latency_ms });
}
