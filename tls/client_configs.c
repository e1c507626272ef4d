#include "tls/client_configs.h"

#include <errno.h>
#include <search.h>
#include <string.h>

#include "tls/tls_context_priv.h"

/* Labels are no part of the identity: explanations differ by them, connections do not. */
static int compare(const void *a, const void *b)
{
    const struct tls_client_config *one = a, *other = b;
    int order = strcmp(one->identity, other->identity);

    return order != 0 ? order : strcmp(one->trust_label, other->trust_label);
}

int tls_client_configs_add(struct tls_client_configs *configs, struct tls_client_config *config)
{
    if (tfind(config, &configs->made, compare))
        return 0;
    if (!tsearch(config, &configs->made, compare))
        return -ENOMEM;
    (void)tls_client_config_ref(config);
    return 0;
}

struct tls_client_config *tls_client_configs_take(struct tls_client_configs *configs,
                                                  const struct tls_client_settings *settings,
                                                  struct tls_error *reterr)
{
    struct tls_client_config wanted = { .trust_label = (char *)tls_trust_label(settings) };
    struct tls_client_config *const *found, *config;

    if (!tls_client_identify(&wanted, settings, reterr))
        return NULL;
    found = tfind(&wanted, &configs->made, compare);
    if (found)
        return tls_client_config_ref(*found);
    config = tls_client_config_create(settings, reterr);
    if (config)
        (void)tls_client_configs_add(configs, config); /* no memory: it is made once more */
    return config;
}

static void release(void *config)
{
    tls_client_config_unref(config);
}

void tls_client_configs_done(struct tls_client_configs *configs)
{
    tdestroy(configs->made, release);
    configs->made = NULL;
}
