/* request_debug: who may see the times of a request, and what Kong's JSON says of them. */
#include "proxy/report/request_debug.h"

#include "tests/unit/proxy/fixture.h"

#define ASKS  "Host: a|X-Kong-Request-Debug: *"
#define TOKEN "8f2c0d6e-0000-4000-8000-000000000000"

struct ask_row {
    const char *client_ip, *fields;
    bool want;
};

TEST(the_loopback_may_ask_and_who_has_the_token)
{
    static const struct ask_row rows[] = {
        { "127.0.0.1", ASKS, true },
        { "127.255.0.9", ASKS, true },
        { "::1", ASKS, true },
        { "10.0.0.5", ASKS, false },
        { "::2", ASKS, false },
        { "10.0.0.5", ASKS "|X-Kong-Request-Debug-Token: " TOKEN, true },
        { "10.0.0.5", ASKS "|X-Kong-Request-Debug-Token: " TOKEN "0", false },
        { "10.0.0.5", ASKS "|X-Kong-Request-Debug-Token: 8f2c0d6e", false },
        { "10.0.0.5", ASKS "|X-Kong-Request-Debug-Token:", false },
        { "127.0.0.1", "Host: a|X-Kong-Request-Debug: upstream", false },
        { "127.0.0.1", "Host: a", false },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct exchange_fixture x;

        exchange_fixture_init(&x, "kong", rows[i].fields);
        x.record.client_ip = slice_of(rows[i].client_ip);
        CHECK_INT(request_debug_ask(&x.record, TOKEN), rows[i].want);
        CHECK_INT(x.record.debug.is_wanted, rows[i].want);
        CHECK(!x.record.debug.is_logged);
        exchange_fixture_done(&x);
    }
}

static const char *json_of(struct exchange_fixture *x, bool streamed)
{
    struct text text;

    text_init(&text, &x->arena);
    request_debug_put(&x->record, streamed, &text);
    text_add(&text, (struct slice){ "", 1 });
    return text_take(&text).ptr;
}

TEST(the_json_has_the_measured_phases_only)
{
    struct exchange_fixture x;
    struct try_record *try;

    exchange_fixture_init(&x, "kong", ASKS);
    x.record.debug = (struct request_debug){ .is_wanted = true,
                                             .rewrite_us = 999,
                                             .router_us = 1000,
                                             .access_us = 2999,
                                             .balancer_us = 3000 };
    CHECK_STR(json_of(&x, false), "{\"child\":{\"rewrite\":{\"total_time\":0},\"access\":{"
                                  "\"total_time\":2,\"child\":{\"router\":{\"total_time\":1}}}},"
                                  "\"request_id\":\"0123456789abcdef0123456789abcdef\"}");
    try = exchange_fixture_try(&x, END_OK); /* picked after 5 ms */
    x.record.response_head_at_us = 1012500;
    try->ended_at_us = 1020000;
    CHECK_STR(json_of(&x, false),
              "{\"child\":{\"rewrite\":{\"total_time\":0},\"access\":{\"total_time\":2,\"child\":{"
              "\"router\":{\"total_time\":1}}},\"balancer\":{\"total_time\":3},\"upstream\":{"
              "\"total_time\":7,\"child\":{\"time_to_first_byte\":{\"total_time\":7}}}},"
              "\"request_id\":\"0123456789abcdef0123456789abcdef\"}");
    CHECK(strstr(json_of(&x, true), "\"upstream\":{\"total_time\":14,\"child\":{"
                                    "\"time_to_first_byte\":{\"total_time\":7},"
                                    "\"streaming\":{\"total_time\":7}}}"));
    exchange_fixture_done(&x);
}

TEST(a_line_is_written_only_on_request)
{
    struct exchange_fixture x;
    struct slice line;

    exchange_fixture_init(&x, "kong", ASKS "|X-Kong-Request-Debug-Log: true");
    CHECK_INT(request_debug_line(&x.record, &x.arena).len, 0);
    x.record.client_ip = SLICE("127.0.0.1");
    CHECK(request_debug_ask(&x.record, TOKEN));
    line = request_debug_line(&x.record, &x.arena);
    CHECK(memmem(line.ptr, line.len, " [notice] ", 10));
    CHECK(memmem(line.ptr, line.len, "*3 [request-debug] output: {\"child\":", 35));
    CHECK_INT(line.ptr[line.len - 1], '\n');
    exchange_fixture_done(&x);
}

TEST(a_token_is_a_random_uuid)
{
    char a[REQUEST_DEBUG_TOKEN_BYTES], b[REQUEST_DEBUG_TOKEN_BYTES];

    CHECK(request_debug_make_token(a));
    CHECK(request_debug_make_token(b));
    CHECK_INT(strlen(a), 36);
    CHECK(strcmp(a, b) != 0);
    CHECK_INT(a[14], '4');
    CHECK(strchr("89ab", a[19]) != NULL);
}

TESTS(TEST_CASE(the_loopback_may_ask_and_who_has_the_token),
      TEST_CASE(the_json_has_the_measured_phases_only),
      TEST_CASE(a_line_is_written_only_on_request), TEST_CASE(a_token_is_a_random_uuid))
