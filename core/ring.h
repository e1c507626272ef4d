/*
 * ring: one io_uring: prepare, submit, reap, cancel. The only file that knows liburing.
 *
 * Role    turns kernel completions into on_completion of the object that started the operation
 * Owns    the ring, the table of its users, two groups of provided receive buffers
 * Thread  the thread that created it (SINGLE_ISSUER)
 *
 * An operation is named by kind, slot and generation of its user, never by a pointer: a completion
 * can be recognised as stale instead of being followed into freed memory. A user may be freed only
 * when ops_in_flight is 0; every operation, cancelled or not, gets a last completion.
 *
 * on_completion only records what happened and queues work: it must not prepare operations, close
 * descriptors or call into layers above, because it runs inside the walk over the completion queue.
 */
#ifndef CORE_RING_H
#define CORE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/chunk.h"

enum op_kind {
    OP_NONE,
    OP_ACCEPT,
    OP_CONNECT,
    OP_RECV,
    OP_SEND,
    OP_CANCEL,
    OP_DOORBELL,
    OP_FILE_OPEN,
    OP_FILE_UNLINK,
    OP_FILE_WRITE,
    OP_FILE_READ,
    OP_FILE_CLOSE,
};

struct completion {
    enum op_kind kind;
    int result;          /* as the kernel said: count, descriptor, or negative errno */
    bool more;           /* this operation will complete again (multishot) */
    struct chunk *chunk; /* OP_RECV with result > 0: the bytes; the user owns the reference */
};

struct ring_user {
    void (*on_completion)(struct ring_user *user, const struct completion *completion);
    uint32_t slot, generation;
    uint32_t ops_in_flight;
    struct ring_user *next_waiting; /* in the list of those that found no receive buffer */
    bool waits_for_buffer;
};

/* Receive buffers come in two sizes: heads and idle connections, and bulk content (the sizes of
 * chunk.h), because 4 KiB receives lose by a factor of five on large content. */
enum ring_recv_size { RING_RECV_SMALL, RING_RECV_BULK, RING_RECV_SIZES };

struct ring_options {
    uint32_t submission_entries;             /* 256 */
    uint32_t completion_entries;             /* 2048 */
    uint32_t buffer_counts[RING_RECV_SIZES]; /* powers of two */
    struct chunk_pool *pool;                 /* borrowed; takes over bytes when buffers run short */
};

struct ring_stats {
    /* overflows: turns that left completions in the kernel, because their queue was too small */
    uint64_t enters, completions, stale_completions, no_buffer, overflows, copied_out;
};

struct ring;

/*
 * NULL on failure, with one sentence in error[error_size] that names the sysctl or limit to change.
 * Locked memory that a process just gave back may be missing for a moment: ENOMEM is tried again
 * for up to a second.
 */
struct ring *ring_create(const struct ring_options *options, char *error, size_t error_size);

/* Every user must have left. */
void ring_free(struct ring *ring);

/* 0 or -ENOMEM. */
int ring_join(struct ring *ring, struct ring_user *user);

/* ops_in_flight must be 0. */
void ring_leave(struct ring *ring, struct ring_user *user);

/* Addresses must stay where they are until the completion. 0, or a negative errno when
 * no submission entry could be had even after submitting. */
/* multishot: until it fails or is cancelled; else one connection. */
int ring_accept(struct ring *ring, struct ring_user *user, int fd, bool multishot);
int ring_connect(struct ring *ring, struct ring_user *user, int fd, const struct sockaddr *address,
                 socklen_t length);
int ring_recv(struct ring *ring, struct ring_user *user, int fd, enum ring_recv_size size);

/* The bytes must stay until the completion; vec is copied. 1 <= count <= RING_SEND_SPANS_MAX. */
enum { RING_SEND_SPANS_MAX = 16 };
int ring_send(struct ring *ring, struct ring_user *user, int fd, const struct iovec *vec,
              unsigned count);

int ring_read(struct ring *ring, struct ring_user *user, int fd, void *into, size_t length);

/*
 * Files: whatever would wait for a disk happens on threads of the kernel, never on ours. That is also
 * why closing is an operation: with the last reference to an unlinked file its blocks are freed.
 * path must stay until the completion; OP_FILE_OPEN completes with the descriptor.
 */
int ring_file_open(struct ring *ring, struct ring_user *user, const char *path, int flags);
int ring_file_unlink(struct ring *ring, struct ring_user *user, const char *path);
int ring_file_close(struct ring *ring, struct ring_user *user, int fd);

/* As for a send: the bytes must stay, vec is copied. */
struct ring_file_at {
    int fd;
    uint64_t offset;
};
int ring_file_write(struct ring *ring, struct ring_user *user, struct ring_file_at at,
                    const struct iovec *vec, unsigned count);
int ring_file_read(struct ring *ring, struct ring_user *user, struct ring_file_at at,
                   const struct iovec *into);

/* Cancels every operation on fd, submitted or still queued. Completes as OP_CANCEL. */
int ring_cancel_fd(struct ring *ring, struct ring_user *user, int fd);

/* After a receive ended in -ENOBUFS: on_buffer is called (from ring_wait, record only) once small
 * buffers came back, first come first served; ring_leave forgets the wish. */
void ring_wait_for_buffer(struct ring *ring, struct ring_user *user);
void ring_set_on_buffer(struct ring *ring, void (*on_buffer)(struct ring_user *user));

/*
 * Submits what was prepared, waits until something completed or timeout_ms passed (0: no waiting,
 * UINT64_MAX: no limit), and hands every completion to its user. 0 or a negative errno.
 */
int ring_wait(struct ring *ring, uint64_t timeout_ms);

const struct ring_stats *ring_stats(const struct ring *ring);

/* Memory of all receive buffers. */
size_t ring_buffer_bytes(const struct ring *ring);

/* P4: every receive buffer is with the kernel or referenced by a chunk holder. */
uint32_t ring_buffers_held(const struct ring *ring, enum ring_recv_size size);

/* Test hook: while held, prepared operations stay in the submission queue (P3, P6). */
void ring_hold_submissions(struct ring *ring, bool hold);

#endif
