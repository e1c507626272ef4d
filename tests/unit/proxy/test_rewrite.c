/*
 * test_rewrite: what a persona's rules touch comes out as its product does it; everything else comes
 * out as it came in.
 */
#include "proxy/rewrite/rewrite.h"

#include "proxy/route/real_ip.h"
#include "tests/unit/proxy/fixture.h"

static const struct rewrite_framing no_content = { .framing = HTTP_FRAMING_NONE,
                                                   .keep_alive = true };

static const char *request_out(struct exchange_fixture *x, struct rewrite_framing framing)
{
    struct fields out;

    fields_init(&out, &x->arena);
    CHECK_INT(rewrite_request(&x->record, &framing, &out), 0);
    return fixture_lines(&out, &x->arena);
}

static void check_request(const char *persona, const char *in, struct rewrite_framing framing,
                          const char *want)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, persona, in);
    CHECK_STR(request_out(&x, framing), want);
    exchange_fixture_done(&x);
}

/* ---- requests, kong ---- */

TEST(kong_puts_its_own_fields_first_in_its_order)
{
    check_request("kong", "Host: API.example:8000|x-lower: 1|User-Agent: curl|X-A: 1|X-A: 2",
                  no_content,
                  "Via: 1.1 kong/3.9.3|Host: up.example|Connection: keep-alive|"
                  "X-Forwarded-For: 10.0.0.5|X-Forwarded-Proto: http|"
                  "X-Forwarded-Host: api.example|X-Forwarded-Port: 8000|X-Forwarded-Path: /a|"
                  "X-Real-IP: 10.0.0.5|X-Kong-Request-Id: 0123456789abcdef0123456789abcdef|"
                  "x-lower: 1|User-Agent: curl|X-A: 1|X-A: 2");
}

/* One line of Kong's table of trusted_ips examples: X-Real-IP, X-Forwarded-For, then the family. */
struct forwarded_case {
    const char *trusted, *header;
    bool recursive;
    const char *in;
    const char *real_ip, *xff, *proto, *host, *port, *path, *prefix;
};

static void check_field(const struct fields *fields, const char *name, const char *want)
{
    const struct field *field = fields_find_name(fields, slice_of(name));

    if (!want) {
        CHECK(field == NULL);
        return;
    }
    assert_non_null(field);
    CHECK_SLICE(field->value, want);
}

static void check_forwarded(const struct forwarded_case *c)
{
    struct addr_cidrs trusted = { 0 };
    struct real_ip_settings settings = { slice_of(c->header), c->recursive, &trusted };
    struct exchange_fixture x;
    struct real_ip client;
    struct fields out;

    exchange_fixture_init(&x, "kong", c->in);
    if (c->trusted)
        CHECK_INT(addr_cidrs_add(&trusted, slice_of(c->trusted)), 0);
    CHECK_INT(
        real_ip_resolve(&settings, &x.record.client_peer, &x.request.fields, &x.arena, &client), 0);
    x.record.client_ip = client.text;
    x.record.client_is_trusted = client.peer_is_trusted;
    fields_init(&out, &x.arena);
    CHECK_INT(rewrite_request(&x.record, &no_content, &out), 0);
    check_field(&out, "X-Real-IP", c->real_ip);
    check_field(&out, "X-Forwarded-For", c->xff);
    check_field(&out, "X-Forwarded-Proto", c->proto);
    check_field(&out, "X-Forwarded-Host", c->host);
    check_field(&out, "X-Forwarded-Port", c->port);
    check_field(&out, "X-Forwarded-Path", c->path);
    check_field(&out, "X-Forwarded-Prefix", c->prefix);
    addr_cidrs_done(&trusted);
    exchange_fixture_done(&x);
}

#define OWN "http", "api.example", "8000", "/a", NULL
#define IN  "Host: API.example:8000"

