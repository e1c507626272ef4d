/* AWS Application Load Balancer access logs, field order of its user guide ("Access log entries"). */
#include <stdlib.h>
#include <string.h>

#include "tools/trace/log_formats.h"

static bool is_type(struct slice word)
{
    static const char *const types[] = { "http", "https", "h2", "grpcs", "ws", "wss" };

    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (slice_equal(word, slice_of(types[i])))
            return true;
    return false;
}

/* "0.001" s in microseconds; -1: not reached. */
static int64_t seconds_us(struct slice text)
{
    char copy[32];
    double seconds;

    if (text.len == 0 || text.len >= sizeof(copy))
        return -1;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    seconds = strtod(copy, NULL);
    return seconds < 0 || seconds > 1e6 ? -1 : (int64_t)(seconds * 1e6 + 0.5);
}

/* "Access log entries" and "Troubleshoot": what a status with such times and without a target's stands
 * for. Refused and reset connects, broken and malformed answers look alike. */
static enum end_reason reason_of(unsigned status, unsigned target_status, int64_t target_time_us,
                                 bool has_target)
{
    if (target_status != 0)
        return END_OK;
    switch (status) {
    case 460:
        return END_CLIENT_ABORTED;
    case 502:
        return target_time_us < 0 ? END_CONNECT_REFUSED : END_UPSTREAM_HEAD_CLOSED;
    case 503:
        return END_NO_TARGET;
    case 504:
        return has_target && target_time_us >= 0 ? END_UPSTREAM_HEAD_TIMEOUT : END_CONNECT_TIMEOUT;
    default:
        return status >= 500 ? END_INTERNAL : END_OK;
    }
}

static void read_target_try(struct trace *trace, const struct slice *fields, unsigned target_status,
                            struct trace_account *account)
{
    int64_t request_us = seconds_us(fields[LOG_ALB_REQUEST_TIME]);
    int64_t target_us = seconds_us(fields[LOG_ALB_TARGET_TIME]);
    struct trace_try *try;

    if (fields[LOG_ALB_TARGET].len < 2)
        return;
    try = trace_try_new(trace, account);
    (void)addr_parse(fields[LOG_ALB_TARGET], 0, &try->target);
    try->target_name = trace_copy(trace, fields[LOG_ALB_TARGET]);
    if (account->begin_us != TRACE_NEVER)
        try->begin_us = account->begin_us + (request_us > 0 ? request_us : 0);
    if (target_us >= 0 && try->begin_us != TRACE_NEVER && target_status != 0)
        try->head_us = account->head_us = try->begin_us + target_us;
    try->end_us = account->end_us;
    try->status = target_status;
    try->reason = account->reason;
}

bool log_split_alb(struct slice line, struct slice ret[LOG_ALB_FIELDS])
{
    int64_t status;

    for (int i = 0; i < LOG_ALB_FIELDS; i++)
        ret[i] = trace_quoted(&line);
    if (slice_equal(ret[LOG_ALB_STATUS], SLICE("-"))) /* a connection that brought no request */
        status = 0;
    else if (!trace_number(ret[LOG_ALB_STATUS], &status))
        return false;
    return is_type(ret[LOG_ALB_TYPE]) && trace_time(ret[LOG_ALB_TIME]) != TRACE_NEVER;
}

bool log_read_alb(struct trace *trace, const struct log_place *place, struct slice line,
                  struct trace_account **ret_account)
{
    struct slice fields[LOG_ALB_FIELDS];
    struct trace_account *account;
    int64_t status = 0, target_status = 0;

    if (!log_split_alb(line, fields))
        return false;
    (void)trace_number(fields[LOG_ALB_STATUS], &status);
    (void)trace_number(fields[LOG_ALB_TARGET_STATUS], &target_status);
    account = *ret_account = trace_account_new(trace);
    if (!account)
        return true;
    account->format = "alb";
    account->hop = place->hop.len > 0 ? place->hop : trace_copy(trace, fields[LOG_ALB_ELB]);
    (void)addr_parse(fields[LOG_ALB_CLIENT], 0, &account->peer);
    account->begin_us = trace_time(fields[LOG_ALB_CREATED]);
    account->end_us = trace_time(fields[LOG_ALB_TIME]);
    account->precision_us = 1000;
    account->status = (unsigned)(status > 0 ? status : 0);
    account->request_id = trace_copy(trace, fields[LOG_ALB_TRACE_ID]);
    account->reason =
        reason_of(account->status, (unsigned)target_status, seconds_us(fields[LOG_ALB_TARGET_TIME]),
                  fields[LOG_ALB_TARGET].len > 1);
    trace_request_line(fields[LOG_ALB_REQUEST], &account->method, &account->target);
    account->method = trace_copy(trace, account->method);
    account->target = trace_copy(trace, trace_origin_form(account->target));
    read_target_try(trace, fields, (unsigned)target_status, account);
    account->made_here = target_status == 0 && account->status != 0;
    if (account->tries_count > 0)
        account->tries[0].passed_id = account->request_id;
    return true;
}
