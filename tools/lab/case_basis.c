#include "tools/lab/case_basis.h"

#include <string.h>

#include "proxy/persona/persona_basis.h"

static struct persona *load_quietly(const struct chain_element *hop)
{
    struct config_errors errors;
    struct persona *persona;

    config_errors_init(&errors); /* the chain was refused if there are any */
    persona = persona_load(hop->persona, &errors);
    config_errors_done(&errors);
    if (persona)
        persona_set_lab(persona, true); /* as the hops of a lab are run */
    return persona;
}

static void add_to_hop(const struct persona *persona, json_t *hop, json_t *one)
{
    const char *culprit = json_string_value(json_object_get(one, "culprit"));
    const char *reason = json_string_value(json_object_get(hop, "reason"));
    bool was_proxied = json_integer_value(json_object_get(hop, "tries")) > 0;
    enum end_reason end = end_reason_of(reason ? reason : "");
    enum persona_basis basis;

    if (end == END_REASON_COUNT || end == END_OK)
        return;
    basis = persona_answer(persona, end, was_proxied, false).basis;
    json_object_set_new(hop, "basis", json_string(persona_basis_name(basis)));
    if (culprit && strcmp(culprit, json_string_value(json_object_get(hop, "hop"))) == 0)
        json_object_set_new(one, "basis", json_string(persona_basis_name(basis)));
}

static void add_to_case(const struct chain_element *element, const struct persona *persona,
                        json_t *one)
{
    size_t i;
    json_t *hop;

    if (!json_object_get(one, "basis"))
        json_object_set_new(one, "basis", json_null());
    json_array_foreach(json_object_get(one, "hops"), i, hop)
    {
        const char *name = json_string_value(json_object_get(hop, "hop"));

        if (name && strcmp(name, element->name) == 0)
            add_to_hop(persona, hop, one);
    }
}

void case_basis_add(const struct chain *chain, json_t *cases)
{
    for (size_t i = 0; i < chain->count; i++) {
        SCOPED(persona)
        persona = chain->elements[i].kind == CHAIN_HOP ? load_quietly(&chain->elements[i]) : NULL;
        size_t k;
        json_t *one;

        if (persona)
            json_array_foreach(cases, k, one) add_to_case(&chain->elements[i], persona, one);
    }
}

json_t *case_basis_list(const struct chain *chain)
{
    json_t *list = json_array();

    for (size_t i = 0; i < chain->count; i++) {
        SCOPED(persona)
        persona = chain->elements[i].kind == CHAIN_HOP ? load_quietly(&chain->elements[i]) : NULL;
        struct persona_basis_counts counts;

        if (!persona)
            continue;
        counts = persona_count_basis(persona);
        json_array_append_new(
            list, json_sprintf("%s is %s: of what its persona says %u rules are measured, %u "
                               "documented, %u assumed",
                               chain->elements[i].name, chain->elements[i].persona,
                               counts.of[PERSONA_MEASURED], counts.of[PERSONA_DOCUMENTED],
                               counts.of[PERSONA_ASSUMED]));
    }
    return list;
}
