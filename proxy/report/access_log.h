/*
 * access_log: one line per exchange.
 *
 * Role    turns a finished exchange_record into text, in a format chosen by name or written by the user
 * Owns    nothing but its compiled format; the line lives in the arena
 * Thread  made on one thread, then read by all; no I/O (core/log writes)
 *
 * kong            Kong's kong_log_format: nginx's combined line and kong_request_id
 * combined        nginx's own
 * json            like the next, and beside it what only this hop knows: "hop", "reason", "client",
 *                 "phases_ms", and in each try its reason and both ends of its connection.
 *                 Credentials (Authorization, cookies) are REDACTED
 * kong-serialize  what kong.log.serialize gives to Kong's log plugins, see log_serialize.h
 * haproxy         HAProxy's "option httplog"
 * alb             the fields of an AWS Application Load Balancer's access log
 *
 * Anything else is nginx's log_format syntax, see log_format.h. Foreign bytes are escaped; a line never
 * holds a control byte but its newline.
 */
#ifndef PROXY_ACCESS_LOG_H
#define PROXY_ACCESS_LOG_H

#include <stdbool.h>

#include "core/cleanup.h"
#include "proxy/exchange/exchange_record.h"

struct log_definitions;
struct log_format;

struct access_log_format {
    struct slice (*line)(const struct access_log_format *format,
                         const struct exchange_record *record, struct arena *arena);
    struct log_format *compiled; /* NULL: the line has a function of its own */
    bool is_json;
    bool keeps_real_times; /* also in a lab where time passes faster, see stated_times */
};

/*
 * spec: a name of the table above, of a definition (NULL: there are none; the one chosen is taken), or
 * a text with "$". NULL, with a text for the operator in reterr.
 */
struct access_log_format *access_log_format_create(const char *spec,
                                                   struct log_definitions *definitions,
                                                   char *reterr, size_t reterr_size);
void access_log_format_free(struct access_log_format *format); /* accepts NULL */
DEFINE_SCOPED(access_log_format);

bool access_log_is_format(const char *name); /* of the table above */
const char *access_log_format_names(void);   /* "kong, combined, ..." */

/* One line with its newline; ptr NULL when there is no memory. */
static inline struct slice access_log_line(const struct access_log_format *format,
                                           const struct exchange_record *record,
                                           struct arena *arena)
{
    return format->line(format, record, arena);
}

#endif
