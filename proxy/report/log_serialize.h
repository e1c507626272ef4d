/*
 * log_serialize: one exchange as Kong's kong.log.serialize describes it (kong/pdk/log.lua).
 *
 * Role    the format kong-serialize, and what log plugins send: Kong's keys with Kong's rules, no other
 * Owns    nothing; writes into the caller's text
 * Thread  one worker
 *
 * As there, what does not exist is left out, and of the client's fields only Authorization and
 * Proxy-Authorization are REDACTED. Entities show what this hop keeps of them.
 */
#ifndef PROXY_LOG_SERIALIZE_H
#define PROXY_LOG_SERIALIZE_H

#include "proxy/exchange/exchange_record.h"
#include "proxy/report/text.h"

/* One JSON object without a newline. */
void log_serialize(const struct exchange_record *record, struct text *into);

#endif
