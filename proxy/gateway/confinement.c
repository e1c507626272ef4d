#include "proxy/gateway/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "config/file.h"
#include "core/log.h"
#include "proxy/gateway/prefix.h"

/* ---- files that are read again at a reload ------------------------------------------------- */

/* Next to a file its successor appears, so its directory is allowed; but "/" would be everything. */
static bool allow_file(struct sandbox *sandbox, const char *file)
{
    return strrchr(file, '/') == file ? sandbox_allow(sandbox, file, SANDBOX_READ)
                                      : sandbox_allow_directory_of(sandbox, file, SANDBOX_READ);
}

/* By the name that was given, and by the one that links lead to: either may be replaced. */
static void note_file(void *owner, const char *file)
{
    struct confinement *confinement = owner;
    char *path, **files;

    if (confinement->is_settled)
        return;
    (void)allow_file(&confinement->sandbox, file); /* no room: then a reload will tell */
    path = realpath(file, NULL);
    for (size_t i = 0; path && i < confinement->files_count; i++)
        if (strcmp(confinement->files[i], path) == 0)
            free(TAKE(path));
    files = path ? reallocarray(confinement->files, confinement->files_count + 1, sizeof(*files))
                 : NULL;
    if (!files) {
        free(path); /* not there, known already, or no memory: then a reload will tell */
        return;
    }
    files[confinement->files_count++] = path;
    confinement->files = files;
}

static const char *why_refused(void *owner, const char *file)
{
    struct confinement *confinement = owner;
    const char *user = confinement->user.name;

    if (confinement->files_are_restricted && !sandbox_may_read(&confinement->sandbox, file))
        snprintf(confinement->reason, sizeof(confinement->reason),
                 "; %s is outside of what this hop may read since its start (hopgate_sandbox): put "
                 "the file into a directory that it reads from already, or name its directory in "
                 "hopgate_sandbox_paths and restart",
                 file);
    else if (user[0])
        snprintf(confinement->reason, sizeof(confinement->reason),
                 "; this hop runs as user %s (nginx_user), not root: let it read the file, for "
                 "example by chgrp and chmod g+r",
                 user);
    else
        confinement->reason[0] = '\0';
    return confinement->reason;
}

void confinement_watch(struct confinement *confinement)
{
    file_watch(&(struct file_watcher){
        .owner = confinement, .on_read = note_file, .why_refused = why_refused });
}

void confinement_done(struct confinement *confinement)
{
    file_watch(NULL);
    sandbox_done(&confinement->sandbox);
    for (size_t i = 0; i < confinement->files_count; i++)
        free(confinement->files[i]);
    free(TAKE(confinement->files));
    confinement->files_count = 0;
}

/* ---- the user ------------------------------------------------------------------------------ */

/* Rings and buffers are locked memory, which is counted for a user and not for root. */
static void lift_memory_limit(void)
{
    const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };

    (void)setrlimit(RLIMIT_MEMLOCK, &none); /* else a ring that does not fit says so */
}

static bool find_default_user(struct privileges_user *ret)
{
    static const char *const names[] = { "hopgate", "kong" };
    char error[256];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (privileges_find(names[i], ret, error, sizeof(error)) == 0)
            return true;
    return false;
}

static void tell_not_root(const struct settings *settings, struct config_errors *errors)
{
    struct privileges_user user;
    char error[256];

    if (settings->user &&
        (privileges_find(settings->user, &user, error, sizeof(error)) < 0 || user.uid != geteuid()))
        config_errors_add(errors, CONFIG_NOTICE, settings_place(settings, "nginx_user"),
                          "has no effect: hopgate was not started by root");
}

/* Kong's default: where it does not exist, Kong goes on without it too. */
static bool is_kongs_default(const char *text)
{
    return strcmp(text, "kong kong") == 0 || strcmp(text, "kong") == 0;
}

/* False: nobody, or the reason is an error. */
static bool choose_user(const struct settings *settings, struct privileges_user *ret,
                        struct config_errors *errors)
{
    const bool may_lack = settings->user && is_kongs_default(settings->user);
    char reason[256];

    if (!settings->user)
        return find_default_user(ret);
    if (privileges_find(settings->user, ret, reason, sizeof(reason)) == 0)
        return true;
    config_errors_add(errors, may_lack ? CONFIG_NOTICE : CONFIG_ERROR,
                      settings_place(settings, "nginx_user"), "%s%s", reason,
                      may_lack ? "; going on without it, as Kong does" : "");
    return may_lack && find_default_user(ret);
}

bool confinement_drop(struct confinement *confinement, const struct settings *settings,
                      struct config_errors *errors, char *error, size_t error_size)
{
    struct privileges_user user;

    if (geteuid() != 0) {
        tell_not_root(settings, errors);
        return true;
    }
    if (!choose_user(settings, &user, errors))
        return errors->errors_count == 0;
    if (user.uid == 0)
        return true;
    lift_memory_limit();
    if (prefix_hand_over(settings->prefix, user.uid, user.gid, error, error_size) < 0 ||
        privileges_drop(&user, error, error_size) < 0)
        return false;
    confinement->user = user;
    return true;
}

/* ---- the sandbox --------------------------------------------------------------------------- */

