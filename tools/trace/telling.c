#include "tools/trace/telling.h"

#include <string.h>

/* What an answer was about. The likely ones seldom have another cause; the others change every day, as Host
 * does at a Kong that is not told to preserve it, and few answers come of that. */
enum concern {
    CONCERN_IDENTITY = 1, /* who asks */
    CONCERN_SCHEME = 2,   /* by which scheme the client came */
    CONCERN_NAME = 4,     /* under which name: an application redirects to its own */
    CONCERN_ACCESS = 8,   /* where from */
    CONCERN_PLACE = 16,   /* what for */
    CONCERN_CONTENT = 32,
    CONCERNS_LIKELY = CONCERN_IDENTITY | CONCERN_SCHEME | CONCERN_NAME,
};

/* values: what is in it must stay, else only the loss is told. */
static const struct telling_field {
    const char *name, *key;
    unsigned concerns;
    bool values;
} telling_fields[] = {
    { "Authorization", "authorization", CONCERN_IDENTITY, false },
    { "Proxy-Authorization", "proxy-authorization", CONCERN_IDENTITY, false },
    { "Cookie", "cookie", CONCERN_IDENTITY, false },
    { "X-Api-Key", "x-api-key", CONCERN_IDENTITY, false },
    { "apikey", "apikey", CONCERN_IDENTITY, false },
    { "Client-Cert", "client-cert", CONCERN_IDENTITY, false },
    { "X-SSL-Client-Cert", "x-ssl-client-cert", CONCERN_IDENTITY, false },
    { "X-Forwarded-Client-Cert", "x-forwarded-client-cert", CONCERN_IDENTITY, false },
    { "X-Forwarded-For", "x-forwarded-for", CONCERN_ACCESS, false },
    { "X-Real-IP", "x-real-ip", CONCERN_ACCESS, false },
    { "Origin", "origin", CONCERN_ACCESS, true },
    { "Referer", "referer", CONCERN_ACCESS, false },
    { "X-CSRF-Token", "x-csrf-token", CONCERN_ACCESS, false },
    { "Host", "host", CONCERN_PLACE | CONCERN_NAME, true },
    { "X-Forwarded-Host", "x-forwarded-host", CONCERN_PLACE | CONCERN_NAME, true },
    { "X-Forwarded-Prefix", "x-forwarded-prefix", CONCERN_PLACE, true },
    { "X-Forwarded-Proto", "x-forwarded-proto", CONCERN_SCHEME, true },
    { "X-Forwarded-Port", "x-forwarded-port", CONCERN_NAME, true },
    { "Forwarded", "forwarded", CONCERN_SCHEME, false },
    { "Content-Type", "content-type", CONCERN_CONTENT, true },
    { "Accept", "accept", CONCERN_CONTENT, true },
};
enum { FIELDS_COUNT = sizeof(telling_fields) / sizeof(telling_fields[0]) };

/* Answers in which such a field has its part. */
static const struct {
    unsigned status, concerns;
} answers[] = {
    { 301, CONCERN_SCHEME | CONCERN_NAME },
    { 302, CONCERN_SCHEME | CONCERN_NAME },
    { 303, CONCERN_SCHEME | CONCERN_NAME },
    { 307, CONCERN_SCHEME | CONCERN_NAME },
    { 308, CONCERN_SCHEME | CONCERN_NAME },
    { 401, CONCERN_IDENTITY },
    { 403, CONCERN_IDENTITY | CONCERN_ACCESS },
    { 404, CONCERN_PLACE },
    { 406, CONCERN_CONTENT },
    { 407, CONCERN_IDENTITY },
    { 415, CONCERN_CONTENT },
    { 421, CONCERN_PLACE },
    { 426, CONCERN_SCHEME },
};

static unsigned concerns_of(unsigned status)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        if (answers[i].status == status)
            return answers[i].concerns;
    return 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

static const char *text_of(const json_t *value)
{
    return json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
}

const struct slice *telling_fields_read(struct trace *trace, const json_t *headers)
{
    struct slice *values;

    if (!json_is_object(headers))
        return NULL;
    values = arena_alloc(&trace->memory, FIELDS_COUNT * sizeof(*values));
    if (!values) {
        trace->out_of_memory = true;
        return NULL;
    }
    for (size_t i = 0; i < FIELDS_COUNT; i++) {
        const char *text = text_of(json_object_get(headers, telling_fields[i].key));

        /* one that is there and empty is not one that is absent */
        values[i] = text && *text ? trace_copy(trace, slice_of(text))
                                  : (struct slice){ text ? "" : NULL, 0 };
    }
    return values;
}

/* NULL: absent, or not known. */
static struct slice value_of(const struct trace_account *account, const char *key)
{
    for (size_t i = 0; account->fields && i < FIELDS_COUNT; i++)
        if (strcmp(telling_fields[i].key, key) == 0)
            return account->fields[i];
    return (struct slice){ NULL, 0 };
}

/* ---- loops --------------------------------------------------------------------------------- */

