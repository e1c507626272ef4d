/*
 * settings_directives: nginx directives that kong.conf injects (nginx_http_gzip = on) and that have no
 * equal here: what to use instead.
 *
 * The block does not matter (nginx_http_, nginx_proxy_, nginx_location_ ...): the directive is the same.
 * Those that act here are rows of settings_table.
 */
#include <string.h>

#include "config/settings_priv.h"

#define NO_EFFECT(key, text, why)                                                          \
    {                                                                                      \
        .name = (key), .state = SETTING_NO_EFFECT, .default_text = (text), .reason = (why) \
    }
#define REFUSED(key, text, why)                                                           \
    {                                                                                     \
        .name = (key), .state = SETTING_REFUSED, .default_text = (text), .reason = (why), \
        .tells_what_to_do = true                                                          \
    }

#define FIELDS                                                                                 \
    "is not taken as a directive; write field operations into the declarative file, hopgate: " \
    "{fields: […]}"
#define ROUTES   "is not supported: routes and services of the declarative file say where requests go"
#define CONTENT  "is not supported: content is never changed; let the target do it"
#define LISTENER "is not taken as a directive; use proxy_listen"
#define LUA      "there is no Lua in hopgate"
#define FILES    "hopgate serves no files"
#define KERNEL   "io_uring does without"
#define TABLES   "tables have the size that they need"
#define ACCESS                                                                                 \
    "is not supported: hopgate does not authorize by address or password; use a firewall, or " \
    "nginx_http_ssl_verify_client"
#define LIMIT                                                                                \
    "is not taken as a directive; use hopgate: {limits: […]} in the declarative file for " \
    "services, hopgate_max_connections_per_address for clients"
#define CACHE "is not supported: answers are not cached"
#define SERVICE \
    "the service's timeouts decide, as in Kong: connect_timeout, write_timeout, read_timeout"

