/*
 * wire_fault_priv: the table of kinds, between the files that read and describe faults.
 *
 * Role    a row per kind of fault
 * Owns    nothing; constant
 * Thread  any
 */
#ifndef TOOLS_WIRE_WIRE_FAULT_PRIV_H
#define TOOLS_WIRE_WIRE_FAULT_PRIV_H

#include "tools/wire/wire_fault.h"

struct wire_fault_kind_row {
    const char *name;
    const char *required; /* a field; NULL: none */
    const char *optional; /* "after_ms, after_bytes"; NULL: none */
    const char *what;
};

extern const struct wire_fault_kind_row wire_fault_kind_rows[FAULT_KINDS];

bool wire_fault_kind_takes(const struct wire_fault_kind_row *row, const char *field);

#endif
