#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"
#include "tests/check.h"
#include "tests/config_text.h"

#define DATA HOPGATE_SOURCE_DIR "/tests/data/config/"

/* Loads; what was said goes to *ret_problems. NULL: refused. */
static struct settings *load(const char *text, char *const *environment, char **ret_problems)
{
    struct settings *settings = NULL;
    struct config_errors errors;
    int r;

    config_errors_init(&errors);
    r = settings_load_text(slice_of(text), "k.conf", environment, &settings, &errors);
    CHECK_INT(r, errors.errors_count > 0 ? -EINVAL : 0);
    CHECK_INT(settings != NULL, r == 0);
    *ret_problems = config_errors_text(&errors);
    config_errors_done(&errors);
    return settings;
}

static struct settings *load_good(const char *text, char *const *environment)
{
    char *problems;
    struct settings *settings = load(text, environment, &problems);

    CHECK_STR(problems, "");
    free(problems);
    return settings;
}

TEST(without_any_file_the_defaults_are_kongs)
{
    SCOPED(settings) settings = load_good("", NULL);
    char text[ADDR_TEXT_MAX];

    CHECK_STR(settings->prefix, geteuid() == 0 ? "/usr/local/hopgate" : "./.hopgate");
    CHECK_INT(settings->proxy_listen.count, 2);
    CHECK_STR(addr_format(&settings->proxy_listen.items[1].address, text, sizeof(text)),
              "0.0.0.0:8443");
    CHECK(settings->proxy_listen.items[1].ssl);
    CHECK_INT(settings->status_listen.count, 0);
    CHECK_STR(settings->proxy_access_log, "logs/access.log");
    CHECK_STR(settings->log_level, "notice");
    CHECK_INT(settings->worker_processes, 0);
    CHECK_INT(settings->ssl_cert.count, 0);
    CHECK_STR(settings->ssl_cipher_suite, "intermediate");
    CHECK_INT(settings->ssl_protocols.count, 2);
    CHECK_STR(settings->ssl_protocols.items[0], "TLSv1.2");
    CHECK(settings->ssl_session_tickets);
    CHECK_INT(settings->trusted_ips.count, 0);
    CHECK_STR(settings->real_ip_header, "X-Real-IP");
    CHECK_INT(settings->headers.count, 3);
    CHECK_INT(settings->upstream_keepalive_pool_size, 512);
    CHECK_INT(settings->upstream_keepalive_max_requests, 10000);
    CHECK_INT(settings->upstream_keepalive_idle_timeout_ms, 60000);
    CHECK_INT(settings->client_header_timeout_ms, 60000);
    CHECK_INT(settings->keepalive_timeout_ms, 75000);
    CHECK_INT(settings->keepalive_requests, 10000);
    CHECK_INT(settings->client_max_body_size_bytes, 0);
    CHECK_INT(settings->client_body_buffer_size_bytes, 8192);
    CHECK_INT(settings->client_header_buffer_size_bytes, 1024);
    CHECK_INT(settings->large_client_header_buffers_count, 4);
    CHECK_INT(settings->large_client_header_buffers_size_bytes, 8192);
    CHECK_STR(settings->lua_ssl_trusted_certificate.items[0], "system");
    CHECK(settings->database == NULL); /* it depends on whether there is a file */
    CHECK_INT(settings->admin_listen.count, 2);
    CHECK_INT(settings->admin_client_max_body_size_bytes, 10 << 20);
    CHECK(settings->declarative_config == NULL);
    CHECK_STR(settings->hopgate_persona, "kong");
    CHECK(settings->hopgate_name == NULL);
    CHECK(!settings->hopgate_lab);
    CHECK_INT(settings->hopgate_upstream_bind.ss_family, AF_UNSPEC);
    CHECK_INT(settings->hopgate_shutdown_timeout_ms, 10000);
    CHECK(!settings_is_set(settings, "proxy_listen"));
    CHECK(!settings_is_set(settings, "no_such_key"));
}

