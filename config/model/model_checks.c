/*
 * model_checks: the checks that data files name with x_check; of strings mostly config/checks.c's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "config/model/model_priv.h"
#include "core/regex.h"
#include "tls/pem_facts.h"

__attribute__((format(printf, 2, 3))) static int refuse(char *message, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, CHECK_MESSAGE_MAX, format, args);
    va_end(args);
    return -EINVAL;
}

static const char *text_at(const json_t *record, const char *name)
{
    return json_string_value(json_object_get(record, name));
}

/* --- strings of plugins ------------------------------------------------------------------------ */

static bool is_header_name(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", text[i]))
            return false;
    return length > 0;
}

/* "name:value"; kong/plugins/request-transformer/schema.lua */
static int check_entry_with_value(const char *text, char *message)
{
    size_t name = strcspn(text, ":");

    if (text[name + strspn(text + name, ":")] == '\0')
        return refuse(message, "key '%.*s' has no value", (int)name, text);
    return 0;
}

static int check_header_entry(const char *text, char *message)
{
    size_t name = strcspn(text, ":");

    if (!is_header_name(text, name))
        return refuse(message, "'%.*s' is not a valid header", (int)name, text);
    return 0;
}

static int check_header_rename(const char *text, char *message)
{
    const char *value = text + strcspn(text, ":");

    value += strspn(value, ":");
    if (!is_header_name(value, strlen(value)))
        return refuse(message, "'%s' is not a valid header", value);
    return check_header_entry(text, message);
}

/* kong/plugins/cors/schema.lua */
static int check_origin(const char *text, char *message)
{
    char reason[REGEX_MESSAGE_MAX];

    if (strcmp(text, "*") == 0 || regex_check(slice_of(text), 0, reason) == 0)
        return 0;
    return refuse(message, "'%s' is not a valid regex", text);
}

/* --- certificates and keys --------------------------------------------------------------------- */

static int check_readable_certificate(const char *text, char *message)
{
    struct pem_certificate_facts facts;
    char reason[PEM_REASON_MAX];
    int r = check_certificate(text, message);

    if (r < 0)
        return r;
    if (pem_certificate_facts(text, &facts, reason) < 0)
        return refuse(message, "invalid certificate: %s", reason);
    return 0;
}

static int check_readable_key(const char *text, char *message)
{
    char reason[PEM_REASON_MAX];
    int r = check_private_key(text, message);

    if (r == 0 && pem_private_key_check(text, reason) < 0)
        return refuse(message, "invalid key: %s", reason);
    return r;
}

static int check_public_key(const char *text, char *message)
{
    char reason[PEM_REASON_MAX];

    return pem_public_key_check(text, reason) == 0 ? 0 : refuse(message, "invalid key");
}

static int certificate_key(const json_t *certificate, char *message)
{
    const char *cert = text_at(certificate, "cert"), *key = text_at(certificate, "key");

    return !cert || !key || pem_key_is_of_certificate(cert, key)
               ? 0
               : refuse(message, "certificate does not match key");
}

static int certificate_alternative_key(const json_t *certificate, char *message)
{
    const char *cert = text_at(certificate, "cert_alt"), *key = text_at(certificate, "key_alt");

    return !cert || !key || pem_key_is_of_certificate(cert, key)
               ? 0
               : refuse(message, "alternative certificate does not match key");
}

static int certificate_types(const json_t *certificate, char *message)
{
    const char *cert = text_at(certificate, "cert"), *other = text_at(certificate, "cert_alt");
    struct pem_certificate_facts a, b;
    char reason[PEM_REASON_MAX];

    if (!cert || !other || pem_certificate_facts(cert, &a, reason) < 0 ||
        pem_certificate_facts(other, &b, reason) < 0 || a.key_type != b.key_type)
        return 0;
    return refuse(message, "certificate and alternative certificate need to have different type "
                           "(e.g. RSA and ECDSA), the provided certificates were both of the same "
                           "type");
}

