/*
 * field_operations: set, add, append, rename, remove and case, in the order in which they are written.
 *
 * Role    what hopgate.fields does to a section that is ready but for it
 * Owns    nothing; new texts live in the arena of the section
 * Thread  one worker; pure
 *
 * Connection, framing and (of requests) Host stay as they are, whatever a pattern of `remove` says;
 * the reader of the configuration refuses their names. A value that comes out empty is none: `set`
 * then removes (nginx's proxy_set_header), `add` and `append` do nothing. No value ever holds a control
 * byte: what a variable brings of them becomes a space (RFC 9110 5.5).
 */
#ifndef PROXY_FIELD_OPERATIONS_H
#define PROXY_FIELD_OPERATIONS_H

#include "proxy/rewrite/field_plan.h"

/* record->field_plan must be set. 0 or -ENOMEM. */
int field_operations_on_request(const struct exchange_record *record, struct fields *fields);

struct field_response {
    unsigned status;
    const struct fields *fields; /* as the target sent them; NULL: the answer is made here */
};

/* The same. Of an interim response (1xx, but 101) only what removes is done. */
int field_operations_on_response(const struct exchange_record *record,
                                 const struct field_response *response, struct fields *fields);

/* Some operation writes or removes that name, so that it may not come in a trailer either. */
bool field_operations_name(const struct field_plan *plan, bool of_request, struct slice name);

#endif
