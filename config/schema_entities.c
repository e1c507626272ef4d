/*
 * schema_entities: Kong's entities field by field (kong/db/schema/entities, release 3.9).
 *
 * Also fields that hopgate does not run yet stand here, so that a file which only repeats Kong's
 * defaults is accepted and one that needs more is refused by name.
 */
#include "config/schema.h"

#define STORED(type, member) \
    .offset = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)
#define FIELDS(list) .fields = (list), .fields_count = sizeof(list) / sizeof((list)[0])

#define TIMEOUT_MAX_MS 2147483646

#define PROTOCOLS "grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp"

/* What every entity may carry and nothing here reads. */
#define BOOKKEEPING { .name = "created_at", .type = SCHEMA_NUMBER }, BOOKKEEPING_BUT_CREATED_AT
#define BOOKKEEPING_BUT_CREATED_AT                                                           \
    { .name = "updated_at", .type = SCHEMA_NUMBER },                                         \
        { .name = "tags", .type = SCHEMA_STRINGS, .flags = SCHEMA_SET, .check = check_tag }, \
        { .name = "_comment", .type = SCHEMA_ANY },                                          \
    {                                                                                        \
        .name = "_ignore", .type = SCHEMA_ANY                                                \
    }

static const struct schema_field service_fields[] = {
    { .name = "id", .type = SCHEMA_STRING, .check = check_uuid, STORED(config_service, id) },
    { .name = "name", .type = SCHEMA_STRING, .check = check_name, STORED(config_service, name) },
    { .name = "url", .type = SCHEMA_STRING },
    { .name = "protocol",
      .type = SCHEMA_STRING,
      .flags = SCHEMA_PROTOCOL,
      .one_of = PROTOCOLS,
      .supported = "http, https, tcp",
      .default_json = "\"http\"",
      STORED(config_service, protocol) },
    { .name = "host",
      .type = SCHEMA_STRING,
      .flags = SCHEMA_REQUIRED,
      .check = check_host,
      STORED(config_service, host) },
    { .name = "port",
      .type = SCHEMA_INTEGER,
      .min = 0,
      .max = 65535,
      .default_json = "80",
      STORED(config_service, port) },
    { .name = "path",
      .type = SCHEMA_STRING,
      .check = check_base_path,
      STORED(config_service, base_path) },
    { .name = "retries",
      .type = SCHEMA_INTEGER,
      .min = 0,
      .max = 32767,
      .default_json = "5",
      STORED(config_service, retries) },
    { .name = "connect_timeout",
      .type = SCHEMA_INTEGER,
      .flags = SCHEMA_TIME,
      .min = 1,
      .max = TIMEOUT_MAX_MS,
      .default_json = "60000",
      .said_offset = offsetof(struct config_service, said.connect_timeout),
      STORED(config_service, connect_timeout_ms) },
    { .name = "write_timeout",
      .type = SCHEMA_INTEGER,
      .flags = SCHEMA_TIME,
      .min = 1,
      .max = TIMEOUT_MAX_MS,
      .default_json = "60000",
      .said_offset = offsetof(struct config_service, said.write_timeout),
      STORED(config_service, write_timeout_ms) },
    { .name = "read_timeout",
      .type = SCHEMA_INTEGER,
      .flags = SCHEMA_TIME,
      .min = 1,
      .max = TIMEOUT_MAX_MS,
      .default_json = "60000",
      .said_offset = offsetof(struct config_service, said.read_timeout),
      STORED(config_service, read_timeout_ms) },
    { .name = "client_certificate", .type = SCHEMA_REFERENCE },
    { .name = "tls_verify", .type = SCHEMA_BOOLEAN, STORED(config_service, tls_verify) },
    { .name = "tls_verify_depth",
      .type = SCHEMA_INTEGER,
      .min = 0,
      .max = 64,
      STORED(config_service, tls_verify_depth) },
    { .name = "ca_certificates", .type = SCHEMA_STRINGS, .check = check_uuid },
    { .name = "enabled",
      .type = SCHEMA_BOOLEAN,
      .default_json = "true",
      STORED(config_service, enabled) },
    { .name = "routes", .type = SCHEMA_ENTITIES },
    { .name = "plugins", .type = SCHEMA_ENTITIES }, /* read by config/flatten */
    { .name = "tls_sans", .type = SCHEMA_ANY, .flags = SCHEMA_NOT_YET },
    BOOKKEEPING,
};
const struct schema schema_services = { .name = "services", FIELDS(service_fields) };

