/*
 * declarative_priv: what the parts of the loader share: first everything is read, then linked.
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
#include "config/extras.h"
#include "config/schema.h"

enum entity_kind {
    ENTITY_SERVICE,
    ENTITY_ROUTE,
    ENTITY_UPSTREAM,
    ENTITY_TARGET,
    ENTITY_CERTIFICATE,
    ENTITY_SNI,
    ENTITY_CA_CERTIFICATE,
    ENTITY_MTLS, /* not Kong's: an entry of hopgate.mtls */
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
    bool reads_extras;            /* the document is that of extras.h: see declarative_extras.c */
    bool has_no_entities;         /* it is only checked, whatever the store has */
    struct config_service nobody; /* stand for those that it names and the store does not have */
    struct config_upstream nothing;
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

/* ---- declarative_loader.c: what every reader of an entity needs ---- */

#define FAIL(loader, node, ...) \
    document_add_error(node, DOCUMENT_AT_VALUE, (loader)->errors, CONFIG_ERROR, __VA_ARGS__)

/* What does not fit the entities is a mistake in a file, and a remark beside a store, where they come
 * and go: the entry is not in force then. */
#define MISFIT(loader, node, ...)                                                      \
    do {                                                                               \
        if (!(loader)->has_no_entities)                                                \
            document_add_error(node, DOCUMENT_AT_VALUE, (loader)->errors,              \
                               (loader)->reads_extras ? CONFIG_WARNING : CONFIG_ERROR, \
                               __VA_ARGS__);                                           \
    } while (0)

/* parent: index of the entity that it is nested in, or NO_ENTITY. 0 or -ENOMEM. */
typedef int read_entity(struct loader *loader, const struct document_node *node, size_t parent);

/* Room for one more, zeroed; NULL: no memory. The pointer is good until the next one is added. */
void *loader_add(struct loader *loader, enum entity_kind kind);

/* Where the entity stands, copied into its own fields. 0 or -ENOMEM, as all below. */
int loader_set_place(struct loader *loader, const struct document_node *node, const char **path,
                     unsigned *line, unsigned *column);

/* id or name must be new in its list; `member` is the field's name. */
int loader_register_key(struct loader *loader, enum entity_kind kind, json_t *keys,
                        const struct document_node *node, const char *member, const char *key);

/* Its id, made up when it has none, and its name. */
int loader_register(struct loader *loader, enum entity_kind kind, const struct document_node *node,
                    const char *name, char **id, const char *path);

/* The latest entity of from_kind points to what stands at `node`. */
int loader_refer_to(struct loader *loader, enum entity_kind from_kind, enum entity_kind to_kind,
                    const struct document_node *node);

/* The parent of a nested entity (config/flatten looks at what is written there), or what its own field says. */
int loader_refer_to_parent(struct loader *loader, enum entity_kind kind,
                           enum entity_kind parent_kind, const struct document_node *node,
                           const char *field, size_t parent);

/* Reads each item of the list in that field, if there is one. */
int loader_read_list(struct loader *loader, const struct document_node *parent_node,
                     const char *field, read_entity *read, size_t parent);

/* Neither missing, nor null, nor an empty list. */
bool loader_has_items(const struct document_node *node, const char *field);

/* ---- declarative_certificates.c ---- */

read_entity declarative_read_sni, declarative_read_certificate, declarative_read_ca_certificate,
    declarative_read_mtls;

/* ---- declarative_route.c ---- */

read_entity declarative_read_route;

/* ---- the parts of the whole ---- */

/* The `hopgate:` object; services and upstreams are in the configuration already. 0 or -ENOMEM. */
int declarative_read_hopgate(struct loader *loader);

/* Index by name or id of an entity that is linked already; NO_ENTITY: there is none, which is told at
 * `node`. */
size_t declarative_find_entity(struct loader *loader, const struct document_node *node,
                               enum entity_kind kind, const char *key);

/* declarative_fields.c: hopgate.fields. declarative_forwarded.c: the policies of one entry. 0 or
 * -ENOMEM. */
int declarative_read_fields(struct loader *loader, const struct document_node *hopgate);
int declarative_read_forwarded(struct loader *loader, const struct document_node *node,
                               struct config_field_rules *rules);

/* Checks how an upstream hashes and fills in hash_inputs and algorithm. 0 or -ENOMEM. */
int declarative_finish_upstream(struct loader *loader, const struct document_node *node,
                                struct config_upstream *upstream);

/* declarative_health.c: of an upstream's healthchecks what is more than the single field; and its
 * entry in hopgate.health. 0 or -ENOMEM. */
int declarative_finish_healthchecks(struct loader *loader, const struct document_node *node,
                                    struct config_upstream *upstream);
int declarative_read_health(struct loader *loader, const struct document_node *node,
                            struct config_upstream *upstream);

/* declarative_balancing.c: an upstream's entry in hopgate.balancing. 0 or -ENOMEM. */
int declarative_read_balancing(struct loader *loader, const struct document_node *node,
                               struct config_upstream *upstream);

/* target->target becomes "host:port" with Kong's default port and IPv6 groups written out, as Kong
 * stores it; fills in host and port. 0 or -ENOMEM. */
int declarative_normalise_target(struct loader *loader, struct config_target *target);

/* Resolves references, fills in pointers, hands the lists to the configuration, warns. */
int declarative_link(struct loader *loader);

#endif
