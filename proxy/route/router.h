/*
 * router: which route, and by it which service, a request belongs to.
 *
 * Role    Kong's router flavours "traditional_compatible" and "traditional"
 * Owns    its lookup tables and a hold on each regex; routes, services and every string are the
 *         configuration's, which must outlive the router
 * Thread  built by one thread, immutable after that, shared by all workers; what a search writes is
 *         in the worker's own router_scratch
 *
 * A route matches when each attribute that it has matches, by any of its values; hosts and paths
 * compare byte for byte, case included. `protocols` takes no part: the caller checks it afterwards.
 * Routes of a disabled service are absent.
 *
 * The flavours differ in how routes rank and in how some values are read: router_compatible.c and
 * router_traditional.c. The tables behind both are router_index.c, the search is router_match.c.
 */
#ifndef PROXY_ROUTER_H
#define PROXY_ROUTER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/entities.h"
#include "core/arena.h"
#include "core/cleanup.h"
#include "core/http/fields.h"
#include "core/regex.h"
#include "core/slice.h"
#include "proxy/route/uri_captures.h"

struct router;
struct router_scratch;

enum router_flavor { ROUTER_TRADITIONAL_COMPATIBLE, ROUTER_TRADITIONAL };

/* By Kong's word; "traditional" is one, and all else is Kong's default. */
enum router_flavor router_flavor_of(const char *word);

struct router_request {
    struct slice method;         /* as on the request line */
    struct slice host;           /* Host value with its port, verbatim; empty when there was none */
    struct slice path;           /* from uri_normalise */
    const struct fields *fields; /* NULL: none; the first ROUTER_FIELDS_MAX are looked at */
    struct slice server_name;    /* SNI; empty: none */
    uint16_t port;               /* of the listener (after port_maps), for a Host without one */
    bool over_tls;               /* the client's connection; without it SNIs always match */
};

enum { ROUTER_FIELDS_MAX = 100 }; /* Kong's lua_max_req_headers */

struct router_match {
    const struct config_route *route;
    const struct config_service *service; /* NULL: the route has none */
    struct slice matched_prefix;          /* what strip_path takes off the front of the path, or as
                                             many bytes; empty: the route has no paths */
    const struct regex *regex;            /* that the path matched; NULL: none */
    bool is_v1;                           /* the path is joined by path_handling v1 */
};

/* NULL: no memory. A regex that does not compile (router_check tells) leaves its path out. */
struct router *router_create(const struct config *config, enum router_flavor flavor);
void router_free(struct router *router);
DEFINE_SCOPED(router);

/* One per worker, for any number of routers. NULL: no memory. */
struct router_scratch *router_scratch_create(void);
void router_scratch_free(struct router_scratch *scratch);
DEFINE_SCOPED(router_scratch);

/* False: no route matches, or it cannot be found out (no memory, a regex of the route that comes next
 * was cut off), and ret_match is untouched. */
bool router_match(const struct router *router, const struct router_request *request,
                  struct router_scratch *scratch, struct router_match *ret_match);

/* What the groups of match->regex have caught of `path`. 0 or -ENOMEM. */
int router_captures(const struct router *router, const struct router_match *match,
                    struct slice path, struct router_scratch *scratch, struct arena *arena,
                    struct uri_captures *ret);

#endif
