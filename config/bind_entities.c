/*
 * bind_entities: which field of Kong's entities goes where in config/entities.h.
 *
 * What stands in no table is only kept and shown: times, tags.
 */
#include "config/bind.h"

#define FIELDS(list) .fields = (list), .fields_count = sizeof(list) / sizeof((list)[0])
#define MEMBER(entity, member)                          \
    .offset = offsetof(struct config_##entity, member), \
    .size = sizeof(((struct config_##entity *)0)->member)

#define FIELD(field, kind, entity, member)                           \
    {                                                                \
        .name = (field), .type = BIND_##kind, MEMBER(entity, member) \
    }
#define RECORD(field, table)                                     \
    {                                                            \
        .name = (field), .type = BIND_RECORD, .record = &(table) \
    }
/* By declarative_entities.c. */
#define ELSEWHERE(field)                        \
    {                                           \
        .name = (field), .type = BIND_ELSEWHERE \
    }

/* --- services ------------------------------------------------------------------------------ */

#define TIMEOUT(field)                                                                          \
    {                                                                                           \
        .name = #field, .type = BIND_INTEGER, .is_time = true,                                  \
        .said_offset = offsetof(struct config_service, said.field), MEMBER(service, field##_ms) \
    }

static const struct bind_field service_fields[] = {
    FIELD("id", TEXT, service, id),
    FIELD("name", TEXT, service, name),
    FIELD("protocol", PROTOCOL, service, protocol),
    FIELD("host", TEXT, service, host),
    FIELD("port", INTEGER, service, port),
    FIELD("path", TEXT, service, base_path),
    FIELD("retries", INTEGER, service, retries),
    TIMEOUT(connect_timeout),
    TIMEOUT(write_timeout),
    TIMEOUT(read_timeout),
    ELSEWHERE("client_certificate"),
    FIELD("tls_verify", BOOLEAN, service, tls_verify),
    FIELD("tls_verify_depth", INTEGER, service, tls_verify_depth),
    ELSEWHERE("ca_certificates"),
    FIELD("enabled", BOOLEAN, service, enabled),
};
const struct bind_table bind_services = { .name = "services", FIELDS(service_fields) };

/* --- routes -------------------------------------------------------------------------------- */

static const struct bind_field route_fields[] = {
    FIELD("id", TEXT, route, id),
    FIELD("name", TEXT, route, name),
    FIELD("protocols", PROTOCOLS, route, protocols),
    FIELD("methods", TEXTS, route, methods),
    FIELD("hosts", TEXTS, route, hosts),
    FIELD("paths", TEXTS, route, paths),
    ELSEWHERE("headers"),
    FIELD("snis", TEXTS, route, snis),
    ELSEWHERE("destinations"),
    FIELD("regex_priority", INTEGER, route, regex_priority),
    FIELD("path_handling", TEXT, route, path_handling),
    FIELD("strip_path", BOOLEAN, route, strip_path),
    FIELD("preserve_host", BOOLEAN, route, preserve_host),
    FIELD("request_buffering", BOOLEAN, route, request_buffering),
    FIELD("response_buffering", BOOLEAN, route, response_buffering),
    FIELD("https_redirect_status_code", INTEGER, route, https_redirect_status_code),
    ELSEWHERE("service"),
    FIELD("created_at", NUMBER, route, created_at_ms),
};
const struct bind_table bind_routes = { .name = "routes", FIELDS(route_fields) };

/* --- upstreams ----------------------------------------------------------------------------- */

#define CHECKS(field, kind, member) FIELD(field, kind, upstream, healthchecks.member)
#define SECONDS(field, member)                                 \
    {                                                          \
        .name = (field), .type = BIND_NUMBER, .is_time = true, \
        MEMBER(upstream, healthchecks.member)                  \
    }

static const struct bind_field active_healthy_fields[] = {
    SECONDS("interval", active.healthy_interval_ms),
    CHECKS("http_statuses", STATUSES, active.counts.healthy),
    CHECKS("successes", INTEGER, active.counts.successes),
};
static const struct bind_table active_healthy = { .name = "healthy",
                                                  FIELDS(active_healthy_fields) };

static const struct bind_field active_unhealthy_fields[] = {
    SECONDS("interval", active.unhealthy_interval_ms),
    CHECKS("http_statuses", STATUSES, active.counts.unhealthy),
    CHECKS("tcp_failures", INTEGER, active.counts.tcp_failures),
    CHECKS("timeouts", INTEGER, active.counts.timeouts),
    CHECKS("http_failures", INTEGER, active.counts.http_failures),
};
static const struct bind_table active_unhealthy = { .name = "unhealthy",
                                                    FIELDS(active_unhealthy_fields) };

static const struct bind_field active_fields[] = {
    CHECKS("type", TEXT, active.type),
    SECONDS("timeout", active.timeout_ms),
    CHECKS("concurrency", INTEGER, active.concurrency),
    CHECKS("http_path", TEXT, active.http_path),
    CHECKS("https_sni", TEXT, active.https_sni),
    CHECKS("https_verify_certificate", BOOLEAN, active.https_verify_certificate),
    ELSEWHERE("headers"),
    RECORD("healthy", active_healthy),
    RECORD("unhealthy", active_unhealthy),
};
static const struct bind_table active = { .name = "active", FIELDS(active_fields) };

static const struct bind_field passive_healthy_fields[] = {
    CHECKS("http_statuses", STATUSES, passive.counts.healthy),
    CHECKS("successes", INTEGER, passive.counts.successes),
};
static const struct bind_table passive_healthy = { .name = "healthy",
                                                   FIELDS(passive_healthy_fields) };

static const struct bind_field passive_unhealthy_fields[] = {
    CHECKS("http_statuses", STATUSES, passive.counts.unhealthy),
    CHECKS("tcp_failures", INTEGER, passive.counts.tcp_failures),
    CHECKS("timeouts", INTEGER, passive.counts.timeouts),
    CHECKS("http_failures", INTEGER, passive.counts.http_failures),
};
static const struct bind_table passive_unhealthy = { .name = "unhealthy",
                                                     FIELDS(passive_unhealthy_fields) };

static const struct bind_field passive_fields[] = {
    CHECKS("type", TEXT, passive.type),
    RECORD("healthy", passive_healthy),
    RECORD("unhealthy", passive_unhealthy),
};
static const struct bind_table passive = { .name = "passive", FIELDS(passive_fields) };

static const struct bind_field healthchecks_fields[] = {
    RECORD("active", active),
    RECORD("passive", passive),
    CHECKS("threshold", NUMBER, threshold_thousandths),
};
static const struct bind_table healthchecks = { .name = "healthchecks",
                                                FIELDS(healthchecks_fields) };

static const struct bind_field upstream_fields[] = {
    FIELD("id", TEXT, upstream, id),
    FIELD("name", TEXT, upstream, name),
    FIELD("algorithm", TEXT, upstream, algorithm),
    FIELD("host_header", TEXT, upstream, host_header),
    FIELD("slots", INTEGER, upstream, slots),
    FIELD("hash_on", TEXT, upstream, hash_on),
    FIELD("hash_fallback", TEXT, upstream, hash_fallback),
    FIELD("hash_on_header", TEXT, upstream, hash_on_header),
    FIELD("hash_fallback_header", TEXT, upstream, hash_fallback_header),
    FIELD("hash_on_cookie", TEXT, upstream, hash_on_cookie),
    FIELD("hash_on_cookie_path", TEXT, upstream, hash_on_cookie_path),
    FIELD("hash_on_query_arg", TEXT, upstream, hash_on_query_arg),
    FIELD("hash_fallback_query_arg", TEXT, upstream, hash_fallback_query_arg),
    FIELD("hash_on_uri_capture", TEXT, upstream, hash_on_uri_capture),
    FIELD("hash_fallback_uri_capture", TEXT, upstream, hash_fallback_uri_capture),
    RECORD("healthchecks", healthchecks),
    ELSEWHERE("client_certificate"),
};
const struct bind_table bind_upstreams = { .name = "upstreams", FIELDS(upstream_fields) };

static const struct bind_field target_fields[] = {
    FIELD("target", TEXT, target, target),
    FIELD("weight", INTEGER, target, weight),
    ELSEWHERE("upstream"),
};
const struct bind_table bind_targets = { .name = "targets", FIELDS(target_fields) };

/* --- certificates -------------------------------------------------------------------------- */

static const struct bind_field certificate_fields[] = {
    FIELD("id", TEXT, certificate, id),
    FIELD("cert", TEXT, certificate, cert_pem),
    FIELD("key", TEXT, certificate, key_pem),
    FIELD("cert_alt", TEXT, certificate, cert_alt_pem),
    FIELD("key_alt", TEXT, certificate, key_alt_pem),
};
const struct bind_table bind_certificates = { .name = "certificates", FIELDS(certificate_fields) };

static const struct bind_field ca_certificate_fields[] = {
    FIELD("id", TEXT, ca_certificate, id),
    FIELD("cert", TEXT, ca_certificate, cert_pem),
};
const struct bind_table bind_ca_certificates = { .name = "ca_certificates",
                                                 FIELDS(ca_certificate_fields) };
