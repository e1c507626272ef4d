/*
 * test_persona: built-in personas load whole, mistakes are told with place and fix, and the small
 * policies they name come out as values.
 */
#include "proxy/persona/persona.h"

#include <string.h>
#include <unistd.h>

#include "tests/unit/proxy/fixture.h"

/* All messages of a refused persona, one per line. */
static const char *refusal_of(const char *text)
{
    static char all[4096];
    struct config_errors errors;
    struct persona *persona;
    size_t length = 0;

    config_errors_init(&errors);
    persona = persona_parse(slice_of(text), "p.json", &errors);
    if (persona)
        fail_msg("accepted: %s", text);
    all[0] = '\0';
    for (size_t i = 0; i < errors.count && length < sizeof(all) - 2; i++) {
        config_error_format(&errors.items[i], all + length, sizeof(all) - length - 2);
        length += strlen(all + length);
        memcpy(all + length++, "\n", 2);
    }
    config_errors_done(&errors);
    return all;
}

static void check_refusal(const char *text, const char *want)
{
    const char *got = refusal_of(text);

    if (!strstr(got, want))
        fail_msg("for %s\n got: %swant: %s", text, got, want);
}

/* Whose leniencies act in the lab only; elsewhere they are off and `check` says so. */
static bool has_leniencies(const char *name)
{
    return strncmp(name, "nginx", 5) == 0 || strcmp(name, "haproxy") == 0;
}

TEST(every_built_in_persona_loads)
{
    size_t count = 0;

    for (size_t i = 0; persona_builtin_name(i); i++, count++) {
        SCOPED(persona) persona = fixture_persona(persona_builtin_name(i));

        CHECK_STR(persona->name, persona_builtin_name(i));
        CHECK_INT(persona_lab_words(persona).count > 0, has_leniencies(persona_builtin_name(i)));
        CHECK(persona->client.head_timeout_ms > 0);
        CHECK(persona->upstream.limits.head_max_bytes > 0);
    }
    CHECK_INT(count, 9); /* kong-admin is for what the hop serves itself */
}

static void check_is_strict(struct persona *persona)
{
    persona_set_lab(persona, false);
    CHECK(!persona->lab_is_on);
    CHECK_INT(persona->parse.request, 0);
    CHECK_INT(persona->parse.response, 0);
    CHECK_INT(persona->response.interim == PERSONA_INTERIM_FINAL, 0);
    CHECK_INT(persona->content.old_client, PERSONA_OLD_CLOSE);
    CHECK_INT(persona->client.trace == PERSONA_METHOD_FORWARD, 0);
    CHECK_INT(persona->client.connect == PERSONA_METHOD_FORWARD, 0);
    CHECK_INT(persona->response.cut == PERSONA_CUT_FIN_ALWAYS, 0);
}

TEST(outside_the_lab_no_leniency_is_left)
{
    SCOPED(persona) nginx = fixture_persona("nginx");
    SCOPED(persona) haproxy = fixture_persona("haproxy");
    SCOPED(persona)
    all = fixture_persona(
        "{\"extends\": \"kong\", \"client\": {\"trace\": \"forward\", \"connect\": \"forward\"},"
        " \"response\": {\"interim\": \"final\"}, \"content\": {\"old_client\": \"chunked\"},"
        " \"parse\": {\"request\": [\"bare_lf\"], \"response\": [\"any_length\"]}}");

    CHECK_INT(persona_lab_words(all).count, 6);
    check_is_strict(nginx);
    check_is_strict(haproxy);
    check_is_strict(all);
}

TEST(kong_says_what_its_reference_says)
{
    SCOPED(persona) kong = fixture_persona("kong");

    CHECK_STR(kong->product, "kong/3.9.3");
    CHECK_INT(kong->retry.policy, PERSONA_RETRY_NEXT);
    CHECK_INT(kong->retry.conditions, PERSONA_RETRY_CONNECT | PERSONA_RETRY_BROKEN |
                                          PERSONA_RETRY_CONNECT_TIMEOUT | PERSONA_RETRY_TIMEOUT);
    CHECK_INT(kong->retry.replay, PERSONA_REPLAY_NOT_POST);
    CHECK_INT(kong->retry.stale, PERSONA_STALE_COUNTS);
    CHECK_INT(kong->retry.retries_count, 5);
    CHECK_INT(kong->upstream.limits.head_max_bytes, 4096);
    CHECK_INT(kong->upstream.head_timer, PERSONA_HEAD_TOTAL);
    CHECK_INT(kong->content.request, PERSONA_STORE);
    CHECK_INT(kong->request.host, PERSONA_HOST_ROUTE);
    CHECK_INT(kong->response.cut, PERSONA_CUT_FIN);
}

