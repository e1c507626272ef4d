/* spool: what goes in comes out, the disk's failures end one spool, and nothing stays behind. */
#include "tests/unit/core/spool_scene.h"

TEST(what_was_appended_can_be_read_from_anywhere_and_again)
{
    static const size_t sizes[] = { 1, 4096, 65536, 65537, 300000 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct scene *scene = scene_start();
        struct spool *spool = spool_create(scene->bench.loop, &scene->area);
        size_t size = sizes[i];

        CHECK(spool != NULL);
        CHECK_INT(append(scene, spool, 0, size, 65536), 0);
        NET_UNTIL(scene->bench.loop, spool_queued(spool) == 0);
        CHECK_INT(scene->area.bytes, size);
        CHECK_INT(count_files(scene->path), 0); /* it has no name */
        check_from(scene, spool, 0, size, 1 << 20);
        check_from(scene, spool, size / 2, size, 1000);
        check_from(scene, spool, 0, size, 70000);
        spool_close(spool);
        scene_stop(scene);
    }
}

TEST(crumbs_are_packed_and_keep_their_order)
{
    struct scene *scene = scene_start();
    struct spool *spool = spool_create(scene->bench.loop, &scene->area);
    uint64_t at = 0;

    for (unsigned i = 1; i <= 300; i++) {
        CHECK_INT(append(scene, spool, at, i, 7), 0);
        at += i;
        if (i % 50 == 0)
            loop_turn(scene->bench.loop, 0);
    }
    /* a chunk per crumb would hold 1200 KiB and more */
    CHECK(chunk_pool_bytes_in_use(scene->bench.loop->pool) < 400 * 1024);
    NET_UNTIL(scene->bench.loop, spool_queued(spool) == 0);
    check_from(scene, spool, 0, at, 65536);
    spool_close(spool);
    scene_stop(scene);
}

TEST(events_tell_that_bytes_are_written_and_that_bytes_can_be_read)
{
    struct scene *scene = scene_start();
    struct spool *spool = spool_create(scene->bench.loop, &scene->area);
    struct buf buf;
    unsigned events = 0;

    buf_init(&buf, scene->bench.loop->pool);
    spool_set_owner(spool, &events, count_event);
    CHECK_INT(append(scene, spool, 0, 10, 10), 0);
    CHECK_INT(events, 0); /* never from inside a call */
    NET_UNTIL(scene->bench.loop, events == 1);
    CHECK_INT(spool_queued(spool), 0);
    CHECK_INT(spool_read(spool, 0, &buf, 100), -EAGAIN);
    NET_UNTIL(scene->bench.loop, events == 2);
    CHECK_INT(spool_read(spool, 0, &buf, 100), 10);
    CHECK_INT(spool_read(spool, 10, &buf, 100), 0);
    buf_done(&buf);
    spool_close(spool);
    scene_stop(scene);
    CHECK_INT(events, 2);
}

TEST(a_reader_that_goes_elsewhere_gets_the_bytes_from_there)
{
    struct scene *scene = scene_start();
    struct spool *spool = spool_create(scene->bench.loop, &scene->area);
    struct buf buf;

    buf_init(&buf, scene->bench.loop->pool);
    CHECK_INT(append(scene, spool, 0, 200000, 65536), 0);
    NET_UNTIL(scene->bench.loop, spool_queued(spool) == 0);
    ring_hold_submissions(scene->bench.loop->ring, true);
    CHECK_INT(spool_read(spool, 0, &buf, 100), -EAGAIN);
    loop_turn(scene->bench.loop, 0); /* that read is prepared now */
    CHECK_INT(spool_read(spool, 150000, &buf, 100), -EAGAIN);
    ring_hold_submissions(scene->bench.loop->ring, false);
    check_from(scene, spool, 150000, 200000, 4096);
    spool_close(spool);
    scene_stop(scene);
}

TEST(a_file_system_without_nameless_files_leaves_no_name_either)
{
    struct scene *scene = scene_start();
    struct spool *spools[3];

    scene->area.needs_names = true;
    for (unsigned i = 0; i < 3; i++) {
        spools[i] = spool_create(scene->bench.loop, &scene->area);
        CHECK_INT(append(scene, spools[i], 0, 10000, 65536), 0);
    }
    spool_close(spools[1]); /* before its file was made */
    for (unsigned i = 0; i < 3; i += 2) {
        NET_UNTIL(scene->bench.loop, spool_queued(spools[i]) == 0);
        CHECK_INT(count_files(scene->path), 0);
        check_from(scene, spools[i], 0, 10000, 65536);
        spool_close(spools[i]);
    }
    scene_stop(scene);
}

