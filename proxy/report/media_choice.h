/*
 * media_choice: the media type that a request would like best.
 *
 * Role    reads an Accept value (RFC 9110 12.5.1) the way Kong's Lua does (kong/tools/http.lua,
 *         get_response_type), which is laxer and stricter than the RFC: see below
 * Owns    nothing; slices point into the values
 * Thread  any; no I/O
 *
 * The range with the highest q decides, the first of equals; q=0 never. What follows the first thing
 * that is no parameter is not looked at; a q that is none counts as 1. Types and subtypes have at least two
 * characters, else the range is passed over.
 */
#ifndef PROXY_MEDIA_CHOICE_H
#define PROXY_MEDIA_CHOICE_H

#include "core/slice.h"

struct media_choice {
    struct slice media; /* "text/html", as it was written; empty while there is none */
    unsigned quality;   /* thousandths */
};

/* One value more; several fields of a name are read in their order into the same choice. */
void media_choice_read(struct media_choice *choice, struct slice value);

#endif
