/*
 * options: what `hopgate origin` was told on its command line.
 *
 * Role    reads it, complains about it
 * Owns    the lists and the answer; texts are argv's
 * Thread  the main thread
 */
#ifndef TOOLS_ORIGIN_OPTIONS_H
#define TOOLS_ORIGIN_OPTIONS_H

#include <sys/socket.h>

#include "tools/origin/answer.h"
#include "tools/origin/identity.h"

enum { ORIGIN_LISTENERS_MAX = 256 };

struct origin_listen_option {
    const char *text; /* as given, for messages */
    char *name;       /* heap */
    struct sockaddr_storage address;
    bool tls;
    char *script, *fault; /* heap; NULL: the ones of all */
};

struct origin_options {
    struct origin_listen_option listens[ORIGIN_LISTENERS_MAX];
    size_t listens_count;
    const char *script, *fault, *control, *log; /* NULL: none */
    bool tls;
    struct identity_settings identity;
    struct answer answer;
    uint64_t time_scale, seed, conns_max;
    bool wants_faults, wants_steps; /* only a list is printed */
};

/* 0, or an exit code after the complaint; -1 after --help. origin_options_done is due in any case. */
int origin_options_read(int argc, char **argv, struct origin_options *ret);
void origin_options_done(struct origin_options *options);

#endif
