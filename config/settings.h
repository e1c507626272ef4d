/*
 * settings: kong.conf and the environment, checked, as one struct.
 *
 * Role    the process's own configuration; entities come from elsewhere
 * Owns    all texts and arrays; nothing changes after loading
 * Thread  loaded by a thread that may block, then read by all
 *
 * A persona is a layer of defaults below kong.conf: whoever applies one asks settings_is_set first.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "config/config_error.h"
#include "config/entities.h"
#include "config/listen.h"
#include "core/addr.h"
#include "core/cleanup.h"

struct settings_port_map {
    uint16_t external, internal;
};

struct settings_port_maps {
    struct settings_port_map *items;
    size_t count;
};

/* A size that is chosen by hopgate. */
#define SETTINGS_SIZE_AUTO UINT64_MAX

struct settings {
    char *prefix;
    struct listens proxy_listen;
    struct listens stream_listen; /* TLS passed through by server name (routes: tls_passthrough) */
    struct listens status_listen;
    struct listens admin_listen;                /* the Admin API */
    struct listens admin_gui_listen;            /* understood, not served yet */
    char *proxy_access_log, *proxy_error_log;   /* "off", or a path below the prefix or absolute */
    char *status_access_log, *admin_access_log; /* the same */
    char *log_level;           /* debug, info, notice, warn, error, crit, alert, emerg */
    uint32_t worker_processes; /* 0: auto, as many as CPUs */
    char *user;                /* "user [group]" that root becomes; NULL: not said */
    char *hopgate_sandbox;     /* on, off, auto */
    struct config_strings hopgate_sandbox_paths; /* absolute; may be read besides */

    /* Certificate and key of listeners without a matching SNI, pairwise; each is a path, or PEM
     * text, or PEM in base64: see settings_read_pem. */
    struct config_strings ssl_cert, ssl_cert_key;
    char *ssl_cipher_suite;              /* modern, intermediate, old, fips, custom */
    char *ssl_ciphers;                   /* OpenSSL's list; used with custom only; NULL: none */
    struct config_strings ssl_protocols; /* "TLSv1.2" … ; used with custom only */
    bool ssl_prefer_server_ciphers;      /* used with custom only */
    char *ssl_ecdh_curve;                /* "auto", or OpenSSL's list: "X25519:prime256v1" */
    bool ssl_session_tickets;
    uint64_t ssl_session_timeout_ms;
    uint64_t ssl_session_cache_size_bytes;        /* of sessions by id; 0: none are kept */
    struct config_strings ssl_session_ticket_key; /* paths, the first is current; none: made here */
    uint64_t hopgate_ticket_key_lifetime_ms;      /* of those that are made here */
    struct config_strings lua_ssl_trusted_certificate; /* "system", or as ssl_cert */
    bool ssl_stapling;                                 /* OCSP responses are fetched and sent */
    char *ssl_stapling_file;                           /* path of one for ssl_cert; NULL: none */
    char *ssl_verify_client;                           /* off, on, optional, optional_no_ca */
    char *ssl_client_certificate, *ssl_crl;            /* as one item of ssl_cert; NULL: none */
    uint32_t ssl_verify_depth;                         /* intermediates below the root */

    /* TLS towards targets, where a service does not say: nginx's directives and Kong's client_ssl */
    bool client_ssl;                             /* show client_ssl_cert when asked for one */
    char *client_ssl_cert, *client_ssl_cert_key; /* as ssl_cert, or NULL */
    bool proxy_ssl_verify;                       /* the persona's unless set */
    uint32_t proxy_ssl_verify_depth;             /* likewise */
    char *proxy_ssl_trusted_certificate;       /* as ssl_cert; NULL: lua_ssl_trusted_certificate */
    struct config_strings proxy_ssl_protocols; /* "TLSv1.2" … */
    struct config_strings proxy_next_upstream; /* empty: never */
    uint32_t proxy_next_upstream_tries;        /* 0: no limit */
    uint64_t proxy_next_upstream_timeout_ms;   /* 0: no limit */
    bool proxy_ssl_session_reuse;

