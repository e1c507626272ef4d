/* Certificates of servers: their names and chains, for those who look at them. */
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "tools/doctor/certificate.h"
#include "tools/doctor/leg.h"
#include "tools/doctor/log_words.h"
#include "tools/doctor/place.h"
#include "tools/doctor/rules.h"

/* What the client gets when that leg fails so. */
static void shows_failure(const struct examination *examination, const struct doctor_leg *leg,
                          enum end_reason reason, enum end_reason or_reason,
                          struct doctor_finding *finding)
{
    finding->shows.has_status = true;
    if (!leg->from) {
        finding->shows.never_arrives = true;
        return;
    }
    finding->shows.status = doctor_status_for_client(examination->model, leg->from, reason, false);
    doctor_shows_hop(finding, doctor_leg_from_name(leg), reason, or_reason);
}

/* In words: what the client gets, and how who connects logs it; of the client's own leg nothing. */
static void tell_failure(const struct examination *examination, const struct doctor_leg *leg,
                         enum end_reason reason, char status[DOCTOR_STATUS_MAX],
                         char words[DOCTOR_LOG_MAX])
{
    if (!leg->from)
        return;
    doctor_status_text(doctor_status_for_client(examination->model, leg->from, reason, false),
                       status, DOCTOR_STATUS_MAX);
    doctor_log_words(leg->from, reason, false, words, DOCTOR_LOG_MAX);
}

static void tell_certificate_place(const struct examination *examination,
                                   const struct doctor_leg *leg, struct doctor_finding *finding)
{
    char place[DOCTOR_PLACE_MAX];

    doctor_place_of_element(examination->model, leg->to_index, "certificate", place, sizeof(place));
    if (!place[0])
        doctor_place_of_element(examination->model, leg->to_index, "", place, sizeof(place));
    doctor_where(finding, "%s: certificate %s (%s)", leg->to->name, leg->to->certificate, place);
}

/* ---- names --------------------------------------------------------------------------------- */

/* Names of the lab's certificates: the chain's, and the loopback addresses. */
static bool covers(const struct doctor_model *model, const struct doctor_leg *leg, const char *name)
{
    if (strcmp(leg->to->certificate, "wrong-name") == 0)
        return false;
    return strcasecmp(name, model->chain->pki_name) == 0 || strcmp(name, "127.0.0.1") == 0 ||
           strcmp(name, "::1") == 0;
}

static const char *name_asked(const struct examination *examination, const struct doctor_leg *leg)
{
    const struct doctor_stop *stop =
        leg->from ? doctor_journey_at(examination->journey, leg->from) : NULL;

    if (!leg->from)
        return examination->model->chain->client.host;
    return stop ? stop->server_name : NULL;
}

/* Who is asked has no certificate of that name and refuses to show another. */
static bool is_refused(const struct examination *examination, const struct doctor_leg *leg,
                       const char *name)
{
    const struct doctor_hop *hop = doctor_leg_hop(examination->model, leg);
    struct sockaddr_storage address;
    bool has_sni = addr_parse_ip(slice_of(name), 0, &address) < 0; /* RFC 6066 3: no addresses */

    if (!hop)
        return false;
    return has_sni ? hop->persona->client.unknown_sni == PERSONA_SNI_REFUSE &&
                         !covers(examination->model, leg, name)
                   : hop->persona->client.missing_sni == PERSONA_SNI_REFUSE;
}

