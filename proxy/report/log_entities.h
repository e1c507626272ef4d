/*
 * log_entities: routes and services as JSON, with Kong's keys (kong/db/schema/entities).
 *
 * Role    "route" and "service" of kong.log.serialize
 * Owns    nothing; writes into the caller's text
 * Thread  one worker
 */
#ifndef PROXY_LOG_ENTITIES_H
#define PROXY_LOG_ENTITIES_H

#include "config/entities.h"
#include "proxy/report/json_text.h"

/* The workspace that a declarative file's entities are in (kong/constants.lua). */
#define KONG_DEFAULT_WORKSPACE "0dc6f45b-8f8d-40d2-a504-473544ee190b"

void log_add_route(struct json_object *parent, const struct config_route *route);
void log_add_service(struct json_object *parent, const struct config_service *service);

#endif
