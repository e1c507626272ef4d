#include <errno.h>

#include "config/config.h"
#include "tests/check.h"
#include "tests/config_text.h"

#define HEAD    "_format_version: \"3.0\"\n"
#define UUID_A  "11111111-2222-4333-8444-555555555555"
#define NOT_YET "is not supported by this version of hopgate"

struct row {
    const char *text; /* YAML */
    const char *want; /* all that is said about it */
};

/* An error makes loading fail; only warnings and notices do not. */
static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        SCOPED(config) config = NULL;
        struct config_errors errors;
        char *got;
        config_errors_init(&errors);
        int r = config_load_text(slice_of(rows[i].text), "k.yaml", &config, &errors);
        got = config_errors_text(&errors);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s\n---- says\n%s---- not\n%s", rows[i].text, got, rows[i].want);
        CHECK_INT(r, strstr(got, ": error: ") ? -EINVAL : 0);
        CHECK_INT(config != NULL, r == 0);
        free(got);
        config_errors_done(&errors);
    }
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

TEST(the_head_of_the_file_is_checked)
{
    static const struct row rows[] = {
        { "services: []", "k.yaml:1:1: error: _format_version: required field missing; add "
                          "_format_version: \"3.0\"\n" },
        { "[]", "k.yaml:1:1: error: expected an object; the file begins with _format_version: "
                "\"3.0\"\n" },
        { "_format_version: 3.0",
          "k.yaml:1:18: error: _format_version: expected a string; write it in quotes: \"3.0\"\n" },
        { "_format_version: '2.1'", "" },
        { "_format_version: '1.1'\nservices: [{host: a, routes: [{paths: [/a.*, \"/b(\"]}]}]",
          "k.yaml:2:46: error: services[0].routes[0].paths[1]: invalid regex: '/b(' (PCRE "
          "returned: "
          "pcre2_compile() failed: missing closing parenthesis in \"/b(\")\n" },
        { "_format_version: '4.0'",
          "k.yaml:1:18: error: _format_version: expected one of: 1.1, 2.1, 3.0\n" },
        { HEAD "_transform: 1\nservcies: []\nfoo: 1",
          "k.yaml:2:13: error: _transform: expected a boolean; write true or false, without "
          "quotes\n"
          "k.yaml:3:1: error: servcies: unknown field; did you mean 'services'?\n"
          "k.yaml:4:1: error: foo: unknown field; remove it\n" },
        { HEAD "services: {}\nroutes: x",
          "k.yaml:3:9: error: routes: expected an array; write it as a list: [ … ]\n" },
        { HEAD "hopgate: {mtsl: 1}",
          "k.yaml:2:11: error: hopgate.mtsl: unknown field; did you mean 'mtls'?\n" },
        { HEAD "hopgate: {mtls: [{}]}",
          "k.yaml:2:18: error: hopgate.mtls[0].snis: required field missing; add 'snis'\n"
          "k.yaml:2:18: error: hopgate.mtls[0]: verify_client is 'required' but there is no CA to "
          "verify clients with; add 'ca_certificates', the ids of their issuers' certificates\n" },
        { HEAD "hopgate: {}\n_info: {select_tags: [a]}\nservices: ~", "" },
        { HEAD "_info: {defaults: {service: {retries: 1}}}\n_workspace: other",
          "k.yaml:2:9: error: _info.defaults: is not supported by this version of hopgate; "
          "remove it\n"
          "k.yaml:3:13: error: _workspace: only the workspace 'default' is there; remove it\n" },
    };
    CHECK_ROWS(rows);
}

