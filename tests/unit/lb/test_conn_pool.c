#include "lb/conn_pool.h"

#include <errno.h>
#include <netinet/in.h>

#include "tests/check.h"

/* ---- a stream that says what it is told to ---- */

struct fake {
    struct stream stream;
    long next_read;  /* what stream_read answers; > 0: that many bytes */
    unsigned armed;  /* reads answered with -EAGAIN */
    unsigned closed; /* calls of close */
    enum stream_close how;
};

static long fake_read(struct stream *stream, struct buf *into, size_t max)
{
    struct fake *fake = (struct fake *)stream;

    if (fake->next_read == -EAGAIN)
        fake->armed++;
    if (fake->next_read > 0 && buf_append_bytes(into, "surplus", max < 7 ? max : 7) < 0)
        return -ENOMEM;
    return fake->next_read;
}

static void fake_set_read_size(struct stream *stream, enum stream_read_size size)
{
    (void)stream;
    CHECK_INT(size, STREAM_READ_SMALL); /* an idle connection holds no bulk buffer */
}

static void fake_close(struct stream *stream, enum stream_close how)
{
    struct fake *fake = (struct fake *)stream;

    fake->closed++;
    fake->how = how;
}

static const struct stream_ops fake_ops = {
    .name = "fake",
    .read = fake_read,
    .set_read_size = fake_set_read_size,
    .close = fake_close,
};

#define SILENT_FAKE                                          \
    {                                                        \
        .stream = { .ops = &fake_ops }, .next_read = -EAGAIN \
    }

static void event(struct fake *fake, unsigned events)
{
    fake->stream.on_event(fake->stream.owner, events);
}

/* ---- a pool with two targets ---- */

static struct target targets[2];
static const struct conn_pool_key key_a = { .target = &targets[0] };
static const struct conn_pool_key key_b = { .target = &targets[1] };

struct fixture {
    struct chunk_pool *chunks;
    struct conn_pool *pool;
    uint64_t now_ms; /* at which it leases */
};

static void fixture_init(struct fixture *f, struct conn_pool_options options)
{
    f->now_ms = 0;
    f->chunks = chunk_pool_create(0);
    CHECK(f->chunks);
    f->pool = conn_pool_create(&options, f->chunks);
    CHECK(f->pool);
}

static void fixture_done(struct fixture *f)
{
    conn_pool_free(f->pool);
    CHECK_INT(chunk_pool_bytes_in_use(f->chunks), 0);
    chunk_pool_free(f->chunks);
}

static void release(struct fixture *f, const struct conn_pool_key *key, struct fake *fake,
                    uint64_t now_ms)
{
    conn_pool_release(f->pool, key,
                      &(struct conn_pool_conn){
                          .stream = &fake->stream, .requests_count = 1, .created_at_ms = 5 },
                      now_ms);
}

static struct stream *lease(struct fixture *f, const struct conn_pool_key *key)
{
    struct conn_pool_conn conn = { 0 };

    return conn_pool_lease(f->pool, key, f->now_ms, &conn) ? conn.stream : NULL;
}

TEST(last_released_is_first_leased)
{
    struct fake one = SILENT_FAKE, two = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 8 });
    CHECK(lease(&f, &key_a) == NULL);
    release(&f, &key_a, &one, 10);
    release(&f, &key_a, &two, 20);
    CHECK_INT(conn_pool_idle_count(f.pool), 2);
    CHECK(lease(&f, &key_a) == &two.stream);
    CHECK(lease(&f, &key_a) == &one.stream);
    CHECK(lease(&f, &key_a) == NULL);
    CHECK_INT(one.closed + two.closed, 0);
    fixture_done(&f);
}

TEST(lease_tells_what_was_done_with_the_connection)
{
    struct fake fake = SILENT_FAKE;
    struct conn_pool_conn conn;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 8 });
    release(&f, &key_a, &fake, 30);
    CHECK(conn_pool_lease(f.pool, &key_a, f.now_ms, &conn));
    CHECK_INT(conn.requests_count, 1);
    CHECK_INT(conn.created_at_ms, 5);
    CHECK_INT(conn.idle_since_ms, 30);
    CHECK(fake.stream.owner == NULL);
    fixture_done(&f);
}

