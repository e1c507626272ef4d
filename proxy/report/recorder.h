/*
 * recorder: the flight recorder of a worker: the exchanges that ended last.
 *
 * Role    a compact copy of each exchange_record, for `hopgate show recent` and `hopgate why`
 * Owns    two rings of bytes, of half the size each: what failed, was cut, was tried again or was
 *         slow stands in the second, so that good traffic does not push it out
 * Thread  noted on the worker's thread; a copy (recorder_copy) is read on the main thread
 *
 * An entry holds no pointer: it outlives the configuration that it is about. Secrets never get in:
 * values of fields and query arguments whose names speak of credentials are asterisks of the same
 * length.
 */
#ifndef PROXY_RECORDER_H
#define PROXY_RECORDER_H

#include "proxy/exchange/exchange_record.h"
#include "proxy/report/recorder_ring.h"

/* Bytes kept of a text; what is longer is cut, and its full length kept. */
enum {
    RECORDED_LINE_MAX = 512,        /* request line, upstream URI */
    RECORDED_NAME_MAX = 128,        /* host, route, service, target, ids */
    RECORDED_DETAIL_MAX = 192,      /* of a reason */
    RECORDED_EXPLANATION_MAX = 256, /* of a TLS failure */
    RECORDED_REQUEST_FIELDS_MAX = 1024,
    RECORDED_RESPONSE_FIELDS_MAX = 512,
    RECORDED_BYTES_MAX = 12 * 1024, /* of an entry: all of the above at their longest */
};

/* Bytes in the entry; see recorded_slice. */
struct recorded_text {
    uint16_t at, kept;
    uint32_t length; /* of the original; more than kept: it was cut */
};

struct recorded_address {
    uint16_t family; /* AF_INET, AF_INET6, or AF_UNSPEC: none */
    uint16_t port;   /* network order */
    uint8_t ip[16];
};

/* As try_record. */
struct recorded_try {
    struct recorded_address target, local;
    struct recorded_text target_name, detail, explanation;
    uint64_t picked_at_us, connected_at_us, tls_done_at_us, sent_at_us, head_at_us, ended_at_us;
    uint64_t connection_id;
    uint32_t request_number;
    uint16_t reason, status;
    bool over_tls, reused;
};

/* What was in force; values beyond 32 bits count as UINT32_MAX. */
struct recorded_limits {
    uint32_t connect_timeout_ms, write_timeout_ms, read_timeout_ms, retries_count; /* service's */
    uint32_t head_timeout_ms, body_timeout_ms, send_timeout_ms;                    /* client's */
    uint32_t start_line_max_bytes, field_line_max_bytes, head_max_bytes, fields_max_count;
    uint32_t content_max_bytes, body_min_rate_bytes_per_s;
    uint32_t chunk_extensions_max_bytes, trailers_max_bytes, upstream_keepalive_timeout_ms;
    uint32_t upstream_field_line_max_bytes, upstream_head_max_bytes, upstream_fields_max_count;
    uint32_t slow_ms; /* hopgate_recorder_slow */
};

/* As exchange_record. */
struct recorded_exchange {
    uint64_t number, generation; /* of the configuration */
    uint64_t client_connection_id;
    uint64_t started_at_unix_ms;
    uint64_t started_at_us, request_head_at_us, request_end_at_us, response_head_at_us, ended_at_us;
    uint64_t request_bytes, response_bytes, response_content_bytes;
    uint64_t response_stored_at_us, response_spooled_bytes;
    struct recorded_limits limits;
    struct recorded_address client_peer, client_local;
    struct recorded_text hop_name, persona_name;
    struct recorded_text request_line; /* or what was received instead, when head_known is false */
    struct recorded_text method, path; /* within request_line; query excluded */
    struct recorded_text host;         /* as the client asked */
    struct recorded_text client_ip, upstream_host, upstream_uri, detail;
    struct recorded_text route_name, route_id, service_name, service_id, service_host;
    struct recorded_text request_fields,
        response_fields; /* "Name: value\n" ...; none of a good exchange */
    uint32_t client_request_number, tries_count;
    uint16_t listener_port, service_port;
    uint16_t status, reason;
    char request_id[33];
    bool over_tls, client_is_trusted, head_known, has_route, has_service, service_over_tls;
    bool was_proxied, from_upstream, truncated;
    bool is_kept;                /* in the ring of the failed and slow */
    struct recorded_try tries[]; /* recorded_tries_count of them */
};

struct recorder {
    struct recorder_ring recent, kept;
    uint64_t scratch[RECORDED_BYTES_MAX / sizeof(uint64_t)]; /* where entries are put together */
};

/* bytes 0: off. NULL: no memory. */
struct recorder *recorder_create(size_t bytes);
void recorder_free(struct recorder *recorder); /* accepts NULL */

/* What it holds stays, as far as it fits. 0, or -ENOMEM: everything is as it was. */
int recorder_resize(struct recorder *recorder, size_t bytes);

/* The exchange has ended: its record is complete. Allocates nothing. slow_ms 0: nothing is slow. */
void recorder_note(struct recorder *recorder, const struct exchange_record *record,
                   uint64_t generation, uint64_t slow_ms);

size_t recorder_bytes(const struct recorder *recorder);

/* False, and nothing copied: `into` has another size. */
bool recorder_copy(const struct recorder *recorder, struct recorder *into);

/* ---- reading an entry ---- */

static inline struct slice recorded_slice(const struct recorded_exchange *entry,
                                          struct recorded_text text)
{
    return (struct slice){ (const char *)entry + text.at, text.kept };
}

static inline uint32_t recorded_tries_count(const struct recorded_exchange *entry)
{
    return entry->tries_count < EXCHANGE_TRIES_KEPT ? entry->tries_count : EXCHANGE_TRIES_KEPT;
}

/* The latest try, or NULL. */
static inline const struct recorded_try *recorded_last_try(const struct recorded_exchange *entry)
{
    return entry->tries_count == 0 ? NULL : &entry->tries[recorded_tries_count(entry) - 1];
}

struct sockaddr_storage recorded_address_expand(const struct recorded_address *address);

#endif