TEST(kong_forwards_the_client_as_in_its_ten_worked_examples)
{
    static const char all_forwarded[] =
        IN "|X-Forwarded-For: 203.0.113.9|X-Forwarded-Proto: https|X-Forwarded-Host: x|"
           "X-Forwarded-Port: 443";
    static const struct forwarded_case cases[] = {
        { NULL, "X-Real-IP", false, IN, "10.0.0.5", "10.0.0.5", OWN },
        { NULL, "X-Real-IP", false, all_forwarded, "10.0.0.5", "203.0.113.9, 10.0.0.5", OWN },
        { NULL, "X-Real-IP", false, IN "|X-Real-IP: 203.0.113.9", "10.0.0.5", "10.0.0.5", OWN },
        { "10.0.0.0/8", "X-Real-IP", false, IN, "10.0.0.5", "10.0.0.5", OWN },
        { "10.0.0.0/8", "X-Real-IP", false,
          IN "|X-Forwarded-For: 203.0.113.9|X-Forwarded-Proto: https|X-Forwarded-Host: x|"
             "X-Forwarded-Port: 443|X-Forwarded-Path: /p|X-Forwarded-Prefix: /q",
          "10.0.0.5", "203.0.113.9, 10.0.0.5", "https", "x", "443", "/p", "/q" },
        { "10.0.0.0/8", "X-Real-IP", false, IN "|X-Real-IP: 203.0.113.9", "203.0.113.9",
          "203.0.113.9", OWN },
        { "10.0.0.0/8", "X-Real-IP", false,
          IN "|X-Real-IP: 203.0.113.9|X-Forwarded-For: 203.0.113.9", "203.0.113.9",
          "203.0.113.9, 10.0.0.5", OWN },
        { "10.0.0.0/8", "X-Forwarded-For", false, IN "|X-Forwarded-For: 198.51.100.7, 203.0.113.9",
          "203.0.113.9", "198.51.100.7, 203.0.113.9, 10.0.0.5", OWN },
        { "10.0.0.0/8", "X-Forwarded-For", true,
          IN "|X-Forwarded-For: 198.51.100.7, 203.0.113.9, 10.1.1.1", "203.0.113.9",
          "198.51.100.7, 203.0.113.9, 10.1.1.1, 10.0.0.5", OWN },
        { "10.0.0.0/8", "X-Forwarded-For", true, IN "|X-Forwarded-For: 10.2.2.2, 10.1.1.1",
          "10.2.2.2", "10.2.2.2, 10.1.1.1, 10.0.0.5", OWN },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        check_forwarded(&cases[i]);
}

TEST(kong_keeps_only_the_first_line_of_x_forwarded_for)
{
    check_forwarded(&(struct forwarded_case){
        NULL, "X-Real-IP", false, IN "|X-Forwarded-For: 1.1.1.1|X-Forwarded-For: 2.2.2.2",
        "10.0.0.5", "1.1.1.1, 10.0.0.5", OWN });
}

TEST(kong_names_the_stripped_prefix)
{
    struct exchange_fixture x;
    struct fields out;

    exchange_fixture_init(&x, "kong", IN "|X-Forwarded-Prefix: /forged");
    x.record.matched_prefix = SLICE("/api");
    fields_init(&out, &x.arena);
    CHECK_INT(rewrite_request(&x.record, &no_content, &out), 0);
    check_field(&out, "X-Forwarded-Prefix", "/api");
    exchange_fixture_done(&x);
}

/* Wherever a fact comes from: the writer refuses such a field, and the request would end with 500. */
TEST(no_fact_brings_a_control_byte_into_a_field)
{
    static const char prefix[] = "/a\r\nX: y\0\x7f";
    struct exchange_fixture x;
    struct fields out;

    exchange_fixture_init(&x, "kong", IN);
    x.record.matched_prefix = (struct slice){ prefix, sizeof(prefix) - 1 };
    fields_init(&out, &x.arena);
    CHECK_INT(rewrite_request(&x.record, &no_content, &out), 0);
    check_field(&out, "X-Forwarded-Prefix", "/a  X: y  ");
    exchange_fixture_done(&x);
}

TEST(kong_appends_to_via_and_writes_versions_as_lua_numbers)
{
    struct exchange_fixture x;
    struct fields out;

    exchange_fixture_init(&x, "kong", IN "|Via: 1.1 cdn");
    x.request.version_minor = 0;
    fields_init(&out, &x.arena);
    CHECK_INT(rewrite_request(&x.record, &no_content, &out), 0);
    check_field(&out, "Via", "1.1 cdn, 1 kong/3.9.3");
    exchange_fixture_done(&x);
}

TEST(kong_removes_expect_proxy_and_what_connection_lists)
{
    struct exchange_fixture x;
    struct fields out;

    exchange_fixture_init(&x, "kong",
                          IN "|Connection: X-Hop, close, TE|X-Hop: 1|Keep-Alive: timeout=5|"
                             "Expect: 100-continue|Proxy: x|Proxy-Connection: y|TE: gzip|"
                             "Upgrade: h2c|Accept: */*");
    fields_init(&out, &x.arena);
    CHECK_INT(rewrite_request(&x.record, &no_content, &out), 0);
    check_field(&out, "Connection", "keep-alive");
    check_field(&out, "X-Hop", NULL);
    check_field(&out, "Keep-Alive", NULL);
    check_field(&out, "Expect", NULL);
    check_field(&out, "Proxy", NULL);
    check_field(&out, "Proxy-Connection", NULL);
    check_field(&out, "TE", NULL);
    check_field(&out, "Upgrade", NULL);
    check_field(&out, "Accept", "*/*");
    exchange_fixture_done(&x);
}

TEST(te_passes_only_as_trailers)
{
    check_request("edge", "Host: h|TE: trailers;q=0.5, gzip, trailers", no_content,
                  "Host: up.example|TE: trailers|Connection: TE|X-Forwarded-For: 10.0.0.5|"
                  "X-Forwarded-Proto: http|X-Forwarded-Host: h|X-Forwarded-Port: 8000|"
                  "X-Real-IP: 10.0.0.5|Via: 1.1 hop1");
}

/* ---- requests, whatever the persona ---- */

TEST(host_framing_and_own_fields_cannot_be_stripped_by_listing_them)
{
    struct exchange_fixture x;
    struct fields out;
    struct rewrite_framing framing = { .framing = HTTP_FRAMING_LENGTH, .content_length = 3 };

    exchange_fixture_init(&x, "kong",
                          IN "|Connection: Host, Content-Length, X-Forwarded-For, X-Real-IP|"
                             "Content-Length: 3|X-Forwarded-For: 203.0.113.9");
    fields_init(&out, &x.arena);
    CHECK_INT(rewrite_request(&x.record, &framing, &out), 0);
    check_field(&out, "Host", "up.example");
    check_field(&out, "Content-Length", "3");
    check_field(&out, "X-Forwarded-For", "203.0.113.9, 10.0.0.5");
    check_field(&out, "X-Real-IP", "10.0.0.5");
    exchange_fixture_done(&x);
}

TEST(framing_is_the_exchange_s_and_stands_where_the_message_had_it)
{
    static const char in[] = "Host: h|Transfer-Encoding: chunked|Content-Length: 9|X-A: 1";
    static const char tail[] = "|X-A: 1|X-Forwarded-For: 10.0.0.5";
    struct rewrite_framing length = { .framing = HTTP_FRAMING_LENGTH, .content_length = 12 };
    struct rewrite_framing chunked = { .framing = HTTP_FRAMING_CHUNKED };
    char want[200];

    snprintf(want, sizeof(want), "Host: up.example|Content-Length: 12%s", tail);
    check_request("f5", in, length, want);
    snprintf(want, sizeof(want), "Host: up.example|Transfer-Encoding: chunked%s", tail);
    check_request("f5", in, chunked, want);
    snprintf(want, sizeof(want), "Host: up.example%s", tail);
    check_request("f5", in, no_content, want);
    check_request("f5", "Host: h|X-A: 1", length,
                  "Host: up.example|X-A: 1|X-Forwarded-For: 10.0.0.5|Content-Length: 12");
    check_request("f5", "host: up.example|content-length: 12", length,
                  "host: up.example|content-length: 12|X-Forwarded-For: 10.0.0.5");
    check_request("f5", "Host: h|transfer-encoding: Chunked", chunked,
                  "Host: up.example|transfer-encoding: chunked|X-Forwarded-For: 10.0.0.5");
}

TEST(f5_adds_one_line_and_removes_only_claims_about_a_certificate)
{
    check_request("f5",
                  "host: up.example|X-Forwarded-For: 1.1.1.1|x_under: 1|Cookie: a|Cookie: b|"
                  "X-SSL-Client-Cert: forged|Via: 1.0 x",
                  no_content,
                  "host: up.example|X-Forwarded-For: 1.1.1.1|x_under: 1|Cookie: a|Cookie: b|"
                  "Via: 1.0 x|X-Forwarded-For: 10.0.0.5");
}

/* ---- requests, edge ---- */

TEST(edge_believes_no_forwarded_field_and_no_identity_of_a_stranger)
{
    check_request("edge",
                  "Host: h.example:8443|X-Forwarded-For: 1.1.1.1|X-Forwarded-For: 2.2.2.2|"
                  "Forwarded: for=1.1.1.1|X-Forwarded-Proto: https|X-Forwarded-Host: evil|"
                  "X-Forwarded-Port: 1|X-Forwarded-Path: /p|X-Forwarded-Prefix: /q|"
                  "X-Real-IP: 1.1.1.1|Client-Cert: :x:|Client-Cert-Chain: :x:|X-SSL-Client-Cert: c|"
                  "X-Client-Cert: c|X-Forwarded-Client-Cert: c|X-Consumer-ID: c|"
                  "X-Consumer-Username: c|X-Credential-Identifier: c|X-Anonymous-Consumer: true|"
                  "X_SSL_Client_Cert: c|x_consumer_id: c|X_Forwarded_For: 9.9.9.9|Proxy: p|"
                  "Accept: */*",
                  no_content,
                  "Host: up.example|X-Forwarded-For: 10.0.0.5|X-Forwarded-Proto: http|"
                  "X-Forwarded-Host: h.example:8443|X-Forwarded-Port: 8000|"
                  "X-Real-IP: 10.0.0.5|Accept: */*|Via: 1.1 hop1");
}

TEST(edge_continues_the_chain_of_a_trusted_peer_but_never_its_identity)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "edge",
                          "Host: h|X-Forwarded-For: 1.1.1.1|X-Forwarded-For: 2.2.2.2|"
                          "X-Forwarded-Proto: https|Forwarded: for=1.1.1.1|X-SSL-Client-Cert: c");
    x.record.client_is_trusted = true;
    x.record.client_ip = SLICE("2.2.2.2");
    CHECK_STR(request_out(&x, no_content),
              "Host: up.example|X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.5|"
              "X-Forwarded-Proto: https|Forwarded: for=1.1.1.1|X-Forwarded-Host: h|"
              "X-Forwarded-Port: 8000|X-Real-IP: 2.2.2.2|Via: 1.1 hop1");
    exchange_fixture_done(&x);
}

