/*
 * The router's look-ups against a matcher that walks all routes, on random configurations; and what
 * a match costs when there are many routes.
 */
#include "proxy/route/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/uuid.h"
#include "tests/check.h"

enum { CONFIGS = 1500, REQUESTS = 60, ROUTES_MAX = 12, VALUES_MAX = 4 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t random_state = 88172645463325252u; /* fixed: a failure comes again */

static unsigned random_below(unsigned limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % limit;
}

/* ---- the walk: the rules of the reference, one after the other ---- */

struct rank {
    bool plain_hosts;
    unsigned attributes;
    size_t prefix_bytes;
    char id[UUID_TEXT_BYTES + 1];
};

static bool host_matches(const char *pattern, const char *host, unsigned listener_port)
{
    char name[64], asked[64];
    unsigned pattern_port = 0, port = listener_port;
    size_t length;

    snprintf(name, sizeof(name), "%s", pattern);
    snprintf(asked, sizeof(asked), "%s", host);
    if (strchr(name, ':') && sscanf(strchr(name, ':'), ":%u", &pattern_port) == 1)
        *strchr(name, ':') = '\0';
    if (strchr(asked, ':') && sscanf(strchr(asked, ':'), ":%u", &port) == 1)
        *strchr(asked, ':') = '\0';
    if (pattern_port != 0 && pattern_port != port)
        return false;
    length = strlen(name);
    if (name[0] == '*')
        return strlen(asked) >= length - 1 &&
               strcmp(asked + strlen(asked) - (length - 1), name + 1) == 0;
    if (name[length - 1] == '*')
        return strncmp(asked, name, length - 1) == 0;
    return strcmp(asked, name) == 0;
}

static bool any_host_matches(const struct config_route *route, const char *host, unsigned port)
{
    for (size_t i = 0; i < route->hosts.count; i++) {
        if (host_matches(route->hosts.items[i], host, port))
            return true;
    }
    return route->hosts.count == 0;
}

static bool any_method_matches(const struct config_route *route, const char *method)
{
    for (size_t i = 0; i < route->methods.count; i++) {
        if (strcmp(route->methods.items[i], method) == 0)
            return true;
    }
    return route->methods.count == 0;
}

/* The rank of the part of the route that holds paths[path]. */
static struct rank rank_of(const struct config_route *route, size_t path)
{
    struct rank rank = { .plain_hosts = route->hosts.count > 0 };
    char name[80];

