/* What the flight recorders of all workers tell: the exchanges that ended last, and one story. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/clock.h"
#include "lb/upstream.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/report/recorder_json.h"
#include "proxy/report/story.h"
#include "proxy/route/nearest_routes.h"
#include "proxy/snapshot/service_plan.h"
#include "proxy/worker/worker.h"
#include "proxy/worker/worker_view.h"

enum { RECENT_DEFAULT = 20, RECENT_MAX = 1000, REQUEST_ID_LENGTH = 32 };

/* ---- what is looked for -------------------------------------------------------------------- */

struct query {
    enum { QUERY_ALL, QUERY_ID, QUERY_NUMBER, QUERY_CLIENT } by;
    const char *id;
    uint64_t number;
    struct sockaddr_storage client;
    bool failed; /* those that were kept longer only */
};

static bool query_by(struct query *query, const char *text)
{
    char *end;

    if (strlen(text) == REQUEST_ID_LENGTH &&
        strspn(text, "0123456789abcdefABCDEF") == REQUEST_ID_LENGTH) {
        query->by = QUERY_ID;
        query->id = text;
        return true;
    }
    if (*text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 20) {
        query->by = QUERY_NUMBER;
        query->number = strtoull(text, &end, 10);
        return true;
    }
    query->by = QUERY_CLIENT;
    return addr_parse(slice_of(text), 0, &query->client) == 0 && addr_port(&query->client) != 0;
}

static bool matches(const struct query *query, uint64_t number, const char *request_id,
                    const struct sockaddr_storage *client)
{
    switch (query->by) {
    case QUERY_ALL:
        return true;
    case QUERY_ID:
        return strcasecmp(query->id, request_id) == 0;
    case QUERY_NUMBER:
        return query->number == number;
    case QUERY_CLIENT:
        return addr_equal(&query->client, client);
    }
    return false;
}

static bool entry_matches(const struct query *query, const struct recorded_exchange *entry)
{
    struct sockaddr_storage client = recorded_address_expand(&entry->client_peer);

    return (entry->is_kept || !query->failed) &&
           matches(query, entry->number, entry->request_id, &client);
}

/* ---- what is found ------------------------------------------------------------------------- */

/* Copies of the newest entries that match, newest first. */
struct findings {
    const struct query *query;
    struct recorded_exchange *items[RECENT_MAX];
    size_t count, max;
    uint64_t matches_count;     /* also those that are not among the items */
    uint64_t entries_count;     /* all that are remembered */
    uint64_t oldest_at_unix_ms; /* when the oldest of them ended; 0: there is none */
    uint64_t recorder_bytes;    /* of each worker */
    bool lacks_memory;
};

static void findings_done(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        free(findings->items[i]);
}

static void keep(struct findings *findings, const struct recorded_exchange *entry, uint32_t size)
{
    size_t at = findings->count;
    struct recorded_exchange *copy;

    while (at > 0 && entry->ended_at_us > findings->items[at - 1]->ended_at_us)
        at--;
    if (at == findings->max)
        return;
    copy = malloc(size);
    if (!copy) {
        findings->lacks_memory = true;
        return;
    }
    memcpy(copy, entry, size);
    if (findings->count == findings->max)
        free(findings->items[--findings->count]);
    memmove(&findings->items[at + 1], &findings->items[at],
            (findings->count - at) * sizeof(findings->items[0]));
    findings->items[at] = copy;
    findings->count++;
}

static void look_through(struct findings *findings, struct recorder *copy,
                         const struct recorder_ring *ring)
{
    const struct recorded_exchange *entry = (const struct recorded_exchange *)copy->scratch;
    uint64_t position = ring->head;
    uint32_t size;

    while (recorder_ring_next(ring, &position, copy->scratch, sizeof(copy->scratch), &size)) {
        uint64_t ended_at = recorded_ended_at_unix_ms(entry);

        findings->entries_count++;
        if (findings->oldest_at_unix_ms == 0 || ended_at < findings->oldest_at_unix_ms)
            findings->oldest_at_unix_ms = ended_at;
        if (!entry_matches(findings->query, entry))
            continue;
        findings->matches_count++;
        keep(findings, entry, size);
    }
}

static void read_size(struct worker *worker, void *argument)
{
    *(size_t *)argument = recorder_bytes(worker->recorder);
}

/* Two copies of memory are all that a worker is held up for; its bytes are read afterwards. */
static void copy_recorder(struct worker *worker, void *argument)
{
    (void)recorder_copy(worker->recorder,
                        argument); /* it only changes size on this thread's order */
}

