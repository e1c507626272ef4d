/*
 * test_end_reason: the table is complete, and its texts are the ones operators grep for.
 */
#include "core/end_reason.h"

#include <stdio.h>

#include "tests/check.h"

static const char *const registered_error_types[] = { /* RFC 9209 2.3 */
                                                      "dns_timeout",
                                                      "dns_error",
                                                      "destination_not_found",
                                                      "destination_unavailable",
                                                      "destination_ip_prohibited",
                                                      "destination_ip_unroutable",
                                                      "connection_refused",
                                                      "connection_terminated",
                                                      "connection_timeout",
                                                      "connection_read_timeout",
                                                      "connection_write_timeout",
                                                      "connection_limit_reached",
                                                      "tls_protocol_error",
                                                      "tls_certificate_error",
                                                      "tls_alert_received",
                                                      "http_request_error",
                                                      "http_request_denied",
                                                      "http_response_incomplete",
                                                      "http_response_header_section_size",
                                                      "http_response_header_size",
                                                      "http_response_body_size",
                                                      "http_response_trailer_section_size",
                                                      "http_response_trailer_size",
                                                      "http_response_transfer_coding",
                                                      "http_response_content_coding",
                                                      "http_response_timeout",
                                                      "http_upgrade_failed",
                                                      "http_protocol_error",
                                                      "proxy_internal_response",
                                                      "proxy_internal_error",
                                                      "proxy_configuration_error",
                                                      "proxy_loop_detected"
};

static bool is_registered(const char *token)
{
    for (size_t i = 0; i < sizeof(registered_error_types) / sizeof(*registered_error_types); i++)
        if (strcmp(token, registered_error_types[i]) == 0)
            return true;
    return false;
}

TEST(every_reason_has_a_registered_proxy_status_type)
{
    for (unsigned i = END_OK + 1; i < END_REASON_COUNT; i++) {
        const struct end_reason_info *info = end_reason_info((enum end_reason)i);

        if (!is_registered(info->token))
            fail_msg("%s: \"%s\" is no RFC 9209 error type", info->name, info->token);
    }
}

TEST(every_reason_has_a_phrase_with_at_most_one_detail)
{
    for (unsigned i = END_OK + 1; i < END_REASON_COUNT; i++) {
        const char *phrase = end_reason_info((enum end_reason)i)->phrase;
        const char *percent = strchr(phrase, '%');

        CHECK(phrase[0] != '\0');
        if (percent) {
            CHECK_INT(percent[1], 's');
            CHECK(strchr(percent + 1, '%') == NULL);
        }
    }
}

TEST(a_name_leads_back_to_its_reason)
{
    for (unsigned i = 0; i < END_REASON_COUNT; i++)
        CHECK_INT(end_reason_of(end_reason_info((enum end_reason)i)->name), i);
    CHECK_INT(end_reason_of("CONNECT_REFUSE"), END_REASON_COUNT);
}

TEST(client_faults_never_count_against_a_target)
{
    for (unsigned i = 0; i < END_REASON_COUNT; i++) {
        const struct end_reason_info *info = end_reason_info((enum end_reason)i);

        if (info->hop == END_HOP_CLIENT) {
            CHECK_INT(info->health, END_HEALTH_NONE);
            CHECK_INT(info->retry, END_RETRY_NEVER);
        }
    }
}

static void check_line(enum end_reason reason, const char *detail, const char *want)
{
    const struct end_reason_info *info = end_reason_info(reason);
    char phrase[256], line[512];

    end_reason_format(reason, detail, phrase, sizeof(phrase));
    snprintf(line, sizeof(line), "%s%s", phrase, end_phase_text(info->phase, info->hop));
    CHECK_STR(line, want);
}

TEST(phrases_are_nginx_s)
{
    check_line(END_CONNECT_REFUSED, "111: Connection refused",
               "connect() failed (111: Connection refused) while connecting to upstream");
    check_line(END_CONNECT_TIMEOUT, NULL,
               "upstream timed out (110: Connection timed out) while connecting to upstream");
    check_line(END_UPSTREAM_TLS_TIMEOUT, NULL,
               "upstream timed out (110: Connection timed out) while SSL handshaking to upstream");
    check_line(END_UPSTREAM_TLS_CLOSED, " (104: Connection reset by peer)",
               "peer closed connection in SSL handshake (104: Connection reset by peer) "
               "while SSL handshaking to upstream");
    check_line(END_UPSTREAM_TLS_NAME, "origin.test",
               "upstream SSL certificate does not match \"origin.test\" "
               "while SSL handshaking to upstream");
    check_line(END_UPSTREAM_HEAD_CLOSED, NULL,
               "upstream prematurely closed connection "
               "while reading response header from upstream");
    check_line(END_UPSTREAM_BODY_CLOSED, NULL,
               "upstream prematurely closed connection while reading upstream");
    check_line(END_UPSTREAM_HEAD_INVALID, "X\\x20...",
               "upstream sent invalid header: \"X\\x20...\" "
               "while reading response header from upstream");
    check_line(END_UPSTREAM_BODY_SURPLUS, NULL,
               "upstream sent more data than specified in \"Content-Length\" header "
               "while reading upstream");
    check_line(END_UPSTREAM_RESOLVE_FAILED, "nosuch.test", "nosuch.test could not be resolved");
    check_line(END_NO_TARGET, NULL, "no live upstreams while connecting to upstream");
    check_line(END_CLIENT_HEAD_TIMEOUT, NULL,
               "client timed out (110: Connection timed out) "
               "while reading client request headers");
    check_line(END_CLIENT_TLS_CLOSED, "",
               "peer closed connection in SSL handshake while SSL handshaking");
}

TEST(a_long_detail_is_cut_not_overrun)
{
    char text[16];

    CHECK_INT(end_reason_format(END_CONNECT_REFUSED, "111: Connection refused", text, sizeof(text)),
              15);
    CHECK_STR(text, "connect() faile");
}

TESTS(TEST_CASE(every_reason_has_a_registered_proxy_status_type),
      TEST_CASE(every_reason_has_a_phrase_with_at_most_one_detail),
      TEST_CASE(a_name_leads_back_to_its_reason),
      TEST_CASE(client_faults_never_count_against_a_target), TEST_CASE(phrases_are_nginx_s),
      TEST_CASE(a_long_detail_is_cut_not_overrun))
