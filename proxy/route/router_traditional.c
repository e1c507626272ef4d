/*
 * The flavour "traditional": kong/router/traditional.lua.
 *
 * A candidate's category is the set of attributes that it has. Categories with more attributes come
 * first, then those with the weightier ones. A search begins at the category of what the request
 * might match, if there is such a category: what has more attributes is not looked at then. In each
 * category a reduced set is tried first: those that share one value with the request.
 */
#include <errno.h>
#include <stdlib.h>

#include "proxy/route/router_priv.h"

struct wildcard {
    uint32_t node, port;
    uint32_t sorted, order; /* which one Kong finds first */
    const char *value;      /* as configured */
};

struct regex_place {
    uint32_t number;
    const char *value; /* as configured, without "~" */
};

struct router_traditional {
    uint32_t categories;         /* bit per category that exists */
    uint32_t *by_sort;           /* ranks, in the order that knows no categories */
    struct regex_place *regexes; /* in that order, each once */
    size_t regexes_count;
    struct wildcard *wildcards; /* by node, then in that order */
    size_t wildcards_count;
    uint32_t *first_wildcards; /* per node, and one more */
    uint32_t *names;           /* of fields, in that order, each once */
    size_t names_count;
    uint32_t *name_categories;  /* per name: bit per category that asks for it */
    struct router_map prefixes; /* every prefix path */
    size_t *lengths;            /* of them, ascending */
    size_t lengths_count;
    struct router_map values; /* (0, method), (1, server name): what some route lists */
    struct router_map sets;   /* (category and attribute, value) -> index in set_sizes */
    uint32_t *set_sizes;
    size_t sets_count;
};

enum { VALUE_METHOD, VALUE_SNI };
enum { REGEX_PATH = 1, PLAIN_HOSTS_ONLY = 2, WILDCARD_HOST_PORT = 4 }; /* Kong's submatch weights */

/* ---- order --------------------------------------------------------------------------------- */

/* sort_categories, of all that there might be. */
static uint8_t category_order(unsigned category)
{
    uint8_t before = 0;

    for (unsigned other = 0; other < ROUTER_CATEGORIES_COUNT; other++) {
        int more = __builtin_popcount(other) - __builtin_popcount(category);

        before += more > 0 || (more == 0 && other > category);
    }
    return before;
}

static uint8_t category_of(const struct config_route *route)
{
    return (uint8_t)((route->hosts.count > 0 ? ROUTER_HAS_HOST : 0) |
                     (route->headers_count > 0 ? ROUTER_HAS_HEADER : 0) |
                     (route->paths.count > 0 ? ROUTER_HAS_PATH : 0) |
                     (route->methods.count > 0 ? ROUTER_HAS_METHOD : 0) |
                     (route->snis.count > 0 ? ROUTER_HAS_SNI : 0));
}

static uint8_t hosts_weight(const struct config_strings *hosts)
{
    bool any_wildcard = false, any_port = false;

    for (size_t i = 0; i < hosts->count; i++) {
        struct router_host_pattern pattern =
            router_host_pattern_of(ROUTER_TRADITIONAL, hosts->items[i]);
        bool is_wildcard = pattern.kind != ROUTER_NODE_EXACT;

        any_wildcard |= is_wildcard;
        any_port |= is_wildcard && pattern.port != 0;
    }
    return (uint8_t)((hosts->count > 0 && !any_wildcard ? PLAIN_HOSTS_ONLY : 0) |
                     (any_port ? WILDCARD_HOST_PORT : 0));
}

size_t router_traditional_split(const struct config_route *route, struct router_candidate *into)
{
    size_t count = route->paths.count > 0 ? route->paths.count : 1;
    uint8_t category = category_of(route), weight = hosts_weight(&route->hosts);

    for (size_t i = 0; i < count; i++) {
        const char *path = route->paths.count > 0 ? route->paths.items[i] : "";
        bool is_regex = router_path_is_regex(path);

        into[i] = (struct router_candidate){
            .group = i,
            .is_regex = is_regex,
            .path_bytes = is_regex ? 0 : strlen(path),
            .category = category,
            .category_order = category_order(category),
            .weight = (uint8_t)(weight | (is_regex ? REGEX_PATH : 0)),
        };
    }
    return count;
}

