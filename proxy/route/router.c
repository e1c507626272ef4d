#include "proxy/route/router.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "core/uuid.h"
#include "proxy/route/router_priv.h"

/*
 * How a match is found without walking the routes.
 *
 * A route is split into candidates as Kong splits it: one per length of its paths. All candidates
 * are sorted by (priority, UUID); the index in that order is the rank, and the lowest rank that
 * matches wins.
 *
 * A host pattern is a node: exact, "*.suffix", "prefix.*", or any host. A candidate has an entry
 * for each of its host patterns with each of its paths. Entries of the same node and path lie
 * together, by rank: a bucket. A request looks up the few nodes that its host belongs to, and in
 * each node one bucket for each length that some path of the node has; what is left to check entry
 * by entry is port and method (later: fields and SNI).
 */
enum node_kind { NODE_ANY, NODE_EXACT, NODE_SUFFIX, NODE_PREFIX, NODE_KIND_COUNT };

struct candidate {
    const struct config_route *route;
    size_t path_bytes; /* length of the paths of this group; 0: the route has no paths */
    uint64_t priority;
    char id[UUID_TEXT_BYTES + 1];
};

struct entry {
    uint32_t node;
    uint32_t rank;
    uint32_t port; /* 0: any */
    struct slice path;
};

struct bucket {
    uint32_t first, count; /* entries */
};

struct node {
    uint32_t first_length, lengths_count; /* in router->lengths, ascending */
};

struct router {
    struct candidate *candidates; /* by rank */
    size_t candidates_count;
    struct entry *entries;
    size_t entries_count;
    struct node *nodes; /* node 0: any host */
    size_t nodes_count;
    struct bucket *buckets;
    size_t buckets_count;
    uint32_t *lengths;
    size_t lengths_count;
    struct router_map hosts;                /* (kind, text) -> node */
    struct router_map paths;                /* (node, path) -> bucket */
    size_t host_bytes_max[NODE_KIND_COUNT]; /* longest text: no look-up goes beyond it */
    bool matches_hosts, matches_paths;
};

/* ---- what a route says ---- */

struct host_pattern {
    enum node_kind kind;
    struct slice text; /* without the "*" */
    uint32_t port;     /* 0: none given */
};

/*
 * Kong splits at the first ":" and only if nothing but a number follows, so "::1" and "[::1]:80"
 * stay whole. *ret_port is untouched when there is none; 65536: a number that is no port.
 */
static struct slice split_port(struct slice host, uint32_t *ret_port)
{
    const char *colon = host.len > 0 ? memchr(host.ptr, ':', host.len) : NULL;
    const char *end;
    uint32_t port = 0;

    if (!colon || colon + 1 == host.ptr + host.len)
        return host;
    end = host.ptr + host.len;
    for (const char *at = colon + 1; at < end; at++) {
        if (*at < '0' || *at > '9')
            return host;
        port = port * 10 + (uint32_t)(*at - '0');
        if (port > UINT16_MAX)
            port = UINT16_MAX + 1;
    }
    *ret_port = port;
    return (struct slice){ host.ptr, (size_t)(colon - host.ptr) };
}

static struct host_pattern parse_host(const char *host)
{
    struct host_pattern pattern = { .kind = NODE_EXACT };

    pattern.text = split_port(slice_of(host), &pattern.port);
    if (pattern.text.len == 0)
        return pattern;
    if (pattern.text.ptr[0] == '*') {
        pattern.kind = NODE_SUFFIX;
        pattern.text = slice_from(pattern.text, 1);
    } else if (pattern.text.ptr[pattern.text.len - 1] == '*') {
        pattern.kind = NODE_PREFIX;
        pattern.text.len--;
    }
    return pattern;
}

static bool hosts_are_plain(const struct config_strings *hosts)
{
    for (size_t i = 0; i < hosts->count; i++) {
        if (strchr(hosts->items[i], '*'))
            return false;
    }
    return hosts->count > 0;
}

/* ---- candidates ---- */

static bool has_length(const struct candidate *candidates, size_t count, size_t path_bytes)
{
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].path_bytes == path_bytes)
            return true;
    }
    return false;
}

