/*
 * file: a whole configuration file in memory.
 *
 * Role    reading with a limit, and a message that names the file when it cannot be read
 * Owns    nothing; the text is the caller's
 * Thread  any that may block; who watches is one for the whole process, set by the main thread while
 *         no other reads
 */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <stddef.h>

#include "config/config_error.h"

/*
 * *ret_text is malloc'ed and NUL-terminated (not counted). A negative errno after adding an error;
 * -EFBIG above bytes_max; -ENOMEM without one.
 */
int file_read(const char *file, size_t bytes_max, char **ret_text, size_t *ret_length,
              struct config_errors *errors);

/* A process that gives up rights wants to know what it will have to read again, and to say why it
 * could not. */
struct file_watcher {
    void *owner;
    void (*on_read)(void *owner, const char *file); /* before it is opened */
    /* after EACCES; "" or a text to be appended to the message, good until the next call */
    const char *(*why_refused)(void *owner, const char *file);
};

/* Copied. NULL: nobody watches. */
void file_watch(const struct file_watcher *watcher);

/* For who opens a file by himself. `r` as of the failed call; "" when there is nothing to add. */
void file_note_read(const char *file);
const char *file_why_refused(const char *file, int r);

#endif
