/* POST /config as one request among others of a transaction: what it answers, and what it leaves behind. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/admin/admin.h"
#include "tests/check.h"

#define FORMAT "{\"_format_version\": \"3.0\", \"services\": [{\"name\": \"%s\", \"host\": \"h\"}]}"

struct api {
    struct dao *dao;
    struct admin_host host;
    struct admin admin;
    struct kong_error error;
};

static void open_api(struct api *api)
{
    *api = (struct api){ .host = { .has_database = false } };
    CHECK_INT(dao_create(model_get(), NULL, &api->dao), 0);
    dao_set_read_only(api->dao, true);
    api->admin = (struct admin){ .dao = api->dao, .host = &api->host };
    CHECK_INT(dao_begin(api->dao, &api->error), 0);
}

static void close_api(struct api *api)
{
    CHECK_INT(dao_commit(api->dao, &api->error), 0);
    dao_free(api->dao);
}

/* The content as JSON; the answer is the caller's. */
static json_t *post(struct api *api, const char *query, const char *content,
                    struct admin_answer *ret)
{
    const struct admin_request request = {
        .method = SLICE("POST"),
        .path = SLICE("/config"),
        .query = slice_of(query),
        .content_type = SLICE("application/json"),
        .content_types = 1,
        .has_content = true,
        .content = slice_of(content),
        .host = SLICE("localhost"),
    };

    CHECK_INT(admin_handle(&api->admin, &request, ret), 0);
    return ret->content ? json_loadb(ret->content, ret->content_length, 0, NULL) : NULL;
}

static void check_message(struct api *api, const char *content, unsigned status,
                          const char *message)
{
    struct admin_answer answer;
    json_t *said = post(api, "", content, &answer);

    CHECK_INT(answer.status, status);
    CHECK_STR(json_string_value(json_object_get(said, "message")), message);
    CHECK(!answer.is_change && !answer.is_whole);
    json_decref(said);
    admin_answer_done(&answer);
}

static void check_taken(struct api *api, const char *content)
{
    struct admin_answer answer;
    json_t *said = post(api, "", content, &answer);

    CHECK_INT(answer.status, 201);
    CHECK(answer.is_change && answer.is_whole);
    json_decref(said);
    admin_answer_done(&answer);
}

static const char *field_of(const struct admin_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->fields_count; i++)
        if (strcmp(answer->fields[i].name, name) == 0)
            return answer->fields[i].value;
    return NULL;
}

static void check_has(struct api *api, const char *name, bool has)
{
    json_t *row = dao_by_unique(api->dao, model_entity(model_get(), "services"), "name", name);

    CHECK_INT(row != NULL, has);
    json_decref(row);
}

static char *document(const char *name)
{
    char *text;

    CHECK(asprintf(&text, FORMAT, name) > 0);
    return text;
}

TEST(a_second_one_in_the_same_moment_has_to_wait)
{
    struct api api;
    struct admin_answer answer;
    char *first = document("first"), *second = document("second");
    json_t *said;

    open_api(&api);
    check_taken(&api, first);
    said = post(&api, "", second, &answer);
    CHECK_INT(answer.status, 429);
    CHECK_STR(json_string_value(json_object_get(said, "message")),
              "Currently loading previous configuration");
    CHECK_STR(field_of(&answer, "Retry-After"), "10");
    CHECK(!answer.is_change);
    check_has(&api, "first", true);
    check_has(&api, "second", false);
    json_decref(said);
    admin_answer_done(&answer);
    close_api(&api);
    free(first);
    free(second);
}

TEST(what_is_too_large_changes_nothing)
{
    struct api api;
    char *small = document("small"), large[6000];

    (void)snprintf(
        large, sizeof(large),
        "{\"_format_version\": \"3.0\", \"services\": [{\"name\": \"s\", \"host\": \"h\", "
        "\"path\": \"/%0*d\"}]}",
        4000, 0);
    open_api(&api);
    api.admin.config_max_bytes = 2000;
    check_message(&api, large, 413,
                  "Configuration does not fit in LMDB database, consider raising the "
                  "\"lmdb_map_size\" config for Kong");
    check_has(&api, "s", false);
    check_taken(&api, small);
    close_api(&api);
    free(small);
}

TEST(with_a_database_there_is_no_such_thing)
{
    struct api api;
    char *text = document("s");

    open_api(&api);
    api.host.has_database = true;
    check_message(&api, text, 400,
                  "this endpoint is only available when Kong is configured to not use a database");
    close_api(&api);
    free(text);
}

/* From Kong's spec of kong.db.errors.declarative_config_flattened(): an id twice, below an upstream. */
TEST(what_is_there_twice_has_an_entry_of_its_own)
{
    static const char text[] =
        "{\"_format_version\": \"3.0\", \"upstreams\": [{\"name\": \"u\", \"id\": "
        "\"f9792964-6797-482c-bfdf-08220a4f6839\", \"targets\": [{\"id\": "
        "\"48322e4a-b3b0-591b-8ed6-fd95a6d75019\", \"tags\": [\"target-1\"], \"target\": "
        "\"10.244.0.12:80\", \"weight\": 1}, {\"id\": \"48322e4a-b3b0-591b-8ed6-fd95a6d75019\", "
        "\"tags\": [\"target-2\"], \"target\": \"10.244.0.12:80\", \"weight\": 1}]}]}";
    static const char want[] =
        "{\"code\": 14, \"name\": \"invalid declarative configuration\", \"message\": "
        "\"declarative "
        "config is invalid: {}\", \"fields\": {}, \"flattened_errors\": [{\"entity\": {\"id\": "
        "\"48322e4a-b3b0-591b-8ed6-fd95a6d75019\", \"tags\": [\"target-2\"], \"target\": "
        "\"10.244.0.12:80\", \"weight\": 1, \"upstream\": {\"id\": "
        "\"f9792964-6797-482c-bfdf-08220a4f6839\"}}, \"entity_id\": "
        "\"48322e4a-b3b0-591b-8ed6-fd95a6d75019\", \"entity_tags\": [\"target-2\"], "
        "\"entity_type\": \"target\", \"errors\": [{\"message\": \"uniqueness violation: 'targets' "
        "entity with primary key set to '48322e4a-b3b0-591b-8ed6-fd95a6d75019' already declared\", "
        "\"type\": \"entity\"}]}]}";
    struct api api;
    struct admin_answer answer;
    json_t *said, *wanted = json_loads(want, 0, NULL);

    open_api(&api);
    said = post(&api, "flatten_errors=yes", text, &answer);
    CHECK_INT(answer.status, 400);
    if (!json_equal(said, wanted))
        fail_msg("%.*s", (int)answer.content_length, answer.content);
    json_decref(said);
    json_decref(wanted);
    admin_answer_done(&answer);
    close_api(&api);
}

TESTS(TEST_CASE(a_second_one_in_the_same_moment_has_to_wait),
      TEST_CASE(what_is_too_large_changes_nothing),
      TEST_CASE(with_a_database_there_is_no_such_thing),
      TEST_CASE(what_is_there_twice_has_an_entry_of_its_own))
