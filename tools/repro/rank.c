#include "tools/repro/rank.h"

#include <fnmatch.h>
#include <string.h>

static bool is_in(const json_t *list, const char *word)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), word) == 0)
            return true;
    return false;
}

/* Each feature that the rule names must be there and be like its pattern. */
static bool is_like(const struct line *line, const json_t *wanted)
{
    const char *name;
    json_t *pattern;

    json_object_foreach((json_t *)wanted, name, pattern)
    {
        const struct line_feature *feature = line_feature(line, name);

        if (!feature || fnmatch(json_string_value(pattern), feature->value, FNM_NOESCAPE) != 0)
            return false;
    }
    return true;
}

static bool holds(const json_t *rule, const struct line *line)
{
    const char *kind = json_string_value(json_object_get(rule, "kind"));
    const json_t *products = json_object_get(rule, "products");

    return kind && strcmp(kind, line_kind_name(line->kind)) == 0 &&
           (!products || is_in(products, line_product_name(line->product))) &&
           is_like(line, json_object_get(rule, "if"));
}

static void add(struct ranking *ranking, const struct repro_cause *cause)
{
    if (cause && ranking->count < RANK_MAX) {
        ranking->causes[ranking->count] = cause;
        ranking->lines[ranking->count++] = 0;
    }
}

static bool has(const struct ranking *ranking, const struct repro_cause *cause)
{
    for (size_t i = 0; i < ranking->count; i++)
        if (ranking->causes[i] == cause)
            return true;
    return false;
}

static void rank_line(const struct cause_table *table, const struct line *line, struct ranking *ret)
{
    const json_t *rules = cause_table_rules(table);

    *ret = (struct ranking){ .count = 0 };
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        const json_t *causes = json_object_get(rule, "causes");

        for (size_t k = 0; holds(rule, line) && k < json_array_size(causes); k++) {
            const struct repro_cause *cause =
                cause_table_find(table, json_string_value(json_array_get(causes, k)));

            if (!has(ret, cause))
                add(ret, cause);
        }
    }
}

/* An error line says more than an access line: its order holds. */
static void merge(const struct ranking *one, struct ranking *into)
{
    for (size_t i = 0; i < one->count; i++) {
        size_t at = 0;

        while (at < into->count && into->causes[at] != one->causes[i])
            at++;
        if (at == into->count)
            add(into, one->causes[i]);
        if (at < into->count)
            into->lines[at]++;
    }
}

static void put_common_first(struct ranking *ranking, size_t lines)
{
    struct ranking sorted = { .count = 0 };

    for (size_t wanted = lines; wanted > 0; wanted--)
        for (size_t i = 0; i < ranking->count; i++)
            if (ranking->lines[i] == wanted) {
                sorted.causes[sorted.count] = ranking->causes[i];
                sorted.lines[sorted.count++] = ranking->lines[i];
            }
    *ranking = sorted;
}

void rank_causes(const struct cause_table *table, const struct line *lines, size_t count,
                 struct ranking *ret)
{
    struct ranking one;

    *ret = (struct ranking){ .count = 0 };
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < count; i++)
            if ((lines[i].kind == LINE_ERROR) == (pass == 0)) {
                rank_line(table, &lines[i], &one);
                merge(&one, ret);
            }
    put_common_first(ret, count);
}
