/*
 * bind: every field of Kong's entities goes somewhere or is known to be only kept, in a form that its type
 * in the model has; and what no model lets in is refused.
 */
#include "config/bind.h"

#include <errno.h>
#include <string.h>

#include "tests/check.h"

static const struct bind_table *const tables[] = { &bind_services,     &bind_routes,
                                                   &bind_upstreams,    &bind_targets,
                                                   &bind_certificates, &bind_ca_certificates };
enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

static const struct model_record *record_of(const struct bind_table *table)
{
    return &model_entity(model_get(), table->name)->record;
}

static bool is_list(const struct model_field *field)
{
    return field->type == MODEL_ARRAY || field->type == MODEL_SET;
}

static bool suits(enum bind_type type, const struct model_field *field)
{
    switch (type) {
    case BIND_TEXT:
    case BIND_PROTOCOL:
        return field->type == MODEL_STRING;
    case BIND_INTEGER:
        return field->type == MODEL_INTEGER;
    case BIND_NUMBER: /* times of an entity are whole seconds for most */
        return field->type == MODEL_NUMBER || field->flags & MODEL_TIMESTAMP;
    case BIND_BOOLEAN:
        return field->type == MODEL_BOOLEAN;
    case BIND_TEXTS:
    case BIND_PROTOCOLS:
        return is_list(field) && field->elements->type == MODEL_STRING;
    case BIND_STATUSES:
        return is_list(field) && field->elements->type == MODEL_INTEGER;
    case BIND_RECORD:
        return field->type == MODEL_RECORD;
    case BIND_ELSEWHERE:
        return true;
    }
    return false;
}

static void check_names(const struct bind_table *table, const struct model_record *record)
{
    for (size_t i = 0; i < table->fields_count; i++) {
        const struct bind_field *bound = &table->fields[i];
        const struct model_field *field = model_field(record, bound->name);

        if (!field || !suits(bound->type, field))
            fail_msg("%s.%s: the model has it not, or of another type", table->name, bound->name);
        if (bound->record)
            check_names(bound->record, field->record);
    }
}

TEST(each_bound_field_is_one_of_the_model)
{
    for (size_t i = 0; i < TABLES; i++)
        check_names(tables[i], record_of(tables[i]));
}

static bool is_only_kept(const char *name)
{
    static const char *const kept[] = { "created_at", "updated_at",   "tags", "id",
                                        "sources",    "use_srv_name", "snis", "cert_digest" };

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (strcmp(kept[i], name) == 0)
            return true;
    return false;
}

static void check_all_there(const struct bind_table *table, const struct model_record *record)
{
    for (size_t i = 0; i < record->fields_count; i++) {
        const char *name = record->fields[i].name;
        const struct bind_field *bound = NULL;

        for (size_t j = 0; j < table->fields_count; j++)
            if (strcmp(table->fields[j].name, name) == 0)
                bound = &table->fields[j];
        if (!bound && !is_only_kept(name))
            fail_msg("%s.%s: nobody reads it", table->name, name);
        if (bound && bound->record)
            check_all_there(bound->record, record->fields[i].record);
    }
}

TEST(each_field_of_the_model_goes_somewhere)
{
    for (size_t i = 0; i < TABLES; i++)
        check_all_there(tables[i], record_of(tables[i]));
}