TEST(f5_resets_and_pins)
{
    SCOPED(persona) f5 = fixture_persona("f5");

    for (unsigned i = END_OK + 1; i < END_REASON_COUNT; i++)
        CHECK_INT(persona_answer(f5, (enum end_reason)i, true, false).action,
                  i == END_HTTPS_REDIRECT ? PERSONA_PAGE : PERSONA_RESET);
    CHECK_INT(f5->upstream.pin, PERSONA_PIN_CLIENT);
    CHECK_INT(f5->retry.policy, PERSONA_RETRY_RESELECT);
    CHECK_INT(f5->log.error_shape, PERSONA_ERROR_F5);
}

/* The causes that `tmsh show net rst-cause` counts, as far as they were seen. */
TEST(f5_names_its_reset_causes)
{
    static const struct {
        enum end_reason reason;
        const char *cause;
    } rows[] = {
        { END_NO_TARGET, "No pool member available" },
        { END_NO_ROUTE, "No server selected" },
        { END_NO_SERVICE, "No server selected" },
        { END_LIMIT_REACHED, "Connection limit exceeded" },
        { END_CONNECT_TIMEOUT, "TCP retransmit timeout" },
        { END_CONNECT_UNREACHABLE, "No route to host" },
        { END_CONNECT_REFUSED, "{peer} TCP RST from remote system" },
        { END_UPSTREAM_HEAD_RESET, "{peer} TCP RST from remote system" },
        { END_UPSTREAM_BODY_RESET, "{peer} TCP RST from remote system" },
        { END_UPSTREAM_HEAD_CLOSED, "{peer} Closing" },
        { END_UPSTREAM_BODY_CLOSED, "{peer} Closing" },
        { END_UPSTREAM_TLS_CLOSED, "{peer} Closing" },
        { END_UPSTREAM_HEAD_TIMEOUT, "Flow expired (sweeper)" },
        { END_UPSTREAM_BODY_TIMEOUT, "Flow expired (sweeper)" },
        { END_UPSTREAM_SEND_TIMEOUT, "Flow expired (sweeper)" },
        { END_UPSTREAM_TLS_TIMEOUT, "Flow expired (sweeper)" },
        { END_TUNNEL_TIMEOUT, "Flow expired (sweeper)" },
        { END_CLIENT_HEAD_TIMEOUT, "Flow expired (sweeper)" },
        { END_CLIENT_BODY_TIMEOUT, "Flow expired (sweeper)" },
        { END_CLIENT_SEND_TIMEOUT, "Flow expired (sweeper)" },
    };
    SCOPED(persona) f5 = fixture_persona("f5");

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_STR(persona_answer(f5, rows[i].reason, true, false).log_phrase, rows[i].cause);
    CHECK_INT(f5->client.limits.fields_max_count, 64);
    CHECK_INT(f5->client.limits.head_max_bytes, 32768);
    CHECK_INT(f5->upstream.connect_timeout_ms, 21000); /* SYN at 0, 3, 9 s, given up at 21 s */
    CHECK_INT(f5->upstream.read_timeout_ms, 300000);
}

TEST(an_nlb_answers_nothing_and_asks_all_when_all_are_unhealthy)
{
    SCOPED(persona) nlb = fixture_persona("nlb");

    for (unsigned i = END_OK + 1; i < END_REASON_COUNT; i++)
        CHECK_INT(persona_answer(nlb, (enum end_reason)i, true, false).action, PERSONA_RESET);
    CHECK_INT(nlb->client.layer, PERSONA_LAYER_TCP);
    CHECK_INT(nlb->upstream.read_timeout_ms, 350000);
    CHECK_INT(nlb->upstream.all_unhealthy, PERSONA_FAIL_OPEN);
}

