/* ring: operations outlive the objects that wanted them; receive buffers never get lost. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/core/net.h"

/* What an operation points to must outlive the function that prepared it (P6). */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_stack_use_after_return=1";
}

static void attach_accepted(struct witness *witness, struct bench *bench, int fd)
{
    witness_attach(witness, bench->loop, conn_accepted(bench->loop, fd, NULL));
}

/* ---- operations that wait in the submission queue (P3, P6) --------------------------------- */

TEST(a_send_prepared_before_the_close_never_reaches_the_next_connection)
{
    struct bench bench = bench_start();
    struct witness first = { 0 }, second = { 0 };
    struct raw_reader reader = { 0 };
    int old[2], new[2];

    net_pair(old, 0);
    attach_accepted(&first, &bench, old[0]);
    loop_turn(bench.loop, 0);
    ring_hold_submissions(bench.loop->ring, true);
    CHECK_INT(witness_write(&first, 4000), 0);
    loop_turn(bench.loop, 0); /* the send is prepared now */
    witness_close(&first, STREAM_CLOSE_ABORT);
    for (unsigned i = 0; i < 4; i++)
        loop_turn(bench.loop, 0);
    net_pair(new, 0); /* takes the old descriptor's number if that was closed */
    attach_accepted(&second, &bench, new[0]);
    ring_hold_submissions(bench.loop->ring, false);
    NET_UNTIL(bench.loop, bench.loop->objects == 1);
    reader.fd = new[1];
    CHECK_INT(witness_write(&second, 1000), 0);
    witness_close(&second, STREAM_CLOSE_FLUSH);
    NET_UNTIL(bench.loop, raw_read(&reader, 65536));
    CHECK_INT(reader.bytes, 1000);
    close(old[1]);
    close(new[1]);
    bench_stop(&bench);
}

TEST(operations_may_be_submitted_many_turns_after_they_were_prepared)
{
    struct bench bench = bench_start();
    struct sockaddr_storage address;
    struct witness witness = { 0 };
    struct raw_reader reader = { 0 };
    uint64_t sent = 0;
    int listening = net_listen(&address, 8, 0), error = 0;

    loop_turn(bench.loop, 0);
    ring_hold_submissions(bench.loop->ring, true);
    witness_attach(&witness, bench.loop, conn_connect(bench.loop, &address, NULL, &error));
    for (unsigned i = 0; i < 5; i++)
        loop_turn(bench.loop, 0);
    ring_hold_submissions(bench.loop->ring, false);
    NET_UNTIL(bench.loop, witness.seen & STREAM_OPEN);
    reader.fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    CHECK(reader.fd >= 0);
    ring_hold_submissions(bench.loop->ring, true);
    for (unsigned i = 0; i < 40; i++) /* several spans: sendmsg */
        CHECK_INT(witness_write(&witness, 5000), 0);
    for (unsigned i = 0; i < 5; i++)
        loop_turn(bench.loop, 0);
    ring_hold_submissions(bench.loop->ring, false);
    NET_UNTIL(bench.loop, (raw_read(&reader, 65536), reader.bytes == 200000));
    NET_UNTIL(bench.loop, raw_write(reader.fd, &sent, 10000));
    NET_UNTIL(bench.loop, witness.received == 10000);
    witness_close(&witness, STREAM_CLOSE_FLUSH);
    close(reader.fd);
    close(listening);
    bench_stop(&bench);
}

/* ---- crowds -------------------------------------------------------------------------------- */

enum { CROWD_TOTAL = 10000, CROWD_AT_ONCE = 200 };

TEST(ten_thousand_connections_aborted_at_random_leak_nothing)
{
    struct bench bench = bench_start();
    struct witness *crowd = calloc(CROWD_AT_ONCE, sizeof(*crowd));
    static int peers[CROWD_AT_ONCE];
    unsigned seed = 20;

    CHECK(crowd != NULL);
    for (unsigned done = 0; done < CROWD_TOTAL; done += CROWD_AT_ONCE) {
        for (unsigned i = 0; i < CROWD_AT_ONCE; i++) {
            uint64_t sent = 0;
            int fds[2];

            net_pair(fds, 0);
            peers[i] = fds[1];
            crowd[i] = (struct witness){ .paused = (unsigned)rand_r(&seed) % 2 };
            attach_accepted(&crowd[i], &bench, fds[0]);
            witness_read(&crowd[i]);
            CHECK(raw_write(fds[1], &sent, 1 + (unsigned)rand_r(&seed) % 6000));
            CHECK_INT(witness_write(&crowd[i], 1 + (unsigned)rand_r(&seed) % 20000), 0);
        }
        for (unsigned left = CROWD_AT_ONCE; left > 0; left--) {
            unsigned i = (unsigned)rand_r(&seed) % left;

            if ((unsigned)rand_r(&seed) % 3 == 0)
                loop_turn(bench.loop, 0);
            if ((unsigned)rand_r(&seed) % 4 == 0)
                net_reset(peers[i]);
            else
                close(peers[i]);
            witness_close(&crowd[i],
                          (unsigned)rand_r(&seed) % 8 ? STREAM_CLOSE_ABORT : STREAM_CLOSE_LINGER);
            peers[i] = peers[left - 1];
            /* the last one moves here; nothing points to a closed witness any more */
            crowd[i] = crowd[left - 1];
            if (i != left - 1)
                stream_set_owner(crowd[i].stream, &crowd[i], witness_on_event);
        }
        bench_check_clean(&bench);
    }
    free(crowd);
    bench_stop(&bench);
}

