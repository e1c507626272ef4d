/*
 * passthrough, private: what its files share.
 *
 * Role    the log lines of a connection that is led on
 * Owns    nothing
 * Thread  one worker
 */
#ifndef PROXY_PASSTHROUGH_PRIV_H
#define PROXY_PASSTHROUGH_PRIV_H

#include "core/end_reason.h"
#include "core/slice.h"
#include "proxy/client/passthrough.h"

/* A line of the error log in the shape of nginx's stream module; detail is for the reason's %s. */
void passthrough_log_failure(const struct passthrough *self, enum end_reason reason,
                             struct slice detail);

/* The line of the access log. */
void passthrough_log_end(const struct passthrough *self, enum end_reason reason);

#endif