TEST(what_hopgate_does_not_run_yet_is_refused_by_name)
{
    static const struct row rows[] = {
        { HEAD "consumer_groups: [{name: a}]\nfilter_chains: []\nlicenses: [{}]",
          "k.yaml:2:1: error: consumer_groups: " NOT_YET "; remove it\n"
          "k.yaml:4:1: error: licenses: " NOT_YET "; remove it\n" },
        { HEAD "services: [{host: a, plugins: [{name: key-auth}], routes: [{paths: [/], sources: "
               "[{ip: 10.0.0.1}]}]}]",
          "k.yaml:2:32: error: services[0].plugins[0].enabled: plugin 'key-auth' is not run by "
          "this version of hopgate; set enabled to false to keep its configuration\n"
          "k.yaml:2:82: error: services[0].routes[0].sources: cannot set 'sources' when "
          "'protocols' is 'http' or 'https'; remove it\n" },
        { HEAD "routes: [{protocols: [tcp, tls], sources: [{ip: 10.0.0.1}], destinations: [{ip: "
               "10.0.0.1, "
               "port: 1}]}]\nupstreams: [{name: u, use_srv_name: true}]",
          "k.yaml:2:28: error: routes[0].protocols[1]: 'tls' " NOT_YET
          "; use one of: http, https, grpc, grpcs, tcp, tls_passthrough\n"
          "k.yaml:2:34: error: routes[0].sources: 'sources' " NOT_YET "; remove it\n"
          "k.yaml:2:77: error: routes[0].destinations[0].ip: 'ip' " NOT_YET "; remove it\n"
          "k.yaml:3:23: error: upstreams[0].use_srv_name: 'use_srv_name' " NOT_YET
          "; remove it or use Kong's default, false\n" },
        { HEAD "services: [{host: a, protocol: grpc}]",
          "k.yaml:2:32: error: services[0].protocol: 'grpc' " NOT_YET
          "; use one of: http, https, tcp\n" },
    };
    CHECK_ROWS(rows);
}

/* kong/db/schema/entities/routes.lua, routes_subschemas.lua and typedefs.lua */
TEST(what_a_route_matches_is_checked_with_kongs_words)
{
    static const struct row rows[] = {
        { HEAD "routes: [{paths: ['~/users/(foo/profile', '~/a//b', '~/a%2', '~b']}]",
          "k.yaml:2:19: error: routes[0].paths[0]: invalid regex: '/users/(foo/profile' (PCRE "
          "returned: pcre2_compile() failed: missing closing parenthesis in "
          "\"/users/(foo/profile\")\n"
          "k.yaml:2:43: error: routes[0].paths[1]: must not have empty segments\n"
          "k.yaml:2:53: error: routes[0].paths[2]: invalid url-encoded value: '%2'\n"
          "k.yaml:2:62: error: routes[0].paths[3]: should start with: / (fixed path) or ~/ (regex "
          "path)\n" },
        { HEAD "routes: [{paths: [/%41/./b]}]",
          "k.yaml:2:19: error: routes[0].paths[0]: non-normalized path, consider use '/A/b' "
          "instead\n" },
        { HEAD "routes: [{headers: {HOST: [a], x: ['~*(', 5], y: [], z: a, 'a b': [c]}}]",
          "k.yaml:2:21: error: routes[0].headers.HOST: cannot contain 'host' header, which must be "
          "specified in the 'hosts' attribute\n"
          "k.yaml:2:36: error: routes[0].headers.x[0]: invalid regex: '(' (PCRE returned: "
          "pcre2_compile() failed: missing closing parenthesis in \"(\")\n"
          "k.yaml:2:43: error: routes[0].headers.x[1]: expected a string; write it in quotes\n"
          "k.yaml:2:50: error: routes[0].headers.y: length must be at least 1\n"
          "k.yaml:2:57: error: routes[0].headers.z: expected an array; write it as a list: [ … ]\n"
          "k.yaml:2:60: error: routes[0].headers.a b: bad header name 'a b', allowed characters "
          "are A-Z, a-z, 0-9, '_', and '-'\n" },
        { HEAD "routes: [{protocols: [http], paths: [/], snis: [a.b]}]",
          "k.yaml:2:48: error: routes[0].snis: length must be 0; 'snis' can only be set when "
          "'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'\n" },
        { HEAD "routes: [{protocols: [http, grpc], paths: [/]}]",
          "k.yaml:2:22: error: routes[0].protocols: these sets are mutually exclusive: ('http', "
          "'https'), ('grpc', 'grpcs'); make two routes\n" },
        { HEAD "routes: [{protocols: [grpc], paths: [/], strip_path: true, methods: [GET]}, "
               "{protocols: [grpcs]}, {protocols: [grpc], paths: [/]}]",
          "k.yaml:2:54: error: routes[0].strip_path: cannot set 'strip_path' when 'protocols' is "
          "'grpc' or 'grpcs'; remove it\n"
          "k.yaml:2:69: error: routes[0].methods: cannot set 'methods' when 'protocols' is 'grpc' "
          "or 'grpcs'; remove it\n"
          "k.yaml:2:77: error: routes[1]: must set one of 'hosts', 'headers', 'paths', 'snis' when "
          "'protocols' is 'grpcs'\n" },
    };
    CHECK_ROWS(rows);
}

