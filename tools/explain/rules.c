/* The rules over several fields in words (entity_checks of the tables). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/explain/explain.h"

__attribute__((format(printf, 2, 3))) static int add(json_t *list, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    int length, r;

    va_start(args, format);
    length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        return -1;
    r = json_array_append_new(list, json_string(text));
    free(text);
    return r;
}

/* "^header$" is a way of Kong's to say "header". */
static void put_pattern(FILE *into, const char *pattern)
{
    size_t length = strlen(pattern);

    if (length > 2 && pattern[0] == '^' && pattern[length - 1] == '$')
        (void)fprintf(into, "is %.*s", (int)length - 2, pattern + 1);
    else
        (void)fprintf(into, "fits %s", pattern);
}

static void put_list(FILE *into, const char *what, const json_t *values)
{
    char *joined = explain_join(values);

    (void)fprintf(into, "%s%s", what, joined ? joined : "");
    free(joined);
}

/* What a field has to be: "is one of tls, tcp". */
static void put_match(FILE *into, const json_t *match)
{
    const json_t *eq = json_object_get(match, "eq");

    if (json_object_get(match, "one_of"))
        put_list(into, "is one of ", json_object_get(match, "one_of"));
    else if (json_object_get(match, "not_one_of"))
        put_list(into, "is none of ", json_object_get(match, "not_one_of"));
    else if (json_object_get(match, "match"))
        put_pattern(into, json_string_value(json_object_get(match, "match")));
    else if (json_is_true(json_object_get(match, "required")))
        (void)fputs("must be given", into);
    else if (json_object_get(match, "gt"))
        (void)fprintf(into, "is more than %g", json_number_value(json_object_get(match, "gt")));
    else if (json_is_string(eq))
        (void)fprintf(into, "is %s", json_string_value(eq));
    else if (eq)
        (void)fprintf(into, "is %s",
                      json_is_null(eq)   ? "null"
                      : json_is_true(eq) ? "true"
                                         : "false");
}

static int add_conditional(json_t *list, const json_t *rule)
{
    const char *err = json_string_value(json_object_get(rule, "then_err"));
    char *text = NULL;
    size_t length;
    FILE *into;
    int r;

    if (err)
        return add(list, "%s", err);
    into = open_memstream(&text, &length);
    if (!into)
        return -1;
    (void)fprintf(into, "where %s ", json_string_value(json_object_get(rule, "if_field")));
    put_match(into, json_object_get(rule, "if_match"));
    (void)fprintf(into, ": %s ", json_string_value(json_object_get(rule, "then_field")));
    put_match(into, json_object_get(rule, "then_match"));
    r = fclose(into) == 0 ? add(list, "%s", text) : -1;
    free(text);
    return r;
}

/* Kong's own words, with the names in the place of %s. */
static int add_at_least_one(json_t *list, const json_t *rule, const char *err, const char *names)
{
    const char *words = json_string_value(json_object_get(rule, err));
    const char *place = words ? strstr(words, "%s") : NULL;
    char *joined = explain_join(json_object_get(rule, names));
    int r = 0;

    if (words && joined)
        r = place ? add(list, "%.*s%s%s", (int)(place - words), words, joined, place + 2)
                  : add(list, "%s", words);
    free(joined);
    return joined ? r : -1;
}

static int add_names(json_t *list, const char *format_before, const json_t *names,
                     const char *after)
{
    char *joined = explain_join(names);
    int r = joined ? add(list, "%s%s%s", format_before, joined, after) : -1;

    free(joined);
    return r;
}

static int add_rule(json_t *list, const char *kind, const json_t *rule)
{
    static const struct {
        const char *kind, *before, *after;
    } lists[] = { { "at_least_one_of", "at least one of ", " must be given" },
                  { "only_one_of", "exactly one of ", " must be given" },
                  { "mutually_required", "all or none of ", "" },
                  { "mutually_exclusive", "at most one of ", "" },
                  { "distinct", "", " must differ" } };
    const char *check;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (strcmp(kind, lists[i].kind) == 0)
            return add_names(list, lists[i].before, rule, lists[i].after);
    if (strcmp(kind, "conditional") == 0)
        return add_conditional(list, rule);
    if (strcmp(kind, "conditional_at_least_one_of") == 0)
        return add_at_least_one(list, rule, "then_err", "then_at_least_one_of") |
               add_at_least_one(list, rule, "else_then_err", "else_then_at_least_one_of");
    check = json_string_value(json_object_get(rule, "x_check"));
    check = check ? explain_check(check) : NULL;
    return check ? add(list, "%s", check) : 0;
}

int explain_add_rules(json_t *list, const struct model_record *record)
{
    const json_t *rules = json_object_get(record->definition, "entity_checks"), *entry;
    size_t i;
    int r = 0;

    json_array_foreach(rules, i, entry)
    {
        void *member = json_object_iter((json_t *)entry);
        if (r == 0 && member)
            r = add_rule(list, json_object_iter_key(member), json_object_iter_value(member));
    }
    return r;
}
