/*
 * test_log: lines arrive whole and in order; a full ring or a full disk costs lines, never time.
 */
#include "core/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/check.h"

static char folder[] = "/tmp/hopgate-log-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 4 << 20);
    size_t n;

    assert_non_null(file);
    assert_non_null(text);
    n = fread(text, 1, (4 << 20) - 1, file);
    text[n] = '\0';
    fclose(file);
    return text;
}

static struct log_file *must_open(const char *path)
{
    char error[256] = "";
    struct log_file *file = log_open(path, error, sizeof(error));

    if (!file)
        fail_msg("%s", error);
    return file;
}

TEST(lines_are_flushed_by_stop_in_their_order)
{
    struct log_file *file;
    char *text;

    CHECK_INT(log_start(0), 0);
    file = must_open(path_of("order"));
    log_write(file, SLICE("one\n"));
    log_write(file, SLICE("two\n"));
    log_write(file, SLICE("three\n"));
    log_stop();
    text = read_whole(path_of("order"));
    CHECK_STR(text, "one\ntwo\nthree\n");
    free(text);
}

enum { WRITERS = 4, LINES_EACH = 3000 };

static struct log_file *shared;

static void *write_many(void *argument)
{
    for (int i = 0; i < LINES_EACH; i++) {
        char line[64];
        int n = snprintf(line, sizeof(line), "%d %d\n", (int)(intptr_t)argument, i);

        log_write(shared, (struct slice){ line, (size_t)n });
    }
    return NULL;
}

TEST(threads_register_themselves_and_no_line_is_torn)
{
    pthread_t threads[WRITERS];
    int next[WRITERS] = { 0 };
    char *text, *rest, *line;
    int total = 0;

    CHECK_INT(log_start(1 << 20), 0);
    shared = must_open(path_of("threads"));
    for (intptr_t i = 0; i < WRITERS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, write_many, (void *)i), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(log_counters().dropped_count, 0);
    log_stop();
    text = read_whole(path_of("threads"));
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        int who, number;

        CHECK_INT(sscanf(line, "%d %d", &who, &number), 2);
        CHECK(who >= 0 && who < WRITERS);
        CHECK_INT(number, next[who]++);
        total++;
    }
    CHECK_INT(total, WRITERS * LINES_EACH);
    free(text);
}

TEST(a_ring_that_wraps_keeps_every_line)
{
    char line[200], *text;
    size_t want = 0;

    CHECK_INT(log_start(4096), 0);
    shared = must_open(path_of("wrap"));
    for (int i = 0; i < 2000; i++) {
        uint64_t dropped;
        int n = snprintf(line, sizeof(line), "%0*d\n", i % 150 + 1, i);

        /* full is an answer, not an error: come again until the writer has made room */
        do {
            dropped = log_counters().dropped_count;
            log_write(shared, (struct slice){ line, (size_t)n });
        } while (log_counters().dropped_count != dropped);
        want += (size_t)n;
    }
    log_stop();
    text = read_whole(path_of("wrap"));
    CHECK_INT(strlen(text), want);
    free(text);
}

TEST(a_full_ring_drops_and_counts_and_never_blocks)
{
    int pipes[2];
    char path[32], line[512];

    CHECK_INT(pipe(pipes), 0); /* nobody reads: the writer blocks in writev, this thread must not */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", pipes[1]);
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    CHECK_INT(log_start(4096), 0);
    shared = must_open(path);
    for (int i = 0; i < 1000; i++)
        log_write(shared, (struct slice){ line, sizeof(line) });
    CHECK(log_counters().dropped_count > 0);
    close(pipes[1]);
    close(pipes[0]); /* from here the writer gets EPIPE and loses the rest */
    log_stop();
}

TEST(a_line_longer_than_the_ring_is_dropped)
{
    static char line[8192];
    char *text;

    memset(line, 'x', sizeof(line));
    CHECK_INT(log_start(1024), 0);
    shared = must_open(path_of("long"));
    log_write(shared, (struct slice){ line, sizeof(line) });
    CHECK_INT(log_counters().dropped_count, 1);
    log_write(shared, SLICE("short\n"));
    log_stop();
    text = read_whole(path_of("long"));
    CHECK_STR(text, "short\n");
    free(text);
}

TEST(a_full_disk_is_told_once_counted_and_survived)
{
    int saved = dup(STDERR_FILENO), to;
    uint64_t failed = log_counters().failed_count;
    char *text;

    to = open(path_of("stderr"), O_CREAT | O_RDWR | O_TRUNC, 0600);
    dup2(to, STDERR_FILENO);
    CHECK_INT(log_start(0), 0);
    shared = must_open("/dev/full");
    for (int i = 0; i < 10; i++)
        log_write(shared, SLICE("lost\n"));
    log_write(must_open(path_of("fine")), SLICE("kept\n"));
    log_stop();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(to);
    CHECK_INT(log_counters().failed_count - failed, 10);
    text = read_whole(path_of("stderr"));
    CHECK_STR(text, "hopgate: cannot write log /dev/full: No space left on device; "
                    "lines are lost until it can be written again\n");
    free(text);
    text = read_whole(path_of("fine"));
    CHECK_STR(text, "kept\n");
    free(text);
}

