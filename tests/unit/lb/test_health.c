#include "lb/health.h"

#include <string.h>

#include "tests/check.h"

static uint64_t failures(uint64_t word, enum health_counter counter, uint8_t limit, unsigned count)
{
    while (count-- > 0)
        word = health_word_count(word, counter, limit);
    return word;
}

TEST(limit_of_failures_makes_unhealthy_and_the_first_one_mostly_healthy)
{
    uint64_t word = health_word_count(0, HEALTH_TCP, 3);

    CHECK_INT(health_word_state(word), HEALTH_MOSTLY_HEALTHY);
    CHECK(health_word_is_usable(word));
    word = health_word_count(word, HEALTH_TCP, 3);
    CHECK(health_word_is_usable(word));
    CHECK_INT(health_word_changes(word), 0);
    word = health_word_count(word, HEALTH_TCP, 3);
    CHECK_INT(health_word_state(word), HEALTH_UNHEALTHY);
    CHECK(!health_word_is_usable(word));
    CHECK_INT(health_word_changes(word), 1);
}

TEST(kinds_of_failure_are_not_added_up)
{
    uint64_t word = failures(0, HEALTH_TCP, 3, 2);

    word = failures(word, HEALTH_HTTP, 3, 2);
    word = failures(word, HEALTH_TIMEOUT, 3, 2);
    CHECK(health_word_is_usable(word));
    CHECK(!health_word_is_usable(health_word_count(word, HEALTH_HTTP, 3)));
}

TEST(success_clears_failures_only_when_successes_count)
{
    uint64_t word = failures(0, HEALTH_TCP, 3, 2);

    /* Kong's default for passive checks: failures add up, however many good answers lie between */
    CHECK(health_word_count(word, HEALTH_SUCCESS, 0) == word);
    CHECK(!health_word_is_usable(health_word_count(word, HEALTH_TCP, 3)));
    word = health_word_count(word, HEALTH_SUCCESS, 1);
    CHECK_INT(health_word_state(word), HEALTH_HEALTHY);
    CHECK_INT(health_word_counter(word, HEALTH_TCP), 0);
    CHECK(health_word_is_usable(failures(word, HEALTH_TCP, 3, 2)));
}

TEST(target_comes_back_after_as_many_successes_as_its_limit)
{
    uint64_t word = failures(0, HEALTH_TIMEOUT, 1, 1);

    CHECK(!health_word_is_usable(word));
    CHECK(health_word_count(word, HEALTH_TIMEOUT, 1) == word); /* it is down already */
    word = health_word_count(word, HEALTH_SUCCESS, 2);
    CHECK_INT(health_word_state(word), HEALTH_MOSTLY_UNHEALTHY);
    CHECK(!health_word_is_usable(word));
    word = health_word_count(word, HEALTH_TCP, 2); /* clears the success */
    CHECK_INT(health_word_counter(word, HEALTH_SUCCESS), 0);
    word = failures(word, HEALTH_SUCCESS, 2, 2);
    CHECK_INT(health_word_state(word), HEALTH_HEALTHY);
    CHECK_INT(health_word_changes(word), 2);
    CHECK(health_word_count(word, HEALTH_SUCCESS, 2) == word); /* it is up already */
}

TEST(forced_state_wins_until_it_is_taken_back)
{
    uint64_t down = failures(0, HEALTH_TCP, 1, 1),
             word = health_word_force(down, HEALTH_FORCED_HEALTHY);

    CHECK(health_word_is_usable(word));
    CHECK_STR(health_word_text(word), "healthy (forced)");
    word = health_word_force(word, HEALTH_FORCED_DRAIN);
    CHECK(!health_word_is_usable(word) && health_word_is_withdrawn(word));
    word = failures(word, HEALTH_SUCCESS, 1, 1); /* still judged meanwhile */
    CHECK(!health_word_is_usable(word));
    word = health_word_force(word, HEALTH_AUTO);
    CHECK(health_word_is_usable(word) && !health_word_is_withdrawn(word));
    CHECK(!health_word_is_usable(health_word_force(0, HEALTH_FORCED_UNHEALTHY)));
    CHECK(!health_word_is_usable(health_word_force(0, HEALTH_FORCED_DISABLE)));
}

TEST(ejected_and_disabled_targets_get_nothing_until_they_are_let_in)
{
    uint64_t word = health_word_eject(0, true);

    CHECK(!health_word_is_usable(word) && !health_word_is_withdrawn(word));
    CHECK_STR(health_word_text(word), "ejected");
    CHECK(health_word_is_usable(health_word_eject(word, false)));
    word = health_word_disable(0, true);
    CHECK(!health_word_is_usable(word) && health_word_is_withdrawn(word));
    CHECK_STR(health_word_text(word), "disabled");
    CHECK(health_word_is_usable(health_word_disable(word, false)));
}

