/*
 * settings_pem: ssl_cert and its like hold a path, PEM text, or PEM text in base64 (Kong takes all
 * three, the last because a variable cannot easily hold several lines).
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "config/settings.h"
#include "core/base64.h"

enum { PEM_BYTES_MAX = 1024 * 1024 };

/* NULL: not base64, or no memory. Line breaks inside are skipped. */
static char *decode(const char *text)
{
    char *out = malloc(strlen(text) / 4 * 3 + 4);
    size_t length = 0;
    uint32_t bits = 0;
    unsigned bits_count = 0;

    if (!out)
        return NULL;
    for (; *text && *text != '='; text++) {
        int digit = base64_digit(*text);
        if (isspace((unsigned char)*text))
            continue;
        if (digit < 0) {
            free(out);
            return NULL;
        }
        bits = bits << 6 | (uint32_t)digit;
        bits_count += 6;
        if (bits_count >= 8) {
            bits_count -= 8;
            out[length++] = (char)(bits >> bits_count & 0xff);
        }
    }
    out[length] = '\0';
    return out;
}

static bool is_pem(const char *text)
{
    return strstr(text, "-----BEGIN ") != NULL;
}

int settings_read_pem(const struct settings *settings, const char *key, const char *item,
                      char **ret, struct config_errors *errors)
{
    struct config_place place = settings_place(settings, key);
    struct config_errors found;
    char *text;
    size_t length;
    int r;

    text = is_pem(item) ? strdup(item) : decode(item);
    if (text && is_pem(text)) {
        *ret = text;
        return 0;
    }
    free(text);
    config_errors_init(&found);
    r = file_read(item, PEM_BYTES_MAX, &text, &length, &found);
    if (r == 0 && (!is_pem(text) || strlen(text) != length)) {
        free(text);
        r = -EINVAL;
    }
    if (r == 0)
        *ret = text;
    else
        config_errors_add(errors, CONFIG_ERROR, place, "'%.200s': %s%s", item,
                          r == -EINVAL ? "the file holds no PEM text (-----BEGIN …)" : strerror(-r),
                          file_why_refused(item, r));
    config_errors_done(&found);
    return r;
}
