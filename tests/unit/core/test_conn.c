/* conn: bytes arrive as sent, whoever closes, resets or stalls; afterwards nothing is left over. */
#include "tests/unit/core/net.h"

static void echo_on_event(struct witness *witness, unsigned events)
{
    struct buf bytes;
    long n;

    (void)events;
    buf_init(&bytes, witness->loop->pool);
    while ((n = stream_read(witness->stream, &bytes, SIZE_MAX)) > 0)
        witness->received += (uint64_t)n;
    if (bytes.length > 0)
        CHECK_INT(stream_write(witness->stream, &bytes), 0);
    buf_done(&bytes);
    if (n == 0)
        witness_close(witness, STREAM_CLOSE_FLUSH);
}

static void attach_accepted(struct witness *witness, struct bench *bench, int fd)
{
    witness_attach(witness, bench->loop, conn_accepted(bench->loop, fd, NULL));
}

TEST(echo_returns_every_byte_in_order)
{
    struct bench bench = bench_start();
    struct witness echo = { .paused = true, .on_event = echo_on_event };
    struct raw_reader reader = { 0 };
    uint64_t sent = 0;
    int fds[2];

    net_pair(fds, 0);
    attach_accepted(&echo, &bench, fds[0]);
    reader.fd = fds[1];
    echo_on_event(&echo, 0);
    NET_UNTIL(bench.loop, (raw_read(&reader, 65536), raw_write(fds[1], &sent, 3000000)));
    shutdown(fds[1], SHUT_WR);
    NET_UNTIL(bench.loop, raw_read(&reader, 65536));
    CHECK_INT(reader.error, 0);
    CHECK_INT(reader.bytes, 3000000);
    close(fds[1]);
    bench_stop(&bench);
}

/* ---- closing at every step ----------------------------------------------------------------- */

/* Two connections play ping-pong with growing messages; every event of either is one step. */
struct dialogue {
    struct witness side[2];
    unsigned steps, close_at;
    unsigned closer; /* 0 or 1 */
    enum stream_close how;
};

static void dialogue_on_event(struct witness *witness, unsigned events)
{
    struct dialogue *dialogue = witness->context;

    dialogue->steps++;
    if (dialogue->steps >= dialogue->close_at && dialogue->side[dialogue->closer].stream)
        witness_close(&dialogue->side[dialogue->closer], dialogue->how);
    if (!witness->stream)
        return;
    if (witness->end <= 0 || (events & (STREAM_WRITE_FAILED | STREAM_OPEN_FAILED)))
        witness_close(witness, STREAM_CLOSE_FLUSH);
    else if (events & (STREAM_OPEN | STREAM_READABLE))
        CHECK_INT(witness_write(witness, 3000 * dialogue->steps), 0);
}

/* false: the dialogue ended before close_at. */
static void play(struct bench *bench, struct dialogue *dialogue)
{
    struct sockaddr_storage address;
    int listening = net_listen(&address, 8, 0), error = 0, fd;

    for (unsigned i = 0; i < 2; i++) {
        dialogue->side[i].context = dialogue;
        dialogue->side[i].on_event = dialogue_on_event;
    }
    witness_attach(&dialogue->side[0], bench->loop,
                   conn_connect(bench->loop, &address, NULL, &error));
    net_set_nonblocking(listening);
    NET_UNTIL(bench->loop, (fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC)) >= 0);
    close(listening);
    attach_accepted(&dialogue->side[1], bench, fd);
    witness_read(&dialogue->side[1]);
    if (dialogue->side[0].stream == NULL && dialogue->side[0].seen == 0)
        fail_msg("closed before the first step");
    NET_UNTIL(bench->loop, !dialogue->side[0].stream && !dialogue->side[1].stream);
}

