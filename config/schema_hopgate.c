/*
 * schema_hopgate: the `hopgate:` object of a declarative file, and its mtls. Its other parts have tables
 * where they are read.
 */
#include "config/schema.h"

#define STORED(type, member) \
    .offset = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)
#define FIELDS(list) .fields = (list), .fields_count = sizeof(list) / sizeof((list)[0])

static const struct schema_field mtls_fields[] = {
    { .name = "snis",
      .type = SCHEMA_STRINGS,
      .flags = SCHEMA_REQUIRED | SCHEMA_SET,
      .check = check_sni,
      STORED(config_mtls, snis) },
    { .name = "verify_client",
      .type = SCHEMA_STRING,
      .one_of = "off, optional, optional_no_ca, required",
      .default_json = "\"required\"",
      STORED(config_mtls, verify_client) },
    { .name = "ca_certificates", .type = SCHEMA_STRINGS, .check = check_uuid },
    { .name = "verify_depth",
      .type = SCHEMA_INTEGER,
      .min = 0,
      .max = 100,
      .default_json = "1",
      STORED(config_mtls, verify_depth) },
    { .name = "crl", .type = SCHEMA_STRING, STORED(config_mtls, crl) },
    { .name = "allow_partial_chain",
      .type = SCHEMA_BOOLEAN,
      .default_json = "false",
      STORED(config_mtls, allow_partial_chain) },
};
const struct schema schema_mtls = { .name = "mtls", FIELDS(mtls_fields) };

static const struct schema_field hopgate_fields[] = {
    { .name = "mtls", .type = SCHEMA_ENTITIES },
    { .name = "proxy_protocol", .type = SCHEMA_ENTITIES }, /* read by declarative_hopgate.c */
    { .name = "slow_start", .type = SCHEMA_ENTITIES },     /* the same */
    { .name = "health", .type = SCHEMA_ENTITIES },         /* read by declarative_health.c */
    { .name = "limits", .type = SCHEMA_ENTITIES },         /* the same */
    { .name = "balancing", .type = SCHEMA_ENTITIES },      /* read by declarative_balancing.c */
    { .name = "fields", .type = SCHEMA_ENTITIES },         /* read by declarative_fields.c */
};
const struct schema schema_hopgate = { .name = "hopgate", FIELDS(hopgate_fields) };
