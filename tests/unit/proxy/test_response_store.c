/* response_store: what goes in comes out in order, through memory and a file, whatever the disk does. */
#include "proxy/exchange/response_store.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/stream.h"
#include "tests/unit/core/net.h"

struct scene {
    struct bench bench;
    struct spool_area area;
    char path[64];
    struct response_store store;
    unsigned events;
    uint64_t appended, read;
};

static void on_event(void *owner)
{
    struct scene *scene = owner;

    scene->events++;
    CHECK_INT(response_store_look(&scene->store), 0);
}

static struct scene *scene_start(uint64_t memory_max, uint64_t file_max)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    char error[400] = "";

    CHECK(scene != NULL);
    scene->bench = bench_start();
    snprintf(scene->path, sizeof(scene->path), "/tmp/hopgate-store-XXXXXX");
    CHECK(mkdtemp(scene->path) != NULL);
    CHECK_INT(spool_area_open(&scene->area, scene->path, error, sizeof(error)), 0);
    scene->store = (struct response_store){ .loop = scene->bench.loop,
                                            .area = &scene->area,
                                            .memory_max_bytes = memory_max,
                                            .file_max_bytes = file_max,
                                            .owner = scene,
                                            .on_event = on_event };
    response_store_init(&scene->store);
    return scene;
}

static void scene_stop(struct scene *scene)
{
    response_store_done(&scene->store);
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

static void append(struct scene *scene, size_t length)
{
    struct buf buf;

    buf_init(&buf, scene->bench.loop->pool);
    while (buf.length < length) {
        char letters[4096];
        size_t n = length - buf.length < sizeof(letters) ? length - buf.length : sizeof(letters);

        for (size_t i = 0; i < n; i++)
            letters[i] = letter_at(scene->appended++);
        CHECK_INT(buf_append_bytes(&buf, letters, n), 0);
    }
    CHECK_INT(response_store_append(&scene->store, &buf), 0);
    CHECK_INT(buf.length, 0);
}

/* Reads up to `length` bytes and checks them; what read said last. */
static long take(struct scene *scene, size_t length)
{
    struct buf buf;
    long n = 0;

    buf_init(&buf, scene->bench.loop->pool);
    while (length > 0 && (n = response_store_read(&scene->store, &buf, length)) > 0) {
        length -= (size_t)n;
        while (buf.length > 0) {
            CHECK_INT(buf_front(&buf).ptr[0], letter_at(scene->read++));
            buf_consume(&buf, 1);
        }
    }
    return n;
}

static void take_all(struct scene *scene)
{
    NET_UNTIL(scene->bench.loop,
              take(scene, 50000) >= 0 && response_store_length(&scene->store) == 0);
    CHECK_INT(scene->read, scene->appended);
}

TEST(little_stays_in_memory)
{
    struct scene *scene = scene_start(100000, 1 << 20);

    append(scene, 1);
    append(scene, 99999);
    CHECK(!response_store_is_in_file(&scene->store));
    CHECK_INT(response_store_length(&scene->store), 100000);
    CHECK_INT(take(scene, 100), 100);
    append(scene, 100);
    CHECK(!response_store_is_in_file(&scene->store));
    take_all(scene);
    CHECK_INT(response_store_refusal(&scene->store), 0);
    scene_stop(scene);
}

TEST(more_goes_to_a_file_and_is_read_while_it_is_written)
{
    struct scene *scene = scene_start(8192, 1ull << 30);
    uint64_t total = 3 << 20;

    while (scene->appended < total) {
        NET_UNTIL(scene->bench.loop,
                  take(scene, 7000) != -ENOMEM && response_store_room(&scene->store) > 0);
        append(scene, response_store_room(&scene->store) < 30000
                          ? response_store_room(&scene->store)
                          : 30000);
    }
    CHECK(response_store_is_in_file(&scene->store));
    CHECK(response_store_spooled(&scene->store) > total / 2);
    CHECK(scene->events > 0);
    take_all(scene);
    scene_stop(scene);
}

TEST(file_has_a_limit_and_memory_too)
{
    struct scene *scene = scene_start(10000, 50000);

    append(scene, 50000);
    CHECK_INT(response_store_spooled(&scene->store), 50000);
    NET_UNTIL(scene->bench.loop, scene->events > 0);
    CHECK_INT(response_store_room(&scene->store), 10000);
    append(scene, 9000);
    CHECK_INT(response_store_spooled(&scene->store), 50000);
    CHECK_INT(response_store_room(&scene->store), 1000);
    append(scene, 2000); /* more than was asked for is taken all the same */
    CHECK_INT(response_store_room(&scene->store), 0);
    take_all(scene);
    CHECK_INT(response_store_room(&scene->store), 10000);
    scene_stop(scene);
}

TEST(part_of_what_is_too_much_fills_the_file)
{
    struct scene *scene = scene_start(10000, 50000);

    append(scene, 70000);
    CHECK_INT(response_store_spooled(&scene->store), 50000);
    CHECK_INT(response_store_length(&scene->store), 70000);
    take_all(scene);
    scene_stop(scene);
}

TEST(without_a_file_there_is_memory_only)
{
    struct scene *scene = scene_start(10000, 0);

    CHECK_INT(response_store_room(&scene->store), 10000);
    append(scene, 10000);
    CHECK_INT(response_store_room(&scene->store), 0);
    CHECK(!response_store_is_in_file(&scene->store));
    take_all(scene);
    scene_stop(scene);
}

TEST(limit_of_the_area_leaves_the_bytes_in_memory)
{
    struct scene *scene = scene_start(1000, 1 << 20);

    scene->area.bytes_max = 30000;
    append(scene, 20000);
    append(scene, 20000);
    CHECK_INT(response_store_refusal(&scene->store), -EDQUOT);
    CHECK_INT(response_store_spooled(&scene->store), 20000);
    CHECK_INT(response_store_room(&scene->store), 0);
    take_all(scene);
    CHECK_INT(response_store_room(&scene->store), 1000);
    scene_stop(scene);
}

TEST(full_disk_gives_back_what_it_did_not_take)
{
    struct scene *scene = scene_start(1000, 1 << 30);
    struct rlimit old, small;
    char text[200];

    (void)signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){ 100000, old.rlim_max };
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 10; i++) {
        append(scene, 50000);
        for (int turn = 0; turn < 20; turn++)
            CHECK_INT(loop_turn(scene->bench.loop, 2), 0);
    }
    NET_UNTIL(scene->bench.loop, response_store_refusal(&scene->store) != 0);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
    CHECK_INT(response_store_refusal(&scene->store), -EFBIG);
    CHECK_INT(response_store_spooled(&scene->store), 100000);
    CHECK(strstr(response_store_describe(&scene->store, -EFBIG, text, sizeof(text)).ptr,
                 "pwrite() \"") != NULL);
    CHECK_INT(response_store_length(&scene->store), 500000);
    take_all(scene);
    scene_stop(scene);
}

