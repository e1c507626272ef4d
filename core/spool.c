#include "core/spool.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NAME_DIGITS = 10, /* nginx's: client_body_temp/0000000001 */
    WRITE_BYTES_MAX = 1024 * 1024,
};

#define NUMBERS_HALF UINT64_C(5000000000) /* of those with NAME_DIGITS digits */

enum spool_state { SPOOL_CREATING, SPOOL_NAMED, SPOOL_OPEN, SPOOL_CLOSING, SPOOL_GONE };

struct spool {
    struct ring_user user;
    struct loop *loop;
    struct spool_area *area;
    void *owner;
    void (*on_event)(void *owner);
    enum spool_state state;
    int fd;        /* -1: none */
    bool has_name; /* the file is made with one: another worker may learn meanwhile that it must */
    bool close_wanted; /* spool_close was called */
    bool is_lenient;
    bool read_last; /* the latest operation was a read: a write that waits goes first now */
    bool has_news;  /* on_event is due */
    struct spool_failure failure;
    uint64_t number;   /* of the area's files */
    uint64_t appended; /* bytes; the area counts them until the file is gone */
    uint64_t written;
    struct buf queue; /* appended and not written; the kernel holds its first `writing` bytes */
    size_t writing;   /* 0: no write in flight */
    struct buf ahead; /* read and not taken, from ahead_at on */
    uint64_t ahead_at;
    struct chunk *reading; /* the kernel fills it from ahead_at on; NULL: no read in flight */
    bool read_wanted;
    struct task task, flush_task;
    struct deferred deferred;
    char path[];
};

/* ---- the area ------------------------------------------------------------------------------ */

static bool is_spool_name(const char *name)
{
    return strspn(name, "0123456789") == NAME_DIGITS && name[NAME_DIGITS] == '\0';
}

/* A process that was killed while its file had a name. */
static int remove_leftovers(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    int r = 0;

    if (!folder)
        return -errno;
    while (r == 0 && (entry = readdir(folder)) != NULL)
        if (is_spool_name(entry->d_name) && unlinkat(dirfd(folder), entry->d_name, 0) < 0)
            r = -errno;
    (void)closedir(folder);
    return r;
}

static int open_area(struct spool_area *area, const char *path, bool is_ours_alone, char *error,
                     size_t error_size)
{
    int r = 0;

    *area = (struct spool_area){ .path = strdup(path) };
    if (!area->path) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        r = -errno;
    if (r == 0 && is_ours_alone)
        r = remove_leftovers(path);
    if (r == 0 && access(path, W_OK | X_OK) < 0)
        r = -errno;
    if (r < 0) {
        snprintf(error, error_size,
                 "cannot use %s for the content of requests: %s; give it to the user of this hop, "
                 "or choose another place with `prefix = DIR` in kong.conf",
                 path, strerror(-r));
        return -1;
    }
    return 0;
}

int spool_area_open(struct spool_area *area, const char *path, char *error, size_t error_size)
{
    return open_area(area, path, true, error, error_size);
}

int spool_area_join(struct spool_area *area, const char *path, uint64_t files_count, char *error,
                    size_t error_size)
{
    int r = open_area(area, path, false, error, error_size);

    /* two processes at a time at most: each has a half of the numbers */
    atomic_store(&area->files_count, files_count < NUMBERS_HALF ? NUMBERS_HALF : 0);
    return r;
}

void spool_area_done(struct spool_area *area)
{
    assert(atomic_load(&area->bytes) == 0 && "a spool outlives its area");
    free(area->path);
    area->path = NULL;
}

/* ---- operations ---------------------------------------------------------------------------- */

static void fail(struct spool *spool, enum spool_step step, int error)
{
    bool is_worse = spool->is_lenient && step == SPOOL_STEP_READ;

    if (spool->failure.step != SPOOL_STEP_NONE && !is_worse)
        return;
    spool->failure = (struct spool_failure){ .step = step, .error = error };
    if (!spool->is_lenient) {
        buf_done(&spool->queue);
        buf_done(&spool->ahead);
    }
    spool->has_news = true;
}

/* Whether what is in the file is still of use. */
static bool can_be_read(const struct spool *spool)
{
    return spool->failure.step == SPOOL_STEP_NONE ||
           (spool->is_lenient && spool->failure.step != SPOOL_STEP_READ);
}

