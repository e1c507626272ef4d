/* The dao over a store: what lasts, what is undone, what others have written. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/dao/dao.h"
#include "tests/check.h"

/* --- a store in memory, that fails where a test says ---------------------------------------- */

struct fake_store {
    struct store base;
    json_t *rows, *written; /* "kind id" -> text; written: of the transaction, null: removed */
    bool is_locked, has_changed;
    int begin_fails, put_fails, commit_fails; /* 0 or the negative errno */
};

static int fake_begin(struct store *store, bool *ret_changed)
{
    struct fake_store *fake = (struct fake_store *)store;

    CHECK(!fake->is_locked);
    if (fake->begin_fails)
        return fake->begin_fails;
    fake->is_locked = true;
    *ret_changed = fake->has_changed;
    return 0;
}

static int fake_put(struct store *store, const char *kind, const char *id, const char *json,
                    size_t length)
{
    struct fake_store *fake = (struct fake_store *)store;
    char key[128];

    CHECK(fake->is_locked);
    (void)snprintf(key, sizeof(key), "%s %s", kind, id);
    if (fake->put_fails)
        return fake->put_fails;
    CHECK_INT(json_object_set_new(fake->written, key, json_stringn(json, length)), 0);
    return 0;
}

static int fake_remove(struct store *store, const char *kind, const char *id)
{
    struct fake_store *fake = (struct fake_store *)store;
    char key[128];

    (void)snprintf(key, sizeof(key), "%s %s", kind, id);
    CHECK_INT(json_object_set_new(fake->written, key, json_null()), 0);
    return 0;
}

static void fake_rollback(struct store *store)
{
    struct fake_store *fake = (struct fake_store *)store;

    fake->is_locked = false;
    CHECK_INT(json_object_clear(fake->written), 0);
}

static int fake_commit(struct store *store)
{
    struct fake_store *fake = (struct fake_store *)store;
    const char *key;
    json_t *text;

    CHECK(fake->is_locked);
    if (fake->commit_fails) {
        (void)snprintf(store->error, sizeof(store->error), "the disk is full");
        return fake->commit_fails;
    }
    json_object_foreach(fake->written, key, text)
    {
        if (json_is_null(text))
            (void)json_object_del(fake->rows, key); /* also when it was never there */
        else
            CHECK_INT(json_object_set(fake->rows, key, text), 0);
    }
    fake_rollback(store);
    return 0;
}

static int fake_load(struct store *store, store_row *row, void *context)
{
    struct fake_store *fake = (struct fake_store *)store;
    const char *key;
    json_t *text;
    int r = 0;

    json_object_foreach(fake->rows, key, text)
    {
        char kind[64], id[64];
        if (r < 0)
            break;
        CHECK_INT(sscanf(key, "%63s %63s", kind, id), 2);
        r = row(context, kind, id, json_string_value(text), json_string_length(text));
    }
    if (r == 0)
        fake->has_changed = false;
    return r;
}

static const struct store_ops fake_ops = { .begin = fake_begin,
                                           .put = fake_put,
                                           .remove = fake_remove,
                                           .commit = fake_commit,
                                           .rollback = fake_rollback,
                                           .load = fake_load };

static uint64_t clock_ms = 1700000000000;

static uint64_t now_ms(void)
{
    return clock_ms;
}

static struct fake_store fake_make(void)
{
    return (struct fake_store){ .base.ops = &fake_ops,
                                .rows = json_object(),
                                .written = json_object() };
}

static void fake_done(struct fake_store *fake)
{
    json_decref(fake->rows);
    json_decref(fake->written);
}

static struct dao *open_dao(struct fake_store *fake)
{
    struct config_errors errors;
    struct dao *dao = NULL;

    config_errors_init(&errors);
    CHECK_INT(dao_create(model_get(), &fake->base, &dao), 0);
    dao_set_clock(dao, now_ms);
    CHECK_INT(dao_load(dao, &errors), 0);
    CHECK_INT(errors.count, 0);
    config_errors_done(&errors);
    return dao;
}