TEST(a_file_of_a_small_company_is_read)
{
    SCOPED(settings) settings = NULL;
    struct config_errors errors;
    struct sockaddr_storage addr;
    char text[ADDR_TEXT_MAX], *problems;

    config_errors_init(&errors);
    CHECK_INT(settings_load(DATA "kong.conf", NULL, &settings, &errors), 0);
    problems = config_errors_text(&errors);
    CHECK(strstr(problems, "kong.conf:6:1: ") == NULL);
    CHECK(strstr(problems, "kong.conf:10:1: notice: anonymous_reports: has no effect: hopgate "
                           "reports nothing to anyone\n"));
    CHECK(strstr(problems, "kong.conf:38:1: notice: pg_host: has no effect: "
                           "hopgate keeps entities in SQLite, or in a file\n"));
    CHECK_INT(errors.count, 2);
    CHECK_STR(settings->prefix, "/var/lib/hopgate/edge");
    CHECK_INT(settings->proxy_listen.count, 3);
    CHECK_INT(settings->admin_listen.count, 0);
    CHECK_INT(settings->port_maps.count, 2);
    CHECK_INT(settings->port_maps.items[1].external, 443);
    CHECK_INT(settings->port_maps.items[1].internal, 8443);
    CHECK_INT(settings->ssl_cert.count, 2);
    CHECK_STR(settings->ssl_cert_key.items[1], "/etc/ssl/edge-rsa.key");
    CHECK(!settings->ssl_session_tickets);
    CHECK_INT(addr_parse(SLICE("10.9.9.9"), 0, &addr), 0);
    CHECK(addr_cidrs_contain(&settings->trusted_ips, &addr));
    CHECK(settings->real_ip_recursive);
    CHECK_INT(settings->headers.count, 2);
    CHECK_STR(settings->headers.items[1], "X-Kong-Request-Id"); /* in Kong's spelling */
    CHECK_INT(settings->worker_processes, 4);
    CHECK_INT(settings->keepalive_timeout_ms, 75000);
    CHECK_INT(settings->client_max_body_size_bytes, 10 << 20);
    CHECK_INT(settings->large_client_header_buffers_count, 8);
    CHECK_INT(settings->large_client_header_buffers_size_bytes, 16384);
    CHECK_STR(settings->hopgate_name, "edge #1");
    CHECK_STR(addr_format(&settings->hopgate_upstream_bind, text, sizeof(text)), "127.0.1.1:0");
    CHECK(settings->hopgate_proxy_status);
    CHECK_INT(settings->hopgate_shutdown_timeout_ms, 500);
    CHECK(settings_is_set(settings, "nginx_http_keepalive_timeout")); /* as nginx_proxy_… */
    CHECK(settings_is_set(settings, "nginx_http_client_max_body_size"));
    CHECK(!settings_is_set(settings, "nginx_http_send_timeout"));
    CHECK_INT(settings_place(settings, "ssl_cert").line, 19);
    CHECK_INT(settings_place(settings, "ssl_cert").column, 12);
    CHECK_STR(settings_place(settings, "ssl_cert").file, DATA "kong.conf");
    CHECK_INT(settings_place(settings, "hopgate_lab").line, 0);
    free(problems);
    config_errors_done(&errors);
}

TEST(the_environment_goes_before_the_file_and_the_inner_block_before_the_outer)
{
    static char *const environment[] = { (char *)"KONG_LOG_LEVEL=DEBUG",
                                         (char *)"HOPGATE_NAME=seven",
                                         (char *)"KONG_HOPGATE_LAB=on",
                                         (char *)"KONG_NGINX_HTTP_SEND_TIMEOUT=1s",
                                         (char *)"KONG_VERSION=3.9.3",
                                         (char *)"KONG_NGINX_DAEMON=off",
                                         NULL };
    SCOPED(settings)
    settings = load_good("log_level = info\nhopgate_name = six\nnginx_proxy_send_timeout = 2s\n"
                         "nginx_proxy_keepalive_timeout = 3s\nnginx_http_keepalive_timeout = 4s\n",
                         environment);

    CHECK_STR(settings->log_level, "debug");
    CHECK_STR(settings->hopgate_name, "seven");
    CHECK(settings->hopgate_lab);
    CHECK_INT(settings->send_timeout_ms, 2000);
    CHECK_INT(settings->keepalive_timeout_ms, 3000);
    CHECK_STR(settings_place(settings, "log_level").file, "environment");
}

TEST(a_directive_acts_from_whatever_block_and_the_innermost_wins)
{
    SCOPED(settings)
    settings = load_good("nginx_location_send_timeout = 3s\nnginx_proxy_send_timeout = 2s\n"
                         "nginx_http_send_timeout = 1s\nnginx_proxy_proxy_bind = 127.0.0.9\n"
                         "nginx_main_worker_shutdown_timeout = 7s\n"
                         "nginx_location_proxy_next_upstream_tries = 3\ntrusted_ips = unix:\n",
                         NULL);
    char text[ADDR_TEXT_MAX];

    CHECK_INT(settings->send_timeout_ms, 3000);
    CHECK_STR(addr_format(&settings->hopgate_upstream_bind, text, sizeof(text)), "127.0.0.9:0");
    CHECK_INT(settings->hopgate_shutdown_timeout_ms, 7000);
    CHECK_INT(settings->proxy_next_upstream_tries, 3);
    CHECK_INT(settings->trusted_ips.count, 0);
    CHECK(settings_is_set(settings, "hopgate_upstream_bind"));
    CHECK(!settings_is_set(settings, "nginx_http_gzip"));
    CHECK(!settings_is_set(settings, "plugins"));
}

