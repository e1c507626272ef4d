/*
 * Kong's own cases (tests/data/router-vectors.json: specs and code of Kong, each with its source) in
 * every flavour that they hold for: the route, what goes upstream, and how the hop answers itself.
 */
#include <jansson.h>

#include "lb/target.h"
#include "proxy/exchange/upstream_host.h"
#include "proxy/persona/template.h"
#include "proxy/report/error_page.h"
#include "proxy/report/text.h"
#include "proxy/rewrite/rewrite.h"
#include "proxy/route/route_protocol.h"
#include "proxy/route/router.h"
#include "proxy/route/uri.h"
#include "tests/unit/proxy/fixture.h"

enum { CASES_MIN = 703 }; /* 380 cases, most of them in two flavours */

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* ---- a case's configuration ---- */

static struct config_strings strings_of(const json_t *array, struct arena *arena)
{
    struct config_strings strings = { .count = json_array_size(array) };

    strings.items = arena_alloc(arena, (strings.count + 1) * sizeof(*strings.items));
    for (size_t i = 0; i < strings.count; i++)
        strings.items[i] = (char *)json_string_value(json_array_get(array, i));
    return strings;
}

/* "traditional" makes methods upper case; no route comes this far with another one, since the schema
 * (Kong's, too) refuses it. Only a case made by running Kong's router alone has such a route. */
static struct config_strings methods_of(const json_t *array, bool is_traditional,
                                        struct arena *arena)
{
    struct config_strings methods = strings_of(array, arena);

    for (size_t i = 0; is_traditional && i < methods.count; i++) {
        methods.items[i] = (char *)arena_copy(arena, slice_of(methods.items[i])).ptr;
        for (char *c = methods.items[i]; *c; c++)
            *c = *c >= 'a' && *c <= 'z' ? (char)(*c & ~0x20) : *c;
    }
    return methods;
}

static unsigned protocols_of(const json_t *array)
{
    unsigned protocols = 0;
    size_t i;
    json_t *item;

    json_array_foreach(array, i, item) protocols |= strcmp(json_string_value(item), "https") == 0
                                                        ? CONFIG_PROTOCOL_HTTPS
                                                        : CONFIG_PROTOCOL_HTTP;
    return protocols;
}

static void add_headers(struct config_route *route, const json_t *headers, struct arena *arena)
{
    const char *name;
    json_t *values;

    route->headers = arena_alloc(arena, (json_object_size(headers) + 1) * sizeof(*route->headers));
    json_object_foreach((json_t *)headers, name, values)
    {
        route->headers[route->headers_count++] =
            (struct config_route_header){ (char *)name, strings_of(values, arena) };
    }
}

static struct config_service service_of(const json_t *json)
{
    const char *protocol = text_of(json, "protocol");

    return (struct config_service){
        .protocol = protocol && strcmp(protocol, "https") == 0 ? CONFIG_PROTOCOL_HTTPS
                                                               : CONFIG_PROTOCOL_HTTP,
        .host = (char *)text_of(json, "host"),
        .port = (uint16_t)json_integer_value(json_object_get(json, "port")),
        .base_path = (char *)text_of(json, "path"),
        .enabled = !json_is_false(json_object_get(json, "enabled")),
    };
}

static struct config config_of(const json_t *routes, bool is_traditional, struct arena *arena)
{
    struct config config = { .routes_count = json_array_size(routes) };

