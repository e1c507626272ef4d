#include "proxy/snapshot/tcp_relay.h"

#include <string.h>

static bool leads_somewhere(const struct config_route *route)
{
    return route->service && route->service->enabled &&
           route->protocols != CONFIG_PROTOCOL_TLS_PASSTHROUGH;
}

static bool takes_everything(const struct config_route *route)
{
    bool any_path = route->paths.count == 0 ||
                    (route->paths.count == 1 && strcmp(route->paths.items[0], "/") == 0);

    return any_path && route->hosts.count == 0 && route->methods.count == 0 &&
           route->headers_count == 0 && route->snis.count == 0;
}

/* The first that fits, when all that fit lead to the same service. */
static const struct config_route *only_route(const struct config *config,
                                             bool (*fits)(const struct config_route *route))
{
    const struct config_route *found = NULL;

    for (size_t i = 0; i < config->routes_count; i++) {
        const struct config_route *route = &config->routes[i];

        if (!leads_somewhere(route) || !fits(route))
            continue;
        if (found && found->service != route->service)
            return NULL;
        found = found ? found : route;
    }
    return found;
}

const struct config_route *tcp_relay_route(const struct config *config)
{
    const struct config_route *only = only_route(config, leads_somewhere);

    return only ? only : only_route(config, takes_everything);
}

void tcp_relay_check(const struct settings *settings, const struct config *config,
                     const struct persona *persona, struct config_errors *errors)
{
    if (persona->client.layer != PERSONA_LAYER_TCP)
        return;
    for (size_t i = 0; i < settings->proxy_listen.count; i++)
        if (settings->proxy_listen.items[i].ssl || settings->proxy_listen.items[i].proxy_protocol)
            config_errors_add(
                errors, CONFIG_ERROR, settings_place(settings, "proxy_listen"),
                "persona %s relays bytes of TCP and ends neither TLS nor a PROXY protocol "
                "header; leave out 'ssl' and 'proxy_protocol'",
                persona->name);
    if (config->routes_count > 0 && !tcp_relay_route(config))
        config_errors_add(
            errors, CONFIG_ERROR, (struct config_place){ .file = config->source },
            "persona %s sees no requests, so its connections can go to one service only; "
            "keep one, or give one a route with the path / and nothing else",
            persona->name);
}
