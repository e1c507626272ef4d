#include "tools/lab/case_stage.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/persona/persona.h"
#include "tools/cli/cli.h"

enum {
    PORT_FIRST = 20000,
    PORTS_PER_HOP = 1500,
    LISTENERS_PER_PROCESS = 200,
    WIRES_PER_PROCESS = 60,
    BATCHES_MAX = LAB_PROCESSES_MAX,
};

/* ---- addresses ----------------------------------------------------------------------------- */

static void wires_address(const struct lab_run *run, char *into, size_t size)
{
    snprintf(into, size, "127.0.%u.%d", run->place.block, CASE_WIRES_NUMBER);
}

/* The next one that is free there; 0: none. */
static uint16_t next_port(const char *address, unsigned *port)
{
    while (*port < UINT16_MAX)
        if (lab_place_port(address, (uint16_t)++ * port) != 0)
            return (uint16_t)*port;
    return 0;
}

static bool is_failing_target(const struct lab_case *one, size_t target)
{
    return target < one->targets && (!one->is_one || target == one->one);
}

/* Targets of the hop (or the client) that a case is about. */
static size_t targets_count(const struct chain *chain, const struct lab_case *one, size_t after)
{
    size_t count, next;

    if (after == CASE_CLIENT)
        return 1;
    next = chain_behind(chain, after, &count);
    if (chain->elements[next].kind == CHAIN_ORIGIN)
        return one->targets;
    return one->warm ? 1 : count;
}

static void choose_ports(struct case_plan *plan, const struct lab_run *run, size_t after)
{
    size_t first = case_plan_first_origin(plan->chain);
    unsigned wire_port = PORT_FIRST + (unsigned)after * PORTS_PER_HOP;
    unsigned origin_port[CHAIN_ELEMENTS_MAX];
    char address[64];

    for (size_t i = 0; i < CHAIN_ELEMENTS_MAX; i++)
        origin_port[i] = PORT_FIRST;
    wires_address(run, address, sizeof(address));
    for (size_t i = 0; i < plan->count; i++) {
        struct lab_case *one = &plan->cases[i];

        size_t count = one->words[0] ? targets_count(plan->chain, one, after) : one->targets;

        for (size_t k = 0; one->after == after && k < count; k++) {
            if (one->ports[k] != 0)
                continue; /* for an equal of that hop */
            if (one->words[0])
                one->ports[k] = next_port(address, &wire_port);
            else if (is_failing_target(one, k))
                one->ports[k] = next_port(run->places[first + k].address, &origin_port[k]);
        }
    }
}

/* Where the k-th target of a hop is, in this case. */
static struct chain_place target_place(const struct case_plan *plan, const struct lab_run *run,
                                       const struct lab_case *one, size_t hop, size_t k)
{
    bool is_failing = one->after == chain_first_equal(plan->chain, hop) && one->ports[k] != 0;
    size_t count, next = chain_behind(plan->chain, hop, &count);
    struct chain_place place;

    if (is_failing && !one->words[0])
        next = case_plan_first_origin(plan->chain); /* past a wire that stands before it */
    place = run->places[next + k];
    if (is_failing && one->words[0])
        wires_address(run, place.address, sizeof(place.address));
    if (is_failing)
        place.port = one->ports[k];
    return place;
}

struct chain_place case_stage_front(const struct lab_case *one, const struct lab_run *run)
{
    struct chain_place place = run->places[0];

    if (one && one->after == CASE_CLIENT && one->ports[0] != 0) {
        wires_address(run, place.address, sizeof(place.address));
        place.port = one->ports[0];
    }
    return place;
}

/* ---- entities ------------------------------------------------------------------------------ */

static json_t *targets_json(const struct case_plan *plan, const struct lab_run *run,
                            const struct lab_case *one, size_t hop)
{
    json_t *targets = json_array();

    for (size_t k = 0; k < targets_count(plan->chain, one, hop); k++) {
        struct chain_place place = target_place(plan, run, one, hop, k);

        json_array_append_new(
            targets, json_pack("{s:o}", "target",
                               json_sprintf(strchr(place.address, ':') ? "[%s]:%u" : "%s:%u",
                                            place.address, place.port)));
    }
    return targets;
}

