/*
 * file: a whole configuration file in memory.
 *
 * Role    reading with a limit, and a message that names the file when it cannot be read
 * Owns    nothing; the text is the caller's
 * Thread  any that may block
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

#endif
