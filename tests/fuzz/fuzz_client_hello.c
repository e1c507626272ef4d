/* Any bytes: the whole decides as each beginning did, and names hold only what a host name may. */
#include "tls/client_hello.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 2048 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

static int parse_exactly(const uint8_t *data, size_t size, struct client_hello *ret)
{
    char *exact = malloc(size + 1);
    int r;

    must(exact != NULL);
    if (size > 0)
        memcpy(exact, data, size);
    r = client_hello_parse((struct slice){ exact, size }, ret);
    free(exact);
    must(r == 0 || r == -EAGAIN || r == -EINVAL);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client_hello hello, other;
    int whole = parse_exactly(data, size, &hello);
    bool decided = false;

    for (size_t n = 0; n < size && n < STEPS_MAX && !decided; n++) {
        int r = parse_exactly(data, n, &other);

        decided = r != -EAGAIN;
        must(!decided || r == whole);
    }
    if (whole != 0)
        return 0;
    must(strspn(hello.server_name, "abcdefghijklmnopqrstuvwxyz0123456789-._") ==
         strlen(hello.server_name));
    must(strlen(hello.server_name) <= CLIENT_HELLO_NAME_MAX);
    return 0;
}
