#include "proxy/exchange/stored_content.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/stream.h"
#include "proxy/exchange/http1_endpoint.h"

void stored_content_init(struct stored_content *stored)
{
    stored->length = 0;
    stored->spool = NULL;
    stored->read_so_far = 0;
    buf_init(&stored->memory, stored->loop->pool);
    buf_init(&stored->unsent, stored->loop->pool);
    stored->memory.owner = MEMORY_STORED;
}

void stored_content_done(struct stored_content *stored)
{
    buf_done(&stored->memory);
    buf_done(&stored->unsent);
    if (stored->spool)
        spool_close(stored->spool);
    stored->spool = NULL;
}

size_t stored_content_room(const struct stored_content *stored)
{
    size_t queued = stored->spool ? spool_queued(stored->spool) : 0;

    return queued < STREAM_QUEUE_HIGH ? STREAM_QUEUE_HIGH - queued : 0;
}

static int move_to_file(struct stored_content *stored)
{
    stored->spool = spool_create(stored->loop, stored->area);
    if (!stored->spool)
        return -ENOMEM;
    spool_set_owner(stored->spool, stored->owner, stored->on_event);
    return stored->memory.length > 0 ? spool_append(stored->spool, &stored->memory) : 0;
}

int stored_content_append(struct stored_content *stored, struct buf *from)
{
    int r = 0;

    stored->length += from->length;
    if (!stored->spool && stored->length <= stored->memory_max_bytes) {
        r = buf_append_packed(&stored->memory, from);
        buf_done(from);
        return r;
    }
    if (!stored->spool)
        r = move_to_file(stored);
    return r < 0 ? r : spool_append(stored->spool, from);
}

bool stored_content_is_settled(const struct stored_content *stored)
{
    return !stored->spool || spool_queued(stored->spool) == 0;
}

int stored_content_rewind(struct stored_content *stored)
{
    stored->read_so_far = 0;
    buf_done(&stored->unsent);
    return buf_append_copy(&stored->unsent, &stored->memory);
}

long stored_content_read(struct stored_content *stored, struct buf *into, size_t max)
{
    size_t n = stored->unsent.length < max ? stored->unsent.length : max;
    long r;

    if (!stored->spool)
        return buf_move(into, &stored->unsent, n) < 0 ? -ENOMEM : (long)n;
    r = spool_read(stored->spool, stored->read_so_far, into, max);
    if (r > 0)
        stored->read_so_far += (uint64_t)r;
    return r;
}

bool stored_content_has_failed(const struct stored_content *stored)
{
    return stored->spool && spool_failure(stored->spool).step != SPOOL_STEP_NONE;
}

int stored_content_error(const struct stored_content *stored)
{
    return stored->spool ? spool_failure(stored->spool).error : 0;
}

/* "pwrite() \"<path>\" failed (28: No space left on device)" */
static void describe(const struct spool *spool, const char *call, char *into, size_t size)
{
    char text[128];
    struct slice error = errno_detail(spool_failure(spool).error, text, sizeof(text));

    (void)snprintf(into, size, "%s() \"%s\" failed (%.*s)", call, spool_path(spool),
                   SLICE_ARG(error)); /* a cut text will do */
}

enum end_reason stored_content_failure(const struct stored_content *stored, char *into, size_t size)
{
    struct spool_failure failure = { SPOOL_STEP_NONE, 0 };

    if (size > 0)
        into[0] = '\0';
    if (stored->spool)
        failure = spool_failure(stored->spool);
    if (failure.error == -ENOMEM)
        return END_OUT_OF_MEMORY;
    switch (failure.step) {
    case SPOOL_STEP_NONE: /* not the file: a chunk could not be had */
        break;
    case SPOOL_STEP_LIMIT:
        (void)snprintf(into, size, "%" PRIu64, atomic_load(&stored->area->bytes_max));
        return END_SPOOL_LIMIT;
    case SPOOL_STEP_OPEN:
        describe(stored->spool, "open", into, size);
        return END_SPOOL_FAILED;
    case SPOOL_STEP_WRITE:
        describe(stored->spool, "pwrite", into, size);
        return END_SPOOL_FAILED;
    case SPOOL_STEP_READ:
        describe(stored->spool, "pread", into, size);
        return END_SPOOL_READ_FAILED;
    }
    return END_OUT_OF_MEMORY;
}
