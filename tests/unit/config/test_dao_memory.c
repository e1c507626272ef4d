/*
 * Each allocation of the dao's work fails once: then a call says -ENOMEM or refuses, and nothing of it is
 * left behind. The functions below go before the C library's, as in tests/fault/alloc_fault.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "config/dao/dao.h"
#include "config/declarative.h"
#include "tests/check.h"

#define BELOW_(prefix, name) prefix##name
#define BELOW(prefix, name)  BELOW_(prefix, name)

void *BELOW(ALLOCATOR_PREFIX, malloc)(size_t bytes);
void *BELOW(ALLOCATOR_PREFIX, calloc)(size_t count, size_t bytes);
void *BELOW(ALLOCATOR_PREFIX, realloc)(void *memory, size_t bytes);

/* Of some 10,000, most of them OpenSSL's when it reads a certificate. */
enum { STRIDE = 37, REFUSED_MIN = 20 }; /* OpenSSL does without much of it */

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

static uint64_t now_ms(void)
{
    return 1700000000000;
}

static const struct model_entity *entity_of(const char *name)
{
    return model_entity(model_get(), name);
}

/* input is made before the counting. */
struct inputs {
    json_t *service, *route, *patch, *certificate, *all;
};

static int insert(struct dao *dao, const char *entity, const json_t *input,
                  struct kong_error *error)
{
    json_t *made = NULL;
    int r = dao_insert(dao, entity_of(entity), input, &made, error);

    CHECK((r == 0) == (made != NULL));
    json_decref(made);
    return r;
}

static int change(struct dao *dao, const struct inputs *inputs, struct kong_error *error)
{
    const char *id = json_string_value(json_object_get(inputs->service, "id"));
    json_t *value = NULL;
    bool was_there;
    int r = insert(dao, "services", inputs->service, error);

    if (r == 0)
        r = insert(dao, "routes", inputs->route, error);
    if (r == 0)
        r = dao_update(dao, entity_of("services"), id, inputs->patch, &value, error);
    json_decref(value);
    if (r == 0)
        r = insert(dao, "certificates", inputs->certificate, error);
    if (r == 0)
        r = dao_delete(dao, entity_of("routes"),
                       json_string_value(json_object_get(inputs->route, "id")), &was_there, error);
    return r;
}

static int look(const struct dao *dao, struct kong_error *error)
{
    struct dao_page_request request = {
        .entity = entity_of("services"), .size = "1", .has_tags = true, .tags = "a/b"
    };
    struct dao_page page = { 0 };
    json_t *value = NULL;
    int r = dao_page(dao, &request, &page, error);

    dao_page_done(&page);
    if (r == 0)
        r = dao_find(dao, entity_of("services"), "s", &value, error);
    json_decref(value);
    return r;
}

/* All of it with the n-th allocation failing. */
static int run(size_t number, const struct inputs *inputs, struct dao *dao)
{
    struct kong_error error = { 0 };
    int r;

    allocations = 0;
    fails_at = number;
    r = dao_begin(dao, &error);
    if (r == 0) {
        r = change(dao, inputs, &error);
        if (r == 0)
            r = look(dao, &error);
        if (r == 0)
            r = dao_import(dao, inputs->all, &error);
        dao_undo_step(dao, 0);
        if (r == 0)
            r = dao_replace_all(dao, inputs->all);
        dao_rollback(dao);
    }
    fails_at = 0;
    kong_error_done(&error);
    return r;
}

static struct inputs make_inputs(void)
{
    json_t *pem =
        json_load_file(HOPGATE_SOURCE_DIR "/tests/data/kong-dao-certificates.json", 0, NULL);
    json_t *service = json_pack("{sssssss[ss]}", "id", "aaaaaaaa-0000-4000-8000-000000000001",
                                "name", "s", "host", "h", "tags", "a", "b");
    struct inputs inputs = {
        .service = service,
        .route = json_pack("{sss[s]s{ss}}", "id", "aaaaaaaa-0000-4000-8000-000000000002", "paths",
                           "/a", "service", "name", "s"),
        .patch = json_pack("{si}", "port", 81),
        .certificate = json_pack("{sOsOs[ss]}", "cert", json_object_get(pem, "cert"), "key",
                                 json_object_get(pem, "key"), "snis", "a.test", "b.test"),
        .all = json_pack("{s[O]}", "services", service),
    };

    CHECK(inputs.service && inputs.route && inputs.patch && inputs.certificate && inputs.all);
    json_decref(pem);
    return inputs;
}

TEST(a_missing_allocation_leaves_nothing_behind)
{
    struct inputs inputs = make_inputs();
    struct dao *dao = NULL;
    size_t number, count, refused = 0;
    const char *asked = getenv("HOPGATE_ALLOCATION_STRIDE");
    size_t stride = asked ? strtoul(asked, NULL, 10) : STRIDE;
    int r;

    CHECK_INT(dao_create(model_get(), NULL, &dao), 0);
    dao_set_read_only(dao, false);
    dao_set_clock(dao, now_ms);
    CHECK_INT(run(0, &inputs, dao), 0); /* what libraries make at their first use */
    CHECK_INT(run(0, &inputs, dao), 0);
    count = allocations;
    for (number = 1; number <= count; number += stride) {
        json_t *document;
        r = run(number, &inputs, dao);
        refused += r < 0;
        document = dao_export(dao);
        if (json_object_size(document) != 2) /* _format_version and _transform */
            fail_msg("allocation %zu of %zu: something is left behind", number, count);
        json_decref(document);
    }
    CHECK(refused >= REFUSED_MIN);
    dao_free(dao);
    json_decref(inputs.service);
    json_decref(inputs.route);
    json_decref(inputs.patch);
    json_decref(inputs.certificate);
    json_decref(inputs.all);
}

TESTS(TEST_CASE(a_missing_allocation_leaves_nothing_behind))
