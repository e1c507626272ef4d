/*
 * index: accounts in some order, to find those with the same key without a walk over all.
 *
 * Role    a sorted list of pointers and a search in it
 * Owns    the list, until trace_index_done; not the accounts
 * Thread  the main thread
 */
#ifndef TOOLS_TRACE_INDEX_H
#define TOOLS_TRACE_INDEX_H

#include <stddef.h>

#include "tools/trace/account.h"

/* As qsort's: <0, 0, >0. */
typedef int (*trace_compare)(const struct trace_account *one, const struct trace_account *other);

struct trace_index {
    struct trace_account **items;
    size_t count;
    trace_compare compare;
};

/* All accounts that has_key says yes to. False: no memory; done is due all the same. */
bool trace_index_make(struct trace_index *index, const struct trace *trace,
                      bool (*has_key)(const struct trace_account *account), trace_compare compare);
void trace_index_done(struct trace_index *index);

/* Where accounts that are not less than the key begin. */
size_t trace_index_first(const struct trace_index *index, const struct trace_account *key);

/* The i-th if it equals the key, else NULL. */
struct trace_account *trace_index_same(const struct trace_index *index, size_t i,
                                       const struct trace_account *key);

int trace_compare_text(struct slice one, struct slice other);

#endif
