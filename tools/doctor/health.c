/* Health checks that cannot do what they were written for. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proxy/snapshot/health_plan.h"
#include "tools/doctor/place.h"
#include "tools/doctor/rules.h"

/* The upstream of a hop's service, and what its checks can do. */
struct checks {
    const struct doctor_hop *hop;
    const struct config_upstream *upstream;
    const struct config_active_check *active;
    struct health_rules active_rules, passive_rules;
    bool is_written;                 /* somebody wrote healthchecks down */
    bool active_probes;              /* it asks while a target is up */
    bool active_fails, active_mends; /* it can take a target out, bring one back */
    bool passive_fails;
};

static bool checks_of(const struct doctor_model *model, const struct doctor_hop *hop,
                      struct checks *ret)
{
    const struct config_upstream *upstream = hop->service ? hop->service->upstream : NULL;
    const struct config_healthchecks *checks = upstream ? &upstream->healthchecks : NULL;
    bool is_grpc;

    if (!upstream || upstream->monitor.type)
        return false;
    is_grpc = strncmp(checks->active.type, "grpc", strlen("grpc")) == 0;
    *ret = (struct checks){
        .hop = hop,
        .upstream = upstream,
        .active = &checks->active,
        .active_rules = health_plan_rules(&checks->active.counts),
        .passive_rules = health_plan_rules(&checks->passive.counts),
        .is_written = doctor_entity_says(model, hop, upstream->path, "healthchecks"),
    };
    ret->active_probes = !is_grpc && checks->active.healthy_interval_ms > 0;
    ret->active_fails = ret->active_probes && health_rules_can_fail(&ret->active_rules);
    ret->active_mends = !is_grpc && checks->active.unhealthy_interval_ms > 0 &&
                        ret->active_rules.limits[HEALTH_SUCCESS] > 0;
    ret->passive_fails = health_rules_can_fail(&ret->passive_rules);
    return true;
}

/* A field of the upstream in "where". */
static void tell_field(const struct examination *examination, const struct checks *checks,
                       const char *field, uint64_t value, struct doctor_finding *finding)
{
    char place[DOCTOR_PLACE_MAX];

    doctor_where(finding, "%s: %s %" PRIu64 "%s", checks->hop->element->name, field, value,
                 doctor_place_of_entity(examination->model, checks->hop, checks->upstream->path,
                                        field, "the default", place, sizeof(place)));
}

/* ---- health-blind -------------------------------------------------------------------------- */

void doctor_rule_health_blind(const struct examination *examination)
{
    const struct doctor_hop *hop = doctor_hop_behind(examination->model, NULL);
    struct checks checks;

    for (; hop; hop = doctor_hop_behind(examination->model, hop)) {
        const char *name = hop->element->name;
        struct doctor_finding *finding;
        char status[DOCTOR_STATUS_MAX], options[240];
        bool lacks_interval;
        unsigned got;

        if (!checks_of(examination->model, hop, &checks) || !checks.is_written ||
            checks.active_fails || checks.passive_fails)
            continue;
        finding = doctor_find(examination, name, NULL);
        lacks_interval = !checks.active_probes && health_rules_can_fail(&checks.active_rules);
        got = doctor_play(examination->model, doctor_hop_behind(examination->model, NULL),
                          HTTP_METHOD_POST, DOCTOR_CLOSES, DOCTOR_NEVER)
                  .status;
        doctor_title(finding, "the health checks of %s can never take a target out", name);
        doctor_seen(finding,
                    "A target that fails keeps its share of the traffic: clients get %s as long as "
                    "it does, and `hopgate show targets` calls it healthy.",
                    doctor_status_text(got, status, sizeof(status)));
        tell_field(examination, &checks, "healthchecks.active.healthy.interval",
                   checks.active->healthy_interval_ms / 1000, finding);
        tell_field(examination, &checks, "healthchecks.active.unhealthy.http_failures",
                   checks.active_rules.limits[HEALTH_HTTP], finding);
        tell_field(examination, &checks, "healthchecks.passive.unhealthy.http_failures",
                   checks.passive_rules.limits[HEALTH_HTTP], finding);
        doctor_fix(finding,
                   lacks_interval
                       ? "%s: set healthchecks.active.healthy.interval of upstream %s to "
                         "5 (0 is off), and unhealthy.interval too"
                       : "%s: set healthchecks.passive.unhealthy.tcp_failures, timeouts "
                         "and http_failures of upstream %s to 3 (0 counts nothing)",
                   name, checks.upstream->name);
        doctor_fault_options(examination->model, DOCTOR_CLOSES, options, sizeof(options));
        snprintf(options + strlen(options), sizeof(options) - strlen(options), " --before 20");
        doctor_command(examination, finding, options, " -- -X POST -d x");
        finding->shows.has_status = true;
        finding->shows.status = got;
        finding->shows.hits_min = 1;
    }
}

