#include "tools/wire/wire_script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"

struct raw_step {
    int64_t at_ms;
    const char *kill;
};

#define STORED(member) \
    .offset = offsetof(struct raw_step, member), .size = sizeof(((struct raw_step *)0)->member)

static const struct schema_field step_fields[] = {
    { .name = "at_ms",
      .type = SCHEMA_INTEGER,
      .flags = SCHEMA_REQUIRED,
      .max = INT64_C(86400000),
      STORED(at_ms) },
    { .name = "faults", .type = SCHEMA_ANY }, /* read by wire_fault_set_read */
    { .name = "kill", .type = SCHEMA_STRING, .one_of = "reset, fin", STORED(kill) },
};
static const struct schema step_schema = { .name = "steps",
                                           .fields = step_fields,
                                           .fields_count = 3 };

static const struct schema_field script_fields[] = {
    { .name = "steps", .type = SCHEMA_ENTITIES, .flags = SCHEMA_REQUIRED },
};
static const struct schema script_schema = { .name = "script",
                                             .fields = script_fields,
                                             .fields_count = 1 };

static int read_step(const struct document_node *node, struct wire_script_step *step,
                     struct schema_reader *reader)
{
    struct raw_step raw = { 0 };
    struct document_node faults;

    schema_read(reader, &step_schema, node, &raw);
    step->at_ms = raw.at_ms > 0 ? (uint64_t)raw.at_ms : 0;
    if (raw.kill)
        step->kill = strcmp(raw.kill, "fin") == 0 ? WIRE_SCRIPT_KILL_FIN : WIRE_SCRIPT_KILL_RESET;
    if (!json_is_object(node->value) || !document_member(node, "faults", &faults))
        return 0;
    return wire_fault_set_read(&faults, &step->faults, reader->errors);
}

/* A script is read from top to bottom; a step that goes back in time is a slip. */
static void check_order(const struct document_node *node, const struct wire_script *script,
                        struct config_errors *errors)
{
    const struct wire_script_step *step = &script->steps[script->count - 1];

    if (script->count > 1 && step->at_ms < step[-1].at_ms)
        document_add_error(node, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "at_ms is less than that of the step before; sort the steps by time");
}

static int read_steps(const struct document_node *steps, struct wire_script *script,
                      struct schema_reader *reader)
{
    struct document_node child = { 0 };
    int r = 0;

    if (json_array_size(steps->value) > WIRE_SCRIPT_STEPS_MAX) {
        document_add_error(steps, DOCUMENT_AT_VALUE, reader->errors, CONFIG_ERROR,
                           "more than %d steps", WIRE_SCRIPT_STEPS_MAX);
        return -EINVAL;
    }
    script->steps = calloc(json_array_size(steps->value) + 1, sizeof(*script->steps));
    if (!script->steps)
        return -ENOMEM;
    while (r != -ENOMEM && document_next(steps, &child)) {
        r = read_step(&child, &script->steps[script->count++], reader);
        check_order(&child, script, reader->errors);
    }
    return r == -ENOMEM ? r : 0;
}

int wire_script_parse(struct slice text, const char *source, struct wire_script **ret,
                      struct config_errors *errors)
{
    SCOPED(document) document = NULL;
    SCOPED(config) texts = config_create();
    SCOPED(wire_script) script = calloc(1, sizeof(*script));
    struct schema_reader reader = { .config = texts, .errors = errors };
    size_t before = errors->errors_count;
    struct document_node root, steps;
    int r;

    if (!texts || !script)
        return -ENOMEM;
    r = document_parse(text, document_guess_format(source, text), source, &document, errors);
    if (r < 0)
        return r;
    root = document_root(document);
    schema_read(&reader, &script_schema, &root, NULL);
    if (errors->errors_count == before && document_member(&root, "steps", &steps))
        r = read_steps(&steps, script, &reader);
    if (r < 0 || reader.out_of_memory)
        return r < 0 ? r : -ENOMEM;
    if (errors->errors_count > before)
        return -EINVAL;
    *ret = TAKE(script);
    return 0;
}

int wire_script_load(const char *path, struct wire_script **ret, struct config_errors *errors)
{
    char *text = NULL;
    size_t length = 0;
    int r = file_read(path, DOCUMENT_BYTES_MAX, &text, &length, errors);

    if (r < 0)
        return r;
    r = wire_script_parse((struct slice){ text, length }, path, ret, errors);
    free(text);
    return r;
}

void wire_script_free(struct wire_script *script)
{
    if (!script)
        return;
    for (size_t i = 0; i < script->count; i++)
        wire_fault_set_free(script->steps[i].faults);
    free(script->steps);
    free(script);
}
