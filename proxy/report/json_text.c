#include "proxy/report/json_text.h"

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

void json_add_fields(struct json_object *parent, const char *key, const struct fields *fields,
                     bool (*is_secret)(const struct field *field))
{
    struct json_object object;

    json_add_key(parent, key);
    object = json_object_open(parent->text);
    for (uint32_t i = 0; fields && i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        bool several = false;

        if (fields_find_name(fields, field->name) != field)
            continue;
        json_add_lower_key(&object, field->name);
        for (uint32_t k = i + 1; k < fields->count && !several; k++)
            several = slice_equal_nocase(fields->items[k].name, field->name);
        text_add_string(object.text, several ? "[" : "");
        add_field_value(object.text, field, is_secret);
        for (uint32_t k = i + 1; several && k < fields->count; k++) {
            if (!slice_equal_nocase(fields->items[k].name, field->name))
                continue;
            text_add(object.text, SLICE(","));
            add_field_value(object.text, &fields->items[k], is_secret);
        }
        text_add_string(object.text, several ? "]" : "");
    }
    json_object_close(&object);
}
