/* lab_up: `hopgate lab up` and `hopgate lab schema`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"
#include "tools/lab/lab.h"
#include "tools/lab/lab_drawing.h"
#include "tools/lab/lab_run.h"
#include "tools/lab/lab_words.h"

struct up_options {
    const char *chain;
    bool detach, check;
};

static int take_option(void *context, const char *name, const char *value)
{
    struct up_options *options = context;

    (void)value;
    *(strcmp(name, "--detach") == 0 ? &options->detach : &options->check) = true;
    return 0;
}

static int take_chain(void *context, const char *word)
{
    return arguments_take_only("lab up", &((struct up_options *)context)->chain, word);
}

static int parse(int argc, char **argv, struct up_options *ret)
{
    const struct arguments arguments = { "lab up", take_option, take_chain, NULL, ret };
    int r;

    *ret = (struct up_options){ .chain = NULL };
    r = arguments_take(&arguments, argc, argv);
    if (r == ARGUMENTS_HELP) {
        (void)printf("\nready-made chains:\n");
        for (const struct chain_builtin *one = chain_builtins; one->name; one++)
            (void)printf("  %s\n", one->name);
    }
    return r != 0 || ret->chain ? r : arguments_complain("lab up", ARGUMENTS_NO_CHAIN);
}

/* ---- what is told -------------------------------------------------------------------------- */

static json_t *element_json(const struct lab_run *run, size_t i)
{
    const struct chain_element *element = &run->chain->elements[i];
    const struct chain_place *place = &run->places[i];
    const char *kind = chain_kind_name(element->kind);

    return json_pack("{s:s, s:s, s:s, s:o, s:b, s:i, s:o}", "name", element->name, "kind", kind,
                     "what", element->kind == CHAIN_HOP ? element->persona : kind, "address",
                     json_sprintf("%s:%u", place->address, place->port), "tls", place->tls, "pid",
                     (int)run->processes[i].pid, "folder",
                     json_sprintf("%s/%s", run->place.folder, element->name));
}

/* For `lab status` and `lab down`, and for programs. */
static int write_state(const struct lab_run *run)
{
    json_t *elements = json_array();
    char url[1024], *text;
    json_t *state;
    int r;

    for (size_t i = 0; i < run->chain->count; i++)
        json_array_append_new(elements, element_json(run, i));
    lab_run_url(run, url, sizeof(url));
    state = json_pack("{s:s, s:i, s:I, s:s, s:s, s:I, s:s?, s:o}", "name", run->chain->name, "pid",
                      (int)getpid(), "began_at_ticks", (json_int_t)lab_process_began_at(getpid()),
                      "url", url, "folder", run->place.folder, "time_scale",
                      (json_int_t)run->chain->time_scale, "pki",
                      run->pki_folder[0] ? run->pki_folder : NULL, "elements", elements);
    text = state ? json_dumps(state, JSON_INDENT(2)) : NULL;
    json_decref(state);
    r = text ? lab_place_write(run->place.folder, "state.json", text) : -ENOMEM;
    free(text);
    return r;
}

static void print_try(const struct lab_run *run, const char *url)
{
    const struct chain *chain = run->chain;

    (void)printf("try    curl ");
    if (run->places[0].tls) {
        (void)printf("--cacert %s/ca.pem --resolve %s:%u:%s ", run->pki_folder, chain->client.host,
                     run->places[0].port, run->places[0].address);
        if (chain->client.certificate)
            (void)printf("--cert %s/%s/chain.pem --key %s/%s/key.pem ", run->pki_folder,
                         chain->client.certificate, run->pki_folder, chain->client.certificate);
    }
    (void)printf("%s\n", url);
}

static void tell(const struct lab_run *run, bool is_detached)
{
    const struct chain *chain = run->chain;
    char url[1024];

    lab_run_url(run, url, sizeof(url));
    (void)printf("%s%s%s\n\n", chain->name, chain->description ? ": " : "",
                 chain->description ? chain->description : "");
    lab_drawing_print(chain, run->places, stdout);
    (void)printf("\n");
    if (chain->time_scale > 1)
        (void)printf("time   runs %lld times as fast as stated\n", (long long)chain->time_scale);
    for (size_t i = 0; i < json_array_size(run->notes); i++)
        (void)printf("note   %s\n", json_string_value(json_array_get(run->notes, i)));
    print_try(run, url);
    (void)printf("files  %s\n", run->place.folder);
    (void)printf("stop   %s\n", is_detached ? "hopgate lab down" : "Ctrl-C");
    (void)fflush(stdout);
}

/* ---- running ------------------------------------------------------------------------------- */

/* Of whoever waits for a detached lab. */
static void let_go(int code)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)fflush(stdout);
    (void)lab_words_end(STDOUT_FILENO, code); /* or nobody waits any more */
    (void)dup2(null, STDOUT_FILENO);
    (void)dup2(null, STDERR_FILENO);
}

static int run_chain(const struct chain *chain, bool is_detached)
{
    struct lab_run *run = calloc(1, sizeof(*run));
    int r;

    if (!run)
        return CLI_FAILED;
    r = lab_run_start(run, chain, NULL);
    if (r == CLI_OK && write_state(run) < 0)
        r = CLI_FAILED;
    if (r == CLI_OK)
        tell(run, is_detached);
    if (r == CLI_OK && is_detached)
        let_go(CLI_OK);
    if (r == CLI_OK)
        lab_run_watch(run);
    lab_run_end(run);
    free(run);
    return r;
}

/* The lab's own words, then its exit code. */
static int relay_words(int pipe, pid_t lab)
{
    int code = lab_words_relay(pipe, stdout), status;

    if (code >= 0)
        return code;
    while (waitpid(lab, &status, 0) < 0 && errno == EINTR)
        continue;
    return CLI_FAILED;
}

static int run_detached(const struct chain *chain)
{
    int ends[2], r;
    pid_t lab;

    if (pipe2(ends, O_CLOEXEC) < 0 || (lab = fork()) < 0) {
        (void)fprintf(stderr, "hopgate: %s\n", strerror(errno));
        return CLI_FAILED;
    }
    if (lab > 0) {
        (void)close(ends[1]);
        r = relay_words(ends[0], lab);
        (void)close(ends[0]);
        return r;
    }
    (void)setsid();
    (void)close(ends[0]);
    (void)dup2(ends[1], STDOUT_FILENO);
    (void)close(ends[1]);
    r = run_chain(chain, true);
    if (r != CLI_OK)
        let_go(r);
    return r;
}

int lab_up_verb(int argc, char **argv)
{
    SCOPED(chain) chain = NULL;
    struct up_options options;
    struct config_errors errors;
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    config_errors_init(&errors);
    r = chain_load(options.chain, &chain, &errors);
    config_errors_sort(&errors);
    config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    if (r < 0)
        return r == -ENOMEM ? CLI_FAILED : CLI_BAD_CONFIG;
    if (options.check)
        return CLI_OK;
    return options.detach ? run_detached(chain) : run_chain(chain, false);
}

int lab_schema_verb(int argc, char **argv)
{
    const struct arguments arguments = { "lab schema", NULL, NULL, NULL, NULL };
    int r = arguments_take(&arguments, argc, argv);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    chain_print_schema(stdout);
    return CLI_OK;
}
