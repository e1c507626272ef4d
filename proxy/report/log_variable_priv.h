/*
 * log_variable_priv: what the files of the variables share.
 *
 * Role    one function per variable, by its name; how values and absent ones are written
 * Owns    nothing
 * Thread  one worker
 */
#ifndef PROXY_LOG_VARIABLE_PRIV_H
#define PROXY_LOG_VARIABLE_PRIV_H

#include "proxy/report/log_variable.h"

#define LOG_VARIABLE(name) \
    void log_variable_put_##name(const struct log_scope *scope, struct text *into);
#include "proxy/report/log_variable.def"
#undef LOG_VARIABLE

void log_variable_put_http_(const struct log_scope *scope, struct text *into);
void log_variable_put_sent_http_(const struct log_scope *scope, struct text *into);
void log_variable_put_cookie_(const struct log_scope *scope, struct text *into);
void log_variable_put_arg_(const struct log_scope *scope, struct text *into);

/* nginx's "not found" */
static inline void put_absent(const struct log_scope *scope, struct text *into)
{
    if (scope->escape == TEXT_ESCAPE_LOG)
        text_add(into, SLICE("-"));
}

/* ptr NULL: absent. */
static inline void put_value(const struct log_scope *scope, struct text *into, struct slice value)
{
    if (value.ptr)
        text_add_escaped(into, value, scope->escape);
    else
        put_absent(scope, into);
}

static inline void put_string(const struct log_scope *scope, struct text *into, const char *value)
{
    put_value(scope, into, slice_of(value));
}

/* The same, and "" is absent. */
static inline void put_if(const struct log_scope *scope, struct text *into, const char *value)
{
    put_string(scope, into, value && *value ? value : NULL);
}

#endif
