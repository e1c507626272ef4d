/* Each rule: a chain that has it, and the nearest one that has not, which must be clean. */
#include "tests/unit/tools/doctor/scene.h"

#define ROUTE "routes: [{name: r, paths: [/], preserve_host: true}]"
/* A hop that is in order; S: more of its service, K: of its settings, M: of the hop itself. */
#define HOP(name, persona, S, K, M)                                                              \
    "{hop: " name ", persona: " persona ", settings: {upstream_keepalive_idle_timeout: '30', " K \
    "}, entities: {services: [{name: s, host: next, " S ", " ROUTE "}]}, " M "}, "
#define FRONT(S, K, M) HOP("front", "nginx", "retries: 0, read_timeout: 30000" S, K, M)
#define BACK(S, K, M)  HOP("back", "nginx", "retries: 0, read_timeout: 10000" S, K, M)
#define ORIGIN         "{origin: o}"
#define TLS_ORIGIN     "{origin: o, tls: true}"
#define UPSTREAM(checks)                                                              \
    "{hop: front, persona: nginx, entities: {services: [{name: s, host: next, " ROUTE \
    "}], upstreams: [{name: next, healthchecks: " checks "}]}}, " ORIGIN
#define KONG(name, M) HOP(name, "kong", "retries: 0, read_timeout: 30000", "", M)

