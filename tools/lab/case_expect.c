#include "tools/lab/case_expect.h"

#include <stdlib.h>
#include <string.h>

#include "config/document.h"
#include "config/file.h"
#include "config/suggest.h"

static const char *const selectors[] = { "fault", "place", "method" };
static const char *const facts[] = { "status",  "end",        "culprit",    "reason",
                                     "made_by", "hits_total", "duplicates", "failed" };

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* ---- reading ------------------------------------------------------------------------------- */

static void offer(struct suggest *suggest, bool *known, const char *name)
{
    *known = *known || strcmp(suggest->wanted, name) == 0;
    suggest_offer(suggest, name);
}

static void check_rule(const struct document_node *node, struct config_errors *errors)
{
    struct document_node child = { 0 };

    if (!json_is_object(node->value)) {
        document_add_error(node, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "expected a rule: {fault: refused, method: POST, status: 502}");
        return;
    }
    while (document_next(node, &child)) {
        struct suggest suggest = { .wanted = child.key };
        bool known = false;

        for (size_t i = 0; i < COUNT(selectors); i++)
            offer(&suggest, &known, selectors[i]);
        for (size_t i = 0; i < COUNT(facts); i++)
            offer(&suggest, &known, facts[i]);
        offer(&suggest, &known, "verdict");
        if (!known)
            document_add_error(&child, DOCUMENT_AT_KEY, errors, CONFIG_ERROR,
                               "a rule has no such key; did you mean '%s'?",
                               suggest.nearest ? suggest.nearest : "status");
    }
}

/* An earlier result: what may differ from run to run (times, words) is left out. */
static json_t *rules_of_result(const json_t *cases)
{
    json_t *rules = json_array(), *one;
    size_t i;

    json_array_foreach(cases, i, one)
    {
        json_t *rule = json_object();

        for (size_t k = 0; k < COUNT(selectors); k++)
            json_object_set(rule, selectors[k], json_object_get(one, selectors[k]));
        for (size_t k = 0; k < COUNT(facts); k++)
            json_object_set(rule, facts[k], json_object_get(one, facts[k]));
        json_array_append_new(rules, rule);
    }
    return rules;
}

json_t *case_expect_read(const char *path, struct config_errors *errors)
{
    SCOPED(document) document = NULL;
    struct document_node root, child = { 0 };
    size_t before = errors->errors_count, length;
    char *text = NULL;
    int r = file_read(path, DOCUMENT_BYTES_MAX, &text, &length, errors);

    if (r == 0)
        r = document_parse((struct slice){ text, length },
                           document_guess_format(path, (struct slice){ text, length }), path,
                           &document, errors);
    free(text);
    if (r < 0)
        return NULL;
    root = document_root(document);
    if (json_is_array(json_object_get(root.value, "cases")))
        return rules_of_result(json_object_get(root.value, "cases"));
    if (!json_is_array(root.value))
        document_add_error(&root, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "expected a list of rules, or what --json printed");
    while (json_is_array(root.value) && document_next(&root, &child))
        check_rule(&child, errors);
    return errors->errors_count > before ? NULL : json_deep_copy(root.value);
}

/* ---- checking ------------------------------------------------------------------------------ */

static char *as_text(const json_t *value)
{
    return json_is_string(value) ? strdup(json_string_value(value))
                                 : json_dumps(value ? value : json_null(), JSON_ENCODE_ANY);
}

static bool is_meant(const json_t *rule, const json_t *one)
{
    for (size_t i = 0; i < COUNT(selectors); i++) {
        const json_t *wanted = json_object_get(rule, selectors[i]);

        if (wanted && !json_equal(wanted, json_object_get(one, selectors[i])))
            return false;
    }
    return true;
}

static void check_fact(const char *key, const json_t *wanted, const json_t *found, char *into,
                       size_t size)
{
    bool is_so = strcmp(key, "verdict") == 0 && json_is_string(wanted) && json_is_string(found)
                     ? strstr(json_string_value(found), json_string_value(wanted)) != NULL
                     : json_equal(wanted, found);
    size_t length = strlen(into);
    char *one, *other;

    if (is_so)
        return;
    one = as_text(wanted);
    other = as_text(found);
    snprintf(into + length, size - length, "%s%s is %.300s, not %.200s", length ? "; " : "", key,
             other ? other : "?", one ? one : "?");
    free(one);
    free(other);
}

static json_t *check_case(const json_t *rule, const json_t *one)
{
    char differences[1200] = "";
    const json_t *verdict = json_object_get(rule, "verdict");

    for (size_t i = 0; i < COUNT(facts); i++) {
        const json_t *wanted = json_object_get(rule, facts[i]);

        if (wanted)
            check_fact(facts[i], wanted, json_object_get(one, facts[i]), differences,
                       sizeof(differences));
    }
    if (verdict)
        check_fact("verdict", verdict, json_object_get(one, "verdict"), differences,
                   sizeof(differences));
    return json_pack("{s:O, s:b, s:o}", "case", json_object_get(one, "case"), "met",
                     differences[0] == '\0', "text",
                     json_sprintf("%s %s at %s: %s",
                                  json_string_value(json_object_get(one, "method")),
                                  json_string_value(json_object_get(one, "fault")),
                                  json_string_value(json_object_get(one, "place")),
                                  differences[0] ? differences : "as expected"));
}

static json_t *nothing_meant(const json_t *rule)
{
    char *text = json_dumps(rule, JSON_COMPACT);
    json_t *made = json_pack("{s:s, s:b, s:o}", "case", "", "met", 0, "text",
                             json_sprintf("no case is meant by the rule %s", text ? text : ""));

    free(text);
    return made;
}

json_t *case_expect_check(const json_t *rules, const json_t *cases, size_t *ret_unmet)
{
    json_t *results = json_array(), *rule, *one, *result;
    size_t i, k;

    *ret_unmet = 0;
    json_array_foreach(cases, k, one)
    {
        json_array_foreach(rules, i, rule)
        {
            if (!is_meant(rule, one))
                continue;
            result = check_case(rule, one);
            *ret_unmet += !json_is_true(json_object_get(result, "met"));
            json_array_append_new(results, result);
        }
    }
    json_array_foreach(rules, i, rule)
    {
        bool found = false;

        json_array_foreach(cases, k, one) found = found || is_meant(rule, one);
        if (found)
            continue;
        ++*ret_unmet;
        json_array_append_new(results, nothing_meant(rule));
    }
    return results;
}
