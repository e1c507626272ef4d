#include "tools/origin/script.h"

#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tools/origin/request.h"

static struct fault_library *library;

static int set_up(void **state)
{
    (void)state;
    library = fault_library_builtin();
    return library ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fault_library_free(library);
    return 0;
}

static struct script *script_of(const char *text, struct config_errors *errors)
{
    const struct script_source source = { .text = slice_of(text),
                                          .format = DOCUMENT_YAML,
                                          .file = "script.yaml",
                                          .builtin = library,
                                          .seed = 1 };

    config_errors_init(errors);
    return script_read(&source, errors);
}

static struct script *good(const char *text)
{
    struct config_errors errors;
    struct script *script = script_of(text, &errors);

    if (errors.count > 0)
        fail_msg("%u:%u %s", errors.items[0].place.line, errors.items[0].place.column,
                 errors.items[0].message);
    config_errors_done(&errors);
    return script;
}

static void check_mistake(const char *text, unsigned line, unsigned column, const char *message)
{
    struct config_errors errors;
    struct script *script = script_of(text, &errors);

    CHECK(!script);
    CHECK(errors.count >= 1);
    if (errors.items[0].place.line != line || errors.items[0].place.column != column ||
        !strstr(errors.items[0].message, message))
        fail_msg("%u:%u %s, instead of %u:%u %s", errors.items[0].place.line,
                 errors.items[0].place.column, errors.items[0].message, line, column, message);
    config_errors_done(&errors);
}

/* "10110": which of so many requests the script's rules hold for. */
static void choose(struct script *script, const struct request_head *request, size_t count,
                   char *into)
{
    const struct script_moment moment = { .request = request, .elapsed_ms = 1000 };

    for (size_t i = 0; i < count; i++)
        into[i] = script_choose(script, &moment) ? '1' : '0';
    into[count] = '\0';
}

static struct request_head request_to(const char *method, const char *path)
{
    return (struct request_head){ .method = slice_of(method), .path = slice_of(path) };
}

TEST(rules_count_what_matches)
{
    struct request_head get = request_to("GET", "/a/b"), post = request_to("POST", "/a");
    struct script *script =
        good("rules: [{match: {method: GET, path_prefix: /a/}, nth: [2, 3], fault: ok}]");
    char seen[65];

    choose(script, &post, 4, seen);
    CHECK_STR(seen, "0000");
    choose(script, &get, 5, seen);
    CHECK_STR(seen, "01100");
    script_unref(script);
    script = good("rules: [{every: 3, times: 2, fault: ok}]");
    choose(script, &get, 10, seen);
    CHECK_STR(seen, "0010010000");
    script_reset(script);
    choose(script, &post, 3, seen);
    CHECK_STR(seen, "001");
    script_unref(script);
}

TEST(fields_match_by_name_and_value)
{
    struct request_field field = { SLICE("x-KIND"), SLICE("bad") };
    struct request_head request = request_to("GET", "/");
    struct script *script = good("rules: [{match: {field: X-Kind, value: bad}, fault: ok}]");
    char seen[3];

    choose(script, &request, 1, seen);
    CHECK_STR(seen, "0");
    request.fields = &field;
    request.fields_count = 1;
    choose(script, &request, 1, seen);
    CHECK_STR(seen, "1");
    field.value = SLICE("Bad");
    choose(script, &request, 1, seen);
    CHECK_STR(seen, "0");
    script_unref(script);
}

TEST(time_is_a_window)
{
    struct script *script =
        good("rules: [{after_ms: 100, until_ms: 200, on: connection, steps: [close]}]");
    const uint64_t moments[] = { 0, 99, 100, 199, 200 };
    char seen[6] = "";

    for (size_t i = 0; i < 5; i++) {
        const struct script_moment moment = { .elapsed_ms = moments[i] };

        seen[i] = script_choose(script, &moment) ? '1' : '0';
    }
    CHECK_STR(seen, "00110");
    script_unref(script);
}

