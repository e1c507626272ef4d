/* HAProxy's `option httplog`, with or without the prefix of a syslog. */
#include <stdlib.h>
#include <string.h>

#include "tools/trace/log_formats.h"

enum { MS_US = 1000 };

/* "a/b/c" into a and b/c. */
static struct slice part(struct slice *word)
{
    const char *slash = word->len > 0 ? memchr(word->ptr, '/', word->len) : NULL;
    struct slice first = { word->ptr, slash ? (size_t)(slash - word->ptr) : word->len };

    *word = slice_from(*word, first.len + (slash ? 1 : 0));
    return first;
}

static bool read_client(struct slice *line, struct log_haproxy_words *words)
{
    /* a syslog prefix has words that are no address; its own brackets ("haproxy[12]:") end in ':' */
    while (line->len > 0) {
        struct slice rest = *line;
        struct slice address = trace_word(&rest);

        if (rest.len > 2 && rest.ptr[0] == '[' && addr_parse(address, 0, &words->client) == 0) {
            const char *close = memchr(rest.ptr, ']', rest.len);

            if (!close)
                return false;
            words->accepted_us =
                trace_time((struct slice){ rest.ptr + 1, (size_t)(close - rest.ptr) - 1 });
            *line = slice_from(rest, (size_t)(close - rest.ptr) + 1);
            return words->accepted_us != TRACE_NEVER;
        }
        *line = rest;
    }
    return false;
}

static bool read_timers(struct slice word, struct log_haproxy_words *words)
{
    for (size_t i = 0; i < LOG_HAPROXY_TIMERS; i++)
        if (!trace_number(part(&word), &words->timers_ms[i]))
            return false;
    return word.len == 0;
}

/* actconn/feconn/beconn/srv_conn/retries */
static struct slice retries_of(struct slice word)
{
    for (int i = 0; i < 4; i++)
        (void)part(&word);
    return word;
}

bool log_split_haproxy(struct slice line, struct log_haproxy_words *words)
{
    struct slice place;

    *words = (struct log_haproxy_words){ .status = 0 };
    if (!read_client(&line, words))
        return false;
    (void)trace_word(&line); /* frontend */
    place = trace_word(&line);
    words->backend = part(&place);
    words->server = place;
    if (!read_timers(trace_word(&line), words) || !trace_number(trace_word(&line), &words->status))
        return false;
    for (int i = 0; i < 3; i++)
        (void)trace_word(&line); /* bytes, request cookie, response cookie */
    words->termination = trace_word(&line);
    words->retries = retries_of(trace_word(&line));
    (void)trace_word(&line);                     /* queues */
    while (line.len > 0 && line.ptr[0] == '{') { /* captured fields */
        const char *close = memchr(line.ptr, '}', line.len);

        line = slice_from(line, close ? (size_t)(close - line.ptr) + 2 : line.len);
    }
    words->request = trace_quoted(&line);
    return words->termination.len == 4 || words->termination.len == 2;
}

/* HAProxy's configuration manual, 8.5 "Session state at disconnection". */
static enum end_reason reason_of(struct slice termination)
{
    static const struct {
        char state[3];
        enum end_reason reason;
    } states[] = {
        { "--", END_OK },
        { "SC", END_CONNECT_REFUSED },
        { "sC", END_CONNECT_TIMEOUT },
        { "SH", END_UPSTREAM_HEAD_CLOSED },
        { "sH", END_UPSTREAM_HEAD_TIMEOUT },
        { "PH", END_UPSTREAM_HEAD_INVALID },
        { "SD", END_UPSTREAM_BODY_CLOSED },
        { "sD", END_UPSTREAM_BODY_TIMEOUT },
        { "sQ", END_LIMIT_REACHED },
        { "PR", END_CLIENT_HEAD_INVALID },
        { "CR", END_CLIENT_ABORTED },
        { "cR", END_CLIENT_HEAD_TIMEOUT },
        { "cD", END_CLIENT_SEND_TIMEOUT },
        { "RC", END_NO_DESCRIPTORS },
    };

    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
        if (strncmp(states[i].state, termination.ptr, 2) == 0)
            return states[i].reason;
    if (termination.ptr[0] == 'C')
        return END_CLIENT_ABORTED;
    return termination.ptr[0] == '-' || termination.ptr[0] == 'L' ? END_OK : END_INTERNAL;
}

static void read_server_try(struct trace *trace, const struct log_haproxy_words *words,
                            struct trace_account *account)
{
    struct trace_try *try;
    int64_t retries = 0;
    int64_t waited_ms = 0;

    if (slice_equal(words->server, SLICE("<NOSRV>")) || words->server.len == 0)
        return;
    for (int i = LOG_HAPROXY_TR; i <= LOG_HAPROXY_TW; i++)
        waited_ms += words->timers_ms[i] > 0 ? words->timers_ms[i] : 0;
    try = trace_try_new(trace, account);
    (void)trace_number(words->retries, &retries);
    account->tries_made += retries > 0 ? (unsigned)retries : 0;
    try->begin_us = account->begin_us + waited_ms * MS_US;
    if (words->timers_ms[LOG_HAPROXY_TC] >= 0)
        try->sent_us = try->begin_us + words->timers_ms[LOG_HAPROXY_TC] * MS_US;
    if (words->timers_ms[LOG_HAPROXY_TRESPONSE] >= 0 && try->sent_us != TRACE_NEVER)
        try->head_us = account->head_us =
            try->sent_us + words->timers_ms[LOG_HAPROXY_TRESPONSE] * MS_US;
    try->end_us = account->end_us;
    try->target_name = trace_copy(
        trace, (struct slice){ words->backend.ptr, words->backend.len + 1 + words->server.len });
    try->reason = account->reason;
    if (account->reason == END_OK && try->head_us != TRACE_NEVER)
        try->status = account->status;
}

bool log_read_haproxy(struct trace *trace, const struct log_place *place, struct slice line,
                      struct trace_account **ret_account)
{
    struct log_haproxy_words words;
    struct trace_account *account;

    if (!log_split_haproxy(line, &words))
        return false;
    account = *ret_account = trace_account_new(trace);
    if (!account)
        return true;
    account->format = "haproxy";
    account->hop = place->hop;
    account->peer = words.client;
    account->begin_us = words.accepted_us;
    account->end_us =
        words.accepted_us +
        (words.timers_ms[LOG_HAPROXY_TA] > 0 ? words.timers_ms[LOG_HAPROXY_TA] : 0) * MS_US;
    account->precision_us = MS_US;
    account->status = words.status > 0 ? (unsigned)words.status : 0;
    account->termination = trace_copy(trace, words.termination);
    account->reason = reason_of(words.termination);
    trace_request_line(words.request, &account->method, &account->target);
    account->method = trace_copy(trace, account->method);
    account->target = trace_copy(trace, account->target);
    read_server_try(trace, &words, account);
    account->made_here =
        account->status != 0 && (account->reason != END_OK || account->tries_count == 0);
    return true;
}
