/*
 * test_error_page: the exact bytes of the pages, and which request gets which of them.
 */
#include "proxy/report/error_page.h"

#include "tests/unit/proxy/fixture.h"

#define ID "0123456789abcdef0123456789abcdef"

static const char json_type[] = "application/json; charset=utf-8";
static const char plain_type[] = "text/plain; charset=utf-8";
static const char html_type[] = "text/html; charset=utf-8";
static const char xml_type[] = "application/xml; charset=utf-8";

static struct error_page make(struct exchange_fixture *x, enum end_reason reason)
{
    struct error_page page;

    x->record.reason = reason;
    CHECK_INT(error_page_make(&x->record, &x->arena, &page), 0);
    return page;
}

static void check_page(const char *persona, const char *request, enum end_reason reason,
                       const char *type, const char *content)
{
    struct exchange_fixture x;
    struct error_page page;

    exchange_fixture_init(&x, persona, request);
    if (end_reason_info(reason)->hop == END_HOP_UPSTREAM)
        exchange_fixture_try(&x, reason);
    page = make(&x, reason);
    CHECK_INT(page.answer.action, PERSONA_PAGE);
    CHECK_SLICE(page.content_type, type);
    if (content)
        CHECK_SLICE(page.content, content);
    exchange_fixture_done(&x);
}

TEST(kong_s_four_templates)
{
    check_page("kong", "Accept: application/json", END_NO_ROUTE, json_type,
               "{\n  \"message\":\"no Route matched with those values\",\n"
               "  \"request_id\":\"" ID "\"\n}");
    check_page("kong", "Accept: text/plain", END_NO_ROUTE, plain_type,
               "no Route matched with those values\nrequest_id: " ID "\n");
    check_page("kong", "Accept: text/html", END_NO_ROUTE, html_type,
               "<!doctype html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n"
               "    <title>Error</title>\n  </head>\n  <body>\n    <h1>Error</h1>\n"
               "    <p>no Route matched with those values.</p>\n"
               "    <p>request_id: " ID "</p>\n  </body>\n</html>\n");
    check_page("kong", "Accept: application/xml", END_NO_ROUTE, xml_type,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n"
               "  <message>no Route matched with those values</message>\n"
               "  <requestid>" ID "</requestid>\n</error>\n");
}

TEST(kong_negotiates_by_the_highest_q)
{
    static const struct {
        const char *accept, *type;
    } cases[] = {
        { "Accept: */*", json_type },
        { "Accept: application/*", json_type },
        { "Accept: text/*", plain_type },
        { "Accept: image/png", json_type },
        { "Accept: image/png, text/html;q=0.9", json_type },
        { "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", html_type },
        { "Accept: text/plain;q=0.5, application/xml;q=0.7", xml_type },
        { "Accept: text/plain;q=0, text/html;q=0.001", html_type },
        { "Accept: text/plain;q=0", json_type },
        { "Accept: text/html;level=1;q=0.3, text/plain;q=0.2", html_type },
        { "Accept: text/html;q=junk, text/plain;q=0.9", html_type },
        { "Accept: ,;q=1,, text/html", html_type },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        check_page("kong", cases[i].accept, END_CONNECT_REFUSED, cases[i].type, NULL);
}

TEST(without_accept_kong_s_two_families_differ)
{
    check_page("kong", "Host: h", END_NO_ROUTE, json_type, NULL);
    check_page("kong", "Host: h", END_CONNECT_REFUSED, plain_type,
               "An invalid response was received from the upstream server\nrequest_id: " ID "\n");
    check_page("kong", "Content-Type: text/html; charset=x", END_NO_ROUTE, json_type, NULL);
    check_page("kong", "Accept: text/plain;q=0.8|Accept: text/html", END_NO_ROUTE, html_type, NULL);
    check_page("kong", "Accept: text/plain;q=0.8|Accept: text/html", END_CONNECT_REFUSED,
               plain_type, NULL);
    check_page("kong", "Content-Type: text/html; charset=x", END_CONNECT_REFUSED, html_type, NULL);
    check_page("kong", "Content-Type: application/x-www-form-urlencoded", END_CONNECT_REFUSED,
               json_type, NULL);
}

/* A line of the status table: what the client sees for an end. */
static void check_kong(enum end_reason reason, bool proxied, unsigned status,
                       const char *reason_phrase, const char *message)
{
    struct exchange_fixture x;
    struct error_page page;
    char want[256];

    exchange_fixture_init(&x, "kong", "Accept: text/plain");
    x.record.was_proxied = proxied;
    page = make(&x, reason);
    snprintf(want, sizeof(want), "%s\nrequest_id: " ID "\n", message);
    CHECK_INT(page.answer.status, status);
    CHECK_STR(page.answer.reason_phrase, reason_phrase);
    CHECK_SLICE(page.content, want);
    exchange_fixture_done(&x);
}

TEST(kong_s_status_table)
{
    check_kong(END_CLIENT_REQUEST_INVALID, false, 400, "Bad Request", "Bad request");
    check_kong(END_CLIENT_HEAD_TOO_BIG, false, 400, "Bad Request",
               "Request header or cookie too large");
    check_kong(END_NO_ROUTE, false, 404, "Not Found", "no Route matched with those values");
    check_kong(END_CLIENT_METHOD_REFUSED, false, 405, "Not Allowed", "Method not allowed");
    check_kong(END_CLIENT_BODY_TOO_BIG, false, 413, "Request Entity Too Large",
               "Payload too large");
    check_kong(END_CLIENT_URI_TOO_LONG, false, 414, "Request-URI Too Large", "URI too long");
    check_kong(END_INTERNAL, false, 500, "Internal Server Error", "An unexpected error occurred");
    check_kong(END_UPSTREAM_HEAD_INVALID, true, 502, "Bad Gateway",
               "An invalid response was received from the upstream server");
    check_kong(END_NO_SERVICE, false, 503, "Service Temporarily Unavailable",
               "no Service found with those values");
    check_kong(END_NO_TARGET, false, 503, "Service Temporarily Unavailable",
               "failure to get a peer from the ring-balancer");
    check_kong(END_NO_TARGET, true, 503, "Service Temporarily Unavailable",
               "The upstream server is currently unavailable");
    check_kong(END_UPSTREAM_RESOLVE_FAILED, false, 503, "Service Temporarily Unavailable",
               "name resolution failed");
    check_kong(END_UPSTREAM_HEAD_TIMEOUT, true, 504, "Gateway Time-out",
               "The upstream server is timing out");
}

TEST(kong_leaves_some_codes_to_nginx_s_page_without_its_footer)
{
    static const char type[] = "text/html; charset=UTF-8";

    check_page("kong", "Accept: */*", END_CLIENT_CODING_UNKNOWN, type,
               "<html>\r\n<head><title>501 Not Implemented</title></head>\r\n<body>\r\n"
               "<center><h1>501 Not Implemented</h1></center>\r\n</body>\r\n</html>\r\n");
    check_page("kong", "Accept: */*", END_CLIENT_PLAIN_HTTP, type,
               "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title>"
               "</head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n"
               "<center>The plain HTTP request was sent to HTTPS port</center>\r\n"
               "</body>\r\n</html>\r\n");
}

TEST(kong_says_nothing_to_a_client_that_was_too_slow)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "");
    CHECK_INT(make(&x, END_CLIENT_HEAD_TIMEOUT).answer.action, PERSONA_CLOSE);
    exchange_fixture_done(&x);
}

