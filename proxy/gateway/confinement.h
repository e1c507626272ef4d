/*
 * confinement: what a hop may no longer do once it runs.
 *
 * Role    root becomes nginx_user; hopgate_sandbox: files by Landlock, system calls by seccomp
 * Owns    the list of paths that stay reachable
 * Thread  the main thread, before there is another
 *
 * Order of a start: read the configuration and every file that it names; confinement_drop; open prefix
 * and logs as the user that will write them; confinement_restrict; threads, names, listeners. So
 * neither an answer of DNS nor a byte of a client is ever looked at by root, and root opens no file in a
 * directory that the user could have filled with links.
 *
 * A reload reads files again, with the rights that are left. What it will not be able to read is told
 * at the start, and a refused file names the reason and the setting.
 *
 * off is the default: a hop that is started by hand names files anywhere, and runs under debuggers.
 * The packaged service sets auto.
 */
#ifndef PROXY_CONFINEMENT_H
#define PROXY_CONFINEMENT_H

#include <limits.h>
#include <stdbool.h>

#include "config/config_error.h"
#include "config/settings.h"
#include "core/privileges.h"
#include "core/sandbox.h"

struct prefix;

struct confinement {
    struct sandbox sandbox;
    char **files; /* that the configuration has been read from; absolute */
    size_t files_count;
    bool is_settled; /* the list of paths is what it will be */
    bool files_are_restricted, calls_are_restricted;
    struct privileges_user user; /* name "": nobody was changed to */
    char reason[PATH_MAX + 512]; /* of the last refusal */
};

/* From now on it notes every file that the configuration names. */
void confinement_watch(struct confinement *confinement);

/*
 * Root becomes the user of the setting, or the first of `hopgate` and `kong` that exists; without one
 * it stays root, with a warning. Who is not root stays who he is. False: error says why.
 */
bool confinement_drop(struct confinement *confinement, const struct settings *settings,
                      struct config_errors *errors, char *error, size_t error_size);

/* As hopgate_sandbox says. The prefix and the directories of the logs exist. False: error says why. */
bool confinement_restrict(struct confinement *confinement, const struct settings *settings,
                          const struct prefix *prefix, char *error, size_t error_size);

/* Into the error log: who the hop is, how it is confined, and what it cannot read again. */
void confinement_tell(const struct confinement *confinement);

void confinement_done(struct confinement *confinement);

#endif