TEST(process_messages_have_nginx_s_shape_and_a_level)
{
    char *text, want[128], level[16];
    int year, month, day, hour, minute, second, pid, tid;

    CHECK_INT(log_start(0), 0);
    log_set_error_file(must_open(path_of("error")), LOG_LEVEL_WARN);
    log_error(LOG_LEVEL_NOTICE, "not written");
    log_error(LOG_LEVEL_ERROR, "cannot bind %s:%d", "127.0.0.1", 80);
    log_stop();
    log_set_error_file(NULL, LOG_LEVEL_NOTICE);
    text = read_whole(path_of("error"));
    CHECK_INT(sscanf(text, "%4d/%2d/%2d %2d:%2d:%2d [%15[a-z]] %d#%d: %100[^\n]", &year, &month,
                     &day, &hour, &minute, &second, level, &pid, &tid, want),
              10);
    CHECK_STR(level, "error");
    CHECK_INT(pid, getpid());
    CHECK_STR(want, "cannot bind 127.0.0.1:80");
    CHECK(strchr(text, '\n') == text + strlen(text) - 1);
    free(text);
}

TEST(a_long_message_is_cut_and_still_ends_its_line)
{
    static char long_text[4 * LOG_MESSAGE_MAX];
    char *text;

    memset(long_text, 'y', sizeof(long_text) - 1);
    CHECK_INT(log_start(0), 0);
    log_set_error_file(must_open(path_of("cut")), LOG_LEVEL_NOTICE);
    log_error(LOG_LEVEL_ERROR, "%s", long_text);
    log_stop();
    text = read_whole(path_of("cut"));
    CHECK_INT(strlen(text), LOG_MESSAGE_MAX);
    CHECK_INT(text[LOG_MESSAGE_MAX - 1], '\n');
    free(text);
}

TEST(a_renamed_file_keeps_its_lines_and_a_new_one_gets_the_next)
{
    struct log_file *file;
    char old[256], error[256] = "";
    char *text;

    snprintf(old, sizeof(old), "%s.1", path_of("rotated"));
    CHECK_INT(log_start(0), 0);
    file = must_open(path_of("rotated"));
    CHECK_INT(rename(path_of("rotated"), old), 0);
    CHECK_INT(log_reopen(error, sizeof(error)), 0);
    log_write(file, SLICE("after\n"));
    log_stop();
    text = read_whole(path_of("rotated"));
    CHECK_STR(text, "after\n");
    free(text);
    (void)unlink(old);
}

TEST(a_file_that_cannot_be_opened_again_goes_on_as_it_is)
{
    char place[256], path[512], error[1024] = "", moved[300];
    struct log_file *file;
    char *text;

    snprintf(place, sizeof(place), "%s", path_of("place"));
    CHECK_INT(mkdir(place, 0755), 0);
    snprintf(path, sizeof(path), "%s/file", place);
    snprintf(moved, sizeof(moved), "%s-moved", place);
    CHECK_INT(log_start(0), 0);
    file = must_open(path);
    CHECK_INT(rename(place, moved), 0);
    CHECK_INT(log_reopen(error, sizeof(error)), -1);
    CHECK(strstr(error, path) != NULL);
    log_write(file, SLICE("still here\n"));
    log_stop();
    snprintf(path, sizeof(path), "%s/file", moved);
    text = read_whole(path);
    CHECK_STR(text, "still here\n");
    free(text);
    (void)unlink(path);
    (void)rmdir(moved);
}

TEST(off_takes_lines_and_forgets_them)
{
    struct log_file *file;

    CHECK_INT(log_start(0), 0);
    file = must_open("off");
    CHECK(log_is_off(file));
    log_write(file, SLICE("nothing\n"));
    CHECK(access("off", F_OK) != 0);
    log_stop();
}

TEST(a_folder_that_is_missing_is_named_with_the_fix)
{
    char error[256];

    CHECK(log_open("/nonexistent/dir/access.log", error, sizeof(error)) == NULL);
    CHECK_STR(error, "cannot open log /nonexistent/dir/access.log: No such file or directory; "
                     "create its directory or give this user write access");
}

TEST(the_same_path_is_the_same_file)
{
    CHECK(must_open(path_of("same")) == must_open(path_of("same")));
    log_stop();
}

TEST(levels_have_nginx_s_names)
{
    CHECK_INT(log_level_of("warn"), LOG_LEVEL_WARN);
    CHECK_INT(log_level_of("err"), LOG_LEVEL_ERROR);
    CHECK_INT(log_level_of("loud"), LOG_LEVEL_COUNT);
    CHECK_STR(log_level_name(LOG_LEVEL_CRIT), "crit");
}

static int make_folder(void **unused)
{
    (void)unused;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **unused)
{
    static const char *const names[] = { "order", "threads", "wrap", "long", "stderr",
                                         "fine",  "error",   "cut",  "same", "rotated" };

    (void)unused;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        (void)unlink(path_of(names[i])); /* absent when its test failed early */
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(lines_are_flushed_by_stop_in_their_order),
        TEST_CASE(threads_register_themselves_and_no_line_is_torn),
        TEST_CASE(a_ring_that_wraps_keeps_every_line),
        TEST_CASE(a_full_ring_drops_and_counts_and_never_blocks),
        TEST_CASE(a_line_longer_than_the_ring_is_dropped),
        TEST_CASE(a_full_disk_is_told_once_counted_and_survived),
        TEST_CASE(process_messages_have_nginx_s_shape_and_a_level),
        TEST_CASE(a_long_message_is_cut_and_still_ends_its_line),
        TEST_CASE(a_renamed_file_keeps_its_lines_and_a_new_one_gets_the_next),
        TEST_CASE(a_file_that_cannot_be_opened_again_goes_on_as_it_is),
        TEST_CASE(off_takes_lines_and_forgets_them),
        TEST_CASE(a_folder_that_is_missing_is_named_with_the_fix),
        TEST_CASE(the_same_path_is_the_same_file),
        TEST_CASE(levels_have_nginx_s_names),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
