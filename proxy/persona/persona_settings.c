#include "proxy/persona/persona_settings.h"

#include <string.h>

#include "proxy/persona/persona_priv.h"

/* A number of kong.conf and where the persona keeps it. */
struct overlay {
    const char *key;
    uint64_t value;
    uint64_t *into;
};

static void apply(const struct settings *s, const struct overlay *overlays, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (settings_is_set(s, overlays[i].key))
            *overlays[i].into = overlays[i].value;
}

static void apply_numbers(struct persona *persona, const struct settings *s)
{
    struct persona_client *client = &persona->client;
    struct persona_upstream *upstream = &persona->upstream;
    /* nginx tries its small buffer first, for a line and for the whole head */
    uint64_t small = s->client_header_buffer_size_bytes;
    uint64_t large = s->large_client_header_buffers_size_bytes;
    uint64_t line = small > large ? small : large;
    const struct overlay overlays[] = {
        { "nginx_http_client_header_timeout", s->client_header_timeout_ms,
          &client->head_timeout_ms },
        { "nginx_http_client_body_timeout", s->client_body_timeout_ms, &client->body_timeout_ms },
        { "nginx_http_send_timeout", s->send_timeout_ms, &client->send_timeout_ms },
        { "nginx_http_keepalive_timeout", s->keepalive_timeout_ms, &client->keepalive_timeout_ms },
        { "nginx_http_keepalive_requests", s->keepalive_requests,
          &client->keepalive_requests_count },
        { "nginx_http_client_max_body_size", s->client_max_body_size_bytes,
          &client->content_max_bytes },
        { "nginx_http_large_client_header_buffers", line, &client->limits.start_line_max_bytes },
        { "nginx_http_large_client_header_buffers", line, &client->limits.field_line_max_bytes },
        { "nginx_http_large_client_header_buffers",
          small + large * s->large_client_header_buffers_count, &client->limits.head_max_bytes },
        { "hopgate_tls_handshake_timeout", s->tls_handshake_timeout_ms,
          &client->tls_handshake_timeout_ms },
        { "hopgate_client_body_min_rate", s->client_body_min_rate_bytes,
          &client->body_min_rate_bytes_per_s },
        { "hopgate_client_body_min_rate_grace", s->client_body_min_rate_grace_ms,
          &client->body_min_rate_grace_ms },
        { "hopgate_client_max_fields", s->client_max_fields, &client->limits.fields_max_count },
        { "hopgate_upstream_max_fields", s->upstream_max_fields,
          &upstream->limits.fields_max_count },
        { "hopgate_upstream_max_head", s->upstream_max_head_bytes,
          &upstream->limits.start_line_max_bytes },
        { "hopgate_upstream_max_head", s->upstream_max_head_bytes,
          &upstream->limits.field_line_max_bytes },
        { "hopgate_upstream_max_head", s->upstream_max_head_bytes,
          &upstream->limits.head_max_bytes },
        { "upstream_keepalive_pool_size", s->upstream_keepalive_pool_size,
          &upstream->keepalive_pool_count },
        { "upstream_keepalive_max_requests", s->upstream_keepalive_max_requests,
          &upstream->keepalive_requests_count },
        { "upstream_keepalive_idle_timeout", s->upstream_keepalive_idle_timeout_ms,
          &upstream->keepalive_timeout_ms },
        { "hopgate_upstream_keepalive_max_age", s->upstream_keepalive_max_age_ms,
          &upstream->keepalive_age_ms },
        { "hopgate_upstream_keepalive_per_target", s->upstream_keepalive_per_target,
          &upstream->keepalive_per_target_count },
        { "nginx_http_proxy_next_upstream_tries", s->proxy_next_upstream_tries,
          &persona->retry.tries_max_count },
        { "nginx_http_proxy_next_upstream_timeout", s->proxy_next_upstream_timeout_ms,
          &persona->retry.timeout_ms },
        { "hopgate_retry_budget", s->retry_budget_percent, &persona->retry.budget_percent },
        { "hopgate_retry_budget_min", s->retry_budget_min_count, &persona->retry.budget_min_count },
        { "hopgate_request_timeout", s->request_timeout_ms, &upstream->request_timeout_ms },
    };

    apply(s, overlays, sizeof(overlays) / sizeof(overlays[0]));
}

