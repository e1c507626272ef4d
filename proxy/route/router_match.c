/* The search for one request. */
#include <stdlib.h>

#include "core/utf8.h"
#include "proxy/route/router_priv.h"

struct search {
    const struct router *router;
    const struct router_request *request;
    struct router_scratch *scratch;
    const struct router_entry *best; /* NULL: none yet */
    uint64_t best_key;               /* of it: lower is better; UINT64_MAX: none */
    bool best_is_unknown;            /* a regex of it was cut off: then there is no route */
};

/* ---- what is left to check of an entry ----------------------------------------------------- */

bool router_method_matches(const struct config_route *route, struct slice method)
{
    for (size_t i = 0; i < route->methods.count; i++) {
        if (slice_equal(slice_of(route->methods.items[i]), method))
            return true;
    }
    return route->methods.count == 0;
}

/* The last dot of a route's name does not count; a wildcard is any text, also an empty one. */
static bool sni_fits(enum router_flavor flavor, const char *pattern, struct slice name)
{
    struct slice wanted = slice_of(pattern);

    if (wanted.len > 1 && wanted.ptr[wanted.len - 1] == '.')
        wanted.len--;
    if (flavor == ROUTER_TRADITIONAL || wanted.len == 0)
        return slice_equal(wanted, name);
    if (wanted.ptr[0] == '*') {
        wanted = slice_from(wanted, 1);
        return name.len >= wanted.len &&
               slice_equal(slice_from(name, name.len - wanted.len), wanted);
    }
    if (wanted.ptr[wanted.len - 1] == '*') {
        wanted.len--;
        return slice_starts_with(name, wanted);
    }
    return slice_equal(wanted, name);
}

bool router_sni_matches(const struct router *router, const struct config_route *route,
                        const struct router_request *request)
{
    if (route->snis.count == 0 || !request->over_tls)
        return true;
    for (size_t i = 0; i < route->snis.count; i++)
        if (request->server_name.len > 0 &&
            sni_fits(router->flavor, route->snis.items[i], request->server_name))
            return true;
    return false;
}

static enum router_answer entry_matches(const struct search *search,
                                        const struct router_entry *entry)
{
    const struct router *router = search->router;
    const struct router_candidate *candidate = &router->candidates[entry->rank];
    enum router_answer fields, path;

    if ((entry->port != 0 && entry->port != search->scratch->host.port) ||
        !router_method_matches(candidate->route, search->request->method) ||
        !router_sni_matches(router, candidate->route, search->request))
        return ROUTER_NO;
    fields = router_headers_match(router, candidate, search->scratch);
    if (fields == ROUTER_NO || entry->regex == ROUTER_NO_REGEX)
        return fields;
    path = router_regex_matches(router, entry->regex, search->request->path, search->scratch);
    return path == ROUTER_YES ? fields : path;
}

/* ---- which entry is better ----------------------------------------------------------------- */

/* The least key that this entry and those behind it in its bucket may have. */
static uint64_t least_key(const struct search *search, const struct router_entry *entry)
{
    if (search->router->flavor == ROUTER_TRADITIONAL)
        return (uint64_t)search->router->candidates[entry->rank].category_order << 33;
    return entry->rank;
}

/* "traditional" takes each category's reduced set first and then all of it. UINT64_MAX: not looked at. */
static uint64_t key_of(const struct search *search, const struct router_entry *entry)
{
    const struct router_candidate *candidate = &search->router->candidates[entry->rank];
    bool is_reduced;

    if (search->router->flavor != ROUTER_TRADITIONAL)
        return entry->rank;
    if (candidate->category_order < search->scratch->potential.floor)
        return UINT64_MAX;
    is_reduced =
        router_traditional_is_reduced(search->router, candidate, search->request, search->scratch);
    return (uint64_t)candidate->category_order << 33 | (uint64_t)!is_reduced << 32 | entry->rank;
}

static void consider(struct search *search, const struct router_entry *entry)
{
    uint64_t key = key_of(search, entry);
    bool is_better = key < search->best_key || (search->best && key == search->best_key &&
                                                entry->order < search->best->order);
    enum router_answer answer = is_better ? entry_matches(search, entry) : ROUTER_NO;

    if (answer == ROUTER_NO)
        return;
    search->best_is_unknown = answer == ROUTER_UNKNOWN;
    search->best = entry;
    search->best_key = key;
}

/* ---- the walk ------------------------------------------------------------------------------ */

