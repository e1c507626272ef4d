/*
 * server_tls: the certificates that a hop's TLS listeners show.
 *
 * Role    joins ssl_cert (or a self-signed pair, as Kong makes one) with the certificates and SNIs of
 *         the declarative file, and what clients must show (client_policies); warns about chains that
 *         clients will not be able to verify
 * Owns    nothing
 * Thread  the configuration thread
 */
#ifndef PROXY_SERVER_TLS_H
#define PROXY_SERVER_TLS_H

#include "config/config.h"
#include "proxy/persona/persona.h"
#include "tls/self_signed.h"
#include "tls/server_sessions.h"
#include "tls/ticket_keys.h"
#include "tls/tls.h"

struct server_tls_inputs {
    const struct settings *settings;
    const struct config *config;
    const struct persona_client *policy; /* of the persona, kong.conf applied */
    bool asks_no_client;                 /* whatever is configured for listeners of traffic */
    /* borrowed by what is made, NULL for none; not looked at by the checks */
    struct tls_ticket_keys *ticket_keys;
    struct tls_server_sessions *sessions;
    struct self_signed *self_signed;  /* made when it is needed first; NULL: kept by nobody */
    struct tls_server_config *former; /* used again when nothing has changed; NULL: none */
};

/* Problems are added to errors (warnings too). NULL when an error was added. */
struct tls_server_config *server_tls_create(const struct server_tls_inputs *inputs,
                                            struct config_errors *errors);

/* The checks alone, for `hopgate check`. */
void server_tls_check(const struct server_tls_inputs *inputs, struct config_errors *errors);

#endif
