/* Verbs that speak to a running hop by its control socket: status, show, why, reload, upgrade, drain,
 * stop, set. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/settings.h"
#include "proxy/gateway/control.h"
#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"
#include "tools/cli/table.h"
#include "tools/cli/verb.h"
#include "tools/cli/why.h"

enum { WORDS_MAX = 4, COLUMN_MAX = 60, LIMIT_MAX = 1000, UPGRADE_TIMEOUT_S_MAX = 100 };

/* A hop that reloads or upgrades looks up names meanwhile: longer than any of its own limits. */
enum { ANSWER_TIMEOUT_S = 120 };

struct control_options {
    const char *prefix, *kong_conf; /* NULL: not given */
    bool json;
    bool failed, last;  /* --failed, --last */
    int limit;          /* --limit; 0: not given */
    const char *binary; /* --binary; NULL: not given */
    int timeout_s;      /* --timeout; 0: not given */
    const char *words[WORDS_MAX];
};

struct control_verb {
    const char *name;
    const char *words[WORDS_MAX]; /* keys of the words that follow the verb */
    bool (*words_suffice)(
        const struct control_options *options); /* NULL: all words must be there */
    bool selects;                               /* one or some of the recent */
    bool starts;                                /* another process */
    void (*print)(const json_t *answer);
    bool waits_for_end; /* of the hop, whose pid is in the answer */
};

/* ---- the socket ---------------------------------------------------------------------------- */

/* A prefix may be longer than sun_path: its descriptor names it in a few bytes. */
static int connect_below(const char *prefix)
{
    struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int directory_fd = open(prefix, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, r = 0;

    if (directory_fd < 0)
        return -errno;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", directory_fd,
             CONTROL_SOCKET);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        r = -errno;
    (void)close(directory_fd);
    if (r == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return r;
}

static int send_request(int fd, const json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    size_t length = text ? strlen(text) : 0;
    int r = 0;

    if (!text)
        return -ENOMEM;
    text[length] = '\n'; /* instead of the NUL: the request ends with its line */
    for (size_t sent = 0; sent < length + 1 && r == 0;) {
        ssize_t n = send(fd, text + sent, length + 1 - sent, MSG_NOSIGNAL);

        if (n < 0)
            r = -errno;
        else
            sent += (size_t)n;
    }
    free(text);
    return r;
}

/* A read with a time limit is interrupted by a stop and a continue, and not restarted: signal(7). */
static size_t read_some(void *into, size_t size, void *owner)
{
    int fd = *(int *)owner;
    ssize_t n;

    do {
        n = read(fd, into, size);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? (size_t)-1 : (size_t)n;
}

static json_t *read_answer(int fd)
{
    json_error_t error;
    json_t *answer = json_load_callback(read_some, &fd, 0, &error);

    (void)close(fd);
    return answer;
}

static json_t *ask(const char *prefix, const json_t *request)
{
    int fd = connect_below(prefix), r;
    json_t *answer;

    if (fd < 0) {
        (void)fprintf(stderr, "hopgate: no hop answers at %s/%s: %s%s\n", prefix, CONTROL_SOCKET,
                      strerror(-fd),
                      fd == -EACCES ? "; only the user who runs the hop may ask it"
                                    : "; is it running, and is this its prefix (--prefix DIR)?");
        return NULL;
    }
    r = send_request(fd, request);
    answer = r < 0 ? NULL : read_answer(fd);
    if (r < 0)
        (void)close(fd);
    if (!answer)
        (void)fprintf(stderr, "hopgate: the hop at %s gave no answer\n", prefix);
    return answer;
}

/* pidfd: tells the end of a process that is not our child. */
static void wait_for_end(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = { .fd = fd, .events = POLLIN };

    if (fd < 0)
        return; /* it has ended already */
    while (poll(&ended, 1, -1) < 0 && errno == EINTR)
        continue;
    (void)close(fd);
}

/* ---- printing ------------------------------------------------------------------------------ */

static void print_object(const json_t *answer)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)answer, key, value)
    {
        char text[COLUMN_MAX * 4];

        if (strcmp(key, "ok") == 0)
            continue;
        (void)printf("%-18s %s\n", key, table_cell(value, text, sizeof(text)));
    }
}

