/*
 * access_log: one line per exchange.
 *
 * Role    turns a finished exchange_record into text, in a format chosen by name
 * Owns    nothing; the line lives in the arena
 * Thread  one worker; no I/O (core/log writes)
 *
 * kong   nginx's combined line and kong_request_id
 * json   what kong.log.serialize gives (without querystring and workspace), and beside it what only
 *        this hop knows: "hop", "reason", "client", "phases_ms", and in each try its reason and
 * both ends of its connection. Credentials (Authorization, cookies) are REDACTED.
 *
 * Foreign bytes are escaped; a line never holds a control byte but its newline.
 */
#ifndef PROXY_ACCESS_LOG_H
#define PROXY_ACCESS_LOG_H

#include <stdbool.h>

#include "proxy/exchange/exchange_record.h"

struct access_log_format {
    const char *name;
    struct slice (*line)(const struct exchange_record *record, struct arena *arena);
};

/* NULL when there is none of that name. Found once, at start. */
const struct access_log_format *access_log_find(const char *name);

bool access_log_is_format(const char *name);
const char *access_log_format_names(void); /* "kong, json" */

/* One line with its newline; ptr NULL when there is no memory. */
static inline struct slice access_log_line(const struct access_log_format *format,
                                           const struct exchange_record *record,
                                           struct arena *arena)
{
    return format->line(record, arena);
}

#endif
