/*
 * schema_balancing: our hopgate.balancing, what an F5 pool can say of an upstream and Kong cannot.
 */
#include "config/schema.h"

#define STORED(entity, member)                          \
    .offset = offsetof(struct config_##entity, member), \
    .size = sizeof(((struct config_##entity *)0)->member)
#define FIELDS(list) .fields = (list), .fields_count = sizeof(list) / sizeof((list)[0])

/* Kong's names, ours, and behind them AS3's that mean the same. */
#define ALGORITHMS                                                                          \
    "round-robin, least-connections, consistent-hashing, latency, random, ratio, fastest, " \
    "observed, predictive, least-sessions, ratio-member, least-connections-member, "        \
    "ratio-least-connections-member, fastest-app-response, observed-member, predictive-member"

static const struct schema_field queue_fields[] = {
    { .name = "max",
      .type = SCHEMA_INTEGER,
      .min = 0,
      .max = 1000000,
      .default_json = "0",
      STORED(upstream, balancing.queue_max) },
    { .name = "timeout_ms",
      .type = SCHEMA_INTEGER,
      .flags = SCHEMA_TIME,
      .min = 1,
      .max = 3600000,
      .default_json = "1000",
      STORED(upstream, balancing.queue_timeout_ms) },
};
static const struct schema queue = { .name = "queue", FIELDS(queue_fields) };

#define PERSISTENCE(member) STORED(upstream, balancing.persistence.member)

static const struct schema_field persistence_fields[] = {
    { .name = "method",
      .type = SCHEMA_STRING,
      .flags = SCHEMA_REQUIRED,
      .one_of = "cookie, source_address",
      PERSISTENCE(method_word) },
    { .name = "cookie_method",
      .type = SCHEMA_STRING,
      .one_of = "insert, rewrite, passive, hash",
      .default_json = "\"insert\"",
      PERSISTENCE(cookie_word) },
    { .name = "cookie_name",
      .type = SCHEMA_STRING,
      .check = check_token,
      PERSISTENCE(cookie_name) },
    { .name = "ttl",
      .type = SCHEMA_INTEGER,
      .flags = SCHEMA_TIME,
      .max = 315360000,
      .default_json = "0",
      PERSISTENCE(ttl_s) },
    { .name = "http_only", .type = SCHEMA_BOOLEAN, .default_json = "true", PERSISTENCE(http_only) },
    { .name = "secure", .type = SCHEMA_BOOLEAN, .default_json = "true", PERSISTENCE(secure) },
    { .name = "always_set",
      .type = SCHEMA_BOOLEAN,
      .default_json = "false",
      PERSISTENCE(always_set) },
    { .name = "duration",
      .type = SCHEMA_NUMBER,
      .flags = SCHEMA_TIME,
      .min = 1,
      .max = 604800,
      .default_json = "180",
      PERSISTENCE(duration_ms) },
    { .name = "mask", .type = SCHEMA_STRING, PERSISTENCE(mask) },
};
static const struct schema persistence = { .name = "persistence", FIELDS(persistence_fields) };

static const struct schema_field balancing_fields[] = {
    { .name = "upstream", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED },
    { .name = "algorithm",
      .type = SCHEMA_STRING,
      .one_of = ALGORITHMS,
      STORED(upstream, balancing.algorithm) },
    { .name = "min_active_members",
      .type = SCHEMA_INTEGER,
      .min = 1,
      .max = 65535,
      .default_json = "1",
      STORED(upstream, balancing.min_active_members) },
    { .name = "reselect_tries",
      .type = SCHEMA_INTEGER,
      .min = 0,
      .max = 65535,
      .default_json = "0",
      STORED(upstream, balancing.reselect_tries) },
    { .name = "service_down_action",
      .type = SCHEMA_STRING,
      .one_of = "none, reselect",
      STORED(upstream, balancing.service_down_action) },
    { .name = "members", .type = SCHEMA_ENTITIES },
    { .name = "queue", .type = SCHEMA_RECORD, .record = &queue },
    { .name = "persistence", .type = SCHEMA_RECORD, .record = &persistence },
};
const struct schema schema_balancing = { .name = "balancing", FIELDS(balancing_fields) };

static const struct schema_field member_fields[] = {
    { .name = "target",
      .type = SCHEMA_STRING,
      .flags = SCHEMA_REQUIRED,
      .check = check_target,
      STORED(target, target) },
    { .name = "priority_group",
      .type = SCHEMA_INTEGER,
      .min = 0,
      .max = 65535,
      .default_json = "0",
      STORED(target, priority_group) },
    { .name = "max_requests",
      .type = SCHEMA_INTEGER,
      .min = 0,
      .max = 1000000,
      .default_json = "0",
      STORED(target, max_requests) },
};
const struct schema schema_balancing_member = { .name = "members", FIELDS(member_fields) };
