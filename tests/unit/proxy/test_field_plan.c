/*
 * test_field_plan: what a forwarded policy makes of each field, under each persona, for peers that are
 * trusted and peers that are not; and which plan is whose.
 */
#include "proxy/rewrite/field_plan.h"

#include "lb/target.h"
#include "proxy/exchange/upstream_host.h"
#include "proxy/rewrite/rewrite.h"
#include "tests/unit/proxy/identity_fixture.h"
#include "tests/unit/proxy/plan_fixture.h"

static const struct rewrite_framing no_content = { .framing = HTTP_FRAMING_NONE,
                                                   .keep_alive = true };

/* The values of the lines of that name in the request sent on, separated by "|". */
static const char *sent(struct plan_fixture *p, const char *name)
{
    struct slice text = arena_copy(&p->x.arena, SLICE(""));
    struct fields out;
    bool several = false;

    fields_init(&out, &p->x.arena);
    CHECK_INT(rewrite_request(&p->x.record, &no_content, &out), 0);
    for (uint32_t i = 0; i < out.count; i++) {
        if (!slice_equal_nocase(out.items[i].name, slice_of(name)))
            continue;
        text = arena_printf(&p->x.arena, "%s%s%.*s", text.ptr, several ? "|" : "",
                            SLICE_ARG(out.items[i].value));
        several = true;
    }
    return several ? text.ptr : "-";
}

struct policy_row {
    const char *persona, *field;
    const char *own; /* what this hop writes */
};

/* host is authority for most: Kong takes it without the port */
static const struct policy_row policy_rows[] = {
    { "edge", "X-Forwarded-For", "10.0.0.5" },
    { "edge", "X-Forwarded-Proto", "http" },
    { "edge", "X-Forwarded-Host", "a.example:81" },
    { "edge", "X-Forwarded-Port", "8000" },
    { "edge", "X-Forwarded-Prefix", "/1" },
    { "edge", "X-Forwarded-Path", "/a" },
    { "edge", "X-Real-IP", "10.0.0.5" },
    { "edge", "Forwarded", "for=10.0.0.5;host=\"a.example:81\";proto=http" },
    { "kong", "X-Forwarded-For", "10.0.0.5" },
    { "kong", "X-Forwarded-Proto", "http" },
    { "kong", "X-Forwarded-Host", "a.example" },
    { "kong", "X-Forwarded-Port", "8000" },
    { "kong", "X-Forwarded-Prefix", "/1" },
    { "kong", "X-Forwarded-Path", "/a" },
    { "kong", "X-Real-IP", "10.0.0.5" },
    { "kong", "Forwarded", "for=10.0.0.5;host=\"a.example:81\";proto=http" },
    { "f5", "X-Forwarded-For", "10.0.0.5" },
    { "f5", "X-Forwarded-Proto", "http" },
    { "f5", "X-Forwarded-Host", "a.example:81" },
    { "f5", "X-Forwarded-Port", "8000" },
    { "f5", "X-Real-IP", "10.0.0.5" },
    { "f5", "Forwarded", "for=10.0.0.5;host=\"a.example:81\";proto=http" },
};

/* One policy for a field that the client sends twice ("c1", "c2") and one that it does not send. */
static void check_policy(const struct policy_row *row, const char *policy, bool trusted)
{
    bool appends = strcmp(policy, "append") == 0, preserves = strcmp(policy, "preserve") == 0;
    bool removes = strcmp(policy, "remove") == 0, believes = trusted && (appends || preserves);
    const char *absent = removes || (believes && preserves) ? "-" : row->own;
    struct plan_fixture p;
    char fields[200], lines[200], want[200];

    (void)snprintf(fields, sizeof(fields), "[{forwarded: {%s: %s}}]", row->field, policy);
    (void)snprintf(lines, sizeof(lines), "Host: a.example:81|%s: c1|%s: c2", row->field,
                   row->field);
    (void)snprintf(want, sizeof(want), believes && appends ? "c1, c2, %s" : "%s",
                   removes                 ? "-"
                   : believes && preserves ? "c1|c2"
                                           : row->own);
    plan_fixture_init(&p, row->persona, "", fields);
    p.x.record.matched_prefix = SLICE("/1");
    p.x.record.client_is_trusted = trusted;
    if (strcmp(sent(&p, row->field), absent) != 0)
        fail_msg("%s %s, absent: %s", row->persona, fields, sent(&p, row->field));
    plan_fixture_request(&p, lines);
    if (strcmp(sent(&p, row->field), want) != 0)
        fail_msg("%s %s, trusted %d: %s", row->persona, fields, trusted, sent(&p, row->field));
    plan_fixture_done(&p);
}