/* sort_routes. Where Kong leaves the order open (no created_at), the configuration's is taken. */
static int compare_sorted(const struct router_candidate *a, const struct router_candidate *b)
{
    uint64_t a_created = a->route->created_at_ms - 1, b_created = b->route->created_at_ms - 1;

    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    if (a->route->headers_count != b->route->headers_count)
        return a->route->headers_count > b->route->headers_count ? -1 : 1;
    if (a->is_regex && a->route->regex_priority != b->route->regex_priority)
        return a->route->regex_priority > b->route->regex_priority ? -1 : 1;
    if (a->path_bytes != b->path_bytes)
        return a->path_bytes > b->path_bytes ? -1 : 1;
    if (a_created != b_created) /* 0, not known, is the last */
        return a_created < b_created ? -1 : 1;
    if (a->place != b->place)
        return a->place < b->place ? -1 : 1;
    return (a->group > b->group) - (a->group < b->group);
}

int router_traditional_compare(const void *left, const void *right)
{
    const struct router_candidate *a = left, *b = right;

    if (a->category_order != b->category_order)
        return a->category_order < b->category_order ? -1 : 1;
    return compare_sorted(a, b);
}

static int compare_ranks(const void *left, const void *right, void *context)
{
    const struct router_candidate *candidates = context;
    const uint32_t *a = left, *b = right;

    return compare_sorted(&candidates[*a], &candidates[*b]);
}

/* ---- building ------------------------------------------------------------------------------ */

static void note_set(struct router_traditional *self, const struct router_candidate *candidate,
                     enum router_attribute attribute, struct slice value)
{
    uint32_t scope = (uint32_t)candidate->category << 8 | attribute;
    uint32_t set = router_map_put(&self->sets, scope, value, (uint32_t)self->sets_count);

    self->sets_count += set == self->sets_count;
    self->set_sizes[set]++;
}

static void note_hosts(struct router *router, uint32_t sorted)
{
    struct router_traditional *self = router->traditional;
    const struct router_candidate *candidate = &router->candidates[self->by_sort[sorted]];
    const struct config_strings *hosts = &candidate->route->hosts;

    for (size_t i = 0; i < hosts->count; i++) {
        struct router_host_pattern pattern =
            router_host_pattern_of(ROUTER_TRADITIONAL, hosts->items[i]);
        uint32_t node =
            router_map_find(&router->hosts, router_host_hash(pattern.kind, pattern.text),
                            pattern.kind, pattern.text);

        note_set(self, candidate, ROUTER_HAS_HOST, slice_of(hosts->items[i]));
        if (pattern.kind != ROUTER_NODE_EXACT && node != ROUTER_MAP_NONE)
            self->wildcards[self->wildcards_count++] = (struct wildcard){
                .node = node,
                .port = pattern.port,
                .sorted = sorted,
                .order = (uint32_t)i,
                .value = hosts->items[i],
            };
    }
}

static void note_path(struct router *router, const struct router_candidate *candidate,
                      bool *regex_seen)
{
    struct router_traditional *self = router->traditional;
    const char *path = candidate->route->paths.items[candidate->group];
    uint32_t number;

    note_set(self, candidate, ROUTER_HAS_PATH, slice_of(path + candidate->is_regex));
    if (!candidate->is_regex) {
        if (router_map_put(&self->prefixes, 0, slice_of(path), 1) == 1)
            self->lengths[self->lengths_count++] = strlen(path);
        return;
    }
    number = router_map_get(&router->regex_texts, ROUTER_REGEX_PATH, slice_of(path + 1));
    if (number == ROUTER_MAP_NONE || regex_seen[number])
        return;
    regex_seen[number] = true;
    self->regexes[self->regexes_count++] = (struct regex_place){ number, path + 1 };
}

