#include "proxy/report/story.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "proxy/report/story_priv.h"

const struct story_row story_rows[] = {
#define STORY(id, condition, setting, why, what_to_do, not_known) \
    { .reason = END_##id,                                         \
      .when = STORY_##condition,                                  \
      .knob = STORY_KNOB_##setting,                               \
      .cause = why,                                               \
      .fix = what_to_do,                                          \
      .unknown = not_known },
#include "proxy/report/story.def"
#undef STORY
};

const size_t story_rows_count = sizeof(story_rows) / sizeof(story_rows[0]);

/* ---- which row ----------------------------------------------------------------------------- */

/* Tries that were not kept may have ended otherwise: then nothing is said about all. */
static bool all_tries_ended_alike(const struct recorded_exchange *entry)
{
    if (entry->tries_count < 2 || entry->tries_count > EXCHANGE_TRIES_KEPT)
        return false;
    for (uint32_t i = 0; i < entry->tries_count; i++)
        if (entry->tries[i].reason != entry->reason)
            return false;
    return true;
}

/* A pooled connection that ends later than this had been of use: the target chose to close it. */
enum { STALE_MAX_US = 1000 * 1000 };

static bool is_stale(const struct recorded_try *try)
{
    uint64_t since_us = try->sent_at_us ? try->sent_at_us : try->picked_at_us;

    return try->reused && try->ended_at_us - since_us < STALE_MAX_US &&
           (try->reason == END_UPSTREAM_HEAD_CLOSED || try->reason == END_UPSTREAM_HEAD_RESET ||
            try->reason == END_UPSTREAM_SEND_FAILED);
}

static bool holds(enum story_when when, const struct recorded_exchange *entry)
{
    const struct recorded_try *try = recorded_last_try(entry);
    uint64_t took_ms = (entry->ended_at_us - entry->started_at_us) / 1000;

    switch (when) {
    case STORY_ALWAYS:
        return true;
    case STORY_SEVERAL:
        return all_tries_ended_alike(entry);
    case STORY_RETRIED:
        return entry->tries_count > 1;
    case STORY_STALE:
        return try && is_stale(try);
    case STORY_RETRIED_STALE:
        return entry->tries_count > 1 && entry->tries_count <= EXCHANGE_TRIES_KEPT &&
               is_stale(&entry->tries[entry->tries_count - 2]);
    case STORY_UNSENT:
        return try && try->sent_at_us == 0;
    case STORY_FAILED_ANSWER:
        return entry->from_upstream && entry->status >= 500;
    case STORY_REFUSED_ANSWER:
        return entry->from_upstream && entry->status >= 400;
    case STORY_SLOW:
        return entry->limits.slow_ms > 0 && took_ms >= entry->limits.slow_ms;
    case STORY_NO_HEAD:
        return !entry->head_known;
    case STORY_UPLOADING:
        return entry->request_end_at_us == 0;
    case STORY_WAITING:
        return try && !entry->from_upstream;
    }
    return false;
}

const struct story_row *story_row_of(const struct recorded_exchange *entry)
{
    for (size_t i = 0; i < story_rows_count; i++)
        if ((unsigned)story_rows[i].reason == entry->reason && holds(story_rows[i].when, entry))
            return &story_rows[i];
    return NULL;
}

/* ---- the first line ------------------------------------------------------------------------ */

/* What the client got. */
enum outcome {
    OUTCOME_PASSED_ON,
    OUTCOME_ANSWERED,
    OUTCOME_CUT,
    OUTCOME_CLIENT_LEFT,
    OUTCOME_SILENT
};

static enum outcome outcome_of(const struct recorded_exchange *entry)
{
    if (entry->reason == END_CLIENT_ABORTED)
        return OUTCOME_CLIENT_LEFT;
    if (entry->truncated)
        return OUTCOME_CUT;
    if (entry->from_upstream)
        return OUTCOME_PASSED_ON;
    return entry->response_bytes > 0 ? OUTCOME_ANSWERED : OUTCOME_SILENT;
}

static void print_took(FILE *out, const char *what, const struct recorded_exchange *entry)
{
    uint64_t took_ms = (entry->ended_at_us - entry->started_at_us) / 1000;

    if (took_ms == 0)
        (void)fprintf(out, "%s in less than 1 ms", what);
    else
        (void)fprintf(out, "%s after %" PRIu64 " ms", what, took_ms);
}

