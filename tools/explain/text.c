/* Facts for a terminal. */
#include <stdlib.h>
#include <string.h>

#include "tools/cli/wrapped.h"
#include "tools/explain/explain.h"

enum { LABEL_WIDTH = 14, NAME_WIDTH_MAX = 36, TYPE_WIDTH_MAX = 24, INDEX_WIDTH = 30 };

static const char *text_of(const json_t *facts, const char *name)
{
    return json_string_value(json_object_get(facts, name));
}

static const char *last_word(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot ? dot + 1 : path;
}

/* "  label      text, and on" */
static void print_row(FILE *stream, const char *label, const char *text)
{
    (void)fprintf(stream, "  %-*s", LABEL_WIDTH, label);
    wrapped_print(stream, LABEL_WIDTH + 2, LABEL_WIDTH + 2, text);
}

static void print_list(FILE *stream, const char *label, const json_t *list)
{
    const json_t *text;
    size_t i;

    json_array_foreach(list, i, text)
    {
        print_row(stream, i == 0 ? label : "", json_string_value(text));
    }
}

/* ---- a field -------------------------------------------------------------------------------- */

static void print_type(FILE *stream, const json_t *facts)
{
    const char *unit = text_of(facts, "unit"), *reference = text_of(facts, "reference");
    char text[160];

    (void)snprintf(text, sizeof(text), "%s%s%s%s%s%s%s", text_of(facts, "type"),
                   reference ? " to " : "", reference ? reference : "", unit ? ", " : "",
                   unit ? unit : "", json_object_get(facts, "unique") ? ", unique" : "",
                   json_object_get(facts, "secret") ? ", masked in logs" : "");
    print_row(stream, "type", text);
}

static const char *given_text(const char *given)
{
    if (strcmp(given, "must") == 0)
        return "must be given";
    if (strcmp(given, "made") == 0)
        return "made when it is not given";
    return strcmp(given, "old") == 0 ? "stands for others; is not shown as itself" : NULL;
}

static void print_default(FILE *stream, const json_t *facts)
{
    json_t *value = json_object_get(facts, "default");
    char *text = value && !json_is_null(value)
                     ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))
                     : NULL;

    if (text)
        print_row(stream, "default", text);
    free(text);
}

static void print_field(FILE *stream, const json_t *facts)
{
    const char *given = given_text(text_of(facts, "given"));

    print_type(stream, facts);
    print_default(stream, facts);
    if (given)
        print_row(stream, "given", given);
    print_list(stream, "limits", json_object_get(facts, "limits"));
}

/* ---- an entity or a plugin ------------------------------------------------------------------ */

static void print_plugin(FILE *stream, const json_t *facts)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "%s, priority %lld", text_of(facts, "version"),
                   json_integer_value(json_object_get(facts, "priority")));
    print_row(stream, "version", text);
}

static void print_names(FILE *stream, const char *label, const json_t *names)
{
    char *joined = json_array_size(names) > 0 ? explain_join(names) : NULL;

    if (joined)
        print_row(stream, label, joined);
    free(joined);
}

/* ---- the fields below ----------------------------------------------------------------------- */

static size_t width_of(const json_t *fields, const char *name, size_t max)
{
    size_t width = 0, i;
    const json_t *field;

    json_array_foreach(fields, i, field)
    {
        size_t length = strlen(last_word(text_of(field, name)));
        width = length > width ? length : width;
    }
    return width < max ? width : max;
}

/* "how long ... (default 60000 milliseconds)"; malloc'ed. */
static char *summary(const json_t *field)
{
    json_t *value = json_object_get(field, "default");
    char *text = NULL, *as_json = value && !json_is_null(value)
                                      ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))
                                      : NULL;
    const char *unit = text_of(field, "unit"), *description = text_of(field, "description");
    size_t length;
    FILE *into = open_memstream(&text, &length);

    if (into) {
        (void)fprintf(into, "%s", description ? description : "");
        if (as_json || unit)
            (void)fprintf(into, " (%s%s%s%s)", as_json ? "default " : "", as_json ? as_json : "",
                          unit && as_json ? " " : "", unit ? unit : "");
        if (fclose(into) != 0) {
            free(text);
            text = NULL;
        }
    }
    free(as_json);
    return text;
}

