/*
 * log_formats: lines of logs, ours and those of real products, as accounts.
 *
 * Role    one function per format; each says whether the line is its own
 * Owns    nothing; accounts and texts live in the trace
 * Thread  the main thread
 *
 * A line may hold anything: it comes from a file that others wrote.
 */
#ifndef TOOLS_TRACE_LOG_FORMATS_H
#define TOOLS_TRACE_LOG_FORMATS_H

#include "tools/trace/account.h"

/* Where a line stands, and the name of the hop if the user gave one (else empty). */
struct log_place {
    const char *file;
    unsigned line;
    struct slice hop;
};

/* What nginx and Kong write to error.log while a request is worked on. */
struct log_error_line {
    int64_t at_us;
    enum end_reason reason;
    struct slice level; /* "error" */
    struct slice text, detail, request_id, request, upstream, client, host, server;
};

/* An access line of nginx or Kong. What ingress-nginx and formats with names ("us=502") write behind the
 * combined one: which servers were asked, and what each answered ("502, 200"); empty if that is not there. */
struct log_nginx_words {
    struct sockaddr_storage peer;
    int64_t at_us, status, bytes;
    struct slice request, request_id;
    struct slice upstream_addr, upstream_status;
};

enum log_haproxy_timer {
    LOG_HAPROXY_TR,
    LOG_HAPROXY_TW,
    LOG_HAPROXY_TC,
    LOG_HAPROXY_TRESPONSE,
    LOG_HAPROXY_TA,
    LOG_HAPROXY_TIMERS
};

struct log_haproxy_words {
    struct sockaddr_storage client;
    int64_t accepted_us;
    struct slice backend, server;
    int64_t timers_ms[LOG_HAPROXY_TIMERS]; /* -1: not reached */
    int64_t status;                        /* -1: none */
    struct slice termination;              /* four letters */
    struct slice retries;                  /* "0", "3", "+1": of another server */
    struct slice request;
};

/* In the order of the line. */
enum log_alb_field {
    LOG_ALB_TYPE,
    LOG_ALB_TIME,
    LOG_ALB_ELB,
    LOG_ALB_CLIENT,
    LOG_ALB_TARGET,
    LOG_ALB_REQUEST_TIME,
    LOG_ALB_TARGET_TIME,
    LOG_ALB_RESPONSE_TIME,
    LOG_ALB_STATUS,
    LOG_ALB_TARGET_STATUS,
    LOG_ALB_RECEIVED,
    LOG_ALB_SENT,
    LOG_ALB_REQUEST,
    LOG_ALB_USER_AGENT,
    LOG_ALB_CIPHER,
    LOG_ALB_PROTOCOL,
    LOG_ALB_TARGET_GROUP,
    LOG_ALB_TRACE_ID,
    LOG_ALB_DOMAIN,
    LOG_ALB_CERTIFICATE,
    LOG_ALB_PRIORITY,
    LOG_ALB_CREATED,
    LOG_ALB_ACTIONS,
    LOG_ALB_REDIRECT,
    LOG_ALB_ERROR_REASON,
    LOG_ALB_FIELDS
};

/* Each: true when the line is of that format; *ret_account is the account, or NULL: no memory. */
bool log_read_hopgate(struct trace *trace, const struct log_place *place, struct slice line,
                      struct trace_account **ret_account);
bool log_read_nginx_access(struct trace *trace, const struct log_place *place, struct slice line,
                           struct trace_account **ret_account);
bool log_read_haproxy(struct trace *trace, const struct log_place *place, struct slice line,
                      struct trace_account **ret_account);
bool log_read_alb(struct trace *trace, const struct log_place *place, struct slice line,
                  struct trace_account **ret_account);

/* A connection and no request: never an account, see relay.h. */
bool log_read_relay(struct trace *trace, const struct log_place *place, struct slice line,
                    struct trace_account **ret_account);

bool log_read_lab(struct trace *trace, const struct log_place *place, struct slice line,
                  struct trace_account **ret_account);

/* Lines as their words: false when it is another format. Slices of what is returned point into the line. */
bool log_split_nginx_access(struct slice line, struct log_nginx_words *ret);
bool log_split_haproxy(struct slice line, struct log_haproxy_words *ret);
bool log_split_alb(struct slice line, struct slice ret[LOG_ALB_FIELDS]);
bool log_read_nginx_error(struct slice line, struct log_error_line *ret);

/* Who was reset; such a line says nothing else of the request. */
bool log_read_f5_reset(struct slice line, struct sockaddr_storage *ret_peer);

/* ---- log_words.c: pieces that several formats share ---- */

/* Cuts the next word, up to a space or the end; leading spaces are skipped. */
struct slice trace_word(struct slice *line);

/* Cuts a quoted word ("..." with \ before what is escaped) or a bare one. */
struct slice trace_quoted(struct slice *line);

/* "GET /x HTTP/1.1" into method and target; what is not there stays empty. */
void trace_request_line(struct slice request, struct slice *ret_method, struct slice *ret_target);

/* A decimal number; false: something else, or too large. "-1" is one. */
bool trace_number(struct slice text, int64_t *ret);

/* Microseconds since 1970, or TRACE_NEVER: "20/Nov/2026:21:15:07 +0000", the same with ".123" and
 * without zone (then local time), "2026/11/20 21:15:07" (local), "2026-11-20T21:15:07.123456Z". */
int64_t trace_time(struct slice text);

/* The path of "http://host/path?query"; anything else as it is. */
struct slice trace_origin_form(struct slice target);

#endif
