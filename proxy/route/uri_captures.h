/*
 * uri_captures: what the groups of a regex path have caught.
 *
 * Role    Kong's uri_captures, for hash_on and whatever else wants a part of the path
 * Owns    nothing; the list is in the exchange's arena, its values are in the normalised path
 * Thread  one worker
 */
#ifndef PROXY_URI_CAPTURES_H
#define PROXY_URI_CAPTURES_H

#include "core/regex.h"
#include "core/slice.h"

struct uri_captures {
    const struct regex *regex; /* the snapshot's; NULL: there are none */
    struct slice *values;      /* [0] is the whole match; ptr NULL: that group took no part */
    unsigned count;
};

/* By name, or by number ("1"). ptr NULL: there is none. */
struct slice uri_captures_find(const struct uri_captures *captures, struct slice name);

#endif
