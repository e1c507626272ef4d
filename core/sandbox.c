#include "core/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Since ABI 3; the headers of Debian 12 stop at 2. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#define READ_RIGHTS    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define EXECUTE_RIGHTS (READ_RIGHTS | LANDLOCK_ACCESS_FS_EXECUTE)
#define WRITE_RIGHTS                                                                              \
    (READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_TRUNCATE)

/* Rights of a file; the others are of directories, and refused for a file. */
#define FILE_RIGHTS                                                                              \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE | \
     LANDLOCK_ACCESS_FS_TRUNCATE)

/* ---- paths --------------------------------------------------------------------------------- */

bool sandbox_allow(struct sandbox *sandbox, const char *path, enum sandbox_access access)
{
    char *resolved = realpath(path, NULL);

    if (!resolved)
        return errno != ENOMEM;
    for (size_t i = 0; i < sandbox->count; i++) {
        struct sandbox_path *item = &sandbox->items[i];

        if (strcmp(item->path, resolved) == 0 &&
            (item->access == access || access == SANDBOX_READ)) {
            free(resolved);
            return true;
        }
    }
    if (sandbox->count == SANDBOX_PATHS_MAX) {
        free(resolved);
        return false;
    }
    sandbox->items[sandbox->count++] = (struct sandbox_path){ resolved, access };
    return true;
}

bool sandbox_allow_directory_of(struct sandbox *sandbox, const char *file,
                                enum sandbox_access access)
{
    char copy[PATH_MAX];

    if (strlen(file) >= sizeof(copy))
        return true; /* no file has such a name */
    memcpy(copy, file, strlen(file) + 1);
    return sandbox_allow(sandbox, dirname(copy), access);
}

static bool is_at_or_below(const char *path, const char *top)
{
    size_t length = strlen(top);

    return strncmp(path, top, length) == 0 &&
           (path[length] == '\0' || path[length] == '/' || strcmp(top, "/") == 0);
}

bool sandbox_may_read(const struct sandbox *sandbox, const char *path)
{
    char resolved[PATH_MAX];
    bool allowed = false;

    if (!realpath(path, resolved))
        return true; /* the sandbox is not what is in the way */
    for (size_t i = 0; i < sandbox->count && !allowed; i++)
        allowed = is_at_or_below(resolved, sandbox->items[i].path);
    return allowed;
}

void sandbox_done(struct sandbox *sandbox)
{
    for (size_t i = 0; i < sandbox->count; i++)
        free(sandbox->items[i].path);
    *sandbox = (struct sandbox){ .count = 0 };
}

/* ---- Landlock ------------------------------------------------------------------------------ */

static uint64_t rights_handled(long abi)
{
    uint64_t all = WRITE_RIGHTS | EXECUTE_RIGHTS | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                   LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                   LANDLOCK_ACCESS_FS_MAKE_SYM;

    if (abi < 2)
        all &= ~(uint64_t)LANDLOCK_ACCESS_FS_REFER;
    if (abi < 3)
        all &= ~(uint64_t)LANDLOCK_ACCESS_FS_TRUNCATE;
    return all;
}

static uint64_t rights_of(enum sandbox_access access)
{
    switch (access) {
    case SANDBOX_READ:
        return READ_RIGHTS;
    case SANDBOX_EXECUTE:
        return EXECUTE_RIGHTS;
    case SANDBOX_WRITE:
        return WRITE_RIGHTS;
    }
    return 0;
}

/* For this user, who is perhaps root no more: what he cannot reach needs no permission. */
static bool is_out_of_reach(int error)
{
    return error == EACCES || error == ENOENT || error == ENOTDIR;
}

static int add_rule(int ruleset, const struct sandbox_path *item, uint64_t handled)
{
    struct landlock_path_beneath_attr rule = { .allowed_access =
                                                   rights_of(item->access) & handled };
    struct stat status;
    int r = 0;

    rule.parent_fd = open(item->path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return is_out_of_reach(errno) ? 0 : -errno;
    if (fstat(rule.parent_fd, &status) == 0 && !S_ISDIR(status.st_mode))
        rule.allowed_access &= FILE_RIGHTS;
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        r = -errno;
    (void)close(rule.parent_fd); /* O_PATH: nothing to lose */
    return r;
}

int sandbox_restrict_files(const struct sandbox *sandbox)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct landlock_ruleset_attr attributes;
    int ruleset, r = 0;

    if (abi < 1)
        return -EOPNOTSUPP; /* ENOSYS: not built in, EOPNOTSUPP: not enabled at boot */
    attributes.handled_access_fs = rights_handled(abi);
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
    if (ruleset < 0)
        return -errno;
    for (size_t i = 0; i < sandbox->count && r == 0; i++)
        r = add_rule(ruleset, &sandbox->items[i], attributes.handled_access_fs);
    if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        r = -errno;
    /* E2BIG: sixteen hops before us, each started by the former, have done it already */
    if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 && errno != E2BIG)
        r = -errno;
    (void)close(ruleset);
    return r;
}
