#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tls/pki_lab.h"
#include "tools/cli/arguments.h"
#include "tools/cli/cli.h"
#include "tools/lab/lab.h"

enum { DAYS_MAX = 3650 };

struct options {
    const char *folder;
    struct pki_lab_settings settings;
};

static int take_option(void *context, const char *name, const char *value)
{
    struct pki_lab_settings *settings = &((struct options *)context)->settings;
    int64_t days;

    if (strcmp(name, "--name") == 0) {
        settings->server_name = value;
        return 0;
    }
    if (!arguments_number(value, 1, DAYS_MAX, &days))
        return arguments_complain("lab pki", "--days is a number from 1 to %d, not %s", DAYS_MAX,
                                  value);
    settings->days = (int)days;
    return 0;
}

static int take_folder(void *context, const char *word)
{
    return arguments_take_only("lab pki", &((struct options *)context)->folder, word);
}

static int parse(int argc, char **argv, struct options *ret)
{
    const struct arguments arguments = { "lab pki", take_option, take_folder, NULL, ret };
    int r;

    *ret = (struct options){ .settings.server_name = "shelf.test",
                             .settings.now_s = (int64_t)time(NULL) };
    r = arguments_take(&arguments, argc, argv);
    return r != 0 || ret->folder ? r : arguments_complain("lab pki", "DIR is missing");
}

/* ---- files --------------------------------------------------------------------------------- */

static int write_all(int fd, const unsigned char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);

        if (n < 0)
            return -errno;
        bytes += n;
        length -= (size_t)n;
    }
    return 0;
}

/* A key is never readable by others, not even for a moment: so a new file, not a changed mode. */
static int write_file(int folder, const char *path, const struct pki_file *file)
{
    int fd, r;

    if (unlinkat(folder, path, 0) < 0 && errno != ENOENT)
        return -errno;
    fd = openat(folder, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                file->is_secret ? 0600 : 0644);
    if (fd < 0)
        return -errno;
    r = write_all(fd, file->bytes, file->length);
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r;
}

static int make_folder(int folder, const char *path)
{
    return mkdirat(folder, path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int write_text(int folder, const char *path, char *text)
{
    struct pki_file file = { .bytes = (unsigned char *)text, .length = strlen(text) };

    return write_file(folder, path, &file);
}

/* ---- index --------------------------------------------------------------------------------- */

/* "{name}" in an option of openssl is the server's name. */
static const char *verify_options(const struct pki_situation *situation, const char *name,
                                  char *into, size_t size)
{
    const char *at = strstr(situation->verify_options, "{name}");

    if (!at)
        return situation->verify_options;
    snprintf(into, size, "%.*s%s%s", (int)(at - situation->verify_options),
             situation->verify_options, name, at + strlen("{name}"));
    return into;
}

static json_t *index_row(const struct pki_situation *situation, const char *name)
{
    char text[512], chain[128], key[128], crl[128], ocsp[128];

    snprintf(chain, sizeof(chain), "%s/chain.pem", situation->name);
    snprintf(key, sizeof(key), "%s/key.pem", situation->name);
    snprintf(crl, sizeof(crl), "%s/crl.pem", situation->name);
    snprintf(ocsp, sizeof(ocsp), "%s/ocsp.der", situation->name);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s?, s:s?, s:s, s:s, s:s, s:i, s:s}", "name", situation->name,
        "role", situation->role == PKI_ROLE_SERVER ? "server" : "client", "chain", chain, "key",
        key, "crl", situation->crls ? crl : NULL, "ocsp", situation->ocsp ? ocsp : NULL, "what",
        situation->flaw, "fix", situation->fix, "verify_options",
        verify_options(situation, name, text, sizeof(text)), "verify_code", situation->verify_error,
        "verifier_says", pki_situation_verdict(situation));
}

static char *index_json(const char *name)
{
    size_t count;
    const struct pki_situation *situations = pki_lab_situations(&count);
    json_t *rows = json_array();
    json_t *index;
    char *text;

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(rows, index_row(&situations[i], name)) < 0) {
            json_decref(rows);
            return NULL;
        }
    index = json_pack("{s:s, s:s, s:s, s:s, s:o}", "server_name", name, "trust", "ca.pem",
                      "intermediate", "intermediate.pem", "pass_phrase", PKI_LAB_PASS_PHRASE,
                      "situations", rows);
    text = json_dumps(index, JSON_INDENT(2));
    json_decref(index);
    return text;
}

