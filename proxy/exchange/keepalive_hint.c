#include "proxy/exchange/keepalive_hint.h"

#include "core/http/fields.h"
#include "core/http/http_chars.h"

enum { MARGIN_MS = 1000, TIMEOUT_MAX_S = 24 * 3600 };

/* "name = 12"; larger than `max`: max. */
static bool read_number(struct slice parameter, struct slice name, uint64_t max, uint64_t *ret)
{
    struct slice value;
    uint64_t number = 0;

    if (parameter.len <= name.len ||
        !slice_equal_nocase((struct slice){ parameter.ptr, name.len }, name))
        return false;
    value = http_trim((struct slice){ parameter.ptr + name.len, parameter.len - name.len });
    if (value.len == 0 || value.ptr[0] != '=')
        return false;
    value = http_trim((struct slice){ value.ptr + 1, value.len - 1 });
    if (value.len == 0)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(value.ptr[i] - '0');
        if (number > max)
            number = max;
    }
    *ret = number;
    return true;
}

struct keepalive_hint keepalive_hint_read(struct slice value)
{
    struct keepalive_hint hint = { 0 };
    struct slice parameter;
    uint64_t number;

    while (field_list_next(&value, &parameter)) {
        if (read_number(parameter, SLICE("timeout"), TIMEOUT_MAX_S, &number)) {
            hint.has_timeout = true;
            hint.idle_ms =
                number * 1000 > 2 * MARGIN_MS ? number * 1000 - MARGIN_MS : number * 1000 / 2;
        } else if (read_number(parameter, SLICE("max"), UINT32_MAX, &number)) {
            hint.has_max = true;
            hint.requests_count = (uint32_t)number;
        }
    }
    return hint;
}
