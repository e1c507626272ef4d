#include "proxy/report/log_directive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- nginx's tokens ------------------------------------------------------------------------ */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice skip_spaces(struct slice text)
{
    while (text.len > 0 && is_space(text.ptr[0]))
        text = slice_from(text, 1);
    return text;
}

/* One byte, unescaped as nginx's configuration is: \" \' \\ \t \r \n; other backslashes stay. */
static size_t take_byte(struct slice text, char *ret_byte)
{
    static const char escapes[] = "\"'\\trn", meanings[] = "\"'\\\t\r\n";
    const char *found =
        text.ptr[0] == '\\' && text.len > 1 ? memchr(escapes, text.ptr[1], 6) : NULL;

    *ret_byte = found ? meanings[found - escapes] : text.ptr[0];
    return found ? 2 : 1;
}

struct token {
    bool is_quoted;
    size_t length;
    char *bytes; /* of whoever reads; not NUL-terminated */
};

/* The next word or quoted text, unescaped into `into`. 1; 0: there is none before ";" or the end;
 * -EINVAL: its closing quote is missing. */
static int next_token(struct slice *rest, char *into, struct token *ret)
{
    char quote = '\0';

    *rest = skip_spaces(*rest);
    if (rest->len == 0 || rest->ptr[0] == ';')
        return 0;
    if (rest->ptr[0] == '"' || rest->ptr[0] == '\'') {
        quote = rest->ptr[0];
        *rest = slice_from(*rest, 1);
    }
    *ret = (struct token){ .is_quoted = quote != '\0', .bytes = into };
    while (rest->len > 0) {
        char c = rest->ptr[0];

        if (quote ? c == quote : is_space(c) || c == ';')
            break;
        *rest = slice_from(*rest, take_byte(*rest, &into[ret->length]));
        ret->length++;
    }
    if (quote && rest->len == 0)
        return -EINVAL;
    if (quote)
        *rest = slice_from(*rest, 1);
    return 1;
}

/* ---- one definition ------------------------------------------------------------------------ */

static bool read_escape(const struct token *token, enum text_escape *ret, char *reterr,
                        size_t reterr_size)
{
    struct slice word = slice_from((struct slice){ token->bytes, token->length }, 7);

    if (slice_equal(word, SLICE("default")))
        *ret = TEXT_ESCAPE_LOG;
    else if (slice_equal(word, SLICE("json")))
        *ret = TEXT_ESCAPE_JSON;
    else if (slice_equal(word, SLICE("none")))
        *ret = TEXT_ESCAPE_CONTROL;
    else {
        snprintf(reterr, reterr_size, "escape=%.*s: expected escape=default, json or none",
                 (int)(word.len < 64 ? word.len : 64), word.ptr);
        return false;
    }
    return true;
}

/* "[escape=…] 'text' 'text'" up to ";" or the end. `scratch` has room for all of it. */
static struct log_format *read_format(struct slice *rest, enum text_escape escape, char *scratch,
                                      char *reterr, size_t reterr_size)
{
    struct token token;
    size_t length = 0;
    bool is_first = true;
    int r;

    while ((r = next_token(rest, scratch + length, &token)) > 0) {
        bool is_option = is_first && !token.is_quoted && token.length >= 7 &&
                         memcmp(token.bytes, "escape=", 7) == 0;

        if (is_option && !read_escape(&token, &escape, reterr, reterr_size))
            return NULL;
        if (!is_option)
            length += token.length;
        is_first = false;
    }
    if (r < 0) {
        snprintf(reterr, reterr_size, "the closing quote of a log format is missing");
        return NULL;
    }
    return log_format_compile((struct slice){ scratch, length }, escape, reterr, reterr_size);
}

static int add(struct log_definitions *definitions, const char *name, struct log_format **format,
               char *reterr, size_t reterr_size)
{
    struct log_definition *items;
    char *copy;

    for (size_t i = 0; i < definitions->count; i++)
        if (strcmp(definitions->items[i].name, name) == 0) {
            snprintf(reterr, reterr_size, "log format \"%s\" is defined twice", name);
            return -EINVAL;
        }
    snprintf(reterr, reterr_size, "out of memory");
    items = reallocarray(definitions->items, definitions->count + 1, sizeof(*items));
    if (!items)
        return -ENOMEM;
    definitions->items = items;
    copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    items[definitions->count++] = (struct log_definition){ copy, TAKE(*format) };
    return 0;
}

