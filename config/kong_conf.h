/*
 * kong_conf: the lines of a kong.conf, before anyone asks what they mean.
 *
 * Role    "key = value  # comment" as entries with positions; KONG_… and HOPGATE_… variables as
 * well Owns    struct kong_conf owns its texts Thread  any
 */
#ifndef CONFIG_KONG_CONF_H
#define CONFIG_KONG_CONF_H

#include "config/config_error.h"
#include "core/slice.h"

struct kong_conf_entry {
    char *key;                 /* as a file has it, also for a variable */
    char *value;               /* trimmed, quotes removed; never empty */
    char *variable;            /* "KONG_PROXY_LISTEN"; NULL: from the file */
    unsigned line, key_column; /* from 1; 0 for a variable */
    unsigned value_column;
};

struct kong_conf {
    struct kong_conf_entry *items;
    size_t count;
};

/* Mistakes go to `errors`. A key without a value is as if it were not there. 0 or -ENOMEM. */
int kong_conf_parse(struct kong_conf *conf, struct slice text, const char *file,
                    struct config_errors *errors);

/* Every KONG_X becomes key x and every HOPGATE_X key hopgate_x. 0 or -ENOMEM. */
int kong_conf_add_environment(struct kong_conf *conf, char *const *environment);

void kong_conf_done(struct kong_conf *conf);

#endif
