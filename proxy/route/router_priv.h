/*
 * router_priv: what the parts of the router share.
 *
 * Role    the tables, and what a flavour has to say
 * Owns    see each struct
 * Thread  built by one, then read by all; struct router_scratch: one worker
 *
 * A route is split into candidates as the flavour splits it. All candidates are sorted; the place in
 * that order is the rank, and the lowest rank that matches wins.
 *
 * A host pattern is a node: exact, "*.suffix", "prefix.*", or any host. A candidate has an entry for
 * each of its host patterns with each of its paths. Entries of the same node and path lie together:
 * a bucket. A request looks up the few nodes that its host belongs to, and in each node one bucket
 * for each length that some path of the node has; what is left to check entry by entry is port,
 * method, SNI, fields and, at last, the regex. A regex lies in the bucket of the text that each of
 * its matches begins with. Within a bucket, entries that need one certain value of a field lie apart
 * (their key), so that ten thousand routes by field are no walk either.
 */
#ifndef PROXY_ROUTER_PRIV_H
#define PROXY_ROUTER_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/uuid.h"
#include "proxy/route/router.h"

/* ---- router_priority.c --------------------------------------------------------------------- */

/* What the priority of a route (of one group of its paths) is made of. */
struct router_priority_inputs {
    bool has_methods, has_hosts, has_paths, has_snis;
    bool hosts_are_plain; /* has_hosts, and none holds a "*" */
    unsigned headers_count;
    bool paths_are_regexes;
    int regex_priority;  /* counts only with paths_are_regexes */
    size_t prefix_bytes; /* counts only without paths_are_regexes */
};

/* Greater wins: as Kong executes it, and as Kong documents it. */
uint64_t router_priority(const struct router_priority_inputs *inputs);
uint64_t router_priority_documented(const struct router_priority_inputs *inputs);

/* ---- router_map.c -------------------------------------------------------------------------- */

/*
 * Finds numbers by (scope, text). The caller feeds the hash byte by byte, so that all prefixes of a
 * path are looked up in one walk. Keys come from the configuration and are borrowed; requests only
 * look up, hence a plain hash is enough.
 */
