/* hopgate explain: every path leads to its field, every rule of the tables has words. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tools/cli/wrapped.h"
#include "tools/explain/explain.h"

static struct explain_topic found(const char *path)
{
    struct explain_topic topic = { 0 };
    char message[EXPLAIN_MESSAGE_MAX] = "";

    if (explain_find(model_get(), path, &topic, message) != 0)
        fail_msg("%s: %s", path, message);
    return topic;
}

static void check_missing(const char *path, const char *said)
{
    struct explain_topic topic;
    char message[EXPLAIN_MESSAGE_MAX] = "";

    CHECK_INT(explain_find(model_get(), path, &topic, message), -ENOENT);
    CHECK_STR(message, said);
}

TEST(a_path_leads_to_its_field)
{
    CHECK_STR(found("services.connect_timeout").field->name, "connect_timeout");
    CHECK_STR(found("service.retries").path, "services.retries"); /* as people say it */
    CHECK_STR(found("key-auth").entity->name, "keyauth_credentials");
    CHECK_STR(found("upstreams.healthchecks.active.type").field->name, "type");
    CHECK_STR(found("routes.sources.ip").field->name, "ip"); /* of the items of a list */
    CHECK_STR(found("plugins.rate-limiting.config.minute").field->name, "minute");
    CHECK_STR(found("plugins.response-ratelimiting.config.limits.minute").field->name, "minute");
    CHECK_STR(found("plugins.cors.enabled").field->name, "enabled"); /* the entity's own */
    CHECK_STR(found("plugins.config").field->name, "config");
    CHECK_STR(found("vaults.env.config.prefix").field->name, "prefix");
    CHECK(found("services.url").is_shorthand);
    CHECK(!found("upstreams.algorithm").is_shorthand);
    CHECK(found("").entity == NULL);
    CHECK(found("plugins.cors").plugin != NULL);
}

TEST(what_is_not_there_has_a_likely_name_beside_it)
{
    check_missing("servces", "hopgate has no entity \"servces\"; did you mean \"services\"?");
    check_missing("services.conect_timeout",
                  "services has no field \"conect_timeout\"; did you mean "
                  "\"services.connect_timeout\"?");
    check_missing("plugins.cor", "plugins has no field \"cor\"; did you mean \"plugins.cors\"?");
    check_missing("plugins.cors.config.orgins",
                  "plugins.cors.config has no field \"orgins\"; did you mean "
                  "\"plugins.cors.config.origins\"?");
    check_missing("services.retries.x", "services.retries has no field \"x\"; `hopgate explain "
                                        "services.retries` lists what there is");
    check_missing("quite-something-else",
                  "hopgate has no entity \"quite-something-else\"; `hopgate explain` lists what "
                  "there is");
    check_missing("\x1b[1m\xff",
                  "hopgate has no entity \"?[1m?\"; `hopgate explain` lists what there "
                  "is");
}

TEST(a_long_path_is_only_unknown)
{
    char path[4096], message[EXPLAIN_MESSAGE_MAX];
    struct explain_topic topic;

    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    CHECK_INT(explain_find(model_get(), path, &topic, message), -ENOENT);
    memset(path, '.', sizeof(path) - 1);
    CHECK_INT(explain_find(model_get(), path, &topic, message), -ENOENT);
}

/* ---- facts ---------------------------------------------------------------------------------- */

TEST(facts_of_a_field_are_those_of_the_table)
{
    struct explain_topic topic = found("services.connect_timeout");
    json_t *facts = explain_facts(model_get(), &topic);

    CHECK_STR(json_string_value(json_object_get(facts, "type")), "integer");
    CHECK_STR(json_string_value(json_object_get(facts, "unit")), "milliseconds");
    CHECK_INT(json_integer_value(json_object_get(facts, "default")), 60000);
    CHECK_STR(json_string_value(json_array_get(json_object_get(facts, "limits"), 0)),
              "1 to 2147483646");
    json_decref(facts);
    topic = found("services.protocol");
    facts = explain_facts(model_get(), &topic);
    CHECK_STR(json_string_value(json_array_get(json_object_get(facts, "limits"), 0)),
              "one of grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp");
    CHECK(json_object_get(facts, "differs") != NULL);
    json_decref(facts);
    topic = found("services.host");
    facts = explain_facts(model_get(), &topic);
    CHECK_STR(json_string_value(json_object_get(facts, "given")), "must");
    json_decref(facts);
}

