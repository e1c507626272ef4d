/*
 * ca_bundle: the authorities that an entity names, as one PEM text.
 *
 * Role    ca_certificates of a service or of hopgate.mtls, in their order
 * Owns    nothing
 * Thread  any
 */
#ifndef PROXY_CA_BUNDLE_H
#define PROXY_CA_BUNDLE_H

#include "config/config.h"

/* malloc'ed; NULL: no memory. */
char *ca_bundle_join(const struct config_ca_certificate *const *authorities, size_t count);

#endif
