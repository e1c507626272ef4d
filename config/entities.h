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

enum config_protocol { CONFIG_PROTOCOL_HTTP = 1 << 0, CONFIG_PROTOCOL_HTTPS = 1 << 1 };

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
    uint32_t weight;  /* 0..65535; 0 is never picked */
    const char *path; /* "upstreams[0].targets[1]" */
    unsigned line, column;
};

struct config_upstream {
    char *id;
    char *name;
    char *algorithm;   /* Kong's spelling */
    char *host_header; /* or NULL */
    struct config_target *targets;
    size_t targets_count;
    const char *path; /* "upstreams[0]" */
    unsigned line, column;
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
    bool enabled;
    int tls_verify;                                      /* 1, 0, or -1: not set */
    int tls_verify_depth;                                /* -1: not set */
    const struct config_certificate *client_certificate; /* or NULL */
    const struct config_ca_certificate **ca_certificates;
    size_t ca_certificates_count;
    const struct config_upstream *upstream; /* the upstream that `host` names, or NULL */
    const char *path;                       /* "services[0]", for messages */
    unsigned line, column;
};

struct config_route {
    char *id;
    char *name;         /* or NULL */
    unsigned protocols; /* mask of enum config_protocol */
    struct config_strings methods, hosts, paths;
    bool strip_path, preserve_host, request_buffering, response_buffering;
    int regex_priority;
    unsigned https_redirect_status_code;
    const struct config_service *service; /* or NULL: answers 503 */
    const char *path;                     /* "services[0].routes[1]" */
    unsigned line, column;
};

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
    char *source;                /* file name, or NULL for the empty configuration */
    struct config_block *blocks; /* memory of all strings and of the arrays inside entities */
};

/* Without any entity. NULL: no memory. */
struct config *config_create(void);

/* Zeroed memory that lives as long as the configuration. NULL: no memory. */
void *config_alloc(struct config *config, size_t bytes);
char *config_copy_text(struct config *config, const char *text, size_t length);

void config_free(struct config *config);
DEFINE_SCOPED(config);

#endif