struct row {
    const char *text, *want;
};

static const struct row mistakes[] = {
    { "prefx = /x", "k.conf:1:1: error: prefx: unknown key; did you mean 'prefix'?\n" },
    { "quite_unknown = 1", "k.conf:1:1: error: quite_unknown: unknown key; remove it\n" },
    { "keepalive_timeout = 1s", "k.conf:1:1: error: keepalive_timeout: unknown key; did you mean "
                                "'nginx_http_keepalive_timeout'?\n" },
    { "nginx_http_gzip = on\nnginx_proxy_send_timeot = 1s",
      "k.conf:1:1: error: nginx_http_gzip: is not supported: content is never changed; let the "
      "target do it\n"
      "k.conf:2:1: error: nginx_proxy_send_timeot: is an nginx directive without an equal in "
      "hopgate; did you mean 'nginx_http_send_timeout'?\n" },
    { "nginx_http_no_such_thing = on",
      "k.conf:1:1: error: nginx_http_no_such_thing: is an nginx directive without an equal in "
      "hopgate; remove it\n" },
    { "nginx_location_client_header_timeout = 1s",
      "k.conf:1:1: error: nginx_location_client_header_timeout: is not allowed in a location by "
      "nginx; use nginx_http_… or nginx_proxy_…\n" },
    { "nginx_http_send_timeot = 1s",
      "k.conf:1:1: error: nginx_http_send_timeot: is an nginx directive without an equal in "
      "hopgate; did you mean 'nginx_http_send_timeout'?\n" },
    { "log_level = loud\nnginx_worker_processes = many\n",
      "k.conf:1:13: error: log_level: 'loud': expected one of: debug, info, notice, warn, "
      "error, crit, alert, emerg\n"
      "k.conf:2:26: error: nginx_worker_processes: 'many' is not a number\n" },
    { "nginx_worker_processes = 0",
      "k.conf:1:26: error: nginx_worker_processes: value should be between 1 and 1024\n" },
    { "nginx_http_send_timeout = 0\nnginx_http_keepalive_timeout = 1x\n",
      "k.conf:1:27: error: nginx_http_send_timeout: value should be between 1 and 2147483646 "
      "ms\n"
      "k.conf:2:32: error: nginx_http_keepalive_timeout: '1x' is not a time; write one as 60s, "
      "1m30s or 500ms\n" },
    { "nginx_http_client_max_body_size = 1q\nnginx_http_large_client_header_buffers = 8k\n"
      "nginx_http_client_header_buffer_size = 1",
      "k.conf:1:35: error: nginx_http_client_max_body_size: '1q' is not a size; write one as "
      "8k, 10m or 1g\n"
      "k.conf:2:42: error: nginx_http_large_client_header_buffers: write a number and a size, "
      "as in '4 8k'\n"
      "k.conf:3:40: error: nginx_http_client_header_buffer_size: value should be between 256 "
      "and 1048576 bytes\n" },
    { "trusted_ips = 10.0.0.0/8, 10.0.0/8\nport_maps = 80\nhopgate_upstream_bind = here\n",
      "k.conf:1:15: error: trusted_ips: '10.0.0/8' is neither an IP address nor a block such "
      "as 10.0.0.0/8\n"
      "k.conf:2:13: error: port_maps: '80' is not a pair of ports; write outside:inside, as "
      "443:8443\n"
      "k.conf:3:25: error: hopgate_upstream_bind: 'here' is not an IP address\n" },
    { "proxy_listen = 0.0.0.0:80 proxy_protocol\nhopgate_lab = maybe",
      "k.conf:1:16: error: proxy_listen: proxy_protocol needs trusted_ips: who may send the header "
      "may be anybody; set trusted_ips to the addresses of the load balancer\n"
      "k.conf:2:15: error: hopgate_lab: write on or off\n" },
    { "database = postgres\nheaders = Via, Foo\nssl_cipher_suite = custom\n"
      "ssl_protocols = TLSv1",
      "k.conf:1:12: error: database: 'postgres' is not supported by this version of hopgate; "
      "use one of: off, sqlite\n"
      "k.conf:2:11: error: headers: 'Foo': expected one of: off, server_tokens, "
      "latency_tokens, Server, Via, X-Kong-Proxy-Latency, X-Kong-Response-Latency, "
      "X-Kong-Admin-Latency, X-Kong-Upstream-Latency, X-Kong-Upstream-Status, "
      "X-Kong-Request-Id, X-Kong-Third-Party-Latency, X-Kong-Client-Latency, "
      "X-Kong-Total-Latency\n"
      "k.conf:3:20: error: ssl_cipher_suite: custom needs ssl_ciphers, a list of OpenSSL's names\n"
      "k.conf:4:17: error: ssl_protocols: TLSv1.2 and TLSv1.3 are what is served; add one of "
      "them\n" },
#define OPEN_TO_ALL                                                                          \
    "is reachable from other machines, and whoever reaches the Admin API decides where all " \
    "traffic goes: listen on 127.0.0.1, or with ssl and either hopgate_admin_token or "      \
    "nginx_admin_ssl_verify_client = on; hopgate_admin_public = on opens it all the same\n"
    { "admin_listen = 0.0.0.0:8001",
      "k.conf:1:16: error: admin_listen: 0.0.0.0:8001 " OPEN_TO_ALL },
    { "admin_listen = 127.0.0.1:8001, [::]:8001\nhopgate_admin_token = 0123456789abcdef",
      "k.conf:1:16: error: admin_listen: [::]:8001 " OPEN_TO_ALL },
    { "admin_listen = 10.0.0.1:8444 ssl\nnginx_admin_ssl_verify_client = optional",
      "k.conf:1:16: error: admin_listen: 10.0.0.1:8444 " OPEN_TO_ALL },
    { "hopgate_admin_token = short\nadmin_ssl_cert = x.pem",
      "k.conf:1:23: error: hopgate_admin_token: a token of fewer than 16 characters can be "
      "guessed; "
      "make one with `openssl rand -hex 32`\n"
      "k.conf:2:18: error: admin_ssl_cert: admin_ssl_cert names 1 certificates and "
      "admin_ssl_cert_key 0 keys; each certificate needs its key, in the same order\n" },
    { "stream_listen = 0.0.0.0:9000 proxy_protocol\nrole = data_plane\nrouter_flavor = expressions",
      "k.conf:1:17: error: stream_listen: proxy_protocol is not supported here by this version of "
      "hopgate\n"
      "k.conf:2:1: error: role: is not supported by this version of hopgate; hopgate has no "
      "control plane and no data planes; remove it\n"
      "k.conf:3:17: error: router_flavor: 'expressions' is not supported by this version of "
      "hopgate; use one of: traditional_compatible, traditional\n" },
    { "ssl_cert = a, b\nssl_cert_key = a",
      "k.conf:1:12: error: ssl_cert: ssl_cert names 2 certificates and ssl_cert_key 1 keys; "
      "each certificate needs its key, in the same order\n" },
    { "ssl_cert_key = {vault://env/key}\nssl_cert = a",
      "k.conf:1:16: error: ssl_cert_key: vault references are not supported by this version of "
      "hopgate\n"
      "k.conf:2:12: error: ssl_cert: ssl_cert names 1 certificates and ssl_cert_key 0 keys; "
      "each certificate needs its key, in the same order\n" },
};

