/*
 * config_host: what the Admin API asks of the running process.
 *
 * Role    fills struct admin_host: settings, node, figures, health of targets, the level of the log
 * Owns    nothing
 * Thread  the config thread; what only the main thread may touch is done there (main_calls)
 */
#ifndef PROXY_CONFIG_HOST_H
#define PROXY_CONFIG_HOST_H

#include "config/admin/admin.h"

struct gateway;

struct admin_host config_host(struct gateway *gateway, bool has_database);

#endif
