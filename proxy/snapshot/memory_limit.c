#include "proxy/snapshot/memory_limit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/chunk.h"

enum {
    /* The kernel charges the control group for sockets as well, and a slow reader's holds as much as
     * we do for him; besides there is the program itself. */
    CGROUP_PERCENT = 50,
    /* Receive buffers are there in any case: at most a third of the limit. */
    RECEIVE_SHARES = 3,
};

/* ---- the control group --------------------------------------------------------------------- */

/* 0: no limit, or no such file. */
static uint64_t limit_in(const char *directory)
{
    char path[PATH_MAX];
    unsigned long long bytes = 0;
    FILE *file;

    if (snprintf(path, sizeof(path), "%s/memory.max", directory) >= (int)sizeof(path))
        return 0;
    file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%llu", &bytes) != 1) /* "max" */
        bytes = 0;
    (void)fclose(file);
    return bytes;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a ? a : b;
    return a < b ? a : b;
}

uint64_t memory_limit_of_cgroup(const char *root, const char *membership)
{
    const char *entry = strstr(membership, "0::/");
    char directory[PATH_MAX];
    uint64_t limit = 0;
    size_t root_length = strlen(root);
    int n;

    if (!entry)
        return 0; /* cgroup v1 */
    entry += strlen("0::");
    n = snprintf(directory, sizeof(directory), "%s%.*s", root, (int)strcspn(entry, "\n"), entry);
    if (n < 0 || n >= (int)sizeof(directory))
        return 0;
    for (;;) {
        char *slash = strrchr(directory, '/');

        limit = smaller(limit, limit_in(directory));
        if (!slash || strlen(directory) <= root_length)
            return limit;
        *slash = '\0';
    }
}

static uint64_t limit_of_this_cgroup(void)
{
    char membership[PATH_MAX];
    FILE *file = fopen("/proc/self/cgroup", "re");
    size_t n;

    if (!file)
        return 0;
    n = fread(membership, 1, sizeof(membership) - 1, file);
    (void)fclose(file);
    membership[n] = '\0';
    return memory_limit_of_cgroup("/sys/fs/cgroup", membership);
}

/* ---- the limit ----------------------------------------------------------------------------- */

static uint64_t least_for(const struct settings *settings, unsigned workers_count)
{
    uint64_t receive_bytes = (uint64_t)settings->receive_buffers * CHUNK_SMALL_BYTES +
                             (uint64_t)settings->receive_buffers_bulk * CHUNK_BULK_BYTES;

    return receive_bytes * RECEIVE_SHARES * workers_count;
}

int memory_limit_choose(const struct settings *settings, unsigned workers_count, uint64_t *ret,
                        struct config_errors *errors)
{
    const struct config_place place = settings_place(settings, "hopgate_memory_limit");
    uint64_t least = least_for(settings, workers_count), limit = settings->memory_limit_bytes;
    uint64_t cgroup = limit == SETTINGS_SIZE_AUTO ? limit_of_this_cgroup() : 0;

    if (limit == SETTINGS_SIZE_AUTO)
        limit = cgroup / 100 * CGROUP_PERCENT;
    if (limit > 0 && limit < least && cgroup == 0) {
        config_errors_add(errors, CONFIG_ERROR, place,
                          "%uk is too little: %u workers need at least %uk, so raise it, or have "
                          "fewer nginx_worker_processes or hopgate_receive_buffers",
                          (unsigned)(limit / 1024), workers_count, (unsigned)(least / 1024));
        return -EINVAL;
    }
    if (limit > 0 && limit < least) {
        config_errors_add(errors, CONFIG_WARNING, place,
                          "half of the control group's memory.max of %uk is less than the %uk that "
                          "%u workers need: the limit is the latter; have fewer "
                          "nginx_worker_processes, or set it",
                          (unsigned)(cgroup / 1024), (unsigned)(least / 1024), workers_count);
        limit = least;
    }
    *ret = limit;
    return 0;
}
