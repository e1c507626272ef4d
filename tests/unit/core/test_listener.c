/* listener: accepts when it can, refuses when it stopped, and never shares an address by accident.
 */
#include <sys/resource.h>

#include "core/addr.h"
#include "core/listener.h"
#include "tests/unit/core/net.h"

static const struct listener_options options = { .backlog = 512 };

struct crowd {
    struct listener *listener;
    struct stream *streams[2000];
    unsigned count, stop_at;
};

static void crowd_stop(struct crowd *crowd)
{
    listener_stop(crowd->listener); /* may still hand over */
    crowd->listener = NULL;
}

static void on_accept(void *owner, struct stream *stream)
{
    struct crowd *crowd = owner;

    CHECK(crowd->listener != NULL); /* not called any more after listener_stop */
    crowd->streams[crowd->count++] = stream;
    if (crowd->count == crowd->stop_at)
        crowd_stop(crowd);
}

static void crowd_close(struct crowd *crowd)
{
    while (crowd->count > 0)
        stream_close(crowd->streams[--crowd->count], STREAM_CLOSE_ABORT);
}

static void crowd_start(struct crowd *crowd, struct bench *bench, struct sockaddr_storage *address)
{
    int fd = -1;

    *crowd = (struct crowd){ 0 };
    *address = net_address("127.0.0.1", 0);
    CHECK_INT(listener_bind(address, &options, &fd, 1), 0);
    crowd->listener = listener_start(bench->loop, fd, crowd, on_accept);
    CHECK(crowd->listener != NULL);
}

/* 0 or a negative errno. */
static int try_connect(const struct sockaddr_storage *address, int *ret_fd)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    if (connect(fd, (const struct sockaddr *)address, addr_length(address)) < 0) {
        int r = -errno;

        close(fd);
        return r;
    }
    if (ret_fd)
        *ret_fd = fd;
    else
        close(fd);
    return 0;
}

static struct crowd crowd;
static int clients[2000];

TEST(accepted_connections_know_both_addresses)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address, local = { 0 };
    socklen_t length = sizeof(local);

    crowd_start(&crowd, &bench, &address);
    CHECK_INT(try_connect(&address, &clients[0]), 0);
    NET_UNTIL(bench.loop, crowd.count == 1);
    CHECK_INT(getsockname(clients[0], (struct sockaddr *)&local, &length), 0);
    CHECK(memcmp(&crowd.streams[0]->endpoint->peer, &local, sizeof(struct sockaddr_in)) == 0);
    CHECK(memcmp(&crowd.streams[0]->endpoint->local, &address, sizeof(struct sockaddr_in)) == 0);
    crowd_close(&crowd);
    listener_stop(crowd.listener);
    close(clients[0]);
    bench_stop(&bench);
}

TEST(a_stopped_listener_refuses)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address;

    for (unsigned turns = 0; turns < 4; turns++) {
        crowd_start(&crowd, &bench, &address);
        for (unsigned i = 0; i < turns; i++)
            loop_turn(bench.loop, 1);
        CHECK_INT(try_connect(&address, NULL), 0);
        listener_stop(crowd.listener);
        crowd.listener = NULL;
        NET_UNTIL(bench.loop, bench.loop->objects == crowd.count);
        CHECK_INT(try_connect(&address, NULL), -ECONNREFUSED);
        crowd_close(&crowd);
        bench_check_clean(&bench);
    }
    bench_stop(&bench);
}

TEST(on_accept_may_stop_its_listener)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address;

    crowd_start(&crowd, &bench, &address);
    crowd.stop_at = 3;
    for (unsigned i = 0; i < 200; i++)
        CHECK_INT(try_connect(&address, &clients[i]), 0);
    NET_UNTIL(bench.loop, !crowd.listener && bench.loop->objects == crowd.count);
    CHECK(crowd.count >= 3); /* those that had been accepted by then came along, once each */
    for (unsigned i = 1; i < crowd.count; i++)
        CHECK(crowd.streams[i]->endpoint->connection_id >
              crowd.streams[i - 1]->endpoint->connection_id);
    CHECK_INT(try_connect(&address, NULL), -ECONNREFUSED);
    crowd_close(&crowd);
    for (unsigned i = 0; i < 200; i++)
        close(clients[i]);
    bench_stop(&bench);
}

