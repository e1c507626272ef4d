#include "tools/wire/byte_queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 1024 };

static int grow(struct byte_queue *queue, size_t needed)
{
    size_t capacity = queue->capacity ? queue->capacity : CAPACITY_MIN;
    size_t to_end = queue->capacity - queue->first;
    char *bytes;

    while (capacity < needed)
        capacity *= 2;
    bytes = malloc(capacity);
    if (!bytes)
        return -ENOMEM;
    if (queue->length <= to_end) {
        if (queue->length > 0)
            memcpy(bytes, queue->bytes + queue->first, queue->length);
    } else {
        memcpy(bytes, queue->bytes + queue->first, to_end);
        memcpy(bytes + to_end, queue->bytes, queue->length - to_end);
    }
    free(queue->bytes);
    queue->bytes = bytes;
    queue->capacity = capacity;
    queue->first = 0;
    return 0;
}

int byte_queue_push(struct byte_queue *queue, struct slice bytes)
{
    size_t end, to_end;

    if (bytes.len == 0)
        return 0;
    if (queue->length + bytes.len > queue->capacity && grow(queue, queue->length + bytes.len) < 0)
        return -ENOMEM;
    end = (queue->first + queue->length) % queue->capacity;
    to_end = queue->capacity - end;
    if (to_end > bytes.len)
        to_end = bytes.len;
    memcpy(queue->bytes + end, bytes.ptr, to_end);
    memcpy(queue->bytes, bytes.ptr + to_end, bytes.len - to_end);
    queue->length += bytes.len;
    return 0;
}

struct slice byte_queue_front(const struct byte_queue *queue, size_t max)
{
    size_t to_end = queue->capacity - queue->first;
    size_t length = queue->length < to_end ? queue->length : to_end;

    if (length == 0)
        return (struct slice){ NULL, 0 };
    return (struct slice){ queue->bytes + queue->first, length < max ? length : max };
}

void byte_queue_drop(struct byte_queue *queue, size_t count)
{
    assert(count <= queue->length);
    queue->length -= count;
    if (queue->length == 0)
        byte_queue_done(queue); /* an idle connection holds nothing */
    else
        queue->first = (queue->first + count) % queue->capacity;
}

char *byte_queue_at(struct byte_queue *queue, size_t place)
{
    assert(place < queue->length);
    return queue->bytes + (queue->first + place) % queue->capacity;
}

void byte_queue_done(struct byte_queue *queue)
{
    free(queue->bytes);
    *queue = (struct byte_queue){ 0 };
}