TEST(only_an_equal_key_shares_a_connection)
{
    struct fake fake = SILENT_FAKE;
    struct conn_pool_key key = { .target = &targets[0], .tls_profile = 1, .server_name_hash = 7 };
    struct conn_pool_key other = key;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 1 });
    release(&f, &key, &fake, 0);
    CHECK(lease(&f, &key_a) == NULL);
    other.server_name_hash = 8;
    CHECK(lease(&f, &other) == NULL);
    other = key;
    other.tls_profile = 2;
    CHECK(lease(&f, &other) == NULL);
    other = key;
    other.target = &targets[1];
    CHECK(lease(&f, &other) == NULL);
    CHECK(lease(&f, &key) == &fake.stream);
    fixture_done(&f);
}

static void set_address(struct target *target, uint32_t ip, uint16_t port)
{
    struct sockaddr_in *address = (struct sockaddr_in *)&target->address;

    address->sin_family = AF_INET;
    address->sin_port = htons(port);
    address->sin_addr.s_addr = htonl(ip);
}

TEST(targets_of_one_address_share_connections_when_told_so)
{
    static struct target first, same, other_port, other_ip;
    const struct conn_pool_key keys[] = { { .target = &same },
                                          { .target = &other_port },
                                          { .target = &other_ip } };
    const struct conn_pool_key secured = { .target = &same, .tls_profile = 1 };
    struct fixture f;

    set_address(&first, 0x0a000001, 80);
    set_address(&same, 0x0a000001, 80);
    set_address(&other_port, 0x0a000001, 81);
    set_address(&other_ip, 0x0a000002, 80);
    for (int by_address = 0; by_address < 2; by_address++) {
        struct fake fake = SILENT_FAKE;

        fixture_init(&f, (struct conn_pool_options){ .idle_max = 8, .by_address = by_address });
        release(&f, &(struct conn_pool_key){ .target = &first }, &fake, 0);
        CHECK(lease(&f, &secured) == NULL);
        CHECK(lease(&f, &keys[1]) == NULL);
        CHECK(lease(&f, &keys[2]) == NULL);
        CHECK(lease(&f, &keys[0]) == (by_address ? &fake.stream : NULL));
        CHECK_INT(conn_pool_idle_count(f.pool), by_address ? 0 : 1);
        CHECK_INT(
            conn_pool_set_options(
                f.pool, &(struct conn_pool_options){ .idle_max = 8, .by_address = !by_address }),
            -EINVAL);
        fixture_done(&f);
    }
}

TEST(idle_connection_has_its_read_armed)
{
    struct fake fake = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 1 });
    release(&f, &key_a, &fake, 0);
    CHECK_INT(fake.armed, 1);
    fixture_done(&f);
}

TEST(end_of_an_idle_connection_closes_it_at_once)
{
    struct fake fake = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 1 });
    release(&f, &key_a, &fake, 0);
    fake.next_read = 0;
    event(&fake, STREAM_READABLE);
    CHECK_INT(fake.closed, 1);
    CHECK_INT(fake.how, STREAM_CLOSE_FLUSH);
    CHECK(lease(&f, &key_a) == NULL);
    fixture_done(&f);
    CHECK_INT(fake.closed, 1);
}

TEST(unasked_byte_or_error_spoils_an_idle_connection)
{
    const long answers[] = { 1, -ECONNRESET, STREAM_TRUNCATED };

    for (size_t i = 0; i < 3; i++) {
        struct fake fake = SILENT_FAKE;
        struct fixture f;

        fixture_init(&f, (struct conn_pool_options){ .idle_max = 1 });
        release(&f, &key_a, &fake, 0);
        fake.next_read = answers[i];
        event(&fake, STREAM_READABLE);
        CHECK_INT(fake.closed, 1);
        CHECK_INT(fake.how, STREAM_CLOSE_ABORT);
        CHECK_INT(conn_pool_idle_count(f.pool), 0);
        fixture_done(&f);
    }
}

TEST(failed_write_closes_an_idle_connection)
{
    struct fake fake = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 1 });
    release(&f, &key_a, &fake, 0);
    event(&fake, STREAM_WRITE_FAILED);
    CHECK_INT(fake.closed, 1);
    fixture_done(&f);
}

/* A TLS session ticket is read by the layer itself; written bytes may drain late. */
TEST(events_without_bytes_leave_it_idle)
{
    struct fake fake = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 1 });
    release(&f, &key_a, &fake, 0);
    event(&fake, STREAM_READABLE);
    event(&fake, STREAM_DRAINED | STREAM_WRITABLE);
    CHECK_INT(fake.closed, 0);
    CHECK(lease(&f, &key_a) == &fake.stream);
    fixture_done(&f);
}

