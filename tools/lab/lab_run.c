#include "tools/lab/lab_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/clock.h"
#include "tools/cli/cli.h"
#include "tools/lab/command_line.h"
#include "tools/lab/lab.h"
#include "tools/lab/lab_guard.h"

enum {
    READY_TIMEOUT_MS = 60000,
    END_TIMEOUT_MS = 5000, /* then it is killed */
    PORT_HOP = 8000,
    PORT_HOP_TLS = 8443,
    PORT_WIRE = 9000,
    PORT_ORIGIN = 8080,
    PORT_ORIGIN_TLS = 8444,
    SOCKET_FOLDER_MAX = 90, /* sun_path has 108 bytes */
};

static int complain(const char *what)
{
    (void)fprintf(stderr, "hopgate: %s\n", what);
    return CLI_FAILED;
}

/* ---- places -------------------------------------------------------------------------------- */

uint16_t lab_run_usual_port(const struct chain_element *element)
{
    switch (element->kind) {
    case CHAIN_HOP:
        return element->tls ? PORT_HOP_TLS : PORT_HOP;
    case CHAIN_WIRE:
        return PORT_WIRE;
    case CHAIN_ORIGIN:
        return element->tls ? PORT_ORIGIN_TLS : PORT_ORIGIN;
    }
    return 0;
}

/* 127.0.N.10, .20 ...: the last number says how far from the client. A wire shows what is behind it. */
static void choose_place(struct lab_run *run, size_t i)
{
    const struct chain_element *element = &run->chain->elements[i];
    struct chain_place *place = &run->places[i];
    struct sockaddr_storage stated;

    place->tls = element->kind == CHAIN_WIRE ? run->places[i + 1].tls : element->tls;
    if (element->address && addr_parse(slice_of(element->address), 0, &stated) == 0) {
        (void)addr_format_ip(&stated, place->address, sizeof(place->address));
        place->port = addr_port(&stated);
        return;
    }
    snprintf(place->address, sizeof(place->address), "127.0.%u.%zu", run->place.block,
             10 * (i + 1));
    place->port = lab_place_port(place->address, lab_run_usual_port(element));
}

/* The port of the first address that it says it has: "... http://127.0.20.10:8000 ...". */
static bool read_port(const char *ready, uint16_t *ret)
{
    const char *at = strstr(ready, "://");
    struct sockaddr_storage address;

    if (!at)
        return false;
    at += strlen("://");
    if (addr_parse((struct slice){ at, strcspn(at, " /") }, 0, &address) < 0)
        return false;
    *ret = addr_port(&address);
    return true;
}

/* ---- command lines ------------------------------------------------------------------------- */

static int make_hop(struct lab_run *run, size_t i, const char *folder, struct command_line *command)
{
    const struct chain_element *element = &run->chain->elements[i];
    char prefix[LAB_PATH_MAX * 2];
    struct chain_config_context context = {
        .chain = run->chain,
        .element = element,
        .prefix = prefix,
        .pki_folder = run->pki_folder[0] ? run->pki_folder : NULL,
        .here = run->places[i],
        .is_root = geteuid() == 0,
        .has_cases = run->hook.amend != NULL,
    };
    struct config_errors errors;
    json_t *declarative, *ports = json_array();
    char *conf, *text;
    int r = CLI_OK;

    snprintf(prefix, sizeof(prefix), "%s/prefix", folder);
    context.next.places = &run->places[chain_behind(run->chain, i, &context.next.count)];
    config_errors_init(&errors);
    declarative = chain_config_declarative(&context, run->notes, &errors);
    if (declarative && run->hook.amend)
        run->hook.amend(run->hook.owner, run, i, declarative, ports);
    context.more_ports = ports;
    context.leads_tls = chain_config_leads_tls(declarative);
    conf = chain_config_kong_conf(&context);
    text = declarative ? json_dumps(declarative, JSON_INDENT(2)) : NULL;
    if (!conf || !text || lab_place_write(folder, "kong.conf", conf) < 0 ||
        lab_place_write(folder, "kong.json", text) < 0)
        r = CLI_BAD_CONFIG;
    config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    json_decref(declarative);
    json_decref(ports);
    free(conf);
    free(text);
    command_line_add(command, "run");
    command_line_add(command, "-c");
    command_line_add(command, "%s/kong.conf", folder);
    command_line_add(command, "%s/kong.json", folder);
    return r;
}

