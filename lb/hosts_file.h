/*
 * hosts_file: the names of a hosts(5) file.
 *
 * Role    parsed once, then asked; bytes in, so that it is tested without a file
 * Owns    copies of names and addresses
 * Thread  the resolver's
 */
#ifndef LB_HOSTS_FILE_H
#define LB_HOSTS_FILE_H

#include <stddef.h>
#include <sys/socket.h>

#include "core/slice.h"

struct hosts_entry {
    char *name;
    struct sockaddr_storage address; /* port 0 */
    size_t number;                   /* in the file's order */
};

struct hosts_file {
    struct hosts_entry *items; /* sorted by name, ignoring case; in the file's order within one */
    size_t count;
};

/* Lines that are none are skipped, as everyone does. 0 or -ENOMEM. `hosts` is fresh. */
int hosts_file_parse(struct slice text, struct hosts_file *hosts);

/* As parse. A negative errno when the file cannot be read. */
int hosts_file_load(const char *path, struct hosts_file *hosts);

/* The first entry of the name, with the number of those that follow; NULL: none. */
const struct hosts_entry *hosts_file_find(const struct hosts_file *hosts, const char *name,
                                          size_t *ret_count);

void hosts_file_done(struct hosts_file *hosts);

#endif
