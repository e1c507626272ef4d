#include "proxy/persona_settings.h"

/* A number of kong.conf and where the persona keeps it. */
struct overlay {
    const char *key;
    uint64_t value;
    uint64_t *into;
};

static void apply_numbers(struct persona *persona, const struct settings *s)
{
    struct persona_client *client = &persona->client;
    struct persona_upstream *upstream = &persona->upstream;
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
        { "nginx_http_large_client_header_buffers", s->large_client_header_buffers_size_bytes,
          &client->start_line_max_bytes },
        { "nginx_http_large_client_header_buffers", s->large_client_header_buffers_size_bytes,
          &client->field_line_max_bytes },
        { "nginx_http_large_client_header_buffers",
          s->large_client_header_buffers_size_bytes * s->large_client_header_buffers_count,
          &client->head_max_bytes },
        { "upstream_keepalive_pool_size", s->upstream_keepalive_pool_size,
          &upstream->keepalive_pool_count },
        { "upstream_keepalive_max_requests", s->upstream_keepalive_max_requests,
          &upstream->keepalive_requests_count },
        { "upstream_keepalive_idle_timeout", s->upstream_keepalive_idle_timeout_ms,
          &upstream->keepalive_timeout_ms },
    };

    for (size_t i = 0; i < sizeof(overlays) / sizeof(overlays[0]); i++)
        if (settings_is_set(s, overlays[i].key))
            *overlays[i].into = overlays[i].value;
}

void persona_apply_settings(struct persona *persona, const struct settings *settings)
{
    apply_numbers(persona, settings);
    if (settings_is_set(settings, "headers"))
        persona_set_response_tokens(persona, (const char *const *)settings->headers.items,
                                    settings->headers.count);
    if (settings_is_set(settings, "headers_upstream"))
        persona_set_request_tokens(persona, (const char *const *)settings->headers_upstream.items,
                                   settings->headers_upstream.count);
    if (settings_is_set(settings, "hopgate_proxy_status"))
        persona->response.proxy_status = settings->hopgate_proxy_status
                                             ? PERSONA_PROXY_STATUS_DETAILS
                                             : PERSONA_PROXY_STATUS_OFF;
}
