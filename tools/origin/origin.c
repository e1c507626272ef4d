#include "tools/origin/origin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "config/file.h"
#include "core/addr.h"
#include "core/conn.h"
#include "tools/cli/cli.h"
#include "tools/lab/signal_watch.h"
#include "tools/origin/options.h"
#include "tools/origin/origin_priv.h"

enum {
    SCRIPT_BYTES_MAX = 16 * 1024 * 1024,
    CHUNK_BYTES_MAX = 512 * 1024 * 1024, /* of what is on its way */
    STOP_TIMEOUT_MS = 800,               /* TERM ends within a second */
    STOP_TURN_MS = 20,
    STOP_TURNS_MIN = 20,
    DESCRIPTORS_SPARE = 64,
};

static int fail(const char *what)
{
    (void)fprintf(stderr, "hopgate: %s\n", what);
    return CLI_FAILED;
}

/* ---- scripts ------------------------------------------------------------------------------- */

/* What the command line says about all connections is a script, too. */
static bool fault_as_script(const char *fault, char *into, size_t size)
{
    json_t *object = json_pack("{s:s}", "fault", fault);
    char *text = object ? json_dumps(object, 0) : NULL;

    snprintf(into, size, "%s", text ? text : "");
    json_decref(object);
    free(text);
    return *into != '\0';
}

static struct script *read_script(const struct origin *origin, const struct origin_options *options,
                                  const struct origin_listen_option *listen,
                                  struct config_errors *errors)
{
    const char *file = listen->script ? listen->script : options->script;
    const char *fault = listen->fault ? listen->fault : listen->script ? NULL : options->fault;
    struct script_source source = { .answer = &options->answer,
                                    .builtin = origin->library,
                                    .seed = origin->seed };
    char *text = NULL, line[512];
    struct script *script = NULL;

    if (fault && fault_as_script(fault, line, sizeof(line))) {
        source.text = slice_of(line);
        source.format = DOCUMENT_JSON;
        source.file = "--fault";
    } else if (file) {
        if (file_read(file, SCRIPT_BYTES_MAX, &text, &source.text.len, errors) < 0)
            return NULL;
        source.text.ptr = text;
        source.format = document_guess_format(file, source.text);
        source.file = file;
    }
    script = script_read(&source, errors);
    free(text);
    return script;
}

/* Every mistake of every script. 0 or an exit code. */
static int read_scripts(struct origin *origin, const struct origin_options *options)
{
    struct config_errors errors;
    bool complete = true;

    config_errors_init(&errors);
    for (size_t i = 0; i < origin->listeners_count; i++) {
        struct origin_listener *listener = &origin->listeners[i];

        listener->first_script = read_script(origin, options, &options->listens[i], &errors);
        complete &= listener->first_script != NULL;
        if (listener->first_script)
            listener->script = script_ref(listener->first_script);
        else if (!options->listens[i].script)
            break; /* the others have the same */
    }
    config_errors_sort(&errors);
    config_errors_print(&errors, stderr);
    if (!complete && errors.errors_count == 0)
        (void)fail("out of memory");
    config_errors_done(&errors);
    return complete ? 0 : CLI_BAD_CONFIG;
}

/* ---- opening ------------------------------------------------------------------------------- */

static uint64_t raise_descriptors(uint64_t wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return wanted;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* else there is room for fewer, as told below */
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur <= DESCRIPTORS_SPARE * 2)
        return DESCRIPTORS_SPARE;
    return wanted < limit.rlim_cur - DESCRIPTORS_SPARE ? wanted
                                                       : limit.rlim_cur - DESCRIPTORS_SPARE;
}

static bool create_loop(struct origin *origin, char *error, size_t error_size)
{
    struct loop_options options;

    loop_options_default(&options);
    options.tick_ms = 1;
    options.chunk_bytes_max = CHUNK_BYTES_MAX;
    origin->loop = loop_create(&options, error, error_size);
    return origin->loop != NULL;
}

static bool create_parts(struct origin *origin, const struct origin_options *options, char *error,
                         size_t error_size)
{
    origin->time_scale = options->time_scale;
    origin->seed = options->seed;
    origin->conns_max = raise_descriptors(options->conns_max);
    origin->listeners = calloc(options->listens_count, sizeof(*origin->listeners));
    if (!origin->listeners) {
        snprintf(error, error_size, "out of memory");
        return false;
    }
    for (size_t i = 0; i < options->listens_count; i++)
        origin->listeners[i] = (struct origin_listener){ .origin = origin,
                                                         .name = options->listens[i].name,
                                                         .address = options->listens[i].address,
                                                         .fd = -1 };
    origin->listeners_count = options->listens_count;
    origin->logbook = logbook_create(options->log, error, error_size);
    if (!origin->logbook)
        return false;
    origin->identity = identity_create(&options->identity, error, error_size);
    return origin->identity && create_loop(origin, error, error_size);
}

