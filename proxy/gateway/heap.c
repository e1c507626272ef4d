#include "proxy/gateway/heap.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The last `size` of that element: malloc_info ends with the sums over all arenas. 0: there is none. */
static uint64_t size_of(const char *xml, const char *element)
{
    unsigned long long size = 0;

    for (const char *at = xml; (at = strstr(at, element)) != NULL; at++) {
        const char *value = strstr(at, "size=\"");

        if (value)
            size = strtoull(value + strlen("size=\""), NULL, 10);
    }
    return size;
}

static void read_figures(const char *xml, struct heap_figures *ret)
{
    uint64_t arenas = size_of(xml, "<system type=\"current\"");
    uint64_t unused = size_of(xml, "<total type=\"fast\"") + size_of(xml, "<total type=\"rest\"");

    *ret = (struct heap_figures){ .in_use_bytes = arenas > unused ? arenas - unused : 0,
                                  .free_bytes = unused,
                                  .mapped_bytes = size_of(xml, "<total type=\"mmap\"") };
}

bool heap_look(struct heap_figures *ret)
{
    char *xml = NULL;
    size_t length;
    FILE *stream = open_memstream(&xml, &length);
    bool done;

    if (!stream)
        return false;
    done = malloc_info(0, stream) == 0;
    done = fclose(stream) == 0 && done;
    if (done)
        read_figures(xml, ret);
    free(xml);
    return done;
}
