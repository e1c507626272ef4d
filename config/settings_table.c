/*
 * settings_table: every key of kong.conf (3.9), and hopgate's own.
 *
 * Keys of Kong Enterprise stand here too: a kong.conf that was written for it should be told what
 * will not happen rather than that its keys are unknown.
 */
#include <string.h>

#include "config/settings_priv.h"
#include "core/time_scale.h"

#define AT(member) .offset = offsetof(struct settings, member)

#define TIME_MAX_MS    2147483646
#define SIZE_MAX_BYTES (1ull << 40)

#define NO_EFFECT(key, text, why)                                                          \
    {                                                                                      \
        .name = (key), .state = SETTING_NO_EFFECT, .default_text = (text), .reason = (why) \
    }
#define REFUSED(key, text, why)                                                          \
    {                                                                                    \
        .name = (key), .state = SETTING_REFUSED, .default_text = (text), .reason = (why) \
    }
#define LIMIT(kind, key, text, least, most, member)                                    \
    {                                                                                  \
        .name = (key), .type = SETTING_##kind, .default_text = (text), .min = (least), \
        .max = (most), .offset = offsetof(struct settings, member)                     \
    }
/* Not divided by hopgate_time_scale, see settings_scale_times. */
#define REAL_TIME(key, text, least, most, member)                                     \
    {                                                                                 \
        .name = (key), .type = SETTING_TIME, .is_real = true, .default_text = (text), \
        .min = (least), .max = (most), .offset = offsetof(struct settings, member)    \
    }
#define ALIAS(key, other)                                             \
    {                                                                 \
        .name = (key), .type = SETTING_ALIAS, .default_text = (other) \
    }

#define NOT_YET     "is not supported by this version of hopgate"
#define NO_NGINX    "is an nginx directive without an equal in hopgate"
#define NO_PLUGINS  "plugins are not supported by this version of hopgate"
#define NO_GUI      "there is no Kong Manager in hopgate"
#define NO_DATABASE "hopgate keeps entities in SQLite, or in a file"
#define NO_CLUSTER  "hopgate has no control plane and no data planes"
#define NO_LUA      "there is no Lua in hopgate"
#define NO_DNS      "the keys of Kong's former DNS client, dns_*, are what hopgate follows"
#define NO_STREAM   "is not supported: stream_listen only passes TLS through"
#define NO_WASM     "WebAssembly filters are not supported by this version of hopgate"
#define NO_VAULTS   "vaults are not supported by this version of hopgate"
#define NO_TRACING  "tracing is not supported by this version of hopgate"
#define ENTERPRISE  "it belongs to Kong Enterprise"

