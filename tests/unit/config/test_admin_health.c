#include "config/admin_health.h"

#include "tests/check.h"

/* Kong's own order of keys is not stable: objects are compared, not texts. */
static void check_json(json_t *got, const char *want_text)
{
    json_error_t error;
    json_t *want = json_loads(want_text, 0, &error);

    if (!want)
        fail_msg("the test's own JSON: %s", error.text);
    if (!json_equal(got, want)) {
        char *text = json_dumps(got, JSON_INDENT(1));

        fail_msg("got %s", text);
    }
    json_decref(want);
    json_decref(got);
}

static const struct admin_health_address addresses[] = {
    { "10.0.0.1", 8080, 100, true },
    { "10.0.0.2", 8080, 100, false },
};

static json_t *entity(unsigned weight)
{
    return json_pack("{s:s, s:f, s:f, s:{s:s}, s:s, s:i, s:n}", "id", "t1", "created_at",
                     1700000000.123, "updated_at", 1700000000.123, "upstream", "id", "u1", "target",
                     "app.test:8080", "weight", (int)weight, "tags");
}

/* The example of the reference, kong-proxy-behaviour 6.3. */
TEST(health_of_targets_is_kongs_answer)
{
    json_t *shown = entity(100);
    const struct admin_health_target target = { shown, "app.test", 8080, "A",
                                                100,   addresses,  2,    false };
    const struct admin_health health = { "u1", "n1", true, true, &target, 1 };

    check_json(
        admin_health_targets(&health),
        "{\"next\":null,\"node_id\":\"n1\",\"data\":[{\"id\":\"t1\",\"created_at\":1700000000.123,"
        "\"updated_at\":1700000000.123,\"upstream\":{\"id\":\"u1\"},\"target\":\"app.test:8080\","
        "\"weight\":100,\"tags\":null,\"health\":\"HEALTHY\",\"data\":{\"host\":\"app.test\","
        "\"port\":8080,\"dns\":\"A\",\"nodeWeight\":100,\"weight\":{\"total\":200,"
        "\"unavailable\":100,\"available\":100},\"addresses\":[{\"ip\":\"10.0.0.1\",\"port\":8080,"
        "\"weight\":100,\"health\":\"HEALTHY\"},{\"ip\":\"10.0.0.2\",\"port\":8080,\"weight\":100,"
        "\"health\":\"UNHEALTHY\"}]}}]}");
    CHECK(!json_object_get(shown, "health")); /* the caller's own is untouched */
    json_decref(shown);
}

static void check_state(const struct admin_health *health, const char *want)
{
    json_t *answer = admin_health_targets(health);
    const json_t *first = json_array_get(json_object_get(answer, "data"), 0);

    CHECK_STR(json_string_value(json_object_get(first, "health")), want);
    json_decref(answer);
}

TEST(each_state_is_told_when_it_is_due)
{
    json_t *shown = entity(100);
    struct admin_health_target target = {
        shown, "app.test", 8080, "A", 100, addresses + 1, 1, false
    };
    struct admin_health health = { "u1", "n1", true, false, &target, 1 };

    check_state(&health, "UNHEALTHY");
    health.is_checked = false;
    check_state(&health, "HEALTHCHECKS_OFF");
    health.is_checked = true;
    target.weight = 0;
    check_state(&health, "HEALTHCHECKS_OFF");
    target.weight = 100;
    target.addresses_count = 0;
    check_state(&health, "DNS_ERROR");
    health.is_checked = false;
    target.is_unanswered = true;
    check_state(&health, "HEALTHCHECKS_OFF");
    json_decref(shown);
}

TEST(health_of_the_balancer_is_kongs_answer)
{
    json_t *shown = entity(100);
    const struct admin_health_target target = { shown, "app.test", 8080, "A",
                                                100,   addresses,  2,    false };
    struct admin_health health = { "u1", "n1", true, true, &target, 1 };
    json_t *answer;

    check_json(admin_health_balancer(&health),
               "{\"next\":null,\"node_id\":\"n1\",\"data\":{\"health\":\"HEALTHY\","
               "\"balancer_health\":\"HEALTHY\",\"id\":\"u1\",\"details\":{\"healthy\":true,"
               "\"weight\":{\"total\":200,\"available\":100,\"unavailable\":100},\"hosts\":[{"
               "\"host\":\"app.test\",\"port\":8080,\"dns\":\"A\",\"nodeWeight\":100,\"weight\":{"
               "\"total\":200,\"available\":100,\"unavailable\":100},\"addresses\":[{\"ip\":"
               "\"10.0.0.1\",\"port\":8080,\"weight\":100,\"healthy\":true},{\"ip\":\"10.0.0.2\","
               "\"port\":8080,\"weight\":100,\"healthy\":false}]}]}}}");
    health.is_checked = false;
    health.is_healthy = false;
    answer = admin_health_balancer(&health);
    CHECK_STR(
        json_string_value(json_object_get(json_object_get(answer, "data"), "balancer_health")),
        "UNHEALTHY");
    CHECK_STR(json_string_value(json_object_get(json_object_get(answer, "data"), "health")),
              "HEALTHCHECKS_OFF");
    json_decref(answer);
    json_decref(shown);
}

TEST(upstream_without_targets_has_an_empty_list)
{
    const struct admin_health health = { .upstream_id = "u1", .node_id = "n1" };

    check_json(admin_health_targets(&health), "{\"data\":[],\"next\":null,\"node_id\":\"n1\"}");
}

TESTS(TEST_CASE(health_of_targets_is_kongs_answer), TEST_CASE(each_state_is_told_when_it_is_due),
      TEST_CASE(health_of_the_balancer_is_kongs_answer),
      TEST_CASE(upstream_without_targets_has_an_empty_list))