/* The same for messages of either side. */
static void apply_message_limits(struct persona_limits *limits, const struct settings *s)
{
    const struct overlay overlays[] = {
        { "hopgate_max_chunk_extension", s->max_chunk_extension_bytes,
          &limits->chunk_extension_max_bytes },
        { "hopgate_max_chunk_extensions", s->max_chunk_extensions_bytes,
          &limits->chunk_extensions_max_bytes },
        { "hopgate_max_trailers", s->max_trailers_bytes, &limits->trailers_max_bytes },
        { "hopgate_max_trailer_fields", s->max_trailer_fields, &limits->trailers_max_count },
    };

    apply(s, overlays, sizeof(overlays) / sizeof(overlays[0]));
}

/* nginx's words for what becomes of content; a target's head must fit the first buffer. */
static void apply_content(struct persona *persona, const struct settings *s)
{
    struct persona_content *content = &persona->content;
    struct persona_limits *limits = &persona->upstream.limits;
    const struct overlay overlays[] = {
        { "nginx_http_client_body_buffer_size", s->client_body_buffer_size_bytes,
          &content->buffer_bytes },
        { "nginx_http_proxy_buffer_size", s->proxy_buffer_size_bytes,
          &content->response_buffer_bytes },
        { "nginx_http_proxy_buffer_size", s->proxy_buffer_size_bytes,
          &limits->start_line_max_bytes },
        { "nginx_http_proxy_buffer_size", s->proxy_buffer_size_bytes,
          &limits->field_line_max_bytes },
        { "nginx_http_proxy_buffer_size", s->proxy_buffer_size_bytes, &limits->head_max_bytes },
        { "nginx_http_proxy_buffers", s->proxy_buffers_count, &content->response_buffers_count },
        { "nginx_http_proxy_buffers", s->proxy_buffers_size_bytes,
          &content->response_buffers_bytes },
        { "nginx_http_proxy_max_temp_file_size", s->proxy_max_temp_file_size_bytes,
          &content->response_file_max_bytes },
    };

    apply(s, overlays, sizeof(overlays) / sizeof(overlays[0]));
    if (settings_is_set(s, "nginx_http_proxy_buffering"))
        content->response = s->proxy_buffering ? PERSONA_STORE : PERSONA_STREAM;
    if (settings_is_set(s, "nginx_http_proxy_request_buffering"))
        content->request = s->proxy_request_buffering ? PERSONA_STORE : PERSONA_STREAM;
}

static enum persona_sni sni_of(const char *word)
{
    return strcmp(word, "refuse") == 0 ? PERSONA_SNI_REFUSE : PERSONA_SNI_DEFAULT;
}

/* Both tables of words are the same; kong.conf's was checked when it was read. */
static int value_of(const struct persona_word *words, const char *text)
{
    while (words->text && strcmp(words->text, text) != 0)
        words++;
    return words->value;
}

static void apply_identity(struct persona *persona, const struct settings *settings)
{
    if (settings_is_set(settings, "hopgate_client_cert_fields"))
        persona->request.client_cert_fields = (enum persona_client_cert)value_of(
            persona_client_cert_words, settings->hopgate_client_cert_fields);
    if (settings_is_set(settings, "hopgate_trusted_client_cert_field"))
        persona->client.trusted_client_cert = (enum persona_trusted_cert)value_of(
            persona_trusted_cert_words, settings->hopgate_trusted_client_cert_field);
}