static const struct setting directives[] = {
    /* fields */
    REFUSED("add_header", NULL, FIELDS),
    REFUSED("add_trailer", NULL, FIELDS),
    REFUSED("expires", NULL, FIELDS),
    REFUSED("more_*", NULL, FIELDS),
    REFUSED("proxy_set_header", NULL, FIELDS),
    REFUSED("proxy_hide_header", NULL, FIELDS),
    REFUSED("proxy_pass_header", NULL, FIELDS),
    REFUSED("proxy_cookie_*", NULL, FIELDS),
    REFUSED("proxy_redirect", NULL, FIELDS),
    REFUSED("proxy_headers_hash_*", NULL, TABLES),
    REFUSED("server_tokens", NULL,
            "is not taken as a directive; use headers = off, or a list without "
            "server_tokens"),
    REFUSED("underscores_in_headers", "on",
            "is always on in Kong; persona edge drops such fields from clients"),
    REFUSED("ignore_invalid_headers", "on",
            "is not supported: a malformed field is answered with 400"),
    REFUSED("set_real_ip_from", NULL, "is not taken as a directive; use trusted_ips"),
    NO_EFFECT("charset_types", NULL, "nginx's own list is what nginx_http_charset looks at"),
    REFUSED("override_charset", "off", CONTENT),
    REFUSED("source_charset", NULL, CONTENT),

    /* content */
    REFUSED("gzip*", NULL, CONTENT),
    REFUSED("gunzip*", NULL, CONTENT),
    REFUSED("brotli*", NULL, CONTENT),
    REFUSED("sub_filter*", NULL, CONTENT),
    REFUSED("ssi*", NULL, CONTENT),
    REFUSED("addition_types", NULL, CONTENT),
    REFUSED("proxy_cache*", NULL, CACHE),
    REFUSED("proxy_no_cache", NULL, CACHE),
    REFUSED("proxy_store*", NULL, CACHE),
    REFUSED("slice", NULL, CACHE),
    NO_EFFECT("proxy_temp_path", NULL, "what is stored lies under the prefix"),
    NO_EFFECT("client_body_temp_path", NULL, "what is stored lies under the prefix"),
    REFUSED("client_body_in_file_only", "off",
            "is not supported: content beyond client_body_buffer_size goes to an unlinked file"),
    NO_EFFECT("client_body_in_single_buffer", "off", "content is never parsed"),
    REFUSED("chunked_transfer_encoding", "on",
            "is not supported: content of unknown length is chunked"),
    REFUSED("mirror*", NULL, "is not supported: requests are not copied"),

    /* routing */
    REFUSED("rewrite*", NULL, ROUTES),
    REFUSED("return", NULL, ROUTES),
    REFUSED("if*", NULL, ROUTES),
    REFUSED("set", NULL, ROUTES),
    REFUSED("map*", NULL, ROUTES),
    REFUSED("geo*", NULL, ROUTES),
    REFUSED("split_clients", NULL, ROUTES),
    REFUSED("location", NULL, ROUTES),
    REFUSED("proxy_pass", NULL, ROUTES),
    REFUSED("proxy_method", NULL, ROUTES),
    REFUSED("proxy_pass_request_*", NULL, "is not supported: requests pass as they are"),
    REFUSED("proxy_set_body", NULL, "is not supported: requests pass as they are"),
    REFUSED("merge_slashes", "on",
            "is always on, as in Kong: a path is normalised before it is matched"),
    REFUSED("server_name", NULL, ROUTES),
    REFUSED("include", NULL, "is not supported: write the keys into kong.conf"),
    REFUSED("error_page", NULL,
            "is not taken as a directive; use error_template_html and its like"),
    REFUSED("proxy_intercept_errors", "off",
            "is not supported: answers of targets pass as they are"),
    REFUSED("recursive_error_pages", "off", "is not supported: there are no error_page redirects"),

    /* clients */
    REFUSED("listen", NULL, LISTENER),
    REFUSED("http2*", NULL, LISTENER),
    REFUSED("http3*", NULL, LISTENER),
    REFUSED("quic*", NULL, LISTENER),
    REFUSED("proxy_protocol*", NULL, LISTENER),
    REFUSED("limit_req*", NULL, LIMIT),
    REFUSED("limit_conn*", NULL, LIMIT),
    REFUSED("limit_rate*", NULL, "is not supported: hopgate does not slow clients down"),
    REFUSED("limit_except", NULL, "is not taken as a directive; use methods of routes"),
    REFUSED("allow", NULL, ACCESS),
    REFUSED("deny", NULL, ACCESS),
    REFUSED("satisfy", NULL, ACCESS),
    REFUSED("auth_*", NULL, ACCESS),
    REFUSED("keepalive_disable", "msie6", "is not supported: keep-alive is for every client"),
    REFUSED("keepalive_time", "1h",
            "is not supported; use nginx_http_keepalive_requests and nginx_http_keepalive_timeout"),
    REFUSED("lingering_*", NULL,
            "is not supported: how long a refused request is read on is not configurable"),
    REFUSED("reset_timedout_connection", "off",
            "is not supported: the persona says how a connection ends"),
    REFUSED("msie_*", NULL, "is not supported: the persona says what error pages look like"),
    NO_EFFECT("connection_pool_size", NULL, TABLES),
    NO_EFFECT("request_pool_size", NULL, TABLES),
    NO_EFFECT("server_names_hash_*", NULL, TABLES),
    NO_EFFECT("variables_hash_*", NULL, TABLES),
    NO_EFFECT("types_hash_*", NULL, TABLES),
    NO_EFFECT("map_hash_*", NULL, TABLES),

    /* targets */
    NO_EFFECT("proxy_connect_timeout", "60s", SERVICE),
    NO_EFFECT("proxy_send_timeout", "60s", SERVICE),
    NO_EFFECT("proxy_read_timeout", "60s", SERVICE),
    REFUSED("proxy_http_version", "1.1",
            "is not supported: targets are asked with HTTP/1.1, as by Kong"),
    REFUSED("proxy_ignore_client_abort", "off",
            "is not supported: a request whose client has gone is given up"),
    REFUSED("proxy_limit_rate", "0", "is not supported: hopgate does not slow targets down"),
    REFUSED("proxy_socket_keepalive", "off",
            "is not supported; upstream_keepalive_idle_timeout ends idle connections"),
    REFUSED("proxy_ssl_conf_command", NULL, "is not supported; use nginx_http_proxy_ssl_protocols"),
    REFUSED("resolver", NULL, "is not taken as a directive; use dns_resolver"),
    REFUSED("resolver_timeout", NULL, "is not taken as a directive; use hopgate_dns_timeout"),
    REFUSED("grpc_*", NULL, "is not supported: gRPC is not proxied yet"),
    REFUSED("fastcgi_*", NULL, "is not supported: targets speak HTTP"),
    REFUSED("uwsgi_*", NULL, "is not supported: targets speak HTTP"),
    REFUSED("scgi_*", NULL, "is not supported: targets speak HTTP"),
    REFUSED("memcached_*", NULL, "is not supported: targets speak HTTP"),

    /* TLS of listeners */
    REFUSED("ssl_certificate", NULL, "is not taken as a directive; use ssl_cert"),
    REFUSED("ssl_certificate_key", NULL, "is not taken as a directive; use ssl_cert_key"),
    REFUSED("ssl_ciphers", NULL,
            "is not taken as a directive; use ssl_ciphers with ssl_cipher_suite = custom"),
    REFUSED("ssl_session_cache", NULL, "is not taken as a directive; use ssl_session_cache_size"),
    REFUSED("ssl_trusted_certificate", NULL,
            "is not taken as a directive; use nginx_http_ssl_client_certificate"),
    REFUSED("ssl_reject_handshake", "off",
            "is not taken as a directive; use hopgate_unknown_sni = refuse"),
    REFUSED("ssl_stapling_verify", "off", "is not supported: what is stapled is always verified"),
    REFUSED("ssl_stapling_responder", NULL,
            "is not supported: the certificate names the responder"),
    REFUSED("ssl_early_data", "off", "is not supported: 0-RTT is never accepted"),
    REFUSED("ssl_ocsp*", NULL, "is not supported; use nginx_http_ssl_crl"),
    REFUSED("ssl_conf_command", NULL, "is not supported; use ssl_cipher_suite and its like"),
    REFUSED("ssl_password_file", NULL, "is not supported: keys must not be encrypted"),
    NO_EFFECT("ssl_buffer_size", "16k", "records are as large as what there is to send"),
    REFUSED("ssl_engine", NULL, "is not supported"),

    /* logs and status */
    REFUSED("access_log", NULL, "is not taken as a directive; use proxy_access_log"),
    REFUSED("error_log", NULL, "is not taken as a directive; use proxy_error_log and log_level"),
    REFUSED("log_format", NULL, "belongs to the http block; use nginx_http_log_format"),
    NO_EFFECT("log_not_found", "on", FILES),
    NO_EFFECT("log_subrequest", "off", "there are no subrequests"),
    NO_EFFECT("open_log_file_cache", "off", "log files are kept open"),
    REFUSED("stub_status", NULL, "is not taken as a directive; use status_listen"),
    REFUSED("status_zone", NULL, "is not taken as a directive; use status_listen"),

    /* files that nginx would serve */
    NO_EFFECT("root", NULL, FILES),
    NO_EFFECT("alias", NULL, FILES),
    NO_EFFECT("index", NULL, FILES),
    NO_EFFECT("autoindex*", NULL, FILES),
    NO_EFFECT("try_files", NULL, FILES),
    NO_EFFECT("default_type", NULL, FILES),
    NO_EFFECT("types", NULL, FILES),
    NO_EFFECT("etag", "on", FILES),
    NO_EFFECT("if_modified_since", "exact", FILES),
    NO_EFFECT("max_ranges", NULL, FILES),
    NO_EFFECT("open_file_cache*", NULL, FILES),
    NO_EFFECT("absolute_redirect", "on", FILES),
    NO_EFFECT("port_in_redirect", "on", FILES),
    NO_EFFECT("server_name_in_redirect", "off", FILES),
    NO_EFFECT("disable_symlinks", "off", FILES),

    /* how bytes are moved */
    NO_EFFECT("aio*", NULL, KERNEL),
    NO_EFFECT("directio*", NULL, KERNEL),
    NO_EFFECT("sendfile*", NULL, KERNEL),
    NO_EFFECT("tcp_nopush", NULL, KERNEL),
    NO_EFFECT("tcp_nodelay", "on", "is always on"),
    NO_EFFECT("send_lowat", "0", KERNEL),
    NO_EFFECT("output_buffers", NULL, KERNEL),
    NO_EFFECT("postpone_output", NULL, KERNEL),
    NO_EFFECT("read_ahead", NULL, KERNEL),
    NO_EFFECT("proxy_send_lowat", "0", KERNEL),

    /* the process */
    NO_EFFECT("worker_rlimit_nofile", "auto", "the limit is raised as far as allowed"),
    NO_EFFECT("worker_connections", "auto",
              "the limit on open files decides; see hopgate_max_connections"),
    NO_EFFECT("multi_accept", "on", "io_uring accepts all that wait"),
    NO_EFFECT("accept_mutex*", NULL, "io_uring accepts all that wait"),
    NO_EFFECT("use", NULL, "io_uring is what is used"),
    NO_EFFECT("worker_aio_requests", NULL, KERNEL),
    NO_EFFECT("worker_cpu_affinity", NULL, "the kernel places threads"),
    NO_EFFECT("worker_priority", "0", "set it from outside: nice, systemd's Nice="),
    NO_EFFECT("worker_rlimit_core", NULL, "set it from outside: ulimit -c, systemd's LimitCORE="),
    NO_EFFECT("working_directory", NULL, "set it from outside; paths are below the prefix"),
    NO_EFFECT("debug_*", NULL, "see log_level = debug"),
    NO_EFFECT("env", NULL, "no program is started with an environment of its own"),
    NO_EFFECT("pid", NULL, "the pid file lies in the prefix"),
    NO_EFFECT("lock_file", NULL, "the prefix is locked"),
    NO_EFFECT("master_process", "on", "there is one process"),
    NO_EFFECT("pcre_jit", "off", "patterns are compiled once"),
    NO_EFFECT("thread_pool", NULL, KERNEL),
    NO_EFFECT("timer_resolution", NULL, "timers have the resolution of the clock"),
    REFUSED("load_module", NULL, "is not supported: there are no modules"),

    /* Lua: Kong's own directives and those of others */
    NO_EFFECT("lua_*", NULL, LUA),
    REFUSED("init_by_lua*", NULL, "is not supported: " LUA),
    REFUSED("access_by_lua*", NULL, "is not supported: " LUA),
    REFUSED("header_filter_by_lua*", NULL, "is not supported: " LUA),
    REFUSED("body_filter_by_lua*", NULL, "is not supported: " LUA),
    REFUSED("log_by_lua*", NULL, "is not supported: " LUA),
    REFUSED("content_by_lua*", NULL, "is not supported: " LUA),
};

