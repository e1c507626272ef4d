#include "lb/weighted_draw.h"

#include <stdlib.h>

struct bucket {
    uint64_t keeps; /* of 2^64 numbers that fall into the bucket: those below are its own index's */
    uint32_t alias; /* whose the others are */
};

struct weighted_draw {
    size_t count;
    struct bucket buckets[];
};

/* a / b of 2^64, for a < b */
static uint64_t fraction(uint64_t a, uint64_t b)
{
    return (uint64_t)(((unsigned __int128)a << 64) / b);
}

/*
 * In units of 1/count of the sum of weights each bucket has room for `total` parts, and index i needs
 * weight * count of them. Who needs less than a bucket (`small`) gets it filled up by one who needs
 * more (`large`). One array holds both lists: small ones from the front, large ones from the back.
 */
static void fill(struct weighted_draw *draw, uint64_t *needs, uint64_t total, uint32_t *indexes)
{
    size_t small = 0, large = draw->count;

    for (size_t i = 0; i < draw->count; i++)
        indexes[needs[i] < total ? small++ : --large] = (uint32_t)i;
    while (small > 0 && large < draw->count) {
        uint32_t poor = indexes[--small], rich = indexes[large];

        draw->buckets[poor] = (struct bucket){ fraction(needs[poor], total), rich };
        needs[rich] -= total - needs[poor];
        if (needs[rich] < total) {
            large++;
            indexes[small++] = rich;
        }
    }
}

struct weighted_draw *weighted_draw_create(const struct upstream_target *targets, size_t count)
{
    struct weighted_draw *draw = malloc(sizeof(*draw) + count * sizeof(draw->buckets[0]));
    uint64_t *needs = malloc(count * sizeof(*needs)), total = 0;
    uint32_t *indexes = malloc(count * sizeof(*indexes));

    if (!draw || !needs || !indexes) {
        free(draw);
        draw = NULL;
        goto done;
    }
    draw->count = count;
    for (size_t i = 0; i < count; i++) {
        draw->buckets[i] = (struct bucket){ UINT64_MAX, (uint32_t)i }; /* all its own */
        needs[i] = (uint64_t)targets[i].weight * count;
        total += targets[i].weight;
    }
    fill(draw, needs, total, indexes);
done:
    free(needs);
    free(indexes);
    return draw;
}

void weighted_draw_free(struct weighted_draw *draw)
{
    free(draw);
}

size_t weighted_draw_index(const struct weighted_draw *draw, uint64_t number)
{
    unsigned __int128 place = (unsigned __int128)number * draw->count;
    size_t index = (size_t)(place >> 64);

    return (uint64_t)place < draw->buckets[index].keeps ? index : draw->buckets[index].alias;
}
