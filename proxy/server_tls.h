/*
 * server_tls: the certificates that a hop's TLS listeners show.
 *
 * Role    joins ssl_cert (or a self-signed pair, as Kong makes one) with the certificates and SNIs of
 *         the declarative file, and warns about chains that clients will not be able to verify
 * Owns    nothing
 * Thread  the configuration thread
 */
#ifndef PROXY_SERVER_TLS_H
#define PROXY_SERVER_TLS_H

#include "config/config.h"
#include "tls/ticket_keys.h"
#include "tls/tls.h"

/* Problems are added to errors (warnings too). NULL when an error was added. */
struct tls_server_config *server_tls_create(const struct settings *settings,
                                            const struct config *config,
                                            struct tls_ticket_keys *ticket_keys,
                                            struct config_errors *errors);

/* The checks alone, for `hopgate check`. */
void server_tls_check(const struct settings *settings, const struct config *config,
                      struct config_errors *errors);

#endif