/* --- words --------------------------------------------------------------------------------- */

static const struct model_entity *entity_of(const char *name)
{
    return model_entity(model_get(), name);
}

/* 'text' with the quotes of JSON; the id of what was made, good until the next call. */
static const char *insert(struct dao *dao, const char *entity, const char *quoted)
{
    static char id[64];
    struct kong_error error = { 0 };
    char *text = strdup(quoted);
    json_t *input, *made = NULL;

    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    input = json_loads(text, 0, NULL);
    CHECK(input != NULL);
    if (dao_insert(dao, entity_of(entity), input, &made, &error) < 0)
        fail_msg("%s: %s", quoted, error.message);
    (void)snprintf(id, sizeof(id), "%s", json_string_value(json_object_get(made, "id")));
    json_decref(made);
    json_decref(input);
    free(text);
    return id;
}

static void begin(struct dao *dao)
{
    struct kong_error error = { 0 };

    if (dao_begin(dao, &error) < 0)
        fail_msg("%s", error.message);
}

static void commit(struct dao *dao)
{
    struct kong_error error = { 0 };

    if (dao_commit(dao, &error) < 0)
        fail_msg("%s", error.message);
}

/* Names of all services, in the order of their ids; good until the next call. */
static const char *services_of(const struct dao *dao)
{
    static char names[512];
    json_t *document = dao_export(dao), *service;
    size_t i, used = 0;

    names[0] = '\0';
    json_array_foreach(json_object_get(document, "services"), i, service) used +=
        (size_t)snprintf(names + used, sizeof(names) - used, "%s ",
                         json_string_value(json_object_get(service, "name")));
    json_decref(document);
    return names;
}

#define ID(digit)            "'id':'aaaaaaaa-0000-4000-8000-00000000000" #digit "'"
#define SERVICE(digit, name) "{" ID(digit) ",'name':'" name "','host':'h'}"

/* --- tests --------------------------------------------------------------------------------- */

TEST(what_is_committed_is_loaded_again)
{
    struct fake_store fake = fake_make();
    struct dao *dao = open_dao(&fake);
    unsigned long long generation = dao_generation(dao);
    json_t *before, *after;

    begin(dao);
    (void)insert(dao, "services", SERVICE(1, "one"));
    (void)insert(dao, "consumers", "{" ID(2) ",'username':'bob'}");
    (void)insert(dao, "keyauth_credentials", "{'consumer':{'username':'bob'},'key':'k','ttl':100}");
    (void)insert(dao, "routes", "{'paths':['/a'],'service':{'name':'one'},'tags':['x']}");
    commit(dao);
    CHECK(dao_generation(dao) > generation);
    CHECK_INT(json_object_size(fake.rows), 4);
    before = dao_export(dao);
    dao_free(dao);
    dao = open_dao(&fake);
    after = dao_export(dao);
    CHECK(json_equal(before, after));
    CHECK_STR(json_string_value(
                  json_object_get(json_array_get(json_object_get(after, "routes"), 0), "service")),
              "aaaaaaaa-0000-4000-8000-000000000001");
    CHECK_INT(json_integer_value(json_object_get(
                  json_array_get(json_object_get(after, "keyauth_credentials"), 0), "ttl")),
              100);
    json_decref(before);
    json_decref(after);
    dao_free(dao);
    fake_done(&fake);
}

TEST(a_step_is_undone_alone)
{
    struct fake_store fake = fake_make();
    struct dao *dao = open_dao(&fake);
    struct kong_error error = { 0 };
    bool was_there;
    size_t step;

    begin(dao);
    (void)insert(dao, "services", SERVICE(1, "one"));
    commit(dao);
    begin(dao);
    CHECK(!dao_has_changes(dao));
    (void)insert(dao, "services", SERVICE(2, "two"));
    step = dao_step(dao);
    (void)insert(dao, "services", SERVICE(3, "three"));
    CHECK_INT(dao_delete(dao, entity_of("services"), "aaaaaaaa-0000-4000-8000-000000000001",
                         &was_there, &error),
              0);
    (void)insert(dao, "services", SERVICE(4, "one"));
    CHECK_STR(services_of(dao), "two three one ");
    dao_undo_step(dao, step);
    CHECK_STR(services_of(dao), "one two ");
    commit(dao);
    CHECK_INT(json_object_size(fake.rows), 2);
    begin(dao);
    (void)insert(dao, "services", SERVICE(3, "three"));
    dao_rollback(dao);
    CHECK_STR(services_of(dao), "one two ");
    CHECK_INT(json_object_size(fake.rows), 2);
    dao_free(dao);
    fake_done(&fake);
}

