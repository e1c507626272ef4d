/*
 * net: what the tests of connections share: a loop that must end clean, raw peers, an owner that
 * writes down what it was told.
 *
 * Role    lets a test say "the peer does X" with plain sockets, while the loop runs in the same
 *         thread; every wait has a deadline and no wait is a sleep
 * Owns    the loop of a bench
 * Thread  the test's
 */
#ifndef TESTS_UNIT_CORE_NET_H
#define TESTS_UNIT_CORE_NET_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/conn.h"
#include "core/loop.h"
#include "tests/check.h"

/* A small completion queue, so that crowds overflow it. */
enum { NET_DEADLINE_MS = 20000, NET_COMPLETION_ENTRIES = 256 };

static inline uint64_t net_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Turns the loop until the condition holds; the condition may move bytes on raw peers. */
#define NET_UNTIL(loop, condition)                                                     \
    do {                                                                               \
        uint64_t until_ = net_now_ms() + NET_DEADLINE_MS;                              \
        while (!(condition)) {                                                         \
            if (net_now_ms() > until_)                                                 \
                fail_msg("%s:%d: never happened: %s", __FILE__, __LINE__, #condition); \
            CHECK_INT(loop_turn((loop), 2), 0);                                        \
        }                                                                              \
    } while (0)

/* ---- the loop ------------------------------------------------------------------------------ */

struct bench {
    struct loop *loop;
    unsigned fds_before;
};

static inline unsigned net_open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    CHECK(folder != NULL);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* chunk_bytes_max: 0 for no bound. */
static inline struct bench bench_of(const struct loop_options *given, uint32_t small, uint32_t bulk)
{
    struct bench bench = { .fds_before = net_open_fds() };
    struct loop_options options = *given;
    char error[400] = "";

    options.ring.buffer_counts[RING_RECV_SMALL] = small;
    options.ring.buffer_counts[RING_RECV_BULK] = bulk;
    options.ring.completion_entries = NET_COMPLETION_ENTRIES;
    bench.loop = loop_create(&options, error, sizeof(error));
    if (!bench.loop)
        fail_msg("no loop: %s", error);
    return bench;
}

static inline struct bench bench_with_limits(uint32_t small, uint32_t bulk, size_t chunk_bytes_max)
{
    struct loop_options options;

    loop_options_default(&options);
    options.chunk_bytes_max = chunk_bytes_max;
    return bench_of(&options, small, bulk);
}

/* The account outlives the bench. */
static inline struct bench bench_with_account(uint32_t small, uint32_t bulk,
                                              struct memory_account *account)
{
    struct loop_options options;

    loop_options_default(&options);
    options.account = account;
    return bench_of(&options, small, bulk);
}

static inline struct bench bench_with_buffers(uint32_t small, uint32_t bulk)
{
    return bench_with_limits(small, bulk, 0);
}

static inline struct bench bench_start(void)
{
    return bench_with_buffers(64, 16);
}

/* What must hold whenever every object of the loop was closed (P4). */
static inline void bench_check_clean(const struct bench *bench)
{
    NET_UNTIL(bench->loop, bench->loop->objects == 0);
    CHECK_INT(ring_buffers_held(bench->loop->ring, RING_RECV_SMALL), 0);
    CHECK_INT(ring_buffers_held(bench->loop->ring, RING_RECV_BULK), 0);
    CHECK_INT(chunk_pool_bytes_in_use(bench->loop->pool), 0);
    CHECK_INT(ring_stats(bench->loop->ring)->stale_completions, 0);
}

/* Raw sockets of the test must be closed before. */
static inline void bench_stop(struct bench *bench)
{
    bench_check_clean(bench);
    loop_free(bench->loop);
    bench->loop = NULL;
    CHECK_INT(net_open_fds(), bench->fds_before);
}

/* ---- raw peers ----------------------------------------------------------------------------- */

static inline struct sockaddr_storage net_address(const char *ip, uint16_t port)
{
    struct sockaddr_storage address = { 0 };
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;

    if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
    } else {
        CHECK_INT(inet_pton(AF_INET6, ip, &v6->sin6_addr), 1);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
    }
    return address;
}

static inline void net_set_nonblocking(int fd)
{
    CHECK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
}

/* A listening socket on a port that the system chose. receive_bytes: SO_RCVBUF, 0 for default. */
static inline int net_listen(struct sockaddr_storage *address, int backlog, int receive_bytes)
{
    socklen_t length = sizeof(*address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    if (receive_bytes)
        CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes)) == 0);
    *address = net_address("127.0.0.1", 0);
    CHECK(bind(fd, (struct sockaddr *)address, sizeof(struct sockaddr_in)) == 0);
    CHECK(listen(fd, backlog) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)address, &length) == 0);
    return fd;
}

/* A connected pair; [0] is blocking and meant for a conn, [1] is the non-blocking raw peer.
 * buffer_bytes bounds what the kernel holds on the way from [0] to [1]; 0 for default. */
