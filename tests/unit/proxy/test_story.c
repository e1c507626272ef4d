/*
 * test_story: every way to end has a story, and the stories read well (tests/data/stories).
 *
 * HOPGATE_WRITE_STORIES=1 writes the files anew; read the difference before you commit it.
 */
#include "proxy/report/story.h"

#include <ctype.h>

#include "config/settings_priv.h"
#include "proxy/report/story_priv.h"
#include "tests/unit/proxy/fixture.h"

#define STORIES HOPGATE_SOURCE_DIR "/tests/data/stories/"

struct told {
    struct exchange_fixture x;
    struct recorder *recorder;
    struct config_service service;
    struct config_route route;
    struct settings *settings;
    const struct recorded_exchange *entry;
};

static void begin(struct told *told)
{
    struct exchange_record *record = &told->x.record;
    struct config_errors errors;

    config_errors_init(&errors);
    CHECK_INT(settings_load_text(SLICE("nginx_http_client_body_timeout = 30s\n"), "kong.conf", NULL,
                                 &told->settings, &errors),
              0);
    config_errors_done(&errors);
    exchange_fixture_init(&told->x, "edge", "Host: shop.example|Authorization: Bearer x");
    told->recorder = recorder_create(256 * 1024);
    told->service = (struct config_service){ .name = "shop",
                                             .id = "5e1f",
                                             .host = "shop-servers",
                                             .port = 80,
                                             .protocol = CONFIG_PROTOCOL_HTTP,
                                             .retries = 2,
                                             .connect_timeout_ms = 1000,
                                             .write_timeout_ms = 4000,
                                             .read_timeout_ms = 5000 };
    told->route = (struct config_route){ .name = "shop-route", .id = "77aa" };
    told->x.request.method_name = (struct slice){ told->x.request.request_line.ptr, 3 };
    told->x.request.path = (struct slice){ told->x.request.request_line.ptr + 4, 2 };
    record->service = &told->service;
    record->route = &told->route;
    record->request_bytes = 120;
    record->request_head_at_us = record->started_at_us + 150;
    record->request_end_at_us = record->started_at_us + 150;
}

/* The exchange ends after that many ms with this reason; its last try with it. */
static void end(struct told *told, enum end_reason reason, unsigned took_ms)
{
    struct exchange_record *record = &told->x.record;
    struct try_record *last = exchange_record_last_try(record);

    record->ended_at_us = record->started_at_us + took_ms * 1000;
    record->reason = reason;
    if (record->status == 0)
        record->status = (uint16_t)end_reason_info(reason)->status;
    if (reason != END_OK && end_reason_info(reason)->status != 0 && reason != END_CLIENT_ABORTED &&
        !record->from_upstream) {
        record->response_head_at_us = record->ended_at_us;
        record->response_bytes = 200;
    }
    if (last && last->ended_at_us == 0)
        last->ended_at_us = record->ended_at_us;
}

static char *tell_with(struct told *told, const struct story_context *context)
{
    const struct recorder_ring *ring;
    uint64_t position;
    uint32_t size;
    char *text;

    recorder_note(told->recorder, &told->x.record, 1, 1000);
    ring = told->recorder->kept.count ? &told->recorder->kept : &told->recorder->recent;
    position = ring->head;
    CHECK(recorder_ring_next(ring, &position, told->recorder->scratch,
                             sizeof(told->recorder->scratch), &size));
    told->entry = (const struct recorded_exchange *)told->recorder->scratch;
    text = story_tell(told->entry, context);
    assert_non_null(text);
    return text;
}

static char *tell(struct told *told)
{
    const struct story_context context = { .generation = 1, .settings = told->settings };

    return tell_with(told, &context);
}

static void done(struct told *told, char *text)
{
    free(text);
    settings_free(told->settings);
    recorder_free(told->recorder);
    exchange_fixture_done(&told->x);
}

static void compare_with_file(const char *name, const char *text)
{
    char path[512], want[16384];
    bool write = getenv("HOPGATE_WRITE_STORIES") != NULL;
    FILE *file;

    snprintf(path, sizeof(path), "%s%s.txt", STORIES, name);
    file = fopen(path, write ? "w" : "r");
    assert_non_null(file);
    if (write) {
        CHECK(fputs(text, file) >= 0);
    } else {
        want[fread(want, 1, sizeof(want) - 1, file)] = '\0';
        CHECK_STR(text, want);
    }
    CHECK_INT(fclose(file), 0);
}

