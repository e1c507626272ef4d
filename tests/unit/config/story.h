/*
 * story: tests as data: a list of steps, run on a dao without a store, and what each is to give.
 *
 * Role    what tests/data/kong-dao-cases.json and kong-admin-cases.json have in common: saved texts
 *         ("$name"), a clock that stands still, and "as wanted"
 * Owns    the dao and the saved texts, from story_begin to story_end
 * Thread  one
 */
#ifndef TESTS_UNIT_CONFIG_STORY_H
#define TESTS_UNIT_CONFIG_STORY_H

#include <stdlib.h>

#include "config/dao/dao.h"
#include "tests/check.h"

struct story {
    struct dao *dao;
    json_t *saved; /* name -> text, said as "$name" */
    const char *name;
    size_t step;
};

static uint64_t story_clock_ms;

static inline uint64_t story_now_ms(void)
{
    return story_clock_ms;
}

static inline void fail_story(const struct story *story, const char *what, const json_t *got,
                              const json_t *want)
{
    char *got_text = json_dumps(got, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    char *want_text = json_dumps(want, JSON_ENCODE_ANY | JSON_SORT_KEYS);

    fail_msg("%s, step %zu: %s\n     got   %s\n     wants %s", story->name, story->step + 1, what,
             got_text ? got_text : "nothing", want_text ? want_text : "nothing");
}

/* "a $x b" with what was saved as x; a new reference. */
static inline json_t *filled_text(const struct story *story, const char *text)
{
    char filled[4096];
    size_t used = 0;

    while (*text && used < sizeof(filled) - 1) {
        char name[32] = "";
        int length = 0;
        const char *saved;
        if (*text != '$' || sscanf(text, "$%31[a-z0-9_]%n", name, &length) != 1) {
            filled[used++] = *text++;
            continue;
        }
        saved = json_string_value(json_object_get(story->saved, name));
        if (!saved)
            fail_msg("%s: nothing was saved as %s", story->name, name);
        used += (size_t)snprintf(filled + used, sizeof(filled) - used, "%s", saved);
        text += length;
    }
    filled[used] = '\0';
    return json_string(filled);
}

static inline json_t *filled(const struct story *story, const json_t *value)
{
    const char *key;
    json_t *copy, *item;
    size_t i;

    if (json_is_string(value))
        return filled_text(story, json_string_value(value));
    if (json_is_array(value)) {
        copy = json_array();
        json_array_foreach(value, i, item)(void)
            json_array_append_new(copy, filled(story, item)); /* no memory: the test fails */
        return copy;
    }
    if (!json_is_object(value))
        return json_incref((json_t *)value);
    copy = json_object();
    json_object_foreach((json_t *)value, key, item)
    {
        json_t *name = filled_text(story, key);
        (void)json_object_set_new(copy, json_string_value(name),
                                  filled(story, item)); /* as above */
        json_decref(name);
    }
    return copy;
}

static inline bool has_any_of(const json_t *got, const json_t *names)
{
    json_t *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        if (json_object_get(got, json_string_value(name)))
            return true;
    }
    return false;
}

/* Objects of `want` may have fewer members; {"x_absent": ["a"]} says which must not be there. */
static inline bool is_as_wanted(const json_t *got, const json_t *want)
{
    const char *key;
    json_t *item;
    size_t i;

    if (json_is_array(want)) {
        if (json_array_size(got) != json_array_size(want) || !json_is_array(got))
            return false;
        json_array_foreach(want, i,
                           item) if (!is_as_wanted(json_array_get(got, i), item)) return false;
        return true;
    }
    if (!json_is_object(want))
        return json_is_number(want)
                   ? json_number_value(got) == json_number_value(want) && json_is_number(got)
                   : json_equal(got, want);
    json_object_foreach((json_t *)want, key, item)
    {
        if (strcmp(key, "x_absent") == 0) {
            if (has_any_of(got, item))
                return false;
            continue;
        }
        if (!is_as_wanted(json_object_get(got, key), item))
            return false;
    }
    return json_is_object(got);
}

static inline json_t *story_data(const char *name)
{
    char path[512];
    json_error_t why;
    json_t *data;

    (void)snprintf(path, sizeof(path), "%s/tests/data/%s", HOPGATE_SOURCE_DIR, name);
    data = json_load_file(path, 0, &why);
    if (!data)
        fail_msg("%s:%d: %s", name, why.line, why.text);
    return data;
}

static inline void story_begin(struct story *story)
{
    story_clock_ms = 1700000000000;
    story->saved = story_data("kong-dao-certificates.json");
    CHECK_INT(dao_create(model_get(), NULL, &story->dao), 0);
    dao_set_read_only(story->dao, false);
    dao_set_clock(story->dao, story_now_ms);
}

static inline void story_end(struct story *story)
{
    json_decref(story->saved);
    dao_free(story->dao);
}

#endif
