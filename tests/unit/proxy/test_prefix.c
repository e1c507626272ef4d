/* prefix: one hop per working directory, and sentences that name the place and the way out. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/gateway/prefix.h"
#include "tests/check.h"

static char directory[] = "/tmp/hopgate-prefix-XXXXXX";
static char error[640];

static const char *below(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static bool is_directory(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

TEST(opening_makes_the_directories_and_says_who_runs)
{
    struct prefix prefix;
    char text[32] = "", pid[32];
    int fd;

    CHECK_INT(prefix_open(&prefix, below("new/deep/"), error, sizeof(error)), 0);
    CHECK(is_directory(below("new/deep/logs")));
    CHECK(is_directory(below("new/deep/pids")));
    fd = open(prefix.pid_file, O_RDONLY);
    CHECK(fd >= 0);
    CHECK(read(fd, text, sizeof(text) - 1) > 0);
    close(fd);
    snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    CHECK_STR(text, pid);
    prefix_done(&prefix);
    CHECK(access(below("new/deep/pids/hopgate.pid"), F_OK) < 0);
}

TEST(a_second_hop_is_told_who_has_it)
{
    struct prefix first, second;
    char pid[32];

    CHECK_INT(prefix_open(&first, below("shared"), error, sizeof(error)), 0);
    CHECK_INT(prefix_open(&second, below("shared"), error, sizeof(error)), -1);
    snprintf(pid, sizeof(pid), "(pid %d)", (int)getpid());
    CHECK(strstr(error, pid) != NULL);
    CHECK(strstr(error, "prefix = DIR") != NULL);
    prefix_done(&second); /* the loser leaves the winner's file alone */
    CHECK(access(first.pid_file, F_OK) == 0);
    prefix_done(&first);
    CHECK_INT(prefix_open(&second, below("shared"), error, sizeof(error)), 0);
    prefix_done(&second);
}

TEST(an_inherited_prefix_is_never_unlocked_and_says_who_has_it_when_told)
{
    struct prefix former, next, rival;
    char path[64], text[32] = "";
    int fd;

    CHECK_INT(prefix_open(&former, below("handed"), error, sizeof(error)), 0);
    fd = open(former.pid_file, O_RDWR);
    CHECK(pwrite(fd, "1234567\n", 8, 0) == 8); /* a longer one of another process */
    CHECK_INT(prefix_inherit(&next, below("handed"), dup(former.lock_fd), error, sizeof(error)), 0);
    prefix_done(&next); /* it fails to start: everything is as before */
    CHECK(pread(fd, text, sizeof(text) - 1, 0) == 8);
    CHECK_INT(prefix_inherit(&next, below("handed"), dup(former.lock_fd), error, sizeof(error)), 0);
    snprintf(path, sizeof(path), "%d\n", (int)getpid());
    CHECK_INT(prefix_write_pid(&next, error, sizeof(error)), 0);
    CHECK(pread(fd, text, sizeof(text) - 1, 0) == (ssize_t)strlen(path));
    prefix_leave(&former);
    prefix_done(&former);
    CHECK(access(next.pid_file, F_OK) == 0);
    CHECK_INT(prefix_open(&rival, below("handed"), error, sizeof(error)), -1);
    prefix_done(&rival);
    prefix_done(&next);
    CHECK(access(below("handed/pids/hopgate.pid"), F_OK) < 0);
    close(fd);
}

TEST(the_lock_of_another_prefix_is_refused)
{
    struct prefix former, next;

    CHECK_INT(prefix_open(&former, below("one"), error, sizeof(error)), 0);
    CHECK_INT(prefix_inherit(&next, below("other"), dup(former.lock_fd), error, sizeof(error)), -1);
    CHECK(strstr(error, "/other now") && strstr(error, "an upgrade keeps it"));
    prefix_done(&next);
    CHECK(access(former.pid_file, F_OK) == 0);
    prefix_done(&former);
}

TEST(what_a_dead_hop_left_does_not_count)
{
    struct prefix prefix;
    int fd;

    CHECK_INT(prefix_open(&prefix, below("dead"), error, sizeof(error)), 0);
    prefix_done(&prefix);
    fd = open(below("dead/pids/hopgate.pid"), O_WRONLY | O_CREAT, 0644);
    CHECK(fd >= 0);
    CHECK(write(fd, "123456789\n", 10) == 10);
    close(fd);
    CHECK_INT(prefix_open(&prefix, below("dead"), error, sizeof(error)), 0);
    prefix_done(&prefix);
}

TEST(a_place_that_cannot_be_made_is_named)
{
    struct prefix prefix;
    int fd = open(below("file"), O_WRONLY | O_CREAT, 0644);

    CHECK(fd >= 0);
    close(fd);
    CHECK_INT(prefix_open(&prefix, below("file/prefix"), error, sizeof(error)), -1);
    CHECK(strstr(error, "file/prefix as prefix: Not a directory") != NULL);
    prefix_done(&prefix);
    CHECK_INT(prefix_open(&prefix, "", error, sizeof(error)), -1);
    prefix_done(&prefix);
}

static void check_path(const struct prefix *prefix, const char *name, const char *want)
{
    char *path = prefix_path(prefix, name);

    CHECK_STR(path, want);
    free(path);
}

TEST(names_are_below_the_prefix_unless_they_say_otherwise)
{
    char place[] = "/var/hop";
    const struct prefix prefix = { .path = place, .lock_fd = -1 };

    check_path(&prefix, "logs/access.log", "/var/hop/logs/access.log");
    check_path(&prefix, "/var/log/access.log", "/var/log/access.log");
    check_path(&prefix, "off", "off");
    check_path(&prefix, "stdout", "stdout");
    check_path(&prefix, "stderr", "stderr");
    check_path(&prefix, "offside", "/var/hop/offside");
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(opening_makes_the_directories_and_says_who_runs),
        TEST_CASE(a_second_hop_is_told_who_has_it),
        TEST_CASE(an_inherited_prefix_is_never_unlocked_and_says_who_has_it_when_told),
        TEST_CASE(the_lock_of_another_prefix_is_refused),
        TEST_CASE(what_a_dead_hop_left_does_not_count),
        TEST_CASE(a_place_that_cannot_be_made_is_named),
        TEST_CASE(names_are_below_the_prefix_unless_they_say_otherwise),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
