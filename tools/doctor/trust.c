/* What hops tell each other of the client: the scheme it came by, and who it is. */
#include <stdio.h>
#include <string.h>

#include "proxy/rewrite/client_certificate_field.h"
#include "proxy/rewrite/field_name.h"
#include "tools/doctor/place.h"
#include "tools/doctor/rules.h"

static struct slice proto_of(const struct fields *fields)
{
    const struct field *field = fields_find_name(fields, SLICE("X-Forwarded-Proto"));

    return field ? field->value : (struct slice){ NULL, 0 };
}

/* ---- forwarded-proto ----------------------------------------------------------------------- */

static const struct doctor_stop *last_stop(const struct examination *examination)
{
    const struct doctor_stop *stop = NULL;
    const struct doctor_hop *hop = doctor_hop_behind(examination->model, NULL);

    for (; hop; hop = doctor_hop_behind(examination->model, hop)) {
        stop = doctor_journey_at(examination->journey, hop);
        if (!stop || stop->refusal != END_OK)
            return NULL;
    }
    return stop;
}

/* The first that sends on something else than https though it could know. */
static const struct doctor_stop *who_loses(const struct examination *examination)
{
    const struct doctor_hop *hop = doctor_hop_behind(examination->model, NULL);
    const struct doctor_stop *stop = NULL;

    for (; hop; hop = doctor_hop_behind(examination->model, hop)) {
        stop = doctor_journey_at(examination->journey, hop);
        if (!slice_equal(proto_of(&stop->out), SLICE("https")))
            return stop;
    }
    return stop;
}

static void fix_proto(const struct examination *examination, const struct doctor_stop *stop,
                      struct doctor_finding *finding)
{
    const char *name = stop->hop->element->name;
    char place[DOCTOR_PLACE_MAX];

    if (stop->hop->element->tls) { /* it ends TLS itself and does not say so */
        doctor_where(finding, "%s: hopgate_forwarded_proto%s", name,
                     doctor_place_of_setting(examination->model, stop->hop,
                                             "hopgate_forwarded_proto", place, sizeof(place)));
        doctor_fix(finding, "%s: set hopgate_forwarded_proto to replace%s", name,
                   doctor_hop_behind(examination->model, stop->hop)
                       ? ", and then see that the hops behind trust it"
                       : "");
        return;
    }
    doctor_where(finding, "%s: trusted_ips%s", name,
                 doctor_place_of_setting(examination->model, stop->hop, "trusted_ips", place,
                                         sizeof(place)));
    if (stop->front_is_trusted)
        doctor_fix(finding, "%s: set hopgate_forwarded_proto to preserve", name);
    else
        doctor_fix(finding,
                   "%s: set trusted_ips to the addresses of the hop in front (in the lab "
                   "127.0.0.0/8)",
                   name);
}

void doctor_rule_forwarded_proto(const struct examination *examination)
{
    const struct doctor_hop *first = doctor_hop_behind(examination->model, NULL);
    const struct doctor_stop *last = last_stop(examination), *loses;
    struct doctor_finding *finding;
    struct slice told;
    const char *name;

    if (!first || !first->element->tls || !last ||
        slice_equal(proto_of(&last->out), SLICE("https")))
        return;
    loses = who_loses(examination);
    told = proto_of(&last->out);
    name = loses->hop->element->name;
    finding = doctor_find(examination, name, NULL);
    doctor_title(finding, "clients come by https, %s %s",
                 told.ptr ? "http is told to" : "nothing of it is told to",
                 doctor_next_name(examination->model, last->hop));
    doctor_seen(finding,
                "The application makes http:// links, sends clients to https in a circle (ERR_TOO_"
                "MANY_REDIRECTS), or leaves Secure off cookies; no hop logs anything. %s %s "
                "X-Forwarded-Proto%s.",
                name, proto_of(&loses->out).ptr ? "writes http into" : "writes no",
                loses->front_is_trusted || loses->hop->element->tls
                    ? ""
                    : ", because it does not trust the hop in front");
    fix_proto(examination, loses, finding);
    doctor_command(examination, finding, "", " -- -H 'X-Origin-Echo: head'");
    finding->shows.has_status = true;
    finding->shows.status = 200;
    if (told.ptr)
        finding->shows.content = "X-Forwarded-Proto: http\r\n";
    else
        finding->shows.no_content = "X-Forwarded-Proto";
}

/* ---- client-identity ----------------------------------------------------------------------- */