TEST(chance_depends_on_seed_and_rule_alone)
{
    struct request_head get = request_to("GET", "/");
    char first[129], again[129], other[129];
    struct script *script = good("rules: [{probability: 0.5, fault: ok}]\nseed: 9");
    size_t ones = 0;

    choose(script, &get, 128, first);
    script_reset(script);
    choose(script, &get, 128, again);
    CHECK_STR(again, first);
    script_unref(script);
    script = good("rules: [{probability: 0.5, fault: ok}]\nseed: 10");
    choose(script, &get, 128, other);
    CHECK(strcmp(other, first) != 0);
    script_unref(script);
    for (size_t i = 0; i < 128; i++)
        ones += first[i] == '1';
    CHECK(ones > 32 && ones < 96);
}

TEST(the_first_rule_that_holds_is_taken)
{
    struct request_head get = request_to("GET", "/");
    const struct script_moment moment = { .request = &get };
    struct script *script =
        good("rules:\n- {nth: 2, fault: ok}\n- {answer: {status: 204}}\n- {fault: refusal}\n"
             "faults: {refusal: {steps: [close]}}");
    const struct script_rule *rule = script_choose(script, &moment);

    CHECK(rule == &script->rules[1] && rule->has_answer && rule->answer.status == 204);
    rule = script_choose(script, &moment);
    CHECK_STR(rule->fault->name, "ok");
    CHECK_STR(script->rules[2].fault->name, "refusal");
    script_unref(script);
}

TEST(an_own_fault_hides_the_one_that_is_built_in)
{
    struct script *script = good("fault: ok\nfaults: {ok: {steps: [rst]}}");

    CHECK_INT(script->fault->connections[0].steps[0].kind, STEP_RST);
    script_unref(script);
}

TEST(mistakes_have_a_place_and_a_fix)
{
    check_mistake("rulse: []", 1, 1, "a script has no member 'rulse'; did you mean 'rules'?");
    check_mistake("[]", 1, 1, "a script must be a mapping, not a list");
    check_mistake("fault: refusd", 1, 8, "did you mean \"refused\"?");
    check_mistake("rules:\n- {nth: 0, fault: ok}", 2, 9, "from 1 to");
    check_mistake("rules:\n- {nth: [3, 2], fault: ok}", 2, 13, "from 3 to");
    check_mistake("rules:\n- {probability: 1.5, fault: ok}", 2, 17, "from 0 to 1");
    check_mistake("rules:\n- {nth: 1}", 2, 3, "one of 'fault', 'steps' and 'answer'");
    check_mistake("rules:\n- {fault: refused}", 2, 3, "it holds for all of a listener");
    check_mistake("rules:\n- {fault: tls_expired_verify}", 2, 3, "it is about the handshake");
    check_mistake("rules:\n- {on: connection, answer: {}}", 2, 3, "an answer is for requests");
    check_mistake("rules:\n- {on: conn, fault: ok}", 2, 8, "is none of: request, connection");
    check_mistake("rules:\n- {match: {value: x}, fault: ok}", 2, 11, "name it with 'field'");
    check_mistake("rules:\n- {after_ms: 5, until_ms: 5, fault: ok}", 2, 3,
                  "must be more than 'after_ms'");
    check_mistake("faults: {x: {}}", 1, 13, "a fault needs 'steps' or 'connections'");
    check_mistake("faults: {x: {certificate: bad, steps: [close]}}", 1, 27,
                  "is no certificate situation");
    check_mistake("faults: {x: {connections: []}}", 1, 27, "one of them at least");
    check_mistake("answer: {fields: [a]}", 1, 18, "must be a mapping from names to values");
    check_mistake("answer: {chunked: true, size: 3}", 1, 9, "has content, not a size");
    check_mistake("fault: [", 2, 1, "not valid YAML");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(rules_count_what_matches),
        TEST_CASE(fields_match_by_name_and_value),
        TEST_CASE(time_is_a_window),
        TEST_CASE(chance_depends_on_seed_and_rule_alone),
        TEST_CASE(the_first_rule_that_holds_is_taken),
        TEST_CASE(an_own_fault_hides_the_one_that_is_built_in),
        TEST_CASE(mistakes_have_a_place_and_a_fix),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
