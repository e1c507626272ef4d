#include "tools/origin/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "tools/cli/cli.h"
#include "tools/cli/verb.h"

enum { TIME_SCALE_MAX = 100000, CONNECTIONS_MAX = 1000000, CONNECTIONS_DEFAULT = 20000 };

#define LISTEN_DEFAULT "127.0.0.1:9000"

static const uint64_t size_max = 1000ULL * 1000 * 1000 * 1000 * 1000;

__attribute__((format(printf, 1, 2))) static int complain(const char *format, ...)
{
    va_list args;

    (void)fputs("hopgate: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputs("\n`hopgate origin --help` tells what there is\n", stderr);
    return CLI_USAGE;
}

static int read_number(const char *name, uint64_t min, uint64_t max, uint64_t *ret)
{
    char *end;
    unsigned long long value = strtoull(optarg, &end, 10);

    if (*optarg < '0' || *optarg > '9' || *end != '\0' || value < min || value > max)
        return complain("--%s is a whole number from %llu to %llu, not \"%s\"", name,
                        (unsigned long long)min, (unsigned long long)max, optarg);
    *ret = value;
    return 0;
}

/* ---- --listen ------------------------------------------------------------------------------ */

static int read_listen_word(const char *word, struct origin_listen_option *listen)
{
    struct {
        const char *key;
        char **into;
    } values[] = { { "name=", &listen->name },
                   { "script=", &listen->script },
                   { "fault=", &listen->fault } };

    if (strcmp(word, "tls") == 0) {
        listen->tls = true;
        return 0;
    }
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        size_t length = strlen(values[i].key);

        if (strncmp(word, values[i].key, length) != 0)
            continue;
        free(*values[i].into);
        *values[i].into = strdup(word + length);
        return *values[i].into && word[length]
                   ? 0
                   : complain("--listen %s: \"%s\" lacks its value", listen->text, word);
    }
    return complain("--listen %s: \"%s\" is none of name=NAME, tls, script=FILE, fault=NAME",
                    listen->text, word);
}

static int read_listen(struct origin_options *options, const char *text)
{
    struct origin_listen_option *listen = &options->listens[options->listens_count];
    char *copy, *rest, *word;
    int r = 0;

    if (options->listens_count == ORIGIN_LISTENERS_MAX)
        return complain("%d listeners at most", ORIGIN_LISTENERS_MAX);
    options->listens_count++;
    listen->text = text;
    copy = rest = strdup(text);
    if (!copy)
        return complain("out of memory");
    word = strsep(&rest, ",");
    if (addr_parse(slice_of(word), 0, &listen->address) < 0 || !strchr(word, ':'))
        r = complain("--listen %s: \"%s\" is no ADDRESS:PORT", text, word);
    while (r == 0 && (word = strsep(&rest, ",")))
        r = read_listen_word(word, listen);
    free(copy);
    return r;
}

/* They stand in texts that are taken apart again. */
static bool name_is_good(const char *name)
{
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
           strlen(name);
}

/* Names are made up where there is none: "origin", then "origin-2" ... */
static int name_listeners(struct origin_options *options)
{
    for (size_t i = 0; i < options->listens_count; i++) {
        struct origin_listen_option *listen = &options->listens[i];

        if (!listen->name && (i == 0 ? (listen->name = strdup("origin")) == NULL
                                     : asprintf(&listen->name, "origin-%zu", i + 1) < 0))
            return complain("out of memory");
        if (!name_is_good(listen->name))
            return complain(
                "--listen %s: a name has letters, digits, '_', '-' and '.' only, and is "
                "not \"control\"",
                listen->text);
        for (size_t k = 0; k < i; k++)
            if (strcmp(options->listens[k].name, listen->name) == 0)
                return complain("two listeners are named \"%s\"", listen->name);
    }
    return 0;
}

/* ---- the others ---------------------------------------------------------------------------- */

