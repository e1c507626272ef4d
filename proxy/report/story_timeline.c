#include <inttypes.h>
#include <stdlib.h>

#include "proxy/report/story_priv.h"

enum { INSTANTS_MAX = 8 + EXCHANGE_TRIES_KEPT * 6 };

struct instant {
    uint64_t at_us;
    size_t order; /* of those at the same time */
    const char *text;
    const struct recorded_try *try; /* whose step it is; NULL: the exchange's */
    unsigned try_number;
    void (*print_more)(FILE *out, const struct recorded_exchange *entry,
                       const struct recorded_try *try);
};

struct timeline {
    struct instant items[INSTANTS_MAX];
    size_t count;
};

static void add(struct timeline *timeline, struct instant instant)
{
    if (instant.at_us == 0)
        return; /* it did not happen */
    instant.order = timeline->count;
    timeline->items[timeline->count++] = instant;
}

static void print_request_bytes(FILE *out, const struct recorded_exchange *entry,
                                const struct recorded_try *try)
{
    (void)try;
    (void)fprintf(out, " (%" PRIu64 " bytes received in all)", entry->request_bytes);
}

static void print_status(FILE *out, const struct recorded_exchange *entry,
                         const struct recorded_try *try)
{
    (void)try;
    if (entry->response_bytes > 0)
        (void)fprintf(out, ": status %u", entry->status);
    else
        (void)fputs(": nothing is sent", out);
}

static void print_bytes(FILE *out, const struct recorded_exchange *entry,
                        const struct recorded_try *try)
{
    (void)try;
    (void)fprintf(out, " (%" PRIu64 " bytes sent to the client)", entry->response_bytes);
}

static void print_target(FILE *out, const struct recorded_exchange *entry,
                         const struct recorded_try *try)
{
    (void)fputs(" -> ", out);
    story_print_target(out, entry, try);
    if (try->reused) {
        (void)fprintf(out, ", idle connection %" PRIu64 " is reused (request %u on it), from ",
                      try->connection_id, try->request_number);
        story_print_address(out, &try->local);
    } else {
        (void)fprintf(out, ", a new connection%s", try->over_tls ? " with TLS" : "");
    }
}

static void print_local(FILE *out, const struct recorded_exchange *entry,
                        const struct recorded_try *try)
{
    (void)entry;
    if (try->connection_id == 0)
        return;
    (void)fputs(", from ", out);
    story_print_address(out, &try->local);
}

static void print_try_status(FILE *out, const struct recorded_exchange *entry,
                             const struct recorded_try *try)
{
    (void)entry;
    (void)fprintf(out, ": status %u", try->status);
}

static void print_failure(FILE *out, const struct recorded_exchange *entry,
                          const struct recorded_try *try)
{
    const struct end_reason_info *info = end_reason_info((enum end_reason)try->reason);
    char detail[RECORDED_DETAIL_MAX + 1], line[512];
    struct slice kept = recorded_slice(entry, try->detail);

    snprintf(detail, sizeof(detail), "%.*s", SLICE_ARG(kept));
    (void)end_reason_format((enum end_reason)try->reason, detail, line, sizeof(line));
    (void)fputs(": ", out);
    story_print_safe(out, slice_of(line));
    (void)fprintf(out, "%s [%s]", end_phase_text(info->phase, info->hop), info->name);
}

static void add_try(struct timeline *timeline, const struct recorded_try *try, unsigned number)
{
    const struct instant steps[] = {
        { .at_us = try->picked_at_us, .text = "begins", .print_more = print_target },
        { .at_us = try->connected_at_us, .text = "connected", .print_more = print_local },
        { .at_us = try->tls_done_at_us, .text = "TLS handshake done", .print_more = print_local },
        { .at_us = try->sent_at_us, .text = "request sent" },
        { .at_us = try->head_at_us,
          .text = "response head received",
          .print_more = print_try_status },
        { .at_us = try->reason == END_OK ? 0 : try->ended_at_us,
          .text = "failed",
          .print_more = print_failure },
    };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct instant step = steps[i];

        step.try = try;
        step.try_number = number;
        add(timeline, step);
    }
}

static void print_spooled(FILE *out, const struct recorded_exchange *entry,
                          const struct recorded_try *try)
{
    (void)try;
    if (entry->response_spooled_bytes > 0)
        (void)fprintf(out, ": %" PRIu64 " bytes wait in a file", entry->response_spooled_bytes);
}

/* The target is done before its client is. */
static void add_store(struct timeline *timeline, const struct recorded_exchange *entry)
{
    uint32_t tries = recorded_tries_count(entry);
    const struct recorded_try *last = tries > 0 ? &entry->tries[tries - 1] : NULL;

    if (entry->response_stored_at_us == 0)
        return;
    add(timeline, (struct instant){ .at_us = entry->response_stored_at_us,
                                    .text = "the client takes it more slowly than the target sends",
                                    .print_more = print_spooled });
    if (last && last->reason == END_OK)
        add(timeline,
            (struct instant){ .at_us = last->ended_at_us,
                              .text = "the target has sent all, its connection is free" });
}

static int compare(const void *left, const void *right)
{
    const struct instant *a = left, *b = right;

    if (a->at_us != b->at_us)
        return a->at_us < b->at_us ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static void print_instant(FILE *out, const struct recorded_exchange *entry,
                          const struct instant *instant)
{
    uint64_t span = instant->at_us - entry->started_at_us;

    (void)fprintf(out, "  %8" PRIu64 ".%03" PRIu64 "  ", span / 1000, span % 1000);
    if (instant->try)
        (void)fprintf(out, "try %u ", instant->try_number);
    (void)fputs(instant->text, out);
    if (instant->print_more)
        instant->print_more(out, entry, instant->try);
    (void)fputc('\n', out);
}

void story_print_timeline(FILE *out, const struct recorded_exchange *entry)
{
    struct timeline timeline = { .count = 0 };
    uint32_t tries = recorded_tries_count(entry);

    add(&timeline, (struct instant){ .at_us = entry->started_at_us, .text = "request begins" });
    add(&timeline,
        (struct instant){ .at_us = entry->request_head_at_us, .text = "request head complete" });
    for (uint32_t i = 0; i < tries; i++)
        add_try(&timeline, &entry->tries[i],
                i + 1 < EXCHANGE_TRIES_KEPT ? i + 1 : entry->tries_count);
    add(&timeline, (struct instant){ .at_us = entry->request_end_at_us,
                                     .text = "request complete",
                                     .print_more = print_request_bytes });
    add(&timeline, (struct instant){ .at_us = entry->response_head_at_us,
                                     .text = "response to the client begins",
                                     .print_more = print_status });
    add_store(&timeline, entry);
    add(&timeline,
        (struct instant){ .at_us = entry->ended_at_us, .text = "end", .print_more = print_bytes });
    qsort(timeline.items, timeline.count, sizeof(timeline.items[0]), compare);
    (void)fputs("timeline (ms)\n", out);
    for (size_t i = 0; i < timeline.count; i++)
        print_instant(out, entry, &timeline.items[i]);
}
