/*
 * journey: the head of the chain's own request at each hop, by the hops' own routers and rules.
 *
 * Role    what `lab run` sends, as each hop receives it, routes it and sends it on
 * Owns    the memory of all heads
 * Thread  one; nothing is sent
 */
#ifndef TOOLS_DOCTOR_JOURNEY_H
#define TOOLS_DOCTOR_JOURNEY_H

#include "core/http/head.h"
#include "tools/doctor/model.h"

enum { JOURNEY_BASE_FIELDS = 4 }; /* of the client's head */

struct doctor_stop {
    const struct doctor_hop *hop;
    struct http_head in;
    struct fields out;       /* empty when the hop answers itself */
    enum end_reason refusal; /* END_OK: it goes on */
    const struct config_route *route;
    const struct config_service *service;
    bool front_is_trusted;          /* who asks is in trusted_ips */
    struct slice host_out, uri_out; /* Host and request target as they go on */
    const char *server_name; /* for TLS with the next part: SNI, and what a certificate must have */
};

struct doctor_journey;

/* NULL: no memory. */
struct doctor_journey *doctor_journey_create(const struct doctor_model *model);
void doctor_journey_free(struct doctor_journey *journey); /* accepts NULL */
DEFINE_SCOPED(doctor_journey);

/* NULL: the request does not come so far, or the hop reads no heads. */
const struct doctor_stop *doctor_journey_at(const struct doctor_journey *journey,
                                            const struct doctor_hop *hop);

/* Bytes of a section, line ends included. */
uint64_t doctor_fields_bytes(const struct fields *fields);

#endif
