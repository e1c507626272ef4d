#include "tools/lab/headers_run.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "tools/cli/cli.h"
#include "tools/lab/headers_capture.h"
#include "tools/lab/headers_journey.h"
#include "tools/lab/lab_run.h"

enum { READY_TIMEOUT_MS = 60000 };

static int complain(const char *what, const char *word)
{
    (void)fprintf(stderr, "hopgate lab headers: %s%s\n", what, word);
    return CLI_FAILED;
}

/* ---- a chain ------------------------------------------------------------------------------- */

/* Secrets are captured so that the origin's copy can be compared; the report masks them, and the file
 * is the user's alone and ends with the lab. */
static json_t *settings_of_hop(const struct chain_element *element)
{
    json_t *settings = element->settings ? json_deep_copy(element->settings) : json_object();

    if (!settings || json_object_set_new(settings, "hopgate_lab", json_true()) < 0 ||
        json_object_set_new(settings, "hopgate_capture_log", json_string(HEADERS_CAPTURE_FILE)) <
            0 ||
        json_object_set_new(settings, "hopgate_capture_secrets", json_true()) < 0) {
        json_decref(settings);
        return NULL;
    }
    return settings;
}

/* made: the settings, to be freed when the chain is not used any more. */
static int prepare(struct chain *chain, const char *script, json_t *made)
{
    for (size_t i = 0; i < chain->count; i++) {
        struct chain_element *element = &chain->elements[i];
        json_t *settings;

        if (element->kind == CHAIN_ORIGIN && element->address)
            return complain("an origin with an address cannot tell what it sees; leave `address` "
                            "out, or use --url: ",
                            element->name);
        if (element->kind == CHAIN_ORIGIN)
            element->script = script;
        if (element->kind != CHAIN_HOP)
            continue;
        if (element->number > 0)
            return complain("one path is followed; leave `count` out of hop ", element->group);
        settings = settings_of_hop(element);
        if (!settings || json_array_append_new(made, settings) < 0)
            return complain("out of memory", "");
        element->settings = settings;
    }
    return CLI_OK;
}

static int aim_at_chain(const struct lab_run *run, const struct headers_options *options,
                        struct headers_journey *journey)
{
    const struct chain_place *front = &run->places[0];
    const char *name = run->chain->client.certificate;
    char url[1024], connect[64], ca[LAB_PATH_MAX * 2], certificate[LAB_PATH_MAX * 2],
        key[LAB_PATH_MAX * 2];
    struct headers_destination to = { .url = url, .connect = connect };

    lab_run_url(run, url, sizeof(url));
    snprintf(connect, sizeof(connect), strchr(front->address, ':') ? "[%s]:%u" : "%s:%u",
             front->address, front->port);
    snprintf(ca, sizeof(ca), "%s/ca.pem", run->pki_folder);
    snprintf(certificate, sizeof(certificate), "%s/%s/chain.pem", run->pki_folder,
             name ? name : "");
    snprintf(key, sizeof(key), "%s/%s/key.pem", run->pki_folder, name ? name : "");
    if (front->tls)
        to.ca = ca;
    if (front->tls && name) {
        to.certificate = certificate;
        to.key = key;
    }
    return headers_journey_aim(journey, options, &to);
}

/* Of origins that share the load the one that got it. */
static json_t *seen_by_origins(const struct lab_run *run, const struct headers_journey *journey)
{
    json_t *seen = NULL;

    for (size_t i = 0; !seen && i < run->chain->count; i++)
        if (run->chain->elements[i].kind == CHAIN_ORIGIN)
            seen = headers_journey_seen(journey, run->processes[i].ready);
    return seen;
}

static int travel(const struct lab_run *run, const struct headers_options *options,
                  struct headers_journey *journey, struct headers_report *report)
{
    int r = aim_at_chain(run, options, journey);
    sigset_t all;
    json_t *seen;

    /* from here on a signal may kill us at once: the guard cleans up */
    sigfillset(&all);
    (void)sigprocmask(SIG_UNBLOCK, &all, NULL);
    if (r != CLI_OK)
        return r;
    headers_journey_go(journey);
    if (journey->client.wire.fd < 0)
        return CLI_FAILED;
    r = headers_capture_collect(run, &journey->client.local, report);
    if (r != CLI_OK)
        return r;
    seen = seen_by_origins(run, journey);
    r = headers_journey_report(journey, seen, report);
    json_decref(seen);
    return r == 0 ? CLI_OK : CLI_FAILED;
}

int headers_run_chain(const struct headers_options *options, struct chain *chain,
                      struct headers_report *report)
{
    struct lab_run *run = calloc(1, sizeof(*run));
    struct headers_journey journey;
    json_t *made = json_array();
    int r = headers_journey_init(&journey);

    if (r == CLI_OK && (!run || !made))
        r = complain("out of memory", "");
    if (r == CLI_OK)
        r = prepare(chain, journey.script, made);
    if (r == CLI_OK) {
        r = lab_run_start(run, chain, NULL);
        if (r == CLI_OK)
            r = travel(run, options, &journey, report);
        lab_run_end(run);
    }
    headers_journey_done(&journey);
    json_decref(made);
    free(run);
    report->title = chain->name;
    return r;
}

/* ---- somebody else's product --------------------------------------------------------------- */

static bool await_ready(struct lab_process *process)
{
    uint64_t until_ms = clock_now_ms() + READY_TIMEOUT_MS;

    while (!process->is_ready && !process->has_ended && clock_now_ms() < until_ms) {
        struct pollfd fds[] = { { .fd = process->pipe, .events = POLLIN },
                                { .fd = process->pidfd, .events = POLLIN } };

        (void)poll(fds, 2, (int)(until_ms - clock_now_ms()) + 1);
        lab_process_look(process);
    }
    if (!process->is_ready)
        lab_process_explain(process);
    return process->is_ready && !process->has_ended;
}

static bool start_origin(struct lab_process *process, const char *address, char *script)
{
    char binary[PATH_MAX], listen[512];
    ssize_t length = readlink("/proc/self/exe", binary, sizeof(binary) - 1);
    char *words[] = { binary,        "origin",   "--listen", listen, "--control",
                      "127.0.0.1:0", "--script", script,     NULL };

    snprintf(listen, sizeof(listen), "%s,name=origin", address);
    if (length <= 0)
        return false;
    binary[length] = '\0';
    return lab_process_start(process, "origin", words, "/dev/null", 0) == 0 && await_ready(process);
}

int headers_run_product(const struct headers_options *options, struct headers_report *report)
{
    const struct headers_destination to = { .url = options->url,
                                            .connect = options->connect,
                                            .ca = options->ca };
    struct lab_process origin = { .pidfd = -1, .pipe = -1, .log_fd = -1 };
    struct headers_journey journey;
    int r = headers_journey_init(&journey);
    json_t *seen;

    if (r == CLI_OK)
        r = headers_journey_aim(&journey, options, &to);
    if (r == CLI_OK && !start_origin(&origin, options->origin, journey.script))
        r = complain("the origin does not start at ", options->origin);
    if (r == CLI_OK) {
        headers_journey_go(&journey);
        r = journey.client.wire.fd < 0 ? CLI_FAILED : CLI_OK;
    }
    if (r == CLI_OK) {
        seen = headers_journey_seen(&journey, origin.ready);
        if (headers_journey_report(&journey, seen, report) < 0)
            r = CLI_FAILED;
        json_decref(seen);
    }
    if (origin.name)
        lab_process_done(&origin);
    headers_journey_done(&journey);
    report->title = options->url;
    return r;
}
