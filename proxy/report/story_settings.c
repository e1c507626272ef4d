#include <inttypes.h>

#include "config/settings.h"
#include "proxy/report/story_priv.h"

#define LIMIT(member) .limit_offset = offsetof(struct recorded_limits, member)
#define SERVICE(field, unit_text, member)                                      \
    {                                                                          \
        .key = (field), .of_service = true, .unit = (unit_text), LIMIT(member) \
    }
#define CONF(name, unit_text, member)                     \
    {                                                     \
        .key = (name), .unit = (unit_text), LIMIT(member) \
    }

static const struct story_setting settings_of_knobs[STORY_KNOB_COUNT] = {
    [STORY_KNOB_CONNECT_TIMEOUT] = SERVICE("connect_timeout", " ms", connect_timeout_ms),
    [STORY_KNOB_WRITE_TIMEOUT] = SERVICE("write_timeout", " ms", write_timeout_ms),
    [STORY_KNOB_READ_TIMEOUT] = SERVICE("read_timeout", " ms", read_timeout_ms),
    [STORY_KNOB_RETRIES] = SERVICE("retries", "", retries_count),
    [STORY_KNOB_TLS_VERIFY] = { .key = "tls_verify", .of_service = true },
    [STORY_KNOB_CLIENT_CERTIFICATE] = { .key = "client_certificate", .of_service = true },
    [STORY_KNOB_KEEPALIVE_IDLE] =
        CONF("upstream_keepalive_idle_timeout", " ms", upstream_keepalive_timeout_ms),
    [STORY_KNOB_UPSTREAM_HEAD] =
        CONF("hopgate_upstream_max_head", " bytes", upstream_head_max_bytes),
    [STORY_KNOB_CLIENT_HEAD_TIMEOUT] =
        CONF("nginx_http_client_header_timeout", " ms", head_timeout_ms),
    [STORY_KNOB_CLIENT_BODY_TIMEOUT] =
        CONF("nginx_http_client_body_timeout", " ms", body_timeout_ms),
    [STORY_KNOB_CLIENT_SEND_TIMEOUT] = CONF("nginx_http_send_timeout", " ms", send_timeout_ms),
    [STORY_KNOB_HEADER_BUFFERS] =
        CONF("nginx_http_large_client_header_buffers", " bytes a line", field_line_max_bytes),
    [STORY_KNOB_BODY_SIZE] = CONF("nginx_http_client_max_body_size", " bytes", content_max_bytes),
    [STORY_KNOB_BODY_RATE] =
        CONF("hopgate_client_body_min_rate", " bytes a second", body_min_rate_bytes_per_s),
    [STORY_KNOB_BODY_BUFFER] = { .key = "nginx_http_client_body_buffer_size" },
    [STORY_KNOB_CHUNK_EXTENSIONS] =
        CONF("hopgate_max_chunk_extensions", " bytes", chunk_extensions_max_bytes),
    [STORY_KNOB_TRAILERS] = CONF("hopgate_max_trailers", " bytes", trailers_max_bytes),
    [STORY_KNOB_SPOOL_SIZE] = { .key = "hopgate_spool_max_size" },
    [STORY_KNOB_SHUTDOWN_TIMEOUT] = { .key = "hopgate_shutdown_timeout" },
    [STORY_KNOB_TLS_HANDSHAKE_TIMEOUT] = { .key = "hopgate_tls_handshake_timeout" },
    [STORY_KNOB_REQUEST_TIMEOUT] = { .key = "hopgate_request_timeout" },
};

const struct story_setting *story_setting_of(enum story_knob knob)
{
    return &settings_of_knobs[knob];
}

void story_print_setting(FILE *out, const struct recorded_exchange *entry, enum story_knob knob)
{
    const struct story_setting *setting = story_setting_of(knob);

    (void)fputs(setting->key ? setting->key : "the limit", out);
    if (!setting->of_service)
        return;
    (void)fputs(" of ", out);
    story_print_service(out, entry);
}

void story_print_limit(FILE *out, const struct recorded_exchange *entry, enum story_knob knob)
{
    const struct story_setting *setting = story_setting_of(knob);
    uint32_t value;

    if (!setting->unit) {
        (void)fputs("its limit", out);
        return;
    }
    value = *(const uint32_t *)((const char *)&entry->limits + setting->limit_offset);
    (void)fprintf(out, "%" PRIu32 "%s", value, setting->unit);
}

static void print_origin(FILE *out, const struct recorded_exchange *entry,
                         const struct story_context *context, const char *key)
{
    struct config_place place;

    if (!context->settings) {
        (void)fprintf(out,
                      "; whether kong.conf said so is not known any more: the exchange had "
                      "configuration %" PRIu64 ", now %" PRIu64 " is in force",
                      entry->generation, context->generation);
        return;
    }
    if (!settings_is_set(context->settings, key)) {
        (void)fprintf(out, "; not set in kong.conf: the value is that of persona ");
        story_print_text(out, entry, entry->persona_name);
        return;
    }
    place = settings_place(context->settings, key);
    if (place.file && place.line > 0) {
        (void)fputs("; set in ", out);
        story_print_safe(out, slice_of(place.file));
        (void)fprintf(out, ":%u", place.line);
    } else {
        (void)fputs("; set in the environment", out);
    }
}

void story_print_decision(FILE *out, const struct recorded_exchange *entry,
                          const struct story_context *context, enum story_knob knob)
{
    const struct story_setting *setting = story_setting_of(knob);

    if (!setting->key) {
        (void)fputs("no setting of this hop", out);
        return;
    }
    story_print_setting(out, entry, knob);
    if (setting->unit) {
        (void)fputs(" = ", out);
        story_print_limit(out, entry, knob);
    }
    if (setting->of_service)
        (void)fputs("; a field of the service in the declarative file", out);
    else
        print_origin(out, entry, context, setting->key);
}
