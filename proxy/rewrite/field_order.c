#include "proxy/rewrite/field_order.h"

#include <errno.h>

#include "proxy/rewrite/field_name.h"

static int append_all(struct fields *into, const struct fields *from)
{
    for (uint32_t i = 0; i < from->count; i++) {
        const struct field *field = &from->items[i];
        int r = fields_add_known(into, (enum field_id)field->id, field->name, field->value);

        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_led(const struct persona_rules *rules, struct slice name)
{
    bool has_rule = false;

    for (size_t i = 0; rules && i < rules->count; i++) {
        if (!slice_equal_nocase(rules->items[i].name, name))
            continue;
        if (!rules->items[i].off)
            return true;
        has_rule = true;
    }
    return !has_rule;
}

/* Moves the lines of that name from one section to the other. */
static int move_lines(struct fields *from, struct slice name, struct fields *to)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < from->count; i++) {
        const struct field *field = &from->items[i];

        if (!slice_equal_nocase(field->name, name))
            from->items[kept++] = *field;
        else if (fields_add_known(to, (enum field_id)field->id, name, field->value) < 0)
            return -ENOMEM;
    }
    from->count = kept;
    return 0;
}

int field_order_apply(struct fields *fields, const struct fields *first,
                      const struct persona_strings *lead, const struct persona_rules *rules)
{
    struct fields ordered = *first;

    for (size_t i = 0; i < lead->count; i++)
        if (is_led(rules, lead->items[i]) && move_lines(fields, lead->items[i], &ordered) < 0)
            return -ENOMEM;
    if (ordered.count == 0)
        return 0;
    if (append_all(&ordered, fields) < 0)
        return -ENOMEM;
    *fields = ordered;
    return 0;
}

int field_order_lower_names(struct fields *fields)
{
    for (uint32_t i = 0; i < fields->count; i++) {
        struct field *field = &fields->items[i];
        char *lower = arena_alloc(fields->arena, field->name.len + 1);

        if (!lower)
            return -ENOMEM;
        for (size_t k = 0; k < field->name.len; k++)
            lower[k] = field_name_fold(field->name.ptr[k]);
        field->name.ptr = lower;
    }
    return 0;
}
