/*
 * test_odd_rows: the oddest rows of what was measured on nginx and HAProxy can be said as a persona.
 *
 * tests/data/personas/odd_rows.json holds one fragment per row. Each is read by the real schema, and
 * the values it gives are checked here, pages byte for byte as they were seen on the wire.
 */
#include <jansson.h>

#include "proxy/rewrite/rewrite.h"
#include "tests/unit/proxy/fixture.h"

static json_t *rows;
static size_t checked_count;

/* An exchange under the persona of that row. */
static void row_init(struct exchange_fixture *x, const char *id, const char *request)
{
    const json_t *fragment = NULL, *row;
    size_t i;
    char *text;

    json_array_foreach(rows, i,
                       row) if (strcmp(json_string_value(json_object_get(row, "id")), id) == 0)
        fragment = json_object_get(row, "fragment");
    if (!fragment)
        fail_msg("no row \"%s\" in odd_rows.json", id);
    text = json_dumps(fragment, JSON_COMPACT);
    exchange_fixture_init(x, text, request);
    free(text);
    checked_count++;
}

static struct persona_answer answer_of(const struct exchange_fixture *x, enum end_reason reason,
                                       bool reused)
{
    return persona_answer(x->persona, reason, true, reused);
}

/* The page as it goes out: fields in their order, without Date's value. */
static void check_answer(struct exchange_fixture *x, enum end_reason reason, const char *fields,
                         size_t content_length)
{
    struct rewrite_framing framing = { .framing = HTTP_FRAMING_LENGTH };
    struct error_page page;
    struct fields out;

    x->record.reason = reason;
    CHECK_INT(error_page_make(&x->record, &x->arena, &page), 0);
    CHECK_INT(page.content.len, content_length);
    framing.content_length = page.content.len;
    framing.keep_alive = page.answer.keep_alive;
    fields_init(&out, &x->arena);
    CHECK_INT(rewrite_error_page(&x->record, &page, &framing, &out), 0);
    for (uint32_t i = 0; i < out.count; i++)
        if (out.items[i].id == FIELD_DATE)
            out.items[i].value = SLICE("<now>");
    CHECK_STR(fixture_lines(&out, &x->arena), fields);
}

static bool needs_lab(const struct exchange_fixture *x, const char *word)
{
    struct persona_strings words = persona_lab_words(x->persona);

    for (size_t i = 0; i < words.count; i++)
        if (slice_equal(words.items[i], slice_of(word)))
            return true;
    return false;
}

/* ---- nginx ---- */

TEST(nginx_relays_what_is_no_http)
{
    struct exchange_fixture x;

    row_init(&x, "nginx:http09", "");
    CHECK_INT(answer_of(&x, END_UPSTREAM_STATUS_INVALID, false).action, PERSONA_RELAY);
    CHECK_INT(answer_of(&x, END_UPSTREAM_STATUS_INVALID, false).status, 9);
    CHECK(needs_lab(&x, "error_page.answers[0].action=relay"));
    exchange_fixture_done(&x);
    row_init(&x, "nginx:status_000", "");
    CHECK_INT(x.persona->parse.response, PERSONA_LENIENT_ODD_STATUS);
    exchange_fixture_done(&x);
}