static void apply_tls(struct persona_client *client, const struct settings *settings)
{
    if (settings_is_set(settings, "hopgate_client_verify_refusal"))
        client->verify_refusal = strcmp(settings->hopgate_client_verify_refusal, "alert") == 0
                                     ? PERSONA_VERIFY_ALERT
                                     : PERSONA_VERIFY_PAGE;
    if (settings_is_set(settings, "hopgate_unknown_sni"))
        client->unknown_sni = sni_of(settings->hopgate_unknown_sni);
    if (settings_is_set(settings, "hopgate_missing_sni"))
        client->missing_sni = sni_of(settings->hopgate_missing_sni);
}

/* HAProxy's, before it connects again to the server that has just refused. */
enum { REDISPATCH_PAUSE_MS = 1000 };

static unsigned conditions_of(const struct config_strings *words)
{
    unsigned conditions = 0;

    for (size_t i = 0; i < words->count; i++)
        conditions |= (unsigned)value_of(persona_retry_words, words->items[i]);
    return conditions;
}

/* HAProxy's words go before nginx's: they are hopgate's own key. A persona that never tries again
 * does when it is told the conditions. */
static void apply_retry(struct persona_retry *retry, const struct settings *settings)
{
    const struct config_strings *words = NULL;

    if (settings_is_set(settings, "nginx_http_proxy_next_upstream"))
        words = &settings->proxy_next_upstream;
    if (settings_is_set(settings, "hopgate_retry_on"))
        words = &settings->hopgate_retry_on;
    if (words) {
        retry->conditions = conditions_of(words);
        if ((retry->policy == PERSONA_RETRY_NONE || retry->policy == PERSONA_RETRY_RESELECT) &&
            words->count > 0)
            retry->policy = PERSONA_RETRY_NEXT;
    }
    if (!settings_is_set(settings, "hopgate_redispatch"))
        return;
    retry->policy = settings->hopgate_redispatch ? PERSONA_RETRY_REDISPATCH : PERSONA_RETRY_SAME;
    if (retry->pause_ms == 0)
        retry->pause_ms = REDISPATCH_PAUSE_MS;
}

/* No memory: the persona's stays. */
static void apply_charset(struct persona *persona, const char *name)
{
    size_t size = strlen(name) + 1;
    char *copy = persona_allocate(persona, size);

    if (!copy)
        return;
    memcpy(copy, name, size);
    persona->response.charset = strcmp(name, "off") == 0 ? NULL : copy;
}

void persona_apply_settings(struct persona *persona, const struct settings *settings)
{
    apply_content(persona, settings); /* hopgate_upstream_max_head goes before its words */
    apply_numbers(persona, settings);
    apply_tls(&persona->client, settings);
    apply_identity(persona, settings);
    apply_retry(&persona->retry, settings);
    apply_message_limits(&persona->client.limits, settings);
    apply_message_limits(&persona->upstream.limits, settings);
    if (settings_is_set(settings, "headers"))
        persona_set_response_tokens(persona, (const char *const *)settings->headers.items,
                                    settings->headers.count);
    if (settings_is_set(settings, "headers_upstream"))
        persona_set_request_tokens(persona, (const char *const *)settings->headers_upstream.items,
                                   settings->headers_upstream.count);
    persona_switch_token(persona, "allow_debug_header", settings->allow_debug_header);
    persona_switch_token(persona, "request_debug", settings->request_debug);
    if (settings_is_set(settings, "nginx_http_charset"))
        apply_charset(persona, settings->charset);
    if (settings_is_set(settings, "hopgate_upstream_keepalive_of"))
        persona->upstream.keepalive_of =
            strcmp(settings->hopgate_upstream_keepalive_of, "target") == 0
                ? PERSONA_KEEPALIVE_TARGET
                : PERSONA_KEEPALIVE_ADDRESS;
    if (settings_is_set(settings, "hopgate_proxy_status"))
        persona->response.proxy_status = settings->hopgate_proxy_status
                                             ? PERSONA_PROXY_STATUS_DETAILS
                                             : PERSONA_PROXY_STATUS_OFF;
}
