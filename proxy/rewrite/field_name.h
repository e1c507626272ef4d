/*
 * field_name: names of fields against the patterns that personas and families of fields use.
 *
 * Role    ASCII case-insensitive; a pattern that ends in "*" is a prefix
 * Owns    nothing
 * Thread  any; pure
 */
#ifndef PROXY_FIELD_NAME_H
#define PROXY_FIELD_NAME_H

#include <stdbool.h>

#include "core/slice.h"

static inline char field_name_fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* as_cgi: "_" is "-", because behind CGI (RFC 3875 4.1.18) both are one variable. */
static inline bool field_name_matches(struct slice pattern, struct slice name, bool as_cgi)
{
    bool prefix = pattern.len > 0 && pattern.ptr[pattern.len - 1] == '*';
    size_t length = prefix ? pattern.len - 1 : pattern.len;

    if (prefix ? name.len < length : name.len != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        char wanted = field_name_fold(pattern.ptr[i]), found = field_name_fold(name.ptr[i]);

        if (as_cgi && wanted == '_')
            wanted = '-';
        if (as_cgi && found == '_')
            found = '-';
        if (wanted != found)
            return false;
    }
    return true;
}

#endif
