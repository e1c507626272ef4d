#include "tools/wire/plan.h"

#include <stdlib.h>

#include "tests/check.h"

static struct wire_fault_set *set;
static struct flow_plan plan;

/* Faults as the command line says them. */
static void given(const char *const *words)
{
    struct config_errors errors;
    json_t *list = json_array();
    char *text;

    for (; *words; words++)
        json_array_append_new(list, wire_fault_from_words(*words));
    text = json_dumps(list, 0);
    config_errors_init(&errors);
    wire_fault_set_free(set);
    set = NULL;
    if (wire_fault_set_parse(slice_of(text), "test", &set, &errors) < 0) {
        char line[1200];

        fail_msg("%s", config_error_format(&errors.items[0], line, sizeof(line)));
    }
    config_errors_done(&errors);
    json_decref(list);
    free(text);
}

#define GIVEN(...) given((const char *const[]){ __VA_ARGS__, NULL })

static void make(uint64_t connection, uint64_t time_scale)
{
    const struct plan_context context = { .wire = "w1",
                                          .connection = connection,
                                          .seed = 9,
                                          .time_scale = time_scale,
                                          .since_ms = 5000 };

    plan_make(&plan, set, &context);
}

TEST(plan_has_each_direction_of_its_own)
{
    GIVEN("latency:ms=100,jitter_ms=20,direction=to-server",
          "cut:after_bytes=7,direction=to-client");
    make(1, 1);
    CHECK_INT(plan.pipes[FLOW_CLIENT].latency_ms, 100);
    CHECK_INT(plan.pipes[FLOW_CLIENT].jitter_ms, 20);
    CHECK_INT(plan.pipes[FLOW_SERVER].latency_ms, 0);
    CHECK_INT(plan.pipes[FLOW_SERVER].triggers[PIPE_ACT_CUT].at_bytes, 7);
    CHECK(plan.pipes[FLOW_SERVER].triggers[PIPE_ACT_CUT].at_ms == PIPE_NEVER);
    CHECK(plan.pipes[FLOW_CLIENT].triggers[PIPE_ACT_CUT].at_bytes == PIPE_NEVER);
}

TEST(plan_divides_times_and_multiplies_rates_by_the_scale)
{
    GIVEN("latency:ms=1000,jitter_ms=50", "bandwidth:bytes_per_second=300", "idle:ms=60000",
          "reset:after_ms=250", "slice:bytes=3,pause_ms=1", "connect-delay:ms=900");
    make(1, 100);
    CHECK_INT(plan.pipes[FLOW_SERVER].latency_ms, 10);
    CHECK_INT(plan.pipes[FLOW_SERVER].jitter_ms, 1); /* rounded up: a delay does not become none */
    CHECK_INT(plan.pipes[FLOW_SERVER].bytes_per_second, 30000);
    CHECK_INT(plan.idle_ms, 600);
    CHECK_INT(plan.pipes[FLOW_CLIENT].triggers[PIPE_ACT_RESET].at_ms, 5003);
    CHECK_INT(plan.pipes[FLOW_CLIENT].slice_pause_ms, 1);
    CHECK_INT(plan.connect_delay_ms, 9);
}

TEST(plan_acts_at_once_when_nothing_is_said)
{
    GIVEN("drop", "reset:after_bytes=3,after_ms=10");
    make(1, 1);
    CHECK_INT(plan.pipes[FLOW_CLIENT].triggers[PIPE_ACT_DROP].at_ms, 5000);
    CHECK_INT(plan.pipes[FLOW_CLIENT].triggers[PIPE_ACT_RESET].at_ms, 5010);
    CHECK_INT(plan.pipes[FLOW_CLIENT].triggers[PIPE_ACT_RESET].at_bytes, 3);
    CHECK(plan.reset_client && plan.reset_server);
}

TEST(plan_is_for_its_wire_and_its_connection)
{
    GIVEN("latency:ms=1,wire=w2", "drop:connection=2");
    make(1, 1);
    CHECK_INT(plan.pipes[FLOW_CLIENT].latency_ms, 0);
    CHECK(!plan.acts[FLOW_CLIENT][PIPE_ACT_DROP]);
    make(2, 1);
    CHECK(plan.acts[FLOW_CLIENT][PIPE_ACT_DROP]);
    CHECK(!plan_find(set, "w1", FAULT_LATENCY));
    CHECK(plan_find(set, "w2", FAULT_LATENCY));
}

TEST(plan_hits_as_many_as_the_chance_says_and_always_the_same)
{
    unsigned hits = 0;

    GIVEN("idle:ms=1,chance=0.3");
    for (uint64_t connection = 1; connection <= 10000; connection++) {
        bool hit;

        make(connection, 1);
        hit = plan.idle != NULL;
        make(connection, 1);
        CHECK(hit == (plan.idle != NULL));
        hits += hit;
    }
    CHECK(hits > 2700 && hits < 3300);
    wire_fault_set_free(set);
    set = NULL;
}

TESTS(TEST_CASE(plan_has_each_direction_of_its_own),
      TEST_CASE(plan_divides_times_and_multiplies_rates_by_the_scale),
      TEST_CASE(plan_acts_at_once_when_nothing_is_said),
      TEST_CASE(plan_is_for_its_wire_and_its_connection),
      TEST_CASE(plan_hits_as_many_as_the_chance_says_and_always_the_same))
