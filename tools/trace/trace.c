#include "tools/trace/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"
#include "tools/trace/draw.h"
#include "tools/trace/join.h"
#include "tools/trace/log_read.h"
#include "tools/trace/print_json.h"
#include "tools/trace/stretch.h"
#include "tools/trace/verdict.h"

enum { FILES_MAX = 256 };

struct options {
    const char *files[FILES_MAX];
    size_t files_count;
    const char *id; /* NULL: any */
    int64_t limit;  /* requests */
    bool all, json;
};

/* ---- options ---- */

static int take_option(void *context, const char *name, const char *value)
{
    struct options *options = context;

    if (strcmp(name, "--id") == 0)
        options->id = value;
    else if (strcmp(name, "--all") == 0)
        options->all = true;
    else if (strcmp(name, "--json") == 0)
        options->json = true;
    else if (!arguments_number(value, 1, INT64_MAX, &options->limit))
        return arguments_complain("trace", "a number from 1 must follow --limit, not \"%s\"",
                                  value);
    return 0;
}

static int take_file(void *context, const char *word)
{
    struct options *options = context;

    if (options->files_count == FILES_MAX)
        return arguments_complain("trace", "too many logs, beginning with \"%s\"", word);
    options->files[options->files_count++] = word;
    return 0;
}

static int parse(int argc, char **argv, struct options *ret)
{
    const struct arguments arguments = { "trace", take_option, take_file, NULL, ret };
    int r;

    *ret = (struct options){ .limit = 20 };
    r = arguments_take(&arguments, argc, argv);
    return r == 0 && ret->files_count == 0 ? arguments_complain("trace", "a log is missing: LOG")
                                           : r;
}

/* ---- selection ---- */

/* Whole, or the address:port of a client. */
static bool is_id_of(const struct trace_account *account, const char *id)
{
    struct slice wanted = slice_of(id);
    char peer[ADDR_TEXT_MAX];

    if (slice_equal(account->request_id, wanted) || slice_equal(account->received_id, wanted))
        return true;
    return trace_is_known(&account->peer) &&
           strcmp(addr_format(&account->peer, peer, sizeof(peer)), id) == 0;
}

static bool chain_has_id(const struct verdict *verdict, const char *id)
{
    for (unsigned i = 0; i < verdict->chain_count; i++)
        if (is_id_of(verdict->chain[i], id))
            return true;
    return false;
}

static bool is_wanted(const struct options *options, const struct verdict *verdict)
{
    if (options->id)
        return chain_has_id(verdict, options->id);
    return options->all || verdict->failed;
}

/* ---- output ---- */

static void print_safe(struct slice text, const char *before, const char *behind)
{
    (void)printf("%s", before);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == '\t' || (c >= 0x20 && c < 0x7f))
            (void)putchar(c);
        else
            (void)printf("\\x%02X", c);
    }
    (void)printf("%s", behind);
}

static void print_logs(const struct verdict *verdict)
{
    char name[128];

    for (unsigned i = 0; i < verdict->chain_count; i++) {
        const struct trace_account *account = verdict->chain[i];
        bool is_ours = strcmp(account->format, "hopgate") == 0; /* its line is long, and drawn */

        if (account->error.len == 0 && is_ours)
            continue;
        (void)printf("  %s, %s:%u\n", verdict_hop_name(account, name, sizeof(name)), account->file,
                     account->line);
        if (account->error.len > 0)
            print_safe(account->error, "    ", "\n");
        if (!is_ours && account->error.ptr != account->text.ptr)
            print_safe(account->text, "    ", "\n");
    }
}

static void print_request(const struct trace_account *root, uint32_t scale)
{
    char peer[ADDR_TEXT_MAX];

    (void)putchar('\n');
    print_safe(root->method, "", " ");
    print_safe(root->target, "", "");
    if (trace_is_known(&root->peer))
        (void)printf(" of %s", addr_format(&root->peer, peer, sizeof(peer)));
    if (root->request_id.len > 0)
        print_safe(root->request_id, ", request id ", "");
    if (scale > 1)
        (void)printf("\nin a lab where time passed %u times as fast; times are as stated", scale);
    (void)putchar('\n');
}

static void print_story(const struct trace_account *root, const struct verdict *verdict,
                        uint32_t scale)
{
    (void)printf("%s.\n", verdict->text);
    if (verdict->fix[0])
        (void)printf("fix: %s.\n", verdict->fix);
    print_request(root, scale);
    trace_draw(root, stdout);
    if (verdict->evidence[0])
        (void)printf("\n%s", verdict->evidence);
    print_logs(verdict);
    (void)putchar('\n');
}

static int print_all(const struct trace *trace, const struct options *options)
{
    struct verdict verdict;
    int64_t told = 0;
    int64_t wanted = 0;
    unsigned long requests = 0;

    for (struct trace_account *at = trace->first; at; at = at->next_in_trace) {
        uint32_t scale;

        if (at->before)
            continue;
        requests++;
        scale = stretch_scale_of(at);
        stretch_accounts(at, scale);
        verdict_find(at, &verdict);
        if (!is_wanted(options, &verdict) || wanted++ >= options->limit)
            continue;
        told++;
        if (options->json)
            trace_print_json(at, &verdict, stdout);
        else
            print_story(at, &verdict, scale);
    }
    if (!options->json)
        (void)printf("%lld of %lu requests told%s; %u lines read, %u of no known format\n",
                     (long long)told, requests,
                     wanted > told ? " (--limit shows more)"
                     : told == 0 && !options->id
                         ? " (none failed; --all tells those that went well)"
                         : "",
                     trace->lines_count, trace->lines_skipped);
    return options->id && wanted == 0 ? CLI_FAILED : CLI_OK;
}

static int run(struct trace *trace, const struct options *options)
{
    struct log_error_lines *errors = log_error_lines_new(trace);
    int r = errors ? CLI_OK : CLI_FAILED;

    for (size_t i = 0; i < options->files_count && r == CLI_OK; i++)
        r = log_read_file(trace, errors, options->files[i]);
    if (r != CLI_OK)
        return r;
    if (trace->out_of_memory || !log_attach_errors(trace, errors) || !trace_join_accounts(trace)) {
        (void)fprintf(stderr, "hopgate: out of memory; give fewer or shorter logs\n");
        return CLI_FAILED;
    }
    if (trace->accounts_count == 0) {
        (void)fprintf(
            stderr,
            "hopgate: no line of these logs is of a known format: hopgate's JSON, nginx and "
            "Kong (access and error), HAProxy's httplog, ALB\n");
        return CLI_FAILED;
    }
    return print_all(trace, options);
}

int trace_verb(int argc, char **argv)
{
    struct options options;
    struct trace trace;
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    if (!trace_init(&trace)) {
        (void)fprintf(stderr, "hopgate: out of memory\n");
        return CLI_FAILED;
    }
    r = run(&trace, &options);
    trace_done(&trace);
    return r;
}
