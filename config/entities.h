/*
 * entities: Kong's entities as plain structs, linked to each other.
 *
 * Role    what a declarative file (later also the store) says, checked, with Kong's defaults
 * Owns    struct config owns every string and array inside it; nothing changes after loading
 * Thread  built on one thread, then read by all
 *
 * Field names and defaults are Kong's (kong/db/schema/entities); times are ms.
 */
#ifndef CONFIG_ENTITIES_H
#define CONFIG_ENTITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

enum config_protocol {
    CONFIG_PROTOCOL_HTTP = 1 << 0,
    CONFIG_PROTOCOL_HTTPS = 1 << 1,
    CONFIG_PROTOCOL_TCP =
        1 << 2, /* of routes of a hop of layer 4, and of services behind stream routes */
    CONFIG_PROTOCOL_TLS_PASSTHROUGH = 1 << 3, /* of routes, as the next two */
    CONFIG_PROTOCOL_GRPC = 1 << 4,
    CONFIG_PROTOCOL_GRPCS = 1 << 5,
    /* connections are led on; nothing of HTTP is seen */
    CONFIG_PROTOCOLS_STREAM = CONFIG_PROTOCOL_TCP | CONFIG_PROTOCOL_TLS_PASSTHROUGH,
};

struct config_strings {
    char **items;
    size_t count;
};

struct config_certificate {
    char *id;
    char *cert_pem; /* leaf, then intermediates; inline PEM text */
    char *key_pem;
    char *cert_alt_pem, *key_alt_pem; /* second pair (the other key type) or NULL */
    struct config_strings snis; /* names that point here: exact or with one leading/trailing "*" */
    const char *path;           /* "certificates[0]", for messages */
    unsigned line, column;      /* where it stands in config->source; 0: nowhere */
};

struct config_ca_certificate {
    char *id;
    char *cert_pem;
    const char *path; /* "ca_certificates[0]" */
    unsigned line, column;
};

struct config_target {
    char *target; /* "host:port" as normalised: port always present, IPv6 in brackets */
    char *host;   /* without brackets */
    uint16_t port;
    uint32_t weight;         /* 0..65535; 0 is never picked */
    uint32_t priority_group; /* hopgate.balancing; the highest are used first */
    uint32_t max_requests;   /* the same: at a time; 0: no limit */
    const char *path;        /* "upstreams[0].targets[1]" */
    unsigned line, column;
};

/* What a consistent hash may be taken of. */
enum config_hash_source {
    CONFIG_HASH_NONE,
    CONFIG_HASH_CONSUMER,
    CONFIG_HASH_IP,
    CONFIG_HASH_HEADER,
    CONFIG_HASH_COOKIE,
    CONFIG_HASH_PATH,
    CONFIG_HASH_QUERY_ARG,
    CONFIG_HASH_URI_CAPTURE,
};

struct config_hash_input {
    enum config_hash_source source;
    const char *name; /* of the header, cookie, argument or capture; else NULL */
};

/* HTTP statuses, by number: status / 64 says which word. */
struct config_statuses {
    uint64_t bits[16];
};

/* Limits of 0 do not count. */
struct config_health_counts {
    struct config_statuses healthy, unhealthy;
    uint8_t successes, http_failures, tcp_failures, timeouts;
};

struct config_header {
    const char *name, *value;
};

/* Kong's upstream.healthchecks; an interval of 0 is off. */
struct config_healthchecks {
    struct config_active_check {
        char *type; /* tcp, http, https, grpc, grpcs */
        uint64_t timeout_ms, concurrency;
        char *http_path;
        char *https_sni; /* or NULL */
        bool https_verify_certificate;
        struct config_header *headers; /* in the order of the file */
        size_t headers_count;
        uint64_t healthy_interval_ms, unhealthy_interval_ms;
        struct config_health_counts counts;
    } active;
    struct config_passive_check {
        char *type;
        struct config_health_counts counts;
    } passive;
    uint64_t threshold_thousandths; /* of a percent of the weight, 0..100000 */
};

