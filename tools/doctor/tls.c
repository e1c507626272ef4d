/* Legs with TLS: who speaks it to whom, under which name, with which certificates. */
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "proxy/snapshot/client_tls.h"
#include "tls/pki_lab.h"
#include "tools/doctor/place.h"
#include "tools/doctor/rules.h"

/* From who connects to the part that ends the connection's TLS (layer 4 and wires are looked through). */
struct leg {
    const struct doctor_hop *from;  /* NULL: the client */
    const struct chain_element *to; /* a hop or an origin */
    size_t to_index;
    bool speaks_tls; /* who connects does */
};

static const char *from_name(const struct leg *leg)
{
    return leg->from ? leg->from->element->name : "client";
}

static const struct doctor_hop *hop_of(const struct doctor_model *model, const struct leg *leg)
{
    return doctor_hop_at(model, leg->to_index);
}

/* Of the client, then of each hop; begin with a zeroed one and first = true. A leg that the hop's own
 * file leads elsewhere (redirect: false) is not the chain's. */
static bool next_leg(const struct doctor_model *model, struct leg *leg, bool first)
{
    const struct doctor_hop *behind = doctor_hop_behind(model, first ? NULL : leg->from);

    if (first) {
        leg->from = NULL;
        leg->to_index = behind ? behind->index : model->chain->count - model->chain->origins_count;
        leg->speaks_tls = model->places[0].tls;
    } else {
        if (!behind)
            return false;
        leg->from = behind;
        leg->to_index = behind->next;
        leg->speaks_tls = behind->service && behind->service->protocol == CONFIG_PROTOCOL_HTTPS;
    }
    leg->to = &model->chain->elements[leg->to_index];
    return true;
}

#define FOR_LEGS(model, leg)                                  \
    for (bool more_ = next_leg((model), &(leg), true); more_; \
         more_ = next_leg((model), &(leg), false))

static bool is_in_the_path(const struct leg *leg)
{
    return !leg->from || (leg->from->service && leg->from->element->redirect);
}

static bool verifies(const struct leg *leg)
{
    const struct client_tls how = { .settings = leg->from ? leg->from->settings : NULL,
                                    .persona = leg->from ? leg->from->persona : NULL };

    return !leg->from || client_tls_verifies(&how, leg->from->service);
}

/* What the client gets when that leg fails so. */
static void shows_failure(const struct examination *examination, const struct leg *leg,
                          enum end_reason reason, enum end_reason or_reason,
                          struct doctor_finding *finding)
{
    finding->shows.has_status = true;
    if (!leg->from) {
        finding->shows.never_arrives = true;
        return;
    }
    finding->shows.status = doctor_status_for_client(examination->model, leg->from, reason, false);
    doctor_shows_hop(finding, from_name(leg), reason, or_reason);
}

static void tell_certificate_place(const struct examination *examination, const struct leg *leg,
                                   struct doctor_finding *finding)
{
    char place[DOCTOR_PLACE_MAX];

    doctor_place_of_element(examination->model, leg->to_index, "certificate", place, sizeof(place));
    if (!place[0])
        doctor_place_of_element(examination->model, leg->to_index, "", place, sizeof(place));
    doctor_where(finding, "%s: certificate %s (%s)", leg->to->name, leg->to->certificate, place);
}

/* ---- scheme-mismatch ----------------------------------------------------------------------- */

