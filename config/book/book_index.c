/* book_index: an open hash of texts that lie elsewhere. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/book/book_priv.h"

/* FNV-1a: who writes entities may do worse than collide them. */
uint32_t book_hash(const char *text)
{
    uint32_t hash = 2166136261u;

    for (; text && *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash ^ hash >> 16;
}

int book_index_init(struct book_index *index, size_t count_max)
{
    size_t size = 16;

    while (size < count_max * 2)
        size *= 2;
    index->slots = calloc(size, sizeof(*index->slots));
    index->mask = size - 1;
    return index->slots ? 0 : -ENOMEM;
}

void book_index_done(struct book_index *index)
{
    free(index->slots);
    *index = (struct book_index){ 0 };
}

void book_index_add(struct book_index *index, const char *text, uint32_t hash, uint32_t value)
{
    size_t at = hash & index->mask;

    if (!text)
        return;
    while (index->slots[at].text)
        at = (at + 1) & index->mask;
    index->slots[at] = (struct book_slot){ text, hash, value };
}

int64_t book_index_find(const struct book_index *index, const char *text)
{
    uint32_t hash = book_hash(text);

    if (!text || !index->slots)
        return -1;
    for (size_t at = hash & index->mask; index->slots[at].text; at = (at + 1) & index->mask)
        if (index->slots[at].hash == hash && strcmp(index->slots[at].text, text) == 0)
            return index->slots[at].value;
    return -1;
}
