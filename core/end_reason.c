#include "core/end_reason.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct end_reason_info infos[] = {
#define END_REASON(id, hop_, phase_, status_, retry_, health_, level_, token_, phrase_) \
    [END_##id] = { .name = #id,                                                         \
                   .hop = END_HOP_##hop_,                                               \
                   .phase = END_PHASE_##phase_,                                         \
                   .status = (status_),                                                 \
                   .retry = END_RETRY_##retry_,                                         \
                   .health = END_HEALTH_##health_,                                      \
                   .level = END_LEVEL_##level_,                                         \
                   .token = (token_),                                                   \
                   .phrase = (phrase_) },
#include "core/end_reason.def"
#undef END_REASON
};

const struct end_reason_info *end_reason_info(enum end_reason reason)
{
    assert(reason < END_REASON_COUNT);
    return &infos[reason];
}

enum end_reason end_reason_of(const char *name)
{
    for (unsigned i = 0; i < END_REASON_COUNT; i++)
        if (strcmp(infos[i].name, name) == 0)
            return (enum end_reason)i;
    return END_REASON_COUNT;
}

const char *end_phase_text(enum end_phase phase, enum end_hop hop)
{
    switch (phase) {
    case END_PHASE_NONE:
    case END_PHASE_ROUTING:
    case END_PHASE_RESOLVING: /* nginx names no action here */
        return "";
    case END_PHASE_READING_PROXY_HEADER:
        return " while reading PROXY protocol";
    case END_PHASE_READING_REQUEST_LINE:
        return " while reading client request line";
    case END_PHASE_READING_REQUEST_HEAD:
        return " while reading client request headers";
    case END_PHASE_READING_REQUEST_BODY:
        return " while reading client request body";
    case END_PHASE_CONNECTING:
        return " while connecting to upstream";
    case END_PHASE_TLS_HANDSHAKE:
        return hop == END_HOP_CLIENT ? " while SSL handshaking"
                                     : " while SSL handshaking to upstream";
    case END_PHASE_SENDING:
        return " while sending request to upstream";
    case END_PHASE_READING_HEAD:
        return " while reading response header from upstream";
    case END_PHASE_READING_BODY:
        return " while reading upstream";
    case END_PHASE_SENDING_TO_CLIENT:
        return " while sending to client";
    case END_PHASE_PROXYING_UPGRADED:
        return " while proxying upgraded connection";
    }
    return "";
}

size_t end_reason_format(enum end_reason reason, const char *detail, char *into, size_t size)
{
    const char *phrase = end_reason_info(reason)->phrase;
    const char *mark = strstr(phrase, "%s");
    int n;

    if (mark)
        n = snprintf(into, size, "%.*s%s%s", (int)(mark - phrase), phrase, detail ? detail : "",
                     mark + 2);
    else
        n = snprintf(into, size, "%s", phrase);
    if (n < 0)
        return 0;
    return (size_t)n < size ? (size_t)n : size - 1;
}