/* source -> in | relay | out -> slow reader */
struct relay {
    struct witness in, out;
    struct raw_reader reader;
    int source;
    uint64_t sent;
};

enum { RELAY_COUNT = 100, RELAY_BYTES = 120000 };

static void relay_move(struct relay *relay)
{
    struct buf bytes;
    long n = 1;

    if (!relay->in.stream)
        return;
    buf_init(&bytes, relay->in.loop->pool);
    while (n > 0 && stream_queued(relay->out.stream) <= STREAM_QUEUE_HIGH / 4) {
        n = stream_read(relay->in.stream, &bytes, SIZE_MAX);
        if (n > 0)
            CHECK_INT(stream_write(relay->out.stream, &bytes), 0);
    }
    buf_done(&bytes);
    if (n > 0 || n == -EAGAIN)
        return;
    CHECK_INT(n, 0);
    witness_close(&relay->in, STREAM_CLOSE_FLUSH);
    witness_close(&relay->out, STREAM_CLOSE_FLUSH);
}

static void relay_on_event(struct witness *witness, unsigned events)
{
    (void)events;
    relay_move(witness->context);
}

static void relay_start(struct relay *relay, struct bench *bench)
{
    int in[2], out[2];

    *relay = (struct relay){ 0 };
    net_pair(in, 0);
    net_pair(out, 4096);
    relay->source = in[1];
    relay->reader.fd = out[1];
    relay->in = (struct witness){ .paused = true, .on_event = relay_on_event, .context = relay };
    relay->out = relay->in;
    attach_accepted(&relay->in, bench, in[0]);
    attach_accepted(&relay->out, bench, out[0]);
    stream_set_read_size(relay->in.stream, STREAM_READ_BULK);
    relay_move(relay);
}

/* true: the source has sent all and the reader has seen the end. */
static bool relay_pump(struct relay *relay)
{
    if (relay->source >= 0 && raw_write(relay->source, &relay->sent, RELAY_BYTES)) {
        close(relay->source);
        relay->source = -1;
    }
    return raw_read(&relay->reader, 2000);
}

static void relay_to_slow_readers(size_t chunk_bytes_max, bool want_copies)
{
    struct bench bench = bench_with_limits(8, 4, chunk_bytes_max);
    struct relay *relays = calloc(RELAY_COUNT, sizeof(*relays));
    uint64_t until = net_now_ms() + 30000;
    unsigned left;

    CHECK(relays != NULL);
    for (unsigned i = 0; i < RELAY_COUNT; i++)
        relay_start(&relays[i], &bench);
    do {
        CHECK(net_now_ms() < until);
        left = 0;
        for (unsigned i = 0; i < RELAY_COUNT; i++)
            left += !relay_pump(&relays[i]);
        CHECK_INT(loop_turn(bench.loop, 1), 0);
    } while (left > 0);
    for (unsigned i = 0; i < RELAY_COUNT; i++) {
        CHECK_INT(relays[i].reader.error, 0);
        CHECK_INT(relays[i].reader.bytes, RELAY_BYTES);
        close(relays[i].reader.fd);
    }
    CHECK(ring_stats(bench.loop->ring)->no_buffer > 0);
    CHECK((ring_stats(bench.loop->ring)->copied_out > 0) == want_copies);
    free(relays);
    bench_stop(&bench);
}

TEST(slow_readers_all_finish_with_a_handful_of_receive_buffers)
{
    relay_to_slow_readers(0, true);
}

/* No memory to copy to: then slow readers do hold all buffers, and the others wait for them. */
TEST(slow_readers_all_finish_without_memory_to_copy_to)
{
    relay_to_slow_readers(1, false);
}

