#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct file_watcher watching;

void file_watch(const struct file_watcher *watcher)
{
    watching = watcher ? *watcher : (struct file_watcher){ .owner = NULL };
}

void file_note_read(const char *file)
{
    if (watching.on_read)
        watching.on_read(watching.owner, file);
}

const char *file_why_refused(const char *file, int r)
{
    return r == -EACCES && watching.why_refused ? watching.why_refused(watching.owner, file) : "";
}

/* Reads to the end; the file may be a pipe, so its size is not asked for. */
static int read_all(int fd, size_t bytes_max, char **ret_text, size_t *ret_length)
{
    size_t length = 0, capacity = 0;
    char *text = NULL;

    for (;;) {
        if (capacity - length < 2) {
            capacity = capacity ? capacity * 2 : 16 * 1024;
            char *bigger = realloc(text, capacity);
            if (!bigger)
                goto fail;
            text = bigger;
        }
        ssize_t got = read(fd, text + length, capacity - length - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            goto fail;
        if (got == 0)
            break;
        length += (size_t)got;
        if (length > bytes_max) {
            errno = EFBIG;
            goto fail;
        }
    }
    text[length] = '\0';
    *ret_text = text;
    *ret_length = length;
    return 0;

fail:;
    int r = -errno;
    free(text);
    return r;
}

int file_read(const char *file, size_t bytes_max, char **ret_text, size_t *ret_length,
              struct config_errors *errors)
{
    int fd, r;

    file_note_read(file);
    fd = open(file, O_RDONLY | O_CLOEXEC);
    r = fd < 0 ? -errno : read_all(fd, bytes_max, ret_text, ret_length);

    if (fd >= 0)
        (void)close(fd); /* only read from */
    if (r == -EFBIG)
        config_errors_add(errors, CONFIG_ERROR, (struct config_place){ .file = file },
                          "larger than the %zu bytes that are read", bytes_max);
    else if (r < 0 && r != -ENOMEM)
        config_errors_add(errors, CONFIG_ERROR, (struct config_place){ .file = file },
                          "cannot be read: %s%s", strerror(-r), file_why_refused(file, r));
    return r;
}
