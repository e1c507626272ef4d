#include "tls/tls_stream.h"

#include "tests/unit/tls/raw_peer.h"
#include "tests/unit/tls/scene.h"

enum {
    MEBIBYTE = 1 << 20,
    RECORD_HEAD_BYTES = 5,
    TLS_CONTENT_MAX = 16384,
    RECORD_ALERT = 21,
    RECORD_DATA = 23
};

static void open_scene(struct scene *scene, enum tls_version version, size_t cut)
{
    scene_init(scene, www_server(version));
    scene->pair.cut = cut;
    scene_start_server(scene);
    scene_start_client(scene, verifying_client(), to_www());
    scene_run(scene);
    CHECK(scene->server.open && scene->client.open);
}

static void talk(struct scene *scene)
{
    CHECK_INT(side_say(&scene->client, "ping"), 0);
    scene_run(scene);
    CHECK_STR(side_heard(&scene->server), "ping");
    CHECK_INT(side_say(&scene->server, "pong"), 0);
    scene_run(scene);
    CHECK_STR(side_heard(&scene->client), "pong");
}

/* Records among the bytes written after `from`; their types in ret_types. */
static size_t records_written(const struct memory_end *end, size_t from, unsigned char *ret_types,
                              size_t max)
{
    size_t length = end->written.length, at = from, count = 0;
    unsigned char *bytes = malloc(length + 1);

    CHECK(bytes);
    CHECK_INT(buf_peek(&end->written, bytes, length), length);
    while (at + RECORD_HEAD_BYTES <= length) {
        CHECK(count < max);
        ret_types[count++] = bytes[at];
        at += RECORD_HEAD_BYTES + ((size_t)bytes[at + 3] << 8 | bytes[at + 4]);
    }
    CHECK_INT(at, length);
    free(bytes);
    return count;
}

TEST(handshake_completes_when_fed_one_byte_at_a_time)
{
    static const struct {
        enum tls_version version;
        const char *name;
    } versions[] = { { TLS_VERSION_1_2, "TLSv1.2" }, { TLS_VERSION_1_3, "TLSv1.3" } };

    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        const struct tls_session_info *info;

        open_scene(&scene, versions[i].version, 1);
        talk(&scene);
        info = stream_tls_info(scene.server.stream);
        CHECK_STR(info->version, versions[i].name);
        CHECK_STR(info->server_name, "www.example.com");
        CHECK_STR(info->client.verify, "NONE");
        CHECK_STR(info->alpn, "");
        CHECK_STR(stream_tls_info(scene.client.stream)->cipher, info->cipher);
        CHECK(!info->resumed);
        scene_done(&scene);
    }
}

TEST(two_requests_in_one_record_are_both_read_without_another_event)
{
    struct scene scene;
    struct buf into;
    long n;

    open_scene(&scene, TLS_VERSION_1_3, 0);
    scene.server.paused = true;
    CHECK_INT(side_say(&scene.client, "GET /1\r\nGET /2\r\n"), 0);
    scene_run(&scene);
    buf_init(&into, scene.pool);
    CHECK_INT(stream_read(scene.server.stream, &into, 8), 8);
    /* no event can come: the wire is quiet and the rest sits inside OpenSSL */
    CHECK(!memory_pair_step(&scene.pair));
    while ((n = stream_read(scene.server.stream, &into, 3)) > 0)
        CHECK(n <= 3);
    CHECK_INT(n, -EAGAIN);
    CHECK_INT(into.length, 16);
    buf_done(&into);
    scene_done(&scene);
}

TEST(a_large_record_is_read_in_parts_without_another_event)
{
    static char content[TLS_CONTENT_MAX];
    struct scene scene;
    struct buf into;

    open_scene(&scene, TLS_VERSION_1_3, 0);
    scene.server.paused = true;
    CHECK_INT(side_write(&scene.client, content, sizeof(content)), 0);
    scene_run(&scene);
    buf_init(&into, scene.pool);
    for (size_t got = 0; got < sizeof(content); got += 4096) {
        CHECK_INT(stream_read(scene.server.stream, &into, 4096), 4096);
        CHECK(!memory_pair_step(&scene.pair)); /* a pause: nothing more will be announced */
    }
    CHECK_INT(stream_read(scene.server.stream, &into, 4096), -EAGAIN);
    buf_done(&into);
    scene_done(&scene);
}