TEST(a_burst_is_accepted_in_portions)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address;
    unsigned before = 0;

    crowd_start(&crowd, &bench, &address);
    for (unsigned i = 0; i < 400; i++)
        CHECK_INT(try_connect(&address, &clients[i]), 0);
    for (unsigned turns = 0; crowd.count < 400; turns++) {
        before = crowd.count;
        CHECK_INT(loop_turn(bench.loop, 1000), 0);
        CHECK(crowd.count - before <= 2 * 64); /* tasks run twice per turn */
        CHECK(turns < 100);
    }
    crowd_close(&crowd);
    listener_stop(crowd.listener);
    for (unsigned i = 0; i < 400; i++)
        close(clients[i]);
    bench_stop(&bench);
}

TEST(stopping_hands_over_what_was_accepted)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address;
    unsigned before;

    crowd_start(&crowd, &bench, &address);
    CHECK_INT(loop_turn(bench.loop, 1), 0); /* the accept is armed: all of them come at once */
    for (unsigned i = 0; i < 400; i++)
        CHECK_INT(try_connect(&address, &clients[i]), 0);
    while (crowd.count == 0)
        CHECK_INT(loop_turn(bench.loop, 1000), 0);
    before = crowd.count;
    CHECK(before < 400);
    crowd_stop(&crowd);
    CHECK(crowd.count > before);
    NET_UNTIL(bench.loop, bench.loop->objects == crowd.count);
    crowd_close(&crowd);
    for (unsigned i = 0; i < 400; i++)
        close(clients[i]);
    bench_stop(&bench);
}

TEST(accepts_again_after_the_descriptors_ran_out)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address;
    struct rlimit old, low;
    uint64_t begin, enters;
    unsigned open_now;

    CHECK_INT(getrlimit(RLIMIT_NOFILE, &old), 0);
    for (unsigned i = 0; i < 40; i++) { /* before the limit: the clients are not the test */
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(clients[i] >= 0);
    }
    /* the kernel takes the limit when the accept is prepared, so lower it before that */
    open_now = net_open_fds();
    low = (struct rlimit){ open_now + 10, old.rlim_max };
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &low), 0);
    crowd_start(&crowd, &bench, &address);
    for (unsigned i = 0; i < 40; i++)
        CHECK_INT(connect(clients[i], (struct sockaddr *)&address, sizeof(struct sockaddr_in)), 0);
    NET_UNTIL(bench.loop, crowd.count >= 4);
    begin = net_now_ms();
    enters = ring_stats(bench.loop->ring)->enters;
    while (net_now_ms() - begin < 300)
        loop_turn(bench.loop, 300);
    CHECK(crowd.count < 40);
    CHECK(ring_stats(bench.loop->ring)->enters - enters < 40); /* it does not spin meanwhile */
    crowd_close(&crowd);                                       /* frees descriptors */
    NET_UNTIL(bench.loop, crowd.count >= 4);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &old), 0);
    crowd_close(&crowd);
    listener_stop(crowd.listener);
    for (unsigned i = 0; i < 40; i++)
        close(clients[i]);
    bench_stop(&bench);
}

/* ---- room ---------------------------------------------------------------------------------- */

/* Eight connections at a time. */
static size_t little_room(void *owner)
{
    struct crowd *asking = owner;

    CHECK(asking->listener != NULL);
    return asking->count < 8 ? 8 - asking->count : 0;
}

TEST(without_room_clients_wait_in_the_kernels_queue)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address;
    unsigned fds_before, served = 8;
    uint64_t begin, enters;

    crowd_start(&crowd, &bench, &address);
    listener_set_room(crowd.listener, little_room);
    for (unsigned i = 0; i < 40; i++)
        CHECK_INT(try_connect(&address, &clients[i]), 0);
    fds_before = net_open_fds();
    NET_UNTIL(bench.loop, crowd.count == 8);
    begin = net_now_ms();
    enters = ring_stats(bench.loop->ring)->enters;
    while (net_now_ms() - begin < 300)
        loop_turn(bench.loop, 300);
    CHECK_INT(crowd.count, 8);
    CHECK_INT(net_open_fds(), fds_before + 8);                 /* none of the others was accepted */
    CHECK(ring_stats(bench.loop->ring)->enters - enters < 40); /* it does not spin meanwhile */
    while (served < 40) {
        crowd_close(&crowd);
        NET_UNTIL(bench.loop, crowd.count == 8);
        served += 8;
    }
    crowd_close(&crowd);
    listener_stop(crowd.listener);
    for (unsigned i = 0; i < 40; i++)
        close(clients[i]);
    bench_stop(&bench);
}

