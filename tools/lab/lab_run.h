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
#include "tools/lab/command_line.h"
#include "tools/lab/lab_place.h"
#include "tools/lab/lab_process.h"

struct lab_run;

/* What experiments add to a chain. All may be NULL. */
struct lab_run_hook {
    /* adds to what the hop is configured with; ports, a list: those that it listens on too */
    void (*amend)(void *owner, const struct lab_run *run, size_t element, json_t *declarative,
                  json_t *ports);
    void *owner;
};

enum { LAB_PROCESSES_MAX = CHAIN_ELEMENTS_MAX + 40 };

struct lab_run {
    const struct chain *chain;
    struct lab_run_hook hook;
    struct lab_place place;
    struct chain_place places[CHAIN_ELEMENTS_MAX];
    /* of the parts in their order, then what was added; name NULL: nothing to start */
    struct lab_process processes[LAB_PROCESSES_MAX];
    size_t processes_count;
    char binary[LAB_PATH_MAX];
    char pki_folder[LAB_PATH_MAX + 16]; /* "" when there is none */
    json_t *notes;                      /* texts for people */
    pid_t guard;
    int guard_pipe; /* closed: the guard does its work */
    int signal_fd;
};

/* Where such a part listens if the port is free; a wire's is of no scheme. */
uint16_t lab_run_usual_port(const struct chain_element *element);

/* hook: NULL: none. 0; an exit code of tools/cli/cli.h after the complaint. lab_run_end in any case. */
int lab_run_start(struct lab_run *run, const struct chain *chain, const struct lab_run_hook *hook);

/* One more process, ready on return; words: a verb and its options; its folder is that of its name
 * (borrowed) below the lab's. 0, or an exit code after the complaint. */
int lab_run_add(struct lab_run *run, const char *name, const struct command_line *words);

/* TERM or INT has come. */
bool lab_run_is_told_to_end(const struct lab_run *run);

/* Tells of parts that end; returns when a signal asks for the end. */
void lab_run_watch(struct lab_run *run);

/* Ends all processes, so that their logs are complete, and leaves the files: what runs may finish
 * within that time. */
void lab_run_drain(struct lab_run *run, uint64_t patience_ms);

void lab_run_end(struct lab_run *run);

/* "https://shop.test:8443/" */
void lab_run_url(const struct lab_run *run, char *into, size_t size);

#endif