static int create_file(struct spool *spool)
{
    spool->has_name = atomic_load_explicit(&spool->area->needs_names, memory_order_relaxed);
    if (spool->has_name)
        return ring_file_open(spool->loop->ring, &spool->user, spool->path,
                              O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC);
    return ring_file_open(spool->loop->ring, &spool->user, spool->area->path,
                          O_TMPFILE | O_RDWR | O_CLOEXEC);
}

static int write_some(struct spool *spool)
{
    const struct ring_file_at at = { spool->fd, spool->written };
    struct iovec vec[RING_SEND_SPANS_MAX];
    unsigned count = buf_iovec(&spool->queue, vec, RING_SEND_SPANS_MAX, WRITE_BYTES_MAX);
    int r = ring_file_write(spool->loop->ring, &spool->user, at, vec, count);

    for (unsigned i = 0; r == 0 && i < count; i++)
        spool->writing += vec[i].iov_len;
    return r;
}

static int read_some(struct spool *spool)
{
    const struct ring_file_at at = { spool->fd, spool->ahead_at };
    struct chunk *chunk = chunk_pool_get(spool->loop->pool, CHUNK_BULK_BYTES);
    struct iovec into;
    int r;

    if (!chunk) {
        fail(spool, SPOOL_STEP_READ, -ENOMEM);
        loop_post(spool->loop, &spool->task);
        return 0;
    }
    into = (struct iovec){ chunk->data, chunk->capacity };
    r = ring_file_read(spool->loop->ring, &spool->user, at, &into);
    if (r < 0) {
        chunk_unref(chunk);
        return r;
    }
    spool->reading = chunk;
    spool->read_wanted = false;
    return 0;
}

static void free_spool(struct deferred *deferred)
{
    struct spool *spool = (struct spool *)((char *)deferred - offsetof(struct spool, deferred));

    spool->loop->objects--;
    free(spool);
}

static void die(struct spool *spool)
{
    spool->state = SPOOL_GONE;
    atomic_fetch_sub(&spool->area->bytes, spool->appended);
    ring_leave(spool->loop->ring, &spool->user);
    buf_done(&spool->queue);
    buf_done(&spool->ahead);
    loop_forget(spool->loop, &spool->task);
    loop_forget(spool->loop, &spool->flush_task);
    loop_free_later(spool->loop, &spool->deferred);
}

/* By turns, so that neither waits for all of the other. */
static int start_io(struct spool *spool)
{
    bool may_write = spool->queue.length > 0 && spool->failure.step == SPOOL_STEP_NONE;
    bool may_read = spool->read_wanted && can_be_read(spool) && spool->ahead_at < spool->written;

    if (may_read && !(may_write && spool->read_last)) {
        spool->read_last = true;
        return read_some(spool);
    }
    spool->read_last = false;
    return may_write ? write_some(spool) : 0;
}

static int start_in_open_file(struct spool *spool)
{
    if (spool->close_wanted) {
        spool->state = SPOOL_CLOSING;
        return ring_file_close(spool->loop->ring, &spool->user, spool->fd);
    }
    return start_io(spool);
}

/* Starts what comes next, or ends the spool: last touch. */
static void start_next(struct spool *spool)
{
    int r = 0;

    if (spool->user.ops_in_flight > 0)
        return;
    switch (spool->state) {
    case SPOOL_CREATING:
        if (spool->close_wanted) {
            die(spool);
            return;
        }
        if (spool->failure.step == SPOOL_STEP_NONE)
            r = create_file(spool);
        break;
    case SPOOL_NAMED:
        r = ring_file_unlink(spool->loop->ring, &spool->user, spool->path);
        break;
    case SPOOL_OPEN:
        r = start_in_open_file(spool);
        break;
    case SPOOL_CLOSING:
        if (spool->fd < 0) {
            die(spool);
            return;
        }
        r = ring_file_close(spool->loop->ring, &spool->user, spool->fd);
        break;
    case SPOOL_GONE:
        return;
    }
    if (r < 0)
        loop_post_flush(spool->loop, &spool->flush_task); /* the queue was full: next turn */
}

/* ---- completions --------------------------------------------------------------------------- */