TEST(hashing_is_checked_as_a_whole)
{
    static const struct row rows[] = {
        { HEAD "upstreams: [{name: u, hash_on: header}]",
          "k.yaml:2:13: error: upstreams[0].hash_on_header: required field missing; failed "
          "conditional validation given value of field 'hash_on', which is 'header': change it or "
          "add 'hash_on_header'\n" },
        { HEAD "upstreams: [{name: u, hash_on: ip, hash_fallback: cookie}]",
          "k.yaml:2:13: error: upstreams[0].hash_on_cookie: required field missing; failed "
          "conditional validation given value of field 'hash_fallback', which is 'cookie': change "
          "it or add 'hash_on_cookie'\n" },
        { HEAD "upstreams: [{name: u, hash_fallback: ip}]",
          "k.yaml:2:38: error: upstreams[0].hash_fallback: expected one of: none; failed "
          "conditional validation given value of field 'hash_on', which is 'none': change it or "
          "correct 'hash_fallback'\n" },
        { HEAD "upstreams: [{name: u, hash_on: cookie, hash_on_cookie: c, hash_fallback: ip}]",
          "k.yaml:2:74: error: upstreams[0].hash_fallback: expected one of: none; failed "
          "conditional validation given value of field 'hash_on', which is 'cookie': change it or "
          "correct 'hash_fallback'\n" },
        { HEAD "upstreams: [{name: u, hash_on: path, hash_fallback: path}]",
          "k.yaml:2:53: error: upstreams[0].hash_fallback: expected one of: none, consumer, ip, "
          "header, cookie, query_arg, uri_capture; failed conditional validation given value of "
          "field 'hash_on', which is 'path': change it or correct 'hash_fallback'\n" },
        { HEAD "upstreams: [{name: u, hash_on: header, hash_on_header: X-A, hash_fallback: header, "
               "hash_fallback_header: x-a}]",
          "k.yaml:2:13: warning: upstreams[0]: upstream 'u' has no target with a weight above 0; "
          "every request to it is answered with 503\n"
          "k.yaml:2:76: warning: upstreams[0].hash_fallback: 'hash_fallback' takes the same as "
          "'hash_on', so that it never helps; change or remove it\n" },
        { HEAD "upstreams: [{name: u, hash_on: cookie, hash_on_cookie: 'a b', "
               "hash_on_cookie_path: '/;x'}]",
          "k.yaml:2:56: error: upstreams[0].hash_on_cookie: invalid name 'a b', allowed are "
          "letters, digits and !#$%&'*+-.^_`|~; failed conditional validation given value of field "
          "'hash_on', which is 'cookie': change it or correct 'hash_on_cookie'\n"
          "k.yaml:2:84: error: upstreams[0].hash_on_cookie_path: invalid path '/;x'; it may have "
          "no ';'\n" },
        { HEAD "upstreams: [{name: u, algorithm: consistent-hashing, targets: [{target: a}]}]",
          "k.yaml:2:34: warning: upstreams[0].algorithm: without 'hash_on' all requests have the "
          "same hash, so that one target gets them all; add hash_on\n" },
        { HEAD "hopgate: {slow_start: [{upstream: u}]}",
          "k.yaml:2:24: error: hopgate.slow_start[0]: invalid reference 'upstream: u' (no such "
          "entry in 'upstreams'); add it or correct the name\n" },
    };
    CHECK_ROWS(rows);
}