TEST(status_is_looked_up_in_the_healthy_list_first)
{
    struct health_rules rules = { 0 };
    enum health_counter counter;

    health_statuses_add(&rules.healthy, 200);
    health_statuses_add(&rules.healthy, 503);
    health_statuses_add(&rules.unhealthy, 503);
    health_statuses_add(&rules.unhealthy, 999);
    CHECK(health_rules_judge(&rules, 503, &counter));
    CHECK_INT(counter, HEALTH_SUCCESS);
    CHECK(health_rules_judge(&rules, 999, &counter));
    CHECK_INT(counter, HEALTH_HTTP);
    CHECK(health_rules_judge(&rules, 0, &counter)); /* an answer without a status */
    CHECK_INT(counter, HEALTH_HTTP);
    CHECK(!health_rules_judge(&rules, 404, &counter));
    CHECK(!health_rules_judge(&rules, 60000, &counter));
}

TEST(forced_words_are_those_of_the_command)
{
    enum health_forced forced;

    CHECK(health_forced_parse("drain", &forced));
    CHECK_INT(forced, HEALTH_FORCED_DRAIN);
    CHECK(health_forced_parse("auto", &forced));
    CHECK_INT(forced, HEALTH_AUTO);
    CHECK(!health_forced_parse("down", &forced));
}

/* ---- random sequences against Kong's own algorithm, written down plainly --------------------- */

struct model {
    enum health_state state;
    unsigned counters[HEALTH_COUNTERS];
    enum health_forced forced;
    bool ejected, disabled;
    unsigned changes;
};

static bool model_is_usable(const struct model *model)
{
    if (model->forced != HEALTH_AUTO)
        return model->forced == HEALTH_FORCED_HEALTHY;
    return (model->state == HEALTH_HEALTHY || model->state == HEALTH_MOSTLY_HEALTHY) &&
           !model->ejected && !model->disabled;
}

static void model_count(struct model *model, enum health_counter counter, unsigned limit)
{
    enum health_state reported = counter == HEALTH_SUCCESS ? HEALTH_HEALTHY : HEALTH_UNHEALTHY;
    unsigned count;

    if (limit == 0 || model->state == reported)
        return;
    if (model->counters[counter] < 255)
        model->counters[counter]++;
    count = model->counters[counter];
    if (counter == HEALTH_SUCCESS)
        model->counters[HEALTH_HTTP] = model->counters[HEALTH_TCP] =
            model->counters[HEALTH_TIMEOUT] = 0;
    else
        model->counters[HEALTH_SUCCESS] = 0;
    if (count >= limit)
        model->state = reported;
    else if (model->state == HEALTH_HEALTHY)
        model->state = HEALTH_MOSTLY_HEALTHY;
    else if (model->state == HEALTH_UNHEALTHY)
        model->state = HEALTH_MOSTLY_UNHEALTHY;
}

static uint64_t random_state = 0x1234567;

static unsigned random_below(unsigned bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((random_state >> 33) % bound);
}

static uint64_t random_step(struct model *model, uint64_t word, const uint8_t *limits)
{
    enum health_counter counter = (enum health_counter)random_below(HEALTH_COUNTERS);
    enum health_forced forced = (enum health_forced)random_below(HEALTH_FORCED_COUNT);
    bool flag = random_below(2) == 1;

    switch (random_below(20)) {
    case 0:
        model->forced = forced;
        return health_word_force(word, forced);
    case 1:
        model->ejected = flag;
        return health_word_eject(word, flag);
    case 2:
        model->disabled = flag;
        return health_word_disable(word, flag);
    case 3:
        model->state = flag ? HEALTH_HEALTHY : HEALTH_UNHEALTHY;
        model->ejected = model->disabled = false;
        memset(model->counters, 0, sizeof(model->counters));
        return health_word_set(word, flag);
    default:
        model_count(model, counter, limits[counter]);
        return health_word_count(word, counter, limits[counter]);
    }
}

TEST(any_sequence_of_reports_ends_as_in_the_model)
{
    for (unsigned run = 0; run < 500; run++) {
        uint8_t limits[HEALTH_COUNTERS];
        struct model model = { 0 };
        uint64_t word = 0;

        for (unsigned i = 0; i < HEALTH_COUNTERS; i++)
            limits[i] = (uint8_t)(run % 50 == 0 ? 255 : random_below(5));
        for (unsigned step = 0; step < 600; step++) {
            bool was_usable = model_is_usable(&model);

            word = random_step(&model, word, limits);
            model.changes += model_is_usable(&model) != was_usable;
            CHECK_INT(health_word_state(word), model.state);
            CHECK_INT(health_word_forced(word), model.forced);
            CHECK_INT(health_word_is_usable(word), model_is_usable(&model));
            CHECK_INT(health_word_changes(word), model.changes);
            for (unsigned i = 0; i < HEALTH_COUNTERS; i++)
                CHECK_INT(health_word_counter(word, (enum health_counter)i), model.counters[i]);
        }
    }
}

TESTS(TEST_CASE(limit_of_failures_makes_unhealthy_and_the_first_one_mostly_healthy),
      TEST_CASE(kinds_of_failure_are_not_added_up),
      TEST_CASE(success_clears_failures_only_when_successes_count),
      TEST_CASE(target_comes_back_after_as_many_successes_as_its_limit),
      TEST_CASE(forced_state_wins_until_it_is_taken_back),
      TEST_CASE(ejected_and_disabled_targets_get_nothing_until_they_are_let_in),
      TEST_CASE(status_is_looked_up_in_the_healthy_list_first),
      TEST_CASE(forced_words_are_those_of_the_command),
      TEST_CASE(any_sequence_of_reports_ends_as_in_the_model))
