#include <errno.h>

#include "config/config.h"
#include "tests/check.h"
#include "tests/config_text.h"

#define HEAD   "_format_version: \"3.0\"\n"
#define TARGET ", targets: [{target: \"10.0.0.1:80\"}]"

static struct config *load(const char *text, char **ret_problems)
{
    struct config *config = NULL;
    struct config_errors errors;

    config_errors_init(&errors);
    (void)config_load_text(slice_of(text), "k.yaml", &config, &errors);
    *ret_problems = config_errors_text(&errors);
    config_errors_done(&errors);
    return config;
}

static void check_says(const char *text, const char *want)
{
    char *problems;
    struct config *config = load(text, &problems);

    if (strcmp(problems, want) != 0)
        fail_msg("%s\n---- says\n%s---- not\n%s", text, problems, want);
    CHECK_INT(config == NULL, strstr(problems, ": error: ") != NULL);
    config_free(config);
    free(problems);
}

static bool has(const struct config_statuses *statuses, unsigned status)
{
    return statuses->bits[status / 64] >> status % 64 & 1;
}

TEST(defaults_are_kongs_whether_or_not_healthchecks_are_written)
{
    static const char *const texts[] = {
        HEAD "upstreams: [{name: u" TARGET "}]",
        HEAD "upstreams: [{name: u, healthchecks: {active: {healthy: {}}}" TARGET "}]",
    };

    for (size_t i = 0; i < 2; i++) {
        char *problems;
        SCOPED(config) config = load(texts[i], &problems);
        const struct config_healthchecks *checks = &config->upstreams[0].healthchecks;

        CHECK_STR(problems, "");
        CHECK_STR(checks->active.type, "http");
        CHECK_INT(checks->active.timeout_ms, 1000);
        CHECK_INT(checks->active.concurrency, 10);
        CHECK_STR(checks->active.http_path, "/");
        CHECK(checks->active.https_verify_certificate && !checks->active.https_sni);
        CHECK_INT(checks->active.healthy_interval_ms + checks->active.unhealthy_interval_ms, 0);
        CHECK(has(&checks->active.counts.healthy, 302) &&
              !has(&checks->active.counts.healthy, 201));
        CHECK(has(&checks->active.counts.unhealthy, 404));
        CHECK(has(&checks->passive.counts.healthy, 308));
        CHECK(has(&checks->passive.counts.unhealthy, 503));
        CHECK(!has(&checks->passive.counts.unhealthy, 502));
        CHECK_INT(checks->passive.counts.successes + checks->passive.counts.tcp_failures, 0);
        CHECK_INT(checks->threshold_thousandths, 0);
        CHECK(!config->upstreams[0].monitor.type);
        free(problems);
    }
}

TEST(what_is_written_is_read_fractions_of_a_second_too)
{
    char *problems;
    SCOPED(config)
    config =
        load(HEAD "upstreams:\n- name: u\n  targets: [{target: \"10.0.0.1:80\"}]\n  healthchecks:\n"
                  "    threshold: 33.5\n"
                  "    active: {type: https, timeout: 0.25, concurrency: 3, http_path: /ping,\n"
                  "             https_sni: a.test, https_verify_certificate: false,\n"
                  "             headers: {X-One: [a, b], X-Two: [c]},\n"
                  "             healthy: {interval: 0.1, successes: 2, http_statuses: [204]},\n"
                  "             unhealthy: {interval: 1.5, tcp_failures: 1, timeouts: 2,\n"
                  "                         http_failures: 255, http_statuses: [999]}}\n"
                  "    passive: {type: tcp, unhealthy: {timeouts: 7}}\n",
             &problems);
    const struct config_active_check *active;

    CHECK_STR(problems, "");
    active = &config->upstreams[0].healthchecks.active;
    CHECK_INT(config->upstreams[0].healthchecks.threshold_thousandths, 33500);
    CHECK_INT(active->timeout_ms, 250);
    CHECK_INT(active->concurrency, 3);
    CHECK_STR(active->http_path, "/ping");
    CHECK_STR(active->https_sni, "a.test");
    CHECK(!active->https_verify_certificate);
    CHECK_INT(active->headers_count, 3);
    CHECK_STR(active->headers[1].name, "X-One");
    CHECK_STR(active->headers[1].value, "b");
    CHECK_STR(active->headers[2].value, "c");
    CHECK_INT(active->healthy_interval_ms, 100);
    CHECK_INT(active->unhealthy_interval_ms, 1500);
    CHECK_INT(active->counts.successes, 2);
    CHECK_INT(active->counts.tcp_failures, 1);
    CHECK_INT(active->counts.timeouts, 2);
    CHECK_INT(active->counts.http_failures, 255);
    CHECK(has(&active->counts.healthy, 204) && !has(&active->counts.healthy, 200));
    CHECK(has(&active->counts.unhealthy, 999));
    CHECK_INT(config->upstreams[0].healthchecks.passive.counts.timeouts, 7);
    free(problems);
}