static void add_common(const struct lab_run *run, size_t i, const char *folder,
                       struct command_line *command)
{
    const struct chain_element *element = &run->chain->elements[i];
    const struct chain_place *here = &run->places[i];

    if (element->script) {
        command_line_add(command, "--script");
        command_line_add(command, "%s", element->script);
    }
    command_line_add(command, "--control");
    if (strlen(folder) <= SOCKET_FOLDER_MAX)
        command_line_add(command, "unix:%s/control.sock", folder);
    else
        command_line_add(command, "%s:0", here->address);
    command_line_add(command, "--log");
    command_line_add(command, "%s/%s.log", folder, chain_kind_name(element->kind));
    command_line_add(command, "--time-scale");
    command_line_add(command, "%lld", (long long)run->chain->time_scale);
    command_line_add(command, "--seed");
    command_line_add(command, "%lld", (long long)run->chain->seed);
}

static int make_wire(struct lab_run *run, size_t i, const char *folder,
                     struct command_line *command)
{
    const struct chain_element *element = &run->chain->elements[i];
    const struct chain_place *next = &run->places[i + 1];
    json_t *script;
    char *text;

    command_line_add(command, "wire");
    command_line_add(command, "--listen");
    command_line_add(command, "%s:%u", run->places[i].address, run->places[i].port);
    command_line_add(command, "--name");
    command_line_add(command, "%s", element->name);
    command_line_add(command, "--to");
    command_line_add(command, strchr(next->address, ':') ? "[%s]:%u" : "%s:%u", next->address,
                     next->port);
    command_line_add(command, "--bind");
    command_line_add(command, "%s", run->places[i].address);
    if (!element->faults || element->script) {
        add_common(run, i, folder, command);
        return CLI_OK;
    }
    /* faults go by a script of one step: a command line has no room for all that a file can say */
    script = json_pack("{s:[{s:i, s:O}]}", "steps", "at_ms", 0, "faults", element->faults);
    text = script ? json_dumps(script, 0) : NULL;
    json_decref(script);
    if (text && lab_place_write(folder, "faults.json", text) == 0) {
        command_line_add(command, "--script");
        command_line_add(command, "%s/faults.json", folder);
    }
    free(text);
    add_common(run, i, folder, command);
    return CLI_OK;
}

static int make_origin(struct lab_run *run, size_t i, const char *folder,
                       struct command_line *command)
{
    const struct chain_element *element = &run->chain->elements[i];

    command_line_add(command, "origin");
    command_line_add(command, "--listen");
    command_line_add(command, "%s:%u,name=%s%s", run->places[i].address, run->places[i].port,
                     element->name, element->tls ? ",tls" : "");
    if (element->tls) {
        command_line_add(command, "--cert");
        command_line_add(command, "%s/%s/chain.pem", run->pki_folder, element->certificate);
        command_line_add(command, "--key");
        command_line_add(command, "%s/%s/key.pem", run->pki_folder, element->certificate);
        command_line_add(command, "--pki");
        command_line_add(command, "%s", run->pki_folder);
    }
    if (element->tls && strcmp(element->verify_client, "off") != 0) {
        command_line_add(command, "--client-ca");
        command_line_add(command, "%s/ca.pem", run->pki_folder);
    }
    if (element->tls && strcmp(element->verify_client, "optional") == 0)
        command_line_add(command, "--client-optional");
    add_common(run, i, folder, command);
    return CLI_OK;
}

/* ---- starting ------------------------------------------------------------------------------ */

static bool a_signal_came(const struct lab_run *run)
{
    struct pollfd one = { .fd = run->signal_fd, .events = POLLIN };

    return poll(&one, 1, 0) > 0;
}

static int await_ready(struct lab_run *run, struct lab_process *process)
{
    uint64_t until_ms = clock_now_ms() + READY_TIMEOUT_MS;

    while (!process->is_ready && !process->has_ended && clock_now_ms() < until_ms) {
        struct pollfd fds[] = { { .fd = process->pipe, .events = POLLIN },
                                { .fd = process->pidfd, .events = POLLIN },
                                { .fd = run->signal_fd, .events = POLLIN } };

        (void)poll(fds, 3, (int)(until_ms - clock_now_ms()) + 1);
        lab_process_look(process);
        if (a_signal_came(run))
            return CLI_FAILED;
    }
    if (process->is_ready && !process->has_ended)
        return CLI_OK;
    if (process->has_ended)
        lab_process_explain(process);
    else
        (void)fprintf(stderr, "hopgate: %s is not ready after %d s\n", process->name,
                      READY_TIMEOUT_MS / 1000);
    return CLI_FAILED;
}