TEST(directory_that_is_gone_gives_all_back)
{
    struct scene *scene = scene_start(1000, 1 << 30);

    CHECK_INT(rmdir(scene->path), 0);
    append(scene, 200000);
    append(scene, 1000);
    NET_UNTIL(scene->bench.loop, response_store_refusal(&scene->store) != 0);
    CHECK_INT(response_store_refusal(&scene->store), -ENOENT);
    take_all(scene);
    CHECK_INT(mkdir(scene->path, 0700), 0);
    scene_stop(scene);
}

TEST(crumbs_do_not_hold_a_buffer_each)
{
    struct scene *scene = scene_start(100000, 0);

    for (int i = 0; i < 10000; i++)
        append(scene, 1);
    CHECK(chunk_pool_bytes_in_use(scene->bench.loop->pool) <= 64 * 1024);
    take_all(scene);
    scene_stop(scene);
}

TEST(store_can_go_in_the_midst_of_everything)
{
    for (int turns = 0; turns < 12; turns++) {
        struct scene *scene = scene_start(1000, 1 << 30);

        append(scene, 100000);
        for (int i = 0; i < turns; i++) {
            (void)take(scene, 30000);
            CHECK_INT(loop_turn(scene->bench.loop, 2), 0);
        }
        scene_stop(scene);
    }
}

/* The limit is reached while a write is under way that will fail: what it did not take must come back. */
TEST(limit_and_then_a_failure_lose_nothing)
{
    struct scene *scene = scene_start(1000, 1 << 20);

    CHECK_INT(rmdir(scene->path), 0); /* no file can be opened */
    scene->area.bytes_max = 40000;
    append(scene, 20000);
    append(scene, 20000);
    take_all(scene);
    CHECK_INT(mkdir(scene->path, 0700), 0);
    scene_stop(scene);
}

TESTS(TEST_CASE(limit_and_then_a_failure_lose_nothing), TEST_CASE(little_stays_in_memory),
      TEST_CASE(more_goes_to_a_file_and_is_read_while_it_is_written),
      TEST_CASE(file_has_a_limit_and_memory_too),
      TEST_CASE(part_of_what_is_too_much_fills_the_file),
      TEST_CASE(without_a_file_there_is_memory_only),
      TEST_CASE(limit_of_the_area_leaves_the_bytes_in_memory),
      TEST_CASE(full_disk_gives_back_what_it_did_not_take),
      TEST_CASE(directory_that_is_gone_gives_all_back), TEST_CASE(crumbs_do_not_hold_a_buffer_each),
      TEST_CASE(store_can_go_in_the_midst_of_everything))
