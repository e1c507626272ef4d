#include "core/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT_CAPABILITY CAP_NET_BIND_SERVICE

/* ---- who ----------------------------------------------------------------------------------- */

/* (id_t)-1 means "unchanged" to the kernel, so it is nobody's. */
static bool parse_id(const char *word, id_t *ret)
{
    char *end;
    unsigned long value;

    if (word[0] < '0' || word[0] > '9')
        return false;
    errno = 0;
    value = strtoul(word, &end, 10);
    if (errno != 0 || *end || value >= (id_t)-1)
        return false;
    *ret = (id_t)value;
    return true;
}

static bool find_user(const char *word, struct privileges_user *ret)
{
    const struct passwd *entry = getpwnam(word);
    id_t id;

    if (!entry && parse_id(word, &id)) {
        ret->uid = id;
        ret->gid =
            id; /* a user without a name: the group of the same number, unless one is given */
        entry = getpwuid(id);
        if (!entry)
            return true;
    }
    if (!entry)
        return false;
    ret->uid = entry->pw_uid;
    ret->gid = entry->pw_gid;
    return true;
}

static bool find_group(const char *word, gid_t *ret)
{
    const struct group *entry = getgrnam(word);
    id_t id;

    if (entry) {
        *ret = entry->gr_gid;
        return true;
    }
    if (!parse_id(word, &id))
        return false;
    *ret = id;
    return true;
}

int privileges_find(const char *text, struct privileges_user *ret, char *error, size_t error_size)
{
    struct privileges_user found = { .name = "" };
    char group[PRIVILEGES_NAME_MAX] = "", surplus = '\0';
    int words = sscanf(text, "%63s %63s %c", found.name, group, &surplus);

    if (words != 1 && words != 2) {
        snprintf(error, error_size, "expected \"USER\" or \"USER GROUP\", not \"%.100s\"", text);
        return -ENOENT;
    }
    if (!find_user(found.name, &found)) {
        snprintf(error, error_size, "there is no user \"%s\"; create it: adduser --system %s",
                 found.name, found.name);
        return -ENOENT;
    }
    if (words == 2 && !find_group(group, &found.gid)) {
        snprintf(error, error_size, "there is no group \"%s\"; create it: addgroup --system %s",
                 group, group);
        return -ENOENT;
    }
    *ret = found;
    return 0;
}

/* ---- the change ---------------------------------------------------------------------------- */

/* What root could still give away: without it no program that this process starts can have more. */
static int limit_bounding_set(void)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if (capability != KEPT_CAPABILITY && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            return -errno;
    return 0;
}

static int become(const struct privileges_user *user)
{
    /* one that has no name has no further groups */
    int r = getpwnam(user->name) ? initgroups(user->name, user->gid) : setgroups(1, &user->gid);

    if (r < 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
        setresgid(user->gid, user->gid, user->gid) < 0 ||
        setresuid(user->uid, user->uid, user->uid) < 0)
        return -errno;
    return 0;
}

static int keep_one_capability(void)
{
    const uint32_t bit = 1u << KEPT_CAPABILITY;
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };

    if (prctl(PR_CAPBSET_READ, KEPT_CAPABILITY, 0, 0, 0) == 1) { /* a container may lack it */
        sets[0].effective = sets[0].permitted = sets[0].inheritable = bit;
    }
    if (syscall(SYS_capset, &header, sets) < 0)
        return -errno;
    if (sets[0].permitted && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, KEPT_CAPABILITY, 0, 0) < 0)
        return -errno;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static bool root_is_out_of_reach(const struct privileges_user *user)
{
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group;

    if (getresuid(&real, &effective, &saved) < 0 ||
        getresgid(&real_group, &effective_group, &saved_group) < 0)
        return false;
    return real == user->uid && effective == user->uid && saved == user->uid &&
           real_group == user->gid && effective_group == user->gid && saved_group == user->gid &&
           setresuid(0, 0, 0) < 0 && setresgid(0, 0, 0) < 0;
}

int privileges_drop(const struct privileges_user *user, char *error, size_t error_size)
{
    int r = user->uid == 0 || user->gid == 0 ? -EINVAL : limit_bounding_set();

    if (r == 0)
        r = become(user);
    if (r == 0)
        r = keep_one_capability();
    if (r == 0 && !root_is_out_of_reach(user))
        r = -EPERM;
    if (r < 0)
        snprintf(error, error_size, "cannot become user \"%s\" for good: %s", user->name,
                 strerror(-r));
    return r;
}
