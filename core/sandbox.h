/*
 * sandbox: what this process and all that it starts may still do, decided once.
 *
 * Role    files by Landlock, system calls by a seccomp filter
 * Owns    nothing; neither can be undone
 * Thread  the only one of the process: later threads and programs inherit both
 *
 * io_uring: its operations on files are bound by Landlock as any other; seccomp never sees them, so
 * the filter is a list of what no proxy ever needs (ptrace, mount, modules, keys, namespaces ...) and
 * not of what it may do. fork and execve stay: a hop may start its successor.
 */
#ifndef CORE_SANDBOX_H
#define CORE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

enum sandbox_access {
    SANDBOX_READ,    /* files and directories */
    SANDBOX_EXECUTE, /* and programs */
    SANDBOX_WRITE,   /* read, write, create, remove, rename */
};

enum { SANDBOX_PATHS_MAX = 256 };

struct sandbox_path {
    char *path; /* a directory with all below it, or a file */
    enum sandbox_access access;
};

/* Zeroed: nothing is allowed. */
struct sandbox {
    struct sandbox_path items[SANDBOX_PATHS_MAX];
    size_t count;
};

/* The path as the kernel sees it (links resolved). One that does not exist is left out. False: no
 * memory, or no room. */
bool sandbox_allow(struct sandbox *sandbox, const char *path, enum sandbox_access access);

/* The same of the directory that the file is in: whoever replaces a file makes a new one there. */
bool sandbox_allow_directory_of(struct sandbox *sandbox, const char *file,
                                enum sandbox_access access);

/* Whether the rules let the path be read; the rights of the user are another matter. */
bool sandbox_may_read(const struct sandbox *sandbox, const char *path);

void sandbox_done(struct sandbox *sandbox);

/* What is not there, or not to be reached by the present user, is left out. 0; -EOPNOTSUPP: this kernel
 * has no Landlock; another negative errno. Sets PR_SET_NO_NEW_PRIVS. */
int sandbox_restrict_files(const struct sandbox *sandbox);

/* The same of the filter of system calls. */
int sandbox_restrict_calls(void);

#endif