static json_t *named(const json_t *list, const char *name)
{
    for (size_t i = 0; name && i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        const char *its = json_string_value(json_object_get(item, "name"));

        if (its && strcmp(its, name) == 0)
            return item;
    }
    return NULL;
}

/* What hopgate's own records say of the upstream holds for its copy. */
static void copy_records(json_t *declarative, const char *upstream, const char *name)
{
    const char *key;
    json_t *list;

    json_object_foreach(json_object_get(declarative, "hopgate"), key, list)
    {
        size_t count = json_array_size(list);

        for (size_t i = 0; upstream && i < count; i++) {
            const char *its =
                json_string_value(json_object_get(json_array_get(list, i), "upstream"));
            json_t *copy =
                its && strcmp(its, upstream) == 0 ? json_deep_copy(json_array_get(list, i)) : NULL;

            if (copy) {
                json_object_set_new(copy, "upstream", json_string(name));
                json_array_append_new(list, copy);
            }
        }
    }
}

static json_t *route_json(const json_t *pattern, const struct lab_case *one)
{
    static const char *const kept[] = { "preserve_host", "request_buffering", "response_buffering",
                                        "path_handling" };
    json_t *route =
        json_pack("{s:s, s:[s], s:b, s:{s:[s, o]}}", "name", one->name, "paths", "/", "strip_path",
                  0, "headers", CASE_FIELD, one->name, json_sprintf("%s-warm", one->name));

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (json_object_get(pattern, kept[i]))
            json_object_set(route, kept[i], json_object_get(pattern, kept[i]));
    return route;
}

/* The user's own routes match no request of a case. */
static void silence_routes(json_t *routes)
{
    size_t i;
    json_t *route;

    json_array_foreach(routes, i, route)
    {
        json_t *fields = json_object_get(route, "headers");

        if (json_object_get(route, "snis"))
            continue;
        if (!json_is_object(fields))
            json_object_set_new(route, "headers", fields = json_object());
        json_object_set_new(fields, CASE_FIELD, json_pack("[s]", "none"));
    }
}

/* The first service, made so that each case can have one like it. NULL: there is none. */
static json_t *make_pattern(json_t *declarative, json_t **ret_route)
{
    json_t *service = json_deep_copy(json_array_get(json_object_get(declarative, "services"), 0));
    static const char *const own[] = { "name", "id", "url", "routes", "tags" };

    *ret_route = json_deep_copy(json_array_get(json_object_get(service, "routes"), 0));
    for (size_t i = 0; service && i < sizeof(own) / sizeof(own[0]); i++)
        json_object_del(service, own[i]);
    return service;
}

static json_t *list_of(json_t *declarative, const char *key)
{
    json_t *list = json_object_get(declarative, key);

    if (!json_is_array(list))
        json_object_set_new(declarative, key, list = json_array());
    return list;
}

static void add_entities(const struct case_plan *plan, const struct lab_run *run, size_t element,
                         json_t *declarative)
{
    json_t *services = list_of(declarative, "services");
    json_t *upstreams = list_of(declarative, "upstreams"), *route;
    json_t *pattern = make_pattern(declarative, &route);
    const char *host = json_string_value(json_object_get(pattern, "host"));
    const json_t *upstream = named(upstreams, host);

    for (size_t i = 0; pattern && i < plan->count; i++) {
        const struct lab_case *one = &plan->cases[i];
        json_t *service = json_deep_copy(pattern);
        json_t *copy = upstream ? json_deep_copy(upstream) : json_object();

        json_object_set_new(service, "name", json_string(one->name));
        json_object_set_new(service, "host", json_string(one->name));
        json_object_set_new(service, "routes", json_pack("[o]", route_json(route, one)));
        json_object_del(copy, "id");
        json_object_set_new(copy, "name", json_string(one->name));
        json_object_set_new(copy, "targets", targets_json(plan, run, one, element));
        json_array_append_new(services, service);
        json_array_append_new(upstreams, copy);
        copy_records(declarative, upstream ? host : NULL, one->name);
    }
    json_decref(pattern);
    json_decref(route);
}

