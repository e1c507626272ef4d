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

#include "tls/tls.h"

/* A response in DER for one of the default certificates. 0, or -EINVAL with reterr. */
int tls_stapling_set(struct tls_server_config *config, struct slice der, struct tls_error *reterr);

/*
 * Fetches what is due: absent, or to expire within the hour. `told` is called for each attempt;
 * result 0 or a negative errno, then text says why. Blocks up to timeout_s per certificate.
 */
void tls_stapling_refresh(struct tls_server_config *config, int timeout_s,
                          void (*told)(const char *certificate, int result, const char *text));

/* The certificate demands a staple (RFC 7633): clients refuse it without. */
bool tls_stapling_is_demanded(const struct tls_pem_pair *pair);

#endif
