/*
 * control_socket: the unix socket of a control API.
 *
 * Role    a path that its user alone can connect to; never taken from a process that still listens there
 * Owns    the file, from open to remove
 * Thread  any
 */
#ifndef TOOLS_LAB_CONTROL_SOCKET_H
#define TOOLS_LAB_CONTROL_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

/* Which file is ours: somebody may have put another one under its name. */
struct control_socket {
    dev_t device;
    ino_t inode; /* 0: none */
};

/* A listening descriptor, or -1 with a sentence in error. */
int control_socket_open(struct control_socket *file, const char *path, char *error,
                        size_t error_size);

/* Removes the file if it is still ours. */
void control_socket_remove(struct control_socket *file, const char *path);

#endif
