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

const struct chain_element *case_element_of(const struct lab_run *run, size_t process)
{
    const struct chain *chain = run->chain;
    size_t element = process;

    if (!run->processes[process].name)
        return NULL;
    /* "cases-origin4-0" belongs to the fifth part */
    if (process >= chain->count &&
        sscanf(run->processes[process].name, "cases-origin%zu-", &element) != 1)
        return NULL;
    return element < chain->count ? &chain->elements[element] : NULL;
}

json_t *case_hits_read(const struct lab_run *run)
{
    json_t *hits = json_object();

    for (size_t i = 0; hits && i < run->processes_count; i++) {
        const struct chain_element *element = case_element_of(run, i);

        if (element && element->kind == CHAIN_ORIGIN)
            read_log(hits, run, run->processes[i].name, element->name);
    }
    return hits;
}