TEST(head_and_small_content_written_together_are_one_record)
{
    unsigned char types[4];
    struct scene scene;
    struct buf answer, content;
    size_t before;

    open_scene(&scene, TLS_VERSION_1_2, 0);
    before = scene.pair.ends[AT_SERVER].written.length;
    buf_init(&answer, scene.pool);
    buf_init(&content, scene.pool);
    CHECK_INT(buf_append_slice(&answer, SLICE("HTTP/1.1 200 OK\r\n\r\n")), 0);
    CHECK_INT(buf_append_slice(&content, SLICE("hello")), 0);
    CHECK_INT(buf_move(&answer, &content, 5), 0);
    CHECK_INT(answer.count, 2); /* spans */
    CHECK_INT(stream_write(scene.server.stream, &answer), 0);
    CHECK(buf_is_empty(&answer));
    CHECK_INT(records_written(&scene.pair.ends[AT_SERVER], before, types, 4), 1);
    CHECK_INT(types[0], RECORD_DATA);
    scene_run(&scene);
    CHECK_STR(side_heard(&scene.client), "HTTP/1.1 200 OK\r\n\r\nhello");
    scene_done(&scene);
}

static unsigned char pattern_byte(size_t i, unsigned salt)
{
    return (unsigned char)(i * 31 + (i >> 8) * 7 + salt);
}

static void write_pattern(struct side *side, unsigned salt)
{
    unsigned char *bytes = malloc(MEBIBYTE);

    CHECK(bytes);
    for (size_t i = 0; i < MEBIBYTE; i++)
        bytes[i] = pattern_byte(i, salt);
    CHECK_INT(side_write(side, bytes, MEBIBYTE), 0);
    free(bytes);
}

static void check_pattern(struct side *side, unsigned salt)
{
    unsigned char *bytes = malloc(MEBIBYTE);
    size_t wrong = 0;

    CHECK(bytes);
    CHECK_INT(side->received.length, MEBIBYTE);
    CHECK_INT(buf_peek(&side->received, bytes, MEBIBYTE), MEBIBYTE);
    for (size_t i = 0; i < MEBIBYTE; i++)
        wrong += bytes[i] != pattern_byte(i, salt);
    CHECK_INT(wrong, 0);
    free(bytes);
}

TEST(a_mebibyte_each_way_survives_random_cuts)
{
    for (unsigned seed = 1; seed <= 4; seed++) {
        struct scene scene;

        open_scene(&scene, seed % 2 ? TLS_VERSION_1_2 : TLS_VERSION_1_3, 0);
        scene.pair.cut = 40000 / seed;
        scene.pair.random_cut = seed;
        if (seed > 2)
            stream_set_read_size(scene.server.stream, STREAM_READ_BULK);
        write_pattern(&scene.client, seed);
        write_pattern(&scene.server, seed + 100);
        CHECK(stream_queued(scene.client.stream) > MEBIBYTE); /* ciphertext of the stream below */
        scene_run(&scene);
        check_pattern(&scene.server, seed);
        check_pattern(&scene.client, seed + 100);
        CHECK_INT(stream_queued(scene.client.stream), 0);
        CHECK_INT(scene.client.events & (STREAM_DRAINED | STREAM_WRITABLE),
                  STREAM_DRAINED | STREAM_WRITABLE);
        scene_done(&scene);
    }
}

TEST(fin_without_close_notify_is_a_truncation_and_leaves_writing_open)
{
    struct scene scene;

    open_scene(&scene, TLS_VERSION_1_3, 0);
    CHECK_INT(side_say(&scene.client, "half"), 0);
    stream_shutdown_write(&scene.pair.ends[AT_CLIENT].base); /* TCP only: no close_notify */
    scene_run(&scene);
    CHECK_STR(side_heard(&scene.server), "half");
    CHECK(scene.server.ended);
    CHECK_INT(scene.server.end, STREAM_TRUNCATED);
    CHECK_INT(stream_read(scene.server.stream, &scene.server.received, 1), STREAM_TRUNCATED);
    CHECK_INT(side_say(&scene.server, "answer"), 0);
    scene_run(&scene);
    CHECK_STR(side_heard(&scene.client), "answer");
    side_close(&scene.server, STREAM_CLOSE_FLUSH);
    scene_run(&scene);
    CHECK_INT(scene.client.end, 0);
    /* the client's end below is spent: it cannot send its own close_notify any more */
    scene.pair.ends[AT_CLIENT].fin_queued = false;
    scene_done(&scene);
}