/* hopgate.health[].monitor: an F5's. */
struct config_monitor {
    char *type;                             /* http, https, tcp, tls; NULL: there is none */
    char *send, *receive, *receive_disable; /* as written, see lb/monitor_probe; or NULL */
    uint64_t interval_ms, timeout_ms;       /* timeout_ms 0: F5's 3 intervals and a second */
    uint64_t up_interval_ms;                /* while it is up; 0: the same */
    uint64_t time_until_up_ms;
    bool reverse;
};

/* hopgate.health[].outliers: who fails or is slow in traffic is left out for a while. */
struct config_outliers {
    uint32_t failure_percent;            /* 0: failures eject nobody */
    uint32_t requests_min;               /* within an interval, to judge failures */
    uint64_t latency_factor_thousandths; /* over the mean of the others; 0: latency ejects nobody */
    uint64_t latency_min_ms;             /* nobody is slow below */
    uint64_t interval_ms, ejection_ms;
    uint32_t ejected_max_percent; /* of the targets; but one may always go if there are two */
};

/* hopgate.balancing[].persistence */
struct config_persistence {
    char *method_word, *cookie_word, *mask; /* as written */
    enum config_persistence_method {
        CONFIG_PERSISTENCE_NONE,
        CONFIG_PERSISTENCE_INSERT, /* of the cookie, as the next three */
        CONFIG_PERSISTENCE_REWRITE,
        CONFIG_PERSISTENCE_PASSIVE,
        CONFIG_PERSISTENCE_HASH,
        CONFIG_PERSISTENCE_SOURCE_ADDRESS,
    } method;
    char *cookie_name;             /* never NULL where there is a cookie */
    uint64_t ttl_s;                /* of the cookie; 0: of the browser's session */
    bool http_only, secure;        /* its attributes */
    bool always_set;               /* with each response, not only when the client has another */
    uint64_t duration_ms;          /* how long hash and source_address remember */
    unsigned prefix_v4, prefix_v6; /* so much of a client's address counts */
};

/* hopgate.balancing[]: what an F5 pool can and a Kong upstream cannot say. */
struct config_balancing {
    bool is_set;
    char *algorithm;             /* as written; NULL: the upstream's own */
    uint32_t min_active_members; /* usable ones until lower priority groups rest */
    uint32_t queue_max;          /* requests that may wait for a place at a target; 0: none */
    uint64_t queue_timeout_ms;
    uint64_t queue_timeout_stated_ms; /* as it is written, see entity_times; 0: so is the other */
    uint32_t
        reselect_tries; /* other targets asked when one cannot be connected to; F5's personas ask */
    /* what becomes of a client whose target goes down, where clients are bound to targets (personas that pin):
     * "none", it stays while its connection does, or "reselect"; NULL: as none */
    char *service_down_action;
    struct config_persistence persistence;
};

struct config_upstream {
    char *id;
    char *name;
    char *algorithm; /* lb's spelling, Kong's where it has one; after hash_on and balancing */
    uint32_t slots;
    char *hash_on, *hash_fallback; /* as written; hash_inputs says what they mean */
    char *hash_on_header, *hash_fallback_header, *hash_on_query_arg, *hash_fallback_query_arg;
    char *hash_on_uri_capture, *hash_fallback_uri_capture;
    char *hash_on_cookie, *hash_on_cookie_path;
    struct config_hash_input hash_inputs[2]; /* hash_on, hash_fallback: the first that is there */
    uint64_t slow_start_ms;                  /* hopgate.slow_start; 0: off */
    struct config_balancing balancing;
    char *host_header; /* or NULL */
    struct config_healthchecks healthchecks;
    struct config_monitor monitor;   /* hopgate.health, as the next two */
    struct config_outliers outliers; /* both percentages 0: off */
    uint32_t panic_percent; /* fewer targets usable: health is not looked at; 0: always looked at */
    bool fails_open;        /* none usable: the same. No file says it, a persona does */
    const struct config_certificate *client_certificate; /* or NULL; a service's own goes first */
    struct config_target *targets;
    size_t targets_count;
    const char *path; /* "upstreams[0]" */
    unsigned line, column;
};

/* The header that a service's targets get first on each connection. */
struct config_proxy_protocol {
    unsigned version;          /* 1, 2; 0: none */
    bool authority, alpn, tls; /* what version 2 also tells, as far as it is known */
};

