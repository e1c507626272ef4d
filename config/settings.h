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

struct settings {
    char *prefix;
    struct listens proxy_listen;
    struct listens admin_listen, status_listen, admin_gui_listen; /* understood, not served yet */
    char *proxy_access_log, *proxy_error_log; /* "off", or a path below the prefix or absolute */
    char *log_level;           /* debug, info, notice, warn, error, crit, alert, emerg */
    uint32_t worker_processes; /* 0: auto, as many as CPUs */

    /* Certificate and key of listeners without a matching SNI, pairwise; each is a path, or PEM
     * text, or PEM in base64: see settings_read_pem. */
    struct config_strings ssl_cert, ssl_cert_key;
    char *ssl_cipher_suite;              /* modern, intermediate, old, custom */
    char *ssl_ciphers;                   /* OpenSSL's list; used with custom only; NULL: none */
    struct config_strings ssl_protocols; /* "TLSv1.2" … ; used with custom only */
    bool ssl_prefer_server_ciphers;      /* used with custom only */
    bool ssl_session_tickets;
    uint64_t ssl_session_timeout_ms;
    struct config_strings lua_ssl_trusted_certificate; /* "system", or as ssl_cert */

    struct addr_cidrs trusted_ips;
    char *real_ip_header;
    bool real_ip_recursive;
    struct config_strings headers;          /* what is added to responses; empty: off */
    struct config_strings headers_upstream; /* and to requests */
    char *error_default_type;
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

    char *database;           /* "off" */
    char *declarative_config; /* or NULL */

    char *hopgate_persona; /* name or path */
    char *hopgate_name;    /* NULL: the persona's */
    bool hopgate_lab;
    struct sockaddr_storage hopgate_upstream_bind; /* AF_UNSPEC: none */
    char *hopgate_access_log_format;               /* kong, json */
    bool hopgate_proxy_status; /* answers made here carry Proxy-Status (RFC 9209) */
    uint64_t hopgate_shutdown_timeout_ms;

    char *file;                      /* or NULL: no kong.conf */
    struct settings_origin *origins; /* by key */
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

void settings_free(struct settings *settings);
DEFINE_SCOPED(settings);

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
