/*
 * dao_row: an entity with its place in every index.
 *
 * Keys: texts stand in them with their NUL (jansson lets none into a text), so that no two different
 * lists of values have the same bytes and a prefix ends where a value ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/dao/dao_priv.h"

/* --- keys ---------------------------------------------------------------------------------- */

int dao_key_add(struct dao_key *key, const void *bytes, size_t length)
{
    if (key->capacity - key->length < length) {
        size_t capacity = (key->capacity + length) * 2;
        char *grown = realloc(key->bytes, capacity);
        if (!grown)
            return -ENOMEM;
        key->bytes = grown;
        key->capacity = capacity;
    }
    memcpy(key->bytes + key->length, bytes, length);
    key->length += length;
    return 0;
}

int dao_key_add_text(struct dao_key *key, const char *text)
{
    return dao_key_add(key, text, strlen(text) + 1);
}

int dao_key_add_value(struct dao_key *key, const json_t *value)
{
    const char *text =
        json_string_value(json_is_object(value) ? json_object_get(value, "id") : value);
    int r = dao_key_add(key, text ? "=" : "-", 1);

    return r < 0 || !text ? r : dao_key_add_text(key, text);
}

void dao_key_done(struct dao_key *key)
{
    free(key->bytes);
}

static int add_composite(struct dao_key *key, const struct dao_row *row)
{
    const char *const *field = row->table->entity->cache_key;
    int r = 0;

    for (; r == 0 && *field; field++)
        r = dao_key_add_value(key, json_object_get(row->value, *field));
    return r;
}

static int add_expiry(struct dao_key *key, uint64_t expires_at_s)
{
    unsigned char bytes[8];

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(expires_at_s >> (56 - 8 * i));
    return dao_key_add(key, bytes, sizeof(bytes));
}

/* 0 with an empty key when the row is not in that index; tags are another matter. */
static int make_key(struct dao_key *key, const struct dao_field_index *index,
                    const struct dao_row *row)
{
    const json_t *value = index->field ? json_object_get(row->value, index->field->name) : NULL;
    int r = 0;

    switch (index->kind) {
    case DAO_INDEX_ID:
        return dao_key_add_text(key, row->id);
    case DAO_INDEX_UNIQUE:
        value = json_is_object(value) ? json_object_get(value, "id") : value;
        return json_is_string(value) ? dao_key_add_text(key, json_string_value(value)) : 0;
    case DAO_INDEX_COMPOSITE:
        return add_composite(key, row);
    case DAO_INDEX_REFERENCE:
        value = json_object_get(value, "id");
        r = value ? dao_key_add_text(key, json_string_value(value)) : 0;
        break;
    case DAO_INDEX_EXPIRY:
        r = row->expires_at_s ? add_expiry(key, row->expires_at_s) : 0;
        break;
    case DAO_INDEX_MATCH:
        r = dao_match_add(key, row->value);
        break;
    case DAO_INDEX_TAG:
        return 0;
    }
    return r == 0 && key->length > 0 ? dao_key_add_text(key, row->id) : r;
}

/* --- making -------------------------------------------------------------------------------- */

static int add_link(struct dao_row *row, struct dao_field_index *index, const struct dao_key *key)
{
    struct dao_link *link = &row->links[row->links_count];

    link->index = index;
    link->node = dao_index_make_node(&index->index, row, (struct slice){ key->bytes, key->length });
    if (!link->node)
        return -ENOMEM;
    row->links_count++;
    return 0;
}

static int add_tag_links(struct dao_row *row, struct dao_field_index *index, struct dao_key *key)
{
    const json_t *tags = json_object_get(row->value, index->field->name);
    size_t i;
    json_t *tag;
    int r = 0;

    json_array_foreach(tags, i, tag)
    {
        key->length = 0;
        if (r == 0)
            r = dao_key_add_text(key, json_string_value(tag));
        if (r == 0)
            r = dao_key_add_text(key, row->id);
        if (r == 0)
            r = add_link(row, index, key);
    }
    return r;
}

static int add_links(struct dao_row *row, struct dao_key *key)
{
    struct dao_table *table = row->table;
    size_t tags_count = json_array_size(json_object_get(row->value, "tags"));
    int r = 0;

    row->links = calloc(table->indexes_count + tags_count, sizeof(*row->links));
    if (!row->links)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < table->indexes_count; i++) {
        struct dao_field_index *index = &table->indexes[i];
        key->length = 0;
        if (index->kind == DAO_INDEX_TAG) {
            r = add_tag_links(row, index, key);
            continue;
        }
        r = make_key(key, index, row);
        if (r == 0 && key->length > 0)
            r = add_link(row, index, key);
    }
    return r;
}

struct dao_row *dao_row_create(struct dao_table *table, json_t *value, uint64_t expires_at_s)
{
    struct dao_row *row = calloc(1, sizeof(*row));
    struct dao_key key = { 0 };
    int r;

    if (!row)
        return NULL;
    row->table = table;
    row->value = json_incref(value);
    row->id = json_string_value(json_object_get(value, "id"));
    row->expires_at_s = expires_at_s;
    r = add_links(row, &key);
    dao_key_done(&key);
    if (r == 0)
        return row;
    dao_row_free(row);
    return NULL;
}

void dao_row_free(struct dao_row *row)
{
    if (!row)
        return;
    for (size_t i = 0; i < row->links_count; i++)
        free(row->links[i].node);
    free(row->links);
    json_decref(row->value);
    json_decref(row->exported);
    free(row);
}

/* --- its place ----------------------------------------------------------------------------- */

static void unlink_first(struct dao_row *row, size_t count)
{
    for (size_t i = 0; i < count; i++)
        dao_index_unlink(&row->links[i].index->index, row->links[i].node);
}

bool dao_row_link(struct dao_row *row, struct dao_field_index **ret_taken)
{
    json_decref(TAKE(row->table->exported));
    for (size_t i = 0; i < row->links_count; i++) {
        if (dao_index_link(&row->links[i].index->index, row->links[i].node))
            continue;
        unlink_first(row, i);
        *ret_taken = row->links[i].index;
        return false;
    }
    return true;
}

void dao_row_unlink(struct dao_row *row)
{
    json_decref(TAKE(row->table->exported));
    unlink_first(row, row->links_count);
}

struct dao_row *dao_row_by_id(const struct dao_table *table, const char *id)
{
    struct dao_node *node =
        dao_index_get(&table->indexes[0].index, (struct slice){ id, strlen(id) + 1 });

    return node ? node->row : NULL;
}

struct dao_row *dao_row_by_unique(const struct dao_table *table, const char *field,
                                  const char *value)
{
    struct dao_field_index *index = dao_table_index(table, DAO_INDEX_UNIQUE, field);
    struct dao_node *node =
        index ? dao_index_get(&index->index, (struct slice){ value, strlen(value) + 1 }) : NULL;

    return node ? node->row : NULL;
}
