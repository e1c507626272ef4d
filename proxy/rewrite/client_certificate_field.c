#include "proxy/rewrite/client_certificate_field.h"

#include <errno.h>
#include <string.h>

#include "core/base64.h"
#include "core/http/http_chars.h"
#include "proxy/rewrite/field_name.h"
#include "tls/client_verifier.h"

enum form { FORM_BINARY, FORM_PEM, FORM_XFCC };

static const struct {
    struct slice name, chain_name; /* chain_name may be empty */
    enum form form;
} sources[] = {
    [PERSONA_TRUSTED_CERT_NONE] = { .form = FORM_BINARY },
    [PERSONA_TRUSTED_CERT_CLIENT_CERT] = { { "Client-Cert", 11 },
                                           { "Client-Cert-Chain", 17 },
                                           FORM_BINARY },
    [PERSONA_TRUSTED_CERT_X_SSL_CLIENT_CERT] = { .name = { "X-SSL-Client-Cert", 17 },
                                                 .form = FORM_PEM },
    [PERSONA_TRUSTED_CERT_XFCC] = { .name = { "X-Forwarded-Client-Cert", 23 }, .form = FORM_XFCC },
    [PERSONA_TRUSTED_CERT_ALB] = { .name = { "X-Amzn-Mtls-Clientcert", 22 }, .form = FORM_PEM },
    [PERSONA_TRUSTED_CERT_ALB_LEAF] = { .name = { "X-Amzn-Mtls-Clientcert-Leaf", 27 },
                                        .form = FORM_PEM },
};

struct slice client_certificate_field_name(enum persona_trusted_cert which)
{
    return sources[which].name;
}

bool client_certificate_field_is(enum persona_trusted_cert which, struct slice name, bool as_cgi)
{
    if (which == PERSONA_TRUSTED_CERT_NONE)
        return false;
    return field_name_matches(sources[which].name, name, as_cgi) ||
           (sources[which].chain_name.len > 0 &&
            field_name_matches(sources[which].chain_name, name, as_cgi));
}

struct reader {
    struct arena *arena;
    struct client_certificate_field *out;
};

static int malformed(struct reader *reader, const char *problem)
{
    reader->out->problem = problem;
    return -EINVAL;
}

/* One more certificate: base64 of its DER. */
static int add_certificate(struct reader *reader, struct slice text, bool white_space)
{
    struct client_certificate_field *out = reader->out;
    unsigned char *bytes;
    long length;

    if (out->count == TLS_PRESENTED_MAX)
        return malformed(reader, "holds too many certificates");
    bytes = arena_alloc(reader->arena, text.len / 4 * 3 + 3);
    if (!bytes)
        return -ENOMEM;
    length = base64_decode(text, white_space, bytes);
    if (length < 0)
        return malformed(reader, "is not base64");
    if (length == 0)
        return malformed(reader, "holds an empty certificate");
    out->certificates[out->count++] = (struct tls_der){ bytes, (size_t)length };
    return 0;
}

/* ---- RFC 9440 ------------------------------------------------------------------------------ */

/* ":base64:" off the front of *rest (RFC 8941 3.3.5). */
static int take_binary(struct reader *reader, struct slice *rest)
{
    const char *end;
    struct slice text;

    if (rest->len < 2 || rest->ptr[0] != ':')
        return malformed(reader, "is no byte sequence (:base64:)");
    text = slice_from(*rest, 1);
    end = memchr(text.ptr, ':', text.len);
    if (!end)
        return malformed(reader, "is no byte sequence (:base64:)");
    text.len = (size_t)(end - text.ptr);
    *rest = slice_from(*rest, text.len + 2);
    return add_certificate(reader, text, false);
}

static int read_item(struct reader *reader, struct slice value)
{
    int r = take_binary(reader, &value);

    if (r == 0 && value.len > 0)
        return malformed(reader, "has more than one byte sequence");
    return r;
}

/* RFC 8941 4.2.1: elements are separated by one comma, and the last is not followed by any. */
static int read_list(struct reader *reader, struct slice value)
{
    int r;

    for (;;) {
        r = take_binary(reader, &value);
        if (r < 0)
            return r;
        value = http_trim(value);
        if (value.len == 0)
            return 0;
        if (value.ptr[0] != ',')
            return malformed(reader, "is no list of byte sequences");
        value = http_trim(slice_from(value, 1));
    }
}

