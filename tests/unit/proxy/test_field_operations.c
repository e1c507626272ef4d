/*
 * test_field_operations: each operation, both ways, in each scope; what it may never do; scarce memory.
 */
#include "proxy/rewrite/field_operations.h"

#include <errno.h>

#include "tests/unit/proxy/plan_fixture.h"

/* A list of operations applied to lines; "" in `want` is no line at all. */
struct row {
    const char *operations, *in, *want;
};

static const struct row rows[] = {
    /* set */
    { "{set: X-A, value: z}", "X-B: 1|x-a: 2|X-B: 3|X-A: 4|X-C: 5", "X-B: 1|X-A: z|X-B: 3|X-C: 5" },
    { "{set: X-A, value: z}", "X-B: 1", "X-B: 1|X-A: z" },
    { "{set: X-A, value: z, if_absent: true}", "x-a:|X-B: 1", "x-a: |X-B: 1" },
    { "{set: X-A, value: z, if_absent: true}", "X-B: 1", "X-B: 1|X-A: z" },
    { "{set: X-A, value: $http_none}", "X-A: 1|X-B: 1|X-A: 2", "X-B: 1" },
    { "{set: X-A, value: ' \tz '}", "", "X-A: z" },
    { "{set: X-A, value: $http_none z $http_none}", "", "X-A: z" },
    /* add */
    { "{add: X-A, value: z}", "X-A: 1|X-B: 1", "X-A: 1|X-B: 1|X-A: z" },
    { "{add: X-A, value: z, if_absent: true}", "x-a: 1", "x-a: 1" },
    { "{add: X-A, value: $http_none}", "X-A: 1", "X-A: 1" },
    /* append */
    { "{append: X-A, value: z}", "X-A: 1|X-B: 1|x-a: 2|X-C: 3", "X-A: 1|X-B: 1|x-a: 2, z|X-C: 3" },
    { "{append: X-A, value: z}", "X-B: 1", "X-B: 1|X-A: z" },
    { "{append: X-A, value: z}", "X-A:", "X-A: z" },
    { "{append: X-A, value: $http_none}", "X-A: 1\t", "X-A: 1\t" },
    { "{append: Cookie, value: b=2}", "Cookie: a=1", "Cookie: a=1; b=2" },
    /* rename */
    { "{rename: x-a, to: X-Z}", "X-A: 1|X-B: 1|X-a:", "X-Z: 1|X-B: 1|X-Z: " },
    { "{rename: X-A, to: X-Z}", "X-Z: 0|X-A: 1", "X-Z: 0|X-Z: 1" },
    { "{rename: X-A, to: X-a}", "X-A: 1", "X-a: 1" },
    /* remove */
    { "{remove: X-A}", "x-a: 1|X-AB: 2|X-A: 3", "X-AB: 2" },
    { "{remove: x-*}", "X-A: 1|XA: 2|X-: 3|x-b: 4", "XA: 2" },
    { "{remove: C*}", "Connection: close|Content-Length: 0|Content-Type: a|Cookie: b",
      "Connection: close|Content-Length: 0" },
    { "{remove: T*}", "TE: trailers|Transfer-Encoding: chunked|Trailer: X|T: 1",
      "TE: trailers|Transfer-Encoding: chunked|Trailer: X" },
    { "{remove: u*}, {remove: k*}, {remove: p*}, {remove: e*}",
      "Upgrade: a|Keep-Alive: b|Proxy-Connection: c|Expect: d|ETag: e|Pragma: f",
      "Upgrade: a|Keep-Alive: b|Proxy-Connection: c|Expect: d" },
    /* case */
    { "{case: X-AbC}", "x-abc: 1|X-B: 2|X-ABC: 3", "X-AbC: 1|X-B: 2|X-AbC: 3" },
    { "{case: lower}", "X-AbC: A|ETAG: B|Content-Length: 1", "x-abc: A|etag: B|content-length: 1" },
    { "{case: canonical}",
      "x-abC-1d: A|etag: B|www-authenticate: c|te: d|x-real-ip: e|SEC-WEBSOCKET-KEY: f|3d-x_y: g",
      "X-Abc-1d: A|ETag: B|WWW-Authenticate: c|TE: d|X-Real-IP: e|Sec-WebSocket-Key: f|3d-X_y: g" },
    { "{case: lower}, {case: X-Mine}", "X-MINE: 1|X-Other: 2", "X-Mine: 1|x-other: 2" },
    /* in written order */
    { "{remove: X-A}, {set: X-A, value: '1'}, {rename: X-A, to: X-B}, {append: X-B, value: '2'}, "
      "{case: x-b}",
      "X-A: 0", "x-b: 1, 2" },
    { "{append: X-B, value: '2'}, {rename: X-A, to: X-B}, {set: X-A, value: '1'}, {remove: X-A}",
      "X-A: 0", "X-B: 0|X-B: 2" },
    { "{set: X-A, value: '$client_ip $route'}", "", "X-A: 10.0.0.5 r1" },
};