static void tell_leg_scheme(const struct examination *examination, const struct leg *leg)
{
    const struct doctor_hop *hop = hop_of(examination->model, leg);
    struct doctor_finding *finding = doctor_find(examination, from_name(leg), leg->to->name);
    const char *speaks = leg->speaks_tls ? "TLS" : "plain HTTP";
    const char *wants = leg->to->tls ? "TLS" : "plain HTTP";
    char place[DOCTOR_PLACE_MAX];

    doctor_title(finding, "%s speaks %s to %s, which takes %s", from_name(leg), speaks,
                 leg->to->name, wants);
    doctor_seen(finding,
                leg->to->tls ? "Every request fails: a 400 \"The plain HTTP request was sent to "
                               "HTTPS port\", or a 502 because %s ends the connection."
                             : "Every request fails: a 502, \"wrong version number\" in the log of "
                               "who connects to %s.",
                leg->to->name);
    doctor_place_of_element(examination->model, leg->to_index, leg->to->tls ? "tls" : "", place,
                            sizeof(place));
    doctor_where(finding, "%s: tls %s (%s)", leg->to->name, leg->to->tls ? "true" : "false", place);
    doctor_fix(finding, "%s: set tls to %s, or have who stands in front speak %s", leg->to->name,
               leg->to->tls ? "false" : "true", wants);
    doctor_command(examination, finding, "", "%s", "");
    /* of what lies behind layer 4 the lab's verdict knows nothing: the status has to do */
    finding->shows.has_status = true;
    finding->shows.status =
        hop && leg->to->tls
            ? doctor_status_for_client(examination->model, hop, END_CLIENT_PLAIN_HTTP, false)
            : doctor_status_for_client(examination->model, leg->from, END_UPSTREAM_HEAD_CLOSED,
                                       false);
}

static void tell_route_scheme(const struct examination *examination, const struct doctor_stop *stop)
{
    const struct doctor_hop *hop = stop->hop, *front = doctor_hop_before(examination->model, hop);
    const char *name = hop->element->name;
    struct doctor_finding *finding =
        doctor_find(examination, front ? front->element->name : "client", name);
    bool redirects = stop->refusal == END_HTTPS_REDIRECT;
    char place[DOCTOR_PLACE_MAX];

    doctor_title(finding, "a route of %s takes https only, and requests reach it in plain HTTP",
                 name);
    if (redirects)
        doctor_seen(finding,
                    "Every request gets a %u to https://, of a client that came by https already: "
                    "it turns in a circle (ERR_TOO_MANY_REDIRECTS).",
                    stop->route->https_redirect_status_code);
    else
        doctor_seen(finding, "Every request gets 426 \"Please use HTTPS protocol\" of %s.", name);
    doctor_where(finding, "%s: protocols of the route%s", name,
                 doctor_place_of_entity(examination->model, hop, stop->route->path, "protocols",
                                        "the default", place, sizeof(place)));
    doctor_where(
        finding, "%s: trusted_ips%s", name,
        doctor_place_of_setting(examination->model, hop, "trusted_ips", place, sizeof(place)));
    if (!stop->front_is_trusted && front)
        doctor_fix(finding,
                   "%s: set trusted_ips to the addresses of the hop in front (in the lab "
                   "127.0.0.0/8), which must write X-Forwarded-Proto; or add http to protocols",
                   name);
    else
        doctor_fix(finding, "%s: add http to protocols of the route", name);
    doctor_command(examination, finding, "", "%s", "");
    finding->shows.has_status = true;
    finding->shows.status = redirects ? stop->route->https_redirect_status_code : 426;
    doctor_shows_hop(finding, name, stop->refusal, stop->refusal);
}

void doctor_rule_scheme(const struct examination *examination)
{
    const struct doctor_hop *hop = doctor_hop_behind(examination->model, NULL);
    struct leg leg = { .from = NULL };

    FOR_LEGS(examination->model, leg)
    {
        if (is_in_the_path(&leg) && leg.speaks_tls != leg.to->tls)
            tell_leg_scheme(examination, &leg);
    }
    for (; hop; hop = doctor_hop_behind(examination->model, hop)) {
        const struct doctor_stop *stop = doctor_journey_at(examination->journey, hop);

        if (stop && (stop->refusal == END_HTTPS_REQUIRED || stop->refusal == END_HTTPS_REDIRECT))
            tell_route_scheme(examination, stop);
    }
}