const struct setting settings_table[] = {
    /* the process */
    { .name = "prefix", AT(prefix) }, /* default depends on the user: see settings.c */
    { .name = "log_level",
      .default_text = "notice",
      .one_of = "debug, info, notice, warn, error, crit, alert, emerg",
      AT(log_level) },
    { .name = "proxy_access_log", .default_text = "logs/access.log", AT(proxy_access_log) },
    { .name = "proxy_error_log", .default_text = "logs/error.log", AT(proxy_error_log) },
    { .name = "nginx_worker_processes",
      .type = SETTING_AUTO,
      .default_text = "auto",
      .min = 1,
      .max = 1024,
      AT(worker_processes) },
    ALIAS("nginx_main_worker_processes", "nginx_worker_processes"),
    { .name = "nginx_user", AT(user) }, /* default depends on who is there: see privileges.h */
    ALIAS("nginx_main_user", "nginx_user"),
    { .name = "hopgate_sandbox",
      .default_text = "off",
      .one_of = "on, off, auto",
      AT(hopgate_sandbox) },
    { .name = "hopgate_sandbox_paths", .type = SETTING_LIST, AT(hopgate_sandbox_paths) },
    { .name = "database", /* default depends on whether there is a file: see source.c */
      .one_of = "off, sqlite, postgres, cassandra",
      .supported = "off, sqlite",
      AT(database) },
    { .name = "hopgate_sqlite_path", .default_text = "hopgate.db", AT(hopgate_sqlite_path) },
    { .name = "hopgate_extras_file", AT(hopgate_extras_file) },
    { .name = "declarative_config", AT(declarative_config) },
    REFUSED("declarative_config_string", NULL,
            "is not supported; write a file and name it in "
            "declarative_config"),
    { .name = "port_maps", .type = SETTING_PORT_MAPS, AT(port_maps) },

    /* listeners */
    { .name = "proxy_listen",
      .type = SETTING_LISTEN,
      .default_text = "0.0.0.0:8000 reuseport backlog=16384, "
                      "0.0.0.0:8443 http2 ssl reuseport backlog=16384",
      AT(proxy_listen) },
    { .name = "admin_listen",
      .type = SETTING_LISTEN,
      .default_text = "127.0.0.1:8001 reuseport backlog=16384, "
                      "127.0.0.1:8444 http2 ssl reuseport backlog=16384",
      AT(admin_listen) },
    { .name = "admin_access_log", .default_text = "logs/admin_access.log", AT(admin_access_log) },
    { .name = "admin_ssl_cert", .type = SETTING_LIST, AT(admin_ssl_cert) },
    { .name = "admin_ssl_cert_key", .type = SETTING_LIST, AT(admin_ssl_cert_key) },
    { .name = "nginx_admin_ssl_verify_client",
      .default_text = "off",
      .one_of = "off, on, optional, optional_no_ca",
      AT(admin_ssl_verify_client) },
    { .name = "nginx_admin_ssl_client_certificate", AT(admin_ssl_client_certificate) },
    { .name = "nginx_admin_ssl_verify_depth",
      .type = SETTING_NUMBER,
      .default_text = "1",
      .min = 0,
      .max = 100,
      AT(admin_ssl_verify_depth) },
    { .name = "nginx_admin_ssl_crl", AT(admin_ssl_crl) },
    LIMIT(SIZE, "nginx_admin_client_max_body_size", "10m", 0, SIZE_MAX_BYTES,
          admin_client_max_body_size_bytes),
    LIMIT(SIZE, "lmdb_map_size", "2048m", 1, SIZE_MAX_BYTES, lmdb_map_size_bytes),
    { .name = "hopgate_admin_token", AT(hopgate_admin_token) },
    { .name = "hopgate_admin_public",
      .type = SETTING_SWITCH,
      .default_text = "off",
      AT(hopgate_admin_public) },
    { .name = "hopgate_admin_hosts", .type = SETTING_LIST, AT(hopgate_admin_hosts) },
    { .name = "hopgate_admin_audit_log",
      .default_text = "logs/admin_audit.log",
      AT(hopgate_admin_audit_log) },
    { .name = "status_listen", .type = SETTING_LISTEN, .default_text = "off", AT(status_listen) },
    { .name = "status_access_log", .default_text = "off", AT(status_access_log) },
    { .name = "admin_gui_url", .type = SETTING_LIST, AT(admin_gui_url) },
    { .name = "admin_gui_listen",
      .type = SETTING_LISTEN,
      .default_text = "off",
      AT(admin_gui_listen) },
    { .name = "stream_listen", .type = SETTING_LISTEN, .default_text = "off", AT(stream_listen) },

    /* TLS */
    { .name = "ssl_cert", .type = SETTING_LIST, AT(ssl_cert) },
    { .name = "ssl_cert_key", .type = SETTING_LIST, AT(ssl_cert_key) },
    { .name = "ssl_cipher_suite",
      .default_text = "intermediate",
      .one_of = "modern, intermediate, old, fips, custom",
      AT(ssl_cipher_suite) },
    { .name = "ssl_ciphers", AT(ssl_ciphers) },
    { .name = "ssl_protocols",
      .type = SETTING_WORDS,
      .default_text = "TLSv1.2 TLSv1.3",
      .one_of = "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3",
      AT(ssl_protocols) },
    { .name = "ssl_prefer_server_ciphers",
      .type = SETTING_SWITCH,
      .default_text = "on",
      AT(ssl_prefer_server_ciphers) },
    { .name = "ssl_session_tickets",
      .type = SETTING_SWITCH,
      .default_text = "on",
      AT(ssl_session_tickets) },
    { .name = "ssl_session_timeout",
      .type = SETTING_TIME,
      .default_text = "1d",
      .min = 1,
      .max = TIME_MAX_MS,
      AT(ssl_session_timeout_ms) },
    ALIAS("nginx_http_ssl_protocols", "ssl_protocols"),
    ALIAS("nginx_http_ssl_prefer_server_ciphers", "ssl_prefer_server_ciphers"),
    ALIAS("nginx_http_ssl_session_tickets", "ssl_session_tickets"),
    ALIAS("nginx_http_ssl_session_timeout", "ssl_session_timeout"),
    { .name = "ssl_session_cache_size",
      .type = SETTING_SIZE,
      .default_text = "10m",
      .min = 0,
      .max = 1ull << 30,
      AT(ssl_session_cache_size_bytes) },
    { .name = "nginx_http_ssl_session_ticket_key",
      .type = SETTING_LIST,
      AT(ssl_session_ticket_key) },
    REAL_TIME("hopgate_ticket_key_lifetime", "12h", 2000, 24ull * 60 * 60 * 1000,
              hopgate_ticket_key_lifetime_ms),
    NO_EFFECT("ssl_dhparam", NULL, "OpenSSL chooses the group"),
    NO_EFFECT("nginx_http_ssl_dhparam", NULL, "OpenSSL chooses the group"),
    { .name = "client_ssl", .type = SETTING_SWITCH, .default_text = "off", AT(client_ssl) },
    { .name = "client_ssl_cert", AT(client_ssl_cert) },
    { .name = "client_ssl_cert_key", AT(client_ssl_cert_key) },
    { .name = "nginx_http_proxy_ssl_verify",
      .type = SETTING_SWITCH,
      .default_text = "off",
      AT(proxy_ssl_verify) },
    { .name = "nginx_http_proxy_ssl_verify_depth",
      .type = SETTING_NUMBER,
      .default_text = "1",
      .min = 0,
      .max = 100,
      AT(proxy_ssl_verify_depth) },
    { .name = "nginx_http_proxy_ssl_trusted_certificate", AT(proxy_ssl_trusted_certificate) },
    { .name = "nginx_http_proxy_ssl_protocols",
      .type = SETTING_WORDS,
      .default_text = "TLSv1.2 TLSv1.3",
      .one_of = "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3",
      .supported = "TLSv1.2, TLSv1.3",
      AT(proxy_ssl_protocols) },
    { .name = "nginx_http_proxy_ssl_session_reuse",
      .type = SETTING_SWITCH,
      .default_text = "on",
      AT(proxy_ssl_session_reuse) },
    REFUSED("nginx_http_proxy_ssl_server_name", "on",
            "is always on: the Host sent upstream is the server name, as in Kong"),
    REFUSED("nginx_http_proxy_ssl_name", NULL,
            "is not supported: the Host sent upstream is the name, as in Kong"),
    REFUSED("nginx_http_proxy_ssl_certificate", NULL, "is not supported; use client_ssl_cert"),
    REFUSED("nginx_http_proxy_ssl_certificate_key", NULL,
            "is not supported; use client_ssl_cert_key"),
    REFUSED("nginx_http_proxy_ssl_ciphers", "DEFAULT", NOT_YET),
    REFUSED("nginx_http_proxy_ssl_crl", NULL, NOT_YET),
    { .name = "lua_ssl_trusted_certificate",
      .type = SETTING_LIST,
      .default_text = "system",
      AT(lua_ssl_trusted_certificate) },
    { .name = "nginx_http_ssl_ecdh_curve", .default_text = "auto", AT(ssl_ecdh_curve) },
    { .name = "nginx_http_ssl_stapling",
      .type = SETTING_SWITCH,
      .default_text = "off",
      AT(ssl_stapling) },
    { .name = "nginx_http_ssl_stapling_file", AT(ssl_stapling_file) },
    { .name = "nginx_http_ssl_verify_client",
      .default_text = "off",
      .one_of = "off, on, optional, optional_no_ca",
      AT(ssl_verify_client) },
    { .name = "nginx_http_ssl_client_certificate", AT(ssl_client_certificate) },
    { .name = "nginx_http_ssl_verify_depth",
      .type = SETTING_NUMBER,
      .default_text = "1",
      .min = 0,
      .max = 100,
      AT(ssl_verify_depth) },
    { .name = "nginx_http_ssl_crl", AT(ssl_crl) },
    REFUSED("fips", "off", NOT_YET),

    /* requests and responses */
    { .name = "trusted_ips", .type = SETTING_CIDRS, AT(trusted_ips) },
    { .name = "real_ip_header", .default_text = "X-Real-IP", AT(real_ip_header) },
    { .name = "real_ip_recursive",
      .type = SETTING_SWITCH,
      .default_text = "off",
      AT(real_ip_recursive) },
    ALIAS("nginx_proxy_real_ip_header", "real_ip_header"),
    ALIAS("nginx_proxy_real_ip_recursive", "real_ip_recursive"),
    { .name = "headers",
      .type = SETTING_LIST,
      .default_text = "server_tokens, latency_tokens, X-Kong-Request-Id",
      .one_of = "off, server_tokens, latency_tokens, Server, Via, X-Kong-Proxy-Latency, "
                "X-Kong-Response-Latency, X-Kong-Admin-Latency, X-Kong-Upstream-Latency, "
                "X-Kong-Upstream-Status, X-Kong-Request-Id, X-Kong-Third-Party-Latency, "
                "X-Kong-Client-Latency, X-Kong-Total-Latency",
      AT(headers) },
    { .name = "headers_upstream",
      .type = SETTING_LIST,
      .default_text = "X-Kong-Request-Id",
      .one_of = "off, X-Kong-Request-Id",
      AT(headers_upstream) },
    { .name = "nginx_http_charset", .default_text = "UTF-8", AT(charset) },
    { .name = "error_default_type",
      .default_text = "text/plain",
      .one_of = "text/plain, text/html, application/json, application/xml",
      AT(error_default_type) },
    { .name = "error_template_html", AT(error_template_html) },
    { .name = "error_template_json", AT(error_template_json) },
    { .name = "error_template_xml", AT(error_template_xml) },
    { .name = "error_template_plain", AT(error_template_plain) },
    { .name = "allow_debug_header",
      .type = SETTING_SWITCH,
      .default_text = "off",
      AT(allow_debug_header) },
    { .name = "request_debug", .type = SETTING_SWITCH, .default_text = "on", AT(request_debug) },
    { .name = "request_debug_token", AT(request_debug_token) },
    { .name = "router_flavor",
      .default_text = "traditional_compatible",
      .one_of = "traditional_compatible, traditional, expressions",
      .supported = "traditional_compatible, traditional",
      AT(router_flavor) },

    /* upstream connections */
    { .name = "upstream_keepalive_pool_size",
      .type = SETTING_NUMBER,
      .default_text = "512",
      .min = 0,
      .max = 1000000,
      AT(upstream_keepalive_pool_size) },
    { .name = "upstream_keepalive_max_requests",
      .type = SETTING_NUMBER,
      .default_text = "10000",
      .min = 0,
      .max = UINT32_MAX,
      AT(upstream_keepalive_max_requests) },
    { .name = "upstream_keepalive_idle_timeout",
      .type = SETTING_TIME,
      .default_text = "60",
      .min = 0,
      .max = TIME_MAX_MS,
      AT(upstream_keepalive_idle_timeout_ms) },
    { .name = "nginx_http_proxy_next_upstream",
      .type = SETTING_WORDS,
      .default_text = "error timeout",
      .one_of = "off, error, timeout, invalid_header, http_403, http_404, http_429, http_500, "
                "http_502, http_503, http_504, non_idempotent",
      AT(proxy_next_upstream) },
    LIMIT(NUMBER, "nginx_http_proxy_next_upstream_tries", "0", 0, 32768, proxy_next_upstream_tries),
    LIMIT(TIME, "nginx_http_proxy_next_upstream_timeout", "0", 0, TIME_MAX_MS,
          proxy_next_upstream_timeout_ms),

    /* client connections: nginx's directives */
    { .name = "nginx_http_client_header_timeout",
      .type = SETTING_TIME,
      .default_text = "60s",
      .min = 1,
      .max = TIME_MAX_MS,
      AT(client_header_timeout_ms) },
    { .name = "nginx_http_client_body_timeout",
      .type = SETTING_TIME,
      .default_text = "60s",
      .min = 1,
      .max = TIME_MAX_MS,
      AT(client_body_timeout_ms) },
    { .name = "nginx_http_send_timeout",
      .type = SETTING_TIME,
      .default_text = "60s",
      .min = 1,
      .max = TIME_MAX_MS,
      AT(send_timeout_ms) },
    { .name = "nginx_http_keepalive_timeout",
      .type = SETTING_TIME,
      .default_text = "75s",
      .min = 0,
      .max = TIME_MAX_MS,
      AT(keepalive_timeout_ms) },
    { .name = "nginx_http_keepalive_requests",
      .type = SETTING_NUMBER,
      .default_text = "10000",
      .min = 0,
      .max = UINT32_MAX,
      AT(keepalive_requests) },
    LIMIT(SIZE, "nginx_http_client_max_body_size", "0", 0, SIZE_MAX_BYTES,
          client_max_body_size_bytes),
    LIMIT(SIZE, "nginx_http_client_body_buffer_size", "8k", 1, 1ull << 30,
          client_body_buffer_size_bytes),
    { .name = "nginx_http_client_header_buffer_size",
      .type = SETTING_SIZE,
      .default_text = "1k",
      .min = 256,
      .max = 1 << 20,
      AT(client_header_buffer_size_bytes) },
    { .name = "nginx_http_large_client_header_buffers",
      .type = SETTING_BUFFERS,
      .default_text = "4 8k",
      .min = 256,
      .max = 1 << 20,
      AT(large_client_header_buffers_count),
      .second_offset = offsetof(struct settings, large_client_header_buffers_size_bytes) },
    { .name = "nginx_http_log_format", AT(http_log_format) },
    ALIAS("nginx_http_proxy_bind", "hopgate_upstream_bind"),
    ALIAS("nginx_main_worker_shutdown_timeout", "hopgate_shutdown_timeout"),
    LIMIT(SWITCH, "nginx_http_proxy_buffering", "on", 0, 0, proxy_buffering),
    LIMIT(SWITCH, "nginx_http_proxy_request_buffering", "on", 0, 0, proxy_request_buffering),
    LIMIT(SIZE, "nginx_http_proxy_buffer_size", "4k", 256, 1 << 20, proxy_buffer_size_bytes),
    { .name = "nginx_http_proxy_buffers",
      .type = SETTING_BUFFERS,
      .default_text = "8 4k",
      .min = 256,
      .max = 1 << 30,
      AT(proxy_buffers_count),
      .second_offset = offsetof(struct settings, proxy_buffers_size_bytes) },
    LIMIT(SIZE, "nginx_http_proxy_busy_buffers_size", "8k", 256, 1 << 30, proxy_busy_size_bytes),
    LIMIT(SIZE, "nginx_http_proxy_max_temp_file_size", "1024m", 0, SIZE_MAX_BYTES,
          proxy_max_temp_file_size_bytes),
    LIMIT(SIZE, "nginx_http_proxy_temp_file_write_size", "8k", 256, 1 << 30,
          proxy_temp_write_size_bytes),
    ALIAS("client_max_body_size", "nginx_http_client_max_body_size"),
    ALIAS("client_body_buffer_size", "nginx_http_client_body_buffer_size"),

    /* hopgate's own */
    { .name = "hopgate_persona", .default_text = "kong", AT(hopgate_persona) },
    { .name = "hopgate_name", AT(hopgate_name) },
    { .name = "hopgate_lab", .type = SETTING_SWITCH, .default_text = "off", AT(hopgate_lab) },
    LIMIT(NUMBER, "hopgate_time_scale", "1", 1, TIME_SCALE_MAX, hopgate_time_scale),
    { .name = "hopgate_capture_log", AT(hopgate_capture_log) },
    { .name = "hopgate_capture_secrets",
      .type = SETTING_SWITCH,
      .default_text = "off",
      AT(hopgate_capture_secrets) },
    { .name = "hopgate_upstream_bind", .type = SETTING_ADDRESS, AT(hopgate_upstream_bind) },
    { .name = "hopgate_upstream_keepalive_of",
      .default_text = "target",
      .one_of = "target, address",
      AT(hopgate_upstream_keepalive_of) },
    { .name = "hopgate_access_log_format", .default_text = "kong", AT(hopgate_access_log_format) },
    { .name = "hopgate_proxy_status",
      .type = SETTING_SWITCH,
      .default_text = "off",
      AT(hopgate_proxy_status) },
    REAL_TIME("hopgate_shutdown_timeout", "10s", 0, TIME_MAX_MS, hopgate_shutdown_timeout_ms),
    { .name = "hopgate_spool_max_size",
      .type = SETTING_SIZE,
      .default_text = "0",
      .min = 0,
      .max = SIZE_MAX_BYTES,
      AT(hopgate_spool_max_size_bytes) },
    /* limits of our own; without a default here it is the persona's */
    LIMIT(TIME, "hopgate_tls_handshake_timeout", NULL, 1, TIME_MAX_MS, tls_handshake_timeout_ms),
    LIMIT(SIZE, "hopgate_client_body_min_rate", NULL, 0, 1u << 30, client_body_min_rate_bytes),
    LIMIT(TIME, "hopgate_client_body_min_rate_grace", NULL, 1, TIME_MAX_MS,
          client_body_min_rate_grace_ms),
    LIMIT(NUMBER, "hopgate_client_max_fields", NULL, 1, 10000, client_max_fields),
    LIMIT(SIZE, "hopgate_upstream_max_head", NULL, 256, 1 << 20, upstream_max_head_bytes),
    LIMIT(NUMBER, "hopgate_upstream_max_fields", NULL, 1, 10000, upstream_max_fields),
    LIMIT(SIZE, "hopgate_max_chunk_extension", NULL, 0, 1 << 20, max_chunk_extension_bytes),
    LIMIT(SIZE, "hopgate_max_chunk_extensions", NULL, 0, 1 << 20, max_chunk_extensions_bytes),
    LIMIT(SIZE, "hopgate_max_trailers", NULL, 0, 1 << 20, max_trailers_bytes),
    LIMIT(NUMBER, "hopgate_max_trailer_fields", NULL, 0, 10000, max_trailer_fields),
    LIMIT(AUTO, "hopgate_max_connections", "auto", 1, 100000000, max_connections),
    LIMIT(NUMBER, "hopgate_max_connections_per_address", "0", 0, 100000000,
          max_connections_per_address),
    LIMIT(NUMBER, "hopgate_reserved_connections", "32", 0, 100000, reserved_connections),
    LIMIT(AUTO_SIZE, "hopgate_memory_limit", "auto", 0, SIZE_MAX_BYTES, memory_limit_bytes),
    REAL_TIME("hopgate_memory_patience", "2s", 0, TIME_MAX_MS, memory_patience_ms),
    LIMIT(POWER, "hopgate_receive_buffers", "512", 4, 16384, receive_buffers),
    LIMIT(POWER, "hopgate_receive_buffers_bulk", "64", 4, 16384, receive_buffers_bulk),
    { .name = "hopgate_recorder_size",
      .type = SETTING_SIZE,
      .default_text = "1m",
      .min = 0,
      .max = 16 << 20, /* a worker copies all of it when it is asked */
      AT(hopgate_recorder_size_bytes) },
    /* what is measured is multiplied back before it is compared */
    REAL_TIME("hopgate_recorder_slow", "1s", 0, TIME_MAX_MS, hopgate_recorder_slow_ms),
    REFUSED("hopgate_mtls", NULL, NOT_YET "; write hopgate: {mtls: […]} into the declarative file"),
    LIMIT(TIME, "hopgate_upstream_keepalive_max_age", NULL, 0, TIME_MAX_MS,
          upstream_keepalive_max_age_ms),
    LIMIT(NUMBER, "hopgate_upstream_keepalive_per_target", NULL, 0, 1000000,
          upstream_keepalive_per_target),
    /* when and where to try again; without a default here it is the persona's */
    { .name = "hopgate_retry_on",
      .type = SETTING_WORDS,
      .one_of = "off, conn-failure, empty-response, junk-response, response-timeout, "
                "all-retryable-errors, 401, 403, 404, 408, 425, 429, 500, 501, 502, 503, 504",
      AT(hopgate_retry_on) },
    { .name = "hopgate_redispatch", .type = SETTING_SWITCH, AT(hopgate_redispatch) },
    LIMIT(NUMBER, "hopgate_retry_budget", NULL, 0, 100, retry_budget_percent),
    LIMIT(NUMBER, "hopgate_retry_budget_min", NULL, 0, 1000000, retry_budget_min_count),
    LIMIT(TIME, "hopgate_request_timeout", "0", 0, TIME_MAX_MS, request_timeout_ms),
    { .name = "hopgate_client_verify_refusal",
      .default_text = "page",
      .one_of = "page, alert",
      AT(hopgate_client_verify_refusal) },
    { .name = "hopgate_unknown_sni",
      .default_text = "default",
      .one_of = "default, refuse",
      AT(hopgate_unknown_sni) },
    { .name = "hopgate_missing_sni",
      .default_text = "default",
      .one_of = "default, refuse",
      AT(hopgate_missing_sni) },
    { .name = "hopgate_client_cert_fields",
      .default_text = "none",
      .one_of = "rfc9440, x-ssl-client, xfcc, alb, none",
      AT(hopgate_client_cert_fields) },
    { .name = "hopgate_trusted_client_cert_field",
      .default_text = "none",
      .one_of = "client-cert, x-ssl-client-cert, xfcc, x-amzn-mtls-clientcert, "
                "x-amzn-mtls-clientcert-leaf, none",
      AT(hopgate_trusted_client_cert_field) },
#include "config/settings_forwarded.def"
    { .name = "hopgate_duplicate_routes",
      .default_text = "refuse",
      .one_of = "refuse, allow",
      AT(hopgate_duplicate_routes) },
    { .name = "hopgate_stored_plugins",
      .default_text = "refuse",
      .one_of = "refuse, allow",
      AT(hopgate_stored_plugins) },

    /* names */
    { .name = "dns_resolver", .type = SETTING_LIST, AT(dns_resolver) },
    { .name = "dns_hostsfile", .default_text = "/etc/hosts", AT(dns_hostsfile) },
    { .name = "dns_order",
      .type = SETTING_LIST,
      .default_text = "LAST,SRV,A,CNAME",
      .one_of = "LAST, SRV, A, AAAA, CNAME",
      AT(dns_order) },
    LIMIT(TIME, "dns_valid_ttl", "0", 0, TIME_MAX_MS, dns_valid_ttl_ms),
    LIMIT(TIME, "dns_stale_ttl", "3600", 0, TIME_MAX_MS, dns_stale_ttl_ms),
    LIMIT(TIME, "dns_not_found_ttl", "30", 1, TIME_MAX_MS, dns_not_found_ttl_ms),
    /* how a name server is dealt with: it stands outside of a lab, and lives in real time */
    REAL_TIME("dns_error_ttl", "1", 1, TIME_MAX_MS, dns_error_ttl_ms),
    REAL_TIME("hopgate_dns_min_ttl", "1s", 1, TIME_MAX_MS, hopgate_dns_min_ttl_ms),
    REAL_TIME("hopgate_dns_max_ttl", "1d", 1, TIME_MAX_MS, hopgate_dns_max_ttl_ms),
    REAL_TIME("hopgate_dns_timeout", "2s", 10, TIME_MAX_MS, hopgate_dns_timeout_ms),
    LIMIT(NUMBER, "hopgate_dns_tries", "5", 1, 20, hopgate_dns_tries),
    NO_EFFECT("dns_cache_size", "10000", "every name of the configuration is kept"),
    NO_EFFECT("dns_no_sync", "off", "there is one question per name at a time"),
#include "config/settings_unused.def"
};
const size_t settings_table_count = sizeof(settings_table) / sizeof(settings_table[0]);

