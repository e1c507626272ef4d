/*
 * causes: what each way to fail is called, and which setting of which product decides it.
 *
 * Role    words for verdict.c
 * Owns    nothing
 * Thread  any
 */
#ifndef TOOLS_TRACE_CAUSES_H
#define TOOLS_TRACE_CAUSES_H

#include "core/end_reason.h"
#include "core/slice.h"

enum cause_setting {
    CAUSE_NO_SETTING,
    CAUSE_CONNECT_TIMEOUT,
    CAUSE_WRITE_TIMEOUT,
    CAUSE_READ_TIMEOUT,
    CAUSE_KEEPALIVE,
    CAUSE_HEAD_SIZE,
    CAUSE_CLIENT_PATIENCE,
    CAUSE_RETRIES,
    CAUSE_RETRY_CONDITION,
    CAUSE_SETTING_COUNT
};

struct cause {
    enum end_reason reason;
    const char *what; /* follows the target's name: "refused the connection" */
    const char *fix;  /* an imperative; %s is the setting, at most once */
    enum cause_setting setting;
    bool is_wait; /* it ended because time was up */
};

/* Never NULL: what has no row of its own is told by its phrase. */
const struct cause *cause_of(enum end_reason reason, bool reused);

/* The same for what a wire of the lab did to the connection ("idle"); NULL: the hop's own words hold. */
const char *cause_wire_fix(struct slice fault, enum cause_setting *ret_setting);

/* By that fault a wire ends connections itself. */
bool cause_wire_ends(struct slice fault);

/* "proxy_read_timeout" for format "nginx"; our own hops use Kong's words. */
const char *cause_setting_name(enum cause_setting setting, const char *format);

#endif