/* ---- no-route ------------------------------------------------------------------------------ */

void doctor_rule_no_route(const struct examination *examination)
{
    const struct doctor_hop *hop = doctor_hop_behind(examination->model, NULL), *front;
    const struct doctor_stop *stop = NULL, *before = NULL;
    struct doctor_finding *finding;
    const char *name;
    char place[DOCTOR_PLACE_MAX];

    for (; hop; hop = doctor_hop_behind(examination->model, hop)) {
        stop = doctor_journey_at(examination->journey, hop);
        if (!stop || stop->refusal != END_OK)
            break;
    }
    if (!hop || !stop || stop->refusal != END_NO_ROUTE)
        return;
    name = hop->element->name;
    front = doctor_hop_before(examination->model, hop);
    before = front ? doctor_journey_at(examination->journey, front) : NULL;
    finding = doctor_find(examination, front ? front->element->name : "client", name);
    doctor_title(finding, "%s has no route for Host %.*s and path %.*s", name,
                 SLICE_ARG(stop->in.authority), SLICE_ARG(stop->in.path));
    doctor_seen(finding,
                "Every request of this kind gets 404 \"no Route matched with those "
                "values\" (or what %s says instead); the origin sees nothing.",
                name);
    if (before && !slice_equal(before->in.authority, stop->in.authority)) {
        doctor_where(finding, "%s: Host goes on as %.*s, it came as %.*s", front->element->name,
                     SLICE_ARG(stop->in.authority), SLICE_ARG(before->in.authority));
        doctor_fix(finding,
                   "%s: set preserve_host of the route to true, or hopgate.fields "
                   "forwarded Host to preserve",
                   front->element->name);
    } else {
        doctor_fix(finding,
                   "%s: add a route for that host and path, or set client.host and "
                   "client.path of the chain to what clients ask for",
                   name);
    }
    if (hop->route)
        doctor_where(finding, "%s: its first route%s", name,
                     doctor_place_of_entity(examination->model, hop, hop->route->path, "",
                                            "made for the chain", place, sizeof(place)));
    doctor_command(examination, finding, "", "%s", "");
    finding->shows.has_status = true;
    finding->shows.status = doctor_status_for_client(examination->model, hop, END_NO_ROUTE, false);
    doctor_shows_hop(finding, name, END_NO_ROUTE, END_NO_ROUTE);
}

/* ---- names --------------------------------------------------------------------------------- */

/* Names of the lab's certificates: the chain's, and the loopback addresses. */
static bool covers(const struct doctor_model *model, const struct leg *leg, const char *name)
{
    if (strcmp(leg->to->certificate, "wrong-name") == 0)
        return false;
    return strcasecmp(name, model->chain->pki_name) == 0 || strcmp(name, "127.0.0.1") == 0 ||
           strcmp(name, "::1") == 0;
}

static const char *name_asked(const struct examination *examination, const struct leg *leg)
{
    const struct doctor_stop *stop =
        leg->from ? doctor_journey_at(examination->journey, leg->from) : NULL;

    if (!leg->from)
        return examination->model->chain->client.host;
    return stop ? stop->server_name : NULL;
}

/* Who is asked has no certificate of that name and refuses to show another. */
static bool is_refused(const struct examination *examination, const struct leg *leg,
                       const char *name)
{
    const struct doctor_hop *hop = hop_of(examination->model, leg);
    struct sockaddr_storage address;
    bool has_sni = addr_parse_ip(slice_of(name), 0, &address) < 0; /* RFC 6066 3: no addresses */

    if (!hop)
        return false;
    return has_sni ? hop->persona->client.unknown_sni == PERSONA_SNI_REFUSE &&
                         !covers(examination->model, leg, name)
                   : hop->persona->client.missing_sni == PERSONA_SNI_REFUSE;
}

