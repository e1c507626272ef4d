#include "core/log.h"
#include "core/thread.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE_BATCH = 64, RING_ALIGN = 16, RING_BYTES_MIN = 1024, WRITER_PAUSE_MS = 2 };

struct log_file {
    struct log_file *next;
    char *path;
    int fd; /* -1: off */
    bool owns_fd;
    bool failing; /* writer only: the last write failed and was told */
};

/* What precedes each line in a ring; file NULL marks the unused end of the ring. */
struct log_record {
    struct log_file *file;
    uint32_t length; /* bytes of the line */
    uint32_t stride; /* bytes to the next record */
};

static_assert(sizeof(struct log_record) == RING_ALIGN, "records keep the alignment of the ring");

struct log_ring {
    struct log_ring *next;    /* set before the ring is published, then constant */
    atomic_bool owned;        /* some thread is the producer */
    _Atomic uint64_t head;    /* bytes consumed; writer */
    _Atomic uint64_t tail;    /* bytes produced; owner */
    _Atomic uint64_t dropped; /* lines */
    size_t capacity;          /* power of two */
    _Alignas(RING_ALIGN) char bytes[];
};

static struct {
    pthread_t writer;
    atomic_bool running;
    size_t ring_bytes;
    int doorbell;
    atomic_bool asleep; /* the writer waits for the doorbell */
    atomic_bool stopping;
    _Atomic(struct log_ring *) rings; /* only ever pushed to while running */
    _Atomic unsigned generation;      /* of log_start: rings of an older one are gone */
    struct log_file *files;
    _Atomic(struct log_file *) error_file;
    atomic_int error_level;
    _Atomic uint64_t failed;
} state = { .error_level = LOG_LEVEL_NOTICE, .doorbell = -1 };

static _Thread_local struct {
    struct log_ring *ring;
    unsigned generation;
} mine;

static pthread_key_t thread_end_key;
static pthread_once_t thread_end_once = PTHREAD_ONCE_INIT;

/* ---- the producer's side ---- */

static void on_thread_end(void *unused)
{
    (void)unused;
    if (mine.ring && mine.generation == atomic_load(&state.generation))
        atomic_store(&mine.ring->owned, false);
    mine.ring = NULL;
}

static void make_thread_end_key(void)
{
    (void)pthread_key_create(&thread_end_key, on_thread_end); /* without it rings are not reused */
}

static struct log_ring *ring_adopt(void)
{
    for (struct log_ring *ring = atomic_load(&state.rings); ring; ring = ring->next) {
        bool expected = false;

        if (atomic_compare_exchange_strong(&ring->owned, &expected, true))
            return ring;
    }
    return NULL;
}

static struct log_ring *ring_create(void)
{
    struct log_ring *ring = aligned_alloc(RING_ALIGN, sizeof(*ring) + state.ring_bytes);

    if (!ring)
        return NULL;
    memset(ring, 0, sizeof(*ring));
    ring->capacity = state.ring_bytes;
    atomic_init(&ring->owned, true);
    ring->next = atomic_load(&state.rings);
    while (!atomic_compare_exchange_weak(&state.rings, &ring->next, ring))
        ;
    return ring;
}

static struct log_ring *ring_of_this_thread(void)
{
    unsigned generation = atomic_load(&state.generation);

    if (mine.ring && mine.generation == generation)
        return mine.ring;
    (void)pthread_once(&thread_end_once, make_thread_end_key);
    mine.ring = ring_adopt();
    if (!mine.ring)
        mine.ring = ring_create();
    mine.generation = generation;
    (void)pthread_setspecific(thread_end_key, &mine);
    return mine.ring;
}

static void wake_writer(void)
{
    uint64_t one = 1;

    if (atomic_load(&state.asleep) && atomic_exchange(&state.asleep, false)) {
        ssize_t n = write(state.doorbell, &one, sizeof(one));

        (void)n; /* fails only when the counter is full, and then the writer is awake */
    }
}

