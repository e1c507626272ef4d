/* lab_down: `hopgate lab status` and `hopgate lab down`: labs that run. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"
#include "tools/cli/table.h"
#include "tools/lab/lab.h"
#include "tools/lab/lab_place.h"
#include "tools/lab/lab_process.h"

enum { DOWN_TIMEOUT_MS = 30000, SHOWN_MAX = 1024 };

/* ---- finding ------------------------------------------------------------------------------- */

/* {"block", "name", "pid", "url", ...} of each lab that is up; NULL after a complaint. */
static json_t *running_labs(void)
{
    char error[LAB_PATH_MAX + 128];
    json_t *labs;

    if (lab_place_look(error, sizeof(error)) < 0) {
        (void)fprintf(stderr, "hopgate: %s\n", error);
        return NULL;
    }
    labs = json_array();
    for (unsigned block = LAB_BLOCK_MIN; labs && block <= LAB_BLOCK_MAX; block++) {
        char folder[LAB_PATH_MAX], path[LAB_PATH_MAX + 16];
        json_t *state;

        if (!lab_place_is_taken(block, folder, sizeof(folder)))
            continue;
        snprintf(path, sizeof(path), "%s/state.json", folder);
        state = json_load_file(path, 0, NULL);
        if (!json_string_value(json_object_get(state, "name"))) {
            json_decref(state);
            continue; /* it begins, or ends */
        }
        json_object_set_new(state, "block", json_integer(block));
        json_array_append_new(labs, state);
    }
    return labs;
}

/* 0: none that could be anybody's. */
static pid_t pid_of(const json_t *object)
{
    json_int_t pid = json_integer_value(json_object_get(object, "pid"));

    return pid > 1 && pid <= INT_MAX ? (pid_t)pid : 0;
}

/* For a terminal, on which nothing of it may act. */
static const char *shown(const json_t *object, const char *key, char *into, size_t size)
{
    const json_t *value = json_object_get(object, key);

    return value ? table_cell(value, into, size) : "-";
}

