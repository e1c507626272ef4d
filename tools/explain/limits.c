/* The limits of a value in words: what config/model tests, said to a person. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/explain/explain.h"

/* ---- checks in C ---------------------------------------------------------------------------- */

static const char *const checks[][2] = {
    { "base_path", "characters of RFC 3986, percent-encoding valid" },
    { "ca_certificate", "one certificate as PEM, of an authority, not expired" },
    { "certificate", "certificates as PEM" },
    { "certificate_alternative_key", "key_alt is the key of cert_alt" },
    { "certificate_key", "key is the key of cert" },
    { "certificate_types", "the keys of cert and cert_alt are of two kinds (RSA, ECDSA)" },
    { "cidr", "an IP address or a CIDR range" },
    { "cookie_name", "a token (RFC 6265)" },
    { "cookie_path", "characters of RFC 3986 but ';', percent-encoding valid" },
    { "entry_with_value", "'name:value'" },
    { "field_value", "no control characters" },
    { "header_entry", "'name:value', the name one of a field" },
    { "header_name", "letters, digits, '_' and '-'" },
    { "header_rename", "'old:new', both names of fields" },
    { "host", "a host name, IPv4 or IPv6 address, without a port" },
    { "host_with_port", "a host name or address, ':port' may follow" },
    { "http_log", "no Host, Content-Length or Content-Type among the fields" },
    { "key_material", "the key can be read, and has the same kid" },
    { "name", "of ASCII only letters, digits, '.', '-', '_', '~'" },
    { "oauth2_flows", "at least one grant is enabled" },
    { "origin", "'*', scheme://host[:port], or a regex" },
    { "pem_keys", "both are keys as PEM" },
    { "plain_client_secret", "hash_secret is not true" },
    { "private_key", "a private key as PEM" },
    { "public_key", "a public key as PEM" },
    { "rate_limits", "the limit of a longer time is not lower than that of a shorter one" },
    { "request_termination", "message, or content_type and body" },
    { "response_limits", "at least one limit; that of a longer time is not lower" },
    { "route_header", "behind '~*' a valid regex" },
    { "route_host", "a host name; one '*', as first or last label; ':port' may follow" },
    { "route_path", "a normalized path; behind '~' a valid regex" },
    { "server_name", "a host name, no address, no port" },
    { "tag", "no ',' and no '/'" },
    { "target", "a host name or address, ':port' may follow" },
    { "upstream_name", "a host name, no address, no port" },
    { "url", "an absolute URL" },
    { "wildcard_host", "a host name; one '*', as first or last label; no address, no port" },
};

const char *explain_check(const char *name)
{
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        if (strcmp(checks[i][0], name) == 0)
            return checks[i][1];
    return NULL;
}

/* ---- values --------------------------------------------------------------------------------- */

/* A text without quotes, anything else as JSON. malloc'ed. */
static char *value_text(const json_t *value)
{
    return json_is_string(value)
               ? strdup(json_string_value(value))
               : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
}

char *explain_join(const json_t *list)
{
    char *text = NULL;
    size_t length;
    FILE *into = open_memstream(&text, &length);

    if (!into)
        return NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *value = value_text(json_array_get(list, i));
        (void)fprintf(into, "%s%s", i > 0 ? ", " : "", value ? value : "");
        free(value);
    }
    if (fclose(into) == 0)
        return text;
    free(text);
    return NULL;
}

__attribute__((format(printf, 3, 4))) static int add(json_t *list, const char *prefix,
                                                     const char *format, ...)
{
    char text[1024];
    va_list args;
    int length = snprintf(text, sizeof(text), "%s", prefix);

    va_start(args, format);
    (void)vsnprintf(text + length, sizeof(text) - (size_t)length, format, args);
    va_end(args);
    return json_array_append_new(list, json_string(text));
}

static int add_joined(json_t *list, const char *prefix, const char *what, const json_t *values)
{
    char *joined = explain_join(values);
    int r = joined ? add(list, prefix, "%s%s", what, joined) : -1;

    free(joined);
    return r;
}

static int add_value(json_t *list, const char *prefix, const char *what, const json_t *value)
{
    char *text = value_text(value);
    int r = text ? add(list, prefix, "%s%s", what, text) : -1;

    free(text);
    return r;
}

/* ---- limits --------------------------------------------------------------------------------- */

/* This program's own limit goes before Kong's, which is wider. */
static const json_t *limit_of(const json_t *definition, const char *own_word)
{
    const json_t *own = json_object_get(definition, own_word);

    return own ? own : json_object_get(definition, own_word + strlen("x_"));
}

static int add_number(json_t *list, const char *prefix, const json_t *definition)
{
    const json_t *between = limit_of(definition, "x_between");
    char *low, *high;
    int r = 0;

    if (json_object_get(definition, "gt"))
        r |= add_value(list, prefix, "more than ", json_object_get(definition, "gt"));
    if (!between)
        return r;
    low = value_text(json_array_get(between, 0));
    high = value_text(json_array_get(between, 1));
    r |= low && high ? add(list, prefix, "%s to %s", low, high) : -1;
    free(low);
    free(high);
    return r;
}

