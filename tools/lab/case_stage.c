#include "tools/lab/case_stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/cli.h"
#include "tools/lab/case_place.h"

enum {
    LISTENERS_PER_PROCESS = 200,
    WIRES_PER_PROCESS = 60,
    BATCHES_MAX = LAB_PROCESSES_MAX,
};

/* Command line of one process that serves many cases. */
struct batch {
    struct command_line line;
    size_t entries;
};

static void batch_done(struct batch *batch)
{
    command_line_done(&batch->line);
    batch->entries = 0;
}

/* Names live as long as the lab's process. */
static const char *batch_name(size_t element, const char *kind)
{
    static char names[BATCHES_MAX][32];
    static size_t count;
    char *name = names[count % BATCHES_MAX];

    snprintf(name, sizeof(names[0]), "cases-%s%zu-%zu", kind, element, count++);
    return name;
}

static int flush(struct lab_run *run, struct batch *batch, const char *kind, size_t element)
{
    const char *name = batch_name(element, kind);
    int r = CLI_OK;

    if (batch->entries > 0) {
        command_line_add(&batch->line, "--time-scale");
        command_line_add(&batch->line, "%lld", (long long)run->chain->time_scale);
        command_line_add(&batch->line, "--seed");
        command_line_add(&batch->line, "%lld", (long long)run->chain->seed);
        command_line_add(&batch->line, "--log");
        command_line_add(&batch->line, "%s/%s/%s.log", run->place.folder, name, kind);
        r = lab_run_add(run, name, &batch->line);
    }
    batch_done(batch);
    return r;
}

static void begin_origin(struct lab_run *run, size_t i, struct batch *batch)
{
    const struct chain_element *element = &run->chain->elements[i];

    command_line_add(&batch->line, "origin");
    if (element->tls) {
        command_line_add(&batch->line, "--cert");
        command_line_add(&batch->line, "%s/%s/chain.pem", run->pki_folder, element->certificate);
        command_line_add(&batch->line, "--key");
        command_line_add(&batch->line, "%s/%s/key.pem", run->pki_folder, element->certificate);
        command_line_add(&batch->line, "--pki");
        command_line_add(&batch->line, "%s", run->pki_folder);
        command_line_add(&batch->line, "--tls-name");
        command_line_add(&batch->line, "%s", run->chain->pki_name);
    }
    if (element->tls && strcmp(element->verify_client, "off") != 0) {
        command_line_add(&batch->line, "--client-ca");
        command_line_add(&batch->line, "%s/ca.pem", run->pki_folder);
    }
    if (element->tls && strcmp(element->verify_client, "optional") == 0)
        command_line_add(&batch->line, "--client-optional");
}

/* A fault that ends: by a script, since it is the listener that counts. Negative: it cannot be written. */
static int write_script(const struct lab_run *run, const struct lab_case *one, char *into,
                        size_t size)
{
    json_t *script =
        json_pack("{s:[{s:i, s:s}]}", "rules", "times", (int)one->times, "fault", one->fault);
    char *text = script ? json_dumps(script, 0) : NULL, name[64];
    int r = -ENOMEM;

    snprintf(name, sizeof(name), "%s.json", one->name);
    snprintf(into, size, "%s/%s", run->place.folder, name);
    if (text)
        r = lab_place_write(run->place.folder, name, text);
    free(text);
    json_decref(script);
    return r;
}

static int add_listener(const struct lab_run *run, const struct lab_case *one, size_t target,
                        size_t element, struct batch *batch)
{
    const struct chain_element *origin = &run->chain->elements[element];
    char script[LAB_PATH_MAX + 80];

    if (one->times > 0 && write_script(run, one, script, sizeof(script)) < 0)
        return CLI_FAILED;
    command_line_add(&batch->line, "--listen");
    command_line_add(&batch->line, "%s:%u,name=%s,%s=%s%s", run->places[element].address,
                     one->ports[target], one->name, one->times > 0 ? "script" : "fault",
                     one->times > 0 ? script : one->fault, origin->tls ? ",tls" : "");
    batch->entries++;
    return CLI_OK;
}

static int start_origins(struct case_plan *plan, struct lab_run *run, size_t target)
{
    size_t element = case_plan_first_origin(plan->chain) + target;
    struct batch batch = { .entries = 0 };
    int r = CLI_OK;

    for (size_t i = 0; r == CLI_OK && i < plan->count; i++) {
        const struct lab_case *one = &plan->cases[i];

        if (one->words[0] || one->ports[target] == 0)
            continue;
        if (batch.entries == 0)
            begin_origin(run, element, &batch);
        r = add_listener(run, one, target, element, &batch);
        if (r == CLI_OK && batch.entries == LISTENERS_PER_PROCESS)
            r = flush(run, &batch, "origin", element);
    }
    return r == CLI_OK ? flush(run, &batch, "origin", element) : r;
}

static void add_wire(const struct case_plan *plan, struct lab_run *run, const struct lab_case *one,
                     size_t k, struct batch *batch)
{
    size_t count,
        next = one->after == CASE_CLIENT ? 0 : chain_behind(plan->chain, one->after, &count);
    struct chain_place to = case_place_behind(run, one, next + k);
    char address[64];

    case_place_of_wires(run, address, sizeof(address));
    if (batch->entries++ == 0)
        command_line_add(&batch->line, "wire");
    command_line_add(&batch->line, "--listen");
    command_line_add(&batch->line, "%s:%u", address, one->ports[k]);
    command_line_add(&batch->line, "--name");
    command_line_add(&batch->line, "%s-%zu", one->name, k);
    command_line_add(&batch->line, "--to");
    command_line_add(&batch->line, strchr(to.address, ':') ? "[%s]:%u" : "%s:%u", to.address,
                     to.port);
    if (!strchr(to.address, ':')) {
        command_line_add(&batch->line, "--bind");
        command_line_add(&batch->line, "%s", address);
    }
    command_line_add(&batch->line, "--fault");
    command_line_add(&batch->line, "%s", one->words);
}

static int start_wires(struct case_plan *plan, struct lab_run *run)
{
    struct batch batch = { .entries = 0 };
    int r = CLI_OK;

    for (size_t i = 0; r == CLI_OK && i < plan->count; i++) {
        const struct lab_case *one = &plan->cases[i];

        for (size_t k = 0; r == CLI_OK && one->words[0] && k < CHAIN_ELEMENTS_MAX; k++) {
            if (one->ports[k] == 0)
                continue;
            add_wire(plan, run, one, k, &batch);
            if (batch.entries == WIRES_PER_PROCESS)
                r = flush(run, &batch, "wire", 0);
        }
    }
    return r == CLI_OK ? flush(run, &batch, "wire", 0) : r;
}

int case_stage_start(struct case_plan *plan, struct lab_run *run)
{
    int r = CLI_OK;

    case_place_choose(plan, run, CASE_CLIENT);
    for (size_t k = 0; r == CLI_OK && k < plan->chain->origins_count; k++)
        r = start_origins(plan, run, k);
    return r == CLI_OK ? start_wires(plan, run) : r;
}
