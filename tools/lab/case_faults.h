/*
 * case_faults: the faults that experiments choose from.
 *
 * Role    which of the origin's faults tell most, and the wire's as words of `hopgate wire`; what a
 *         name of the user stands for
 * Owns    nothing; constant
 * Thread  any
 */
#ifndef TOOLS_LAB_CASE_FAULTS_H
#define TOOLS_LAB_CASE_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/origin/fault.h"

struct case_wire_fault {
    const char *name, *words, *about;
    bool warm; /* it shows on a connection that has been idle */
};

extern const struct case_wire_fault case_wire_faults[];
extern const size_t case_wire_faults_count;

/* Part of what is tried when nothing else was asked for. */
bool case_fault_is_telling(const struct fault *fault, bool is_tls);

/* A listener that speaks TLS, or does not, can play it, and it is a matter of the origin. */
bool case_fault_is_possible(const struct fault *fault, bool is_tls);

/* It shows on a connection that was used before. */
bool case_fault_wants_warm(const struct fault *fault);

#endif
