#include "config/settings_json.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/settings_priv.h"

#define HIDDEN "******" /* Kong's */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* Keys may be PEM text instead of a path, and so may certificates, which are no secret. */
static bool is_secret(const char *key)
{
    return ends_with(key, "_cert_key") || ends_with(key, "_token") || ends_with(key, "_password") ||
           ends_with(key, "_ticket_key");
}

static json_t *text_json(const char *key, const char *text)
{
    if (!text)
        return json_null();
    return json_string(is_secret(key) ? HIDDEN : text);
}

static json_t *strings_json(const char *key, const struct config_strings *strings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < strings->count; i++)
        (void)json_array_append_new(list, text_json(key, strings->items[i]));
    return list;
}

static json_t *listens_json(const struct listens *listens)
{
    json_t *list = json_array();
    char address[ADDR_TEXT_MAX];

    for (size_t i = 0; i < listens->count; i++) {
        const struct listen *listen = &listens->items[i];

        addr_format(&listen->address, address, sizeof(address));
        (void)json_array_append_new(
            list, json_sprintf("%s%s%s%s%s", address, listen->ssl ? " ssl" : "",
                               listen->http2 ? " http2" : "", listen->reuseport ? " reuseport" : "",
                               listen->proxy_protocol ? " proxy_protocol" : ""));
    }
    return list;
}

/* As nginx writes them. */
static json_t *time_json(uint64_t ms)
{
    return ms % 1000 == 0 ? json_sprintf("%" PRIu64 "s", ms / 1000)
                          : json_sprintf("%" PRIu64 "ms", ms);
}

static json_t *size_json(uint64_t bytes)
{
    if (bytes > 0 && bytes % (1 << 20) == 0)
        return json_sprintf("%" PRIu64 "m", bytes >> 20);
    if (bytes > 0 && bytes % 1024 == 0)
        return json_sprintf("%" PRIu64 "k", bytes / 1024);
    return json_sprintf("%" PRIu64, bytes);
}

static json_t *cidrs_json(const struct settings *settings, const struct setting *setting)
{
    const struct addr_cidrs *cidrs =
        (const struct addr_cidrs *)((const char *)settings + setting->offset);
    json_t *list = json_array();
    char address[ADDR_IP_TEXT_MAX];

    for (size_t i = 0; i < cidrs->count; i++)
        (void)json_array_append_new(
            list, json_sprintf("%s/%u",
                               inet_ntop(cidrs->items[i].family, cidrs->items[i].bytes, address,
                                         sizeof(address)),
                               (unsigned)cidrs->items[i].prefix_bits));
    return list;
}

static json_t *port_maps_json(const struct settings_port_maps *maps)
{
    json_t *list = json_array();

    for (size_t i = 0; i < maps->count; i++)
        (void)json_array_append_new(list, json_sprintf("%u:%u", (unsigned)maps->items[i].external,
                                                       (unsigned)maps->items[i].internal));
    return list;
}

static json_t *address_json(const struct sockaddr_storage *address)
{
    char text[ADDR_IP_TEXT_MAX];

    return address->ss_family == AF_UNSPEC
               ? json_null()
               : json_string(addr_format_ip(address, text, sizeof(text)));
}

static json_t *auto_json(uint64_t value, bool is_auto, bool is_size)
{
    if (is_auto)
        return json_string("auto");
    return is_size ? size_json(value) : json_integer((json_int_t)value);
}

static json_t *value_json(const struct settings *settings, const struct setting *setting)
{
    const void *member = (const char *)settings + setting->offset;
    const void *second = (const char *)settings + setting->second_offset;

    switch (setting->type) {
    case SETTING_TEXT:
        return text_json(setting->name, *(char *const *)member);
    case SETTING_LIST:
    case SETTING_WORDS:
        return strings_json(setting->name, member);
    case SETTING_SWITCH:
        return json_boolean(*(const bool *)member);
    case SETTING_NUMBER:
    case SETTING_POWER:
        return json_integer(*(const uint32_t *)member);
    case SETTING_TIME:
        return time_json(*(const uint64_t *)member);
    case SETTING_SIZE:
        return size_json(*(const uint64_t *)member);
    case SETTING_LISTEN:
        return listens_json(member);
    case SETTING_AUTO:
        return auto_json(*(const uint32_t *)member, *(const uint32_t *)member == 0, false);
    case SETTING_AUTO_SIZE:
        return auto_json(*(const uint64_t *)member, *(const uint64_t *)member == SETTINGS_SIZE_AUTO,
                         true);
    case SETTING_CIDRS:
        return cidrs_json(settings, setting);
    case SETTING_PORT_MAPS:
        return port_maps_json(member);
    case SETTING_BUFFERS:
        return json_sprintf("%u %" PRIu64, *(const uint32_t *)member, *(const uint64_t *)second);
    case SETTING_ADDRESS:
        return address_json(member);
    case SETTING_ALIAS:
        break;
    }
    return json_null();
}

json_t *settings_json(const struct settings *settings)
{
    json_t *all = json_object();

    for (size_t i = 0; all && i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];

        if (setting->state != SETTING_USED || setting->type == SETTING_ALIAS)
            continue;
        if (json_object_set_new(all, setting->name, value_json(settings, setting)) < 0)
            json_decref(TAKE(all));
    }
    return all;
}