TEST(close_notify_is_an_orderly_end_in_each_version)
{
    for (enum tls_version version = TLS_VERSION_1_2; version <= TLS_VERSION_1_3; version++) {
        struct scene scene;

        open_scene(&scene, version, 0);
        CHECK_INT(side_say(&scene.client, "all"), 0);
        side_close(&scene.client, STREAM_CLOSE_FLUSH);
        scene_run(&scene);
        CHECK_STR(side_heard(&scene.server), "all");
        CHECK(scene.server.ended);
        CHECK_INT(scene.server.end, 0);
        CHECK_INT(scene.pair.ends[AT_CLIENT].closed_how, STREAM_CLOSE_FLUSH);
        scene_done(&scene);
    }
}

TEST(after_shutdown_write_the_answer_still_arrives)
{
    struct scene scene;

    open_scene(&scene, TLS_VERSION_1_3, 1);
    CHECK_INT(side_say(&scene.client, "request"), 0);
    stream_shutdown_write(scene.client.stream);
    scene_run(&scene);
    CHECK_INT(scene.server.end, 0);
    CHECK_INT(side_say(&scene.server, "answer"), 0);
    scene_run(&scene);
    CHECK_STR(side_heard(&scene.client), "answer");
    CHECK(!scene.client.ended);
    side_close(&scene.client, STREAM_CLOSE_ABORT);
    scene_done(&scene);
}

TEST(abort_sends_no_close_notify)
{
    struct scene scene;
    size_t before;

    open_scene(&scene, TLS_VERSION_1_2, 0);
    before = scene.pair.ends[AT_SERVER].written.length;
    side_close(&scene.server, STREAM_CLOSE_ABORT);
    CHECK_INT(scene.pair.ends[AT_SERVER].written.length, before);
    CHECK_INT(scene.pair.ends[AT_SERVER].closed_how, STREAM_CLOSE_ABORT);
    scene_run(&scene);
    CHECK_INT(scene.client.end, -ECONNRESET);
    CHECK(side_say(&scene.client, "too late") < 0);
    scene_done(&scene);
}

TEST(cut_sends_no_close_notify_and_cuts_below)
{
    struct scene scene;
    size_t before;

    open_scene(&scene, TLS_VERSION_1_2, 0);
    before = scene.pair.ends[AT_SERVER].written.length;
    side_close(&scene.server, STREAM_CLOSE_CUT);
    CHECK_INT(scene.pair.ends[AT_SERVER].written.length, before);
    CHECK_INT(scene.pair.ends[AT_SERVER].closed_how, STREAM_CLOSE_CUT);
    scene_done(&scene);
}

TEST(orderly_close_sends_one_alert_record)
{
    unsigned char types[4];
    struct scene scene;
    size_t before;

    open_scene(&scene, TLS_VERSION_1_2, 0);
    before = scene.pair.ends[AT_SERVER].written.length;
    side_close(&scene.server, STREAM_CLOSE_FLUSH);
    CHECK_INT(records_written(&scene.pair.ends[AT_SERVER], before, types, 4), 1);
    CHECK_INT(types[0], RECORD_ALERT);
    scene_done(&scene);
}

TEST(a_stale_entry_in_the_error_queue_breaks_nothing)
{
    struct scene scene;
    bool moved = true;

    scene_init(&scene, www_server(TLS_VERSION_DEFAULT));
    scene.pair.cut = 50;
    ERR_raise(ERR_LIB_USER, 1);
    scene_start_server(&scene);
    ERR_raise(ERR_LIB_USER, 2);
    scene_start_client(&scene, verifying_client(), to_www());
    for (bool said = false; moved;) {
        ERR_raise(ERR_LIB_USER, 3);
        moved = memory_pair_step(&scene.pair);
        if (said || !scene.client.open)
            continue;
        ERR_raise(ERR_LIB_USER, 4);
        CHECK_INT(side_say(&scene.client, "still here"), 0);
        said = moved = true;
    }
    CHECK(scene.server.open && !scene.server.ended);
    CHECK_STR(side_heard(&scene.server), "still here");
    ERR_raise(ERR_LIB_USER, 5);
    scene_done(&scene);
    CHECK_INT(ERR_peek_error(), 0);
}

static SSL_CTX *raw_client_context(int version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    CHECK(context && SSL_CTX_set_min_proto_version(context, version) == 1 &&
          SSL_CTX_set_max_proto_version(context, version) == 1);
    return context;
}

