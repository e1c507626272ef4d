/*
 * prefix: the working directory of a hop.
 *
 * Role    creates <prefix>/logs and <prefix>/pids, and keeps a second hop out of the same prefix
 * Owns    the lock's descriptor and the pid file
 * Thread  the main thread
 */
#ifndef PROXY_PREFIX_H
#define PROXY_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct prefix {
    char *path; /* absolute */
    char *pid_file;
    int lock_fd;  /* -1: not locked */
    bool is_ours; /* the pid file has our pid */
};

/* 0, or -1 with one sentence in error. prefix_done is due in both cases. */
int prefix_open(struct prefix *prefix, const char *path, char *error, size_t error_size);
void prefix_done(struct prefix *prefix);

/* As prefix_open with the lock of the running hop (taken), which must be of this very prefix; the pid
 * file stays as it is. */
int prefix_inherit(struct prefix *prefix, const char *path, int lock_fd, char *error,
                   size_t error_size);

/* From now on it is this process's prefix. 0, or -1 with one sentence in error. */
int prefix_write_pid(struct prefix *prefix, char *error, size_t error_size);

/* It is another process's: neither lock nor pid file is ours any more. */
void prefix_leave(struct prefix *prefix);

/*
 * For root, before it becomes another user: makes the directory and gives it to that user, if it is
 * new or has been a prefix of root so far; one that belongs to somebody else stays as it is. What is
 * below stays root's if it is. 0, or -1 with one sentence in error.
 */
int prefix_hand_over(const char *path, uid_t uid, gid_t gid, char *error, size_t error_size);

/* `name` itself when it is absolute or a word such as "off" or "stderr", else <prefix>/name;
 * malloc'ed, NULL: no memory. */
char *prefix_path(const struct prefix *prefix, const char *name);

#endif
