#include "tools/lab/lab_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GROUP_PATIENCE_MS = 200, DESCRIPTORS_MAX = 1024 };

/* It holds nothing open that somebody waits for: only its pipe and the lock. */
static void close_others(int keep, int lock_fd)
{
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        if (fd != keep && fd != lock_fd)
            (void)close(fd);
    (void)open("/dev/null", O_RDWR);
    (void)dup2(0, 1);
    (void)dup2(0, 2);
}

/* Children die with the lab by themselves; what they have started may need to be told. */
__attribute__((noreturn)) static void guard(const struct lab_place *place, int pipe)
{
    char byte;

    (void)setpgid(0, 0);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGQUIT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)prctl(PR_SET_NAME, "hopgate-guard");
    close_others(pipe, place->lock_fd);
    errno = 0;
    while (read(pipe, &byte, 1) > 0 || errno == EINTR)
        errno = 0;
    (void)kill(0, SIGTERM);
    (void)poll(NULL, 0, GROUP_PATIENCE_MS);
    lab_place_remove_tree(place->folder);
    (void)kill(0, SIGKILL); /* whoever is left, and us: the lock goes with us */
    _exit(0);
}

pid_t lab_guard_start(const struct lab_place *place, int *ret_pipe)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid = fork();
    if (pid == 0) {
        (void)close(ends[1]);
        guard(place, ends[0]);
    }
    (void)close(ends[0]);
    if (pid < 0) {
        int r = -errno;

        (void)close(ends[1]);
        return r;
    }
    (void)setpgid(pid, pid); /* both do it: whoever comes first */
    *ret_pipe = ends[1];
    return pid;
}

void lab_guard_finish(pid_t guard_pid, int pipe)
{
    int status;

    if (guard_pid <= 0)
        return;
    (void)close(pipe);
    while (waitpid(guard_pid, &status, 0) < 0 && errno == EINTR)
        continue;
}
