#include "proxy/route/router.h"

#include <stdlib.h>

#include "proxy/route/router_priv.h"

enum router_flavor router_flavor_of(const char *word)
{
    return word && strcmp(word, "traditional") == 0 ? ROUTER_TRADITIONAL
                                                    : ROUTER_TRADITIONAL_COMPATIBLE;
}

struct router *router_create(const struct config *config, enum router_flavor flavor)
{
    struct router *router = calloc(1, sizeof(*router));

    if (!router)
        return NULL;
    router->flavor = flavor;
    if (router_build_candidates(router, config) < 0 || router_build_headers(router, config) < 0 ||
        router_build_index(router, config) < 0 ||
        (flavor == ROUTER_TRADITIONAL && router_traditional_build(router) < 0)) {
        router_free(router);
        return NULL;
    }
    return router;
}

void router_free(struct router *router)
{
    if (!router)
        return;
    router_traditional_free(router->traditional);
    router_headers_done(router);
    router_regexes_done(router);
    free(router->candidates);
    free(router->entries);
    free(router->nodes);
    free(router->buckets);
    free(router->lengths);
    router_map_done(&router->hosts);
    router_map_done(&router->paths);
    free(router);
}