TEST(closing_at_any_step_of_a_dialogue_leaves_nothing_behind)
{
    struct bench bench = bench_start();
    unsigned fds = net_open_fds();

    for (unsigned how = STREAM_CLOSE_FLUSH; how <= STREAM_CLOSE_ABORT; how++)
        for (unsigned closer = 0; closer < 2; closer++)
            for (unsigned k = 1; k <= 24; k++) {
                struct dialogue dialogue = { .close_at = k, .closer = closer, .how = how };

                play(&bench, &dialogue);
                CHECK(dialogue.steps >= k);
                bench_check_clean(&bench);
                CHECK_INT(net_open_fds(), fds);
            }
    bench_stop(&bench);
}

/* ---- the three ways to close --------------------------------------------------------------- */

TEST(flush_delivers_the_whole_queue_to_a_slow_reader)
{
    struct bench bench = bench_start();
    struct witness witness = { 0 };
    struct raw_reader reader = { 0 };
    int fds[2];

    net_pair(fds, 4096);
    attach_accepted(&witness, &bench, fds[0]);
    reader.fd = fds[1];
    CHECK_INT(witness_write(&witness, 700000), 0);
    witness_close(&witness, STREAM_CLOSE_FLUSH);
    NET_UNTIL(bench.loop, raw_read(&reader, 1000));
    CHECK_INT(reader.error, 0);
    CHECK_INT(reader.bytes, 700000);
    close(fds[1]);
    bench_stop(&bench);
}

TEST(closed_connections_with_a_long_queue_can_be_given_up_and_others_stay)
{
    struct bench bench = bench_start();
    struct witness witness[2] = { 0 };
    struct raw_reader readers[2] = { 0 };
    const size_t bytes[2] = { 700000, 100 };
    int fds[2];

    for (unsigned i = 0; i < 2; i++) {
        net_pair(fds, 4096);
        attach_accepted(&witness[i], &bench, fds[0]);
        readers[i].fd = fds[1];
        CHECK_INT(witness_write(&witness[i], bytes[i]), 0);
        witness_close(&witness[i], STREAM_CLOSE_FLUSH);
    }
    conn_abort_flushing(bench.loop, 1000);
    for (unsigned i = 0; i < 2; i++)
        NET_UNTIL(bench.loop, raw_read(&readers[i], 1000));
    CHECK(readers[0].bytes < bytes[0]);
    CHECK_INT(readers[1].bytes, bytes[1]);
    CHECK_INT(readers[1].error, 0);
    for (unsigned i = 0; i < 2; i++)
        close(readers[i].fd);
    bench_stop(&bench);
}

TEST(abort_is_seen_as_reset_and_what_came_before_is_a_prefix)
{
    struct bench bench = bench_start();

    for (unsigned turns = 0; turns < 12; turns++) {
        struct witness witness = { 0 };
        struct raw_reader reader = { 0 };
        int fds[2];

        net_pair(fds, 4096);
        attach_accepted(&witness, &bench, fds[0]);
        reader.fd = fds[1];
        witness_read(&witness);
        CHECK_INT(witness_write(&witness, 300000), 0);
        for (unsigned i = 0; i < turns; i++) {
            loop_turn(bench.loop, 0);
            raw_read(&reader, 5000);
        }
        CHECK(witness.stream->endpoint->bytes_sent >= reader.bytes);
        witness_close(&witness, STREAM_CLOSE_ABORT);
        NET_UNTIL(bench.loop, bench.loop->objects == 0);
        NET_UNTIL(bench.loop, raw_read(&reader, 65536));
        CHECK_INT(reader.error, ECONNRESET);
        CHECK(reader.bytes < 300000);
        close(fds[1]);
    }
    bench_stop(&bench);
}

/* The kernel drops what it has not sent when it resets, so the reader has room for everything. */
TEST(cut_hands_over_the_whole_queue_and_is_seen_as_reset)
{
    struct bench bench = bench_start();
    struct witness witness = { 0 };
    struct raw_reader reader = { 0 };
    int fds[2];

    net_pair(fds, 0);
    attach_accepted(&witness, &bench, fds[0]);
    reader.fd = fds[1];
    CHECK_INT(witness_write(&witness, 60000), 0);
    witness_close(&witness, STREAM_CLOSE_CUT);
    NET_UNTIL(bench.loop, raw_read(&reader, 1000));
    CHECK_INT(reader.bytes, 60000);
    CHECK_INT(reader.error, ECONNRESET);
    close(fds[1]);
    bench_stop(&bench);
}