/* What is not there is as the model says. */
TEST(defaults_are_the_models)
{
    SCOPED(config) config = config_create();
    struct config_service service = { 0 };
    struct config_upstream upstream = { 0 };
    json_t *values = json_pack("{s:s, s:n}", "host", "h", "retries");
    const char *wrong = NULL;

    CHECK_INT(bind_values(config, &bind_services, record_of(&bind_services), values, values,
                          &service, &wrong),
              0);
    CHECK_STR(service.host, "h");
    CHECK_INT(service.port, 80);
    CHECK_INT(service.retries, 5);
    CHECK_INT(service.protocol, CONFIG_PROTOCOL_HTTP);
    CHECK_INT(service.read_timeout_ms, 60000);
    CHECK_INT(service.tls_verify, -1);
    CHECK_INT(service.tls_verify_depth, -1);
    CHECK(service.enabled && !service.name && !service.said.read_timeout);
    json_object_clear(values);
    CHECK_INT(bind_values(config, &bind_upstreams, record_of(&bind_upstreams), values, NULL,
                          &upstream, &wrong),
              0);
    CHECK_INT(upstream.slots, 10000);
    CHECK_STR(upstream.healthchecks.active.http_path, "/");
    CHECK_INT(upstream.healthchecks.active.timeout_ms, 1000);
    CHECK(upstream.healthchecks.passive.counts.unhealthy.bits[503 / 64] >> 503 % 64 & 1);
    json_decref(values);
}

TEST(what_is_written_is_said)
{
    SCOPED(config) config = config_create();
    struct config_service service = { 0 };
    json_t *values = json_pack("{s:i, s:i}", "read_timeout", 1, "connect_timeout", 60000);
    json_t *written = json_pack("{s:i, s:n}", "read_timeout", 1, "write_timeout");
    const char *wrong = NULL;

    CHECK_INT(bind_values(config, &bind_services, record_of(&bind_services), values, written,
                          &service, &wrong),
              0);
    CHECK(service.said.read_timeout && !service.said.write_timeout &&
          !service.said.connect_timeout);
    json_decref(values);
    json_decref(written);
}

/* A store that somebody has changed by hand. */
static void check_refused(const struct bind_table *table, const char *name, json_t *value)
{
    SCOPED(config) config = config_create();
    union {
        struct config_service service;
        struct config_route route;
        struct config_upstream upstream;
    } entity = { 0 };
    json_t *values = json_pack("{s:o}", name, value);
    const char *wrong = NULL;

    CHECK_INT(bind_values(config, table, record_of(table), values, NULL, &entity, &wrong), -EINVAL);
    CHECK(wrong != NULL);
    json_decref(values);
}

TEST(what_no_model_lets_in_is_refused)
{
    check_refused(&bind_services, "port", json_integer(70000));
    check_refused(&bind_services, "port", json_integer(-1));
    check_refused(&bind_services, "port", json_real(1.5));
    check_refused(&bind_services, "port", json_real(1e300));
    check_refused(&bind_services, "port", json_string("80"));
    check_refused(&bind_services, "retries", json_integer(1LL << 40));
    check_refused(&bind_services, "host", json_integer(5));
    check_refused(&bind_services, "enabled", json_string("true"));
    check_refused(&bind_services, "protocol", json_string("grpc"));
    check_refused(&bind_services, "protocol", json_array());
    check_refused(&bind_routes, "protocols", json_array());
    check_refused(&bind_routes, "protocols", json_pack("[s]", "udp"));
    check_refused(&bind_routes, "paths", json_pack("[i]", 5));
    check_refused(&bind_routes, "paths", json_pack("{s:i}", "a", 5));
    check_refused(&bind_routes, "created_at", json_integer(-1));
    check_refused(&bind_upstreams, "healthchecks",
                  json_pack("{s:{s:{s:[i]}}}", "active", "healthy", "http_statuses", 5000));
    check_refused(&bind_upstreams, "healthchecks",
                  json_pack("{s:{s:{s:[i]}}}", "active", "healthy", "http_statuses", -1));
    check_refused(&bind_upstreams, "healthchecks", json_pack("{s:s}", "threshold", "x"));
    check_refused(&bind_upstreams, "healthchecks", json_string("x"));
}

TESTS(TEST_CASE(each_bound_field_is_one_of_the_model),
      TEST_CASE(each_field_of_the_model_goes_somewhere), TEST_CASE(defaults_are_the_models),
      TEST_CASE(what_is_written_is_said), TEST_CASE(what_no_model_lets_in_is_refused))