static void check_story(struct told *told, const char *name)
{
    char *text = tell(told);

    compare_with_file(name, text);
    done(told, text);
}

/* ---- the table ----------------------------------------------------------------------------- */

TEST(every_end_reason_has_a_story)
{
    for (int reason = 0; reason < END_REASON_COUNT; reason++) {
        const struct story_row *last = NULL;

        for (size_t i = 0; i < story_rows_count; i++)
            if ((int)story_rows[i].reason == reason)
                last = &story_rows[i];
        if (!last || last->when != STORY_ALWAYS)
            fail_msg("%s has no story that always holds, or it is not the last row",
                     end_reason_info((enum end_reason)reason)->name);
    }
}

TEST(each_row_can_be_reached)
{
    for (size_t i = 0; i < story_rows_count; i++)
        for (size_t k = 0; k < i; k++)
            if (story_rows[k].reason == story_rows[i].reason)
                CHECK(story_rows[k].when != STORY_ALWAYS &&
                      story_rows[k].when != story_rows[i].when);
}

TEST(every_setting_that_is_named_exists)
{
    for (int knob = STORY_KNOB_NONE + 1; knob < STORY_KNOB_COUNT; knob++) {
        const struct story_setting *setting = story_setting_of((enum story_knob)knob);

        assert_non_null(setting->key);
        if (!setting->of_service && !settings_find(setting->key))
            fail_msg("kong.conf has no key %s", setting->key);
    }
}

/* Whatever is known or not: one first line, printable, no word left over. */
static void check_form(const char *text, const char *reason)
{
    const char *line_end = strchr(text, '\n');

    assert_non_null(line_end);
    if (line_end - text < 40 || strncmp(text, "hop1 ", 5) != 0 || line_end[-1] != '.' ||
        !strstr(text, ". Fix: "))
        fail_msg("%s: no good first line: %.*s", reason, (int)(line_end - text), text);
    for (const char *at = text; *at; at++)
        if (*at != '\n' && !isprint((unsigned char)*at))
            fail_msg("%s: byte %02x", reason, (unsigned char)*at);
    if (strchr(text, '{') || strstr(text, ".."))
        fail_msg("%s: a word was not replaced, or a sentence ends twice: %s", reason, text);
}

TEST(each_reason_can_be_told_with_and_without_a_try)
{
    for (int reason = 0; reason < END_REASON_COUNT; reason++) {
        for (int tries = 0; tries < 4; tries++) {
            struct told told;
            char *text;

            begin(&told);
            for (int i = 0; i < tries; i++)
                (void)exchange_fixture_try(&told.x, (enum end_reason)reason);
            told.x.record.reason_detail = SLICE("some detail");
            end(&told, (enum end_reason)reason, 1500);
            text = tell(&told);
            check_form(text, end_reason_info((enum end_reason)reason)->name);
            done(&told, text);
        }
    }
}

TEST(each_reason_can_be_told_when_nothing_is_known)
{
    for (int reason = 0; reason < END_REASON_COUNT; reason++) {
        struct told told;
        char *text;

        begin(&told);
        told.x.record.request = NULL;
        told.x.record.service = NULL;
        told.x.record.route = NULL;
        told.x.record.upstream_host = told.x.record.upstream_uri = SLICE("");
        told.x.record.request_head_at_us = told.x.record.request_end_at_us = 0;
        end(&told, (enum end_reason)reason, 0);
        text = tell(&told);
        check_form(text, end_reason_info((enum end_reason)reason)->name);
        done(&told, text);
    }
}

/* ---- golden texts -------------------------------------------------------------------------- */

TEST(refused_by_all_targets)
{
    struct told told;

    begin(&told);
    for (int i = 0; i < 3; i++) {
        struct try_record *try = exchange_fixture_try(&told.x, END_CONNECT_REFUSED);

        try->target = fixture_addr(i == 0 ? "192.0.2.1:8080" : "192.0.2.2:8080");
        try->target_name = i == 0 ? SLICE("a.test:8080") : SLICE("192.0.2.2:8080");
        try->detail = SLICE("111: Connection refused");
        try->connection_id = 0;
        try->connected_at_us = try->sent_at_us = 0;
        try->picked_at_us += (uint64_t)i * 100;
        try->ended_at_us = try->picked_at_us + 90;
    }
    end(&told, END_CONNECT_REFUSED, 6);
    check_story(&told, "connect-refused-all");
}