    config.routes = arena_alloc(arena, (config.routes_count + 1) * sizeof(*config.routes));
    config.services = arena_alloc(arena, (config.routes_count + 1) * sizeof(*config.services));
    for (size_t i = 0; i < config.routes_count; i++) {
        const json_t *from = json_array_get(routes, i), *service = json_object_get(from, "service");

        config.services[i] = service_of(service);
        config.routes[i] = (struct config_route){
            .id = (char *)text_of(from, "id"),
            .name = (char *)text_of(from, "name"),
            .protocols = protocols_of(json_object_get(from, "protocols")),
            .methods = methods_of(json_object_get(from, "methods"), is_traditional, arena),
            .hosts = strings_of(json_object_get(from, "hosts"), arena),
            .paths = strings_of(json_object_get(from, "paths"), arena),
            .snis = strings_of(json_object_get(from, "snis"), arena),
            .strip_path = json_is_true(json_object_get(from, "strip_path")),
            .preserve_host = json_is_true(json_object_get(from, "preserve_host")),
            .path_handling = (char *)text_of(from, "path_handling"),
            .regex_priority = (int)json_integer_value(json_object_get(from, "regex_priority")),
            .https_redirect_status_code =
                (unsigned)json_integer_value(json_object_get(from, "https_redirect_status_code")),
            .created_at_ms =
                1000 * (uint64_t)json_integer_value(json_object_get(from, "created_at")),
            .service = json_is_object(service) ? &config.services[i] : NULL,
        };
        add_headers(&config.routes[i], json_object_get(from, "headers"), arena);
    }
    return config;
}

/* ---- a case's request ---- */

struct sent {
    struct exchange_fixture *x;
    const json_t *vector;
    const char *flavor;
    struct slice path; /* normalised */
    bool https;
};

static void add_field(struct fields *fields, const char *name, const json_t *value)
{
    CHECK_INT(fields_add(fields, slice_of(name), slice_of(json_string_value(value))), 0);
}

static void read_request(struct sent *sent)
{
    const json_t *request = json_object_get(sent->vector, "request");
    const char *raw = text_of(request, "path"), *mark = strchr(raw + 1, '?'), *name;
    struct http_head *head = &sent->x->request;
    json_t *value;

    *head = (struct http_head){ .version_major = 1,
                                .version_minor = 1,
                                .method_name = slice_of(text_of(request, "method")),
                                .authority = slice_of(text_of(request, "host")),
                                .path = { raw, mark ? (size_t)(mark - raw) : strlen(raw) } };
    if (mark)
        head->query = slice_of(mark + 1);
    fields_init(&head->fields, &sent->x->arena);
    json_object_foreach(json_object_get(request, "headers"), name, value)
    {
        if (!json_is_array(value))
            add_field(&head->fields, name, value);
        for (size_t i = 0; i < json_array_size(value); i++)
            add_field(&head->fields, name, json_array_get(value, i));
    }
    sent->https = strcmp(text_of(request, "scheme"), "https") == 0;
    sent->path = uri_normalise(&sent->x->arena, head->path);
}

/* ---- what is expected ---- */

static void fail_case(const struct sent *sent, const char *what, const char *got, const char *want)
{
    fail_msg("%s (%s): %s is \"%s\", want \"%s\"", text_of(sent->vector, "id"), sent->flavor, what,
             got ? got : "none", want ? want : "none");
}

static void check_text(const struct sent *sent, const char *what, struct slice got)
{
    const char *want = text_of(json_object_get(sent->vector, "expect"), what);
    struct slice copy = arena_printf(&sent->x->arena, "%.*s", SLICE_ARG(got));

    if (want && !slice_equal(got, slice_of(want)))
        fail_case(sent, what, copy.ptr, want);
}

static void check_sent(const struct sent *sent, const struct router_match *found)
{
    struct exchange_record *record = &sent->x->record;
    struct target target = { 0 };
    struct slice name =
        arena_printf(&sent->x->arena, "%s:%u", found->service->host, found->service->port);

    target.name = (char *)name.ptr;
    target.address = fixture_addr(found->service->port == 443 ? "10.0.0.1:443" : "10.0.0.1:80");
    check_text(sent, "upstream_uri",
               uri_upstream_target(&sent->x->arena, &(struct uri_upstream){
                                                        .base = slice_of(found->service->base_path),
                                                        .path = sent->path,
                                                        .matched_prefix = found->matched_prefix,
                                                        .query = sent->x->request.query,
                                                        .strip_path = found->route->strip_path,
                                                        .is_v1 = found->is_v1,
                                                    }));
    check_text(sent, "host_header", upstream_host(record, &target, &sent->x->arena));
}

