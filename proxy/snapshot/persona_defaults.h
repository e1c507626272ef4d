/*
 * persona_defaults: what a persona says where a configuration file says nothing.
 *
 * Role    timeouts of services, and what becomes of an upstream of which no target is usable
 * Owns    nothing
 * Thread  the one that loads a snapshot, before anybody else sees it
 */
#ifndef PROXY_PERSONA_DEFAULTS_H
#define PROXY_PERSONA_DEFAULTS_H

#include "config/config.h"
#include "proxy/persona/persona.h"

void persona_defaults_fill_in(const struct persona *persona, struct config *config);

#endif
