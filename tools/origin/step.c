#include "tools/origin/step.h"

#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"

enum {
    STEPS_MAX = 10000,
    BYTES_MAX = 1024 * 1024 * 1024, /* read_some */
    FIELD_BYTES_MAX = 1024 * 1024,
};

static const uint64_t count_max = 1000ULL * 1000 * 1000 * 1000 * 1000;
static const double seconds_max = 7.0 * 24 * 3600;

/*
 * Arguments: t text or bytes, p several of them, n count, z size, s seconds, m milliseconds; those
 * behind '?' may be missing.
 */
struct step_form {
    const char *name, *arguments, *synopsis, *what;
};

static const struct step_form forms[STEP_KINDS] = {
    [STEP_READ_HEAD] = { "read_head", "", "", "read up to the empty line behind a request head" },
    [STEP_READ_REQUEST] = { "read_request", "", "", "read a whole request, content too" },
    [STEP_READ_SOME] = { "read_some", "n", "N", "read until N bytes came (1: one read)" },
    [STEP_SEND] = { "send", "p", "BYTES...", "send them" },
    [STEP_REPEAT] = { "repeat", "tn", "BYTES N", "send them N times" },
    [STEP_FIELDS] = { "fields", "tnz", "NAME N SIZE",
                      "send N field lines \"NAME0: a...\" with values of SIZE bytes" },
    [STEP_BIG] = { "big", "n", "N", "send N bytes of a pattern: lines of 16 with their offset" },
    [STEP_SLEEP] = { "sleep", "s", "S", "wait S seconds" },
    [STEP_TRICKLE] = { "trickle", "ts?z", "BYTES S [N]", "send N bytes (1) every S seconds" },
    [STEP_SERVE] = { "serve", "?t", "[CONTENT]",
                     "read a request, answer 200 with it and Content-Length; without: the good "
                     "answer" },
    [STEP_ANSWER] = { NULL, "", "", "" },
    [STEP_FIN] = { "fin", "", "", "half-close: FIN (close_notify before it on TLS); read on" },
    [STEP_DRAIN] = { "drain", "", "", "read and forget until the other side ends" },
    [STEP_HOLD] = { "hold", "", "", "the same, then close" },
    [STEP_NOREAD] = { "noread", "", "", "keep it open, never read" },
    [STEP_CLOSE] = { "close", "", "",
                     "close (close_notify first on TLS); unread input makes it RST" },
    [STEP_CLOSE_DIRTY] = { "close_dirty", "", "", "close without close_notify" },
    [STEP_RST] = { "rst", "", "", "reset, once what was sent is out" },
    [STEP_TLS] = { "tls", "", "", "begin a TLS handshake; nothing may have been read before" },
    [STEP_ALERT] = { "alert", "n", "N", "send a fatal TLS alert in the clear: 40, 70, 112 ..." },
    [STEP_LOOP] = { "loop", "?n", "[N]", "begin again with the first step; N times at most" },
};

/* The same things under other names. */
static const struct {
    const char *name;
    enum step_kind kind;
    const char *arguments;
} aliases[] = {
    { "half_close", STEP_FIN, "" },
    { "reset", STEP_RST, "" },
    { "delay", STEP_SLEEP, "m" },
};

const char *step_kind_text(enum step_kind kind)
{
    return forms[kind].name ? forms[kind].name : "answer";
}

void step_print_all(FILE *stream)
{
    char label[64];

    for (size_t i = 0; i < STEP_KINDS; i++) {
        if (!forms[i].name)
            continue;
        snprintf(label, sizeof(label), "%s %s", forms[i].name, forms[i].synopsis);
        (void)fprintf(stream, "  %-22s %s\n", label, forms[i].what);
    }
    (void)fprintf(stream, "  %-22s %s\n", "delay MS", "wait MS milliseconds");
}

/* ---- reading ------------------------------------------------------------------------------- */

/* NULL: unknown. */
static const char *find_form(const char *name, enum step_kind *ret_kind)
{
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        if (strcmp(aliases[i].name, name) == 0) {
            *ret_kind = aliases[i].kind;
            return aliases[i].arguments;
        }
    }
    for (size_t i = 0; i < STEP_KINDS; i++) {
        if (forms[i].name && strcmp(forms[i].name, name) == 0) {
            *ret_kind = (enum step_kind)i;
            return forms[i].arguments;
        }
    }
    return NULL;
}

static void tell_unknown(struct reader *reader, const struct document_node *node, const char *name)
{
    struct suggest suggest = { .wanted = name };

    for (size_t i = 0; i < STEP_KINDS; i++)
        if (forms[i].name)
            suggest_offer(&suggest, forms[i].name);
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        suggest_offer(&suggest, aliases[i].name);
    if (suggest.nearest)
        reader_fail(reader, node, "there is no step '%s'; did you mean '%s'?", name,
                    suggest.nearest);
    else
        reader_fail(reader, node,
                    "there is no step '%s'; `hopgate origin --steps` lists those that there are",
                    name);
}

