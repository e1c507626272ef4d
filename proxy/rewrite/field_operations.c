#include "proxy/rewrite/field_operations.h"

#include <errno.h>

#include "proxy/rewrite/field_name.h"

/* One section on its way through the operations. */
struct editor {
    struct template_scope scope;
    const struct field_response *response; /* NULL: a request */
    struct fields *fields;
};

/* ---- names ---- */

/* Of one connection, of framing, or of which there must be exactly one. */
static bool is_protected(const struct editor *editor, const struct field *field)
{
    switch ((enum field_id)field->id) {
    case FIELD_HOST:
        return !editor->response;
    case FIELD_CONNECTION:
    case FIELD_CONTENT_LENGTH:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_KEEP_ALIVE:
    case FIELD_PROXY_CONNECTION:
    case FIELD_HTTP2_SETTINGS:
    case FIELD_TE:
    case FIELD_TRAILER:
    case FIELD_UPGRADE:
    case FIELD_EXPECT:
        return true;
    default:
        return false;
    }
}

/* as_cgi: also with "_" for "-", see field_name.h. */
static bool is_meant(const struct field_operation *operation, struct slice name, bool as_cgi)
{
    if (operation->is_prefix) {
        if (name.len < operation->name.len)
            return false;
        name.len = operation->name.len;
    }
    return field_name_matches(operation->name, name, as_cgi);
}

/* What set and remove take out of a request, they take out in either spelling: a target behind CGI
 * has one variable for both. A response goes to no such reader. */
static bool is_taken(const struct editor *editor, const struct field_operation *operation,
                     struct slice name)
{
    return is_meant(operation, name, !editor->response);
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
}

/* What is not written with a capital after each "-" and small letters else. */
static struct slice odd_spelling(const struct field *field)
{
    static const struct slice odd[] = {
        { "ETag", 4 },
        { "WWW-Authenticate", 16 },
        { "DNT", 3 },
        { "Sec-WebSocket-Accept", 20 },
        { "Sec-WebSocket-Extensions", 24 },
        { "Sec-WebSocket-Key", 17 },
        { "Sec-WebSocket-Protocol", 22 },
        { "Sec-WebSocket-Version", 21 },
    };

    if (field->id != FIELD_OTHER)
        return field_id_name((enum field_id)field->id);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        if (slice_equal_nocase(odd[i], field->name))
            return odd[i];
    return (struct slice){ NULL, 0 };
}

static int spell(const struct editor *editor, struct field *field, enum field_spelling spelling)
{
    struct slice odd = odd_spelling(field);
    char *name;

    if (spelling == FIELD_SPELLING_CANONICAL && odd.ptr) {
        field->name = odd;
        return 0;
    }
    name = arena_alloc(editor->fields->arena, field->name.len + 1);
    if (!name)
        return -ENOMEM;
    for (size_t i = 0; i < field->name.len; i++) {
        bool begins = i == 0 || field->name.ptr[i - 1] == '-';

        name[i] = spelling == FIELD_SPELLING_CANONICAL && begins
                      ? upper(field->name.ptr[i])
                      : field_name_fold(field->name.ptr[i]);
    }
    field->name.ptr = name;
    return 0;
}

/* ---- values ---- */

/* Without the white space around it, which is no part of a value (RFC 9110 5.5). */
static struct slice trimmed(struct slice value)
{
    while (value.len > 0 && (value.ptr[0] == ' ' || value.ptr[0] == '\t'))
        value = slice_from(value, 1);
    while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t'))
        value.len--;
    return value;
}

/* Behind `before`, if that is not empty. ptr NULL: no memory. */
static struct slice expand(const struct editor *editor, const struct field_operation *operation,
                           struct slice before, const char *separator)
{
    const struct template *value = &operation->value;
    size_t start;
    struct slice own;
    struct text text;

    if (before.len == 0 && value->count == 1 && value->parts[0].variable == TEMPLATE_LITERAL)
        return trimmed(value->parts[0].literal);
    text_init(&text, editor->fields->arena);
    text_add(&text, before);
    text_add_string(&text, before.len > 0 ? separator : "");
    start = text.length;
    template_expand_value(value, &editor->scope, &text);
    own = text_take(&text);
    if (!own.ptr)
        return own;
    if (trimmed(slice_from(own, start)).len == 0)
        return before.len > 0 ? before : SLICE("");
    return trimmed(own);
}

/* ---- operations ---- */

static struct field *find_taken(const struct editor *editor,
                                const struct field_operation *operation)
{
    for (uint32_t i = 0; i < editor->fields->count; i++)
        if (is_taken(editor, operation, editor->fields->items[i].name))
            return &editor->fields->items[i];
    return NULL;
}

static void remove_named(const struct editor *editor, const struct field_operation *operation,
                         const struct field *kept)
{
    struct fields *fields = editor->fields;
    uint32_t count = 0;

    for (uint32_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        bool stays = field == kept || !is_taken(editor, operation, field->name) ||
                     (operation->is_prefix && is_protected(editor, field));

        if (stays)
            fields->items[count++] = *field;
    }
    fields->count = count;
}

