/*
 * fault_builtin: the text of tools/origin/faults.json, put into the binary by the build.
 *
 * Role    generated source fills the table (tools/embed.cmake)
 * Owns    constant bytes
 * Thread  any
 */
#ifndef TOOLS_ORIGIN_FAULT_BUILTIN_H
#define TOOLS_ORIGIN_FAULT_BUILTIN_H

#include <stddef.h>

struct fault_builtin {
    const char *name; /* of the file, without ".json"; NULL ends the table */
    const unsigned char *text;
    size_t length; /* bytes */
};

/* One file, and the end. */
extern const struct fault_builtin fault_builtins[];

#endif