TEST(a_request_that_was_not_understood_has_a_page_too)
{
    struct exchange_fixture x;
    struct error_page page;

    exchange_fixture_init(&x, "kong", "");
    x.record.request = NULL;
    page = make(&x, END_CLIENT_REQUEST_INVALID);
    CHECK_SLICE(page.content_type, plain_type);
    CHECK_SLICE(page.content, "Bad request\nrequest_id: " ID "\n");
    exchange_fixture_done(&x);
}

TEST(edge_names_hop_cause_and_request)
{
    check_page("edge", "Accept: */*", END_UPSTREAM_HEAD_TIMEOUT, plain_type,
               "504 Gateway Timeout\n\nhop:     hop1\n"
               "cause:   the target did not answer in time\nrequest: " ID "\n");
    check_page("edge", "Accept: text/html", END_NO_TARGET, html_type,
               "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">"
               "<title>503 Service Unavailable</title></head>\n<body>\n"
               "<h1>503 Service Unavailable</h1>\n<p>no target is available</p>\n"
               "<p>hop: hop1<br>request: " ID "</p>\n</body>\n</html>\n");
}

TEST(edge_escapes_what_it_shows)
{
    struct exchange_fixture x;
    struct error_page page;

    exchange_fixture_init(&x, "edge", "Accept: text/html");
    x.record.hop_name = SLICE("<b>\"x\"&'\x01");
    page = make(&x, END_NO_ROUTE);
    CHECK(memmem(page.content.ptr, page.content.len, "hop: &lt;b&gt;&quot;x&quot;&amp;&#39;?<br>",
                 37) != NULL);
    CHECK_SLICE(page.proxy_status, "\"<b>\\\"x\\\"&'?\"; error=destination_not_found");
    exchange_fixture_done(&x);
}

TEST(details_go_only_to_those_who_are_trusted)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "edge", "");
    exchange_fixture_try(&x, END_UPSTREAM_RESOLVE_FAILED);
    x.record.reason_detail = SLICE("internal.name\n");
    CHECK_SLICE(make(&x, END_UPSTREAM_RESOLVE_FAILED).proxy_status, "hop1; error=dns_error");
    x.record.client_is_trusted = true;
    CHECK_SLICE(make(&x, END_UPSTREAM_RESOLVE_FAILED).proxy_status,
                "hop1; error=dns_error; details=\"internal.name? could not be resolved\"");
    exchange_fixture_done(&x);
}

TEST(f5_resets_and_has_no_page)
{
    struct exchange_fixture x;
    struct error_page page;

    exchange_fixture_init(&x, "f5", "Accept: */*");
    exchange_fixture_try(&x, END_CONNECT_REFUSED);
    page = make(&x, END_CONNECT_REFUSED);
    CHECK_INT(page.answer.action, PERSONA_RESET);
    CHECK_INT(page.content.len, 0);
    CHECK_INT(page.proxy_status.len, 0);
    exchange_fixture_done(&x);
}

TESTS(TEST_CASE(kong_s_four_templates), TEST_CASE(kong_negotiates_by_the_highest_q),
      TEST_CASE(without_accept_kong_s_two_families_differ), TEST_CASE(kong_s_status_table),
      TEST_CASE(kong_leaves_some_codes_to_nginx_s_page_without_its_footer),
      TEST_CASE(kong_says_nothing_to_a_client_that_was_too_slow),
      TEST_CASE(a_request_that_was_not_understood_has_a_page_too),
      TEST_CASE(edge_names_hop_cause_and_request), TEST_CASE(edge_escapes_what_it_shows),
      TEST_CASE(details_go_only_to_those_who_are_trusted), TEST_CASE(f5_resets_and_has_no_page))
