#include "tools/lab/lab_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY "hopgate: ready"

/* ---- start --------------------------------------------------------------------------------- */

/* What the user's shell says about some hop must not change all of the lab's. */
static void clean_environment(void)
{
    bool found = true;

    while (found) {
        found = false;
        for (char **variable = environ; *variable && !found; variable++) {
            char name[256];

            if (strncmp(*variable, "KONG_", 5) != 0 && strncmp(*variable, "HOPGATE_", 8) != 0)
                continue;
            snprintf(name, sizeof(name), "%.*s", (int)strcspn(*variable, "="), *variable);
            found = unsetenv(name) == 0;
        }
    }
}

__attribute__((noreturn)) static void become(char *const *argv, int words, pid_t parent,
                                             pid_t group)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it has gone meanwhile */
    (void)setpgid(0, group);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    clean_environment();
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(words, STDOUT_FILENO);
    (void)dup2(words, STDERR_FILENO);
    execv(argv[0], argv);
    (void)dprintf(STDERR_FILENO, "hopgate: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

int lab_process_start(struct lab_process *process, const char *name, char *const *argv,
                      const char *log_path, pid_t group)
{
    pid_t parent = getpid();
    int ends[2];

    *process = (struct lab_process){ .name = name, .pidfd = -1, .pipe = -1, .log_fd = -1 };
    process->log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (process->log_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    process->pid = fork();
    if (process->pid == 0)
        become(argv, ends[1], parent, group);
    (void)close(ends[1]);
    process->pipe = ends[0];
    if (process->pid < 0) {
        process->pid = 0;
        return -errno;
    }
    (void)fcntl(process->pipe, F_SETFL, O_NONBLOCK);
    process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    return process->pidfd < 0 ? -errno : 0;
}

/* ---- words --------------------------------------------------------------------------------- */

static void take_line(struct lab_process *process)
{
    char *tail = process->tail[process->lines++ % LAB_TAIL_LINES];

    process->line[process->line_length] = '\0';
    memcpy(tail, process->line, process->line_length + 1);
    if (!process->is_ready && strncmp(tail, READY, strlen(READY)) == 0) {
        process->is_ready = true;
        snprintf(process->ready, sizeof(process->ready), "%s", tail + strlen(READY));
    }
    process->line_length = 0;
}

static void take_words(struct lab_process *process, const char *words, size_t length)
{
    /* a log that cannot be written is no reason to stop the lab */
    if (write(process->log_fd, words, length) < 0)
        (void)errno;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)words[i];

        if (c == '\n')
            take_line(process);
        else if (process->line_length + 1 < sizeof(process->line))
            process->line[process->line_length++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
}

static void read_words(struct lab_process *process)
{
    char words[4096];
    ssize_t n;

    while (process->pipe >= 0 && (n = read(process->pipe, words, sizeof(words))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        take_words(process, words, (size_t)n);
    }
    if (process->pipe >= 0)
        (void)close(process->pipe);
    process->pipe = -1;
}

/* The end first: all that it has said is in the pipe then. */
void lab_process_look(struct lab_process *process)
{
    if (process->pid > 0 && waitpid(process->pid, &process->status, WNOHANG) == process->pid) {
        process->has_ended = true;
        process->pid = 0;
    }
    read_words(process);
    if (process->has_ended && process->line_length > 0)
        take_line(process);
}

void lab_process_signal(const struct lab_process *process, int number)
{
    if (process->pid > 0)
        (void)kill(process->pid, number);
}

void lab_process_explain(const struct lab_process *process)
{
    size_t first = process->lines > LAB_TAIL_LINES ? process->lines - LAB_TAIL_LINES : 0;

    if (WIFSIGNALED(process->status))
        (void)fprintf(stderr, "hopgate: %s was ended by signal %d (%s)\n", process->name,
                      WTERMSIG(process->status), strsignal(WTERMSIG(process->status)));
    else
        (void)fprintf(stderr, "hopgate: %s has ended with exit code %d\n", process->name,
                      WEXITSTATUS(process->status));
    for (size_t i = first; i < process->lines; i++)
        (void)fprintf(stderr, "  %s | %s\n", process->name, process->tail[i % LAB_TAIL_LINES]);
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void lab_process_done(struct lab_process *process)
{
    if (process->pid > 0) {
        (void)kill(process->pid, SIGKILL);
        while (waitpid(process->pid, &process->status, 0) < 0 && errno == EINTR)
            continue;
        process->pid = 0;
        process->has_ended = true;
    }
    close_one(&process->pidfd);
    close_one(&process->pipe);
    close_one(&process->log_fd);
}

/* proc(5): the 22nd word of the line; the second is a name, in which anything can stand. */
uint64_t lab_process_began_at(pid_t pid)
{
    enum { WORDS_BEHIND_NAME = 20 };
    char path[64], line[1024];
    const char *at;
    ssize_t length;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    length = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
    if (fd >= 0)
        (void)close(fd);
    line[length > 0 ? length : 0] = '\0';
    at = strrchr(line, ')');
    for (int word = 0; at && word < WORDS_BEHIND_NAME; word++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}