static inline void net_pair(int fds[2], int buffer_bytes)
{
    struct sockaddr_storage address;
    int listening = net_listen(&address, 8, buffer_bytes);

    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fds[0] >= 0);
    if (buffer_bytes)
        CHECK(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes)) == 0);
    CHECK(connect(fds[0], (struct sockaddr *)&address, sizeof(struct sockaddr_in)) == 0);
    fds[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    CHECK(fds[1] >= 0);
    close(listening);
}

/* close sends RST instead of FIN. */
static inline void net_reset(int fd)
{
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0);
    CHECK(close(fd) == 0);
}

/* The byte at that place of the stream that every test sends; a lost, doubled or foreign byte is
 * seen at once. */
static inline char net_pattern(uint64_t offset)
{
    return (char)((offset * 2654435761u) >> 13);
}

static inline void net_fill(char *into, uint64_t offset, size_t length)
{
    for (size_t i = 0; i < length; i++)
        into[i] = net_pattern(offset + i);
}

static inline void net_check_pattern(const char *bytes, uint64_t offset, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != net_pattern(offset + i))
            fail_msg("byte %llu of the stream is wrong", (unsigned long long)(offset + i));
}

/* Where a raw, non-blocking reader stands. */
struct raw_reader {
    int fd;
    uint64_t bytes;
    bool ended;
    int error; /* errno; 0 when ended by FIN */
};

/* Reads at most max bytes now, comparing them with the pattern. true: the stream has ended. */
static inline bool raw_read(struct raw_reader *reader, size_t max)
{
    char bytes[65536];
    ssize_t n;

    if (reader->ended)
        return true;
    n = recv(reader->fd, bytes, max < sizeof(bytes) ? max : sizeof(bytes), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n > 0) {
        net_check_pattern(bytes, reader->bytes, (size_t)n);
        reader->bytes += (uint64_t)n;
        return false;
    }
    reader->ended = true;
    reader->error = n < 0 ? errno : 0;
    return true;
}

/* Sends pattern bytes from *sent up to total, as many as go now. true: all sent. */
static inline bool raw_write(int fd, uint64_t *sent, uint64_t total)
{
    char bytes[16384];

    while (*sent < total) {
        size_t n = total - *sent < sizeof(bytes) ? (size_t)(total - *sent) : sizeof(bytes);
        ssize_t written;

        net_fill(bytes, *sent, n);
        written = send(fd, bytes, n, MSG_NOSIGNAL);
        if (written < 0)
            return false;
        *sent += (uint64_t)written;
    }
    return true;
}

/* ---- the owner of a stream ----------------------------------------------------------------- */

struct witness {
    struct stream *stream; /* NULL once closed */
    struct loop *loop;
    unsigned seen; /* every event so far */
    unsigned count_drained, count_writable;
    uint64_t received, written;
    long end;        /* 1: not ended; else what stream_read said */
    bool paused;     /* do not read */
    size_t read_max; /* per stream_read; 0: everything */
    void (*on_event)(struct witness *witness, unsigned events);
    void *context;
};

static inline void witness_close(struct witness *witness, enum stream_close how)
{
    struct stream *stream = witness->stream;

    witness->stream = NULL;
    stream_close(stream, how);
}

/* Reads until -EAGAIN or the end, comparing with the pattern. */
static inline void witness_read(struct witness *witness)
{
    struct buf into;
    long n = 1;

    buf_init(&into, witness->loop->pool);
    while (witness->end > 0 && n > 0) {
        n = stream_read(witness->stream, &into, witness->read_max ? witness->read_max : SIZE_MAX);
        if (n <= 0 && n != -EAGAIN)
            witness->end = n;
        while (into.length > 0) {
            struct slice front = buf_front(&into);

            net_check_pattern(front.ptr, witness->received, front.len);
            witness->received += front.len;
            buf_consume(&into, front.len);
        }
    }
    buf_done(&into);
}

static inline void witness_on_event(void *owner, unsigned events)
{
    struct witness *witness = owner;

    if (!witness->stream)
        fail_msg("event %#x after stream_close", events);
    CHECK(events != 0);
    witness->seen |= events;
    witness->count_drained += (events & STREAM_DRAINED) != 0;
    witness->count_writable += (events & STREAM_WRITABLE) != 0;
    if (!witness->paused && (events & (STREAM_READABLE | STREAM_OPEN)))
        witness_read(witness);
    if (witness->on_event)
        witness->on_event(witness, events);
}

static inline void witness_attach(struct witness *witness, struct loop *loop, struct stream *stream)
{
    CHECK(stream != NULL);
    witness->stream = stream;
    witness->loop = loop;
    witness->end = 1;
    stream_set_owner(stream, witness, witness_on_event);
}

static inline int witness_write(struct witness *witness, size_t length)
{
    char *bytes = malloc(length);
    struct buf out;
    int r;

    CHECK(bytes != NULL);
    buf_init(&out, witness->loop->pool);
    net_fill(bytes, witness->written, length);
    CHECK_INT(buf_append_bytes(&out, bytes, length), 0);
    free(bytes);
    r = stream_write(witness->stream, &out);
    if (r == 0)
        witness->written += length;
    buf_done(&out);
    return r;
}

#endif