/* Kong gives the parts of a split route ids of their own (kong/router/transform.lua). */
static void set_candidate_id(struct candidate *candidate, size_t group, size_t groups_count)
{
    static const char split_namespace[] = "7f145bf9-0dce-4f91-98eb-debbce4b9f6b";
    char name[UUID_TEXT_BYTES + 32];

    if (groups_count == 1) {
        snprintf(candidate->id, sizeof(candidate->id), "%s", candidate->route->id);
        return;
    }
    snprintf(name, sizeof(name), "%.*s#%zu", UUID_TEXT_BYTES, candidate->route->id, group);
    (void)uuid_v5(split_namespace, slice_of(name),
                  candidate->id); /* fails on a bad namespace only */
}

static uint64_t candidate_priority(const struct candidate *candidate)
{
    const struct config_route *route = candidate->route;

    return router_priority(&(struct router_priority_inputs){
        .has_methods = route->methods.count > 0,
        .has_hosts = route->hosts.count > 0,
        .has_paths = route->paths.count > 0,
        .hosts_are_plain = hosts_are_plain(&route->hosts),
        .regex_priority = route->regex_priority,
        .prefix_bytes = candidate->path_bytes,
    });
}

static void add_candidates_of(struct router *router, const struct config_route *route)
{
    struct candidate *first = &router->candidates[router->candidates_count];
    size_t groups_count = 0;

    if (route->paths.count == 0)
        first[groups_count++] = (struct candidate){ .route = route };
    for (size_t i = 0; i < route->paths.count; i++) {
        size_t path_bytes = strlen(route->paths.items[i]);

        if (!has_length(first, groups_count, path_bytes))
            first[groups_count++] = (struct candidate){ .route = route, .path_bytes = path_bytes };
    }
    for (size_t i = 0; i < groups_count; i++) {
        set_candidate_id(&first[i], i + 1, groups_count);
        first[i].priority = candidate_priority(&first[i]);
    }
    router->candidates_count += groups_count;
}

static int compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;

    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    return -strcasecmp(a->id, b->id);
}

static bool is_routable(const struct config_route *route)
{
    return route->protocols != CONFIG_PROTOCOL_TLS_PASSTHROUGH &&
           (!route->service || route->service->enabled);
}

static size_t at_least_one(size_t count)
{
    return count > 0 ? count : 1;
}

static int build_candidates(struct router *router, const struct config *config)
{
    size_t candidates_max = 1; /* never 0, so that NULL means no memory */

    for (size_t i = 0; i < config->routes_count; i++)
        candidates_max += at_least_one(config->routes[i].paths.count);
    router->candidates = calloc(candidates_max, sizeof(*router->candidates));
    if (!router->candidates)
        return -ENOMEM;
    for (size_t i = 0; i < config->routes_count; i++) {
        const struct config_route *route = &config->routes[i];

        if (!is_routable(route))
            continue;
        add_candidates_of(router, route);
        router->matches_hosts |= route->hosts.count > 0;
        router->matches_paths |= route->paths.count > 0;
    }
    qsort(router->candidates, router->candidates_count, sizeof(*router->candidates),
          compare_candidates);
    return 0;
}

/* ---- entries ---- */

/* Suffixes are hashed from their end, so that all suffixes of a host take one walk. */
static uint64_t hash_host(enum node_kind kind, struct slice text)
{
    uint64_t hash = router_hash_begin(kind);

    for (size_t i = 0; i < text.len; i++)
        hash = router_hash_add(hash, text.ptr[kind == NODE_SUFFIX ? text.len - 1 - i : i]);
    return hash;
}

static uint32_t node_of(struct router *router, const struct host_pattern *pattern)
{
    uint64_t hash = hash_host(pattern->kind, pattern->text);
    uint32_t node = router_map_find(&router->hosts, hash, pattern->kind, pattern->text);

    if (node != ROUTER_MAP_NONE)
        return node;
    node = (uint32_t)router->nodes_count++;
    router_map_add(&router->hosts, hash, pattern->kind, pattern->text, node);
    if (pattern->text.len > router->host_bytes_max[pattern->kind])
        router->host_bytes_max[pattern->kind] = pattern->text.len;
    return node;
}

