#include "proxy/snapshot/ticket_key_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/file.h"

enum { FILE_BYTES_MAX = 4096 };

static const char key_name[] = "nginx_http_ssl_session_ticket_key";

static int read_one(const char *path, struct slice *ret, struct config_place place,
                    struct config_errors *errors)
{
    struct config_errors found;
    struct stat status;
    char *text = NULL;
    int r;

    config_errors_init(&found);
    r = file_read(path, FILE_BYTES_MAX, &text, &ret->len, &found);
    config_errors_done(&found);
    if (r < 0) {
        config_errors_add(errors, CONFIG_ERROR, place, "'%.200s': %s%s", path, strerror(-r),
                          file_why_refused(path, r));
        return r;
    }
    ret->ptr = text;
    if (ret->len != 48 && ret->len != 80) {
        config_errors_add(
            errors, CONFIG_ERROR, place,
            "'%.200s' has %zu bytes; a ticket key has 48 or 80: openssl rand 80 > FILE", path,
            ret->len);
        return -EINVAL;
    }
    if (stat(path, &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        config_errors_add(errors, CONFIG_WARNING, place,
                          "'%.200s' may be read by others, who can then read recorded traffic: "
                          "chmod 600",
                          path);
    return 0;
}

static void wipe(struct slice *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (files[i].ptr)
            explicit_bzero((char *)files[i].ptr, files[i].len);
        free((char *)files[i].ptr);
    }
}

int ticket_key_files_load(const struct settings *settings, struct tls_ticket_keys *keys,
                          struct config_errors *errors)
{
    const struct config_strings *paths = &settings->ssl_session_ticket_key;
    struct config_place place = settings_place(settings, key_name);
    struct slice files[TLS_TICKET_KEYS_MAX] = { { NULL, 0 } };
    int result = 0;

    if (paths->count == 0)
        return 0;
    if (paths->count > TLS_TICKET_KEYS_MAX) {
        config_errors_add(errors, CONFIG_ERROR, place,
                          "%zu files are too many; the current key and up to %d older ones do",
                          paths->count, TLS_TICKET_KEYS_MAX - 1);
        return -EINVAL;
    }
    for (size_t i = 0; i < paths->count; i++) {
        int r = read_one(paths->items[i], &files[i], place, errors);

        result = r < 0 ? r : result;
    }
    if (result == 0)
        result = tls_ticket_keys_load(keys, files, paths->count);
    wipe(files, paths->count);
    return result;
}