/* ---- health-stuck -------------------------------------------------------------------------- */

/* The status that counts as a failure, for `--fault status_N`; 0: none of those. */
static unsigned failing_status(const struct health_rules *rules)
{
    static const unsigned statuses[] = { 500, 503, 502, 504, 429, 404 };
    enum health_counter counter;

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        if (rules->limits[HEALTH_HTTP] > 0 && health_rules_judge(rules, statuses[i], &counter) &&
            counter == HEALTH_HTTP)
            return statuses[i];
    return 0;
}

/* How traffic makes the checks fail, and then well again: options of `lab run`. False: it does not. */
static bool stuck_options(const struct checks *checks, char *into, size_t size)
{
    unsigned status = failing_status(&checks->passive_rules);
    unsigned count = checks->passive_rules.limits[HEALTH_HTTP];

    if (!checks->passive_fails)
        return false; /* active checks that never mend: what they ask cannot be made to fail for a time */
    if (status > 0)
        snprintf(into, size, "--fault status_%u --fault-times %u --before %u", status, count,
                 count);
    else if (checks->passive_rules.limits[HEALTH_TCP] > 0)
        snprintf(into, size, "--fault close_after_request --fault-times %u --before %u",
                 checks->passive_rules.limits[HEALTH_TCP],
                 checks->passive_rules.limits[HEALTH_TCP]);
    else
        return false;
    return true;
}

static bool comes_back_by_itself(const struct checks *checks)
{
    return checks->active_mends || checks->upstream->panic_percent > 0 ||
           checks->upstream->fails_open;
}

void doctor_rule_health_stuck(const struct examination *examination)
{
    const struct doctor_hop *hop = doctor_hop_behind(examination->model, NULL);
    struct checks checks;

    for (; hop; hop = doctor_hop_behind(examination->model, hop)) {
        const char *name = hop->element->name;
        struct doctor_finding *finding;
        char status[DOCTOR_STATUS_MAX], options[240];
        unsigned got;

        if (!checks_of(examination->model, hop, &checks) || comes_back_by_itself(&checks) ||
            !stuck_options(&checks, options, sizeof(options)))
            continue;
        finding = doctor_find(examination, name, NULL);
        got = doctor_status_for_client(examination->model, hop, END_NO_TARGET, false);
        doctor_title(finding, "the health checks of %s take targets out and bring none back", name);
        doctor_seen(
            finding,
            "After a bad minute of the origins %s has fewer targets, in the end none: every "
            "request gets %s (\"no live upstreams\", Kong: \"failure to get a peer from the "
            "ring-balancer\") though all origins are well, until somebody sets them healthy.",
            name, doctor_status_text(got, status, sizeof(status)));
        tell_field(examination, &checks, "healthchecks.passive.unhealthy.http_failures",
                   checks.passive_rules.limits[HEALTH_HTTP], finding);
        tell_field(examination, &checks, "healthchecks.active.unhealthy.interval",
                   checks.active->unhealthy_interval_ms / 1000, finding);
        tell_field(examination, &checks, "healthchecks.active.healthy.successes",
                   checks.active_rules.limits[HEALTH_SUCCESS], finding);
        doctor_fix(
            finding,
            "%s: set healthchecks.active.%s of upstream %s to %d, so that who is out is asked "
            "again",
            name,
            checks.active->unhealthy_interval_ms == 0 ? "unhealthy.interval" : "healthy.successes",
            checks.upstream->name, checks.active->unhealthy_interval_ms == 0 ? 5 : 1);
        doctor_command(examination, finding, options, "%s", "");
        finding->shows.has_status = true;
        finding->shows.status = got;
        doctor_shows_hop(finding, name, END_NO_TARGET, END_NO_TARGET);
    }
}