#define WHO_MAY                                                                                    \
    "is not supported, and who may speak to the Admin API is no small thing: use an address that " \
    "others do not reach, hopgate_admin_token, nginx_admin_ssl_verify_client or a firewall"
#define ADMIN_TLS "ssl_cipher_suite and its like hold for admin_listen, too"

/* Of admin_listen: what keeps people out is refused, because to ignore it would let them in. Whatever is
 * not here has no effect, and is told: settings_table. */
static const struct setting admin_directives[] = {
    REFUSED("allow", NULL, WHO_MAY),
    REFUSED("deny", NULL, WHO_MAY),
    REFUSED("satisfy", NULL, WHO_MAY),
    REFUSED("auth_*", NULL, WHO_MAY),
    REFUSED("limit_except", NULL, WHO_MAY),
    REFUSED("ssl_ocsp*", NULL, "is not supported; use nginx_admin_ssl_crl"),
    REFUSED("ssl_trusted_certificate", NULL,
            "is not taken as a directive; use nginx_admin_ssl_client_certificate"),
    NO_EFFECT("ssl_certificate", NULL, "admin_ssl_cert says it"),
    NO_EFFECT("ssl_certificate_key", NULL, "admin_ssl_cert_key says it"),
    NO_EFFECT("ssl_ciphers", NULL, ADMIN_TLS),
    NO_EFFECT("ssl_protocols", NULL, ADMIN_TLS),
    NO_EFFECT("ssl_prefer_server_ciphers", NULL, ADMIN_TLS),
    NO_EFFECT("access_log", NULL, "admin_access_log says it"),
    NO_EFFECT("error_log", NULL, "there is one error log; see proxy_error_log"),
    NO_EFFECT("client_body_timeout", NULL, "nginx_http_client_body_timeout holds here, too"),
    NO_EFFECT("client_header_timeout", NULL, "nginx_http_client_header_timeout holds here, too"),
    NO_EFFECT("keepalive_timeout", NULL, "nginx_http_keepalive_timeout holds here, too"),
    NO_EFFECT("keepalive_requests", NULL, "nginx_http_keepalive_requests holds here, too"),
    NO_EFFECT("send_timeout", NULL, "nginx_http_send_timeout holds here, too"),
};