static void print_outcome(FILE *out, const struct recorded_exchange *entry)
{
    char what[64] = "";

    switch (outcome_of(entry)) {
    case OUTCOME_PASSED_ON:
        snprintf(what, sizeof(what), "passed on a %u", entry->status);
        break;
    case OUTCOME_ANSWERED:
        snprintf(what, sizeof(what), "answered %u", entry->status);
        break;
    case OUTCOME_CUT:
        snprintf(what, sizeof(what), "cut a %u", entry->status);
        break;
    case OUTCOME_CLIENT_LEFT: /* the cause tells the time */
        (void)fprintf(out, "gave no whole answer (logged as %u)", entry->status);
        return;
    case OUTCOME_SILENT:
        snprintf(what, sizeof(what), "closed the connection without an answer");
        break;
    }
    print_took(out, what, entry);
}

static const char *fault_of(const struct recorded_exchange *entry)
{
    if (entry->reason == END_OK)
        return entry->from_upstream && entry->status >= 400 ? "made at the target or behind it"
                                                            : "nobody";
    switch (end_reason_info((enum end_reason)entry->reason)->hop) {
    case END_HOP_SELF:
        return "this hop, its configuration, or what was asked of it";
    case END_HOP_CLIENT:
        return "the client, or a hop between it and this one";
    case END_HOP_UPSTREAM:
        return "the target, or the network before it";
    }
    return "not known";
}

static void print_first_line(FILE *out, const struct recorded_exchange *entry,
                             const struct story_row *row)
{
    story_print_text(out, entry, entry->hop_name);
    (void)fputc(' ', out);
    print_outcome(out, entry);
    (void)fputs(entry->reason == END_OK ? ": " : " because ", out);
    story_print_words(out, row->cause, entry, row->knob);
    if (entry->reason != END_OK && row->when != STORY_SEVERAL && entry->tries_count > 1)
        (void)fprintf(out, " (the last of %" PRIu32 " tries)", entry->tries_count);
    (void)fputs(". Fix: ", out);
    story_print_words(out, row->fix, entry, row->knob);
    (void)fputs(".\n", out);
}

/* ---- evidence ------------------------------------------------------------------------------ */

static void label(FILE *out, const char *text)
{
    (void)fprintf(out, "%-11s ", text);
}

static void print_instant(FILE *out, uint64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    char text[32];
    struct tm tm;

    (void)gmtime_r(&seconds, &tm);
    (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)fprintf(out, "%s.%03uZ\n", text, (unsigned)(unix_ms % 1000));
}

static void print_request(FILE *out, const struct recorded_exchange *entry)
{
    label(out, "exchange");
    (void)fprintf(out, "%" PRIu64 ", id %s, began ", entry->number, entry->request_id);
    print_instant(out, entry->started_at_unix_ms);
    label(out, "request");
    if (!entry->head_known && entry->request_line.length == 0)
        (void)fputs("(no request line was received)", out);
    story_print_text(out, entry, entry->request_line);
    if (entry->host.length > 0) {
        (void)fputs(", host ", out);
        story_print_text(out, entry, entry->host);
    }
    (void)fputc('\n', out);
}

static void print_client(FILE *out, const struct recorded_exchange *entry)
{
    label(out, "client");
    story_print_address(out, &entry->client_peer);
    (void)fputs(" -> ", out);
    story_print_address(out, &entry->client_local);
    (void)fprintf(out, ", %s, request %" PRIu32 " of connection %" PRIu64,
                  entry->over_tls ? "TLS" : "plain", entry->client_request_number,
                  entry->client_connection_id);
    if (entry->client_is_trusted && entry->client_ip.length > 0) {
        (void)fputs(", on behalf of ", out);
        story_print_text(out, entry, entry->client_ip);
    }
    (void)fputc('\n', out);
}

static void print_destination(FILE *out, const struct recorded_exchange *entry)
{
    label(out, "route");
    if (!entry->has_route) {
        (void)fputs("none\n", out);
        return;
    }
    story_print_entity(out, entry, entry->route_name, entry->route_id);
    if (entry->has_service) {
        (void)fputs(" to ", out);
        story_print_service(out, entry);
        (void)fputs(entry->service_over_tls ? ", https://" : ", http://", out);
        story_print_text(out, entry, entry->service_host);
        (void)fprintf(out, ":%u", entry->service_port);
    }
    if (entry->upstream_uri.length > 0) {
        (void)fputs(", asked for ", out);
        story_print_text(out, entry, entry->upstream_uri);
    }
    if (entry->upstream_host.length > 0) {
        (void)fputs(" with Host ", out);
        story_print_text(out, entry, entry->upstream_host);
    }
    (void)fputc('\n', out);
}

