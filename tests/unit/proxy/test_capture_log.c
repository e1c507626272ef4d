/*
 * test_capture_log: the heads of an exchange as JSON: nothing lost, credentials masked.
 */
#include "proxy/report/capture_log.h"

#include <jansson.h>

#include "tests/unit/proxy/fixture.h"

static const struct siphash_key key = { { 1, 2 } };

static json_t *captured(struct exchange_fixture *x, bool shows_secrets,
                        const struct capture_heads *heads)
{
    struct slice line = capture_log_line(&key, shows_secrets, &x->record, heads, &x->arena);
    json_t *json;

    CHECK(line.len > 0 && line.ptr[line.len - 1] == '\n');
    json = json_loadb(line.ptr, line.len, 0, NULL);
    assert_non_null(json);
    return json;
}

/* A member of the n-th field of a message; NULL: it has none. */
static const char *field_text(const json_t *json, const char *message, size_t n, const char *member)
{
    const json_t *fields = json_object_get(json_object_get(json, message), "fields");

    return json_string_value(json_object_get(json_array_get(fields, n), member));
}

TEST(what_is_no_utf8_stands_as_base64)
{
    struct exchange_fixture x;
    const struct capture_heads none = { 0 };
    json_t *json;

    exchange_fixture_init(&x, "kong", "Host: h|X-Text: \t\xc3\xa9\x01|X-Bytes: \xff");
    json = captured(&x, false, &none);
    CHECK_STR(field_text(json, "request_received", 1, "value"), "\t\xc3\xa9\x01");
    CHECK_STR(field_text(json, "request_received", 2, "value_base64"), "/w==");
    CHECK(json_object_get(json, "request_sent") == NULL);
    CHECK(json_object_get(json, "response_sent") == NULL);
    json_decref(json);
    exchange_fixture_done(&x);
}

TEST(credentials_are_masked_and_their_changes_show)
{
    struct exchange_fixture x;
    struct fields sent;
    const struct http_outgoing out = {
        .method = SLICE("GET"), .target = SLICE("/?token=abc"), .version_minor = 1, .fields = &sent
    };
    const struct capture_heads heads = { .request_sent = &out };
    json_t *json;

    exchange_fixture_init(&x, "kong", "Host: h|Authorization: Basic b|Cookie: a=1");
    fixture_fields(&sent, &x.arena, "Authorization: Basic b|Cookie: a=2");
    json = captured(&x, false, &heads);
    CHECK(field_text(json, "request_sent", 0, "value") == NULL);
    CHECK_STR(field_text(json, "request_sent", 0, "masked"),
              field_text(json, "request_received", 1, "masked"));
    CHECK(strcmp(field_text(json, "request_sent", 1, "masked"),
                 field_text(json, "request_received", 2, "masked")) != 0);
    CHECK_STR(json_string_value(json_object_get(json_object_get(json, "request_sent"), "line")),
              "GET /?token=*** HTTP/1.1");
    json_decref(json);
    json = captured(&x, true, &heads);
    CHECK_STR(field_text(json, "request_sent", 1, "value"), "a=2");
    CHECK_STR(json_string_value(json_object_get(json_object_get(json, "request_sent"), "line")),
              "GET /?token=abc HTTP/1.1");
    json_decref(json);
    exchange_fixture_done(&x);
}

TESTS(TEST_CASE(what_is_no_utf8_stands_as_base64),
      TEST_CASE(credentials_are_masked_and_their_changes_show))