TEST(a_key_update_is_answered_and_the_talk_goes_on)
{
    struct scene scene;
    struct raw_peer peer;
    unsigned char types[4];
    char heard[16] = "";
    size_t before;

    scene_init(&scene, www_server(TLS_VERSION_1_3));
    scene_start_server(&scene);
    raw_peer_init(&peer, raw_client_context(TLS1_3_VERSION), &scene.pair.ends[AT_CLIENT].base,
                  scene.pool);
    SSL_set_connect_state(peer.ssl);
    CHECK_INT(raw_peer_handshake(&peer, &scene.pair), 1);
    before = scene.pair.ends[AT_SERVER].written.length;
    CHECK_INT(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    CHECK_INT(SSL_write(peer.ssl, "ping", 4), 4);
    raw_peer_send(&peer, SIZE_MAX);
    scene_run(&scene);
    CHECK_STR(side_heard(&scene.server), "ping");
    CHECK_INT(side_say(&scene.server, "pong"), 0);
    /* OpenSSL answers a KeyUpdate with its own in front of the next thing it sends */
    CHECK_INT(records_written(&scene.pair.ends[AT_SERVER], before, types, 4), 2);
    scene_run(&scene);
    raw_peer_receive(&peer);
    CHECK_INT(SSL_read(peer.ssl, heard, sizeof(heard)), 4);
    CHECK_STR(heard, "pong");
    raw_peer_done(&peer);
    scene_done(&scene);
}

TEST(renegotiation_is_refused)
{
    struct scene scene;
    struct raw_peer peer;

    scene_init(&scene, www_server(TLS_VERSION_1_2));
    scene_start_server(&scene);
    raw_peer_init(&peer, raw_client_context(TLS1_2_VERSION), &scene.pair.ends[AT_CLIENT].base,
                  scene.pool);
    SSL_set_connect_state(peer.ssl);
    CHECK_INT(raw_peer_handshake(&peer, &scene.pair), 1);
    CHECK_INT(SSL_renegotiate(peer.ssl), 1);
    CHECK(raw_peer_handshake(&peer, &scene.pair) <= 0);
    CHECK_INT(peer.reason, SSL_R_NO_RENEGOTIATION);
    raw_peer_done(&peer);
    scene_done(&scene);
}

/* A ticket so large that it needs several records. */
static int add_large_ticket_data(SSL *ssl, void *arg)
{
    static const char data[1500];

    (void)arg;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), data, sizeof(data));
}

static SSL_CTX *raw_server_context(void)
{
    const struct pki_cert *www = &pki_shelf()->www;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    CHECK(context && SSL_CTX_use_certificate(context, www->x509) == 1 &&
          SSL_CTX_use_PrivateKey(context, www->key) == 1);
    SSL_CTX_set_max_send_fragment(context, 512);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_session_ticket_cb(context, add_large_ticket_data, NULL, NULL);
    return context;
}

/* A client whose server has sent the first 600 bytes of a ticket and keeps the rest back. */
static void open_mid_message(struct scene *scene, struct raw_peer *peer)
{
    scene_init(scene, NULL);
    raw_peer_init(peer, raw_server_context(), &scene->pair.ends[AT_SERVER].base, scene->pool);
    SSL_set_accept_state(peer->ssl);
    scene_start_client(scene, client_config_of(&(struct tls_client_settings){ 0 }), to_www());
    while (!SSL_is_init_finished(peer->ssl)) {
        scene_run(scene);
        CHECK(raw_peer_receive(peer) > 0);
        ERR_clear_error();
        (void)SSL_do_handshake(peer->ssl);
        if (!SSL_is_init_finished(peer->ssl))
            raw_peer_send(peer, SIZE_MAX);
    }
    CHECK_INT(raw_peer_send(peer, 600), 600);
    scene_run(scene);
    CHECK(scene->client.open);
}

TEST(what_is_written_inside_a_cut_handshake_message_is_held_and_sent_later)
{
    struct scene scene;
    struct raw_peer peer;
    char heard[16] = "";

    open_mid_message(&scene, &peer);
    scene.client.events = 0;
    CHECK_INT(side_say(&scene.client, "ping"), 0);
    CHECK_INT(stream_queued(scene.client.stream), 4); /* the plain text itself */
    CHECK_INT(side_say(&scene.client, "pong"), 0);
    stream_shutdown_write(scene.client.stream);
    scene_run(&scene);
    CHECK_INT(scene.client.events & STREAM_DRAINED, 0);
    CHECK(raw_peer_send(&peer, SIZE_MAX) > 0);
    scene_run(&scene);
    raw_peer_receive(&peer);
    CHECK_INT(SSL_read(peer.ssl, heard, sizeof(heard)), 8);
    CHECK_STR(heard, "pingpong");
    CHECK_INT(SSL_read(peer.ssl, heard, sizeof(heard)), 0);
    CHECK_INT(SSL_get_error(peer.ssl, 0), SSL_ERROR_ZERO_RETURN); /* close_notify came behind */
    CHECK(scene.client.events & STREAM_DRAINED);
    CHECK_INT(stream_queued(scene.client.stream), 0);
    side_close(&scene.client, STREAM_CLOSE_ABORT);
    raw_peer_done(&peer);
    scene_done(&scene);
}

