/*
 * Any requests to the Admin API, one after the other on the same entities: each is answered, with JSON where
 * it says so and a message where it refuses, and what is refused has changed nothing.
 *
 * The input is requests divided by NUL; each is a line "METHOD path?query", a line with the Content-Type (may be
 * empty), and the content.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/admin/admin.h"
#include "tests/fuzz/fuzz_input.h"

enum { FUZZ_REQUESTS_MAX = 8 };

/* --- a process that is not there ------------------------------------------------------------ */

static json_t *object(void *context)
{
    (void)context;
    return json_object();
}

static json_t *status(void *context)
{
    (void)context;
    return json_pack("{s{s[{si,si}]}}", "memory", "workers_lua_vms", "pid", 1, "http_allocated_gc",
                     12345678);
}

static char *metrics(void *context)
{
    (void)context;
    return strdup("");
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
    (void)of_balancer;
    return json_pack("{sO,sO}", "upstream", upstream, "data", targets);
}

static int set_target_health(void *context, const json_t *upstream, const json_t *target,
                             const char *address, bool healthy)
{
    (void)context;
    (void)upstream;
    (void)target;
    return address ? -ENOENT : healthy ? 0 : -ENOSYS;
}

static int log_level(void *context, const char *set, uint64_t timeout_s, const char **ret_name)
{
    (void)context;
    (void)timeout_s;
    *ret_name = "notice";
    return set && strcmp(set, "debug") != 0 ? -EINVAL : 0;
}

static const struct admin_host host = {
    .configuration = object,
    .node = object,
    .status = status,
    .metrics = metrics,
    .not_ready = not_ready,
    .upstream_health = upstream_health,
    .set_target_health = set_target_health,
    .log_level = log_level,
    .has_database = true,
};

static uint64_t now_ms(void)
{
    return 1700000000000;
}

/* --- one request ---------------------------------------------------------------------------- */

/* Up to `end`, which is left out; without it everything. */
static struct slice cut(struct slice *rest, char end)
{
    const char *at = rest->len > 0 ? memchr(rest->ptr, end, rest->len) : NULL;
    struct slice part = { rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len };

    *rest = slice_from(*rest, at ? part.len + 1 : part.len);
    return part;
}

static struct admin_request read_request(struct slice text)
{
    struct admin_request request = { 0 };
    struct slice line = cut(&text, '\n');

    request.method = cut(&line, ' ');
    request.path = cut(&line, '?');
    request.query = line;
    request.content_type = cut(&text, '\n');
    if (request.content_type.len == 0)
        request.content_type.ptr = NULL;
    request.content_types = request.content_type.ptr ? 1 : 0;
    request.content = text;
    request.has_content = text.len > 0;
    request.request_id = SLICE("0123456789abcdef0123456789abcdef");
    return request;
}

static void check_content(const struct admin_answer *answer)
{
    json_t *json;

    if (!answer->content) {
        require(answer->status < 400 || answer->status == 415, "refused without a word");
        return;
    }
    require(answer->content_type != NULL, "content of no type");
    if (strncmp(answer->content_type, "application/json", 16) != 0)
        return;
    json = json_loadb(answer->content, answer->content_length, JSON_DECODE_ANY, NULL);
    require(json != NULL, "content that is not JSON");
    require(answer->status < 400 || json_is_string(json_object_get(json, "message")),
            "refused without a message");
    json_decref(json);
}

static void ask(struct dao *dao, const struct admin_request *request)
{
    struct admin admin = { .dao = dao, .host = &host };
    struct kong_error error = { 0 };
    struct admin_answer answer;
    json_t *before, *after;

    require(dao_begin(dao, &error) == 0, "no transaction");
    before = dao_export(dao);
    require(admin_handle(&admin, request, &answer) == 0, "no answer");
    require(answer.status >= 200 && answer.status < 600, "no status");
    require(dao_commit(dao, &error) == 0, "not kept");
    check_content(&answer);
    after = dao_export(dao);
    require(answer.status < 400 || (!answer.is_change && json_equal(before, after)),
            "what was refused has left something behind");
    json_decref(before);
    json_decref(after);
    admin_answer_done(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = { (const char *)data, size };
    struct dao *dao = NULL;

    require(dao_create(model_get(), NULL, &dao) == 0, "no dao");
    dao_set_read_only(dao, false);
    dao_set_clock(dao, now_ms);
    for (size_t i = 0; i < FUZZ_REQUESTS_MAX && rest.len > 0; i++) {
        struct admin_request request = read_request(cut(&rest, '\0'));
        ask(dao, &request);
    }
    dao_free(dao);
    return 0;
}
