#include "tools/doctor/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/persona/persona_settings.h"
#include "proxy/snapshot/persona_defaults.h"
#include "tools/lab/lab_run.h"
#include "tools/wire/wire_fault.h"

/* Names of what is made here, and is in no file. */
#define MADE_CONF     "kong.conf"
#define MADE_ENTITIES "kong.json"

struct loading {
    struct doctor_model *model;
    struct config_errors *errors;
};

/* ---- what a hop is started with ------------------------------------------------------------ */

/* The lab's first block: what counts is that each part has an address of its own. */
static void choose_places(struct doctor_model *model)
{
    for (size_t i = model->chain->count; i > 0; i--) {
        const struct chain_element *element = &model->chain->elements[i - 1];
        struct chain_place *place = &model->places[i - 1];

        snprintf(place->address, sizeof(place->address), "127.0.1.%zu", 10 * i);
        place->port = lab_run_usual_port(element);
        place->tls = element->kind == CHAIN_WIRE ? model->places[i].tls : element->tls;
    }
}

/* No certificate is made for an analysis: what the lab would add of them is added to what was read. */
static struct chain_element without_certificates(const struct chain_element *element)
{
    struct chain_element copy = *element;

    copy.verify_upstream = false;
    copy.client_certificate = NULL;
    return copy;
}

/* NULL: not one of the user's. Of entities the file is known; lines are those of what was made of it. */
static const char *users_file(const struct doctor_hop *hop, const char *file)
{
    if (!file || strcmp(file, MADE_CONF) == 0)
        return NULL;
    return strcmp(file, MADE_ENTITIES) == 0 ? hop->element->config : file;
}

/* Errors of texts that were made here name the hop: their lines mean nothing to anybody. A file of the
 * user's keeps its name. */
static void take_errors(const struct loading *loading, const struct doctor_hop *hop,
                        struct config_errors *found)
{
    for (size_t i = 0; i < found->count; i++) {
        const struct config_error *error = &found->items[i];
        const char *file = users_file(hop, error->place.file);
        bool has_line = file && file == error->place.file;
        struct config_place place = { file ? file : loading->model->chain->document->file,
                                      has_line ? error->place.line : 0,
                                      has_line ? error->place.column : 0, error->place.path };

        if (error->severity == CONFIG_ERROR)
            config_errors_add(loading->errors, CONFIG_ERROR, place, "hop %s: %s",
                              hop->element->name, error->message);
    }
}

static int load_settings(const struct chain_config_context *context, struct doctor_hop *hop,
                         struct config_errors *errors)
{
    char *text = chain_config_kong_conf(context);
    int r = text ? settings_load_text(slice_of(text), MADE_CONF, NULL, &hop->settings, errors)
                 : -ENOMEM;

    free(text);
    return r;
}

static int load_config(const struct chain_config_context *context, struct doctor_hop *hop,
                       struct config_errors *errors)
{
    json_t *notes = json_array();
    json_t *root = notes ? chain_config_declarative(context, notes, errors) : NULL;
    char *text = root ? json_dumps(root, 0) : NULL;
    int r = -EINVAL;

    if (text)
        r = config_load_text(slice_of(text), MADE_ENTITIES, &hop->config, errors);
    else if (errors->errors_count == 0)
        r = -ENOMEM;
    free(text);
    json_decref(root);
    json_decref(notes);
    return r;
}

static int load_persona(struct doctor_hop *hop, struct config_errors *errors)
{
    hop->persona = persona_load(hop->settings->hopgate_persona, errors);
    if (!hop->persona)
        return -EINVAL;
    persona_set_lab(hop->persona, hop->settings->hopgate_lab);
    persona_apply_settings(hop->persona, hop->settings);
    persona_defaults_fill_in(hop->persona, hop->config);
    hop->is_tcp = hop->persona->client.layer == PERSONA_LAYER_TCP;
    return field_plans_compile(hop->settings, hop->config, hop->persona, &hop->plans, errors);
}

static int load_hop(const struct loading *loading, struct doctor_hop *hop)
{
    struct doctor_model *model = loading->model;
    struct chain_element element = without_certificates(hop->element);
    size_t next = hop->behind = chain_behind(model->chain, hop->index, &hop->behind_count);
    struct chain_config_context context = { .chain = &model->stated,
                                            .element = &element,
                                            .prefix = "/tmp",
                                            .here = model->places[hop->index],
                                            .next = { &model->places[next], hop->behind_count } };
    struct config_errors found;
    int r;

    config_errors_init(&found);
    r = load_settings(&context, hop, &found);
    if (r == 0)
        r = load_config(&context, hop, &found);
    if (r == 0)
        r = load_persona(hop, &found);
    take_errors(loading, hop, &found);
    config_errors_done(&found);
    if (r < 0)
        return r;
    for (size_t i = 0; i < hop->config->services_count; i++)
        if (hop->element->verify_upstream && model->places[next].tls)
            hop->config->services[i].tls_verify = 1;
    hop->service = hop->config->services_count > 0 ? &hop->config->services[0] : NULL;
    for (size_t i = 0; i < hop->config->routes_count && !hop->route; i++)
        if (hop->config->routes[i].service == hop->service)
            hop->route = &hop->config->routes[i];
    return 0;
}

