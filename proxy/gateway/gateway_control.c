/* What the control socket answers: a table of verbs, each from request to JSON object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory_budget.h"
#include "lb/resolver.h"
#include "lb/target_health.h"
#include "lb/target_latency.h"
#include "lb/upstream.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/gateway/heap.h"
#include "proxy/worker/worker.h"
#include "proxy/worker/worker_view.h"

static json_t *accept_with(const char *key, json_t *value)
{
    return json_pack("{s:b, s:o}", "ok", 1, key, value);
}

/* Bytes from peers may be no UTF-8: such a text is shown with question marks, never refused. */
static json_t *text_of(const char *text)
{
    json_t *value = json_string(text);
    char copy[256];

    if (value)
        return value;
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *at = copy; *at; at++)
        if (*at & 0x80)
            *at = '?';
    return json_string(copy);
}

static json_t *address_of(const struct sockaddr_storage *address)
{
    char text[ADDR_TEXT_MAX];

    return address->ss_family == AF_UNSPEC ? json_null()
                                           : json_string(addr_format(address, text, sizeof(text)));
}

/* ---- status -------------------------------------------------------------------------------- */

static json_t *listeners_of(const struct snapshot *snapshot)
{
    json_t *list = json_array();

    for (size_t i = 0; i < snapshot->virtual_servers_count; i++) {
        const struct virtual_server *virtual_server = &snapshot->virtual_servers[i];

        json_array_append_new(
            list, json_pack("{s:o, s:b, s:s}", "address", address_of(&virtual_server->address),
                            "tls", virtual_server->tls != NULL, "serves",
                            virtual_server->kind == VIRTUAL_SERVER_STATUS  ? "status"
                            : virtual_server->kind == VIRTUAL_SERVER_ADMIN ? "admin"
                                                                           : "traffic"));
    }
    return list;
}

static json_t *certificates_of(const struct snapshot *snapshot)
{
    json_t *list = json_array();
    int64_t now_s = (int64_t)time(NULL);

    for (size_t i = 0; i < snapshot->certificates.count; i++) {
        const struct served_certificate *certificate = &snapshot->certificates.items[i];

        json_array_append_new(
            list, json_pack("{s:s, s:o, s:s, s:s, s:s, s:I}", "certificate",
                            snapshot_certificate_label(snapshot, certificate->index), "name",
                            text_of(certificate->name), "key", certificate->key, "serial",
                            certificate->serial, "not_after", certificate->not_after, "days_left",
                            (json_int_t)((certificate->not_after_s - now_s) / (24 * 60 * 60))));
    }
    return list;
}

/* Whom clients must satisfy, and whether a CRL is there: without one a revoked certificate is good. */
static json_t *client_verification_of(const struct snapshot *snapshot)
{
    const struct settings *settings = snapshot->settings;
    const struct config *config = snapshot->config;
    json_t *list = json_array();

    if (strcmp(settings->ssl_verify_client, "off") != 0)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "names", "all others",
                                              "verify_client", settings->ssl_verify_client, "crl",
                                              settings->ssl_crl != NULL));
    for (size_t i = 0; i < config->mtls_count; i++)
        for (size_t k = 0; k < config->mtls[i].snis.count; k++)
            json_array_append_new(list, json_pack("{s:o, s:s, s:b}", "names",
                                                  text_of(config->mtls[i].snis.items[k]),
                                                  "verify_client", config->mtls[i].verify_client,
                                                  "crl", config->mtls[i].crl != NULL));
    return list;
}

static json_t *reload_of(const struct gateway *gateway)
{
    const struct reload_result *result = &gateway->last_reload;

    if (!result->was_tried)
        return json_null();
    return json_pack("{s:b, s:I}", "ok", result->succeeded, "at", (json_int_t)result->at_unix_s);
}

/* That drains still. */
static json_t *former_of(const struct gateway *gateway)
{
    return former_fd(gateway->former) >= 0 ? json_pack("{s:i}", "pid", (int)gateway->former->pid)
                                           : json_null();
}