TEST(mistakes_in_healthchecks_are_told_in_kongs_words)
{
    check_says(HEAD "upstreams: [{name: u, healthchecks: {active: {type: ping, timeout: -1, "
                    "concurrency: 0}}" TARGET "}]",
               "k.yaml:2:53: error: upstreams[0].healthchecks.active.type: expected one of: tcp, "
               "http, https, grpc, grpcs\n"
               "k.yaml:2:68: error: upstreams[0].healthchecks.active.timeout: value should be "
               "between 0 and 65535\n"
               "k.yaml:2:85: error: upstreams[0].healthchecks.active.concurrency: value should be "
               "between 1 and 2147483648\n");
    check_says(HEAD "upstreams: [{name: u, healthchecks: {threshold: 101, passive: {unhealthy: "
                    "{timeouts: 256, http_statuses: [99]}}}" TARGET "}]",
               "k.yaml:2:49: error: upstreams[0].healthchecks.threshold: value should be between 0 "
               "and 100\n"
               "k.yaml:2:86: error: upstreams[0].healthchecks.passive.unhealthy.timeouts: value "
               "should be between 0 and 255\n"
               "k.yaml:2:107: error: upstreams[0].healthchecks.passive.unhealthy.http_statuses[0]: "
               "value should be between 100 and 999\n");
    check_says(HEAD "upstreams: [{name: u, healthchecks: {active: {http_path: ping, healthy: "
                    "{interval: soon, http_statuses: 200}}}" TARGET "}]",
               "k.yaml:2:58: error: upstreams[0].healthchecks.active.http_path: should start with: "
               "/\n"
               "k.yaml:2:84: error: upstreams[0].healthchecks.active.healthy.interval: expected a "
               "number\n"
               "k.yaml:2:105: error: upstreams[0].healthchecks.active.healthy.http_statuses: "
               "expected an array; write it as a list: [ … ]\n");
}

TEST(headers_of_a_probe_cannot_split_it)
{
    check_says(HEAD "upstreams: [{name: u, healthchecks: {active: {headers: {X: [\"a\\r\\nY: "
                    "b\"]}}}" TARGET "}]",
               "k.yaml:2:61: error: upstreams[0].healthchecks.active.headers.X[0]: a field's "
               "value may have no control character such as CR, LF or NUL (byte 0x0d at offset 1); "
               "remove it\n");
    check_says(HEAD "upstreams: [{name: u, healthchecks: {active: {headers: {X: b}}}" TARGET "}]",
               "k.yaml:2:60: error: upstreams[0].healthchecks.active.headers.X: expected an array; "
               "write it as a list: [ … ]\n");
}

TEST(what_is_not_simulated_or_never_works_is_noted)
{
    check_says(
        HEAD "upstreams: [{name: u, healthchecks: {threshold: 100, active: {type: grpc, "
             "healthy: {interval: 5}}}" TARGET "}]",
        "k.yaml:2:49: warning: upstreams[0].healthchecks.threshold: more than 100 percent of "
        "the weight can never be available: all requests are answered with 503, as in Kong; "
        "use 99 or less\n"
        "k.yaml:2:69: notice: upstreams[0].healthchecks.active.type: active checks of type "
        "'grpc' are not simulated: no probe is sent\n");
}

