#include "tls/sni_priv.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_ip_literal(const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

static bool is_name_byte(unsigned char c)
{
    return isalnum(c) || c == '-' || c == '.' || c == '_';
}

bool sni_normalise(struct slice name, char into[static SNI_NAME_MAX + 1])
{
    if (name.len == 0 || name.len > SNI_NAME_MAX || name.ptr[name.len - 1] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];

        if (!is_name_byte(c))
            return false;
        into[i] = (char)tolower(c);
    }
    into[name.len] = '\0';
    return !is_ip_literal(into);
}

/* "*.rest" or "first.*"; what is left must be a name. */
static bool pattern_is_valid(const char *pattern)
{
    char name[SNI_NAME_MAX + 1];
    struct slice rest = slice_of(pattern);

    if (slice_starts_with(rest, SLICE("*.")))
        rest = slice_from(rest, 2);
    else if (rest.len > 2 && strcmp(pattern + rest.len - 2, ".*") == 0)
        rest.len -= 2;
    return sni_normalise(rest, name);
}

int sni_map_add(struct sni_map *map, const char *pattern, size_t index)
{
    char *copy;

    if (!pattern_is_valid(pattern))
        return -EINVAL;
    if (map->count == map->capacity) {
        size_t capacity = map->capacity ? map->capacity * 2 : 8;
        struct sni_entry *entries = realloc(map->entries, capacity * sizeof(*entries));

        if (!entries)
            return -ENOMEM;
        map->entries = entries;
        map->capacity = capacity;
    }
    copy = strdup(pattern);
    if (!copy)
        return -ENOMEM;
    for (char *p = copy; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    map->entries[map->count++] = (struct sni_entry){ copy, index };
    return 0;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct sni_entry *)a)->pattern, ((const struct sni_entry *)b)->pattern);
}

const char *sni_map_seal(struct sni_map *map)
{
    if (map->count == 0)
        return NULL;
    qsort(map->entries, map->count, sizeof(*map->entries), compare_entries);
    for (size_t i = 1; i < map->count; i++)
        if (compare_entries(&map->entries[i - 1], &map->entries[i]) == 0)
            return map->entries[i].pattern;
    return NULL;
}

void sni_map_done(struct sni_map *map)
{
    for (size_t i = 0; i < map->count; i++)
        free(map->entries[i].pattern);
    free(map->entries);
    *map = (struct sni_map){ 0 };
}

static bool find_pattern(const struct sni_map *map, char *pattern, size_t *ret_index)
{
    struct sni_entry key = { pattern, 0 };
    const struct sni_entry *found;

    if (map->count == 0)
        return false;
    found = bsearch(&key, map->entries, map->count, sizeof(key), compare_entries);
    if (!found)
        return false;
    *ret_index = found->index;
    return true;
}

bool sni_map_find(const struct sni_map *map, struct slice name, size_t *ret_index)
{
    char pattern[SNI_NAME_MAX + 3];
    const char *first_dot, *last_dot;

    if (name.len > SNI_NAME_MAX)
        return false;
    snprintf(pattern, sizeof(pattern), "%.*s", SLICE_ARG(name));
    if (find_pattern(map, pattern, ret_index))
        return true;
    first_dot = memchr(name.ptr, '.', name.len);
    last_dot = memrchr(name.ptr, '.', name.len);
    if (!first_dot)
        return false;
    snprintf(pattern, sizeof(pattern), "*%.*s", (int)(name.ptr + name.len - first_dot), first_dot);
    if (find_pattern(map, pattern, ret_index))
        return true;
    snprintf(pattern, sizeof(pattern), "%.*s.*", (int)(last_dot - name.ptr), name.ptr);
    return find_pattern(map, pattern, ret_index);
}

bool sni_map_find_deep(const struct sni_map *map, struct slice name, size_t *ret_index)
{
    const char *end = name.ptr + name.len;
    char pattern[SNI_NAME_MAX + 3];

    if (sni_map_find(map, name, ret_index))
        return true;
    for (const char *at = name.ptr; at < end && (at = memchr(at, '.', (size_t)(end - at))); at++) {
        snprintf(pattern, sizeof(pattern), "*%.*s", (int)(end - at), at);
        if (find_pattern(map, pattern, ret_index))
            return true;
    }
    for (size_t length = name.len; length-- > 0;) {
        if (name.ptr[length] != '.')
            continue;
        snprintf(pattern, sizeof(pattern), "%.*s.*", (int)length, name.ptr);
        if (find_pattern(map, pattern, ret_index))
            return true;
    }
    return false;
}

static size_t read_u16(const unsigned char *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

struct slice sni_from_extension(const unsigned char *bytes, size_t length)
{
    const struct slice none = { NULL, 0 };
    size_t name_length;

    /* list length, name type host_name(0), name length, name; one name only, as clients send it */
    if (length < 5 || read_u16(bytes) != length - 2 || bytes[2] != 0)
        return none;
    name_length = read_u16(bytes + 3);
    if (name_length != length - 5)
        return none;
    return (struct slice){ (const char *)bytes + 5, name_length };
}