/* ---- what lies between --------------------------------------------------------------------- */

static void forget_after(struct doctor_hop *hop, const struct doctor_forgetter *other)
{
    if (other->idle_ms > 0 && (!hop->forgetter.name || other->idle_ms < hop->forgetter.idle_ms))
        hop->forgetter = *other;
}

static void look_at_fault(const struct doctor_model *model, size_t i, const json_t *fault,
                          struct doctor_hop *hop)
{
    const char *kind = json_string_value(json_object_get(fault, "kind"));
    const char *then = json_string_value(json_object_get(fault, "then"));
    const struct doctor_forgetter one = {
        .name = model->chain->elements[i].name,
        .idle_ms = (uint64_t)json_integer_value(json_object_get(fault, "ms")),
        .resets = then && strcmp(then, "reset") == 0,
        .element = i,
    };

    if (kind && strcmp(kind, wire_fault_kind_name(FAULT_IDLE)) == 0)
        forget_after(hop, &one);
}

/* One fault in the place of a list is fine, see wire_fault.h. */
static void look_at_wire(const struct doctor_model *model, size_t i, struct doctor_hop *hop)
{
    const json_t *faults = model->chain->elements[i].faults, *fault;
    size_t k;

    if (json_is_object(faults))
        look_at_fault(model, i, faults, hop);
    json_array_foreach(faults, k, fault) look_at_fault(model, i, fault, hop);
}

static void look_at_way(struct doctor_model *model, struct doctor_hop *hop)
{
    size_t count, i = hop->behind;

    for (; model->chain->elements[i].kind != CHAIN_ORIGIN;
         i = chain_behind(model->chain, i, &count)) {
        const struct doctor_hop *other = doctor_hop_at(model, i);

        if (other && !other->is_tcp)
            break;
        if (other && other->service)
            forget_after(hop, &(struct doctor_forgetter){
                                  other->element->name, other->service->read_timeout_ms, true, i });
        else if (!other)
            look_at_wire(model, i, hop);
    }
    hop->next = i;
}

/* ---- public -------------------------------------------------------------------------------- */

int doctor_model_create(const struct chain *chain, struct doctor_model **ret,
                        struct config_errors *errors)
{
    SCOPED(doctor_model) model = calloc(1, sizeof(*model));
    const struct loading loading = { model, errors };
    int r = 0;

    if (!model)
        return -ENOMEM;
    model->chain = chain;
    model->stated = *chain;
    model->stated.time_scale = 1;
    choose_places(model);
    for (size_t i = 0; i < chain->count; i++) {
        struct doctor_hop *hop = &model->hops[model->count];
        int failed;

        if (chain->elements[i].kind != CHAIN_HOP || chain_first_equal(chain, i) != i)
            continue; /* of equal hops one stands for all */
        *hop = (struct doctor_hop){ .element = &chain->elements[i],
                                    .index = i,
                                    .place = model->places[i] };
        model->count++;
        failed = load_hop(&loading, hop);
        r = r == 0 || failed == -ENOMEM ? failed : r;
    }
    if (r < 0)
        return r;
    for (size_t i = 0; i < model->count; i++)
        look_at_way(model, &model->hops[i]);
    *ret = TAKE(model);
    return 0;
}

void doctor_model_free(struct doctor_model *model)
{
    for (size_t i = 0; model && i < model->count; i++) {
        settings_free(model->hops[i].settings);
        config_free(model->hops[i].config);
        persona_free(model->hops[i].persona);
    }
    free(model);
}

const struct doctor_hop *doctor_hop_at(const struct doctor_model *model, size_t element)
{
    for (size_t i = 0; i < model->count; i++)
        if (model->hops[i].index == element)
            return &model->hops[i];
    return NULL;
}

const struct doctor_hop *doctor_hop_behind(const struct doctor_model *model,
                                           const struct doctor_hop *hop)
{
    for (size_t i = 0; i < model->count; i++)
        if (!model->hops[i].is_tcp && (!hop || model->hops[i].index > hop->index))
            return &model->hops[i];
    return NULL;
}

const struct doctor_hop *doctor_hop_before(const struct doctor_model *model,
                                           const struct doctor_hop *hop)
{
    for (size_t i = model->count; i > 0; i--)
        if (!model->hops[i - 1].is_tcp && model->hops[i - 1].index < hop->index)
            return &model->hops[i - 1];
    return NULL;
}

const char *doctor_next_name(const struct doctor_model *model, const struct doctor_hop *hop)
{
    const struct chain_element *next = &model->chain->elements[hop->next];

    return next->kind == CHAIN_ORIGIN && model->chain->origins_count > 1 ? "the origins"
                                                                         : next->name;
}

const char *doctor_way_name(const struct doctor_model *model, const struct doctor_hop *hop,
                            char *into, size_t size)
{
    const struct chain_element *next = &model->chain->elements[hop->behind];

    if (next->kind == CHAIN_WIRE)
        snprintf(into, size, "%s", next->name);
    else
        snprintf(into, size, "%s-%s", chain_group_name(hop->element),
                 next->kind == CHAIN_ORIGIN && model->chain->origins_count > 1
                     ? "origins"
                     : chain_group_name(next));
    return into;
}
