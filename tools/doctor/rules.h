/*
 * rules: what `hopgate doctor` knows, a row for each in rules.def, a function for each in the file of its
 * topic.
 *
 * Role    the table, and what rules have in common: findings, commands, time scales
 * Owns    nothing
 * Thread  one
 */
#ifndef TOOLS_DOCTOR_RULES_H
#define TOOLS_DOCTOR_RULES_H

#include "tools/doctor/findings.h"
#include "tools/doctor/journey.h"
#include "tools/doctor/model.h"
#include "tools/doctor/outcome.h"

struct examination {
    const struct doctor_model *model;
    const struct doctor_journey *journey;
    const char *chain; /* as the user named it */
    const struct doctor_rule *rule;
    struct doctor_findings *findings;
};

typedef void doctor_examine(const struct examination *examination);

struct doctor_rule {
    const char *id;
    doctor_examine *examine;
    enum doctor_severity severity;
    const char *about;
};

extern const struct doctor_rule doctor_rules[];
extern const size_t doctor_rules_count;

#define RULE(id, function, severity, about) doctor_examine function;
#include "tools/doctor/rules.def"
#undef RULE

/* NULL: no such rule. */
const struct doctor_rule *doctor_rule_find(const char *id);

/* Of the rule at work; `to` may be NULL. */
struct doctor_finding *doctor_find(const struct examination *examination, const char *hop,
                                   const char *to);

/* `hopgate lab run OPTIONS CHAIN`, then what the format gives, "" or " -- ...". */
void doctor_command(const struct examination *examination, struct doctor_finding *finding,
                    const char *options, const char *format, ...) DOCTOR_PRINTS(4, 5);

/* Options that make the origins fail so, or as near to it as can be where they are not ours. */
const char *doctor_fault_options(const struct doctor_model *model, enum doctor_fault fault,
                                 char *into, size_t size);

/* At which stated times can be tried so that this margin, the shortest that tells right from wrong, is
 * still seconds, and a TLS handshake has half a one: a busy machine must not change the result. */
int64_t doctor_time_scale(const struct doctor_model *model, uint64_t margin_ms);

/* Milliseconds in the units people say: "60 s", "1500 ms"; into is returned. */
const char *doctor_time(uint64_t ms, char *into, size_t size);
enum { DOCTOR_TIME_MAX = 24 };

/* The same as kong.conf takes it: "60", "1500ms". */
const char *doctor_time_setting(uint64_t ms, char *into, size_t size);

/* The place of a service's field, or whose default it is. */
const char *doctor_place_of_service(const struct examination *examination,
                                    const struct doctor_hop *hop, const char *field, char *into,
                                    size_t size);

/* "502", or "no answer (the connection is closed)". */
const char *doctor_status_text(unsigned status, char *into, size_t size);
enum { DOCTOR_STATUS_MAX = 48 };

#endif
