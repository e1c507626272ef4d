#include "core/privileges.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"

static int find(const char *text, struct privileges_user *ret)
{
    char error[256] = "";
    int r = privileges_find(text, ret, error, sizeof(error));

    CHECK((r < 0) == (error[0] != '\0'));
    return r;
}

TEST(a_user_has_its_own_group_unless_one_is_named)
{
    struct privileges_user user;

    CHECK_INT(find("nobody", &user), 0);
    CHECK_INT(user.uid, 65534);
    CHECK_INT(user.gid, 65534);
    CHECK_STR(user.name, "nobody");
    CHECK_INT(find("nobody daemon", &user), 0);
    CHECK_INT(user.uid, 65534);
    CHECK_INT(user.gid, 1);
}

TEST(numbers_need_no_entry)
{
    struct privileges_user user;

    CHECK_INT(find("54321 54322", &user), 0);
    CHECK_INT(user.uid, 54321);
    CHECK_INT(user.gid, 54322);
    CHECK_INT(find("54321", &user), 0);
    CHECK_INT(user.gid, 54321);
    CHECK_INT(find("4294967295", &user), -ENOENT);
    CHECK_INT(find("-1", &user), -ENOENT);
}

TEST(who_does_not_exist_is_named)
{
    struct privileges_user user;
    char error[256];

    CHECK_INT(privileges_find("no-such-user", &user, error, sizeof(error)), -ENOENT);
    CHECK(strstr(error, "no-such-user") != NULL);
    CHECK_INT(privileges_find("nobody no-such-group", &user, error, sizeof(error)), -ENOENT);
    CHECK(strstr(error, "no-such-group") != NULL);
    CHECK_INT(find("one two three", &user), -ENOENT);
    CHECK_INT(find("", &user), -ENOENT);
}

/* In a child: there is no way back. */
static int drop_and_look(void)
{
    struct privileges_user user;
    char error[256];

    if (privileges_find("nobody", &user, error, sizeof(error)) < 0 ||
        privileges_drop(&user, error, sizeof(error)) < 0)
        return 1;
    if (getuid() != 65534 || geteuid() != 65534 || getgid() != 65534 || getgroups(0, NULL) > 1)
        return 2;
    if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
        return 3;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 4;
    if (prctl(PR_CAPBSET_READ, 21, 0, 0, 0) != 0) /* CAP_SYS_ADMIN */
        return 5;
    /* a program that it starts may bind low ports too, and nothing else */
    execl("/bin/grep", "grep", "-q", "^CapEff:\t0*400$", "/proc/self/status", NULL);
    return 6;
}

TEST(root_becomes_a_user_for_good)
{
    pid_t child;
    int status;

    if (geteuid() != 0) {
        print_message("not run: only root can become another user\n");
        skip();
    }
    child = fork();
    if (child == 0)
        _exit(drop_and_look());
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}

TEST(root_is_no_user_to_become)
{
    const struct privileges_user root = { .name = "root" };
    char error[256];

    CHECK_INT(privileges_drop(&root, error, sizeof(error)), -EINVAL);
}

TESTS(TEST_CASE(a_user_has_its_own_group_unless_one_is_named), TEST_CASE(numbers_need_no_entry),
      TEST_CASE(who_does_not_exist_is_named), TEST_CASE(root_becomes_a_user_for_good),
      TEST_CASE(root_is_no_user_to_become))
