/*
 * access_log_priv: one function per format.
 *
 * Role    access_log's table points here
 * Owns    nothing
 * Thread  one worker
 */
#ifndef PROXY_ACCESS_LOG_PRIV_H
#define PROXY_ACCESS_LOG_PRIV_H

#include "proxy/report/access_log.h"

struct slice access_log_kong_line(const struct exchange_record *record, struct arena *arena);
struct slice access_log_json_line(const struct exchange_record *record, struct arena *arena);

#endif
