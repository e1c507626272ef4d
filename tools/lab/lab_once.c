/* lab_once: `hopgate lab run`: one request through a chain: the answer, the picture, the verdict. */
#include <stdlib.h>
#include <string.h>

#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"
#include "tools/lab/experiment.h"
#include "tools/lab/lab.h"
#include "tools/lab/matrix_report.h"

struct once_options {
    const char *chain, *fault, *place;
    int64_t time_scale;  /* 0: the chain's */
    int64_t fault_times; /* 0: always */
    int64_t patience_ms; /* stated; 0: the chain's */
    int64_t fill_lines, fill_bytes;
    int64_t content_bytes; /* 0: what -d says */
    bool json;
    struct case_request request;
    char *fill, *content; /* heap; made of the numbers */
};

enum { FILL_BYTES_MAX = 1 << 20, CONTENT_BYTES_MAX = 1 << 26 };

/* ---- options ------------------------------------------------------------------------------- */

static int take_field(struct case_request *request, const char *value)
{
    const char *colon = strchr(value, ':');

    if (!colon || colon == value || strpbrk(value, "\r\n"))
        return arguments_complain("lab run", "-H is 'NAME: VALUE', not %s", value);
    if (request->fields_count + 3 >= CASE_FIELDS_MAX)
        return arguments_complain("lab run", "too many fields at %s", value);
    request->fields[request->fields_count++] = value;
    return 0;
}

/* Behind "--": as curl has it. */
static int take_request(void *context, int argc, char **argv)
{
    struct case_request *request = &((struct once_options *)context)->request;

    for (int i = 0; i < argc; i++) {
        bool takes =
            strcmp(argv[i], "-X") == 0 || strcmp(argv[i], "-H") == 0 || strcmp(argv[i], "-d") == 0;
        int r = 0;

        if (takes && i + 1 == argc)
            return arguments_complain("lab run", "a value must follow %s", argv[i]);
        if (strcmp(argv[i], "-X") == 0)
            request->method = argv[++i];
        else if (strcmp(argv[i], "-H") == 0)
            r = take_field(request, argv[++i]);
        else if (strcmp(argv[i], "-d") == 0)
            request->content_length = strlen(request->content = argv[++i]);
        else if (argv[i][0] == '/' && !request->path)
            request->path = argv[i];
        else
            return arguments_complain(
                "lab run",
                "behind -- follow -X METHOD, -H 'NAME: VALUE', -d CONTENT and a /path, not %s",
                argv[i]);
        if (r != 0)
            return r;
    }
    return 0;
}

static int complete_request(struct once_options *ret)
{
    struct case_request *request = &ret->request;

    if (!request->method)
        request->method = request->content || ret->content_bytes > 0 ? "POST" : "GET";
    if (strspn(request->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(request->method) ||
        strlen(request->method) > 15)
        return arguments_complain("lab run", "no method: %s", request->method);
    return request->path && strpbrk(request->path, " \r\n\t")
               ? arguments_complain("lab run", "a path has no spaces: %s", request->path)
               : 0;
}

static bool is_number(const char *text, int64_t max, int64_t *ret)
{
    char *end;
    long long number = strtoll(text, &end, 10);

    *ret = number;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && number <= max;
}

static bool is_fill(const char *text, struct once_options *options)
{
    char *end;

    options->fill_lines = strtoll(text, &end, 10);
    return text[0] >= '1' && text[0] <= '9' && *end == 'x' && options->fill_lines <= 1000 &&
           is_number(end + 1, FILL_BYTES_MAX, &options->fill_bytes) &&
           options->fill_lines * options->fill_bytes <= FILL_BYTES_MAX;
}

static int take_number(struct once_options *options, const char *name, const char *value)
{
    int64_t before = options->request.before_count;
    const struct {
        const char *name;
        int64_t *into, max;
    } numbers[] = { { "--before", &before, CASE_BEFORE_MAX },
                    { "--pause", &options->request.pause_ms, INT32_MAX },
                    { "--patience", &options->patience_ms, INT32_MAX },
                    { "--fault-times", &options->fault_times, INT32_MAX },
                    { "--content-bytes", &options->content_bytes, CONTENT_BYTES_MAX } };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(name, numbers[i].name) != 0)
            continue;
        if (!is_number(value, numbers[i].max, numbers[i].into))
            return arguments_complain("lab run", "%s is followed by a number that is not too large",
                                      name);
    }
    options->request.before_count = (unsigned)before;
    return 0;
}

