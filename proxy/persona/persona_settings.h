/*
 * persona_settings: kong.conf over persona.
 *
 * Role    a persona is a layer of defaults below kong.conf: what was set there explicitly wins
 * Owns    nothing
 * Thread  the configuration thread, before the persona is shared
 */
#ifndef PROXY_PERSONA_SETTINGS_H
#define PROXY_PERSONA_SETTINGS_H

#include "config/config.h"
#include "config/settings.h"
#include "proxy/persona/persona.h"

void persona_apply_settings(struct persona *persona, const struct settings *settings);

#endif
