#include "config/forwarded_fields.h"

#include <string.h>

#define NOT(policy) (1u << CONFIG_POLICY_##policy)

#define ONE_ADDRESS                                                                \
    "it holds one address, so 'append' makes no sense; use replace, or append to " \
    "X-Forwarded-For"
#define IDENTITY                                                                   \
    "a client's claim would stand beside the identity that was checked here; use " \
    "preserve, replace or remove"

/* clang-format off: a field is a line or two */
const struct forwarded_field_info forwarded_field_infos[CONFIG_FORWARDED_COUNT] = {
    [CONFIG_X_FORWARDED_FOR] = { "X-Forwarded-For", 0, NULL, CONFIG_POLICY_REPLACE },
    [CONFIG_X_FORWARDED_PROTO] = { "X-Forwarded-Proto", 0, NULL, CONFIG_POLICY_REPLACE },
    [CONFIG_X_FORWARDED_HOST] = { "X-Forwarded-Host", 0, NULL, CONFIG_POLICY_REPLACE },
    [CONFIG_X_FORWARDED_PORT] = { "X-Forwarded-Port", 0, NULL, CONFIG_POLICY_REPLACE },
    [CONFIG_X_FORWARDED_PREFIX] = { "X-Forwarded-Prefix", 0, NULL, CONFIG_POLICY_REPLACE },
    [CONFIG_X_FORWARDED_PATH] = { "X-Forwarded-Path", 0, NULL, CONFIG_POLICY_REPLACE },
    [CONFIG_X_REAL_IP] = { "X-Real-IP", NOT(APPEND), ONE_ADDRESS, CONFIG_POLICY_REPLACE },
    [CONFIG_FORWARDED] = { "Forwarded", 0, NULL, CONFIG_POLICY_REPLACE },
    [CONFIG_VIA] = { "Via", 0, NULL, CONFIG_POLICY_UNSET },
    [CONFIG_AUTHORIZATION] = { "Authorization", NOT(APPEND) | NOT(REPLACE),
                               "this hop has no credentials of its own; use preserve or remove, or "
                               "write some with "
                               "request: [{set: Authorization, value: …}]",
                               CONFIG_POLICY_UNSET },
    [CONFIG_HOST] = { "Host", NOT(APPEND) | NOT(REMOVE),
                      "a request has exactly one Host (RFC 9112 3.2); use preserve (the client's) "
                      "or replace (the "
                      "target's)",
                      CONFIG_POLICY_UNSET },
    [CONFIG_CLIENT_CERT] = { "Client-Cert", NOT(APPEND), IDENTITY, CONFIG_POLICY_REMOVE },
    [CONFIG_X_SSL_CLIENT] = { "X-SSL-Client-*", NOT(APPEND), IDENTITY, CONFIG_POLICY_REMOVE },
    [CONFIG_XFCC] = { "X-Forwarded-Client-Cert", NOT(APPEND), IDENTITY, CONFIG_POLICY_REMOVE },
    [CONFIG_X_AMZN_MTLS] = { "X-Amzn-Mtls-*", NOT(APPEND), IDENTITY, CONFIG_POLICY_REMOVE },
};
/* clang-format on */

static const char *const policy_names[] = {
    [CONFIG_POLICY_PRESERVE] = "preserve",
    [CONFIG_POLICY_APPEND] = "append",
    [CONFIG_POLICY_REPLACE] = "replace",
    [CONFIG_POLICY_REMOVE] = "remove",
};

enum config_field_policy forwarded_policy_of(const char *word)
{
    for (int i = CONFIG_POLICY_PRESERVE; word && i <= CONFIG_POLICY_REMOVE; i++)
        if (strcmp(word, policy_names[i]) == 0)
            return (enum config_field_policy)i;
    return CONFIG_POLICY_UNSET;
}

const char *forwarded_policy_name(enum config_field_policy policy)
{
    return policy_names[policy];
}

enum config_field_policy forwarded_untrusted_default(enum config_forwarded_field field,
                                                     enum config_field_policy policy)
{
    enum config_field_policy safe = forwarded_field_infos[field].untrusted;
    bool believes = policy == CONFIG_POLICY_PRESERVE || policy == CONFIG_POLICY_APPEND;

    return believes && safe != CONFIG_POLICY_UNSET ? safe : policy;
}