/* ---- PEM ----------------------------------------------------------------------------------- */

static int unescape(struct reader *reader, struct slice value, struct slice *ret)
{
    char *text = arena_alloc(reader->arena, value.len + 1);
    size_t length = 0;

    if (!text)
        return -ENOMEM;
    for (size_t i = 0; i < value.len; i++) {
        int high, low;

        if (value.ptr[i] != '%') {
            text[length++] = value.ptr[i];
            continue;
        }
        high = value.len - i > 2 ? http_hex_value(value.ptr[i + 1]) : -1;
        low = high >= 0 ? http_hex_value(value.ptr[i + 2]) : -1;
        if (low < 0)
            return malformed(reader, "has a broken % escape");
        text[length++] = (char)(high << 4 | low);
        i += 2;
    }
    *ret = (struct slice){ text, length };
    return 0;
}

static struct slice skip_white(struct slice s)
{
    while (s.len > 0 && memchr(" \t\r\n", s.ptr[0], 4))
        s = slice_from(s, 1);
    return s;
}

static int read_pem(struct reader *reader, struct slice value)
{
    static const struct slice begin = { "-----BEGIN CERTIFICATE-----", 27 };
    static const struct slice end = { "-----END CERTIFICATE-----", 25 };
    struct slice text;
    int r = unescape(reader, value, &text);

    if (r < 0)
        return r;
    text = skip_white(text);
    if (!slice_starts_with(text, SLICE("-----")))
        return add_certificate(reader, text, true);
    while (r == 0 && text.len > 0) {
        const char *at;

        if (!slice_starts_with(text, begin))
            return malformed(reader, "is no PEM certificate");
        text = slice_from(text, begin.len);
        at = memmem(text.ptr, text.len, end.ptr, end.len);
        if (!at)
            return malformed(reader, "is no whole PEM certificate");
        r = add_certificate(reader, (struct slice){ text.ptr, (size_t)(at - text.ptr) }, true);
        text = skip_white(slice_from(text, (size_t)(at - text.ptr) + end.len));
    }
    return r;
}

/* ---- X-Forwarded-Client-Cert --------------------------------------------------------------- */

/* What matters of one element. */
struct xfcc_element {
    struct slice cert, chain; /* ptr NULL: not there */
};

/* A value off the front of *rest, without its quotes; escapes in it stay. false: malformed. */
static bool take_xfcc_value(struct slice *rest, struct slice *ret)
{
    bool quoted = rest->len > 0 && rest->ptr[0] == '"';
    size_t i = quoted ? 1 : 0;

    for (; i < rest->len; i++) {
        char c = rest->ptr[i];

        if (quoted ? c == '"' : c == ';' || c == ',')
            break;
        if (!quoted && c == '"')
            return false;
        if (quoted && c == '\\')
            i++;
    }
    if (quoted && i >= rest->len)
        return false;
    *ret = (struct slice){ rest->ptr + quoted, i - quoted };
    *rest = slice_from(*rest, i + quoted);
    return true;
}

static bool note_xfcc(struct xfcc_element *element, struct slice key, struct slice value)
{
    struct slice *into = slice_equal_nocase(key, SLICE("Cert"))    ? &element->cert
                         : slice_equal_nocase(key, SLICE("Chain")) ? &element->chain
                                                                   : NULL;

    if (!into)
        return true;
    if (into->ptr)
        return false;
    *into = value;
    return true;
}

/* One element with the comma behind it. */
static bool take_xfcc_element(struct slice *rest, struct xfcc_element *ret)
{
    *ret = (struct xfcc_element){ 0 };
    for (;;) {
        const char *equals = rest->len > 0 ? memchr(rest->ptr, '=', rest->len) : NULL;
        struct slice key, value;
        char separator;

        if (!equals)
            return false;
        key = http_trim((struct slice){ rest->ptr, (size_t)(equals - rest->ptr) });
        *rest = slice_from(*rest, (size_t)(equals - rest->ptr) + 1);
        if (key.len == 0 || memchr(key.ptr, ';', key.len) || memchr(key.ptr, ',', key.len) ||
            memchr(key.ptr, '"', key.len) || !take_xfcc_value(rest, &value) ||
            !note_xfcc(ret, key, value))
            return false;
        *rest = http_trim(*rest);
        if (rest->len == 0)
            return true;
        separator = rest->ptr[0];
        *rest = http_trim(slice_from(*rest, 1));
        if (rest->len == 0 || separator != ';')
            return rest->len > 0 && separator == ',';
    }
}

