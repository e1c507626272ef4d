/* From request to answer: who may, what path, what content, and Kong's fields around it. */
#include "config/admin/admin.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/admin/admin_priv.h"
#include "config/admin/form.h"
#include "config/admin/percent.h"
#include "core/utf8.h"

/* --- answers ------------------------------------------------------------------------------- */

int admin_answer_text(struct admin_call *call, unsigned status, const char *content_type,
                      char *text)
{
    struct admin_answer *answer = call->answer;

    if (!text)
        return -ENOMEM;
    free(answer->content);
    answer->status = status;
    answer->content_type = content_type;
    answer->content = text;
    answer->content_length = strlen(text);
    return 0;
}

int admin_answer_json(struct admin_call *call, unsigned status, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ESCAPE_SLASH | JSON_ENCODE_ANY |
                                             JSON_REAL_PRECISION(16))
                      : NULL;

    json_decref(json);
    return admin_answer_text(call, status, "application/json; charset=utf-8", text);
}

/* Names in paths may be any bytes. */
static void make_valid(char *text)
{
    if (utf8_is_valid(slice_of(text)))
        return;
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            *text = '?';
}

int admin_answer_message(struct admin_call *call, unsigned status, const char *format, ...)
{
    va_list args;
    char *text;
    int length;
    json_t *json;

    va_start(args, format);
    length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        return -ENOMEM;
    make_valid(text);
    json = json_pack("{ss#}", "message", text, (size_t)length);
    free(text);
    return admin_answer_json(call, status, json);
}

int admin_answer_nothing(struct admin_call *call, unsigned status)
{
    call->answer->status = status;
    return 0;
}

int admin_not_found(struct admin_call *call)
{
    return admin_answer_message(call, 404, "Not found");
}

static int answer_error(struct admin_call *call)
{
    if (call->error.status == 415) /* Kong's has no content */
        return admin_answer_nothing(call, 415);
    return admin_answer_json(call, call->error.status, kong_error_json(&call->error));
}

/* Takes value. */
static int add_field(struct admin_answer *answer, const char *name, char *value)
{
    if (!value)
        return -ENOMEM;
    answer->fields[answer->fields_count++] = (struct admin_field){ name, value };
    return 0;
}

int admin_add_field(struct admin_call *call, const char *name, char *value)
{
    return add_field(call->answer, name, value);
}

static char *copy_slice(struct slice text)
{
    return strndup(text.ptr ? text.ptr : "", text.len);
}

/* --- the request --------------------------------------------------------------------------- */

const char *admin_query(const struct admin_call *call, const char *name)
{
    return json_string_value(json_object_get(call->query, name));
}

/* Also empty ones between two slashes are dropped, as nginx merges slashes. */
static int split_path(struct admin_call *call)
{
    struct slice rest = call->request->path;

    while (rest.len > 0) {
        const char *slash = memchr(rest.ptr, '/', rest.len);
        struct slice segment = { rest.ptr, slash ? (size_t)(slash - rest.ptr) : rest.len };
        size_t length;
        char *decoded;

        rest = slice_from(rest, slash ? segment.len + 1 : segment.len);
        if (segment.len == 0)
            continue;
        if (call->segments_count == ADMIN_SEGMENTS_MAX)
            return -EINVAL;
        decoded = percent_decode(segment, PERCENT_PLUS_STAYS, &length);
        if (!decoded)
            return -ENOMEM;
        call->segments[call->segments_count++] = decoded;
        if (strlen(decoded) != length) /* no name has a NUL */
            return -EINVAL;
    }
    return 0;
}

static bool read_method(struct admin_call *call)
{
    static const char *const names[] = {
        [ADMIN_GET] = "GET",     [ADMIN_POST] = "POST",     [ADMIN_PUT] = "PUT",
        [ADMIN_PATCH] = "PATCH", [ADMIN_DELETE] = "DELETE", [ADMIN_OPTIONS] = "OPTIONS"
    };

    call->is_head = slice_equal(call->request->method, SLICE("HEAD"));
    if (call->is_head)
        return true; /* ADMIN_GET */
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (slice_equal(call->request->method, slice_of(names[i]))) {
            call->method = (enum admin_method)i;
            return true;
        }
    return false;
}

static admin_handler *handler_of(const struct admin_call *call)
{
    const struct admin_methods *methods = call->target.methods;

    switch (call->method) {
    case ADMIN_GET:
        return methods->get;
    case ADMIN_POST:
        return methods->post;
    case ADMIN_PUT:
        return methods->put;
    case ADMIN_PATCH:
        return methods->patch;
    case ADMIN_DELETE:
        return methods->remove;
    case ADMIN_OPTIONS:
        break;
    }
    return NULL;
}

