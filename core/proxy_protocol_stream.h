/*
 * proxy_protocol_stream: takes a PROXY protocol header off the front of a stream.
 *
 * Role    a layer between TCP and whatever speaks first (TLS, HTTP): STREAM_OPEN means that the
 *         header is here, and from then on every byte passes as it is
 * Owns    the stream below, the header's bytes
 * Thread  one worker
 *
 * Beyond the contract of core/stream.h: after creation call proxy_protocol_stream_begin once; the
 * stream below is open. STREAM_OPEN_FAILED: stream_failure has STREAM_STEP_PROXY_HEADER, with error
 * -EPROTO and the bytes that are no header as detail, or else what the stream below said (0: it ended).
 * There is no timer: who waits for the header limits it.
 */
#ifndef CORE_PROXY_PROTOCOL_STREAM_H
#define CORE_PROXY_PROTOCOL_STREAM_H

#include "core/proxy_protocol.h"
#include "core/stream.h"

/* On success *lower is NULL and belongs to the new stream; NULL: no memory. */
struct stream *proxy_protocol_stream_create(struct stream **lower, struct chunk_pool *pool);

/* Reads what is there. Returns STREAM_OPEN or STREAM_OPEN_FAILED when no event will announce it. */
unsigned proxy_protocol_stream_begin(struct stream *stream);

/* After STREAM_OPEN; good until the stream is closed. */
const struct proxy_protocol *proxy_protocol_stream_header(const struct stream *stream);

/* After a failure with -EPROTO: what is wrong with the bytes. */
const char *proxy_protocol_stream_problem(const struct stream *stream);

#endif
