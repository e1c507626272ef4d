/* Who waits for how long: a hop in front must outlast the one behind, all of its tries included. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/doctor/log_words.h"
#include "tools/doctor/place.h"
#include "tools/doctor/rules.h"

/* Who asks, the client or a hop, and the hop that is asked. */
struct pair {
    const struct doctor_hop *front; /* NULL: the client */
    const struct doctor_hop *behind;
    uint64_t front_ms, behind_ms;
};

static const char *front_name(const struct pair *pair)
{
    return pair->front ? pair->front->element->name : "client";
}

/* The next pair with a stated or a default time on both sides; begin with a zeroed one. */
static bool next_pair(const struct doctor_model *model, struct pair *pair)
{
    const struct doctor_hop *behind = doctor_hop_behind(model, pair->behind);

    while (behind && !behind->service)
        behind = doctor_hop_behind(model, behind);
    if (!behind)
        return false;
    pair->front = pair->behind;
    pair->behind = behind;
    pair->front_ms =
        pair->front ? pair->front->service->read_timeout_ms : doctor_client_patience_ms(model);
    pair->behind_ms = behind->service->read_timeout_ms;
    return true;
}

static void tell_where(const struct examination *examination, const struct pair *pair,
                       struct doctor_finding *finding)
{
    char place[DOCTOR_PLACE_MAX];

    if (pair->front)
        doctor_where(finding, "%s: read_timeout %" PRIu64 "%s", front_name(pair), pair->front_ms,
                     doctor_place_of_service(examination, pair->front, "read_timeout", place,
                                             sizeof(place)));
    else
        doctor_where(finding, "client: timeout %" PRIu64, pair->front_ms);
    doctor_where(
        finding, "%s: read_timeout %" PRIu64 "%s", pair->behind->element->name, pair->behind_ms,
        doctor_place_of_service(examination, pair->behind, "read_timeout", place, sizeof(place)));
}

/* ---- timeout-order ------------------------------------------------------------------------- */

/* A twelfth, or a second, below; a service's timeout is 1 at least. */
static uint64_t somewhat_below(uint64_t ms)
{
    uint64_t less = ms / 12 > 1000 ? ms / 12 : 1000;

    if (ms > less + 100)
        return (ms - less) / 100 * 100;
    return ms > 1 ? ms / 2 : 1;
}

/* Whatever that hop asks never answers: an origin itself, else the way to the next hop. */
static void hang_options(const struct doctor_model *model, const struct doctor_hop *hop, char *into,
                         size_t size)
{
    char way[160];

    if (!doctor_hop_behind(model, hop))
        doctor_fault_options(model, DOCTOR_NO_ANSWER, into, size);
    else
        snprintf(into, size, "--fault wire-drop-answer --place %s",
                 doctor_way_name(model, hop, way, sizeof(way)));
}

static void tell_order_seen(const struct doctor_model *model, const struct pair *pair, unsigned got,
                            struct doctor_finding *finding)
{
    const char *silent = doctor_next_name(model, pair->behind);
    const char *behind_name = pair->behind->element->name;
    char front[DOCTOR_TIME_MAX], behind[DOCTOR_TIME_MAX], status[DOCTOR_STATUS_MAX],
        words[DOCTOR_LOG_MAX];

    doctor_time(pair->front_ms, front, sizeof(front));
    doctor_time(pair->behind_ms, behind, sizeof(behind));
    doctor_status_text(got, status, sizeof(status));
    if (pair->front_ms == pair->behind_ms)
        doctor_seen(finding,
                    "Without an answer from %s the client gets %s, or what %s makes of it a moment "
                    "before; the log of the one that came late has nothing, or a client that went "
                    "away (499).",
                    silent, status, behind_name);
    else if (pair->front)
        doctor_seen(
            finding,
            "Without an answer from %s, after %s the client gets %s, %s %s; %s would have waited "
            "until %s, and logs only a client that went away (499).",
            silent, front, status, front_name(pair),
            doctor_log_words(pair->front, END_UPSTREAM_HEAD_TIMEOUT, false, words, sizeof(words)),
            behind_name, behind);
    else
        doctor_seen(finding,
                    "Without an answer from %s the client has gone after %s; %s "
                    "would answer after %s, and logs a client that went away (499).",
                    silent, front, behind_name, behind);
}

