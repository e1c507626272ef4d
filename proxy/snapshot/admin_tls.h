/*
 * admin_tls: the TLS of admin_listen.
 *
 * Role    admin_ssl_cert (or the self-signed pair) and nginx_admin_ssl_… in place of what proxy_listen
 *         has; entities have no part in it, as in Kong: whoever may write them must not be able to lock
 *         himself out
 * Owns    nothing
 * Thread  the configuration thread
 *
 * Sessions are never resumed: each connection shows its certificate.
 */
#ifndef PROXY_ADMIN_TLS_H
#define PROXY_ADMIN_TLS_H

#include "proxy/snapshot/server_tls.h"

struct admin_tls_inputs {
    const struct settings *settings;
    const struct persona_client *policy;
    struct self_signed *self_signed;  /* NULL: kept by nobody */
    struct tls_server_config *former; /* used again when nothing has changed; NULL: none */
};

/* NULL when an error was added. */
struct tls_server_config *admin_tls_create(const struct admin_tls_inputs *inputs,
                                           struct config_errors *errors);

#endif
