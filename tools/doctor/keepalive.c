/* Idle connections: who keeps them for how long, and what forgets them on the way. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/doctor/log_words.h"
#include "tools/doctor/place.h"
#include "tools/doctor/rules.h"

#define POOL_KEY "upstream_keepalive_idle_timeout"

/* How long a hop leaves connections to the next part idle, and by which setting. */
struct keeping {
    uint64_t ms; /* 0: it keeps none; DOCTOR_NEVER: until somebody else ends them */
    const struct doctor_hop *says; /* whose setting */
    const char *key;
};

static struct keeping keeping_of(const struct doctor_model *model, const struct doctor_hop *hop)
{
    const struct persona_upstream *upstream = &hop->persona->upstream;
    const struct doctor_hop *front = doctor_hop_before(model, hop);
    struct keeping mine = { hop->persona->client.keepalive_timeout_ms, hop,
                            "nginx_http_keepalive_timeout" };

    if (hop->persona->request.version == PERSONA_VERSION_1_0)
        return (struct keeping){ 0, NULL, NULL };
    if (upstream->keepalive_pool_count > 0)
        return (struct keeping){ upstream->keepalive_timeout_ms > 0 ? upstream->keepalive_timeout_ms
                                                                    : DOCTOR_NEVER,
                                 hop, POOL_KEY };
    if (upstream->pin != PERSONA_PIN_CLIENT)
        return (struct keeping){ 0, NULL, NULL };
    /* one connection for each of a client's: it lives as long as that */
    if (front) {
        struct keeping before = keeping_of(model, front);

        return before.ms < mine.ms ? before : mine;
    }
    return mine;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- a race made visible ------------------------------------------------------------------- */

/*
 * On a wire with that latency each way, a request that comes so long after the answer leaves in front
 * while the connection is still there, and arrives when it is over: in front the end is known late by
 * the latency, and the request is late by it as well. The margin on both sides is the latency.
 */
struct race {
    uint64_t latency_ms, pause_ms;
};

/* A handshake goes there and back twice, and once more before that. */
static uint64_t handshake_ms(const struct doctor_model *model, const struct doctor_hop *hop)
{
    const struct doctor_hop *behind = doctor_hop_behind(model, hop);
    const struct config_service *service = hop->service;
    uint64_t ms =
        service->tls_timeout_ms > 0 ? service->tls_timeout_ms : service->connect_timeout_ms;

    if (behind && behind->persona->client.tls_handshake_timeout_ms > 0)
        ms = least(ms, behind->persona->client.tls_handshake_timeout_ms);
    return ms;
}

/* limit_ms: when it is over behind. Nobody up to `hop` may lose patience with two latencies. */
static struct race race_of(const struct doctor_model *model, const struct doctor_hop *hop,
                           uint64_t limit_ms)
{
    struct race race = { .latency_ms = limit_ms / 2 };
    const struct doctor_hop *at = hop;

    for (; at; at = doctor_hop_before(model, at))
        if (at->service)
            race.latency_ms = least(race.latency_ms, at->service->read_timeout_ms / 4);
    if (model->places[hop->behind].tls)
        race.latency_ms = least(race.latency_ms, handshake_ms(model, hop) / 6);
    if (doctor_client_patience_ms(model) != DOCTOR_NEVER)
        race.latency_ms = least(race.latency_ms, doctor_client_patience_ms(model) / 4);
    race.pause_ms = limit_ms - race.latency_ms;
    return race;
}

static void race_options(const struct doctor_model *model, const struct doctor_hop *hop,
                         uint64_t limit_ms, char *into, size_t size)
{
    struct race race = race_of(model, hop, limit_ms);
    char way[160];

    snprintf(into, size,
             "--fault latency:ms=%" PRIu64 " --place %s --before 1 --pause %" PRIu64
             " --time-scale %" PRId64,
             race.latency_ms, doctor_way_name(model, hop, way, sizeof(way)), race.pause_ms,
             doctor_time_scale(model, race.latency_ms));
}

/* ---- stale-keepalive ----------------------------------------------------------------------- */

static void tell_stale(const struct examination *examination, const struct doctor_hop *hop,
                       const struct doctor_hop *behind, const struct keeping *keeping)
{
    const struct doctor_model *model = examination->model;
    uint64_t limit_ms = behind->persona->client.keepalive_timeout_ms;
    const char *front = hop->element->name, *next = behind->element->name;
    struct doctor_finding *finding = doctor_find(examination, front, next);
    unsigned got = doctor_status_for_client(model, hop, END_UPSTREAM_HEAD_CLOSED, true);
    char kept[DOCTOR_TIME_MAX], limit[DOCTOR_TIME_MAX], status[DOCTOR_STATUS_MAX],
        place[DOCTOR_PLACE_MAX], options[400], words[DOCTOR_LOG_MAX];

    doctor_time(keeping->ms, kept, sizeof(kept));
    doctor_time(limit_ms, limit, sizeof(limit));
    doctor_title(finding, "%s keeps idle connections for %s, %s closes them after %s", front, kept,
                 next, limit);
    doctor_seen(finding,
                "Now and then, after a quiet %s, a POST gets %s: it was on its way when %s closed "
                "the connection. %s %s (or a reset), %s logs nothing.",
                limit, doctor_status_text(got, status, sizeof(status)), next, front,
                doctor_log_words(hop, END_UPSTREAM_HEAD_CLOSED, true, words, sizeof(words)), next);
    doctor_where(finding, "%s: %s %s%s", keeping->says->element->name, keeping->key, kept,
                 doctor_place_of_setting(model, keeping->says, keeping->key, place, sizeof(place)));
    doctor_where(finding, "%s: nginx_http_keepalive_timeout %s%s", next, limit,
                 doctor_place_of_setting(model, behind, "nginx_http_keepalive_timeout", place,
                                         sizeof(place)));
    if (strcmp(keeping->key, POOL_KEY) == 0)
        doctor_fix(finding, "%s: set %s to %s, below the %s of %s", front, POOL_KEY,
                   doctor_time_setting(limit_ms * 3 / 4, kept, sizeof(kept)), limit, next);
    else /* it is the clients' own: the one behind has to outlast them */
        doctor_fix(finding, "%s: set nginx_http_keepalive_timeout to %s, longer than the %s of %s",
                   next,
                   doctor_time_setting(keeping->ms + keeping->ms / 8 + 1000, limit, sizeof(limit)),
                   kept, keeping->says->element->name);
    race_options(model, hop, limit_ms, options, sizeof(options));
    doctor_command(examination, finding, options, " -- -X POST -d x");
    if (hop->behind_count > 1 && hop->persona->upstream.pin != PERSONA_PIN_CLIENT)
        return; /* of several equal hops the next request may meet another: nothing is promised */
    finding->shows.has_status = true;
    finding->shows.status = got;
    doctor_shows_hop(finding, front, END_UPSTREAM_HEAD_CLOSED, END_UPSTREAM_HEAD_RESET);
}

void doctor_rule_stale_keepalive(const struct examination *examination)
{
    const struct doctor_model *model = examination->model;
    const struct doctor_hop *hop = doctor_hop_behind(model, NULL);

    for (; hop; hop = doctor_hop_behind(model, hop)) {
        const struct doctor_hop *behind = doctor_hop_behind(model, hop);
        struct keeping keeping = keeping_of(model, hop);
        uint64_t limit_ms = behind ? behind->persona->client.keepalive_timeout_ms : 0;

        if (hop->service && limit_ms > 0 && keeping.ms >= limit_ms)
            tell_stale(examination, hop, behind, &keeping);
    }
}

/* ---- firewall-idle ------------------------------------------------------------------------- */

static void firewall_options(const struct doctor_model *model, const struct doctor_hop *hop,
                             uint64_t kept_ms, char *into, size_t size)
{
    /* our hops of layer 4 remember for as long again that they have forgotten */
    uint64_t idle_ms = hop->forgetter.idle_ms, until_ms = least(kept_ms, 2 * idle_ms);
    uint64_t margin_ms = (until_ms - idle_ms) / 2;

    if (margin_ms < idle_ms / 8) { /* hardly any time between both: the race has to be stretched */
        race_options(model, hop, idle_ms, into, size);
        return;
    }
    snprintf(into, size, "--before 1 --pause %" PRIu64 " --time-scale %" PRId64,
             idle_ms + margin_ms, doctor_time_scale(model, margin_ms));
}

static void tell_firewall(const struct examination *examination, const struct doctor_hop *hop,
                          const struct keeping *keeping)
{
    const struct doctor_model *model = examination->model;
    const struct doctor_forgetter *other = &hop->forgetter;
    const char *name = hop->element->name;
    struct doctor_finding *finding = doctor_find(examination, name, other->name);
    enum end_reason reason = other->resets ? END_UPSTREAM_HEAD_RESET : END_UPSTREAM_HEAD_TIMEOUT;
    unsigned got = doctor_status_for_client(model, hop, reason, true);
    char kept[DOCTOR_TIME_MAX], idle[DOCTOR_TIME_MAX], wait[DOCTOR_TIME_MAX],
        status[DOCTOR_STATUS_MAX], place[DOCTOR_PLACE_MAX], options[400], words[DOCTOR_LOG_MAX];

    doctor_time(keeping->ms, kept, sizeof(kept));
    doctor_time(other->idle_ms, idle, sizeof(idle));
    doctor_time(hop->service->read_timeout_ms, wait, sizeof(wait));
    doctor_status_text(got, status, sizeof(status));
    doctor_title(finding, "%s forgets connections after %s, %s keeps them for %s", other->name,
                 idle, name, kept);
    doctor_seen(finding,
                "The first request after a quiet %s gets %s %s%s: %s %s, what is behind has seen "
                "nothing.",
                idle, status, other->resets ? "at once" : "after ", other->resets ? "" : wait, name,
                doctor_log_words(hop, reason, true, words, sizeof(words)));
    doctor_where(finding, "%s: %s %s%s", keeping->says->element->name, keeping->key, kept,
                 doctor_place_of_setting(model, keeping->says, keeping->key, place, sizeof(place)));
    doctor_place_of_element(model, other->element, "", place, sizeof(place));
    doctor_where(finding, "%s: idle %s (%s)", other->name, idle, place);
    doctor_fix(finding, "%s: set %s to %s, below the %s of %s", keeping->says->element->name,
               keeping->key, doctor_time_setting(other->idle_ms * 3 / 4, wait, sizeof(wait)), idle,
               other->name);
    firewall_options(model, hop, keeping->ms, options, sizeof(options));
    doctor_command(examination, finding, options, " -- -X POST -d x");
    finding->shows.has_status = true;
    finding->shows.status = got;
    doctor_shows_hop(finding, name, reason, other->resets ? END_UPSTREAM_HEAD_CLOSED : reason);
}

void doctor_rule_firewall_idle(const struct examination *examination)
{
    const struct doctor_model *model = examination->model;
    const struct doctor_hop *hop = doctor_hop_behind(model, NULL);

    for (; hop; hop = doctor_hop_behind(model, hop)) {
        struct keeping keeping = keeping_of(model, hop);

        if (hop->service && hop->forgetter.name && keeping.ms > 0 &&
            keeping.ms >= hop->forgetter.idle_ms)
            tell_firewall(examination, hop, &keeping);
    }
}