static void tell_order(const struct examination *examination, const struct pair *pair)
{
    const struct doctor_model *model = examination->model;
    struct doctor_finding *finding =
        doctor_find(examination, front_name(pair), pair->behind->element->name);
    char front[DOCTOR_TIME_MAX], options[240];
    unsigned got =
        pair->front ? doctor_status_for_client(model, pair->front, END_UPSTREAM_HEAD_TIMEOUT, false)
                    : 0;
    bool is_tie = pair->front_ms == pair->behind_ms;
    uint64_t margin = is_tie ? pair->front_ms * 3 : pair->behind_ms - pair->front_ms;

    doctor_time(pair->front_ms, front, sizeof(front));
    doctor_title(finding,
                 is_tie ? "%s and %s both give up after %s: which one answers is chance"
                        : "%s gives up before %s does",
                 front_name(pair), pair->behind->element->name, front);
    tell_order_seen(model, pair, got, finding);
    tell_where(examination, pair, finding);
    doctor_fix(finding,
               "%s: set read_timeout of the service to %" PRIu64 ", below the %" PRIu64 " of %s",
               pair->behind->element->name, somewhat_below(pair->front_ms), pair->front_ms,
               pair->front ? front_name(pair) : "the client");
    hang_options(model, pair->behind, options, sizeof(options));
    snprintf(options + strlen(options), sizeof(options) - strlen(options), " --time-scale %" PRId64,
             doctor_time_scale(model, margin));
    doctor_command(examination, finding, options, " -- -X POST -d x");
    if (is_tie)
        return; /* nothing can be promised */
    finding->shows.has_status = true;
    finding->shows.status = got;
    if (pair->front) {
        doctor_shows_hop(finding, front_name(pair), END_UPSTREAM_HEAD_TIMEOUT,
                         END_UPSTREAM_HEAD_TIMEOUT);
        if (pair->front->persona->log.error_request_id) { /* by which a verdict has its line */
            finding->shows.log_hop = front_name(pair);
            finding->shows.log = "upstream timed out";
        }
    }
    doctor_shows_hop(finding, pair->behind->element->name, END_CLIENT_ABORTED, END_CLIENT_ABORTED);
}

void doctor_rule_timeout_order(const struct examination *examination)
{
    struct pair pair = { .behind = NULL };

    while (next_pair(examination->model, &pair))
        if (pair.front_ms <= pair.behind_ms)
            tell_order(examination, &pair);
}

/* ---- retry-patience ------------------------------------------------------------------------ */

static void tell_patience(const struct examination *examination, const struct pair *pair,
                          const struct doctor_outcome *alone)
{
    const struct doctor_model *model = examination->model;
    const char *behind = pair->behind->element->name;
    struct doctor_finding *finding = doctor_find(examination, front_name(pair), behind);
    unsigned tries = alone->tries[pair->behind->index];
    uint64_t fitting = (pair->front_ms - 1) / pair->behind_ms;
    unsigned got =
        pair->front ? doctor_status_for_client(model, pair->front, END_UPSTREAM_HEAD_TIMEOUT, false)
                    : 0;
    uint64_t margin = pair->front_ms % pair->behind_ms;
    char all[DOCTOR_TIME_MAX], front[DOCTOR_TIME_MAX], one[DOCTOR_TIME_MAX],
        status[DOCTOR_STATUS_MAX], place[DOCTOR_PLACE_MAX], options[240];

    doctor_time(alone->at_ms, all, sizeof(all));
    doctor_time(pair->front_ms, front, sizeof(front));
    doctor_time(pair->behind_ms, one, sizeof(one));
    doctor_title(finding, "%s tries for longer than %s waits", behind,
                 pair->front ? front_name(pair) : "the client");
    doctor_seen(finding,
                "A GET to an origin that hangs: %s makes %u tries of %s, %s in all; %s gives up "
                "after %s: the client gets %s, %s logs a client that went away (499), and the "
                "origin had the request %" PRIu64 " times by then.",
                behind, tries, one, all, pair->front ? front_name(pair) : "the client", front,
                doctor_status_text(got, status, sizeof(status)), behind, fitting + 1);
    tell_where(examination, pair, finding);
    doctor_where(
        finding, "%s: retries %u%s", behind, pair->behind->service->retries,
        doctor_place_of_service(examination, pair->behind, "retries", place, sizeof(place)));
    doctor_fix(finding, "%s: set retries of the service to %" PRIu64, behind,
               fitting > 0 ? fitting - 1 : 0);
    margin = margin > 0 && margin < pair->behind_ms - margin ? margin : pair->behind_ms - margin;
    doctor_fault_options(model, DOCTOR_NO_ANSWER, options, sizeof(options));
    snprintf(options + strlen(options), sizeof(options) - strlen(options), " --time-scale %" PRId64,
             doctor_time_scale(model, margin));
    doctor_command(examination, finding, options, "%s", "");
    finding->shows.has_status = true;
    finding->shows.status = got;
    if (pair->front)
        doctor_shows_hop(finding, front_name(pair), END_UPSTREAM_HEAD_TIMEOUT,
                         END_UPSTREAM_HEAD_TIMEOUT);
    doctor_shows_hop(finding, behind, END_CLIENT_ABORTED, END_CLIENT_ABORTED);
    finding->shows.hits_min = 2;
}

void doctor_rule_retry_patience(const struct examination *examination)
{
    struct pair pair = { .behind = NULL };

    while (next_pair(examination->model, &pair)) {
        struct doctor_outcome alone = doctor_play(examination->model, pair.behind, HTTP_METHOD_GET,
                                                  DOCTOR_NO_ANSWER, DOCTOR_NEVER);

        /* a single try that takes too long is a matter of order */
        if (pair.front_ms > pair.behind_ms && alone.tries[pair.behind->index] > 1 &&
            alone.at_ms != DOCTOR_NEVER && alone.at_ms >= pair.front_ms)
            tell_patience(examination, &pair, &alone);
    }
}
