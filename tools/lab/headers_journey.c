#include "tools/lab/headers_journey.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "config/file.h"
#include "core/base64.h"
#include "tools/cli/cli.h"

enum { REQUEST_BYTES_MAX = 1 << 20, PROBE_WORDS_MAX = 16, LOOKS_MAX = 20, LOOK_MS = 100 };

static int complain(const char *what, const char *why)
{
    (void)fprintf(stderr, "hopgate lab headers: %s%s%s\n", what, why[0] ? ": " : "", why);
    return CLI_FAILED;
}

/* ---- the origin ---------------------------------------------------------------------------- */

/* Every connection of the origin: a request, this answer, and again. */
static json_t *script_json(struct slice answer)
{
    char *text = malloc(base64_length(answer.len) + 1);
    json_t *json = NULL;

    if (text) {
        base64_encode((const unsigned char *)answer.ptr, answer.len, text);
        text[base64_length(answer.len)] = '\0';
        json = json_pack("{s:{s:{s:[[s], [s, {s:s}], [s]]}}, s:s}", "faults", "telling", "steps",
                         "read_request", "send", "base64", text, "loop", "fault", "telling");
    }
    free(text);
    return json;
}

/* A file in memory: nothing is left of it, however this ends. */
static int write_script(struct headers_journey *journey)
{
    json_t *json = script_json(journey->answer);
    int r = -1;

    journey->script_fd = memfd_create("hopgate-headers", MFD_CLOEXEC);
    if (json && journey->script_fd >= 0)
        r = json_dumpfd(json, journey->script_fd, JSON_COMPACT);
    json_decref(json);
    snprintf(journey->script, sizeof(journey->script), "/proc/%d/fd/%d", (int)getpid(),
             journey->script_fd);
    return r == 0 ? CLI_OK : complain("the origin's script cannot be written", strerror(errno));
}

int headers_journey_init(struct headers_journey *journey)
{
    uint64_t random = 0;

    *journey = (struct headers_journey){ .script_fd = -1, .client.wire.fd = -1 };
    (void)!getrandom(&random, sizeof(random), 0); /* 0 tells it apart as well, but for others */
    snprintf(journey->case_id, sizeof(journey->case_id), "headers-%016llx",
             (unsigned long long)random);
    journey->answer = headers_sample_response();
    return journey->answer.ptr ? write_script(journey) : complain("out of memory", "");
}

void headers_journey_done(struct headers_journey *journey)
{
    headers_client_done(&journey->client);
    probe_options_done(&journey->probe);
    free((char *)(uintptr_t)journey->request.ptr);
    free((char *)(uintptr_t)journey->answer.ptr);
    if (journey->script_fd >= 0)
        (void)close(journey->script_fd); /* nobody reads it any more */
}

/* ---- the request --------------------------------------------------------------------------- */

/* A text editor's lines become those of HTTP; what follows the empty line stays as it is. */
static struct slice with_crlf(const char *text, size_t length)
{
    char *bytes = NULL;
    size_t size, i = 0, line = 0;
    FILE *stream = open_memstream(&bytes, &size);

    if (!stream)
        return (struct slice){ NULL, 0 };
    for (; i < length; i++) {
        if (text[i] == '\r' && i + 1 < length && text[i + 1] == '\n')
            continue;
        if (text[i] != '\n') {
            (void)fputc(text[i], stream);
            line++;
            continue;
        }
        (void)fputs("\r\n", stream);
        if (line == 0)
            break;
        line = 0;
    }
    if (i < length)
        (void)fwrite(text + i + 1, 1, length - i - 1, stream);
    else
        (void)fputs(line > 0 ? "\r\n\r\n" : "\r\n", stream);
    if (fclose(stream) == 0)
        return (struct slice){ bytes, size };
    free(bytes);
    return (struct slice){ NULL, 0 };
}

