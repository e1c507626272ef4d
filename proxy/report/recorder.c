#include "proxy/report/recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/entity_times.h"
#include "proxy/persona/persona.h"
#include "proxy/persona/persona_times.h"
#include "proxy/report/secrets.h"

/* An entry that is being put together in the recorder's scratch. */
struct writer {
    struct recorded_exchange *entry;
    char *bytes; /* the entry's */
    size_t used;
};

_Static_assert(sizeof(struct recorded_exchange) +
                       EXCHANGE_TRIES_KEPT * (sizeof(struct recorded_try) + RECORDED_DETAIL_MAX +
                                              RECORDED_EXPLANATION_MAX + RECORDED_NAME_MAX) +
                       2 * RECORDED_LINE_MAX + 10 * RECORDED_NAME_MAX + RECORDED_DETAIL_MAX +
                       RECORDED_REQUEST_FIELDS_MAX + RECORDED_RESPONSE_FIELDS_MAX <=
                   RECORDED_BYTES_MAX,
               "the longest entry fits the scratch");

/* ---- life ---------------------------------------------------------------------------------- */

static int init_rings(struct recorder *recorder, size_t bytes)
{
    if (recorder_ring_init(&recorder->recent, bytes / 2) < 0 ||
        recorder_ring_init(&recorder->kept, bytes / 2) < 0) {
        recorder_ring_done(&recorder->recent);
        recorder_ring_done(&recorder->kept);
        return -ENOMEM;
    }
    return 0;
}

struct recorder *recorder_create(size_t bytes)
{
    struct recorder *recorder = calloc(1, sizeof(*recorder));

    if (recorder && init_rings(recorder, bytes) < 0) {
        free(recorder);
        return NULL;
    }
    return recorder;
}

void recorder_free(struct recorder *recorder)
{
    if (!recorder)
        return;
    recorder_ring_done(&recorder->recent);
    recorder_ring_done(&recorder->kept);
    free(recorder);
}

size_t recorder_bytes(const struct recorder *recorder)
{
    return recorder->recent.size + recorder->kept.size;
}

static void move_entries(struct recorder *recorder, struct recorder_ring *from,
                         struct recorder_ring *to)
{
    uint64_t position = from->head;
    uint32_t size;

    while (recorder_ring_next(from, &position, recorder->scratch, sizeof(recorder->scratch), &size))
        (void)recorder_ring_push(to, recorder->scratch, size); /* too large now: it is forgotten */
    recorder_ring_done(from);
}

int recorder_resize(struct recorder *recorder, size_t bytes)
{
    struct recorder_ring recent = recorder->recent, kept = recorder->kept;

    if (recent.size == (bytes / 2 & ~(size_t)(RECORDER_RING_ALIGN - 1)))
        return 0;
    if (init_rings(recorder, bytes) < 0) {
        recorder->recent = recent;
        recorder->kept = kept;
        return -ENOMEM;
    }
    move_entries(recorder, &recent, &recorder->recent);
    move_entries(recorder, &kept, &recorder->kept);
    return 0;
}

bool recorder_copy(const struct recorder *recorder, struct recorder *into)
{
    if (recorder_bytes(recorder) != recorder_bytes(into))
        return false;
    recorder_ring_copy(&recorder->recent, &into->recent);
    recorder_ring_copy(&recorder->kept, &into->kept);
    return true;
}

/* ---- texts --------------------------------------------------------------------------------- */

static struct recorded_text add_text(struct writer *writer, struct slice text, size_t max)
{
    size_t kept = text.len < max ? text.len : max;
    struct recorded_text made = { .at = (uint16_t)writer->used,
                                  .kept = (uint16_t)kept,
                                  .length = (uint32_t)text.len };

    if (kept > 0)
        memcpy(writer->bytes + writer->used, text.ptr, kept);
    writer->used += kept;
    return made;
}

static struct recorded_text add_name(struct writer *writer, const char *name)
{
    return add_text(writer, slice_of(name), RECORDED_NAME_MAX);
}

