/* entity_times: every time of services and upstreams, found by the schemas, not by a list. */
#include "config/entity_times.h"

#include <string.h>

#include "config/bind.h"
#include "config/declarative.h"
#include "config/schema.h"
#include "tests/check.h"

enum { SCALE = 100, STATED = 360000 };

static bool sounds_like_a_time(const char *name)
{
    static const char *const words[] = { "timeout", "interval", "ttl",         "duration",
                                         "_ms",     "ejection", "latency_min", "time_until_up" };

    if (strcmp(name, "timeouts") == 0) /* how many */
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strstr(name, words[i]))
            return true;
    return false;
}

/* Numbers of a schema's kind that may be seconds, and are none. */
static bool is_no_time(const char *name)
{
    return strcmp(name, "latency_factor") == 0 || strcmp(name, "threshold") == 0;
}

static void set_all(const struct schema *schema, void *entity, uint64_t value)
{
    for (size_t i = 0; i < schema->fields_count; i++) {
        const struct schema_field *field = &schema->fields[i];

        if (field->record)
            set_all(field->record, entity, value);
        if (field->size == sizeof(value) &&
            (field->type == SCHEMA_NUMBER || field->type == SCHEMA_INTEGER))
            memcpy((char *)entity + field->offset, &value, sizeof(value));
    }
}

static void set_bound(const struct bind_table *table, void *entity, uint64_t value)
{
    for (size_t i = 0; i < table->fields_count; i++) {
        const struct bind_field *field = &table->fields[i];

        if (field->record)
            set_bound(field->record, entity, value);
        if (field->size == sizeof(value) &&
            (field->type == BIND_NUMBER || field->type == BIND_INTEGER))
            memcpy((char *)entity + field->offset, &value, sizeof(value));
    }
}

/* Returns how many times there are. */
static size_t check_bound(const struct bind_table *table, const void *entity)
{
    size_t count = 0;

    for (size_t i = 0; i < table->fields_count; i++) {
        const struct bind_field *field = &table->fields[i];
        bool is_time = sounds_like_a_time(field->name);
        uint64_t value;

        if (field->record)
            count += check_bound(field->record, entity);
        if (field->size != sizeof(value) ||
            (field->type != BIND_NUMBER && field->type != BIND_INTEGER))
            continue;
        memcpy(&value, (const char *)entity + field->offset, sizeof(value));
        if (value != (is_time ? STATED / SCALE : STATED))
            fail_msg("%s.%s is %llu", table->name, field->name, (unsigned long long)value);
        count += is_time;
    }
    return count;
}

/* Returns how many times there are. */
static size_t check_all(const struct schema *schema, const void *entity)
{
    size_t count = 0;

    for (size_t i = 0; i < schema->fields_count; i++) {
        const struct schema_field *field = &schema->fields[i];
        bool is_time = sounds_like_a_time(field->name) ||
                       (field->type == SCHEMA_NUMBER && !is_no_time(field->name));
        uint64_t value;

        if (field->record)
            count += check_all(field->record, entity);
        if (field->size != sizeof(value) ||
            (field->type != SCHEMA_NUMBER && field->type != SCHEMA_INTEGER))
            continue;
        memcpy(&value, (const char *)entity + field->offset, sizeof(value));
        if (value != (is_time ? STATED / SCALE : STATED))
            fail_msg("%s.%s is %llu", schema->name, field->name, (unsigned long long)value);
        count += is_time;
    }
    return count;
}

static struct config *loaded(const char *text)
{
    struct config_errors errors;
    struct config *config = NULL;
    char line[1200];

    config_errors_init(&errors);
    if (config_load_text(slice_of(text), "kong.yaml", &config, &errors) < 0)
        fail_msg("%s", config_error_format(&errors.items[0], line, sizeof(line)));
    config_errors_done(&errors);
    return config;
}

static const char example[] =
    "{_format_version: '3.0', services: [{name: s, host: u}], upstreams: [{name: u, targets: "
    "[{target: '127.0.0.1:80'}]}], hopgate: {slow_start: [{upstream: u, seconds: 30}]}}";

TEST(every_time_of_every_schema_is_divided)
{
    struct config *config = loaded(example);

    set_bound(&bind_services, &config->services[0], STATED);
    set_bound(&bind_upstreams, &config->upstreams[0], STATED);
    set_all(&schema_health, &config->upstreams[0], STATED);
    set_all(&schema_balancing, &config->upstreams[0], STATED);
    config->services[0].tls_timeout_ms = STATED;
    CHECK_INT(entity_times_scale(config, SCALE), 0);
    CHECK_INT(check_bound(&bind_services, &config->services[0]), 3);
    CHECK_INT(check_bound(&bind_upstreams, &config->upstreams[0]), 3);
    CHECK_INT(check_all(&schema_health, &config->upstreams[0]), 7);
    CHECK_INT(check_all(&schema_balancing, &config->upstreams[0]), 3);
    CHECK_INT(config->services[0].tls_timeout_ms, STATED / SCALE); /* longer than the least */
    CHECK_INT(config->upstreams[0].slow_start_ms, 300);
    config_free(config);
}

TEST(what_was_stated_is_kept_to_be_told)
{
    struct config *config = loaded(example);

    CHECK(entity_times_stated(&config->services[0]) == &config->services[0]);
    CHECK(entity_times_stated(NULL) == NULL);
    config->services[0].read_timeout_ms = 12345;
    config->upstreams[0].balancing.queue_timeout_ms = 1500;
    CHECK_INT(entity_times_scale(config, SCALE), 0);
    CHECK_INT(config->services[0].read_timeout_ms, 124);
    CHECK_INT(entity_times_stated(&config->services[0])->read_timeout_ms, 12345);
    CHECK_INT(config->upstreams[0].balancing.queue_timeout_ms, 15);
    CHECK_INT(config->upstreams[0].balancing.queue_timeout_stated_ms, 1500);
    config_free(config);
}

TEST(real_time_changes_nothing)
{
    struct config *config = loaded(example);

    CHECK_INT(entity_times_scale(config, 1), 0);
    CHECK_INT(config->services[0].read_timeout_ms, 60000);
    CHECK_INT(config->upstreams[0].slow_start_ms, 30000);
    CHECK(config->services[0].stated == NULL);
    config_free(config);
}

TESTS(TEST_CASE(every_time_of_every_schema_is_divided),
      TEST_CASE(what_was_stated_is_kept_to_be_told), TEST_CASE(real_time_changes_nothing))