static int read_definition(struct log_definitions *definitions, struct slice *rest, char *scratch,
                           char *reterr, size_t reterr_size)
{
    SCOPED(log_format) format = NULL;
    char reason[256], name[64];
    struct token token;

    if (next_token(rest, scratch, &token) <= 0 || token.is_quoted || token.length == 0) {
        snprintf(reterr, reterr_size,
                 "write: name 'text with $variables', for example: short '$remote_addr $status'");
        return -EINVAL;
    }
    if (token.length >= sizeof(name) || memchr(token.bytes, '$', token.length)) {
        snprintf(reterr, reterr_size,
                 "the name of a log format comes first: up to %zu bytes without \"$\"",
                 sizeof(name) - 1);
        return -EINVAL;
    }
    snprintf(name, sizeof(name), "%.*s", (int)token.length, token.bytes);
    format = read_format(rest, TEXT_ESCAPE_LOG, scratch, reason, sizeof(reason));
    if (!format) {
        snprintf(reterr, reterr_size, "log format \"%s\": %s", name, reason);
        return -EINVAL;
    }
    return add(definitions, name, &format, reterr, reterr_size);
}

/* Behind ";" another directive may begin; only this one is known here. */
static int next_directive(struct slice *rest, char *scratch, char *reterr, size_t reterr_size)
{
    struct token token;

    while (rest->len > 0 && (rest->ptr[0] == ';' || is_space(rest->ptr[0])))
        *rest = slice_from(*rest, 1);
    if (next_token(rest, scratch, &token) <= 0)
        return 0;
    if (slice_equal((struct slice){ token.bytes, token.length }, SLICE("log_format")))
        return 1;
    snprintf(reterr, reterr_size, "behind \";\" only another log_format may follow, not \"%.*s\"",
             (int)(token.length < 64 ? token.length : 64), token.bytes);
    return -EINVAL;
}

int log_definitions_add(struct log_definitions *definitions, struct slice text, char *reterr,
                        size_t reterr_size)
{
    char *scratch = malloc(text.len + 1);
    int r = 1;

    if (!scratch) {
        snprintf(reterr, reterr_size, "out of memory");
        return -ENOMEM;
    }
    while (r > 0) {
        r = read_definition(definitions, &text, scratch, reterr, reterr_size);
        if (r == 0)
            r = next_directive(&text, scratch, reterr, reterr_size);
    }
    free(scratch);
    return r;
}

void log_definitions_done(struct log_definitions *definitions)
{
    for (size_t i = 0; i < definitions->count; i++) {
        free(definitions->items[i].name);
        log_format_free(definitions->items[i].format);
    }
    free(definitions->items);
    *definitions = (struct log_definitions){ 0 };
}

struct log_format *log_definitions_take(struct log_definitions *definitions, const char *name)
{
    for (size_t i = 0; i < definitions->count; i++)
        if (strcmp(definitions->items[i].name, name) == 0)
            return TAKE(definitions->items[i].format);
    return NULL;
}

/* ---- without a name ------------------------------------------------------------------------ */

/* Several texts in single quotes are joined as in nginx; else the text means itself, spaces included. */
struct log_format *log_format_parse(struct slice text, char *reterr, size_t reterr_size)
{
    enum text_escape escape = TEXT_ESCAPE_LOG;
    char *scratch = malloc(text.len + 1);
    struct log_format *format = NULL;
    struct token token;

    if (!scratch) {
        snprintf(reterr, reterr_size, "out of memory");
        return NULL;
    }
    text = skip_spaces(text);
    if (!slice_starts_with(text, SLICE("escape=")) ||
        (next_token(&text, scratch, &token) > 0 &&
         read_escape(&token, &escape, reterr, reterr_size))) {
        text = skip_spaces(text);
        if (text.len > 0 && text.ptr[0] == '\'')
            format = read_format(&text, escape, scratch, reterr, reterr_size);
        else
            format = log_format_compile(text, escape, reterr, reterr_size);
    }
    free(scratch);
    return format;
}