static bool is_alive(const json_t *element)
{
    pid_t pid = pid_of(element);

    return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

/* ---- status -------------------------------------------------------------------------------- */

static void print_lab(const json_t *lab)
{
    char name[SHOWN_MAX], url[SHOWN_MAX], folder[SHOWN_MAX];
    json_t *rows = json_array();
    const json_t *element;
    size_t i;

    (void)printf("%s  (block %lld, process %lld)\n%s\n%s\n", shown(lab, "name", name, sizeof(name)),
                 (long long)json_integer_value(json_object_get(lab, "block")),
                 (long long)json_integer_value(json_object_get(lab, "pid")),
                 shown(lab, "url", url, sizeof(url)), shown(lab, "folder", folder, sizeof(folder)));
    json_array_foreach(json_object_get(lab, "elements"), i, element)
    {
        json_t *pid = json_object_get(element, "pid");

        json_array_append_new(
            rows, json_pack("{s:O, s:O, s:O, s:O, s:s}", "name", json_object_get(element, "name"),
                            "what", json_object_get(element, "what"), "address",
                            json_object_get(element, "address"), "process", pid, "state",
                            json_integer_value(pid) == 0 ? "not ours"
                            : is_alive(element)          ? "runs"
                                                         : "has ended"));
    }
    table_print(rows, stdout);
    json_decref(rows);
}

static int take_switch(void *context, const char *name, const char *value)
{
    (void)name; /* each of the two verbs has one */
    (void)value;
    *(bool *)context = true;
    return 0;
}

int lab_status_verb(int argc, char **argv)
{
    bool as_json = false;
    const struct arguments arguments = { "lab status", take_switch, NULL, NULL, &as_json };
    int r = arguments_take(&arguments, argc, argv);
    json_t *labs;
    const json_t *lab;
    size_t i;

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    labs = running_labs();
    if (!labs)
        return CLI_FAILED;
    if (as_json) {
        (void)json_dumpf(labs, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        (void)printf("\n");
    } else if (json_array_size(labs) == 0) {
        (void)printf("no lab is up\n");
    }
    json_array_foreach(labs, i, lab)
    {
        if (!as_json)
            print_lab(lab);
    }
    json_decref(labs);
    return CLI_OK;
}

/* ---- down ---------------------------------------------------------------------------------- */

/* A pidfd stays with one process, also when its number is another's; it tells the end of one that is not
 * our child. False: not within the time. */
static bool end_process(int pidfd)
{
    struct pollfd ended = { .fd = pidfd, .events = POLLIN };

    return (syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0 && errno == ESRCH) ||
           poll(&ended, 1, DOWN_TIMEOUT_MS) > 0;
}

/* The process that wrote the state: not one that has its number now. */
static bool is_labs_process(const json_t *lab, pid_t pid)
{
    json_int_t stated = json_integer_value(json_object_get(lab, "began_at_ticks"));

    return stated > 0 && lab_process_began_at(pid) == (uint64_t)stated;
}

static int end_lab(const json_t *lab)
{
    pid_t pid = pid_of(lab);
    unsigned block = (unsigned)json_integer_value(json_object_get(lab, "block"));
    char buffer[SHOWN_MAX];
    const char *name = shown(lab, "name", buffer, sizeof(buffer));
    int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    bool has_ended = pidfd < 0 && pid > 0 && errno == ESRCH;
    bool is_labs = pidfd < 0 || is_labs_process(lab, pid);

    if (pidfd >= 0 && is_labs)
        has_ended = end_process(pidfd);
    if (pidfd >= 0)
        (void)close(pidfd);
    if (!is_labs) {
        (void)fprintf(stderr,
                      "hopgate: process %d is not the one that began %s; nothing was ended\n",
                      (int)pid, name);
        return CLI_FAILED;
    }
    if (!has_ended || !lab_place_wait_until_free(block, DOWN_TIMEOUT_MS)) {
        (void)fprintf(stderr, "hopgate: %s does not end; its process is %d\n", name, (int)pid);
        return CLI_FAILED;
    }
    (void)printf("%s is down\n", name);
    return CLI_OK;
}

struct down_options {
    const char *which; /* NULL: the only one */
    bool all;
};

static bool is_meant(const json_t *lab, const char *which)
{
    char block[24];

    snprintf(block, sizeof(block), "%lld",
             (long long)json_integer_value(json_object_get(lab, "block")));
    return strcmp(which, block) == 0 ||
           strcmp(which, json_string_value(json_object_get(lab, "name"))) == 0;
}

static int end_meant(const json_t *labs, const struct down_options *options)
{
    int r = CLI_OK;
    unsigned ended = 0;
    const json_t *lab;
    size_t i;

    json_array_foreach(labs, i, lab)
    {
        if (options->which && !is_meant(lab, options->which))
            continue;
        ended++;
        if (end_lab(lab) != CLI_OK)
            r = CLI_FAILED;
    }
    if (ended > 0 || options->all)
        return r;
    (void)fprintf(stderr, "hopgate: no such lab is up; `hopgate lab status` lists them\n");
    return CLI_FAILED;
}

static int take_down_switch(void *context, const char *name, const char *value)
{
    return take_switch(&((struct down_options *)context)->all, name, value);
}

static int take_which(void *context, const char *word)
{
    return arguments_take_only("lab down", &((struct down_options *)context)->which, word);
}

int lab_down_verb(int argc, char **argv)
{
    struct down_options options = { .which = NULL };
    const struct arguments arguments = { "lab down", take_down_switch, take_which, NULL, &options };
    int r = arguments_take(&arguments, argc, argv);
    json_t *labs;

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    if (options.all && options.which)
        return arguments_complain("lab down", "either --all or %s", options.which);
    labs = running_labs();
    if (!labs)
        return CLI_FAILED;
    if (!options.all && !options.which && json_array_size(labs) > 1)
        r = arguments_complain("lab down", "several labs are up; say which, or --all");
    else
        r = end_meant(labs, &options);
    json_decref(labs);
    return r;
}
