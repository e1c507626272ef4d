/* The index: entries in buckets, buckets in nodes. See router_priv.h. */
#include <errno.h>
#include <stdlib.h>

#include "proxy/route/router_priv.h"

static size_t at_least_one(size_t count)
{
    return count > 0 ? count : 1;
}

/* ---- entries ---- */

static uint32_t node_of(struct router *router, const struct router_host_pattern *pattern)
{
    uint64_t hash = router_host_hash(pattern->kind, pattern->text);
    uint32_t node = router_map_find(&router->hosts, hash, pattern->kind, pattern->text);

    if (node != ROUTER_MAP_NONE)
        return node;
    node = (uint32_t)router->nodes_count++;
    router_map_add(&router->hosts, hash, pattern->kind, pattern->text, node);
    if (pattern->text.len > router->host_bytes_max[pattern->kind])
        router->host_bytes_max[pattern->kind] = pattern->text.len;
    return node;
}

/* The field by which the candidate's entries are set apart: one of which only certain values will
 * do. NULL: there is none. */
static const struct router_header *key_header(const struct router *router, uint32_t rank)
{
    const struct router_candidate *candidate = &router->candidates[rank];

    for (uint32_t i = 0; i < candidate->headers_count; i++) {
        const struct router_header *header = &router->headers[candidate->first_header + i];

        if (header->regexes_count == 0)
            return header;
    }
    return NULL;
}

static void add_entry(struct router *router, const struct router_entry *entry)
{
    const struct router_header *header = key_header(router, entry->rank);

    if (!header)
        router->entries[router->entries_count++] = *entry;
    for (uint32_t i = 0; header && i < header->values_count; i++) {
        struct router_entry *added = &router->entries[router->entries_count++];

        *added = *entry;
        added->key = router->header_values[header->first_value + i] + 1;
    }
}

/* One entry for each path of the candidate, in one node. */
static int add_entries_in(struct router *router, const struct router_entry *pattern)
{
    const struct router_candidate *candidate = &router->candidates[pattern->rank];
    const struct config_strings *paths = &candidate->route->paths;
    struct router_entry entry = *pattern;

    if (paths->count == 0)
        add_entry(router, &entry);
    for (size_t i = 0; i < paths->count; i++) {
        if (!router_candidate_has(router, candidate, i))
            continue;
        entry.order = (uint32_t)i;
        entry.path = slice_of(paths->items[i]);
        if (candidate->is_regex) {
            int r = router_regex_add(router, ROUTER_REGEX_PATH, paths->items[i] + 1, &entry.regex);

            if (r < 0)
                return r;
            if (entry.regex == ROUTER_NO_REGEX)
                continue;
            entry.path = router->regexes[entry.regex].literal;
        }
        add_entry(router, &entry);
    }
    return 0;
}

static int add_entries_of(struct router *router, uint32_t rank)
{
    const struct config_strings *hosts = &router->candidates[rank].route->hosts;
    struct router_entry entry = { .rank = rank, .regex = ROUTER_NO_REGEX };
    int r = hosts->count == 0 ? add_entries_in(router, &entry) : 0;

    for (size_t i = 0; r == 0 && i < hosts->count; i++) {
        struct router_host_pattern pattern =
            router_host_pattern_of(router->flavor, hosts->items[i]);

        entry.node = node_of(router, &pattern);
        entry.port = pattern.port;
        r = add_entries_in(router, &entry);
    }
    return r;
}

/* Entries of a bucket end up side by side, buckets of a node by ascending length. */
static int compare_entries(const void *left, const void *right)
{
    const struct router_entry *a = left, *b = right;
    int order;

    if (a->node != b->node)
        return a->node < b->node ? -1 : 1;
    if (a->path.len != b->path.len)
        return a->path.len < b->path.len ? -1 : 1;
    order = a->path.len > 0 ? memcmp(a->path.ptr, b->path.ptr, a->path.len) : 0;
    if (order != 0)
        return order;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

/* How many entries a route may have for each of its paths and hosts. */
static size_t keys_of(const struct config_route *route)
{
    size_t most = 1;

    for (size_t i = 0; i < route->headers_count; i++)
        if (route->headers[i].values.count > most)
            most = route->headers[i].values.count;
    return most;
}

static int build_entries(struct router *router, const struct config *config)
{
    size_t hosts_count = 0, entries_max = 1;
    int r = 0;

    for (size_t i = 0; i < config->routes_count; i++) {
        const struct config_route *route = &config->routes[i];

        hosts_count += route->hosts.count;
        entries_max +=
            at_least_one(route->hosts.count) * at_least_one(route->paths.count) * keys_of(route);
    }
    router->entries = calloc(entries_max, sizeof(*router->entries));
    if (!router->entries || router_map_init(&router->hosts, hosts_count) < 0)
        return -ENOMEM;
    router->nodes_count = 1;
    for (size_t rank = 0; r == 0 && rank < router->candidates_count; rank++)
        r = add_entries_of(router, (uint32_t)rank);
    qsort(router->entries, router->entries_count, sizeof(*router->entries), compare_entries);
    return r;
}

/* ---- buckets ---- */

/* Whether entries[i] begins a bucket; and if so, whether its length is new in its node. */
static bool begins_bucket(const struct router *router, size_t i, bool *ret_new_length)
{
    const struct router_entry *entry = &router->entries[i];
    const struct router_entry *before = i > 0 ? &entry[-1] : NULL;

    *ret_new_length = !before || before->node != entry->node || before->path.len != entry->path.len;
    return *ret_new_length || !slice_equal(before->path, entry->path);
}

static void add_bucket(struct router *router, size_t first_entry, bool new_length)
{
    struct router_node *node = &router->nodes[router->entries[first_entry].node];

    router->buckets[router->buckets_count++] =
        (struct router_bucket){ .first = (uint32_t)first_entry };
    if (!new_length)
        return;
    if (node->lengths_count++ == 0)
        node->first_length = (uint32_t)router->lengths_count;
    router->lengths[router->lengths_count++] = (uint32_t)router->entries[first_entry].path.len;
}

static int build_buckets(struct router *router)
{
    size_t buckets_max = router->entries_count + 1;

    router->nodes = calloc(router->nodes_count, sizeof(*router->nodes));
    router->buckets = calloc(buckets_max, sizeof(*router->buckets));
    router->lengths = calloc(buckets_max, sizeof(*router->lengths));
    if (!router->nodes || !router->buckets || !router->lengths)
        return -ENOMEM;
    for (size_t i = 0; i < router->entries_count; i++) {
        bool new_length;

        if (begins_bucket(router, i, &new_length))
            add_bucket(router, i, new_length);
        router->buckets[router->buckets_count - 1].count++;
    }
    if (router_map_init(&router->paths, router->buckets_count) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < router->buckets_count; i++) {
        const struct router_entry *entry = &router->entries[router->buckets[i].first];

        (void)router_map_put(&router->paths, entry->node, entry->path, (uint32_t)i);
    }
    return 0;
}

int router_build_index(struct router *router, const struct config *config)
{
    int r = build_entries(router, config);

    return r < 0 ? r : build_buckets(router);
}
