#include "config/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/extras.h"
#include "config/file.h"
#include "config/kong_conf.h"
#include "config/settings_priv.h"
#include "config/suggest.h"
#include "core/time_scale.h"

enum { CONF_BYTES_MAX = 4 * 1024 * 1024 };

/* Who gave a key its value. nginx_location_ goes before nginx_proxy_ and that before nginx_http_
 * because its block is further in; between equals a variable goes before the file, and a later line before an earlier one. */
struct settings_origin {
    const struct kong_conf_entry *entry; /* while loading; NULL: not set */
    bool set;
    int rank;
    unsigned line, column;
};

struct config_place settings_entry_place(const struct settings_loading *loading, bool at_key)
{
    const struct kong_conf_entry *entry = loading->entry;

    if (!entry)
        return (struct config_place){ 0 };
    if (entry->variable)
        return (struct config_place){ .file = "environment", .path = entry->variable };
    return (struct config_place){ .file = loading->settings->file,
                                  .line = entry->line,
                                  .column = at_key ? entry->key_column : entry->value_column,
                                  .path = entry->key };
}

/* --- keys ---------------------------------------------------------------------------------- */

/* A key that nginx knows by a shorter name: "keepalive_timeout" was meant as nginx_http_…. */
static const char *injected_name(const char *key)
{
    static const char prefix[] = "nginx_http_";

    for (size_t i = 0; i < settings_table_count; i++)
        if (strncmp(settings_table[i].name, prefix, sizeof(prefix) - 1) == 0 &&
            strcmp(settings_table[i].name + sizeof(prefix) - 1, key) == 0)
            return settings_table[i].name;
    return NULL;
}

/* "nginx_proxy_send_timeot": the table has the directive's outermost block only. */
static const char *nearest_outer_key(const char *key)
{
    static const char *const inner[] = { "nginx_proxy_", "nginx_location_" };
    char outer[128];
    struct suggest suggest = { .wanted = outer };

    for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
        if (strncmp(key, inner[i], strlen(inner[i])) != 0)
            continue;
        (void)snprintf(outer, sizeof(outer), "nginx_http_%s", key + strlen(inner[i]));
        for (size_t k = 0; k < settings_table_count; k++)
            if (settings_table[k].state == SETTING_USED)
                suggest_offer(&suggest, settings_table[k].name);
    }
    return suggest.nearest;
}

static const char *nearest_key(const char *key)
{
    struct suggest suggest = { .wanted = key };
    const char *injected = injected_name(key);

    if (injected)
        return injected;
    for (size_t i = 0; i < settings_table_count; i++)
        if (!strchr(settings_table[i].name, '*'))
            suggest_offer(&suggest, settings_table[i].name);
    return suggest.nearest ? suggest.nearest : nearest_outer_key(key);
}

/*
 * An error in a file, and in variables that begin with HOPGATE_. Not everything that begins with KONG_
 * is meant for the configuration (images set KONG_VERSION): only what looks like a slip is worth a
 * warning there.
 */
static void report_unknown(const struct settings_loading *loading)
{
    const struct kong_conf_entry *entry = loading->entry;
    const char *nearest = nearest_key(entry->key);
    bool kongs = entry->variable && strncmp(entry->variable, "KONG_", 5) == 0;
    enum config_severity severity = kongs ? CONFIG_WARNING : CONFIG_ERROR;

    if (kongs && !nearest)
        return;
    if (nearest)
        config_errors_add(loading->errors, severity, settings_entry_place(loading, true),
                          "unknown key; did you mean '%s'?", nearest);
    else
        config_errors_add(loading->errors, severity, settings_entry_place(loading, true),
                          "unknown key; remove it");
}

static bool same_text(const char *a, const char *b)
{
    if (!b)
        return false;
    a += strspn(a, " ");
    return strcasecmp(a, b) == 0;
}

/* A key that is known and does nothing, or is refused. */
static void report_unused(const struct settings_loading *loading, const struct setting *setting)
{
    const struct kong_conf_entry *entry = loading->entry;
    const char *nearest;

    if (same_text(entry->value, setting->default_text))
        return;
    if (setting->state == SETTING_NO_EFFECT) {
        config_errors_add(loading->errors, CONFIG_NOTICE, settings_entry_place(loading, true),
                          "has no effect: %s", setting->reason);
        return;
    }
    if (setting->tells_what_to_do) {
        config_errors_add(loading->errors, CONFIG_ERROR, settings_entry_place(loading, true), "%s",
                          setting->reason);
        return;
    }
    nearest = strchr(setting->name, '*') ? nearest_key(entry->key) : NULL;
    config_errors_add(loading->errors, CONFIG_ERROR, settings_entry_place(loading, true),
                      "%s; %s%s%s", setting->reason, nearest ? "did you mean '" : "remove it",
                      nearest ? nearest : "", nearest ? "'?" : "");
}