/* ---- health-scheme ------------------------------------------------------------------------- */

static bool probes_speak_tls(const struct checks *checks)
{
    return strcmp(checks->active->type, "https") == 0;
}

/* After so many probes of the wrong kind a target is out; 0: they do not count. A handshake that fails
 * is a failure of TCP; a page for plain HTTP counts as its status is listed. */
static unsigned probes_that_take_out(const struct doctor_model *model, const struct checks *checks)
{
    const struct doctor_hop *next = doctor_hop_at(model, checks->hop->next);
    const struct health_rules *rules = &checks->active_rules;
    enum health_counter counter = HEALTH_TCP;
    struct persona_answer made;

    if (next && !probes_speak_tls(checks)) {
        made = persona_answer(next->persona, END_CLIENT_PLAIN_HTTP, false, false);
        if (made.action == PERSONA_PAGE &&
            (!health_rules_judge(rules, made.status, &counter) || counter == HEALTH_SUCCESS))
            return 0;
    }
    return rules->limits[counter];
}

static void tell_scheme(const struct examination *examination, const struct checks *checks,
                        unsigned probes)
{
    const struct doctor_model *model = examination->model;
    const struct doctor_hop *hop = checks->hop;
    const struct chain_element *next = &model->chain->elements[hop->next];
    const char *name = hop->element->name;
    struct doctor_finding *finding = doctor_find(examination, name, next->name);
    unsigned got = doctor_status_for_client(model, hop, END_NO_TARGET, false);
    uint64_t falls_ms = checks->active->healthy_interval_ms * (probes + 1);
    char status[DOCTOR_STATUS_MAX], options[160], time[DOCTOR_TIME_MAX], place[DOCTOR_PLACE_MAX];

    doctor_title(finding, "the health checks of %s speak %s to %s, which takes %s", name,
                 probes_speak_tls(checks) ? "TLS" : "plain HTTP", next->name,
                 next->tls ? "TLS" : "plain HTTP");
    doctor_seen(finding,
                "All is well for %s after a start; then every target is out and every request gets "
                "%s (\"no live upstreams\").",
                doctor_time(falls_ms, time, sizeof(time)),
                doctor_status_text(got, status, sizeof(status)));
    doctor_where(finding, "%s: healthchecks.active.type %s%s", name, checks->active->type,
                 doctor_place_of_entity(model, hop, checks->upstream->path,
                                        "healthchecks.active.type", "the default", place,
                                        sizeof(place)));
    doctor_fix(finding, "%s: set healthchecks.active.type of upstream %s to %s", name,
               checks->upstream->name, next->tls ? "https" : "http");
    /* a pause that a busy machine cannot make too short for so many probes */
    snprintf(options, sizeof(options), "--before 1 --pause %" PRIu64, 2 * falls_ms + 6000);
    doctor_command(examination, finding, options, "%s", "");
    finding->shows.has_status = true;
    finding->shows.status = got;
    doctor_shows_hop(finding, name, END_NO_TARGET, END_NO_TARGET);
}

void doctor_rule_health_scheme(const struct examination *examination)
{
    const struct doctor_model *model = examination->model;
    const struct doctor_hop *hop = doctor_hop_behind(model, NULL);
    struct checks checks;

    for (; hop; hop = doctor_hop_behind(model, hop)) {
        bool next_takes_tls = model->chain->elements[hop->next].tls;
        unsigned probes;

        if (!hop->element->redirect || !checks_of(model, hop, &checks) || !checks.active_fails ||
            strcmp(checks.active->type, "tcp") == 0 || checks.upstream->fails_open ||
            probes_speak_tls(&checks) == next_takes_tls)
            continue;
        probes = probes_that_take_out(model, &checks);
        if (probes > 0)
            tell_scheme(examination, &checks, probes);
    }
}
