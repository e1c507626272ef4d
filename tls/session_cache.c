#include "tls/session_cache_priv.h"

#include <stdlib.h>
#include <string.h>

struct cached_session {
    char *key; /* NULL: the entry is free */
    SSL_SESSION *session;
    uint64_t used_at; /* the cache's own clock: one tick per use */
};

/* A plain scan: it runs once per new upstream connection, beside a handshake. */
struct tls_session_cache {
    uint64_t clock;
    size_t count;
    struct cached_session entries[];
};

struct tls_session_cache *tls_session_cache_create(size_t entries_max)
{
    struct tls_session_cache *cache =
        calloc(1, sizeof(*cache) + entries_max * sizeof(cache->entries[0]));

    if (cache)
        cache->count = entries_max;
    return cache;
}

static void entry_clear(struct cached_session *entry)
{
    free(entry->key);
    SSL_SESSION_free(entry->session);
    *entry = (struct cached_session){ 0 };
}

void tls_session_cache_free(struct tls_session_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->count; i++)
        entry_clear(&cache->entries[i]);
    free(cache);
}

static struct cached_session *entry_find(struct tls_session_cache *cache, const char *key)
{
    for (size_t i = 0; i < cache->count; i++)
        if (cache->entries[i].key && strcmp(cache->entries[i].key, key) == 0)
            return &cache->entries[i];
    return NULL;
}

/* A free entry has used_at 0 and so is always the oldest. */
static struct cached_session *entry_oldest(struct tls_session_cache *cache)
{
    struct cached_session *oldest = NULL;

    for (size_t i = 0; i < cache->count; i++)
        if (!oldest || cache->entries[i].used_at < oldest->used_at)
            oldest = &cache->entries[i];
    return oldest;
}

void tls_session_cache_put(struct tls_session_cache *cache, const char *key, SSL_SESSION *session)
{
    struct cached_session *entry = entry_find(cache, key);

    if (!entry) {
        char *copy = strdup(key);

        entry = entry_oldest(cache);
        if (!copy || !entry) {
            free(copy);
            SSL_SESSION_free(session);
            return;
        }
        entry_clear(entry);
        entry->key = copy;
    }
    SSL_SESSION_free(entry->session);
    entry->session = session;
    entry->used_at = ++cache->clock;
}

SSL_SESSION *tls_session_cache_get(struct tls_session_cache *cache, const char *key)
{
    struct cached_session *entry = entry_find(cache, key);

    if (!entry)
        return NULL;
    entry->used_at = ++cache->clock;
    return entry->session;
}

void tls_session_cache_forget(struct tls_session_cache *cache, const char *key)
{
    struct cached_session *entry = entry_find(cache, key);

    if (entry)
        entry_clear(entry);
}
