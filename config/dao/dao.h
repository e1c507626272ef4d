/*
 * dao: Kong's operations on entities (kong/db/dao, kong/db/strategies).
 *
 * Role    insert, update, upsert, delete, select and page with everything that concerns more than one
 *         row: unique fields, combinations, references, what goes with what is deleted, tags, times
 *         to live
 * Owns    all entities, in memory, with indexes by id, by unique fields, by reference and by tag; the
 *         store is written within the same transaction
 * Thread  one (the config thread)
 *
 * A change is made between dao_begin and dao_commit; several requests may share one transaction, each
 * in its own step (dao_step, dao_undo_step): what a refused one has done is undone alone. What was
 * changed since dao_begin can be listed for the log. Without a store (database = off) the same
 * functions serve the declarative file's entities, and changes are refused as Kong does.
 */
#ifndef CONFIG_DAO_H
#define CONFIG_DAO_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/model/kong_error.h"
#include "config/model/model.h"
#include "config/store/store.h"
#include "core/cleanup.h"

struct dao;

/* store may be NULL: memory only (it is_read_only then unless a test says otherwise). Borrows both. */
int dao_create(const struct model *model, struct store *store, struct dao **ret);
void dao_free(struct dao *dao);
DEFINE_SCOPED(dao);

/* Everything again from the store. 0, or a negative errno with the reason in errors: a row that this
 * version cannot read is named and refused, never dropped. */
int dao_load(struct dao *dao, struct config_errors *errors);

/* Everything at once from entities with ids and resolved references ({"services": [...]}), as a
 * declarative file gives them. Takes nothing. Within a transaction it can be undone as any step, and must be
 * the first change of it. 0; -EINVAL: an entity without id, or twice, or that refers to nothing; -EBUSY:
 * there are changes already; -ENOMEM. */
int dao_replace_all(struct dao *dao, const json_t *entities);

/* Beside entities dao_replace_all keeps "hopgate", the document's own settings, which are exported again,
 * and "_hash" of the text that it came from: 32 hex digits, all 0 when there was none. */
enum { DAO_HASH_BYTES = 32 };
const char *dao_hash(const struct dao *dao);

void dao_set_read_only(struct dao *dao, bool is_read_only); /* database = off */
bool dao_is_read_only(const struct dao *dao);
const struct model *dao_model(const struct dao *dao);

void dao_set_clock(struct dao *dao, uint64_t (*now_ms)(void)); /* for tests; Unix time */

/* ---- transactions ---- */

int dao_begin(struct dao *dao, struct kong_error *error); /* also takes in what others wrote */
size_t dao_step(struct dao *dao);
void dao_undo_step(struct dao *dao, size_t step);
int dao_commit(struct dao *dao, struct kong_error *error); /* -EINVAL: all is as before dao_begin */
void dao_rollback(struct dao *dao);
bool dao_has_changes(const struct dao *dao); /* since dao_begin */

/* In the order in which they were made; before or after is NULL for what was made or deleted. */
struct dao_change {
    const struct model_entity *entity;
    const char *id;
    const json_t *before, *after;
};
size_t dao_changes_count(const struct dao *dao);
struct dao_change dao_change_at(const struct dao *dao, size_t index);

/* ---- one entity; *ret is a new reference to a value that must not be changed ---- */

/* As it stands in a path or a reference: an id, or the endpoint key (or, for the dao's own use,
 * any unique field). NULL: not there. -EINVAL with KONG_INVALID_* when it cannot be one. */
int dao_find(const struct dao *dao, const struct model_entity *entity, const char *key,
             json_t **ret, struct kong_error *error);
/* The same of those below a parent, whose reference `field` is parent_id: an id, or what is unique
 * there (targets: host:port as stored; acls: the group). */
int dao_find_below(const struct dao *dao, const struct model_entity *entity, const char *field,
                   const char *parent_id, const char *key, json_t **ret, struct kong_error *error);
