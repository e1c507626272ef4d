/*
 * memory_budget: how much memory the process may use for what grows with traffic.
 *
 * Role    counts bytes by owner, in one account per worker; says at which level the sum of all is
 * Owns    the accounts, the sum, the level
 * Thread  an account: its worker adds, any thread reads; the limit is set by the main thread; the sum
 *         and the level are shared. An account reports to the sum in batches, so that the line that
 *         all workers write is touched once per some dozen KiB of growth and not at all while chunks
 *         go from hand to hand
 *
 *   NORMAL  below 75 % of the limit
 *   SOFT    no keep-alive, no new connections, idle ones are closed
 *   HARD    from 85 %: also no new exchanges
 *   CUT     from 95 %: also the exchanges that make the least of what they hold are ended
 *   FULL    from 100 %: also no further memory is given
 *
 * A level is left when the sum is 5 % of the limit below its mark, so that it does not flap.
 */
#ifndef CORE_MEMORY_BUDGET_H
#define CORE_MEMORY_BUDGET_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

enum memory_owner {
    MEMORY_BUFFERS,     /* bytes on their way: heads, content, TLS records */
    MEMORY_ARENAS,      /* what exchanges note and write */
    MEMORY_STORED,      /* request content that is kept in memory */
    MEMORY_SPARE,       /* chunks that wait for their next user */
    MEMORY_RECEIVE,     /* receive buffers of the rings; a fixed amount */
    MEMORY_TLS,         /* OpenSSL's; estimated */
    MEMORY_CONNECTIONS, /* of clients and to targets, kept idle ones too: the objects */
    MEMORY_EXCHANGES,   /* the objects, running and spare */
    MEMORY_OWNERS
};

enum memory_level { MEMORY_NORMAL, MEMORY_SOFT, MEMORY_HARD, MEMORY_CUT, MEMORY_FULL };

const char *memory_owner_text(enum memory_owner owner);
const char *memory_level_text(enum memory_level level);

struct memory_budget;

struct memory_account {
    alignas(
        64) _Atomic int64_t bytes[MEMORY_OWNERS]; /* one writer; sums make sense, not one alone */
    int64_t unreported;                           /* not in the budget's sum yet */
    struct memory_budget *budget;
    void (*on_pressure)(void *owner); /* after a report that found a level above NORMAL; or NULL */
    void *owner;
};

/* NULL: no memory. There is no limit yet. */
struct memory_budget *memory_budget_create(unsigned accounts_count);
void memory_budget_free(struct memory_budget *budget);
DEFINE_SCOPED(memory_budget);

/* on_level: the level has changed. On whatever thread changed it, in the midst of an allocation: it
 * may log and wake somebody, no more. Set before any account is used. */
void memory_budget_on_level(struct memory_budget *budget,
                            void (*on_level)(void *owner, enum memory_level from,
                                             enum memory_level to),
                            void *owner);

/* 0: no limit, the level is NORMAL. */
void memory_budget_set_limit(struct memory_budget *budget, uint64_t bytes);
uint64_t memory_budget_limit(const struct memory_budget *budget);

struct memory_account *memory_budget_account(struct memory_budget *budget, unsigned index);

enum memory_level memory_budget_level(const struct memory_budget *budget);

/* Of all accounts, as reported; and by owner, as counted. */
uint64_t memory_budget_used(const struct memory_budget *budget);
uint64_t memory_budget_used_by(const struct memory_budget *budget, enum memory_owner owner);

/* Bytes that must go until `level` is left; 0: none. */
uint64_t memory_budget_excess(const struct memory_budget *budget, enum memory_level level);

/* ---- the worker's; account may be NULL: nothing is counted ---- */

/* Tells the budget what it was not told yet. */
void memory_account_report(struct memory_account *account);

void memory_account_add(struct memory_account *account, enum memory_owner owner, int64_t bytes);

static inline void memory_account_move(struct memory_account *account, enum memory_owner from,
                                       enum memory_owner to, int64_t bytes)
{
    if (!account)
        return;
    /* one writer: no read-modify-write is needed */
    atomic_store_explicit(&account->bytes[from],
                          atomic_load_explicit(&account->bytes[from], memory_order_relaxed) - bytes,
                          memory_order_relaxed);
    atomic_store_explicit(&account->bytes[to],
                          atomic_load_explicit(&account->bytes[to], memory_order_relaxed) + bytes,
                          memory_order_relaxed);
}

static inline enum memory_level memory_account_level(const struct memory_account *account)
{
    return account ? memory_budget_level(account->budget) : MEMORY_NORMAL;
}

uint64_t memory_account_used(const struct memory_account *account);

#endif
