/*
 * dao_priv: what the parts of the dao share: tables, rows, changes.
 *
 * Role    one table per entity of the model with its rows and indexes; the changes since dao_begin
 * Owns    a table its linked rows; the list of changes those that are not linked any more
 * Thread  one
 *
 * A row never changes: an update links a new one in place of the old.
 */
#ifndef CONFIG_DAO_PRIV_H
#define CONFIG_DAO_PRIV_H

#include <string.h>

#include "config/dao/dao.h"
#include "config/dao/dao_index_priv.h"
#include "config/entity_id.h"

/* In a stored row beside its entity's fields: Unix time in seconds when it vanishes. */
#define DAO_EXPIRES_AT "x_expires_at"

/* What the indexes of a table are ordered by. Of those before DAO_INDEX_REFERENCE a key is there once. */
enum dao_index_kind {
    DAO_INDEX_ID,
    DAO_INDEX_UNIQUE,    /* a field; rows without it are not in */
    DAO_INDEX_COMPOSITE, /* the entity's cache_key; null is a value like others */
    DAO_INDEX_REFERENCE, /* id of the other entity, then of the row */
    DAO_INDEX_TAG,       /* each tag, then id */
    DAO_INDEX_EXPIRY,    /* when it vanishes, then id; only rows with a time to live */
    DAO_INDEX_MATCH,     /* what a route matches, then id */
};

struct dao_field_index {
    enum dao_index_kind kind;
    const struct model_field *field; /* of DAO_INDEX_UNIQUE, _REFERENCE, _TAG */
    struct dao_table *table;
    struct dao_index index;
};

struct dao_table {
    const struct model_entity *entity;
    struct dao_field_index *indexes; /* [0] is the one by id */
    size_t indexes_count;
    struct dao_field_index **referring; /* indexes of all tables that refer to this one */
    size_t referring_count;
    json_t *
        exported; /* all rows as dao_export gives them; NULL: not asked for since the last change */
};

/* All tables, in the model's order: replaced as a whole when everything is loaded again. */
struct dao_tables {
    struct dao_table *items;
    size_t count;
    json_t *hopgate; /* the declarative document's own settings; NULL: none */
    char hash[DAO_HASH_BYTES + 1];
};

struct dao_link {
    struct dao_field_index *index;
    struct dao_node *node;
};

struct dao_row {
    json_t *value;         /* every field that is stored, unset ones as null; never changed */
    json_t *exported;      /* as dao_export gives it; NULL: not asked for yet, or it is `value` */
    const char *id;        /* in value */
    uint64_t expires_at_s; /* Unix time; 0: never */
    struct dao_table *table;
    struct dao_link *links;
    size_t links_count;
};

/* Of an entity that was made, before is NULL; of one that was deleted, after. */
struct dao_row_change {
    struct dao_row *before, *after;
};

struct dao {
    const struct model *model;
    struct store *store; /* or NULL */
    struct dao_tables tables;
    struct dao_tables
        replaced; /* by dao_replace_all since dao_begin, before all changes; or empty */
    struct dao_row_change *changes;
    size_t changes_count, changes_capacity;
    unsigned long long generation;
    uint64_t (*now_ms)(void); /* Unix time */
    bool is_read_only, is_begun;
    bool is_behind; /* the store has what could not be loaded: nothing is begun on top of it */
};

/* ---- dao_table.c ---- */

int dao_tables_init(struct dao_tables *tables, const struct model *model);
void dao_tables_done(struct dao_tables *tables); /* with the rows that are linked */
struct dao_table *dao_table_of(const struct dao *dao, const struct model_entity *entity);
struct dao_table *dao_table_named(const struct dao_tables *tables, const char *entity_name);
struct dao_field_index *dao_table_index(const struct dao_table *table, enum dao_index_kind kind,
                                        const char *field_name); /* NULL: the first; or none */

/* ---- dao_row.c ---- */

/* Takes a reference of value. NULL: no memory. Not linked yet. */
struct dao_row *dao_row_create(struct dao_table *table, json_t *value, uint64_t expires_at_s);
void dao_row_free(struct dao_row *row); /* accepts NULL; it must not be linked */

/* False: a key that may be there only once is; *ret_taken says in which index. Nothing is linked
 * then. */
bool dao_row_link(struct dao_row *row, struct dao_field_index **ret_taken);
void dao_row_unlink(struct dao_row *row);

/* NULL: not there. */
struct dao_row *dao_row_by_id(const struct dao_table *table, const char *id);
struct dao_row *dao_row_by_unique(const struct dao_table *table, const char *field,
                                  const char *value);

