#include "tools/lab/case_entities.h"

#include <string.h>

#include "proxy/persona/persona.h"
#include "tools/lab/case_place.h"

static json_t *targets_json(const struct case_plan *plan, const struct lab_run *run,
                            const struct lab_case *one, size_t hop)
{
    json_t *targets = json_array();

    for (size_t k = 0; k < case_targets_count(plan->chain, one, hop); k++) {
        struct chain_place place = case_place_of_target(plan, run, one, hop, k);

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

/* Nothing of HTTP is seen: the case is known by the port that its connections come to. */
static json_t *stream_route_json(const json_t *pattern, const struct lab_case *one, uint16_t port)
{
    json_t *names = json_deep_copy(json_object_get(pattern, "snis"));

    if (!json_is_array(names)) {
        json_decref(names);
        return json_pack("{s:s, s:[s], s:[{s:i}]}", "name", one->name, "protocols", "tcp",
                         "destinations", "port", (int)port);
    }
    json_array_append_new(names, json_string(one->name)); /* as a hop that keeps no Host says it */
    return json_pack("{s:s, s:[s], s:o, s:[{s:i}]}", "name", one->name, "protocols",
                     "tls_passthrough", "snis", names, "destinations", "port", (int)port);
}

static void make_stream_service(json_t *service)
{
    static const char *const of_http[] = { "path", "client_certificate", "tls_verify",
                                           "tls_verify_depth", "ca_certificates" };

    json_object_set_new(service, "protocol", json_string("tcp"));
    for (size_t i = 0; i < sizeof(of_http) / sizeof(of_http[0]); i++)
        json_object_del(service, of_http[i]);
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
        uint16_t door = one->doors[chain_first_equal(plan->chain, element)];
        json_t *service = json_deep_copy(pattern);
        json_t *copy = upstream ? json_deep_copy(upstream) : json_object();

        json_object_set_new(service, "name", json_string(one->name));
        json_object_set_new(service, "host", json_string(one->name));
        json_object_set_new(service, "routes",
                            json_pack("[o]", door != 0 ? stream_route_json(route, one, door)
                                                       : route_json(route, one)));
        if (door != 0)
            make_stream_service(service);
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

/* ---- hops that see no requests -------------------------------------------------------------- */

static bool is_of_layer_4(const struct chain_element *hop)
{
    struct config_errors errors;
    struct persona *persona;
    bool is_tcp;

    config_errors_init(&errors); /* whoever reads the chain has told them */
    persona = persona_load(hop->persona, &errors);
    is_tcp = persona && persona->client.layer == PERSONA_LAYER_TCP;
    persona_free(persona);
    config_errors_done(&errors);
    return is_tcp;
}

static void list_doors(const struct case_plan *plan, size_t hop, json_t *ports)
{
    size_t first = chain_first_equal(plan->chain, hop);

    for (size_t i = 0; i < plan->count; i++)
        json_array_append_new(ports, json_integer(plan->cases[i].doors[first]));
}

/* ---- public --------------------------------------------------------------------------------- */

void case_entities_amend(void *owner, const struct lab_run *run, size_t element,
                         json_t *declarative, json_t *ports)
{
    struct case_plan *plan = owner;
    size_t i;
    json_t *service;

    case_place_choose(plan, run, chain_first_equal(plan->chain, element));
    if (is_of_layer_4(&plan->chain->elements[element]) || chain_config_leads_tls(declarative)) {
        case_place_choose_doors(plan, run, element);
        list_doors(plan, element, ports);
    } else {
        silence_routes(json_object_get(declarative, "routes"));
        json_array_foreach(json_object_get(declarative, "services"), i, service)
            silence_routes(json_object_get(service, "routes"));
    }
    add_entities(plan, run, element, declarative);
}