TEST(underscored_identity_goes_even_where_underscores_stay)
{
    check_request("{\"extends\": \"edge\", \"request\": {\"underscores\": \"keep\","
                  " \"fields\": []}}",
                  "X_SSL_Client_Cert: c|x_consumer_id: c|X_Mine: 1", no_content, "X_Mine: 1");
}

/* ---- responses ---- */

static const char *response_out(struct exchange_fixture *x, unsigned status, const char *lines,
                                struct rewrite_framing framing)
{
    struct http_head head = { .status = (uint16_t)status, .version_major = 1, .version_minor = 1 };
    struct fields out;

    fixture_fields(&head.fields, &x->arena, lines);
    fields_init(&out, &x->arena);
    CHECK_INT(rewrite_response(&x->record, &head, &framing, &out), 0);
    return fixture_lines(&out, &x->arena);
}

static void answered(struct exchange_fixture *x)
{
    struct try_record *try = exchange_fixture_try(x, END_OK);

    try->status = 200;
    x->record.from_upstream = true;
    x->record.response_head_at_us = 1029999; /* 24.999 ms after the pick */
}

TEST(kong_shows_latencies_via_and_the_server_behind_it)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", IN);
    answered(&x);
    CHECK_STR(response_out(&x, 200,
                           "Server: origin|date: D|X-A: 1|content-type: text/plain|"
                           "Connection: X-Hop|X-Hop: 1|Keep-Alive: 5|Via: 1.1 cache|"
                           "X-Accel-Redirect: /x|X-A: 2|content-length: 5",
                           (struct rewrite_framing){ HTTP_FRAMING_LENGTH, 5, true }),
              "Content-Type: text/plain; charset=UTF-8|Content-Length: 5|Connection: "
              "keep-alive|Server: origin|"
              "date: D|X-A: 1|Via: 1.1 cache, 1.1 kong/3.9.3|X-A: 2|X-Kong-Upstream-Latency: 24|"
              "X-Kong-Proxy-Latency: 5|X-Kong-Request-Id: 0123456789abcdef0123456789abcdef");
    exchange_fixture_done(&x);
}

