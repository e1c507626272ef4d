#include "tools/wire/relay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/addr.h"
#include "core/conn.h"
#include "tools/cli/cli.h"
#include "tools/lab/signal_watch.h"
#include "tools/wire/flow.h"

/* A wire's clock must be finer than what it is to reproduce. */
enum { TICK_MS = 1, END_TIMEOUT_MS = 5000 };

/* ---- faults -------------------------------------------------------------------------------- */

struct wire *relay_find_wire(struct relay *relay, const char *name)
{
    for (unsigned i = 0; i < relay->wires_count; i++)
        if (strcmp(relay->wires[i].options.name, name) == 0)
            return &relay->wires[i];
    return NULL;
}

static int check_wires(struct relay *relay, const struct wire_fault_set *set, const char *source,
                       struct config_errors *errors)
{
    size_t before = errors->errors_count;

    for (size_t i = 0; i < set->count; i++)
        if (set->faults[i].wire && !relay_find_wire(relay, set->faults[i].wire))
            config_errors_add(errors, CONFIG_ERROR, (struct config_place){ .file = source },
                              "fault %s: there is no wire \"%s\"", set->faults[i].id,
                              set->faults[i].wire);
    return errors->errors_count > before ? -EINVAL : 0;
}

/* Takes the reference. */
static void use_faults(struct relay *relay, struct wire_fault_set *set)
{
    wire_fault_set_free(relay->faults);
    relay->faults = set;
    for (unsigned i = 0; i < relay->wires_count; i++)
        wire_set_faults(&relay->wires[i], set);
}

/* A new set. */
static int read_faults(struct relay *relay, const json_t *list, const char *source,
                       struct wire_fault_set **ret, struct config_errors *errors)
{
    SCOPED(wire_fault_set) set = NULL;
    char *text = json_dumps(list, JSON_COMPACT);
    int r = text ? wire_fault_set_parse(slice_of(text), source, &set, errors) : -ENOMEM;

    free(text);
    if (r == 0)
        r = check_wires(relay, set, source, errors);
    if (r == 0)
        *ret = TAKE(set);
    return r;
}

int relay_set_faults(struct relay *relay, const json_t *list, const char *source,
                     struct config_errors *errors)
{
    struct wire_fault_set *set = NULL;
    int r = read_faults(relay, list, source, &set, errors);

    if (r == 0)
        use_faults(relay, set);
    return r;
}

unsigned relay_kill(struct relay *relay, const char *wire, uint64_t connection, bool by_reset,
                    unsigned sides)
{
    unsigned killed = 0;

    for (unsigned i = 0; i < relay->wires_count; i++) {
        struct flow *next;

        if (wire && strcmp(wire, relay->wires[i].options.name) != 0)
            continue;
        for (struct flow *flow = relay->wires[i].flows; flow; flow = next) {
            next = flow_next(flow);
            if (connection > 0 && flow_number(flow) != connection)
                continue;
            flow_kill(flow, by_reset ? FLOW_KILL_RESET : FLOW_KILL_FIN, sides);
            killed++;
        }
    }
    return killed;
}

/* ---- script -------------------------------------------------------------------------------- */

static void do_step(struct relay *relay, const struct wire_script_step *step)
{
    if (step->faults)
        use_faults(relay, wire_fault_set_ref(step->faults));
    if (step->kill != WIRE_SCRIPT_KILL_NOTHING)
        (void)relay_kill(relay, NULL, 0, step->kill == WIRE_SCRIPT_KILL_RESET,
                         1u << FLOW_CLIENT | 1u << FLOW_SERVER);
}

static void on_script_timer(struct timer *timer)
{
    struct relay *relay = (struct relay *)((char *)timer - offsetof(struct relay, script_timer));

    while (relay->script_done < relay->script->count) {
        const struct wire_script_step *step = &relay->script->steps[relay->script_done];
        uint64_t at_ms = relay->started_at_ms + step->at_ms / relay->context.time_scale;

        if (at_ms > relay->context.loop->now_ms) {
            timer_set(&relay->context.loop->timers, timer, at_ms);
            return;
        }
        relay->script_done++;
        do_step(relay, step);
    }
}

/* ---- start and end ------------------------------------------------------------------------- */

static int complain(const char *what)
{
    (void)fprintf(stderr, "hopgate: %s\n", what);
    return CLI_FAILED;
}

/* Two descriptors per flow. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* then accepts fail later, and say so */
    }
}

static int start_loop(struct relay *relay)
{
    struct loop_options options;
    char error[256];

    loop_options_default(&options);
    options.tick_ms = TICK_MS;
    relay->context.loop = loop_create(&options, error, sizeof(error));
    return relay->context.loop ? CLI_OK : complain(error);
}

static int open_log(struct relay *relay, const struct relay_options *options)
{
    char error[512];

    if (!options->log)
        return CLI_OK;
    relay->context.log = log_open(options->log, error, sizeof(error));
    return relay->context.log ? CLI_OK : complain(error);
}