/* Of a declarative file there is nothing to tell. */
static json_t *store_of(struct gateway *gateway)
{
    struct config_store_state state;

    if (!gateway->config.store)
        return json_null();
    state = config_store_state(&gateway->config);
    return json_pack("{s:s, s:b, s:o, s:o}", "file", gateway->config.path, "in_force",
                     state.lags_since_unix_s == 0, "not_in_force_since",
                     state.lags_since_unix_s > 0 ? json_integer((json_int_t)state.lags_since_unix_s)
                                                 : json_null(),
                     "problem", state.problem[0] ? json_string(state.problem) : json_null());
}

static json_t *memory_of(const struct memory_budget *budget)
{
    return json_pack("{s:s, s:I, s:I}", "level", memory_level_text(memory_budget_level(budget)),
                     "used", (json_int_t)memory_budget_used(budget), "limit",
                     (json_int_t)memory_budget_limit(budget));
}

static json_t *answer_status(struct gateway *gateway, const json_t *request)
{
    const struct snapshot *snapshot = gateway_newest(gateway);
    json_int_t connections = 0, exchanges = 0;

    (void)request;
    for (unsigned i = 0; i < gateway->workers_started; i++) {
        struct worker_view view;

        if (!worker_view_take(&gateway->workers[i], &view))
            continue;
        connections += (json_int_t)view.connections_count;
        exchanges += (json_int_t)view.exchanges_count;
        worker_view_done(&view);
    }
    return json_pack(
        "{s:b, s:s, s:s%, s:s, s:i, s:I, s:s, s:I, s:I, s:o, s:i, s:I, s:I, s:I, s:o, s:o, s:o, "
        "s:o, s:o, s:o}",
        "ok", 1, "version", HOPGATE_VERSION, "name", snapshot->name.ptr, snapshot->name.len,
        "persona", snapshot->persona->name, "pid", (int)getpid(), "uptime_s",
        (json_int_t)((uint64_t)time(NULL) - gateway->started_at_unix_s), "state",
        gateway->draining ? "draining" : "running", "configuration",
        (json_int_t)snapshot->generation, "started_at", (json_int_t)gateway->started_at_unix_s,
        "listeners", listeners_of(snapshot), "workers", (int)gateway->workers_started,
        "connections", connections, "exchanges", exchanges, "exchanges_total",
        (json_int_t)atomic_load(&gateway->hop.exchanges_count), "reload", reload_of(gateway),
        "memory", memory_of(gateway->hop.memory), "certificates", certificates_of(snapshot),
        "client_verification", client_verification_of(snapshot), "former", former_of(gateway),
        "store", store_of(gateway));
}

/* ---- show ---------------------------------------------------------------------------------- */

static json_t *connection_entry(const struct connection_view *view, unsigned worker)
{
    return json_pack("{s:I, s:i, s:s, s:I, s:i, s:b, s:o, s:o, s:I, s:I}", "id",
                     (json_int_t)view->id, "worker", (int)worker, "state", view->state, "age_ms",
                     (json_int_t)view->age_ms, "requests", (int)view->requests_count, "tls",
                     view->over_tls, "client", address_of(&view->peer), "listener",
                     address_of(&view->local), "bytes_received", (json_int_t)view->received_bytes,
                     "bytes_sent", (json_int_t)view->sent_bytes);
}

static json_t *exchange_entry(const struct exchange_view *view, unsigned worker)
{
    return json_pack(
        "{s:I, s:s, s:I, s:i, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i, "
        "s:I, s:I}",
        "number", (json_int_t)view->number, "request_id", view->request_id, "connection",
        (json_int_t)view->connection_id, "worker", (int)worker, "phase", view->phase, "age_ms",
        (json_int_t)view->age_ms, "method", text_of(view->method), "path", text_of(view->target),
        "route", text_of(view->route), "service", text_of(view->service), "client",
        address_of(&view->client), "upstream", address_of(&view->upstream), "upstream_local",
        address_of(&view->upstream_local), "tries", (int)view->tries_count, "status",
        (int)view->status, "request_bytes", (json_int_t)view->request_bytes, "response_bytes",
        (json_int_t)view->response_bytes);
}