/* What may hold a query. */
static struct recorded_text add_line(struct writer *writer, struct slice line)
{
    struct recorded_text made = add_text(writer, line, RECORDED_LINE_MAX);

    secrets_mask_query(writer->bytes + made.at, made.kept);
    return made;
}

/* The detail of a reason may be a line of the peer's. */
static struct recorded_text add_detail(struct writer *writer, struct slice detail)
{
    struct recorded_text made = add_text(writer, detail, RECORDED_DETAIL_MAX);

    secrets_mask_line(writer->bytes + made.at, made.kept);
    secrets_mask_query(writer->bytes + made.at, made.kept);
    return made;
}

static size_t add_piece(struct writer *writer, struct slice piece, size_t room)
{
    size_t kept = piece.len < room ? piece.len : room;

    if (kept > 0)
        memcpy(writer->bytes + writer->used, piece.ptr, kept);
    writer->used += kept;
    return room - kept;
}

static struct recorded_text add_fields(struct writer *writer, const struct fields *fields,
                                       size_t max)
{
    struct recorded_text made = { .at = (uint16_t)writer->used };
    size_t room = max;

    for (uint32_t i = 0; fields && i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        size_t value_at;

        made.length += (uint32_t)(field->name.len + field->value.len + 3);
        if (room == 0)
            continue; /* only its length counts */
        room = add_piece(writer, field->name, room);
        room = add_piece(writer, SLICE(": "), room);
        value_at = writer->used;
        room = add_piece(writer, field->value, room);
        if (secrets_field_is_secret(field))
            memset(writer->bytes + value_at, '*', writer->used - value_at);
        else
            secrets_mask_query(writer->bytes + value_at, writer->used - value_at);
        room = add_piece(writer, SLICE("\n"), room);
    }
    made.kept = (uint16_t)(max - room);
    return made;
}

/* ---- the parts of an entry ----------------------------------------------------------------- */

static struct recorded_address compact(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    struct recorded_address made = { .family = AF_UNSPEC };

    if (address->ss_family == AF_INET) {
        made.family = AF_INET;
        made.port = in->sin_port;
        memcpy(made.ip, &in->sin_addr, sizeof(in->sin_addr));
    } else if (address->ss_family == AF_INET6) {
        made.family = AF_INET6;
        made.port = in6->sin6_port;
        memcpy(made.ip, &in6->sin6_addr, sizeof(in6->sin6_addr));
    }
    return made;
}

struct sockaddr_storage recorded_address_expand(const struct recorded_address *address)
{
    struct sockaddr_storage made = { .ss_family = address->family };
    struct sockaddr_in *in = (struct sockaddr_in *)&made;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&made;

    if (address->family == AF_INET) {
        in->sin_port = address->port;
        memcpy(&in->sin_addr, address->ip, sizeof(in->sin_addr));
    } else if (address->family == AF_INET6) {
        in6->sin6_port = address->port;
        memcpy(&in6->sin6_addr, address->ip, sizeof(in6->sin6_addr));
    }
    return made;
}

