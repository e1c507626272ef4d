/*
 * router: which route, and by it which service, a request belongs to.
 *
 * Role    Kong's router flavour "traditional_compatible", with the priorities as Kong executes them
 *         (router_priority.c); of routes that tie, the one with the greater UUID wins
 * Owns    its lookup tables; routes, services and every string are the configuration's, which must
 *         outlive the router
 * Thread  built by one thread, immutable after that, shared by all workers
 *
 * A route matches when each attribute that it has matches, by any of its values; hosts and paths
 * compare byte for byte, case included. `protocols` takes no part: the caller checks it afterwards.
 * Routes of a disabled service are absent.
 */
#ifndef PROXY_ROUTER_H
#define PROXY_ROUTER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/entities.h"
#include "core/cleanup.h"
#include "core/slice.h"

struct router;

struct router_request {
    struct slice method; /* as on the request line */
    struct slice host;   /* Host value with its port, verbatim; empty when there was none */
    struct slice path;   /* from uri_normalise */
    uint16_t port;       /* of the listener (after port_maps), for a Host without one */
};

struct router_match {
    const struct config_route *route;
    const struct config_service *service; /* NULL: the route has none */
    struct slice matched_prefix;          /* the route path at the front of the request's path;
                                             empty: the route has no paths */
};

/* NULL: no memory. */
struct router *router_create(const struct config *config);
void router_free(struct router *router);
DEFINE_SCOPED(router);

/* False: no route matches, and ret_match is untouched. */
bool router_match(const struct router *router, const struct router_request *request,
                  struct router_match *ret_match);

#endif
