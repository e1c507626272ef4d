/*
 * phrase: the text of an error line without what differs from request to request.
 *
 * Role    addresses, names, paths, quoted bytes and counts become placeholders; what tells one failure
 *         from another (errno, OpenSSL's reason, a certificate's verdict) stays, whatever the version
 * Owns    nothing
 * Thread  any
 */
#ifndef TOOLS_REPRO_PHRASE_H
#define TOOLS_REPRO_PHRASE_H

#include "core/slice.h"

enum { PHRASE_MAX = 240 };

struct phrase {
    char phrase[PHRASE_MAX]; /* "recv() failed" */
    char detail[PHRASE_MAX]; /* "(104)"; "" without one */
    char action[PHRASE_MAX]; /* "while reading response header from upstream"; "" without one */
};

/* text: as log_read_nginx_error has it: from behind the connection number to ", client:". */
void phrase_read(struct slice text, struct phrase *ret);

#endif
