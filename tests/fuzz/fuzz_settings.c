/* Any text as kong.conf, and once more as variables: what is refused says why. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check(struct slice text, char *const *environment)
{
    struct settings *settings = NULL;
    struct config_errors errors;
    char line[CONFIG_MESSAGE_MAX];
    int r;

    config_errors_init(&errors);
    r = settings_load_text(text, "fuzz.conf", environment, &settings, &errors);
    must(r == 0 || r == -EINVAL);
    must((r == 0) == (errors.errors_count == 0) && (r == 0) == (settings != NULL));
    for (size_t i = 0; i < errors.count; i++)
        for (const char *c = config_error_format(&errors.items[i], line, sizeof(line)); *c; c++)
            must((unsigned char)*c >= 0x20 && *c != 0x7f);
    if (settings) {
        must(settings->prefix && settings->log_level && settings->real_ip_header);
        must(settings->ssl_cert.count == settings->ssl_cert_key.count);
        must(settings->large_client_header_buffers_size_bytes >= 256);
        (void)settings_place(settings, "proxy_listen");
    }
    settings_free(settings);
    config_errors_done(&errors);
}

/* Each line of the text is also one variable. */
static void check_as_environment(const char *text, size_t size)
{
    char *copy = strndup(text, size), *rest = copy;
    char *variables[32] = { NULL };

    must(copy != NULL);
    for (size_t i = 0; rest && i + 1 < sizeof(variables) / sizeof(variables[0]); i++)
        variables[i] = strsep(&rest, "\n");
    check((struct slice){ NULL, 0 }, variables);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check((struct slice){ (const char *)data, size }, NULL);
    check_as_environment((const char *)data, size);
    return 0;
}