static json_t *memory_entry(const struct worker_view *view, unsigned worker)
{
    return json_pack("{s:i, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:I}", "worker", (int)worker,
                     "buffers", (json_int_t)view->chunk_bytes, "client_connections",
                     (json_int_t)view->client_conn_bytes, "exchanges",
                     (json_int_t)view->exchange_bytes, "spare_exchanges",
                     (int)view->spare_exchanges_count, "idle_upstream_connections",
                     (int)view->idle_upstream_count, "receive_buffers_held_small",
                     (int)view->receive_buffers_held[RING_RECV_SMALL], "receive_buffers_held_bulk",
                     (int)view->receive_buffers_held[RING_RECV_BULK], "configuration",
                     (json_int_t)view->configuration);
}

enum what { SHOW_CONNECTIONS, SHOW_EXCHANGES, SHOW_MEMORY };

static void add_entries(json_t *list, enum what what, const struct worker_view *view,
                        unsigned worker)
{
    switch (what) {
    case SHOW_CONNECTIONS:
        for (size_t i = 0; i < view->connections_count; i++)
            json_array_append_new(list, connection_entry(&view->connections[i], worker));
        return;
    case SHOW_EXCHANGES:
        for (size_t i = 0; i < view->exchanges_count; i++)
            json_array_append_new(list, exchange_entry(&view->exchanges[i], worker));
        return;
    case SHOW_MEMORY:
        json_array_append_new(list, memory_entry(view, worker));
        return;
    }
}

static json_t *from_workers(struct gateway *gateway, enum what what, const char *key)
{
    json_t *list = json_array();
    bool lacks_memory = false;

    for (unsigned i = 0; list && i < gateway->workers_started; i++) {
        struct worker_view view;

        if (!worker_view_take(&gateway->workers[i], &view))
            continue;
        lacks_memory |= view.lacks_memory;
        add_entries(list, what, &view, i);
        worker_view_done(&view);
    }
    if (!lacks_memory)
        return accept_with(key, list);
    json_decref(list);
    return control_refuse("out of memory");
}

static void add_heap(json_t *answer)
{
    struct heap_figures heap;

    if (!heap_look(&heap))
        return;
    json_object_set_new(answer, "heap_in_use", json_integer((json_int_t)heap.in_use_bytes));
    json_object_set_new(answer, "heap_free", json_integer((json_int_t)heap.free_bytes));
    json_object_set_new(answer, "mapped", json_integer((json_int_t)heap.mapped_bytes));
}

/* Owners against the limit. */
static void add_budget(json_t *answer, const struct memory_budget *budget)
{
    json_t *owners = json_array();

    for (int i = 0; owners && i < MEMORY_OWNERS; i++)
        json_array_append_new(
            owners,
            json_pack("{s:s, s:I}", "owner", memory_owner_text((enum memory_owner)i), "bytes",
                      (json_int_t)memory_budget_used_by(budget, (enum memory_owner)i)));
    json_object_set_new(answer, "owners", owners);
    json_object_set_new(answer, "level",
                        json_string(memory_level_text(memory_budget_level(budget))));
    json_object_set_new(answer, "used", json_integer((json_int_t)memory_budget_used(budget)));
    json_object_set_new(answer, "limit", json_integer((json_int_t)memory_budget_limit(budget)));
}

/* What requests to the Admin API hold, of all workers and the config thread. */
static json_t *admin_memory(struct hop *hop)
{
    return json_pack("{s:I, s:I, s:I}", "requests",
                     (json_int_t)atomic_load(&hop->admin_questions_count), "content",
                     (json_int_t)atomic_load(&hop->admin_content_bytes), "answers",
                     (json_int_t)atomic_load(&hop->admin_answer_bytes));
}

static json_t *show_memory(struct gateway *gateway)
{
    json_t *answer = from_workers(gateway, SHOW_MEMORY, "workers");

    json_object_set_new(answer, "admin", admin_memory(&gateway->hop));
    add_budget(answer, gateway->hop.memory);
    add_heap(answer);
    return answer;
}

/* null: it was so from the beginning. */
static json_t *health_since_s(const struct target *target)
{
    uint64_t since_us = atomic_load_explicit(&target->health_since_us, memory_order_relaxed);

    if (since_us == 0)
        return json_null();
    return json_real((double)clock_now_ms() / 1000 - (double)since_us / 1000000);
}