TEST(every_mistake_is_told_at_once_with_its_place)
{
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        char *problems;
        struct settings *settings = load(mistakes[i].text, NULL, &problems);
        CHECK_STR(problems, mistakes[i].want);
        CHECK(settings == NULL);
        free(problems);
    }
}

TEST(what_has_no_effect_is_accepted_with_a_notice)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "stream_listen = off\nrole = traditional\nplugins = bundled\nnginx_daemon = off", "" },
        { "plugins = key-auth\nlua_package_path = x\nportal = on",
          "k.conf:1:1: notice: plugins: has no effect: plugins are not supported by this version "
          "of hopgate\n"
          "k.conf:2:1: notice: lua_package_path: has no effect: there is no Lua in hopgate\n"
          "k.conf:3:1: notice: portal: has no effect: it belongs to Kong Enterprise\n" },
        { "admin_listen = 127.0.0.1:8001\nstatus_listen = 0.0.0.0:8100\n"
          "admin_gui_listen = 0.0.0.0:8002",
          "k.conf:3:20: notice: admin_gui_listen: not served yet, nothing listens there; 'off' "
          "silences this\n" },
        { "admin_listen = 127.0.0.1:8001, [::1]:8444 ssl\nadmin_error_log = x",
          "k.conf:2:1: notice: admin_error_log: has no effect: its lines go to proxy_error_log\n" },
        { "admin_listen = 0.0.0.0:8444 ssl\nhopgate_admin_token = 0123456789abcdef", "" },
        { "admin_listen = 0.0.0.0:8444 ssl\nnginx_admin_ssl_verify_client = on", "" },
        { "admin_listen = 0.0.0.0:8001\nhopgate_admin_public = on", "" },
        { "proxy_listen = 0.0.0.0:443 ssl http2",
          "k.conf:1:16: notice: proxy_listen: http2 is not served yet; clients get HTTP/1.1\n" },
        { "log_level = info\nlog_level = warn",
          "k.conf:2:1: warning: log_level: set twice; this one is used\n" },
        { "headers = off\nupstream_keepalive_idle_timeout = 0", "" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *problems;
        SCOPED(settings) settings = load(rows[i].text, NULL, &problems);
        CHECK_STR(problems, rows[i].want);
        CHECK(settings != NULL);
        free(problems);
    }
}

