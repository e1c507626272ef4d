/*
 * verdict_priv: what the parts of the verdict share.
 *
 * Role    verdict.c decides who it was, verdict_waits.c tells of timers and tries, verdict_fields.c of fields
 *         that were lost, verdict_evidence.c what else is worth knowing
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_TRACE_VERDICT_PRIV_H
#define TOOLS_TRACE_VERDICT_PRIV_H

#include "tools/trace/causes.h"
#include "tools/trace/verdict.h"

enum { VERDICT_NAME_MAX = 160 };

/* Appends; what has no room is cut. */
__attribute__((format(printf, 3, 4))) void verdict_add(char *into, size_t size, const char *format,
                                                       ...);
#define ADD(member, ...) verdict_add((member), sizeof(member), __VA_ARGS__)

/* Whom the try asked; NULL: "it". */
const char *verdict_target_name(const struct trace_try *try, char *into, size_t size);

/* "60 s", "1500 ms" */
const char *verdict_span(int64_t us, char *into, size_t size);

/* What the hop was told about that timer; 0: not known. */
int64_t verdict_limit_us(const struct trace_account *account, enum cause_setting setting);

/* " within 60 s (read_timeout of the service)", which of several tries it was, and whose longer timers did not
 * help. */
void verdict_tell_wait(struct verdict *ret, const struct cause *cause);

/* The fix of a wait behind which several tries stand; false: there was one. */
bool verdict_fix_tries(struct verdict *ret, const struct cause *cause);

/* A request that must not be made twice went out more than once, and was answered. False: none did. */
bool verdict_tell_doubled(const struct trace_account *root, struct verdict *ret);

/* The same beside a failure. */
void verdict_add_doubled(struct verdict *ret);

/* A field that was lost on the way explains the answer. False: none does. */
bool verdict_tell_loss(struct verdict *ret);

/* Beside an answer: a field that may have to do with it. */
void verdict_remark_loss(struct verdict *ret);

void verdict_tell_evidence(struct verdict *ret);

#endif
