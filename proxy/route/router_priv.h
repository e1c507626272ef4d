/*
 * router_priv: the parts of the router that are tested by themselves.
 *
 * Role    the priority of a route, and the hash table behind the lookups
 * Owns    see each struct
 * Thread  built by one, then read by all
 */
#ifndef PROXY_ROUTER_PRIV_H
#define PROXY_ROUTER_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/slice.h"

/* What the priority of a route (of one group of its paths) is made of. */
struct router_priority_inputs {
    bool has_methods, has_hosts, has_paths, has_snis;
    bool hosts_are_plain; /* has_hosts, and none holds a "*" */
    unsigned headers_count;
    bool paths_are_regexes;
    int regex_priority;  /* counts only with paths_are_regexes */
    size_t prefix_bytes; /* counts only without paths_are_regexes */
};

/* Greater wins. */
uint64_t router_priority(const struct router_priority_inputs *inputs);

/*
 * Finds numbers by (scope, text). The caller feeds the hash byte by byte, so that all prefixes of a
 * path are looked up in one walk. Keys come from the configuration and are borrowed; requests only
 * look up, hence a plain hash is enough.
 */
struct router_map_slot {
    struct slice text;
    uint32_t scope;
    uint32_t value_plus_1; /* 0: free */
};

struct router_map {
    struct router_map_slot *slots;
    size_t mask; /* slots - 1 */
};

static inline uint64_t router_hash_begin(uint32_t scope)
{
    return 0xcbf29ce484222325u ^ scope;
}

static inline uint64_t router_hash_add(uint64_t hash, char c)
{
    return (hash ^ (unsigned char)c) * 0x100000001b3u;
}

/* Room for keys_max keys. 0 or -ENOMEM. */
int router_map_init(struct router_map *map, size_t keys_max);
void router_map_done(struct router_map *map);

#define ROUTER_MAP_NONE UINT32_MAX

/* ROUTER_MAP_NONE when absent. `hash` is router_hash_begin(scope) and the bytes of text after it.
 */
uint32_t router_map_find(const struct router_map *map, uint64_t hash, uint32_t scope,
                         struct slice text);

/* The key must be absent, and there must be room. */
void router_map_add(struct router_map *map, uint64_t hash, uint32_t scope, struct slice text,
                    uint32_t value);

#endif