/* One entry for each path of the candidate, in one node. */
static void add_entries_in(struct router *router, uint32_t rank, uint32_t node, uint32_t port)
{
    const struct candidate *candidate = &router->candidates[rank];
    const struct config_strings *paths = &candidate->route->paths;
    struct entry entry = { .node = node, .rank = rank, .port = port };

    if (paths->count == 0)
        router->entries[router->entries_count++] = entry;
    for (size_t i = 0; i < paths->count; i++) {
        entry.path = slice_of(paths->items[i]);
        if (entry.path.len == candidate->path_bytes)
            router->entries[router->entries_count++] = entry;
    }
}

static void add_entries_of(struct router *router, uint32_t rank)
{
    const struct config_strings *hosts = &router->candidates[rank].route->hosts;

    if (hosts->count == 0)
        add_entries_in(router, rank, 0, 0);
    for (size_t i = 0; i < hosts->count; i++) {
        struct host_pattern pattern = parse_host(hosts->items[i]);

        add_entries_in(router, rank, node_of(router, &pattern), pattern.port);
    }
}

/* Entries of a bucket end up side by side, buckets of a node by ascending length. */
static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    int order;

    if (a->node != b->node)
        return a->node < b->node ? -1 : 1;
    if (a->path.len != b->path.len)
        return a->path.len < b->path.len ? -1 : 1;
    order = a->path.len > 0 ? memcmp(a->path.ptr, b->path.ptr, a->path.len) : 0;
    if (order != 0)
        return order;
    return (a->rank > b->rank) - (a->rank < b->rank);
}

static int build_entries(struct router *router, const struct config *config)
{
    size_t hosts_count = 0, entries_max = 1;

    for (size_t i = 0; i < config->routes_count; i++) {
        const struct config_route *route = &config->routes[i];

        hosts_count += route->hosts.count;
        entries_max += at_least_one(route->hosts.count) * at_least_one(route->paths.count);
    }
    router->entries = calloc(entries_max, sizeof(*router->entries));
    if (!router->entries || router_map_init(&router->hosts, hosts_count) < 0)
        return -ENOMEM;
    router->nodes_count = 1;
    for (size_t rank = 0; rank < router->candidates_count; rank++)
        add_entries_of(router, (uint32_t)rank);
    qsort(router->entries, router->entries_count, sizeof(*router->entries), compare_entries);
    return 0;
}

/* ---- buckets ---- */

/* Whether entries[i] begins a bucket; and if so, whether its length is new in its node. */
static bool begins_bucket(const struct router *router, size_t i, bool *ret_new_length)
{
    const struct entry *entry = &router->entries[i];
    const struct entry *before = i > 0 ? &entry[-1] : NULL;

    *ret_new_length = !before || before->node != entry->node || before->path.len != entry->path.len;
    return *ret_new_length || !slice_equal(before->path, entry->path);
}

static void add_bucket(struct router *router, size_t first_entry, bool new_length)
{
    struct node *node = &router->nodes[router->entries[first_entry].node];

    router->buckets[router->buckets_count++] = (struct bucket){ .first = (uint32_t)first_entry };
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
        const struct entry *entry = &router->entries[router->buckets[i].first];
        uint64_t hash = router_hash_begin(entry->node);

        for (size_t j = 0; j < entry->path.len; j++)
            hash = router_hash_add(hash, entry->path.ptr[j]);
        router_map_add(&router->paths, hash, entry->node, entry->path, (uint32_t)i);
    }
    return 0;
}

/* ---- matching ---- */

struct search {
    const struct router *router;
    const struct router_request *request;
    uint32_t port;
    const struct entry *best; /* NULL: none yet */
};

static bool method_matches(const struct config_strings *methods, struct slice method)
{
    for (size_t i = 0; i < methods->count; i++) {
        if (slice_equal(slice_of(methods->items[i]), method))
            return true;
    }
    return methods->count == 0;
}

