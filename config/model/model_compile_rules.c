/*
 * model_compile_rules: the limits of a value and the rules over several fields, as structs.
 */
#include <errno.h>
#include <string.h>

#include "config/model/model_priv.h"

struct rule_word {
    const char *word;
    enum model_rule_kind kind;
};

/* In Kong's order (kong/db/schema/init.lua: validators_order); one that fails hides the others. */
static const struct rule_word rule_words[] = {
    { "eq", MODEL_RULE_EQ },
    { "ne", MODEL_RULE_NE },
    { "not_one_of", MODEL_RULE_NOT_ONE_OF },
    { "one_of", MODEL_RULE_ONE_OF },
    { "gt", MODEL_RULE_GT },
    { "timestamp", MODEL_RULE_TIMESTAMP },
    { "uuid", MODEL_RULE_UUID },
    { "is_regex", MODEL_RULE_IS_REGEX },
    { "between", MODEL_RULE_BETWEEN },
    { "x_between", MODEL_RULE_BETWEEN },
    { "len_eq", MODEL_RULE_LEN_EQ },
    { "len_min", MODEL_RULE_LEN_MIN },
    { "x_len_min", MODEL_RULE_LEN_MIN },
    { "len_max", MODEL_RULE_LEN_MAX },
    { "starts_with", MODEL_RULE_STARTS_WITH },
    { "not_match", MODEL_RULE_NOT_MATCH },
    { "match_none", MODEL_RULE_MATCH_NONE },
    { "match", MODEL_RULE_MATCH },
    { "match_all", MODEL_RULE_MATCH_ALL },
    { "match_any", MODEL_RULE_MATCH_ANY },
    { "contains", MODEL_RULE_CONTAINS },
    { "x_check", MODEL_RULE_CHECK },
    { "mutually_exclusive_subsets", MODEL_RULE_SUBSETS },
};
enum { RULE_WORDS = sizeof(rule_words) / sizeof(rule_words[0]) };

static void take_limits(struct model_rule *rule)
{
    if (json_is_array(rule->argument)) {
        rule->low = json_number_value(json_array_get(rule->argument, 0));
        rule->high = json_number_value(json_array_get(rule->argument, 1));
    } else {
        rule->low = json_number_value(rule->argument);
    }
}

int model_compile_rules(struct model *model, const char *where, const json_t *definition,
                        struct model_field *field)
{
    struct model_rule *rules = model_alloc(model, RULE_WORDS * sizeof(*rules));
    size_t count = 0;

    (void)where;
    if (!rules)
        return -ENOMEM;
    for (size_t i = 0; i < RULE_WORDS; i++) {
        const json_t *argument = json_object_get(definition, rule_words[i].word);
        bool default_length =
            !argument && field->type == MODEL_STRING && strcmp(rule_words[i].word, "len_min") == 0;

        if (json_is_null(argument) || json_is_false(argument))
            argument =
                rule_words[i].kind == MODEL_RULE_EQ && json_is_false(argument) ? argument : NULL;
        if (!argument && !default_length)
            continue;
        rules[count].kind = rule_words[i].kind;
        rules[count].argument = argument;
        take_limits(&rules[count]);
        if (default_length)
            rules[count].low = 1; /* empty strings are not accepted unless the table says so */
        count++;
    }
    field->rules = rules;
    field->rules_count = count;
    return 0;
}

/* --- rules over several fields --------------------------------------------------------------- */

static const json_t *definition_in(const json_t *fields, const char *name, size_t length)
{
    for (size_t i = 0; i < json_array_size(fields); i++) {
        void *only = json_object_iter(json_array_get(fields, i));
        const char *key = json_object_iter_key(only);
        if (strlen(key) == length && memcmp(key, name, length) == 0)
            return json_object_iter_value(only);
    }
    return NULL;
}

/* What "config.redis.host" is defined as: in the subschema, else in the entity. */
static const json_t *find_definition(const json_t *definition, const json_t *base, const char *path)
{
    const json_t *found = NULL;

    for (;;) {
        size_t length = strcspn(path, ".");
        found = definition_in(json_object_get(definition, "fields"), path, length);
        if (!found && base)
            found = definition_in(json_object_get(base, "fields"), path, length);
        if (!found || path[length] == '\0')
            return found;
        definition = found;
        base = NULL;
        path += length + 1;
    }
}

