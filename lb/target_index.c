#include "lb/target_index.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"

struct target_index {
    const struct upstream_target *targets;
    size_t count;
    uint32_t *by_pointer, *by_address;
};

static int compare_pointers(const struct target *a, const struct target *b)
{
    return (a > b) - (a < b);
}

static int compare_addresses(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    int order = (a->ss_family > b->ss_family) - (a->ss_family < b->ss_family);

    if (order == 0 && a->ss_family == AF_INET)
        order = memcmp(&((const struct sockaddr_in *)a)->sin_addr,
                       &((const struct sockaddr_in *)b)->sin_addr, sizeof(struct in_addr));
    if (order == 0 && a->ss_family == AF_INET6)
        order = memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
                       &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr));
    return order != 0 ? order : (addr_port(a) > addr_port(b)) - (addr_port(a) < addr_port(b));
}

static int sort_by_pointer(const void *left, const void *right, void *targets)
{
    const struct upstream_target *items = targets;

    return compare_pointers(items[*(const uint32_t *)left].target,
                            items[*(const uint32_t *)right].target);
}

static int sort_by_address(const void *left, const void *right, void *targets)
{
    const struct upstream_target *items = targets;

    return compare_addresses(&items[*(const uint32_t *)left].target->address,
                             &items[*(const uint32_t *)right].target->address);
}

struct target_index *target_index_create(const struct upstream_target *targets, size_t count)
{
    struct target_index *index = calloc(1, sizeof(*index));

    if (!index)
        return NULL;
    index->targets = targets;
    index->count = count;
    index->by_pointer = calloc(count + 1, sizeof(uint32_t));
    index->by_address = calloc(count + 1, sizeof(uint32_t));
    if (!index->by_pointer || !index->by_address) {
        target_index_free(index);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        index->by_pointer[i] = index->by_address[i] = (uint32_t)i;
    qsort_r(index->by_pointer, count, sizeof(uint32_t), sort_by_pointer, (void *)targets);
    qsort_r(index->by_address, count, sizeof(uint32_t), sort_by_address, (void *)targets);
    return index;
}

void target_index_free(struct target_index *index)
{
    if (!index)
        return;
    free(index->by_pointer);
    free(index->by_address);
    free(index);
}

int target_index_of(const struct target_index *index, const struct target *target)
{
    size_t low = 0, high = index->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_pointers(index->targets[index->by_pointer[middle]].target, target);

        if (order == 0)
            return (int)index->by_pointer[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -ENOENT;
}

int target_index_at(const struct target_index *index, const struct sockaddr_storage *address)
{
    size_t low = 0, high = index->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order =
            compare_addresses(&index->targets[index->by_address[middle]].target->address, address);

        if (order == 0)
            return (int)index->by_address[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -ENOENT;
}
