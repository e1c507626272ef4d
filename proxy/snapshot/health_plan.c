#include "proxy/snapshot/health_plan.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/cleanup.h"

struct health_rules health_plan_rules(const struct config_health_counts *counts)
{
    struct health_rules rules = { .limits = {
                                      [HEALTH_SUCCESS] = counts->successes,
                                      [HEALTH_HTTP] = counts->http_failures,
                                      [HEALTH_TCP] = counts->tcp_failures,
                                      [HEALTH_TIMEOUT] = counts->timeouts,
                                  } };

    static_assert(sizeof(rules.healthy.bits) == sizeof(counts->healthy.bits),
                  "both number the statuses alike");
    memcpy(rules.healthy.bits, counts->healthy.bits, sizeof(rules.healthy.bits));
    memcpy(rules.unhealthy.bits, counts->unhealthy.bits, sizeof(rules.unhealthy.bits));
    return rules;
}

/* ---- probes -------------------------------------------------------------------------------- */

static bool is_grpc(const char *type)
{
    return strncmp(type, "grpc", strlen("grpc")) == 0;
}

/* Kong's. */
static void plan_active(struct health_plan *plan)
{
    const struct config_active_check *active = &plan->upstream->healthchecks.active;

    plan->is_monitored = !is_grpc(active->type) &&
                         (active->healthy_interval_ms > 0 || active->unhealthy_interval_ms > 0);
    plan->monitor = (struct monitor_options){
        .judge = strcmp(active->type, "tcp") == 0 ? MONITOR_BY_CONNECT : MONITOR_BY_STATUS,
        .is_silent = strcmp(active->type, "tcp") == 0,
        .healthy_interval_ms = active->healthy_interval_ms,
        .unhealthy_interval_ms = active->unhealthy_interval_ms,
        .timeout_ms = active->timeout_ms,
        .concurrency = (unsigned)active->concurrency,
        .rules = health_plan_rules(&active->counts),
    };
}

/* An F5's. */
static void plan_monitor(struct health_plan *plan)
{
    const struct config_monitor *monitor = &plan->upstream->monitor;

    plan->is_monitored = true;
    plan->monitor = (struct monitor_options){
        .judge = MONITOR_BY_RECEIVE,
        .is_silent = !monitor->send && !monitor->receive,
        .healthy_interval_ms =
            monitor->up_interval_ms > 0 ? monitor->up_interval_ms : monitor->interval_ms,
        .unhealthy_interval_ms = monitor->interval_ms,
        .timeout_ms = monitor->timeout_ms,
        .time_until_up_ms = monitor->time_until_up_ms,
        .receive = monitor->receive,
        .receive_disable = monitor->receive_disable,
        .reverse = monitor->reverse,
    };
}

static bool plan_tls(struct health_plan *plan, struct client_tls *client_tls,
                     struct tls_error *reterr)
{
    const struct config_monitor *monitor = &plan->upstream->monitor;
    const struct config_active_check *active = &plan->upstream->healthchecks.active;
    const char *type = monitor->type ? monitor->type : active->type;

    if (!plan->is_monitored || (strcmp(type, "https") != 0 && strcmp(type, "tls") != 0))
        return true;
    plan->monitor.tls = client_tls_create_for_probes(
        client_tls, plan->upstream, !monitor->type && active->https_verify_certificate, reterr);
    return plan->monitor.tls != NULL;
}

static void plan_outliers(struct health_plan *plan)
{
    const struct config_outliers *outliers = &plan->upstream->outliers;

    if (outliers->failure_percent == 0 && outliers->latency_factor_thousandths == 0)
        return;
    plan->outliers = (struct outlier_options){
        .failure_percent = outliers->failure_percent,
        .requests_min = outliers->requests_min,
        .latency_factor = (double)outliers->latency_factor_thousandths / 1000,
        .latency_min_ms = outliers->latency_min_ms,
        .interval_ms = outliers->interval_ms,
        .ejection_ms = outliers->ejection_ms,
        .ejected_max_percent = outliers->ejected_max_percent,
    };
}

