/* An F5's log of resets: "... RST sent from 10.0.0.1:443 to 10.0.0.9:51234, [0x0:0] {peer} ...". */
#include <string.h>

#include "tools/trace/log_formats.h"

bool log_read_f5_reset(struct slice line, struct sockaddr_storage *ret_peer)
{
    static const char sent[] = " RST sent from ", to[] = " to ";
    const char *at = line.len > 0 ? memmem(line.ptr, line.len, sent, sizeof(sent) - 1) : NULL;
    struct slice rest;
    const char *peer, *comma;

    if (!at)
        return false;
    rest = slice_from(line, (size_t)(at - line.ptr) + sizeof(sent) - 1);
    peer = memmem(rest.ptr, rest.len, to, sizeof(to) - 1);
    if (!peer)
        return false;
    rest = slice_from(rest, (size_t)(peer - rest.ptr) + sizeof(to) - 1);
    comma = memchr(rest.ptr, ',', rest.len);
    if (comma)
        rest.len = (size_t)(comma - rest.ptr);
    return addr_parse(rest, 0, ret_peer) == 0;
}
