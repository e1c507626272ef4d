/*
 * end_reason: every way a try or an exchange can end, as one table.
 *
 * Role    status, retry class, health effect, log level, Proxy-Status token and nginx's phrase of a
 *         cause; the text of a page is the persona's
 * Owns    nothing
 * Thread  any
 */
#ifndef CORE_END_REASON_H
#define CORE_END_REASON_H

#include <stdbool.h>
#include <stddef.h>

enum end_reason {
#define END_REASON(id, hop, phase, status, retry, health, level, token, phrase) END_##id,
#include "core/end_reason.def"
#undef END_REASON
    END_REASON_COUNT
};

enum end_hop { END_HOP_SELF, END_HOP_CLIENT, END_HOP_UPSTREAM };

enum end_phase {
    END_PHASE_NONE,
    END_PHASE_READING_PROXY_HEADER,
    END_PHASE_READING_REQUEST_LINE,
    END_PHASE_READING_REQUEST_HEAD,
    END_PHASE_READING_REQUEST_BODY,
    END_PHASE_ROUTING,
    END_PHASE_RESOLVING,
    END_PHASE_CONNECTING,
    END_PHASE_TLS_HANDSHAKE,
    END_PHASE_SENDING,
    END_PHASE_READING_HEAD,
    END_PHASE_READING_BODY,
    END_PHASE_SENDING_TO_CLIENT,
    END_PHASE_PROXYING_UPGRADED,
};

enum end_retry { END_RETRY_NEVER, END_RETRY_UNSENT, END_RETRY_REPLAY, END_RETRY_INVALID };
enum end_health { END_HEALTH_NONE, END_HEALTH_TCP, END_HEALTH_TIMEOUT, END_HEALTH_HTTP };
enum end_level {
    END_LEVEL_debug,
    END_LEVEL_info,
    END_LEVEL_notice,
    END_LEVEL_warn,
    END_LEVEL_error,
    END_LEVEL_crit
};

struct end_reason_info {
    const char *name; /* "CONNECT_REFUSED" */
    enum end_hop hop;
    enum end_phase phase;
    unsigned status; /* 0: nothing can be sent */
    enum end_retry retry;
    enum end_health health;
    enum end_level level;
    const char *token;  /* RFC 9209 2.3; "" for END_OK only */
    const char *phrase; /* at most one %s */
};

const struct end_reason_info *end_reason_info(enum end_reason reason);

/* The reason of that name ("CONNECT_REFUSED"); END_REASON_COUNT when there is none. */
enum end_reason end_reason_of(const char *name);

/* " while connecting to upstream"; "" for END_PHASE_NONE. TLS_HANDSHAKE differs by side. */
const char *end_phase_text(enum end_phase phase, enum end_hop hop);

/* The phrase with its %s replaced; returns the length written, always NUL-terminated (size > 0). */
size_t end_reason_format(enum end_reason reason, const char *detail, char *into, size_t size);

#endif
