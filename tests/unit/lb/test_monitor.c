#include "lb/monitor.h"

#include "core/log.h"
#include "lb/target_health.h"
#include "tests/check.h"

struct scene {
    struct target target;
    struct monitor_settings settings;
    struct monitor monitor;
};

static void scene_init(struct scene *scene, const struct monitor_options *options)
{
    log_set_error_file(NULL, LOG_LEVEL_CRIT);
    *scene = (struct scene){ .settings.options = *options };
    scene->target.name = (char *)"a.test:80";
    scene->monitor.target = &scene->target;
    scene->monitor.settings = &scene->settings;
    monitor_begin(&scene->monitor, 1000, 0.5);
}

static const struct monitor_options f5 = { .judge = MONITOR_BY_RECEIVE,
                                           .healthy_interval_ms = 5000,
                                           .unhealthy_interval_ms = 5000,
                                           .timeout_ms = 16000 };
static const struct monitor_options kong = { .judge = MONITOR_BY_STATUS,
                                             .healthy_interval_ms = 5000,
                                             .unhealthy_interval_ms = 1000,
                                             .timeout_ms = 700,
                                             .rules.limits = { 2, 1, 1, 1 } };

static void probe(struct scene *scene, uint64_t now_ms, enum monitor_result result)
{
    scene->monitor.started_at_ms = now_ms;
    monitor_on_outcome(&scene->monitor, &(struct monitor_outcome){ .result = result }, now_ms);
}

TEST(first_probe_comes_within_the_first_interval)
{
    struct scene scene;

    scene_init(&scene, &kong);
    CHECK_INT(monitor_probe_at(&scene.monitor), 3500);
    monitor_begin(&scene.monitor, 1000, 0);
    CHECK_INT(monitor_probe_at(&scene.monitor), 1000);
    CHECK_INT(monitor_look_at(&scene.monitor), MONITOR_NEVER);
}

TEST(interval_is_that_of_the_present_state)
{
    struct monitor_options options = kong;
    struct scene scene;
    bool is_deadline;

    scene_init(&scene, &options);
    probe(&scene, 3500, MONITOR_SUCCESS);
    CHECK_INT(monitor_probe_at(&scene.monitor), 8500);
    probe(&scene, 8500, MONITOR_TIMEOUT);
    CHECK(!target_is_usable(&scene.target));
    CHECK_INT(monitor_probe_at(&scene.monitor), 9500);
    probe(&scene, 9500, MONITOR_SUCCESS);
    CHECK(!target_is_usable(&scene.target));
    probe(&scene, 10500, MONITOR_SUCCESS);
    CHECK(target_is_usable(&scene.target));
    CHECK_INT(monitor_probe_at(&scene.monitor), 15500);
    CHECK_INT(monitor_probe_timeout(&scene.monitor, 10500, &is_deadline), 700);
    CHECK(!is_deadline);
    scene.settings.options.healthy_interval_ms = 0;
    CHECK_INT(monitor_probe_at(&scene.monitor), MONITOR_NEVER);
    CHECK_INT(scene.target.probes[MONITOR_SUCCESS], 3);
    CHECK_INT(scene.target.probes[MONITOR_TIMEOUT], 1);
}

TEST(status_in_no_list_says_nothing)
{
    struct scene scene;

    scene_init(&scene, &kong);
    probe(&scene, 3500, MONITOR_NO_MATCH);
    CHECK_INT(scene.target.health, 0);
}

TEST(probe_that_could_not_begin_says_nothing)
{
    struct scene scene;

    scene_init(&scene, &kong);
    monitor_on_outcome(&scene.monitor,
                       &(struct monitor_outcome){ .result = MONITOR_TCP_FAILURE, .is_ours = true },
                       4000);
    CHECK(target_is_usable(&scene.target));
    CHECK_INT(scene.target.probes[MONITOR_TCP_FAILURE], 0);
}