static int add_length(json_t *list, const char *prefix, const struct model_field *field)
{
    const json_t *min = limit_of(field->definition, "x_len_min"),
                 *max = json_object_get(field->definition, "len_max"),
                 *exact = json_object_get(field->definition, "len_eq");
    const char *what = field->type == MODEL_STRING ? "bytes" : "items";
    int r = 0;

    if (exact)
        r |= add(list, prefix, "exactly %lld %s", json_integer_value(exact), what);
    if (min && json_integer_value(min) == 0)
        r |= add(list, prefix, "may be empty");
    else if (min && (field->type != MODEL_STRING || json_integer_value(min) > 1))
        r |= add(list, prefix, "at least %lld %s", json_integer_value(min), what);
    if (max)
        r |= add(list, prefix, "at most %lld %s", json_integer_value(max), what);
    return r;
}

/* Patterns have words of their own in Kong's tables; else the pattern is shown. */
static int add_pattern(json_t *list, const char *prefix, const json_t *rule)
{
    const char *err = json_string_value(json_object_get(rule, "err"));
    const char *pattern = json_is_string(rule)
                              ? json_string_value(rule)
                              : json_string_value(json_object_get(rule, "pattern"));

    return err ? add(list, prefix, "%s", err)
               : add(list, prefix, "fits the Lua pattern %s", pattern ? pattern : "");
}

static int add_patterns(json_t *list, const char *prefix, const json_t *definition)
{
    static const char *const several[] = { "match_all", "match_none" };
    const json_t *match = json_object_get(definition, "match"),
                 *any = json_object_get(definition, "match_any"), *rule;
    int r = match ? add_pattern(list, prefix, match) : 0;
    size_t i;

    for (size_t j = 0; j < sizeof(several) / sizeof(several[0]); j++)
        json_array_foreach(json_object_get(definition, several[j]), i, rule)
        {
            r |= add_pattern(list, prefix, rule);
        }
    return any ? r | add_pattern(list, prefix, any) : r;
}

static int add_subsets(json_t *list, const char *prefix, const json_t *subsets)
{
    char text[512] = "";
    size_t length = 0, i;
    const json_t *subset;

    json_array_foreach(subsets, i, subset)
    {
        char *joined = explain_join(subset);
        if (joined && length < sizeof(text))
            length += (size_t)snprintf(text + length, sizeof(text) - length, "%s(%s)",
                                       i > 0 ? ", " : "", joined);
        free(joined);
    }
    return add(list, prefix, "all of one of %s", text);
}

static int add_equality(json_t *list, const char *prefix, const json_t *definition)
{
    const json_t *one_of = json_object_get(definition, "one_of"),
                 *none_of = json_object_get(definition, "not_one_of"),
                 *eq = json_object_get(definition, "eq"), *ne = json_object_get(definition, "ne"),
                 *contains = json_object_get(definition, "contains"),
                 *subsets = json_object_get(definition, "mutually_exclusive_subsets");
    int r = 0;

    if (one_of)
        r |= add_joined(list, prefix, "one of ", one_of);
    if (none_of)
        r |= add_joined(list, prefix, "not ", none_of);
    if (eq)
        r |= add_value(list, prefix, "only ", eq);
    if (ne)
        r |= add_value(list, prefix, "not ", ne);
    if (contains)
        r |= add_value(list, prefix, "has ", contains);
    if (subsets)
        r |= add_subsets(list, prefix, subsets);
    return r;
}

static int add_texts(json_t *list, const char *prefix, const json_t *definition)
{
    const json_t *starts = json_object_get(definition, "starts_with");
    const char *check = json_string_value(json_object_get(definition, "x_check"));
    int r = 0;

    if (starts)
        r |= add(list, prefix, "begins with '%s'", json_string_value(starts));
    if (json_is_true(json_object_get(definition, "uuid")))
        r |= add(list, prefix, "a UUID");
    if (json_is_true(json_object_get(definition, "is_regex")))
        r |= add(list, prefix, "a regex");
    if (check && explain_check(check))
        r |= add(list, prefix, "%s", explain_check(check));
    return r | add_patterns(list, prefix, definition);
}

int explain_add_limits(json_t *list, const struct model_field *field, const char *prefix)
{
    int r = add_equality(list, prefix, field->definition) |
            add_number(list, prefix, field->definition) | add_length(list, prefix, field) |
            add_texts(list, prefix, field->definition);

    if (r == 0 && field->elements)
        r = explain_add_limits(list, field->elements, "each: ");
    if (r == 0 && field->keys)
        r = explain_add_limits(list, field->keys, "each name: ");
    if (r == 0 && field->values)
        r = explain_add_limits(list, field->values, "each value: ");
    return r;
}
