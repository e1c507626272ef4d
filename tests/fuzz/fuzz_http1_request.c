/* Any bytes as requests in a row. options: bit 0 tight limits. */
#include "tests/fuzz/head_properties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct session_setup setup = { .role = HTTP1_REQUEST };
    struct fuzz_input input;

    if (!fuzz_input_read(data, size, &input))
        return 0;
    setup.limits = input.options & 1 ? &tight_limits : NULL;
    check_heads(setup, &input);
    return 0;
}