static void note_others(struct router *router, const struct router_candidate *candidate)
{
    struct router_traditional *self = router->traditional;
    const struct config_route *route = candidate->route;

    for (size_t i = 0; i < route->methods.count; i++) {
        note_set(self, candidate, ROUTER_HAS_METHOD, slice_of(route->methods.items[i]));
        (void)router_map_put(&self->values, VALUE_METHOD, slice_of(route->methods.items[i]), 1);
    }
    for (size_t i = 0; i < route->snis.count; i++) {
        struct slice name = slice_of(route->snis.items[i]);

        if (name.len > 1 && name.ptr[name.len - 1] == '.')
            name.len--;
        note_set(self, candidate, ROUTER_HAS_SNI, name);
        (void)router_map_put(&self->values, VALUE_SNI, name, 1);
    }
    for (uint32_t i = 0; i < candidate->headers_count; i++) {
        uint32_t name = router->headers[candidate->first_header + i].name;

        if (self->name_categories[name] == 0)
            self->names[self->names_count++] = name;
        self->name_categories[name] |= 1u << candidate->category;
    }
}

static int compare_wildcards(const void *left, const void *right)
{
    const struct wildcard *a = left, *b = right;

    if (a->node != b->node)
        return a->node < b->node ? -1 : 1;
    if (a->sorted != b->sorted)
        return a->sorted < b->sorted ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

static int compare_lengths(const void *left, const void *right)
{
    const size_t *a = left, *b = right;

    return (*a > *b) - (*a < *b);
}

static void finish(struct router *router)
{
    struct router_traditional *self = router->traditional;
    size_t kept = 0;

    qsort(self->wildcards, self->wildcards_count, sizeof(*self->wildcards), compare_wildcards);
    for (size_t node = 0, at = 0; node <= router->nodes_count; node++) {
        while (at < self->wildcards_count && self->wildcards[at].node < node)
            at++;
        self->first_wildcards[node] = (uint32_t)at;
    }
    qsort(self->lengths, self->lengths_count, sizeof(*self->lengths), compare_lengths);
    for (size_t i = 0; i < self->lengths_count; i++)
        if (i == 0 || self->lengths[i] != self->lengths[i - 1])
            self->lengths[kept++] = self->lengths[i];
    self->lengths_count = kept;
}

static int allocate(struct router *router, size_t values_max, size_t hosts_max)
{
    struct router_traditional *self = router->traditional;
    size_t candidates = router->candidates_count + 1;

    self->by_sort = calloc(candidates, sizeof(*self->by_sort));
    self->regexes = calloc(router->regexes_count + 1, sizeof(*self->regexes));
    self->wildcards = calloc(hosts_max + 1, sizeof(*self->wildcards));
    self->first_wildcards = calloc(router->nodes_count + 1, sizeof(*self->first_wildcards));
    self->names = calloc(router->names_count + 1, sizeof(*self->names));
    self->name_categories = calloc(router->names_count + 1, sizeof(*self->name_categories));
    self->lengths = calloc(candidates, sizeof(*self->lengths));
    self->set_sizes = calloc(values_max + 1, sizeof(*self->set_sizes));
    if (!self->by_sort || !self->regexes || !self->wildcards || !self->first_wildcards ||
        !self->names || !self->name_categories || !self->lengths || !self->set_sizes)
        return -ENOMEM;
    if (router_map_init(&self->prefixes, candidates) < 0 ||
        router_map_init(&self->values, values_max) < 0 ||
        router_map_init(&self->sets, values_max) < 0)
        return -ENOMEM;
    return 0;
}

int router_traditional_build(struct router *router)
{
    struct router_traditional *self = router->traditional = calloc(1, sizeof(*self));
    bool *regex_seen = calloc(router->regexes_count + 1, sizeof(*regex_seen));
    size_t values_max = 0, hosts_max = 0;
    int r = -ENOMEM;

    for (size_t i = 0; i < router->candidates_count; i++) {
        const struct config_route *route = router->candidates[i].route;

        hosts_max += route->hosts.count;
        values_max += route->hosts.count + route->methods.count + route->snis.count + 1;
    }
    if (self && regex_seen)
        r = allocate(router, values_max, hosts_max);
    for (uint32_t i = 0; r == 0 && i < router->candidates_count; i++)
        self->by_sort[i] = i;
    if (r == 0)
        qsort_r(self->by_sort, router->candidates_count, sizeof(*self->by_sort), compare_ranks,
                router->candidates);
    for (uint32_t i = 0; r == 0 && i < router->candidates_count; i++) {
        const struct router_candidate *candidate = &router->candidates[self->by_sort[i]];

        self->categories |= 1u << candidate->category;
        note_hosts(router, i);
        if (candidate->route->paths.count > 0)
            note_path(router, candidate, regex_seen);
        note_others(router, candidate);
    }
    if (r == 0)
        finish(router);
    free(regex_seen);
    return r;
}

void router_traditional_free(struct router_traditional *self)
{
    if (!self)
        return;
    free(self->by_sort);
    free(self->regexes);
    free(self->wildcards);
    free(self->first_wildcards);
    free(self->names);
    free(self->name_categories);
    free(self->lengths);
    free(self->set_sizes);
    router_map_done(&self->prefixes);
    router_map_done(&self->values);
    router_map_done(&self->sets);
    free(self);
}

/* ---- what a request might match ------------------------------------------------------------ */

struct wildcard_hit {
    const struct router *router;
    const struct router_host *host;
    const struct wildcard *first; /* NULL: none */
};

static void on_wildcard(void *context, uint32_t node)
{
    struct wildcard_hit *hit = context;
    const struct router_traditional *self = hit->router->traditional;

    for (uint32_t i = self->first_wildcards[node]; i < self->first_wildcards[node + 1]; i++) {
        const struct wildcard *found = &self->wildcards[i];

        if (found->port != 0 && found->port != hit->host->port)
            continue;
        if (!hit->first || found->sorted < hit->first->sorted ||
            (found->sorted == hit->first->sorted && found->order < hit->first->order))
            hit->first = found;
        return;
    }
}

static bool finds_host(const struct router *router, struct slice host,
                       struct router_scratch *scratch)
{
    struct router_potential *potential = &scratch->potential;
    struct wildcard_hit hit = { router, &scratch->host, NULL };

    potential->host = host;
    for (size_t i = scratch->host.first_indexed; i < scratch->host.exact_count; i++) {
        struct slice text = scratch->host.exact[i];

        if (router_map_find(&router->hosts, router_host_hash(ROUTER_NODE_EXACT, text),
                            ROUTER_NODE_EXACT, text) != ROUTER_MAP_NONE)
            return true;
    }
    if (router->traditional->wildcards_count > 0)
        router_host_each_wildcard(router, &scratch->host, on_wildcard, &hit);
    if (hit.first)
        potential->host = slice_of(hit.first->value);
    return hit.first != NULL;
}

/* UNKNOWN: the regex that was cut off may be the one that says where the search begins. Kong takes an
 * error of ngx.re.find for no match and goes on, and what the regex guards may then be open. */
static enum router_answer finds_path(const struct router *router, struct slice path,
                                     struct router_scratch *scratch)
{
    const struct router_traditional *self = router->traditional;
    uint64_t hash = router_hash_begin(0);
    size_t hashed = 0;

    for (size_t i = 0; i < self->regexes_count; i++) {
        enum router_answer answer =
            router_regex_matches(router, self->regexes[i].number, path, scratch);

        if (answer == ROUTER_YES)
            scratch->potential.path = slice_of(self->regexes[i].value);
        if (answer != ROUTER_NO)
            return answer;
    }
    for (size_t i = 0; i < self->lengths_count && self->lengths[i] <= path.len; i++) {
        struct slice prefix = { path.ptr, self->lengths[i] };

        while (hashed < prefix.len)
            hash = router_hash_add(hash, path.ptr[hashed++]);
        if (router_map_find(&self->prefixes, hash, 0, prefix) != ROUTER_MAP_NONE)
            scratch->potential.path = prefix; /* the longest one stays */
    }
    return scratch->potential.path.ptr ? ROUTER_YES : ROUTER_NO;
}

static bool finds_header(const struct router *router, struct router_scratch *scratch)
{
    const struct router_traditional *self = router->traditional;

    for (size_t i = 0; i < self->names_count; i++) {
        if (scratch->name_stamps[self->names[i]] != scratch->stamp)
            continue;
        scratch->potential.header = self->names[i];
        return true;
    }
    return false;
}

bool router_traditional_begin(const struct router *router, const struct router_request *request,
                              struct router_scratch *scratch)
{
    const struct router_traditional *self = router->traditional;
    struct router_potential *potential = &scratch->potential;
    enum router_answer has_path;
    unsigned category = 0;

    *potential = (struct router_potential){ .header = ROUTER_MAP_NONE };
    if (finds_header(router, scratch))
        category |= ROUTER_HAS_HEADER;
    if (request->host.len > 0 && finds_host(router, request->host, scratch))
        category |= ROUTER_HAS_HOST;
    has_path = finds_path(router, request->path, scratch);
    if (has_path == ROUTER_UNKNOWN)
        return false;
    if (has_path == ROUTER_YES)
        category |= ROUTER_HAS_PATH;
    if (router_map_get(&self->values, VALUE_METHOD, request->method) != ROUTER_MAP_NONE)
        category |= ROUTER_HAS_METHOD;
    if (router_map_get(&self->values, VALUE_SNI, request->server_name) != ROUTER_MAP_NONE)
        category |= ROUTER_HAS_SNI;
    potential->category = (uint8_t)category;
    potential->floor = self->categories & 1u << category ? category_order(category) : 0;
    return category != 0;
}

/* ---- reduced sets -------------------------------------------------------------------------- */

static uint32_t set_size(const struct router_traditional *self, unsigned category,
                         enum router_attribute attribute, struct slice value)
{
    uint32_t set = value.len > 0 && category & attribute
                       ? router_map_get(&self->sets, (uint32_t)category << 8 | attribute, value)
                       : ROUTER_MAP_NONE;

    return set == ROUTER_MAP_NONE ? 0 : self->set_sizes[set];
}

/* Whose set is taken: that of the field, else the smallest, the first of equals. 0: there is none. */
static uint8_t choose_reducer(const struct router_traditional *self, unsigned category,
                              const struct router_request *request,
                              const struct router_potential *potential)
{
    const struct {
        enum router_attribute attribute;
        struct slice value;
    } sets[] = {
        { ROUTER_HAS_HOST, potential->host },
        { ROUTER_HAS_PATH, potential->path },
        { ROUTER_HAS_METHOD, request->method },
        { ROUTER_HAS_SNI, request->server_name },
    };
    uint32_t smallest = UINT32_MAX;
    uint8_t chosen = 0;

    if (potential->header != ROUTER_MAP_NONE &&
        self->name_categories[potential->header] & 1u << category)
        return ROUTER_HAS_HEADER;
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        uint32_t size = set_size(self, category, sets[i].attribute, sets[i].value);

        if (size > 0 && size < smallest) {
            smallest = size;
            chosen = (uint8_t)sets[i].attribute;
        }
    }
    return chosen;
}

