#include "core/ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>

#include "core/ring_buffers_priv.h"

/* user_data: kind 8 bits, slot 24 bits, generation 32 bits */
enum { SLOT_BITS = 24, SLOTS_MAX = 1 << SLOT_BITS };

struct slot {
    struct ring_user *user; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

/*
 * What a send or a file write of several spans points to. One per submission entry: the kernel has copied it when
 * it took the entry (IORING_FEAT_SUBMIT_STABLE), so it is free again together with the entry and
 * connections do not carry one each.
 */
struct gather {
    struct msghdr message;
    struct iovec vec[RING_SEND_SPANS_MAX];
};

struct ring {
    struct io_uring io;
    struct gather *gathers; /* by index of the submission entry */
    struct slot *slots;
    uint32_t slots_count, free_slot; /* free_slot == slots_count: none */
    struct ring_buffers buffers[RING_RECV_SIZES];
    struct chunk_pool *pool;
    struct ring_user *waiting_first, **waiting_last;
    void (*on_buffer)(struct ring_user *user);
    struct ring_stats stats;
    bool hold;
};

/* ---- creation ------------------------------------------------------------------------------ */

static void explain(int r, uint32_t entries, char *error, size_t size)
{
    struct utsname host;
    struct rlimit limit = { 0, 0 };

    (void)uname(&host); /* only fails for a bad pointer */
    (void)getrlimit(RLIMIT_MEMLOCK, &limit);
    switch (-r) {
    case ENOSYS:
        snprintf(error, size,
                 "io_uring is not available (io_uring_setup: ENOSYS): kernel %s lacks it or a "
                 "seccomp filter hides it; hopgate needs Linux 6.1 or newer with CONFIG_IO_URING, "
                 "and a container profile that allows io_uring_setup, io_uring_enter and "
                 "io_uring_register",
                 host.release);
        return;
    case EPERM:
    case EACCES:
        snprintf(
            error, size,
            "io_uring is disabled (io_uring_setup: %s): set `sysctl kernel.io_uring_disabled=0` "
            "(or =1 and add this user to kernel.io_uring_group), and allow io_uring_setup in "
            "the container's seccomp profile",
            strerror(-r));
        return;
    case ENOMEM:
        snprintf(
            error, size,
            "not enough locked memory for io_uring (%u entries; RLIMIT_MEMLOCK is %llu KiB for "
            "all processes of this user together): raise it with `ulimit -l`, LimitMEMLOCK= in "
            "the systemd unit, or memlock in /etc/security/limits.conf",
            entries, (unsigned long long)limit.rlim_cur / 1024);
        return;
    case EINVAL:
        snprintf(error, size,
                 "this kernel's io_uring is too old (kernel %s): hopgate needs Linux 6.1 or newer",
                 host.release);
        return;
    case EMFILE:
    case ENFILE:
        snprintf(error, size,
                 "no file descriptor left for io_uring (%s): raise `ulimit -n` (LimitNOFILE=)",
                 strerror(-r));
        return;
    default:
        snprintf(error, size, "io_uring_setup failed: %s", strerror(-r));
    }
}

static int setup(struct ring *ring, const struct ring_options *options)
{
    struct io_uring_params params;

    memset(&params, 0, sizeof(params));
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
    params.cq_entries = options->completion_entries;
    return io_uring_queue_init_params(options->submission_entries, &ring->io, &params);
}

static int setup_patiently(struct ring *ring, const struct ring_options *options)
{
    const struct timespec pause = { 0, 20 * 1000 * 1000 };
    int r = setup(ring, options);

    for (int tries = 0; r == -ENOMEM && tries < 50; tries++) {
        (void)nanosleep(&pause, NULL); /* an early wake-up only means an earlier try */
        r = setup(ring, options);
    }
    return r;
}

static int setup_buffers(struct ring *ring, const struct ring_options *options)
{
    static const uint32_t bytes[RING_RECV_SIZES] = { CHUNK_SMALL_BYTES, CHUNK_BULK_BYTES };

    uint32_t next_id = 0;

    for (unsigned size = 0; size < RING_RECV_SIZES; size++) {
        struct ring_buffers *buffers = &ring->buffers[size];
        int r;

        if (options->buffer_counts[size] > UINT16_MAX + 1u - next_id)
            return -EINVAL; /* the kernel names a buffer by 16 bits */
        buffers->group_id = (uint16_t)size;
        buffers->first_id = (uint16_t)next_id;
        r = ring_buffers_init(buffers, &ring->io, options->buffer_counts[size], bytes[size]);
        if (r < 0)
            return r;
        next_id += options->buffer_counts[size];
    }
    return 0;
}

struct ring *ring_create(const struct ring_options *options, char *error, size_t error_size)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    int r;

