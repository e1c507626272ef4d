#include "tools/wire/wire_script.h"

#include <string.h>

#include "tests/check.h"

static char first_error[1200];

static int parse(const char *text, struct wire_script **ret)
{
    struct config_errors errors;
    int r;

    config_errors_init(&errors);
    r = wire_script_parse(slice_of(text), "s.yaml", ret, &errors);
    first_error[0] = '\0';
    if (errors.count > 0)
        (void)config_error_format(&errors.items[0], first_error, sizeof(first_error));
    config_errors_done(&errors);
    return r;
}

TEST(script_has_steps_with_faults_or_a_kill)
{
    SCOPED(wire_script) script = NULL;

    CHECK_INT(parse("steps:\n"
                    "- {at_ms: 0, faults: [{kind: latency, ms: 50}]}\n"
                    "- {at_ms: 70, kill: fin}\n"
                    "- {at_ms: 70, faults: []}\n",
                    &script),
              0);
    CHECK_INT(script->count, 3);
    CHECK_INT(script->steps[0].faults->faults[0].ms, 50);
    CHECK(!script->steps[1].faults);
    CHECK_INT(script->steps[1].kill, WIRE_SCRIPT_KILL_FIN);
    CHECK_INT(script->steps[2].faults->count, 0);
    CHECK_INT(script->steps[2].at_ms, 70);
}

TEST(script_says_where_the_mistake_is)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "steps:\n- {faults: []}\n", "s.yaml:2:3: error: steps[0].at_ms: required field missing" },
        { "steps:\n- {at_ms: 1, kill: softly}\n",
          "s.yaml:2:20: error: steps[0].kill: expected one" },
        { "steps:\n- {at_ms: 1, faults: [{kind: cutt}]}\n", "did you mean 'cut'?" },
        { "steps:\n- {at_ms: 1, faults: 7}\n", "expected a record" },
        { "steps:\n- 7\n", "steps[0]: expected a record" },
        { "steps: 7\n", "steps: expected an array" },
        { "steps: [\n", "s.yaml:2:1: error: " },
        { "", "the file is empty" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct wire_script *script = NULL;

        CHECK(parse(rows[i].text, &script) < 0);
        CHECK(!script);
        if (!strstr(first_error, rows[i].says))
            fail_msg("row %zu: \"%s\"", i, first_error);
    }
}

TESTS(TEST_CASE(script_has_steps_with_faults_or_a_kill),
      TEST_CASE(script_says_where_the_mistake_is))