static void tell_name(const struct examination *examination, const struct doctor_leg *leg,
                      const char *name, bool refuses)
{
    struct doctor_finding *finding =
        doctor_find(examination, doctor_leg_from_name(leg), leg->to->name);
    const char *certified = strcmp(leg->to->certificate, "wrong-name") == 0
                                ? "wrong.invalid"
                                : examination->model->chain->pki_name;
    enum end_reason reason = refuses ? END_UPSTREAM_TLS_FAILED : END_UPSTREAM_TLS_NAME;
    char status[DOCTOR_STATUS_MAX] = "", words[DOCTOR_LOG_MAX] = "";

    tell_failure(examination, leg, reason, status, words);
    doctor_title(finding, "%s asks %s for the name %s, its certificate is for %s",
                 doctor_leg_from_name(leg), leg->to->name, name, certified);
    if (!leg->from)
        doctor_seen(finding,
                    "Clients show a certificate warning and send nothing; no hop logs a request.");
    else if (refuses)
        doctor_seen(finding,
                    "Every request gets %s: %s refuses the handshake (unrecognized name), %s %s.",
                    status, leg->to->name, doctor_leg_from_name(leg), words);
    else
        doctor_seen(finding, "Every request gets %s: %s %s, %s a handshake that was broken off.",
                    status, doctor_leg_from_name(leg), words, leg->to->name);
    tell_certificate_place(examination, leg, finding);
    if (!leg->from)
        doctor_fix(finding, "set client.host of the chain to %s, or get a certificate for %s",
                   certified, name);
    else if (strcmp(leg->to->certificate, "wrong-name") == 0)
        doctor_fix(finding, "%s: set certificate to good, one that is for %s", leg->to->name, name);
    else
        doctor_fix(finding, "%s: set host_header of the upstream to %s%s",
                   doctor_leg_from_name(leg), certified,
                   leg->from->route && leg->from->route->preserve_host
                       ? ", and preserve_host of the route to false"
                       : "");
    doctor_command(examination, finding, "", "%s", "");
    shows_failure(examination, leg, reason,
                  refuses ? END_UPSTREAM_TLS_ALERT : END_UPSTREAM_TLS_NAME, finding);
}

void doctor_rule_tls_name(const struct examination *examination)
{
    struct doctor_leg leg = { .from = NULL };

    FOR_LEGS(examination->model, leg)
    {
        const char *name = name_asked(examination, &leg);
        bool refuses;

        if (!name || !doctor_leg_is_in_the_path(&leg) || !leg.speaks_tls || !leg.to->tls)
            continue;
        refuses = is_refused(examination, &leg, name);
        if (refuses || (doctor_leg_verifies(&leg) && !covers(examination->model, &leg, name)))
            tell_name(examination, &leg, name, refuses);
    }
}

/* ---- certificates -------------------------------------------------------------------------- */

/* The missing certificate is in no file, not of another authority. */
static bool is_incomplete(const struct pki_situation *situation)
{
    return strncmp(situation->name, "missing-", strlen("missing-")) == 0 ||
           strcmp(situation->name, "renewed-intermediate") == 0;
}

static void tell_certificate(const struct examination *examination, const struct doctor_leg *leg,
                             const struct pki_situation *situation)
{
    struct doctor_finding *finding =
        doctor_find(examination, doctor_leg_from_name(leg), leg->to->name);
    char status[DOCTOR_STATUS_MAX] = "", words[DOCTOR_LOG_MAX] = "";

    tell_failure(examination, leg, END_UPSTREAM_TLS_VERIFY, status, words);
    doctor_title(finding, "%s shows a certificate that %s refuses: %s", leg->to->name,
                 doctor_leg_from_name(leg), situation->flaw);
    if (leg->from)
        doctor_seen(finding, "Every request gets %s: %s %s (%s).", status,
                    doctor_leg_from_name(leg), words, pki_situation_verdict(situation));
    else
        doctor_seen(finding,
                    "Clients refuse it (%s) and send nothing; no hop logs a request. Browsers that "
                    "know the missing part may still be content, curl and Java are not.",
                    pki_situation_verdict(situation));
    tell_certificate_place(examination, leg, finding);
    doctor_fix(finding, "%s: %s", leg->to->name, situation->fix);
    doctor_command(examination, finding, "", "%s", "");
    shows_failure(examination, leg, END_UPSTREAM_TLS_VERIFY, END_UPSTREAM_TLS_VERIFY, finding);
    finding->shows.hops_count = 0; /* which of the reasons of certificates it is, is no matter */
}

static void look_at_certificates(const struct examination *examination, bool incomplete)
{
    struct doctor_leg leg = { .from = NULL };

    FOR_LEGS(examination->model, leg)
    {
        const struct pki_situation *situation =
            leg.to->tls && leg.to->certificate ? doctor_certificate_of(leg.to->certificate) : NULL;

        if (situation && !leg.to->address && doctor_leg_is_in_the_path(&leg) && leg.speaks_tls &&
            doctor_leg_verifies(&leg) && doctor_certificate_is_refused(situation) &&
            is_incomplete(situation) == incomplete)
            tell_certificate(examination, &leg, situation);
    }
}

void doctor_rule_incomplete_chain(const struct examination *examination)
{
    look_at_certificates(examination, true);
}

void doctor_rule_bad_certificate(const struct examination *examination)
{
    look_at_certificates(examination, false);
}