    if (!ring) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    ring->pool = options->pool;
    ring->waiting_last = &ring->waiting_first;
    r = setup_patiently(ring, options);
    if (r < 0) {
        explain(r, options->submission_entries, error, error_size);
        free(ring);
        return NULL;
    }
    (void)io_uring_register_ring_fd(&ring->io); /* saves a descriptor lookup; works without */
    ring->gathers = calloc(ring->io.sq.ring_entries, sizeof(*ring->gathers));
    r = ring->gathers ? setup_buffers(ring, options) : -ENOMEM;
    if (r < 0) {
        explain(r, options->submission_entries, error, error_size);
        ring_free(ring);
        return NULL;
    }
    return ring;
}

void ring_free(struct ring *ring)
{
    if (!ring)
        return;
    for (uint32_t i = 0; i < ring->slots_count; i++)
        assert(!ring->slots[i].user && "ring freed while an object still uses it");
    for (unsigned size = 0; size < RING_RECV_SIZES; size++)
        ring_buffers_done(&ring->buffers[size], &ring->io);
    io_uring_queue_exit(&ring->io);
    free(ring->gathers);
    free(ring->slots);
    free(ring);
}

/* ---- users --------------------------------------------------------------------------------- */

static int grow_slots(struct ring *ring)
{
    uint32_t count = ring->slots_count ? ring->slots_count * 2 : 256;
    struct slot *slots;

    if (count > SLOTS_MAX)
        return -ENOMEM;
    slots = realloc(ring->slots, count * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (uint32_t i = ring->slots_count; i < count; i++)
        slots[i] = (struct slot){ .generation = 1, .next_free = i + 1 };
    ring->free_slot = ring->slots_count;
    ring->slots = slots;
    ring->slots_count = count;
    return 0;
}

int ring_join(struct ring *ring, struct ring_user *user)
{
    struct slot *slot;

    if (ring->free_slot == ring->slots_count && grow_slots(ring) < 0)
        return -ENOMEM;
    user->slot = ring->free_slot;
    slot = &ring->slots[user->slot];
    ring->free_slot = slot->next_free;
    slot->user = user;
    user->generation = slot->generation;
    user->ops_in_flight = 0;
    user->waits_for_buffer = false;
    return 0;
}

static void forget_wish(struct ring *ring, struct ring_user *user)
{
    struct ring_user **link = &ring->waiting_first;

    while (*link != user)
        link = &(*link)->next_waiting;
    *link = user->next_waiting;
    if (ring->waiting_last == &user->next_waiting)
        ring->waiting_last = link;
    user->waits_for_buffer = false;
}

void ring_leave(struct ring *ring, struct ring_user *user)
{
    struct slot *slot = &ring->slots[user->slot];

    assert(slot->user == user && slot->generation == user->generation);
    assert(user->ops_in_flight == 0 && "freed while the kernel still holds an operation");
    if (user->waits_for_buffer)
        forget_wish(ring, user);
    slot->user = NULL;
    slot->generation++;
    slot->next_free = ring->free_slot;
    ring->free_slot = user->slot;
}

void ring_set_on_buffer(struct ring *ring, void (*on_buffer)(struct ring_user *user))
{
    ring->on_buffer = on_buffer;
}

void ring_wait_for_buffer(struct ring *ring, struct ring_user *user)
{
    if (user->waits_for_buffer)
        return;
    user->waits_for_buffer = true;
    user->next_waiting = NULL;
    *ring->waiting_last = user;
    ring->waiting_last = &user->next_waiting;
}

/* true: somebody has work now, so the wait must not block. */
static bool wake_waiting(struct ring *ring)
{
    uint32_t wakes = ring->buffers[RING_RECV_SMALL].free_count;
    bool woke = ring->waiting_first && wakes > 0;

    while (ring->waiting_first && wakes-- > 0) {
        struct ring_user *user = ring->waiting_first;

        forget_wish(ring, user);
        ring->on_buffer(user);
    }
    return woke;
}

/* ---- operations ---------------------------------------------------------------------------- */

static uint64_t name_of(const struct ring_user *user, enum op_kind kind)
{
    return (uint64_t)kind << 56 | (uint64_t)user->slot << 32 | user->generation;
}

static struct io_uring_sqe *prepare(struct ring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->io);

    if (!sqe && !ring->hold) {
        (void)io_uring_submit(&ring->io); /* what could not be submitted shows as a full queue */
        sqe = io_uring_get_sqe(&ring->io);
    }
    return sqe;
}

