#include "core/ring_buffers_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/poison.h"

static void *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static void give_to_kernel(struct ring_buffers *buffers, struct chunk *chunk)
{
    poison(chunk->data, chunk->capacity);
    io_uring_buf_ring_add(buffers->shared, chunk->data, chunk->capacity, (unsigned short)chunk->tag,
                          io_uring_buf_ring_mask(buffers->count), (int)buffers->added);
    buffers->added++;
    buffers->free_count++;
}

static void on_home(struct chunk_home *home, struct chunk *chunk)
{
    give_to_kernel((struct ring_buffers *)home, chunk);
}

int ring_buffers_init(struct ring_buffers *buffers, struct io_uring *io, uint32_t count,
                      uint32_t buffer_bytes)
{
    struct io_uring_buf_reg registration;
    int r;

    buffers->home.recycle = on_home;
    buffers->count = count;
    buffers->buffer_bytes = buffer_bytes;
    buffers->shared_bytes = count * sizeof(struct io_uring_buf);
    buffers->memory_bytes = (size_t)count * buffer_bytes;
    buffers->shared = map(buffers->shared_bytes);
    buffers->memory = map(buffers->memory_bytes);
    buffers->chunks = calloc(count, sizeof(*buffers->chunks));
    if (!buffers->shared || !buffers->memory || !buffers->chunks)
        return -ENOMEM;
    io_uring_buf_ring_init(buffers->shared);
    memset(&registration, 0, sizeof(registration));
    registration.ring_addr = (uintptr_t)buffers->shared;
    registration.ring_entries = count;
    registration.bgid = buffers->group_id;
    r = io_uring_register_buf_ring(io, &registration, 0);
    if (r < 0)
        return r;
    for (uint32_t id = 0; id < count; id++) {
        buffers->chunks[id] = (struct chunk){ .data = buffers->memory + (size_t)id * buffer_bytes,
                                              .capacity = buffer_bytes,
                                              .tag = buffers->first_id + id,
                                              .home = &buffers->home };
        give_to_kernel(buffers, &buffers->chunks[id]);
    }
    ring_buffers_publish(buffers);
    return 0;
}

void ring_buffers_done(struct ring_buffers *buffers, struct io_uring *io)
{
    if (!buffers->count)
        return;
    for (uint32_t id = 0; buffers->chunks && id < buffers->count; id++)
        assert(buffers->chunks[id].refs == 0 && "a receive buffer outlives its ring");
    (void)io_uring_unregister_buf_ring(io, buffers->group_id); /* the ring goes away right after */
    if (buffers->memory) {
        unpoison(buffers->memory, buffers->memory_bytes);
        munmap(buffers->memory, buffers->memory_bytes);
    }
    if (buffers->shared)
        munmap(buffers->shared, buffers->shared_bytes);
    free(buffers->chunks);
    *buffers = (struct ring_buffers){ 0 };
}

struct chunk *ring_buffers_take(struct ring_buffers *buffers, uint16_t id, uint32_t length)
{
    struct chunk *chunk;

    assert(ring_buffers_has_id(buffers, id));
    chunk = &buffers->chunks[id - buffers->first_id];
    assert(chunk->refs == 0 && "kernel named a buffer that it does not have");
    assert(length <= buffers->buffer_bytes);
    unpoison(chunk->data, chunk->capacity);
    chunk->refs = 1;
    chunk->used = length;
    buffers->free_count--;
    return chunk;
}

void ring_buffers_publish(struct ring_buffers *buffers)
{
    if (buffers->added == 0)
        return;
    io_uring_buf_ring_advance(buffers->shared, (int)buffers->added);
    buffers->added = 0;
}
