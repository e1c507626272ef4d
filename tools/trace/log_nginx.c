/* nginx and Kong: access logs in the combined format (Kong's has the request id behind it), and error
 * logs. */
#include <stdlib.h>
#include <string.h>

#include "tools/trace/log_formats.h"

enum { SECOND_US = 1000000 };

/* ---- access log ---- */

/* What stands between [ and ]. */
static struct slice bracketed(struct slice *line)
{
    const char *close =
        line->len > 0 && line->ptr[0] == '[' ? memchr(line->ptr, ']', line->len) : NULL;
    struct slice text = { NULL, 0 };

    if (close) {
        text = (struct slice){ line->ptr + 1, (size_t)(close - line->ptr) - 1 };
        *line = slice_from(*line, text.len + 2);
    }
    return text;
}

/* remote_addr - remote_user [time_local] */
static bool begin_is_read(struct slice *line, struct sockaddr_storage *ret_peer, int64_t *ret_at_us)
{
    struct slice address = trace_word(line);

    if (!slice_equal(trace_word(line), SLICE("-")) || addr_parse_ip(address, 0, ret_peer) < 0)
        return false;
    (void)trace_word(line); /* remote_user */
    *ret_at_us = trace_time(bracketed(line));
    return *ret_at_us != TRACE_NEVER;
}

/* "a, b : c" as nginx writes one value for each try. */
static struct slice list(struct slice *line)
{
    struct slice first = trace_word(line), last = first;

    while (line->len > 0 && last.len > 0 &&
           (last.ptr[last.len - 1] == ',' || last.ptr[last.len - 1] == ':' || line->ptr[0] == ':'))
        last = trace_word(line);
    first.len = first.ptr ? (size_t)(last.ptr + last.len - first.ptr) : 0;
    return first;
}

/* ingress-nginx: $request_length $request_time [name] [name] $upstream_addr $upstream_response_length
 * $upstream_response_time $upstream_status $req_id */
static void read_ingress_words(struct slice line, struct log_nginx_words *words)
{
    int64_t length;
    struct slice name, addr;

    if (!trace_number(trace_word(&line), &length))
        return;
    (void)trace_word(&line); /* request_time */
    name = trace_word(&line);
    if (name.len == 0 || name.ptr[0] != '[')
        return;
    name = trace_word(&line);
    if (name.len == 0 || name.ptr[0] != '[')
        return;
    addr = list(&line);
    (void)list(&line);
    (void)list(&line);
    words->upstream_addr = addr;
    words->upstream_status = list(&line);
}

/* Formats with names: upstream_status=502 or us="502, 200". */
static struct slice named(struct slice line, const char *const *names)
{
    for (; *names; names++) {
        struct slice name = slice_of(*names);
        const char *at = line.len > 0 ? memmem(line.ptr, line.len, name.ptr, name.len) : NULL;
        struct slice rest;

        if (!at || at == line.ptr || at[-1] != ' ')
            continue;
        rest = slice_from(line, (size_t)(at - line.ptr) + name.len);
        return rest.len > 0 && rest.ptr[0] == '"' ? trace_quoted(&rest) : list(&rest);
    }
    return (struct slice){ NULL, 0 };
}

/* What stands behind the combined format. */
static void read_tail(struct slice line, struct log_nginx_words *words)
{
    static const char *const addrs[] = { "upstream_addr=", "uaddr=", "ua=", "upstream=", NULL };
    static const char *const statuses[] = { "upstream_status=", "ustatus=", "us=", NULL };
    struct slice rest = line;

    if (slice_equal(trace_word(&rest), SLICE("kong_request_id:"))) {
        words->request_id = trace_quoted(&rest);
        return;
    }
    words->upstream_addr = named(line, addrs);
    words->upstream_status = named(line, statuses);
    if (words->upstream_status.len == 0)
        read_ingress_words(line, words);
}

bool log_split_nginx_access(struct slice line, struct log_nginx_words *ret)
{
    *ret = (struct log_nginx_words){ .status = 0 };
    if (!begin_is_read(&line, &ret->peer, &ret->at_us))
        return false;
    ret->request = trace_quoted(&line);
    if (!trace_number(trace_word(&line), &ret->status) ||
        !trace_number(trace_word(&line), &ret->bytes))
        return false;
    (void)trace_quoted(&line); /* referer */
    (void)trace_quoted(&line); /* user agent */
    read_tail(line, ret);
    return true;
}

bool log_read_nginx_access(struct trace *trace, const struct log_place *place, struct slice line,
                           struct trace_account **ret_account)
{
    struct log_nginx_words words;
    struct trace_account *account;

