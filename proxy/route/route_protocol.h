/*
 * route_protocol: a route was found; may this request take it?
 *
 * Role    what Kong checks after the match (kong/runloop/handler.lua, access.before)
 * Owns    nothing
 * Thread  one worker
 */
#ifndef PROXY_ROUTE_PROTOCOL_H
#define PROXY_ROUTE_PROTOCOL_H

#include "proxy/exchange/exchange_record.h"

/* END_OK, or how it is answered. Service or none does not matter yet, as in Kong. */
enum end_reason route_protocol_refusal(const struct exchange_record *record);

/* Whether the client came by https: what a trusted peer says of it counts more than the connection. */
bool route_protocol_is_https(const struct exchange_record *record);

#endif
