/* pipe: what is due when, without a clock and without a socket. */
#include "tools/wire/pipe.h"

#include <stdio.h>
#include <string.h>

#include "tests/check.h"

static struct pipe pipe_of_test;
static struct pipe *const p = &pipe_of_test;
static struct pipe_plan plan;

static void start(void)
{
    pipe_done(p);
    pipe_init(p, dice_for(1, 1));
    pipe_plan_init(&plan);
}

static void use_plan(uint64_t now_ms)
{
    pipe_set_plan(p, &plan, now_ms);
}

static void push(const char *text, uint64_t now_ms)
{
    CHECK_INT(pipe_push(p, slice_of(text), now_ms), 0);
}

/* All that is due at this moment, as text: bytes as they are, "|" between writes, then "F" FIN, "R" RST,
 * "!0" an act, ">123" wait until. */
static const char *due(uint64_t now_ms)
{
    static char text[4096];
    size_t length = 0;

    text[0] = '\0';
    for (;;) {
        struct pipe_step step = pipe_next(p, now_ms);

        switch (step.due) {
        case PIPE_NOTHING:
            if (step.wait_until_ms != PIPE_NEVER)
                snprintf(text + length, sizeof(text) - length, ">%llu",
                         (unsigned long long)step.wait_until_ms);
            return text;
        case PIPE_BYTES: {
            struct slice front = pipe_front(p, step.bytes);

            length +=
                (size_t)snprintf(text + length, sizeof(text) - length, "%.*s|", SLICE_ARG(front));
            pipe_pass(p, front.len, now_ms);
            break;
        }
        case PIPE_END:
            length += (size_t)snprintf(text + length, sizeof(text) - length, "%s",
                                       p->end == PIPE_FIN ? "F" : "R");
            pipe_pass_end(p);
            break;
        case PIPE_ACT:
            length += (size_t)snprintf(text + length, sizeof(text) - length, "!%d", step.act);
            if (step.act == PIPE_ACT_DROP || step.act == PIPE_ACT_HALF_CLOSE)
                pipe_vanish(p);
            break;
        }
    }
}

TEST(pipe_without_faults_passes_all_at_once)
{
    start();
    push("abc", 10);
    push("def", 10);
    CHECK_STR(due(10), "abcdef|");
    CHECK(!pipe_is_over(p));
    pipe_finish(p, PIPE_FIN, 11);
    CHECK_STR(due(11), "F");
    CHECK(pipe_is_over(p));
    pipe_finish(p, PIPE_RST, 12);
    CHECK(!pipe_is_over(p));
    CHECK_STR(due(12), "R");
    pipe_finish(p, PIPE_FIN, 13);
    CHECK_STR(due(13), "");
}

TEST(pipe_delays_bytes_and_their_end)
{
    start();
    plan.latency_ms = 100;
    use_plan(0);
    push("ab", 10);
    push("cd", 12);
    pipe_finish(p, PIPE_FIN, 13);
    CHECK_STR(due(13), ">110");
    CHECK_STR(due(109), ">110");
    CHECK_STR(due(110), "ab|>112");
    CHECK_STR(due(112), "cd|>113");
    CHECK_STR(due(113), "F");
}

TEST(pipe_passes_what_came_at_different_times_and_is_due_together)
{
    start();
    plan.latency_ms = 5;
    use_plan(0);
    push("ab", 1);
    push("cd", 2);
    push("ef", 30);
    CHECK_STR(due(20), "abcd|>35");
    push("gh", 31);
    CHECK_STR(due(36), "efgh|");
}

TEST(pipe_that_gets_faster_does_not_overtake)
{
    start();
    plan.latency_ms = 100;
    use_plan(0);
    push("slow", 0);
    plan.latency_ms = 0;
    use_plan(10);
    push("fast", 10);
    CHECK_STR(due(50), ">100");
    CHECK_STR(due(100), "slowfast|");
    push("now", 101);
    CHECK_STR(due(101), "now|");
}

TEST(pipe_with_jitter_keeps_order_and_bounds)
{
    uint64_t passed_at_ms = 0;

    start();
    plan.latency_ms = 50;
    plan.jitter_ms = 50;
    use_plan(0);
    for (int i = 0; i < 500; i++) {
        char word[2] = { (char)('a' + i % 26), 0 };
        struct pipe_step step;

        push(word, (uint64_t)i * 3);
        step = pipe_next(p, (uint64_t)i * 3);
        if (step.due == PIPE_NOTHING) {
            CHECK(step.wait_until_ms >= passed_at_ms);
            passed_at_ms = step.wait_until_ms;
        }
    }
    CHECK(passed_at_ms < 1500 + 100);
    (void)due(1500 + 100);
    CHECK_INT(p->held.length, 0);
    CHECK_INT(p->passed_bytes, 500);
}

TEST(pipe_with_more_instants_than_it_remembers_loses_nothing)
{
    start();
    plan.latency_ms = 100000;
    use_plan(0);
    for (uint64_t i = 0; i < 3 * PIPE_SEGMENTS_MAX; i++)
        push("x", i);
    CHECK_STR(due(99999), ">100000");
    for (uint64_t now_ms = 100000; now_ms < 100000 + 3 * PIPE_SEGMENTS_MAX; now_ms++)
        (void)due(now_ms);
    CHECK_INT(p->passed_bytes, 3 * PIPE_SEGMENTS_MAX);
}