static size_t room_now;

static size_t changing_room(void *owner)
{
    (void)owner;
    return room_now;
}

TEST(room_that_is_gone_cancels_the_accept_in_flight)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address;

    for (unsigned before = 0; before < 2; before++) {
        crowd_start(&crowd, &bench, &address);
        room_now = before == 0 ? 1000000 : 2; /* multishot, one at a time */
        listener_set_room(crowd.listener, changing_room);
        for (unsigned i = 0; i < 2; i++) {
            CHECK_INT(try_connect(&address, &clients[i]), 0);
            NET_UNTIL(bench.loop, crowd.count == i + 1);
            room_now = before == 0 ? 1000000 : 1;
        }
        room_now = 0;
        for (unsigned i = 2; i < 30; i++)
            CHECK_INT(try_connect(&address, &clients[i]), 0);
        for (unsigned i = 0; i < 20; i++)
            loop_turn(bench.loop, 10);
        CHECK_INT(crowd.count, 2);
        room_now = 1000000;
        NET_UNTIL(bench.loop, crowd.count == 30); /* also those accepted before it was told */
        room_now = 0;
        loop_turn(bench.loop, 1);
        listener_stop(crowd.listener);
        crowd.listener = NULL;
        crowd_close(&crowd);
        for (unsigned i = 0; i < 30; i++)
            close(clients[i]);
        bench_check_clean(&bench);
    }
    bench_stop(&bench);
}

static unsigned stopped_count;

static void on_stopped(void *owner)
{
    CHECK(owner == &crowd);
    stopped_count++;
}

/* In the kernel's queue, accepted by the kernel and not told yet, told and not handed over yet. */
TEST(a_listener_that_finishes_hands_over_all_that_the_kernel_has_completed)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address;

    for (unsigned turns = 0; turns < 4; turns++) {
        for (unsigned armed = 0; armed < 2; armed++) {
            crowd_start(&crowd, &bench, &address);
            listener_set_room(crowd.listener, changing_room);
            stopped_count = 0;
            room_now = armed ? 1000000 : 0;
            for (unsigned i = 0; i < turns; i++)
                loop_turn(bench.loop, 1);
            for (unsigned i = 0; i < 100; i++)
                CHECK_INT(try_connect(&address, &clients[i]), 0);
            room_now = 1000000;
            listener_finish(crowd.listener, on_stopped);
            CHECK_INT(stopped_count, 0);
            NET_UNTIL(bench.loop, stopped_count > 0);
            CHECK_INT(crowd.count, 100);
            NET_UNTIL(bench.loop, bench.loop->objects == crowd.count);
            CHECK_INT(try_connect(&address, NULL), -ECONNREFUSED);
            CHECK_INT(stopped_count, 1);
            crowd_close(&crowd);
            for (unsigned i = 0; i < 100; i++)
                close(clients[i]);
            bench_check_clean(&bench);
        }
    }
    bench_stop(&bench);
}

TEST(a_listener_that_finishes_without_room_leaves_the_queue_alone)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address;

    crowd_start(&crowd, &bench, &address);
    listener_set_room(crowd.listener, changing_room);
    stopped_count = 0;
    room_now = 0;
    loop_turn(bench.loop, 1);
    CHECK_INT(try_connect(&address, &clients[0]), 0);
    listener_finish(crowd.listener, on_stopped);
    NET_UNTIL(bench.loop, stopped_count > 0);
    CHECK_INT(crowd.count, 0);
    close(clients[0]);
    bench_stop(&bench);
}

/* ---- binding ------------------------------------------------------------------------------- */