TEST(nginx_reads_heads_in_its_own_way)
{
    struct exchange_fixture x;

    row_init(&x, "nginx:hdr_5k", "");
    CHECK_INT(x.persona->upstream.limits.head_max_bytes, 4096);
    CHECK_INT(x.persona->retry.conditions & PERSONA_RETRY_INVALID, 0);
    exchange_fixture_done(&x);
    row_init(&x, "nginx:hdr_obsfold", "");
    CHECK(x.persona->retry.conditions & PERSONA_RETRY_INVALID);
    CHECK(x.persona->retry.conditions & PERSONA_RETRY_NON_IDEMPOTENT);
    CHECK(x.persona->retry.conditions & PERSONA_RETRY_429);
    CHECK_INT(x.persona->retry.conditions & PERSONA_RETRY_403, 0);
    exchange_fixture_done(&x);
    row_init(&x, "nginx:hdr_no_colon", "");
    CHECK_INT(x.persona->parse.response, PERSONA_LENIENT_DROP_BAD_LINE);
    exchange_fixture_done(&x);
    row_init(&x, "nginx:i103_once", "");
    CHECK_INT(x.persona->response.interim, PERSONA_INTERIM_FINAL);
    CHECK(needs_lab(&x, "response.interim=final"));
    exchange_fixture_done(&x);
    row_init(&x, "nginx:trickle_headers", "");
    CHECK_INT(x.persona->upstream.head_timer, PERSONA_HEAD_TOTAL);
    exchange_fixture_done(&x);
}

TEST(nginx_cuts_responses_in_its_own_way)
{
    struct exchange_fixture x;

    row_init(&x, "nginx:stall_mid_body_cl", "");
    CHECK_INT(x.persona->response.stalled, PERSONA_STALLED_DROP);
    exchange_fixture_done(&x);
    row_init(&x, "nginx:close_mid_body_cl", "");
    CHECK_INT(x.persona->response.cut, PERSONA_CUT_FIN);
    exchange_fixture_done(&x);
    row_init(&x, "nginx:chunk_bad_size", "");
    CHECK_INT(x.persona->response.head, PERSONA_HEAD_WITH_CONTENT);
    CHECK_INT(answer_of(&x, END_UPSTREAM_BODY_INVALID, false).action, PERSONA_CLOSE);
    CHECK_INT(answer_of(&x, END_UPSTREAM_BODY_INVALID, false).status, 200);
    exchange_fixture_done(&x);
}

TEST(nginx_tries_and_gives_up_in_its_own_way)
{
    struct exchange_fixture x;

    row_init(&x, "nginx:stale_close_on_request", "");
    CHECK_INT(x.persona->retry.stale, PERSONA_STALE_FREE);
    CHECK_INT(x.persona->retry.replay, PERSONA_REPLAY_NOT_POST);
    exchange_fixture_done(&x);
    row_init(&x, "nginx:all_marked_down", "");
    CHECK_INT(answer_of(&x, END_NO_TARGET, false).status, 502);
    CHECK(answer_of(&x, END_NO_TARGET, false).log_phrase == NULL); /* the table's is nginx's */
    exchange_fixture_done(&x);
    row_init(&x, "nginx:name_nxdomain", "");
    CHECK_INT(answer_of(&x, END_UPSTREAM_RESOLVE_FAILED, false).status, 502);
    exchange_fixture_done(&x);
    row_init(&x, "nginx:c_stall_headers", "");
    CHECK_INT(answer_of(&x, END_CLIENT_HEAD_TIMEOUT, false).action, PERSONA_CLOSE);
    CHECK_INT(answer_of(&x, END_CLIENT_HEAD_TIMEOUT, false).status, 408);
    exchange_fixture_done(&x);
    row_init(&x, "nginx:c_halfclose_waiting", "");
    CHECK_INT(x.persona->client.half_close, PERSONA_ABORT_CANCEL);
    exchange_fixture_done(&x);
}

