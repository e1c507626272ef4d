/*
 * Kong's table of paths (tests/data/path-handling.json), through normalisation, router and joining, in
 * both versions of path_handling.
 */
#include <jansson.h>

#include "core/chunk.h"
#include "proxy/route/router.h"
#include "proxy/route/uri.h"
#include "tests/check.h"

enum { ROWS_MIN = 45 };

static const char *text_of(const json_t *row, const char *key)
{
    return json_string_value(json_object_get(row, key));
}

static void check_row(const json_t *row, const char *version, struct arena *arena)
{
    char *paths[] = { (char *)text_of(row, "route_path") }, *hosts[] = { (char *)"a.test" };
    struct config_service service = { .base_path = (char *)text_of(row, "service_path"),
                                      .enabled = true };
    struct config_route route = { .id = (char *)"10000000-0000-4000-8000-000000000001",
                                  .hosts = { hosts, 1 },
                                  .paths = { paths, paths[0] ? 1 : 0 },
                                  .path_handling = (char *)version,
                                  .service = &service };
    struct config config = { .routes = &route, .routes_count = 1 };
    SCOPED(router) router = router_create(&config, ROUTER_TRADITIONAL);
    SCOPED(router_scratch) scratch = router_scratch_create();
    struct slice path = uri_normalise(arena, slice_of(text_of(row, "request"))), got;
    struct router_match found;

    if (!router_match(router, &(struct router_request){ .host = slice_of(hosts[0]), .path = path },
                      scratch, &found))
        fail_msg("%s does not match %s", text_of(row, "request"), paths[0]);
    CHECK_INT(found.is_v1, strcmp(version, "v1") == 0);
    got = uri_upstream_target(
        arena,
        &(struct uri_upstream){ .base = slice_of(service.base_path),
                                .path = path,
                                .matched_prefix = found.matched_prefix,
                                .strip_path = json_is_true(json_object_get(row, "strip_path")),
                                .is_v1 = found.is_v1 });
    if (!slice_equal(got, slice_of(text_of(row, version))))
        fail_msg("%s + %s, %s, strip %d, %s: \"%.*s\", want \"%s\"", service.base_path,
                 paths[0] ? paths[0] : "no path", text_of(row, "request"),
                 json_is_true(json_object_get(row, "strip_path")), version, SLICE_ARG(got),
                 text_of(row, version));
}

TEST(paths_are_joined_as_kongs_table_says)
{
    json_t *data = json_load_file(HOPGATE_SOURCE_DIR "/tests/data/path-handling.json", 0, NULL);
    const json_t *rows = json_object_get(data, "rows");
    struct chunk_pool *pool = chunk_pool_create(0);
    struct arena arena;
    size_t i;
    json_t *row;

    CHECK(json_array_size(rows) >= ROWS_MIN);
    json_array_foreach(rows, i, row)
    {
        arena_init(&arena, pool, 0);
        check_row(row, "v0", &arena);
        check_row(row, "v1", &arena);
        arena_done(&arena);
    }
    chunk_pool_free(pool);
    json_decref(data);
}

TESTS(TEST_CASE(paths_are_joined_as_kongs_table_says))
