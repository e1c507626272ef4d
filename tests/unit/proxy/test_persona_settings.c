/* persona_settings: what kong.conf says wins, what it does not say stays the persona's. */
#include "proxy/persona/persona_settings.h"
#include "tests/check.h"
#include "tests/unit/proxy/fixture.h"

/* The persona `name` with this kong.conf over it. */
static struct persona *with(const char *name, const char *conf)
{
    struct persona *persona = fixture_persona(name);
    struct settings *settings = NULL;
    struct config_errors errors;

    config_errors_init(&errors);
    CHECK_INT(settings_load_text(slice_of(conf), "kong.conf", NULL, &settings, &errors), 0);
    persona_apply_settings(persona, settings);
    settings_free(settings);
    config_errors_done(&errors);
    return persona;
}

TEST(an_empty_file_changes_nothing)
{
    struct persona *plain = fixture_persona("edge"), *set = with("edge", "");

    CHECK_INT(set->client.head_timeout_ms, plain->client.head_timeout_ms);
    CHECK_INT(set->client.keepalive_requests_count, plain->client.keepalive_requests_count);
    CHECK_INT(set->client.content_max_bytes, plain->client.content_max_bytes);
    CHECK_INT(set->client.limits.head_max_bytes, plain->client.limits.head_max_bytes);
    CHECK_INT(set->upstream.keepalive_pool_count, plain->upstream.keepalive_pool_count);
    CHECK_INT(set->response.proxy_status, plain->response.proxy_status);
    persona_free(plain);
    persona_free(set);
}

TEST(what_is_set_wins_also_with_the_value_of_kongs_default)
{
    struct persona *p = with("edge", "nginx_http_client_header_timeout = 7s\n"
                                     "nginx_http_client_body_timeout = 8s\n"
                                     "nginx_http_send_timeout = 9s\n"
                                     "nginx_http_keepalive_timeout = 10s\n"
                                     "nginx_http_keepalive_requests = 11\n"
                                     "nginx_http_client_max_body_size = 0\n"
                                     "nginx_proxy_client_body_buffer_size = 16k\n"
                                     "upstream_keepalive_pool_size = 12\n"
                                     "upstream_keepalive_max_requests = 13\n"
                                     "upstream_keepalive_idle_timeout = 14\n");

    CHECK_INT(p->client.head_timeout_ms, 7000);
    CHECK_INT(p->client.body_timeout_ms, 8000);
    CHECK_INT(p->client.send_timeout_ms, 9000);
    CHECK_INT(p->client.keepalive_timeout_ms, 10000);
    CHECK_INT(p->client.keepalive_requests_count, 11);
    CHECK_INT(p->client.content_max_bytes, 0);
    CHECK_INT(p->content.buffer_bytes, 16384);
    CHECK_INT(p->upstream.keepalive_pool_count, 12);
    CHECK_INT(p->upstream.keepalive_requests_count, 13);
    CHECK_INT(p->upstream.keepalive_timeout_ms, 14000);
    persona_free(p);
}

TEST(limits_of_our_own_reach_the_side_they_are_for)
{
    struct persona *p = with("kong", "hopgate_tls_handshake_timeout = 3s\n"
                                     "hopgate_client_body_min_rate = 1k\n"
                                     "hopgate_client_body_min_rate_grace = 4s\n"
                                     "hopgate_client_max_fields = 5\n"
                                     "hopgate_upstream_max_head = 6k\n"
                                     "hopgate_upstream_max_fields = 7\n"
                                     "hopgate_max_chunk_extension = 8\n"
                                     "hopgate_max_chunk_extensions = 9\n"
                                     "hopgate_max_trailers = 0\n"
                                     "hopgate_max_trailer_fields = 10\n");
    const struct persona_limits *sides[] = { &p->client.limits, &p->upstream.limits };

    CHECK_INT(p->client.tls_handshake_timeout_ms, 3000);
    CHECK_INT(p->client.body_min_rate_bytes_per_s, 1024);
    CHECK_INT(p->client.body_min_rate_grace_ms, 4000);
    CHECK_INT(p->client.limits.fields_max_count, 5);
    CHECK_INT(p->client.limits.head_max_bytes, 33792); /* the persona's */
    CHECK_INT(p->upstream.limits.head_max_bytes, 6 * 1024);
    CHECK_INT(p->upstream.limits.field_line_max_bytes, 6 * 1024);
    CHECK_INT(p->upstream.limits.fields_max_count, 7);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(sides[i]->chunk_extension_max_bytes, 8);
        CHECK_INT(sides[i]->chunk_extensions_max_bytes, 9);
        CHECK_INT(sides[i]->trailers_max_bytes, 0);
        CHECK_INT(sides[i]->trailers_max_count, 10);
    }
    persona_free(p);
}