TEST(every_field_of_a_service_is_checked)
{
    static const struct row rows[] = {
        { HEAD "services:\n- name: a b\n  host: a:80\n  port: 65536\n  protocol: ftp\n"
               "  retries: '5'\n  connect_timeout: 0\n  read_timeout: 1.5\n  path: a\n  id: 7\n"
               "  tags: [a, 'b,c']\n  enabled: 1\n",
          "k.yaml:3:9: error: services[0].name: invalid value 'a b': the only accepted ascii "
          "characters are alphanumerics or ., -, _, and ~\n"
          "k.yaml:4:9: error: services[0].host: must not have a port; write it in the field "
          "'port'\n"
          "k.yaml:5:9: error: services[0].port: value should be between 0 and 65535\n"
          "k.yaml:6:13: error: services[0].protocol: expected one of: grpc, grpcs, http, https, "
          "tcp, tls, tls_passthrough, udp\n"
          "k.yaml:7:12: error: services[0].retries: expected an integer\n"
          "k.yaml:8:20: error: services[0].connect_timeout: value should be between 1 and "
          "2147483646\n"
          "k.yaml:9:17: error: services[0].read_timeout: expected an integer\n"
          "k.yaml:10:9: error: services[0].path: should start with: /\n"
          "k.yaml:11:7: error: services[0].id: expected a string; write it in quotes\n"
          "k.yaml:12:13: error: services[0].tags[1]: invalid tag 'b,c': expected printable ascii "
          "(except `,` and `/`) or valid utf-8 sequences\n"
          "k.yaml:13:12: error: services[0].enabled: expected a boolean; write true or false, "
          "without quotes\n" },
        { HEAD "services: [{}, 3]",
          "k.yaml:2:12: error: services[0].host: required field missing; add 'host'\n"
          "k.yaml:2:16: error: services[1]: expected a record; write it as a mapping of fields\n" },
        { HEAD "services: [{url: 'h:8080/x'}, {url: 'HTTP://h'}, {url: 'http://h:99999'}]",
          "k.yaml:2:18: error: services[0].url: expected one of: grpc, grpcs, http, https, tcp, "
          "tls, tls_passthrough, udp\n"
          "k.yaml:2:18: error: services[0].url: should start with: /\n"
          "k.yaml:2:18: error: services[0].url: required field missing; add 'host'\n"
          "k.yaml:2:37: error: services[1].url: expected one of: grpc, grpcs, http, https, tcp, "
          "tls, tls_passthrough, udp\n"
          "k.yaml:2:56: error: services[2].url: invalid value: h:99999\n" },
        { HEAD "services: [{host: a, tls_verify: true, tls_verify_depth: 65}]",
          "k.yaml:2:34: error: services[0].tls_verify: value must be null; failed conditional "
          "validation given value of field 'protocol', which is 'http': change it or remove "
          "'tls_verify'\n"
          "k.yaml:2:58: error: services[0].tls_verify_depth: value must be null; failed "
          "conditional validation given value of field 'protocol', which is 'http': change it or "
          "remove 'tls_verify_depth'\n" },
        { HEAD "services: [{host: '', retires: 1}, {host: 1.2.3}]",
          "k.yaml:2:19: error: services[0].host: length must be at least 1\n"
          "k.yaml:2:23: error: services[0].retires: unknown field; did you mean 'retries'?\n"
          "k.yaml:2:43: error: services[1].host: invalid value: 1.2.3\n" },
        { HEAD "services: [{host: a, protocol: https, client_certificate: {id: " UUID_A "}, "
               "ca_certificates: [" UUID_A "]}]",
          "k.yaml:2:59: error: services[0].client_certificate: invalid reference "
          "'client_certificate: {\"id\":\"11111111-2222-4333-8444-555555555555\"}' (no such entry "
          "in 'certificates'); add it or correct the name\n" },
    };
    CHECK_ROWS(rows);
}