TEST(dead_connections_are_skipped_by_a_lease)
{
    struct fake alive = SILENT_FAKE, dead = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 2 });
    release(&f, &key_a, &alive, 0);
    release(&f, &key_a, &dead, 1);
    dead.next_read = 0; /* the event is still in the loop's queue */
    CHECK(lease(&f, &key_a) == &alive.stream);
    CHECK_INT(dead.closed, 1);
    CHECK_INT(conn_pool_idle_count(f.pool), 0);
    fixture_done(&f);
}

TEST(connection_that_is_not_silent_is_not_kept)
{
    struct fake ended = SILENT_FAKE, noisy = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 2 });
    ended.next_read = 0;
    noisy.next_read = 7;
    release(&f, &key_a, &ended, 0);
    release(&f, &key_a, &noisy, 0);
    CHECK_INT(ended.how, STREAM_CLOSE_FLUSH);
    CHECK_INT(noisy.how, STREAM_CLOSE_ABORT);
    CHECK_INT(ended.closed + noisy.closed, 2);
    CHECK_INT(conn_pool_idle_count(f.pool), 0);
    fixture_done(&f);
}

TEST(full_pool_lets_the_longest_idle_go_whatever_its_target)
{
    struct fake oldest = SILENT_FAKE, middle = SILENT_FAKE, newest = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 2 });
    release(&f, &key_a, &oldest, 0);
    release(&f, &key_b, &middle, 1);
    release(&f, &key_b, &newest, 2);
    CHECK_INT(oldest.closed, 1);
    CHECK_INT(oldest.how, STREAM_CLOSE_FLUSH);
    CHECK_INT(conn_pool_idle_count(f.pool), 2);
    CHECK(lease(&f, &key_a) == NULL);
    CHECK(lease(&f, &key_b) == &newest.stream);
    CHECK(lease(&f, &key_b) == &middle.stream);
    fixture_done(&f);
}

TEST(idle_timeout_closes_in_order_and_names_the_next_deadline)
{
    struct fake one = SILENT_FAKE, two = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 4, .idle_timeout_ms = 60000 });
    CHECK(conn_pool_expire(f.pool, 0) == CONN_POOL_NEVER);
    release(&f, &key_a, &one, 1000);
    release(&f, &key_b, &two, 3000);
    CHECK_INT(conn_pool_expire(f.pool, 60999), 61000);
    CHECK_INT(one.closed, 0);
    CHECK_INT(conn_pool_expire(f.pool, 61000), 63000);
    CHECK_INT(one.closed, 1);
    CHECK(conn_pool_expire(f.pool, 99000) == CONN_POOL_NEVER);
    CHECK_INT(two.closed, 1);
    fixture_done(&f);
}

TEST(without_a_timeout_nothing_expires)
{
    struct fake fake = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 1 });
    release(&f, &key_a, &fake, 0);
    CHECK(conn_pool_expire(f.pool, UINT64_MAX - 1) == CONN_POOL_NEVER);
    CHECK_INT(fake.closed, 0);
    fixture_done(&f);
    CHECK_INT(fake.closed, 1);
}

TEST(connection_at_its_last_request_is_not_kept)
{
    struct fake fake = SILENT_FAKE;
    struct conn_pool_conn conn = { .stream = &fake.stream, .requests_count = 9999 };
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 1, .requests_max = 10000 });
    conn_pool_release(f.pool, &key_a, &conn, 0);
    CHECK(conn_pool_lease(f.pool, &key_a, f.now_ms, &conn));
    conn.requests_count = 10000;
    conn_pool_release(f.pool, &key_a, &conn, 0);
    CHECK_INT(fake.closed, 1);
    CHECK_INT(fake.how, STREAM_CLOSE_FLUSH);
    fixture_done(&f);
}

TEST(pool_of_size_zero_keeps_nothing)
{
    struct fake fake = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 0 });
    release(&f, &key_a, &fake, 0);
    CHECK_INT(fake.closed, 1);
    CHECK(lease(&f, &key_a) == NULL);
    fixture_done(&f);
}

TEST(connections_of_one_target_can_be_closed)
{
    struct fake a1 = SILENT_FAKE, b = SILENT_FAKE, a2 = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 4 });
    release(&f, &key_a, &a1, 0);
    release(&f, &key_b, &b, 1);
    release(&f, &key_a, &a2, 2);
    conn_pool_close_target(f.pool, &targets[0]);
    CHECK_INT(a1.closed + a2.closed, 2);
    CHECK_INT(conn_pool_idle_count(f.pool), 1);
    CHECK(lease(&f, &key_b) == &b.stream);
    fixture_done(&f);
}

