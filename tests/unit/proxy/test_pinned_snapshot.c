#include "proxy/snapshot/pinned_snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lb/conn_pool.h"
#include "lb/target_registry.h"
#include "proxy/snapshot/target_set.h"
#include "proxy/worker/hop.h"
#include "proxy/worker/worker.h"
#include "tests/check.h"

/* ---- an idle connection -------------------------------------------------------------------- */

static unsigned closed_count;

static long read_nothing(struct stream *stream, struct buf *into, size_t max)
{
    (void)stream;
    (void)into;
    (void)max;
    return -EAGAIN;
}

static void set_read_size(struct stream *stream, enum stream_read_size size)
{
    (void)stream;
    (void)size;
}

static void count_close(struct stream *stream, enum stream_close how)
{
    (void)stream;
    (void)how;
    closed_count++;
}

static const struct stream_ops idle_ops = {
    .name = "idle", .read = read_nothing, .set_read_size = set_read_size, .close = count_close
};

/* ---- a worker with one, to the target of a configuration that is never in force ------------ */

struct fixture {
    struct hop hop;
    struct worker worker;
    struct chunk_pool *chunks;
    struct target_registry *registry;
    struct target_set *set;
    struct service_plan plan;
    struct config config;
    struct snapshot snapshot;
    struct stream idle;
};

static void fixture_init(struct fixture *f)
{
    const struct conn_pool_options pool = { .idle_max = 4 };
    const struct sockaddr_storage address = { .ss_family = AF_INET };
    const struct upstream_target_options target = {
        .host = "127.0.0.1", .port = 80, .weight = 100, .addresses = &address, .addresses_count = 1
    };
    const struct upstream_options upstream = { .name = "u",
                                               .targets = &target,
                                               .targets_count = 1 };
    struct upstream_targets *targets;

    *f = (struct fixture){ .hop = { .doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) },
                           .config = { .services_count = 1 },
                           .snapshot = { .generation = 1 },
                           .idle = { .ops = &idle_ops } };
    closed_count = 0;
    f->registry = target_registry_create();
    f->chunks = chunk_pool_create(0);
    f->worker.hop = &f->hop;
    f->worker.pool = conn_pool_create(&pool, f->chunks);
    targets = upstream_targets_create(&upstream, f->registry);
    f->set = target_set_create(&targets, END_OK);
    f->plan.set = f->set;
    f->snapshot.config = &f->config;
    f->snapshot.services = &f->plan;
    CHECK(f->set && f->worker.pool);
    conn_pool_release(f->worker.pool,
                      &(struct conn_pool_key){ .target = f->set->targets->items[0].target },
                      &(struct conn_pool_conn){ .stream = &f->idle }, 0);
    CHECK_INT(conn_pool_idle_count(f->worker.pool), 1);
}

static void fixture_done(struct fixture *f)
{
    CHECK_INT(atomic_load(&f->snapshot.workers_count), 0);
    conn_pool_free(f->worker.pool);
    target_set_free(f->set);
    target_registry_free(f->registry);
    chunk_pool_free(f->chunks);
    (void)close(f->hop.doorbell);
}

/* ---- tests --------------------------------------------------------------------------------- */

TEST(what_no_worker_has_seen_is_freed_without_a_look_into_its_pool)
{
    struct fixture f;
    struct pinned_snapshot *pinned;

    fixture_init(&f);
    pinned = pinned_snapshot_create(&f.snapshot, &f.worker);
    CHECK(pinned);
    pinned_snapshot_unpin(pinned); /* as the main thread does when another worker's has failed */
    CHECK_INT(conn_pool_idle_count(f.worker.pool), 1);
    fixture_done(&f);
    CHECK_INT(closed_count, 1); /* with the pool */
}

TEST(worker_that_lets_go_closes_idle_connections_to_targets_that_nobody_names)
{
    struct fixture f;
    struct pinned_snapshot *pinned;

    fixture_init(&f);
    pinned = pinned_snapshot_create(&f.snapshot, &f.worker);
    CHECK(pinned);
    pinned->was_seen = true;
    pinned_snapshot_unpin(pinned);
    CHECK_INT(conn_pool_idle_count(f.worker.pool), 0);
    CHECK_INT(closed_count, 1);
    fixture_done(&f);
}

TESTS(TEST_CASE(what_no_worker_has_seen_is_freed_without_a_look_into_its_pool),
      TEST_CASE(worker_that_lets_go_closes_idle_connections_to_targets_that_nobody_names))
