#include "proxy/report/json_text.h"

#include <stdlib.h>
#include <strings.h>

#include "core/addr.h"

struct json_object json_object_open(struct text *text)
{
    text_add(text, SLICE("{"));
    return (struct json_object){ text, false };
}

void json_object_close(struct json_object *object)
{
    text_add(object->text, SLICE("}"));
}

void json_add_key(struct json_object *object, const char *key)
{
    text_add(object->text, object->has_members ? SLICE(",\"") : SLICE("\""));
    text_add_string(object->text, key);
    text_add(object->text, SLICE("\":"));
    object->has_members = true;
}

void json_add_lower_key(struct json_object *object, struct slice name)
{
    text_add(object->text, object->has_members ? SLICE(",\"") : SLICE("\""));
    for (size_t i = 0; i < name.len; i++) {
        char c =
            name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] | 0x20) : name.ptr[i];

        text_add_escaped(object->text, (struct slice){ &c, 1 }, TEXT_ESCAPE_JSON);
    }
    text_add(object->text, SLICE("\":"));
    object->has_members = true;
}

void json_add_quoted(struct text *text, struct slice value)
{
    text_add(text, SLICE("\""));
    text_add_escaped(text, value, TEXT_ESCAPE_JSON);
    text_add(text, SLICE("\""));
}

void json_add_text(struct json_object *object, const char *key, struct slice value)
{
    json_add_key(object, key);
    json_add_quoted(object->text, value);
}

void json_add_text_if(struct json_object *object, const char *key, const char *value)
{
    if (value)
        json_add_text(object, key, slice_of(value));
}

void json_add_number(struct json_object *object, const char *key, uint64_t value)
{
    json_add_key(object, key);
    text_add_number(object->text, value);
}

void json_add_bool(struct json_object *object, const char *key, bool value)
{
    json_add_key(object, key);
    text_add_string(object->text, value ? "true" : "false");
}

void json_add_address(struct json_object *object, const char *ip_key, const char *port_key,
                      const struct sockaddr_storage *addr)
{
    char ip[ADDR_IP_TEXT_MAX];

    if (addr->ss_family != AF_INET && addr->ss_family != AF_INET6)
        return;
    json_add_text(object, ip_key, slice_of(addr_format_ip(addr, ip, sizeof(ip))));
    json_add_number(object, port_key, addr_port(addr));
}

static void add_field_value(struct text *text, const struct field *field,
                            bool (*is_secret)(const struct field *field))
{
    json_add_quoted(text, is_secret(field) ? SLICE("REDACTED") : field->value);
}

/* Which lines belong together is found by sorting, because a head may have a thousand of them. */
#define LAST_LINE UINT32_MAX

/* By name, then by place. */
static int compare_lines(const void *a, const void *b, void *fields)
{
    const struct field *items = ((const struct fields *)fields)->items;
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
    struct slice x = items[one].name, y = items[other].name;
    int r = x.len != y.len ? (x.len > y.len) - (x.len < y.len)
            : x.len > 0    ? strncasecmp(x.ptr, y.ptr, x.len)
                           : 0;

    return r != 0 ? r : (one > other) - (one < other);
}

struct line_group {
    uint32_t next; /* line of the same name, or LAST_LINE */
    bool is_first;
};

/* NULL: no memory. */
static struct line_group *group_lines(const struct fields *fields, struct arena *arena)
{
    struct line_group *groups = arena_alloc(arena, fields->count * sizeof(*groups));
    uint32_t *order = arena_alloc(arena, fields->count * sizeof(*order));

    if (!groups || !order)
        return NULL;
    for (uint32_t i = 0; i < fields->count; i++)
        order[i] = i;
    qsort_r(order, fields->count, sizeof(*order), compare_lines, (void *)fields);
    for (uint32_t i = 0; i < fields->count; i++) {
        bool same_before = i > 0 && slice_equal_nocase(fields->items[order[i]].name,
                                                       fields->items[order[i - 1]].name);

        groups[order[i]] = (struct line_group){ LAST_LINE, !same_before };
        if (same_before)
            groups[order[i - 1]].next = order[i];
    }
    return groups;
}

static void add_lines(struct text *text, const struct fields *fields,
                      const struct line_group *groups, uint32_t first,
                      bool (*is_secret)(const struct field *field))
{
    bool several = groups[first].next != LAST_LINE;

    text_add_string(text, several ? "[" : "");
    for (uint32_t i = first; i != LAST_LINE; i = groups[i].next) {
        if (i != first)
            text_add(text, SLICE(","));
        add_field_value(text, &fields->items[i], is_secret);
    }
    text_add_string(text, several ? "]" : "");
}

void json_add_fields(struct json_object *parent, const char *key, const struct fields *fields,
                     bool (*is_secret)(const struct field *field))
{
    struct line_group *groups = NULL;
    struct json_object object;

    json_add_key(parent, key);
    object = json_object_open(parent->text);
    if (fields && fields->count > 0) {
        groups = group_lines(fields, parent->text->arena);
        parent->text->failed |= !groups;
    }
    for (uint32_t i = 0; groups && i < fields->count; i++) {
        if (!groups[i].is_first)
            continue;
        json_add_lower_key(&object, fields->items[i].name);
        add_lines(object.text, fields, groups, i, is_secret);
    }
    json_object_close(&object);
}