static void check_location(const struct sent *sent)
{
    const json_t *want = json_object_get(json_object_get(sent->vector, "expect"), "location");
    struct arena *arena = &sent->x->arena;
    struct error_page page;
    struct fields fields;
    const struct field *location;

    CHECK_INT(error_page_make(&sent->x->record, arena, &page), 0);
    fields_init(&fields, arena);
    CHECK_INT(rewrite_error_page(&sent->x->record, &page,
                                 &(struct rewrite_framing){ .framing = HTTP_FRAMING_LENGTH },
                                 &fields),
              0);
    location = fields_find_name(&fields, SLICE("Location"));
    sent->x->record.status = (uint16_t)page.answer.status;
    if (!location != !json_is_string(want))
        fail_case(sent, "location", location ? "there" : NULL, json_string_value(want));
    if (location)
        check_text(sent, "location", location->value);
}

static void check_answer(const struct sent *sent, enum end_reason reason)
{
    const json_t *want = json_object_get(json_object_get(sent->vector, "expect"), "status");
    struct exchange_record *record = &sent->x->record;
    char got[16];

    record->reason = reason;
    record->status = 0;
    if (reason != END_OK)
        check_location(sent);
    snprintf(got, sizeof(got), "%u", record->status);
    if (record->status != (unsigned)json_integer_value(want))
        fail_case(sent, "status", got, "see the case");
}

static void check_case(struct exchange_fixture *x, const json_t *vector, const char *flavor)
{
    const char *want = text_of(json_object_get(vector, "expect"), "route");
    const json_t *request = json_object_get(vector, "request");
    enum router_flavor kind = router_flavor_of(flavor);
    struct config config =
        config_of(json_object_get(vector, "routes"), kind == ROUTER_TRADITIONAL, &x->arena);
    SCOPED(router) router = router_create(&config, kind);
    SCOPED(router_scratch) scratch = router_scratch_create();
    struct sent sent = { .x = x, .vector = vector, .flavor = flavor };
    struct router_match found = { 0 };
    struct router_request asked;
    enum end_reason reason = END_NO_ROUTE;
    bool matched;

    read_request(&sent);
    asked = (struct router_request){ .method = x->request.method_name,
                                     .host = x->request.authority,
                                     .path = sent.path,
                                     .fields = &x->request.fields,
                                     .server_name = slice_of(text_of(request, "sni")),
                                     .port = sent.https ? 443 : 80,
                                     .over_tls = sent.https };
    matched = router_match(router, &asked, scratch, &found);
    if (matched != (want != NULL) || (matched && strcmp(found.route->name, want) != 0))
        fail_case(&sent, "route", matched ? found.route->name : NULL, want);
    x->record.route = found.route;
    x->record.service = found.service;
    x->record.over_tls = sent.https;
    if (matched)
        reason = route_protocol_refusal(&x->record);
    if (reason == END_OK && !found.service)
        reason = END_NO_SERVICE;
    if (reason == END_OK)
        check_sent(&sent, &found);
    check_answer(&sent, reason);
}

TEST(kongs_own_cases_hold)
{
    json_t *vectors = json_load_file(HOPGATE_SOURCE_DIR "/tests/data/router-vectors.json", 0, NULL);
    struct exchange_fixture x;
    unsigned run = 0;
    size_t i, k;
    json_t *vector, *flavor;

    CHECK(vectors);
    exchange_fixture_init(&x, "kong", "");
    json_array_foreach(vectors, i, vector)
    {
        json_array_foreach(json_object_get(vector, "flavors"), k, flavor)
        {
            check_case(&x, vector, json_string_value(flavor));
            arena_done(&x.arena);
            arena_init(&x.arena, x.pool, 0);
            run++;
        }
    }
    exchange_fixture_done(&x);
    CHECK(run >= CASES_MIN);
    json_decref(vectors);
}

TESTS(TEST_CASE(kongs_own_cases_hold))
