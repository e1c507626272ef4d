/* Certificates of clients: what a part wants, and what who connects to it shows. */
#include <stdio.h>
#include <string.h>

#include "tools/doctor/certificate.h"
#include "tools/doctor/leg.h"
#include "tools/doctor/log_words.h"
#include "tools/doctor/place.h"
#include "tools/doctor/rules.h"

/* ---- client certificates ------------------------------------------------------------------- */

/* Of who connects: the chain's, or any that its configuration names. "": some other; NULL: none. */
static const char *certificate_shown(const struct doctor_model *model, const struct doctor_leg *leg)
{
    const struct config_service *service = leg->from ? leg->from->service : NULL;

    if (!leg->from)
        return model->chain->client.certificate;
    if (leg->from->element->client_certificate)
        return leg->from->element->client_certificate;
    if (!service)
        return NULL;
    if (service->client_certificate ||
        (service->upstream && service->upstream->client_certificate) ||
        leg->from->settings->client_ssl)
        return "";
    return NULL;
}

static void tell_client_certificate(const struct examination *examination,
                                    const struct doctor_leg *leg, const struct pki_situation *shown)
{
    const struct doctor_model *model = examination->model;
    const struct doctor_hop *hop = doctor_leg_hop(model, leg);
    const char *name = leg->to->name;
    struct doctor_finding *finding = doctor_find(examination, doctor_leg_from_name(leg), name);
    bool by_page = hop && hop->persona->client.verify_refusal == PERSONA_VERIFY_PAGE;
    char place[DOCTOR_PLACE_MAX], status[DOCTOR_STATUS_MAX], words[DOCTOR_LOG_MAX];

    if (shown)
        doctor_title(finding, "%s wants a client certificate, and that of %s is refused: %s", name,
                     doctor_leg_from_name(leg), shown->flaw);
    else
        doctor_title(finding, "%s wants a client certificate, and %s shows none", name,
                     doctor_leg_from_name(leg));
    if (by_page)
        doctor_seen(finding, "Every request gets 400 \"%s\": a page of %s, whose log says why.",
                    shown ? "The SSL certificate error" : "No required SSL certificate was sent",
                    name);
    else if (leg->from)
        doctor_seen(
            finding, "Every request gets %s: %s %s, with an alert of %s.",
            doctor_status_text(
                doctor_status_for_client(model, leg->from, END_UPSTREAM_HEAD_CLIENT_CERT, false),
                status, sizeof(status)),
            doctor_leg_from_name(leg),
            doctor_log_words(leg->from, END_UPSTREAM_HEAD_CLIENT_CERT, false, words, sizeof(words)),
            name);
    else
        doctor_seen(finding, "Clients get a TLS alert and no answer; no hop logs a request.");
    if (leg->from && !shown && model->chain->client.certificate)
        doctor_where(finding, "the client's own certificate ends at %s, which ends its TLS",
                     doctor_hop_behind(model, NULL)->element->name);
    doctor_where(
        finding, "%s: verify_client %s (%s)", name, leg->to->verify_client,
        doctor_place_of_element(model, leg->to_index, "verify_client", place, sizeof(place)));
    doctor_fix(finding,
               leg->from ? "%s: set client_certificate to client-good, one that %s accepts"
                         : "%s: set client.certificate of the chain to client-good, one "
                           "that %s accepts",
               doctor_leg_from_name(leg), name);
    doctor_command(examination, finding, "", "%s", "");
    finding->shows.has_status = true;
    if (by_page) {
        finding->shows.status = 400;
        doctor_shows_hop(finding, name, shown ? END_CLIENT_CERT_INVALID : END_CLIENT_CERT_MISSING,
                         END_CLIENT_CERT_INVALID);
    } else if (leg->from) {
        finding->shows.status =
            doctor_status_for_client(model, leg->from, END_UPSTREAM_HEAD_CLIENT_CERT, false);
        doctor_shows_hop(finding, doctor_leg_from_name(leg), END_UPSTREAM_HEAD_CLIENT_CERT,
                         shown ? END_UPSTREAM_HEAD_TLS_ALERT : END_UPSTREAM_TLS_CLIENT_CERT);
    } else {
        finding->shows.never_arrives = true;
    }
}

void doctor_rule_client_certificate(const struct examination *examination)
{
    struct doctor_leg leg = { .from = NULL };

    FOR_LEGS(examination->model, leg)
    {
        const char *shown = certificate_shown(examination->model, &leg);
        const struct pki_situation *situation = shown ? doctor_certificate_of(shown) : NULL;

        if (!doctor_leg_is_in_the_path(&leg) || !leg.speaks_tls || !leg.to->tls ||
            strcmp(leg.to->verify_client, "off") == 0)
            continue;
        if (!shown && strcmp(leg.to->verify_client, "on") == 0)
            tell_client_certificate(examination, &leg, NULL);
        else if (situation && doctor_certificate_is_refused(situation))
            tell_client_certificate(examination, &leg, situation);
    }
}
