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

/* Kong: kong_request_id: "..." at the end. */
static struct slice kong_id(struct slice line)
{
    if (!slice_equal(trace_word(&line), SLICE("kong_request_id:")))
        return (struct slice){ NULL, 0 };
    return trace_quoted(&line);
}

bool log_read_nginx_access(struct trace *trace, const struct log_place *place, struct slice line,
                           struct trace_account **ret_account)
{
    struct sockaddr_storage peer = { 0 };
    struct trace_account *account;
    struct slice request;
    int64_t at_us, status, bytes;

    if (!begin_is_read(&line, &peer, &at_us))
        return false;
    request = trace_quoted(&line);
    if (!trace_number(trace_word(&line), &status) || !trace_number(trace_word(&line), &bytes))
        return false;
    (void)trace_quoted(&line); /* referer */
    (void)trace_quoted(&line); /* user agent */
    account = *ret_account = trace_account_new(trace);
    if (!account)
        return true;
    account->format = "nginx";
    account->hop = place->hop;
    account->peer = peer;
    account->end_us = at_us; /* written at the end, in whole seconds; there is no begin */
    account->precision_us = SECOND_US;
    account->status = (unsigned)status;
    account->reason = status == 499 ? END_CLIENT_ABORTED : END_OK; /* the error log tells more */
    account->request_id = trace_copy(trace, kong_id(line));
    trace_request_line(request, &account->method, &account->target);
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
static bool head_is_read(struct slice *line)
{
    struct slice level = trace_word(line);
    struct slice process = trace_word(line);

    if (level.len < 3 || level.ptr[0] != '[' || process.len == 0 ||
        process.ptr[process.len - 1] != ':')
        return false;
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
    if (ret->at_us == TRACE_NEVER || !head_is_read(&line))
        return false;
    client = memmem(line.ptr, line.len, ", client: ", 10);
    ret->text = client ? (struct slice){ line.ptr, (size_t)(client - line.ptr) } : line;
    ret->reason = reason_of(ret->text, &ret->detail);
    line = slice_from(line, ret->text.len);
    ret->client = pair(line, ", client: ");
    ret->request = pair(line, ", request: ");
    ret->upstream = pair(line, ", upstream: ");
    ret->host = pair(line, ", host: ");
    ret->request_id = pair(line, ", request_id: ");
    return true;
}
