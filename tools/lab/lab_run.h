/*
 * lab_run: a chain that runs.
 *
 * Role    starts the parts of a chain from its end to its front, each ready before the next begins;
 *         watches them; ends them all
 * Owns    their processes, the lab's place, the guard
 * Thread  the main thread
 *
 * Nothing outlives the lab: each child is killed by the kernel when the lab's process ends, however it
 * ends; the guard, a process that only waits for that, removes the files then.
 */
#ifndef TOOLS_LAB_LAB_RUN_H
#define TOOLS_LAB_LAB_RUN_H

#include "tools/lab/chain_config.h"
#include "tools/lab/lab_place.h"
#include "tools/lab/lab_process.h"

struct lab_run {
    const struct chain *chain;
    struct lab_place place;
    struct chain_place places[CHAIN_ELEMENTS_MAX];
    struct lab_process processes[CHAIN_ELEMENTS_MAX]; /* name NULL: nothing to start */
    char binary[LAB_PATH_MAX];
    char pki_folder[LAB_PATH_MAX + 16]; /* "" when there is none */
    json_t *notes;                      /* texts for people */
    pid_t guard;
    int guard_pipe; /* closed: the guard does its work */
    int signal_fd;
};

/* 0; an exit code of tools/cli/cli.h after the complaint. lab_run_end in any case. */
int lab_run_start(struct lab_run *run, const struct chain *chain);

/* Tells of parts that end; returns when a signal asks for the end. */
void lab_run_watch(struct lab_run *run);

void lab_run_end(struct lab_run *run);

/* "https://shop.test:8443/" */
void lab_run_url(const struct lab_run *run, char *into, size_t size);

#endif