/* A worker that has ended while the hop drains left its recorder behind. */
static void look_into_ended(struct findings *findings, struct worker *worker)
{
    if (!atomic_load(&worker->has_ended))
        return; /* it is about to: in a moment it can be asked again */
    findings->recorder_bytes = recorder_bytes(worker->recorder);
    look_through(findings, worker->recorder, &worker->recorder->recent);
    look_through(findings, worker->recorder, &worker->recorder->kept);
}

static void look_into_worker(struct findings *findings, struct worker *worker)
{
    struct recorder *copy;
    size_t bytes;

    if (!worker_call(worker, read_size, &bytes)) {
        look_into_ended(findings, worker);
        return;
    }
    findings->recorder_bytes = bytes;
    copy = recorder_create(bytes);
    if (!copy) {
        findings->lacks_memory = true;
        return;
    }
    if (worker_call(worker, copy_recorder, copy)) {
        look_through(findings, copy, &copy->recent);
        look_through(findings, copy, &copy->kept);
    } else {
        look_into_ended(findings, worker);
    }
    recorder_free(copy);
}

static void find(struct gateway *gateway, const struct query *query, size_t max,
                 struct findings *ret)
{
    *ret = (struct findings){ .query = query, .max = max };
    for (unsigned i = 0; i < gateway->workers_started; i++)
        look_into_worker(ret, &gateway->workers[i]);
}

/* ---- show recent --------------------------------------------------------------------------- */

json_t *gateway_show_recent(struct gateway *gateway, const json_t *request)
{
    const json_t *limit = json_object_get(request, "limit");
    const struct query query = { .by = QUERY_ALL,
                                 .failed = json_is_true(json_object_get(request, "failed")) };
    json_int_t wanted = limit ? json_integer_value(limit) : RECENT_DEFAULT;
    struct findings findings;
    json_t *list;
    uint64_t now = clock_unix_ms();

    if (wanted < 1 || wanted > RECENT_MAX)
        return control_refuse("the limit is a number from 1 to 1000");
    find(gateway, &query, (size_t)wanted, &findings);
    list = json_array();
    for (size_t i = 0; list && i < findings.count; i++)
        json_array_append_new(list, recorder_json_row(findings.items[i], now));
    findings_done(&findings);
    if (findings.lacks_memory || !list) {
        json_decref(list);
        return control_refuse("out of memory");
    }
    return json_pack("{s:b, s:o, s:I}", "ok", 1, "recent", list, "remembered",
                     (json_int_t)findings.entries_count);
}

/* ---- why: nothing is found ----------------------------------------------------------------- */

/* What the exchange waits for, when it still runs; else NULL. */
static const char *phase_of_running(struct gateway *gateway, const struct query *query)
{
    const char *phase = NULL;

    for (unsigned i = 0; i < gateway->workers_started && !phase; i++) {
        struct worker_view view;

        if (!worker_view_take(&gateway->workers[i], &view))
            continue;
        for (size_t k = 0; k < view.exchanges_count && !phase; k++)
            if (matches(query, view.exchanges[k].number, view.exchanges[k].request_id,
                        &view.exchanges[k].client))
                phase = view.exchanges[k].phase;
        worker_view_done(&view);
    }
    return phase;
}

static json_t *refuse_unknown(struct gateway *gateway, const struct findings *findings)
{
    const struct query *query = findings->query;
    const char *phase = query->by == QUERY_ALL ? NULL : phase_of_running(gateway, query);
    uint64_t now = clock_unix_ms();
    char error[512];

    if (phase)
        snprintf(error, sizeof(error),
                 "that exchange has not ended yet: %s; `hopgate show exchanges` tells more", phase);
    else if (findings->recorder_bytes == 0)
        snprintf(
            error, sizeof(error),
            "the flight recorder is off: hopgate_recorder_size is 0; the access log may know it");
    else if (findings->entries_count == 0)
        snprintf(error, sizeof(error), "no exchange has ended here yet");
    else if (query->by == QUERY_ALL)
        snprintf(error, sizeof(error), "none of the %" PRIu64 " exchanges remembered has failed",
                 findings->entries_count);
    else
        snprintf(error, sizeof(error),
                 "no such exchange is remembered: it never came to this hop, or later ones have "
                 "pushed it out (%" PRIu64 " are remembered, the oldest ended %" PRIu64
                 " s ago; hopgate_recorder_size is %" PRIu64
                 " bytes per worker); the access log may know it",
                 findings->entries_count,
                 now > findings->oldest_at_unix_ms ? (now - findings->oldest_at_unix_ms) / 1000 : 0,
                 findings->recorder_bytes);
    return control_refuse(error);
}