static void tell_name(const struct examination *examination, const struct leg *leg,
                      const char *name, bool refuses)
{
    struct doctor_finding *finding = doctor_find(examination, from_name(leg), leg->to->name);
    const char *certified = strcmp(leg->to->certificate, "wrong-name") == 0
                                ? "wrong.invalid"
                                : examination->model->chain->pki_name;
    enum end_reason reason = refuses ? END_UPSTREAM_TLS_FAILED : END_UPSTREAM_TLS_NAME;

    doctor_title(finding, "%s asks %s for the name %s, its certificate is for %s", from_name(leg),
                 leg->to->name, name, certified);
    if (!leg->from)
        doctor_seen(finding,
                    "Clients show a certificate warning and send nothing; no hop logs a request.");
    else if (refuses)
        doctor_seen(finding,
                    "Every request gets a 502: %s refuses the handshake (unrecognized name), %s "
                    "logs \"SSL_do_handshake() failed\".",
                    leg->to->name, from_name(leg));
    else
        doctor_seen(finding,
                    "Every request gets a 502: %s logs \"upstream SSL certificate does not match "
                    "\"%s\"\", %s a handshake that was broken off.",
                    from_name(leg), name, leg->to->name);
    tell_certificate_place(examination, leg, finding);
    if (!leg->from)
        doctor_fix(finding, "set client.host of the chain to %s, or get a certificate for %s",
                   certified, name);
    else if (strcmp(leg->to->certificate, "wrong-name") == 0)
        doctor_fix(finding, "%s: set certificate to good, one that is for %s", leg->to->name, name);
    else
        doctor_fix(finding, "%s: set host_header of the upstream to %s%s", from_name(leg),
                   certified,
                   leg->from->route && leg->from->route->preserve_host
                       ? ", and preserve_host of the route to false"
                       : "");
    doctor_command(examination, finding, "", "%s", "");
    shows_failure(examination, leg, reason,
                  refuses ? END_UPSTREAM_TLS_ALERT : END_UPSTREAM_TLS_NAME, finding);
}

void doctor_rule_tls_name(const struct examination *examination)
{
    struct leg leg = { .from = NULL };

    FOR_LEGS(examination->model, leg)
    {
        const char *name = name_asked(examination, &leg);
        bool refuses;

        if (!name || !is_in_the_path(&leg) || !leg.speaks_tls || !leg.to->tls)
            continue;
        refuses = is_refused(examination, &leg, name);
        if (refuses || (verifies(&leg) && !covers(examination->model, &leg, name)))
            tell_name(examination, &leg, name, refuses);
    }
}

/* ---- certificates -------------------------------------------------------------------------- */

