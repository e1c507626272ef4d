/*
 * settings_values: from the text of a key to the member of struct settings.
 *
 * Each function returns 0, -EINVAL after adding an error, or -ENOMEM.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/settings_priv.h"
#include "config/units.h"

__attribute__((format(printf, 2, 3))) static int fail(const struct settings_loading *loading,
                                                      const char *format, ...)
{
    va_list args;

    va_start(args, format);
    config_errors_addv(loading->errors, CONFIG_ERROR, settings_entry_place(loading, false), format,
                       args);
    va_end(args);
    return -EINVAL;
}

/* --- one value of each type: 0, -EINVAL after an error, -ENOMEM ---------------------------- */

/* The item of "a, b" that is `word` in any case, as the list spells it; its length, or 0. */
static size_t find_word(const char *list, const char *word, const char **ret)
{
    size_t length = strlen(word);

    while (*list) {
        size_t item = strcspn(list, ",");
        if (item == length && strncasecmp(list, word, length) == 0) {
            *ret = list;
            return length;
        }
        list += item;
        list += strspn(list, ", ");
    }
    return 0;
}

/* A copy of the word, in the spelling of the list that it must be in. */
static int copy_word(const struct settings_loading *loading, const struct setting *setting,
                     const char *word, char **ret)
{
    const char *spelling = word;

    if (setting->one_of && find_word(setting->one_of, word, &spelling) == 0)
        return fail(loading, "'%s': expected one of: %s", word, setting->one_of);
    if (setting->supported && find_word(setting->supported, word, &spelling) == 0)
        return fail(loading, "'%s' is not supported by this version of hopgate; use one of: %s",
                    word, setting->supported);
    *ret = strndup(spelling, strlen(word));
    return *ret ? 0 : -ENOMEM;
}

static int check_range(const struct settings_loading *loading, const struct setting *setting,
                       uint64_t value, const char *unit)
{
    if ((setting->min == 0 && setting->max == 0) ||
        (value >= setting->min && value <= setting->max))
        return 0;
    return fail(loading, "value should be between %llu and %llu%s",
                (unsigned long long)setting->min, (unsigned long long)setting->max, unit);
}

/* One item of a list; `word` has no NUL behind it. */
static int add_word(const struct settings_loading *loading, const struct setting *setting,
                    struct slice word, struct config_strings *strings)
{
    char **items = reallocarray(strings->items, strings->count + 1, sizeof(*items));
    char *copy;
    int r;

    if (!items)
        return -ENOMEM;
    strings->items = items;
    copy = strndup(word.ptr, word.len);
    if (!copy)
        return -ENOMEM;
    r = copy_word(loading, setting, copy, &items[strings->count]);
    free(copy);
    if (r == 0)
        strings->count++;
    return r;
}

/* "off" alone is an empty list where it is one of the words. */
static int set_list(const struct settings_loading *loading, const struct setting *setting,
                    const char *text, struct config_strings *member)
{
    const char *separators = setting->type == SETTING_WORDS ? ", \t" : ",";

    for (text += strspn(text, " ,\t"); *text; text += strspn(text, " ,\t")) {
        size_t length = strcspn(text, separators), kept = length;
        while (kept > 0 && strchr(" \t\n", text[kept - 1]))
            kept--;
        int r = add_word(loading, setting, (struct slice){ text, kept }, member);
        if (r < 0)
            return r;
        text += length;
    }
    if (member->count == 1 && setting->one_of && strcmp(member->items[0], "off") == 0)
        free(member->items[--member->count]);
    return 0;
}

static int set_switch(const struct settings_loading *loading, const char *text, bool *member)
{
    return units_parse_switch(text, member) < 0 ? fail(loading, "write on or off") : 0;
}

static int set_number(const struct settings_loading *loading, const struct setting *setting,
                      const char *text, uint32_t *member)
{
    uint64_t value;
    int r;

    if (units_parse_number(text, &value) < 0)
        return fail(loading, "'%s' is not a number", text);
    r = check_range(loading, setting, value, "");
    if (r == 0)
        *member = (uint32_t)value;
    return r;
}

static int set_auto(const struct settings_loading *loading, const struct setting *setting,
                    const char *text, uint32_t *member)
{
    if (strcmp(text, "auto") != 0)
        return set_number(loading, setting, text, member);
    *member = 0;
    return 0;
}

static int set_power(const struct settings_loading *loading, const struct setting *setting,
                     const char *text, uint32_t *member)
{
    uint32_t value;
    int r = set_number(loading, setting, text, &value);

    if (r < 0)
        return r;
    if ((value & (value - 1)) != 0)
        return fail(loading, "%u is not a power of two", value);
    *member = value;
    return 0;
}

static int set_time(const struct settings_loading *loading, const struct setting *setting,
                    const char *text, uint64_t *member)
{
    uint64_t value;
    int r;

    if (units_parse_time_ms(text, &value) < 0)
        return fail(loading, "'%s' is not a time; write one as 60s, 1m30s or 500ms", text);
    r = check_range(loading, setting, value, " ms");
    if (r == 0)
        *member = value;
    return r;
}

