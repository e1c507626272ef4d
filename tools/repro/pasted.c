#include "tools/repro/pasted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/cli.h"

enum { SHOWN_BYTES = 60, COMPLAINT_MAX = 640 };

/* ---- text ---------------------------------------------------------------------------------- */

static int complain(const char *what)
{
    (void)fprintf(stderr, "hopgate repro: %s\n", what);
    return CLI_FAILED;
}

/* Standard input to its end; malloc'ed. NULL: after the complaint. */
static char *read_stdin(size_t *ret_length)
{
    char *text = malloc(PASTED_BYTES_MAX + 1);
    size_t length = text ? fread(text, 1, PASTED_BYTES_MAX + 1, stdin) : 0;

    if (!text)
        (void)complain("out of memory");
    else if (ferror(stdin))
        (void)complain("standard input cannot be read");
    else if (length > PASTED_BYTES_MAX)
        (void)complain("more than 4 MiB on standard input; paste the lines of one request");
    else {
        *ret_length = length;
        return text;
    }
    free(text);
    return NULL;
}

static void print_shown(struct slice text)
{
    size_t length = text.len < SHOWN_BYTES ? text.len : SHOWN_BYTES;

    (void)fprintf(stderr, "  ");
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        (void)fputc(c < 0x20 || c >= 0x7f ? '?' : c, stderr);
    }
    (void)fprintf(stderr, "%s\n", text.len > length ? " ..." : "");
}

/* ---- lines --------------------------------------------------------------------------------- */

struct taking {
    struct pasted *pasted;
    unsigned number, unread;
};

static void take_line(struct taking *taking, struct slice text)
{
    struct pasted *pasted = taking->pasted;
    char complaint[COMPLAINT_MAX];

    taking->number++;
    if (pasted->count == PASTED_LINES_MAX) {
        if (taking->unread++ == 0)
            (void)fprintf(stderr, "hopgate repro: of many lines the first %d are taken\n",
                          PASTED_LINES_MAX);
        return;
    }
    if (line_read(text, &pasted->lines[pasted->count])) {
        pasted->count++;
        return;
    }
    taking->unread++;
    line_complaint(text, complaint, sizeof(complaint));
    (void)fprintf(stderr, "hopgate repro: line %u is not read: %s:\n", taking->number, complaint);
    print_shown(text);
}

static bool is_blank(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!strchr(" \t\r", text.ptr[i]) || text.ptr[i] == '\0')
            return false;
    return true;
}

static void take_text(struct taking *taking, struct slice text)
{
    bool is_only = text.len == 0 || !memchr(text.ptr, '\n', text.len);

    while (text.len > 0 || is_only) {
        const char *end = text.len > 0 ? memchr(text.ptr, '\n', text.len) : NULL;
        struct slice line = { text.ptr, end ? (size_t)(end - text.ptr) : text.len };

        if (is_only || !is_blank(line)) /* an empty line of many means nothing */
            take_line(taking, line);
        text = slice_from(text, line.len + (end ? 1 : 0));
        is_only = false;
    }
}

static int take_all(struct taking *taking, const struct paste_options *options)
{
    for (size_t i = 0; i < options->count; i++) {
        struct slice text = slice_of(options->texts[i]);
        char *input = NULL;

        if (slice_equal(text, SLICE("-"))) {
            input = read_stdin(&text.len);
            text.ptr = input;
            if (!input)
                return CLI_FAILED;
        }
        take_text(taking, text);
        free(input);
    }
    return taking->pasted->count > 0 ? CLI_OK : CLI_BAD_CONFIG;
}

/* ---- together ------------------------------------------------------------------------------ */

/* Lines with other ids are of other requests; those without may be of any. */
static void keep_one_request(struct pasted *pasted)
{
    char id[LINE_WORD_MAX] = "";
    size_t kept = 0;

    for (size_t i = 0; i < pasted->count; i++) {
        const char *its = pasted->lines[i].request_id;

        if (its[0] && id[0] && strcmp(its, id) != 0)
            continue;
        if (!id[0])
            (void)snprintf(id, sizeof(id), "%s", its);
        if (kept != i)
            pasted->lines[kept] = pasted->lines[i];
        kept++;
    }
    if (kept < pasted->count)
        (void)fprintf(stderr,
                      "hopgate repro: the lines are of several requests; the first one's are taken "
                      "(`hopgate trace` tells all)\n");
    pasted->count = kept;
}

/* An access line in the combined format may be Kong's as well as nginx's. */
static int agree_on_product(struct pasted *pasted, enum line_product wanted)
{
    enum line_product product = wanted != LINE_PRODUCTS ? wanted : pasted->lines[0].product;

    for (size_t i = 0; wanted == LINE_PRODUCTS && i < pasted->count; i++) {
        enum line_product its = pasted->lines[i].product;

        if (its == product || (product == LINE_KONG && its == LINE_NGINX))
            continue;
        if (product != LINE_NGINX || its != LINE_KONG) {
            (void)fprintf(stderr,
                          "hopgate repro: lines of %s and of %s: paste those of one hop; "
                          "`hopgate trace` joins the logs of several\n",
                          line_product_title(product), line_product_title(its));
            return CLI_USAGE;
        }
        product = LINE_KONG;
    }
    pasted->product = product;
    for (size_t i = 0; i < pasted->count; i++)
        pasted->lines[i].product = product;
    return CLI_OK;
}

/* HAProxy's lines cannot be an ALB's. */
static int check_wanted(const struct pasted *pasted, enum line_product wanted)
{
    for (size_t i = 0; wanted != LINE_PRODUCTS && i < pasted->count; i++) {
        enum line_product its = pasted->lines[i].product;
        bool is_nginx = its == LINE_NGINX || its == LINE_KONG;
        bool wants_nginx = wanted == LINE_NGINX || wanted == LINE_KONG;

        if (its == wanted || (is_nginx && wants_nginx))
            continue;
        (void)fprintf(stderr, "hopgate repro: --product %s, but the line is one of %s\n",
                      line_product_name(wanted), line_product_title(its));
        return CLI_USAGE;
    }
    return CLI_OK;
}

int pasted_read(const struct paste_options *options, struct pasted *ret)
{
    struct taking taking = { .pasted = ret };
    int r;

    *ret = (struct pasted){ .lines = calloc(PASTED_LINES_MAX, sizeof(*ret->lines)) };
    if (!ret->lines)
        return complain("out of memory");
    r = take_all(&taking, options);
    if (r == CLI_OK)
        r = check_wanted(ret, options->product);
    if (r == CLI_OK)
        r = agree_on_product(ret, options->product);
    if (r == CLI_OK)
        keep_one_request(ret);
    return r;
}

void pasted_done(struct pasted *pasted)
{
    free(pasted->lines);
    pasted->lines = NULL;
}
