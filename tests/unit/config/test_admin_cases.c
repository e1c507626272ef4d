/*
 * tests/data/kong-admin-cases.json: stories of requests to the Admin API, with a process that is not there.
 *
 * A step is {"ask": "POST /services?size=1", ...}: what is said is one of
 *     "json" (a value), "form" (an urlencoded text), "parts" ([[name, value]]), "text" with "type"
 * and what comes back is checked by "status", "want" (see story.h), "fields", "text_wanted", "empty".
 * A story with forms is told twice: urlencoded, and the same fields as multipart/form-data.
 */
#include <errno.h>

#include "config/admin/admin.h"
#include "config/admin/percent.h"
#include "config/model/model.h"
#include "tests/unit/config/story.h"

#define BOUNDARY "------------------------story"

/* --- a process that is not there ------------------------------------------------------------ */

static char level[16];

static json_t *configuration(void *context)
{
    (void)context;
    return json_pack("{ss}", "database", "sqlite");
}

static json_t *node(void *context)
{
    (void)context;
    return json_pack("{ss}", "hostname", "here");
}

static json_t *status(void *context)
{
    (void)context;
    return json_pack("{s{s[{si,sI}]},s{sb}}", "memory", "workers_lua_vms", "pid", 123,
                     "http_allocated_gc", (json_int_t)3 * 1024 * 1024, "database", "reachable", 1);
}

static char *metrics(void *context)
{
    (void)context;
    return strdup("# no figures\n");
}

static const char *not_ready(void *context)
{
    (void)context;
    return NULL;
}

static json_t *upstream_health(void *context, const json_t *upstream, const json_t *targets,
                               bool of_balancer)
{
    (void)context;
    return json_pack("{sO*,sO*,sb}", "upstream", upstream, "targets", targets, "of_balancer",
                     of_balancer);
}

/* Upstreams named "unchecked" have no checks; the one address that any target has is 127.0.0.1:80. */
static int set_target_health(void *context, const json_t *upstream, const json_t *target,
                             const char *address, bool healthy)
{
    (void)context;
    (void)healthy;
    CHECK(json_object_get(target, "target"));
    if (strcmp(json_string_value(json_object_get(upstream, "name")), "unchecked") == 0)
        return -ENOSYS;
    return !address || strcmp(address, "127.0.0.1:80") == 0 ? 0 : -ENOENT;
}

static int log_level(void *context, const char *set, uint64_t for_ms, const char **ret_name)
{
    (void)context;
    CHECK(!set || for_ms == 60 * 1000 || for_ms == 2000);
    if (set)
        (void)snprintf(level, sizeof(level), "%s", set);
    *ret_name = level;
    return 0;
}

static const struct admin_host host = {
    .configuration = configuration,
    .node = node,
    .status = status,
    .metrics = metrics,
    .not_ready = not_ready,
    .upstream_health = upstream_health,
    .set_target_health = set_target_health,
    .log_level = log_level,
    .has_database = true,
};

/* --- what is said --------------------------------------------------------------------------- */

struct told {
    char *method, *path, *query; /* of one allocation */
    char *content;
    size_t content_length;
    const char *content_type;
};

static void split_ask(struct told *told, const char *ask)
{
    told->method = strdup(ask);
    told->path = strchr(told->method, ' ');
    CHECK(told->path != NULL);
    *told->path++ = '\0';
    told->query = strchr(told->path, '?');
    if (told->query)
        *told->query++ = '\0';
}

static void add_part(FILE *into, struct slice name, struct slice value)
{
    (void)fprintf(into,
                  "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"%.*s\"\r\n\r\n%.*s\r\n",
                  SLICE_ARG(name), SLICE_ARG(value));
}

static void add_pair_as_part(FILE *into, const char *pair, size_t length)
{
    size_t name_length = strcspn(pair, "=&"), name_size, value_size;
    size_t value_at = name_length < length ? name_length + 1 : length;
    char *name =
        percent_decode((struct slice){ pair, name_length }, PERCENT_PLUS_IS_SPACE, &name_size);
    char *value = percent_decode((struct slice){ pair + value_at, length - value_at },
                                 PERCENT_PLUS_IS_SPACE, &value_size);

    add_part(into, (struct slice){ name, name_size }, (struct slice){ value, value_size });
    free(name);
    free(value);
}

