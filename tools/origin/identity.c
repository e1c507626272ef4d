#include "tools/origin/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/file.h"
#include "tls/pki_lab.h"
#include "tls/self_signed.h"
#include "tls/ticket_keys.h"

enum { PEM_BYTES_MAX = 1024 * 1024, VARIANTS_MAX = 64 };

/* A configuration that some fault has asked for. */
struct variant {
    char *name; /* "expired" */
    bool client_certificate, tls12;
    struct tls_server_config *config; /* NULL: it cannot be made, and that was told */
};

struct identity {
    struct identity_settings settings;
    struct tls_ticket_keys *ticket_keys;
    struct tls_server_config *own; /* NULL: not asked for yet */
    struct pki_lab *lab;           /* NULL: likewise, or there is a folder */
    struct variant variants[VARIANTS_MAX];
    size_t variants_count;
};

struct identity *identity_create(const struct identity_settings *settings, char *error,
                                 size_t error_size)
{
    struct identity *identity = calloc(1, sizeof(*identity));

    if (identity)
        identity->ticket_keys = tls_ticket_keys_create();
    if (identity && identity->ticket_keys) {
        identity->settings = *settings;
        return identity;
    }
    identity_free(identity);
    snprintf(error, error_size, "out of memory, or of randomness");
    return NULL;
}

void identity_free(struct identity *identity)
{
    if (!identity)
        return;
    for (size_t i = 0; i < identity->variants_count; i++) {
        tls_server_config_unref(identity->variants[i].config);
        free(identity->variants[i].name);
    }
    tls_server_config_unref(identity->own);
    pki_lab_free(identity->lab);
    tls_ticket_keys_free(identity->ticket_keys);
    free(identity);
}

/* ---- texts --------------------------------------------------------------------------------- */

/* Heap, or NULL with the reason in error. */
static char *read_text(const char *file, char *error, size_t error_size)
{
    struct config_errors errors;
    char *text = NULL;
    size_t length;

    config_errors_init(&errors);
    if (file_read(file, PEM_BYTES_MAX, &text, &length, &errors) < 0) {
        text = NULL;
        snprintf(error, error_size, "out of memory");
        if (errors.count > 0)
            config_error_format(&errors.items[0], error, error_size);
    }
    config_errors_done(&errors);
    return text;
}

/* A file of `hopgate lab pki`: from the folder, or made. */
static char *lab_text(struct identity *identity, const char *path, char *error, size_t error_size)
{
    const struct pki_lab_settings settings = { .server_name = identity->settings.server_name
                                                                  ? identity->settings.server_name
                                                                  : "localhost",
                                               .now_s = (int64_t)time(NULL) };
    const struct pki_file *file;
    struct tls_error reason = { "" };
    char name[4096];

    if (identity->settings.pki_folder) {
        snprintf(name, sizeof(name), "%s/%s", identity->settings.pki_folder, path);
        return read_text(name, error, error_size);
    }
    if (!identity->lab)
        identity->lab = pki_lab_create(&settings, &reason);
    file = identity->lab ? pki_lab_find(identity->lab, path) : NULL;
    if (!file) {
        snprintf(error, error_size, "%s", *reason.text ? reason.text : "there is no such file");
        return NULL;
    }
    return strdup((const char *)file->bytes);
}

char *identity_ca_pem(struct identity *identity)
{
    char error[512];

    return lab_text(identity, "ca.pem", error, sizeof(error));
}

/* ---- configurations ------------------------------------------------------------------------ */

struct wanted {
    const char *label, *chain, *key, *client_ca;
    enum tls_verify_mode verify;
    bool tls12;
};

static struct tls_server_config *make(struct identity *identity, const struct wanted *wanted,
                                      char *error, size_t error_size)
{
    static const char *const alpn[] = { "http/1.1" };
    const struct tls_certificate certificate = { .label = wanted->label,
                                                 .pair = { wanted->chain, wanted->key } };
    const struct tls_policy policy = { .label = wanted->label,
                                       .mode = wanted->verify,
                                       .refusal = TLS_CLIENT_REFUSAL_ALERT,
                                       .ca_pem = wanted->client_ca,
                                       .depth = -1 };
    const struct tls_server_settings settings = {
        .certificates = &certificate,
        .certificates_count = 1,
        .policies = &policy,
        .policies_count = wanted->verify == TLS_VERIFY_OFF ? 0 : 1,
        .max_version = wanted->tls12 ? TLS_VERSION_1_2 : TLS_VERSION_DEFAULT,
        .alpn = alpn,
        .alpn_count = 1,
        .ticket_keys = identity->ticket_keys,
    };
    struct tls_error reason = { "" };
    struct tls_server_config *config = tls_server_config_create(&settings, &reason);

    if (!config)
        snprintf(error, error_size, "%s", reason.text);
    return config;
}

