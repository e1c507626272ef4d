/*
 * explain: hopgate explain, the reference of entities, plugins and their fields.
 *
 * Role    what the tables of config/schemas say, for people and programs
 * Owns    nothing
 * Thread  the main thread
 *
 *   topic.c   which entity, plugin or field a path names: "plugins.cors.config.origins"
 *   facts.c   what is known of it, as JSON; limits.c and rules.c put the tables' words into ours
 *   text.c    that for a terminal; page.c: for a page (Markdown) and a manual (roff)
 */
#ifndef TOOLS_EXPLAIN_H
#define TOOLS_EXPLAIN_H

#include <jansson.h>
#include <stdio.h>

#include "config/model/model.h"

enum { EXPLAIN_PATH_MAX = 256 };

struct explain_topic {
    const struct model_entity *entity;     /* NULL: all of them */
    const struct model_plugin *plugin;     /* NULL: not below one */
    const struct model_subschema *variant; /* the same of vaults and routes */
    const struct model_field *field;       /* NULL: the entity, plugin or variant as a whole */
    const struct model_record *record;     /* where fields below are looked for; NULL: none are */
    bool is_shorthand;
    char path[EXPLAIN_PATH_MAX]; /* as the tables spell it */
};

/* 0; -ENOENT: there is no such thing, `message` says what there is. path may be "". */
enum { EXPLAIN_MESSAGE_MAX = 512 };
int explain_find(const struct model *model, const char *path, struct explain_topic *ret,
                 char message[EXPLAIN_MESSAGE_MAX]);

/*
 * What is known. A new reference; NULL: no memory. Members that say nothing are left out:
 *   path, kind ("entity", "plugin", "variant", "field"), description, differs, type, unit, default,
 *   given ("must", "may", "made", "old"), limits [text], unique, secret, reference, paths [text],
 *   rules [text], fields [the same], plugins [name], variants [name], version, priority, runs
 */
json_t *explain_facts(const struct model *model, const struct explain_topic *topic);

/* {"entities": [facts], "plugins": [facts]}: everything. */
json_t *explain_all(const struct model *model);

/* ---- what facts.c takes from limits.c and rules.c ---- */

/* Appends the limits of a value, in words, each behind `prefix`. 0 or -1. */
int explain_add_limits(json_t *list, const struct model_field *field, const char *prefix);
/* Appends the rules over several fields. 0 or -1. */
int explain_add_rules(json_t *list, const struct model_record *record);
/* What a check in C wants; NULL: nobody has said it. */
const char *explain_check(const char *name);
/* "a, b, c" of a list of values. malloc'ed; NULL: no memory. */
char *explain_join(const json_t *list);

/* ---- printing; 0 or -1 (no memory) ---- */

void explain_print_text(const json_t *facts, FILE *stream);
void explain_print_page(const json_t *all, FILE *stream);   /* Markdown */
void explain_print_manual(const json_t *all, FILE *stream); /* roff, without its title */

int explain_verb(int argc, char **argv);

#endif
