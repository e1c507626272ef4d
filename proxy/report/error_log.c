#include "proxy/report/error_log.h"

#include <stdio.h>
#include <unistd.h>

#include "core/addr.h"
#include "proxy/persona/persona.h"
#include "proxy/report/text.h"

_Static_assert((int)END_LEVEL_debug == (int)LOG_LEVEL_DEBUG &&
                   (int)END_LEVEL_crit == (int)LOG_LEVEL_CRIT,
               "both level lists have the same order");

static enum end_reason reason_of(const struct exchange_record *record, const struct try_record *try)
{
    return try ? try->reason : record->reason;
}

enum log_level error_log_level(const struct exchange_record *record, const struct try_record *try)
{
    return (enum log_level)end_reason_info(reason_of(record, try))->level;
}

/* The persona's own words for the reason, or NULL. */
static const char *own_phrase(const struct exchange_record *record, const struct try_record *try)
{
    return persona_answer(record->persona, reason_of(record, try), record->was_proxied,
                          try && try->reused)
        .log_phrase;
}

/* The try that a client put an end to by leaving, or NULL. */
static const struct try_record *abandoned_try(const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);

    return record->reason == END_CLIENT_ABORTED && last && last->reason == END_CLIENT_ABORTED
               ? last
               : NULL;
}

static bool left_inside_request(const struct exchange_record *record)
{
    return record->reason == END_CLIENT_ABORTED && record->request_end_at_us == 0;
}

/* What was going on when a client left: nginx's action, which stays "sending request" until the first
 * bytes of the answer are there. */
static const char *aborted_phase_text(const struct exchange_record *record)
{
    const struct try_record *try = abandoned_try(record);
    enum end_phase phase = END_PHASE_SENDING_TO_CLIENT;

    if (!record->request)
        phase = END_PHASE_READING_REQUEST_HEAD;
    else if (try && try->head_at_us != 0)
        phase = END_PHASE_READING_BODY;
    else if (try && try->connected_at_us == 0 && !try->reused)
        phase = END_PHASE_CONNECTING;
    else if (try && try->over_tls && try->tls_done_at_us == 0 && !try->reused)
        return end_phase_text(END_PHASE_TLS_HANDSHAKE, END_HOP_UPSTREAM);
    else if (try)
        phase = END_PHASE_SENDING;
    else if (left_inside_request(record)) {
        if (!record->persona->log.error_explanation)
            return ""; /* nginx reads content without saying so (ngx_http_handler) */
        phase = END_PHASE_READING_REQUEST_BODY;
    }
    return end_phase_text(phase, END_HOP_CLIENT);
}

/* nginx's words where they depend on how it reads content: stored content with readv(), see
 * ngx_event_pipe_read_upstream; surplus after chunks, see ngx_http_proxy_chunked_filter. */
static const char *phrase_of_content(const struct exchange_record *record,
                                     const struct try_record *try)
{
    const struct try_record *read = try ?
    try : exchange_record_peek_try(record)
        ;
    enum end_reason reason = reason_of(record, try);

    if (!read || record->persona->log.error_explanation) /* what happened matters more there */
        return end_reason_info(reason)->phrase;
    if (read->over_tls && (reason == END_UPSTREAM_BODY_RESET || reason == END_UPSTREAM_HEAD_RESET))
        return "upstream prematurely closed connection"; /* ngx_ssl_handle_recv */
    if (reason == END_UPSTREAM_BODY_RESET && read->content_stored)
        return "readv() failed (%s)";
    if (reason == END_UPSTREAM_BODY_SURPLUS && read->content_chunked)
        return "upstream sent data after final chunk";
    return end_reason_info(reason)->phrase;
}

/* nginx still says what it did when the head came (ngx_http_upstream_send_response, not buffered). */
static bool came_with_head(const struct exchange_record *record, const struct try_record *try)
{
    const struct try_record *read = try ?
    try : exchange_record_peek_try(record)
        ;
    enum end_reason reason = reason_of(record, try);

    return read && read->content_with_head &&
           (reason == END_UPSTREAM_BODY_SURPLUS || reason == END_UPSTREAM_BODY_INVALID);
}