/* Each path of the facts can be asked for, and says the same. */
static size_t check_fields(const json_t *fields)
{
    size_t count = 0, i;
    const json_t *field;

    json_array_foreach(fields, i, field)
    {
        const char *path = json_string_value(json_object_get(field, "path"));
        struct explain_topic topic = found(path);
        json_t *facts = explain_facts(model_get(), &topic);

        CHECK(json_equal(facts, field));
        CHECK(json_object_get(field, "description") != NULL);
        json_decref(facts);
        count += 1 + check_fields(json_object_get(field, "fields"));
    }
    return count;
}

TEST(every_field_can_be_asked_for)
{
    json_t *all = explain_all(model_get());
    size_t count = 0, i;
    const json_t *facts;

    json_array_foreach(json_object_get(all, "entities"), i, facts)
    {
        count += check_fields(json_object_get(facts, "fields"));
    }
    json_array_foreach(json_object_get(all, "plugins"), i, facts)
    {
        count += check_fields(json_object_get(facts, "fields"));
    }
    CHECK(count > 500);
    json_decref(all);
}

static void check_words(const char *where, const json_t *definition)
{
    const char *check = json_string_value(json_object_get(definition, "x_check")), *key;
    const json_t *value;
    void *at;
    size_t i;

    if (check && !explain_check(check))
        fail_msg("%s: tools/explain/limits.c has no words for x_check %s", where, check);
    json_array_foreach(definition, i, value)
    {
        check_words(where, value);
    }
    for (at = json_object_iter((json_t *)definition); at;
         at = json_object_iter_next((json_t *)definition, at)) {
        key = json_object_iter_key(at);
        if (strcmp(key, "default") != 0)
            check_words(where, json_object_iter_value(at));
    }
}

TEST(every_check_has_words)
{
    const struct model *model = model_get();

    for (size_t i = 0; i < model_entities_count(model); i++)
        check_words(model_entity_at(model, i)->name, model_entity_at(model, i)->record.definition);
    for (size_t i = 0; i < model_plugins_count(model); i++)
        check_words(model_plugin_at(model, i)->name,
                    model_plugin_at(model, i)->overrides.definition);
}

/* ---- printing ------------------------------------------------------------------------------- */

/* A word that is longer than the rest of a line is not broken. */
static bool is_one_word(const char *line, size_t length)
{
    while (length > 0 && *line == ' ') {
        line++;
        length--;
    }
    return !memchr(line, ' ', length);
}

static void check_width(const char *path)
{
    struct explain_topic topic = found(path);
    json_t *facts = explain_facts(model_get(), &topic);
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    explain_print_text(facts, stream);
    CHECK_INT(fclose(stream), 0);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        size_t length = strcspn(line, "\n");
        if (length > WRAPPED_COLUMNS && !is_one_word(line, length))
            fail_msg("%s: %zu columns: %.*s", path, length, (int)length, line);
    }
    free(text);
    json_decref(facts);
}

static void check_widths(const json_t *list)
{
    const json_t *facts;
    size_t i;

    json_array_foreach(list, i, facts)
    {
        check_width(json_string_value(json_object_get(facts, "path")));
        check_widths(json_object_get(facts, "fields"));
    }
}

TEST(every_line_fits_a_terminal)
{
    json_t *all = explain_all(model_get());

    check_width("");
    check_widths(json_object_get(all, "entities"));
    check_widths(json_object_get(all, "plugins"));
    json_decref(all);
}

TESTS(TEST_CASE(a_path_leads_to_its_field),
      TEST_CASE(what_is_not_there_has_a_likely_name_beside_it),
      TEST_CASE(a_long_path_is_only_unknown), TEST_CASE(facts_of_a_field_are_those_of_the_table),
      TEST_CASE(every_field_can_be_asked_for), TEST_CASE(every_check_has_words),
      TEST_CASE(every_line_fits_a_terminal))