TEST(connections_to_targets_that_are_down_are_closed_but_not_of_those_that_drain)
{
    struct fake a = SILENT_FAKE, b = SILENT_FAKE, late = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 4 });
    release(&f, &key_a, &a, 0);
    release(&f, &key_b, &b, 1);
    conn_pool_close_down(f.pool);
    CHECK_INT(a.closed + b.closed, 0);
    atomic_store(&targets[0].health, health_word_force(0, HEALTH_FORCED_DRAIN));
    atomic_store(&targets[1].health, health_word_force(0, HEALTH_FORCED_DISABLE));
    conn_pool_close_down(f.pool);
    CHECK_INT(a.closed, 0);
    CHECK_INT(b.closed, 1);
    release(&f, &key_b, &late, 2);
    CHECK_INT(late.closed, 1);
    atomic_store(&targets[0].health, 0);
    atomic_store(&targets[1].health, 0);
    fixture_done(&f);
}

/* Many leases and releases over many keys: the books agree with a plain count all the time. */
TEST(longest_idle_are_given_up_for_their_descriptors)
{
    struct fake fakes[3] = { SILENT_FAKE, SILENT_FAKE, SILENT_FAKE };
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 8 });
    release(&f, &key_a, &fakes[0], 10);
    release(&f, &key_b, &fakes[1], 20);
    release(&f, &key_a, &fakes[2], 30);
    conn_pool_give_up(f.pool, 2);
    CHECK_INT(fakes[0].closed + fakes[1].closed, 2);
    CHECK_INT(fakes[0].how, STREAM_CLOSE_ABORT); /* at once: a flush would keep the descriptor */
    CHECK_INT(fakes[2].closed, 0);
    conn_pool_give_up(f.pool, 2);
    CHECK_INT(conn_pool_idle_count(f.pool), 0);
    conn_pool_give_up(f.pool, 2);
    fixture_done(&f);
}

TEST(places_are_reused_over_and_over)
{
    enum { FAKES = 64, IDLE_MAX = 24, ROUNDS = 20000, KEYS = 8 };
    static struct fake fakes[FAKES];
    bool idle[FAKES] = { false };
    uint32_t random = 12345;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = IDLE_MAX, .idle_timeout_ms = 50 });
    for (uint64_t now_ms = 1; now_ms < ROUNDS; now_ms++) {
        struct conn_pool_key key = { .target = &targets[0] };
        size_t at, count = 0;

        random = random * 1664525 + 1013904223;
        key.server_name_hash = (random >> 28) % KEYS;
        at = (random >> 20) % FAKES;
        if (random & 0x80000) {
            struct fake *leased = (struct fake *)lease(&f, &key);

            if (leased)
                idle[leased - fakes] = false;
        } else if (!idle[at]) {
            fakes[at] = (struct fake)SILENT_FAKE;
            release(&f, &key, &fakes[at], now_ms);
            idle[at] = true;
        }
        (void)conn_pool_expire(f.pool, now_ms);
        for (size_t i = 0; i < FAKES; i++) {
            idle[i] &= fakes[i].closed == 0;
            count += idle[i];
        }
        CHECK_INT(conn_pool_idle_count(f.pool), count);
        CHECK(count <= IDLE_MAX);
    }
    fixture_done(&f);
}

/* ---- limits of one connection ---- */

static void release_with(struct fixture *f, struct fake *fake, struct conn_pool_conn conn,
                         uint64_t now_ms)
{
    conn.stream = &fake->stream;
    conn_pool_release(f->pool, &key_a, &conn, now_ms);
}

TEST(shorter_time_of_one_connection_ends_it_before_the_others)
{
    struct fake patient = SILENT_FAKE, hasty = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 8, .idle_timeout_ms = 60000 });
    release(&f, &key_a, &patient, 1000);
    release_with(&f, &hasty, (struct conn_pool_conn){ .idle_timeout_ms = 4000 }, 2000);
    CHECK_INT(conn_pool_expire(f.pool, 5999), 6000);
    CHECK_INT(hasty.closed, 0);
    CHECK_INT(conn_pool_expire(f.pool, 6000), 61000);
    CHECK_INT(hasty.closed, 1);
    CHECK_INT(patient.closed, 0);
    fixture_done(&f);
}