/* Memory ran out for a moment, and those who never read held what there was of buffers since. */
TEST(who_reads_nothing_cannot_hold_the_last_buffers_while_memory_is_full)
{
    enum { HOARDERS = 24 };
    SCOPED(memory_budget) budget = memory_budget_create(1);
    struct memory_account *account = memory_budget_account(budget, 0);
    struct bench bench = bench_with_account(8, 8, account);
    struct witness hoarders[HOARDERS], newcomer = { 0 };
    uint64_t sent = 0;
    int fds[HOARDERS][2], last[2];

    memory_account_add(account, MEMORY_CONNECTIONS, 1 << 20);
    memory_account_report(account);
    memory_budget_set_limit(budget, 1);
    CHECK_INT(memory_budget_level(budget), MEMORY_FULL);
    for (unsigned i = 0; i < HOARDERS; i++) {
        hoarders[i] = (struct witness){ .paused = true };
        net_pair(fds[i], 0);
        attach_accepted(&hoarders[i], &bench, fds[i][0]);
        sent = 0;
        CHECK(raw_write(fds[i][1], &sent, 100));
        witness_read(&hoarders[i]); /* it does not take what arrives */
        NET_UNTIL(bench.loop, hoarders[i].seen & STREAM_READABLE);
    }
    CHECK(ring_buffers_held(bench.loop->ring, RING_RECV_SMALL) < 8);
    net_pair(last, 0);
    attach_accepted(&newcomer, &bench, last[0]);
    sent = 0;
    CHECK(raw_write(last[1], &sent, 100));
    witness_read(&newcomer);
    NET_UNTIL(bench.loop, newcomer.received == 100);
    for (unsigned i = 0; i < HOARDERS; i++) {
        witness_close(&hoarders[i], STREAM_CLOSE_ABORT);
        close(fds[i][1]);
    }
    witness_close(&newcomer, STREAM_CLOSE_ABORT);
    close(last[1]);
    memory_budget_set_limit(budget, 0);
    bench_stop(&bench);
}

TEST(a_receive_without_buffer_is_retried_without_any_other_event)
{
    struct bench bench = bench_with_buffers(8, 1);
    struct witness hoarder = { .paused = true }, thirsty = { 0 };
    uint64_t sent = 0, begin;
    int a[2], b[2];

    net_pair(a, 0);
    net_pair(b, 0);
    attach_accepted(&hoarder, &bench, a[0]);
    attach_accepted(&thirsty, &bench, b[0]);
    stream_set_read_size(hoarder.stream, STREAM_READ_BULK);
    stream_set_read_size(thirsty.stream, STREAM_READ_BULK);
    CHECK(raw_write(a[1], &sent, 100));
    witness_read(&hoarder); /* keeps the only bulk buffer: it does not read what arrives */
    NET_UNTIL(bench.loop, hoarder.seen & STREAM_READABLE);
    CHECK_INT(ring_buffers_held(bench.loop->ring, RING_RECV_BULK), 1);
    sent = 0;
    CHECK(raw_write(b[1], &sent, 100));
    witness_read(&thirsty);
    begin = net_now_ms();
    while (thirsty.received < 100 && net_now_ms() < begin + 5000)
        loop_turn(bench.loop, 1000); /* a loop that slept on a queued task would take this long */
    CHECK_INT(thirsty.received, 100);
    CHECK(net_now_ms() - begin < 500);
    witness_close(&hoarder, STREAM_CLOSE_ABORT);
    witness_close(&thirsty, STREAM_CLOSE_ABORT);
    close(a[1]);
    close(b[1]);
    bench_stop(&bench);
}

/* ---- a full submission queue --------------------------------------------------------------- */

enum { MANY = 700 }; /* the queue has 256 entries */

TEST(more_operations_than_the_queues_have_entries_fit_in_one_turn)
{
    struct bench bench = bench_start();
    struct witness *many = calloc(MANY, sizeof(*many));
    static int peers[MANY];
    unsigned done = 0;

    CHECK(many != NULL);
    for (unsigned i = 0; i < MANY; i++) {
        int fds[2];

        net_pair(fds, 0);
        peers[i] = fds[1];
        attach_accepted(&many[i], &bench, fds[0]);
        witness_read(&many[i]);
        CHECK_INT(witness_write(&many[i], 500), 0);
    }
    loop_turn(bench.loop, 0);
    for (unsigned i = 0; i < MANY; i++) /* pattern byte 0 is 0 */
        CHECK_INT(send(peers[i], "", 1, 0), 1);
    for (unsigned i = 0; i < MANY; i++)
        NET_UNTIL(bench.loop, many[i].received == 1);
    CHECK(ring_stats(bench.loop->ring)->overflows > 0);
    while (done < MANY) {
        struct raw_reader reader = { .fd = peers[done] };

        NET_UNTIL(bench.loop, (raw_read(&reader, 1000), reader.bytes == 500));
        close(peers[done++]);
    }
    for (unsigned i = 0; i < MANY; i++)
        witness_close(&many[i], STREAM_CLOSE_ABORT);
    free(many);
    bench_stop(&bench);
}