static void record_open(struct spool *spool, int result)
{
    if (result >= 0) {
        spool->fd = result;
        spool->state = spool->has_name ? SPOOL_NAMED : SPOOL_OPEN;
    } else if (!spool->has_name && (result == -EOPNOTSUPP || result == -EISDIR)) {
        atomic_store(&spool->area->needs_names, true); /* and once more, with a name */
    } else {
        fail(spool, SPOOL_STEP_OPEN, result);
    }
}

static void record_unlink(struct spool *spool, int result)
{
    spool->state = SPOOL_OPEN;
    if (result < 0)
        fail(spool, SPOOL_STEP_OPEN, result);
}

static void record_write(struct spool *spool, int result)
{
    size_t n = result > 0 ? (size_t)result : 0;

    assert(n <= spool->writing);
    spool->writing = 0;
    if (result == -EINTR || result == -EAGAIN)
        return;
    if (result <= 0) {
        fail(spool, SPOOL_STEP_WRITE, result < 0 ? result : -EIO);
        return;
    }
    buf_consume(&spool->queue, n); /* a short write goes on where it stopped */
    spool->written += n;
    spool->has_news = true;
}

static void record_read(struct spool *spool, int result)
{
    struct chunk *chunk = spool->reading;

    spool->reading = NULL;
    if (spool->read_wanted || result == -EINTR || result == -EAGAIN) {
        spool->read_wanted = true; /* again, or from where the owner went meanwhile */
    } else if (result <= 0) {      /* 0: somebody cut the file */
        fail(spool, SPOOL_STEP_READ, result < 0 ? result : -EIO);
    } else {
        chunk->used = (uint32_t)result;
        if (buf_append_chunk(&spool->ahead, chunk, 0, (uint32_t)result) < 0)
            fail(spool, SPOOL_STEP_READ, -ENOMEM);
        spool->has_news = true;
    }
    chunk_unref(chunk);
}

static void on_completion(struct ring_user *user, const struct completion *completion)
{
    struct spool *spool = (struct spool *)((char *)user - offsetof(struct spool, user));

    switch (completion->kind) {
    case OP_FILE_OPEN:
        record_open(spool, completion->result);
        break;
    case OP_FILE_UNLINK:
        record_unlink(spool, completion->result);
        break;
    case OP_FILE_WRITE:
        record_write(spool, completion->result);
        break;
    case OP_FILE_READ:
        record_read(spool, completion->result);
        break;
    case OP_FILE_CLOSE: /* the descriptor is gone even when that reports an error */
        spool->fd = -1;
        break;
    case OP_NONE:
    case OP_ACCEPT:
    case OP_CONNECT:
    case OP_RECV:
    case OP_SEND:
    case OP_CANCEL:
    case OP_DOORBELL:
        break;
    }
    loop_post(spool->loop, &spool->task);
}

static void run_task(struct task *task)
{
    struct spool *spool = (struct spool *)((char *)task - offsetof(struct spool, task));
    bool has_news = spool->has_news && !spool->close_wanted;

    spool->has_news = false;
    if (has_news && spool->on_event)
        spool->on_event(spool->owner);
    start_next(spool);
}

/* At the end of the turn, so that all that was appended in it goes out in one write. */
static void run_flush(struct task *task)
{
    start_next((struct spool *)((char *)task - offsetof(struct spool, flush_task)));
}

/* ---- for the owner ------------------------------------------------------------------------- */

struct spool *spool_create(struct loop *loop, struct spool_area *area)
{
    size_t path_bytes = strlen(area->path) + 1 + 20 + 1; /* "/", any 64-bit number, NUL */
    struct spool *spool = calloc(1, sizeof(*spool) + path_bytes);

    if (!spool || ring_join(loop->ring, &spool->user) < 0) {
        free(spool);
        return NULL;
    }
    spool->number = atomic_fetch_add_explicit(&area->files_count, 1, memory_order_relaxed) + 1;
    snprintf(spool->path, path_bytes, "%s/%0*" PRIu64, area->path, NAME_DIGITS, spool->number);
    spool->user.on_completion = on_completion;
    spool->loop = loop;
    spool->area = area;
    spool->fd = -1;
    buf_init(&spool->queue, loop->pool);
    buf_init(&spool->ahead, loop->pool);
    task_init(&spool->task, run_task);
    task_init(&spool->flush_task, run_flush);
    spool->deferred.free = free_spool;
    loop->objects++;
    loop_post_flush(loop, &spool->flush_task);
    return spool;
}

