/* stored_content: a little stays in memory, more goes to a file, every try reads all of it. */
#include "proxy/exchange/stored_content.h"

#include <sys/stat.h>

#include "core/stream.h"
#include "tests/unit/core/net.h"

enum { MEMORY_MAX = 8192 };

struct scene {
    struct bench bench;
    struct spool_area area;
    char path[64];
    struct stored_content stored;
    unsigned events;
};

static void count_event(void *owner)
{
    ((struct scene *)owner)->events++;
}

static struct scene *scene_start(void)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    char error[400] = "";

    CHECK(scene != NULL);
    scene->bench = bench_start();
    snprintf(scene->path, sizeof(scene->path), "/tmp/hopgate-store-XXXXXX");
    CHECK(mkdtemp(scene->path) != NULL);
    CHECK_INT(spool_area_open(&scene->area, scene->path, error, sizeof(error)), 0);
    scene->stored = (struct stored_content){ .loop = scene->bench.loop,
                                             .area = &scene->area,
                                             .memory_max_bytes = MEMORY_MAX,
                                             .owner = scene,
                                             .on_event = count_event };
    stored_content_init(&scene->stored);
    return scene;
}

static void scene_stop(struct scene *scene)
{
    stored_content_done(&scene->stored);
    stored_content_done(&scene->stored); /* both ends of an exchange may do it */
    bench_stop(&scene->bench);
    CHECK_INT(scene->area.bytes, 0);
    spool_area_done(&scene->area);
    CHECK_INT(rmdir(scene->path), 0);
    free(scene);
}

static char letter_at(uint64_t offset)
{
    return (char)('a' + offset % 23);
}

static int append(struct scene *scene, size_t length)
{
    uint64_t from = scene->stored.length;
    struct buf buf;
    int r;

    buf_init(&buf, scene->bench.loop->pool);
    for (size_t i = 0; i < length; i++) {
        char c = letter_at(from + i);

        CHECK_INT(buf_append_bytes(&buf, &c, 1), 0);
    }
    r = stored_content_append(&scene->stored, &buf);
    CHECK(r < 0 || buf.length == 0);
    buf_done(&buf);
    return r;
}

static void settle(struct scene *scene)
{
    NET_UNTIL(scene->bench.loop, stored_content_is_settled(&scene->stored));
}

/* One try: up to `limit` bytes of the content, then it ends. */
static void check_try(struct scene *scene, uint64_t limit, size_t max)
{
    struct buf buf;
    uint64_t at = 0;
    long n = 1;

    buf_init(&buf, scene->bench.loop->pool);
    CHECK_INT(stored_content_rewind(&scene->stored), 0);
    while (n > 0 && at < limit) {
        NET_UNTIL(scene->bench.loop,
                  (n = stored_content_read(&scene->stored, &buf, max)) != -EAGAIN);
        CHECK(n >= 0);
        for (; buf.length > 0; buf_consume(&buf, 1))
            CHECK_INT(buf_front(&buf).ptr[0], letter_at(at++));
    }
    if (limit == UINT64_MAX)
        CHECK_INT(at, scene->stored.length);
    buf_done(&buf);
}

TEST(content_within_the_limit_stays_in_memory)
{
    struct scene *scene = scene_start();

    CHECK_INT(append(scene, 1), 0);
    CHECK_INT(append(scene, MEMORY_MAX - 1), 0);
    CHECK(!stored_content_is_in_file(&scene->stored));
    CHECK(stored_content_is_settled(&scene->stored));
    CHECK_INT(scene->area.files_count, 0);
    check_try(scene, UINT64_MAX, 100);
    check_try(scene, 1000, 1000); /* a target that died */
    check_try(scene, UINT64_MAX, 1 << 20);
    scene_stop(scene);
}

TEST(one_byte_more_goes_to_the_file_with_all_before_it)
{
    struct scene *scene = scene_start();

    CHECK_INT(append(scene, MEMORY_MAX), 0);
    CHECK_INT(append(scene, 1), 0);
    CHECK(stored_content_is_in_file(&scene->stored));
    CHECK(!stored_content_is_settled(&scene->stored));
    settle(scene);
    CHECK(scene->events > 0);
    CHECK_INT(scene->area.bytes, MEMORY_MAX + 1);
    CHECK_INT(scene->stored.memory.length, 0);
    check_try(scene, UINT64_MAX, 1000);
    check_try(scene, 5000, 3000);
    check_try(scene, UINT64_MAX, 1 << 20);
    scene_stop(scene);
}

