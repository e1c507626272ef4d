/* The steps over streams in memory: what is read, sent and ended does not depend on how bytes are cut. */
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/unit/memory_stream.h"
#include "tools/origin/origin_priv.h"

struct scene {
    struct origin origin;
    struct origin_listener listener;
    struct memory_pair pair;
    struct buf got; /* by the client */
};

static void begin(struct scene *scene, const char *script_text)
{
    struct loop_options options;
    struct config_errors errors;
    struct identity_settings settings = { 0 };
    char error[256] = "";

    *scene = (struct scene){ 0 };
    loop_options_default(&options);
    options.tick_ms = 1;
    scene->origin.loop = loop_create(&options, error, sizeof(error));
    scene->origin.library = fault_library_builtin();
    scene->origin.logbook = logbook_create(NULL, error, sizeof(error));
    scene->origin.identity = identity_create(&settings, error, sizeof(error));
    scene->origin.time_scale = 1000;
    CHECK(scene->origin.loop && scene->origin.library && scene->origin.logbook &&
          scene->origin.identity);
    config_errors_init(&errors);
    scene->listener = (struct origin_listener){
        .origin = &scene->origin,
        .name = "unit",
        .fd = -1,
        .script = script_read(&(struct script_source){ .text = slice_of(script_text),
                                                       .format = DOCUMENT_YAML,
                                                       .builtin = scene->origin.library },
                              &errors),
    };
    CHECK_INT(errors.count, 0);
    buf_init(&scene->got, scene->origin.loop->pool);
}

static void end(struct scene *scene)
{
    while (scene->origin.conns)
        origin_conn_end(scene->origin.conns, STREAM_CLOSE_ABORT, "stopped");
    buf_done(&scene->got);
    script_unref(scene->listener.script);
    identity_free(scene->origin.identity);
    logbook_free(scene->origin.logbook);
    fault_library_free(scene->origin.library);
    memory_pair_done(&scene->pair);
    loop_free(scene->origin.loop);
}

static struct memory_end *server(struct scene *scene)
{
    return &scene->pair.ends[0];
}

static void connect_client(struct scene *scene, size_t cut, unsigned seed)
{
    memory_pair_done(&scene->pair);
    memory_pair_init(&scene->pair, scene->origin.loop->pool);
    scene->pair.cut = cut;
    scene->pair.random_cut = seed;
    buf_done(&scene->got);
    origin_conn_begin(&scene->listener, &server(scene)->base);
}

/* Whatever can happen without more from the client; timers too, as long as one is armed. */
static void settle(struct scene *scene)
{
    struct stream *client = &scene->pair.ends[1].base;

    for (int idle = 0; idle < 3;) {
        bool moved = memory_pair_step(&scene->pair);

        while (stream_read(client, &scene->got, 1 << 20) > 0)
            moved = true;
        if (timer_wheel_next(&scene->origin.loop->timers) != UINT64_MAX) {
            CHECK_INT(loop_turn(scene->origin.loop, 10), 0);
            moved = true;
        } else {
            CHECK_INT(loop_turn(scene->origin.loop, 0), 0);
        }
        idle = moved ? 0 : idle + 1;
    }
}

static void say(struct scene *scene, const char *text)
{
    struct buf bytes;

    buf_init(&bytes, scene->origin.loop->pool);
    CHECK_INT(buf_append_bytes(&bytes, text, strlen(text)), 0);
    CHECK_INT(stream_write(&scene->pair.ends[1].base, &bytes), 0);
    buf_done(&bytes);
}

static void check_got(struct scene *scene, const char *wanted)
{
    char text[4096];
    size_t length = buf_peek(&scene->got, text, sizeof(text) - 1);

    text[length] = '\0';
    CHECK_STR(text, wanted);
}

#define GET                    "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST                   "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
#define OK_OF(content, length) "HTTP/1.1 200 OK\r\nContent-Length: " #length "\r\n\r\n" content

#define FIELDS_4  "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n"
#define FIELDS_12 FIELDS_4 FIELDS_4 FIELDS_4

struct play_case {
    const char *script, *said, *wanted;
    bool ends;
    enum stream_close how;
};

