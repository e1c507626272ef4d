/*
 * store_disk: a disk in memory for SQLite, that loses power, runs full and fails where a test says.
 *
 * Role    a VFS: every write counts as done for who reads it back, but only a sync makes it last; at
 *         a power loss any part of the unsynced writes survives, torn at sectors, in any order
 * Owns    the files' bytes
 * Thread  one; one connection at a time
 *
 * As with the real thing, what a write does not touch is safe from it (SQLITE_IOCAP_POWERSAFE_OVERWRITE).
 */
#ifndef TESTS_STORE_DISK_H
#define TESTS_STORE_DISK_H

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

enum { DISK_FILES_MAX = 6, DISK_SECTOR = 512, DISK_SHM_MAX = 16, DISK_PENDING_MAX = 4096 };

/* A write, or with no bytes a truncation to `offset`. */
struct disk_write {
    unsigned char *bytes;
    size_t offset, length;
};

struct disk_image {
    unsigned char *bytes;
    size_t length;
};

struct disk_file {
    char name[128];          /* "": free */
    bool exists, is_durable; /* is_durable: the folder has it on the disk */
    bool is_made_anew; /* after a deletion that the folder may not have seen: durable is the old */
    struct disk_image now, durable;
    struct disk_write pending[DISK_PENDING_MAX]; /* since the last sync */
    size_t pending_count;
};

struct disk {
    struct disk_file files[DISK_FILES_MAX];
    void *shared[DISK_SHM_MAX];
    size_t operations, writes, syncs; /* so far */
    size_t dies_at; /* operation (write, truncation, sync, deletion) from which nothing works */
    size_t full_from, full_to; /* writes that find no room: [from, to) */
    size_t sync_fails_at;      /* 0: none, as above */
    bool is_read_only, is_dead;
    bool lies; /* a sync says that it is done and does nothing */
    int last_errno;
    uint64_t random;
};

struct disk_open_file {
    sqlite3_file base;
    struct disk_file *file;
};

static struct disk the_disk;

static inline uint64_t disk_random(void)
{
    the_disk.random ^= the_disk.random << 13; /* xorshift64 */
    the_disk.random ^= the_disk.random >> 7;
    the_disk.random ^= the_disk.random << 17;
    return the_disk.random;
}

/* --- images -------------------------------------------------------------------------------- */

static inline void disk_image_resize(struct disk_image *image, size_t length)
{
    if (length > image->length) {
        image->bytes = realloc(image->bytes, length);
        assert(image->bytes);
        memset(image->bytes + image->length, 0, length - image->length);
    }
    image->length = length;
}

static inline void disk_image_write(struct disk_image *image, size_t offset, const void *bytes,
                                    size_t length)
{
    if (offset + length > image->length)
        disk_image_resize(image, offset + length);
    memcpy(image->bytes + offset, bytes, length);
}

static inline void disk_image_apply(struct disk_image *image, const struct disk_write *write)
{
    if (write->bytes)
        disk_image_write(image, write->offset, write->bytes, write->length);
    else
        disk_image_resize(image, write->offset);
}

static inline void disk_image_copy(struct disk_image *to, const struct disk_image *from)
{
    disk_image_resize(to, 0);
    if (from->length > 0)
        disk_image_write(to, 0, from->bytes, from->length);
}

static inline void disk_file_forget_pending(struct disk_file *file)
{
    for (size_t i = 0; i < file->pending_count; i++)
        free(file->pending[i].bytes);
    file->pending_count = 0;
}

static inline void disk_file_make_durable(struct disk_file *file)
{
    disk_image_copy(&file->durable, &file->now);
    disk_file_forget_pending(file);
    file->is_durable = true;
    file->is_made_anew = false;
}

static inline void disk_file_clear(struct disk_file *file)
{
    disk_file_forget_pending(file);
    free(file->now.bytes);
    free(file->durable.bytes);
    memset(file, 0, sizeof(*file));
}

/* --- what a test does ---------------------------------------------------------------------- */

static inline void disk_forget_shared(void)
{
    for (size_t i = 0; i < DISK_SHM_MAX; i++) {
        free(the_disk.shared[i]);
        the_disk.shared[i] = NULL;
    }
}

static inline void disk_reset(uint64_t seed)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++)
        disk_file_clear(&the_disk.files[i]);
    disk_forget_shared();
    the_disk = (struct disk){ .random = seed * 2 + 1 };
}

/* Each sector of it survives or does not; mostly all do or none. */
static inline void disk_survive(struct disk_image *image, const struct disk_write *write)
{
    uint64_t fate = disk_random() % 4;

    if (fate == 0)
        return;
    if (fate == 1 || !write->bytes) {
        disk_image_apply(image, write);
        return;
    }
    for (size_t at = 0; at < write->length; at += DISK_SECTOR) {
        size_t length = write->length - at < DISK_SECTOR ? write->length - at : DISK_SECTOR;
        if (fate == 2 ? disk_random() % 2 : at < write->length / 2)
            disk_image_write(image, write->offset + at, write->bytes + at, length);
    }
}