/* The first entry of the bucket with that key, or where it would be. */
static const struct router_entry *find_key(const struct router_entry *entry, size_t count,
                                           uint32_t key)
{
    while (count > 0) {
        size_t half = count / 2;

        if (entry[half].key < key) {
            entry += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return entry;
}

static void search_key(struct search *search, const struct router_bucket *bucket, uint32_t key)
{
    const struct router_entry *first = &search->router->entries[bucket->first];
    const struct router_entry *end = first + bucket->count;
    const struct router_entry *entry = key == 0 ? first : find_key(first, bucket->count, key);

    for (; entry < end && entry->key == key && least_key(search, entry) <= search->best_key;
         entry++)
        consider(search, entry);
}

static void search_bucket(struct search *search, const struct router_bucket *bucket)
{
    const struct router_scratch *scratch = search->scratch;

    search_key(search, bucket, 0);
    if (search->router->entries[bucket->first + bucket->count - 1].key == 0)
        return;
    for (size_t i = 0; i < scratch->keys_count; i++)
        search_key(search, bucket, scratch->keys[i]);
}

static void search_node(struct search *search, uint32_t index)
{
    const struct router *router = search->router;
    const struct router_node *node = &router->nodes[index];
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

static void on_wildcard(void *context, uint32_t node)
{
    search_node(context, node);
}

static void search_all(struct search *search)
{
    const struct router *router = search->router;
    const struct router_host *host = &search->scratch->host;

    search_node(search, 0);
    for (size_t i = 0; i < host->exact_count; i++) {
        struct slice text = host->exact[i];
        uint32_t node = ROUTER_MAP_NONE;

        if (text.len > 0 && text.len <= router->host_bytes_max[ROUTER_NODE_EXACT])
            node = router_map_find(&router->hosts, router_host_hash(ROUTER_NODE_EXACT, text),
                                   ROUTER_NODE_EXACT, text);
        if (node != ROUTER_MAP_NONE)
            search_node(search, node);
    }
    router_host_each_wildcard(router, host, on_wildcard, search);
}

/* ---- scratch ------------------------------------------------------------------------------- */

static bool grow(void *member, size_t *capacity, size_t wanted, size_t item_size)
{
    void **items = member;
    void *grown;

    if (wanted <= *capacity)
        return true;
    grown = calloc(wanted, item_size); /* what is remembered of earlier requests is of no use */
    if (!grown)
        return false;
    free(*items);
    *items = grown;
    *capacity = wanted;
    return true;
}

static void forget(void *stamps, size_t bytes)
{
    if (stamps)
        memset(stamps, 0, bytes);
}

static bool scratch_begin(struct router_scratch *scratch, const struct router *router)
{
    if (!grow(&scratch->regexes, &scratch->regexes_capacity, router->regexes_count,
              sizeof(*scratch->regexes)) ||
        !grow(&scratch->name_stamps, &scratch->names_capacity, router->names_count,
              sizeof(*scratch->name_stamps)) ||
        !grow(&scratch->text_stamps, &scratch->texts_capacity, router->texts_count,
              sizeof(*scratch->text_stamps)))
        return false;
    if (++scratch->stamp == 0) { /* after 2^32 requests: nothing may look like of this one */
        forget(scratch->regexes, scratch->regexes_capacity * sizeof(*scratch->regexes));
        forget(scratch->name_stamps, scratch->names_capacity * sizeof(*scratch->name_stamps));
        forget(scratch->text_stamps, scratch->texts_capacity * sizeof(*scratch->text_stamps));
        scratch->stamp = 1;
    }
    regex_matcher_begin(scratch->matcher);
    return true;
}

struct router_scratch *router_scratch_create(void)
{
    struct router_scratch *scratch = calloc(1, sizeof(*scratch));

    if (!scratch)
        return NULL;
    scratch->matcher = regex_matcher_create();
    if (!scratch->matcher) {
        router_scratch_free(scratch);
        return NULL;
    }
    return scratch;
}

void router_scratch_free(struct router_scratch *scratch)
{
    if (!scratch)
        return;
    regex_matcher_free(scratch->matcher);
    free(scratch->regexes);
    free(scratch->name_stamps);
    free(scratch->text_stamps);
    free(scratch->lower);
    free(scratch);
}

/* ---- public -------------------------------------------------------------------------------- */

/* Kong's matching engine takes UTF-8 only; anything else is an error there, and that a 404. */
static bool is_readable(const struct router *router, const struct router_request *request)
{
    return router->flavor == ROUTER_TRADITIONAL ||
           ((!router->matches_paths || utf8_is_valid(request->path)) &&
            (!router->matches_hosts || utf8_is_valid(request->host)) &&
            (!router->matches_snis || utf8_is_valid(request->server_name)));
}

static void fill_match(const struct search *search, struct router_match *ret)
{
    const struct router *router = search->router;
    const struct router_entry *best = search->best;
    const struct config_route *route = router->candidates[best->rank].route;
    const char *path = search->request->path.ptr;

    *ret = (struct router_match){
        .route = route,
        .service = route->service,
        .matched_prefix = { path, best->path.len },
        .is_v1 = router->flavor == ROUTER_TRADITIONAL && route->path_handling &&
                 strcmp(route->path_handling, "v1") == 0,
    };
    if (best->regex != ROUTER_NO_REGEX) {
        const struct router_regex_memo *memo = &search->scratch->regexes[best->regex];

        ret->regex = router->regexes[best->regex].regex;
        ret->matched_prefix = (struct slice){ path + memo->prefix_start, memo->prefix_bytes };
    }
}

bool router_match(const struct router *router, const struct router_request *request,
                  struct router_scratch *scratch, struct router_match *ret_match)
{
    struct search search = {
        .router = router, .request = request, .scratch = scratch, .best_key = UINT64_MAX
    };

    if (!is_readable(router, request) || !scratch_begin(scratch, router) ||
        !router_headers_read(router, request->fields, scratch))
        return false;
    router_host_of(router->flavor, request, &scratch->host);
    if (router->traditional && !router_traditional_begin(router, request, scratch))
        return false;
    search_all(&search);
    if (!search.best || search.best_is_unknown)
        return false;
    fill_match(&search, ret_match);
    return true;
}