/* A hop of layer 4 sees no request, so that all it carries goes one way: that of the only case. */
static bool is_of_layer_4(const struct lab_run *run, size_t element)
{
    struct config_errors errors;
    struct persona *persona;
    bool is_tcp;

    config_errors_init(&errors); /* whoever reads the chain has told them */
    persona = persona_load(run->chain->elements[element].persona, &errors);
    is_tcp = persona && persona->client.layer == PERSONA_LAYER_TCP;
    persona_free(persona);
    config_errors_done(&errors);
    return is_tcp;
}

static void lead_all(const struct case_plan *plan, const struct lab_run *run, size_t element,
                     json_t *declarative)
{
    const struct lab_case *one = &plan->cases[0];
    json_t *service = json_array_get(json_object_get(declarative, "services"), 0);

    json_object_set_new(service, "host", json_string(one->name));
    json_array_append_new(list_of(declarative, "upstreams"),
                          json_pack("{s:s, s:o}", "name", one->name, "targets",
                                    targets_json(plan, run, one, element)));
}

void case_stage_amend(void *owner, const struct lab_run *run, size_t element, json_t *declarative)
{
    struct case_plan *plan = owner;
    size_t i;
    json_t *service;

    choose_ports(plan, run, chain_first_equal(plan->chain, element));
    if (plan->count == 1 && is_of_layer_4(run, element)) {
        lead_all(plan, run, element, declarative);
        return;
    }
    silence_routes(json_object_get(declarative, "routes"));
    json_array_foreach(json_object_get(declarative, "services"), i, service)
        silence_routes(json_object_get(service, "routes"));
    add_entities(plan, run, element, declarative);
}

/* ---- processes ----------------------------------------------------------------------------- */

/* Command line of one process that serves many cases. */
struct batch {
    struct command_line line;
    size_t entries;
};

static void batch_done(struct batch *batch)
{
    command_line_done(&batch->line);
    batch->entries = 0;
}

/* Names live as long as the lab's process. */
static const char *batch_name(size_t element, const char *kind)
{
    static char names[BATCHES_MAX][32];
    static size_t count;
    char *name = names[count % BATCHES_MAX];

    snprintf(name, sizeof(names[0]), "cases-%s%zu-%zu", kind, element, count++);
    return name;
}

static int flush(struct lab_run *run, struct batch *batch, const char *kind, size_t element)
{
    const char *name = batch_name(element, kind);
    int r = CLI_OK;

    if (batch->entries > 0) {
        command_line_add(&batch->line, "--time-scale");
        command_line_add(&batch->line, "%lld", (long long)run->chain->time_scale);
        command_line_add(&batch->line, "--seed");
        command_line_add(&batch->line, "%lld", (long long)run->chain->seed);
        command_line_add(&batch->line, "--log");
        command_line_add(&batch->line, "%s/%s/%s.log", run->place.folder, name, kind);
        r = lab_run_add(run, name, &batch->line);
    }
    batch_done(batch);
    return r;
}

static void begin_origin(struct lab_run *run, size_t i, struct batch *batch)
{
    const struct chain_element *element = &run->chain->elements[i];

    command_line_add(&batch->line, "origin");
    if (element->tls) {
        command_line_add(&batch->line, "--cert");
        command_line_add(&batch->line, "%s/%s/chain.pem", run->pki_folder, element->certificate);
        command_line_add(&batch->line, "--key");
        command_line_add(&batch->line, "%s/%s/key.pem", run->pki_folder, element->certificate);
        command_line_add(&batch->line, "--pki");
        command_line_add(&batch->line, "%s", run->pki_folder);
        command_line_add(&batch->line, "--tls-name");
        command_line_add(&batch->line, "%s", run->chain->pki_name);
    }
    if (element->tls && strcmp(element->verify_client, "off") != 0) {
        command_line_add(&batch->line, "--client-ca");
        command_line_add(&batch->line, "%s/ca.pem", run->pki_folder);
    }
    if (element->tls && strcmp(element->verify_client, "optional") == 0)
        command_line_add(&batch->line, "--client-optional");
}