static const struct row route_mistakes[] = {
    { HEAD "routes: [{}, {protocols: [http]}, {protocols: []}]",
      "k.yaml:2:10: error: routes[0]: must set one of 'methods', 'hosts', 'headers', 'paths', "
      "'snis' when 'protocols' is 'https'\n"
      "k.yaml:2:14: error: routes[1]: must set one of 'methods', 'hosts', 'headers', 'paths' when "
      "'protocols' is 'http'\n"
      "k.yaml:2:47: error: routes[2].protocols: unknown type: nil; remove it for http and "
      "https\n" },
    { HEAD "routes:\n- methods: GET\n- methods: [get]\n- hosts: ['*', a.*.b]\n"
           "- hosts: ['*.*', '*a.b', 'a b', 'a:b']\n",
      "k.yaml:3:12: error: routes[0].methods: expected a set; write it as a list: [ … ]\n"
      "k.yaml:4:13: error: routes[1].methods[0]: invalid value: get; methods are written in "
      "capitals\n"
      "k.yaml:5:11: error: routes[2].hosts[0]: invalid wildcard: must be placed at leftmost or "
      "rightmost label\n"
      "k.yaml:5:16: error: routes[2].hosts[1]: invalid wildcard: must be placed at leftmost or "
      "rightmost label\n"
      "k.yaml:6:11: error: routes[3].hosts[0]: invalid wildcard: must have at most one "
      "wildcard\n"
      "k.yaml:6:18: error: routes[3].hosts[1]: invalid wildcard: must be placed at leftmost or "
      "rightmost label\n"
      "k.yaml:6:26: error: routes[3].hosts[2]: invalid value: a b\n"
      "k.yaml:6:33: error: routes[3].hosts[3]: invalid value: a:b\n" },
    { HEAD "routes:\n- paths: [a, /a//b, /%zz, /%2f, /a%20b, /a/../b, /./, /a/., /%41]\n",
      "k.yaml:3:11: error: routes[0].paths[0]: should start with: / (fixed path) or ~/ (regex "
      "path)\n"
      "k.yaml:3:14: error: routes[0].paths[1]: must not have empty segments\n"
      "k.yaml:3:21: error: routes[0].paths[2]: invalid url-encoded value: '%zz'\n"
      "k.yaml:3:27: error: routes[0].paths[3]: non-normalized path, consider use '/%2F' "
      "instead\n"
      "k.yaml:3:33: error: routes[0].paths[4]: non-normalized path, consider use '/a b' "
      "instead\n"
      "k.yaml:3:41: error: routes[0].paths[5]: non-normalized path, consider use '/b' instead\n"
      "k.yaml:3:50: error: routes[0].paths[6]: non-normalized path, consider use '/' instead\n"
      "k.yaml:3:55: error: routes[0].paths[7]: non-normalized path, consider use '/a/' "
      "instead\n"
      "k.yaml:3:61: error: routes[0].paths[8]: non-normalized path, consider use '/A' "
      "instead\n" },
    { HEAD "routes: [{paths: [/], https_redirect_status_code: 303, regex_priority: 99999999999, "
           "service: nobody}, {paths: [/], service: {}}]",
      "k.yaml:2:51: error: routes[0].https_redirect_status_code: expected one of: 426, 301, 302, "
      "307, 308\n"
      "k.yaml:2:72: error: routes[0].regex_priority: value should be between -2147483648 and "
      "2147483647\n"
      "k.yaml:2:94: error: routes[0].service: invalid reference 'service: nobody' (no such entry "
      "in 'services'); add it or correct the name\n"
      "k.yaml:2:125: error: routes[1].service: missing primary key; write an id or a name, or one "
      "of {id: …} and {name: …}\n" },
    /* places are counted as they are written, although what repeats in a set is dropped */
    { HEAD "routes: [{methods: [GET, GET, get, '']}]",
      "k.yaml:2:31: error: routes[0].methods[2]: invalid value: get; methods are written in "
      "capitals\n"
      "k.yaml:2:36: error: routes[0].methods[3]: length must be at least 1\n" },
    { HEAD "services: [{name: a, host: a, routes: [{paths: [/], service: a}]}]", "" }, /* as Kong */
    { HEAD "services: [{name: a, host: a, routes: [{paths: [/], service: b}]}]",
      "k.yaml:2:62: error: services[0].routes[0].service: value must be null; the nesting already "
      "says it, remove 'service'\n"
      "k.yaml:2:62: error: services[0].routes[0].service: invalid reference 'service: b' (no such "
      "entry in 'services'); add it or correct the name\n" },
    { HEAD "services: [{host: a, routes: [{paths: ['/ä b', /, '/a.b/c..d'], hosts: ['*.a:80', "
           "'a.*', 'a.*:80', 127.0.0.1, '[::1]:80', a_b]}]}]",
      "" },
};

