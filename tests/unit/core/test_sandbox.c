#include "core/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"

/* What is restricted stays so, hence each story runs in a child; its answer is an exit code. */
enum { FINE = 0, NO_SUCH_KERNEL = 77 };

struct place {
    char directory[64], inside[96], outside[96];
};

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    CHECK(file != NULL);
    CHECK(fputs(text, file) >= 0 && fclose(file) == 0);
}

static struct place make_place(void)
{
    struct place place = { .directory = "/tmp/hopgate-sandbox-XXXXXX" };

    CHECK(mkdtemp(place.directory) != NULL);
    snprintf(place.inside, sizeof(place.inside), "%s/in", place.directory);
    snprintf(place.outside, sizeof(place.outside), "%s/out", place.directory);
    CHECK_INT(mkdir(place.inside, 0755), 0);
    CHECK_INT(mkdir(place.outside, 0755), 0);
    snprintf(place.inside, sizeof(place.inside), "%s/in/file", place.directory);
    snprintf(place.outside, sizeof(place.outside), "%s/out/file", place.directory);
    write_text(place.inside, "in");
    write_text(place.outside, "out");
    return place;
}

static void remove_place(const struct place *place)
{
    char path[128];

    (void)unlink(place->inside);
    (void)unlink(place->outside);
    snprintf(path, sizeof(path), "%s/in", place->directory);
    (void)rmdir(path);
    snprintf(path, sizeof(path), "%s/out", place->directory);
    (void)rmdir(path);
    (void)rmdir(place->directory);
}

/* The line of the story that did not hold; skips where the kernel lacks what is tested. */
static void expect_fine(int (*story)(const struct place *place))
{
    struct place place = make_place();
    pid_t child = fork();
    int status;

    CHECK(child >= 0);
    if (child == 0)
        _exit(story(&place));
    CHECK_INT(waitpid(child, &status, 0), child);
    remove_place(&place);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_SUCH_KERNEL) {
        print_message("not run: this kernel offers neither Landlock nor seccomp here\n");
        skip();
    }
    CHECK_INT(WEXITSTATUS(status), FINE);
}

static int open_error(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno;
    (void)close(fd);
    return 0;
}

static int files_story(const struct place *place)
{
    struct sandbox sandbox = { .count = 0 };
    char created[128];
    int r;

    if (!sandbox_allow_directory_of(&sandbox, place->inside, SANDBOX_READ) ||
        sandbox_allow(&sandbox, "/nowhere/at/all", SANDBOX_READ) == false)
        return 1;
    if (!sandbox_may_read(&sandbox, place->inside) || sandbox_may_read(&sandbox, place->outside))
        return 2;
    r = sandbox_restrict_files(&sandbox);
    if (r == -EOPNOTSUPP)
        return NO_SUCH_KERNEL;
    if (r < 0)
        return 3;
    if (open_error(place->inside, O_RDONLY) != 0)
        return 4;
    if (open_error(place->outside, O_RDONLY) != EACCES)
        return 5;
    if (open_error(place->inside, O_WRONLY) != EACCES)
        return 6;
    snprintf(created, sizeof(created), "%s-new", place->inside);
    if (open_error(created, O_WRONLY | O_CREAT) != EACCES)
        return 7;
    sandbox_done(&sandbox);
    return FINE;
}

TEST(only_what_is_allowed_can_be_read_and_nothing_written)
{
    expect_fine(files_story);
}

/* A rule whose path went away since it was noted: here by a removal. */
static int unreachable_story(const struct place *place)
{
    struct sandbox sandbox = { .count = 0 };
    char deep[128];
    int r;

    snprintf(deep, sizeof(deep), "%s/out/deep", place->directory);
    if (!sandbox_allow_directory_of(&sandbox, place->inside, SANDBOX_READ) ||
        mkdir(deep, 0700) < 0 || !sandbox_allow(&sandbox, deep, SANDBOX_READ) || rmdir(deep) < 0)
        return 1;
    r = sandbox_restrict_files(&sandbox);
    sandbox_done(&sandbox);
    if (r < 0)
        return r == -EOPNOTSUPP ? NO_SUCH_KERNEL : 2;
    return open_error(place->inside, O_RDONLY) == 0 &&
                   open_error(place->outside, O_RDONLY) == EACCES
               ? FINE
               : 3;
}

TEST(a_path_that_is_not_to_be_reached_any_more_is_left_out)
{
    expect_fine(unreachable_story);
}

