/*
 * forwarded_fields: the fields that may have a forwarded policy, and which policies make sense.
 *
 * Role    one row per field, for declarative files and kong.conf; the engine asks for the names
 * Owns    nothing; constant
 * Thread  any
 */
#ifndef CONFIG_FORWARDED_FIELDS_H
#define CONFIG_FORWARDED_FIELDS_H

#include "config/entities.h"

struct forwarded_field_info {
    const char *name; /* the key in hopgate.fields[].forwarded */
    unsigned refused; /* mask of 1 << enum config_field_policy */
    const char *fix;  /* for a refused policy: why, and what to do instead */
    /* for preserve and append, of peers that are not trusted, when nothing is said: what they claim
     * is not passed on as if it were so. UNSET: the same as for all (it is no claim about the way) */
    enum config_field_policy untrusted;
};

extern const struct forwarded_field_info forwarded_field_infos[CONFIG_FORWARDED_COUNT];

/* "preserve", "append", "replace", "remove"; UNSET for anything else. */
enum config_field_policy forwarded_policy_of(const char *word);
const char *forwarded_policy_name(enum config_field_policy policy);

/* What happens for peers that are not trusted when only the policy is said. */
enum config_field_policy forwarded_untrusted_default(enum config_forwarded_field field,
                                                     enum config_field_policy policy);

#endif