/* RFC 9112 9.6: the answer must not be lost because we close while the client is still sending */
static void linger_once(struct bench *bench)
{
    struct witness witness = { .paused = true };
    struct raw_reader reader = { 0 };
    uint64_t sent = 0;
    int fds[2];

    net_pair(fds, 0);
    attach_accepted(&witness, bench, fds[0]);
    reader.fd = fds[1];
    witness_read(&witness);
    NET_UNTIL(bench->loop, !raw_write(fds[1], &sent, UINT64_MAX) && witness.seen);
    CHECK_INT(witness_write(&witness, 5000), 0);
    witness_close(&witness, STREAM_CLOSE_LINGER);
    sent = 0;
    NET_UNTIL(bench->loop, raw_write(fds[1], &sent, 1000000)); /* reads nothing before */
    NET_UNTIL(bench->loop, raw_read(&reader, 65536));
    CHECK_INT(reader.error, 0);
    CHECK_INT(reader.bytes, 5000);
    close(fds[1]);
    bench_check_clean(bench);
}

TEST(linger_lets_a_client_that_still_sends_read_our_answer)
{
    struct bench bench = bench_start();

    for (unsigned i = 0; i < 100; i++)
        linger_once(&bench);
    bench_stop(&bench);
}

TEST(linger_ends_after_a_bounded_number_of_bytes)
{
    struct bench bench = bench_start();
    struct witness witness = { 0 };
    uint64_t sent = 0;
    int fds[2];

    net_pair(fds, 0);
    attach_accepted(&witness, &bench, fds[0]);
    CHECK_INT(witness_write(&witness, 10), 0);
    witness_close(&witness, STREAM_CLOSE_LINGER);
    NET_UNTIL(bench.loop, (raw_write(fds[1], &sent, UINT64_MAX), bench.loop->objects == 0));
    CHECK(sent < 64 * 1024 * 1024);
    close(fds[1]);
    bench_stop(&bench);
}

TEST(linger_ends_when_the_peer_stays_silent)
{
    struct bench bench = bench_start();
    struct witness witness = { 0 };
    uint64_t begin = net_now_ms(), turns = 0;
    int fds[2];

    net_pair(fds, 0);
    attach_accepted(&witness, &bench, fds[0]);
    CHECK_INT(witness_write(&witness, 10), 0);
    witness_close(&witness, STREAM_CLOSE_LINGER);
    while (bench.loop->objects > 0 && turns++ < 1000)
        loop_turn(bench.loop, UINT64_MAX);
    CHECK(net_now_ms() - begin >= CONN_LINGER_IDLE_TIMEOUT_MS);
    CHECK(net_now_ms() - begin < CONN_LINGER_IDLE_TIMEOUT_MS + 2000);
    CHECK(turns < 50); /* it slept in the kernel meanwhile */
    close(fds[1]);
    bench_stop(&bench);
}

/* ---- connecting ---------------------------------------------------------------------------- */

TEST(refused_connect_is_reported_once_and_can_be_closed)
{
    struct bench bench = bench_start();
    struct witness witness = { 0 };
    struct sockaddr_storage address;
    int listening = net_listen(&address, 8, 0), error = 0;

    close(listening);
    witness_attach(&witness, bench.loop, conn_connect(bench.loop, &address, NULL, &error));
    NET_UNTIL(bench.loop, witness.seen);
    CHECK_INT(witness.seen, STREAM_OPEN_FAILED);
    CHECK_INT(stream_failure(witness.stream).step, STREAM_STEP_CONNECT);
    CHECK_INT(stream_failure(witness.stream).error, -ECONNREFUSED);
    CHECK_INT(witness_write(&witness, 10), -ECONNREFUSED);
    witness_close(&witness, STREAM_CLOSE_FLUSH);
    bench_stop(&bench);
}

