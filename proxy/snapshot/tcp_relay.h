/*
 * tcp_relay: where a hop of layer 4 leads its connections.
 *
 * Role    finds the one route that needs nothing of HTTP, and tells the user of what such a hop cannot do
 * Owns    nothing
 * Thread  any; pure
 */
#ifndef PROXY_TCP_RELAY_H
#define PROXY_TCP_RELAY_H

#include "config/config.h"
#include "config/settings.h"
#include "proxy/persona/persona.h"

/*
 * The first route whose destinations have the port that the client connected to. Else, of those without
 * destinations, the route of the only service, or, of several, the one that takes everything: no hosts,
 * methods, headers or server names, and the path "/" or none. NULL: none, or more than one service could be
 * meant.
 */
const struct config_route *tcp_relay_route(const struct config *config, uint16_t port);

/* Says what keeps a persona of layer tcp from its work; nothing of other personas. */
void tcp_relay_check(const struct settings *settings, const struct config *config,
                     const struct persona *persona, struct config_errors *errors);

#endif