static int entry_rank(const struct kong_conf_entry *entry)
{
    int block = strncmp(entry->key, "nginx_location_", 15) == 0 ? 4
                : strncmp(entry->key, "nginx_proxy_", 12) == 0  ? 2
                                                                : 0;

    return block + (entry->variable ? 1 : 0);
}

/* Keeps the entry that wins for its key; the others have no effect. */
static void choose_entry(struct settings_loading *loading, const struct kong_conf_entry *entry)
{
    const struct setting *setting = settings_find(entry->key);
    struct settings_origin *origin;
    int rank = entry_rank(entry);

    loading->entry = entry;
    if (!setting) {
        report_unknown(loading);
        return;
    }
    if (setting->state != SETTING_USED) {
        report_unused(loading, setting);
        return;
    }
    origin = &loading->settings->origins[setting - settings_table];
    if (origin->set && rank == origin->rank)
        config_errors_add(loading->errors, CONFIG_WARNING, settings_entry_place(loading, true),
                          "set twice; this one is used");
    if (origin->set && rank < origin->rank)
        return;
    *origin = (struct settings_origin){ .entry = entry,
                                        .set = true,
                                        .rank = rank,
                                        .line = entry->line,
                                        .column = entry->value_column };
}

static const char *default_prefix(void)
{
    return geteuid() == 0 ? "/usr/local/hopgate" : "./.hopgate";
}

static int refuse_vault(const struct settings_loading *loading)
{
    config_errors_add(loading->errors, CONFIG_ERROR, settings_entry_place(loading, false),
                      "vault references are not supported by this version of hopgate");
    return -EINVAL;
}

/* The value that won, or the default, of every key that is used. */
static int apply_all(struct settings_loading *loading)
{
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        const char *text = setting->default_text;
        int r;
        if (setting->type == SETTING_ALIAS || setting->state != SETTING_USED)
            continue;
        if (strcmp(setting->name, "prefix") == 0)
            text = default_prefix();
        loading->entry = loading->settings->origins[i].entry;
        if (loading->entry)
            text = loading->entry->value;
        if (!text)
            continue;
        if (loading->entry && strncmp(text, "{vault://", 9) == 0)
            r = refuse_vault(loading);
        else
            r = settings_set_value(loading, setting, text);
        if (r < 0 && r != -EINVAL)
            return r;
        loading->settings->origins[i].entry = NULL; /* it dies with the file's text */
    }
    return 0;
}

/* --- what concerns several keys ------------------------------------------------------------ */

static bool any_http2(const struct listens *listens)
{
    for (size_t i = 0; i < listens->count; i++)
        if (listens->items[i].http2)
            return true;
    return false;
}

static void notice_not_served(const struct settings *settings, struct config_errors *errors)
{
    static const char *const keys[] = { "proxy_listen", "admin_listen" };
    const struct listens *const listens[] = { &settings->proxy_listen, &settings->admin_listen };

    if (settings_is_set(settings, "admin_gui_listen") && settings->admin_gui_listen.count > 0)
        config_errors_add(errors, CONFIG_NOTICE, settings_place(settings, "admin_gui_listen"),
                          "not served yet, nothing listens there; 'off' silences this");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (settings_is_set(settings, keys[i]) && any_http2(listens[i]))
            config_errors_add(errors, CONFIG_NOTICE, settings_place(settings, keys[i]),
                              "http2 is not served yet; clients get HTTP/1.1");
}

static bool any_proxy_protocol(const struct listens *listens)
{
    for (size_t i = 0; i < listens->count; i++)
        if (listens->items[i].proxy_protocol)
            return true;
    return false;
}

static bool lists(const struct config_strings *strings, const char *word)
{
    for (size_t i = 0; i < strings->count; i++)
        if (strcmp(strings->items[i], word) == 0)
            return true;
    return false;
}

static void check_together(const struct settings *settings, struct config_errors *errors)
{
    if (settings->ssl_cert.count != settings->ssl_cert_key.count)
        config_errors_add(
            errors, CONFIG_ERROR,
            settings_place(settings, settings->ssl_cert.count > 0 ? "ssl_cert" : "ssl_cert_key"),
            "ssl_cert names %zu certificates and ssl_cert_key %zu keys; each "
            "certificate needs its key, in the same order",
            settings->ssl_cert.count, settings->ssl_cert_key.count);
    if (any_proxy_protocol(&settings->proxy_listen) && settings->trusted_ips.count == 0)
        config_errors_add(
            errors, CONFIG_ERROR, settings_place(settings, "proxy_listen"),
            "proxy_protocol needs trusted_ips: who may send the header may be anybody; "
            "set trusted_ips to the addresses of the load balancer");
    if (any_proxy_protocol(&settings->stream_listen))
        config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "stream_listen"),
                          "proxy_protocol is not supported here by this version of hopgate");
    /* what was refused by itself is absent here */
    if (settings->ssl_cipher_suite && strcmp(settings->ssl_cipher_suite, "custom") == 0 &&
        !settings->ssl_ciphers)
        config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "ssl_cipher_suite"),
                          "custom needs ssl_ciphers, a list of OpenSSL's names");
    if (settings->ssl_protocols.count > 0 && !lists(&settings->ssl_protocols, "TLSv1.2") &&
        !lists(&settings->ssl_protocols, "TLSv1.3"))
        config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "ssl_protocols"),
                          "TLSv1.2 and TLSv1.3 are what is served; add one of them");
    if (settings->hopgate_time_scale > 1 && !settings->hopgate_lab)
        config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "hopgate_time_scale"),
                          "makes timeouts shorter than they say: only with hopgate_lab = on");
    settings_check_buffers(settings, errors);
    settings_check_admin(settings, errors);
    notice_not_served(settings, errors);
}

