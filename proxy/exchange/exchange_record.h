/*
 * exchange_record: what is known about one exchange so far.
 *
 * Role    the exchange writes it as it goes; rewrite, error pages and logs only read it
 * Owns    nothing; everything it points to lives as long as the exchange
 * Thread  one worker
 *
 * Instants are monotonic µs (0: did not happen), so that sub-millisecond phases are visible.
 */
#ifndef PROXY_EXCHANGE_RECORD_H
#define PROXY_EXCHANGE_RECORD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/entities.h"
#include "core/end_reason.h"
#include "core/http/head.h"
#include "core/stream.h"
#include "proxy/route/uri_captures.h"
#include "tls/tls.h"

struct field_plan;
struct persona;
struct proxy_protocol;

/* One attempt to get an answer from one target. */
struct try_record {
    struct sockaddr_storage target; /* address tried */
    struct slice target_name;       /* "host:port" as configured */
    const char *algorithm;          /* that chose it, in Kong's spelling */
    const char *persistence; /* by which it was chosen, as persistence_name; NULL: it was not */
    bool pinned;             /* chosen because the client's connection is bound to it */
    uint64_t queued_us;      /* it waited so long for a place there */
    bool over_tls;
    bool tls_verified;      /* the target's certificate is checked (it need not have passed) */
    bool reused;            /* an idle connection from the pool */
    uint64_t connection_id; /* ours, 0 when never connected */
    struct sockaddr_storage local; /* our end of that connection */
    uint32_t request_number;       /* n-th request on that connection, from 1 */
    uint64_t picked_at_us, connected_at_us, tls_done_at_us, sent_at_us, head_at_us, ended_at_us;
    enum end_reason reason;   /* END_OK: gave a complete response head (and content) */
    struct slice detail;      /* for the reason's %s; may be empty */
    struct slice explanation; /* what an operator should know beside it; may be empty */
    int tls_alert;            /* number of the alert that ended it; 0: none */
    uint16_t status;          /* of the response head; else the reason's status; 0: none */
    /* of its content, for nginx's words: it is stored, chunked, being read together with the head */
    bool content_stored, content_chunked, content_with_head;
    uint64_t sent_bytes, received_bytes; /* on its connection, TLS not counted; set at its end */
};

/* What X-Kong-Request-Debug asks for, see proxy/report/request_debug.h; zeroed: nothing. */
struct request_debug {
    bool is_wanted, is_logged;
    uint64_t lap_us; /* when what is being measured began */
    uint64_t rewrite_us, router_us, access_us, balancer_us;
};

enum { EXCHANGE_TRIES_KEPT = 8 }; /* further tries are counted, the last one replaces entry 7 */

struct exchange_record {
    const struct persona *persona;
    const struct field_plan *field_plan; /* what hopgate.fields adds to it; NULL: nothing */
    struct slice hop_name;               /* hopgate_name */
    char request_id[33];                 /* 32 lower-case hex digits */
    uint64_t number;                     /* unique in the process */

    /* the client's connection */
    uint64_t client_connection_id;
    uint32_t client_request_number; /* n-th request on it, from 1 */
    bool pipelined;                 /* its first byte came before the answer to the last was sent */
    struct sockaddr_storage client_peer, client_local;
    struct slice client_ip; /* who the client is: the peer, or what trusted_ips let it say */
    bool client_is_trusted; /* peer is in trusted_ips */
    bool over_tls;
    const struct tls_session_info *tls; /* NULL on plain connections */
    /* who the client is by its certificate; zeroed until the request head is understood */
    struct tls_client_identity client_identity;
    bool client_identity_is_claimed; /* by a field of the peer, not in a handshake with us */
    const struct proxy_protocol *proxy_header; /* who the peer says the client is; NULL: nothing */
    uint16_t listener_port;                    /* after port_maps */

    /* the request */
    const struct http_head *request;      /* NULL when no head was understood */
    const struct fields *known_fields;    /* then: those before the fault; or NULL */
    struct slice bad_request_line;        /* what was received instead, for the log */
    uint64_t request_bytes;               /* head and body as received */
    const struct config_route *route;     /* NULL: none matched */
    const struct config_service *service; /* NULL: none */
    struct slice upstream_host;           /* Host value sent upstream */
    struct slice upstream_uri;            /* path and query sent upstream */
    struct slice upgrade; /* protocol that the client asks to switch to and the persona allows */
    char hash_cookie[37]; /* value of the cookie that the client is to get; "": none */
    struct slice matched_prefix;      /* route path that matched and was stripped; may be empty */
    struct uri_captures uri_captures; /* of the route's regex path */

    uint32_t tries_count; /* all of them, may exceed EXCHANGE_TRIES_KEPT */
    bool was_proxied;     /* a target was picked at least once (Kong's KONG_PROXIED) */

    /* the response */
    uint16_t status;                /* sent to the client, or what the log says (499); 0: nothing */
    bool from_upstream;             /* the response head came from a target */
    struct fields *response_fields; /* as sent; NULL when none were */
    uint64_t response_bytes;        /* head and content as sent, TLS not counted */
    uint64_t response_head_bytes;   /* of them, 100 (Continue) not counted */
    uint64_t response_content_bytes;
    uint64_t response_stored_at_us;  /* the client was slow from then on; 0: it kept up */
    uint64_t response_spooled_bytes; /* of it, went to a file because the client was slow */
    enum end_reason reason;          /* first cause wins */
    struct slice reason_detail;
    bool truncated; /* the response was cut after its head had been sent */

    /* at the end: client connections of the process, other requests at the last target */
    uint32_t clients_count, target_requests_count;

    /* times */
    /* wall clock, first byte of the request */
    uint64_t started_at_unix_ms, started_at_unix_us;
    uint64_t started_at_us, request_head_at_us, request_end_at_us, response_head_at_us, ended_at_us;

    struct request_debug debug;

    /* oldest first; only those that tries_count counts are set */
    struct try_record tries[EXCHANGE_TRIES_KEPT];
};

/* The latest try, or NULL. */
static inline struct try_record *exchange_record_last_try(struct exchange_record *record)
{
    if (record->tries_count == 0)
        return NULL;
    return &record->tries[(record->tries_count < EXCHANGE_TRIES_KEPT ? record->tries_count
                                                                     : EXCHANGE_TRIES_KEPT) -
                          1];
}

static inline const struct try_record *exchange_record_peek_try(
    const struct exchange_record *record)
{
    return exchange_record_last_try((struct exchange_record *)record);
}

/* The try that gave the exchange its reason, or NULL: then this hop or the client did. */
static inline const struct try_record *exchange_record_telling_try(
    const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);

    return last && last->reason == record->reason ? last : NULL;
}

/* An instant of the record on the wall clock; the start when it did not happen. */
static inline uint64_t exchange_record_unix_ms(const struct exchange_record *record, uint64_t at_us)
{
    return record->started_at_unix_ms +
           (at_us > record->started_at_us ? (at_us - record->started_at_us) / 1000 : 0);
}

#endif