TEST(a_variable_is_blamed_by_its_own_name)
{
    static char *const environment[] = { (char *)"KONG_LOG_LEVEL=loud", (char *)"KONG_PREFX=/x",
                                         (char *)"HOPGATE_WHATEVER=1", NULL };
    char *problems;
    struct settings *settings = load("", environment, &problems);

    CHECK(settings == NULL);
    CHECK_STR(problems, "environment: warning: KONG_PREFX: unknown key; did you mean 'prefix'?\n"
                        "environment: error: HOPGATE_WHATEVER: unknown key; remove it\n"
                        "environment: error: KONG_LOG_LEVEL: 'loud': expected one of: debug, info, "
                        "notice, warn, error, crit, alert, emerg\n");
    free(problems);
}

TEST(a_file_that_cannot_be_read_is_named)
{
    struct settings *settings = NULL;
    struct config_errors errors;
    char line[CONFIG_MESSAGE_MAX];

    config_errors_init(&errors);
    CHECK_INT(settings_load("/no/kong.conf", NULL, &settings, &errors), -ENOENT);
    CHECK_STR(config_error_format(&errors.items[0], line, sizeof(line)),
              "/no/kong.conf: error: cannot be read: No such file or directory");
    CHECK(settings == NULL);
    config_errors_done(&errors);
}

TEST(a_certificate_is_a_path_pem_text_or_base64)
{
    static const char pem[] = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    static const char base64[] =
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";
    SCOPED(settings) settings = load_good("ssl_cert = x\nssl_cert_key = y", NULL);
    struct config_errors errors;
    char file[] = "/tmp/hopgate-test-XXXXXX", line[CONFIG_MESSAGE_MAX], *text;
    int fd = mkstemp(file);

    CHECK(fd >= 0);
    CHECK_INT(write(fd, pem, sizeof(pem) - 1), sizeof(pem) - 1);
    (void)close(fd);
    config_errors_init(&errors);
    const char *const items[] = { pem, base64, file };
    for (size_t i = 0; i < 3; i++) {
        text = NULL;
        CHECK_INT(settings_read_pem(settings, "ssl_cert", items[i], &text, &errors), 0);
        CHECK_STR(text, pem);
        free(text);
    }
    (void)unlink(file);
    CHECK_INT(settings_read_pem(settings, "ssl_cert", file, &text, &errors), -ENOENT);
    (void)snprintf(line, sizeof(line),
                   "k.conf:1:12: error: ssl_cert: '%s': No such file or directory", file);
    char got[CONFIG_MESSAGE_MAX];
    CHECK_STR(config_error_format(&errors.items[0], got, sizeof(got)), line);
    CHECK_INT(settings_read_pem(settings, "ssl_cert", DATA "kong.conf", &text, &errors), -EINVAL);
    CHECK_INT(errors.count, 2);
    config_errors_done(&errors);
}

TESTS(TEST_CASE(without_any_file_the_defaults_are_kongs),
      TEST_CASE(a_file_of_a_small_company_is_read),
      TEST_CASE(the_environment_goes_before_the_file_and_the_inner_block_before_the_outer),
      TEST_CASE(a_directive_acts_from_whatever_block_and_the_innermost_wins),
      TEST_CASE(every_mistake_is_told_at_once_with_its_place),
      TEST_CASE(what_has_no_effect_is_accepted_with_a_notice),
      TEST_CASE(a_variable_is_blamed_by_its_own_name),
      TEST_CASE(a_file_that_cannot_be_read_is_named),
      TEST_CASE(a_certificate_is_a_path_pem_text_or_base64))
