/*
 * log_target: where an access log goes and what it looks like, as nginx's access_log directive says it.
 *
 * Role    "logs/access.log name buffer=32k" to its parts; Kong hands proxy_access_log over as it is
 * Owns    nothing; the parts point into the text
 * Thread  any
 */
#ifndef CONFIG_LOG_TARGET_H
#define CONFIG_LOG_TARGET_H

#include <stdbool.h>

#include "core/slice.h"

struct log_target {
    struct slice path;   /* "off" is one */
    struct slice format; /* empty: none is named */
    struct slice
        refused;      /* a parameter that changes what is logged and is not supported; or empty */
    bool is_buffered; /* parameters of writing are there: buffer=, flush= */
};

struct log_target log_target_of(const char *text);

#endif
