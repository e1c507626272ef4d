#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "proxy/route/router_priv.h"

#define HASH_MIX 0x9e3779b97f4a7c15u /* 2^64 by the golden ratio: spreads what FNV left close */

int router_map_init(struct router_map *map, size_t keys_max)
{
    size_t slots = 8;

    while (slots < keys_max * 2) /* at most half full: probes stay short, and one slot stays free */
        slots *= 2;
    map->slots = calloc(slots, sizeof(*map->slots));
    map->mask = slots - 1;
    return map->slots ? 0 : -ENOMEM;
}

void router_map_done(struct router_map *map)
{
    free(map->slots);
    map->slots = NULL;
}

/* The slot that holds the key, or the free one where it would go. */
static struct router_map_slot *slot_of(const struct router_map *map, uint64_t hash, uint32_t scope,
                                       struct slice text)
{
    uint64_t mixed = hash * HASH_MIX;
    size_t at = (size_t)(mixed >> 32);
    uint32_t half = (uint32_t)mixed;

    for (;; at++) {
        struct router_map_slot *slot = &map->slots[at & map->mask];

        if (slot->value_plus_1 == 0 ||
            (slot->hash == half && slot->scope == scope && slice_equal(slot->text, text)))
            return slot;
    }
}

uint32_t router_map_find(const struct router_map *map, uint64_t hash, uint32_t scope,
                         struct slice text)
{
    return slot_of(map, hash, scope, text)->value_plus_1 - 1; /* free: wraps to ROUTER_MAP_NONE */
}

void router_map_add(struct router_map *map, uint64_t hash, uint32_t scope, struct slice text,
                    uint32_t value)
{
    struct router_map_slot *slot = slot_of(map, hash, scope, text);

    assert(slot->value_plus_1 == 0);
    *slot = (struct router_map_slot){
        .text = text, .scope = scope, .value_plus_1 = value + 1, .hash = (uint32_t)(hash * HASH_MIX)
    };
}

uint32_t router_map_get(const struct router_map *map, uint32_t scope, struct slice text)
{
    return router_map_find(map, router_hash_of(scope, text), scope, text);
}

uint32_t router_map_put(struct router_map *map, uint32_t scope, struct slice text, uint32_t value)
{
    uint64_t hash = router_hash_of(scope, text);
    uint32_t known = router_map_find(map, hash, scope, text);

    if (known != ROUTER_MAP_NONE)
        return known;
    router_map_add(map, hash, scope, text, value);
    return value;
}
