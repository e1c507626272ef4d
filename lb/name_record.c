#include "lb/name_record.h"

#include <errno.h>
#include <stdlib.h>

#include "core/addr.h"
#include "core/cleanup.h"

/* The next question comes up to this part of the lifetime before its end. */
enum { REFRESH_EARLY_PART = 10 };

const char *name_outcome_text(enum name_outcome outcome)
{
    switch (outcome) {
    case NAME_UNKNOWN:
        return "no answer yet";
    case NAME_FOUND:
        return "found";
    case NAME_MISSING:
        return "NXDOMAIN";
    case NAME_EMPTY:
        return "no address";
    case NAME_SERVER_FAILURE:
        return "server failure";
    case NAME_REFUSED:
        return "refused";
    case NAME_TIMEOUT:
        return "timeout";
    case NAME_UNREACHABLE:
        return "server unreachable";
    case NAME_BAD_ANSWER:
        return "bad answer";
    case NAME_INVALID:
        return "not a host name";
    case NAME_NO_MEMORY:
        return "out of memory";
    }
    return "";
}

int name_answer_add(struct name_answer *answer, const struct name_address *address)
{
    struct name_address *grown =
        reallocarray(answer->items, answer->count + 1, sizeof(*answer->items));

    if (!grown)
        return -ENOMEM;
    answer->items = grown;
    grown[answer->count++] = *address;
    return 0;
}

int name_answer_add_gap(struct name_answer *answer, const struct name_gap *gap)
{
    struct name_gap *grown =
        reallocarray(answer->gaps, answer->gaps_count + 1, sizeof(*answer->gaps));

    if (!grown)
        return -ENOMEM;
    answer->gaps = grown;
    grown[answer->gaps_count++] = *gap;
    return 0;
}

uint64_t name_host_id(const char *host)
{
    uint64_t hash = 14695981039346656037u;

    for (; *host; host++) /* FNV-1a of the name in lower case */
        hash = (hash ^ (unsigned char)(*host | 0x20)) * 1099511628211u;
    return hash | 1;
}

void name_answer_done(struct name_answer *answer)
{
    free(answer->items);
    free(answer->gaps);
    *answer = (struct name_answer){ 0 };
}

void name_record_done(struct name_record *record)
{
    free(record->items);
    *record = (struct name_record){ 0 };
}

static size_t occurrences(const struct name_address *items, size_t count,
                          const struct name_address *wanted)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found +=
            items[i].weight == wanted->weight && addr_equal(&items[i].address, &wanted->address);
    return found;
}

static bool is_same_set(const struct name_record *record, const struct name_answer *answer)
{
    if (record->count != answer->count)
        return false;
    for (size_t i = 0; i < answer->count; i++)
        if (occurrences(record->items, record->count, &answer->items[i]) !=
            occurrences(answer->items, answer->count, &answer->items[i]))
            return false;
    return true;
}

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static uint64_t sooner(uint64_t span_ms, uint32_t random)
{
    return span_ms - random % (span_ms / REFRESH_EARLY_PART + 1);
}

static bool has_address(const struct name_answer *answer, const struct sockaddr_storage *address)
{
    for (size_t i = 0; i < answer->count; i++)
        if (addr_equal(&answer->items[i].address, address))
            return true;
    return false;
}

/* What cannot be kept for want of memory is missing until the next answer, which comes soon. */
static void fill_gap(struct name_answer *answer, const struct name_gap *gap,
                     const struct name_record *record, uint64_t still_good_ms)
{
    for (size_t i = 0; i < record->count; i++) {
        struct name_address item = record->items[i];

        if (item.host_id != gap->host_id || item.expires_at_ms <= still_good_ms)
            continue;
        addr_set_port(&item.address, gap->port);
        item.weight = gap->weight;
        if (!has_address(answer, &item.address))
            (void)name_answer_add(answer, &item);
    }
}

static bool take_addresses(struct name_record *record, struct name_answer *answer,
                           const struct name_rules *rules, uint64_t now_ms, uint32_t random)
{
    uint64_t ttl_ms = rules->valid_ms;
    uint64_t ended_before_ms = now_ms > rules->stale_ms ? now_ms - rules->stale_ms : 0;
    bool is_changed;

    if (ttl_ms == 0)
        ttl_ms = clamp((uint64_t)answer->ttl_s * 1000, rules->ttl_min_ms, rules->ttl_max_ms);
    record->answered_at_ms = now_ms;
    record->expires_at_ms = answer->type == DNS_NONE ? NAME_NEVER : now_ms + ttl_ms;
    for (size_t i = 0; i < answer->count; i++)
        answer->items[i].expires_at_ms = record->expires_at_ms;
    for (size_t i = 0; i < answer->gaps_count; i++)
        fill_gap(answer, &answer->gaps[i], record, ended_before_ms);
    if (answer->gaps_count > 0 && rules->error_ms < ttl_ms)
        ttl_ms = rules->error_ms;
    record->next_at_ms = answer->type == DNS_NONE ? NAME_NEVER : now_ms + sooner(ttl_ms, random);
    is_changed = !is_same_set(record, answer);
    free(record->items);
    record->items = TAKE(answer->items);
    record->count = answer->count;
    record->gaps_count = answer->gaps_count;
    return is_changed;
}

/* An error says nothing about the name: what is known of it stays as long as it may. NXDOMAIN and
 * an empty answer do say something. */
static bool take_failure(struct name_record *record, const struct name_answer *answer,
                         const struct name_rules *rules, uint64_t now_ms, uint32_t random)
{
    bool is_negative = answer->outcome == NAME_MISSING || answer->outcome == NAME_EMPTY;
    uint64_t wait_ms = is_negative ? rules->not_found_ms : rules->error_ms;
    bool had_addresses = record->count > 0;

    record->next_at_ms = now_ms + sooner(wait_ms, random);
    if (!is_negative && had_addresses && now_ms < name_record_end_ms(record, rules))
        return false;
    free(TAKE(record->items));
    record->count = 0;
    return had_addresses || record->last != answer->outcome;
}

bool name_record_take(struct name_record *record, struct name_answer *answer,
                      const struct name_rules *rules, uint64_t now_ms, uint32_t random)
{
    bool is_changed = answer->outcome == NAME_FOUND
                          ? take_addresses(record, answer, rules, now_ms, random)
                          : take_failure(record, answer, rules, now_ms, random);

    record->last = answer->outcome;
    record->server = answer->server;
    if (answer->outcome == NAME_FOUND)
        record->type = answer->type;
    record->version += is_changed;
    name_answer_done(answer);
    return is_changed;
}

uint64_t name_record_end_ms(const struct name_record *record, const struct name_rules *rules)
{
    if (record->count == 0 || record->expires_at_ms == NAME_NEVER)
        return NAME_NEVER;
    return record->expires_at_ms + rules->stale_ms;
}

/* Only after failures: while the first question after the end is still open, the addresses are used
 * on rather than none. */
bool name_record_expire(struct name_record *record, const struct name_rules *rules, uint64_t now_ms)
{
    if (record->last == NAME_FOUND || now_ms < name_record_end_ms(record, rules))
        return false;
    free(TAKE(record->items));
    record->count = 0;
    record->version++;
    return true;
}
