#include "proxy/exchange/response_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/stream.h"
#include "proxy/exchange/http1_endpoint.h"

/* Bytes on their way to the file: appends stop there. */
enum { FILE_QUEUE_MAX = 64 * 1024 };

void response_store_init(struct response_store *store)
{
    buf_init(&store->memory, store->loop->pool);
    store->memory.owner = MEMORY_STORED;
    store->spool = NULL;
    store->file_read = 0;
    store->refusal = 0;
    store->is_file_refused = store->file_max_bytes == 0;
}

void response_store_done(struct response_store *store)
{
    buf_done(&store->memory);
    if (store->spool)
        spool_close(store->spool);
    store->spool = NULL;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t file_left(const struct response_store *store)
{
    if (store->is_file_refused)
        return 0;
    return store->spool ? less(store->file_max_bytes, spool_length(store->spool))
                        : store->file_max_bytes;
}

/* While memory is short, content waits on the disk, as long as that takes more. */
static uint64_t memory_max(const struct response_store *store)
{
    bool is_short = memory_account_level(chunk_pool_account(store->loop->pool)) != MEMORY_NORMAL;

    return is_short && file_left(store) > 0 ? 0 : store->memory_max_bytes;
}

size_t response_store_room(const struct response_store *store)
{
    uint64_t file = less(FILE_QUEUE_MAX, store->spool ? spool_queued(store->spool) : 0);
    uint64_t left = file_left(store), room;

    room = less((left < file ? left : file) + memory_max(store), store->memory.length);
    return room < STREAM_QUEUE_HIGH ? (size_t)room : STREAM_QUEUE_HIGH;
}

static void refuse_file(struct response_store *store, int error)
{
    store->is_file_refused = true;
    store->refusal = error;
}

static bool open_file(struct response_store *store)
{
    if (store->spool)
        return true;
    store->spool = spool_create(store->loop, store->area);
    if (!store->spool) {
        refuse_file(store, -ENOMEM);
        return false;
    }
    spool_set_lenient(store->spool);
    spool_set_owner(store->spool, store->owner, store->on_event);
    return true;
}

/* `first` goes before what memory has. 0 or -ENOMEM. */
static int put_before(struct response_store *store, struct buf *first)
{
    int r = buf_move(first, &store->memory, store->memory.length);

    return r < 0 ? r : buf_move(&store->memory, first, first->length);
}

static int move_part_to_file(struct response_store *store, size_t length)
{
    struct buf part;
    int r;

    buf_init(&part, store->loop->pool);
    r = buf_move(&part, &store->memory, length);
    if (r == 0) {
        r = spool_append(store->spool, &part);
        if (r < 0)
            refuse_file(store, r);
        r = part.length > 0 ? put_before(store, &part) : 0;
    }
    buf_done(&part);
    return r;
}

/* What is too much for memory goes to the file, all of it, as far as that takes it. 0 or -ENOMEM. */
static int move_to_file(struct response_store *store)
{
    uint64_t left = file_left(store);
    int r;

    if (left == 0 || !open_file(store))
        return 0;
    if (left < store->memory.length)
        return move_part_to_file(store, (size_t)left);
    r = spool_append(store->spool, &store->memory);
    if (r < 0)
        refuse_file(store, r);
    return 0;
}

/* What the disk did not take comes before what memory has. */
int response_store_look(struct response_store *store)
{
    struct buf back;
    int r;

    if (!store->spool || spool_failure(store->spool).step == SPOOL_STEP_NONE ||
        (store->is_file_refused && spool_queued(store->spool) == 0))
        return 0;
    buf_init(&back, store->loop->pool);
    r = spool_take_back(store->spool, &back);
    if (r == 0)
        r = put_before(store, &back);
    buf_done(&back);
    if (!store->is_file_refused)
        refuse_file(store, spool_failure(store->spool).error);
    return r;
}

int response_store_append(struct response_store *store, struct buf *from)
{
    bool in_crumbs = from->length < (size_t)from->count * CHUNK_SMALL_BYTES;
    int r;

    r = in_crumbs ? buf_append_packed(&store->memory, from)
                  : buf_move(&store->memory, from, from->length);
    if (r < 0)
        return r;
    buf_done(from);
    return store->memory.length > memory_max(store) ? move_to_file(store) : 0;
}

bool response_store_reads_file(const struct response_store *store)
{
    return store->spool && store->file_read < spool_length(store->spool);
}

uint64_t response_store_length(const struct response_store *store)
{
    uint64_t in_file = store->spool ? spool_length(store->spool) - store->file_read : 0;

    return in_file + store->memory.length;
}

long response_store_read(struct response_store *store, struct buf *into, size_t max)
{
    size_t n = store->memory.length < max ? store->memory.length : max;
    long r;

    if (!response_store_reads_file(store))
        return buf_move(into, &store->memory, n) < 0 ? -ENOMEM : (long)n;
    r = spool_read(store->spool, store->file_read, into, max);
    if (r > 0)
        store->file_read += (uint64_t)r;
    return r;
}

uint64_t response_store_spooled(const struct response_store *store)
{
    return store->spool ? spool_length(store->spool) : 0;
}

int response_store_refusal(const struct response_store *store)
{
    return store->refusal;
}

static const char *call_of(const struct response_store *store)
{
    enum spool_step step = store->spool ? spool_failure(store->spool).step : SPOOL_STEP_OPEN;

    switch (step) {
    case SPOOL_STEP_OPEN:
        return "open";
    case SPOOL_STEP_READ:
        return "pread";
    case SPOOL_STEP_NONE:
    case SPOOL_STEP_LIMIT:
    case SPOOL_STEP_WRITE:
        break;
    }
    return "pwrite";
}

struct slice response_store_describe(const struct response_store *store, int error, char *into,
                                     size_t size)
{
    char text[128];
    struct slice words = errno_detail(error, text, sizeof(text));
    int n;

    if (error == -EDQUOT)
        n = snprintf(into, size, "hopgate_spool_max_size of %" PRIu64 " bytes is reached",
                     atomic_load(&store->area->bytes_max));
    else
        n = snprintf(into, size, "%s() \"%s\" failed (%.*s)", call_of(store),
                     store->spool ? spool_path(store->spool) : store->area->path, SLICE_ARG(words));
    return (struct slice){ into, n > 0 && (size_t)n < size ? (size_t)n : 0 };
}