TEST(nginx_s_pages_have_their_bytes)
{
    struct exchange_fixture x;

    row_init(&x, "nginx:c_hdr_9k", "Host: h");
    check_answer(&x, END_CLIENT_HEAD_TOO_BIG,
                 "Server: nginx/1.22.1|Date: <now>|Content-Type: text/html|Content-Length: 233|"
                 "Connection: close",
                 233);
    exchange_fixture_done(&x);
    row_init(&x, "nginx:c_plain_on_tls", "Host: h");
    check_answer(&x, END_CLIENT_PLAIN_HTTP,
                 "Server: nginx/1.22.1|Date: <now>|Content-Type: text/html|Content-Length: 255|"
                 "Connection: close",
                 255);
    exchange_fixture_done(&x);
    row_init(&x, "nginx:refused", "User-Agent: curl/8");
    check_answer(&x, END_CONNECT_REFUSED,
                 "Server: nginx/1.22.1|Date: <now>|Content-Type: text/html|Content-Length: 157|"
                 "Connection: keep-alive",
                 157);
    exchange_fixture_done(&x);
    row_init(&x, "nginx:refused", "User-Agent: Mozilla/5.0 Chrome/130.0");
    checked_count--; /* the same row again */
    check_answer(&x, END_CONNECT_REFUSED,
                 "Server: nginx/1.22.1|Date: <now>|Content-Type: text/html|Content-Length: 559|"
                 "Connection: keep-alive",
                 559);
    exchange_fixture_done(&x);
}

static const char *request_of(struct exchange_fixture *x)
{
    const struct rewrite_framing framing = { .framing = HTTP_FRAMING_NONE };
    struct fields out;

    fields_init(&out, &x->arena);
    CHECK_INT(rewrite_request(&x->record, &framing, &out), 0);
    return fixture_lines(&out, &x->arena);
}

TEST(nginx_rewrites_fields_in_its_own_way)
{
    struct http_head head = { .status = 200, .version_major = 1, .version_minor = 1 };
    const struct rewrite_framing framing = { HTTP_FRAMING_LENGTH, 2, true };
    struct exchange_fixture x;
    struct fields out;

    row_init(&x, "nginx:ok", "Host: edge.test|Keep-Alive: 5|X_Under: 1|Connection: X-Foo|X-Foo: 1");
    fixture_fields(&head.fields, &x.arena,
                   "X-A: 1|content-length: 2|X-Accel-Expires: 1|X-Pad: p|Server: origin|"
                   "Location: /x");
    fields_init(&out, &x.arena);
    CHECK_INT(rewrite_response(&x.record, &head, &framing, &out), 0);
    CHECK_STR(fixture_lines(&out, &x.arena),
              "Server: nginx/1.22.1|Date: Fri, 20 Nov 2026 21:15:07 GMT|Content-Length: 2|"
              "Location: /x|Connection: keep-alive|X-A: 1");
    CHECK_INT(x.persona->response.accel, PERSONA_ACCEL_OBEY);
    exchange_fixture_done(&x);
    row_init(&x, "nginx:ok_plain",
             "Accept: a|Host: edge.test|Keep-Alive: 5|X_Under: 1|Connection: X-Foo|X-Foo: 1");
    CHECK_STR(request_of(&x), "Host: up.example|Connection: close|Accept: a|X-Foo: 1");
    CHECK_INT(x.persona->request.version, PERSONA_VERSION_1_0);
    exchange_fixture_done(&x);
    row_init(&x, "nginx:c_chunked_ok", "");
    CHECK_INT(x.persona->content.request, PERSONA_STORE);
    CHECK_INT(x.persona->content.request_framing, PERSONA_FRAMING_LENGTH);
    exchange_fixture_done(&x);
}

/* ---- haproxy ---- */

TEST(haproxy_tries_again_in_its_own_way)
{
    struct exchange_fixture x;

    row_init(&x, "haproxy:refused", "Host: h");
    CHECK_INT(x.persona->retry.policy, PERSONA_RETRY_SAME);
    CHECK_INT(x.persona->retry.pause_ms, 1000);
    CHECK_INT(x.persona->retry.retries_count, 3);
    CHECK_INT(x.persona->retry.conditions, PERSONA_RETRY_CONNECT | PERSONA_RETRY_CONNECT_TIMEOUT);
    CHECK_STR(answer_of(&x, END_CONNECT_REFUSED, false).termination, "SC--");
    CHECK(answer_of(&x, END_CONNECT_REFUSED, false).keep_alive);
    check_answer(&x, END_CONNECT_REFUSED,
                 "content-length: 107|cache-control: no-cache|content-type: text/html", 107);
    exchange_fixture_done(&x);
    row_init(&x, "haproxy:refused_redispatch", "");
    CHECK_INT(x.persona->retry.policy, PERSONA_RETRY_REDISPATCH);
    CHECK_INT(x.persona->retry.pause_ms, 0);
    exchange_fixture_done(&x);
    row_init(&x, "haproxy:hdr_150_lines", "");
    CHECK_INT(x.persona->retry.replay, PERSONA_REPLAY_ANY);
    CHECK(x.persona->retry.conditions & persona_retry_condition(END_UPSTREAM_HEAD_TOO_BIG));
    CHECK(x.persona->retry.conditions & PERSONA_RETRY_503);
    CHECK_INT(x.persona->retry.conditions & PERSONA_RETRY_429, 0);
    exchange_fixture_done(&x);
}