/* F5: three intervals and a second. */
TEST(member_is_down_when_no_probe_succeeded_for_the_timeout)
{
    struct scene scene;
    bool is_deadline;

    scene_init(&scene, &f5);
    probe(&scene, 3000, MONITOR_SUCCESS);
    probe(&scene, 8000, MONITOR_NO_MATCH);
    probe(&scene, 13000, MONITOR_NO_MATCH);
    probe(&scene, 18000, MONITOR_NO_MATCH);
    CHECK(target_is_usable(&scene.target));
    CHECK_INT(monitor_look_at(&scene.monitor), 19000);
    CHECK_INT(monitor_probe_timeout(&scene.monitor, 18000, &is_deadline), 1000);
    CHECK(is_deadline);
    monitor_look(&scene.monitor, 18999);
    CHECK(target_is_usable(&scene.target));
    monitor_look(&scene.monitor, 19000);
    CHECK(!target_is_usable(&scene.target));
    CHECK_INT(monitor_look_at(&scene.monitor), MONITOR_NEVER);
    CHECK_INT(monitor_probe_timeout(&scene.monitor, 20000, &is_deadline), 16000);
    probe(&scene, 23000, MONITOR_SUCCESS);
    CHECK(target_is_usable(&scene.target));
}

TEST(refusal_and_reversed_pattern_take_a_member_down_at_once)
{
    struct scene scene;

    scene_init(&scene, &f5);
    monitor_on_outcome(
        &scene.monitor,
        &(struct monitor_outcome){ .result = MONITOR_TCP_FAILURE, .is_refused = true }, 2000);
    CHECK(!target_is_usable(&scene.target));
    scene_init(&scene, &f5);
    monitor_on_outcome(&scene.monitor,
                       &(struct monitor_outcome){ .result = MONITOR_NO_MATCH, .is_reversed = true },
                       2000);
    CHECK(!target_is_usable(&scene.target));
}

TEST(member_comes_up_after_successes_for_as_long_as_it_must)
{
    struct monitor_options options = f5;
    struct scene scene;

    options.time_until_up_ms = 8000;
    scene_init(&scene, &options);
    target_set_state(&scene.target, TARGET_UNHEALTHY);
    probe(&scene, 10000, MONITOR_SUCCESS);
    probe(&scene, 15000, MONITOR_NO_MATCH); /* begins anew */
    probe(&scene, 20000, MONITOR_SUCCESS);
    probe(&scene, 25000, MONITOR_SUCCESS);
    CHECK(!target_is_usable(&scene.target));
    probe(&scene, 30000, MONITOR_SUCCESS);
    CHECK(target_is_usable(&scene.target));
}

TEST(disabled_member_is_up_but_gets_nothing)
{
    struct scene scene;

    scene_init(&scene, &f5);
    monitor_on_outcome(&scene.monitor,
                       &(struct monitor_outcome){ .result = MONITOR_SUCCESS, .is_disabled = true },
                       2000);
    CHECK(!target_is_usable(&scene.target));
    CHECK_STR(health_word_text(scene.target.health), "disabled");
    probe(&scene, 7000, MONITOR_SUCCESS);
    CHECK(target_is_usable(&scene.target));
}

TEST(success_of_a_member_that_is_up_leaves_what_traffic_has_counted)
{
    struct scene scene;

    scene_init(&scene, &f5);
    scene.target.health = health_word_count(0, HEALTH_TCP, 3);
    probe(&scene, 7000, MONITOR_SUCCESS);
    CHECK_INT(health_word_counter(scene.target.health, HEALTH_TCP), 1);
}

TESTS(TEST_CASE(first_probe_comes_within_the_first_interval),
      TEST_CASE(interval_is_that_of_the_present_state), TEST_CASE(status_in_no_list_says_nothing),
      TEST_CASE(probe_that_could_not_begin_says_nothing),
      TEST_CASE(member_is_down_when_no_probe_succeeded_for_the_timeout),
      TEST_CASE(refusal_and_reversed_pattern_take_a_member_down_at_once),
      TEST_CASE(member_comes_up_after_successes_for_as_long_as_it_must),
      TEST_CASE(disabled_member_is_up_but_gets_nothing),
      TEST_CASE(success_of_a_member_that_is_up_leaves_what_traffic_has_counted))
