/* headers_expect_read: the file of expectations. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "config/suggest.h"
#include "tools/lab/headers_expect.h"
#include "tools/origin/reader.h"

enum { EXPECT_BYTES_MAX = 1 << 20, EXPECTATIONS_MAX = 10000 };

/* Where the reading is. */
struct expect_reading {
    struct headers_expect *expect;
    enum headers_direction direction;
    const char *hop; /* NULL: end to end */
    struct headers_expectation *item;
};

/* A new one at that node; NULL: no memory. */
static struct headers_expectation *add_item(struct expect_reading *reading,
                                            const struct document_node *node)
{
    const struct document_mark *mark = &node->document->marks[node->mark];
    struct headers_expect *expect = reading->expect;
    struct headers_expectation *grown =
        reallocarray(expect->items, expect->count + 1, sizeof(*grown));
    struct headers_expectation *item;

    if (!grown)
        return NULL;
    expect->items = grown;
    item = &grown[expect->count];
    *item = (struct headers_expectation){ .direction = reading->direction,
                                          .line = mark->line,
                                          .column = mark->column };
    if (reading->hop) {
        item->hop = strdup(reading->hop);
        if (!item->hop)
            return NULL;
    }
    expect->count++;
    return item;
}

/* ---- an expectation ------------------------------------------------------------------------ */

static bool read_field(struct reader *reader, const struct document_node *node, void *into)
{
    struct headers_expectation *item = ((struct expect_reading *)into)->item;

    if (!reader_string(reader, node, &item->field))
        return false;
    if (item->field && !item->field[0])
        reader_fail(reader, node, "the name of a field is missing");
    return true;
}

static unsigned flag_of(const char *word)
{
    enum ledger_change change = ledger_change_of(slice_of(word));

    if (change != LEDGER_CHANGE_COUNT)
        return 1u << change;
    if (strcmp(word, "re-cased") == 0)
        return HEADERS_EXPECT_RECASED;
    return strcmp(word, "moved") == 0 ? HEADERS_EXPECT_MOVED : 0;
}

static void read_word(struct reader *reader, const struct document_node *node, unsigned *into)
{
    const char *word = json_string_value(node->value);
    struct suggest suggest = { .wanted = word };

    if (word && flag_of(word)) {
        *into |= flag_of(word);
        return;
    }
    for (enum ledger_change i = 0; word && i < LEDGER_CHANGE_COUNT; i++)
        suggest_offer(&suggest, ledger_change_name(i));
    if (word && suggest.nearest)
        reader_fail(reader, node, "unknown word '%s'; did you mean '%s'?", word, suggest.nearest);
    else
        reader_fail(reader, node,
                    "must be one or several of kept, added, dropped, changed, extended, "
                    "lines-added, lines-lost, merged, split, re-cased, moved");
}

static bool read_is(struct reader *reader, const struct document_node *node, void *into)
{
    struct headers_expectation *item = ((struct expect_reading *)into)->item;
    struct document_node child = { 0 };

    if (!json_is_array(node->value)) {
        read_word(reader, node, &item->is);
        return true;
    }
    while (document_next(node, &child))
        read_word(reader, &child, &item->is);
    if (json_array_size(node->value) == 0)
        reader_fail(reader, node, "an empty list can never be met");
    return true;
}

/* As the ledger has it: lines joined by " | ". */
static bool read_value(struct reader *reader, const struct document_node *node, void *into)
{
    struct headers_expectation *item = ((struct expect_reading *)into)->item;
    struct document_node child = { 0 };
    size_t length, said = 0;
    FILE *stream;

    if (!json_is_array(node->value))
        return reader_string(reader, node, &item->value);
    free(item->value);
    item->value = NULL;
    stream = open_memstream(&item->value, &length);
    if (!stream)
        return false;
    while (document_next(node, &child)) {
        if (json_is_string(child.value))
            (void)fprintf(stream, "%s%s", said++ > 0 ? " | " : "", json_string_value(child.value));
        else
            reader_fail(reader, &child, "the value of a line must be a text");
    }
    return fclose(stream) == 0;
}

static bool read_absent(struct reader *reader, const struct document_node *node, void *into)
{
    (void)reader_boolean(reader, node, &((struct expect_reading *)into)->item->absent);
    return true;
}

static const struct reader_member item_members[] = {
    { .name = "field", .read = read_field, .required = true },
    { .name = "is", .read = read_is },
    { .name = "value", .read = read_value },
    { .name = "absent", .read = read_absent },
    { .name = NULL },
};

