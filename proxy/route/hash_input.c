#include "proxy/route/hash_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/persona/persona.h"
#include "proxy/route/uri.h"

enum { QUERY_ARGS_MAX = 100 }; /* Kong's lua_max_uri_args; what comes behind is not seen */

static const struct slice missing = { NULL, 0 };

/* ---- header and cookie --------------------------------------------------------------------- */

/* All lines of that name, as nginx combines them. */
static struct slice header(const struct fields *fields, struct slice name, struct arena *arena)
{
    struct slice all = missing;

    for (uint32_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->items[i];

        if (!slice_equal_nocase(field->name, name))
            continue;
        if (!all.ptr)
            all = field->value.ptr ? field->value : SLICE("");
        else
            all = arena_printf(arena, "%.*s, %.*s", SLICE_ARG(all), SLICE_ARG(field->value));
    }
    return all;
}

static struct slice trimmed(struct slice text)
{
    while (text.len > 0 && text.ptr[0] == ' ')
        text = slice_from(text, 1);
    while (text.len > 0 && text.ptr[text.len - 1] == ' ')
        text.len--;
    return text;
}

/* Cuts off what stands before `separator`; false at the end. */
static bool next_part(struct slice *rest, char separator, struct slice *ret_part)
{
    const char *end;

    if (!rest->ptr)
        return false;
    end = rest->len > 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
    *ret_part = *rest;
    if (end)
        ret_part->len = (size_t)(end - rest->ptr);
    *rest = end ? slice_from(*rest, ret_part->len + 1) : missing;
    return true;
}

/* "name=value" in two; false: there is no '='. */
static bool split_pair(struct slice pair, struct slice *ret_name, struct slice *ret_value)
{
    const char *equals = pair.len > 0 ? memchr(pair.ptr, '=', pair.len) : NULL;

    *ret_name = pair;
    if (!equals)
        return false;
    ret_name->len = (size_t)(equals - pair.ptr);
    *ret_value = slice_from(pair, ret_name->len + 1);
    return true;
}

struct slice hash_input_cookie(const struct fields *fields, struct slice name)
{
    for (uint32_t i = 0; i < fields->count; i++) {
        struct slice rest = fields->items[i].value, pair, key, value;

        if (fields->items[i].id != FIELD_COOKIE)
            continue;
        while (next_part(&rest, ';', &pair))
            if (split_pair(trimmed(pair), &key, &value) && slice_equal_nocase(key, name))
                return value;
    }
    return missing;
}

/* The client's, else a new one, that stays the same when another target is tried. */
static struct slice cookie_or_new(struct exchange_record *record, const char *name)
{
    struct slice value = hash_input_cookie(&record->request->fields, slice_of(name));
    const char *id = record->request_id;

    if (value.ptr)
        return value;
    (void)snprintf(record->hash_cookie, sizeof(record->hash_cookie), "%.8s-%.4s-%.4s-%.4s-%.12s",
                   id, id + 8, id + 12, id + 16, id + 20);
    return slice_of(record->hash_cookie);
}

/* ---- query argument ------------------------------------------------------------------------ */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "%41+b" is "A b"; ptr NULL: no memory. */
static struct slice decoded(struct slice text, struct arena *arena)
{
    char *copy = arena_alloc(arena, text.len + 1);
    size_t length = 0;

    for (size_t i = 0; copy && i < text.len; i++) {
        bool escape = text.ptr[i] == '%' && i + 2 < text.len && hex_digit(text.ptr[i + 1]) >= 0 &&
                      hex_digit(text.ptr[i + 2]) >= 0;

        if (escape) {
            copy[length++] = (char)(hex_digit(text.ptr[i + 1]) << 4 | hex_digit(text.ptr[i + 2]));
            i += 2;
        } else {
            copy[length++] = text.ptr[i] == '+' ? ' ' : text.ptr[i];
        }
    }
    return (struct slice){ copy, length };
}