static int read_request(struct headers_journey *journey, const char *file)
{
    struct config_errors errors;
    char *text = NULL;
    size_t length = 0;
    int r;

    config_errors_init(&errors);
    r = file_read(file, REQUEST_BYTES_MAX, &text, &length, &errors);
    config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    if (r < 0)
        return CLI_USAGE;
    journey->request = with_crlf(text, length);
    free(text);
    journey->case_id[0] = '\0';
    return journey->request.ptr ? CLI_OK : complain("out of memory", "");
}

int headers_journey_aim(struct headers_journey *journey, const struct headers_options *options,
                        const struct headers_destination *destination)
{
    const char *const pairs[][2] = { { "--connect", destination->connect },
                                     { "--cacert", destination->ca },
                                     { "--cert", destination->certificate },
                                     { "--key", destination->key } };
    const char *words[PROBE_WORDS_MAX] = { "probe", "--timeout", "60" };
    int count = 3, r;

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (pairs[i][1]) {
            words[count++] = pairs[i][0];
            words[count++] = pairs[i][1];
        }
    words[count++] = destination->url;
    r = probe_options_parse(count, (char **)(uintptr_t)words, &journey->probe);
    if (r != 0)
        return r < 0 ? CLI_USAGE : r;
    if (options->request)
        return read_request(journey, options->request);
    journey->request =
        headers_sample_request(journey->probe.target[0] == '/' ? journey->probe.target : "/",
                               journey->probe.authority, journey->case_id);
    return journey->request.ptr ? CLI_OK : complain("out of memory", "");
}

void headers_journey_go(struct headers_journey *journey)
{
    if (!headers_client_ask(&journey->client, &journey->probe, journey->request))
        (void)complain("the client got no answer", journey->client.error);
}

/* ---- what the origin saw ------------------------------------------------------------------- */

static json_t *look_for_it(const struct headers_journey *journey, const char *ready)
{
    const char *control = strstr(ready, "control=");
    char address[256];
    json_t *answer, *request, *found = NULL;
    size_t i;

    if (!control)
        return NULL;
    control += strlen("control=");
    snprintf(address, sizeof(address), "%.*s", (int)strcspn(control, " "), control);
    answer = headers_control_get(address, "/requests?limit=10000");
    json_array_foreach(json_object_get(answer, "requests"), i, request)
    {
        const char *seen = json_string_value(json_object_get(request, "case"));

        if (!found || !journey->case_id[0] || (seen && strcmp(seen, journey->case_id) == 0))
            found = request; /* the last try counts */
    }
    json_incref(found);
    json_decref(answer);
    return found;
}

/* A busy machine's control API may need a second look. */
json_t *headers_journey_seen(const struct headers_journey *journey, const char *ready)
{
    json_t *found = look_for_it(journey, ready);

    for (int i = 0; !found && i < LOOKS_MAX; i++) {
        (void)poll(NULL, 0, LOOK_MS);
        found = look_for_it(journey, ready);
    }
    return found;
}

int headers_journey_report(const struct headers_journey *journey, const json_t *seen,
                           struct headers_report *report)
{
    struct headers_place *whole = headers_report_add(report, "end to end");
    struct headers_leg *request = &whole->legs[HEADERS_REQUEST];
    struct headers_leg *response = &whole->legs[HEADERS_RESPONSE];
    struct slice answer = arena_copy(
        &report->arena, (struct slice){ journey->client.answer, journey->client.length });
    struct slice sent = arena_copy(&report->arena, journey->request);
    struct slice made = arena_copy(&report->arena, journey->answer);
    int r;

    whole->is_whole_way = true;
    if (!answer.ptr || !sent.ptr || !made.ptr)
        return -ENOMEM;
    r = headers_message_parse(sent, &report->arena, &request->before);
    if (r == 0)
        r = headers_message_of_json(seen, &report->arena, &request->after);
    if (r == 0 && seen)
        r = headers_message_parse(made, &report->arena, &response->before);
    if (r == 0 && answer.len > 0)
        r = headers_message_parse(answer, &report->arena, &response->after);
    return r;
}
