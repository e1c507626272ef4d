/*
 * client_configs: client configurations that were made, so that equal settings get the same one.
 *
 * Role    hundreds of services speak TLS alike, and what they trust takes long to read
 * Owns    a reference to each
 * Thread  one
 *
 * "The system's certificates" are those that were read first: whoever wants what the files say now
 * begins with an empty one.
 */
#ifndef TLS_CLIENT_CONFIGS_H
#define TLS_CLIENT_CONFIGS_H

#include "tls/tls.h"

struct tls_client_configs {
    void *made; /* tree of struct tls_client_config, see tsearch(3) */
};

/* A new reference, to one that was made from equal settings or to a new one; NULL: reterr. */
struct tls_client_config *tls_client_configs_take(struct tls_client_configs *configs,
                                                  const struct tls_client_settings *settings,
                                                  struct tls_error *reterr);

/* One that was made elsewhere; an equal one stays in its place. 0 or -ENOMEM. */
int tls_client_configs_add(struct tls_client_configs *configs, struct tls_client_config *config);

/* Empty, as {0}. */
void tls_client_configs_done(struct tls_client_configs *configs);

#endif
