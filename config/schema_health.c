/* schema_health: our hopgate.health of an upstream: monitors as an F5 has them, outliers, panic. */
#include "config/schema.h"

#define STORED(member)                                  \
    .offset = offsetof(struct config_upstream, member), \
    .size = sizeof(((struct config_upstream *)0)->member)
#define FIELDS(list) .fields = (list), .fields_count = sizeof(list) / sizeof((list)[0])

#define SECONDS(field, member, json)                                                \
    {                                                                               \
        .name = (field), .type = SCHEMA_NUMBER, .flags = SCHEMA_TIME, .max = 65535, \
        .default_json = (json), STORED(member)                                      \
    }
#define RECORD(field, schema)                                       \
    {                                                               \
        .name = (field), .type = SCHEMA_RECORD, .record = &(schema) \
    }

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
