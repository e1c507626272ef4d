/* Candidates: routes split as the flavour splits them, in the order in which they win. */
#include <errno.h>
#include <stdlib.h>

#include "proxy/route/router_priv.h"

static bool is_routable(const struct config_route *route)
{
    return !(route->protocols & CONFIG_PROTOCOLS_STREAM) &&
           (!route->service || route->service->enabled);
}

bool router_candidate_has(const struct router *router, const struct router_candidate *candidate,
                          size_t path)
{
    const char *text = candidate->route->paths.items[path];

    if (router->flavor == ROUTER_TRADITIONAL)
        return path == candidate->group;
    if (candidate->is_regex || router_path_is_regex(text))
        return candidate->is_regex && router_path_is_regex(text);
    return strlen(text) == candidate->path_bytes;
}

static void add_candidates_of(struct router *router, const struct config_route *route,
                              uint32_t place)
{
    struct router_candidate *first = &router->candidates[router->candidates_count];
    size_t count = router->flavor == ROUTER_TRADITIONAL ? router_traditional_split(route, first)
                                                        : router_compatible_split(route, first);

    for (size_t i = 0; i < count; i++) {
        first[i].route = route;
        first[i].place = place;
    }
    router->candidates_count += count;
}

int router_build_candidates(struct router *router, const struct config *config)
{
    size_t candidates_max = 1; /* never 0, so that NULL means no memory */

    for (size_t i = 0; i < config->routes_count; i++)
        candidates_max += config->routes[i].paths.count > 0 ? config->routes[i].paths.count : 1;
    router->candidates = calloc(candidates_max, sizeof(*router->candidates));
    if (!router->candidates)
        return -ENOMEM;
    for (size_t i = 0; i < config->routes_count; i++) {
        const struct config_route *route = &config->routes[i];

        if (!is_routable(route))
            continue;
        add_candidates_of(router, route, (uint32_t)i);
        router->matches_hosts |= route->hosts.count > 0;
        router->matches_paths |= route->paths.count > 0;
        router->matches_snis |= route->snis.count > 0;
    }
    qsort(router->candidates, router->candidates_count, sizeof(*router->candidates),
          router->flavor == ROUTER_TRADITIONAL ? router_traditional_compare
                                               : router_compatible_compare);
    return 0;
}