/* Files are as they come back after the power did; connections must be closed before. */
static inline void disk_lose_power(void)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_file *file = &the_disk.files[i];
        if (!file->name[0])
            continue;
        if (!file->is_durable && (!file->exists || disk_random() % 2)) {
            disk_file_clear(file);
            continue;
        }
        if (file->is_made_anew && disk_random() % 2)
            disk_file_forget_pending(file); /* the old one is back */
        else if (file->is_made_anew)
            disk_image_resize(&file->durable, 0);
        for (size_t j = 0; j < file->pending_count; j++)
            disk_survive(&file->durable, &file->pending[j]);
        disk_image_copy(&file->now, &file->durable);
        disk_file_make_durable(file);
        file->exists = true;
    }
    disk_forget_shared();
    the_disk.is_dead = false;
    the_disk.dies_at = the_disk.full_from = the_disk.full_to = the_disk.sync_fails_at = 0;
}

/* --- files --------------------------------------------------------------------------------- */

static inline int disk_fail(int result, int number)
{
    the_disk.last_errno = number;
    return result;
}

/* Counts; false: the machine has stopped. */
static inline bool disk_is_alive(void)
{
    the_disk.operations++;
    if (the_disk.dies_at && the_disk.operations >= the_disk.dies_at)
        the_disk.is_dead = true;
    return !the_disk.is_dead;
}

static inline void disk_note(struct disk_file *file, size_t offset, const void *bytes,
                             size_t length)
{
    struct disk_write write = { .offset = offset, .length = length };

    assert(file->pending_count < DISK_PENDING_MAX);
    if (bytes) {
        write.bytes = malloc(length + 1);
        assert(write.bytes);
        memcpy(write.bytes, bytes, length);
    }
    file->pending[file->pending_count++] = write;
    disk_image_apply(&file->now, &write);
}

static int disk_close(sqlite3_file *open)
{
    (void)open;
    return SQLITE_OK;
}

static int disk_read(sqlite3_file *open, void *into, int count, sqlite3_int64 offset)
{
    const struct disk_image *image = &((struct disk_open_file *)open)->file->now;
    size_t there = (size_t)offset < image->length ? image->length - (size_t)offset : 0;
    size_t wanted = (size_t)count;

    if (the_disk.is_dead)
        return disk_fail(SQLITE_IOERR_READ, EIO);
    if (there > wanted)
        there = wanted;
    if (there > 0)
        memcpy(into, image->bytes + offset, there);
    memset((char *)into + there, 0, wanted - there);
    return there < wanted ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int disk_write_bytes(sqlite3_file *open, const void *bytes, int count, sqlite3_int64 offset)
{
    if (!disk_is_alive())
        return disk_fail(SQLITE_IOERR_WRITE, EIO);
    the_disk.writes++;
    if (the_disk.writes >= the_disk.full_from && the_disk.writes < the_disk.full_to)
        return disk_fail(SQLITE_FULL, ENOSPC);
    disk_note(((struct disk_open_file *)open)->file, (size_t)offset, bytes, (size_t)count);
    return SQLITE_OK;
}

static int disk_truncate(sqlite3_file *open, sqlite3_int64 size)
{
    if (!disk_is_alive())
        return disk_fail(SQLITE_IOERR_TRUNCATE, EIO);
    disk_note(((struct disk_open_file *)open)->file, (size_t)size, NULL, 0);
    return SQLITE_OK;
}

/* SQLite synchronises the folder with a file that is new in it: deletions last from then on, too. */
static inline void disk_sync_folder(void)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++)
        if (the_disk.files[i].name[0] && !the_disk.files[i].exists)
            disk_file_clear(&the_disk.files[i]);
}

static int disk_sync(sqlite3_file *open, int flags)
{
    struct disk_file *file = ((struct disk_open_file *)open)->file;

    (void)flags;
    if (!disk_is_alive())
        return disk_fail(SQLITE_IOERR_FSYNC, EIO);
    the_disk.syncs++;
    if (the_disk.syncs == the_disk.sync_fails_at)
        return disk_fail(SQLITE_IOERR_FSYNC, EIO); /* what was written may last or not */
    if (the_disk.lies)
        return SQLITE_OK;
    if (!file->is_durable || file->is_made_anew)
        disk_sync_folder();
    disk_file_make_durable(file);
    return SQLITE_OK;
}

static int disk_size(sqlite3_file *open, sqlite3_int64 *size)
{
    *size = (sqlite3_int64)((struct disk_open_file *)open)->file->now.length;
    return SQLITE_OK;
}

static int disk_lock(sqlite3_file *open, int level)
{
    (void)open;
    (void)level;
    return SQLITE_OK;
}

static int disk_check_lock(sqlite3_file *open, int *ret)
{
    (void)open;
    *ret = 0;
    return SQLITE_OK;
}

