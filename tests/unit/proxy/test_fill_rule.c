/* fill_rule: nginx's buffers go on when they are full, or when they hold what a message needs at least. */
#include "proxy/exchange/fill_rule.h"

#include "tests/check.h"

TEST(content_of_a_length_waits_for_a_full_buffer_or_for_all_of_it)
{
    struct fill_rule rule;

    fill_rule_init(&rule, 4096, 3896, 10000);
    CHECK_INT(fill_rule_keeps(&rule, 10, 9990, 10), 10);
    CHECK_INT(fill_rule_keeps(&rule, 3885, 6105, 3895), 3895);
    CHECK_INT(fill_rule_keeps(&rule, 1, 6104, 3896), 0);
    CHECK_INT(fill_rule_keeps(&rule, 5000, 1104, 5000), 5000 - 4096);
    CHECK_INT(fill_rule_keeps(&rule, 1103, 1, 904 + 1103), 904 + 1103);
    CHECK_INT(fill_rule_keeps(&rule, 1, 0, 2008), 0);
}

TEST(small_content_that_is_all_there_never_waits)
{
    struct fill_rule rule;

    fill_rule_init(&rule, 4096, 3896, 1024);
    CHECK_INT(fill_rule_keeps(&rule, 1024, 0, 1024), 0);
}

TEST(content_up_to_the_end_of_the_connection_waits_for_full_buffers)
{
    struct fill_rule rule;

    fill_rule_init(&rule, 4096, 100, UINT64_MAX);
    CHECK_INT(fill_rule_keeps(&rule, 99, UINT64_MAX, 99), 99);
    CHECK_INT(fill_rule_keeps(&rule, 1, UINT64_MAX, 100), 0);
    CHECK_INT(fill_rule_keeps(&rule, 65536, UINT64_MAX, 65536), 0);
    CHECK_INT(fill_rule_keeps(&rule, 65537, UINT64_MAX, 65537), 1);
}

TEST(complete_chunks_go_on_and_the_rest_of_one_waits_for_its_end)
{
    struct fill_rule rule;

    fill_rule_init(&rule, 4096, 3896, FILL_RULE_LEAST_CHUNKED);
    CHECK_INT(fill_rule_keeps(&rule, 2, 1 + 5 + 4, 0), 0); /* "5" CR: no content, and too little */
    CHECK_INT(fill_rule_keeps(&rule, 8, 3, 5), 0);
    CHECK_INT(fill_rule_keeps(&rule, 14, 94, 10), 0); /* "64" CR LF and ten bytes of a hundred */
    CHECK_INT(fill_rule_keeps(&rule, 90, 4, 90), 90); /* its data is whole, its end is not */
    CHECK_INT(fill_rule_keeps(&rule, 4, 1 + 1 + 4, 90), 0);
}

TEST(what_lies_behind_a_full_buffer_waits_for_its_chunk_s_end)
{
    struct fill_rule rule;

    fill_rule_init(&rule, 4096, 100, FILL_RULE_LEAST_CHUNKED);
    CHECK_INT(fill_rule_keeps(&rule, 150, 1004, 140), 50);
    CHECK_INT(fill_rule_keeps(&rule, 1003, 1, 50 + 1003), 50 + 1003);
    CHECK_INT(fill_rule_keeps(&rule, 1, 0, 50 + 1003), 0);
}

TEST(one_read_or_many_give_the_same_in_the_end)
{
    for (size_t piece = 1; piece < 5000; piece += 37) {
        struct fill_rule rule;
        size_t held = 0, passed = 0, left = 123457;

        fill_rule_init(&rule, 4096, 1000, left);
        while (left > 0) {
            size_t n = piece < left ? piece : left, keeps;

            left -= n;
            held += n;
            keeps = fill_rule_keeps(&rule, n, left, held);
            CHECK(keeps <= held);
            passed += held - keeps;
            held = keeps;
            CHECK(left == 0 || passed == 0 || (passed - 1000) % 4096 == 0);
        }
        CHECK_INT(held, 0);
        CHECK_INT(passed, 123457);
    }
}

TESTS(TEST_CASE(content_of_a_length_waits_for_a_full_buffer_or_for_all_of_it),
      TEST_CASE(small_content_that_is_all_there_never_waits),
      TEST_CASE(content_up_to_the_end_of_the_connection_waits_for_full_buffers),
      TEST_CASE(complete_chunks_go_on_and_the_rest_of_one_waits_for_its_end),
      TEST_CASE(what_lies_behind_a_full_buffer_waits_for_its_chunk_s_end),
      TEST_CASE(one_read_or_many_give_the_same_in_the_end))
