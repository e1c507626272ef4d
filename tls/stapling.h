/*
 * stapling: OCSP responses that a server sends with its certificates.
 *
 * Role    takes a response from a file, fetches others from the responders that certificates name; an
 *         expired or wrong one is never sent
 * Owns    nothing: the responses belong to the configuration
 * Thread  one thread at a time, which may block; workers send what there is meanwhile
 */
#ifndef TLS_STAPLING_H
#define TLS_STAPLING_H

#include <stdint.h>

#include "tls/tls.h"

/* A response in DER for one of the default certificates. 0, or -EINVAL with reterr. */
int tls_stapling_set(struct tls_server_config *config, struct slice der, struct tls_error *reterr);

/* How responders are asked. */
struct tls_stapling_fetch {
    uint64_t timeout_ms; /* per certificate */
    int stop_fd;         /* when it is readable, everything is given up at once */
    /* A socket that is connected and does not block, for the caller to close; or a negative errno,
     * at deadline_ms (clock_now_ms) at the latest. */
    int (*connect)(const char *host, const char *port, uint64_t deadline_ms, int stop_fd);
    /* after each attempt; result 0, or a negative errno and text says why */
    void (*told)(const char *certificate, int result, const char *text);
};

/* Fetches what is due: absent, or to expire within the hour. Blocks as `fetch` says. */
void tls_stapling_refresh(struct tls_server_config *config, const struct tls_stapling_fetch *fetch);

/* The certificate demands a staple (RFC 7633): clients refuse it without. */
bool tls_stapling_is_demanded(const struct tls_pem_pair *pair);

#endif
