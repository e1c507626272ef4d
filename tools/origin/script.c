#include "tools/origin/script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/origin/request.h"

enum { RULES_MAX = 10000 };

static const uint64_t count_max = 1000ULL * 1000 * 1000 * 1000;

/* ---- chance -------------------------------------------------------------------------------- */

/* splitmix64 (Steele, Lea, Flood 2014): any seed is a good one. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static bool happens(struct script_rule *rule)
{
    const double one = 9007199254740992.0; /* 2^53: what a double holds exactly */

    if (rule->when.probability >= 1)
        return true;
    return (double)(next_random(&rule->random) >> 11) < rule->when.probability * one;
}

void script_reset(struct script *script)
{
    for (size_t i = 0; i < script->rules_count; i++) {
        struct script_rule *rule = &script->rules[i];
        uint64_t mix = script->seed + i;

        rule->seen_count = rule->held_count = 0;
        rule->random = next_random(&mix);
    }
}

/* ---- a rule's match ------------------------------------------------------------------------ */

static bool read_method(struct reader *reader, const struct document_node *node, void *into)
{
    return reader_string(reader, node, &((struct script_match *)into)->method);
}

static bool read_path(struct reader *reader, const struct document_node *node, void *into)
{
    return reader_string(reader, node, &((struct script_match *)into)->path);
}

static bool read_path_prefix(struct reader *reader, const struct document_node *node, void *into)
{
    return reader_string(reader, node, &((struct script_match *)into)->path_prefix);
}

static bool read_field(struct reader *reader, const struct document_node *node, void *into)
{
    return reader_string(reader, node, &((struct script_match *)into)->field);
}

static bool read_value(struct reader *reader, const struct document_node *node, void *into)
{
    return reader_string(reader, node, &((struct script_match *)into)->value);
}

static const struct reader_member match_members[] = {
    { .name = "method", .read = read_method },
    { .name = "path", .read = read_path },
    { .name = "path_prefix", .read = read_path_prefix },
    { .name = "field", .read = read_field },
    { .name = "value", .read = read_value },
    { .name = NULL },
};

static bool read_match(struct reader *reader, const struct document_node *node, void *into)
{
    struct script_match *match = &((struct script_rule *)into)->match;

    if (!reader_mapping(reader, node, "a match", match_members, match))
        return false;
    if (match->value && !match->field)
        reader_fail(reader, node, "'value' is the value of a field: name it with 'field'");
    return true;
}

/* ---- when it holds ------------------------------------------------------------------------- */

static struct script_when *when_of(void *into)
{
    return &((struct script_rule *)into)->when;
}

static bool read_on(struct reader *reader, const struct document_node *node, void *into)
{
    static const char *const words[] = { "request", "connection", NULL };

    ((struct script_rule *)into)->on_connection = reader_word(reader, node, words) == 1;
    return true;
}

static bool read_nth(struct reader *reader, const struct document_node *node, void *into)
{
    struct script_when *when = when_of(into);
    struct document_node child = { 0 };

    if (!json_is_array(node->value)) {
        if (reader_count(reader, node, 1, count_max, &when->nth))
            when->nth_last = when->nth;
        return true;
    }
    if (json_array_size(node->value) != 2) {
        reader_fail(reader, node, "must be a number, or a list of the first and the last");
        return true;
    }
    (void)document_next(node, &child);
    (void)reader_count(reader, &child, 1, count_max, &when->nth);
    (void)document_next(node, &child);
    (void)reader_count(reader, &child, when->nth, count_max, &when->nth_last);
    return true;
}

static bool read_every(struct reader *reader, const struct document_node *node, void *into)
{
    (void)reader_count(reader, node, 1, count_max, &when_of(into)->every);
    return true;
}

static bool read_times(struct reader *reader, const struct document_node *node, void *into)
{
    (void)reader_count(reader, node, 1, count_max, &when_of(into)->times);
    return true;
}

static bool read_after(struct reader *reader, const struct document_node *node, void *into)
{
    (void)reader_count(reader, node, 0, count_max, &when_of(into)->after_ms);
    return true;
}

static bool read_until(struct reader *reader, const struct document_node *node, void *into)
{
    (void)reader_count(reader, node, 1, count_max, &when_of(into)->until_ms);
    return true;
}

static bool read_probability(struct reader *reader, const struct document_node *node, void *into)
{
    (void)reader_number(reader, node, 0, 1, &when_of(into)->probability);
    return true;
}

/* ---- what it does -------------------------------------------------------------------------- */

static bool read_fault(struct reader *reader, const struct document_node *node, void *into)
{
    ((struct script_rule *)into)->fault = fault_resolve(reader, node);
    return true;
}

