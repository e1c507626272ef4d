/*
 * test_recorder: an entry says what the record said, without its secrets and within its bytes.
 */
#include "proxy/report/recorder.h"

#include "tests/unit/proxy/fixture.h"

enum { KIB = 1024, SLOW_MS = 1000 };

/* The newest entry of a ring, in the recorder's scratch; NULL: the ring is empty. */
static const struct recorded_exchange *newest(struct recorder *recorder,
                                              const struct recorder_ring *ring)
{
    uint64_t position = ring->head;
    bool found = false;
    uint32_t size;

    while (recorder_ring_next(ring, &position, recorder->scratch, sizeof(recorder->scratch), &size))
        found = true;
    return found ? (const struct recorded_exchange *)recorder->scratch : NULL;
}

static void good(struct exchange_fixture *x)
{
    exchange_fixture_init(x, "edge", "Host: h");
    x->record.status = 200;
    x->record.from_upstream = true;
    x->record.ended_at_us = x->record.started_at_us + 5000;
    (void)exchange_fixture_try(x, END_OK);
}

TEST(entry_holds_what_the_record_said)
{
    struct exchange_fixture x;
    struct recorder *recorder = recorder_create(64 * KIB);
    const struct recorded_exchange *entry;
    struct sockaddr_storage address;

    good(&x);
    fixture_fields(&x.request.fields, &x.arena, "Host: h|X-Trace: 1");
    recorder_note(recorder, &x.record, 3, SLOW_MS);
    entry = newest(recorder, &recorder->recent);
    assert_non_null(entry);
    CHECK_INT(entry->number, 7);
    CHECK_INT(entry->generation, 3);
    CHECK_INT(entry->status, 200);
    CHECK_INT(entry->limits.body_timeout_ms, x.persona->client.body_timeout_ms);
    CHECK_SLICE(recorded_slice(entry, entry->request_line), "GET /a?b=1 HTTP/1.1");
    CHECK_INT(entry->request_fields.length, 0); /* of a good exchange nobody asks for them */
    CHECK_SLICE(recorded_slice(entry, entry->tries[0].target_name), "origin.test:8080");
    address = recorded_address_expand(&entry->tries[0].target);
    CHECK(addr_equal(&address, &x.record.tries[0].target));
    address = recorded_address_expand(&entry->client_peer);
    CHECK(addr_equal(&address, &x.record.client_peer));
    x.record.status = 404;
    recorder_note(recorder, &x.record, 3, SLOW_MS);
    entry = newest(recorder, &recorder->recent);
    CHECK_SLICE(recorded_slice(entry, entry->request_fields), "Host: h\nX-Trace: 1\n");
    exchange_fixture_done(&x);
    recorder_free(recorder);
}

TEST(method_and_path_are_found_in_the_copied_line)
{
    struct exchange_fixture x;
    struct recorder *recorder = recorder_create(64 * KIB);
    const struct recorded_exchange *entry;

    good(&x);
    x.request.method_name = (struct slice){ x.request.request_line.ptr, 3 };
    x.request.path = (struct slice){ x.request.request_line.ptr + 4, 2 };
    recorder_note(recorder, &x.record, 1, SLOW_MS);
    entry = newest(recorder, &recorder->recent);
    CHECK_SLICE(recorded_slice(entry, entry->method), "GET");
    CHECK_SLICE(recorded_slice(entry, entry->path), "/a");
    exchange_fixture_done(&x);
    recorder_free(recorder);
}

static bool holds_bytes(const struct recorder *recorder, const char *bytes)
{
    return (recorder->recent.bytes &&
            memmem(recorder->recent.bytes, recorder->recent.size, bytes, strlen(bytes))) ||
           (recorder->kept.bytes &&
            memmem(recorder->kept.bytes, recorder->kept.size, bytes, strlen(bytes)));
}

