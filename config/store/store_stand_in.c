/* Stands in for the store until it is there: one row in a file. To be deleted then; it compiles to nothing
 * already. */
#if !__has_include("config/store/store_sqlite.c")

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/store/store.h"

struct file_store {
    struct store base;
    char *path, *text;
    struct timespec seen;
};

static struct timespec time_of(const struct file_store *store)
{
    struct stat now = { 0 };

    (void)stat(store->path, &now);
    return now.st_mtim;
}

static int has_changed(struct store *base, bool *ret)
{
    const struct file_store *store = (struct file_store *)base;
    struct timespec now = time_of(store);

    *ret = memcmp(&now, &store->seen, sizeof(now)) != 0;
    return 0;
}

static int put(struct store *base, const char *kind, const char *id, const char *json,
               size_t length)
{
    struct file_store *store = (struct file_store *)base;

    (void)kind;
    (void)id;
    free(store->text);
    store->text = strndup(json, length);
    return store->text ? 0 : -ENOMEM;
}

static void rollback(struct store *base)
{
    struct file_store *store = (struct file_store *)base;

    free(TAKE(store->text));
}

static int commit(struct store *base)
{
    struct file_store *store = (struct file_store *)base;
    char part[4096];
    int fd, r = 0;

    snprintf(part, sizeof(part), "%s.part", store->path);
    fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, store->text, strlen(store->text)) != (ssize_t)strlen(store->text) ||
        fsync(fd) < 0)
        r = -(errno ? errno : EIO);
    if (fd >= 0)
        (void)close(fd);
    if (r == 0 && rename(part, store->path) < 0)
        r = -errno;
    if (r < 0)
        snprintf(base->error, sizeof(base->error), "%s: %s", store->path, strerror(-r));
    store->seen = time_of(store);
    rollback(base);
    return r;
}

static int load(struct store *base, store_row *row, void *context)
{
    struct file_store *store = (struct file_store *)base;
    FILE *file = fopen(store->path, "re");
    char text[65536];
    size_t length = file ? fread(text, 1, sizeof(text), file) : 0;

    if (file)
        (void)fclose(file);
    store->seen = time_of(store);
    return length > 0 ? row(context, "stand-in", "all", text, length) : 0;
}

static void close_store(struct store *base)
{
    free(((struct file_store *)base)->path);
    free(((struct file_store *)base)->text);
    free(base);
}

static const struct store_ops file_ops = { .begin = has_changed,
                                           .put = put,
                                           .commit = commit,
                                           .rollback = rollback,
                                           .load = load,
                                           .changed = has_changed,
                                           .close = close_store };

int store_sqlite_open(const char *path, struct store **ret, struct config_errors *errors)
{
    struct file_store *store = calloc(1, sizeof(*store));

    (void)errors;
    if (!store)
        return -ENOMEM;
    store->base.ops = &file_ops;
    store->path = strdup(path);
    (void)close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    *ret = &store->base;
    return 0;
}

void store_free(struct store *store)
{
    if (store)
        store->ops->close(store);
}

#endif