void spool_set_lenient(struct spool *spool)
{
    spool->is_lenient = true;
}

void spool_set_owner(struct spool *spool, void *owner, void (*on_event)(void *owner))
{
    spool->owner = owner;
    spool->on_event = on_event;
}

/* The area's bytes_max is kept by all workers together, without a lock. Lenient ones, which can do without,
 * leave a quarter of it to the others, for whom its end is a failure. */
static bool reserve(struct spool *spool, size_t bytes)
{
    struct spool_area *area = spool->area;
    uint64_t bytes_max = atomic_load_explicit(&area->bytes_max, memory_order_relaxed);

    if (spool->is_lenient)
        bytes_max -= bytes_max / 4;
    if (atomic_fetch_add(&area->bytes, bytes) + bytes > bytes_max && bytes_max != 0) {
        atomic_fetch_sub(&area->bytes, bytes);
        return false;
    }
    spool->appended += bytes;
    return true;
}

static void give_back(struct spool *spool, size_t bytes)
{
    spool->appended -= bytes;
    atomic_fetch_sub(&spool->area->bytes, bytes);
}

/* A lenient one goes on: its owner keeps the bytes. */
static int refuse_append(struct spool *spool, enum spool_step step, int error)
{
    if (!spool->is_lenient)
        spool->failure = (struct spool_failure){ step, error };
    return error;
}

int spool_append(struct spool *spool, struct buf *from)
{
    bool in_crumbs = from->length < (size_t)from->count * CHUNK_SMALL_BYTES;
    size_t length = from->length;
    int r;

    if (spool->failure.step != SPOOL_STEP_NONE)
        return spool->failure.error;
    if (!reserve(spool, length))
        return refuse_append(spool, SPOOL_STEP_LIMIT, -EDQUOT);
    r = in_crumbs ? buf_append_packed(&spool->queue, from) : buf_move(&spool->queue, from, length);
    if (r < 0) {
        give_back(spool, length);
        return refuse_append(spool, SPOOL_STEP_WRITE, r);
    }
    buf_done(from);
    loop_post_flush(spool->loop, &spool->flush_task);
    return 0;
}

size_t spool_queued(const struct spool *spool)
{
    return spool->queue.length;
}

static void want_from(struct spool *spool, uint64_t offset)
{
    buf_done(&spool->ahead);
    if (!spool->reading || spool->ahead_at != offset)
        spool->read_wanted = true;
    spool->ahead_at = offset;
    loop_post_flush(spool->loop, &spool->flush_task);
}

long spool_read(struct spool *spool, uint64_t offset, struct buf *into, size_t max)
{
    size_t n = spool->ahead.length < max ? spool->ahead.length : max;

    assert(offset <= spool->appended);
    if (!can_be_read(spool))
        return spool->failure.error;
    if (offset == spool->appended)
        return 0;
    if (n == 0 || spool->ahead_at != offset) {
        want_from(spool, offset);
        return -EAGAIN;
    }
    if (buf_move(into, &spool->ahead, n) < 0)
        return -ENOMEM;
    spool->ahead_at += n;
    return (long)n;
}

uint64_t spool_length(const struct spool *spool)
{
    return spool->appended;
}

int spool_take_back(struct spool *spool, struct buf *into)
{
    size_t length = spool->queue.length;

    assert(spool->is_lenient && spool->failure.step != SPOOL_STEP_NONE && spool->writing == 0);
    if (buf_move(into, &spool->queue, length) < 0)
        return -ENOMEM;
    give_back(spool, length);
    return 0;
}

struct spool_failure spool_failure(const struct spool *spool)
{
    return spool->failure;
}

const char *spool_path(const struct spool *spool)
{
    return spool->path;
}

uint64_t spool_number(const struct spool *spool)
{
    return spool->number;
}

void spool_close(struct spool *spool)
{
    assert(!spool->close_wanted && "closed twice");
    spool->close_wanted = true;
    spool->on_event = NULL;
    loop_post(spool->loop, &spool->task);
}