/* The list in the answer as a table, and what stands beside it. */
static void print_list(const json_t *answer)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)answer, key, value)
    {
        char text[COLUMN_MAX * 4];

        if (json_is_array(value))
            table_print(value, stdout);
        else if (strcmp(key, "ok") != 0)
            (void)printf("%s: %s\n", key, table_cell(value, text, sizeof(text)));
    }
}

static void print_remarks(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "remarks");

    for (size_t i = 0; i < json_array_size(list); i++)
        (void)fprintf(stderr, "%s\n", json_string_value(json_array_get(list, i)));
}

static void print_reload(const json_t *answer)
{
    (void)printf("configuration %lld is in force\n",
                 (long long)json_integer_value(json_object_get(answer, "configuration")));
}

static void print_upgrade(const json_t *answer)
{
    (void)printf("process %lld serves; %lld, the former one, finishes what it carries\n",
                 (long long)json_integer_value(json_object_get(answer, "pid")),
                 (long long)json_integer_value(json_object_get(answer, "former_pid")));
}

static void print_end(const json_t *answer)
{
    (void)answer;
    (void)printf("the hop has ended\n");
}

/* ---- verbs --------------------------------------------------------------------------------- */

static bool show_words_suffice(const struct control_options *options)
{
    bool of_recent = options->words[0] && strcmp(options->words[0], "recent") == 0;

    return options->words[0] && !options->last &&
           (of_recent || (!options->failed && options->limit == 0));
}

/* Either an id or --last; --failed says which last. */
static bool why_words_suffice(const struct control_options *options)
{
    return options->limit == 0 && (options->words[0] != NULL) != (options->last || options->failed);
}

static const struct control_verb control_verbs[] = {
    { .name = "status", .print = print_object },
    { .name = "show",
      .words = { "what" },
      .words_suffice = show_words_suffice,
      .selects = true,
      .print = print_list },
    { .name = "why",
      .words = { "id" },
      .words_suffice = why_words_suffice,
      .selects = true,
      .print = why_print },
    { .name = "reload", .print = print_reload },
    { .name = "upgrade", .starts = true, .print = print_upgrade },
    { .name = "drain", .print = print_end, .waits_for_end = true },
    { .name = "stop", .print = print_end, .waits_for_end = true },
    { .name = "set", .words = { "key", "value" }, .print = print_object },
    { .name = "target",
      .words = { "action", "upstream", "target", "state" },
      .print = print_object },
};

static size_t words_wanted(const struct control_verb *verb)
{
    size_t count = 0;

    while (count < WORDS_MAX && verb->words[count])
        count++;
    return count;
}

static void take_switch(const char *name, struct control_options *ret)
{
    if (strcmp(name, "--json") == 0)
        ret->json = true;
    else if (strcmp(name, "--failed") == 0)
        ret->failed = true;
    else
        ret->last = true;
}

static bool take_number(const char *value, int max, int *ret)
{
    int64_t number;

    if (!arguments_number(value, 1, max, &number))
        return false;
    *ret = (int)number;
    return true;
}

/* False: the value is none. */
static bool take_value(const char *name, const char *value, struct control_options *ret)
{
    if (strcmp(name, "--limit") == 0)
        return take_number(value, LIMIT_MAX, &ret->limit);
    if (strcmp(name, "--timeout") == 0)
        return take_number(value, UPGRADE_TIMEOUT_S_MAX, &ret->timeout_s);
    if (strcmp(name, "--binary") == 0)
        ret->binary = value;
    else if (strcmp(name, "--conf") == 0)
        ret->kong_conf = value;
    else
        ret->prefix = value;
    return true;
}

static int check_words(const struct control_verb *verb, const struct control_options *options,
                       size_t words)
{
    if (verb->words_suffice) {
        if (verb->words_suffice(options))
            return 0;
        return arguments_complain(verb->name, "these words do not make sense together");
    }
    return words == words_wanted(verb)
               ? 0
               : arguments_complain(verb->name, "missing: %s", verb->words[words]);
}

struct control_words {
    const struct control_verb *verb;
    struct control_options *options;
    size_t count;
};

static int take_option(void *context, const char *name, const char *value)
{
    const struct control_words *words = context;

    if (!value) {
        take_switch(name, words->options);
        return 0;
    }
    if (take_value(name, value, words->options))
        return 0;
    return arguments_complain(words->verb->name, "%s is a number from 1 to %d, not \"%s\"", name,
                              words->verb->starts ? UPGRADE_TIMEOUT_S_MAX : LIMIT_MAX, value);
}