TEST(silence_after_the_request)
{
    struct told told;

    begin(&told);
    (void)exchange_fixture_try(&told.x, END_UPSTREAM_HEAD_TIMEOUT);
    end(&told, END_UPSTREAM_HEAD_TIMEOUT, 5007);
    check_story(&told, "read-timeout");
}

TEST(tries_that_differ_are_not_told_as_one)
{
    struct told told;

    begin(&told);
    exchange_fixture_try(&told.x, END_CONNECT_REFUSED)->detail = SLICE("111: Connection refused");
    (void)exchange_fixture_try(&told.x, END_CONNECT_TIMEOUT);
    end(&told, END_CONNECT_TIMEOUT, 1007);
    check_story(&told, "connect-timeout-after-refused");
}

TEST(idle_connection_that_was_closed)
{
    struct told told;
    struct try_record *try;

    begin(&told);
    told.x.request.request_line = SLICE("POST /a HTTP/1.1");
    told.x.request.method_name = (struct slice){ told.x.request.request_line.ptr, 4 };
    told.x.request.path = (struct slice){ told.x.request.request_line.ptr + 5, 2 };
    try = exchange_fixture_try(&told.x, END_UPSTREAM_HEAD_CLOSED);
    try->reused = true;
    try->request_number = 5;
    try->connected_at_us = 0;
    end(&told, END_UPSTREAM_HEAD_CLOSED, 8);
    check_story(&told, "stale-connection");
}

TEST(idle_connection_that_was_closed_and_tried_again)
{
    struct told told;
    struct try_record *try;

    begin(&told);
    try = exchange_fixture_try(&told.x, END_UPSTREAM_HEAD_CLOSED);
    try->reused = true;
    try->request_number = 2;
    try->connected_at_us = 0;
    try->ended_at_us = try->sent_at_us + 300;
    try = exchange_fixture_try(&told.x, END_OK);
    try->picked_at_us = 1007300;
    try->connected_at_us = 1007500;
    try->sent_at_us = 1007600;
    try->head_at_us = 1009000;
    try->status = told.x.record.status = 200;
    told.x.record.from_upstream = true;
    told.x.record.response_head_at_us = try->head_at_us;
    told.x.record.response_bytes = 4300;
    end(&told, END_OK, 10);
    check_story(&told, "stale-connection-tried-again");
}

/* A pooled connection that fails long after the request is no sign of a keep-alive timeout. */
TEST(late_end_of_a_reused_connection_is_the_target_s)
{
    struct told told;
    char *text;

    begin(&told);
    exchange_fixture_try(&told.x, END_UPSTREAM_HEAD_CLOSED)->reused = true;
    end(&told, END_UPSTREAM_HEAD_CLOSED, 2500);
    text = tell(&told);
    CHECK(strstr(text, "closed the connection 2493.000 ms after the request had gone out") != NULL);
    CHECK(strstr(text, "keep-alive timeout") == NULL);
    done(&told, text);
}

TEST(value_of_a_configuration_that_is_gone_is_said_to_be_unknown)
{
    const struct story_context context = { .generation = 9 };
    struct told told;
    char *text;

    begin(&told);
    end(&told, END_CLIENT_BODY_TIMEOUT, 30001);
    text = tell_with(&told, &context);
    CHECK(strstr(text, "is not known any more: the exchange had configuration 1, now 9") != NULL);
    done(&told, text);
}

TEST(reset_in_the_middle_of_the_response)
{
    struct told told;
    struct try_record *try;

    begin(&told);
    try = exchange_fixture_try(&told.x, END_UPSTREAM_BODY_RESET);
    try->detail = SLICE("104: Connection reset by peer");
    try->head_at_us = try->sent_at_us + 2000;
    try->status = 200;
    told.x.record.status = 200;
    told.x.record.from_upstream = told.x.record.truncated = true;
    told.x.record.response_head_at_us = try->head_at_us;
    told.x.record.response_content_bytes = 4096;
    told.x.record.response_bytes = 4300;
    end(&told, END_UPSTREAM_BODY_RESET, 12);
    check_story(&told, "reset-in-content");
}

TEST(client_that_gave_up_while_waiting)
{
    struct told told;

    begin(&told);
    (void)exchange_fixture_try(&told.x, END_CLIENT_ABORTED);
    end(&told, END_CLIENT_ABORTED, 3001);
    check_story(&told, "client-gave-up");
}