static bool entry_matches(const struct search *search, const struct entry *entry)
{
    const struct candidate *candidate = &search->router->candidates[entry->rank];

    return (entry->port == 0 || entry->port == search->port) &&
           method_matches(&candidate->route->methods, search->request->method);
}

static void search_bucket(struct search *search, const struct bucket *bucket)
{
    const struct entry *entry = &search->router->entries[bucket->first];
    const struct entry *end = entry + bucket->count;

    for (; entry < end && (!search->best || entry->rank < search->best->rank); entry++) {
        if (entry_matches(search, entry)) {
            search->best = entry;
            return;
        }
    }
}

static void search_node(struct search *search, uint32_t index)
{
    const struct router *router = search->router;
    const struct node *node = &router->nodes[index];
    struct slice path = search->request->path;
    uint64_t hash = router_hash_begin(index);
    size_t hashed = 0;

    for (uint32_t i = 0; i < node->lengths_count; i++) {
        size_t length = router->lengths[node->first_length + i];
        uint32_t bucket;

        if (length > path.len)
            return;
        while (hashed < length)
            hash = router_hash_add(hash, path.ptr[hashed++]);
        bucket = router_map_find(&router->paths, hash, index, (struct slice){ path.ptr, length });
        if (bucket != ROUTER_MAP_NONE)
            search_bucket(search, &router->buckets[bucket]);
    }
}

static void search_host(struct search *search, uint64_t hash, enum node_kind kind,
                        struct slice text)
{
    uint32_t node = router_map_find(&search->router->hosts, hash, kind, text);

    if (node != ROUTER_MAP_NONE)
        search_node(search, node);
}

/* Wildcards stand for whole labels, so only dots can begin a suffix or end a prefix. */
static void search_wildcards(struct search *search, struct slice host)
{
    const size_t *bytes_max = search->router->host_bytes_max;
    uint64_t hash = router_hash_begin(NODE_SUFFIX);

    for (size_t i = 1; i <= host.len && i <= bytes_max[NODE_SUFFIX]; i++) {
        struct slice suffix = slice_from(host, host.len - i);

        hash = router_hash_add(hash, suffix.ptr[0]);
        if (suffix.ptr[0] == '.')
            search_host(search, hash, NODE_SUFFIX, suffix);
    }
    hash = router_hash_begin(NODE_PREFIX);
    for (size_t i = 1; i <= host.len && i <= bytes_max[NODE_PREFIX]; i++) {
        hash = router_hash_add(hash, host.ptr[i - 1]);
        if (host.ptr[i - 1] == '.')
            search_host(search, hash, NODE_PREFIX, (struct slice){ host.ptr, i });
    }
}

bool router_match(const struct router *router, const struct router_request *request,
                  struct router_match *ret_match)
{
    struct search search = { .router = router, .request = request, .port = request->port };
    struct slice host = split_port(request->host, &search.port);

    /* Kong's matching engine takes UTF-8 only; anything else is an error there, and that a 404 */
    if ((router->matches_paths && !utf8_is_valid(request->path)) ||
        (router->matches_hosts && !utf8_is_valid(host)))
        return false;
    search_node(&search, 0);
    if (host.len > 0 && host.len <= router->host_bytes_max[NODE_EXACT])
        search_host(&search, hash_host(NODE_EXACT, host), NODE_EXACT, host);
    search_wildcards(&search, host);
    if (!search.best)
        return false;
    *ret_match = (struct router_match){
        .route = router->candidates[search.best->rank].route,
        .service = router->candidates[search.best->rank].route->service,
        .matched_prefix = search.best->path,
    };
    return true;
}

struct router *router_create(const struct config *config)
{
    struct router *router = calloc(1, sizeof(*router));

    if (!router)
        return NULL;
    if (build_candidates(router, config) < 0 || build_entries(router, config) < 0 ||
        build_buckets(router) < 0)
        goto fail;
    return router;
fail:
    router_free(router);
    return NULL;
}

void router_free(struct router *router)
{
    if (!router)
        return;
    free(router->candidates);
    free(router->entries);
    free(router->nodes);
    free(router->buckets);
    free(router->lengths);
    router_map_done(&router->hosts);
    router_map_done(&router->paths);
    free(router);
}
