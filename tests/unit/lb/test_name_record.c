/* The rules of caching, with a clock of the test's own. */
#include "lb/name_record.h"

#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "tests/check.h"

static const struct name_rules rules = { .ttl_min_ms = 1000,
                                         .ttl_max_ms = 100000,
                                         .stale_ms = 5000,
                                         .not_found_ms = 30000,
                                         .error_ms = 1000 };

/* Addresses at commas. */
static bool found(struct name_record *record, const struct name_rules *with, const char *addresses,
                  uint32_t ttl_s, uint64_t now_ms)
{
    struct name_answer answer = { .outcome = NAME_FOUND, .type = DNS_A, .ttl_s = ttl_s };
    char text[256], *rest = text;

    snprintf(text, sizeof(text), "%s", addresses);
    for (char *one = strtok_r(text, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
        struct name_address item = { 0 };

        CHECK_INT(addr_parse_ip(slice_of(one), 0, &item.address), 0);
        CHECK_INT(name_answer_add(&answer, &item), 0);
    }
    return name_record_take(record, &answer, with, now_ms, 0);
}

static bool failed(struct name_record *record, enum name_outcome outcome, uint64_t now_ms)
{
    struct name_answer answer = { .outcome = outcome };

    return name_record_take(record, &answer, &rules, now_ms, 0);
}

TEST(answer_lasts_for_its_time_to_live_within_the_limits)
{
    struct name_record record = { 0 };
    struct name_rules fixed = rules;

    CHECK(found(&record, &rules, "192.0.2.1", 20, 1000));
    CHECK_INT(record.expires_at_ms, 21000);
    CHECK(!name_record_is_stale(&record, 20999));
    CHECK(name_record_is_stale(&record, 21000));
    CHECK(!found(&record, &rules, "192.0.2.1", 0, 1000));
    CHECK_INT(record.expires_at_ms, 2000); /* the least */
    CHECK(!found(&record, &rules, "192.0.2.1", 86400, 1000));
    CHECK_INT(record.expires_at_ms, 101000); /* the most */
    fixed.valid_ms = 7000;
    CHECK(!found(&record, &fixed, "192.0.2.1", 20, 1000));
    CHECK_INT(record.expires_at_ms, 8000);
    name_record_done(&record);
}

TEST(next_question_comes_before_the_end_and_is_spread)
{
    uint64_t first = UINT64_MAX, last = 0;

    for (uint32_t random = 0; random < 5000; random += 7) {
        struct name_record record = { 0 };
        struct name_answer answer = { .outcome = NAME_FOUND, .type = DNS_A, .ttl_s = 10 };
        struct name_address item = { 0 };

        CHECK_INT(name_answer_add(&answer, &item), 0);
        name_record_take(&record, &answer, &rules, 0, random);
        first = record.next_at_ms < first ? record.next_at_ms : first;
        last = record.next_at_ms > last ? record.next_at_ms : last;
        name_record_done(&record);
    }
    CHECK(first >= 9000 && first < 9010);
    CHECK(last <= 10000 && last > 9990);
}

TEST(same_addresses_in_another_order_are_no_change)
{
    struct name_record record = { 0 };

    CHECK(found(&record, &rules, "192.0.2.1,192.0.2.2", 10, 0));
    CHECK(!found(&record, &rules, "192.0.2.2,192.0.2.1", 10, 0));
    CHECK(found(&record, &rules, "192.0.2.2,192.0.2.2", 10, 0));
    CHECK(found(&record, &rules, "192.0.2.2", 10, 0));
    CHECK_INT(record.version, 3);
    name_record_done(&record);
}

TEST(error_keeps_addresses_until_they_were_stale_for_too_long)
{
    struct name_record record = { 0 };

    CHECK(found(&record, &rules, "192.0.2.1", 10, 0)); /* expires at 10000, given up at 15000 */
    CHECK(!failed(&record, NAME_TIMEOUT, 9500));
    CHECK_INT(record.count, 1);
    CHECK_INT(record.last, NAME_TIMEOUT);
    CHECK_INT(record.next_at_ms, 10500);
    CHECK(!name_record_expire(&record, &rules, 14999));
    CHECK_INT(name_record_end_ms(&record, &rules), 15000);
    CHECK(name_record_expire(&record, &rules, 15000));
    CHECK_INT(record.count, 0);
    CHECK(!name_record_expire(&record, &rules, 16000));
    CHECK(found(&record, &rules, "192.0.2.1", 10, 17000));
    name_record_done(&record);
}

TEST(error_after_the_stale_time_leaves_nothing)
{
    struct name_record record = { 0 };

    CHECK(found(&record, &rules, "192.0.2.1", 10, 0));
    CHECK(failed(&record, NAME_SERVER_FAILURE, 15000));
    CHECK_INT(record.count, 0);
    name_record_done(&record);
}

TEST(addresses_are_used_on_while_the_question_at_their_end_is_open)
{
    struct name_record record = { 0 };

    CHECK(found(&record, &rules, "192.0.2.1", 10, 0));
    CHECK(!name_record_expire(&record, &rules, 20000));
    CHECK_INT(record.count, 1);
    name_record_done(&record);
}

TEST(missing_and_empty_end_what_was_known_and_wait_their_own_time)
{
    const enum name_outcome negatives[] = { NAME_MISSING, NAME_EMPTY };

    for (size_t i = 0; i < 2; i++) {
        struct name_record record = { 0 };

        CHECK(found(&record, &rules, "192.0.2.1", 10, 0));
        CHECK(failed(&record, negatives[i], 5000));
        CHECK_INT(record.count, 0);
        CHECK_INT(record.next_at_ms, 35000);
        CHECK(!failed(&record, negatives[i], 35000)); /* no news */
        name_record_done(&record);
    }
}

TEST(another_failure_is_a_change_when_there_is_no_address)
{
    struct name_record record = { 0 };

    CHECK(failed(&record, NAME_TIMEOUT, 0));
    CHECK(!failed(&record, NAME_TIMEOUT, 1000));
    CHECK(failed(&record, NAME_REFUSED, 2000));
    name_record_done(&record);
}

TEST(what_no_dns_record_gave_never_expires)
{
    struct name_record record = { 0 };
    struct name_answer answer = { .outcome = NAME_FOUND };
    struct name_address item = { 0 };

    CHECK_INT(name_answer_add(&answer, &item), 0);
    CHECK(name_record_take(&record, &answer, &rules, 5, 0));
    CHECK(record.expires_at_ms == NAME_NEVER && record.next_at_ms == NAME_NEVER);
    CHECK(!name_record_is_stale(&record, UINT64_MAX - 1));
    name_record_done(&record);
}

/* ---- SRV answers with hosts that could not be looked up ---- */

static void add_host(struct name_answer *answer, const char *host, const char *address,
                     uint16_t port)
{
    struct name_address item = { .weight = 10, .host_id = name_host_id(host) };

    CHECK_INT(addr_parse_ip(slice_of(address), port, &item.address), 0);
    CHECK_INT(name_answer_add(answer, &item), 0);
}

static void add_gap(struct name_answer *answer, const char *host, uint16_t port)
{
    const struct name_gap gap = { .host_id = name_host_id(host), .weight = 20, .port = port };

    CHECK_INT(name_answer_add_gap(answer, &gap), 0);
}

/* a.test and b.test, each with an address, for 10 s. */
static void know_two_hosts(struct name_record *record, uint64_t now_ms)
{
    struct name_answer answer = { .outcome = NAME_FOUND, .type = DNS_SRV, .ttl_s = 10 };

    add_host(&answer, "a.test", "192.0.2.1", 80);
    add_host(&answer, "b.test", "192.0.2.2", 80);
    CHECK(name_record_take(record, &answer, &rules, now_ms, 0));
    CHECK_INT(record->gaps_count, 0);
}

/* a.test answers, nobody knows what of b.test. */
static bool half_an_answer(struct name_record *record, uint16_t port_of_b, uint64_t now_ms)
{
    struct name_answer answer = { .outcome = NAME_FOUND, .type = DNS_SRV, .ttl_s = 10 };

    add_host(&answer, "a.test", "192.0.2.1", 80);
    add_gap(&answer, "B.test", port_of_b);
    return name_record_take(record, &answer, &rules, now_ms, 0);
}

TEST(gap_is_filled_with_what_is_known_of_its_host_and_asked_for_soon)
{
    struct name_record record = { 0 };

    know_two_hosts(&record, 0);
    CHECK(half_an_answer(&record, 80, 9000)); /* its weight is another */
    CHECK_INT(record.count, 2);
    CHECK_INT(record.items[1].weight, 20);
    CHECK_INT(record.gaps_count, 1);
    CHECK_INT(record.next_at_ms, 9000 + rules.error_ms);
    CHECK(!half_an_answer(&record, 80, 10000));
    CHECK(half_an_answer(&record, 81, 11000)); /* the record's port counts */
    CHECK_INT(addr_port(&record.items[1].address), 81);
    name_record_done(&record);
}

TEST(gap_is_filled_until_its_addresses_were_stale_for_too_long)
{
    struct name_record record = { 0 };

    know_two_hosts(&record, 0);
    for (uint64_t now_ms = 1000; now_ms < 15000; now_ms += 1000)
        (void)half_an_answer(&record, 80, now_ms);
    CHECK_INT(record.count, 2);
    CHECK(half_an_answer(&record, 80, 15000)); /* 10 s of life, 5 s stale */
    CHECK_INT(record.count, 1);
    name_record_done(&record);
}

TEST(gap_of_a_host_that_nothing_is_known_of_stays_one)
{
    struct name_record record = { 0 };

    CHECK(half_an_answer(&record, 80, 1000));
    CHECK_INT(record.count, 1);
    CHECK_INT(record.next_at_ms, 1000 + rules.error_ms);
    know_two_hosts(&record, 2000);
    CHECK_INT(record.next_at_ms, 12000);
    name_record_done(&record);
}

TESTS(TEST_CASE(gap_is_filled_with_what_is_known_of_its_host_and_asked_for_soon),
      TEST_CASE(gap_is_filled_until_its_addresses_were_stale_for_too_long),
      TEST_CASE(gap_of_a_host_that_nothing_is_known_of_stays_one),
      TEST_CASE(answer_lasts_for_its_time_to_live_within_the_limits),
      TEST_CASE(next_question_comes_before_the_end_and_is_spread),
      TEST_CASE(same_addresses_in_another_order_are_no_change),
      TEST_CASE(error_keeps_addresses_until_they_were_stale_for_too_long),
      TEST_CASE(error_after_the_stale_time_leaves_nothing),
      TEST_CASE(addresses_are_used_on_while_the_question_at_their_end_is_open),
      TEST_CASE(missing_and_empty_end_what_was_known_and_wait_their_own_time),
      TEST_CASE(another_failure_is_a_change_when_there_is_no_address),
      TEST_CASE(what_no_dns_record_gave_never_expires))
