/*
 * persona_basis: where what a persona says is from, for reports.
 *
 * Role    words and counts for "basis": how much of a persona was measured, documented or assumed
 * Owns    nothing
 * Thread  any; personas are only read
 */
#ifndef PROXY_PERSONA_BASIS_H
#define PROXY_PERSONA_BASIS_H

#include "proxy/persona/persona.h"

/* of[PERSONA_AS_SECTION] is 0 for a persona that was loaded: each rule has a basis, its own or its section's. */
struct persona_basis_counts {
    unsigned of[PERSONA_ASSUMED + 1];
};

/* "measured" ...; never NULL. */
const char *persona_basis_name(enum persona_basis basis);

/* Of its rules: each key of a section, and each item of its lists. */
struct persona_basis_counts persona_count_basis(const struct persona *persona);

#endif