static const struct pki_situation *situation_of(const char *name)
{
    size_t count;
    const struct pki_situation *all = pki_lab_situations(&count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    return NULL;
}

/* It shows without a CRL, a name, or a stricter rule than everybody's. */
static bool shows_to_everybody(const struct pki_situation *situation)
{
    return situation->verify_error != 0 &&
           (situation->verify_options[0] == '\0' ||
            strncmp(situation->verify_options, "-purpose", strlen("-purpose")) == 0);
}

/* The missing certificate is in no file, not of another authority. */
static bool is_incomplete(const struct pki_situation *situation)
{
    return strncmp(situation->name, "missing-", strlen("missing-")) == 0 ||
           strcmp(situation->name, "renewed-intermediate") == 0;
}

static void tell_certificate(const struct examination *examination, const struct leg *leg,
                             const struct pki_situation *situation)
{
    struct doctor_finding *finding = doctor_find(examination, from_name(leg), leg->to->name);

    doctor_title(finding, "%s shows a certificate that %s refuses: %s", leg->to->name,
                 from_name(leg), situation->flaw);
    if (leg->from)
        doctor_seen(finding,
                    "Every request gets a 502: %s logs \"upstream SSL certificate verify error\" "
                    "(%s); browsers that know the missing part may still be content.",
                    from_name(leg), pki_situation_verdict(situation));
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
    struct leg leg = { .from = NULL };

    FOR_LEGS(examination->model, leg)
    {
        const struct pki_situation *situation =
            leg.to->tls && leg.to->certificate ? situation_of(leg.to->certificate) : NULL;

        if (situation && !leg.to->address && is_in_the_path(&leg) && leg.speaks_tls &&
            verifies(&leg) && shows_to_everybody(situation) &&
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

/* ---- client certificates ------------------------------------------------------------------- */

/* Of who connects: the chain's, or any that its configuration names. "": some other; NULL: none. */
static const char *certificate_shown(const struct doctor_model *model, const struct leg *leg)
{
    const struct config_service *service = leg->from ? leg->from->service : NULL;

    if (!leg->from)
        return model->chain->client.certificate;
    if (leg->from->element->client_certificate)
        return leg->from->element->client_certificate;
    if (service->client_certificate ||
        (service->upstream && service->upstream->client_certificate) ||
        leg->from->settings->client_ssl)
        return "";
    return NULL;
}

static void tell_client_certificate(const struct examination *examination, const struct leg *leg,
                                    const struct pki_situation *shown)
{
    const struct doctor_model *model = examination->model;
    const struct doctor_hop *hop = hop_of(model, leg);
    const char *name = leg->to->name;
    struct doctor_finding *finding = doctor_find(examination, from_name(leg), name);
    bool by_page = hop && hop->persona->client.verify_refusal == PERSONA_VERIFY_PAGE;
    char place[DOCTOR_PLACE_MAX];

    if (shown)
        doctor_title(finding, "%s wants a client certificate, and that of %s is refused: %s", name,
                     from_name(leg), shown->flaw);
    else
        doctor_title(finding, "%s wants a client certificate, and %s shows none", name,
                     from_name(leg));
    if (by_page)
        doctor_seen(finding, "Every request gets 400 \"%s\": a page of %s, whose log says why.",
                    shown ? "The SSL certificate error" : "No required SSL certificate was sent",
                    name);
    else if (leg->from)
        doctor_seen(
            finding,
            "Every request gets a 502: %s logs \"SSL_do_handshake() failed\" or \"SSL_read()"
            " failed\" with an alert of %s.",
            from_name(leg), name);
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
               from_name(leg), name);
    doctor_command(examination, finding, "", "%s", "");
    finding->shows.has_status = true;
    if (by_page) {
        finding->shows.status = 400;
        doctor_shows_hop(finding, name, shown ? END_CLIENT_CERT_INVALID : END_CLIENT_CERT_MISSING,
                         END_CLIENT_CERT_INVALID);
    } else if (leg->from) {
        finding->shows.status =
            doctor_status_for_client(model, leg->from, END_UPSTREAM_HEAD_CLIENT_CERT, false);
        doctor_shows_hop(finding, from_name(leg), END_UPSTREAM_HEAD_CLIENT_CERT,
                         shown ? END_UPSTREAM_HEAD_TLS_ALERT : END_UPSTREAM_TLS_CLIENT_CERT);
    } else {
        finding->shows.never_arrives = true;
    }
}

void doctor_rule_client_certificate(const struct examination *examination)
{
    struct leg leg = { .from = NULL };

    FOR_LEGS(examination->model, leg)
    {
        const char *shown = certificate_shown(examination->model, &leg);
        const struct pki_situation *situation = shown ? situation_of(shown) : NULL;

        if (!is_in_the_path(&leg) || !leg.speaks_tls || !leg.to->tls ||
            strcmp(leg.to->verify_client, "off") == 0)
            continue;
        if (!shown && strcmp(leg.to->verify_client, "on") == 0)
            tell_client_certificate(examination, &leg, NULL);
        else if (situation && shows_to_everybody(situation))
            tell_client_certificate(examination, &leg, situation);
    }
}
