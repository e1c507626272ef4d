#include "config/entities.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 16 * 1024, ALIGNMENT = 16 };

/* Strings are many and small and die together, so they are cut from blocks. */
struct config_block {
    struct config_block *next;
    size_t used, size; /* bytes of data */
    _Alignas(ALIGNMENT) char data[];
};

struct config *config_create(void)
{
    struct config *config = calloc(1, sizeof(*config));

    if (config)
        memset(config->hash, '0', sizeof(config->hash) - 1);
    return config;
}

void *config_alloc(struct config *config, size_t bytes)
{
    struct config_block *block = config->blocks;
    size_t rounded = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    void *memory;

    if (rounded < bytes)
        return NULL;
    if (!block || block->size - block->used < rounded) {
        size_t size = rounded > BLOCK_BYTES ? rounded : BLOCK_BYTES;
        if (size > SIZE_MAX - sizeof(*block))
            return NULL;
        block = calloc(1, sizeof(*block) + size);
        if (!block)
            return NULL;
        block->size = size;
        block->next = config->blocks;
        config->blocks = block;
    }
    memory = block->data + block->used;
    block->used += rounded;
    return memory;
}

char *config_copy_text(struct config *config, const char *text, size_t length)
{
    char *copy = config_alloc(config, length + 1);

    if (copy && length > 0)
        memcpy(copy, text, length);
    return copy;
}

struct config *config_share(struct config *config)
{
    atomic_fetch_add_explicit(&config->sharers_count, 1, memory_order_relaxed);
    return config;
}

void config_free(struct config *config)
{
    if (!config || atomic_fetch_sub_explicit(&config->sharers_count, 1, memory_order_acq_rel) > 0)
        return;
    for (size_t i = 0; i < config->lenders_count; i++)
        config_free(config->lenders[i]);
    while (config->blocks) {
        struct config_block *block = config->blocks;
        config->blocks = block->next;
        free(block);
    }
    json_decref(config->entities);
    free(config->services);
    free(config->routes);
    free(config->upstreams);
    free(config->certificates);
    free(config->ca_certificates);
    free(config->mtls);
    free(config);
}