/* Room for one record of `stride` bytes in one piece; NULL when the ring is full. */
static struct log_record *ring_reserve(struct log_ring *ring, uint32_t stride, uint64_t *ret_tail)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t free_bytes = ring->capacity - (tail - atomic_load(&ring->head));
    size_t at = tail & (ring->capacity - 1);
    size_t to_end = ring->capacity - at;

    if (to_end < stride) {
        if (free_bytes < to_end + stride)
            return NULL;
        *(struct log_record *)(void *)(ring->bytes + at) =
            (struct log_record){ .stride = (uint32_t)to_end };
        tail += to_end;
        at = 0;
    } else if (free_bytes < stride) {
        return NULL;
    }
    *ret_tail = tail + stride;
    return (struct log_record *)(void *)(ring->bytes + at);
}

static void write_now(int fd, struct slice line)
{
    while (line.len > 0) {
        ssize_t n = write(fd, line.ptr, line.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody is left to tell */
        line = slice_from(line, (size_t)n);
    }
}

void log_count_lost(const struct log_file *file)
{
    if (file->fd >= 0)
        atomic_fetch_add(&state.failed, 1);
}

void log_write(struct log_file *file, struct slice line)
{
    size_t stride = (sizeof(struct log_record) + line.len + RING_ALIGN - 1) & -(size_t)RING_ALIGN;
    struct log_ring *ring;
    struct log_record *record = NULL;
    uint64_t tail;

    if (file->fd < 0 || line.len == 0)
        return;
    if (!state.running) {
        write_now(file->fd, line);
        return;
    }
    ring = ring_of_this_thread();
    if (!ring) {
        atomic_fetch_add(&state.failed, 1);
        return;
    }
    if (stride <= ring->capacity / 2)
        record = ring_reserve(ring, (uint32_t)stride, &tail);
    if (!record) {
        atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
        return;
    }
    *record = (struct log_record){ file, (uint32_t)line.len, (uint32_t)stride };
    memcpy(record + 1, line.ptr, line.len);
    /* Sequentially consistent on both sides: either the writer sees this tail before it sleeps, or
     * we see that it sleeps. */
    atomic_store(&ring->tail, tail);
    wake_writer();
}

/* ---- the writer's side ---- */

struct batch {
    struct log_file *file;
    struct iovec vec[WRITE_BATCH];
    int count;
};

static void batch_failed(struct batch *batch, int done, int error)
{
    atomic_fetch_add(&state.failed, (uint64_t)(batch->count - done));
    if (!batch->file->failing)
        fprintf(stderr,
                "hopgate: cannot write log %s: %s; lines are lost until it can be written again\n",
                batch->file->path, strerror(error));
    batch->file->failing = true;
}

static void batch_flush(struct batch *batch)
{
    int done = 0;

    while (done < batch->count) {
        ssize_t n = writev(batch->file->fd, batch->vec + done, batch->count - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            batch_failed(batch, done, n < 0 ? errno : ENOSPC);
            break;
        }
        batch->file->failing = false;
        while (done < batch->count && (size_t)n >= batch->vec[done].iov_len)
            n -= (ssize_t)batch->vec[done++].iov_len;
        if (n > 0) {
            batch->vec[done].iov_base = (char *)batch->vec[done].iov_base + n;
            batch->vec[done].iov_len -= (size_t)n;
        }
    }
    batch->count = 0;
}

/* True if there was something. Lines are written from where they lie; the room is given back after.
 */
static bool ring_drain(struct log_ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t tail = atomic_load(&ring->tail);
    struct batch batch = { .count = 0 };

    if (head == tail)
        return false;
    while (head != tail) {
        struct log_record *record =
            (struct log_record *)(void *)(ring->bytes + (head & (ring->capacity - 1)));

        if (record->file) {
            if (batch.count == WRITE_BATCH || (batch.count > 0 && batch.file != record->file)) {
                batch_flush(&batch);
                atomic_store(&ring->head, head);
            }
            batch.file = record->file;
            batch.vec[batch.count++] = (struct iovec){ record + 1, record->length };
        }
        head += record->stride;
    }
    batch_flush(&batch);
    atomic_store(&ring->head, head);
    return true;
}

static bool drain_all(void)
{
    bool any = false;

    for (struct log_ring *ring = atomic_load(&state.rings); ring; ring = ring->next)
        any |= ring_drain(ring);
    return any;
}

static bool anything_waits(void)
{
    for (struct log_ring *ring = atomic_load(&state.rings); ring; ring = ring->next)
        if (atomic_load(&ring->head) != atomic_load(&ring->tail))
            return true;
    return atomic_load(&state.stopping);
}

static void *writer_main(void *unused)
{
    /* A burst then costs its threads one wake-up, not one per line. */
    const struct timespec pause = { .tv_nsec = WRITER_PAUSE_MS * 1000000L };
    uint64_t rung;

    (void)unused;
    (void)pthread_setname_np(pthread_self(), "log"); /* for top -H and the like only */
    for (;;) {
        if (drain_all()) {
            if (!atomic_load(&state.stopping))
                nanosleep(&pause, NULL);
            continue;
        }
        if (atomic_load(&state.stopping))
            return NULL;
        atomic_store(&state.asleep, true);
        if (!anything_waits()) {
            ssize_t n = read(state.doorbell, &rung, sizeof(rung));

            (void)n; /* interrupted or not: look at the rings again */
        }
        atomic_store(&state.asleep, false);
    }
}

/* ---- start, stop, files ---- */

int log_start(size_t ring_bytes)
{
    size_t capacity = RING_BYTES_MIN;
    int error;

    assert(!state.running);
    if (ring_bytes == 0)
        ring_bytes = LOG_RING_BYTES;
    while (capacity < ring_bytes && capacity < UINT32_MAX / 2)
        capacity *= 2;
    state.ring_bytes = capacity;
    state.doorbell = eventfd(0, EFD_CLOEXEC);
    if (state.doorbell < 0)
        return -errno;
    atomic_store(&state.stopping, false);
    atomic_store(&state.asleep, false);
    atomic_fetch_add(&state.generation, 1);
    error = thread_start(&state.writer, writer_main, NULL);
    if (error != 0) {
        close(state.doorbell);
        state.doorbell = -1;
        return -error;
    }
    state.running = true;
    return 0;
}

static void free_rings(void)
{
    struct log_ring *ring = atomic_exchange(&state.rings, NULL);

    while (ring) {
        struct log_ring *next = ring->next;

        free(ring);
        ring = next;
    }
}

static void free_files(void)
{
    atomic_store(&state.error_file, NULL);
    while (state.files) {
        struct log_file *file = state.files;

        state.files = file->next;
        if (file->owns_fd)
            close(file->fd);
        free(file->path);
        free(file);
    }
}

void log_stop(void)
{
    if (state.running) {
        atomic_store(&state.stopping, true);
        wake_writer();
        (void)pthread_join(state.writer, NULL);
        state.running = false;
        close(state.doorbell);
        state.doorbell = -1;
        atomic_fetch_add(&state.generation, 1);
        free_rings();
    }
    free_files();
}

static int open_path(const char *path, bool *ret_owns)
{
    *ret_owns = false;
    if (strcmp(path, "off") == 0)
        return -1;
    if (strcmp(path, "stderr") == 0 || strcmp(path, "/dev/stderr") == 0)
        return STDERR_FILENO;
    if (strcmp(path, "stdout") == 0 || strcmp(path, "/dev/stdout") == 0)
        return STDOUT_FILENO;
    *ret_owns = true;
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

struct log_file *log_open(const char *path, char *reterr, size_t reterr_size)
{
    struct log_file *file;

    for (file = state.files; file; file = file->next)
        if (strcmp(file->path, path) == 0)
            return file;
    file = calloc(1, sizeof(*file));
    if (file)
        file->path = strdup(path);
    if (!file || !file->path) {
        free(file);
        snprintf(reterr, reterr_size, "cannot open log %s: out of memory", path);
        return NULL;
    }
    file->fd = open_path(path, &file->owns_fd);
    if (file->fd < 0 && file->owns_fd) {
        snprintf(reterr, reterr_size,
                 "cannot open log %s: %s; create its directory or give this user write access",
                 path, strerror(errno));
        free(file->path);
        free(file);
        return NULL;
    }
    file->next = state.files;
    state.files = file;
    return file;
}

/* The descriptor keeps its number, so the writer needs no lock: each write goes to the one or the other. */
static int reopen(const struct log_file *file)
{
    bool owns;
    int fd = open_path(file->path, &owns), r = 0;

    if (fd < 0)
        return -errno;
    if (dup3(fd, file->fd, O_CLOEXEC) < 0)
        r = -errno;
    close(fd);
    return r;
}

int log_reopen(char *reterr, size_t reterr_size)
{
    int result = 0;

    for (const struct log_file *file = state.files; file; file = file->next) {
        int r = file->owns_fd ? reopen(file) : 0;

        if (r == 0)
            continue;
        snprintf(reterr, reterr_size,
                 "cannot open log %s again: %s; lines go on to where they went so far", file->path,
                 strerror(-r));
        result = -1;
    }
    return result;
}

bool log_is_off(const struct log_file *file)
{
    return file->fd < 0;
}

struct log_counters log_counters(void)
{
    struct log_counters counters = { .failed_count = atomic_load(&state.failed) };

    for (struct log_ring *ring = atomic_load(&state.rings); ring; ring = ring->next)
        counters.dropped_count += atomic_load_explicit(&ring->dropped, memory_order_relaxed);
    return counters;
}

/* ---- messages of the process ---- */

static const char *const level_names[LOG_LEVEL_COUNT] = {
    [LOG_LEVEL_DEBUG] = "debug", [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_NOTICE] = "notice",
    [LOG_LEVEL_WARN] = "warn",   [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_CRIT] = "crit",
};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

enum log_level log_level_of(const char *text)
{
    if (strcmp(text, "err") == 0)
        return LOG_LEVEL_ERROR;
    for (int i = 0; i < LOG_LEVEL_COUNT; i++)
        if (strcmp(level_names[i], text) == 0)
            return (enum log_level)i;
    return LOG_LEVEL_COUNT;
}

void log_local_time(time_t second, struct tm *ret_time)
{
    static _Thread_local time_t cached_second;
    static _Thread_local struct tm cached;
    static _Thread_local bool is_cached;

    if (!is_cached || cached_second != second) {
        localtime_r(&second, &cached);
        cached_second = second;
        is_cached = true;
    }
    *ret_time = cached;
}

size_t log_format_prefix(enum log_level level, time_t now, char *into, size_t size)
{
    struct tm tm;
    int n;

    log_local_time(now, &tm);
    n = snprintf(into, size, "%04d/%02d/%02d %02d:%02d:%02d [%s] %d#%d: ", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, level_names[level],
                 (int)getpid(), (int)gettid());
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

void log_set_error_file(struct log_file *file, enum log_level level)
{
    atomic_store(&state.error_file, file);
    atomic_store(&state.error_level, (int)level);
}

bool log_level_is_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&state.error_level, memory_order_relaxed);
}

void log_error(enum log_level level, const char *format, ...)
{
    struct log_file *file = atomic_load(&state.error_file);
    char line[LOG_MESSAGE_MAX];
    struct timespec now;
    size_t length;
    va_list args;
    int n;

    if (!log_level_is_on(level))
        return;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    length = log_format_prefix(level, now.tv_sec, line, sizeof(line));
    va_start(args, format);
    n = vsnprintf(line + length, sizeof(line) - length, format, args);
    va_end(args);
    if (n > 0)
        length += (size_t)n;
    if (length > sizeof(line) - 1)
        length = sizeof(line) - 1; /* cut; the newline still ends the line */
    line[length++] = '\n';
    if (file)
        log_write(file, (struct slice){ line, length });
    else
        write_now(STDERR_FILENO, (struct slice){ line, length });
}
