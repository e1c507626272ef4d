/*
 * asked_names: host names that only the Admin API has asked for: of upstreams that no service leads to.
 *
 * Role    watches a name from when it is asked for until nobody has asked for a while
 * Owns    the watches, at most ASKED_NAMES_MAX
 * Thread  the main thread
 */
#ifndef PROXY_ASKED_NAMES_H
#define PROXY_ASKED_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "lb/name_record.h"

struct resolver;
struct watched_name;

enum { ASKED_NAMES_MAX = 256, ASKED_NAMES_KEEP_MS = 60 * 1000 };

/* Zeroed: none. */
struct asked_names {
    struct {
        struct watched_name *name;
        uint64_t until_ms; /* monotonic */
    } items[ASKED_NAMES_MAX];
    size_t count;
};

/* What is known of it; NAME_UNKNOWN at first. NULL: too many, or no memory. Good until the next call of any
 * of these or of the resolver. */
const struct name_record *asked_names_get(struct asked_names *names, struct resolver *resolver,
                                          const char *host, uint64_t now_ms);

/* Lets go of those that nobody asks for any more; UINT64_MAX: of all. */
void asked_names_drop(struct asked_names *names, struct resolver *resolver, uint64_t now_ms);

#endif