static bool has_content(enum admin_method method)
{
    return method == ADMIN_POST || method == ADMIN_PUT || method == ADMIN_PATCH;
}

/* --- dispatch ------------------------------------------------------------------------------ */

static int answer_options(struct admin_call *call)
{
    struct slice asked = call->request->request_headers;
    struct admin_answer *answer = call->answer;
    char *allowed = admin_allowed_methods(call->target.methods);
    int r = add_field(answer, "Allow", allowed);

    if (r == 0)
        r = add_field(answer, "Access-Control-Allow-Methods", strdup(allowed));
    if (r == 0)
        r = add_field(answer, "Access-Control-Allow-Headers",
                      asked.ptr ? copy_slice(asked) : strdup("Content-Type"));
    answer->status = 204;
    return r;
}

static int refuse_method(struct admin_call *call)
{
    int r = add_field(call->answer, "Allow", admin_allowed_methods(call->target.methods));

    return r < 0 ? r : admin_answer_message(call, 405, "Method not allowed");
}

static int read_query(struct admin_call *call)
{
    return form_read_urlencoded(call->request->query, &call->query, &call->error);
}

static int serve(struct admin_call *call)
{
    bool is_known = read_method(call);
    int r = split_path(call);

    if (r == -ENOMEM)
        return r;
    if (r < 0 || !admin_find_path(call))
        return admin_not_found(call);
    if (is_known && call->method == ADMIN_OPTIONS)
        return answer_options(call);
    if (is_known && has_content(call->method))
        r = admin_check_content_type(call);
    if (r < 0)
        return r;
    if (!is_known || !handler_of(call))
        return refuse_method(call);
    r = read_query(call);
    if (r == 0 && has_content(call->method))
        r = admin_read_content(call, call->target.entity);
    return r < 0 ? r : handler_of(call)(call);
}

/* What is refused has changed nothing. */
static int serve_in_step(struct admin_call *call)
{
    struct dao *dao = call->admin->dao;
    size_t step = dao_step(dao);
    int r = serve(call);

    if (r < 0)
        dao_undo_step(dao, step);
    if (r == -EINVAL)
        r = answer_error(call);
    call->answer->is_change = dao_step(dao) != step;
    return r;
}

/* Who may read the answer in a browser: kong/api/api_helpers.lua. */
static int add_cors(struct admin_call *call)
{
    struct slice origin = call->request->origin;
    int r = add_field(call->answer, "Access-Control-Allow-Origin",
                      origin.ptr ? copy_slice(origin) : strdup("*"));

    return r < 0 ? r : add_field(call->answer, "Access-Control-Allow-Credentials", strdup("true"));
}

static void call_done(struct admin_call *call)
{
    for (size_t i = 0; i < call->segments_count; i++)
        free(call->segments[i]);
    json_decref(call->query);
    json_decref(call->content);
    kong_error_done(&call->error);
}

int admin_handle(struct admin *admin, const struct admin_request *request, struct admin_answer *ret)
{
    struct admin_call call = { .admin = admin, .request = request, .answer = ret };
    int r;

    *ret = (struct admin_answer){ .status = 500 };
    r = serve_in_step(&call);
    if (r == 0)
        r = add_cors(&call);
    call_done(&call);
    if (r < 0) {
        admin_answer_done(ret);
        *ret = (struct admin_answer){ .status = 500 };
    }
    return r;
}

bool admin_only_reads(struct admin *admin, const struct admin_request *request)
{
    static admin_handler *const changing_nothing[] = {
        admin_target_healthy,        admin_target_unhealthy,       admin_set_log_level,
        admin_schema_validate_vault, admin_schema_validate_plugin, admin_schema_validate,
    };
    struct admin_call call = { .admin = admin, .request = request };
    bool reads = false;

    if (read_method(&call) && split_path(&call) == 0 && admin_find_path(&call)) {
        admin_handler *handler = handler_of(&call);

        reads = call.method == ADMIN_GET || call.method == ADMIN_OPTIONS || !handler;
        for (size_t i = 0; i < sizeof(changing_nothing) / sizeof(changing_nothing[0]); i++)
            reads |= handler == changing_nothing[i];
    }
    call_done(&call);
    return reads;
}

void admin_answer_done(struct admin_answer *answer)
{
    free(answer->content);
    answer->content = NULL;
    for (size_t i = 0; i < answer->fields_count; i++)
        free(answer->fields[i].value);
    answer->fields_count = 0;
}
