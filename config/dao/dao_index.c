#include <stdlib.h>
#include <string.h>

#include "config/dao/dao_index_priv.h"

void dao_index_init(struct dao_index *index)
{
    *index = (struct dao_index){ .random = 0x9e3779b97f4a7c15u };
}

/* A quarter of the nodes reaches each next level. Nobody outside can choose the heights, so nobody can
 * make the list slow. */
static unsigned pick_levels(struct dao_index *index)
{
    unsigned levels = 1;
    uint64_t bits;

    index->random ^= index->random << 13; /* xorshift64 */
    index->random ^= index->random >> 7;
    index->random ^= index->random << 17;
    for (bits = index->random; (bits & 3) == 0 && levels < DAO_INDEX_LEVELS_MAX; bits >>= 2)
        levels++;
    return levels;
}

struct dao_node *dao_index_make_node(struct dao_index *index, struct dao_row *row, struct slice key)
{
    unsigned levels = pick_levels(index);
    size_t head = sizeof(struct dao_node) + levels * sizeof(struct dao_node *);
    struct dao_node *node = malloc(head + key.len + 1);
    char *bytes = (char *)node + head;

    if (!node)
        return NULL;
    if (key.len > 0)
        memcpy(bytes, key.ptr, key.len);
    bytes[key.len] = '\0';
    node->row = row;
    node->key = (struct slice){ bytes, key.len };
    node->levels = levels;
    return node;
}

static int compare(struct slice a, struct slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter > 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* On each level the place of the pointer that leads over `key`: to the first node not before it, or
 * behind it. */
static void find(struct dao_index *index, struct slice key, bool behind,
                 struct dao_node **places[DAO_INDEX_LEVELS_MAX])
{
    struct dao_node **from = index->first;

    for (unsigned level = DAO_INDEX_LEVELS_MAX; level-- > 0;) {
        while (from[level] && compare(from[level]->key, key) < (behind ? 1 : 0))
            from = from[level]->next;
        places[level] = &from[level];
    }
}

bool dao_index_link(struct dao_index *index, struct dao_node *node)
{
    struct dao_node **places[DAO_INDEX_LEVELS_MAX];

    find(index, node->key, false, places);
    if (*places[0] && compare((*places[0])->key, node->key) == 0)
        return false;
    for (unsigned level = 0; level < node->levels; level++) {
        node->next[level] = *places[level];
        *places[level] = node;
    }
    index->count++;
    return true;
}

void dao_index_unlink(struct dao_index *index, struct dao_node *node)
{
    struct dao_node **places[DAO_INDEX_LEVELS_MAX];

    find(index, node->key, false, places);
    for (unsigned level = 0; level < node->levels; level++)
        *places[level] = node->next[level];
    index->count--;
}

static struct dao_node *seek(const struct dao_index *index, struct slice key, bool behind)
{
    struct dao_node **places[DAO_INDEX_LEVELS_MAX];

    find((struct dao_index *)index, key, behind, places); /* only looks */
    return *places[0];
}

struct dao_node *dao_index_from(const struct dao_index *index, struct slice key)
{
    return seek(index, key, false);
}

struct dao_node *dao_index_after(const struct dao_index *index, struct slice key)
{
    return seek(index, key, true);
}

struct dao_node *dao_index_get(const struct dao_index *index, struct slice key)
{
    struct dao_node *node = seek(index, key, false);

    return node && slice_equal(node->key, key) ? node : NULL;
}
