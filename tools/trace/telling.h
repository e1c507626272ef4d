/*
 * telling: the fields by which a request is judged, and the hop that lost one of them on the way.
 *
 * Role    one table of names, each with the answers that it explains: who asked without Authorization gets a
 *         401, who does not hear of https a redirect without end
 * Owns    nothing; values are the trace's
 * Thread  the main thread
 *
 * What came to a hop is in its log, what went out of it is in that of the next one. Values of secrets are
 * not in logs: of them only the loss is seen, no change.
 */
#ifndef TOOLS_TRACE_TELLING_H
#define TOOLS_TRACE_TELLING_H

#include <jansson.h>

#include "tools/trace/account.h"

/* The telling ones of `headers` (names in lower case), for account->fields; NULL: no headers, no memory. */
const struct slice *telling_fields_read(struct trace *trace, const json_t *headers);

enum telling_how {
    TELLING_REMOVED,
    TELLING_CHANGED,
    TELLING_NOT_SAID,     /* it took TLS, passed on without, and did not tell */
    TELLING_NOT_BELIEVED, /* it was told, and answered as if it had not been */
};

struct telling_loss {
    enum telling_how how;
    const struct trace_account *hop, *next; /* next: who did not get it; NULL with NOT_BELIEVED */
    const char *field;                      /* "Authorization" */
    bool
        is_likely; /* that the answer came of it; else it is worth a remark, for it happens every day */
    struct slice before, after; /* values; empty: there was none */
};

/* What the hops of that chain, from the front on, did to a field that explains this status. */
bool telling_find(const struct trace_account *const *chain, unsigned count, unsigned status,
                  struct telling_loss *ret);

/* The answer sends the client to where it is already. */
bool telling_is_loop(const struct trace_account *front);

#endif
