/*
 * persistence: the same client goes to the same target again (hopgate.balancing's persistence).
 *
 * Role    by a cookie that says which target (F5's insert, rewrite, passive), or that is remembered
 *         (hash), or by the client's address
 * Owns    nothing; who is remembered stands in lb/session_table
 * Thread  one worker
 */
#ifndef PROXY_PERSISTENCE_H
#define PROXY_PERSISTENCE_H

#include "lb/upstream.h"
#include "proxy/exchange/exchange_record.h"

/* Where this client was sent before; NULL: nowhere, or not to a target that may be picked now. */
struct target *persistence_find(const struct exchange_record *record,
                                const struct upstream_targets *targets);

/* The client is sent there now. */
void persistence_note_try(const struct exchange_record *record,
                          const struct upstream_targets *targets, const struct target *target);

/* The same by a client's address alone, for connections of which nothing else is known. */
struct target *persistence_find_address(const struct config_upstream *upstream,
                                        const struct upstream_targets *targets,
                                        const struct sockaddr_storage *client);
void persistence_note_address(const struct config_upstream *upstream,
                              const struct upstream_targets *targets, const struct target *target,
                              const struct sockaddr_storage *client);

/* The target's answer goes to the client: gives it the cookie, or remembers the target's own. 0 or
 * -ENOMEM. */
int persistence_on_response(const struct exchange_record *record,
                            const struct upstream_targets *targets, const struct target *target,
                            struct fields *response);

/* As the log says it: "cookie", "cookie_hash", "source_address"; NULL: there is none. */
const char *persistence_name(const struct exchange_record *record);

#endif
