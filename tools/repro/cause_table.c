#include "tools/repro/cause_table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/trace/causes.h"

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static const char *text_or(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = text_of(object, key);

    return text ? text : otherwise;
}

static size_t bytes_of(const json_t *object, const char *key)
{
    return (size_t)json_integer_value(json_object_get(object, key));
}

/* ---- reading ---- */

static enum cause_place place_of(const json_t *play)
{
    const char *place = text_or(play, "place", "server");

    if (!text_of(play, "fault"))
        return CAUSE_NO_FAULT;
    if (strcmp(place, "client-wire") == 0)
        return CAUSE_TO_CLIENT;
    return strcmp(place, "server-wire") == 0 ? CAUSE_TO_SERVER : CAUSE_AT_SERVER;
}

static void read_cause(const char *name, const json_t *from, struct repro_cause *ret)
{
    const json_t *play = json_object_get(from, "play");
    json_int_t scale = json_integer_value(json_object_get(play, "time_scale"));

    *ret = (struct repro_cause){
        .name = name,
        .where = text_or(from, "where", ""),
        .what = text_or(from, "what", ""),
        .fix = text_or(from, "fix", ""),
        .tell = text_or(from, "tell", ""),
        .untried = text_of(from, "untried"),
        .stage = text_or(play, "stage", "plain"),
        .fault = text_of(play, "fault"),
        .place = place_of(play),
        .time_scale = scale > 0 ? (int)scale : 1,
        .is_warm = json_is_true(json_object_get(play, "warm")),
        .is_alone = json_is_true(json_object_get(play, "alone")),
        .method = text_of(play, "method"),
        .fields = json_object_get(play, "fields"),
        .content_bytes = bytes_of(play, "content_bytes"),
        .field_bytes = bytes_of(play, "field_bytes"),
        .path_bytes = bytes_of(play, "path_bytes"),
    };
}

static bool read_causes(struct cause_table *table)
{
    json_t *causes = json_object_get(table->root, "causes"), *cause;
    const char *name;

    table->causes = calloc(json_object_size(causes) + 1, sizeof(*table->causes));
    if (!table->causes)
        return false;
    json_object_foreach(causes, name, cause)
        read_cause(name, cause, &table->causes[table->count++]);
    return true;
}

struct cause_table *cause_table_create(void)
{
    struct cause_table *table = calloc(1, sizeof(*table));

    if (!table)
        return NULL;
    table->root =
        json_loadb((const char *)repro_builtins[0].text, repro_builtins[0].length, 0, NULL);
    if (table->root && read_causes(table))
        return table;
    cause_table_free(table);
    return NULL;
}

void cause_table_free(struct cause_table *table)
{
    if (!table)
        return;
    json_decref(table->root);
    free(table->causes);
    free(table);
}

/* ---- looking up ---- */

const struct repro_cause *cause_table_find(const struct cause_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->causes[i].name, name) == 0)
            return &table->causes[i];
    return NULL;
}

const json_t *cause_table_rules(const struct cause_table *table)
{
    return json_object_get(table->root, "rules");
}

const json_t *cause_table_stage(const struct cause_table *table, const char *name)
{
    return json_object_get(json_object_get(table->root, "stages"), name);
}

const json_t *cause_table_service(const struct cause_table *table, enum line_product product)
{
    return json_object_get(json_object_get(table->root, "services"), line_product_name(product));
}

/* ---- words ---- */

/* As trace calls the formats of logs; Kong's settings are those of our own hops. */
static const char *format_of(enum line_product product)
{
    return product == LINE_KONG ? "hopgate" : line_product_name(product);
}

static const char *setting_of(struct slice word, enum line_product product)
{
    static const struct {
        const char *word;
        enum cause_setting setting;
    } settings[] = {
        { "connect_timeout", CAUSE_CONNECT_TIMEOUT },
        { "write_timeout", CAUSE_WRITE_TIMEOUT },
        { "read_timeout", CAUSE_READ_TIMEOUT },
        { "keepalive", CAUSE_KEEPALIVE },
        { "head_size", CAUSE_HEAD_SIZE },
    };

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (slice_equal(word, slice_of(settings[i].word)))
            return cause_setting_name(settings[i].setting, format_of(product));
    return slice_equal(word, SLICE("hop")) ? line_product_title(product) : NULL;
}

void cause_words(const char *text, enum line_product product, char *into, size_t size)
{
    size_t used = 0;

    assert(size > 0);
    into[0] = '\0';
    while (*text && used + 1 < size) {
        const char *close = *text == '{' ? strchr(text, '}') : NULL;
        const char *setting =
            close ? setting_of((struct slice){ text + 1, (size_t)(close - text) - 1 }, product)
                  : NULL;

        if (setting) {
            int length = snprintf(into + used, size - used, "%s", setting);

            used += (size_t)length < size - used ? (size_t)length : size - used - 1;
            text = close + 1;
        } else {
            into[used++] = *text++;
            into[used] = '\0';
        }
    }
}