    if (!log_split_nginx_access(line, &words))
        return false;
    account = *ret_account = trace_account_new(trace);
    if (!account)
        return true;
    account->format = "nginx";
    account->hop = place->hop;
    account->peer = words.peer;
    account->end_us = words.at_us; /* written at the end, in whole seconds; there is no begin */
    account->precision_us = SECOND_US;
    account->status = (unsigned)words.status;
    account->reason =
        words.status == 499 ? END_CLIENT_ABORTED : END_OK; /* the error log tells more */
    account->request_id = trace_copy(trace, words.request_id);
    trace_request_line(words.request, &account->method, &account->target);
    account->method = trace_copy(trace, account->method);
    account->target = trace_copy(trace, account->target);
    return true;
}

/* ---- error log ---- */

/* The text after `, name: `, without its quotes; empty when it is not there. */
static struct slice pair(struct slice line, const char *name)
{
    struct slice wanted = slice_of(name);
    const char *at = line.len > 0 ? memmem(line.ptr, line.len, wanted.ptr, wanted.len) : NULL;
    struct slice rest, value;
    const char *comma;

    if (!at)
        return (struct slice){ NULL, 0 };
    rest = slice_from(line, (size_t)(at - line.ptr) + wanted.len);
    if (rest.len > 0 && rest.ptr[0] == '"')
        return trace_quoted(&rest);
    comma = rest.len > 0 ? memchr(rest.ptr, ',', rest.len) : NULL;
    value = (struct slice){ rest.ptr, comma ? (size_t)(comma - rest.ptr) : rest.len };
    return value;
}

/* Does the text begin as the phrase does, and end with the phase? *ret_detail is what stands for %s. */
static bool says(struct slice text, const struct end_reason_info *info, struct slice *ret_detail)
{
    const char *hole = strstr(info->phrase, "%s");
    struct slice before = { info->phrase,
                            hole ? (size_t)(hole - info->phrase) : strlen(info->phrase) };
    struct slice after = slice_of(hole ? hole + 2 : "");
    struct slice phase = slice_of(end_phase_text(info->phase, info->hop));

    if (info->phrase[0] == '\0' || before.len < 4 || !slice_starts_with(text, before) ||
        text.len < before.len + after.len + phase.len)
        return false;
    if (memcmp(text.ptr + text.len - phase.len, phase.ptr, phase.len) != 0)
        return false;
    *ret_detail = slice_from(text, before.len);
    ret_detail->len -= phase.len;
    if (ret_detail->len < after.len ||
        (after.len > 0 &&
         memcmp(ret_detail->ptr + ret_detail->len - after.len, after.ptr, after.len) != 0))
        return false;
    ret_detail->len -= after.len;
    return hole || ret_detail->len == 0;
}

/* The reason whose words these are: the one with the longest fixed text, the first of several. */
static enum end_reason reason_of(struct slice text, struct slice *ret_detail)
{
    enum end_reason best = END_REASON_COUNT;
    size_t best_length = 0;

    for (enum end_reason reason = 0; reason < END_REASON_COUNT; reason++) {
        const struct end_reason_info *info = end_reason_info(reason);
        struct slice detail;

        if (says(text, info, &detail) && text.len - detail.len > best_length) {
            best = reason;
            best_length = text.len - detail.len;
            *ret_detail = detail;
        }
    }
    return best;
}

/* "[error] 12#12: *3 " of the line; false: something else. */
static bool head_is_read(struct slice *line, struct slice *ret_level)
{
    struct slice level = trace_word(line);
    struct slice process = trace_word(line);

    if (level.len < 3 || level.ptr[0] != '[' || process.len == 0 ||
        process.ptr[process.len - 1] != ':')
        return false;
    *ret_level = (struct slice){ level.ptr + 1, level.len - 2 };
    if (line->len > 0 && line->ptr[0] == '*')
        (void)trace_word(line);
    return true;
}

bool log_read_nginx_error(struct slice line, struct log_error_line *ret)
{
    struct slice date = { line.ptr, 19 }; /* 2026/11/20 21:15:07 */
    const char *client;

    *ret = (struct log_error_line){ .reason = END_REASON_COUNT };
    if (line.len < 30 || line.ptr[4] != '/' || line.ptr[10] != ' ')
        return false;
    ret->at_us = trace_time(date);
    line = slice_from(line, 19);
    if (ret->at_us == TRACE_NEVER || !head_is_read(&line, &ret->level))
        return false;
    client = memmem(line.ptr, line.len, ", client: ", 10);
    ret->text = client ? (struct slice){ line.ptr, (size_t)(client - line.ptr) } : line;
    ret->reason = reason_of(ret->text, &ret->detail);
    line = slice_from(line, ret->text.len);
    ret->client = pair(line, ", client: ");
    ret->server = pair(line, ", server: ");
    ret->request = pair(line, ", request: ");
    ret->upstream = pair(line, ", upstream: ");
    ret->host = pair(line, ", host: ");
    ret->request_id = pair(line, ", request_id: ");
    return true;
}
