#include "proxy/gateway/asked_names.h"

#include <strings.h>

#include "lb/resolver.h"

void asked_names_drop(struct asked_names *names, struct resolver *resolver, uint64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < names->count; i++)
        if (names->items[i].until_ms <= now_ms)
            resolver_unwatch(resolver, names->items[i].name);
        else
            names->items[kept++] = names->items[i];
    names->count = kept;
}

const struct name_record *asked_names_get(struct asked_names *names, struct resolver *resolver,
                                          const char *host, uint64_t now_ms)
{
    size_t at = 0;

    while (at < names->count && strcasecmp(watched_name_text(names->items[at].name), host) != 0)
        at++;
    if (at == ASKED_NAMES_MAX)
        return NULL;
    if (at == names->count) {
        names->items[at].name = resolver_watch(resolver, host);
        if (!names->items[at].name)
            return NULL;
        names->count++;
    }
    names->items[at].until_ms = now_ms + ASKED_NAMES_KEEP_MS;
    return watched_name_record(names->items[at].name);
}
