/* Any bytes: the whole decides as each beginning did, and what was understood can be written. */
#include "core/proxy_protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static long parse_exactly(const uint8_t *data, size_t size, struct proxy_protocol *ret)
{
    const char *problem = NULL;
    char *exact = malloc(size + 1);
    long r;

    must(exact != NULL);
    if (size > 0)
        memcpy(exact, data, size);
    r = proxy_protocol_parse((struct slice){ exact, size }, ret, &problem);
    must(r == -EAGAIN || (r == -EINVAL && problem) || (r > 0 && (size_t)r <= size));
    free(exact); /* ret's slices are dead, its addresses are not */
    return r;
}

static void check_rewrite(const struct proxy_protocol *read)
{
    struct proxy_protocol again, header = { .version = read->version };
    char bytes[PROXY_PROTOCOL_HEADER_MAX];
    const char *problem;
    long length;

    header.source = read->source;
    header.destination = read->destination;
    length = proxy_protocol_write(&header, bytes, sizeof(bytes));
    must(length > 0);
    must(proxy_protocol_parse((struct slice){ bytes, (size_t)length }, &again, &problem) == length);
    must(again.version == read->version);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_protocol header, other;
    long whole = parse_exactly(data, size, &header);
    size_t steps = size < PROXY_PROTOCOL_HEADER_MAX ? size : PROXY_PROTOCOL_HEADER_MAX;

    for (size_t n = 0; n < steps; n++) {
        long r = parse_exactly(data, n, &other);

        must(r == -EAGAIN || r == whole);
    }
    if (whole > 0)
        check_rewrite(&header);
    return 0;
}