TEST(two_spools_do_not_meet)
{
    struct scene *scene = scene_start();
    struct spool *one = spool_create(scene->bench.loop, &scene->area);
    struct spool *two = spool_create(scene->bench.loop, &scene->area);

    CHECK(strcmp(spool_path(one), spool_path(two)) != 0);
    for (unsigned i = 0; i < 20; i++) {
        CHECK_INT(append(scene, one, i * 10000, 10000, 65536), 0);
        CHECK_INT(append(scene, two, i * 3000, 3000, 65536), 0);
        loop_turn(scene->bench.loop, 0);
    }
    NET_UNTIL(scene->bench.loop, spool_queued(one) == 0 && spool_queued(two) == 0);
    check_from(scene, one, 0, 200000, 65536);
    check_from(scene, two, 0, 60000, 65536);
    spool_close(one);
    spool_close(two);
    scene_stop(scene);
}

/* ---- endings ------------------------------------------------------------------------------- */

TEST(closed_after_any_number_of_turns_it_leaves_nothing)
{
    for (unsigned turns = 0; turns < 8; turns++) {
        for (unsigned named = 0; named < 2; named++) {
            struct scene *scene = scene_start();
            struct spool *spool = spool_create(scene->bench.loop, &scene->area);

            scene->area.needs_names = named;
            CHECK_INT(append(scene, spool, 0, 500000, 65536), 0);
            for (unsigned i = 0; i < turns; i++)
                loop_turn(scene->bench.loop, 0);
            spool_close(spool);
            scene_stop(scene);
        }
    }
}

TEST(closed_in_the_middle_of_a_write_its_bytes_live_until_the_kernel_is_done)
{
    struct scene *scene = scene_start();
    struct spool *spool = spool_create(scene->bench.loop, &scene->area);
    unsigned events = 0;

    CHECK_INT(append(scene, spool, 0, 1, 1), 0);
    NET_UNTIL(scene->bench.loop, spool_queued(spool) == 0);
    spool_set_owner(spool, &events, count_event);
    ring_hold_submissions(scene->bench.loop->ring, true);
    CHECK_INT(append(scene, spool, 1, 200000, 65536), 0);
    loop_turn(scene->bench.loop, 0); /* the write is prepared now */
    spool_close(spool);
    for (unsigned i = 0; i < 4; i++)
        loop_turn(scene->bench.loop, 0);
    CHECK(chunk_pool_bytes_in_use(scene->bench.loop->pool) >= 200000);
    CHECK_INT(scene->area.bytes, 200001);
    ring_hold_submissions(scene->bench.loop->ring, false);
    scene_stop(scene);
    CHECK_INT(events, 0);
}

TEST(a_full_submission_queue_only_delays)
{
    struct scene *scene = scene_start();
    enum { CROWD = 400 }; /* more than there are entries */
    struct spool *spools[CROWD];

    ring_hold_submissions(scene->bench.loop->ring, true);
    for (unsigned i = 0; i < CROWD; i++) {
        spools[i] = spool_create(scene->bench.loop, &scene->area);
        CHECK_INT(append(scene, spools[i], i, 100, 100), 0);
    }
    for (unsigned i = 0; i < 3; i++)
        loop_turn(scene->bench.loop, 0);
    ring_hold_submissions(scene->bench.loop->ring, false);
    for (unsigned i = 0; i < CROWD; i++) {
        struct buf buf;
        long n = -EAGAIN;

        buf_init(&buf, scene->bench.loop->pool);
        NET_UNTIL(scene->bench.loop, spool_queued(spools[i]) == 0);
        NET_UNTIL(scene->bench.loop, (n = spool_read(spools[i], 0, &buf, 100)) != -EAGAIN);
        CHECK_INT(n, 100);
        CHECK_INT((unsigned char)buf_front(&buf).ptr[0], byte_at(i));
        buf_done(&buf);
        spool_close(spools[i]);
    }
    scene_stop(scene);
}

/* ---- failures ------------------------------------------------------------------------------ */

TEST(the_areas_limit_counts_all_spools_and_comes_back_with_them)
{
    struct scene *scene = scene_start();
    struct spool *one = spool_create(scene->bench.loop, &scene->area);
    struct spool *two = spool_create(scene->bench.loop, &scene->area);

    scene->area.bytes_max = 1000;
    CHECK_INT(append(scene, one, 0, 600, 600), 0);
    CHECK_INT(append(scene, two, 0, 400, 400), 0);
    CHECK_INT(append(scene, two, 400, 1, 1), -EDQUOT);
    CHECK_INT(spool_failure(two).step, SPOOL_STEP_LIMIT);
    CHECK_INT(append(scene, two, 400, 1, 1), -EDQUOT); /* it stays failed */
    spool_close(two);
    NET_UNTIL(scene->bench.loop, scene->area.bytes == 600);
    CHECK_INT(append(scene, one, 600, 400, 400), 0);
    spool_close(one);
    scene_stop(scene);
}