TEST(client_that_stopped_sending)
{
    struct told told;

    begin(&told);
    told.x.record.request_end_at_us = 0;
    end(&told, END_CLIENT_BODY_TIMEOUT, 30001);
    check_story(&told, "client-body-timeout");
}

TEST(handshake_that_failed)
{
    struct told told;
    struct try_record *try;

    begin(&told);
    try = exchange_fixture_try(&told.x, END_UPSTREAM_TLS_FAILED);
    try->detail = SLICE("SSL: error:0A00010B:SSL routines::wrong version number");
    try->over_tls = true;
    try->sent_at_us = 0;
    told.service.protocol = CONFIG_PROTOCOL_HTTPS;
    end(&told, END_UPSTREAM_TLS_FAILED, 7);
    check_story(&told, "tls-failed");
}

TEST(no_route_with_the_nearest_ones)
{
    const struct story_context context = { .generation = 4,
                                           .routes = "  route \"shop-route\"; path \"/a\" is none "
                                                     "of: /shop\n" };
    struct told told;
    char *text;

    begin(&told);
    told.x.record.route = NULL;
    told.x.record.service = NULL;
    end(&told, END_NO_ROUTE, 0);
    text = tell_with(&told, &context);
    compare_with_file("no-route", text);
    done(&told, text);
}

TEST(head_that_is_too_large)
{
    struct told told;

    begin(&told);
    told.x.record.request = NULL;
    told.x.record.bad_request_line = SLICE("GET /a?token=abc HTTP/1.1");
    told.x.record.reason_detail = SLICE("Cookie: verysecret");
    told.x.record.route = NULL;
    told.x.record.service = NULL;
    told.x.record.request_head_at_us = told.x.record.request_end_at_us = 0;
    end(&told, END_CLIENT_HEAD_TOO_BIG, 1);
    check_story(&told, "head-too-large");
}

TEST(nothing_failed)
{
    struct told told;
    struct try_record *try;

    begin(&told);
    try = exchange_fixture_try(&told.x, END_OK);
    try->head_at_us = try->sent_at_us + 2000;
    try->status = told.x.record.status = 200;
    told.x.record.from_upstream = true;
    told.x.record.response_head_at_us = try->head_at_us;
    told.x.record.response_bytes = 4300;
    end(&told, END_OK, 12);
    check_story(&told, "ok");
}

TEST(bytes_of_peers_cannot_reach_the_terminal)
{
    struct told told;
    char *text;

    begin(&told);
    told.x.request.request_line = SLICE("GET /\x1b[2J\xc2\x9b HTTP/1.1");
    told.x.request.authority = SLICE("h\x07\n");
    (void)exchange_fixture_try(&told.x, END_UPSTREAM_HEAD_INVALID);
    told.x.record.reason_detail = SLICE("\x1b]0;owned\x07");
    end(&told, END_UPSTREAM_HEAD_INVALID, 5);
    text = tell(&told);
    check_form(text, "hostile");
    CHECK(strstr(text, "GET /\\x1B[2J\\xC2\\x9B HTTP/1.1") != NULL);
    CHECK(strstr(text, "\"\\x1B]0;owned\\x07\"") != NULL);
    done(&told, text);
}

TESTS(TEST_CASE(every_end_reason_has_a_story), TEST_CASE(each_row_can_be_reached),
      TEST_CASE(every_setting_that_is_named_exists),
      TEST_CASE(each_reason_can_be_told_with_and_without_a_try),
      TEST_CASE(each_reason_can_be_told_when_nothing_is_known), TEST_CASE(refused_by_all_targets),
      TEST_CASE(silence_after_the_request), TEST_CASE(tries_that_differ_are_not_told_as_one),
      TEST_CASE(idle_connection_that_was_closed),
      TEST_CASE(idle_connection_that_was_closed_and_tried_again),
      TEST_CASE(late_end_of_a_reused_connection_is_the_target_s),
      TEST_CASE(value_of_a_configuration_that_is_gone_is_said_to_be_unknown),
      TEST_CASE(reset_in_the_middle_of_the_response), TEST_CASE(client_that_gave_up_while_waiting),
      TEST_CASE(client_that_stopped_sending), TEST_CASE(handshake_that_failed),
      TEST_CASE(no_route_with_the_nearest_ones), TEST_CASE(head_that_is_too_large),
      TEST_CASE(nothing_failed), TEST_CASE(bytes_of_peers_cannot_reach_the_terminal))
