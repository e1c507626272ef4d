#include "tools/wire/wire_verb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/units.h"
#include "core/addr.h"
#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"
#include "tools/wire/relay.h"

enum { TIME_SCALE_MAX = 100000 };

static struct wire_options *newest(struct relay_options *options)
{
    return options->wires_count > 0 ? &options->wires[options->wires_count - 1] : NULL;
}

static int take_listen(struct relay_options *options, const char *value)
{
    static char names[RELAY_WIRES_MAX][8];
    struct wire_options *wire;

    if (options->wires_count == RELAY_WIRES_MAX)
        return arguments_complain("wire", "more wires than a process takes (64): \"%s\"", value);
    wire = &options->wires[options->wires_count];
    *wire = (struct wire_options){ .to.ss_family = AF_UNSPEC, .bind.ss_family = AF_UNSPEC };
    if (addr_parse(slice_of(value), 0, &wire->listen) < 0)
        return arguments_complain("wire", "--listen takes ADDRESS:PORT, not \"%s\"", value);
    snprintf(names[options->wires_count], sizeof(names[0]), "w%u", options->wires_count + 1);
    wire->name = names[options->wires_count++];
    return 0;
}

/* Before the first --listen it is for every wire. */
static int take_fault(struct relay_options *options, const char *value)
{
    json_t *fault = wire_fault_from_words(value);

    if (!options->faults)
        options->faults = json_array();
    if (fault && options->wires_count > 0 && !json_object_get(fault, "wire"))
        json_object_set_new(fault, "wire", json_string(newest(options)->name));
    return json_array_append_new(options->faults, fault) < 0
               ? arguments_complain("wire", "out of memory at \"%s\"", value)
               : 0;
}

/* A fault that was said before the name knows the wire by its number. */
static int take_name(struct relay_options *options, const char *value)
{
    struct wire_options *wire = newest(options);
    size_t i;
    json_t *fault;

    for (unsigned n = 0; n + 1 < options->wires_count; n++)
        if (strcmp(options->wires[n].name, value) == 0)
            return arguments_complain("wire", "two wires are called \"%s\"", value);
    json_array_foreach(options->faults, i, fault)
    {
        const char *its_wire = json_string_value(json_object_get(fault, "wire"));

        if (its_wire && strcmp(its_wire, wire->name) == 0)
            json_object_set_new(fault, "wire", json_string(value));
    }
    wire->name = value;
    return 0;
}

static int take_of_wire(struct relay_options *options, const char *name, const char *value)
{
    struct wire_options *wire = newest(options);

    if (!wire)
        return arguments_complain(
            "wire", "--listen must come before what belongs to a wire: \"%s\"", value);
    if (strcmp(name, "--name") == 0)
        return take_name(options, value);
    if (strcmp(name, "--to") == 0) {
        if (addr_parse(slice_of(value), 0, &wire->to) < 0 || addr_port(&wire->to) == 0)
            return arguments_complain("wire", "--to takes ADDRESS:PORT, not \"%s\"", value);
        return 0;
    }
    return addr_parse(slice_of(value), 0, &wire->bind) < 0
               ? arguments_complain("wire", "--bind takes an address, not \"%s\"", value)
               : 0;
}

static int take_number(const char *value, uint64_t max, uint64_t *ret)
{
    uint64_t number;

    if (units_parse_number(value, &number) < 0 || number > max)
        return arguments_complain("wire", "not a number that fits: \"%s\"", value);
    *ret = number;
    return 0;
}

static int take_option(void *context, const char *name, const char *value)
{
    struct relay_options *options = context;
    int r = 0;

    if (strcmp(name, "--listen") == 0)
        return take_listen(options, value);
    if (strcmp(name, "--fault") == 0)
        return take_fault(options, value);
    if (strcmp(name, "--time-scale") == 0)
        r = take_number(value, TIME_SCALE_MAX, &options->time_scale);
    else if (strcmp(name, "--seed") == 0)
        r = take_number(value, INT64_MAX, &options->seed);
    else if (strcmp(name, "--script") == 0)
        options->script = value;
    else if (strcmp(name, "--control") == 0)
        options->control = value;
    else if (strcmp(name, "--log") == 0)
        options->log = value;
    else
        return take_of_wire(options, name, value);
    return r == 0 && options->time_scale == 0
               ? arguments_complain("wire", "--time-scale begins at 1, not \"%s\"", value)
               : r;
}

static int check_wires(const struct relay_options *options)
{
    if (options->wires_count == 0)
        return arguments_complain("wire", "--listen and --to must say from where to where");
    for (unsigned i = 0; i < options->wires_count; i++)
        if (options->wires[i].to.ss_family == AF_UNSPEC)
            return arguments_complain("wire", "--to is missing for the wire \"%s\"",
                                      options->wires[i].name);
    return 0;
}

static int parse(int argc, char **argv, struct relay_options *ret)
{
    const struct arguments arguments = { "wire", take_option, NULL, NULL, ret };
    int r;

    *ret = (struct relay_options){ .time_scale = 1, .seed = 1 };
    r = arguments_take(&arguments, argc, argv);
    if (r == ARGUMENTS_HELP) {
        (void)printf("\nkinds of faults (also direction=to-server|to-client, connection=N, "
                     "chance=0..1, id=NAME):\n");
        wire_fault_print_kinds(stdout);
    }
    return r != 0 ? r : check_wires(ret);
}

int wire_verb(int argc, char **argv)
{
    struct relay_options options;
    int r = parse(argc, argv, &options);

    if (r == 0)
        r = relay_run(&options);
    json_decref(options.faults);
    return r < 0 ? CLI_OK : r;
}
