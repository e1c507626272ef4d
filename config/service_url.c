#include "config/service_url.h"

#include <string.h>

#include "core/addr.h"

json_t *service_url_expand(const char *url)
{
    const char *authority = strstr(url, "//"), *path;
    struct slice scheme, authority_text, host, port;
    uint16_t number;
    json_t *fields;

    if (!authority || (authority != url && authority[-1] != ':'))
        return json_pack("{s:s, s:s}", "protocol", "http", "path", url);
    scheme = (struct slice){ url, authority == url ? 0 : (size_t)(authority - url) - 1 };
    if (authority == url)
        scheme = SLICE("http");
    authority += 2;
    path = authority + strcspn(authority, "/?#");
    authority_text = (struct slice){ authority, (size_t)(path - authority) };
    const char *user_end = memrchr(authority, '@', authority_text.len);
    if (user_end)
        authority_text = slice_from(authority_text, (size_t)(user_end - authority) + 1);
    number = slice_equal(scheme, SLICE("https")) ? 443 : 80;
    if (addr_split_host_port(authority_text, &host, &port) < 0 ||
        (port.ptr && addr_parse_port(port, &number) < 0))
        host = authority_text; /* wrong as a whole, and the check of 'host' says so */
    fields =
        json_pack("{s:s%, s:i, s:o}", "protocol", scheme.ptr, scheme.len, "port", number, "path",
                  *path == '/' ? json_stringn(path, strcspn(path, "?#")) : json_null());
    if (fields && host.len > 0 &&
        json_object_set_new(fields, "host", json_stringn(host.ptr, host.len)) < 0) {
        json_decref(fields);
        return NULL;
    }
    return fields;
}