/* Fills the accept queue so that further connects hang. */
static unsigned fill_backlog(const struct sockaddr_storage *address, int *fds, unsigned max)
{
    unsigned count = 0;

    while (count < max) {
        fds[count] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        CHECK(fds[count] >= 0);
        (void)connect(fds[count++], (const struct sockaddr *)address, sizeof(struct sockaddr_in));
    }
    return count;
}

TEST(a_connect_that_hangs_can_be_closed_in_every_way)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address;
    int listening = net_listen(&address, 0, 0), fillers[4];
    unsigned count = fill_backlog(&address, fillers, 4);

    for (unsigned how = STREAM_CLOSE_FLUSH; how <= STREAM_CLOSE_ABORT; how++)
        for (unsigned turns = 0; turns < 3; turns++) {
            struct witness witness = { 0 };
            int error = 0;

            witness_attach(&witness, bench.loop, conn_connect(bench.loop, &address, NULL, &error));
            CHECK_INT(witness_write(&witness, 5000), 0);
            for (unsigned i = 0; i < turns; i++)
                loop_turn(bench.loop, 1);
            CHECK_INT(witness.seen, 0);
            witness_close(&witness, how);
            bench_check_clean(&bench);
        }
    while (count > 0)
        close(fillers[--count]);
    close(listening);
    bench_stop(&bench);
}

/* Written and half-closed before the handshake is done: the peer gets the bytes, then the end. */
static void write_early(struct bench *bench, size_t length)
{
    struct sockaddr_storage address;
    struct witness witness = { 0 };
    struct raw_reader reader = { 0 };
    int listening = net_listen(&address, 8, 0), error = 0;

    witness_attach(&witness, bench->loop, conn_connect(bench->loop, &address, NULL, &error));
    if (length > 0)
        CHECK_INT(witness_write(&witness, length), 0);
    stream_shutdown_write(witness.stream);
    NET_UNTIL(bench->loop, witness.seen & STREAM_OPEN);
    reader.fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    CHECK(reader.fd >= 0);
    NET_UNTIL(bench->loop, raw_read(&reader, 65536));
    CHECK_INT(reader.error, 0);
    CHECK_INT(reader.bytes, length);
    close(reader.fd);
    close(listening);
    NET_UNTIL(bench->loop, witness.end == 0);
    witness_close(&witness, STREAM_CLOSE_FLUSH);
}

TEST(what_is_written_and_ended_while_connecting_is_sent_afterwards)
{
    struct bench bench = bench_start();

    write_early(&bench, 100000);
    write_early(&bench, 0);
    bench_stop(&bench);
}

/* ---- half-closed connections --------------------------------------------------------------- */

TEST(after_our_fin_the_peer_can_go_on_sending)
{
    struct bench bench = bench_start();
    struct witness witness = { 0 };
    struct raw_reader reader = { 0 };
    uint64_t sent = 0;
    int fds[2];

    net_pair(fds, 0);
    attach_accepted(&witness, &bench, fds[0]);
    reader.fd = fds[1];
    witness_read(&witness);
    CHECK_INT(witness_write(&witness, 50000), 0);
    stream_shutdown_write(witness.stream);
    NET_UNTIL(bench.loop, raw_read(&reader, 65536));
    CHECK_INT(reader.error, 0);
    CHECK_INT(reader.bytes, 50000);
    NET_UNTIL(bench.loop, raw_write(fds[1], &sent, 200000));
    shutdown(fds[1], SHUT_WR);
    NET_UNTIL(bench.loop, witness.end <= 0);
    CHECK_INT(witness.end, 0);
    CHECK_INT(witness.received, 200000);
    witness_close(&witness, STREAM_CLOSE_FLUSH);
    close(fds[1]);
    bench_stop(&bench);
}