    rank.attributes =
        (route->hosts.count > 0) + (route->methods.count > 0) + (route->paths.count > 0);
    for (size_t i = 0; i < route->hosts.count; i++)
        rank.plain_hosts &= strchr(route->hosts.items[i], '*') == NULL;
    snprintf(rank.id, sizeof(rank.id), "%s", route->id);
    if (route->paths.count > 0)
        rank.prefix_bytes = strlen(route->paths.items[path]);
    snprintf(name, sizeof(name), "%s#%zu", route->id, rank.prefix_bytes);
    if (route->paths.count > 1)
        CHECK(uuid_v5("7f145bf9-0dce-4f91-98eb-debbce4b9f6b", slice_of(name), rank.id));
    return rank;
}

static bool is_above(const struct rank *a, const struct rank *b)
{
    if (a->plain_hosts != b->plain_hosts)
        return a->plain_hosts;
    if (a->attributes != b->attributes)
        return a->attributes > b->attributes;
    if (a->prefix_bytes != b->prefix_bytes)
        return a->prefix_bytes > b->prefix_bytes;
    return strcmp(a->id, b->id) > 0;
}

struct asked {
    const char *method, *host, *path;
    unsigned port;
};

static const struct config_route *walk(const struct config *config, const struct asked *asked)
{
    const struct config_route *best = NULL;
    struct rank best_rank = { 0 };

    for (size_t i = 0; i < config->routes_count; i++) {
        const struct config_route *route = &config->routes[i];

        if ((route->service && !route->service->enabled) ||
            !any_host_matches(route, asked->host, asked->port) ||
            !any_method_matches(route, asked->method))
            continue;
        for (size_t path = 0; path == 0 || path < route->paths.count; path++) {
            struct rank rank;

            if (route->paths.count > 0 && strncmp(asked->path, route->paths.items[path],
                                                  strlen(route->paths.items[path])) != 0)
                continue;
            rank = rank_of(route, path);
            if (!best || is_above(&rank, &best_rank)) {
                best = route;
                best_rank = rank;
            }
        }
    }
    return best;
}

/* ---- random configurations ---- */

static const char *const host_values[] = { "a.test",    "b.test",    "a.b.test",  "*.test",
                                           "*.b.test",  "a.*",       "a.b.*",     "a.test:80",
                                           "b.test:81", "*.test:80", "a.*:81",    "::1",
                                           "[::1]:80",  "localhost", "*.a.b.test" };
static const char *const path_values[] = { "/",      "/a",  "/ab",       "/b",   "/a/b",   "/a/c",
                                           "/a/b/c", "/c/", "/\xc3\xa9", "/ab/", "/a/b/cd" };
static const char *const method_values[] = { "GET", "POST", "PUT" };
static const char *const asked_hosts[] = { "a.test",      "a.test:80",  "b.test:81", "a.b.test",
                                           "x.b.test",    "x.a.b.test", "a.b.org",   "a.org:81",
                                           ".test",       "a.",         "::1",       "[::1]:80",
                                           "localhost",   "",           "A.test",    "test",
                                           "a.b.test:81", "x.test:80" };
static const char *const asked_paths[] = { "/",          "/a",   "/abc", "/a/b", "/a/b/c/d",
                                           "/a/b/cd",    "/c",   "/c/x", "/b",   "/z",
                                           "/\xc3\xa9t", "/ab/", "/A" };

struct random_route {
    char id[UUID_TEXT_BYTES + 1];
    char *hosts[VALUES_MAX], *paths[VALUES_MAX], *methods[VALUES_MAX];
};

/* Up to VALUES_MAX values; most often few, and often none. */
static struct config_strings random_strings(char **items, const char *const *values, size_t count)
{
    struct config_strings strings = { .items = items, .count = random_below(VALUES_MAX) };

    for (size_t i = 0; i < strings.count; i++)
        items[i] = (char *)values[random_below((unsigned)count)];
    return strings;
}

static struct config_route random_route(struct random_route *room)
{
    static const struct config_service enabled = { .enabled = true },
                                       disabled = { .enabled = false };
    struct config_route route = { .id = room->id };

    snprintf(room->id, sizeof(room->id), "%08x-0000-4000-8000-%012x", random_below(UINT32_MAX),
             random_below(UINT32_MAX));
    route.hosts = random_strings(room->hosts, host_values, COUNT(host_values));
    route.paths = random_strings(room->paths, path_values, COUNT(path_values));
    route.methods = random_strings(room->methods, method_values, COUNT(method_values));
    route.service = random_below(8) == 0 ? &disabled : &enabled;
    return route;
}

static unsigned check_requests(const struct config *config)
{
    SCOPED(router) router = router_create(config, ROUTER_TRADITIONAL_COMPATIBLE);
    SCOPED(router_scratch) scratch = router_scratch_create();
    unsigned matched = 0;

    CHECK(router);
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct asked asked = { .method = method_values[random_below(COUNT(method_values))],
                               .host = asked_hosts[random_below(COUNT(asked_hosts))],
                               .path = asked_paths[random_below(COUNT(asked_paths))],
                               .port = random_below(2) ? 80 : 81 };
        struct router_match got = { 0 };
        const struct config_route *want = walk(config, &asked);

        router_match(router,
                     &(struct router_request){ .method = slice_of(asked.method),
                                               .host = slice_of(asked.host),
                                               .path = slice_of(asked.path),
                                               .port = (uint16_t)asked.port },
                     scratch, &got);
        if (got.route != want)
            fail_msg("%s %s %s (port %u): route %s, the walk says %s", asked.method, asked.host,
                     asked.path, asked.port, got.route ? got.route->id : "none",
                     want ? want->id : "none");
        matched += want != NULL;
    }
    return matched;
}

