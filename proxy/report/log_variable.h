/*
 * log_variable: the facts of an exchange by nginx's names, for log formats.
 *
 * Role    one function per row of log_variable.def
 * Owns    nothing
 * Thread  any; log_variable_of: while a configuration is loaded
 */
#ifndef PROXY_LOG_VARIABLE_H
#define PROXY_LOG_VARIABLE_H

#include "proxy/exchange/exchange_record.h"
#include "proxy/report/text.h"

enum log_variable {
    LOG_LITERAL,
#define LOG_VARIABLE(name) LOG_##name,
#include "proxy/report/log_variable.def"
#undef LOG_VARIABLE
    LOG_http_, /* those of a whole family: the rest of the name is with the part */
    LOG_sent_http_,
    LOG_cookie_,
    LOG_arg_,
    LOG_VARIABLE_COUNT
};

struct log_part {
    enum log_variable variable;
    enum field_id field; /* of $http_... and $sent_http_..., if it is a known one */
    struct slice text;   /* the literal; the rest of a family's name */
};

struct log_scope {
    const struct exchange_record *record;
    enum text_escape escape;
    const struct log_part *part; /* that is being expanded */
};

/* Lower case, without "$". False: there is none. */
bool log_variable_of(struct slice name, struct log_part *ret_part);

/* The variable that was meant, or NULL. */
const char *log_variable_nearest(const char *name);

void log_variable_put(const struct log_scope *scope, struct text *into);

/* What several formats write. */
void log_put_ip(const struct exchange_record *record, struct text *into); /* who the client is */
void log_put_seconds(struct text *into, uint64_t span_us);                /* "0.031" */
void log_put_padded(struct text *into, uint64_t number, unsigned digits); /* at least so many */
struct slice log_variable_request_line(const struct exchange_record *record);
uint64_t log_body_bytes(const struct exchange_record *record);
uint32_t log_tries_kept(const struct exchange_record *record);

#endif