static int disk_control(sqlite3_file *open, int operation, void *argument)
{
    (void)open;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int disk_sector(sqlite3_file *open)
{
    (void)open;
    return DISK_SECTOR;
}

static int disk_characteristics(sqlite3_file *open)
{
    (void)open;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int disk_shm_map(sqlite3_file *open, int page, int size, int extend, void volatile **ret)
{
    (void)open;
    assert(page < DISK_SHM_MAX);
    if (!the_disk.shared[page] && extend)
        the_disk.shared[page] = calloc(1, (size_t)size);
    *ret = the_disk.shared[page];
    return SQLITE_OK;
}

static int disk_shm_lock(sqlite3_file *open, int offset, int count, int flags)
{
    (void)open;
    (void)offset;
    (void)count;
    (void)flags;
    return SQLITE_OK;
}

static void disk_shm_barrier(sqlite3_file *open)
{
    (void)open;
}

static int disk_shm_unmap(sqlite3_file *open, int with_deletion)
{
    (void)open;
    (void)with_deletion;
    disk_forget_shared();
    return SQLITE_OK;
}

static const sqlite3_io_methods disk_methods = {
    .iVersion = 2,
    .xClose = disk_close,
    .xRead = disk_read,
    .xWrite = disk_write_bytes,
    .xTruncate = disk_truncate,
    .xSync = disk_sync,
    .xFileSize = disk_size,
    .xLock = disk_lock,
    .xUnlock = disk_lock,
    .xCheckReservedLock = disk_check_lock,
    .xFileControl = disk_control,
    .xSectorSize = disk_sector,
    .xDeviceCharacteristics = disk_characteristics,
    .xShmMap = disk_shm_map,
    .xShmLock = disk_shm_lock,
    .xShmBarrier = disk_shm_barrier,
    .xShmUnmap = disk_shm_unmap,
};

/* --- the VFS ------------------------------------------------------------------------------- */

static inline struct disk_file *disk_find(const char *name)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++)
        if (strcmp(the_disk.files[i].name, name) == 0)
            return &the_disk.files[i];
    return NULL;
}

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *open, int flags,
                     int *ret_flags)
{
    struct disk_file *file = disk_find(name);

    (void)vfs;
    open->pMethods = NULL;
    if (the_disk.is_dead)
        return disk_fail(SQLITE_CANTOPEN, EIO);
    if (!file) {
        file = disk_find("");
        assert(file);
        (void)snprintf(file->name, sizeof(file->name), "%s", name);
    }
    file->is_made_anew |= file->is_durable && !file->exists;
    file->exists = true;
    if (flags & SQLITE_OPEN_MAIN_DB)
        file->is_durable = true; /* the store has made it, and synchronised its folder */
    ((struct disk_open_file *)open)->file = file;
    open->pMethods = &disk_methods;
    if (the_disk.is_read_only)
        flags = (flags & ~SQLITE_OPEN_READWRITE) | SQLITE_OPEN_READONLY;
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int disk_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    struct disk_file *file = disk_find(name);

    (void)vfs;
    if (!disk_is_alive())
        return disk_fail(SQLITE_IOERR_DELETE, EIO);
    if (!file || !file->exists)
        return disk_fail(SQLITE_IOERR_DELETE_NOENT, ENOENT);
    if (sync_folder || !file->is_durable) {
        disk_file_clear(file);
        return SQLITE_OK;
    }
    file->exists = false; /* a power loss may bring it back */
    disk_file_forget_pending(file);
    disk_image_resize(&file->now, 0);
    return SQLITE_OK;
}

static int disk_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    struct disk_file *file = disk_find(name);

    (void)vfs;
    (void)flags;
    *ret = file && file->exists && (file->now.length > 0 || flags != SQLITE_ACCESS_EXISTS);
    return SQLITE_OK;
}

static int disk_full_path(sqlite3_vfs *vfs, const char *name, int size, char *into)
{
    (void)vfs;
    (void)snprintf(into, (size_t)size, "%s", name);
    return SQLITE_OK;
}

static int disk_random_bytes(sqlite3_vfs *vfs, int count, char *into)
{
    (void)vfs;
    for (int i = 0; i < count; i++)
        into[i] = (char)disk_random();
    return count;
}

static int disk_pause(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return microseconds;
}

static int disk_time(sqlite3_vfs *vfs, double *ret)
{
    (void)vfs;
    *ret = 2460000.5;
    return SQLITE_OK;
}

static int disk_last_error(sqlite3_vfs *vfs, int size, char *into)
{
    (void)vfs;
    (void)size;
    (void)into;
    return the_disk.last_errno;
}

static inline void disk_use(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 1,
        .szOsFile = sizeof(struct disk_open_file),
        .mxPathname = 120,
        .zName = "disk",
        .xOpen = disk_open,
        .xDelete = disk_delete,
        .xAccess = disk_access,
        .xFullPathname = disk_full_path,
        .xRandomness = disk_random_bytes,
        .xSleep = disk_pause,
        .xCurrentTime = disk_time,
        .xGetLastError = disk_last_error,
    };

    (void)sqlite3_vfs_register(&vfs, 1); /* cannot fail without threads */
}

#endif