/* All but TLS. */
static void plan_rules(struct health_plan *plan, const struct config_upstream *upstream,
                       const struct persona *persona)
{
    struct passive_health *passive = &plan->passive;

    *plan = (struct health_plan){ .upstream = upstream };
    if (!upstream)
        return;
    if (upstream->monitor.type)
        plan_monitor(plan);
    else
        plan_active(plan);
    plan_outliers(plan);
    passive->rules = health_plan_rules(&upstream->healthchecks.passive.counts);
    passive->last_by_status = persona->upstream.passive == PERSONA_PASSIVE_STATUS;
    passive->counts_requests = plan->outliers.interval_ms > 0;
    passive->is_on =
        health_rules_can_fail(&passive->rules) || passive->rules.limits[HEALTH_SUCCESS] > 0;
    /* as in Kong: an interval, or a limit of failures; then successes count as well */
    plan->is_checked = upstream->healthchecks.active.healthy_interval_ms > 0 ||
                       upstream->healthchecks.active.unhealthy_interval_ms > 0 ||
                       health_rules_can_fail(&passive->rules) || plan->is_monitored ||
                       passive->counts_requests;
}

bool health_plan_init(struct health_plan *plan, const struct config_upstream *upstream,
                      struct client_tls *client_tls, struct tls_error *reterr)
{
    plan_rules(plan, upstream, client_tls->persona);
    return !upstream || plan_tls(plan, client_tls, reterr);
}

void health_plan_init_as(struct health_plan *plan, const struct config_upstream *upstream,
                         const struct persona *persona, const struct health_plan *former)
{
    plan_rules(plan, upstream, persona);
    if (former->monitor.tls)
        plan->monitor.tls = tls_client_config_ref(former->monitor.tls);
}

void health_plan_done(struct health_plan *plan)
{
    tls_client_config_unref(TAKE(plan->monitor.tls));
}

/* ---- what a target is asked ---------------------------------------------------------------- */

/* As Kong's healthchecker 3.1.0 writes it (documented): no port in Host, no Connection. */
static char *kong_request(const struct config_upstream *upstream, struct slice host)
{
    const struct config_active_check *active = &upstream->healthchecks.active;
    const char *form = memchr(host.ptr, ':', host.len) ? "[%.*s]" : "%.*s"; /* an IPv6 literal */
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);

    if (!stream)
        return NULL;
    (void)fprintf(stream, "GET %s HTTP/1.0\r\n", active->http_path);
    for (size_t i = 0; i < active->headers_count; i++)
        (void)fprintf(stream, "%s: %s\r\n", active->headers[i].name, active->headers[i].value);
    (void)fprintf(stream, "Host: ");
    if (upstream->host_header)
        (void)fprintf(stream, "%s", upstream->host_header);
    else
        (void)fprintf(stream, form, SLICE_ARG(host));
    (void)fprintf(stream, "\r\n\r\n");
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

static char *copy_name(const struct config_upstream *upstream, struct slice host)
{
    struct slice name = host, port;

    if (!upstream->monitor.type && upstream->healthchecks.active.https_sni)
        name = slice_of(upstream->healthchecks.active.https_sni);
    else if (upstream->host_header &&
             addr_split_host_port(slice_of(upstream->host_header), &name, &port) < 0)
        name = slice_of(upstream->host_header);
    return strndup(name.ptr, name.len);
}

bool health_plan_ask(const struct health_plan *plan, const struct target *target,
                     struct health_question *ret)
{
    const struct config_upstream *upstream = plan->upstream;
    struct slice host = slice_of(target->name), port;
    bool asks = true, names = true;

    *ret = (struct health_question){ 0 };
    (void)addr_split_host_port(slice_of(target->name), &host, &port); /* else as it is */
    if (plan->monitor.judge == MONITOR_BY_STATUS) {
        ret->request = kong_request(upstream, host);
        asks = ret->request != NULL;
    } else if (upstream->monitor.send) {
        ret->request = strdup(upstream->monitor.send);
        asks = ret->request != NULL;
    }
    if (plan->monitor.tls) {
        ret->server_name = copy_name(upstream, host);
        names = ret->server_name != NULL;
    }
    return asks && names;
}

void health_question_done(struct health_question *question)
{
    free(question->request);
    free(question->server_name);
}