static int take_option(void *context, const char *name, const char *value)
{
    struct once_options *options = context;

    if (strcmp(name, "--json") == 0) {
        options->json = true;
        return 0;
    }
    if (strcmp(name, "--fault") == 0)
        options->fault = value;
    else if (strcmp(name, "--place") == 0)
        options->place = value;
    else if (strcmp(name, "--fill") == 0 && !is_fill(value, options))
        return arguments_complain("lab run", "--fill is LINESxBYTES, as in 1x9000, not %s", value);
    else if (strcmp(name, "--time-scale") == 0 &&
             (options->time_scale = experiment_time_scale(value)) == 0)
        return arguments_complain("lab run", "--time-scale is a number from 1 to 100000, not %s",
                                  value);
    return take_number(options, name, value);
}

static int take_chain(void *context, const char *word)
{
    return arguments_take_only("lab run", &((struct once_options *)context)->chain, word);
}

static int parse(int argc, char **argv, struct once_options *ret)
{
    const struct arguments arguments = { "lab run", take_option, take_chain, take_request, ret };
    int r;

    *ret = (struct once_options){ .chain = NULL };
    r = arguments_take(&arguments, argc, argv);
    if (r == 0 && !ret->chain)
        r = arguments_complain("lab run", ARGUMENTS_NO_CHAIN);
    if (r == 0 && !ret->fault && (ret->place || ret->fault_times > 0))
        r = arguments_complain("lab run", "%s is for --fault",
                               ret->place ? "--place" : "--fault-times");
    return r != 0 ? r : complete_request(ret);
}

/* ---- what is made of numbers --------------------------------------------------------------- */

/* Lines for one entry of the request's fields: the last has no end. */
static char *fill_text(const struct once_options *options)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);

    for (int64_t i = 0; stream && i < options->fill_lines; i++) {
        (void)fprintf(stream, "%sX-Fill-%lld: ", i > 0 ? "\r\n" : "", (long long)i + 1);
        for (int64_t k = 0; k < options->fill_bytes; k++)
            (void)fputc('f', stream);
    }
    if (stream && fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

static bool make_texts(struct once_options *options)
{
    struct case_request *request = &options->request;

    if (options->fill_lines > 0) {
        if (!(options->fill = fill_text(options)))
            return false;
        request->fields[request->fields_count++] = options->fill;
    }
    if (options->content_bytes == 0)
        return true;
    request->content_length = (size_t)options->content_bytes;
    request->content = options->content = malloc(request->content_length);
    if (options->content)
        memset(options->content, 'c', request->content_length);
    return options->content != NULL;
}

/* ---- output -------------------------------------------------------------------------------- */

static void print_safe(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f))
            (void)putchar(c);
        else if (c != '\r')
            (void)printf("\\x%02X", c);
    }
    if (length > 0 && bytes[length - 1] != '\n')
        (void)putchar('\n');
}

static void print_story(const json_t *document, const struct case_answer *answer)
{
    const json_t *one = json_array_get(json_object_get(document, "cases"), 0), *hop;
    size_t i;

    (void)printf("%s\n", matrix_text(one, "verdict"));
    if (matrix_text(one, "fix")[0])
        (void)printf("fix: %s\n", matrix_text(one, "fix"));
    if (matrix_text(one, "tie")[0])
        (void)printf("tie: %s\n", matrix_text(one, "tie"));
    (void)printf("\n");
    print_safe(answer->heads ? answer->heads : "", answer->heads_length);
    print_safe(answer->content ? answer->content : "", answer->content_length);
    if (answer->detail[0])
        (void)printf("(%s: %s)\n", answer->end, answer->detail);
    (void)printf("\n%s\n%s", matrix_text(one, "picture"), matrix_text(one, "evidence"));
    json_array_foreach(json_object_get(one, "hops"), i, hop)
    {
        if (matrix_text(hop, "log")[0])
            (void)printf("%s: %s\n", matrix_text(hop, "hop"), matrix_text(hop, "log"));
    }
    json_array_foreach(json_object_get(document, "notes"), i, hop)(void)
        printf("note   %s\n", json_string_value(hop));
}