TEST(secrets_never_get_into_its_bytes)
{
    struct exchange_fixture x;
    struct recorder *recorder = recorder_create(64 * KIB);
    struct fields response;

    memset(recorder->recent.bytes, 0, recorder->recent.size);
    memset(recorder->kept.bytes, 0, recorder->kept.size);
    good(&x);
    x.record.status = 404;
    fixture_fields(
        &x.request.fields, &x.arena,
        "Authorization: Bearer hunter2|Proxy-Authorization: hunter2|Cookie: s=hunter2|"
        "apikey: hunter2|X-Session: hunter2|Referer: http://r/?token=hunter2|X-Open: yes");
    x.request.request_line = SLICE("GET /a?apikey=hunter2 HTTP/1.1");
    x.record.upstream_uri = SLICE("/up?apikey=hunter2");
    fixture_fields(&response, &x.arena, "Set-Cookie: s=hunter2|Location: /?code=hunter2");
    x.record.response_fields = &response;
    x.record.reason_detail = SLICE("Cookie: hunter2");
    x.record.tries[0].detail = SLICE("Set-Cookie: hunter2");
    recorder_note(recorder, &x.record, 1, SLOW_MS);
    CHECK(!holds_bytes(recorder, "hunter2"));
    CHECK(!memmem(recorder->scratch, sizeof(recorder->scratch), "hunter2", 7));
    CHECK(holds_bytes(recorder, "Set-Cookie: *********\nLocation: /?code=*******\n"));
    CHECK(holds_bytes(recorder, "Cookie: *********\napikey: *******\nX-Session: *******\n"
                                "Referer: http://r/?token=*******\nX-Open: yes\n"));
    exchange_fixture_done(&x);
    recorder_free(recorder);
}

TEST(texts_are_cut_and_their_length_is_kept)
{
    static char huge[20000];
    struct exchange_fixture x;
    struct recorder *recorder = recorder_create(64 * KIB);
    const struct recorded_exchange *entry;

    memset(huge, 'a', sizeof(huge));
    good(&x);
    CHECK_INT(fields_add(&x.request.fields, SLICE("X-Huge"), (struct slice){ huge, sizeof(huge) }),
              0);
    x.request.request_line = x.request.authority = (struct slice){ huge, sizeof(huge) };
    x.record.upstream_uri = x.record.upstream_host = x.record.reason_detail =
        x.request.request_line;
    x.record.response_fields = &x.request.fields;
    x.record.tries_count = 0;
    for (int i = 0; i < EXCHANGE_TRIES_KEPT; i++) {
        struct try_record *try = exchange_fixture_try(&x, END_CONNECT_REFUSED);

        try->detail = try->target_name = x.request.request_line;
    }
    x.record.tries_count = 40; /* the others were not kept */
    recorder_note(recorder, &x.record, 1, SLOW_MS);
    entry = newest(recorder, &recorder->kept);
    assert_non_null(entry);
    CHECK_INT(entry->request_line.kept, RECORDED_LINE_MAX);
    CHECK_INT(entry->request_line.length, sizeof(huge));
    CHECK_INT(entry->request_fields.kept, RECORDED_REQUEST_FIELDS_MAX);
    CHECK(entry->request_fields.length > sizeof(huge));
    CHECK_INT(recorded_tries_count(entry), EXCHANGE_TRIES_KEPT);
    CHECK_INT(entry->tries[7].detail.kept, RECORDED_DETAIL_MAX);
    exchange_fixture_done(&x);
    recorder_free(recorder);
}

TEST(good_traffic_does_not_push_out_what_failed)
{
    struct exchange_fixture x;
    struct recorder *recorder = recorder_create(8 * KIB);
    const struct recorded_exchange *entry;

    good(&x);
    x.record.status = 502;
    x.record.number = 1;
    recorder_note(recorder, &x.record, 1, SLOW_MS);
    x.record.status = 200;
    for (x.record.number = 2; x.record.number < 500; x.record.number++)
        recorder_note(recorder, &x.record, 1, SLOW_MS);
    entry = newest(recorder, &recorder->kept);
    assert_non_null(entry);
    CHECK_INT(entry->number, 1);
    CHECK_INT(recorder->kept.count, 1);
    CHECK(recorder->recent.count > 1 && recorder->recent.count < 20);
    CHECK_INT(newest(recorder, &recorder->recent)->number, 499);
    exchange_fixture_done(&x);
    recorder_free(recorder);
}

