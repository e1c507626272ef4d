/*
 * client_policies: what TLS clients must show, from kong.conf and the declarative file.
 *
 * Role    nginx_proxy_ssl_verify_client and its like for the listeners, hopgate.mtls for server
 *         names: read, checked, and put into the words of tls/
 * Owns    the texts of files that it read
 * Thread  the configuration thread
 */
#ifndef PROXY_CLIENT_POLICIES_H
#define PROXY_CLIENT_POLICIES_H

#include "config/config.h"
#include "proxy/snapshot/server_tls.h"
#include "tls/tls.h"

struct client_policies {
    struct tls_policy *items; /* [0]: the listeners' */
    size_t count;
    char **texts; /* CA and CRL of each, behind the pointers of items; NULL: none */
};

/* What is wrong is added to errors, with its place. 0, or a negative errno when an error was added
 * or there is no memory; in every case it must be done. */
int client_policies_init(struct client_policies *policies, const struct server_tls_inputs *inputs,
                         struct config_errors *errors);
void client_policies_done(struct client_policies *policies);

#endif
