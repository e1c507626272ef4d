/* kong_limit: a refusal that lists no more than somebody reads. */
#include "config/model/kong_error.h"

static size_t texts_of(const json_t *value)
{
    size_t count = json_is_string(value) ? 1 : 0, i;
    const char *key;
    json_t *member;

    json_array_foreach(value, i, member)
    {
        count += texts_of(member);
    }
    json_object_foreach((json_t *)value, key, member)
    {
        count += texts_of(member);
    }
    return count;
}

static void keep(json_t *value, size_t *left);

/* Whether anything stays of it. */
static bool keep_member(json_t *member, size_t *left)
{
    if (json_is_string(member)) {
        if (*left == 0)
            return false;
        (*left)--;
        return true;
    }
    if (!json_is_object(member) && !json_is_array(member))
        return true;
    keep(member, left);
    return json_object_size(member) > 0 || json_array_size(member) > 0;
}

/* In a list null stands for what is good, and so it does for what is not told. */
static void keep_items(json_t *list, size_t *left)
{
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *member = json_array_get(list, i);

        if (!keep_member(member, left))
            (void)json_array_set(list, i, json_null());
        else if (!json_is_null(member))
            count = i + 1;
    }
    while (json_array_size(list) > count)
        (void)json_array_remove(list, json_array_size(list) - 1);
}

static void keep(json_t *value, size_t *left)
{
    const char *key;
    json_t *member;
    void *next;

    if (json_is_array(value)) {
        keep_items(value, left);
        return;
    }
    json_object_foreach_safe(value, next, key, member)
    {
        if (!keep_member(member, left))
            (void)json_object_del(value, key);
    }
}

size_t kong_error_limit(json_t *tree, size_t max)
{
    size_t all = texts_of(tree), left = max;

    if (all <= max)
        return 0;
    keep(tree, &left);
    return all - max;
}