enum option_id {
    OPTION_LISTEN = 256,
    OPTION_SCRIPT,
    OPTION_FAULT,
    OPTION_CONTROL,
    OPTION_LOG,
    OPTION_TLS,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_CLIENT_CA,
    OPTION_CLIENT_OPTIONAL,
    OPTION_PKI,
    OPTION_TLS_NAME,
    OPTION_STATUS,
    OPTION_FIELD,
    OPTION_CONTENT,
    OPTION_SIZE,
    OPTION_DELAY,
    OPTION_ECHO,
    OPTION_TIME_SCALE,
    OPTION_SEED,
    OPTION_MAX_CONNECTIONS,
    OPTION_FAULTS,
    OPTION_STEPS,
    OPTION_HELP,
};

static const struct option long_options[] = {
    { "listen", required_argument, NULL, OPTION_LISTEN },
    { "script", required_argument, NULL, OPTION_SCRIPT },
    { "fault", required_argument, NULL, OPTION_FAULT },
    { "control", required_argument, NULL, OPTION_CONTROL },
    { "log", required_argument, NULL, OPTION_LOG },
    { "tls", no_argument, NULL, OPTION_TLS },
    { "cert", required_argument, NULL, OPTION_CERT },
    { "key", required_argument, NULL, OPTION_KEY },
    { "client-ca", required_argument, NULL, OPTION_CLIENT_CA },
    { "client-optional", no_argument, NULL, OPTION_CLIENT_OPTIONAL },
    { "pki", required_argument, NULL, OPTION_PKI },
    { "tls-name", required_argument, NULL, OPTION_TLS_NAME },
    { "status", required_argument, NULL, OPTION_STATUS },
    { "field", required_argument, NULL, OPTION_FIELD },
    { "content", required_argument, NULL, OPTION_CONTENT },
    { "size", required_argument, NULL, OPTION_SIZE },
    { "delay", required_argument, NULL, OPTION_DELAY },
    { "echo", required_argument, NULL, OPTION_ECHO },
    { "time-scale", required_argument, NULL, OPTION_TIME_SCALE },
    { "seed", required_argument, NULL, OPTION_SEED },
    { "max-connections", required_argument, NULL, OPTION_MAX_CONNECTIONS },
    { "faults", no_argument, NULL, OPTION_FAULTS },
    { "steps", no_argument, NULL, OPTION_STEPS },
    { "help", no_argument, NULL, OPTION_HELP },
    { NULL, 0, NULL, 0 },
};

static int read_field(struct answer *answer)
{
    bool is_field;

    if (answer_add_field(answer, optarg, &is_field))
        return 0;
    return is_field ? complain("out of memory")
                    : complain("--field is 'NAME: VALUE', not \"%s\"", optarg);
}

static int read_content(struct answer *answer)
{
    free(answer->content);
    answer->content = strdup(optarg);
    answer->content_length = strlen(optarg);
    return answer->content ? 0 : complain("out of memory");
}

static int read_echo(struct answer *answer)
{
    if (strcmp(optarg, "head") == 0)
        answer->form = ANSWER_ECHO;
    else if (strcmp(optarg, "json") == 0)
        answer->form = ANSWER_LEDGER;
    else
        return complain("--echo is head or json, not \"%s\"", optarg);
    return 0;
}

static int read_status(struct answer *answer)
{
    uint64_t status;
    int r = read_number("status", 200, 999, &status);

    if (r == 0)
        answer->status = (unsigned)status;
    return r;
}

/* Those whose value is only kept. */
static const char **text_of(struct origin_options *options, int option)
{
    switch (option) {
    case OPTION_SCRIPT:
        return &options->script;
    case OPTION_FAULT:
        return &options->fault;
    case OPTION_CONTROL:
        return &options->control;
    case OPTION_LOG:
        return &options->log;
    case OPTION_CERT:
        return &options->identity.cert_file;
    case OPTION_KEY:
        return &options->identity.key_file;
    case OPTION_CLIENT_CA:
        return &options->identity.client_ca_file;
    case OPTION_PKI:
        return &options->identity.pki_folder;
    case OPTION_TLS_NAME:
        return &options->identity.server_name;
    default:
        return NULL;
    }
}

