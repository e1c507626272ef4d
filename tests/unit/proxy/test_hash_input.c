/* hash_input: what Kong's hash_on takes of a request, and the cookie it sets. */
#include "proxy/route/hash_input.h"

#include "core/chunk.h"
#include "proxy/persona/persona.h"
#include "tests/check.h"

struct row {
    enum config_hash_source source;
    const char *name;
    const char *want; /* NULL: missing */
};

struct request {
    struct chunk_pool *pool;
    struct arena arena;
    struct http_head head;
    struct config_upstream upstream;
    struct config_service service;
    struct persona persona;
    struct exchange_record record;
};

static void request_init(struct request *request)
{
    *request = (struct request){ .pool = chunk_pool_create(0) };
    arena_init(&request->arena, request->pool, 0);
    fields_init(&request->head.fields, &request->arena);
    request->head.path = SLICE("/a/./b%41");
    request->head.query = SLICE("u=z&flag&u=a+b&e=&%75=%6D&u%3d=x");
    CHECK_INT(fields_add(&request->head.fields, SLICE("X-One"), SLICE("1")), 0);
    CHECK_INT(fields_add(&request->head.fields, SLICE("X-Two"), SLICE("2")), 0);
    CHECK_INT(fields_add(&request->head.fields, SLICE("x-two"), SLICE("3")), 0);
    CHECK_INT(fields_add(&request->head.fields, SLICE("X-Empty"), SLICE("")), 0);
    CHECK_INT(fields_add(&request->head.fields, SLICE("Cookie"), SLICE("a=1; bb=2;c")), 0);
    CHECK_INT(fields_add(&request->head.fields, SLICE("cookie"), SLICE("d=x=y; a=9")), 0);
    request->upstream.hash_on_cookie = (char *)"id";
    request->upstream.hash_on_cookie_path = (char *)"/p";
    request->service.upstream = &request->upstream;
    request->record.request = &request->head;
    request->record.service = &request->service;
    request->persona.response.same_site = "Same-Site"; /* as Kong spells it */
    request->record.persona = &request->persona;
    request->record.client_ip = SLICE("192.0.2.7");
    memcpy(request->record.request_id, "0123456789abcdef0123456789abcdef", 33);
}

static void request_done(struct request *request)
{
    arena_done(&request->arena);
    chunk_pool_free(request->pool);
}

static struct slice input_of(struct request *request, enum config_hash_source source,
                             const char *name)
{
    request->upstream.hash_inputs[0] = (struct config_hash_input){ source, name };
    return hash_input(&request->record, &request->arena);
}

TEST(inputs_are_what_kong_takes)
{
    static const struct row rows[] = {
        { CONFIG_HASH_NONE, NULL, NULL },          { CONFIG_HASH_CONSUMER, NULL, NULL },
        { CONFIG_HASH_URI_CAPTURE, "id", NULL },   { CONFIG_HASH_IP, NULL, "192.0.2.7" },
        { CONFIG_HASH_PATH, NULL, "/a/bA" },       { CONFIG_HASH_HEADER, "x-one", "1" },
        { CONFIG_HASH_HEADER, "X-Two", "2, 3" },   { CONFIG_HASH_HEADER, "X-Empty", "" },
        { CONFIG_HASH_HEADER, "X-On", NULL },      { CONFIG_HASH_COOKIE, "a", "1" },
        { CONFIG_HASH_COOKIE, "BB", "2" },         { CONFIG_HASH_COOKIE, "d", "x=y" },
        { CONFIG_HASH_QUERY_ARG, "u", "a b,m,z" }, { CONFIG_HASH_QUERY_ARG, "flag", "true" },
        { CONFIG_HASH_QUERY_ARG, "e", "" },        { CONFIG_HASH_QUERY_ARG, "u=", "x" },
        { CONFIG_HASH_QUERY_ARG, "none", NULL },
    };
    struct request request;

    request_init(&request);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice got = input_of(&request, rows[i].source, rows[i].name);

        CHECK_INT(got.ptr != NULL, rows[i].want != NULL);
        CHECK_SLICE(got, rows[i].want);
        CHECK_STR(request.record.hash_cookie, "");
    }
    request_done(&request);
}

TEST(fallback_is_asked_when_the_first_is_missing)
{
    struct request request;

    request_init(&request);
    request.upstream.hash_inputs[1] = (struct config_hash_input){ CONFIG_HASH_HEADER, "X-One" };
    CHECK_SLICE(input_of(&request, CONFIG_HASH_HEADER, "X-None"), "1");
    CHECK_SLICE(input_of(&request, CONFIG_HASH_HEADER, "X-Two"), "2, 3");
    CHECK_SLICE(input_of(&request, CONFIG_HASH_HEADER, "X-Empty"), "");
    request.head.query = (struct slice){ NULL, 0 };
    CHECK_SLICE(input_of(&request, CONFIG_HASH_QUERY_ARG, "u"), "1");
    request_done(&request);
}

TEST(a_missing_cookie_is_made_once_and_set)
{
    const char want[] = "01234567-89ab-cdef-0123-456789abcdef";
    struct fields response;
    struct request request;

    request_init(&request);
    fields_init(&response, &request.arena);
    CHECK_INT(hash_input_set_cookie(&request.record, &response), 0);
    CHECK_INT(response.count, 0);
    CHECK_SLICE(input_of(&request, CONFIG_HASH_COOKIE, "id"), want);
    CHECK_SLICE(input_of(&request, CONFIG_HASH_COOKIE, "id"), want); /* the next try */
    CHECK_INT(fields_add(&response, SLICE("Set-Cookie"), SLICE("other=1")), 0);
    CHECK_INT(hash_input_set_cookie(&request.record, &response), 0);
    CHECK_INT(response.count, 2);
    CHECK_SLICE(response.items[1].value,
                "id=01234567-89ab-cdef-0123-456789abcdef; Path=/p; Same-Site=Lax; HttpOnly");
    response.items[1].value = SLICE("id=the target's");
    CHECK_INT(hash_input_set_cookie(&request.record, &response), 0);
    CHECK_INT(response.count, 2);
    CHECK(slice_starts_with(response.items[1].value, SLICE("id=01234567")));
    request_done(&request);
}

TEST(only_so_many_arguments_are_looked_at)
{
    char query[404] = "";
    struct request request;

    request_init(&request);
    for (unsigned i = 0; i < 100; i++)
        memcpy(query + i * 4, i < 99 ? "a=1&" : "b=2&", 4);
    memcpy(query + 400, "c=3", 3);
    request.head.query = (struct slice){ query, 403 };
    CHECK_SLICE(input_of(&request, CONFIG_HASH_QUERY_ARG, "b"), "2");
    CHECK(!input_of(&request, CONFIG_HASH_QUERY_ARG, "c").ptr);
    CHECK_INT(input_of(&request, CONFIG_HASH_QUERY_ARG, "a").len, 99 + 98);
    request_done(&request);
}

TESTS(TEST_CASE(inputs_are_what_kong_takes), TEST_CASE(fallback_is_asked_when_the_first_is_missing),
      TEST_CASE(a_missing_cookie_is_made_once_and_set),
      TEST_CASE(only_so_many_arguments_are_looked_at))