static void print_below(FILE *stream, const json_t *fields)
{
    size_t names = width_of(fields, "path", NAME_WIDTH_MAX),
           types = width_of(fields, "type", TYPE_WIDTH_MAX), i;
    const json_t *field;
    bool has_mark = false;

    (void)fputs("\nfields\n", stream);
    json_array_foreach(fields, i, field)
    {
        const char *name = last_word(text_of(field, "path"));
        bool must = strcmp(text_of(field, "given"), "must") == 0;
        size_t indent = 2 + names + 2 + types + 2;
        char *text = summary(field);

        has_mark |= must;
        (void)fprintf(stream, "  %s%s%*s%-*s  ", name, must ? "*" : " ",
                      (int)(names > strlen(name) ? names - strlen(name) + 1 : 1), "", (int)types,
                      text_of(field, "type"));
        wrapped_print(stream, indent, indent, text ? text : "");
        free(text);
    }
    if (has_mark)
        (void)fputs("\n* must be given\n", stream);
}

static void print_rules(FILE *stream, const json_t *rules)
{
    const json_t *rule;
    size_t i;

    (void)fputs("\nrules\n", stream);
    json_array_foreach(rules, i, rule)
    {
        (void)fputs("  ", stream);
        wrapped_print(stream, 2, 4, json_string_value(rule));
    }
}

static void print_one(const json_t *facts, FILE *stream)
{
    const char *description = text_of(facts, "description"), *kind = text_of(facts, "kind");

    (void)fprintf(stream, "%s\n", text_of(facts, "path"));
    if (description) {
        (void)fputs("  ", stream);
        wrapped_print(stream, 2, 2, description);
    }
    (void)fputc('\n', stream);
    if (strcmp(kind, "field") == 0)
        print_field(stream, facts);
    else if (strcmp(kind, "plugin") == 0)
        print_plugin(stream, facts);
    if (text_of(facts, "differs"))
        print_row(stream, "unlike Kong", text_of(facts, "differs"));
    print_list(stream, "paths", json_object_get(facts, "paths"));
    if (text_of(facts, "key"))
        print_row(stream, "found by", text_of(facts, "key"));
    if (json_object_get(facts, "ttl"))
        print_row(stream, "ttl", "seconds after which it vanishes, beside the fields below");
    print_names(stream, "plugins", json_object_get(facts, "plugins"));
    print_names(stream, "depending on", json_object_get(facts, "variants"));
    if (json_array_size(json_object_get(facts, "fields")) > 0)
        print_below(stream, json_object_get(facts, "fields"));
    if (json_object_get(facts, "rules"))
        print_rules(stream, json_object_get(facts, "rules"));
}

/* ---- everything ----------------------------------------------------------------------------- */

static void print_index(FILE *stream, const char *title, const json_t *list)
{
    const json_t *facts;
    size_t i;

    (void)fprintf(stream, "%s\n", title);
    json_array_foreach(list, i, facts)
    {
        (void)fprintf(stream, "  %-*s ", INDEX_WIDTH, text_of(facts, "path"));
        wrapped_print(stream, INDEX_WIDTH + 3, INDEX_WIDTH + 3, text_of(facts, "description"));
    }
}

void explain_print_text(const json_t *facts, FILE *stream)
{
    if (text_of(facts, "path")) {
        print_one(facts, stream);
        return;
    }
    print_index(stream, "entities", json_object_get(facts, "entities"));
    (void)fputc('\n', stream);
    print_index(stream, "plugins", json_object_get(facts, "plugins"));
    (void)fputs("\n`hopgate explain services.retries` goes on from here; a dot leads to the fields "
                "below.\n",
                stream);
}