TEST(kong_names_itself_and_the_date_where_the_server_does_not)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", IN);
    answered(&x);
    CHECK_STR(response_out(&x, 200, "Content-Type: a/b",
                           (struct rewrite_framing){ HTTP_FRAMING_CHUNKED, 0, false }),
              "Date: Fri, 20 Nov 2026 21:15:07 GMT|Content-Type: a/b|Transfer-Encoding: chunked|"
              "Connection: close|X-Kong-Upstream-Latency: 24|X-Kong-Proxy-Latency: 5|"
              "Via: 1.1 kong/3.9.3|Server: kong/3.9.3|"
              "X-Kong-Request-Id: 0123456789abcdef0123456789abcdef");
    exchange_fixture_done(&x);
}

TEST(kong_s_headers_setting_takes_its_own_fields_away)
{
    const char *status_only[] = { "X-Kong-Upstream-Status" };
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", IN);
    answered(&x);
    persona_set_response_tokens(x.persona, status_only, 1);
    persona_set_request_tokens(x.persona, NULL, 0);
    CHECK_STR(response_out(&x, 200, "Date: D|Content-Length: 1",
                           (struct rewrite_framing){ HTTP_FRAMING_LENGTH, 1, true }),
              "Content-Length: 1|Connection: keep-alive|Date: D|X-Kong-Upstream-Status: 200");
    CHECK(strstr(request_out(&x, no_content), "X-Kong-Request-Id") == NULL);
    exchange_fixture_done(&x);
}

