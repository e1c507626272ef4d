#include "config/service_url.h"

#include <ctype.h>
#include <string.h>

#include "core/addr.h"

/* "https:" at the front, without the colon; empty when there is none (LuaSocket's url.parse). */
static struct slice scheme_of(const char *url)
{
    size_t length = 0;

    if (!isalnum((unsigned char)*url))
        return SLICE("");
    while (isalnum((unsigned char)url[length]) || (url[length] && strchr("+-.", url[length])))
        length++;
    return url[length] == ':' ? (struct slice){ url, length } : SLICE("");
}

static json_t *path_of(const char *path)
{
    size_t length = strcspn(path, ";?#");

    return length > 0 ? json_stringn(path, length) : json_null();
}

json_t *service_url_expand(const char *url)
{
    struct slice scheme = scheme_of(url), authority, host = SLICE(""), port = { 0 };
    const char *rest = url + (scheme.len > 0 ? scheme.len + 1 : 0);
    uint16_t number = slice_equal(scheme, SLICE("https")) ? 443 : 80;
    json_t *fields;

    if (scheme.len == 0)
        scheme = SLICE("http");
    if (strncmp(rest, "//", 2) == 0) {
        authority = (struct slice){ rest + 2, strcspn(rest + 2, "/?#") };
        rest = authority.ptr + authority.len;
        const char *user_end = memrchr(authority.ptr, '@', authority.len);
        if (user_end)
            authority = slice_from(authority, (size_t)(user_end - authority.ptr) + 1);
        if (addr_split_host_port(authority, &host, &port) < 0 ||
            (port.ptr && addr_parse_port(port, &number) < 0))
            host = authority; /* wrong as a whole, and the check of 'host' says so */
    }
    fields = json_pack("{s:s%, s:i, s:o}", "protocol", scheme.ptr, scheme.len, "port", number,
                       "path", path_of(rest));
    if (fields && host.len > 0 &&
        json_object_set_new(fields, "host", json_stringn(host.ptr, host.len)) < 0) {
        json_decref(fields);
        return NULL;
    }
    return fields;
}
