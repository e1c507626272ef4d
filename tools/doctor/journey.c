#include "tools/doctor/journey.h"

#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "lb/target.h"
#include "proxy/exchange/upstream_host.h"
#include "proxy/rewrite/rewrite.h"
#include "proxy/route/real_ip.h"
#include "proxy/route/route_protocol.h"
#include "proxy/route/router.h"
#include "proxy/route/uri.h"

struct doctor_journey {
    const struct doctor_model *model;
    struct chunk_pool *pool;
    struct arena arena;
    struct doctor_stop stops[CHAIN_ELEMENTS_MAX];
    size_t count;
};

/* ---- one hop ------------------------------------------------------------------------------- */

static bool set_peers(const struct doctor_journey *journey, const struct doctor_hop *hop,
                      struct exchange_record *record)
{
    /* whoever stands before it on the path, wires and hops of layer 4 too, opens the connection */
    const char *peer =
        hop->index > 0 ? journey->model->places[hop->index - 1].address : "127.0.0.1";

    return addr_parse(slice_of(peer), 40000, &record->client_peer) == 0 &&
           addr_parse(slice_of(hop->place.address), hop->place.port, &record->client_local) == 0;
}

static bool learn_client(struct doctor_journey *journey, struct doctor_stop *stop,
                         struct exchange_record *record)
{
    const struct settings *settings = stop->hop->settings;
    const struct real_ip_settings rules = { .field_name = slice_of(settings->real_ip_header),
                                            .recursive = settings->real_ip_recursive,
                                            .trusted = &settings->trusted_ips };
    struct real_ip client;

    if (real_ip_resolve(&rules, &record->client_peer, &stop->in.fields, &journey->arena, &client) <
        0)
        return false;
    record->client_ip = client.text;
    record->client_is_trusted = stop->front_is_trusted = client.peer_is_trusted;
    return true;
}

static bool find_route(struct doctor_journey *journey, struct doctor_stop *stop,
                       struct exchange_record *record)
{
    const struct doctor_hop *hop = stop->hop;
    SCOPED(router)
    router = router_create(hop->config, router_flavor_of(hop->settings->router_flavor));
    SCOPED(router_scratch) scratch = router_scratch_create();
    struct slice path = uri_normalise(&journey->arena, stop->in.path);
    const struct router_request wanted = {
        .method = stop->in.method_name,
        .host = stop->in.authority,
        .path = path,
        .port = hop->place.port,
        .fields = &stop->in.fields,
        .server_name = slice_of(record->tls ? record->tls->server_name : NULL),
        .over_tls = record->over_tls,
    };
    struct router_match match;
    struct uri_upstream uri;

    if (!router || !scratch || !path.ptr)
        return false;
    stop->refusal = END_NO_ROUTE;
    if (!router_match(router, &wanted, scratch, &match))
        return true;
    record->route = stop->route = match.route;
    record->service = stop->service = match.service;
    record->field_plan =
        field_plan_of_route(&hop->plans, (size_t)(match.route - hop->config->routes));
    stop->refusal = route_protocol_refusal(record);
    if (stop->refusal == END_OK && !match.service)
        stop->refusal = END_NO_SERVICE;
    uri = (struct uri_upstream){ .base = slice_of(match.service ? match.service->base_path : NULL),
                                 .path = path,
                                 .matched_prefix = match.matched_prefix,
                                 .query = stop->in.query,
                                 .strip_path = match.route->strip_path,
                                 .is_v1 = match.is_v1 };
    record->upstream_uri = stop->uri_out = uri_upstream_target(&journey->arena, &uri);
    return record->upstream_uri.ptr != NULL;
}

/* What the configuration calls the first target, and the address that the lab gives it. */
static bool make_target(struct doctor_journey *journey, const struct doctor_stop *stop,
                        struct target *ret)
{
    const struct config_service *service = stop->service;
    const struct chain_place *next = &journey->model->places[stop->hop->behind];
    struct slice name = arena_printf(&journey->arena, "%s:%u", service->host, service->port);

    memset(ret, 0, sizeof(*ret));
    if (service->upstream && service->upstream->targets_count > 0)
        name = arena_copy(&journey->arena, slice_of(service->upstream->targets[0].target));
    ret->name = (char *)name.ptr;
    return ret->name && addr_parse(slice_of(next->address), next->port, &ret->address) == 0;
}

/* As exchange_try: the Host sent, or what the configuration calls the target. */
static const char *server_name_of(struct doctor_journey *journey, const struct doctor_stop *stop,
                                  const struct target *target)
{
    const struct config_upstream *upstream = stop->service->upstream;
    struct slice host = stop->host_out, name = slice_of(target->name), port;
    struct sockaddr_storage address;

    if (upstream && upstream->host_header)
        name = slice_of(upstream->host_header);
    (void)addr_split_host_port(name, &name, &port);
    if (stop->hop->persona->upstream.tls_name == PERSONA_TLS_NAME_TARGET &&
        addr_parse_ip(name, 0, &address) < 0)
        host = name;
    (void)addr_split_host_port(host, &host, &port);
    return arena_copy(&journey->arena, host).ptr;
}