enum { ROWS_COUNT = sizeof(rows) / sizeof(rows[0]) };

static const char *apply(struct plan_fixture *p, bool of_response, unsigned status, const char *in)
{
    const struct field_response response = { .status = status, .fields = &p->x.request.fields };
    struct fields fields;
    int r;

    fixture_fields(&fields, &p->x.arena, in);
    r = of_response ? field_operations_on_response(&p->x.record, &response, &fields)
                    : field_operations_on_request(&p->x.record, &fields);
    CHECK_INT(r, 0);
    return fixture_lines(&fields, &p->x.arena);
}

TEST(each_operation_both_ways_for_hop_service_and_route)
{
    static const char *const scopes[] = { "", "service: shop, ", "route: r1, " };
    char text[512];

    for (size_t i = 0; i < ROWS_COUNT * 3 * 2; i++) {
        const struct row *row = &rows[i / 6];
        struct plan_fixture p;
        bool of_response = i & 1;

        (void)snprintf(text, sizeof(text), "[{%s%s: [%s]}]", scopes[i / 2 % 3],
                       of_response ? "response" : "request", row->operations);
        plan_fixture_init(&p, "kong", "", text);
        CHECK_STR(p.said, "");
        if (strcmp(apply(&p, of_response, 200, row->in), row->want) != 0)
            fail_msg("%s: %s gives %s", text, row->in, apply(&p, of_response, 200, row->in));
        plan_fixture_done(&p);
    }
}

/* Behind CGI "X_A" and "X-A" are one variable, and the client's might be the one that counts. */
TEST(the_underscore_spelling_goes_from_requests_and_stays_in_responses)
{
    static const struct {
        const char *operations, *in, *request, *response;
    } spellings[] = {
        { "{set: X-A, value: z}", "X_A: 1|X-B: 1|x_a: 2", "X-A: z|X-B: 1",
          "X_A: 1|X-B: 1|x_a: 2|X-A: z" },
        { "{set: X-A, value: z}", "X-A: 1|X_A: 2", "X-A: z", "X-A: z|X_A: 2" },
        { "{set: X_A, value: z}", "X-A: 1", "X_A: z", "X-A: 1|X_A: z" },
        { "{set: X-A, value: $http_none}", "X_A: 1|X-B: 1", "X-B: 1", "X_A: 1|X-B: 1" },
        { "{add: X-A, value: z, if_absent: true}", "X_A: 1", "X_A: 1", "X_A: 1|X-A: z" },
        { "{add: X-A, value: z}", "X_A: 1", "X_A: 1|X-A: z", "X_A: 1|X-A: z" },
        { "{remove: X-A}", "X_A: 1|X-A: 2|X_AB: 3", "X_AB: 3", "X_A: 1|X_AB: 3" },
        { "{remove: X-A-*}", "X_A_1: 1|x-a_2: 2|X_A: 3", "X_A: 3", "X_A_1: 1|x-a_2: 2|X_A: 3" },
        { "{append: X-A, value: z}", "X_A: 1", "X_A: 1|X-A: z", "X_A: 1|X-A: z" },
        { "{rename: X-A, to: X-B}", "X_A: 1", "X_A: 1", "X_A: 1" },
    };
    char text[256];

    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        struct plan_fixture p;

        (void)snprintf(text, sizeof(text), "[{request: [%s], response: [%s]}]",
                       spellings[i].operations, spellings[i].operations);
        plan_fixture_init(&p, "kong", "", text);
        CHECK_STR(apply(&p, false, 0, spellings[i].in), spellings[i].request);
        CHECK_STR(apply(&p, true, 200, spellings[i].in), spellings[i].response);
        plan_fixture_done(&p);
    }
}

TEST(a_list_of_one_way_leaves_the_other_alone)
{
    struct plan_fixture p;

    plan_fixture_init(&p, "edge", "", "[{request: [{remove: X-A}]}]");
    CHECK_STR(apply(&p, true, 200, "X-A: 1"), "X-A: 1");
    plan_fixture_done(&p);
    plan_fixture_init(&p, "edge", "", "[{response: [{remove: X-A}]}]");
    CHECK_STR(apply(&p, false, 0, "X-A: 1"), "X-A: 1");
    plan_fixture_done(&p);
}

