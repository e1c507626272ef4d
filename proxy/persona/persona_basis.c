#include "proxy/persona/persona_basis.h"

#include <assert.h>
#include <string.h>

#include "proxy/persona/persona_priv.h"

const char *persona_basis_name(enum persona_basis basis)
{
    switch (basis) {
    case PERSONA_AS_SECTION:
        return "unknown";
    case PERSONA_MEASURED:
        return "measured";
    case PERSONA_DOCUMENTED:
        return "documented";
    case PERSONA_ASSUMED:
        return "assumed";
    }
    return "unknown";
}

static void count_one(struct persona_basis_counts *counts, enum persona_basis basis)
{
    counts->of[basis]++;
}

/* The items of a list say theirs, or have the section's; their basis stands first in each struct. */
static void count_items(const struct persona_key *key, const void *at, enum persona_basis section,
                        struct persona_basis_counts *counts)
{
    struct {
        const char *items;
        size_t count;
    } list;

    memcpy(&list, at, sizeof(list));
    for (size_t i = 0; i < list.count; i++) {
        enum persona_basis own;

        assert(strcmp(key->schema->keys[0].name, "basis") == 0);
        memcpy(&own, list.items + i * key->schema->size + key->schema->keys[0].offset, sizeof(own));
        count_one(counts, own == PERSONA_AS_SECTION ? section : own);
    }
}

static void count_section(const struct persona_schema *schema, const char *section,
                          struct persona_basis_counts *counts)
{
    enum persona_basis basis;

    memcpy(&basis, section + schema->keys[0].offset, sizeof(basis));
    for (const struct persona_key *key = schema->keys + 1; key->name; key++) {
        if (key->kind == PERSONA_KIND_LIST)
            count_items(key, section + key->offset, basis, counts);
        else if (basis != PERSONA_AS_SECTION) /* an optional section may not be there */
            count_one(counts, basis);
    }
}

struct persona_basis_counts persona_count_basis(const struct persona *persona)
{
    struct persona_basis_counts counts = { { 0 } };

    for (const struct persona_key *key = persona_schema.keys; key->name; key++)
        if (key->kind == PERSONA_KIND_OBJECT)
            count_section(key->schema, (const char *)persona + key->offset, &counts);
    return counts;
}
