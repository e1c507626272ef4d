/*
 * field_order: where a persona wants the fields, and how it spells their names.
 *
 * Role    the last step of a rewritten section
 * Owns    nothing; new names live in the section's arena
 * Thread  one worker; pure
 */
#ifndef PROXY_FIELD_ORDER_H
#define PROXY_FIELD_ORDER_H

#include "core/http/fields.h"
#include "proxy/persona/persona.h"

/*
 * Lines of `first`, then what `lead` names in its order and spelling, then the rest as it stands. A
 * field whose rules are all switched off is not led: it stays where and as it was sent. 0 or -ENOMEM.
 */
int field_order_apply(struct fields *fields, const struct fields *first,
                      const struct persona_strings *lead, const struct persona_rules *rules);

/* 0 or -ENOMEM. */
int field_order_lower_names(struct fields *fields);

#endif
