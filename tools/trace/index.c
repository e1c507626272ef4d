#include "tools/trace/index.h"

#include <stdlib.h>
#include <string.h>

static int compare_items(const void *a, const void *b, void *compare)
{
    return ((const struct trace_index *)compare)
        ->compare(*(struct trace_account *const *)a, *(struct trace_account *const *)b);
}

bool trace_index_make(struct trace_index *index, const struct trace *trace,
                      bool (*has_key)(const struct trace_account *account), trace_compare compare)
{
    *index = (struct trace_index){
        .items = calloc((size_t)trace->accounts_count + 1, sizeof(struct trace_account *)),
        .compare = compare,
    };
    if (!index->items)
        return false;
    for (struct trace_account *at = trace->first; at; at = at->next_in_trace)
        if (has_key(at))
            index->items[index->count++] = at;
    qsort_r(index->items, index->count, sizeof(*index->items), compare_items, index);
    return true;
}

void trace_index_done(struct trace_index *index)
{
    free(index->items);
    index->items = NULL;
}

size_t trace_index_first(const struct trace_index *index, const struct trace_account *key)
{
    size_t low = 0;
    size_t high = index->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (index->compare(index->items[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct trace_account *trace_index_same(const struct trace_index *index, size_t i,
                                       const struct trace_account *key)
{
    return i < index->count && index->compare(index->items[i], key) == 0 ? index->items[i] : NULL;
}

int trace_compare_text(struct slice one, struct slice other)
{
    size_t length = one.len < other.len ? one.len : other.len;
    int r = length > 0 ? memcmp(one.ptr, other.ptr, length) : 0;

    return r != 0 ? r : (one.len > other.len) - (one.len < other.len);
}
