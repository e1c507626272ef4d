/*
 * place: where something of a hop is written: in the chain file, or in the Kong file that it names.
 *
 * Role    "path[1].settings.x" and "services[0].read_timeout" to file:line:column
 * Owns    nothing
 * Thread  one
 */
#ifndef TOOLS_DOCTOR_PLACE_H
#define TOOLS_DOCTOR_PLACE_H

#include "tools/doctor/model.h"

enum { DOCTOR_PLACE_MAX = 300 };

/* A field of the element in the chain file: "tls", or "" for all of it. "" when it is not written there. */
const char *doctor_place_of_element(const struct doctor_model *model, size_t element,
                                    const char *field, char *into, size_t size);

/* A key of kong.conf, as " (chain.yaml:4:20)"; " (persona f5)" when nobody says it. */
const char *doctor_place_of_setting(const struct doctor_model *model, const struct doctor_hop *hop,
                                    const char *key, char *into, size_t size);

/* The same of an entity's field: "services[0]", "read_timeout" (or "a.b.c"). `basis`: whose word it is
 * when nobody says it; NULL: the persona's. */
const char *doctor_place_of_entity(const struct doctor_model *model, const struct doctor_hop *hop,
                                   const char *entity, const char *field, const char *basis,
                                   char *into, size_t size);

/* Somebody wrote that field. */
bool doctor_entity_says(const struct doctor_model *model, const struct doctor_hop *hop,
                        const char *entity, const char *field);

#endif