    struct addr_cidrs trusted_ips;
    char *real_ip_header;
    bool real_ip_recursive;
    struct config_strings headers;          /* what is added to responses; empty: off */
    struct config_strings headers_upstream; /* and to requests */
    char *router_flavor;                    /* traditional_compatible, traditional */
    char *error_default_type;
    /* paths of Kong's page templates; NULL: the persona's */
    char *error_template_html, *error_template_json, *error_template_xml, *error_template_plain;
    bool allow_debug_header;   /* Kong-Debug shows route and service */
    bool request_debug;        /* X-Kong-Request-Debug shows times */
    char *request_debug_token; /* NULL: one is made */
    char *charset;             /* of Content-Type; "off": none is added */
    struct settings_port_maps port_maps;

    uint32_t upstream_keepalive_pool_size;    /* 0: none is kept */
    uint32_t upstream_keepalive_max_requests; /* 0: no limit */
    uint64_t upstream_keepalive_idle_timeout_ms;

    /* Client side: nginx's directives, from nginx_http_… or nginx_proxy_… */
    uint64_t client_header_timeout_ms, client_body_timeout_ms, send_timeout_ms;
    uint64_t keepalive_timeout_ms; /* 0: connections are not kept */
    uint32_t keepalive_requests;
    uint64_t client_max_body_size_bytes; /* 0: no limit */
    uint64_t client_body_buffer_size_bytes, client_header_buffer_size_bytes;
    uint32_t large_client_header_buffers_count;
    uint64_t large_client_header_buffers_size_bytes; /* each */

    /* Buffering, likewise; the last two do nothing here, but are checked as nginx does */
    bool proxy_buffering, proxy_request_buffering;
    uint64_t proxy_buffer_size_bytes, proxy_buffers_size_bytes /* each */;
    uint32_t proxy_buffers_count;
    uint64_t proxy_max_temp_file_size_bytes; /* 0: no file */
    uint64_t proxy_busy_size_bytes, proxy_temp_write_size_bytes;

    struct config_strings dns_resolver; /* "192.0.2.53:53" …; empty: those of resolv.conf */
    char *dns_hostsfile;
    struct config_strings dns_order; /* LAST, SRV, A, AAAA, CNAME */
    uint64_t dns_valid_ttl_ms;       /* 0: what the answer says */
    uint64_t dns_stale_ttl_ms, dns_not_found_ttl_ms, dns_error_ttl_ms;
    uint64_t hopgate_dns_min_ttl_ms, hopgate_dns_max_ttl_ms;
    uint64_t hopgate_dns_timeout_ms; /* of one question to one server */
    uint32_t hopgate_dns_tries;

    char *database;               /* "off", "sqlite" */
    char *hopgate_sqlite_path;    /* below the prefix or absolute */
    char *declarative_config;     /* or NULL */
    char *hopgate_extras_file;    /* hopgate: of database = sqlite; or NULL */
    struct config_extras *extras; /* what is in it, from config_source_load on; or NULL */

    /* The Admin API: TLS of its listeners as that of proxy_listen, with certificates of its own */
    struct config_strings admin_ssl_cert, admin_ssl_cert_key; /* empty: a self-signed one */
    char *admin_ssl_verify_client;                            /* as ssl_verify_client */
    char *admin_ssl_client_certificate, *admin_ssl_crl;       /* or NULL */
    uint32_t admin_ssl_verify_depth;
    uint64_t admin_client_max_body_size_bytes; /* 0: no limit but the one on all of them */
    uint64_t lmdb_map_size_bytes;              /* of entities that POST /config may bring */
    char *hopgate_admin_token;                 /* who asks must show it; NULL: nobody need */
    bool hopgate_admin_public;                 /* reachable from outside without TLS and proof */
    struct config_strings admin_gui_url; /* whose pages may read answers; empty: any good one */
    struct config_strings hopgate_admin_hosts; /* names it may be called by; "*": any */
    char *hopgate_admin_audit_log;             /* as proxy_access_log, without a format */
    char *hopgate_duplicate_routes;            /* refuse, allow */
    char *hopgate_stored_plugins;              /* refuse, allow */

