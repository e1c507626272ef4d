/*
 * access_log_priv: one function per format that has no compiled one.
 *
 * Role    access_log's table points here
 * Owns    nothing
 * Thread  one worker
 */
#ifndef PROXY_ACCESS_LOG_PRIV_H
#define PROXY_ACCESS_LOG_PRIV_H

#include "proxy/report/access_log.h"

#define ACCESS_LOG_LINE(name)                                                   \
    struct slice access_log_##name##_line(const struct access_log_format *,     \
                                          const struct exchange_record *record, \
                                          struct arena *arena)

ACCESS_LOG_LINE(json);
ACCESS_LOG_LINE(serialize);
ACCESS_LOG_LINE(haproxy);
ACCESS_LOG_LINE(alb);

#endif