/* How much of a service may be under way at a time, over all workers; 0: no limit. */
struct config_limits {
    bool is_set;
    uint32_t requests_max;
    uint32_t pending_max; /* of them: without a connection to a target yet */
    uint32_t retries_max; /* of them: beyond their first try */
};

struct config_service {
    char *id;
    char *name; /* or NULL */
    enum config_protocol protocol;
    char *host;
    uint16_t port;
    char *base_path;  /* Kong's "path", or NULL */
    uint32_t retries; /* further tries after the first: 0..32767 */
    uint64_t connect_timeout_ms, write_timeout_ms, read_timeout_ms;
    uint64_t tls_timeout_ms; /* of the handshake; 0: connect_timeout_ms. No file says it */
    struct {
        bool connect_timeout, write_timeout, read_timeout; /* else a persona may say another */
    } said;
    bool enabled;
    int tls_verify;                                      /* 1, 0, or -1: not set */
    int tls_verify_depth;                                /* -1: not set */
    const struct config_certificate *client_certificate; /* or NULL */
    const struct config_ca_certificate **ca_certificates;
    size_t ca_certificates_count;
    struct config_proxy_protocol proxy_protocol;
    struct config_limits limits;            /* hopgate.limits */
    const struct config_upstream *upstream; /* the upstream that `host` names, or NULL */
    /* the same with its times as they are written; NULL: they are, see entity_times */
    const struct config_service *stated;
    const char *path; /* "services[0]", for messages */
    unsigned line, column;
};

/* A field that a request must have, with one of these values: "~*..." is a regex. */
struct config_route_header {
    char *name; /* as written */
    struct config_strings values;
};

struct config_route {
    char *id;
    char *name;         /* or NULL */
    unsigned protocols; /* mask of enum config_protocol */
    struct config_strings methods, hosts;
    struct config_strings paths;    /* "/prefix" or "~/regex" */
    struct config_strings snis;     /* "a.example", "*.example", "example.*" */
    uint16_t *destination_ports;    /* of stream routes: the ports that clients connected to */
    size_t destination_ports_count; /* 0: any */
    struct config_route_header *headers;
    size_t headers_count;
    uint64_t created_at_ms; /* 0: not said */
    char *path_handling;    /* "v0", "v1"; NULL: v0 */
    bool strip_path, preserve_host, request_buffering, response_buffering;
    int regex_priority;
    unsigned https_redirect_status_code;
    const struct config_service *service; /* or NULL: answers 503 */
    const char *path;                     /* "services[0].routes[1]" */
    unsigned line, column;
};

/* Of a stream route: clients that connected to that port are its own. */
static inline bool config_route_takes_port(const struct config_route *route, uint16_t port)
{
    for (size_t i = 0; i < route->destination_ports_count; i++)
        if (route->destination_ports[i] == port)
            return true;
    return route->destination_ports_count == 0;
}

/* One entry of hopgate.mtls: what clients must show for some server names. */
struct config_mtls {
    struct config_strings snis; /* as those of a certificate */
    char *verify_client;        /* off, optional, optional_no_ca, required */
    const struct config_ca_certificate **ca_certificates;
    size_t ca_certificates_count;
    int verify_depth; /* -1: not set */
    char *crl;        /* a path, PEM text or its base64; NULL: none */
    bool allow_partial_chain;
    bool lacks_authority; /* names some that the store does not have */
    const char *path;     /* "hopgate.mtls[0]" */
    unsigned line, column;
};

/* hopgate.fields[].forwarded: whose word counts in a field that speaks of the client or the way here. */
enum config_forwarded_field {
    CONFIG_X_FORWARDED_FOR,
    CONFIG_X_FORWARDED_PROTO,
    CONFIG_X_FORWARDED_HOST,
    CONFIG_X_FORWARDED_PORT,
    CONFIG_X_FORWARDED_PREFIX,
    CONFIG_X_FORWARDED_PATH,
    CONFIG_X_REAL_IP,
    CONFIG_FORWARDED, /* RFC 7239 */
    CONFIG_VIA,
    CONFIG_AUTHORIZATION,
    CONFIG_HOST,
    CONFIG_CLIENT_CERT, /* and Client-Cert-Chain; from here on the families of client_identity */
    CONFIG_X_SSL_CLIENT,
    CONFIG_XFCC,
    CONFIG_X_AMZN_MTLS,
    CONFIG_FORWARDED_COUNT,
};

