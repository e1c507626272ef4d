/*
 * sync_fault: the whole program on a disk whose synchronisation waits or fails, where a test says.
 *
 * Role    linked into hopgate_sync_fault beside the program's own sources; being the executable's, these
 *         functions also serve SQLite
 * Owns    nothing; SYNC_FAULT names a folder: while there is a file "hold" in it, a synchronisation of a
 *         write-ahead log waits (and "held" is made); while there is "fail" with a number in it, it fails
 *         with that errno
 * Thread  any
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOOK_MS = 5 };

int fdatasync(int fd);
int fsync(int fd);

static bool is_log(int fd)
{
    char link[64], path[4096];
    ssize_t length;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof(path) - 1);
    return length > 4 && memcmp(path + length - 4, "-wal", 4) == 0;
}

static bool has(const char *folder, const char *name)
{
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static void make(const char *folder, const char *name)
{
    char path[4096];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)close(fd);
}

/* 0: it does not fail. */
static int wanted_failure(const char *folder)
{
    char path[4096];
    int number = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/fail", folder);
    file = fopen(path, "re");
    if (file && fscanf(file, "%d", &number) != 1)
        number = 0;
    if (file)
        (void)fclose(file);
    return number;
}

static int synchronise(int fd, long call)
{
    const char *folder = getenv("SYNC_FAULT");
    int failure;

    if (!folder || !is_log(fd))
        return (int)syscall(call, fd);
    if (has(folder, "hold"))
        make(folder, "held");
    while (has(folder, "hold"))
        (void)poll(NULL, 0, LOOK_MS);
    failure = wanted_failure(folder);
    if (failure == 0)
        return (int)syscall(call, fd);
    errno = failure;
    return -1;
}

int fdatasync(int fd)
{
    return synchronise(fd, SYS_fdatasync);
}

int fsync(int fd)
{
    return synchronise(fd, SYS_fsync);
}
