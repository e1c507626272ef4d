/*
 * admin_audit: who has changed which entity how.
 *
 * Role    a line of JSON for each entity that a request to the Admin API has changed, secrets masked
 * Owns    nothing
 * Thread  the config thread
 */
#ifndef PROXY_ADMIN_AUDIT_H
#define PROXY_ADMIN_AUDIT_H

#include <jansson.h>

#include "config/dao/dao.h"

struct admin_question;
struct log_file;

/* Of the changes from `first` on, which the request has made: an array of lines; NULL: no memory. */
json_t *admin_audit_lines(const struct dao *dao, size_t first,
                          const struct admin_question *question);

/* They are in force. lines NULL: there was no memory, and the log says that some is lost. status: of the
 * answer. */
void admin_audit_write(struct log_file *file, const json_t *lines, unsigned status);

#endif
