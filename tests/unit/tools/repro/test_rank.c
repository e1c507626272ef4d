#include "tests/check.h"

#include <string.h>

#include "tools/lab/case_faults.h"
#include "tools/origin/fault.h"
#include "tools/repro/rank.h"

#define ERROR(phrase, action)                                \
    "2026/11/20 21:15:07 [error] 1#0: *7 " phrase " " action \
    ", client: 10.0.0.5, server: kong, request: \"GET / HTTP/1.1\", request_id: \"4a1f\""
#define ACCESS(status)                                                                          \
    "10.0.0.5 - - [20/Nov/2026:21:15:07 +0000] \"GET / HTTP/1.1\" " status " 0 \"-\" \"curl\" " \
    "kong_request_id: \"4a1f\""

static struct line lines[2];

static const char *first_cause(struct cause_table *table, const char *one, const char *two)
{
    struct ranking ranking;

    CHECK(line_read(slice_of(one), &lines[0]));
    CHECK(!two || line_read(slice_of(two), &lines[1]));
    rank_causes(table, lines, two ? 2 : 1, &ranking);
    return ranking.count > 0 ? ranking.causes[0]->name : "";
}

TEST(the_likeliest_cause_of_a_line_comes_first)
{
    SCOPED(cause_table) table = cause_table_create();

    CHECK(table != NULL);
    CHECK_STR(first_cause(table, ERROR("connect() failed (111: x)", "while connecting to upstream"),
                          NULL),
              "refused");
    CHECK_STR(first_cause(table, ACCESS("504"), NULL), "no-answer");
    CHECK_STR(first_cause(table, ACCESS("200"), NULL), "");
}

TEST(two_lines_agree_on_what_both_may_have)
{
    SCOPED(cause_table) table = cause_table_create();
    const char *error = ERROR("upstream timed out (110: x)", "while connecting to upstream");

    CHECK(table != NULL);
    CHECK_STR(first_cause(table, ACCESS("504"), error), "syn-lost");
    CHECK_STR(first_cause(table, error, ACCESS("504")), "syn-lost");
}

/* ---- the table ------------------------------------------------------------------------------- */

static bool is_used(const struct cause_table *table, const char *name)
{
    const json_t *rules = cause_table_rules(table), *rule, *cause;
    size_t i, k;

    json_array_foreach(rules, i, rule)
        json_array_foreach(json_object_get(rule, "causes"), k,
                           cause) if (strcmp(json_string_value(cause), name) == 0) return true;
    return false;
}

static bool is_wire_fault(const char *name)
{
    for (size_t i = 0; i < case_wire_faults_count; i++)
        if (strcmp(case_wire_faults[i].name, name) == 0)
            return true;
    return strchr(name, ':') != NULL;
}

static bool is_warm(const struct fault_library *faults, const struct repro_cause *cause)
{
    const struct fault *fault = cause->fault ? fault_find(faults, slice_of(cause->fault)) : NULL;

    for (size_t i = 0; cause->fault && i < case_wire_faults_count; i++)
        if (strcmp(case_wire_faults[i].name, cause->fault) == 0)
            return case_wire_faults[i].warm;
    return fault && case_fault_wants_warm(fault);
}

static void check_cause(const struct cause_table *table, const struct fault_library *faults,
                        const struct repro_cause *cause)
{
    bool is_server_fault = cause->fault && fault_find(faults, slice_of(cause->fault)) != NULL;

    if (!is_used(table, cause->name))
        fail_msg("no rule has %s", cause->name);
    if (!cause->where[0] || !cause->what[0] || !cause->fix[0] || !cause->tell[0])
        fail_msg("%s lacks words", cause->name);
    if (!cause_table_stage(table, cause->stage))
        fail_msg("%s: there is no stage %s", cause->name, cause->stage);
    if (cause->fault && cause->place == CAUSE_AT_SERVER && !is_server_fault)
        fail_msg("%s: no origin has the fault %s", cause->name, cause->fault);
    if (cause->fault && cause->place != CAUSE_AT_SERVER && !is_wire_fault(cause->fault))
        fail_msg("%s: no wire has the fault %s", cause->name, cause->fault);
    if (cause->is_warm != is_warm(faults, cause))
        fail_msg("%s: warm, or not?", cause->name);
    if (cause->fault && strpbrk(cause->fault, "',"))
        fail_msg("%s: its fault goes through a shell and a list", cause->name);
}

TEST(every_cause_is_whole_and_used)
{
    SCOPED(cause_table) table = cause_table_create();
    struct fault_library *faults = fault_library_builtin();

    CHECK(table != NULL && faults != NULL);
    CHECK(table->count > 80);
    for (size_t i = 0; i < table->count; i++)
        check_cause(table, faults, &table->causes[i]);
    fault_library_free(faults);
}

TEST(every_rule_names_causes_and_features_that_there_are)
{
    static const char *const features[] = {
        "phrase",  "action", "detail", "level",  "status",
        "request", "state",  "server", "timers", "target_status"
    };
    SCOPED(cause_table) table = cause_table_create();
    const json_t *rules, *rule, *cause;
    size_t i, k;

    CHECK(table != NULL);
    rules = cause_table_rules(table);
    json_array_foreach(rules, i, rule)
    {
        const char *name;
        json_t *pattern;

        json_array_foreach(json_object_get(rule, "causes"), k,
                           cause) if (!cause_table_find(table, json_string_value(cause)))
            fail_msg("rule %zu: there is no cause %s", i, json_string_value(cause));
        json_object_foreach(json_object_get(rule, "if"), name, pattern)
        {
            bool found = false;

            for (k = 0; k < sizeof(features) / sizeof(features[0]); k++)
                found = found || strcmp(features[k], name) == 0;
            if (!found)
                fail_msg("rule %zu: no line has the feature %s", i, name);
        }
    }
}

TEST(stages_go_through_a_shell)
{
    SCOPED(cause_table) table = cause_table_create();
    char *text;

    CHECK(table != NULL);
    text = json_dumps(json_object_get(table->root, "stages"), JSON_COMPACT);
    CHECK(text != NULL && !strchr(text, '\''));
    free(text);
}

TEST(settings_are_called_as_the_product_calls_them)
{
    char text[128];

    cause_words("raise {read_timeout} of {hop}, not {that}", LINE_OF_HAPROXY, text, sizeof(text));
    CHECK_STR(text, "raise timeout server of HAProxy, not {that}");
    cause_words("{read_timeout}", LINE_NGINX, text, sizeof(text));
    CHECK_STR(text, "proxy_read_timeout");
    cause_words("{read_timeout}", LINE_KONG, text, 8);
    CHECK_STR(text, "read_ti");
}

TESTS(TEST_CASE(the_likeliest_cause_of_a_line_comes_first),
      TEST_CASE(two_lines_agree_on_what_both_may_have), TEST_CASE(every_cause_is_whole_and_used),
      TEST_CASE(every_rule_names_causes_and_features_that_there_are),
      TEST_CASE(stages_go_through_a_shell),
      TEST_CASE(settings_are_called_as_the_product_calls_them))
