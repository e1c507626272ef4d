/*
 * What follows a try that failed: another one, at once or after a pause, or the end; and how much of
 * a service may be under way at a time (lb/service_load).
 */
#include <inttypes.h>

#include "lb/passive_health.h"
#include "lb/service_load.h"
#include "lb/target_latency.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/retry.h"
#include "proxy/persona/persona_times.h"
#include "proxy/report/metrics.h"
#include "proxy/snapshot/service_plan.h"
#include "proxy/worker/worker.h"

static const char *name_of(const struct config_service *service)
{
    return service->name ? service->name : service->id;
}

/* ---- limits -------------------------------------------------------------------------------- */

static void refuse(struct exchange *exchange, const char *limit, uint32_t max)
{
    exchange_answer(exchange, END_LIMIT_REACHED,
                    arena_printf(&exchange->arena, "%s %" PRIu32 " of service %s", limit, max,
                                 name_of(exchange->record.service)));
}

/* Nobody asks how much there is: then it is not counted either. */
static bool is_counted(const struct exchange *exchange)
{
    return exchange->record.service->limits.is_set ||
           exchange->record.persona->retry.budget_percent > 0;
}

bool exchange_enter_service(struct exchange *exchange)
{
    uint32_t max = exchange->record.service->limits.requests_max;

    exchange->load_use.load = exchange->destination->plan->load;
    if (!is_counted(exchange) ||
        service_load_enter(&exchange->load_use, SERVICE_LOAD_REQUESTS, max))
        return true;
    refuse(exchange, "max_requests", max);
    return false;
}

bool exchange_enter_pending(struct exchange *exchange)
{
    uint32_t max = exchange->record.service->limits.pending_max;

    return max == 0 || service_load_enter(&exchange->load_use, SERVICE_LOAD_PENDING, max);
}

void exchange_refuse_pending(struct exchange *exchange)
{
    refuse(exchange, "max_pending", exchange->record.service->limits.pending_max);
}

/* ---- what a retry costs -------------------------------------------------------------------- */

/* Kept with the try that is not followed: `why`, the JSON log and edge's error line tell it. */
static void explain_refusal(struct exchange *exchange, struct try_record *attempt,
                            struct slice refusal)
{
    struct slice before = attempt->explanation;

    attempt->explanation =
        arena_printf(&exchange->arena, "%.*s%sno further try: %.*s", (int)before.len, before.ptr,
                     before.len > 0 ? "; " : "", (int)refusal.len, refusal.ptr);
    metrics_count_one(exchange->worker->metrics, METRICS_RETRIES_REFUSED);
}

static bool is_too_late(struct exchange *exchange, struct try_record *attempt)
{
    uint64_t timeout_ms = exchange->record.persona->retry.timeout_ms;
    uint64_t first_us = exchange->record.tries[0].picked_at_us;

    if (timeout_ms == 0 || exchange->worker->loop->now_us - first_us < timeout_ms * 1000)
        return false;
    explain_refusal(exchange, attempt,
                    arena_printf(&exchange->arena,
                                 "nginx_http_proxy_next_upstream_timeout of %" PRIu64 " ms is over",
                                 persona_times_stated(exchange->record.persona)->retry.timeout_ms));
    return true;
}

/* A target that fails must not get its load doubled by those who try again. */
static bool is_over_budget(struct exchange *exchange, struct try_record *attempt)
{
    const struct persona_retry *policy = &exchange->record.persona->retry;
    const struct service_retry_budget budget = {
        .percent = (uint32_t)policy->budget_percent,
        .min_count = (uint32_t)policy->budget_min_count,
        .max_count = exchange->record.service->limits.retries_max,
    };
    uint32_t max;

    if (budget.percent == 0 && budget.max_count == 0)
        return false;
    max = service_load_retries_max(exchange->load_use.load, &budget);
    if (max > 0 && service_load_enter(&exchange->load_use, SERVICE_LOAD_RETRIES, max))
        return false;
    explain_refusal(exchange, attempt,
                    arena_printf(&exchange->arena,
                                 "service %s has %" PRIu32
                                 " retries under way already, as many as its budget allows",
                                 name_of(exchange->record.service), max));
    return true;
}

