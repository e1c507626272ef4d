/*
 * session_table: which client was sent to which target, for a while.
 *
 * Role    source-address and cookie-hash persistence of one upstream
 * Owns    a table of SESSION_TABLE_ENTRIES, no more: above, who is due to be forgotten first goes
 * Thread  any, without a lock: a client's next connection may come to another worker, so all of them
 *         share one table. A place is changed by who has swapped its key for "busy"; whoever comes
 *         second does without, and that client is balanced anew
 *
 * Targets are compared and never looked into: one that is gone is found in no upstream. Keys are
 * 64-bit hashes; two clients with the same one share a target, which does no harm.
 */
#ifndef LB_SESSION_TABLE_H
#define LB_SESSION_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/slice.h"

enum { SESSION_TABLE_ENTRIES = 65536 };

struct session_table;
struct target;

/* NULL: no memory. */
struct session_table *session_table_create(void);
void session_table_free(struct session_table *table);
DEFINE_SCOPED(session_table);

/* Of what a client is known by. */
uint64_t session_key(struct slice bytes);

/* A moment, in ms, and how long an entry lives from then on. */
struct session_clock {
    uint64_t now_ms, duration_ms;
};

/* NULL: it is not known, or not any more. A hit lives on for the duration. */
const struct target *session_table_find(struct session_table *table, uint64_t key,
                                        struct session_clock clock);

void session_table_put(struct session_table *table, uint64_t key, const struct target *target,
                       struct session_clock clock);

/* Calls `on_entry` for each entry that lives. */
void session_table_each(const struct session_table *table, uint64_t now_ms,
                        void (*on_entry)(void *asker, const struct target *target), void *asker);

#endif