static const struct schema_field route_fields[] = {
    { .name = "id", .type = SCHEMA_STRING, .check = check_uuid, STORED(config_route, id) },
    { .name = "name", .type = SCHEMA_STRING, .check = check_name, STORED(config_route, name) },
    { .name = "protocols",
      .type = SCHEMA_STRINGS,
      .flags = SCHEMA_SET | SCHEMA_PROTOCOL,
      .one_of = PROTOCOLS,
      .supported = "http, https, grpc, grpcs, tcp, tls_passthrough",
      .default_json = "[\"http\",\"https\"]",
      STORED(config_route, protocols) },
    { .name = "methods",
      .type = SCHEMA_STRINGS,
      .flags = SCHEMA_SET,
      .check = check_method,
      STORED(config_route, methods) },
    { .name = "hosts",
      .type = SCHEMA_STRINGS,
      .check = check_route_host,
      STORED(config_route, hosts) },
    { .name = "paths",
      .type = SCHEMA_STRINGS,
      .check = check_route_path,
      STORED(config_route, paths) },
    { .name = "headers", .type = SCHEMA_ANY }, /* read by declarative_route.c */
    { .name = "snis",
      .type = SCHEMA_STRINGS,
      .flags = SCHEMA_SET,
      .check = check_sni,
      STORED(config_route, snis) },
    { .name = "sources", .type = SCHEMA_ANY, .flags = SCHEMA_NOT_YET },
    { .name = "destinations", .type = SCHEMA_ANY }, /* read by declarative_route.c */
    { .name = "expression", .type = SCHEMA_STRING, .flags = SCHEMA_NOT_YET },
    { .name = "priority", .type = SCHEMA_INTEGER, .flags = SCHEMA_NOT_YET, .default_json = "0" },
    { .name = "regex_priority",
      .type = SCHEMA_INTEGER,
      .min = INT32_MIN,
      .max = INT32_MAX,
      .default_json = "0",
      STORED(config_route, regex_priority) },
    { .name = "path_handling",
      .type = SCHEMA_STRING,
      .one_of = "v0, v1",
      .default_json = "\"v0\"",
      STORED(config_route, path_handling) },
    { .name = "strip_path",
      .type = SCHEMA_BOOLEAN,
      .default_json = "true",
      STORED(config_route, strip_path) },
    { .name = "preserve_host",
      .type = SCHEMA_BOOLEAN,
      .default_json = "false",
      STORED(config_route, preserve_host) },
    { .name = "request_buffering",
      .type = SCHEMA_BOOLEAN,
      .default_json = "true",
      STORED(config_route, request_buffering) },
    { .name = "response_buffering",
      .type = SCHEMA_BOOLEAN,
      .default_json = "true",
      STORED(config_route, response_buffering) },
    { .name = "https_redirect_status_code",
      .type = SCHEMA_INTEGER,
      .one_of = "426, 301, 302, 307, 308",
      .default_json = "426",
      STORED(config_route, https_redirect_status_code) },
    { .name = "service", .type = SCHEMA_REFERENCE },
    { .name = "plugins", .type = SCHEMA_ENTITIES }, /* read by config/flatten */
    { .name = "created_at", .type = SCHEMA_NUMBER, STORED(config_route, created_at_ms) },
    BOOKKEEPING_BUT_CREATED_AT,
};
const struct schema schema_routes = { .name = "routes", FIELDS(route_fields) };

/* --- upstreams ----------------------------------------------------------------------------- */

#define NOT_YET(field, json)                                                                 \
    {                                                                                        \
        .name = (field), .type = SCHEMA_ANY, .flags = SCHEMA_NOT_YET, .default_json = (json) \
    }

#define HASH_SOURCES "none, consumer, ip, header, cookie, path, query_arg, uri_capture"