TEST(edge_and_f5_leave_a_response_alone)
{
    static const char in[] = "server: s|Date: D|X-A: 1|Set-Cookie: a|Set-Cookie: b|"
                             "content-length: 5|Via: 1.1 x|x_y: 2";
    struct rewrite_framing framing = { HTTP_FRAMING_LENGTH, 5, true };
    struct exchange_fixture x;

    exchange_fixture_init(&x, "edge", "Host: h");
    answered(&x);
    CHECK_STR(response_out(&x, 200, in, framing), in);
    exchange_fixture_done(&x);
    exchange_fixture_init(&x, "f5", "Host: h");
    answered(&x);
    CHECK_STR(response_out(&x, 200, in, framing), in);
    exchange_fixture_done(&x);
}

TEST(connection_says_only_what_the_version_does_not)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "edge", "Host: h");
    answered(&x);
    CHECK_STR(
        response_out(&x, 200, "Date: D", (struct rewrite_framing){ HTTP_FRAMING_CLOSE, 0, false }),
        "Date: D|Connection: close");
    x.request.version_minor = 0;
    CHECK_STR(
        response_out(&x, 200, "Date: D", (struct rewrite_framing){ HTTP_FRAMING_CLOSE, 0, false }),
        "Date: D");
    CHECK_STR(
        response_out(&x, 200, "Date: D", (struct rewrite_framing){ HTTP_FRAMING_NONE, 0, true }),
        "Date: D|Connection: keep-alive");
    exchange_fixture_done(&x);
}

