/*
 * schema_fields: the tables of hopgate.fields.
 *
 * Which field may have which policy, and which operation which keys, is for declarative_forwarded.c
 * and declarative_fields.c to say.
 */
#include <stddef.h>

#include "config/declarative_fields.h"
#include "config/schema.h"

#define FIELDS(table) .fields = (table), .fields_count = sizeof(table) / sizeof((table)[0])
#define STORED(type, member) \
    .offset = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)

#define FIELD_POLICIES "preserve, append, replace, remove"

static const struct schema_field forwarded_fields[] = {
    { .name = "policy",
      .type = SCHEMA_STRING,
      .flags = SCHEMA_REQUIRED,
      .one_of = FIELD_POLICIES,
      STORED(written_forwarded, policy) },
    { .name = "untrusted",
      .type = SCHEMA_STRING,
      .one_of = FIELD_POLICIES,
      STORED(written_forwarded, untrusted) },
    { .name = "trusted",
      .type = SCHEMA_STRINGS,
      .check = check_cidr,
      STORED(written_forwarded, trusted) },
    { .name = "for", .type = SCHEMA_STRING, STORED(written_forwarded, for_node) },
    { .name = "by", .type = SCHEMA_STRING, STORED(written_forwarded, by_node) },
    { .name = "host",
      .type = SCHEMA_BOOLEAN,
      .default_json = "true",
      STORED(written_forwarded, host) },
    { .name = "proto",
      .type = SCHEMA_BOOLEAN,
      .default_json = "true",
      STORED(written_forwarded, proto) },
};
const struct schema schema_forwarded = { .name = "forwarded", FIELDS(forwarded_fields) };

static const struct schema_field operation_fields[] = {
    { .name = "set", .type = SCHEMA_STRING, STORED(written_operation, names[CONFIG_SET]) },
    { .name = "add", .type = SCHEMA_STRING, STORED(written_operation, names[CONFIG_ADD]) },
    { .name = "append", .type = SCHEMA_STRING, STORED(written_operation, names[CONFIG_APPEND]) },
    { .name = "rename", .type = SCHEMA_STRING, STORED(written_operation, names[CONFIG_RENAME]) },
    { .name = "remove", .type = SCHEMA_STRING, STORED(written_operation, names[CONFIG_REMOVE]) },
    { .name = "case", .type = SCHEMA_STRING, STORED(written_operation, names[CONFIG_CASE]) },
    { .name = "value",
      .type = SCHEMA_STRING,
      .check = check_field_value,
      STORED(written_operation, value) },
    { .name = "to", .type = SCHEMA_STRING, .check = check_token, STORED(written_operation, to) },
    { .name = "if_absent",
      .type = SCHEMA_BOOLEAN,
      .default_json = "false",
      STORED(written_operation, if_absent) },
    { .name = "always",
      .type = SCHEMA_BOOLEAN,
      .default_json = "false",
      STORED(written_operation, always) },
    { .name = "when_status",
      .type = SCHEMA_STATUSES,
      .min = 200,
      .max = 999,
      STORED(written_operation, statuses) },
};
const struct schema schema_field_operation = { .name = "operation", FIELDS(operation_fields) };

static const struct schema_field rules_fields[] = {
    { .name = "service", .type = SCHEMA_STRING, STORED(written_field_rules, service) },
    { .name = "route", .type = SCHEMA_STRING, STORED(written_field_rules, route) },
    { .name = "forwarded", .type = SCHEMA_ANY },
    { .name = "request", .type = SCHEMA_ENTITIES },
    { .name = "response", .type = SCHEMA_ENTITIES },
};
const struct schema schema_field_rules = { .name = "fields", FIELDS(rules_fields) };
