/*
 * model_rules: the limits of one value, in Kong's order and words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/entity_id.h"
#include "config/model/lua_pattern.h"
#include "config/model/model_priv.h"
#include "core/regex.h"

/* A set of rules says more than a rule: words that grow. */
struct growing {
    char *text;
    size_t length;
    bool failed;
};

static void grow(struct growing *growing, const char *text, size_t length)
{
    char *larger = growing->failed ? NULL : realloc(growing->text, growing->length + length + 1);

    if (!larger) {
        growing->failed = true;
        return;
    }
    memcpy(larger + growing->length, text, length);
    larger[growing->length + length] = '\0';
    growing->text = larger;
    growing->length += length;
}

static void grow_value(struct growing *growing, const json_t *value)
{
    char number[32];

    if (json_is_string(value))
        grow(growing, json_string_value(value), json_string_length(value));
    else if (json_is_boolean(value))
        grow(growing, json_is_true(value) ? "true" : "false", json_is_true(value) ? 4 : 5);
    else
        grow(growing, number,
             (size_t)snprintf(number, sizeof(number), "%.14g", json_number_value(value)));
}

static json_t *said_grown(struct model_words *words, const char *format, struct growing *growing)
{
    json_t *said = NULL;

    if (growing->failed)
        words->out_of_memory = true;
    else
        said = model_said(words, "%s%s", format, growing->text ? growing->text : "");
    free(growing->text);
    return said;
}

static json_t *said_list(struct model_words *words, const char *begin, const json_t *list)
{
    struct growing growing = { 0 };

    for (size_t i = 0; i < json_array_size(list); i++) {
        if (i > 0)
            grow(&growing, ", ", 2);
        grow_value(&growing, json_array_get(list, i));
    }
    return said_grown(words, begin, &growing);
}

static json_t *said_value(struct model_words *words, const char *begin, const json_t *value)
{
    struct growing growing = { 0 };

    grow_value(&growing, value);
    return said_grown(words, begin, &growing);
}

static bool is_same(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    return json_equal(a, b);
}

static bool is_among(const json_t *value, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (is_same(value, json_array_get(list, i)))
            return true;
    return false;
}

/* --- lengths ---------------------------------------------------------------------------------- */

static size_t length_of(const json_t *value)
{
    if (json_is_string(value))
        return json_string_length(value);
    return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

static json_t *check_length(struct model_words *words, const struct model_rule *rule,
                            const json_t *value)
{
    long long length = (long long)length_of(value), limit = (long long)rule->low;

    if (rule->kind == MODEL_RULE_LEN_MIN)
        return length >= limit ? NULL : model_said(words, "length must be at least %lld", limit);
    if (rule->kind == MODEL_RULE_LEN_MAX)
        return length <= limit ? NULL : model_said(words, "length must be at most %lld", limit);
    return length == limit ? NULL : model_said(words, "length must be %lld", limit);
}

/* --- texts ------------------------------------------------------------------------------------ */

static struct slice slice_of_json(const json_t *value)
{
    return (struct slice){ json_string_value(value), json_string_length(value) };
}

/* One of [{"pattern", "err"}, ...] that matches (or does not) gives its words. */
static json_t *check_each_pattern(struct model_words *words, const struct model_rule *rule,
                                  const json_t *value)
{
    bool wrong = rule->kind == MODEL_RULE_MATCH_NONE;

    for (size_t i = 0; i < json_array_size(rule->argument); i++) {
        const json_t *one = json_array_get(rule->argument, i);
        const char *pattern = json_string_value(json_object_get(one, "pattern"));
        if (lua_pattern_matches(pattern, slice_of_json(value)) == wrong)
            return model_said(words, "%s", json_string_value(json_object_get(one, "err")));
    }
    return NULL;
}

static json_t *check_any_pattern(struct model_words *words, const struct model_rule *rule,
                                 const json_t *value)
{
    const json_t *patterns = json_object_get(rule->argument, "patterns");
    const char *err = json_string_value(json_object_get(rule->argument, "err"));

    for (size_t i = 0; i < json_array_size(patterns); i++)
        if (lua_pattern_matches(json_string_value(json_array_get(patterns, i)),
                                slice_of_json(value)))
            return NULL;
    return err ? model_said(words, "%s", err) : said_value(words, "invalid value: ", value);
}

static json_t *check_pattern(struct model_words *words, const struct model_rule *rule,
                             const json_t *value)
{
    bool wanted = rule->kind == MODEL_RULE_MATCH;

    if (lua_pattern_matches(json_string_value(rule->argument), slice_of_json(value)) == wanted)
        return NULL;
    return said_value(words, "invalid value: ", value);
}

static json_t *check_beginning(struct model_words *words, const struct model_rule *rule,
                               const json_t *value)
{
    const char *wanted = json_string_value(rule->argument);

    if (strncmp(json_string_value(value), wanted, strlen(wanted)) == 0)
        return NULL;
    return model_said(words, "should start with: %s", wanted);
}

static json_t *check_regex(struct model_words *words, const json_t *value)
{
    char reason[REGEX_MESSAGE_MAX];

    if (regex_check(slice_of_json(value), 0, reason) == 0)
        return NULL;
    return said_value(words, "not a valid regex: ", value);
}

/* --- sets ------------------------------------------------------------------------------------- */

static void grow_quoted(struct growing *growing, const json_t *subset)
{
    grow(growing, "(", 1);
    for (size_t i = 0; i < json_array_size(subset); i++) {
        grow(growing, i > 0 ? ", '" : "'", i > 0 ? 3 : 1);
        grow_value(growing, json_array_get(subset, i));
        grow(growing, "'", 1);
    }
    grow(growing, ")", 1);
}

static const json_t *subset_of(const json_t *subsets, const json_t *value)
{
    for (size_t i = 0; i < json_array_size(subsets); i++)
        if (is_among(value, json_array_get(subsets, i)))
            return json_array_get(subsets, i);
    return NULL;
}

/* The subsets are named in the order in which the value has a member of them. */
static json_t *check_subsets(struct model_words *words, const struct model_rule *rule,
                             const json_t *value)
{
    enum { SUBSETS_MAX = 16 };
    const json_t *seen[SUBSETS_MAX];
    size_t count = 0;
    struct growing growing = { 0 };

    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *subset = subset_of(rule->argument, json_array_get(value, i));
        bool is_new = subset != NULL && count < SUBSETS_MAX;
        for (size_t j = 0; j < count; j++)
            is_new = is_new && seen[j] != subset;
        if (is_new)
            seen[count++] = subset;
    }
    if (count <= 1)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            grow(&growing, ", ", 2);
        grow_quoted(&growing, seen[i]);
    }
    return said_grown(words, "these sets are mutually exclusive: ", &growing);
}

