/*
 * kong_print: values as Kong's messages show them (penlight's pretty.write).
 *
 * First the elements of an array up to the first hole, then the members by name, then what is left of
 * the array with its index from 1. null is written bare, as Kong makes of it.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/model/kong_error.h"

struct printing {
    FILE *into;
    bool is_lines;
    unsigned depth;
    bool has_entry[66]; /* by depth: whether one was printed; deeper is not looked at */
};

enum { PRINT_DEPTH_MAX = 64 };

static void print_value(struct printing *printing, const json_t *value);

static void print_quoted(struct printing *printing, const char *text)
{
    if (strchr(text, '\n') && !strchr(text, '\r') && !strchr(text, ']')) {
        (void)fprintf(printing->into, "[[%s]]", text);
        return;
    }
    (void)fputc('"', printing->into);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            (void)fprintf(printing->into, "\\%c", *c);
        else if (*c == '\r')
            (void)fputs("\\r", printing->into);
        else if (*c == '\n')
            (void)fputs("\\n", printing->into);
        else
            (void)fputc(*c, printing->into);
    }
    (void)fputc('"', printing->into);
}

static bool is_identifier(const char *text)
{
    static const char *const reserved[] = {
        "and", "break",    "do",     "else", "elseif", "end",   "false",
        "for", "function", "if",     "in",   "local",  "nil",   "not",
        "or",  "repeat",   "return", "then", "true",   "until", "while",
    };

    if (*text == '\0' || isdigit((unsigned char)*text))
        return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            return false;
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        if (strcmp(reserved[i], text) == 0)
            return false;
    return true;
}

static void indent(struct printing *printing, unsigned depth)
{
    if (!printing->is_lines)
        return;
    (void)fputc('\n', printing->into);
    for (unsigned i = 0; i < depth; i++)
        (void)fputs("  ", printing->into);
}

static void begin_entry(struct printing *printing)
{
    if (printing->has_entry[printing->depth])
        (void)fputc(',', printing->into);
    printing->has_entry[printing->depth] = true;
    indent(printing, printing->depth);
}

static void print_index(struct printing *printing, size_t index)
{
    (void)fprintf(printing->into, printing->is_lines ? "[%zu] = " : "[%zu]=", index);
}

static void print_array(struct printing *printing, const json_t *list)
{
    bool has_hole = false;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        if (json_is_null(value)) {
            has_hole = true;
            continue;
        }
        begin_entry(printing);
        if (has_hole)
            print_index(printing, i + 1);
        print_value(printing, value);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_member(struct printing *printing, const char *key, const json_t *value)
{
    begin_entry(printing);
    if (is_identifier(key)) {
        (void)fputs(key, printing->into);
    } else {
        (void)fputc('[', printing->into);
        print_quoted(printing, key);
        (void)fputc(']', printing->into);
    }
    (void)fputs(printing->is_lines ? " = " : "=", printing->into);
    print_value(printing, value);
}

static void print_object(struct printing *printing, const json_t *object)
{
    size_t count = 0;
    const char **keys = malloc((json_object_size(object) + 1) * sizeof(*keys)), *key;
    json_t *value;

    if (!keys)
        return;
    json_object_foreach((json_t *)object, key, value) keys[count++] = key;
    qsort(keys, count, sizeof(*keys), by_text);
    for (size_t i = 0; i < count; i++)
        print_member(printing, keys[i], json_object_get(object, keys[i]));
    free(keys);
}

static void print_table(struct printing *printing, const json_t *value)
{
    if (printing->depth == PRINT_DEPTH_MAX)
        return;
    (void)fputc('{', printing->into);
    printing->has_entry[++printing->depth] = false;
    if (json_is_array(value))
        print_array(printing, value);
    else
        print_object(printing, value);
    printing->depth--;
    indent(printing, printing->depth);
    (void)fputc('}', printing->into);
}

static void print_value(struct printing *printing, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        print_table(printing, value);
        return;
    case JSON_STRING:
        print_quoted(printing, json_string_value(value));
        return;
    case JSON_INTEGER:
    case JSON_REAL:
        (void)fprintf(printing->into, "%.14g", json_number_value(value));
        return;
    case JSON_TRUE:
        (void)fputs("true", printing->into);
        return;
    case JSON_FALSE:
        (void)fputs("false", printing->into);
        return;
    case JSON_NULL:
        (void)fputs("null", printing->into);
        return;
    }
}

static char *print(const json_t *value, bool is_lines)
{
    struct printing printing = { .is_lines = is_lines };
    char *text = NULL;
    size_t size = 0;

    if (!value)
        return NULL;
    printing.into = open_memstream(&text, &size);
    if (!printing.into)
        return NULL;
    print_value(&printing, value);
    if (fclose(printing.into) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

char *kong_error_print(const json_t *value)
{
    return print(value, false);
}

char *kong_error_print_lines(const json_t *value)
{
    return print(value, true);
}