static void set_duration(struct reader *reader, const struct document_node *node, double per_second,
                         struct step *step)
{
    double value;

    if (reader_number(reader, node, 0, seconds_max * per_second, &value))
        step->duration_ms = (uint64_t)(value * (1000 / per_second) + 0.5);
}

static bool read_argument(struct reader *reader, const struct document_node *node, char what,
                          struct step *step)
{
    uint64_t size;

    switch (what) {
    case 't':
    case 'p':
        return reader_bytes(reader, node, &step->bytes, &step->length);
    case 'n':
        (void)reader_count(reader, node, 0,
                           step->kind == STEP_READ_SOME ? BYTES_MAX
                           : step->kind == STEP_ALERT   ? UINT8_MAX
                                                        : count_max,
                           &step->count);
        return true;
    case 'z':
        if (reader_count(reader, node, 1, FIELD_BYTES_MAX, &size))
            step->size = (uint32_t)size;
        return true;
    case 's':
        set_duration(reader, node, 1, step);
        return true;
    default:
        set_duration(reader, node, 1000, step);
        return true;
    }
}

static bool read_arguments(struct reader *reader, const struct document_node *node,
                           const char *arguments, struct step *step)
{
    struct document_node child = { 0 };
    bool optional = false;

    (void)document_next(node, &child); /* the name */
    while (document_next(node, &child)) {
        if (*arguments == '?') {
            optional = true;
            arguments++;
        }
        if (*arguments == '\0') {
            reader_fail(reader, &child, "step '%s' takes no such argument: %s %s",
                        step_kind_text(step->kind), step_kind_text(step->kind),
                        forms[step->kind].synopsis);
            return true;
        }
        if (!read_argument(reader, &child, *arguments, step))
            return false;
        if (*arguments != 'p')
            arguments++;
        else
            optional = true; /* one was enough */
    }
    if (*arguments && *arguments != '?' && !optional)
        reader_fail(reader, node, "step '%s' needs: %s %s", step_kind_text(step->kind),
                    step_kind_text(step->kind), forms[step->kind].synopsis);
    return true;
}

static bool read_step(struct reader *reader, const struct document_node *node, struct step *step)
{
    struct document_node first = { 0 };
    const char *name = json_string_value(node->value), *arguments;

    if (json_is_array(node->value) && document_next(node, &first))
        name = json_string_value(first.value);
    if (!name) {
        reader_fail(reader, node, "a step is a list that begins with its name: [sleep, 0.5]");
        return true;
    }
    step->size = 1;
    arguments = find_form(name, &step->kind);
    if (!arguments) {
        tell_unknown(reader, node, name);
        return true;
    }
    if (json_is_array(node->value))
        return read_arguments(reader, node, arguments, step);
    if (*arguments && *arguments != '?') /* a bare word: "hold" */
        reader_fail(reader, node, "step '%s' needs: [%s, %s]", name, name,
                    forms[step->kind].synopsis);
    return true;
}

/* A loop in which nothing ever waits would keep the whole process busy. */
static bool waits(const struct step *step)
{
    switch (step->kind) {
    case STEP_SLEEP:
    case STEP_TRICKLE:
        return step->duration_ms > 0;
    case STEP_SEND:
    case STEP_REPEAT:
    case STEP_BIG:
    case STEP_FIELDS:
        return step->length + step->count > 0; /* the reader sets the pace */
    case STEP_READ_HEAD:
    case STEP_READ_REQUEST:
    case STEP_READ_SOME:
    case STEP_SERVE:
    case STEP_DRAIN:
        return true;
    default:
        return false;
    }
}

static void check_loops(struct reader *reader, const struct document_node *node,
                        const struct step_list *list)
{
    bool any = false;

    for (size_t i = 0; i < list->count; i++) {
        any |= waits(&list->steps[i]);
        if (list->steps[i].kind == STEP_LOOP && !any)
            reader_fail(reader, node,
                        "before 'loop' there must be a step that reads, sends or waits");
    }
}

bool step_list_read(struct reader *reader, const struct document_node *node, struct step_list *ret)
{
    struct document_node child = { 0 };

    if (!reader_is_list(reader, node, "a list of steps"))
        return true;
    if (json_array_size(node->value) == 0 || json_array_size(node->value) > STEPS_MAX) {
        reader_fail(reader, node, "a list of steps has 1 to %d of them", STEPS_MAX);
        return true;
    }
    ret->steps = calloc(json_array_size(node->value), sizeof(*ret->steps));
    if (!ret->steps)
        return false;
    while (document_next(node, &child))
        if (!read_step(reader, &child, &ret->steps[ret->count++]))
            return false;
    check_loops(reader, node, ret);
    return true;
}

void step_list_done(struct step_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->steps[i].bytes);
    free(list->steps);
    *list = (struct step_list){ 0 };
}