static struct tls_server_config *make_own_of_files(struct identity *identity, char *error,
                                                   size_t error_size)
{
    const struct identity_settings *settings = &identity->settings;
    const char *key_file = settings->key_file ? settings->key_file : settings->cert_file;
    char *chain = read_text(settings->cert_file, error, error_size);
    char *key = chain ? read_text(key_file, error, error_size) : NULL;
    char *ca = key && settings->client_ca_file
                   ? read_text(settings->client_ca_file, error, error_size)
                   : NULL;
    const struct wanted wanted = { .label = settings->cert_file,
                                   .chain = chain,
                                   .key = key,
                                   .client_ca = ca,
                                   .verify = !ca                         ? TLS_VERIFY_OFF
                                             : settings->client_optional ? TLS_VERIFY_OPTIONAL
                                                                         : TLS_VERIFY_REQUIRED };
    struct tls_server_config *config = NULL;

    if (key && (ca || !settings->client_ca_file))
        config = make(identity, &wanted, error, error_size);
    free(chain);
    free(key);
    free(ca);
    return config;
}

static struct tls_server_config *make_own(struct identity *identity, char *error, size_t error_size)
{
    const struct identity_settings *settings = &identity->settings;
    struct self_signed pair = { NULL, NULL };
    struct wanted wanted = { .label = "self-signed certificate" };
    struct tls_server_config *config = NULL;
    char *ca = NULL;

    if (settings->client_ca_file)
        ca = read_text(settings->client_ca_file, error, error_size);
    if (settings->pki_folder) {
        wanted.label = settings->pki_folder;
        pair.chain_pem = lab_text(identity, "good/chain.pem", error, error_size);
        pair.key_pem =
            pair.chain_pem ? lab_text(identity, "good/key.pem", error, error_size) : NULL;
    } else if (self_signed_create(&pair) < 0) {
        snprintf(error, error_size, "cannot make a certificate");
    }
    wanted.chain = pair.chain_pem;
    wanted.key = pair.key_pem;
    wanted.client_ca = ca;
    if (ca)
        wanted.verify = settings->client_optional ? TLS_VERIFY_OPTIONAL : TLS_VERIFY_REQUIRED;
    if (pair.key_pem && (ca || !settings->client_ca_file))
        config = make(identity, &wanted, error, error_size);
    self_signed_done(&pair);
    free(ca);
    return config;
}

struct tls_server_config *identity_own(struct identity *identity, char *error, size_t error_size)
{
    if (!identity->own)
        identity->own = identity->settings.cert_file
                            ? make_own_of_files(identity, error, error_size)
                            : make_own(identity, error, error_size);
    return identity->own;
}

static struct tls_server_config *make_variant(struct identity *identity,
                                              const struct variant *variant)
{
    char path[128], error[512] = "out of memory";
    char *chain, *key, *ca = NULL;
    struct tls_server_config *config = NULL;

    snprintf(path, sizeof(path), "%s/chain.pem", variant->name);
    chain = lab_text(identity, path, error, sizeof(error));
    snprintf(path, sizeof(path), "%s/key.pem", variant->name);
    key = chain ? lab_text(identity, path, error, sizeof(error)) : NULL;
    if (key && variant->client_certificate)
        ca = lab_text(identity, "ca.pem", error, sizeof(error));
    if (key && (ca || !variant->client_certificate)) {
        const struct wanted wanted = { .label = variant->name,
                                       .chain = chain,
                                       .key = key,
                                       .client_ca = ca,
                                       .verify = ca ? TLS_VERIFY_REQUIRED : TLS_VERIFY_OFF,
                                       .tls12 = variant->tls12 };

        config = make(identity, &wanted, error, sizeof(error));
    }
    if (!config)
        (void)fprintf(stderr, "hopgate: no certificate \"%s\": %s\n", variant->name, error);
    free(chain);
    free(key);
    free(ca);
    return config;
}

struct tls_server_config *identity_of_fault(struct identity *identity, const struct fault *fault)
{
    struct variant *variant = identity->variants;
    struct variant *end = variant + identity->variants_count;

    while (variant < end && (strcmp(variant->name, fault->certificate) != 0 ||
                             variant->client_certificate != fault->client_certificate ||
                             variant->tls12 != fault->tls12))
        variant++;
    if (variant == end) {
        if (identity->variants_count == VARIANTS_MAX)
            return NULL;
        *variant = (struct variant){ .name = strdup(fault->certificate),
                                     .client_certificate = fault->client_certificate,
                                     .tls12 = fault->tls12 };
        if (!variant->name)
            return NULL;
        variant->config = make_variant(identity, variant);
        identity->variants_count++;
    }
    return variant->config;
}
