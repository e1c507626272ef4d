#include "proxy/gateway/prefix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* mkdir -p; an existing directory is fine. */
static int make_directories(const char *path)
{
    char part[PATH_MAX];
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof(part))
        return -ENAMETOOLONG;
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

static int make_subdirectory(const struct prefix *prefix, const char *name)
{
    char *path = prefix_path(prefix, name);
    int r = path ? make_directories(path) : -ENOMEM;

    free(path);
    return r;
}

char *prefix_path(const struct prefix *prefix, const char *name)
{
    char *path;

    if (name[0] == '/' || strcmp(name, "off") == 0 || strcmp(name, "stderr") == 0 ||
        strcmp(name, "stdout") == 0)
        return strdup(name);
    return asprintf(&path, "%s/%s", prefix->path, name) < 0 ? NULL : path;
}

/* The hop before us removes its file when it ends: a lock on what has no name any more guards
 * nothing. */
static bool is_the_file(int fd, const char *path)
{
    struct stat opened, named;

    return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
}

/* > 0: locked; 0: somebody else has it; negative errno. lock_fd is open unless negative. */
static int try_lock(struct prefix *prefix)
{
    for (;;) {
        prefix->lock_fd = open(prefix->pid_file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (prefix->lock_fd < 0)
            return -errno;
        if (flock(prefix->lock_fd, LOCK_EX | LOCK_NB) < 0)
            return 0;
        if (is_the_file(prefix->lock_fd, prefix->pid_file))
            return 1;
        (void)close(prefix->lock_fd);
    }
}

static int lock(struct prefix *prefix, char *error, size_t error_size)
{
    int r = try_lock(prefix);
    char pid[32] = "";
    ssize_t n;

    if (r < 0) {
        snprintf(error, error_size, "cannot create %s: %s", prefix->pid_file, strerror(-r));
        return -1;
    }
    if (r > 0)
        return 0;
    n = read(prefix->lock_fd, pid, sizeof(pid) - 1);
    pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
    snprintf(error, error_size,
             "prefix %s is in use by another hop (pid %s): stop it, or give this hop its own "
             "directory with `prefix = DIR` in kong.conf",
             prefix->path, pid[0] ? pid : "unknown");
    (void)close(prefix->lock_fd);
    prefix->lock_fd = -1;
    return -1;
}

/* Whoever reads the file meanwhile finds one pid or the other in its first line. */
int prefix_write_pid(struct prefix *prefix, char *error, size_t error_size)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "%d\n", (int)getpid());

    if (pwrite(prefix->lock_fd, text, (size_t)length, 0) != length ||
        ftruncate(prefix->lock_fd, length) < 0) {
        snprintf(error, error_size, "cannot write %s: %s", prefix->pid_file, strerror(errno));
        return -1;
    }
    prefix->is_ours = true;
    return 0;
}

static const char *const subdirectories[] = { "logs", "pids", "spool" };

/* A prefix that root has used before. Not by its name alone: somebody may write `prefix = /var`. */
static bool has_pids(int directory_fd)
{
    return faccessat(directory_fd, "pids", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Links are not followed: below a directory that was root's alone nobody can have put one. */
static int give_away(int directory_fd, uid_t uid, gid_t gid)
{
    for (size_t i = 0; i < sizeof(subdirectories) / sizeof(subdirectories[0]); i++)
        if (fchownat(directory_fd, subdirectories[i], uid, gid, AT_SYMLINK_NOFOLLOW) < 0 &&
            errno != ENOENT)
            return -errno;
    return fchown(directory_fd, uid, gid) < 0 ? -errno : 0;
}

int prefix_hand_over(const char *path, uid_t uid, gid_t gid, char *error, size_t error_size)
{
    bool is_new = access(path, F_OK) < 0;
    struct stat status;
    int r = make_directories(path);
    int fd = r < 0 ? r : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (r == 0 && fd < 0)
        r = -errno;
    if (r == 0 && fstat(fd, &status) < 0)
        r = -errno;
    if (r == 0 && status.st_uid == 0 && (is_new || has_pids(fd)))
        r = give_away(fd, uid, gid);
    if (fd >= 0)
        (void)close(fd); /* a directory opened for reading has nothing to lose */
    if (r < 0)
        snprintf(error, error_size, "cannot give the prefix %s to user %u: %s", path, (unsigned)uid,
                 strerror(-r));
    return r < 0 ? -1 : 0;
}

static int prepare(struct prefix *prefix, const char *path, char *error, size_t error_size)
{
    int r;

    r = make_directories(path);
    if (r == 0) {
        prefix->path = realpath(path, NULL);
        r = prefix->path ? 0 : -errno;
    }
    if (r == 0)
        r = make_subdirectory(prefix, "logs");
    if (r == 0)
        r = make_subdirectory(prefix, "pids");
    if (r < 0) {
        snprintf(error, error_size,
                 "cannot use %s as prefix: %s; choose another with `prefix = DIR` in kong.conf",
                 path, strerror(-r));
        return -1;
    }
    prefix->pid_file = prefix_path(prefix, "pids/hopgate.pid");
    if (!prefix->pid_file) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    return 0;
}

int prefix_open(struct prefix *prefix, const char *path, char *error, size_t error_size)
{
    *prefix = (struct prefix){ .lock_fd = -1 };
    if (prepare(prefix, path, error, error_size) < 0 || lock(prefix, error, error_size) < 0)
        return -1;
    return prefix_write_pid(prefix, error, error_size);
}

int prefix_inherit(struct prefix *prefix, const char *path, int lock_fd, char *error,
                   size_t error_size)
{
    *prefix = (struct prefix){ .lock_fd = lock_fd };
    if (prepare(prefix, path, error, error_size) < 0)
        return -1;
    if (is_the_file(lock_fd, prefix->pid_file))
        return 0;
    snprintf(error, error_size,
             "prefix is %s now, and the running hop has another: an upgrade keeps it; stop the hop "
             "and start it anew to change it",
             prefix->path);
    return -1;
}

void prefix_leave(struct prefix *prefix)
{
    prefix->is_ours = false;
    if (prefix->lock_fd >= 0)
        (void)close(prefix->lock_fd);
    prefix->lock_fd = -1;
}

void prefix_done(struct prefix *prefix)
{
    if (prefix->is_ours)
        (void)unlink(prefix->pid_file); /* a stale file does no harm: the lock decides */
    if (prefix->lock_fd >= 0)
        (void)close(prefix->lock_fd);
    free(prefix->pid_file);
    free(prefix->path);
    *prefix = (struct prefix){ .lock_fd = -1 };
}
