#include "proxy/snapshot/tcp_relay.h"

#include <string.h>

static bool leads_somewhere(const struct config_route *route)
{
    return route->service && route->service->enabled &&
           route->protocols != CONFIG_PROTOCOL_TLS_PASSTHROUGH;
}

static bool is_without_port(const struct config_route *route)
{
    return leads_somewhere(route) && route->destination_ports_count == 0;
}

static bool takes_everything(const struct config_route *route)
{
    bool any_path = route->paths.count == 0 ||
                    (route->paths.count == 1 && strcmp(route->paths.items[0], "/") == 0);

    return is_without_port(route) && any_path && route->hosts.count == 0 &&
           route->methods.count == 0 && route->headers_count == 0 && route->snis.count == 0;
}

/* The first that fits, when all that fit lead to the same service. */
static const struct config_route *only_route(const struct config *config,
                                             bool (*fits)(const struct config_route *route))
{
    const struct config_route *found = NULL;

    for (size_t i = 0; i < config->routes_count; i++) {
        const struct config_route *route = &config->routes[i];

        if (!fits(route))
            continue;
        if (found && found->service != route->service)
            return NULL;
        found = found ? found : route;
    }
    return found;
}

static const struct config_route *route_of_port(const struct config *config, uint16_t port)
{
    for (size_t i = 0; i < config->routes_count; i++) {
        const struct config_route *route = &config->routes[i];

        if (leads_somewhere(route) && route->destination_ports_count > 0 &&
            config_route_takes_port(route, port))
            return route;
    }
    return NULL;
}

const struct config_route *tcp_relay_route(const struct config *config, uint16_t port)
{
    const struct config_route *found = route_of_port(config, port);

    if (!found)
        found = only_route(config, is_without_port);
    return found ? found : only_route(config, takes_everything);
}

/* Several services could be meant, and nothing says which. */
static bool is_ambiguous(const struct config *config)
{
    size_t by_port = 0, without_port = 0;

    for (size_t i = 0; i < config->routes_count; i++) {
        by_port += config->routes[i].destination_ports_count > 0;
        without_port += is_without_port(&config->routes[i]);
    }
    if (without_port == 0 && by_port > 0)
        return false; /* other ports lead nowhere, as in Kong */
    return config->routes_count > 0 && !tcp_relay_route(config, 0);
}

static void refuse_tcp_routes(const struct config *config, const struct persona *persona,
                              struct config_errors *errors)
{
    for (size_t i = 0; i < config->routes_count; i++) {
        const struct config_route *route = &config->routes[i];

        if (route->protocols == CONFIG_PROTOCOL_TCP)
            config_errors_add(
                errors, CONFIG_ERROR,
                (struct config_place){ config->source, route->line, route->column, route->path },
                "persona %s takes requests, so it leads no connection on by a route "
                "with protocols [tcp]; personas of layer tcp do (nlb)",
                persona->name);
    }
}

void tcp_relay_check(const struct settings *settings, const struct config *config,
                     const struct persona *persona, struct config_errors *errors)
{
    if (persona->client.layer != PERSONA_LAYER_TCP) {
        refuse_tcp_routes(config, persona, errors);
        return;
    }
    for (size_t i = 0; i < settings->proxy_listen.count; i++)
        if (settings->proxy_listen.items[i].ssl || settings->proxy_listen.items[i].proxy_protocol)
            config_errors_add(
                errors, CONFIG_ERROR, settings_place(settings, "proxy_listen"),
                "persona %s relays bytes of TCP and ends neither TLS nor a PROXY protocol "
                "header; leave out 'ssl' and 'proxy_protocol'",
                persona->name);
    if (is_ambiguous(config))
        config_errors_add(
            errors, CONFIG_ERROR, (struct config_place){ .file = config->source },
            "persona %s sees no requests, so its connections can go to one service only; "
            "keep one, give one a route with the path / and nothing else, or tell them apart by "
            "port: routes with protocols [tcp] and destinations [{port: 443}]",
            persona->name);
}
