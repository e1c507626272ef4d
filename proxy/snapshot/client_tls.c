#include "proxy/snapshot/client_tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "proxy/snapshot/ca_bundle.h"

/* ---- kong.conf ------------------------------------------------------------------------------ */

/* lua_ssl_trusted_certificate: all items as one text; "system" means the system's. */
static int read_bundle(struct client_tls *client_tls, struct config_errors *errors)
{
    const struct config_strings *items = &client_tls->settings->lua_ssl_trusted_certificate;
    size_t size = 0;
    FILE *stream;
    int r = 0;

    client_tls->trust_label = "the system's certificates";
    if (items->count == 0 || strcmp(items->items[0], "system") == 0)
        return 0;
    client_tls->trust_label = "lua_ssl_trusted_certificate";
    stream = open_memstream(&client_tls->trusted_pem, &size);
    if (!stream)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < items->count; i++) {
        char *pem = NULL;

        r = settings_read_pem(client_tls->settings, "lua_ssl_trusted_certificate", items->items[i],
                              &pem, errors);
        if (r == 0)
            (void)fprintf(stream, "%s\n", pem); /* fclose tells of any failure */
        free(pem);
    }
    if (fclose(stream) != 0 && r == 0)
        r = -ENOMEM;
    return r;
}

static int read_trusted(struct client_tls *client_tls, struct config_errors *errors)
{
    static const char key[] = "nginx_proxy_proxy_ssl_trusted_certificate";
    const char *own = client_tls->settings->proxy_ssl_trusted_certificate;

    if (!own)
        return read_bundle(client_tls, errors);
    client_tls->trust_label = key;
    return settings_read_pem(client_tls->settings, key, own, &client_tls->trusted_pem, errors);
}

static int read_certificate(struct client_tls *client_tls, struct config_errors *errors)
{
    const struct settings *settings = client_tls->settings;
    int r;

    if (!settings->client_ssl)
        return 0;
    if (!settings->client_ssl_cert || !settings->client_ssl_cert_key) {
        config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "client_ssl"),
                          "client_ssl is on, but %s is not set; set it or switch client_ssl off",
                          settings->client_ssl_cert ? "client_ssl_cert_key" : "client_ssl_cert");
        return -EINVAL;
    }
    r = settings_read_pem(settings, "client_ssl_cert", settings->client_ssl_cert,
                          &client_tls->cert_pem, errors);
    if (r == 0)
        r = settings_read_pem(settings, "client_ssl_cert_key", settings->client_ssl_cert_key,
                              &client_tls->key_pem, errors);
    return r;
}

int client_tls_load(const struct settings *settings, const struct persona *persona,
                    struct config_errors *errors, struct client_tls *ret)
{
    int r;

    *ret = (struct client_tls){ .settings = settings, .persona = persona };
    r = read_trusted(ret, errors);
    return r < 0 ? r : read_certificate(ret, errors);
}

void client_tls_done(struct client_tls *client_tls)
{
    if (client_tls->key_pem)
        explicit_bzero(client_tls->key_pem, strlen(client_tls->key_pem));
    free(client_tls->key_pem);
    free(client_tls->cert_pem);
    free(client_tls->trusted_pem);
    tls_client_configs_done(&client_tls->made);
    *client_tls = (struct client_tls){ 0 };
}

/* ---- one service ---------------------------------------------------------------------------- */

static bool is_name(const char *host)
{
    struct sockaddr_storage addr;

    return addr_parse_ip(slice_of(host), 0, &addr) < 0;
}

/* A certificate can be expected to be for a name; few are for an address. */
static bool leads_to_a_name(const struct config_service *service)
{
    if (!service->upstream)
        return is_name(service->host);
    for (size_t i = 0; i < service->upstream->targets_count; i++)
        if (is_name(service->upstream->targets[i].host))
            return true;
    return false;
}

bool client_tls_verifies(const struct client_tls *client_tls, const struct config_service *service)
{
    if (service->tls_verify >= 0)
        return service->tls_verify == 1;
    if (settings_is_set(client_tls->settings, "nginx_http_proxy_ssl_verify"))
        return client_tls->settings->proxy_ssl_verify;
    switch (client_tls->persona->upstream.tls_verify) {
    case PERSONA_TLS_VERIFY_OFF:
        return false;
    case PERSONA_TLS_VERIFY_NAMED:
        return leads_to_a_name(service);
    case PERSONA_TLS_VERIFY_ON:
        return true;
    }
    return true;
}