static int start_element(struct lab_run *run, size_t i)
{
    static int (*const makers[])(struct lab_run *, size_t, const char *, struct command_line *) = {
        [CHAIN_HOP] = make_hop, [CHAIN_WIRE] = make_wire, [CHAIN_ORIGIN] = make_origin
    };
    const struct chain_element *element = &run->chain->elements[i];
    struct lab_process *process = &run->processes[i];
    struct command_line command = { .count = 0 };
    char folder[LAB_PATH_MAX + 64], log[LAB_PATH_MAX * 2];
    int r;

    if (element->address)
        return CLI_OK;
    snprintf(folder, sizeof(folder), "%s/%s", run->place.folder, element->name);
    snprintf(log, sizeof(log), "%s/output", folder);
    if (mkdir(folder, 0700) < 0)
        return complain(strerror(errno));
    command_line_add(&command, "%s", run->binary);
    r = makers[element->kind](run, i, folder, &command);
    if (r == CLI_OK && command.failed)
        r = complain("out of memory");
    if (r == CLI_OK &&
        lab_process_start(process, element->name, command.words, log, run->guard) < 0)
        r = complain("a process cannot be started");
    command_line_done(&command);
    if (r == CLI_OK)
        r = await_ready(run, process);
    if (r == CLI_OK && !read_port(process->ready, &run->places[i].port))
        r = complain("a part of the chain does not say where it listens");
    return r;
}

/* ---- around it ----------------------------------------------------------------------------- */

static int watch_signals(struct lab_run *run)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGQUIT);
    sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    run->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return run->signal_fd < 0 ? complain(strerror(errno)) : CLI_OK;
}

static int make_pki(struct lab_run *run)
{
    struct lab_pki_options options = { .server_name = run->chain->pki_name,
                                       .days = (int)run->chain->pki_days };

    if (!chain_needs_pki(run->chain))
        return CLI_OK;
    snprintf(run->pki_folder, sizeof(run->pki_folder), "%s/pki", run->place.folder);
    options.folder = run->pki_folder;
    return lab_pki_write(&options);
}

static int find_binary(struct lab_run *run)
{
    ssize_t length = readlink("/proc/self/exe", run->binary, sizeof(run->binary) - 1);

    if (length <= 0 || length >= (ssize_t)sizeof(run->binary) - 1)
        return complain("cannot find out where this program is");
    run->binary[length] = '\0';
    return CLI_OK;
}

static int take_place(struct lab_run *run)
{
    char error[LAB_PATH_MAX + 128];

    if (lab_place_take(&run->place, error, sizeof(error)) < 0)
        return complain(error);
    run->guard = lab_guard_start(&run->place, &run->guard_pipe);
    return run->guard < 0 ? complain(strerror(-run->guard)) : CLI_OK;
}

int lab_run_add(struct lab_run *run, const char *name, const struct command_line *words)
{
    struct command_line command = { .count = 0 };
    char folder[LAB_PATH_MAX + 64], log[LAB_PATH_MAX * 2];
    struct lab_process *process;
    int r;

    if (run->processes_count == LAB_PROCESSES_MAX)
        return complain("more processes than a lab has room for; ask for fewer cases");
    process = &run->processes[run->processes_count];
    snprintf(folder, sizeof(folder), "%s/%s", run->place.folder, name);
    snprintf(log, sizeof(log), "%s/output", folder);
    if (mkdir(folder, 0700) < 0)
        return complain(strerror(errno));
    run->processes_count++;
    command_line_add(&command, "%s", run->binary);
    for (size_t i = 0; i < words->count; i++)
        command_line_add(&command, "%s", words->words[i]);
    r = words->failed || command.failed
            ? -ENOMEM
            : lab_process_start(process, name, command.words, log, run->guard);
    command_line_done(&command);
    return r < 0 ? complain("a process cannot be started") : await_ready(run, process);
}

bool lab_run_is_told_to_end(const struct lab_run *run)
{
    return a_signal_came(run);
}

int lab_run_start(struct lab_run *run, const struct chain *chain, const struct lab_run_hook *hook)
{
    int r;

    *run = (struct lab_run){ .chain = chain, .signal_fd = -1, .place.lock_fd = -1 };
    run->processes_count = chain->count;
    if (hook)
        run->hook = *hook;
    run->notes = json_array();
    r = find_binary(run);
    if (r == CLI_OK)
        r = watch_signals(run);
    if (r == CLI_OK)
        r = take_place(run);
    if (r == CLI_OK)
        r = make_pki(run);
    for (size_t i = chain->count; r == CLI_OK && i > 0; i--) {
        choose_place(run, i - 1);
        r = start_element(run, i - 1);
    }
    return r;
}

