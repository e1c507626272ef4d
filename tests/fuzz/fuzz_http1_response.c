/* Any bytes as responses. options: bit 0 tight limits, bits 1-2 the method of the request. */
#include "tests/fuzz/head_properties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum http_method methods[] = { HTTP_METHOD_GET, HTTP_METHOD_HEAD,
                                                HTTP_METHOD_CONNECT, HTTP_METHOD_POST };
    struct session_setup setup = { .role = HTTP1_RESPONSE };
    struct fuzz_input input;

    if (!fuzz_input_read(data, size, &input))
        return 0;
    setup.limits = input.options & 1 ? &tight_limits : NULL;
    setup.request_method = methods[input.options >> 1 & 3];
    check_heads(setup, &input);
    return 0;
}
