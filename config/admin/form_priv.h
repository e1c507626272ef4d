/*
 * form_priv: what the files of form share.
 *
 * Role    the tree that names of form fields grow into
 * Owns    nothing
 * Thread  any
 */
#ifndef CONFIG_ADMIN_FORM_PRIV_H
#define CONFIG_ADMIN_FORM_PRIV_H

#include "config/admin/form.h"

/* tree: an object that is only for form_tree_add until form_tree_finish. Borrows value. 0, -EINVAL
 * with a plain error, -ENOMEM. The name has no control bytes. */
int form_tree_add(json_t *tree, struct slice name, json_t *value, struct kong_error *error);

/* The tree as JSON, a new reference; NULL: no memory. */
json_t *form_tree_finish(json_t *tree);

/* One field of a form: checks its bytes and adds it. has_value false: only a name. */
int form_add(json_t *tree, struct slice name, struct slice value, bool has_value,
             struct kong_error *error);

#endif
