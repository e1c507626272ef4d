/*
 * admin_guard: who may speak to the Admin API, beside what the listener's TLS asks for.
 *
 * Role    a pure function from a request's head to a refusal: the token, and what a browser is misused
 *         for
 * Owns    nothing
 * Thread  any
 *
 * Kong has no such guard: a page that a browser on the same machine has open may send forms there
 * (no preflight asks for them), and a name that suddenly leads to 127.0.0.1 (DNS rebinding) lets it
 * read the answers as well. So a request that a page of another site has caused is refused by its
 * Origin or Sec-Fetch-Site, whatever its method; and one on a loopback address that is called by a
 * strange name by its Host. Who shows the token needs no such proof. Tools (curl, deck) send neither
 * field, and call the loopback by address, as localhost, or by the machine's own name.
 */
#ifndef PROXY_ADMIN_GUARD_H
#define PROXY_ADMIN_GUARD_H

#include "config/entities.h"
#include "core/http/head.h"

struct admin_guard {
    const char *token;                  /* NULL: none is asked for */
    const struct config_strings *hosts; /* names that are good beside the machine's own; "*": any */
    const struct config_strings *pages; /* addresses of a manager: its origins are good */
    const char *host_name;              /* the machine's */
    bool is_loopback;                   /* of the address that the connection was made to */
};

struct admin_verdict {
    unsigned status;     /* 0: it may */
    const char *message; /* for the client */
    bool showed_token;
};

/* What Access-Control-Allow-Origin says (kong/admin_gui/utils.lua): of several pages the one that asks, else
 * the first; without any who asks. ptr NULL: "*". origin: of the request; ptr NULL: none. */
struct slice admin_guard_origin(const struct config_strings *pages, struct slice origin);

struct admin_verdict admin_guard_judge(const struct admin_guard *guard,
                                       const struct http_head *request);

#endif
