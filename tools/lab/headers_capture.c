#include "tools/lab/headers_capture.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/clock.h"
#include "tools/cli/cli.h"

enum { PATIENCE_MS = 60000, LOOK_MS = 20 };

static uint64_t number_of(const json_t *line, const char *object, const char *member)
{
    return (uint64_t)json_integer_value(json_object_get(json_object_get(line, object), member));
}

static const char *text_of(const json_t *line, const char *object, const char *member)
{
    const char *text = json_string_value(json_object_get(json_object_get(line, object), member));

    return text ? text : "";
}

static bool came_over(const json_t *line, const struct headers_arrival *from)
{
    return strcmp(text_of(line, "client", "peer_ip"), from->ip) == 0 &&
           number_of(line, "client", "peer_port") == from->port &&
           number_of(line, "client", "request_number") == from->number;
}

/* The line of that exchange, a new reference; NULL: it is not there (yet). is_any: the last one will do,
 * for nobody knows how the request came. */
static json_t *find_line(const char *path, const struct headers_arrival *from, bool is_any)
{
    FILE *stream = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    json_t *found = NULL;
    ssize_t length;

    while (stream && (length = getline(&text, &size, stream)) > 0) {
        json_t *line = text[length - 1] == '\n' ? json_loadb(text, (size_t)length, 0, NULL) : NULL;

        if (line && (is_any || came_over(line, from))) {
            json_decref(found);
            found = json_incref(line);
        }
        json_decref(line);
    }
    free(text);
    if (stream)
        (void)fclose(stream);
    return found;
}

/* False: a signal asks for the end. */
static bool wait_a_little(const struct lab_run *run)
{
    struct pollfd one = { .fd = run->signal_fd, .events = POLLIN };

    return poll(&one, 1, LOOK_MS) == 0;
}

static json_t *await_line(const struct lab_run *run, const char *hop,
                          const struct headers_arrival *from)
{
    uint64_t until_ms = clock_now_ms() + PATIENCE_MS;
    char path[LAB_PATH_MAX * 2];
    json_t *line = NULL;

    snprintf(path, sizeof(path), "%s/%s/prefix/%s", run->place.folder, hop, HEADERS_CAPTURE_FILE);
    while (!line && clock_now_ms() < until_ms) {
        line = find_line(path, from, from->port == 0);
        if (!line && !wait_a_little(run))
            return NULL;
    }
    return line;
}

/* ---- into the report ----------------------------------------------------------------------- */

static int fill(const json_t *line, struct headers_report *report, struct headers_place *place)
{
    struct headers_leg *request = &place->legs[HEADERS_REQUEST];
    struct headers_leg *response = &place->legs[HEADERS_RESPONSE];
    const struct {
        const char *member;
        struct headers_message *into;
    } rows[] = { { "request_received", &request->before },
                 { "request_sent", &request->after },
                 { "response_received", &response->before },
                 { "response_sent", &response->after } };
    int r = 0;

    for (size_t i = 0; r == 0 && i < 4; i++)
        r = headers_message_of_json(json_object_get(line, rows[i].member), &report->arena,
                                    rows[i].into);
    return r;
}

static void note_client(const struct sockaddr_storage *client, struct headers_arrival *ret)
{
    *ret = (struct headers_arrival){ .port = addr_port(client), .number = 1 };
    (void)addr_format_ip(client, ret->ip, sizeof(ret->ip));
}

/* The next hop's client is this one's connection to its target. */
static void note_target(const json_t *line, struct headers_arrival *ret)
{
    *ret = (struct headers_arrival){ .port = (uint16_t)number_of(line, "target", "local_port"),
                                     .number = number_of(line, "target", "request_number") };
    snprintf(ret->ip, sizeof(ret->ip), "%s", text_of(line, "target", "local_ip"));
}

int headers_capture_collect(const struct lab_run *run, const struct sockaddr_storage *client,
                            struct headers_report *report)
{
    struct headers_arrival from;
    bool goes_on = true;

    note_client(client, &from);
    for (size_t i = 0; i < run->chain->count; i++) {
        const struct chain_element *element = &run->chain->elements[i];
        struct headers_place *place;
        json_t *line;
        int r;

        if (element->kind == CHAIN_WIRE)
            from = (struct headers_arrival){ .port = 0 };
        if (element->kind != CHAIN_HOP)
            continue;
        place = headers_report_add(report, element->name);
        place->persona = element->persona;
        if (!goes_on)
            continue;
        line = await_line(run, element->name, &from);
        if (!line) {
            (void)fprintf(stderr, "hopgate lab headers: hop %s has written nothing down\n",
                          element->name);
            return CLI_FAILED;
        }
        r = fill(line, report, place);
        note_target(line, &from);
        goes_on = place->legs[HEADERS_REQUEST].after.exists;
        json_decref(line);
        if (r < 0)
            return CLI_FAILED;
    }
    return CLI_OK;
}