static const char *phase_text(const struct exchange_record *record, const struct try_record *try)
{
    const struct end_reason_info *info = end_reason_info(reason_of(record, try));
    const struct http_head *request = record->request;

    if (reason_of(record, try) == END_CLIENT_ABORTED)
        return aborted_phase_text(record);
    if (reason_of(record, try) == END_CLIENT_BODY_INVALID &&
        !record->persona->log.error_explanation)
        return "";
    /* an announced length is refused before any of the content is read */
    if (reason_of(record, try) == END_CLIENT_BODY_TOO_BIG && request &&
        request->framing == HTTP_FRAMING_LENGTH)
        return "";
    if (came_with_head(record, try))
        return end_phase_text(END_PHASE_READING_HEAD, END_HOP_UPSTREAM);
    return end_phase_text(info->phase, info->hop);
}

/* ngx_http_upstream_check_broken_connection: with a connection to a target there is more to say. */
static void add_aborted_phrase(struct text *text, const struct exchange_record *record)
{
    text_add_string(text, abandoned_try(record) && !left_inside_request(record)
                              ? "epoll_wait() reported that client prematurely closed connection, "
                                "so upstream connection is closed too"
                              : "client prematurely closed connection");
    if (record->reason_detail.len == 0)
        return; /* a FIN has no errno */
    text_add_string(text, " (");
    text_add_escaped(text, record->reason_detail, TEXT_ESCAPE_CONTROL);
    text_add_string(text, ")");
}

static void add_phrase(struct text *text, const struct exchange_record *record,
                       const struct try_record *try)
{
    struct slice detail = try ? try->detail : record->reason_detail;
    const char *own = own_phrase(record, try);
    const char *phrase = own ? own : phrase_of_content(record, try), *mark;

    if (!own && reason_of(record, try) == END_CLIENT_ABORTED) {
        add_aborted_phrase(text, record);
        return;
    }
    mark = strstr(phrase, "%s");
    if (mark) {
        text_add(text, (struct slice){ phrase, (size_t)(mark - phrase) });
        text_add_escaped(text, detail, TEXT_ESCAPE_CONTROL);
        phrase = mark + 2;
    }
    text_add_string(text, phrase);
}

/* ---- nginx ---- */

static void add_pair(struct text *text, const char *key, struct slice value)
{
    text_add_string(text, ", ");
    text_add_string(text, key);
    text_add_string(text, ": \"");
    text_add_escaped(text, value, TEXT_ESCAPE_LOG);
    text_add_string(text, "\"");
}

static void add_upstream(struct text *text, const struct exchange_record *record,
                         const struct try_record *try)
{
    char addr[ADDR_TEXT_MAX];

    text_add_string(text, ", upstream: \"");
    text_add_string(text, try->over_tls ? "https://" : "http://");
    text_add_string(text, addr_format(&try->target, addr, sizeof(addr)));
    text_add_escaped(text, record->upstream_uri, TEXT_ESCAPE_LOG);
    text_add_string(text, "\"");
}

/* nginx has no id yet while it judges the head (its post-read phase comes later). */
static bool is_before_the_id(enum end_reason reason)
{
    enum end_phase phase = end_reason_info(reason)->phase;

    return phase == END_PHASE_READING_REQUEST_LINE || phase == END_PHASE_READING_REQUEST_HEAD;
}