TEST(closing_with_held_bytes_is_an_abort)
{
    struct scene scene;
    struct raw_peer peer;

    open_mid_message(&scene, &peer);
    CHECK_INT(side_say(&scene.client, "lost"), 0);
    side_close(&scene.client, STREAM_CLOSE_FLUSH);
    CHECK_INT(scene.pair.ends[AT_CLIENT].closed_how, STREAM_CLOSE_ABORT);
    raw_peer_done(&peer);
    scene_done(&scene);
}

static void break_next_record(struct scene *scene)
{
    scene_send_below(scene, SLICE("\x17\x03\x03\x00\x20"
                                  "0123456789abcdef0123456789abcdef"));
    scene_run(scene);
}

TEST(a_forged_record_breaks_both_directions)
{
    struct scene scene;

    open_scene(&scene, TLS_VERSION_1_3, 0);
    break_next_record(&scene);
    CHECK_INT(scene.server.end, -EPROTO);
    CHECK(strstr(stream_failure(scene.server.stream).detail, "bad record mac"));
    CHECK_INT(stream_failure(scene.server.stream).step, STREAM_STEP_READ);
    CHECK_INT(side_say(&scene.server, "x"), -EPROTO);
    scene_run(&scene);
    CHECK_INT(scene.client.end, -EPROTO); /* the alert */
    CHECK(strstr(stream_failure(scene.client.stream).detail, "SSL alert number 20"));
    scene_done(&scene);
}

/* A server whose own chunks are limited; the wire and the client have all they want. */
static bool serve_within(size_t bytes_max)
{
    struct chunk_pool *pool = chunk_pool_create(bytes_max);
    struct scene scene;
    struct stream *lower;
    bool served;

    scene_init(&scene, www_server(TLS_VERSION_DEFAULT));
    lower = &scene.pair.ends[AT_SERVER].base;
    side_start(&scene.server, tls_stream_accept(&lower, pool, scene.server_config));
    scene_start_client(&scene, verifying_client(), to_www());
    scene_run(&scene);
    if (scene.server.open)
        (void)side_say(&scene.server, "hello");
    scene_run(&scene);
    served = strcmp(side_heard(&scene.client), "hello") == 0;
    if (!served)
        CHECK_INT(stream_failure(scene.server.stream).error, -ENOMEM);
    scene_done(&scene);
    chunk_pool_free(pool);
    return served;
}

TEST(without_memory_one_connection_fails_and_says_so)
{
    CHECK(!serve_within(1));
    CHECK(!serve_within(CHUNK_SMALL_BYTES - 1));
    CHECK(serve_within(64 * 1024));
}

TESTS(TEST_CASE(handshake_completes_when_fed_one_byte_at_a_time),
      TEST_CASE(two_requests_in_one_record_are_both_read_without_another_event),
      TEST_CASE(a_large_record_is_read_in_parts_without_another_event),
      TEST_CASE(head_and_small_content_written_together_are_one_record),
      TEST_CASE(a_mebibyte_each_way_survives_random_cuts),
      TEST_CASE(fin_without_close_notify_is_a_truncation_and_leaves_writing_open),
      TEST_CASE(close_notify_is_an_orderly_end_in_each_version),
      TEST_CASE(after_shutdown_write_the_answer_still_arrives),
      TEST_CASE(abort_sends_no_close_notify), TEST_CASE(cut_sends_no_close_notify_and_cuts_below),
      TEST_CASE(orderly_close_sends_one_alert_record),
      TEST_CASE(a_stale_entry_in_the_error_queue_breaks_nothing),
      TEST_CASE(a_key_update_is_answered_and_the_talk_goes_on), TEST_CASE(renegotiation_is_refused),
      TEST_CASE(what_is_written_inside_a_cut_handshake_message_is_held_and_sent_later),
      TEST_CASE(closing_with_held_bytes_is_an_abort),
      TEST_CASE(a_forged_record_breaks_both_directions),
      TEST_CASE(without_memory_one_connection_fails_and_says_so))