TEST(hop_then_service_then_route_whatever_their_order_in_the_file)
{
    struct plan_fixture p;

    plan_fixture_init(&p, "edge", "",
                      "[{route: r1, request: [{append: X-A, value: r1}]}, "
                      "{route: r3, request: [{append: X-A, value: r3}]}, "
                      "{service: shop, request: [{append: X-A, value: shop}]}, "
                      "{request: [{append: X-A, value: hop}]}]");
    CHECK_STR(apply(&p, false, 0, ""), "X-A: hop, shop, r1");
    p.x.record.field_plan = field_plan_of_route(&p.plans, 1);
    CHECK_STR(apply(&p, false, 0, ""), "X-A: hop, shop");
    p.x.record.field_plan = field_plan_of_route(&p.plans, 2);
    CHECK_STR(apply(&p, false, 0, ""), "X-A: hop, r3");
    p.x.record.field_plan = p.plans.of_hop;
    CHECK_STR(apply(&p, false, 0, ""), "X-A: hop");
    plan_fixture_done(&p);
}

TEST(statuses_are_those_of_nginxs_add_header)
{
    static const unsigned with[] = { 200, 201, 204, 206, 301, 302, 303, 304, 307, 308 };
    struct plan_fixture p;

    plan_fixture_init(&p, "edge", "",
                      "[{response: [{set: X-A, value: '1'}, {remove: X-R}, {add: X-W, value: '1', "
                      "when_status: [404, 999]}, {add: X-Z, value: '1', always: true}]}]");
    for (unsigned status = 200; status < 1000; status++) {
        bool writes = false, listed = status == 404 || status == 999;
        char want[64];

        for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++)
            writes = writes || with[i] == status;
        (void)snprintf(want, sizeof(want), "%s%sX-Z: 1", writes ? "X-A: 1|" : "",
                       listed ? "X-W: 1|" : "");
        CHECK_STR(apply(&p, true, status, "X-R: 1"), want);
    }
    plan_fixture_done(&p);
}

TEST(answers_made_here_are_touched_where_that_is_said)
{
    struct plan_fixture p;
    struct fields fields;
    const struct field_response own = { .status = 502 }, redirect = { .status = 301 };

    plan_fixture_init(&p, "edge", "",
                      "[{response: [{set: X-A, value: '1'}, {remove: X-R}, {case: lower}, "
                      "{set: X-O, value: $status, when_status: [502]}, "
                      "{remove: X-S, always: true}]}]");
    fixture_fields(&fields, &p.x.arena, "X-R: 1|X-S: 2");
    CHECK_INT(field_operations_on_response(&p.x.record, &own, &fields), 0);
    CHECK_STR(fixture_lines(&fields, &p.x.arena), "X-R: 1|X-O: 502");
    fixture_fields(&fields, &p.x.arena, "X-R: 1|X-S: 2");
    CHECK_INT(field_operations_on_response(&p.x.record, &redirect, &fields), 0);
    CHECK_STR(fixture_lines(&fields, &p.x.arena), "X-R: 1|X-A: 1");
    plan_fixture_done(&p);
}

TEST(interim_responses_lose_what_is_removed_and_gain_nothing)
{
    struct plan_fixture p;

    plan_fixture_init(&p, "edge", "",
                      "[{response: [{set: X-A, value: '1', always: true}, {remove: X-R}, "
                      "{remove: X-S, when_status: [200]}]}]");
    CHECK_STR(apply(&p, true, 103, "Link: a|X-R: 1|X-S: 1"), "Link: a|X-S: 1");
    CHECK_STR(apply(&p, true, 101, "X-R: 1"), "X-A: 1");
    plan_fixture_done(&p);
}

TEST(host_stays_one_and_there)
{
    struct plan_fixture p;

    plan_fixture_init(&p, "edge", "",
                      "[{request: [{remove: H*}, {set: Host, value: $http_none}, "
                      "{set: Host, value: b.test}]}]");
    CHECK_STR(apply(&p, false, 0, "X: 1|host: a.test|Hx: 2"), "X: 1|Host: b.test");
    plan_fixture_done(&p);
    plan_fixture_init(&p, "edge", "", "[{request: [{set: Host, value: $http_none}]}]");
    CHECK_STR(apply(&p, false, 0, "host: a.test"), "host: a.test");
    plan_fixture_done(&p);
}

