/*
 * flatten_version: documents of formats 1.1 and 2.1 become those of 3.0, as Kong does it before it looks at
 * anything else (kong/db/declarative/migrations/route_path.lua, kong/db/migrations/migrate_path_280_300.lua).
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/checks.h"
#include "config/flatten/flatten_priv.h"
#include "core/utf8.h"

/* Up to 2.x a path with any other character was a regex. */
static bool is_prefix(const char *path)
{
    return path[strspn(path,
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_~/%")] ==
           '\0';
}

static int hex_value(const char *digits)
{
    const char text[] = { digits[0], digits[1], '\0' };

    return (int)strtol(text, NULL, 16);
}

/* %XX becomes its character, behind a backslash where a regex means something by it; what is reserved in
 * a URI stays as it is. In place: it never gets longer. */
static void decode_regex(char *path)
{
    char *into = path;

    while (*path) {
        int byte =
            path[0] == '%' && isxdigit((unsigned char)path[1]) && isxdigit((unsigned char)path[2])
                ? hex_value(path + 1)
                : -1;

        if (byte < 0) {
            *into++ = *path++;
            continue;
        }
        if (byte == 0 || strchr("!#$%&'()*+,/:;=?@[]", byte)) {
            *into++ = '%';
            *into++ = (char)toupper((unsigned char)path[1]);
            *into++ = (char)toupper((unsigned char)path[2]);
        } else {
            if (strchr(".^-{}\\|", byte))
                *into++ = '\\';
            *into++ = (char)byte;
        }
        path += 3;
    }
    *into = '\0';
}

/* malloc'ed; NULL: no memory. */
static char *migrated_path(const char *path)
{
    size_t length = strlen(path);
    char *migrated;

    if (is_prefix(path))
        return check_normalise_path(path);
    migrated = malloc(length + 2);
    if (!migrated)
        return NULL;
    migrated[0] = '~';
    memcpy(migrated + 1, path, length + 1);
    decode_regex(migrated + 1);
    return migrated;
}

/* An alias of YAML may stand at several routes: what begins with '~' was here before. */
static int migrate_paths(json_t *paths)
{
    json_t *path;
    size_t i;

    json_array_foreach(paths, i, path)
    {
        const char *text = json_string_value(path);
        char *migrated;
        int r;

        if (!text || text[0] == '~' || strlen(text) != json_string_length(path))
            continue;
        migrated = migrated_path(text);
        r = migrated ? 0 : -ENOMEM;
        if (r == 0 && strcmp(migrated, text) != 0 && utf8_is_valid(slice_of(migrated)))
            r = json_array_set_new(paths, i,
                                   json_string(migrated)); /* else validation refuses it */
        free(migrated);
        if (r < 0)
            return -ENOMEM;
    }
    return 0;
}

static int migrate_routes(json_t *above)
{
    json_t *routes = json_object_get(above, "routes"), *route;
    size_t i;
    int r = 0;

    json_array_foreach(routes, i, route)
    {
        if (r == 0)
            r = migrate_paths(json_object_get(route, "paths"));
    }
    return r;
}

int flatten_migrate(json_t *document)
{
    const char *version = json_string_value(json_object_get(document, "_format_version"));
    json_t *services = json_object_get(document, "services"), *service;
    size_t i;
    int r;

    if (!version || (strcmp(version, "1.1") != 0 && strcmp(version, "2.1") != 0))
        return 0;
    r = migrate_routes(document);
    json_array_foreach(services, i, service)
    {
        if (r == 0)
            r = migrate_routes(service);
    }
    if (r == 0 && json_object_set_new(document, "_format_version", json_string("3.0")) < 0)
        r = -ENOMEM;
    return r;
}

const char *flatten_version_error(const json_t *version)
{
    const char *text = json_string_value(version);

    if (!version || json_is_null(version))
        return "required field missing";
    if (!text)
        return "expected a string";
    return strcmp(text, "1.1") == 0 || strcmp(text, "2.1") == 0 || strcmp(text, "3.0") == 0
               ? NULL
               : "expected one of: 1.1, 2.1, 3.0";
}