static bool send_on(struct doctor_journey *journey, struct doctor_stop *stop,
                    struct exchange_record *record)
{
    const struct rewrite_framing framing = { .framing = HTTP_FRAMING_NONE, .keep_alive = true };
    struct target target;

    if (!make_target(journey, stop, &target))
        return false;
    record->upstream_host = stop->host_out = upstream_host(record, &target, &journey->arena);
    stop->server_name = server_name_of(journey, stop, &target);
    fields_init(&stop->out, &journey->arena);
    return stop->host_out.ptr && stop->server_name &&
           rewrite_request(record, &framing, &stop->out) == 0;
}

static bool pass(struct doctor_journey *journey, struct doctor_stop *stop, const char *server_name)
{
    const struct doctor_hop *hop = stop->hop;
    struct tls_session_info tls = { .server_name = server_name };
    struct exchange_record record = { .persona = hop->persona,
                                      .hop_name = slice_of(hop->element->name),
                                      .request = &stop->in,
                                      .listener_port = hop->place.port,
                                      .over_tls = hop->element->tls,
                                      .tls = hop->element->tls ? &tls : NULL,
                                      .field_plan = hop->plans.of_hop };

    memcpy(record.request_id, "00000000000000000000000000000000", sizeof(record.request_id));
    if (!set_peers(journey, hop, &record) || !learn_client(journey, stop, &record) ||
        !find_route(journey, stop, &record))
        return false;
    return stop->refusal != END_OK || send_on(journey, stop, &record);
}

/* ---- all of them --------------------------------------------------------------------------- */

static void fill_head(struct http_head *head, struct slice path)
{
    head->version_major = head->version_minor = 1;
    head->method = HTTP_METHOD_GET;
    head->method_name = SLICE("GET");
    head->path = head->request_target = path;
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] == '?') {
            head->path.len = i;
            head->query = slice_from(path, i + 1);
            break;
        }
    head->request_line = SLICE("GET / HTTP/1.1");
    if (fields_find(&head->fields, FIELD_HOST))
        head->authority = fields_find(&head->fields, FIELD_HOST)->value;
}

/* What `lab run` sends, see case_play. */
static bool begin(struct doctor_journey *journey, struct http_head *head)
{
    const struct doctor_model *model = journey->model;
    const struct chain_client *client = &model->chain->client;
    struct slice authority = arena_printf(
        &journey->arena, "%s:%u", model->places[0].tls ? client->host : model->places[0].address,
        model->places[0].port);

    memset(head, 0, sizeof(*head));
    fields_init(&head->fields, &journey->arena);
    if (!authority.ptr || fields_add(&head->fields, SLICE("Host"), authority) < 0 ||
        fields_add(&head->fields, SLICE("User-Agent"), SLICE("hopgate-probe")) < 0 ||
        fields_add(&head->fields, SLICE("Accept"), SLICE("*/*")) < 0 ||
        fields_add(&head->fields, SLICE("Connection"), SLICE("close")) < 0)
        return false;
    fill_head(head, slice_of(client->path));
    return true;
}

static bool travel(struct doctor_journey *journey)
{
    const char *server_name = journey->model->chain->client.host;
    const struct doctor_hop *hop = doctor_hop_behind(journey->model, NULL);
    struct http_head head;

    if (!begin(journey, &head))
        return false;
    for (; hop; hop = doctor_hop_behind(journey->model, hop)) {
        struct doctor_stop *stop = &journey->stops[journey->count++];

        *stop = (struct doctor_stop){ .hop = hop, .in = head };
        if (!pass(journey, stop, server_name))
            return false;
        if (stop->refusal != END_OK)
            return true;
        server_name = stop->server_name;
        memset(&head, 0, sizeof(head));
        head.fields = stop->out;
        fill_head(&head, stop->uri_out);
    }
    return true;
}

struct doctor_journey *doctor_journey_create(const struct doctor_model *model)
{
    SCOPED(doctor_journey) journey = calloc(1, sizeof(*journey));

    if (!journey)
        return NULL;
    journey->model = model;
    journey->pool = chunk_pool_create(0);
    if (!journey->pool)
        return NULL;
    arena_init(&journey->arena, journey->pool, 0);
    return travel(journey) ? TAKE(journey) : NULL;
}

void doctor_journey_free(struct doctor_journey *journey)
{
    if (!journey)
        return;
    if (journey->pool) {
        arena_done(&journey->arena);
        chunk_pool_free(journey->pool);
    }
    free(journey);
}

const struct doctor_stop *doctor_journey_at(const struct doctor_journey *journey,
                                            const struct doctor_hop *hop)
{
    for (size_t i = 0; i < journey->count; i++)
        if (journey->stops[i].hop == hop)
            return &journey->stops[i];
    return NULL;
}

uint64_t doctor_fields_bytes(const struct fields *fields)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < fields->count; i++)
        bytes += fields->items[i].name.len + fields->items[i].value.len + strlen(": \r\n");
    return bytes;
}
