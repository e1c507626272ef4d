/*
 * client_tls: how this hop speaks TLS to its targets.
 *
 * Role    turns a service, kong.conf and the persona into a TLS configuration; who says what:
 *         service, then upstream (its certificate), then kong.conf, then the persona
 * Owns    the PEM texts of kong.conf; a reference to what was made of them
 * Thread  the one that loads the configuration
 */
#ifndef PROXY_CLIENT_TLS_H
#define PROXY_CLIENT_TLS_H

#include "config/config.h"
#include "config/settings.h"
#include "proxy/persona/persona.h"
#include "tls/client_configs.h"
#include "tls/tls.h"

struct client_tls {
    const struct settings *settings; /* borrowed */
    const struct persona *persona;   /* likewise */
    char *trusted_pem;               /* NULL: the system's certificates */
    const char *trust_label;
    char *cert_pem, *key_pem; /* client_ssl_cert; NULL: none */
    struct tls_client_configs made;
};

/* Reads the files that kong.conf names. Negative: an error was added; ret must still be done. */
int client_tls_load(const struct settings *settings, const struct persona *persona,
                    struct config_errors *errors, struct client_tls *ret);
void client_tls_done(struct client_tls *client_tls);

/* Does this hop verify the target's certificate? Kong: not unless asked to. */
bool client_tls_verifies(const struct client_tls *client_tls, const struct config_service *service);

/* A reference; services that speak alike get the same one. NULL: reterr. */
struct tls_client_config *client_tls_create(struct client_tls *client_tls,
                                            const struct config_service *service,
                                            struct tls_error *reterr);

/* For probes of an upstream's targets, which no service need lead to. `verifies`: chain and name. */
struct tls_client_config *client_tls_create_for_probes(struct client_tls *client_tls,
                                                       const struct config_upstream *upstream,
                                                       bool verifies, struct tls_error *reterr);

/* What of this would not work, each with its place. */
void client_tls_check(struct client_tls *client_tls, const struct config *config,
                      struct config_errors *errors);

#endif
