#include "tools/lab/case_wires.h"

#include <stdlib.h>
#include <string.h>

enum { WIRES_IN_A_ROW_MAX = 4 };

/* from: the wire's own end towards the server -> {client, listener} */
static void note_line(json_t *map, const char *line)
{
    json_t *event = json_loads(line, 0, NULL);
    const char *from = json_string_value(json_object_get(event, "local"));
    json_t *client = json_object_get(event, "client");
    json_t *listener = json_object_get(event, "listen");

    if (from && client && listener)
        json_object_set_new(map, from,
                            json_pack("{s:O, s:O}", "client", client, "listener", listener));
    json_decref(event);
}

static void read_log(json_t *map, const struct lab_run *run, const char *name)
{
    char path[LAB_PATH_MAX * 2], *line = NULL;
    size_t size = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s/wire.log", run->place.folder, name);
    file = fopen(path, "re");
    while (file && getline(&line, &size, file) > 0)
        note_line(map, line);
    if (file)
        (void)fclose(file);
    free(line);
}

static bool move_back(const json_t *map, struct trace_account *account)
{
    char text[ADDR_TEXT_MAX];
    const json_t *flow = json_object_get(map, addr_format(&account->peer, text, sizeof(text)));
    const char *client = json_string_value(json_object_get(flow, "client"));
    const char *listener = json_string_value(json_object_get(flow, "listener"));
    struct sockaddr_storage peer, local;

    if (!client || !listener || addr_parse(slice_of(client), 0, &peer) < 0 ||
        addr_parse(slice_of(listener), 0, &local) < 0)
        return false;
    account->peer = peer;
    account->local = local;
    return true;
}

void case_wires_see_through(const struct lab_run *run, struct trace *trace)
{
    json_t *map = json_object();

    for (size_t i = 0; map && i < run->processes_count; i++)
        if (run->processes[i].name)
            read_log(map, run, run->processes[i].name);
    for (struct trace_account *at = trace->first; at; at = at->next_in_trace)
        for (int i = 0; i < WIRES_IN_A_ROW_MAX && trace_is_known(&at->peer) && move_back(map, at);
             i++)
            continue;
    json_decref(map);
}