TEST(edge_names_a_cause_for_everything_it_answers)
{
    SCOPED(persona) edge = fixture_persona("edge");

    for (unsigned i = END_OK + 1; i < END_REASON_COUNT; i++) {
        struct persona_answer answer = persona_answer(edge, (enum end_reason)i, true, false);

        if (answer.action == PERSONA_PAGE && answer.message.count == 0)
            fail_msg("edge has no message for %s", end_reason_info((enum end_reason)i)->name);
    }
}

TEST(answers_take_the_reason_first_and_the_status_for_the_rest)
{
    SCOPED(persona) kong = fixture_persona("kong");
    struct persona_answer answer;

    answer = persona_answer(kong, END_CLIENT_HEAD_TOO_BIG, false, false);
    CHECK_INT(answer.status, 400);
    CHECK(!answer.keep_alive);
    answer = persona_answer(kong, END_NO_TARGET, false, false);
    CHECK_INT(answer.status, 503);
    CHECK_INT(answer.negotiation, PERSONA_EXIT);
    CHECK_STR(answer.reason_phrase, "Service Temporarily Unavailable");
    CHECK(answer.keep_alive);
    answer = persona_answer(kong, END_NO_TARGET, true, false);
    CHECK_INT(answer.negotiation, PERSONA_HANDLER);
    answer = persona_answer(kong, END_UPSTREAM_RESOLVE_FAILED, true, false);
    CHECK_INT(answer.status, 500);
    CHECK(!answer.keep_alive);
    answer = persona_answer(kong, END_CLIENT_HEAD_TIMEOUT, false, false);
    CHECK_INT(answer.action, PERSONA_CLOSE);
    answer = persona_answer(kong, END_CLIENT_ABORTED, true, false);
    CHECK_INT(answer.action, PERSONA_CLOSE);
    CHECK_INT(answer.status, 499);
    CHECK(answer.logged);
}

TEST(each_failure_falls_under_one_retry_condition)
{
    CHECK_INT(persona_retry_condition(END_CONNECT_REFUSED), PERSONA_RETRY_CONNECT);
    CHECK_INT(persona_retry_condition(END_CONNECT_TIMEOUT), PERSONA_RETRY_CONNECT_TIMEOUT);
    CHECK_INT(persona_retry_condition(END_UPSTREAM_TLS_TIMEOUT), PERSONA_RETRY_CONNECT_TIMEOUT);
    CHECK_INT(persona_retry_condition(END_UPSTREAM_HEAD_CLOSED), PERSONA_RETRY_BROKEN);
    CHECK_INT(persona_retry_condition(END_UPSTREAM_HEAD_TIMEOUT), PERSONA_RETRY_TIMEOUT);
    CHECK_INT(persona_retry_condition(END_UPSTREAM_HEAD_TOO_BIG), PERSONA_RETRY_INVALID);
    CHECK_INT(persona_retry_condition(END_UPSTREAM_BODY_CLOSED), 0);
    CHECK_INT(persona_retry_condition(END_CLIENT_ABORTED), 0);
    CHECK_INT(persona_retry_condition_of_status(503), PERSONA_RETRY_503);
    CHECK_INT(persona_retry_condition_of_status(501), PERSONA_RETRY_501);
    CHECK_INT(persona_retry_condition_of_status(505), 0);
}

TEST(a_persona_may_change_a_built_in_one)
{
    SCOPED(persona)
    p = fixture_persona("{\"extends\": \"kong\", \"name\": \"mine\","
                        " \"client\": {\"head_timeout_ms\": 1500},"
                        " \"request\": {\"fields\": [{\"name\": \"X-A\","
                        " \"value\": \"$hop\"}]}}");

    CHECK_STR(p->name, "mine");
    CHECK_STR(p->product, "kong/3.9.3");
    CHECK_INT(p->client.head_timeout_ms, 1500);
    CHECK_INT(p->client.body_timeout_ms, 60000);
    CHECK_INT(p->request.fields.count, 1);
    CHECK_SLICE(p->request.fields.items[0].name, "X-A");
    CHECK_INT(p->request.fields.items[0].policy, PERSONA_REPLACE);
    CHECK_INT(p->request.fields.items[0].basis, PERSONA_AS_SECTION);
    CHECK_INT(p->request.basis, PERSONA_DOCUMENTED);
    CHECK_INT(p->response.fields.count, 15);
}

