/*
 * router: what one match costs, by kind and number of routes, and how long the tables take to build.
 *
 * Run by `tools/bench --router [ROUNDS]`. A round matches each route once, in an order that no cache
 * likes; of the rounds the best one is printed, since this machine may be shared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proxy/route/router.h"

enum { ROUTES_MAX = 10000, KINDS_COUNT = 6, MIXED_REGEXES = 300 };

static const char *const kind_names[KINDS_COUNT] = { "host",  "prefix", "host+prefix",
                                                     "regex", "field",  "mixed" };
enum kind { BY_HOST, BY_PREFIX, BY_BOTH, BY_REGEX, BY_FIELD, MIXED };

struct texts {
    char id[40], host[40], path[48], value[24], asked_path[64];
    char *host_item, *path_item, *value_item;
    struct config_route_header header;
};

static struct texts texts[ROUTES_MAX];
static struct config_route routes[ROUTES_MAX];
static struct config_service service = { .enabled = true };

static double now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Of mixed routes each 33rd is a regex, and the others are by host, path or both. */
static enum kind kind_of(enum kind wanted, unsigned i, unsigned count)
{
    if (wanted != MIXED)
        return wanted;
    if (i % 33 == 0 && i / 33 < MIXED_REGEXES && count > 33)
        return BY_REGEX;
    return (enum kind)(i % 3);
}

static void make_route(enum kind kind, unsigned i)
{
    struct texts *text = &texts[i];
    struct config_route *route = &routes[i];

    snprintf(text->id, sizeof(text->id), "10000000-0000-4000-8000-%012x", i);
    snprintf(text->host, sizeof(text->host), "h%u.example.test", i);
    snprintf(text->value, sizeof(text->value), "tenant-%u", i);
    snprintf(text->path, sizeof(text->path),
             kind == BY_REGEX ? "~/api/p%u/(?<id>\\d+)/x" : "/api/p%u/x", i);
    snprintf(text->asked_path, sizeof(text->asked_path),
             kind == BY_REGEX ? "/api/p%u/4711/x/more" : "/api/p%u/x/more", i);
    text->host_item = text->host;
    text->path_item = text->path;
    text->value_item = text->value;
    text->header = (struct config_route_header){ (char *)"x-tenant", { &text->value_item, 1 } };
    *route = (struct config_route){ .id = text->id, .service = &service };
    if (kind == BY_HOST || kind == BY_BOTH)
        route->hosts = (struct config_strings){ &text->host_item, 1 };
    if (kind != BY_HOST && kind != BY_FIELD)
        route->paths = (struct config_strings){ &text->path_item, 1 };
    if (kind == BY_FIELD) {
        route->headers = &text->header;
        route->headers_count = 1;
    }
}

/* A browser's handful, and the one that routes ask for. */
static struct fields *fields_with(struct slice tenant)
{
    static struct field items[] = { { .name = { "Host", 4 }, .value = { "a.test", 6 } },
                                    { .name = { "User-Agent", 10 }, .value = { "bench", 5 } },
                                    { .name = { "Accept", 6 }, .value = { "*/*", 3 } },
                                    { .name = { "Accept-Encoding", 15 }, .value = { "gzip", 4 } },
                                    { .name = { "Cookie", 6 }, .value = { "a=b; c=d", 8 } },
                                    { .name = { "X-Tenant", 8 } } };
    static struct fields fields = { .items = items, .count = 6 };

    items[5].value = tenant;
    return &fields;
}

static void match_one(const struct router *router, struct router_scratch *scratch, unsigned i)
{
    struct router_request request = { .method = SLICE("GET"),
                                      .host = slice_of(texts[i].host),
                                      .path = slice_of(texts[i].asked_path),
                                      .fields = fields_with(slice_of(texts[i].value)),
                                      .port = 8000 };
    struct router_match found;

    if (!router_match(router, &request, scratch, &found) || !found.route) {
        fprintf(stderr, "route %u is not found\n", i);
        exit(1);
    }
}

static double best_round_ns(const struct router *router, unsigned count, unsigned rounds)
{
    struct router_scratch *scratch = router_scratch_create();
    unsigned matches = count < 1000 ? 1000 : count;
    double best = 1e18;

    for (unsigned round = 0; scratch && round < rounds; round++) {
        double begin = now_ns(), spent;

        for (unsigned k = 0; k < matches; k++)
            match_one(router, scratch, (unsigned)(k * 7919u % count));
        spent = (now_ns() - begin) / matches;
        best = spent < best ? spent : best;
    }
    router_scratch_free(scratch);
    return best;
}

static void measure(enum router_flavor flavor, enum kind kind, unsigned rounds)
{
    static const unsigned counts[] = { 10, 100, 1000, ROUTES_MAX };
    struct config config = { .routes = routes };

    printf("%-24s %-12s", flavor == ROUTER_TRADITIONAL ? "traditional" : "traditional_compatible",
           kind_names[kind]);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct router *router;
        double begin, built_ms;

        config.routes_count = counts[i];
        for (unsigned k = 0; k < counts[i]; k++)
            make_route(kind_of(kind, k, counts[i]), k);
        begin = now_ns();
        router = router_create(&config, flavor);
        built_ms = (now_ns() - begin) / 1e6;
        if (!router)
            exit(1);
        printf("%9.0f", best_round_ns(router, counts[i], rounds));
        if (counts[i] == ROUTES_MAX)
            printf("%12.1f\n", built_ms);
        fflush(stdout);
        router_free(router);
    }
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 20;

    printf("ns per match of         by                 10      100     1000    10000 routes  build "
           "ms\n");
    for (int flavor = 0; flavor < 2; flavor++)
        for (int kind = 0; kind < KINDS_COUNT; kind++)
            measure((enum router_flavor)flavor, (enum kind)kind, rounds > 0 ? (unsigned)rounds : 1);
    return 0;
}
