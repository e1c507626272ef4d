/*
 * dao_match: what a route matches, as bytes that are equal exactly when the same requests match.
 *
 * Every field that takes part is a set: order and repetition do not count.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/dao/dao_priv.h"

static const char *const match_fields[] = { "protocols", "methods", "hosts",   "paths",
                                            "headers",   "snis",    "sources", "destinations" };

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_sorted(struct dao_key *key, char **texts, size_t count)
{
    int r = 0;

    qsort(texts, count, sizeof(*texts), compare_texts);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (i == 0 || strcmp(texts[i - 1], texts[i]) != 0)
            r = dao_key_add_text(key, texts[i]);
    return r;
}

/* A list of texts or records. */
static int add_set(struct dao_key *key, const json_t *list)
{
    size_t count = json_array_size(list), made = 0;
    char **texts = calloc(count ? count : 1, sizeof(*texts));
    int r = texts ? 0 : -ENOMEM;

    for (; r == 0 && made < count; made++) {
        texts[made] =
            json_dumps(json_array_get(list, made), JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        if (!texts[made])
            break;
    }
    if (r == 0)
        r = made == count ? add_sorted(key, texts, count) : -ENOMEM;
    for (size_t i = 0; texts && i < made; i++)
        free(texts[i]);
    free(texts);
    return r;
}

static int compare_names(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

/* Header names in any case mean the same; of each the values are a set. */
static int add_headers(struct dao_key *key, json_t *headers)
{
    size_t count = json_object_size(headers), i = 0;
    const char **names = calloc(count ? count : 1, sizeof(*names)), *name;
    json_t *values;
    int r = names ? 0 : -ENOMEM;

    if (!names)
        return r;
    json_object_foreach(headers, name, values) names[i++] = name;
    qsort(names, count, sizeof(*names), compare_names);
    for (i = 0; r == 0 && i < count; i++) {
        for (const char *c = names[i]; r == 0 && *c; c++) {
            char lower = (char)(*c >= 'A' && *c <= 'Z' ? *c + 'a' - 'A' : *c);
            r = dao_key_add(key, &lower, 1);
        }
        if (r == 0)
            r = dao_key_add(key, "", 1);
        if (r == 0)
            r = add_set(key, json_object_get(headers, names[i]));
    }
    free(names);
    return r;
}

int dao_match_add(struct dao_key *key, const json_t *route)
{
    char priority[24];
    int r;

    (void)snprintf(priority, sizeof(priority), "%lld",
                   (long long)json_integer_value(json_object_get(route, "regex_priority")));
    r = dao_key_add_text(key, priority);
    for (size_t i = 0; r == 0 && i < sizeof(match_fields) / sizeof(match_fields[0]); i++) {
        json_t *value = json_object_get(route, match_fields[i]);
        r = dao_key_add_text(key, match_fields[i]);
        if (r == 0)
            r = json_is_object(value) ? add_headers(key, value) : add_set(key, value);
    }
    return r;
}
