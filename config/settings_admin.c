/* What concerns the Admin API: who reaches it changes everything, so nobody does by mistake. */
#include <string.h>

#include "config/settings_priv.h"

/* A token that travels in clear is anybody's. */
static bool is_guarded(const struct settings *settings, const struct listen *listen)
{
    const char *verify = settings->admin_ssl_verify_client;

    return listen->ssl && (settings->hopgate_admin_token || (verify && strcmp(verify, "on") == 0));
}

static void check_reach(const struct settings *settings, struct config_errors *errors)
{
    const struct listens *listens = &settings->admin_listen;
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < listens->count; i++) {
        const struct listen *listen = &listens->items[i];

        if (addr_is_loopback(&listen->address) || is_guarded(settings, listen))
            continue;
        config_errors_add(
            errors, CONFIG_ERROR, settings_place(settings, "admin_listen"),
            "%s is reachable from other machines, and whoever reaches the Admin API decides where "
            "all traffic goes: listen on 127.0.0.1, or with ssl and either hopgate_admin_token or "
            "nginx_admin_ssl_verify_client = on; hopgate_admin_public = on opens it all the same",
            addr_format(&listen->address, text, sizeof(text)));
    }
}

static void check_gui_urls(const struct settings *settings, struct config_errors *errors)
{
    for (size_t i = 0; i < settings->admin_gui_url.count; i++)
        if (strncmp(settings->admin_gui_url.items[i], "http://", strlen("http://")) != 0 &&
            strncmp(settings->admin_gui_url.items[i], "https://", strlen("https://")) != 0)
            config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "admin_gui_url"),
                              "'%s' is no address of a page; write https://HOST[:PORT]",
                              settings->admin_gui_url.items[i]);
}

void settings_check_admin(const struct settings *settings, struct config_errors *errors)
{
    if (settings->admin_ssl_cert.count != settings->admin_ssl_cert_key.count)
        config_errors_add(errors, CONFIG_ERROR,
                          settings_place(settings, settings->admin_ssl_cert.count > 0
                                                       ? "admin_ssl_cert"
                                                       : "admin_ssl_cert_key"),
                          "admin_ssl_cert names %zu certificates and admin_ssl_cert_key %zu keys; "
                          "each certificate needs its key, in the same order",
                          settings->admin_ssl_cert.count, settings->admin_ssl_cert_key.count);
    if (settings->hopgate_admin_token && strlen(settings->hopgate_admin_token) < 16)
        config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "hopgate_admin_token"),
                          "a token of fewer than 16 characters can be guessed; make one with "
                          "`openssl rand -hex 32`");
    check_gui_urls(settings, errors);
    if (!settings->hopgate_admin_public)
        check_reach(settings, errors);
    /* what is published later shares the settings, whose times are divided already */
    if (settings->hopgate_time_scale > 1 && settings->hopgate_lab &&
        settings->admin_listen.count > 0)
        config_errors_add(
            errors, CONFIG_ERROR, settings_place(settings, "hopgate_time_scale"),
            "a hop whose time passes faster has no Admin API; set admin_listen = off");
}