static json_t *target_entry(const struct config_service *service,
                            const struct upstream_targets *targets,
                            const struct upstream_target *item)
{
    uint64_t latency_us = target_latency_last_us(item->target);
    json_t *latency_ms = latency_us > 0 ? json_real((double)latency_us / 1000) : json_null();
    char why[256];

    return json_pack(
        "{s:o, s:s, s:s, s:s, s:o, s:i, s:i, s:i, s:s, s:i, s:I, s:o, s:o, s:s}", "service",
        text_of(service->name ? service->name : ""), "upstream", targets->name, "algorithm",
        targets->policy->name, "target", item->target->name, "address",
        address_of(&item->target->address), "weight", (int)item->weight, "priority_group",
        (int)item->priority_group, "max_requests", (int)item->max_requests, "state",
        health_word_text(target_health_word(item->target)), "in_flight",
        (int)target_in_flight(item->target), "stale_connections",
        (json_int_t)target_stale_connections(item->target), "latency_ms", latency_ms, "since_s",
        health_since_s(item->target), "why", target_health_why(item->target, why, sizeof(why)));
}

static const char *name_state(const struct name_record *record, uint64_t now_ms)
{
    if (record->last == NAME_UNKNOWN)
        return "unknown";
    if (record->count == 0)
        return "failed";
    return name_record_is_stale(record, now_ms) ? "stale" : "resolved";
}

static const char *type_text(enum dns_type type)
{
    switch (type) {
    case DNS_A:
        return "A";
    case DNS_AAAA:
        return "AAAA";
    case DNS_SRV:
        return "SRV";
    case DNS_CNAME:
    case DNS_NONE:
        break;
    }
    return "";
}

/* In seconds; null: never. */
static json_t *seconds_until(uint64_t at_ms, uint64_t now_ms)
{
    if (at_ms == NAME_NEVER)
        return json_null();
    return json_real(((double)at_ms - (double)now_ms) / 1000);
}

static json_t *name_entry(const struct watched_name *name, uint64_t now_ms)
{
    const struct name_record *record = watched_name_record(name);
    bool has_addresses = record->count > 0;

    return json_pack(
        "{s:o, s:s, s:s, s:s, s:i, s:o, s:o, s:o, s:o}", "name", text_of(watched_name_text(name)),
        "state", name_state(record, now_ms), "last_answer", name_outcome_text(record->last), "type",
        type_text(record->type), "addresses", (int)record->count, "age_s",
        has_addresses ? seconds_until(now_ms, record->answered_at_ms) : json_null(), "expires_in_s",
        has_addresses ? seconds_until(record->expires_at_ms, now_ms) : json_null(),
        "asked_again_in_s", seconds_until(record->next_at_ms, now_ms), "server",
        address_of(&record->server));
}

/* Literal addresses are no news. */
static json_t *names_of(const struct resolver *resolver)
{
    uint64_t now_ms = clock_now_ms();
    json_t *list = json_array();

    for (const struct watched_name *name = resolver_next_name(resolver, NULL); list && name;
         name = resolver_next_name(resolver, name)) {
        struct sockaddr_storage address;

        if (addr_parse_ip(slice_of(watched_name_text(name)), 0, &address) < 0)
            json_array_append_new(list, name_entry(name, now_ms));
    }
    return list;
}

static json_t *show_targets(const struct gateway *gateway)
{
    const struct snapshot *snapshot = gateway_newest(gateway);
    json_t *list = json_array(), *answer;

    for (size_t i = 0; list && i < snapshot->config->services_count; i++) {
        const struct upstream_targets *targets = snapshot->services[i].set->targets;

        for (size_t k = 0; k < targets->count; k++)
            json_array_append_new(
                list, target_entry(&snapshot->config->services[i], targets, &targets->items[k]));
    }
    answer = accept_with("targets", list);
    json_object_set_new(answer, "names", names_of(gateway->hop.resolver));
    return answer;
}

