#include "proxy/gateway/successor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "proxy/gateway/handover.h"

/* ---- arguments and environment ------------------------------------------------------------- */

/* What one process is started with; the strings of argv lie in `text`, those of envp are borrowed. */
struct start {
    const char *binary;
    char *text;
    char **argv, **envp;
};

/* The bytes of /proc/self/cmdline, NUL at the end of each word; malloc'ed. */
static char *read_words(size_t *ret_length)
{
    FILE *file = fopen("/proc/self/cmdline", "re"), *copy;
    char *text = NULL;
    int c;

    copy = file ? open_memstream(&text, ret_length) : NULL;
    while (copy && (c = getc(file)) != EOF)
        (void)putc(c, copy);
    if (copy && fclose(copy) != 0)
        free(TAKE(text));
    if (file)
        (void)fclose(file);
    return text;
}

static int make_argv(struct start *start)
{
    size_t length = 0, count = 0;

    start->text = read_words(&length);
    if (!start->text || length == 0)
        return -EIO;
    for (size_t i = 0; i < length; i++)
        count += start->text[i] == '\0';
    start->argv = calloc(count + 1, sizeof(*start->argv));
    if (!start->argv)
        return -ENOMEM;
    count = 0;
    for (char *at = start->text; at < start->text + length; at += strlen(at) + 1)
        start->argv[count++] = at;
    start->argv[0] = (char *)start->binary;
    return 0;
}

/* WATCHDOG_PID names this process: without it systemd's watchdog means whoever reads the rest. */
static bool is_ours_alone(const char *variable)
{
    static const char *const names[] = { HANDOVER_VARIABLE "=", "WATCHDOG_PID=" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static int make_envp(struct start *start, char *handover)
{
    size_t count = 0, kept = 0;

    while (environ && environ[count])
        count++;
    start->envp = calloc(count + 2, sizeof(*start->envp));
    if (!start->envp)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (!is_ours_alone(environ[i]))
            start->envp[kept++] = environ[i];
    start->envp[kept] = handover;
    return 0;
}

/* ---- starting ------------------------------------------------------------------------------ */

/* Everything else that is open here stays here, whoever has opened it. */
static int plan_descriptors(posix_spawn_file_actions_t *actions, int stderr_fd, int socket)
{
    int r = posix_spawn_file_actions_adddup2(actions, stderr_fd, STDERR_FILENO);

    if (r == 0)
        r = posix_spawn_file_actions_adddup2(actions, socket, HANDOVER_FD);
    return r ? r : posix_spawn_file_actions_addclosefrom_np(actions, HANDOVER_FD + 1);
}

/* As if it was started from a shell: we block and ignore signals for our own reasons. */
static int plan_signals(posix_spawnattr_t *attributes)
{
    sigset_t none, usual;

    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    sigaddset(&usual, SIGXFSZ);
    (void)posix_spawnattr_setsigmask(attributes, &none); /* these cannot fail */
    (void)posix_spawnattr_setsigdefault(attributes, &usual);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int spawn(pid_t *ret_pid, const struct start *start, int stderr_fd, int socket)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int r = posix_spawn_file_actions_init(&actions);

    if (r != 0)
        return -r;
    r = posix_spawnattr_init(&attributes);
    if (r == 0) {
        r = plan_descriptors(&actions, stderr_fd, socket);
        if (r == 0)
            r = plan_signals(&attributes);
        if (r == 0)
            r = posix_spawn(ret_pid, start->binary, &actions, &attributes, start->argv,
                            start->envp);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

/* `theirs`: standard error, socket. */
static int start_with(struct successor *successor, const char *binary, const int theirs[2])
{
    char handover[] = HANDOVER_VARIABLE "=3";
    struct start start = { .binary = binary };
    int r;

    _Static_assert(HANDOVER_FD == 3, "the variable names it");
    r = make_argv(&start);
    if (r == 0)
        r = make_envp(&start, handover);
    if (r == 0)
        r = spawn(&successor->pid, &start, theirs[0], theirs[1]);
    free(start.text);
    free(start.argv);
    free(start.envp);
    return r;
}

/* The name by which this process was started: a link may lead to a newer binary meanwhile. */
static const char *own_binary(void)
{
    return (const char *)getauxval(AT_EXECFN); // NOLINT: the kernel gives a pointer as a number
}

int successor_start(struct successor *successor, const char *binary, char *error, size_t error_size)
{
    int words[2] = { -1, -1 }, ends[2] = { -1, -1 };
    int r;

    *successor = (struct successor){ .pid = -1, .pid_fd = -1, .socket = -1, .stderr_fd = -1 };
    if (!binary)
        binary = own_binary();
    r = pipe2(words, O_CLOEXEC) < 0 ? -errno : handover_pair(ends);
    successor->stderr_fd = words[0];
    successor->socket = ends[0];
    if (r == 0 && fcntl(words[0], F_SETFL, O_NONBLOCK) < 0)
        r = -errno;
    if (r == 0)
        r = start_with(successor, binary, (const int[]){ words[1], ends[1] });
    if (words[1] >= 0)
        (void)close(words[1]);
    if (ends[1] >= 0)
        (void)close(ends[1]);
    if (r == 0) {
        successor->pid_fd = (int)syscall(SYS_pidfd_open, successor->pid, 0);
        if (successor->pid_fd >= 0)
            return 0;
        r = -errno;
        successor_kill(successor);
        (void)waitpid(successor->pid, NULL, 0);
    }
    snprintf(error, error_size, "cannot start %s: %s", binary, strerror(-r));
    successor_done(successor);
    return -1;
}

/* ---- the end ------------------------------------------------------------------------------- */

void successor_kill(const struct successor *successor)
{
    (void)kill(successor->pid, SIGKILL); /* our child: its number is its own until it is reaped */
}

void successor_end(const struct successor *successor)
{
    (void)kill(successor->pid, SIGTERM);
}

void successor_let_go(struct successor *successor)
{
    (void)close(successor->pid_fd);
    successor->pid_fd = -1;
}

int successor_reap(struct successor *successor)
{
    int status = 0;

    (void)waitpid(successor->pid, &status, 0); /* it is our child and has ended */
    successor_let_go(successor);
    return status;
}

void successor_hang_up(struct successor *successor)
{
    if (successor->socket >= 0)
        (void)close(successor->socket);
    successor->socket = -1;
}

void successor_close_stderr(struct successor *successor)
{
    if (successor->stderr_fd >= 0)
        (void)close(successor->stderr_fd);
    successor->stderr_fd = -1;
}

void successor_done(struct successor *successor)
{
    successor_hang_up(successor);
    successor_close_stderr(successor);
    if (successor->pid_fd >= 0)
        successor_let_go(successor);
}