/* kong/db/schema/entities/ca_certificates.lua */
static int ca_certificate(const json_t *entity, char *message)
{
    const char *cert = text_at(entity, "cert");
    struct pem_certificate_facts facts;
    char reason[PEM_REASON_MAX];

    if (!cert)
        return 0;
    if (check_ca_certificate(cert, message) < 0)
        return -EINVAL;
    if (pem_certificate_facts(cert, &facts, reason) < 0)
        return refuse(message, "invalid certificate: %s", reason);
    if (facts.not_after_s < (int64_t)time(NULL))
        return refuse(message, "certificate expired, \"Not After\" time is in the past");
    if (!facts.is_authority)
        return refuse(message, "certificate does not appear to be a CA because it is missing the "
                               "\"CA\" basic constraint");
    return 0;
}

/* kong/db/schema/typedefs.lua: validate_pem_keys */
static int pem_keys(const json_t *pem, char *message)
{
    const char *public_key = text_at(pem, "public_key"), *private_key = text_at(pem, "private_key");
    char reason[PEM_REASON_MAX];

    if (public_key && pem_public_key_check(public_key, reason) < 0)
        return refuse(message, "could not load public key");
    if (private_key && pem_private_key_check(private_key, reason) < 0)
        return refuse(message, "could not load private key: %s", reason);
    if (public_key && private_key && !pem_keys_are_one_pair(public_key, private_key))
        return refuse(message, "public key does not match private key");
    return 0;
}

/* kong/db/schema/entities/keys.lua */
static int key_material(const json_t *key, char *message)
{
    const char *jwk = text_at(key, "jwk"), *kid = text_at(key, "kid");
    json_t *parsed;
    const char *own;
    int r = 0;

    if (!jwk)
        return 0;
    parsed = json_loads(jwk, 0, NULL);
    own = text_at(parsed, "kid");
    if (!parsed)
        r = refuse(message, "could not json decode jwk string");
    else if (!own || !kid || strcmp(own, kid) != 0)
        r = refuse(message, "kid in jwk.kid must be equal to keys.kid");
    else if (!text_at(parsed, "kty"))
        r = refuse(message, "could not load JWK, likely not a valid key");
    json_decref(parsed);
    return r;
}

/* Kong hashes it with a library that is not here; a secret in clear that is meant to be hashed would be
 * worse than none. */
static int plain_client_secret(const json_t *credential, char *message)
{
    return json_is_true(json_object_get(credential, "hash_secret"))
               ? refuse(message, "hash_secret is not supported by this version of hopgate; leave "
                                 "it out or set it to false")
               : 0;
}

/* --- configurations of plugins ----------------------------------------------------------------- */

static int check_periods(const json_t *record, const char *begin, char *message)
{
    static const char *const periods[] = { "second", "minute", "hour", "day", "month", "year" };
    enum { PERIODS = sizeof(periods) / sizeof(periods[0]) };

    for (size_t i = 0; i < PERIODS; i++) {
        const json_t *lower = json_object_get(record, periods[i]);
        for (size_t j = i + 1; json_is_number(lower) && j < PERIODS; j++) {
            const json_t *upper = json_object_get(record, periods[j]);
            if (json_is_number(upper) && json_number_value(upper) < json_number_value(lower))
                return refuse(message,
                              "%s limit for %s(%.1f) cannot be lower than the limit for %s(%.1f)",
                              begin, periods[j], json_number_value(upper), periods[i],
                              json_number_value(lower));
        }
    }
    return 0;
}

static int rate_limits(const json_t *config, char *message)
{
    const char *policy = text_at(config, "policy");
    double sync_rate = json_number_value(json_object_get(config, "sync_rate"));
    bool is_redis = policy && strcmp(policy, "redis") == 0;
    int r = check_periods(config, "The", message);

    if (r < 0)
        return r;
    if (!is_redis && sync_rate != -1)
        return refuse(message, "sync_rate can only be used with the redis policy");
    if (is_redis && sync_rate != -1 && sync_rate < 0.02)
        return refuse(message, "sync_rate must be greater than 0.02, or -1 to disable");
    return 0;
}

