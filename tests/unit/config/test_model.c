#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/model/model_priv.h"
#include "config/model/model_process.h"
#include "tests/check.h"

struct entity_row {
    const char *name, *url, *nested_url, *endpoint_key;
};

/* What Kong has (kong/db/schema/entities, daos.lua of the plugins). */
static const struct entity_row entity_rows[] = {
    { "services", "services", "services", "name" },
    { "routes", "routes", "routes", "name" },
    { "consumers", "consumers", "consumers", "username" },
    { "plugins", "plugins", "plugins", "instance_name" },
    { "upstreams", "upstreams", "upstreams", "name" },
    { "targets", NULL, "targets", "target" },
    { "certificates", "certificates", "certificates", NULL },
    { "snis", "snis", "snis", "name" },
    { "ca_certificates", "ca_certificates", "ca_certificates", NULL },
    { "vaults", "vaults", "vaults", "prefix" },
    { "key_sets", "key-sets", "key-sets", "name" },
    { "keys", "keys", "keys", "name" },
    { "keyauth_credentials", "key-auths", "key-auth", "key" },
    { "basicauth_credentials", "basic-auths", "basic-auth", "username" },
    { "hmacauth_credentials", "hmac-auths", "hmac-auth", "username" },
    { "jwt_secrets", "jwts", "jwt", "key" },
    { "acls", "acls", "acls", NULL },
    { "oauth2_credentials", "oauth2", "oauth2", "client_id" },
    { "oauth2_tokens", "oauth2_tokens", "oauth2_tokens", "access_token" },
};
enum { ENTITIES = sizeof(entity_rows) / sizeof(entity_rows[0]) };

static void check_text(const char *got, const char *want)
{
    CHECK((got == NULL) == (want == NULL));
    if (want)
        CHECK_STR(got, want);
}

TEST(every_entity_has_kongs_names_and_paths)
{
    const struct model *model = model_get();

    CHECK_INT(model_entities_count(model), ENTITIES);
    for (size_t i = 0; i < ENTITIES; i++) {
        const struct entity_row *row = &entity_rows[i];
        const struct model_entity *entity = model_entity(model, row->name);
        CHECK(entity != NULL);
        check_text(entity->url, row->url);
        check_text(entity->nested_url, row->nested_url);
        check_text(entity->endpoint_key, row->endpoint_key);
        CHECK(!row->url || model_entity_by_url(model, row->url) == entity);
        CHECK(!row->endpoint_key || model_field(&entity->record, row->endpoint_key));
        CHECK(entity->is_below_parent_only == (row->url == NULL));
    }
    CHECK(model_entity(model, "workspaces") == NULL);
    CHECK(model_entity_by_url(model, "targets") == NULL);
    CHECK(model_plugin(model, "foo") == NULL);
}

TEST(references_say_what_becomes_of_them)
{
    const struct model *model = model_get();
    const struct model_field *field;

    field = model_field(&model_entity(model, "routes")->record, "service");
    CHECK_STR(field->reference, "services");
    CHECK_INT(field->flags & (MODEL_RESTRICT | MODEL_CASCADE), MODEL_RESTRICT);
    field = model_field(&model_entity(model, "plugins")->record, "route");
    CHECK_INT(field->flags & (MODEL_RESTRICT | MODEL_CASCADE), MODEL_CASCADE);
    for (size_t i = 0; i < model_entities_count(model); i++) {
        const struct model_record *record = &model_entity_at(model, i)->record;
        for (size_t j = 0; j < record->fields_count; j++)
            CHECK(!record->fields[j].reference || model_entity(model, record->fields[j].reference));
    }
}

/* No word of ours, and no typedef's name, is shown. */
static void check_shown(const json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;

    json_object_foreach((json_t *)value, key, member)
    {
        CHECK(strncmp(key, "x_", 2) != 0);
        check_shown(member);
    }
    json_array_foreach(value, i, member) check_shown(member);
}

static const json_t *shown_field(const json_t *schema, const char *name)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(schema, "fields"), i, entry)
    {
        if (json_object_get(entry, name)) {
            CHECK_INT(json_object_size(entry), 1);
            return json_object_get(entry, name);
        }
    }
    return NULL;
}

