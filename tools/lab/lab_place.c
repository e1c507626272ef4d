#include "tools/lab/lab_place.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/clock.h"

enum { TREE_DEPTH = 16, LOOK_MS = 20 };

/* ---- paths --------------------------------------------------------------------------------- */

static void root_folder(char *into, size_t size)
{
    const char *base = getenv("TMPDIR");

    snprintf(into, size, "%s/hopgate-lab-%u", base && base[0] == '/' ? base : "/tmp",
             (unsigned)getuid());
}

/* Ours alone: names in it can be guessed, keys are written there, and what it says is believed. */
static int check_root(const char *root)
{
    struct stat found;

    if (lstat(root, &found) < 0)
        return -errno;
    return S_ISDIR(found.st_mode) && found.st_uid == getuid() && (found.st_mode & 077) == 0
               ? 0
               : -EPERM;
}

static int make_root(char *into, size_t size)
{
    root_folder(into, size);
    if (mkdir(into, 0700) < 0 && errno != EEXIST)
        return -errno;
    return check_root(into);
}

static void tell_of_root(const char *root, int r, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s must be a folder of this user alone (mode 0700): %s", root,
             strerror(-r));
}

int lab_place_look(char *error, size_t error_size)
{
    char root[LAB_PATH_MAX];
    int r;

    root_folder(root, sizeof(root));
    r = check_root(root);
    if (r < 0 && r != -ENOENT)
        tell_of_root(root, r, error, error_size);
    return r == -ENOENT ? 0 : r;
}

static void lock_path(const char *root, unsigned block, char *into, size_t size)
{
    snprintf(into, size, "%.400s/block-%u.lock", root, block);
}

static void folder_path(const char *root, unsigned block, char *into, size_t size)
{
    snprintf(into, size, "%.400s/lab-%u", root, block);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    (void)remove(path); /* what cannot be removed stays, and the next in line is tried */
    return 0;
}

void lab_place_remove_tree(const char *path)
{
    (void)nftw(path, remove_one, TREE_DEPTH, FTW_DEPTH | FTW_PHYS);
}

int lab_place_write(const char *folder, const char *name, const char *text)
{
    char path[LAB_PATH_MAX * 2];
    size_t length = strlen(text), written = 0;
    int fd, r = 0;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    while (r == 0 && written < length) {
        ssize_t n = write(fd, text + written, length - written);

        if (n < 0)
            r = -errno;
        else
            written += (size_t)n;
    }
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r;
}

/* ---- blocks -------------------------------------------------------------------------------- */

/* A descriptor that holds the block's lock, or a negative errno: -EWOULDBLOCK, somebody has it. */
static int lock_block(const char *root, unsigned block)
{
    char path[LAB_PATH_MAX];
    int fd, r = 0;

    lock_path(root, block, path, sizeof(path));
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        r = -errno;
    if (r == 0)
        return fd;
    (void)close(fd);
    return r;
}

int lab_place_take(struct lab_place *place, char *error, size_t error_size)
{
    char root[LAB_PATH_MAX];
    int r = make_root(root, sizeof(root));

    *place = (struct lab_place){ .lock_fd = -1 };
    if (r < 0) {
        tell_of_root(root, r, error, error_size);
        return r;
    }
    for (unsigned block = LAB_BLOCK_MIN; block <= LAB_BLOCK_MAX; block++) {
        int fd = lock_block(root, block);

        if (fd == -EWOULDBLOCK)
            continue;
        if (fd < 0) { /* without the lock the folder may be somebody's who runs */
            snprintf(error, error_size, "the lock of block %u in %s: %s", block, root,
                     strerror(-fd));
            return fd;
        }
        place->lock_fd = fd;
        place->block = block;
        folder_path(root, block, place->folder, sizeof(place->folder));
        lab_place_remove_tree(place->folder);
        r = mkdir(place->folder, 0700) < 0 ? -errno : 0;
        if (r < 0)
            snprintf(error, error_size, "%s: %s", place->folder, strerror(-r));
        return r;
    }
    snprintf(error, error_size, "every block of loopback addresses has a lab; `hopgate lab down`");
    return -EADDRINUSE;
}

/* The lock's file stays: to remove it would let two labs hold locks of one name. */
void lab_place_leave(struct lab_place *place)
{
    if (place->lock_fd < 0)
        return;
    lab_place_remove_tree(place->folder);
    (void)close(place->lock_fd);
    place->lock_fd = -1;
}

bool lab_place_is_taken(unsigned block, char *ret_folder, size_t size)
{
    char root[LAB_PATH_MAX], path[LAB_PATH_MAX];
    int fd;

    root_folder(root, sizeof(root));
    lock_path(root, block, path, sizeof(path));
    if (check_root(root) < 0 || access(path, F_OK) < 0)
        return false;
    fd = lock_block(root, block);
    if (fd >= 0)
        (void)close(fd);
    folder_path(root, block, ret_folder, size);
    return fd == -EWOULDBLOCK;
}

bool lab_place_wait_until_free(unsigned block, uint64_t timeout_ms)
{
    uint64_t until_ms = clock_now_ms() + timeout_ms;
    char folder[LAB_PATH_MAX];

    while (lab_place_is_taken(block, folder, sizeof(folder))) {
        if (clock_now_ms() > until_ms)
            return false;
        (void)poll(NULL, 0, LOOK_MS); /* a lock tells nobody that it is free */
    }
    return true;
}

uint16_t lab_place_port(const char *address, uint16_t port)
{
    struct sockaddr_storage wanted;
    const int on = 1;
    int fd;
    bool is_free;

    if (addr_parse_ip(slice_of(address), port, &wanted) < 0)
        return 0;
    fd = socket(wanted.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    is_free =
        bind(fd, (const struct sockaddr *)&wanted, addr_length(&wanted)) == 0 && listen(fd, 1) == 0;
    (void)close(fd);
    return is_free ? port : 0;
}
