/*
 * Names of form fields: "config.items[2].name" is a way into a tree.
 *
 * While the tree grows, every level is an object; a place in a list is a key that begins with
 * INDEX_MARK. form_tree_finish makes arrays of levels that are lists from 1 on without a hole.
 */
#include <errno.h>
#include <stdlib.h>

#include "config/admin/form_priv.h"

#define INDEX_MARK '\x01'

enum { KEY_MAX = 512 };

struct way {
    char keys[FORM_DEPTH_MAX][KEY_MAX]; /* "" appends */
    size_t count;
};

/* --- reading a name ------------------------------------------------------------------------ */

/* Also 0x10 and 1.0 are numbers to Lua; nobody writes a place in a list like that. */
static bool is_index(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return text.len > 0 && text.len <= 6;
}

static bool add_key(struct way *way, struct slice key, bool in_brackets)
{
    char *into;

    if (way->count == FORM_DEPTH_MAX || key.len + 2 > KEY_MAX)
        return false;
    into = way->keys[way->count++];
    if (in_brackets && is_index(key))
        (void)snprintf(into, KEY_MAX, "%c%lu", INDEX_MARK, strtoul(key.ptr, NULL, 10));
    else
        (void)snprintf(into, KEY_MAX, "%.*s", SLICE_ARG(key));
    return true;
}

/* Dots divide, except within brackets; brackets that are never closed are letters as others. */
static bool read_way(struct slice name, struct way *ret)
{
    const char *last_close =
        memrchr(name.ptr, ']', name.len); /* else each '[' would look for one */
    size_t begin = 0, i = 0;
    bool is_open = true; /* letters since the last divider belong to a key */

    ret->count = 0;
    while (i < name.len) {
        const char *close = name.ptr[i] == '[' && i > 0 && last_close && name.ptr + i < last_close
                                ? memchr(name.ptr + i, ']', name.len - i)
                                : NULL;
        size_t end;

        if (!close && name.ptr[i] != '.') {
            i++;
            continue;
        }
        if (is_open && i > begin &&
            !add_key(ret, (struct slice){ name.ptr + begin, i - begin }, false))
            return false;
        if (name.ptr[i] == '.') {
            begin = ++i;
            is_open = true;
            continue;
        }
        end = (size_t)(close - name.ptr);
        if (!add_key(ret, (struct slice){ name.ptr + i + 1, end - i - 1 }, true))
            return false;
        begin = i = end + 1;
        is_open = true;
    }
    return i <= begin || add_key(ret, (struct slice){ name.ptr + begin, i - begin }, false);
}

/* --- the tree ------------------------------------------------------------------------------ */

static json_t *item_at(const json_t *level, size_t index)
{
    char key[24];

    (void)snprintf(key, sizeof(key), "%c%zu", INDEX_MARK, index);
    return json_object_get(level, key);
}

/* The first place that is free. */
static size_t next_index(const json_t *level)
{
    size_t index = json_object_size(level) + 1;

    if (index > 1 && item_at(level, index - 1) && item_at(level, 1)) /* usually a list alone */
        return index;
    for (index = 1; item_at(level, index);)
        index++;
    return index;
}

static int append(json_t *level, json_t *value)
{
    char key[24];

    (void)snprintf(key, sizeof(key), "%c%zu", INDEX_MARK, next_index(level));
    return json_object_set(level, key, value) < 0 ? -ENOMEM : 0;
}

/* The level below, made if need be; a text that stands there already becomes its first item. */
static json_t *level_below(json_t *level, const char *key)
{
    json_t *below = *key ? json_object_get(level, key) : NULL, *made;

    if (json_is_object(below))
        return below;
    if (*key == '\0') /* "items[].n" is no list: see the table of forms in Kong's tests */
        return level;
    made = json_object();
    if (!made || (below && append(made, below) < 0) || json_object_set(level, key, made) < 0) {
        json_decref(made);
        return NULL;
    }
    json_decref(made);
    return made;
}

static int put(json_t *level, const char *key, json_t *value)
{
    json_t *there = *key ? json_object_get(level, key) : NULL;
    json_t *below;

    if (*key == '\0')
        return append(level, value);
    if (!there)
        return json_object_set(level, key, value) < 0 ? -ENOMEM : 0;
    below = level_below(level, key);
    return below ? append(below, value) : -ENOMEM;
}

int form_tree_add(json_t *tree, struct slice name, json_t *value, struct kong_error *error)
{
    struct way way;
    json_t *level = tree;

    if (!read_way(name, &way))
        return kong_error_plain(error, 400,
                                "Cannot parse form: a name is longer than %d bytes or "
                                "has more than %d parts",
                                KEY_MAX - 2, FORM_DEPTH_MAX);
    if (way.count == 0)
        return 0; /* nothing but dots: there is no such field */
    for (size_t i = 0; i + 1 < way.count; i++) {
        level = level_below(level, way.keys[i]);
        if (!level)
            return -ENOMEM;
    }
    return put(level, way.keys[way.count - 1], value);
}

/* --- the end ------------------------------------------------------------------------------- */

static bool is_list(json_t *level)
{
    const char *key;
    json_t *value;

    json_object_foreach(level, key, value)
    {
        if (*key != INDEX_MARK)
            return false;
    }
    for (size_t i = 1; i <= json_object_size(level); i++)
        if (!item_at(level, i))
            return false;
    return json_object_size(level) > 0;
}

static json_t *finish_list(json_t *level)
{
    json_t *list = json_array();

    for (size_t i = 1; list && i <= json_object_size(level); i++) {
        if (json_array_append_new(list, form_tree_finish(item_at(level, i))) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *finish_object(json_t *level)
{
    json_t *object = json_object(), *value;
    const char *key;

    if (!object)
        return NULL;
    json_object_foreach(level, key, value)
    {
        if (json_object_set_new(object, *key == INDEX_MARK ? key + 1 : key,
                                form_tree_finish(value)) < 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

json_t *form_tree_finish(json_t *tree)
{
    if (!json_is_object(tree))
        return json_incref(tree);
    return is_list(tree) ? finish_list(tree) : finish_object(tree);
}