static bool can_be_afforded(struct exchange *exchange, struct try_record *attempt)
{
    return !is_too_late(exchange, attempt) && !is_over_budget(exchange, attempt);
}

/* ---- another try --------------------------------------------------------------------------- */

uint32_t exchange_retries_max(const struct exchange *exchange)
{
    uint64_t tries_max = exchange->record.persona->retry.tries_max_count;
    const struct config_service *service = exchange->record.service;
    uint32_t retries = service->retries;

    if (exchange->record.persona->retry.policy == PERSONA_RETRY_RESELECT)
        retries = service->upstream ? service->upstream->balancing.reselect_tries : 0;
    return tries_max > 0 && retries > tries_max - 1 ? (uint32_t)(tries_max - 1) : retries;
}

/* HAProxy waits before it connects again to who has just refused, and before nothing else. */
static bool wants_pause(const struct persona_retry *policy, enum end_reason reason)
{
    return policy->pause_ms > 0 && persona_retry_condition(reason) == PERSONA_RETRY_CONNECT &&
           (policy->policy == PERSONA_RETRY_SAME || policy->policy == PERSONA_RETRY_REDISPATCH);
}

static void try_again(struct exchange *exchange, struct target *failed, enum end_reason reason)
{
    const struct persona_retry *policy = &exchange->record.persona->retry;

    if (policy->policy == PERSONA_RETRY_SAME && target_is_usable(failed))
        exchange->next_target = failed;
    exchange->refused_by = wants_pause(policy, reason) ? failed : NULL;
    exchange_try(exchange);
}

bool exchange_pause_before(struct exchange *exchange, struct target *target)
{
    if (exchange->refused_by != target)
        return false;
    exchange->refused_by = NULL;
    exchange->next_target = target;
    target_use_end(&exchange->target_use);
    exchange->pause_until_ms =
        exchange->worker->loop->now_ms + exchange->record.persona->retry.pause_ms;
    exchange_update_timers(exchange);
    return true;
}

void exchange_end_pause(struct exchange *exchange)
{
    exchange->pause_until_ms = 0;
    exchange_try(exchange);
}

/* ---- a try fails --------------------------------------------------------------------------- */

/* A TLS failure knows more than nginx's phrase says. */
static void explain_try(struct exchange *exchange, struct try_record *attempt)
{
    const struct http_failure *failure = &exchange->back.endpoint.http.failure;

    if (failure->reason != attempt->reason)
        return;
    attempt->explanation = arena_copy(&exchange->arena, failure->explanation);
    attempt->tls_alert = failure->tls_alert;
}

/* Not when we are to blame, nor when an idle connection turned out to be dead: that says nothing of
 * how fast the target is. */
static void note_latency_of_failure(struct exchange *exchange, const struct try_record *attempt)
{
    enum end_health health = end_reason_info(attempt->reason)->health;

    if (health == END_HEALTH_TIMEOUT || (health != END_HEALTH_NONE && !attempt->reused))
        target_latency_add_failure(exchange->target_use.target,
                                   attempt->ended_at_us - attempt->picked_at_us,
                                   attempt->ended_at_us);
}

static struct retry_facts facts_of(const struct exchange *exchange, enum end_reason reason)
{
    return (struct retry_facts){
        .reason = reason,
        .method = exchange->request.method,
        .request_sent = upstream_conn_has_sent(&exchange->back),
        .content_lost = exchange->content_lost,
        .response_begun = http1_parser_has_started(&exchange->back.endpoint.parser),
        .reused = exchange->back.reused,
        .tries_left = exchange->tries_left,
    };
}

