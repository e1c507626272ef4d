/*
 * nearest_routes: which routes a request would almost have matched, and what was missing.
 *
 * Role    evidence for a request without a route
 * Owns    nothing
 * Thread  the main thread; looks at every route
 */
#ifndef PROXY_NEAREST_ROUTES_H
#define PROXY_NEAREST_ROUTES_H

#include <stdio.h>

#include "proxy/route/router.h"

/* What is remembered of the request; its fields and server name are not. */
struct route_question {
    struct slice method, host, path; /* host: with its port, if it has one; path: as sent */
    enum router_flavor flavor;
    bool over_tls;
};

/* One line per route, at most three, the nearest first. Printable ASCII. */
void nearest_routes_print(FILE *out, const struct config *config,
                          const struct route_question *question);

#endif