static const struct schema_field upstream_fields[] = {
    { .name = "id", .type = SCHEMA_STRING, .check = check_uuid, STORED(config_upstream, id) },
    { .name = "name",
      .type = SCHEMA_STRING,
      .flags = SCHEMA_REQUIRED,
      .check = check_upstream_name,
      STORED(config_upstream, name) },
    { .name = "algorithm",
      .type = SCHEMA_STRING,
      .one_of = "consistent-hashing, least-connections, round-robin, latency",
      .default_json = "\"round-robin\"",
      STORED(config_upstream, algorithm) },
    { .name = "host_header",
      .type = SCHEMA_STRING,
      .check = check_host_with_port,
      STORED(config_upstream, host_header) },
    /* Only consistent hashing uses the slots. */
    { .name = "slots",
      .type = SCHEMA_INTEGER,
      .min = 10,
      .max = 65536,
      .default_json = "10000",
      STORED(config_upstream, slots) },
    { .name = "hash_on",
      .type = SCHEMA_STRING,
      .one_of = HASH_SOURCES,
      .default_json = "\"none\"",
      STORED(config_upstream, hash_on) },
    { .name = "hash_fallback",
      .type = SCHEMA_STRING,
      .one_of = HASH_SOURCES,
      .default_json = "\"none\"",
      STORED(config_upstream, hash_fallback) },
    { .name = "hash_on_header",
      .type = SCHEMA_STRING,
      .check = check_token,
      STORED(config_upstream, hash_on_header) },
    { .name = "hash_fallback_header",
      .type = SCHEMA_STRING,
      .check = check_token,
      STORED(config_upstream, hash_fallback_header) },
    { .name = "hash_on_cookie",
      .type = SCHEMA_STRING,
      .check = check_token,
      STORED(config_upstream, hash_on_cookie) },
    { .name = "hash_on_cookie_path",
      .type = SCHEMA_STRING,
      .check = check_cookie_path,
      .default_json = "\"/\"",
      STORED(config_upstream, hash_on_cookie_path) },
    { .name = "hash_on_query_arg",
      .type = SCHEMA_STRING,
      STORED(config_upstream, hash_on_query_arg) },
    { .name = "hash_fallback_query_arg",
      .type = SCHEMA_STRING,
      STORED(config_upstream, hash_fallback_query_arg) },
    { .name = "hash_on_uri_capture",
      .type = SCHEMA_STRING,
      STORED(config_upstream, hash_on_uri_capture) },
    { .name = "hash_fallback_uri_capture",
      .type = SCHEMA_STRING,
      STORED(config_upstream, hash_fallback_uri_capture) },
    { .name = "healthchecks", .type = SCHEMA_RECORD, .record = &schema_healthchecks },
    { .name = "client_certificate", .type = SCHEMA_REFERENCE },
    NOT_YET("use_srv_name", "false"),
    { .name = "targets", .type = SCHEMA_ENTITIES },
    BOOKKEEPING,
};
const struct schema schema_upstreams = { .name = "upstreams", FIELDS(upstream_fields) };

static const struct schema_field target_fields[] = {
    { .name = "id", .type = SCHEMA_STRING, .check = check_uuid },
    { .name = "target",
      .type = SCHEMA_STRING,
      .flags = SCHEMA_REQUIRED,
      .check = check_target,
      STORED(config_target, target) },
    { .name = "weight",
      .type = SCHEMA_INTEGER,
      .min = 0,
      .max = 65535,
      .default_json = "100",
      STORED(config_target, weight) },
    { .name = "upstream", .type = SCHEMA_REFERENCE },
    BOOKKEEPING,
};
const struct schema schema_targets = { .name = "targets", FIELDS(target_fields) };

/* --- certificates -------------------------------------------------------------------------- */

static const struct schema_field certificate_fields[] = {
    { .name = "id", .type = SCHEMA_STRING, .check = check_uuid, STORED(config_certificate, id) },
    { .name = "cert",
      .type = SCHEMA_STRING,
      .flags = SCHEMA_REQUIRED,
      .check = check_certificate,
      STORED(config_certificate, cert_pem) },
    { .name = "key",
      .type = SCHEMA_STRING,
      .flags = SCHEMA_REQUIRED,
      .check = check_private_key,
      STORED(config_certificate, key_pem) },
    { .name = "cert_alt",
      .type = SCHEMA_STRING,
      .check = check_certificate,
      STORED(config_certificate, cert_alt_pem) },
    { .name = "key_alt",
      .type = SCHEMA_STRING,
      .check = check_private_key,
      STORED(config_certificate, key_alt_pem) },
    { .name = "snis", .type = SCHEMA_ENTITIES },
    BOOKKEEPING,
};
const struct schema schema_certificates = { .name = "certificates", FIELDS(certificate_fields) };

/* An sni has no struct of its own: its name is listed with its certificate. */
static const struct schema_field sni_fields[] = {
    { .name = "id", .type = SCHEMA_STRING, .check = check_uuid },
    { .name = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .check = check_sni },
    { .name = "certificate", .type = SCHEMA_REFERENCE },
    BOOKKEEPING,
};
const struct schema schema_snis = { .name = "snis", FIELDS(sni_fields) };

static const struct schema_field ca_certificate_fields[] = {
    { .name = "id", .type = SCHEMA_STRING, .check = check_uuid, STORED(config_ca_certificate, id) },
    { .name = "cert",
      .type = SCHEMA_STRING,
      .flags = SCHEMA_REQUIRED,
      .check = check_ca_certificate,
      STORED(config_ca_certificate, cert_pem) },
    { .name = "cert_digest", .type = SCHEMA_STRING }, /* computed by whoever needs it */
    BOOKKEEPING,
};
const struct schema schema_ca_certificates = { .name = "ca_certificates",
                                               FIELDS(ca_certificate_fields) };

/* --- the file ------------------------------------------------------------------------------ */