/* ---- why: what is in force now ------------------------------------------------------------- */

static const struct snapshot *snapshot_of(const struct gateway *gateway, uint64_t generation)
{
    const struct snapshot *snapshot = gateway_newest(gateway);

    while (snapshot && snapshot->generation != generation)
        snapshot = snapshot->older;
    return snapshot;
}

static void print_targets(FILE *out, const struct snapshot *snapshot, struct slice service_id)
{
    for (size_t i = 0; i < snapshot->config->services_count; i++) {
        const struct upstream_targets *targets = snapshot->services[i].set->targets;

        if (!slice_equal(slice_of(snapshot->config->services[i].id), service_id))
            continue;
        for (size_t k = 0; k < targets->count; k++) {
            const struct upstream_target *item = &targets->items[k];
            char address[ADDR_TEXT_MAX];

            (void)fprintf(out, "  %s weight %u, %s, %u in flight\n",
                          addr_format(&item->target->address, address, sizeof(address)),
                          item->weight, health_word_text(target_health_word(item->target)),
                          target_in_flight(item->target));
        }
    }
}

static char *routes_lines(const struct snapshot *snapshot, const struct recorded_exchange *entry)
{
    const struct route_question question = { .method = recorded_slice(entry, entry->method),
                                             .host = recorded_slice(entry, entry->host),
                                             .path = recorded_slice(entry, entry->path),
                                             .flavor = router_flavor_of(
                                                 snapshot->settings->router_flavor),
                                             .over_tls = entry->over_tls };
    char *text = NULL;
    size_t length;
    FILE *out = entry->reason == END_NO_ROUTE ? open_memstream(&text, &length) : NULL;

    if (!out)
        return NULL;
    nearest_routes_print(out, snapshot->config, &question);
    (void)fclose(out); /* without memory: NULL or less text */
    return text;
}

static char *targets_lines(const struct snapshot *snapshot, const struct recorded_exchange *entry)
{
    bool is_of_use = entry->has_service &&
                     (entry->reason == END_NO_TARGET ||
                      (entry->reason != END_OK &&
                       end_reason_info((enum end_reason)entry->reason)->hop == END_HOP_UPSTREAM));
    char *text = NULL;
    size_t length;
    FILE *out = is_of_use ? open_memstream(&text, &length) : NULL;

    if (!out)
        return NULL;
    print_targets(out, snapshot, recorded_slice(entry, entry->service_id));
    (void)fclose(out); /* as above */
    return text;
}

static json_t *tell(const struct gateway *gateway, const struct findings *findings)
{
    const struct recorded_exchange *entry = findings->items[0];
    const struct snapshot *newest = gateway_newest(gateway);
    const struct snapshot *own = snapshot_of(gateway, entry->generation);
    char *routes = routes_lines(newest, entry), *targets = targets_lines(newest, entry), *text;
    char remark[160];
    json_t *answer;
    struct story_context context = { .generation = newest->generation,
                                     .settings = own ? own->settings : NULL,
                                     .routes = routes,
                                     .targets = targets };

    if (findings->query->by == QUERY_CLIENT && findings->matches_count > 1) {
        snprintf(remark, sizeof(remark),
                 "others      %" PRIu64 " more exchanges of that client address are remembered; "
                 "this is the last one",
                 findings->matches_count - 1);
        context.remark = remark;
    }
    text = story_tell(entry, &context);
    free(routes);
    free(targets);
    if (!text)
        return control_refuse("out of memory");
    answer =
        json_pack("{s:b, s:s, s:o}", "ok", 1, "story", text, "facts", recorder_json_facts(entry));
    free(text);
    return answer ? answer : control_refuse("out of memory");
}

json_t *gateway_why(struct gateway *gateway, const json_t *request)
{
    const char *id = json_string_value(json_object_get(request, "id"));
    struct query query = { .by = QUERY_ALL,
                           .failed = json_is_true(json_object_get(request, "failed")) };
    struct findings findings;
    json_t *answer;

    if (!id && !json_is_true(json_object_get(request, "last")))
        return control_refuse(
            "why what? a request id, an exchange number, a client address:port, or --last");
    if (id && !query_by(&query, id))
        return control_refuse(
            "that is no request id (32 hexadecimal digits), no exchange number and no "
            "client address:port");
    find(gateway, &query, 1, &findings);
    if (findings.lacks_memory)
        answer = control_refuse("out of memory");
    else if (findings.count == 0)
        answer = refuse_unknown(gateway, &findings);
    else
        answer = tell(gateway, &findings);
    findings_done(&findings);
    return answer;
}