TEST(what_found_the_queue_full_is_tried_again_and_nothing_is_lost)
{
    struct bench bench = bench_start();
    struct witness *many = calloc(MANY, sizeof(*many));
    static int peers[MANY];

    CHECK(many != NULL);
    loop_turn(bench.loop, 0);
    ring_hold_submissions(bench.loop->ring, true);
    for (unsigned i = 0; i < MANY; i++) {
        int fds[2];

        net_pair(fds, 0);
        peers[i] = fds[1];
        attach_accepted(&many[i], &bench, fds[0]);
        witness_read(&many[i]);
        CHECK_INT(witness_write(&many[i], 500), 0);
    }
    for (unsigned i = 0; i < 3; i++)
        CHECK_INT(loop_turn(bench.loop, 0), 0); /* comes back although sends cannot be prepared */
    for (unsigned i = 0; i < MANY; i += 2)
        witness_close(&many[i], STREAM_CLOSE_ABORT);
    loop_turn(bench.loop, 0);
    ring_hold_submissions(bench.loop->ring, false);
    NET_UNTIL(bench.loop, bench.loop->objects == MANY / 2);
    for (unsigned i = 0; i < MANY; i++) {
        struct raw_reader reader = { .fd = peers[i] };

        if (i % 2) {
            CHECK_INT(send(peers[i], "", 1, 0), 1); /* pattern byte 0 is 0 */
            NET_UNTIL(bench.loop, (raw_read(&reader, 1000), reader.bytes == 500));
            NET_UNTIL(bench.loop, many[i].received == 1);
            witness_close(&many[i], STREAM_CLOSE_FLUSH);
        }
        NET_UNTIL(bench.loop, raw_read(&reader, 1000));
        CHECK_INT(reader.error, i % 2 ? 0 : ECONNRESET);
        close(peers[i]);
    }
    free(many);
    bench_stop(&bench);
}

/* ---- a ring that cannot be had ------------------------------------------------------------- */

/* Makes io_uring_setup fail with that errno for this process. */
static void forbid_io_uring(int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { .len = 4, .filter = code };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        _exit(99);
}

static void forbid_locked_memory(int bytes)
{
    const struct rlimit limit = { (rlim_t)bytes, (rlim_t)bytes };

    if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0 || (geteuid() == 0 && setuid(65534) < 0))
        _exit(99);
}

