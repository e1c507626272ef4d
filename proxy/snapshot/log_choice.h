/*
 * log_choice: which format each access log has.
 *
 * Role    proxy_access_log and its like may name one, hopgate_access_log_format says one, the
 *         persona has one; nginx_http_log_format defines more names
 * Owns    nothing
 * Thread  while a configuration is loaded
 */
#ifndef PROXY_LOG_CHOICE_H
#define PROXY_LOG_CHOICE_H

#include "config/config.h"
#include "proxy/persona/persona.h"
#include "proxy/report/access_log.h"

struct log_choice {
    struct access_log_format *proxy, *status, *admin;
};

/* False: errors say why, and what was made is there all the same. */
bool log_choice_make(const struct settings *settings, const struct persona *persona,
                     struct config_errors *errors, struct log_choice *ret);
void log_choice_done(struct log_choice *choice);

#endif
