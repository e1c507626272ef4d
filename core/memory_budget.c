#include "core/memory_budget.h"

#include <stdlib.h>
#include <string.h>

/* Percent of the limit at which a level begins; it ends as much below as LEAVE_PERCENT says. */
static const unsigned mark_percent[] = {
    [MEMORY_SOFT] = 75, [MEMORY_HARD] = 85, [MEMORY_CUT] = 95, [MEMORY_FULL] = 100
};

enum {
    LEAVE_PERCENT = 5,
    BATCH_MAX = 64 * 1024,
    BATCH_MIN = 4 * 1024,
    BATCHES_PER_LIMIT = 256, /* all accounts together are at most this part of the limit wrong */
};

struct memory_budget {
    alignas(64) _Atomic int64_t used;
    alignas(64) _Atomic uint64_t limit; /* what is read often and changes seldom */
    _Atomic int64_t batch;
    _Atomic int level;
    void (*on_level)(void *owner, enum memory_level from, enum memory_level to);
    void *owner;
    unsigned accounts_count;
    struct memory_account accounts[];
};

const char *memory_owner_text(enum memory_owner owner)
{
    static const char *const texts[MEMORY_OWNERS] = {
        [MEMORY_BUFFERS] = "buffers",         [MEMORY_ARENAS] = "arenas",
        [MEMORY_STORED] = "stored",           [MEMORY_SPARE] = "spare",
        [MEMORY_RECEIVE] = "receive_buffers", [MEMORY_TLS] = "tls",
        [MEMORY_CONNECTIONS] = "connections", [MEMORY_EXCHANGES] = "exchanges",
    };

    return texts[owner];
}

const char *memory_level_text(enum memory_level level)
{
    static const char *const texts[] = { "normal", "soft", "hard", "cut", "full" };

    return texts[level];
}

/* ---- life ---------------------------------------------------------------------------------- */

struct memory_budget *memory_budget_create(unsigned accounts_count)
{
    size_t bytes = sizeof(struct memory_budget) + accounts_count * sizeof(struct memory_account);
    struct memory_budget *budget = aligned_alloc(alignof(struct memory_budget), bytes);

    if (!budget)
        return NULL;
    memset(budget, 0, bytes);
    budget->accounts_count = accounts_count;
    for (unsigned i = 0; i < accounts_count; i++)
        budget->accounts[i].budget = budget;
    memory_budget_set_limit(budget, 0);
    return budget;
}

void memory_budget_free(struct memory_budget *budget)
{
    free(budget);
}

void memory_budget_on_level(struct memory_budget *budget,
                            void (*on_level)(void *owner, enum memory_level from,
                                             enum memory_level to),
                            void *owner)
{
    budget->on_level = on_level;
    budget->owner = owner;
}

struct memory_account *memory_budget_account(struct memory_budget *budget, unsigned index)
{
    return &budget->accounts[index];
}

/* ---- the level ----------------------------------------------------------------------------- */

static int64_t percent_of(uint64_t limit, unsigned percent)
{
    return (int64_t)(limit / 100 * percent + limit % 100 * percent / 100);
}

static int64_t leave_mark(uint64_t limit, enum memory_level level)
{
    return percent_of(limit, mark_percent[level] - LEAVE_PERCENT);
}

static enum memory_level level_for(uint64_t limit, int64_t used, enum memory_level present)
{
    enum memory_level level = MEMORY_NORMAL;

    for (enum memory_level l = MEMORY_SOFT; limit > 0 && l <= MEMORY_FULL; l++)
        if (used >= percent_of(limit, mark_percent[l]) ||
            (l <= present && used >= leave_mark(limit, l)))
            level = l;
    return level;
}

static void judge(struct memory_budget *budget)
{
    int present = atomic_load_explicit(&budget->level, memory_order_relaxed);
    enum memory_level next;

    do {
        next = level_for(memory_budget_limit(budget),
                         atomic_load_explicit(&budget->used, memory_order_relaxed),
                         (enum memory_level)present);
        if ((int)next == present)
            return;
    } while (!atomic_compare_exchange_weak(&budget->level, &present, (int)next));
    if (budget->on_level)
        budget->on_level(budget->owner, (enum memory_level)present, next);
}

void memory_budget_set_limit(struct memory_budget *budget, uint64_t bytes)
{
    int64_t batch = BATCH_MAX;

    if (bytes > 0 && budget->accounts_count > 0)
        batch = (int64_t)(bytes / BATCHES_PER_LIMIT / budget->accounts_count);
    batch = batch < BATCH_MIN ? BATCH_MIN : batch > BATCH_MAX ? BATCH_MAX : batch;
    atomic_store_explicit(&budget->batch, batch, memory_order_relaxed);
    atomic_store_explicit(&budget->limit, bytes, memory_order_relaxed);
    judge(budget);
}

uint64_t memory_budget_limit(const struct memory_budget *budget)
{
    return atomic_load_explicit(&budget->limit, memory_order_relaxed);
}

enum memory_level memory_budget_level(const struct memory_budget *budget)
{
    return (enum memory_level)atomic_load_explicit(&budget->level, memory_order_relaxed);
}

/* ---- figures ------------------------------------------------------------------------------- */

static uint64_t not_negative(int64_t bytes)
{
    return bytes > 0 ? (uint64_t)bytes : 0;
}

uint64_t memory_budget_used(const struct memory_budget *budget)
{
    return not_negative(atomic_load_explicit(&budget->used, memory_order_relaxed));
}

uint64_t memory_budget_used_by(const struct memory_budget *budget, enum memory_owner owner)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < budget->accounts_count; i++)
        sum += atomic_load_explicit(&budget->accounts[i].bytes[owner], memory_order_relaxed);
    return not_negative(sum);
}

uint64_t memory_budget_excess(const struct memory_budget *budget, enum memory_level level)
{
    uint64_t limit = memory_budget_limit(budget), used = memory_budget_used(budget);
    uint64_t mark = (uint64_t)leave_mark(limit, level);

    return limit > 0 && used >= mark ? used - mark + 1 : 0;
}

uint64_t memory_account_used(const struct memory_account *account)
{
    int64_t sum = 0;

    for (int i = 0; i < MEMORY_OWNERS; i++)
        sum += atomic_load_explicit(&account->bytes[i], memory_order_relaxed);
    return not_negative(sum);
}

/* ---- counting ------------------------------------------------------------------------------ */

void memory_account_report(struct memory_account *account)
{
    struct memory_budget *budget;

    if (!account)
        return;
    budget = account->budget;
    (void)atomic_fetch_add_explicit(&budget->used, account->unreported, memory_order_relaxed);
    account->unreported = 0;
    judge(budget);
    if (account->on_pressure && memory_budget_level(budget) != MEMORY_NORMAL)
        account->on_pressure(account->owner);
}

void memory_account_add(struct memory_account *account, enum memory_owner owner, int64_t bytes)
{
    int64_t batch;

    if (!account)
        return;
    atomic_store_explicit(&account->bytes[owner],
                          atomic_load_explicit(&account->bytes[owner], memory_order_relaxed) +
                              bytes,
                          memory_order_relaxed);
    account->unreported += bytes;
    batch = atomic_load_explicit(&account->budget->batch, memory_order_relaxed);
    if (account->unreported >= batch || account->unreported <= -batch)
        memory_account_report(account);
}
