/*
 * schema_healthchecks: Kong's upstream.healthchecks (kong/db/schema/entities/upstreams.lua) and what
 * our hopgate.health adds for an upstream: monitors as an F5 has them, outliers, panic.
 */
#include "config/schema.h"

#define STORED(member)                                  \
    .offset = offsetof(struct config_upstream, member), \
    .size = sizeof(((struct config_upstream *)0)->member)
#define FIELDS(list) .fields = (list), .fields_count = sizeof(list) / sizeof((list)[0])

#define CHECK_TYPES "tcp, http, https, grpc, grpcs"

#define SECONDS(field, member, json)                                                \
    {                                                                               \
        .name = (field), .type = SCHEMA_NUMBER, .flags = SCHEMA_TIME, .max = 65535, \
        .default_json = (json), STORED(member)                                      \
    }
#define COUNT(field, member)                                                                     \
    {                                                                                            \
        .name = (field), .type = SCHEMA_INTEGER, .max = 255, .default_json = "0", STORED(member) \
    }
#define STATUSES(field, member, json)                                                             \
    {                                                                                             \
        .name = (field), .type = SCHEMA_STATUSES, .min = 100, .max = 999, .default_json = (json), \
        STORED(member)                                                                            \
    }
#define RECORD(field, schema)                                       \
    {                                                               \
        .name = (field), .type = SCHEMA_RECORD, .record = &(schema) \
    }

/* ---- Kong's -------------------------------------------------------------------------------- */

static const struct schema_field active_healthy_fields[] = {
    SECONDS("interval", healthchecks.active.healthy_interval_ms, "0"),
    STATUSES("http_statuses", healthchecks.active.counts.healthy, "[200,302]"),
    COUNT("successes", healthchecks.active.counts.successes),
};
static const struct schema active_healthy = { .name = "healthy", FIELDS(active_healthy_fields) };

static const struct schema_field active_unhealthy_fields[] = {
    SECONDS("interval", healthchecks.active.unhealthy_interval_ms, "0"),
    STATUSES("http_statuses", healthchecks.active.counts.unhealthy,
             "[429,404,500,501,502,503,504,505]"),
    COUNT("tcp_failures", healthchecks.active.counts.tcp_failures),
    COUNT("timeouts", healthchecks.active.counts.timeouts),
    COUNT("http_failures", healthchecks.active.counts.http_failures),
};
static const struct schema active_unhealthy = { .name = "unhealthy",
                                                FIELDS(active_unhealthy_fields) };

static const struct schema_field active_fields[] = {
    { .name = "type",
      .type = SCHEMA_STRING,
      .one_of = CHECK_TYPES,
      .default_json = "\"http\"",
      STORED(healthchecks.active.type) },
    SECONDS("timeout", healthchecks.active.timeout_ms, "1"),
    { .name = "concurrency",
      .type = SCHEMA_INTEGER,
      .min = 1,
      .max = INT64_C(2147483648),
      .default_json = "10",
      STORED(healthchecks.active.concurrency) },
    { .name = "http_path",
      .type = SCHEMA_STRING,
      .check = check_base_path,
      .default_json = "\"/\"",
      STORED(healthchecks.active.http_path) },
    { .name = "https_sni",
      .type = SCHEMA_STRING,
      .check = check_sni,
      STORED(healthchecks.active.https_sni) },
    { .name = "https_verify_certificate",
      .type = SCHEMA_BOOLEAN,
      .default_json = "true",
      STORED(healthchecks.active.https_verify_certificate) },
    { .name = "headers", .type = SCHEMA_ANY }, /* read by declarative_health.c */
    RECORD("healthy", active_healthy),
    RECORD("unhealthy", active_unhealthy),
};
static const struct schema active = { .name = "active", FIELDS(active_fields) };

static const struct schema_field passive_healthy_fields[] = {
    STATUSES("http_statuses", healthchecks.passive.counts.healthy,
             "[200,201,202,203,204,205,206,207,208,226,300,301,302,303,304,305,306,307,308]"),
    COUNT("successes", healthchecks.passive.counts.successes),
};
static const struct schema passive_healthy = { .name = "healthy", FIELDS(passive_healthy_fields) };