TEST(each_policy_of_each_field_under_each_persona)
{
    static const char *const policies[] = { "preserve", "append", "replace", "remove" };

    for (size_t i = 0; i < sizeof(policy_rows) / sizeof(policy_rows[0]); i++)
        for (size_t k = 0; k < 4; k++) {
            if (k == 1 && strcmp(policy_rows[i].field, "X-Real-IP") == 0)
                continue;
            check_policy(&policy_rows[i], policies[k], true);
            check_policy(&policy_rows[i], policies[k], false);
        }
}

TEST(trusted_networks_of_a_field_go_before_trusted_ips)
{
    struct plan_fixture p;

    plan_fixture_init(&p, "edge", "",
                      "[{forwarded: {X-Forwarded-For: {policy: append, trusted: [10.0.0.0/24, "
                      "'2001:db8::/32'], untrusted: remove}}}]");
    plan_fixture_request(&p, "X-Forwarded-For: c");
    p.x.record.client_is_trusted = false; /* by trusted_ips, which is not asked */
    CHECK_STR(sent(&p, "X-Forwarded-For"), "c, 10.0.0.5");
    p.x.record.client_peer = fixture_addr("[2001:db8::1]:1");
    CHECK_STR(sent(&p, "X-Forwarded-For"), "c, 2001:db8::1");
    p.x.record.client_peer = fixture_addr("[::ffff:10.0.0.77]:1");
    CHECK_STR(sent(&p, "X-Forwarded-For"), "c, 10.0.0.77");
    p.x.record.client_peer = fixture_addr("10.0.1.5:1");
    p.x.record.client_is_trusted = true;
    CHECK_STR(sent(&p, "X-Forwarded-For"), "-");
    plan_fixture_done(&p);
}

TEST(via_and_authorization_are_no_claims)
{
    struct plan_fixture p;

    plan_fixture_init(&p, "edge", "", "[{forwarded: {Via: preserve, Authorization: preserve}}]");
    plan_fixture_request(&p, "Via: 1.0 a|Authorization: b");
    CHECK_STR(sent(&p, "Via"), "1.0 a");
    CHECK_STR(sent(&p, "Authorization"), "b");
    plan_fixture_done(&p);
    plan_fixture_init(&p, "f5", "", "[{forwarded: {Via: append, Authorization: remove}}]");
    plan_fixture_request(&p, "Via: 1.0 a|Via: 1.1 b|Authorization: b");
    CHECK_STR(sent(&p, "Via"), "1.0 a, 1.1 b, 1.1 hop1");
    CHECK_STR(sent(&p, "Authorization"), "-");
    plan_fixture_done(&p);
    plan_fixture_init(&p, "kong", "", "[{forwarded: {Via: replace}}]");
    plan_fixture_request(&p, "Via: 1.0 a");
    CHECK_STR(sent(&p, "Via"), "1.1 kong/3.9.3");
    plan_fixture_done(&p);
}

