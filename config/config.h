/*
 * config: the folder's public face.
 *
 * Role    what a hop is told: kong.conf and environment (settings), entities (declarative file),
 * and what is wrong with them (config_error) Owns    see each header Thread  loading belongs to a
 * thread that may block; the results are read-only afterwards
 *
 *     struct config_errors errors;
 *     config_errors_init(&errors);
 *     r = settings_load("kong.conf", environ, &settings, &errors);
 *     r = config_load_file("kong.yaml", &config, &errors);
 *     config_errors_print(&errors, stderr);      also on success: it may hold warnings
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "config/config_error.h"
#include "config/declarative.h"
#include "config/entities.h"
#include "config/settings.h"

#endif