static bool open_all(struct origin *origin, const struct origin_options *options, char *error,
                     size_t error_size)
{
    origin->begin_at_ms = origin->loop->now_ms;
    for (size_t i = 0; i < origin->listeners_count; i++) {
        struct origin_listener *listener = &origin->listeners[i];

        if (options->tls || options->listens[i].tls) {
            listener->tls = identity_own(origin->identity, error, error_size);
            if (!listener->tls)
                return false;
        }
        if (origin_listener_open(listener, error, error_size) < 0)
            return false;
    }
    if (!options->control)
        return true;
    origin->api = control_api_start(origin->loop, options->control, origin_api_answer, origin,
                                    error, error_size);
    return origin->api != NULL;
}

static void write_ready(const struct origin *origin, FILE *stream)
{
    char address[ADDR_TEXT_MAX];

    (void)fputs("hopgate: ready", stream);
    for (size_t i = 0; i < origin->listeners_count; i++) {
        const struct origin_listener *listener = &origin->listeners[i];

        (void)fprintf(stream, " %s=%s://%s", listener->name, listener->tls ? "https" : "http",
                      addr_format(&listener->address, address, sizeof(address)));
        if (!listener->listener)
            (void)fprintf(stream, " (%s)", listener->script->fault->name);
    }
    if (origin->api)
        (void)fprintf(stream, " control=%s%s",
                      strncmp(control_api_address(origin->api), "unix:", 5) == 0 ? "" : "http://",
                      control_api_address(origin->api));
    (void)fputc('\n', stream);
}

/* In one piece: who waits for it must not see half a line. */
static void tell_ready(const struct origin *origin)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);

    if (!stream)
        return;
    write_ready(origin, stream);
    if (fclose(stream) == 0)
        (void)fputs(text, stderr);
    free(text);
}

/* ---- end ----------------------------------------------------------------------------------- */

static void close_all(struct origin *origin)
{
    uint64_t until_ms;
    unsigned turns = 0;

    for (size_t i = 0; i < origin->listeners_count; i++)
        origin_listener_close(&origin->listeners[i]);
    while (origin->conns)
        origin_conn_end(origin->conns, STREAM_CLOSE_ABORT, "stopped");
    control_api_stop(origin->api);
    if (!origin->loop)
        return;
    conn_abort_closing(origin->loop, true);
    until_ms = origin->loop->now_ms + STOP_TIMEOUT_MS;
    /* a process that did not run for a while still gets its turns */
    while (origin->loop->objects > 0 &&
           (origin->loop->now_ms < until_ms || turns < STOP_TURNS_MIN)) {
        if (loop_turn(origin->loop, STOP_TURN_MS) < 0)
            break;
        turns++;
    }
}

static void free_parts(struct origin *origin)
{
    if (origin->loop && origin->loop->objects == 0)
        loop_free(origin->loop); /* else the kernel takes it all back at once */
    identity_free(origin->identity);
    logbook_free(origin->logbook);
    fault_library_free(origin->library);
    free(origin->listeners);
}

static int serve(struct origin *origin, const struct origin_options *options)
{
    struct signal_watch *watch = NULL;
    char error[1024] = "";
    int r;

    if (!create_parts(origin, options, error, sizeof(error)))
        return fail(error);
    r = read_scripts(origin, options);
    if (r != 0)
        return r;
    r = signal_watch_start(origin->loop, &watch);
    if (r < 0)
        return fail(strerror(-r));
    if (open_all(origin, options, error, sizeof(error))) {
        tell_ready(origin);
        r = loop_run(origin->loop);
        r = r < 0 ? fail(strerror(-r)) : CLI_OK;
    } else {
        r = fail(error);
    }
    close_all(origin);
    signal_watch_stop(watch);
    return r;
}

static int run(const struct origin_options *options)
{
    struct origin origin = { .library = fault_library_builtin() };
    int r;

    if (!origin.library)
        return fail("out of memory");
    if (options->wants_faults || options->wants_steps) {
        if (options->wants_faults)
            fault_library_print(origin.library, stdout);
        if (options->wants_steps)
            step_print_all(stdout);
        r = CLI_OK;
    } else {
        r = serve(&origin, options);
    }
    for (size_t i = 0; i < origin.listeners_count; i++) { /* where close_all did not come to it */
        script_unref(origin.listeners[i].script);
        script_unref(origin.listeners[i].first_script);
    }
    free_parts(&origin);
    return r;
}

int origin_verb(int argc, char **argv)
{
    struct origin_options options;
    int r = origin_options_read(argc, argv, &options);

    if (r == 0)
        r = run(&options);
    else if (r < 0)
        r = CLI_OK;
    origin_options_done(&options);
    return r;
}