TEST(changes_are_told_in_order)
{
    struct fake_store fake = fake_make();
    struct dao *dao = open_dao(&fake);
    struct kong_error error = { 0 };
    struct dao_change change;
    json_t *input = json_pack("{si}", "port", 81), *value = NULL;
    const char *id = "aaaaaaaa-0000-4000-8000-000000000001";
    bool was_there;

    begin(dao);
    (void)insert(dao, "services", SERVICE(1, "one"));
    CHECK_INT(dao_update(dao, entity_of("services"), id, input, &value, &error), 0);
    CHECK_INT(dao_delete(dao, entity_of("services"), id, &was_there, &error), 0);
    CHECK_INT(dao_changes_count(dao), 3);
    change = dao_change_at(dao, 1);
    CHECK_STR(change.entity->name, "services");
    CHECK_STR(change.id, id);
    CHECK_INT(json_integer_value(json_object_get(change.before, "port")), 80);
    CHECK_INT(json_integer_value(json_object_get(change.after, "port")), 81);
    CHECK(dao_change_at(dao, 0).before == NULL);
    CHECK(dao_change_at(dao, 2).after == NULL);
    commit(dao);
    CHECK_INT(json_object_size(fake.rows), 0);
    json_decref(value);
    json_decref(input);
    dao_free(dao);
    fake_done(&fake);
}

TEST(a_commit_that_fails_changes_nothing)
{
    struct fake_store fake = fake_make();
    struct dao *dao = open_dao(&fake);
    struct kong_error error = { 0 };
    unsigned long long generation;

    begin(dao);
    (void)insert(dao, "services", SERVICE(1, "one"));
    commit(dao);
    generation = dao_generation(dao);
    for (int i = 0; i < 2; i++) {
        fake.commit_fails = i == 0 ? -ENOSPC : 0;
        fake.put_fails = i == 1 ? -EIO : 0;
        begin(dao);
        (void)insert(dao, "services", SERVICE(2, "two"));
        CHECK_INT(dao_commit(dao, &error), -EINVAL);
        CHECK_INT(error.code, KONG_DATABASE_ERROR);
        CHECK_INT(error.status, 500);
        kong_error_done(&error);
        CHECK_STR(services_of(dao), "one ");
        CHECK(!fake.is_locked);
        CHECK(dao_generation(dao) == generation);
    }
    fake.put_fails = 0;
    fake.begin_fails = -EBUSY;
    CHECK_INT(dao_begin(dao, &error), -EINVAL);
    kong_error_done(&error);
    fake.begin_fails = 0;
    begin(dao);
    (void)insert(dao, "services", SERVICE(2, "two"));
    commit(dao);
    CHECK_STR(services_of(dao), "one two ");
    dao_free(dao);
    fake_done(&fake);
}

