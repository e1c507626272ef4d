/* Requests that reach a part in the wrong scheme, or under a name that it has no route for. */
#include <stdio.h>

#include "tools/doctor/leg.h"
#include "tools/doctor/log_words.h"
#include "tools/doctor/place.h"
#include "tools/doctor/rules.h"

/* ---- scheme-mismatch ----------------------------------------------------------------------- */

/* What the client gets for it. A hop may say it on a page, to plain HTTP; else who connects says it. */
static unsigned status_of_leg(const struct doctor_model *model, const struct doctor_leg *leg,
                              enum end_reason reason)
{
    const struct doctor_hop *hop = doctor_leg_hop(model, leg);

    return hop && !leg->speaks_tls
               ? doctor_status_for_client(model, hop, END_CLIENT_PLAIN_HTTP, false)
               : doctor_status_for_client(model, leg->from, reason, false);
}

static void tell_leg_scheme(const struct examination *examination, const struct doctor_leg *leg)
{
    const char *from = doctor_leg_from_name(leg), *to = leg->to->name;
    struct doctor_finding *finding = doctor_find(examination, from, to);
    const char *wants = leg->to->tls ? "TLS" : "plain HTTP";
    enum end_reason reason = leg->speaks_tls ? END_UPSTREAM_TLS_NOT_TLS : END_UPSTREAM_HEAD_CLOSED;
    unsigned got = status_of_leg(examination->model, leg, reason);
    char place[DOCTOR_PLACE_MAX], status[DOCTOR_STATUS_MAX], words[DOCTOR_LOG_MAX];

    doctor_title(finding, "%s speaks %s to %s, which takes %s", from,
                 leg->speaks_tls ? "TLS" : "plain HTTP", to, wants);
    doctor_status_text(got, status, sizeof(status));
    if (got == 400)
        doctor_seen(finding,
                    "Every request gets 400 \"The plain HTTP request was sent to HTTPS port\": a "
                    "page of %s.",
                    to);
    else if (leg->from)
        doctor_seen(finding, "Every request gets %s: %s %s.", status, from,
                    doctor_log_words(leg->from, reason, false, words, sizeof(words)));
    else
        doctor_seen(finding, "Every request gets %s: %s ends the connection.", status, to);
    doctor_place_of_element(examination->model, leg->to_index, leg->to->tls ? "tls" : "", place,
                            sizeof(place));
    doctor_where(finding, "%s: tls %s (%s)", to, leg->to->tls ? "true" : "false", place);
    if (leg->from && leg->from->element->protocol) {
        doctor_place_of_element(examination->model, leg->from->index, "protocol", place,
                                sizeof(place));
        doctor_where(finding, "%s: protocol %s (%s)", from, leg->from->element->protocol, place);
        doctor_fix(finding, "%s: set protocol to %s", from, leg->to->tls ? "https" : "http");
    } else {
        doctor_fix(finding, "%s: set tls to %s, or have who stands in front speak %s", to,
                   leg->to->tls ? "false" : "true", wants);
    }
    doctor_command(examination, finding, "", "%s", "");
    /* of what lies behind layer 4 the lab's verdict knows nothing: the status has to do */
    finding->shows.has_status = true;
    finding->shows.status = got;
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
    struct doctor_leg leg = { .from = NULL };

    FOR_LEGS(examination->model, leg)
    {
        if (doctor_leg_is_in_the_path(&leg) && leg.speaks_tls != leg.to->tls)
            tell_leg_scheme(examination, &leg);
    }
    for (; hop; hop = doctor_hop_behind(examination->model, hop)) {
        const struct doctor_stop *stop = doctor_journey_at(examination->journey, hop);

        if (stop && (stop->refusal == END_HTTPS_REQUIRED || stop->refusal == END_HTTPS_REDIRECT))
            tell_route_scheme(examination, stop);
    }
}

/* ---- no-route ------------------------------------------------------------------------------ */

static void tell_lost_host(const struct doctor_stop *before, const struct doctor_stop *stop,
                           struct doctor_finding *finding)
{
    const char *front = before->hop->element->name;

    doctor_where(finding, "%s: Host goes on as %.*s, it came as %.*s", front,
                 SLICE_ARG(stop->in.authority), SLICE_ARG(before->in.authority));
    doctor_fix(finding,
               "%s: set preserve_host of the route to true, or hopgate.fields forwarded Host to "
               "preserve",
               front);
}

static void tell_no_route(const struct examination *examination, const struct doctor_stop *stop)
{
    const struct doctor_hop *hop = stop->hop, *front = doctor_hop_before(examination->model, hop);
    const struct doctor_stop *before =
        front ? doctor_journey_at(examination->journey, front) : NULL;
    const char *name = hop->element->name;
    struct doctor_finding *finding =
        doctor_find(examination, front ? front->element->name : "client", name);
    bool has_route = stop->refusal == END_NO_SERVICE;
    char place[DOCTOR_PLACE_MAX];

    doctor_title(finding, "%s has no %s for Host %.*s and path %.*s", name,
                 has_route ? "service behind its route" : "route", SLICE_ARG(stop->in.authority),
                 SLICE_ARG(stop->in.path));
    doctor_seen(finding,
                "Every request of this kind gets %s (or what %s says instead); the origin sees "
                "nothing.",
                has_route ? "503 \"no Service found with those values\""
                          : "404 \"no Route matched with those values\"",
                name);
    if (hop->route || has_route)
        doctor_where(finding, "%s: %s%s", name, has_route ? "the route" : "its first route",
                     doctor_place_of_entity(examination->model, hop,
                                            has_route ? stop->route->path : hop->route->path, "",
                                            "made for the chain", place, sizeof(place)));
    if (has_route)
        doctor_fix(finding, "%s: give the route a service", name);
    else if (before && !slice_equal(before->in.authority, stop->in.authority))
        tell_lost_host(before, stop, finding);
    else
        doctor_fix(finding,
                   "%s: add a route for that host and path, or set client.host and client.path of "
                   "the chain to what clients ask for",
                   name);
    doctor_command(examination, finding, "", "%s", "");
    finding->shows.has_status = true;
    finding->shows.status = doctor_status_for_client(examination->model, hop, stop->refusal, false);
    doctor_shows_hop(finding, name, stop->refusal, stop->refusal);
}

void doctor_rule_no_route(const struct examination *examination)
{
    const struct doctor_hop *hop = doctor_hop_behind(examination->model, NULL);

    for (; hop; hop = doctor_hop_behind(examination->model, hop)) {
        const struct doctor_stop *stop = doctor_journey_at(examination->journey, hop);

        if (stop && (stop->refusal == END_NO_ROUTE || stop->refusal == END_NO_SERVICE))
            tell_no_route(examination, stop);
    }
}
