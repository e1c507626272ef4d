#include "tools/origin/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"

enum { TIME_SCALE_MAX = 100000, CONNECTIONS_MAX = 1000000, CONNECTIONS_DEFAULT = 20000 };

#define LISTEN_DEFAULT "127.0.0.1:9000"

static const uint64_t size_max = 1000ULL * 1000 * 1000 * 1000 * 1000;

#define COMPLAIN(...) arguments_complain("origin", __VA_ARGS__)

static int read_number(const char *name, const char *value, uint64_t min, uint64_t max,
                       uint64_t *ret)
{
    int64_t number;

    if (!arguments_number(value, (int64_t)min, (int64_t)max, &number))
        return COMPLAIN("%s is a whole number from %llu to %llu, not \"%s\"", name,
                        (unsigned long long)min, (unsigned long long)max, value);
    *ret = (uint64_t)number;
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
                   : COMPLAIN("--listen %s: \"%s\" lacks its value", listen->text, word);
    }
    return COMPLAIN("--listen %s: \"%s\" is none of name=NAME, tls, script=FILE, fault=NAME",
                    listen->text, word);
}

static int read_listen(struct origin_options *options, const char *text)
{
    struct origin_listen_option *listen = &options->listens[options->listens_count];
    char *copy, *rest, *word;
    int r = 0;

    if (options->listens_count == ORIGIN_LISTENERS_MAX)
        return COMPLAIN("%d listeners at most", ORIGIN_LISTENERS_MAX);
    options->listens_count++;
    listen->text = text;
    copy = rest = strdup(text);
    if (!copy)
        return COMPLAIN("out of memory");
    word = strsep(&rest, ",");
    if (addr_parse(slice_of(word), 0, &listen->address) < 0 || !strchr(word, ':'))
        r = COMPLAIN("--listen %s: \"%s\" is no ADDRESS:PORT", text, word);
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
            return COMPLAIN("out of memory");
        if (!name_is_good(listen->name))
            return COMPLAIN(
                "--listen %s: a name has letters, digits, '_', '-' and '.' only, and is "
                "not \"control\"",
                listen->text);
        for (size_t k = 0; k < i; k++)
            if (strcmp(options->listens[k].name, listen->name) == 0)
                return COMPLAIN("two listeners are named \"%s\"", listen->name);
    }
    return 0;
}

/* ---- the others ---------------------------------------------------------------------------- */

static int read_field(const char *value, struct answer *answer)
{
    bool is_field;

    if (answer_add_field(answer, value, &is_field))
        return 0;
    return is_field ? COMPLAIN("out of memory")
                    : COMPLAIN("--field is 'NAME: VALUE', not \"%s\"", value);
}

static int read_content(const char *value, struct answer *answer)
{
    free(answer->content);
    answer->content = strdup(value);
    answer->content_length = strlen(value);
    return answer->content ? 0 : COMPLAIN("out of memory");
}

static int read_echo(const char *value, struct answer *answer)
{
    if (strcmp(value, "head") == 0)
        answer->form = ANSWER_ECHO;
    else if (strcmp(value, "json") == 0)
        answer->form = ANSWER_LEDGER;
    else
        return COMPLAIN("--echo is head or json, not \"%s\"", value);
    return 0;
}

static int read_status(const char *value, struct answer *answer)
{
    uint64_t status = 0;
    int r = read_number("--status", value, 200, 999, &status);

    if (r == 0)
        answer->status = (unsigned)status;
    return r;
}

/* Those whose value is only kept. NULL: none of them. */
static const char **text_of(struct origin_options *options, const char *name)
{
    const struct {
        const char *name;
        const char **into;
    } texts[] = { { "--script", &options->script },
                  { "--fault", &options->fault },
                  { "--control", &options->control },
                  { "--log", &options->log },
                  { "--cert", &options->identity.cert_file },
                  { "--key", &options->identity.key_file },
                  { "--client-ca", &options->identity.client_ca_file },
                  { "--pki", &options->identity.pki_folder },
                  { "--tls-name", &options->identity.server_name } };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strcmp(name, texts[i].name) == 0)
            return texts[i].into;
    return NULL;
}

static bool *switch_of(struct origin_options *options, const char *name)
{
    const struct {
        const char *name;
        bool *into;
    } switches[] = { { "--tls", &options->tls },
                     { "--client-optional", &options->identity.client_optional },
                     { "--faults", &options->wants_faults },
                     { "--steps", &options->wants_steps } };
    size_t i = 0;

    while (i + 1 < sizeof(switches) / sizeof(switches[0]) && strcmp(name, switches[i].name) != 0)
        i++;
    return switches[i].into;
}

static int read_number_of(struct origin_options *options, const char *name, const char *value)
{
    const struct {
        const char *name;
        uint64_t min, max, *into;
    } numbers[] = { { "--size", 0, size_max, &options->answer.size },
                    { "--delay", 0, UINT32_MAX, &options->answer.delay_ms },
                    { "--time-scale", 1, TIME_SCALE_MAX, &options->time_scale },
                    { "--seed", 0, INT64_MAX, &options->seed },
                    { "--max-connections", 1, CONNECTIONS_MAX, &options->conns_max } };
    size_t i = 0;

    while (i + 1 < sizeof(numbers) / sizeof(numbers[0]) && strcmp(name, numbers[i].name) != 0)
        i++;
    options->answer.has_size |= numbers[i].into == &options->answer.size;
    return read_number(name, value, numbers[i].min, numbers[i].max, numbers[i].into);
}

static int take_option(void *context, const char *name, const char *value)
{
    struct origin_options *options = context;
    const char **text = text_of(options, name);

    if (text)
        *text = value;
    else if (!value)
        *switch_of(options, name) = true;
    else if (strcmp(name, "--listen") == 0)
        return read_listen(options, value);
    else if (strcmp(name, "--status") == 0)
        return read_status(value, &options->answer);
    else if (strcmp(name, "--field") == 0)
        return read_field(value, &options->answer);
    else if (strcmp(name, "--content") == 0)
        return read_content(value, &options->answer);
    else if (strcmp(name, "--echo") == 0)
        return read_echo(value, &options->answer);
    else
        return read_number_of(options, name, value);
    return 0;
}

static int check(const struct origin_options *options)
{
    const struct identity_settings *identity = &options->identity;
    bool any_tls = options->tls;

    for (size_t i = 0; i < options->listens_count; i++) {
        any_tls |= options->listens[i].tls;
        if (options->listens[i].script && options->listens[i].fault)
            return COMPLAIN("--listen %s: either script or fault", options->listens[i].text);
    }
    if (options->script && options->fault)
        return COMPLAIN("either --script or --fault: a script may begin with `fault: %s`",
                        options->fault);
    if (identity->key_file && !identity->cert_file)
        return COMPLAIN("--key needs --cert");
    if (identity->client_optional && !identity->client_ca_file)
        return COMPLAIN("--client-optional needs --client-ca");
    if ((identity->cert_file || identity->client_ca_file) && !any_tls)
        return COMPLAIN("--cert and --client-ca are for TLS: --tls, or --listen ...,tls");
    return 0;
}

int origin_options_read(int argc, char **argv, struct origin_options *ret)
{
    const struct arguments arguments = { "origin", take_option, NULL, NULL, ret };
    int r;

    *ret = (struct origin_options){ .time_scale = 1, .seed = 1, .conns_max = CONNECTIONS_DEFAULT };
    answer_init(&ret->answer);
    r = arguments_take(&arguments, argc, argv);
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