TEST(a_write_that_is_cut_short_goes_on_and_one_that_fails_says_why)
{
    struct scene *scene = scene_start();
    struct spool *spool = spool_create(scene->bench.loop, &scene->area);
    const struct rlimit limit = { 100000, RLIM_INFINITY };
    struct rlimit before;
    unsigned events = 0;
    struct buf buf;

    signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    spool_set_owner(spool, &events, count_event);
    CHECK_INT(append(scene, spool, 0, 200000, 65536), 0); /* 100000 of it fit: a short write */
    NET_UNTIL(scene->bench.loop, has_failed(spool));
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
    CHECK_INT(spool_failure(spool).step, SPOOL_STEP_WRITE);
    CHECK_INT(spool_failure(spool).error, -EFBIG);
    NET_UNTIL(scene->bench.loop, events == 2); /* the part that fitted, and the failure */
    CHECK_INT(append(scene, spool, 200000, 1, 1), -EFBIG);
    buf_init(&buf, scene->bench.loop->pool);
    CHECK_INT(spool_read(spool, 0, &buf, 10), -EFBIG);
    spool_close(spool);
    scene_stop(scene);
}

TEST(a_file_that_somebody_cut_is_an_error_and_not_the_end)
{
    struct scene *scene = scene_start();
    struct spool *spool = spool_create(scene->bench.loop, &scene->area);
    struct buf buf;
    int fd = 3;
    long n = -EAGAIN;

    CHECK_INT(append(scene, spool, 0, 100000, 65536), 0);
    NET_UNTIL(scene->bench.loop, spool_queued(spool) == 0);
    for (struct stat info = { 0 }; info.st_size != 100000 || !S_ISREG(info.st_mode); fd++) {
        CHECK(fd < 1000);
        (void)fstat(fd, &info); /* a number without a file */
    }
    CHECK_INT(ftruncate(fd - 1, 70000), 0);
    buf_init(&buf, scene->bench.loop->pool);
    for (uint64_t at = 0; n >= 0 || n == -EAGAIN; at += n > 0 ? (uint64_t)n : 0) {
        CHECK(at <= 70000);
        NET_UNTIL(scene->bench.loop, (n = spool_read(spool, at, &buf, 65536)) != -EAGAIN);
    }
    CHECK_INT(n, -EIO);
    CHECK_INT(spool_failure(spool).step, SPOOL_STEP_READ);
    CHECK_INT(buf.length, 70000);
    buf_done(&buf);
    spool_close(spool);
    scene_stop(scene);
}

TEST(a_directory_that_is_gone_fails_the_spool_and_not_the_next)
{
    struct scene *scene = scene_start();
    struct spool *spool = spool_create(scene->bench.loop, &scene->area);

    CHECK_INT(rmdir(scene->path), 0);
    CHECK_INT(append(scene, spool, 0, 1000, 1000), 0);
    NET_UNTIL(scene->bench.loop, has_failed(spool));
    CHECK_INT(spool_failure(spool).step, SPOOL_STEP_OPEN);
    CHECK_INT(spool_failure(spool).error, -ENOENT);
    spool_close(spool);
    CHECK_INT(mkdir(scene->path, 0700), 0);
    spool = spool_create(scene->bench.loop, &scene->area);
    CHECK_INT(append(scene, spool, 0, 1000, 1000), 0);
    NET_UNTIL(scene->bench.loop, spool_queued(spool) == 0);
    CHECK(!has_failed(spool));
    spool_close(spool);
    scene_stop(scene);
}

TEST(without_memory_for_a_read_the_spool_fails)
{
    struct bench bench = bench_with_limits(64, 16, 100000);
    struct spool_area area;
    char path[] = "/tmp/hopgate-spool-XXXXXX", error[400];
    struct scene scene = { .bench = bench };
    struct chunk *hog;
    struct spool *spool;
    struct buf buf;
    long n = 0;

    CHECK(mkdtemp(path) != NULL);
    CHECK_INT(spool_area_open(&area, path, error, sizeof(error)), 0);
    spool = spool_create(bench.loop, &area);
    CHECK_INT(append(&scene, spool, 0, 1000, 1000), 0);
    NET_UNTIL(bench.loop, spool_queued(spool) == 0);
    hog = chunk_pool_get(bench.loop->pool, CHUNK_BULK_BYTES);
    CHECK(hog != NULL);
    buf_init(&buf, bench.loop->pool);
    NET_UNTIL(bench.loop, (n = spool_read(spool, 0, &buf, 10)) != -EAGAIN);
    CHECK_INT(n, -ENOMEM);
    chunk_unref(hog);
    spool_close(spool);
    bench_stop(&bench);
    spool_area_done(&area);
    CHECK_INT(rmdir(path), 0);
}

/* ---- the area ------------------------------------------------------------------------------ */

