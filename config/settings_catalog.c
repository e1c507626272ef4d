#include "config/settings_catalog.h"

#include <string.h>

#include "config/settings_priv.h"

/* clang-format off: a key is a line */
static const struct {
    const char *name, *meaning;
} meanings[] = {
    { "prefix", "working directory: logs, pid file, control socket, stored content. Without the "
                "key /usr/local/hopgate for root, else ./.hopgate" },
    { "log_level", "least level that the error log takes" },
    { "proxy_access_log", "file below the prefix or absolute, or off; then the name of a format" },
    { "proxy_error_log", "file below the prefix or absolute, or off" },
    { "status_access_log",
      "file for requests to status_listen, or off; then the name of a format" },
    { "admin_access_log", "file for requests to admin_listen, or off; then the name of a format" },
    { "admin_ssl_cert", "certificate chains of admin_listen: paths, PEM or base64; without them a "
                        "self-signed one" },
    { "admin_ssl_cert_key", "their keys, in the same order" },
    { "nginx_admin_ssl_verify_client", "ask who comes to admin_listen for a certificate" },
    { "nginx_admin_ssl_client_certificate", "its authorities: path, PEM or base64" },
    { "nginx_admin_ssl_verify_depth", "intermediates that its chain may have" },
    { "nginx_admin_ssl_crl", "revoked ones: path, PEM or base64" },
    { "nginx_admin_client_max_body_size", "bytes of a request to admin_listen; more is a 413" },
    { "lmdb_map_size", "bytes of entities, as JSON, that POST /config may bring; more is a 413" },
    { "hopgate_admin_token",
      "who asks the Admin API must show this text in the field Kong-Admin-Token" },
    { "hopgate_admin_public",
      "admin_listen may be reached from other machines although it asks for "
      "no certificate and no token over TLS" },
    { "hopgate_admin_hosts",
      "names that the Admin API may be called by, in Host and Origin, besides "
      "localhost, this machine's and addresses; *: any" },
    { "hopgate_admin_audit_log",
      "file with a line of JSON for each change by the Admin API, or off" },
    { "nginx_worker_processes", "threads that carry traffic; auto: one per CPU" },
    { "nginx_user", "\"user [group]\" that root becomes for good once the configuration is read; "
                    "without it hopgate or kong, whichever exists first" },
    { "hopgate_sandbox", "restrict files by Landlock and system calls by seccomp; on: refuse to "
                         "start without, auto: as far as the kernel can" },
    { "hopgate_sandbox_paths", "directories that a sandboxed hop may read besides those of the "
                               "files which its configuration names at the start" },
    { "database",
      "where entities are kept: sqlite, written by the Admin API, or off, a declarative "
      "file; off where a file is given, else sqlite" },
    { "hopgate_sqlite_path", "the file of database = sqlite, below the prefix or absolute" },
    { "hopgate_extras_file",
      "file with the hopgate: object (limits, mtls, fields, ...) of database = sqlite, as a "
      "declarative file has it; the reload reads it again" },
    { "declarative_config", "declarative file when none is named on the command line" },
    { "port_maps", "external:internal ports, for X-Forwarded-Port" },
    { "proxy_listen",
      "addresses of traffic, each with flags: ssl, proxy_protocol, reuseport, backlog=N" },
    { "admin_listen", "addresses of the Admin API, each with flags as proxy_listen, or off" },
    { "admin_gui_url", "addresses of a manager elsewhere (there is none here): its pages may use "
                       "the Admin API, and the first is what CORS names to others" },
    { "admin_gui_listen", "understood, not served yet" },
    { "status_listen", "addresses of /metrics, /status and /status/ready" },
    { "stream_listen", "addresses whose TLS is led on unopened, by server name" },
    { "ssl_cert", "certificate chains of TLS listeners: paths, PEM or base64" },
    { "ssl_cert_key", "their keys, in the same order" },
    { "ssl_cipher_suite", "Mozilla's sets of ciphers and versions" },
    { "ssl_ciphers", "OpenSSL's list, with ssl_cipher_suite = custom" },
    { "ssl_protocols", "versions, with ssl_cipher_suite = custom" },
    { "ssl_prefer_server_ciphers",
      "our order of ciphers goes first, with ssl_cipher_suite = custom" },
    { "ssl_session_tickets", "clients may resume by tickets" },
    { "ssl_session_timeout", "how long a session can be resumed" },
    { "ssl_session_cache_size", "bytes of sessions that are resumed by id; 0: none" },
    { "nginx_http_ssl_session_ticket_key",
      "files of ticket keys that several nodes share, the first seals" },
    { "hopgate_ticket_key_lifetime", "how long a ticket key that was made here opens tickets" },
    { "nginx_http_ssl_ecdh_curve", "groups of the key exchange, OpenSSL's names" },
    { "nginx_http_ssl_stapling", "fetch OCSP responses and staple them" },
    { "nginx_http_ssl_stapling_file", "staple the OCSP response of this file" },
    { "nginx_http_ssl_verify_client", "ask clients for a certificate" },
    { "nginx_http_ssl_client_certificate",
      "authorities of clients' certificates: path, PEM or base64" },
    { "nginx_http_ssl_verify_depth", "intermediates that a client's chain may have" },
    { "nginx_http_ssl_crl", "revoked certificates of clients: path, PEM or base64" },
    { "client_ssl", "show targets client_ssl_cert when they ask for a certificate" },
    { "client_ssl_cert", "that certificate: path, PEM or base64" },
    { "client_ssl_cert_key", "its key" },
    { "nginx_http_proxy_ssl_verify", "verify targets' certificates where a service does not say" },
    { "nginx_http_proxy_ssl_verify_depth", "intermediates that a target's chain may have" },
    { "nginx_http_proxy_ssl_trusted_certificate",
      "authorities of targets; without it lua_ssl_trusted_certificate" },
    { "nginx_http_proxy_ssl_protocols", "versions towards targets" },
    { "nginx_http_proxy_ssl_session_reuse", "resume sessions with targets" },
    { "lua_ssl_trusted_certificate", "authorities: paths, PEM, or system" },
    { "trusted_ips",
      "whose forwarded fields and PROXY protocol are believed: addresses and networks" },
    { "real_ip_header",
      "where a trusted peer tells the client's address: a field, or proxy_protocol" },
    { "real_ip_recursive", "skip trusted addresses from the right" },
    { "headers", "fields that are added to responses" },
    { "headers_upstream", "fields that are added to requests" },
    { "router_flavor", "how routes are matched: traditional_compatible or traditional" },
    { "error_default_type",
      "of error pages when the request says neither Accept nor Content-Type" },
    { "error_template_html", "file with the HTML error page; %s: message, then request id" },
    { "error_template_json", "file with the JSON error page" },
    { "error_template_xml", "file with the XML error page" },
    { "error_template_plain", "file with the text error page" },
    { "upstream_keepalive_pool_size", "idle connections to targets that a worker keeps; 0: none" },
    { "upstream_keepalive_max_requests", "requests on one connection to a target; 0: no limit" },
    { "upstream_keepalive_idle_timeout", "how long such a connection is kept idle; 0: for ever" },
    { "allow_debug_header", "answers to requests with Kong-Debug name their route and service" },
    { "request_debug", "X-Kong-Request-Debug: * shows where the time of a request went, to the "
                       "loopback and to who has the token" },
    { "request_debug_token", "that token; without it one is made, see "
                             "<prefix>/.request_debug_token" },
    { "nginx_http_charset",
      "charset that texts of targets get in Content-Type when they name none, or off" },
    { "nginx_http_client_header_timeout", "whole head of a request, from its first byte" },
    { "nginx_http_client_body_timeout", "no byte of content while it is waited for" },
    { "nginx_http_send_timeout", "no byte taken by the client" },
    { "nginx_http_keepalive_timeout", "between the requests of a connection; 0: it is closed" },
    { "nginx_http_keepalive_requests", "requests of a connection" },
    { "nginx_http_client_max_body_size", "bytes of content; 0: no limit" },
    { "nginx_http_client_body_buffer_size",
      "content that is stored in memory before it goes to disk" },
    { "nginx_http_client_header_buffer_size", "a head that is larger takes large buffers" },
    { "nginx_http_large_client_header_buffers", "number, and size of each: a line must fit one" },
    { "nginx_http_proxy_buffering",
      "read targets as fast as they send, however slow the client is" },
    { "nginx_http_proxy_request_buffering",
      "take in a request's content before a target is asked" },
    { "nginx_http_proxy_buffer_size", "bytes of an answer's head, and of its first content" },
    { "nginx_http_proxy_buffers",
      "number, and size of each: content in memory, for a slow client" },
    { "nginx_http_proxy_busy_buffers_size", "nothing here; it must fit nginx_http_proxy_buffers" },
    { "nginx_http_proxy_max_temp_file_size", "of one answer, for a slow client; 0: no file" },
    { "nginx_http_proxy_temp_file_write_size", "nothing here; at least as large as a buffer" },
    { "hopgate_persona",
      "product that the hop stands for: kong, edge, f5, or the path of a persona file" },
    { "hopgate_name", "this hop's name in logs and in Proxy-Status; without it the persona's" },
    { "hopgate_lab", "allow a persona's unsafe leniencies; for experiments" },
    { "hopgate_time_scale", "all times that a real product would state pass so many times as fast, "
                            "and are told as stated; needs hopgate_lab" },
    { "hopgate_capture_log",
      "a file: the heads of each exchange, as received and as sent, as JSON; needs hopgate_lab" },
    { "hopgate_capture_secrets", "on: credentials in it are not masked" },
    { "hopgate_upstream_bind", "source address of connections to targets" },
    { "hopgate_upstream_keepalive_of",
      "who shares idle connections: requests to one target, or to one address" },
    { "hopgate_access_log_format",
      "kong, combined, json, kong-serialize, haproxy, alb, a name of nginx_http_log_format, or a "
      "text with nginx's $variables" },
    { "nginx_http_log_format", "formats of your own: name [escape=default|json|none] 'text'" },
    { "hopgate_proxy_status", "errors made here carry Proxy-Status (RFC 9209)" },
    { "hopgate_shutdown_timeout", "how long draining may take" },
    { "hopgate_spool_max_size",
      "bytes of stored content on disk, of all workers together; 0: no limit" },
    { "hopgate_tls_handshake_timeout", "whole handshake, from accept" },
    { "hopgate_client_body_min_rate",
      "bytes per second that a client must send on average; 0: any" },
    { "hopgate_client_body_min_rate_grace", "time after which that is asked" },
    { "hopgate_client_max_fields", "fields of a request's head" },
    { "hopgate_upstream_max_head", "bytes of an answer's head" },
    { "hopgate_upstream_max_fields", "fields of an answer's head" },
    { "hopgate_max_chunk_extension", "bytes of a chunk's extensions" },
    { "hopgate_max_chunk_extensions", "bytes of a message's chunk extensions" },
    { "hopgate_max_trailers", "bytes of trailer fields" },
    { "hopgate_max_trailer_fields", "number of trailer fields" },
    { "hopgate_max_connections",
      "clients' connections; at the total no more are accepted. auto: by open files" },
    { "hopgate_max_connections_per_address",
      "of an IPv4 address or IPv6 /64 not in trusted_ips; 0: no limit" },
    { "hopgate_reserved_connections", "on top, for status_listen and admin_listen" },
    { "hopgate_memory_limit", "bytes of what grows with traffic, of all workers together; 0: off; "
                              "auto: half of the control group's limit, off where there is none" },
    { "hopgate_memory_patience", "memory is short for so long before exchanges are ended for it" },
    { "hopgate_receive_buffers", "of 4 KiB, of each worker, a power of two: for heads" },
    { "hopgate_receive_buffers_bulk", "of 64 KiB, of each worker, a power of two: for content" },
    { "hopgate_recorder_size", "bytes of each worker's flight recorder (hopgate why); 0: off" },
    { "nginx_http_proxy_next_upstream", "failures and statuses after which another try is made" },
    { "nginx_http_proxy_next_upstream_tries",
      "tries in all, beside a service's retries; 0: no limit" },
    { "nginx_http_proxy_next_upstream_timeout",
      "time in which another try may begin; 0: no limit" },
    { "hopgate_retry_on", "the same conditions in HAProxy's words; it goes before nginx's key" },
    { "hopgate_redispatch", "on: another target is tried; off: the same again, after a pause if it "
                            "refused" },
    { "hopgate_retry_budget", "percent of a service's running requests that may be retries; 0: no "
                              "budget" },
    { "hopgate_retry_budget_min", "and never fewer retries than this" },
    { "hopgate_request_timeout",
      "from the whole request to the head of its answer, over all tries; "
      "0: none" },
    { "hopgate_upstream_keepalive_max_age", "a connection to a target is not kept longer; 0: no "
                                            "limit" },
    { "hopgate_upstream_keepalive_per_target", "idle connections to one target; 0: as many as the "
                                               "pool has" },
    { "hopgate_recorder_slow",
      "exchanges that take as long are remembered with the failed ones; 0: none" },
    { "hopgate_duplicate_routes",
      "a POST of a route that matches what another one does, for another "
      "service: refuse it with 409, or allow it as Kong" },
    { "hopgate_stored_plugins", "plugins that are enabled in the store, of which this version runs "
                                "none: refuse them, or allow them to be kept (traffic passes "
                                "without, and the log warns)" },
    { "hopgate_client_verify_refusal",
      "a client without the certificate it needs gets a page, or a TLS alert" },
    { "hopgate_unknown_sni", "TLS clients that ask for a name without certificate here" },
    { "hopgate_missing_sni", "TLS clients that ask for no name" },
    { "hopgate_client_cert_fields", "fields that tell the next hop of a client's certificate" },
    { "hopgate_forwarded_for", "X-Forwarded-For, from trusted_ips: kept as it came, ours appended, "
                               "ours alone, or none" },
    { "hopgate_forwarded_proto", "the same of X-Forwarded-Proto" },
    { "hopgate_forwarded_host", "the same of X-Forwarded-Host" },
    { "hopgate_forwarded_port", "the same of X-Forwarded-Port" },
    { "hopgate_forwarded_prefix", "the same of X-Forwarded-Prefix" },
    { "hopgate_forwarded_path", "the same of X-Forwarded-Path" },
    { "hopgate_forwarded_real_ip", "the same of X-Real-IP" },
    { "hopgate_forwarded_rfc7239", "the same of Forwarded (RFC 7239)" },
    { "hopgate_forwarded_via", "the same of Via" },
    { "hopgate_forwarded_untrusted", "what becomes of those from peers not in trusted_ips; without "
                                     "it what they claim is replaced" },
    { "hopgate_trusted_client_cert_field",
      "the field in which trusted peers hand their clients' certificates on" },
    { "dns_resolver", "name servers, address:port; without them those of resolv.conf" },
    { "dns_hostsfile", "hosts file" },
    { "dns_order", "types of records, in the order in which they are tried" },
    { "dns_valid_ttl", "time to live instead of what answers say; 0: what they say" },
    { "dns_stale_ttl", "how long an answer is used after its end while a new one is waited for" },
    { "dns_not_found_ttl", "how long a name that does not exist is not asked for again" },
    { "dns_error_ttl", "the same after a failure" },
    { "hopgate_dns_min_ttl", "least time to live that is believed" },
    { "hopgate_dns_max_ttl", "longest time to live that is believed" },
    { "hopgate_dns_timeout", "of one question to one server" },
    { "hopgate_dns_tries", "how often each silent server is asked" },
};
/* clang-format on */

static const char *meaning_of(const char *name)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
        if (strcmp(meanings[i].name, name) == 0)
            return meanings[i].meaning;
    return NULL;
}

static const char *values_of(const struct setting *setting)
{
    if (setting->type == SETTING_SWITCH)
        return "on, off";
    return setting->supported ? setting->supported : setting->one_of;
}

bool settings_catalog_entry(size_t index, struct settings_entry *ret)
{
    const struct setting *setting = &settings_table[index];
    bool is_alias;

    if (index >= settings_table_count)
        return false;
    is_alias = setting->type == SETTING_ALIAS && setting->state == SETTING_USED;
    *ret = (struct settings_entry){
        .name = setting->name,
        .default_text = is_alias ? NULL : setting->default_text,
        .values = setting->state == SETTING_USED ? values_of(setting) : NULL,
        .meaning = meaning_of(setting->name),
        .reason = setting->reason,
        .alias_of = is_alias ? setting->default_text : NULL,
    };
    return true;
}

bool settings_catalog_has(const char *key)
{
    const struct setting *setting = settings_find(key);

    /* a family that is refused as a whole knows none of its keys */
    return setting && !(setting->state == SETTING_REFUSED && strchr(setting->name, '*'));
}
