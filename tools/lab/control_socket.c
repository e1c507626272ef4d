#include "tools/lab/control_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/lab/control_api.h"

/* 0: nobody is there any more; -EADDRINUSE: somebody listens; else why that cannot be told. */
static int ask_who_listens(const struct sockaddr_un *address)
{
    /* who listens but is behind with accepting says EAGAIN, where a blocking connect would wait */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

    if (fd < 0)
        return -errno;
    r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
    (void)close(fd);
    if (r == -ECONNREFUSED || r == -ENOENT)
        return 0;
    return r == 0 || r == -EAGAIN ? -EADDRINUSE : r;
}

/* A socket that a killed process left is in the way; anything else there is somebody's file. */
static int clear_way(const struct sockaddr_un *address)
{
    struct stat status;
    int r;

    if (lstat(address->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return 0; /* bind says what is wrong */
    r = ask_who_listens(address);
    if (r == 0)
        (void)unlink(address->sun_path); /* likewise */
    return r;
}

static int bind_for_user(int fd, const struct sockaddr_un *address)
{
    mode_t before = umask(0177); /* never reachable for others, not even at first */
    int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

    (void)umask(before);
    return r;
}

static int listen_there(struct control_socket *file, const struct sockaddr_un *address, int *ret_fd)
{
    struct stat status;
    int r = clear_way(address), fd;

    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    r = bind_for_user(fd, address);
    if (r == 0 && lstat(address->sun_path, &status) == 0)
        *file = (struct control_socket){ .device = status.st_dev, .inode = status.st_ino };
    if (r == 0 && listen(fd, CONTROL_API_CONNECTIONS_MAX) < 0)
        r = -errno;
    if (r == 0)
        *ret_fd = fd;
    else
        (void)close(fd);
    return r;
}

int control_socket_open(struct control_socket *file, const char *path, char *error,
                        size_t error_size)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = -1, r;

    *file = (struct control_socket){ 0 };
    if (strlen(path) >= sizeof(address.sun_path)) {
        snprintf(error, error_size, "the path of the control socket is longer than %zu bytes",
                 sizeof(address.sun_path) - 1);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    r = listen_there(file, &address, &fd);
    if (r == 0)
        return fd;
    control_socket_remove(file, path);
    if (r == -EADDRINUSE)
        snprintf(error, error_size,
                 "cannot listen on unix:%s: it is in use; end who listens there, or name another "
                 "path",
                 path);
    else
        snprintf(error, error_size, "cannot listen on unix:%s: %s", path, strerror(-r));
    return -1;
}

void control_socket_remove(struct control_socket *file, const char *path)
{
    struct stat status;

    if (file->inode != 0 && lstat(path, &status) == 0 && status.st_dev == file->device &&
        status.st_ino == file->inode)
        (void)unlink(path); /* or somebody else has done it */
    file->inode = 0;
}
