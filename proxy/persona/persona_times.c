#include "proxy/persona/persona_times.h"

#include <errno.h>
#include <string.h>

#include "core/time_scale.h"
#include "proxy/persona/persona_priv.h"

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), wanted = strlen(end);

    return length >= wanted && strcmp(name + length - wanted, end) == 0;
}

/* On a busy machine a client of the lab is no slow client. */
static bool waits_for_work(const char *name)
{
    return strcmp(name, "tls_handshake_timeout_ms") == 0 || strcmp(name, "tls_timeout_ms") == 0 ||
           strcmp(name, "head_timeout_ms") == 0;
}

static void scale_keys(const struct persona_schema *schema, void *from, uint32_t scale)
{
    for (const struct persona_key *key = schema->keys; key->name; key++) {
        void *member = (char *)from + key->offset;
        uint64_t *number = member;

        if (key->kind == PERSONA_KIND_OBJECT)
            scale_keys(key->schema, member, scale);
        else if (key->kind == PERSONA_KIND_NUMBER && waits_for_work(key->name))
            *number = time_scale_divide_work(*number, scale);
        else if (key->kind == PERSONA_KIND_NUMBER && ends_with(key->name, "_ms"))
            *number = time_scale_divide(*number, scale);
        else if (key->kind == PERSONA_KIND_NUMBER && ends_with(key->name, "_per_s"))
            *number *= scale;
    }
}

int persona_times_scale(struct persona *persona, uint32_t scale)
{
    struct persona *stated;

    if (scale <= 1)
        return 0;
    stated = persona_allocate(persona, sizeof(*stated));
    if (!stated)
        return -ENOMEM;
    *stated = *persona;
    persona->stated = stated;
    persona->time_scale = scale;
    scale_keys(&persona_schema, persona, scale);
    return 0;
}