TEST(an_input_that_is_no_object_is_refused)
{
    struct fake_store fake = fake_make();
    struct dao *dao = open_dao(&fake);
    struct kong_error error = { 0 };
    json_t *inputs[] = { json_array(), json_string("x"), json_null() }, *value = NULL;
    const char *id = "aaaaaaaa-0000-4000-8000-000000000001";

    begin(dao);
    (void)insert(dao, "services", SERVICE(1, "one"));
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        CHECK_INT(dao_insert(dao, entity_of("services"), inputs[i], &value, &error), -EINVAL);
        kong_error_done(&error);
        CHECK_INT(dao_update(dao, entity_of("services"), id, inputs[i], &value, &error), -EINVAL);
        kong_error_done(&error);
        CHECK_INT(dao_upsert(dao, entity_of("services"), id, inputs[i], &value, &error), -EINVAL);
        kong_error_done(&error);
        CHECK_INT(dao_upsert(dao, entity_of("services"), "one", inputs[i], &value, &error),
                  -EINVAL);
        kong_error_done(&error);
        json_decref(inputs[i]);
    }
    CHECK_STR(services_of(dao), "one ");
    dao_rollback(dao);
    dao_free(dao);
    fake_done(&fake);
}

TEST(what_others_have_written_is_taken_in_at_begin)
{
    struct fake_store fake = fake_make();
    struct dao *dao = open_dao(&fake);
    struct dao *other = open_dao(&fake);

    begin(other);
    (void)insert(other, "services", SERVICE(1, "one"));
    commit(other);
    fake.has_changed = true;
    begin(dao);
    CHECK_STR(services_of(dao), "one ");
    CHECK(!dao_has_changes(dao));
    (void)insert(dao, "services", SERVICE(2, "two"));
    commit(dao);
    CHECK_STR(services_of(dao), "one two ");
    dao_free(dao);
    dao_free(other);
    fake_done(&fake);
}

/* Else the next change would be made on top of what is not in the store any more. */
TEST(what_others_have_written_and_cannot_be_read_stays_in_the_way)
{
    static const char key[] = "routes 4d1d1c3e-6a54-4d5f-9f0a-0f3f8a5b6c7d";
    struct fake_store fake = fake_make();
    struct dao *dao = open_dao(&fake);
    struct kong_error error = { 0 };

    CHECK_INT(json_object_set_new(
                  fake.rows, key,
                  json_string("{\"id\":\"4d1d1c3e-6a54-4d5f-9f0a-0f3f8a5b6c7d\",\"service\":"
                              "{\"id\":\"11111111-6a54-4d5f-9f0a-0f3f8a5b6c7d\"}}")),
              0);
    fake.has_changed = true;
    for (int i = 0; i < 2; i++) {
        CHECK_INT(dao_begin(dao, &error), -EINVAL);
        kong_error_done(&error);
        CHECK(!fake.has_changed); /* as the store sees it */
    }
    CHECK_INT(json_object_del(fake.rows, key), 0);
    begin(dao);
    (void)insert(dao, "services", SERVICE(1, "one"));
    commit(dao);
    CHECK_STR(services_of(dao), "one ");
    dao_free(dao);
    fake_done(&fake);
}

TEST(rows_whose_time_is_over_leave_the_store)
{
    struct fake_store fake = fake_make();
    struct dao *dao = open_dao(&fake);

    begin(dao);
    (void)insert(dao, "consumers", "{'username':'bob'}");
    (void)insert(dao, "keyauth_credentials", "{'consumer':{'username':'bob'},'key':'k','ttl':5}");
    commit(dao);
    CHECK_INT(json_object_size(fake.rows), 2);
    clock_ms += 5000;
    begin(dao);
    CHECK(dao_has_changes(dao));
    commit(dao);
    CHECK_INT(json_object_size(fake.rows), 1);
    clock_ms -= 5000;
    dao_free(dao);
    fake_done(&fake);
}

#define WRONG_ROW(kind, member, says)                                            \
    {                                                                            \
        kind " aaaaaaaa-0000-4000-8000-000000000001",                            \
            "{\"id\":\"aaaaaaaa-0000-4000-8000-000000000001\"," member "}", says \
    }