TEST(the_first_piece_may_be_too_much_already)
{
    struct scene *scene = scene_start();

    CHECK_INT(append(scene, 100000), 0);
    CHECK(stored_content_is_in_file(&scene->stored));
    settle(scene);
    check_try(scene, UINT64_MAX, 1 << 20);
    scene_stop(scene);
}

TEST(nothing_at_all_is_content_too)
{
    struct scene *scene = scene_start();

    CHECK(stored_content_is_settled(&scene->stored));
    check_try(scene, UINT64_MAX, 100);
    scene_stop(scene);
}

TEST(there_is_no_room_while_the_disk_is_behind)
{
    struct scene *scene = scene_start();

    CHECK_INT(stored_content_room(&scene->stored), STREAM_QUEUE_HIGH);
    ring_hold_submissions(scene->bench.loop->ring, true);
    CHECK_INT(append(scene, 100000), 0);
    loop_turn(scene->bench.loop, 0);
    CHECK_INT(stored_content_room(&scene->stored), STREAM_QUEUE_HIGH - 100000);
    CHECK_INT(append(scene, stored_content_room(&scene->stored)), 0);
    CHECK_INT(stored_content_room(&scene->stored), 0);
    CHECK_INT(scene->events, 0);
    ring_hold_submissions(scene->bench.loop->ring, false);
    settle(scene);
    CHECK(scene->events > 0);
    CHECK_INT(stored_content_room(&scene->stored), STREAM_QUEUE_HIGH);
    check_try(scene, UINT64_MAX, 1 << 20);
    scene_stop(scene);
}

TEST(failures_are_told_in_nginxs_words)
{
    struct scene *scene = scene_start();
    char text[256], want[256];

    CHECK_INT(rmdir(scene->path), 0);
    CHECK_INT(append(scene, 100000), 0);
    NET_UNTIL(scene->bench.loop, stored_content_has_failed(&scene->stored));
    CHECK_INT(stored_content_failure(&scene->stored, text, sizeof(text)), END_SPOOL_FAILED);
    snprintf(want, sizeof(want), "open() \"%s/0000000001\" failed (2: No such file or directory)",
             scene->path);
    CHECK_STR(text, want);
    CHECK_INT(mkdir(scene->path, 0700), 0);
    scene_stop(scene);
}

TEST(the_limit_of_the_area_has_its_own_reason)
{
    struct scene *scene = scene_start();
    char text[256];

    scene->area.bytes_max = 50000;
    CHECK_INT(append(scene, 49000), 0);
    CHECK_INT(append(scene, 1001), -EDQUOT);
    CHECK_INT(stored_content_failure(&scene->stored, text, sizeof(text)), END_SPOOL_LIMIT);
    CHECK_STR(text, "50000");
    scene_stop(scene);
}

TEST(without_memory_it_says_so)
{
    struct bench bench = bench_with_limits(64, 16, CHUNK_SMALL_BYTES);
    struct stored_content stored = { .loop = bench.loop, .memory_max_bytes = MEMORY_MAX };
    struct buf buf;
    char text[256];

    stored_content_init(&stored);
    buf_init(&buf, bench.loop->pool);
    CHECK_INT(buf_append_bytes(&buf, "x", 1), 0); /* the only chunk there is */
    CHECK_INT(stored_content_append(&stored, &buf), -ENOMEM);
    CHECK_INT(stored_content_failure(&stored, text, sizeof(text)), END_OUT_OF_MEMORY);
    CHECK_STR(text, "");
    buf_done(&buf);
    stored_content_done(&stored);
    bench_stop(&bench);
}

TESTS(TEST_CASE(content_within_the_limit_stays_in_memory),
      TEST_CASE(one_byte_more_goes_to_the_file_with_all_before_it),
      TEST_CASE(the_first_piece_may_be_too_much_already), TEST_CASE(nothing_at_all_is_content_too),
      TEST_CASE(there_is_no_room_while_the_disk_is_behind),
      TEST_CASE(failures_are_told_in_nginxs_words),
      TEST_CASE(the_limit_of_the_area_has_its_own_reason), TEST_CASE(without_memory_it_says_so))