TEST(pipe_is_full_at_its_limit)
{
    char block[4096];

    start();
    memset(block, 'b', sizeof(block));
    while (pipe_room(p) >= sizeof(block))
        CHECK_INT(pipe_push(p, (struct slice){ block, sizeof(block) }, 0), 0);
    CHECK_INT(p->held.length, PIPE_HELD_MAX);
    CHECK_INT(pipe_room(p), 0);
    plan.latency_ms = 1;
    use_plan(0);
    CHECK_INT(pipe_room(p), PIPE_HELD_DELAYED_MAX - PIPE_HELD_MAX);
}

TEST(pipe_limits_bandwidth)
{
    start();
    plan.bytes_per_second = 1000;
    plan.burst_bytes = 3;
    use_plan(0);
    push("abcdef", 0);
    CHECK_STR(due(0), "abc|>1");
    CHECK_STR(due(1), "d|>2");
    CHECK_STR(due(3), "ef|");
}

TEST(pipe_writes_in_slices_with_pauses)
{
    start();
    plan.slice_bytes = 2;
    use_plan(0);
    push("abcde", 0);
    CHECK_STR(due(0), "ab|cd|e|");
    plan.slice_pause_ms = 10;
    use_plan(0);
    push("vwxyz", 0);
    CHECK_STR(due(0), "vw|>10");
    CHECK_STR(due(9), ">10");
    CHECK_STR(due(10), "xy|>20");
    CHECK_STR(due(20), "z|");
}

TEST(pipe_acts_at_a_byte_wherever_the_pieces_end)
{
    start();
    plan.triggers[PIPE_ACT_CUT].at_bytes = 4;
    use_plan(0);
    push("abcdef", 0);
    CHECK_STR(due(0), "abcd|!3ef|"); /* who uses it does not come back after a cut */
    start();
    plan.triggers[PIPE_ACT_RESET].at_bytes = 0;
    use_plan(0);
    CHECK_STR(due(0), "!4");
    CHECK_STR(due(1), "");
}

TEST(pipe_acts_at_an_instant_and_says_when_to_come)
{
    start();
    plan.triggers[PIPE_ACT_RESET].at_ms = 50;
    use_plan(0);
    push("a", 0);
    CHECK_STR(due(0), "a|>50");
    CHECK_STR(due(50), "!4");
}

TEST(pipe_drops_bytes_and_end)
{
    start();
    plan.triggers[PIPE_ACT_DROP].at_bytes = 2;
    use_plan(0);
    push("abcd", 0);
    CHECK_STR(due(0), "ab|!1");
    push("ef", 1);
    pipe_finish(p, PIPE_FIN, 1);
    CHECK_STR(due(2), "");
    CHECK_INT(p->vanished_bytes, 4);
    CHECK(pipe_is_over(p));
}

TEST(pipe_stalls_and_goes_on_where_it_stood)
{
    start();
    plan.triggers[PIPE_ACT_STALL].at_bytes = 1;
    use_plan(0);
    push("abc", 0);
    pipe_finish(p, PIPE_FIN, 0);
    CHECK_STR(due(0), "a|!0");
    CHECK_STR(due(1000), "");
    pipe_plan_init(&plan);
    use_plan(2000);
    CHECK_STR(due(2000), "bc|F");
}

TEST(pipe_flips_bytes_at_their_places)
{
    start();
    plan.flips = 2;
    plan.flip_at[0] = 1;
    plan.flip_at[1] = 4;
    plan.flip_mask = 0x20; /* turns case */
    use_plan(0);
    push("abc", 0);
    push("def", 0);
    CHECK_STR(due(0), "aBcdEf|");
}

TEST(pipe_flips_by_chance_as_often_as_it_is_told)
{
    char zeros[10000] = { 0 };
    int flipped = 0;

    start();
    plan.flip_one_in = 100;
    plan.flip_mask = 1;
    use_plan(0);
    CHECK_INT(pipe_push(p, (struct slice){ zeros, sizeof(zeros) }, 0), 0);
    for (size_t i = 0; i < sizeof(zeros); i++)
        flipped += *byte_queue_at(&p->held, i);
    CHECK(flipped > 50 && flipped < 200);
    pipe_done(p);
}

TESTS(TEST_CASE(pipe_without_faults_passes_all_at_once), TEST_CASE(pipe_delays_bytes_and_their_end),
      TEST_CASE(pipe_passes_what_came_at_different_times_and_is_due_together),
      TEST_CASE(pipe_that_gets_faster_does_not_overtake),
      TEST_CASE(pipe_with_jitter_keeps_order_and_bounds),
      TEST_CASE(pipe_with_more_instants_than_it_remembers_loses_nothing),
      TEST_CASE(pipe_is_full_at_its_limit), TEST_CASE(pipe_limits_bandwidth),
      TEST_CASE(pipe_writes_in_slices_with_pauses),
      TEST_CASE(pipe_acts_at_a_byte_wherever_the_pieces_end),
      TEST_CASE(pipe_acts_at_an_instant_and_says_when_to_come), TEST_CASE(pipe_drops_bytes_and_end),
      TEST_CASE(pipe_stalls_and_goes_on_where_it_stood),
      TEST_CASE(pipe_flips_bytes_at_their_places),
      TEST_CASE(pipe_flips_by_chance_as_often_as_it_is_told))