TEST(a_row_that_cannot_be_read_is_named_and_refused)
{
    static const struct {
        const char *key, *text, *says;
    } rows[] = {
        { "services aaaaaaaa-0000-4000-8000-000000000001", "{", "its row cannot be read" },
        { "services aaaaaaaa-0000-4000-8000-000000000001", "{\"id\":\"b\"}", "it has another id" },
        { "services aaaaaaaa-0000-4000-8000-000000000001", "[]", "its row cannot be read" },
        { "spaceships aaaaaaaa-0000-4000-8000-000000000001", "{}", "no entity of that kind" },
        { "routes aaaaaaaa-0000-4000-8000-000000000001",
          "{\"id\":\"aaaaaaaa-0000-4000-8000-000000000001\",\"service\":{\"id\":"
          "\"aaaaaaaa-0000-4000-8000-000000000002\"}}",
          "does not reference an existing 'services' entity" },
        WRONG_ROW("services", "\"tags\":[1]", "its 'tags' cannot be read (expected a text)"),
        WRONG_ROW("services", "\"tags\":[null]", "'tags' cannot be read (expected a value)"),
        WRONG_ROW("services", "\"tags\":{}", "'tags' cannot be read (expected a list)"),
        WRONG_ROW("services", "\"port\":\"80\"", "'port' cannot be read (expected a number)"),
        WRONG_ROW("services", "\"enabled\":1", "'enabled' cannot be read (expected true or"),
        WRONG_ROW("routes", "\"service\":{\"id\":5}", "'service' cannot be read (expected {"),
        WRONG_ROW("routes", "\"service\":5", "'service' cannot be read (expected {"),
        WRONG_ROW("routes", "\"headers\":{\"x\":[5]}", "'headers' cannot be read (expected a te"),
        WRONG_ROW("routes", "\"headers\":{\"x\":null}", "'headers' cannot be read (expected a v"),
        WRONG_ROW("upstreams", "\"healthchecks\":{\"active\":{\"timeout\":\"1\"}}",
                  "'healthchecks' cannot be read (expected a number)"),
        WRONG_ROW("plugins", "\"config\":5", "'config' cannot be read (expected an object)"),
        { "services not-aaaaaaaa-0000-4000-8000-000000000001-but-longer",
          "{\"id\":\"not-aaaaaaaa-0000-4000-8000-000000000001-but-longer\"}", "its id is no UUID" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fake_store fake = fake_make();
        struct dao *dao = open_dao(&fake);
        struct config_errors errors;
        char line[1024];
        begin(dao);
        (void)insert(dao, "services", SERVICE(9, "kept"));
        commit(dao);
        CHECK_INT(json_object_set_new(fake.rows, rows[i].key, json_string(rows[i].text)), 0);
        config_errors_init(&errors);
        CHECK_INT(dao_load(dao, &errors), -EINVAL);
        CHECK_INT(errors.count, 1);
        (void)config_error_format(&errors.items[0], line, sizeof(line));
        if (!strstr(line, rows[i].says) || !strstr(line, "aaaaaaaa-0000-4000-8000-000000000001"))
            fail_msg("%s", line);
        CHECK_STR(services_of(dao), "kept "); /* what was loaded before is still there */
        config_errors_done(&errors);
        dao_free(dao);
        fake_done(&fake);
    }
}

TEST(two_routes_that_match_the_same_are_found)
{
    struct fake_store fake = fake_make();
    struct dao *dao = open_dao(&fake);
    static const struct {
        const char *text;
        bool is_duplicate;
    } rows[] = {
        { "{'paths':['/b','/a'],'hosts':['h'],'service':{'name':'two'}}", true },
        { "{'paths':['/b','/a'],'hosts':['h'],'service':{'name':'one'}}", false },
        { "{'paths':['/b','/a'],'hosts':['h']}", true },
        { "{'paths':['/a'],'hosts':['h'],'service':{'name':'two'}}", false },
        { "{'paths':['/b','/a'],'hosts':['h'],'regex_priority':1,'service':{'name':'two'}}",
          false },
        { "{'paths':['/b','/a'],'hosts':['h'],'methods':['GET'],'service':{'name':'two'}}", false },
        { "{'paths':['/b','/a'],'hosts':['h'],'headers':{'X-A':['2']},'service':{'name':'two'}}",
          false },
    };

    begin(dao);
    (void)insert(dao, "services", SERVICE(1, "one"));
    (void)insert(dao, "services", SERVICE(2, "two"));
    (void)insert(dao, "routes",
                 "{'name':'first','paths':['/a','/b'],'hosts':['h'],'service':{'name':'one'}}");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t step = dao_step(dao);
        json_t *route = dao_by_id(dao, entity_of("routes"), insert(dao, "routes", rows[i].text)),
               *other;
        other = dao_find_duplicate_route(dao, route);
        if ((other != NULL) != rows[i].is_duplicate)
            fail_msg("%s: %s", rows[i].text, other ? "is one" : "is none");
        if (other)
            CHECK_STR(json_string_value(json_object_get(other, "name")), "first");
        json_decref(other);
        json_decref(route);
        dao_undo_step(dao, step);
    }
    commit(dao);
    dao_free(dao);
    fake_done(&fake);
}

