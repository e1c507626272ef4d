/* What the dao exports is the same, by its address, as long as it has not changed. */
#include <stdlib.h>

#include "config/dao/dao.h"
#include "tests/check.h"

static struct dao *open_dao(void)
{
    struct kong_error error = { 0 };
    struct dao *dao = NULL;

    CHECK_INT(dao_create(model_get(), NULL, &dao), 0);
    dao_set_read_only(dao, false);
    CHECK_INT(dao_begin(dao, &error), 0);
    return dao;
}

/* The id of what was made, good until the next call. */
static const char *insert(struct dao *dao, const char *entity, json_t *input)
{
    static char id[64];
    struct kong_error error = { 0 };
    json_t *made = NULL;

    if (dao_insert(dao, model_entity(model_get(), entity), input, &made, &error) < 0)
        fail_msg("%s", error.message);
    (void)snprintf(id, sizeof(id), "%s", json_string_value(json_object_get(made, "id")));
    json_decref(made);
    json_decref(input);
    return id;
}

/* A new reference. */
static json_t *list_of(const struct dao *dao, const char *kind)
{
    json_t *document = dao_export(dao);
    json_t *list = json_incref(json_object_get(document, kind));

    json_decref(document);
    return list;
}

static json_t *service(const char *id)
{
    return json_pack("{s:s, s:s}", "id", id, "host", "h");
}

#define FIRST  "aaaaaaaa-0000-4000-8000-000000000001"
#define SECOND "aaaaaaaa-0000-4000-8000-000000000002"

TEST(a_list_without_a_change_is_the_same_list)
{
    struct dao *dao = open_dao();
    json_t *services, *routes, *later;
    size_t step;

    (void)insert(dao, "services", service(FIRST));
    (void)insert(dao, "routes",
                 json_pack("{s:[s], s:{s:s}}", "paths", "/a", "service", "id", FIRST));
    services = list_of(dao, "services");
    routes = list_of(dao, "routes");
    step = dao_step(dao);
    (void)insert(dao, "services", service(SECOND));
    later = list_of(dao, "services");
    CHECK(later != services);
    CHECK_INT(json_array_size(later), 2);
    CHECK(json_array_get(later, 0) == json_array_get(services, 0));
    CHECK_INT(json_array_size(services), 1); /* who has it keeps what it was */
    json_decref(later);
    later = list_of(dao, "routes");
    CHECK(later == routes);
    json_decref(later);
    dao_undo_step(dao, step);
    later = list_of(dao, "services");
    CHECK_INT(json_array_size(later), 1);
    CHECK(json_array_get(later, 0) == json_array_get(services, 0));
    json_decref(later);
    json_decref(services);
    json_decref(routes);
    dao_rollback(dao);
    dao_free(dao);
}

TEST(a_time_to_live_is_counted_anew)
{
    struct dao *dao = open_dao();
    json_t *first, *second;

    (void)insert(dao, "consumers", json_pack("{s:s}", "username", "bob"));
    (void)insert(
        dao, "keyauth_credentials",
        json_pack("{s:{s:s}, s:s, s:i}", "consumer", "username", "bob", "key", "k", "ttl", 100));
    first = list_of(dao, "keyauth_credentials");
    second = list_of(dao, "keyauth_credentials");
    CHECK(first != second);
    CHECK(json_array_get(first, 0) != json_array_get(second, 0));
    json_decref(first);
    json_decref(second);
    dao_rollback(dao);
    dao_free(dao);
}

TESTS(TEST_CASE(a_list_without_a_change_is_the_same_list),
      TEST_CASE(a_time_to_live_is_counted_anew))