TEST(lookups_agree_with_a_walk_over_all_routes)
{
    unsigned matched = 0;

    for (unsigned i = 0; i < CONFIGS; i++) {
        struct random_route rooms[ROUTES_MAX];
        struct config_route routes[ROUTES_MAX];
        struct config config = { .routes = routes, .routes_count = random_below(ROUTES_MAX + 1) };

        for (size_t r = 0; r < config.routes_count; r++)
            routes[r] = random_route(&rooms[r]);
        matched += check_requests(&config);
    }
    CHECK(matched > CONFIGS * REQUESTS / 10); /* the test means something */
    CHECK(matched < CONFIGS * REQUESTS);
}

/* ---- many routes ---- */

struct many {
    struct config config;
    char (*texts)[48], (*ids)[UUID_TEXT_BYTES + 1];
    char **items;
};

static struct many many_create(size_t count, bool by_host)
{
    struct many many = { .config.routes_count = count };

    many.config.routes = calloc(count, sizeof(*many.config.routes));
    many.texts = calloc(count, sizeof(*many.texts));
    many.ids = calloc(count, sizeof(*many.ids));
    many.items = calloc(count, sizeof(*many.items));
    CHECK(many.config.routes && many.texts && many.ids && many.items);
    for (size_t i = 0; i < count; i++) {
        struct config_strings one = { .items = &many.items[i], .count = 1 };

        snprintf(many.texts[i], sizeof(*many.texts),
                 by_host ? "h%zu.example.test" : "/api/v1/p%zu/x", i);
        snprintf(many.ids[i], sizeof(*many.ids), "10000000-0000-4000-8000-%012x", (unsigned)i);
        many.items[i] = many.texts[i];
        many.config.routes[i].id = many.ids[i];
        if (by_host)
            many.config.routes[i].hosts = one;
        else
            many.config.routes[i].paths = one;
    }
    return many;
}

static void many_done(struct many *many)
{
    free(many->config.routes);
    free(many->texts);
    free(many->ids);
    free(many->items);
}

static double match_cost_ns(size_t count, bool by_host)
{
    struct many many = many_create(count, by_host);
    SCOPED(router) router = router_create(&many.config, ROUTER_TRADITIONAL_COMPATIBLE);
    SCOPED(router_scratch) scratch = router_scratch_create();
    enum { MATCHES = 20000 };
    struct timespec begin, end;

    CHECK(router);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned i = 0; i < MATCHES; i++) {
        size_t wanted = random_below((unsigned)count);
        struct slice text = slice_of(many.texts[wanted]);
        struct router_match found;

        CHECK(router_match(router,
                           &(struct router_request){ .method = SLICE("GET"),
                                                     .host = by_host ? text : SLICE("any"),
                                                     .path = by_host ? SLICE("/") : text },
                           scratch, &found));
        CHECK(found.route == &many.config.routes[wanted]);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    many_done(&many);
    return ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) /
           MATCHES;
}

/* Printed, not judged: this machine's clock is no witness. */
TEST(every_one_of_10000_routes_is_found)
{
    for (int by_host = 0; by_host < 2; by_host++)
        printf("one match by %s: %.0f ns of 100 routes, %.0f ns of 10000\n",
               by_host ? "host" : "path", match_cost_ns(100, by_host),
               match_cost_ns(10000, by_host));
}

TESTS(TEST_CASE(lookups_agree_with_a_walk_over_all_routes),
      TEST_CASE(every_one_of_10000_routes_is_found))
