/*
 * test_secrets: what speaks of credentials is masked, what does not stays readable.
 */
#include "proxy/report/secrets.h"

#include <stdio.h>

#include "tests/check.h"

static void check_query(const char *text, const char *want)
{
    char copy[128];

    snprintf(copy, sizeof(copy), "%s", text);
    secrets_mask_query(copy, strlen(copy));
    CHECK_STR(copy, want);
}

TEST(names_with_a_word_of_a_secret_are_secret)
{
    static const char *const secret[] = { "Authorization",
                                          "proxy-authorization",
                                          "Cookie",
                                          "Set-Cookie",
                                          "apikey",
                                          "X-API-Key",
                                          "X-Auth-Token",
                                          "x-amz-security-token",
                                          "X-Client-Secret",
                                          "X-Session-Id",
                                          "X-Hub-Signature-256",
                                          "passwd",
                                          "PWD",
                                          "X-Credential" };
    static const char *const open[] = {
        "Host",         "Accept", "X-Request-Id", "traceparent",
        "Content-Type", "",       "Range",        "X-Forwarded-For"
    };

    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
        CHECK(secrets_name_is_secret(slice_of(secret[i])));
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
        CHECK(!secrets_name_is_secret(slice_of(open[i])));
}

/* The shortcut for known fields must not let one of them through. */
TEST(known_fields_are_as_secret_as_their_names)
{
    for (int id = FIELD_OTHER + 1; id < FIELD_ID_COUNT; id++) {
        const struct field field = { .name = field_id_name((enum field_id)id), .id = (uint8_t)id };

        CHECK_INT(secrets_field_is_secret(&field), secrets_name_is_secret(field.name));
    }
}

TEST(secret_arguments_of_a_query_are_masked_in_their_length)
{
    check_query("GET /a?apikey=abc&x=1 HTTP/1.1", "GET /a?apikey=***&x=1 HTTP/1.1");
    check_query("/?x=1&access_token=a.b;c&y", "/?x=1&access_token=*****&y");
    check_query("/?a=1;token=x", "/?a=1;token=*");
    check_query("/?code=9&zip_code=9&sig=1#token=z", "/?code=*&zip_code=9&sig=*#token=*");
    check_query("/?password=", "/?password=");
    check_query("/?password", "/?password");
    check_query("/token=1", "/token=1");
    check_query("", "");
    check_query("?", "?");
}

TEST(line_with_a_secret_name_loses_its_value)
{
    char cookie[] = "Cookie: a=b; c", other[] = "X-Trace: a", bare[] = "no colon";

    secrets_mask_line(cookie, strlen(cookie));
    secrets_mask_line(other, strlen(other));
    secrets_mask_line(bare, strlen(bare));
    CHECK_STR(cookie, "Cookie: **** *");
    CHECK_STR(other, "X-Trace: a");
    CHECK_STR(bare, "no colon");
}

TESTS(TEST_CASE(names_with_a_word_of_a_secret_are_secret),
      TEST_CASE(known_fields_are_as_secret_as_their_names),
      TEST_CASE(secret_arguments_of_a_query_are_masked_in_their_length),
      TEST_CASE(line_with_a_secret_name_loses_its_value))
