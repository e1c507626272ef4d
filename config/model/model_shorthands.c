/*
 * model_shorthands: fields that stand for others (shorthand_fields of Kong's schemas), by the name in
 * x_expand. Each returns the members to set, or NULL for no memory.
 */
#include <string.h>

#include "config/model/model_priv.h"
#include "config/service_url.h"

struct named_expansion {
    const char *name;
    json_t *(*expand)(const json_t *value);
};

/* services.url: what the URL does not have is set to null, also in an update. */
static json_t *service_url(const json_t *value)
{
    const char *text = json_string_value(value);
    json_t *fields = text ? service_url_expand(text) : json_object();

    if (text && fields && !json_object_get(fields, "host") &&
        json_object_set_new(fields, "host", json_null()) < 0) {
        json_decref(fields);
        return NULL;
    }
    return fields;
}

static json_t *renamed(const char *name, const json_t *value)
{
    return json_pack("{s:o}", name, json_deep_copy(value));
}

/* upstreams.algorithm: what does not hash forgets what it hashed. */
static json_t *upstream_algorithm(const json_t *value)
{
    const char *text = json_string_value(value);

    if (text && (strcmp(text, "least-connections") == 0 || strcmp(text, "latency") == 0))
        return json_pack("{s:s, s:n}", "algorithm", text, "hash_on");
    return renamed("algorithm", value);
}

/* upstreams.hash_on: to hash is an algorithm, and the other way round. */
static json_t *upstream_hash_on(const json_t *value)
{
    const char *text = json_string_value(value);

    if (!text)
        return json_pack("{s:s}", "hash_on", "none");
    return json_pack("{s:s, s:s}", "hash_on", text, "algorithm",
                     strcmp(text, "none") == 0 ? "round-robin" : "consistent-hashing");
}

static json_t *session_lifetime(const json_t *value)
{
    return renamed("rolling_timeout", value);
}

static json_t *session_idletime(const json_t *value)
{
    return json_is_null(value) ? json_pack("{s:i}", "idling_timeout", 0)
                               : renamed("idling_timeout", value);
}

static json_t *session_discard(const json_t *value)
{
    return renamed("stale_ttl", value);
}

static json_t *session_samesite(const json_t *value)
{
    const char *text = json_string_value(value);

    return text && strcmp(text, "off") == 0 ? json_pack("{s:s}", "cookie_same_site", "Lax")
                                            : renamed("cookie_same_site", value);
}

static json_t *session_httponly(const json_t *value)
{
    return renamed("cookie_http_only", value);
}

static json_t *session_persistent(const json_t *value)
{
    return renamed("remember", value);
}

static json_t *dropped(const json_t *value)
{
    (void)value;
    return json_object();
}

json_t *(*model_named_expansion(const char *name))(const json_t *value)
{
    static const struct named_expansion expansions[] = {
        { "service_url", service_url },
        { "upstream_algorithm", upstream_algorithm },
        { "upstream_hash_on", upstream_hash_on },
        { "session_lifetime", session_lifetime },
        { "session_idletime", session_idletime },
        { "session_discard", session_discard },
        { "session_samesite", session_samesite },
        { "session_httponly", session_httponly },
        { "session_persistent", session_persistent },
        { "dropped", dropped },
    };

    for (size_t i = 0; i < sizeof(expansions) / sizeof(expansions[0]); i++)
        if (strcmp(expansions[i].name, name) == 0)
            return expansions[i].expand;
    return NULL;
}

static bool stands_for(const struct model_shorthand *shorthand, const json_t *value,
                       const char *name)
{
    json_t *fields;
    bool found;

    if (!shorthand->expand) {
        const char *first = json_string_value(json_array_get(shorthand->path, 0));
        return first && strcmp(first, name) == 0;
    }
    fields = shorthand->expand(value);
    found = json_object_get(fields, name) != NULL;
    json_decref(fields);
    return found;
}

const char *model_said_by(const struct model_record *record, const json_t *values, const char *name)
{
    for (size_t i = 0; i < record->shorthands_count; i++) {
        const char *own = record->shorthands[i].field.name;
        const json_t *value = json_object_get(values, own);
        if (value && stands_for(&record->shorthands[i], value, name))
            return own;
    }
    return NULL;
}