struct place {
    struct slice scheme, host, rest;
    uint16_t port; /* 0: not said */
};

static uint16_t port_of(struct slice text)
{
    unsigned port = 0;

    for (size_t i = 0; i < text.len && port <= UINT16_MAX; i++)
        port = text.ptr[i] >= '0' && text.ptr[i] <= '9' ? port * 10 + (unsigned)(text.ptr[i] - '0')
                                                        : UINT16_MAX + 1u;
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

static bool is_place(struct slice url, struct place *ret)
{
    const char *colon = url.len > 3 ? memmem(url.ptr, url.len, "://", 3) : NULL;
    struct slice authority;
    size_t length = 0;

    if (!colon)
        return false;
    ret->scheme = (struct slice){ url.ptr, (size_t)(colon - url.ptr) };
    authority = slice_from(url, ret->scheme.len + 3);
    while (length < authority.len && authority.ptr[length] != '/' && authority.ptr[length] != '?')
        length++;
    ret->rest = length < authority.len ? slice_from(authority, length) : SLICE("/");
    authority.len = length;
    while (length > 0 && authority.ptr[length - 1] >= '0' && authority.ptr[length - 1] <= '9')
        length--;
    ret->host = authority;
    ret->port = 0;
    if (length > 0 && authority.ptr[length - 1] == ':') {
        ret->port = port_of(slice_from(authority, length));
        ret->host.len = length - 1;
    }
    return true;
}

bool telling_is_loop(const struct trace_account *front)
{
    struct place from, to;

    /* a redirect that sets a cookie may well be meant so */
    if (front->status < 301 || front->status > 308 || front->sets_cookie ||
        !is_place(front->url, &from) || !is_place(front->location, &to))
        return false;
    return slice_equal_nocase(from.scheme, to.scheme) && slice_equal_nocase(from.host, to.host) &&
           (to.port == 0 || to.port == from.port) && slice_equal(from.rest, to.rest);
}

/* ---- who lost it --------------------------------------------------------------------------- */

static bool is_known_value(struct slice value)
{
    return value.ptr && !slice_equal(value, SLICE("REDACTED"));
}

static bool says_https(const struct trace_account *account)
{
    return slice_equal_nocase(value_of(account, "x-forwarded-proto"), SLICE("https"));
}

/* The client came by TLS: the first hop behind that does not hear of it was not told by the one in front. */
static bool find_untold(const struct trace_account *const *chain, unsigned count,
                        struct telling_loss *ret)
{
    for (unsigned i = 0; i < count; i++) {
        bool knows = chain[i]->over_tls || says_https(chain[i]);
        const struct trace_account *next = i + 1 < count ? chain[i + 1] : NULL;

        if (!knows || !chain[i]->fields)
            return false;
        if (!next && chain[i]->over_tls)
            return false;
        if (next && (!next->fields || next->over_tls || says_https(next)))
            continue;
        *ret = (struct telling_loss){ .hop = chain[i],
                                      .next = next,
                                      .field = "X-Forwarded-Proto",
                                      .is_likely = true,
                                      .before = value_of(chain[i], "x-forwarded-proto"),
                                      .after = next ? value_of(next, "x-forwarded-proto")
                                                    : (struct slice){ NULL, 0 } };
        ret->how = !next              ? TELLING_NOT_BELIEVED
                   : !ret->before.ptr ? TELLING_NOT_SAID
                   : ret->after.ptr   ? TELLING_CHANGED
                                      : TELLING_REMOVED;
        return true;
    }
    return false;
}

static bool find_lost(const struct trace_account *const *chain, unsigned count, unsigned concerns,
                      struct telling_loss *ret)
{
    for (size_t field = 0; field < FIELDS_COUNT; field++) {
        if (!(telling_fields[field].concerns & concerns))
            continue;
        for (unsigned i = 0; i + 1 < count; i++) {
            const struct trace_account *hop = chain[i], *next = chain[i + 1];
            struct slice before, after;

            if (!hop->fields || !next->fields)
                continue;
            before = hop->fields[field];
            after = next->fields[field];
            if (!before.ptr ||
                (after.ptr && (!telling_fields[field].values || !is_known_value(before) ||
                               !is_known_value(after) || slice_equal(before, after))))
                continue;
            *ret = (struct telling_loss){ .how = after.ptr ? TELLING_CHANGED : TELLING_REMOVED,
                                          .hop = hop,
                                          .next = next,
                                          .field = telling_fields[field].name,
                                          .is_likely = (telling_fields[field].concerns & concerns &
                                                        CONCERNS_LIKELY) != 0,
                                          .before = before,
                                          .after = after };
            return true;
        }
    }
    return false;
}

bool telling_find(const struct trace_account *const *chain, unsigned count, unsigned status,
                  struct telling_loss *ret)
{
    unsigned concerns = concerns_of(status);

    if (concerns & CONCERN_SCHEME && find_untold(chain, count, ret))
        return true;
    return concerns != 0 && find_lost(chain, count, concerns, ret);
}
