/*
 * prefix: the working directory of a hop.
 *
 * Role    creates <prefix>/logs and <prefix>/pids, and keeps a second hop out of the same prefix
 * Owns    the lock's descriptor and the pid file
 * Thread  the main thread
 */
#ifndef PROXY_PREFIX_H
#define PROXY_PREFIX_H

#include <stddef.h>
#include <sys/types.h>

struct prefix {
    char *path; /* absolute */
    char *pid_file;
    int lock_fd; /* -1: not locked */
};

/* 0, or -1 with one sentence in error. prefix_done is due in both cases. */
int prefix_open(struct prefix *prefix, const char *path, char *error, size_t error_size);
void prefix_done(struct prefix *prefix);

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
