/* Every allocation of jansson fails once: the answer is -ENOMEM or the right one, and nothing leaks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/model/model_process.h"
#include "tests/check.h"

static size_t allocations_left;

static void *failing_malloc(size_t size)
{
    if (allocations_left == 0)
        return NULL;
    allocations_left--;
    return malloc(size);
}

struct row {
    const char *entity, *input, *before;
};

static json_t *json_of(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);

    CHECK(value != NULL);
    return value;
}

/* Returns how many allocations it took; -1 while they do not suffice. */
static int try(const struct row *row, size_t allocations)
{
    json_t *input = json_of(row->input), *before = row->before ? json_of(row->before) : NULL;
    struct model_request request = {
        .entity = model_entity(model_get(), row->entity),
        .operation = before ? MODEL_UPDATE : MODEL_CHECK,
        .input = input,
        .before = before,
        .now_s = 1,
    };
    struct kong_error error = { 0 };
    json_t *got = NULL;
    int r;

    allocations_left = allocations;
    json_set_alloc_funcs(failing_malloc, free);
    r = model_process(model_get(), &request, &got, &error);
    json_set_alloc_funcs(malloc, free);
    CHECK(r == 0 || r == -EINVAL || r == -ENOMEM);
    CHECK((r == 0) == (got != NULL));
    kong_error_done(&error);
    json_decref(got);
    json_decref(input);
    json_decref(before);
    return r == -ENOMEM || allocations_left == 0 ? -1 : 0;
}

TEST(no_memory_is_never_worse_than_no_memory)
{
    static const struct row rows[] = {
        { "services", "{\"url\": \"https://h/x\", \"tags\": [\"a\", \"b\", \"a\"]}", NULL },
        { "services", "{\"path\": \"x\", \"port\": \"y\", \"z\": 1, \"tags\": [\"a\", \"b,\"]}",
          NULL },
        { "routes",
          "{\"protocols\": [\"tcp\"], \"sources\": [{\"ip\": \"x\"}, {}], \"paths\": [\"a\"], "
          "\"service\": {\"protocol\": \"x\"}, \"headers\": {\"a\": [\"b\"]}}",
          NULL },
        { "upstreams", "{\"name\": \"u\", \"hash_on\": \"header\"}", NULL },
        { "plugins",
          "{\"name\": \"rate-limiting\", \"config\": {\"minute\": 5, \"redis_host\": \"a\"}}",
          NULL },
        { "plugins",
          "{\"name\": \"rate-limiting\", \"config\": {\"minute\": 5, \"redis_host\": \"a\", "
          "\"redis\": {\"host\": \"b\"}}}",
          NULL },
        { "consumers", "{\"username\": null}", "{\"username\": \"a\"}" },
        { "basicauth_credentials",
          "{\"username\": \"u\", \"password\": \"p\", \"consumer\": {\"id\": "
          "\"0855b320-0dd2-547d-891d-601e9b38647f\"}}",
          NULL },
        { "targets",
          "{\"target\": \"a\", \"upstream\": {\"id\": \"0855b320-0dd2-547d-891d-601e9b38647f\"}}",
          NULL },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t allocations = 0;
        while (try(&rows[i], allocations) < 0) {
            allocations++;
            CHECK(allocations < 100 * 1000);
        }
    }
}

TESTS(TEST_CASE(no_memory_is_never_worse_than_no_memory))
