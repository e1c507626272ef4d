/*
 * suggest: the known name that a misspelt one was probably meant to be.
 *
 * Role    "unknown field: did you mean 'hosts'?"
 * Owns    nothing
 * Thread  any
 */
#ifndef CONFIG_SUGGEST_H
#define CONFIG_SUGGEST_H

#include <stddef.h>

enum {
    SUGGEST_DISTANCE_MAX = 3, /* edits; names of up to 5 characters allow 2 */
    SUGGEST_NAME_MAX = 64,    /* bytes; longer names are never compared */
};

struct suggest {
    const char *wanted;  /* the misspelt name */
    const char *nearest; /* or NULL: nothing is near enough */
    size_t distance;     /* of nearest */
};

/* Start with { .wanted = name }, then offer every known name; the first of equals wins. */
void suggest_offer(struct suggest *suggest, const char *name);

#endif
