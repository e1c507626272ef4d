/* spool: it is read while it is written, and a lenient one gives back what the disk does not take. */
#include "tests/unit/core/spool_scene.h"

TEST(what_was_written_can_be_read_while_more_is_appended)
{
    struct scene *scene = scene_start();
    struct spool *spool = spool_create(scene->bench.loop, &scene->area);
    uint64_t appended = 0, offset = 0;
    unsigned events = 0;

    CHECK(spool != NULL);
    spool_set_owner(spool, &events, count_event);
    for (int i = 0; i < 40; i++) {
        struct buf buf;
        long n;

        CHECK_INT(append(scene, spool, appended, 70000, 40000), 0);
        appended += 70000;
        buf_init(&buf, scene->bench.loop->pool);
        NET_UNTIL(scene->bench.loop, (n = spool_read(spool, offset, &buf, 30000)) != -EAGAIN);
        CHECK(n > 0);
        for (long j = 0; j < n; j++) {
            CHECK_INT((unsigned char)buf_front(&buf).ptr[0], byte_at(offset++));
            buf_consume(&buf, 1);
        }
    }
    CHECK(events > 0);
    CHECK_INT(spool_length(spool), appended);
    check_from(scene, spool, offset, appended, 100000);
    spool_close(spool);
    scene_stop(scene);
}

TEST(lenient_spool_gives_back_what_the_disk_does_not_take)
{
    struct scene *scene = scene_start();
    struct spool *spool = spool_create(scene->bench.loop, &scene->area);
    struct rlimit old, small;
    struct buf back;

    (void)signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){ 50000, old.rlim_max };
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
    spool_set_lenient(spool);
    CHECK_INT(append(scene, spool, 0, 80000, 40000), 0);
    NET_UNTIL(scene->bench.loop, has_failed(spool));
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
    CHECK_INT(spool_failure(spool).error, -EFBIG);
    CHECK_INT(append(scene, spool, 80000, 10, 10), -EFBIG);
    buf_init(&back, scene->bench.loop->pool);
    CHECK_INT(spool_take_back(spool, &back), 0);
    CHECK_INT(back.length, 30000);
    CHECK_INT(spool_length(spool), 50000);
    CHECK_INT(scene->area.bytes, 50000);
    for (uint64_t i = 50000; i < 80000; i++) {
        CHECK_INT((unsigned char)buf_front(&back).ptr[0], byte_at(i));
        buf_consume(&back, 1);
    }
    check_from(scene, spool, 0, 50000, 20000);
    buf_done(&back);
    spool_close(spool);
    scene_stop(scene);
}

/* A quarter is left to those that are not lenient. */
TEST(lenient_spool_goes_on_after_an_append_over_its_share)
{
    struct scene *scene = scene_start();
    struct spool *spool = spool_create(scene->bench.loop, &scene->area);
    struct spool *other = spool_create(scene->bench.loop, &scene->area);

    scene->area.bytes_max = 1333;
    spool_set_lenient(spool);
    CHECK_INT(append(scene, spool, 0, 900, 900), 0);
    CHECK_INT(append(scene, spool, 900, 200, 200), -EDQUOT);
    CHECK(!has_failed(spool));
    CHECK_INT(append(scene, spool, 900, 100, 100), 0);
    CHECK_INT(spool_number(spool), 1);
    CHECK_INT(append(scene, other, 0, 333, 333), 0);
    check_from(scene, spool, 0, 1000, 400);
    spool_close(spool);
    spool_close(other);
    scene_stop(scene);
}

TESTS(TEST_CASE(what_was_written_can_be_read_while_more_is_appended),
      TEST_CASE(lenient_spool_gives_back_what_the_disk_does_not_take),
      TEST_CASE(lenient_spool_goes_on_after_an_append_over_its_share))