json_t *dao_by_id(const struct dao *dao, const struct model_entity *entity, const char *id);
json_t *dao_by_unique(const struct dao *dao, const struct model_entity *entity, const char *field,
                      const char *value);

enum dao_operation { DAO_CREATE, DAO_UPDATE, DAO_UPSERT, DAO_REMOVE };

/* Kong's refusal when nothing may be written; the functions below ask it themselves, an endpoint before
 * it has looked anything up. */
int dao_check_writable(const struct dao *dao, const struct model_entity *entity,
                       enum dao_operation operation, bool by_endpoint_key,
                       struct kong_error *error);

/* References in input are resolved ({"name": ...} to {"id": ...}); the input is validated
 * (model_process), certificates' snis become rows, and so on. 0, -EINVAL, -ENOMEM. */
int dao_insert(struct dao *dao, const struct model_entity *entity, const json_t *input,
               json_t **ret, struct kong_error *error);
/* id: of an existing row, else KONG_NOT_FOUND. */
int dao_update(struct dao *dao, const struct model_entity *entity, const char *id,
               const json_t *input, json_t **ret, struct kong_error *error);
/* PUT: by id or by endpoint key (then input's own value of that field does not count). */
int dao_upsert(struct dao *dao, const struct model_entity *entity, const char *key,
               const json_t *input, json_t **ret, struct kong_error *error);
/* What is not there is not an error: *ret_was_there. */
int dao_delete(struct dao *dao, const struct model_entity *entity, const char *id,
               bool *ret_was_there, struct kong_error *error);

/* Entities as dao_replace_all takes them, each in the place of the one that has its id, or beside the others;
 * nothing is deleted. They are valid already (flattened_entities). 0; -EINVAL, then nothing has changed;
 * -ENOMEM. */
int dao_import(struct dao *dao, const json_t *entities, struct kong_error *error);

/* Another route that the same requests match and that leads to another service; NULL: none. route:
 * as dao_insert returned it. A new reference. */
json_t *dao_find_duplicate_route(const struct dao *dao, const json_t *route);

/* ---- many ---- */

struct dao_page_request {
    const struct model_entity *entity;
    const char *size, *offset; /* as in the query; NULL: not there */
    bool has_tags;
    const char *tags;  /* as in the query: "a,b" or "a/b"; NULL with has_tags: no value */
    bool newest_first; /* by created_at, and the offset is a number: targets of an upstream */
    const char *foreign_field; /* only those whose reference `foreign_field` is */
    const char *foreign_id;    /* this; NULL: all. Of those below a parent tags choose nothing, but
                                * what is wrong with them is told, as Kong does */
};

/* A page with more has fewer rows than were asked for, one at least, and says where the next one begins:
 * `size` is the most that a client wants. */
enum { DAO_PAGE_BYTES_MAX = 16 * 1024 * 1024 };

struct dao_page {
    json_t *data; /* array */
    char *offset; /* of the next page; NULL: this is the last */
};

int dao_page(const struct dao *dao, const struct dao_page_request *request, struct dao_page *ret,
             struct kong_error *error);
void dao_page_done(struct dao_page *page);

/* [{"tag", "entity_name", "entity_id"}], of one tag or all. */
json_t *dao_tags(const struct dao *dao, const char *tag);

/* The texts that entities have in a field, each once: ["cors", "key-auth"]. */
json_t *dao_distinct(const struct dao *dao, const struct model_entity *entity, const char *field);

/* All entities as one declarative document: {"_format_version": "3.0", "services": [...]} with
 * references as ids; what a configuration is built from (config_load_entities) and what dumps and
 * GET /config print. A new reference; its lists must not be changed: that of a kind without a change
 * since the last export is the same again, and so is each entity in the others. */
json_t *dao_export(const struct dao *dao);

/* How often it has changed; a configuration built at the same count says the same. */
unsigned long long dao_generation(const struct dao *dao);

#endif