/* What loop_create says in a process of its own, after `spoil`. */
static void check_complaint(void (*spoil)(int), int argument, const char *first, const char *second)
{
    char text[600] = "";
    int ends[2], status = 0;
    pid_t child;

    CHECK_INT(pipe(ends), 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct loop_options options;
        struct loop *loop;

        spoil(argument);
        loop_options_default(&options);
        loop = loop_create(&options, text, sizeof(text));
        _exit(loop || write(ends[1], text, strlen(text)) <= 0);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
    CHECK(read(ends[0], text, sizeof(text) - 1) > 0);
    if (!strstr(text, first) || !strstr(text, second) || strchr(text, '\n'))
        fail_msg("the complaint is: %s", text);
    close(ends[0]);
    close(ends[1]);
}

/* ---- files --------------------------------------------------------------------------------- */

struct file_user {
    struct ring_user user;
    struct completion last;
};

static void note_completion(struct ring_user *user, const struct completion *completion)
{
    ((struct file_user *)user)->last = *completion;
}

/* The result of the only operation in flight, which must be of this kind. */
static int file_result(struct bench *bench, struct file_user *file, enum op_kind kind)
{
    NET_UNTIL(bench->loop, file->user.ops_in_flight == 0);
    CHECK_INT(file->last.kind, kind);
    CHECK(!file->last.more && !file->last.chunk);
    return file->last.result;
}

/* In a frame of its own, which is gone when the kernel sees the operation. */
static void prepare_write(struct bench *bench, struct file_user *file, struct ring_file_at at)
{
    static char first[] = "hello, ", second[] = "world";
    const struct iovec vec[] = { { first, 7 }, { second, 5 } };

    CHECK_INT(ring_file_write(bench->loop->ring, &file->user, at, vec, 2), 0);
}

static void check_file_operations(int flags, const char *path)
{
    struct bench bench = bench_start();
    struct ring *ring = bench.loop->ring;
    struct file_user file = { .user.on_completion = note_completion };
    char into[20] = "";
    const struct iovec vec = { into, sizeof(into) };
    int fd;

    CHECK_INT(ring_join(ring, &file.user), 0);
    CHECK_INT(ring_file_open(ring, &file.user, path, flags | O_RDWR | O_CLOEXEC), 0);
    fd = file_result(&bench, &file, OP_FILE_OPEN);
    CHECK(fd >= 0);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    ring_hold_submissions(ring, true);
    prepare_write(&bench, &file, (struct ring_file_at){ fd, 100 });
    for (unsigned i = 0; i < 3; i++)
        loop_turn(bench.loop, 0);
    ring_hold_submissions(ring, false);
    CHECK_INT(file_result(&bench, &file, OP_FILE_WRITE), 12);
    CHECK_INT(ring_file_read(ring, &file.user, (struct ring_file_at){ fd, 107 }, &vec), 0);
    CHECK_INT(file_result(&bench, &file, OP_FILE_READ), 5);
    CHECK_STR(into, "world");
    CHECK_INT(ring_file_read(ring, &file.user, (struct ring_file_at){ fd, 112 }, &vec), 0);
    CHECK_INT(file_result(&bench, &file, OP_FILE_READ), 0);
    CHECK_INT(ring_file_close(ring, &file.user, fd), 0);
    CHECK_INT(file_result(&bench, &file, OP_FILE_CLOSE), 0);
    CHECK_INT(ring_file_read(ring, &file.user, (struct ring_file_at){ fd, 0 }, &vec), 0);
    CHECK_INT(file_result(&bench, &file, OP_FILE_READ), -EBADF);
    if (flags & O_EXCL) {
        CHECK_INT(ring_file_open(ring, &file.user, path, flags | O_RDWR), 0);
        CHECK_INT(file_result(&bench, &file, OP_FILE_OPEN), -EEXIST);
        CHECK_INT(ring_file_unlink(ring, &file.user, path), 0);
        CHECK_INT(file_result(&bench, &file, OP_FILE_UNLINK), 0);
        CHECK_INT(ring_file_unlink(ring, &file.user, path), 0);
        CHECK_INT(file_result(&bench, &file, OP_FILE_UNLINK), -ENOENT);
    }
    ring_leave(ring, &file.user);
    bench_stop(&bench);
}

TEST(files_with_and_without_a_name_are_written_read_and_closed)
{
    char folder[] = "/tmp/hopgate-ring-XXXXXX", path[64];

    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/file", folder);
    check_file_operations(O_TMPFILE, folder);
    check_file_operations(O_CREAT | O_EXCL, path);
    CHECK_INT(rmdir(folder), 0); /* it is empty */
}

TEST(without_locked_memory_the_operator_is_told_which_limit)
{
    check_complaint(forbid_locked_memory, 0, "RLIMIT_MEMLOCK is 0 KiB", "LimitMEMLOCK=");
}

TEST(a_container_without_io_uring_is_told_what_to_allow)
{
    check_complaint(forbid_io_uring, EPERM, "kernel.io_uring_disabled=0", "seccomp");
    check_complaint(forbid_io_uring, ENOSYS, "Linux 6.1", "io_uring_setup");
}

TESTS(TEST_CASE(a_send_prepared_before_the_close_never_reaches_the_next_connection),
      TEST_CASE(operations_may_be_submitted_many_turns_after_they_were_prepared),
      TEST_CASE(ten_thousand_connections_aborted_at_random_leak_nothing),
      TEST_CASE(slow_readers_all_finish_with_a_handful_of_receive_buffers),
      TEST_CASE(slow_readers_all_finish_without_memory_to_copy_to),
      TEST_CASE(who_reads_nothing_cannot_hold_the_last_buffers_while_memory_is_full),
      TEST_CASE(a_receive_without_buffer_is_retried_without_any_other_event),
      TEST_CASE(more_operations_than_the_queues_have_entries_fit_in_one_turn),
      TEST_CASE(what_found_the_queue_full_is_tried_again_and_nothing_is_lost),
      TEST_CASE(files_with_and_without_a_name_are_written_read_and_closed),
      TEST_CASE(without_locked_memory_the_operator_is_told_which_limit),
      TEST_CASE(a_container_without_io_uring_is_told_what_to_allow))