/* No parser lets them in; if one did, they would still not come out. */
TEST(variables_bring_no_control_byte)
{
    struct plan_fixture p;
    struct fields fields;
    char bytes[256], got[260];

    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    plan_fixture_init(&p, "edge", "", "[{request: [{set: X-A, value: '<$http_x_b>'}]}]");
    fields_init(&p.x.request.fields, &p.x.arena);
    CHECK_INT(fields_add(&p.x.request.fields, SLICE("X-B"), (struct slice){ bytes, 256 }), 0);
    fields_init(&fields, &p.x.arena);
    CHECK_INT(field_operations_on_request(&p.x.record, &fields), 0);
    CHECK_INT(fields.count, 1);
    CHECK_INT(fields.items[0].value.len, 258);
    memcpy(got, fields.items[0].value.ptr, 258);
    for (int i = 0; i < 256; i++)
        CHECK_INT(got[i + 1], (i < 0x20 && i != '\t') || i == 0x7f
                                  ? ' '
                                  : (char)i); /* every other byte as it is */
    plan_fixture_done(&p);
}

TEST(a_persona_of_lower_case_writes_names_of_rules_so_too)
{
    static const char lower[] = "{\"extends\": \"edge\", \"name\": \"low\", "
                                "\"request\": {\"name_case\": \"lower\"}}";
    struct plan_fixture p;

    plan_fixture_init(&p, lower, "",
                      "[{request: [{set: X-A, value: '1'}, {rename: X-B, to: X-Z}, {case: X-C}]}]");
    CHECK_STR(apply(&p, false, 0, "x-b: 1|x-c: 2"), "x-z: 1|X-C: 2|x-a: 1");
    plan_fixture_done(&p);
}

TEST(names_of_operations_are_known_to_trailers)
{
    struct plan_fixture p;
    const struct field_plan *plan;

    plan_fixture_init(&p, "edge", "",
                      "[{request: [{remove: X-A}], response: [{rename: X-B, to: X-C}, {remove: "
                      "X-D-*}, {case: X-E}]}]");
    plan = p.x.record.field_plan;
    CHECK(field_operations_name(plan, true, SLICE("x-a")));
    CHECK(!field_operations_name(plan, true, SLICE("X-B")));
    CHECK(field_operations_name(plan, false, SLICE("X-B")));
    CHECK(field_operations_name(plan, false, SLICE("X-C")));
    CHECK(field_operations_name(plan, false, SLICE("X-D-1")));
    CHECK(!field_operations_name(plan, false, SLICE("X-E")));
    CHECK(!field_operations_name(NULL, false, SLICE("X-D-1")));
    plan_fixture_done(&p);
}

TEST(no_memory_is_an_answer_and_not_a_crash)
{
    struct plan_fixture p;
    struct arena tight;
    size_t budget = 0;
    int r;

    plan_fixture_init(
        &p, "edge", "",
        "[{request: [{set: X-A, value: '$client_ip a'}, {add: X-B, value: b}, {append: "
        "X-A, value: c}, {case: canonical}, {rename: X-A, to: X-C}]}]");
    do {
        struct fields fields;

        arena_init(&tight, p.x.pool, ++budget);
        fields_init(&fields, &tight);
        r = field_operations_on_request(&p.x.record, &fields);
        CHECK(r == 0 || r == -ENOMEM);
        arena_done(&tight);
    } while (r < 0);
    CHECK(budget > 256);
    plan_fixture_done(&p);
}

TESTS(TEST_CASE(each_operation_both_ways_for_hop_service_and_route),
      TEST_CASE(the_underscore_spelling_goes_from_requests_and_stays_in_responses),
      TEST_CASE(a_list_of_one_way_leaves_the_other_alone),
      TEST_CASE(hop_then_service_then_route_whatever_their_order_in_the_file),
      TEST_CASE(statuses_are_those_of_nginxs_add_header),
      TEST_CASE(answers_made_here_are_touched_where_that_is_said),
      TEST_CASE(interim_responses_lose_what_is_removed_and_gain_nothing),
      TEST_CASE(host_stays_one_and_there), TEST_CASE(variables_bring_no_control_byte),
      TEST_CASE(a_persona_of_lower_case_writes_names_of_rules_so_too),
      TEST_CASE(names_of_operations_are_known_to_trailers),
      TEST_CASE(no_memory_is_an_answer_and_not_a_crash))