/* What nginx allows in http and server only: with nginx_location_ it would not start. */
static const char *const not_in_location[] = {
    "client_header_timeout",
    "client_header_buffer_size",
    "large_client_header_buffers",
    "ssl_",
};

static const struct setting refused_in_location = {
    .name = "nginx_location_*",
    .state = SETTING_REFUSED,
    .reason = "is not allowed in a location by nginx; use nginx_http_… or nginx_proxy_…",
    .tells_what_to_do = true,
};

/* Blocks whose directives concern what hopgate does; others are told as a whole. */
static const char *const blocks[] = {
    "nginx_main_",  "nginx_events_",   "nginx_http_",
    "nginx_proxy_", "nginx_location_", "nginx_status_",
};

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const char *directive_of(const char *key)
{
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        if (begins(key, blocks[i]))
            return key + strlen(blocks[i]);
    return NULL;
}

static bool fits(const char *pattern, const char *directive)
{
    const char *star = strchr(pattern, '*');

    return star ? strncmp(pattern, directive, (size_t)(star - pattern)) == 0
                : strcmp(pattern, directive) == 0;
}

static const struct setting *find_admin_directive(const char *directive)
{
    for (size_t i = 0; i < sizeof(admin_directives) / sizeof(admin_directives[0]); i++)
        if (fits(admin_directives[i].name, directive))
            return &admin_directives[i];
    return NULL;
}

const struct setting *settings_find_directive(const char *key)
{
    static const char admin[] = "nginx_admin_";
    const char *directive = directive_of(key);

    if (begins(key, admin))
        return find_admin_directive(key + sizeof(admin) - 1);
    for (size_t i = 0; directive && i < sizeof(directives) / sizeof(directives[0]); i++)
        if (fits(directives[i].name, directive))
            return &directives[i];
    return NULL;
}

const struct setting *settings_check_location(const char *key)
{
    static const char location[] = "nginx_location_";

    if (!begins(key, location))
        return NULL;
    for (size_t i = 0; i < sizeof(not_in_location) / sizeof(not_in_location[0]); i++)
        if (begins(key + sizeof(location) - 1, not_in_location[i]))
            return &refused_in_location;
    return NULL;
}