TEST(failed_cut_retried_and_slow_ones_are_kept_longer)
{
    static const struct {
        uint16_t status;
        enum end_reason reason;
        bool truncated, kept;
        uint32_t took_ms, tries;
    } cases[] = {
        { 200, END_OK, false, false, 5, 1 },
        { 404, END_NO_ROUTE, false, false, 5, 0 },
        { 404, END_OK, false, false, 5, 1 },
        { 200, END_OK, false, false, SLOW_MS - 1, 1 },
        { 200, END_OK, false, true, SLOW_MS, 1 },
        { 200, END_OK, false, true, 5, 2 },
        { 200, END_UPSTREAM_BODY_CLOSED, true, true, 5, 1 },
        { 503, END_NO_TARGET, false, true, 5, 0 },
        { 500, END_OK, false, true, 5, 1 },
        { 499, END_CLIENT_ABORTED, false, true, 5, 1 },
        { 413, END_CLIENT_BODY_TOO_BIG, false, true, 5, 0 },
        { 0, END_SHUTTING_DOWN, false, true, 5, 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct exchange_fixture x;
        struct recorder *recorder = recorder_create(64 * KIB);

        good(&x);
        x.record.status = cases[i].status;
        x.record.reason = cases[i].reason;
        x.record.truncated = cases[i].truncated;
        x.record.tries[1] = x.record.tries[0];
        x.record.tries_count = cases[i].tries;
        x.record.ended_at_us = x.record.started_at_us + cases[i].took_ms * 1000;
        recorder_note(recorder, &x.record, 1, SLOW_MS);
        CHECK_INT(recorder->kept.count, cases[i].kept);
        CHECK_INT(recorder->recent.count, !cases[i].kept);
        exchange_fixture_done(&x);
        recorder_free(recorder);
    }
}

TEST(tiny_sizes_and_none_are_survived)
{
    for (size_t bytes = 0; bytes < 4096; bytes += 37) {
        struct exchange_fixture x;
        struct recorder *recorder = recorder_create(bytes);

        good(&x);
        for (int i = 0; i < 5; i++)
            recorder_note(recorder, &x.record, 1, SLOW_MS);
        CHECK(bytes >= 1024 || recorder->recent.count == 0);
        CHECK(recorder->recent.tail - recorder->recent.head <= bytes / 2);
        exchange_fixture_done(&x);
        recorder_free(recorder);
    }
}

TEST(another_size_keeps_the_newest_that_fit)
{
    struct exchange_fixture x;
    struct recorder *recorder = recorder_create(64 * KIB);
    uint64_t before;

    good(&x);
    for (x.record.number = 1; x.record.number <= 20; x.record.number++)
        recorder_note(recorder, &x.record, 1, SLOW_MS);
    before = recorder->recent.count;
    CHECK_INT(before, 20);
    CHECK_INT(recorder_resize(recorder, 128 * KIB), 0);
    CHECK_INT(recorder->recent.count, 20);
    CHECK_INT(recorder_resize(recorder, 8 * KIB), 0);
    CHECK(recorder->recent.count > 0 && recorder->recent.count < 20);
    CHECK_INT(newest(recorder, &recorder->recent)->number, 20);
    CHECK_INT(recorder_resize(recorder, 0), 0);
    CHECK_INT(recorder->recent.count, 0);
    recorder_note(recorder, &x.record, 1, SLOW_MS);
    CHECK_INT(recorder->recent.count, 0);
    exchange_fixture_done(&x);
    recorder_free(recorder);
}

TESTS(TEST_CASE(entry_holds_what_the_record_said),
      TEST_CASE(method_and_path_are_found_in_the_copied_line),
      TEST_CASE(secrets_never_get_into_its_bytes),
      TEST_CASE(texts_are_cut_and_their_length_is_kept),
      TEST_CASE(good_traffic_does_not_push_out_what_failed),
      TEST_CASE(failed_cut_retried_and_slow_ones_are_kept_longer),
      TEST_CASE(tiny_sizes_and_none_are_survived),
      TEST_CASE(another_size_keeps_the_newest_that_fit))