/* A second owner of `second` (same port) while `first` is bound: what does it get? */
static void check_rival(const char *first, const char *second, int want)
{
    struct sockaddr_storage address = net_address(first, 0), rival;
    unsigned fds_before = net_open_fds();
    int fds[3], rivals[2] = { -1, -1 }, r;

    CHECK_INT(listener_bind(&address, &options, fds, 3), 0);
    rival = net_address(second, 0);
    if (rival.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&rival)->sin6_port = ((struct sockaddr_in6 *)&address)->sin6_port;
    else
        ((struct sockaddr_in *)&rival)->sin_port = ((struct sockaddr_in *)&address)->sin_port;
    r = listener_bind(&rival, &options, rivals, 2);
    if (r != want)
        fail_msg("%s, then %s: %d, want %d", first, second, r, want);
    for (unsigned i = 0; i < 2 && r == 0; i++)
        close(rivals[i]);
    for (unsigned i = 0; i < 3; i++)
        close(fds[i]);
    CHECK_INT(net_open_fds(), fds_before);
    CHECK_INT(listener_bind(&address, &options, rivals, 2), 0); /* free again at once */
    for (unsigned i = 0; i < 2; i++)
        close(rivals[i]);
}

TEST(a_shared_listener_that_finishes_leaves_its_queue_to_the_other)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address;
    int copy;

    crowd_start(&crowd, &bench, &address);
    stopped_count = 0;
    copy = listener_copy_fd(crowd.listener);
    CHECK(copy >= 0);
    listener_share(crowd.listener);
    listener_finish(crowd.listener, on_stopped);
    NET_UNTIL(bench.loop, stopped_count == 1);
    for (unsigned i = 0; i < 20; i++) /* nobody filters them away */
        CHECK_INT(try_connect(&address, &clients[i]), 0);
    crowd.listener = listener_start(bench.loop, copy, &crowd, on_accept);
    CHECK(crowd.listener != NULL);
    NET_UNTIL(bench.loop, crowd.count == 20);
    crowd_close(&crowd);
    listener_stop(crowd.listener);
    for (unsigned i = 0; i < 20; i++)
        close(clients[i]);
    bench_stop(&bench);
}

/* The other one has waited longer, so it is woken; and it does not come any more. */
TEST(a_connection_that_another_was_woken_for_is_accepted)
{
    static struct crowd other;
    struct bench former = bench_start(), bench;
    struct sockaddr_storage address;
    _Atomic bool is_shared = true;
    int copy;

    crowd_start(&other, &former, &address);
    for (unsigned i = 0; i < 3; i++)
        loop_turn(former.loop, 0);
    bench = bench_start();
    copy = listener_copy_fd(other.listener);
    crowd = (struct crowd){ 0 };
    crowd.listener = listener_start(bench.loop, copy, &crowd, on_accept);
    CHECK(crowd.listener != NULL);
    listener_look_again(crowd.listener, &is_shared);
    for (unsigned i = 0; i < 3; i++)
        loop_turn(bench.loop, 0);
    CHECK_INT(try_connect(&address, &clients[0]), 0);
    NET_UNTIL(bench.loop, crowd.count == 1);
    CHECK_INT(other.count, 0);
    CHECK_INT(try_connect(&address, &clients[1]), 0);
    is_shared = false; /* it has gone, and took another wake-up with it: one more look */
    NET_UNTIL(bench.loop, crowd.count == 2);
    crowd_close(&crowd);
    listener_stop(crowd.listener);
    close(clients[0]);
    close(clients[1]);
    bench_stop(&bench);
    listener_stop(other.listener);
    bench_stop(&former);
}

TEST(who_joins_an_address_gets_nobody_before_it_listens)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address;
    int fd;

    crowd_start(&crowd, &bench, &address);
    fd = listener_join(&address, &options);
    CHECK(fd >= 0);
    for (unsigned i = 0; i < 50; i++)
        CHECK_INT(try_connect(&address, &clients[i]), 0);
    NET_UNTIL(bench.loop, crowd.count == 50);
    close(fd);
    crowd_close(&crowd);
    listener_stop(crowd.listener);
    for (unsigned i = 0; i < 50; i++)
        close(clients[i]);
    bench_stop(&bench);
}