TEST(a_declarative_file_takes_the_place_of_all)
{
    SCOPED(dao) dao = NULL;
    struct kong_error error = { 0 };
    json_t *entities =
        json_pack("{s[{ssssss}]s[{sssss[s]ss}]s[{ssssss}]}", "services", "id",
                  "aaaaaaaa-0000-4000-8000-000000000001", "name", "one", "host", "h", "routes",
                  "id", "aaaaaaaa-0000-4000-8000-000000000002", "name", "r", "paths", "/a",
                  "service", "aaaaaaaa-0000-4000-8000-000000000001", "consumers", "id",
                  "aaaaaaaa-0000-4000-8000-000000000003", "username", "bob", "custom_id", "7");
    json_t *found = NULL, *wrong;

    CHECK(entities != NULL);
    CHECK_INT(dao_create(model_get(), NULL, &dao), 0);
    CHECK(dao_is_read_only(dao));
    CHECK_INT(dao_replace_all(dao, entities), 0);
    CHECK_INT(dao_find(dao, entity_of("routes"), "r", &found, &error), 0);
    CHECK_STR(json_string_value(json_object_get(json_object_get(found, "service"), "id")),
              "aaaaaaaa-0000-4000-8000-000000000001");
    CHECK(json_is_null(json_object_get(found, "hosts")));
    json_decref(found);
    wrong = json_pack("{s[{ss}]}", "routes", "name", "without an id");
    CHECK_INT(dao_replace_all(dao, wrong), -EINVAL);
    json_decref(wrong);
    CHECK_STR(services_of(dao), "one ");
    wrong = json_object();
    begin(dao);
    CHECK_INT(dao_replace_all(dao, wrong), 0);
    CHECK_STR(services_of(dao), "");
    CHECK(dao_has_changes(dao));
    CHECK_INT(dao_replace_all(dao, entities), -EBUSY);
    dao_rollback(dao); /* as when the configuration cannot be used */
    CHECK_STR(services_of(dao), "one ");
    begin(dao);
    CHECK_INT(dao_replace_all(dao, wrong), 0);
    CHECK_INT(dao_step(dao), 1);
    commit(dao);
    CHECK_STR(services_of(dao), "");
    CHECK_INT(dao_replace_all(dao, entities), 0);
    CHECK_INT(dao_replace_all(dao, wrong), 0);
    json_decref(wrong);
    CHECK_STR(services_of(dao), "");
    json_decref(entities);
}

TESTS(TEST_CASE(what_is_committed_is_loaded_again), TEST_CASE(a_step_is_undone_alone),
      TEST_CASE(changes_are_told_in_order), TEST_CASE(a_commit_that_fails_changes_nothing),
      TEST_CASE(an_input_that_is_no_object_is_refused),
      TEST_CASE(what_others_have_written_is_taken_in_at_begin),
      TEST_CASE(what_others_have_written_and_cannot_be_read_stays_in_the_way),
      TEST_CASE(rows_whose_time_is_over_leave_the_store),
      TEST_CASE(a_row_that_cannot_be_read_is_named_and_refused),
      TEST_CASE(two_routes_that_match_the_same_are_found),
      TEST_CASE(a_declarative_file_takes_the_place_of_all))