TEST(head_and_304_keep_their_length_and_204_has_none)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "edge", "Host: h");
    answered(&x);
    CHECK_STR(response_out(&x, 304, "Date: D|Content-Length: 50|ETag: e", no_content),
              "Date: D|Content-Length: 50|ETag: e");
    CHECK_STR(response_out(&x, 204, "Date: D|Content-Length: 0", no_content), "Date: D");
    x.request.method = HTTP_METHOD_HEAD;
    CHECK_STR(
        response_out(&x, 200, "Date: D|content-length: 7|Transfer-Encoding: chunked", no_content),
        "Date: D|content-length: 7");
    exchange_fixture_done(&x);
}

TEST(interim_responses_lose_what_is_hop_by_hop_and_gain_nothing)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", IN);
    answered(&x);
    CHECK_STR(response_out(&x, 103, "Link: </a>|Connection: x|X: 1|Content-Length: 4", no_content),
              "Link: </a>");
    exchange_fixture_done(&x);
}

TEST(trailer_passes_only_to_a_client_that_asked)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "edge", "Host: h");
    answered(&x);
    CHECK_STR(response_out(&x, 200, "Date: D|Trailer: X-T", no_content), "Date: D");
    exchange_fixture_done(&x);
    exchange_fixture_init(&x, "edge", "Host: h|TE: trailers");
    answered(&x);
    CHECK_STR(response_out(&x, 200, "Date: D|Trailer: X-T", no_content), "Date: D|Trailer: X-T");
    exchange_fixture_done(&x);
}

/* ---- answers made here ---- */

static const char *page_out(struct exchange_fixture *x, enum end_reason reason, bool keep_alive)
{
    struct error_page page;
    struct rewrite_framing framing = { HTTP_FRAMING_LENGTH, 0, keep_alive };
    struct fields out;

    x->record.reason = reason;
    x->record.response_head_at_us = 1030000;
    CHECK_INT(error_page_make(&x->record, &x->arena, &page), 0);
    CHECK_INT(page.answer.action, PERSONA_PAGE);
    framing.content_length = page.content.len;
    fields_init(&out, &x->arena);
    CHECK_INT(rewrite_error_page(&x->record, &page, &framing, &out), 0);
    return fixture_lines(&out, &x->arena);
}

TEST(kong_s_own_404_has_the_fields_of_its_first_family)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", IN);
    CHECK_STR(page_out(&x, END_NO_ROUTE, true),
              "Date: Fri, 20 Nov 2026 21:15:07 GMT|Content-Type: application/json; charset=utf-8|"
              "Connection: keep-alive|Content-Length: 103|X-Kong-Response-Latency: 30|"
              "Server: kong/3.9.3|X-Kong-Request-Id: 0123456789abcdef0123456789abcdef");
    exchange_fixture_done(&x);
}

TEST(kong_s_502_has_the_fields_of_a_proxied_answer)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", IN);
    exchange_fixture_try(&x, END_CONNECT_REFUSED);
    CHECK_STR(page_out(&x, END_CONNECT_REFUSED, true),
              "Date: Fri, 20 Nov 2026 21:15:07 GMT|Content-Type: text/plain; charset=utf-8|"
              "Connection: keep-alive|Content-Length: 103|X-Kong-Upstream-Latency: 25|"
              "X-Kong-Proxy-Latency: 5|Via: 1.1 kong/3.9.3|Server: kong/3.9.3|"
              "X-Kong-Request-Id: 0123456789abcdef0123456789abcdef");
    exchange_fixture_done(&x);
}

