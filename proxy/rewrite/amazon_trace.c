#include "proxy/rewrite/amazon_trace.h"

/* "If the HTTP headers are greater than 7 KB, the load balancer rewrites" it with a Root field. */
enum { HEAD_BYTES_MAX = 7 * 1024 };

static bool is_large(const struct fields *fields)
{
    size_t bytes = 0;

    for (uint32_t i = 0; i < fields->count; i++)
        bytes += fields->items[i].name.len + fields->items[i].value.len + sizeof(": \r\n") - 1;
    return bytes > HEAD_BYTES_MAX;
}

/* Version 1, seconds since 1970, 96 bits that nobody else has. */
static void put_new(const struct exchange_record *record, const char *name, struct text *into)
{
    text_addf(into, "%s=1-%08llx-%.24s", name,
              (unsigned long long)(record->started_at_unix_ms / 1000), record->request_id);
}

static struct slice next_part(struct slice *rest)
{
    size_t n = 0;
    struct slice part;

    while (n < rest->len && rest->ptr[n] != ';')
        n++;
    part = (struct slice){ rest->ptr, n };
    *rest = slice_from(*rest, n < rest->len ? n + 1 : n);
    while (part.len > 0 && (part.ptr[0] == ' ' || part.ptr[0] == '\t'))
        part = slice_from(part, 1);
    return part;
}

static bool has_part(struct slice value, struct slice name)
{
    while (value.len > 0)
        if (slice_starts_with(next_part(&value), name))
            return true;
    return false;
}

/* Our own part first, then all of the client's but a former Self. */
static void put_before(const struct exchange_record *record, struct slice value, struct text *into)
{
    bool is_known = has_part(value, SLICE("Root=")) || has_part(value, SLICE("Self="));

    put_new(record, is_known ? "Self" : "Root", into);
    while (value.len > 0) {
        struct slice part = next_part(&value);

        if (part.len == 0 || slice_starts_with(part, SLICE("Self=")))
            continue;
        text_add_string(into, ";");
        text_add(into, part);
    }
}

void amazon_trace_put(const struct exchange_record *record, struct text *into)
{
    const struct fields *fields = record->request ? &record->request->fields : NULL;
    const struct field *told = fields ? fields_find_name(fields, SLICE("X-Amzn-Trace-Id")) : NULL;

    if (!told || is_large(fields))
        put_new(record, "Root", into);
    else
        put_before(record, told->value, into);
}