TEST(every_field_of_a_route_is_checked)
{
    CHECK_ROWS(route_mistakes);
}

TEST(upstreams_and_targets_are_checked)
{
    static const struct row rows[] = {
        { HEAD
          "upstreams: [{}, {name: 1.2.3.4}, {name: 'a:80'}, {name: 'a b'}, {name: '[::1]:80'}]",
          "k.yaml:2:13: error: upstreams[0].name: required field missing; add 'name'\n"
          "k.yaml:2:24: error: upstreams[1].name: Invalid name ('1.2.3.4'); no ip addresses "
          "allowed\n"
          "k.yaml:2:41: error: upstreams[2].name: Invalid name ('a:80'); no port allowed\n"
          "k.yaml:2:57: error: upstreams[3].name: Invalid name ('a b'); must be a valid hostname\n"
          "k.yaml:2:72: error: upstreams[4].name: Invalid name ('[::1]:80'); no ip addresses "
          "allowed\n" },
        { HEAD "upstreams:\n- name: u\n  targets: [{target: a, weight: 65536}, {target: 'a:0'}, "
               "{target: 'a b'}, {weight: 1}]\ntargets: [{target: b}, {target: b, upstream: v}]",
          "k.yaml:4:33: error: upstreams[0].targets[0].weight: value should be between 0 and "
          "65535\n"
          "k.yaml:4:50: error: upstreams[0].targets[1].target: Invalid target; not a valid "
          "hostname or ip address; write 'host:port' or '[ipv6]:port', the port from 1 to 65535\n"
          "k.yaml:4:67: error: upstreams[0].targets[2].target: Invalid target; not a valid "
          "hostname or ip address; write 'host:port' or '[ipv6]:port', the port from 1 to 65535\n"
          "k.yaml:4:75: error: upstreams[0].targets[3].target: required field missing; add "
          "'target'\n"
          "k.yaml:5:11: error: targets[0].upstream: required field missing; add 'upstream'\n"
          "k.yaml:5:46: error: targets[1].upstream: invalid reference 'upstream: v' (no such entry "
          "in 'upstreams'); add it or correct the name\n" },
        { HEAD
          "upstreams:\n- name: u\n  targets: [{target: '::1'}, {target: '[0:0::1]:8000'}]\n"
          "targets: [{target: '[::1]:8001', upstream: u}, {target: '[::1]:8001', upstream: u}]",
          "k.yaml:5:57: error: targets[1].target: uniqueness violation: 'targets' entity with "
          "primary key set to '113f3e7c-b689-5a6a-9192-6567debd9f88' already declared; "
          "'[::1]:8001' is here twice: rename or remove one of the two\n" },
        { HEAD "upstreams:\n- name: u\n  targets: [{target: '::1'}, {target: '[0:0::1]:8000'}]",
          "k.yaml:4:39: error: upstreams[0].targets[1].target: uniqueness violation: 'targets' "
          "entity with target set to '[0000:0000:0000:0000:0000:0000:0000:0001]:8000' already "
          "declared; rename or remove one of the two\n" },
        { HEAD "upstreams: [{name: u}, {name: v, targets: [{target: a, weight: 0}]}]",
          "k.yaml:2:13: warning: upstreams[0]: upstream 'u' has no target with a weight above 0; "
          "every request to it is answered with 503\n"
          "k.yaml:2:24: warning: upstreams[1]: upstream 'v' has no target with a weight above 0; "
          "every request to it is answered with 503\n" },
    };
    CHECK_ROWS(rows);
}