static const struct {
    const char *said, *bad, *bad_more, *good, *good_more;
} pairs[] = {
    { "timeout-order:front",
      FRONT("", "", "") HOP("back", "nginx", "retries: 0, read_timeout: 30000", "", "") ORIGIN, "",
      FRONT("", "", "") HOP("back", "nginx", "retries: 0, read_timeout: 29999", "", "") ORIGIN,
      "" },
    { "timeout-order:client", FRONT("", "", "") ORIGIN, "client: {timeout: 30000}, ",
      FRONT("", "", "") ORIGIN, "client: {timeout: 30001}, " },
    { "retry-patience:front",
      FRONT("", "", "") HOP("back", "nginx", "read_timeout: 15000, retries: 1", "", "") ORIGIN, "",
      FRONT("", "", "") HOP("back", "nginx", "read_timeout: 14999, retries: 1", "", "") ORIGIN,
      "" },
    /* an F5 never tries again, whatever the service says */
    { "retry-patience:front",
      FRONT("", "", "") HOP("back", "nginx", "read_timeout: 15000, retries: 1", "", "") ORIGIN, "",
      FRONT("", "nginx_http_large_client_header_buffers: 4 8k, hopgate_client_max_fields: 30", "")
          HOP("back", "f5", "read_timeout: 15000, retries: 1", "hopgate_upstream_max_head: 4k", "")
              ORIGIN,
      "" },
    { "retry-amplification:front",
      HOP("front", "nginx", "retries: 1, read_timeout: 30000",
          "nginx_proxy_proxy_next_upstream: error timeout http_502", "")
          HOP("back", "nginx", "read_timeout: 9000, retries: 1", "", "") ORIGIN,
      "",
      HOP("front", "nginx", "retries: 1, read_timeout: 30000",
          "nginx_proxy_proxy_next_upstream: error timeout http_503", "")
          HOP("back", "nginx", "read_timeout: 9000, retries: 1", "", "") ORIGIN,
      "" },
    { "repeated-post:front",
      HOP("front", "nginx", "read_timeout: 30000, retries: 1",
          "nginx_proxy_proxy_next_upstream: error non_idempotent", "") ORIGIN,
      "",
      HOP("front", "nginx", "read_timeout: 30000, retries: 1",
          "nginx_proxy_proxy_next_upstream: error", "") ORIGIN,
      "" },
    { "stale-keepalive:front",
      FRONT("", "", "") BACK("", "nginx_http_keepalive_timeout: 30s", "") ORIGIN, "",
      FRONT("", "", "") BACK("", "nginx_http_keepalive_timeout: 31s", "") ORIGIN, "" },
    /* 0 is Kong's word for no limit */
    { "stale-keepalive:front",
      "{hop: front, persona: nginx, settings: {upstream_keepalive_idle_timeout: 0}, entities: "
      "{services: "
      "[{name: s, host: next, retries: 0, read_timeout: 30000, " ROUTE "}]}}, " BACK("", "", "")
          ORIGIN,
      "", FRONT("", "", "") BACK("", "", "") ORIGIN, "" },
    /* no idle connections, no race */
    { "stale-keepalive:front",
      FRONT("", "", "") BACK("", "nginx_http_keepalive_timeout: 30s", "") ORIGIN, "",
      FRONT("", "upstream_keepalive_pool_size: 0", "")
          BACK("", "nginx_http_keepalive_timeout: 5s", "") ORIGIN,
      "" },
    { "firewall-idle:front",
      FRONT("", "",
            "") "{wire: w, faults: [{kind: latency, ms: 5}, {kind: idle, ms: 30000}]}, " ORIGIN,
      "",
      FRONT("", "",
            "") "{wire: w, faults: [{kind: latency, ms: 5}, {kind: idle, ms: 31000}]}, " ORIGIN,
      "" },
    { "firewall-idle:front",
      FRONT("", "", "") HOP("l4", "nlb", "retries: 0, read_timeout: 29000", "", "") ORIGIN, "",
      FRONT("", "", "") HOP("l4", "nlb", "retries: 0, read_timeout: 31000", "", "") ORIGIN, "" },
    { "request-head-limit:front",
      FRONT("", "", "") BACK("", "nginx_http_large_client_header_buffers: 16 2k", "") ORIGIN, "",
      FRONT("", "", "") BACK("", "nginx_http_large_client_header_buffers: 4 8k", "") ORIGIN, "" },
    { "request-head-limit:front",
      FRONT("", "", "") BACK("", "hopgate_client_max_fields: 900", "") ORIGIN, "",
      FRONT("", "", "") BACK("", "hopgate_client_max_fields: 950", "") ORIGIN, "" },
    { "request-body-limit:front",
      FRONT("", "", "") BACK("", "nginx_http_client_max_body_size: 1048575", "") ORIGIN, "",
      FRONT("", "", "") BACK("", "nginx_http_client_max_body_size: 1048576", "") ORIGIN, "" },
    { "response-head-limit:front",
      FRONT("", "", "") BACK("", "hopgate_upstream_max_head: 8k", "") ORIGIN, "",
      FRONT("", "hopgate_upstream_max_head: 8k", "") BACK("", "hopgate_upstream_max_head: 8k", "")
          ORIGIN,
      "" },
    { "forwarded-proto:front", FRONT("", "", "tls: true") ORIGIN, "",
      FRONT("", "hopgate_forwarded_proto: replace", "tls: true") ORIGIN, "" },
    { "forwarded-proto:back",
      FRONT("", "hopgate_forwarded_proto: replace", "tls: true")
          HOP("back", "kong", "retries: 0, read_timeout: 20000", "", "") ORIGIN,
      "",
      FRONT("", "hopgate_forwarded_proto: replace", "tls: true") HOP(
          "back", "kong", "retries: 0, read_timeout: 20000", "trusted_ips: 127.0.0.0/8", "") ORIGIN,
      "" },
    { "scheme-mismatch:front", FRONT("", "", "") "{hop: l4, persona: nlb}, " TLS_ORIGIN, "",
      FRONT("", "", "") "{hop: l4, persona: nlb}, " ORIGIN, "" },
    { "tls-name:front", "{hop: front, persona: nginx, verify_upstream: true}, " TLS_ORIGIN, "",
      "{hop: front, persona: nginx, verify_upstream: true, entities: {services: [{name: s, host: "
      "next, routes: [{name: r, paths: [/]}]}], upstreams: [{name: next, host_header: "
      "shop.test}]}}, " TLS_ORIGIN,
      "" },
    /* nobody looks at the name */
    { "tls-name:front", "{hop: front, persona: nginx, verify_upstream: true}, " TLS_ORIGIN, "",
      "{hop: front, persona: nginx}, " TLS_ORIGIN, "" },
    { "incomplete-chain:client",
      KONG("front", "tls: true, certificate: missing-intermediate") ORIGIN, "",
      KONG("front", "tls: true, certificate: good-rsa") ORIGIN, "" },
    { "bad-certificate:front",
      KONG("front",
           "tls: true, verify_upstream: true") "{origin: o, tls: true, certificate: expired}",
      "", KONG("front", "tls: true") "{origin: o, tls: true, certificate: expired}", "" },
    { "client-certificate:front",
      KONG("front", "tls: true") "{origin: o, tls: true, verify_client: "
                                 "'on'}",
      "", KONG("front", "tls: true") "{origin: o, tls: true, verify_client: optional}", "" },
    { "client-certificate:client", KONG("front", "tls: true, verify_client: 'on'") ORIGIN, "",
      KONG("front", "tls: true, verify_client: 'on'") ORIGIN,
      "client: {certificate: client-good}, " },
    { "health-stuck:front", UPSTREAM("{passive: {unhealthy: {http_failures: 3}}}"), "",
      UPSTREAM("{passive: {unhealthy: {http_failures: 3}}, active: {healthy: {successes: 1}, "
               "unhealthy: {interval: 5}}}"),
      "" },
    { "health-blind:front", UPSTREAM("{active: {unhealthy: {http_failures: 3}}}"), "",
      UPSTREAM("{active: {healthy: {interval: 5, successes: 1}, unhealthy: {interval: 5, "
               "http_failures: 3}}}"),
      "" },
    { "health-scheme:front",
      UPSTREAM("{active: {type: https, healthy: {interval: 5, successes: 1}, unhealthy: {interval: "
               "5, tcp_failures: 3}}}"),
      "",
      UPSTREAM("{active: {type: http, healthy: {interval: 5, successes: 1}, unhealthy: {interval: "
               "5, tcp_failures: 3}}}"),
      "" },
    { "no-route:front",
      "{hop: front, persona: kong}, {hop: back, persona: kong, settings: "
      "{nginx_http_keepalive_timeout: "
      "75s}, entities: {services: [{name: s, host: n, read_timeout: 9000, retries: 0, routes: "
      "[{name: r, "
      "paths: [/shop]}]}]}}, " ORIGIN,
      "",
      "{hop: front, persona: kong}, {hop: back, persona: kong, settings: "
      "{nginx_http_keepalive_timeout: "
      "75s}, entities: {services: [{name: s, host: n, read_timeout: 9000, retries: 0, routes: "
      "[{name: r, "
      "paths: [/shop]}]}]}}, " ORIGIN,
      "client: {path: /shop/1}, " },
};