static char *readme(const char *name)
{
    size_t count, length;
    const struct pki_situation *situations = pki_lab_situations(&count);
    char *text = NULL, options[512];
    FILE *stream = open_memstream(&text, &length);

    if (!stream)
        return NULL;
    (void)fprintf(stream,
                  "Certificates for tests, made by `hopgate lab pki`; server name %s.\n\n"
                  "ca.pem is the root to trust; stranger-ca.pem and old-ca.pem are the roots that\n"
                  "some chains lead to instead. In each folder: chain.pem and key.pem, for some\n"
                  "crl.pem and ocsp.der. To see what is wrong:\n\n"
                  "  openssl verify -CAfile ca.pem -untrusted FOLDER/chain.pem OPTIONS "
                  "FOLDER/chain.pem\n",
                  name);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(
            stream, "\n%s\n  what      %s\n  verifier  %s\n  options   %s\n  fix       %s\n",
            situations[i].name, situations[i].flaw, pki_situation_verdict(&situations[i]),
            verify_options(&situations[i], name, options, sizeof(options)), situations[i].fix);
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

/* The path that failed is in *ret_path; 0 or a negative errno. */
static int write_index(int folder, const char *name, const char **ret_path)
{
    const struct {
        const char *path;
        char *(*make)(const char *name);
    } files[] = { { "index.json", index_json }, { "README", readme } };
    int r = 0;

    for (size_t i = 0; r == 0 && i < 2; i++) {
        char *text = files[i].make(name);

        *ret_path = files[i].path;
        r = text ? write_text(folder, files[i].path, text) : -ENOMEM;
        free(text);
    }
    return r;
}

/* ---- the verb ------------------------------------------------------------------------------ */

static int write_lab(int folder, const struct pki_lab *lab, const char **ret_path)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < lab->count; i++) {
        const struct pki_file *file = &lab->files[i];
        const char *slash = strchr(file->path, '/');
        char parent[128];

        *ret_path = file->path;
        if (slash) {
            snprintf(parent, sizeof(parent), "%.*s", (int)(slash - file->path), file->path);
            r = make_folder(folder, parent);
        }
        if (r == 0)
            r = write_file(folder, file->path, file);
    }
    return r;
}

static int write_to(const struct options *options, const struct pki_lab *lab)
{
    const char *path = "";
    int r = make_folder(AT_FDCWD, options->folder), folder;

    folder = r < 0 ? -1 : open(options->folder, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    if (r == 0 && folder < 0)
        r = -errno;
    if (r == 0)
        r = write_lab(folder, lab, &path);
    if (r == 0)
        r = write_index(folder, options->settings.server_name, &path);
    if (folder >= 0)
        (void)close(folder); /* a directory opened for reading has nothing to lose */
    if (r < 0)
        (void)fprintf(stderr, "hopgate: cannot write %s/%s: %s\n", options->folder, path,
                      strerror(-r));
    return r;
}

static int make_and_write(const struct options *options)
{
    SCOPED(pki_lab) lab = NULL;
    struct tls_error error = { "" };

    lab = pki_lab_create(&options->settings, &error);
    if (!lab) {
        (void)fprintf(stderr, "hopgate: %s\n", error.text);
        return CLI_FAILED;
    }
    return write_to(options, lab) < 0 ? CLI_FAILED : CLI_OK;
}

int lab_pki_write(const struct lab_pki_options *options)
{
    const struct options all = { .folder = options->folder,
                                 .settings = { .server_name = options->server_name,
                                               .days = options->days,
                                               .now_s = (int64_t)time(NULL) } };

    return make_and_write(&all);
}

int lab_pki_verb(int argc, char **argv)
{
    struct options options;
    size_t count;
    int r = parse(argc, argv, &options);

    if (r != 0)
        return r < 0 ? CLI_OK : r;
    r = make_and_write(&options);
    if (r != CLI_OK)
        return r;
    (void)pki_lab_situations(&count);
    (void)printf("%zu situations in %s; see README and index.json there\n", count, options.folder);
    return CLI_OK;
}