/* A fault that ends: by a script, since it is the listener that counts. Negative: it cannot be written. */
static int write_script(const struct lab_run *run, const struct lab_case *one, char *into,
                        size_t size)
{
    json_t *script =
        json_pack("{s:[{s:i, s:s}]}", "rules", "times", (int)one->times, "fault", one->fault);
    char *text = script ? json_dumps(script, 0) : NULL, name[64];
    int r = -ENOMEM;

    snprintf(name, sizeof(name), "%s.json", one->name);
    snprintf(into, size, "%s/%s", run->place.folder, name);
    if (text)
        r = lab_place_write(run->place.folder, name, text);
    free(text);
    json_decref(script);
    return r;
}

static int add_listener(const struct lab_run *run, const struct lab_case *one, size_t target,
                        size_t element, struct batch *batch)
{
    const struct chain_element *origin = &run->chain->elements[element];
    char script[LAB_PATH_MAX + 80];

    if (one->times > 0 && write_script(run, one, script, sizeof(script)) < 0)
        return CLI_FAILED;
    command_line_add(&batch->line, "--listen");
    command_line_add(&batch->line, "%s:%u,name=%s,%s=%s%s", run->places[element].address,
                     one->ports[target], one->name, one->times > 0 ? "script" : "fault",
                     one->times > 0 ? script : one->fault, origin->tls ? ",tls" : "");
    batch->entries++;
    return CLI_OK;
}

static int start_origins(struct case_plan *plan, struct lab_run *run, size_t target)
{
    size_t element = case_plan_first_origin(plan->chain) + target;
    struct batch batch = { .entries = 0 };
    int r = CLI_OK;

    for (size_t i = 0; r == CLI_OK && i < plan->count; i++) {
        const struct lab_case *one = &plan->cases[i];

        if (one->words[0] || one->ports[target] == 0)
            continue;
        if (batch.entries == 0)
            begin_origin(run, element, &batch);
        r = add_listener(run, one, target, element, &batch);
        if (r == CLI_OK && batch.entries == LISTENERS_PER_PROCESS)
            r = flush(run, &batch, "origin", element);
    }
    return r == CLI_OK ? flush(run, &batch, "origin", element) : r;
}

static void add_wire(const struct case_plan *plan, struct lab_run *run, const struct lab_case *one,
                     size_t k, struct batch *batch)
{
    size_t count,
        next = one->after == CASE_CLIENT ? 0 : chain_behind(plan->chain, one->after, &count);
    const struct chain_place *to = &run->places[next + k];
    char address[64];

    wires_address(run, address, sizeof(address));
    if (batch->entries++ == 0)
        command_line_add(&batch->line, "wire");
    command_line_add(&batch->line, "--listen");
    command_line_add(&batch->line, "%s:%u", address, one->ports[k]);
    command_line_add(&batch->line, "--name");
    command_line_add(&batch->line, "%s-%zu", one->name, k);
    command_line_add(&batch->line, "--to");
    command_line_add(&batch->line, strchr(to->address, ':') ? "[%s]:%u" : "%s:%u", to->address,
                     to->port);
    if (!strchr(to->address, ':')) {
        command_line_add(&batch->line, "--bind");
        command_line_add(&batch->line, "%s", address);
    }
    command_line_add(&batch->line, "--fault");
    command_line_add(&batch->line, "%s", one->words);
}

static int start_wires(struct case_plan *plan, struct lab_run *run)
{
    struct batch batch = { .entries = 0 };
    int r = CLI_OK;

    for (size_t i = 0; r == CLI_OK && i < plan->count; i++) {
        const struct lab_case *one = &plan->cases[i];

        for (size_t k = 0; r == CLI_OK && one->words[0] && k < CHAIN_ELEMENTS_MAX; k++) {
            if (one->ports[k] == 0)
                continue;
            add_wire(plan, run, one, k, &batch);
            if (batch.entries == WIRES_PER_PROCESS)
                r = flush(run, &batch, "wire", 0);
        }
    }
    return r == CLI_OK ? flush(run, &batch, "wire", 0) : r;
}

int case_stage_start(struct case_plan *plan, struct lab_run *run)
{
    int r = CLI_OK;

    choose_ports(plan, run, CASE_CLIENT);
    for (size_t k = 0; r == CLI_OK && k < plan->chain->origins_count; k++)
        r = start_origins(plan, run, k);
    return r == CLI_OK ? start_wires(plan, run) : r;
}