void lab_run_url(const struct lab_run *run, char *into, size_t size)
{
    snprintf(into, size, "%s://%s:%u%s", run->places[0].tls ? "https" : "http",
             run->places[0].tls ? run->chain->client.host : run->places[0].address,
             run->places[0].port, run->chain->client.path);
}

/* ---- watching and ending ------------------------------------------------------------------- */

static size_t fill_polls(struct lab_run *run, struct pollfd *fds)
{
    size_t count = 0;

    fds[count++] = (struct pollfd){ .fd = run->signal_fd, .events = POLLIN };
    for (size_t i = 0; i < run->processes_count; i++) {
        const struct lab_process *process = &run->processes[i];

        if (!process->name || process->has_ended)
            continue;
        fds[count++] = (struct pollfd){ .fd = process->pipe, .events = POLLIN };
        fds[count++] = (struct pollfd){ .fd = process->pidfd, .events = POLLIN };
    }
    return count;
}

static void look_at_all(struct lab_run *run, bool tells)
{
    for (size_t i = 0; i < run->processes_count; i++) {
        struct lab_process *process = &run->processes[i];
        bool had_ended = process->has_ended;

        if (!process->name || had_ended)
            continue;
        lab_process_look(process);
        if (tells && process->has_ended)
            lab_process_explain(process);
    }
}

void lab_run_watch(struct lab_run *run)
{
    struct pollfd fds[1 + 2 * LAB_PROCESSES_MAX];

    while (!a_signal_came(run)) {
        size_t count = fill_polls(run, fds);

        (void)poll(fds, (nfds_t)count, -1);
        look_at_all(run, true);
    }
}

static bool all_have_ended(const struct lab_run *run)
{
    for (size_t i = 0; i < run->processes_count; i++)
        if (run->processes[i].name && run->processes[i].pid > 0)
            return false;
    return true;
}

/* The front first, so that nobody meets a missing next one. */
static void tell_to_end(struct lab_run *run)
{
    for (size_t i = 0; i < run->processes_count; i++)
        if (run->processes[i].name)
            lab_process_signal(&run->processes[i], SIGTERM);
}

static bool is_hop(const struct lab_run *run, size_t process)
{
    return process < run->chain->count && run->chain->elements[process].kind == CHAIN_HOP;
}

static bool hops_have_ended(const struct lab_run *run)
{
    for (size_t i = 0; i < run->processes_count; i++)
        if (is_hop(run, i) && run->processes[i].name && !run->processes[i].has_ended)
            return false;
    return true;
}

static void await_ends(struct lab_run *run, bool (*have_ended)(const struct lab_run *),
                       uint64_t patience_ms)
{
    struct pollfd fds[1 + 2 * LAB_PROCESSES_MAX];
    uint64_t until_ms = clock_now_ms() + patience_ms;

    while (!have_ended(run) && clock_now_ms() < until_ms) {
        size_t count = fill_polls(run, fds);

        (void)poll(fds + 1, (nfds_t)(count - 1), (int)(until_ms - clock_now_ms()) + 1);
        look_at_all(run, false);
    }
}

/* TERM a second time ends what drains. */
static void end_processes(struct lab_run *run)
{
    tell_to_end(run);
    tell_to_end(run);
    await_ends(run, all_have_ended, END_TIMEOUT_MS);
    for (size_t i = 0; i < run->processes_count; i++)
        if (run->processes[i].name)
            lab_process_done(&run->processes[i]);
}

void lab_run_drain(struct lab_run *run, uint64_t patience_ms)
{
    /* hops first: the end of an origin would be taken for the cause of what has just happened */
    for (size_t i = 0; i < run->processes_count; i++)
        if (is_hop(run, i) && run->processes[i].name)
            lab_process_signal(&run->processes[i], SIGTERM);
    await_ends(run, hops_have_ended, patience_ms);
    tell_to_end(run);
    await_ends(run, all_have_ended, patience_ms);
    end_processes(run);
}

void lab_run_end(struct lab_run *run)
{
    end_processes(run);
    lab_guard_finish(run->guard, run->guard_pipe);
    lab_place_leave(&run->place);
    if (run->signal_fd >= 0)
        (void)close(run->signal_fd);
    json_decref(run->notes);
}
