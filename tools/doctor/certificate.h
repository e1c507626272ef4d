/*
 * certificate: what is known of the certificates that the lab makes.
 *
 * Role    finds a row of `hopgate lab pki`; none is made for an analysis
 * Owns    nothing
 * Thread  any
 */
#ifndef TOOLS_DOCTOR_CERTIFICATE_H
#define TOOLS_DOCTOR_CERTIFICATE_H

#include "tls/pki_lab.h"

/* NULL: it is none of the lab's. */
const struct pki_situation *doctor_certificate_of(const char *name);

/* Whoever verifies it refuses it: without a CRL, a name, or a rule that is stricter than everybody's. */
bool doctor_certificate_is_refused(const struct pki_situation *situation);

#endif