/* --- public -------------------------------------------------------------------------------- */

static struct settings *settings_create(const char *file)
{
    SCOPED(settings) settings = calloc(1, sizeof(*settings));

    if (!settings)
        return NULL;
    settings->origins = calloc(settings_table_count, sizeof(*settings->origins));
    if (file)
        settings->file = strdup(file);
    if (!settings->origins || (file && !settings->file))
        return NULL;
    return TAKE(settings);
}

static int load(struct slice text, const char *file, char *const *environment,
                struct settings **ret, struct config_errors *errors, struct kong_conf *conf)
{
    SCOPED(settings) settings = settings_create(file);
    struct settings_loading loading = { .settings = settings, .errors = errors };
    int r = settings ? kong_conf_parse(conf, text, file, errors) : -ENOMEM;

    if (r == 0)
        r = kong_conf_add_environment(conf, environment);
    for (size_t i = 0; r == 0 && i < conf->count; i++)
        choose_entry(&loading, &conf->items[i]);
    if (r == 0)
        r = apply_all(&loading);
    if (r < 0)
        return r;
    check_together(settings, errors);
    if (errors->errors_count > 0)
        return -EINVAL;
    *ret = TAKE(settings);
    return 0;
}

int settings_load_text(struct slice text, const char *file, char *const *environment,
                       struct settings **ret, struct config_errors *errors)
{
    struct kong_conf conf = { 0 };
    struct config_errors found;
    int r;

    config_errors_init(&found);
    r = load(text, file, environment, ret, &found, &conf);
    kong_conf_done(&conf);
    config_errors_sort(&found);
    config_errors_take(errors, &found);
    return r;
}

int settings_load(const char *file, char *const *environment, struct settings **ret,
                  struct config_errors *errors)
{
    char *text = NULL;
    size_t length = 0;
    int r = file ? file_read(file, CONF_BYTES_MAX, &text, &length, errors) : 0;

    if (r < 0)
        return r;
    r = settings_load_text((struct slice){ text, length }, file, environment, ret, errors);
    free(text);
    return r;
}

void settings_scale_times(struct settings *settings)
{
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        uint64_t *ms = (uint64_t *)((char *)settings + setting->offset);

        if (setting->state == SETTING_USED && setting->type == SETTING_TIME && !setting->is_real)
            *ms = time_scale_divide(*ms, settings->hopgate_time_scale);
    }
}

static void strings_done(struct config_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
}

static void free_member(struct settings *settings, const struct setting *setting)
{
    void *member = (char *)settings + setting->offset;

    if (setting->state != SETTING_USED)
        return;
    if (setting->type == SETTING_TEXT)
        free(*(char **)member);
    else if (setting->type == SETTING_LIST || setting->type == SETTING_WORDS)
        strings_done(member);
    else if (setting->type == SETTING_LISTEN)
        listens_done(member);
    else if (setting->type == SETTING_CIDRS)
        addr_cidrs_done(member);
    else if (setting->type == SETTING_PORT_MAPS)
        free(((struct settings_port_maps *)member)->items);
}

struct settings *settings_share(struct settings *settings)
{
    settings->sharers++;
    return settings;
}

void settings_free(struct settings *settings)
{
    if (!settings)
        return;
    if (settings->sharers > 0) {
        settings->sharers--;
        return;
    }
    for (size_t i = 0; i < settings_table_count; i++)
        free_member(settings, &settings_table[i]);
    config_extras_unref(settings->extras);
    free(settings->file);
    free(settings->origins);
    free(settings);
}

bool settings_is_set(const struct settings *settings, const char *key)
{
    const struct setting *setting = settings_find(key);

    return setting && setting->state == SETTING_USED &&
           settings->origins[setting - settings_table].set;
}

struct config_place settings_place(const struct settings *settings, const char *key)
{
    const struct setting *setting = settings_find(key);
    const struct settings_origin *origin = setting && setting->state == SETTING_USED
                                               ? &settings->origins[setting - settings_table]
                                               : NULL;

    if (!origin || !origin->set)
        return (struct config_place){ .path = key };
    return (struct config_place){ .file = origin->line > 0 ? settings->file : "environment",
                                  .line = origin->line,
                                  .column = origin->column,
                                  .path = key };
}