TEST(unknown_keys_and_words_are_refused_with_place_and_suggestion)
{
    check_refusal("{\"extends\": \"kong\",\n \"clinet\": {}}",
                  "p.json:2:2: error: clinet: unknown key; did you mean \"client\"?");
    check_refusal("{\"extends\": \"kong\", \"request\": {\"host\": \"rout\"}}",
                  "request.host: unknown word \"rout\"; did you mean \"route\"?");
    check_refusal("{\"extends\": \"kong\", \"request\": {\"fields\": [{\"name\": \"A\"},"
                  " {\"name\": \"B\", \"polcy\": \"append\"}]}}",
                  "request.fields[1].polcy: unknown key; did you mean \"policy\"?");
    check_refusal("{\"extends\": \"kong\", \"request\": {\"fields\": [{\"name\": \"A\","
                  " \"value\": \"x-$client_up\"}]}}",
                  "request.fields[0].value: unknown variable \"$client_up\"; did you mean "
                  "\"$client_ip\"?");
    check_refusal("{\"extends\": \"kong\", \"error_page\": {\"answers\": [{\"reason\":"
                  " \"CONNECT_REFUSE\", \"status\": 503}]}}",
                  "unknown reason \"CONNECT_REFUSE\"; did you mean \"CONNECT_REFUSED\"?");
    check_refusal("{\"extends\": \"kng\"}", "did you mean \"kong\"?");
    check_refusal("{\"extends\": \"kong\", \"retry\": {\"conditions\": [\"eror\"]}}",
                  "retry.conditions[0]: unknown word \"eror\"; did you mean \"error\"?");
}

TEST(wrong_types_and_ranges_are_refused)
{
    check_refusal("{\"extends\": \"kong\", \"client\": {\"head_timeout_ms\": \"5s\"}}",
                  "client.head_timeout_ms: must be a whole number, is a text");
    check_refusal("{\"extends\": \"kong\", \"client\": {\"head_timeout_ms\": -1}}",
                  "must be between 0 and");
    check_refusal("{\"extends\": \"kong\", \"request\": {\"lead\": [\"X Y\"]}}",
                  "request.lead[0]: \"X Y\" is no field name");
    check_refusal("{\"extends\": \"kong\", \"request\": {\"fields\": [{\"name\": \"A\","
                  " \"value\": \"x\\r\\nB: c\"}]}}",
                  "request.fields[0].value: must not contain control bytes");
    check_refusal(
        "{\"extends\": \"kong\", \"log\": {\"access_format\": \"xml\"}}",
        "unknown format \"xml\"; known are: kong, combined, json, kong-serialize, haproxy, alb");
    check_refusal("{\"extends\": \"kong\", \"error_page\": {\"default_page\": \"pdf\"}}",
                  "there is no page named \"pdf\"");
    check_refusal("{\"extends\": \"edge\", \"request\": {\"expect\": \"forward\"}}",
                  "request.expect: \"forward\" needs the field Expect: take it out of");
    check_refusal("[]", "a persona is a JSON mapping");
    check_refusal("{\"extends\": ", "p.json:1:");
}

TEST(without_a_base_nothing_may_be_missing)
{
    const char *got = refusal_of("{\"name\": \"x\", \"request\": {\"basis\": \"assumed\"}}");

    CHECK(strstr(got, "key \"product\" is missing") != NULL);
    CHECK(strstr(got, "request: key \"version\" is missing") != NULL);
    CHECK(strstr(got, "key \"log\" is missing") != NULL);
}

TEST(every_mistake_is_told_at_once)
{
    const char *got = refusal_of("{\"extends\": \"kong\", \"a\": 1, \"b\": 2,"
                                 " \"client\": {\"head_timeout_ms\": true}}");

    CHECK(strstr(got, ": a: unknown key") != NULL);
    CHECK(strstr(got, ": b: unknown key") != NULL);
    CHECK(strstr(got, "client.head_timeout_ms") != NULL);
}

