/*
 * balancer_fixture: many targets, and a policy that picks from them.
 *
 * Role    what the tests of all policies need
 * Owns    targets, table and ring
 * Thread  a test
 */
#ifndef TESTS_UNIT_LB_BALANCER_FIXTURE_H
#define TESTS_UNIT_LB_BALANCER_FIXTURE_H

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lb/balancer_priv.h"
#include "lb/hash_ring.h"
#include "lb/target_latency.h"
#include "lb/weighted_draw.h"
#include "tests/check.h"

struct many {
    struct target *records;
    struct upstream_target *items;
    size_t count;
    struct weighted_draw *draw;
    struct hash_ring *ring;
};

/* Targets 10.0.0.0:80, 10.0.0.1:80 … that weigh weights[i % weights_count]. */
static inline struct many many_create(size_t count, const uint32_t *weights, size_t weights_count)
{
    struct many many = { .count = count };

    many.records = aligned_alloc(TARGET_ALIGN, count * sizeof(*many.records));
    many.items = calloc(count, sizeof(*many.items));
    CHECK(many.records && many.items);
    memset(many.records, 0, count * sizeof(*many.records));
    for (size_t i = 0; i < count; i++) {
        struct sockaddr_in *address = (struct sockaddr_in *)&many.records[i].address;
        char name[32];

        address->sin_family = AF_INET;
        address->sin_port = htons(80);
        address->sin_addr.s_addr = htonl((uint32_t)(0x0a000000 + i));
        (void)snprintf(name, sizeof(name), "10.%zu.%zu.%zu:80", i >> 16, i >> 8 & 255, i & 255);
        many.records[i].name = strdup(name);
        many.items[i] = (struct upstream_target){ .target = &many.records[i],
                                                  .weight = weights[i % weights_count] };
    }
    many.draw = weighted_draw_create(many.items, count);
    many.ring = hash_ring_create(many.items, count, 10000);
    CHECK(many.draw && many.ring);
    return many;
}

static inline void many_done(struct many *many)
{
    for (size_t i = 0; i < many->count; i++)
        free(many->records[i].name);
    free(many->records);
    free(many->items);
    weighted_draw_free(many->draw);
    hash_ring_free(many->ring);
}

static inline struct balancer *many_balancer(const struct many *many, const char *algorithm,
                                             uint64_t seed)
{
    struct balancer *balancer =
        balancer_find(algorithm)->create(&(struct balancer_options){ .targets = many->items,
                                                                     .count = many->count,
                                                                     .draw = many->draw,
                                                                     .ring = many->ring,
                                                                     .seed = seed });

    CHECK(balancer);
    return balancer;
}

static inline int many_pick(const struct many *many, struct balancer *balancer,
                            const struct balancer_request *request)
{
    static const struct balancer_request first_try;

    return balancer_pick(balancer, many->items, many->count, request ? request : &first_try);
}

/* How often each of the targets is picked; the caller frees it. */
static inline unsigned *many_hits(const struct many *many, struct balancer *balancer,
                                  unsigned picks)
{
    unsigned *hits = calloc(many->count, sizeof(*hits));

    CHECK(hits);
    for (unsigned i = 0; i < picks; i++) {
        int index = many_pick(many, balancer, NULL);

        CHECK(index >= 0);
        hits[index]++;
    }
    return hits;
}

#endif
