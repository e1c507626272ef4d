#include "config/kong_conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int add_entry(struct kong_conf *conf, struct slice key, struct slice value,
                     struct kong_conf_entry **ret)
{
    struct kong_conf_entry *items = reallocarray(conf->items, conf->count + 1, sizeof(*items));
    struct kong_conf_entry entry = { 0 };

    if (!items)
        return -ENOMEM;
    conf->items = items;
    entry.key = strndup(key.ptr, key.len);
    entry.value = strndup(value.ptr, value.len);
    if (!entry.key || !entry.value) {
        free(entry.key);
        free(entry.value);
        return -ENOMEM;
    }
    items[conf->count] = entry;
    *ret = &items[conf->count++];
    return 0;
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && isspace((unsigned char)text.ptr[0]))
        text = slice_from(text, 1);
    while (text.len > 0 && isspace((unsigned char)text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* A quote counts as one only as the first character of the value. */
static bool opens_quote(struct slice text, size_t at)
{
    struct slice before = trim((struct slice){ text.ptr, at });

    return (text.ptr[at] == '"' || text.ptr[at] == '\'') && before.len > 0 &&
           before.ptr[before.len - 1] == '=';
}

/*
 * Cuts a comment off: '#' at the start or after a space, outside quotes. "\#" is a '#' that stays;
 * its backslash is removed by unescape.
 */
static struct slice without_comment(struct slice text)
{
    char quote = '\0';

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (quote)
            quote = c == quote ? '\0' : quote;
        else if (opens_quote(text, i))
            quote = c;
        else if (c == '#' && (i == 0 || isspace((unsigned char)text.ptr[i - 1])))
            return (struct slice){ text.ptr, i };
    }
    return text;
}

static struct slice without_quotes(struct slice text)
{
    bool quoted = text.len >= 2 && (text.ptr[0] == '"' || text.ptr[0] == '\'') &&
                  text.ptr[text.len - 1] == text.ptr[0];

    return quoted ? (struct slice){ text.ptr + 1, text.len - 2 } : text;
}

static void unescape(char *text)
{
    char *out = text;

    for (; *text; text++)
        if (text[0] != '\\' || text[1] != '#')
            *out++ = *text;
    *out = '\0';
}

static int parse_line(struct kong_conf *conf, struct slice line, unsigned number, const char *file,
                      struct config_errors *errors)
{
    struct slice text = trim(without_comment(line)), key, value;
    struct config_place place = { .file = file, .line = number };
    const char *equals = text.len > 0 ? memchr(text.ptr, '=', text.len) : NULL;
    struct kong_conf_entry *entry;
    int r;

    if (text.len == 0)
        return 0;
    place.column = (unsigned)(text.ptr - line.ptr) + 1;
    key = trim((struct slice){ text.ptr, equals ? (size_t)(equals - text.ptr) : 0 });
    if (key.len == 0 || memchr(line.ptr, '\0', line.len)) {
        config_errors_add(errors, CONFIG_ERROR, place, "not a line of the form 'key = value'");
        return 0;
    }
    value = without_quotes(trim(slice_from(text, (size_t)(equals - text.ptr) + 1)));
    if (value.len == 0)
        return 0;
    r = add_entry(conf, key, value, &entry);
    if (r < 0)
        return r;
    unescape(entry->value);
    entry->line = number;
    entry->key_column = place.column;
    entry->value_column = (unsigned)(value.ptr - line.ptr) + 1;
    return 0;
}

int kong_conf_parse(struct kong_conf *conf, struct slice text, const char *file,
                    struct config_errors *errors)
{
    unsigned number = 1;
    int r = 0;

    for (; r == 0 && text.len > 0; number++) {
        const char *end = memchr(text.ptr, '\n', text.len);
        struct slice line = { text.ptr, end ? (size_t)(end - text.ptr) : text.len };
        r = parse_line(conf, line, number, file, errors);
        text = slice_from(text, line.len + 1);
    }
    return r;
}

static int add_variable(struct kong_conf *conf, const char *variable)
{
    static const char kong[] = "KONG_", own[] = "HOPGATE_";
    const char *equals = strchr(variable, '=');
    bool is_kong = strncmp(variable, kong, sizeof(kong) - 1) == 0;
    const char *name = is_kong ? variable + sizeof(kong) - 1 : variable;
    struct kong_conf_entry *entry;
    int r;

    if (!equals || equals <= name || equals[1] == '\0' ||
        (!is_kong && strncmp(variable, own, sizeof(own) - 1) != 0))
        return 0;
    struct slice value = without_quotes(trim(slice_of(equals + 1)));
    if (value.len == 0)
        return 0;
    r = add_entry(conf, (struct slice){ name, (size_t)(equals - name) }, value, &entry);
    if (r < 0)
        return r;
    for (char *c = entry->key; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    entry->variable = strndup(variable, (size_t)(equals - variable));
    return entry->variable ? 0 : -ENOMEM;
}

int kong_conf_add_environment(struct kong_conf *conf, char *const *environment)
{
    int r = 0;

    for (; r == 0 && environment && *environment; environment++)
        r = add_variable(conf, *environment);
    return r;
}

void kong_conf_done(struct kong_conf *conf)
{
    for (size_t i = 0; i < conf->count; i++) {
        free(conf->items[i].key);
        free(conf->items[i].value);
        free(conf->items[i].variable);
    }
    free(conf->items);
    *conf = (struct kong_conf){ 0 };
}