static int add(const struct editor *editor, const struct field_operation *operation)
{
    struct slice value;

    if (operation->if_absent && find_taken(editor, operation))
        return 0;
    value = expand(editor, operation, SLICE(""), "");
    if (!value.ptr)
        return -ENOMEM;
    return value.len == 0
               ? 0
               : fields_add_known(editor->fields, operation->written_id, operation->name, value);
}

static int set(const struct editor *editor, const struct field_operation *operation)
{
    struct field *first = find_taken(editor, operation);
    struct slice value;

    if (!first || operation->if_absent)
        return add(editor, operation);
    value = expand(editor, operation, SLICE(""), "");
    if (!value.ptr)
        return -ENOMEM;
    if (value.len == 0 && is_protected(editor, first))
        return 0; /* a request without Host is none */
    if (value.len > 0) {
        first->name = operation->name;
        first->id = (uint8_t)operation->written_id;
        first->value = value;
    }
    remove_named(editor, operation, value.len > 0 ? first : NULL);
    return 0;
}

static int append(const struct editor *editor, const struct field_operation *operation)
{
    struct field *last = NULL;
    struct slice value;

    for (uint32_t i = editor->fields->count; i > 0 && !last; i--)
        if (is_meant(operation, editor->fields->items[i - 1].name, false))
            last = &editor->fields->items[i - 1];
    if (!last)
        return add(editor, operation);
    /* the one list whose separator is not a comma (RFC 6265 4.2.1) */
    value =
        expand(editor, operation, last->value, operation->written_id == FIELD_COOKIE ? "; " : ", ");
    if (!value.ptr)
        return -ENOMEM;
    last->value = value;
    return 0;
}

static void rename_all(const struct editor *editor, const struct field_operation *operation)
{
    for (uint32_t i = 0; i < editor->fields->count; i++) {
        struct field *field = &editor->fields->items[i];

        if (!is_meant(operation, field->name, false))
            continue;
        field->name = operation->to;
        field->id = (uint8_t)operation->written_id;
    }
}

static int change_case(const struct editor *editor, const struct field_operation *operation)
{
    int r = 0;

    for (uint32_t i = 0; i < editor->fields->count && r == 0; i++) {
        struct field *field = &editor->fields->items[i];

        if (operation->spelling != FIELD_SPELLING_GIVEN)
            r = spell(editor, field, operation->spelling);
        else if (is_meant(operation, field->name, false))
            field->name = operation->name;
    }
    return r;
}

static int apply(const struct editor *editor, const struct field_operation *operation)
{
    switch (operation->operation) {
    case CONFIG_SET:
        return set(editor, operation);
    case CONFIG_ADD:
        return add(editor, operation);
    case CONFIG_APPEND:
        return append(editor, operation);
    case CONFIG_RENAME:
        rename_all(editor, operation);
        return 0;
    case CONFIG_REMOVE:
        remove_named(editor, operation, NULL);
        return 0;
    case CONFIG_CASE:
        return change_case(editor, operation);
    }
    return 0;
}

/* ---- when ---- */

static bool is_interim(unsigned status)
{
    return status < 200 && status != 101;
}

static bool acts(const struct editor *editor, const struct field_operation *operation)
{
    const struct field_response *response = editor->response;

    if (!response)
        return true;
    if (is_interim(response->status)) /* it has no conditions to meet, and secrets to keep */
        return operation->operation == CONFIG_REMOVE && operation->on_any_status;
    if (!response->fields && !operation->on_own)
        return false;
    return operation->on_any_status ||
           (response->status < 1024 &&
            operation->statuses.bits[response->status / 64] >> response->status % 64 & 1);
}

static int apply_all(const struct editor *editor, const struct field_operations *scopes)
{
    for (size_t i = 0; i < FIELD_SCOPES_COUNT; i++)
        for (size_t k = 0; k < scopes[i].count; k++) {
            int r = acts(editor, &scopes[i].items[k]) ? apply(editor, &scopes[i].items[k]) : 0;

            if (r < 0)
                return r;
        }
    return 0;
}

int field_operations_on_request(const struct exchange_record *record, struct fields *fields)
{
    const struct editor editor = { .scope = { .record = record }, .fields = fields };

    return apply_all(&editor, record->field_plan->request);
}

int field_operations_on_response(const struct exchange_record *record,
                                 const struct field_response *response, struct fields *fields)
{
    const struct template_answer answer = { .status = response->status };
    const struct editor editor = {
        .scope = { .record = record, .answer = &answer, .response = response->fields },
        .response = response,
        .fields = fields,
    };

    return apply_all(&editor, record->field_plan->response);
}

bool field_operations_name(const struct field_plan *plan, bool of_request, struct slice name)
{
    const struct field_operations *scopes = !plan        ? NULL
                                            : of_request ? plan->request
                                                         : plan->response;

    for (size_t i = 0; scopes && i < FIELD_SCOPES_COUNT; i++)
        for (size_t k = 0; k < scopes[i].count; k++) {
            const struct field_operation *operation = &scopes[i].items[k];

            if (operation->operation != CONFIG_CASE &&
                (is_meant(operation, name, of_request) || slice_equal_nocase(operation->to, name)))
                return true;
        }
    return false;
}