TEST(haproxy_closes_silently_when_a_pooled_connection_dies)
{
    struct exchange_fixture x;

    row_init(&x, "haproxy:stale_close_on_request", "");
    CHECK_INT(x.persona->retry.stale, PERSONA_STALE_SILENT);
    CHECK_INT(answer_of(&x, END_UPSTREAM_HEAD_CLOSED, true).action, PERSONA_CLOSE);
    CHECK(!answer_of(&x, END_UPSTREAM_HEAD_RESET, true).logged);
    CHECK_INT(answer_of(&x, END_UPSTREAM_HEAD_CLOSED, false).action, PERSONA_PAGE);
    CHECK(answer_of(&x, END_UPSTREAM_HEAD_CLOSED, false).logged);
    exchange_fixture_done(&x);
}

TEST(haproxy_closes_after_sh_and_keeps_after_ph)
{
    static const char fields[] =
        "content-length: 107|cache-control: no-cache|content-type: text/html";
    struct exchange_fixture x;

    row_init(&x, "haproxy:accept_close", "Host: h");
    CHECK_STR(answer_of(&x, END_UPSTREAM_HEAD_CLOSED, false).termination, "SH--");
    CHECK(!answer_of(&x, END_UPSTREAM_HEAD_CLOSED, false).keep_alive);
    check_answer(&x, END_UPSTREAM_HEAD_CLOSED, fields, 107);
    exchange_fixture_done(&x);
    row_init(&x, "haproxy:garbage_text", "Host: h");
    CHECK_STR(answer_of(&x, END_UPSTREAM_STATUS_INVALID, false).termination, "PH--");
    CHECK(answer_of(&x, END_UPSTREAM_STATUS_INVALID, false).keep_alive);
    check_answer(&x, END_UPSTREAM_STATUS_INVALID, fields, 107);
    exchange_fixture_done(&x);
    row_init(&x, "haproxy:connect_blackhole", "");
    CHECK_INT(answer_of(&x, END_CONNECT_TIMEOUT, false).status, 503);
    CHECK(!answer_of(&x, END_CONNECT_TIMEOUT, false).keep_alive);
    exchange_fixture_done(&x);
    row_init(&x, "haproxy:queue_full", "");
    CHECK_STR(answer_of(&x, END_LIMIT_REACHED, false).termination, "sQ--");
    exchange_fixture_done(&x);
}

TEST(haproxy_spells_some_pages_in_mixed_case)
{
    struct exchange_fixture x;

    row_init(&x, "haproxy:c_hdr_no_colon", "Host: h");
    check_answer(&x, END_CLIENT_REQUEST_INVALID,
                 "Content-length: 90|Cache-Control: no-cache|Connection: close|"
                 "Content-Type: text/html",
                 90);
    exchange_fixture_done(&x);
    row_init(&x, "haproxy:c_te_gzip_chunked", "Host: h");
    CHECK(!answer_of(&x, END_CLIENT_CODING_UNKNOWN, false).keep_alive);
    check_answer(&x, END_CLIENT_CODING_UNKNOWN,
                 "Content-length: 116|Cache-Control: no-cache|Content-Type: text/html", 116);
    exchange_fixture_done(&x);
}