static const struct setting *find_exact(const char *key)
{
    for (size_t i = 0; i < settings_table_count; i++)
        if (strcmp(settings_table[i].name, key) == 0)
            return &settings_table[i];
    return NULL;
}

/* The first row of the form "prefix*" that fits. */
static const struct setting *find_family(const char *key)
{
    for (size_t i = 0; i < settings_table_count; i++) {
        const char *star = strchr(settings_table[i].name, '*');
        size_t length = star ? (size_t)(star - settings_table[i].name) : 0;
        if (star && strncmp(settings_table[i].name, key, length) == 0)
            return &settings_table[i];
    }
    return NULL;
}

/* nginx_proxy_X and nginx_location_X as nginx_http_X; NULL: no such row is used. */
static const struct setting *find_inner(const char *key)
{
    static const char *const inner[] = { "nginx_proxy_", "nginx_location_" };
    static const char outer[] = "nginx_http_";
    char other[128];

    for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
        size_t length = strlen(inner[i]);

        if (strncmp(key, inner[i], length) != 0 || strlen(key) >= sizeof(other))
            continue;
        memcpy(other, outer, sizeof(outer) - 1);
        memcpy(other + sizeof(outer) - 1, key + length, strlen(key + length) + 1);
        return find_exact(other);
    }
    return NULL;
}

const struct setting *settings_find(const char *key)
{
    const struct setting *setting = settings_check_location(key);

    if (setting)
        return setting;
    setting = strchr(key, '*') ? NULL : find_exact(key);
    if (!setting)
        setting = find_inner(key);
    if (setting && setting->type == SETTING_ALIAS)
        setting = find_exact(setting->default_text);
    if (!setting)
        setting = settings_find_directive(key);
    return setting ? setting : find_family(key);
}