static int take_word(void *context, const char *word)
{
    struct control_words *words = context;

    if (words->count == words_wanted(words->verb))
        return arguments_complain(words->verb->name, "not understood: %s", word);
    words->options->words[words->count++] = word;
    return 0;
}

static int parse(int argc, char **argv, const struct control_verb *verb,
                 struct control_options *ret)
{
    struct control_words words = { verb, ret, 0 };
    const struct arguments arguments = { verb->name, take_option, take_word, NULL, &words };
    int r;

    *ret = (struct control_options){ 0 };
    r = arguments_take(&arguments, argc, argv);
    return r != 0 ? r : check_words(verb, ret, words.count);
}

/* malloc'ed; NULL: the complaint was printed, *ret_code says how to exit. */
static char *find_prefix(const struct control_options *options, int *ret_code)
{
    SCOPED(settings) settings = NULL;
    struct config_errors errors;
    char *prefix = NULL;

    if (options->prefix)
        return strdup(options->prefix);
    config_errors_init(&errors);
    if (settings_load(options->kong_conf, environ, &settings, &errors) == 0)
        prefix = strdup(settings->prefix);
    else
        config_errors_print(&errors, stderr);
    config_errors_done(&errors);
    *ret_code = CLI_BAD_CONFIG;
    return prefix;
}

/* A relative path means this process's directory, not the hop's. */
static json_t *absolute(const char *path)
{
    char *directory = path[0] == '/' ? NULL : getcwd(NULL, 0);
    json_t *text = directory ? json_sprintf("%s/%s", directory, path) : json_string(path);

    free(directory);
    return text;
}

static json_t *request_of(const struct control_verb *verb, const struct control_options *options)
{
    json_t *request = json_pack("{s:s}", "verb", verb->name);

    for (size_t i = 0; i < words_wanted(verb) && options->words[i]; i++)
        json_object_set_new(request, verb->words[i], json_string(options->words[i]));
    if (options->failed)
        json_object_set_new(request, "failed", json_true());
    if (options->last || (verb->selects && !options->words[0]))
        json_object_set_new(request, "last", json_true());
    if (options->limit > 0)
        json_object_set_new(request, "limit", json_integer(options->limit));
    if (options->binary)
        json_object_set_new(request, "binary", absolute(options->binary));
    if (options->timeout_s > 0)
        json_object_set_new(request, "timeout_s", json_integer(options->timeout_s));
    return request;
}

static int tell(const struct control_verb *verb, const struct control_options *options,
                const json_t *answer)
{
    bool done = json_is_true(json_object_get(answer, "ok"));

    if (verb->waits_for_end && done)
        wait_for_end((pid_t)json_integer_value(json_object_get(answer, "pid")));
    if (options->json) {
        (void)json_dumpf(answer, stdout, JSON_INDENT(2));
        (void)printf("\n");
    } else {
        print_remarks(answer);
        if (done)
            verb->print(answer);
        else
            (void)fprintf(stderr, "hopgate %s: %s\n", verb->name,
                          json_string_value(json_object_get(answer, "error")));
    }
    if (done)
        return CLI_OK;
    if (json_object_get(answer, "exit_code"))
        return (int)json_integer_value(json_object_get(answer, "exit_code"));
    return json_object_get(answer, "remarks") ? CLI_BAD_CONFIG : CLI_FAILED;
}

int cli_control(int argc, char **argv)
{
    const struct control_verb *verb = control_verbs;
    struct control_options options;
    int code;
    char *prefix;
    json_t *request, *answer;

    while (strcmp(verb->name, argv[0]) != 0)
        verb++; /* verbs.c has no other with this function */
    code = parse(argc, argv, verb, &options);
    if (code != 0)
        return code < 0 ? CLI_OK : code;
    prefix = find_prefix(&options, &code);
    if (!prefix)
        return code;
    request = request_of(verb, &options);
    answer = ask(prefix, request);
    code = answer ? tell(verb, &options, answer) : CLI_FAILED;
    json_decref(request);
    json_decref(answer);
    free(prefix);
    return code;
}