TEST(schemas_are_shown_as_kong_shows_them)
{
    const struct model *model = model_get();
    json_t *services = model_entity_json(model_entity(model, "services"));
    json_t *upstreams = model_entity_json(model_entity(model, "upstreams"));
    json_t *certificates = model_entity_json(model_entity(model, "certificates"));
    json_t *plugins = model_entity_json(model_entity(model, "plugins"));
    json_t *plugin = model_plugin_json(model_plugin(model, "rate-limiting"));
    const json_t *field, *config;

    CHECK_INT(json_integer_value(json_object_get(shown_field(services, "port"), "default")), 80);
    CHECK_STR(json_string_value(json_object_get(shown_field(services, "port"), "type")), "integer");
    CHECK_INT(json_array_size(json_object_get(shown_field(services, "port"), "between")), 2);
    CHECK(json_is_true(json_object_get(shown_field(services, "host"), "required")));
    field = shown_field(services, "client_certificate");
    CHECK_STR(json_string_value(json_object_get(field, "reference")), "certificates");
    CHECK(shown_field(services, "url") == NULL);
    CHECK(json_object_get(services, "shorthand_fields") == NULL);
    CHECK(json_array_size(json_object_get(services, "entity_checks")) > 0);
    CHECK(shown_field(certificates, "snis") == NULL);
    CHECK(json_is_null(json_object_get(shown_field(plugins, "route"), "default")));
    field = shown_field(upstreams, "healthchecks");
    CHECK(json_is_true(json_object_get(field, "required")));
    CHECK(shown_field(field, "active") != NULL);
    CHECK_INT(json_array_size(json_object_get(plugin, "fields")), 2);
    config = shown_field(plugin, "config");
    CHECK(json_is_true(json_object_get(config, "required")));
    CHECK(json_is_true(json_object_get(shown_field(config, "redis"), "required")));
    field = json_object_get(json_array_get(json_object_get(config, "shorthand_fields"), 0),
                            "redis_host");
    CHECK(json_object_get(json_object_get(field, "deprecation"), "replaced_with") != NULL);
    json_decref(services);
    json_decref(upstreams);
    json_decref(certificates);
    json_decref(plugins);
    json_decref(plugin);
}

TEST(no_word_of_ours_is_shown)
{
    const struct model *model = model_get();

    for (size_t i = 0; i < model_entities_count(model); i++) {
        json_t *schema = model_entity_json(model_entity_at(model, i));
        check_shown(schema);
        json_decref(schema);
    }
    for (size_t i = 0; i < model_plugins_count(model); i++) {
        json_t *schema = model_plugin_json(model_plugin_at(model, i));
        check_shown(schema);
        CHECK(shown_field(schema, "config") != NULL && shown_field(schema, "protocols") != NULL);
        json_decref(schema);
    }
}

/* A default that its own table refuses would make every PUT of what GET gave fail. */
TEST(every_default_is_valid)
{
    const struct model *model = model_get();
    struct model_words words = { 0 };

    for (size_t i = 0; i < model_plugins_count(model); i++) {
        const struct model_record *config = model_plugin_at(model, i)->config;
        for (size_t j = 0; j < config->fields_count; j++) {
            const struct model_field *field = &config->fields[j];
            if (field->default_value)
                CHECK(!model_validate_value(&words, field, field->default_value) ||
                      json_is_null(field->default_value));
        }
    }
}

TEST(one_value_alone_is_checked)
{
    const struct model_entity *services = model_entity(model_get(), "services");
    json_t *good = json_string("a"), *bad = json_string("a b");
    char *told = model_check_value(model_field(&services->record, "name"), bad);

    CHECK_STR(told, "invalid value 'a b': the only accepted ascii characters are alphanumerics or "
                    "., -, _, and ~");
    CHECK(model_check_value(model_field(&services->record, "name"), good) == NULL);
    free(told);
    json_decref(good);
    json_decref(bad);
}

/* Tables of a test: a plugin that runs may be enabled. */
TEST(a_plugin_that_runs_may_be_enabled)
{
    static const char runs[] =
        "{\"name\": \"tester\", \"x_version\": \"1\", \"x_priority\": 5, \"x_runs\": true, "
        "\"fields\": [{\"config\": {\"type\": \"record\", \"fields\": []}}]}";
    static const struct model_plugin_builtin plugins[] = {
        { "tester", (const unsigned char *)runs, sizeof(runs) - 1 },
        { NULL, NULL, 0 },
    };
    SCOPED(model) model = model_create(model_entity_builtins, plugins);
    json_t *input = json_pack("{s:s}", "name", "tester"), *got = NULL;
    struct kong_error error = { 0 };
    struct model_request request = { .entity = model_entity(model, "plugins"),
                                     .input = input,
                                     .now_s = 1 };

    CHECK_INT(model_process(model, &request, &got, &error), 0);
    CHECK(json_is_true(json_object_get(got, "enabled")));
    CHECK_INT(model_plugin(model, "tester")->priority, 5);
    json_decref(got);
    json_decref(input);
}

TEST(an_input_too_deep_is_refused)
{
    json_t *input = json_pack("{s:s}", "host", "h"), *inner = input, *got = NULL;
    struct kong_error error = { 0 };
    struct model_request request = { .entity = model_entity(model_get(), "services"),
                                     .input = input,
                                     .now_s = 1 };

    for (int i = 0; i < MODEL_INPUT_DEPTH_MAX; i++) {
        json_t *below = json_object();
        CHECK_INT(json_object_set_new(inner, "x", below), 0);
        inner = below;
    }
    CHECK_INT(model_process(model_get(), &request, &got, &error), -EINVAL);
    CHECK_INT(error.code, KONG_PLAIN);
    CHECK_INT(error.status, 400);
    kong_error_done(&error);
    json_decref(input);
}

TESTS(TEST_CASE(every_entity_has_kongs_names_and_paths),
      TEST_CASE(references_say_what_becomes_of_them),
      TEST_CASE(schemas_are_shown_as_kong_shows_them), TEST_CASE(no_word_of_ours_is_shown),
      TEST_CASE(every_default_is_valid), TEST_CASE(one_value_alone_is_checked),
      TEST_CASE(a_plugin_that_runs_may_be_enabled), TEST_CASE(an_input_too_deep_is_refused))
