/* How often one request reaches the origins, because hops try again. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/doctor/place.h"
#include "tools/doctor/rules.h"

/* Hops that make more than one try of a request that they get once, from the outcome of a failure. */
static unsigned trying_hops(const struct doctor_model *model, const struct doctor_outcome *outcome)
{
    unsigned count = 0;

    for (size_t i = 0; i < model->count; i++)
        count += outcome->tries[model->hops[i].index] > 1;
    return count;
}

static void tell_where(const struct examination *examination, const struct doctor_outcome *outcome,
                       struct doctor_finding *finding)
{
    char place[DOCTOR_PLACE_MAX];

    for (size_t i = 0; i < examination->model->count; i++) {
        const struct doctor_hop *hop = &examination->model->hops[i];

        if (outcome->tries[hop->index] > 1)
            doctor_where(
                finding, "%s: retries %u%s", hop->element->name, hop->service->retries,
                doctor_place_of_service(examination, hop, "retries", place, sizeof(place)));
    }
}

static const struct doctor_hop *first_that_tries(const struct doctor_model *model,
                                                 const struct doctor_outcome *outcome)
{
    for (size_t i = 0; i < model->count; i++)
        if (outcome->tries[model->hops[i].index] > 1)
            return &model->hops[i];
    return NULL;
}

/* ---- retry-amplification ------------------------------------------------------------------- */

static void tell_amplification(const struct examination *examination,
                               const struct doctor_outcome *outcome, enum doctor_fault fault)
{
    const struct doctor_model *model = examination->model;
    const struct doctor_hop *first = first_that_tries(model, outcome);
    struct doctor_finding *finding = doctor_find(examination, first->element->name, NULL);
    char status[DOCTOR_STATUS_MAX], options[240];

    doctor_title(finding,
                 "one GET comes to the origins %" PRIu64 " times, because %u hops try again",
                 outcome->hits, trying_hops(model, outcome));
    doctor_seen(finding,
                "Origins that %s get %" PRIu64
                " times the traffic just then; the client gets %s in "
                "the end.",
                fault == DOCTOR_CLOSES ? "close connections without an answer (a restart, an "
                                         "overload)"
                                       : "hang",
                outcome->hits, doctor_status_text(outcome->status, status, sizeof(status)));
    tell_where(examination, outcome, finding);
    doctor_fix(finding,
               "%s: set retries of the service to 0, so that only the hop nearest to the origins "
               "tries again",
               first->element->name);
    doctor_fault_options(model, fault, options, sizeof(options));
    if (fault == DOCTOR_NO_ANSWER)
        snprintf(options + strlen(options), sizeof(options) - strlen(options),
                 " --time-scale %" PRId64,
                 doctor_time_scale(model, first->service->read_timeout_ms));
    doctor_command(examination, finding, options, "%s", "");
    finding->shows.hits_min = (unsigned)outcome->hits;
    finding->shows.has_status = fault == DOCTOR_CLOSES;
    finding->shows.status = outcome->status;
}

void doctor_rule_retry_amplification(const struct examination *examination)
{
    static const enum doctor_fault faults[] = { DOCTOR_CLOSES, DOCTOR_NO_ANSWER };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct doctor_outcome outcome =
            doctor_play(examination->model, doctor_hop_behind(examination->model, NULL),
                        HTTP_METHOD_GET, faults[i], doctor_client_patience_ms(examination->model));

        if (trying_hops(examination->model, &outcome) < 2 || outcome.hits < 4)
            continue;
        tell_amplification(examination, &outcome, faults[i]);
        return; /* the other says the same again */
    }
}

/* ---- repeated-post ------------------------------------------------------------------------- */

void doctor_rule_repeated_post(const struct examination *examination)
{
    const struct doctor_model *model = examination->model;
    struct doctor_outcome outcome =
        doctor_play(model, doctor_hop_behind(model, NULL), HTTP_METHOD_POST, DOCTOR_CLOSES,
                    doctor_client_patience_ms(model));
    const struct doctor_hop *hop = first_that_tries(model, &outcome);
    const char *key = NULL;
    struct doctor_finding *finding;
    char place[DOCTOR_PLACE_MAX], options[240];

    if (!hop || outcome.hits < 2)
        return;
    key = settings_is_set(hop->settings, "hopgate_retry_on") ? "hopgate_retry_on"
                                                             : "nginx_http_proxy_next_upstream";
    finding = doctor_find(examination, hop->element->name, NULL);
    doctor_title(finding, "%s sends a POST again that may have been done already",
                 hop->element->name);
    doctor_seen(finding,
                "An origin that takes a POST and dies before its answer: the POST comes %" PRIu64
                " times. What it orders, pays or writes is done that often, if each try did its "
                "work.",
                outcome.hits);
    doctor_where(finding, "%s: %s%s", hop->element->name, key,
                 doctor_place_of_setting(model, hop, key, place, sizeof(place)));
    doctor_fix(finding,
               strcmp(key, "hopgate_retry_on") == 0
                   ? "%s: set hopgate_retry_on to conn-failure"
                   : "%s: take non_idempotent out of nginx_proxy_proxy_next_upstream",
               hop->element->name);
    doctor_fault_options(model, DOCTOR_CLOSES, options, sizeof(options));
    doctor_command(examination, finding, options, " -- -X POST -d x");
    finding->shows.hits_min = (unsigned)outcome.hits;
}
