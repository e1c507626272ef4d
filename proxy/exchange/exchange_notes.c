/*
 * Notes in the error log about an exchange that goes on: its content goes to a file, or does not any
 * more. nginx names a file that nobody finds, either: it has no name by then.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "proxy/exchange/exchange.h"
#include "proxy/exchange/response_store.h"
#include "proxy/report/metrics.h"
#include "proxy/worker/worker.h"

/* The directory of the hop, without the one of its files. */
static struct slice prefix_of(const struct exchange *exchange)
{
    const char *path = exchange->worker->hop->spool.path, *end = strrchr(path, '/');

    return (struct slice){ path, end ? (size_t)(end - path) : 0 };
}

/* A note about the exchange, and no try: it has no target. */
void exchange_log_spooled(struct exchange *exchange, uint64_t number)
{
    struct slice prefix = prefix_of(exchange);
    const struct try_record note = {
        .reason = END_REQUEST_SPOOLED,
        .detail = arena_printf(&exchange->arena, "%.*s/client_body_temp/%010" PRIu64,
                               SLICE_ARG(prefix), number),
        .ended_at_us = exchange->worker->loop->now_us,
    };

    metrics_count_one(exchange->worker->metrics, METRICS_REQUESTS_SPOOLED);
    (void)exchange_log_line(exchange, &note); /* for the log only */
}

/* The same about what the latest try brings. */
static void note_of_try(struct exchange *exchange, enum end_reason reason, struct slice detail)
{
    struct try_record note = *exchange_record_last_try(&exchange->record);

    note.reason = reason;
    note.detail = detail;
    note.ended_at_us = exchange->worker->loop->now_us;
    (void)exchange_log_line(exchange, &note); /* for the log only */
}

void exchange_log_surplus(struct exchange *exchange)
{
    struct slice nothing = { NULL, 0 };

    note_of_try(exchange, END_UPSTREAM_BODY_SURPLUS, nothing);
}

/* proxy_temp_path has levels 1 and 2: the last digit, then the two before it. */
void exchange_log_response_spooled(struct exchange *exchange, uint64_t number)
{
    struct slice prefix = prefix_of(exchange);
    unsigned first = (unsigned)(number % 10), second = (unsigned)(number / 10 % 100);

    metrics_count_one(exchange->worker->metrics, METRICS_RESPONSES_SPOOLED);
    note_of_try(exchange, END_RESPONSE_SPOOLED,
                arena_printf(&exchange->arena, "%.*s/proxy_temp/%u/%02u/%010" PRIu64,
                             SLICE_ARG(prefix), first, second, number));
}

void exchange_log_store_refused(struct exchange *exchange)
{
    const struct response_store *store = exchange->flow.store;
    int error = response_store_refusal(store);
    char text[512];
    struct slice detail = response_store_describe(store, error, text, sizeof(text));

    note_of_try(exchange, error == -EDQUOT ? END_RESPONSE_SPOOL_LIMIT : END_RESPONSE_SPOOL_FAILED,
                detail);
}
