#include "proxy/exchange/refused_head.h"

#include <stdio.h>

enum { LINE_SHOWN_MAX = 80 };

/* Which field's lines are quoted. */
static enum field_id quoted_field(enum http1_role role, enum http1_error error)
{
    switch (error) {
    case HTTP1_ERR_HOST_DUPLICATE:
        return FIELD_HOST;
    case HTTP1_ERR_CONTENT_LENGTH_DUPLICATE:
        return FIELD_CONTENT_LENGTH;
    case HTTP1_ERR_CONTENT_LENGTH_INVALID:
        return role == HTTP1_RESPONSE ? FIELD_CONTENT_LENGTH : FIELD_OTHER;
    default:
        return FIELD_OTHER;
    }
}

static bool is_about_the_whole(enum http1_error error)
{
    switch (error) {
    case HTTP1_ERR_HOST_DUPLICATE:
    case HTTP1_ERR_CONTENT_LENGTH_INVALID:
    case HTTP1_ERR_CONTENT_LENGTH_DUPLICATE:
    case HTTP1_ERR_CONTENT_LENGTH_AND_TRANSFER_ENCODING:
    case HTTP1_ERR_TRANSFER_ENCODING_IN_HTTP10:
    case HTTP1_ERR_TRANSFER_ENCODING_INVALID:
    case HTTP1_ERR_TRANSFER_ENCODING_UNKNOWN:
        return true;
    default:
        return false;
    }
}

static int shown(struct slice text)
{
    return text.len < LINE_SHOWN_MAX ? (int)text.len : LINE_SHOWN_MAX;
}

/* "what: \"Name: value\"", and the line before it of that name if there is one. */
static struct slice quote_lines(const char *what, const struct fields *fields, enum field_id id,
                                char *into, size_t size)
{
    const struct field *first = NULL, *second = NULL;
    int n;

    for (uint32_t i = 0; i < fields->count && !second; i++) {
        if (fields->items[i].id != id)
            continue;
        second = first ? &fields->items[i] : NULL;
        first = first ? first : &fields->items[i];
    }
    if (!first)
        return slice_of(what);
    if (second)
        n = snprintf(into, size, "%s: \"%.*s: %.*s\", previous value: \"%.*s: %.*s\"", what,
                     shown(second->name), second->name.ptr, shown(second->value), second->value.ptr,
                     shown(first->name), first->name.ptr, shown(first->value), first->value.ptr);
    else
        n = snprintf(into, size, "%s: \"%.*s: %.*s\"", what, shown(first->name), first->name.ptr,
                     shown(first->value), first->value.ptr);
    return (struct slice){ into, (size_t)n < size ? (size_t)n : size - 1 };
}

/* nginx knows one coding: what else a response names is unknown to it, and a second line too many. */
static struct slice quote_coding(const struct fields *fields, char *into, size_t size)
{
    const struct field *first = fields_find(fields, FIELD_TRANSFER_ENCODING);
    unsigned count = 0;
    int n;

    for (uint32_t i = 0; i < fields->count; i++)
        count += fields->items[i].id == FIELD_TRANSFER_ENCODING;
    if (count != 1)
        return quote_lines("duplicate header line", fields, FIELD_TRANSFER_ENCODING, into, size);
    n = snprintf(into, size, "unknown \"Transfer-Encoding\": \"%.*s\"", shown(first->value),
                 first->value.ptr);
    return (struct slice){ into, (size_t)n < size ? (size_t)n : size - 1 };
}

struct slice refused_head_detail(enum http1_role role, enum http1_error error,
                                 const struct fields *fields, char *into, size_t size)
{
    static const char sent[] = "upstream sent ", named[] = ": \"Content-Length\"";
    const struct http1_error_info *info = http1_error_info(error);
    enum field_id id = quoted_field(role, error);
    const char *what = info->phrase;
    char general[96];

    if (!is_about_the_whole(error))
        return (struct slice){ NULL, 0 };
    if (role == HTTP1_RESPONSE && (error == HTTP1_ERR_TRANSFER_ENCODING_UNKNOWN ||
                                   error == HTTP1_ERR_TRANSFER_ENCODING_INVALID))
        return quote_coding(fields, into, size);
    if (role == HTTP1_RESPONSE)
        what = info->upstream_phrase + sizeof(sent) - 1;
    if (error == HTTP1_ERR_CONTENT_LENGTH_DUPLICATE) { /* the table's words name the field */
        snprintf(general, sizeof(general), "%.*s", (int)(strlen(what) - (sizeof(named) - 1)), what);
        what = general;
    }
    if (id != FIELD_OTHER)
        return quote_lines(what, fields, id, into, size);
    return slice_of(what);
}

bool refused_head_is_line(enum http1_error error)
{
    switch (error) {
    case HTTP1_ERR_BAD_METHOD:
    case HTTP1_ERR_BAD_REQUEST_LINE:
    case HTTP1_ERR_BAD_TARGET:
    case HTTP1_ERR_BAD_TARGET_SCHEME:
    case HTTP1_ERR_BAD_TARGET_HOST:
    case HTTP1_ERR_BAD_VERSION:
        return true;
    default:
        return false;
    }
}