static int set_size(const struct settings_loading *loading, const struct setting *setting,
                    const char *text, uint64_t *member)
{
    uint64_t value;
    int r;

    if (units_parse_size_bytes(text, &value) < 0)
        return fail(loading, "'%s' is not a size; write one as 8k, 10m or 1g", text);
    r = check_range(loading, setting, value, " bytes");
    if (r == 0)
        *member = value;
    return r;
}

static int set_auto_size(const struct settings_loading *loading, const struct setting *setting,
                         const char *text, uint64_t *member)
{
    if (strcmp(text, "auto") != 0)
        return set_size(loading, setting, text, member);
    *member = SETTINGS_SIZE_AUTO;
    return 0;
}

/* "4 8k" */
static int set_buffers(const struct settings_loading *loading, const struct setting *setting,
                       const char *text, uint32_t *count_member, uint64_t *size_member)
{
    size_t length = strcspn(text, " \t");
    char count_text[16];
    uint64_t count;

    if (length == 0 || length >= sizeof(count_text) || text[length] == '\0')
        return fail(loading, "write a number and a size, as in '4 8k'");
    memcpy(count_text, text, length);
    count_text[length] = '\0';
    if (units_parse_number(count_text, &count) < 0 || count < 1 || count > 1024)
        return fail(loading, "'%s': the number of buffers should be between 1 and 1024",
                    count_text);
    *count_member = (uint32_t)count;
    text += length;
    return set_size(loading, setting, text + strspn(text, " \t"), size_member);
}

static int set_listen(const struct settings_loading *loading, const char *text,
                      struct listens *member)
{
    char message[LISTEN_MESSAGE_MAX];
    int r = listens_parse(text, member, message);

    return r == -EINVAL ? fail(loading, "%s", message) : r;
}

static int set_cidrs(const struct settings_loading *loading, const char *text,
                     struct addr_cidrs *member)
{
    for (text += strspn(text, " ,\t"); *text; text += strspn(text, " ,\t")) {
        struct slice item = { text, strcspn(text, ", \t") };
        /* Kong's word for UNIX sockets, which nothing here listens on */
        int r = slice_equal(item, SLICE("unix:")) ? 0 : addr_cidrs_add(member, item);
        if (r == -EINVAL)
            return fail(loading, "'%.*s' is neither an IP address nor a block such as 10.0.0.0/8",
                        SLICE_ARG(item));
        if (r < 0)
            return r;
        text += item.len;
    }
    return 0;
}

/* "80:8000, 443:8443": outside first. */
static int set_port_maps(const struct settings_loading *loading, const char *text,
                         struct settings_port_maps *member)
{
    for (text += strspn(text, " ,\t"); *text; text += strspn(text, " ,\t")) {
        struct slice item = { text, strcspn(text, ", \t") };
        const char *colon = memchr(item.ptr, ':', item.len);
        struct settings_port_map map;
        if (!colon ||
            addr_parse_port((struct slice){ text, (size_t)(colon - text) }, &map.external) < 0 ||
            addr_parse_port(slice_from(item, (size_t)(colon - text) + 1), &map.internal) < 0)
            return fail(loading, "'%.*s' is not a pair of ports; write outside:inside, as 443:8443",
                        SLICE_ARG(item));
        struct settings_port_map *items =
            reallocarray(member->items, member->count + 1, sizeof(*items));
        if (!items)
            return -ENOMEM;
        items[member->count++] = map;
        member->items = items;
        text += item.len;
    }
    return 0;
}

static int set_address(const struct settings_loading *loading, const char *text,
                       struct sockaddr_storage *member)
{
    return addr_parse_ip(slice_of(text), 0, member) < 0
               ? fail(loading, "'%s' is not an IP address", text)
               : 0;
}

int settings_set_value(const struct settings_loading *loading, const struct setting *setting,
                       const char *text)
{
    char *base = (char *)loading->settings;
    void *member = base + setting->offset;

    switch (setting->type) {
    case SETTING_TEXT:
        return copy_word(loading, setting, text, member);
    case SETTING_LIST:
    case SETTING_WORDS:
        return set_list(loading, setting, text, member);
    case SETTING_SWITCH:
        return set_switch(loading, text, member);
    case SETTING_NUMBER:
        return set_number(loading, setting, text, member);
    case SETTING_TIME:
        return set_time(loading, setting, text, member);
    case SETTING_SIZE:
        return set_size(loading, setting, text, member);
    case SETTING_LISTEN:
        return set_listen(loading, text, member);
    case SETTING_AUTO:
        return set_auto(loading, setting, text, member);
    case SETTING_AUTO_SIZE:
        return set_auto_size(loading, setting, text, member);
    case SETTING_POWER:
        return set_power(loading, setting, text, member);
    case SETTING_CIDRS:
        return set_cidrs(loading, text, member);
    case SETTING_PORT_MAPS:
        return set_port_maps(loading, text, member);
    case SETTING_BUFFERS:
        return set_buffers(loading, setting, text, member,
                           (uint64_t *)(void *)(base + setting->second_offset));
    case SETTING_ADDRESS:
        return set_address(loading, text, member);
    case SETTING_ALIAS:
        break;
    }
    return 0; /* settings_find never returns an alias */
}
