/*
 * story: why an exchange ended as it did, in plain sentences.
 *
 * Role    what `hopgate why` prints: a first line with hop, cause and fix; then the evidence, the
 *         timeline, the setting that decided, what the next hop sees, and what is not known
 * Owns    nothing
 * Thread  the main thread
 *
 * What is said about each end_reason stands in story.def.
 */
#ifndef PROXY_STORY_H
#define PROXY_STORY_H

#include "proxy/report/recorder.h"

struct settings;

/* What an entry does not hold, looked up when the story is told. */
struct story_context {
    uint64_t generation; /* of the configuration in force now */
    const struct settings
        *settings; /* of the entry's configuration; NULL: it is not at hand any more */
    const char *routes, *targets; /* lines about what is in force now; NULL: nothing to say */
    const char *remark;           /* one more line, or NULL */
};

/* Lines of printable ASCII, malloc'ed; NULL: no memory. */
char *story_tell(const struct recorded_exchange *entry, const struct story_context *context);

#endif