static json_t *answer_show(struct gateway *gateway, const json_t *request)
{
    const char *what = json_string_value(json_object_get(request, "what"));

    if (what && strcmp(what, "connections") == 0)
        return from_workers(gateway, SHOW_CONNECTIONS, "connections");
    if (what && strcmp(what, "exchanges") == 0)
        return from_workers(gateway, SHOW_EXCHANGES, "exchanges");
    if (what && strcmp(what, "targets") == 0)
        return show_targets(gateway);
    if (what && strcmp(what, "memory") == 0)
        return show_memory(gateway);
    if (what && strcmp(what, "recent") == 0)
        return gateway_show_recent(gateway, request);
    return control_refuse("show what? connections, exchanges, recent, targets or memory");
}

/* ---- changes ------------------------------------------------------------------------------- */

static json_t *remarks_of(const struct config_errors *errors)
{
    char line[CONFIG_MESSAGE_MAX + 512];
    json_t *list = json_array();

    for (size_t i = 0; i < errors->count; i++)
        json_array_append_new(list,
                              text_of(config_error_format(&errors->items[i], line, sizeof(line))));
    return list;
}

static json_t *answer_reload(struct gateway *gateway, const json_t *request)
{
    char error[128];
    json_t *answer;

    (void)request;
    if (gateway->draining)
        return control_refuse("the hop is draining");
    if (upgrade_is_under_way(gateway))
        return control_refuse(
            "an upgrade is under way: the new process reads the configuration anyway");
    log_error(LOG_LEVEL_NOTICE, "reload asked for on the control socket");
    if (gateway_reload(gateway)) {
        answer = accept_with("configuration",
                             json_integer((json_int_t)gateway_newest(gateway)->generation));
    } else {
        snprintf(error, sizeof(error), "%zu %s; configuration %llu stays in force",
                 gateway->errors.errors_count,
                 gateway->errors.errors_count == 1 ? "error" : "errors",
                 (unsigned long long)gateway_newest(gateway)->generation);
        answer = control_refuse(error);
    }
    json_object_set_new(answer, "remarks", remarks_of(&gateway->errors));
    return answer;
}

static json_t *answer_drain(struct gateway *gateway, const json_t *request)
{
    (void)request;
    log_error(LOG_LEVEL_NOTICE, "drain asked for on the control socket, draining");
    if (!gateway->draining)
        gateway_drain(gateway);
    return accept_with("pid", json_integer((json_int_t)getpid()));
}

static json_t *answer_stop(struct gateway *gateway, const json_t *request)
{
    (void)request;
    log_error(LOG_LEVEL_NOTICE, "stop asked for on the control socket, stopping");
    gateway_stop(gateway);
    return accept_with("pid", json_integer((json_int_t)getpid()));
}

static json_t *answer_set(struct gateway *gateway, const json_t *request)
{
    const char *key = json_string_value(json_object_get(request, "key"));
    const char *value = json_string_value(json_object_get(request, "value"));
    enum log_level level;

    if (!key || strcmp(key, "log_level") != 0)
        return control_refuse(
            "only log_level can be set while the hop runs; change the rest in its files "
            "and reload");
    level = value ? log_level_of(value) : LOG_LEVEL_COUNT;
    if (level == LOG_LEVEL_COUNT)
        return control_refuse("log_level is one of debug, info, notice, warn, error, crit");
    gateway_change_error_level(gateway, level, 0);
    log_error(LOG_LEVEL_NOTICE, "log_level set to %s on the control socket, until the next reload",
              value);
    return accept_with("log_level", json_string(value));
}

/* -------------------------------------------------------------------------------------------- */

json_t *gateway_answer(void *owner, const json_t *request)
{
    static const struct {
        const char *verb;
        json_t *(*answer)(struct gateway *gateway, const json_t *request);
    } verbs[] = {
        { "status", answer_status },   { "show", answer_show },
        { "reload", answer_reload },   { "drain", answer_drain },
        { "stop", answer_stop },       { "set", answer_set },
        { "why", gateway_why },        { "target", gateway_set_target },
        { "upgrade", upgrade_answer },
    };
    const char *verb = json_string_value(json_object_get(request, "verb"));

    for (size_t i = 0; verb && i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(verb, verbs[i].verb) == 0)
            return verbs[i].answer(owner, request);
    return control_refuse("unknown verb; this hop knows status, show, why, target, reload, "
                          "upgrade, drain, stop and set");
}