static int read_xfcc(struct reader *reader, struct slice value)
{
    struct client_certificate_field *out = reader->out;
    struct xfcc_element element = { 0 };
    struct tls_der first;
    int r = 0;

    out->count = 0; /* of a line before this one: the last element counts */
    for (value = http_trim(value); value.len > 0;)
        if (!take_xfcc_element(&value, &element))
            return malformed(reader, "is no list of key=value pairs");
    if (!element.cert.ptr && !element.chain.ptr)
        return malformed(reader, "has neither Cert nor Chain");
    if (element.cert.ptr)
        r = read_pem(reader, element.cert);
    if (r < 0 || !element.chain.ptr)
        return r;
    if (!element.cert.ptr)
        return read_pem(reader, element.chain);
    if (out->count != 1)
        return malformed(reader, "has more than one certificate in Cert");
    first = out->certificates[0];
    out->count = 0;
    r = read_pem(reader, element.chain);
    if (r < 0)
        return r;
    if (out->count == 0 || !slice_equal((struct slice){ (const char *)first.bytes, first.length },
                                        (struct slice){ (const char *)out->certificates[0].bytes,
                                                        out->certificates[0].length }))
        return malformed(reader, "has a Chain that does not begin with Cert");
    return 0;
}

/* ---- the fields ---------------------------------------------------------------------------- */

static int read_value(struct reader *reader, enum form form, struct slice value)
{
    switch (form) {
    case FORM_BINARY:
        return read_item(reader, value);
    case FORM_PEM:
        return read_pem(reader, value);
    case FORM_XFCC:
        return read_xfcc(reader, value);
    }
    return -EINVAL;
}

/* Lines of that name; a second one is an error unless the field is a list. */
static int read_lines(struct reader *reader, struct slice name, const struct fields *fields,
                      enum form form)
{
    bool seen = false;
    int r = 0;

    reader->out->name = name;
    for (uint32_t i = 0; r == 0 && i < fields->count; i++) {
        struct slice value = fields->items[i].value;

        if (!slice_equal_nocase(fields->items[i].name, name))
            continue;
        if (seen && form != FORM_XFCC)
            return malformed(reader, "is given twice");
        seen = true;
        if (http_trim(value).len > 0)
            r = read_value(reader, form, http_trim(value));
    }
    return r;
}

static int read_chain_lines(struct reader *reader, struct slice name, const struct fields *fields)
{
    bool has_leaf = reader->out->count > 0;
    int r = 0;

    reader->out->name = name;
    for (uint32_t i = 0; r == 0 && i < fields->count; i++) {
        struct slice value = fields->items[i].value;

        if (!slice_equal_nocase(fields->items[i].name, name) || http_trim(value).len == 0)
            continue;
        if (!has_leaf)
            return malformed(reader, "comes without the certificate");
        r = read_list(reader, http_trim(value));
    }
    return r;
}

int client_certificate_field_read(enum persona_trusted_cert which, const struct fields *fields,
                                  struct arena *arena, struct client_certificate_field *ret)
{
    struct reader reader = { .arena = arena, .out = ret };
    int r;

    *ret = (struct client_certificate_field){ 0 };
    if (which == PERSONA_TRUSTED_CERT_NONE)
        return 0;
    ret->certificates = arena_alloc(arena, TLS_PRESENTED_MAX * sizeof(*ret->certificates));
    if (!ret->certificates)
        return -ENOMEM;
    r = read_lines(&reader, sources[which].name, fields, sources[which].form);
    if (r == 0 && sources[which].chain_name.len > 0)
        r = read_chain_lines(&reader, sources[which].chain_name, fields);
    return r;
}
