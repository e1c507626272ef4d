/*
 * dao_transaction: the changes since dao_begin, and how they reach the store or are taken back.
 *
 * Memory changes at once, the store only at the commit: what is undone never gets there.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/dao/dao_priv.h"

/* Replaced rows live as long as the change can be taken back. */
int dao_change(struct dao *dao, struct dao_row *before, struct dao_row *after,
               struct dao_field_index **ret_taken)
{
    if (dao->changes_count == dao->changes_capacity) {
        size_t capacity = dao->changes_capacity ? dao->changes_capacity * 2 : 16;
        struct dao_row_change *changes = reallocarray(dao->changes, capacity, sizeof(*changes));
        if (!changes) {
            dao_row_free(after);
            return -ENOMEM;
        }
        dao->changes = changes;
        dao->changes_capacity = capacity;
    }
    if (before)
        dao_row_unlink(before);
    if (after && !dao_row_link(after, ret_taken)) {
        if (before)
            (void)dao_row_link(before, ret_taken); /* its places are free: it was there */
        dao_row_free(after);
        return -EEXIST;
    }
    dao->changes[dao->changes_count++] = (struct dao_row_change){ before, after };
    return 0;
}

size_t dao_step(struct dao *dao)
{
    return dao->changes_count + (dao_was_replaced(dao) ? 1 : 0);
}

static void undo_change(const struct dao_row_change *change)
{
    struct dao_field_index *taken;

    if (change->after)
        dao_row_unlink(change->after);
    if (change->before)
        (void)dao_row_link(change->before, &taken); /* backwards, each place is free again */
    dao_row_free(change->after);
}

void dao_undo_step(struct dao *dao, size_t step)
{
    while (dao->changes_count > 0 && dao_step(dao) > step)
        undo_change(&dao->changes[--dao->changes_count]);
    if (!dao_was_replaced(dao) || step > 0)
        return;
    dao_tables_done(&dao->tables);
    dao->tables = dao->replaced;
    dao->replaced = (struct dao_tables){ 0 };
}

bool dao_has_changes(const struct dao *dao)
{
    return dao->changes_count > 0 || dao_was_replaced(dao);
}

size_t dao_changes_count(const struct dao *dao)
{
    return dao->changes_count;
}

struct dao_change dao_change_at(const struct dao *dao, size_t index)
{
    const struct dao_row_change *change = &dao->changes[index];
    const struct dao_row *row = change->after ? change->after : change->before;

    return (struct dao_change){ .entity = row->table->entity,
                                .id = row->id,
                                .before = change->before ? change->before->value : NULL,
                                .after = change->after ? change->after->value : NULL };
}

/* --- begin --------------------------------------------------------------------------------- */

int dao_store_failed(struct dao *dao, int r, struct kong_error *error)
{
    return r == -ENOMEM ? r : kong_error_database(error, "%s", store_error(dao->store));
}

/* The first mistake, with the row that it is in. */
static int unreadable(const struct config_errors *errors, int r, struct kong_error *error)
{
    const struct config_error *first = errors->count > 0 ? &errors->items[0] : NULL;
    const char *path = first ? first->place.path : NULL;

    return kong_error_database(error, "%s%s%s", path ? path : "", path ? ": " : "",
                               first ? first->message : strerror(-r));
}

static int load_others_changes(struct dao *dao, struct kong_error *error)
{
    struct config_errors errors;
    int r;

    config_errors_init(&errors);
    r = dao_load(dao, &errors);
    dao->is_behind = r < 0; /* the store itself counts what it has read as seen */
    if (r < 0 && r != -ENOMEM)
        r = unreadable(&errors, r, error);
    config_errors_done(&errors);
    return r;
}

/* Rows whose time is over: gone for readers already, now also for uniqueness and the store. */
static int remove_expired(struct dao *dao)
{
    struct dao_field_index *taken;
    int r = 0;

    for (size_t i = 0; r == 0 && i < dao->tables.count; i++) {
        struct dao_field_index *index =
            dao_table_index(&dao->tables.items[i], DAO_INDEX_EXPIRY, NULL);
        struct dao_node *node;
        while (r == 0 && index && (node = dao_index_first(&index->index)) &&
               dao_row_is_gone(dao, node->row))
            r = dao_change(dao, node->row, NULL, &taken);
    }
    return r;
}

int dao_begin(struct dao *dao, struct kong_error *error)
{
    bool has_changed = false;
    int r = 0;

    assert(!dao->is_begun);
    if (dao->store) {
        r = dao->store->ops->begin(dao->store, &has_changed);
        if (r < 0)
            return dao_store_failed(dao, r, error);
    }
    dao->is_begun = true;
    if (has_changed || dao->is_behind)
        r = load_others_changes(dao, error);
    if (r == 0 && !dao->is_read_only)
        r = remove_expired(dao);
    if (r < 0)
        dao_rollback(dao);
    return r;
}

/* --- end ----------------------------------------------------------------------------------- */

static int write_row(struct store *store, const struct dao_row *row)
{
    json_t *value = row->value;
    char *text;
    int r = -ENOMEM;

    if (row->expires_at_s) {
        value = dao_copy(row->value);
        if (!value || json_object_set_new(value, DAO_EXPIRES_AT,
                                          json_integer((json_int_t)row->expires_at_s)) < 0) {
            json_decref(value);
            return -ENOMEM;
        }
    }
    text = json_dumps(value, JSON_COMPACT);
    if (text)
        r = store->ops->put(store, row->table->entity->name, row->id, text, strlen(text));
    free(text);
    if (value != row->value)
        json_decref(value);
    return r;
}

/* What was changed more than once is written more than once, in order: that is rare. */
static int write_changes(struct dao *dao)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < dao->changes_count; i++) {
        const struct dao_row_change *change = &dao->changes[i];
        if (change->after)
            r = write_row(dao->store, change->after);
        else
            r = dao->store->ops->remove(dao->store, change->before->table->entity->name,
                                        change->before->id);
    }
    return r;
}

static void forget_changes(struct dao *dao)
{
    for (size_t i = 0; i < dao->changes_count; i++)
        dao_row_free(dao->changes[i].before);
    if (dao_has_changes(dao))
        dao->generation++;
    dao->changes_count = 0;
    dao_tables_done(&dao->replaced);
    dao->is_begun = false;
}

int dao_commit(struct dao *dao, struct kong_error *error)
{
    int r = 0;

    assert(dao->is_begun);
    if (dao->store && dao->changes_count > 0) {
        r = write_changes(dao);
        if (r == 0)
            r = dao->store->ops->commit(dao->store);
        if (r < 0) {
            r = dao_store_failed(dao, r, error); /* before the reason is overwritten */
            dao_rollback(dao);
            return r;
        }
    } else if (dao->store) {
        dao->store->ops->rollback(dao->store);
    }
    forget_changes(dao);
    return 0;
}

void dao_rollback(struct dao *dao)
{
    dao_undo_step(dao, 0);
    if (dao->store)
        dao->store->ops->rollback(dao->store);
    dao->is_begun = false;
}
