#include "tools/probe/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/cli.h"
#include "tools/cli/verb.h"

enum { FILE_BYTES_MAX = 4 << 20, TIMEOUT_MAX_S = 3600 };

static int complain(const char *what, const char *word)
{
    (void)fprintf(stderr, "hopgate: %s%s%s%s\n\n", what, word ? " \"" : "", word ? word : "",
                  word ? "\"" : "");
    verb_print_help(verb_find("probe"), stderr);
    return CLI_USAGE;
}

/* The text of a file, heap; NULL after the complaint. */
static char *read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = file ? malloc(FILE_BYTES_MAX + 1) : NULL;
    size_t length = text ? fread(text, 1, FILE_BYTES_MAX, file) : 0;
    char *fitting;

    if (!text || ferror(file)) {
        (void)fprintf(stderr, "hopgate: cannot read %s: %s\n", path, strerror(errno));
        free(text);
        text = NULL;
    }
    if (file)
        (void)fclose(file); /* it was only read */
    if (!text)
        return NULL;
    text[length] = '\0';
    fitting = realloc(text, length + 1);
    return fitting ? fitting : text;
}

/* ---- addresses ----------------------------------------------------------------------------- */

/* "[::1]:443" to "::1" and "443"; false: no authority, or no memory. */
static bool split_authority(struct slice authority, const char *default_port, char **ret_host,
                            char **ret_port)
{
    struct slice host, port;

    if (!http_authority_split(authority, &host, &port))
        return false;
    if (host.ptr[0] == '[')
        host = (struct slice){ host.ptr + 1, host.len - 2 };
    if (slice_is_empty(port) && !default_port)
        return false;
    *ret_host = strndup(host.ptr, host.len);
    *ret_port = slice_is_empty(port) ? strdup(default_port) : strndup(port.ptr, port.len);
    return *ret_host && *ret_port;
}

static bool is_visible(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

static int parse_url(struct probe_options *options)
{
    const char *rest = options->url;
    struct slice authority;

    if (strncasecmp(rest, "https://", 8) == 0)
        options->tls = true;
    else if (strncasecmp(rest, "http://", 7) != 0)
        return complain("a URL begins with https:// or http://, not like", options->url);
    rest += options->tls ? 8 : 7;
    authority = (struct slice){ rest, strcspn(rest, "/?#") };
    options->target = rest + authority.len;
    if (!is_visible(options->target) || strchr(options->target, '#'))
        return complain("blanks, control bytes and \"#\" must be written as %XX in the URL",
                        options->url);
    if (!split_authority(authority, options->tls ? "443" : "80", &options->host, &options->port))
        return complain("the URL has no usable host (user names are not taken):", options->url);
    options->authority = strndup(authority.ptr, authority.len);
    return options->authority ? 0 : complain("out of memory", NULL);
}

/* ---- options ------------------------------------------------------------------------------- */

enum {
    OPT_CONNECT = 256,
    OPT_SNI,
    OPT_CACERT,
    OPT_CERT,
    OPT_KEY,
    OPT_HEADER,
    OPT_METHOD,
    OPT_TIMEOUT,
    OPT_TLS12,
    OPT_INSECURE,
    OPT_JSON
};

static const struct option long_options[] = {
    { "connect", required_argument, NULL, OPT_CONNECT },
    { "sni", required_argument, NULL, OPT_SNI },
    { "cacert", required_argument, NULL, OPT_CACERT },
    { "cert", required_argument, NULL, OPT_CERT },
    { "key", required_argument, NULL, OPT_KEY },
    { "header", required_argument, NULL, OPT_HEADER },
    { "method", required_argument, NULL, OPT_METHOD },
    { "timeout", required_argument, NULL, OPT_TIMEOUT },
    { "tls1.2", no_argument, NULL, OPT_TLS12 },
    { "insecure", no_argument, NULL, OPT_INSECURE },
    { "json", no_argument, NULL, OPT_JSON },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static int take_timeout(struct probe_options *options, const char *word)
{
    char *end;
    double seconds = strtod(word, &end);

    if (end == word || *end || !(seconds >= 0.001 && seconds <= TIMEOUT_MAX_S))
        return complain("--timeout is a number of seconds, not", word);
    options->timeout_ms = (uint64_t)(seconds * 1000);
    return 0;
}

/* One that would end its line early could smuggle a second request. */
static int take_header(struct probe_options *options, const char *word)
{
    const char *colon = strchr(word, ':');

    if (!colon || colon == word || strpbrk(word, "\r\n"))
        return complain("a header is \"Name: value\", not", word);
    if (options->headers_count == PROBE_HEADERS_MAX)
        return complain("too many headers; not taken:", word);
    options->headers[options->headers_count++] = word;
    return 0;
}

static int take_method(struct probe_options *options, const char *word)
{
    if (!word[0] || !is_visible(word))
        return complain("not a method:", word);
    options->method = word;
    return 0;
}

static int take_file(char **into, const char *path)
{
    free(*into);
    *into = read_text(path);
    return *into ? 0 : CLI_USAGE;
}

static int take(struct probe_options *options, int option, const char *word)
{
    switch (option) {
    case OPT_CONNECT:
        if (!split_authority(slice_of(word), NULL, &options->connect_host, &options->connect_port))
            return complain("--connect takes HOST:PORT, not", word);
        return 0;
    case OPT_SNI:
        options->sni = word;
        return 0;
    case OPT_CACERT:
        return take_file(&options->ca_pem, word);
    case OPT_CERT:
        return take_file(&options->chain_pem, word);
    case OPT_KEY:
        return take_file(&options->key_pem, word);
    case OPT_HEADER:
        return take_header(options, word);
    case OPT_METHOD:
        return take_method(options, word);
    case OPT_TIMEOUT:
        return take_timeout(options, word);
    case OPT_TLS12:
        options->tls12_only = true;
        return 0;
    case OPT_INSECURE:
        options->insecure = true;
        return 0;
    case OPT_JSON:
        options->json = true;
        return 0;
    case 'h':
        verb_print_help(verb_find("probe"), stdout);
        return -1;
    default:
        return complain("an option is not known, or lacks its value", NULL);
    }
}

int probe_options_parse(int argc, char **argv, struct probe_options *ret)
{
    int option, r = 0;

    *ret = (struct probe_options){ .method = "GET", .timeout_ms = PROBE_TIMEOUT_S * 1000 };
    opterr = 0; /* its messages lack our name */
    while (r == 0 && (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
        r = take(ret, option, optarg);
    if (r != 0)
        return r;
    if (optind + 1 != argc)
        return complain("one URL must be named", NULL);
    ret->url = argv[optind];
    if (ret->key_pem && !ret->chain_pem)
        return complain("--key belongs to a --cert, which is missing", NULL);
    if (ret->chain_pem && !ret->key_pem) {
        ret->key_pem = strdup(ret->chain_pem);
        if (!ret->key_pem)
            return complain("out of memory", NULL);
    }
    return parse_url(ret);
}

void probe_options_done(struct probe_options *options)
{
    if (options->key_pem)
        explicit_bzero(options->key_pem, strlen(options->key_pem));
    if (options->chain_pem) /* may hold the key as well */
        explicit_bzero(options->chain_pem, strlen(options->chain_pem));
    free(options->host);
    free(options->port);
    free(options->authority);
    free(options->connect_host);
    free(options->connect_port);
    free(options->ca_pem);
    free(options->chain_pem);
    free(options->key_pem);
}