TEST(haproxy_lets_pass_what_others_refuse)
{
    struct exchange_fixture x;

    row_init(&x, "haproxy:hdr_150_lines_limit", "");
    CHECK_INT(x.persona->client.limits.fields_max_count, 100);
    CHECK_INT(x.persona->upstream.limits.head_max_bytes, 15273);
    exchange_fixture_done(&x);
    row_init(&x, "haproxy:c_no_host", "");
    CHECK_INT(x.persona->parse.request, PERSONA_LENIENT_NO_HOST | PERSONA_LENIENT_NUL_IN_VALUE |
                                            PERSONA_LENIENT_MERGE_LENGTHS |
                                            PERSONA_LENIENT_LENGTH_AND_CODING |
                                            PERSONA_LENIENT_OBS_FOLD | PERSONA_LENIENT_BARE_LF);
    CHECK(needs_lab(&x, "parse.request[0]=no_host"));
    CHECK_INT(persona_lab_words(x.persona).count, 10);
    exchange_fixture_done(&x);
    row_init(&x, "haproxy:c_trace", "");
    CHECK_INT(x.persona->client.trace, PERSONA_METHOD_FORWARD);
    CHECK(needs_lab(&x, "client.connect=forward"));
    exchange_fixture_done(&x);
    row_init(&x, "haproxy:c_halfclose_waiting", "");
    CHECK_INT(x.persona->client.half_close, PERSONA_ABORT_CONTINUE);
    exchange_fixture_done(&x);
}

TEST(haproxy_forwards_connection_and_lower_cases_names)
{
    struct exchange_fixture x;

    row_init(&x, "haproxy:ok",
             "Host: edge.test|Connection: X-Foo, close|X-Foo: 1|Keep-Alive: 5|TE: trailers|"
             "Upgrade: h2c|X-Forwarded-For: 1.2.3.4");
    CHECK_STR(request_of(&x),
              "host: edge.test|connection: X-Foo|x-foo: 1|keep-alive: 5|te: trailers|"
              "x-forwarded-for: 1.2.3.4|x-forwarded-for: 10.0.0.5");
    CHECK_INT(x.persona->content.old_client, PERSONA_OLD_CHUNKED);
    exchange_fixture_done(&x);
}

/* Last: nobody may add a row that is not checked. */
TEST(every_row_was_checked)
{
    CHECK(json_array_size(rows) >= 30);
    CHECK_INT(checked_count, json_array_size(rows));
}

static int load_rows(void **unused)
{
    json_error_t error;

    (void)unused;
    rows = json_load_file(HOPGATE_SOURCE_DIR "/tests/data/personas/odd_rows.json", 0, &error);
    if (!rows)
        fprintf(stderr, "odd_rows.json:%d: %s\n", error.line, error.text);
    return rows ? 0 : -1;
}

static int free_rows(void **unused)
{
    (void)unused;
    json_decref(rows);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(nginx_relays_what_is_no_http),
        TEST_CASE(nginx_reads_heads_in_its_own_way),
        TEST_CASE(nginx_cuts_responses_in_its_own_way),
        TEST_CASE(nginx_tries_and_gives_up_in_its_own_way),
        TEST_CASE(nginx_s_pages_have_their_bytes),
        TEST_CASE(nginx_rewrites_fields_in_its_own_way),
        TEST_CASE(haproxy_tries_again_in_its_own_way),
        TEST_CASE(haproxy_closes_silently_when_a_pooled_connection_dies),
        TEST_CASE(haproxy_closes_after_sh_and_keeps_after_ph),
        TEST_CASE(haproxy_spells_some_pages_in_mixed_case),
        TEST_CASE(haproxy_lets_pass_what_others_refuse),
        TEST_CASE(haproxy_forwards_connection_and_lower_cases_names),
        TEST_CASE(every_row_was_checked),
    };

    return cmocka_run_group_tests(tests, load_rows, free_rows);
}