static void check_row(size_t row)
{
    struct scene scene;

    scene_init(&scene, pairs[row].bad, pairs[row].bad_more);
    if (strcmp(scene.said, pairs[row].said) != 0)
        fail_msg("row %zu: got \"%s\", want \"%s\"", row, scene.said, pairs[row].said);
    scene_done(&scene);
    scene_init(&scene, pairs[row].good, pairs[row].good_more);
    if (scene.said[0])
        fail_msg("row %zu (%s): a false alarm: %s: %s", row, pairs[row].said, scene.said,
                 scene.findings.items[0].title);
    scene_done(&scene);
}

TEST(doctor_tells_what_is_and_not_what_is_nearly)
{
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        check_row(i);
}

TEST(doctor_says_where_a_value_is_written_or_whose_it_is)
{
    struct scene scene;

    scene_init(&scene,
               "{hop: front, persona: kong}, {hop: back, persona: kong, settings: "
               "{nginx_proxy_keepalive_timeout: 20s}, entities: {services: [{name: s, host: n, "
               "read_timeout: 90000, retries: 0, " ROUTE "}]}}, " ORIGIN,
               "");
    CHECK_STR(scene.said, "timeout-order:front stale-keepalive:front");
    CHECK_STR(scene.findings.items[0].where[0].text, "front: read_timeout 60000 (persona kong)");
    CHECK(strstr(scene.findings.items[0].where[1].text, "back: read_timeout 90000 (t.yaml:1:"));
    CHECK(strstr(scene.findings.items[1].where[1].text,
                 "back: nginx_http_keepalive_timeout 20 s (t.yaml:1:"));
    CHECK(strstr(scene.findings.items[0].fix, "back: set read_timeout"));
    scene_done(&scene);
}

TEST(doctor_takes_equal_hops_for_one)
{
    struct scene scene;

    scene_init(&scene,
               "{hop: front, persona: kong}, {hop: twin, persona: kong, count: 2, settings: "
               "{nginx_http_keepalive_timeout: 20s}, entities: {services: [{name: s, host: n, "
               "retries: 0, read_timeout: 9000, " ROUTE "}]}}, " ORIGIN,
               "");
    CHECK_STR(scene.said, "stale-keepalive:front");
    CHECK(strstr(scene.findings.items[0].command, " --place front-twin "));
    CHECK(strstr(scene.findings.items[0].where[1].text, "twin-1: nginx_http_keepalive_timeout 20 s "
                                                        "(t.yaml:1:"));
    CHECK(!scene.findings.items[0].shows.has_status);
    scene_done(&scene);
}

TEST(doctor_puts_the_worst_first)
{
    struct scene scene;

    scene_init(&scene, FRONT("", "", "tls: true") ORIGIN, "client: {host: www.test}, ");
    CHECK_STR(scene.said, "tls-name:client forwarded-proto:front");
    CHECK_INT(scene.findings.items[0].severity, DOCTOR_WILL_BREAK);
    CHECK_INT(scene.findings.items[1].severity, DOCTOR_CAN_BREAK);
    scene_done(&scene);
}

TEST(doctor_has_a_rule_of_each_id_once)
{
    for (size_t i = 0; i < doctor_rules_count; i++)
        CHECK(doctor_rule_find(doctor_rules[i].id) == &doctor_rules[i]);
    CHECK(!doctor_rule_find("timeout"));
}

/* The tests run every command: none may be cut. */
TEST(doctor_commands_are_whole)
{
    struct scene scene;

    scene_init(&scene,
               KONG("front", "tls: true") BACK("", "nginx_http_keepalive_timeout: 9s", "") ORIGIN,
               "");
    CHECK(scene.findings.count > 0);
    for (size_t i = 0; i < scene.findings.count; i++) {
        CHECK(strstr(scene.findings.items[i].command, "hopgate lab run") ==
              scene.findings.items[i].command);
        CHECK(strstr(scene.findings.items[i].command, " t.yaml"));
        CHECK(strlen(scene.findings.items[i].command) + 1 <
              sizeof(scene.findings.items[i].command));
    }
    scene_done(&scene);
}

TESTS(TEST_CASE(doctor_tells_what_is_and_not_what_is_nearly),
      TEST_CASE(doctor_says_where_a_value_is_written_or_whose_it_is),
      TEST_CASE(doctor_takes_equal_hops_for_one), TEST_CASE(doctor_puts_the_worst_first),
      TEST_CASE(doctor_has_a_rule_of_each_id_once), TEST_CASE(doctor_commands_are_whole))