TEST(after_the_peers_fin_we_can_go_on_sending)
{
    struct bench bench = bench_start();
    struct witness witness = { 0 };
    struct raw_reader reader = { 0 };
    int fds[2];

    net_pair(fds, 0);
    attach_accepted(&witness, &bench, fds[0]);
    reader.fd = fds[1];
    shutdown(fds[1], SHUT_WR);
    witness_read(&witness);
    NET_UNTIL(bench.loop, witness.end == 0);
    CHECK_INT(witness_write(&witness, 300000), 0);
    witness_close(&witness, STREAM_CLOSE_FLUSH);
    NET_UNTIL(bench.loop, raw_read(&reader, 65536));
    CHECK_INT(reader.error, 0);
    CHECK_INT(reader.bytes, 300000);
    close(fds[1]);
    bench_stop(&bench);
}

/* ---- resets -------------------------------------------------------------------------------- */

TEST(an_answer_sent_before_the_reset_is_still_readable)
{
    struct bench bench = bench_start();
    struct witness witness = { .paused = true };
    uint64_t sent = 0;
    int fds[2];

    net_pair(fds, 4096);
    attach_accepted(&witness, &bench, fds[0]);
    CHECK_INT(witness_write(&witness, 500000), 0);
    NET_UNTIL(bench.loop, witness.stream->endpoint->bytes_sent > 0);
    CHECK(raw_write(fds[1], &sent, 3000));
    net_reset(fds[1]);
    NET_UNTIL(bench.loop, witness.seen & STREAM_WRITE_FAILED);
    CHECK_INT(stream_queued(witness.stream), 0);
    CHECK(witness_write(&witness, 10) < 0);
    CHECK_INT(witness.seen & STREAM_DRAINED, 0);
    witness.paused = false;
    witness_read(&witness);
    NET_UNTIL(bench.loop, witness.end <= 0);
    CHECK_INT(witness.received, 3000);
    /* the failed send consumed the socket's error: the end must not look like an orderly one */
    CHECK_INT(witness.end, -ECONNRESET);
    witness_close(&witness, STREAM_CLOSE_FLUSH);
    bench_stop(&bench);
}

TEST(a_reset_never_looks_like_the_orderly_end)
{
    struct bench bench = bench_start();

    /* with a receive and a send in flight either may be the one that gets the error */
    for (unsigned i = 0; i < 50; i++) {
        struct witness witness = { 0 };
        int fds[2];

        net_pair(fds, 4096);
        attach_accepted(&witness, &bench, fds[0]);
        if (i % 2)
            witness_read(&witness);
        CHECK_INT(witness_write(&witness, 500000), 0);
        NET_UNTIL(bench.loop, witness.stream->endpoint->bytes_sent > 0);
        if (i % 2 == 0)
            witness_read(&witness);
        loop_turn(bench.loop, 0);
        net_reset(fds[1]);
        NET_UNTIL(bench.loop, witness.end <= 0 && (witness.seen & STREAM_WRITE_FAILED));
        CHECK_INT(witness.end, -ECONNRESET);
        witness_close(&witness, STREAM_CLOSE_FLUSH);
    }
    bench_stop(&bench);
}

TEST(a_reset_after_the_fin_keeps_the_orderly_end)
{
    struct bench bench = bench_start();
    struct witness witness = { .paused = true };
    uint64_t sent = 0;
    int fds[2];

    net_pair(fds, 4096);
    attach_accepted(&witness, &bench, fds[0]);
    CHECK(raw_write(fds[1], &sent, 3000));
    shutdown(fds[1], SHUT_WR);
    CHECK_INT(witness_write(&witness, 500000), 0);
    NET_UNTIL(bench.loop, witness.stream->endpoint->bytes_sent > 0);
    net_reset(fds[1]);
    NET_UNTIL(bench.loop, witness.seen & STREAM_WRITE_FAILED);
    witness.paused = false;
    witness_read(&witness);
    NET_UNTIL(bench.loop, witness.end <= 0);
    CHECK_INT(witness.received, 3000);
    CHECK_INT(witness.end, 0);
    witness_close(&witness, STREAM_CLOSE_LINGER);
    bench_stop(&bench);
}

/* ---- writing ------------------------------------------------------------------------------- */