static bool read_steps(struct reader *reader, const struct document_node *node, void *into)
{
    return fault_read_steps(reader, node, &((struct script_rule *)into)->own_fault);
}

static bool read_rule_answer(struct reader *reader, const struct document_node *node, void *into)
{
    struct script_rule *rule = into;

    rule->has_answer = true;
    return answer_read(reader, node, &rule->answer);
}

static const struct reader_member rule_members[] = {
    { .name = "on", .read = read_on },
    { .name = "match", .read = read_match },
    { .name = "nth", .read = read_nth },
    { .name = "every", .read = read_every },
    { .name = "times", .read = read_times },
    { .name = "after_ms", .read = read_after },
    { .name = "until_ms", .read = read_until },
    { .name = "probability", .read = read_probability },
    { .name = "fault", .read = read_fault },
    { .name = "steps", .read = read_steps },
    { .name = "answer", .read = read_rule_answer },
    { .name = NULL },
};

static bool has_member(const struct document_node *node, const char *name)
{
    struct document_node child;

    return document_member(node, name, &child);
}

static void check_rule(struct reader *reader, const struct document_node *node,
                       const struct script_rule *rule)
{
    int actions = has_member(node, "fault") + has_member(node, "steps") + rule->has_answer;

    if (actions != 1)
        reader_fail(reader, node, "a rule has one of 'fault', 'steps' and 'answer'");
    if (rule->on_connection && has_member(node, "match"))
        reader_fail(reader, node, "a connection has no method, path or field to match");
    if (rule->on_connection && rule->has_answer)
        reader_fail(reader, node, "an answer is for requests: use 'steps'");
    if (rule->fault && rule->fault->listen != FAULT_LISTEN_TCP)
        reader_fail(reader, node,
                    "fault \"%s\" is about connecting: it holds for all of a listener (`fault: %s` "
                    "at the top of the script)",
                    rule->fault->name, rule->fault->name);
    else if (rule->fault && !rule->on_connection && fault_refuses_request(rule->fault, false) &&
             fault_refuses_request(rule->fault, true))
        reader_fail(reader, node, "fault \"%s\" cannot be chosen by a request: %s (on: connection)",
                    rule->fault->name, fault_refuses_request(rule->fault, true));
    if (rule->when.until_ms && rule->when.until_ms <= rule->when.after_ms)
        reader_fail(reader, node, "'until_ms' must be more than 'after_ms'");
}

static bool read_rule(struct reader *reader, const struct document_node *node,
                      struct script_rule *rule)
{
    rule->when.probability = 1;
    answer_init(&rule->answer);
    if (!reader_mapping(reader, node, "a rule", rule_members, rule))
        return false;
    if (json_is_object(node->value))
        check_rule(reader, node, rule);
    if (!rule->fault && rule->own_fault.connections)
        rule->fault = &rule->own_fault;
    return true;
}

static bool read_rules(struct reader *reader, const struct document_node *node, void *into)
{
    struct script *script = into;
    struct document_node child = { 0 };

    if (!reader_is_list(reader, node, "rules"))
        return true;
    if (json_array_size(node->value) > RULES_MAX) {
        reader_fail(reader, node, "there are %d rules at most", RULES_MAX);
        return true;
    }
    script->rules = calloc(json_array_size(node->value) + 1, sizeof(*script->rules));
    if (!script->rules)
        return false;
    while (document_next(node, &child))
        if (!read_rule(reader, &child, &script->rules[script->rules_count++]))
            return false;
    return true;
}

/* ---- the script ---------------------------------------------------------------------------- */

static bool read_seed(struct reader *reader, const struct document_node *node, void *into)
{
    struct script *script = into;

    script->has_seed = reader_count(reader, node, 0, INT64_MAX, &script->seed);
    return true;
}

static bool read_script_fault(struct reader *reader, const struct document_node *node, void *into)
{
    ((struct script *)into)->fault = fault_resolve(reader, node);
    return true;
}

static bool read_script_answer(struct reader *reader, const struct document_node *node, void *into)
{
    struct answer *answer = &((struct script *)into)->answer;

    answer_done(answer);
    answer_init(answer);
    return answer_read(reader, node, answer);
}

/* They were read already: rules may stand before them. */
static bool skip(struct reader *reader, const struct document_node *node, void *into)
{
    (void)reader;
    (void)node;
    (void)into;
    return true;
}

static const struct reader_member script_members[] = {
    { .name = "seed", .read = read_seed },
    { .name = "answer", .read = read_script_answer },
    { .name = "fault", .read = read_script_fault },
    { .name = "faults", .read = skip },
    { .name = "rules", .read = read_rules },
    { .name = NULL },
};