TEST(an_address_in_use_is_not_shared_with_a_second_owner)
{
    check_rival("127.0.0.1", "127.0.0.1", -EADDRINUSE);
    check_rival("0.0.0.0", "127.0.0.1", -EADDRINUSE);
    check_rival("127.0.0.1", "0.0.0.0", -EADDRINUSE);
    check_rival("127.0.0.1", "127.0.0.2", 0);
    check_rival("::1", "::1", -EADDRINUSE);
    check_rival("::", "::1", -EADDRINUSE);
    check_rival("::1", "::", -EADDRINUSE);
    check_rival("::", "127.0.0.1", -EADDRINUSE); /* dual stack */
}

TEST(ipv6_only_leaves_the_port_of_ipv4_alone)
{
    const struct listener_options only = { .backlog = 8, .ipv6_only = true };
    int fds[2], r = -EADDRINUSE;

    /* somebody else on this machine may have the port for IPv4: then with another port */
    for (unsigned tries = 0; tries < 20 && r == -EADDRINUSE; tries++) {
        struct sockaddr_storage v6 = net_address("::", 0), v4;

        CHECK_INT(listener_bind(&v6, &only, &fds[0], 1), 0);
        v4 = net_address("0.0.0.0", ntohs(((struct sockaddr_in6 *)&v6)->sin6_port));
        r = listener_bind(&v4, &options, &fds[1], 1);
        close(fds[0]);
    }
    CHECK_INT(r, 0);
    close(fds[1]);
}

TEST(workers_share_one_address)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address = net_address("127.0.0.1", 0);
    struct listener *listeners[8];
    int fds[8];

    crowd = (struct crowd){ 0 };
    CHECK_INT(listener_bind(&address, &options, fds, 8), 0);
    CHECK(((struct sockaddr_in *)&address)->sin_port != 0);
    for (unsigned i = 0; i < 8; i++) {
        struct sockaddr_storage own = { 0 };
        socklen_t length = sizeof(own);

        CHECK_INT(getsockname(fds[i], (struct sockaddr *)&own, &length), 0);
        CHECK(memcmp(&own, &address, sizeof(struct sockaddr_in)) == 0);
        listeners[i] = listener_start(bench.loop, fds[i], &crowd, on_accept);
        CHECK(listeners[i] != NULL);
    }
    crowd.listener = listeners[0];
    for (unsigned i = 0; i < 100; i++)
        CHECK_INT(try_connect(&address, &clients[i]), 0);
    NET_UNTIL(bench.loop, crowd.count == 100);
    for (unsigned i = 0; i < 8; i++)
        listener_stop(listeners[i]);
    crowd_close(&crowd);
    for (unsigned i = 0; i < 100; i++)
        close(clients[i]);
    bench_stop(&bench);
}

TEST(a_failed_bind_leaves_no_descriptor)
{
    struct sockaddr_storage foreign = net_address("192.0.2.77", 0);
    unsigned before = net_open_fds();
    int fds[2] = { -1, -1 };

    CHECK_INT(listener_bind(&foreign, &options, fds, 2), -EADDRNOTAVAIL);
    CHECK_INT(net_open_fds(), before);
}

TESTS(TEST_CASE(accepted_connections_know_both_addresses), TEST_CASE(a_stopped_listener_refuses),
      TEST_CASE(on_accept_may_stop_its_listener), TEST_CASE(a_burst_is_accepted_in_portions),
      TEST_CASE(stopping_hands_over_what_was_accepted),
      TEST_CASE(accepts_again_after_the_descriptors_ran_out),
      TEST_CASE(without_room_clients_wait_in_the_kernels_queue),
      TEST_CASE(room_that_is_gone_cancels_the_accept_in_flight),
      TEST_CASE(a_listener_that_finishes_hands_over_all_that_the_kernel_has_completed),
      TEST_CASE(a_listener_that_finishes_without_room_leaves_the_queue_alone),
      TEST_CASE(a_shared_listener_that_finishes_leaves_its_queue_to_the_other),
      TEST_CASE(a_connection_that_another_was_woken_for_is_accepted),
      TEST_CASE(who_joins_an_address_gets_nobody_before_it_listens),
      TEST_CASE(an_address_in_use_is_not_shared_with_a_second_owner),
      TEST_CASE(ipv6_only_leaves_the_port_of_ipv4_alone), TEST_CASE(workers_share_one_address),
      TEST_CASE(a_failed_bind_leaves_no_descriptor))