#define PEM(what) "\"-----BEGIN " what "-----\\nAA==\\n-----END " what "-----\\n\""
#define GOOD_PAIR "cert: " PEM("CERTIFICATE") ", key: " PEM("EC PRIVATE KEY")

TEST(certificates_and_snis_are_checked)
{
    static const struct row rows[] = {
        { HEAD "certificates:\n- cert: /etc/ssl/a.pem\n  key: '{vault://env/x}'\n"
               "- {cert: " PEM("PRIVATE KEY") ",\n   key: " PEM(
                   "CERTIFICATE") ",\n"
                                  "   cert_alt: " PEM("CERTIFICATE") "}\n",
          "k.yaml:3:9: error: certificates[0].cert: invalid certificate: no PEM text; paste the "
          "content of the file, from -----BEGIN to -----END (a file name is not taken here)\n"
          "k.yaml:4:8: error: certificates[0].key: a vault reference is not supported by this "
          "version of hopgate; write the PEM text\n"
          "k.yaml:5:3: error: certificates[1]: all or none of these fields must be set: "
          "'cert_alt', 'key_alt'\n"
          "k.yaml:5:10: error: certificates[1].cert: invalid certificate: the PEM text holds no "
          "CERTIFICATE block\n"
          "k.yaml:6:9: error: certificates[1].key: invalid key: the PEM text holds no PRIVATE KEY "
          "block\n"
          "k.yaml:7:14: error: certificates[1].cert_alt: invalid certificate: PEM block 1 "
          "(CERTIFICATE) is not a certificate: nested asn1 error\n" },
        { HEAD "certificates:\n- cert: \"-----BEGIN CERTIFICATE-----\\nA\\n\"\n  key: " PEM(
              "PRIVATE KEY") "\n",
          "k.yaml:3:9: error: certificates[0].cert: invalid certificate: no PEM text; paste the "
          "content of the file, from -----BEGIN to -----END (a file name is not taken here)\n"
          "k.yaml:4:8: error: certificates[0].key: invalid key: the private key is damaged: nested "
          "asn1 error\n" },

        { HEAD "certificates:\n- {" GOOD_PAIR ",\n   snis: [a.example, '*.*', 'a*b', 1.2.3.4, "
               "'a:80', {name: a.example}, {nam: x}]}\n",
          "k.yaml:3:10: error: certificates[0].cert: invalid certificate: PEM block 1 "
          "(CERTIFICATE) is not a certificate: nested asn1 error\n"
          "k.yaml:3:81: error: certificates[0].key: invalid key: the private key is damaged: "
          "nested asn1 error\n"
          "k.yaml:4:22: error: certificates[0].snis[1]: only one wildcard must be specified\n"
          "k.yaml:4:29: error: certificates[0].snis[2]: wildcard must be leftmost or rightmost "
          "character\n"
          "k.yaml:4:36: error: certificates[0].snis[3]: must not be an IP\n"
          "k.yaml:4:45: error: certificates[0].snis[4]: must not have a port\n"
          "k.yaml:4:60: error: certificates[0].snis[5].name: uniqueness violation: 'snis' entity "
          "with name set to 'a.example' already declared; rename or remove one of the two\n"
          "k.yaml:4:72: error: certificates[0].snis[6].name: required field missing; add 'name'\n"
          "k.yaml:4:73: error: certificates[0].snis[6].nam: unknown field; did you mean "
          "'name'?\n" },
        { HEAD "snis: [{name: a.example}, {name: b.example, certificate: " UUID_A "}, c.example]",
          "k.yaml:2:8: error: snis[0].certificate: required field missing; add 'certificate'\n"
          "k.yaml:2:58: error: snis[1].certificate: invalid reference 'certificate: "
          "11111111-2222-4333-8444-555555555555' (no such entry in 'certificates'); add it or "
          "correct the name\n"
          "k.yaml:2:97: error: snis[2]: required field missing; add 'certificate'\n" },

    };
    CHECK_ROWS(rows);
}