static bool copy_answer(const struct answer *from, struct answer *to)
{
    *to = *from;
    to->fields = NULL;
    to->fields_count = 0;
    to->reason = from->reason ? strdup(from->reason) : NULL;
    to->content = from->content ? malloc(from->content_length + 1) : NULL;
    if ((from->reason && !to->reason) || (from->content && !to->content))
        return false;
    if (to->content)
        memcpy(to->content, from->content, from->content_length);
    to->fields = calloc(from->fields_count + 1, sizeof(*to->fields));
    for (size_t i = 0; to->fields && i < from->fields_count; i++) {
        to->fields[i].name = strdup(from->fields[i].name);
        to->fields[i].value = strdup(from->fields[i].value);
        to->fields_count++;
        if (!to->fields[i].name || !to->fields[i].value)
            return false;
    }
    return to->fields != NULL;
}

static bool read_all(const struct script_source *source, struct script *script,
                     struct config_errors *errors)
{
    SCOPED(document) document = NULL;
    struct reader reader = { .errors = errors, .builtin = source->builtin, .own = &script->own };
    struct document_node root, faults;
    int r = document_parse(source->text, source->format, source->file, &document, errors);

    if (r < 0)
        return r != -ENOMEM;
    root = document_root(document);
    if (json_is_object(root.value) && document_member(&root, "faults", &faults) &&
        !fault_library_read(&reader, &faults, &script->own))
        return false;
    return reader_mapping(&reader, &root, "a script", script_members, script);
}

struct script *script_read(const struct script_source *source, struct config_errors *errors)
{
    struct script *script = calloc(1, sizeof(*script));
    size_t errors_before = errors->errors_count;
    bool ok = script != NULL;

    if (ok) {
        script->refs = 1;
        answer_init(&script->answer);
    }
    if (ok && source->answer)
        ok = copy_answer(source->answer, &script->answer);
    ok = ok && (source->text.len == 0 || read_all(source, script, errors));
    if (!ok || errors->errors_count > errors_before) {
        script_unref(script);
        return NULL;
    }
    if (!script->has_seed)
        script->seed = source->seed;
    script_reset(script);
    return script;
}

static void rule_done(struct script_rule *rule)
{
    free(rule->match.method);
    free(rule->match.path);
    free(rule->match.path_prefix);
    free(rule->match.field);
    free(rule->match.value);
    fault_done(&rule->own_fault);
    answer_done(&rule->answer);
}

struct script *script_ref(struct script *script)
{
    script->refs++;
    return script;
}

void script_unref(struct script *script)
{
    if (!script || --script->refs > 0)
        return;
    for (size_t i = 0; i < script->rules_count; i++)
        rule_done(&script->rules[i]);
    free(script->rules);
    for (size_t i = 0; i < script->own.count; i++)
        fault_done(&script->own.items[i]);
    free(script->own.items);
    answer_done(&script->answer);
    free(script);
}

/* ---- choosing ------------------------------------------------------------------------------ */

static bool field_matches(const struct script_match *match, const struct request_head *request)
{
    for (size_t i = 0; i < request->fields_count; i++)
        if (slice_equal_nocase(request->fields[i].name, slice_of(match->field)) &&
            (!match->value || slice_equal(request->fields[i].value, slice_of(match->value))))
            return true;
    return false;
}

static bool matches(const struct script_match *match, const struct request_head *request)
{
    if (match->method && !slice_equal(request->method, slice_of(match->method)))
        return false;
    if (match->path && !slice_equal(request->path, slice_of(match->path)))
        return false;
    if (match->path_prefix && !slice_starts_with(request->path, slice_of(match->path_prefix)))
        return false;
    return !match->field || field_matches(match, request);
}

static bool holds(struct script_rule *rule, const struct script_moment *moment)
{
    const struct script_when *when = &rule->when;

    if (rule->on_connection != !moment->request ||
        (moment->request && !matches(&rule->match, moment->request)))
        return false;
    if (moment->elapsed_ms < when->after_ms ||
        (when->until_ms && moment->elapsed_ms >= when->until_ms))
        return false;
    rule->seen_count++;
    if (when->nth && (rule->seen_count < when->nth || rule->seen_count > when->nth_last))
        return false;
    if (when->every && rule->seen_count % when->every != 0)
        return false;
    if (when->times && rule->held_count >= when->times)
        return false;
    if (!happens(rule))
        return false;
    rule->held_count++;
    return true;
}

const struct script_rule *script_choose(struct script *script, const struct script_moment *moment)
{
    for (size_t i = 0; i < script->rules_count; i++)
        if (holds(&script->rules[i], moment))
            return &script->rules[i];
    return NULL;
}
