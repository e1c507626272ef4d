/*
 * spool: bytes that do not fit memory, in a file without a name.
 *
 * Role    takes bytes at the end, gives them back from any place, as often as wanted; the disk work
 *         is done by the ring
 * Owns    its file and the bytes that are not written yet; a spool_area is shared by all workers
 * Thread  a spool has one worker; an area is opened and closed by the main thread
 *
 *   CREATING --> OPEN --> CLOSING --> gone            [created, spool_close, closed]
 *       \--> NAMED --/                               no O_TMPFILE here: made with a name, which goes
 *                                                    before a byte is written
 *
 * What was written can be read while more is appended. Whoever appends limits itself by spool_queued,
 * as with a stream. The first failure ends both: spool_failure says what it was. A lenient spool only
 * takes no more when it cannot be written: what the file has can still be read, and what it does not
 * have can be taken back; an append that is refused is no failure of it. on_event comes from the loop's run queue only, when bytes were written, when
 * bytes can be read, and after a failure.
 *
 * At most one operation is in flight. spool_close may come at any time; the file and its share of the
 * area's bytes are gone when the kernel has let go of it.
 */
#ifndef CORE_SPOOL_H
#define CORE_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/loop.h"

/* Where files are made, and how much they may hold together. */
struct spool_area {
    char *path;                   /* absolute */
    _Atomic uint64_t bytes_max;   /* of all files together; 0: no limit; may be changed */
    _Atomic uint64_t bytes;       /* appended to files that are not gone yet */
    _Atomic uint64_t files_count; /* ever made: numbers their names */
    _Atomic bool needs_names;     /* the file system has no files without names */
};

/*
 * Makes the directory (mode 0700) and removes what a killed process left there: nobody else may use
 * it. 0, or -1 with one sentence in error. spool_area_done is due in both cases.
 */
int spool_area_open(struct spool_area *area, const char *path, char *error, size_t error_size);

/* The same beside a process that uses the directory, too, and has made so many files: nothing is
 * removed, and no name is made twice. */
int spool_area_join(struct spool_area *area, const char *path, uint64_t files_count, char *error,
                    size_t error_size);

/* Every spool must be gone. */
void spool_area_done(struct spool_area *area);

enum spool_step {
    SPOOL_STEP_NONE,
    SPOOL_STEP_LIMIT, /* the area's bytes_max is reached */
    SPOOL_STEP_OPEN,
    SPOOL_STEP_WRITE,
    SPOOL_STEP_READ,
};

struct spool_failure {
    enum spool_step step;
    int error; /* negative errno */
};

struct spool;

/* NULL: no memory. The area must outlive it. */
struct spool *spool_create(struct loop *loop, struct spool_area *area);

void spool_set_owner(struct spool *spool, void *owner, void (*on_event)(void *owner));

/* Before the first append. */
void spool_set_lenient(struct spool *spool);

/* Takes all bytes of `from`. 0 or a negative errno (failed; `from` may be part consumed, but not by a
 * lenient one). */
int spool_append(struct spool *spool, struct buf *from);

/* Bytes that the file does not have yet. */
size_t spool_queued(const struct spool *spool);

/* Bytes appended, but for those taken back. */
uint64_t spool_length(const struct spool *spool);

/*
 * Appends up to max bytes from offset on: > 0; 0: offset is the end; -EAGAIN: on_event will tell;
 * another negative errno: failed.
 */
long spool_read(struct spool *spool, uint64_t offset, struct buf *into, size_t max);

/* Of a lenient spool that has failed: moves what the file does not have behind the bytes of `into`. 0 or
 * -ENOMEM (nothing moved). */
int spool_take_back(struct spool *spool, struct buf *into);

struct spool_failure spool_failure(const struct spool *spool);

/* The name of the file, or what it would be; good until spool_close. */
const char *spool_path(const struct spool *spool);

/* Which one of its area it is, from 1. */
uint64_t spool_number(const struct spool *spool);

/* The pointer is dead after this call, and no event follows. */
void spool_close(struct spool *spool);

#endif
