/*
 * leg: from who connects to the part that ends the connection's TLS.
 *
 * Role    the client's leg, and one for each hop; wires and hops of layer 4 are looked through
 * Owns    nothing
 * Thread  one
 */
#ifndef TOOLS_DOCTOR_LEG_H
#define TOOLS_DOCTOR_LEG_H

#include "tools/doctor/model.h"

struct doctor_leg {
    const struct doctor_hop *from;  /* NULL: the client */
    const struct chain_element *to; /* a hop or an origin */
    size_t to_index;
    bool speaks_tls; /* who connects does */
};

/* The first, then the next one from the front; false: that was the last. */
bool doctor_leg_next(const struct doctor_model *model, struct doctor_leg *leg, bool first);

#define FOR_LEGS(model, leg)                                         \
    for (bool more_ = doctor_leg_next((model), &(leg), true); more_; \
         more_ = doctor_leg_next((model), &(leg), false))

const char *doctor_leg_from_name(const struct doctor_leg *leg);

/* Who is connected to, if it is a hop. */
const struct doctor_hop *doctor_leg_hop(const struct doctor_model *model,
                                        const struct doctor_leg *leg);

/* A leg that the hop's own file leads elsewhere (redirect: false) is not the chain's. */
bool doctor_leg_is_in_the_path(const struct doctor_leg *leg);

/* Who connects verifies the certificate that it is shown; the client always does. */
bool doctor_leg_verifies(const struct doctor_leg *leg);

#endif
