/*
 * fault_builtin: the text of tools/origin/faults.json, put into the binary by the build.
 *
 * Role    generated source defines both (tools/origin/embed.cmake)
 * Owns    constant bytes
 * Thread  any
 */
#ifndef TOOLS_ORIGIN_FAULT_BUILTIN_H
#define TOOLS_ORIGIN_FAULT_BUILTIN_H

#include <stddef.h>

extern const unsigned char fault_builtin_text[];
extern const size_t fault_builtin_length;

#endif