/* Names must be known before faults that name them are read. */
static int read_options(struct relay *relay, const struct relay_options *options)
{
    struct config_errors errors;
    json_t *none = json_array();
    int r;

    relay->wires_count = options->wires_count;
    for (unsigned i = 0; i < options->wires_count; i++)
        relay->wires[i].options.name = options->wires[i].name;
    config_errors_init(&errors);
    r = read_faults(relay, options->faults ? options->faults : none, "--fault", &relay->faults,
                    &errors);
    if (r == 0 && options->script)
        r = wire_script_load(options->script, &relay->script, &errors);
    for (size_t i = 0; r == 0 && relay->script && i < relay->script->count; i++)
        if (relay->script->steps[i].faults)
            r = check_wires(relay, relay->script->steps[i].faults, options->script, &errors);
    relay->wires_count = 0; /* none has been started */
    config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    json_decref(none);
    return r == 0 ? CLI_OK : r == -ENOMEM ? complain("out of memory") : CLI_BAD_CONFIG;
}

static int start_wires(struct relay *relay, const struct relay_options *options)
{
    char error[256];

    for (unsigned i = 0; i < options->wires_count; i++) {
        if (wire_start(&relay->wires[i], &relay->context, &options->wires[i], relay->faults, error,
                       sizeof(error)) < 0)
            return complain(error);
        relay->wires_count++;
    }
    return CLI_OK;
}

static int start_control(struct relay *relay, const struct relay_options *options)
{
    char error[256];

    if (!options->control)
        return CLI_OK;
    relay->control = control_api_start(relay->context.loop, options->control, relay_answer, relay,
                                       error, sizeof(error));
    return relay->control ? CLI_OK : complain(error);
}

/* In one piece: who waits for it must not see half of it. */
static void say_ready(const struct relay *relay)
{
    char line[RELAY_WIRES_MAX * (ADDR_TEXT_MAX + 8) + 1] = "", text[ADDR_TEXT_MAX];
    const char *control = relay->control ? control_api_address(relay->control) : "";
    size_t length = 0;

    for (unsigned i = 0; i < relay->wires_count; i++)
        length +=
            (size_t)snprintf(line + length, sizeof(line) - length, " tcp://%s",
                             addr_format(&relay->wires[i].options.listen, text, sizeof(text)));
    (void)fprintf(stderr, "hopgate: ready%s%s%s%s\n", line, relay->control ? " control=" : "",
                  relay->control && strncmp(control, "unix:", 5) != 0 ? "http://" : "", control);
}

static int serve(struct relay *relay)
{
    struct signal_watch *signals = NULL;
    int r = signal_watch_start(relay->context.loop, &signals);

    if (r < 0)
        return complain(strerror(-r));
    relay->started_at_ms = relay->context.loop->now_ms;
    timer_init(&relay->script_timer, on_script_timer);
    if (relay->script)
        on_script_timer(&relay->script_timer);
    say_ready(relay);
    r = loop_run(relay->context.loop);
    timer_cancel(&relay->script_timer);
    signal_watch_stop(signals);
    return r < 0 ? complain(strerror(-r)) : CLI_OK;
}

static void stop_loop(struct relay *relay)
{
    struct loop *loop = relay->context.loop;
    uint64_t until_ms = loop->now_ms + END_TIMEOUT_MS;

    for (unsigned i = 0; i < relay->wires_count; i++)
        wire_stop(&relay->wires[i]);
    control_api_stop(relay->control);
    (void)loop_turn(loop, 0);
    conn_abort_closing(loop, true);
    while (loop->objects > 0 && loop->now_ms < until_ms)
        if (loop_turn(loop, 100) < 0)
            break;
    loop_free(loop);
}

static int run(struct relay *relay, const struct relay_options *options)
{
    int r = read_options(relay, options);

    if (r == CLI_OK)
        r = open_log(relay, options);
    if (r == CLI_OK && log_start(0) < 0)
        r = complain("cannot start the log thread");
    if (r == CLI_OK)
        r = start_loop(relay);
    if (r == CLI_OK)
        r = start_wires(relay, options);
    if (r == CLI_OK)
        r = start_control(relay, options);
    if (r == CLI_OK)
        r = serve(relay);
    if (relay->context.loop)
        stop_loop(relay);
    log_stop();
    return r;
}

int relay_run(const struct relay_options *options)
{
    struct relay *relay = calloc(1, sizeof(*relay));
    int r;

    if (!relay)
        return complain("out of memory");
    raise_descriptor_limit();
    relay->context.time_scale = options->time_scale;
    relay->context.seed = options->seed;
    r = run(relay, options);
    wire_fault_set_free(relay->faults);
    wire_script_free(relay->script);
    free(relay);
    return r;
}