TEST(upgrade_required_is_listed_in_connection)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", IN);
    CHECK(strstr(page_out(&x, END_HTTPS_REQUIRED, true), "|Connection: Upgrade|") != NULL);
    CHECK(strstr(page_out(&x, END_HTTPS_REQUIRED, true), "keep-alive") == NULL);
    CHECK(strstr(page_out(&x, END_HTTPS_REQUIRED, false),
                 "|Connection: close|Connection: Upgrade|") != NULL);
    CHECK(strstr(page_out(&x, END_HTTPS_REQUIRED, true), "|Upgrade: TLS/1.2, HTTP/1.1") != NULL);
    exchange_fixture_done(&x);
}

TEST(edge_names_itself_and_the_error_type)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "edge", "Host: h");
    exchange_fixture_try(&x, END_CONNECT_REFUSED);
    x.record.reason_detail = SLICE("111: Connection \"refused\"");
    CHECK_STR(page_out(&x, END_CONNECT_REFUSED, true),
              "Date: Fri, 20 Nov 2026 21:15:07 GMT|Content-Type: text/plain; charset=utf-8|"
              "Content-Length: 116|Proxy-Status: hop1; error=connection_refused|"
              "Cache-Control: no-store");
    x.record.client_is_trusted = true;
    CHECK(strstr(page_out(&x, END_CONNECT_REFUSED, true),
                 "Proxy-Status: hop1; error=connection_refused; details=\"connect() failed "
                 "(111: Connection \\\"refused\\\") while connecting to upstream\"") != NULL);
    CHECK(strstr(page_out(&x, END_CLIENT_METHOD_REFUSED, true),
                 "|Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS") != NULL);
    exchange_fixture_done(&x);
}

TESTS(TEST_CASE(kong_puts_its_own_fields_first_in_its_order),
      TEST_CASE(kong_forwards_the_client_as_in_its_ten_worked_examples),
      TEST_CASE(kong_keeps_only_the_first_line_of_x_forwarded_for),
      TEST_CASE(kong_names_the_stripped_prefix),
      TEST_CASE(no_fact_brings_a_control_byte_into_a_field),
      TEST_CASE(kong_appends_to_via_and_writes_versions_as_lua_numbers),
      TEST_CASE(kong_removes_expect_proxy_and_what_connection_lists),
      TEST_CASE(te_passes_only_as_trailers),
      TEST_CASE(host_framing_and_own_fields_cannot_be_stripped_by_listing_them),
      TEST_CASE(framing_is_the_exchange_s_and_stands_where_the_message_had_it),
      TEST_CASE(f5_adds_one_line_and_removes_only_claims_about_a_certificate),
      TEST_CASE(edge_believes_no_forwarded_field_and_no_identity_of_a_stranger),
      TEST_CASE(edge_continues_the_chain_of_a_trusted_peer_but_never_its_identity),
      TEST_CASE(underscored_identity_goes_even_where_underscores_stay),
      TEST_CASE(kong_shows_latencies_via_and_the_server_behind_it),
      TEST_CASE(kong_names_itself_and_the_date_where_the_server_does_not),
      TEST_CASE(kong_s_headers_setting_takes_its_own_fields_away),
      TEST_CASE(edge_and_f5_leave_a_response_alone),
      TEST_CASE(connection_says_only_what_the_version_does_not),
      TEST_CASE(head_and_304_keep_their_length_and_204_has_none),
      TEST_CASE(interim_responses_lose_what_is_hop_by_hop_and_gain_nothing),
      TEST_CASE(trailer_passes_only_to_a_client_that_asked),
      TEST_CASE(kong_s_own_404_has_the_fields_of_its_first_family),
      TEST_CASE(kong_s_502_has_the_fields_of_a_proxied_answer),
      TEST_CASE(upgrade_required_is_listed_in_connection),
      TEST_CASE(edge_names_itself_and_the_error_type))