static void tell_multipart(struct told *told, const char *form, const json_t *parts)
{
    FILE *into = open_memstream(&told->content, &told->content_length);
    json_t *part;
    size_t i;

    told->content_type = "multipart/form-data; boundary=" BOUNDARY;
    for (size_t length; form && *form; form += length + (form[length] == '&')) {
        length = strcspn(form, "&");
        add_pair_as_part(into, form, length);
    }
    json_array_foreach(parts, i, part)
        add_part(into, slice_of(json_string_value(json_array_get(part, 0))),
                 slice_of(json_string_value(json_array_get(part, 1))));
    (void)fprintf(into, "--" BOUNDARY "--\r\n");
    CHECK_INT(fclose(into), 0);
}

static void tell_content(struct told *told, const json_t *said, bool as_multipart)
{
    const json_t *json = json_object_get(said, "json"), *parts = json_object_get(said, "parts");
    const char *form = json_string_value(json_object_get(said, "form"));
    const char *text = json_string_value(json_object_get(said, "text"));

    if (parts || (form && as_multipart)) {
        tell_multipart(told, form, parts);
    } else if (form) {
        told->content = strdup(form);
        told->content_type = "application/x-www-form-urlencoded";
    } else if (json) {
        told->content = json_dumps(json, JSON_ENCODE_ANY);
        told->content_type = "application/json";
    } else if (text) {
        told->content = strdup(text);
    }
    if (json_object_get(said, "type"))
        told->content_type = json_string_value(json_object_get(said, "type"));
    if (told->content && told->content_length == 0)
        told->content_length = strlen(told->content);
}

static struct slice said_slice(const json_t *said, const char *name)
{
    return slice_of(json_string_value(json_object_get(said, name)));
}

/* --- what comes back ------------------------------------------------------------------------ */

static const char *field_of(const struct admin_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->fields_count; i++)
        if (strcmp(answer->fields[i].name, name) == 0)
            return answer->fields[i].value;
    return NULL;
}

static void check_fields(const struct story *story, const struct admin_answer *answer,
                         const json_t *said)
{
    json_t *wanted;
    const char *name;

    json_object_foreach(json_object_get(said, "fields"), name, wanted)
    {
        const char *value = field_of(answer, name);
        if (!value || strcmp(value, json_string_value(wanted)) != 0)
            fail_msg("%s, step %zu: %s is \"%s\", wants \"%s\"", story->name, story->step + 1, name,
                     value ? value : "(not there)", json_string_value(wanted));
    }
    CHECK(field_of(answer, "Access-Control-Allow-Origin") != NULL);
    CHECK_STR(field_of(answer, "Access-Control-Allow-Credentials"), "true");
}

static void check_text(const struct story *story, const struct admin_answer *answer,
                       const json_t *said)
{
    const char *wanted = json_string_value(json_object_get(said, "text_wanted"));

    if (wanted && (!answer->content || strcmp(answer->content, wanted) != 0))
        fail_msg("%s, step %zu:\n     got   %s\n     wants %s", story->name, story->step + 1,
                 answer->content ? answer->content : "nothing", wanted);
    if (json_is_true(json_object_get(said, "empty")) && answer->content)
        fail_msg("%s, step %zu: there is content: %s", story->name, story->step + 1,
                 answer->content);
}

static void save(struct story *story, const json_t *said, const json_t *got)
{
    const char *name = json_string_value(json_object_get(said, "save"));
    const char *member = json_string_value(json_object_get(said, "save_member"));

    if (name)
        CHECK_INT(json_object_set(story->saved, name, json_object_get(got, member ? member : "id")),
                  0);
}

static void check_answer(struct story *story, const struct admin_answer *answer, const json_t *said)
{
    json_t *got = answer->content
                      ? json_loadb(answer->content, answer->content_length, JSON_DECODE_ANY, NULL)
                      : NULL;
    json_t *wanted = json_object_get(said, "want");

    if (answer->status != json_integer_value(json_object_get(said, "status")))
        fail_msg("%s, step %zu: %u, wants %d: %s", story->name, story->step + 1, answer->status,
                 (int)json_integer_value(json_object_get(said, "status")),
                 answer->content ? answer->content : "");
    if (wanted && !is_as_wanted(got, wanted))
        fail_story(story, "answer", got, wanted);
    check_fields(story, answer, said);
    check_text(story, answer, said);
    save(story, said, got);
    json_decref(got);
}

/* --- steps ---------------------------------------------------------------------------------- */