static int writing_story(const struct place *place)
{
    struct sandbox sandbox = { .count = 0 };
    char created[128], moved[128];
    int r;

    (void)sandbox_allow_directory_of(&sandbox, place->inside, SANDBOX_WRITE);
    r = sandbox_restrict_files(&sandbox);
    if (r < 0)
        return r == -EOPNOTSUPP ? NO_SUCH_KERNEL : 1;
    snprintf(created, sizeof(created), "%s-new", place->inside);
    snprintf(moved, sizeof(moved), "%s-moved", place->inside);
    if (open_error(created, O_RDWR | O_CREAT | O_TRUNC) != 0 || rename(created, moved) < 0 ||
        unlink(moved) < 0)
        return 2;
    return open_error(place->outside, O_WRONLY) == EACCES ? FINE : 3;
}

TEST(a_writable_directory_takes_new_files_and_renames)
{
    expect_fine(writing_story);
}

/* 0: it was run and ended well. */
static int run_true(void)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    return waitpid(child, &status, 0) == child ? status : -1;
}

static int calls_story(const struct place *place)
{
    int r = sandbox_restrict_calls();

    (void)place;
    if (r < 0)
        return r == -EOPNOTSUPP ? NO_SUCH_KERNEL : 1;
    errno = 0;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != -1 || errno != EPERM)
        return 2;
    if (unshare(CLONE_NEWUSER) != -1 || errno != EPERM)
        return 3;
    if (syscall(SYS_keyctl, 0, 0, 0, 0, 0) != -1 || errno != EPERM)
        return 4;
    if (syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL) != -1 || errno != EPERM)
        return 5;
    return run_true() == 0 ? FINE : 6; /* a successor can still be started */
}

TEST(system_calls_that_no_proxy_needs_are_refused_and_exec_is_not)
{
    expect_fine(calls_story);
}

static int executing_story(const struct place *place)
{
    static const char *const programs[] = { "/usr", "/lib", "/lib64" };
    struct sandbox sandbox = { .count = 0 };
    int r;

    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
        if (!sandbox_allow(&sandbox, programs[i], SANDBOX_EXECUTE))
            return 1;
    r = sandbox_restrict_files(&sandbox);
    if (r < 0)
        return r == -EOPNOTSUPP ? NO_SUCH_KERNEL : 2;
    if (run_true() != 0 || open_error(place->inside, O_RDONLY) != EACCES)
        return 3;
    sandbox_done(&sandbox);
    (void)sandbox_allow(&sandbox, "/usr", SANDBOX_READ);
    if (sandbox_restrict_files(&sandbox) < 0)
        return 4;
    sandbox_done(&sandbox);
    return run_true() != 0 ? FINE
                           : 5; /* what was given up by the one does not come back by another */
}

TEST(programs_run_where_that_is_allowed_and_nowhere_else)
{
    expect_fine(executing_story);
}

static int generations_story(const struct place *place)
{
    struct sandbox sandbox = { .count = 0 };

    if (!sandbox_allow(&sandbox, "/usr", SANDBOX_EXECUTE))
        return 1;
    for (int i = 0; i < 40; i++) {
        int r = sandbox_restrict_files(&sandbox);

        if (r == 0)
            r = sandbox_restrict_calls();
        if (r < 0)
            return r == -EOPNOTSUPP ? NO_SUCH_KERNEL : 2;
    }
    sandbox_done(&sandbox);
    return open_error(place->inside, O_RDONLY) == EACCES ? FINE : 3;
}

/* The kernel takes sixteen sets of rules for files; each hop that starts its successor adds one. */
TEST(many_generations_of_successors_can_restrict_themselves)
{
    expect_fine(generations_story);
}

TEST(a_path_below_another_name_is_not_below_it)
{
    struct sandbox sandbox = { .count = 0 };

    CHECK(sandbox_allow(&sandbox, "/usr/lib", SANDBOX_READ));
    CHECK(sandbox_may_read(&sandbox, "/usr/lib"));
    CHECK(!sandbox_may_read(&sandbox, "/usr/libexec"));
    CHECK(!sandbox_may_read(&sandbox, "/usr"));
    sandbox_done(&sandbox);
}

TESTS(TEST_CASE(only_what_is_allowed_can_be_read_and_nothing_written),
      TEST_CASE(a_path_that_is_not_to_be_reached_any_more_is_left_out),
      TEST_CASE(a_writable_directory_takes_new_files_and_renames),
      TEST_CASE(system_calls_that_no_proxy_needs_are_refused_and_exec_is_not),
      TEST_CASE(programs_run_where_that_is_allowed_and_nowhere_else),
      TEST_CASE(many_generations_of_successors_can_restrict_themselves),
      TEST_CASE(a_path_below_another_name_is_not_below_it))
