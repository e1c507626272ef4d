/* Verbs that speak to a running hop by its control socket: status, show, why, reload, drain, stop,
 * set. */
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
#include "tools/cli/cli.h"
#include "tools/cli/table.h"
#include "tools/cli/why.h"

enum { WORDS_MAX = 4, COLUMN_MAX = 60, LIMIT_MAX = 1000 };

/* A hop that reloads looks up names meanwhile: longer than any of its own limits. */
enum { ANSWER_TIMEOUT_S = 120 };

struct control_options {
    const char *prefix, *kong_conf; /* NULL: not given */
    bool json;
    bool failed, last; /* --failed, --last */
    int limit;         /* --limit; 0: not given */
    const char *words[WORDS_MAX];
};

struct control_verb {
    const char *name;
    const char *usage;
    const char *words[WORDS_MAX]; /* keys of the words that follow the verb */
    bool (*words_suffice)(
        const struct control_options *options); /* NULL: all words must be there */
    bool selects;                               /* takes --failed, --limit, --last */
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

static json_t *read_answer(int fd)
{
    FILE *stream = fdopen(fd, "r");
    json_t *answer;
    json_error_t error;

    if (!stream) {
        (void)close(fd);
        return NULL;
    }
    answer = json_loadf(stream, 0, &error);
    (void)fclose(stream);
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

static void print_end(const json_t *answer)
{
    (void)answer;
    (void)printf("the hop has ended\n");
}

/* ---- verbs --------------------------------------------------------------------------------- */

#define OPTIONS                                                         \
    "  --prefix DIR  the hop's prefix; else the one of its kong.conf\n" \
    "  -c FILE       that kong.conf; KONG_PREFIX overrides it\n"        \
    "  --json        the answer as it is\n\n"                           \
    "exit codes: 0 done, 1 no hop answers or it refuses, 64 usage, 78 bad configuration\n"

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

static const struct control_verb verbs[] = {
    { .name = "status",
      .usage = "usage: hopgate status [OPTIONS]\n\nWhat a running hop is and how it is "
               "doing.\n\n" OPTIONS,
      .print = print_object },
    { .name = "show",
      .usage =
          "usage: hopgate show connections|exchanges|recent|targets|memory [OPTIONS]\n\n"
          "What a running hop carries at this moment; `recent`: the exchanges that ended last.\n\n"
          "  --failed      of recent: those that failed, were cut, tried again or slow\n"
          "  --limit N     of recent: at most N, 20 without it\n" OPTIONS,
      .words = { "what" },
      .words_suffice = show_words_suffice,
      .selects = true,
      .print = print_list },
    { .name = "why",
      .usage =
          "usage: hopgate why ID [OPTIONS]\n"
          "       hopgate why --last [--failed] [OPTIONS]\n\n"
          "Why one exchange of a running hop ended as it did: cause and fix first, then the\n"
          "evidence. ID is a request id (X-Kong-Request-Id), an exchange number, or a client's\n"
          "address:port, of which the last exchange is told.\n\n"
          "  --last        the exchange that ended last\n"
          "  --failed      the last that failed, was cut, tried again or slow\n" OPTIONS,
      .words = { "id" },
      .words_suffice = why_words_suffice,
      .selects = true,
      .print = why_print },
    { .name = "reload",
      .usage = "usage: hopgate reload [OPTIONS]\n\nLets a running hop read its configuration "
               "again. A bad one changes nothing.\n\n" OPTIONS,
      .print = print_reload },
    { .name = "drain",
      .usage = "usage: hopgate drain [OPTIONS]\n\nNo new connections; returns when what runs has "
               "ended, at most hopgate_shutdown_timeout.\n\n" OPTIONS,
      .print = print_end,
      .waits_for_end = true },
    { .name = "stop",
      .usage = "usage: hopgate stop [OPTIONS]\n\nEnds a running hop at once; what it carries is "
               "aborted.\n\n" OPTIONS,
      .print = print_end,
      .waits_for_end = true },
    { .name = "set",
      .usage = "usage: hopgate set log_level LEVEL [OPTIONS]\n\nChanges a running hop until its "
               "next reload.\n\n" OPTIONS,
      .words = { "key", "value" },
      .print = print_object },
    { .name = "target",
      .usage =
          "usage: hopgate target set UPSTREAM TARGET STATE [OPTIONS]\n\n"
          "Takes a target of a running hop out, or puts it back. TARGET is host:port or one of\n"
          "its addresses. It holds, over reloads too, until STATE is auto or nobody names the\n"
          "target any more.\n\n"
          "  healthy    gets requests, whatever checks say\n"
          "  unhealthy  gets none\n"
          "  drain      gets no new ones; idle connections to it stay open\n"
          "  disable    gets no new ones; idle connections to it are closed\n"
          "  auto       checks decide again\n" OPTIONS,
      .words = { "action", "upstream", "target", "state" },
      .print = print_object },
};

static int complain(const struct control_verb *verb, const char *what, const char *word)
{
    (void)fprintf(stderr, "hopgate %s: %s \"%s\"\n\n%s", verb->name, what, word, verb->usage);
    return CLI_USAGE;
}

static size_t words_wanted(const struct control_verb *verb)
{
    size_t count = 0;

    while (count < WORDS_MAX && verb->words[count])
        count++;
    return count;
}

/* False: `word` is no option that takes no value. */
static bool take_switch(const char *word, const struct control_verb *verb,
                        struct control_options *ret)
{
    if (strcmp(word, "--json") == 0)
        ret->json = true;
    else if (verb->selects && strcmp(word, "--failed") == 0)
        ret->failed = true;
    else if (verb->selects && strcmp(word, "--last") == 0)
        ret->last = true;
    else
        return false;
    return true;
}

static bool has_value(const char *word, const struct control_verb *verb)
{
    return strcmp(word, "--prefix") == 0 || strcmp(word, "-c") == 0 ||
           (verb->selects && strcmp(word, "--limit") == 0);
}

/* False: the value is none. */
static bool take_value(const char *word, const char *value, struct control_options *ret)
{
    char *end;

    if (strcmp(word, "--limit") != 0) {
        *(word[1] == 'c' ? &ret->kong_conf : &ret->prefix) = value;
        return true;
    }
    ret->limit = (int)strtol(value, &end, 10);
    return end != value && *end == '\0' && ret->limit > 0 && ret->limit <= LIMIT_MAX;
}

static int check_words(const struct control_verb *verb, const struct control_options *options,
                       size_t words)
{
    if (verb->words_suffice) {
        if (verb->words_suffice(options))
            return 0;
        (void)fputs(verb->usage, stderr);
        return CLI_USAGE;
    }
    return words == words_wanted(verb) ? 0 : complain(verb, "missing:", verb->words[words]);
}

/* 0, or an exit code; -1: help was printed. */
static int parse(int argc, char **argv, const struct control_verb *verb,
                 struct control_options *ret)
{
    size_t words = 0;

    *ret = (struct control_options){ 0 };
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            (void)fputs(verb->usage, stdout);
            return -1;
        }
        if (has_value(word, verb)) {
            if (i + 1 == argc)
                return complain(verb, "a value must follow", word);
            if (!take_value(word, argv[++i], ret))
                return complain(verb, "not a number from 1 to 1000:", argv[i]);
        } else if (!take_switch(word, verb, ret)) {
            if (word[0] == '-' || words == words_wanted(verb))
                return complain(verb, "not understood:", word);
            ret->words[words++] = word;
        }
    }
    return check_words(verb, ret, words);
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
    return json_object_get(answer, "remarks") ? CLI_BAD_CONFIG : CLI_FAILED;
}

int cli_control(int argc, char **argv)
{
    const struct control_verb *verb = verbs;
    struct control_options options;
    int code;
    char *prefix;
    json_t *request, *answer;

    while (strcmp(verb->name, argv[0]) != 0)
        verb++; /* the table of main.c has no other */
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