/* Whole directories where files are replaced by new ones: a rule for a file dies with it. */
static bool allow_the_system(struct sandbox *sandbox)
{
    static const struct {
        const char *path;
        enum sandbox_access access;
    } rules[] = {
        { "/etc", SANDBOX_READ }, /* resolv.conf, hosts, ssl, passwd; others' rights still hold */
        { "/usr", SANDBOX_EXECUTE },
        { "/lib", SANDBOX_EXECUTE },
        { "/lib64", SANDBOX_EXECUTE },
        { "/proc", SANDBOX_READ },
        { "/sys/devices/system", SANDBOX_READ },
        { "/sys/fs/cgroup", SANDBOX_READ },
        { "/run/systemd/resolve", SANDBOX_READ }, /* where resolv.conf often leads */
        { "/run/resolvconf", SANDBOX_READ },
        { "/run/NetworkManager", SANDBOX_READ },
        { "/dev/urandom", SANDBOX_READ },
        { "/dev/random", SANDBOX_READ },
        { "/dev/null", SANDBOX_WRITE },
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (!sandbox_allow(sandbox, rules[i].path, rules[i].access))
            return false;
    return true;
}

/* And what replaces it: a hop may start its successor. */
static bool allow_own_binary(struct sandbox *sandbox)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (length <= 0)
        return true;
    path[length] = '\0';
    return sandbox_allow_directory_of(sandbox, path, SANDBOX_EXECUTE);
}

static bool allow_logs(struct sandbox *sandbox, const struct settings *settings)
{
    const char *const logs[] = { settings->proxy_access_log,        settings->proxy_error_log,
                                 settings->status_access_log,       settings->admin_access_log,
                                 settings->hopgate_admin_audit_log, settings->hopgate_capture_log };

    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++)
        if (logs[i] && logs[i][0] == '/' &&
            !sandbox_allow_directory_of(sandbox, logs[i], SANDBOX_WRITE))
            return false;
    return true;
}

/* Beside the store lie its journal and its lock. */
static bool allow_store(struct sandbox *sandbox, const struct settings *settings)
{
    const char *path = settings->hopgate_sqlite_path;

    return strcmp(settings->database, "sqlite") != 0 || path[0] != '/' ||
           sandbox_allow_directory_of(sandbox, path, SANDBOX_WRITE);
}

static bool allow_all(struct confinement *confinement, const struct settings *settings,
                      const struct prefix *prefix)
{
    struct sandbox *sandbox = &confinement->sandbox;
    bool done = allow_the_system(sandbox) && allow_own_binary(sandbox) &&
                sandbox_allow(sandbox, prefix->path, SANDBOX_WRITE) &&
                allow_logs(sandbox, settings) && allow_store(sandbox, settings) &&
                allow_file(sandbox, settings->dns_hostsfile);

    for (size_t i = 0; done && i < confinement->files_count; i++)
        done = allow_file(sandbox, confinement->files[i]);
    for (size_t i = 0; done && i < settings->hopgate_sandbox_paths.count; i++)
        done = sandbox_allow(sandbox, settings->hopgate_sandbox_paths.items[i], SANDBOX_READ);
    return done;
}

/* False: it was demanded and cannot be had. */
static bool is_acceptable(int r, const char *what, bool is_demanded, char *error, size_t error_size)
{
    if (r == 0)
        return true;
    if (r == -EOPNOTSUPP && !is_demanded) {
        log_error(LOG_LEVEL_WARN, "hopgate_sandbox: this kernel offers no %s, going on without it",
                  what);
        return true;
    }
    snprintf(error, error_size,
             "hopgate_sandbox: cannot restrict this process by %s: %s; hopgate_sandbox = off goes "
             "on without%s",
             what, strerror(-r),
             r == -EOPNOTSUPP ? ", auto uses what this kernel has" : " a sandbox");
    return false;
}

bool confinement_restrict(struct confinement *confinement, const struct settings *settings,
                          const struct prefix *prefix, char *error, size_t error_size)
{
    bool is_demanded = strcmp(settings->hopgate_sandbox, "on") == 0;
    int files, calls;

    confinement->is_settled = true;
    if (strcmp(settings->hopgate_sandbox, "off") == 0)
        return true;
    if (!allow_all(confinement, settings, prefix)) {
        snprintf(error, error_size, "hopgate_sandbox: more than %d paths, or no memory",
                 SANDBOX_PATHS_MAX);
        return false;
    }
    files = sandbox_restrict_files(&confinement->sandbox);
    if (!is_acceptable(files, "Landlock", is_demanded, error, error_size))
        return false;
    calls = sandbox_restrict_calls();
    confinement->files_are_restricted = files == 0;
    confinement->calls_are_restricted = calls == 0;
    return is_acceptable(calls, "seccomp", is_demanded, error, error_size);
}

void confinement_tell(const struct confinement *confinement)
{
    if (confinement->user.name[0])
        log_error(LOG_LEVEL_NOTICE, "runs as user %s (%u), group %u", confinement->user.name,
                  (unsigned)confinement->user.uid, (unsigned)confinement->user.gid);
    else if (geteuid() == 0)
        log_error(LOG_LEVEL_NOTICE, "runs as root: set nginx_user, or create a user \"hopgate\"");
    if (confinement->files_are_restricted || confinement->calls_are_restricted)
        log_error(LOG_LEVEL_NOTICE, "sandbox: %s%s%s",
                  confinement->files_are_restricted ? "files (Landlock)" : "",
                  confinement->files_are_restricted && confinement->calls_are_restricted ? ", "
                                                                                         : "",
                  confinement->calls_are_restricted ? "system calls (seccomp)" : "");
    for (size_t i = 0; i < confinement->files_count; i++)
        if (faccessat(AT_FDCWD, confinement->files[i], R_OK, AT_EACCESS) < 0)
            log_error(LOG_LEVEL_WARN,
                      "a reload will fail: user %u cannot read %s again: %s; let it read the file, "
                      "for example by chgrp and chmod g+r",
                      (unsigned)geteuid(), confinement->files[i], strerror(errno));
}
