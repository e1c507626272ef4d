/*
 * privileges: from root to an ordinary user, with no way back.
 *
 * Role    finds the user, changes to it, checks that root cannot be had again
 * Owns    nothing
 * Thread  the only one of the process: capabilities are per thread, later threads inherit them
 *
 * One capability is kept, CAP_NET_BIND_SERVICE: a reload may bring a listener on a port below 1024.
 * It is ambient, so that a binary which the process starts in its place has it too.
 */
#ifndef CORE_PRIVILEGES_H
#define CORE_PRIVILEGES_H

#include <stddef.h>
#include <sys/types.h>

enum { PRIVILEGES_NAME_MAX = 64 };

struct privileges_user {
    char name[PRIVILEGES_NAME_MAX];
    uid_t uid;
    gid_t gid;
};

/*
 * text: "user" or "user group", names or numbers; without a group it is the user's own. 0, -ENOENT
 * with a sentence in error.
 */
int privileges_find(const char *text, struct privileges_user *ret, char *error, size_t error_size);

/*
 * Root is needed. Groups, user and capabilities, and PR_SET_NO_NEW_PRIVS. 0, or a negative errno with a
 * sentence in error: the process is in no state to go on then.
 */
int privileges_drop(const struct privileges_user *user, char *error, size_t error_size);

#endif
