/* memory_limit: the setting, the control group's limit, and what is too little. */
#include "proxy/snapshot/memory_limit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/check.h"

static void write_limit(const char *root, const char *directory, const char *text)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s%s", root, directory);
    (void)mkdir(path, 0700); /* the root is there */
    snprintf(path, sizeof(path), "%s%s/memory.max", root, directory);
    file = fopen(path, "w");
    CHECK(file != NULL);
    fputs(text, file);
    CHECK_INT(fclose(file), 0);
}

static void remove_all(const char *root, const char *const *directories)
{
    char path[512];

    for (; *directories; directories++) {
        snprintf(path, sizeof(path), "%s%s/memory.max", root, *directories);
        (void)unlink(path);
        snprintf(path, sizeof(path), "%s%s", root, *directories);
        CHECK_INT(rmdir(path), 0);
    }
}

TEST(the_smallest_limit_up_to_the_root_counts)
{
    char root[] = "/tmp/test_memory_limit_XXXXXX";
    static const char *const directories[] = { "/a/b/c", "/a/b", "/a", "", NULL };

    CHECK(mkdtemp(root) != NULL);
    write_limit(root, "/a", "300000\n");
    write_limit(root, "/a/b", "100000\n");
    write_limit(root, "/a/b/c", "max\n");
    CHECK_INT(memory_limit_of_cgroup(root, "0::/a/b/c\n"), 100000);
    CHECK_INT(memory_limit_of_cgroup(root, "5:cpu:/x\n0::/a\n"), 300000);
    CHECK_INT(memory_limit_of_cgroup(root, "0::/\n"), 0);
    CHECK_INT(memory_limit_of_cgroup(root, "0::/gone\n"), 0);
    CHECK_INT(memory_limit_of_cgroup(root, "4:memory:/a\n"), 0); /* v1 */
    CHECK_INT(memory_limit_of_cgroup(root, ""), 0);
    write_limit(root, "", "50000\n"); /* of a container */
    CHECK_INT(memory_limit_of_cgroup(root, "0::/\n"), 50000);
    CHECK_INT(memory_limit_of_cgroup(root, "0::/a/b\n"), 50000);
    remove_all(root, directories);
}

static int choose(const char *text, unsigned workers_count, uint64_t *ret, char *message,
                  size_t size)
{
    SCOPED(settings) settings = NULL;
    struct config_errors errors;
    int r;

    config_errors_init(&errors);
    CHECK_INT(settings_load_text(slice_of(text), "kong.conf", NULL, &settings, &errors), 0);
    r = memory_limit_choose(settings, workers_count, ret, &errors);
    snprintf(message, size, "%s", errors.count ? errors.items[errors.count - 1].message : "");
    config_errors_done(&errors);
    return r;
}

TEST(a_limit_that_the_workers_cannot_live_with_is_refused)
{
    uint64_t limit = 1;
    char message[512];

    CHECK_INT(choose("hopgate_memory_limit = 64m\n", 2, &limit, message, sizeof(message)), 0);
    CHECK_INT(limit, 64 << 20);
    CHECK_INT(choose("hopgate_memory_limit = 0\n", 2, &limit, message, sizeof(message)), 0);
    CHECK_INT(limit, 0);
    CHECK_INT(choose("hopgate_memory_limit = 64m\n", 8, &limit, message, sizeof(message)), -EINVAL);
    CHECK(strstr(message, "65536k is too little: 8 workers need at least 147456k") != NULL);
    CHECK_INT(choose("hopgate_memory_limit = 64m\nhopgate_receive_buffers = 64\n"
                     "hopgate_receive_buffers_bulk = 8\n",
                     8, &limit, message, sizeof(message)),
              0);
    CHECK_INT(limit, 64 << 20);
}

TESTS(TEST_CASE(the_smallest_limit_up_to_the_root_counts),
      TEST_CASE(a_limit_that_the_workers_cannot_live_with_is_refused))
