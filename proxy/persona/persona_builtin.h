/*
 * persona_builtin: the texts of proxy/personas/, put into the binary by the build.
 *
 * Role    generated source fills the table (tools/embed.cmake)
 * Owns    constant bytes
 * Thread  any
 */
#ifndef PROXY_PERSONA_BUILTIN_H
#define PROXY_PERSONA_BUILTIN_H

#include <stddef.h>

struct persona_builtin {
    const char *name; /* of the file, without ".json"; NULL ends the table */
    const unsigned char *text;
    size_t length; /* bytes */
};

extern const struct persona_builtin persona_builtins[];

#endif