/* A match inherits what it does not say from the field that it is of. */
static int compile_match(struct model *model, const char *where, const json_t *own,
                         const json_t *inherited, struct model_field *ret)
{
    json_t *whole = json_deep_copy(inherited);
    json_t *kept = json_object_get(model->definitions, "matches");

    if (!whole || json_object_update(whole, (json_t *)own) < 0 ||
        json_array_append(kept, whole) < 0) {
        json_decref(whole);
        return -ENOMEM;
    }
    json_decref(whole); /* `kept` has it */
    return model_compile_field(model, where, "match", whole, ret);
}

struct compiling {
    struct model *model;
    const char *where;
    const json_t *definition, *base;
};

static int compile_match_of(const struct compiling *compiling, const json_t *argument,
                            const char *word, const char *field, struct model_field *ret)
{
    const json_t *inherited = find_definition(compiling->definition, compiling->base, field);

    if (!inherited)
        model_broken(compiling->where, field);
    return compile_match(compiling->model, compiling->where, json_object_get(argument, word),
                         inherited, ret);
}

static const char *text_of(const json_t *argument, const char *word)
{
    return json_string_value(json_object_get(argument, word));
}

static int compile_conditional(const struct compiling *compiling, const json_t *argument,
                               struct model_entity_check *ret)
{
    int r;

    ret->if_field = text_of(argument, "if_field");
    ret->then_field = text_of(argument, "then_field");
    ret->then_err = text_of(argument, "then_err");
    r = compile_match_of(compiling, argument, "if_match", ret->if_field, &ret->if_match);
    if (r == 0 && ret->kind == MODEL_CHECK_CONDITIONAL)
        return compile_match_of(compiling, argument, "then_match", ret->then_field,
                                &ret->then_match);
    ret->names = json_object_get(argument, "then_at_least_one_of");
    ret->else_names = json_object_get(argument, "else_then_at_least_one_of");
    ret->else_err = text_of(argument, "else_then_err");
    ret->has_else = json_object_get(argument, "else_match") != NULL;
    if (r == 0 && ret->has_else)
        r = compile_match_of(compiling, argument, "else_match", ret->if_field, &ret->else_match);
    return r;
}

static enum model_check_kind check_kind(const char *where, const char *word)
{
    static const char *const words[] = {
        [MODEL_CHECK_AT_LEAST_ONE_OF] = "at_least_one_of",
        [MODEL_CHECK_ONLY_ONE_OF] = "only_one_of",
        [MODEL_CHECK_DISTINCT] = "distinct",
        [MODEL_CHECK_MUTUALLY_REQUIRED] = "mutually_required",
        [MODEL_CHECK_MUTUALLY_EXCLUSIVE] = "mutually_exclusive",
        [MODEL_CHECK_CONDITIONAL] = "conditional",
        [MODEL_CHECK_CONDITIONAL_AT_LEAST_ONE_OF] = "conditional_at_least_one_of",
        [MODEL_CHECK_CUSTOM] = "custom_entity_check",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i], word) == 0)
            return (enum model_check_kind)i;
    model_broken(where, word);
}

static int compile_check(const struct compiling *compiling, const json_t *check,
                         struct model_entity_check *ret)
{
    void *only = json_object_iter((json_t *)check);
    const json_t *argument = json_object_iter_value(only);

    ret->kind = check_kind(compiling->where, json_object_iter_key(only));
    switch (ret->kind) {
    case MODEL_CHECK_CONDITIONAL:
    case MODEL_CHECK_CONDITIONAL_AT_LEAST_ONE_OF:
        return compile_conditional(compiling, argument, ret);
    case MODEL_CHECK_CUSTOM:
        ret->names = json_object_get(argument, "field_sources");
        ret->custom = model_named_record_check(text_of(argument, "x_check"));
        if (!ret->custom)
            model_broken(compiling->where, text_of(argument, "x_check"));
        return 0;
    case MODEL_CHECK_AT_LEAST_ONE_OF:
    case MODEL_CHECK_ONLY_ONE_OF:
    case MODEL_CHECK_DISTINCT:
    case MODEL_CHECK_MUTUALLY_REQUIRED:
    case MODEL_CHECK_MUTUALLY_EXCLUSIVE:
        ret->names = argument;
        return 0;
    }
    return 0;
}

int model_compile_checks(struct model *model, const char *where, const json_t *definition,
                         const json_t *base, struct model_record *record)
{
    const json_t *list = json_object_get(definition, "entity_checks");
    size_t count = json_array_size(list);
    struct model_entity_check *checks = model_alloc(model, (count + 1) * sizeof(*checks));
    struct compiling compiling = { model, where, definition, base };

    if (!checks)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int r = compile_check(&compiling, json_array_get(list, i), &checks[i]);
        if (r < 0)
            return r;
    }
    record->checks = checks;
    record->checks_count = count;
    return 0;
}