static const struct play_case play_cases[] = {
    { "rules: [{on: connection, steps: [read_request, [send, one], read_request, [send, two], "
      "close]}]",
      POST GET, "onetwo", true, STREAM_CLOSE_FLUSH },
    { "rules: [{on: connection, steps: [[serve, warm], [read_some, 1], rst]}]", GET GET,
      OK_OF("warm", 4), true, STREAM_CLOSE_CUT },
    { "rules: [{on: connection, steps: [[read_some, 40], [send, x], hold]}]", POST, "x", false, 0 },
    { "rules: [{on: connection, steps: [read_head, [send, early], close]}]",
      "POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\nabc", "early", true, STREAM_CLOSE_FLUSH },
    { "rules: [{on: connection, steps: [[serve, a], [loop, 2]]}]", GET POST GET GET,
      OK_OF("a", 1) OK_OF("a", 1) OK_OF("a", 1), true, STREAM_CLOSE_FLUSH },
    { "rules: [{on: connection, steps: [[sleep, 1], [trickle, abcdef, 2, 4], [delay, 30], [repeat, "
      "xy, 3], "
      "[fields, N, 2, 3], [big, 20], [alert, 40], hold]}]",
      "", "abcdefxyxyxyN0: aaa\r\nN1: aaa\r\n000000000000000\n0000\x15\x03\x03", false, 0 },
    { "rules: [{on: connection, steps: [[send, bye], fin, [send, lost], drain, close]}]", GET,
      "bye", false, 0 },
    { "answer: {content: good, chunked: true}", POST GET,
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: "
      "chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: "
      "chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
      false, 0 },
    { "answer: {status: 204, delay_ms: 5000, close: true}", GET,
      "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", true, STREAM_CLOSE_LINGER },
    { "rules: [{nth: 1, steps: [[send, unread]]}]\nanswer: {status: 204}", POST GET,
      "unreadHTTP/1.1 204 No Content\r\n\r\n", false, 0 },
    { "rules: [{nth: 1, steps: [[send, x], hold]}]\nanswer: {status: 204}", GET POST,
      "xHTTP/1.1 204 No Content\r\n\r\n", false, 0 },
};

static void check_play(const struct play_case *play, size_t cut, unsigned seed)
{
    struct scene scene;

    begin(&scene, play->script);
    connect_client(&scene, cut, seed);
    say(&scene, play->said);
    settle(&scene);
    check_got(&scene, play->wanted);
    CHECK_INT(server(&scene)->closed, play->ends);
    if (play->ends)
        CHECK_INT(server(&scene)->closed_how, play->how);
    end(&scene);
}

TEST(steps_do_the_same_however_bytes_are_cut)
{
    for (size_t i = 0; i < sizeof(play_cases) / sizeof(play_cases[0]); i++) {
        check_play(&play_cases[i], 0, 0);
        check_play(&play_cases[i], 1, 0);
        for (unsigned seed = 1; seed < 6; seed++)
            check_play(&play_cases[i], 30, seed);
    }
}

TEST(a_connection_plays_the_list_of_its_number)
{
    struct scene scene;

    begin(&scene, "fault: f\nfaults: {f: {connections: [[[send, one]], [[send, two]]]}}");
    connect_client(&scene, 0, 0);
    settle(&scene);
    check_got(&scene, "one");
    for (int i = 0; i < 2; i++) {
        connect_client(&scene, 0, 0);
        settle(&scene);
        check_got(&scene, "two");
        CHECK(server(&scene)->closed);
    }
    end(&scene);
}

TEST(what_is_big_waits_for_who_reads)
{
    struct scene scene;
    size_t got = 0;

    begin(&scene, "rules: [{on: connection, steps: [[big, 3000000], close]}]");
    connect_client(&scene, 5000, 0);
    CHECK(server(&scene)->queue.length >= STREAM_QUEUE_HIGH);
    CHECK(server(&scene)->queue.length < STREAM_QUEUE_HIGH + 64 * 1024);
    settle(&scene);
    got = scene.got.length;
    CHECK_INT(got, 3000000);
    CHECK(server(&scene)->closed);
    end(&scene);
}