TEST(monitors_have_an_f5s_defaults)
{
    char *problems;
    SCOPED(config)
    config = load(HEAD "upstreams:\n- {name: u" TARGET "}\n- {name: v" TARGET "}\n"
                       "hopgate: {health: [{upstream: u, monitor: {type: http}}, {upstream: v, "
                       "panic_threshold: 50, monitor: {type: tcp, send: 'PING\\r\\n\\\\', receive: "
                       "'^PO+NG\\r', interval: 0.5, reverse: true}}]}",
                  &problems);
    const struct config_monitor *monitor;

    CHECK_STR(problems, "");
    monitor = &config->upstreams[0].monitor;
    CHECK_STR(monitor->send, "HEAD / HTTP/1.0\r\n\r\n");
    CHECK_STR(monitor->receive, "HTTP/1\\.");
    CHECK_INT(monitor->interval_ms, 5000);
    CHECK_INT(monitor->timeout_ms, 16000);
    monitor = &config->upstreams[1].monitor;
    CHECK_STR(monitor->send, "PING\r\n\\");
    CHECK_STR(monitor->receive, "^PO+NG\r");
    CHECK_INT(monitor->timeout_ms, 2500);
    CHECK(monitor->reverse && !monitor->receive_disable);
    CHECK_INT(config->upstreams[1].panic_percent, 50);
    free(problems);
}

TEST(monitors_that_cannot_work_are_refused)
{
    static const char *const rows[][2] = {
        { "monitor: {type: http, receive: \"(\"}", "is no regular expression" },
        { "monitor: {type: tcp, reverse: true}", "reverse needs receive" },
        { "monitor: {type: tcp, receive_disable: x}", "receive_disable needs receive" },
        { "monitor: {type: tls, send: x}", "type tls ends with the handshake" },
        { "monitor: {type: http, interval: 0}", "interval must be more than 0" },
        { "monitor: {type: icmp}", "expected one of: http, https, tcp, tls" },
        { "outliers: {interval: 1}", "says no reason to eject anybody" },
        { "outliers: {latency_factor: 0.5}", "latency_factor must be more than 1" },
        { "panic_threshold: 101", "value should be between 0 and 100" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[512], *problems;
        SCOPED(config) config = NULL;

        (void)snprintf(text, sizeof(text),
                       HEAD "upstreams: [{name: u" TARGET
                            "}]\nhopgate: {health: [{upstream: u, %s}]}",
                       rows[i][0]);
        config = load(text, &problems);
        if (config || !strstr(problems, rows[i][1]))
            fail_msg("%s\nsays\n%s", text, problems);
        free(problems);
    }
}

TEST(monitor_that_cannot_miss_a_single_answer_is_warned_of)
{
    check_says(HEAD "upstreams: [{name: u" TARGET "}]\n"
                    "hopgate: {health: [{upstream: u, monitor: {type: tcp, timeout: 5}}]}",
               "k.yaml:3:43: warning: hopgate.health[0].monitor: timeout is not longer than "
               "interval, so one late answer takes a target down; F5's rule is 3 intervals and a "
               "second\n");
}

TEST(kongs_checks_and_a_monitor_do_not_go_together)
{
    check_says(HEAD "upstreams: [{name: u, healthchecks: {active: {healthy: {interval: 1}}}" TARGET
                    "}]\nhopgate: {health: [{upstream: u, monitor: {type: tcp}}]}",
               "k.yaml:3:43: error: hopgate.health[0].monitor: the upstream 'u' has Kong's active "
               "checks as well; remove one of the two, or set their intervals to 0\n");
    check_says(HEAD "upstreams: [{name: u" TARGET "}]\nhopgate: {health: [{upstream: w}]}",
               "k.yaml:3:20: error: hopgate.health[0]: invalid reference 'upstream: w' (no such "
               "entry in 'upstreams'); add it or correct the name\n");
    check_says(HEAD "upstreams: [{name: u" TARGET "}]\nhopgate: {health: [{panic_threshold: 3}]}",
               "k.yaml:3:20: error: hopgate.health[0].upstream: required field missing; add "
               "'upstream'\n");
}

TESTS(TEST_CASE(defaults_are_kongs_whether_or_not_healthchecks_are_written),
      TEST_CASE(what_is_written_is_read_fractions_of_a_second_too),
      TEST_CASE(mistakes_in_healthchecks_are_told_in_kongs_words),
      TEST_CASE(headers_of_a_probe_cannot_split_it),
      TEST_CASE(what_is_not_simulated_or_never_works_is_noted),
      TEST_CASE(monitors_have_an_f5s_defaults), TEST_CASE(monitors_that_cannot_work_are_refused),
      TEST_CASE(monitor_that_cannot_miss_a_single_answer_is_warned_of),
      TEST_CASE(kongs_checks_and_a_monitor_do_not_go_together))