static void run_ask(struct story *story, const json_t *said, bool as_multipart)
{
    struct admin admin = { .dao = story->dao, .host = &host };
    struct told told = { 0 };
    struct admin_answer answer;
    struct kong_error error = { 0 };
    json_t *before, *after;
    const json_t *types = json_object_get(said, "types");

    split_ask(&told, json_string_value(json_object_get(said, "ask")));
    tell_content(&told, said, as_multipart);
    CHECK_INT(dao_begin(story->dao, &error), 0);
    before = dao_export(story->dao);
    CHECK_INT(admin_handle(&admin,
                           &(struct admin_request){
                               .method = slice_of(told.method),
                               .path = slice_of(told.path),
                               .query = slice_of(told.query),
                               .content_type = slice_of(told.content_type),
                               .content_types = types ? (unsigned)json_integer_value(types)
                                                : told.content_type ? 1
                                                                    : 0,
                               .has_content = told.content_length > 0,
                               .content = { told.content, told.content_length },
                               .origin = said_slice(said, "origin"),
                               .request_headers = said_slice(said, "request_headers"),
                               .request_id = SLICE("0123456789abcdef0123456789abcdef"),
                           },
                           &answer),
              0);
    CHECK_INT(dao_commit(story->dao, &error), 0);
    after = dao_export(story->dao);
    if (answer.status >= 400 && (answer.is_change || !json_equal(before, after)))
        fail_story(story, "a refused request has left something behind", after, before);
    if (!answer.is_change && !json_equal(before, after))
        fail_story(story, "a change that is not told", after, before);
    check_answer(story, &answer, said);
    admin_answer_done(&answer);
    json_decref(before);
    json_decref(after);
    free(told.method);
    free(told.content);
}

static void run_step(struct story *story, const json_t *step, bool as_multipart)
{
    const json_t *clock = json_object_get(step, "clock");
    const json_t *read_only = json_object_get(step, "read_only");
    json_t *said;

    if (clock) {
        story_clock_ms = (uint64_t)(json_number_value(clock) * 1000);
    } else if (read_only) {
        dao_set_read_only(story->dao, json_is_true(read_only));
    } else {
        said = filled(story, step);
        run_ask(story, said, as_multipart);
        json_decref(said);
    }
}

static bool has_forms(const json_t *steps)
{
    json_t *step;
    size_t i;

    json_array_foreach(steps, i, step)
    {
        const char *form = json_string_value(json_object_get(step, "form"));
        if (form && !json_is_true(json_object_get(step, "urlencoded_only")))
            return true;
    }
    return false;
}

static void tell(const json_t *one, bool as_multipart)
{
    struct story story = { .name = json_string_value(json_object_get(one, "name")) };
    json_t *step;

    story_begin(&story);
    (void)snprintf(level, sizeof(level), "notice");
    json_array_foreach(json_object_get(one, "steps"), story.step, step)
    {
        if (!as_multipart || !json_is_true(json_object_get(step, "urlencoded_only")))
            run_step(&story, step, as_multipart);
    }
    story_end(&story);
}

TEST(every_request_is_answered_as_by_kong)
{
    json_t *stories = story_data("kong-admin-cases.json"), *one;
    size_t i;

    json_array_foreach(stories, i, one)
    {
        tell(one, false);
        if (has_forms(json_object_get(one, "steps")))
            tell(one, true);
    }
    CHECK(json_array_size(stories) > 10);
    json_decref(stories);
}

/* "a&a&...", in the content or in the query. */
static void check_arguments(const char *ask, size_t count, bool in_query, int wanted)
{
    char *form = calloc(count + 1, 2), *path;
    json_t *step;

    for (size_t i = 0; i < count; i++)
        memcpy(form + 2 * i, "a&", 3);
    CHECK(asprintf(&path, "%s?%s", ask, in_query ? form : "") > 0);
    step =
        json_pack("{ss,ss,si}", "ask", path, "form", in_query ? "host=h" : form, "status", wanted);
    if (wanted == 400)
        CHECK_INT(
            json_object_set_new(step, "want", json_pack("{ss}", "message", "Too many arguments")),
            0);
    struct story story = { .name = ask };
    story_begin(&story);
    run_ask(&story, step, false);
    story_end(&story);
    json_decref(step);
    free(path);
    free(form);
}

TEST(a_thousand_arguments_are_taken)
{
    check_arguments("POST /services", 1000, true, 201);
    check_arguments("POST /services", 1001, true, 400);
    check_arguments("POST /services", 1001, false, 400);
}

TESTS(TEST_CASE(every_request_is_answered_as_by_kong), TEST_CASE(a_thousand_arguments_are_taken))
