/*
 * store_ledger: transactions whose every half is told from its whole.
 *
 * Role    transaction n writes its number to two counters and to one of a few rows of any size, and
 *         deletes another; what a store holds then is the state after exactly one transaction
 * Owns    nothing
 * Thread  one
 */
#ifndef TESTS_STORE_LEDGER_H
#define TESTS_STORE_LEDGER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/store/store.h"

enum { LEDGER_ROWS = 7, LEDGER_TEXT_MAX = 20000 };

/* Which transaction has written each; 0: not there. */
struct ledger {
    unsigned counters[2], rows[LEDGER_ROWS];
    bool is_garbled; /* something is there that no transaction has written */
};

/* The text that transaction n writes to a row: short ones, and some of several pages. */
static inline size_t ledger_text(unsigned number, unsigned row, char into[LEDGER_TEXT_MAX])
{
    size_t length = (number * 2654435761u + row) % 11 == 0 ? number * 7919u % 15000 : number % 200;
    size_t at = (size_t)snprintf(into, LEDGER_TEXT_MAX, "{\"n\":%u,\"text\":\"", number);

    memset(into + at, 'a' + (char)(number % 26), length);
    at += length;
    memcpy(into + at, "\"}", 3);
    return at + 2;
}

static inline struct ledger ledger_after(struct ledger before, unsigned number)
{
    before.counters[0] = before.counters[1] = number;
    before.rows[(number + 3) % LEDGER_ROWS] = 0;
    before.rows[number % LEDGER_ROWS] = number;
    return before;
}

/* Transaction n. 0, or the error of the first call that failed; then it is rolled back. */
static inline int ledger_write(struct store *store, unsigned number)
{
    char id[8], *text = malloc(LEDGER_TEXT_MAX);
    bool changed;
    int r = store->ops->begin(store, &changed);
    size_t length = ledger_text(number, number % LEDGER_ROWS, text);

    for (unsigned i = 0; r == 0 && i < 2; i++) {
        char count[32];
        (void)snprintf(id, sizeof(id), "%u", i);
        (void)snprintf(count, sizeof(count), "{\"n\":%u}", number);
        r = store->ops->put(store, "counters", id, count, strlen(count));
    }
    (void)snprintf(id, sizeof(id), "%u", number % LEDGER_ROWS);
    if (r == 0)
        r = store->ops->put(store, "rows", id, text, length);
    (void)snprintf(id, sizeof(id), "%u", (number + 3) % LEDGER_ROWS);
    if (r == 0)
        r = store->ops->remove(store, "rows", id);
    if (r == 0)
        r = store->ops->commit(store);
    else
        store->ops->rollback(store);
    free(text);
    return r;
}

static inline int ledger_add_row(void *context, const char *kind, const char *id, const char *json,
                                 size_t length)
{
    struct ledger *ledger = context;
    unsigned index = (unsigned)strtoul(id, NULL, 10), number = 0;
    char *text = malloc(LEDGER_TEXT_MAX);

    if (sscanf(json, "{\"n\":%u", &number) != 1 || number == 0)
        ledger->is_garbled = true;
    if (strcmp(kind, "counters") == 0 && index < 2)
        ledger->counters[index] = number;
    else if (strcmp(kind, "rows") == 0 && index < LEDGER_ROWS &&
             ledger_text(number, index, text) == length && memcmp(text, json, length) == 0)
        ledger->rows[index] = number;
    else
        ledger->is_garbled = true;
    free(text);
    return 0;
}

static inline struct ledger ledger_read(struct store *store)
{
    struct ledger ledger = { 0 };

    if (store->ops->load(store, ledger_add_row, &ledger) < 0)
        ledger.is_garbled = true;
    return ledger;
}

static inline bool ledger_equal(const struct ledger *a, const struct ledger *b)
{
    return memcmp(a->counters, b->counters, sizeof(a->counters)) == 0 &&
           memcmp(a->rows, b->rows, sizeof(a->rows)) == 0 && !a->is_garbled && !b->is_garbled;
}

static inline void ledger_print(const struct ledger *ledger, char *into, size_t size)
{
    size_t at = (size_t)snprintf(into, size, "%s%u %u:", ledger->is_garbled ? "garbled " : "",
                                 ledger->counters[0], ledger->counters[1]);

    for (unsigned i = 0; i < LEDGER_ROWS; i++)
        at += (size_t)snprintf(into + at, size - at, " %u", ledger->rows[i]);
}

#endif
