/*
 * lab_process: one process of a lab.
 *
 * Role    starts it so that it cannot outlive the lab, reads what it says, knows when it is ready and
 *         when it has ended
 * Owns    the process, the pipe of its words, its log file
 * Thread  the main thread, which must be the one that lives as long as the lab: children are killed
 *         when the thread that made them ends
 */
#ifndef TOOLS_LAB_LAB_PROCESS_H
#define TOOLS_LAB_LAB_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { LAB_TAIL_LINES = 10, LAB_LINE_MAX = 400 };

struct lab_process {
    const char *name;
    pid_t pid;       /* 0: not started, or ended and told */
    int pidfd, pipe; /* -1: none */
    int log_fd;
    bool is_ready, has_ended;
    int status;               /* as waitpid has it */
    char ready[LAB_LINE_MAX]; /* what follows "hopgate: ready" */
    char line[LAB_LINE_MAX];  /* not complete yet */
    size_t line_length;
    char tail[LAB_TAIL_LINES][LAB_LINE_MAX]; /* ring */
    size_t lines;                            /* in all */
};

/* argv ends with NULL. group: a process group to join. 0 or a negative errno. */
int lab_process_start(struct lab_process *process, const char *name, char *const *argv,
                      const char *log_path, pid_t group);

/* Its pipe or pidfd has something: reads words, notes the end. Never blocks. */
void lab_process_look(struct lab_process *process);

void lab_process_signal(const struct lab_process *process, int number);

/* "ended with 78", "was killed by SIGKILL" and its last lines, to standard error. */
void lab_process_explain(const struct lab_process *process);

/* Kills it if it still runs; closes everything. */
void lab_process_done(struct lab_process *process);

/* When it began, in the kernel's clock ticks since boot: a number that is used again for another process
 * does not have the same. 0: there is no such process. */
uint64_t lab_process_began_at(pid_t pid);

#endif
