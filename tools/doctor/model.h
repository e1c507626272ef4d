/*
 * model: a chain as its hops will see it: settings, entities and persona in force, in path order.
 *
 * Role    loads what `hopgate lab` would start each hop with, by the hop's own readers, at stated times
 * Owns    all of it; the chain is borrowed
 * Thread  one
 *
 * Of a hop with several services the first is meant, and of that the first route, as in `lab matrix`.
 */
#ifndef TOOLS_DOCTOR_MODEL_H
#define TOOLS_DOCTOR_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/cleanup.h"
#include "proxy/persona/persona.h"
#include "proxy/rewrite/field_plan.h"
#include "tools/lab/chain.h"
#include "tools/lab/chain_config.h"

/* Something that forgets a connection without a byte: a wire with the fault idle, or a hop of layer 4. */
struct doctor_forgetter {
    const char *name; /* NULL: nothing does */
    uint64_t idle_ms;
    bool resets; /* who speaks then gets a reset; else nothing at all */
    size_t element;
};

struct doctor_hop {
    const struct chain_element *element;
    size_t index; /* of the element */
    struct chain_place place;
    struct settings *settings;
    struct config *config;
    struct persona *persona; /* with kong.conf over it */
    struct field_plans plans;
    const struct config_service *service; /* NULL: it has none */
    const struct config_route *route;     /* its first; NULL: none */
    bool is_tcp;                          /* of layer 4: relays bytes */
    size_t behind; /* the element that it connects to; of several equal ones the first */
    size_t behind_count;
    size_t
        next; /* the element that it speaks HTTP to: wires and hops of layer 4 are looked through */
    struct doctor_forgetter forgetter; /* on the way there, the one with the shortest time */
};

struct doctor_model {
    const struct chain *chain;
    struct chain stated; /* the same at time scale 1 */
    struct chain_place places[CHAIN_ELEMENTS_MAX];
    struct doctor_hop hops[CHAIN_ELEMENTS_MAX];
    size_t count;
};

/* 0; -EINVAL: see errors; -ENOMEM. */
int doctor_model_create(const struct chain *chain, struct doctor_model **ret,
                        struct config_errors *errors);
void doctor_model_free(struct doctor_model *model);
DEFINE_SCOPED(doctor_model);

/* The hop at that element, or NULL: it is none. */
const struct doctor_hop *doctor_hop_at(const struct doctor_model *model, size_t element);

/* The next hop of HTTP behind this one, or NULL: origins follow. NULL asks for the first. */
const struct doctor_hop *doctor_hop_behind(const struct doctor_model *model,
                                           const struct doctor_hop *hop);
/* The one in front, or NULL: the client. */
const struct doctor_hop *doctor_hop_before(const struct doctor_model *model,
                                           const struct doctor_hop *hop);

/* Name of the element that the hop speaks to; several origins are "the origins". */
const char *doctor_next_name(const struct doctor_model *model, const struct doctor_hop *hop);

/* How `lab run --place` calls the way from the hop on. */
const char *doctor_way_name(const struct doctor_model *model, const struct doctor_hop *hop,
                            char *into, size_t size);

#endif
