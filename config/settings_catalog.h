/*
 * settings_catalog: the keys of kong.conf for people: what each means, beside what the table says.
 *
 * Role    one entry per key, in the order of the table; the manual page is made from it
 * Owns    nothing; constant
 * Thread  any
 */
#ifndef CONFIG_SETTINGS_CATALOG_H
#define CONFIG_SETTINGS_CATALOG_H

#include <stdbool.h>
#include <stddef.h>

struct settings_entry {
    const char *name;         /* "pg_*": a family */
    const char *default_text; /* NULL: none, or the persona's */
    const char *values;       /* "a, b", or NULL */
    const char *meaning;      /* NULL unless it is used */
    const char *reason;       /* why it has no effect or is refused; NULL: it is used */
    const char *alias_of;     /* another name of that key; NULL: it is none */
};

/* False: there are no more. */
bool settings_catalog_entry(size_t index, struct settings_entry *ret);

/* Whether kong.conf knows the key, by any of its names. */
bool settings_catalog_has(const char *key);

#endif