TEST(the_other_sides_end_ends_a_step_that_reads)
{
    static const char *const scripts[] = {
        "rules: [{on: connection, steps: [read_request, [send, x]]}]",
        "rules: [{on: connection, steps: [[read_some, 100], [send, x]]}]",
        "rules: [{on: connection, steps: [hold, [send, x]]}]",
        "answer: {status: 200}",
    };

    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct scene scene;

        begin(&scene, scripts[i]);
        connect_client(&scene, 3, 0);
        say(&scene, "GET / HTT");
        stream_shutdown_write(&scene.pair.ends[1].base);
        settle(&scene);
        check_got(&scene, "");
        CHECK(server(&scene)->closed && !scene.origin.conns);
        end(&scene);
    }
}

TEST(requests_are_noted_with_their_number)
{
    struct scene scene;
    json_t *list;

    begin(&scene, "{}");
    connect_client(&scene, 1, 0);
    say(&scene, GET POST);
    settle(&scene);
    list = logbook_requests(scene.origin.logbook, &(struct logbook_query){ .limit = 10 });
    CHECK_INT(json_array_size(json_object_get(list, "requests")), 2);
    for (size_t i = 0; i < 2; i++) {
        json_t *request = json_array_get(json_object_get(list, "requests"), i);

        CHECK_INT(json_integer_value(json_object_get(request, "number")), i + 1);
        CHECK_INT(json_integer_value(json_object_get(request, "content_bytes")), i * 3);
        CHECK_STR(json_string_value(json_object_get(request, "end")), "kept");
    }
    json_decref(list);
    end(&scene);
}

/* A step that reads bytes goes on behind the request that has chosen it. */
static void check_reading_on(size_t cut)
{
    static const char *const said[] = {
        "GET /a HTTP/1.1\r\n" FIELDS_12 "X: y\r\n\r\n",
        "POST /b HTTP/1.1\r\n" FIELDS_12 FIELDS_12 "Content-Length: 3\r\n\r\nabc",
        "odd\r\n" FIELDS_12 FIELDS_12 FIELDS_12 FIELDS_12 "\r\n",
    };
    char script[128];
    struct scene scene;
    json_t *list, *requests;

    snprintf(script, sizeof(script),
             "rules: [{nth: 1, steps: [[read_some, %zu], [send, x]]}]\nanswer: {status: 204}",
             strlen(said[0]) + strlen(said[1]) + strlen(said[2]));
    begin(&scene, script);
    connect_client(&scene, cut, 0);
    for (size_t i = 0; i < 3; i++) {
        check_got(&scene, "");
        say(&scene, said[i]);
        settle(&scene);
    }
    check_got(&scene, "x");
    say(&scene, GET);
    settle(&scene);
    check_got(&scene, "xHTTP/1.1 204 No Content\r\n\r\n");
    list = logbook_requests(scene.origin.logbook, &(struct logbook_query){ .limit = 10 });
    requests = json_object_get(list, "requests");
    CHECK_INT(json_array_size(requests), 3);
    for (size_t i = 0; i < 3; i++) {
        static const char *const targets[] = { "/a", "/b", "/" };
        static const size_t counts[] = { 13, 25, 1 };
        json_t *request = json_array_get(requests, i);

        CHECK_STR(json_string_value(json_object_get(request, "target")), targets[i]);
        CHECK_INT(json_array_size(json_object_get(request, "fields")), counts[i]);
        CHECK_INT(json_integer_value(json_object_get(request, "content_bytes")), i == 1 ? 3 : 0);
    }
    json_decref(list);
    end(&scene);
}

TEST(requests_behind_one_that_is_read_on_are_noted)
{
    check_reading_on(0);
    check_reading_on(1);
    check_reading_on(30);
}

TESTS(TEST_CASE(steps_do_the_same_however_bytes_are_cut),
      TEST_CASE(a_connection_plays_the_list_of_its_number),
      TEST_CASE(what_is_big_waits_for_who_reads),
      TEST_CASE(the_other_sides_end_ends_a_step_that_reads),
      TEST_CASE(requests_are_noted_with_their_number),
      TEST_CASE(requests_behind_one_that_is_read_on_are_noted))
