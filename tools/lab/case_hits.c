#include "tools/lab/case_hits.h"

#include <stdlib.h>
#include <string.h>

static void count_line(json_t *hits, const char *line, const char *origin)
{
    json_t *request = json_loads(line, 0, NULL);
    const char *name = json_string_value(json_object_get(request, "case"));
    json_t *counts = name ? json_object_get(hits, name) : NULL;

    if (name && !counts)
        json_object_set_new(hits, name, counts = json_object());
    if (counts)
        json_object_set_new(counts, origin,
                            json_integer(json_integer_value(json_object_get(counts, origin)) + 1));
    json_decref(request);
}

static void read_log(json_t *hits, const struct lab_run *run, const char *folder,
                     const char *origin)
{
    char path[LAB_PATH_MAX * 2], *line = NULL;
    size_t size = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s/origin.log", run->place.folder, folder);
    file = fopen(path, "re");
    while (file && getline(&line, &size, file) > 0)
        count_line(hits, line, origin);
    if (file)
        (void)fclose(file);
    free(line);
}

json_t *case_hits_read(const struct lab_run *run)
{
    json_t *hits = json_object();
    const struct chain *chain = run->chain;

    for (size_t i = 0; hits && i < run->processes_count; i++) {
        size_t element = i;

        if (!run->processes[i].name)
            continue;
        /* "cases-origin4-0" belongs to the fifth part */
        if (i >= chain->count && sscanf(run->processes[i].name, "cases-origin%zu-", &element) != 1)
            continue;
        if (element < chain->count && chain->elements[element].kind == CHAIN_ORIGIN)
            read_log(hits, run, run->processes[i].name, chain->elements[element].name);
    }
    return hits;
}