static uint32_t bounded(uint64_t value)
{
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static struct recorded_limits limits_of(const struct exchange_record *record, uint64_t slow_ms)
{
    const struct persona *persona = persona_times_stated(record->persona);
    const struct persona_client *client = &persona->client;
    const struct persona_upstream *upstream = &persona->upstream;
    const struct config_service *service = entity_times_stated(record->service);

    return (struct recorded_limits){
        .connect_timeout_ms = service ? bounded(service->connect_timeout_ms) : 0,
        .write_timeout_ms = service ? bounded(service->write_timeout_ms) : 0,
        .read_timeout_ms = service ? bounded(service->read_timeout_ms) : 0,
        .retries_count = service ? service->retries : 0,
        .head_timeout_ms = bounded(client->head_timeout_ms),
        .body_timeout_ms = bounded(client->body_timeout_ms),
        .send_timeout_ms = bounded(client->send_timeout_ms),
        .start_line_max_bytes = bounded(client->limits.start_line_max_bytes),
        .field_line_max_bytes = bounded(client->limits.field_line_max_bytes),
        .head_max_bytes = bounded(client->limits.head_max_bytes),
        .fields_max_count = bounded(client->limits.fields_max_count),
        .body_min_rate_bytes_per_s = bounded(client->body_min_rate_bytes_per_s),
        .content_max_bytes = bounded(client->content_max_bytes),
        .chunk_extensions_max_bytes = bounded(client->limits.chunk_extensions_max_bytes),
        .trailers_max_bytes = bounded(client->limits.trailers_max_bytes),
        .upstream_keepalive_timeout_ms = bounded(upstream->keepalive_timeout_ms),
        .upstream_field_line_max_bytes = bounded(upstream->limits.field_line_max_bytes),
        .upstream_head_max_bytes = bounded(upstream->limits.head_max_bytes),
        .upstream_fields_max_count = bounded(upstream->limits.fields_max_count),
        .slow_ms = bounded(slow_ms),
    };
}

/* A slice that points into `whole`, as bytes of its copy; else nothing. */
static struct recorded_text within(struct recorded_text copy, struct slice whole, struct slice part)
{
    size_t at = part.ptr && part.ptr >= whole.ptr ? (size_t)(part.ptr - whole.ptr) : SIZE_MAX;

    if (at >= copy.kept)
        return (struct recorded_text){ 0 };
    return (struct recorded_text){
        .at = (uint16_t)(copy.at + at),
        .kept = (uint16_t)(part.len < copy.kept - at ? part.len : copy.kept - at),
        .length = (uint32_t)part.len,
    };
}

static void add_request(struct writer *writer, const struct exchange_record *record)
{
    struct recorded_exchange *entry = writer->entry;
    const struct http_head *request = record->request;

    entry->head_known = request != NULL;
    if (!request) {
        entry->request_line = add_line(writer, record->bad_request_line);
        return;
    }
    entry->request_line = add_line(writer, request->request_line);
    entry->method = within(entry->request_line, request->request_line, request->method_name);
    entry->path = within(entry->request_line, request->request_line, request->path);
    entry->host = add_text(writer, request->authority, RECORDED_NAME_MAX);
}

static void add_destination(struct writer *writer, const struct exchange_record *record)
{
    struct recorded_exchange *entry = writer->entry;

    entry->has_route = record->route != NULL;
    entry->has_service = record->service != NULL;
    if (record->route) {
        entry->route_name = add_name(writer, record->route->name);
        entry->route_id = add_name(writer, record->route->id);
    }
    if (record->service) {
        entry->service_name = add_name(writer, record->service->name);
        entry->service_id = add_name(writer, record->service->id);
        entry->service_host = add_name(writer, record->service->host);
        entry->service_port = record->service->port;
        entry->service_over_tls = record->service->protocol == CONFIG_PROTOCOL_HTTPS;
    }
    entry->upstream_host = add_text(writer, record->upstream_host, RECORDED_NAME_MAX);
    entry->upstream_uri = add_line(writer, record->upstream_uri);
}

static void add_try(struct writer *writer, const struct try_record *from, struct recorded_try *try)
{
    *try = (struct recorded_try){
        .target = compact(&from->target),
        .local = compact(&from->local),
        .target_name = add_text(writer, from->target_name, RECORDED_NAME_MAX),
        .detail = add_detail(writer, from->detail),
        .explanation = add_text(writer, from->explanation, RECORDED_EXPLANATION_MAX),
        .picked_at_us = from->picked_at_us,
        .connected_at_us = from->connected_at_us,
        .tls_done_at_us = from->tls_done_at_us,
        .sent_at_us = from->sent_at_us,
        .head_at_us = from->head_at_us,
        .ended_at_us = from->ended_at_us,
        .connection_id = from->connection_id,
        .request_number = from->request_number,
        .reason = (uint16_t)from->reason,
        .status = from->status,
        .over_tls = from->over_tls,
        .reused = from->reused,
    };
}

static void add_all_fields(struct writer *writer, const struct exchange_record *record)
{
    struct recorded_exchange *entry = writer->entry;

    if (record->request)
        entry->request_fields =
            add_fields(writer, &record->request->fields, RECORDED_REQUEST_FIELDS_MAX);
    entry->response_fields =
        add_fields(writer, record->response_fields, RECORDED_RESPONSE_FIELDS_MAX);
}

/* 404 and its like are answers of a healthy hop, and a scanner asks for thousands of them. */
static bool is_worth_keeping(const struct exchange_record *record, uint64_t slow_ms)
{
    uint64_t took_us = record->ended_at_us - record->started_at_us;

    return record->status >= 500 || record->status == 0 || record->truncated ||
           record->tries_count > 1 ||
           (record->reason != END_OK && end_reason_info(record->reason)->hop != END_HOP_SELF) ||
           (slow_ms > 0 && took_us / 1000 >= slow_ms);
}

static void add_numbers(struct recorded_exchange *entry, const struct exchange_record *record)
{
    entry->number = record->number;
    entry->client_connection_id = record->client_connection_id;
    entry->client_request_number = record->client_request_number;
    entry->client_peer = compact(&record->client_peer);
    entry->client_local = compact(&record->client_local);
    entry->client_is_trusted = record->client_is_trusted;
    entry->over_tls = record->over_tls;
    entry->listener_port = record->listener_port;
    entry->started_at_unix_ms = record->started_at_unix_ms;
    entry->started_at_us = record->started_at_us;
    entry->request_head_at_us = record->request_head_at_us;
    entry->request_end_at_us = record->request_end_at_us;
    entry->response_head_at_us = record->response_head_at_us;
    entry->ended_at_us = record->ended_at_us;
    entry->request_bytes = record->request_bytes;
    entry->response_bytes = record->response_bytes;
    entry->response_content_bytes = record->response_content_bytes;
    entry->response_stored_at_us = record->response_stored_at_us;
    entry->response_spooled_bytes = record->response_spooled_bytes;
    entry->tries_count = record->tries_count;
    entry->status = record->status;
    entry->reason = (uint16_t)record->reason;
    entry->was_proxied = record->was_proxied;
    entry->from_upstream = record->from_upstream;
    entry->truncated = record->truncated;
    memcpy(entry->request_id, record->request_id, sizeof(entry->request_id));
}

void recorder_note(struct recorder *recorder, const struct exchange_record *record,
                   uint64_t generation, uint64_t slow_ms)
{
    struct recorded_exchange *entry = (struct recorded_exchange *)recorder->scratch;
    struct writer writer = { .entry = entry, .bytes = (char *)entry };
    struct recorder_ring *ring;
    size_t tries;

    if (recorder->recent.size == 0)
        return;
    memset(entry, 0, sizeof(*entry));
    add_numbers(entry, record);
    entry->generation = generation;
    entry->limits = limits_of(record, slow_ms);
    entry->is_kept = is_worth_keeping(record, slow_ms);
    tries = recorded_tries_count(entry);
    writer.used = sizeof(*entry) + tries * sizeof(struct recorded_try);
    for (size_t i = 0; i < tries; i++)
        add_try(&writer, &record->tries[i], &entry->tries[i]);
    entry->hop_name = add_text(&writer, record->hop_name, RECORDED_NAME_MAX);
    entry->persona_name = add_name(&writer, record->persona->name);
    entry->client_ip = add_text(&writer, record->client_ip, RECORDED_NAME_MAX);
    entry->detail = add_detail(&writer, record->reason_detail);
    add_request(&writer, record);
    add_destination(&writer, record);
    /* what went well is not looked at field by field, and to copy them is half of the work */
    if (entry->is_kept || entry->status >= 400)
        add_all_fields(&writer, record);
    ring = entry->is_kept ? &recorder->kept : &recorder->recent;
    (void)recorder_ring_push(ring, entry, (uint32_t)writer.used); /* a tiny ring: it is not kept */
}