static bool *switch_of(struct origin_options *options, int option)
{
    switch (option) {
    case OPTION_TLS:
        return &options->tls;
    case OPTION_CLIENT_OPTIONAL:
        return &options->identity.client_optional;
    case OPTION_FAULTS:
        return &options->wants_faults;
    case OPTION_STEPS:
        return &options->wants_steps;
    default:
        return NULL;
    }
}

static int read_one(struct origin_options *options, int option)
{
    switch (option) {
    case OPTION_LISTEN:
        return read_listen(options, optarg);
    case OPTION_STATUS:
        return read_status(&options->answer);
    case OPTION_FIELD:
        return read_field(&options->answer);
    case OPTION_CONTENT:
        return read_content(&options->answer);
    case OPTION_ECHO:
        return read_echo(&options->answer);
    case OPTION_SIZE:
        options->answer.has_size = true;
        return read_number("size", 0, size_max, &options->answer.size);
    case OPTION_DELAY:
        return read_number("delay", 0, UINT32_MAX, &options->answer.delay_ms);
    case OPTION_TIME_SCALE:
        return read_number("time-scale", 1, TIME_SCALE_MAX, &options->time_scale);
    case OPTION_SEED:
        return read_number("seed", 0, INT64_MAX, &options->seed);
    case OPTION_MAX_CONNECTIONS:
        return read_number("max-connections", 1, CONNECTIONS_MAX, &options->conns_max);
    default:
        return complain("\"%s\" is not known, or lacks its value", "an option");
    }
}

static int check(const struct origin_options *options)
{
    const struct identity_settings *identity = &options->identity;
    bool any_tls = options->tls;

    for (size_t i = 0; i < options->listens_count; i++) {
        any_tls |= options->listens[i].tls;
        if (options->listens[i].script && options->listens[i].fault)
            return complain("--listen %s: either script or fault", options->listens[i].text);
    }
    if (options->script && options->fault)
        return complain("either --script or --fault: a script may begin with `fault: %s`",
                        options->fault);
    if (identity->key_file && !identity->cert_file)
        return complain("--key needs --cert");
    if (identity->client_optional && !identity->client_ca_file)
        return complain("--client-optional needs --client-ca");
    if ((identity->cert_file || identity->client_ca_file) && !any_tls)
        return complain("--cert and --client-ca are for TLS: --tls, or --listen ...,tls");
    return 0;
}

int origin_options_read(int argc, char **argv, struct origin_options *ret)
{
    int option, r = 0;

    *ret = (struct origin_options){ .time_scale = 1, .seed = 1, .conns_max = CONNECTIONS_DEFAULT };
    answer_init(&ret->answer);
    opterr = 0; /* its messages lack our name */
    while (r == 0 && (option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        const char **text = text_of(ret, option);
        bool *is_on = switch_of(ret, option);

        if (option == OPTION_HELP || option == 'h') {
            verb_print_help(verb_find("origin"), stdout);
            return -1;
        }
        if (option == '?' || option == ':')
            r = complain("%s %s", argv[optind - 1],
                         option == ':' ? "lacks its value" : "is not known here");
        else if (text)
            *text = optarg;
        else if (is_on)
            *is_on = true;
        else
            r = read_one(ret, option);
    }
    if (r == 0 && optind < argc)
        r = complain("\"%s\" is no option", argv[optind]);
    if (r == 0 && ret->listens_count == 0)
        r = read_listen(ret, LISTEN_DEFAULT);
    if (r == 0)
        r = name_listeners(ret);
    return r == 0 ? check(ret) : r;
}

void origin_options_done(struct origin_options *options)
{
    for (size_t i = 0; i < options->listens_count; i++) {
        free(options->listens[i].name);
        free(options->listens[i].script);
        free(options->listens[i].fault);
    }
    answer_done(&options->answer);
}