TEST(forwarded_has_the_parts_that_it_is_told_to_have)
{
    static const char *const rows[][2] = {
        { "{policy: replace}", "for=10.0.0.5;host=\"a.example:81\";proto=http" },
        { "{policy: replace, for: ip_port, by: ip_port}",
          "for=\"10.0.0.5:50000\";by=\"10.0.0.1:8000\";host=\"a.example:81\";proto=http" },
        { "{policy: replace, for: none, by: ip, host: false}", "by=10.0.0.1;proto=http" },
        { "{policy: replace, for: unknown, proto: false, host: false}", "for=unknown" },
        { "{policy: replace, for: _gazonk, by: _SEVKISEK.1-x, proto: false, host: false}",
          "for=_gazonk;by=_SEVKISEK.1-x" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct plan_fixture p;
        char fields[200];

        (void)snprintf(fields, sizeof(fields), "[{forwarded: {Forwarded: %s}}]", rows[i][0]);
        plan_fixture_init(&p, "edge", "", fields);
        CHECK_STR(sent(&p, "Forwarded"), rows[i][1]);
        plan_fixture_done(&p);
    }
}

/* ---- identities ---- */

static const char all_identities[] =
    "Client-Cert: a|Client-Cert-Chain: b|client_cert: c|X-SSL-Client-Verify: d|"
    "X-Forwarded-Client-Cert: e|X-Amzn-Mtls-Clientcert: f";

static const char *identities_sent(struct plan_fixture *p)
{
    struct slice text = arena_copy(&p->x.arena, SLICE(""));
    struct fields out;

    fields_init(&out, &p->x.arena);
    CHECK_INT(rewrite_request(&p->x.record, &no_content, &out), 0);
    for (uint32_t i = 0; i < out.count; i++)
        if (strcasestr(arena_copy(&p->x.arena, out.items[i].name).ptr, "client"))
            text = arena_printf(&p->x.arena, "%s%s%.*s=%.*s", text.ptr, text.len > 0 ? " " : "",
                                SLICE_ARG(out.items[i].name), SLICE_ARG(out.items[i].value));
    return text.ptr;
}

static void check_identity(const char *persona, const char *forwarded, bool trusted,
                           const char *want)
{
    struct plan_fixture p;
    char fields[200];

    (void)snprintf(fields, sizeof(fields), "[{forwarded: {%s}}]", forwarded);
    plan_fixture_init(&p, persona, "", fields);
    plan_fixture_request(&p, all_identities);
    p.x.record.client_is_trusted = trusted;
    if (strcmp(identities_sent(&p), want) != 0)
        fail_msg("%s %s, trusted %d: %s", persona, fields, trusted, identities_sent(&p));
    plan_fixture_done(&p);
}

TEST(identities_pass_by_name_and_trust)
{
    check_identity("edge", "", true, "");
    check_identity("edge", "Client-Cert: preserve", true, "Client-Cert=a Client-Cert-Chain=b");
    check_identity("edge", "Client-Cert: preserve", false, "");
    check_identity("edge", "'X-SSL-Client-*': preserve", true, "X-SSL-Client-Verify=d");
    check_identity("edge", "X-Forwarded-Client-Cert: preserve", true, "X-Forwarded-Client-Cert=e");
    check_identity("edge", "'X-Amzn-Mtls-*': preserve", true, "X-Amzn-Mtls-Clientcert=f");
    check_identity("edge", "Client-Cert: remove", true, "");
    check_identity("edge", "Client-Cert: replace", true, "");
    check_identity("kong", "Client-Cert: remove", true,
                   "X-SSL-Client-Verify=d X-Forwarded-Client-Cert=e X-Amzn-Mtls-Clientcert=f");
    check_identity("kong", "'X-SSL-Client-*': preserve", false,
                   "Client-Cert=a Client-Cert-Chain=b client_cert=c X-Forwarded-Client-Cert=e "
                   "X-Amzn-Mtls-Clientcert=f");
}

/* Which families this hop writes of a client that has shown a certificate. */
static void check_families(struct identity_fixture *f, const char *persona, const char *forwarded,
                           const char *want)
{
    static const char *const shown[] = { "leaf", "ca", NULL };
    static const char *const names[] = { "Client-Cert", "X-SSL-Client-Verify",
                                         "X-Forwarded-Client-Cert",
                                         "X-Amzn-Mtls-Clientcert-Subject" };
    struct plan_fixture p;
    char fields[200], got[5] = "";

    (void)snprintf(fields, sizeof(fields), "[{forwarded: {%s}}]", forwarded);
    plan_fixture_init(&p, persona, "", fields);
    identity_fixture_show(f, &p.x, TLS_VERIFY_REQUIRED, shown);
    for (size_t i = 0; i < 4; i++)
        got[i] = strcmp(sent(&p, names[i]), "-") == 0 ? '-' : "cxfa"[i];
    CHECK_STR(got, want);
    plan_fixture_done(&p);
}

TEST(identities_are_told_in_the_families_that_are_to_be_replaced)
{
    struct identity_fixture f;

    identity_fixture_init(&f);
    check_families(&f, "edge", "", "c---");
    check_families(&f, "edge", "Client-Cert: remove", "----");
    check_families(&f, "edge", "Client-Cert: preserve",
                   "----"); /* of trusted peers; there is none */
    check_families(&f, "edge", "'X-SSL-Client-*': replace", "cx--");
    check_families(&f, "kong", "X-Forwarded-Client-Cert: replace, 'X-Amzn-Mtls-*': replace",
                   "--fa");
    check_families(&f, "f5", "'X-SSL-Client-*': remove, Client-Cert: replace", "c---");
    check_families(&f, "kong", "Client-Cert: {policy: remove, untrusted: replace}", "c---");
    identity_fixture_done(&f);
}

/* ---- Host ---- */

TEST(the_policy_of_host_goes_before_preserve_host)
{
    static const struct {
        const char *persona, *policy;
        bool preserve_host;
        const char *want;
    } rows[] = {
        { "kong", "preserve", false, "a.example:81" },
        { "kong", "replace", true, "t.test:8080" },
        { "edge", "replace", false, "t.test:8080" },
        { "edge", "preserve", false, "a.example:81" },
        { "kong", "{policy: preserve, untrusted: replace}", true, "t.test:8080" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct target target = { .name = (char *)"t.test:8080" };
        struct config_route route;
        struct plan_fixture p;
        char fields[200];

        (void)snprintf(fields, sizeof(fields), "[{forwarded: {Host: %s}}]", rows[i].policy);
        plan_fixture_init(&p, rows[i].persona, "", fields);
        target.address = fixture_addr("192.0.2.1:8080");
        route = *p.x.record.route;
        route.preserve_host = rows[i].preserve_host;
        p.x.record.route = &route;
        CHECK_SLICE(upstream_host(&p.x.record, &target, &p.x.arena), rows[i].want);
        plan_fixture_done(&p);
    }
}

/* ---- whose plan ---- */

TEST(nothing_said_is_no_plan)
{
    struct plan_fixture p;

    plan_fixture_init(&p, "edge", "", "[]");
    CHECK(p.plans.of_hop == NULL && p.plans.of_routes == NULL);
    CHECK(p.x.record.field_plan == NULL);
    plan_fixture_done(&p);
}

TEST(routes_that_say_nothing_share_the_plan_of_their_service)
{
    struct plan_fixture p;

    plan_fixture_init(&p, "edge", "", "[{service: shop, request: []}, {route: r2, request: []}]");
    CHECK(p.plans.of_hop == NULL);
    CHECK(field_plan_of_route(&p.plans, 0) != NULL);
    CHECK(field_plan_of_route(&p.plans, 1) != field_plan_of_route(&p.plans, 0));
    CHECK(field_plan_of_route(&p.plans, 2) == NULL);
    plan_fixture_done(&p);
    plan_fixture_init(&p, "edge", "", "[{service: shop, request: []}, {request: []}]");
    CHECK(field_plan_of_route(&p.plans, 0) == field_plan_of_route(&p.plans, 1));
    CHECK(field_plan_of_route(&p.plans, 2) == p.plans.of_hop);
    plan_fixture_done(&p);
}

TEST(the_most_specific_entry_decides_field_by_field)
{
    struct plan_fixture p;

    plan_fixture_init(&p, "edge",
                      "hopgate_forwarded_for = remove\nhopgate_forwarded_via = remove\n",
                      "[{forwarded: {X-Forwarded-Host: remove, X-Forwarded-Port: remove}}, "
                      "{service: shop, forwarded: {X-Forwarded-Host: replace}}, "
                      "{route: r2, forwarded: {X-Forwarded-For: replace, Via: append}}]");
    CHECK_STR(sent(&p, "X-Forwarded-For"), "-");
    CHECK_STR(sent(&p, "Via"), "-");
    CHECK_STR(sent(&p, "X-Forwarded-Host"), "a.example:81");
    CHECK_STR(sent(&p, "X-Forwarded-Port"), "-");
    CHECK_STR(sent(&p, "X-Forwarded-Proto"), "http");
    p.x.record.field_plan = field_plan_of_route(&p.plans, 1);
    CHECK_STR(sent(&p, "X-Forwarded-For"), "10.0.0.5");
    CHECK_STR(sent(&p, "Via"), "1.1 hop1");
    CHECK_STR(sent(&p, "X-Forwarded-Host"), "a.example:81");
    p.x.record.field_plan = field_plan_of_route(&p.plans, 2);
    CHECK_STR(sent(&p, "X-Forwarded-Host"), "-");
    plan_fixture_done(&p);
}

TEST(the_persona_itself_is_left_as_it_is)
{
    struct plan_fixture p;

    plan_fixture_init(&p, "edge", "", "[{route: r1, forwarded: {X-Forwarded-For: remove}}]");
    CHECK_STR(sent(&p, "X-Forwarded-For"), "-");
    p.x.record.field_plan = NULL;
    CHECK_STR(sent(&p, "X-Forwarded-For"), "10.0.0.5");
    plan_fixture_done(&p);
}

TESTS(TEST_CASE(each_policy_of_each_field_under_each_persona),
      TEST_CASE(trusted_networks_of_a_field_go_before_trusted_ips),
      TEST_CASE(via_and_authorization_are_no_claims),
      TEST_CASE(forwarded_has_the_parts_that_it_is_told_to_have),
      TEST_CASE(identities_pass_by_name_and_trust),
      TEST_CASE(identities_are_told_in_the_families_that_are_to_be_replaced),
      TEST_CASE(the_policy_of_host_goes_before_preserve_host), TEST_CASE(nothing_said_is_no_plan),
      TEST_CASE(routes_that_say_nothing_share_the_plan_of_their_service),
      TEST_CASE(the_most_specific_entry_decides_field_by_field),
      TEST_CASE(the_persona_itself_is_left_as_it_is))