#define ENTITIES(field)                          \
    {                                            \
        .name = (field), .type = SCHEMA_ENTITIES \
    }
/* Nothing here runs them; config/flatten reads them, and the Admin API shows them. */
#define KEPT(field)                         \
    {                                       \
        .name = (field), .type = SCHEMA_ANY \
    }
#define ENTITIES_NOT_YET(field)                                           \
    {                                                                     \
        .name = (field), .type = SCHEMA_ENTITIES, .flags = SCHEMA_NOT_YET \
    }

/* decK writes _info and _workspace into its files; what it uses them for does not concern a hop. */
static const struct schema_field deck_info_fields[] = {
    { .name = "select_tags", .type = SCHEMA_ANY },
    { .name = "default_lookup_tags", .type = SCHEMA_ANY },
    NOT_YET("defaults", NULL),
};
static const struct schema deck_info = { .name = "_info", FIELDS(deck_info_fields) };

static const struct schema_field mtls_fields[] = {
    { .name = "snis",
      .type = SCHEMA_STRINGS,
      .flags = SCHEMA_REQUIRED | SCHEMA_SET,
      .check = check_sni,
      STORED(config_mtls, snis) },
    { .name = "verify_client",
      .type = SCHEMA_STRING,
      .one_of = "off, optional, optional_no_ca, required",
      .default_json = "\"required\"",
      STORED(config_mtls, verify_client) },
    { .name = "ca_certificates", .type = SCHEMA_STRINGS, .check = check_uuid },
    { .name = "verify_depth",
      .type = SCHEMA_INTEGER,
      .min = 0,
      .max = 100,
      .default_json = "1",
      STORED(config_mtls, verify_depth) },
    { .name = "crl", .type = SCHEMA_STRING, STORED(config_mtls, crl) },
    { .name = "allow_partial_chain",
      .type = SCHEMA_BOOLEAN,
      .default_json = "false",
      STORED(config_mtls, allow_partial_chain) },
};
const struct schema schema_mtls = { .name = "mtls", FIELDS(mtls_fields) };

static const struct schema_field hopgate_fields[] = {
    { .name = "mtls", .type = SCHEMA_ENTITIES },
    { .name = "proxy_protocol", .type = SCHEMA_ENTITIES }, /* read by declarative_hopgate.c */
    { .name = "slow_start", .type = SCHEMA_ENTITIES },     /* the same */
    { .name = "health", .type = SCHEMA_ENTITIES },         /* read by declarative_health.c */
    { .name = "limits", .type = SCHEMA_ENTITIES },         /* the same */
    { .name = "balancing", .type = SCHEMA_ENTITIES },      /* read by declarative_balancing.c */
    { .name = "fields", .type = SCHEMA_ENTITIES },         /* read by declarative_fields.c */
};
const struct schema schema_hopgate = { .name = "hopgate", FIELDS(hopgate_fields) };

static const struct schema_field document_fields[] = {
    { .name = "_format_version", .type = SCHEMA_ANY }, /* checked first, by declarative.c */
    { .name = "_transform", .type = SCHEMA_BOOLEAN },
    { .name = "_comment", .type = SCHEMA_STRING },
    { .name = "_ignore", .type = SCHEMA_ANY },
    { .name = "_info", .type = SCHEMA_RECORD, .record = &deck_info },
    NOT_YET("_workspace", "\"default\""),
    ENTITIES("services"),
    ENTITIES("routes"),
    ENTITIES("upstreams"),
    ENTITIES("targets"),
    ENTITIES("certificates"),
    ENTITIES("snis"),
    ENTITIES("ca_certificates"),
    { .name = "hopgate", .type = SCHEMA_RECORD, .record = &schema_hopgate },
    KEPT("consumers"),
    KEPT("plugins"),
    KEPT("vaults"),
    KEPT("keys"),
    KEPT("key_sets"),
    ENTITIES_NOT_YET("filter_chains"),
    KEPT("workspaces"), /* what Kong's own dumps have; config/flatten says what may be in it */
    KEPT("parameters"),
    KEPT("acls"),
    KEPT("keyauth_credentials"),
    KEPT("basicauth_credentials"),
    KEPT("hmacauth_credentials"),
    KEPT("jwt_secrets"),
    KEPT("oauth2_credentials"),
    KEPT("oauth2_tokens"),
    ENTITIES_NOT_YET("acme_storage"),
    /* Kong Enterprise and decK */
    ENTITIES_NOT_YET("consumer_groups"),
    ENTITIES_NOT_YET("rbac_roles"),
    ENTITIES_NOT_YET("partials"),
    ENTITIES_NOT_YET("licenses"),
};
const struct schema schema_document = { .name = "declarative_config", FIELDS(document_fields) };