    char *hopgate_persona; /* name or path */
    char *hopgate_name;    /* NULL: the persona's */
    bool hopgate_lab;
    uint32_t hopgate_time_scale;  /* 1: real time. More only in the lab */
    char *hopgate_capture_log;    /* heads of all exchanges; NULL: none. Only in the lab */
    bool hopgate_capture_secrets; /* with credentials */
    struct sockaddr_storage hopgate_upstream_bind; /* AF_UNSPEC: none */
    char *hopgate_upstream_keepalive_of;           /* target, address */
    char *hopgate_access_log_format;               /* a name or a text with "$", see access_log.h */
    char *http_log_format;     /* nginx's log_format directive, see log_directive.h; or NULL */
    bool hopgate_proxy_status; /* answers made here carry Proxy-Status (RFC 9209) */
    char *hopgate_client_verify_refusal;             /* page, alert */
    char *hopgate_unknown_sni, *hopgate_missing_sni; /* default, refuse */
    struct config_strings hopgate_retry_on;          /* empty: never */
    uint64_t upstream_keepalive_max_age_ms;          /* 0: no limit */
    uint32_t upstream_keepalive_per_target;          /* idle connections; 0: no limit of its own */
    bool hopgate_redispatch;
    uint32_t retry_budget_percent;           /* 0: no budget */
    uint32_t retry_budget_min_count;         /* with a budget: and never fewer */
    uint64_t request_timeout_ms;             /* 0: none */
    char *hopgate_client_cert_fields;        /* rfc9440, x-ssl-client, xfcc, alb, none */
    char *hopgate_trusted_client_cert_field; /* client-cert, xfcc, ..., none */
    char *hopgate_forwarded[CONFIG_VIA + 1]; /* policies by enum config_forwarded_field; or NULL */
    char *hopgate_forwarded_untrusted;       /* of those: for peers not in trusted_ips; or NULL */
    uint64_t hopgate_shutdown_timeout_ms;
    uint64_t hopgate_spool_max_size_bytes; /* of stored content on disk; 0: no limit */
    uint64_t hopgate_recorder_size_bytes;  /* of each worker's flight recorder; 0: off */
    uint64_t hopgate_recorder_slow_ms;     /* longer exchanges are remembered longer; 0: none are */

    /* Limits of our own, hopgate_…; 0 where nothing is set and the persona decides */
    uint64_t tls_handshake_timeout_ms;
    uint64_t client_body_min_rate_bytes, client_body_min_rate_grace_ms; /* per second; after */
    uint32_t client_max_fields, upstream_max_fields;
    uint64_t upstream_max_head_bytes;
    uint64_t max_chunk_extension_bytes, max_chunk_extensions_bytes; /* of a chunk, of a message */
    uint64_t max_trailers_bytes;
    uint32_t max_trailer_fields;
    uint32_t max_connections; /* of clients, the reserve not counted; 0: as the files allow */
    uint32_t max_connections_per_address; /* 0: no limit */
    uint32_t reserved_connections;        /* more, for listeners that draw on the reserve */

    uint64_t memory_limit_bytes; /* 0: off; SETTINGS_SIZE_AUTO: as the control group allows */
    uint64_t memory_patience_ms; /* short of memory, before exchanges are ended for it */
    uint32_t receive_buffers, receive_buffers_bulk; /* of a worker: 4 KiB, 64 KiB; powers of two */

    char *file;                      /* or NULL: no kong.conf */
    struct settings_origin *origins; /* by key */
    unsigned sharers;                /* besides the one who has loaded it */
};

/*
 * file may be NULL: defaults and environment only. environment as `environ`, or NULL. 0; -EINVAL
 * when something is wrong; another negative errno when the file could not be read; -ENOMEM. The
 * reasons, also notices on success, are added to `errors`.
 */
int settings_load(const char *file, char *const *environment, struct settings **ret,
                  struct config_errors *errors);

/* The same with the file's text in memory; file only names it. */
int settings_load_text(struct slice text, const char *file, char *const *environment,
                       struct settings **ret, struct config_errors *errors);

/* One more who calls settings_free; on one thread. Returns `settings`. */
struct settings *settings_share(struct settings *settings);

void settings_free(struct settings *settings);
DEFINE_SCOPED(settings);

/*
 * Every time becomes the part of it that hopgate_time_scale says; for who has laid them over a persona
 * and needs them as they are written no more. Not those of the machine and of who looks after it:
 * shutdown, memory, ticket keys, and how name servers are asked.
 */
void settings_scale_times(struct settings *settings);

/* Written in the file or the environment, under this name or another name of the same thing. */
bool settings_is_set(const struct settings *settings, const char *key);

/* Where it was written, for messages; line 0 when nowhere or in the environment. */
struct config_place settings_place(const struct settings *settings, const char *key);

/*
 * The PEM text behind one item of ssl_cert and its like: the item itself, its base64, or the file
 * it names. *ret is malloc'ed. A negative errno after adding an error in the name of `key`.
 */
int settings_read_pem(const struct settings *settings, const char *key, const char *item,
                      char **ret, struct config_errors *errors);

#endif