TEST(header_buffers_bound_a_line_and_the_head)
{
    struct persona *p = with("kong", "nginx_http_large_client_header_buffers = 6 32k\n");

    CHECK_INT(p->client.limits.start_line_max_bytes, 32 * 1024);
    CHECK_INT(p->client.limits.field_line_max_bytes, 32 * 1024);
    CHECK_INT(p->client.limits.head_max_bytes, 1024 + 6 * 32 * 1024);
    persona_free(p);
    p = with("kong", "nginx_http_large_client_header_buffers = 1024 1m\n");
    CHECK_INT(p->client.limits.head_max_bytes,
              1024 + (1u << 30)); /* the most that may be written */
    persona_free(p);
}

static bool rule_is_off(const struct persona_rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->count; i++)
        if (slice_equal(rules->items[i].name, slice_of(name)))
            return rules->items[i].off;
    fail_msg("the persona has no rule for %s", name);
    return false;
}

TEST(headers_name_the_fields_that_are_sent)
{
    struct persona *p = with("kong", "headers = X-Kong-Upstream-Status, latency_tokens\n");

    CHECK(!rule_is_off(&p->response.fields, "X-Kong-Upstream-Status"));
    CHECK(!rule_is_off(&p->response.fields, "X-Kong-Proxy-Latency"));
    CHECK(rule_is_off(&p->response.fields, "Server"));
    persona_free(p);
    p = with("kong", "headers = off\n");
    CHECK(rule_is_off(&p->response.fields, "Via"));
    CHECK(rule_is_off(&p->response.fields, "X-Kong-Request-Id"));
    persona_free(p);
}

TEST(the_blame_line_has_a_switch)
{
    struct persona *p = with("edge", "hopgate_proxy_status = off\n");

    CHECK_INT(p->response.proxy_status, PERSONA_PROXY_STATUS_OFF);
    persona_free(p);
    p = with("kong", "hopgate_proxy_status = on\n");
    CHECK_INT(p->response.proxy_status, PERSONA_PROXY_STATUS_DETAILS);
    persona_free(p);
}

TEST(buffering_has_nginxs_words)
{
    struct persona *p = with("kong", "");

    CHECK_INT(p->content.request, PERSONA_STORE);
    CHECK_INT(p->content.response, PERSONA_STORE);
    CHECK_INT(p->content.response_buffer_bytes, 4096);
    CHECK_INT(p->content.response_buffers_count * p->content.response_buffers_bytes, 32768);
    CHECK_INT(p->content.response_file_max_bytes, 1 << 30);
    persona_free(p);
    p = with("kong", "nginx_proxy_proxy_buffering = off\n"
                     "nginx_http_proxy_request_buffering = off\n"
                     "nginx_http_proxy_buffer_size = 16k\n"
                     "nginx_http_proxy_buffers = 4 32k\n"
                     "nginx_http_proxy_max_temp_file_size = 0\n");
    CHECK_INT(p->content.request, PERSONA_STREAM);
    CHECK_INT(p->content.response, PERSONA_STREAM);
    CHECK_INT(p->content.response_buffer_bytes, 16384);
    CHECK_INT(p->upstream.limits.head_max_bytes, 16384);
    CHECK_INT(p->upstream.limits.field_line_max_bytes, 16384);
    CHECK_INT(p->content.response_buffers_count, 4);
    CHECK_INT(p->content.response_buffers_bytes, 32768);
    CHECK_INT(p->content.response_file_max_bytes, 0);
    persona_free(p);
    p = with("edge", "nginx_http_proxy_buffering = on\n"
                     "hopgate_upstream_max_head = 6k\n"
                     "nginx_http_proxy_buffer_size = 8k\n");
    CHECK_INT(p->content.request, PERSONA_STREAM);
    CHECK_INT(p->content.response, PERSONA_STORE);
    CHECK_INT(p->upstream.limits.head_max_bytes, 6 * 1024); /* the key that says only this */
    persona_free(p);
}

TESTS(TEST_CASE(buffering_has_nginxs_words), TEST_CASE(an_empty_file_changes_nothing),
      TEST_CASE(what_is_set_wins_also_with_the_value_of_kongs_default),
      TEST_CASE(limits_of_our_own_reach_the_side_they_are_for),
      TEST_CASE(header_buffers_bound_a_line_and_the_head),
      TEST_CASE(headers_name_the_fields_that_are_sent), TEST_CASE(the_blame_line_has_a_switch))
