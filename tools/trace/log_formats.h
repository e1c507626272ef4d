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
    struct slice text, detail, request_id, request, upstream, client, host;
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

/* The slices of *ret point into the line. */
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
