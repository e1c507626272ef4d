/* tests/data/kong-dao-cases.json: stories of Kong's operations on entities, run on a dao without a store. */
#include <errno.h>

#include "tests/unit/config/story.h"

/* --- steps --------------------------------------------------------------------------------- */

static void check_error(const struct story *story, int r, struct kong_error *error,
                        const json_t *step)
{
    const json_t *want = json_object_get(step, "error");
    json_t *got = r < 0 ? kong_error_json(error) : NULL, *wanted = filled(story, want);

    if ((r < 0) != (want != NULL) || (want && !is_as_wanted(got, wanted)))
        fail_story(story, "error", got, wanted);
    json_decref(wanted);
    json_decref(got);
    kong_error_done(error);
}

static void check_value(const struct story *story, const json_t *got, const json_t *step)
{
    const json_t *want = json_object_get(step, "want"), *name = json_object_get(step, "save");
    json_t *wanted;

    if (want) {
        wanted = filled(story, want);
        if (json_is_null(want) ? got != NULL : !is_as_wanted(got, wanted))
            fail_story(story, "value", got, wanted);
        json_decref(wanted);
    }
    if (name)
        CHECK_INT(
            json_object_set(story->saved, json_string_value(name), json_object_get(got, "id")), 0);
}

static const struct model_entity *entity_of(const struct story *story, const char *name)
{
    const struct model_entity *entity = model_entity(dao_model(story->dao), name);

    if (!entity)
        fail_msg("%s: no entity %s", story->name, name);
    return entity;
}

/* A write in a step of its own, as the Admin API does it. */
static int write_step(struct story *story, const char *verb, const struct model_entity *entity,
                      const json_t *step, const json_t *input, json_t **ret,
                      struct kong_error *error)
{
    const char *key = json_string_value(json_object_get(step, "key"));

    if (strcmp(verb, "insert") == 0)
        return dao_insert(story->dao, entity, input, ret, error);
    if (strcmp(verb, "update") == 0)
        return dao_update(story->dao, entity, key, input, ret, error);
    return dao_upsert(story->dao, entity, key, input, ret, error);
}

static void run_write(struct story *story, const char *verb, const json_t *step)
{
    const struct model_entity *entity =
        entity_of(story, json_string_value(json_object_get(step, verb)));
    json_t *said = filled(story, step), *value = NULL;
    json_t *before = dao_export(story->dao), *after;
    struct kong_error error = { 0 };
    int r;

    CHECK_INT(dao_begin(story->dao, &error), 0);
    r = write_step(story, verb, entity, said, json_object_get(said, "input"), &value, &error);
    check_error(story, r, &error, step);
    CHECK_INT(dao_commit(story->dao, &error), 0);
    if (r == 0)
        check_value(story, value, step);
    after = dao_export(story->dao);
    if (r < 0 && !json_equal(before, after))
        fail_story(story, "a refused write has left something behind", after, before);
    json_decref(before);
    json_decref(after);
    json_decref(value);
    json_decref(said);
}

static void run_delete(struct story *story, const json_t *step)
{
    const struct model_entity *entity =
        entity_of(story, json_string_value(json_object_get(step, "delete")));
    json_t *said = filled(story, step);
    json_t *before = dao_export(story->dao), *after;
    struct kong_error error = { 0 };
    bool was_there = false;
    int r;

    CHECK_INT(dao_begin(story->dao, &error), 0);
    r = dao_delete(story->dao, entity, json_string_value(json_object_get(said, "key")), &was_there,
                   &error);
    check_error(story, r, &error, step);
    CHECK_INT(dao_commit(story->dao, &error), 0);
    after = dao_export(story->dao);
    if (r < 0 && !json_equal(before, after))
        fail_story(story, "a refused deletion has left something behind", after, before);
    if (r == 0 && was_there != !json_is_false(json_object_get(step, "was_there")))
        fail_story(story, "was_there", NULL, NULL);
    json_decref(before);
    json_decref(after);
    json_decref(said);
}

