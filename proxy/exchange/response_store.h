/*
 * response_store: content of a response that the target has sent and the client has not taken.
 *
 * Role    a queue of bytes: some in memory, more in a spool file, so that a target is read as fast as
 *         it sends while the client takes its time (nginx's proxy_buffering)
 * Owns    the bytes and the file, until response_store_done
 * Thread  one worker
 *
 * The file has the older bytes, memory the newer ones. A file that cannot be written (a full disk, the
 * limit of the area) is no failure: the bytes stay in memory, and response_store_room says when there is
 * no more of that. on_event (from the loop's run queue) says that there is room again, or that more can
 * be read, or that the file failed.
 */
#ifndef PROXY_RESPONSE_STORE_H
#define PROXY_RESPONSE_STORE_H

#include "core/slice.h"
#include "core/spool.h"

struct response_store {
    struct loop *loop;
    struct spool_area *area;
    uint64_t memory_max_bytes;
    uint64_t file_max_bytes; /* ever written; 0: no file */
    void *owner;
    void (*on_event)(void *owner);

    /* private */
    struct buf memory;
    struct spool *spool;  /* NULL: no file yet */
    uint64_t file_read;   /* bytes of it that were read */
    bool is_file_refused; /* nothing more goes there */
    int refusal;          /* why, a negative errno */
};

/* loop to on_event are filled in. */
void response_store_init(struct response_store *store);

/* Gives memory, file and disk space back; no event follows. */
void response_store_done(struct response_store *store);

/* After on_event, and before anything else is asked: what the disk did not take is memory's again. 0 or
 * -ENOMEM: bytes are lost. */
int response_store_look(struct response_store *store);

/* Bytes that may be appended now; 0: an event, or a read, makes room. */
size_t response_store_room(const struct response_store *store);

/* Takes all bytes of `from`, whatever the room is. 0 or -ENOMEM. */
int response_store_append(struct response_store *store, struct buf *from);

/* Everything that was appended and not read. */
uint64_t response_store_length(const struct response_store *store);

/* > 0: so many bytes, at most max, were moved behind those of `into`; 0: there are none; -EAGAIN: an event
 * will tell; another negative errno: some are lost. */
long response_store_read(struct response_store *store, struct buf *into, size_t max);

/* Content went to the file. */
static inline bool response_store_is_in_file(const struct response_store *store)
{
    return store->spool != NULL;
}

/* Bytes that ever went to the file. */
uint64_t response_store_spooled(const struct response_store *store);

/* The next bytes come from the file. */
bool response_store_reads_file(const struct response_store *store);

/* Why the file takes no more, a negative errno (-EDQUOT: the limit of the area); 0: it does. */
int response_store_refusal(const struct response_store *store);

/* What the file was asked for and said, with nginx's words in `into`: pwrite() "…/0000000001" failed (28:
 * …). */
struct slice response_store_describe(const struct response_store *store, int error, char *into,
                                     size_t size);

#endif
