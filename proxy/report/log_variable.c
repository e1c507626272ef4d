/* Names of variables, the families of names, and what several formats write. */
#include "proxy/report/log_variable.h"

#include <stdio.h>
#include <string.h>

#include "config/suggest.h"
#include "core/addr.h"
#include "proxy/report/log_variable_priv.h"

static const char *const names[LOG_VARIABLE_COUNT] = {
#define LOG_VARIABLE(name) [LOG_##name] = #name,
#include "proxy/report/log_variable.def"
#undef LOG_VARIABLE
    [LOG_http_] = "http_",
    [LOG_sent_http_] = "sent_http_",
    [LOG_cookie_] = "cookie_",
    [LOG_arg_] = "arg_",
};

static const enum log_variable families[] = { LOG_sent_http_, LOG_http_, LOG_cookie_, LOG_arg_ };

/* "user_agent" as a field is named: FIELD_OTHER when the engine does not know it. */
static enum field_id known_field(struct slice name)
{
    char field[64];

    if (name.len >= sizeof(field))
        return FIELD_OTHER;
    for (size_t i = 0; i < name.len; i++)
        field[i] = name.ptr[i] == '_' ? '-' : name.ptr[i];
    return field_id_of((struct slice){ field, name.len });
}

bool log_variable_of(struct slice name, struct log_part *ret_part)
{
    for (unsigned i = LOG_LITERAL + 1; i < LOG_http_; i++) {
        if (!slice_equal(name, slice_of(names[i])))
            continue;
        *ret_part = (struct log_part){ .variable = (enum log_variable)i };
        return true;
    }
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        struct slice prefix = slice_of(names[families[i]]), rest = slice_from(name, prefix.len);

        if (!slice_starts_with(name, prefix) || rest.len == 0)
            continue;
        *ret_part =
            (struct log_part){ .variable = families[i], .field = known_field(rest), .text = rest };
        return true;
    }
    return false;
}

const char *log_variable_nearest(const char *name)
{
    struct suggest suggest = { .wanted = name };

    for (unsigned i = LOG_LITERAL + 1; i < LOG_http_; i++)
        suggest_offer(&suggest, names[i]);
    return suggest.nearest;
}

/* ---- families ------------------------------------------------------------------------------ */

/* A field's name and that of a variable: "_" stands for "-". */
static bool is_named(struct slice field, struct slice variable)
{
    if (field.len != variable.len)
        return false;
    for (size_t i = 0; i < field.len; i++) {
        char c = field.ptr[i];

        c = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c == '-' ? '_' : c;
        if (c != variable.ptr[i])
            return false;
    }
    return true;
}

/* Several lines become one, as nginx joins them. */
static void put_fields(const struct log_scope *scope, struct text *into,
                       const struct fields *fields)
{
    const struct log_part *part = scope->part;
    bool found = false;

    for (uint32_t i = 0; fields && i < fields->count; i++) {
        const struct field *field = &fields->items[i];

        if (part->field != FIELD_OTHER ? field->id != part->field
                                       : !is_named(field->name, part->text))
            continue;
        if (found)
            text_add(into, part->field == FIELD_COOKIE ? SLICE("; ") : SLICE(", "));
        text_add_escaped(into, field->value, scope->escape);
        found = true;
    }
    if (!found)
        put_absent(scope, into);
}

void log_variable_put_http_(const struct log_scope *scope, struct text *into)
{
    const struct http_head *request = scope->record->request;

    put_fields(scope, into, request ? &request->fields : NULL);
}

void log_variable_put_sent_http_(const struct log_scope *scope, struct text *into)
{
    put_fields(scope, into, scope->record->response_fields);
}

/* The next "name=value" of a list; false at its end. */
static bool next_pair(struct slice *rest, char separator, struct slice *ret_name,
                      struct slice *ret_value)
{
    const char *end, *equals;
    struct slice pair;