TEST(leniencies_are_listed_for_the_lab_and_forgotten_when_taken_back)
{
    SCOPED(persona)
    p = fixture_persona("{\"extends\": \"kong\", \"client\": {\"trace\":"
                        " \"forward\"}, \"parse\": {\"response\":"
                        " [\"odd_status\", \"bare_lf\"]}}");
    struct persona_strings words = persona_lab_words(p);

    CHECK_INT(words.count, 3);
    CHECK_SLICE(words.items[0], "client.trace=forward");
    CHECK_SLICE(words.items[1], "parse.response[0]=odd_status");
    CHECK_SLICE(words.items[2], "parse.response[1]=bare_lf");
}

TEST(what_a_persona_adds_in_the_lab_is_not_there_elsewhere)
{
    SCOPED(persona) kong = fixture_persona("kong");
    SCOPED(persona) simulated = fixture_persona("kong");

    CHECK(kong->lab.request & PERSONA_LENIENT_BARE_LF);
    CHECK(kong->lab.response & PERSONA_LENIENT_ODD_STATUS);
    persona_set_lab(kong, false);
    CHECK_INT(kong->parse.request, 0);
    CHECK_INT(kong->parse.response, 0);
    CHECK_INT(kong->response.interim, PERSONA_INTERIM_FORWARD);
    persona_set_lab(simulated, true);
    CHECK_INT(simulated->parse.request, simulated->lab.request);
    CHECK_INT(simulated->parse.response, simulated->lab.response);
    CHECK_INT(simulated->response.interim, PERSONA_INTERIM_FINAL);
}

TEST(a_file_is_named_by_its_path)
{
    char path[] = "/tmp/hopgate-persona-XXXXXX.json";
    int fd = mkstemps(path, 5);
    static const char text[] = "{\"extends\": \"f5\", \"name\": \"lb\"}";
    struct config_errors errors;
    struct persona *persona;

    CHECK(fd >= 0);
    CHECK_INT(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    persona = fixture_persona(path);
    CHECK_STR(persona->name, "lb");
    persona_free(persona);
    unlink(path);
    config_errors_init(&errors);
    CHECK(persona_load(path, &errors) == NULL);
    CHECK(strstr(errors.items[0].message, "cannot read the persona: No such file") != NULL);
    config_errors_done(&errors);
    config_errors_init(&errors);
    CHECK(persona_load("edgy", &errors) == NULL);
    CHECK(strstr(errors.items[0].message, "did you mean \"edge\"?") != NULL);
    config_errors_done(&errors);
}

TEST(headers_tokens_switch_their_rules)
{
    SCOPED(persona) kong = fixture_persona("kong");
    const char *only_status[] = { "x-kong-upstream-status" };
    unsigned on = 0;

    persona_set_response_tokens(kong, only_status, 1);
    for (size_t i = 0; i < kong->response.fields.count; i++) {
        const struct persona_rule *rule = &kong->response.fields.items[i];

        if (rule->token && !rule->off) {
            CHECK_SLICE(rule->name, "X-Kong-Upstream-Status");
            on++;
        }
    }
    CHECK_INT(on, 1);
}

TESTS(TEST_CASE(every_built_in_persona_loads), TEST_CASE(outside_the_lab_no_leniency_is_left),
      TEST_CASE(kong_says_what_its_reference_says), TEST_CASE(f5_resets_and_pins),
      TEST_CASE(f5_names_its_reset_causes),
      TEST_CASE(an_nlb_answers_nothing_and_asks_all_when_all_are_unhealthy),
      TEST_CASE(edge_names_a_cause_for_everything_it_answers),
      TEST_CASE(answers_take_the_reason_first_and_the_status_for_the_rest),
      TEST_CASE(each_failure_falls_under_one_retry_condition),
      TEST_CASE(a_persona_may_change_a_built_in_one),
      TEST_CASE(unknown_keys_and_words_are_refused_with_place_and_suggestion),
      TEST_CASE(wrong_types_and_ranges_are_refused),
      TEST_CASE(without_a_base_nothing_may_be_missing), TEST_CASE(every_mistake_is_told_at_once),
      TEST_CASE(leniencies_are_listed_for_the_lab_and_forgotten_when_taken_back),
      TEST_CASE(what_a_persona_adds_in_the_lab_is_not_there_elsewhere),
      TEST_CASE(a_file_is_named_by_its_path), TEST_CASE(headers_tokens_switch_their_rules))