TEST(names_and_ids_are_unique_and_references_lead_somewhere)
{
    static const struct row rows[] = {
        { HEAD "services:\n- {name: a, host: a, id: " UUID_A "}\n- {name: a, host: b, id: "
               "22222222-2222-4333-8444-555555555555}\n- {host: c, id: " UUID_A "}\n",
          "k.yaml:4:10: error: services[1].name: uniqueness violation: 'services' entity with name "
          "set to 'a' already declared; rename or remove one of the two\n"
          "k.yaml:5:17: error: services[2].id: uniqueness violation: 'services' entity with "
          "primary "
          "key set to '" UUID_A "' already declared; rename or remove one of the two\n" },
        { HEAD "services: [{name: a, host: a, id: " UUID_A
               "}]\nroutes: [{paths: [/1], service: a}, "
               "{paths: [/2], service: " UUID_A "}, {paths: [/3], service: {id: " UUID_A
               "}}, {paths: [/4], service: {name: a}}]",
          "" },
    };
    CHECK_ROWS(rows);
}

/* Sets, so neither order nor repetition makes a difference. */
TEST(routes_that_match_the_same_requests_are_a_warning)
{
    static const struct row rows[] = {
        { HEAD "services:\n"
               "- {host: a, routes: [{name: r1, paths: [/x, /y], methods: [GET], hosts: [h]}]}\n"
               "- {host: b, routes: [{name: r2, paths: [/y, /x, /y], methods: [GET, GET], hosts: "
               "[h]}]}\n",
          "k.yaml:4:22: warning: services[1].routes[0]: route 'r2' matches the same requests as "
          "route 'r1' (line 3) but leads to another service; only one of them is ever used, change "
          "or remove one\n" },
        /* the same service, another priority, another host: nothing to say */
        { HEAD
          "services:\n- {host: a, routes: [{paths: [/x]}, {paths: [/x]}]}\n"
          "- {host: b, routes: [{paths: [/x], regex_priority: 1}, {paths: [/x], hosts: [h]}]}\n",
          "" },
    };
    CHECK_ROWS(rows);
}

TESTS(TEST_CASE(the_head_of_the_file_is_checked),
      TEST_CASE(what_hopgate_does_not_run_yet_is_refused_by_name),
      TEST_CASE(what_a_route_matches_is_checked_with_kongs_words),
      TEST_CASE(hashing_is_checked_as_a_whole), TEST_CASE(every_field_of_a_service_is_checked),
      TEST_CASE(every_field_of_a_route_is_checked), TEST_CASE(upstreams_and_targets_are_checked),
      TEST_CASE(certificates_and_snis_are_checked),
      TEST_CASE(names_and_ids_are_unique_and_references_lead_somewhere),
      TEST_CASE(routes_that_match_the_same_requests_are_a_warning))