/* Bytes as they are, as far as JSON can have them. */
static json_t *bytes_json(const char *bytes, size_t length)
{
    char *copy = malloc(length + 1);
    json_t *value;

    for (size_t i = 0; copy && i < length; i++)
        copy[i] = (unsigned char)bytes[i] < 0x7f && bytes[i] ? bytes[i] : '?';
    value = copy ? json_stringn(copy, length) : NULL;
    free(copy);
    return value;
}

/* One answer can be told whole, other than those of a matrix. */
static void add_answer(json_t *one, const struct case_answer *answer)
{
    json_object_set_new(one, "heads", bytes_json(answer->heads, answer->heads_length));
    json_object_set_new(one, "content", bytes_json(answer->content, answer->content_length));
}

/* ---- the verb ------------------------------------------------------------------------------ */

static int make_plan(const struct once_options *options, const struct chain *chain,
                     struct case_plan **ret)
{
    struct case_options wanted = { options->fault, options->place, options->request.method };
    int r = CLI_OK;

    *ret = NULL;
    if (!options->fault)
        return CLI_OK;
    *ret = case_plan_make(chain, &wanted, &r);
    if (!*ret)
        return r;
    (*ret)->cases[0].times = (unsigned)options->fault_times;
    if (options->fault_times > 0 && (*ret)->cases[0].words[0]) {
        case_plan_free(TAKE(*ret));
        return arguments_complain(
            "lab run", "--fault-times is for faults of the origin, not for %s", options->fault);
    }
    if ((*ret)->count == 1)
        return r;
    (void)fprintf(stderr, "hopgate lab run: one fault at one place, please; --place says which:");
    for (size_t i = 0; i < (*ret)->count; i++)
        (void)fprintf(stderr, " %s", (*ret)->cases[i].place);
    (void)fprintf(stderr, "\n");
    case_plan_free(*ret);
    *ret = NULL;
    return CLI_USAGE;
}

static int send_one(const struct once_options *options, const struct chain *chain,
                    struct case_plan *plan)
{
    struct case_request request = options->request;
    struct case_answer answer = { .status = 0 };
    struct experiment experiment = { .plan = plan, .request = &request, .answers = &answer };
    char path[CASE_PATH_MAX];
    json_t *document;
    int r;

    snprintf(path, sizeof(path), "%s", request.path ? request.path : chain->client.path);
    if (plan) {
        request.fields[request.fields_count++] = CASE_FIELD ": case-1";
        snprintf(path + strlen(path), sizeof(path) - strlen(path), "%ccase=case-1",
                 strchr(path, '?') ? '&' : '?');
    }
    request.path = path;
    if (plan && plan->cases[0].warm && request.before_count == 0) {
        request.before_count = 1; /* such a fault is about connections that were used */
        request.pause_ms = CASE_PAUSE_MS;
    }
    document = experiment_run(chain, &experiment, &r);
    if (document)
        add_answer(json_array_get(json_object_get(document, "cases"), 0), &answer);
    if (document && options->json) {
        (void)json_dumpf(document, stdout, JSON_INDENT(2));
        (void)printf("\n");
    } else if (document) {
        print_story(document, &answer);
    }
    json_decref(document);
    case_answer_done(&answer);
    return r;
}

int lab_run_verb(int argc, char **argv)
{
    SCOPED(chain) chain = NULL;
    SCOPED(case_plan) plan = NULL;
    struct once_options options;
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    r = experiment_load_chain(options.chain, &chain);
    if (r == CLI_OK)
        r = make_plan(&options, chain, &plan);
    if (r != CLI_OK)
        return r;
    if (options.time_scale != 0)
        chain->time_scale = options.time_scale;
    if (options.patience_ms != 0)
        chain->client.timeout_ms = options.patience_ms;
    r = make_texts(&options) ? send_one(&options, chain, plan) : CLI_FAILED;
    free(options.fill);
    free(options.content);
    return r;
}