struct router_map_slot {
    struct slice text;
    uint32_t scope;
    uint32_t value_plus_1; /* 0: free */
    uint32_t hash;         /* half of it: other keys are told without a look at their text */
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

static inline uint64_t router_hash_of(uint32_t scope, struct slice text)
{
    uint64_t hash = router_hash_begin(scope);

    for (size_t i = 0; i < text.len; i++)
        hash = router_hash_add(hash, text.ptr[i]);
    return hash;
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

/* The same for a text that is hashed from its first byte to its last. */
uint32_t router_map_get(const struct router_map *map, uint32_t scope, struct slice text);

/* The value of the key; `value` becomes it when the key is new. */
uint32_t router_map_put(struct router_map *map, uint32_t scope, struct slice text, uint32_t value);

/* ---- hosts (router_host.c) ----------------------------------------------------------------- */

enum router_node_kind {
    ROUTER_NODE_ANY,
    ROUTER_NODE_EXACT,
    ROUTER_NODE_SUFFIX,
    ROUTER_NODE_PREFIX,
    ROUTER_NODE_KIND_COUNT,
};

struct router_host_pattern {
    enum router_node_kind kind;
    struct slice text; /* without the "*" */
    uint32_t port;     /* 0: none given */
};

enum { ROUTER_HOST_MAX = 288 }; /* longer than any host pattern may be */

/* How a request's host is looked up. */
struct router_host {
    struct slice exact[3]; /* spellings that an exact pattern may have */
    size_t exact_count;
    size_t first_indexed; /* "traditional" takes note of an exact host only by those from here on */
    struct slice bare;    /* what wildcards are compared with */
    uint32_t port;
    bool wildcard_needs_more; /* "*.x" does not match ".x" */
    char with_port[ROUTER_HOST_MAX + 8];
};

struct router_host_pattern router_host_pattern_of(enum router_flavor flavor, const char *host);
void router_host_of(enum router_flavor flavor, const struct router_request *request,
                    struct router_host *ret);

/* Calls `visit` with each node of a wildcard that the host belongs to, whatever its port. */
void router_host_each_wildcard(const struct router *router, const struct router_host *host,
                               void (*visit)(void *context, uint32_t node), void *context);

/* Suffixes are hashed from their end, so that all suffixes of a host take one walk. */
uint64_t router_host_hash(enum router_node_kind kind, struct slice text);

/* ---- the tables ---------------------------------------------------------------------------- */

#define ROUTER_NO_REGEX UINT32_MAX

/* What Kong calls match rules, in the order of their weight. */
enum router_attribute {
    ROUTER_HAS_SNI = 1 << 0,
    ROUTER_HAS_METHOD = 1 << 1,
    ROUTER_HAS_PATH = 1 << 2,
    ROUTER_HAS_HEADER = 1 << 3,
    ROUTER_HAS_HOST = 1 << 4,
    ROUTER_CATEGORIES_COUNT = 1 << 5,
};

struct router_candidate {
    const struct config_route *route;
    uint32_t place;                       /* of the route in the configuration */
    uint32_t first_header, headers_count; /* in router->headers */
    bool is_regex;                        /* its paths are */
    size_t group;                         /* which paths it has, see router_candidate_has */
    uint64_t priority;                    /* compatible: greater wins */
    char id[UUID_TEXT_BYTES + 1];         /* compatible: the same, of those that tie */
    uint8_t category, category_order;     /* traditional: its attributes; place among such */
    uint8_t weight;                       /* traditional: Kong's submatch_weight */
    size_t path_bytes;                    /* of prefixes; a regex counts 0 */
};

/* One field that a candidate asks for: any of these values. */
struct router_header {
    uint32_t name;
    uint32_t first_value, values_count;  /* in router->header_values: numbers of values */
    uint32_t first_regex, regexes_count; /* in router->header_regexes: numbers of regexes */
};

struct router_entry {
    uint32_t node, rank;
    uint32_t port;  /* 0: any */
    uint32_t key;   /* number of the field value that it needs + 1; 0: none certain */
    uint32_t regex; /* or ROUTER_NO_REGEX */
    uint32_t order; /* of the path in its route: within a candidate the first that matches counts */
    struct slice path; /* a prefix; with a regex: what each of its matches begins with */
};

struct router_bucket {
    uint32_t first, count; /* entries, by key, rank, order */
};

struct router_node {
    uint32_t first_length, lengths_count; /* in router->lengths, ascending */
};

struct router_regex {
    struct regex *regex;
    struct slice literal; /* what each match begins with */
};

struct router_traditional;

struct router {
    enum router_flavor flavor;
    struct router_candidate *candidates; /* by rank */
    size_t candidates_count;
    struct router_entry *entries;
    size_t entries_count;
    struct router_node *nodes; /* node 0: any host */
    size_t nodes_count;
    struct router_bucket *buckets;
    size_t buckets_count;
    uint32_t *lengths;
    size_t lengths_count;
    struct router_map hosts;                       /* (kind, text) -> node */
    struct router_map paths;                       /* (node, path) -> bucket */
    size_t host_bytes_max[ROUTER_NODE_KIND_COUNT]; /* longest text: no look-up goes beyond it */
    bool matches_hosts, matches_paths, matches_snis;

    struct router_regex *regexes;
    size_t regexes_count;
    struct router_map regex_texts; /* (enum router_regex_use, text) -> number */
    struct router_header *headers;
    size_t headers_count;
    uint32_t *header_values, *header_regexes;
    size_t header_values_count, header_regexes_count;
    struct router_map header_names;  /* (0, name in lower case with "-") -> number */
    struct router_map header_texts;  /* (name, value in lower case) -> number */
    size_t names_count, texts_count; /* of the two */
    size_t header_bytes_max;         /* longest value: nothing longer is looked up */
    char *header_memory;             /* names and values in lower case */

    struct router_traditional *traditional; /* NULL: the other flavour */
};

/* ---- candidates and index (router_candidates.c, router_index.c) ------------------------------ */

/* Whether the candidate stands for that path of its route. */
bool router_candidate_has(const struct router *router, const struct router_candidate *candidate,
                          size_t path);
int router_build_candidates(struct router *router, const struct config *config);
int router_build_index(struct router *router, const struct config *config);

/* Of a path as configured: "~" in front makes a regex. */
static inline bool router_path_is_regex(const char *path)
{
    return path[0] == '~';
}

/* ---- fields (router_headers.c) and regexes (router_regexes.c) -------------------------------- */

enum router_regex_use { ROUTER_REGEX_PATH, ROUTER_REGEX_HEADER };

/* Is this value of a field a regex ("~*...") in that flavour? */
bool router_header_value_is_regex(enum router_flavor flavor, const struct config_strings *values,
                                  size_t index);

int router_build_headers(struct router *router, const struct config *config);
void router_headers_done(struct router *router);

int router_regexes_init(struct router *router, size_t regexes_max);
void router_regexes_done(struct router *router);

/* The regex as that flavour compiles it, of a text without its "~" or "~*". NULL: no memory, or
 * message says why not. */
struct regex *router_regex_take(enum router_flavor flavor, enum router_regex_use use,
                                const char *text, char message[REGEX_MESSAGE_MAX]);

/* Its number, or ROUTER_NO_REGEX: it does not compile. 0 or -ENOMEM. */
int router_regex_add(struct router *router, enum router_regex_use use, const char *text,
                     uint32_t *ret_number);

/* How many bytes at the front of a regex every match of it must begin with. */
size_t router_regex_literal_bytes(struct slice text);

/* What each path that this one matches begins with. */
struct slice router_path_text_in_front(const char *path);

/* What Rust's regexes, which traditional_compatible uses, do not have; NULL: nothing of that. */
const char *router_regex_not_in_rust(const char *text);

/* ---- what a search writes -------------------------------------------------------------------- */

/* UNKNOWN: a regex was cut off, see regex.h. No client may make a route fall away by that, so the
 * search takes it for a match and then ends without a route. */
enum router_answer { ROUTER_NO, ROUTER_YES, ROUTER_UNKNOWN };

struct router_regex_memo {
    uint32_t stamp; /* of the search that asked */
    enum router_answer answer;
    uint32_t prefix_start, prefix_bytes; /* what strip_path takes */
};

struct router_header_line {
    uint32_t name;
    struct slice value; /* in lower case */
};

/* What "traditional" finds out before it looks at any category. */
struct router_potential {
    uint8_t category;
    struct slice host, path; /* values that its reduced sets go by; ptr NULL: none */
    uint32_t header;         /* name, or ROUTER_MAP_NONE */
    uint8_t floor;           /* category_order that the search begins with */
    uint32_t known_reducers; /* bit per category: the next is filled in */
    uint8_t reducers[ROUTER_CATEGORIES_COUNT]; /* enum router_attribute, 0: no set */
};

struct router_scratch {
    struct regex_matcher *matcher;
    uint32_t stamp; /* of this search; what has another one is not valid */
    struct router_regex_memo *regexes;
    uint32_t *name_stamps, *text_stamps; /* of the fields of this request */
    size_t regexes_capacity, names_capacity, texts_capacity;
    struct router_header_line lines[ROUTER_FIELDS_MAX];
    size_t lines_count;
    uint32_t keys[ROUTER_FIELDS_MAX]; /* distinct values that are there, as in entry->key */
    size_t keys_count;
    char *lower;
    size_t lower_capacity;
    struct router_host host;
    struct router_potential potential;
};

/* Fields of the request that some route asks for. False: one is not UTF-8 where that matters, or no
 * memory. */
bool router_headers_read(const struct router *router, const struct fields *fields,
                         struct router_scratch *scratch);
enum router_answer router_headers_match(const struct router *router,
                                        const struct router_candidate *candidate,
                                        struct router_scratch *scratch);

/* Each regex is run once per search. */
enum router_answer router_regex_matches(const struct router *router, uint32_t number,
                                        struct slice path, struct router_scratch *scratch);

bool router_sni_matches(const struct router *router, const struct config_route *route,
                        const struct router_request *request);
bool router_method_matches(const struct config_route *route, struct slice method);

/* ---- router_order.c --------------------------------------------------------------------------- */

struct config_errors;

/* Warns of pairs that "traditional_compatible" takes in another order than Kong documents. */
void router_check_order(const struct config *config, struct config_errors *errors);

/* ---- flavours --------------------------------------------------------------------------------- */

/* Adds the candidates of one route at `into`; returns how many. */
size_t router_compatible_split(const struct config_route *route, struct router_candidate *into);
size_t router_traditional_split(const struct config_route *route, struct router_candidate *into);

/* What the priority of a candidate is made of. */
void router_compatible_inputs(const struct config_route *route,
                              const struct router_candidate *candidate,
                              struct router_priority_inputs *ret);

int router_compatible_compare(const void *left, const void *right); /* candidates, for qsort */
int router_traditional_compare(const void *left, const void *right);

/* After candidates and index; 0 or -ENOMEM. */
int router_traditional_build(struct router *router);
void router_traditional_free(struct router_traditional *traditional);

/* False: nothing can match, or a regex was cut off. Fills in scratch->potential. */
bool router_traditional_begin(const struct router *router, const struct router_request *request,
                              struct router_scratch *scratch);

/* Whether the candidate is in the reduced set of its category, which is tried first. */
bool router_traditional_is_reduced(const struct router *router,
                                   const struct router_candidate *candidate,
                                   const struct router_request *request,
                                   struct router_scratch *scratch);

#endif