/* Negative: as many as OpenSSL likes. */
static int verify_depth(const struct client_tls *client_tls, const struct config_service *service)
{
    uint64_t persona_depth = client_tls->persona->upstream.tls_verify_depth_count;

    if (service->tls_verify_depth >= 0)
        return service->tls_verify_depth;
    if (settings_is_set(client_tls->settings, "nginx_http_proxy_ssl_verify_depth"))
        return (int)client_tls->settings->proxy_ssl_verify_depth;
    return persona_depth > 0 ? (int)persona_depth : -1;
}

/* The service's, else its upstream's, else the one of all (Kong's order). */
static struct tls_pem_pair client_certificate(const struct client_tls *client_tls,
                                              const struct config_service *service)
{
    const struct config_certificate *entity = service->client_certificate;

    if (!entity && service->upstream)
        entity = service->upstream->client_certificate;
    return entity ? (struct tls_pem_pair){ entity->cert_pem, entity->key_pem }
                  : (struct tls_pem_pair){ client_tls->cert_pem, client_tls->key_pem };
}

static void set_versions(const struct config_strings *protocols, struct tls_client_settings *wanted)
{
    bool has_1_2 = false, has_1_3 = false;

    for (size_t i = 0; i < protocols->count; i++) {
        has_1_2 |= strcmp(protocols->items[i], "TLSv1.2") == 0;
        has_1_3 |= strcmp(protocols->items[i], "TLSv1.3") == 0;
    }
    wanted->min_version = has_1_2 || !has_1_3 ? TLS_VERSION_1_2 : TLS_VERSION_1_3;
    wanted->max_version = has_1_3 || !has_1_2 ? TLS_VERSION_1_3 : TLS_VERSION_1_2;
}

struct tls_client_config *client_tls_create(struct client_tls *client_tls,
                                            const struct config_service *service,
                                            struct tls_error *reterr)
{
    static const char *const alpn[] = { "http/1.1" };
    struct tls_client_settings wanted = {
        .verify = client_tls_verifies(client_tls, service),
        .verify_depth = verify_depth(client_tls, service),
        .ca_pem = client_tls->trusted_pem,
        .trust_label = client_tls->trust_label,
        .certificate = client_certificate(client_tls, service),
        .alpn = alpn,
        .alpn_count = 1,
        .sessions_off = !client_tls->settings->proxy_ssl_session_reuse,
    };
    struct tls_client_config *config;
    char label[128], *own = NULL;

    set_versions(&client_tls->settings->proxy_ssl_protocols, &wanted);
    if (service->ca_certificates_count > 0) {
        own = ca_bundle_join(service->ca_certificates, service->ca_certificates_count);
        if (!own) {
            snprintf(reterr->text, sizeof(reterr->text), "out of memory");
            return NULL;
        }
        snprintf(label, sizeof(label), "ca_certificates of %s", service->path);
        wanted.ca_pem = own;
        wanted.trust_label = label;
    }
    config = tls_client_configs_take(&client_tls->made, &wanted, reterr);
    free(own);
    return config;
}

struct tls_client_config *client_tls_create_for_probes(struct client_tls *client_tls,
                                                       const struct config_upstream *upstream,
                                                       bool verifies, struct tls_error *reterr)
{
    static const char *const alpn[] = { "http/1.1" };
    const struct config_certificate *entity = upstream->client_certificate;
    struct tls_client_settings wanted = {
        .verify = verifies,
        .verify_depth = -1,
        .ca_pem = client_tls->trusted_pem,
        .trust_label = client_tls->trust_label,
        .certificate = entity ? (struct tls_pem_pair){ entity->cert_pem, entity->key_pem }
                              : (struct tls_pem_pair){ client_tls->cert_pem, client_tls->key_pem },
        .alpn = alpn,
        .alpn_count = 1,
        .sessions_off = true, /* a probe is to see the whole handshake */
    };

    set_versions(&client_tls->settings->proxy_ssl_protocols, &wanted);
    return tls_client_configs_take(&client_tls->made, &wanted, reterr);
}

/* ---- checks --------------------------------------------------------------------------------- */

void client_tls_check(struct client_tls *client_tls, const struct config *config,
                      struct config_errors *errors)
{
    for (size_t i = 0; i < config->services_count; i++) {
        const struct config_service *service = &config->services[i];
        const struct config_place place = { config->source, service->line, service->column,
                                            service->path };
        struct tls_error reterr = { "out of memory" };
        struct tls_client_config *made;

        if (service->protocol != CONFIG_PROTOCOL_HTTPS)
            continue;
        made = client_tls_create(client_tls, service, &reterr);
        if (!made)
            config_errors_add(errors, CONFIG_ERROR, place, "%s", reterr.text);
        tls_client_config_unref(made);
        if (service->tls_verify == 0)
            config_errors_add(errors, CONFIG_NOTICE, place,
                              "'tls_verify' is off: anybody between this hop and %s can read and "
                              "change what passes",
                              service->host);
    }
}
