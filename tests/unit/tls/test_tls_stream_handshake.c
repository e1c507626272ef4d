/*
 * test_tls_stream_handshake: what comes before a stream is open, and when something else comes.
 */
#include <stdio.h>

#include "tests/unit/tls/raw_peer.h"
#include "tests/unit/tls/scene.h"
#include "tls/handshake_queue.h"
#include "tls/ticket_keys.h"

TEST(plain_http_on_the_tls_port_can_be_answered_in_plain_text)
{
    struct scene scene;
    struct stream *lower;

    scene_init(&scene, www_server(TLS_VERSION_DEFAULT));
    scene_start_server(&scene);
    scene_send_below(&scene, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    scene_run(&scene);
    CHECK(scene.server.open_failed);
    CHECK_INT(scene.server.failed_step, STREAM_STEP_TLS_HANDSHAKE);
    CHECK_STR(scene.server.failed_detail, TLS_PLAIN_HTTP);
    CHECK_INT(scene.pair.ends[AT_SERVER].written.length, 0); /* no alert before the 400 */
    lower = tls_stream_take_lower(scene.server.stream);
    CHECK(lower == &scene.pair.ends[AT_SERVER].base);
    scene.server.stream = lower;
    CHECK_INT(side_say(&scene.server, "HTTP/1.1 400 Bad Request\r\n\r\n"), 0);
    scene_run(&scene);
    CHECK_INT(stream_read(&scene.pair.ends[AT_CLIENT].base, &scene.client.received, 1000), 28);
    CHECK_STR(side_heard(&scene.client), "HTTP/1.1 400 Bad Request\r\n\r\n");
    scene_done(&scene);
}

TEST(what_was_there_before_the_stream_is_reported_by_begin)
{
    struct scene scene;

    scene_init(&scene, www_server(TLS_VERSION_DEFAULT));
    scene_send_below(&scene, SLICE("HEAD / HTTP/1.0\r\n\r\n"));
    scene_run(&scene);
    scene_start_server(&scene); /* hands the result of tls_stream_begin to side_on_event */
    CHECK(scene.server.open_failed);
    CHECK_STR(scene.server.failed_detail, TLS_PLAIN_HTTP);
    scene_done(&scene);
}

TEST(bytes_that_are_neither_tls_nor_http_get_an_alert)
{
    struct scene scene;

    scene_init(&scene, www_server(TLS_VERSION_DEFAULT));
    scene_start_server(&scene);
    scene_send_below(&scene, SLICE("\x16garbage that is no handshake"));
    scene_run(&scene);
    CHECK(scene.server.open_failed);
    CHECK_INT(scene.server.failed_step, STREAM_STEP_TLS_HANDSHAKE);
    CHECK(strstr(scene.server.failed_detail, "SSL: error:0A00010B:SSL routines::wrong version"));
    scene_done(&scene);
}

TEST(a_client_that_leaves_during_the_handshake_is_a_plain_close)
{
    for (int reset = 0; reset < 2; reset++) {
        struct scene scene;

        scene_init(&scene, www_server(TLS_VERSION_DEFAULT));
        scene_start_server(&scene);
        scene_send_below(&scene, SLICE("\x16\x03\x01"));
        scene_run(&scene);
        stream_close(&scene.pair.ends[AT_CLIENT].base,
                     reset ? STREAM_CLOSE_ABORT : STREAM_CLOSE_FLUSH);
        scene_run(&scene);
        CHECK(scene.server.open_failed);
        CHECK_INT(scene.server.failed_step, STREAM_STEP_TLS_HANDSHAKE);
        CHECK_INT(scene.server.failed_error, reset ? -ECONNRESET : 0);
        CHECK_STR(scene.server.failed_detail, "");
        scene_done(&scene);
    }
}

TEST(writing_before_the_handshake_is_refused)
{
    struct scene scene;

    scene_init(&scene, www_server(TLS_VERSION_DEFAULT));
    scene_start_server(&scene);
    CHECK_INT(side_say(&scene.server, "x"), -ENOTCONN);
    CHECK_INT(stream_read(scene.server.stream, &scene.server.received, 1), -EAGAIN);
    CHECK(stream_tls_info(scene.server.stream) == NULL);
    scene_done(&scene);
}

/* ---- turns ---- */

struct worker {
    struct loop *loop;
    struct tls_handshake_queue queue;
    _Atomic uint64_t deferred_count;
};

static void worker_init(struct worker *worker)
{
    struct loop_options options;
    char error[256];

    loop_options_default(&options);
    worker->loop = loop_create(&options, error, sizeof(error));
    if (!worker->loop)
        fail_msg("%s", error);
    tls_handshake_queue_init(&worker->queue, worker->loop, &worker->deferred_count);
}

static void worker_done(struct worker *worker)
{
    tls_handshake_queue_done(&worker->queue);
    loop_free(worker->loop);
}

static void start_server_that_waits(struct scene *scene, struct worker *worker)
{
    struct stream *lower = &scene->pair.ends[AT_SERVER].base;
    struct stream *stream = tls_stream_accept(&lower, scene->pool, scene->server_config);

    tls_stream_take_turns(stream, &worker->queue);
    side_start(&scene->server, stream);
}

TEST(a_step_waits_for_its_turn_and_announces_the_end_itself)
{
    struct worker worker;
    struct scene scene;
    int turns = 0;

    worker_init(&worker);
    scene_init(&scene, www_server(TLS_VERSION_DEFAULT));
    start_server_that_waits(&scene, &worker);
    scene_start_client(&scene, verifying_client(), to_www());
    for (; turns < 10 && !scene.server.open; turns++) {
        size_t written = scene.pair.ends[AT_SERVER].written.length;

        scene_run(&scene);
        CHECK_INT(scene.pair.ends[AT_SERVER].written.length, written); /* nothing but in a turn */
        CHECK(!scene.server.open);
        CHECK(loop_turn(worker.loop, 0) >= 0);
    }
    CHECK(scene.server.open);
    CHECK_INT(side_say(&scene.client, "no turn for this"), 0);
    scene_run(&scene);
    CHECK_STR(side_heard(&scene.server), "no turn for this");
    scene_done(&scene);
    worker_done(&worker);
}

TEST(a_failure_in_a_turn_is_announced_too)
{
    struct worker worker;
    struct scene scene;

    worker_init(&worker);
    scene_init(&scene, www_server(TLS_VERSION_DEFAULT));
    start_server_that_waits(&scene, &worker);
    scene_send_below(&scene, SLICE("GET / HTTP/1.1\r\n\r\n"));
    for (int turns = 0; turns < 3 && !scene.server.open_failed; turns++) {
        scene_run(&scene);
        CHECK(loop_turn(worker.loop, 0) >= 0);
    }
    CHECK_STR(scene.server.failed_detail, TLS_PLAIN_HTTP);
    scene_done(&scene);
    worker_done(&worker);
}

TEST(who_is_closed_while_it_waits_gets_no_turn)
{
    struct worker worker;
    struct scene scene;

    worker_init(&worker);
    scene_init(&scene, www_server(TLS_VERSION_DEFAULT));
    start_server_that_waits(&scene, &worker);
    CHECK_INT(worker.queue.length, 1);
    side_close(&scene.server, STREAM_CLOSE_ABORT);
    CHECK_INT(worker.queue.length, 0);
    CHECK(loop_turn(worker.loop, 0) >= 0);
    scene_done(&scene);
    worker_done(&worker);
}

/* ---- 0-RTT ---- */

static SSL_CTX *raw_client_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    CHECK(context && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1);
    return context;
}