TEST(connection_whose_time_is_over_is_not_leased_however_late_the_timer)
{
    struct fake old = SILENT_FAKE, hasty = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 8, .idle_timeout_ms = 60000 });
    release(&f, &key_a, &old, 1000);
    release_with(&f, &hasty, (struct conn_pool_conn){ .idle_timeout_ms = 4000 }, 2000);
    f.now_ms = 6000;
    CHECK(lease(&f, &key_a) == &old.stream);
    CHECK_INT(hasty.closed, 1);
    fixture_done(&f);
}

TEST(age_counts_from_the_opening_however_busy_it_was)
{
    struct fake young = SILENT_FAKE, old = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 8, .age_max_ms = 1000 });
    release_with(&f, &old, (struct conn_pool_conn){ .created_at_ms = 100 }, 1100);
    CHECK_INT(old.closed, 1);
    release_with(&f, &young, (struct conn_pool_conn){ .created_at_ms = 500 }, 1100);
    CHECK_INT(conn_pool_expire(f.pool, 1100), 1500);
    CHECK_INT(conn_pool_expire(f.pool, 1500), CONN_POOL_NEVER);
    CHECK_INT(young.closed, 1);
    fixture_done(&f);
}

TEST(connection_that_may_serve_no_more_is_not_kept)
{
    struct fake last = SILENT_FAKE, more = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 8 });
    release_with(&f, &last, (struct conn_pool_conn){ .requests_count = 7, .requests_max = 7 }, 1);
    CHECK_INT(last.closed, 1);
    release_with(&f, &more, (struct conn_pool_conn){ .requests_count = 7, .requests_max = 8 }, 1);
    CHECK_INT(more.closed, 0);
    fixture_done(&f);
}

TEST(one_key_may_have_a_limit_of_its_own)
{
    struct fake first = SILENT_FAKE, second = SILENT_FAKE, third = SILENT_FAKE, other = SILENT_FAKE;
    struct fixture f;

    fixture_init(&f, (struct conn_pool_options){ .idle_max = 8, .per_key_max = 2 });
    release(&f, &key_b, &other, 1);
    release(&f, &key_a, &first, 2);
    release(&f, &key_a, &second, 3);
    release(&f, &key_a, &third, 4);
    CHECK_INT(first.closed, 1);
    CHECK_INT(second.closed + third.closed + other.closed, 0);
    CHECK_INT(conn_pool_idle_count(f.pool), 3);
    fixture_done(&f);
}

TESTS(TEST_CASE(last_released_is_first_leased),
      TEST_CASE(lease_tells_what_was_done_with_the_connection),
      TEST_CASE(only_an_equal_key_shares_a_connection),
      TEST_CASE(targets_of_one_address_share_connections_when_told_so),
      TEST_CASE(idle_connection_has_its_read_armed),
      TEST_CASE(end_of_an_idle_connection_closes_it_at_once),
      TEST_CASE(unasked_byte_or_error_spoils_an_idle_connection),
      TEST_CASE(failed_write_closes_an_idle_connection),
      TEST_CASE(events_without_bytes_leave_it_idle),
      TEST_CASE(dead_connections_are_skipped_by_a_lease),
      TEST_CASE(connection_that_is_not_silent_is_not_kept),
      TEST_CASE(full_pool_lets_the_longest_idle_go_whatever_its_target),
      TEST_CASE(idle_timeout_closes_in_order_and_names_the_next_deadline),
      TEST_CASE(without_a_timeout_nothing_expires),
      TEST_CASE(connection_at_its_last_request_is_not_kept),
      TEST_CASE(pool_of_size_zero_keeps_nothing),
      TEST_CASE(connections_of_one_target_can_be_closed),
      TEST_CASE(connections_to_targets_that_are_down_are_closed_but_not_of_those_that_drain),
      TEST_CASE(longest_idle_are_given_up_for_their_descriptors),
      TEST_CASE(places_are_reused_over_and_over),
      TEST_CASE(shorter_time_of_one_connection_ends_it_before_the_others),
      TEST_CASE(connection_whose_time_is_over_is_not_leased_however_late_the_timer),
      TEST_CASE(age_counts_from_the_opening_however_busy_it_was),
      TEST_CASE(connection_that_may_serve_no_more_is_not_kept),
      TEST_CASE(one_key_may_have_a_limit_of_its_own))