static bool lists(const struct config_strings *strings, struct slice value)
{
    for (size_t i = 0; i < strings->count; i++)
        if (slice_equal(slice_of(strings->items[i]), value))
            return true;
    return false;
}

static bool asks_for(const struct router *router, const struct router_candidate *candidate,
                     uint32_t name)
{
    for (uint32_t i = 0; i < candidate->headers_count; i++)
        if (router->headers[candidate->first_header + i].name == name)
            return true;
    return false;
}

bool router_traditional_is_reduced(const struct router *router,
                                   const struct router_candidate *candidate,
                                   const struct router_request *request,
                                   struct router_scratch *scratch)
{
    struct router_potential *potential = &scratch->potential;
    const struct config_route *route = candidate->route;
    uint32_t bit = 1u << candidate->category;

    if (!(potential->known_reducers & bit)) {
        potential->known_reducers |= bit;
        potential->reducers[candidate->category] =
            choose_reducer(router->traditional, candidate->category, request, potential);
    }
    switch (potential->reducers[candidate->category]) {
    case ROUTER_HAS_HOST:
        return lists(&route->hosts, potential->host);
    case ROUTER_HAS_PATH:
        return slice_equal(slice_of(route->paths.items[candidate->group] + candidate->is_regex),
                           potential->path);
    case ROUTER_HAS_HEADER:
        return asks_for(router, candidate, potential->header);
    case ROUTER_HAS_METHOD:
        return router_method_matches(route, request->method);
    case ROUTER_HAS_SNI:
        return router_sni_matches(router, route, request);
    default:
        return false;
    }
}