static const struct schema_field passive_unhealthy_fields[] = {
    STATUSES("http_statuses", healthchecks.passive.counts.unhealthy, "[429,500,503]"),
    COUNT("tcp_failures", healthchecks.passive.counts.tcp_failures),
    COUNT("timeouts", healthchecks.passive.counts.timeouts),
    COUNT("http_failures", healthchecks.passive.counts.http_failures),
};
static const struct schema passive_unhealthy = { .name = "unhealthy",
                                                 FIELDS(passive_unhealthy_fields) };

static const struct schema_field passive_fields[] = {
    { .name = "type",
      .type = SCHEMA_STRING,
      .one_of = CHECK_TYPES,
      .default_json = "\"http\"",
      STORED(healthchecks.passive.type) },
    RECORD("healthy", passive_healthy),
    RECORD("unhealthy", passive_unhealthy),
};
static const struct schema passive = { .name = "passive", FIELDS(passive_fields) };

static const struct schema_field healthchecks_fields[] = {
    RECORD("active", active),
    RECORD("passive", passive),
    { .name = "threshold",
      .type = SCHEMA_NUMBER,
      .max = 100,
      .default_json = "0",
      STORED(healthchecks.threshold_thousandths) },
};
const struct schema schema_healthchecks = { .name = "healthchecks", FIELDS(healthchecks_fields) };

/* ---- ours ---------------------------------------------------------------------------------- */

static const struct schema_field monitor_fields[] = {
    { .name = "type",
      .type = SCHEMA_STRING,
      .flags = SCHEMA_REQUIRED,
      .one_of = "http, https, tcp, tls",
      STORED(monitor.type) },
    { .name = "send", .type = SCHEMA_STRING, STORED(monitor.send) },
    { .name = "receive", .type = SCHEMA_STRING, STORED(monitor.receive) },
    { .name = "receive_disable", .type = SCHEMA_STRING, STORED(monitor.receive_disable) },
    SECONDS("interval", monitor.interval_ms, "5"),
    { .name = "timeout",
      .type = SCHEMA_NUMBER,
      .flags = SCHEMA_TIME,
      .max = 65535,
      STORED(monitor.timeout_ms) },
    SECONDS("up_interval", monitor.up_interval_ms, "0"),
    SECONDS("time_until_up", monitor.time_until_up_ms, "0"),
    { .name = "reverse", .type = SCHEMA_BOOLEAN, .default_json = "false", STORED(monitor.reverse) },
};
static const struct schema monitor = { .name = "monitor", FIELDS(monitor_fields) };

static const struct schema_field outliers_fields[] = {
    { .name = "failure_percent",
      .type = SCHEMA_INTEGER,
      .max = 100,
      .default_json = "0",
      STORED(outliers.failure_percent) },
    { .name = "requests_min",
      .type = SCHEMA_INTEGER,
      .min = 1,
      .max = 1000000,
      .default_json = "20",
      STORED(outliers.requests_min) },
    { .name = "latency_factor",
      .type = SCHEMA_NUMBER,
      .max = 1000,
      .default_json = "0",
      STORED(outliers.latency_factor_thousandths) },
    SECONDS("latency_min", outliers.latency_min_ms, "0.1"),
    SECONDS("interval", outliers.interval_ms, "10"),
    SECONDS("ejection", outliers.ejection_ms, "30"),
    { .name = "ejected_max_percent",
      .type = SCHEMA_INTEGER,
      .max = 100,
      .default_json = "10",
      STORED(outliers.ejected_max_percent) },
};
static const struct schema outliers = { .name = "outliers", FIELDS(outliers_fields) };

static const struct schema_field health_fields[] = {
    { .name = "upstream", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED },
    RECORD("monitor", monitor),
    RECORD("outliers", outliers),
    { .name = "panic_threshold",
      .type = SCHEMA_INTEGER,
      .max = 100,
      .default_json = "0",
      STORED(panic_percent) },
};
const struct schema schema_health = { .name = "health", FIELDS(health_fields) };