/* --- all -------------------------------------------------------------------------------------- */

static json_t *check_own(struct model_words *words, const struct model_field *field,
                         const json_t *value)
{
    char message[CHECK_MESSAGE_MAX];
    int r = 0;

    if (field->check && json_is_string(value))
        r = field->check(json_string_value(value), message);
    else if (field->record_check)
        r = field->record_check(value, message);
    return r == 0 ? NULL : model_said(words, "%s", message);
}

static json_t *check_number(struct model_words *words, const struct model_rule *rule,
                            const json_t *value)
{
    double number = json_number_value(value);

    if (rule->kind == MODEL_RULE_GT)
        return number > rule->low
                   ? NULL
                   : said_value(words, "value must be greater than ", rule->argument);
    if (rule->kind == MODEL_RULE_TIMESTAMP)
        return number > 0 ? NULL : model_said(words, "expected a valid timestamp");
    if (number >= rule->low && number <= rule->high)
        return NULL;
    return model_said(words, "value should be between %lld and %lld", (long long)rule->low,
                      (long long)rule->high);
}

static json_t *check_rule(struct model_words *words, const struct model_field *field,
                          const struct model_rule *rule, const json_t *value)
{
    switch (rule->kind) {
    case MODEL_RULE_EQ:
        return value && is_same(value, rule->argument)
                   ? NULL
                   : said_value(words, "value must be ", rule->argument);
    case MODEL_RULE_NE:
        return is_same(value, rule->argument) ? said_value(words, "value must not be ", value)
                                              : NULL;
    case MODEL_RULE_NOT_ONE_OF:
        return is_among(value, rule->argument)
                   ? said_list(words, "must not be one of: ", rule->argument)
                   : NULL;
    case MODEL_RULE_ONE_OF:
        return is_among(value, rule->argument)
                   ? NULL
                   : said_list(words, "expected one of: ", rule->argument);
    case MODEL_RULE_GT:
    case MODEL_RULE_TIMESTAMP:
    case MODEL_RULE_BETWEEN:
        return check_number(words, rule, value);
    case MODEL_RULE_UUID:
        return entity_id_is_valid(json_string_value(value))
                   ? NULL
                   : model_said(words, "expected a valid UUID");
    case MODEL_RULE_IS_REGEX:
        return check_regex(words, value);
    case MODEL_RULE_LEN_EQ:
    case MODEL_RULE_LEN_MIN:
    case MODEL_RULE_LEN_MAX:
        return check_length(words, rule, value);
    case MODEL_RULE_STARTS_WITH:
        return check_beginning(words, rule, value);
    case MODEL_RULE_NOT_MATCH:
    case MODEL_RULE_MATCH:
        return check_pattern(words, rule, value);
    case MODEL_RULE_MATCH_NONE:
    case MODEL_RULE_MATCH_ALL:
        return check_each_pattern(words, rule, value);
    case MODEL_RULE_MATCH_ANY:
        return check_any_pattern(words, rule, value);
    case MODEL_RULE_CONTAINS:
        for (size_t i = 0; i < json_array_size(value); i++)
            if (is_same(json_array_get(value, i), rule->argument))
                return NULL;
        return said_value(words, "expected to contain: ", rule->argument);
    case MODEL_RULE_CHECK:
        return check_own(words, field, value);
    case MODEL_RULE_SUBSETS:
        return check_subsets(words, rule, value);
    }
    return NULL;
}

json_t *model_validate_rules(struct model_words *words, const struct model_field *field,
                             const json_t *value)
{
    for (size_t i = 0; i < field->rules_count; i++) {
        json_t *error = check_rule(words, field, &field->rules[i], value);
        if (!error && !words->out_of_memory)
            continue;
        if (!error || !field->err)
            return error;
        json_decref(error);
        return model_said(words, "%s", field->err);
    }
    return NULL;
}