static void note_stale_connection(struct exchange *exchange, struct try_record *attempt)
{
    target_note_stale_connection(exchange->target_use.target);
    if (attempt->explanation.len == 0)
        attempt->explanation =
            arena_printf(&exchange->arena,
                         "stale connection: kept idle for %" PRIu64
                         " ms, and the target closed it while the request was on its way",
                         exchange->back.idle_ms);
}

void exchange_report_health(struct exchange *exchange, bool another_follows)
{
    const struct try_record *attempt = exchange_record_last_try(&exchange->record);
    struct target *target = TAKE(exchange->unjudged);
    const struct passive_health *passive;

    if (!target)
        return;
    passive = &exchange->destination->plan->health.passive;
    passive_health_report(
        passive, target,
        &(struct passive_outcome){ .status = attempt->head_at_us ? attempt->status : 0,
                                   .reason = attempt->reason,
                                   .another_follows = another_follows,
                                   .reused = attempt->reused });
}

void exchange_try_failed(struct exchange *exchange, enum end_reason reason, struct slice detail)
{
    const struct persona_retry *policy = &exchange->record.persona->retry;
    struct try_record *attempt = exchange_record_last_try(&exchange->record);
    const struct retry_facts facts = facts_of(exchange, reason);
    enum retry_verdict verdict = retry_decide(policy, &facts);
    struct target *failed = exchange->target_use.target;

    attempt->reason = reason;
    attempt->detail = arena_copy(&exchange->arena, detail);
    explain_try(exchange, attempt);
    if (retry_is_stale_connection(&facts))
        note_stale_connection(exchange, attempt);
    attempt->status = (uint16_t)end_reason_info(reason)->status;
    exchange_end_try(exchange, attempt);
    if (verdict == RETRY_YES && !can_be_afforded(exchange, attempt))
        verdict = RETRY_NO;
    exchange->last_try_reason = reason;
    exchange_log_try(exchange);
    note_latency_of_failure(exchange, attempt);
    exchange_drop_back(exchange);
    if (verdict == RETRY_NO) {
        exchange_answer(exchange, reason, attempt->detail);
        return;
    }
    exchange_report_health(exchange, true); /* before the next pick */
    if (verdict == RETRY_YES)
        exchange->tries_left--;
    try_again(exchange, failed, reason);
}

bool exchange_retry_on_status(struct exchange *exchange)
{
    struct try_record *attempt = exchange_record_last_try(&exchange->record);
    struct target *failed = exchange->target_use.target;
    struct retry_facts facts = facts_of(exchange, END_UPSTREAM_STATUS);

    facts.status = exchange->response.status;
    if (retry_decide(&exchange->record.persona->retry, &facts) != RETRY_YES ||
        !can_be_afforded(exchange, attempt))
        return false;
    attempt->reason = END_UPSTREAM_STATUS; /* nginx has no line for it either */
    exchange_end_try(exchange, attempt);
    exchange_drop_back(exchange);
    exchange_report_health(exchange, true);
    exchange->tries_left--;
    try_again(exchange, failed, END_UPSTREAM_STATUS);
    return true;
}

/* A try that had most of the time is judged by it; one that had just begun is not. */
void exchange_give_up(struct exchange *exchange)
{
    uint64_t timeout_ms = exchange->record.persona->upstream.request_timeout_ms;
    uint64_t now_us = exchange->worker->loop->now_us;
    const struct try_record *attempt = exchange_record_last_try(&exchange->record);

    if (exchange->back_request != BACK_REQUEST_NONE) {
        uint64_t spent_us = now_us - attempt->picked_at_us;

        if (spent_us >= timeout_ms * 1000 / 2)
            target_latency_add_failure(exchange->target_use.target, spent_us, now_us);
        else
            exchange->unjudged = NULL;
    }
    exchange_answer(
        exchange, END_REQUEST_TIMEOUT,
        arena_printf(&exchange->arena, "%" PRIu64,
                     persona_times_stated(exchange->record.persona)->upstream.request_timeout_ms));
}
