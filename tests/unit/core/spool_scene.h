/*
 * spool_scene: a spool area in a directory of its own, and content whose bytes tell where they belong.
 *
 * Role    what the tests of spool share
 * Owns    the directory, until scene_end
 * Thread  one
 */
#ifndef TESTS_SPOOL_SCENE_H
#define TESTS_SPOOL_SCENE_H

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/spool.h"
#include "tests/unit/core/net.h"

struct scene {
    struct bench bench;
    struct spool_area area;
    char path[64];
};

static struct scene *scene_start(void)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    char error[400] = "";

    CHECK(scene != NULL);
    scene->bench = bench_start();
    snprintf(scene->path, sizeof(scene->path), "/tmp/hopgate-spool-XXXXXX");
    CHECK(mkdtemp(scene->path) != NULL);
    if (spool_area_open(&scene->area, scene->path, error, sizeof(error)) < 0)
        fail_msg("no area: %s", error);
    return scene;
}

static unsigned count_files(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    unsigned count = 0;

    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* No object, no descriptor, no byte of the budget, no chunk, no file. */
static void scene_stop(struct scene *scene)
{
    bench_stop(&scene->bench);
    CHECK_INT(scene->area.bytes, 0);
    CHECK_INT(count_files(scene->path), 0);
    spool_area_done(&scene->area);
    CHECK_INT(rmdir(scene->path), 0);
    free(scene);
}

static void count_event(void *owner)
{
    (*(unsigned *)owner)++;
}

static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)(offset * 31 + (offset >> 8) * 7 + (offset >> 16));
}

/* Bytes from..from+length of the pattern, in spans of at most `piece`. */
static int append(struct scene *scene, struct spool *spool, uint64_t from, size_t length,
                  size_t piece)
{
    struct buf buf;
    int r;

    buf_init(&buf, scene->bench.loop->pool);
    for (size_t done = 0; done < length;) {
        size_t n = length - done < piece ? length - done : piece;
        struct chunk *chunk = chunk_pool_get(scene->bench.loop->pool, n);

        CHECK(chunk != NULL);
        for (size_t i = 0; i < n; i++)
            chunk->data[i] = (char)byte_at(from + done + i);
        chunk->used = (uint32_t)n;
        CHECK_INT(buf_append_chunk(&buf, chunk, 0, (uint32_t)n), 0);
        chunk_unref(chunk);
        done += n;
    }
    r = spool_append(spool, &buf);
    buf_done(&buf);
    return r;
}

static bool has_failed(const struct spool *spool)
{
    return spool_failure(spool).step != SPOOL_STEP_NONE;
}

/* Reads everything from `offset` on and compares; at most `max` bytes at a time. */
static void check_from(struct scene *scene, struct spool *spool, uint64_t offset, uint64_t end,
                       size_t max)
{
    struct buf buf;
    long n = -EAGAIN;

    buf_init(&buf, scene->bench.loop->pool);
    while (n != 0) {
        NET_UNTIL(scene->bench.loop, (n = spool_read(spool, offset, &buf, max)) != -EAGAIN);
        CHECK(n >= 0 && (size_t)n <= max);
        for (long i = 0; i < n; i++) {
            CHECK_INT((unsigned char)buf_front(&buf).ptr[0], byte_at(offset++));
            buf_consume(&buf, 1);
        }
    }
    CHECK_INT(offset, end);
    buf_done(&buf);
}

#endif
