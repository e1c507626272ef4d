#include "proxy/snapshot/admin_tls.h"

#include <string.h>

/* The readers of proxy_listen's keys say what is wrong in the name of those. */
static const char *key_of_admin(const char *key)
{
    static const char *const keys[][2] = {
        { "ssl_cert", "admin_ssl_cert" },
        { "ssl_cert_key", "admin_ssl_cert_key" },
        { "nginx_proxy_ssl_verify_client", "nginx_admin_ssl_verify_client" },
        { "nginx_proxy_ssl_client_certificate", "nginx_admin_ssl_client_certificate" },
        { "nginx_proxy_ssl_verify_depth", "nginx_admin_ssl_verify_depth" },
        { "nginx_proxy_ssl_crl", "nginx_admin_ssl_crl" },
    };

    for (size_t i = 0; key && i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(keys[i][0], key) == 0)
            return keys[i][1];
    return NULL;
}

static void tell(const struct settings *settings, const struct config_errors *found,
                 struct config_errors *errors)
{
    for (size_t i = 0; i < found->count; i++) {
        const struct config_error *error = &found->items[i];
        const char *key = key_of_admin(error->place.path);

        config_errors_add(errors, error->severity,
                          key ? settings_place(settings, key) : error->place, "%s", error->message);
    }
}

struct tls_server_config *admin_tls_create(const struct admin_tls_inputs *inputs,
                                           struct config_errors *errors)
{
    static const struct config no_entities = { 0 };
    struct settings settings = *inputs->settings; /* its texts are borrowed */
    const struct server_tls_inputs of_server = { .settings = &settings,
                                                 .config = &no_entities,
                                                 .policy = inputs->policy,
                                                 .self_signed = inputs->self_signed,
                                                 .former = inputs->former };
    struct tls_server_config *server;
    struct config_errors found;

    settings.ssl_cert = settings.admin_ssl_cert;
    settings.ssl_cert_key = settings.admin_ssl_cert_key;
    settings.ssl_verify_client = settings.admin_ssl_verify_client;
    settings.ssl_client_certificate = settings.admin_ssl_client_certificate;
    settings.ssl_crl = settings.admin_ssl_crl;
    settings.ssl_verify_depth = settings.admin_ssl_verify_depth;
    settings.ssl_session_ticket_key = (struct config_strings){ NULL, 0 };
    settings.ssl_session_tickets = settings.ssl_stapling = false;
    settings.ssl_stapling_file = NULL;
    config_errors_init(&found);
    server = server_tls_create(&of_server, &found);
    tell(inputs->settings, &found, errors);
    config_errors_done(&found);
    return server;
}
