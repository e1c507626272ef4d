#include "proxy/report/log_format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/report/log_variable.h"

struct log_format {
    enum text_escape escape;
    size_t parts_count;
    char *source; /* literals and names point into it */
    struct log_part parts[];
};

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* nginx's variables know no case. */
static void lower(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] |= 0x20;
}

static size_t name_length(const char *text)
{
    size_t n = 0;

    while (is_name_char(text[n]))
        n++;
    return n;
}

static void refuse_name(struct slice name, char *reterr, size_t reterr_size)
{
    char copy[64];
    const char *nearest;

    snprintf(copy, sizeof(copy), "%.*s", SLICE_ARG(name));
    nearest = log_variable_nearest(copy);
    if (nearest)
        snprintf(reterr, reterr_size, "unknown variable \"$%s\"; did you mean \"$%s\"?", copy,
                 nearest);
    else
        snprintf(reterr, reterr_size, "unknown variable \"$%s\"", copy);
}

/* The variable whose "$" *at points to; moves behind it. */
static bool compile_variable(char **at, struct log_part *ret_part, char *reterr, size_t reterr_size)
{
    bool in_braces = (*at)[1] == '{';
    char *name = *at + 1 + in_braces;
    size_t length = name_length(name);

    if (length == 0) {
        snprintf(reterr, reterr_size, "\"$\" without the name of a variable behind it");
        return false;
    }
    if (in_braces && name[length] != '}') {
        snprintf(reterr, reterr_size, "the closing brace of \"${%.*s\" is missing",
                 (int)(length < 64 ? length : 64), name);
        return false;
    }
    lower(name, length);
    if (!log_variable_of((struct slice){ name, length }, ret_part)) {
        refuse_name((struct slice){ name, length }, reterr, reterr_size);
        return false;
    }
    *at = name + length + in_braces;
    return true;
}

static bool compile(struct log_format *format, char *reterr, size_t reterr_size)
{
    char *at = format->source;

    while (*at) {
        struct log_part *part = &format->parts[format->parts_count++];
        size_t literal = strcspn(at, "$");

        if (literal > 0) {
            *part = (struct log_part){ .text = { at, literal } };
            at += literal;
        } else if (!compile_variable(&at, part, reterr, reterr_size)) {
            return false;
        }
    }
    return true;
}

static size_t parts_max(struct slice source)
{
    size_t count = 1;

    for (size_t i = 0; i < source.len; i++)
        count += source.ptr[i] == '$' ? 2 : 0;
    return count;
}

/* A line is a line: what would end it or move the cursor is refused, but for the tab of nginx's users. */
static bool is_clean(struct slice source)
{
    for (size_t i = 0; i < source.len; i++) {
        unsigned char c = (unsigned char)source.ptr[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

struct log_format *log_format_compile(struct slice source, enum text_escape escape, char *reterr,
                                      size_t reterr_size)
{
    SCOPED(log_format) format = NULL;

    if (source.len == 0 || source.len > LOG_FORMAT_BYTES_MAX) {
        snprintf(reterr, reterr_size, "a log format has 1 to %d bytes", LOG_FORMAT_BYTES_MAX);
        return NULL;
    }
    if (!is_clean(source)) {
        snprintf(reterr, reterr_size, "a log format is one line of printable text");
        return NULL;
    }
    snprintf(reterr, reterr_size, "out of memory");
    format = calloc(1, sizeof(*format) + parts_max(source) * sizeof(format->parts[0]));
    if (!format)
        return NULL;
    format->escape = escape;
    format->source = strndup(source.ptr, source.len);
    if (!format->source || !compile(format, reterr, reterr_size))
        return NULL;
    return TAKE(format);
}

void log_format_free(struct log_format *format)
{
    if (!format)
        return;
    free(format->source);
    free(format);
}

void log_format_expand(const struct log_format *format, const struct exchange_record *record,
                       struct text *into)
{
    struct log_scope scope = { .record = record, .escape = format->escape };

    for (size_t i = 0; i < format->parts_count; i++) {
        scope.part = &format->parts[i];
        log_variable_put(&scope, into);
    }
}