/* The field with the whole certificate, of each way of telling. */
static enum persona_trusted_cert field_written(enum persona_client_cert how)
{
    switch (how) {
    case PERSONA_CLIENT_CERT_NONE:
        return PERSONA_TRUSTED_CERT_NONE;
    case PERSONA_CLIENT_CERT_RFC9440:
        return PERSONA_TRUSTED_CERT_CLIENT_CERT;
    case PERSONA_CLIENT_CERT_X_SSL_CLIENT:
        return PERSONA_TRUSTED_CERT_X_SSL_CLIENT_CERT;
    case PERSONA_CLIENT_CERT_XFCC:
        return PERSONA_TRUSTED_CERT_XFCC;
    case PERSONA_CLIENT_CERT_ALB:
        return PERSONA_TRUSTED_CERT_ALB_LEAF;
    }
    return PERSONA_TRUSTED_CERT_NONE;
}

static bool lists(const struct persona_strings *patterns, struct slice name)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (field_name_matches(patterns->items[i], name, true))
            return true;
    return false;
}

/* Does that field of the hop in front come out of this one? Its own family is written anew. */
static bool passes_on(const struct doctor_hop *hop, enum persona_trusted_cert which)
{
    struct slice name = client_certificate_field_name(which);

    return !lists(&hop->persona->request.remove_identity, name) &&
           field_written(hop->persona->request.client_cert_fields) != which;
}

static bool asks_client(const struct doctor_hop *hop)
{
    return hop->element->tls && strcmp(hop->element->verify_client, "off") != 0;
}

static bool wants_certificate(const struct settings *settings)
{
    return settings->ssl_verify_client && strcmp(settings->ssl_verify_client, "off") != 0;
}

static void tell_identity(const struct examination *examination, const struct doctor_hop *ends,
                          const struct doctor_hop *wants, const struct doctor_hop *loses,
                          bool is_untrusted)
{
    enum persona_trusted_cert which = wants->persona->client.trusted_client_cert;
    struct slice field = client_certificate_field_name(which);
    const char *name = wants->element->name;
    struct doctor_finding *finding = doctor_find(examination, ends->element->name, name);
    char place[DOCTOR_PLACE_MAX];

    doctor_title(finding, "%s wants the client's certificate in %.*s, and it is lost at %s", name,
                 SLICE_ARG(field), loses->element->name);
    doctor_seen(finding,
                "%s ends TLS and sees the certificate; %s sees none: every request gets 400 \"No "
                "required SSL certificate was sent\", and %s logs \"client sent no required SSL "
                "certificate\".",
                ends->element->name, name, name);
    doctor_where(finding, "%s: hopgate_trusted_client_cert_field%s", name,
                 doctor_place_of_setting(examination->model, wants,
                                         "hopgate_trusted_client_cert_field", place,
                                         sizeof(place)));
    if (is_untrusted) {
        doctor_where(finding, "%s: trusted_ips%s", name,
                     doctor_place_of_setting(examination->model, wants, "trusted_ips", place,
                                             sizeof(place)));
        doctor_fix(finding,
                   "%s: set trusted_ips to the addresses of the hop in front (in the lab "
                   "127.0.0.0/8)",
                   name);
    } else {
        doctor_where(finding, "%s: hopgate_client_cert_fields%s", loses->element->name,
                     doctor_place_of_setting(examination->model, loses,
                                             "hopgate_client_cert_fields", place, sizeof(place)));
        doctor_fix(finding, "%s: set hopgate_client_cert_fields to the family of %.*s",
                   loses->element->name, SLICE_ARG(field));
    }
    doctor_command(examination, finding, "", "%s", "");
    doctor_shows_hop(finding, name, END_CLIENT_CERT_MISSING, END_CLIENT_CERT_INVALID);
}

void doctor_rule_client_identity(const struct examination *examination)
{
    const struct doctor_model *model = examination->model;
    const struct doctor_hop *ends = doctor_hop_behind(model, NULL), *wants, *at;
    enum persona_trusted_cert which;
    const struct doctor_stop *stop;

    if (!ends || !asks_client(ends) || !model->chain->client.certificate)
        return;
    for (wants = doctor_hop_behind(model, ends); wants; wants = doctor_hop_behind(model, wants)) {
        which = wants->persona->client.trusted_client_cert;
        stop = doctor_journey_at(examination->journey, wants);
        if (which == PERSONA_TRUSTED_CERT_NONE || !stop || asks_client(wants) ||
            !wants_certificate(wants->settings))
            continue;
        at = ends;
        if (field_written(ends->persona->request.client_cert_fields) == which)
            for (at = doctor_hop_behind(model, ends); at != wants && passes_on(at, which);)
                at = doctor_hop_behind(model, at);
        if (at != wants || !stop->front_is_trusted)
            tell_identity(examination, ends, wants, at, at == wants);
    }
}
