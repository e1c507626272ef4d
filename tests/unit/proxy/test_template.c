/* template: how "$name" is read, and what each variable for fields gives. */
#include "proxy/persona/template.h"

#include "tests/unit/proxy/fixture.h"

static const char *expand(struct exchange_fixture *x, const char *source,
                          const struct fields *response)
{
    struct template_part parts[TEMPLATE_PARTS_MAX];
    struct template_scope scope = { .record = &x->record, .response = response };
    struct slice bad = { NULL, 0 };
    int count = template_compile(slice_of(source), parts, &bad);
    struct template template = { parts, (size_t)count };
    struct text text;

    if (count < 0)
        return arena_printf(&x->arena, "bad: %.*s", SLICE_ARG(bad)).ptr;
    text_init(&text, &x->arena);
    template_expand(&template, &scope, &text);
    return text_take(&text).ptr;
}

TEST(names_end_where_they_end_and_braces_help)
{
    static const char *const rows[][2] = {
        { "a$client_ip", "a10.0.0.5" },
        { "${scheme}s", "https" },
        { "$$client_ip $$$scheme", "$client_ip $http" },
        { "$schemes", "bad: schemes" },
        { "${scheme", "bad: {scheme" },
        { "${scheme s}", "bad: {scheme" },
        { "${}", "bad: {" },
        { "$", "bad: " },
        { "a$", "bad: " },
        { "$http_", "bad: http_" },
        { "${http_x_1}2", "one2" },
        { "$http_x_1-2", "one-2" },
        { "$upstream_http_etag", "\"e\"" },
        { "<$http_none>", "<>" },
    };
    struct exchange_fixture x;
    struct fields response;

    exchange_fixture_init(&x, "edge", "Host: a|X-1: one");
    fixture_fields(&response, &x.arena, "ETag: \"e\"");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_STR(expand(&x, rows[i][0], &response), rows[i][1]);
    CHECK_STR(expand(&x, "<$upstream_http_etag>", NULL), "<>");
    exchange_fixture_done(&x);
}

TEST(a_field_of_several_lines_is_one_list)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "edge", "X-A: 1|x_a: 2|X-B: 3|X-A:");
    CHECK_STR(expand(&x, "$http_x_a", NULL), "1, 2, ");
    exchange_fixture_done(&x);
}

TEST(facts_that_nobody_knows_are_empty)
{
    struct exchange_record record = { .client_peer.ss_family = AF_UNSPEC };

    for (unsigned i = 1; template_variable_name(i); i++) {
        struct exchange_fixture x;
        char source[80];

        exchange_fixture_init(&x, "edge", "");
        record.persona = x.persona;
        x.record = record;
        snprintf(source, sizeof(source), "<${%s}>", template_variable_name(i));
        CHECK(expand(&x, source, NULL)[0] == '<');
        exchange_fixture_done(&x);
    }
}

TEST(facts_of_the_connection_and_of_forwarded)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "edge", "Host: a.example:81");
    x.record.client_peer = fixture_addr("[2001:db8::7]:4711");
    CHECK_STR(expand(&x, "$peer_ip $peer_port $listener_ip $method $request_uri $query", NULL),
              "2001:db8::7 4711 10.0.0.1 GET /a?b=1 b=1");
    CHECK_STR(
        expand(&x, "$forwarded_for|$forwarded_for_port|$forwarded_by|$forwarded_by_port", NULL),
        "\"[2001:db8::7]\"|\"[2001:db8::7]:4711\"|10.0.0.1|\"10.0.0.1:8000\"");
    CHECK_STR(expand(&x, "$forwarded_host", NULL), "\"a.example:81\"");
    exchange_fixture_done(&x);
}

TESTS(TEST_CASE(names_end_where_they_end_and_braces_help),
      TEST_CASE(a_field_of_several_lines_is_one_list), TEST_CASE(facts_that_nobody_knows_are_empty),
      TEST_CASE(facts_of_the_connection_and_of_forwarded))
