/*
 * memory_limit: what hopgate_memory_limit comes to.
 *
 * Role    the setting, or what the control group leaves; never less than the workers need
 * Owns    nothing
 * Thread  the main thread: it reads files
 */
#ifndef PROXY_MEMORY_LIMIT_H
#define PROXY_MEMORY_LIMIT_H

#include <stdint.h>

#include "config/settings.h"

/*
 * The smallest memory.max (cgroup v2) from this process's control group up to the root, which are
 * below `root` ("/sys/fs/cgroup"); `membership` is the text of /proc/self/cgroup. 0: none.
 */
uint64_t memory_limit_of_cgroup(const char *root, const char *membership);

/* *ret 0: no limit. 0, or -EINVAL with the reason in errors. */
int memory_limit_choose(const struct settings *settings, unsigned workers_count, uint64_t *ret,
                        struct config_errors *errors);

#endif
