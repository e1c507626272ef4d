/*
 * name_settings: the dns_* keys as the resolver wants them.
 *
 * Role    reads dns_resolver and dns_order, collects the rest
 * Owns    nothing; what it returns borrows from the settings
 * Thread  any
 */
#ifndef PROXY_NAME_SETTINGS_H
#define PROXY_NAME_SETTINGS_H

#include "config/settings.h"
#include "lb/resolver.h"

/* 0, or -EINVAL after adding errors. */
int name_settings_read(const struct settings *settings, struct resolver_options *ret,
                       struct config_errors *errors);

#endif