static int response_limits(const json_t *limits, char *message)
{
    return check_periods(limits, "the", message);
}

static int request_termination(const json_t *config, char *message)
{
    bool has_message = !model_is_empty(json_object_get(config, "message"));
    bool has_type = !model_is_empty(json_object_get(config, "content_type"));
    bool has_body = !model_is_empty(json_object_get(config, "body"));

    if (has_message && (has_type || has_body))
        return refuse(message, "message cannot be used with content_type or body");
    if (has_type && !has_body)
        return refuse(message, "content_type requires a body");
    if (json_is_true(json_object_get(config, "echo")) && (has_type || has_body))
        return refuse(message, "echo cannot be used with content_type and body");
    return 0;
}

static int http_log(const json_t *config, char *message)
{
    const char *endpoint = text_at(config, "http_endpoint");
    const char *authority = endpoint ? strstr(endpoint, "//") : NULL;
    const json_t *headers = json_object_get(config, "headers");
    bool has_user = authority && memchr(authority, '@', 2 + strcspn(authority + 2, "/"));
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)headers, name, value)
    {
        if (has_user && strcasecmp(name, "authorization") == 0)
            return refuse(message, "specifying both an 'Authorization' header and user info in "
                                   "'http_endpoint' is not allowed");
    }
    return 0;
}

static int oauth2_flows(const json_t *config, char *message)
{
    static const char *const flows[] = { "enable_authorization_code", "enable_implicit_grant",
                                         "enable_client_credentials", "enable_password_grant" };

    for (size_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++)
        if (json_is_true(json_object_get(config, flows[i])))
            return 0;
    return refuse(message, "at least one of these fields must be true: enable_authorization_code, "
                           "enable_implicit_grant, enable_client_credentials, "
                           "enable_password_grant");
}

/* --- by name ----------------------------------------------------------------------------------- */

check_function *model_string_check(const char *name)
{
    static const struct {
        const char *name;
        check_function *check;
    } checks[] = {
        { "name", check_name },
        { "tag", check_tag },
        { "host", check_host },
        { "host_with_port", check_host_with_port },
        { "upstream_name", check_upstream_name },
        { "target", check_target },
        { "base_path", check_base_path },
        { "route_path", check_route_path },
        { "route_header", check_route_header },
        { "route_host", check_route_host },
        { "cidr", check_cidr },
        { "header_name", check_header_name },
        { "cookie_name", check_token },
        { "cookie_path", check_cookie_path },
        { "field_value", check_field_value },
        { "server_name", check_server_name },
        { "wildcard_host", check_sni },
        { "url", check_url },
        { "certificate", check_readable_certificate },
        { "private_key", check_readable_key },
        { "public_key", check_public_key },
        { "entry_with_value", check_entry_with_value },
        { "header_entry", check_header_entry },
        { "header_rename", check_header_rename },
        { "origin", check_origin },
    };

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        if (strcmp(checks[i].name, name) == 0)
            return checks[i].check;
    return NULL;
}

model_record_check *model_named_record_check(const char *name)
{
    static const struct {
        const char *name;
        model_record_check *check;
    } checks[] = {
        { "certificate_key", certificate_key },
        { "certificate_alternative_key", certificate_alternative_key },
        { "certificate_types", certificate_types },
        { "ca_certificate", ca_certificate },
        { "pem_keys", pem_keys },
        { "key_material", key_material },
        { "plain_client_secret", plain_client_secret },
        { "rate_limits", rate_limits },
        { "response_limits", response_limits },
        { "request_termination", request_termination },
        { "http_log", http_log },
        { "oauth2_flows", oauth2_flows },
    };

    for (size_t i = 0; name && i < sizeof(checks) / sizeof(checks[0]); i++)
        if (strcmp(checks[i].name, name) == 0)
            return checks[i].check;
    return NULL;
}