enum config_field_policy {
    CONFIG_POLICY_UNSET,
    CONFIG_POLICY_PRESERVE, /* as it came; what is not there is not added */
    CONFIG_POLICY_APPEND,   /* ours behind what came, in one line */
    CONFIG_POLICY_REPLACE,  /* ours alone */
    CONFIG_POLICY_REMOVE,
};

struct config_forwarded {
    enum config_forwarded_field field;
    enum config_field_policy policy, untrusted; /* of peers in `trusted`, of others; never UNSET */
    bool has_trusted;
    struct config_strings trusted; /* CIDRs; without has_trusted: trusted_ips */
    char *for_node, *by_node;      /* of Forwarded: ip, ip_port, none, unknown, "_name" */
    bool host, proto;              /* the same: whether they are told */
    const char *path;              /* "hopgate.fields[0].forwarded.Via" */
    unsigned line, column;
};

enum config_operation {
    CONFIG_SET,    /* one line, where the first of that name was, else at the end */
    CONFIG_ADD,    /* one more line at the end */
    CONFIG_APPEND, /* to the last line's value, as a list; without one: as add */
    CONFIG_RENAME,
    CONFIG_REMOVE,
    CONFIG_CASE, /* how names are written */
};

/* hopgate.fields[].request[] and response[] */
struct config_field_operation {
    enum config_operation operation;
    char *name;  /* of remove: may end in "*"; of case: "lower", "canonical" or a spelling */
    char *value; /* with $variables; of set, add, append */
    char *to;    /* of rename */
    bool if_absent, always;
    bool has_statuses;
    struct config_statuses statuses; /* when_status */
    const char *path;                /* "hopgate.fields[0].request[1]" */
    unsigned line, column;
    const char *value_path; /* where the value stands; NULL: there is none */
    unsigned value_line, value_column;
};

/* One entry of hopgate.fields: of the hop, of a service, or of a route. */
struct config_field_rules {
    const struct config_service *service; /* or NULL */
    const struct config_route *route;     /* or NULL */
    struct config_forwarded *forwarded;
    size_t forwarded_count;
    struct config_field_operation *request, *response;
    size_t request_count, response_count;
    bool of_nobody; /* of one that the store does not have: checked, and in force nowhere */
};

struct json_t; /* jansson's */

struct config {
    struct config_service *services;
    size_t services_count;
    struct config_route *routes;
    size_t routes_count;
    struct config_upstream *upstreams;
    size_t upstreams_count;
    struct config_certificate *certificates;
    size_t certificates_count;
    struct config_ca_certificate *ca_certificates;
    size_t ca_certificates_count;
    struct config_mtls *mtls;
    size_t mtls_count;
    struct config_field_rules *field_rules; /* hopgate.fields */
    size_t field_rules_count;
    char *source;         /* file name, or NULL for the empty configuration */
    char *hopgate_source; /* where the hopgate: object stands: source, or config/extras.h's file */
    char hash[33];        /* of its text, 32 hex digits; all 0 for the empty configuration */
    struct json_t *entities; /* of the declarative file, as dao_replace_all takes them; or NULL */
    struct config_block *blocks; /* memory of all strings and of the arrays inside entities */
    struct config **lenders; /* others whose memory its entities have parts of, see config_share */
    size_t lenders_count;
    _Atomic uint32_t sharers_count; /* that free it, beyond the first */
};

/* Without any entity. NULL: no memory. */
struct config *config_create(void);

/* Zeroed memory that lives as long as the configuration. NULL: no memory. */
void *config_alloc(struct config *config, size_t bytes);
char *config_copy_text(struct config *config, const char *text, size_t length);

/* One more who frees it; on any thread. The same configuration. */
struct config *config_share(struct config *config);

void config_free(struct config *config);
DEFINE_SCOPED(config);

#endif