/* Bytes of an index's key, collected; zeroed to begin with; done frees. */
struct dao_key {
    char *bytes;
    size_t length, capacity;
};
int dao_key_add(struct dao_key *key, const void *bytes, size_t length); /* 0 or -ENOMEM */
int dao_key_add_text(struct dao_key *key, const char *text);            /* with its NUL */
int dao_key_add_value(struct dao_key *key, const json_t *value);        /* null is not "" */
void dao_key_done(struct dao_key *key);

/* What a reader gets of a row: with ttl, with certificates' snis. A new reference; NULL: no memory. */
json_t *dao_row_json(const struct dao *dao, const struct dao_row *row);

static inline bool dao_row_is_gone(const struct dao *dao, const struct dao_row *row)
{
    return row->expires_at_s != 0 && row->expires_at_s <= dao->now_ms() / 1000;
}

/* ---- dao_match.c ---- */

/* Equal for two routes exactly when the same requests match both. 0 or -ENOMEM. */
int dao_match_add(struct dao_key *key, const json_t *route);

/* ---- dao_transaction.c ---- */

static inline bool dao_was_replaced(const struct dao *dao)
{
    return dao->replaced.items != NULL;
}

/* One row in place of another; either may be NULL. Takes after: on failure it is freed. 0; -EEXIST with
 * *ret_taken; -ENOMEM. */
int dao_change(struct dao *dao, struct dao_row *before, struct dao_row *after,
               struct dao_field_index **ret_taken);

/* ---- dao_write.c ---- */

/* What dao_change could not put because of that index. -EINVAL or -ENOMEM. */
int dao_fail_taken(const struct dao_field_index *taken, json_t *value, struct kong_error *error);

/* ---- dao_reference.c ---- */

/* A copy of the input with the ids of what it refers to, in lower case. 0, -EINVAL, -ENOMEM. */
int dao_resolve(const struct dao *dao, const struct model_entity *entity, const json_t *input,
                json_t **ret, struct kong_error *error);
/* Whether all that `value` refers to is there. 0 or -EINVAL. */
int dao_check_references(const struct dao_tables *tables, const struct model_entity *entity,
                         const json_t *value, struct kong_error *error);
/* Deletes what goes with the row, refuses when something must not. 0, -EINVAL, -ENOMEM. */
int dao_delete_row(struct dao *dao, struct dao_row *row, struct kong_error *error);

/* ---- dao_special.c ---- */

/* What an input says beside what is stored of the entity. */
struct dao_extra {
    json_t *snis; /* sorted names; NULL: not said */
    bool says_ttl;
};

/* id: of the row that is written, or NULL when it is new; replaces: what is not said is taken away. 0,
 * -EINVAL, -ENOMEM. */
int dao_read_extra(const struct dao *dao, const struct model_entity *entity, const json_t *input,
                   const char *id, bool replaces, struct dao_extra *ret, struct kong_error *error);
/* Removes from what the model made of it what is not stored; the time to live in seconds, 0: for ever. */
uint64_t dao_take_extra(const struct model_entity *entity, json_t *value);
void dao_extra_done(struct dao_extra *extra);

/* After the model: what concerns more than one entity and is no reference. has_protocols: the request
 * says them, or it is an update. 0 or -EINVAL. */
int dao_check_protocols(const struct dao *dao, const struct model_entity *entity,
                        const json_t *value, bool has_protocols, struct kong_error *error);

/* Makes the certificate's rows of snis those of the list. 0, -EINVAL, -ENOMEM. */
int dao_set_snis(struct dao *dao, const char *certificate_id, const json_t *names,
                 struct kong_error *error);

/* May it go, as far as lists of ids say? (Kong's ca_certificates in services and plugins.) */
int dao_check_listed(const struct dao *dao, const struct dao_row *row, struct kong_error *error);

/* jansson's own copies leave out, without a word, the members for which there is no memory. The members
 * are shared. NULL: no memory. */
static inline json_t *dao_copy(const json_t *object)
{
    json_t *copy = json_copy((json_t *)object); /* changes nothing but counts of references */

    if (copy && json_object_size(copy) == json_object_size(object))
        return copy;
    json_decref(copy);
    return NULL;
}

/* ---- dao.c ---- */

/* Can it stand in a path? 0; -EINVAL with KONG_INVALID_*; -ENOMEM. */
int dao_check_key(const struct model_entity *entity, const char *key, struct kong_error *error);
void dao_lower_id(const char *id, char ret[UUID_TEXT_BYTES + 1]);

/* Compares with Kong's schema names. */
static inline bool dao_entity_is(const struct model_entity *entity, const char *name)
{
    return strcmp(entity->name, name) == 0;
}

/* -ENOMEM, or -EINVAL with the store's words. */
int dao_store_failed(struct dao *dao, int r, struct kong_error *error);

#endif
