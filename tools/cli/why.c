#include "tools/cli/why.h"

#include <stdio.h>

void why_print(const json_t *answer)
{
    const char *story = json_string_value(json_object_get(answer, "story"));

    for (const unsigned char *at = (const unsigned char *)story; at && *at; at++)
        (void)putchar((*at < 0x20 && *at != '\n') || *at >= 0x7f ? '?' : *at);
}
