/*
 * stored_content: the whole content of one request, kept until the last try has sent it.
 *
 * Role    takes content from the client; a little stays in memory, more goes to a spool file; each
 *         try reads it from the start
 * Owns    the bytes and the file, until stored_content_done
 * Thread  one worker
 *
 * Filled first, then read: stored_content_rewind begins a try. on_event (from the loop's run queue)
 * says that there is room again, that the last byte is stored, that more can be read, or that the
 * file failed.
 */
#ifndef PROXY_STORED_CONTENT_H
#define PROXY_STORED_CONTENT_H

#include "core/end_reason.h"
#include "core/spool.h"

struct stored_content {
    struct loop *loop;
    struct spool_area *area;
    uint64_t memory_max_bytes; /* more than this goes to the file, all of it */
    void *owner;
    void (*on_event)(void *owner);

    /* private */
    uint64_t length;     /* taken from the client */
    struct spool *spool; /* NULL: all is in memory */
    struct buf memory;
    struct buf unsent;    /* what the present try has to read of the memory, by reference */
    uint64_t read_so_far; /* by the present try, from the file */
};

/* loop to on_event are filled in. */
void stored_content_init(struct stored_content *stored);

/* Gives memory, file and disk space back; no event follows. May be called again. */
void stored_content_done(struct stored_content *stored);

/* Bytes that should be appended now; 0: the disk is behind, an event will tell. */
size_t stored_content_room(const struct stored_content *stored);

/* Takes all bytes of `from`. 0 or a negative errno, see stored_content_failure. */
int stored_content_append(struct stored_content *stored, struct buf *from);

/* Everything appended has its place and can be read. */
bool stored_content_is_settled(const struct stored_content *stored);

/* The next read begins at the first byte. 0 or -ENOMEM. */
int stored_content_rewind(struct stored_content *stored);

/* As spool_read: > 0, 0 at the end, -EAGAIN, another negative errno. */
long stored_content_read(struct stored_content *stored, struct buf *into, size_t max);

static inline bool stored_content_is_in_file(const struct stored_content *stored)
{
    return stored->spool != NULL;
}

bool stored_content_has_failed(const struct stored_content *stored);

/* The file's errno, negative; 0: none. */
int stored_content_error(const struct stored_content *stored);

/* Why an append or a read failed, with nginx's words in `into`: pwrite() "…/0000000001" failed (28: …). */
enum end_reason stored_content_failure(const struct stored_content *stored, char *into,
                                       size_t size);

#endif
