/*
 * Each allocation of flattening fails once: then it says -ENOMEM, or what comes out is the same as ever. The
 * functions below go before the C library's, as in tests/fault/alloc_fault.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/flatten/flatten.h"
#include "tests/check.h"

#define BELOW_(prefix, name) prefix##name
#define BELOW(prefix, name)  BELOW_(prefix, name)

void *BELOW(ALLOCATOR_PREFIX, malloc)(size_t bytes);
void *BELOW(ALLOCATOR_PREFIX, calloc)(size_t count, size_t bytes);
void *BELOW(ALLOCATOR_PREFIX, realloc)(void *memory, size_t bytes);

enum { NOW_S = 1700000000, STRIDE = 1, REFUSED_MIN = 10 };

static size_t allocations, fails_at; /* 0: none */

static bool fails(void)
{
    return ++allocations == fails_at;
}

void *malloc(size_t bytes)
{
    return fails() ? NULL : BELOW(ALLOCATOR_PREFIX, malloc)(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : BELOW(ALLOCATOR_PREFIX, calloc)(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    return fails() ? NULL : BELOW(ALLOCATOR_PREFIX, realloc)(memory, bytes);
}

void *reallocarray(void *memory, size_t count, size_t bytes)
{
    size_t all;

    return __builtin_mul_overflow(count, bytes, &all) ? NULL : realloc(memory, all);
}

/* --- the work ------------------------------------------------------------------------------ */

/* All entities, or all mistakes, of a document that is made before the counting. */
static int flatten(json_t *document, json_t **ret)
{
    SCOPED(flattened) flattened = NULL;
    int r = flatten_migrate(document);

    if (r == 0)
        r = flatten_document(model_get(), document, NOW_S, &flattened);
    if (r == 0)
        *ret = flattened_entities(flattened);
    else if (r == -EINVAL)
        *ret = flattened_errors(flattened, NULL);
    return r != -ENOMEM && !*ret ? -ENOMEM : r;
}

static int run(size_t number, const char *text, json_t **ret)
{
    json_t *document = json_loads(text, 0, NULL);
    int r;

    CHECK(document != NULL);
    allocations = 0;
    fails_at = number;
    r = flatten(document, ret);
    fails_at = 0;
    json_decref(document);
    return r;
}

static void check(const char *text, int want_r)
{
    const char *asked = getenv("HOPGATE_ALLOCATION_STRIDE");
    size_t stride = asked ? strtoul(asked, NULL, 10) : STRIDE, count, refused = 0;
    json_t *wanted = NULL;

    CHECK_INT(run(0, text, &wanted), want_r); /* what is made at the first use */
    json_decref(wanted);
    CHECK_INT(run(0, text, &wanted), want_r);
    count = allocations;
    for (size_t number = 1; number <= count; number += stride) {
        json_t *got = NULL;
        int r = run(number, text, &got);

        refused += r == -ENOMEM;
        if (r != -ENOMEM && (r != want_r || !json_equal(got, wanted))) {
            (void)json_dumpf(got, stderr, JSON_INDENT(1) | JSON_SORT_KEYS);
            (void)json_dumpf(wanted, stderr, JSON_INDENT(1) | JSON_SORT_KEYS);
            fail_msg("allocation %zu of %zu gives the first and not the second", number, count);
        }
        json_decref(got);
    }
    CHECK(refused >= REFUSED_MIN);
    json_decref(wanted);
}

TEST(a_missing_allocation_loses_no_entity_and_no_field)
{
    check("{\"_format_version\": \"2.1\", \"_transform\": false, \"services\": [{\"name\": \"s\", "
          "\"host\": \"h\", \"tags\": [\"a\"], \"routes\": [{\"name\": \"r\", \"paths\": "
          "[\"/a\\\\d\"],"
          " \"plugins\": [{\"name\": \"cors\", \"enabled\": false}]}]}], \"consumers\": "
          "[{\"username\": \"c\", \"acls\": [{\"group\": \"g\"}], \"basicauth_credentials\": "
          "[{\"username\": \"u\", \"password\": \"p\"}]}], \"routes\": [{\"name\": \"q\", "
          "\"paths\": [\"/\"], \"service\": \"s\"}]}",
          0);
}

TEST(nor_a_mistake)
{
    check("{\"_format_version\": \"1.1\", \"x\": 1, \"services\": [{\"name\": \"s\", \"port\": "
          "70000, "
          "\"routes\": [{\"name\": \"r\", \"paths\": [\"a\"], \"service\": \"s\"}]}], "
          "\"consumers\": [{}]}",
          -EINVAL);
    check("{\"_format_version\": \"3.0\", \"services\": [{\"name\": \"s\", \"host\": \"h\"}, "
          "{\"name\": \"s\", \"host\": \"h\"}], \"routes\": [{\"name\": \"r\", \"paths\": [\"/\"], "
          "\"service\": \"none\"}]}",
          -EINVAL);
}

TESTS(TEST_CASE(a_missing_allocation_loses_no_entity_and_no_field), TEST_CASE(nor_a_mistake))
