/*
 * declarative_priv: what the two halves of the loader share: first everything is read, then linked.
 *
 * Role    the entities as they were found, and what each of them refers to by name
 * Owns    the lists until they are handed to the configuration
 * Thread  one
 */
#ifndef CONFIG_DECLARATIVE_PRIV_H
#define CONFIG_DECLARATIVE_PRIV_H

#include <jansson.h>

#include "config/document.h"
#include "config/entities.h"
#include "config/schema.h"

enum entity_kind {
    ENTITY_SERVICE,
    ENTITY_ROUTE,
    ENTITY_UPSTREAM,
    ENTITY_TARGET,
    ENTITY_CERTIFICATE,
    ENTITY_SNI,
    ENTITY_CA_CERTIFICATE,
    ENTITY_KIND_COUNT,
};

extern const char *const entity_kind_names[ENTITY_KIND_COUNT]; /* Kong's schema names */

struct entity_list {
    void *items;
    size_t count, capacity, item_size;
    json_t *by_id, *by_name; /* id or name -> index */
};

struct loaded_sni {
    char *name; /* NULL when it was wrong */
};

/* "entity `from` of kind from_kind points to `key`", where key is an id or a name. */
struct reference {
    enum entity_kind from_kind, to_kind;
    size_t from, to; /* to: index in the other list once resolved, else NO_ENTITY */
    const char *key; /* or NULL: the nesting already said it */
    const char *field;
    struct config_place place;
};

#define NO_ENTITY SIZE_MAX

struct loader {
    struct document *document;
    struct config *config;
    struct config_errors *errors;
    struct schema_reader reader;
    struct entity_list lists[ENTITY_KIND_COUNT];
    struct reference *references;
    size_t references_count, references_capacity;
};

static inline void *loader_entity(const struct loader *loader, enum entity_kind kind, size_t index)
{
    return (char *)loader->lists[kind].items + index * loader->lists[kind].item_size;
}

/* Resolves references, fills in pointers, hands the lists to the configuration, warns. */
int declarative_link(struct loader *loader);

#endif