static void print_verdict(FILE *out, const struct recorded_exchange *entry,
                          const struct story_context *context, const struct story_row *row)
{
    const struct recorded_try *try = recorded_last_try(entry);

    label(out, "ended by");
    (void)fprintf(out, "%s, at fault: %s\n", end_reason_info((enum end_reason)entry->reason)->name,
                  fault_of(entry));
    if (try && try->reason == entry->reason && try->explanation.length > 0) {
        label(out, "explained");
        story_print_text(out, entry, try->explanation);
        (void)fputc('\n', out);
    }
    label(out, "decided by");
    story_print_decision(out, entry, context, row->knob);
    (void)fputc('\n', out);
}

static void print_fields(FILE *out, const struct recorded_exchange *entry, const char *title,
                         struct recorded_text fields)
{
    struct slice rest = recorded_slice(entry, fields);

    if (rest.len == 0)
        return;
    (void)fprintf(out, "%s (values of secrets are masked%s)\n", title,
                  fields.length > fields.kept ? "; cut" : "");
    while (rest.len > 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t length = end ? (size_t)(end - rest.ptr) : rest.len;

        (void)fputs("  ", out);
        story_print_safe(out, (struct slice){ rest.ptr, length });
        (void)fputc('\n', out);
        rest = slice_from(rest, length + 1);
    }
}

/* ---- the hop in front ---------------------------------------------------------------------- */

static void print_next_hop(FILE *out, const struct recorded_exchange *entry)
{
    label(out, "next hop");
    switch (outcome_of(entry)) {
    case OUTCOME_PASSED_ON:
    case OUTCOME_ANSWERED:
        (void)fprintf(out,
                      "what stands in front of this hop got a complete %u from it and, as a rule, "
                      "passes it on; its log shows upstream status %u and no error line",
                      entry->status, entry->status);
        break;
    case OUTCOME_CUT:
        (void)fprintf(out,
                      "what stands in front of this hop got the head of a %u and then a connection "
                      "that ended early: nginx and Kong log \"upstream prematurely closed "
                      "connection while reading upstream\" or \"recv() failed (104: Connection "
                      "reset by peer)\", and %u as status",
                      entry->status, entry->status);
        break;
    case OUTCOME_CLIENT_LEFT:
        (void)fprintf(out, "what stands in front of this hop ended the connection first; if it is "
                           "a proxy, its log tells why: \"upstream timed out\" and 504 for a "
                           "timeout of its own, 499 when its own client left");
        break;
    case OUTCOME_SILENT:
        (void)fprintf(out, "what stands in front of this hop got no answer: nginx and Kong answer "
                           "502 and log \"recv() failed (104: Connection reset by peer)\" or "
                           "\"upstream prematurely closed connection\" while reading response "
                           "header from upstream");
        break;
    }
    (void)fputc('\n', out);
}

static void print_now(FILE *out, const char *title, const struct recorded_exchange *entry,
                      const struct story_context *context, const char *lines)
{
    if (!lines || !*lines)
        return;
    (void)fprintf(out, "%s in configuration %" PRIu64 ", in force now", title, context->generation);
    if (context->generation != entry->generation)
        (void)fprintf(out, " (the exchange had %" PRIu64 ")", entry->generation);
    (void)fprintf(out, "\n%s", lines);
}

static void print_unknown(FILE *out, const struct recorded_exchange *entry,
                          const struct story_row *row)
{
    if (!row->unknown[0])
        return;
    label(out, "not known");
    story_print_words(out, row->unknown, entry, row->knob);
    (void)fputc('\n', out);
}

char *story_tell(const struct recorded_exchange *entry, const struct story_context *context)
{
    const struct story_row *row = story_row_of(entry);
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    if (!out || !row) {
        if (out)
            (void)fclose(out);
        free(text);
        return NULL;
    }
    print_first_line(out, entry, row);
    (void)fputc('\n', out);
    print_request(out, entry);
    print_client(out, entry);
    print_destination(out, entry);
    print_verdict(out, entry, context, row);
    print_unknown(out, entry, row);
    print_next_hop(out, entry);
    if (context->remark)
        (void)fprintf(out, "%s\n", context->remark);
    (void)fputc('\n', out);
    story_print_timeline(out, entry);
    print_now(out, "nearest routes", entry, context, context->routes);
    print_now(out, "targets", entry, context, context->targets);
    print_fields(out, entry, "request fields", entry->request_fields);
    print_fields(out, entry, "response fields", entry->response_fields);
    if (entry->request_fields.length == 0 && entry->response_fields.length == 0)
        (void)fputs("fields      (not kept: it went well, or no head was understood)\n", out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
