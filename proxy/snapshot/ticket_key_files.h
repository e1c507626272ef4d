/*
 * ticket_key_files: session ticket keys that several nodes share.
 *
 * Role    nginx_http_ssl_session_ticket_key: files of 48 or 80 bytes into a ring of keys
 * Owns    nothing; what was read is wiped
 * Thread  the configuration thread
 */
#ifndef PROXY_TICKET_KEY_FILES_H
#define PROXY_TICKET_KEY_FILES_H

#include "config/settings.h"
#include "tls/ticket_keys.h"

/* Without such a setting nothing happens. 0, or a negative errno after adding an error. A file that
 * others may read gives a warning. */
int ticket_key_files_load(const struct settings *settings, struct tls_ticket_keys *keys,
                          struct config_errors *errors);

#endif