static int start(struct io_uring_sqe *sqe, struct ring_user *user, enum op_kind kind)
{
    io_uring_sqe_set_data64(sqe, name_of(user, kind));
    user->ops_in_flight++;
    return 0;
}

int ring_accept(struct ring *ring, struct ring_user *user, int fd, bool multishot)
{
    struct io_uring_sqe *sqe = prepare(ring);

    if (!sqe)
        return -EBUSY;
    if (multishot)
        io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
    else
        io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
    return start(sqe, user, OP_ACCEPT);
}

int ring_connect(struct ring *ring, struct ring_user *user, int fd, const struct sockaddr *address,
                 socklen_t length)
{
    struct io_uring_sqe *sqe = prepare(ring);

    if (!sqe)
        return -EBUSY;
    io_uring_prep_connect(sqe, fd, address, length);
    return start(sqe, user, OP_CONNECT);
}

int ring_recv(struct ring *ring, struct ring_user *user, int fd, enum ring_recv_size size)
{
    struct io_uring_sqe *sqe = prepare(ring);

    if (!sqe)
        return -EBUSY;
    io_uring_prep_recv(sqe, fd, NULL, ring->buffers[size].buffer_bytes, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = (uint16_t)size;
    return start(sqe, user, OP_RECV);
}

/* A copy of vec that lives as long as the submission entry. */
static struct gather *gather_for(struct ring *ring, const struct io_uring_sqe *sqe,
                                 const struct iovec *vec, unsigned count)
{
    struct gather *gather = &ring->gathers[sqe - ring->io.sq.sqes];

    memcpy(gather->vec, vec, count * sizeof(*vec));
    return gather;
}

int ring_send(struct ring *ring, struct ring_user *user, int fd, const struct iovec *vec,
              unsigned count)
{
    struct io_uring_sqe *sqe = prepare(ring);
    struct gather *gather;

    assert(count > 0 && count <= RING_SEND_SPANS_MAX);
    if (!sqe)
        return -EBUSY;
    if (count == 1) {
        io_uring_prep_send(sqe, fd, vec->iov_base, vec->iov_len, MSG_NOSIGNAL);
        return start(sqe, user, OP_SEND);
    }
    gather = gather_for(ring, sqe, vec, count);
    gather->message = (struct msghdr){ .msg_iov = gather->vec, .msg_iovlen = count };
    io_uring_prep_sendmsg(sqe, fd, &gather->message, MSG_NOSIGNAL);
    return start(sqe, user, OP_SEND);
}

int ring_read(struct ring *ring, struct ring_user *user, int fd, void *into, size_t length)
{
    struct io_uring_sqe *sqe = prepare(ring);

    if (!sqe)
        return -EBUSY;
    io_uring_prep_read(sqe, fd, into, (unsigned)length, 0);
    return start(sqe, user, OP_DOORBELL);
}

int ring_file_open(struct ring *ring, struct ring_user *user, const char *path, int flags)
{
    struct io_uring_sqe *sqe = prepare(ring);

    if (!sqe)
        return -EBUSY;
    io_uring_prep_openat(sqe, AT_FDCWD, path, flags, 0600);
    sqe->flags |= IOSQE_ASYNC;
    return start(sqe, user, OP_FILE_OPEN);
}

int ring_file_unlink(struct ring *ring, struct ring_user *user, const char *path)
{
    struct io_uring_sqe *sqe = prepare(ring);

    if (!sqe)
        return -EBUSY;
    io_uring_prep_unlinkat(sqe, AT_FDCWD, path, 0);
    return start(sqe, user, OP_FILE_UNLINK); /* the kernel never does this one inline */
}

int ring_file_close(struct ring *ring, struct ring_user *user, int fd)
{
    struct io_uring_sqe *sqe = prepare(ring);

    if (!sqe)
        return -EBUSY;
    io_uring_prep_close(sqe, fd);
    sqe->flags |= IOSQE_ASYNC;
    return start(sqe, user, OP_FILE_CLOSE);
}

/* Tried without waiting first: what goes into the page cache at once needs no other thread. */
int ring_file_write(struct ring *ring, struct ring_user *user, struct ring_file_at at,
                    const struct iovec *vec, unsigned count)
{
    struct io_uring_sqe *sqe = prepare(ring);

    assert(count > 0 && count <= RING_SEND_SPANS_MAX);
    if (!sqe)
        return -EBUSY;
    io_uring_prep_writev(sqe, at.fd, gather_for(ring, sqe, vec, count)->vec, count, at.offset);
    return start(sqe, user, OP_FILE_WRITE);
}

int ring_file_read(struct ring *ring, struct ring_user *user, struct ring_file_at at,
                   const struct iovec *into)
{
    struct io_uring_sqe *sqe = prepare(ring);

    if (!sqe)
        return -EBUSY;
    io_uring_prep_read(sqe, at.fd, into->iov_base, (unsigned)into->iov_len, at.offset);
    return start(sqe, user, OP_FILE_READ);
}

int ring_cancel_fd(struct ring *ring, struct ring_user *user, int fd)
{
    struct io_uring_sqe *sqe = prepare(ring);

    if (!sqe)
        return -EBUSY;
    io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
    return start(sqe, user, OP_CANCEL);
}

/* ---- completions --------------------------------------------------------------------------- */

/*
 * The last eighth of the buffers is copied out even when memory is FULL: who reads nothing would hold
 * them for good, and nobody else would be read from long after memory is free again. That is at most
 * all buffers in a turn, and what is held too long is ended in the next (proxy/worker/memory_relief.h).
 */
static struct chunk *copy_of(struct ring *ring, const struct ring_buffers *buffers, size_t length)
{
    struct chunk *copy = chunk_pool_get(ring->pool, length);

    if (!copy && buffers->free_count <= buffers->count / 8) {
        bool was_privileged = chunk_pool_privilege(ring->pool, true);

        copy = chunk_pool_get(ring->pool, length);
        (void)chunk_pool_privilege(ring->pool, was_privileged);
    }
    return copy;
}

/*
 * Bytes of a receive. While buffers are plenty they are handed on as they are; when fewer than a
 * quarter are left they are copied out, so that slow readers elsewhere can never hold all buffers.
 */
static struct chunk *received_chunk(struct ring *ring, const struct io_uring_cqe *cqe)
{
    uint16_t id = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    bool bulk = ring_buffers_has_id(&ring->buffers[RING_RECV_BULK], id);
    struct ring_buffers *buffers = &ring->buffers[bulk ? RING_RECV_BULK : RING_RECV_SMALL];
    struct chunk *chunk, *copy;

    chunk = ring_buffers_take(buffers, id, (uint32_t)(cqe->res > 0 ? cqe->res : 0));
    if (cqe->res <= 0) {
        chunk_unref(chunk);
        return NULL;
    }
    if (buffers->free_count >= buffers->count / 4)
        return chunk;
    copy = copy_of(ring, buffers, (size_t)cqe->res);
    if (!copy)
        return chunk;
    memcpy(copy->data, chunk->data, (size_t)cqe->res);
    copy->used = (uint32_t)cqe->res;
    chunk_unref(chunk);
    ring->stats.copied_out++;
    return copy;
}

static void complete(struct ring *ring, const struct io_uring_cqe *cqe)
{
    uint32_t number = (uint32_t)(cqe->user_data >> 32) & (SLOTS_MAX - 1);
    struct completion completion = { .kind = (enum op_kind)(cqe->user_data >> 56),
                                     .result = cqe->res,
                                     .more = cqe->flags & IORING_CQE_F_MORE };
    struct slot *slot = number < ring->slots_count ? &ring->slots[number] : NULL;

    ring->stats.completions++;
    if (cqe->flags & IORING_CQE_F_BUFFER)
        completion.chunk = received_chunk(ring, cqe);
    if (cqe->res == -ENOBUFS)
        ring->stats.no_buffer++;
    if (!slot || !slot->user || slot->generation != (uint32_t)cqe->user_data) {
        ring->stats.stale_completions++;
        chunk_unref(completion.chunk);
        assert(!"completion for an object that is gone");
        return;
    }
    if (!completion.more)
        slot->user->ops_in_flight--;
    slot->user->on_completion(slot->user, &completion);
}

/* The 2.3 wait helper omits GETEVENTS when completions are visible, and deferred task work would
 * starve; so the queue is emptied completely before every wait. */
static void reap(struct ring *ring)
{
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;

    io_uring_for_each_cqe(&ring->io, head, cqe)
    {
        complete(ring, cqe);
        count++;
    }
    io_uring_cq_advance(&ring->io, count);
}

int ring_wait(struct ring *ring, uint64_t timeout_ms)
{
    struct __kernel_timespec limit = { .tv_sec = (long long)(timeout_ms / 1000),
                                       .tv_nsec = (long long)(timeout_ms % 1000) * 1000000 };
    struct io_uring_cqe *cqe = NULL;
    int r;

    if (wake_waiting(ring))
        timeout_ms = 0;
    for (unsigned size = 0; size < RING_RECV_SIZES; size++)
        ring_buffers_publish(&ring->buffers[size]);
    ring->stats.enters++;
    if (ring->hold)
        r = 0;
    else if (timeout_ms == 0)
        r = io_uring_submit_and_get_events(&ring->io);
    else
        r = io_uring_submit_and_wait_timeout(&ring->io, &cqe, 1,
                                             timeout_ms == UINT64_MAX ? NULL : &limit, NULL);
    /* the kernel keeps what did not fit and delivers it with the next enter */
    ring->stats.overflows += io_uring_cq_has_overflow(&ring->io);
    reap(ring);
    /* what is normal: time passed, a signal, a completion queue that had to be emptied first */
    if (r == -ETIME || r == -EINTR || r == -EBUSY || r == -EAGAIN)
        return 0;
    return r < 0 ? r : 0;
}

const struct ring_stats *ring_stats(const struct ring *ring)
{
    return &ring->stats;
}

size_t ring_buffer_bytes(const struct ring *ring)
{
    size_t bytes = 0;

    for (unsigned size = 0; size < RING_RECV_SIZES; size++)
        bytes += ring->buffers[size].memory_bytes;
    return bytes;
}

uint32_t ring_buffers_held(const struct ring *ring, enum ring_recv_size size)
{
    return ring->buffers[size].count - ring->buffers[size].free_count;
}

void ring_hold_submissions(struct ring *ring, bool hold)
{
    ring->hold = hold;
}