static void add_request_pairs(struct text *text, const struct exchange_record *record,
                              const struct try_record *try, enum end_reason reason)
{
    const struct http_head *request = record->request;
    struct slice explanation = try && try->reason == reason ? try->explanation : SLICE("");
    const struct field *referer = request ? fields_find(&request->fields, FIELD_REFERER) : NULL;

    if (request)
        add_pair(text, "request", request->request_line);
    else if (record->bad_request_line.len > 0)
        add_pair(text, "request", record->bad_request_line);
    if (try)
        add_upstream(text, record, try);
    if (request && request->authority.len > 0)
        add_pair(text, "host", request->authority);
    if (referer)
        add_pair(text, "referrer", referer->value);
    if (explanation.len > 0 && record->persona->log.error_explanation)
        add_pair(text, "explanation", explanation);
    if (request && !is_before_the_id(reason) && record->persona->log.error_request_id)
        add_pair(text, "request_id", slice_of(record->request_id));
}

static struct slice nginx_line(const struct exchange_record *record, const struct try_record *try,
                               struct arena *arena)
{
    const struct end_reason_info *info = end_reason_info(reason_of(record, try));
    /* what is no try (a note) has no target */
    const struct try_record *named = try && try->target.ss_family != AF_UNSPEC ?
    try : exchange_record_peek_try(record)
        ;
    uint64_t at_ms = exchange_record_unix_ms(record, try ? try->ended_at_us : record->ended_at_us);
    char prefix[80], addr[ADDR_TEXT_MAX];
    struct text text;

    text_init(&text, arena);
    log_format_prefix(error_log_level(record, try), (time_t)(at_ms / 1000), prefix, sizeof(prefix));
    text_add_string(&text, prefix);
    text_addf(&text, "*%llu ", (unsigned long long)record->client_connection_id);
    add_phrase(&text, record, try);
    text_add_string(&text, phase_text(record, try));
    text_add_string(&text, ", client: ");
    if (record->client_ip.len > 0)
        text_add_escaped(&text, record->client_ip, TEXT_ESCAPE_LOG);
    else
        text_add_string(&text, addr_format_ip(&record->client_peer, addr, sizeof(addr)));
    text_add_string(&text, ", server: ");
    if (info->phase == END_PHASE_TLS_HANDSHAKE && info->hop == END_HOP_CLIENT)
        text_add_string(&text, addr_format(&record->client_local, addr, sizeof(addr)));
    else
        text_add_string(&text, record->persona->log.server_name);
    /* what this hop or the client did before a target was asked names no upstream */
    add_request_pairs(&text, record, named, reason_of(record, try));
    text_add_string(&text, "\n");
    return text_take(&text);
}

/* ---- BIG-IP, ltm log with tm.rstcause.log ---- */

static struct slice f5_line(const struct exchange_record *record, struct arena *arena)
{
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    uint64_t at_ms = exchange_record_unix_ms(record, record->ended_at_us);
    char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];
    struct text text;
    struct tm tm;

    log_local_time((time_t)(at_ms / 1000), &tm);
    text_init(&text, arena);
    text_addf(&text, "%s %2d %02d:%02d:%02d ", months[tm.tm_mon], tm.tm_mday, tm.tm_hour, tm.tm_min,
              tm.tm_sec);
    text_add_escaped(&text, record->hop_name, TEXT_ESCAPE_LOG);
    text_addf(&text, " err tmm[%d]: 01230140:3: RST sent from %s to %s, [0x0:0] ", (int)getpid(),
              addr_format(&record->client_local, from, sizeof(from)),
              addr_format(&record->client_peer, to, sizeof(to)));
    add_phrase(&text, record, NULL);
    text_add_string(&text, "\n");
    return text_take(&text);
}

struct slice error_log_line(const struct exchange_record *record, const struct try_record *try,
                            struct arena *arena)
{
    const char *own = own_phrase(record, try);

    if (own && own[0] == '\0')
        return SLICE(""); /* the product is silent about it */
    switch (record->persona->log.error_shape) {
    case PERSONA_ERROR_NGINX:
        return nginx_line(record, try, arena);
    case PERSONA_ERROR_F5:
        if (!try)
            return f5_line(record, arena);
        break;
    case PERSONA_ERROR_NONE:
        break;
    }
    return SLICE("");
}