TEST(partial_sends_keep_the_byte_stream)
{
    struct bench bench = bench_start();
    struct witness witness = { 0 };
    struct raw_reader reader = { 0 };
    unsigned seed = 7;
    int fds[2];

    net_pair(fds, 4096);
    attach_accepted(&witness, &bench, fds[0]);
    reader.fd = fds[1];
    while (witness.written < 1000000) {
        CHECK_INT(witness_write(&witness, 1 + (unsigned)rand_r(&seed) % 9000), 0);
        loop_turn(bench.loop, 0);
        raw_read(&reader, 1 + (unsigned)rand_r(&seed) % 3000);
    }
    NET_UNTIL(bench.loop, (raw_read(&reader, 65536), reader.bytes == witness.written));
    CHECK_INT(witness.stream->endpoint->bytes_sent, witness.written);
    witness_close(&witness, STREAM_CLOSE_FLUSH);
    NET_UNTIL(bench.loop, raw_read(&reader, 65536));
    CHECK_INT(reader.bytes, witness.written);
    close(fds[1]);
    bench_stop(&bench);
}

TEST(writable_comes_once_at_the_low_mark_and_drained_at_empty)
{
    struct bench bench = bench_start();
    struct witness witness = { 0 };
    struct raw_reader reader = { 0 };
    int fds[2];

    net_pair(fds, 4096);
    attach_accepted(&witness, &bench, fds[0]);
    reader.fd = fds[1];
    CHECK_INT(witness_write(&witness, STREAM_QUEUE_HIGH - 1), 0); /* below the mark */
    NET_UNTIL(bench.loop, (raw_read(&reader, 65536), witness.count_drained == 1));
    CHECK_INT(witness.count_writable, 0);
    CHECK_INT(witness_write(&witness, STREAM_QUEUE_HIGH), 0);
    while (stream_queued(witness.stream) > STREAM_QUEUE_LOW) {
        CHECK_INT(witness.count_writable, 0);
        raw_read(&reader, 4096);
        loop_turn(bench.loop, 2);
    }
    NET_UNTIL(bench.loop, witness.count_writable == 1);
    NET_UNTIL(bench.loop, (raw_read(&reader, 65536), witness.count_drained == 2));
    CHECK_INT(witness.count_writable, 1);
    for (unsigned i = 0; i < 5; i++)
        loop_turn(bench.loop, 0);
    CHECK_INT(witness.count_drained, 2);
    witness_close(&witness, STREAM_CLOSE_FLUSH);
    close(fds[1]);
    bench_stop(&bench);
}

TESTS(TEST_CASE(echo_returns_every_byte_in_order),
      TEST_CASE(closing_at_any_step_of_a_dialogue_leaves_nothing_behind),
      TEST_CASE(flush_delivers_the_whole_queue_to_a_slow_reader),
      TEST_CASE(closed_connections_with_a_long_queue_can_be_given_up_and_others_stay),
      TEST_CASE(abort_is_seen_as_reset_and_what_came_before_is_a_prefix),
      TEST_CASE(cut_hands_over_the_whole_queue_and_is_seen_as_reset),
      TEST_CASE(linger_lets_a_client_that_still_sends_read_our_answer),
      TEST_CASE(linger_ends_after_a_bounded_number_of_bytes),
      TEST_CASE(linger_ends_when_the_peer_stays_silent),
      TEST_CASE(refused_connect_is_reported_once_and_can_be_closed),
      TEST_CASE(a_connect_that_hangs_can_be_closed_in_every_way),
      TEST_CASE(what_is_written_and_ended_while_connecting_is_sent_afterwards),
      TEST_CASE(after_our_fin_the_peer_can_go_on_sending),
      TEST_CASE(after_the_peers_fin_we_can_go_on_sending),
      TEST_CASE(an_answer_sent_before_the_reset_is_still_readable),
      TEST_CASE(a_reset_never_looks_like_the_orderly_end),
      TEST_CASE(a_reset_after_the_fin_keeps_the_orderly_end),
      TEST_CASE(partial_sends_keep_the_byte_stream),
      TEST_CASE(writable_comes_once_at_the_low_mark_and_drained_at_empty))
