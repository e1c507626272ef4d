#include "tools/probe/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"

enum { FILE_BYTES_MAX = 4 << 20, TIMEOUT_MAX_S = 3600 };

/* The text of a file, heap; NULL after the complaint. */
static char *read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = file ? malloc(FILE_BYTES_MAX + 1) : NULL;
    size_t length = text ? fread(text, 1, FILE_BYTES_MAX, file) : 0;
    char *fitting;

    if (!text || ferror(file)) {
        (void)fprintf(stderr, "hopgate probe: cannot read %s: %s\n", path, strerror(errno));
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
        return arguments_complain("probe", "a URL begins with https:// or http://, not like \"%s\"",
                                  options->url);
    rest += options->tls ? 8 : 7;
    authority = (struct slice){ rest, strcspn(rest, "/?#") };
    options->target = rest + authority.len;
    if (!is_visible(options->target) || strchr(options->target, '#'))
        return arguments_complain(
            "probe", "blanks, control bytes and \"#\" must be written as %%XX in the URL \"%s\"",
            options->url);
    if (!split_authority(authority, options->tls ? "443" : "80", &options->host, &options->port))
        return arguments_complain(
            "probe", "the URL has no usable host (user names are not taken): \"%s\"", options->url);
    options->authority = strndup(authority.ptr, authority.len);
    return options->authority ? 0 : arguments_complain("probe", "out of memory");
}

/* ---- options ------------------------------------------------------------------------------- */

static int take_timeout(struct probe_options *options, const char *word)
{
    char *end;
    double seconds = strtod(word, &end);

    if (end == word || *end || !(seconds >= 0.001 && seconds <= TIMEOUT_MAX_S))
        return arguments_complain("probe", "--timeout is a number of seconds, not \"%s\"", word);
    options->timeout_ms = (uint64_t)(seconds * 1000);
    return 0;
}

/* One that would end its line early could smuggle a second request. */
static int take_header(struct probe_options *options, const char *word)
{
    const char *colon = strchr(word, ':');

    if (!colon || colon == word || strpbrk(word, "\r\n"))
        return arguments_complain("probe", "a header is \"Name: value\", not \"%s\"", word);
    if (options->headers_count == PROBE_HEADERS_MAX)
        return arguments_complain("probe", "too many headers; not taken: \"%s\"", word);
    options->headers[options->headers_count++] = word;
    return 0;
}

static int take_method(struct probe_options *options, const char *word)
{
    if (!word[0] || !is_visible(word))
        return arguments_complain("probe", "not a method: \"%s\"", word);
    options->method = word;
    return 0;
}

static int take_file(char **into, const char *path)
{
    free(*into);
    *into = read_text(path);
    return *into ? 0 : CLI_USAGE;
}

static int take_connect(struct probe_options *options, const char *word)
{
    if (!split_authority(slice_of(word), NULL, &options->connect_host, &options->connect_port))
        return arguments_complain("probe", "--connect takes HOST:PORT, not \"%s\"", word);
    return 0;
}

static int take_switch(struct probe_options *options, const char *name)
{
    if (strcmp(name, "--json") == 0)
        options->json = true;
    else if (strcmp(name, "--insecure") == 0)
        options->insecure = true;
    else
        options->tls12_only = true;
    return 0;
}

static int take_option(void *context, const char *name, const char *value)
{
    struct probe_options *options = context;

    if (!value)
        return take_switch(options, name);
    if (strcmp(name, "--connect") == 0)
        return take_connect(options, value);
    if (strcmp(name, "--cacert") == 0)
        return take_file(&options->ca_pem, value);
    if (strcmp(name, "--cert") == 0)
        return take_file(&options->chain_pem, value);
    if (strcmp(name, "--key") == 0)
        return take_file(&options->key_pem, value);
    if (strcmp(name, "--header") == 0)
        return take_header(options, value);
    if (strcmp(name, "--method") == 0)
        return take_method(options, value);
    if (strcmp(name, "--timeout") == 0)
        return take_timeout(options, value);
    options->sni = value;
    return 0;
}

static int take_url(void *context, const char *word)
{
    return arguments_take_only("probe", &((struct probe_options *)context)->url, word);
}

int probe_options_parse(int argc, char **argv, struct probe_options *ret)
{
    const struct arguments arguments = { "probe", take_option, take_url, NULL, ret };
    int r;

    *ret = (struct probe_options){ .method = "GET", .timeout_ms = PROBE_TIMEOUT_S * 1000 };
    r = arguments_take(&arguments, argc, argv);
    if (r != 0)
        return r;
    if (!ret->url)
        return arguments_complain("probe", "one URL must be named");
    if (ret->key_pem && !ret->chain_pem)
        return arguments_complain("probe", "--key belongs to a --cert, which is missing");
    if (ret->chain_pem && !ret->key_pem) {
        ret->key_pem = strdup(ret->chain_pem);
        if (!ret->key_pem)
            return arguments_complain("probe", "out of memory");
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
