/* Everything on one page: Markdown for reading beside the code, roff for the manual. */
#include <stdlib.h>
#include <string.h>

#include "tools/explain/explain.h"

static const char *text_of(const json_t *facts, const char *name)
{
    return json_string_value(json_object_get(facts, name));
}

/* "integer, milliseconds; 1 to 10" of a field. malloc'ed; NULL: no memory. */
static char *type_text(const json_t *field)
{
    const char *unit = text_of(field, "unit"), *reference = text_of(field, "reference");
    char *text = NULL;
    size_t length, i;
    const json_t *limit;
    FILE *into = open_memstream(&text, &length);

    if (!into)
        return NULL;
    (void)fprintf(into, "%s%s%s%s%s", text_of(field, "type"), reference ? " to " : "",
                  reference ? reference : "", unit ? ", " : "", unit ? unit : "");
    if (json_object_get(field, "unique"))
        (void)fputs(", unique", into);
    json_array_foreach(json_object_get(field, "limits"), i, limit)
    {
        (void)fprintf(into, "; %s", json_string_value(limit));
    }
    if (fclose(into) == 0)
        return text;
    free(text);
    return NULL;
}

/* Kong's default, or that it must be given. malloc'ed; NULL: there is nothing to say, or no memory. */
static char *default_text(const json_t *field)
{
    json_t *value = json_object_get(field, "default");
    const char *given = text_of(field, "given");

    if (strcmp(given, "must") == 0)
        return strdup("must be given");
    if (strcmp(given, "made") == 0)
        return strdup("made");
    return value && !json_is_null(value)
               ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))
               : NULL;
}

/* What comes after the first dots: "healthchecks.active.type" of upstreams. */
static const char *below(const char *path, const char *whole)
{
    return path + strlen(whole) + 1;
}

/* ---- Markdown ------------------------------------------------------------------------------- */

static void put_cell(FILE *stream, const char *text)
{
    for (const char *at = text ? text : ""; *at; at++) {
        if (strchr("|*_<>`[]\\", *at))
            (void)fputc('\\', stream);
        (void)fputc(*at, stream);
    }
}

static void put_row(FILE *stream, const json_t *field, const char *whole)
{
    char *type = type_text(field), *otherwise = default_text(field);

    (void)fprintf(stream, "| `%s` | ", below(text_of(field, "path"), whole));
    put_cell(stream, type);
    (void)fputs(" | ", stream);
    put_cell(stream, otherwise);
    (void)fputs(" | ", stream);
    put_cell(stream, text_of(field, "description"));
    if (text_of(field, "differs")) {
        (void)fputs(". Unlike Kong: ", stream);
        put_cell(stream, text_of(field, "differs"));
    }
    (void)fputs(" |\n", stream);
    free(type);
    free(otherwise);
}

static void put_rows(FILE *stream, const json_t *fields, const char *whole)
{
    const json_t *field;
    size_t i;

    json_array_foreach(fields, i, field)
    {
        put_row(stream, field, whole);
        put_rows(stream, json_object_get(field, "fields"), whole);
    }
}

static void put_section(FILE *stream, const json_t *facts)
{
    const json_t *text, *rules = json_object_get(facts, "rules");
    size_t i;

    (void)fprintf(stream, "\n## %s\n\n", text_of(facts, "path"));
    put_cell(stream, text_of(facts, "description"));
    (void)fputs(".\n\n", stream);
    json_array_foreach(json_object_get(facts, "paths"), i, text)
    {
        (void)fprintf(stream, "%s`%s`", i > 0 ? ", " : "Paths: ", json_string_value(text));
    }
    if (json_object_get(facts, "paths"))
        (void)fputs("\n\n", stream);
    (void)fputs("| field | type | default | meaning |\n|---|---|---|---|\n", stream);
    put_rows(stream, json_object_get(facts, "fields"), text_of(facts, "path"));
    if (rules)
        (void)fputs("\nRules:\n\n", stream);
    json_array_foreach(rules, i, text)
    {
        (void)fputs("- ", stream);
        put_cell(stream, json_string_value(text));
        (void)fputc('\n', stream);
    }
}

static const json_t *const *parts_of(const json_t *all, const json_t *into[2])
{
    into[0] = json_object_get(all, "entities");
    into[1] = json_object_get(all, "plugins");
    return into;
}

void explain_print_page(const json_t *all, FILE *stream)
{
    const json_t *parts[2], *facts;
    size_t i;

    (void)parts_of(all, parts);
    (void)fputs("# Entities and plugins\n\n"
                "Made from the tables that validate them: `hopgate explain --all --markdown`.\n"
                "`hopgate explain services.retries` tells one field.\n\n"
                "What is not given has its default, else null. A text is not empty unless it says "
                "so.\n",
                stream);
    for (size_t part = 0; part < 2; part++) {
        json_array_foreach(parts[part], i, facts)
        {
            put_section(stream, facts);
        }
    }
}

/* ---- roff ----------------------------------------------------------------------------------- */

static void put_roff(FILE *stream, const char *text)
{
    for (const char *at = text ? text : ""; *at; at++) {
        if (at == text && (*at == '.' || *at == '\''))
            (void)fputs("\\&", stream);
        if (*at == '\\' || *at == '-')
            (void)fputs(*at == '-' ? "\\-" : "\\e", stream);
        else
            (void)fputc(*at, stream);
    }
}

static void put_entry(FILE *stream, const json_t *field, const char *whole)
{
    char *type = type_text(field), *otherwise = default_text(field);

    (void)fputs(".TP\n\\fB", stream);
    put_roff(stream, below(text_of(field, "path"), whole));
    (void)fputs("\\fR", stream);
    if (otherwise) {
        (void)fputs(" = \\fI", stream);
        put_roff(stream, otherwise);
        (void)fputs("\\fR", stream);
    }
    (void)fputc('\n', stream);
    put_roff(stream, text_of(field, "description"));
    (void)fputs(" (", stream);
    put_roff(stream, type);
    (void)fputs(").\n", stream);
    if (text_of(field, "differs")) {
        (void)fputs("Unlike Kong: ", stream);
        put_roff(stream, text_of(field, "differs"));
        (void)fputs(".\n", stream);
    }
    free(type);
    free(otherwise);
}

static void put_entries(FILE *stream, const json_t *fields, const char *whole)
{
    const json_t *field;
    size_t i;

    json_array_foreach(fields, i, field)
    {
        put_entry(stream, field, whole);
        put_entries(stream, json_object_get(field, "fields"), whole);
    }
}

static void put_part(FILE *stream, const char *title, const json_t *list)
{
    const json_t *facts, *rule;
    size_t i, j;

    (void)fprintf(stream, ".SH %s\n", title);
    json_array_foreach(list, i, facts)
    {
        (void)fputs(".SS ", stream);
        put_roff(stream, text_of(facts, "path"));
        (void)fputc('\n', stream);
        put_roff(stream, text_of(facts, "description"));
        (void)fputs(".\n", stream);
        put_entries(stream, json_object_get(facts, "fields"), text_of(facts, "path"));
        json_array_foreach(json_object_get(facts, "rules"), j, rule)
        {
            (void)fputs(j == 0 ? ".PP\nRules:\n.IP \\(bu 2\n" : ".IP \\(bu 2\n", stream);
            put_roff(stream, json_string_value(rule));
            (void)fputc('\n', stream);
        }
    }
}

void explain_print_manual(const json_t *all, FILE *stream)
{
    put_part(stream, "ENTITIES", json_object_get(all, "entities"));
    put_part(stream, "PLUGINS", json_object_get(all, "plugins"));
}