    while (rest->len > 0 && (rest->ptr[0] == separator || rest->ptr[0] == ' '))
        *rest = slice_from(*rest, 1);
    if (rest->len == 0)
        return false;
    end = memchr(rest->ptr, separator, rest->len);
    pair = (struct slice){ rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len };
    *rest = slice_from(*rest, pair.len);
    equals = memchr(pair.ptr, '=', pair.len);
    *ret_name = (struct slice){ pair.ptr, equals ? (size_t)(equals - pair.ptr) : pair.len };
    *ret_value = equals ? slice_from(pair, ret_name->len + 1) : (struct slice){ NULL, 0 };
    return true;
}

void log_variable_put_cookie_(const struct log_scope *scope, struct text *into)
{
    const struct http_head *request = scope->record->request;
    struct slice name, value;

    for (uint32_t i = 0; request && i < request->fields.count; i++) {
        struct slice rest = request->fields.items[i].value;

        if (request->fields.items[i].id != FIELD_COOKIE)
            continue;
        while (next_pair(&rest, ';', &name, &value)) {
            if (!value.ptr || !slice_equal_nocase(name, scope->part->text))
                continue;
            put_value(scope, into, value);
            return;
        }
    }
    put_absent(scope, into);
}

void log_variable_put_arg_(const struct log_scope *scope, struct text *into)
{
    const struct http_head *request = scope->record->request;
    struct slice rest = request ? request->query : (struct slice){ NULL, 0 }, name, value;

    while (next_pair(&rest, '&', &name, &value)) {
        if (!value.ptr || !slice_equal_nocase(name, scope->part->text))
            continue;
        put_value(scope, into, value);
        return;
    }
    put_absent(scope, into);
}

/* ---- what several formats write ------------------------------------------------------------ */

void log_put_ip(const struct exchange_record *record, struct text *into)
{
    char ip[ADDR_IP_TEXT_MAX];

    if (record->client_ip.len > 0)
        text_add_escaped(into, record->client_ip, TEXT_ESCAPE_LOG);
    else /* it ended before its head was read */
        text_add_string(into, addr_format_ip(&record->client_peer, ip, sizeof(ip)));
}

void log_put_padded(struct text *into, uint64_t number, unsigned digits)
{
    char shown[20];
    size_t at = sizeof(shown);

    do {
        shown[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || sizeof(shown) - at < digits);
    text_add(into, (struct slice){ shown + at, sizeof(shown) - at });
}

void log_put_seconds(struct text *into, uint64_t span_us)
{
    text_add_number(into, span_us / 1000000);
    text_add(into, SLICE("."));
    log_put_padded(into, span_us / 1000 % 1000, 3);
}

struct slice log_variable_request_line(const struct exchange_record *record)
{
    return record->request ? record->request->request_line : record->bad_request_line;
}

uint64_t log_body_bytes(const struct exchange_record *record)
{
    return record->response_bytes > record->response_head_bytes
               ? record->response_bytes - record->response_head_bytes
               : 0;
}

uint32_t log_tries_kept(const struct exchange_record *record)
{
    return record->tries_count < EXCHANGE_TRIES_KEPT ? record->tries_count : EXCHANGE_TRIES_KEPT;
}

/* ---- expanding ----------------------------------------------------------------------------- */

static void put_literal(const struct log_scope *scope, struct text *into)
{
    text_add(into, scope->part->text);
}

static void (*const putters[LOG_VARIABLE_COUNT])(const struct log_scope *, struct text *) = {
    [LOG_LITERAL] = put_literal,
#define LOG_VARIABLE(name) [LOG_##name] = log_variable_put_##name,
#include "proxy/report/log_variable.def"
#undef LOG_VARIABLE
    [LOG_http_] = log_variable_put_http_,
    [LOG_sent_http_] = log_variable_put_sent_http_,
    [LOG_cookie_] = log_variable_put_cookie_,
    [LOG_arg_] = log_variable_put_arg_,
};

void log_variable_put(const struct log_scope *scope, struct text *into)
{
    putters[scope->part->variable](scope, into);
}