static void run_find(struct story *story, const json_t *step)
{
    const struct model_entity *entity =
        entity_of(story, json_string_value(json_object_get(step, "find")));
    json_t *said = filled(story, step), *value = NULL;
    const char *key = json_string_value(json_object_get(said, "key"));
    const char *field = json_string_value(json_object_get(said, "below"));
    struct kong_error error = { 0 };
    int r = field ? dao_find_below(story->dao, entity, field,
                                   json_string_value(json_object_get(said, "parent")), key, &value,
                                   &error)
                  : dao_find(story->dao, entity, key, &value, &error);

    check_error(story, r, &error, step);
    if (r == 0)
        check_value(story, value, step);
    json_decref(value);
    json_decref(said);
}

/* want: the values of `field` in order; more: there is another page, whose offset is saved as "offset". */
static void run_page(struct story *story, const json_t *step)
{
    json_t *said = filled(story, step), *got = json_array(), *item;
    const char *field = json_string_value(json_object_get(said, "field"));
    struct dao_page_request request = {
        .entity = entity_of(story, json_string_value(json_object_get(said, "page"))),
        .size = json_string_value(json_object_get(said, "size")),
        .offset = json_string_value(json_object_get(said, "offset")),
        .has_tags = json_object_get(said, "tags") != NULL,
        .tags = json_string_value(json_object_get(said, "tags")),
        .newest_first = json_is_true(json_object_get(said, "newest_first")),
        .foreign_field = json_string_value(json_object_get(said, "below")),
        .foreign_id = json_string_value(json_object_get(said, "parent")),
    };
    struct dao_page page = { 0 };
    struct kong_error error = { 0 };
    int r = dao_page(story->dao, &request, &page, &error);
    size_t i;

    check_error(story, r, &error, step);
    json_array_foreach(page.data, i, item)
        CHECK_INT(json_array_append(got, json_object_get(item, field ? field : "name")), 0);
    if (r == 0 && !json_equal(got, json_object_get(said, "want")))
        fail_story(story, "page", got, json_object_get(said, "want"));
    if (r == 0 && (page.offset != NULL) != json_is_true(json_object_get(said, "more")))
        fail_story(story, page.offset ? "there is another page" : "there is no other page", NULL,
                   NULL);
    if (page.offset)
        CHECK_INT(json_object_set_new(story->saved, "offset", json_string(page.offset)), 0);
    dao_page_done(&page);
    json_decref(got);
    json_decref(said);
}

static void run_step(struct story *story, const json_t *step)
{
    static const char *const writes[] = { "insert", "update", "upsert" };
    const json_t *tags = json_object_get(step, "tags_of");
    json_t *got;

    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        if (json_object_get(step, writes[i])) {
            run_write(story, writes[i], step);
            return;
        }
    if (json_object_get(step, "delete"))
        run_delete(story, step);
    else if (json_object_get(step, "find"))
        run_find(story, step);
    else if (json_object_get(step, "page"))
        run_page(story, step);
    else if (json_object_get(step, "clock"))
        story_clock_ms = (uint64_t)(json_number_value(json_object_get(step, "clock")) * 1000);
    else if (json_object_get(step, "read_only"))
        dao_set_read_only(story->dao, json_is_true(json_object_get(step, "read_only")));
    else if (tags) {
        got = dao_tags(story->dao, json_string_value(tags));
        check_value(story, got, step);
        json_decref(got);
    } else {
        fail_story(story, "no such step", step, NULL);
    }
}

TEST(every_story_goes_as_with_kong)
{
    json_t *stories = story_data("kong-dao-cases.json"), *one, *step;
    size_t i;

    json_array_foreach(stories, i, one)
    {
        struct story story = { .name = json_string_value(json_object_get(one, "name")) };
        story_begin(&story);
        json_array_foreach(json_object_get(one, "steps"), story.step, step) run_step(&story, step);
        story_end(&story);
    }
    CHECK(json_array_size(stories) > 10);
    json_decref(stories);
}

TESTS(TEST_CASE(every_story_goes_as_with_kong))
