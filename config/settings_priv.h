/*
 * settings_priv: the table of all keys.
 *
 * Role    one row per key of kong.conf: type, default, range, and what hopgate does with it;
 *         and what the loader's files share
 * Owns    nothing; constant
 * Thread  any
 */
#ifndef CONFIG_SETTINGS_PRIV_H
#define CONFIG_SETTINGS_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "config/kong_conf.h"
#include "config/settings.h"

enum setting_type {
    SETTING_TEXT,      /* char * */
    SETTING_LIST,      /* struct config_strings, at commas */
    SETTING_WORDS,     /* struct config_strings, at commas and spaces */
    SETTING_SWITCH,    /* bool */
    SETTING_NUMBER,    /* uint32_t */
    SETTING_TIME,      /* uint64_t ms */
    SETTING_SIZE,      /* uint64_t bytes */
    SETTING_LISTEN,    /* struct listens */
    SETTING_AUTO,      /* uint32_t; "auto" is 0 */
    SETTING_AUTO_SIZE, /* uint64_t bytes; "auto" is SETTINGS_SIZE_AUTO */
    SETTING_POWER,     /* uint32_t, a power of two */
    SETTING_CIDRS,     /* struct addr_cidrs */
    SETTING_PORT_MAPS, /* struct settings_port_maps */
    SETTING_BUFFERS,   /* uint32_t count, and uint64_t size at `second_offset` */
    SETTING_ADDRESS,   /* struct sockaddr_storage */
    SETTING_ALIAS,     /* another name of `default_text` */
};

enum setting_state {
    SETTING_USED,
    SETTING_NO_EFFECT, /* accepted; a value other than the default gives a notice with the reason */
    SETTING_REFUSED,   /* a value other than the default is an error with the reason */
};

struct setting {
    const char *name; /* "pg_*": every key that begins so and is not listed itself */
    enum setting_type type;
    enum setting_state state;
    const char *default_text; /* Kong's; NULL: none */
    uint64_t min, max;        /* of numbers, ms, bytes; both 0: no limit */
    const char *one_of;       /* "a, b"; each word of a list */
    const char *supported;    /* those of one_of that hopgate runs; NULL: all */
    const char *reason;       /* why it has no effect or is refused */
    bool tells_what_to_do;    /* the reason does; else "remove it" is added */
    bool is_real;             /* of a time: hopgate_time_scale leaves it alone */
    size_t offset, second_offset;
};

extern const struct setting settings_table[];
extern const size_t settings_table_count;

/*
 * The row of a key after other names are resolved, or NULL. nginx_proxy_X and nginx_location_X are
 * nginx_http_X where the latter is used: the same directive further in. Rows that are used are those of
 * settings_table; others may stand elsewhere.
 */
const struct setting *settings_find(const char *key);

/* What is known of an injected directive without an equal here, whatever its block; or NULL. */
const struct setting *settings_find_directive(const char *key);

/* Not NULL: a directive that nginx takes in outer blocks only. */
const struct setting *settings_check_location(const char *key);

struct settings_loading {
    struct settings *settings;
    struct config_errors *errors;
    const struct kong_conf_entry *entry; /* NULL: a default is being read */
};

struct config_place settings_entry_place(const struct settings_loading *loading, bool at_key);

/* Reads the text into the member. 0, -EINVAL after adding an error, -ENOMEM. */
int settings_set_value(const struct settings_loading *loading, const struct setting *setting,
                       const char *text);

/* settings_buffers.c: sizes that do not fit each other. */
void settings_check_buffers(const struct settings *settings, struct config_errors *errors);

#endif