/* ---- a place ------------------------------------------------------------------------------- */

static bool read_fields(struct reader *reader, const struct document_node *node, void *into)
{
    struct expect_reading *reading = into;
    struct document_node child = { 0 };

    if (!reader_is_list(reader, node, "fields"))
        return true;
    while (document_next(node, &child)) {
        if (reading->expect->count >= EXPECTATIONS_MAX) {
            reader_fail(reader, &child, "too many expectations, %d at most", EXPECTATIONS_MAX);
            return true;
        }
        reading->item = add_item(reading, &child);
        if (!reading->item || !reader_mapping(reader, &child, "an expectation", item_members, into))
            return false;
        if (json_is_object(child.value) && !reading->item->is && !reading->item->value &&
            !reading->item->absent)
            reader_fail(reader, &child,
                        "says nothing of the field: is, value or absent is missing");
        if (reading->item->absent && (reading->item->is || reading->item->value))
            reader_fail(reader, &child, "absent goes with neither is nor value");
    }
    return true;
}

static bool read_nothing_else(struct reader *reader, const struct document_node *node, void *into)
{
    bool is_wanted = false;

    return !reader_boolean(reader, node, &is_wanted) || !is_wanted || add_item(into, node);
}

static const struct reader_member place_members[] = {
    { .name = "fields", .read = read_fields },
    { .name = "nothing_else", .read = read_nothing_else },
    { .name = NULL },
};

static bool read_end_to_end(struct reader *reader, const struct document_node *node, void *into)
{
    ((struct expect_reading *)into)->hop = NULL;
    return reader_mapping(reader, node, "end_to_end", place_members, into);
}

static bool read_hops(struct reader *reader, const struct document_node *node, void *into)
{
    struct document_node child = { 0 };

    if (!json_is_object(node->value)) {
        reader_fail(reader, node, "must be a mapping from hops' names");
        return true;
    }
    while (document_next(node, &child)) {
        ((struct expect_reading *)into)->hop = child.key;
        if (!reader_mapping(reader, &child, "a hop", place_members, into))
            return false;
    }
    return true;
}

static const struct reader_member direction_members[] = {
    { .name = "end_to_end", .read = read_end_to_end },
    { .name = "hops", .read = read_hops },
    { .name = NULL },
};

static bool read_request(struct reader *reader, const struct document_node *node, void *into)
{
    ((struct expect_reading *)into)->direction = HEADERS_REQUEST;
    return reader_mapping(reader, node, "request", direction_members, into);
}

static bool read_response(struct reader *reader, const struct document_node *node, void *into)
{
    ((struct expect_reading *)into)->direction = HEADERS_RESPONSE;
    return reader_mapping(reader, node, "response", direction_members, into);
}

static const struct reader_member file_members[] = {
    { .name = "request", .read = read_request },
    { .name = "response", .read = read_response },
    { .name = NULL },
};

/* ---- the file ------------------------------------------------------------------------------ */

struct headers_expect *headers_expect_parse(struct slice text, const char *file,
                                            struct config_errors *errors)
{
    SCOPED(document) document = NULL;
    SCOPED(headers_expect) expect = calloc(1, sizeof(*expect));
    struct expect_reading reading = { .expect = expect };
    struct reader reader = { .errors = errors };
    size_t before = errors->errors_count;
    struct document_node root;

    if (!expect || !(expect->file = strdup(file)))
        return NULL;
    if (document_parse(text, document_guess_format(file, text), file, &document, errors) < 0)
        return NULL;
    root = document_root(document);
    if (!reader_mapping(&reader, &root, "a file of expectations", file_members, &reading))
        return NULL;
    if (expect->count == 0 && errors->errors_count == before)
        reader_fail(&reader, &root, "nothing is expected: fields or nothing_else is missing");
    return errors->errors_count == before ? TAKE(expect) : NULL;
}

struct headers_expect *headers_expect_load(const char *file, struct config_errors *errors)
{
    struct headers_expect *expect;
    char *text = NULL;
    size_t length;

    if (file_read(file, EXPECT_BYTES_MAX, &text, &length, errors) < 0)
        return NULL;
    expect = headers_expect_parse((struct slice){ text, length }, file, errors);
    free(text);
    return expect;
}

void headers_expect_free(struct headers_expect *expect)
{
    if (!expect)
        return;
    for (size_t i = 0; i < expect->count; i++) {
        free(expect->items[i].hop);
        free(expect->items[i].field);
        free(expect->items[i].value);
    }
    free(expect->items);
    free(expect->file);
    free(expect);
}