TEST(opening_an_area_removes_leftovers_and_nothing_else)
{
    static const char *const names[] = { "0000000001", "9999999999", "00000000001", "000000001",
                                         "notes" };
    char path[] = "/tmp/hopgate-spool-XXXXXX", file[128], error[400];
    struct spool_area area;

    CHECK(mkdtemp(path) != NULL);
    for (unsigned i = 0; i < 5; i++) {
        snprintf(file, sizeof(file), "%s/%s", path, names[i]);
        fclose(fopen(file, "w"));
    }
    CHECK_INT(spool_area_open(&area, path, error, sizeof(error)), 0);
    CHECK_INT(count_files(path), 3);
    for (unsigned i = 0; i < 5; i++) {
        snprintf(file, sizeof(file), "%s/%s", path, names[i]);
        CHECK_INT(access(file, F_OK), i < 2 ? -1 : 0);
        (void)unlink(file); /* two are gone */
    }
    spool_area_done(&area);
    CHECK_INT(rmdir(path), 0);
}

TEST(an_area_that_is_joined_keeps_the_other_s_files_and_names_none_of_them_again)
{
    struct bench bench = bench_start();
    char path[] = "/tmp/hopgate-spool-XXXXXX", file[128], error[400];
    struct spool_area first, second, third;
    struct spool *spool;

    CHECK(mkdtemp(path) != NULL);
    CHECK_INT(spool_area_open(&first, path, error, sizeof(error)), 0);
    snprintf(file, sizeof(file), "%s/0000000001", path);
    fclose(fopen(file, "w"));
    CHECK_INT(spool_area_join(&second, path, 7, error, sizeof(error)), 0);
    CHECK_INT(access(file, F_OK), 0);
    spool = spool_create(bench.loop, &second);
    CHECK(spool != NULL);
    CHECK_STR(strrchr(spool_path(spool), '/'), "/5000000001");
    spool_close(spool);
    CHECK_INT(spool_area_join(&third, path, atomic_load(&second.files_count), error, sizeof(error)),
              0);
    spool = spool_create(bench.loop, &third);
    CHECK(spool != NULL);
    CHECK_STR(strrchr(spool_path(spool), '/'), "/0000000001");
    spool_close(spool);
    bench_stop(&bench);
    spool_area_done(&third);
    spool_area_done(&second);
    spool_area_done(&first);
    CHECK_INT(unlink(file), 0);
    CHECK_INT(rmdir(path), 0);
}

TEST(an_area_is_private_and_says_what_is_wrong)
{
    char path[] = "/tmp/hopgate-spool-XXXXXX", spool[128], error[400];
    struct spool_area area;
    struct stat info;

    CHECK(mkdtemp(path) != NULL);
    snprintf(spool, sizeof(spool), "%s/spool", path);
    CHECK_INT(spool_area_open(&area, spool, error, sizeof(error)), 0);
    CHECK_INT(stat(spool, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0700);
    spool_area_done(&area);
    CHECK_INT(rmdir(spool), 0);
    fclose(fopen(spool, "w"));
    CHECK_INT(spool_area_open(&area, spool, error, sizeof(error)), -1);
    CHECK(strstr(error, spool) && strstr(error, "Not a directory"));
    spool_area_done(&area);
    CHECK_INT(unlink(spool), 0);
    CHECK_INT(rmdir(path), 0);
}

TESTS(TEST_CASE(what_was_appended_can_be_read_from_anywhere_and_again),
      TEST_CASE(crumbs_are_packed_and_keep_their_order),
      TEST_CASE(events_tell_that_bytes_are_written_and_that_bytes_can_be_read),
      TEST_CASE(a_reader_that_goes_elsewhere_gets_the_bytes_from_there),
      TEST_CASE(a_file_system_without_nameless_files_leaves_no_name_either),
      TEST_CASE(two_spools_do_not_meet),
      TEST_CASE(closed_after_any_number_of_turns_it_leaves_nothing),
      TEST_CASE(closed_in_the_middle_of_a_write_its_bytes_live_until_the_kernel_is_done),
      TEST_CASE(a_full_submission_queue_only_delays),
      TEST_CASE(the_areas_limit_counts_all_spools_and_comes_back_with_them),
      TEST_CASE(a_write_that_is_cut_short_goes_on_and_one_that_fails_says_why),
      TEST_CASE(a_file_that_somebody_cut_is_an_error_and_not_the_end),
      TEST_CASE(a_directory_that_is_gone_fails_the_spool_and_not_the_next),
      TEST_CASE(without_memory_for_a_read_the_spool_fails),
      TEST_CASE(opening_an_area_removes_leftovers_and_nothing_else),
      TEST_CASE(an_area_that_is_joined_keeps_the_other_s_files_and_names_none_of_them_again),
      TEST_CASE(an_area_is_private_and_says_what_is_wrong))
