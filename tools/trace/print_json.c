#include "tools/trace/print_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "tools/trace/join.h"

/* Bytes of a log may be no UTF-8; those are left out rather than the line. */
static void set_text(json_t *object, const char *key, struct slice text)
{
    if (text.len > 0)
        (void)json_object_set_new(
            object, key, utf8_is_valid(text) ? json_stringn(text.ptr, text.len) : json_null());
}

static void set_instant(json_t *object, const char *key, const struct trace_account *account,
                        int64_t at_us, int64_t begin_us)
{
    if (at_us != TRACE_NEVER)
        (void)json_object_set_new(object, key,
                                  json_real((double)(trace_at(account, at_us) - begin_us) / 1000));
}

static void set_address(json_t *object, const char *key, const struct sockaddr_storage *address)
{
    char text[ADDR_TEXT_MAX];

    if (trace_is_known(address))
        (void)json_object_set_new(object, key,
                                  json_string(addr_format(address, text, sizeof(text))));
}

static json_t *account_json(const struct trace_account *account, int64_t begin_us, unsigned depth);

static json_t *try_json(const struct trace_account *account, const struct trace_try *try,
                        int64_t begin_us, unsigned depth)
{
    json_t *object = json_object();

    set_address(object, "target", &try->target);
    set_address(object, "local", &try->local);
    set_text(object, "name", try->target_name);
    (void)json_object_set_new(object, "reason", json_string(end_reason_info(try->reason)->name));
    set_text(object, "detail", try->detail);
    if (try->status != 0)
        (void)json_object_set_new(object, "status", json_integer(try->status));
    (void)json_object_set_new(object, "reused", json_boolean(try->reused));
    set_instant(object, "begin_ms", account, try->begin_us, begin_us);
    set_instant(object, "head_ms", account, try->head_us, begin_us);
    set_instant(object, "end_ms", account, try->end_us, begin_us);
    if (try->next && depth < VERDICT_CHAIN_MAX) {
        (void)json_object_set_new(object, "joined_by", json_string(trace_join_name(try->join)));
        (void)json_object_set_new(object, "hop", account_json(try->next, begin_us, depth + 1));
    }
    return object;
}

static json_t *account_json(const struct trace_account *account, int64_t begin_us, unsigned depth)
{
    json_t *object = json_object();
    json_t *tries = json_array();

    set_text(object, "hop", account->hop);
    (void)json_object_set_new(object, "format", json_string(account->format));
    (void)json_object_set_new(object, "file", json_string(account->file));
    (void)json_object_set_new(object, "line", json_integer(account->line));
    set_text(object, "request_id", account->request_id);
    set_text(object, "method", account->method);
    set_text(object, "uri", account->target);
    set_address(object, "peer", &account->peer);
    (void)json_object_set_new(object, "status", json_integer(account->status));
    (void)json_object_set_new(object, "reason",
                              json_string(end_reason_info(account->reason)->name));
    set_text(object, "detail", account->detail);
    set_text(object, "termination", account->termination);
    set_text(object, "error_line", account->error);
    set_instant(object, "begin_ms", account, account->begin_us, begin_us);
    set_instant(object, "end_ms", account, account->end_us, begin_us);
    (void)json_object_set_new(object, "tries_count", json_integer(account->tries_made));
    for (unsigned i = 0; i < account->tries_count; i++)
        (void)json_array_append_new(tries, try_json(account, &account->tries[i], begin_us, depth));
    (void)json_object_set_new(object, "tries", tries);
    return object;
}

void trace_print_json(const struct trace_account *root, const struct verdict *verdict, FILE *out)
{
    int64_t begin_us = root->begin_us != TRACE_NEVER ? root->begin_us : root->end_us;
    json_t *object = json_pack("{s:s, s:s, s:b}", "verdict", verdict->text, "fix", verdict->fix,
                               "failed", verdict->failed);

    if (verdict->culprit) {
        set_text(object, "culprit", verdict->culprit->hop);
        (void)json_object_set_new(object, "reason",
                                  json_string(end_reason_info(verdict->culprit->reason)->name));
    }
    if (verdict->lost)
        (void)json_object_set_new(object, "lost", json_string(verdict->lost));
    if (verdict->waiting)
        set_text(object, "still_waiting", verdict->waiting->hop);
    if (verdict->gave_up_first)
        set_text(object, "gave_up_first", verdict->gave_up_first->hop);
    (void)json_object_set_new(object, "evidence", json_string(verdict->evidence));
    (void)json_object_set_new(object, "request", account_json(root, begin_us, 0));
    (void)json_dumpf(object, out, JSON_COMPACT);
    (void)fputc('\n', out);
    json_decref(object);
}