static int compare_values(const void *left, const void *right)
{
    const struct slice *a = left, *b = right;
    size_t common = a->len < b->len ? a->len : b->len;
    int order = common > 0 ? memcmp(a->ptr, b->ptr, common) : 0;

    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static struct slice joined(const struct slice *values, size_t count, struct arena *arena)
{
    struct slice all = { NULL, count };
    size_t at = 0;
    char *text;

    for (size_t i = 0; i < count; i++)
        all.len += values[i].len;
    text = arena_alloc(arena, all.len);
    if (!text)
        return missing;
    for (size_t i = 0; i < count; i++) {
        memcpy(text + at, values[i].ptr, values[i].len);
        at += values[i].len;
        text[at++] = ',';
    }
    all.ptr = text;
    all.len--; /* the last comma */
    return all;
}

/* All values of that name, decoded, in order and with commas; one without '=' is "true" (ngx_lua). */
static struct slice query_arg(struct slice query, struct slice name, struct arena *arena)
{
    struct slice values[QUERY_ARGS_MAX], rest = query, pair;
    size_t count = 0;

    for (unsigned i = 0; i < QUERY_ARGS_MAX && next_part(&rest, '&', &pair); i++) {
        struct slice key, value = missing;
        bool has_value = split_pair(pair, &key, &value);

        key = decoded(key, arena);
        if (!key.ptr)
            return missing;
        if (!slice_equal(key, name))
            continue;
        values[count] = has_value ? decoded(value, arena) : SLICE("true");
        if (!values[count++].ptr)
            return missing;
    }
    if (count == 0)
        return missing;
    qsort(values, count, sizeof(values[0]), compare_values);
    return count == 1 ? values[0] : joined(values, count, arena);
}

/* ---- public -------------------------------------------------------------------------------- */

/* ptr NULL: the request does not have it. */
static struct slice take(const struct config_hash_input *input, struct exchange_record *record,
                         struct arena *arena)
{
    switch (input->source) {
    case CONFIG_HASH_NONE:
    case CONFIG_HASH_CONSUMER: /* nobody authenticates yet */
        return missing;
    case CONFIG_HASH_URI_CAPTURE:
        return uri_captures_find(&record->uri_captures, slice_of(input->name));
    case CONFIG_HASH_IP:
        return record->client_ip;
    case CONFIG_HASH_HEADER:
        return header(&record->request->fields, slice_of(input->name), arena);
    case CONFIG_HASH_COOKIE:
        return cookie_or_new(record, input->name);
    case CONFIG_HASH_PATH:
        return uri_normalise(arena, record->request->path);
    case CONFIG_HASH_QUERY_ARG:
        return query_arg(record->request->query, slice_of(input->name), arena);
    }
    return missing;
}

struct slice hash_input(struct exchange_record *record, struct arena *arena)
{
    const struct config_upstream *upstream = record->service->upstream;
    struct slice input = missing;

    for (size_t i = 0; upstream && !input.ptr && i < 2; i++)
        input = take(&upstream->hash_inputs[i], record, arena);
    return input;
}

int hash_input_set_cookie(const struct exchange_record *record, struct fields *response)
{
    static const struct slice name = { "Set-Cookie", sizeof("Set-Cookie") - 1 };
    const struct config_upstream *upstream;
    struct slice line, prefix;

    if (!record->hash_cookie[0])
        return 0;
    upstream = record->service->upstream;
    line = arena_printf(
        response->arena, "%s=%s; Path=%s; %s=Lax; HttpOnly", upstream->hash_on_cookie,
        record->hash_cookie, upstream->hash_on_cookie_path,
        record->persona->response.same_site ? record->persona->response.same_site : "SameSite");
    if (!line.ptr)
        return -ENOMEM;
    prefix = (struct slice){ line.ptr, strlen(upstream->hash_on_cookie) + 1 };
    for (uint32_t i = 0; i < response->count; i++) {
        struct field *field = &response->items[i];

        if (slice_equal_nocase(field->name, name) && slice_starts_with(field->value, prefix)) {
            field->value = line;
            return 0;
        }
    }
    return fields_add(response, name, line);
}