/* A client that is sure of 0-RTT whatever the ticket said. *session is offered if there is one; replaced
 * by the newest. */
static void send_early(struct tls_server_config *config, SSL_SESSION **session)
{
    struct scene scene;
    struct raw_peer peer;
    size_t written = 0;
    char byte;

    scene_init(&scene, tls_server_config_ref(config));
    scene_start_server(&scene);
    raw_peer_init(&peer, raw_client_context(), &scene.pair.ends[AT_CLIENT].base, scene.pool);
    SSL_set_connect_state(peer.ssl);
    if (*session) {
        CHECK_INT(SSL_SESSION_get_max_early_data(*session), 0);
        CHECK_INT(SSL_SESSION_set_max_early_data(*session, 1000), 1);
        CHECK_INT(SSL_set_session(peer.ssl, *session), 1);
        CHECK_INT(SSL_write_early_data(peer.ssl, "early", 5, &written), 1);
        raw_peer_send(&peer, SIZE_MAX);
        scene_run(&scene);
        raw_peer_receive(&peer);
    }
    CHECK_INT(raw_peer_handshake(&peer, &scene.pair), 1);
    if (*session) {
        CHECK_INT(SSL_session_reused(peer.ssl), 1);
        CHECK_INT(SSL_get_early_data_status(peer.ssl), SSL_EARLY_DATA_REJECTED);
    }
    CHECK_INT(SSL_write(peer.ssl, "late", 4), 4);
    raw_peer_send(&peer, SIZE_MAX);
    scene_run(&scene);
    CHECK_STR(side_heard(&scene.server), "late");
    raw_peer_receive(&peer);
    (void)SSL_read(peer.ssl, &byte, 1); /* takes the ticket */
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(peer.ssl);
    SSL_set_shutdown(peer.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    raw_peer_done(&peer);
    scene_done(&scene);
}

TEST(early_data_is_refused_and_what_comes_after_the_handshake_is_served)
{
    const struct tls_certificate certificate = {
        .label = "www", .pair = { pki_shelf()->www_chain, pki_shelf()->www.key_pem }
    };
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
    struct tls_server_config *config = server_config_of(&(struct tls_server_settings){
        .certificates = &certificate, .certificates_count = 1, .ticket_keys = keys });
    SSL_SESSION *session = NULL;

    send_early(config, &session);
    send_early(config, &session);
    SSL_SESSION_free(session);
    tls_server_config_unref(config);
}

TESTS(TEST_CASE(plain_http_on_the_tls_port_can_be_answered_in_plain_text),
      TEST_CASE(what_was_there_before_the_stream_is_reported_by_begin),
      TEST_CASE(bytes_that_are_neither_tls_nor_http_get_an_alert),
      TEST_CASE(a_client_that_leaves_during_the_handshake_is_a_plain_close),
      TEST_CASE(writing_before_the_handshake_is_refused),
      TEST_CASE(a_step_waits_for_its_turn_and_announces_the_end_itself),
      TEST_CASE(a_failure_in_a_turn_is_announced_too),
      TEST_CASE(who_is_closed_while_it_waits_gets_no_turn),
      TEST_CASE(early_data_is_refused_and_what_comes_after_the_handshake_is_served))
