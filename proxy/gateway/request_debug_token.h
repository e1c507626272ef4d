/*
 * request_debug_token: who operates the hop learns the token of request debugging as with Kong.
 *
 * Role    the file <prefix>/.request_debug_token and a line of the error log, at every start and reload
 * Owns    the file, which stays when the hop ends (as Kong's does)
 * Thread  the main thread
 *
 * Source  kong/init.lua (Kong.init). The file is for its user only; Kong leaves that to the umask.
 */
#ifndef PROXY_REQUEST_DEBUG_TOKEN_H
#define PROXY_REQUEST_DEBUG_TOKEN_H

#include "proxy/gateway/prefix.h"

/* token NULL: request debugging is off, nothing is told. */
void request_debug_token_tell(const struct prefix *prefix, const char *token);

#endif
